#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Simulates errors, a million for each latency, interval and policy, and one after the other in a long run, and compares
# what becomes of them with the closed forms of retention. The exit status is 1 if one of these lies outside the interval
# around its simulated figure.
#   QUICK=1    a tenth of the errors
#   SEED       of the random numbers (1)
# The tables go to standard output and, with results.csv, to target/bench-retention/.
set -eu
cd "$(dirname "$0")/../.."

bench/compile retention
work=target/bench-retention
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)

{
    status=0
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx256m -XX:-UsePerfData "-Dbench.home=$PWD" "-Dbench.commit=$commit" \
        -cp "$work/classes:target/backstep.jar:target/lib/*" io.backstep.bench.retention.RetentionBench || status=$?
    echo "$status" >"$work/status"
} | tee "$work/results.txt"
exit "$(cat "$work/status")"
