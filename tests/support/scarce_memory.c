#include "tests/support/scarce_memory.h"

static bool fails(struct tsuga_scarce_memory *scarce)
{
    int64_t before = atomic_fetch_sub(&scarce->calls_to_failure, 1);

    if (before == 1 && atomic_load(&scarce->fails_on))
        atomic_store(&scarce->calls_to_failure, 1);
    return before == 1;
}

static void *alloc(void *context, size_t bytes)
{
    struct tsuga_scarce_memory *scarce = context;
    void *pointer = fails(scarce) ? NULL : tsuga_memory_alloc(scarce->memory, bytes);

    if (pointer != NULL)
        atomic_fetch_add(&scarce->live_count, 1);
    return pointer;
}

static void release(void *context, void *pointer, size_t bytes)
{
    struct tsuga_scarce_memory *scarce = context;

    if (pointer != NULL)
        atomic_fetch_sub(&scarce->live_count, 1);
    tsuga_memory_free(scarce->memory, pointer, bytes);
}

void tsuga_scarce_memory_init(struct tsuga_scarce_memory *scarce)
{
    *scarce = (struct tsuga_scarce_memory){.backing = *tsuga_backing_default(),
                                           .memory = &tsuga_backing_default()->memory};
    scarce->backing.memory =
        (struct tsuga_memory){.alloc = alloc, .free = release, .context = scarce};
}
