/* Cancelling each kind of operation, by its token or by its time limit: the cancel has its own
 * result, and so has what it cancels. */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LIMIT_NS (2 * TSUGA_NS_PER_MS)
#define BIG      (1u << 20)
#define CANCELS  300u

static void wait_for_gate(void *gate)
{
    while (sem_wait(gate) != 0)
        continue;
}

static void do_nothing(void *context)
{
    (void)context;
}

/* Operations that do not end by themselves. */
struct endless {
    int pipe[2];
    int sockets[2];
    int stuffed[2]; /* the first end takes nothing more */
    int listener;
    sem_t gate;
    struct tsuga_op ops[12];
    size_t count;
};

static void add(struct endless *endless, struct tsuga_op op)
{
    endless->ops[endless->count++] = op;
}

static void open_endless(struct endless *endless)
{
    static char big[BIG];
    static struct iovec vector = {big, sizeof(big)};
    static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    struct sockaddr_in address;

    *endless = (struct endless){.count = 0};
    tsuga_fixture_pipe(endless->pipe);
    tsuga_fixture_sockets(endless->sockets);
    tsuga_fixture_sockets(endless->stuffed);
    while (send(endless->stuffed[0], big, sizeof(big), MSG_DONTWAIT) > 0)
        continue;
    endless->listener = tsuga_fixture_listener(&address);
    CHECK_INT(sem_init(&endless->gate, 0, 0), 0);
    add(endless, (struct tsuga_op){.kind = TSUGA_OP_READ, .fd = endless->pipe[0], .bytes = 9});
    add(endless, (struct tsuga_op){
                     .kind = TSUGA_OP_READV, .fd = endless->pipe[0], .data = &vector, .bytes = 1});
    add(endless, (struct tsuga_op){.kind = TSUGA_OP_RECV, .fd = endless->sockets[0], .bytes = 9});
    add(endless,
        (struct tsuga_op){
            .kind = TSUGA_OP_RECVMSG, .fd = endless->sockets[0], .bytes = 9, .control_bytes = 100});
    add(endless,
        (struct tsuga_op){.kind = TSUGA_OP_SENDMSG, .fd = endless->stuffed[0], .data = &message});
    add(endless, (struct tsuga_op){.kind = TSUGA_OP_ACCEPT, .fd = endless->listener});
    add(endless, (struct tsuga_op){
                     .kind = TSUGA_OP_ACCEPT, .fd = endless->listener, .options = TSUGA_OP_PEER});
    add(endless, (struct tsuga_op){.kind = TSUGA_OP_POLL, .fd = endless->pipe[0], .flags = POLLIN});
    add(endless, (struct tsuga_op){.kind = TSUGA_OP_BLOCKING, .run = do_nothing});
}

static void close_endless(struct endless *endless)
{
    tsuga_fixture_close(endless->pipe, 2);
    tsuga_fixture_close(endless->sockets, 2);
    tsuga_fixture_close(endless->stuffed, 2);
    tsuga_fixture_close(&endless->listener, 1);
}

/* The one thread of the pool is busy, so that another job waits. */
static struct tsuga_token occupy_pool(struct tsuga_actor *self, struct endless *endless)
{
    return tsuga_blocking(self, wait_for_gate, &endless->gate);
}

static const struct tsuga_setup one_blocking_thread = {.config.executor.blocking_threads = 1};

static void cancel_each(struct tsuga_actor *self, void *argument)
{
    struct endless *endless = argument;
    struct tsuga_token job;
    struct tsuga_token timeout = tsuga_timeout(self, TSUGA_FOREVER);

    open_endless(endless);
    job = occupy_pool(self, endless);
    for (size_t i = 0; i < endless->count; i++) {
        struct tsuga_token op = tsuga_submit(self, &endless->ops[i]);

        CHECK_INT(tsuga_op_error(op), 0);
        CHECK_INT(tsuga_await_any(self, &op, 1, 0).result, -ETIMEDOUT);
        CHECK_INT(tsuga_await(self, tsuga_cancel(self, op)).result, 0);
        CHECK_INT(tsuga_await(self, op).result, -ECANCELED);
        CHECK_INT(tsuga_op_error(tsuga_cancel(self, op)), -ENOENT);
    }
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, timeout)).result, 0);
    CHECK_INT(tsuga_await(self, timeout).result, -ECANCELED);
    /* A job that runs is not stopped. */
    CHECK_INT(sem_post(&endless->gate), 0);
    CHECK_INT(tsuga_await(self, job).result, 0);
    close_endless(endless);
}

TEST(cancel, each_kind_of_operation_is_cancelled_by_its_token)
{
    struct endless endless;

    (void)tsuga_world_run(&one_blocking_thread, cancel_each, &endless);
}

static void expire_each(struct tsuga_actor *self, void *argument)
{
    struct endless *endless = argument;
    struct tsuga_token job;

    open_endless(endless);
    job = occupy_pool(self, endless);
    for (size_t i = 0; i < endless->count; i++) {
        struct tsuga_op op = endless->ops[i];
        uint64_t start_ns = tsuga_clock_monotonic_ns(NULL);

        op.timeout_ns = LIMIT_NS;
        CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, -ETIMEDOUT);
        CHECK(tsuga_clock_monotonic_ns(NULL) - start_ns >= LIMIT_NS);
    }
    CHECK_INT(sem_post(&endless->gate), 0);
    CHECK_INT(tsuga_await(self, job).result, 0);
    close_endless(endless);
}

TEST(cancel, each_kind_of_operation_ends_at_its_time_limit)
{
    struct endless endless;

    (void)tsuga_world_run(&one_blocking_thread, expire_each, &endless);
}

/* A send that a full socket holds up; what was sent before the cancel is its result. */
static void cancel_send(struct tsuga_actor *self, void *argument)
{
    static char big[BIG];
    struct tsuga_token send;
    struct tsuga_completion got;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    send = tsuga_send_bytes(self, ends[0], big, sizeof(big));
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, send)).result, 0);
    got = tsuga_await(self, send);
    CHECK(got.result == -ECANCELED || (got.result > 0 && got.result < (int)BIG));
    tsuga_fixture_close(ends, 2);
}

TEST(cancel, a_send_that_waits_for_its_peer_is_cancelled)
{
    (void)tsuga_world_run(NULL, cancel_send, NULL);
}

/* An operation that is faster than its limit, and one whose limit never comes. */
static void be_in_time(struct tsuga_actor *self, void *argument)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    struct tsuga_op op = {.kind = TSUGA_OP_NOP, .timeout_ns = 60 * TSUGA_NS_PER_S};

    (void)argument;
    for (unsigned i = 0; i < 100; i++) {
        op.timeout_ns = i % 2 == 0 ? 60 * TSUGA_NS_PER_S : TSUGA_FOREVER - 1;
        CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, 0);
    }
    CHECK_UINT(tsuga_timers_next_ns(&executor->timers), TSUGA_FOREVER);
}

TEST(cancel, a_limit_that_was_not_needed_leaves_no_timer)
{
    (void)tsuga_world_run(NULL, be_in_time, NULL);
}

static void time_exactly(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (uint64_t delay_ns = 0; delay_ns <= 4 * TSUGA_NS_PER_MS; delay_ns += TSUGA_NS_PER_MS) {
        uint64_t start_ns = tsuga_clock_monotonic_ns(NULL);

        CHECK_INT(tsuga_await(self, tsuga_timeout(self, delay_ns)).result, 0);
        CHECK(tsuga_clock_monotonic_ns(NULL) - start_ns >= delay_ns);
    }
}

TEST(cancel, a_timeout_is_not_early)
{
    (void)tsuga_world_run(NULL, time_exactly, NULL);
}

/* The result of a cancel's target arrives long before that of the cancel, or long after: neither
 * record is reused while the other needs it. */
static void hold_results(void *context, struct tsuga_ring_fault *fault,
                         enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    const uint8_t *kind = context;

    if (call == TSUGA_RING_FAULT_PUSH && tsuga_ring_fault_kind(request) == *kind)
        tsuga_ring_fault_hold(fault, request->user_data, 20);
}

static void cancel_and_reuse(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token read;
    struct tsuga_token cancel;
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    for (unsigned i = 0; i < 20; i++) {
        read = tsuga_read(self, pipe[0], 100);
        cancel = tsuga_cancel(self, read);
        CHECK_INT(tsuga_await(self, read).result, -ECANCELED);
        for (unsigned k = 0; k < 10; k++) {
            struct tsuga_token nop = tsuga_nop(self);

            CHECK(!tsuga_token_equal(nop, read));
            CHECK_INT(tsuga_await(self, nop).result, 0);
        }
        CHECK_INT(tsuga_await(self, cancel).result, 0);
        CHECK_INT(tsuga_await(self, read).result, -ENOENT);
    }
    tsuga_fixture_close(pipe, 2);
}

static void cancel_while_late(uint8_t kind)
{
    struct tsuga_ring_fault_plan plan = {
        .create = tsuga_world_ring, .hook = hold_results, .hook_context = &kind};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};

    (void)tsuga_world_run(&setup, cancel_and_reuse, NULL);
    CHECK(tsuga_ring_fault_counts(plan.rings[0])->held >= 20);
    tsuga_ring_fault_plan_fini(&plan);
}

TEST(cancel, h33_a_late_cancel_hits_no_successor_of_its_target)
{
    cancel_while_late(TSUGA_RING_CANCEL);
}

TEST(cancel, h33_a_target_that_is_late_keeps_its_token)
{
    cancel_while_late(TSUGA_RING_READ);
}

static void cancel_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token cancels[CANCELS];
    struct tsuga_token read;
    unsigned refused = 0;
    unsigned found = 0;
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    read = tsuga_read(self, pipe[0], 100);
    for (unsigned i = 0; i < CANCELS; i++)
        cancels[i] = tsuga_cancel(self, read);
    CHECK_INT(tsuga_await(self, read).result, -ECANCELED);
    for (unsigned i = 0; i < CANCELS; i++) {
        int result = tsuga_await(self, cancels[i]).result;

        CHECK(result == 0 || result == -ENOENT || result == -EALREADY);
        found += result == 0;
        refused += tsuga_op_error(cancels[i]) == -EALREADY;
    }
    CHECK(found > 0);
    CHECK_UINT(refused, CANCELS - UINT8_MAX);
    CHECK_INT(tsuga_op_error(tsuga_cancel(self, cancels[0])), -ENOENT);
    tsuga_fixture_close(pipe, 2);
}

TEST(cancel, one_operation_may_be_cancelled_many_times_at_once)
{
    (void)tsuga_world_run(NULL, cancel_often, NULL);
}
