/* The backing of sanitizer builds, and of builds without jemalloc. */
#include <stdlib.h>

#include "ioheap/backing.h"
#include "runtime/base/bits.h"

static void *alloc(void *context, size_t bytes)
{
    (void)context;
    if (bytes % TSUGA_CACHE_LINE_BYTES == 0)
        return aligned_alloc(TSUGA_CACHE_LINE_BYTES, bytes);
    return malloc(bytes);
}

static void release(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(pointer);
}

const struct tsuga_backing *tsuga_backing_default(void)
{
    static const struct tsuga_backing backing = {
        .reserve = tsuga_backing_reserve,
        .release = tsuga_backing_release,
        .purge = tsuga_backing_purge,
        .populate = tsuga_backing_populate,
        .protect = tsuga_backing_protect,
        .advise = tsuga_backing_advise,
        .memory = {.alloc = alloc, .free = release},
    };

    return &backing;
}
