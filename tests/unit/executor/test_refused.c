/* What waits behind a refused enter is submitted when the kernel accepts again, however long the
 * executor would otherwise sleep. */
#include <errno.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ENTRIES      4u
#define REFUSALS_MAX 30u

struct refusal {
    struct tsuga_ring_fault_plan plan;
    int ends[2];
    uint32_t count; /* enters that are refused from the moment on at which all entries are taken */
    struct tsuga_id reader;
};

/* Fills the queue with reads that nobody answers. */
static void fill_queue(struct tsuga_actor *self, struct refusal *refusal)
{
    for (uint32_t i = 0; i < ENTRIES; i++)
        CHECK_INT(tsuga_op_error(tsuga_read(self, refusal->ends[0], 1)), 0);
    tsuga_ring_fault_refuse(refusal->plan.rings[0], -EBUSY, refusal->count);
}

/* Its end must cancel them, and the cancels find no room. */
static void read_and_end(struct tsuga_actor *self, void *argument)
{
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* an empty queue to begin with */
    fill_queue(self, argument);
}

static void read_and_wait(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    fill_queue(self, argument);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), -ECANCELED);
}

/* Finds no room, and must be called when there is some. */
static void wait_for_room(struct tsuga_actor *self, void *argument)
{
    struct refusal *refusal = argument;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), refusal->reader), 0);
}

static void run_refusal(uint32_t count, tsuga_body_fn *reader, tsuga_body_fn *other)
{
    struct refusal refusal = {.plan.create = tsuga_world_ring, .count = count};
    struct tsuga_setup setup = {
        .config = {.executor.ring_entries = ENTRIES, .actor.death_ms = 3600000},
        .ring_create = tsuga_ring_fault_create,
        .ring_context = &refusal.plan};
    struct tsuga_run run;

    tsuga_fixture_pipe(refusal.ends);
    tsuga_world_start(&setup, &run);
    refusal.reader = tsuga_world_spawn(&run, reader, &refusal);
    if (other != NULL)
        (void)tsuga_world_spawn(&run, other, &refusal);
    tsuga_world_end(&run);
    tsuga_ring_fault_plan_fini(&refusal.plan);
    tsuga_fixture_close(refusal.ends, 2);
}

TEST(executor, h21_h43_cancels_of_the_dead_are_not_slept_over)
{
    for (uint32_t count = 0; count < REFUSALS_MAX; count++)
        run_refusal(count, read_and_end, NULL);
}

TEST(executor, h21_whoever_waits_for_room_is_not_slept_over)
{
    for (uint32_t count = 0; count < REFUSALS_MAX; count++)
        run_refusal(count, read_and_wait, wait_for_room);
}

/* The queue of what waits for room grows when its front has been submitted and its end is full. */

#define READS         200u
#define ACCEPTED_EACH 40u /* enters; the others are refused */

struct trickle {
    struct tsuga_ring_fault_plan plan;
    struct tsuga_scarce_memory scarce;
    bool has_memory; /* for the queue to grow */
    bool is_refusing;
    uint32_t enter_count;
};

static void refuse_most(void *context, struct tsuga_ring_fault *fault,
                        enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    struct trickle *trickle = context;

    (void)request;
    if (call != TSUGA_RING_FAULT_ENTER || !trickle->is_refusing)
        return;
    if (++trickle->enter_count % ACCEPTED_EACH != 0)
        tsuga_ring_fault_refuse(fault, -EBUSY, 1);
}

static void cancel_in_a_trickle(struct tsuga_actor *self, void *argument)
{
    struct trickle *trickle = argument;
    struct tsuga_token reads[READS];
    int ends[2];

    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    for (uint32_t i = 0; i < READS; i++)
        reads[i] = tsuga_read(self, ends[0], 1);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* the reads are submitted */
    trickle->is_refusing = true;
    trickle->scarce.fails_on = !trickle->has_memory;
    trickle->scarce.calls_to_failure = trickle->has_memory ? 0 : 1;
    CHECK_INT(tsuga_cancel_fd(self, ends[0]), READS);
    trickle->scarce.calls_to_failure = 0;
    trickle->is_refusing = false;
    for (uint32_t i = 0; i < READS; i++)
        CHECK_INT(tsuga_await_any(self, &reads[i], 1, 10 * TSUGA_NS_PER_S).result, -ECANCELED);
}

static void run_trickle(bool has_memory)
{
    struct trickle trickle = {.plan = {.create = tsuga_world_ring, .hook = refuse_most},
                              .has_memory = has_memory};
    struct tsuga_setup setup = {.config.executor.ring_entries = ENTRIES,
                                .ring_create = tsuga_ring_fault_create,
                                .ring_context = &trickle.plan,
                                .backing = &trickle.scarce.backing};

    tsuga_scarce_memory_init(&trickle.scarce);
    trickle.plan.hook_context = &trickle;
    (void)tsuga_world_run(&setup, cancel_in_a_trickle, &trickle);
    CHECK(trickle.enter_count > 2 * ACCEPTED_EACH);
    CHECK_INT(trickle.scarce.live_count, 0);
    tsuga_ring_fault_plan_fini(&trickle.plan);
}

TEST(executor, h24_what_waits_for_room_is_kept_when_its_queue_grows)
{
    run_trickle(true);
}

TEST(executor, h24_what_cannot_be_kept_waits_on_the_spot)
{
    run_trickle(false);
}

/* A cancel that finds nothing, because a worker of the kernel is just taking the operation up. The
 * first cancel after the actor's first turn misses; what it was for must come all the same. */

static void miss_next_cancel(struct tsuga_actor *self, struct refusal *refusal)
{
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_ring_fault_substitute(refusal->plan.rings[0], TSUGA_RING_CANCEL, 1, -ENOENT);
}

static void end_with_a_miss(struct tsuga_actor *self, void *argument)
{
    struct refusal *refusal = argument;

    CHECK_INT(tsuga_op_error(tsuga_read(self, refusal->ends[0], 1)), 0);
    miss_next_cancel(self, refusal);
}

static void expire_with_a_miss(struct tsuga_actor *self, void *argument)
{
    struct refusal *refusal = argument;
    struct tsuga_op read = {
        .kind = TSUGA_OP_READ, .fd = refusal->ends[0], .bytes = 1, .timeout_ns = 1000000};

    miss_next_cancel(self, refusal);
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &read)).result, -ETIMEDOUT);
}

static void close_with_a_miss(struct tsuga_actor *self, void *argument)
{
    struct refusal *refusal = argument;
    int fd = dup(refusal->ends[0]);
    struct tsuga_token read;

    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    read = tsuga_read(self, fd, 1);
    miss_next_cancel(self, refusal);
    CHECK_INT(tsuga_await(self, tsuga_close(self, fd)).result, 0);
    CHECK_INT(tsuga_await(self, read).result, -ECANCELED);
}

/* The user's own cancel is not repeated, but told apart from one that came too late. */
static void cancel_with_a_miss(struct tsuga_actor *self, void *argument)
{
    struct refusal *refusal = argument;
    struct tsuga_token read = tsuga_read(self, refusal->ends[0], 1);

    miss_next_cancel(self, refusal);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, read)).result, -EALREADY);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, read)).result, 0);
    CHECK_INT(tsuga_await(self, read).result, -ECANCELED);
}

TEST(executor, h43_a_cancel_that_misses_its_target_does_not_call_it_ended)
{
    run_refusal(0, cancel_with_a_miss, NULL);
}

TEST(executor, h43_a_cancel_that_misses_is_repeated)
{
    run_refusal(0, end_with_a_miss, NULL);
    run_refusal(0, expire_with_a_miss, NULL);
    run_refusal(0, close_with_a_miss, NULL);
}
