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

/* Operations in flight, by the records of their actors. */
struct count {
    uint32_t all;
    uint32_t admitted; /* without cancels and closes, which do not wait for room */
};

static void count_inflight(struct tsuga_io *io, struct count *count)
{

    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        const struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record == NULL ||
            (record->state != TSUGA_RECORD_INFLIGHT && record->state != TSUGA_RECORD_WAITING))
            continue;
        count->all++;
        if (record->kind != TSUGA_OP_CLOSE && record->kind != TSUGA_OP_CANCEL)
            count->admitted++;
    }
}

static void check_io(struct tsuga_io *io, struct count *count)
{
    tsuga_ioheap_check(&io->heap);
    count_inflight(io, count);
}

static void check_actor(struct tsuga_executor *executor, struct tsuga_actor *actor,
                        struct count *count)
{
    struct tsuga_io *io = tsuga_seat_of(actor)->io;

    /* One that is just being orphaned is among the orphans already. */
    if (io != NULL && io->executor == executor && io->seat != NULL)
        check_io(io, count);
}

/* How many records of the actor that runs may not be counted yet: a clock that is read while an
 * operation is prepared is a safe point, too. */
static uint32_t slack_of(const struct tsuga_executor *executor)
{
    const struct tsuga_seat *running = executor->running;
    struct count count = {0};

    if (running != NULL && running->io != NULL && running->io->executor == executor)
        count_inflight(running->io, &count);
    return count.all;
}

static void check_counts(struct tsuga_kernel *kernel, const struct tsuga_executor *executor,
                         const struct count *count)
{
    if (executor->ops_inflight + slack_of(executor) < count->all)
        tsuga_kernel_fail(kernel, "an executor counts fewer operations in flight than there are");
    if (count->admitted > executor->ops_max)
        tsuga_kernel_fail(kernel, "an executor has more operations in flight than it may");
    /* Those of heaps that were given up are still counted, and their records no longer found. */
    if (executor->ops_inflight > count->all &&
        atomic_load_explicit(&executor->counters.leaked_heaps, memory_order_relaxed) == 0)
        tsuga_kernel_fail(kernel, "an executor counts more operations in flight than there are");
}

static void check_executor(struct tsuga_kernel *kernel, struct tsuga_executor *executor)
{
    struct tsuga_actor_table *table = &executor->shared->table;
    uint32_t slot_count = atomic_load_explicit(&table->slot_count, memory_order_acquire);
    struct count count = {0};

    for (uint32_t slot = 0; slot < slot_count; slot++)
        check_actor(executor, tsuga_actor_table_at(table, slot), &count);
    TSUGA_LIST_EACH (node, &executor->orphans) {
        check_io(TSUGA_CONTAINER_OF(node, struct tsuga_io, orphan), &count);
    }
    check_counts(kernel, executor, &count);
}

void tsuga_invariants_check_runtime(struct tsuga_kernel *kernel, struct tsuga_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->executors_made; i++)
        check_executor(kernel, &runtime->shared.executors[i]);
}
