#!/bin/sh
# Allocators of the user's own are built from what is installed, tsuga.h and the library, with and
# without AddressSanitizer; every block that operations have used comes back exactly once.
set -eu
mkdir "$SCRATCH/include" "$SCRATCH/examples"
cp runtime/include/tsuga.h "$SCRATCH/include"
cp examples/pools.c examples/pool_*.h "$SCRATCH/examples"
tsuga=$PWD/$BUILD/libtsuga.a
cd "$SCRATCH"

for flags in -O2 "-O1 -g -fsanitize=address,undefined"; do
    # shellcheck disable=SC2086 # flags are meant to be split
    $CC -std=c11 -D_GNU_SOURCE $flags -Wall -Wextra -Werror -Iinclude -I. -o pools \
        examples/pools.c "$tsuga" -luring -linih -lm -pthread
    ./pools >output 2>messages || { echo "$flags: status $?"; cat output messages; exit 1; }
    [ ! -s messages ] || { echo "$flags:"; cat messages; exit 1; }
    [ "$(grep -c ' 0 blocks not back.*all right$' output)" -eq 2 ] || { cat output; exit 1; }
    echo "passed: $flags"
done
