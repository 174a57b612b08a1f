#!/bin/sh
# The example proves its rule, and finds the server that has forgotten it: at the same step each
# time, with the seed.
set -eu
"$BUILD/examples/retry_sim" | grep -q '^[0-9]* runs, .*: counted once$'
for run in first second; do
    ! "$BUILD/examples/retry_sim" --careless 2>"$SCRATCH/$run" || exit 1
    head -n 1 "$SCRATCH/$run" |
        grep -q '^tsuga_sim: seed [0-9]*, step [0-9]*: a request was counted twice, or not at all$'
done
cmp "$SCRATCH/first" "$SCRATCH/second"
! "$BUILD/examples/retry_sim" --other 2>/dev/null || exit 1
