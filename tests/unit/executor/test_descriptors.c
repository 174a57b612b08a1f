/* Descriptors: who owns them, how they change hands, and who closes them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int close_result(struct tsuga_actor *self, int fd)
{
    return tsuga_await(self, tsuga_close(self, fd)).result;
}

static void own(struct tsuga_actor *self, void *argument)
{
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    CHECK_INT(close_result(self, pipe[0]), -EBADF); /* not owned */
    CHECK(is_open(pipe[0]));
    CHECK_INT(tsuga_fd_release(self, pipe[0]), -EBADF);
    CHECK_INT(tsuga_fd_give(self, pipe[0], tsuga_self(self)), -EBADF);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), -EBUSY);
    CHECK_INT(tsuga_fd_release(self, pipe[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(close_result(self, pipe[0]), 0);
    CHECK(!is_open(pipe[0]));
    CHECK_INT(close_result(self, pipe[0]), -EBADF); /* a second time */
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), -EBADF);
    CHECK_INT(tsuga_fd_adopt(self, -1), -EBADF);
    CHECK_INT(tsuga_fd_release(self, 1 << 30), -EBADF);
    CHECK_INT(close_result(self, -1), -EBADF);
    CHECK_INT(close_result(self, 1 << 30), -EBADF);
    CHECK_INT(tsuga_fd_adopt(self, pipe[1]), 0); /* closed at the end */
}

TEST(descriptors, are_closed_by_their_owner_once)
{
    (void)tsuga_world_run(NULL, own, NULL);
}

/* A descriptor with a read in flight is neither given away nor closed over the read's head. */
static void use_busy(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token read;
    struct tsuga_token close;
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, pipe[1]), 0);
    read = tsuga_read(self, pipe[0], 10);
    CHECK_INT(tsuga_fd_release(self, pipe[0]), -EBUSY);
    CHECK_INT(tsuga_fd_give(self, pipe[0], tsuga_self(self)), -EBUSY);
    close = tsuga_close(self, pipe[0]);
    CHECK_INT(tsuga_op_error(tsuga_close(self, pipe[0])), -EBADF);
    CHECK_INT(tsuga_op_error(tsuga_read(self, pipe[0], 1)), -EBADF);
    CHECK_INT(tsuga_fd_release(self, pipe[0]), -EBUSY);
    CHECK_INT(tsuga_await(self, close).result, 0);
    CHECK(!is_open(pipe[0]));
    CHECK_INT(tsuga_await_any(self, &read, 1, 0).result, -ECANCELED); /* came before the close */
}

TEST(descriptors, a_close_cancels_and_awaits_what_uses_the_descriptor)
{
    (void)tsuga_world_run(NULL, use_busy, NULL);
}

/* A close still waits when its owner ends. */
static void end_in_mid_close(struct tsuga_actor *self, void *argument)
{
    int *end = argument;
    int pipe[2];

    tsuga_fixture_pipe(pipe);
    *end = pipe[1];
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(tsuga_op_error(tsuga_read(self, pipe[0], 10)), 0);
    CHECK_INT(tsuga_op_error(tsuga_close(self, pipe[0])), 0);
}

TEST(descriptors, a_close_that_waits_is_not_lost_with_its_owner)
{
    const struct tsuga_setup setup = {.is_unbalanced = true};
    int end = -1;
    struct tsuga_stats stats = tsuga_world_run(&setup, end_in_mid_close, &end);

    CHECK_UINT(stats.descriptors, 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_INT(write(end, "x", 1), -1); /* nobody has the reading end */
    CHECK_INT(errno, EPIPE);
    CHECK_INT(close(end), 0);
}

static void inherit(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    int *fd = argument;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_UINT(tsuga_message_bytes(message), sizeof(*fd));
    memcpy(fd, tsuga_message_data(message), sizeof(*fd));
    CHECK_INT(tsuga_await(self, tsuga_write(self, *fd, "mine", 4)).result, 4);
    CHECK_INT(tsuga_fd_adopt(self, *fd), -EBUSY);
}

static void give(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = inherit, .argument = argument};
    struct tsuga_id heir;
    char text[4];
    int pipe[2];

    tsuga_fixture_pipe(pipe);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, pipe[1]), 0);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &heir), 0);
    CHECK_INT(tsuga_fd_give(self, pipe[1], heir), 0);
    CHECK_INT(tsuga_send(self, heir, 0, &pipe[1], sizeof(pipe[1])), 0);
    CHECK_INT(close_result(self, pipe[1]), -EBADF); /* no longer mine */
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, pipe[0], text, 4)).result, 4);
    CHECK(memcmp(text, "mine", 4) == 0);
    /* The heir's end closes its descriptor, which ends the pipe. */
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, pipe[0], text, 4)).result, 0);
    CHECK_INT(tsuga_fd_give(self, pipe[0], heir), -ESRCH);
    CHECK_INT(close_result(self, pipe[0]), 0); /* still mine */
}

TEST(descriptors, a_gift_belongs_to_its_receiver)
{
    int fd = -1;

    (void)tsuga_world_run(NULL, give, &fd);
}

static void never_look(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    while (tsuga_receive(self, &(struct tsuga_select){.by_tag = true, .tag = 1}, TSUGA_FOREVER,
                         &message) != -ECANCELED)
        continue;
}

/* Gifts to an actor that is stopped: in its mailbox or already its own, they are closed. */
static void give_to_the_dying(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = never_look};
    struct tsuga_id heir;
    char text[4];
    int pipes[8][2];

    (void)argument;
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &heir), 0);
    for (unsigned i = 0; i < 8; i++) {
        tsuga_fixture_pipe(pipes[i]);
        CHECK_INT(tsuga_fd_adopt(self, pipes[i][0]), 0);
        CHECK_INT(tsuga_fd_adopt(self, pipes[i][1]), 0);
        CHECK_INT(tsuga_fd_give(self, pipes[i][1], heir), 0);
        if (i % 4 == 3)
            CHECK_INT(tsuga_yield(self), 0);
    }
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), heir), 0);
    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_await(self, tsuga_read_into(self, pipes[i][0], text, 4)).result, 0);
}

TEST(descriptors, a_gift_to_the_dying_is_closed)
{
    (void)tsuga_world_run(NULL, give_to_the_dying, NULL);
}

/* A gift that lies in the mailbox of an actor that ends by itself, and was never looked at. */
struct hurry {
    struct tsuga_id receiver;
    struct tsuga_gate holding;
    struct tsuga_gate given;
};

static void end_without_a_look(struct tsuga_actor *self, void *argument)
{
    struct hurry *hurry = argument;

    (void)self;
    tsuga_gate_raise(&hurry->holding);
    tsuga_gate_await(&hurry->given, 1);
}

static void give_in_time(struct tsuga_actor *self, void *argument)
{
    struct hurry *hurry = argument;
    int pipe[2];
    char byte;

    tsuga_gate_await(&hurry->holding, 1);
    CHECK_INT(tsuga_pipe(self, pipe, 0), 0);
    CHECK_INT(tsuga_fd_give(self, pipe[1], hurry->receiver), 0);
    tsuga_gate_raise(&hurry->given);
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, pipe[0], &byte, 1)).result, 0);
}

TEST(descriptors, a_gift_that_nobody_looked_at_is_closed)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_spawn_options options = {
        .body = give_in_time, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1};
    struct hurry hurry = {.receiver = {0}};
    struct tsuga_run run;

    options.argument = &hurry;
    tsuga_world_start(&setup, &run);
    hurry.receiver = tsuga_world_spawn(&run, end_without_a_look, &hurry);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_world_end(&run);
}

#define HANDS 6u
#define LAPS  200u

/* A pipe goes round from actor to actor, over three executors; whoever has it moves its number on,
 * with plain bytes written and read by each. */
struct relay {
    struct tsuga_id ids[HANDS];
    int pipe[2];
    uint64_t laps; /* plain: only who owns the pipe touches it */
};

static void pass_on(struct tsuga_actor *self, struct relay *relay, unsigned next)
{
    for (unsigned i = 0; i < 2; i++)
        CHECK_INT(tsuga_fd_give(self, relay->pipe[i], relay->ids[next]), 0);
    CHECK_INT(tsuga_send(self, relay->ids[next], next, &relay->laps, sizeof(relay->laps)), 0);
}

static void run_lap(struct tsuga_actor *self, void *argument)
{
    struct relay *relay = argument;
    const struct tsuga_message *message;
    uint64_t lap = 0;

    while (lap + HANDS < LAPS) {
        struct tsuga_token read;
        unsigned hand;
        char text[2];

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        hand = (unsigned)tsuga_message_tag(message);
        CHECK(memcmp(tsuga_message_data(message), &relay->laps, sizeof(lap)) == 0);
        lap = relay->laps++;
        for (unsigned i = 0; i < 2 && lap == 0; i++)
            CHECK_INT(tsuga_fd_adopt(self, relay->pipe[i]), 0);
        read = tsuga_read_into(self, relay->pipe[0], text, 2);
        CHECK_INT(tsuga_await(self, tsuga_write(self, relay->pipe[1], "go", 2)).result, 2);
        CHECK_INT(tsuga_await(self, read).result, 2);
        if (lap + 1 == LAPS)
            return;
        pass_on(self, relay, (hand + 1) % HANDS);
    }
}

TEST(descriptors, gifts_travel_between_executors)
{
    const struct tsuga_setup setup = {.config.executor.threads = 3};
    static struct relay relay;
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < HANDS; i++) {
        struct tsuga_spawn_options options = {.body = run_lap,
                                              .argument = &relay,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i % 3};

        CHECK_INT(tsuga_spawn(run.runtime, &options, &relay.ids[i]), 0);
    }
    tsuga_fixture_pipe(relay.pipe);
    CHECK_INT(tsuga_post(run.runtime, relay.ids[0], 0, &relay.laps, sizeof(relay.laps)), 0);
    tsuga_world_end(&run);
    CHECK_UINT(relay.laps, LAPS);
}
