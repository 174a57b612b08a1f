/* A life in which memory runs out anywhere, and one with a heap that is too small: whatever cannot
 * be had is told as a shortage, nothing else happens, and nothing is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/sockets.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define READS     40u
#define WAIT_NS   (5 * TSUGA_NS_PER_MS) /* for what may never come, for want of memory */
#define CALLS_MAX 1000
#define QUOTA_MAX (64u << 10)

/* Whether a call succeeded; if not, for no other reason than a shortage. */
static bool went(int result)
{
    CHECK(result >= 0 || result == -ENOMEM || result == -ENOBUFS);
    return result >= 0;
}

static bool awaits(struct tsuga_actor *self, struct tsuga_token op)
{
    return went(tsuga_await(self, op).result);
}

static void read_much(struct tsuga_actor *self)
{
    struct tsuga_token ops[READS];
    int file = tsuga_fixture_memory_file(1000, 5);

    for (unsigned i = 0; i < READS; i++)
        ops[i] = tsuga_read_at(self, file, i, 100);
    for (unsigned i = 0; i < READS; i++) {
        struct tsuga_completion got = tsuga_await(self, ops[i]);

        if (went(got.result))
            tsuga_content_check(got.data, 100, 5, i);
    }
    if (!went(tsuga_fd_adopt(self, file)))
        close(file);
}

static void use_vectors(struct tsuga_actor *self)
{
    char left[10] = "left";
    char right[10] = "right";
    const struct iovec vectors[2] = {{left, sizeof(left)}, {right, sizeof(right)}};
    int file = tsuga_fixture_memory_file(0, 0);

    if (awaits(self, tsuga_writev(self, file, vectors, 2))) {
        CHECK_INT(lseek(file, 0, SEEK_SET), 0);
        (void)awaits(self, tsuga_readv(self, file, vectors, 2));
        CHECK_STR(left, "left");
        CHECK_STR(right, "right");
    }
    close(file);
}

/* A token of a stream: its first result, if one comes, and then its end. */
static void follow(struct tsuga_actor *self, struct tsuga_token stream)
{
    struct tsuga_completion got;

    if (!went(tsuga_op_error(stream)))
        return;
    got = tsuga_await_any(self, &stream, 1, WAIT_NS);
    CHECK(got.result > 0 || got.result == -ETIMEDOUT || !went(got.result));
    (void)awaits(self, tsuga_cancel(self, stream));
    if (!got.last)
        CHECK_INT(tsuga_forget(self, stream), 0);
}

static void use_streams(struct tsuga_actor *self)
{
    struct tsuga_group_options options = {.buffer_bytes = 512, .buffer_count = 4};
    struct tsuga_op op = {.kind = TSUGA_OP_READ, .options = TSUGA_OP_MULTI};
    int ends[2];

    tsuga_fixture_pipe(ends);
    op.fd = ends[0];
    tsuga_fixture_write(ends[1], "one", 3);
    follow(self, tsuga_read_stream(self, ends[0]));
    tsuga_fixture_write(ends[1], "two", 3);
    if (went(tsuga_group_make(self, &options, &op.group)))
        follow(self, tsuga_submit(self, &op));
    follow(self, tsuga_poll_stream(self, ends[1], POLLOUT));
    follow(self, tsuga_timeout_stream(self, TSUGA_NS_PER_MS));
    tsuga_fixture_close(ends, 2);
}

static void use_messages(struct tsuga_actor *self)
{
    char text[] = "text";
    struct iovec vector = {text, sizeof(text)};
    const struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    struct tsuga_op early = {.kind = TSUGA_OP_SEND,
                             .options = TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY,
                             .data = text,
                             .bytes = sizeof(text)};
    int ends[2];

    tsuga_fixture_sockets(ends);
    early.fd = ends[0];
    if (awaits(self, tsuga_sendmsg(self, ends[0], &message, 0)))
        (void)awaits(self, tsuga_recvmsg(self, ends[1], 100, 100, 0));
    (void)awaits(self, tsuga_fd_send(self, ends[0], ends, 2, text, sizeof(text)));
    (void)awaits(self, tsuga_submit(self, &early));
    tsuga_fixture_close(ends, 2);
}

static void use_chain(struct tsuga_actor *self)
{
    const struct tsuga_op ops[3] = {
        {.kind = TSUGA_OP_NOP},
        {.kind = TSUGA_OP_TIMEOUT, .timeout_ns = 1000},
        {.kind = TSUGA_OP_OPEN, .fd = AT_FDCWD, .data = "/dev/null", .flags = O_RDONLY},
    };
    struct tsuga_token tokens[3];

    if (!went(tsuga_submit_chain(self, ops, 3, TSUGA_NS_PER_S, tokens)))
        return;
    for (unsigned i = 0; i < 3; i++)
        (void)awaits(self, tokens[i]);
}

static void use_limits_and_threads(struct tsuga_actor *self)
{
    struct tsuga_op limited = {.kind = TSUGA_OP_NOP, .timeout_ns = TSUGA_NS_PER_S};
    struct tsuga_token timeout = tsuga_timeout(self, TSUGA_FOREVER);
    int file = tsuga_fixture_memory_file(100, 1);

    (void)awaits(self, tsuga_submit(self, &limited));
    if (went(tsuga_op_error(timeout)) && awaits(self, tsuga_timeout_update(self, timeout, 1)))
        (void)awaits(self, timeout);
    (void)awaits(self, tsuga_ftruncate(self, file, 10));
    close(file);
}

static void use_leases(struct tsuga_actor *self)
{
    struct tsuga_slice slice = {.offset = 10, .bytes = 20};
    const struct tsuga_message *message;
    struct tsuga_lease lease;
    struct tsuga_lease other;

    if (!went(tsuga_lease_make(self, 100, &lease)))
        return;
    other = lease;
    (void)went(tsuga_lease_slice(self, lease, &slice, &other));
    if (went(tsuga_lease_retain(self, lease)))
        (void)went(tsuga_lease_writable(self, lease, &other));
    if (!went(tsuga_send_with_lease(self, tsuga_self(self), 7, "text", 5, other)))
        return;
    CHECK_INT(tsuga_receive(self, &(struct tsuga_select){.by_tag = true, .tag = 7}, TSUGA_FOREVER,
                            &message),
              0);
    (void)went(tsuga_message_lease(self, message, &other));
}

static void wait_shortly(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_receive(self, NULL, WAIT_NS, &message), -ETIMEDOUT);
}

/* The receiver makes room for what it is given, or has none, and then nobody has the descriptor. */
static void give_away(struct tsuga_actor *self)
{
    struct tsuga_spawn_options options = {.body = wait_shortly};
    struct tsuga_id receiver;
    int ends[2];

    if (!went(tsuga_pipe(self, ends, 0)))
        return;
    if (!went(tsuga_spawn(tsuga_runtime_of(self), &options, &receiver)))
        return;
    (void)went(tsuga_fd_give(self, ends[0], receiver));
}

static void nothing(void *context)
{
    (void)context;
}

static void live(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    read_much(self);
    use_vectors(self);
    use_streams(self);
    use_messages(self);
    use_chain(self);
    use_limits_and_threads(self);
    use_leases(self);
    give_away(self);
    (void)went(tsuga_on_exit(self, nothing, NULL));
}

/* Returns whether memory ran out. */
static bool live_without_memory(struct tsuga_scarce_memory *scarce, const struct tsuga_setup *setup,
                                int64_t calls)
{
    struct tsuga_spawn_options options = {.body = live, .state_bytes = 100};
    struct tsuga_run run;

    scarce->calls_to_failure = 0;
    tsuga_world_start(setup, &run);
    scarce->calls_to_failure = calls;
    (void)went(tsuga_spawn(run.runtime, &options, NULL));
    tsuga_world_end(&run);
    CHECK_INT(scarce->live_count, 0);
    return scarce->calls_to_failure <= 0 || scarce->fails_on;
}

TEST(scarcity, h11_memory_that_is_short_at_one_call_is_told)
{
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.backing = &scarce.backing};
    int64_t calls = 1;

    tsuga_scarce_memory_init(&scarce);
    while (live_without_memory(&scarce, &setup, calls) && calls < CALLS_MAX)
        calls++;
    CHECK(calls > 10);
    CHECK(calls < CALLS_MAX);
}

TEST(scarcity, h11_memory_that_is_short_from_one_call_on_is_told)
{
    static struct tsuga_scarce_memory scarce;
    struct tsuga_setup setup = {.backing = &scarce.backing};

    tsuga_scarce_memory_init(&scarce);
    scarce.fails_on = true;
    setup.config.features[TSUGA_FEATURE_FTRUNCATE] = TSUGA_OFF;
    for (int64_t calls = 1; calls < 60; calls++)
        (void)live_without_memory(&scarce, &setup, calls);
}

TEST(scarcity, h11_a_heap_that_is_too_small_is_told)
{
    struct tsuga_setup setup = {.config.ioheap.segment_min = 512};

    for (uint32_t quota = 512; quota <= QUOTA_MAX; quota += quota < 8192 ? 512 : 4096) {
        struct tsuga_spawn_options options = {.body = live, .ioheap_quota = quota};
        struct tsuga_run run;

        tsuga_world_start(&setup, &run);
        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
        tsuga_world_end(&run);
    }
}

static void starve_the_question(struct tsuga_actor *self, void *argument)
{
    struct tsuga_scarce_memory *scarce = argument;
    struct tsuga_id here = tsuga_self(self);

    CHECK_INT(tsuga_send(self, here, 0, NULL, 0), 0);
    scarce->calls_to_failure = 2; /* there is memory for the message */
    CHECK_INT(tsuga_send(self, here, 0, NULL, 0), -ENOMEM);
}

TEST(scarcity, whoever_cannot_ask_for_room_in_a_mailbox_does_not_wait)
{
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.config.mailbox = {.capacity = 1, .full = TSUGA_FULL_BLOCK},
                                      .backing = &scarce.backing};

    tsuga_scarce_memory_init(&scarce);
    (void)tsuga_world_run(&setup, starve_the_question, &scarce);
    CHECK_INT(scarce.live_count, 0);
}

TEST(scarcity, a_post_without_memory_is_refused)
{
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.backing = &scarce.backing};
    struct tsuga_run run;

    tsuga_scarce_memory_init(&scarce);
    tsuga_world_start(&setup, &run);
    scarce.calls_to_failure = 1;
    CHECK_INT(tsuga_post(run.runtime, (struct tsuga_id){1}, 0, NULL, 0), -ENOMEM);
    CHECK_INT(tsuga_post(run.runtime, (struct tsuga_id){1}, 0, NULL, 1), -EINVAL);
    tsuga_world_end(&run);
}

/* Classes that are larger than an arena. */
static void have_no_heap(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease;

    (void)argument;
    CHECK_INT(tsuga_op_error(tsuga_nop(self)), -EINVAL);
    CHECK_INT(tsuga_lease_make(self, 1, &lease), -EINVAL);
}

TEST(scarcity, h08_an_actor_whose_heap_cannot_be_is_told)
{
    const struct tsuga_setup setup = {.config.ioheap.arena_size = 64u << 10};
    struct tsuga_spawn_options options = {.body = have_no_heap,
                                          .ioheap_size_classes = 1u << TSUGA_CLASS_MAX};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_world_end(&run);
}

#define CROWD 300u /* more than are kept for reuse */

static void do_a_little(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_gate_raise(argument);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), -ECANCELED);
}

TEST(scarcity, what_a_crowd_leaves_behind_is_kept_in_part)
{
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.backing = &scarce.backing};
    struct tsuga_gate done = {0};
    struct tsuga_run run;

    tsuga_scarce_memory_init(&scarce);
    tsuga_world_start(&setup, &run);
    for (unsigned i = 0; i < CROWD; i++)
        (void)tsuga_world_spawn(&run, do_a_little, &done);
    tsuga_gate_await(&done, CROWD);
    tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
    tsuga_world_end(&run);
    CHECK_INT(scarce.live_count, 0);
}
