/* Fork-join, throughput: messages to many actors in turn, each of which computes something. */
#include "tests/bench/savina/savina.h"

#define ACTOR_COUNT   60u
#define MESSAGE_COUNT 10000u

struct worker {
    struct tsuga_id root;
    uint64_t count;
};

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct worker *worker = savina_player(self);

    (void)message;
    savina_compute();
    if (++worker->count < MESSAGE_COUNT)
        return;
    savina_send(self, worker->root, worker->count);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct worker workers[ACTOR_COUNT];
    struct tsuga_id ids[ACTOR_COUNT];

    (void)argument;
    for (uint32_t i = 0; i < ACTOR_COUNT; i++) {
        workers[i] = (struct worker){.root = tsuga_self(self)};
        ids[i] = savina_spawn(self, work, &workers[i]);
    }
    for (uint32_t n = 0; n < MESSAGE_COUNT; n++) {
        for (uint32_t i = 0; i < ACTOR_COUNT; i++)
            savina_send(self, ids[i], 0);
    }
    savina_expect("messages", savina_collect(self, ACTOR_COUNT),
                  UINT64_C(1) * ACTOR_COUNT * MESSAGE_COUNT);
}

const struct savina_case savina_throughput = {"fork-join, throughput",
                                              "60 actors, 10000 messages each",
                                              "message",
                                              UINT64_C(1) * ACTOR_COUNT *MESSAGE_COUNT,
                                              0,
                                              run};
