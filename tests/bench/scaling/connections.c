/*
 * So many connections to an echo server of one executor, with an actor and a receive stream for
 * each, as a user would write it: nanoseconds of the server's processor time for a message of 64
 * bytes. The floor is the raw liburing loop of support_echo.h.
 *
 * The connections are Unix sockets, whose kernel part is the smallest. A server is a process of its
 * own, whose clock is read from outside; the load sends a message on each of up to WINDOW
 * connections of its random choice, and waits for all of them to come back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <tsuga.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/bench/scaling/scaling.h"
#include "tests/bench/support.h"
#include "tests/bench/support_connection.h"
#include "tests/bench/support_echo.h"

#define CONNECTIONS_MAX 10000u
#define DESCRIPTORS     64u /* beside the connections */
#define MESSAGE_COUNT   8192u
#define MESSAGE_BYTES   64u
#define WINDOW          64u
#define BUFFER_COUNT    256u

typedef void serve_fn(const int *fds, uint32_t count);

/* The load's side of the connections to one server. */
struct load {
    pid_t server;
    clockid_t server_clock;
    uint32_t count;
    int *fds; /* in an order that each window shuffles */
    struct scaling_random random;
};

/* The servers. Both end when all peers are gone. */

static void serve_raw(const int *fds, uint32_t count)
{
    tsuga_bench_echo_serve(&(struct tsuga_bench_echo){
        .fds = fds, .fd_count = count, .buffer_count = BUFFER_COUNT, .listener = -1});
}

static void serve_ours(const int *fds, uint32_t count)
{
    static const struct tsuga_config config = {.executor.threads = 1};
    struct tsuga_runtime *runtime;

    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    for (uint32_t i = 0; i < count; i++)
        (void)tsuga_bench_connection(runtime, fds[i], false);
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
}

/* Never returns: the process ends with its peers. */
static _Noreturn void run_server(int listener, uint32_t count, serve_fn *serve)
{
    int *fds = scaling_memory(count, sizeof(*fds));

    for (uint32_t i = 0; i < count; i++) {
        fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        tsuga_bench_require("accept4", fds[i] < 0 ? -errno : 0);
    }
    close(listener);
    serve(fds, count);
    _exit(0);
}

/* The load. */

static int open_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tsuga_bench_require("a socket", fd < 0 ? -errno : 0);
    return fd;
}

/* An address that is nothing but the family makes the kernel choose a name. */
static int open_listener(struct sockaddr_un *address, socklen_t *bytes)
{
    int fd = open_socket();

    *bytes = sizeof(*address);
    address->sun_family = AF_UNIX;
    if (bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)) != 0 ||
        listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)address, bytes) != 0)
        tsuga_bench_fail("a listener", -errno);
    return fd;
}

static void open_load(struct load *load, serve_fn *serve)
{
    struct sockaddr_un address;
    socklen_t bytes;
    int listener = open_listener(&address, &bytes);

    load->server = fork();
    tsuga_bench_require("fork", load->server < 0 ? -errno : 0);
    if (load->server == 0)
        run_server(listener, load->count, serve);
    close(listener);
    tsuga_bench_require("a clock", -clock_getcpuclockid(load->server, &load->server_clock));
    load->fds = scaling_memory(load->count, sizeof(*load->fds));
    for (uint32_t i = 0; i < load->count; i++) {
        load->fds[i] = open_socket();
        if (connect(load->fds[i], (struct sockaddr *)&address, bytes) != 0)
            tsuga_bench_fail("a connection", -errno);
    }
}

static void close_load(struct load *load)
{
    int status;

    for (uint32_t i = 0; i < load->count; i++)
        close(load->fds[i]);
    free(load->fds);
    if (waitpid(load->server, &status, 0) != load->server)
        tsuga_bench_fail("waitpid", -errno);
    tsuga_bench_require("a server", status == 0 ? 0 : -EIO);
}

/* One message on each of the first connections, back and forth. */
static void talk(const int *fds, uint32_t count)
{
    char message[MESSAGE_BYTES] = {0};

    for (uint32_t i = 0; i < count; i++) {
        if (send(fds[i], message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
            tsuga_bench_fail("send", -errno);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (recv(fds[i], message, sizeof(message), MSG_WAITALL) != sizeof(message))
            tsuga_bench_fail("recv", -errno);
    }
}

/* Brings connections of random choice to the front. */
static void choose(struct load *load, uint32_t chosen_count)
{
    for (uint32_t i = 0; i < chosen_count; i++) {
        uint32_t other = i + scaling_random_below(&load->random, load->count - i);
        int fd = load->fds[i];

        load->fds[i] = load->fds[other];
        load->fds[other] = fd;
    }
}

static uint64_t server_ns(const struct load *load)
{
    struct timespec used;

    if (clock_gettime(load->server_clock, &used) != 0)
        tsuga_bench_fail("a server's clock", -errno);
    return (uint64_t)used.tv_sec * TSUGA_NS_PER_S + (uint64_t)used.tv_nsec;
}

static double measure_server(uint32_t count, serve_fn *serve)
{
    struct load load = {.count = count, .random = {count}};
    uint32_t window = count < WINDOW ? count : WINDOW;
    uint64_t start_ns;
    uint64_t spent_ns;

    open_load(&load, serve);
    for (uint32_t i = 0; i < count; i += window) /* each once: all are served now, and warm */
        talk(&load.fds[i], count - i < window ? count - i : window);
    start_ns = server_ns(&load);
    for (uint32_t i = 0; i < MESSAGE_COUNT; i += window) {
        choose(&load, window);
        talk(load.fds, window);
    }
    spent_ns = server_ns(&load) - start_ns;
    close_load(&load);
    return (double)spent_ns / MESSAGE_COUNT;
}

static void measure(uint32_t count, struct scaling_sample *out)
{
    out->floor_ns = measure_server(count, serve_raw);
    out->ours_ns = measure_server(count, serve_ours);
}

/* As many as there may be descriptors, once there may be as many as the user can have. */
static uint32_t count_allowed(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        tsuga_bench_fail("getrlimit", -errno);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        tsuga_bench_fail("setrlimit", -errno);
    if (limit.rlim_cur >= CONNECTIONS_MAX + DESCRIPTORS)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > DESCRIPTORS ? (uint32_t)limit.rlim_cur - DESCRIPTORS : 0;
}

const struct scaling_case scaling_connections = {
    .name = "connections",
    .unit = "an echo of 64 bytes, of the server's processor time",
    .floor = "raw multishot",
    .count_max = CONNECTIONS_MAX,
    .count_allowed = count_allowed,
    .measure = measure};
