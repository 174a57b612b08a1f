/*
 * A memory hook that counts: how often the runtime asks the general allocator. Tests read from it
 * that no message of an operation needs an allocation.
 *
 * Owner: the runtime. Thread: any.
 */
#ifndef TSUGA_RUNTIME_COUNTED_H
#define TSUGA_RUNTIME_COUNTED_H

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/base/memory.h"

struct tsuga_counted {
    struct tsuga_memory memory; /* the hook to hand out */
    const struct tsuga_memory *inner;
    _Atomic uint64_t alloc_count;
};

/* `inner` must outlive what is allocated. */
void tsuga_counted_init(struct tsuga_counted *counted, const struct tsuga_memory *inner);

#endif
