/* Streams: what comes is delivered whole and in order, however the kernel ends its requests. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/modes.h"
#include "tests/support/needs.h"
#include "tests/support/ring_fault.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED   83u
#define BYTES  (300u << 10)
#define PIECES 300u
#define PEERS  20u

static void run_in(enum tsuga_mode mode, tsuga_body_fn *body, void *argument)
{
    struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

    (void)tsuga_world_run(&setup, body, argument);
}

static void run_in_each_mode(tsuga_body_fn *body)
{
    TSUGA_MODES_EACH(mode)
    run_in(mode, body, &mode);
}

/* A thread that writes a content and closes its end. */
struct writer {
    pthread_t thread;
    int fd;
    size_t bytes;
    size_t piece;
};

static void *write_all(void *context)
{
    struct writer *writer = context;
    char content[8192];

    for (size_t offset = 0; offset < writer->bytes; offset += writer->piece) {
        size_t bytes =
            writer->bytes - offset < writer->piece ? writer->bytes - offset : writer->piece;

        tsuga_content_fill(content, bytes, SEED, offset);
        tsuga_fixture_write(writer->fd, content, bytes);
    }
    CHECK_INT(close(writer->fd), 0);
    return NULL;
}

static void start_writer(struct writer *writer, int fd, size_t bytes, size_t piece)
{
    *writer = (struct writer){.fd = fd, .bytes = bytes, .piece = piece};
    CHECK_INT(pthread_create(&writer->thread, NULL, write_all, writer), 0);
}

/* Takes the whole content; checks every completion's contract. */
static void take_content(struct tsuga_actor *self, struct tsuga_token stream, size_t bytes)
{
    size_t offset = 0;

    while (offset < bytes) {
        struct tsuga_completion got = tsuga_await(self, stream);

        CHECK(got.result > 0);
        CHECK(got.more);
        CHECK(!got.last);
        CHECK(got.started);
        CHECK_UINT(got.bytes, (size_t)got.result);
        CHECK_PTR(got.data, tsuga_lease_data(self, got.lease));
        CHECK_UINT(tsuga_lease_bytes(self, got.lease), got.bytes);
        tsuga_content_check(got.data, got.bytes, SEED, offset);
        offset += got.bytes;
    }
    CHECK_UINT(offset, bytes);
}

static void take_last(struct tsuga_actor *self, struct tsuga_token stream, int result)
{
    struct tsuga_completion got = tsuga_await(self, stream);

    CHECK_INT(got.result, result);
    CHECK(got.last);
    CHECK(!got.more);
    CHECK(got.started);
    CHECK(got.expired == (result == -ETIMEDOUT));
    CHECK_PTR(got.data, NULL);
    CHECK_INT(tsuga_await(self, stream).result, -ENOENT);
}

static void receive_all(struct tsuga_actor *self, void *argument)
{
    static const size_t pieces[] = {1000, 8192, 17, 4096};
    struct tsuga_token stream;
    struct writer writer;
    int ends[2];

    (void)argument;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t bytes = pieces[i] * PIECES < BYTES ? pieces[i] * PIECES : BYTES;

        tsuga_fixture_sockets(ends);
        CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
        start_writer(&writer, ends[1], bytes, pieces[i]);
        stream = tsuga_recv_stream(self, ends[0]);
        take_content(self, stream, bytes);
        take_last(self, stream, 0);
        CHECK_INT(pthread_join(writer.thread, NULL), 0);
        CHECK_INT(tsuga_await(self, tsuga_close(self, ends[0])).result, 0);
    }
}

TEST(streams, a23_z03_a_receive_stream_brings_everything_in_order)
{
    run_in_each_mode(receive_all);
}

static void read_all(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    struct writer writer;
    int ends[2];

    (void)argument;
    tsuga_fixture_pipe(ends);
    start_writer(&writer, ends[1], BYTES, 1000);
    stream = tsuga_read_stream(self, ends[0]);
    take_content(self, stream, BYTES);
    take_last(self, stream, 0);
    CHECK_INT(pthread_join(writer.thread, NULL), 0);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, a23_a_read_stream_brings_everything_in_order)
{
    run_in_each_mode(read_all);
}

static void read_file(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    struct tsuga_token stream;

    (void)argument;
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    stream = tsuga_read_stream(self, fd);
    take_content(self, stream, BYTES);
    take_last(self, stream, 0);
    tsuga_fixture_close(&fd, 1);
}

TEST(streams, a_read_stream_of_a_regular_file_ends_at_its_end)
{
    run_in_each_mode(read_file);
}

/* Everything arrives before anybody looks, more than the group has buffers, and the peer is gone.
 * Other messages come in between. */
static void look_late(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    char piece[100];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    for (unsigned i = 0; i < 200; i++) {
        tsuga_content_fill(piece, sizeof(piece), SEED, i * sizeof(piece));
        tsuga_fixture_write(ends[1], piece, sizeof(piece));
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    tsuga_fixture_close(&ends[1], 1);
    for (unsigned i = 0; i < 10; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    take_content(self, stream, 200 * sizeof(piece));
    take_last(self, stream, 0);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, z06_what_comes_before_anyone_waits_is_kept_in_order)
{
    run_in_each_mode(look_late);
}

/* Keeps every second buffer to the end, while the others are reused. */
static void keep_some(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease kept[PIECES];
    struct tsuga_token stream;
    char piece[64];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    for (unsigned i = 0; i < PIECES; i++) {
        struct tsuga_completion got;

        tsuga_content_fill(piece, sizeof(piece), SEED + i, 0);
        tsuga_fixture_write(ends[1], piece, sizeof(piece));
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, sizeof(piece));
        tsuga_content_check(got.data, sizeof(piece), SEED + i, 0);
        kept[i] = got.lease;
        if (i % 2 == 0)
            CHECK_INT(tsuga_lease_retain(self, kept[i]), 0);
    }
    for (unsigned i = 0; i < PIECES; i += 2) {
        tsuga_content_check(tsuga_lease_data(self, kept[i]), sizeof(piece), SEED + i, 0);
        CHECK_INT(tsuga_lease_release(self, kept[i]), 0);
        CHECK_INT(tsuga_lease_release(self, kept[i]), -ENOENT);
    }
    tsuga_fixture_close(&ends[1], 1);
    take_last(self, stream, 0);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, n02_n03_a_buffer_is_given_again_only_after_it_came_back)
{
    run_in_each_mode(keep_some);
}

/* More connections than buffers, all with data at the same time; one that reads slowly. */
static void share_few(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token streams[PEERS];
    struct writer writers[PEERS];
    size_t offsets[PEERS] = {0};
    unsigned open = PEERS;
    int ends[PEERS][2];

    (void)argument;
    for (unsigned i = 0; i < PEERS; i++) {
        tsuga_fixture_sockets(ends[i]);
        streams[i] = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                           .options = TSUGA_OP_MULTI,
                                                           .fd = ends[i][0],
                                                           .tag = i});
        start_writer(&writers[i], ends[i][1], 20000, 100);
    }
    while (open > 0) {
        struct tsuga_completion got = tsuga_await_any(self, streams, open, TSUGA_FOREVER);
        size_t i = got.tag;

        CHECK(got.result >= 0);
        if (got.last) {
            for (unsigned k = 0; k < open; k++) {
                if (tsuga_token_equal(streams[k], got.op))
                    streams[k] = streams[--open];
            }
            CHECK_UINT(offsets[i], 20000);
            continue;
        }
        tsuga_content_check(got.data, got.bytes, SEED, offsets[i]);
        offsets[i] += got.bytes;
        if (i == 0) /* looks at nothing else for a while */
            CHECK_INT(tsuga_await(self, tsuga_timeout(self, 100000)).result, 0);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        CHECK_INT(pthread_join(writers[i].thread, NULL), 0);
        tsuga_fixture_close(ends[i], 1);
    }
}

TEST(streams, n04_a21_more_connections_than_buffers)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        setup.config.receive.group_buffers = 1;
        (void)tsuga_world_run(&setup, share_few, NULL);
    }
}

/* One actor hoards what it is lent, another one of the same executor goes on undisturbed. */
static void hoard(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    struct tsuga_completion got;
    struct tsuga_lease leases[64];
    struct tsuga_token stream;
    unsigned count = 0;
    char piece[1] = {7};
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    for (;;) {
        tsuga_fixture_write(ends[1], piece, 1);
        got = tsuga_await_any(self, &stream, 1, 20 * TSUGA_NS_PER_MS);
        if (got.result == -ETIMEDOUT)
            break;
        CHECK_INT(got.result, 1);
        CHECK_INT(tsuga_lease_retain(self, got.lease), 0);
        CHECK(count < 64);
        leases[count++] = got.lease;
    }
    /* One too much, and what was on its way. */
    CHECK(count >= 4);
    CHECK(count <= 6);
    CHECK_INT(
        tsuga_receive(self, &(struct tsuga_select){.user_only = true}, TSUGA_FOREVER, &message), 0);
    while (count > 0)
        CHECK_INT(tsuga_lease_release(self, leases[--count]), 0);
    got = tsuga_await(self, stream); /* it goes on, and nothing was lost */
    CHECK(got.result >= 1);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

static void go_on_beside(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id *hoarder = argument;

    receive_all(self, NULL);
    CHECK_INT(tsuga_send(self, *hoarder, 0, NULL, 0), 0);
}

static void hoard_beside(const struct tsuga_setup *setup)
{
    struct tsuga_run run;
    struct tsuga_id hoarder;

    tsuga_world_start(setup, &run);
    hoarder = tsuga_world_spawn(&run, hoard, NULL);
    (void)tsuga_world_spawn(&run, go_on_beside, &hoarder);
    tsuga_world_end(&run);
}

TEST(streams, n01_who_hoards_has_its_own_streams_wait_and_nobody_elses)
{
    const struct tsuga_setup setup = {
        .config.receive = {.group_buffers = 8, .lent_max = 16u << 10, .sizer = TSUGA_SIZING_FIXED}};

    tsuga_needs("BUFFER_RING"); /* without groups nothing is lent */
    hoard_beside(&setup);
}

/* Ending. */

static void close_peer_mid_read(struct tsuga_actor *self, void *argument)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    stream = tsuga_recv_stream(self, ends[0]);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 0).result, -ETIMEDOUT);
    tsuga_fixture_write(ends[1], "x", 1);
    CHECK_INT(tsuga_await(self, tsuga_close(self, ends[0])).result, 0);
    CHECK_INT(tsuga_await(self, stream).result, 1);
    take_last(self, stream, -ECANCELED);
    for (unsigned i = 0; i < TSUGA_IOHEAP_CLASS_COUNT; i++) {
        if (executor->receive.shared[i] != NULL)
            CHECK_UINT(executor->receive.shared[i]->offered_count,
                       executor->receive.shared[i]->count);
    }
    tsuga_fixture_close(&ends[1], 1);
}

TEST(streams, n01_a_connection_that_is_closed_gives_its_buffers_back)
{
    run_in_each_mode(close_peer_mid_read);
}

struct cancel {
    struct tsuga_token stream;
    int pipe[2];
    int sockets[2];
    int listener;
};

static struct tsuga_token start_stream(struct tsuga_actor *self, struct cancel *cancel,
                                       unsigned kind)
{
    switch (kind) {
    case 0:
        return tsuga_recv_stream(self, cancel->sockets[0]);
    case 1:
        return tsuga_read_stream(self, cancel->pipe[0]);
    case 2:
        return tsuga_accept_stream(self, cancel->listener);
    case 3:
        return tsuga_poll_stream(self, cancel->pipe[0], POLLIN);
    default:
        return tsuga_timeout_stream(self, TSUGA_NS_PER_S);
    }
}

static void cancel_each(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    struct cancel cancel;

    (void)argument;
    tsuga_fixture_pipe(cancel.pipe);
    tsuga_fixture_sockets(cancel.sockets);
    cancel.listener = tsuga_fixture_listener(&address);
    for (unsigned i = 0; i < 20; i++) {
        unsigned kind = i % 5;
        struct tsuga_token stream = start_stream(self, &cancel, kind);

        if (i % 3 == 1) /* armed for certain */
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        if (i % 3 == 2)
            CHECK_INT(tsuga_stream_pause(self, stream), 0);
        if (i >= 10)
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        CHECK_INT(tsuga_await(self, tsuga_cancel(self, stream)).result, 0);
        take_last(self, stream, -ECANCELED);
        CHECK_INT(tsuga_op_error(tsuga_cancel(self, stream)), -ENOENT);
        CHECK_INT(tsuga_stream_pause(self, stream), -ENOENT);
    }
    tsuga_fixture_close(cancel.pipe, 2);
    tsuga_fixture_close(cancel.sockets, 2);
    tsuga_fixture_close(&cancel.listener, 1);
}

TEST(streams, a_stream_is_cancelled_in_every_state)
{
    run_in_each_mode(cancel_each);
}

static void expire_stream(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op op = {
        .kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI, .timeout_ns = 2 * TSUGA_NS_PER_MS};
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    op.fd = ends[0];
    take_last(self, tsuga_submit(self, &op), -ETIMEDOUT);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, a_stream_has_a_time_limit)
{
    run_in_each_mode(expire_stream);
}

static void forget_each(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    struct cancel cancel;

    (void)argument;
    tsuga_fixture_pipe(cancel.pipe);
    tsuga_fixture_sockets(cancel.sockets);
    cancel.listener = tsuga_fixture_listener(&address);
    tsuga_fixture_write(cancel.pipe[1], "x", 1);
    for (unsigned i = 0; i < 15; i++) {
        struct tsuga_token stream;
        int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        tsuga_fixture_write(cancel.sockets[1], "x", 1);
        CHECK_INT(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
        stream = start_stream(self, &cancel, i % 5);
        if (i >= 5) /* something waits */
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        CHECK_INT(tsuga_forget(self, stream), 0);
        CHECK_INT(tsuga_await(self, stream).result, -ENOENT);
        CHECK_INT(tsuga_forget(self, stream), -ENOENT);
        if (i >= 10)
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        tsuga_fixture_close(&peer, 1);
    }
    tsuga_fixture_close(cancel.pipe, 2);
    tsuga_fixture_close(cancel.sockets, 2);
    tsuga_fixture_close(&cancel.listener, 1);
}

TEST(streams, z05_a_stream_is_forgotten_in_every_state)
{
    run_in_each_mode(forget_each);
}

/* The actor ends with streams of every kind, and things that wait in them. */
static void end_with_all(struct tsuga_actor *self, void *argument)
{
    enum tsuga_mode *mode = argument;
    struct sockaddr_in address;
    struct cancel cancel;
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tsuga_fixture_pipe(cancel.pipe);
    tsuga_fixture_sockets(cancel.sockets);
    cancel.listener = tsuga_fixture_listener(&address);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(tsuga_fd_adopt(self, cancel.pipe[i]), 0);
        CHECK_INT(tsuga_fd_adopt(self, cancel.sockets[i]), 0);
    }
    CHECK_INT(tsuga_fd_adopt(self, cancel.listener), 0);
    CHECK_INT(tsuga_fd_adopt(self, peer), 0);
    CHECK_INT(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
    tsuga_fixture_write(cancel.pipe[1], "x", 1);
    tsuga_fixture_write(cancel.sockets[1], "x", 1);
    for (unsigned kind = 0; kind < 5; kind++)
        CHECK_INT(tsuga_op_error(start_stream(self, &cancel, kind)), 0);
    if ((unsigned)*mode % 2 == 0)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

TEST(streams, z05_z19_an_actor_ends_with_streams_in_every_state)
{
    TSUGA_MODES_EACH(mode)
    {
        for (enum tsuga_mode late = 0; late < 2; late++)
            run_in(mode, end_with_all, &late);
    }
}

/* The error that the kernel has for a descriptor that is no socket. */
static void use_badly(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token nop = tsuga_nop(self);
    struct tsuga_op op = {.kind = TSUGA_OP_WRITE, .options = TSUGA_OP_MULTI};
    struct tsuga_token stream;
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    stream = tsuga_recv_stream(self, pipe[0]);
    take_last(self, stream, -ENOTSOCK);
    take_last(self, tsuga_recv_stream(self, -1), -EBADF);
    take_last(self, tsuga_accept_stream(self, pipe[0]), -ENOTSOCK);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    op.kind = TSUGA_OP_RECV;
    op.flags = MSG_WAITALL;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    op.flags = 0;
    op.into = pipe;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    op.into = NULL;
    op.group.value = 77;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_timeout_stream(self, 0)), -EINVAL);
    CHECK_INT(tsuga_stream_pause(self, nop), -EINVAL);
    CHECK_INT(tsuga_stream_resume(self, nop), -EINVAL);
    CHECK_INT(tsuga_await(self, nop).result, 0);
    CHECK_INT(tsuga_stream_pause(self, nop), -ENOENT);
    CHECK_INT(tsuga_stream_pause(self, (struct tsuga_token){0}), -EINVAL);
    tsuga_fixture_close(pipe, 2);
}

TEST(streams, misuse_is_answered)
{
    run_in_each_mode(use_badly);
}

/* Resting. */

/* What comes until nothing has come for a moment, or the stream has ended. */
static struct tsuga_completion take_rest(struct tsuga_actor *self, struct tsuga_token stream,
                                         size_t *offset)
{
    struct tsuga_completion got;

    while ((got = tsuga_await_any(self, &stream, 1, TSUGA_NS_PER_MS)).result > 0) {
        tsuga_content_check(got.data, got.bytes, SEED, *offset);
        *offset += got.bytes;
    }
    return got;
}

static void pause_and_resume(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_token stream;
    struct writer writer;
    size_t offset = 0;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    start_writer(&writer, ends[1], BYTES, 4096);
    for (unsigned i = 0; !(got = tsuga_await(self, stream)).last; i++) {
        tsuga_content_check(got.data, got.bytes, SEED, offset);
        offset += got.bytes;
        if (i % 7 == 0)
            CHECK_INT(tsuga_stream_pause(self, stream), 0);
        if (i % 14 == 0 && (got = take_rest(self, stream, &offset)).last)
            break;
        CHECK_INT(tsuga_stream_resume(self, stream), 0);
    }
    CHECK_INT(got.result, 0);
    CHECK_UINT(offset, BYTES);
    CHECK_INT(pthread_join(writer.thread, NULL), 0);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, n07_a_stream_rests_and_goes_on_and_loses_nothing)
{
    run_in_each_mode(pause_and_resume);
}

static void rest(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    CHECK_INT(tsuga_stream_pause(self, stream), 0);
    CHECK_INT(tsuga_stream_pause(self, stream), 0);
    /* Two ticks, and the cancel has done its work. */
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_fixture_write(ends[1], "x", 1);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 5 * TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    CHECK_INT(tsuga_stream_resume(self, stream), 0);
    CHECK_INT(tsuga_await(self, stream).result, 1);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, n07_a_stream_that_rests_brings_nothing)
{
    run_in_each_mode(rest);
}

/* Other kinds. */

static void accept_all(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    struct tsuga_token stream = tsuga_accept_stream(self, listener);
    int peers[PEERS];

    (void)argument;
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_INT(connect(peers[i], (struct sockaddr *)&address, sizeof(address)), 0);
        tsuga_fixture_write(peers[i], &i, sizeof(i));
        if (i % 4 == 0)
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        struct tsuga_completion got = tsuga_await(self, stream);
        unsigned number;

        CHECK(got.result >= 0);
        CHECK(got.more);
        CHECK_INT(fcntl(got.result, F_GETFD), FD_CLOEXEC);
        CHECK_INT(tsuga_fd_adopt(self, got.result), -EBUSY); /* ours already */
        tsuga_fixture_read(got.result, &number, sizeof(number));
        CHECK_UINT(number, i);
        if (i % 2 == 0)
            CHECK_INT(tsuga_await(self, tsuga_close(self, got.result)).result, 0);
    }
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, stream)).result, 0);
    take_last(self, stream, -ECANCELED);
    tsuga_fixture_close(peers, PEERS);
    tsuga_fixture_close(&listener, 1);
}

TEST(streams, n07_an_accept_stream_brings_every_connection_in_order)
{
    run_in_each_mode(accept_all);
}

/* Connections that come while there are no descriptors are taken when there are some. */
static void accept_without_descriptors(struct tsuga_actor *self, void *argument)
{
    struct rlimit limit;
    struct rlimit tight;
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    struct tsuga_token stream = tsuga_accept_stream(self, listener);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int highest = dup(peer);

    (void)argument;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)highest;
    CHECK_INT(close(highest), 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &tight), 0);
    CHECK_INT(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 30 * TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK(tsuga_await(self, stream).result >= 0);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(&peer, 1);
    tsuga_fixture_close(&listener, 1);
}

TEST(streams, an_accept_stream_outlives_a_lack_of_descriptors)
{
    run_in_each_mode(accept_without_descriptors);
}

static void poll_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    struct tsuga_completion got;
    char byte;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_poll_stream(self, ends[0], POLLIN);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 0).result, -ETIMEDOUT);
    for (unsigned i = 0; i < 10; i++) {
        tsuga_fixture_write(ends[1], "x", 1);
        got = tsuga_await(self, stream);
        CHECK(got.more);
        CHECK_INT(got.result & (POLLIN | POLLOUT), POLLIN);
        tsuga_fixture_read(ends[0], &byte, 1);
        /* A request that is armed again at once may have seen the byte, too. */
        while ((got = tsuga_await_any(self, &stream, 1, TSUGA_NS_PER_MS)).result > 0)
            CHECK_INT(got.result & POLLIN, POLLIN);
    }
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, stream)).result, 0);
    take_last(self, stream, -ECANCELED);
    stream = tsuga_poll_stream(self, ends[0], POLLIN);
    tsuga_fixture_close(&ends[1], 1);
    do
        got = tsuga_await(self, stream);
    while (got.more);
    CHECK_INT(got.result & POLLHUP, POLLHUP);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, z03_a_poll_stream_merges_what_comes)
{
    run_in(TSUGA_MODE_FULL, poll_often, NULL);
}

static void count_periods(struct tsuga_actor *self, void *argument)
{
    uint64_t start_ns = tsuga_clock_monotonic_ns(NULL);
    struct tsuga_token stream = tsuga_timeout_stream(self, TSUGA_NS_PER_MS);
    struct tsuga_token never = tsuga_timeout_stream(self, TSUGA_FOREVER - 1);
    uint64_t count = 0;

    (void)argument;
    while (count < 30) {
        struct tsuga_completion got = tsuga_await(self, stream);

        CHECK(got.more);
        CHECK(got.result > 0);
        count += (uint64_t)got.result;
        CHECK(tsuga_clock_monotonic_ns(NULL) - start_ns >= count * TSUGA_NS_PER_MS);
        if (count % 5 == 0) /* several pass meanwhile, and none is forgotten */
            CHECK_INT(tsuga_await(self, tsuga_timeout(self, 3 * TSUGA_NS_PER_MS)).result, 0);
    }
    CHECK_INT(tsuga_stream_pause(self, stream), 0);
    while (tsuga_await_any(self, &stream, 1, 3 * TSUGA_NS_PER_MS).result > 0)
        continue; /* what had passed before */
    CHECK_INT(tsuga_stream_resume(self, stream), 0);
    CHECK(tsuga_await(self, stream).result >= 1);
    CHECK_INT(tsuga_forget(self, stream), 0);
    CHECK_INT(tsuga_await_any(self, &never, 1, 0).result, -ETIMEDOUT);
}

static void be_late(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_token stream = tsuga_timeout_stream(self, 10 * TSUGA_NS_PER_S);

    tsuga_still_clock_pass(self, still, 25 * TSUGA_NS_PER_S);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 0).result, 2);
    tsuga_still_clock_pass(self, still, 4 * TSUGA_NS_PER_S);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 0).result, -ETIMEDOUT);
    tsuga_still_clock_pass(self, still, 2 * TSUGA_NS_PER_S);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 0).result, 1);
}

TEST(streams, z03_a_period_that_was_noticed_late_does_not_put_off_the_next)
{
    struct tsuga_still_clock still;
    const struct tsuga_clock clock = tsuga_still_clock_init(&still);
    const struct tsuga_setup setup = {.clock = &clock};

    (void)tsuga_world_run(&setup, be_late, &still);
}

TEST(streams, z03_a_timeout_stream_forgets_no_period)
{
    run_in(TSUGA_MODE_FULL, count_periods, NULL);
}

/* Datagrams, empty ones among them. */
static void receive_datagrams(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    char content[100];
    int ends[2];

    (void)argument;
    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    tsuga_content_fill(content, sizeof(content), SEED, 0);
    stream = tsuga_recv_stream(self, ends[0]);
    for (unsigned round = 0; round < 3; round++) {
        static const size_t sizes[] = {0, 5, 0, 0, 9, 1, 0};

        for (unsigned i = 0; i < 7; i++)
            CHECK_INT(write(ends[1], content, sizes[i]), (ssize_t)sizes[i]);
        for (unsigned i = 0; i < 7; i++) {
            struct tsuga_completion got = tsuga_await(self, stream);

            CHECK_INT(got.result, (int)sizes[i]);
            CHECK(got.more);
            tsuga_content_check(got.data, got.bytes, SEED, 0);
        }
    }
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, z04_an_empty_datagram_is_no_end)
{
    run_in_each_mode(receive_datagrams);
}

/* The user wants to see the kernel's end of it. */
static void see_the_end(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {.buffer_bytes = 64, .buffer_count = 2};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI | TSUGA_OP_SHOW_END};
    struct tsuga_token stream;
    unsigned count = 0;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_make_group(self, &options, &op.group);
    op.fd = ends[0];
    for (unsigned i = 0; i < 3; i++)
        tsuga_fixture_write(ends[1],
                            "0123456789012345678901234567890123456789012345678901234567890123", 64);
    stream = tsuga_submit(self, &op);
    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    for (;;) {
        struct tsuga_completion got = tsuga_await(self, stream);

        if (got.last) {
            CHECK_INT(got.result, -ENOBUFS);
            break;
        }
        count++;
    }
    CHECK_UINT(count, 2);
    CHECK_INT(tsuga_group_release(self, op.group), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, z10_as_many_results_as_buffers_and_then_the_end)
{
    tsuga_needs("MULTISHOT"); /* otherwise each result is a request's last */
    run_in(TSUGA_MODE_FULL, see_the_end, NULL);
}
