/*
 * The simulation's threads and its time. All threads of the runtimes are coroutines of the thread
 * that made the simulation; a seed decides at each safe point who goes on, and how long that took.
 * When nobody can go on, time jumps to whatever happens next.
 *
 *     safe points    the clock is read; the ring is entered; a wait for a condition, a thread's
 * end; an eventfd is written
 *
 * A step is one event, or one decision who goes on. Coroutine 0 is the thread that made the
 * simulation; while it waits for a runtime, the others run. Private to runtime/sim/.
 *
 * Owner: the simulation. Thread: the one that made it.
 */
#ifndef TSUGA_SIM_SCHEDULE_H
#define TSUGA_SIM_SCHEDULE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/stack.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/threads.h"
#include "runtime/sim/agenda.h"
#include "runtime/sim/random.h"
#include "runtime/sim/trace.h"

#define TSUGA_COROUTINES_MAX 64u

struct tsuga_executor;

enum tsuga_coroutine_state {
    TSUGA_COROUTINE_FREE,
    TSUGA_COROUTINE_READY,
    TSUGA_COROUTINE_WAITING, /* for a wake, or for until_ns */
    TSUGA_COROUTINE_IDLE,    /* coroutine 0: until nothing happens any more */
    TSUGA_COROUTINE_ENDED,   /* and not yet joined */
};

struct tsuga_coroutine {
    enum tsuga_coroutine_state state;
    bool is_detached;
    bool was_woken;
    uint32_t number;
    uint64_t until_ns;
    uint64_t paused_ns;        /* does not run before */
    const void *waits_for;     /* a condition, or what it was blocked on */
    struct tsuga_stack place;  /* where it is parked */
    struct tsuga_stack *stack; /* of the pool; NULL for coroutine 0 */
    struct tsuga_executor *executor;
    tsuga_thread_fn *run;
    void *argument;
};

struct tsuga_schedule {
    uint64_t now_ns;
    uint64_t steps;
    uint64_t step_max;  /* UINT64_MAX: no limit */
    uint64_t step_stop; /* coroutine 0 goes on here, if it is idle */
    struct tsuga_random random;
    struct tsuga_agenda agenda;
    struct tsuga_trace trace;
    struct tsuga_coroutine coroutines[TSUGA_COROUTINES_MAX];
    uint32_t count; /* of coroutines that were ever used */
    struct tsuga_coroutine *current;
    struct tsuga_coroutine *left;  /* the one that the switch came from */
    struct tsuga_stack *abandoned; /* of one that has ended */
    struct tsuga_stack_pool stacks;
    struct tsuga_threads threads; /* the hook to hand out */
    struct tsuga_clock clock;     /* likewise */
    /* Called at each step, and when the simulation cannot go on; the latter does not return. */
    void (*stepped)(void *context);
    void (*failed)(void *context, const char *what);
    bool (*may_start)(void *context); /* whether a thread can be made */
    void *context;
};

/* Errors: those of tsuga_stack_pool_init(). */
TSUGA_NODISCARD int tsuga_schedule_init(struct tsuga_schedule *schedule, uint64_t seed,
                                        const struct tsuga_memory *memory);
void tsuga_schedule_fini(struct tsuga_schedule *schedule);

/* A safe point. */
void tsuga_schedule_yield(struct tsuga_schedule *schedule);

/* The caller waits until it is woken (true) or until a time. */
bool tsuga_schedule_block(struct tsuga_schedule *schedule, const void *on, uint64_t until_ns);

/* Wakes a coroutine that waits. */
void tsuga_schedule_wake(struct tsuga_schedule *schedule, struct tsuga_coroutine *coroutine);

/* Coroutine 0 lets the others go on for so many steps, or until nothing happens any more (true). */
bool tsuga_schedule_run(struct tsuga_schedule *schedule, uint64_t steps);

/* Have an event happen so many nanoseconds from now. */
void tsuga_schedule_after(struct tsuga_schedule *schedule, struct tsuga_event *event,
                          uint64_t delay_ns);

/* Remember what happens. */
void tsuga_schedule_trace(struct tsuga_schedule *schedule, enum tsuga_trace_kind kind, int64_t a,
                          int64_t b, int64_t c);

#endif
