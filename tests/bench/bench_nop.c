/*
 * What a completion costs on its way through an actor's mailbox: NOPs, so many in flight, against
 * the same loop in raw liburing.
 *
 * An actor runs both, one after the other and again and again, so both have the same thread, the
 * same processor and the same neighbours. "behaviour" is called once per completion; "await" is a
 * body that blocks for each, and pays for two switches of stacks.
 */
#include <errno.h>
#include <stdio.h>
#include <tsuga.h>

#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define SAMPLE_OPS   20000u
#define CASE_COUNT   5u
#define RING_ENTRIES 256u

struct run {
    struct tsuga_bench_pairs pairs;
    struct io_uring ring;
    uint32_t depth;
    uint32_t submit_count; /* still to be submitted in this sample */
    uint32_t wait_count;   /* still to be completed */
    double floor_ns;
    uint64_t start_ns;
    uint64_t allocations; /* so far, when the first pair was complete */
};

static void fill_nop(struct io_uring_sqe *sqe, uint32_t place, void *context)
{
    (void)place;
    (void)context;
    io_uring_prep_nop(sqe);
}

static double measure_floor(struct run *run)
{
    return tsuga_bench_raw_run(&run->ring, run->depth, SAMPLE_OPS, 0, fill_nop, NULL);
}

static uint64_t allocations(struct tsuga_actor *self)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    return stats.allocations;
}

static void submit(struct tsuga_actor *self, struct run *run)
{
    run->submit_count--;
    tsuga_bench_require("tsuga_nop", tsuga_op_error(tsuga_nop(self)));
}

static void begin_sample(struct tsuga_actor *self, struct run *run)
{
    run->floor_ns = measure_floor(run);
    run->submit_count = SAMPLE_OPS;
    run->wait_count = SAMPLE_OPS;
    run->start_ns = tsuga_bench_now_ns();
    for (uint32_t i = 0; i < run->depth; i++)
        submit(self, run);
}

static void end_sample(struct tsuga_actor *self, struct run *run)
{
    tsuga_bench_add(&run->pairs, run->floor_ns,
                    (double)(tsuga_bench_now_ns() - run->start_ns) / SAMPLE_OPS);
    if (run->pairs.count > 1)
        return;
    run->allocations = allocations(self);
    if (run->allocations == 0)
        tsuga_bench_fail("the allocations before the first operation are counted", -EINVAL);
}

static void finish(struct tsuga_actor *self, struct run *run)
{
    run->allocations = allocations(self) - run->allocations;
    io_uring_queue_exit(&run->ring);
}

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct run *run = *(struct run **)tsuga_state(self);

    if (tsuga_message_completion(message)->result != 0)
        tsuga_bench_require("a nop", -EIO);
    if (run->submit_count > 0)
        submit(self, run);
    if (--run->wait_count > 0)
        return;
    end_sample(self, run);
    if (tsuga_bench_wants_more(&run->pairs)) {
        begin_sample(self, run);
        return;
    }
    finish(self, run);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void start(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;

    *(struct run **)tsuga_state(self) = run;
    tsuga_bench_raw_open(&run->ring, RING_ENTRIES);
    begin_sample(self, run);
}

static void await(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;

    tsuga_bench_raw_open(&run->ring, RING_ENTRIES);
    while (tsuga_bench_wants_more(&run->pairs)) {
        run->floor_ns = measure_floor(run);
        run->start_ns = tsuga_bench_now_ns();
        for (uint32_t i = 0; i < SAMPLE_OPS; i++)
            tsuga_bench_require("tsuga_await", tsuga_await(self, tsuga_nop(self)).result);
        end_sample(self, run);
    }
    finish(self, run);
}

static void run_case(uint32_t depth, bool awaits, double seconds)
{
    static const struct tsuga_config config = {.executor.threads = 1};
    static struct run run;
    struct tsuga_spawn_options options = {.argument = &run, .name = "nop"};
    struct tsuga_runtime *runtime;
    char variant[32];

    run = (struct run){.depth = depth};
    tsuga_bench_start(&run.pairs, seconds);
    if (awaits) {
        options.body = await;
    } else {
        options.behaviour = behave;
        options.start = start;
        options.state_bytes = sizeof(struct run *);
    }
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
    snprintf(variant, sizeof(variant), "%s, depth %u", awaits ? "await" : "behaviour", depth);
    tsuga_bench_begin("nop", variant);
    tsuga_bench_summary(&run.pairs, "raw liburing");
    tsuga_bench_number("allocations", (double)run.allocations);
    tsuga_bench_end();
    if (run.allocations != 0)
        tsuga_bench_require("no allocation between submission and delivery", -ENOMEM);
}

int main(int argc, char **argv)
{
    static const uint32_t depths[] = {1, 8, 32, 128};
    double seconds = tsuga_bench_seconds(argc, argv, 10) / CASE_COUNT;

    for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++)
        run_case(depths[i], false, seconds);
    run_case(1, true, seconds);
    return 0;
}
