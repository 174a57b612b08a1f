/*
 * Registered memory: arenas that an executor's ring keeps pinned, so that reads, writes and
 * zero-copy sends from their blocks need not pin them. An accelerator, and never a requirement:
 * where it ends, for whatever reason, the plain forms go on.
 *
 *     PLAIN ── used often ──> COMING ── faulted in by a helper ──> KNOWN
 *     KNOWN ── free for the decay time, slot emptied ──> LEAVING ── the kernel's word ──> PLAIN
 *
 * An arena has one slot, and a slot one arena. Which block an operation uses decides which slot:
 * users see nothing of it. `auto` registers an arena when TSUGA_REGISTERED_USES operations could
 * have used it, so that who does little I/O has nothing pinned; `always` each one from its start.
 *
 * Invariants:
 *     an arena that is not PLAIN has is_registered set, and is not given back
 *     an arena that is KNOWN was wholly pinned, and no page of it is given back before it is PLAIN
 *     a slot, and a part of the locked memory, is booked from COMING to the end of LEAVING
 *
 * Owner: an executor. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_REGISTERED_H
#define TSUGA_EXECUTOR_REGISTERED_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/ring.h"
#include "executor/seat.h"
#include "ioheap/arena.h"

struct tsuga_executor;

#define TSUGA_REGISTERED_USES 256u

enum tsuga_registered_state {
    TSUGA_REGISTERED_PLAIN,
    TSUGA_REGISTERED_COMING,
    TSUGA_REGISTERED_KNOWN,
    TSUGA_REGISTERED_LEAVING,
};

struct tsuga_registered {
    bool is_on;        /* operations look for slots */
    bool may_grow;     /* no limit is in the way */
    bool has_table;    /* of slots, in the ring */
    bool is_refused;   /* by the kernel, for good */
    uint32_t uses_min; /* of an arena, before it is registered */
    uint64_t kinds;    /* of requests that have a FIXED form here */
    uint32_t known_count;
    uint32_t slot_count;
    uint32_t free_count; /* slots; their numbers are free[0 ..= free_count - 1] */
    uint16_t *free;
    struct tsuga_arena *resident; /* to be registered, a few in each tick */
    struct tsuga_task task;       /* for what is left of them */
};

/* Before the executor's thread. Undo with fini. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_registered_init(struct tsuga_executor *executor);
void tsuga_registered_fini(struct tsuga_executor *executor);

/* The ring was made: what it can not do is not done. */
void tsuga_registered_start(struct tsuga_executor *executor);

/* The ring is gone, and no request was in flight: what it had pinned is pinned no more. */
void tsuga_registered_stop(struct tsuga_executor *executor);

/* Look for the slot of a request, which may become one of its FIXED form: one buffer, or vectors.
 * Called while is_on. */
void tsuga_registered_find(struct tsuga_executor *executor, struct tsuga_ring_request *request);
void tsuga_registered_find_vectors(struct tsuga_executor *executor,
                                   struct tsuga_ring_request *request);

/* Hooks of the arena pool; `context` is the executor. */
void tsuga_registered_adopted(void *context, struct tsuga_arena *arena, bool is_resident);
void tsuga_registered_withdraw(void *context, struct tsuga_arena *arena);

/* A list of arenas was faulted in. */
void tsuga_registered_take(struct tsuga_executor *executor, struct tsuga_arena *first);

/* The kernel has nothing of the arena any more. */
void tsuga_registered_left(struct tsuga_executor *executor, struct tsuga_arena *arena);

/* Once in a while: has a limit been raised? */
void tsuga_registered_watch(struct tsuga_executor *executor);

#endif
