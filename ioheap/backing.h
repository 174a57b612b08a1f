/*
 * Where memory comes from. The I/O heap calls no system call and no allocator by name: it asks
 * this hook for address space and, through the memory hook inside it, for its tables.
 *
 * Two backings exist, and a build has exactly one of them: backing_jemalloc.c, and backing_libc.c
 * for sanitizer builds, which do not see into jemalloc. Both map with backing_mmap.c.
 *
 * Thread: any; every function of a backing must be callable from every thread.
 */
#ifndef TSUGA_IOHEAP_BACKING_H
#define TSUGA_IOHEAP_BACKING_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/assert.h"
#include "runtime/base/memory.h"

struct tsuga_backing {
    /* Address space, readable, writable and zero, of which nothing is charged before it is
     * touched; `alignment` is a power of two. Errors: -ENOMEM. */
    int (*reserve)(void *context, size_t bytes, size_t alignment, void **out);
    void (*release)(void *context, void *base, size_t bytes);
    /* Give the pages back to the kernel; they read as zero afterwards. Errors: -EINVAL, -ENOMEM. */
    int (*purge)(void *context, void *base, size_t bytes);
    /* Fault the pages in, ahead of their use. Errors: any errno; the range stays usable. */
    int (*populate)(void *context, void *base, size_t bytes);
    /* Forbid every access, or allow it again. Errors: -ENOMEM too many mappings. */
    int (*protect)(void *context, void *base, size_t bytes, bool is_accessible);
    /* Should the pages be huge ones, where that is possible, or small ones? */
    void (*advise)(void *context, void *base, size_t bytes, bool wants_huge_pages);
    void *context;
    struct tsuga_memory memory; /* general memory */
};

/* The backing of this build. Owner: nobody, it is constant. */
const struct tsuga_backing *tsuga_backing_default(void);

/* The mapping half of the default backing, for backings that change one function of it. */
int tsuga_backing_reserve(void *context, size_t bytes, size_t alignment, void **out);
void tsuga_backing_release(void *context, void *base, size_t bytes);
int tsuga_backing_purge(void *context, void *base, size_t bytes);
int tsuga_backing_populate(void *context, void *base, size_t bytes);
int tsuga_backing_protect(void *context, void *base, size_t bytes, bool is_accessible);
void tsuga_backing_advise(void *context, void *base, size_t bytes, bool wants_huge_pages);

#endif
