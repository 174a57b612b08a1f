#include "executor/streams.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "executor/executor.h"
#include "executor/hangups.h"
#include "executor/turn.h"
#include "runtime/base/sanitize.h"

#define POSITION UINT64_MAX /* "the file's own" to the ring */

/* How often streams that wait for descriptors, or for room in a full heap, try again. */
#define RETRY_NS (10 * TSUGA_NS_PER_MS)

static struct tsuga_executor *executor_of(const struct tsuga_stream *stream)
{
    return stream->record->io->executor;
}

static bool supports(const struct tsuga_stream *stream, enum tsuga_ring_kind kind)
{
    const struct tsuga_ring *ring = executor_of(stream)->ring;

    return ring->ops->supports(ring, kind);
}

static bool takes_buffers(const struct tsuga_stream *stream)
{
    return stream->record->kind == TSUGA_OP_RECV || stream->record->kind == TSUGA_OP_READ;
}

static bool is_wanted(const struct tsuga_record *record)
{
    return record->io->seat != NULL && (record->flags & TSUGA_RECORD_SILENT) == 0;
}

/* What waits for the actor. */

static bool has_waiting(const struct tsuga_stream *stream)
{
    if (stream->record->kind == TSUGA_OP_ACCEPT)
        return stream->waiting.fds.first != 0;
    if (stream->record->kind == TSUGA_OP_TIMEOUT)
        return stream->waiting.count > 0;
    return stream->number != 0 || (takes_buffers(stream) && stream->waiting.last != NULL);
}

/* The record's message goes to the mailbox, unless it stands there already. */
static void announce(struct tsuga_stream *stream)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_seat *seat = record->io->seat;

    if ((record->flags & TSUGA_RECORD_QUEUED) != 0)
        return;
    record->flags |= TSUGA_RECORD_QUEUED;
    tsuga_mailbox_put(&seat->actor.mailbox, &record->message);
    tsuga_turn_wake(seat);
}

static void push_buffer(struct tsuga_stream *stream, struct tsuga_lease_entry *entry)
{
    entry->followers = 0;
    if (stream->waiting.last == NULL) {
        entry->next = entry;
    } else {
        entry->next = stream->waiting.last->next;
        stream->waiting.last->next = entry;
    }
    stream->waiting.last = entry;
    announce(stream);
}

/* The oldest; there is one. The empty datagrams behind it are in front now. */
static struct tsuga_lease_entry *pop_buffer(struct tsuga_stream *stream)
{
    struct tsuga_lease_entry *first = stream->waiting.last->next;

    if (first == stream->waiting.last)
        stream->waiting.last = NULL;
    else
        stream->waiting.last->next = first->next;
    stream->number = first->followers;
    return first;
}

/* An empty datagram has no buffer. */
static void push_empty(struct tsuga_stream *stream)
{
    if (!is_wanted(stream->record))
        return;
    if (stream->waiting.last != NULL)
        stream->waiting.last->followers++;
    else
        stream->number++;
    announce(stream);
}

static struct tsuga_descriptor *descriptor_of(const struct tsuga_stream *stream, int fd)
{
    return tsuga_descriptors_at(&executor_of(stream)->shared->descriptors, fd);
}

static void push_descriptor(struct tsuga_stream *stream, int fd)
{
    descriptor_of(stream, fd)->waiting = 0;
    if (stream->waiting.fds.first == 0)
        stream->waiting.fds.first = fd + 1;
    else
        descriptor_of(stream, stream->waiting.fds.last - 1)->waiting = fd + 1;
    stream->waiting.fds.last = fd + 1;
    announce(stream);
}

static int pop_descriptor(struct tsuga_stream *stream)
{
    int fd = stream->waiting.fds.first - 1;

    stream->waiting.fds.first = descriptor_of(stream, fd)->waiting;
    return fd;
}

static void drop_descriptors(struct tsuga_stream *stream)
{
    struct tsuga_executor *executor = executor_of(stream);

    while (stream->waiting.fds.first != 0) {
        int fd = pop_descriptor(stream);

        tsuga_descriptors_disown(&executor->shared->descriptors, stream->record->io, fd);
        tsuga_executor_close(executor, fd);
    }
}

void tsuga_stream_drop(struct tsuga_record *record)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);
    struct tsuga_leases *leases = &record->io->executor->leases;

    record->flags &= ~(uint32_t)TSUGA_RECORD_QUEUED;
    if (record->kind == TSUGA_OP_ACCEPT)
        drop_descriptors(stream);
    while (takes_buffers(stream) && stream->waiting.last != NULL)
        tsuga_leases_detach(leases, pop_buffer(stream));
    stream->number = 0;
    if (record->kind == TSUGA_OP_TIMEOUT)
        stream->waiting.count = 0;
}

/* Where buffers come from. */

/* Whether the actor shall give something back before it gets more. */
static bool is_over(const struct tsuga_stream *stream)
{
    const struct tsuga_ioheap *heap = &stream->record->io->heap;

    if (!takes_buffers(stream) || stream->from.buffers == NULL ||
        stream->from.buffers->owner != NULL)
        return false;
    return heap->lent_bytes > executor_of(stream)->shared->config.receive.lent_max ||
           heap->lent_bytes + heap->segment_bytes > heap->quota_bytes;
}

static void leave_group(struct tsuga_stream *stream)
{
    if (!takes_buffers(stream) || stream->from.buffers == NULL)
        return;
    stream->from.buffers->user_count--;
    stream->from.buffers = NULL;
}

/* The group that the stream wants now; its own stays what it is. */
static void choose_group(struct tsuga_stream *stream)
{
    struct tsuga_buffers *buffers = stream->from.buffers;

    stream->is_moving = false;
    if (buffers != NULL && buffers->owner != NULL)
        return;
    buffers = tsuga_receive_group(executor_of(stream), (size_t)1 << stream->class);
    if (buffers == stream->from.buffers)
        return;
    leave_group(stream);
    stream->from.buffers = buffers;
    if (buffers != NULL)
        buffers->user_count++;
}

/* A sizer's number as a class of the heap. */
static uint8_t class_of(size_t bytes)
{
    unsigned class = bytes <= 1 ? 0 : tsuga_bits_log2_ceil(bytes);

    if (class < TSUGA_CLASS_MIN)
        return TSUGA_CLASS_MIN;
    return class > TSUGA_CLASS_MAX ? TSUGA_CLASS_MAX : (uint8_t) class;
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
    default:
        return is_single ? TSUGA_RING_RECV : TSUGA_RING_RECV_MULTI;
    }
}

/* Without a group: a block of the actor's heap for one receive. */
static int bring_block(struct tsuga_stream *stream, struct tsuga_ring_request *request)
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
    request->address = entry->block;
    request->length = entry->bytes;
    return 0;
}

/* Errors: of a stream without a group, those of the heap. */
static int arm(struct tsuga_stream *stream)
{
    const struct tsuga_buffers *buffers = takes_buffers(stream) ? stream->from.buffers : NULL;
    bool is_single = stream->is_single || (takes_buffers(stream) && buffers == NULL);
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
    } else if (takes_buffers(stream)) {
        error = bring_block(stream, &request);
    }
    if (error != 0)
        return error;
    stream->state = TSUGA_STREAM_ARMED;
    tsuga_executor_request(executor_of(stream), &request);
    if (request.kind == TSUGA_RING_RECV_MULTI)
        tsuga_hangup_watch(stream);
    return 0;
}

/* Ask the kernel to end the request. It is armed again, unless something is in the way. */
static void disarm(struct tsuga_stream *stream)
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
    leave_group(stream);
    if (tsuga_record_end(record, result)) {
        announce(stream);
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
        tsuga_list_push_back(&executor_of(stream)->receive.hungry, &buffers->hungry);
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
    struct tsuga_executor *executor = executor_of(stream);
    struct tsuga_receive *receive = &executor->receive;

    stream->state = TSUGA_STREAM_STUCK;
    /* Not put off by those that are stuck later. */
    if (!tsuga_timers_is_armed(&receive->retry.timer)) {
        receive->retry.ring = ring_retry;
        tsuga_timers_arm(&executor->timers, &receive->retry.timer, executor->now_ns + RETRY_NS);
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
    if (takes_buffers(stream))
        choose_group(stream);
    if (is_over(stream)) {
        stall(stream);
        return;
    }
    if (takes_buffers(stream) && stream->from.buffers != NULL &&
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

        if (is_over(stream))
            return;
        tsuga_list_remove(&stream->link);
        go_on(stream);
    }
}

/* Results. */

/* The block that was brought along: the message's, or the heap's again. */
static void take_block(struct tsuga_stream *stream, int32_t result)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_lease_entry *entry = record->buffer.lease;
    struct tsuga_leases *leases = &record->io->executor->leases;

    record->buffer.lease = NULL;
    record->flags &= ~(uint32_t)TSUGA_RECORD_LEASE;
    if (result > 0 && is_wanted(record)) {
        entry->bytes = (uint32_t)result;
        tsuga_leases_attach(entry);
        push_buffer(stream, entry);
    }
    tsuga_leases_unpin(leases, entry);
}

static void take_lent(struct tsuga_stream *stream, const struct tsuga_ring_result *result)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_lease_entry *entry = tsuga_buffers_take(stream->from.buffers, result);

    /* AddressSanitizer does not see the kernel's writes: a buffer that was given away while it was
     * on offer is found here. */
    TSUGA_VERIFY(!tsuga_sanitize_is_poisoned(entry->block, entry->capacity_bytes));
    if (result->result <= 0 || !is_wanted(record)) {
        tsuga_buffers_return(entry);
        return;
    }
    tsuga_leases_lend(entry, record->io, (size_t)result->result);
    push_buffer(stream, entry);
}

static bool is_datagram(const struct tsuga_stream *stream)
{
    const struct tsuga_calls *calls = executor_of(stream)->shared->calls;

    return calls->is_datagram(calls->context, stream->record->fd);
}

static void accept_one(struct tsuga_stream *stream, int fd)
{
    struct tsuga_record *record = stream->record;
    struct tsuga_executor *executor = record->io->executor;

    if (is_wanted(record) &&
        tsuga_descriptors_claim(&executor->shared->descriptors, record->io, fd) == 0)
        push_descriptor(stream, fd);
    else
        tsuga_executor_close(executor, fd);
}

/* The kernel goes on after a hang-up, but there is nothing to wait for: that is the last result. */
static void poll_one(struct tsuga_stream *stream, int32_t events)
{
    if (events <= 0 || !is_wanted(stream->record))
        return;
    if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        /* Not among what waits: it would be taken from there before it can be the last result. */
        stream->is_hung = true;
        stream->by.hung |= (uint32_t)events;
        return;
    }
    stream->number |= (uint32_t)events;
    announce(stream);
}

/* What a result brings. */
static void arrive(struct tsuga_stream *stream, const struct tsuga_ring_result *result)
{
    switch (stream->record->kind) {
    case TSUGA_OP_ACCEPT:
        if (result->result >= 0)
            accept_one(stream, result->result);
        return;
    case TSUGA_OP_POLL:
        poll_one(stream, result->result);
        return;
    default:
        if ((stream->record->flags & TSUGA_RECORD_LEASE) != 0)
            take_block(stream, result->result);
        else if ((result->flags & TSUGA_RING_BUFFER) != 0)
            take_lent(stream, result);
        return;
    }
}

/* An end of file, or an error that no other buffer and no later time would mend. */
static bool is_last_input(struct tsuga_stream *stream, int32_t result)
{
    if (result > 0 || result == -EINTR || result == -ENOBUFS)
        return false;
    if (result == -EBADFD && !stream->is_single) {
        stream->is_single = true; /* a regular file has no multishot read */
        return false;
    }
    if (result == 0 && stream->record->kind == TSUGA_OP_RECV && is_datagram(stream)) {
        push_empty(stream);
        return false;
    }
    return true;
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
        return is_last_input(stream, result);
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
    if (stream->is_hung)
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

    TSUGA_VERIFY(record->state == TSUGA_RECORD_INFLIGHT); /* exactly one end */
    TSUGA_VERIFY(stream->state == TSUGA_STREAM_ARMED);
    arrive(stream, result);
    if ((result->flags & TSUGA_RING_MORE) == 0)
        request_ended(stream, result->result);
    else if (stream->is_hung || is_over(stream))
        disarm(stream);
}

/* Periods. */

static void arm_period(struct tsuga_stream *stream)
{
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_deadline *deadline =
        tsuga_slab_at(&stream->record->io->slab, extra->deadline_slot - 1);

    if (stream->by.due_ns != TSUGA_FOREVER)
        tsuga_timers_arm(&executor_of(stream)->timers, &deadline->alarm.timer, stream->by.due_ns);
}

static void start_period(struct tsuga_stream *stream)
{
    uint64_t now_ns = tsuga_clock_now_ns(&executor_of(stream)->shared->clock);

    stream->state = TSUGA_STREAM_RESTING; /* the kernel has nothing of it, ever */
    stream->by.due_ns = stream->from.period_ns > TSUGA_FOREVER - 1 - now_ns
                            ? TSUGA_FOREVER
                            : now_ns + stream->from.period_ns;
    arm_period(stream);
}

static void ring_period(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_deadline *deadline = TSUGA_CONTAINER_OF(alarm, struct tsuga_deadline, alarm);
    struct tsuga_stream *stream = tsuga_stream_of(deadline->record);
    uint64_t count = 1 + (executor->now_ns - stream->by.due_ns) / stream->from.period_ns;

    stream->by.due_ns += count * stream->from.period_ns;
    arm_period(stream);
    if (!is_wanted(stream->record))
        return;
    stream->waiting.count += count;
    announce(stream);
}

static void stop_period(struct tsuga_stream *stream)
{
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_deadline *deadline =
        tsuga_slab_at(&stream->record->io->slab, extra->deadline_slot - 1);

    (void)tsuga_timers_cancel(&executor_of(stream)->timers, &deadline->alarm.timer);
}

static int prepare_period(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_deadline *deadline;
    uint32_t slot;

    if (op->timeout_ns == 0)
        return -EINVAL;
    deadline = tsuga_slab_take(&stream->record->io->slab, &slot);
    if (deadline == NULL)
        return -ENOBUFS;
    *deadline = (struct tsuga_deadline){.alarm.ring = ring_period, .record = stream->record};
    extra->deadline_slot = slot + 1;
    stream->from.period_ns = op->timeout_ns;
    return 0;
}

/* Preparing. */

/* A sizer of the stream's own, as configured. */
static int make_sizer(struct tsuga_stream *stream)
{
    const struct tsuga_config *config = &executor_of(stream)->shared->config;
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_sizer *sizer;
    uint32_t slot;

    stream->class = class_of(config->receive.sizer_min);
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
        stream->class = class_of(op->bytes);
        return 0;
    }
    if (op->sizer == NULL)
        return make_sizer(stream);
    stream->by.sizer = op->sizer;
    stream->class = class_of(op->sizer->next(op->sizer));
    return 0;
}

static int prepare_input(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    struct tsuga_buffers *buffers = NULL;
    int error = 0;

    if (op->lease.value != 0 || op->into != NULL || op->pool != NULL ||
        (op->flags & MSG_WAITALL) != 0)
        return -EINVAL;
    if (op->group.value != 0)
        error = tsuga_io_find_group(stream->record->io, op->group, &buffers);
    else
        error = prepare_sizes(stream, op);
    if (error != 0)
        return error;
    stream->from.buffers = buffers;
    if (buffers != NULL)
        buffers->user_count++;
    stream->flags = stream->record->kind == TSUGA_OP_RECV ? op->flags : 0;
    return 0;
}

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
        return prepare_input(stream, op);
    case TSUGA_OP_TIMEOUT:
        return prepare_period(stream, op);
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
    if (!is_wanted(record))
        return;
    tsuga_stream_of(record)->number = 1;
    announce(tsuga_stream_of(record));
}

void tsuga_stream_finish(struct tsuga_record *record, int32_t result)
{
    end(tsuga_stream_of(record), result);
}

void tsuga_stream_begin(struct tsuga_record *record)
{
    if (record->kind == TSUGA_OP_TIMEOUT)
        start_period(tsuga_stream_of(record));
    else
        go_on(tsuga_stream_of(record));
}

void tsuga_stream_free(struct tsuga_record *record)
{
    struct tsuga_extra *extra = tsuga_record_extra(record);
    struct tsuga_slab *slab = &record->io->slab;

    leave_group(extra->into);
    if (takes_buffers(extra->into) && extra->argument.sizer_slot != 0)
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
            is_over(stream));
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
        disarm(tsuga_stream_of(record));
}

/* Taking. */

/* The sizer hears what a receive brought, and may want another size from now on. */
static void learn(struct tsuga_stream *stream, size_t asked, size_t got)
{
    struct tsuga_sizer *sizer = stream->by.sizer;

    if (sizer == NULL || stream->state == TSUGA_STREAM_ENDED)
        return;
    if (sizer->heard != NULL)
        sizer->heard(sizer, asked, got);
    stream->class = class_of(sizer->next(sizer));
    if (stream->from.buffers == NULL || stream->from.buffers->owner != NULL ||
        tsuga_receive_group(executor_of(stream), (size_t)1 << stream->class) ==
            stream->from.buffers)
        return;
    stream->is_moving = true;
    disarm(stream);
}

static void take_input(struct tsuga_stream *stream, struct tsuga_completion *completion)
{
    struct tsuga_io *io = stream->record->io;
    struct tsuga_lease_entry *entry = NULL;

    if (stream->number > 0) {
        stream->number--;
    } else {
        entry = pop_buffer(stream);
        completion->result = (int32_t)entry->bytes;
        completion->bytes = entry->bytes;
        completion->data = entry->block;
        completion->lease = tsuga_leases_handle(&io->executor->leases, entry);
    }
    io->piece.buffer.lease = entry;
    learn(stream, entry != NULL ? entry->capacity_bytes : 0, completion->bytes);
}

static void take_one(struct tsuga_stream *stream, struct tsuga_completion *completion)
{
    switch (stream->record->kind) {
    case TSUGA_OP_ACCEPT:
        completion->result = pop_descriptor(stream);
        return;
    case TSUGA_OP_POLL:
        completion->result = take_events(stream);
        return;
    case TSUGA_OP_SEND:
        completion->result = stream->record->result;
        stream->number = 0;
        return;
    case TSUGA_OP_TIMEOUT:
        completion->result =
            stream->waiting.count > INT32_MAX ? INT32_MAX : (int32_t)stream->waiting.count;
        stream->waiting.count -= (uint64_t)completion->result;
        return;
    default:
        take_input(stream, completion);
        return;
    }
}

struct tsuga_message *tsuga_stream_open(struct tsuga_record *record)
{
    struct tsuga_stream *stream = tsuga_stream_of(record);
    struct tsuga_io *io = record->io;
    struct tsuga_completion *completion = &io->completion;

    record->flags &= ~(uint32_t)TSUGA_RECORD_QUEUED;
    *completion = (struct tsuga_completion){
        .op = tsuga_record_token(record),
        .tag = record->message.tag,
        .context = tsuga_record_extra(record)->context,
        .zero_copy = (record->flags & TSUGA_RECORD_ZERO_COPY) != 0,
        .copied = (record->flags & TSUGA_RECORD_COPIED) != 0,
    };
    if (!has_waiting(stream)) {
        TSUGA_ASSERT(record->state == TSUGA_RECORD_DONE);
        record->state = TSUGA_RECORD_TAKEN;
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
    if (has_waiting(stream) || record->state == TSUGA_RECORD_DONE)
        announce(stream);
    return &io->piece.message;
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
    if ((record->flags & TSUGA_RECORD_MULTI) == 0)
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
        stop_period(stream);
    } else if (stream->state == TSUGA_STREAM_ARMED) {
        disarm(stream);
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
        start_period(stream);
    else if (stream->state == TSUGA_STREAM_RESTING)
        go_on(stream);
    return 0;
}
