#!/bin/sh
# Users meet leases and never the allocator: nothing that the library exports allocates or frees raw
# memory, or takes the place of what does, and the public header names no such function. The I/O
# heap has a header of its own.
set -eu
allocator='alloc|free|memalign|sbrk|^_Zn|^_Zd|ioheap|block_|segment|slab|span|tsuga_je_'

# fallocate(2) gives room to a file, and no memory to anybody.
is_no_allocator='tsuga_fallocate'

# What of the names that it reads would give users the allocator.
find_allocators() {
    grep -vxF "$is_no_allocator" | grep -E "$allocator"
}

# The name may stand on the line behind TSUGA_API.
declared=$(awk '/^TSUGA_API / { is_open = 1 }
                is_open && match($0, /tsuga_[a-z0-9_]+\(/) {
                    print substr($0, RSTART, RLENGTH - 1)
                    is_open = 0
                }' runtime/include/tsuga.h)
exported=$(nm -D --defined-only "$BUILD/libtsuga.so.0" |
    awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }')

# A search that finds nothing anywhere would prove nothing.
for name in malloc calloc realloc free posix_memalign memalign aligned_alloc valloc cfree \
    reallocarray malloc_usable_size _Znwm tsuga_alloc tsuga_heap_free tsuga_fallocate_block \
    tsuga_je_mallocx; do
    echo "$name" | find_allocators >/dev/null || { echo "$name would not be found"; exit 1; }
done
[ -n "$declared" ] && [ -n "$exported" ] || { echo "no names found"; exit 1; }

if printf '%s\n' "$exported" | find_allocators; then
    echo "these give users the allocator"
    exit 1
fi
if printf '%s\n' "$declared" | find_allocators; then
    echo "tsuga.h declares these"
    exit 1
fi
$CC -std=c11 -D_GNU_SOURCE -I. -fsyntax-only -include ioheap/ioheap.h -x c /dev/null
