#include "executor/hangups.h"

#include <poll.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"

static uint64_t mark(const struct tsuga_record *record)
{
    return (uint64_t)(uintptr_t)record | TSUGA_RESULT_HANGUP;
}

void tsuga_hangup_watch(struct tsuga_stream *stream)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_POLL, .fd = record->fd, .flags = POLLRDHUP, .user_data = mark(record)};

    if (stream->is_watched || stream->has_hung_up || !tsuga_record_hold(record))
        return;
    stream->is_watched = true;
    record->io->inflight++;
    tsuga_executor_request(record->io->executor, &request);
}

/* The record's address is not reused before the watch has ended, nor watched anew before this
 * cancel, which stands in the queue. */
void tsuga_hangup_unwatch(struct tsuga_stream *stream)
{
    struct tsuga_executor *executor = stream->record->io->executor;
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_CANCEL, .user_data = TSUGA_RESULT_OWN, .offset = mark(stream->record)};

    if (!stream->is_watched)
        return;
    stream->is_watched = false;
    executor->own_inflight++;
    tsuga_executor_request(executor, &request);
}

void tsuga_hangup_complete(struct tsuga_record *record)
{
    struct tsuga_io *io = record->io;

    io->inflight--;
    if (record->state == TSUGA_RECORD_INFLIGHT)
        tsuga_stream_hang_up(record);
    tsuga_record_unhold(record);
    tsuga_io_settle(io);
}
