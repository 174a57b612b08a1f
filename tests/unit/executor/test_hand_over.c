/* Bodies that have nothing but each other to wait for: the one that blocks switches to the one that
 * can go on, without the executor's loop in between. Whatever the loop looks at is seen all the
 * same. */
#include <errno.h>

#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

enum tag { BALL, ENOUGH };

/* Two that play ball until one of them is told that it is enough. */
struct game {
    struct tsuga_id players[2];
    struct tsuga_gate ready; /* both know each other */
    struct tsuga_gate turns; /* the ball was caught */
    uint64_t limit_ns;       /* the first one tells itself so much later; 0: does not */
    bool was_stopped;
};

/* Catches and throws until something else comes, which it returns. */
static const struct tsuga_message *play(struct tsuga_actor *self, struct game *game,
                                        struct tsuga_id partner)
{
    const struct tsuga_message *message;

    for (;;) {
        int error;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        if (tsuga_message_kind(message) != TSUGA_MESSAGE_USER || tsuga_message_tag(message) != BALL)
            return message;
        tsuga_gate_raise(&game->turns);
        error = tsuga_send(self, partner, BALL, NULL, 0);
        CHECK(error == 0 || error == -ESRCH); /* the leader goes first */
    }
}

static void lead(struct tsuga_actor *self, void *argument)
{
    struct game *game = argument;
    struct tsuga_mail enough = {.to = tsuga_self(self), .tag = ENOUGH};
    const struct tsuga_message *message;

    tsuga_gate_await(&game->ready, 1);
    if (game->limit_ns != 0)
        CHECK_INT(tsuga_send_after(self, &enough, game->limit_ns, NULL), 0);
    CHECK_INT(tsuga_send(self, game->players[1], BALL, NULL, 0), 0);
    message = play(self, game, game->players[1]);
    game->was_stopped = tsuga_message_kind(message) == TSUGA_MESSAGE_STOP;
    CHECK_INT(tsuga_send(self, game->players[1], ENOUGH, NULL, 0), 0);
}

static void follow(struct tsuga_actor *self, void *argument)
{
    struct game *game = argument;

    (void)play(self, game, game->players[0]);
}

static void start(struct game *game, struct tsuga_run *run)
{
    struct tsuga_spawn_options options = {.body = lead, .argument = game, .receives_stop = true};

    tsuga_world_start(NULL, run);
    CHECK_INT(tsuga_spawn(run->runtime, &options, &game->players[0]), 0);
    options.body = follow;
    CHECK_INT(tsuga_spawn(run->runtime, &options, &game->players[1]), 0);
    tsuga_gate_raise(&game->ready);
}

TEST(executor, h25_bodies_that_hand_over_to_each_other_let_timers_through)
{
    struct game game = {.limit_ns = 2 * TSUGA_NS_PER_MS};
    struct tsuga_run run;

    start(&game, &run);
    tsuga_world_end(&run);
    CHECK(!game.was_stopped);
    CHECK(tsuga_gate_height(&game.turns) > 0);
}

TEST(executor, bodies_that_hand_over_to_each_other_hear_of_a_stop)
{
    struct game game = {.limit_ns = 0};
    struct tsuga_run run;

    start(&game, &run);
    tsuga_gate_await(&game.turns, 1000);
    CHECK_INT(tsuga_actor_stop(run.runtime, game.players[0]), 0);
    tsuga_world_end(&run);
    CHECK(game.was_stopped);
}
