/*
 * What a message costs from one behaviour to the next: two actors that play ping-pong, 503 in a
 * ring, two bodies that block for each message, and two actors on two executors.
 *
 * The floor of one executor is the same game over a list in one function: take the oldest letter,
 * call whom it is for, put the answer at the end. That of bodies is a switch to another stack and
 * back, with nothing in between. The floor of two executors is two threads that
 * wake each other through eventfds.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <tsuga.h>
#include <unistd.h>

#include "executor/switch.h"
#include "tests/bench/support.h"

#define PLAYERS_MAX 503u
#define CASE_COUNT  4u
#define HOPS_LOCAL  200000u
#define HOPS_REMOTE 2000u
#define STACK_BYTES 16384u

struct player {
    struct game *game;
    uint32_t index;
};

struct game {
    struct tsuga_bench_pairs pairs;
    uint32_t player_count;
    uint32_t hops; /* messages of one sample, a multiple of the players */
    bool blocks;   /* the players are bodies */
    bool is_remote;
    double floor_ns;
    uint64_t start_ns; /* 0: no sample has begun */
    struct tsuga_id ids[PLAYERS_MAX];
    struct player players[PLAYERS_MAX];
};

/* The floor of one executor. */

struct letter {
    struct letter *next;
    struct site *to;
    uint64_t left;
};

struct site {
    void (*handle)(struct site *site, uint64_t left);
    struct site *next;
    struct post *post;
};

struct post {
    struct letter *first;
    struct letter *last;
    struct letter *free;
    struct letter letters[2];
    struct site sites[PLAYERS_MAX];
};

static void drop(struct post *post, struct site *to, uint64_t left)
{
    struct letter *letter = post->free;

    post->free = letter->next;
    *letter = (struct letter){NULL, to, left};
    if (post->first == NULL)
        post->first = letter;
    else
        post->last->next = letter;
    post->last = letter;
}

static void pass_on(struct site *site, uint64_t left)
{
    if (left > 0)
        drop(site->post, site->next, left - 1);
}

static double measure_list(uint32_t player_count, uint32_t hops)
{
    static struct post post;
    uint64_t start_ns;

    post.letters[0].next = &post.letters[1];
    post.letters[1].next = NULL;
    post.free = post.letters;
    for (uint32_t i = 0; i < player_count; i++)
        post.sites[i] = (struct site){pass_on, &post.sites[(i + 1) % player_count], &post};
    start_ns = tsuga_bench_now_ns();
    drop(&post, &post.sites[0], hops - 1);
    while (post.first != NULL) {
        struct letter *letter = post.first;

        post.first = letter->next;
        letter->to->handle(letter->to, letter->left);
        letter->next = post.free;
        post.free = letter;
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / hops;
}

/* The floor of bodies. Sanitizers are not told of it: benchmarks are release builds. */

struct switching {
    void *here;
    void *there;
};

static void switch_back(void *context)
{
    struct switching *switching = context;

    for (;;)
        tsuga_switch(&switching->there, switching->here);
}

static double measure_switches(uint32_t hops)
{
    static _Alignas(64) unsigned char stack[STACK_BYTES];
    struct switching switching;
    uint64_t start_ns;

    tsuga_switch_start(&switching.here, stack + sizeof(stack), switch_back, &switching);
    start_ns = tsuga_bench_now_ns();
    for (uint32_t i = 0; i < hops; i++)
        tsuga_switch(&switching.here, switching.there);
    return (double)(tsuga_bench_now_ns() - start_ns) / hops;
}

/* The floor of two executors. */

struct line {
    int there;
    int back;
    uint32_t hops;
};

static void wake_other(int fd)
{
    uint64_t one = 1;

    tsuga_bench_require("write", write(fd, &one, sizeof(one)) == sizeof(one) ? 0 : -errno);
}

static void wait_for_other(int fd)
{
    uint64_t value;

    tsuga_bench_require("read", read(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -errno);
}

static void *answer(void *context)
{
    struct line *line = context;

    for (uint32_t i = 0; i < line->hops; i += 2) {
        wait_for_other(line->there);
        wake_other(line->back);
    }
    return NULL;
}

static double measure_threads(uint32_t hops)
{
    struct line line = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), hops};
    uint64_t start_ns;
    pthread_t thread;

    tsuga_bench_require("pthread_create", -pthread_create(&thread, NULL, answer, &line));
    start_ns = tsuga_bench_now_ns();
    for (uint32_t i = 0; i < hops; i += 2) {
        wake_other(line.there);
        wait_for_other(line.back);
    }
    start_ns = tsuga_bench_now_ns() - start_ns;
    pthread_join(thread, NULL);
    close(line.there);
    close(line.back);
    return (double)start_ns / hops;
}

/* The game. A message's tag says how many hops are left; the first player gets the last. */

static struct tsuga_id next_of(const struct player *player)
{
    return player->game->ids[(player->index + 1) % player->game->player_count];
}

static void pass(struct tsuga_actor *self, const struct player *player, uint64_t left)
{
    tsuga_bench_require("tsuga_send", tsuga_send(self, next_of(player), left, NULL, 0));
}

static double measure_floor(const struct game *game)
{
    if (game->is_remote)
        return measure_threads(game->hops);
    if (game->blocks)
        return measure_switches(game->hops);
    return measure_list(game->player_count, game->hops);
}

static const char *floor_name(const struct game *game)
{
    if (game->is_remote)
        return "eventfd threads";
    return game->blocks ? "to a stack and back" : "list and call";
}

/* The first player between two samples. */
static void keep_score(struct tsuga_actor *self, struct player *player)
{
    struct game *game = player->game;

    if (game->start_ns != 0)
        tsuga_bench_add(&game->pairs, game->floor_ns,
                        (double)(tsuga_bench_now_ns() - game->start_ns) / game->hops);
    if (!tsuga_bench_wants_more(&game->pairs)) {
        tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_GRACEFUL);
        return;
    }
    game->floor_ns = measure_floor(game);
    game->start_ns = tsuga_bench_now_ns();
    pass(self, player, game->hops - 1);
}

static void play(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct player *player = *(struct player **)tsuga_state(self);
    uint64_t left = tsuga_message_tag(message);

    if (left > 0)
        pass(self, player, left - 1);
    else
        keep_score(self, player);
}

static void start(struct tsuga_actor *self, void *argument)
{
    *(struct player **)tsuga_state(self) = argument;
}

static void play_blocking(struct tsuga_actor *self, void *argument)
{
    struct player *player = argument;
    const struct tsuga_message *message;

    while (tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == 0) {
        uint64_t left = tsuga_message_tag(message);

        if (left > 0)
            pass(self, player, left - 1);
        else
            keep_score(self, player);
    }
}

static void seat_players(struct tsuga_runtime *runtime, struct game *game)
{
    for (uint32_t i = 0; i < game->player_count; i++) {
        struct tsuga_spawn_options options = {.argument = &game->players[i],
                                              .placement = game->is_remote ? TSUGA_PLACE_EXECUTOR
                                                                           : TSUGA_PLACE_DEFAULT,
                                              .executor = i,
                                              .name = "player"};

        game->players[i] = (struct player){game, i};
        if (game->blocks) {
            options.body = play_blocking;
        } else {
            options.behaviour = play;
            options.start = start;
            options.state_bytes = sizeof(struct player *);
        }
        tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, &game->ids[i]));
    }
}

static void run_case(const char *variant, struct game *game, double seconds)
{
    struct tsuga_config config = {.executor.threads = game->is_remote ? 2 : 1};
    struct tsuga_runtime *runtime;

    tsuga_bench_start(&game->pairs, seconds);
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    seat_players(runtime, game);
    tsuga_bench_require("tsuga_post", tsuga_post(runtime, game->ids[0], 0, NULL, 0));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
    tsuga_bench_begin("message", variant);
    tsuga_bench_summary(&game->pairs, floor_name(game));
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    static struct game pair = {.player_count = 2, .hops = HOPS_LOCAL};
    static struct game ring = {.player_count = PLAYERS_MAX, .hops = 400 * PLAYERS_MAX};
    static struct game bodies = {.player_count = 2, .hops = HOPS_LOCAL, .blocks = true};
    static struct game remote = {.player_count = 2, .hops = HOPS_REMOTE, .is_remote = true};
    double seconds = tsuga_bench_seconds(argc, argv, 8) / CASE_COUNT;

    run_case("ping-pong, one executor", &pair, seconds);
    run_case("ring of 503, one executor", &ring, seconds);
    run_case("ping-pong of bodies in receive", &bodies, seconds);
    run_case("ping-pong, two executors", &remote, seconds);
    return 0;
}
