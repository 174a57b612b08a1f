/* Zero-copy sends: the buffer is the kernel's until the notification, which may wait for the peer.
 */
#include "executor/zero_copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "executor/executor.h"
#include "executor/locked.h"
#include "executor/streams.h"

bool tsuga_zero_copy_is_wanted(const struct tsuga_io *io, const struct tsuga_op *op)
{
    const struct tsuga_executor *executor = io->executor;
    uint64_t least = executor->shared->config.send.zero_copy_min;

    if ((op->options & TSUGA_OP_COPY) != 0 || op->bytes == 0)
        return false;
    if ((op->options & TSUGA_OP_ZERO_COPY) == 0 && (least == 0 || op->bytes < least))
        return false;
    return executor->ring->ops->supports(executor->ring, TSUGA_RING_SEND_ZC);
}

int tsuga_zero_copy_prepare(struct tsuga_record *record, const struct tsuga_op *op,
                            struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error = (op->options & TSUGA_OP_EARLY) != 0 ? tsuga_stream_attach(record)
                                                    : tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    extra = tsuga_record_extra(record);
    extra->argument.send.address = request->address;
    extra->argument.send.length = request->length;
    extra->argument.send.flags = request->flags;
    record->flags |= TSUGA_RECORD_ZERO_COPY;
    request->kind = TSUGA_RING_SEND_ZC;
    tsuga_executor_find_slot(record->io->executor, request);
    return 0;
}

/* Unix sockets have no zero copy, and kernels before 6.2 do not tell whether they copied. What is
 * sent is charged as locked memory while it lasts; where that runs out, nothing was sent. */
static bool is_refused(const struct tsuga_record *record, int32_t result)
{
    return (record->flags & TSUGA_RECORD_ZERO_COPY) != 0 &&
           (record->flags & TSUGA_RECORD_UNWANTED) == 0 &&
           (result == -EOPNOTSUPP || result == -EINVAL || result == -ENOMEM);
}

/* One line, from the first executor that meets the limit. */
static void meet_limit(struct tsuga_executor *executor, uint32_t bytes)
{
    struct tsuga_shared *shared = executor->shared;
    struct tsuga_locked *locked = &shared->locked;
    char line[256];

    tsuga_count(&executor->counters.registered_refusals, 1);
    if (atomic_exchange_explicit(&locked->is_send_reported, true, memory_order_relaxed))
        return;
    snprintf(line, sizeof(line),
             "zero copy: RLIMIT_MEMLOCK is %" PRIu64
             "K, which is used up, and a send needs %" PRIu32
             "K of it: raise it (ulimit -l, LimitMEMLOCK=) for more of them; plain sends go on in "
             "their place",
             tsuga_locked_limit(locked) >> 10, (bytes + 1023) >> 10);
    shared->report(shared->report_context, TSUGA_LOG_WARN, line);
}

static void send_plainly(struct tsuga_record *record)
{
    const struct tsuga_extra *extra = tsuga_record_extra(record);
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_SEND,
        .user_data = (uint64_t)(uintptr_t)record,
        .fd = record->fd,
        .address = extra->argument.send.address,
        .length = extra->argument.send.length,
        .flags = extra->argument.send.flags,
    };

    record->flags &= ~(uint32_t)(TSUGA_RECORD_ZERO_COPY | TSUGA_RECORD_COPIED | TSUGA_RECORD_SENT);
    tsuga_executor_request(record->io->executor, &request);
}

static void finish(struct tsuga_record *record, int32_t result)
{
    if (is_refused(record, result)) {
        if (result == -ENOMEM)
            meet_limit(record->io->executor, tsuga_record_extra(record)->argument.send.length);
        send_plainly(record);
    } else if ((record->flags & TSUGA_RECORD_MULTI) != 0) {
        tsuga_stream_finish(record, result);
    } else {
        tsuga_record_complete(record, result, false);
    }
}

/* MORE alone tells whether the buffer is still the kernel's: failed sends may notify, too. */
void tsuga_zero_copy_complete(struct tsuga_record *record, const struct tsuga_ring_result *result)
{
    TSUGA_VERIFY(record->state == TSUGA_RECORD_INFLIGHT); /* exactly one end */
    if ((result->flags & TSUGA_RING_NOTIF) == 0)
        record->result = result->result;
    else if ((result->result & TSUGA_RING_COPIED) != 0)
        record->flags |= TSUGA_RECORD_COPIED;
    if ((result->flags & TSUGA_RING_MORE) == 0) {
        finish(record, record->result);
        return;
    }
    record->flags |= TSUGA_RECORD_SENT;
    if ((record->flags & TSUGA_RECORD_MULTI) != 0 && !is_refused(record, record->result))
        tsuga_stream_tell(record);
}

/* A notification that waits for a peer comes when the connection is reset, and not before: not even
 * when the descriptor is closed. */
void tsuga_zero_copy_cut_short(struct tsuga_io *io)
{
    const struct tsuga_calls *calls = io->executor->shared->calls;

    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        const struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record != NULL && record->state == TSUGA_RECORD_INFLIGHT &&
            (record->flags & TSUGA_RECORD_ZERO_COPY) != 0 &&
            (record->flags & TSUGA_RECORD_COUNTED) != 0)
            calls->reset(calls->context, record->fd);
    }
}
