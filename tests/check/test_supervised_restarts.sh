#!/bin/sh
# A worker that crashes on a line is replaced, and every other line has its answer.
set -eu
supervised=$PWD/$BUILD/examples/supervised
cd "$SCRATCH"

seq 1 40 | sed 's/^\([0-9]*\)$/\1\nbad/' >lines
timeout 60 "$supervised" <lines >ours || { echo "status $?"; exit 1; }
seq 1 40 | awk '{ printf "%d: %g\nbad: No such process\n", $1, $1 / 2 }' | cmp - ours
echo "passed: answers"
