#include "ioheap/ioheap.h"

#include <errno.h>
#include <string.h>

#include "ioheap/rules.h"
#include "runtime/base/bits.h"
#include "runtime/base/sanitize.h"

/* A heap of more bytes is not walked after each call, not even in test builds. */
#define DEEP_CHECK_BYTES_MAX (UINT64_C(64) << 10)
/* Smaller segments are not worth looking for: there may be a hundred thousand heaps. */
#define DECAY_SHIFT_MIN 16u
#define DECAY_HEAPS     256u

static inline size_t order_bytes(unsigned order)
{
    return (size_t)1 << (TSUGA_IOHEAP_BLOCK_SHIFT_MIN + order);
}

/* The order of the smallest allowed class that holds the bytes, which one does. */
static inline unsigned order_for(const struct tsuga_ioheap *heap, size_t bytes)
{
    uint64_t last_byte = (bytes - 1) | (order_bytes(0) - 1);
    unsigned fitting = tsuga_bits_log2_floor(last_byte) + 1 - TSUGA_IOHEAP_BLOCK_SHIFT_MIN;

    return tsuga_bits_lowest(heap->orders_allowed & (UINT32_MAX << fitting));
}

size_t tsuga_ioheap_class_bytes(const struct tsuga_ioheap *heap, size_t bytes)
{
    return order_bytes(order_for(heap, bytes));
}

static inline void *block_at(const struct tsuga_span_region *region, uint32_t unit)
{
    return region->base + ((size_t)unit << TSUGA_IOHEAP_BLOCK_SHIFT_MIN);
}

/* A region is aligned to its size. */
static inline uint32_t unit_at(const struct tsuga_span_region *region, const void *address)
{
    return (uint32_t)((uintptr_t)address >> TSUGA_IOHEAP_BLOCK_SHIFT_MIN) &
           (region->unit_count - 1);
}

#ifdef TSUGA_DEEP_CHECKS
static void deep_check(const struct tsuga_ioheap *heap)
{
    if (heap->segment_bytes <= DEEP_CHECK_BYTES_MAX)
        tsuga_ioheap_check(heap);
}
#endif

/* Making a heap. */

static bool config_is_valid(const struct tsuga_reserve *reserve,
                            const struct tsuga_ioheap_config *config)
{
    uint64_t first = config->segment_bytes_min;
    uint32_t mask = config->class_mask;

    if (first != 0 &&
        (!tsuga_bits_is_power_of_two(first) || first >> tsuga_segment_shift_max(reserve) > 1))
        return false;
    if ((mask & ~TSUGA_IOHEAP_CLASSES_ALL) != 0)
        return false;
    return mask == 0 || tsuga_bits_log2_floor(mask) <= tsuga_segment_shift_max(reserve);
}

/* The classes that fit into a segment, when all are wanted. */
static uint32_t orders_allowed(const struct tsuga_reserve *reserve, uint32_t class_mask)
{
    uint32_t classes = TSUGA_IOHEAP_CLASSES_ALL;

    if (class_mask != 0)
        classes = class_mask;
    else if (tsuga_segment_shift_max(reserve) < TSUGA_IOHEAP_BLOCK_SHIFT_MAX)
        classes &= (UINT32_C(2) << tsuga_segment_shift_max(reserve)) - 1;
    return classes >> TSUGA_IOHEAP_BLOCK_SHIFT_MIN;
}

int tsuga_ioheap_init(struct tsuga_ioheap *heap, struct tsuga_arena_pool *pool,
                      const struct tsuga_ioheap_config *config)
{
    static const struct tsuga_ioheap_config defaults = {0};
    struct tsuga_reserve *reserve = pool->reserve;
    unsigned shift = reserve->segment_shift_min;

    config = config == NULL ? &defaults : config;
    if (!config_is_valid(reserve, config))
        return -EINVAL;
    if (config->segment_bytes_min >> shift != 0)
        shift = tsuga_bits_log2_floor(config->segment_bytes_min);
    *heap = (struct tsuga_ioheap){
        .reserve = reserve,
        .pool = pool,
        .quota_bytes = config->quota_bytes == 0 ? UINT64_MAX : config->quota_bytes,
        .segment_shift_first = (uint8_t)shift,
        .orders_allowed = orders_allowed(reserve, config->class_mask),
    };
    heap->block_shift_max =
        (uint8_t)(TSUGA_IOHEAP_BLOCK_SHIFT_MIN + tsuga_bits_log2_floor(heap->orders_allowed));
    tsuga_span_map_init(&heap->spans, &reserve->backing->memory);
    tsuga_list_init(&heap->link);
    return 0;
}

/* Thread: of the new executor, when the old one does not look at its heaps. */
void tsuga_ioheap_move(struct tsuga_ioheap *heap, struct tsuga_arena_pool *pool)
{
    TSUGA_ASSERT(pool->reserve == heap->reserve);
    heap->pool = pool;
    if (!tsuga_list_is_linked(&heap->link))
        return;
    tsuga_list_remove(&heap->link);
    tsuga_list_push_back(&pool->heaps, &heap->link);
}

/* Segments. */

static void segment_remove_regions(struct tsuga_ioheap *heap, struct tsuga_segment *segment,
                                   uint32_t count)
{
    while (count > 0)
        tsuga_span_map_remove(&heap->spans, tsuga_segment_region(segment, --count));
}

static size_t classes_bytes(const struct tsuga_ioheap *heap)
{
    return heap->class_count * sizeof(*heap->classes);
}

/* Makes room for the counters of blocks up to this order. */
static int classes_grow(struct tsuga_ioheap *heap, unsigned order)
{
    const struct tsuga_memory *memory = heap->spans.memory;
    struct tsuga_ioheap_class *classes;

    if (order < heap->class_count)
        return 0;
    classes = tsuga_memory_alloc_zeroed(memory, (order + 1) * sizeof(*classes));
    if (classes == NULL)
        return -ENOMEM;
    if (heap->class_count > 0)
        memcpy(classes, heap->classes, classes_bytes(heap));
    tsuga_memory_free(memory, heap->classes, classes_bytes(heap));
    heap->classes = classes;
    heap->class_count = (uint8_t)(order + 1);
    return 0;
}

/* Puts the segment behind the others. */
static int segment_add(struct tsuga_ioheap *heap, struct tsuga_segment *segment)
{
    int error = classes_grow(heap, segment->regions->order);

    if (error != 0)
        return error;
    for (uint32_t i = 0; i < segment->region_count; i++) {
        error = tsuga_span_map_add(&heap->spans, tsuga_segment_region(segment, i));
        if (error != 0) {
            segment_remove_regions(heap, segment, i);
            return error;
        }
    }
    if (heap->segments_last == NULL)
        heap->segments_first = segment;
    else
        heap->segments_last->next = segment;
    heap->segments_last = segment;
    heap->segment_bytes += UINT64_C(1) << segment->shift;
    if (heap->segment_bytes > heap->segment_bytes_max)
        heap->segment_bytes_max = heap->segment_bytes;
    if (segment->shift >= DECAY_SHIFT_MIN && !tsuga_list_is_linked(&heap->link))
        tsuga_list_push_back(&heap->pool->heaps, &heap->link);
    return 0;
}

static int segment_take_and_add(struct tsuga_ioheap *heap, unsigned shift)
{
    struct tsuga_segment *segment;
    int error;

    if (heap->segment_bytes + heap->lent_bytes + (UINT64_C(1) << shift) > heap->quota_bytes)
        return -ENOBUFS;
    error = tsuga_segment_take(heap->pool, shift, heap, &segment);
    if (error != 0)
        return error;
    error = segment_add(heap, segment);
    if (error != 0)
        tsuga_segment_give(heap->pool, segment);
    return error;
}

/* Adds as much as there is already, up to an arena; less where the quota or the memory ends, but
 * enough for one block of the order. Apart, so that no allocation saves registers for it. */
__attribute__((noinline)) static int grow(struct tsuga_ioheap *heap, unsigned order)
{
    unsigned least = TSUGA_IOHEAP_BLOCK_SHIFT_MIN + order;
    unsigned shift = heap->segment_shift_first;
    int error;

    if (least < heap->reserve->segment_shift_min)
        least = heap->reserve->segment_shift_min;
    if (heap->segment_bytes > 0)
        shift = tsuga_bits_log2_floor(heap->segment_bytes);
    if (shift > tsuga_segment_shift_max(heap->reserve))
        shift = tsuga_segment_shift_max(heap->reserve);
    if (shift < least)
        shift = least;
    do
        error = segment_take_and_add(heap, shift);
    while (error != 0 && shift-- > least);
    return error == 0 ? 0 : -ENOBUFS;
}

static bool segment_is_free(const struct tsuga_segment *segment)
{
    for (uint32_t i = 0; i < segment->region_count; i++) {
        if (!tsuga_span_region_is_free(tsuga_segment_region(segment, i)))
            return false;
    }
    return true;
}

/* True when the segment is wholly free and was so for the decay time. Giving a block back sets
 * idle_ns to 0. */
static bool segment_is_decayed(const struct tsuga_ioheap *heap, struct tsuga_segment *segment,
                               uint64_t now_ns)
{
    uint64_t idle_ns = 1;

    for (uint32_t i = 0; i < segment->region_count; i++) {
        struct tsuga_span_region *region = tsuga_segment_region(segment, i);

        if (region->idle_ns == 0)
            region->idle_ns = now_ns;
        if (region->idle_ns > idle_ns)
            idle_ns = region->idle_ns;
    }
    return now_ns - idle_ns >= heap->pool->config.decay_ns;
}

/* The furthest byte ever handed out, segments laid end to end. */
static uint64_t high_water(const struct tsuga_ioheap *heap)
{
    uint64_t before = 0;
    uint64_t furthest = heap->high_water_bytes_max;

    for (const struct tsuga_segment *segment = heap->segments_first; segment != NULL;
         segment = segment->next) {
        for (uint32_t i = 0; i < segment->region_count; i++) {
            const struct tsuga_span_region *region = tsuga_segment_region(segment, i);
            uint64_t end = before + (i * TSUGA_IOHEAP_BLOCK_BYTES_MAX) +
                           ((uint64_t)region->unit_high << TSUGA_IOHEAP_BLOCK_SHIFT_MIN);

            if (region->unit_high > 0 && end > furthest)
                furthest = end;
        }
        before += UINT64_C(1) << segment->shift;
    }
    return furthest;
}

/* Gives the segment back that `link` leads to. */
static void segment_drop(struct tsuga_ioheap *heap, struct tsuga_segment **link)
{
    struct tsuga_segment *segment = *link;

    *link = segment->next;
    segment_remove_regions(heap, segment, segment->region_count);
    heap->segment_bytes -= UINT64_C(1) << segment->shift;
    tsuga_segment_give(heap->pool, segment);
}

/* True when free segments remain. */
static bool drop_segments(struct tsuga_ioheap *heap, bool only_decayed, uint64_t now_ns)
{
    struct tsuga_segment **link = &heap->segments_first;
    bool has_more = false;

    heap->high_water_bytes_max = high_water(heap);
    heap->segments_last = NULL;
    while (*link != NULL) {
        bool is_free = segment_is_free(*link);

        if (is_free && (!only_decayed || segment_is_decayed(heap, *link, now_ns))) {
            segment_drop(heap, link);
            continue;
        }
        has_more |= is_free;
        heap->segments_last = *link;
        link = &(*link)->next;
    }
    TSUGA_DEEP(deep_check(heap));
    return has_more;
}

bool tsuga_ioheap_decay(struct tsuga_ioheap *heap, uint64_t now_ns)
{
    return drop_segments(heap, true, now_ns);
}

static bool has_large_segment(const struct tsuga_ioheap *heap)
{
    const struct tsuga_segment *segment = heap->segments_first;

    while (segment != NULL && segment->shift < DECAY_SHIFT_MIN)
        segment = segment->next;
    return segment != NULL;
}

bool tsuga_ioheap_decay_pool(struct tsuga_arena_pool *pool, uint64_t now_ns)
{
    struct tsuga_list_node seen;
    bool has_more = false;

    tsuga_list_init(&seen);
    for (unsigned i = 0; i < DECAY_HEAPS && !tsuga_list_is_empty(&pool->heaps); i++) {
        struct tsuga_ioheap *heap =
            TSUGA_CONTAINER_OF(tsuga_list_pop_front(&pool->heaps), struct tsuga_ioheap, link);

        has_more |= tsuga_ioheap_decay(heap, now_ns);
        if (has_large_segment(heap))
            tsuga_list_push_back(&seen, &heap->link);
    }
    while (!tsuga_list_is_empty(&seen))
        tsuga_list_push_back(&pool->heaps, tsuga_list_pop_front(&seen));
    return has_more;
}

void tsuga_ioheap_trim(struct tsuga_ioheap *heap)
{
    (void)drop_segments(heap, false, 0);
}

void tsuga_ioheap_fini(struct tsuga_ioheap *heap)
{
    TSUGA_VERIFY(heap->live_bytes == 0); /* else the next owner would share the blocks */
    tsuga_list_remove(&heap->link);
    while (heap->segments_first != NULL)
        segment_drop(heap, &heap->segments_first);
    tsuga_memory_free(heap->spans.memory, heap->classes, classes_bytes(heap));
    tsuga_span_map_fini(&heap->spans);
}

/* Blocks. */

static inline void count_alloc(struct tsuga_ioheap *heap, unsigned order)
{
    struct tsuga_ioheap_class *class = &heap->classes[order];

    class->alloc_count++;
    class->live_count++;
    if (class->live_count > class->live_count_max)
        class->live_count_max = class->live_count;
    heap->live_bytes += order_bytes(order);
    if (heap->live_bytes > heap->live_bytes_max)
        heap->live_bytes_max = heap->live_bytes;
}

int tsuga_ioheap_alloc(struct tsuga_ioheap *heap, size_t bytes, void **out)
{
    const struct tsuga_reserve_range *range;
    struct tsuga_span span;
    unsigned order;
    void *block;

    if ((bytes - 1) >> heap->block_shift_max != 0)
        return bytes == 0 ? -EINVAL : -EMSGSIZE;
    order = order_for(heap, bytes);
    span = tsuga_span_take(&heap->spans, order);
    if (span.region == NULL) {
        int error = grow(heap, order);

        if (error != 0)
            return error;
        span = tsuga_span_take(&heap->spans, order);
    }
    block = block_at(span.region, span.unit);
    range = span.region->range;
    tsuga_notes_add(&range->notes, tsuga_reserve_unit_of(range, block), order);
    count_alloc(heap, order);
    tsuga_sanitize_unpoison(block, order_bytes(order));
    TSUGA_DEEP(deep_check(heap));
    *out = block;
    return 0;
}

/* The region of this heap that an address lies in; NULL when it lies in none. */
static inline struct tsuga_span_region *region_find(const struct tsuga_ioheap *heap,
                                                    const struct tsuga_reserve_range *range,
                                                    const void *address)
{
    const struct tsuga_arena *arena = tsuga_reserve_arena_of(heap->reserve, range, address);
    struct tsuga_span_region *region;

    if (arena->regions == NULL)
        return NULL;
    region = tsuga_arena_region(arena, address);
    return region != NULL && region->map == &heap->spans ? region : NULL;
}

/* 1 + order of the block that starts at the address; 0: none does. */
static inline unsigned note_at(const struct tsuga_reserve_range *range, const void *address)
{
    return tsuga_notes_get(&range->notes, tsuga_reserve_unit_of(range, address));
}

void tsuga_ioheap_free(struct tsuga_ioheap *heap, void *block)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(heap->reserve, block);
    struct tsuga_span_region *region;
    unsigned order;

    TSUGA_VERIFY(range != NULL); /* else it is no block */
    region = region_find(heap, range, block);
    TSUGA_VERIFY(region != NULL); /* else it belongs to another heap */
    order = tsuga_notes_remove(&range->notes, tsuga_reserve_unit_of(range, block)) - 1;
    TSUGA_VERIFY(order <= TSUGA_SPAN_ORDER_MAX); /* else it was freed, and may have a new owner */
    if (!tsuga_rules_keep(heap->spans.rules_off, TSUGA_RULE_FREED_ONCE))
        tsuga_notes_add(&range->notes, tsuga_reserve_unit_of(range, block), order);
    heap->classes[order].live_count--;
    heap->live_bytes -= order_bytes(order);
    tsuga_sanitize_poison(block, order_bytes(order));
    tsuga_span_give(&heap->spans, region, unit_at(region, block), order);
    TSUGA_DEEP(deep_check(heap));
}

bool tsuga_ioheap_free_remote(struct tsuga_ioheap *heap, void *block)
{
    void *first = atomic_load_explicit(&heap->returned, memory_order_relaxed);

    do
        memcpy(block, &first, sizeof(first));
    /* Hands the block over. Pairs with the exchange in tsuga_ioheap_drain(). */
    while (!atomic_compare_exchange_weak_explicit(&heap->returned, &first, block,
                                                  memory_order_release, memory_order_relaxed));
    return first == NULL;
}

uint32_t tsuga_ioheap_drain(struct tsuga_ioheap *heap)
{
    uint32_t count = 0;
    void *block;

    if (!tsuga_ioheap_has_returns(heap))
        return 0;
    /* Pairs with the release exchange in tsuga_ioheap_free_remote(). */
    block = atomic_exchange_explicit(&heap->returned, NULL, memory_order_acquire);
    while (block != NULL) {
        void *next;

        memcpy(&next, block, sizeof(next));
        tsuga_ioheap_free(heap, block);
        block = next;
        count++;
    }
    return count;
}

uint32_t tsuga_ioheap_live_count(const struct tsuga_ioheap *heap)
{
    uint32_t count = 0;

    for (unsigned order = 0; order < heap->class_count; order++)
        count += heap->classes[order].live_count;
    return count;
}

size_t tsuga_ioheap_block_bytes(const struct tsuga_ioheap *heap, const void *block)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(heap->reserve, block);

    TSUGA_VERIFY(range != NULL);
    TSUGA_VERIFY(note_at(range, block) != 0); /* else it is not live */
    return order_bytes(note_at(range, block) - 1);
}

void *tsuga_ioheap_block_start(const struct tsuga_ioheap *heap, const void *address)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(heap->reserve, address);
    const struct tsuga_span_region *region =
        range == NULL ? NULL : region_find(heap, range, address);

    /* A block starts at a multiple of its size: round down to each size in turn. The first start
     * that turns up is the right one, or none is, because blocks do not overlap. */
    for (unsigned order = 0; region != NULL && order <= region->order; order++) {
        uint32_t unit = unit_at(region, address);
        uint32_t start = unit & ~((1u << order) - 1);
        unsigned note = note_at(range, block_at(region, start));

        if (note != 0)
            return start + (1u << (note - 1)) > unit ? block_at(region, start) : NULL;
    }
    return NULL;
}

/* Looking at a heap. */

/* Units of the free span that starts at the unit, which lies in no block. */
static uint32_t free_units_at(const struct tsuga_span_region *region, uint32_t unit)
{
    unsigned order = 0;

    while (!tsuga_span_is_free(region, unit, order)) {
        order++;
        TSUGA_VERIFY(order <= region->order); /* else a unit is neither free nor in a block */
    }
    return 1u << order;
}

struct tour {
    tsuga_ioheap_visit_fn *visit;
    void *context;
    struct tsuga_ioheap_stretch pending; /* a free stretch that may grow; 0 bytes: none */
};

static void flush(struct tour *tour)
{
    if (tour->pending.bytes > 0)
        tour->visit(tour->context, &tour->pending);
    tour->pending.bytes = 0;
}

static void meet(struct tour *tour, const struct tsuga_ioheap_stretch *stretch)
{
    if (!stretch->is_live && tour->pending.bytes > 0) {
        tour->pending.bytes += stretch->bytes;
        return;
    }
    flush(tour);
    if (stretch->is_live)
        tour->visit(tour->context, stretch);
    else
        tour->pending = *stretch;
}

static void walk_region(const struct tsuga_ioheap *heap, const struct tsuga_span_region *region,
                        uint32_t segment_index, struct tour *tour)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(heap->reserve, region->base);
    uint32_t units;

    for (uint32_t unit = 0; unit < 1u << region->order; unit += units) {
        unsigned note = note_at(range, block_at(region, unit));
        struct tsuga_ioheap_stretch stretch = {
            .base = block_at(region, unit),
            .segment_index = segment_index,
            .is_live = note != 0,
        };

        units = note != 0 ? 1u << (note - 1) : free_units_at(region, unit);
        stretch.bytes = (uint64_t)units << TSUGA_IOHEAP_BLOCK_SHIFT_MIN;
        meet(tour, &stretch);
    }
}

void tsuga_ioheap_walk(const struct tsuga_ioheap *heap, tsuga_ioheap_visit_fn *visit, void *context)
{
    struct tour tour = {.visit = visit, .context = context};
    uint32_t index = 0;

    for (const struct tsuga_segment *segment = heap->segments_first; segment != NULL;
         segment = segment->next) {
        for (uint32_t i = 0; i < segment->region_count; i++)
            walk_region(heap, tsuga_segment_region(segment, i), index, &tour);
        flush(&tour);
        index++;
    }
}

static void count_free(void *context, const struct tsuga_ioheap_stretch *stretch)
{
    struct tsuga_ioheap_stats *stats = context;

    if (!stretch->is_live && stretch->bytes > stats->free_span_max)
        stats->free_span_max = stretch->bytes;
}

void tsuga_ioheap_stats_read(const struct tsuga_ioheap *heap, struct tsuga_ioheap_stats *out)
{
    *out = (struct tsuga_ioheap_stats){
        .live_bytes = heap->live_bytes,
        .live_bytes_max = heap->live_bytes_max,
        .live_count = tsuga_ioheap_live_count(heap),
        .segment_bytes = heap->segment_bytes,
        .segment_bytes_max = heap->segment_bytes_max,
        .high_water_bytes = high_water(heap),
        .free_bytes = heap->segment_bytes - heap->live_bytes,
        .table_bytes = sizeof(*heap) + classes_bytes(heap) +
                       tsuga_span_map_table_bytes(&heap->spans) +
                       tsuga_notes_bytes(heap->segment_bytes >> TSUGA_IOHEAP_BLOCK_SHIFT_MIN),
    };
    if (heap->class_count > 0)
        memcpy(out->classes, heap->classes, classes_bytes(heap));
    for (const struct tsuga_segment *segment = heap->segments_first; segment != NULL;
         segment = segment->next) {
        out->segment_count++;
        out->table_bytes += segment->table_bytes;
        for (uint32_t i = 0; i < segment->region_count; i++) {
            for (unsigned order = 0; order < TSUGA_IOHEAP_CLASS_COUNT; order++)
                out->free_span_counts[order] +=
                    tsuga_span_free_count(tsuga_segment_region(segment, i), order);
        }
    }
    tsuga_ioheap_walk(heap, count_free, out);
}

struct census {
    uint64_t live_bytes;
    uint64_t free_bytes;
    uint32_t live_count;
};

static void count_stretch(void *context, const struct tsuga_ioheap_stretch *stretch)
{
    struct census *census = context;

    if (stretch->is_live) {
        TSUGA_VERIFY(((uintptr_t)stretch->base & (stretch->bytes - 1)) == 0);
        census->live_bytes += stretch->bytes;
        census->live_count++;
    } else {
        census->free_bytes += stretch->bytes;
    }
}

void tsuga_ioheap_check(const struct tsuga_ioheap *heap)
{
    struct census census = {0};

    tsuga_span_map_check(&heap->spans);
    tsuga_ioheap_walk(heap, count_stretch, &census);
    TSUGA_VERIFY(census.live_bytes == heap->live_bytes);
    TSUGA_VERIFY(census.live_count == tsuga_ioheap_live_count(heap));
    TSUGA_VERIFY(census.live_bytes + census.free_bytes == heap->segment_bytes);
    TSUGA_VERIFY(heap->segment_bytes <= heap->quota_bytes);
}
