#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The main job, on real input: a file of some 60 MB is compressed undisturbed, then under protection while faults strike
# registers and memory. The two outputs must be the same to the bit. Ends with status 0 only if they are.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
report=target/demo-report.json

now_ms() {
    date +%s%3N
}

# Real input: the shared libraries of this system, until there are 60 MB.
find /usr/lib /lib -name '*.so*' -type f -size +100k 2>/dev/null | sort | while read -r file; do cat "$file"; done |
    head -c 60000000 >"$work/input"
size=$(wc -c <"$work/input")
if [ "$size" -lt 50000000 ]; then
    echo "backstep demo: found only $size bytes of shared libraries to compress, need 50 MB" >&2
    exit 1
fi

echo "1. Compressing $size bytes with bzip2, undisturbed."
start=$(now_ms)
bzip2 -c "$work/input" >"$work/undisturbed.bz2"
undisturbed=$(($(now_ms) - start))

echo "2. The same without faults, protected: a checkpoint every 50 ms."
start=$(now_ms)
./backstep run --log warn --report "$work/quiet.json" -- bzip2 -c "$work/input" >"$work/protected.bz2"
protected=$(($(now_ms) - start))

echo "3. The same, protected, with faults in registers and memory."
echo "   bzip2 handles SIGSEGV and SIGBUS itself; --catch lets backstep have them first. A flipped bit in its data would not be"
echo "   noticed by anybody: for those a detector is played that speaks 25 ms later (noticed=25ms)."
echo
./backstep run --catch SEGV,BUS,ILL,FPE,ABRT --keep 5 --report "$report" \
    --inject register:rip@500ms,seed=11 \
    --inject memory:heap@1000ms,seed=12,bits=2,noticed=25ms \
    --inject register:rsp@1500ms,seed=20 \
    --inject memory:stack@2000ms,seed=14,noticed=25ms \
    --inject memory:data@2500ms,seed=15,noticed=25ms \
    --inject register@3000ms,seed=16,noticed=25ms \
    -- bzip2 -c "$work/input" >"$work/faults.bz2"

echo
echo "4. Digests of the compressed files:"
status=0
reference=$(sha256sum <"$work/undisturbed.bz2" | cut -c1-64)
for run in undisturbed protected faults; do
    digest=$(sha256sum <"$work/$run.bz2" | cut -c1-64)
    echo "   $digest  $run"
    [ "$digest" = "$reference" ] || status=1
done
echo
echo "   undisturbed $undisturbed ms; protected without faults $protected ms, start-up of the JVM included"
echo "   report with all figures: $report"
if [ "$status" -eq 0 ]; then
    echo "   The outputs are the same to the bit."
else
    echo "   THE OUTPUTS DIFFER."
fi
exit "$status"
