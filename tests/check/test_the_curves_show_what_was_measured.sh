#!/bin/sh
# The scaling benchmark measures every case at every size, says how flat each is, and leaves out
# what the limit of descriptors forbids; plots.sh draws what it is given, the same each time. The
# figures themselves are not judged.
set -eu
"$BUILD/bench/scaling" 0.1 256 >"$SCRATCH/figures"
for name in actors connections operations blocks; do
    for count in 1 4 16 64 256; do
        grep "\"case\": \"$name\", \"count\": $count," "$SCRATCH/figures" |
            grep '"ns": [0-9.]*[1-9].*"floor_ns": [0-9.]*[1-9]' |
            grep -q '"ns_p10": [0-9.]*[1-9].*"ns_p90": [0-9.]*[1-9]' ||
            { echo "$count $name: not measured"; exit 1; }
    done
    grep "\"case\": \"$name\", \"from\": 64, \"to\": 256," "$SCRATCH/figures" |
        grep -q '"flatness": [0-9.]*[1-9], "floor_flatness": [0-9.]*[1-9]' ||
        { echo "$name: how flat?"; exit 1; }
done

(ulimit -n 100 && "$BUILD/bench/scaling" 0.1 64) >"$SCRATCH/few" 2>"$SCRATCH/message"
grep -q 'skipped: 64 connections: no more than 36 are allowed' "$SCRATCH/message" ||
    { echo "no word of a limit"; cat "$SCRATCH/message"; exit 1; }
grep -q '"case": "connections", "count": 16,' "$SCRATCH/few"
! grep -q '"case": "connections", "count": 64,' "$SCRATCH/few" ||
    { echo "64 connections among 100 descriptors"; exit 1; }

figure() { # figure COUNT NS FLOOR_NS
    printf '{"bench": "scaling", "case": "actors", "count": %d, "of": "a hop", "ns": %s, ' "$1" "$2"
    printf '"floor": "a walk", "floor_ns": %s, "pairs": 7, "ns_p10": 1, "ns_p90": 90}\n' "$3"
}
{
    echo '{"bench": "nop", "case": "actors", "count": 5, "ns": 5, "floor_ns": 5}'
    figure 64 20.5 2
    figure 1000000 410 20
    echo '{"bench": "scaling", "case": "actors", "from": 64, "to": 1000000, "flatness": 20,' \
        '"floor_flatness": 10}'
} >"$SCRATCH/planted"
mkdir "$SCRATCH/sorted"
awk -v out="$SCRATCH/sorted" -f tests/bench/plots/curves.awk "$SCRATCH/planted"
printf '64 20.5 1 90 2\n1000000 410 1 90 20\n' | cmp - "$SCRATCH/sorted/actors.data"
grep -qx 'ours = "Tsuga, median of 7 rounds"' "$SCRATCH/sorted/actors.words"
grep -qx 'floor = "floor: a walk"' "$SCRATCH/sorted/actors.words"
grep -qx 'rise = "from 64 to 1,000,000: 20.0 × as much; the floor 10.0 ×"' \
    "$SCRATCH/sorted/actors.words"

# What the document shows is there.
sed -n 's/^!\[.*\](\(plots\/.*\.svg\))$/\1/p' docs/performance.md >"$SCRATCH/shown"
[ "$(wc -l <"$SCRATCH/shown")" -eq 4 ]
while read -r plot; do
    grep -q '</svg>' "docs/$plot" || { echo "docs/$plot is not there"; exit 1; }
done <"$SCRATCH/shown"

command -v gnuplot >/dev/null || exit 0
for once in first second; do
    tests/bench/plots/plots.sh "$SCRATCH/figures" "$SCRATCH/$once" >/dev/null
done
diff -r "$SCRATCH/first" "$SCRATCH/second"
[ "$(find "$SCRATCH/first" -name '*.svg' | wc -l)" -eq 4 ]
grep -qF 'from 64 to 256' "$SCRATCH/first/blocks.svg"
