/*
 * What the executors of one runtime share. The runtime makes it and hands it to each of them; they
 * know nothing else of the runtime.
 *
 * Owner: the runtime; it outlives the executors. Thread: any; the fields say who writes.
 */
#ifndef TSUGA_EXECUTOR_SHARED_H
#define TSUGA_EXECUTOR_SHARED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "actor/names.h"
#include "actor/table.h"
#include "actor/teams.h"
#include "executor/blocking.h"
#include "executor/calls.h"
#include "executor/descriptors.h"
#include "executor/locked.h"
#include "executor/ring.h"
#include "ioheap/ioheap.h"
#include "runtime/base/clock.h"
#include "runtime/base/fork.h"
#include "runtime/base/list.h"
#include "runtime/base/memory.h"
#include "runtime/base/threads.h"

struct tsuga_executor;
struct tsuga_tie;

/* One line for people. */
typedef void tsuga_report_fn(void *context, enum tsuga_log_level level, const char *line);

struct tsuga_shared {
    /* const after init */
    struct tsuga_config config; /* resolved: no field is left at its default */
    struct tsuga_runtime *runtime;
    struct tsuga_clock clock;
    const struct tsuga_threads *threads;
    const struct tsuga_calls *calls;
    const struct tsuga_memory *memory;
    tsuga_ring_create_fn *ring_create;
    void *ring_context;
    tsuga_report_fn *report;
    void *report_context;
    void (*signalled)(void *context); /* a signal has come; called on executor 0 */
    void (*nudge)(void *context);     /* see wants_nudge; called on any executor */
    void *hooks_context;
    int signal_fd;               /* a signalfd, or -1 */
    struct tsuga_fork_mark mark; /* a child of fork(2) has neither threads nor rings */
    struct tsuga_executor *executors;
    uint32_t executor_count;

    /* any thread */
    struct tsuga_reserve reserve;
    struct tsuga_blocking blocking;
    struct tsuga_blocking helpers; /* for arenas, where no job of a user is in the way */
    struct tsuga_locked locked;
    struct tsuga_actor_table table;
    struct tsuga_names names;
    struct tsuga_teams teams;
    struct tsuga_descriptors descriptors;
    _Atomic uint32_t sleeper_count; /* executors that sleep */
    _Atomic uint32_t stop_level;    /* of the whole runtime, enum tsuga_stop_level */
    _Atomic bool is_finishing;      /* executors leave their loops */
    int first_reason;               /* why the first actor of tsuga_run() has ended */
    _Atomic bool wants_nudge;       /* somebody wants to know when an executor wakes up */
    /* Actors alive and heaps of the dead that are not reclaimed; `changed` at zero. */
    _Atomic uint64_t population;
    _Atomic uint64_t spawned;
    _Atomic uint64_t foreign_messages; /* sent by threads that are no executors */
    _Atomic uint64_t foreign_dead_letters;
    pthread_mutex_t lock;
    pthread_cond_t changed;       /* the population is gone, or an executor has started */
    struct tsuga_list_node ports; /* the open ones, under lock */
};

/* Someone who counts in the population came, or went. Enter tells whether somebody was there. */
bool tsuga_shared_enter(struct tsuga_shared *shared);
void tsuga_shared_leave(struct tsuga_shared *shared);

/* What tsuga_spawn(), tsuga_post() and tsuga_actor_stop() do. */

/* What makes an actor a special one. */
struct tsuga_birth {
    bool is_first;         /* its reason becomes first_reason before the population falls */
    bool is_port;          /* it may be made while the others are asked to stop */
    const void *state;     /* what its state holds from the start; NULL: zeroes */
    struct tsuga_tie *tie; /* gets it at its end 1; may be NULL */
};

/* birth  NULL: an actor like any other. */
TSUGA_NODISCARD int tsuga_shared_spawn(struct tsuga_shared *shared,
                                       const struct tsuga_spawn_options *options,
                                       const struct tsuga_birth *birth, struct tsuga_id *out);
/* from  a port, or nobody. */
int tsuga_shared_post(struct tsuga_shared *shared, struct tsuga_id from, struct tsuga_id to,
                      uint64_t tag, const void *data, size_t bytes);
int tsuga_shared_stop(struct tsuga_shared *shared, struct tsuga_id id, enum tsuga_stop_level level);

/* Raise the whole runtime's stop level: every actor is asked, or forced, to end. */
void tsuga_shared_stop_all(struct tsuga_shared *shared, enum tsuga_stop_level level);

#endif
