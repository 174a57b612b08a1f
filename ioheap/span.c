#include "ioheap/span.h"

#include <errno.h>
#include <string.h>

#include "ioheap/rules.h"

#define WORD_SHIFT        6u
#define WORD_BITS         64u
#define REGION_COUNT_WORD 64u /* regions that one summary word names directly */

/* Nodes and rows of one region. */

static inline unsigned row_of(const struct tsuga_span_region *region, unsigned order)
{
    return region->order - order;
}

static inline uint32_t node_of(const struct tsuga_span_region *region, uint32_t unit,
                               unsigned order)
{
    return ((1u << region->order) + unit) >> order;
}

static inline uint32_t key_of(const struct tsuga_span_region *region, uint32_t node, unsigned order)
{
    uint32_t unit = (node << order) - (1u << region->order);

    return (region->index << TSUGA_SPAN_KEY_SHIFT) + 2 * unit + (1u << order);
}

static inline uint64_t *summary_of(const struct tsuga_span_region *region, unsigned row)
{
    return region->nodes - 1 - row;
}

/* A bit of the summary stands for 2^group_shift nodes: for one in rows of up to 64. */
static inline unsigned group_shift(unsigned row)
{
    return row > WORD_SHIFT ? row - WORD_SHIFT : 0;
}

static inline unsigned group_of(uint32_t node, unsigned row)
{
    return (node ^ (1u << row)) >> group_shift(row);
}

/* The group's bits, of a group that is no more than a word, in the word of `node`. */
static inline uint64_t group_mask(uint32_t node, unsigned row)
{
    unsigned count = 1u << group_shift(row);

    return (UINT64_MAX >> (WORD_BITS - count)) << (node & (WORD_BITS - 1) & ~(count - 1));
}

static inline bool node_is_set(const struct tsuga_span_region *region, uint32_t node)
{
    return (region->nodes[node >> WORD_SHIFT] >> (node & (WORD_BITS - 1)) & 1) != 0;
}

static inline void node_set(struct tsuga_span_region *region, uint32_t node, unsigned row)
{
    region->nodes[node >> WORD_SHIFT] |= UINT64_C(1) << (node & (WORD_BITS - 1));
    *summary_of(region, row) |= UINT64_C(1) << group_of(node, row);
}

/* The first word of the group that is not zero; only groups of several words need the search. */
static uint32_t group_search(const struct tsuga_span_region *region, uint32_t word, unsigned row)
{
    uint32_t count = 1u << (group_shift(row) - WORD_SHIFT);
    uint32_t end = (word & ~(count - 1)) + count;

    for (word = end - count; word < end && region->nodes[word] == 0;)
        word++;
    return word == end ? 0 : word;
}

static inline bool group_is_empty(const struct tsuga_span_region *region, uint32_t node,
                                  unsigned row)
{
    uint32_t word = node >> WORD_SHIFT;

    if (group_shift(row) > WORD_SHIFT)
        return region->nodes[word] == 0 && group_search(region, word, row) == 0;
    return (region->nodes[word] & group_mask(node, row)) == 0;
}

/* True when the row has no more set node. */
static inline bool node_clear(struct tsuga_span_region *region, uint32_t node, unsigned row)
{
    uint64_t *summary = summary_of(region, row);

    region->nodes[node >> WORD_SHIFT] &= ~(UINT64_C(1) << (node & (WORD_BITS - 1)));
    *summary &= ~((uint64_t)group_is_empty(region, node, row) << group_of(node, row));
    return *summary == 0;
}

/* The lowest set node of a row that has one. */
static inline uint32_t row_first(const struct tsuga_span_region *region, unsigned row)
{
    uint32_t group = tsuga_bits_lowest(*summary_of(region, row));
    uint32_t node = (1u << row) + (group << group_shift(row));
    uint32_t word = node >> WORD_SHIFT;

    if (group_shift(row) > WORD_SHIFT) {
        word = group_search(region, word, row);
        return (word << WORD_SHIFT) + tsuga_bits_lowest(region->nodes[word]);
    }
    return (word << WORD_SHIFT) + tsuga_bits_lowest(region->nodes[word] & group_mask(node, row));
}

/* Which regions have a free span of an order. */

static inline uint64_t *has_words(const struct tsuga_span_map *map, unsigned order)
{
    return map->words + order * (map->region_capacity >> WORD_SHIFT);
}

static inline void has_set(struct tsuga_span_map *map, unsigned order, uint32_t index)
{
    map->has[order] |= UINT64_C(1) << (index >> map->has_shift);
    if (map->has_shift > 0)
        has_words(map, order)[index >> WORD_SHIFT] |= UINT64_C(1) << (index & (WORD_BITS - 1));
}

/* The first word of a group that is not zero; `count` when there is none. */
static uint32_t has_search(const uint64_t *group, uint32_t count)
{
    uint32_t word = 0;

    while (word < count && group[word] == 0)
        word++;
    return word;
}

static void has_clear(struct tsuga_span_map *map, unsigned order, uint32_t index)
{
    uint32_t group = index >> map->has_shift;

    if (map->has_shift > 0) {
        uint32_t count = 1u << (map->has_shift - WORD_SHIFT);
        uint64_t *words = has_words(map, order);

        words[index >> WORD_SHIFT] &= ~(UINT64_C(1) << (index & (WORD_BITS - 1)));
        if (has_search(words + group * count, count) < count)
            return;
    }
    map->has[order] &= ~(UINT64_C(1) << group);
}

/* The first region that has a free span of the order; one has. */
static uint32_t has_first(const struct tsuga_span_map *map, unsigned order)
{
    uint32_t group = tsuga_bits_lowest(map->has[order]);
    uint32_t count;
    uint32_t word;

    if (map->has_shift == 0)
        return group;
    count = 1u << (map->has_shift - WORD_SHIFT);
    word = group * count;
    word += has_search(has_words(map, order) + word, count);
    return (word << WORD_SHIFT) + tsuga_bits_lowest(has_words(map, order)[word]);
}

/* Finds the frontmost free span of the order anew. */
static uint32_t low_search(const struct tsuga_span_map *map, unsigned order)
{
    const struct tsuga_span_region *region;

    if (map->has[order] == 0)
        return TSUGA_SPAN_NONE;
    region = map->regions[has_first(map, order)];
    return key_of(region, row_first(region, row_of(region, order)), order);
}

/* Free spans of the map. */

static inline void span_add(struct tsuga_span_map *map, struct tsuga_span_region *region,
                            uint32_t node, unsigned order)
{
    node_set(region, node, row_of(region, order));
    has_set(map, order, region->index);
}

static inline void span_remove(struct tsuga_span_map *map, struct tsuga_span_region *region,
                               uint32_t node, unsigned order)
{
    unsigned row = row_of(region, order);
    bool was_low = map->low[order] == key_of(region, node, order);

    if (node_clear(region, node, row)) {
        has_clear(map, order, region->index);
        if (was_low)
            map->low[order] = low_search(map, order);
    } else if (was_low) {
        map->low[order] = key_of(region, row_first(region, row), order);
    }
}

/* Four keys at a time; the compiler turns it into the vector instructions that there are. */
typedef int32_t keys __attribute__((vector_size(16)));

static inline keys keys_load(const void *from)
{
    keys loaded;

    memcpy(&loaded, from, sizeof(loaded));
    return loaded;
}

static inline keys keys_min(keys a, keys b)
{
    keys less = a < b;

    return (a & less) | (b & ~less);
}

#define NONE_4 INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX

/* The minimum of low[order ..= 15]: smaller orders are masked, so that nothing branches. */
static inline uint32_t low_min(const struct tsuga_span_map *map, unsigned order)
{
    static const int32_t masks[2 * TSUGA_SPAN_ORDER_COUNT] = {NONE_4, NONE_4, NONE_4, NONE_4};
    const int32_t *mask = masks + TSUGA_SPAN_ORDER_COUNT - order;
    keys a = keys_load(map->low) | keys_load(mask);
    keys b = keys_load(map->low + 4) | keys_load(mask + 4);
    keys c = keys_load(map->low + 8) | keys_load(mask + 8);
    keys d = keys_load(map->low + 12) | keys_load(mask + 12);
    keys least = keys_min(keys_min(a, b), keys_min(c, d));

    least = keys_min(least, __builtin_shufflevector(least, least, 2, 3, 0, 1));
    least = keys_min(least, __builtin_shufflevector(least, least, 1, 0, 3, 2));
    return (uint32_t)least[0];
}

static inline bool keeps(const struct tsuga_span_map *map, enum tsuga_ioheap_rule rule)
{
    return tsuga_rules_keep(map->rules_off, rule);
}

struct tsuga_span_region *tsuga_span_take(struct tsuga_span_map *map, unsigned order,
                                          uint32_t *unit)
{
    uint32_t key = low_min(map, order);
    struct tsuga_span_region *region;
    uint32_t node;
    uint32_t end;
    unsigned taken;

    if (key == TSUGA_SPAN_NONE)
        return NULL;
    if (!keeps(map, TSUGA_RULE_FRONTMOST) && map->low[order] != TSUGA_SPAN_NONE)
        key = map->low[order];
    taken = tsuga_bits_lowest(key);
    region = map->regions[key >> TSUGA_SPAN_KEY_SHIFT];
    *unit = ((key & (2 * TSUGA_SPAN_UNIT_COUNT_MAX - 1)) - (1u << taken)) / 2;
    node = node_of(region, *unit, taken);
    span_remove(map, region, node, taken);
    while (taken > order) {
        taken--;
        node *= 2;
        span_add(map, region, node + 1, taken);
        map->low[taken] = key_of(region, node + 1, taken);
    }
    region->live++;
    end = *unit + (1u << order);
    region->unit_high = end > region->unit_high ? end : region->unit_high;
    return region;
}

void tsuga_span_give(struct tsuga_span_map *map, struct tsuga_span_region *region, uint32_t unit,
                     unsigned order)
{
    uint32_t node = node_of(region, unit, order);
    uint32_t key;

    /* The root's buddy would be node 0, which is never set. */
    while (node_is_set(region, node ^ 1) && keeps(map, TSUGA_RULE_MERGE)) {
        span_remove(map, region, node ^ 1, order);
        node /= 2;
        order++;
    }
    span_add(map, region, node, order);
    key = key_of(region, node, order);
    map->low[order] = key < map->low[order] ? key : map->low[order];
    region->live--;
}

bool tsuga_span_is_free(const struct tsuga_span_region *region, uint32_t unit, unsigned order)
{
    return order <= region->order && node_is_set(region, node_of(region, unit, order));
}

uint32_t tsuga_span_free_count(const struct tsuga_span_region *region, unsigned order)
{
    uint32_t count = 0;

    if (order > region->order)
        return 0;
    for (uint32_t node = 1u << row_of(region, order); node < 2u << row_of(region, order); node++)
        count += node_is_set(region, node);
    return count;
}

/* Regions. */

void tsuga_span_region_init(struct tsuga_span_region *region, unsigned order, void *tables)
{
    TSUGA_ASSERT(order <= TSUGA_SPAN_ORDER_MAX);
    *region = (struct tsuga_span_region){
        .nodes = (uint64_t *)tables + order + 1,
        .order = (uint8_t)order,
    };
}

void tsuga_span_map_init(struct tsuga_span_map *map, const struct tsuga_memory *memory)
{
    *map = (struct tsuga_span_map){.memory = memory};
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++)
        map->low[order] = TSUGA_SPAN_NONE;
}

static size_t words_bytes(uint32_t capacity)
{
    if (capacity <= REGION_COUNT_WORD)
        return 0;
    return TSUGA_SPAN_ORDER_COUNT * (capacity >> WORD_SHIFT) * sizeof(uint64_t);
}

/* A bit of map->has stands for one region, then for a word of them, then for several words. */
static uint8_t has_shift_of(uint32_t capacity)
{
    unsigned shift = tsuga_bits_log2_floor(capacity) - WORD_SHIFT;

    if (capacity <= REGION_COUNT_WORD)
        return 0;
    return (uint8_t)(shift > WORD_SHIFT ? shift : WORD_SHIFT);
}

static void free_tables(struct tsuga_span_map *map)
{
    tsuga_memory_free(map->memory, map->words, words_bytes(map->region_capacity));
    tsuga_memory_free(map->memory, map->regions,
                      map->region_capacity * sizeof(struct tsuga_span_region *));
}

void tsuga_span_map_fini(struct tsuga_span_map *map)
{
    TSUGA_VERIFY(map->region_count == 0);
    free_tables(map);
}

/* Brings has, words and low up to date with the regions' trees. */
static void index_rebuild(struct tsuga_span_map *map)
{
    memset(map->has, 0, sizeof(map->has));
    if (map->words != NULL)
        memset(map->words, 0, words_bytes(map->region_capacity));
    for (uint32_t i = 0; i < map->region_count; i++) {
        const struct tsuga_span_region *region = map->regions[i];

        for (unsigned row = 0; region != NULL && row <= region->order; row++) {
            if (*summary_of(region, row) != 0)
                has_set(map, region->order - row, i);
        }
    }
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++)
        map->low[order] = low_search(map, order);
}

/* Moves the regions together where some were removed. */
static void regions_compact(struct tsuga_span_map *map)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < map->region_count; i++) {
        if (map->regions[i] == NULL)
            continue;
        map->regions[count] = map->regions[i];
        map->regions[count]->index = count;
        count++;
    }
    map->region_count = count;
    map->removed_count = 0;
    index_rebuild(map);
}

static int regions_grow(struct tsuga_span_map *map)
{
    uint32_t capacity = map->region_capacity == 0 ? 2 : 2 * map->region_capacity;
    struct tsuga_span_map old = *map;
    struct tsuga_span_region **regions;
    uint64_t *words = NULL;

    regions = tsuga_memory_alloc(map->memory, capacity * sizeof(struct tsuga_span_region *));
    if (regions == NULL)
        return -ENOMEM;
    if (words_bytes(capacity) > 0) {
        words = tsuga_memory_alloc(map->memory, words_bytes(capacity));
        if (words == NULL)
            goto free_regions;
    }
    if (map->region_count > 0)
        memcpy(regions, map->regions, map->region_count * sizeof(struct tsuga_span_region *));
    map->regions = regions;
    map->words = words;
    map->region_capacity = capacity;
    map->has_shift = has_shift_of(capacity);
    free_tables(&old);
    index_rebuild(map);
    return 0;

free_regions:
    tsuga_memory_free(map->memory, regions, capacity * sizeof(struct tsuga_span_region *));
    return -ENOMEM;
}

/* Makes room for one more region. Renumbering costs a walk over all regions, so it waits until a
 * quarter of them was removed, or until there are no more numbers. */
static int regions_make_room(struct tsuga_span_map *map)
{
    uint32_t is_full_at = map->region_capacity <= TSUGA_SPAN_REGION_COUNT_MAX
                              ? map->region_capacity
                              : TSUGA_SPAN_REGION_COUNT_MAX;

    if (map->region_count < is_full_at)
        return 0;
    if (map->removed_count > 0 && (map->removed_count >= map->region_count / 4 ||
                                   is_full_at == TSUGA_SPAN_REGION_COUNT_MAX)) {
        regions_compact(map);
        return 0;
    }
    return is_full_at == TSUGA_SPAN_REGION_COUNT_MAX ? -ENOBUFS : regions_grow(map);
}

int tsuga_span_map_add(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    int error = regions_make_room(map);
    uint32_t key;

    if (error != 0)
        return error;
    region->index = map->region_count++;
    map->regions[region->index] = region;
    span_add(map, region, 1, region->order);
    key = key_of(region, 1, region->order);
    if (map->low[region->order] == TSUGA_SPAN_NONE)
        map->low[region->order] = key;
    return 0;
}

void tsuga_span_map_remove(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    TSUGA_VERIFY(map->regions[region->index] == region);
    TSUGA_VERIFY(node_is_set(region, 1)); /* else somebody still uses a part of it */
    span_remove(map, region, 1, region->order);
    map->regions[region->index] = NULL;
    map->removed_count++;
    while (map->region_count > 0 && map->regions[map->region_count - 1] == NULL) {
        map->region_count--;
        map->removed_count--;
    }
}

/* Checks. */

static void row_check(const struct tsuga_span_region *region, unsigned row)
{
    uint64_t summary = 0;

    for (uint32_t node = 1u << row; node < 2u << row; node++) {
        if (!node_is_set(region, node))
            continue;
        summary |= UINT64_C(1) << group_of(node, row);
        for (uint32_t above = node / 2; above > 0; above /= 2)
            TSUGA_VERIFY(!node_is_set(region, above));
    }
    TSUGA_VERIFY(summary == *summary_of(region, row));
}

/* Tells the orders of which the region has free spans. */
static uint32_t region_check(const struct tsuga_span_map *map,
                             const struct tsuga_span_region *region)
{
    uint32_t orders = 0;

    for (unsigned row = 0; row <= region->order; row++) {
        row_check(region, row);
        if (*summary_of(region, row) != 0)
            orders |= 1u << (region->order - row);
    }
    for (uint32_t node = 2; keeps(map, TSUGA_RULE_MERGE) && node < 2u << region->order; node += 2)
        TSUGA_VERIFY(!node_is_set(region, node) || !node_is_set(region, node + 1));
    return orders;
}

static bool has_bit(const struct tsuga_span_map *map, unsigned order, uint32_t index)
{
    const uint64_t *words = map->has_shift == 0 ? &map->has[order] : has_words(map, order);

    return (words[index >> WORD_SHIFT] >> (index & (WORD_BITS - 1)) & 1) != 0;
}

void tsuga_span_map_check(const struct tsuga_span_map *map)
{
    uint64_t has[TSUGA_SPAN_ORDER_COUNT] = {0};
    uint32_t removed_count = 0;

    for (uint32_t i = 0; i < map->region_count; i++) {
        const struct tsuga_span_region *region = map->regions[i];
        uint32_t orders = 0;

        if (region != NULL) {
            TSUGA_VERIFY(region->index == i);
            orders = region_check(map, region);
        }
        removed_count += region == NULL;
        for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++) {
            TSUGA_VERIFY(has_bit(map, order, i) == ((orders >> order & 1) != 0));
            has[order] |= (uint64_t)(orders >> order & 1) << (i >> map->has_shift);
        }
    }
    TSUGA_VERIFY(removed_count == map->removed_count);
    TSUGA_VERIFY(memcmp(has, map->has, sizeof(has)) == 0);
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++)
        TSUGA_VERIFY(map->low[order] == low_search(map, order));
}

size_t tsuga_span_map_table_bytes(const struct tsuga_span_map *map)
{
    return words_bytes(map->region_capacity) +
           map->region_capacity * sizeof(struct tsuga_span_region *);
}
