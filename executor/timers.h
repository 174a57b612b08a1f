/*
 * A hierarchical timer wheel (Varghese and Lauck 1987): arming and cancelling cost the same however
 * many timers there are, and nothing is allocated.
 *
 * Time is cut into ticks of 2^16 ns. Level k has 64 slots of 64^k ticks each; a timer lies at the
 * lowest level at which its tick and the wheel's differ only in that level's digit, and moves down
 * when the wheel reaches its slot. A deadline is rounded up to a tick: no timer fires early, and
 * each fires at most one tick and one look late.
 *
 * Invariants: a bit of busy[k] is set exactly when the slot's list is not empty; every armed timer
 * has a tick beyond the wheel's.
 *
 * Owner: an executor. Thread: the owner's. Nothing here reads a clock: `now` comes from outside.
 */
#ifndef TSUGA_EXECUTOR_TIMERS_H
#define TSUGA_EXECUTOR_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/list.h"

#define TSUGA_TIMER_TICK_SHIFT 16u
#define TSUGA_TIMER_SLOT_SHIFT 6u
#define TSUGA_TIMER_SLOTS      (1u << TSUGA_TIMER_SLOT_SHIFT)
#define TSUGA_TIMER_LEVELS     8u /* 8 * 6 bits cover every tick of 64-bit nanoseconds */

/* Zeroed is disarmed. */
struct tsuga_timer {
    struct tsuga_list_node link;
    uint64_t tick; /* 0: disarmed */
};

struct tsuga_timers {
    uint64_t tick; /* everything up to it has fired */
    uint64_t busy[TSUGA_TIMER_LEVELS];
    struct tsuga_list_node slots[TSUGA_TIMER_LEVELS][TSUGA_TIMER_SLOTS];
};

typedef void tsuga_timer_fn(struct tsuga_timer *timer, void *context);

void tsuga_timers_init(struct tsuga_timers *timers, uint64_t now_ns);

/* Arm a timer that is disarmed. One whose deadline has passed fires at the next expire. */
void tsuga_timers_arm(struct tsuga_timers *timers, struct tsuga_timer *timer, uint64_t deadline_ns);

static inline bool tsuga_timers_is_armed(const struct tsuga_timer *timer)
{
    return timer->tick != 0;
}

/* True when it was armed. */
bool tsuga_timers_cancel(struct tsuga_timers *timers, struct tsuga_timer *timer);

/* Fire what is due, in order of ticks; each is disarmed before its call. The function may arm and
 * cancel any timer. */
void tsuga_timers_expire(struct tsuga_timers *timers, uint64_t now_ns, tsuga_timer_fn *fire,
                         void *context);

static inline bool tsuga_timers_has_any(const struct tsuga_timers *timers)
{
    uint64_t busy = 0;

    for (unsigned level = 0; level < TSUGA_TIMER_LEVELS; level++)
        busy |= timers->busy[level];
    return busy != 0;
}

/* When to look next: not later than the earliest deadline's tick, UINT64_MAX when none is armed.
 * For a distant timer it is the time at which that moves down a level. */
uint64_t tsuga_timers_next_ns(const struct tsuga_timers *timers);

#endif
