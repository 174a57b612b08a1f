/* Giving the current message back before the next one is taken. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  61u
#define BYTES 4096u

static uint64_t live_bytes(struct tsuga_actor *self)
{
    struct tsuga_heap_stats stats;

    tsuga_heap_stats_read(self, &stats);
    return stats.live_bytes;
}

static void read_and_be_done(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    struct tsuga_completion got;
    struct tsuga_lease kept;
    uint64_t before;

    (void)argument;
    CHECK_INT(tsuga_message_done(self), -ENOENT);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_message_done(self), 0);
    before = live_bytes(self);
    got = tsuga_await(self, tsuga_read_at(self, fd, 0, BYTES));
    CHECK_INT(got.result, BYTES);
    CHECK(live_bytes(self) >= before + BYTES);
    CHECK_INT(tsuga_message_done(self), 0);
    CHECK_UINT(live_bytes(self), before);
    CHECK_INT(tsuga_message_done(self), -ENOENT);
    CHECK_PTR(tsuga_lease_data(self, got.lease), NULL);
    CHECK_INT(tsuga_await(self, got.op).result, -ENOENT);
    kept = tsuga_await(self, tsuga_read_at(self, fd, 0, BYTES)).lease;
    CHECK_INT(tsuga_lease_retain(self, kept), 0);
    CHECK_INT(tsuga_message_done(self), 0);
    tsuga_content_check(tsuga_lease_data(self, kept), BYTES, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, kept), 0);
    CHECK_UINT(live_bytes(self), before);
    tsuga_fixture_close(&fd, 1);
}

TEST(done, a_completion_gives_its_buffer_back_at_once)
{
    (void)tsuga_world_run(NULL, read_and_be_done, NULL);
}

/* With one buffer kept and the other one in the message the stream would wait for ever. */
static void free_the_last(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {.buffer_bytes = 64, .buffer_count = 2};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};
    struct tsuga_buffers *buffers;
    struct tsuga_completion got;
    struct tsuga_token stream;
    char piece[64];
    int ends[2];

    options.incremental = *(const bool *)argument;
    tsuga_fixture_sockets(ends);
    op.fd = ends[0];
    tsuga_make_group(self, &options, &op.group);
    CHECK_INT(tsuga_io_find_group(tsuga_seat_of(self)->io, op.group, &buffers), 0);
    stream = tsuga_submit(self, &op);
    for (unsigned i = 0; i < 3; i++) {
        tsuga_content_fill(piece, sizeof(piece), SEED + i, 0);
        tsuga_fixture_write(ends[1], piece, sizeof(piece));
    }
    for (unsigned i = 0; i < 3; i++) {
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, sizeof(piece));
        tsuga_content_check(got.data, sizeof(piece), SEED + i, 0);
        if (i == 0)
            CHECK_INT(tsuga_lease_retain(self, got.lease), 0);
        else
            CHECK_INT(tsuga_message_done(self), 0);
    }
    CHECK_UINT(buffers->offered_count, 1); /* one is kept */
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(done, n03_a_lent_buffer_is_offered_again_at_once)
{
    for (unsigned i = 0; i < 2; i++) {
        bool is_incremental = i == 1;

        (void)tsuga_world_run(NULL, free_the_last, &is_incremental);
    }
}

/* User messages, with and without a lease, kept and not. */

struct pair {
    struct tsuga_id receiver;
};

static void send_three(struct tsuga_actor *self, void *argument)
{
    const struct pair *pair = argument;
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, BYTES, &lease), 0);
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(tsuga_send_with_lease(self, pair->receiver, i, "hello", 5, lease), 0);
}

static void take_three(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    struct tsuga_lease lease;

    (void)argument;
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_done(self), 0); /* and with it the lease, which nobody took */
    CHECK_INT(tsuga_message_done(self), -ENOENT);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_keep(self, message), 0);
    CHECK_INT(tsuga_message_done(self), 0);
    CHECK_UINT(tsuga_message_tag(message), 1);
    CHECK(memcmp(tsuga_message_data(message), "hello", 5) == 0);
    CHECK_INT(tsuga_message_release(self, message), 0);
    CHECK_INT(tsuga_message_release(self, message), -EINVAL);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    CHECK_INT(tsuga_message_done(self), 0);
    CHECK_UINT(tsuga_lease_bytes(self, lease), BYTES);
}

TEST(done, a_user_message_goes_at_once_unless_it_is_kept)
{
    struct tsuga_run run;
    struct pair pair;

    tsuga_world_start(NULL, &run);
    pair.receiver = tsuga_world_spawn(&run, take_three, NULL);
    (void)tsuga_world_spawn(&run, send_three, &pair);
    tsuga_world_end(&run);
}

/* In a behaviour, which goes on after it, and in front of a wait in the middle of one. */
static void begin_twice(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    CHECK_INT(tsuga_message_done(self), -ENOENT);
    for (unsigned i = 0; i < 2; i++)
        CHECK_INT(tsuga_op_error(tsuga_nop(self)), 0);
}

static void be_done_and_go_on(struct tsuga_actor *self, const struct tsuga_message *message)
{
    unsigned *count = tsuga_state(self);

    CHECK(tsuga_message_completion(message) != NULL);
    CHECK_INT(tsuga_message_done(self), 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_message_done(self), -ENOENT);
    if (++*count == 1)
        return;
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_message_done(self), 0);
    tsuga_exit(self, TSUGA_NORMAL);
}

TEST(done, a_behaviour_goes_on_without_its_message)
{
    struct tsuga_spawn_options options = {
        .behaviour = be_done_and_go_on, .start = begin_twice, .state_bytes = sizeof(unsigned)};
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_world_end(&run);
}
