/* Sockets: their life, their addresses, and how two of them meet. */
#include "runtime/sim/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "runtime/base/assert.h"

#define WINDOW_LEAST 256u /* a window is a power of two from this on */
#define WINDOW_SIZES 9u
#define FIRST_PORT   32768u
#define RETRY_NS     1000000u /* of a connection to a full backlog */
#define BACKLOG_MAX  4096

/* Life. */

static size_t window(struct tsuga_kernel *kernel)
{
    return (size_t)WINDOW_LEAST << tsuga_random_below(&kernel->random, WINDOW_SIZES);
}

static void transfer(struct tsuga_event *event)
{
    tsuga_stream_stir(TSUGA_CONTAINER_OF(event, struct tsuga_socket, transfer));
}

struct tsuga_socket *tsuga_socket_alloc(struct tsuga_kernel *kernel, int domain, int type,
                                        uint32_t flags)
{
    struct tsuga_socket *socket = tsuga_kernel_alloc(kernel, sizeof(*socket));

    *socket = (struct tsuga_socket){
        .domain = domain,
        .type = type,
        .in_max = window(kernel),
        .out_max = window(kernel),
        .transfer.happen = transfer,
    };
    tsuga_file_init(&socket->file, kernel,
                    type == SOCK_STREAM ? &tsuga_stream_ops : &tsuga_datagram_ops,
                    O_RDWR | ((flags & SOCK_NONBLOCK) != 0 ? O_NONBLOCK : 0));
    tsuga_list_init(&socket->bound);
    tsuga_list_init(&socket->pending);
    tsuga_queue_init(&socket->in);
    tsuga_queue_init(&socket->out);
    return socket;
}

void tsuga_socket_free(struct tsuga_socket *socket)
{
    struct tsuga_kernel *kernel = socket->file.kernel;

    tsuga_agenda_remove(&kernel->schedule->agenda, &socket->transfer);
    tsuga_list_remove(&socket->bound);
    tsuga_queue_drop(kernel, &socket->in);
    tsuga_queue_drop(kernel, &socket->out);
    tsuga_kernel_free(kernel, socket, sizeof(*socket));
}

int64_t tsuga_socket_make(struct tsuga_kernel *kernel, int domain, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct tsuga_socket *socket;
    int fd;

    (void)protocol;
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    socket = tsuga_socket_alloc(kernel, domain, kind, (uint32_t)type);
    tsuga_file_retain(&socket->file);
    fd = tsuga_kernel_install(kernel, &socket->file);
    tsuga_file_release(&socket->file);
    return fd;
}

bool tsuga_socket_is_datagram(const struct tsuga_file *file)
{
    return file->ops == &tsuga_datagram_ops;
}

int tsuga_socket_type(const struct tsuga_file *file)
{
    if (!file->ops->is_socket)
        return -ENOTSOCK;
    return tsuga_socket_is_datagram(file) ? SOCK_DGRAM : SOCK_STREAM;
}

bool tsuga_socket_has_zero_copy(const struct tsuga_file *file)
{
    return file->ops->is_socket && !tsuga_socket_is_local(tsuga_socket_of(file));
}

/* Addresses. */

static uint16_t *port_of(struct tsuga_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return &((struct sockaddr_in *)&address->storage)->sin_port;
    return &((struct sockaddr_in6 *)&address->storage)->sin6_port;
}

static bool is_any(const struct tsuga_address *address)
{
    const struct sockaddr_in *four = (const void *)&address->storage;
    const struct sockaddr_in6 *six = (const void *)&address->storage;

    if (address->storage.ss_family == AF_INET)
        return four->sin_addr.s_addr == htonl(INADDR_ANY);
    return memcmp(&six->sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0;
}

static bool is_same_host(const struct tsuga_address *a, const struct tsuga_address *b)
{
    const struct sockaddr_in *four_a = (const void *)&a->storage;
    const struct sockaddr_in *four_b = (const void *)&b->storage;
    const struct sockaddr_in6 *six_a = (const void *)&a->storage;
    const struct sockaddr_in6 *six_b = (const void *)&b->storage;

    if (is_any(a) || is_any(b))
        return true;
    if (a->storage.ss_family == AF_INET)
        return four_a->sin_addr.s_addr == four_b->sin_addr.s_addr;
    return memcmp(&six_a->sin6_addr, &six_b->sin6_addr, sizeof(six_a->sin6_addr)) == 0;
}

static bool matches(struct tsuga_address *a, const struct tsuga_address *b)
{
    struct tsuga_address copy = *b;

    if (a->bytes == 0 || b->bytes == 0 || a->storage.ss_family != b->storage.ss_family)
        return false;
    if (a->storage.ss_family == AF_UNIX)
        return a->bytes == b->bytes && memcmp(&a->storage, &b->storage, a->bytes) == 0;
    return *port_of(a) == *port_of(&copy) && is_same_host(a, b);
}

int tsuga_address_read(const struct tsuga_socket *socket, const struct sockaddr *from,
                       socklen_t bytes, struct tsuga_address *out)
{
    socklen_t least = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1);

    if (socket->domain == AF_INET)
        least = sizeof(struct sockaddr_in);
    else if (socket->domain == AF_INET6)
        least = sizeof(struct sockaddr_in6);
    if (bytes < least || bytes > sizeof(out->storage))
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, from, bytes);
    if (out->storage.ss_family != socket->domain)
        return -EAFNOSUPPORT;
    out->bytes = bytes;
    if (!tsuga_socket_is_local(socket))
        return 0;
    /* A path ends at its first NUL; an abstract name has its length. */
    if (((const char *)&out->storage)[offsetof(struct sockaddr_un, sun_path)] != '\0')
        out->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                 strnlen(((const struct sockaddr_un *)&out->storage)->sun_path,
                                         bytes - offsetof(struct sockaddr_un, sun_path)));
    return 0;
}

struct tsuga_socket *tsuga_socket_at(struct tsuga_kernel *kernel, const struct tsuga_socket *like,
                                     const struct tsuga_address *address)
{
    TSUGA_LIST_EACH (node, &kernel->bound) {
        struct tsuga_socket *socket = TSUGA_CONTAINER_OF(node, struct tsuga_socket, bound);

        if (socket->type == like->type && matches(&socket->local, address) &&
            (socket->type == SOCK_DGRAM || socket->state == TSUGA_SOCKET_LISTENING))
            return socket;
    }
    return NULL;
}

static bool is_taken(struct tsuga_kernel *kernel, const struct tsuga_socket *socket,
                     const struct tsuga_address *address)
{
    TSUGA_LIST_EACH (node, &kernel->bound) {
        struct tsuga_socket *other = TSUGA_CONTAINER_OF(node, struct tsuga_socket, bound);

        if (other->type == socket->type && matches(&other->local, address))
            return true;
    }
    return false;
}

static void choose_port(struct tsuga_kernel *kernel, const struct tsuga_socket *socket,
                        struct tsuga_address *address)
{
    do {
        if (++kernel->port_last < FIRST_PORT)
            kernel->port_last = FIRST_PORT;
        *port_of(address) = htons(kernel->port_last);
    } while (is_taken(kernel, socket, address));
}

static void set_address(struct tsuga_socket *socket, const struct tsuga_address *address)
{
    socket->local = *address;
    tsuga_list_push_back(&socket->file.kernel->bound, &socket->bound);
}

void tsuga_socket_name(struct tsuga_socket *socket)
{
    struct tsuga_address address = {.bytes = sizeof(struct sockaddr_in6)};

    if (socket->local.bytes != 0 || tsuga_socket_is_local(socket))
        return;
    if (socket->domain == AF_INET)
        address.bytes = sizeof(struct sockaddr_in);
    address.storage.ss_family = (sa_family_t)socket->domain;
    choose_port(socket->file.kernel, socket, &address);
    set_address(socket, &address);
}

int tsuga_socket_bind(struct tsuga_file *file, const struct sockaddr *from, socklen_t bytes)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);
    struct tsuga_address address;
    int error;

    if (!file->ops->is_socket)
        return -ENOTSOCK;
    error = tsuga_address_read(socket, from, bytes, &address);
    if (error != 0)
        return error;
    if (socket->local.bytes != 0)
        return -EINVAL;
    if (!tsuga_socket_is_local(socket) && *port_of(&address) == 0)
        choose_port(file->kernel, socket, &address);
    if (is_taken(file->kernel, socket, &address))
        return -EADDRINUSE;
    set_address(socket, &address);
    return 0;
}

/* Connections. */

int tsuga_socket_listen(struct tsuga_file *file, int backlog)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);

    if (!file->ops->is_socket)
        return -ENOTSOCK;
    if (socket->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (socket->state == TSUGA_SOCKET_CONNECTED || socket->state == TSUGA_SOCKET_BROKEN ||
        (tsuga_socket_is_local(socket) && socket->local.bytes == 0))
        return -EINVAL;
    tsuga_socket_name(socket);
    socket->state = TSUGA_SOCKET_LISTENING;
    socket->backlog = (uint32_t)(backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog) + 1;
    return 0;
}

static void join(struct tsuga_socket *client, struct tsuga_socket *listener)
{
    struct tsuga_socket *server =
        tsuga_socket_alloc(client->file.kernel, client->domain, SOCK_STREAM, 0);

    tsuga_socket_name(client);
    server->local = listener->local; /* without being found by it */
    server->remote = client->local;
    client->remote = listener->local;
    server->peer = client;
    client->peer = server;
    server->state = TSUGA_SOCKET_CONNECTED;
    client->state = TSUGA_SOCKET_CONNECTED;
    tsuga_file_retain(&server->file); /* the listener's */
    tsuga_list_push_back(&listener->pending, &server->pending);
    listener->pending_count++;
    tsuga_file_wake(&listener->file, POLLIN);
    tsuga_file_wake(&client->file, POLLOUT);
}

/* What a datagram socket is connected to is just where it sends. */
static int64_t connect_datagrams(struct tsuga_socket *socket, const struct tsuga_address *to)
{
    tsuga_socket_name(socket);
    if (tsuga_socket_is_local(socket) && tsuga_socket_at(socket->file.kernel, socket, to) == NULL)
        return -ECONNREFUSED;
    socket->remote = *to;
    socket->state = TSUGA_SOCKET_CONNECTED;
    return 0;
}

static int64_t meet(struct tsuga_order *order, struct tsuga_socket *socket,
                    const struct tsuga_address *to)
{
    struct tsuga_socket *listener = tsuga_socket_at(order->kernel, socket, to);

    if (socket->state != TSUGA_SOCKET_FRESH)
        return -EISCONN;
    if (listener == NULL || tsuga_kernel_happens(order->kernel, TSUGA_SIM_REFUSE))
        return -ECONNREFUSED;
    if (listener->pending_count < listener->backlog) {
        join(socket, listener);
        return 0;
    }
    tsuga_order_later(order, 1 + tsuga_random_below(&order->kernel->random, RETRY_NS));
    return TSUGA_AGAIN;
}

int64_t tsuga_socket_connect(struct tsuga_order *order)
{
    struct tsuga_socket *socket = tsuga_socket_of(order->file);
    struct tsuga_address to;
    int error;

    if (!order->file->ops->is_socket)
        return -ENOTSOCK;
    error = tsuga_address_read(socket, order->ask.address, order->ask.length, &to);
    if (error != 0)
        return error;
    if (socket->type == SOCK_DGRAM)
        return connect_datagrams(socket, &to);
    if (socket->state == TSUGA_SOCKET_LISTENING)
        return -EINVAL;
    if (order->phase++ == 0 && !tsuga_socket_is_local(socket)) {
        tsuga_order_later(order, tsuga_kernel_delay_ns(order->kernel));
        return TSUGA_AGAIN;
    }
    return meet(order, socket, &to);
}

int64_t tsuga_socket_accept(struct tsuga_order *order, struct sockaddr *address, socklen_t *bytes)
{
    struct tsuga_socket *listener = tsuga_socket_of(order->file);
    struct tsuga_socket *server;
    int fd;

    if (listener->state != TSUGA_SOCKET_LISTENING)
        return listener->type == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
    if (tsuga_list_is_empty(&listener->pending))
        return TSUGA_AGAIN;
    server = TSUGA_CONTAINER_OF(listener->pending.next, struct tsuga_socket, pending);
    fd = tsuga_kernel_install(order->kernel, &server->file);
    if (fd < 0)
        return fd;
    tsuga_list_remove(&server->pending);
    listener->pending_count--;
    if ((order->ask.flags & SOCK_NONBLOCK) != 0)
        server->file.flags |= O_NONBLOCK;
    *bytes = server->remote.bytes;
    if (*bytes == 0) {
        *bytes = sizeof(sa_family_t);
        server->remote.storage.ss_family = (sa_family_t)server->domain;
    }
    memcpy(address, &server->remote.storage, *bytes);
    tsuga_file_release(&server->file); /* the listener's */
    return fd;
}

static int64_t shut_listener(struct tsuga_socket *socket)
{
    socket->state = TSUGA_SOCKET_BROKEN;
    tsuga_file_wake(&socket->file, POLLIN | POLLHUP);
    return 0;
}

int64_t tsuga_socket_shutdown(struct tsuga_file *file, int how)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);
    uint32_t events = POLLIN | POLLOUT;

    if (!file->ops->is_socket)
        return -ENOTSOCK;
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    if (socket->state == TSUGA_SOCKET_LISTENING)
        return shut_listener(socket);
    if (socket->state != TSUGA_SOCKET_CONNECTED)
        return -ENOTCONN;
    socket->shut_read |= how != SHUT_WR;
    socket->shut_write |= how != SHUT_RD;
    if (socket->shut_read)
        events |= POLLRDHUP;
    if (socket->shut_read && socket->shut_write)
        events |= POLLHUP;
    if (socket->type == SOCK_STREAM)
        tsuga_stream_stir(socket);
    tsuga_file_wake(file, events);
    return 0;
}

void tsuga_socket_reset(struct tsuga_file *file)
{
    struct tsuga_socket *socket = tsuga_socket_of(file);

    if (file->ops == &tsuga_stream_ops && socket->state == TSUGA_SOCKET_CONNECTED)
        tsuga_stream_break(socket, ECONNRESET);
}
