/*
 * http_floor FILE…: the least that serving files costs. An epoll loop that reads no request, and
 * answers whatever comes in one piece with a file that lies in its memory behind a ready head. One
 * port of the kernel's choice for each file; prints them in one line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_tcp.h"

#define EVENT_COUNT 512
#define HEAD_BYTES  256
#define FILES_MAX   8
#define LINES_MAX   4096

struct answer {
    char *bytes;
    size_t count;
};

/* A listener, or a connection. */
struct line {
    int fd; /* its place in the table */
    bool is_listener;
    const struct answer *answer;
    size_t left; /* of the answer, when the socket had no room for all of it */
};

static void read_answer(const char *path, struct answer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    int head;

    if (fd < 0 || fstat(fd, &status) != 0)
        tsuga_bench_fail(path, -errno);
    out->bytes = malloc(HEAD_BYTES + (size_t)status.st_size);
    tsuga_bench_require("malloc", out->bytes == NULL ? -ENOMEM : 0);
    head = snprintf(out->bytes, HEAD_BYTES,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                    "Content-Length: %lld\r\n\r\n",
                    (long long)status.st_size);
    if (read(fd, out->bytes + head, (size_t)status.st_size) != status.st_size)
        tsuga_bench_fail(path, -EIO);
    out->count = (size_t)head + (size_t)status.st_size;
    close(fd);
}

static void watch(int epoll, struct line *line, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = line};

    if (epoll_ctl(epoll, how, line->fd, &event) != 0)
        tsuga_bench_fail("epoll_ctl", -errno);
}

static struct line *open_line(struct line *lines, int fd, const struct answer *answer)
{
    tsuga_bench_require("a descriptor", fd < 0 ? -errno : fd >= LINES_MAX ? -EMFILE : 0);
    lines[fd] = (struct line){.fd = fd, .answer = answer};
    return &lines[fd];
}

static void welcome(int epoll, struct line *lines, const struct line *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    watch(epoll, open_line(lines, fd, listener->answer), EPOLL_CTL_ADD, EPOLLIN);
}

static void send_rest(int epoll, struct line *line, bool had_waited)
{
    const struct answer *answer = line->answer;
    ssize_t sent =
        send(line->fd, answer->bytes + (answer->count - line->left), line->left, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        close(line->fd); /* which ends the watch, too */
        return;
    }
    line->left -= sent > 0 ? (size_t)sent : 0;
    if (line->left > 0 && !had_waited)
        watch(epoll, line, EPOLL_CTL_MOD, EPOLLOUT);
    else if (line->left == 0 && had_waited)
        watch(epoll, line, EPOLL_CTL_MOD, EPOLLIN);
}

static void answer(int epoll, struct line *line)
{
    static char request[4096];

    if (recv(line->fd, request, sizeof(request), 0) <= 0) {
        close(line->fd); /* which ends the watch, too */
        return;
    }
    line->left = line->answer->count;
    send_rest(epoll, line, false);
}

static void handle(int epoll, struct line *lines, struct line *line)
{
    if (line->is_listener)
        welcome(epoll, lines, line);
    else if (line->left > 0)
        send_rest(epoll, line, true);
    else
        answer(epoll, line);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENT_COUNT];
    static struct answer answers[FILES_MAX];
    static struct line lines[LINES_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    tsuga_bench_require("one to seven files", argc < 2 || argc > FILES_MAX ? -EINVAL : 0);
    for (int i = 1; i < argc; i++) {
        uint16_t port;
        struct line *line = open_line(lines, tsuga_bench_listen(&port), &answers[i]);

        read_answer(argv[i], &answers[i]);
        line->is_listener = true;
        watch(epoll, line, EPOLL_CTL_ADD, EPOLLIN);
        printf("%u%c", port, i + 1 < argc ? ' ' : '\n');
    }
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENT_COUNT, -1);

        for (int i = 0; i < count; i++)
            handle(epoll, lines, events[i].data.ptr);
    }
}
