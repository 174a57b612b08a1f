/* The three cases of submission: there is room, the queue is flushed, the actor waits. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ENTRIES 4u
#define MANY    10000u

/* What the hook of a test counts and does. */
struct books {
    uint64_t records_pushed;
    uint64_t looks;
    uint32_t inflight_max;
    bool is_urgent_off; /* whoever waited for room comes back through the normal queue */
};

static struct tsuga_ring_fault *fault_of(struct tsuga_actor *self)
{
    return tsuga_ring_fault_of(tsuga_seat_home(tsuga_seat_of(self))->ring);
}

/* The rule that the urgent queue stands for, undone. */
static void resume_normally(struct tsuga_executor *executor)
{
    struct tsuga_list_node *node;

    while (executor->ring->room_count > 0 &&
           (node = tsuga_list_pop_front(&executor->room_waiters)) != NULL) {
        struct tsuga_wait *wait = TSUGA_CONTAINER_OF(node, struct tsuga_wait, link);

        wait->is_over = true;
        CHECK(tsuga_mailbox_rouse(&wait->seat->actor.mailbox));
        tsuga_executor_enqueue(executor, wait->seat);
    }
}

/* At every reap, and so at every switch from one actor to another: what was counted as in flight is
 * what was pushed whole and has not completed, and the ring's own books agree. */
static void check_books(struct tsuga_executor *executor, struct books *books)
{
    const struct tsuga_ring *ring = executor->ring;
    uint64_t completed =
        atomic_load_explicit(&executor->counters.ops_completions, memory_order_relaxed);

    CHECK_UINT(ring->room_count + ring->queue_count, ring->entries);
    CHECK_UINT(books->records_pushed + executor->backlog.count, executor->ops_inflight + completed);
    CHECK(executor->ops_inflight <= executor->ops_max);
    if (executor->ops_inflight > books->inflight_max)
        books->inflight_max = executor->ops_inflight;
    books->looks++;
    if (books->is_urgent_off)
        resume_normally(executor);
}

static void keep_books(void *context, struct tsuga_ring_fault *fault,
                       enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    struct tsuga_executor *executor = tsuga_executor_current();
    struct books *books = context;

    if (executor == NULL || executor->ring == NULL)
        return;
    CHECK_PTR(tsuga_ring_fault_of(executor->ring), fault);
    if (call == TSUGA_RING_FAULT_PUSH && request->user_data % 64 == 0)
        books->records_pushed++;
    if (call == TSUGA_RING_FAULT_REAP)
        check_books(executor, books);
}

static struct tsuga_ring_fault_plan plan_for(struct books *books)
{
    return (struct tsuga_ring_fault_plan){
        .create = tsuga_world_ring, .hook = keep_books, .hook_context = books};
}

static struct tsuga_setup setup_for(struct tsuga_ring_fault_plan *plan)
{
    return (struct tsuga_setup){.config.executor = {.ring_entries = ENTRIES},
                                .ring_create = tsuga_ring_fault_create,
                                .ring_context = plan};
}

/* Submits so many NOPs at once, takes each completion once. */
static void submit_many(struct tsuga_actor *self, void *argument)
{
    static unsigned char seen[MANY];

    (void)argument;
    for (unsigned i = 0; i < MANY; i++) {
        struct tsuga_token op =
            tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_NOP, .tag = i});

        CHECK_INT(tsuga_op_error(op), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        const struct tsuga_message *message;
        uint64_t tag;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        tag = tsuga_message_tag(message);
        CHECK(tag < MANY);
        CHECK_UINT(seen[tag], 0);
        seen[tag] = 1;
    }
}

TEST(submit, h20_a_full_queue_is_flushed_and_everything_completes_once)
{
    struct books books = {0};
    struct tsuga_ring_fault_plan plan = plan_for(&books);
    const struct tsuga_setup setup = setup_for(&plan);
    struct tsuga_stats stats;

    tsuga_needs_locked(1 << 20); /* a completion queue for all of them */
    stats = tsuga_world_run(&setup, submit_many, NULL);
    CHECK_UINT(tsuga_ring_fault_counts(plan.rings[0])->pushed[TSUGA_RING_NOP], MANY);
    CHECK_UINT(stats.ops_completions, MANY);
    CHECK_UINT(stats.ops_suspended, 0);
    CHECK(stats.enters >= MANY / ENTRIES);
    tsuga_ring_fault_plan_fini(&plan);
}

/* The same with a fault at every third enter: refused, cut short, results late. */
TEST(submit, h18_h19_no_actor_is_switched_away_from_with_a_request_half_made)
{
    struct books books = {0};
    struct tsuga_ring_fault_plan plan = plan_for(&books);
    const struct tsuga_setup setup = setup_for(&plan);
    struct tsuga_stats stats;

    plan.seed = tsuga_test_seed();
    plan.refuse_per_mille = 300;
    plan.partial_per_mille = 300;
    plan.hold_per_mille = 300;
    stats = tsuga_world_run(&setup, submit_many, NULL);
    CHECK_UINT(stats.ops_completions, MANY);
    CHECK(stats.ops_suspended > 0);
    CHECK(books.looks > 100);
    CHECK_UINT(books.records_pushed, MANY);
    tsuga_ring_fault_plan_fini(&plan);
}

/* Leaves no room in the queue, and none to be had for so many enters. */
static void fill_queue(struct tsuga_actor *self, int error, uint32_t count)
{
    const struct tsuga_ring *ring = tsuga_seat_home(tsuga_seat_of(self))->ring;

    while (ring->room_count > 0)
        CHECK_INT(tsuga_op_error(tsuga_submit(
                      self, &(struct tsuga_op){.kind = TSUGA_OP_NOP, .options = TSUGA_OP_SILENT})),
                  0);
    tsuga_ring_fault_refuse(fault_of(self), error, count);
}

static uint64_t suspended_count(struct tsuga_actor *self)
{
    return tsuga_seat_home(tsuga_seat_of(self))->counters.ops_suspended;
}

static void meet_refusals(struct tsuga_actor *self, void *argument)
{
    static const int errors[] = {-EBUSY, -EAGAIN};
    const uint64_t *nops = tsuga_ring_fault_counts(fault_of(self))->pushed;
    struct tsuga_op impatient = {.kind = TSUGA_OP_NOP, .options = TSUGA_OP_NOWAIT};

    (void)argument;
    for (unsigned i = 0; i < 2; i++) {
        for (uint32_t count = 1; count <= 5; count++) {
            uint64_t suspended = suspended_count(self);
            uint64_t pushed;

            fill_queue(self, errors[i], count + 1);
            CHECK_INT(tsuga_op_error(tsuga_submit(self, &impatient)), -EAGAIN);
            pushed = nops[TSUGA_RING_NOP];
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
            CHECK_UINT(nops[TSUGA_RING_NOP], pushed + 1);
            CHECK_UINT(suspended_count(self), suspended + 1);
        }
    }
}

TEST(submit, h21_h23_a_refused_enter_suspends_the_actor_and_repeats_nothing)
{
    struct books books = {0};
    struct tsuga_ring_fault_plan plan = plan_for(&books);
    const struct tsuga_setup setup = setup_for(&plan);

    (void)tsuga_world_run(&setup, meet_refusals, NULL);
    tsuga_ring_fault_plan_fini(&plan);
}

#define NEIGHBOURS 8u

struct race {
    unsigned ready;
    unsigned turns; /* of neighbours since the wait began */
    unsigned turns_at_resume;
    bool has_resumed;
};

static void run_along(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;

    race->ready++;
    while (!race->has_resumed) {
        race->turns++;
        CHECK_INT(tsuga_yield(self), 0);
    }
}

static void wait_for_room(struct tsuga_actor *self, void *argument)
{
    struct race *race = argument;
    struct tsuga_token op;

    while (race->ready < NEIGHBOURS)
        CHECK_INT(tsuga_yield(self), 0);
    fill_queue(self, -EBUSY, 1);
    race->turns = 0;
    op = tsuga_nop(self);
    race->turns_at_resume = race->turns;
    race->has_resumed = true;
    CHECK_INT(tsuga_await(self, op).result, 0);
}

static unsigned turns_before_resume(bool is_urgent_off)
{
    struct books books = {.is_urgent_off = is_urgent_off};
    struct tsuga_ring_fault_plan plan = plan_for(&books);
    const struct tsuga_setup setup = setup_for(&plan);
    struct race race = {0};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        (void)tsuga_world_spawn(&run, run_along, &race);
    (void)tsuga_world_spawn(&run, wait_for_room, &race);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.ops_suspended, 1);
    tsuga_ring_fault_plan_fini(&plan);
    return race.turns_at_resume;
}

TEST(submit, h22_whoever_waited_for_room_goes_before_all_others)
{
    CHECK_UINT(turns_before_resume(false), 0);
    CHECK(turns_before_resume(true) >= NEIGHBOURS); /* the rule switched off */
}

/* No credit: four reads of an empty pipe are all there may be. */
static void use_up_credit(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token reads[ENTRIES];
    struct tsuga_op impatient = {.kind = TSUGA_OP_NOP, .options = TSUGA_OP_NOWAIT};
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    for (unsigned i = 0; i < ENTRIES; i++)
        reads[i] = tsuga_read(self, pipe[0], 1);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &impatient)), -EAGAIN);
    tsuga_fixture_write(pipe[1], "a", 1);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* waited for the read to end */
    CHECK_UINT(suspended_count(self), 1);
    CHECK_INT(tsuga_await_any(self, reads, ENTRIES, 0).result, 1);
    /* Cancels and closes have a reserve. */
    CHECK_INT(tsuga_op_error(tsuga_read(self, pipe[0], 1)), 0);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, reads[ENTRIES - 1])).result, 0);
    CHECK_INT(tsuga_await(self, reads[ENTRIES - 1]).result, -ECANCELED);
    tsuga_fixture_close(pipe, 2);
}

TEST(submit, h21_h45_at_ops_max_an_actor_waits_for_credit)
{
    const struct tsuga_setup setup = {
        .config.executor = {.ring_entries = ENTRIES, .ops_max = ENTRIES}};

    (void)tsuga_world_run(&setup, use_up_credit, NULL);
}

TEST(submit, h45_no_more_than_ops_max_are_in_flight_and_the_queue_never_overflows)
{
    struct books books = {0};
    struct tsuga_ring_fault_plan plan = plan_for(&books);
    struct tsuga_setup setup = setup_for(&plan);
    struct tsuga_stats stats;

    setup.config.executor.ops_max = 16;
    setup.config.executor.cq_entries = 16;
    stats = tsuga_world_run(&setup, submit_many, NULL);
    CHECK_UINT(books.inflight_max, 16);
    CHECK(stats.ops_suspended > 0);
    CHECK_UINT(stats.overflows, 0);
    tsuga_ring_fault_plan_fini(&plan);
}

/* A chain of two waits while there is credit for one: it must not be called to look in vain. */
struct patience {
    int pipe[2];
    bool is_submitted;
};

static void submit_pair(struct tsuga_actor *self, void *argument)
{
    struct patience *patience = argument;
    const struct tsuga_op nops[2] = {{.kind = TSUGA_OP_NOP}, {.kind = TSUGA_OP_NOP}};
    struct tsuga_token ops[2];

    CHECK_INT(tsuga_submit_chain(self, nops, 2, 0, ops), 0);
    patience->is_submitted = true;
    CHECK_INT(tsuga_await(self, ops[0]).result, 0);
    CHECK_INT(tsuga_await(self, ops[1]).result, 0);
}

static void keep_waiting(struct tsuga_actor *self, void *argument)
{
    struct patience *patience = argument;
    struct tsuga_spawn_options options = {.body = submit_pair, .argument = patience};
    const struct tsuga_message *message;
    struct tsuga_token reads[ENTRIES - 1];

    tsuga_fixture_pipe(patience->pipe);
    for (unsigned i = 0; i < ENTRIES - 1; i++)
        reads[i] = tsuga_read(self, patience->pipe[0], 1);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    while (suspended_count(self) == 0)
        CHECK_INT(tsuga_yield(self), 0);
    /* Time in which nothing happens but this timer. */
    CHECK_INT(tsuga_receive(self, NULL, 3 * TSUGA_NS_PER_MS, &message), -ETIMEDOUT);
    CHECK_UINT(suspended_count(self), 1);
    CHECK(!patience->is_submitted);
    tsuga_fixture_write(patience->pipe[1], "abc", ENTRIES - 1);
    for (unsigned i = 0; i < ENTRIES - 1; i++)
        CHECK_INT(tsuga_await(self, reads[i]).result, 1);
    tsuga_fixture_close(patience->pipe, 2);
}

TEST(submit, h21_h46_a_chain_is_called_when_there_is_room_for_all_of_it)
{
    const struct tsuga_setup setup = {
        .config.executor = {.ring_entries = ENTRIES, .ops_max = ENTRIES}};
    struct patience patience = {.is_submitted = false};

    (void)tsuga_world_run(&setup, keep_waiting, &patience);
    CHECK(patience.is_submitted);
}
