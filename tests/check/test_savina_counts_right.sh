#!/bin/sh
# Every benchmark of the Savina suite runs to its end, which it reaches only when its own counts are
# right, and says how long a message or an actor takes. The figures are not judged.
set -eu
"$BUILD/bench/savina" 1 >"$SCRATCH/savina"
for name in "ping-pong" "counting actor" "thread ring" "fork-join, throughput" \
    "fork-join, creation" "big" "chameneos" "cigarette smokers" "trapezoids"; do
    grep "\"case\": \"$name\"" "$SCRATCH/savina" | grep -q '"ns": [0-9.]*[1-9]' ||
        { echo "$name: not measured"; exit 1; }
done
for name in "ping-pong" "thread ring" "fork-join, creation" "trapezoids"; do
    grep "\"case\": \"$name\"" "$SCRATCH/savina" | grep -q '_bound_met": \(true\|false\)' ||
        { echo "$name: not held against its bound"; exit 1; }
done
