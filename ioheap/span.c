#include "ioheap/span.h"

#include <errno.h>
#include <string.h>

#include "ioheap/rules.h"

#define WORD_BITS 64u

static inline uint64_t bit_of(uint32_t number)
{
    return UINT64_C(1) << (number % WORD_BITS);
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Nodes and rows of one region. Row d has 2^d nodes. */

static inline uint32_t node_of(const struct tsuga_span_region *region, uint32_t unit,
                               unsigned order)
{
    return (region->unit_count + unit) >> order;
}

static inline uint32_t key_of(const struct tsuga_span_region *region, uint32_t node, unsigned order)
{
    return region->key_base + ((2 * node + 1) << order);
}

/* A row's place: 0 for the root's, and below 0 for those of smaller orders. */
static inline ptrdiff_t row_place(const struct tsuga_span_region *region, unsigned order)
{
    return (ptrdiff_t)order - region->order;
}

/* The root's row has the last word in front of the region. */
static inline uint64_t *summary_of(const struct tsuga_span_region *region, unsigned order)
{
    return (uint64_t *)region - 1 + row_place(region, order);
}

/* A row's words lie in groups, one for each bit of its summary, up to 64. The first group's number
 * is their count, so a group's number modulo 64 is its bit. */
struct row {
    uint64_t mask;       /* its bits in its words: the last six rows share the first */
    uint8_t group_shift; /* a group is 2^this words */
    uint8_t group_base;  /* a group's number is this and its bit's */
};

/* The table's last one is the root's. */
static inline const struct row *row_of(const struct tsuga_span_region *region, unsigned order)
{
    static const struct row rows[TSUGA_SPAN_ORDER_COUNT] = {
        {UINT64_MAX, 3, 64},
        {UINT64_MAX, 2, 64},
        {UINT64_MAX, 1, 64},
        {UINT64_MAX, 0, 64},
        {UINT64_MAX, 0, 0},
        {UINT64_MAX, 0, 0},
        {UINT64_MAX, 0, 0},
        {UINT64_MAX, 0, 0},
        {UINT64_MAX, 0, 0},
        {UINT64_MAX, 0, 0},
        {UINT64_MAX << 32, 0, 0},
        {0xffff0000, 0, 0},
        {0xff00, 0, 0},
        {0xf0, 0, 0},
        {0xc, 0, 0},
        {0x2, 0, 0},
    };

    return &rows[TSUGA_SPAN_ORDER_MAX] + row_place(region, order);
}

static inline bool node_is_set(const struct tsuga_span_region *region, uint32_t node)
{
    return (region->nodes[node / WORD_BITS] & bit_of(node)) != 0;
}

static inline void node_set(struct tsuga_span_region *region, uint32_t node, unsigned order)
{
    uint32_t word = node / WORD_BITS;

    region->nodes[word] |= bit_of(node);
    *summary_of(region, order) |= bit_of(word >> row_of(region, order)->group_shift);
}

/* The first of the group's words that is not zero; the one behind it, when all are. */
static uint32_t group_search(const struct tsuga_span_region *region, uint32_t group, unsigned shift)
{
    uint32_t word = group << shift;
    uint32_t end = (group + 1) << shift;

    while (word < end && region->nodes[word] == 0)
        word++;
    return word;
}

static bool group_is_zero(const struct tsuga_span_region *region, uint32_t group, unsigned shift)
{
    return group_search(region, group, shift) >> shift != group;
}

/* Clears the node, and tells whether its row is empty now. Which words become zero is as good as
 * random, so no branch depends on it, but in the few rows that have groups of words. */
static inline bool node_clear(struct tsuga_span_region *region, uint32_t node, unsigned order)
{
    const struct row *row = row_of(region, order);
    uint32_t word = node / WORD_BITS;
    uint64_t rest = region->nodes[word] & ~bit_of(node);
    uint64_t is_zero = (rest & row->mask) == 0;

    region->nodes[word] = rest;
    if (row->group_shift > 0) {
        word >>= row->group_shift;
        is_zero = is_zero && group_is_zero(region, word, row->group_shift);
    }
    *summary_of(region, order) &= ~(is_zero << word % WORD_BITS);
    return *summary_of(region, order) == 0;
}

/* The key of the lowest set node of the row, which is not empty. */
static inline uint32_t row_search(const struct tsuga_span_region *region, unsigned order)
{
    const struct row *row = row_of(region, order);
    uint32_t word = tsuga_bits_lowest(*summary_of(region, order)) + row->group_base;

    if (row->group_shift > 0)
        word = group_search(region, word, row->group_shift);
    return key_of(region, word * WORD_BITS + tsuga_bits_lowest(region->nodes[word] & row->mask),
                  order);
}

/* Which regions have a free span of an order. */

static inline void has_set(struct tsuga_span_map *map, const struct tsuga_span_region *region,
                           unsigned order)
{
    region->has[order] |= region->has_bit;
    if (map->words != NULL)
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

/* The region may have become one without: `is_empty`. Again no branch depends on it. */
static inline void has_clear(struct tsuga_span_map *map, const struct tsuga_span_region *region,
                             unsigned order, uint64_t is_empty)
{
    region->has[order] &= ~(region->has_bit & -is_empty);
    if (map->words == NULL)
        return;
    is_empty = region->has[order] == 0;
    if (map->group_shift > 0 && is_empty) {
        uint32_t group = region->index / WORD_BITS >> map->group_shift;
        is_empty = has_search(map, order, group) >> map->group_shift != group;
    }
    map->has[order] &= ~(region->has_group_bit & -is_empty);
}

/* Finds the key of the frontmost free span of the order anew. */
__attribute__((always_inline)) static inline uint32_t low_search(const struct tsuga_span_map *map,
                                                                 unsigned order)
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
    return row_search(map->regions[word * WORD_BITS + tsuga_bits_lowest(has)], order);
}

/* Free spans of the map. */

/* Of an order among the lows and the visible bits, between the guards. */
static inline unsigned place_of(unsigned order)
{
    return order + 1;
}

static inline void span_add(struct tsuga_span_map *map, struct tsuga_span_region *region,
                            uint32_t node, unsigned order, uint32_t key)
{
    node_set(region, node, order);
    has_set(map, region, order);
    map->low[place_of(order)] = least(map->low[place_of(order)], key);
}

static inline void span_remove(struct tsuga_span_map *map, struct tsuga_span_region *region,
                               uint32_t node, unsigned order)
{
    has_clear(map, region, order, node_clear(region, node, order));
    if (map->low[place_of(order)] == key_of(region, node, order))
        map->low[place_of(order)] = low_search(map, order);
}

/* Visible orders. */

static inline bool is_visible(const struct tsuga_span_map *map, unsigned place)
{
    return (map->visible & 1u << place) != 0;
}

/* The first visible place from this one on. */
static inline unsigned visible_from(const struct tsuga_span_map *map, unsigned place)
{
    return tsuga_bits_lowest(map->visible & UINT32_MAX << place);
}

/* The low at the place has gone back: smaller orders that it hid, up to the next visible one, may
 * be visible now. Apart, as few calls need it and the others shall not save registers for it. */
__attribute__((noinline)) static void uncover(struct tsuga_span_map *map, unsigned place)
{
    uint32_t key = map->low[visible_from(map, place)];

    while (!is_visible(map, --place)) {
        if (map->low[place] < key) {
            map->visible |= 1u << place;
            key = map->low[place];
        }
    }
}

/* The place of the largest visible order that is smaller. */
static inline unsigned visible_below(const struct tsuga_span_map *map, unsigned place)
{
    return tsuga_bits_log2_floor(map->visible & ((1u << place) - 1));
}

/* A span with this key was added at the place, and hides smaller orders whose lows lie behind. */
static inline void cover(struct tsuga_span_map *map, unsigned place, uint32_t key)
{
    if (!is_visible(map, place) && key < map->low[visible_from(map, place)])
        map->visible |= 1u << place;
    while (map->low[visible_below(map, place)] > key)
        map->visible &= ~(1u << visible_below(map, place));
}

static void visible_index(struct tsuga_span_map *map)
{
    map->visible = 1u << TSUGA_SPAN_GUARD_FRONT | 1u << TSUGA_SPAN_GUARD_BACK;
    uncover(map, TSUGA_SPAN_GUARD_BACK);
}

static inline bool keeps(const struct tsuga_span_map *map, enum tsuga_ioheap_rule rule)
{
    return tsuga_rules_keep(map->rules_off, rule);
}

/* Adds what remains of a span of 2^taken units, of which the first 2^order are used. Apart for the
 * same reason. */
__attribute__((noinline)) static void split(struct tsuga_span_map *map,
                                            struct tsuga_span_region *region, uint32_t node,
                                            unsigned taken, unsigned order)
{
    map->visible |= (1u << place_of(taken)) - (1u << place_of(order));
    while (taken-- > order) {
        node *= 2;
        span_add(map, region, node + 1, taken, key_of(region, node + 1, taken));
    }
}

struct tsuga_span tsuga_span_take(struct tsuga_span_map *map, unsigned order)
{
    unsigned place = visible_from(map, place_of(order));
    struct tsuga_span_region *region;
    unsigned taken;
    uint32_t node;
    uint32_t key;
    uint32_t unit;
    uint32_t end;

    if (!keeps(map, TSUGA_RULE_FRONTMOST) && map->low[place_of(order)] != TSUGA_SPAN_NONE)
        place = place_of(order);
    key = map->low[place];
    if (key == TSUGA_SPAN_NONE)
        return (struct tsuga_span){.region = NULL};
    taken = place - place_of(0);
    region = map->regions[key >> TSUGA_SPAN_KEY_SHIFT];
    node = (key - region->key_base) >> taken >> 1;
    has_clear(map, region, taken, node_clear(region, node, taken));
    map->low[place] = low_search(map, taken);
    if (map->low[place] >= map->low[visible_from(map, place + 1)])
        map->visible &= ~(1u << place);
    if (taken > order)
        split(map, region, node, taken, order);
    else if (!is_visible(map, place - 1))
        uncover(map, place);
    /* A key without its lowest bit is twice the first unit. */
    unit = (key & (key - 1)) % (2 * TSUGA_SPAN_UNIT_COUNT_MAX) / 2;
    end = unit + (1u << order);
    if (end > region->unit_high)
        region->unit_high = end;
    return (struct tsuga_span){.region = region, .unit = unit};
}

/* Gives a span whose buddy is not free. */
__attribute__((always_inline)) static inline void give_merged(struct tsuga_span_map *map,
                                                              struct tsuga_span_region *region,
                                                              uint32_t node, unsigned order)
{
    uint32_t key = key_of(region, node, order);

    span_add(map, region, node, order, key);
    cover(map, place_of(order), key);
    region->idle_ns = 0;
}

/* Apart for the same reason as split(). */
__attribute__((noinline)) static void merge_and_give(struct tsuga_span_map *map,
                                                     struct tsuga_span_region *region,
                                                     uint32_t node, unsigned order)
{
    do {
        span_remove(map, region, node ^ 1, order);
        node /= 2;
        order++;
    } while (node_is_set(region, node ^ 1));
    give_merged(map, region, node, order);
}

void tsuga_span_give(struct tsuga_span_map *map, struct tsuga_span_region *region, uint32_t unit,
                     unsigned order)
{
    uint32_t node = node_of(region, unit, order);

    /* The root's buddy would be node 0, which is never set. */
    if (node_is_set(region, node ^ 1) && keeps(map, TSUGA_RULE_MERGE))
        merge_and_give(map, region, node, order);
    else
        give_merged(map, region, node, order);
}

bool tsuga_span_region_is_free(const struct tsuga_span_region *region)
{
    return node_is_set(region, 1);
}

bool tsuga_span_is_free(const struct tsuga_span_region *region, uint32_t unit, unsigned order)
{
    return order <= region->order && node_is_set(region, node_of(region, unit, order));
}

uint32_t tsuga_span_free_count(const struct tsuga_span_region *region, unsigned order)
{
    uint32_t first;
    uint32_t count = 0;

    if (order > region->order)
        return 0;
    first = node_of(region, 0, order);
    for (uint32_t word = first / WORD_BITS; word <= (2 * first - 1) / WORD_BITS; word++)
        count += (uint32_t)__builtin_popcountll(region->nodes[word] & row_of(region, order)->mask);
    return count;
}

/* Regions. */

struct tsuga_span_region *tsuga_span_region_init(void *piece, unsigned order)
{
    struct tsuga_span_region *region = (void *)((uint64_t *)piece + order + 1);

    TSUGA_ASSERT(order <= TSUGA_SPAN_ORDER_MAX);
    region->unit_count = 1u << order;
    region->order = (uint8_t)order;
    return region;
}

void *tsuga_span_region_piece(struct tsuga_span_region *region)
{
    return summary_of(region, 0);
}

void tsuga_span_map_init(struct tsuga_span_map *map, const struct tsuga_memory *memory)
{
    *map = (struct tsuga_span_map){.memory = memory};
    for (unsigned order = 0; order <= TSUGA_SPAN_ORDER_COUNT; order++)
        map->low[place_of(order)] = TSUGA_SPAN_NONE;
    visible_index(map);
}

static uint32_t word_count(uint32_t capacity)
{
    return capacity <= WORD_BITS ? 0 : capacity / WORD_BITS;
}

static size_t tables_bytes(uint32_t capacity)
{
    return capacity * sizeof(struct tsuga_span_region *) +
           word_count(capacity) * TSUGA_SPAN_ORDER_COUNT * sizeof(uint64_t);
}

void tsuga_span_map_fini(struct tsuga_span_map *map)
{
    TSUGA_VERIFY(map->region_count == 0);
    tsuga_memory_free(map->memory, map->regions, tables_bytes(map->region_capacity));
}

/* Gives the region its place in the map's tables. */
static void region_place(struct tsuga_span_map *map, struct tsuga_span_region *region,
                         uint32_t index)
{
    uint32_t word = index / WORD_BITS;

    map->regions[index] = region;
    region->map = map;
    region->index = (uint16_t)index;
    region->has_bit = bit_of(index);
    region->has_group_bit = bit_of(word >> map->group_shift);
    region->key_base = (index << TSUGA_SPAN_KEY_SHIFT) - (2u << region->order);
    region->has = map->words == NULL ? map->has : &map->words[word * TSUGA_SPAN_ORDER_COUNT];
}

static void region_index(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    for (unsigned order = 0; order <= region->order; order++) {
        if (*summary_of(region, order) != 0)
            has_set(map, region, order);
    }
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
        map->low[place_of(order)] = low_search(map, order);
    visible_index(map);
}

static int regions_grow(struct tsuga_span_map *map)
{
    uint32_t capacity = map->region_capacity == 0 ? 1 : 2 * map->region_capacity;
    uint32_t words = word_count(capacity);
    struct tsuga_span_map old = *map;
    struct tsuga_span_region **tables = tsuga_memory_alloc(map->memory, tables_bytes(capacity));

    if (tables == NULL)
        return -ENOMEM;
    map->regions = tables;
    map->words = words == 0 ? NULL : (void *)(map->regions + capacity);
    map->group_shift = words <= WORD_BITS ? 0 : (uint8_t)tsuga_bits_log2_floor(words / WORD_BITS);
    map->region_capacity = capacity;
    map_index(map, old.regions);
    tsuga_memory_free(map->memory, old.regions, tables_bytes(old.region_capacity));
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
    visible_index(map);
    return 0;
}

void tsuga_span_map_remove(struct tsuga_span_map *map, struct tsuga_span_region *region)
{
    TSUGA_VERIFY(map->regions[region->index] == region);
    TSUGA_VERIFY(tsuga_span_region_is_free(region)); /* else somebody still uses a part of it */
    span_remove(map, region, 1, region->order);
    visible_index(map);
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
    uint32_t first = node_of(region, 0, order);
    uint64_t summary = 0;

    for (uint32_t node = first; node < 2 * first; node++) {
        if (!node_is_set(region, node))
            continue;
        summary |= bit_of(node / WORD_BITS >> row_of(region, order)->group_shift);
        for (uint32_t above = node / 2; above > 0; above /= 2)
            TSUGA_VERIFY(!node_is_set(region, above));
    }
    TSUGA_VERIFY(summary == *summary_of(region, order));
}

static void region_check(const struct tsuga_span_map *map, const struct tsuga_span_region *region)
{
    for (unsigned order = 0; order <= region->order; order++) {
        row_check(region, order);
        TSUGA_VERIFY(((region->has[order] & region->has_bit) != 0) ==
                     (*summary_of(region, order) != 0));
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

        if (region != NULL && order <= region->order && *summary_of(region, order) != 0)
            has |= map->words == NULL ? region->has_bit : region->has_group_bit;
    }
    TSUGA_VERIFY(has == map->has[order]);
}

void tsuga_span_map_check(const struct tsuga_span_map *map)
{
    uint32_t removed_count = 0;
    uint32_t front = TSUGA_SPAN_NONE;

    for (uint32_t i = 0; i < map->region_count; i++) {
        removed_count += map->regions[i] == NULL;
        if (map->regions[i] == NULL)
            continue;
        TSUGA_VERIFY(map->regions[i]->map == map);
        TSUGA_VERIFY(map->regions[i]->index == i);
        region_check(map, map->regions[i]);
    }
    TSUGA_VERIFY(removed_count == map->removed_count);
    TSUGA_VERIFY(map->low[TSUGA_SPAN_GUARD_FRONT] == 0);
    TSUGA_VERIFY(map->low[TSUGA_SPAN_GUARD_BACK] == TSUGA_SPAN_NONE);
    for (unsigned order = TSUGA_SPAN_ORDER_COUNT; order-- > 0;) {
        uint32_t low = low_search(map, order);

        has_check(map, order);
        TSUGA_VERIFY(map->low[place_of(order)] == low);
        TSUGA_VERIFY(is_visible(map, place_of(order)) == (low < front));
        front = low < front ? low : front;
    }
    TSUGA_VERIFY(is_visible(map, TSUGA_SPAN_GUARD_FRONT));
    TSUGA_VERIFY(map->visible >> TSUGA_SPAN_GUARD_BACK == 1);
}
