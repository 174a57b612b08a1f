/* Taking messages: all, some, none in time. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define COUNT 10u

static void send_self(struct tsuga_actor *self, uint64_t tag)
{
    CHECK_INT(tsuga_send(self, tsuga_self(self), tag, &tag, sizeof(tag)), 0);
}

static uint64_t take_tag(struct tsuga_actor *self, const struct tsuga_select *select)
{
    const struct tsuga_message *message;
    uint64_t tag;

    CHECK_INT(tsuga_receive(self, select, TSUGA_FOREVER, &message), 0);
    tag = tsuga_message_tag(message);
    if (tsuga_message_kind(message) == TSUGA_MESSAGE_USER) {
        CHECK_UINT(tsuga_message_bytes(message), sizeof(tag));
        CHECK(memcmp(tsuga_message_data(message), &tag, sizeof(tag)) == 0);
        CHECK(tsuga_id_equal(tsuga_message_from(message), tsuga_self(self)));
        CHECK_PTR(tsuga_message_completion(message), NULL);
    }
    return tag;
}

static bool is_even(const struct tsuga_message *message, void *context)
{
    ++*(unsigned *)context;
    return tsuga_message_tag(message) % 2 == 0;
}

static void select_some(struct tsuga_actor *self, void *argument)
{
    unsigned asked = 0;
    const struct tsuga_select seventh = {.by_tag = true, .tag = 7};
    const struct tsuga_select even = {.accepts = is_even, .context = &asked, .user_only = true};

    (void)argument;
    for (uint64_t i = 0; i < COUNT; i++)
        send_self(self, i);
    CHECK_UINT(take_tag(self, &seventh), 7);
    for (uint64_t i = 0; i < COUNT; i += 2)
        CHECK_UINT(take_tag(self, &even), i);
    CHECK(asked >= COUNT / 2);
    for (uint64_t i = 1; i < COUNT; i += i == 5 ? 4 : 2)
        CHECK_UINT(take_tag(self, NULL), i);
}

TEST(receive, h40_the_rest_keeps_its_order)
{
    (void)tsuga_world_run(NULL, select_some, NULL);
}

/* Two reads are pending; the second is received first, by its token, among messages of users. */
static void select_pending(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    struct tsuga_token ops[2];
    int pipes[2][2];

    (void)argument;
    for (unsigned i = 0; i < 2; i++) {
        tsuga_fixture_pipe(pipes[i]);
        ops[i] = tsuga_read(self, pipes[i][0], 10);
        send_self(self, i);
        tsuga_fixture_write(pipes[i][1], i == 0 ? "a" : "bb", i + 1);
    }
    CHECK_INT(tsuga_receive(self, &(struct tsuga_select){.ops = &ops[1], .op_count = 1},
                            TSUGA_FOREVER, &message),
              0);
    CHECK_INT(tsuga_message_completion(message)->result, 2);
    CHECK(memcmp(tsuga_message_completion(message)->data, "bb", 2) == 0);
    CHECK_UINT(take_tag(self, &(struct tsuga_select){.user_only = true}), 0);
    CHECK_INT(tsuga_await(self, ops[0]).result, 1);
    CHECK_UINT(take_tag(self, NULL), 1);
    tsuga_fixture_close(&pipes[0][0], 4);
}

/* The other arm: an operation that could not be submitted, or that fails, is received likewise. */
static void select_failed(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token ops[2] = {tsuga_read(self, -1, 10), tsuga_timeout(self, TSUGA_NS_PER_S)};
    struct tsuga_token refused = tsuga_read(self, 0, 0);
    struct tsuga_completion got = tsuga_await_any(self, ops, 2, TSUGA_FOREVER);

    (void)argument;
    CHECK(tsuga_token_equal(got.op, ops[0]));
    CHECK_INT(got.result, -EBADF);
    got = tsuga_await(self, refused);
    CHECK(tsuga_token_equal(got.op, refused));
    CHECK_INT(got.result, -EINVAL);
    CHECK(got.last);
    CHECK_INT(tsuga_await_any(self, &ops[1], 1, 1000).result, -ETIMEDOUT);
    CHECK_INT(tsuga_await_any(self, NULL, 0, TSUGA_FOREVER).result, -EINVAL);
}

TEST(receive, h40_a_pending_operation_is_received_by_its_token)
{
    (void)tsuga_world_run(NULL, select_pending, NULL);
}

TEST(receive, h40_an_operation_that_fails_is_received_by_its_token)
{
    (void)tsuga_world_run(NULL, select_failed, NULL);
}

static void time_out(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message = NULL;
    uint64_t before_ns;

    (void)argument;
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), -ETIMEDOUT);
    before_ns = tsuga_clock_monotonic_ns(NULL);
    CHECK_INT(tsuga_receive(self, NULL, 3 * TSUGA_NS_PER_MS, &message), -ETIMEDOUT);
    CHECK(tsuga_clock_monotonic_ns(NULL) - before_ns >= 3 * TSUGA_NS_PER_MS);
    CHECK_PTR(message, NULL);
    send_self(self, 3);
    CHECK_INT(tsuga_receive(self, &(struct tsuga_select){.by_tag = true, .tag = 4}, TSUGA_NS_PER_MS,
                            &message),
              -ETIMEDOUT);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), 3);
    send_self(self, 5);
    CHECK_INT(tsuga_receive(self, NULL, UINT64_MAX - 1, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), 5);
}

TEST(receive, a_receive_ends_at_its_time_and_not_before)
{
    (void)tsuga_world_run(NULL, time_out, NULL);
}

/* A message is valid until the next is taken, a kept one until it is released. */
static void keep(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *kept;
    const struct tsuga_message *next;

    (void)argument;
    send_self(self, 1);
    send_self(self, 2);
    CHECK_INT(tsuga_receive(self, NULL, 0, &kept), 0);
    CHECK_INT(tsuga_message_keep(self, kept), 0);
    CHECK_INT(tsuga_message_keep(self, kept), -EINVAL);
    CHECK_INT(tsuga_receive(self, NULL, 0, &next), 0);
    CHECK_UINT(tsuga_message_tag(kept), 1);
    CHECK_UINT(*(const uint64_t *)tsuga_message_data(kept), 1);
    CHECK_INT(tsuga_message_keep(self, kept), -EINVAL);
    CHECK_INT(tsuga_message_release(self, next), -EINVAL);
    CHECK_INT(tsuga_message_release(self, kept), 0);
    CHECK_INT(tsuga_message_release(self, kept), -EINVAL);
    CHECK_INT(tsuga_message_keep(self, NULL), -EINVAL);
    /* One that is kept at the end is given back with the actor. */
    CHECK_INT(tsuga_message_keep(self, next), 0);
}

TEST(receive, a_kept_message_outlives_the_next)
{
    (void)tsuga_world_run(NULL, keep, NULL);
}

/* One executor: the actor that waits does not keep the other from working. */
struct progress {
    int pipe[2];
    unsigned counter;
    bool is_written;
};

static void work(struct tsuga_actor *self, void *argument)
{
    struct progress *progress = argument;

    for (unsigned i = 0; i < 1000; i++) {
        progress->counter++;
        CHECK_INT(tsuga_yield(self), 0);
    }
    progress->is_written = true;
    tsuga_fixture_write(progress->pipe[1], "done", 4);
}

static void wait_for_work(struct tsuga_actor *self, void *argument)
{
    struct progress *progress = argument;
    struct tsuga_spawn_options options = {.body = work, .argument = progress};
    struct tsuga_token op;
    unsigned own = 0;

    tsuga_fixture_pipe(progress->pipe);
    op = tsuga_read(self, progress->pipe[0], 10);
    while (own < 100) {
        own++;
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    CHECK_INT(tsuga_await(self, op).result, 4);
    CHECK(progress->is_written);
    CHECK_UINT(progress->counter, 1000);
    tsuga_fixture_close(progress->pipe, 2);
}

TEST(receive, h01_an_actor_works_on_while_its_read_waits_and_so_do_others)
{
    struct progress progress = {.counter = 0};

    (void)tsuga_world_run(NULL, wait_for_work, &progress);
}
