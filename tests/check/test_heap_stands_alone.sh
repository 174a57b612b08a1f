#!/bin/sh
# The I/O heap serves a program that links nothing else of the runtime: no ring, no actor, no
# configuration file.
set -eu
"$BUILD/examples/heap" >"$SCRATCH/output"
grep -q 'bytes live' "$SCRATCH/output"
if ldd "$BUILD/examples/heap" | grep -E 'uring|inih'; then
    echo "the I/O heap needs these"
    exit 1
fi
if nm "$BUILD/examples/heap" | grep -E ' tsuga_(start|spawn|ring|executor|mailbox)'; then
    echo "the runtime came along"
    exit 1
fi
