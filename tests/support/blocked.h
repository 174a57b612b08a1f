/*
 * Waits until actors are blocked in mid-behaviour: each of them holds a stack, and so does each
 * executor's loop.
 *
 * Thread: the test's own, which is no executor.
 */
#ifndef TSUGA_TESTS_BLOCKED_H
#define TSUGA_TESTS_BLOCKED_H

#include <sched.h>
#include <stdint.h>

#include <tsuga.h>

/* Executors publish their figures before they sleep, so they must have nothing else to do. */
static inline void tsuga_blocked_await(struct tsuga_runtime *runtime, uint64_t count)
{
    struct tsuga_stats stats;

    do {
        sched_yield();
        tsuga_stats_read(runtime, &stats);
    } while (stats.stacks < count + stats.executor_count);
}

#endif
