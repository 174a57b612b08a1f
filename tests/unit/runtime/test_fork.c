/* fork(2): the child has no runtime, is told so by every call, and does nothing to its parent's. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/executor.h"
#include "runtime/base/sanitize.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LONG_NS (20 * TSUGA_NS_PER_S)

/* In a child only what is safe after fork(2) in a process with threads: CHECK prints when it fails,
 * and then the child is lost anyway. */
#define WANT(condition) ((condition) ? (void)0 : fail_child(__LINE__))

static void fail_child(int line)
{
    char digits[] = "test_fork.c:0000\n";

    for (int at = 15; line > 0; at--, line /= 10)
        digits[at] = (char)('0' + line % 10);
    (void)!write(STDERR_FILENO, digits, sizeof(digits) - 1);
    _exit(1);
}

static int await_child(pid_t pid)
{
    int status;

    CHECK(pid > 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void echo(struct tsuga_actor *self, const struct tsuga_message *message)
{
    CHECK_INT(tsuga_send(self, tsuga_message_from(message), tsuga_message_tag(message), NULL, 0),
              0);
}

/* That the parent's runtime does all that it did. */
static void check_alive(struct tsuga_port *port, struct tsuga_id id)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_port_send(port, id, 5, NULL, 0), 0);
    CHECK_INT(tsuga_port_take(port, LONG_NS, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), 5);
}

static _Noreturn void ask_all(struct tsuga_runtime *runtime, struct tsuga_port *port,
                              struct tsuga_id id)
{
    struct tsuga_spawn_options options = {.behaviour = echo};
    const struct tsuga_message *message;
    struct tsuga_port *other;
    struct tsuga_stats stats;

    WANT(tsuga_spawn(runtime, &options, NULL) == -ECHILD);
    WANT(tsuga_post(runtime, id, 0, NULL, 0) == -ECHILD);
    WANT(tsuga_actor_stop(runtime, id) == -ECHILD);
    WANT(tsuga_actor_wait(runtime, id, TSUGA_FOREVER, NULL) == -ECHILD);
    WANT(tsuga_whereis(runtime, "echo").value == 0);
    WANT(tsuga_port_open(runtime, NULL, &other) == -ECHILD);
    WANT(tsuga_port_fd(port) == -ECHILD);
    WANT(tsuga_port_take(port, TSUGA_FOREVER, &message) == -ECHILD);
    WANT(tsuga_port_send(port, id, 0, NULL, 0) == -ECHILD);
    WANT(tsuga_port_reply(port, (struct tsuga_reply_to){id, {1}}, 0, NULL, 0) == -ECHILD);
    WANT(tsuga_port_monitor(port, id, 0) == -ECHILD);
    WANT(tsuga_port_spawn(port, &options, 0, NULL) == -ECHILD);
    tsuga_port_close(port);
    tsuga_stats_read(runtime, &stats);
    WANT(stats.actors_spawned == 0);
    WANT(tsuga_stats_write(runtime, stderr) == -ECHILD);
    tsuga_stop(runtime, TSUGA_STOP_GRACEFUL);
    tsuga_stop(runtime, TSUGA_STOP_NOW);
    WANT(tsuga_join(runtime) == -ECHILD);
    tsuga_destroy(runtime);
    _exit(0);
}

TEST(fork, a_child_is_told_and_its_parent_goes_on)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_spawn_options options = {.behaviour = echo};
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_port_open(run.runtime, NULL, &port), 0);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    for (int i = 0; i < 5; i++) {
        pid_t pid;

        check_alive(port, id);
        pid = fork();
        if (pid == 0)
            ask_all(run.runtime, port, id);
        check_alive(port, id);
        CHECK_INT(await_child(pid), 0);
        check_alive(port, id);
    }
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

/* An actor forks, with operations in flight: its child is told, too. */

struct forker {
    int ends[2];    /* of a pipe from which a read is in flight */
    int child_ways; /* how the child goes on */
    pid_t pid;
};

enum { CHILD_EXITS, CHILD_RETURNS, CHILD_CALLS_EXIT, CHILD_WAYS };

static void ask_in_turn(struct tsuga_actor *self, struct tsuga_token reading)
{
    const struct tsuga_op ops[2] = {{.kind = TSUGA_OP_NOP}, {.kind = TSUGA_OP_NOP}};
    const struct tsuga_message *message;
    struct tsuga_token tokens[2];

    WANT(tsuga_op_error(tsuga_nop(self)) == -ECHILD);
    WANT(tsuga_await(self, tsuga_nop(self)).result == -ECHILD);
    WANT(tsuga_op_error(tsuga_cancel(self, reading)) == -ECHILD);
    WANT(tsuga_submit_chain(self, ops, 2, 0, tokens) == -ECHILD);
    WANT(tsuga_await(self, reading).result == -ECHILD);
    WANT(tsuga_yield(self) == -ECHILD);
    WANT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == -ECHILD);
    WANT(tsuga_call(self, &(struct tsuga_mail){.to = {1}}, LONG_NS, &message) < 0);
}

static void fork_inside(struct tsuga_actor *self, void *argument)
{
    struct forker *forker = argument;
    struct tsuga_token reading = tsuga_read(self, forker->ends[0], 100);
    struct tsuga_completion got;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* the read is the kernel's now */
    forker->pid = fork();
    if (forker->pid == 0) {
        ask_in_turn(self, reading);
        if (forker->child_ways == CHILD_EXITS)
            _exit(0);
        if (forker->child_ways == CHILD_CALLS_EXIT)
            tsuga_exit(self, 0);
        return;
    }
    CHECK_INT(await_child(forker->pid), forker->child_ways == CHILD_EXITS ? 0 : TSUGA_EXIT_CHILD);
    /* What was in flight is where it was. */
    tsuga_fixture_write(forker->ends[1], "alive", 5);
    got = tsuga_await(self, reading);
    CHECK_INT(got.result, 5);
    CHECK(memcmp(got.data, "alive", 5) == 0);
}

TEST(fork, the_child_of_an_actor_does_nothing_to_what_is_in_flight)
{
    for (int way = 0; way < CHILD_WAYS; way++) {
        struct forker forker = {.child_ways = way};

        tsuga_fixture_pipe(forker.ends);
        (void)tsuga_world_run(NULL, fork_inside, &forker);
        tsuga_fixture_close(forker.ends, 2);
    }
}

/* A behaviour, which returns into the loop. */
static void fork_in_behaviour(struct tsuga_actor *self, const struct tsuga_message *message)
{
    pid_t pid = fork();

    (void)message;
    if (pid == 0)
        return;
    CHECK_INT(await_child(pid), TSUGA_EXIT_CHILD);
    tsuga_exit(self, TSUGA_NORMAL);
}

TEST(fork, the_child_of_a_behaviour_does_not_come_back)
{
    struct tsuga_spawn_options options = {.behaviour = fork_in_behaviour};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), 0);
    tsuga_world_end(&run);
}

/* ThreadSanitizer has no new threads in such a child, and AddressSanitizer's allocator stays locked
 * in it for ever if another thread of the parent was just in there. */
#if !defined(TSUGA_HAS_TSAN) && !defined(TSUGA_HAS_ASAN)
static void end_with(struct tsuga_actor *self, void *argument)
{
    tsuga_exit(self, tsuga_await(self, tsuga_nop(self)).result + *(const int *)argument);
}

TEST(fork, a_child_may_start_a_runtime_of_its_own)
{
    struct tsuga_run run;
    int reason = -123;
    pid_t pid;

    tsuga_world_start(NULL, &run);
    pid = fork();
    if (pid == 0)
        _exit(tsuga_run(NULL, end_with, &reason) == -123 ? 0 : 1);
    CHECK_INT(await_child(pid), 0);
    tsuga_world_end(&run);
}
#endif
