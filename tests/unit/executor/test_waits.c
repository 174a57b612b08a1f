/* Waiting for a word of memory and for a child process. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define WORD_OFFSET 60u

static void need(struct tsuga_actor *self, enum tsuga_ring_kind kind)
{
    if (!tsuga_has_operation(self, kind))
        SKIP("the kernel has no such operation");
}

static struct tsuga_lease make_word(struct tsuga_actor *self, uint32_t value)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, 64, &lease), 0);
    memcpy((char *)tsuga_lease_data(self, lease) + WORD_OFFSET, &value, sizeof(value));
    return lease;
}

static void wait_and_wake(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make_word(self, 5);
    struct tsuga_token waits[3];
    unsigned ended = 0;

    (void)argument;
    need(self, TSUGA_RING_FUTEX_WAIT);
    CHECK_INT(tsuga_await(self, tsuga_futex_wait(self, lease, WORD_OFFSET, 6)).result, -EAGAIN);
    CHECK_INT(tsuga_await(self, tsuga_futex_wake(self, lease, WORD_OFFSET, 1)).result, 0);
    for (unsigned i = 0; i < 3; i++)
        waits[i] = tsuga_futex_wait(self, lease, WORD_OFFSET, 5);
    CHECK_INT(tsuga_await_any(self, waits, 3, 0).result, -ETIMEDOUT);
    CHECK_INT(tsuga_await(self, tsuga_futex_wake(self, lease, WORD_OFFSET, 2)).result, 2);
    CHECK_INT(tsuga_await(self, tsuga_futex_wake(self, lease, WORD_OFFSET, 9)).result, 1);
    for (unsigned i = 0; i < 3; i++)
        ended += tsuga_await(self, waits[i]).result == 0;
    CHECK_UINT(ended, 3);
    CHECK_INT(tsuga_op_error(tsuga_futex_wait(self, lease, WORD_OFFSET + 1, 5)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_futex_wait(self, lease, 64, 5)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_futex_wait(self, (struct tsuga_lease){0}, 0, 5)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_futex_wake(self, (struct tsuga_lease){0}, 0, 5)), -EINVAL);
}

TEST(waits, a_word_is_waited_for_and_woken)
{
    (void)tsuga_world_run(NULL, wait_and_wake, NULL);
}

/* A thread that is no executor wakes whoever waits, with the plain call. */
static void *wake_plainly(void *argument)
{
    _Atomic uint32_t *word = argument;

    atomic_store_explicit(word, 1, memory_order_seq_cst);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return NULL;
}

static void meet_thread(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    need(self, TSUGA_RING_FUTEX_WAIT);
    for (unsigned i = 0; i < 100; i++) {
        struct tsuga_lease lease = make_word(self, 0);
        char *word = (char *)tsuga_lease_data(self, lease) + WORD_OFFSET;
        pthread_t thread;
        int result;

        CHECK_INT(pthread_create(&thread, NULL, wake_plainly, word), 0);
        result = tsuga_await(self, tsuga_futex_wait(self, lease, WORD_OFFSET, 0)).result;
        CHECK(result == 0 || result == -EAGAIN);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK_INT(tsuga_lease_release(self, lease), 0);
    }
}

TEST(waits, a_plain_futex_call_wakes_an_actor)
{
    (void)tsuga_world_run(NULL, meet_thread, NULL);
}

static void end_wait(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make_word(self, 5);
    struct tsuga_op op = {.kind = TSUGA_OP_FUTEX_WAIT,
                          .lease = lease,
                          .lease_offset = WORD_OFFSET,
                          .offset = 5,
                          .timeout_ns = TSUGA_NS_PER_MS};
    struct tsuga_token wait;

    (void)argument;
    need(self, TSUGA_RING_FUTEX_WAIT);
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, -ETIMEDOUT);
    wait = tsuga_futex_wait(self, lease, WORD_OFFSET, 5);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, wait)).result, 0);
    CHECK_INT(tsuga_await(self, wait).result, -ECANCELED);
    wait = tsuga_futex_wait(self, lease, WORD_OFFSET, 5);
    CHECK_INT(tsuga_lease_release(self, lease), 0); /* the pin is left */
    CHECK_INT(tsuga_cancel_all(self), 1);
    CHECK_INT(tsuga_await(self, wait).result, -ECANCELED);
    /* One that waits outlives its actor. */
    lease = make_word(self, 5);
    CHECK_INT(tsuga_op_error(tsuga_futex_wait(self, lease, WORD_OFFSET, 5)), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

TEST(waits, h43_one_for_a_word_is_cancelled)
{
    (void)tsuga_world_run(NULL, end_wait, NULL);
}

/* Before the runtime starts threads. The child waits until its end of the pipe is closed. */
struct child {
    int pid;
    int pipe[2];
};

static void make_child(struct child *child, int status)
{
    char byte;

    tsuga_fixture_pipe(child->pipe);
    child->pid = fork();
    CHECK(child->pid >= 0);
    if (child->pid > 0) {
        close(child->pipe[0]);
        return;
    }
    close(child->pipe[1]);
    (void)!read(child->pipe[0], &byte, 1);
    _exit(status);
}

static void wait_for_child(struct tsuga_actor *self, void *argument)
{
    struct child *child = argument;
    struct tsuga_op limited = {.kind = TSUGA_OP_WAITID,
                               .mode = P_PID,
                               .fd = child->pid,
                               .flags = WEXITED,
                               .timeout_ns = TSUGA_NS_PER_MS};
    struct tsuga_token wait;
    siginfo_t info;

    need(self, TSUGA_RING_WAITID);
    memset(&info, 0xee, sizeof(info));
    CHECK_INT(
        tsuga_await(self, tsuga_waitid(self, P_PID, child->pid, &info, WEXITED | WNOHANG)).result,
        0);
    CHECK_INT(info.si_pid, 0); /* it goes on */
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &limited)).result, -ETIMEDOUT);
    wait = tsuga_waitid(self, P_PID, child->pid, &info, WEXITED);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, wait)).result, 0);
    CHECK_INT(tsuga_await(self, wait).result, -ECANCELED);
    wait = tsuga_waitid(self, P_PID, child->pid, &info, WEXITED | WNOWAIT);
    CHECK_INT(close(child->pipe[1]), 0);
    CHECK_INT(tsuga_await(self, wait).result, 0);
    CHECK_INT(info.si_pid, child->pid);
    CHECK_INT(info.si_code, CLD_EXITED);
    CHECK_INT(info.si_status, 42);
    CHECK_INT(tsuga_await(self, tsuga_waitid(self, P_ALL, 0, NULL, WEXITED)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_waitid(self, P_PID, child->pid, &info, WEXITED)).result,
              -ECHILD);
    CHECK_INT(tsuga_await(self, tsuga_waitid(self, 99, 0, &info, WEXITED)).result, -EINVAL);
}

TEST(waits, a_child_is_waited_for)
{
    const struct tsuga_setup setup = {.is_unbalanced = true}; /* an end of a pipe is closed */
    struct tsuga_stats stats;
    struct child child;

    make_child(&child, 42);
    stats = tsuga_world_run(&setup, wait_for_child, &child);
    CHECK_UINT(stats.ops_completions, stats.ops_submitted);
    CHECK_UINT(stats.heaps.live_bytes, 0);
}

static void leave_child(struct tsuga_actor *self, void *argument)
{
    struct child *child = argument;
    siginfo_t info;

    need(self, TSUGA_RING_WAITID);
    CHECK_INT(tsuga_op_error(tsuga_waitid(self, P_PID, child->pid, &info, WEXITED)), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

/* `info` is gone with the actor's stack, and nothing is written to it. */
TEST(waits, h43_one_for_a_child_outlives_its_actor)
{
    struct child child;

    make_child(&child, 0);
    (void)tsuga_world_run(NULL, leave_child, &child);
    CHECK_INT(close(child.pipe[1]), 0);
    CHECK_INT(waitpid(child.pid, NULL, 0), child.pid);
}

static void find_none(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make_word(self, 5);
    siginfo_t info;

    (void)argument;
    CHECK_INT(tsuga_op_error(tsuga_futex_wait(self, lease, WORD_OFFSET, 5)), -EOPNOTSUPP);
    CHECK_INT(tsuga_op_error(tsuga_futex_wake(self, lease, WORD_OFFSET, 5)), -EOPNOTSUPP);
    CHECK_INT(tsuga_op_error(tsuga_waitid(self, P_ALL, 0, &info, WEXITED)), -EOPNOTSUPP);
}

TEST(waits, a24_are_refused_where_the_kernel_cannot)
{
    const struct tsuga_setup setup = {.config.features[TSUGA_FEATURE_FUTEX] = TSUGA_OFF,
                                      .config.features[TSUGA_FEATURE_WAITID] = TSUGA_OFF};

    (void)tsuga_world_run(&setup, find_none, NULL);
}
