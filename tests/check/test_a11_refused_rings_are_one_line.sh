#!/bin/sh
# Where the kernel refuses io_uring, each example says so in one line, with the cause and the
# remedy, and ends with status 2.
set -eu
for command in "hash $SCRATCH" "cat /proc/version" "echo -p 0"; do
    status=0
    # shellcheck disable=SC2086 # the command is meant to be split
    timeout 60 "$BUILD/check/no_uring" "$BUILD/examples/"$command \
        >"$SCRATCH/output" 2>"$SCRATCH/messages" || status=$?
    echo "$command: $(cat "$SCRATCH/messages")"
    [ $status -eq 2 ] || { echo "status $status"; exit 1; }
    [ "$(wc -l <"$SCRATCH/messages")" -eq 1 ] || { echo "one line expected"; exit 1; }
    grep -q '^tsuga: .*io_uring' "$SCRATCH/messages" || { echo "no cause"; exit 1; }
    [ ! -s "$SCRATCH/output" ] || { echo "nothing was to be printed"; exit 1; }
done
