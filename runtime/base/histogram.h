/*
 * A histogram with buckets that grow with the value: below 64 each value has its own, above that
 * every power of two is split into 32, so that a value is known to 3 %. After HdrHistogram (G.
 * Tene, 2012), with the precision fixed.
 *
 * Invariant: total is the sum of the counts.
 *
 * Owner: the caller's storage. Thread: one at a time.
 */
#ifndef TSUGA_BASE_HISTOGRAM_H
#define TSUGA_BASE_HISTOGRAM_H

#include <stdint.h>

#include "runtime/base/bits.h"

#define TSUGA_HISTOGRAM_SPLIT_SHIFT 5u
#define TSUGA_HISTOGRAM_SPLIT       (1u << TSUGA_HISTOGRAM_SPLIT_SHIFT)
/* The last bucket holds all from 2^40 on, 18 minutes in nanoseconds. */
#define TSUGA_HISTOGRAM_SHIFT_MAX 40u
#define TSUGA_HISTOGRAM_BUCKETS                                                                    \
    ((TSUGA_HISTOGRAM_SHIFT_MAX - TSUGA_HISTOGRAM_SPLIT_SHIFT + 1) * TSUGA_HISTOGRAM_SPLIT + 1)

struct tsuga_histogram {
    uint64_t total;
    uint64_t counts[TSUGA_HISTOGRAM_BUCKETS];
};

/* The bucket of a value. */
static inline uint32_t tsuga_histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value < TSUGA_HISTOGRAM_SPLIT)
        return (uint32_t)value;
    shift = tsuga_bits_log2_floor(value);
    if (shift >= TSUGA_HISTOGRAM_SHIFT_MAX)
        return TSUGA_HISTOGRAM_BUCKETS - 1;
    shift -= TSUGA_HISTOGRAM_SPLIT_SHIFT;
    return shift * TSUGA_HISTOGRAM_SPLIT + (uint32_t)(value >> shift);
}

static inline void tsuga_histogram_add(struct tsuga_histogram *histogram, uint64_t value)
{
    histogram->counts[tsuga_histogram_bucket(value)]++;
    histogram->total++;
}

/* The least value of a bucket. */
uint64_t tsuga_histogram_floor(uint32_t bucket);

/* Everything that `from` has counted, too. */
void tsuga_histogram_merge(struct tsuga_histogram *histogram, const struct tsuga_histogram *from);

/* The least value of the bucket in which the smallest value lies that is not exceeded by `share`
 * (0 < share <= 1) of all; 0 when nothing was counted. */
uint64_t tsuga_histogram_quantile(const struct tsuga_histogram *histogram, double share);

#endif
