/* How a completion makes its actor run, and how little stands in its way. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "tests/support/blocked.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define OPS 40u

struct batch {
    uint32_t taken;
};

static void start_nops(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < OPS; i++) {
        struct tsuga_op nop = {.kind = TSUGA_OP_NOP, .tag = i};

        CHECK_INT(tsuga_op_error(tsuga_submit(self, &nop)), 0);
    }
}

static void count_nops(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct batch *batch = tsuga_state(self);
    const struct tsuga_completion *got = tsuga_message_completion(message);

    CHECK(got != NULL);
    CHECK_UINT(got->tag, batch->taken);
    if (++batch->taken == OPS)
        tsuga_exit(self, TSUGA_NORMAL);
}

/* Started in one turn, reaped at once, handled in one turn: two turns in all. */
TEST(executor, h30_completions_of_one_reap_queue_their_actor_once)
{
    struct tsuga_spawn_options options = {
        .behaviour = count_nops, .start = start_nops, .state_bytes = sizeof(struct batch)};
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.ops_completions, OPS);
    CHECK_UINT(run.stats.turns, 2);
}

struct crowd {
    struct tsuga_gate holding;
    struct tsuga_gate release;
    uint32_t taken;
};

static void hold(struct tsuga_actor *self, void *argument)
{
    struct crowd *crowd = argument;

    (void)self;
    tsuga_gate_raise(&crowd->holding);
    tsuga_gate_await(&crowd->release, 1);
}

static void count_letters(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct crowd *crowd = *(struct crowd **)tsuga_state(self);

    CHECK_UINT(tsuga_message_tag(message), crowd->taken);
    if (++crowd->taken == OPS)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void keep_argument(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

TEST(executor, h30_a_runnable_actor_is_not_queued_again)
{
    struct crowd crowd = {.taken = 0};
    struct tsuga_spawn_options options = {.behaviour = count_letters,
                                          .start = keep_argument,
                                          .argument = &crowd,
                                          .state_bytes = sizeof(void *)};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    tsuga_world_spawn(&run, hold, &crowd);
    tsuga_gate_await(&crowd.holding, 1);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    for (uint32_t i = 0; i < OPS; i++)
        CHECK_INT(tsuga_post(run.runtime, id, i, NULL, 0), 0);
    tsuga_gate_raise(&crowd.release);
    tsuga_world_end(&run);
    CHECK_UINT(crowd.taken, OPS);
    CHECK_UINT(run.stats.turns, 2); /* the one that holds, and the one that counts */
}

struct full_house {
    int ends[2];
    struct tsuga_gate reading;
    struct tsuga_gate filled;
    uint32_t letters;
    uint32_t completions;
};

/* Has its reads in flight, stands still until its mailbox is full, then takes what there is. */
static void take_all(struct tsuga_actor *self, void *argument)
{
    struct full_house *house = argument;
    const struct tsuga_message *message;

    for (uint32_t i = 0; i < OPS; i++)
        CHECK_INT(tsuga_op_error(tsuga_read(self, house->ends[0], 1)), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* the reads are submitted */
    tsuga_gate_raise(&house->reading);
    tsuga_gate_await(&house->filled, 1);
    while (house->completions < OPS || house->letters < 2) {
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_USER) {
            house->letters++;
            continue;
        }
        CHECK_INT(tsuga_message_completion(message)->result, 1);
        CHECK_INT(*(char *)tsuga_message_completion(message)->data, 'x');
        house->completions++;
    }
}

TEST(executor, h31_a_full_mailbox_refuses_letters_and_no_completion)
{
    struct full_house house = {.letters = 0};
    struct tsuga_spawn_options options = {
        .body = take_all, .argument = &house, .mailbox_capacity = 2};
    char bytes[OPS];
    struct tsuga_run run;
    struct tsuga_id id;

    memset(bytes, 'x', sizeof(bytes));
    tsuga_fixture_pipe(house.ends);
    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    tsuga_gate_await(&house.reading, 1);
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), 0);
    CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), -EAGAIN);
    tsuga_fixture_write(house.ends[1], bytes, sizeof(bytes));
    tsuga_gate_raise(&house.filled);
    tsuga_world_end(&run);
    CHECK_UINT(house.completions, OPS);
    CHECK_UINT(house.letters, 2);
    tsuga_fixture_close(house.ends, 2);
}

struct waiting {
    int ends[2];
    struct tsuga_gate done;
    uint32_t counter;
};

static void wait_for_byte(struct tsuga_actor *self, void *argument)
{
    struct waiting *waiting = argument;
    struct tsuga_completion got = tsuga_await(self, tsuga_read(self, waiting->ends[0], 16));

    CHECK_INT(got.result, 1);
    CHECK_INT(*(char *)got.data, 'y');
    CHECK(waiting->counter > 0);
    tsuga_gate_raise(&waiting->done);
}

/* Counts in many turns while the other waits, and only then sends what that one waits for. */
static void count_and_write(struct tsuga_actor *self, void *argument)
{
    struct waiting *waiting = argument;

    for (; waiting->counter < 1000; waiting->counter++) {
        CHECK_INT(tsuga_yield(self), 0);
        CHECK_UINT(tsuga_gate_height(&waiting->done), 0);
    }
    CHECK_INT(tsuga_await(self, tsuga_write(self, waiting->ends[1], "y", 1)).result, 1);
}

TEST(executor, h01_h41_waiting_blocks_the_actor_only)
{
    struct waiting waiting = {.counter = 0};
    struct tsuga_run run;

    tsuga_fixture_pipe(waiting.ends);
    tsuga_world_start(NULL, &run);
    tsuga_world_spawn(&run, wait_for_byte, &waiting);
    tsuga_world_spawn(&run, count_and_write, &waiting);
    tsuga_world_end(&run);
    CHECK_UINT(tsuga_gate_height(&waiting.done), 1);
    tsuga_fixture_close(waiting.ends, 2);
}

/* The same within one actor: an operation that is not awaited holds up nothing. */
static void count_while_reading(struct tsuga_actor *self, void *argument)
{
    struct waiting *waiting = argument;
    struct tsuga_token read = tsuga_read(self, waiting->ends[0], 16);

    while (tsuga_await_any(self, &read, 1, 0).result == -ETIMEDOUT) {
        if (++waiting->counter == 1000)
            tsuga_fixture_write(waiting->ends[1], "z", 1);
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    CHECK(waiting->counter >= 1000);
}

TEST(executor, h01_an_actor_goes_on_while_its_read_waits)
{
    struct waiting waiting = {.counter = 0};

    tsuga_fixture_pipe(waiting.ends);
    tsuga_world_run(NULL, count_while_reading, &waiting);
    tsuga_fixture_close(waiting.ends, 2);
}

/* A post that comes when the executor has looked at its inbox for the last time, and is not yet
 * known to sleep: the poster does not wake it. */

struct last_look {
    struct tsuga_ring_fault_plan plan;
    struct tsuga_run run;
    struct tsuga_id receiver;
    _Atomic bool is_armed;
    struct tsuga_gate looking;
    struct tsuga_gate posted;
};

/* With results it may be a reap between two turns, which looks at the inbox again. */
static void post_meanwhile(void *context, struct tsuga_ring_fault *fault,
                           enum tsuga_ring_fault_call call,
                           const struct tsuga_ring_request *request)
{
    struct last_look *look = context;
    struct tsuga_executor *executor = tsuga_executor_current();

    (void)request;
    if (call != TSUGA_RING_FAULT_REAP || !atomic_load(&look->is_armed) ||
        tsuga_ring_has_results(executor->ring))
        return;
    CHECK_PTR(tsuga_ring_fault_of(executor->ring), fault);
    atomic_store(&look->is_armed, false);
    tsuga_gate_raise(&look->looking);
    tsuga_gate_await(&look->posted, 1);
}

static void arm_and_sleep(struct tsuga_actor *self, void *argument)
{
    struct last_look *look = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* nothing is left to be reaped */
    atomic_store(&look->is_armed, true);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), 1);
}

TEST(executor, a_post_right_before_the_sleep_is_not_slept_over)
{
    struct last_look look = {.plan = {.create = tsuga_world_ring, .hook = post_meanwhile}};
    struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create, .ring_context = &look.plan};

    look.plan.hook_context = &look;
    tsuga_world_start(&setup, &look.run);
    look.receiver = tsuga_world_spawn(&look.run, arm_and_sleep, &look);
    tsuga_gate_await(&look.looking, 1);
    CHECK_INT(tsuga_post(look.run.runtime, look.receiver, 1, NULL, 0), 0);
    tsuga_gate_raise(&look.posted);
    tsuga_world_end(&look.run);
    tsuga_ring_fault_plan_fini(&look.plan);
}

/* Calls: what other threads owe to an actor whose inlet they found asleep, see mailbox.h. */

struct calling {
    struct tsuga_run run;
    struct tsuga_id callee;
    struct tsuga_gate ended;
    struct tsuga_gate heard; /* letters that the callee has handled */
};

static void raise_ended(void *state)
{
    tsuga_gate_raise(&(*(struct calling **)state)->ended);
}

/* Whatever has a tag ends it. */
static void hear(struct tsuga_actor *self, const struct tsuga_message *message)
{
    if (tsuga_message_tag(message) != 0)
        tsuga_exit(self, TSUGA_NORMAL);
    tsuga_gate_raise(&(*(struct calling **)tsuga_state(self))->heard);
}

/* Leaves the callee awake in its inlet's word and asleep in fact: its call is on the way. */
static struct tsuga_seat *owe_call(struct calling *calling)
{
    struct tsuga_shared *shared = &calling->run.runtime->shared;
    struct tsuga_actor *callee = tsuga_actor_table_find(&shared->table, calling->callee);

    while (!tsuga_mailbox_wake(&callee->mailbox))
        sched_yield(); /* it is still at its start */
    return tsuga_seat_of(callee);
}

static void start_calling(struct calling *calling)
{
    struct tsuga_spawn_options options = {.behaviour = hear,
                                          .start = keep_argument,
                                          .argument = calling,
                                          .state_bytes = sizeof(struct calling *),
                                          .state_fini = raise_ended};

    tsuga_world_start(NULL, &calling->run);
    CHECK_INT(tsuga_spawn(calling->run.runtime, &options, &calling->callee), 0);
}

/* A neighbour on the callee's thread. */
static void tell_three_times(struct tsuga_actor *self, void *argument)
{
    struct calling *calling = argument;

    for (uint32_t i = 0; i < 3; i++) {
        CHECK_INT(tsuga_send(self, calling->callee, 0, NULL, 0), 0);
        while (tsuga_gate_height(&calling->heard) <= i)
            CHECK_INT(tsuga_yield(self), 0);
    }
}

TEST(executor, h30_an_actor_runs_for_its_neighbours_while_a_call_is_on_its_way)
{
    struct calling calling = {.callee = {0}};
    struct tsuga_seat *seat;

    start_calling(&calling);
    seat = owe_call(&calling);
    tsuga_world_spawn(&calling.run, tell_three_times, &calling);
    tsuga_gate_await(&calling.heard, 3);
    CHECK(!tsuga_mailbox_wake(&seat->actor.mailbox)); /* one call at most */
    tsuga_executor_call(NULL, seat);
    while (!tsuga_mailbox_wake(&seat->actor.mailbox))
        sched_yield(); /* the call has come, and the next one can be made */
    tsuga_executor_call(NULL, seat);
    CHECK_INT(tsuga_post(calling.run.runtime, calling.callee, 1, NULL, 0), 0);
    tsuga_world_end(&calling.run);
}

static void end_neighbour(struct tsuga_actor *self, void *argument)
{
    struct calling *calling = argument;

    CHECK_INT(tsuga_send(self, calling->callee, 1, NULL, 0), 0);
}

static void note_slot(struct tsuga_actor *self, void *argument)
{
    *(uint32_t *)argument = (uint32_t)tsuga_self(self).value;
}

/* What runs in the slot from now on would be called in its place, while its first turn is on the
 * way by the same task. */
TEST(executor, h30_a_slot_is_free_when_the_last_call_has_come)
{
    struct calling calling = {.callee = {0}};
    struct tsuga_seat *seat;
    uint32_t slots[2];

    start_calling(&calling);
    seat = owe_call(&calling);
    tsuga_world_spawn(&calling.run, end_neighbour, &calling);
    tsuga_gate_await(&calling.ended, 1);
    for (int i = 0; i < 2; i++) {
        struct tsuga_id id = tsuga_world_spawn(&calling.run, note_slot, &slots[i]);

        CHECK_INT(tsuga_actor_wait(calling.run.runtime, id, TSUGA_FOREVER, NULL), 0);
        CHECK(slots[i] != seat->actor.slot);
    }
    /* And the runtime does not end under whoever is about to call. */
    CHECK(atomic_load(&calling.run.runtime->shared.population) > 0);
    tsuga_executor_call(NULL, seat);
    tsuga_world_end(&calling.run);
}
