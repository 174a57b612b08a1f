#include "executor/heap_stats.h"

#include "executor/io.h"

_Static_assert(TSUGA_IOHEAP_CLASS_COUNT == TSUGA_CLASS_COUNT, "classes as the contract has them");

void tsuga_heap_stats_from(const struct tsuga_ioheap *heap, struct tsuga_heap_stats *out)
{
    struct tsuga_ioheap_stats stats;

    tsuga_ioheap_stats_read(heap, &stats);
    *out = (struct tsuga_heap_stats){
        .live_bytes = stats.live_bytes,
        .live_bytes_max = stats.live_bytes_max,
        .segment_bytes = stats.segment_bytes,
        .segment_bytes_max = stats.segment_bytes_max,
        .high_water_bytes = stats.high_water_bytes,
        .free_bytes = stats.free_bytes,
        .free_span_max = stats.free_span_max,
    };
    for (unsigned i = 0; i < TSUGA_CLASS_COUNT; i++) {
        out->allocs[i] = stats.classes[i].alloc_count;
        out->live_max[i] = stats.classes[i].live_count_max;
    }
}

static void keep_larger(uint64_t *sum, uint64_t one)
{
    if (one > *sum)
        *sum = one;
}

void tsuga_heap_stats_add(struct tsuga_heap_stats *sum, const struct tsuga_heap_stats *one)
{
    for (unsigned i = 0; i < TSUGA_CLASS_COUNT; i++) {
        sum->allocs[i] += one->allocs[i];
        keep_larger(&sum->live_max[i], one->live_max[i]);
    }
    sum->live_bytes += one->live_bytes;
    sum->segment_bytes += one->segment_bytes;
    sum->free_bytes += one->free_bytes;
    keep_larger(&sum->live_bytes_max, one->live_bytes_max);
    keep_larger(&sum->segment_bytes_max, one->segment_bytes_max);
    keep_larger(&sum->high_water_bytes, one->high_water_bytes);
    keep_larger(&sum->free_span_max, one->free_span_max);
}

void tsuga_heap_stats_read(struct tsuga_actor *self, struct tsuga_heap_stats *out)
{
    const struct tsuga_seat *seat = tsuga_seat_of(self);

    *out = (struct tsuga_heap_stats){0};
    if (seat->io != NULL)
        tsuga_heap_stats_from(&seat->io->heap, out);
}
