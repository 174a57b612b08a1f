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

/* Coroutines have no processor time of their own. */
static uint64_t processor_ns(const struct tsuga_executor *executor)
{
    return executor->shared->threads->are_coroutines ? 0 : tsuga_thread_meter_ns(&executor->meter);
}

/* Whether a turn of a period or more by the clock has had the processor for one, but for what
 * interrupts may have taken, or waits in a system call. Otherwise others have the processor. */
static bool is_to_blame(const struct tsuga_watch *watch, const struct tsuga_executor *executor)
{
    const struct tsuga_shared *shared = executor->shared;
    uint64_t period_ns = shared->config.executor.watchdog_us * TSUGA_NS_PER_US;

    return shared->threads->are_coroutines ||
           processor_ns(executor) - watch->processor_ns >= period_ns - period_ns / 8 ||
           tsuga_thread_meter_is_blocked(&executor->meter);
}

/* A turn that was there at the last look and still is has lasted for a whole period. Returns
 * whether there were any turns. */
static bool look_at(struct tsuga_watchdog *watchdog, struct tsuga_executor *executor)
{
    struct tsuga_watch *watch = &watchdog->watches[executor->index];
    uint64_t turns = atomic_load_explicit(&executor->counters.turns, memory_order_relaxed);
    bool is_quiet = turns == watch->turns;

    if (!is_quiet || !atomic_load_explicit(&executor->is_in_turn, memory_order_relaxed)) {
        *watch = (struct tsuga_watch){.turns = turns, .processor_ns = processor_ns(executor)};
        return !is_quiet;
    }
    if (!watch->was_reported && is_to_blame(watch, executor)) {
        report(watchdog, executor);
        watch->was_reported = true;
    }
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

static size_t watches_bytes(const struct tsuga_watchdog *watchdog)
{
    return watchdog->shared->executor_count * sizeof(*watchdog->watches);
}

int tsuga_watchdog_start(struct tsuga_watchdog *watchdog, struct tsuga_shared *shared,
                         struct tsuga_log *log)
{
    int error = -ENOMEM;
    int condition_error;

    *watchdog = (struct tsuga_watchdog){.shared = shared, .log = log};
    watchdog->watches = tsuga_memory_alloc_zeroed(shared->memory, watches_bytes(watchdog));
    pthread_mutex_init(&watchdog->lock, NULL);
    condition_error = tsuga_threads_init_condition(&watchdog->changed);
    if (condition_error != 0)
        error = condition_error;
    else if (watchdog->watches != NULL)
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
    tsuga_memory_free(watchdog->shared->memory, watchdog->watches, watches_bytes(watchdog));
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
}

void tsuga_watchdog_nudge(struct tsuga_watchdog *watchdog)
{
    pthread_mutex_lock(&watchdog->lock);
    tsuga_threads_wake_all(watchdog->shared->threads, &watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
}
