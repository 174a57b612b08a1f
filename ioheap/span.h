/*
 * Spans: which parts of a list of regions are free, and where the frontmost free part is.
 *
 * A region is a stretch of 2^order units, order 0 ..= 15, in which spans of 2^k units, aligned to
 * their own size, are taken and given back. A map is an ordered list of regions, and takes exactly
 * the frontmost free span that fits: regions in the order they were added, lowest unit within one.
 * An I/O heap is a map whose regions are its segments, in units of 64 bytes; an executor's pool is
 * a map whose regions are its arenas, in units of the smallest segment.
 *
 * The shape. A region's free spans are bits of an implicit binary tree: the root is node 1, the
 * children of node n are 2n and 2n + 1, and the span of 2^k units at unit u is node
 * (2^order + u) >> k. A bit is set when exactly this span is free and no larger one around it, so
 * every free unit is covered by exactly one set bit. The nodes of one size are a row. Each row has
 * a summary, whose 64 bits tell which words of the row are not zero, or which groups of words.
 *
 * The map keeps, for each k, which regions have a free span of 2^k units, and the key of the
 * frontmost one, its low. A key is the sum of a span's first unit and of the unit behind its last:
 * keys of disjoint spans are ordered as the spans are, and a key's lowest set bit tells its k. The
 * frontmost fit for 2^k units is the least of the lows of k ..= 15.
 *
 * An order is visible when its low is less than those of all larger orders. The lows of visible
 * orders rise with the order, so the frontmost fit is the low of the first visible order from k on.
 *
 *     taking splits: the remainders' orders are visible, because only what was taken was in front
 *     giving merges: up the tree, as long as the buddy is free
 *
 * Owner: whoever owns the map. Thread: the owner's only.
 */
#ifndef TSUGA_IOHEAP_SPAN_H
#define TSUGA_IOHEAP_SPAN_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/bits.h"
#include "runtime/base/memory.h"

#define TSUGA_SPAN_ORDER_MAX      15u
#define TSUGA_SPAN_ORDER_COUNT    16u
#define TSUGA_SPAN_UNIT_COUNT_MAX (1u << TSUGA_SPAN_ORDER_MAX)
/* A key is 31 bits: the region's index, and twice a unit. One index is lost to TSUGA_SPAN_NONE. */
#define TSUGA_SPAN_KEY_SHIFT        (TSUGA_SPAN_ORDER_MAX + 1)
#define TSUGA_SPAN_REGION_COUNT_MAX ((1u << (31 - TSUGA_SPAN_KEY_SHIFT)) - 1)
/* Behind every key. */
#define TSUGA_SPAN_NONE ((uint32_t)INT32_MAX)

/* Places among the lows, in front of all orders and behind them. */
#define TSUGA_SPAN_GUARD_FRONT 0u
#define TSUGA_SPAN_GUARD_BACK  (TSUGA_SPAN_ORDER_COUNT + 1)

struct tsuga_reserve_range;
struct tsuga_span_map;

/* A region lies within one piece of memory: in front of it the summaries of its rows, the root's
 * last; behind it the tree. In a large map it is the lines that have left the cache that cost. When
 * the region begins a line, that one tells all but the free spans, and the next one has those of
 * 1/128 of the region and more. */
struct tsuga_span_region {
    uint64_t *has;          /* the region's words among the map's, one for each order */
    uint64_t has_bit;       /* its bit in them */
    uint64_t has_group_bit; /* the bit of its words in map->has */
    struct tsuga_span_map *map;
    uint64_t idle_ns;    /* for the owner: wholly free since then; 0 when it becomes so */
    char *base;          /* for the owner: the first unit */
    uint32_t key_base;   /* of spans: key == key_base + ((2 * node + 1) << order) */
    uint32_t unit_high;  /* one past the furthest unit taken since the region was made */
    uint32_t unit_count; /* 2^order */
    uint16_t index;      /* place in the map */
    uint8_t order;

    void *owner;                             /* for the owner: what the region is a part of */
    const struct tsuga_reserve_range *range; /* for the owner: what `base` lies in */
    uint64_t nodes[];
};

static_assert(offsetof(struct tsuga_span_region, owner) == TSUGA_CACHE_LINE_BYTES,
              "the first fields are one cache line");

struct tsuga_span_map {
    /* low[1 + k]: the key of the frontmost free span of 2^k units, or TSUGA_SPAN_NONE. The guards
     * are less than every key, and not less than any. */
    _Alignas(TSUGA_CACHE_LINE_BYTES) uint32_t low[TSUGA_SPAN_GUARD_BACK + 1];
    uint32_t visible;    /* bit 1 + k: order k is; the guards' bits are always set */
    uint8_t group_shift; /* a bit of `has` stands for 2^group_shift words */
    uint8_t rules_off;   /* of enum tsuga_ioheap_rule; a test may set it */
    /* Which regions have a free span of each order. Of up to 64 regions, `has` are the words;
     * of more, it tells which words are not zero. */
    uint64_t has[TSUGA_SPAN_ORDER_COUNT];
    struct tsuga_span_region **regions; /* NULL where one was removed */
    uint64_t *words; /* behind `regions`: for 64 regions each, one of each order; or NULL */
    const struct tsuga_memory *memory;
    uint32_t region_count; /* with the removed ones, as long as others stand behind them */
    uint32_t removed_count;
    uint32_t region_capacity;
};

/* Bytes of the piece of memory of a region of 2^order units. */
static inline size_t tsuga_span_region_bytes(unsigned order)
{
    size_t node_words = order < 5 ? 1 : (size_t)1 << (order - 5);

    return sizeof(struct tsuga_span_region) + (order + 1 + node_words) * sizeof(uint64_t);
}

void tsuga_span_map_init(struct tsuga_span_map *map, const struct tsuga_memory *memory);

/* Every region was removed. */
void tsuga_span_map_fini(struct tsuga_span_map *map);

/* Makes a region that is one taken span, not in a map. The piece is tsuga_span_region_bytes(),
 * zero, and the caller's. When it begins a cache line, a region of 2^7 or 2^15 units does, too. */
struct tsuga_span_region *tsuga_span_region_init(void *piece, unsigned order);

/* The piece that the region lies in. */
void *tsuga_span_region_piece(struct tsuga_span_region *region);

/* Adds a wholly free region behind all others. Errors: -ENOMEM; -ENOBUFS too many regions. */
TSUGA_NODISCARD int tsuga_span_map_add(struct tsuga_span_map *map,
                                       struct tsuga_span_region *region);

/* Removes a wholly free region. */
void tsuga_span_map_remove(struct tsuga_span_map *map, struct tsuga_span_region *region);

/* A span that was taken. */
struct tsuga_span {
    struct tsuga_span_region *region;
    uint32_t unit; /* the first */
};

/* Takes the frontmost free span of 2^order units. Its region is NULL when none has one. */
struct tsuga_span tsuga_span_take(struct tsuga_span_map *map, unsigned order);

/* Gives the span of 2^order units at `unit` back. */
void tsuga_span_give(struct tsuga_span_map *map, struct tsuga_span_region *region, uint32_t unit,
                     unsigned order);

/* True when nothing of the region, which is in a map, is taken. */
bool tsuga_span_region_is_free(const struct tsuga_span_region *region);

/* True when exactly this span is free, and not as a part of a larger one. */
bool tsuga_span_is_free(const struct tsuga_span_region *region, uint32_t unit, unsigned order);

/* Free spans of 2^order units in the region. */
uint32_t tsuga_span_free_count(const struct tsuga_span_region *region, unsigned order);

/* Bytes of the map's own tables. */
size_t tsuga_span_map_table_bytes(const struct tsuga_span_map *map);

/* Walks every table and ends the process where an invariant is broken. */
void tsuga_span_map_check(const struct tsuga_span_map *map);

#endif
