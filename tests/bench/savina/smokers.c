/* An arbiter lets one smoker after the other smoke, for a while that it chooses. */
#include "tests/bench/savina/savina.h"

#define SMOKER_COUNT 200u
#define ROUND_COUNT  1000u

/* Tags of smokers: how long to smoke, or the end. */
#define END UINT64_C(0)

struct arbiter {
    struct tsuga_id smokers[SMOKER_COUNT];
    struct tsuga_id root;
    struct savina_random random;
    uint32_t rounds;
};

struct smoker {
    struct tsuga_id arbiter;
    struct tsuga_id root;
    struct savina_random random;
    uint64_t smoked;
};

static void choose(struct tsuga_actor *self, struct arbiter *arbiter)
{
    uint32_t chosen = savina_random_below(&arbiter->random, SMOKER_COUNT);

    savina_send(self, arbiter->smokers[chosen], savina_random_below(&arbiter->random, 1000) + 10);
}

static void arbitrate(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct arbiter *arbiter = savina_player(self);

    (void)message;
    if (arbiter->rounds++ < ROUND_COUNT) {
        choose(self, arbiter);
        return;
    }
    for (uint32_t i = 0; i < SMOKER_COUNT; i++)
        savina_send(self, arbiter->smokers[i], END);
    tsuga_exit(self, TSUGA_NORMAL);
}

/* The next one may begin meanwhile. */
static void smoke(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct smoker *smoker = savina_player(self);
    uint64_t length = tsuga_message_tag(message);

    if (length == END) {
        savina_send(self, smoker->root, smoker->smoked);
        tsuga_exit(self, TSUGA_NORMAL);
    }
    smoker->smoked++;
    savina_send(self, smoker->arbiter, 0);
    for (uint64_t i = 0; i < length; i++)
        (void)savina_random_below(&smoker->random, 2);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct arbiter arbiter = {.root = tsuga_self(self)};
    struct tsuga_id id = savina_spawn(self, arbitrate, &arbiter);
    struct smoker smokers[SMOKER_COUNT];

    (void)argument;
    for (uint32_t i = 0; i < SMOKER_COUNT; i++) {
        smokers[i] = (struct smoker){.arbiter = id, .root = tsuga_self(self), .random = {i}};
        arbiter.smokers[i] = savina_spawn(self, smoke, &smokers[i]);
    }
    savina_send(self, id, 0);
    savina_expect("rounds", savina_collect(self, SMOKER_COUNT), ROUND_COUNT);
}

const struct savina_case savina_smokers = {
    "cigarette smokers", "200 smokers, 1000 rounds", "message", UINT64_C(2) * ROUND_COUNT, 0, run};
