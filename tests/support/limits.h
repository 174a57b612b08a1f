/*
 * Locked memory in tests. Root has no limit on it, so a test of the limit becomes an ordinary user;
 * one that needs more than the user may have skips, as under `make limits`.
 *
 *     tsuga_needs_locked(256 << 10);
 *
 * Thread: a test that has one thread; tsuga_make_group(): a turn.
 */
#ifndef TSUGA_TESTS_LIMITS_H
#define TSUGA_TESTS_LIMITS_H

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "executor/locked.h"
#include "tests/support/test.h"

#include <tsuga.h>

/* Under a higher limit no test minds what comes back late. */
#define AWAITED_LOCKED_MAX (UINT64_C(16) << 20)
/* For the ring that asks. */
#define AWAITED_LOCKED_REST (UINT64_C(32) << 10)

static inline void tsuga_needs_locked(uint64_t bytes)
{
    struct tsuga_locked locked = {.is_unlimited = false};

    tsuga_locked_init(&locked);
    if (tsuga_locked_limit(&locked) < bytes)
        SKIP("needs %" PRIu64 " KiB of locked memory", bytes >> 10);
}

/* Both the soft and the hard limit, which nobody but root can raise again. */
static inline void tsuga_limit_locked(uint64_t bytes)
{
    struct rlimit limit = {bytes, bytes};

    tsuga_needs_locked(bytes);
    CHECK_INT(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

/* Waits until an ordinary user may lock nearly all of the limit again: the memory of a ring that
 * has ended, in the test before, comes back late. The driver's time limit ends a wait in vain. */
static inline void tsuga_await_locked(void)
{
    struct tsuga_locked locked = {.is_unlimited = false};
    struct iovec buffer;
    struct io_uring ring;
    int error;

    tsuga_locked_init(&locked);
    if (tsuga_locked_limit(&locked) > AWAITED_LOCKED_MAX ||
        tsuga_locked_limit(&locked) <= AWAITED_LOCKED_REST)
        return;
    buffer.iov_len = tsuga_locked_limit(&locked) - AWAITED_LOCKED_REST;
    buffer.iov_base = malloc(buffer.iov_len);
    CHECK(buffer.iov_base != NULL);
    while ((error = io_uring_queue_init(2, &ring, 0)) == -ENOMEM)
        sched_yield();
    CHECK_INT(error, 0);
    while ((error = io_uring_register_buffers(&ring, &buffer, 1)) == -ENOMEM)
        sched_yield();
    CHECK_INT(error, 0);
    CHECK_INT(io_uring_unregister_buffers(&ring), 0);
    io_uring_queue_exit(&ring);
    free(buffer.iov_base);
}

/* A user who has locked nothing yet: what others of the same name have counts, too, and tests run
 * side by side. Whoever is another user stays that one, without capabilities. */
static inline void tsuga_become_ordinary(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    uid_t id = 60000 + (uid_t)getpid() % 5000;

    if (geteuid() != 0) {
        CHECK_INT(syscall(SYS_capset, &header, none), 0);
        tsuga_await_locked();
        return;
    }
    CHECK_INT(setgroups(0, NULL), 0);
    CHECK_INT(setresgid(id, id, id), 0);
    CHECK_INT(setresuid(id, id, id), 0);
}

/* Makes a group as soon as there is locked memory for it: that of a ring that has ended comes back
 * late, and the driver's time limit ends a wait in vain. */
static inline void tsuga_make_group(struct tsuga_actor *self,
                                    const struct tsuga_group_options *options,
                                    struct tsuga_group *out)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int error = tsuga_group_make(self, options, out);

    while (error == -ENOMEM) {
        nanosleep(&pause, NULL);
        error = tsuga_group_make(self, options, out);
    }
    CHECK_INT(error, 0);
}

#endif
