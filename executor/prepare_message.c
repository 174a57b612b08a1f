/* Messages: operations that need an envelope beside their bytes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "executor/envelope.h"
#include "executor/executor.h"
#include "executor/prepare.h"

/* How large the parts of the user's message are. What has no address has no length, as to the
 * kernel. */
static int measure(const struct tsuga_op *op, struct msghdr *shape)
{
    const struct msghdr *theirs = op->data;
    bool has_lease = op->lease.value != 0;

    if (theirs == NULL || theirs->msg_iovlen > TSUGA_VECTORS_MAX)
        return -EINVAL;
    if (theirs->msg_iovlen > 0 && (has_lease || theirs->msg_iov == NULL))
        return -EINVAL;
    *shape = (struct msghdr){
        .msg_namelen = theirs->msg_name != NULL ? theirs->msg_namelen : 0,
        .msg_iovlen = has_lease ? 1 : theirs->msg_iovlen,
        .msg_controllen = theirs->msg_control != NULL ? theirs->msg_controllen : 0,
    };
    if (shape->msg_namelen > TSUGA_ADDRESS_MAX)
        return -EINVAL;
    return shape->msg_controllen > TSUGA_CONTROL_MAX ? -EMSGSIZE : 0;
}

/* Copies what is not the message's bytes. */
static void copy_labels(struct tsuga_record *record, const struct msghdr *theirs,
                        const struct msghdr *ours)
{
    if (ours->msg_namelen > 0)
        memcpy(ours->msg_name, theirs->msg_name, ours->msg_namelen);
    if (ours->msg_controllen > 0)
        memcpy(ours->msg_control, theirs->msg_control, ours->msg_controllen);
    tsuga_count(&record->io->executor->counters.copied_bytes,
                ours->msg_namelen + ours->msg_controllen);
}

static int copy_vectors(struct tsuga_record *record, const struct iovec *theirs,
                        struct tsuga_envelope *envelope)
{
    struct iovec *ours = envelope->header.msg_iov;
    int error = 0;

    envelope->block_count = (uint32_t)envelope->header.msg_iovlen;
    for (uint32_t i = 0; i < envelope->block_count && error == 0; i++) {
        if (theirs[i].iov_len == 0)
            continue;
        if (theirs[i].iov_base == NULL)
            return -EINVAL;
        error =
            tsuga_prepare_copy(record, theirs[i].iov_base, theirs[i].iov_len, &ours[i].iov_base);
        ours[i].iov_len = theirs[i].iov_len;
    }
    return error;
}

/* The bytes of a message, copied or in a lease. */
static int prepare_bytes(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_envelope *envelope)
{
    const struct msghdr *theirs = op->data;
    struct tsuga_ring_request lease = {0};
    int error;

    if (op->lease.value == 0)
        return copy_vectors(record, theirs->msg_iov, envelope);
    error = tsuga_prepare_lease(record, op, op->bytes, &lease);
    envelope->header.msg_iov[0] = (struct iovec){lease.address, lease.length};
    return error;
}

int tsuga_prepare_sendmsg(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    struct tsuga_envelope *envelope;
    struct msghdr shape;
    int error = measure(op, &shape);

    if (error == 0)
        error = tsuga_envelope_make(record, &shape, &envelope);
    if (error != 0)
        return error;
    copy_labels(record, op->data, &envelope->header);
    error = prepare_bytes(record, op, envelope);
    if (error == 0)
        error = tsuga_envelope_take_up(record);
    if (error != 0)
        return error;
    request->address = &envelope->header;
    request->length = 1;
    request->flags = op->flags | MSG_NOSIGNAL;
    /* Kernels of before mid-2023 send ancillary data again with each part of the bytes. */
    if ((op->options & TSUGA_OP_SOME) == 0 && shape.msg_controllen == 0)
        request->flags |= MSG_WAITALL;
    return 0;
}

int tsuga_prepare_recvmsg(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    const struct msghdr shape = {
        .msg_namelen = TSUGA_ADDRESS_MAX, .msg_iovlen = 1, .msg_controllen = op->control_bytes};
    struct tsuga_envelope *envelope;
    int error = op->control_bytes > TSUGA_CONTROL_MAX ? -EMSGSIZE : 0;

    if (error == 0)
        error = tsuga_prepare_input(record, op, request);
    if (error == 0)
        error = tsuga_envelope_make(record, &shape, &envelope);
    if (error != 0)
        return error;
    tsuga_record_extra(record)->into_bytes = op->bytes;
    envelope->header.msg_iov[0] = (struct iovec){request->address, op->bytes};
    request->address = &envelope->header;
    request->length = 1;
    request->flags = op->flags | MSG_CMSG_CLOEXEC;
    /* Kernels of before mid-2023 go on after a part and forget the ancillary data that came with
     * it, the descriptors among it included. */
    if (op->control_bytes > 0)
        request->flags &= ~(uint32_t)MSG_WAITALL;
    return 0;
}

int tsuga_prepare_peer(struct tsuga_record *record, struct tsuga_ring_request *request)
{
    const struct msghdr shape = {.msg_namelen = TSUGA_ADDRESS_MAX};
    struct tsuga_envelope *envelope;
    int error = tsuga_envelope_make(record, &shape, &envelope);

    if (error != 0)
        return error;
    request->address = envelope->header.msg_name;
    request->address2 = &envelope->header.msg_namelen;
    return 0;
}
