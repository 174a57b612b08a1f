/* Operation records: how a completion finds its actor and its submission, and what it costs. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define NOPS 1000000u

static bool note_kind(const struct tsuga_message *message, void *context)
{
    bool *is_there = context;

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_COMPLETION)
        *is_there = true;
    return false;
}

/* Lets the executor go round until a completion lies in the mailbox, and leaves it there. */
static void await_arrival(struct tsuga_actor *self)
{
    bool is_there = false;
    const struct tsuga_select look = {.accepts = note_kind, .context = &is_there};
    const struct tsuga_message *message;

    while (!is_there) {
        CHECK_INT(tsuga_yield(self), 0);
        CHECK_INT(tsuga_receive(self, &look, 0, &message), -ETIMEDOUT);
    }
}

/* Completions come before user messages, whichever was first; both are ordinary messages. */
static void receive_completion(struct tsuga_actor *self, void *argument)
{
    int context = 0;
    const struct tsuga_message *message;
    const struct tsuga_completion *got;
    struct tsuga_token op;

    (void)argument;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 5, "hello", 6), 0);
    op = tsuga_submit(self,
                      &(struct tsuga_op){.kind = TSUGA_OP_NOP, .tag = 77, .context = &context});
    await_arrival(self);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_COMPLETION);
    CHECK_UINT(tsuga_message_tag(message), 77);
    got = tsuga_message_completion(message);
    CHECK(tsuga_token_equal(got->op, op));
    CHECK_INT(got->result, 0);
    CHECK(got->last);
    CHECK(!got->more);
    CHECK_PTR(got->context, &context);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_USER);
    CHECK_STR(tsuga_message_data(message), "hello");
}

TEST(record, h28_a_completion_is_a_message_and_comes_before_those_of_users)
{
    (void)tsuga_world_run(NULL, receive_completion, NULL);
}

static void keep_result(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(7, 1);
    struct tsuga_token op = tsuga_read(self, fd, 64);
    struct tsuga_completion got;

    (void)argument;
    await_arrival(self);
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    got = tsuga_await(self, op);
    CHECK_INT(got.result, 7);
    CHECK_UINT(got.bytes, 7);
    tsuga_content_check(got.data, 7, 1, 0);
    close(fd);
}

/* The completion queue has eight entries: each was used more than ten times before the look. */
TEST(record, h29_a_message_outlives_the_queue_entry_it_came_from)
{
    const struct tsuga_setup setup = {
        .config.executor = {.ring_entries = 4, .cq_entries = 8, .ops_max = 8}};

    (void)tsuga_world_run(&setup, keep_result, NULL);
}

#define CROWD       48u
#define CROWD_OPS   20u
#define CROWD_SHIFT 8u

/* Each actor's operations carry its own number. */
static void be_one_of_many(struct tsuga_actor *self, void *argument)
{
    uint64_t number = (uint64_t)(uintptr_t)argument;
    uint64_t seen = 0;
    const struct tsuga_message *message;

    for (uint64_t i = 0; i < CROWD_OPS; i++) {
        struct tsuga_op op = {.kind = i % 2 == 0 ? TSUGA_OP_NOP : TSUGA_OP_TIMEOUT,
                              .timeout_ns = (number * 7919 + i * 104729) % 2000000,
                              .tag = number << CROWD_SHIFT | i};

        CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), 0);
    }
    for (unsigned i = 0; i < CROWD_OPS; i++) {
        uint64_t tag;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        tag = tsuga_message_completion(message)->tag;
        CHECK_UINT(tag >> CROWD_SHIFT, number);
        CHECK_UINT(seen >> (tag & 0xff) & 1, 0);
        seen |= UINT64_C(1) << (tag & 0xff);
    }
    CHECK_UINT(seen, (UINT64_C(1) << CROWD_OPS) - 1);
}

TEST(record, h27_each_completion_finds_its_actor_in_whatever_order_it_comes)
{
    struct tsuga_ring_fault_plan plan = {
        .create = tsuga_world_ring, .seed = tsuga_test_seed(), .hold_per_mille = 400};
    const struct tsuga_setup setup = {.config.executor.threads = 2,
                                      .ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uintptr_t i = 0; i < CROWD; i++) {
        struct tsuga_spawn_options options = {.body = be_one_of_many,
                                              .argument = (void *)i,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i % 2};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.ops_submitted, CROWD * CROWD_OPS);
    CHECK(tsuga_ring_fault_counts(plan.rings[0])->held > 0);
    tsuga_ring_fault_plan_fini(&plan);
}

/* Every request of an operation: its user_data is a record, in a live block of the heap of the
 * actor that submits it. */
static void check_user_data(void *context, struct tsuga_ring_fault *fault,
                            enum tsuga_ring_fault_call call,
                            const struct tsuga_ring_request *request)
{
    struct tsuga_executor *executor = tsuga_executor_current();
    unsigned *count = context;
    const struct tsuga_record *record;

    (void)fault;
    if (call != TSUGA_RING_FAULT_PUSH || request->user_data % 64 != 0)
        return;
    record = (const void *)(uintptr_t)request->user_data;
    CHECK_PTR(record->io, executor->running->io);
    CHECK(tsuga_ioheap_block_start(&record->io->heap, record) != NULL);
    CHECK(tsuga_reserve_find(&executor->shared->reserve, record) != NULL);
    ++*count;
}

static void submit_some(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 200; i++)
        CHECK_INT(tsuga_op_error(tsuga_nop(self)), 0);
    for (unsigned i = 0; i < 200; i++) {
        const struct tsuga_message *message;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    }
}

TEST(record, h32_user_data_points_into_the_heap_of_the_actor)
{
    unsigned count = 0;
    struct tsuga_ring_fault_plan plan = {
        .create = tsuga_world_ring, .hook = check_user_data, .hook_context = &count};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (unsigned i = 0; i < 8; i++)
        (void)tsuga_world_spawn(&run, submit_some, NULL);
    tsuga_world_end(&run);
    CHECK_UINT(count, 8 * 200);
    tsuga_ring_fault_plan_fini(&plan);
}

#define PIPES 16u

/* Sixteen reads, answered in an order of their own and awaited in another. */
static void match(struct tsuga_actor *self, void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    int pipes[PIPES][2];
    struct tsuga_token ops[PIPES];

    for (unsigned i = 0; i < PIPES; i++) {
        tsuga_fixture_pipe(pipes[i]);
        ops[i] = tsuga_read(self, pipes[i][0], 64);
    }
    for (unsigned i = 0, at = (unsigned)tsuga_test_random(&random); i < PIPES; i++, at += 5) {
        char content[PIPES];

        tsuga_content_fill(content, at % PIPES + 1, at % PIPES, 0);
        tsuga_fixture_write(pipes[at % PIPES][1], content, at % PIPES + 1);
        if (tsuga_test_random(&random) % 2 == 0)
            CHECK_INT(tsuga_yield(self), 0);
    }
    for (unsigned i = 0, at = (unsigned)tsuga_test_random(&random); i < PIPES; i++, at += 7) {
        struct tsuga_completion got = tsuga_await(self, ops[at % PIPES]);

        CHECK(tsuga_token_equal(got.op, ops[at % PIPES]));
        CHECK_INT(got.result, at % PIPES + 1);
        tsuga_content_check(got.data, got.bytes, at % PIPES, 0);
        CHECK_INT(tsuga_await(self, ops[at % PIPES]).result, -ENOENT);
    }
    tsuga_fixture_close(&pipes[0][0], 2 * PIPES);
}

TEST(record, h33_n09_each_completion_matches_its_submission)
{
    uint64_t seed = tsuga_test_seed();
    struct tsuga_stats stats = tsuga_world_run(NULL, match, &seed);

    CHECK_UINT(stats.ops_submitted, PIPES);
}

/* Up to 32 at once; each tag comes back exactly once, and with the token it was given. */
static void count_nops(struct tsuga_actor *self, void *argument)
{
    unsigned char *seen = argument;
    struct tsuga_token tokens[32];
    unsigned submitted = 0;

    for (unsigned taken = 0; taken < NOPS; taken++) {
        const struct tsuga_message *message;
        const struct tsuga_completion *got;

        for (; submitted < NOPS && submitted - taken < 32; submitted++)
            tokens[submitted % 32] =
                tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_NOP, .tag = submitted});
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        got = tsuga_message_completion(message);
        CHECK(got->tag < submitted);
        CHECK(tsuga_token_equal(got->op, tokens[got->tag % 32]));
        CHECK_UINT(seen[got->tag], 0);
        seen[got->tag] = 1;
        /* The window counts what was taken, so a tag must not be overtaken by its successor. */
        CHECK(got->tag + 32 > taken);
    }
}

TEST(record, h34_a_million_nops_are_told_apart)
{
    unsigned char *seen = calloc(NOPS, 1);
    struct tsuga_stats stats;

    CHECK(seen != NULL);
    stats = tsuga_world_run(NULL, count_nops, seen);
    CHECK_UINT(stats.ops_completions, NOPS);
    for (unsigned i = 0; i < NOPS; i++)
        CHECK_UINT(seen[i], 1);
    free(seen);
}
