/* The acceptor. Its socket is made with plain system calls, before there is anything to delay. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "examples/httpd/acceptor.h"
#include "examples/httpd/connection.h"

#define BACKLOG 4096

/* What is accepted inherits TCP_NODELAY: an answer does not wait for company. */
static int prepare(int fd, const struct addrinfo *where)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, where->ai_addr, where->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t bytes = sizeof address;

    (void)getsockname(fd, &address.any, &bytes);
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int acceptor_listen(struct server *server, struct shard *shard)
{
    struct addrinfo wanted = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                              .ai_socktype = SOCK_STREAM};
    struct addrinfo *where;
    char port[8];

    snprintf(port, sizeof port, "%u", (unsigned)server->settings.port);
    if (getaddrinfo(server->settings.address, port, &wanted, &where) != 0)
        return -EADDRNOTAVAIL;
    shard->listener = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = shard->listener < 0 ? -errno : prepare(shard->listener, where);
    freeaddrinfo(where);
    if (error == 0)
        server->settings.port = port_of(shard->listener);
    return error;
}

/* One operation for all that will come. Out of descriptors it tries again by itself. */
static void take_connections(struct tsuga_actor *self, void *argument)
{
    struct server *server = argument;
    int listener = server->shards[tsuga_executor_of(self)].listener;
    int error = tsuga_fd_adopt(self, listener);
    if (error < 0)
        tsuga_exit(self, error);

    struct tsuga_token taking = tsuga_accept_stream(self, listener);
    struct tsuga_completion io;
    while ((io = tsuga_await(self, taking)).result >= 0)
        connection_spawn(self, server, io.result);
    tsuga_exit(self, io.result);
}

int acceptor_spawn(struct server *server, struct tsuga_runtime *runtime, uint32_t executor)
{
    struct tsuga_spawn_options options = {
        .body = take_connections,
        .argument = server,
        .name = "acceptor",
        .placement = TSUGA_PLACE_EXECUTOR,
        .executor = executor,
    };

    return tsuga_spawn(runtime, &options, NULL);
}
