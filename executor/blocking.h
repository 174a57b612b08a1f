/*
 * A bounded pool of threads for calls that block and have no operation.
 *
 * Jobs run in the order in which they were submitted; so many of them wait at most. Threads start
 * when a job waits and no thread is idle, and end after a while without work. Signals are blocked
 * in them, but for faults.
 *
 * Owner: the runtime. Thread: any.
 */
#ifndef TSUGA_EXECUTOR_BLOCKING_H
#define TSUGA_EXECUTOR_BLOCKING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/clock.h"
#include "runtime/base/list.h"
#include "runtime/base/threads.h"

enum tsuga_blocking_state {
    TSUGA_BLOCKING_QUEUED,
    TSUGA_BLOCKING_RUNNING,
    TSUGA_BLOCKING_DONE,
};

/* Intrusive in what the job is about; the submitter's until done() has been called. */
struct tsuga_blocking_job {
    struct tsuga_list_node link;
    void (*run)(struct tsuga_blocking_job *job);  /* on a thread of the pool */
    void (*done)(struct tsuga_blocking_job *job); /* there too; the pool is finished with the job */
    enum tsuga_blocking_state state;              /* under the pool's lock */
};

struct tsuga_blocking_counts {
    uint32_t threads;
    uint32_t queued;
    uint32_t running;
    uint64_t done;
    uint64_t cancelled; /* before they started */
    uint64_t refused;   /* the queue was full, or there was no thread */
};

struct tsuga_blocking {
    const struct tsuga_threads *threads; /* const after init */
    struct tsuga_clock clock;            /* likewise */
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t gone; /* a thread has ended */
    struct tsuga_list_node queue;
    uint32_t queue_count;
    uint32_t queue_count_max; /* const after init */
    uint32_t thread_count;
    uint32_t thread_count_max; /* const after init */
    uint32_t idle_count;
    uint32_t running_count;
    uint64_t done_count;
    uint64_t cancelled_count;
    uint64_t refused_count;
    uint64_t idle_limit_ns; /* const after init */
    bool is_stopping;
};

/* Errors: those of pthread_cond_init(3). Undo with fini. */
TSUGA_NODISCARD int tsuga_blocking_init(struct tsuga_blocking *pool,
                                        const struct tsuga_threads *threads,
                                        const struct tsuga_clock *clock, uint32_t thread_count_max,
                                        uint32_t queue_count_max);

/* Waits until every job that was submitted and not cancelled is done. Nobody submits any more. */
void tsuga_blocking_fini(struct tsuga_blocking *pool);

/* Errors: -EBUSY the queue is full; -EAGAIN, -ENOMEM no thread runs and none could be made; the job
 * is not queued. */
TSUGA_NODISCARD int tsuga_blocking_submit(struct tsuga_blocking *pool,
                                          struct tsuga_blocking_job *job);

void tsuga_blocking_read(struct tsuga_blocking *pool, struct tsuga_blocking_counts *out);

/* True when the job had not started: it never will, and done() is not called. */
TSUGA_NODISCARD bool tsuga_blocking_cancel(struct tsuga_blocking *pool,
                                           struct tsuga_blocking_job *job);

#endif
