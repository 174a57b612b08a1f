/* Cancelling all operations on a descriptor, or all there are; never another actor's. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define READS 500u
#define STEPS 3000u
#define PIPES 4u

static int result_of(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_await(self, op).result;
}

static void cancel_on_one(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op silent = {.kind = TSUGA_OP_READ, .options = TSUGA_OP_SILENT, .bytes = 10};
    struct tsuga_token read;
    struct tsuga_token poll;
    struct tsuga_token other;
    struct tsuga_token forgotten;
    int one[2];
    int two[2];

    (void)argument;
    CHECK_INT(tsuga_cancel_fd(self, 0), 0); /* without any I/O so far */
    CHECK_INT(tsuga_cancel_all(self), 0);
    CHECK_INT(tsuga_cancel_fd(self, -1), -EBADF);
    tsuga_fixture_pipe(one); /* nobody owns it */
    CHECK_INT(tsuga_pipe(self, two, 0), 0);
    CHECK_INT(tsuga_cancel_fd(self, one[0]), 0);
    silent.fd = one[0];
    read = tsuga_read(self, one[0], 10);
    poll = tsuga_poll(self, one[0], POLLIN);
    forgotten = tsuga_read(self, one[0], 10);
    CHECK_INT(tsuga_forget(self, forgotten), 0);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &silent)), 0);
    other = tsuga_read(self, two[0], 10);
    CHECK_INT(tsuga_cancel_fd(self, one[0]), 4);
    CHECK_INT(result_of(self, read), -ECANCELED);
    CHECK_INT(result_of(self, poll), -ECANCELED);
    CHECK_INT(tsuga_cancel_fd(self, one[1]), 0);
    CHECK_INT(tsuga_await_any(self, &other, 1, 0).result, -ETIMEDOUT);
    tsuga_fixture_write(two[1], "x", 1);
    CHECK_INT(result_of(self, other), 1);
    /* What is in the mailbox has ended. */
    read = tsuga_read(self, one[0], 10);
    tsuga_fixture_write(one[1], "y", 1);
    while (tsuga_cancel_fd(self, one[0]) != 0)
        CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_await_any(self, &read, 1, 0).result, 1);
    tsuga_fixture_close(one, 2);
}

TEST(cancel_many, ends_every_operation_on_one_descriptor)
{
    (void)tsuga_world_run(NULL, cancel_on_one, NULL);
}

/* Two actors read from one pipe; the second one's read goes on and gets the bytes. */
struct pair {
    int pipe[2];
    struct tsuga_gate gate;
    bool by_descriptor;
};

static void read_on(struct tsuga_actor *self, void *argument)
{
    struct pair *pair = argument;
    struct tsuga_completion got;
    struct tsuga_token read = tsuga_read(self, pair->pipe[0], 10);

    CHECK_INT(tsuga_await_any(self, &read, 1, TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    tsuga_gate_raise(&pair->gate);
    got = tsuga_await(self, read);
    CHECK_INT(got.result, 5);
    CHECK(memcmp(got.data, "bytes", 5) == 0);
}

static void cancel_own(struct tsuga_actor *self, void *argument)
{
    struct pair *pair = argument;
    struct tsuga_token read;
    struct tsuga_token timeout = tsuga_timeout(self, TSUGA_FOREVER);

    while (tsuga_gate_height(&pair->gate) == 0)
        CHECK_INT(tsuga_await(self, tsuga_timeout(self, 100000)).result, 0);
    read = tsuga_read(self, pair->pipe[0], 10);
    CHECK_INT(pair->by_descriptor ? tsuga_cancel_fd(self, pair->pipe[0]) : tsuga_cancel_all(self),
              pair->by_descriptor ? 1 : 2);
    CHECK_INT(result_of(self, read), -ECANCELED);
    if (pair->by_descriptor)
        CHECK_INT(tsuga_cancel_all(self), 1);
    CHECK_INT(result_of(self, timeout), -ECANCELED);
    tsuga_fixture_write(pair->pipe[1], "bytes", 5);
}

static void cancel_beside(bool by_descriptor)
{
    struct pair pair = {.by_descriptor = by_descriptor};
    struct tsuga_run run;

    tsuga_fixture_pipe(pair.pipe);
    tsuga_world_start(NULL, &run); /* one executor, one ring */
    (void)tsuga_world_spawn(&run, read_on, &pair);
    (void)tsuga_world_spawn(&run, cancel_own, &pair);
    tsuga_world_end(&run);
    tsuga_fixture_close(pair.pipe, 2);
}

TEST(cancel_many, by_descriptor_leaves_other_actors_alone)
{
    cancel_beside(true);
}

TEST(cancel_many, all_leaves_other_actors_alone)
{
    cancel_beside(false);
}

/* Far more than the ring's queue holds. */
static void cancel_hundreds(struct tsuga_actor *self, void *argument)
{
    static struct tsuga_token reads[READS];
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    for (unsigned i = 0; i < READS; i++)
        reads[i] = tsuga_read(self, ends[0], 10);
    CHECK_INT(tsuga_cancel_all(self), READS);
    CHECK_INT(tsuga_cancel_all(self), READS); /* asked once more, before any has ended */
    for (unsigned i = 0; i < READS; i++)
        CHECK_INT(result_of(self, reads[i]), -ECANCELED);
    CHECK_INT(tsuga_cancel_all(self), 0);
}

TEST(cancel_many, needs_no_room)
{
    const struct tsuga_setup setup = {.config.executor.ring_entries = 4};

    (void)tsuga_world_run(&setup, cancel_hundreds, NULL);
}

/* One operation can be named by so many cancels only; the rest changes nothing. */
static void ask_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token read;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    read = tsuga_read(self, ends[0], 10);
    for (unsigned i = 0; i < READS; i++)
        CHECK_INT(tsuga_cancel_all(self), 1);
    CHECK_INT(result_of(self, read), -ECANCELED);
}

TEST(cancel_many, may_be_asked_for_again_and_again)
{
    (void)tsuga_world_run(NULL, ask_often, NULL);
}

/* A close that waits, and one that is under way, still close. */
static void cancel_beside_closes(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token closes[2];
    struct tsuga_token read;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    read = tsuga_read(self, ends[0], 10);
    closes[0] = tsuga_close(self, ends[0]);
    closes[1] = tsuga_close(self, ends[1]);
    CHECK_INT(tsuga_cancel_fd(self, ends[0]), 1);
    CHECK_INT(tsuga_cancel_all(self), 1);
    CHECK_INT(result_of(self, read), -ECANCELED);
    CHECK_INT(result_of(self, closes[0]), 0);
    CHECK_INT(result_of(self, closes[1]), 0);
}

TEST(cancel_many, leaves_closes_alone)
{
    (void)tsuga_world_run(NULL, cancel_beside_closes, NULL);
}

/* At random, with a peer that writes at random: each read ends once, with its bytes or without, and
 * the bytes come in order. */
struct storm {
    struct tsuga_token reads[PIPES];
    int ends[PIPES][2];
    unsigned written[PIPES];
    unsigned taken[PIPES];
};

static void take(struct tsuga_actor *self, struct storm *storm, unsigned pipe)
{
    struct tsuga_completion got = tsuga_await_any(self, &storm->reads[pipe], 1, 0);

    if (!got.last)
        return;
    CHECK(got.result > 0 || got.result == -ECANCELED);
    for (int i = 0; i < got.result; i++)
        CHECK_UINT(((unsigned char *)got.data)[i], storm->taken[pipe]++ & 0xff);
    storm->reads[pipe] = tsuga_read(self, storm->ends[pipe][0], 100);
}

static void write_one(struct storm *storm, unsigned pipe)
{
    unsigned char byte = (unsigned char)storm->written[pipe]++;

    tsuga_fixture_write(storm->ends[pipe][1], &byte, 1);
}

static void run_storm(struct tsuga_actor *self, void *argument)
{
    uint64_t random = *(const uint64_t *)argument;
    struct storm storm = {.written = {0}};

    for (unsigned i = 0; i < PIPES; i++) {
        CHECK_INT(tsuga_pipe(self, storm.ends[i], 0), 0);
        storm.reads[i] = tsuga_read(self, storm.ends[i][0], 100);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t drawn = tsuga_test_random(&random);
        unsigned pipe = (unsigned)(drawn >> 8) % PIPES;

        if (drawn % 8 == 0)
            CHECK(tsuga_cancel_fd(self, storm.ends[pipe][0]) <= 1);
        else if (drawn % 32 == 1)
            CHECK(tsuga_cancel_all(self) <= (int)PIPES);
        else if (drawn % 8 < 4)
            write_one(&storm, pipe);
        else
            take(self, &storm, pipe);
    }
    for (unsigned i = 0; i < PIPES; i++)
        while (storm.taken[i] != storm.written[i]) {
            take(self, &storm, i);
            CHECK_INT(tsuga_yield(self), 0);
        }
}

TEST(cancel_many, h24_loses_no_bytes)
{
    uint64_t seed = tsuga_test_seed();

    (void)tsuga_world_run(NULL, run_storm, &seed);
}
