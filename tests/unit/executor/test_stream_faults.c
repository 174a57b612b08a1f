/* Streams and zero-copy sends on a ring that refuses enters, submits in parts, withholds results
 * and lets those of different requests change places: everything comes, once, and in order. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/modes.h"
#include "tests/support/needs.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ACTORS      4u
#define BYTES       (40u << 10)
#define PIECE_MAX   700u
#define CONNECTIONS 30u
#define SENDS       25u
#define SEND_BYTES  3000u
#define DRIFTERS    120u
#define STEPS       25u

static const struct tsuga_ring_fault_plan faults = {.create = tsuga_world_ring,
                                                    .refuse_per_mille = 200,
                                                    .partial_per_mille = 200,
                                                    .hold_per_mille = 300};

/* An actor's state. */
struct flow {
    uint64_t seed; /* of the content, and of what is drawn */
    uint64_t random;
    int ends[2];
    size_t written;
    size_t taken;
    struct tsuga_token stream;
};

static uint64_t draw(struct flow *flow, uint64_t count)
{
    return tsuga_test_random(&flow->random) % count;
}

static void add_counts(struct tsuga_ring_fault_counts *sum, struct tsuga_ring_fault_plan *plan)
{
    for (uint32_t i = 0; i < plan->ring_count; i++) {
        const struct tsuga_ring_fault_counts *counts = tsuga_ring_fault_counts(plan->rings[i]);

        sum->refused += counts->refused;
        sum->cut_short += counts->cut_short;
        sum->held += counts->held;
    }
}

/* Adds up what went wrong. */
static void run_faulty(enum tsuga_mode mode, tsuga_body_fn *body, uint32_t executors,
                       struct tsuga_ring_fault_counts *sum)
{
    struct tsuga_ring_fault_plan plan = faults;
    struct tsuga_setup setup = {.config = tsuga_mode_config(mode),
                                .ring_create = tsuga_ring_fault_create,
                                .ring_context = &plan};
    struct tsuga_run run;
    uint64_t seeds[ACTORS];

    plan.seed = tsuga_test_seed();
    setup.config.executor.threads = executors;
    setup.config.executor.ring_entries = 8;
    setup.config.receive.group_buffers = 2;
    setup.config.receive.sizer_min = 512;
    setup.config.receive.group_sizes = 1u << 9 | 1u << 12;
    tsuga_world_start(&setup, &run);
    for (unsigned i = 0; i < ACTORS; i++) {
        seeds[i] = plan.seed + i;
        (void)tsuga_world_spawn(&run, body, &seeds[i]);
    }
    tsuga_world_end(&run);
    add_counts(sum, &plan);
    tsuga_ring_fault_plan_fini(&plan);
}

static void check_faults(const struct tsuga_ring_fault_counts *sum)
{
    CHECK(sum->refused > 0);
    CHECK(sum->cut_short > 0);
    CHECK(sum->held > 0);
}

static void run_in_each_mode(tsuga_body_fn *body, uint32_t executors)
{
    struct tsuga_ring_fault_counts sum = {.refused = 0};

    TSUGA_MODES_EACH(mode)
    run_faulty(mode, body, executors, &sum);
    check_faults(&sum);
}

/* Bytes. */

static void feed(struct flow *flow)
{
    char piece[PIECE_MAX];
    size_t bytes = 1 + draw(flow, PIECE_MAX);

    if (bytes > BYTES - flow->written)
        bytes = BYTES - flow->written;
    tsuga_content_fill(piece, bytes, flow->seed, flow->written);
    tsuga_fixture_write(flow->ends[1], piece, bytes);
    flow->written += bytes;
}

static void take(struct flow *flow, const struct tsuga_completion *got)
{
    CHECK(got->result > 0);
    CHECK(got->more);
    tsuga_content_check(got->data, got->bytes, flow->seed, flow->taken);
    flow->taken += got->bytes;
    CHECK(flow->taken <= flow->written);
}

/* Takes what there is now. */
static void take_some(struct tsuga_actor *self, struct flow *flow)
{
    for (;;) {
        struct tsuga_completion got =
            tsuga_await_any(self, &flow->stream, 1, draw(flow, 2) * 50000);

        if (got.result == -ETIMEDOUT)
            return;
        take(flow, &got);
    }
}

static void pause_now_and_then(struct tsuga_actor *self, struct flow *flow)
{
    switch (draw(flow, 8)) {
    case 0:
        CHECK_INT(tsuga_stream_pause(self, flow->stream), 0);
        break;
    case 1:
        CHECK_INT(tsuga_stream_pause(self, flow->stream), 0);
        CHECK_INT(tsuga_stream_resume(self, flow->stream), 0);
        break;
    case 2:
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        break;
    default:
        CHECK_INT(tsuga_stream_resume(self, flow->stream), 0);
        break;
    }
}

static void flow_through(struct tsuga_actor *self, struct flow *flow)
{
    struct tsuga_completion got;

    while (flow->written < BYTES) {
        feed(flow);
        pause_now_and_then(self, flow);
        if (draw(flow, 3) == 0)
            take_some(self, flow);
    }
    tsuga_fixture_close(&flow->ends[1], 1);
    CHECK_INT(tsuga_stream_resume(self, flow->stream), 0);
    while (!(got = tsuga_await(self, flow->stream)).last)
        take(flow, &got);
    CHECK_INT(got.result, 0);
    CHECK_UINT(flow->taken, BYTES);
    CHECK_INT(tsuga_await(self, flow->stream).result, -ENOENT);
    tsuga_fixture_close(flow->ends, 1);
}

static void receive_all(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.seed = *(uint64_t *)argument, .random = *(uint64_t *)argument};

    tsuga_fixture_sockets(flow.ends);
    flow.stream = tsuga_recv_stream(self, flow.ends[0]);
    flow_through(self, &flow);
}

TEST(streams, n03_z03_a_receive_stream_on_a_faulty_ring_brings_everything_once)
{
    run_in_each_mode(receive_all, 2);
}

static void read_all(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.seed = *(uint64_t *)argument, .random = *(uint64_t *)argument};

    tsuga_fixture_pipe(flow.ends);
    flow.stream = tsuga_read_stream(self, flow.ends[0]);
    flow_through(self, &flow);
}

TEST(streams, n03_z03_a_read_stream_on_a_faulty_ring_brings_everything_once)
{
    run_in_each_mode(read_all, 2);
}

static struct tsuga_token receive_in_pieces(struct tsuga_actor *self, int fd)
{
    struct tsuga_group_options options = {
        .buffer_bytes = 1024, .buffer_count = 2, .incremental = true};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI, .fd = fd};

    tsuga_make_group(self, &options, &op.group);
    return tsuga_submit(self, &op);
}

static void receive_all_in_pieces(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.seed = *(uint64_t *)argument, .random = *(uint64_t *)argument};

    tsuga_fixture_sockets(flow.ends);
    flow.stream = receive_in_pieces(self, flow.ends[0]);
    flow_through(self, &flow);
}

TEST(streams, n03_z03_pieces_on_a_faulty_ring_come_once_and_in_order)
{
    run_in_each_mode(receive_all_in_pieces, 2);
}

/* Nobody takes anything before all of it is there, and the peer is gone. */
static void look_late(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.seed = *(uint64_t *)argument, .random = *(uint64_t *)argument};

    tsuga_fixture_sockets(flow.ends);
    flow.stream = tsuga_recv_stream(self, flow.ends[0]);
    while (flow.written < BYTES) {
        feed(&flow);
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    flow_through(self, &flow);
}

TEST(streams, z06_what_a_faulty_ring_brings_before_anyone_waits_is_kept_in_order)
{
    run_in_each_mode(look_late, 1);
}

/* Connections. */

static void greet(const struct sockaddr_in *address, int *peer, unsigned number)
{
    *peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(*peer, (const struct sockaddr *)address, sizeof(*address)), 0);
    tsuga_fixture_write(*peer, &number, sizeof(number));
}

static void accept_all(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.random = *(uint64_t *)argument};
    int peers[CONNECTIONS];
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);

    flow.stream = tsuga_accept_stream(self, listener);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        greet(&address, &peers[i], i);
        pause_now_and_then(self, &flow);
    }
    CHECK_INT(tsuga_stream_resume(self, flow.stream), 0);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct tsuga_completion got = tsuga_await(self, flow.stream);
        unsigned number;

        CHECK(got.result >= 0);
        tsuga_fixture_read(got.result, &number, sizeof(number));
        CHECK_UINT(number, i);
    }
    CHECK_INT(tsuga_await_any(self, &flow.stream, 1, 1000000).result, -ETIMEDOUT);
    CHECK_INT(tsuga_forget(self, tsuga_cancel(self, flow.stream)), 0);
    CHECK_INT(tsuga_await(self, flow.stream).result, -ECANCELED);
    tsuga_fixture_close(peers, CONNECTIONS);
    tsuga_fixture_close(&listener, 1);
}

TEST(streams, z03_n07_an_accept_stream_on_a_faulty_ring_brings_every_connection_once)
{
    run_in_each_mode(accept_all, 2);
}

/* The stream is about to rest, of which nobody has heard, when it is cancelled. */
static void cancel_what_has_ended(struct tsuga_actor *self, void *argument)
{
    struct tsuga_ring *ring = tsuga_seat_home(tsuga_seat_of(self))->ring;
    struct tsuga_completion got;
    struct tsuga_record *record;
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_record_find(tsuga_seat_of(self)->io, stream, &record), 0);
    tsuga_ring_fault_hold(tsuga_ring_fault_of(ring), (uintptr_t)record, 10);
    CHECK_INT(tsuga_stream_pause(self, stream), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_stream_resume(self, stream), 0);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, stream)).result, 0);
    got = tsuga_await(self, stream);
    CHECK_INT(got.result, -ECANCELED);
    CHECK(got.last);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, a_cancel_that_the_kernel_has_no_use_for_ends_the_stream_all_the_same)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring};
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode),
                                    .ring_create = tsuga_ring_fault_create,
                                    .ring_context = &plan};

        (void)tsuga_world_run(&setup, cancel_what_has_ended, NULL);
        tsuga_ring_fault_plan_fini(&plan);
    }
}

/* The kernel tells of the data, and forgets the end. */
static void await_a_lost_end(struct tsuga_actor *self, void *argument)
{
    struct tsuga_ring *ring = tsuga_seat_home(tsuga_seat_of(self))->ring;
    struct tsuga_completion got;
    struct tsuga_record *record;
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_record_find(tsuga_seat_of(self)->io, stream, &record), 0);
    tsuga_ring_fault_lose(tsuga_ring_fault_of(ring), (uintptr_t)record);
    tsuga_fixture_write(ends[1], "x", 1);
    tsuga_fixture_close(&ends[1], 1);
    CHECK_INT(tsuga_await(self, stream).result, 1);
    got = tsuga_await_any(self, &stream, 1, TSUGA_NS_PER_S);
    CHECK_INT(got.result, 0);
    CHECK(got.last);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, n03_an_end_that_the_kernel_forgets_is_found)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring};
    struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create, .ring_context = &plan};

    tsuga_needs("MULTISHOT");
    tsuga_needs("BUFFER_RING");    /* without which receives are no multishot ones */
    tsuga_needs_locked(256 << 10); /* a group, beside the ring */
    (void)tsuga_world_run(&setup, await_a_lost_end, NULL);
    tsuga_ring_fault_plan_fini(&plan);
}

/* Zero copy. */

static uint64_t start_send(struct tsuga_actor *self, struct flow *flow, struct tsuga_lease lease)
{
    struct tsuga_op op = {.kind = TSUGA_OP_SEND,
                          .options = TSUGA_OP_ZERO_COPY,
                          .fd = flow->ends[0],
                          .lease = lease,
                          .bytes = SEND_BYTES};

    op.options |= draw(flow, 2) == 0 ? TSUGA_OP_EARLY : 0;
    flow->stream = tsuga_submit(self, &op);
    CHECK_INT(tsuga_op_error(flow->stream), 0);
    return op.options & TSUGA_OP_EARLY;
}

/* The last result, after at most one before it. */
static void end_send(struct tsuga_actor *self, struct flow *flow, bool is_early)
{
    struct tsuga_completion got = tsuga_await(self, flow->stream);

    CHECK_INT(got.result, SEND_BYTES);
    if (!got.last) {
        CHECK(is_early);
        got = tsuga_await(self, flow->stream);
        CHECK_INT(got.result, SEND_BYTES);
    }
    CHECK(got.last);
    CHECK_INT(tsuga_await(self, flow->stream).result, -ENOENT);
}

static void connect_tcp(int ends[2])
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(ends[0], (struct sockaddr *)&address, sizeof(address)), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(ends[1] >= 0);
    tsuga_fixture_close(&listener, 1);
}

/* The buffer is spoilt as soon as it is the actor's again. */
static void send_all(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.seed = *(uint64_t *)argument, .random = *(uint64_t *)argument};
    char content[SEND_BYTES];

    connect_tcp(flow.ends);
    for (unsigned i = 0; i < SENDS; i++) {
        struct tsuga_lease lease;
        bool is_early;

        CHECK_INT(tsuga_lease_make(self, SEND_BYTES, &lease), 0);
        tsuga_content_fill(tsuga_lease_data(self, lease), SEND_BYTES, flow.seed, i * SEND_BYTES);
        is_early = start_send(self, &flow, lease) != 0;
        end_send(self, &flow, is_early);
        memset(tsuga_lease_data(self, lease), 0xee, SEND_BYTES);
        CHECK_INT(tsuga_lease_release(self, lease), 0);
        tsuga_fixture_read(flow.ends[1], content, SEND_BYTES);
        tsuga_content_check(content, SEND_BYTES, flow.seed, i * SEND_BYTES);
    }
    tsuga_fixture_close(flow.ends, 2);
}

TEST(zero_copy, z03_z13_sends_on_a_faulty_ring_end_once_and_keep_their_bytes)
{
    struct tsuga_ring_fault_counts sum = {.refused = 0};

    run_faulty(TSUGA_MODE_FULL, send_all, 2, &sum);
    check_faults(&sum);
}

/* Ends. */

static struct tsuga_token begin_any(struct tsuga_actor *self, struct flow *flow, int listener)
{
    switch (draw(flow, 6)) {
    case 0:
        return tsuga_accept_stream(self, listener);
    case 1:
        return tsuga_timeout_stream(self, 1 + draw(flow, 300000));
    case 2:
        return tsuga_poll_stream(self, flow->ends[0], 1);
    case 3:
        return receive_in_pieces(self, flow->ends[0]);
    default:
        return tsuga_recv_stream(self, flow->ends[0]);
    }
}

static void meddle(struct tsuga_actor *self, struct flow *flow)
{
    switch (draw(flow, 8)) {
    case 0:
        (void)tsuga_forget(self, flow->stream);
        break;
    case 1:
        (void)tsuga_forget(self, tsuga_cancel(self, flow->stream));
        break;
    case 2:
        (void)tsuga_stream_pause(self, flow->stream);
        break;
    case 3:
        (void)tsuga_stream_resume(self, flow->stream);
        break;
    case 4:
        (void)tsuga_await_any(self, &flow->stream, 1, draw(flow, 100000));
        break;
    default:
        CHECK(syscall(SYS_write, flow->ends[1], "0123456789", 1 + draw(flow, 10)) > 0);
        break;
    }
}

/* By the system calls themselves: see open_pipe() of the other storm. */
static int listen_here(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof(*address);
    int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0);
    CHECK_INT(syscall(SYS_bind, fd, address, bytes), 0);
    CHECK_INT(syscall(SYS_listen, fd, 8), 0);
    CHECK_INT(syscall(SYS_getsockname, fd, address, &bytes), 0);
    return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_INT(syscall(SYS_connect, fd, address, sizeof(*address)), 0);
    return fd;
}

/* Drops its streams in whatever state they are, and at last itself. */
static void drift(struct tsuga_actor *self, void *argument)
{
    struct flow flow = {.random = *(uint64_t *)argument ^ tsuga_self(self).value * 977};
    struct sockaddr_in address;
    int fds[4];

    CHECK_INT(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, flow.ends), 0);
    fds[0] = flow.ends[0];
    fds[1] = flow.ends[1];
    fds[2] = listen_here(&address);
    fds[3] = connect_to(&address);
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(tsuga_fd_adopt(self, fds[i]), 0);
    flow.stream = begin_any(self, &flow, fds[2]);
    for (unsigned i = 0; i < STEPS && tsuga_yield(self) == 0; i++) {
        meddle(self, &flow);
        if (draw(&flow, 4) == 0)
            flow.stream = begin_any(self, &flow, fds[2]);
        if (draw(&flow, 40) == 0)
            tsuga_exit(self, TSUGA_NORMAL);
    }
}

static void drift_away(enum tsuga_mode mode)
{
    struct tsuga_ring_fault_plan plan = faults;
    struct tsuga_setup setup = {.config = tsuga_mode_config(mode),
                                .ring_create = tsuga_ring_fault_create,
                                .ring_context = &plan};
    struct tsuga_id ids[DRIFTERS];
    struct tsuga_run run;

    plan.seed = tsuga_test_seed();
    setup.config.executor.threads = 2;
    setup.config.executor.ring_entries = 8;
    setup.config.executor.watchdog_us = 10000000;
    setup.config.actor.death_ms = 60000;
    setup.config.receive.group_buffers = 2;
    setup.config.receive.lent_max = 8192;
    tsuga_world_start(&setup, &run);
    for (unsigned i = 0; i < DRIFTERS; i++) {
        ids[i] = tsuga_world_spawn(&run, drift, &plan.seed);
        if (i >= 8 && i % 2 == 0)
            (void)tsuga_actor_stop(run.runtime, ids[i - 8]);
    }
    tsuga_world_end(&run);
    tsuga_ring_fault_plan_fini(&plan);
}

TEST(streams, h24_h43_z05_streams_dropped_on_a_faulty_ring_leave_nothing_behind)
{
    tsuga_needs_locked(512 << 10); /* groups for many */
    TSUGA_MODES_EACH(mode)
    drift_away(mode);
}
