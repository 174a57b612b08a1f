#include "ioheap/reserve.h"

#include <errno.h>

#include "runtime/base/bits.h"
#include "runtime/base/sanitize.h"

#define RANGE_BYTES_DEFAULT (UINT64_C(64) << 30)
/* More than a process can have; the sums below do not overflow. */
#define RANGE_BYTES_MAX       (UINT64_C(1) << 47)
#define ARENA_BYTES_DEFAULT   (UINT64_C(2) << 20)
#define SEGMENT_BYTES_DEFAULT (UINT64_C(1) << 10)
/* A huge page is registered with a ring in a tenth of the time that small ones take. It is pinned,
 * and charged to locked memory, as a whole: so it must not lie in several arenas. */
#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
#define PAGE_BYTES      UINT64_C(4096)

static bool sizes_are_valid(uint64_t bytes, uint64_t arena_bytes, uint64_t segment_bytes)
{
    if (bytes > RANGE_BYTES_MAX)
        return false;
    if (!tsuga_bits_is_power_of_two(arena_bytes) || !tsuga_bits_is_power_of_two(segment_bytes))
        return false;
    if (arena_bytes >> TSUGA_ARENA_SHIFT_MIN == 0 || arena_bytes >> TSUGA_ARENA_SHIFT_MAX > 1)
        return false;
    return segment_bytes >= TSUGA_SEGMENT_BYTES_MIN && segment_bytes <= arena_bytes &&
           arena_bytes / segment_bytes <= TSUGA_SPAN_UNIT_COUNT_MAX;
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

/* Maps one range of so many bytes with its tables. */
static int range_map(const struct tsuga_reserve *reserve, uint64_t bytes,
                     struct tsuga_reserve_range *range)
{
    const struct tsuga_backing *backing = reserve->backing;
    size_t arenas_bytes = (bytes >> reserve->arena_shift) * sizeof(struct tsuga_arena);
    size_t regions_bytes =
        (bytes >> reserve->segment_shift_min) * sizeof(struct tsuga_span_region *);
    size_t unit_count = bytes >> TSUGA_IOHEAP_BLOCK_SHIFT_MIN;
    size_t table_bytes = tsuga_bits_round_up(
        arenas_bytes + regions_bytes + tsuga_notes_bytes(unit_count), PAGE_BYTES);
    void *base;
    void *tables;
    int error = backing->reserve(backing->context, bytes, reserve->arena_bytes, &base);

    if (error != 0)
        return error;
    error = backing->reserve(backing->context, table_bytes, PAGE_BYTES, &tables);
    if (error != 0) {
        backing->release(backing->context, base, bytes);
        return error;
    }
    backing->advise(backing->context, base, bytes,
                    !reserve->small_pages && reserve->arena_bytes >= HUGE_PAGE_BYTES);
    *range = (struct tsuga_reserve_range){
        .base = base,
        .bytes = bytes,
        .arenas = tables,
        .regions = (void *)((char *)tables + arenas_bytes),
        .notes = tsuga_notes_make((uint8_t *)tables + arenas_bytes + regions_bytes, unit_count),
        .table_bytes = table_bytes,
    };
    return 0;
}

/* Adds a range of the size that last fitted, halved until it fits again. */
static int range_add(struct tsuga_reserve *reserve)
{
    uint32_t count = atomic_load_explicit(&reserve->range_count, memory_order_relaxed);

    if (count == TSUGA_RESERVE_RANGE_COUNT_MAX)
        return -ENOMEM;
    while (range_map(reserve, reserve->range_bytes, &reserve->ranges[count]) != 0) {
        uint64_t half = tsuga_bits_round_down(reserve->range_bytes / 2, reserve->arena_bytes);

        if (half == 0)
            return -ENOMEM;
        reserve->range_bytes = half;
    }
    /* Publishes the range. Pairs with the acquire load in tsuga_reserve_range_find(). */
    atomic_store_explicit(&reserve->range_count, count + 1, memory_order_release);
    return 0;
}

int tsuga_reserve_init(struct tsuga_reserve *reserve, const struct tsuga_backing *backing,
                       const struct tsuga_reserve_config *config)
{
    uint64_t bytes = or_default(config->bytes, RANGE_BYTES_DEFAULT);
    uint64_t arena_bytes = or_default(config->arena_bytes, ARENA_BYTES_DEFAULT);
    uint64_t segment_bytes = or_default(config->segment_bytes_min, SEGMENT_BYTES_DEFAULT);
    int error;

    *reserve = (struct tsuga_reserve){
        .backing = backing, .guard = config->guard, .small_pages = config->small_pages};
    if (!sizes_are_valid(bytes, arena_bytes, segment_bytes))
        return -EINVAL;
    if (reserve->guard && segment_bytes < PAGE_BYTES)
        segment_bytes = PAGE_BYTES;
    reserve->arena_bytes = arena_bytes;
    reserve->arena_shift = (uint8_t)tsuga_bits_log2_floor(arena_bytes);
    reserve->segment_shift_min = (uint8_t)tsuga_bits_log2_floor(segment_bytes);
    reserve->range_bytes = tsuga_bits_round_up(bytes, arena_bytes);
    error = -pthread_mutex_init(&reserve->lock, NULL);
    if (error != 0)
        return error;
    error = range_add(reserve);
    if (error != 0)
        pthread_mutex_destroy(&reserve->lock);
    return error;
}

void tsuga_reserve_fini(struct tsuga_reserve *reserve)
{
    const struct tsuga_backing *backing = reserve->backing;
    uint32_t count = atomic_load_explicit(&reserve->range_count, memory_order_relaxed);

    for (uint32_t i = 0; i < count; i++) {
        const struct tsuga_reserve_range *range = &reserve->ranges[i];

        /* The addresses may become anybody's, who does not know that they were poisoned. */
        tsuga_sanitize_unpoison(range->base, range->arena_count_used << reserve->arena_shift);
        backing->release(backing->context, range->base, range->bytes);
        backing->release(backing->context, range->arenas, range->table_bytes);
    }
    pthread_mutex_destroy(&reserve->lock);
}

const struct tsuga_reserve_range *tsuga_reserve_range_search(const struct tsuga_reserve *reserve,
                                                             const void *address)
{
    /* Pairs with the release store in range_add(). */
    uint32_t count = atomic_load_explicit(&reserve->range_count, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++) {
        const struct tsuga_reserve_range *range = &reserve->ranges[i];

        if ((uintptr_t)address - (uintptr_t)range->base < range->bytes)
            return range;
    }
    return NULL;
}

/* The next arena of a range that was never taken; NULL when the range is used up. */
static struct tsuga_arena *take_unused(struct tsuga_reserve *reserve,
                                       struct tsuga_reserve_range *range)
{
    struct tsuga_arena *arena;

    if (range->arena_count_used == range->bytes >> reserve->arena_shift)
        return NULL;
    arena = &range->arenas[range->arena_count_used];
    arena->base = range->base + (range->arena_count_used << reserve->arena_shift);
    range->arena_count_used++;
    tsuga_sanitize_poison(arena->base, reserve->arena_bytes);
    return arena;
}

static struct tsuga_arena *take_locked(struct tsuga_reserve *reserve)
{
    struct tsuga_arena *arena = reserve->free_first;
    uint32_t last = atomic_load_explicit(&reserve->range_count, memory_order_relaxed) - 1;

    if (arena != NULL) {
        reserve->free_first = arena->next;
        return arena;
    }
    arena = take_unused(reserve, &reserve->ranges[last]);
    if (arena == NULL && range_add(reserve) == 0)
        arena = take_unused(reserve, &reserve->ranges[last + 1]);
    return arena;
}

int tsuga_reserve_take(struct tsuga_reserve *reserve, struct tsuga_arena **out)
{
    struct tsuga_arena *arena;

    pthread_mutex_lock(&reserve->lock);
    arena = take_locked(reserve);
    pthread_mutex_unlock(&reserve->lock);
    if (arena == NULL)
        return -ENOMEM;
    *out = arena;
    return 0;
}

void tsuga_reserve_give(struct tsuga_reserve *reserve, struct tsuga_arena *arena)
{
    const struct tsuga_backing *backing = reserve->backing;

    TSUGA_VERIFY(!arena->is_registered); /* else the kernel would keep the old pages */
    /* Every segment was cleared when it came back, so a refusal costs memory and nothing else. */
    (void)backing->purge(backing->context, arena->base, reserve->arena_bytes);
    pthread_mutex_lock(&reserve->lock);
    arena->next = reserve->free_first;
    reserve->free_first = arena;
    pthread_mutex_unlock(&reserve->lock);
}
