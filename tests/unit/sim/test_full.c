/* Requests to an actor whose mailbox is full: the caller waits for room, and much can happen
 * meanwhile. In a world, where nobody else is in the way and no byte is lost unseen. */
#include <errno.h>

#include "tests/support/test.h"

#include <tsuga_sim.h>

#define MS UINT64_C(1000000)

enum { FILLER = 1, ROOM, QUESTION };

struct scene {
    struct tsuga_sim *sim;
    struct tsuga_runtime *runtime;
    struct tsuga_id full;
    bool asks;
    int answer;
};

/* Takes nothing but what makes room, and answers nobody. */
static void be_full(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select select = {.by_tag = true, .tag = ROOM};
    const struct tsuga_message *message;

    (void)argument;
    if (tsuga_receive(self, &select, 5 * MS, &message) != -ETIMEDOUT)
        return;
    (void)!tsuga_receive(self, NULL, 0, &message);
    (void)!tsuga_receive(self, &select, 3600000 * MS, &message);
}

static void ask(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_mail mail = {.to = scene->full, .tag = QUESTION};
    const struct tsuga_message *message;

    scene->asks = true;
    CHECK_INT(tsuga_request(self, &mail, MS, NULL), 0);
    CHECK_INT(tsuga_receive(self, NULL, 60000 * MS, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), QUESTION);
    scene->answer = tsuga_message_reply(message).result;
}

static void open_scene(struct scene *scene)
{
    struct tsuga_spawn_options full = {
        .body = be_full, .mailbox_capacity = 1, .mailbox_full = TSUGA_FULL_BLOCK};
    struct tsuga_spawn_options caller = {.body = ask, .argument = scene};

    CHECK_INT(tsuga_sim_make(NULL, &scene->sim), 0);
    CHECK_INT(tsuga_sim_start(scene->sim, NULL, &scene->runtime), 0);
    CHECK_INT(tsuga_spawn(scene->runtime, &full, &scene->full), 0);
    CHECK_INT(tsuga_post(scene->runtime, scene->full, FILLER, NULL, 0), 0);
    CHECK_INT(tsuga_spawn(scene->runtime, &caller, NULL), 0);
}

static void close_scene(struct scene *scene)
{
    CHECK_INT(tsuga_join(scene->runtime), 0);
    tsuga_destroy(scene->runtime);
    tsuga_sim_destroy(scene->sim); /* nothing was lost */
}

TEST(calls, leave_nothing_when_the_caller_ends_while_it_waits_for_room)
{
    struct scene scene = {.asks = false};

    open_scene(&scene);
    tsuga_sim_sleep(scene.sim, MS);
    CHECK(scene.asks);
    tsuga_stop(scene.runtime, TSUGA_STOP_NOW);
    close_scene(&scene);
}

TEST(calls, are_answered_when_the_wait_for_room_was_longer_than_their_limit)
{
    struct scene scene = {.asks = false};

    open_scene(&scene);
    tsuga_sim_sleep(scene.sim, 100 * MS);
    CHECK_INT(scene.answer, -ETIMEDOUT);
    tsuga_stop(scene.runtime, TSUGA_STOP_NOW);
    close_scene(&scene);
}
