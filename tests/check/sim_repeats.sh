#!/bin/sh
# One seed gives one run, in this process or another: a thousand seeds, each run in two processes,
# give the same thousand hashes, which all differ.
#
#     sim_repeats.sh SIM
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for run in 1 2; do
    # Not the same seeds for both: where no fault happens a seed is one run under either.
    for mix in "1 timing" "501 stops"; do
        "$1" --seed ${mix% *} --seeds 500 --steps 300 --workload random --faults ${mix#* } --hashes
    done | sed -n 's/^hash //p' >"$scratch/$run"
done
cmp "$scratch/1" "$scratch/2"
count=$(sort -u "$scratch/1" | wc -l)
[ "$count" -eq 1000 ] || { echo "1000 runs gave $count hashes"; exit 1; }
echo "1000 seeds, each in two processes: the same 1000 hashes"
