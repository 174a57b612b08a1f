#include "executor/chain.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "executor/executor.h"
#include "runtime/base/assert.h"

static size_t chain_bytes(size_t count)
{
    return sizeof(struct tsuga_chain) + count * sizeof(struct tsuga_chain_member);
}

static void free_chain(struct tsuga_chain *chain)
{
    struct tsuga_executor *executor = chain->io->executor;

    (void)tsuga_timers_cancel(&executor->timers, &chain->alarm.timer);
    tsuga_memory_free(executor->shared->memory, chain, chain_bytes(chain->count));
}

static uint64_t sum_of(const struct iovec *vectors, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += vectors[i].iov_len;
    return bytes;
}

/* The least result with which the kernel takes a request for a success. */
static uint64_t full_result(const struct tsuga_ring_request *request)
{
    bool is_all = (request->flags & MSG_WAITALL) != 0;
    const struct msghdr *message = request->address;

    switch ((enum tsuga_ring_kind)request->kind) {
    case TSUGA_RING_READ:
    case TSUGA_RING_WRITE:
    case TSUGA_RING_READ_FIXED:
    case TSUGA_RING_WRITE_FIXED:
    case TSUGA_RING_SPLICE:
    case TSUGA_RING_TEE:
        return request->length;
    case TSUGA_RING_READV:
    case TSUGA_RING_WRITEV:
    case TSUGA_RING_READV_FIXED:
    case TSUGA_RING_WRITEV_FIXED:
        return sum_of(request->address, request->length);
    case TSUGA_RING_RECV:
    case TSUGA_RING_SEND:
        return is_all ? request->length : 0;
    case TSUGA_RING_RECVMSG:
    case TSUGA_RING_SENDMSG:
        return is_all ? sum_of(message->msg_iov, message->msg_iovlen) : 0;
    default:
        return 0;
    }
}

/* Whether the kernel cancels what follows. */
static bool breaks_link(const struct tsuga_ring_request *request, int32_t result)
{
    if ((request->options & TSUGA_RING_HARD) != 0)
        return false;
    if (request->kind == TSUGA_RING_TIMEOUT && result == -ETIME)
        return false; /* it has run out, as it was to */
    return result < 0 || (uint32_t)result < full_result(request);
}

static uint32_t index_of(const struct tsuga_chain *chain, const struct tsuga_record *record)
{
    uint32_t index = chain->first;

    while (chain->members[index].record != record) {
        index++;
        TSUGA_VERIFY(index < chain->count); /* else a record that is gone would be written to */
    }
    return index;
}

/* Whether a member whose result is -ECANCELED had begun: then somebody has asked for its end, and
 * the one before it has ended and let it begin. */
static bool had_begun(const struct tsuga_chain *chain, uint32_t index,
                      const struct tsuga_record *record)
{
    if ((record->flags & (TSUGA_RECORD_UNWANTED | TSUGA_RECORD_NAMED)) == 0)
        return false;
    return index < chain->begin_count && index == chain->first;
}

static void stop_before(struct tsuga_chain *chain, uint32_t index)
{
    if (index < chain->begin_count)
        chain->begin_count = index;
}

static void judge(struct tsuga_chain *chain, uint32_t index, struct tsuga_record *record,
                  int32_t result)
{
    if (result == -ECANCELED && !had_begun(chain, index, record)) {
        record->flags |= TSUGA_RECORD_UNSTARTED;
        stop_before(chain, index);
    } else if (breaks_link(&chain->members[index].request, result)) {
        stop_before(chain, index + 1);
    }
}

void tsuga_chain_end_member(struct tsuga_record *record, int32_t result)
{
    struct tsuga_chain *chain = tsuga_chain_of(record);
    uint32_t index = index_of(chain, record);
    struct tsuga_record *next;

    judge(chain, index, record, result);
    record->flags &= ~(uint32_t)TSUGA_RECORD_CHAINED;
    chain->members[index].record = NULL;
    if (--chain->left_count == 0) {
        free_chain(chain);
        return;
    }
    if (index != chain->first)
        return;
    while (chain->members[chain->first].record == NULL)
        chain->first++;
    next = chain->members[chain->first].record;
    /* A cancel that came too early for it, or the end of the actor, catches it now. */
    if ((next->flags & TSUGA_RECORD_UNWANTED) != 0 && chain->first < chain->begin_count)
        tsuga_record_cancel(next);
}

void tsuga_chain_sever(const struct tsuga_record *record)
{
    struct tsuga_chain *chain = tsuga_chain_of(record);

    stop_before(chain, index_of(chain, record));
}

/* The time limit of the whole: whatever has not ended shall end, in order. */
static void ring_limit(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_chain *chain = TSUGA_CONTAINER_OF(alarm, struct tsuga_chain, alarm);

    (void)executor;
    for (uint32_t i = chain->first; i < chain->count; i++) {
        if (chain->members[i].record != NULL)
            chain->members[i].record->flags |= TSUGA_RECORD_EXPIRED | TSUGA_RECORD_UNWANTED;
    }
    tsuga_record_cancel(chain->members[chain->first].record);
}

static void arm(struct tsuga_chain *chain, uint64_t timeout_ns)
{
    struct tsuga_executor *executor = chain->io->executor;
    uint64_t now_ns = tsuga_clock_now_ns(&executor->shared->clock);

    chain->alarm.ring = ring_limit;
    if (timeout_ns != 0 && timeout_ns <= TSUGA_FOREVER - 1 - now_ns)
        tsuga_timers_arm(&executor->timers, &chain->alarm.timer, now_ns + timeout_ns);
}

/* What the ring itself carries out, in order, and what may be cancelled half-way. */
static bool is_chainable(const struct tsuga_executor *executor, enum tsuga_op_kind kind)
{
    if ((unsigned)kind >= TSUGA_OP_KIND_COUNT || kind == TSUGA_OP_CLOSE ||
        kind == TSUGA_OP_CANCEL || tsuga_job_is_needed(executor->ring, kind))
        return false;
    if (kind != TSUGA_OP_BIND && kind != TSUGA_OP_LISTEN)
        return true;
    return executor->ring->ops->supports(executor->ring, kind == TSUGA_OP_BIND ? TSUGA_RING_BIND
                                                                               : TSUGA_RING_LISTEN);
}

static int check_chain(const struct tsuga_executor *executor, const struct tsuga_op *ops,
                       size_t count)
{
    if (ops == NULL || count == 0)
        return -EINVAL;
    if (count > executor->ring->entries || count > executor->ops_max)
        return -E2BIG;
    for (size_t i = 0; i < count; i++) {
        if (!is_chainable(executor, ops[i].kind) || (ops[i].options & TSUGA_OP_MULTI) != 0)
            return -EINVAL;
    }
    return 0;
}

static int prepare_members(struct tsuga_chain *chain, const struct tsuga_op *ops)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        struct tsuga_chain_member *member = &chain->members[i];
        struct tsuga_op op = ops[i];
        int error;

        /* A send that falls back to a plain one would have broken the chain by then. */
        op.options |= TSUGA_OP_COPY;
        error = tsuga_record_make(chain->io, &op, &member->request, &member->record);
        if (error != 0) {
            while (i-- > 0)
                tsuga_record_abort(chain->members[i].record);
            return error;
        }
        if (i + 1 < chain->count)
            member->request.options |=
                TSUGA_RING_LINK | ((ops[i].options & TSUGA_OP_HARD) != 0 ? TSUGA_RING_HARD : 0);
    }
    return 0;
}

/* All of them into the queue with no enter in between: a chain that is split by a submission runs
 * unlinked. There is room, see tsuga_executor_admit(). */
static void push_members(struct tsuga_chain *chain, struct tsuga_token *out)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        struct tsuga_record *record = chain->members[i].record;

        out[i] = tsuga_record_token(record);
        record->flags |= TSUGA_RECORD_CHAINED;
        record->message.next = (void *)chain;
        tsuga_record_count_in(record);
        tsuga_ring_push(chain->io->executor->ring, &chain->members[i].request);
    }
}

static int make_chain(struct tsuga_io *io, const struct tsuga_op *ops, size_t count,
                      struct tsuga_chain **out)
{
    const struct tsuga_memory *memory = io->executor->shared->memory;
    struct tsuga_chain *chain = tsuga_memory_alloc(memory, chain_bytes(count));
    int error;

    if (chain == NULL)
        return -ENOMEM;
    *chain = (struct tsuga_chain){.io = io,
                                  .count = (uint32_t)count,
                                  .left_count = (uint32_t)count,
                                  .begin_count = (uint32_t)count};
    error = prepare_members(chain, ops);
    if (error != 0) {
        free_chain(chain);
        return error;
    }
    *out = chain;
    return 0;
}

int tsuga_submit_chain(struct tsuga_actor *self, const struct tsuga_op *ops, size_t count,
                       uint64_t timeout_ns, struct tsuga_token *out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_chain *chain;
    struct tsuga_io *io;
    int error = check_chain(executor, ops, count);

    if (error == 0 && tsuga_executor_is_child(executor))
        error = -ECHILD;
    if (error == 0)
        error = tsuga_io_open(seat, &io);
    if (error == 0)
        error = tsuga_executor_admit(seat, (uint32_t)count, ops[0].options);
    if (error == 0)
        error = make_chain(io, ops, count, &chain);
    if (error != 0)
        return error;
    arm(chain, timeout_ns);
    push_members(chain, out);
    return 0;
}
