#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Benchmarks by JMH: one table for each question, each with its baseline in the same run. The first word says which:
#   parts    of the engine. A quarter of an hour, or four minutes with QUICK=1.
#            Questions: call copy scan capture publish merge plan follow rollback predictor allocation
#   regions  protected regions of a JVM's memory. Some half an hour, or five minutes with QUICK=1.
#            Questions: idle dirty instead rollback writers first allocation
# Further words name questions; none: all. JMH's own output goes to target/bench/parts.log or regions.log.
set -eu
cd "$(dirname "$0")/../.."

case ${1:-} in
    parts) main=io.backstep.bench.parts.PartBench ;;
    regions) main=io.backstep.bench.regions.RegionBench ;;
    *) echo 'bench: parts or regions?' >&2; exit 2 ;;
esac
shift
bench/compile jmh
make -s -C native victims "BUILD=$PWD/target/native"

classes=target/bench/jmh-classes
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)

# The forks of JMH get the same options. The classes come first, so that nothing of JMH can hide what ships.
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" \
    -XX:+UseSerialGC -Xms2g -Xmx2g -XX:-UsePerfData \
    -XX:+IgnoreUnrecognizedVMOptions --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED \
    --add-opens java.base/jdk.internal.misc=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
    --add-opens java.base/java.lang.reflect=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
    -Djna.nosys=true -Djna.nounpack=true "-Djna.boot.library.path=$PWD/target/lib" \
    "-Djna.library.path=$PWD/target/lib:$PWD/$classes" -Djmh.ignoreLock=true "-Dbench.home=$PWD" \
    -Dchronicle.announcer.disable=true -Dchronicle.analytics.disable=true "-Dbench.commit=$commit" \
    -cp "$classes:target/backstep.jar:target/lib/*:target/bench/jmh/*" "$main" "$@"
