#include "ioheap/span.h"

#include <errno.h>
#include <string.h>

#include "ioheap/rules.h"

#define WORD_SHIFT 6u
#define WORD_BITS  64u

/* Nodes and rows of one region. */

/* Of a row: the bits of its nodes in their word, which rows 0 ..= 5 share, and how many nodes a bit
 * of its summary stands for: a word of them, in the longest rows several words. */
struct row {
    uint64_t mask;
    unsigned shift;
};

#define LONG_ROW 13u

static const struct row rows[TSUGA_SPAN_ORDER_COUNT] = {
    {UINT64_C(0x2), 6},    {UINT64_C(0xc), 6},        {UINT64_C(0xf0), 6},
    {UINT64_C(0xff00), 6}, {UINT64_C(0xffff0000), 6}, {UINT64_C(0xffffffff00000000), 6},
    {UINT64_MAX, 6},       {UINT64_MAX, 6},           {UINT64_MAX, 6},
    {UINT64_MAX, 6},       {UINT64_MAX, 6},           {UINT64_MAX, 6},
    {UINT64_MAX, 6},       {UINT64_MAX, 7},           {UINT64_MAX, 8},
    {UINT64_MAX, 9},
};

static inline uint64_t bit_of(uint32_t number)
{
    return UINT64_C(1) << (number % WORD_BITS);
}

static inline uint32_t node_of(const struct tsuga_span_region *region, uint32_t unit,
                               unsigned order)
{
    return ((1u << region->order) + unit) >> order;
}

static inline uint32_t key_of(const struct tsuga_span_region *region, uint32_t node, unsigned order)
{
    return region->key_base + ((2 * node + 1) << order);
}

static inline uint64_t *summary_of(const struct tsuga_span_region *region, unsigned row)
{
    return region->nodes - 1 - row;
}

static inline unsigned group_of(uint32_t node, unsigned row)
{
    return (node ^ (1u << row)) >> rows[row].shift;
}

static inline bool node_is_set(const struct tsuga_span_region *region, uint32_t node)
{
    return (region->nodes[node / WORD_BITS] & bit_of(node)) != 0;
}

static inline void node_set(struct tsuga_span_region *region, uint32_t node, unsigned row)
{
    region->nodes[node / WORD_BITS] |= bit_of(node);
    *summary_of(region, row) |= UINT64_C(1) << group_of(node, row);
}

/* The first word of a long row's group that is not zero; 0: all are. */
static uint32_t group_search(const struct tsuga_span_region *region, unsigned row, unsigned group)
{
    uint32_t word = ((1u << row) + (group << rows[row].shift)) / WORD_BITS;
    uint32_t end = word + (1u << rows[row].shift) / WORD_BITS;

    while (word < end && region->nodes[word] == 0)
        word++;
    return word < end ? word : 0;
}

/* True when the row has no more set node. */
static inline bool node_clear(struct tsuga_span_region *region, uint32_t node, unsigned row)
{
    uint64_t *word = &region->nodes[node / WORD_BITS];
    uint64_t *summary = summary_of(region, row);

    *word &= ~bit_of(node);
    if ((*word & rows[row].mask) != 0)
        return false;
    if (row >= LONG_ROW && group_search(region, row, group_of(node, row)) != 0)
        return false;
    *summary &= ~(UINT64_C(1) << group_of(node, row));
    return *summary == 0;
}

/* The lowest set node of a row that has one. */
static inline uint32_t row_first(const struct tsuga_span_region *region, unsigned row)
{
    unsigned group = tsuga_bits_lowest(*summary_of(region, row));
    uint32_t word =
        row >= LONG_ROW ? group_search(region, row, group) : (1u << row) / WORD_BITS + group;

    return word * WORD_BITS + tsuga_bits_lowest(region->nodes[word] & rows[row].mask);
}

/* Which regions have a free span of an order. */

static inline uint64_t *has_words(const struct tsuga_span_map *map, unsigned order)
{
    return map->words + order * (map->region_capacity / WORD_BITS);
}

static inline void has_set(struct tsuga_span_map *map, unsigned order, uint32_t index)
{
    map->has[order] |= UINT64_C(1) << (index >> map->has_shift);
    if (map->has_shift > 0)
        has_words(map, order)[index / WORD_BITS] |= UINT64_C(1) << (index % WORD_BITS);
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

        words[index / WORD_BITS] &= ~(UINT64_C(1) << (index % WORD_BITS));
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
    return word * WORD_BITS + tsuga_bits_lowest(has_words(map, order)[word]);
}

/* Finds the frontmost free span of the order anew. */
static inline uint32_t low_search(const struct tsuga_span_map *map, unsigned order)
{
    if (map->has[order] == 0)
        return TSUGA_SPAN_NONE;
    return map->lows[has_first(map, order)].keys[order];
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Free spans of the map. */

static inline void count_take(struct tsuga_span_region *region, uint32_t end)
{
    region->live++;
    region->unit_high = end > region->unit_high ? end : region->unit_high;
}

static inline void span_add(struct tsuga_span_map *map, struct tsuga_span_region *region,
                            uint32_t node, unsigned order)
{
    uint32_t *low = &map->lows[region->index].keys[order];

    node_set(region, node, region->order - order);
    if (*low == TSUGA_SPAN_NONE)
        has_set(map, order, region->index);
    *low = least(*low, key_of(region, node, order));
}

static inline void span_remove(struct tsuga_span_map *map, struct tsuga_span_region *region,
                               uint32_t node, unsigned order)
{
    unsigned row = region->order - order;
    uint32_t *low = &map->lows[region->index].keys[order];
    uint32_t key = key_of(region, node, order);

    if (node_clear(region, node, row)) {
        *low = TSUGA_SPAN_NONE;
        has_clear(map, order, region->index);
    } else if (*low == key) {
        *low = key_of(region, row_first(region, row), order);
    }
    if (map->low[order] == key)
        map->low[order] = low_search(map, order);
}

static inline bool keeps(const struct tsuga_span_map *map, enum tsuga_ioheap_rule rule)
{
    return tsuga_rules_keep(map->rules_off, rule);
}

struct tsuga_span_region *tsuga_span_take(struct tsuga_span_map *map, unsigned order,
                                          uint32_t *unit)
{
    uint32_t key = map->front[order];
    struct tsuga_span_region *region;
    uint32_t node;
    unsigned taken;

    if (key == TSUGA_SPAN_NONE)
        return NULL;
    if (!keeps(map, TSUGA_RULE_FRONTMOST) && map->low[order] != TSUGA_SPAN_NONE)
        key = map->low[order];
    taken = tsuga_bits_lowest(key);
    region = map->regions[key >> TSUGA_SPAN_KEY_SHIFT];
    node = (key - region->key_base) >> taken >> 1;
    span_remove(map, region, node, taken);
    map->front[taken] = least(map->low[taken], map->front[taken + 1]);
    while (taken > order) {
        taken--;
        node *= 2;
        span_add(map, region, node + 1, taken);
        map->low[taken] = key_of(region, node + 1, taken);
        map->front[taken] = map->low[taken];
    }
    for (; taken > 0 && map->front[taken - 1] == key; taken--)
        map->front[taken - 1] = least(map->low[taken - 1], map->front[taken]);
    *unit = (node << order) - (1u << region->order);
    count_take(region, *unit + (1u << order));
    return region;
}

void tsuga_span_give(struct tsuga_span_map *map, struct tsuga_span_region *region, uint32_t unit,
                     unsigned order)
{
    uint32_t node = node_of(region, unit, order);
    uint32_t key;
    uint32_t begin;

    /* The root's buddy would be node 0, which is never set. */
    while (node_is_set(region, node ^ 1) && keeps(map, TSUGA_RULE_MERGE)) {
        span_remove(map, region, node ^ 1, order);
        node /= 2;
        order++;
    }
    span_add(map, region, node, order);
    key = key_of(region, node, order);
    map->low[order] = least(map->low[order], key);
    /* What lies in front of the span has a smaller key than this, what lay in it has a larger. */
    begin = key - (1u << order);
    for (unsigned i = order + 1; i > 0 && map->front[i - 1] > begin; i--)
        map->front[i - 1] = key;
    region->live--;
}

bool tsuga_span_is_free(const struct tsuga_span_region *region, uint32_t unit, unsigned order)
{
    return order <= region->order && node_is_set(region, node_of(region, unit, order));
}

uint32_t tsuga_span_free_count(const struct tsuga_span_region *region, unsigned order)
{
    unsigned row = region->order - order;
    uint32_t count = 0;

    if (order > region->order)
        return 0;
    for (uint32_t word = (1u << row) / WORD_BITS; word <= ((2u << row) - 1) / WORD_BITS; word++)
        count += (uint32_t)__builtin_popcountll(region->nodes[word] & rows[row].mask);
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
    for (unsigned order = 0; order <= TSUGA_SPAN_ORDER_COUNT; order++)
        map->front[order] = TSUGA_SPAN_NONE;
}

static size_t words_bytes(uint32_t capacity)
{
    if (capacity <= WORD_BITS)
        return 0;
    return TSUGA_SPAN_ORDER_COUNT * (capacity / WORD_BITS) * sizeof(uint64_t);
}

static size_t tables_bytes(uint32_t capacity)
{
    return words_bytes(capacity) +
           capacity * (sizeof(struct tsuga_span_lows) + sizeof(struct tsuga_span_region *));
}

/* A bit of map->has stands for one region, then for a word of them, then for several words. */
static uint8_t has_shift_of(uint32_t capacity)
{
    unsigned shift = tsuga_bits_log2_floor(capacity) - WORD_SHIFT;

    if (capacity <= WORD_BITS)
        return 0;
    return (uint8_t)(shift > WORD_SHIFT ? shift : WORD_SHIFT);
}

void tsuga_span_map_fini(struct tsuga_span_map *map)
{
    TSUGA_VERIFY(map->region_count == 0);
    tsuga_memory_free(map->memory, map->lows, tables_bytes(map->region_capacity));
}

/* Brings a region's keys, and what the map knows of it, up to date with its tree. */
static void region_index(struct tsuga_span_map *map, const struct tsuga_span_region *region)
{
    for (unsigned row = 0; row <= region->order; row++) {
        unsigned order = region->order - row;

        if (*summary_of(region, row) == 0)
            continue;
        map->lows[region->index].keys[order] = key_of(region, row_first(region, row), order);
        has_set(map, order, region->index);
    }
}

/* Brings all that the map knows up to date with the regions' trees. */
static void map_index(struct tsuga_span_map *map)
{
    memset(map->has, 0, sizeof(map->has));
    if (map->words != NULL)
        memset(map->words, 0, words_bytes(map->region_capacity));
    for (uint32_t i = 0; i < map->region_capacity; i++) {
        for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++)
            map->lows[i].keys[order] = TSUGA_SPAN_NONE;
        if (i < map->region_count && map->regions[i] != NULL)
            region_index(map, map->regions[i]);
    }
    for (unsigned order = TSUGA_SPAN_ORDER_COUNT; order > 0; order--) {
        map->low[order - 1] = low_search(map, order - 1);
        map->front[order - 1] = least(map->low[order - 1], map->front[order]);
    }
}

static void region_number(struct tsuga_span_region *region, uint32_t index)
{
    region->index = index;
    region->key_base = (index << TSUGA_SPAN_KEY_SHIFT) - (2u << region->order);
}

/* Moves the regions together where some were removed. */
static void regions_compact(struct tsuga_span_map *map)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < map->region_count; i++) {
        if (map->regions[i] == NULL)
            continue;
        map->regions[count] = map->regions[i];
        region_number(map->regions[count], count);
        count++;
    }
    map->region_count = count;
    map->removed_count = 0;
    map_index(map);
}

static int regions_grow(struct tsuga_span_map *map)
{
    uint32_t capacity = map->region_capacity == 0 ? 1 : 2 * map->region_capacity;
    struct tsuga_span_map old = *map;
    struct tsuga_span_lows *tables = tsuga_memory_alloc(map->memory, tables_bytes(capacity));

    if (tables == NULL)
        return -ENOMEM;
    map->lows = tables;
    map->regions = (void *)(map->lows + capacity);
    map->words = words_bytes(capacity) == 0 ? NULL : (void *)(map->regions + capacity);
    map->region_capacity = capacity;
    map->has_shift = has_shift_of(capacity);
    for (uint32_t i = 0; i < map->region_count; i++)
        map->regions[i] = old.regions[i];
    map_index(map);
    tsuga_memory_free(map->memory, old.lows, tables_bytes(old.region_capacity));
    return 0;
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

/* Sets low[order], and front[0 ..= order] after it. */
static void low_update(struct tsuga_span_map *map, unsigned order, uint32_t key)
{
    map->low[order] = key;
    for (unsigned i = order + 1; i > 0; i--)
        map->front[i - 1] = least(map->low[i - 1], map->front[i]);
}

int tsuga_span_map_add(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    int error = regions_make_room(map);

    if (error != 0)
        return error;
    region_number(region, map->region_count);
    map->regions[map->region_count++] = region;
    span_add(map, region, 1, region->order);
    low_update(map, region->order,
               least(map->low[region->order], key_of(region, 1, region->order)));
    return 0;
}

void tsuga_span_map_remove(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    TSUGA_VERIFY(map->regions[region->index] == region);
    TSUGA_VERIFY(node_is_set(region, 1)); /* else somebody still uses a part of it */
    span_remove(map, region, 1, region->order);
    low_update(map, region->order, map->low[region->order]);
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

static uint32_t region_low(const struct tsuga_span_region *region, unsigned order)
{
    unsigned row;

    if (region == NULL || order > region->order)
        return TSUGA_SPAN_NONE;
    row = region->order - order;
    if (*summary_of(region, row) == 0)
        return TSUGA_SPAN_NONE;
    return key_of(region, row_first(region, row), order);
}

static bool has_bit(const struct tsuga_span_map *map, unsigned order, uint32_t index)
{
    const uint64_t *words = map->has_shift == 0 ? &map->has[order] : has_words(map, order);

    return (words[index / WORD_BITS] >> (index % WORD_BITS) & 1) != 0;
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
            TSUGA_VERIFY(map->lows[i].keys[order] == region_low(region, order));
            has[order] |= (uint64_t)(orders >> order & 1) << (i >> map->has_shift);
        }
    }
    TSUGA_VERIFY(removed_count == map->removed_count);
    TSUGA_VERIFY(memcmp(has, map->has, sizeof(has)) == 0);
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++) {
        TSUGA_VERIFY(map->low[order] == low_search(map, order));
        TSUGA_VERIFY(map->front[order] == least(map->low[order], map->front[order + 1]));
    }
}

size_t tsuga_span_map_table_bytes(const struct tsuga_span_map *map)
{
    return tables_bytes(map->region_capacity);
}
