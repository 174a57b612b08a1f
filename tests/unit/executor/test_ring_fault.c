/* The misbehaving ring does what its header says, and no more. */
#include "tests/support/ring_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/ring_uring.h"
#include "tests/support/ring_kit.h"
#include "tests/support/test.h"

struct bench {
    struct tsuga_ring_kit kit;
    struct tsuga_ring_fault_plan plan;
    struct tsuga_ring *ring;
    struct tsuga_ring_fault *fault;
};

static void set_up(struct bench *bench, uint32_t entries)
{
    tsuga_ring_kit_init(&bench->kit, entries, 4 * entries);
    bench->plan.create = tsuga_ring_uring_create;
    bench->plan.create_context = &bench->kit.memory;
    CHECK_INT(tsuga_ring_fault_create(&bench->plan, &bench->kit.config, &bench->ring), 0);
    bench->fault = tsuga_ring_fault_of(bench->ring);
    CHECK_PTR(bench->plan.rings[0], bench->fault);
}

static void tear_down(struct bench *bench)
{
    bench->ring->ops->destroy(bench->ring);
    tsuga_ring_fault_plan_fini(&bench->plan);
}

static void push_nop(struct bench *bench, uint64_t user_data)
{
    tsuga_ring_push(bench->ring, &(struct tsuga_ring_request){
                                     .kind = TSUGA_RING_NOP, .user_data = user_data, .fd = -1});
    CHECK_UINT(bench->ring->room_count + bench->ring->queue_count, bench->ring->entries);
}

static void push_nops(struct bench *bench, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        push_nop(bench, i);
}

static void check_next(struct bench *bench, uint64_t user_data)
{
    struct tsuga_ring_result result;

    CHECK(tsuga_ring_has_results(bench->ring));
    CHECK_UINT(tsuga_ring_reap(bench->ring, &result, 1), 1);
    CHECK_UINT(result.user_data, user_data);
}

TEST(ring_fault, without_faults_is_the_ring_behind_it)
{
    struct bench bench = {.plan.is_recording = true};
    const struct tsuga_ring_request *requests;
    uint64_t count;

    set_up(&bench, 4);
    CHECK_UINT(bench.ring->entries, 4);
    CHECK_UINT(bench.ring->cq_entries, 16);
    for (unsigned round = 0; round < 10; round++) {
        push_nops(&bench, 4);
        CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), 0);
        CHECK_UINT(bench.ring->room_count, 4);
        for (uint64_t i = 0; i < 4; i++)
            check_next(&bench, i);
        CHECK(!tsuga_ring_has_results(bench.ring));
    }
    CHECK_INT(tsuga_ring_enter(bench.ring, 1, 1000000), -ETIME);
    CHECK_UINT(bench.ring->enter_count, 11);
    CHECK(bench.ring->ops->supports(bench.ring, TSUGA_RING_NOP));
    requests = tsuga_ring_fault_requests(bench.fault, &count);
    CHECK_UINT(count, 40);
    CHECK_UINT(requests[39].user_data, 3);
    CHECK_UINT(tsuga_ring_fault_counts(bench.fault)->pushed[TSUGA_RING_NOP], 40);
    CHECK_UINT(tsuga_ring_fault_counts(bench.fault)->finals, 40);
    tear_down(&bench);
}

TEST(ring_fault, h21_refuses_as_often_as_told)
{
    static const int errors[] = {-EBUSY, -EAGAIN};
    struct bench bench = {.plan.seed = 0};

    set_up(&bench, 4);
    for (unsigned i = 0; i < 2; i++) {
        push_nops(&bench, 4);
        tsuga_ring_fault_refuse(bench.fault, errors[i], 3);
        for (unsigned k = 0; k < 3; k++) {
            CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), errors[i]);
            CHECK_UINT(bench.ring->queue_count, 4);
            CHECK_UINT(bench.ring->room_count, 0);
            CHECK(!tsuga_ring_has_results(bench.ring));
        }
        CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), 0);
        for (uint64_t k = 0; k < 4; k++)
            check_next(&bench, k);
    }
    CHECK_UINT(tsuga_ring_fault_counts(bench.fault)->refused, 6);
    tear_down(&bench);
}

TEST(ring_fault, refused_enter_still_shows_what_has_completed)
{
    struct bench bench = {.plan.seed = 0};
    int ends[2];
    char byte;

    set_up(&bench, 4);
    CHECK_INT(pipe(ends), 0);
    tsuga_ring_push(bench.ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_READ,
                                                             .user_data = 1,
                                                             .fd = ends[0],
                                                             .address = &byte,
                                                             .length = 1,
                                                             .offset = UINT64_MAX});
    CHECK_INT(tsuga_ring_enter(bench.ring, 0, 0), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    push_nop(&bench, 2);
    tsuga_ring_fault_refuse(bench.fault, -EBUSY, 1);
    CHECK_INT(tsuga_ring_enter(bench.ring, 1, TSUGA_FOREVER), -EBUSY);
    check_next(&bench, 1);
    CHECK_UINT(bench.ring->queue_count, 1);
    CHECK_UINT(tsuga_ring_kit_wait(bench.ring).user_data, 2);
    close(ends[0]);
    close(ends[1]);
    tear_down(&bench);
}

TEST(ring_fault, interrupted_enter_has_submitted)
{
    struct bench bench = {.plan.seed = 0};

    set_up(&bench, 4);
    push_nops(&bench, 2);
    tsuga_ring_fault_refuse(bench.fault, -EINTR, 1);
    CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), -EINTR);
    CHECK_UINT(bench.ring->queue_count, 0);
    check_next(&bench, 0);
    check_next(&bench, 1);
    tear_down(&bench);
}

TEST(ring_fault, submits_a_part_and_keeps_the_rest_in_order)
{
    struct bench bench = {.plan.seed = 0};

    set_up(&bench, 8);
    push_nops(&bench, 8);
    tsuga_ring_fault_limit(bench.fault, 3);
    CHECK_INT(tsuga_ring_enter(bench.ring, 8, TSUGA_FOREVER), -EAGAIN);
    CHECK_UINT(bench.ring->queue_count, 5);
    CHECK_UINT(bench.ring->room_count, 3);
    for (uint64_t i = 0; i < 3; i++)
        check_next(&bench, i);
    CHECK(!tsuga_ring_has_results(bench.ring));
    push_nop(&bench, 8);
    CHECK_INT(tsuga_ring_enter(bench.ring, 6, TSUGA_FOREVER), 0);
    for (uint64_t i = 3; i < 9; i++)
        check_next(&bench, i);
    CHECK_UINT(tsuga_ring_fault_counts(bench.fault)->cut_short, 1);
    tear_down(&bench);
}

TEST(ring_fault, holds_results_and_lets_others_pass)
{
    struct bench bench = {.plan.seed = 0};

    set_up(&bench, 4);
    push_nops(&bench, 3);
    tsuga_ring_fault_hold(bench.fault, 0, 3);
    tsuga_ring_fault_hold(bench.fault, 1, 1);
    CHECK_INT(tsuga_ring_enter(bench.ring, 3, TSUGA_FOREVER), -EINTR);
    check_next(&bench, 2);
    CHECK(!tsuga_ring_has_results(bench.ring));
    CHECK_INT(tsuga_ring_enter(bench.ring, 1, TSUGA_FOREVER), 0);
    check_next(&bench, 1);
    CHECK_INT(tsuga_ring_enter(bench.ring, 1, TSUGA_FOREVER), -EINTR);
    CHECK_INT(tsuga_ring_enter(bench.ring, 1, TSUGA_FOREVER), 0);
    check_next(&bench, 0);
    CHECK_UINT(tsuga_ring_fault_counts(bench.fault)->held, 2);
    tear_down(&bench);
}

TEST(ring_fault, results_of_one_request_keep_their_order)
{
    struct bench bench = {.plan.seed = 0};
    struct tsuga_ring_result result;

    /* Three requests under one name stand for three results of one. */
    set_up(&bench, 4);
    for (unsigned i = 0; i < 3; i++)
        push_nop(&bench, 7);
    tsuga_ring_fault_substitute(bench.fault, TSUGA_RING_NOP, 1, -EIO);
    push_nop(&bench, 7);
    tsuga_ring_fault_hold(bench.fault, 7, 2);
    CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), -EINTR);
    CHECK(!tsuga_ring_has_results(bench.ring));
    CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), -EINTR);
    CHECK_INT(tsuga_ring_enter(bench.ring, 4, TSUGA_FOREVER), 0);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_UINT(tsuga_ring_reap(bench.ring, &result, 1), 1);
        CHECK_INT(result.result, i == 0 ? -EIO : 0);
    }
    tear_down(&bench);
}

TEST(ring_fault, substitutes_the_nth_request_of_a_kind)
{
    struct bench bench = {.plan.seed = 0};
    struct tsuga_ring_request write_request = {
        .kind = TSUGA_RING_WRITE, .address = "abcd", .length = 4, .offset = UINT64_MAX};
    char buffer[16] = {0};
    int ends[2];

    set_up(&bench, 4);
    CHECK_INT(pipe(ends), 0);
    write_request.fd = ends[1];
    tsuga_ring_fault_substitute(bench.fault, TSUGA_RING_WRITE, 2, -EIO);
    tsuga_ring_fault_substitute(bench.fault, TSUGA_RING_WRITE, 3, 1);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, write_request), 4);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, write_request), -EIO);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, write_request), 1);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, write_request), 4);
    CHECK_INT(read(ends[0], buffer, sizeof(buffer)), 9);
    CHECK_STR(buffer, "abcdaabcd");
    CHECK_UINT(tsuga_ring_fault_counts(bench.fault)->substituted, 2);
    close(ends[0]);
    close(ends[1]);
    tear_down(&bench);
}

TEST(ring_fault, hides_kinds)
{
    struct bench bench = {.plan.unsupported_kinds = 1u << TSUGA_RING_BIND};

    set_up(&bench, 4);
    CHECK(!bench.ring->ops->supports(bench.ring, TSUGA_RING_BIND));
    CHECK(bench.ring->ops->supports(bench.ring, TSUGA_RING_SOCKET));
    tear_down(&bench);
}

struct calls {
    unsigned count[3];
    uint64_t last;
};

static void count_calls(void *context, struct tsuga_ring_fault *fault,
                        enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    struct calls *calls = context;

    (void)fault;
    calls->count[call]++;
    CHECK((request != NULL) == (call == TSUGA_RING_FAULT_PUSH));
    if (request != NULL)
        calls->last = request->user_data;
}

TEST(ring_fault, shows_every_call_to_the_hook)
{
    struct calls calls = {.last = 0};
    struct bench bench = {.plan = {.hook = count_calls, .hook_context = &calls}};

    set_up(&bench, 4);
    push_nop(&bench, 41);
    push_nop(&bench, 42);
    CHECK_INT(tsuga_ring_enter(bench.ring, 2, TSUGA_FOREVER), 0);
    check_next(&bench, 41);
    CHECK_UINT(calls.count[TSUGA_RING_FAULT_PUSH], 2);
    CHECK_UINT(calls.count[TSUGA_RING_FAULT_ENTER], 1);
    CHECK_UINT(calls.count[TSUGA_RING_FAULT_REAP], 1);
    CHECK_UINT(calls.last, 42);
    tear_down(&bench);
}

#define STORM_REQUESTS 5000u

struct storm {
    uint64_t pushed;
    uint64_t reaped;
    uint64_t out_of_order;
    uint64_t trace; /* a number that depends on all that was seen, in its order */
    bool is_done[STORM_REQUESTS];
};

static void take_results(struct bench *bench, struct storm *storm)
{
    struct tsuga_ring_result results[5];
    uint32_t count;

    while ((count = tsuga_ring_reap(bench->ring, results, 5)) > 0)
        for (uint32_t i = 0; i < count; i++) {
            CHECK(results[i].user_data < STORM_REQUESTS);
            CHECK(!storm->is_done[results[i].user_data]);
            storm->is_done[results[i].user_data] = true;
            storm->out_of_order += results[i].user_data != storm->reaped++;
            storm->trace = storm->trace * 31 + results[i].user_data;
        }
}

static void weather(uint64_t seed, struct storm *storm)
{
    struct bench bench = {.plan = {.seed = seed,
                                   .refuse_per_mille = 300,
                                   .partial_per_mille = 300,
                                   .hold_per_mille = 200}};
    const struct tsuga_ring_fault_counts *counts;

    set_up(&bench, 16);
    memset(storm, 0, sizeof(*storm));
    while (storm->reaped < STORM_REQUESTS) {
        while (bench.ring->room_count > 0 && storm->pushed < STORM_REQUESTS)
            push_nop(&bench, storm->pushed++);
        storm->trace =
            storm->trace * 31 + (uint64_t)-tsuga_ring_enter(bench.ring, 1, TSUGA_FOREVER);
        CHECK_UINT(bench.ring->room_count + bench.ring->queue_count, bench.ring->entries);
        take_results(&bench, storm);
    }
    counts = tsuga_ring_fault_counts(bench.fault);
    CHECK(counts->refused > 20);
    CHECK(counts->cut_short > 20);
    CHECK(counts->held > 20);
    CHECK(storm->out_of_order > 20);
    CHECK_UINT(counts->finals, STORM_REQUESTS);
    tear_down(&bench);
}

TEST(ring_fault, h24_seeded_faults_lose_nothing_and_repeat)
{
    uint64_t seed = tsuga_test_seed();
    struct storm first;
    struct storm second;

    weather(seed, &first);
    weather(seed, &second);
    CHECK_UINT(second.trace, first.trace);
    weather(seed + 1, &second);
    CHECK(second.trace != first.trace);
}
