/*
 * What the benchmarks share: pairs of measurements, taken in turns so that a disturbance of the
 * machine meets both sides, and one JSON object a line for each case.
 *
 * A pair is one measurement of a floor (the same work by the simplest means there is) and one of
 * the runtime, right after it. The ratio of each pair is formed first and the median of the ratios
 * reported, so that drift between pairs cancels out.
 *
 * Owner: the benchmark. Thread: one at a time.
 */
#ifndef TSUGA_TESTS_SUPPORT_H
#define TSUGA_TESTS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSUGA_BENCH_PAIRS_MIN 15u
#define TSUGA_BENCH_PAIRS_MAX 1024u

struct tsuga_bench_pairs {
    double floor[TSUGA_BENCH_PAIRS_MAX];
    double ours[TSUGA_BENCH_PAIRS_MAX];
    size_t count;
    uint64_t deadline_ns;
};

uint64_t tsuga_bench_now_ns(void);

/* Processor time of all threads. Beside other work on the machine it tells more than the clock, of
 * what one thread does without waiting. */
uint64_t tsuga_bench_processor_ns(void);

/* Seconds for the whole program: its first argument, or `fallback`. Ends the program when the
 * argument is no positive number. */
double tsuga_bench_seconds(int argc, char **argv, double fallback);

/* No pairs yet; more are wanted for so many seconds. */
void tsuga_bench_start(struct tsuga_bench_pairs *pairs, double seconds);

void tsuga_bench_add(struct tsuga_bench_pairs *pairs, double floor, double ours);

/* Until the time is over and there are enough for a median. */
bool tsuga_bench_wants_more(const struct tsuga_bench_pairs *pairs);

/* The value below which `share` (0 ..= 1) of the values lie; sorts a copy. */
double tsuga_bench_quantile(const double *values, size_t count, double share);

/* One line on stdout: begin, any number of the others, end. */
void tsuga_bench_begin(const char *bench, const char *variant);
void tsuga_bench_text(const char *key, const char *value);
void tsuga_bench_number(const char *key, double value);
/* The median of the pairs' ratios. */
double tsuga_bench_ratio(const struct tsuga_bench_pairs *pairs);
void tsuga_bench_summary(const struct tsuga_bench_pairs *pairs, const char *floor_name);
/* What the project promises of a figure, and whether this run kept it. */
enum tsuga_bench_sense { TSUGA_BENCH_AT_MOST, TSUGA_BENCH_AT_LEAST };
void tsuga_bench_bound(const char *key, double value, double bound, enum tsuga_bench_sense sense);
void tsuga_bench_end(void);

/* Of a file of so many pieces the one to be read after this: far away, and each has its turn,
 * unless 1021 divides their number. */
static inline uint32_t tsuga_bench_next_piece(uint32_t piece, uint32_t count)
{
    return (piece + 1021) % count;
}

/* Ends the program with a message. */
_Noreturn void tsuga_bench_fail(const char *what, int error);

/* Nothing that is measured may fail. */
static inline void tsuga_bench_require(const char *what, int error)
{
    if (__builtin_expect(error != 0, 0))
        tsuga_bench_fail(what, error);
}

#endif
