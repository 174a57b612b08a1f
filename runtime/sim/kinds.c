/* What each kind of request does: one attempt at it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/time_types.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "runtime/base/assert.h"
#include "runtime/sim/kernel.h"

#define POSITION     UINT64_MAX
#define MULTI_PIECES 32u /* results of a multishot request before others have their turn */

#define TO_READ  (POLLIN | POLLRDHUP | POLLHUP | POLLERR)
#define TO_WRITE (POLLOUT | POLLHUP | POLLERR)

typedef int64_t attempt_fn(struct tsuga_order *order);

static uint64_t sum_of(const struct iovec *vectors, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += vectors[i].iov_len;
    return bytes;
}

static uint64_t total_of(const struct tsuga_order *order)
{
    const struct tsuga_ring_request *ask = &order->ask;
    const struct msghdr *message = ask->address;

    switch (ask->kind) {
    case TSUGA_RING_READV:
    case TSUGA_RING_WRITEV:
        return sum_of(ask->address, ask->length);
    case TSUGA_RING_RECVMSG:
    case TSUGA_RING_SENDMSG:
        return sum_of(message->msg_iov, message->msg_iovlen);
    default:
        return ask->length;
    }
}

/* Reading and writing. */

static int64_t read_file(struct tsuga_order *order, struct tsuga_transfer *transfer)
{
    order->interest = TO_READ;
    if (order->file->ops->read == NULL)
        return -EINVAL;
    if ((order->file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    return order->file->ops->read(order->file, transfer);
}

static int64_t write_file(struct tsuga_order *order, struct tsuga_transfer *transfer)
{
    order->interest = TO_WRITE;
    if (order->file->ops->write == NULL)
        return -EINVAL;
    if ((order->file->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    return order->file->ops->write(order->file, transfer);
}

static struct tsuga_transfer transfer_of(struct tsuga_order *order, uint64_t total)
{
    bool is_socket = order->file->ops->is_socket;
    bool is_whole = tsuga_socket_is_datagram(order->file);

    return (struct tsuga_transfer){
        .count = is_whole ? total : tsuga_kernel_shorten(order->kernel, total - order->moved),
        .offset = order->file->ops->is_seekable ? order->ask.offset : POSITION,
        .flags = is_socket ? order->ask.flags : 0,
        .order = order,
    };
}

static uint32_t buffer_flags(const struct tsuga_order *order)
{
    return TSUGA_RING_BUFFER | (uint32_t)order->buffer << TSUGA_RING_BUFFER_SHIFT;
}

/* A receive or read into a buffer of a group. */
static int64_t attempt_selected(struct tsuga_order *order)
{
    struct tsuga_transfer transfer;
    int64_t result;

    if (!tsuga_kernel_ring_take_buffer(order))
        return -ENOBUFS;
    transfer = transfer_of(order, tsuga_kernel_ring_buffer_bytes(order));
    if (order->ask.length > 0 && transfer.count > order->ask.length)
        transfer.count = order->ask.length;
    transfer.bytes = tsuga_order_stage(order, transfer.count);
    result = read_file(order, &transfer);
    if (result <= 0)
        return result;
    tsuga_kernel_ring_use_buffer(order, transfer.bytes, (size_t)result);
    tsuga_order_end(order, (int32_t)result, buffer_flags(order));
    return result;
}

static int64_t attempt_read(struct tsuga_order *order)
{
    uint64_t total = total_of(order);
    struct tsuga_transfer transfer;

    if ((order->ask.options & TSUGA_RING_SELECT) != 0)
        return attempt_selected(order);
    transfer = transfer_of(order, total);
    transfer.flags = 0;
    transfer.bytes = tsuga_order_stage(order, total);
    return read_file(order, &transfer);
}

/* What is to be written, in one piece. */
static char *gather(struct tsuga_order *order, const struct iovec *vectors, size_t count)
{
    char *out = tsuga_order_stage(order, sum_of(vectors, count));
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (vectors[i].iov_len > 0)
            memcpy(out + at, vectors[i].iov_base, vectors[i].iov_len);
        at += vectors[i].iov_len;
    }
    return out;
}

static int64_t attempt_write(struct tsuga_order *order)
{
    struct tsuga_transfer transfer = transfer_of(order, total_of(order));

    transfer.flags = 0;
    transfer.bytes = order->ask.kind == TSUGA_RING_WRITEV
                         ? gather(order, order->ask.address, order->ask.length)
                         : order->ask.address;
    return write_file(order, &transfer);
}

/* Goes on until all has moved, with MSG_WAITALL; the first short count is the result without. */
static int64_t move_all(struct tsuga_order *order, char *bytes, bool is_send)
{
    bool is_all = (order->ask.flags & MSG_WAITALL) != 0;
    uint64_t total = order->ask.length;
    int64_t result;

    do {
        struct tsuga_transfer transfer = transfer_of(order, total);

        transfer.bytes = bytes + order->moved;
        result = is_send ? write_file(order, &transfer) : read_file(order, &transfer);
        if (result == TSUGA_AGAIN)
            return TSUGA_AGAIN;
        if (result <= 0)
            break;
        order->moved += (uint64_t)result;
    } while (is_all && order->moved < total && !tsuga_socket_is_datagram(order->file));
    return order->moved > 0 ? (int64_t)order->moved : result;
}

static int64_t attempt_recv(struct tsuga_order *order)
{
    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    if ((order->ask.options & TSUGA_RING_SELECT) != 0)
        return attempt_selected(order);
    return move_all(order, tsuga_order_stage(order, order->ask.length), false);
}

static int64_t attempt_send(struct tsuga_order *order)
{
    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    if (order->ask.kind == TSUGA_RING_SEND_ZC && order->moved == 0 &&
        (!tsuga_socket_has_zero_copy(order->file) ||
         tsuga_kernel_happens(order->kernel, TSUGA_SIM_NO_ZC)))
        return -EOPNOTSUPP;
    if (order->ask.kind == TSUGA_RING_SEND_ZC && order->moved == 0 &&
        tsuga_kernel_happens(order->kernel, TSUGA_SIM_MEMLOCK))
        return -ENOMEM; /* what it sends is charged while it lasts */
    return move_all(order, order->ask.address, true);
}

/* Multishot. */

static int64_t read_piece(struct tsuga_order *order, uint32_t buffer_bytes,
                          struct tsuga_labelled *piece)
{
    struct tsuga_transfer transfer = transfer_of(order, buffer_bytes);
    int64_t result;

    transfer.bytes = tsuga_order_stage(order, transfer.count);
    result = read_file(order, &transfer);
    *piece = (struct tsuga_labelled){.bytes = transfer.bytes};
    return result;
}

/* One piece of a stream. False: the order has ended. */
static bool receive_piece(struct tsuga_order *order, int64_t *result)
{
    struct tsuga_labelled piece;
    uint32_t buffer_bytes;
    uint32_t flags;

    if (!tsuga_kernel_ring_take_buffer(order)) {
        *result = -ENOBUFS;
        return false;
    }
    buffer_bytes = tsuga_kernel_ring_buffer_bytes(order);
    *result = order->ask.kind == TSUGA_RING_RECVMSG_MULTI
                  ? tsuga_socket_receive_labelled(order, buffer_bytes, &piece)
                  : read_piece(order, buffer_bytes, &piece);
    if (*result <= 0)
        return false;
    flags = buffer_flags(order);
    tsuga_kernel_ring_use_buffer(order, piece.bytes, (size_t)*result);
    if (!piece.is_last && !tsuga_kernel_happens(order->kernel, TSUGA_SIM_END) &&
        tsuga_order_tell(order, (int32_t)*result, flags))
        return true;
    tsuga_order_end(order, (int32_t)*result, flags);
    return false;
}

static int64_t attempt_receive_multi(struct tsuga_order *order)
{
    int64_t result = 0;

    if (order->ask.kind == TSUGA_RING_READ_MULTI && order->file->ops->is_seekable)
        return -EBADFD;
    if (order->ask.kind != TSUGA_RING_READ_MULTI && !order->file->ops->is_socket)
        return -ENOTSOCK;
    for (uint32_t i = 0; i < MULTI_PIECES; i++) {
        if (!receive_piece(order, &result))
            return result;
    }
    tsuga_order_again(order);
    return 0;
}

static int64_t accept_one(struct tsuga_order *order)
{
    struct sockaddr_storage *address;
    socklen_t bytes = sizeof(*address);
    int64_t result;

    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    order->interest = TO_READ;
    address = (void *)tsuga_order_stage(order, sizeof(*address));
    result = tsuga_socket_accept(order, (struct sockaddr *)address, &bytes);
    order->phase = bytes;
    return result;
}

static int64_t attempt_accept_multi(struct tsuga_order *order)
{
    for (uint32_t i = 0; i < MULTI_PIECES; i++) {
        int64_t result = accept_one(order);

        if (result < 0)
            return result; /* or nobody is there */
        if (tsuga_kernel_happens(order->kernel, TSUGA_SIM_END) ||
            !tsuga_order_tell(order, (int32_t)result, 0))
            return result;
    }
    tsuga_order_again(order);
    return 0;
}

/* Waiting for news. */

static uint32_t news_of(struct tsuga_order *order)
{
    order->interest = order->ask.flags | POLLERR | POLLHUP | POLLNVAL;
    return order->file->ops->poll(order->file) & order->interest;
}

static int64_t attempt_poll(struct tsuga_order *order)
{
    uint32_t events = news_of(order);

    return events != 0 ? (int64_t)events : TSUGA_AGAIN;
}

static int64_t attempt_watch(struct tsuga_order *order)
{
    uint32_t events = news_of(order);

    if (events == 0)
        return TSUGA_AGAIN;
    if (tsuga_kernel_happens(order->kernel, TSUGA_SIM_END) ||
        !tsuga_order_tell(order, (int32_t)events, 0))
        return events;
    return TSUGA_AGAIN;
}

static uint64_t end_of(const struct tsuga_order *order, uint64_t now_ns)
{
    const struct __kernel_timespec *time = order->ask.address;
    uint64_t time_ns;

    if (time->tv_sec < 0)
        return now_ns;
    if ((uint64_t)time->tv_sec >= UINT64_MAX / TSUGA_NS_PER_S / 2)
        return UINT64_MAX;
    time_ns = (uint64_t)time->tv_sec * TSUGA_NS_PER_S + (uint64_t)time->tv_nsec;
    return order->ask.flags == 1 ? time_ns : now_ns + time_ns;
}

static void set_timer(struct tsuga_order *target, const struct tsuga_order *order)
{
    struct tsuga_schedule *schedule = order->kernel->schedule;
    uint64_t end_ns = end_of(order, schedule->now_ns);

    target->state = TSUGA_ORDER_TIMED;
    tsuga_schedule_after(schedule, &target->event,
                         end_ns > schedule->now_ns ? end_ns - schedule->now_ns : 0);
}

static int64_t attempt_timeout(struct tsuga_order *order)
{
    set_timer(order, order);
    return TSUGA_AGAIN;
}

static int64_t attempt_update(struct tsuga_order *order)
{
    struct tsuga_order *target = tsuga_kernel_ring_find(order->ring, order->ask.offset);

    if (target == NULL || target->state != TSUGA_ORDER_TIMED)
        return -ENOENT;
    set_timer(target, order);
    return 0;
}

static int64_t attempt_cancel(struct tsuga_order *order)
{
    struct tsuga_order *target = tsuga_kernel_ring_find(order->ring, order->ask.offset);

    return target != NULL && target != order ? tsuga_order_cancel(target) : -ENOENT;
}

static int64_t attempt_futex_wait(struct tsuga_order *order)
{
    const _Atomic uint32_t *word = order->ask.address;

    if (order->phase != 0)
        return 0; /* woken */
    if (atomic_load_explicit(word, memory_order_seq_cst) != (uint32_t)order->ask.number2)
        return -EAGAIN;
    order->state = TSUGA_ORDER_ARMED;
    tsuga_list_push_back(&order->kernel->futexes, &order->waiting);
    return TSUGA_AGAIN;
}

static int64_t attempt_futex_wake(struct tsuga_order *order)
{
    struct tsuga_list_node *list = &order->kernel->futexes;
    struct tsuga_list_node *node = list->next;
    int64_t count = 0;

    while (node != list && count < (int64_t)order->ask.number2) {
        struct tsuga_order *other = TSUGA_CONTAINER_OF(node, struct tsuga_order, waiting);

        node = node->next;
        if (other->ask.address != order->ask.address ||
            (other->ask.offset & order->ask.offset) == 0)
            continue;
        other->phase = 1;
        tsuga_order_hear(other);
        count++;
    }
    return count;
}

/* The rest. */

static int64_t attempt_nop(struct tsuga_order *order)
{
    (void)order;
    return 0;
}

static int64_t attempt_close(struct tsuga_order *order)
{
    return tsuga_kernel_close(order->kernel, order->ask.fd);
}

static int64_t attempt_socket(struct tsuga_order *order)
{
    return tsuga_socket_make(order->kernel, order->ask.fd, (int)order->ask.length,
                             (int)order->ask.flags);
}

static int64_t attempt_bind(struct tsuga_order *order)
{
    return tsuga_socket_bind(order->file, order->ask.address, order->ask.length);
}

static int64_t attempt_listen(struct tsuga_order *order)
{
    return tsuga_socket_listen(order->file, (int)order->ask.length);
}

static int64_t attempt_shutdown(struct tsuga_order *order)
{
    return tsuga_socket_shutdown(order->file, (int)order->ask.flags);
}

static int64_t attempt_sync(struct tsuga_order *order)
{
    if (!tsuga_disk_is_regular(order->file))
        return -EINVAL;
    return tsuga_kernel_happens(order->kernel, TSUGA_SIM_EIO) ? -EIO : 0;
}

static int64_t attempt_allocate(struct tsuga_order *order)
{
    return tsuga_disk_allocate(order->file, order->ask.offset, order->ask.number, order->ask.flags);
}

static int64_t attempt_truncate(struct tsuga_order *order)
{
    return tsuga_disk_truncate(order->file, order->ask.offset);
}

static int64_t attempt_wait_child(struct tsuga_order *order)
{
    (void)order;
    return -ECHILD; /* a world has no processes */
}

/* The raw entries that the simulated kernel knows; their memory is a lease, which nobody claims. */
static int64_t attempt_raw(struct tsuga_order *order)
{
    const struct tsuga_raw *raw = order->ask.address;

    return raw->opcode == 0 ? 0 : -EINVAL;
}

/* How a kind uses its descriptor, and who carries it out. */
enum { NO_FILE = 0, FILE_OF_IT = 1 << 0, BY_WORKER = 1 << 1, MAYBE_WORKER = 1 << 2 };

static const struct {
    attempt_fn *attempt;
    uint32_t ways;
} kinds[TSUGA_RING_KIND_COUNT] = {
    [TSUGA_RING_NOP] = {attempt_nop, MAYBE_WORKER},
    [TSUGA_RING_OPEN] = {tsuga_disk_open, MAYBE_WORKER},
    [TSUGA_RING_CLOSE] = {attempt_close, MAYBE_WORKER},
    [TSUGA_RING_READ] = {attempt_read, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_WRITE] = {attempt_write, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_READV] = {attempt_read, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_WRITEV] = {attempt_write, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_FSYNC] = {attempt_sync, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_STATX] = {tsuga_disk_stat, BY_WORKER},
    [TSUGA_RING_SOCKET] = {attempt_socket, MAYBE_WORKER},
    [TSUGA_RING_BIND] = {attempt_bind, FILE_OF_IT},
    [TSUGA_RING_LISTEN] = {attempt_listen, FILE_OF_IT},
    [TSUGA_RING_ACCEPT] = {accept_one, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_CONNECT] = {tsuga_socket_connect, FILE_OF_IT},
    [TSUGA_RING_RECV] = {attempt_recv, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_SEND] = {attempt_send, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_RECVMSG] = {tsuga_socket_receive_message, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_SENDMSG] = {tsuga_socket_send_message, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_SHUTDOWN] = {attempt_shutdown, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_POLL] = {attempt_poll, FILE_OF_IT},
    [TSUGA_RING_WATCH] = {attempt_watch, FILE_OF_IT},
    [TSUGA_RING_TIMEOUT] = {attempt_timeout, NO_FILE},
    [TSUGA_RING_CANCEL] = {attempt_cancel, NO_FILE},
    [TSUGA_RING_SEND_ZC] = {attempt_send, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_ACCEPT_MULTI] = {attempt_accept_multi, FILE_OF_IT},
    [TSUGA_RING_RECV_MULTI] = {attempt_receive_multi, FILE_OF_IT},
    [TSUGA_RING_READ_MULTI] = {attempt_receive_multi, FILE_OF_IT},
    [TSUGA_RING_RECVMSG_MULTI] = {attempt_receive_multi, FILE_OF_IT},
    [TSUGA_RING_SYNC_RANGE] = {attempt_sync, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_ALLOCATE] = {attempt_allocate, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_TRUNCATE] = {attempt_truncate, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_ADVISE] = {attempt_sync, FILE_OF_IT | MAYBE_WORKER},
    [TSUGA_RING_SPLICE] = {tsuga_pipe_splice, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_TEE] = {tsuga_pipe_tee, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_RENAME] = {tsuga_disk_rename, BY_WORKER},
    [TSUGA_RING_LINK_PATH] = {tsuga_disk_link, BY_WORKER},
    [TSUGA_RING_UNLINK] = {tsuga_disk_unlink, BY_WORKER},
    [TSUGA_RING_MKDIR] = {tsuga_disk_make_directory, BY_WORKER},
    [TSUGA_RING_SYMLINK] = {tsuga_disk_symlink, BY_WORKER},
    [TSUGA_RING_GET_XATTR] = {tsuga_disk_get_attribute, BY_WORKER},
    [TSUGA_RING_SET_XATTR] = {tsuga_disk_set_attribute, BY_WORKER},
    [TSUGA_RING_FGET_XATTR] = {tsuga_disk_get_attribute, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_FSET_XATTR] = {tsuga_disk_set_attribute, FILE_OF_IT | BY_WORKER},
    [TSUGA_RING_UPDATE] = {attempt_update, NO_FILE},
    [TSUGA_RING_RAW] = {attempt_raw, NO_FILE},
    [TSUGA_RING_FUTEX_WAIT] = {attempt_futex_wait, NO_FILE},
    [TSUGA_RING_FUTEX_WAKE] = {attempt_futex_wake, NO_FILE},
    [TSUGA_RING_WAITID] = {attempt_wait_child, NO_FILE},
};

int64_t tsuga_kind_attempt(struct tsuga_order *order)
{
    return kinds[order->ask.kind].attempt(order);
}

bool tsuga_kind_needs_file(const struct tsuga_order *order)
{
    return (kinds[order->ask.kind].ways & FILE_OF_IT) != 0;
}

static bool creates(const struct tsuga_order *order)
{
    const struct open_how *how = order->ask.address2;

    return order->ask.kind == TSUGA_RING_OPEN && (how->flags & (O_CREAT | O_TRUNC)) != 0;
}

bool tsuga_kind_needs_worker(const struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    uint32_t ways = kinds[order->ask.kind].ways;

    if ((ways & BY_WORKER) != 0 || creates(order))
        return true;
    if ((ways & MAYBE_WORKER) == 0)
        return false;
    if ((order->ask.options & TSUGA_RING_ASYNC) != 0 ||
        tsuga_kernel_happens(kernel, TSUGA_SIM_WORKER))
        return true;
    /* What is not in the page cache comes from the device. */
    return order->file != NULL && order->file->ops->is_seekable &&
           tsuga_random_once_in(&kernel->random, 2);
}

bool tsuga_kind_is_whole(const struct tsuga_order *order, int32_t result)
{
    bool is_all = (order->ask.flags & MSG_WAITALL) != 0;

    if (order->ask.kind == TSUGA_RING_TIMEOUT && result == -ETIME)
        return true; /* it has run out, as it was to */
    if (result < 0)
        return false;
    switch (order->ask.kind) {
    case TSUGA_RING_READ:
    case TSUGA_RING_WRITE:
    case TSUGA_RING_READV:
    case TSUGA_RING_WRITEV:
    case TSUGA_RING_SPLICE:
    case TSUGA_RING_TEE:
        return (uint64_t)result >= total_of(order);
    case TSUGA_RING_RECV:
    case TSUGA_RING_SEND:
    case TSUGA_RING_RECVMSG:
    case TSUGA_RING_SENDMSG:
        return !is_all || (uint64_t)result >= total_of(order);
    default:
        return true;
    }
}

static void scatter(const char *bytes, size_t count, const struct iovec *vectors)
{
    while (count > 0) {
        size_t part = vectors->iov_len < count ? vectors->iov_len : count;

        if (part > 0)
            memcpy(vectors->iov_base, bytes, part);
        bytes += part;
        count -= part;
        vectors++;
    }
}

/* As much of the peer's address as there is room for, and how long it is. */
static void deliver_address(const struct tsuga_order *order)
{
    socklen_t *bytes = order->ask.address2;
    socklen_t room = bytes != NULL ? *bytes : 0;

    if (bytes == NULL || order->ask.kind != TSUGA_RING_ACCEPT)
        return;
    memcpy(order->ask.address, order->staging, order->phase < room ? order->phase : room);
    *bytes = order->phase;
}

void tsuga_kind_deliver(struct tsuga_order *order, int32_t result)
{
    const struct tsuga_ring_request *ask = &order->ask;

    if (result < 0 || (ask->options & TSUGA_RING_SELECT) != 0)
        return;
    switch (ask->kind) {
    case TSUGA_RING_READ:
    case TSUGA_RING_RECV:
        memcpy(ask->address, order->staging,
               (uint32_t)result < ask->length ? (uint32_t)result : ask->length);
        break;
    case TSUGA_RING_READV:
        scatter(order->staging, (size_t)result, ask->address);
        break;
    case TSUGA_RING_STATX:
        memcpy(ask->address2, order->staging, sizeof(struct statx));
        break;
    case TSUGA_RING_GET_XATTR:
    case TSUGA_RING_FGET_XATTR:
        if (ask->length > 0 && result > 0)
            memcpy(ask->address2, order->staging, (size_t)result);
        break;
    case TSUGA_RING_RECVMSG:
        tsuga_socket_deliver_message(order, (size_t)result);
        break;
    case TSUGA_RING_ACCEPT:
        deliver_address(order);
        break;
    default:
        break;
    }
}
