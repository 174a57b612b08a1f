/*
 * The reserve: a runtime's address space for I/O heaps, cut into arenas, and the way from any
 * address to its arena.
 *
 * The first range is halved until the backing grants it; more ranges are added when it is used up.
 * An arena is a power of two, aligned to its own size, so that it can be made of huge pages and be
 * one registered buffer. A range and its tables stay where they are until the reserve ends, so
 * looking an address up takes no lock.
 *
 * Owner: the runtime; it outlives all pools. Thread: any.
 */
#ifndef TSUGA_IOHEAP_RESERVE_H
#define TSUGA_IOHEAP_RESERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ioheap/backing.h"
#include "ioheap/notes.h"
#include "ioheap/span.h"
#include "runtime/base/assert.h"

/* Blocks are 2^6 ..= 2^21 bytes; the smallest is the unit of all bookkeeping. */
#define TSUGA_IOHEAP_BLOCK_SHIFT_MIN 6u
#define TSUGA_IOHEAP_BLOCK_SHIFT_MAX (TSUGA_IOHEAP_BLOCK_SHIFT_MIN + TSUGA_SPAN_ORDER_MAX)
#define TSUGA_IOHEAP_BLOCK_BYTES_MAX ((size_t)1 << TSUGA_IOHEAP_BLOCK_SHIFT_MAX)

/* Two segments share no byte of notes. */
#define TSUGA_SEGMENT_BYTES_MIN 512u

#define TSUGA_RESERVE_RANGE_COUNT_MAX 64u
#define TSUGA_ARENA_SHIFT_MIN         16u
#define TSUGA_ARENA_SHIFT_MAX         30u

struct tsuga_arena_pool;

struct tsuga_reserve_config {
    uint64_t bytes;             /* of the first range; 0: 64 GiB */
    uint64_t arena_bytes;       /* power of two, 64 KiB ..= 1 GiB; 0: 2 MiB */
    uint64_t segment_bytes_min; /* power of two, at least 512 and arena_bytes / 32768; 0: 1 KiB */
    bool guard;                 /* debugging: an inaccessible page or more behind every segment */
    bool small_pages;           /* no huge pages for arenas of 2 MiB and more */
};

/* One arena. Its entry in the range's table is never unmapped. */
struct tsuga_arena {
    /* Of the segments, by the address's distance from base >> region_shift. An arena that is one
     * region has this point at `whole`, and needs no table. */
    _Alignas(TSUGA_CACHE_LINE_BYTES) struct tsuga_span_region **regions;
    struct tsuga_span_region *whole;
    char *base;
    struct tsuga_arena_pool *_Atomic pool; /* whose arena it is; NULL: in the reserve */
    struct tsuga_arena *next;              /* in the list of whoever has to do something with it */
    struct tsuga_span_region *region;      /* the arena's own, in the pool's map */
    uint8_t region_shift;
    bool is_registered;       /* with a ring, or about to be: not to be purged; the owner sets it */
    uint8_t registered_state; /* these three for whoever registers it */
    uint16_t registered_slot;
    uint16_t registered_uses;
};

struct tsuga_reserve_range {
    char *base;
    uint64_t bytes;
    struct tsuga_arena *arenas;         /* one for each arena_bytes */
    struct tsuga_span_region **regions; /* one for each segment_bytes_min */
    struct tsuga_notes notes;           /* of the blocks */
    size_t table_bytes;                 /* of the four tables, which are one mapping */
    uint64_t arena_count_used;          /* the others were never taken; under the lock */
};

struct tsuga_reserve {
    /* const after init */
    const struct tsuga_backing *backing;
    uint64_t arena_bytes;
    uint8_t arena_shift;
    uint8_t segment_shift_min;
    bool guard;
    bool small_pages;

    /* Appended to under the lock. Readers see the first range_count. */
    _Atomic uint32_t range_count;
    struct tsuga_reserve_range ranges[TSUGA_RESERVE_RANGE_COUNT_MAX];

    pthread_mutex_t lock;
    uint64_t range_bytes;           /* of the next range; under the lock */
    struct tsuga_arena *free_first; /* given back; under the lock */
};

/* Maps the first range. Undo with tsuga_reserve_fini().
 * Errors: -EINVAL a size; -ENOMEM no address space for even one arena. */
TSUGA_NODISCARD int tsuga_reserve_init(struct tsuga_reserve *reserve,
                                       const struct tsuga_backing *backing,
                                       const struct tsuga_reserve_config *config);

/* Unmaps everything. All pools have ended. */
void tsuga_reserve_fini(struct tsuga_reserve *reserve);

/* An arena for a pool, all zero, and poisoned. Errors: -ENOMEM.
 * Blocks: for the lock, and for mapping another range when all are used up. */
TSUGA_NODISCARD int tsuga_reserve_take(struct tsuga_reserve *reserve, struct tsuga_arena **out);

/* Purges an arena of which nothing is in use, and takes it back. */
void tsuga_reserve_give(struct tsuga_reserve *reserve, struct tsuga_arena *arena);

/* The range that an address lies in; NULL when in none. */
const struct tsuga_reserve_range *tsuga_reserve_range_search(const struct tsuga_reserve *reserve,
                                                             const void *address);

/* The same, quick when it is the first range, which is nearly always the only one. */
static inline const struct tsuga_reserve_range *
tsuga_reserve_range_find(const struct tsuga_reserve *reserve, const void *address)
{
    const struct tsuga_reserve_range *first = &reserve->ranges[0];

    if ((uintptr_t)address - (uintptr_t)first->base < first->bytes)
        return first;
    return tsuga_reserve_range_search(reserve, address);
}

/* The arena that an address of the range lies in. */
static inline struct tsuga_arena *tsuga_reserve_arena_of(const struct tsuga_reserve *reserve,
                                                         const struct tsuga_reserve_range *range,
                                                         const void *address)
{
    return &range->arenas[((uintptr_t)address - (uintptr_t)range->base) >> reserve->arena_shift];
}

/* The number of the unit that an address lies in, for the range's notes. */
static inline size_t tsuga_reserve_unit_of(const struct tsuga_reserve_range *range,
                                           const void *address)
{
    return ((uintptr_t)address - (uintptr_t)range->base) >> TSUGA_IOHEAP_BLOCK_SHIFT_MIN;
}

/* The arena that an address lies in; NULL when it lies in none that a pool owns. The answer stays
 * true while something in the arena is alive. */
static inline struct tsuga_arena *tsuga_reserve_find(const struct tsuga_reserve *reserve,
                                                     const void *address)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(reserve, address);
    struct tsuga_arena *arena;

    if (range == NULL)
        return NULL;
    arena = tsuga_reserve_arena_of(reserve, range, address);
    /* Pairs with the release stores of the pool that owns it. */
    return atomic_load_explicit(&arena->pool, memory_order_acquire) == NULL ? NULL : arena;
}

#endif
