/* Links and time limits: which members of a chain begin, what each one's end tells, and that it is
 * what has happened. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LIMIT_NS (3 * TSUGA_NS_PER_MS)
#define BIG      (1u << 20)
#define LONG     64u
#define SEED     5u

static void submit(struct tsuga_actor *self, const struct tsuga_op *ops, size_t count,
                   uint64_t timeout_ns, struct tsuga_token *chain)
{
    CHECK_INT(tsuga_submit_chain(self, ops, count, timeout_ns, chain), 0);
}

/* Awaits an operation, and checks all that its completion tells about its end. */
static void check_end(struct tsuga_actor *self, struct tsuga_token op, int result, bool started,
                      bool expired)
{
    struct tsuga_completion got = tsuga_await(self, op);

    CHECK_INT(got.result, result);
    CHECK_INT(got.started, started);
    CHECK_INT(got.expired, expired);
    CHECK(got.last);
}

static void check_unstarted(struct tsuga_actor *self, struct tsuga_token op, bool expired)
{
    check_end(self, op, -ECANCELED, false, expired);
}

static struct tsuga_op writing(int fd, const char *text)
{
    return (struct tsuga_op){.kind = TSUGA_OP_WRITE, .fd = fd, .data = text, .bytes = strlen(text)};
}

static void check_file(int fd, const char *expected)
{
    char text[100] = {0};

    CHECK_INT(pread(fd, text, sizeof(text) - 1, 0), (ssize_t)strlen(expected));
    CHECK_STR(text, expected);
}

/* Links. */

static void follow_hard_links(struct tsuga_actor *self, void *argument)
{
    int file = tsuga_fixture_memory_file(5, SEED);
    int log = tsuga_fixture_memory_file(0, SEED);
    struct tsuga_token chain[5];
    struct tsuga_op ops[5] = {
        {.kind = TSUGA_OP_READ, .fd = -1, .bytes = 1, .options = TSUGA_OP_HARD}, /* fails */
        writing(log, "a"),
        {.kind = TSUGA_OP_READ, .fd = file, .bytes = 10, .options = TSUGA_OP_HARD}, /* short */
        writing(log, "b"),
        {.kind = TSUGA_OP_NOP, .options = TSUGA_OP_HARD}, /* the last: means nothing */
    };

    (void)argument;
    submit(self, ops, 5, 0, chain);
    check_end(self, chain[0], -EBADF, true, false);
    check_end(self, chain[1], 1, true, false);
    check_end(self, chain[2], 5, true, false);
    check_end(self, chain[3], 1, true, false);
    check_end(self, chain[4], 0, true, false);
    check_file(log, "ab");
    /* A soft link behind a hard one breaks all the same, hard links after it included. */
    ops[1].fd = -1;
    ops[2].options = 0;
    ops[3].options = TSUGA_OP_HARD;
    submit(self, ops, 5, 0, chain);
    check_end(self, chain[0], -EBADF, true, false);
    check_end(self, chain[1], -EBADF, true, false);
    for (unsigned i = 2; i < 5; i++)
        check_unstarted(self, chain[i], false);
    check_file(log, "ab");
    close(file);
    close(log);
}

TEST(links, h46_the_next_one_starts_however_a_hard_one_ends)
{
    (void)tsuga_world_run(NULL, follow_hard_links, NULL);
}

static void fall_short(struct tsuga_actor *self, void *argument)
{
    int file = tsuga_fixture_memory_file(5, SEED);
    int log = tsuga_fixture_memory_file(0, SEED);
    char text[20];
    struct iovec vectors[] = {{text, 4}, {text + 4, 16}};
    const struct tsuga_op short_ones[] = {
        {.kind = TSUGA_OP_READ, .fd = file, .bytes = 6},
        {.kind = TSUGA_OP_READV, .fd = file, .data = vectors, .bytes = 2},
        {.kind = TSUGA_OP_READ, .fd = file, .bytes = 5, .options = TSUGA_OP_AT, .offset = 1},
    };
    struct tsuga_op ops[2] = {{0}, writing(log, "x")};
    struct tsuga_token chain[2];

    (void)argument;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(lseek(file, 0, SEEK_SET), 0);
        ops[0] = short_ones[i];
        submit(self, ops, 2, 0, chain);
        check_end(self, chain[0], i == 2 ? 4 : 5, true, false);
        check_unstarted(self, chain[1], false);
    }
    check_file(log, "");
    CHECK_INT(lseek(file, 0, SEEK_SET), 0);
    ops[0].options = 0; /* all that there is */
    submit(self, ops, 2, 0, chain);
    check_end(self, chain[0], 5, true, false);
    check_end(self, chain[1], 1, true, false);
    check_file(log, "x");
    close(file);
    close(log);
}

/* A message whose vector is not filled breaks a link only when it was to be. */
static void receive_too_little(struct tsuga_actor *self, void *argument)
{
    struct iovec vector = {"word", 4};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    struct tsuga_op ops[3] = {
        {.kind = TSUGA_OP_SENDMSG, .data = &message},
        {.kind = TSUGA_OP_RECVMSG, .bytes = 100},
        {.kind = TSUGA_OP_NOP},
    };
    struct tsuga_token chain[3];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    ops[0].fd = ends[0];
    ops[1].fd = ends[1];
    submit(self, ops, 3, 0, chain);
    check_end(self, chain[0], 4, true, false);
    check_end(self, chain[1], 4, true, false);
    check_end(self, chain[2], 0, true, false);
    ops[1].flags = MSG_WAITALL;
    submit(self, ops, 3, 0, chain);
    check_end(self, chain[0], 4, true, false);
    CHECK_INT(tsuga_await_any(self, &chain[1], 1, LIMIT_NS).result, -ETIMEDOUT);
    CHECK_INT(shutdown(ends[0], SHUT_WR), 0);
    check_end(self, chain[1], 4, true, false);
    check_unstarted(self, chain[2], false);
    tsuga_fixture_close(ends, 2);
}

TEST(links, h46_a_short_message_breaks_a_soft_link_if_all_was_wanted)
{
    (void)tsuga_world_run(NULL, receive_too_little, NULL);
}

TEST(links, h46_a_short_count_breaks_a_soft_link)
{
    (void)tsuga_world_run(NULL, fall_short, NULL);
}

/* A time in the middle is a delay, no failure. */
static void delay(struct tsuga_actor *self, void *argument)
{
    int log = tsuga_fixture_memory_file(0, SEED);
    struct tsuga_op ops[3] = {writing(log, "a"),
                              {.kind = TSUGA_OP_TIMEOUT, .timeout_ns = TSUGA_NS_PER_MS},
                              writing(log, "b")};
    struct tsuga_token chain[3];
    uint64_t start_ns = tsuga_clock_monotonic_ns(NULL);

    (void)argument;
    submit(self, ops, 3, 0, chain);
    check_end(self, chain[0], 1, true, false);
    check_end(self, chain[2], 1, true, false);
    CHECK(tsuga_clock_monotonic_ns(NULL) - start_ns >= TSUGA_NS_PER_MS);
    check_end(self, chain[1], 0, true, false);
    check_file(log, "ab");
    close(log);
}

TEST(links, a_timeout_delays_what_follows_it)
{
    (void)tsuga_world_run(NULL, delay, NULL);
}

/* What the kernel refuses when it is shown the chain: it begins nothing of it. */
static void be_refused(struct tsuga_actor *self, void *argument)
{
    const uint32_t *options = argument;
    struct tsuga_op ops[3] = {
        {.kind = TSUGA_OP_NOP, .options = *options},
        {.kind = TSUGA_OP_OPEN, .fd = AT_FDCWD, .data = "", .options = *options},
        {.kind = TSUGA_OP_NOP}};
    struct tsuga_token chain[3];

    submit(self, ops, 3, 0, chain);
    check_unstarted(self, chain[0], false);
    check_end(self, chain[1], -ENOENT, true, false);
    check_unstarted(self, chain[2], false);
}

TEST(links, h46_of_a_chain_that_the_kernel_refuses_nothing_begins)
{
    uint32_t options = 0;

    (void)tsuga_world_run(NULL, be_refused, &options);
    options = TSUGA_OP_HARD;
    (void)tsuga_world_run(NULL, be_refused, &options);
}

/* A user's cancel: of the one that runs, of one that has not begun. */
static void cancel_members(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op ops[3] = {{.kind = TSUGA_OP_READ, .bytes = 1},
                              {.kind = TSUGA_OP_READ, .bytes = 1},
                              {.kind = TSUGA_OP_NOP}};
    struct tsuga_token chain[3];
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    ops[0].fd = pipe[0];
    ops[1].fd = pipe[0];
    submit(self, ops, 3, 0, chain);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, chain[1])).result, -EALREADY);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, chain[0])).result, 0);
    check_end(self, chain[0], -ECANCELED, true, false);
    check_unstarted(self, chain[1], false);
    check_unstarted(self, chain[2], false);
    ops[0].options = TSUGA_OP_HARD;
    submit(self, ops, 3, 0, chain);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, chain[0])).result, 0);
    check_end(self, chain[0], -ECANCELED, true, false);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, chain[1])).result, 0);
    check_end(self, chain[1], -ECANCELED, true, false);
    check_unstarted(self, chain[2], false);
    tsuga_fixture_close(pipe, 2);
}

TEST(links, a_cancel_tells_a_member_that_ran_from_those_that_never_began)
{
    (void)tsuga_world_run(NULL, cancel_members, NULL);
}

/* Time limits. */

/* Receives what is there, sends more than the peer takes, and would go on. */
static void stall_half_way(struct tsuga_actor *self, void *argument)
{
    char *content = malloc(BIG);
    int log = tsuga_fixture_memory_file(0, SEED);
    struct tsuga_op ops[3] = {{.kind = TSUGA_OP_RECV, .bytes = 10},
                              {.kind = TSUGA_OP_SEND, .bytes = BIG},
                              writing(log, "never")};
    struct tsuga_completion got;
    struct tsuga_token chain[3];
    int ends[2];

    (void)argument;
    CHECK(content != NULL);
    tsuga_content_fill(content, BIG, SEED, 0);
    tsuga_fixture_sockets(ends);
    tsuga_fixture_write(ends[1], "request", 7);
    ops[0].fd = ends[0];
    ops[1].fd = ends[0];
    ops[1].data = content;
    submit(self, ops, 3, LIMIT_NS, chain);
    memset(content, 0, BIG);
    check_end(self, chain[0], 7, true, false);
    got = tsuga_await(self, chain[1]);
    CHECK(got.started);
    CHECK(got.expired);
    CHECK(got.result > 0);
    CHECK(got.result < (int)BIG);
    check_unstarted(self, chain[2], true);
    check_file(log, "");
    /* The peer has just as much, and no more comes. */
    tsuga_fixture_read(ends[1], content, (size_t)got.result);
    tsuga_content_check(content, (size_t)got.result, SEED, 0);
    CHECK_INT(recv(ends[1], content, 1, MSG_DONTWAIT), -1);
    free(content);
    tsuga_fixture_close(ends, 2);
    close(log);
}

TEST(links, a_send_cut_short_by_the_limit_tells_how_much_went)
{
    (void)tsuga_world_run(NULL, stall_half_way, NULL);
}

/* The same for one operation by itself, with each way of sending. */
static void stall_alone(struct tsuga_actor *self, void *argument)
{
    char *content = malloc(BIG);
    struct iovec vectors[2] = {{content, 1000}, {content + 1000, BIG - 1000}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    struct tsuga_op ops[2] = {
        {.kind = TSUGA_OP_SEND, .data = content, .bytes = BIG, .timeout_ns = LIMIT_NS},
        {.kind = TSUGA_OP_SENDMSG, .data = &message, .timeout_ns = LIMIT_NS}};

    (void)argument;
    tsuga_content_fill(content, BIG, SEED, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_completion got;
        char *back = malloc(BIG);
        int ends[2];

        tsuga_fixture_sockets(ends);
        ops[i].fd = ends[0];
        got = tsuga_await(self, tsuga_submit(self, &ops[i]));
        CHECK(got.result > 0 && got.result < (int)BIG);
        CHECK(got.expired && got.started);
        tsuga_fixture_read(ends[1], back, (size_t)got.result);
        tsuga_content_check(back, (size_t)got.result, SEED, 0);
        CHECK_INT(recv(ends[1], back, 1, MSG_DONTWAIT), -1);
        /* Nothing moves any more: the same socket is full. */
        tsuga_fixture_close(&ends[1], 1);
        ends[1] = tsuga_await(self, tsuga_submit(self, &ops[i])).result;
        CHECK_INT(ends[1], -EPIPE);
        tsuga_fixture_close(&ends[0], 1);
        free(back);
    }
    free(content);
}

TEST(links, a_limit_of_one_operation_tells_how_much_went)
{
    (void)tsuga_world_run(NULL, stall_alone, NULL);
}

/* Nothing has come when the limit does; what follows a soft link never begins, what follows a hard
 * one does. */
static void move_nothing(struct tsuga_actor *self, void *argument)
{
    const uint32_t *options = argument;
    struct tsuga_op ops[3] = {{.kind = TSUGA_OP_READ, .bytes = 1, .options = *options},
                              {.kind = TSUGA_OP_READ, .bytes = 1, .options = *options},
                              {.kind = TSUGA_OP_WRITE, .data = "x", .bytes = 1}};
    struct tsuga_token chain[3];
    uint64_t start_ns = tsuga_clock_monotonic_ns(NULL);
    char byte;
    int pipe[2];
    int log[2]; /* has room, so that a write to it does not wait */

    tsuga_fixture_pipe(pipe);
    tsuga_fixture_pipe(log);
    ops[0].fd = pipe[0];
    ops[1].fd = pipe[0];
    ops[2].fd = log[1];
    submit(self, ops, 3, LIMIT_NS, chain);
    check_end(self, chain[0], -ETIMEDOUT, true, true);
    CHECK(tsuga_clock_monotonic_ns(NULL) - start_ns >= LIMIT_NS);
    if (*options == 0) {
        check_unstarted(self, chain[1], true);
        check_unstarted(self, chain[2], true);
    } else {
        check_end(self, chain[1], -ETIMEDOUT, true, true);
        check_end(self, chain[2], 1, true, true);
    }
    CHECK_INT(fcntl(log[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(read(log[0], &byte, 1), *options == 0 ? -1 : 1);
    CHECK_UINT(tsuga_timers_next_ns(&tsuga_seat_home(tsuga_seat_of(self))->timers), TSUGA_FOREVER);
    tsuga_fixture_close(pipe, 2);
    tsuga_fixture_close(log, 2);
}

TEST(links, a_limit_ends_a_chain_of_soft_links_where_it_stands)
{
    uint32_t options = 0;

    (void)tsuga_world_run(NULL, move_nothing, &options);
}

TEST(links, a_limit_passes_through_a_chain_of_hard_links)
{
    uint32_t options = TSUGA_OP_HARD;

    (void)tsuga_world_run(NULL, move_nothing, &options);
}

static void be_in_time(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op ops[3] = {{.kind = TSUGA_OP_NOP, .timeout_ns = TSUGA_FOREVER - 1},
                              {.kind = TSUGA_OP_NOP, .timeout_ns = TSUGA_NS_PER_S},
                              {.kind = TSUGA_OP_NOP}};
    struct tsuga_token chain[3];

    (void)argument;
    for (unsigned i = 0; i < 100; i++) {
        submit(self, ops, 3, i % 2 == 0 ? 60 * TSUGA_NS_PER_S : TSUGA_FOREVER, chain);
        for (unsigned k = 0; k < 3; k++)
            check_end(self, chain[k], 0, true, false);
    }
    CHECK_UINT(tsuga_timers_next_ns(&tsuga_seat_home(tsuga_seat_of(self))->timers), TSUGA_FOREVER);
}

TEST(links, a_limit_that_was_not_needed_leaves_no_timer)
{
    (void)tsuga_world_run(NULL, be_in_time, NULL);
}

/* A member's own limit passes before its turn comes: it is cancelled when it has begun, and until
 * then nobody asks the kernel in vain. */
static void expire_before_turn(struct tsuga_actor *self, void *argument)
{
    struct tsuga_ring_fault_plan *plan = argument;
    struct tsuga_op ops[3] = {{.kind = TSUGA_OP_READ, .bytes = 1},
                              {.kind = TSUGA_OP_READ, .bytes = 1, .timeout_ns = 1},
                              {.kind = TSUGA_OP_NOP}};
    struct tsuga_token chain[3];
    int pipe[2];

    tsuga_fixture_pipe(pipe);
    ops[0].fd = pipe[0];
    ops[1].fd = pipe[0];
    submit(self, ops, 3, 0, chain);
    CHECK_INT(tsuga_await_any(self, chain, 3, 25 * TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    CHECK_UINT(tsuga_ring_fault_counts(plan->rings[0])->pushed[TSUGA_RING_CANCEL], 0);
    tsuga_fixture_write(pipe[1], "x", 1);
    check_end(self, chain[0], 1, true, false);
    check_end(self, chain[1], -ETIMEDOUT, true, true);
    check_unstarted(self, chain[2], false);
    tsuga_fixture_close(pipe, 2);
}

TEST(links, a_limit_that_passes_before_a_members_turn_waits_for_it)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};

    (void)tsuga_world_run(&setup, expire_before_turn, &plan);
    tsuga_ring_fault_plan_fini(&plan);
}

/* The actor's end in the middle of a chain. */

enum end { LEAVE_QUEUED, LEAVE_RUNNING, LEAVE_LIMITED, LEAVE_FORGOTTEN, ENDS };

struct leaving {
    enum end end;
    uint32_t options;
    int log;
};

static void leave_chain(struct tsuga_actor *self, void *argument)
{
    struct leaving *leaving = argument;
    struct tsuga_op ops[LONG];
    struct tsuga_token chain[LONG];
    int pipe[2];

    tsuga_fixture_pipe(pipe);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, pipe[1]), 0);
    for (unsigned i = 0; i < LONG; i++)
        ops[i] = (struct tsuga_op){
            .kind = TSUGA_OP_READ, .fd = pipe[0], .bytes = 100, .options = leaving->options};
    ops[LONG - 1] = writing(leaving->log, "x");
    submit(self, ops, LONG, leaving->end == LEAVE_LIMITED ? 1 : 0, chain);
    if (leaving->end == LEAVE_QUEUED)
        return;
    if (leaving->end == LEAVE_FORGOTTEN)
        CHECK_INT(tsuga_forget(self, chain[LONG / 2]), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_fixture_write(pipe[1], "abc", 3);
    if (leaving->end == LEAVE_LIMITED)
        (void)tsuga_await(self, chain[1]); /* the chain is over, or comes to its end */
}

static void leave(enum end end, uint32_t options, const struct tsuga_setup *setup)
{
    struct leaving leaving = {end, options, tsuga_fixture_memory_file(0, SEED)};

    (void)tsuga_world_run(setup, leave_chain, &leaving);
    if (options == 0)
        check_file(leaving.log, ""); /* with hard links the write may be done or not */
    close(leaving.log);
}

TEST(links, h43_an_actor_may_end_in_the_middle_of_a_chain)
{
    for (unsigned end = 0; end < ENDS; end++) {
        leave((enum end)end, 0, NULL);
        leave((enum end)end, TSUGA_OP_HARD, NULL);
    }
}

TEST(links, h43_an_actor_may_end_in_a_chain_when_results_are_late)
{
    uint64_t seed = tsuga_test_seed();

    for (unsigned i = 0; i < 50; i++) {
        struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                             .seed = seed + i,
                                             .hold_per_mille = 300,
                                             .refuse_per_mille = 200};
        const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                          .ring_context = &plan};

        leave((enum end)(i % ENDS), i % 3 == 0 ? 0 : TSUGA_OP_HARD, &setup);
        tsuga_ring_fault_plan_fini(&plan);
    }
}

/* A close of a descriptor that a member uses whose turn has not come: it waits for the chain. */
static void close_under_chain(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op ops[2] = {{.kind = TSUGA_OP_READ, .bytes = 1, .options = TSUGA_OP_HARD},
                              {.kind = TSUGA_OP_READ, .bytes = 1}};
    struct tsuga_token chain[2];
    struct tsuga_token close;
    int first[2];
    int second[2];

    (void)argument;
    tsuga_fixture_pipe(first);
    tsuga_fixture_pipe(second);
    CHECK_INT(tsuga_fd_adopt(self, second[0]), 0);
    ops[0].fd = first[0];
    ops[1].fd = second[0];
    submit(self, ops, 2, 0, chain);
    close = tsuga_close(self, second[0]);
    CHECK_INT(tsuga_await_any(self, &close, 1, TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    tsuga_fixture_write(first[1], "x", 1);
    check_end(self, chain[0], 1, true, false);
    check_end(self, chain[1], -ECANCELED, true, false);
    CHECK_INT(tsuga_await(self, close).result, 0);
    tsuga_fixture_close(first, 2);
    tsuga_fixture_close(&second[1], 1);
}

TEST(links, a_close_waits_for_the_chain_that_uses_its_descriptor)
{
    (void)tsuga_world_run(NULL, close_under_chain, NULL);
}

/* Results that the ring decides: errors and short counts in each place of a chain. */
static void meet_faults(struct tsuga_actor *self, void *argument)
{
    struct tsuga_ring_fault_plan *plan = argument;
    struct tsuga_ring_fault *fault = plan->rings[0];
    int log = tsuga_fixture_memory_file(0, SEED);

    for (unsigned place = 0; place < 4; place++) {
        for (unsigned how = 0; how < 4; how++) {
            bool is_hard = how % 2 == 1;
            int32_t decided = how < 2 ? -EIO : 2;
            struct tsuga_token chain[4];
            struct tsuga_op ops[4];

            CHECK_INT(ftruncate(log, 0), 0);
            CHECK_INT(lseek(log, 0, SEEK_SET), 0);
            for (unsigned i = 0; i < 4; i++)
                ops[i] = writing(log, "abc");
            ops[place].options = is_hard ? TSUGA_OP_HARD : 0;
            tsuga_ring_fault_substitute(fault, TSUGA_RING_WRITE, place + 1, decided);
            submit(self, ops, 4, 0, chain);
            for (unsigned i = 0; i < 4; i++) {
                if (i == place)
                    check_end(self, chain[i], decided, true, false);
                else if (i < place || is_hard)
                    check_end(self, chain[i], 3, true, false);
                else
                    check_unstarted(self, chain[i], false);
            }
            CHECK_INT(lseek(log, 0, SEEK_END), (is_hard ? 9 : 3 * place) + (how < 2 ? 0 : 2));
        }
    }
    close(log);
}

TEST(links, h46_errors_and_short_counts_in_every_place_of_a_chain)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};

    (void)tsuga_world_run(&setup, meet_faults, &plan);
    tsuga_ring_fault_plan_fini(&plan);
}
