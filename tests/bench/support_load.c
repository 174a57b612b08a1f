#include "tests/bench/support_load.h"

#include <errno.h>
#include <sys/socket.h>

#include "tests/bench/support.h"

#define PAIR_COUNT   64u
#define WORK_NS      2000u
#define SOCKET_COUNT 16u
#define SOCKET_BYTES 64u

static void work(void)
{
    uint64_t end_ns = tsuga_bench_now_ns() + WORK_NS;

    while (tsuga_bench_now_ns() < end_ns)
        continue;
}

/* Pairs. */

static void count_lap(struct tsuga_bench_load *load)
{
    uint64_t now_ns = tsuga_bench_now_ns();

    if (load->lap_start_ns != 0)
        tsuga_histogram_add(&load->laps, now_ns - load->lap_start_ns);
    load->lap_start_ns = now_ns;
}

/* The ball of one pair has a load to tell of its laps: it has a turn each time that the run queue
 * has gone round. */
static void return_ball(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_bench_load *load = *(struct tsuga_bench_load **)tsuga_state(self);

    work();
    if (load != NULL)
        count_lap(load);
    /* An end in the middle of the game is no error. */
    (void)tsuga_send(self, tsuga_message_from(message), 0, NULL, 0);
}

static void keep_argument(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

/* Makes its partner, and serves. */
static void begin_pair(struct tsuga_actor *self, void *load)
{
    const struct tsuga_spawn_options partner = {.behaviour = return_ball,
                                                .start = keep_argument,
                                                .argument = load,
                                                .state_bytes = sizeof(struct tsuga_bench_load *),
                                                .placement = TSUGA_PLACE_EXECUTOR,
                                                .executor = tsuga_executor_of(self),
                                                .name = "partner"};
    struct tsuga_id id;

    keep_argument(self, load);
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &partner, &id));
    tsuga_bench_require("tsuga_send", tsuga_send(self, id, 0, NULL, 0));
}

/* Sockets. */

struct sockets {
    int near;
    int far;
};

static void send_again(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct sockets *sockets = tsuga_state(self);
    const struct tsuga_completion *got = tsuga_message_completion(message);

    if (got->result != (int32_t)SOCKET_BYTES)
        tsuga_bench_fail("a message through a socket", got->result < 0 ? got->result : -EIO);
    if (!got->more)
        return; /* what was sent */
    tsuga_bench_require("a send",
                        tsuga_op_error(tsuga_send_lease(self, sockets->near, got->lease)));
}

static void begin_socket(struct tsuga_actor *self, void *argument)
{
    static const char bytes[SOCKET_BYTES];
    struct sockets *sockets = tsuga_state(self);
    int ends[2];

    (void)argument;
    tsuga_bench_require("socketpair",
                        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno);
    *sockets = (struct sockets){ends[0], ends[1]};
    tsuga_bench_require("tsuga_fd_adopt", tsuga_fd_adopt(self, sockets->near));
    tsuga_bench_require("tsuga_fd_adopt", tsuga_fd_adopt(self, sockets->far));
    tsuga_bench_require("a stream", tsuga_op_error(tsuga_recv_stream(self, sockets->far)));
    tsuga_bench_require(
        "a send", tsuga_op_error(tsuga_send_bytes(self, sockets->near, bytes, sizeof(bytes))));
}

/* Both. */

static void start_pair(struct tsuga_runtime *runtime, uint32_t executor,
                       struct tsuga_bench_load *load)
{
    const struct tsuga_spawn_options options = {.behaviour = return_ball,
                                                .start = begin_pair,
                                                .argument = load,
                                                .state_bytes = sizeof(struct tsuga_bench_load *),
                                                .placement = TSUGA_PLACE_EXECUTOR,
                                                .executor = executor,
                                                .name = "pair"};

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
}

static void start_socket(struct tsuga_runtime *runtime, uint32_t executor)
{
    const struct tsuga_spawn_options options = {.behaviour = send_again,
                                                .start = begin_socket,
                                                .state_bytes = sizeof(struct sockets),
                                                .placement = TSUGA_PLACE_EXECUTOR,
                                                .executor = executor,
                                                .name = "socket"};

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
}

void tsuga_bench_load_start(struct tsuga_bench_load *load, struct tsuga_runtime *runtime)
{
    struct tsuga_stats stats;

    *load = (struct tsuga_bench_load){.lap_start_ns = 0};
    tsuga_stats_read(runtime, &stats);
    for (uint32_t executor = 0; executor < stats.executor_count; executor++) {
        for (uint32_t i = 0; i < PAIR_COUNT; i++)
            start_pair(runtime, executor, executor == 0 && i == 0 ? load : NULL);
        for (uint32_t i = 0; i < SOCKET_COUNT; i++)
            start_socket(runtime, executor);
    }
}
