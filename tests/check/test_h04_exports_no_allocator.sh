#!/bin/sh
# Users meet leases and never the allocator: nothing that the library exports allocates or frees raw
# memory, and the public header names no such function. The I/O heap has a header of its own.
set -eu
exported=$(nm -D --defined-only "$BUILD/libtsuga.so.0" | awk '$2 != "A" { print $3 }')
if printf '%s\n' "$exported" | grep -E 'alloc|free|ioheap|block_|segment|slab|span|tsuga_je_'; then
    echo "these give users the allocator"
    exit 1
fi
if grep -E '^TSUGA_API.*(alloc|free|ioheap|segment|slab)[a-z_]*\(' runtime/include/tsuga.h; then
    echo "tsuga.h declares these"
    exit 1
fi
$CC -std=c11 -D_GNU_SOURCE -I. -fsyntax-only -include ioheap/ioheap.h -x c /dev/null
