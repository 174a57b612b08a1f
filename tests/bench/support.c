#include "tests/bench/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"

uint64_t tsuga_bench_now_ns(void)
{
    return tsuga_clock_monotonic_ns(NULL);
}

uint64_t tsuga_bench_processor_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * TSUGA_NS_PER_S + (uint64_t)used.tv_nsec;
}

double tsuga_bench_seconds(int argc, char **argv, double fallback)
{
    char *end;
    double seconds;

    if (argc < 2)
        return fallback;
    seconds = strtod(argv[1], &end);
    if (*end == '\0' && seconds > 0)
        return seconds;
    fprintf(stderr, "%s [SECONDS]\n", argv[0]);
    exit(2);
}

void tsuga_bench_start(struct tsuga_bench_pairs *pairs, double seconds)
{
    pairs->count = 0;
    pairs->deadline_ns = tsuga_bench_now_ns() + (uint64_t)(seconds * (double)TSUGA_NS_PER_S);
}

void tsuga_bench_add(struct tsuga_bench_pairs *pairs, double floor, double ours)
{
    pairs->floor[pairs->count] = floor;
    pairs->ours[pairs->count] = ours;
    pairs->count++;
}

bool tsuga_bench_wants_more(const struct tsuga_bench_pairs *pairs)
{
    if (pairs->count == TSUGA_BENCH_PAIRS_MAX)
        return false;
    return pairs->count < TSUGA_BENCH_PAIRS_MIN || tsuga_bench_now_ns() < pairs->deadline_ns;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

double tsuga_bench_quantile(const double *values, size_t count, double share)
{
    double sorted[TSUGA_BENCH_PAIRS_MAX];

    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), compare);
    return sorted[(size_t)(share * (double)(count - 1) + 0.5)];
}

void tsuga_bench_begin(const char *bench, const char *variant)
{
    printf("{\"bench\": \"%s\", \"case\": \"%s\"", bench, variant);
}

void tsuga_bench_text(const char *key, const char *value)
{
    printf(", \"%s\": \"%s\"", key, value);
}

void tsuga_bench_number(const char *key, double value)
{
    printf(", \"%s\": %.10g", key, value);
}

static double rounded(double value)
{
    return (double)(int64_t)(value * 1000 + 0.5) / 1000;
}

static double ratio_quantile(const struct tsuga_bench_pairs *pairs, double share)
{
    double ratios[TSUGA_BENCH_PAIRS_MAX];

    for (size_t i = 0; i < pairs->count; i++)
        ratios[i] = pairs->ours[i] / pairs->floor[i];
    return rounded(tsuga_bench_quantile(ratios, pairs->count, share));
}

double tsuga_bench_ratio(const struct tsuga_bench_pairs *pairs)
{
    return ratio_quantile(pairs, 0.5);
}

void tsuga_bench_summary(const struct tsuga_bench_pairs *pairs, const char *floor_name)
{
    tsuga_bench_number("ns", rounded(tsuga_bench_quantile(pairs->ours, pairs->count, 0.5)));
    tsuga_bench_text("floor", floor_name);
    tsuga_bench_number("floor_ns", rounded(tsuga_bench_quantile(pairs->floor, pairs->count, 0.5)));
    tsuga_bench_number("ratio", tsuga_bench_ratio(pairs));
    tsuga_bench_number("ratio_p10", ratio_quantile(pairs, 0.1));
    tsuga_bench_number("ratio_p90", ratio_quantile(pairs, 0.9));
    tsuga_bench_number("pairs", (double)pairs->count);
}

void tsuga_bench_bound(const char *key, double value, double bound, enum tsuga_bench_sense sense)
{
    bool is_met = sense == TSUGA_BENCH_AT_MOST ? value <= bound : value >= bound;

    printf(", \"%s_bound\": %.10g, \"%s_bound_met\": %s", key, bound, key,
           is_met ? "true" : "false");
}

void tsuga_bench_end(void)
{
    puts("}");
    fflush(stdout);
}

void tsuga_bench_fail(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(1);
}
