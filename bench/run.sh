#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The benchmarks: one table for each question, each line with its bound and whether it is met. Takes some thirteen minutes,
# or four with QUICK=1. Words name questions: idle dirty rollback runtime memory startup window growth (or
# growth-memory, -pages, -mappings, -threads); none: all.
set -eu
cd "$(dirname "$0")/.."

bench/compile main
make -s -C native victims "BUILD=$PWD/target/native"

classes=target/bench/classes
classpath=target/backstep.jar:target/lib/*
java_home=${JAVA_HOME:+$JAVA_HOME/bin/}
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
cc1=$(gcc -print-prog-name=cc1)

# The JVM as ./backstep starts it: what is measured is what ships. The measured programs write to standard output.
exec "${java_home}java" \
    -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms16m -Xmx64m -XX:-UsePerfData \
    -XX:+IgnoreUnrecognizedVMOptions --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED \
    --add-opens java.base/jdk.internal.misc=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
    --add-opens java.base/java.lang.reflect=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
    -Djna.nosys=true -Djna.nounpack=true "-Djna.boot.library.path=$PWD/target/lib" "-Djna.library.path=$PWD/target/lib" \
    -Dchronicle.announcer.disable=true -Dchronicle.analytics.disable=true \
    "-Dbench.home=$PWD" "-Dbench.commit=$commit" "-Dbench.cc1=$cc1" \
    -cp "$classes:$classpath" io.backstep.bench.Bench "$@" 2>&1 >/dev/null
