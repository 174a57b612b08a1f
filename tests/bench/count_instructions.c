/*
 * A fixed amount of work of one kind, for a tool that counts instructions:
 *
 *     count_instructions CASE COUNT
 *
 * The difference between two counts is free of what starting and ending costs. There is no kernel
 * behind the ring, see support_ring.h, and one executor, so that a run takes the same instructions
 * each time.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tsuga.h>

#include "runtime/runtime.h"
#include "tests/bench/support.h"
#include "tests/bench/support_ring.h"

#define DEPTH 32u

static void take(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

/* NOPs, so many in flight, each completion a call of the behaviour. */

static void submit_nop(struct tsuga_actor *self)
{
    tsuga_bench_require("tsuga_nop", tsuga_op_error(tsuga_nop(self)));
}

static void start_nops(struct tsuga_actor *self, void *argument)
{
    take(self, argument);
    for (uint32_t i = 0; i < DEPTH; i++)
        submit_nop(self);
}

static void on_nop(struct tsuga_actor *self, const struct tsuga_message *message)
{
    uint64_t *count = *(uint64_t **)tsuga_state(self);

    (void)message;
    if (--*count == 0)
        tsuga_exit(self, TSUGA_NORMAL);
    submit_nop(self);
}

/* One NOP at a time, in a body that blocks for it. */
static void await_nops(struct tsuga_actor *self, void *argument)
{
    for (uint64_t count = *(uint64_t *)argument; count > 0; count--)
        tsuga_bench_require("a nop", tsuga_await(self, tsuga_nop(self)).result);
}

/* Two actors that answer each other; a message's tag says how many are left. */

static void on_ping(struct tsuga_actor *self, const struct tsuga_message *message)
{
    uint64_t left = tsuga_message_tag(message);

    if (left == 0)
        tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
    else
        tsuga_bench_require("tsuga_send",
                            tsuga_send(self, tsuga_message_from(message), left - 1, NULL, 0));
}

static void start_pings(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.behaviour = on_ping};
    struct tsuga_id peer;

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, &peer));
    tsuga_bench_require("tsuga_send", tsuga_send(self, peer, *(uint64_t *)argument, NULL, 0));
}

/* The same by two bodies that block for each message. */

static void answer(struct tsuga_actor *self)
{
    const struct tsuga_message *message;
    uint64_t left;

    for (;;) {
        tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
        left = tsuga_message_tag(message);
        if (left == 0)
            break;
        tsuga_bench_require("tsuga_send",
                            tsuga_send(self, tsuga_message_from(message), left - 1, NULL, 0));
    }
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
}

static void answer_first(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    answer(self);
}

static void start_bodies(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = answer_first};
    struct tsuga_id peer;

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, &peer));
    tsuga_bench_require("tsuga_send", tsuga_send(self, peer, *(uint64_t *)argument, NULL, 0));
    answer(self);
}

/* Actors that end in their first turn, one after the other. */

static void spawn_next(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = spawn_next, .argument = argument};
    uint64_t *count = argument;

    if (--*count > 0)
        tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, NULL));
}

/* A lease of each size in turn, made and released. */
static void make_leases(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease;

    for (uint64_t i = *(uint64_t *)argument; i > 0; i--) {
        tsuga_bench_require("tsuga_lease_make",
                            tsuga_lease_make(self, (size_t)64 << i % 8, &lease));
        tsuga_bench_require("tsuga_lease_release", tsuga_lease_release(self, lease));
    }
}

/* A message to oneself, armed and cancelled. */
static void arm_timers(struct tsuga_actor *self, void *argument)
{
    struct tsuga_mail mail = {.to = tsuga_self(self)};
    struct tsuga_timer_ref timer;

    for (uint64_t i = *(uint64_t *)argument; i > 0; i--) {
        tsuga_bench_require("tsuga_send_after",
                            tsuga_send_after(self, &mail, TSUGA_NS_PER_S, &timer));
        tsuga_bench_require("tsuga_timer_cancel", tsuga_timer_cancel(self, timer));
    }
}

/* Connections whose messages are sent back out of the buffer in which they came. */

struct connection {
    uint64_t *count; /* of messages, common to all */
    int fd;
};

static void on_bytes(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct connection *connection = tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);
    struct tsuga_op send = {.kind = TSUGA_OP_SEND, .options = TSUGA_OP_SILENT};

    if (--*connection->count == 0)
        tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
    send.fd = connection->fd;
    send.lease = io->lease;
    send.bytes = io->bytes;
    tsuga_bench_require("tsuga_submit", tsuga_op_error(tsuga_submit(self, &send)));
}

static void start_connection(struct tsuga_actor *self, void *argument)
{
    struct connection *connection = tsuga_state(self);
    int fds[2];

    connection->count = argument;
    tsuga_bench_require("socketpair",
                        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno);
    connection->fd = fds[0];
    for (unsigned i = 0; i < 2; i++)
        tsuga_bench_require("tsuga_fd_adopt", tsuga_fd_adopt(self, fds[i]));
    tsuga_bench_require("tsuga_recv_stream",
                        tsuga_op_error(tsuga_recv_stream(self, connection->fd)));
}

static void start_connections(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.behaviour = on_bytes,
                                          .start = start_connection,
                                          .argument = argument,
                                          .state_bytes = sizeof(struct connection)};

    for (uint32_t i = 0; i < DEPTH; i++)
        tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, NULL));
}

static const struct {
    const char *name;
    struct tsuga_spawn_options options;
} cases[] = {
    {"nop", {.behaviour = on_nop, .start = start_nops, .state_bytes = sizeof(void *)}},
    {"await", {.body = await_nops}},
    {"message", {.behaviour = on_ping, .start = start_pings}},
    {"body", {.body = start_bodies}},
    {"spawn", {.body = spawn_next}},
    {"lease", {.body = make_leases}},
    {"timer", {.body = arm_timers}},
    {"echo", {.body = start_connections}},
};

/* Time passes with each look at it: under a tool that slows the program down, slices would end
 * early and the executor would look around more often. */
static uint64_t tell_time(void *context)
{
    _Atomic uint64_t *now_ns = context;

    return atomic_fetch_add_explicit(now_ns, 100, memory_order_relaxed);
}

static void run(struct tsuga_spawn_options options, uint64_t count)
{
    /* The watchdog shall not look, nor find that its time has long passed. */
    const struct tsuga_config config = {.executor = {.threads = 1, .watchdog_us = 3600000000},
                                        .log.level = TSUGA_LOG_ERROR};
    _Atomic uint64_t now_ns = tsuga_clock_monotonic_ns(NULL);
    struct tsuga_world world = {.clock = {.now_ns = tell_time, .context = &now_ns},
                                .backing = tsuga_backing_default(),
                                .ring_create = tsuga_bench_ring_create};
    struct tsuga_runtime *runtime;

    options.argument = &count;
    tsuga_bench_require("the runtime", tsuga_runtime_start(&world, &config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
}

int main(int argc, char **argv)
{
    uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) && count > 0; i++) {
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        run(cases[i].options, count);
        return 0;
    }
    fprintf(stderr,
            "usage: count_instructions nop|await|message|body|spawn|lease|timer|echo COUNT\n");
    return 2;
}
