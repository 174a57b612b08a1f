/* Many operations of several kinds while the ring refuses, submits in parts, is interrupted, and
 * answers late and out of order: each completes exactly once, with the right bytes. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "executor/io.h"
#include "runtime/base/clock.h"
#include "tests/support/child.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ACTORS      6u
#define ROUNDS      50u
#define WINDOW      20u
#define FILE_BYTES  (64u << 10)
#define CHUNK_BYTES 1000u
/* The two operations of a window that move a stream on. */
#define TAG_SEND 1000000u
#define TAG_RECV 1000001u

static uint64_t offset_of(uint64_t tag)
{
    return tag * 37 % (FILE_BYTES - CHUNK_BYTES);
}

static void submit(struct tsuga_actor *self, int fd, uint64_t tag)
{
    struct tsuga_op op = {.kind = TSUGA_OP_NOP, .tag = tag};

    if (tag % 3 != 0) {
        op.kind = TSUGA_OP_READ;
        op.options = TSUGA_OP_AT | (tag % 5 == 0 ? TSUGA_OP_ASYNC : 0);
        op.fd = fd;
        op.offset = offset_of(tag);
        op.bytes = CHUNK_BYTES;
    }
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), 0);
}

/* A stream of the actor to itself: its bytes are numbered, so a piece that is lost, repeated or
 * out of order is seen. */
static void submit_stream(struct tsuga_actor *self, const int ends[2], uint64_t seed, size_t sent)
{
    char piece[CHUNK_BYTES];
    struct tsuga_op send = {.kind = TSUGA_OP_SEND,
                            .fd = ends[0],
                            .data = piece,
                            .bytes = sizeof(piece),
                            .tag = TAG_SEND};
    struct tsuga_op recv = {.kind = TSUGA_OP_RECV,
                            .fd = ends[1],
                            .flags = MSG_WAITALL,
                            .bytes = sizeof(piece),
                            .tag = TAG_RECV};

    tsuga_content_fill(piece, sizeof(piece), seed, sent);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &recv)), 0);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &send)), 0);
}

static void check_completion(const struct tsuga_completion *got, uint64_t seed, size_t sent)
{
    uint64_t at = got->tag == TAG_RECV ? sent : offset_of(got->tag);

    CHECK(got->last);
    if (got->tag == TAG_SEND || (got->tag < TAG_SEND && got->tag % 3 != 0) || got->tag == TAG_RECV)
        CHECK_INT(got->result, CHUNK_BYTES);
    else
        CHECK_INT(got->result, 0);
    tsuga_content_check(got->data, got->bytes, seed, at);
}

static void take_window(struct tsuga_actor *self, uint64_t first, uint64_t seed, size_t sent)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < WINDOW + 2; i++) {
        const struct tsuga_message *message;
        const struct tsuga_completion *got;
        uint64_t at;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        got = tsuga_message_completion(message);
        at = got->tag >= TAG_SEND ? WINDOW + got->tag - TAG_SEND : got->tag - first;
        CHECK(at < WINDOW + 2);
        CHECK_UINT(seen >> at & 1, 0);
        seen |= UINT64_C(1) << at;
        check_completion(got, seed, sent);
    }
    CHECK_UINT(seen, (UINT64_C(1) << (WINDOW + 2)) - 1);
}

static void soak(struct tsuga_actor *self, void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    int fd = tsuga_fixture_memory_file(FILE_BYTES, seed);
    size_t sent = 0;
    int ends[2];

    tsuga_fixture_sockets(ends);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        submit_stream(self, ends, seed, sent);
        for (uint64_t i = 0; i < WINDOW; i++)
            submit(self, fd, round * WINDOW + i);
        take_window(self, round * WINDOW, seed, sent);
        sent += CHUNK_BYTES;
    }
    tsuga_fixture_close(ends, 2);
    close(fd);
}

static void run_soak(enum tsuga_toggle features)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                         .seed = tsuga_test_seed(),
                                         .refuse_per_mille = 200,
                                         .partial_per_mille = 200,
                                         .hold_per_mille = 200};
    struct tsuga_setup setup = {
        .config.executor = {.threads = 2, .ring_entries = 8, .cq_entries = 64, .ops_max = 64},
        .ring_create = tsuga_ring_fault_create,
        .ring_context = &plan};
    struct tsuga_run run;

    for (unsigned i = 0; i < TSUGA_FEATURE_COUNT; i++)
        setup.config.features[i] = features;
    tsuga_world_start(&setup, &run);
    for (uintptr_t i = 0; i < ACTORS; i++) {
        struct tsuga_spawn_options options = {.body = soak,
                                              .argument = (void *)(i + 1),
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i % 2};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.ops_completions, ACTORS * ROUNDS * (WINDOW + 2));
    CHECK(run.stats.ops_suspended > 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(tsuga_ring_fault_counts(plan.rings[i])->refused > 0);
        CHECK(tsuga_ring_fault_counts(plan.rings[i])->cut_short > 0);
        CHECK(tsuga_ring_fault_counts(plan.rings[i])->held > 0);
    }
    tsuga_ring_fault_plan_fini(&plan);
}

TEST(soak, h24_h36_faults_of_every_kind_neither_lose_nor_repeat_a_completion)
{
    run_soak(TSUGA_DEFAULT);
}

TEST(soak, h24_a24_nor_do_they_on_a_kernel_that_has_no_feature_beyond_the_floor)
{
    run_soak(TSUGA_OFF);
}

/* The rule switched off: somebody completes an operation a second time. */
static void complete_twice(struct tsuga_actor *self, void *argument)
{
    struct tsuga_record *record;
    struct tsuga_token op = tsuga_nop(self);

    (void)argument;
    CHECK_INT(tsuga_record_find(tsuga_seat_of(self)->io, op, &record), 0);
    tsuga_record_complete(record, 0, false);
    (void)tsuga_await(self, tsuga_nop(self));
}

static void run_complete_twice(void *context)
{
    (void)context;
    (void)tsuga_world_run(NULL, complete_twice, NULL);
}

TEST(soak, h24_a_completion_that_comes_twice_ends_the_process)
{
    struct tsuga_child child;

    tsuga_child_run(&child, run_complete_twice, NULL);
    CHECK(child.signal == SIGABRT || child.exit_status != 0);
    CHECK(strstr(child.said, "RECORD_INFLIGHT") != NULL);
}

static void lose_result(void *context, struct tsuga_ring_fault *fault,
                        enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    (void)context;
    if (call == TSUGA_RING_FAULT_PUSH && request->kind == TSUGA_RING_NOP)
        tsuga_ring_fault_hold(fault, request->user_data, 300);
}

/* Another rule switched off: a result stays away, for so many enters. */
static void miss_completion(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token op = tsuga_nop(self);

    (void)argument;
    CHECK_INT(tsuga_await_any(self, &op, 1, 1000).result, -ETIMEDOUT);
    CHECK_INT(tsuga_await(self, op).result, 0);
}

TEST(soak, h24_a_completion_that_does_not_come_is_missed)
{
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring, .hook = lose_result};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};

    (void)tsuga_world_run(&setup, miss_completion, NULL);
    tsuga_ring_fault_plan_fini(&plan);
}
