/* Starting operations: from what the user asked for to a pushed request. */
#include <errno.h>
#include <sys/socket.h>

#include "executor/envelope.h"
#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "runtime/base/assert.h"

static inline void count_in(struct tsuga_io *io)
{
    io->inflight++;
    io->executor->ops_inflight++;
    tsuga_count(&io->executor->counters.ops_submitted, 1);
}

void tsuga_record_count_in(struct tsuga_record *record)
{
    count_in(record->io);
}

void tsuga_record_abort(struct tsuga_record *record)
{
    tsuga_record_disclaim(record);
    if ((record->flags & TSUGA_RECORD_LEASE) != 0) {
        tsuga_leases_unpin(&record->io->executor->leases, record->buffer.lease);
        record->flags &= ~(uint32_t)TSUGA_RECORD_LEASE;
        record->buffer.block = NULL;
    }
    tsuga_record_give(record);
}

static void ring_deadline(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_deadline *deadline = TSUGA_CONTAINER_OF(alarm, struct tsuga_deadline, alarm);

    (void)executor;
    deadline->record->flags |= TSUGA_RECORD_EXPIRED;
    tsuga_record_cancel(deadline->record);
}

/* Apart, so that operations without a time limit do not pay for its frame. */
__attribute__((noinline)) static int set_deadline(struct tsuga_record *record, uint64_t timeout_ns)
{
    struct tsuga_io *io = record->io;
    struct tsuga_executor *executor = io->executor;
    uint64_t now_ns = tsuga_clock_now_ns(&executor->shared->clock);
    struct tsuga_deadline *deadline;
    struct tsuga_extra *extra;
    uint32_t slot;
    int error = tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    if (timeout_ns > TSUGA_FOREVER - 1 - now_ns)
        return 0;
    deadline = tsuga_slab_take(&io->slab, &slot);
    if (deadline == NULL)
        return -ENOBUFS;
    *deadline = (struct tsuga_deadline){.alarm.ring = ring_deadline, .record = record};
    extra->deadline_slot = slot + 1;
    tsuga_timers_arm(&executor->timers, &deadline->alarm.timer, now_ns + timeout_ns);
    return 0;
}

/* For kernels without the operation: the plain call, which does not block. */
static int call_plainly(const struct tsuga_record *record, const struct tsuga_op *op)
{
    const struct tsuga_calls *calls = record->io->executor->shared->calls;

    if (op->kind == TSUGA_OP_LISTEN)
        return calls->listen(calls->context, op->fd, (int)op->flags);
    return calls->bind(calls->context, op->fd, record->buffer.block, (socklen_t)op->bytes);
}

static bool is_plain_call(const struct tsuga_executor *executor,
                          const struct tsuga_ring_request *request)
{
    return (request->kind == TSUGA_RING_BIND || request->kind == TSUGA_RING_LISTEN) &&
           !executor->ring->ops->supports(executor->ring, (enum tsuga_ring_kind)request->kind);
}

static int cancel_job(const struct tsuga_record *canceller)
{
    return tsuga_job_cancel(
        (struct tsuga_record *)(uintptr_t)tsuga_record_extra(canceller)->argument.target);
}

/* A stream of which the kernel has nothing just ends. */
static bool is_idle_cancel(const struct tsuga_record *record)
{
    struct tsuga_record *target;

    if (record->kind != TSUGA_OP_CANCEL)
        return false;
    target = (void *)(uintptr_t)tsuga_record_extra(record)->argument.target;
    return (target->flags & TSUGA_RECORD_MULTI) != 0 && tsuga_stream_end_idle(target);
}

static bool is_job_cancel(const struct tsuga_record *record)
{
    const struct tsuga_record *target;

    if (record->kind != TSUGA_OP_CANCEL)
        return false;
    target = (void *)(uintptr_t)tsuga_record_extra(record)->argument.target;
    return (target->flags & TSUGA_RECORD_JOB) != 0;
}

/* Kinds that somebody else than the ring may carry out; and so may streams. */
#define KIND(name) (UINT64_C(1) << TSUGA_OP_##name)
#define ELSEWHERE                                                                                  \
    (KIND(BLOCKING) | KIND(LIST) | KIND(RESOLVE) | KIND(TRUNCATE) | KIND(BIND) | KIND(LISTEN) |    \
     KIND(CANCEL))
_Static_assert(TSUGA_OP_KIND_COUNT <= 64, "a bit for each kind");

static int launch_elsewhere(struct tsuga_record *record, const struct tsuga_op *op,
                            const struct tsuga_ring_request *request)
{
    struct tsuga_executor *executor = record->io->executor;

    if (tsuga_job_is_needed(executor->ring, op->kind)) {
        struct tsuga_work work = tsuga_job_work(op, request);
        int error = tsuga_job_start(record, &work);

        if (error != 0)
            return error;
        count_in(record->io);
        return 0;
    }
    count_in(record->io);
    if ((record->flags & TSUGA_RECORD_MULTI) != 0 && !tsuga_stream_is_single(record))
        tsuga_stream_begin(record);
    else if (is_plain_call(executor, request))
        tsuga_record_complete(record, call_plainly(record, op), false);
    else if (is_job_cancel(record))
        tsuga_record_complete(record, cancel_job(record), false);
    else if (is_idle_cancel(record))
        tsuga_record_complete(record, 0, false);
    else
        tsuga_executor_request(executor, request);
    return 0;
}

/* Hands a prepared record to whoever carries it out. Errors: those of the pool. */
static int launch(struct tsuga_record *record, const struct tsuga_op *op,
                  const struct tsuga_ring_request *request)
{
    if ((ELSEWHERE >> op->kind & 1) != 0 || (record->flags & TSUGA_RECORD_MULTI) != 0)
        return launch_elsewhere(record, op, request);
    count_in(record->io);
    tsuga_executor_request(record->io->executor, request);
    return 0;
}

/* Whether the time is what the operation is about, and no limit. */
static bool is_timed_by_itself(enum tsuga_op_kind kind)
{
    return kind == TSUGA_OP_TIMEOUT || kind == TSUGA_OP_UPDATE;
}

static inline int make(struct tsuga_io *io, const struct tsuga_op *op,
                       struct tsuga_ring_request *request, struct tsuga_record **out)
{
    struct tsuga_record *record;
    int error = tsuga_record_take(io, &record);

    if (error != 0)
        return error;
    error = tsuga_record_prepare(record, op, request);
    if (error == 0 && op->timeout_ns != 0 && !is_timed_by_itself(op->kind))
        error = set_deadline(record, op->timeout_ns);
    if (error != 0) {
        tsuga_record_abort(record);
        return error;
    }
    *out = record;
    return 0;
}

int tsuga_record_make(struct tsuga_io *io, const struct tsuga_op *op,
                      struct tsuga_ring_request *request, struct tsuga_record **out)
{
    return make(io, op, request, out);
}

static inline struct tsuga_token start(struct tsuga_io *io, const struct tsuga_op *op)
{
    struct tsuga_ring_request request;
    struct tsuga_record *record;
    struct tsuga_token token;
    int error = make(io, op, &request, &record);

    if (error != 0)
        return tsuga_token_error(error);
    token = tsuga_record_token(record);
    error = launch(record, op, &request);
    if (error == 0)
        return token;
    tsuga_record_abort(record);
    return tsuga_token_error(error);
}

void tsuga_record_start_close(struct tsuga_record *record)
{
    struct tsuga_executor *executor = record->io->executor;
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_CLOSE, .fd = record->fd, .user_data = (uint64_t)(uintptr_t)record};

    record->state = TSUGA_RECORD_INFLIGHT;
    tsuga_descriptors_disown(&executor->shared->descriptors, record->io, record->fd);
    tsuga_executor_request(executor, &request);
}

void tsuga_record_drop_waiting(struct tsuga_record *record)
{
    struct tsuga_executor *executor = record->io->executor;

    tsuga_descriptors_at(&executor->shared->descriptors, record->fd)->closer = NULL;
    tsuga_count(&executor->counters.ops_completions, 1); /* the owner's end completes it */
    executor->ops_inflight--;
    record->io->inflight--;
    tsuga_record_give(record);
}

static void cancel_users(struct tsuga_io *io, int fd)
{
    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record != NULL && tsuga_record_counts(record, fd))
            tsuga_record_cancel(record);
    }
}

static struct tsuga_token start_close(struct tsuga_io *io, const struct tsuga_op *op)
{
    struct tsuga_descriptor *entry =
        tsuga_descriptors_owned(&io->executor->shared->descriptors, io, op->fd);
    struct tsuga_ring_request request;
    struct tsuga_record *record;
    struct tsuga_token token;
    int error;

    if (entry == NULL || entry->closer != NULL)
        return tsuga_token_error(-EBADF);
    error = tsuga_record_take(io, &record);
    if (error == 0)
        error = tsuga_record_prepare(record, op, &request);
    if (error != 0)
        return tsuga_token_error(error);
    record->fd = op->fd;
    token = tsuga_record_token(record);
    count_in(record->io);
    if (entry->in_use == 0) {
        tsuga_record_start_close(record);
        return token;
    }
    record->state = TSUGA_RECORD_WAITING;
    entry->closer = record;
    cancel_users(io, op->fd);
    return token;
}

struct tsuga_token tsuga_submit(struct tsuga_actor *self, const struct tsuga_op *op)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_io *io;
    int error;

    if ((unsigned)op->kind >= TSUGA_OP_KIND_COUNT)
        return tsuga_token_error(-EINVAL);
    if (tsuga_executor_is_child(tsuga_seat_home(seat)))
        return tsuga_token_error(-ECHILD);
    error = tsuga_io_open(seat, &io);
    /* Cancels and closes do not wait: what would make room may depend on them. */
    if (error == 0 && op->kind != TSUGA_OP_CANCEL && op->kind != TSUGA_OP_CLOSE)
        error = tsuga_executor_admit(seat, 1, op->options);
    if (error != 0)
        return tsuga_token_error(error);
    return op->kind == TSUGA_OP_CLOSE ? start_close(io, op) : start(io, op);
}

/* Descriptors that an operation has brought and nobody has seen. */
static void close_unwanted(struct tsuga_record *record)
{
    if ((record->flags & TSUGA_RECORD_BRINGS_FD) != 0)
        tsuga_executor_close_owned(record->io->executor, record->io, record->result);
    tsuga_envelope_refuse(record);
}

static void forget_stream(struct tsuga_actor *self, struct tsuga_record *record)
{
    record->flags |= TSUGA_RECORD_SILENT;
    if ((record->flags & TSUGA_RECORD_QUEUED) != 0)
        tsuga_mailbox_remove(&self->mailbox, &record->message);
    tsuga_stream_drop(record);
    if (record->state == TSUGA_RECORD_DONE) {
        close_unwanted(record);
        tsuga_record_give(record);
    } else if (record->kind != TSUGA_OP_SEND) { /* that has an end of its own, and goes on to it */
        tsuga_record_cancel(record);
    }
}

int tsuga_forget(struct tsuga_actor *self, struct tsuga_token op)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_record *record;
    int error = tsuga_record_find_heard(seat->io, op, &record);

    if (error != 0)
        return error;
    if ((record->flags & TSUGA_RECORD_MULTI) != 0) {
        forget_stream(self, record);
    } else if (record->state == TSUGA_RECORD_DONE) {
        tsuga_mailbox_remove(&self->mailbox, &record->message);
        close_unwanted(record);
        tsuga_record_give(record);
    } else {
        record->flags |= TSUGA_RECORD_SILENT;
    }
    return 0;
}
