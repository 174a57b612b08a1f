/*
 * echo_epoll: an echo server in a plain epoll loop, on a port of the kernel's choice, which it
 * prints. The load has one message at a time on its way, which a socket's buffer can hold: a send
 * that would have to wait is an error here.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_tcp.h"

#define EVENT_COUNT  512
#define BUFFER_BYTES 65536

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        tsuga_bench_fail("epoll_ctl", -errno);
}

static void accept_one(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    tsuga_bench_require("accept4", fd < 0 ? -errno : 0);
    watch(epoll, fd);
}

static void echo(int fd)
{
    static char buffer[BUFFER_BYTES];
    ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

    if (got <= 0) {
        close(fd); /* which ends the watch, too */
        return;
    }
    if (send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
        tsuga_bench_fail("send", -errno);
}

int main(void)
{
    static struct epoll_event events[EVENT_COUNT];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint16_t port;
    int listener = tsuga_bench_listen(&port);

    watch(epoll, listener);
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENT_COUNT, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                echo(events[i].data.fd);
        }
    }
}
