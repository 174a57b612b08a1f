/*
 * Draws the curves of scaling.h as numbers: one JSON object a line for each case and size, then one
 * for each case with its flatness, how much more a unit costs at the greatest size than at
 * FLAT_FROM. Below that the fixed costs of a round are shared by few, which is no question of
 * scale.
 *
 *     scaling [SECONDS [COUNT_MAX]]
 *
 * COUNT_MAX leaves greater sizes out, on machines with little memory.
 *
 * All of it runs on one processor, the echo servers and their load, too: who is awakened elsewhere
 * pays for it, one time more than another.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "tests/bench/scaling/scaling.h"
#include "tests/bench/support.h"

#define ROUNDS_MIN 3u
#define STEP       4u /* from one size to the next */
#define FLAT_FROM  64u
#define POINTS_MAX 16u

struct point {
    uint32_t count;
    struct tsuga_bench_pairs rounds;
};

struct curve {
    const struct scaling_case *what;
    uint32_t point_count;
    struct point points[POINTS_MAX];
};

static const struct scaling_case *const cases[] = {&scaling_actors, &scaling_connections,
                                                   &scaling_operations, &scaling_blocks};
#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

void *scaling_memory(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    tsuga_bench_require("memory", memory == NULL ? -ENOMEM : 0);
    return memory;
}

/* To the processor that the scheduler has chosen. */
static void pin(void)
{
    cpu_set_t here;

    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    if (sched_setaffinity(0, sizeof(here), &here) != 0)
        tsuga_bench_fail("sched_setaffinity", -errno);
}

static void add_point(struct curve *curve, uint32_t count, uint32_t count_allowed)
{
    if (count > count_allowed) {
        fprintf(stderr, "scaling: skipped: %u %s: no more than %u are allowed\n", count,
                curve->what->name, count_allowed);
        return;
    }
    curve->points[curve->point_count++].count = count;
}

/* Powers of STEP, and the greatest size, whether it is one or not. */
static void plan(struct curve *curve, const struct scaling_case *what, uint32_t count_max)
{
    uint32_t allowed = what->count_allowed == NULL ? UINT32_MAX : what->count_allowed();
    uint32_t count = 1;

    curve->what = what;
    if (count_max > what->count_max)
        count_max = what->count_max;
    for (; count < count_max; count *= STEP)
        add_point(curve, count, allowed);
    add_point(curve, count_max, allowed);
}

static void measure_round(struct curve *curves)
{
    struct scaling_sample sample;

    for (size_t c = 0; c < CASE_COUNT; c++) {
        for (uint32_t i = 0; i < curves[c].point_count; i++) {
            struct point *point = &curves[c].points[i];

            curves[c].what->measure(point->count, &sample);
            tsuga_bench_add(&point->rounds, sample.floor_ns, sample.ours_ns);
        }
    }
}

static void print_point(const struct scaling_case *what, const struct point *point)
{
    const struct tsuga_bench_pairs *rounds = &point->rounds;

    tsuga_bench_begin("scaling", what->name);
    tsuga_bench_number("count", point->count);
    tsuga_bench_text("of", what->unit);
    tsuga_bench_summary(rounds, what->floor);
    tsuga_bench_number("ns_p10", tsuga_bench_quantile(rounds->ours, rounds->count, 0.1));
    tsuga_bench_number("ns_p90", tsuga_bench_quantile(rounds->ours, rounds->count, 0.9));
    tsuga_bench_end();
}

/* How many times as much it costs at the greatest size, formed within each round. */
static double rise(const double *first, const double *last, size_t count)
{
    static struct tsuga_bench_pairs pairs;

    pairs.count = 0;
    for (size_t i = 0; i < count; i++)
        tsuga_bench_add(&pairs, first[i], last[i]);
    return tsuga_bench_ratio(&pairs);
}

static void print_flatness(const struct curve *curve)
{
    const struct point *last = &curve->points[curve->point_count - 1];

    for (const struct point *first = curve->points; first < last; first++) {
        if (first->count < FLAT_FROM)
            continue;
        tsuga_bench_begin("scaling", curve->what->name);
        tsuga_bench_number("from", first->count);
        tsuga_bench_number("to", last->count);
        tsuga_bench_number("flatness",
                           rise(first->rounds.ours, last->rounds.ours, last->rounds.count));
        tsuga_bench_number("floor_flatness",
                           rise(first->rounds.floor, last->rounds.floor, last->rounds.count));
        tsuga_bench_end();
        return;
    }
}

static uint32_t count_max_of(int argc, char **argv)
{
    unsigned long count;
    char *end;

    if (argc < 3)
        return UINT32_MAX;
    count = strtoul(argv[2], &end, 10);
    if (*end == '\0' && count > 0 && count <= UINT32_MAX)
        return (uint32_t)count;
    fprintf(stderr, "%s [SECONDS [COUNT_MAX]]\n", argv[0]);
    exit(2);
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 20);
    uint32_t count_max = count_max_of(argc, argv);
    uint64_t deadline_ns = tsuga_bench_now_ns() + (uint64_t)(seconds * (double)TSUGA_NS_PER_S);
    struct curve *curves = scaling_memory(CASE_COUNT, sizeof(*curves));

    pin();
    for (size_t c = 0; c < CASE_COUNT; c++)
        plan(&curves[c], cases[c], count_max);
    for (uint32_t round = 0; round < TSUGA_BENCH_PAIRS_MAX; round++) {
        if (round >= ROUNDS_MIN && tsuga_bench_now_ns() >= deadline_ns)
            break;
        measure_round(curves);
    }
    for (size_t c = 0; c < CASE_COUNT; c++) {
        for (uint32_t i = 0; i < curves[c].point_count; i++)
            print_point(cases[c], &curves[c].points[i]);
        print_flatness(&curves[c]);
    }
    free(curves);
    return 0;
}
