/*
 * The reserve: a runtime's address space for I/O heaps, cut into arenas, and the way from any
 * address to its arena.
 *
 * The first range is halved until the backing grants it; further ranges are added on demand. An
 * arena is a power of two, aligned to its own size (and to 2 MiB, where it is as large), so that it
 * can be a huge page and one registered buffer. Ranges, and the arena table of each, stay where
 * they are until the reserve ends, so that looking up an address needs no lock.
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
#include "ioheap/span.h"
#include "runtime/base/assert.h"

/* Blocks are 2^6 ..= 2^21 bytes; the smallest one is the unit of all bookkeeping. */
#define TSUGA_IOHEAP_BLOCK_SHIFT_MIN 6u
#define TSUGA_IOHEAP_BLOCK_SHIFT_MAX (TSUGA_IOHEAP_BLOCK_SHIFT_MIN + TSUGA_SPAN_ORDER_MAX)
#define TSUGA_IOHEAP_BLOCK_BYTES_MIN ((size_t)1 << TSUGA_IOHEAP_BLOCK_SHIFT_MIN)
#define TSUGA_IOHEAP_BLOCK_BYTES_MAX ((size_t)1 << TSUGA_IOHEAP_BLOCK_SHIFT_MAX)

#define TSUGA_RESERVE_RANGE_COUNT_MAX 64u
#define TSUGA_ARENA_BYTES_MIN         (UINT64_C(64) << 10)
#define TSUGA_ARENA_BYTES_MAX         (UINT64_C(1) << 30)

struct tsuga_arena_pool;
struct tsuga_segment;

struct tsuga_reserve_config {
    uint64_t bytes;             /* of the first range; 0: 64 GiB */
    uint64_t arena_bytes;       /* power of two, 64 KiB ..= 1 GiB; 0: 2 MiB */
    uint64_t segment_bytes_min; /* power of two, at least arena_bytes / 32768, 64; 0: 1 KiB */
    bool guard;                 /* debugging: an inaccessible guard behind every segment */
};

/* One arena. The table entry is never unmapped; its contents change with the arena's pool. */
struct tsuga_arena {
    /* Segments by their first unit's number; of a segment that is the whole arena, &whole. */
    struct tsuga_segment **segments;
    struct tsuga_segment *whole;
    char *base;
    struct tsuga_arena_pool *_Atomic pool; /* who owns it; NULL: nobody */
    struct tsuga_arena *next;              /* in the reserve's list of free arenas, or a pool's */
    struct tsuga_span_region *region;      /* in the pool's map */
    uint8_t unit_shift;                    /* an entry of `segments` is 2^unit_shift bytes */
    bool is_registered;                    /* with a ring: its pages must stay */
    uint16_t registered_slot;              /* for whoever registers it */
};

struct tsuga_reserve_range {
    uintptr_t base;
    uint64_t bytes;
    struct tsuga_arena *arenas;      /* one for each arena_bytes */
    uint8_t *orders;                 /* one for each 64 bytes: 1 + order of the block that starts */
    struct tsuga_segment **segments; /* one for each segment_bytes_min */
    uint64_t arena_count_used;       /* the rest was never given out; under the lock */
};

struct tsuga_reserve {
    /* const after init */
    const struct tsuga_backing *backing;
    uint64_t arena_bytes;
    uint8_t arena_shift;
    uint8_t segment_shift_min;
    bool guard;

    /* written under the lock, appended to only; readers use range_count */
    struct tsuga_reserve_range ranges[TSUGA_RESERVE_RANGE_COUNT_MAX];
    _Atomic uint32_t range_count;
    uint64_t range_bytes_next;

    pthread_mutex_t lock;
    struct tsuga_arena *free_arenas; /* purged; under the lock */
};

/* Makes the first range. Undo with tsuga_reserve_fini().
 * Errors: -EINVAL sizes; -ENOMEM no address space for even one arena. */
TSUGA_NODISCARD int tsuga_reserve_init(struct tsuga_reserve *reserve,
                                       const struct tsuga_backing *backing,
                                       const struct tsuga_reserve_config *config);

/* Returns the address space. All pools have ended. */
void tsuga_reserve_fini(struct tsuga_reserve *reserve);

/* An arena for the pool, zero. Takes a lock, may map. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_reserve_take(struct tsuga_reserve *reserve, struct tsuga_arena **out);

/* An arena back from its pool, purged. */
void tsuga_reserve_give(struct tsuga_reserve *reserve, struct tsuga_arena *arena);

/* The arena that an address lies in; NULL when it lies in none, or in one that no pool owns.
 * Thread: any, without a lock. The answer holds as long as something in the arena is alive. */
struct tsuga_arena *tsuga_reserve_find(const struct tsuga_reserve *reserve, const void *address);

#endif
