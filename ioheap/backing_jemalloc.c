/*
 * The backing of ordinary builds: tables come from jemalloc. Its archive is linked into the library
 * with all of its names prefixed, so that a program keeps its own malloc, even another jemalloc.
 */
#include "ioheap/backing.h"
#include "runtime/base/assert.h"
#include "runtime/base/bits.h"

/* jemalloc(3), size classes: below it blocks are aligned to less than 16. */
#define SMALLEST_BYTES 16u
#define PAGE_BYTES     4096u
/* Zero bytes are asked for by those who write them all. From here on their pages are faulted in
 * together: a fifth cheaper than one by one, and fresh ones need no walk. */
#define POPULATE_BYTES_MIN ((size_t)1 << 20)

void *tsuga_je_malloc(size_t bytes);
void *tsuga_je_calloc(size_t count, size_t bytes);
void tsuga_je_sdallocx(void *pointer, size_t bytes, int flags);

static size_t bytes_of(size_t bytes)
{
    return bytes < SMALLEST_BYTES ? SMALLEST_BYTES : bytes;
}

/* A flag for the alignment would take jemalloc off its fast path, and is not needed: every size
 * class that a multiple of a cache line falls into is one, and blocks of a class lie side by side
 * from the start of a page. */
static void *alloc(void *context, size_t bytes)
{
    void *pointer = tsuga_je_malloc(bytes_of(bytes));

    (void)context;
    TSUGA_ASSERT(bytes % TSUGA_CACHE_LINE_BYTES != 0 ||
                 (uintptr_t)pointer % TSUGA_CACHE_LINE_BYTES == 0);
    return pointer;
}

static void *alloc_zeroed(void *context, size_t bytes)
{
    void *pointer = tsuga_je_calloc(1, bytes_of(bytes));
    size_t before = (uintptr_t)pointer % PAGE_BYTES;

    if (pointer != NULL && bytes >= POPULATE_BYTES_MIN)
        (void)tsuga_backing_populate(context, (char *)pointer - before,
                                     tsuga_bits_round_up(before + bytes, PAGE_BYTES));
    return pointer;
}

static void release(void *context, void *pointer, size_t bytes)
{
    (void)context;
    if (pointer != NULL)
        tsuga_je_sdallocx(pointer, bytes_of(bytes), 0);
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
        .memory = {.alloc = alloc, .free = release, .alloc_zeroed = alloc_zeroed},
    };

    return &backing;
}
