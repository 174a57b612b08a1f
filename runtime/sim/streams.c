/* Connections: windows, half-closed ones, broken ones. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/sim/sockets.h"

#define STALL_NS (200 * TSUGA_NS_PER_MS)

#define EVERYTHING (POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR)

static void wake(struct tsuga_socket *socket, uint32_t events)
{
    if (!socket->is_orphan)
        tsuga_file_wake(&socket->file, events);
}

/* One end of a connection that breaks: what it sent is gone, what it has received can be read. */
static void break_end(struct tsuga_socket *socket, int error)
{
    struct tsuga_kernel *kernel = socket->file.kernel;

    socket->state = TSUGA_SOCKET_BROKEN;
    socket->peer = NULL;
    socket->error = error;
    tsuga_agenda_remove(&kernel->schedule->agenda, &socket->transfer);
    tsuga_queue_drop(kernel, &socket->out);
    if (socket->is_orphan)
        tsuga_socket_free(socket);
    else
        wake(socket, EVERYTHING);
}

void tsuga_stream_break(struct tsuga_socket *socket, int error)
{
    struct tsuga_socket *peer = socket->peer;

    tsuga_queue_drop(socket->file.kernel, &socket->in);
    if (peer != NULL)
        break_end(peer, ECONNRESET);
    break_end(socket, error);
}

/* The peer learns that nothing more will come, and when the other end is closed for good, the
 * two know each other no more. */
static void send_end(struct tsuga_socket *socket)
{
    struct tsuga_socket *peer = socket->peer;
    uint32_t events = POLLIN | POLLRDHUP;

    if (!peer->has_end && tsuga_socket_is_local(socket) && socket->shut_read)
        events |= POLLHUP;
    if (!peer->has_end) {
        peer->has_end = true;
        wake(peer, events | (peer->shut_write ? POLLHUP : 0));
    }
    if (!socket->is_orphan)
        return;
    peer->peer = NULL;
    tsuga_socket_free(socket);
    if (peer->is_orphan)
        tsuga_socket_free(peer);
    else if (peer->out.bytes > 0)
        break_end(peer, ECONNRESET); /* what it sends arrives where nobody is */
    else
        wake(peer, POLLOUT);
}

static void move_bytes(struct tsuga_socket *socket)
{
    struct tsuga_kernel *kernel = socket->file.kernel;
    struct tsuga_socket *peer = socket->peer;
    size_t room = tsuga_socket_room(&peer->in, peer->in_max);
    size_t count = socket->out.bytes < room ? socket->out.bytes : room;
    size_t moved;

    if (count == 0)
        return;
    count = 1 + tsuga_random_below(&kernel->random, count);
    moved = tsuga_queue_move(kernel, &socket->out, &peer->in, count);
    tsuga_schedule_trace(kernel->schedule, TSUGA_TRACE_MOVE, (int64_t)socket->file.number,
                         (int64_t)peer->file.number, (int64_t)moved);
    wake(peer, POLLIN);
    wake(socket, POLLOUT);
}

/* The network moves a part of what is on its way, and comes back for the rest. */
void tsuga_stream_stir(struct tsuga_socket *socket)
{
    struct tsuga_kernel *kernel = socket->file.kernel;
    struct tsuga_socket *peer = socket->peer;

    if (peer == NULL)
        return;
    if (socket->out.bytes > 0 && tsuga_kernel_happens(kernel, TSUGA_SIM_RESET)) {
        tsuga_stream_break(socket, ECONNRESET);
        return;
    }
    if (socket->out.bytes > 0 && peer->is_orphan) {
        tsuga_stream_break(socket, ECONNRESET); /* the answer of a host without such a socket */
        return;
    }
    if (tsuga_event_is_due(&socket->transfer))
        return;
    move_bytes(socket);
    if (socket->out.bytes > 0 && tsuga_socket_room(&peer->in, peer->in_max) > 0)
        tsuga_schedule_after(kernel->schedule, &socket->transfer, tsuga_kernel_delay_ns(kernel));
    else if (socket->out.bytes == 0 && (socket->shut_write || socket->is_orphan))
        send_end(socket);
}

/* Bytes were put on their way. */
static void start_transfer(struct tsuga_socket *socket)
{
    struct tsuga_kernel *kernel = socket->file.kernel;
    uint64_t delay_ns = tsuga_kernel_delay_ns(kernel);

    if (tsuga_event_is_due(&socket->transfer))
        return;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_STALL))
        delay_ns = tsuga_random_below(&kernel->random, STALL_NS);
    tsuga_schedule_after(kernel->schedule, &socket->transfer, delay_ns);
}

/* Sending. */

/* Why nothing can be sent; 0: it can. */
static int64_t check_send(struct tsuga_socket *socket)
{
    int error = socket->error;

    if (socket->state == TSUGA_SOCKET_FRESH || socket->state == TSUGA_SOCKET_LISTENING)
        return tsuga_socket_is_local(socket) ? -ENOTCONN : -EPIPE;
    if (error != 0) {
        socket->error = 0;
        return -error;
    }
    if (socket->shut_write || socket->peer == NULL)
        return -EPIPE;
    if (tsuga_socket_is_local(socket) && socket->peer->shut_read)
        return -EPIPE;
    return 0;
}

static struct tsuga_order *lender_of(const struct tsuga_transfer *transfer)
{
    struct tsuga_order *order = transfer->order;

    return order != NULL && order->ask.kind == TSUGA_RING_SEND_ZC ? order : NULL;
}

int64_t tsuga_stream_send(struct tsuga_socket *socket, struct tsuga_transfer *transfer,
                          struct tsuga_rights *rights)
{
    struct tsuga_kernel *kernel = socket->file.kernel;
    bool is_local = tsuga_socket_is_local(socket);
    int64_t error = check_send(socket);
    struct tsuga_queue *queue;
    struct tsuga_piece *piece;
    size_t count;

    if (error != 0)
        return error;
    queue = is_local ? &socket->peer->in : &socket->out;
    count = tsuga_socket_room(queue, is_local ? socket->peer->in_max : socket->out_max);
    if (transfer->count == 0)
        return 0;
    if (count == 0)
        return TSUGA_AGAIN;
    if (count > transfer->count)
        count = transfer->count;
    piece = tsuga_piece_make(kernel, transfer->bytes, count, lender_of(transfer));
    piece->rights = rights;
    tsuga_queue_put(queue, piece);
    if (is_local)
        wake(socket->peer, POLLIN);
    else
        start_transfer(socket);
    return (int64_t)count;
}

static int64_t write_stream(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    return tsuga_stream_send(tsuga_socket_of(file), transfer, NULL);
}

/* Receiving. */

/* What is said when there is nothing to read. */
static int64_t explain_nothing(struct tsuga_socket *socket)
{
    int error = socket->error;

    if (socket->state == TSUGA_SOCKET_FRESH || socket->state == TSUGA_SOCKET_LISTENING)
        return -ENOTCONN;
    if (error != 0) {
        socket->error = 0;
        return -error;
    }
    return socket->has_end || socket->shut_read || socket->peer == NULL ? 0 : TSUGA_AGAIN;
}

/* The window has opened. */
static void tell_sender(struct tsuga_socket *socket)
{
    struct tsuga_socket *peer = socket->peer;

    if (peer == NULL)
        return;
    if (tsuga_socket_is_local(socket))
        wake(peer, POLLOUT);
    else if (peer->out.bytes > 0)
        start_transfer(peer);
}

int64_t tsuga_stream_receive(struct tsuga_socket *socket, struct tsuga_transfer *transfer,
                             struct tsuga_rights **rights)
{
    struct tsuga_piece *first = tsuga_queue_first(&socket->in);
    bool peeks = (transfer->flags & MSG_PEEK) != 0;
    size_t done;

    if ((transfer->flags & MSG_OOB) != 0)
        return -EINVAL;
    if (first == NULL || transfer->count == 0)
        return first == NULL ? explain_nothing(socket) : 0;
    if (rights != NULL && !peeks) {
        *rights = first->rights;
        first->rights = NULL;
    }
    done =
        tsuga_queue_read(socket->file.kernel, &socket->in, transfer->bytes, transfer->count, peeks);
    if (!peeks)
        tell_sender(socket);
    return (int64_t)done;
}

static int64_t read_stream(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    return tsuga_stream_receive(tsuga_socket_of(file), transfer, NULL);
}

static uint32_t poll_stream(struct tsuga_file *file)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);
    bool is_over = socket->has_end || socket->shut_read || socket->state == TSUGA_SOCKET_BROKEN;
    bool is_local = tsuga_socket_is_local(socket);
    const struct tsuga_queue *queue = &socket->out;
    size_t bytes_max = socket->out_max;
    uint32_t events = 0;

    if (socket->state == TSUGA_SOCKET_LISTENING)
        return tsuga_list_is_empty(&socket->pending) ? 0 : POLLIN;
    if (socket->state == TSUGA_SOCKET_FRESH)
        return POLLOUT | POLLHUP;
    if (is_local && socket->peer != NULL) {
        queue = &socket->peer->in;
        bytes_max = socket->peer->in_max;
    }
    if (socket->in.bytes > 0 || is_over || socket->error != 0)
        events |= POLLIN;
    if (tsuga_socket_room(queue, bytes_max) > 0 || socket->shut_write || socket->peer == NULL)
        events |= POLLOUT;
    if (is_over)
        events |= POLLRDHUP;
    if (is_over && (socket->shut_write || socket->state == TSUGA_SOCKET_BROKEN ||
                    (is_local && socket->peer == NULL)))
        events |= POLLHUP;
    return socket->error != 0 ? events | POLLERR : events;
}

/* Closing. */

static void refuse_pending(struct tsuga_socket *listener)
{
    struct tsuga_list_node *node;

    while ((node = tsuga_list_pop_front(&listener->pending)) != NULL) {
        struct tsuga_socket *server = TSUGA_CONTAINER_OF(node, struct tsuga_socket, pending);

        if (server->peer != NULL)
            tsuga_stream_break(server, ECONNRESET);
        tsuga_file_release(&server->file);
    }
}

/* Nobody refers to it any more. What was sent goes on its way; what was not read tells the peer
 * that it was sent in vain. */
void tsuga_stream_close(struct tsuga_file *file)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);
    struct tsuga_socket *peer = socket->peer;

    if (socket->state == TSUGA_SOCKET_LISTENING || !tsuga_list_is_empty(&socket->pending))
        refuse_pending(socket);
    tsuga_list_remove(&socket->bound);
    if (peer != NULL && socket->in.bytes > 0) {
        tsuga_stream_break(socket, 0);
        peer = NULL;
    }
    if (peer == NULL) {
        tsuga_socket_free(socket);
        return;
    }
    socket->is_orphan = true;
    socket->shut_read = true;
    socket->shut_write = true;
    if (socket->out.bytes > 0)
        start_transfer(socket);
    else
        send_end(socket);
}

const struct tsuga_file_ops tsuga_stream_ops = {
    .read = read_stream,
    .write = write_stream,
    .poll = poll_stream,
    .release = tsuga_stream_close,
    .is_socket = true,
};
