/*
 * Which memory a request lets the kernel touch. The ring checks these ranges for poison when it
 * submits; tests check that each lies in an I/O heap.
 *
 * Owner: nobody, a pure function. Thread: any that may read what the request points to.
 */
#ifndef TSUGA_EXECUTOR_RING_RANGES_H
#define TSUGA_EXECUTOR_RING_RANGES_H

#include <stddef.h>

#include "executor/ring.h"

typedef void tsuga_ring_range_fn(void *context, const void *base, size_t bytes);

/* Calls visit for each range: the arguments themselves first, then the buffers that iovecs name.
 * A range that is read to learn of others (iovecs, a path's bytes) is visited before the read. */
void tsuga_ring_ranges(const struct tsuga_ring_request *request, tsuga_ring_range_fn *visit,
                       void *context);

#endif
