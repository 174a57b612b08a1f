/* How a ring comes to be: features, limits, refusals, and whose it is. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "executor/ring_uring.h"
#include "tests/support/child.h"
#include "tests/support/limits.h"
#include "tests/support/ring_kit.h"
#include "tests/support/test.h"

/* Locked memory is charged to a user, so each test brings a user of its own. */

/* A ring that works runs three NOPs. */
static void check_works(struct tsuga_ring *ring)
{
    for (uint64_t i = 0; i < 3; i++)
        CHECK_INT(tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_NOP,
                                                                       .user_data = i,
                                                                       .fd = -1}),
                  0);
}

struct intrusion {
    struct tsuga_ring *ring;
    int error;
};

static void *enter_elsewhere(void *context)
{
    struct intrusion *intrusion = context;

    intrusion->error = tsuga_ring_enter(intrusion->ring, 0, 0);
    return NULL;
}

/* What another thread's enter answers. */
static int intrude(struct tsuga_ring *ring)
{
    struct intrusion intrusion = {.ring = ring};
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, enter_elsewhere, &intrusion), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    return intrusion.error;
}

TEST(ring, h17_foreign_thread_cannot_enter)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;

    tsuga_ring_kit_init(&kit, 8, 16);
    kit.features[TSUGA_FEATURE_REGISTERED_RING] = TSUGA_OFF;
    ring = tsuga_ring_kit_create(&kit);
    CHECK_INT(intrude(ring), -EEXIST);
    check_works(ring);
    ring->ops->destroy(ring);

    /* A registered descriptor is the index into a table that the other thread does not have. */
    kit.features[TSUGA_FEATURE_REGISTERED_RING] = TSUGA_DEFAULT;
    ring = tsuga_ring_kit_create(&kit);
    CHECK(intrude(ring) < 0);
    check_works(ring);
    ring->ops->destroy(ring);
}

/* Only the second rung of the ladder lets another thread in. */
TEST(ring, cooperative_rung_is_taken_when_deferred_work_is_off)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;

    tsuga_ring_kit_init(&kit, 8, 16);
    kit.features[TSUGA_FEATURE_DEFER_TASKRUN] = TSUGA_OFF;
    kit.features[TSUGA_FEATURE_REGISTERED_RING] = TSUGA_OFF;
    ring = tsuga_ring_kit_create(&kit);
    CHECK_INT(intrude(ring), 0);
    check_works(ring);
    ring->ops->destroy(ring);
}

TEST(ring, works_whatever_features_are_off)
{
    tsuga_needs_locked(8 << 20); /* what the rings were charged with comes back late */
    for (unsigned off = 0; off < 1u << TSUGA_FEATURE_COUNT; off++) {
        struct tsuga_ring_kit kit;
        struct tsuga_ring *ring;

        tsuga_ring_kit_init(&kit, 8, 16);
        for (unsigned i = 0; i < TSUGA_FEATURE_COUNT; i++)
            if ((off >> i & 1) != 0)
                kit.features[i] = TSUGA_OFF;
        ring = tsuga_ring_kit_create(&kit);
        check_works(ring);
        CHECK(ring->ops->supports(ring, TSUGA_RING_NOP));
        CHECK(ring->ops->supports(ring, TSUGA_RING_CANCEL));
        if (kit.features[TSUGA_FEATURE_BIND_LISTEN] == TSUGA_OFF) {
            CHECK(!ring->ops->supports(ring, TSUGA_RING_BIND));
            CHECK(!ring->ops->supports(ring, TSUGA_RING_LISTEN));
        }
        ring->ops->destroy(ring);
    }
}

static void *no_memory(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return NULL;
}

TEST(ring, memory_or_descriptors_that_run_out_are_reported)
{
    struct rlimit files;
    struct tsuga_ring *ring = NULL;
    struct tsuga_ring_kit kit;
    struct tsuga_memory empty;

    tsuga_ring_kit_init(&kit, 8, 16);
    empty = (struct tsuga_memory){.alloc = no_memory, .free = kit.memory.free};
    CHECK_INT(tsuga_ring_uring_create(&empty, &kit.config, &ring), -ENOMEM);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &files), 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, files.rlim_max}), 0);
    CHECK_INT(tsuga_ring_uring_create(&kit.memory, &kit.config, &ring), -EMFILE);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &files), 0);
    CHECK_PTR(ring, NULL);
}

/* Root is not charged for locked memory, so the children become ordinary users. */
static void become_ordinary(rlim_t locked_bytes)
{
    tsuga_limit_locked(locked_bytes);
    tsuga_become_ordinary();
}

static void check_child(void (*run)(void *), void *context)
{
    struct tsuga_child child;

    tsuga_child_run(&child, run, context);
    fputs(child.said, stderr);
    CHECK_INT(child.signal, 0);
    CHECK_INT(child.exit_status, 0);
}

/* Again and again: what a ring was charged comes back late. */
static void make_small_rings(void *context)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;

    (void)context;
    become_ordinary(64 << 10);
    for (unsigned i = 0; i < 20; i++) {
        tsuga_ring_kit_init(&kit, 256, 65536);
        ring = tsuga_ring_kit_create(&kit);
        CHECK(ring->cq_entries >= 8);
        CHECK(ring->cq_entries < 65536);
        CHECK(ring->entries <= 256);
        CHECK_UINT(ring->room_count, ring->entries);
        check_works(ring);
        ring->ops->destroy(ring);
    }
}

TEST(ring, a09_shrinks_to_fit_64_kib_of_locked_memory)
{
    check_child(make_small_rings, NULL);
}

static void find_no_room(void *context)
{
    struct tsuga_ring *ring = NULL;
    struct tsuga_ring_kit kit;

    (void)context;
    become_ordinary(0);
    tsuga_ring_kit_init(&kit, 256, 65536);
    CHECK_INT(tsuga_ring_uring_create(&kit.memory, &kit.config, &ring), -ENOMEM);
}

TEST(ring, gives_up_when_nothing_may_be_locked)
{
    check_child(find_no_room, NULL);
}

/* As the profiles of container runtimes do it. */
static void refuse_rings(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void be_refused(void *context)
{
    const int *error = context;
    struct tsuga_ring *ring = NULL;
    struct tsuga_ring_kit kit;

    refuse_rings(*error);
    tsuga_ring_kit_init(&kit, 8, 16);
    CHECK_INT(tsuga_ring_uring_create(&kit.memory, &kit.config, &ring), -*error);
}

TEST(ring, a11_refusal_is_returned_as_it_is)
{
    int errors[] = {EPERM, ENOSYS};
    struct tsuga_child child;

    for (unsigned i = 0; i < 2; i++) {
        tsuga_child_run(&child, be_refused, &errors[i]);
        fputs(child.said, stderr);
        CHECK_INT(child.signal, 0);
        CHECK_INT(child.exit_status, 0);
    }
}

/* EINVAL at both rungs is a kernel without the flags. */
static void be_too_old(void *context)
{
    struct tsuga_ring *ring = NULL;
    struct tsuga_ring_kit kit;

    (void)context;
    refuse_rings(EINVAL);
    tsuga_ring_kit_init(&kit, 8, 16);
    CHECK_INT(tsuga_ring_uring_create(&kit.memory, &kit.config, &ring), -ENOSYS);
}

TEST(ring, old_kernel_counts_as_one_without_rings)
{
    struct tsuga_child child;

    tsuga_child_run(&child, be_too_old, NULL);
    fputs(child.said, stderr);
    CHECK_INT(child.exit_status, 0);
}
