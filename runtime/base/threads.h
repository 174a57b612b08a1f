/*
 * Threads as a hook: starting one, waiting for its end, waiting for a condition. Whoever creates a
 * runtime chooses, so that a simulation can run all of a runtime's threads as coroutines of one.
 *
 * Mutexes are no part of it. Nobody waits for anything while holding one, so that coroutines, which
 * change places only in these functions, at the clock and in the ring, never meet a locked one.
 *
 * Thread: any, except where stated.
 */
#ifndef TSUGA_BASE_THREADS_H
#define TSUGA_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"

#define TSUGA_THREADS_FOREVER UINT64_MAX

struct tsuga_thread {
    union {
        pthread_t posix;
        void *other;
    };
};

/* What it returns is of no interest. */
typedef void *tsuga_thread_fn(void *argument);

struct tsuga_threads {
    /* Starts run(argument) on a thread on which all signals but faults are blocked. Unless `out` is
     * NULL, the caller owes it a join. Errors: those of pthread_create(3). */
    int (*start)(void *context, tsuga_thread_fn *run, void *argument, struct tsuga_thread *out);
    void (*join)(void *context, struct tsuga_thread *thread);
    /* As pthread_cond_timedwait(3), with a time of the runtime's clock (TSUGA_THREADS_FOREVER:
     * no limit): may return for no reason. Errors: -ETIMEDOUT. */
    int (*wait)(void *context, pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ns);
    /* Wakes one, or all, that wait. The caller holds the lock. */
    void (*wake_one)(void *context, pthread_cond_t *condition);
    void (*wake_all)(void *context, pthread_cond_t *condition);
    void *context;
    /* They share a thread of the kernel, so that nothing may be set for each of them: neither
     * processors nor a signal stack. */
    bool are_coroutines;
};

/* pthreads. Owner: nobody, it is constant. */
const struct tsuga_threads *tsuga_threads_posix(void);

/* A condition whose waits end by CLOCK_MONOTONIC. Errors: those of pthread_cond_init(3). */
TSUGA_NODISCARD int tsuga_threads_init_condition(pthread_cond_t *condition);

/* Nobody has a reason to wait for ever and be told so. */
static inline void tsuga_threads_wait(const struct tsuga_threads *threads,
                                      pthread_cond_t *condition, pthread_mutex_t *lock)
{
    (void)threads->wait(threads->context, condition, lock, TSUGA_THREADS_FOREVER);
}

static inline void tsuga_threads_wake_all(const struct tsuga_threads *threads,
                                          pthread_cond_t *condition)
{
    threads->wake_all(threads->context, condition);
}

#endif
