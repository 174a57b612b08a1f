#include "executor/stack.h"

#include <errno.h>
#include <sys/mman.h>

/* Linux 6.13; newer than Debian 12's headers. */
#define TSUGA_MADV_GUARD_INSTALL 102

static int map(size_t bytes, void **out)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

    if (base == MAP_FAILED)
        return -errno;
    /* A huge page would make each small stack cost 2 MiB. Kernels without huge pages refuse the
     * advice, and do not need it. */
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    *out = base;
    return 0;
}

static void unmap(void *base, size_t bytes)
{
    TSUGA_VERIFY(munmap(base, bytes) == 0);
}

static int guard_light(void *base, size_t bytes)
{
    return madvise(base, bytes, TSUGA_MADV_GUARD_INSTALL) == 0 ? 0 : -errno;
}

static int guard(void *base, size_t bytes)
{
    return mprotect(base, bytes, PROT_NONE) == 0 ? 0 : -errno;
}

static int discard(void *base, size_t bytes)
{
    return madvise(base, bytes, MADV_DONTNEED) == 0 ? 0 : -errno;
}

const struct tsuga_stack_backing tsuga_stack_backing_mmap = {
    .map = map,
    .unmap = unmap,
    .guard_light = guard_light,
    .guard = guard,
    .discard = discard,
};
