/* Where streams, groups and the leases that they lend meet: moments that are rare. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/modes.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  61u
#define PIECE 64u

static struct tsuga_executor *executor_of(struct tsuga_actor *self)
{
    return tsuga_seat_home(tsuga_seat_of(self));
}

static void write_piece(int fd, size_t number)
{
    char piece[PIECE];

    tsuga_content_fill(piece, PIECE, SEED, number * PIECE);
    tsuga_fixture_write(fd, piece, PIECE);
}

/* A stream starves, and another one at once; they, their group and the last buffers go before the
 * executor looks again. */
static void leave_hungry(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {.buffer_bytes = PIECE, .buffer_count = 2};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};
    struct tsuga_executor *executor = executor_of(self);
    struct tsuga_lease leases[2];
    struct tsuga_token stream;
    struct tsuga_token other;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_make_group(self, &options, &op.group);
    op.fd = ends[0];
    stream = tsuga_submit(self, &op);
    for (size_t i = 0; i < 3; i++)
        write_piece(ends[1], i);
    for (unsigned i = 0; i < 2; i++) {
        leases[i] = tsuga_await(self, stream).lease;
        CHECK_INT(tsuga_lease_retain(self, leases[i]), 0);
    }
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    op.fd = ends[1];
    other = tsuga_submit(self, &op);
    CHECK(tsuga_receive_is_hungry(&executor->receive));
    CHECK_INT(tsuga_forget(self, stream), 0);
    CHECK_INT(tsuga_forget(self, other), 0);
    CHECK_INT(tsuga_group_release(self, op.group), 0);
    for (unsigned i = 0; i < 2; i++)
        CHECK_INT(tsuga_lease_release(self, leases[i]), 0);
    CHECK(!tsuga_receive_is_hungry(&executor->receive));
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, n01_a_group_that_goes_while_streams_starved_is_forgotten)
{
    (void)tsuga_world_run(NULL, leave_hungry, NULL);
}

/* What came before the hang-up is taken while the stream ends. */
static void hang_up(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_poll_stream(self, ends[0], POLLIN);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_fixture_write(ends[1], "x", 1);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_fixture_close(&ends[1], 1);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    do
        got = tsuga_await(self, stream);
    while (got.more);
    CHECK_INT(got.result & POLLHUP, POLLHUP);
    tsuga_fixture_close(ends, 1);
}

TEST(streams, z03_the_last_result_of_a_poll_stream_tells_of_the_hang_up)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        (void)tsuga_world_run(&setup, hang_up, NULL);
    }
}

/* The handle of a buffer that has been lent 2^32 times would come to mean another lease. */
static void wear_out(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease_entry *entry;
    struct tsuga_completion got;
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    write_piece(ends[1], 0);
    got = tsuga_await(self, stream);
    CHECK_INT(tsuga_lease_find(self, got.lease, &entry), 0);
    entry->generation = UINT32_MAX - 1;
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_UINT(entry->generation, UINT32_MAX);
    CHECK_PTR(entry->io, NULL);
    TSUGA_LIST_EACH (node, &executor_of(self)->leases.free)
        CHECK(node != &entry->link);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, h47_the_handle_of_a_lent_buffer_never_means_another)
{
    (void)tsuga_world_run(NULL, wear_out, NULL);
}

/* One stream waits for descriptors, another one is always just beginning to wait for memory. */
static void be_stuck_again(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI, .bytes = 65536};
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    struct tsuga_token accepts = tsuga_accept_stream(self, listener);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct tsuga_token starving;
    struct rlimit limit;
    struct rlimit tight;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    op.fd = ends[0];
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)ends[1] + 1;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &tight), 0);
    CHECK_INT(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
    starving = tsuga_submit(self, &op);
    CHECK_INT(tsuga_await_any(self, &accepts, 1, 5 * TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned i = 0;; i++) {
        struct tsuga_completion got = tsuga_await_any(self, &accepts, 1, TSUGA_NS_PER_MS);

        CHECK(i < 300);
        CHECK_INT(tsuga_stream_pause(self, starving), 0);
        CHECK_INT(tsuga_stream_resume(self, starving), 0);
        if (got.result != -ETIMEDOUT) {
            CHECK(got.result >= 0);
            break;
        }
    }
    CHECK_INT(tsuga_forget(self, accepts), 0);
    CHECK_INT(tsuga_forget(self, starving), 0);
    tsuga_fixture_close(ends, 2);
    tsuga_fixture_close(&peer, 1);
    tsuga_fixture_close(&listener, 1);
}

TEST(streams, one_that_is_stuck_does_not_put_off_the_others)
{
    struct tsuga_setup setup = {.config = tsuga_mode_config(TSUGA_MODE_NO_BUFFER_RING)};

    setup.config.ioheap.quota = 32u << 10;
    (void)tsuga_world_run(&setup, be_stuck_again, NULL);
}

/* Many small receives through two buffers. */
static void use_two(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {.buffer_bytes = 4096, .buffer_count = 2};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_make_group(self, &options, &op.group);
    op.fd = ends[0];
    stream = tsuga_submit(self, &op);
    for (size_t i = 0; i < 500; i++) {
        struct tsuga_completion got;

        write_piece(ends[1], i);
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, PIECE);
        tsuga_content_check(got.data, got.bytes, SEED, i * PIECE);
    }
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, n03_two_buffers_serve_many_small_receives)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        if (mode != TSUGA_MODE_NO_BUFFER_RING && mode != TSUGA_MODE_NEITHER)
            (void)tsuga_world_run(&setup, use_two, NULL);
    }
}

/* Data and the end, or a reset, come before the kernel has told of either. */
static void end_behind_data(struct tsuga_actor *self, int ends[2], int result)
{
    const struct linger reset = {1, 0};
    struct tsuga_completion got;
    struct tsuga_token stream = tsuga_recv_stream(self, ends[0]);

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    write_piece(ends[1], 0);
    if (result < 0)
        CHECK_INT(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    tsuga_fixture_close(&ends[1], 1);
    do
        got = tsuga_await_any(self, &stream, 1, TSUGA_NS_PER_S);
    while (got.result > 0);
    CHECK_INT(got.result, result);
    CHECK(got.last);
    tsuga_fixture_close(ends, 1);
}

static void end_each(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    end_behind_data(self, ends, 0);
    for (unsigned i = 0; i < 2; i++) {
        ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_INT(connect(ends[1], (struct sockaddr *)&address, sizeof(address)), 0);
        ends[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        CHECK(ends[0] >= 0);
        end_behind_data(self, ends, i == 0 ? 0 : -ECONNRESET);
    }
    tsuga_fixture_close(&listener, 1);
}

TEST(streams, n03_an_end_right_behind_the_data_is_not_lost)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        (void)tsuga_world_run(&setup, end_each, NULL);
    }
}

/* The kernel cannot tell whether such a FIFO has come to its end without waiting in it. */
static void read_named_fifo(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_path();
    struct tsuga_completion got;
    struct tsuga_token stream;
    char content[3 * PIECE];
    size_t offset = 0;
    int ends[2];

    (void)argument;
    CHECK_INT(mkfifo(path.text, 0600), 0);
    ends[1] = open(path.text, O_RDWR | O_CLOEXEC); /* or the reader's open would wait */
    ends[0] = open(path.text, O_RDONLY | O_CLOEXEC);
    CHECK(ends[0] >= 0 && ends[1] >= 0);
    CHECK_INT(unlink(path.text), 0);
    tsuga_content_fill(content, sizeof(content), SEED, 0);
    stream = tsuga_read_stream(self, ends[0]);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        tsuga_fixture_write(ends[1], content + i * PIECE, PIECE);
    }
    tsuga_fixture_close(&ends[1], 1);
    while ((got = tsuga_await_any(self, &stream, 1, TSUGA_NS_PER_S)).more) {
        tsuga_content_check(got.data, got.bytes, SEED, offset);
        offset += got.bytes;
    }
    CHECK_INT(got.result, 0);
    CHECK(got.last);
    CHECK_UINT(offset, sizeof(content));
    tsuga_fixture_close(ends, 1);
}

TEST(streams, n03_a_fifo_that_was_opened_by_name_has_an_end)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        (void)tsuga_world_run(&setup, read_named_fifo, NULL);
    }
}

/* One that nobody writes to: the read waits in a worker of the kernel. */
static void leave_named_fifo(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_path();
    struct tsuga_token stream;
    int fd;

    CHECK_INT(mkfifo(path.text, 0600), 0);
    fd = open(path.text, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(unlink(path.text), 0);
    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    stream = tsuga_read_stream(self, fd);
    for (unsigned i = 0; i < *(const unsigned *)argument; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    if (*(const unsigned *)argument == 2)
        return;
    CHECK_INT(tsuga_forget(self, tsuga_cancel(self, stream)), 0);
    CHECK_INT(tsuga_await(self, stream).result, -ECANCELED);
}

TEST(streams, n03_a_read_that_waits_in_a_fifo_is_cancelled)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        for (unsigned i = 0; i < 3; i++)
            (void)tsuga_world_run(&setup, leave_named_fifo, &i);
    }
}

/* As the configuration is by default: one actor keeps whatever it can get. */

static void hear_beside(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_id *hoarder = argument;
    struct tsuga_token stream;
    int ends[2];

    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    write_piece(ends[1], 0);
    CHECK_INT(tsuga_await_any(self, &stream, 1, TSUGA_NS_PER_S).result, PIECE);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
    CHECK_INT(tsuga_send(self, *hoarder, 0, NULL, 0), 0);
}

static void hoard_by_default(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id id = tsuga_self(self);
    struct tsuga_spawn_options neighbour = {.body = hear_beside, .argument = &id};
    const struct tsuga_message *message;
    struct tsuga_completion got;
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]);
    for (size_t count = 0;; count++) {
        write_piece(ends[1], count);
        got = tsuga_await_any(self, &stream, 1, 20 * TSUGA_NS_PER_MS);
        if (got.result < 0)
            break;
        CHECK_INT(tsuga_lease_retain(self, got.lease), 0);
    }
    CHECK_INT(got.result, -ETIMEDOUT); /* it has to give something back first */
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &neighbour, NULL), 0);
    CHECK_INT(
        tsuga_receive(self, &(struct tsuga_select){.user_only = true}, TSUGA_FOREVER, &message), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(streams, n01_by_default_a_hoarder_leaves_something_to_others)
{
    struct tsuga_setup setup = {.config.executor.threads = 1};

    tsuga_needs("BUFFER_RING"); /* without groups nothing is lent */
    (void)tsuga_world_run(&setup, hoard_by_default, NULL);
}
