/* What the kernel has deferred while actors have turns: it waits for a tick, but not for long. */
#include "executor/executor.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/needs.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ROUNDS   20u
#define TURN_NS  (30 * TSUGA_NS_PER_US)
#define SLICE_NS (200 * TSUGA_NS_PER_US)

/* Two players keep the run queue filled; whoever has the ball and sees that the listener has heard
 * the last byte writes the next one. */
struct game {
    struct tsuga_still_clock still;
    uint64_t turn_ns; /* that each of their turns takes */
    int ends[2];
    struct tsuga_id players[2];
    uint32_t heard;
    uint32_t written;
    uint32_t turns;
    uint32_t turns_max; /* from a byte's writing until it was heard */
    uint32_t written_turn;
    uint64_t enters; /* of the kernel */
};

static struct game *game_of(struct tsuga_actor *self)
{
    return *(struct game **)tsuga_state(self);
}

static void join_game(struct tsuga_actor *self, void *game)
{
    *(void **)tsuga_state(self) = game;
}

static uint64_t enter_count(struct tsuga_actor *self)
{
    return tsuga_seat_home(tsuga_seat_of(self))->ring->enter_count;
}

static void listen_to_game(struct tsuga_actor *self, void *argument)
{
    struct game *game = argument;

    join_game(self, game);
    CHECK_INT(tsuga_op_error(tsuga_recv_stream(self, game->ends[0])), 0);
}

static void hear_byte(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct game *game = game_of(self);
    uint32_t turns = game->turns - game->written_turn;

    CHECK_INT(tsuga_message_completion(message)->result, 1);
    /* The stream's request waited for a tick before the first byte could come. */
    if (game->heard++ > 0 && turns > game->turns_max)
        game->turns_max = turns;
}

static void play(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct game *game = game_of(self);
    struct tsuga_id other = game->players[tsuga_self(self).value == game->players[0].value];

    (void)message;
    game->turns++;
    atomic_fetch_add_explicit(&game->still.now_ns, game->turn_ns, memory_order_relaxed);
    if (game->heard == ROUNDS) {
        game->enters = enter_count(self) - game->enters;
        tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
        return;
    }
    if (game->heard == game->written) {
        tsuga_fixture_write(game->ends[1], "x", 1);
        game->written++;
        game->written_turn = game->turns;
    }
    CHECK_INT(tsuga_send(self, other, 0, NULL, 0), 0);
}

static void start_game(struct tsuga_actor *self, void *argument)
{
    struct game *game = argument;
    struct tsuga_spawn_options player = {.behaviour = play,
                                         .start = join_game,
                                         .argument = game,
                                         .state_bytes = sizeof(struct game *)};
    struct tsuga_spawn_options listener = player;

    listener.behaviour = hear_byte;
    listener.start = listen_to_game;
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &listener, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &player, &game->players[i]), 0);
    game->enters = enter_count(self);
    CHECK_INT(tsuga_send(self, game->players[0], 0, NULL, 0), 0);
}

static void run_game(struct game *game)
{
    const struct tsuga_clock clock = tsuga_still_clock_init(&game->still);
    struct tsuga_setup setup = {.config.executor.time_slice_us = SLICE_NS / TSUGA_NS_PER_US,
                                .clock = &clock};

    tsuga_needs("DEFER_TASKRUN");
    tsuga_needs("MULTISHOT"); /* otherwise each byte has a request, which waits for a tick */
    tsuga_needs("BUFFER_RING");
    tsuga_needs_locked(512 << 10);
    tsuga_fixture_sockets(game->ends);
    (void)tsuga_world_run(&setup, start_game, game);
    tsuga_fixture_close(game->ends, 2);
    CHECK_UINT(game->heard, ROUNDS);
}

TEST(deferred, h25_it_waits_for_no_more_than_half_a_slice)
{
    static struct game game = {.turn_ns = TURN_NS};

    run_game(&game);
    /* Half a slice, and the turns of both players before the listener's. */
    CHECK(game.turns_max <= SLICE_NS / 2 / TURN_NS + 1 + 2);
}

TEST(deferred, short_turns_do_not_enter_the_kernel_for_it)
{
    static struct game game;

    run_game(&game);
    CHECK(game.turns > TSUGA_TICK_TURNS);
    CHECK(game.enters <= game.turns / (TSUGA_TICK_TURNS / 4));
}
