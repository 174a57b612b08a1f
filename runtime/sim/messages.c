/* sendmsg and recvmsg: names, vectors, ancillary data. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "runtime/base/assert.h"
#include "runtime/sim/sockets.h"

#define GARBAGE 0xa5

/* What a receive brings beside the bytes, in front of them in the order's staging. */
struct received {
    struct sockaddr_storage from;
    socklen_t from_bytes;
    int flags; /* MSG_TRUNC, MSG_CTRUNC */
    int fds[TSUGA_RIGHTS_MAX];
    uint32_t fd_count;
};

static size_t sum_of(const struct iovec *vectors, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += vectors[i].iov_len;
    return bytes;
}

/* Sending. */

static char *gather(struct tsuga_order *order, const struct msghdr *header)
{
    char *out = tsuga_order_stage(order, sum_of(header->msg_iov, header->msg_iovlen) + 1);
    size_t at = 0;

    for (size_t i = 0; i < header->msg_iovlen; i++) {
        if (header->msg_iov[i].iov_len > 0)
            memcpy(out + at, header->msg_iov[i].iov_base, header->msg_iov[i].iov_len);
        at += header->msg_iov[i].iov_len;
    }
    return out;
}

static void drop_rights(struct tsuga_kernel *kernel, struct tsuga_rights *rights)
{
    if (rights == NULL)
        return;
    for (uint32_t i = 0; i < rights->count; i++)
        tsuga_file_release(rights->files[i]);
    tsuga_kernel_free(kernel, rights, sizeof(*rights));
}

static int add_right(struct tsuga_kernel *kernel, struct tsuga_rights *rights, int fd)
{
    struct tsuga_file *file = tsuga_kernel_file(kernel, fd);

    if (file == NULL)
        return -EBADF;
    if (rights->count == TSUGA_RIGHTS_MAX)
        return -EINVAL;
    tsuga_file_retain(file);
    rights->files[rights->count++] = file;
    return 0;
}

/* The descriptors of one control message. */
static int add_rights(struct tsuga_kernel *kernel, struct tsuga_rights *rights,
                      const struct cmsghdr *control)
{
    size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
        error = add_right(kernel, rights, fd);
    }
    return error;
}

static int collect_rights(struct tsuga_order *order, const struct msghdr *header,
                          struct tsuga_rights **out)
{
    struct msghdr copy = *header;
    struct tsuga_rights *rights = NULL;
    int error = 0;

    for (struct cmsghdr *control = CMSG_FIRSTHDR(&copy); control != NULL && error == 0;
         control = CMSG_NXTHDR(&copy, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        if (rights == NULL) {
            rights = tsuga_kernel_alloc(order->kernel, sizeof(*rights));
            rights->count = 0;
        }
        error = add_rights(order->kernel, rights, control);
    }
    if (error != 0) {
        drop_rights(order->kernel, rights);
        return error;
    }
    *out = rights;
    return 0;
}

static int64_t send_once(struct tsuga_order *order, const struct msghdr *header,
                         struct tsuga_transfer *transfer, struct tsuga_rights *rights)
{
    struct tsuga_socket *socket = tsuga_socket_of(order->file);
    struct tsuga_address to = socket->remote;
    int error = 0;

    if (socket->type == SOCK_STREAM)
        return tsuga_stream_send(socket, transfer, rights);
    if (header->msg_namelen > 0)
        error = tsuga_address_read(socket, header->msg_name, header->msg_namelen, &to);
    return error != 0 ? error : tsuga_datagram_send(socket, transfer, &to, rights);
}

/* The ancillary data goes with the first bytes. */
static int64_t send_part(struct tsuga_order *order, const struct msghdr *header, const char *bytes,
                         size_t total)
{
    bool is_datagram = tsuga_socket_is_datagram(order->file);
    struct tsuga_transfer transfer = {
        .bytes = (char *)(uintptr_t)bytes + order->moved,
        .count = is_datagram ? total : tsuga_kernel_shorten(order->kernel, total - order->moved),
        .flags = order->ask.flags,
        .order = order,
    };
    struct tsuga_rights *rights = NULL;
    int64_t result;

    if (order->moved == 0 && header->msg_controllen > 0 &&
        tsuga_socket_is_local(tsuga_socket_of(order->file))) {
        int error = collect_rights(order, header, &rights);

        if (error != 0)
            return error;
    }
    result = send_once(order, header, &transfer, rights);
    if (result < 0 || (result == 0 && !is_datagram))
        drop_rights(order->kernel, rights);
    return result;
}

int64_t tsuga_socket_send_message(struct tsuga_order *order)
{
    const struct msghdr *header = order->ask.address;
    size_t total = sum_of(header->msg_iov, header->msg_iovlen);
    bool is_all = (order->ask.flags & MSG_WAITALL) != 0;
    char *bytes;
    int64_t result;

    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    order->interest = POLLOUT | POLLHUP | POLLERR;
    bytes = gather(order, header);
    do {
        result = send_part(order, header, bytes, total);
        if (result == TSUGA_AGAIN)
            return TSUGA_AGAIN;
        if (result <= 0)
            break;
        order->moved += (uint64_t)result;
    } while (is_all && order->moved < total && header->msg_controllen == 0);
    return order->moved > 0 ? (int64_t)order->moved : result;
}

/* Receiving. */

static void take_rights(struct tsuga_order *order, struct received *received,
                        struct tsuga_rights *rights, size_t room)
{
    if (rights == NULL)
        return;
    for (uint32_t i = 0; i < rights->count; i++) {
        int fd = CMSG_SPACE((i + 1) * sizeof(int)) <= room
                     ? tsuga_kernel_install(order->kernel, rights->files[i])
                     : -1;

        if (fd >= 0)
            received->fds[received->fd_count++] = fd;
        else
            received->flags |= MSG_CTRUNC;
    }
    drop_rights(order->kernel, rights);
}

static int64_t receive_datagram(struct tsuga_order *order, struct received *received, size_t total)
{
    const struct msghdr *header = order->ask.address;
    struct tsuga_socket *socket = tsuga_socket_of(order->file);
    int64_t result = 0;
    struct tsuga_piece *piece = tsuga_datagram_take(socket, &result);
    size_t count;

    if (piece == NULL)
        return result;
    count = piece->count < total ? piece->count : total;
    if (count > 0)
        memcpy(received + 1, piece->bytes, count);
    received->from = piece->from;
    received->from_bytes = piece->from_bytes;
    if (piece->count > total)
        received->flags |= MSG_TRUNC;
    result = (int64_t)((order->ask.flags & MSG_TRUNC) != 0 ? piece->count : count);
    take_rights(order, received, piece->rights, header->msg_controllen);
    piece->rights = NULL;
    tsuga_piece_free(order->kernel, piece);
    return result;
}

static int64_t receive_stream(struct tsuga_order *order, struct received *received, size_t total)
{
    const struct msghdr *header = order->ask.address;
    bool is_all = (order->ask.flags & MSG_WAITALL) != 0;
    int64_t result;

    do {
        struct tsuga_transfer transfer = {
            .bytes = (char *)(received + 1) + order->moved,
            .count = tsuga_kernel_shorten(order->kernel, total - order->moved),
            .flags = order->ask.flags,
            .order = order,
        };
        struct tsuga_rights *rights = NULL;

        result = tsuga_stream_receive(tsuga_socket_of(order->file), &transfer, &rights);
        take_rights(order, received, rights, header->msg_controllen);
        if (result == TSUGA_AGAIN)
            return TSUGA_AGAIN;
        if (result <= 0)
            break;
        order->moved += (uint64_t)result;
    } while (is_all && order->moved < total && received->fd_count == 0);
    return order->moved > 0 ? (int64_t)order->moved : result;
}

int64_t tsuga_socket_receive_message(struct tsuga_order *order)
{
    const struct msghdr *header = order->ask.address;
    size_t total = sum_of(header->msg_iov, header->msg_iovlen);
    struct received *received;

    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    order->interest = POLLIN | POLLRDHUP | POLLHUP | POLLERR;
    received = (void *)tsuga_order_stage(order, sizeof(*received) + total);
    if (order->phase++ == 0)
        memset(received, 0, sizeof(*received));
    return tsuga_socket_is_datagram(order->file) ? receive_datagram(order, received, total)
                                                 : receive_stream(order, received, total);
}

/* How many bytes of ancillary data there are. */
static size_t write_control(void *to, const struct received *received)
{
    struct cmsghdr *control = to;
    size_t bytes = received->fd_count * sizeof(int);

    if (received->fd_count == 0)
        return 0;
    memset(control, 0, CMSG_SPACE(bytes));
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(control), received->fds, bytes);
    return CMSG_SPACE(bytes);
}

void tsuga_socket_deliver_message(struct tsuga_order *order, size_t bytes)
{
    struct msghdr *header = order->ask.address;
    const struct received *received = (const void *)order->staging;
    const char *from = (const char *)(received + 1);
    socklen_t named = received->from_bytes;

    for (size_t i = 0; i < header->msg_iovlen && bytes > 0; i++) {
        size_t part = header->msg_iov[i].iov_len < bytes ? header->msg_iov[i].iov_len : bytes;

        if (part > 0)
            memcpy(header->msg_iov[i].iov_base, from, part);
        from += part;
        bytes -= part;
    }
    if (header->msg_name != NULL && named > 0)
        memcpy(header->msg_name, &received->from,
               named < header->msg_namelen ? named : header->msg_namelen);
    header->msg_namelen = header->msg_name != NULL ? named : 0;
    header->msg_flags = received->flags;
    header->msg_controllen = write_control(header->msg_control, received);
}

/* Streams of messages: what comes beside the bytes is put in front of them. */

/* Puts a message together, from the beginning of a buffer on. */
static void compose(const struct msghdr *header, const struct received *received, char *out,
                    const struct tsuga_ring_labels *labels)
{
    struct tsuga_ring_labels *written = (void *)out;
    char *name = out + sizeof(*labels);
    char *control = name + header->msg_namelen;
    char *bytes = control + header->msg_controllen;

    memset(out, GARBAGE, (size_t)(bytes - out)); /* where the kernel writes nothing */
    *written = *labels;
    memcpy(name, &received->from,
           labels->name_bytes < header->msg_namelen ? labels->name_bytes : header->msg_namelen);
    written->control_bytes = (uint32_t)write_control(control, received);
    memcpy(bytes, received + 1, labels->bytes);
}

int64_t tsuga_socket_receive_labelled(struct tsuga_order *order, uint32_t buffer_bytes,
                                      struct tsuga_labelled *out)
{
    const struct msghdr *header = order->ask.address;
    size_t lead = sizeof(struct tsuga_ring_labels) + header->msg_namelen + header->msg_controllen;
    size_t room = buffer_bytes - lead;
    struct tsuga_ring_labels labels = {.name_bytes = 0};
    struct received *received;
    int64_t result;

    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    if (buffer_bytes < lead)
        return -EFAULT;
    order->interest = POLLIN | POLLRDHUP | POLLHUP | POLLERR;
    received = (void *)tsuga_order_stage(order, sizeof(*received) + room + buffer_bytes);
    memset(received, 0, sizeof(*received));
    result = tsuga_socket_is_datagram(order->file) ? receive_datagram(order, received, room)
                                                   : receive_stream(order, received, room);
    order->moved = 0; /* each message is a result of its own */
    if (result < 0)
        return result;
    labels.name_bytes = received->from_bytes;
    labels.flags = (uint32_t)received->flags;
    labels.bytes = (uint32_t)((size_t)result < room ? (size_t)result : room);
    out->bytes = (char *)(received + 1) + room;
    out->is_last = result == 0;
    compose(header, received, out->bytes, &labels);
    return (int64_t)(lead + labels.bytes);
}
