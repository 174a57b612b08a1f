/*
 * A clock that stands still until a test moves it, for what would otherwise take its time.
 *
 *     struct tsuga_still_clock still;
 *     const struct tsuga_clock clock = tsuga_still_clock_init(&still);
 *     const struct tsuga_setup setup = {.clock = &clock};
 *
 * The kernel's own timeouts take no notice of it.
 *
 * Thread: any; executors and their watchdog read it.
 */
#ifndef TSUGA_TESTS_STILL_CLOCK_H
#define TSUGA_TESTS_STILL_CLOCK_H

#include <stdatomic.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"
#include "tests/support/test.h"

struct tsuga_still_clock {
    _Atomic uint64_t now_ns;
};

static inline uint64_t tsuga_still_clock_read(void *context)
{
    struct tsuga_still_clock *still = context;

    return atomic_load_explicit(&still->now_ns, memory_order_relaxed);
}

static inline struct tsuga_clock tsuga_still_clock_init(struct tsuga_still_clock *still)
{
    atomic_init(&still->now_ns, TSUGA_NS_PER_S);
    return (struct tsuga_clock){tsuga_still_clock_read, still};
}

/* Moves the clock, and lets the executor of the calling actor look at it. */
static inline void tsuga_still_clock_pass(struct tsuga_actor *self, struct tsuga_still_clock *still,
                                          uint64_t ns)
{
    atomic_fetch_add_explicit(&still->now_ns, ns, memory_order_relaxed);
    for (unsigned i = 0; i <= TSUGA_TICK_TURNS; i++)
        CHECK_INT(tsuga_yield(self), 0);
}

#endif
