/* Many actors, each of which sends pings to others at random, one at a time. */
#include "tests/bench/savina/savina.h"

#define ACTOR_COUNT 120u
#define PING_COUNT  20000u

enum { BEGIN, PING, PONG, END };

struct peer {
    struct tsuga_id root;
    const struct tsuga_id *ids;
    struct savina_random random;
    uint64_t pongs;
    uint64_t pings; /* from others */
};

static void ping_somebody(struct tsuga_actor *self, struct peer *peer)
{
    savina_send(self, peer->ids[savina_random_below(&peer->random, ACTOR_COUNT)], PING);
}

static void take_pong(struct tsuga_actor *self, struct peer *peer)
{
    if (++peer->pongs < PING_COUNT)
        ping_somebody(self, peer);
    else
        savina_send(self, peer->root, 0);
}

static void play(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct peer *peer = savina_player(self);

    switch (tsuga_message_tag(message)) {
    case BEGIN:
        ping_somebody(self, peer);
        break;
    case PING:
        peer->pings++;
        savina_send(self, tsuga_message_from(message), PONG);
        break;
    case PONG:
        take_pong(self, peer);
        break;
    default:
        savina_send(self, peer->root, peer->pings);
        tsuga_exit(self, TSUGA_NORMAL);
    }
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id ids[ACTOR_COUNT];
    struct peer peers[ACTOR_COUNT];

    (void)argument;
    for (uint32_t i = 0; i < ACTOR_COUNT; i++) {
        peers[i] = (struct peer){.root = tsuga_self(self), .ids = ids, .random = {i}};
        ids[i] = savina_spawn(self, play, &peers[i]);
    }
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        savina_send(self, ids[i], BEGIN);
    savina_expect("peers that are done", savina_collect(self, ACTOR_COUNT), 0);
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        savina_send(self, ids[i], END);
    savina_expect("pings", savina_collect(self, ACTOR_COUNT),
                  UINT64_C(1) * ACTOR_COUNT * PING_COUNT);
}

const struct savina_case savina_big = {"big",     "120 actors, 20000 pings each",
                                       "message", UINT64_C(2) * ACTOR_COUNT *PING_COUNT,
                                       0,         run};
