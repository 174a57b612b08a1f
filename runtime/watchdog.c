#include "runtime/watchdog.h"

#include <errno.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"

static bool is_anyone_awake(const struct tsuga_shared *shared)
{
    return atomic_load_explicit(&shared->sleeper_count, memory_order_seq_cst) <
           shared->executor_count;
}

/* Wakes one that sleeps: it will find what waits behind the long turn. */
static void call_helper(struct tsuga_shared *shared, struct tsuga_executor *busy)
{
    if (shared->config.executor.steal != TSUGA_ON ||
        tsuga_runqueue_stealable_count(&busy->queue) == 0)
        return;
    for (uint32_t i = 0; i < shared->executor_count; i++) {
        struct tsuga_executor *other = &shared->executors[i];

        if (!atomic_load_explicit(&other->is_sleeping, memory_order_relaxed))
            continue;
        tsuga_executor_wake(other);
        return;
    }
}

static void report(struct tsuga_watchdog *watchdog, struct tsuga_executor *executor)
{
    const char *name = atomic_load_explicit(&executor->turn_name, memory_order_relaxed);

    atomic_fetch_add_explicit(&executor->turns_overrun, 1, memory_order_relaxed);
    tsuga_log_printf(watchdog->log, TSUGA_LOG_WARN,
                     "actor %s has kept executor %u for more than %u us: let it call "
                     "tsuga_slice_used() and tsuga_yield()",
                     name != NULL ? name : "(unnamed)", executor->index,
                     watchdog->shared->config.executor.watchdog_us);
}

/* A turn that was there at the last look and still is has run for a whole period. Returns whether
 * there were any turns. */
static bool look_at(struct tsuga_watchdog *watchdog, struct tsuga_executor *executor)
{
    uint64_t turns = atomic_load_explicit(&executor->counters.turns, memory_order_relaxed);
    bool is_quiet = turns == watchdog->turns_seen[executor->index];

    watchdog->turns_seen[executor->index] = turns;
    if (!is_quiet || !atomic_load_explicit(&executor->is_in_turn, memory_order_relaxed)) {
        watchdog->was_reported[executor->index] = false;
        return !is_quiet;
    }
    if (!watchdog->was_reported[executor->index])
        report(watchdog, executor);
    watchdog->was_reported[executor->index] = true;
    call_helper(watchdog->shared, executor);
    return true;
}

static bool look_at_all(struct tsuga_watchdog *watchdog)
{
    bool is_busy = false;

    for (uint32_t i = 0; i < watchdog->shared->executor_count; i++)
        is_busy |= look_at(watchdog, &watchdog->shared->executors[i]);
    return is_busy;
}

/* False: the watchdog shall end. The clock is read, and executors are woken, without the lock. */
static bool wait_a_period(struct tsuga_watchdog *watchdog)
{
    const struct tsuga_threads *threads = watchdog->shared->threads;
    uint64_t limit_ns = tsuga_clock_now_ns(&watchdog->shared->clock) +
                        watchdog->shared->config.executor.watchdog_us * TSUGA_NS_PER_US;
    bool is_stopping;
    int error = 0;

    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->is_stopping && error == 0)
        error = threads->wait(threads->context, &watchdog->changed, &watchdog->lock, limit_ns);
    is_stopping = watchdog->is_stopping;
    pthread_mutex_unlock(&watchdog->lock);
    return !is_stopping;
}

/* Says that it sleeps, looks once more, and sleeps until an executor wakes up. */
static void wait_while_all_sleep(struct tsuga_watchdog *watchdog)
{
    struct tsuga_shared *shared = watchdog->shared;

    pthread_mutex_lock(&watchdog->lock);
    atomic_store_explicit(&shared->wants_nudge, true, memory_order_seq_cst);
    while (!watchdog->is_stopping && !is_anyone_awake(shared))
        tsuga_threads_wait(shared->threads, &watchdog->changed, &watchdog->lock);
    atomic_store_explicit(&shared->wants_nudge, false, memory_order_relaxed);
    pthread_mutex_unlock(&watchdog->lock);
}

static void *watch(void *context)
{
    struct tsuga_watchdog *watchdog = context;
    bool is_busy;

    /* Not as soon as all happen to sleep: the executor that wakes up next pays with a system call
     * for waking the watchdog. */
    do {
        wait_while_all_sleep(watchdog);
        do {
            if (!wait_a_period(watchdog))
                return NULL;
            is_busy = look_at_all(watchdog);
        } while (is_busy);
    } while (true);
}

static void free_tables(struct tsuga_watchdog *watchdog)
{
    const struct tsuga_memory *memory = watchdog->shared->memory;
    uint32_t count = watchdog->shared->executor_count;

    tsuga_memory_free(memory, watchdog->turns_seen, count * sizeof(*watchdog->turns_seen));
    tsuga_memory_free(memory, watchdog->was_reported, count * sizeof(*watchdog->was_reported));
}

int tsuga_watchdog_start(struct tsuga_watchdog *watchdog, struct tsuga_shared *shared,
                         struct tsuga_log *log)
{
    uint32_t count = shared->executor_count;
    int error = -ENOMEM;
    int condition_error;

    *watchdog = (struct tsuga_watchdog){.shared = shared, .log = log};
    watchdog->turns_seen =
        tsuga_memory_alloc_zeroed(shared->memory, count * sizeof(*watchdog->turns_seen));
    watchdog->was_reported =
        tsuga_memory_alloc_zeroed(shared->memory, count * sizeof(*watchdog->was_reported));
    pthread_mutex_init(&watchdog->lock, NULL);
    condition_error = tsuga_threads_init_condition(&watchdog->changed);
    if (condition_error != 0)
        error = condition_error;
    else if (watchdog->turns_seen != NULL && watchdog->was_reported != NULL)
        error =
            shared->threads->start(shared->threads->context, watch, watchdog, &watchdog->thread);
    if (error != 0)
        tsuga_watchdog_fini(watchdog);
    return error;
}

void tsuga_watchdog_stop(struct tsuga_watchdog *watchdog)
{
    pthread_mutex_lock(&watchdog->lock);
    watchdog->is_stopping = true;
    tsuga_threads_wake_all(watchdog->shared->threads, &watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    watchdog->shared->threads->join(watchdog->shared->threads->context, &watchdog->thread);
}

void tsuga_watchdog_fini(struct tsuga_watchdog *watchdog)
{
    free_tables(watchdog);
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
}

void tsuga_watchdog_nudge(struct tsuga_watchdog *watchdog)
{
    pthread_mutex_lock(&watchdog->lock);
    tsuga_threads_wake_all(watchdog->shared->threads, &watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
}
