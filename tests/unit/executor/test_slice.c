/* A body that always finds a message must share its executor all the same. */
#include "tests/support/test.h"

#include <stdatomic.h>

#include <tsuga.h>

#define MESSAGES 100000

struct scene {
    struct tsuga_id glutton;
    _Atomic unsigned long taken;
    unsigned long taken_when_other_ran;
};

static void take_all(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    const struct tsuga_message *message;

    for (unsigned long i = 0; i < MESSAGES; i++) {
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        atomic_fetch_add(&scene->taken, 1);
    }
}

static void look(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;

    (void)self;
    scene->taken_when_other_ran = atomic_load(&scene->taken);
}

/* Fills the glutton's mailbox before it has had a turn, and queues another actor behind it. */
static void set_up(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_runtime *runtime = tsuga_runtime_of(self);

    CHECK_INT(tsuga_spawn(runtime,
                          &(struct tsuga_spawn_options){.body = take_all, .argument = scene},
                          &scene->glutton),
              0);
    for (unsigned long i = 0; i < MESSAGES; i++)
        CHECK_INT(tsuga_send(self, scene->glutton, i, NULL, 0), 0);
    CHECK_INT(
        tsuga_spawn(runtime, &(struct tsuga_spawn_options){.body = look, .argument = scene}, NULL),
        0);
}

TEST(executor, h26_a_body_with_a_full_mailbox_shares_its_executor)
{
    struct tsuga_config config = {.executor = {.threads = 1, .time_slice_us = 1000000}};
    struct scene scene = {.taken = 0};

    CHECK_INT(tsuga_run(&config, set_up, &scene), 0);
    CHECK_UINT(atomic_load(&scene.taken), MESSAGES);
    /* One slice of messages (256 by default), however fast the machine. */
    CHECK(scene.taken_when_other_ran <= 512);
}
