/* From an entry that the runtime does not know to a request. */
#include <errno.h>
#include <limits.h>

#include "executor/prepare.h"
#include "executor/streams.h"

/* Operations of io_uring that would act behind the runtime's back, by their numbers, which are the
 * kernel's for ever: descriptors are closed by their owner's close; user_data names the records of
 * any actor; buffers that are lent to the ring stay the kernel's after the last completion; and a
 * message to a ring would arrive as the completion of nothing. */
static bool is_forbidden(uint8_t opcode)
{
    static const uint8_t forbidden[] = {
        7,  /* POLL_REMOVE */
        12, /* TIMEOUT_REMOVE */
        14, /* ASYNC_CANCEL */
        15, /* LINK_TIMEOUT */
        19, /* CLOSE */
        20, /* FILES_UPDATE */
        31, /* PROVIDE_BUFFERS */
        32, /* REMOVE_BUFFERS */
        40, /* MSG_RING */
    };

    for (size_t i = 0; i < sizeof(forbidden); i++) {
        if (forbidden[i] == opcode)
            return true;
    }
    return false;
}

/* Makes an offset in the lease an address. */
static int place(const struct tsuga_record *record, size_t bytes, uint64_t *offset)
{
    const struct tsuga_lease_entry *lease;

    if ((record->flags & TSUGA_RECORD_LEASE) == 0)
        return -EINVAL;
    lease = record->buffer.lease;
    if (*offset > lease->capacity_bytes || bytes > lease->capacity_bytes - *offset)
        return -EINVAL;
    *offset += (uintptr_t)lease->block;
    return 0;
}

static int place_all(const struct tsuga_record *record, size_t bytes, struct tsuga_raw *raw)
{
    int error = 0;

    if ((raw->uses & TSUGA_RAW_ADDR) != 0)
        error = place(record, bytes, &raw->addr);
    if (error == 0 && (raw->uses & TSUGA_RAW_ADDR2) != 0)
        error = place(record, bytes, &raw->addr2);
    if (error == 0 && (raw->uses & TSUGA_RAW_ADDR3) != 0)
        error = place(record, bytes, &raw->addr3);
    return error;
}

int tsuga_prepare_raw(struct tsuga_record *record, const struct tsuga_op *op,
                      struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error = 0;

    if (op->raw == NULL || is_forbidden(op->raw->opcode))
        return -EINVAL;
    if (op->lease.value != 0)
        error = tsuga_prepare_lease(record, op, 0, request);
    if (error == 0)
        error = tsuga_record_extend(record, &extra);
    if (error == 0)
        error = tsuga_prepare_copy(record, op->raw, sizeof(*op->raw), &extra->block);
    if (error == 0)
        error = place_all(record, op->bytes, extra->block);
    if (error != 0)
        return error;
    if (op->lease.value != 0) {
        request->address2 = record->buffer.lease->block;
        request->length = record->buffer.lease->capacity_bytes;
    }
    request->address = extra->block;
    if ((op->raw->uses & TSUGA_RAW_NEW_FD) != 0)
        record->flags |= TSUGA_RECORD_BRINGS_FD;
    if ((op->options & TSUGA_OP_MULTI) != 0)
        error = tsuga_stream_attach_raw(record);
    if (error != 0)
        return error;
    return (op->raw->uses & TSUGA_RAW_FD) != 0 ? tsuga_prepare_descriptor(record, op->raw->fd) : 0;
}
