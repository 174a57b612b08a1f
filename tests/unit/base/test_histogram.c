/* Counts against a sorted array. */
#include <stdlib.h>

#include "runtime/base/histogram.h"
#include "tests/support/test.h"

#define VALUES 5000u

TEST(histogram, every_value_lies_in_its_bucket)
{
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int step = -2; step <= 2; step++) {
            uint64_t value = (UINT64_C(1) << shift) + (uint64_t)step;
            uint32_t bucket = tsuga_histogram_bucket(value);

            CHECK(bucket < TSUGA_HISTOGRAM_BUCKETS);
            CHECK(tsuga_histogram_floor(bucket) <= value);
            if (bucket + 1 < TSUGA_HISTOGRAM_BUCKETS)
                CHECK(tsuga_histogram_floor(bucket + 1) > value);
        }
    }
}

TEST(histogram, buckets_are_narrow)
{
    for (uint32_t i = 1; i + 1 < TSUGA_HISTOGRAM_BUCKETS; i++) {
        uint64_t floor = tsuga_histogram_floor(i);
        uint64_t width = tsuga_histogram_floor(i + 1) - floor;

        CHECK(width >= 1);
        CHECK(width == 1 || width * 32 <= floor);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

TEST(histogram, quantiles_are_those_of_the_values)
{
    static struct tsuga_histogram parts[2];
    static uint64_t values[VALUES];
    static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    uint64_t random = tsuga_test_seed() | 1;

    CHECK_UINT(tsuga_histogram_quantile(&parts[0], 0.5), 0);
    for (unsigned i = 0; i < VALUES; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = random >> (24 + random % 40);
        tsuga_histogram_add(&parts[i % 2], values[i]);
    }
    tsuga_histogram_merge(&parts[0], &parts[1]);
    CHECK_UINT(parts[0].total, VALUES);
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        unsigned rank = (unsigned)(shares[i] * VALUES + 0.999999);
        uint64_t exact = values[rank - 1];

        CHECK_UINT(tsuga_histogram_quantile(&parts[0], shares[i]),
                   tsuga_histogram_floor(tsuga_histogram_bucket(exact)));
    }
}
