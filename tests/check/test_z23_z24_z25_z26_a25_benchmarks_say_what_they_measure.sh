#!/bin/sh
# Whether the reports tell what must be told: zero copy over a sweep of sizes, with the crossover,
# and labelled, because loopback copies (Z23, Z24), beside what one would use without io_uring
# (Z25); latencies with their ends, idle and under load, and no allocation (Z26); every way to
# receive that the guide compares (A25). The figures themselves are not judged.
set -eu

"$BUILD/bench/bench_zero_copy" 1 >"$SCRATCH/tcp"
for form in '' 'registered, '; do
    for size in 1 4 16 64 256 1024; do
        grep "\"case\": \"$size KiB, ${form}loopback TCP\"" "$SCRATCH/tcp" |
            grep -q '"ratio": [0-9.]*,.*"copied_share": [0-9.]*,' ||
            { echo "$size KiB, $form: not in the sweep"; exit 1; }
    done
    grep -q "\"case\": \"crossover, ${form}loopback TCP\", \"bytes\": " "$SCRATCH/tcp" ||
        { echo "no crossover"; exit 1; }
done
"$BUILD/bench/bench_zero_copy_udp" 1 >"$SCRATCH/udp" 2>"$SCRATCH/said"
if grep 'skipped: RLIMIT_MEMLOCK' "$SCRATCH/said"; then
    exit 77
fi
for count in 3 11 44; do
    for side in 'sendmmsg, GSO' 'a send for each' GSO 'zero copy, GSO' \
        'registered zero copy, GSO'; do
        grep "\"case\": \"$count datagrams ([0-9]* KiB), $side, loopback UDP\"" "$SCRATCH/udp" |
            grep -q '"floor": "sendmmsg, GSO, MSG_ZEROCOPY",.*"ratio": [0-9.]*,' ||
            { echo "$count datagrams, $side: not in the sweep"; exit 1; }
    done
done
cat "$SCRATCH/tcp" "$SCRATCH/udp" >"$SCRATCH/zero_copy"
! grep -v '"note": "loopback copies: not a measurement of zero copy"' "$SCRATCH/zero_copy" ||
    { echo "not labelled"; exit 1; }
# The kernel itself says that it copied, wherever it went without a copy at first.
! grep '"zero_copy_share": 1,' "$SCRATCH/zero_copy" | grep -v '"copied_share": 1,' ||
    { echo "loopback did not copy"; exit 1; }
! grep '"floor_copied_share"' "$SCRATCH/zero_copy" | grep -v '"floor_copied_share": 1,' ||
    { echo "loopback did not copy for sendmmsg"; exit 1; }

"$BUILD/bench/bench_latency" 1 >"$SCRATCH/latency"
for case in 'a message to an actor' 'a NOP' 'a read' '64 B to an echoing' 'a message to an exec'; do
    for load in none 64; do
        grep -q "\"case\": \"$case.*\"load\": \"$load" "$SCRATCH/latency" ||
            { echo "$case, load $load: not measured"; exit 1; }
    done
done
while read -r line; do
    echo "$line" | sed 's/.*"p50_ns"/"p50_ns"/' | tr -d '":,}a-z' | tr -s _ ' ' |
        awk '{ exit !(0 < $2 && $2 <= $4 && $4 <= $6 && $7 >= 100 && $8 == 0) }' ||
        { echo "not as it should be: $line"; exit 1; }
done <"$SCRATCH/latency"

"$BUILD/bench/bench_buffers" 1 >"$SCRATCH/buffers"
sed -n '/^## What they cost/,/^So speed/s/^| \([^|(]*[^ |(]\) .*/\1/p' docs/guide/buffers.md |
    grep -v '^scheme$\|^---' >"$SCRATCH/schemes"
[ "$(wc -l <"$SCRATCH/schemes")" -ge 6 ]
while read -r scheme; do
    for size in 64 4096; do
        grep -q "\"case\": \"$size B, $scheme.*\"ratio\"" "$SCRATCH/buffers" ||
            { echo "$scheme, $size B: not measured"; exit 1; }
    done
done <"$SCRATCH/schemes"
