/* A runtime's life: start, run, stop, join, destroy. */
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "executor/ports.h"
#include "executor/ring_uring.h"
#include "runtime/config.h"
#include "runtime/runtime.h"

static void nudge(void *context)
{
    struct tsuga_runtime *runtime = context;

    tsuga_watchdog_nudge(&runtime->watchdog);
}

/* The first signal asks, the second insists. */
static void take_signal(void *context)
{
    struct tsuga_runtime *runtime = context;
    struct tsuga_shared *shared = &runtime->shared;
    bool is_first =
        atomic_load_explicit(&shared->stop_level, memory_order_relaxed) == TSUGA_STOP_NONE;

    tsuga_stop(runtime, is_first ? TSUGA_STOP_GRACEFUL : TSUGA_STOP_NOW);
}

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static int open_signals(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;
    sigset_t ours;

    if (shared->config.signals != TSUGA_ON)
        return 0;
    signal_set(&ours);
    shared->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (shared->signal_fd < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &ours, &runtime->old_signals);
    return 0;
}

/* What came and was not read must not end the program when the mask is put back. */
static void close_signals(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;
    struct signalfd_siginfo info;

    if (shared->signal_fd < 0)
        return;
    while (read(shared->signal_fd, &info, sizeof(info)) > 0)
        continue;
    close(shared->signal_fd);
    pthread_sigmask(SIG_SETMASK, &runtime->old_signals, NULL);
}

static void init_shared(struct tsuga_runtime *runtime, const struct tsuga_world *world)
{
    struct tsuga_shared *shared = &runtime->shared;

    shared->runtime = runtime;
    shared->clock = world->clock;
    shared->threads = world->threads != NULL ? world->threads : tsuga_threads_posix();
    shared->calls = world->calls != NULL ? world->calls : tsuga_calls_linux();
    shared->ring_create = world->ring_create;
    shared->ring_context = world->ring_context;
    shared->locked.is_unlimited = world->locks_all;
    shared->report = tsuga_log_report;
    shared->report_context = &runtime->log;
    shared->signal_fd = -1;
    shared->signalled = take_signal;
    shared->nudge = nudge;
    shared->hooks_context = runtime;
    shared->executor_count = shared->config.executor.threads;
    pthread_mutex_init(&shared->lock, NULL);
    tsuga_list_init(&shared->ports);
    TSUGA_VERIFY(tsuga_threads_init_condition(&shared->changed) == 0);
}

static int init_memory(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;
    struct tsuga_reserve_config reserve = {
        .bytes = shared->config.ioheap.reserve,
        .arena_bytes = shared->config.ioheap.arena_size,
        .segment_bytes_min = shared->config.ioheap.segment_min,
        .guard = shared->config.ioheap.guard == TSUGA_ON,
        .small_pages = shared->config.ioheap.huge_pages == TSUGA_OFF,
    };
    int error = tsuga_actor_table_init(&shared->table, sizeof(struct tsuga_seat), shared->memory);

    if (error != 0)
        return error;
    tsuga_names_init(&shared->names, shared->memory);
    tsuga_teams_init(&shared->teams, shared->memory);
    tsuga_descriptors_init(&shared->descriptors, shared->memory);
    error = tsuga_reserve_init(&shared->reserve, &runtime->backing, &reserve);
    if (error != 0)
        goto table;
    error = tsuga_blocking_init(&shared->blocking, shared->threads, &shared->clock,
                                shared->config.executor.blocking_threads,
                                shared->config.executor.blocking_queue);
    if (error != 0)
        goto reserve;
    error = tsuga_blocking_init(&shared->helpers, shared->threads, &shared->clock, 1, UINT32_MAX);
    if (error != 0)
        goto blocking;
    return 0;

blocking:
    tsuga_blocking_fini(&shared->blocking);
reserve:
    tsuga_reserve_fini(&shared->reserve);
table:
    tsuga_teams_fini(&shared->teams);
    tsuga_names_fini(&shared->names);
    tsuga_actor_table_fini(&shared->table);
    return error;
}

/* Heaps that the kernel may still write to keep the address space, on purpose. */
static bool has_leaks(const struct tsuga_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->executors_made; i++) {
        if (atomic_load_explicit(&runtime->shared.executors[i].counters.leaked_heaps,
                                 memory_order_relaxed) > 0)
            return true;
    }
    return false;
}

static void fini_memory(struct tsuga_runtime *runtime, bool keeps_reserve)
{
    struct tsuga_shared *shared = &runtime->shared;

    tsuga_descriptors_fini(&shared->descriptors);
    tsuga_teams_fini(&shared->teams);
    tsuga_names_fini(&shared->names);
    tsuga_actor_table_fini(&shared->table);
    if (!keeps_reserve)
        tsuga_reserve_fini(&shared->reserve);
}

static size_t executors_bytes(const struct tsuga_shared *shared)
{
    return shared->executor_count * sizeof(struct tsuga_executor);
}

static int start_executors(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;
    int error = 0;

    shared->executors = tsuga_memory_alloc(shared->memory, executors_bytes(shared));
    if (shared->executors == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < shared->executor_count && error == 0; i++) {
        error = tsuga_executor_init(&shared->executors[i], shared, i);
        if (error == 0)
            runtime->executors_made++;
    }
    for (uint32_t i = 0; i < shared->executor_count && error == 0; i++)
        error = tsuga_executor_start(&shared->executors[i]);
    return error;
}

/* All threads before the first executor is freed: until the last has left, they look at each
 * other. */
static void end_executors(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;

    atomic_store_explicit(&shared->is_finishing, true, memory_order_seq_cst);
    for (uint32_t i = 0; i < runtime->executors_made; i++)
        tsuga_executor_join(&shared->executors[i]);
}

static void free_executors(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;

    for (uint32_t i = 0; i < runtime->executors_made; i++)
        tsuga_executor_fini(&shared->executors[i]);
    tsuga_memory_free(shared->memory, shared->executors, executors_bytes(shared));
}

/* Why io_uring was refused, and what to do about it. */
static void explain(struct tsuga_runtime *runtime, int error)
{
    const char *why = "the ring could not be made";

    if (error == -EPERM)
        why = "io_uring is refused: by kernel.io_uring_disabled (set it to 0 with sysctl) or by a "
              "seccomp filter (in a container, run it with a profile that allows io_uring)";
    else if (error == -ENOSYS)
        why = "this kernel has no io_uring that can be used (Linux 6.1 or newer is needed)";
    else if (error == -ENOMEM)
        why = "memory or locked memory ran out: raise RLIMIT_MEMLOCK (ulimit -l) or lower "
              "executor.threads and executor.ring_entries";
    tsuga_log_printf(&runtime->log, TSUGA_LOG_ERROR, "cannot start: %s: %s", why, strerror(-error));
}

static int start(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;
    int error = open_signals(runtime);

    if (error != 0)
        goto signals;
    error = init_memory(runtime);
    if (error != 0)
        goto signals;
    tsuga_locked_init(&shared->locked);
    error = start_executors(runtime);
    if (error == 0)
        error = tsuga_watchdog_start(&runtime->watchdog, shared, &runtime->log);
    if (error == 0)
        return 0;
    tsuga_blocking_fini(&shared->blocking);
    tsuga_blocking_fini(&shared->helpers);
    end_executors(runtime);
    free_executors(runtime);
    fini_memory(runtime, false);
  signals:
    close_signals(runtime);
    explain(runtime, error);
    return error;
}

static void free_runtime(struct tsuga_runtime *runtime)
{
    const struct tsuga_memory *memory = runtime->counted.inner;

    if (runtime->shared.mark.word != NULL)
        tsuga_fork_mark_fini(&runtime->shared.mark);
    pthread_cond_destroy(&runtime->shared.changed);
    pthread_mutex_destroy(&runtime->shared.lock);
    tsuga_log_fini(&runtime->log);
    tsuga_memory_free(memory, runtime, sizeof(*runtime));
}

int tsuga_runtime_start(const struct tsuga_world *world, const struct tsuga_config *config,
                        struct tsuga_runtime **out)
{
    const struct tsuga_config none = {0};
    const struct tsuga_config *user = config != NULL ? config : &none;
    const struct tsuga_memory *memory = &world->backing->memory;
    struct tsuga_runtime *runtime = tsuga_memory_alloc_zeroed(memory, sizeof(*runtime));
    int error;

    if (runtime == NULL)
        return -ENOMEM;
    tsuga_counted_init(&runtime->counted, memory);
    runtime->backing = *world->backing;
    runtime->backing.memory = runtime->counted.memory;
    runtime->shared.memory = &runtime->counted.memory;
    tsuga_log_init(&runtime->log, user->log.level, user->log.write, user->log.context);
    error = tsuga_config_resolve(user, &runtime->shared.config, &runtime->log);
    runtime->log.level = runtime->shared.config.log.level;
    init_shared(runtime, world);
    if (error == 0)
        error = tsuga_fork_mark_init(&runtime->shared.mark);
    if (error == 0)
        error = start(runtime);
    if (error != 0) {
        free_runtime(runtime);
        return error;
    }
    *out = runtime;
    return 0;
}

int tsuga_start(const struct tsuga_config *config, struct tsuga_runtime **out)
{
    struct tsuga_world world = {.clock = {.now_ns = tsuga_clock_monotonic_ns},
                                .backing = tsuga_backing_default(),
                                .ring_create = tsuga_ring_uring_create};

    if (out == NULL)
        return -EINVAL;
    /* The ring's own record comes from general memory. */
    world.ring_context = (void *)(uintptr_t)&world.backing->memory;
    return tsuga_runtime_start(&world, config, out);
}

/* A child of fork(2) has a copy of the runtime's memory, and nothing else of it. */
static bool is_child(const struct tsuga_runtime *runtime)
{
    return tsuga_fork_mark_is_child(&runtime->shared.mark);
}

static void force(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    (void)alarm;
    tsuga_shared_stop_all(executor->shared, TSUGA_STOP_FORCED);
}

static void arm_shutdown(struct tsuga_executor *executor, struct tsuga_task *task)
{
    struct tsuga_runtime *runtime = TSUGA_CONTAINER_OF(task, struct tsuga_runtime, shutdown_task);
    uint64_t limit_ns = executor->shared->config.actor.shutdown_ms * TSUGA_NS_PER_MS;

    runtime->shutdown_alarm.ring = force;
    tsuga_timers_arm(&executor->timers, &runtime->shutdown_alarm.timer,
                     tsuga_executor_now_ns(executor) + limit_ns);
}

void tsuga_stop(struct tsuga_runtime *runtime, enum tsuga_stop_mode mode)
{
    struct tsuga_shared *shared = &runtime->shared;
    bool was_told;

    if (is_child(runtime))
        return;
    was_told = atomic_exchange_explicit(&runtime->is_told, true, memory_order_relaxed);
    if (mode == TSUGA_STOP_NOW) {
        tsuga_shared_stop_all(shared, TSUGA_STOP_FORCED);
        return;
    }
    tsuga_shared_stop_all(shared, TSUGA_STOP_ASKED);
    if (was_told)
        return;
    runtime->shutdown_task.run = arm_shutdown;
    tsuga_executor_post(&shared->executors[0], &runtime->shutdown_task);
}

int tsuga_join(struct tsuga_runtime *runtime)
{
    struct tsuga_shared *shared = &runtime->shared;

    if (is_child(runtime))
        return -ECHILD;
    if (tsuga_executor_current() != NULL)
        return -EDEADLK;
    pthread_mutex_lock(&shared->lock);
    /* Acquire pairs with the release in tsuga_shared_leave(). */
    while (atomic_load_explicit(&shared->population, memory_order_acquire) > 0)
        tsuga_threads_wait(shared->threads, &shared->changed, &shared->lock);
    pthread_mutex_unlock(&shared->lock);
    return 0;
}

void tsuga_destroy(struct tsuga_runtime *runtime)
{
    bool keeps_reserve;

    if (runtime == NULL || is_child(runtime))
        return;
    tsuga_stop(runtime, TSUGA_STOP_NOW);
    if (tsuga_join(runtime) != 0)
        return;
    tsuga_watchdog_stop(&runtime->watchdog);
    tsuga_shared_close_ports(&runtime->shared);
    /* While the executors run: they take the last jobs' completions. */
    tsuga_blocking_fini(&runtime->shared.blocking);
    tsuga_blocking_fini(&runtime->shared.helpers);
    end_executors(runtime);
    tsuga_watchdog_fini(&runtime->watchdog);
    keeps_reserve = has_leaks(runtime);
    if (keeps_reserve)
        tsuga_log_printf(&runtime->log, TSUGA_LOG_WARN,
                         "the kernel still holds buffers of actors that have ended: their memory "
                         "is leaked on purpose");
    free_executors(runtime);
    fini_memory(runtime, keeps_reserve);
    close_signals(runtime);
    free_runtime(runtime);
}

int tsuga_run(const struct tsuga_config *config, tsuga_body_fn *body, void *argument)
{
    struct tsuga_spawn_options options = {.body = body, .argument = argument, .name = "main"};
    struct tsuga_runtime *runtime;
    int reason;
    int error = tsuga_start(config, &runtime);

    if (error != 0)
        return error;
    error = tsuga_shared_spawn(&runtime->shared, &options, &(struct tsuga_birth){.is_first = true},
                               NULL);
    if (error == 0)
        error = tsuga_join(runtime);
    reason = runtime->shared.first_reason;
    tsuga_destroy(runtime);
    return error != 0 ? error : reason;
}

int tsuga_spawn(struct tsuga_runtime *runtime, const struct tsuga_spawn_options *options,
                struct tsuga_id *out)
{
    if (is_child(runtime))
        return -ECHILD;
    return tsuga_shared_spawn(&runtime->shared, options, NULL, out);
}

int tsuga_post(struct tsuga_runtime *runtime, struct tsuga_id to, uint64_t tag, const void *data,
               size_t bytes)
{
    if (is_child(runtime))
        return -ECHILD;
    return tsuga_shared_post(&runtime->shared, (struct tsuga_id){0}, to, tag, data, bytes);
}

int tsuga_port_open(struct tsuga_runtime *runtime, const struct tsuga_port_options *options,
                    struct tsuga_port **out)
{
    const struct tsuga_port_options none = {0};

    if (is_child(runtime))
        return -ECHILD;
    return tsuga_shared_open_port(&runtime->shared, options != NULL ? options : &none, out);
}

int tsuga_actor_wait(struct tsuga_runtime *runtime, struct tsuga_id id, uint64_t timeout_ns,
                     struct tsuga_down *out)
{
    if (is_child(runtime))
        return -ECHILD;
    return tsuga_shared_wait(&runtime->shared, id, timeout_ns, out);
}

struct tsuga_id tsuga_whereis(struct tsuga_runtime *runtime, const char *name)
{
    if (is_child(runtime))
        return (struct tsuga_id){0};
    return tsuga_names_find(&runtime->shared.names, name);
}

size_t tsuga_team_members(struct tsuga_runtime *runtime, const char *team, struct tsuga_id *ids,
                          size_t count_max)
{
    return tsuga_teams_list(&runtime->shared.teams, team, ids, count_max);
}

int tsuga_actor_stop(struct tsuga_runtime *runtime, struct tsuga_id id)
{
    if (is_child(runtime))
        return -ECHILD;
    return tsuga_shared_stop(&runtime->shared, id, TSUGA_STOP_ASKED);
}
