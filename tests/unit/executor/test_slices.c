/* Time slices: nobody is starved, neither by computing nor by messages, and news is looked at. */
#include <errno.h>
#include <stdio.h>

#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ROUNDS 50u

struct race {
    struct tsuga_gate finished; /* the one that waits has what it wanted */
    struct tsuga_gate running;
    uint32_t pauses;     /* time slices that the one that computes has used up */
    uint32_t pauses_max; /* between two results of the one that waits */
    uint32_t pauses_seen;
    uint32_t rounds;
};

/* Computes for ever, in time slices. */
static void compute(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;

    tsuga_gate_raise(&race->running);
    while (tsuga_gate_height(&race->finished) == 0) {
        while (!tsuga_slice_used(self))
            continue;
        race->pauses++;
        CHECK_INT(tsuga_yield(self), 0);
    }
}

/* Since the last note. */
static void note_gap(struct race *race)
{
    if (race->pauses - race->pauses_seen > race->pauses_max)
        race->pauses_max = race->pauses - race->pauses_seen;
    race->pauses_seen = race->pauses;
}

/* Both actors run on one executor, so the plain counters are theirs in turn. */
static void ask_kernel(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;

    race->pauses_seen = race->pauses;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        note_gap(race);
    }
    tsuga_gate_raise(&race->finished);
}

static struct race run_against_computing(tsuga_body_fn *waiter)
{
    struct race race = {.rounds = 0};
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    tsuga_world_spawn(&run, compute, &race);
    tsuga_gate_await(&race.running, 1);
    tsuga_world_spawn(&run, waiter, &race);
    tsuga_world_end(&run);
    return race;
}

/* An operation is submitted after the turn that started it, at the latest after the next one, and
 * its completion is seen at the pause after that. */
TEST(executor, h25_completions_are_seen_within_the_slice_bound)
{
    struct race race = run_against_computing(ask_kernel);

    CHECK(race.pauses > 0);
    CHECK(race.pauses_max <= 2);
}

static void sleep_shortly(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;
    const struct tsuga_message *message;

    /* A time slice is 200 us by default: while 100 us pass, at most one can be used up, and one
     * more runs when the time is over. */
    race->pauses_seen = race->pauses;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK_INT(tsuga_receive(self, NULL, 100000, &message), -ETIMEDOUT);
        note_gap(race);
    }
    tsuga_gate_raise(&race->finished);
}

TEST(executor, h25_timers_are_seen_within_the_slice_bound)
{
    struct race race = run_against_computing(sleep_shortly);

    CHECK(race.pauses > 0);
    CHECK(race.pauses_max <= 3);
}

/* Never blocks, never yields: only tsuga_slice_used() can bring the completion into its mailbox. */
static void compute_and_look(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token nop = tsuga_nop(self);
    struct tsuga_completion got;

    (void)argument;
    do {
        while (!tsuga_slice_used(self))
            continue;
        got = tsuga_await_any(self, &nop, 1, 0);
    } while (got.result == -ETIMEDOUT);
    CHECK_INT(got.result, 0);
    CHECK(got.last);
}

TEST(executor, h25_slice_used_submits_and_looks_without_a_switch)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, compute_and_look, NULL);

    CHECK_UINT(stats.turns, 1);
}

/* Sends to itself for ever, so that its mailbox is never empty. */
static void flood(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct race *race = *(struct race **)tsuga_state(self);

    (void)message;
    if (tsuga_gate_height(&race->finished) > 0)
        tsuga_exit(self, TSUGA_NORMAL);
    race->pauses++;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, NULL, 0), 0);
}

static void start_flood(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;

    *(struct race **)tsuga_state(self) = race;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, NULL, 0), 0);
    tsuga_gate_raise(&race->running);
}

static void take_turns(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;

    race->pauses_seen = race->pauses;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK_INT(tsuga_yield(self), 0);
        note_gap(race);
    }
    tsuga_gate_raise(&race->finished);
}

TEST(executor, h26_a_flood_of_messages_starves_nobody)
{
    struct tsuga_setup setup = {
        .config.executor = {.slice_messages = 10, .time_slice_us = 1000000}};
    struct race race = {.rounds = 0};
    struct tsuga_spawn_options options = {.behaviour = flood,
                                          .start = start_flood,
                                          .argument = &race,
                                          .state_bytes = sizeof(struct race *)};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_gate_await(&race.running, 1);
    tsuga_world_spawn(&run, take_turns, &race);
    tsuga_world_end(&run);
    CHECK(race.pauses > 0);
    CHECK_UINT(race.pauses_max, 10);
}

TEST(executor, h26_computing_in_slices_starves_nobody)
{
    struct race race = run_against_computing(take_turns);

    CHECK(race.pauses >= ROUNDS - 1);
    CHECK_UINT(race.pauses_max, 1);
}

/* Calls nothing of the library. */
static void compute_alone(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;

    (void)self;
    tsuga_gate_raise(&race->running);
    tsuga_gate_await(&race->finished, 1);
}

TEST(executor, h26_the_watchdog_names_who_overruns)
{
    struct tsuga_lines lines;
    struct tsuga_setup setup = {.config.executor.watchdog_us = 2000, .lines = &lines};
    struct race race = {.rounds = 0};
    struct tsuga_spawn_options options = {
        .body = compute_alone, .argument = &race, .name = "hermit"};
    struct tsuga_run run;

    tsuga_lines_init(&lines);
    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_lines_await(&lines, "actor hermit has kept executor 0 for more than 2000 us");
    tsuga_gate_raise(&race.finished);
    tsuga_world_end(&run);
    CHECK(run.stats.turns_overrun >= 1);
}

static void step_in(struct tsuga_actor *self, void *argument)
{
    CHECK_UINT(tsuga_executor_of(self), 1);
    tsuga_gate_raise(argument);
}

/* Its neighbours can only run elsewhere, and it does not stop before they have. */
static void block_neighbours(struct tsuga_actor *self, void *argument)
{
    struct tsuga_gate *gate = argument;
    struct tsuga_spawn_options options = {
        .body = step_in, .argument = gate, .placement = TSUGA_PLACE_HERE};

    for (uint32_t i = 0; i < ROUNDS; i++)
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    tsuga_gate_await(gate, ROUNDS);
}

TEST(executor, h26_what_waits_behind_a_long_turn_is_stolen)
{
    struct tsuga_setup setup = {.config.executor = {.threads = 2, .watchdog_us = 2000}};
    struct tsuga_gate gate = {0};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, block_neighbours, &gate);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.steals, ROUNDS);
}
