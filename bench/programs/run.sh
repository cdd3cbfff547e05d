#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What protection costs twelve real programs, the counterparts of SPEC CINT 2006 in Debian's packages: by discipline,
# predictor and interval. Words name programs (see `list`); none: all. Takes some
# four hours, or fifteen minutes with QUICK=1.
#   CONFIGS    rows, DISCIPLINE:PREDICTOR each, or peer:NAME for one of bench/peers; those that this build or this host
#              refuses are left out and named
#   INTERVALS  in ms
#   ROUNDS     how often everything is run
# The tables go to standard output and, with results.csv and overhead.svg, to target/bench-programs/.
set -eu
cd "$(dirname "$0")/../.."

[ -f target/backstep.jar ] || { echo 'bench: not built yet: run make' >&2; exit 1; }
if [ "${QUICK:-}" = 1 ]; then
    bench/programs/inputs quick
else
    bench/programs/inputs full
fi

bench/compile programs
work=target/bench-programs
classes=$work/classes
classpath=target/backstep.jar:target/lib/*
java_home=${JAVA_HOME:+$JAVA_HOME/bin/}
echo 'Premain-Class: io.backstep.bench.programs.UsedByProgram' >"$work/manifest"
"${java_home}jar" --create --file "$work/agent.jar" --manifest "$work/manifest" -C "$classes" .
"${MAKE:-make}" -s -C bench/peers "BUILD=$PWD/$work/peers"

commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
PATH=$PATH:/usr/games:$PWD/$work/bin
export PATH

# Programs are started without a helper, whose time would be counted as theirs.
{
    status=0
    "${java_home}java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx64m -XX:-UsePerfData \
        -XX:+IgnoreUnrecognizedVMOptions --enable-native-access=ALL-UNNAMED -Djdk.lang.Process.launchMechanism=VFORK \
        -Djna.nosys=true -Djna.nounpack=true "-Djna.boot.library.path=$PWD/target/lib" \
        "-Dbench.home=$PWD" "-Dbench.commit=$commit" \
        -cp "$classes:$classpath" io.backstep.bench.programs.ProgramBench "$@" || status=$?
    echo "$status" >"$work/status"
} | tee "$work/results.txt"
exit "$(cat "$work/status")"
