/*
 * echo_libev: an echo server on libev, on a port of the kernel's choice, which it prints. As with
 * echo_epoll a send that would have to wait is an error.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_tcp.h"

#define BUFFER_BYTES 65536

static void echo(struct ev_loop *loop, ev_io *watcher, int events)
{
    static char buffer[BUFFER_BYTES];
    ssize_t got = recv(watcher->fd, buffer, sizeof(buffer), 0);

    (void)events;
    if (got <= 0) {
        ev_io_stop(loop, watcher);
        close(watcher->fd);
        free(watcher);
        return;
    }
    if (send(watcher->fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
        tsuga_bench_fail("send", -errno);
}

static void accept_one(struct ev_loop *loop, ev_io *watcher, int events)
{
    int fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ev_io *connection = malloc(sizeof(*connection));

    (void)events;
    tsuga_bench_require("accept4", fd < 0 ? -errno : 0);
    tsuga_bench_require("malloc", connection == NULL ? -ENOMEM : 0);
    ev_io_init(connection, echo, fd, EV_READ);
    ev_io_start(loop, connection);
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io listener;
    uint16_t port;

    ev_io_init(&listener, accept_one, tsuga_bench_listen(&port), EV_READ);
    ev_io_start(loop, &listener);
    printf("%u\n", port);
    fflush(stdout);
    ev_run(loop, 0);
    return 0;
}
