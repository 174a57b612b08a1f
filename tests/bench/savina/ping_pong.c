/* Two actors send one message back and forth. */
#include "tests/bench/savina/savina.h"

#define PING_COUNT 40000u

struct player {
    struct tsuga_id root;
    struct tsuga_id other;
    uint64_t count; /* pings, or pongs, so far */
};

/* The tag says how many pings are left; the last pong says 0. */
static void ping(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct player *player = savina_player(self);
    uint64_t left = tsuga_message_tag(message);

    if (left > 0) {
        player->count++;
        savina_send(self, player->other, left - 1);
        return;
    }
    savina_send(self, player->root, player->count);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void pong(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct player *player = savina_player(self);
    uint64_t left = tsuga_message_tag(message);

    player->count++;
    savina_send(self, player->other, left);
    if (left > 0)
        return;
    savina_send(self, player->root, player->count);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct player pinger = {.root = tsuga_self(self)};
    struct player ponger = {.root = tsuga_self(self)};

    (void)argument;
    ponger.other = savina_spawn(self, ping, &pinger);
    pinger.other = savina_spawn(self, pong, &ponger);
    savina_send(self, ponger.other, PING_COUNT);
    savina_expect("pings and pongs", savina_collect(self, 2), 2 * PING_COUNT);
}

const struct savina_case savina_ping_pong = {
    "ping-pong", "40000 pings", "message", UINT64_C(2) * PING_COUNT, 40, run};
