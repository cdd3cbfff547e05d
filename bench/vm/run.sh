#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What protecting a virtual machine of QEMU costs, and how fast it is put back: one table for each question, each line with
# its bound and whether it is met. Takes some hour, or ten minutes with QUICK=1. Words name questions: pause slowdown
# rollback peers; none: all. Needs the guest (`make guest`), root, and 16 GiB of free memory (10 with QUICK=1).
#   MACHINES   part of the names of the machines that are looked at, such as "microvm" or "q35 512 MiB shared"
#   QEMU       the program (qemu-system-x86_64)
#   CAPTURE    the discipline: copy or cow (copy). Pauses and slow-down also look at both beside each other: copy,cow. Peers
#              are always beside copy.
# The tables go to standard output and to target/bench-vm/, each figure to results.csv there.
set -eu
cd "$(dirname "$0")/../.."

[ -f target/guest/disk.img ] || { echo 'bench: no guest: run make guest' >&2; exit 1; }
bench/compile vm
bench/vm/guest
work=target/bench-vm
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)

# The JVM as ./backstep starts it: what is measured is what ships.
{
    status=0
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms16m -Xmx64m -XX:-UsePerfData \
        -XX:+IgnoreUnrecognizedVMOptions --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED \
        --add-opens java.base/jdk.internal.misc=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
        --add-opens java.base/java.lang.reflect=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
        -Djna.nosys=true -Djna.nounpack=true "-Djna.boot.library.path=$PWD/target/lib" \
        "-Djna.library.path=$PWD/target/lib" -Dchronicle.announcer.disable=true -Dchronicle.analytics.disable=true \
        "-Dbench.home=$PWD" "-Dbench.commit=$commit" \
        -cp "$work/classes:target/backstep.jar:target/lib/*" io.backstep.bench.vm.VmBench "$@" || status=$?
    echo "$status" >"$work/status"
} | tee "$work/results.txt"
exit "$(cat "$work/status")"
