/*
 * A backing whose general memory runs out: one call of the allocator fails, or every call from that
 * one on. It counts what is not given back.
 *
 * Owner: the test; it outlives what uses it. Thread: any, but for the init.
 */
#ifndef TSUGA_TESTS_SCARCE_MEMORY_H
#define TSUGA_TESTS_SCARCE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ioheap/backing.h"

struct tsuga_scarce_memory {
    struct tsuga_backing backing; /* to be handed over */
    const struct tsuga_memory *memory;
    _Atomic int64_t calls_to_failure; /* 1: the next one fails; 0 or less: none does */
    _Atomic bool fails_on;            /* and so do all after it */
    _Atomic int64_t live_count;
};

void tsuga_scarce_memory_init(struct tsuga_scarce_memory *scarce);

#endif
