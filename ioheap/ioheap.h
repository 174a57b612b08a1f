/*
 * The I/O heap: an actor's non-moving memory, the only memory the kernel may touch.
 *
 * This is the folder's interface; it brings the others: slab.h (operation records), arena.h (an
 * executor's arenas), reserve.h (a runtime's address space) and backing.h (where memory comes
 * from). The module needs runtime/base and nothing else, see examples/heap.c.
 *
 * A heap is an ordered list of segments. A block is a power of two of bytes (a size class), aligned
 * to its own size, and lies exactly at the frontmost free position that fits. All bookkeeping is
 * out of band. A free block and a free record are poisoned in AddressSanitizer builds.
 *
 *     segment_bytes == sum of the segments' sizes; with lent_bytes <= quota_bytes when one is added
 *     live_bytes    == sum of the live blocks' class sizes
 *
 * Owner: an actor, and after its end the executor that waits for the kernel. Thread: the owner's,
 * where nothing else is said.
 */
#ifndef TSUGA_IOHEAP_IOHEAP_H
#define TSUGA_IOHEAP_IOHEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ioheap/arena.h"
#include "ioheap/backing.h"
#include "ioheap/reserve.h"
#include "ioheap/slab.h"
#include "ioheap/span.h"
#include "runtime/base/assert.h"

#define TSUGA_IOHEAP_CLASS_COUNT TSUGA_SPAN_ORDER_COUNT
/* Every power of two from 64 bytes to 2 MiB. */
#define TSUGA_IOHEAP_CLASSES_ALL (UINT32_C(0xffff) << TSUGA_IOHEAP_BLOCK_SHIFT_MIN)

struct tsuga_ioheap_config {
    uint64_t quota_bytes;       /* most bytes of segments; 0: unlimited */
    uint64_t segment_bytes_min; /* of the first segment, a power of two; 0: the reserve's */
    uint32_t class_mask;        /* bit k allows blocks of 2^k bytes; 0: all */
};

/* Counters of one class. */
struct tsuga_ioheap_class {
    uint64_t alloc_count;
    uint32_t live_count;
    uint32_t live_count_max;
};

struct tsuga_ioheap {
    /* owner */
    struct tsuga_span_map spans;
    struct tsuga_reserve *reserve;
    uint64_t live_bytes;
    uint64_t live_bytes_max;
    struct tsuga_ioheap_class *classes; /* one for each order of the largest region so far */
    uint32_t orders_allowed;            /* bit k: blocks of 64 << k bytes */
    uint8_t block_shift_max;            /* of the largest class */
    uint8_t class_count;
    uint8_t segment_shift_first;
    struct tsuga_arena_pool *pool;        /* of the executor it lives on now */
    struct tsuga_segment *segments_first; /* in the order added */
    struct tsuga_segment *segments_last;
    uint64_t quota_bytes;
    uint64_t lent_bytes; /* of memory elsewhere that counts against the quota; set by the owner */
    uint64_t segment_bytes;
    uint64_t segment_bytes_max;
    uint64_t high_water_bytes_max; /* before segments were given back */
    struct tsuga_list_node link;   /* among the pool's heaps, while it has a large segment */

    /* any thread: blocks that others gave back, linked through their first bytes */
    void *_Atomic returned;
};

/* Ten thousand idle connections count on it. */
_Static_assert(sizeof(struct tsuga_ioheap) <= 384, "a heap is six cache lines");

struct tsuga_ioheap_stats {
    struct tsuga_ioheap_class classes[TSUGA_IOHEAP_CLASS_COUNT]; /* of 64 << i bytes */
    uint64_t live_bytes;
    uint64_t live_bytes_max;
    uint64_t segment_bytes;
    uint64_t segment_bytes_max;
    uint64_t high_water_bytes; /* the furthest byte ever handed out, segments laid end to end */
    uint64_t table_bytes;      /* bookkeeping, out of band */
    uint64_t free_bytes;
    uint64_t free_span_max; /* external fragmentation is 1 - free_span_max / free_bytes */
    uint32_t segment_count;
    uint32_t live_count;
    /* Free spans by size: [i] counts those of 64 << i bytes. */
    uint32_t free_span_counts[TSUGA_IOHEAP_CLASS_COUNT];
};

/* One stretch of the heap's map. */
struct tsuga_ioheap_stretch {
    const void *base;
    uint64_t bytes;
    uint32_t segment_index; /* in the order added */
    bool is_live;           /* a block, otherwise free */
};

typedef void tsuga_ioheap_visit_fn(void *context, const struct tsuga_ioheap_stretch *stretch);

/* A heap without segments: the first allocation adds one. `config` may be NULL. Undo with
 * tsuga_ioheap_fini(). Errors: -EINVAL a class or size that is no power of two or out of range, or
 * larger than an arena. */
TSUGA_NODISCARD int tsuga_ioheap_init(struct tsuga_ioheap *heap, struct tsuga_arena_pool *pool,
                                      const struct tsuga_ioheap_config *config);

/* Gives all segments back. Nothing is live, and nobody will return a block any more. */
void tsuga_ioheap_fini(struct tsuga_ioheap *heap);

/* From now on the heap lives on another executor, and adds segments of that one's pool. */
void tsuga_ioheap_move(struct tsuga_ioheap *heap, struct tsuga_arena_pool *pool);

/* A block of the smallest class that holds `bytes`, contents undefined, at the frontmost place.
 * The caller gives it back with tsuga_ioheap_free() or tsuga_ioheap_free_remote().
 * Errors: -EINVAL zero bytes; -EMSGSIZE more than the largest class; -ENOBUFS the quota, or
 * memory. Cost: constant; a new segment takes longer. */
TSUGA_NODISCARD int tsuga_ioheap_alloc(struct tsuga_ioheap *heap, size_t bytes, void **out);

/* Gives a live block back and merges it with the free space around it. A block that is not live is
 * our own bug, and ends the process. */
void tsuga_ioheap_free(struct tsuga_ioheap *heap, void *block);

/* Gives a live block back from any thread, without a lock. The block's first bytes are written to.
 * Until tsuga_ioheap_drain() it counts as live. True when the list was empty before: then the owner
 * has not been told of it. The heap may end as soon as the owner has drained it, so the caller does
 * not touch it again. */
bool tsuga_ioheap_free_remote(struct tsuga_ioheap *heap, void *block);

/* Frees what other threads gave back. Returns how many blocks that were. */
uint32_t tsuga_ioheap_drain(struct tsuga_ioheap *heap);

/* True when other threads gave something back that is not drained. */
static inline bool tsuga_ioheap_has_returns(const struct tsuga_ioheap *heap)
{
    return atomic_load_explicit(&heap->returned, memory_order_relaxed) != NULL;
}

/* Blocks that are not free, the slabs' and the undrained among them. */
uint32_t tsuga_ioheap_live_count(const struct tsuga_ioheap *heap);

/* Bytes of the largest class. */
static inline size_t tsuga_ioheap_block_bytes_max(const struct tsuga_ioheap *heap)
{
    return (size_t)1 << heap->block_shift_max;
}

/* The class that holds `bytes`, 1 ..= tsuga_ioheap_block_bytes_max(). */
size_t tsuga_ioheap_class_bytes(const struct tsuga_ioheap *heap, size_t bytes);

/* The class size of a live block. */
size_t tsuga_ioheap_block_bytes(const struct tsuga_ioheap *heap, const void *block);

/* The live block of this heap that an address lies in; NULL when there is none. The address lies in
 * memory that stays: in a live block of any heap, in a segment of this one, or in no arena. */
void *tsuga_ioheap_block_start(const struct tsuga_ioheap *heap, const void *address);

/* Gives segments back that were wholly free for the pool's decay time. True when free segments
 * remain that a later call may give back. */
bool tsuga_ioheap_decay(struct tsuga_ioheap *heap, uint64_t now_ns);

/* Does so for heaps of the pool that have segments of 64 KiB and more; of very many heaps each call
 * looks at others. The same answer. */
bool tsuga_ioheap_decay_pool(struct tsuga_arena_pool *pool, uint64_t now_ns);

/* Gives all segments back that are wholly free, whatever the decay time. */
void tsuga_ioheap_trim(struct tsuga_ioheap *heap);

void tsuga_ioheap_stats_read(const struct tsuga_ioheap *heap, struct tsuga_ioheap_stats *out);

/* Calls visit for each block and each free span, front to back; neighbouring free spans of one
 * segment are one stretch. The heap must not change meanwhile. */
void tsuga_ioheap_walk(const struct tsuga_ioheap *heap, tsuga_ioheap_visit_fn *visit,
                       void *context);

/* Walks every table and ends the process where an invariant is broken. */
void tsuga_ioheap_check(const struct tsuga_ioheap *heap);

#endif
