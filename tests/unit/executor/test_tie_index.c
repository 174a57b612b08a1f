/* Actors with thousands of monitors, links and requests: each is found, and ended, exactly once, in
 * whatever order, with memory for an index of them and without. */
#include <errno.h>
#include <stdlib.h>

#include "actor/bond.h"
#include "executor/executor.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define TIES  1500u
#define STEPS 12000u

/* What the actor ought to have. */
struct model {
    uint64_t random;
    struct tsuga_id ids[TIES]; /* those that it has to do with, who are silent */
    struct tsuga_monitor monitors[TIES];
    struct tsuga_request requests[TIES];
    struct tsuga_timer_ref timers[TIES];
    bool is_linked[TIES];
    struct tsuga_scarce_memory *scarce; /* NULL: memory does not run out */
};

static void be_silent(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)self;
    (void)message;
}

static struct tsuga_id spawn_silent(struct tsuga_actor *self)
{
    struct tsuga_spawn_options options = {.behaviour = be_silent};
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &id), 0);
    return id;
}

static void turn_monitor(struct tsuga_actor *self, struct model *model, size_t i)
{
    struct tsuga_monitor monitor = model->monitors[i];

    if (monitor.value == 0) {
        CHECK_INT(tsuga_monitor(self, model->ids[i], i, &model->monitors[i]), 0);
        return;
    }
    CHECK_INT(tsuga_demonitor(self, monitor), 0);
    CHECK_INT(tsuga_demonitor(self, monitor), -ENOENT);
    CHECK_INT(tsuga_request_cancel(self, (struct tsuga_request){monitor.value}), -ENOENT);
    model->monitors[i].value = 0;
}

/* Somebody new in the place of one that nothing ties to the actor. */
static void spawn_linked(struct tsuga_actor *self, struct model *model, size_t i)
{
    struct tsuga_spawn_options options = {.behaviour = be_silent};

    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), model->ids[i]), 0);
    CHECK_INT(tsuga_spawn_linked(self, &options, &model->ids[i]), 0);
}

static void turn_link(struct tsuga_actor *self, struct model *model, size_t i)
{
    if (!model->is_linked[i] && model->monitors[i].value == 0 && model->requests[i].value == 0) {
        spawn_linked(self, model, i);
    } else if (!model->is_linked[i]) {
        CHECK_INT(tsuga_link(self, model->ids[i]), 0);
        CHECK_INT(tsuga_link(self, model->ids[i]), 0);
    } else {
        CHECK_INT(tsuga_unlink(self, model->ids[i]), 0);
        CHECK_INT(tsuga_unlink(self, model->ids[i]), -ENOENT);
    }
    model->is_linked[i] = !model->is_linked[i];
}

static void turn_request(struct tsuga_actor *self, struct model *model, size_t i)
{
    struct tsuga_mail mail = {.to = model->ids[i]};
    struct tsuga_request request = model->requests[i];

    if (request.value == 0) {
        CHECK_INT(tsuga_request(self, &mail, TSUGA_FOREVER, &model->requests[i]), 0);
        return;
    }
    CHECK_INT(tsuga_request_cancel(self, request), 0);
    CHECK_INT(tsuga_request_cancel(self, request), -ENOENT);
    model->requests[i].value = 0;
}

/* What hangs in the same list, and is no tie. */
static void turn_timer(struct tsuga_actor *self, struct model *model, size_t i)
{
    struct tsuga_mail mail = {.to = model->ids[i]};

    if (model->timers[i].value == 0) {
        CHECK_INT(tsuga_send_after(self, &mail, TSUGA_FOREVER, &model->timers[i]), 0);
        return;
    }
    CHECK_INT(tsuga_timer_cancel(self, model->timers[i]), 0);
    model->timers[i].value = 0;
}

static void step(struct tsuga_actor *self, struct model *model)
{
    uint64_t random = tsuga_test_random(&model->random);
    size_t i = random % TIES;

    switch (random >> 32 & 3) {
    case 0:
        turn_monitor(self, model, i);
        return;
    case 1:
        turn_link(self, model, i);
        return;
    case 2:
        turn_request(self, model, i);
        return;
    default:
        turn_timer(self, model, i);
        return;
    }
}

/* All of them end, and each is heard of as often as the model says. */
static void hear_the_rest(struct tsuga_actor *self, struct model *model)
{
    const struct tsuga_message *message;
    uint64_t expected = 0;

    for (size_t i = 0; i < TIES; i++) {
        expected += model->monitors[i].value != 0 ? 1 : 0;
        expected += model->requests[i].value != 0 ? 1 : 0;
        expected += model->is_linked[i] ? 1 : 0;
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), model->ids[i]), 0);
    }
    CHECK(expected > TIES / 2);
    for (; expected > 0; expected--)
        CHECK_INT(tsuga_receive(self, NULL, 10 * TSUGA_NS_PER_S, &message), 0);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), -ETIMEDOUT);
}

static void juggle(struct tsuga_actor *self, void *argument)
{
    struct model *model = argument;

    tsuga_trap_exits(self, true);
    for (size_t i = 0; i < TIES; i++)
        model->ids[i] = spawn_silent(self);
    for (unsigned i = 0; i < STEPS; i++)
        step(self, model);
    CHECK_INT(self->bonds->kind, TSUGA_BOND_INDEX);
    hear_the_rest(self, model);
}

TEST(tie_index, each_of_many_is_found_and_ended_once)
{
    static struct model model;
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.backing = &scarce.backing};

    model.random = tsuga_test_seed();
    tsuga_scarce_memory_init(&scarce);
    (void)tsuga_world_run(&setup, juggle, &model);
    CHECK_INT(scarce.live_count, 0);
}

/* The actor ends with all of them. */
static void drop_all(struct tsuga_actor *self, void *argument)
{
    struct model *model = argument;

    for (size_t i = 0; i < TIES; i++)
        model->ids[i] = spawn_silent(self);
    for (unsigned i = 0; i < STEPS; i++)
        step(self, model);
    for (size_t i = 0; i < TIES; i++) {
        (void)tsuga_unlink(self, model->ids[i]);
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), model->ids[i]), 0);
    }
    tsuga_exit(self, -EIO);
}

TEST(tie_index, an_actor_may_end_with_many)
{
    static struct model model;
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.backing = &scarce.backing};

    model.random = tsuga_test_seed();
    tsuga_scarce_memory_init(&scarce);
    (void)tsuga_world_run(&setup, drop_all, &model);
    CHECK_INT(scarce.live_count, 0);
}

/* Ties are looked for when there is no memory: what is in the way of an index, or of a larger one,
 * only makes that longer. */
static void search_without_memory(struct tsuga_actor *self, void *argument)
{
    struct model *model = argument;

    model->ids[0] = spawn_silent(self);
    for (size_t i = 0; i < TIES; i++)
        CHECK_INT(tsuga_monitor(self, model->ids[0], i, &model->monitors[i]), 0);
    model->scarce->calls_to_failure = 1;
    CHECK_INT(tsuga_demonitor(self, model->monitors[0]), 0);
    CHECK_INT(model->scarce->calls_to_failure, 0);
    CHECK(self->bonds->kind != TSUGA_BOND_INDEX);
    CHECK_INT(tsuga_demonitor(self, model->monitors[1]), 0);
    CHECK_INT(self->bonds->kind, TSUGA_BOND_INDEX);
    for (size_t i = 0; i < 2 * TIES; i++) { /* every second call: where it would grow it may not */
        model->scarce->calls_to_failure = 2;
        CHECK_INT(tsuga_monitor(self, model->ids[0], i, &model->monitors[i % 2]), 0);
    }
    model->scarce->calls_to_failure = 0;
    for (size_t i = 2; i < TIES; i++)
        CHECK_INT(tsuga_demonitor(self, model->monitors[i]), 0);
    CHECK_INT(tsuga_demonitor(self, model->monitors[0]), 0);
    CHECK_INT(tsuga_demonitor(self, model->monitors[1]), 0);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), model->ids[0]), 0);
}

TEST(tie_index, without_memory_for_it_searches_are_only_longer)
{
    static struct model model;
    static struct tsuga_scarce_memory scarce;
    const struct tsuga_setup setup = {.backing = &scarce.backing};

    tsuga_scarce_memory_init(&scarce);
    model.scarce = &scarce;
    (void)tsuga_world_run(&setup, search_without_memory, &model);
    CHECK_INT(scarce.live_count, 0);
}
