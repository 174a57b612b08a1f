/*
 * Spans: which parts of a list of regions are free, and where the frontmost free part is.
 *
 * A region is a stretch of 2^order units, order 0 ..= 15, in which spans of 2^k units aligned to
 * their own size are taken and given back. A map is an ordered list of regions, and takes exactly
 * the frontmost free span that fits: regions in the order they were added, lowest unit within one.
 * An I/O heap is a map whose regions are its segments, in units of 64 bytes; an executor's pool is
 * a map whose regions are its arenas, in units of the smallest segment.
 *
 * The shape. A region's free spans are bits of an implicit binary tree: the root is node 1, the
 * children of node n are 2n and 2n + 1, and the span of 2^k units at unit u is node
 * (2^order + u) >> k. A bit is set when exactly this span is free and its buddy is not, so that
 * every free unit is covered by one set bit. Rows of more than 64 nodes have a summary word.
 *
 * The map keeps, for each k, which regions have a free span of 2^k units, and the key of the
 * frontmost one in low[k]. A key is the sum of a span's first and last-plus-one unit: keys of
 * disjoint spans are ordered as the spans are, and the lowest set bit of a key tells its k. The
 * frontmost fit for 2^k units is the minimum of low[k ..= 15].
 *
 *     taking splits: each remainder becomes its row's new lowest, because what was taken was lower
 *     giving merges: while the buddy is free and the span is smaller than the region
 *
 * Owner: whoever owns the map (one executor). Thread: the owner's only.
 */
#ifndef TSUGA_IOHEAP_SPAN_H
#define TSUGA_IOHEAP_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/bits.h"
#include "runtime/base/memory.h"

#define TSUGA_SPAN_ORDER_MAX   15u
#define TSUGA_SPAN_ORDER_COUNT 16u
/* Units of one region; also the distance between the keys of neighbouring regions, halved. */
#define TSUGA_SPAN_UNIT_COUNT_MAX (1u << TSUGA_SPAN_ORDER_MAX)
/* Keys are 31 bits: twice the units of all regions. Of 2 MiB regions these are 64 GiB. */
#define TSUGA_SPAN_REGION_COUNT_MAX (1u << 15)

struct tsuga_span_region {
    char *base;         /* the first unit */
    uint64_t *nodes;    /* the tree; summary words lie before it */
    void *owner;        /* struct tsuga_segment or struct tsuga_arena */
    uint64_t idle_ns;   /* wholly free since then, as the last decay saw it; 0: it has not seen */
    uint32_t index;     /* place in the map */
    uint32_t live;      /* spans taken */
    uint32_t unit_high; /* one past the furthest unit ever taken since the region was cleared */
    uint8_t order;
};

struct tsuga_span_map {
    /* Keys of the frontmost free span of each order; TSUGA_SPAN_NONE where there is none. */
    _Alignas(TSUGA_CACHE_LINE_BYTES) uint32_t low[TSUGA_SPAN_ORDER_COUNT];
    /* Which regions have a free span of each order. Bit i stands for regions
     * i << has_shift ..; with has_shift > 0, `words` tells which of them. */
    uint64_t has[TSUGA_SPAN_ORDER_COUNT];
    uint64_t *words;
    struct tsuga_span_region **regions; /* NULL where one was removed */
    uint32_t region_count;              /* entries in use, holes included */
    uint32_t region_capacity;
    const struct tsuga_memory *memory;
    uint8_t has_shift;
    uint8_t rules_off; /* enum tsuga_span_rule, tests only */
};

#endif
