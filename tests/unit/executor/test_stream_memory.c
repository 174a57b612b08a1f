/* Between a stream's arming and its deliveries nobody calls the general allocator. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/modes.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  29u
#define PIECE 100u
#define BURST 20u /* pieces that come before anybody looks */
#define WARM  10u /* bursts until everything has its size */
#define COUNT 100u

/* One stream, with what it is on. */
struct subject {
    struct tsuga_token stream;
    struct sockaddr_in address;
    int ends[2];
    size_t written;
    size_t taken;
};

struct kind {
    void (*begin)(struct tsuga_actor *self, struct subject *one);
    void (*provoke)(struct subject *one);                        /* BURST things */
    void (*take)(struct tsuga_actor *self, struct subject *one); /* all of them */
};

static uint64_t allocations(struct tsuga_actor *self)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    return stats.allocations;
}

/* Bytes. */

static void begin_recv(struct tsuga_actor *self, struct subject *one)
{
    tsuga_fixture_sockets(one->ends);
    one->stream = tsuga_recv_stream(self, one->ends[0]);
}

static void begin_read(struct tsuga_actor *self, struct subject *one)
{
    tsuga_fixture_pipe(one->ends);
    one->stream = tsuga_read_stream(self, one->ends[0]);
}

static void begin_with(struct tsuga_actor *self, struct subject *one,
                       const struct tsuga_group_options *options)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};

    tsuga_fixture_sockets(one->ends);
    if (tsuga_group_make(self, options, &op.group) != 0)
        SKIP("the kernel has no groups of buffers");
    op.fd = one->ends[0];
    one->stream = tsuga_submit(self, &op);
}

static void begin_in_group(struct tsuga_actor *self, struct subject *one)
{
    struct tsuga_group_options options = {.buffer_bytes = PIECE, .buffer_count = 8};

    begin_with(self, one, &options);
}

static void begin_in_pieces(struct tsuga_actor *self, struct subject *one)
{
    struct tsuga_group_options options = {
        .buffer_bytes = 8 * PIECE, .buffer_count = 8, .incremental = true};

    begin_with(self, one, &options);
}

static void write_burst(struct subject *one)
{
    char piece[PIECE];

    for (unsigned i = 0; i < BURST; i++) {
        tsuga_content_fill(piece, PIECE, SEED, one->written);
        tsuga_fixture_write(one->ends[1], piece, PIECE);
        one->written += PIECE;
    }
}

static void take_burst(struct tsuga_actor *self, struct subject *one)
{
    while (one->taken < one->written) {
        struct tsuga_completion got = tsuga_await(self, one->stream);

        CHECK(got.result > 0);
        tsuga_content_check(got.data, got.bytes, SEED, one->taken);
        one->taken += got.bytes;
    }
}

/* Descriptors. */

static void begin_accept(struct tsuga_actor *self, struct subject *one)
{
    one->ends[0] = tsuga_fixture_listener(&one->address);
    one->ends[1] = dup(one->ends[0]);
    one->stream = tsuga_accept_stream(self, one->ends[0]);
}

static void connect_burst(struct subject *one)
{
    for (unsigned i = 0; i < BURST; i++) {
        int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK_INT(connect(peer, (struct sockaddr *)&one->address, sizeof(one->address)), 0);
        CHECK_INT(close(peer), 0);
    }
}

static void accept_burst(struct tsuga_actor *self, struct subject *one)
{
    for (unsigned i = 0; i < BURST; i++) {
        struct tsuga_completion got = tsuga_await(self, one->stream);

        CHECK(got.result >= 0);
        CHECK_INT(tsuga_await(self, tsuga_close(self, got.result)).result, 0);
    }
}

/* Events and periods. */

static void begin_poll(struct tsuga_actor *self, struct subject *one)
{
    tsuga_fixture_sockets(one->ends);
    one->stream = tsuga_poll_stream(self, one->ends[0], POLLIN);
}

static void take_events(struct tsuga_actor *self, struct subject *one)
{
    char bytes[BURST * PIECE];

    CHECK_INT(tsuga_await(self, one->stream).result & POLLIN, POLLIN);
    tsuga_fixture_read(one->ends[0], bytes, sizeof(bytes));
}

static void begin_periods(struct tsuga_actor *self, struct subject *one)
{
    tsuga_fixture_pipe(one->ends);
    one->stream = tsuga_timeout_stream(self, 50000);
}

static void provoke_nothing(struct subject *one)
{
    (void)one;
}

static void take_period(struct tsuga_actor *self, struct subject *one)
{
    CHECK(tsuga_await(self, one->stream).result > 0);
}

static const struct kind kinds[] = {
    {begin_recv, write_burst, take_burst},         {begin_read, write_burst, take_burst},
    {begin_accept, connect_burst, accept_burst},   {begin_poll, write_burst, take_events},
    {begin_periods, provoke_nothing, take_period},
};
static const struct kind own_group = {begin_in_group, write_burst, take_burst};
static const struct kind in_pieces = {begin_in_pieces, write_burst, take_burst};

static void go_steadily(struct tsuga_actor *self, void *argument)
{
    const struct kind *kind = argument;
    struct subject one = {.written = 0};
    uint64_t before = 0;

    kind->begin(self, &one);
    for (unsigned i = 0; i < WARM + COUNT; i++) {
        if (i == WARM)
            before = allocations(self);
        kind->provoke(&one);
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* what came waits now */
        kind->take(self, &one);
    }
    CHECK(before > 0); /* else they are not counted */
    CHECK_UINT(allocations(self), before);
    CHECK_INT(tsuga_forget(self, one.stream), 0);
    tsuga_fixture_close(one.ends, 2);
}

TEST(streams, z07_deliveries_call_no_allocator)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            (void)tsuga_world_run(&setup, go_steadily, (void *)(uintptr_t)&kinds[i]);
    }
}

TEST(streams, z07_deliveries_from_a_group_of_the_actors_own_call_no_allocator)
{
    (void)tsuga_world_run(NULL, go_steadily, (void *)(uintptr_t)&own_group);
}

TEST(streams, z07_deliveries_in_pieces_call_no_allocator)
{
    (void)tsuga_world_run(NULL, go_steadily, (void *)(uintptr_t)&in_pieces);
}

/* Sends without a copy, and their notifications. */
static void send_steadily(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op op = {
        .kind = TSUGA_OP_SEND, .options = TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY, .bytes = PIECE};
    struct subject one = {.written = 0};
    char content[PIECE];
    uint64_t before = 0;

    (void)argument;
    begin_accept(self, &one);
    op.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(op.fd, (struct sockaddr *)&one.address, sizeof(one.address)), 0);
    one.written = (size_t)tsuga_await(self, one.stream).result; /* the other end */
    CHECK_INT(tsuga_lease_make(self, PIECE, &op.lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, op.lease), PIECE, SEED, 0);
    for (unsigned i = 0; i < WARM + COUNT; i++) {
        struct tsuga_token token = tsuga_submit(self, &op);

        if (i == WARM)
            before = allocations(self);
        while (!tsuga_await(self, token).last)
            continue;
        tsuga_fixture_read((int)one.written, content, PIECE);
        tsuga_content_check(content, PIECE, SEED, 0);
    }
    CHECK_UINT(allocations(self), before);
    CHECK_INT(tsuga_forget(self, one.stream), 0);
    tsuga_fixture_close(&op.fd, 1);
    tsuga_fixture_close(one.ends, 2);
}

TEST(zero_copy, z07_notifications_call_no_allocator)
{
    (void)tsuga_world_run(NULL, send_steadily, NULL);
}
