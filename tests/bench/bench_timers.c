/*
 * What a timer costs: a million messages to oneself that are armed, all of them, and cancelled, in
 * the order of arming and in a random one; one at a time, as a time limit is that seldom strikes;
 * and sent and taken when their time has come.
 *
 * The floor is the same by timeouts in a binary heap of deadlines, an array with back pointers:
 * what a program without a wheel does. Beside it stands what the memory alone costs in this run: a
 * record of one cache line for each timer, and nothing that orders them. All are measured in
 * processor time; nobody waits here.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <tsuga.h>

#include "runtime/base/bits.h"
#include "runtime/base/clock.h"
#include "tests/bench/support.h"

#define TIMER_COUNT 1000000u
#define CASE_COUNT  4u
#define FETCHED     8u
#define HOUR_NS     (3600 * TSUGA_NS_PER_S)

/* What the project promises of a timer that is armed and cancelled. */
#define CANCELLED_NS_MAX 100

enum shape { ALL_IN_ORDER, ALL_SHUFFLED, ONE_BY_ONE, SENT };

struct job {
    struct tsuga_bench_pairs pairs;
    double memory_ns[TSUGA_BENCH_PAIRS_MAX];
    enum shape shape;
};

static struct tsuga_timer_ref timers[TIMER_COUNT];
static uint32_t order[TIMER_COUNT];

/* Delays between now and an hour from now, the same in each round. */
static uint64_t delay_of(uint32_t index)
{
    return (uint64_t)index * UINT64_C(0x9e3779b97f4a7c15) % HOUR_NS;
}

/* The floor: a heap of (deadline, timer), and where in it each timer is. */

static struct {
    uint64_t deadlines[TIMER_COUNT];
    uint32_t who[TIMER_COUNT];
    uint32_t where[TIMER_COUNT];
    uint32_t count;
} heap;

static void place(uint32_t at, uint64_t deadline, uint32_t index)
{
    heap.deadlines[at] = deadline;
    heap.who[at] = index;
    heap.where[index] = at;
}

static void rise(uint32_t at, uint64_t deadline, uint32_t index)
{
    while (at > 0 && heap.deadlines[(at - 1) / 2] > deadline) {
        place(at, heap.deadlines[(at - 1) / 2], heap.who[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(at, deadline, index);
}

static void sink(uint32_t at, uint64_t deadline, uint32_t index)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < heap.count && heap.deadlines[child + 1] < heap.deadlines[child])
            child++;
        if (child >= heap.count || heap.deadlines[child] >= deadline)
            break;
        place(at, heap.deadlines[child], heap.who[child]);
        at = child;
    }
    rise(at, deadline, index);
}

static void heap_arm(uint32_t index, uint64_t deadline)
{
    rise(heap.count++, deadline, index);
}

static void heap_cancel(uint32_t index)
{
    uint32_t at = heap.where[index];

    heap.count--;
    if (at != heap.count)
        sink(at, heap.deadlines[heap.count], heap.who[heap.count]);
}

static double measure_heap(enum shape shape)
{
    uint64_t start_ns = tsuga_bench_processor_ns();

    for (uint32_t i = 0; i < TIMER_COUNT; i++) {
        heap_arm(i, tsuga_bench_now_ns() + delay_of(i));
        if (shape == ONE_BY_ONE)
            heap_cancel(i);
    }
    for (uint32_t i = 0; i < TIMER_COUNT && shape != ONE_BY_ONE; i++)
        heap_cancel(shape == SENT ? heap.who[0] : order[i]);
    return (double)(tsuga_bench_processor_ns() - start_ns) / TIMER_COUNT;
}

/* The memory: records in an array, and a stack of those that are free. */

struct record {
    alignas(TSUGA_CACHE_LINE_BYTES) uint64_t deadline;
    bool is_armed;
};

static struct {
    struct record records[TIMER_COUNT];
    uint32_t free[TIMER_COUNT];
    uint32_t where[TIMER_COUNT];
    uint32_t free_count;
} memory;

static void memory_fill(void)
{
    for (uint32_t i = 0; i < TIMER_COUNT; i++)
        memory.free[i] = TIMER_COUNT - 1 - i;
    memory.free_count = TIMER_COUNT;
}

static void memory_arm(uint32_t index, uint64_t deadline)
{
    uint32_t at;

    /* As the runtime does: else each would wait by itself. */
    for (uint32_t i = 0; i < FETCHED && memory.free_count % FETCHED == 0; i++) {
        if (memory.free_count >= 2 * FETCHED)
            __builtin_prefetch(&memory.records[memory.free[memory.free_count - 2 * FETCHED + i]]);
    }
    at = memory.free[--memory.free_count];
    memory.records[at] = (struct record){deadline, true};
    memory.where[index] = at;
}

static void memory_cancel(uint32_t index)
{
    uint32_t at = memory.where[index];

    if (!memory.records[at].is_armed)
        tsuga_bench_fail("a record", EINVAL);
    memory.records[at].is_armed = false;
    memory.free[memory.free_count++] = at;
}

static double measure_memory(enum shape shape)
{
    uint64_t start_ns = tsuga_bench_processor_ns();

    for (uint32_t i = 0; i < TIMER_COUNT; i++) {
        memory_arm(i, tsuga_bench_now_ns() + delay_of(i));
        if (shape == ONE_BY_ONE)
            memory_cancel(i);
    }
    for (uint32_t i = 0; i < TIMER_COUNT && shape != ONE_BY_ONE; i++)
        memory_cancel(order[i]);
    return (double)(tsuga_bench_processor_ns() - start_ns) / TIMER_COUNT;
}

/* The runtime. */

static void arm(struct tsuga_actor *self, uint32_t index, uint64_t delay_ns)
{
    struct tsuga_mail mail = {.to = tsuga_self(self), .tag = index};

    tsuga_bench_require("tsuga_send_after",
                        tsuga_send_after(self, &mail, delay_ns, &timers[index]));
}

static double measure_cancelled(struct tsuga_actor *self, enum shape shape)
{
    uint64_t start_ns = tsuga_bench_processor_ns();

    for (uint32_t i = 0; i < TIMER_COUNT; i++) {
        arm(self, i, delay_of(i));
        if (shape == ONE_BY_ONE)
            tsuga_bench_require("tsuga_timer_cancel", tsuga_timer_cancel(self, timers[i]));
    }
    for (uint32_t i = 0; i < TIMER_COUNT && shape != ONE_BY_ONE; i++)
        tsuga_bench_require("tsuga_timer_cancel", tsuga_timer_cancel(self, timers[order[i]]));
    return (double)(tsuga_bench_processor_ns() - start_ns) / TIMER_COUNT;
}

static double measure_sent(struct tsuga_actor *self)
{
    const struct tsuga_message *message;
    uint64_t start_ns = tsuga_bench_processor_ns();

    for (uint32_t i = 0; i < TIMER_COUNT; i++)
        arm(self, i, delay_of(i) % TSUGA_NS_PER_MS);
    for (uint32_t i = 0; i < TIMER_COUNT; i++)
        tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
    return (double)(tsuga_bench_processor_ns() - start_ns) / TIMER_COUNT;
}

static void measure(struct tsuga_actor *self, void *argument)
{
    struct job *job = argument;

    while (tsuga_bench_wants_more(&job->pairs)) {
        double floor_ns = measure_heap(job->shape);

        job->memory_ns[job->pairs.count] = measure_memory(job->shape);
        tsuga_bench_add(&job->pairs, floor_ns,
                        job->shape == SENT ? measure_sent(self)
                                           : measure_cancelled(self, job->shape));
        tsuga_bench_require("tsuga_yield", tsuga_yield(self));
    }
}

static void shuffle(void)
{
    uint64_t random = 1;

    for (uint32_t i = TIMER_COUNT - 1; i > 0; i--) {
        uint32_t other;
        uint32_t kept = order[i];

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        other = (uint32_t)((random >> 33) % (i + 1));
        order[i] = order[other];
        order[other] = kept;
    }
}

static void run_case(const char *variant, enum shape shape, double seconds)
{
    static struct job job;
    /* The body's turns are long on purpose. */
    struct tsuga_config config = {.executor = {.threads = 1, .watchdog_us = 60000000}};

    job.shape = shape;
    for (uint32_t i = 0; i < TIMER_COUNT; i++)
        order[i] = i;
    if (shape == ALL_SHUFFLED)
        shuffle();
    memory_fill();
    tsuga_bench_start(&job.pairs, seconds);
    tsuga_bench_require("tsuga_run", tsuga_run(&config, measure, &job));
    tsuga_bench_begin("timers", variant);
    tsuga_bench_summary(&job.pairs, "binary heap");
    tsuga_bench_number("memory_ns", tsuga_bench_quantile(job.memory_ns, job.pairs.count, 0.5));
    if (shape != SENT)
        tsuga_bench_bound("ns", tsuga_bench_quantile(job.pairs.ours, job.pairs.count, 0.5),
                          CANCELLED_NS_MAX, TSUGA_BENCH_AT_MOST);
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 8) / CASE_COUNT;

    run_case("a million armed, then cancelled", ALL_IN_ORDER, seconds);
    run_case("the same, cancelled in random order", ALL_SHUFFLED, seconds);
    run_case("armed and cancelled one by one", ONE_BY_ONE, seconds);
    run_case("armed, sent and taken", SENT, seconds);
    return 0;
}
