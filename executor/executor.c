/* An executor's life: made, started on its own thread, ended. */
#include "executor/executor.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "executor/io.h"
#include "executor/overflow.h"
#include "executor/turn.h"

static _Thread_local struct tsuga_executor *current;

struct tsuga_executor *tsuga_executor_current(void)
{
    return current;
}

static void clear_segment(void *context, struct tsuga_segment *segment)
{
    struct tsuga_executor *executor = context;

    tsuga_arena_work_clear(&executor->arena_work, segment);
}

static void give_arena(void *context, struct tsuga_arena *arena)
{
    struct tsuga_executor *executor = context;

    tsuga_arena_work_give(&executor->arena_work, arena);
}

static void prepare_arena(void *context, struct tsuga_arena_pool *pool)
{
    struct tsuga_executor *executor = context;

    (void)pool;
    tsuga_arena_work_prepare(&executor->arena_work);
}

void tsuga_executor_become(struct tsuga_executor *executor)
{
    current = executor;
}

static int init_owner_parts(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;
    struct tsuga_arena_pool_config arenas = {
        .decay_ns = shared->config.ioheap.decay_ms * TSUGA_NS_PER_MS,
        .hooks = {.clear = clear_segment,
                  .give = give_arena,
                  .adopted = tsuga_registered_adopted,
                  .withdraw = tsuga_registered_withdraw,
                  .context = executor},
    };

    int error;

    /* Who wants everything registered pays for one arena ahead; nobody else does. */
    if (shared->config.ioheap.registration == TSUGA_REGISTRATION_ALWAYS)
        arenas.hooks.prepare = prepare_arena;
    tsuga_arena_work_init(&executor->arena_work, executor);

    executor->turns_to_tick = 1;
    executor->trim.looked_turns = UINT64_MAX - TSUGA_TICK_TURNS; /* the first tick looks */
    executor->ops_max = shared->config.executor.ops_max;
    tsuga_runqueue_init(&executor->queue);
    tsuga_fifo_init(&executor->urgent);
    tsuga_fifo_init(&executor->bound);
    tsuga_timers_init(&executor->timers, tsuga_executor_now_ns(executor));
    tsuga_leases_init(&executor->leases, executor->index, shared->memory);
    tsuga_list_init(&executor->room_waiters);
    tsuga_list_init(&executor->orphans);
    tsuga_arena_pool_init(&executor->arenas, &shared->reserve, &arenas);
    error = tsuga_receive_init(&executor->receive, executor);
    return error != 0 ? error : tsuga_registered_init(executor);
}

int tsuga_executor_init(struct tsuga_executor *executor, struct tsuga_shared *shared,
                        uint32_t index)
{
    struct tsuga_stack_config stacks = {
        .stack_bytes = shared->config.stack.size,
        .count_max = shared->config.stack.count_max + 2, /* the loop's own, and one for exits */
        .warm_count_max = shared->config.stack.pool,
        .no_guard_light = shared->config.features[TSUGA_FEATURE_GUARD_INSTALL] == TSUGA_OFF,
    };
    int error;

    memset(executor, 0, sizeof(*executor));
    executor->shared = shared;
    executor->index = index;
    executor->mark = shared->mark;
    tsuga_turn_init(executor);
    executor->has_thieves = shared->config.executor.steal == TSUGA_ON && shared->executor_count > 1;
    executor->wake_fd = shared->calls->open_event(shared->calls->context);
    if (executor->wake_fd < 0)
        return executor->wake_fd;
    error = tsuga_stack_pool_init(&executor->stacks, &stacks);
    if (error != 0)
        goto wake_fd;
    error = init_owner_parts(executor);
    if (error != 0)
        goto stacks;
    pthread_mutex_init(&executor->heaps_lock, NULL);
    return 0;

stacks:
    tsuga_stack_pool_fini(&executor->stacks);
wake_fd:
    shared->calls->close(shared->calls->context, executor->wake_fd);
    return error;
}

void tsuga_executor_fini(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;

    TSUGA_ASSERT(executor->stacks.used_count <= 1); /* the one for exits: all others came back */
    shared->calls->close(shared->calls->context, executor->wake_fd);
    tsuga_stack_pool_fini(&executor->stacks);
    tsuga_letters_fini(&executor->letters, shared->memory);
    tsuga_leases_fini(&executor->leases);
    tsuga_timed_table_fini(&executor->timed, shared->memory);
    tsuga_io_free_spares(executor);
    tsuga_memory_free(shared->memory, executor->backlog.requests,
                      executor->backlog.count_max * sizeof(*executor->backlog.requests));
    /* Leaked heaps hold segments that the kernel may still write to: their arenas stay. */
    if (atomic_load_explicit(&executor->counters.leaked_heaps, memory_order_relaxed) == 0) {
        tsuga_receive_fini(&executor->receive);
        tsuga_arena_pool_fini(&executor->arenas);
    }
    tsuga_arena_work_fini(&executor->arena_work);
    tsuga_registered_fini(executor);
    pthread_mutex_destroy(&executor->heaps_lock);
}

static void pin(const struct tsuga_executor *executor)
{
    cpu_set_t allowed;
    cpu_set_t one;
    uint32_t left;

    if (executor->shared->config.executor.pin != TSUGA_ON ||
        executor->shared->threads->are_coroutines ||
        sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return;
    left = executor->index % (uint32_t)CPU_COUNT(&allowed);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || left-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        /* Only a wish: an executor that may not be pinned runs all the same. */
        (void)sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}

/* Fewer operations in flight than that are a limit that many programs meet. */
#define SHORT_CQ_ENTRIES 4096u

/* One line, from the first executor: the others fare the same. On a machine of many processors the
 * usual limit shortens queues that are longer than most programs need, which only those who look
 * may want to know. */
static void report_small_ring(const struct tsuga_executor *executor,
                              const struct tsuga_ring_config *asked)
{
    const struct tsuga_ring *ring = executor->ring;
    struct tsuga_shared *shared = executor->shared;
    bool is_short = ring->entries < asked->entries || ring->cq_entries < SHORT_CQ_ENTRIES;
    char line[256];

    if (executor->index != 0)
        return;
    snprintf(line, sizeof(line),
             "locked memory is short: rings have %u + %u entries instead of %u + %u; raise "
             "RLIMIT_MEMLOCK (ulimit -l) for larger ones",
             ring->entries, ring->cq_entries, asked->entries, asked->cq_entries);
    shared->report(shared->report_context, is_short ? TSUGA_LOG_WARN : TSUGA_LOG_INFO, line);
}

static int open_ring(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;
    struct tsuga_ring_config config = {
        .entries = shared->config.executor.ring_entries,
        .cq_entries = shared->config.executor.cq_entries,
        .io_workers_bounded = shared->config.executor.io_workers_bounded,
        .io_workers_unbounded = shared->config.executor.io_workers_unbounded,
        .features = shared->config.features,
        .locked_bytes_max = tsuga_locked_ring_share(&shared->locked, shared->executor_count),
    };
    int error = shared->ring_create(shared->ring_context, &config, &executor->ring);

    if (error != 0)
        return error;
    if (executor->ring->entries < config.entries || executor->ring->cq_entries < config.cq_entries)
        report_small_ring(executor, &config);
    /* A completion queue that was halved for lack of memory bounds the operations in flight. */
    if (executor->ops_max > executor->ring->cq_entries)
        executor->ops_max = executor->ring->cq_entries;
    tsuga_locked_add(&shared->locked.rings_bytes,
                     tsuga_locked_ring_bytes(executor->ring->entries, executor->ring->cq_entries));
    tsuga_registered_start(executor);
    tsuga_files_start(executor);
    return 0;
}

/* Closing a ring does not stop the kernel from writing into buffers, so it is drained first. */
static void close_ring(struct tsuga_executor *executor)
{
    uint64_t ring_bytes =
        tsuga_locked_ring_bytes(executor->ring->entries, executor->ring->cq_entries);

    tsuga_executor_drain(executor);
    /* What the kernel still has of leaked heaps may name buffers of the executor's groups. */
    if (atomic_load_explicit(&executor->counters.leaked_heaps, memory_order_relaxed) == 0)
        tsuga_receive_close(executor);
    executor->ring->ops->destroy(executor->ring);
    tsuga_locked_sub(&executor->shared->locked.rings_bytes, ring_bytes);
    if (atomic_load_explicit(&executor->counters.leaked_heaps, memory_order_relaxed) == 0)
        tsuga_registered_stop(executor);
}

static void announce(struct tsuga_executor *executor, int error)
{
    struct tsuga_shared *shared = executor->shared;

    pthread_mutex_lock(&shared->lock);
    executor->start_error = error;
    executor->has_started = true;
    tsuga_threads_wake_all(shared->threads, &shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

static void run_loop(void *context)
{
    struct tsuga_executor *executor = context;

    tsuga_executor_watch(executor);
    announce(executor, 0);
    tsuga_executor_loop(executor);
}

/* Called in a signal handler: the actor that overflowed is the one that runs. */
static const char *name_running(void *context, uint32_t stack_index)
{
    struct tsuga_executor *executor = context;

    (void)stack_index;
    return atomic_load_explicit(&executor->turn_name, memory_order_relaxed);
}

/* Runs the loop on a stack of the pool, with a watch for overflows where the thread is ours. */
static int run_on_stacks(struct tsuga_executor *executor)
{
    struct tsuga_overflow_watch *watch = NULL;
    int error = 0;

    if (!executor->shared->threads->are_coroutines)
        error = tsuga_overflow_watch(&executor->stacks, name_running, executor, &watch);

    if (error != 0)
        return error;
    error = tsuga_stack_acquire(&executor->stacks, &executor->exit_stack);
    if (error == 0)
        error = tsuga_stack_enter(&executor->stacks, run_loop, executor);
    tsuga_overflow_unwatch(watch);
    return error;
}

static void *run(void *context)
{
    struct tsuga_executor *executor = context;
    int error;

    pin(executor);
    tsuga_thread_meter_init(&executor->meter);
    tsuga_executor_become(executor);
    error = open_ring(executor);
    if (error == 0) {
        error = run_on_stacks(executor);
        close_ring(executor);
    }
    tsuga_executor_become(NULL);
    if (error != 0)
        announce(executor, error);
    return NULL;
}

int tsuga_executor_start(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;
    int error = shared->threads->start(shared->threads->context, run, executor, &executor->thread);

    if (error != 0)
        return error;
    executor->has_thread = true;
    pthread_mutex_lock(&shared->lock);
    while (!executor->has_started)
        tsuga_threads_wait(shared->threads, &shared->changed, &shared->lock);
    error = executor->start_error;
    pthread_mutex_unlock(&shared->lock);
    return error;
}

void tsuga_executor_join(struct tsuga_executor *executor)
{
    if (!executor->has_thread)
        return;
    tsuga_executor_wake(executor);
    executor->shared->threads->join(executor->shared->threads->context, &executor->thread);
    executor->has_thread = false;
}
