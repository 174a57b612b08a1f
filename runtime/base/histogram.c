#include "runtime/base/histogram.h"

uint64_t tsuga_histogram_floor(uint32_t bucket)
{
    uint32_t shift = bucket / TSUGA_HISTOGRAM_SPLIT;

    if (shift == 0)
        return bucket;
    shift--;
    return (uint64_t)(bucket - shift * TSUGA_HISTOGRAM_SPLIT) << shift;
}

void tsuga_histogram_merge(struct tsuga_histogram *histogram, const struct tsuga_histogram *from)
{
    for (uint32_t i = 0; i < TSUGA_HISTOGRAM_BUCKETS; i++)
        histogram->counts[i] += from->counts[i];
    histogram->total += from->total;
}

uint64_t tsuga_histogram_quantile(const struct tsuga_histogram *histogram, double share)
{
    double wanted = share * (double)histogram->total;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < TSUGA_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (histogram->counts[i] > 0 && (double)seen >= wanted)
            return tsuga_histogram_floor(i);
    }
    return 0;
}
