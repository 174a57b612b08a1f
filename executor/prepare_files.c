/* From what is to be done to an open file to a request. */
#include <errno.h>

#include "executor/prepare.h"

/* A flag of io_uring's own beside SPLICE_F_*: there are no registered files. */
#define SPLICE_FLAG_FIXED (1u << 31)

int tsuga_prepare_range(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    (void)record;
    if (op->bytes > UINT32_MAX)
        return -EINVAL;
    request->offset = op->offset;
    request->length = (uint32_t)op->bytes;
    request->flags = op->flags;
    return 0;
}

int tsuga_prepare_allocate(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    (void)record;
    request->offset = op->offset;
    request->number = op->bytes;
    request->flags = op->flags;
    return 0;
}

int tsuga_prepare_truncate(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    (void)record;
    request->offset = op->offset;
    return 0;
}

/* The kernel looks the descriptor to read from up late, in its worker: until the end of the
 * operation both must stay what they are. */
static int prepare_move(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    int error;

    if (op->bytes > UINT32_MAX || (op->flags & SPLICE_FLAG_FIXED) != 0)
        return -EINVAL;
    request->fd = op->fd2;
    request->number2 = (uint64_t)op->fd;
    request->length = (uint32_t)op->bytes;
    request->flags = op->flags;
    error = tsuga_prepare_descriptor(record, op->fd);
    return error != 0 ? error : tsuga_prepare_descriptor2(record, op->fd2);
}

int tsuga_prepare_splice(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    request->number = (op->options & TSUGA_OP_AT) != 0 ? op->offset : TSUGA_PREPARE_POSITION;
    request->offset = (op->options & TSUGA_OP_AT2) != 0 ? op->offset2 : TSUGA_PREPARE_POSITION;
    return prepare_move(record, op, request);
}

int tsuga_prepare_tee(struct tsuga_record *record, const struct tsuga_op *op,
                      struct tsuga_ring_request *request)
{
    return prepare_move(record, op, request);
}
