#!/bin/sh
# dlopen of the library. jemalloc's thread-local state, compiled by Debian for the initial-exec
# model, takes 2.6 KiB of static TLS; the C library keeps about 1.6 KiB for libraries that come
# late. So dlopen needs glibc.rtld.optional_static_tls, or a library built with JEMALLOC=no.
# docs/decisions.md tells users so; this test notices when that stops being true.
set -eu
program=$SCRATCH/loads_library
$CC -o "$program" tests/check/loads_library.c

GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096 "$program" "$BUILD/libtsuga.so.0"

if "$program" "$BUILD/libtsuga.so.0" 2>"$SCRATCH/error"; then
    echo "dlopen works without a tunable: docs/decisions.md and this test can say so"
    exit 1
fi
grep -q 'static TLS' "$SCRATCH/error" || { cat "$SCRATCH/error"; exit 1; }

make -s --no-print-directory CC="$CC" CONFIG=release JEMALLOC=no "$BUILD-libc/libtsuga.so.0"
"$program" "$BUILD-libc/libtsuga.so.0"
