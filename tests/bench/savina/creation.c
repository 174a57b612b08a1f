/* Fork-join, creation: actors that are made, get one message, compute something and end. */
#include "tests/bench/savina/savina.h"

#define ACTOR_COUNT 40000u

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct tsuga_id *root = savina_player(self);

    (void)message;
    savina_compute();
    savina_send(self, *root, 1);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id root = tsuga_self(self);

    (void)argument;
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        savina_send(self, savina_spawn(self, work, &root), 0);
    savina_expect("actors", savina_collect(self, ACTOR_COUNT), ACTOR_COUNT);
}

/* A second for a million of them. */
const struct savina_case savina_creation = {"fork-join, creation", "40000 actors", "actor",
                                            ACTOR_COUNT,           1000,           run};
