#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The benchmarks of protected regions, by JMH: one table for each question, each with its baseline and its bound. Takes some
# half an hour, or five minutes with QUICK=1. Words name questions: idle dirty instead rollback writers first allocation;
# none: all. JMH's own output goes to target/bench/regions.log.
set -eu
cd "$(dirname "$0")/../.."

[ -f target/backstep.jar ] || { echo 'bench: not built yet: run make' >&2; exit 1; }
if [ ! -f target/bench/jmh/jmh-core-1.37.jar ]; then
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL mvn --batch-mode --no-transfer-progress -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -f bench/regions/pom.xml dependency:copy-dependencies >&2
fi

classes=target/bench/regions
rm -rf "$classes"
mkdir -p "$classes"
# With the flags of native/Makefile: what is compared is compiled alike.
${CC:-cc} -std=gnu11 -O2 -g -fPIC -shared -Wall -Wextra -Werror -Wno-missing-field-initializers -Inative/src \
    -o "$classes/libbaselines.so" bench/regions/native/baselines.c
classpath=target/backstep.jar:target/lib/*
java_home=${JAVA_HOME:+$JAVA_HOME/bin/}
"${java_home}javac" --release 17 -Xlint:all,-path,-processing,-serial,-try \
    -processorpath "$(printf '%s:' target/bench/jmh/*.jar)" -cp "$classpath:target/bench/jmh/*" -d "$classes" \
    bench/src/io/backstep/bench/Table.java bench/src/io/backstep/bench/Sample.java $(find bench/regions/src -name '*.java')

commit=$(git describe --always --dirty 2>/dev/null || echo unknown)

# The forks of JMH get the same options. The classes come first, so that nothing of JMH can hide what ships.
exec "${java_home}java" \
    -XX:+UseSerialGC -Xms2g -Xmx2g -XX:-UsePerfData \
    -XX:+IgnoreUnrecognizedVMOptions --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED \
    --add-opens java.base/jdk.internal.misc=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
    --add-opens java.base/java.lang.reflect=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
    -Djna.nosys=true -Djna.nounpack=true "-Djna.boot.library.path=$PWD/target/lib" \
    "-Djna.library.path=$PWD/target/lib:$PWD/$classes" -Djmh.ignoreLock=true \
    -Dchronicle.announcer.disable=true -Dchronicle.analytics.disable=true "-Dbench.commit=$commit" \
    -cp "$classes:$classpath:target/bench/jmh/*" io.backstep.bench.regions.RegionBench "$@"
