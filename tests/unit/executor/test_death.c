/* What an actor leaves behind, and in which order it is cleared away. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/blocked.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define NEVER_MS 3600000u

/* The order in which things happened, a letter each. */
struct diary {
    char text[64];
    size_t bytes;
    struct tsuga_gate gate;
};

static void enter_in(struct diary *diary, char letter)
{
    CHECK(diary->bytes < sizeof(diary->text) - 1);
    diary->text[diary->bytes++] = letter;
}

static void hook_a(void *context)
{
    enter_in(context, 'a');
}

static void hook_b(void *context)
{
    enter_in(context, 'b');
}

static void hook_c(void *context)
{
    enter_in(context, 'c');
}

static void fini(void *state)
{
    struct diary **diary = state;

    enter_in(*diary, 'f');
    tsuga_gate_raise(&(*diary)->gate);
}

static void register_hooks(struct tsuga_actor *self, struct diary *diary)
{
    *(struct diary **)tsuga_state(self) = diary;
    CHECK_INT(tsuga_on_exit(self, hook_a, diary), 0);
    CHECK_INT(tsuga_on_exit(self, hook_b, diary), 0);
    CHECK_INT(tsuga_on_exit(self, hook_c, diary), 0);
    CHECK_INT(tsuga_on_exit(self, NULL, diary), -EINVAL);
}

static void wait_for_ever(struct tsuga_actor *self, struct diary *diary)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), -ECANCELED);
    enter_in(diary, 'u');
}

static void return_from_body(struct tsuga_actor *self, void *argument)
{
    register_hooks(self, argument);
    enter_in(argument, 'r');
}

static void exit_from_body(struct tsuga_actor *self, void *argument)
{
    register_hooks(self, argument);
    tsuga_exit(self, -EIO);
}

/* Three frames, with something in each, two switches, and no way back. */
__attribute__((noinline)) static void exit_at_last(struct tsuga_actor *self)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = 99};
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, &nothing, 1000, &message), -ETIMEDOUT);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_await(self, tsuga_timeout(self, 1000)).result, 0);
    tsuga_exit(self, -EPIPE);
}

__attribute__((noinline)) static char exit_deeper(struct tsuga_actor *self)
{
    volatile char ballast[4096];

    memset((char *)ballast, 1, sizeof(ballast));
    exit_at_last(self);
    return ballast[0];
}

__attribute__((noinline)) static char exit_deep(struct tsuga_actor *self)
{
    volatile char ballast[256];

    memset((char *)ballast, 2, sizeof(ballast));
    return (char)(exit_deeper(self) + ballast[0]);
}

static void exit_from_the_depth(struct tsuga_actor *self, void *argument)
{
    register_hooks(self, argument);
    enter_in(argument, exit_deep(self));
}

static void unwind(struct tsuga_actor *self, void *argument)
{
    register_hooks(self, argument);
    wait_for_ever(self, argument);
}

static void end_as(tsuga_body_fn *body, const char *expected)
{
    struct diary diary = {.bytes = 0};
    struct tsuga_spawn_options options = {
        .body = body, .argument = &diary, .state_bytes = sizeof(void *), .state_fini = fini};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    if (body == unwind)
        tsuga_blocked_await(run.runtime, 1);
    if (body == unwind)
        CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_world_end(&run);
    CHECK_STR(diary.text, expected);
}

TEST(executor, exit_hooks_run_last_in_first_out_then_the_state_goes)
{
    end_as(return_from_body, "rcbaf");
    end_as(exit_from_body, "cbaf");
    end_as(exit_from_the_depth, "cbaf");
    end_as(unwind, "ucbaf");
}

/* Told, and not impressed: its stack is abandoned. */
static void stay(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = 99};
    const struct tsuga_message *message;

    register_hooks(self, argument);
    (void)!tsuga_receive(self, &nothing, TSUGA_FOREVER, &message);
    enter_in(argument, '!');
}

TEST(executor, exit_hooks_run_when_a_stack_is_abandoned)
{
    struct diary diary = {.bytes = 0};
    struct tsuga_spawn_options options = {.body = stay,
                                          .argument = &diary,
                                          .receives_stop = true,
                                          .state_bytes = sizeof(void *),
                                          .state_fini = fini};
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    tsuga_blocked_await(run.runtime, 1);
    tsuga_stop(run.runtime, TSUGA_STOP_NOW);
    tsuga_world_end(&run);
    CHECK_STR(diary.text, "cbaf");
}

static void exit_with(struct tsuga_actor *self, void *argument)
{
    tsuga_exit(self, *(int *)argument);
}

static void just_return(struct tsuga_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

static void exit_in_a_callee(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    (void)exit_deep(self);
}

static void stop_and_return(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), tsuga_self(self)), 0);
}

TEST(runtime, run_returns_the_reason_of_the_first_actor)
{
    int reason = -EXDEV;

    CHECK_INT(tsuga_run(NULL, just_return, NULL), TSUGA_NORMAL);
    CHECK_INT(tsuga_run(NULL, exit_with, &reason), -EXDEV);
    CHECK_INT(tsuga_run(NULL, exit_in_a_callee, NULL), -EPIPE);
    CHECK_INT(tsuga_run(NULL, stop_and_return, NULL), TSUGA_STOPPED);
}

/* A behaviour that exits while it holds a message, others wait, and one is kept. */
static void exit_on_second(struct tsuga_actor *self, const struct tsuga_message *message)
{
    if (tsuga_message_tag(message) == 0) {
        CHECK_INT(tsuga_message_keep(self, message), 0);
        return;
    }
    (void)exit_deep(self);
}

TEST(executor, exit_in_mid_behaviour_gives_every_message_back)
{
    struct tsuga_spawn_options options = {.behaviour = exit_on_second};
    char payload[1000];
    struct tsuga_run run;
    struct tsuga_id id;

    memset(payload, 7, sizeof(payload));
    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    for (uint64_t tag = 0; tag < 5; tag++)
        (void)tsuga_post(run.runtime, id, tag, payload, sizeof(payload));
    tsuga_world_end(&run); /* the leak check sees to the rest */
    CHECK_UINT(run.stats.messages_sent + run.stats.dead_letters >= 5, true);
}

/* All stacks are taken by actors that block, and yet another one ends by tsuga_exit(). */
static void block(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
}

static void exit_without_a_stack(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), -ENOBUFS);
    CHECK_INT(tsuga_yield(self), -ENOBUFS);
    CHECK_INT(tsuga_await(self, tsuga_timeout(self, 1000)).result, -ENOBUFS);
    tsuga_gate_raise(argument);
    tsuga_exit(self, TSUGA_NORMAL);
}

TEST(executor, exit_needs_no_stack_of_its_own)
{
    struct tsuga_setup setup = {.config.stack.count_max = 2};
    struct tsuga_gate gate = {0};
    struct tsuga_id blocked[2];
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (int i = 0; i < 2; i++)
        blocked[i] = tsuga_world_spawn(&run, block, NULL);
    tsuga_blocked_await(run.runtime, 2);
    for (uint32_t i = 1; i <= 3; i++) {
        tsuga_world_spawn(&run, exit_without_a_stack, &gate);
        tsuga_gate_await(&gate, i);
    }
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_post(run.runtime, blocked[i], 0, NULL, 0), 0);
    tsuga_world_end(&run);
}

/* Blocking jobs at the end of their actor: one runs, one waits behind it. */
struct jobs {
    struct tsuga_gate running;
    struct tsuga_gate release;
    struct tsuga_gate heard; /* messages that a successor got */
    _Atomic uint32_t started;
};

static void run_job(void *argument)
{
    struct jobs *jobs = argument;

    atomic_fetch_add_explicit(&jobs->started, 1, memory_order_relaxed);
    tsuga_gate_raise(&jobs->running);
    tsuga_gate_await(&jobs->release, 1);
}

static void start_jobs(struct tsuga_actor *self, void *argument)
{
    struct jobs *jobs = argument;

    for (int i = 0; i < 3; i++)
        CHECK_INT(tsuga_op_error(tsuga_blocking(self, run_job, jobs)), 0);
    tsuga_gate_await(&jobs->running, 1);
}

static void listen_as_successor(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct jobs *jobs = *(struct jobs **)tsuga_state(self);

    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_USER);
    tsuga_gate_raise(&jobs->heard);
    if (tsuga_message_tag(message) == 1)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void keep_argument(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

TEST(executor, a_job_cancelled_by_death_reaches_no_successor)
{
    struct tsuga_setup setup = {.config.executor.blocking_threads = 1};
    struct tsuga_spawn_options options = {
        .behaviour = listen_as_successor, .start = keep_argument, .state_bytes = sizeof(void *)};
    struct jobs jobs = {.started = 0};
    struct tsuga_id heirs[200];
    struct tsuga_run run;
    struct tsuga_stats stats;

    options.argument = &jobs;
    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, start_jobs, &jobs);
    do
        tsuga_stats_read(run.runtime, &stats);
    while (stats.actors_ended < 1);
    for (int i = 0; i < 200; i++)
        CHECK_INT(tsuga_spawn(run.runtime, &options, &heirs[i]), 0);
    for (uint64_t tag = 0; tag < 2; tag++) {
        for (int i = 0; i < 200; i++)
            CHECK_INT(tsuga_post(run.runtime, heirs[i], tag, NULL, 0), 0);
    }
    tsuga_gate_await(&jobs.heard, 400);
    tsuga_gate_raise(&jobs.release);
    tsuga_world_end(&run);
    CHECK_UINT(tsuga_gate_height(&jobs.heard), 400);
    CHECK_UINT(jobs.started, 1);
}

/* An operation that outlives death_ms: the runtime gives up on it, says so, and loses nothing. */
TEST(executor, death_ms_gives_up_on_a_job_that_does_not_end)
{
    struct tsuga_lines lines;
    struct tsuga_setup setup = {.config.actor.death_ms = 20,
                                .config.executor.blocking_threads = 1,
                                .lines = &lines,
                                .is_unbalanced = true};
    struct jobs jobs = {.started = 0};
    struct tsuga_stats stats;
    struct tsuga_run run;

    tsuga_lines_init(&lines);
    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, start_jobs, &jobs);
    CHECK_INT(tsuga_join(run.runtime), 0);
    CHECK(tsuga_lines_contain(&lines, "1 operations 20 ms after its actor's end"));
    tsuga_stats_read(run.runtime, &stats);
    CHECK_UINT(stats.orphans, 0);
    CHECK_UINT(stats.leaked_heaps, 1);
    tsuga_gate_raise(&jobs.release);
    tsuga_world_end(&run);
    CHECK(!tsuga_lines_contain(&lines, "leaked on purpose"));
}
