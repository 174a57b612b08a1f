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

/* Returns how many of the actor's operations count as its executor's. */
static uint32_t check_io(struct tsuga_kernel *kernel, struct tsuga_io *io)
{
    uint32_t inflight = count_inflight(io);

    tsuga_ioheap_check(&io->heap);
    if (inflight > io->inflight)
        tsuga_kernel_fail(kernel, "an actor has more operations in flight than it counts");
    return inflight;
}

static uint32_t check_actor(struct tsuga_kernel *kernel, struct tsuga_executor *executor,
                            struct tsuga_actor *actor)
{
    struct tsuga_io *io = tsuga_seat_of(actor)->io;

    return io != NULL && io->executor == executor ? check_io(kernel, io) : 0;
}

static void check_executor(struct tsuga_kernel *kernel, struct tsuga_executor *executor)
{
    struct tsuga_actor_table *table = &executor->shared->table;
    uint32_t slot_count = atomic_load_explicit(&table->slot_count, memory_order_acquire);
    uint32_t inflight = 0;

    for (uint32_t slot = 0; slot < slot_count; slot++)
        inflight += check_actor(kernel, executor, tsuga_actor_table_at(table, slot));
    TSUGA_LIST_EACH (node, &executor->orphans) {
        inflight += check_io(kernel, TSUGA_CONTAINER_OF(node, struct tsuga_io, orphan));
    }
    /* Those of heaps that were given up are still counted, and their records no longer found. */
    if (inflight > executor->ops_inflight ||
        (inflight < executor->ops_inflight &&
         atomic_load_explicit(&executor->counters.leaked_heaps, memory_order_relaxed) == 0))
        tsuga_kernel_fail(kernel, "an executor's operations in flight are not its actors'");
}

void tsuga_invariants_check_runtime(struct tsuga_kernel *kernel, struct tsuga_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->executors_made; i++)
        check_executor(kernel, &runtime->shared.executors[i]);
}
