#include "executor/waiting.h"

#include "executor/executor.h"
#include "executor/labels.h"
#include "executor/pieces.h"
#include "executor/turn.h"

void tsuga_waiting_announce(struct tsuga_stream *stream)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_seat *seat = record->io->seat;

    if ((record->flags & TSUGA_RECORD_QUEUED) != 0)
        return;
    record->flags |= TSUGA_RECORD_QUEUED;
    tsuga_mailbox_put(&seat->actor.mailbox, &record->message);
    tsuga_turn_wake(seat);
}

void tsuga_waiting_push_buffer(struct tsuga_stream *stream, struct tsuga_lease_entry *entry)
{
    entry->followers = 0;
    if (stream->waiting.last == NULL) {
        entry->next = entry;
    } else {
        entry->next = stream->waiting.last->next;
        stream->waiting.last->next = entry;
    }
    stream->waiting.last = entry;
    tsuga_waiting_announce(stream);
}

struct tsuga_lease_entry *tsuga_waiting_pop_buffer(struct tsuga_stream *stream)
{
    struct tsuga_lease_entry *first = stream->waiting.last->next;

    if (first == stream->waiting.last)
        stream->waiting.last = NULL;
    else
        stream->waiting.last->next = first->next;
    stream->number = first->followers;
    return first;
}

void tsuga_waiting_push_empty(struct tsuga_stream *stream)
{
    if (!tsuga_record_is_wanted(stream->record))
        return;
    if (stream->waiting.last != NULL)
        stream->waiting.last->followers++;
    else
        stream->number++;
    tsuga_waiting_announce(stream);
}

/* Nobody will take it. */
static void drop_buffer(struct tsuga_stream *stream, struct tsuga_lease_entry *entry)
{
    if (tsuga_stream_takes_messages(stream))
        tsuga_labels_disclaim(stream->record->io, tsuga_labels_of(entry));
    if (tsuga_pieces_are_of(entry))
        tsuga_pieces_drop(entry);
    else
        tsuga_leases_detach(&tsuga_stream_executor(stream)->leases, entry);
}

static struct tsuga_descriptor *descriptor_of(const struct tsuga_stream *stream, int fd)
{
    return tsuga_descriptors_at(&tsuga_stream_executor(stream)->shared->descriptors, fd);
}

void tsuga_waiting_push_descriptor(struct tsuga_stream *stream, int fd)
{
    descriptor_of(stream, fd)->waiting = 0;
    if (stream->waiting.fds.first == 0)
        stream->waiting.fds.first = fd + 1;
    else
        descriptor_of(stream, stream->waiting.fds.last - 1)->waiting = fd + 1;
    stream->waiting.fds.last = fd + 1;
    tsuga_waiting_announce(stream);
}

int tsuga_waiting_pop_descriptor(struct tsuga_stream *stream)
{
    int fd = stream->waiting.fds.first - 1;

    stream->waiting.fds.first = descriptor_of(stream, fd)->waiting;
    if (stream->waiting.fds.first == 0)
        stream->waiting.fds.last = 0;
    return fd;
}

static void drop_descriptors(struct tsuga_stream *stream)
{
    struct tsuga_executor *executor = tsuga_stream_executor(stream);

    while (stream->waiting.fds.first != 0) {
        int fd = tsuga_waiting_pop_descriptor(stream);

        tsuga_descriptors_disown(&executor->shared->descriptors, stream->record->io, fd);
        tsuga_executor_close(executor, fd);
    }
}

static int32_t *results_of(const struct tsuga_stream *stream)
{
    return tsuga_record_extra(stream->record)->argument.block;
}

int32_t tsuga_waiting_pop_result(struct tsuga_stream *stream)
{
    int32_t result = results_of(stream)[stream->by.first];

    stream->by.first = (stream->by.first + 1) % TSUGA_RAW_WAITING_MAX;
    stream->number--;
    return result;
}

void tsuga_waiting_push_result(struct tsuga_stream *stream, int32_t result)
{
    uint32_t place = (stream->by.first + stream->number) % TSUGA_RAW_WAITING_MAX;

    if (stream->is_overrun)
        return; /* there is no gap before what is delivered */
    if (stream->number == TSUGA_RAW_WAITING_MAX) {
        stream->is_overrun = true;
        tsuga_record_cancel(stream->record);
        return;
    }
    results_of(stream)[place] = result;
    stream->number++;
    tsuga_waiting_announce(stream);
}

void tsuga_waiting_drop(struct tsuga_stream *stream)
{
    if (tsuga_stream_brings_descriptors(stream))
        drop_descriptors(stream);
    while (tsuga_stream_takes_buffers(stream) && stream->waiting.last != NULL)
        drop_buffer(stream, tsuga_waiting_pop_buffer(stream));
    stream->number = 0;
    if (stream->record->kind == TSUGA_OP_TIMEOUT)
        stream->waiting.count = 0;
}
