/*
 * Echo over 64 TCP connections on the loopback: a server of one executor, with an actor and a
 * receive stream for each connection, against a raw liburing loop that does the same.
 *
 * The load is a thread with epoll that keeps one message on its way on every connection. It drives
 * the two servers in turns, 20 ms each; who is not driven sleeps. The ratio is that of the rates.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_connection.h"
#include "tests/bench/support_echo.h"
#include "tests/bench/support_tcp.h"

#define CONNECTIONS  64u
#define BYTES_MAX    4096u
#define TURN_NS      UINT64_C(20000000)
#define WARM_TURNS   5u
#define BUFFER_COUNT 256u

/* One connection, as the load sees it. */
struct line {
    int fd;
    size_t left; /* bytes of the message that are still to come back */
};

struct load {
    int epoll;
    struct line lines[CONNECTIONS];
    int server_fds[CONNECTIONS];
};

struct bench {
    size_t bytes;
    struct load raw;
    struct load ours;
    struct tsuga_runtime *runtime;
    pthread_t raw_server;
};

/* Connecting. */

static void connect_all(struct load *load)
{
    uint16_t port;
    int listener = tsuga_bench_listen(&port);

    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        int fd = tsuga_bench_connect(port);

        load->server_fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        tsuga_bench_require("accept4", load->server_fds[i] < 0 ? -errno : 0);
        tsuga_bench_require("fcntl", fcntl(fd, F_SETFL, O_NONBLOCK));
        tsuga_bench_require("epoll_ctl", epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event));
        load->lines[i].fd = fd;
    }
    close(listener);
}

/* The load. */

static void send_one(struct line *line, size_t bytes)
{
    static const char message[BYTES_MAX];

    if (send(line->fd, message, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        tsuga_bench_fail("send", -errno);
    line->left = bytes;
}

/* True when a message has come back whole. */
static bool receive_some(struct line *line)
{
    char message[BYTES_MAX];
    ssize_t got = recv(line->fd, message, sizeof(message), 0);

    if (got <= 0)
        tsuga_bench_fail("recv", got < 0 ? -errno : -ECONNRESET);
    line->left -= (size_t)got;
    return line->left == 0;
}

/* Nanoseconds a message, until the time is over and every message is back. */
static double drive(struct load *load, size_t bytes)
{
    struct epoll_event events[CONNECTIONS];
    uint64_t start_ns = tsuga_bench_now_ns();
    uint64_t now_ns = start_ns;
    uint32_t open_count = CONNECTIONS;
    uint64_t count = 0;

    for (uint32_t i = 0; i < CONNECTIONS; i++)
        send_one(&load->lines[i], bytes);
    while (open_count > 0) {
        int ready = epoll_wait(load->epoll, events, (int)CONNECTIONS, -1);

        now_ns = tsuga_bench_now_ns();
        for (int i = 0; i < ready; i++) {
            struct line *line = &load->lines[events[i].data.u32];

            if (!receive_some(line))
                continue;
            count++;
            if (now_ns - start_ns < TURN_NS)
                send_one(line, bytes);
            else
                open_count--;
        }
    }
    return (double)(now_ns - start_ns) / (double)count;
}

static void *serve_raw(void *context)
{
    const struct load *load = context;

    tsuga_bench_echo_serve(&(struct tsuga_bench_echo){.fds = load->server_fds,
                                                      .fd_count = CONNECTIONS,
                                                      .buffer_count = BUFFER_COUNT,
                                                      .listener = -1});
    return NULL;
}

static void start_ours(struct bench *bench)
{
    const struct tsuga_config config = {.executor.threads = 1};

    tsuga_bench_require("tsuga_start", tsuga_start(&config, &bench->runtime));
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        (void)tsuga_bench_connection(bench->runtime, bench->ours.server_fds[i], false);
}

/* The peers go, and the servers with them. */
static void close_load(struct load *load)
{
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        close(load->lines[i].fd);
    close(load->epoll);
}

static void run(size_t bytes, double seconds)
{
    struct bench bench = {.bytes = bytes};
    static struct tsuga_bench_pairs pairs;
    char variant[32];

    connect_all(&bench.raw);
    connect_all(&bench.ours);
    tsuga_bench_require("a thread",
                        -pthread_create(&bench.raw_server, NULL, serve_raw, &bench.raw));
    start_ours(&bench);
    for (uint32_t i = 0; i < WARM_TURNS; i++) {
        (void)drive(&bench.raw, bytes);
        (void)drive(&bench.ours, bytes);
    }
    tsuga_bench_start(&pairs, seconds);
    while (tsuga_bench_wants_more(&pairs)) {
        double floor_ns = drive(&bench.raw, bytes);

        tsuga_bench_add(&pairs, floor_ns, drive(&bench.ours, bytes));
    }
    close_load(&bench.raw);
    close_load(&bench.ours);
    tsuga_bench_require("join", -pthread_join(bench.raw_server, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(bench.runtime));
    tsuga_destroy(bench.runtime);
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        close(bench.raw.server_fds[i]);
    snprintf(variant, sizeof(variant), "%zu bytes", bytes);
    tsuga_bench_begin("echo", variant);
    tsuga_bench_number("connections", CONNECTIONS);
    tsuga_bench_summary(&pairs, "raw multishot");
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 4);

    run(64, seconds / 2);
    run(BYTES_MAX, seconds / 2);
    return 0;
}
