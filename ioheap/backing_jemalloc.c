/*
 * The backing of ordinary builds: tables come from jemalloc. Its archive is linked into the library
 * with all of its names prefixed, so that a program keeps its own malloc, even another jemalloc.
 */
#include "ioheap/backing.h"
#include "runtime/base/bits.h"

/* jemalloc(3): the low bits of the flags are the logarithm of the alignment. */
#define ALIGN_16   4
#define ALIGN_LINE 6

_Static_assert(TSUGA_CACHE_LINE_BYTES == 1u << ALIGN_LINE, "the flag means a cache line");

void *tsuga_je_mallocx(size_t bytes, int flags);
void tsuga_je_sdallocx(void *pointer, size_t bytes, int flags);

static int flags_of(size_t bytes)
{
    return bytes % TSUGA_CACHE_LINE_BYTES == 0 ? ALIGN_LINE : ALIGN_16;
}

static void *alloc(void *context, size_t bytes)
{
    (void)context;
    return tsuga_je_mallocx(bytes, flags_of(bytes));
}

static void release(void *context, void *pointer, size_t bytes)
{
    (void)context;
    if (pointer != NULL)
        tsuga_je_sdallocx(pointer, bytes, flags_of(bytes));
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
