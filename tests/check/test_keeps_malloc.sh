#!/bin/sh
# A program that links libtsuga, shared or static, keeps its own malloc: the C library's, or one
# that it defines itself.
set -eu

link_all() {
    shared=$SCRATCH/$1-shared
    static=$SCRATCH/$1-static
    $CC -D_GNU_SOURCE -o "$shared" "tests/check/$1.c" -Wl,--no-as-needed -L"$BUILD" -ltsuga
    $CC -D_GNU_SOURCE -o "$static" "tests/check/$1.c" -Wl,--whole-archive "$BUILD/libtsuga.a" \
        -Wl,--no-whole-archive -luring -linih -lm -pthread
}

for program in resolves_malloc counts_malloc; do
    link_all "$program"
    LD_LIBRARY_PATH=$BUILD "$shared"
    "$static"
done

# The check can fail: a library that exports its malloc is found out.
$CC -D_GNU_SOURCE -o "$SCRATCH/taken" tests/check/resolves_malloc.c -Wl,--no-as-needed -ljemalloc
if "$SCRATCH/taken"; then
    echo "a program that links jemalloc itself was not found out"
    exit 1
fi
