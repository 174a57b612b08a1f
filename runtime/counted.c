#include "runtime/counted.h"

static void *allocate(void *context, size_t bytes)
{
    struct tsuga_counted *counted = context;

    atomic_fetch_add_explicit(&counted->alloc_count, 1, memory_order_relaxed);
    return tsuga_memory_alloc(counted->inner, bytes);
}

static void *allocate_zeroed(void *context, size_t bytes)
{
    struct tsuga_counted *counted = context;

    atomic_fetch_add_explicit(&counted->alloc_count, 1, memory_order_relaxed);
    return tsuga_memory_alloc_zeroed(counted->inner, bytes);
}

static void release(void *context, void *pointer, size_t bytes)
{
    struct tsuga_counted *counted = context;

    tsuga_memory_free(counted->inner, pointer, bytes);
}

void tsuga_counted_init(struct tsuga_counted *counted, const struct tsuga_memory *inner)
{
    counted->memory = (struct tsuga_memory){
        .alloc = allocate, .free = release, .context = counted, .alloc_zeroed = allocate_zeroed};
    counted->inner = inner;
    atomic_init(&counted->alloc_count, 0);
}
