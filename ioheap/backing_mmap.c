/* Address space from the kernel: the half of the backing that every build has. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "ioheap/backing.h"
#include "runtime/base/bits.h"

/* Maps more than was asked for and cuts off what is not aligned. */
int tsuga_backing_reserve(void *context, size_t bytes, size_t alignment, void **out)
{
    char *mapped;
    char *base;
    size_t before;

    (void)context;
    if (bytes > SIZE_MAX - alignment)
        return -ENOMEM;
    mapped = mmap(NULL, bytes + alignment, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return -ENOMEM;
    before = (size_t)(-(uintptr_t)mapped & (alignment - 1));
    base = mapped + before;
    if (before > 0)
        munmap(mapped, before);
    munmap(base + bytes, alignment - before);
    *out = base;
    return 0;
}

void tsuga_backing_release(void *context, void *base, size_t bytes)
{
    (void)context;
    munmap(base, bytes);
}

int tsuga_backing_purge(void *context, void *base, size_t bytes)
{
    (void)context;
    return madvise(base, bytes, MADV_DONTNEED) == 0 ? 0 : -errno;
}

int tsuga_backing_populate(void *context, void *base, size_t bytes)
{
    (void)context;
    return madvise(base, bytes, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
}

int tsuga_backing_protect(void *context, void *base, size_t bytes, bool is_accessible)
{
    (void)context;
    return mprotect(base, bytes, is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0 ? 0
                                                                                          : -errno;
}

void tsuga_backing_advise(void *context, void *base, size_t bytes, bool wants_huge_pages)
{
    (void)context;
    /* Without the kernel's consent small pages do as well, so the answer is of no interest. */
    (void)madvise(base, bytes, wants_huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}
