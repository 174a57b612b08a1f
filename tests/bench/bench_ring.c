/*
 * What the ring hook costs by itself, without executor and actors: NOPs pushed, entered and reaped
 * through executor/ring.h, against the same loop in raw liburing.
 */
#include <stdio.h>

#include "executor/ring_uring.h"
#include "ioheap/backing.h"
#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define SAMPLE_OPS      20000u
#define CASE_COUNT      4u
#define RING_ENTRIES    256u
#define CQ_ENTRIES      4096u
#define RESULTS_AT_ONCE 64u

static void fill_nop(struct io_uring_sqe *sqe, uint32_t place, void *context)
{
    (void)place;
    (void)context;
    io_uring_prep_nop(sqe);
}

static void push_nops(struct tsuga_ring *ring, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        tsuga_ring_push(
            ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_NOP, .user_data = i, .fd = -1});
}

/* Reaps what is there and pushes as many anew while `*push_count` lasts. */
static uint32_t turn_round(struct tsuga_ring *ring, uint32_t *push_count)
{
    struct tsuga_ring_result results[RESULTS_AT_ONCE];
    uint32_t count = tsuga_ring_reap(ring, results, RESULTS_AT_ONCE);
    uint32_t again = count < *push_count ? count : *push_count;

    for (uint32_t i = 0; i < count; i++)
        tsuga_bench_require("nop", results[i].result);
    push_nops(ring, again);
    *push_count -= again;
    return count;
}

/* Nanoseconds per request, `depth` in flight. */
static double measure(struct tsuga_ring *ring, uint32_t depth)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    uint32_t push_count = SAMPLE_OPS - depth;
    uint32_t done_count = 0;

    push_nops(ring, depth);
    while (done_count < SAMPLE_OPS) {
        tsuga_bench_require("enter", tsuga_ring_enter(ring, 1, TSUGA_FOREVER));
        while (tsuga_ring_has_results(ring))
            done_count += turn_round(ring, &push_count);
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / SAMPLE_OPS;
}

static void run_case(struct tsuga_ring *ring, struct io_uring *raw, uint32_t depth, double seconds)
{
    static struct tsuga_bench_pairs pairs;
    char variant[32];

    tsuga_bench_start(&pairs, seconds);
    while (tsuga_bench_wants_more(&pairs)) {
        double floor_ns = tsuga_bench_raw_run(raw, depth, SAMPLE_OPS, 0, fill_nop, NULL);

        tsuga_bench_add(&pairs, floor_ns, measure(ring, depth));
    }
    snprintf(variant, sizeof(variant), "depth %u", depth);
    tsuga_bench_begin("ring", variant);
    tsuga_bench_summary(&pairs, "raw liburing");
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    static const uint32_t depths[CASE_COUNT] = {1, 8, 32, 128};
    static const enum tsuga_toggle features[TSUGA_FEATURE_COUNT];
    const struct tsuga_ring_config config = {.entries = RING_ENTRIES,
                                             .cq_entries = CQ_ENTRIES,
                                             .io_workers_bounded = 4,
                                             .io_workers_unbounded = 16,
                                             .features = features};
    struct tsuga_memory memory = tsuga_backing_default()->memory;
    double seconds = tsuga_bench_seconds(argc, argv, 4) / CASE_COUNT;
    struct tsuga_ring *ring;
    struct io_uring raw;

    tsuga_bench_require("ring", tsuga_ring_uring_create(&memory, &config, &ring));
    tsuga_bench_raw_open(&raw, RING_ENTRIES);
    for (uint32_t i = 0; i < CASE_COUNT; i++)
        run_case(ring, &raw, depths[i], seconds);
    io_uring_queue_exit(&raw);
    ring->ops->destroy(ring);
    return 0;
}
