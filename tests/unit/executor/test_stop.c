/* How an actor is stopped, in whatever state it is. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/blocked.h"
#include "tests/support/gate.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

/* Long enough that a test which waits for it is killed. */
#define NEVER_MS 3600000u

/* What an actor does under observation. */
struct scene {
    struct tsuga_gate arrived; /* the actor is where the test wants it */
    struct tsuga_gate go;      /* the test lets a held executor go */
    struct tsuga_gate ended;   /* finishes called */
    struct tsuga_id partner;
    int results[8];
    uint32_t result_count;
    uint32_t calls; /* of the behaviour */
};

static void note(struct scene *scene, int result)
{
    scene->results[scene->result_count++] = result;
}

static void finish(void *state)
{
    struct scene **scene = state;

    tsuga_gate_raise(&(*scene)->ended);
}

static void remember(struct tsuga_actor *self, void *argument)
{
    *(struct scene **)tsuga_state(self) = argument;
}

static struct tsuga_setup patient(void)
{
    return (struct tsuga_setup){.config.actor = {.stop_ms = NEVER_MS, .shutdown_ms = NEVER_MS}};
}

static struct tsuga_id spawn(struct tsuga_run *run, const struct tsuga_spawn_options *options)
{
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(run->runtime, options, &id), 0);
    return id;
}

/* Keeps the executor busy until the test says go. */
static void hold(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;

    (void)self;
    tsuga_gate_raise(&scene->arrived);
    tsuga_gate_await(&scene->go, 1);
}

static void count_call(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;

    (void)self;
    scene->calls++;
}

TEST(executor, stops_a_fresh_actor_before_its_first_turn)
{
    struct tsuga_setup setup = patient();
    struct scene scene = {0};
    struct tsuga_run run;
    struct tsuga_id fresh;

    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, hold, &scene);
    tsuga_gate_await(&scene.arrived, 1);
    fresh = tsuga_world_spawn(&run, count_call, &scene);
    CHECK_INT(tsuga_actor_stop(run.runtime, fresh), 0);
    CHECK_INT(tsuga_actor_stop(run.runtime, fresh), 0);
    tsuga_gate_raise(&scene.go);
    tsuga_world_end(&run);
    CHECK_UINT(scene.calls, 0);
}

static void handle(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct scene *scene = *(struct scene **)tsuga_state(self);

    (void)message;
    scene->calls++;
    tsuga_gate_raise(&scene->arrived);
}

static const struct tsuga_spawn_options handler = {
    .behaviour = handle,
    .start = remember,
    .state_bytes = sizeof(struct scene *),
    .state_fini = finish,
};

TEST(executor, stops_a_sleeping_actor)
{
    struct tsuga_setup setup = patient();
    struct tsuga_spawn_options options = handler;
    struct scene scene = {0};
    struct tsuga_run run;
    struct tsuga_id id;

    options.argument = &scene;
    tsuga_world_start(&setup, &run);
    id = spawn(&run, &options);
    CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), 0);
    tsuga_gate_await(&scene.arrived, 1);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_gate_await(&scene.ended, 1);
    tsuga_world_end(&run);
    CHECK_UINT(scene.calls, 1);
}

TEST(executor, stops_a_queued_actor_before_its_messages)
{
    struct tsuga_setup setup = patient();
    struct tsuga_spawn_options options = handler;
    struct scene scene = {0};
    struct scene holder = {0};
    struct tsuga_run run;
    struct tsuga_id id;

    options.argument = &scene;
    tsuga_world_start(&setup, &run);
    id = spawn(&run, &options);
    CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), 0);
    tsuga_gate_await(&scene.arrived, 1);
    tsuga_world_spawn(&run, hold, &holder);
    tsuga_gate_await(&holder.arrived, 1);
    for (int i = 0; i < 3; i++)
        CHECK_INT(tsuga_post(run.runtime, id, 0, "lost", 5), 0);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_gate_raise(&holder.go);
    tsuga_gate_await(&scene.ended, 1);
    tsuga_world_end(&run);
    CHECK_UINT(scene.calls, 1);
    CHECK_UINT(run.stats.dead_letters, 3);
}

/* Each blocking call answers, the one that waits and all that come later. */
static void meet_stop(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    const struct tsuga_message *message;
    struct tsuga_completion got;
    struct tsuga_token timeout = tsuga_timeout(self, TSUGA_NS_PER_S * 3600);

    note(scene, tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
    note(scene, tsuga_receive(self, NULL, 0, &message));
    note(scene, tsuga_yield(self));
    got = tsuga_await(self, timeout);
    note(scene, got.result);
    CHECK(!got.last);
    note(scene, tsuga_await_any(self, &timeout, 1, 1000).result);
}

TEST(executor, stop_ends_every_blocking_call)
{
    struct tsuga_setup setup = patient();
    struct scene scene = {0};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(&setup, &run);
    id = tsuga_world_spawn(&run, meet_stop, &scene);
    tsuga_blocked_await(run.runtime, 1);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_world_end(&run);
    CHECK_UINT(scene.result_count, 5);
    for (uint32_t i = 0; i < scene.result_count; i++)
        CHECK_INT(scene.results[i], -ECANCELED);
}

/* Blocks in mid-behaviour, unwinds when it is stopped. */
static void handle_blocking(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct scene *scene = *(struct scene **)tsuga_state(self);
    struct tsuga_select nothing = {.by_tag = true, .tag = 99};

    scene->calls++;
    note(scene, tsuga_receive(self, &nothing, TSUGA_FOREVER, &message));
}

static void stop_in_mid_behaviour(uint32_t waiting_count)
{
    struct tsuga_setup setup = patient();
    struct tsuga_spawn_options options = handler;
    struct scene scene = {0};
    struct tsuga_run run;
    struct tsuga_id id;

    options.behaviour = handle_blocking;
    options.argument = &scene;
    tsuga_world_start(&setup, &run);
    id = spawn(&run, &options);
    for (uint32_t i = 0; i < 1 + waiting_count; i++)
        CHECK_INT(tsuga_post(run.runtime, id, i, NULL, 0), 0);
    tsuga_blocked_await(run.runtime, 1);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_gate_await(&scene.ended, 1);
    tsuga_world_end(&run);
    CHECK_UINT(scene.calls, 1);
    CHECK_INT(scene.results[0], -ECANCELED);
}

TEST(executor, stop_in_mid_behaviour_unwinds_and_ends)
{
    stop_in_mid_behaviour(0);
}

TEST(executor, stop_in_mid_behaviour_handles_no_further_message)
{
    stop_in_mid_behaviour(3);
}

static void stop_self(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), tsuga_self(self)), 0);
    note(scene, tsuga_yield(self));
    note(scene, tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
}

static void never(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)self;
    (void)message;
    CHECK(false);
}

static void stop_at_start(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_id here = tsuga_self(self);

    CHECK_INT(tsuga_send(self, here, 0, NULL, 0), 0);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), here), 0);
    scene->calls++;
}

TEST(executor, an_actor_that_stops_itself_at_its_start_is_not_called)
{
    struct scene scene = {0};
    struct tsuga_spawn_options options = {
        .behaviour = never, .start = stop_at_start, .argument = &scene};
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    (void)spawn(&run, &options);
    tsuga_world_end(&run);
    CHECK_UINT(scene.calls, 1);
}

/* What would have to wait is refused: for room in a mailbox, for room to submit, for a message. */
static void stop_self_and_ask(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_id here = tsuga_self(self);
    int ends[2];

    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    CHECK_INT(tsuga_send(self, here, 0, NULL, 0), 0);
    CHECK_INT(tsuga_op_error(tsuga_read(self, ends[0], 1)), 0);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), here), 0);
    note(scene, tsuga_send(self, here, 0, NULL, 0));
    note(scene, tsuga_op_error(tsuga_read(self, ends[0], 1)));
}

TEST(executor, an_actor_that_has_stopped_itself_does_not_wait_for_room)
{
    const struct tsuga_setup setup = {
        .config = {.executor.ops_max = 1, .mailbox = {.capacity = 1, .full = TSUGA_FULL_BLOCK}}};
    struct scene scene = {0};

    (void)tsuga_world_run(&setup, stop_self_and_ask, &scene);
    CHECK_UINT(scene.result_count, 2);
    CHECK_INT(scene.results[0], -ECANCELED);
    CHECK_INT(scene.results[1], -ECANCELED);
}

TEST(executor, an_actor_may_stop_itself)
{
    struct tsuga_setup setup = patient();
    struct scene scene = {0};

    tsuga_world_run(&setup, stop_self, &scene);
    CHECK_UINT(scene.result_count, 2);
    CHECK_INT(scene.results[0], -ECANCELED);
    CHECK_INT(scene.results[1], -ECANCELED);
}

TEST(executor, stopping_the_dead_or_nobody_is_esrch)
{
    struct scene scene = {0};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    id = tsuga_world_spawn(&run, count_call, &scene);
    CHECK_INT(tsuga_join(run.runtime), 0);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), -ESRCH);
    CHECK_INT(tsuga_actor_stop(run.runtime, (struct tsuga_id){0}), -ESRCH);
    CHECK_INT(tsuga_actor_stop(run.runtime, (struct tsuga_id){UINT64_MAX}), -ESRCH);
    CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), -ESRCH);
    tsuga_world_end(&run);
    CHECK_UINT(scene.calls, 1);
}

/* Is told, says goodbye to its partner with a blocking call, ends. */
static void take_leave(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    const struct tsuga_message *message;

    tsuga_gate_raise(&scene->arrived);
    note(scene, tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
    note(scene, (int)tsuga_message_kind(message));
    note(scene, tsuga_await(self, tsuga_timeout(self, 1000)).result);
    note(scene, tsuga_receive(self, NULL, 1000, &message));
}

TEST(executor, receives_stop_may_block_on_its_way_out)
{
    struct tsuga_setup setup = patient();
    struct scene scene = {0};
    struct tsuga_spawn_options options = {
        .body = take_leave, .argument = &scene, .receives_stop = true};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(&setup, &run);
    id = spawn(&run, &options);
    tsuga_gate_await(&scene.arrived, 1);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_world_end(&run);
    CHECK_UINT(scene.result_count, 4);
    CHECK_INT(scene.results[0], 0);
    CHECK_INT(scene.results[1], TSUGA_MESSAGE_STOP);
    CHECK_INT(scene.results[2], 0);
    CHECK_INT(scene.results[3], -ETIMEDOUT); /* the stop is told once */
}

/* A stop whose first news after a long sleep is a result of the kernel's. */
struct alarm_call {
    struct scene scene;
    struct tsuga_runtime *runtime;
    int fd; /* readable: wake up, and stop the partner */
};

static void wake_and_stop(struct tsuga_actor *self, void *argument)
{
    struct alarm_call *call = argument;

    CHECK_INT(tsuga_await(self, tsuga_read(self, call->fd, sizeof(uint64_t))).result,
              sizeof(uint64_t));
    CHECK(!tsuga_slice_used(self)); /* the slice has not begun before the sleep */
    CHECK_INT(tsuga_actor_stop(call->runtime, call->scene.partner), 0);
}

static void take_leave_at_once(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    const struct tsuga_message *message;

    note(scene, tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
    note(scene, (int)tsuga_message_kind(message));
    note(scene, tsuga_await(self, tsuga_nop(self)).result);
}

/* Returns when both actors wait, and nothing but time passes. */
static void await_sleep(struct tsuga_runtime *runtime)
{
    tsuga_blocked_await(runtime, 2);
    while (!atomic_load(&runtime->shared.executors[0].is_sleeping))
        sched_yield();
}

TEST(executor, who_is_stopped_after_a_long_sleep_has_its_whole_time)
{
    struct tsuga_still_clock still;
    const struct tsuga_clock clock = tsuga_still_clock_init(&still);
    struct tsuga_setup setup = {.clock = &clock, .config.actor.stop_ms = 1000};
    struct alarm_call call = {.fd = eventfd(0, EFD_CLOEXEC)};
    struct tsuga_spawn_options options = {
        .body = take_leave_at_once, .argument = &call.scene, .receives_stop = true};
    struct tsuga_run run;

    CHECK(call.fd >= 0);
    tsuga_world_start(&setup, &run);
    call.runtime = run.runtime;
    call.scene.partner = spawn(&run, &options);
    tsuga_world_spawn(&run, wake_and_stop, &call);
    await_sleep(run.runtime);
    atomic_fetch_add(&still.now_ns, 3600 * TSUGA_NS_PER_S);
    CHECK_INT(eventfd_write(call.fd, 1), 0);
    tsuga_world_end(&run);
    close(call.fd);
    CHECK_UINT(call.scene.result_count, 3);
    CHECK_INT(call.scene.results[1], TSUGA_MESSAGE_STOP);
    CHECK_INT(call.scene.results[2], 0);
}

/* Stops its partner in the middle of a turn that lasts longer than stop_ms. */
struct long_day {
    struct scene scene;
    struct tsuga_still_clock still;
};

static void stop_and_work_on(struct tsuga_actor *self, void *argument)
{
    struct long_day *day = argument;
    struct tsuga_mail mail = {.to = tsuga_self(self)};

    CHECK_INT(tsuga_send_after(self, &mail, 3600 * TSUGA_NS_PER_S, NULL), 0);
    tsuga_still_clock_pass(self, &day->still, 1); /* the executor knows what time it is */
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), day->scene.partner), 0);
    atomic_fetch_add(&day->still.now_ns, 60 * TSUGA_NS_PER_S);
}

TEST(executor, who_is_stopped_during_a_long_turn_has_its_whole_time)
{
    struct long_day day = {.scene.calls = 0};
    const struct tsuga_clock clock = tsuga_still_clock_init(&day.still);
    struct tsuga_setup setup = {.clock = &clock, .config.actor.stop_ms = 1000};
    struct tsuga_spawn_options options = {
        .body = take_leave_at_once, .argument = &day.scene, .receives_stop = true};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    day.scene.partner = spawn(&run, &options);
    tsuga_world_spawn(&run, stop_and_work_on, &day);
    tsuga_world_end(&run);
    CHECK_UINT(day.scene.result_count, 3);
    CHECK_INT(day.scene.results[1], TSUGA_MESSAGE_STOP);
    CHECK_INT(day.scene.results[2], 0);
}

TEST(executor, a_fresh_actor_that_receives_stop_starts_and_is_told)
{
    struct tsuga_setup setup = patient();
    struct scene scene = {0};
    struct scene holder = {0};
    struct tsuga_spawn_options options = {
        .body = take_leave, .argument = &scene, .receives_stop = true};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, hold, &holder);
    tsuga_gate_await(&holder.arrived, 1);
    CHECK_INT(tsuga_actor_stop(run.runtime, spawn(&run, &options)), 0);
    tsuga_gate_raise(&holder.go);
    tsuga_world_end(&run);
    CHECK_INT(scene.results[1], TSUGA_MESSAGE_STOP);
}

static void stop_self_and_take_leave(struct tsuga_actor *self, void *argument)
{
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), tsuga_self(self)), 0);
    take_leave(self, argument);
}

/* It is awake when it is told to stop, so nobody wakes it, and falls asleep right after. */
TEST(executor, a_stop_right_before_the_sleep_is_not_slept_over)
{
    struct tsuga_setup setup = patient();
    struct scene scene = {0};
    struct tsuga_spawn_options options = {
        .body = stop_self_and_take_leave, .argument = &scene, .receives_stop = true};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    (void)spawn(&run, &options);
    tsuga_world_end(&run);
    CHECK_INT(scene.results[1], TSUGA_MESSAGE_STOP);
}

/* Is told, and stays. */
static void ignore_stop(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_select nothing = {.by_tag = true, .tag = 99};
    const struct tsuga_message *message;

    *(struct scene **)tsuga_state(self) = scene;
    note(scene, tsuga_receive(self, &nothing, TSUGA_FOREVER, &message));
}

static const struct tsuga_spawn_options stubborn = {
    .body = ignore_stop,
    .receives_stop = true,
    .state_bytes = sizeof(struct scene *),
    .state_fini = finish,
};

TEST(executor, stop_ms_abandons_a_stack)
{
    struct tsuga_setup setup = {.config.actor.stop_ms = 20};
    struct tsuga_spawn_options options = stubborn;
    struct scene scene = {0};
    struct tsuga_run run;
    struct tsuga_id id;
    uint64_t start_ns = tsuga_clock_monotonic_ns(NULL);

    options.argument = &scene;
    tsuga_world_start(&setup, &run);
    id = spawn(&run, &options);
    tsuga_blocked_await(run.runtime, 1);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_gate_await(&scene.ended, 1);
    CHECK(tsuga_clock_monotonic_ns(NULL) - start_ns >= 20 * TSUGA_NS_PER_MS);
    tsuga_world_end(&run);
    CHECK_UINT(scene.result_count, 0); /* the call never returned */
}

static void stop_stubborn(const struct tsuga_setup *setup, enum tsuga_stop_mode mode)
{
    struct tsuga_spawn_options options = stubborn;
    struct scene scene = {0};
    struct tsuga_run run;

    options.argument = &scene;
    tsuga_world_start(setup, &run);
    for (uint32_t i = 0; i < 16; i++)
        (void)spawn(&run, &options);
    tsuga_blocked_await(run.runtime, 16);
    tsuga_stop(run.runtime, mode);
    tsuga_world_end(&run);
    CHECK_UINT(tsuga_gate_height(&scene.ended), 16);
    CHECK_UINT(scene.result_count, 0);
}

TEST(executor, stop_now_ends_the_stubborn_at_once)
{
    struct tsuga_setup setup = patient();

    stop_stubborn(&setup, TSUGA_STOP_NOW);
}

TEST(executor, a_graceful_stop_insists_after_shutdown_ms)
{
    struct tsuga_setup setup = patient();

    setup.config.actor.shutdown_ms = 20;
    stop_stubborn(&setup, TSUGA_STOP_GRACEFUL);
}

TEST(executor, spawning_after_the_stop_is_refused)
{
    struct tsuga_spawn_options options = {.body = hold};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), -ESHUTDOWN);
    tsuga_world_end(&run);
}
