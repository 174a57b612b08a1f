#include "executor/envelope.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "runtime/base/assert.h"

#define ALIGNMENT       16u
#define TSUGA_SCM_PIDFD 4 /* Linux 6.5; like SCM_RIGHTS it brings a descriptor */

/* A walk through ancillary data, which may come from a user: nothing in it is believed. */
struct walk {
    const void *control;
    size_t bytes;
    size_t at;
    int *fds; /* of the control message that was found */
    size_t fd_count;
};

static struct walk walk_of(const struct msghdr *header)
{
    return (struct walk){.control = header->msg_control, .bytes = header->msg_controllen};
}

/* The control message at the walk's place; NULL when no whole one is left. */
static const struct cmsghdr *next_message(struct walk *walk)
{
    size_t left = walk->bytes - walk->at;
    const struct cmsghdr *found;

    if (left < sizeof(*found)) /* so also without control data, whose address may be NULL */
        return NULL;
    found = (const void *)((const char *)walk->control + walk->at);
    if (found->cmsg_len < sizeof(*found) || found->cmsg_len > left)
        return NULL;
    walk->at =
        left < CMSG_ALIGN(found->cmsg_len) ? walk->bytes : walk->at + CMSG_ALIGN(found->cmsg_len);
    return found;
}

/* Goes to the next control message that brings descriptors; of `type` only, unless that is 0. */
static bool find_descriptors(struct walk *walk, int type)
{
    const struct cmsghdr *found;

    while ((found = next_message(walk)) != NULL) {
        if (found->cmsg_level != SOL_SOCKET ||
            (found->cmsg_type != SCM_RIGHTS && found->cmsg_type != TSUGA_SCM_PIDFD) ||
            (type != 0 && found->cmsg_type != type))
            continue;
        walk->fds = (int *)(void *)CMSG_DATA(found);
        walk->fd_count = (found->cmsg_len - sizeof(*found)) / sizeof(int);
        return true;
    }
    return false;
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static void *part(void *block, size_t offset, size_t bytes)
{
    return bytes > 0 ? (char *)block + offset : NULL;
}

int tsuga_envelope_make(struct tsuga_record *record, const struct msghdr *shape,
                        struct tsuga_envelope **out)
{
    size_t vectors_at = aligned(sizeof(struct tsuga_envelope));
    size_t vectors_bytes = shape->msg_iovlen * sizeof(struct iovec);
    size_t name_at = vectors_at + vectors_bytes;
    size_t control_at = name_at + aligned(shape->msg_namelen);
    size_t carried_at = control_at + aligned(shape->msg_controllen);
    /* Numbers of descriptors take no more room than the control that lists them. */
    size_t carried_bytes = record->kind == TSUGA_OP_SENDMSG ? shape->msg_controllen : 0;
    struct tsuga_envelope *envelope;
    struct tsuga_extra *extra;
    void *block;
    int error = tsuga_record_extend(record, &extra);

    if (error == 0)
        error = tsuga_ioheap_alloc(&record->io->heap, carried_at + carried_bytes, &block);
    if (error != 0)
        return error;
    extra->block = block;
    envelope = block;
    *envelope = (struct tsuga_envelope){
        .header = {.msg_name = part(block, name_at, shape->msg_namelen),
                   .msg_namelen = shape->msg_namelen,
                   .msg_iov = part(block, vectors_at, vectors_bytes),
                   .msg_iovlen = shape->msg_iovlen,
                   .msg_control = part(block, control_at, shape->msg_controllen),
                   .msg_controllen = shape->msg_controllen},
        .carried = part(block, carried_at, carried_bytes),
    };
    memset((char *)block + vectors_at, 0, vectors_bytes);
    *out = envelope;
    return 0;
}

/* Counts one more user of a descriptor, when the actor owns that. */
static int carry(struct tsuga_record *record, struct tsuga_envelope *envelope, int fd)
{
    struct tsuga_descriptor *entry =
        tsuga_descriptors_owned(&record->io->executor->shared->descriptors, record->io, fd);

    if (entry == NULL)
        return 0;
    if (entry->closer != NULL)
        return -EBADF;
    entry->in_use++;
    envelope->carried[envelope->carried_count++] = fd;
    return 0;
}

int tsuga_envelope_take_up(struct tsuga_record *record)
{
    struct tsuga_envelope *envelope = tsuga_envelope_of(record);
    struct walk walk = walk_of(&envelope->header);
    int error = 0;

    while (error == 0 && find_descriptors(&walk, SCM_RIGHTS)) {
        for (size_t i = 0; i < walk.fd_count && error == 0; i++)
            error = carry(record, envelope, walk.fds[i]);
    }
    return error;
}

void tsuga_envelope_put_down(struct tsuga_record *record)
{
    struct tsuga_envelope *envelope = tsuga_envelope_of(record);

    if (envelope == NULL)
        return;
    while (envelope->carried_count > 0)
        tsuga_record_leave(record->io, envelope->carried[--envelope->carried_count]);
}

/* One that cannot be owned is closed, as the kernel closes those for which there is no room. */
static void receive_descriptor(struct tsuga_io *io, struct msghdr *header, int *fd, bool is_wanted)
{
    struct tsuga_executor *executor = io->executor;

    if (*fd < 0)
        return;
    if (is_wanted && tsuga_descriptors_claim(&executor->shared->descriptors, io, *fd) == 0)
        return;
    tsuga_executor_close(executor, *fd);
    *fd = -1;
    header->msg_flags |= MSG_CTRUNC;
}

void tsuga_envelope_claim(struct tsuga_io *io, struct msghdr *header, bool is_wanted)
{
    struct walk walk = walk_of(header);

    while (find_descriptors(&walk, 0)) {
        for (size_t i = 0; i < walk.fd_count; i++)
            receive_descriptor(io, header, &walk.fds[i], is_wanted);
    }
}

void tsuga_envelope_disclaim(struct tsuga_io *io, const struct msghdr *header)
{
    struct walk walk = walk_of(header);

    while (find_descriptors(&walk, 0)) {
        for (size_t i = 0; i < walk.fd_count; i++)
            tsuga_executor_close_owned(io->executor, io, walk.fds[i]);
    }
}

const struct tsuga_peer *tsuga_envelope_show(struct tsuga_io *io, const struct msghdr *header)
{
    io->peer = (struct tsuga_peer){
        .address = header->msg_namelen > 0 ? header->msg_name : NULL,
        .address_bytes = header->msg_namelen,
        .flags = (uint32_t)header->msg_flags & ~(uint32_t)MSG_CMSG_CLOEXEC,
        .control = header->msg_controllen > 0 ? header->msg_control : NULL,
        .control_bytes = header->msg_controllen,
    };
    return &io->peer;
}

/* The header of a message that has come; NULL when none has: the kernel has then not written the
 * length of the control. Those of a stream have labels instead. */
static struct msghdr *header_of_message(const struct tsuga_record *record)
{
    struct tsuga_envelope *envelope = tsuga_envelope_of(record);

    return envelope != NULL && record->kind == TSUGA_OP_RECVMSG && record->result >= 0 &&
                   (record->flags & TSUGA_RECORD_MULTI) == 0
               ? &envelope->header
               : NULL;
}

void tsuga_envelope_arrive(struct tsuga_record *record, bool is_wanted)
{
    struct msghdr *header = header_of_message(record);

    if (header != NULL)
        tsuga_envelope_claim(record->io, header, is_wanted);
}

void tsuga_envelope_refuse(struct tsuga_record *record)
{
    const struct msghdr *header = header_of_message(record);

    if (header != NULL)
        tsuga_envelope_disclaim(record->io, header);
}

const struct tsuga_peer *tsuga_envelope_open(const struct tsuga_record *record)
{
    const struct tsuga_envelope *envelope = tsuga_envelope_of(record);

    if (envelope == NULL || record->kind == TSUGA_OP_SENDMSG || record->result < 0)
        return NULL;
    return tsuga_envelope_show(record->io, &envelope->header);
}

const int *tsuga_peer_fds(const struct tsuga_peer *peer, size_t *count)
{
    struct walk walk = {0};

    if (peer != NULL) {
        walk.control = peer->control;
        walk.bytes = peer->control_bytes;
    }
    *count = find_descriptors(&walk, SCM_RIGHTS) ? walk.fd_count : 0;
    return *count > 0 ? walk.fds : NULL;
}

void tsuga_envelope_empty(struct tsuga_record *record)
{
    struct tsuga_envelope *envelope = tsuga_envelope_of(record);

    if (envelope == NULL)
        return;
    TSUGA_ASSERT(envelope->carried_count == 0);
    for (uint32_t i = 0; i < envelope->block_count; i++) {
        if (envelope->header.msg_iov[i].iov_base != NULL)
            tsuga_ioheap_free(&record->io->heap, envelope->header.msg_iov[i].iov_base);
    }
    envelope->block_count = 0;
}
