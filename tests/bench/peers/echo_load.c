/*
 * The load of the echo servers, which run already.
 *
 *     echo_load talk CONNECTIONS BYTES ROUNDS PORT:PID…
 *
 * keeps one message on its way on every connection of one server after the other, a fifth of a
 * second each; the others sleep meanwhile. Prints one line a round: for each server the nanoseconds
 * of processor time that it took for a message. The first round warms up and is not printed.
 *
 *     echo_load idle CONNECTIONS PORT:PID…
 *
 * opens connections to one server after the other, sends a message on each, and lets them rest.
 * Prints one line for each server: the bytes by which it has grown for each connection, and how
 * often in a second its threads were switched to while nobody said anything.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_tcp.h"

#define CONNECTIONS_MAX 16384u
#define SERVERS_MAX     8
#define BYTES_MAX       4096u
#define EVENT_COUNT     512
#define TURN_NS         UINT64_C(200000000)
#define IDLE_BYTES      64u
#define SETTLE_S        3 /* longer than anybody keeps memory that nobody uses */
#define REST_S          2

/* One connection. */
struct line {
    int fd;
    size_t left; /* bytes of the message that are still to come back */
};

struct server {
    int epoll;
    uint16_t port;
    pid_t pid;
    struct line *lines;
};

static unsigned long parse(const char *text, unsigned long max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    tsuga_bench_require(text, *end != '\0' || number < 1 || number > max ? -EINVAL : 0);
    return number;
}

static struct server parse_server(const char *text)
{
    char *colon;
    unsigned long port = strtoul(text, &colon, 10);

    tsuga_bench_require(text, *colon != ':' || port > UINT16_MAX ? -EINVAL : 0);
    return (struct server){.port = (uint16_t)port, .pid = (pid_t)parse(colon + 1, INT32_MAX)};
}

static void open_lines(struct server *server, uint32_t count)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->lines = calloc(count, sizeof(*server->lines));
    tsuga_bench_require("calloc", server->lines == NULL ? -ENOMEM : 0);
    for (uint32_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        int fd = tsuga_bench_connect(server->port);

        tsuga_bench_require("fcntl", fcntl(fd, F_SETFL, O_NONBLOCK));
        tsuga_bench_require("epoll_ctl", epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event));
        server->lines[i].fd = fd;
    }
}

static void close_lines(struct server *server, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        close(server->lines[i].fd);
    close(server->epoll);
    free(server->lines);
}

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

/* Keeps a message on its way on each line for `turn_ns`, and awaits them all. Returns how many came
 * back. */
static uint64_t talk(struct server *server, uint32_t line_count, size_t bytes, uint64_t turn_ns)
{
    struct epoll_event events[EVENT_COUNT];
    uint64_t end_ns = tsuga_bench_now_ns() + turn_ns;
    uint32_t open_count = line_count;
    uint64_t count = 0;

    for (uint32_t i = 0; i < line_count; i++)
        send_one(&server->lines[i], bytes);
    while (open_count > 0) {
        int ready = epoll_wait(server->epoll, events, EVENT_COUNT, -1);
        bool goes_on = tsuga_bench_now_ns() < end_ns;

        for (int i = 0; i < ready; i++) {
            struct line *line = &server->lines[events[i].data.u32];

            if (!receive_some(line))
                continue;
            count++;
            if (goes_on)
                send_one(line, bytes);
            else
                open_count--;
        }
    }
    return count;
}

static double processor_ns(const struct server *server)
{
    struct timespec used;
    clockid_t clock;

    tsuga_bench_require("clock_getcpuclockid", -clock_getcpuclockid(server->pid, &clock));
    tsuga_bench_require("clock_gettime", clock_gettime(clock, &used) == 0 ? 0 : -errno);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static int run_talk(int argc, char **argv)
{
    uint32_t line_count = (uint32_t)parse(argv[2], CONNECTIONS_MAX);
    size_t bytes = parse(argv[3], BYTES_MAX);
    unsigned long round_count = parse(argv[4], 1000);
    int server_count = argc - 5;
    struct server servers[SERVERS_MAX];

    for (int i = 0; i < server_count; i++) {
        servers[i] = parse_server(argv[5 + i]);
        open_lines(&servers[i], line_count);
    }
    for (unsigned long round = 0; round <= round_count; round++) {
        for (int i = 0; i < server_count; i++) {
            double before_ns = processor_ns(&servers[i]);
            uint64_t count = talk(&servers[i], line_count, bytes, TURN_NS);

            if (round > 0)
                printf("%.1f%c", (processor_ns(&servers[i]) - before_ns) / (double)count,
                       i + 1 < server_count ? ' ' : '\n');
        }
    }
    for (int i = 0; i < server_count; i++)
        close_lines(&servers[i], line_count);
    return 0;
}

/* The sum of the numbers behind `key` in a file of /proc. */
static double sum_of(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    char line[256];
    double sum = 0;

    if (file == NULL)
        tsuga_bench_fail(path, -errno);
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *at = strstr(line, key);

        if (at != NULL)
            sum += strtod(at + strlen(key), NULL);
    }
    fclose(file);
    return sum;
}

static double resident_bytes(const struct server *server)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)server->pid);
    return sum_of(path, "VmRSS:") * 1024;
}

static double switch_count(const struct server *server)
{
    char directory[64];
    double sum = 0;
    DIR *tasks;

    snprintf(directory, sizeof(directory), "/proc/%d/task", (int)server->pid);
    tasks = opendir(directory);
    if (tasks == NULL)
        tsuga_bench_fail(directory, -errno);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        char path[512];

        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s/status", directory, task->d_name);
        sum += sum_of(path, "voluntary_ctxt_switches:"); /* and nonvoluntary ones */
    }
    closedir(tasks);
    return sum;
}

static void rest(struct server *server, uint32_t line_count)
{
    double before_bytes = resident_bytes(server);
    double before_switches;

    open_lines(server, line_count);
    (void)talk(server, line_count, IDLE_BYTES, 0);
    sleep(SETTLE_S);
    before_switches = switch_count(server);
    sleep(REST_S);
    printf("%.0f %.1f\n", (resident_bytes(server) - before_bytes) / line_count,
           (switch_count(server) - before_switches) / REST_S);
    fflush(stdout);
    close_lines(server, line_count);
}

int main(int argc, char **argv)
{
    if (argc > 5 && argc - 5 <= SERVERS_MAX && strcmp(argv[1], "talk") == 0)
        return run_talk(argc, argv);
    if (argc <= 3 || strcmp(argv[1], "idle") != 0) {
        fputs("usage: echo_load talk CONNECTIONS BYTES ROUNDS PORT:PID...\n"
              "       echo_load idle CONNECTIONS PORT:PID...\n",
              stderr);
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        struct server server = parse_server(argv[i]);

        rest(&server, (uint32_t)parse(argv[2], CONNECTIONS_MAX));
    }
    return 0;
}
