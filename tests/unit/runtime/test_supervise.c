/* Supervisors: who is started when, stopped in which order, and when it is too much. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LONG_NS  (10 * TSUGA_NS_PER_S)
#define CHILDREN 3u

/* What the children do, letter by letter: 'A' starts, 'a' ends. */
struct diary {
    struct tsuga_id ids[CHILDREN];
    char text[256];
    size_t bytes;
};

struct role {
    struct diary *diary;
    uint32_t index;
};

static void note(struct diary *diary, char first, uint32_t index)
{
    CHECK(diary->bytes < sizeof(diary->text) - 1);
    diary->text[diary->bytes++] = (char)(first + (char)index);
}

static void note_end(void *context)
{
    struct role *role = context;

    note(role->diary, 'a', role->index);
}

static void enter(struct tsuga_actor *self, void *argument)
{
    struct role *role = argument;

    role->diary->ids[role->index] = tsuga_self(self);
    note(role->diary, 'A', role->index);
    CHECK_INT(tsuga_on_exit(self, note_end, role), 0);
}

/* A message's tag is the reason to end with. */
static void play(struct tsuga_actor *self, const struct tsuga_message *message)
{
    tsuga_exit(self, -(int)tsuga_message_tag(message));
}

struct stage {
    struct diary diary;
    struct role roles[CHILDREN];
    struct tsuga_child_spec children[CHILDREN];
    struct tsuga_supervisor supervisor;
    struct tsuga_id id;
    struct tsuga_monitor monitor;
};

static void set_stage(struct stage *stage, enum tsuga_strategy strategy)
{
    memset(stage, 0, sizeof(*stage));
    for (uint32_t i = 0; i < CHILDREN; i++) {
        stage->roles[i] = (struct role){&stage->diary, i};
        stage->children[i].spawn = (struct tsuga_spawn_options){
            .behaviour = play, .start = enter, .argument = &stage->roles[i]};
    }
    stage->supervisor = (struct tsuga_supervisor){.strategy = strategy,
                                                  .children = stage->children,
                                                  .child_count = CHILDREN,
                                                  .restarts_max = 2,
                                                  .window_ns = TSUGA_NS_PER_S};
}

static void settle(struct tsuga_actor *self)
{
    for (unsigned i = 0; i < 50; i++)
        CHECK_INT(tsuga_yield(self), 0);
}

/* What has happened since the last look. */
static void check_diary(struct tsuga_actor *self, struct stage *stage, const char *expected)
{
    settle(self);
    stage->diary.text[stage->diary.bytes] = '\0';
    CHECK_STR(stage->diary.text, expected);
    stage->diary.bytes = 0;
}

static void raise_curtain(struct tsuga_actor *self, struct stage *stage)
{
    struct tsuga_spawn_options options = tsuga_supervise(&stage->supervisor);

    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, &stage->id, &stage->monitor), 0);
    check_diary(self, stage, "ABC");
}

static void crash(struct tsuga_actor *self, struct stage *stage, uint32_t index, int reason)
{
    CHECK_INT(tsuga_send(self, stage->diary.ids[index], (uint64_t)-reason, NULL, 0), 0);
}

static void check_end(struct tsuga_actor *self, int reason)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_DOWN);
    CHECK_INT(tsuga_message_down(message)->reason, reason);
}

static void drop_curtain(struct tsuga_actor *self, struct stage *stage)
{
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), stage->id), 0);
    check_diary(self, stage, "cba");
    check_end(self, TSUGA_STOPPED);
}

static void try_strategies(struct tsuga_actor *self, void *argument)
{
    const char *const expected[] = {"bB", "bcBC", "bcaABC"};
    struct stage stage;

    (void)argument;
    for (size_t i = 0; i < 3; i++) {
        set_stage(&stage, (enum tsuga_strategy)i);
        raise_curtain(self, &stage);
        crash(self, &stage, 1, -EIO);
        check_diary(self, &stage, expected[i]);
        drop_curtain(self, &stage);
    }
}

TEST(supervise, strategies_restart_whom_they_say_in_order)
{
    (void)tsuga_world_run(NULL, try_strategies, NULL);
}

static void try_restarts(struct tsuga_actor *self, void *argument)
{
    struct stage stage;

    (void)argument;
    set_stage(&stage, TSUGA_ONE_FOR_ONE);
    stage.children[1].restart = TSUGA_TRANSIENT;
    stage.children[2].restart = TSUGA_TEMPORARY;
    raise_curtain(self, &stage);
    crash(self, &stage, 2, -EIO);
    check_diary(self, &stage, "c");
    crash(self, &stage, 1, -EIO);
    check_diary(self, &stage, "bB");
    crash(self, &stage, 1, TSUGA_NORMAL);
    check_diary(self, &stage, "b");
    crash(self, &stage, 0, TSUGA_NORMAL);
    check_diary(self, &stage, "aA");
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), stage.id), 0);
    check_diary(self, &stage, "a");
    check_end(self, TSUGA_STOPPED);
}

TEST(supervise, children_are_restarted_as_they_ask)
{
    (void)tsuga_world_run(NULL, try_restarts, NULL);
}

static void try_intensity(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct stage stage;

    set_stage(&stage, TSUGA_ONE_FOR_ONE);
    raise_curtain(self, &stage);
    for (unsigned i = 0; i < 6; i++) { /* never more than two in a second */
        crash(self, &stage, 0, -EIO);
        check_diary(self, &stage, "aA");
        tsuga_still_clock_pass(self, still, TSUGA_NS_PER_S / 2);
    }
    crash(self, &stage, 0, -EIO);
    check_diary(self, &stage, "aA");
    crash(self, &stage, 0, -EPIPE);
    check_diary(self, &stage, "acb");
    check_end(self, -EPIPE);
}

static void run_still(tsuga_body_fn *body)
{
    struct tsuga_still_clock still;
    const struct tsuga_clock clock = tsuga_still_clock_init(&still);
    const struct tsuga_setup setup = {.clock = &clock};

    (void)tsuga_world_run(&setup, body, &still);
}

TEST(supervise, too_many_restarts_end_the_supervisor)
{
    run_still(try_intensity);
}

static void try_back_off(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct stage stage;

    set_stage(&stage, TSUGA_ONE_FOR_ONE);
    stage.supervisor.restarts_max = 10;
    stage.supervisor.window_ns = 1000 * TSUGA_NS_PER_S;
    stage.supervisor.backoff_ns = TSUGA_NS_PER_S;
    stage.supervisor.backoff_max_ns = 3 * TSUGA_NS_PER_S;
    raise_curtain(self, &stage);
    crash(self, &stage, 0, -EIO);
    check_diary(self, &stage, "aA"); /* the first at once, then after 1, 2, 3, 3 s */
    for (uint64_t i = 1; i < 5; i++) {
        uint64_t delay_ns = (i < 3 ? i : 3) * TSUGA_NS_PER_S;

        crash(self, &stage, 0, -EIO);
        check_diary(self, &stage, "a");
        tsuga_still_clock_pass(self, still, delay_ns - TSUGA_NS_PER_MS);
        check_diary(self, &stage, "");
        tsuga_still_clock_pass(self, still, 2 * TSUGA_NS_PER_MS);
        check_diary(self, &stage, "A");
    }
    crash(self, &stage, 0, -EIO);
    check_diary(self, &stage, "a");
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), stage.id), 0);
    check_diary(self, &stage, "cb"); /* a stop does not wait for that */
    check_end(self, TSUGA_STOPPED);
}

TEST(supervise, restarts_back_off)
{
    run_still(try_back_off);
}

/* Restarts at once, then after 1, 2, 4 … s. */
static void raise_slow_curtain(struct tsuga_actor *self, struct stage *stage,
                               enum tsuga_strategy strategy)
{
    set_stage(stage, strategy);
    stage->supervisor.restarts_max = 10;
    stage->supervisor.window_ns = 1000 * TSUGA_NS_PER_S;
    stage->supervisor.backoff_ns = TSUGA_NS_PER_S;
    raise_curtain(self, stage);
}

/* Half a second, and a little for what is then due. */
static void pass_half(struct tsuga_actor *self, struct tsuga_still_clock *still)
{
    tsuga_still_clock_pass(self, still, TSUGA_NS_PER_S / 2 + TSUGA_NS_PER_MS);
}

static void try_waits_of_one(struct tsuga_actor *self, void *argument)
{
    struct stage stage;

    raise_slow_curtain(self, &stage, TSUGA_ONE_FOR_ONE);
    crash(self, &stage, 0, -EIO);
    check_diary(self, &stage, "aA");
    crash(self, &stage, 0, -EIO); /* waits until 1 s */
    crash(self, &stage, 1, -EIO); /* its first time */
    check_diary(self, &stage, "abB");
    pass_half(self, argument);
    crash(self, &stage, 1, -EIO); /* waits until 1.5 s */
    check_diary(self, &stage, "b");
    pass_half(self, argument);
    check_diary(self, &stage, "A");
    pass_half(self, argument);
    check_diary(self, &stage, "B");
    drop_curtain(self, &stage);
}

TEST(supervise, a_child_that_waits_keeps_no_other_from_being_restarted)
{
    run_still(try_waits_of_one);
}

static void try_waits_of_the_rest(struct tsuga_actor *self, void *argument)
{
    struct stage stage;

    raise_slow_curtain(self, &stage, TSUGA_REST_FOR_ONE);
    crash(self, &stage, 1, -EIO);
    check_diary(self, &stage, "bcBC");
    crash(self, &stage, 1, -EIO); /* waits until 1 s, and who stands on it with it */
    check_diary(self, &stage, "bc");
    pass_half(self, argument);
    crash(self, &stage, 0, -EIO); /* waits until 2.5 s: without it the others do not start */
    check_diary(self, &stage, "a");
    pass_half(self, argument);
    pass_half(self, argument);
    pass_half(self, argument);
    check_diary(self, &stage, "");
    pass_half(self, argument);
    check_diary(self, &stage, "ABC");
    drop_curtain(self, &stage);
}

TEST(supervise, the_rest_waits_for_the_first_that_waits)
{
    run_still(try_waits_of_the_rest);
}

static void try_waits_of_all(struct tsuga_actor *self, void *argument)
{
    struct stage stage;

    raise_slow_curtain(self, &stage, TSUGA_ONE_FOR_ALL);
    crash(self, &stage, 2, -EIO);
    check_diary(self, &stage, "cbaABC");
    crash(self, &stage, 0, -EIO);
    check_diary(self, &stage, "acb");
    pass_half(self, argument);
    check_diary(self, &stage, "");
    pass_half(self, argument);
    check_diary(self, &stage, "ABC");
    crash(self, &stage, 0, -EIO);
    check_diary(self, &stage, "acb");
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), stage.id), 0);
    check_diary(self, &stage, ""); /* a stop does not wait, and nobody is left to be stopped */
    check_end(self, TSUGA_STOPPED);
}

TEST(supervise, all_wait_together)
{
    run_still(try_waits_of_all);
}

/* A tree: two supervisors below one. */
static void try_tree(struct tsuga_actor *self, void *argument)
{
    struct stage stages[2];
    struct tsuga_child_spec branches[2];
    struct tsuga_supervisor root = {.children = branches, .child_count = 2};
    struct tsuga_spawn_options options;
    struct tsuga_id id;

    (void)argument;
    for (size_t i = 0; i < 2; i++) {
        set_stage(&stages[i], TSUGA_ONE_FOR_ALL);
        branches[i] = (struct tsuga_child_spec){.spawn = tsuga_supervise(&stages[i].supervisor)};
    }
    options = tsuga_supervise(&root);
    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, &id, NULL), 0);
    check_diary(self, &stages[0], "ABC");
    check_diary(self, &stages[1], "ABC");
    for (unsigned i = 0; i < 2; i++) {
        crash(self, &stages[0], 2, -EIO);
        check_diary(self, &stages[0], "cbaABC");
    }
    crash(self, &stages[0], 2, -EIO); /* too many for the branch, and the first for the root */
    check_diary(self, &stages[0], "cbaABC");
    check_diary(self, &stages[1], "");
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), id), 0);
    check_diary(self, &stages[1], "cba");
    check_diary(self, &stages[0], "cba");
    check_end(self, TSUGA_STOPPED);
}

TEST(supervise, supervisors_form_trees)
{
    (void)tsuga_world_run(NULL, try_tree, NULL);
}

static void lead_and_fall(struct tsuga_actor *self, void *argument)
{
    struct stage *stage = argument;
    struct tsuga_spawn_options options = tsuga_supervise(&stage->supervisor);

    CHECK_INT(tsuga_spawn_linked(self, &options, &stage->id), 0);
    settle(self);
    tsuga_exit(self, -EIO);
}

static void try_fall(struct tsuga_actor *self, void *argument)
{
    struct stage stage;
    struct tsuga_spawn_options options = {.body = lead_and_fall, .argument = &stage};

    (void)argument;
    set_stage(&stage, TSUGA_ONE_FOR_ONE);
    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, NULL, NULL), 0);
    check_end(self, -EIO);
    CHECK_INT(tsuga_monitor(self, stage.id, 0, NULL), 0);
    check_end(self, -EIO);
    check_diary(self, &stage, "ABCcba");
}

TEST(supervise, a_supervisor_falls_with_whom_it_is_linked_to)
{
    (void)tsuga_world_run(NULL, try_fall, NULL);
}

/* A tree whose supervisors have not the time to stop it in order: what is below them ends through
 * the links, whichever of them is ended by force first. */

#define DIVISIONS 4u
#define WORKERS   20u

static void refuse_to_end(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    for (;;)
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
}

static void start_tree(struct tsuga_actor *self, void *argument)
{
    static struct tsuga_child_spec workers[WORKERS];
    static struct tsuga_child_spec divisions[DIVISIONS];
    static const struct tsuga_supervisor division = {.children = workers, .child_count = WORKERS};
    static const struct tsuga_supervisor top = {.children = divisions, .child_count = DIVISIONS};
    struct tsuga_spawn_options options = tsuga_supervise(&top);
    struct tsuga_id id;

    (void)argument;
    for (uint32_t i = 0; i < WORKERS; i++)
        workers[i].spawn = (struct tsuga_spawn_options){
            .behaviour = play, .placement = TSUGA_PLACE_EXECUTOR, .executor = i % 2};
    workers[WORKERS / 2].spawn =
        (struct tsuga_spawn_options){.body = refuse_to_end, .receives_stop = true};
    for (uint32_t i = 0; i < DIVISIONS; i++) {
        divisions[i].spawn = tsuga_supervise(&division);
        divisions[i].spawn.placement = TSUGA_PLACE_EXECUTOR;
        divisions[i].spawn.executor = i % 2;
    }
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &id), 0);
    CHECK_INT(tsuga_monitor(self, id, 0, NULL), 0);
    settle(self);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), id), 0);
    check_end(self, TSUGA_STOPPED);
}

TEST(supervise, who_is_below_a_supervisor_that_is_ended_by_force_ends_too)
{
    const struct tsuga_setup setup = {
        .config = {.executor.threads = 2, .actor.stop_ms = 3}, /* and then all have ended */
    };

    for (unsigned i = 0; i < 20; i++)
        (void)tsuga_world_run(&setup, start_tree, NULL);
}
