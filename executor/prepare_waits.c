/* From waiting for a time, a word or a child to a request. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "executor/prepare.h"

#define RING_ABSOLUTE 1u /* see TSUGA_RING_TIMEOUT */

int tsuga_prepare_timeout(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error = tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    extra->argument.time =
        (struct __kernel_timespec){.tv_sec = (long long)(op->timeout_ns / TSUGA_NS_PER_S),
                                   .tv_nsec = (long long)(op->timeout_ns % TSUGA_NS_PER_S)};
    request->address = &extra->argument.time;
    request->flags = (op->options & TSUGA_OP_ABSOLUTE) != 0 ? RING_ABSOLUTE : 0;
    return 0;
}

int tsuga_prepare_update(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    struct tsuga_record *target;
    int error = tsuga_record_find(record->io, op->target, &target);

    if (error == 0 && target->kind != TSUGA_OP_TIMEOUT)
        error = -EINVAL;
    if (error == 0)
        error = tsuga_prepare_timeout(record, op, request);
    if (error != 0)
        return error;
    if (target->state != TSUGA_RECORD_INFLIGHT)
        return -ENOENT;
    if (!tsuga_record_hold(target))
        return -EALREADY;
    tsuga_record_extra(record)->argument.target = (uint64_t)(uintptr_t)target;
    request->offset = (uint64_t)(uintptr_t)target;
    return 0;
}

static bool is_supported(const struct tsuga_record *record,
                         const struct tsuga_ring_request *request)
{
    const struct tsuga_ring *ring = record->io->executor->ring;

    return ring->ops->supports(ring, (enum tsuga_ring_kind)request->kind);
}

int tsuga_prepare_futex(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    if (!is_supported(record, request))
        return -EOPNOTSUPP;
    if (op->lease_offset % sizeof(uint32_t) != 0 || op->offset > UINT32_MAX)
        return -EINVAL;
    request->fd = -1;
    request->number2 = op->offset;
    request->offset = op->mode != 0 ? op->mode : UINT32_MAX;
    return tsuga_prepare_lease(record, op, sizeof(uint32_t), request);
}

int tsuga_prepare_waitid(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error;

    if (!is_supported(record, request))
        return -EOPNOTSUPP;
    request->length = op->mode;
    request->flags = op->flags;
    if (op->into != NULL) {
        error = tsuga_record_extend(record, &extra);
        if (error == 0)
            error = tsuga_ioheap_alloc(&record->io->heap, sizeof(siginfo_t), &extra->block);
        if (error != 0)
            return error;
        memset(extra->block, 0, sizeof(siginfo_t));
        extra->into = op->into;
        extra->into_bytes = sizeof(siginfo_t);
        request->address2 = extra->block;
    }
    return op->mode == P_PIDFD ? tsuga_prepare_descriptor(record, op->fd) : 0;
}
