/*
 * What a stress run has done: operations and stops, per kind of operation and per state in which
 * the stop found it; and the means that all of its files share.
 *
 * Owner: the program. Thread: any; every count is atomic.
 */
#ifndef TSUGA_TESTS_SUPPORT_TALLY_H
#define TSUGA_TESTS_SUPPORT_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tsuga.h>

/* How far an operation was when its actor ended. */
enum stress_state {
    STRESS_QUEUED,    /* no system call since; a close that waits for other operations; a job that
                         has not begun */
    STRESS_SUBMITTED, /* the kernel has it */
    STRESS_COMPLETED, /* its completion is in the mailbox */
    STRESS_TAKEN,     /* its completion is the actor's current message */
    STRESS_WAITING,   /* the actor waits for room to submit it */
    STRESS_STATES,
};

/* How the actor came to its end. */
enum stress_way {
    STRESS_STOPPED,  /* by tsuga_actor_stop() from another thread */
    STRESS_SUICIDE,  /* by tsuga_actor_stop() on itself */
    STRESS_EXIT,     /* by tsuga_exit() */
    STRESS_RETURN,   /* by returning from its body */
    STRESS_GRACEFUL, /* by the graceful stop of its runtime */
    STRESS_NOW,      /* by the immediate one */
    STRESS_LINKED,   /* with another one */
    STRESS_WAYS,
};

struct stress_tally {
    _Atomic uint64_t started[TSUGA_OP_KIND_COUNT];
    _Atomic uint64_t taken[TSUGA_OP_KIND_COUNT]; /* completions seen by their actors */
    _Atomic uint64_t stops[TSUGA_OP_KIND_COUNT][STRESS_STATES];
    _Atomic uint64_t ways[STRESS_WAYS];
    _Atomic uint64_t actors;
    _Atomic uint64_t rounds;
    _Atomic uint64_t bytes; /* of payload that was compared */
    _Atomic uint64_t supervisors;
    _Atomic uint64_t fixed;          /* operations on registered memory */
    _Atomic bool has_registered;     /* there was registered memory in some round */
    _Atomic bool has_bind_operation; /* bind and listen were operations in some round */
    _Atomic bool has_waits;          /* so were waiting for a futex and for a child */
};

static inline void stress_count(_Atomic uint64_t *counter, uint64_t add)
{
    atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

/* Whether an operation of this kind can be met in this state at all. */
bool stress_tally_is_possible(const struct stress_tally *tally, enum tsuga_op_kind kind,
                              enum stress_state state);

/* Prints the table. False when something that is possible did not happen. */
bool stress_tally_print(const struct stress_tally *tally);

/* splitmix64. */
uint64_t stress_random(uint64_t *state);

/* The content that a seed means, from `offset` on: written, and compared. */
void stress_fill(void *data, size_t bytes, uint64_t seed, uint64_t offset);
void stress_compare(struct stress_tally *tally, const void *data, size_t bytes, uint64_t seed,
                    uint64_t offset);

/* Ends the program: what must hold does not. */
_Noreturn void stress_fail(const char *file, int line, const char *what);

#define STRESS_REQUIRE(condition)                                                                  \
    ((condition) ? (void)0 : stress_fail(__FILE__, __LINE__, #condition))

#endif
