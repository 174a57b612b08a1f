/*
 * messages_tsuga GAME EXECUTORS: the games of README.md on the public API. Prints nanoseconds for
 * each unit.
 *
 * A game is a body that plays it once, from the making of the actors to the word that it is over.
 * Its actors have their own part of an array of the body's as their state.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tsuga.h>

#include "tests/bench/savina/savina.h"
#include "tests/bench/support.h"

#define PLAY_NS       UINT64_C(500000000)
#define PING_PONG     200000u
#define RING_ACTORS   503u
#define RING_HOPS     (1000u * RING_ACTORS)
#define PRODUCERS     100u
#define PRODUCTS      5000u
#define MAILBOX       1024u
#define BIG_ACTORS    100u
#define BIG_PINGS     2000u
#define CHAIN         100000u
#define MILLION       1000000u
#define EXECUTORS_MAX 2u
#define CASE_COUNT    7u
#define LONG_TURN_US  60000000u /* some of the root's turns are long on purpose */

struct game {
    const char *name;
    uint64_t unit_count;
    tsuga_body_fn *run;
    bool is_single; /* played once, without warming up */
};

struct job {
    const struct game *game;
    double unit_ns;
};

static void stop_all(struct tsuga_actor *self, const struct tsuga_id *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        (void)tsuga_actor_stop(tsuga_runtime_of(self), ids[i]);
}

/* Ping-pong and the ring. A message's tag says how many are left. */

struct player {
    struct tsuga_id root;
    struct tsuga_id next;
};

static void hand_on(struct tsuga_actor *self, const struct player *player, uint64_t left)
{
    if (left > 0)
        savina_send(self, player->next, left - 1);
    else
        savina_send(self, player->root, 0);
}

static void pass(struct tsuga_actor *self, const struct tsuga_message *message)
{
    hand_on(self, savina_player(self), tsuga_message_tag(message));
}

static void pass_blocking(struct tsuga_actor *self, void *player)
{
    const struct tsuga_message *message;

    while (tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == 0)
        hand_on(self, player, tsuga_message_tag(message));
}

static void start_player(struct tsuga_actor *self, void *player)
{
    *(void **)tsuga_state(self) = player;
}

static void play_pair(struct tsuga_actor *self, struct tsuga_spawn_options *options)
{
    struct player players[2];
    struct tsuga_id ids[2];

    for (uint32_t i = 0; i < 2; i++) {
        options->argument = &players[i];
        tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), options, &ids[i]));
    }
    players[0] = (struct player){tsuga_self(self), ids[1]};
    players[1] = (struct player){tsuga_self(self), ids[0]};
    savina_send(self, ids[0], PING_PONG - 1);
    (void)savina_collect(self, 1);
    stop_all(self, ids, 2);
}

static void play_ping_pong(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.behaviour = pass,
                                          .start = start_player,
                                          .state_bytes = sizeof(void *),
                                          .placement = TSUGA_PLACE_LEAST_LOADED};

    (void)argument;
    play_pair(self, &options);
}

static void play_bodies(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = pass_blocking};

    (void)argument;
    play_pair(self, &options);
}

static void play_ring(struct tsuga_actor *self, void *argument)
{
    struct player players[RING_ACTORS];
    struct tsuga_id ids[RING_ACTORS];

    (void)argument;
    for (uint32_t i = 0; i < RING_ACTORS; i++)
        ids[i] = savina_spawn(self, pass, &players[i]);
    for (uint32_t i = 0; i < RING_ACTORS; i++)
        players[i] = (struct player){tsuga_self(self), ids[(i + 1) % RING_ACTORS]};
    savina_send(self, ids[0], RING_HOPS - 1);
    (void)savina_collect(self, 1);
    stop_all(self, ids, RING_ACTORS);
}

/* Fan-in. */

struct consumer {
    struct tsuga_id root;
    uint32_t left;
};

static void consume(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct consumer *consumer = savina_player(self);

    (void)message;
    if (--consumer->left > 0)
        return;
    savina_send(self, consumer->root, 0);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void produce(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct tsuga_id *to = savina_player(self);

    (void)message;
    for (uint32_t i = 0; i < PRODUCTS; i++)
        savina_send(self, *to, i);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void play_fan_in(struct tsuga_actor *self, void *argument)
{
    struct consumer consumer = {tsuga_self(self), PRODUCERS * PRODUCTS};
    struct tsuga_spawn_options options = {.behaviour = consume,
                                          .start = start_player,
                                          .argument = &consumer,
                                          .state_bytes = sizeof(void *),
                                          .mailbox_capacity = MAILBOX,
                                          .mailbox_full = TSUGA_FULL_BLOCK};
    struct tsuga_id id;

    (void)argument;
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, &id));
    for (uint32_t i = 0; i < PRODUCERS; i++)
        savina_send(self, savina_spawn(self, produce, &id), 0);
    (void)savina_collect(self, 1);
}

/* Big. */

enum { BEGIN, PING, PONG };

struct peer {
    struct tsuga_id root;
    const struct tsuga_id *ids;
    uint64_t random;
    uint32_t left;
};

static void ping_somebody(struct tsuga_actor *self, struct peer *peer)
{
    if (peer->left == 0) {
        savina_send(self, peer->root, 0);
        return;
    }
    peer->left--;
    peer->random = peer->random * 48271 % 2147483647;
    savina_send(self, peer->ids[peer->random % BIG_ACTORS], PING);
}

static void chat(struct tsuga_actor *self, const struct tsuga_message *message)
{
    if (tsuga_message_tag(message) == PING)
        savina_send(self, tsuga_message_from(message), PONG);
    else
        ping_somebody(self, savina_player(self));
}

static void play_big(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id ids[BIG_ACTORS];
    struct peer peers[BIG_ACTORS];

    (void)argument;
    for (uint32_t i = 0; i < BIG_ACTORS; i++) {
        peers[i] = (struct peer){tsuga_self(self), ids, i + 1, BIG_PINGS};
        ids[i] = savina_spawn(self, chat, &peers[i]);
    }
    for (uint32_t i = 0; i < BIG_ACTORS; i++)
        savina_send(self, ids[i], BEGIN);
    (void)savina_collect(self, BIG_ACTORS);
    stop_all(self, ids, BIG_ACTORS);
}

/* One after the other. */

static void live_shortly(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_id *root = savina_player(self);
    uint64_t left = tsuga_message_tag(message);

    if (left > 0)
        savina_send(self, savina_spawn(self, live_shortly, root), left - 1);
    else
        savina_send(self, *root, 0);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void play_spawn(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id root = tsuga_self(self);

    (void)argument;
    savina_send(self, savina_spawn(self, live_shortly, &root), CHAIN - 1);
    (void)savina_collect(self, 1);
}

/* All at once. */

struct crowd {
    struct tsuga_id root;
    atomic_uint left;
    struct tsuga_id ids[MILLION];
};

static void count_oneself(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct crowd *crowd = savina_player(self);

    (void)message;
    /* Nothing is published by it but the number. */
    if (atomic_fetch_sub_explicit(&crowd->left, 1, memory_order_relaxed) == 1)
        savina_send(self, crowd->root, 0);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void play_million(struct tsuga_actor *self, void *argument)
{
    static struct crowd crowd = {.left = MILLION};

    (void)argument;
    crowd.root = tsuga_self(self);
    for (uint32_t i = 0; i < MILLION; i++)
        crowd.ids[i] = savina_spawn(self, count_oneself, &crowd);
    for (uint32_t i = 0; i < MILLION; i++)
        savina_send(self, crowd.ids[i], 0);
    (void)savina_collect(self, 1);
}

static const struct game games[CASE_COUNT] = {
    {"ping-pong", PING_PONG, play_ping_pong, false},
    {"bodies", PING_PONG, play_bodies, false},
    {"ring", RING_HOPS, play_ring, false},
    {"fan-in", UINT64_C(1) * PRODUCERS *PRODUCTS, play_fan_in, false},
    {"big", UINT64_C(2) * BIG_ACTORS *BIG_PINGS, play_big, false},
    {"spawn", CHAIN, play_spawn, false},
    {"million", MILLION, play_million, true},
};

static void play(struct tsuga_actor *self, void *argument)
{
    struct job *job = argument;
    const struct game *game = job->game;
    uint64_t unit_count = 0;
    uint64_t start_ns;
    uint64_t now_ns;

    if (!game->is_single)
        game->run(self, NULL);
    start_ns = tsuga_bench_now_ns();
    do {
        game->run(self, NULL);
        unit_count += game->unit_count;
        now_ns = tsuga_bench_now_ns();
    } while (!game->is_single && now_ns - start_ns < PLAY_NS);
    job->unit_ns = (double)(now_ns - start_ns) / (double)unit_count;
}

static const struct game *find_game(const char *name)
{
    for (size_t i = 0; i < CASE_COUNT; i++) {
        if (strcmp(games[i].name, name) == 0)
            return &games[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct job job = {.game = argc == 3 ? find_game(argv[1]) : NULL};
    unsigned long executors = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    struct tsuga_config config = {
        .executor = {.threads = (uint32_t)executors, .watchdog_us = LONG_TURN_US}};

    if (job.game == NULL || executors < 1 || executors > EXECUTORS_MAX) {
        fprintf(stderr, "usage: messages_tsuga GAME 1|2\n");
        return 2;
    }
    tsuga_bench_require("tsuga_run", tsuga_run(&config, play, &job));
    printf("%.2f\n", job.unit_ns);
    return 0;
}
