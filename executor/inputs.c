#include "executor/inputs.h"

#include <errno.h>
#include <sys/socket.h>

#include "executor/executor.h"
#include "executor/labels.h"
#include "executor/pieces.h"
#include "executor/prepare.h"
#include "executor/waiting.h"
#include "runtime/base/sanitize.h"

/* Where buffers come from. */

/* Single receives of messages bring blocks: the kernel would put what comes beside the bytes
 * elsewhere than the bytes. */
static bool needs_blocks(const struct tsuga_stream *stream)
{
    return tsuga_stream_takes_messages(stream) && stream->is_single;
}

bool tsuga_input_is_over(const struct tsuga_stream *stream)
{
    const struct tsuga_ioheap *heap = &stream->record->io->heap;

    if (!tsuga_stream_takes_buffers(stream) || stream->from.buffers == NULL ||
        stream->from.buffers->owner != NULL)
        return false;
    return heap->lent_bytes > tsuga_stream_executor(stream)->shared->config.receive.lent_max ||
           heap->lent_bytes + heap->segment_bytes > heap->quota_bytes;
}

void tsuga_input_leave(struct tsuga_stream *stream)
{
    if (!tsuga_stream_takes_buffers(stream) || stream->from.buffers == NULL)
        return;
    stream->from.buffers->user_count--;
    stream->from.buffers = NULL;
}

bool tsuga_input_is_exclusive(const struct tsuga_stream *stream)
{
    return tsuga_stream_takes_buffers(stream) && stream->from.buffers != NULL &&
           stream->from.buffers->is_exclusive;
}

void tsuga_input_choose(struct tsuga_stream *stream)
{
    struct tsuga_buffers *buffers = stream->from.buffers;

    stream->is_moving = false;
    if (needs_blocks(stream) || (buffers != NULL && buffers->owner != NULL))
        return;
    buffers = tsuga_receive_group(tsuga_stream_executor(stream), (size_t)1 << stream->class);
    /* Bytes that do not fit wait in the socket, but the end of a message would be lost. */
    if (buffers != NULL && tsuga_stream_takes_messages(stream) &&
        buffers->buffer_bytes < 1u << stream->class)
        buffers = NULL;
    if (buffers == stream->from.buffers)
        return;
    tsuga_input_leave(stream);
    stream->from.buffers = buffers;
    if (buffers != NULL)
        buffers->user_count++;
}

/* A sizer's number as a class of the heap. */
static uint8_t class_of(const struct tsuga_stream *stream, size_t user_bytes)
{
    size_t bytes = user_bytes + stream->lead_bytes;
    unsigned class = bytes <= 1 ? 0 : tsuga_bits_log2_ceil(bytes);

    if (class < TSUGA_CLASS_MIN)
        return TSUGA_CLASS_MIN;
    return class > TSUGA_CLASS_MAX ? TSUGA_CLASS_MAX : (uint8_t) class;
}

int tsuga_input_bring_block(struct tsuga_stream *stream, struct tsuga_ring_request *request)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_lease_entry *entry;
    int error = tsuga_leases_make(&record->io->executor->leases, record->io,
                                  (size_t)1 << stream->class, &entry);

    if (error != 0)
        return error;
    entry->pin_count = 1;
    record->buffer.lease = entry;
    record->flags |= TSUGA_RECORD_LEASE;
    if (tsuga_stream_takes_messages(stream)) {
        request->address =
            tsuga_labels_aim_at(record, stream->lead_bytes, entry->block, entry->bytes);
        request->length = 1;
        return 0;
    }
    request->address = entry->block;
    request->length = entry->bytes;
    return 0;
}

/* Results. */

/* The block that was brought along: the completion's, or the heap's again. */
static void take_block(struct tsuga_stream *stream, uint32_t bytes, bool has_come)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_lease_entry *entry = record->buffer.lease;
    struct tsuga_leases *leases = &record->io->executor->leases;

    record->buffer.lease = NULL;
    record->flags &= ~(uint32_t)TSUGA_RECORD_LEASE;
    if (has_come) {
        entry->bytes = bytes;
        tsuga_leases_attach(entry);
        tsuga_leases_skip(entry, stream->lead_bytes);
        tsuga_waiting_push_buffer(stream, entry);
    }
    tsuga_leases_unpin(leases, entry);
}

/* Behind the pieces of the same buffer that wait, if there are any. */
static void take_piece(struct tsuga_stream *stream, const struct tsuga_ring_result *result)
{
    struct tsuga_buffers *buffers = stream->from.buffers;
    struct tsuga_lease_entry *entry = tsuga_pieces_arrive(buffers, stream->record->io, result);

    if (!tsuga_record_is_wanted(stream->record))
        entry->taken_bytes = entry->bytes;
    if (entry->taken_bytes < entry->bytes && stream->waiting.last != entry) {
        tsuga_pieces_hold(entry);
        tsuga_waiting_push_buffer(stream, entry);
    }
    tsuga_pieces_settle(buffers, entry, result);
}

static void take_lent(struct tsuga_stream *stream, struct tsuga_lease_entry *entry, uint32_t bytes,
                      bool has_come)
{
    if (!has_come) {
        tsuga_buffers_return(entry);
        return;
    }
    tsuga_leases_lend(entry, stream->record->io, bytes);
    tsuga_leases_skip(entry, stream->lead_bytes);
    tsuga_waiting_push_buffer(stream, entry);
}

/* SOCK_*; negative for what is no socket. */
static int socket_type(const struct tsuga_stream *stream, int fd)
{
    const struct tsuga_calls *calls = tsuga_stream_executor(stream)->shared->calls;

    return calls->socket_type(calls->context, fd);
}

static bool is_datagram(const struct tsuga_stream *stream)
{
    return socket_type(stream, stream->record->fd) == SOCK_DGRAM;
}

/* Whether it is a message that has come, and not the end: an empty one may have ancillary data. */
static bool is_message(const struct tsuga_stream *stream, const void *buffer, uint32_t bytes)
{
    return bytes > 0 || tsuga_labels_has_control(buffer) || is_datagram(stream);
}

static bool comes_in_pieces(const struct tsuga_stream *stream,
                            const struct tsuga_ring_result *result)
{
    return (result->flags & TSUGA_RING_BUFFER) != 0 && stream->from.buffers->ring.is_incremental;
}

/* NULL: none has been used. */
static struct tsuga_lease_entry *buffer_of(struct tsuga_stream *stream,
                                           const struct tsuga_ring_result *result)
{
    struct tsuga_lease_entry *entry;

    if ((stream->record->flags & TSUGA_RECORD_LEASE) != 0)
        return stream->record->buffer.lease;
    if ((result->flags & TSUGA_RING_BUFFER) == 0)
        return NULL;
    entry = tsuga_buffers_take(stream->from.buffers, result);
    /* AddressSanitizer does not see the kernel's writes: a buffer that was given away while it was
     * on offer is found here. */
    TSUGA_VERIFY(!tsuga_sanitize_is_poisoned(entry->block, entry->capacity_bytes));
    return entry;
}

/* How many bytes have come: with MSG_TRUNC a result counts those that there was no room for, too.
 */
static uint32_t shown_bytes(const struct tsuga_stream *stream,
                            const struct tsuga_lease_entry *entry, int32_t bytes)
{
    uint32_t room = entry->capacity_bytes - stream->lead_bytes;

    return bytes > 0 && (uint32_t)bytes > room ? room : (uint32_t)bytes;
}

int32_t tsuga_input_arrive(struct tsuga_stream *stream, const struct tsuga_ring_result *result)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_lease_entry *entry;
    int32_t bytes = result->result;
    bool has_come = bytes > 0;

    if (comes_in_pieces(stream, result)) {
        take_piece(stream, result);
        return bytes;
    }
    entry = buffer_of(stream, result);
    if (entry == NULL) {
        if (bytes == -ENOBUFS && stream->from.buffers != NULL)
            stream->from.buffers->missed_count++;
        return bytes;
    }
    if (tsuga_stream_takes_messages(stream) && bytes >= 0) {
        if ((record->flags & TSUGA_RECORD_LEASE) != 0)
            tsuga_labels_write(record, entry->block, (uint32_t)bytes);
        else
            bytes -= (int32_t)stream->lead_bytes;
        has_come = is_message(stream, entry->block, (uint32_t)bytes);
        tsuga_labels_claim(record->io, entry->block, has_come && tsuga_record_is_wanted(record));
    }
    if ((record->flags & TSUGA_RECORD_LEASE) != 0)
        take_block(stream, shown_bytes(stream, entry, bytes),
                   has_come && tsuga_record_is_wanted(record));
    else
        take_lent(stream, entry, shown_bytes(stream, entry, bytes),
                  has_come && tsuga_record_is_wanted(record));
    return has_come ? 1 : bytes;
}

bool tsuga_input_is_last(struct tsuga_stream *stream, int32_t result)
{
    if (result > 0 || result == -EINTR || result == -ENOBUFS)
        return false;
    if (result == -EBADFD && !stream->is_single) {
        stream->is_single = true; /* a regular file has no multishot read */
        return false;
    }
    if (result == 0 && stream->record->kind == TSUGA_OP_RECV && is_datagram(stream)) {
        tsuga_waiting_push_empty(stream);
        return false;
    }
    return true;
}

/* Preparing. */

/* A sizer of the stream's own, as configured. */
static int make_sizer(struct tsuga_stream *stream)
{
    const struct tsuga_config *config = &tsuga_stream_executor(stream)->shared->config;
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_sizer *sizer;
    uint32_t slot;

    stream->class = class_of(stream, config->receive.sizer_min);
    if (config->receive.sizer == TSUGA_SIZING_FIXED)
        return 0;
    sizer = tsuga_slab_take(&stream->record->io->slab, &slot);
    if (sizer == NULL)
        return -ENOBUFS;
    *sizer = tsuga_sizer_adaptive(config->receive.sizer_min, config->receive.sizer_max);
    extra->argument.sizer_slot = slot + 1;
    stream->by.sizer = sizer;
    return 0;
}

static int prepare_sizes(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    if (op->bytes > 0) {
        stream->class = class_of(stream, op->bytes);
        return 0;
    }
    if (op->sizer == NULL)
        return make_sizer(stream);
    stream->by.sizer = op->sizer;
    stream->class = class_of(stream, op->sizer->next(op->sizer));
    return 0;
}

/* What the kernel fills piece by piece loses the boundaries between messages, and the rest of one
 * that is longer than the room left. What is no socket has none. */
static bool has_boundaries(const struct tsuga_stream *stream, int fd)
{
    int type = socket_type(stream, fd);

    return type >= 0 && type != SOCK_STREAM;
}

/* A group of the actor's. Its buffers hold what comes beside the bytes, too. */
static int prepare_group(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    struct tsuga_buffers *buffers;
    int error = tsuga_io_find_group(stream->record->io, op->group, &buffers);

    if (error != 0)
        return error;
    if (buffers->is_exclusive && buffers->user_count > 0)
        return -EBUSY;
    if (buffers->is_exclusive &&
        (tsuga_stream_takes_messages(stream) || has_boundaries(stream, op->fd)))
        return -EINVAL;
    if (buffers->buffer_bytes <= stream->lead_bytes)
        return -EMSGSIZE;
    stream->class = (uint8_t)tsuga_bits_log2_floor(buffers->buffer_bytes);
    if (needs_blocks(stream))
        return 0;
    stream->from.buffers = buffers;
    buffers->user_count++;
    return 0;
}

static bool tells_end(const struct tsuga_stream *stream, int fd)
{
    const struct tsuga_calls *calls = tsuga_stream_executor(stream)->shared->calls;

    return calls->tells_end(calls->context, fd);
}

int tsuga_input_prepare(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    stream->flags = op->kind != TSUGA_OP_READ ? op->flags : 0;
    if (op->lease.value != 0 || op->into != NULL || op->pool != NULL ||
        (op->flags & MSG_WAITALL) != 0)
        return -EINVAL;
    if (op->kind == TSUGA_OP_READ && !tells_end(stream, op->fd))
        stream->is_single = true;
    return op->group.value != 0 ? prepare_group(stream, op) : prepare_sizes(stream, op);
}

int tsuga_input_prepare_messages(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    int error;

    if (op->control_bytes > TSUGA_CONTROL_MAX || op->bytes > (size_t)1 << TSUGA_CLASS_MAX)
        return -EMSGSIZE;
    error = tsuga_labels_prepare(stream->record, op->control_bytes, &stream->lead_bytes);
    if (error != 0)
        return error;
    if (op->bytes + stream->lead_bytes > (size_t)1 << TSUGA_CLASS_MAX)
        return -EMSGSIZE;
    error = tsuga_input_prepare(stream, op);
    stream->flags |= MSG_CMSG_CLOEXEC;
    return error;
}

/* Taking. */

/* Whether the socket was empty behind what was taken last: the kernel goes on as long as there is
 * something, if it has a buffer, before we hear of the first. */
static bool is_all(const struct tsuga_stream *stream)
{
    bool goes_on = stream->from.buffers != NULL && !stream->is_single;

    return goes_on && stream->state == TSUGA_STREAM_ARMED && !stream->is_disarming &&
           !tsuga_waiting_is_any(stream);
}

/* The sizer hears what a receive brought, and may want another size from now on. */
static void learn(struct tsuga_stream *stream, size_t asked, size_t got)
{
    struct tsuga_sizer *sizer = stream->by.sizer;
    uint8_t class;

    if (sizer == NULL || stream->state == TSUGA_STREAM_ENDED)
        return;
    sizer->is_all = is_all(stream);
    if (sizer->heard != NULL)
        sizer->heard(sizer, asked, got);
    class = class_of(stream, sizer->next(sizer));
    if (class == stream->class && !stream->is_moving)
        return;
    stream->class = class;
    if (stream->from.buffers == NULL || stream->from.buffers->owner != NULL ||
        tsuga_receive_group(tsuga_stream_executor(stream), (size_t)1 << stream->class) ==
            stream->from.buffers)
        return;
    stream->is_moving = true;
    tsuga_stream_disarm(stream);
}

/* The oldest buffer, or of one that comes in pieces a slice. Errors: -ENOMEM, and it stays. */
static int take_buffer(struct tsuga_stream *stream, struct tsuga_lease_entry **out)
{
    struct tsuga_lease_entry *first = stream->waiting.last->next;
    int error = 0;

    if (!tsuga_pieces_are_of(first)) {
        *out = tsuga_waiting_pop_buffer(stream);
        return 0;
    }
    error = tsuga_pieces_slice(first, out);
    if (error != 0)
        return error;
    (void)tsuga_waiting_pop_buffer(stream);
    tsuga_pieces_drop(first);
    return 0;
}

void tsuga_input_take(struct tsuga_stream *stream, struct tsuga_completion *completion)
{
    struct tsuga_io *io = stream->record->io;
    struct tsuga_lease_entry *entry = NULL;

    if (stream->number > 0) {
        stream->number--;
    } else {
        completion->result = take_buffer(stream, &entry);
        if (completion->result < 0)
            return;
        completion->result = (int32_t)entry->bytes;
        completion->bytes = entry->bytes;
        completion->data = entry->block;
        completion->lease = tsuga_leases_handle(&io->executor->leases, entry);
        if (tsuga_stream_takes_messages(stream))
            completion->peer = tsuga_labels_show(io, tsuga_labels_of(entry));
    }
    io->piece.buffer.lease = entry;
    learn(stream, entry != NULL ? entry->capacity_bytes : 0, completion->bytes);
}
