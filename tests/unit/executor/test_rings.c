/* Executors and their rings: each has its own, a submission is one request, and a completion queue
 * that overflows loses nothing. */
#include <dirent.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/needs.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define EXECUTORS 3u

static bool is_ring(const char *descriptor)
{
    char link[300];
    char target[64] = "";

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%s", descriptor);
    return readlink(link, target, sizeof(target) - 1) > 0 && strstr(target, "[io_uring]") != NULL;
}

/* Enters each ring of the process from a thread that is no executor; returns how many there are. */
static unsigned enter_as_a_stranger(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;
    struct dirent *entry;

    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        if (!is_ring(entry->d_name))
            continue;
        errno = 0;
        CHECK_INT(syscall(__NR_io_uring_enter, strtol(entry->d_name, NULL, 10), 0, 0,
                          IORING_ENTER_GETEVENTS, NULL, 0),
                  -1);
        CHECK_INT(errno, EEXIST);
        count++;
    }
    closedir(directory);
    return count;
}

/* Requests go to the ring of the executor that the actor runs on, pushed by that one's thread. */
static void check_owner(void *context, struct tsuga_ring_fault *fault,
                        enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    struct tsuga_executor *executor = tsuga_executor_current();

    (void)context;
    (void)request;
    CHECK(executor != NULL);
    CHECK(call != TSUGA_RING_FAULT_PUSH || tsuga_ring_fault_of(executor->ring) == fault);
}

static void use_ring(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

TEST(rings, h17_each_executor_has_a_ring_of_its_own_that_no_other_thread_enters)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring, .hook = check_owner};
    const struct tsuga_setup setup = {.config.executor.threads = EXECUTORS,
                                      .ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};
    struct tsuga_run run;

    tsuga_needs("DEFER_TASKRUN"); /* the kernel refuses strangers only then */
    tsuga_world_start(&setup, &run);
    CHECK_UINT(enter_as_a_stranger(), EXECUTORS);
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        struct tsuga_spawn_options options = {
            .body = use_ring, .placement = TSUGA_PLACE_EXECUTOR, .executor = i};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
    for (uint32_t i = 0; i < EXECUTORS; i++)
        CHECK_UINT(tsuga_ring_fault_counts(plan.rings[i])->pushed[TSUGA_RING_NOP], 100);
    tsuga_ring_fault_plan_fini(&plan);
}

static void submit_one_by_one(void *context, struct tsuga_ring_fault *fault,
                              enum tsuga_ring_fault_call call,
                              const struct tsuga_ring_request *request)
{
    (void)context;
    if (call == TSUGA_RING_FAULT_ENTER)
        tsuga_ring_fault_limit(fault, 1);
    if (call == TSUGA_RING_FAULT_PUSH)
        CHECK_UINT(request->options & ~(unsigned)TSUGA_RING_ASYNC, 0);
}

/* Reads of an empty pipe that have a time limit each. */
static void read_in_vain(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token ops[8];
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    for (unsigned i = 0; i < 8; i++)
        ops[i] = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_READ,
                                                       .fd = pipe[0],
                                                       .bytes = 1,
                                                       .timeout_ns = TSUGA_NS_PER_MS});
    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_await(self, ops[i]).result, -ETIMEDOUT);
    tsuga_fixture_close(pipe, 2);
}

/* What is a chain of two requests elsewhere, an operation and its linked time limit, is one here:
 * there is nothing that a partial submission could tear apart. */
TEST(rings, h46_a_submission_is_one_request_and_keeps_its_time_limit_when_the_queue_is_split)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring, .hook = submit_one_by_one};
    const struct tsuga_setup setup = {.config.executor.ring_entries = 4,
                                      .ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};
    const struct tsuga_ring_fault_counts *counts;

    (void)tsuga_world_run(&setup, read_in_vain, NULL);
    counts = tsuga_ring_fault_counts(plan.rings[0]);
    CHECK_UINT(counts->pushed[TSUGA_RING_READ], 8);
    CHECK_UINT(counts->pushed[TSUGA_RING_TIMEOUT], 0);
    CHECK(counts->cut_short > 0);
    tsuga_ring_fault_plan_fini(&plan);
}

#define POLLS 200u

/* More polls of one descriptor than the completion queue has entries, and all of them fire at
 * once. The limit that forbids that is taken away first. */
static void overflow(struct tsuga_actor *self, void *argument)
{
    unsigned char seen[POLLS] = {0};
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;

    (void)argument;
    tsuga_seat_home(tsuga_seat_of(self))->ops_max = POLLS + 1;
    for (unsigned i = 0; i < POLLS; i++) {
        struct tsuga_op op = {.kind = TSUGA_OP_POLL, .fd = fd, .flags = POLLIN, .tag = i};

        CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), 0);
    }
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_fixture_write(fd, &one, sizeof(one));
    for (unsigned i = 0; i < POLLS; i++) {
        const struct tsuga_message *message;
        const struct tsuga_completion *got;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        got = tsuga_message_completion(message);
        CHECK_INT(got->result & POLLIN, POLLIN);
        CHECK_UINT(seen[got->tag], 0);
        seen[got->tag] = 1;
    }
    CHECK(tsuga_seat_home(tsuga_seat_of(self))->ring->overflow_count > 0);
    close(fd);
}

TEST(rings, h24_h45_an_overflow_of_the_completion_queue_loses_nothing)
{
    const struct tsuga_setup setup = {
        .config.executor = {.ring_entries = 8, .cq_entries = 16, .ops_max = 16}};
    struct tsuga_stats stats = tsuga_world_run(&setup, overflow, NULL);

    CHECK_UINT(stats.ops_completions, POLLS + 1);
}
