/*
 * What an executor's arenas need and other threads do: large segments are cleared, arenas faulted
 * in and purged. The hooks of the pool lead here. Private to executor/.
 *
 *     executor ── lists, one job ──> a helper thread ── resident arenas, one task ──> executor
 *
 * Invariant: while there is work, it counts as one in the runtime's population, so that helpers and
 * executors outlive it.
 *
 * Owner: an executor. Thread: that executor's, where nothing else is said.
 */
#ifndef TSUGA_EXECUTOR_ARENA_WORK_H
#define TSUGA_EXECUTOR_ARENA_WORK_H

#include <pthread.h>
#include <stdbool.h>

#include "executor/blocking.h"
#include "executor/seat.h"
#include "ioheap/arena.h"

struct tsuga_executor;

/* One pass of a helper. */
struct tsuga_arena_orders {
    struct tsuga_segment *clear;
    struct tsuga_arena *give;
    struct tsuga_arena *populate;
    bool prepares;
};

struct tsuga_arena_work {
    struct tsuga_executor *executor; /* const after init */
    pthread_mutex_t lock;
    /* under the lock */
    struct tsuga_arena_orders orders;
    struct tsuga_arena *resident; /* for the executor */
    bool is_running;              /* the job is submitted, or about to be again */
    bool is_posted;
    /* whoever has set the flag */
    struct tsuga_blocking_job job;
    struct tsuga_task task;
};

void tsuga_arena_work_init(struct tsuga_arena_work *work, struct tsuga_executor *executor);
void tsuga_arena_work_fini(struct tsuga_arena_work *work);

/* What the hooks of the pool ask for, see ioheap/arena.h. */
void tsuga_arena_work_clear(struct tsuga_arena_work *work, struct tsuga_segment *segment);
void tsuga_arena_work_prepare(struct tsuga_arena_work *work);
void tsuga_arena_work_give(struct tsuga_arena_work *work, struct tsuga_arena *arena);

/* Have an arena faulted in; tsuga_registered_take() gets it. */
void tsuga_arena_work_populate(struct tsuga_arena_work *work, struct tsuga_arena *arena);

#endif
