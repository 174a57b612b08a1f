#include "executor/streams.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "executor/executor.h"
#include "executor/hangups.h"
#include "executor/inputs.h"
#include "executor/labels.h"
#include "executor/periods.h"
#include "executor/waiting.h"

#define POSITION UINT64_MAX /* "the file's own" to the ring */

/* How often streams that wait for descriptors, or for room in a full heap, try again. */
#define RETRY_NS (10 * TSUGA_NS_PER_MS)

static bool supports(const struct tsuga_stream *stream, enum tsuga_ring_kind kind)
{
    const struct tsuga_ring *ring = tsuga_stream_executor(stream)->ring;

    return ring->ops->supports(ring, kind);
}

/* Requests. */

static enum tsuga_ring_kind kind_of(const struct tsuga_stream *stream, bool is_single)
{
    switch (stream->record->kind) {
    case TSUGA_OP_ACCEPT:
        return is_single ? TSUGA_RING_ACCEPT : TSUGA_RING_ACCEPT_MULTI;
    case TSUGA_OP_POLL:
        return is_single ? TSUGA_RING_POLL : TSUGA_RING_WATCH;
    case TSUGA_OP_READ:
        return is_single ? TSUGA_RING_READ : TSUGA_RING_READ_MULTI;
    case TSUGA_OP_RECVMSG:
        return is_single ? TSUGA_RING_RECVMSG : TSUGA_RING_RECVMSG_MULTI;
    default:
        return is_single ? TSUGA_RING_RECV : TSUGA_RING_RECV_MULTI;
    }
}

/* Errors: of a stream without a group, those of the heap. */
static int arm(struct tsuga_stream *stream)
{
    const struct tsuga_buffers *buffers =
        tsuga_stream_takes_buffers(stream) ? stream->from.buffers : NULL;
    bool is_single = stream->is_single || (tsuga_stream_takes_buffers(stream) && buffers == NULL);
    struct tsuga_ring_request request = {
        .user_data = (uint64_t)(uintptr_t)stream->record,
        .offset = stream->record->kind == TSUGA_OP_READ ? POSITION : 0,
        .flags = stream->flags,
        .fd = stream->record->fd,
        .kind = (uint8_t)kind_of(stream, is_single),
    };
    int error = 0;

    if (buffers != NULL) {
        request.options = TSUGA_RING_SELECT;
        request.group = buffers->ring.id;
        request.length = is_single ? buffers->buffer_bytes : 0;
        if (tsuga_stream_takes_messages(stream)) {
            request.address = tsuga_labels_aim(stream->record, stream->lead_bytes);
            request.length = 1;
        }
    } else if (tsuga_stream_takes_buffers(stream)) {
        error = tsuga_input_bring_block(stream, &request);
    }
    if (error != 0)
        return error;
    stream->state = TSUGA_STREAM_ARMED;
    tsuga_executor_request(tsuga_stream_executor(stream), &request);
    if (request.kind == TSUGA_RING_RECV_MULTI || request.kind == TSUGA_RING_RECVMSG_MULTI)
        tsuga_hangup_watch(stream);
    return 0;
}

void tsuga_stream_disarm(struct tsuga_stream *stream)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_CANCEL,
        .user_data = (uint64_t)(uintptr_t)record | TSUGA_RESULT_CANCEL,
        .offset = (uint64_t)(uintptr_t)record,
    };

    if (stream->state != TSUGA_STREAM_ARMED || stream->is_disarming || !tsuga_record_hold(record))
        return;
    stream->is_disarming = true;
    record->io->inflight++;
    tsuga_executor_request(record->io->executor, &request);
    /* Before the next turn: without deferred task work results come without an enter, and a stream
     * that borrows too much would go on until something else calls for one. */
    record->io->executor->turns_to_tick = 1;
}

static void end(struct tsuga_stream *stream, int32_t result)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_io *io = record->io;

    tsuga_list_remove(&stream->link);
    stream->state = TSUGA_STREAM_ENDED;
    tsuga_hangup_unwatch(stream);
    if (!tsuga_input_is_exclusive(stream))
        tsuga_input_leave(stream);
    if (tsuga_record_end(record, result)) {
        tsuga_waiting_announce(stream);
        return;
    }
    tsuga_stream_drop(record);
    tsuga_record_give(record);
    tsuga_io_settle(io);
}

/* Waiting for a cause to go. */

static void starve(struct tsuga_stream *stream)
{
    struct tsuga_buffers *buffers = stream->from.buffers;

    stream->state = TSUGA_STREAM_STARVED;
    tsuga_list_push_back(&buffers->starved, &stream->link);
    if (!tsuga_list_is_linked(&buffers->hungry))
        tsuga_list_push_back(&tsuga_stream_executor(stream)->receive.hungry, &buffers->hungry);
}

static void stall(struct tsuga_stream *stream)
{
    stream->state = TSUGA_STREAM_STALLED;
    tsuga_list_push_back(&stream->record->io->stalled, &stream->link);
}

static void go_on(struct tsuga_stream *stream);

static void ring_retry(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_list_node *stuck = &executor->receive.stuck;
    const struct tsuga_list_node *newest = stuck->prev;

    (void)alarm;
    /* Not those that are stuck again. */
    while (!tsuga_list_is_empty(stuck)) {
        struct tsuga_list_node *node = tsuga_list_pop_front(stuck);

        go_on(TSUGA_CONTAINER_OF(node, struct tsuga_stream, link));
        if (node == newest)
            return;
    }
}

static void be_stuck(struct tsuga_stream *stream)
{
    struct tsuga_executor *executor = tsuga_stream_executor(stream);
    struct tsuga_receive *receive = &executor->receive;

    stream->state = TSUGA_STREAM_STUCK;
    /* Not put off by those that are stuck later. */
    if (!tsuga_timers_is_armed(&receive->retry.timer)) {
        receive->retry.ring = ring_retry;
        tsuga_timers_arm(&executor->timers, &receive->retry.timer,
                         tsuga_executor_now_ns(executor) + RETRY_NS);
    }
    tsuga_list_push_back(&receive->stuck, &stream->link);
}

/* The kernel has nothing of the stream: what now? */
static void go_on(struct tsuga_stream *stream)
{
    int error;

    if ((stream->record->flags & TSUGA_RECORD_UNWANTED) != 0) {
        end(stream, -ECANCELED);
        return;
    }
    stream->state = TSUGA_STREAM_RESTING;
    if (stream->is_paused)
        return;
    if (tsuga_stream_takes_buffers(stream))
        tsuga_input_choose(stream);
    if (tsuga_input_is_over(stream)) {
        stall(stream);
        return;
    }
    if (tsuga_stream_takes_buffers(stream) && stream->from.buffers != NULL &&
        stream->from.buffers->offered_count == 0) {
        starve(stream);
        return;
    }
    error = arm(stream);
    if (error == -ENOBUFS || error == -ENOMEM)
        be_stuck(stream);
    else if (error != 0)
        end(stream, error);
}

void tsuga_streams_feed(struct tsuga_buffers *buffers, uint32_t count)
{
    while (count-- > 0 && !tsuga_list_is_empty(&buffers->starved)) {
        struct tsuga_list_node *node = tsuga_list_pop_front(&buffers->starved);

        go_on(TSUGA_CONTAINER_OF(node, struct tsuga_stream, link));
    }
}

void tsuga_streams_relieve(struct tsuga_io *io)
{
    while (!tsuga_list_is_empty(&io->stalled)) {
        struct tsuga_stream *stream =
            TSUGA_CONTAINER_OF(io->stalled.next, struct tsuga_stream, link);

        if (tsuga_input_is_over(stream))
            return;
        tsuga_list_remove(&stream->link);
        go_on(stream);
    }
}

/* Results. */

static void accept_one(struct tsuga_stream *stream, int fd)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_executor *executor = record->io->executor;

    if (tsuga_record_is_wanted(record) &&
        tsuga_descriptors_claim(&executor->shared->descriptors, record->io, fd) == 0)
        tsuga_waiting_push_descriptor(stream, fd);
    else
        tsuga_executor_close(executor, fd);
}

/* The kernel goes on after a hang-up, but there is nothing to wait for: that is the last result. */
static void poll_one(struct tsuga_stream *stream, int32_t events)
{
    if (events <= 0 || !tsuga_record_is_wanted(stream->record))
        return;
    if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        /* Not among what waits: it would be taken from there before it can be the last result. */
        stream->is_hung = true;
        stream->by.hung |= (uint32_t)events;
        return;
    }
    stream->number |= (uint32_t)events;
    tsuga_waiting_announce(stream);
}

/* A result of a raw entry that is not the last one. What it means is the user's to know. */
static void raw_one(struct tsuga_stream *stream, int32_t result)
{
    if (!tsuga_stream_brings_descriptors(stream)) {
        if (tsuga_record_is_wanted(stream->record))
            tsuga_waiting_push_result(stream, result);
    } else if (result >= 0) {
        accept_one(stream, result);
    }
}

/* What a result brings. Returns what it says of the stream. */
static int32_t arrive(struct tsuga_stream *stream, const struct tsuga_ring_result *result)
{
    switch (stream->record->kind) {
    case TSUGA_OP_ACCEPT:
        if (result->result >= 0)
            accept_one(stream, result->result);
        break;
    case TSUGA_OP_POLL:
        poll_one(stream, result->result);
        break;
    case TSUGA_OP_RAW:
        if ((result->flags & TSUGA_RING_MORE) != 0)
            raw_one(stream, result->result);
        break;
    default:
        return tsuga_input_arrive(stream, result);
    }
    return result->result;
}

/* Whether the stream is over, now that the kernel has ended its request. */
static bool is_last(struct tsuga_stream *stream, int32_t result)
{
    if (result == -ECANCELED)
        return false; /* by ourselves, or on the user's wish: go_on() knows */
    switch (stream->record->kind) {
    case TSUGA_OP_ACCEPT:
        return result < 0 && result != -EMFILE && result != -ENFILE && result != -ECONNABORTED &&
               result != -EINTR;
    case TSUGA_OP_POLL:
        return result < 0;
    default:
        return tsuga_input_is_last(stream, result);
    }
}

static int32_t take_events(struct tsuga_stream *stream)
{
    uint32_t events = stream->number;

    stream->number = 0;
    return (int32_t)events;
}

static void request_ended(struct tsuga_stream *stream, int32_t result)
{
    stream->state = TSUGA_STREAM_RESTING;
    stream->is_disarming = false;
    stream->is_in_doubt = false;
    if (stream->record->kind == TSUGA_OP_RAW)
        end(stream, stream->is_overrun ? -EOVERFLOW : result);
    else if (stream->is_hung)
        end(stream, (int32_t)stream->by.hung);
    else if (is_last(stream, result))
        end(stream, result);
    else if (stream->shows_end && result != -ECANCELED)
        end(stream, result < 0 ? result : -EAGAIN);
    else if (result == -EMFILE || result == -ENFILE)
        be_stuck(stream);
    else
        go_on(stream);
}

void tsuga_stream_complete(struct tsuga_record *record, const struct tsuga_ring_result *result)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);
    int32_t outcome;

    TSUGA_VERIFY(record->state == TSUGA_RECORD_INFLIGHT); /* exactly one end */
    TSUGA_VERIFY(stream->state == TSUGA_STREAM_ARMED);
    outcome = arrive(stream, result);
    if ((result->flags & TSUGA_RING_MORE) == 0)
        request_ended(stream, outcome);
    else if (stream->is_hung || tsuga_input_is_over(stream))
        tsuga_stream_disarm(stream);
}

/* Preparing. */

static int prepare_kind(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    stream->is_single =
        !supports(stream, kind_of(stream, false)) || !supports(stream, TSUGA_RING_ACCEPT_MULTI);
    switch (op->kind) {
    case TSUGA_OP_ACCEPT:
        stream->flags = op->flags | SOCK_CLOEXEC;
        return 0;
    case TSUGA_OP_POLL:
        stream->flags = op->flags;
        return 0;
    case TSUGA_OP_READ:
    case TSUGA_OP_RECV:
        return tsuga_input_prepare(stream, op);
    case TSUGA_OP_RECVMSG:
        return tsuga_input_prepare_messages(stream, op);
    case TSUGA_OP_TIMEOUT:
        return tsuga_period_prepare(stream, op);
    default:
        return -EINVAL;
    }
}

int tsuga_stream_attach(struct tsuga_record *record)
{
    struct tsuga_stream *stream;
    struct tsuga_extra *extra;
    uint32_t slot;
    int error = tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    stream = tsuga_slab_take(&record->io->slab, &slot);
    if (stream == NULL)
        return -ENOBUFS;
    *stream = (struct tsuga_stream){.record = record, .state = TSUGA_STREAM_ARMED};
    tsuga_list_init(&stream->link);
    extra->into = stream;
    extra->into_bytes = slot;
    record->flags |= TSUGA_RECORD_MULTI;
    return 0;
}

int tsuga_stream_attach_raw(struct tsuga_record *record)
{
    size_t bytes = TSUGA_RAW_WAITING_MAX * sizeof(int32_t);
    struct tsuga_extra *extra;
    void *block;
    int error = (record->flags & TSUGA_RECORD_SILENT) != 0 ? -EINVAL : tsuga_stream_attach(record);

    if (error != 0 || tsuga_stream_brings_descriptors(tsuga_stream_of(record)))
        return error;
    error = tsuga_ioheap_alloc(&record->io->heap, bytes, &block);
    if (error != 0)
        return error;
    extra = tsuga_record_extra(record);
    extra->argument.block = block;
    record->flags |= TSUGA_RECORD_BLOCK3;
    return 0;
}

int tsuga_stream_prepare(struct tsuga_record *record, const struct tsuga_op *op)
{
    struct tsuga_stream *stream;
    int error = (op->options & TSUGA_OP_SILENT) != 0 ? -EINVAL : tsuga_stream_attach(record);

    if (error != 0)
        return error;
    stream = tsuga_stream_of(record);
    stream->state = TSUGA_STREAM_RESTING;
    stream->shows_end = (op->options & TSUGA_OP_SHOW_END) != 0;
    return prepare_kind(stream, op);
}

void tsuga_stream_tell(struct tsuga_record *record)
{
    if (!tsuga_record_is_wanted(record))
        return;
    tsuga_stream_of(record)->number = 1;
    tsuga_waiting_announce(tsuga_stream_of(record));
}

void tsuga_stream_finish(struct tsuga_record *record, int32_t result)
{
    end(tsuga_stream_of(record), result);
}

void tsuga_stream_begin(struct tsuga_record *record)
{
    if (record->kind == TSUGA_OP_TIMEOUT)
        tsuga_period_start(tsuga_stream_of(record));
    else
        go_on(tsuga_stream_of(record));
}

void tsuga_stream_free(struct tsuga_record *record)
{
    struct tsuga_extra *extra = tsuga_record_extra(record);
    struct tsuga_slab *slab = &record->io->slab;

    tsuga_input_leave(extra->into);
    if (tsuga_stream_takes_buffers(extra->into) && extra->argument.sizer_slot != 0)
        tsuga_slab_give(slab, extra->argument.sizer_slot - 1);
    tsuga_slab_give(slab, (uint32_t)extra->into_bytes);
}

/* Ending. */

bool tsuga_stream_end_idle(struct tsuga_record *record)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);

    if (stream->state == TSUGA_STREAM_ARMED)
        return false;
    end(stream, -ECANCELED);
    return true;
}

static bool must_disarm(const struct tsuga_stream *stream)
{
    return stream->state == TSUGA_STREAM_ARMED &&
           (stream->is_paused || stream->is_moving || stream->is_hung || stream->is_in_doubt ||
            tsuga_input_is_over(stream));
}

bool tsuga_stream_end_disarm(struct tsuga_record *record)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);

    stream->is_disarming = false;
    return must_disarm(stream) ||
           (stream->state == TSUGA_STREAM_ARMED && (record->flags & TSUGA_RECORD_UNWANTED) != 0);
}

void tsuga_stream_hang_up(struct tsuga_record *record)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);

    stream->is_watched = false;
    stream->has_hung_up = true;
    if (stream->state != TSUGA_STREAM_ARMED)
        return; /* whatever is armed from now on finds the end */
    /* Not at once: as a rule the request's last result is on its way. */
    stream->is_in_doubt = true;
    tsuga_io_cancel_again(record->io);
}

void tsuga_stream_disarm_again(struct tsuga_record *record)
{
    if (must_disarm(tsuga_stream_of(record)))
        tsuga_stream_disarm(tsuga_stream_of(record));
}

/* Taking. */

static void take_one(struct tsuga_stream *stream, struct tsuga_completion *completion)
{
    switch (stream->record->kind) {
    case TSUGA_OP_ACCEPT:
        completion->result = tsuga_waiting_pop_descriptor(stream);
        return;
    case TSUGA_OP_POLL:
        completion->result = take_events(stream);
        return;
    case TSUGA_OP_SEND:
        completion->result = stream->record->result;
        stream->number = 0;
        return;
    case TSUGA_OP_RAW:
        completion->result = tsuga_stream_brings_descriptors(stream)
                                 ? tsuga_waiting_pop_descriptor(stream)
                                 : tsuga_waiting_pop_result(stream);
        return;
    case TSUGA_OP_TIMEOUT:
        completion->result =
            stream->waiting.count > INT32_MAX ? INT32_MAX : (int32_t)stream->waiting.count;
        stream->waiting.count -= (uint64_t)completion->result;
        return;
    default:
        tsuga_input_take(stream, completion);
        return;
    }
}

/* Apart, so that single completions do not pay for its frame. */
__attribute__((noinline)) struct tsuga_message *tsuga_stream_open(struct tsuga_record *record)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);
    struct tsuga_io *io = record->io;
    struct tsuga_completion *completion = &io->completion;

    record->flags &= ~(uint32_t)TSUGA_RECORD_QUEUED;
    *completion = (struct tsuga_completion){
        .op = tsuga_record_token(record),
        .tag = record->message.tag,
        .context = tsuga_record_extra(record)->context,
        .started = true,
        .expired = (record->flags & TSUGA_RECORD_EXPIRED) != 0,
        .zero_copy = (record->flags & TSUGA_RECORD_ZERO_COPY) != 0,
        .copied = (record->flags & TSUGA_RECORD_COPIED) != 0,
    };
    if (!tsuga_waiting_is_any(stream)) {
        TSUGA_ASSERT(record->state == TSUGA_RECORD_DONE);
        record->state = TSUGA_RECORD_TAKEN;
        tsuga_input_leave(stream);
        completion->result = record->result;
        completion->last = true;
        if ((record->flags & TSUGA_RECORD_LEASE) != 0)
            completion->lease = tsuga_leases_handle(&io->executor->leases, record->buffer.lease);
        return &record->message;
    }
    completion->more = true;
    io->piece.message.tag = record->message.tag;
    io->piece.buffer.lease = NULL;
    take_one(stream, completion);
    if (tsuga_waiting_is_any(stream) || record->state == TSUGA_RECORD_DONE)
        tsuga_waiting_announce(stream);
    return &io->piece.message;
}

void tsuga_stream_drop(struct tsuga_record *record)
{
    record->flags &= ~(uint32_t)TSUGA_RECORD_QUEUED;
    tsuga_waiting_drop(tsuga_stream_of(record));
}

void tsuga_stream_give_piece(struct tsuga_record *piece)
{
    struct tsuga_lease_entry *entry = piece->buffer.lease;

    piece->buffer.lease = NULL;
    if (entry != NULL)
        tsuga_leases_detach(&piece->io->executor->leases, entry);
}

/* The user's side. */

static int find_stream(struct tsuga_actor *self, struct tsuga_token token,
                       struct tsuga_stream **out)
{
    struct tsuga_record *record;
    int error = tsuga_record_find_heard(tsuga_seat_of(self)->io, token, &record);

    if (error != 0)
        return error;
    if ((record->flags & TSUGA_RECORD_MULTI) == 0 || tsuga_stream_is_single(record))
        return -EINVAL;
    *out = tsuga_stream_of(record);
    return 0;
}

int tsuga_stream_pause(struct tsuga_actor *self, struct tsuga_token token)
{
    struct tsuga_stream *stream;
    int error = find_stream(self, token, &stream);

    if (error != 0 || stream->is_paused || stream->state == TSUGA_STREAM_ENDED)
        return error;
    stream->is_paused = true;
    if (stream->record->kind == TSUGA_OP_TIMEOUT) {
        tsuga_period_stop(stream);
    } else if (stream->state == TSUGA_STREAM_ARMED) {
        tsuga_stream_disarm(stream);
    } else {
        tsuga_list_remove(&stream->link);
        stream->state = TSUGA_STREAM_RESTING;
    }
    return 0;
}

int tsuga_stream_resume(struct tsuga_actor *self, struct tsuga_token token)
{
    struct tsuga_stream *stream;
    int error = find_stream(self, token, &stream);

    if (error != 0 || !stream->is_paused || stream->state == TSUGA_STREAM_ENDED)
        return error;
    stream->is_paused = false;
    if (stream->record->kind == TSUGA_OP_TIMEOUT)
        tsuga_period_start(stream);
    else if (stream->state == TSUGA_STREAM_RESTING)
        go_on(stream);
    return 0;
}
