#include "ioheap/span.h"

#include <errno.h>
#include <string.h>

#include "ioheap/rules.h"

#define WORD_BITS 64u
/* Rows of up to 2^12 nodes are 64 words, for which a summary has a bit each. */
#define SHORT_ROW_MAX 12u

static inline uint64_t bit_of(uint32_t number)
{
    return UINT64_C(1) << (number % WORD_BITS);
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Nodes and rows of one region. Row d has 2^d nodes. */

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
    return region->key_base + ((2 * node + 1) << order);
}

/* A row's bits in its words: rows 0 ..= 5 share the first. */
static inline uint64_t row_mask(unsigned row)
{
    static const uint64_t masks[TSUGA_SPAN_ORDER_COUNT] = {
        0x2,        0xc,        0xf0,       0xff00,     0xffff0000, 0xffffffff00000000,
        UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
        UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

    return masks[row];
}

/* A bit of the row's summary stands for 2^this words. */
static inline unsigned group_shift(unsigned row)
{
    return row > SHORT_ROW_MAX ? row - SHORT_ROW_MAX : 0;
}

/* The bit of the row's summary that stands for a word. A row has as many words as its first one's
 * number, so that these numbers, modulo 64, do not repeat. */
static inline uint64_t group_bit(uint32_t word, unsigned row)
{
    return bit_of(word >> group_shift(row));
}

static inline uint64_t *summary_of(const struct tsuga_span_region *region, unsigned row)
{
    return region->nodes - 1 - row;
}

static inline bool node_is_set(const struct tsuga_span_region *region, uint32_t node)
{
    return (region->nodes[node / WORD_BITS] & bit_of(node)) != 0;
}

static inline void node_set(struct tsuga_span_region *region, uint32_t node, unsigned order)
{
    unsigned row = row_of(region, order);
    uint32_t word = node / WORD_BITS;

    region->nodes[word] |= bit_of(node);
    *summary_of(region, row) |= group_bit(word, row);
}

/* The first of the group's words that is not zero; the one behind it, when all are. */
static uint32_t group_search(const struct tsuga_span_region *region, uint32_t word, unsigned row)
{
    uint32_t count = 1u << group_shift(row);
    uint32_t end = (word & ~(count - 1)) + count;

    for (word = end - count; word < end && region->nodes[word] == 0;)
        word++;
    return word;
}

/* The word became zero: so may the summary's bit. */
static inline void summary_clear(struct tsuga_span_region *region, uint32_t word, unsigned order)
{
    unsigned row = row_of(region, order);

    if (row > SHORT_ROW_MAX &&
        group_search(region, word, row) >> group_shift(row) == word >> group_shift(row))
        return;
    *summary_of(region, row) &= ~group_bit(word, row);
}

/* The key of the row's lowest set node, or TSUGA_SPAN_NONE. */
static inline uint32_t row_search(const struct tsuga_span_region *region, unsigned order)
{
    unsigned row = row_of(region, order);
    uint64_t summary = *summary_of(region, row);
    uint32_t group;
    uint32_t word;

    if (summary == 0)
        return TSUGA_SPAN_NONE;
    group = tsuga_bits_lowest(summary) + (row >= SHORT_ROW_MAX ? WORD_BITS : 0);
    word = group << group_shift(row);
    if (row > SHORT_ROW_MAX)
        word = group_search(region, word, row);
    return key_of(region, word * WORD_BITS + tsuga_bits_lowest(region->nodes[word] & row_mask(row)),
                  order);
}

/* Which regions have a free span of an order. */

static inline void has_set(struct tsuga_span_map *map, const struct tsuga_span_region *region,
                           unsigned order)
{
    uint64_t before = region->has[order];

    region->has[order] = before | region->has_bit;
    if (before == 0)
        map->has[order] |= region->has_group_bit;
}

/* The number of the first of a group's words that is not zero; the one behind it, when all are. */
static uint32_t has_search(const struct tsuga_span_map *map, unsigned order, uint32_t group)
{
    uint32_t word = group << map->group_shift;
    uint32_t end = (group + 1) << map->group_shift;

    while (word < end && map->words[word * TSUGA_SPAN_ORDER_COUNT + order] == 0)
        word++;
    return word;
}

/* A word became zero: so may the bit that stands for it and for the other words of its group. */
static void has_group_clear(struct tsuga_span_map *map, const struct tsuga_span_region *region,
                            unsigned order)
{
    uint32_t group = region->index / WORD_BITS >> map->group_shift;

    if (map->group_shift == 0 || has_search(map, order, group) >> map->group_shift != group)
        map->has[order] &= ~region->has_group_bit;
}

static inline void has_clear(struct tsuga_span_map *map, const struct tsuga_span_region *region,
                             unsigned order)
{
    region->has[order] &= ~region->has_bit;
    if (region->has[order] == 0)
        has_group_clear(map, region, order);
}

/* Finds the key of the frontmost free span of the order anew. */
static inline uint32_t low_search(const struct tsuga_span_map *map, unsigned order)
{
    uint64_t has = map->has[order];
    uint32_t word = 0;

    if (has == 0)
        return TSUGA_SPAN_NONE;
    if (map->words != NULL) {
        word = tsuga_bits_lowest(has);
        if (map->group_shift > 0)
            word = has_search(map, order, word);
        has = map->words[word * TSUGA_SPAN_ORDER_COUNT + order];
    }
    return map->lows[word * WORD_BITS + tsuga_bits_lowest(has)].keys[order];
}

/* Free spans of the map. */

static inline void span_add(struct tsuga_span_map *map, struct tsuga_span_region *region,
                            uint32_t node, unsigned order, uint32_t key)
{
    node_set(region, node, order);
    has_set(map, region, order);
    region->low->keys[order] = least(region->low->keys[order], key);
    map->low[order] = least(map->low[order], key);
}

/* Inline also where it is large: half of what taking does is this. */
__attribute__((always_inline)) static inline void span_remove(struct tsuga_span_map *map,
                                                              struct tsuga_span_region *region,
                                                              uint32_t node, unsigned order,
                                                              uint32_t key)
{
    uint32_t word = node / WORD_BITS;
    uint64_t rest = region->nodes[word] & ~bit_of(node);
    uint32_t next;

    region->nodes[word] = rest;
    rest &= row_mask(row_of(region, order));
    if (rest == 0)
        summary_clear(region, word, order);
    if (region->low->keys[order] != key)
        return;
    next = rest != 0 ? key_of(region, word * WORD_BITS + tsuga_bits_lowest(rest), order)
                     : row_search(region, order);
    region->low->keys[order] = next;
    if (next == TSUGA_SPAN_NONE)
        has_clear(map, region, order);
    if (map->low[order] == key)
        map->low[order] = next != TSUGA_SPAN_NONE ? next : low_search(map, order);
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
    uint32_t end;
    unsigned taken;

    if (key == TSUGA_SPAN_NONE)
        return NULL;
    if (!keeps(map, TSUGA_RULE_FRONTMOST) && map->low[order] != TSUGA_SPAN_NONE)
        key = map->low[order];
    taken = tsuga_bits_lowest(key);
    region = map->regions[key >> TSUGA_SPAN_KEY_SHIFT];
    node = (key - region->key_base) >> taken >> 1;
    span_remove(map, region, node, taken, key);
    map->front[taken] = least(map->low[taken], map->front[taken + 1]);
    while (taken > order) {
        taken--;
        node *= 2;
        span_add(map, region, node + 1, taken, key_of(region, node + 1, taken));
        map->front[taken] = map->low[taken];
    }
    for (; taken > 0 && map->front[taken - 1] == key; taken--)
        map->front[taken - 1] = least(map->low[taken - 1], map->front[taken]);
    *unit = (node << order) - (1u << region->order);
    end = *unit + (1u << order);
    region->unit_high = end > region->unit_high ? end : region->unit_high;
    region->live++;
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
        span_remove(map, region, node ^ 1, order, key_of(region, node ^ 1, order));
        node /= 2;
        order++;
    }
    key = key_of(region, node, order);
    span_add(map, region, node, order, key);
    /* What lies in front of the span has a smaller key than this, what lay in it has a larger. */
    begin = key - (1u << order);
    for (unsigned i = order + 1; i > 0 && map->front[i - 1] > begin; i--)
        map->front[i - 1] = key;
    if (--region->live == 0)
        region->idle_ns = 0;
}

bool tsuga_span_is_free(const struct tsuga_span_region *region, uint32_t unit, unsigned order)
{
    return order <= region->order && node_is_set(region, node_of(region, unit, order));
}

uint32_t tsuga_span_free_count(const struct tsuga_span_region *region, unsigned order)
{
    uint32_t count = 0;
    unsigned row;

    if (order > region->order)
        return 0;
    row = row_of(region, order);
    for (uint32_t word = (1u << row) / WORD_BITS; word <= ((2u << row) - 1) / WORD_BITS; word++)
        count += (uint32_t)__builtin_popcountll(region->nodes[word] & row_mask(row));
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

static uint32_t word_count(uint32_t capacity)
{
    return capacity <= WORD_BITS ? 0 : capacity / WORD_BITS;
}

static size_t tables_bytes(uint32_t capacity)
{
    return capacity * (sizeof(struct tsuga_span_lows) + sizeof(struct tsuga_span_region *)) +
           word_count(capacity) * TSUGA_SPAN_ORDER_COUNT * sizeof(uint64_t);
}

void tsuga_span_map_fini(struct tsuga_span_map *map)
{
    TSUGA_VERIFY(map->region_count == 0);
    tsuga_memory_free(map->memory, map->lows, tables_bytes(map->region_capacity));
}

/* Gives the region its place in the map's tables. */
static void region_place(struct tsuga_span_map *map, struct tsuga_span_region *region,
                         uint32_t index)
{
    uint32_t word = index / WORD_BITS;

    map->regions[index] = region;
    region->map = map;
    region->index = index;
    region->key_base = (index << TSUGA_SPAN_KEY_SHIFT) - (2u << region->order);
    region->low = &map->lows[index];
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++)
        region->low->keys[order] = TSUGA_SPAN_NONE;
    region->has_bit = bit_of(index);
    region->has = map->words == NULL ? map->has : &map->words[word * TSUGA_SPAN_ORDER_COUNT];
    region->has_group_bit = map->words == NULL ? 0 : bit_of(word >> map->group_shift);
}

static void region_index(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    for (unsigned order = 0; order <= region->order; order++) {
        region->low->keys[order] = row_search(region, order);
        if (region->low->keys[order] != TSUGA_SPAN_NONE)
            has_set(map, region, order);
    }
}

/* Sets front[0 ..= order] after low has changed. */
static void front_update(struct tsuga_span_map *map, unsigned order)
{
    for (unsigned i = order + 1; i > 0; i--)
        map->front[i - 1] = least(map->low[i - 1], map->front[i]);
}

/* Moves the regions to the map's tables, together where some were removed, and brings all that the
 * map knows up to date with the regions' trees. */
static void map_index(struct tsuga_span_map *map, struct tsuga_span_region *const *regions)
{
    uint32_t count = map->region_count;

    memset(map->has, 0, sizeof(map->has));
    if (map->words != NULL)
        memset(map->words, 0,
               word_count(map->region_capacity) * TSUGA_SPAN_ORDER_COUNT * sizeof(uint64_t));
    map->region_count = 0;
    map->removed_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (regions[i] == NULL)
            continue;
        region_place(map, regions[i], map->region_count++);
        region_index(map, regions[i]);
    }
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++)
        map->low[order] = low_search(map, order);
    front_update(map, TSUGA_SPAN_ORDER_MAX);
}

static int regions_grow(struct tsuga_span_map *map)
{
    uint32_t capacity = map->region_capacity == 0 ? 1 : 2 * map->region_capacity;
    uint32_t words = word_count(capacity);
    struct tsuga_span_map old = *map;
    struct tsuga_span_lows *tables = tsuga_memory_alloc(map->memory, tables_bytes(capacity));

    if (tables == NULL)
        return -ENOMEM;
    map->lows = tables;
    map->regions = (void *)(map->lows + capacity);
    map->words = words == 0 ? NULL : (void *)(map->regions + capacity);
    map->group_shift = words <= WORD_BITS ? 0 : (uint8_t)tsuga_bits_log2_floor(words / WORD_BITS);
    map->region_capacity = capacity;
    map_index(map, old.regions);
    tsuga_memory_free(map->memory, old.lows, tables_bytes(old.region_capacity));
    return 0;
}

/* Makes room for one more region. Numbering them anew costs a walk over all of them, so it waits
 * until a quarter was removed, or until there are no more numbers. */
static int regions_make_room(struct tsuga_span_map *map)
{
    uint32_t count_max = least(map->region_capacity, TSUGA_SPAN_REGION_COUNT_MAX);
    bool is_last = count_max == TSUGA_SPAN_REGION_COUNT_MAX;

    if (map->region_count < count_max)
        return 0;
    if (map->removed_count > 0 && (is_last || map->removed_count >= map->region_count / 4)) {
        map_index(map, map->regions);
        return 0;
    }
    return is_last ? -ENOBUFS : regions_grow(map);
}

int tsuga_span_map_add(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    int error = regions_make_room(map);

    if (error != 0)
        return error;
    region_place(map, region, map->region_count++);
    span_add(map, region, 1, region->order, key_of(region, 1, region->order));
    front_update(map, region->order);
    return 0;
}

void tsuga_span_map_remove(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    TSUGA_VERIFY(map->regions[region->index] == region);
    TSUGA_VERIFY(node_is_set(region, 1)); /* else somebody still uses a part of it */
    span_remove(map, region, 1, region->order, key_of(region, 1, region->order));
    front_update(map, region->order);
    map->regions[region->index] = NULL;
    map->removed_count++;
    while (map->region_count > 0 && map->regions[map->region_count - 1] == NULL) {
        map->region_count--;
        map->removed_count--;
    }
}

size_t tsuga_span_map_table_bytes(const struct tsuga_span_map *map)
{
    return tables_bytes(map->region_capacity);
}

/* Checks. */

static void row_check(const struct tsuga_span_region *region, unsigned order)
{
    unsigned row = row_of(region, order);
    uint64_t summary = 0;

    for (uint32_t node = 1u << row; node < 2u << row; node++) {
        if (!node_is_set(region, node))
            continue;
        summary |= group_bit(node / WORD_BITS, row);
        for (uint32_t above = node / 2; above > 0; above /= 2)
            TSUGA_VERIFY(!node_is_set(region, above));
    }
    TSUGA_VERIFY(summary == *summary_of(region, row));
}

static void region_check(const struct tsuga_span_map *map, const struct tsuga_span_region *region)
{
    for (unsigned order = 0; order <= region->order; order++) {
        uint32_t low = row_search(region, order);

        row_check(region, order);
        TSUGA_VERIFY(region->low->keys[order] == low);
        TSUGA_VERIFY(((region->has[order] & region->has_bit) != 0) == (low != TSUGA_SPAN_NONE));
    }
    for (uint32_t node = 2; keeps(map, TSUGA_RULE_MERGE) && node < 2u << region->order; node += 2)
        TSUGA_VERIFY(!node_is_set(region, node) || !node_is_set(region, node + 1));
}

/* Which regions have a free span of the order, by their own account. */
static void has_check(const struct tsuga_span_map *map, unsigned order)
{
    uint64_t has = 0;

    for (uint32_t i = 0; i < map->region_count; i++) {
        const struct tsuga_span_region *region = map->regions[i];

        if (region != NULL && order <= region->order &&
            row_search(region, order) != TSUGA_SPAN_NONE)
            has |= map->words == NULL ? region->has_bit : region->has_group_bit;
    }
    TSUGA_VERIFY(has == map->has[order]);
}

void tsuga_span_map_check(const struct tsuga_span_map *map)
{
    uint32_t removed_count = 0;

    for (uint32_t i = 0; i < map->region_count; i++) {
        removed_count += map->regions[i] == NULL;
        if (map->regions[i] == NULL)
            continue;
        TSUGA_VERIFY(map->regions[i]->map == map);
        TSUGA_VERIFY(map->regions[i]->index == i);
        region_check(map, map->regions[i]);
    }
    TSUGA_VERIFY(removed_count == map->removed_count);
    for (unsigned order = 0; order < TSUGA_SPAN_ORDER_COUNT; order++) {
        has_check(map, order);
        TSUGA_VERIFY(map->low[order] == low_search(map, order));
        TSUGA_VERIFY(map->front[order] == least(map->low[order], map->front[order + 1]));
    }
}
