/*
 * Arenas of one executor, and the segments cut from them.
 *
 * A pool owns arenas and hands out segments: powers of two, frontmost first, from the smallest
 * segment to a whole arena. A segment belongs to one heap from the day it is handed out until it is
 * given back, and reaches its next heap cleared. Arenas that were wholly free for the decay time
 * are purged and go back to the reserve. One that is registered with a ring is withdrawn first: the
 * kernel would keep its pages, and write to them where nobody sees it.
 *
 * A heap that has moved to another executor gives its segments back on a thread that does not own
 * their pool. They go to that pool's list of returned segments, and its owner drains the list.
 *
 * With the reserve's guard on, a segment is a span of twice its size, whose second half nobody can
 * touch.
 *
 * Owner: an executor. Thread: the owner's, where nothing else is said.
 */
#ifndef TSUGA_IOHEAP_ARENA_H
#define TSUGA_IOHEAP_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ioheap/reserve.h"
#include "ioheap/span.h"
#include "runtime/base/assert.h"
#include "runtime/base/bits.h"
#include "runtime/base/list.h"

struct tsuga_ioheap;
struct tsuga_segment;

/* Work that a pool would rather see done by other threads. NULL: the owner does it. */
struct tsuga_arena_hooks {
    /* Have tsuga_segment_clear() called, on any thread, before the pool ends. */
    void (*clear)(void *context, struct tsuga_segment *segment);
    /* Have tsuga_arena_pool_prepare() called, on any thread, before the pool ends. */
    void (*prepare)(void *context, struct tsuga_arena_pool *pool);
    /* Have tsuga_reserve_give() called, on any thread, before the reserve ends. */
    void (*give)(void *context, struct tsuga_arena *arena);
    /* An arena has become the pool's. `is_resident`: it was prepared. */
    void (*adopted)(void *context, struct tsuga_arena *arena, bool is_resident);
    /* Have is_registered of a wholly free arena reset, by the owner, some time. Asked again with
     * every decay until then. */
    void (*withdraw)(void *context, struct tsuga_arena *arena);
    void *context;
};

struct tsuga_arena_pool_config {
    uint64_t decay_ns; /* how long free segments and free arenas are kept; 0: one second */
    struct tsuga_arena_hooks hooks;
};

/* A stretch of an arena that belongs to one heap, as one region for each 2 MiB. */
struct tsuga_segment {
    /* const until it is given back */
    char *base;
    struct tsuga_arena *arena;
    struct tsuga_ioheap *heap;
    struct tsuga_span_region *regions; /* the first one */
    uint32_t region_count;
    uint32_t region_stride; /* bytes from one to the next */
    uint32_t table_bytes;   /* of this struct and the regions, which are one piece */
    uint16_t color_bytes;   /* of the piece, in front of the regions */
    uint8_t shift;          /* 2^shift bytes */

    struct tsuga_segment *next; /* the heap's next, in the order added; or the next returned */
};

static inline struct tsuga_span_region *tsuga_segment_region(const struct tsuga_segment *segment,
                                                             uint32_t i)
{
    return (void *)((char *)segment->regions + (size_t)i * segment->region_stride);
}

struct tsuga_arena_pool {
    /* const after init */
    struct tsuga_reserve *reserve;
    struct tsuga_arena_pool_config config;

    /* owner */
    struct tsuga_span_map spans;
    uint32_t arena_count;
    uint32_t segment_count;       /* handed out, and not yet back in the map */
    uint32_t color;               /* of the next segment's tables */
    bool has_idle;                /* an arena may be wholly free */
    bool was_cut_short;           /* the last decay left arenas whose time has come */
    struct tsuga_list_node heaps; /* that have segments worth giving back, see ioheap.h */

    /* any thread */
    _Alignas(TSUGA_CACHE_LINE_BYTES) struct tsuga_segment *_Atomic returned;
    struct tsuga_arena *_Atomic prepared;
    _Atomic bool is_preparing;
};

/* A pool without arenas. `config` may be NULL. Undo with tsuga_arena_pool_fini(). */
void tsuga_arena_pool_init(struct tsuga_arena_pool *pool, struct tsuga_reserve *reserve,
                           const struct tsuga_arena_pool_config *config);

/* Gives all arenas to the reserve. All segments were given back, and no hook is at work. */
void tsuga_arena_pool_fini(struct tsuga_arena_pool *pool);

/* The largest segment is 2^this bytes. */
static inline unsigned tsuga_segment_shift_max(const struct tsuga_reserve *reserve)
{
    return reserve->arena_shift - (reserve->guard ? 1u : 0u);
}

/* Hands out a segment of 2^shift bytes, from the reserve's smallest to the largest; from a new
 * arena, when it fits in none. It goes back with tsuga_segment_give(). Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_segment_take(struct tsuga_arena_pool *pool, unsigned shift,
                                       struct tsuga_ioheap *heap, struct tsuga_segment **out);

/* Clears a segment, or has it cleared, and gives it back to the pool it came from. `pool` is the
 * calling thread's. */
void tsuga_segment_give(struct tsuga_arena_pool *pool, struct tsuga_segment *segment);

/* Clears a segment that the clear hook was given, and returns it to its pool. Thread: any. */
void tsuga_segment_clear(struct tsuga_segment *segment);

/* Takes in the segments that other threads returned. */
void tsuga_arena_pool_drain(struct tsuga_arena_pool *pool);

/* Drains, and gives arenas that were wholly free for the decay time to the reserve, so many that it
 * does not take long. True when free arenas remain that a later call may give back. */
bool tsuga_arena_pool_decay(struct tsuga_arena_pool *pool, uint64_t now_ns);

/* Faults in an arena, which the pool uses next. Thread: any. Blocks: for the faults. */
void tsuga_arena_pool_prepare(struct tsuga_arena_pool *pool);

/* The region of a segment that an address of the arena lies in; NULL when in none. The answer stays
 * true while something in the segment is alive. Thread: any. */
static inline struct tsuga_span_region *tsuga_arena_region(const struct tsuga_arena *arena,
                                                           const void *address)
{
    return arena->regions[((uintptr_t)address - (uintptr_t)arena->base) >> arena->region_shift];
}

/* Likewise the segment. */
static inline struct tsuga_segment *tsuga_arena_segment(const struct tsuga_arena *arena,
                                                        const void *address)
{
    const struct tsuga_span_region *region = tsuga_arena_region(arena, address);

    return region == NULL ? NULL : region->owner;
}

#endif
