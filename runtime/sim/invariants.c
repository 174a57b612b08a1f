#include "runtime/sim/invariants.h"

#include "executor/executor.h"
#include "executor/io.h"

/* A request that names a record belongs to an operation in flight, or is a cancel or a watch that
 * keeps the record in its place. */
static void look(const struct tsuga_order *order)
{
    uint64_t mark = order->ask.user_data & (TSUGA_CACHE_LINE_BYTES - 1);
    const struct tsuga_record *record = (const void *)(uintptr_t)(order->ask.user_data - mark);

    if (record == NULL || mark != 0)
        return;
    if (record->state != TSUGA_RECORD_INFLIGHT)
        tsuga_kernel_fail(order->kernel, "a request in flight belongs to no operation");
}

void tsuga_invariants_check_kernel(struct tsuga_kernel *kernel)
{
    tsuga_kernel_rings_check(kernel, look);
}

/* How many operations of an actor are in flight, by its records. */
static uint32_t count_inflight(struct tsuga_io *io)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        const struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record != NULL &&
            (record->state == TSUGA_RECORD_INFLIGHT || record->state == TSUGA_RECORD_WAITING))
            count++;
    }
    return count;
}

static uint32_t check_io(struct tsuga_io *io)
{
    tsuga_ioheap_check(&io->heap);
    return count_inflight(io);
}

static uint32_t check_actor(struct tsuga_executor *executor, struct tsuga_actor *actor)
{
    struct tsuga_io *io = tsuga_seat_of(actor)->io;

    return io != NULL && io->executor == executor ? check_io(io) : 0;
}

/* How many records of the actor that runs may not be counted yet: a clock that is read while an
 * operation is prepared is a safe point, too. */
static uint32_t slack_of(const struct tsuga_executor *executor)
{
    const struct tsuga_seat *running = executor->running;

    return running != NULL && running->io != NULL && running->io->executor == executor
               ? count_inflight(running->io)
               : 0;
}

static void check_executor(struct tsuga_kernel *kernel, struct tsuga_executor *executor)
{
    struct tsuga_actor_table *table = &executor->shared->table;
    uint32_t slot_count = atomic_load_explicit(&table->slot_count, memory_order_acquire);
    uint32_t slack = slack_of(executor);
    uint32_t inflight = 0;

    for (uint32_t slot = 0; slot < slot_count; slot++)
        inflight += check_actor(executor, tsuga_actor_table_at(table, slot));
    TSUGA_LIST_EACH (node, &executor->orphans) {
        inflight += check_io(TSUGA_CONTAINER_OF(node, struct tsuga_io, orphan));
    }
    if (executor->ops_inflight + slack < inflight)
        tsuga_kernel_fail(kernel, "an executor counts fewer operations in flight than there are");
    /* Those of heaps that were given up are still counted, and their records no longer found. */
    if (executor->ops_inflight > inflight &&
        atomic_load_explicit(&executor->counters.leaked_heaps, memory_order_relaxed) == 0)
        tsuga_kernel_fail(kernel, "an executor counts more operations in flight than there are");
}

void tsuga_invariants_check_runtime(struct tsuga_kernel *kernel, struct tsuga_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->executors_made; i++)
        check_executor(kernel, &runtime->shared.executors[i]);
}
