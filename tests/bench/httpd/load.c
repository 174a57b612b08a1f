/*
 * Requests to servers of files that run already, at a fixed rate, and how long the answers take.
 *
 *     load PATH CONNECTIONS RATE ROUNDS PORT…
 *
 * asks one server after the other for a file, a second each, with so many requests a second in all;
 * the others have nothing to do meanwhile. Prints one line a round: for each server p50, p99 and
 * p99.9 of the time until an answer has come whole, and p99 of how late this program itself was
 * with a request, in nanoseconds. The first round warms up and is not printed.
 *
 * When each request is to start is set beforehand, by the rate alone, and its time counts from
 * then: a request whose connection still waits for an answer starts later, and that it had to wait
 * is part of its time. A load that waits for the answer before it chooses when to ask again would
 * leave out just the requests that a slow answer delays ("coordinated omission", G. Tene).
 *
 * It never sleeps, because a timer would be late by more than an answer takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/histogram.h"
#include "tests/bench/support.h"
#include "tests/bench/support_tcp.h"

#define CONNECTIONS_MAX 1024u
#define RATE_MAX        1000000u
#define ROUNDS_MAX      1000u
#define SERVERS_MAX     8
#define EVENT_COUNT     64
#define ROUND_NS        TSUGA_NS_PER_S
#define GRACE_NS        (UINT64_C(10) * TSUGA_NS_PER_S)

/* One connection. */
struct line {
    int fd;
    uint64_t due_ns;   /* when the next request is to start */
    uint64_t start_ns; /* when the one that is on its way was to start */
    size_t left;       /* bytes of the answer that are still to come; 0: none is on its way */
};

struct server {
    int epoll;
    uint16_t port;
    size_t answer_bytes;
    struct line lines[CONNECTIONS_MAX];
};

struct load {
    const char *request;
    size_t request_bytes;
    uint32_t line_count;
    uint64_t period_ns; /* from one request of a connection to its next */
    uint64_t end_ns;    /* no request is to start from then on */
    uint64_t waiting;   /* requests that have no whole answer yet */
    struct tsuga_histogram times;
    struct tsuga_histogram delays; /* of requests whose connection was free */
};

static unsigned long parse(const char *text, unsigned long max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    tsuga_bench_require(text, *end != '\0' || number < 1 || number > max ? -EINVAL : 0);
    return number;
}

static void send_request(const struct load *load, const struct line *line)
{
    ssize_t sent = send(line->fd, load->request, load->request_bytes, MSG_NOSIGNAL);

    if (sent != (ssize_t)load->request_bytes)
        tsuga_bench_fail("send", sent < 0 ? -errno : -EIO);
}

static size_t receive(const struct line *line, char *into, size_t bytes)
{
    ssize_t got = recv(line->fd, into, bytes, 0);

    if (got <= 0)
        tsuga_bench_fail("recv", got < 0 ? -errno : -ECONNRESET);
    return (size_t)got;
}

/* Takes an answer, and tells its length, which is that of all of them. */
static size_t hear_first(const struct line *line)
{
    char answer[4096];
    size_t got = 0;
    size_t answer_bytes;
    const char *length;
    const char *content;

    do {
        got += receive(line, answer + got, sizeof(answer) - 1 - got);
        answer[got] = '\0';
        content = strstr(answer, "\r\n\r\n");
    } while (content == NULL && got < sizeof(answer) - 1);
    length = strcasestr(answer, "\r\nContent-Length:");
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || content == NULL || length == NULL)
        tsuga_bench_fail("an answer", -EBADMSG);
    answer_bytes = (size_t)(content + 4 - answer) + strtoul(strchr(length, ':') + 1, NULL, 10);
    while (got < answer_bytes)
        got += receive(line, answer, sizeof(answer));
    return answer_bytes;
}

static void open_lines(struct server *server, const struct load *load)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < load->line_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        int fd = tsuga_bench_connect(server->port);

        server->lines[i].fd = fd;
        tsuga_bench_require("epoll_ctl", epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event));
    }
    send_request(load, &server->lines[0]);
    server->answer_bytes = hear_first(&server->lines[0]);
    for (uint32_t i = 0; i < load->line_count; i++)
        tsuga_bench_require("fcntl", fcntl(server->lines[i].fd, F_SETFL, O_NONBLOCK));
}

static void start(struct load *load, const struct server *server, struct line *line)
{
    send_request(load, line);
    line->left = server->answer_bytes;
    line->start_ns = line->due_ns;
    line->due_ns += load->period_ns;
}

/* Takes what has come, and starts the next request when it should have been on its way already. */
static void hear(struct load *load, const struct server *server, struct line *line)
{
    static char into[1 << 17];
    size_t got = receive(line, into, sizeof(into));
    uint64_t now_ns;

    if (got > line->left)
        tsuga_bench_fail("more than an answer", -EBADMSG);
    line->left -= got;
    if (line->left > 0)
        return;
    now_ns = tsuga_bench_now_ns();
    tsuga_histogram_add(&load->times, now_ns - line->start_ns);
    load->waiting--;
    if (line->due_ns <= now_ns && line->due_ns < load->end_ns)
        start(load, server, line);
}

/* Sets the first times, evenly, and counts the requests until the end. */
static void set_times(struct load *load, struct server *server, uint64_t begin_ns)
{
    load->end_ns = begin_ns + ROUND_NS;
    load->waiting = 0;
    for (uint32_t i = 0; i < load->line_count; i++) {
        struct line *line = &server->lines[i];

        line->due_ns = begin_ns + load->period_ns * i / load->line_count;
        load->waiting += (load->end_ns - line->due_ns + load->period_ns - 1) / load->period_ns;
    }
}

/* Starts what is due on a connection that is free. */
static void start_due(struct load *load, struct server *server, uint64_t now_ns)
{
    for (uint32_t i = 0; i < load->line_count; i++) {
        struct line *line = &server->lines[i];

        if (line->left > 0 || line->due_ns > now_ns || line->due_ns >= load->end_ns)
            continue;
        tsuga_histogram_add(&load->delays, now_ns - line->due_ns);
        start(load, server, line);
    }
}

static void ask(struct load *load, struct server *server)
{
    struct epoll_event events[EVENT_COUNT];

    load->times = load->delays = (struct tsuga_histogram){0};
    set_times(load, server, tsuga_bench_now_ns());
    while (load->waiting > 0) {
        int ready = epoll_wait(server->epoll, events, EVENT_COUNT, 0);
        uint64_t now_ns = tsuga_bench_now_ns();

        for (int i = 0; i < ready; i++)
            hear(load, server, &server->lines[events[i].data.u32]);
        start_due(load, server, now_ns);
        tsuga_bench_require("the server does not keep up",
                            now_ns > load->end_ns + GRACE_NS ? -ETIMEDOUT : 0);
    }
}

static void report(const struct load *load, char end)
{
    double free_share = (double)load->delays.total / (double)load->times.total;

    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.4f%c",
           tsuga_histogram_quantile(&load->times, 0.5),
           tsuga_histogram_quantile(&load->times, 0.99),
           tsuga_histogram_quantile(&load->times, 0.999),
           tsuga_histogram_quantile(&load->delays, 0.99), 1 - free_share, end);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    static struct load load;
    static char request[512];
    int server_count = argc - 5;
    unsigned long rounds;

    if (server_count < 1 || server_count > SERVERS_MAX) {
        fputs("usage: load PATH CONNECTIONS RATE ROUNDS PORT...\n", stderr);
        return 2;
    }
    load.request = request;
    load.request_bytes = (size_t)snprintf(
        request, sizeof(request), "GET %.256s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", argv[1]);
    load.line_count = (uint32_t)parse(argv[2], CONNECTIONS_MAX);
    load.period_ns = load.line_count * TSUGA_NS_PER_S / parse(argv[3], RATE_MAX);
    rounds = parse(argv[4], ROUNDS_MAX);
    for (int i = 0; i < server_count; i++) {
        servers[i].port = (uint16_t)parse(argv[5 + i], UINT16_MAX);
        open_lines(&servers[i], &load);
    }
    for (unsigned long round = 0; round <= rounds; round++) {
        for (int i = 0; i < server_count; i++) {
            ask(&load, &servers[i]);
            if (round > 0)
                report(&load, i + 1 < server_count ? ' ' : '\n');
        }
    }
    return 0;
}
