/*
 * The runtime: what struct tsuga_runtime is. Private to runtime/, and to tests that bring a world
 * of their own.
 *
 * Owner: whoever called tsuga_start(). Thread: as the public functions say.
 */
#ifndef TSUGA_RUNTIME_RUNTIME_H
#define TSUGA_RUNTIME_RUNTIME_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "executor/executor.h"
#include "executor/ring.h"
#include "executor/shared.h"
#include "ioheap/backing.h"
#include "runtime/base/clock.h"
#include "runtime/counted.h"
#include "runtime/log.h"
#include "runtime/watchdog.h"

/* What a runtime stands on. Tests and simulations bring their own. */
struct tsuga_world {
    struct tsuga_clock clock;
    const struct tsuga_backing *backing;
    tsuga_ring_create_fn *ring_create;
    void *ring_context;
    const struct tsuga_threads *threads; /* NULL: pthreads */
    const struct tsuga_calls *calls;     /* NULL: the kernel's */
    bool locks_all; /* this process's RLIMIT_MEMLOCK says nothing about locked memory */
};

struct tsuga_runtime {
    struct tsuga_shared shared;
    struct tsuga_counted counted;
    struct tsuga_backing backing; /* the world's, with counted memory */
    struct tsuga_log log;
    struct tsuga_watchdog watchdog;
    /* The end of a graceful stop, on executor 0. */
    struct tsuga_task shutdown_task;
    struct tsuga_alarm shutdown_alarm;
    _Atomic bool is_told;
    sigset_t old_signals; /* of the thread that started the runtime */
    uint32_t executors_made;
};

/* As tsuga_start(), in a given world, which is copied. */
TSUGA_NODISCARD int tsuga_runtime_start(const struct tsuga_world *world,
                                        const struct tsuga_config *config,
                                        struct tsuga_runtime **out);

#endif
