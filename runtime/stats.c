/* Counters of a runtime, as a struct and as Prometheus text. */
#include <errno.h>
#include <inttypes.h>

#include "executor/heap_stats.h"
#include "runtime/runtime.h"

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_executor(struct tsuga_executor *executor, struct tsuga_stats *out)
{
    const struct tsuga_counters *counters = &executor->counters;

    out->actors_ended += read_counter(&counters->ended);
    out->orphans += read_counter(&counters->orphans);
    out->messages_sent += read_counter(&counters->messages_sent);
    out->dead_letters += read_counter(&counters->dead_letters);
    out->turns += read_counter(&counters->turns);
    out->turns_overrun += read_counter(&executor->turns_overrun);
    out->steals += read_counter(&counters->steals);
    out->ops_submitted += read_counter(&counters->ops_submitted);
    out->ops_completions += read_counter(&counters->ops_completions);
    out->ops_suspended += read_counter(&counters->ops_suspended);
    out->ops_inflight += read_counter(&counters->ops_inflight);
    out->enters += read_counter(&counters->enters);
    out->overflows += read_counter(&counters->overflows);
    out->copied_bytes += read_counter(&counters->copied_bytes);
    out->wakes += read_counter(&executor->wakes);
    out->stacks += read_counter(&counters->stacks);
    out->leaked_heaps += read_counter(&counters->leaked_heaps);
    out->ops_fixed += read_counter(&counters->ops_fixed);
    out->registered_arenas += read_counter(&counters->registered_arenas);
    out->registered_refusals += read_counter(&counters->registered_refusals);
    pthread_mutex_lock(&executor->heaps_lock);
    tsuga_heap_stats_add(&out->heaps, &executor->heaps);
    pthread_mutex_unlock(&executor->heaps_lock);
}

static void read_pool(struct tsuga_blocking *pool, struct tsuga_stats *out)
{
    struct tsuga_blocking_counts counts;

    tsuga_blocking_read(pool, &counts);
    out->blocking_threads = counts.threads;
    out->blocking_queued = counts.queued;
    out->blocking_running = counts.running;
    out->blocking_done = counts.done;
    out->blocking_cancelled = counts.cancelled;
    out->blocking_refused = counts.refused;
}

void tsuga_stats_read(struct tsuga_runtime *runtime, struct tsuga_stats *out)
{
    struct tsuga_shared *shared = &runtime->shared;

    *out = (struct tsuga_stats){.executor_count = shared->executor_count};
    if (tsuga_fork_mark_is_child(&shared->mark))
        return;
    for (uint32_t i = 0; i < shared->executor_count; i++)
        add_executor(&shared->executors[i], out);
    out->actors_spawned = read_counter(&shared->spawned);
    /* Read one after the other, so an actor may have ended in between. */
    if (out->actors_spawned > out->actors_ended)
        out->actors_alive = out->actors_spawned - out->actors_ended;
    out->messages_sent += read_counter(&shared->foreign_messages);
    out->dead_letters += read_counter(&shared->foreign_dead_letters);
    out->allocations = read_counter(&runtime->counted.alloc_count);
    out->descriptors = read_counter(&shared->descriptors.owned_count);
    out->registered_bytes = read_counter(&shared->locked.arenas_bytes);
    out->locked_ring_bytes = read_counter(&shared->locked.rings_bytes);
    out->locked_group_bytes = read_counter(&shared->locked.groups_bytes);
    read_pool(&shared->blocking, out);
}

struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
};

#define METRIC(name, type, help)                                                                   \
    {                                                                                              \
#name, type, help, offsetof(struct tsuga_stats, name)                                      \
    }

static const struct metric metrics[] = {
    METRIC(actors_alive, "gauge", "Actors that have not ended."),
    METRIC(actors_spawned, "counter", "Actors made."),
    METRIC(actors_ended, "counter", "Actors ended."),
    METRIC(orphans, "gauge", "I/O heaps of the dead that wait for the kernel."),
    METRIC(messages_sent, "counter", "User messages delivered to mailboxes."),
    METRIC(dead_letters, "counter", "User messages that reached nobody."),
    METRIC(turns, "counter", "Turns of actors."),
    METRIC(turns_overrun, "counter", "Turns longer than watchdog_us."),
    METRIC(steals, "counter", "Actors that moved to an idle executor."),
    METRIC(ops_submitted, "counter", "Operations started."),
    METRIC(ops_completions, "counter", "Operations that have ended."),
    METRIC(ops_suspended, "counter", "Times an actor waited for room to submit."),
    METRIC(ops_inflight, "gauge", "Operations in flight."),
    METRIC(enters, "counter", "System calls that entered a ring."),
    METRIC(overflows, "counter", "Times a completion queue was full."),
    METRIC(copied_bytes, "counter", "Bytes copied into and out of I/O heaps for users."),
    METRIC(wakes, "counter", "Sleeping executors woken by others."),
    METRIC(allocations, "counter", "Calls of the general allocator."),
    METRIC(stacks, "gauge", "Stacks in use."),
    METRIC(leaked_heaps, "gauge", "I/O heaps given up after death_ms, and still the kernel's."),
    METRIC(descriptors, "gauge", "Descriptors owned by actors."),
    METRIC(ops_fixed, "counter", "Operations that used registered memory."),
    METRIC(registered_arenas, "gauge", "Arenas that are pinned for the kernel."),
    METRIC(registered_bytes, "gauge", "Bytes of arenas that are pinned, or about to be."),
    METRIC(registered_refusals, "counter", "Times that a limit kept an arena from being pinned."),
    METRIC(locked_ring_bytes, "gauge", "Locked memory that rings are charged with."),
    METRIC(locked_group_bytes, "gauge", "Locked memory of the queues of lent buffers."),
    METRIC(blocking_threads, "gauge", "Threads for calls that block."),
    METRIC(blocking_queued, "gauge", "Calls that wait for such a thread."),
    METRIC(blocking_running, "gauge", "Calls that run on such a thread."),
    METRIC(blocking_done, "counter", "Calls that have run on such a thread."),
    METRIC(blocking_cancelled, "counter", "Calls cancelled before they ran."),
    METRIC(blocking_refused, "counter", "Calls refused: the queue was full, or no thread."),
};

static int write_classes(FILE *stream, const struct tsuga_heap_stats *heaps)
{
    fprintf(stream, "# HELP tsuga_heap_allocs Blocks handed out by heaps of ended actors.\n"
                    "# TYPE tsuga_heap_allocs counter\n");
    for (unsigned i = 0; i < TSUGA_CLASS_COUNT; i++)
        fprintf(stream, "tsuga_heap_allocs{bytes=\"%u\"} %" PRIu64 "\n",
                1u << (TSUGA_CLASS_MIN + i), heaps->allocs[i]);
    /* What the stream still holds back may be what cannot be written. */
    return fflush(stream) != 0 || ferror(stream) != 0 ? -EIO : 0;
}

int tsuga_stats_write(struct tsuga_runtime *runtime, FILE *stream)
{
    struct tsuga_stats stats;

    if (tsuga_fork_mark_is_child(&runtime->shared.mark))
        return -ECHILD;
    tsuga_stats_read(runtime, &stats);
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        const struct metric *metric = &metrics[i];
        const uint64_t *value = (const void *)((const char *)&stats + metric->offset);

        fprintf(stream, "# HELP tsuga_%s %s\n# TYPE tsuga_%s %s\ntsuga_%s %" PRIu64 "\n",
                metric->name, metric->help, metric->name, metric->type, metric->name, *value);
    }
    return write_classes(stream, &stats.heaps);
}
