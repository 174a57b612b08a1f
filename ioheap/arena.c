#include "ioheap/arena.h"

#include <errno.h>
#include <string.h>

#include "ioheap/rules.h"
#include "runtime/base/clock.h"
#include "runtime/base/sanitize.h"

/* A smaller clearing costs the executor less than handing it to another thread: 256 KiB take
 * about 10 microseconds. */
#define CLEAR_ELSEWHERE_BYTES (UINT64_C(256) << 10)
/* Tables of 2^12 units are 1 KiB; smaller ones are many, and their sizes differ. */
#define COLORED_ORDER_MIN 12u
#define COLOR_COUNT       24u
/* One takes up to 30 microseconds when its small pages are to be unpinned. */
#define DECAY_BATCH 4u

void tsuga_arena_pool_init(struct tsuga_arena_pool *pool, struct tsuga_reserve *reserve,
                           const struct tsuga_arena_pool_config *config)
{
    *pool = (struct tsuga_arena_pool){.reserve = reserve};
    if (config != NULL)
        pool->config = *config;
    if (pool->config.decay_ns == 0)
        pool->config.decay_ns = TSUGA_NS_PER_S;
    tsuga_span_map_init(&pool->spans, &reserve->backing->memory);
    tsuga_list_init(&pool->heaps);
}

/* Arenas. */

static unsigned arena_order(const struct tsuga_reserve *reserve)
{
    return reserve->arena_shift - reserve->segment_shift_min;
}

/* Of the region whose units are an arena's segments. */
static size_t region_bytes(const struct tsuga_reserve *reserve)
{
    return tsuga_bits_round_up(tsuga_span_region_bytes(arena_order(reserve)),
                               TSUGA_CACHE_LINE_BYTES);
}

/* The arena's regions are looked up in the range's table, one entry for each smallest segment. */
static void arena_split(const struct tsuga_reserve *reserve, struct tsuga_arena *arena)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(reserve, arena->base);

    arena->whole = NULL;
    arena->regions = range->regions + ((arena->base - range->base) >> reserve->segment_shift_min);
    arena->region_shift = reserve->segment_shift_min;
}

/* The arena is one region, and needs no table. */
static void arena_join(const struct tsuga_reserve *reserve, struct tsuga_arena *arena,
                       struct tsuga_span_region *region)
{
    arena->whole = region;
    arena->regions = &arena->whole;
    arena->region_shift = reserve->arena_shift;
}

/* Makes an arena of the reserve one of the pool's. */
static int arena_adopt(struct tsuga_arena_pool *pool, struct tsuga_arena *arena)
{
    struct tsuga_reserve *reserve = pool->reserve;
    const struct tsuga_memory *memory = &reserve->backing->memory;
    void *piece = tsuga_memory_alloc_zeroed(memory, region_bytes(reserve));
    struct tsuga_span_region *region;
    int error;

    if (piece == NULL)
        return -ENOMEM;
    region = tsuga_span_region_init(piece, arena_order(reserve));
    region->base = arena->base;
    region->owner = arena;
    error = tsuga_span_map_add(&pool->spans, region);
    if (error != 0) {
        tsuga_memory_free(memory, piece, region_bytes(reserve));
        return error;
    }
    arena->region = region;
    arena_split(reserve, arena);
    pool->arena_count++;
    /* Publishes the arena. Pairs with the acquire load in tsuga_reserve_find(). */
    atomic_store_explicit(&arena->pool, pool, memory_order_release);
    return 0;
}

/* It is nobody's from now on. */
static void arena_disown(struct tsuga_arena_pool *pool, struct tsuga_arena *arena)
{
    struct tsuga_reserve *reserve = pool->reserve;

    TSUGA_VERIFY(!arena->is_registered); /* else the kernel would keep the old pages */
    tsuga_span_map_remove(&pool->spans, arena->region);
    tsuga_memory_free(&reserve->backing->memory, tsuga_span_region_piece(arena->region),
                      region_bytes(reserve));
    arena->region = NULL;
    pool->arena_count--;
    /* Pairs with the acquire load in tsuga_reserve_find(). */
    atomic_store_explicit(&arena->pool, NULL, memory_order_release);
}

static void arena_give(struct tsuga_arena_pool *pool, struct tsuga_arena *arena)
{
    const struct tsuga_arena_hooks *hooks = &pool->config.hooks;

    arena_disown(pool, arena);
    if (hooks->give != NULL)
        hooks->give(hooks->context, arena);
    else
        tsuga_reserve_give(pool->reserve, arena);
}

/* Asks for the next arena ahead of its use. */
static void request_prepare(struct tsuga_arena_pool *pool)
{
    const struct tsuga_arena_hooks *hooks = &pool->config.hooks;

    /* Pairs with the release store in tsuga_arena_pool_prepare(). */
    if (hooks->prepare == NULL || atomic_load_explicit(&pool->is_preparing, memory_order_acquire))
        return;
    /* One may have been prepared since arena_add() looked. The acquire above made it visible. */
    if (atomic_load_explicit(&pool->prepared, memory_order_relaxed) != NULL)
        return;
    atomic_store_explicit(&pool->is_preparing, true, memory_order_relaxed);
    hooks->prepare(hooks->context, pool);
}

void tsuga_arena_pool_prepare(struct tsuga_arena_pool *pool)
{
    const struct tsuga_backing *backing = pool->reserve->backing;
    struct tsuga_arena *arena;

    if (tsuga_reserve_take(pool->reserve, &arena) == 0) {
        /* A refusal only means that the pages are faulted in when they are used. */
        (void)backing->populate(backing->context, arena->base, pool->reserve->arena_bytes);
        /* Hands the arena over. Pairs with the exchange in arena_add(). */
        atomic_store_explicit(&pool->prepared, arena, memory_order_release);
    }
    /* The last access to the pool. Pairs with the acquire load in request_prepare(). */
    atomic_store_explicit(&pool->is_preparing, false, memory_order_release);
}

/* Adds an arena to the pool: the prepared one, or else one that is not faulted in. */
static int arena_add(struct tsuga_arena_pool *pool)
{
    /* Pairs with the release store in tsuga_arena_pool_prepare(). */
    struct tsuga_arena *arena =
        atomic_exchange_explicit(&pool->prepared, NULL, memory_order_acquire);
    const struct tsuga_arena_hooks *hooks = &pool->config.hooks;
    bool is_resident = arena != NULL;
    int error;

    if (!is_resident) {
        error = tsuga_reserve_take(pool->reserve, &arena);
        if (error != 0)
            return error;
    }
    error = arena_adopt(pool, arena);
    if (error != 0) {
        tsuga_reserve_give(pool->reserve, arena);
        return error;
    }
    if (hooks->adopted != NULL)
        hooks->adopted(hooks->context, arena, is_resident);
    request_prepare(pool);
    return 0;
}

/* Segments. */

/* Units of the pool's map that a segment takes, guard included. */
static unsigned segment_order(const struct tsuga_reserve *reserve, unsigned shift)
{
    return shift - reserve->segment_shift_min + (reserve->guard ? 1u : 0u);
}

/* How many entries of the table one region of the segment has. */
static size_t entries_per_region(const struct tsuga_reserve *reserve,
                                 const struct tsuga_segment *segment)
{
    return ((size_t)1 << (segment->shift - reserve->segment_shift_min)) / segment->region_count;
}

static bool is_whole_region(const struct tsuga_reserve *reserve,
                            const struct tsuga_segment *segment)
{
    return segment->shift == reserve->arena_shift && segment->region_count == 1;
}

/* From now on the segment is found by the addresses in it. */
static void segment_enter(const struct tsuga_reserve *reserve, struct tsuga_segment *segment)
{
    size_t count = entries_per_region(reserve, segment);
    struct tsuga_span_region **entry;

    if (is_whole_region(reserve, segment)) {
        arena_join(reserve, segment->arena, segment->regions);
        return;
    }
    entry = segment->arena->regions +
            ((segment->base - segment->arena->base) >> reserve->segment_shift_min);
    for (uint32_t i = 0; i < segment->region_count; i++) {
        for (size_t j = 0; j < count; j++)
            *entry++ = tsuga_segment_region(segment, i);
    }
}

static void segment_leave(const struct tsuga_reserve *reserve, const struct tsuga_segment *segment)
{
    size_t count = entries_per_region(reserve, segment) * segment->region_count;
    struct tsuga_span_region **entry;

    if (is_whole_region(reserve, segment)) {
        arena_split(reserve, segment->arena);
        return;
    }
    entry = segment->arena->regions +
            ((segment->base - segment->arena->base) >> reserve->segment_shift_min);
    for (size_t i = 0; i < count; i++)
        entry[i] = NULL;
}

static int guard_protect(const struct tsuga_reserve *reserve, const struct tsuga_segment *segment,
                         bool is_accessible)
{
    const struct tsuga_backing *backing = reserve->backing;
    size_t bytes = (size_t)1 << segment->shift;

    return backing->protect(backing->context, segment->base + bytes, bytes, is_accessible);
}

/* Equally large regions would lie at equal distances, and the lines that every allocation needs
 * would share a few sets of the cache. So each begins a few lines later than the one before. */
static size_t next_color_bytes(struct tsuga_arena_pool *pool, unsigned order)
{
    return order < COLORED_ORDER_MIN
               ? 0
               : (size_t)(pool->color++ % COLOR_COUNT) * TSUGA_CACHE_LINE_BYTES;
}

/* The struct with its regions; nothing of the arena yet. The regions' pieces come first, so that
 * the first one begins a cache line and no room is lost to that. Of several each does: they are
 * large. */
static struct tsuga_segment *segment_create(struct tsuga_arena_pool *pool, unsigned shift)
{
    unsigned region_shift =
        shift > TSUGA_IOHEAP_BLOCK_SHIFT_MAX ? TSUGA_IOHEAP_BLOCK_SHIFT_MAX : shift;
    unsigned order = region_shift - TSUGA_IOHEAP_BLOCK_SHIFT_MIN;
    uint32_t count = 1u << (shift - region_shift);
    size_t stride = tsuga_span_region_bytes(order);
    size_t color_bytes = next_color_bytes(pool, order);
    struct tsuga_segment *segment;
    size_t segment_at;
    size_t bytes;
    char *piece;

    if (count > 1)
        stride = tsuga_bits_round_up(stride, TSUGA_CACHE_LINE_BYTES);
    segment_at = color_bytes + count * stride;
    bytes = tsuga_bits_round_up(segment_at + sizeof(*segment), TSUGA_CACHE_LINE_BYTES);
    piece = tsuga_memory_alloc_zeroed(&pool->reserve->backing->memory, bytes);
    if (piece == NULL)
        return NULL;
    segment = (void *)(piece + segment_at);
    segment->table_bytes = (uint32_t)bytes;
    segment->color_bytes = (uint16_t)color_bytes;
    segment->region_stride = (uint32_t)stride;
    segment->region_count = count;
    segment->shift = (uint8_t)shift;
    piece += color_bytes;
    segment->regions = tsuga_span_region_init(piece, order);
    for (uint32_t i = 1; i < count; i++)
        (void)tsuga_span_region_init(piece + i * stride, order);
    return segment;
}

static void segment_destroy(const struct tsuga_memory *memory, struct tsuga_segment *segment)
{
    char *regions = tsuga_span_region_piece(segment->regions);

    tsuga_memory_free(memory, regions - segment->color_bytes, segment->table_bytes);
}

static void segment_place(const struct tsuga_reserve *reserve, struct tsuga_segment *segment,
                          struct tsuga_arena *arena, uint32_t unit)
{
    const struct tsuga_reserve_range *range = tsuga_reserve_range_find(reserve, arena->base);

    segment->base = arena->base + ((size_t)unit << arena->region_shift);
    segment->arena = arena;
    for (uint32_t i = 0; i < segment->region_count; i++) {
        struct tsuga_span_region *region = tsuga_segment_region(segment, i);

        region->base = segment->base + ((size_t)i << TSUGA_IOHEAP_BLOCK_SHIFT_MAX);
        region->owner = segment;
        region->range = range;
    }
}

int tsuga_segment_take(struct tsuga_arena_pool *pool, unsigned shift, struct tsuga_ioheap *heap,
                       struct tsuga_segment **out)
{
    struct tsuga_reserve *reserve = pool->reserve;
    const struct tsuga_memory *memory = &reserve->backing->memory;
    unsigned order = segment_order(reserve, shift);
    struct tsuga_segment *segment = segment_create(pool, shift);
    struct tsuga_span span;

    if (segment == NULL)
        return -ENOMEM;
    span = tsuga_span_take(&pool->spans, order);
    if (span.region == NULL && arena_add(pool) == 0)
        span = tsuga_span_take(&pool->spans, order);
    if (span.region == NULL)
        goto free_segment;
    segment->heap = heap;
    segment_place(reserve, segment, span.region->owner, span.unit);
    if (reserve->guard && guard_protect(reserve, segment, false) != 0)
        goto give_span;
    segment_enter(reserve, segment);
    pool->segment_count++;
    *out = segment;
    return 0;

give_span:
    tsuga_span_give(&pool->spans, span.region, span.unit, order);
free_segment:
    segment_destroy(memory, segment);
    return -ENOMEM;
}

/* The segment is clear, and the calling thread is the pool's owner. */
static void segment_reclaim(struct tsuga_arena_pool *pool, struct tsuga_segment *segment)
{
    struct tsuga_reserve *reserve = pool->reserve;
    struct tsuga_arena *arena = segment->arena;
    uint32_t unit;

    segment_leave(reserve, segment);
    unit = (uint32_t)((segment->base - arena->base) >> arena->region_shift);
    tsuga_span_give(&pool->spans, arena->region, unit, segment_order(reserve, segment->shift));
    segment_destroy(&reserve->backing->memory, segment);
    pool->segment_count--;
    pool->has_idle |= tsuga_span_region_is_free(arena->region);
}

/* Sends the segment to its own pool's list. */
static void segment_return(struct tsuga_arena_pool *home, struct tsuga_segment *segment)
{
    segment->next = atomic_load_explicit(&home->returned, memory_order_relaxed);
    /* Hands the cleared segment over. Pairs with the exchange in tsuga_arena_pool_drain(). */
    while (!atomic_compare_exchange_weak_explicit(&home->returned, &segment->next, segment,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

static size_t dirty_bytes(const struct tsuga_span_region *region)
{
    return (size_t)region->unit_high << TSUGA_IOHEAP_BLOCK_SHIFT_MIN;
}

static void wipe(const struct tsuga_segment *segment)
{
    for (uint32_t i = 0; i < segment->region_count; i++) {
        const struct tsuga_span_region *region = tsuga_segment_region(segment, i);

        tsuga_sanitize_unpoison(region->base, dirty_bytes(region));
        memset(region->base, 0, dirty_bytes(region));
        tsuga_sanitize_poison(region->base, dirty_bytes(region));
    }
}

static bool should_clear_elsewhere(const struct tsuga_arena_pool *pool,
                                   const struct tsuga_segment *segment)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < segment->region_count; i++)
        bytes += dirty_bytes(tsuga_segment_region(segment, i));
    return pool->config.hooks.clear != NULL && bytes >= CLEAR_ELSEWHERE_BYTES;
}

static struct tsuga_arena_pool *pool_of(const struct tsuga_segment *segment)
{
    /* The arena stays with its pool while one of its segments is out. */
    return atomic_load_explicit(&segment->arena->pool, memory_order_relaxed);
}

void tsuga_segment_give(struct tsuga_arena_pool *pool, struct tsuga_segment *segment)
{
    segment->heap = NULL;
    if (pool->reserve->guard)
        /* Undoing a guard joins mappings, which needs no memory: it does not fail. */
        (void)guard_protect(pool->reserve, segment, true);
    if (should_clear_elsewhere(pool, segment)) {
        pool->config.hooks.clear(pool->config.hooks.context, segment);
        return;
    }
    if (tsuga_rules_keep(pool->spans.rules_off, TSUGA_RULE_CLEAR))
        wipe(segment);
    if (pool_of(segment) == pool)
        segment_reclaim(pool, segment);
    else
        segment_return(pool_of(segment), segment);
}

void tsuga_segment_clear(struct tsuga_segment *segment)
{
    wipe(segment);
    segment_return(pool_of(segment), segment);
}

/* Pools. */

void tsuga_arena_pool_drain(struct tsuga_arena_pool *pool)
{
    struct tsuga_segment *segment;

    if (atomic_load_explicit(&pool->returned, memory_order_relaxed) == NULL)
        return;
    /* Pairs with the release exchange in segment_return(). */
    segment = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (segment != NULL) {
        struct tsuga_segment *next = segment->next;

        segment_reclaim(pool, segment);
        segment = next;
    }
}

/* True when the region's arena is wholly free and was so for the decay time. */
static bool is_decayed(const struct tsuga_arena_pool *pool, struct tsuga_span_region *region,
                       uint64_t now_ns)
{
    if (region->idle_ns == 0)
        region->idle_ns = now_ns;
    return now_ns - region->idle_ns >= pool->config.decay_ns;
}

/* A free arena's time has come. False: it must be withdrawn, and nobody can. */
static bool arena_retire(struct tsuga_arena_pool *pool, struct tsuga_arena *arena)
{
    const struct tsuga_arena_hooks *hooks = &pool->config.hooks;

    if (!tsuga_rules_keep(pool->spans.rules_off, TSUGA_RULE_WITHDRAW))
        arena->is_registered = false;
    if (!arena->is_registered)
        arena_give(pool, arena);
    else if (hooks->withdraw != NULL)
        hooks->withdraw(hooks->context, arena);
    else
        return false;
    return true;
}

bool tsuga_arena_pool_decay(struct tsuga_arena_pool *pool, uint64_t now_ns)
{
    uint32_t retired_count = 0;
    bool has_more = false;

    tsuga_arena_pool_drain(pool);
    pool->was_cut_short = false;
    for (uint32_t i = 0; i < pool->spans.region_count; i++) {
        struct tsuga_span_region *region = pool->spans.regions[i];
        struct tsuga_arena *arena;

        if (region == NULL || !tsuga_span_region_is_free(region))
            continue;
        arena = region->owner;
        if (!is_decayed(pool, region, now_ns)) {
            has_more |= !arena->is_registered || pool->config.hooks.withdraw != NULL;
        } else if (retired_count == DECAY_BATCH) {
            pool->was_cut_short = true;
            break;
        } else {
            bool stays = arena->is_registered;

            if (arena_retire(pool, arena)) {
                retired_count++;
                has_more |= stays;
            }
        }
    }
    pool->has_idle = has_more || pool->was_cut_short;
    return pool->has_idle;
}

void tsuga_arena_pool_fini(struct tsuga_arena_pool *pool)
{
    struct tsuga_arena *prepared;

    tsuga_arena_pool_drain(pool);
    TSUGA_VERIFY(pool->segment_count == 0); /* else its heap would lose its memory */
    for (uint32_t i = pool->spans.region_count; i > 0; i--) {
        struct tsuga_span_region *region = pool->spans.regions[i - 1];
        struct tsuga_arena *arena = region == NULL ? NULL : region->owner;

        if (arena == NULL)
            continue;
        arena_disown(pool, arena);
        tsuga_reserve_give(pool->reserve, arena);
    }
    prepared = atomic_exchange_explicit(&pool->prepared, NULL, memory_order_acquire);
    if (prepared != NULL)
        tsuga_reserve_give(pool->reserve, prepared);
    tsuga_span_map_fini(&pool->spans);
}
