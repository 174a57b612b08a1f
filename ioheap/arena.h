/*
 * Arenas of one executor, and the segments cut from them.
 *
 * A pool owns arenas and hands out segments: powers of two, frontmost first, from the smallest
 * segment to a whole arena. A segment belongs to one heap from the day it is handed out until it is
 * given back, and reaches its next heap cleared. Wholly free arenas are purged and go back to the
 * reserve after the decay time, unless they are registered with a ring.
 *
 * A heap that has moved to another executor gives a segment back to a pool that is not its
 * thread's: it goes to the pool's list of returned segments, which the owner drains.
 *
 * Owner: an executor. Thread: the owner's, where nothing else is said.
 */
#ifndef TSUGA_IOHEAP_ARENA_H
#define TSUGA_IOHEAP_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ioheap/reserve.h"
#include "ioheap/span.h"
#include "runtime/base/assert.h"

struct tsuga_ioheap;

/* What a pool may have done by other threads. Every function may be NULL: then the owner does it.
 */
struct tsuga_arena_hooks {
    /* Have tsuga_segment_clear() called on another thread. */
    void (*clear)(void *context, struct tsuga_segment *segment);
    /* Have tsuga_arena_pool_prepare() called on another thread. */
    void (*prepare)(void *context, struct tsuga_arena_pool *pool);
    void *context;
};

struct tsuga_arena_pool_config {
    uint64_t decay_ns; /* how long free segments and free arenas are kept; 0: 1 s */
    struct tsuga_arena_hooks hooks;
};

/* A stretch of an arena that belongs to one heap. Regions of at most 2 MiB follow the struct. */
struct tsuga_segment {
    /* const while the segment is out */
    char *base;
    struct tsuga_arena *arena;
    struct tsuga_ioheap *heap;
    uint32_t region_count;
    uint8_t shift; /* 2^shift bytes */

    struct tsuga_segment *next; /* in the heap's list, in the order added; or in a return list */
    size_t table_bytes;         /* of this struct with everything behind it */
    struct tsuga_span_region regions[];
};

struct tsuga_arena_pool {
    /* const after init */
    struct tsuga_reserve *reserve;
    struct tsuga_arena_pool_config config;

    /* owner */
    struct tsuga_span_map spans;
    uint32_t arena_count;
    uint32_t segment_count;
    bool is_preparing; /* the hook was asked and has not answered */

    /* any thread */
    _Alignas(TSUGA_CACHE_LINE_BYTES) struct tsuga_segment *_Atomic returned;
    struct tsuga_arena *_Atomic prepared;
};

/* A pool without arenas. `config` may be NULL. Undo with tsuga_arena_pool_fini(). */
void tsuga_arena_pool_init(struct tsuga_arena_pool *pool, struct tsuga_reserve *reserve,
                           const struct tsuga_arena_pool_config *config);

/* Gives all arenas to the reserve. Every segment has come back. */
void tsuga_arena_pool_fini(struct tsuga_arena_pool *pool);

/* Hands out a segment of exactly 2^shift bytes; of memory in one of the pool's arenas, or a new
 * one. The heap gives it back with tsuga_segment_give(). Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_segment_take(struct tsuga_arena_pool *pool, unsigned shift,
                                       struct tsuga_ioheap *heap, struct tsuga_segment **out);

/* Gives a segment back to the pool it came from, cleared or to be cleared. `pool` is the one of
 * the calling thread. */
void tsuga_segment_give(struct tsuga_arena_pool *pool, struct tsuga_segment *segment);

/* Clears a segment that the clear hook was given, and sends it back. Thread: any. */
void tsuga_segment_clear(struct tsuga_segment *segment);

/* Takes in what other threads returned. */
void tsuga_arena_pool_drain(struct tsuga_arena_pool *pool);

/* Gives arenas that were wholly free for the decay time to the reserve, after draining. True when
 * free arenas remain that a later call may give back. */
bool tsuga_arena_pool_decay(struct tsuga_arena_pool *pool, uint64_t now_ns);

/* Faults in an arena, which the pool will use next. Thread: any. Blocks: for the faults. */
void tsuga_arena_pool_prepare(struct tsuga_arena_pool *pool);

/* The segment of an address inside the arena; NULL where none is. The answer is stable while
 * something in the segment is alive. Thread: any. */
struct tsuga_segment *tsuga_arena_segment(const struct tsuga_arena *arena, const void *address);

#endif
