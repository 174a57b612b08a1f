/*
 * Sockets of the simulated network. Private to sockets.c, streams.c, datagrams.c and messages.c of
 * runtime/sim/.
 *
 *     TCP     send -> out -> (network: an event, bytes in parts) -> the peer's in -> receive
 *     Unix    send -> the peer's in -> receive
 *     UDP     send -> (network: an event for each, any order, some lost) -> in of whoever is bound
 *
 * Owner: whoever refers to the file; a TCP socket that was closed lives on until its bytes have
 * gone. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_SOCKETS_H
#define TSUGA_SIM_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "runtime/sim/queue.h"

enum tsuga_socket_state {
    TSUGA_SOCKET_FRESH,
    TSUGA_SOCKET_LISTENING,
    TSUGA_SOCKET_CONNECTED,
    TSUGA_SOCKET_BROKEN, /* reset, or the peer has gone */
};

struct tsuga_address {
    struct sockaddr_storage storage;
    socklen_t bytes; /* 0: none */
};

struct tsuga_socket {
    struct tsuga_file file;
    int domain;
    int type; /* SOCK_STREAM or SOCK_DGRAM */
    enum tsuga_socket_state state;
    struct tsuga_address local;
    struct tsuga_address remote;
    struct tsuga_list_node bound; /* among those with an address */
    struct tsuga_socket *peer;    /* of a stream that is connected */
    struct tsuga_queue in;
    struct tsuga_queue out; /* TCP: on its way */
    size_t in_max;
    size_t out_max;
    struct tsuga_event transfer; /* TCP: the network moves something */
    int error;                   /* to be told once; 0 or positive */
    bool shut_read;
    bool shut_write;
    bool has_end;   /* the peer will send nothing more */
    bool is_orphan; /* closed; lives until `out` is empty */
    uint32_t backlog;
    uint32_t pending_count;
    struct tsuga_list_node pending; /* of a listener: connections; of a connection: its link */
};

extern const struct tsuga_file_ops tsuga_stream_ops;
extern const struct tsuga_file_ops tsuga_datagram_ops;

static inline struct tsuga_socket *tsuga_socket_of(const struct tsuga_file *file)
{
    return (struct tsuga_socket *)(uintptr_t)TSUGA_CONTAINER_OF(file, struct tsuga_socket, file);
}

static inline bool tsuga_socket_is_local(const struct tsuga_socket *socket)
{
    return socket->domain == AF_UNIX;
}

static inline size_t tsuga_socket_room(const struct tsuga_queue *queue, size_t bytes_max)
{
    return queue->bytes < bytes_max ? bytes_max - queue->bytes : 0;
}

/* sockets.c */

struct tsuga_socket *tsuga_socket_alloc(struct tsuga_kernel *kernel, int domain, int type,
                                        uint32_t flags);
void tsuga_socket_free(struct tsuga_socket *socket);

/* Whoever has the address, and is of the type; for TCP and Unix streams who listens. */
struct tsuga_socket *tsuga_socket_at(struct tsuga_kernel *kernel, const struct tsuga_socket *like,
                                     const struct tsuga_address *address);

/* An address as a user gives it. Errors: -EINVAL, -EAFNOSUPPORT. */
int tsuga_address_read(const struct tsuga_socket *socket, const struct sockaddr *from,
                       socklen_t bytes, struct tsuga_address *out);

/* Gives it an address if it has none. */
void tsuga_socket_name(struct tsuga_socket *socket);

/* streams.c */

/* The connection is gone, for both ends. */
void tsuga_stream_break(struct tsuga_socket *socket, int error);

/* The network may have something to do. */
void tsuga_stream_stir(struct tsuga_socket *socket);
void tsuga_stream_close(struct tsuga_file *file);
int64_t tsuga_stream_send(struct tsuga_socket *socket, struct tsuga_transfer *transfer,
                          struct tsuga_rights *rights);
int64_t tsuga_stream_receive(struct tsuga_socket *socket, struct tsuga_transfer *transfer,
                             struct tsuga_rights **rights);

/* datagrams.c */

int64_t tsuga_datagram_send(struct tsuga_socket *socket, struct tsuga_transfer *transfer,
                            const struct tsuga_address *to, struct tsuga_rights *rights);

/* The next datagram, out of the queue; NULL: none, *result says why. */
struct tsuga_piece *tsuga_datagram_take(struct tsuga_socket *socket, int64_t *result);
void tsuga_datagrams_fini(struct tsuga_kernel *kernel);

#endif
