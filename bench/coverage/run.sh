#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Injects faults into real programs under protection, has each noticed after a latency at random, and compares how often a
# checkpoint from before the fault was there with the coverage that is predicted. The exit status is 1 if a prediction
# lies outside the interval around what was measured.
#   QUICK=1     a tenth of the faults, in seconds
#   SEED        of the random numbers (1)
#   LATENCIES   texts of error latencies, separated by blanks, in place of the usual ones
# The tables go to standard output and, with results.csv, to target/bench-coverage/.
set -eu
cd "$(dirname "$0")/../.."

bench/compile coverage
work=target/bench-coverage
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)

# The JVM as ./backstep starts it: what is measured is what ships.
{
    status=0
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" \
        -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms16m -Xmx64m -XX:-UsePerfData \
        -XX:+IgnoreUnrecognizedVMOptions --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED \
        --add-opens java.base/jdk.internal.misc=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
        --add-opens java.base/java.lang.reflect=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
        -Djna.nosys=true -Djna.nounpack=true "-Djna.boot.library.path=$PWD/target/lib" \
        "-Djna.library.path=$PWD/target/lib" -Dchronicle.announcer.disable=true -Dchronicle.analytics.disable=true \
        "-Dbench.home=$PWD" "-Dbench.commit=$commit" \
        -cp "$work/classes:target/backstep.jar:target/lib/*" io.backstep.bench.coverage.CoverageBench || status=$?
    echo "$status" >"$work/status"
} | tee "$work/results.txt"
exit "$(cat "$work/status")"
