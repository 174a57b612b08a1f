/* Runtimes as a whole: two in one process, signals, start and end. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ROUNDS 500u

/* One side of a game of ball between two runtimes. */
struct player {
    struct tsuga_runtime *other_runtime;
    struct tsuga_id other;
    struct tsuga_gate ready;
    uint64_t hits;
};

static void hit(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct player *player = *(struct player **)tsuga_state(self);
    uint64_t count = *(const uint64_t *)tsuga_message_data(message);
    int error;

    CHECK(tsuga_runtime_of(self) != player->other_runtime);
    CHECK_UINT(tsuga_message_from(message).value, 0); /* ids mean nothing in another runtime */
    player->hits++;
    count++;
    error = tsuga_post(player->other_runtime, player->other, 0, &count, sizeof(count));
    CHECK(error == 0 || (count >= 2 * ROUNDS && error == -ESRCH));
    if (player->hits == ROUNDS)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void get_ready(struct tsuga_actor *self, void *argument)
{
    struct player *player = argument;

    *(struct player **)tsuga_state(self) = player;
    tsuga_gate_raise(&player->ready);
}

TEST(runtime, two_runtimes_in_one_process_talk_by_post)
{
    struct tsuga_run runs[2];
    struct player players[2] = {{.hits = 0}, {.hits = 0}};
    struct tsuga_id ids[2];
    uint64_t ball = 0;

    for (int i = 0; i < 2; i++)
        tsuga_world_start(&(struct tsuga_setup){.is_unbalanced = true}, &runs[i]);
    for (int i = 0; i < 2; i++) {
        struct tsuga_spawn_options options = {.behaviour = hit,
                                              .start = get_ready,
                                              .argument = &players[i],
                                              .state_bytes = sizeof(void *)};

        players[i].other_runtime = runs[1 - i].runtime;
        CHECK_INT(tsuga_spawn(runs[i].runtime, &options, &ids[i]), 0);
        tsuga_gate_await(&players[i].ready, 1);
    }
    players[0].other = ids[1];
    players[1].other = ids[0];
    CHECK_INT(tsuga_post(runs[0].runtime, ids[0], 0, &ball, sizeof(ball)), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_join(runs[i].runtime), 0);
    for (int i = 0; i < 2; i++)
        tsuga_world_end(&runs[i]);
    CHECK_UINT(players[0].hits, ROUNDS);
    CHECK_UINT(players[1].hits, ROUNDS);
    CHECK_UINT(runs[0].stats.actors_spawned, 1);
    CHECK_UINT(runs[1].stats.actors_spawned, 1);
}

/* An actor of one runtime makes one in the other. */
static void count_one(struct tsuga_actor *self, void *argument)
{
    struct player *player = argument;

    CHECK(tsuga_runtime_of(self) == player->other_runtime);
    player->hits++;
}

static void spawn_abroad(struct tsuga_actor *self, void *argument)
{
    struct player *player = argument;
    struct tsuga_spawn_options options = {.body = count_one, .argument = player};

    (void)self;
    CHECK_INT(tsuga_spawn(player->other_runtime, &options, NULL), 0);
    options.placement = TSUGA_PLACE_HERE;
    CHECK_INT(tsuga_spawn(player->other_runtime, &options, NULL), -EINVAL);
}

TEST(runtime, an_actor_may_spawn_in_another_runtime)
{
    struct player player = {.hits = 0};
    struct tsuga_run home;
    struct tsuga_run abroad;

    tsuga_world_start(NULL, &home);
    tsuga_world_start(&(struct tsuga_setup){.is_unbalanced = true}, &abroad);
    player.other_runtime = abroad.runtime;
    tsuga_world_spawn(&home, spawn_abroad, &player);
    CHECK_INT(tsuga_join(home.runtime), 0);
    tsuga_world_end(&abroad);
    tsuga_world_end(&home);
    CHECK_UINT(player.hits, 1);
}

static void join_inside(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    CHECK_INT(tsuga_join(tsuga_runtime_of(self)), -EDEADLK);
}

TEST(runtime, an_executor_may_not_join)
{
    tsuga_world_run(NULL, join_inside, NULL);
}

TEST(runtime, starting_and_ending_leaves_nothing_behind)
{
    for (uint32_t i = 0; i < 20; i++) {
        struct tsuga_setup setup = {.config.executor.threads = 1 + i % 3};
        struct tsuga_run run;

        tsuga_world_start(&setup, &run);
        if (i % 2 == 0)
            tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
        tsuga_world_end(&run);
    }
    tsuga_destroy(NULL);
}

/* Signals, in a child of its own. */

enum { EXIT_GRACEFUL = 40, EXIT_FORCED = 41 };

struct vigil {
    int ready; /* a pipe: a byte means that the runtime is up */
    bool is_stubborn;
};

static void keep_vigil(struct tsuga_actor *self, void *argument)
{
    struct vigil *vigil = argument;
    struct tsuga_select stops = {.by_tag = vigil->is_stubborn, .tag = 99};
    const struct tsuga_message *message;

    CHECK_INT(write(vigil->ready, "r", 1), 1);
    CHECK_INT(tsuga_receive(self, &stops, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_STOP);
}

/* Ends with a status that tells how the runtime was ended. */
static _Noreturn void wait_for_signals(struct vigil *vigil)
{
    struct tsuga_config config = {
        .executor.threads = 2, .signals = TSUGA_ON, .actor.shutdown_ms = 3600000};
    struct tsuga_spawn_options options = {
        .body = keep_vigil, .argument = vigil, .receives_stop = true};
    struct tsuga_runtime *runtime;
    uint32_t level;

    config.actor.stop_ms = 3600000;
    CHECK_INT(tsuga_start(&config, &runtime), 0);
    CHECK_INT(tsuga_spawn(runtime, &options, NULL), 0);
    CHECK_INT(tsuga_join(runtime), 0);
    level = runtime->shared.stop_level;
    tsuga_destroy(runtime);
    _exit(level == TSUGA_STOP_ASKED ? EXIT_GRACEFUL : EXIT_FORCED);
}

static int signal_child(bool is_stubborn, const int *signals, size_t count)
{
    struct vigil vigil = {.is_stubborn = is_stubborn};
    int ends[2];
    char byte;
    int status;
    pid_t pid;

    CHECK_INT(pipe(ends), 0);
    vigil.ready = ends[1];
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        wait_for_signals(&vigil);
    CHECK_INT(read(ends[0], &byte, 1), 1);
    for (size_t i = 0; i < count; i++)
        CHECK_INT(kill(pid, signals[i]), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    close(ends[0]);
    close(ends[1]);
    return WEXITSTATUS(status);
}

TEST(runtime, sigterm_and_sigint_stop_gracefully)
{
    CHECK_INT(signal_child(false, (int[]){SIGTERM}, 1), EXIT_GRACEFUL);
    CHECK_INT(signal_child(false, (int[]){SIGINT}, 1), EXIT_GRACEFUL);
}

/* Two different ones, because two of the same may be merged before they are read. */
TEST(runtime, a_second_signal_insists)
{
    CHECK_INT(signal_child(true, (int[]){SIGTERM, SIGINT}, 2), EXIT_FORCED);
}

TEST(runtime, signals_are_put_back_at_the_end)
{
    struct tsuga_config config = {.signals = TSUGA_ON};
    struct tsuga_runtime *runtime;
    sigset_t before;
    sigset_t during;
    sigset_t after;

    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
    CHECK_INT(tsuga_start(&config, &runtime), 0);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &during), 0);
    CHECK(sigismember(&during, SIGTERM) == 1);
    CHECK(sigismember(&during, SIGINT) == 1);
    tsuga_destroy(runtime);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    CHECK_INT(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    CHECK_INT(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}
