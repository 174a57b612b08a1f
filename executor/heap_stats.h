/*
 * Figures of I/O heaps in the shape that users see. Private to executor/ and runtime/.
 *
 * Thread: whoever owns the structs.
 */
#ifndef TSUGA_EXECUTOR_HEAP_STATS_H
#define TSUGA_EXECUTOR_HEAP_STATS_H

#include "ioheap/ioheap.h"

#include <tsuga.h>

void tsuga_heap_stats_from(const struct tsuga_ioheap *heap, struct tsuga_heap_stats *out);

/* Adds counts, and keeps the larger of what is a maximum. */
void tsuga_heap_stats_add(struct tsuga_heap_stats *sum, const struct tsuga_heap_stats *one);

#endif
