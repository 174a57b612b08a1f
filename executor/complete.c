/* From a result to a message: what happens to an operation when the kernel has spoken. */
#include <errno.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/uio.h>

#include "executor/chain.h"
#include "executor/envelope.h"
#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "executor/turn.h"
#include "runtime/base/assert.h"
#include "runtime/base/sanitize.h"

/* How long after a cancel that missed the next one is tried. */
#define CANCEL_AGAIN_NS (10 * TSUGA_NS_PER_MS)

/* A new descriptor belongs to the actor; nobody's is closed. */
static void own_descriptor(struct tsuga_record *record, bool is_wanted)
{
    struct tsuga_io *io = record->io;
    struct tsuga_executor *executor = io->executor;
    int fd = record->result;

    if (fd < 0)
        return;
    if (is_wanted) {
        int error = tsuga_descriptors_claim(&executor->shared->descriptors, io, fd);

        if (error == 0)
            return;
        record->result = error;
    }
    tsuga_executor_close(executor, fd);
}

static void disarm(struct tsuga_record *record)
{
    struct tsuga_extra *extra = tsuga_record_extra(record);
    struct tsuga_io *io = record->io;
    struct tsuga_deadline *deadline;

    if (extra == NULL || extra->deadline_slot == 0)
        return;
    deadline = tsuga_slab_at(&io->slab, extra->deadline_slot - 1);
    (void)tsuga_timers_cancel(&io->executor->timers, &deadline->alarm.timer);
    tsuga_slab_give(&io->slab, extra->deadline_slot - 1);
    extra->deadline_slot = 0;
}

static void start_waiting_close(struct tsuga_descriptor *entry)
{
    struct tsuga_record *closer = entry->closer;

    entry->closer = NULL;
    tsuga_record_start_close(closer);
}

void tsuga_record_leave(struct tsuga_io *io, int fd)
{
    struct tsuga_descriptor *entry = tsuga_descriptors_at(&io->executor->shared->descriptors, fd);

    TSUGA_VERIFY(entry->in_use > 0); /* else a close could overtake an operation */
    if (--entry->in_use == 0 && entry->closer != NULL)
        start_waiting_close(entry);
}

static void leave(struct tsuga_record *record, int fd, uint32_t flag)
{
    if ((record->flags & flag) == 0)
        return;
    record->flags &= ~flag;
    tsuga_record_leave(record->io, fd);
}

static void leave_descriptors(struct tsuga_record *record)
{
    tsuga_envelope_put_down(record);
    leave(record, record->fd, TSUGA_RECORD_COUNTED);
    if ((record->flags & TSUGA_RECORD_COUNTED2) != 0)
        leave(record, tsuga_record_extra(record)->argument.fd2, TSUGA_RECORD_COUNTED2);
}

/* How many bytes have come: a result may count those that the buffer had no room for, too. */
static uint32_t received_bytes(const struct tsuga_record *record)
{
    const struct tsuga_extra *extra = tsuga_record_extra(record);
    uint32_t bytes = record->result > 0 ? (uint32_t)record->result : 0;

    if (extra != NULL && extra->into_bytes != 0 && bytes > extra->into_bytes)
        return (uint32_t)extra->into_bytes;
    return bytes;
}

/* The kernel no longer has the lease; the message has it instead, if there will be one. */
static void unpin(struct tsuga_record *record, bool is_wanted)
{
    struct tsuga_lease_entry *lease = record->buffer.lease;

    if ((record->flags & TSUGA_RECORD_LEASE) == 0)
        return;
    if ((record->flags & TSUGA_RECORD_BRINGS) != 0)
        lease->bytes = received_bytes(record);
    if (is_wanted) {
        tsuga_leases_attach(lease);
    } else {
        record->flags &= ~(uint32_t)TSUGA_RECORD_LEASE;
        record->buffer.lease = NULL;
    }
    tsuga_leases_unpin(&record->io->executor->leases, lease);
}

/* Whether the operation names another one, its target. */
static bool has_target(const struct tsuga_record *record)
{
    return record->kind == TSUGA_OP_CANCEL || record->kind == TSUGA_OP_UPDATE;
}

/* The target may be reused now: the kernel no longer looks for it. */
static void leave_target(struct tsuga_record *record)
{
    struct tsuga_extra *extra = tsuga_record_extra(record);

    if (!has_target(record) || extra == NULL || extra->argument.target == 0)
        return;
    tsuga_record_unhold((struct tsuga_record *)(uintptr_t)extra->argument.target);
    extra->argument.target = 0;
}

void tsuga_record_disclaim(struct tsuga_record *record)
{
    disarm(record);
    leave_descriptors(record);
    leave_target(record);
}

/* AddressSanitizer does not see the kernel's writes: memory that was given away while the kernel
 * still had it is found here. */
static void check_buffer(const struct tsuga_record *record)
{
    const struct tsuga_lease_entry *lease = record->buffer.lease;
    const struct tsuga_extra *extra = tsuga_record_extra(record);

    if (extra != NULL && extra->block != NULL)
        TSUGA_VERIFY(!tsuga_sanitize_is_poisoned(extra->block, 1));
    if (record->buffer.block == NULL)
        return;
    if ((record->flags & TSUGA_RECORD_LEASE) != 0)
        TSUGA_VERIFY(!tsuga_sanitize_is_poisoned(lease->block, lease->capacity_bytes));
    else
        TSUGA_VERIFY(!tsuga_sanitize_is_poisoned(record->buffer.block, 1));
}

/* What hangs on the record besides the result: checked, counted out, given back. */
static void detach(struct tsuga_record *record, bool is_wanted)
{
    leave_descriptors(record);
    if ((record->flags & TSUGA_RECORD_BRINGS_FD) != 0)
        own_descriptor(record, is_wanted);
    tsuga_envelope_arrive(record, is_wanted);
    unpin(record, is_wanted);
    leave_target(record);
}

/* Whether the target goes on. */
static bool has_missed(const struct tsuga_record *record)
{
    const struct tsuga_extra *extra = tsuga_record_extra(record);
    const struct tsuga_record *target = (void *)(uintptr_t)extra->argument.target;

    return target->state == TSUGA_RECORD_INFLIGHT;
}

/* What the user is told. */
static int32_t meaning_of(const struct tsuga_record *record, int32_t result)
{
    const unsigned reasons = TSUGA_RECORD_EXPIRED | TSUGA_RECORD_UNSTARTED;

    if ((record->flags & reasons) == TSUGA_RECORD_EXPIRED && result == -ECANCELED)
        return -ETIMEDOUT;
    if (record->kind == TSUGA_OP_TIMEOUT && result == -ETIME)
        return 0;
    /* A stream ends when its request does, though the kernel may have forgotten that already. */
    if ((record->flags & TSUGA_RECORD_OF_STREAM) != 0 && result == -ENOENT)
        return 0;
    /* The kernel does not find what one of its workers is just taking up, nor a timeout whose time
     * is over; it has not ended. */
    if (has_target(record) && result == -ENOENT && has_missed(record))
        return -EALREADY;
    /* Of futexes and children the kernel tells how many were cancelled (6.18: 1), of others 0. */
    if (record->kind == TSUGA_OP_CANCEL && result > 0)
        return 0;
    return result;
}

/* Nobody is told of a raw entry's earlier results; a descriptor among them would stay open. */
static void close_unheard(const struct tsuga_record *record, int32_t result)
{
    if (record->kind == TSUGA_OP_RAW && (record->flags & TSUGA_RECORD_BRINGS_FD) != 0 &&
        result >= 0)
        tsuga_executor_close(record->io->executor, result);
}

/* Without any of these a result means what it says. */
#define TELLING_FLAGS                                                                              \
    ((uint32_t)(TSUGA_RECORD_EXTRA | TSUGA_RECORD_EXPIRED | TSUGA_RECORD_CHAINED |                 \
                TSUGA_RECORD_UNSTARTED | TSUGA_RECORD_OF_STREAM))

/* What the flags tell of ends before the result is told. */
static int32_t tell(struct tsuga_record *record, int32_t result)
{
    disarm(record);
    if ((record->flags & TSUGA_RECORD_CHAINED) != 0)
        tsuga_chain_end_member(record, result);
    return meaning_of(record, result);
}

static inline void count_out(struct tsuga_record *record, int32_t result)
{
    struct tsuga_io *io = record->io;

    record->result = result;
    record->state = TSUGA_RECORD_DONE;
    io->executor->ops_inflight--;
    io->inflight--;
}

/* Apart, so that plain operations do not pay for its frame. */
__attribute__((noinline)) static void end_flagged(struct tsuga_record *record, int32_t result,
                                                  bool is_wanted)
{
    if ((record->flags & TELLING_FLAGS) != 0)
        result = tell(record, result);
    count_out(record, result);
    detach(record, is_wanted);
}

static inline bool end(struct tsuga_record *record, int32_t result)
{
    bool is_wanted = tsuga_record_is_wanted(record);

    tsuga_count(&record->io->executor->counters.ops_completions, 1);
    check_buffer(record);
    /* With no flag set nothing hangs on it, and the result means what it says. */
    if (record->flags == 0)
        count_out(record, result);
    else
        end_flagged(record, result, is_wanted);
    return is_wanted;
}

bool tsuga_record_end(struct tsuga_record *record, int32_t result)
{
    return end(record, result);
}

void tsuga_record_complete(struct tsuga_record *record, int32_t result, bool has_more)
{
    struct tsuga_io *io = record->io;

    TSUGA_VERIFY(record->state == TSUGA_RECORD_INFLIGHT); /* exactly one end */
    if (has_more) {
        close_unheard(record, result);
        return; /* not the last word: nothing is released */
    }
    if (end(record, result)) {
        tsuga_mailbox_put(&io->seat->actor.mailbox, &record->message);
        tsuga_turn_wake(io->seat);
        return;
    }
    tsuga_record_give(record);
    tsuga_io_settle(io);
}

static void count_copied(struct tsuga_io *io, size_t bytes)
{
    tsuga_count(&io->executor->counters.copied_bytes, bytes);
}

/* Scatter over the user's vectors what the kernel put into ours; the tail is left alone. */
static void copy_vectors(struct tsuga_record *record, const struct tsuga_extra *extra)
{
    const struct iovec *ours = record->buffer.block;
    const struct iovec *theirs = ours + extra->into_bytes;
    size_t left = (size_t)record->result;

    for (size_t i = 0; i < extra->into_bytes && left > 0; i++) {
        size_t bytes = ours[i].iov_len < left ? ours[i].iov_len : left;

        /* An empty vector may have no address. */
        if (bytes > 0)
            memcpy(theirs[i].iov_base, ours[i].iov_base, bytes);
        left -= bytes;
    }
}

static void copy_out(struct tsuga_record *record, const struct tsuga_extra *extra)
{
    if (record->result < 0)
        return;
    if (record->kind == TSUGA_OP_READV) {
        copy_vectors(record, extra);
        count_copied(record->io, (size_t)record->result);
    } else if (record->kind == TSUGA_OP_STATX || record->kind == TSUGA_OP_WAITID) {
        if (extra->into != NULL)
            memcpy(extra->into, extra->block, extra->into_bytes);
    } else if (extra->into != NULL && (record->flags & TSUGA_RECORD_LEASE) == 0) {
        size_t bytes = received_bytes(record);

        memcpy(extra->into, record->buffer.block, bytes);
        count_copied(record->io, bytes);
    }
}

static void tell_sizer(const struct tsuga_record *record, const struct tsuga_extra *extra)
{
    struct tsuga_sizer *sizer = extra->argument.sized.sizer;

    if ((record->kind != TSUGA_OP_READ && record->kind != TSUGA_OP_RECV) || sizer == NULL)
        return;
    sizer->is_all = false;
    if (sizer->heard != NULL && record->result >= 0)
        sizer->heard(sizer, extra->argument.sized.asked, (size_t)record->result);
}

/* What the record's flags tell of, and what hangs on it. */
__attribute__((noinline)) static void open_rest(struct tsuga_record *record,
                                                struct tsuga_completion *completion)
{
    struct tsuga_extra *extra = tsuga_record_extra(record);

    completion->started = (record->flags & TSUGA_RECORD_UNSTARTED) == 0;
    completion->expired = (record->flags & TSUGA_RECORD_EXPIRED) != 0;
    completion->zero_copy = (record->flags & TSUGA_RECORD_ZERO_COPY) != 0;
    completion->copied = (record->flags & TSUGA_RECORD_COPIED) != 0;
    if (extra != NULL) {
        completion->context = extra->context;
        copy_out(record, extra);
        tell_sizer(record, extra);
        completion->peer = tsuga_envelope_open(record);
    }
    if ((record->flags & TSUGA_RECORD_LEASE) == 0)
        return;
    completion->lease = tsuga_leases_handle(&record->io->executor->leases, record->buffer.lease);
    if ((record->flags & TSUGA_RECORD_READS) == 0 || record->result < 0)
        return;
    completion->data =
        extra != NULL && extra->into != NULL ? extra->into : record->buffer.lease->block;
    completion->bytes = received_bytes(record);
}

struct tsuga_message *tsuga_record_open(struct tsuga_record *record)
{
    struct tsuga_completion *completion = &record->io->completion;

    if ((record->flags & TSUGA_RECORD_MULTI) != 0)
        return tsuga_stream_open(record);
    TSUGA_ASSERT(record->state == TSUGA_RECORD_DONE);
    record->state = TSUGA_RECORD_TAKEN;
    *completion = (struct tsuga_completion){
        .op = tsuga_record_token(record),
        .result = record->result,
        .last = true,
        .started = true,
        .tag = record->message.tag,
        .context = record->more.context,
    };
    if (record->flags != 0)
        open_rest(record, completion);
    return &record->message;
}

void tsuga_record_cancel(struct tsuga_record *record)
{
    struct tsuga_io *io = record->io;
    struct tsuga_ring_request request = {.kind = TSUGA_RING_CANCEL,
                                         .user_data =
                                             (uint64_t)(uintptr_t)record | TSUGA_RESULT_CANCEL,
                                         .offset = (uint64_t)(uintptr_t)record};

    if (record->state != TSUGA_RECORD_INFLIGHT)
        return;
    record->flags |= TSUGA_RECORD_UNWANTED;
    if ((record->flags & TSUGA_RECORD_SENT) != 0)
        return;
    if ((record->flags & TSUGA_RECORD_MULTI) != 0 && tsuga_stream_end_idle(record))
        return;
    if (!tsuga_chain_has_reached(record) || !tsuga_record_hold(record))
        return;
    if ((record->flags & TSUGA_RECORD_JOB) != 0) {
        (void)tsuga_job_cancel(record);
        tsuga_record_unhold(record);
        return;
    }
    io->inflight++;
    tsuga_executor_request(io->executor, &request);
}

static void ring_again(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_io *io = TSUGA_CONTAINER_OF(alarm, struct tsuga_io, again);

    (void)executor;
    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record == NULL)
            continue;
        if ((record->flags & TSUGA_RECORD_UNWANTED) != 0)
            tsuga_record_cancel(record);
        else if ((record->flags & TSUGA_RECORD_MULTI) != 0)
            tsuga_stream_disarm_again(record);
    }
}

/* A cancel finds nothing while a worker of the kernel takes the operation up, and the operation
 * goes on: one that waits for a peer would never end. */
void tsuga_io_cancel_again(struct tsuga_io *io)
{
    struct tsuga_executor *executor = io->executor;
    struct tsuga_timers *timers = &executor->timers;

    (void)tsuga_timers_cancel(timers, &io->again.timer);
    io->again.ring = ring_again;
    tsuga_timers_arm(timers, &io->again.timer, tsuga_executor_now_ns(executor) + CANCEL_AGAIN_NS);
}

void tsuga_record_end_cancel(struct tsuga_record *target, int32_t result)
{
    struct tsuga_io *io = target->io;
    bool has_missed = result < 0 && target->state == TSUGA_RECORD_INFLIGHT;

    if (target->state == TSUGA_RECORD_INFLIGHT && (target->flags & TSUGA_RECORD_MULTI) != 0)
        has_missed &= tsuga_stream_end_disarm(target);
    io->inflight--;
    tsuga_record_unhold(target);
    if (has_missed && (target->flags & TSUGA_RECORD_SENT) == 0)
        tsuga_io_cancel_again(io);
    tsuga_io_settle(io);
}
