/*
 * Time as a hook: nanoseconds that never go back. Whoever creates a runtime chooses the clock, so
 * that a test or a simulation can bring its own.
 *
 * Thread: any; the hook's function must be callable from every thread.
 */
#ifndef TSUGA_BASE_CLOCK_H
#define TSUGA_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define TSUGA_NS_PER_US UINT64_C(1000)
#define TSUGA_NS_PER_MS UINT64_C(1000000)
#define TSUGA_NS_PER_S  UINT64_C(1000000000)

struct tsuga_clock {
    uint64_t (*now_ns)(void *context);
    void *context;
};

static inline uint64_t tsuga_clock_now_ns(const struct tsuga_clock *clock)
{
    return clock->now_ns(clock->context);
}

/* CLOCK_MONOTONIC, the one that io_uring's timeouts use by default. */
static inline uint64_t tsuga_clock_monotonic_ns(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TSUGA_NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
