/* An actor's I/O: made at its first use, orphaned at its end, reclaimed after the last result. */
#include "executor/io.h"

#include <errno.h>
#include <stdio.h>

#include "executor/executor.h"
#include "executor/heap_stats.h"
#include "executor/streams.h"
#include "executor/turn.h"
#include "executor/zero_copy.h"
#include "runtime/base/assert.h"

#define SPARE_COUNT_MAX 256u

static struct tsuga_io *make(struct tsuga_executor *executor)
{
    struct tsuga_io *io = executor->spare_ios;

    if (io == NULL)
        return tsuga_memory_alloc(executor->shared->memory, sizeof(*io));
    executor->spare_ios = io->next_spare;
    executor->spare_count--;
    return io;
}

static void keep_spare(struct tsuga_executor *executor, struct tsuga_io *io)
{
    if (executor->spare_count == SPARE_COUNT_MAX) {
        tsuga_memory_free(executor->shared->memory, io, sizeof(*io));
        return;
    }
    io->next_spare = executor->spare_ios;
    executor->spare_ios = io;
    executor->spare_count++;
}

int tsuga_io_make(struct tsuga_seat *seat)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    const struct tsuga_config *config = &executor->shared->config;
    const struct tsuga_extras *extras = tsuga_seat_extras(seat);
    struct tsuga_ioheap_config heap_config = {
        .class_mask = config->ioheap.size_classes,
        .quota_bytes = config->ioheap.quota,
        .segment_bytes_min = config->ioheap.segment_min,
    };
    struct tsuga_io *io = make(executor);
    int error;

    if (extras != NULL && extras->ioheap_classes != 0)
        heap_config.class_mask = extras->ioheap_classes;
    if (extras != NULL && extras->ioheap_quota != 0)
        heap_config.quota_bytes = extras->ioheap_quota;

    if (io == NULL)
        return -ENOMEM;
    *io = (struct tsuga_io){.executor = executor, .seat = seat};
    error = tsuga_ioheap_init(&io->heap, &executor->arenas, &heap_config);
    if (error != 0) {
        keep_spare(executor, io);
        return error;
    }
    tsuga_slab_init(&io->slab, &io->heap);
    tsuga_list_init(&io->leases);
    tsuga_list_init(&io->groups);
    tsuga_list_init(&io->stalled);
    io->piece.io = io;
    io->piece.state = TSUGA_RECORD_TAKEN;
    io->piece.message.type = TSUGA_TYPE_PIECE;
    seat->io = io;
    tsuga_turn_settle(seat);
    return 0;
}

/* Adds a dead heap's figures to the executor's. */
static void add_stats(struct tsuga_executor *executor, const struct tsuga_ioheap *heap)
{
    struct tsuga_heap_stats one;

    tsuga_heap_stats_from(heap, &one);
    pthread_mutex_lock(&executor->heaps_lock);
    tsuga_heap_stats_add(&executor->heaps, &one);
    pthread_mutex_unlock(&executor->heaps_lock);
}

static void close_descriptors(struct tsuga_io *io)
{
    struct tsuga_executor *executor = io->executor;

    while (io->owned.first != 0) {
        int fd = io->owned.first - 1;

        tsuga_descriptors_disown(&executor->shared->descriptors, io, fd);
        io->closing_count++;
        tsuga_executor_close_orphaned(executor, io, fd);
    }
}

/* The kernel has said its last word. */
static void still(struct tsuga_io *io)
{
    struct tsuga_executor *executor = io->executor;

    TSUGA_VERIFY(io->inflight == 0); /* else the kernel writes into the heap's next owner */
    io->is_still = true;
    close_descriptors(io);
    tsuga_io_close_groups(io);
    tsuga_slab_fini(&io->slab);
    tsuga_list_remove(&io->orphan);
    (void)tsuga_timers_cancel(&executor->timers, &io->again.timer);
    tsuga_count(io->is_leaked ? &executor->counters.leaked_heaps : &executor->counters.orphans,
                (uint64_t)-1);
    /* Given up no longer: whoever has a lease of it is alive, and will give it back. */
    if (io->is_leaked && !tsuga_list_is_empty(&io->leases)) {
        io->is_leaked = false;
        tsuga_shared_enter(executor->shared);
    }
}

static void reclaim(struct tsuga_io *io)
{
    struct tsuga_executor *executor = io->executor;
    struct tsuga_shared *shared = executor->shared;
    bool is_leaked = io->is_leaked;

    add_stats(executor, &io->heap);
    tsuga_ioheap_fini(&io->heap);
    keep_spare(executor, io);
    if (!is_leaked)
        tsuga_shared_leave(shared);
}

void tsuga_io_settle(struct tsuga_io *io)
{
    if (io->seat != NULL || io->inflight > 0)
        return;
    if (!io->is_still)
        still(io);
    if (io->closing_count > 0)
        return;
    tsuga_ties_announce(io->executor, &io->obituary, true);
    if (tsuga_list_is_empty(&io->leases))
        reclaim(io);
    else
        tsuga_ioheap_trim(&io->heap);
}

void tsuga_io_end_close(struct tsuga_io *io)
{
    io->closing_count--;
    tsuga_io_settle(io);
}

static void discard_delivered(struct tsuga_io *io)
{
    struct tsuga_mailbox *mailbox = &io->seat->actor.mailbox;
    struct tsuga_message *message = tsuga_lane_take_all(&mailbox->lanes[TSUGA_LANE_COMPLETION]);

    while (message != NULL) {
        struct tsuga_message *next = message->next;
        struct tsuga_record *record = tsuga_record_of(message);

        if ((record->flags & TSUGA_RECORD_MULTI) != 0)
            tsuga_stream_drop(record);
        if (record->state == TSUGA_RECORD_DONE)
            tsuga_record_give(record);
        message = next;
    }
}

/* Their descriptors are closed with all others. */
static void drop_waiting_closes(struct tsuga_io *io)
{
    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record != NULL && record->state == TSUGA_RECORD_WAITING)
            tsuga_record_drop_waiting(record);
    }
}

static void cancel_all(struct tsuga_io *io)
{
    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        /* A close that was cancelled would leave its descriptor open. */
        if (record == NULL || record->kind == TSUGA_OP_CLOSE || record->kind == TSUGA_OP_CANCEL)
            continue;
        tsuga_record_cancel(record);
    }
}

/* The orphan's fields lie where those of the actor's last message did. */
static void begin_orphan(struct tsuga_io *io, const struct tsuga_obituary *obituary)
{
    struct tsuga_executor *executor = io->executor;
    const struct tsuga_shared *shared = executor->shared;

    io->obituary = *obituary;
    io->give_up_ns =
        tsuga_clock_now_ns(&shared->clock) + shared->config.actor.death_ms * TSUGA_NS_PER_MS;
    io->closing_count = 0;
    io->is_leaked = false;
    io->is_still = false;
    /* Last: who looks at the orphans while the clock is read would see it twice. */
    tsuga_list_push_back(&executor->orphans, &io->orphan);
}

void tsuga_io_orphan(struct tsuga_io *io, const struct tsuga_obituary *obituary)
{
    struct tsuga_executor *executor = io->executor;
    struct tsuga_shared *shared = executor->shared;

    discard_delivered(io);
    tsuga_leases_drop_users(&executor->leases, io);
    begin_orphan(io, obituary);
    tsuga_count(&executor->counters.orphans, 1);
    tsuga_shared_enter(shared);
    /* Counted as one more in flight, so that it is not reclaimed in the middle of this. */
    io->inflight++;
    /* Before the cancels: one of a blocking job completes at once, and its completion must not go
     * to the mailbox of the actor's successor in the slot. */
    io->seat = NULL;
    drop_waiting_closes(io);
    cancel_all(io);
    io->inflight--;
    tsuga_io_settle(io);
}

uint64_t tsuga_io_next_give_up_ns(const struct tsuga_executor *executor)
{
    if (tsuga_list_is_empty(&executor->orphans))
        return TSUGA_FOREVER;
    return TSUGA_CONTAINER_OF(executor->orphans.next, struct tsuga_io, orphan)->give_up_ns;
}

/* The oldest are in front, and all have the same time to live. */
void tsuga_io_expire_orphans(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;

    while (!tsuga_list_is_empty(&executor->orphans) &&
           tsuga_io_next_give_up_ns(executor) <= tsuga_executor_now_ns(executor)) {
        struct tsuga_io *io = TSUGA_CONTAINER_OF(executor->orphans.next, struct tsuga_io, orphan);
        char line[160];

        tsuga_list_remove(&io->orphan);
        io->is_leaked = true;
        tsuga_ties_announce(executor, &io->obituary, false);
        tsuga_zero_copy_cut_short(io);
        snprintf(
            line, sizeof(line),
            "an I/O heap waits for %u operations %u ms after its actor's end; it is kept until "
            "they complete",
            io->inflight, shared->config.actor.death_ms);
        shared->report(shared->report_context, TSUGA_LOG_WARN, line);
        tsuga_count(&executor->counters.orphans, (uint64_t)-1);
        tsuga_count(&executor->counters.leaked_heaps, 1);
        tsuga_shared_leave(shared);
    }
}

void tsuga_io_free_spares(struct tsuga_executor *executor)
{
    while (executor->spare_ios != NULL) {
        struct tsuga_io *io = executor->spare_ios;

        executor->spare_ios = io->next_spare;
        tsuga_memory_free(executor->shared->memory, io, sizeof(*io));
    }
}
