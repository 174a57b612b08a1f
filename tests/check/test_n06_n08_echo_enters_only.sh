#!/bin/sh
# Between the first and the last of 10,000 echoed messages one executor makes no system call but
# io_uring_enter, though streams are paused and resumed all the time, in each way in which streams
# work.
set -eu
command -v strace >/dev/null || { echo "strace is missing"; exit 77; }
strace -f -o "$SCRATCH/try" true 2>"$SCRATCH/why" || { cat "$SCRATCH/why"; exit 77; }

${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -Iruntime/include \
    -o "$SCRATCH/stream_echo" tests/check/servers/stream_echo.c "$BUILD/libtsuga.a" \
    -luring -linih -lm -pthread

# What the thread that makes the two marks does in between: the calls, each with its number.
list_calls() {
    thread=$(awk '$2 ~ /^getppid\(/ { print $1; exit }' "$1")
    awk -v thread="$thread" '
        $1 != thread || $2 ~ /^(\+\+\+|---|<\.\.\.)/ { next }
        $2 ~ /^getppid\(/ { marks++; next }
        marks == 1 { sub(/\(.*/, "", $2); count[$2]++ }
        END { for (call in count) print call, count[call]; print "marks", marks + 0 }' "$1"
}

# check NAME [VARIABLE=VALUE]
check() {
    name=$1
    shift
    env "$@" strace -f -o "$SCRATCH/trace" "$SCRATCH/stream_echo" || {
        echo "$name: failed"
        exit 1
    }
    list_calls "$SCRATCH/trace" >"$SCRATCH/calls"
    grep -qx "marks 2" "$SCRATCH/calls" || { echo "$name: not both marks"; exit 1; }
    grep -q "^io_uring_enter" "$SCRATCH/calls" || { echo "$name: no enters"; exit 1; }
    if grep -v -e "^io_uring_enter " -e "^marks " "$SCRATCH/calls"; then
        echo "$name: other calls"
        exit 1
    fi
    echo "passed: $name, $(grep "^io_uring_enter" "$SCRATCH/calls")"
}

check "everything"
check "without multishot" TSUGA_FEATURES_MULTISHOT=off
check "without groups of buffers" TSUGA_FEATURES_BUFFER_RING=off
