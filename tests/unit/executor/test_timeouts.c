/* Timeouts as operations: after a time, at a time, moved, removed. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define HOUR_NS (3600 * TSUGA_NS_PER_S)
#define SOON_NS (2 * TSUGA_NS_PER_MS)

static uint64_t now_ns(void)
{
    return tsuga_clock_monotonic_ns(NULL);
}

static void time_absolutely(struct tsuga_actor *self, void *argument)
{
    uint64_t end_ns = now_ns() + SOON_NS;

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_timeout_at(self, end_ns)).result, 0);
    CHECK(now_ns() >= end_ns);
    CHECK_INT(tsuga_await(self, tsuga_timeout_at(self, end_ns)).result, 0); /* in the past */
    CHECK_INT(tsuga_await(self, tsuga_timeout_at(self, 0)).result, 0);
}

#define UPDATES_MAX 255u /* that may name a timeout at the same time */

static void move_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token timeout = tsuga_timeout(self, HOUR_NS);
    struct tsuga_token updates[UPDATES_MAX];

    (void)argument;
    for (unsigned i = 0; i < UPDATES_MAX; i++)
        updates[i] = tsuga_timeout_update(self, timeout, HOUR_NS - i);
    CHECK_INT(tsuga_op_error(tsuga_timeout_update(self, timeout, 1)), -EALREADY);
    CHECK_INT(tsuga_op_error(tsuga_cancel(self, timeout)), -EALREADY);
    for (unsigned i = 0; i < UPDATES_MAX; i++)
        CHECK_INT(tsuga_await(self, updates[i]).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_timeout_update(self, timeout, 1)).result, 0);
    CHECK_INT(tsuga_await(self, timeout).result, 0);
}

TEST(timeouts, have_a_bound_on_moves_at_the_same_time)
{
    (void)tsuga_world_run(NULL, move_often, NULL);
}

TEST(timeouts, at_a_time_are_not_early)
{
    (void)tsuga_world_run(NULL, time_absolutely, NULL);
}

static void move(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token timeout = tsuga_timeout(self, HOUR_NS);
    struct tsuga_op to_time = {
        .kind = TSUGA_OP_UPDATE, .options = TSUGA_OP_ABSOLUTE, .target = timeout};
    uint64_t start_ns;

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_timeout_update(self, timeout, HOUR_NS)).result, 0);
    CHECK_INT(tsuga_await_any(self, &timeout, 1, 0).result, -ETIMEDOUT);
    start_ns = now_ns();
    CHECK_INT(tsuga_await(self, tsuga_timeout_update(self, timeout, SOON_NS)).result, 0);
    CHECK_INT(tsuga_await(self, timeout).result, 0);
    CHECK(now_ns() - start_ns >= SOON_NS);
    timeout = tsuga_timeout(self, SOON_NS / 2);
    to_time.target = timeout;
    to_time.timeout_ns = now_ns() + SOON_NS;
    if (tsuga_await(self, tsuga_submit(self, &to_time)).result == 0) {
        CHECK_INT(tsuga_await(self, timeout).result, 0);
        CHECK(now_ns() >= to_time.timeout_ns);
    }
    /* A time as such may be moved by a delay, and the other way round. */
    timeout = tsuga_timeout_at(self, now_ns() + HOUR_NS);
    start_ns = now_ns();
    CHECK_INT(tsuga_await(self, tsuga_timeout_update(self, timeout, SOON_NS)).result, 0);
    CHECK_INT(tsuga_await(self, timeout).result, 0);
    CHECK(now_ns() - start_ns >= SOON_NS);
}

TEST(timeouts, are_moved_and_complete_once)
{
    (void)tsuga_world_run(NULL, move, NULL);
}

static void miss(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token timeout = tsuga_timeout(self, 1);
    struct tsuga_token nop = tsuga_nop(self);
    struct tsuga_token late;
    int result;

    (void)argument;
    CHECK_INT(tsuga_op_error(tsuga_timeout_update(self, nop, 1)), -EINVAL);
    CHECK_INT(tsuga_await(self, nop).result, 0);
    CHECK_INT(tsuga_op_error(tsuga_timeout_update(self, nop, 1)), -ENOENT);
    CHECK_INT(tsuga_await(self, timeout).result, 0);
    CHECK_INT(tsuga_op_error(tsuga_timeout_update(self, timeout, 1)), -ENOENT);
    CHECK_INT(tsuga_op_error(tsuga_timeout_update(self, (struct tsuga_token){0}, 1)), -EINVAL);
    /* Removal is a cancel. */
    timeout = tsuga_timeout(self, HOUR_NS);
    late = tsuga_timeout_update(self, timeout, HOUR_NS / 2);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, timeout)).result, 0);
    CHECK_INT(tsuga_await(self, timeout).result, -ECANCELED);
    CHECK_INT(tsuga_await(self, late).result, 0);
    /* One that is unlucky: cancelled before the update was taken up. */
    timeout = tsuga_timeout(self, HOUR_NS);
    nop = tsuga_cancel(self, timeout);
    late = tsuga_timeout_update(self, timeout, 1);
    CHECK_INT(tsuga_await(self, nop).result, 0);
    CHECK_INT(tsuga_await(self, timeout).result, -ECANCELED);
    result = tsuga_await(self, late).result; /* by which of the two completes first */
    CHECK(result == -EALREADY || result == -ENOENT);
}

TEST(timeouts, h33_an_update_that_is_late_hits_nothing)
{
    (void)tsuga_world_run(NULL, miss, NULL);
}

/* The time comes while the update is under way: either it was in time and the timeout takes as long
 * again, or it was not, and says so; in both cases the timeout completes exactly once. */
static void race(struct tsuga_actor *self, void *argument)
{
    uint64_t random = *(const uint64_t *)argument;

    for (unsigned i = 0; i < 300; i++) {
        uint64_t delay_ns = 1 + tsuga_test_random(&random) % 200000;
        struct tsuga_token timeout = tsuga_timeout(self, delay_ns);
        struct tsuga_token update;
        uint64_t start_ns;
        int result;

        CHECK_INT(tsuga_await(self, tsuga_timeout(self, delay_ns)).result, 0);
        start_ns = now_ns();
        update = tsuga_timeout_update(self, timeout, SOON_NS);
        result = tsuga_await(self, update).result;
        CHECK(result == 0 || result == -EALREADY || result == -ENOENT);
        CHECK_INT(tsuga_await(self, timeout).result, 0);
        CHECK(result != 0 || now_ns() - start_ns >= SOON_NS);
        CHECK_INT(tsuga_await(self, timeout).result, -ENOENT);
    }
}

TEST(timeouts, race_with_their_updates)
{
    uint64_t seed = tsuga_test_seed();

    (void)tsuga_world_run(NULL, race, &seed);
}

/* The actor ends with updates in every state; nothing of theirs is reused before they end. */
static void die(struct tsuga_actor *self, void *argument)
{
    unsigned turns = *(const unsigned *)argument;
    struct tsuga_token timeout = tsuga_timeout(self, HOUR_NS);

    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_op_error(tsuga_timeout_update(self, timeout, HOUR_NS + i)), 0);
    for (unsigned i = 0; i < turns; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_exit(self, -EIO);
}

TEST(timeouts, h43_outlive_their_actor)
{
    for (unsigned turns = 0; turns < 5; turns++)
        (void)tsuga_world_run(NULL, die, &turns);
}
