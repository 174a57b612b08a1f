/* Datagrams: some are lost on the way, and some overtake others. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/sim/sockets.h"

#define DATAGRAM_BYTES_MAX 65507u
#define QUEUE_MAX          64u
#define RETRY_NS           100000u

/* A datagram in the network. */
struct flight {
    struct tsuga_event event;
    struct tsuga_list_node link;
    struct tsuga_kernel *kernel;
    struct tsuga_piece *piece;
    struct tsuga_address to;
    int domain;
};

static void land(struct flight *flight, struct tsuga_socket *receiver)
{
    struct tsuga_kernel *kernel = flight->kernel;
    struct tsuga_piece *piece = flight->piece;

    tsuga_list_remove(&flight->link);
    tsuga_kernel_free(kernel, flight, sizeof(*flight));
    if (receiver == NULL || receiver->shut_read || receiver->in.count >= QUEUE_MAX) {
        tsuga_piece_free(kernel, piece);
        return;
    }
    if (piece->lender != NULL)
        piece->lender->is_copied = true; /* no receiver keeps a sender's memory */
    tsuga_queue_put(&receiver->in, tsuga_piece_settle(kernel, piece));
    tsuga_file_wake(&receiver->file, POLLIN);
}

static void arrive(struct tsuga_event *event)
{
    struct flight *flight = TSUGA_CONTAINER_OF(event, struct flight, event);
    const struct tsuga_socket like = {.type = SOCK_DGRAM, .domain = flight->domain};

    land(flight, tsuga_socket_at(flight->kernel, &like, &flight->to));
}

void tsuga_datagrams_fini(struct tsuga_kernel *kernel)
{
    while (!tsuga_list_is_empty(&kernel->flights)) {
        struct flight *flight = TSUGA_CONTAINER_OF(kernel->flights.next, struct flight, link);

        tsuga_agenda_remove(&kernel->schedule->agenda, &flight->event);
        land(flight, NULL);
    }
}

static void launch(struct tsuga_socket *socket, struct tsuga_piece *piece,
                   const struct tsuga_address *to)
{
    struct tsuga_kernel *kernel = socket->file.kernel;
    struct flight *flight = tsuga_kernel_alloc(kernel, sizeof(*flight));

    *flight = (struct flight){.event.happen = arrive,
                              .kernel = kernel,
                              .piece = piece,
                              .to = *to,
                              .domain = socket->domain};
    tsuga_list_push_back(&kernel->flights, &flight->link);
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_LOSS))
        land(flight, NULL);
    else
        tsuga_schedule_after(kernel->schedule, &flight->event, tsuga_kernel_delay_ns(kernel));
}

/* Unix datagrams wait for room. */
static int64_t check_receiver(struct tsuga_socket *socket, const struct tsuga_transfer *transfer,
                              const struct tsuga_address *to, struct tsuga_socket **receiver)
{
    struct tsuga_kernel *kernel = socket->file.kernel;

    *receiver = tsuga_socket_at(kernel, socket, to);
    if (*receiver == NULL)
        return -ECONNREFUSED;
    if ((*receiver)->shut_read)
        return -EPIPE;
    if ((*receiver)->in.count < QUEUE_MAX)
        return 0;
    if ((transfer->flags & MSG_DONTWAIT) != 0 || transfer->order == NULL)
        return -EAGAIN;
    tsuga_order_later(transfer->order, 1 + tsuga_random_below(&kernel->random, RETRY_NS));
    return TSUGA_AGAIN;
}

int64_t tsuga_datagram_send(struct tsuga_socket *socket, struct tsuga_transfer *transfer,
                            const struct tsuga_address *to, struct tsuga_rights *rights)
{
    struct tsuga_kernel *kernel = socket->file.kernel;
    struct tsuga_order *order = transfer->order;
    bool is_zero_copy = order != NULL && order->ask.kind == TSUGA_RING_SEND_ZC;
    struct tsuga_socket *receiver = NULL;
    struct tsuga_piece *piece;
    int64_t error = 0;

    if (to == NULL || to->bytes == 0)
        return -EDESTADDRREQ;
    if (socket->shut_write)
        return -EPIPE;
    if (transfer->count > DATAGRAM_BYTES_MAX)
        return -EMSGSIZE;
    if (tsuga_socket_is_local(socket))
        error = check_receiver(socket, transfer, to, &receiver);
    if (error != 0)
        return error;
    tsuga_socket_name(socket);
    piece = tsuga_piece_make(kernel, transfer->bytes, transfer->count, is_zero_copy ? order : NULL);
    piece->rights = rights;
    piece->from = socket->local.storage;
    piece->from_bytes = socket->local.bytes;
    if (receiver == NULL) {
        launch(socket, piece, to);
    } else {
        tsuga_queue_put(&receiver->in, piece);
        tsuga_file_wake(&receiver->file, POLLIN);
    }
    return (int64_t)transfer->count;
}

struct tsuga_piece *tsuga_datagram_take(struct tsuga_socket *socket, int64_t *result)
{
    struct tsuga_piece *piece = tsuga_queue_take(&socket->in);

    if (piece == NULL)
        *result = socket->shut_read ? 0 : TSUGA_AGAIN;
    return piece;
}

static int64_t write_datagram(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);

    return tsuga_datagram_send(socket, transfer, &socket->remote, NULL);
}

/* What does not fit is lost, and MSG_TRUNC tells how much there was. */
static int64_t read_datagram(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);
    struct tsuga_piece *piece = tsuga_queue_first(&socket->in);
    size_t whole;
    size_t done;
    int64_t result;

    if (piece == NULL)
        return socket->shut_read ? 0 : TSUGA_AGAIN;
    whole = piece->count;
    done = whole < transfer->count ? whole : transfer->count;
    if (done > 0)
        memcpy(transfer->bytes, piece->bytes, done);
    if ((transfer->flags & MSG_PEEK) == 0)
        tsuga_piece_free(file->kernel, tsuga_datagram_take(socket, &result));
    return (int64_t)((transfer->flags & MSG_TRUNC) != 0 ? whole : done);
}

static uint32_t poll_datagram(struct tsuga_file *file)
{
    const struct tsuga_socket *socket = tsuga_socket_of(file);
    uint32_t events = POLLOUT;

    if (socket->in.count > 0 || socket->shut_read)
        events |= POLLIN;
    if (socket->shut_read)
        events |= POLLRDHUP;
    return socket->shut_read && socket->shut_write ? events | POLLHUP : events;
}

static void release_datagram(struct tsuga_file *file)
{
    tsuga_socket_free(tsuga_socket_of(file));
}

const struct tsuga_file_ops tsuga_datagram_ops = {
    .read = read_datagram,
    .write = write_datagram,
    .poll = poll_datagram,
    .release = release_datagram,
    .is_socket = true,
};
