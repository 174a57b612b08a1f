/*
 * The watchdog: a thread that counts and names turns that run too long, and has others help with
 * what waits behind them. When all executors have slept for a period, so does it. A turn that is
 * long because others have the processor is not to blame, and is not named.
 *
 * Owner: the runtime. Thread: start and stop by the runtime's owner; nudge by any executor.
 */
#ifndef TSUGA_RUNTIME_WATCHDOG_H
#define TSUGA_RUNTIME_WATCHDOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/shared.h"
#include "runtime/base/assert.h"
#include "runtime/log.h"

/* An executor as it was when it was last seen to go on. */
struct tsuga_watch {
    uint64_t turns;
    uint64_t processor_ns;
    bool was_reported; /* the turn that it is in since */
};

struct tsuga_watchdog {
    struct tsuga_shared *shared;
    struct tsuga_log *log;
    struct tsuga_watch *watches; /* one for each executor */
    struct tsuga_thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
};

/* Starts the thread. Errors: -ENOMEM, those of pthread_create(3) and
 * pthread_cond_init(3). */
TSUGA_NODISCARD int tsuga_watchdog_start(struct tsuga_watchdog *watchdog,
                                         struct tsuga_shared *shared, struct tsuga_log *log);

/* Ends the thread, which looks at the executors: before they end. */
void tsuga_watchdog_stop(struct tsuga_watchdog *watchdog);

/* Frees the rest, which executors may still nudge: after they have ended. */
void tsuga_watchdog_fini(struct tsuga_watchdog *watchdog);

/* An executor has woken up while the watchdog slept. */
void tsuga_watchdog_nudge(struct tsuga_watchdog *watchdog);

#endif
