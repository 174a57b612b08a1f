/* Time slices: nobody is starved, neither by computing nor by messages, and news is looked at. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
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

/* Waits for a byte as no actor should, in a system call. */
static void read_a_byte(struct tsuga_actor *self, void *argument)
{
    const int *pipe_end = argument;
    char byte;

    (void)self;
    CHECK_INT(read(*pipe_end, &byte, 1), 1);
}

TEST(executor, h26_the_watchdog_names_who_waits_in_a_system_call)
{
    struct tsuga_lines lines;
    struct tsuga_setup setup = {.config.executor.watchdog_us = 2000, .lines = &lines};
    struct tsuga_spawn_options options = {.body = read_a_byte, .name = "reader"};
    struct tsuga_run run;
    int ends[2];

    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    options.argument = &ends[0];
    tsuga_lines_init(&lines);
    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_lines_await(&lines, "actor reader has kept executor 0 for more than 2000 us");
    CHECK_INT(write(ends[1], "", 1), 1);
    tsuga_world_end(&run);
    CHECK_INT(close(ends[0]), 0);
    CHECK_INT(close(ends[1]), 0);
}

/* Somebody else has the processor. */

#define PERIODS   4u
#define PERIOD_US 50000u

struct rival {
    _Atomic bool is_over;
    struct tsuga_gate started;
};

static void *keep_processor(void *context)
{
    struct rival *rival = context;

    tsuga_gate_raise(&rival->started);
    while (!atomic_load(&rival->is_over))
        continue;
    return NULL;
}

/* Of the processor that they share its thread gets three parts in a thousand. */
static void compute_beside(struct tsuga_actor *self, void *argument)
{
    const struct sched_param none = {0};
    uint64_t end_ns;

    (void)self;
    (void)argument;
    CHECK_INT(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    end_ns = tsuga_clock_monotonic_ns(NULL) + PERIODS * PERIOD_US * TSUGA_NS_PER_US;
    while (tsuga_clock_monotonic_ns(NULL) < end_ns)
        continue;
}

TEST(executor, h26_who_is_not_let_run_is_not_named)
{
    struct tsuga_setup setup = {.config.executor.watchdog_us = PERIOD_US};
    struct rival rival = {.is_over = false};
    struct tsuga_run run;
    cpu_set_t all;
    cpu_set_t one;
    pthread_t thread;

    /* What this thread starts stays on the processor, too. */
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    CHECK_INT(sched_getaffinity(0, sizeof(all), &all), 0);
    CHECK_INT(sched_setaffinity(0, sizeof(one), &one), 0);
    tsuga_world_start(&setup, &run);
    CHECK_INT(pthread_create(&thread, NULL, keep_processor, &rival), 0);
    CHECK_INT(sched_setaffinity(0, sizeof(all), &all), 0);
    tsuga_gate_await(&rival.started, 1);
    tsuga_world_spawn(&run, compute_beside, NULL);
    CHECK_INT(tsuga_join(run.runtime), 0);
    atomic_store(&rival.is_over, true);
    CHECK_INT(pthread_join(thread, NULL), 0);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.turns_overrun, 0);
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
