#include "ioheap/span.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

struct map_fixture {
    struct backing_faults faults;
    struct tsuga_span_map map;
};

static void map_open(struct map_fixture *fixture)
{
    backing_faults_init(&fixture->faults);
    tsuga_span_map_init(&fixture->map, &fixture->faults.backing.memory);
}

static void map_close(struct map_fixture *fixture)
{
    tsuga_span_map_fini(&fixture->map);
    CHECK_INT(fixture->faults.memory_bytes, 0);
}

static struct tsuga_span_region *region_make(unsigned order)
{
    void *piece = calloc(1, tsuga_span_region_bytes(order));

    CHECK(piece != NULL);
    return tsuga_span_region_init(piece, order);
}

static struct tsuga_span_region *region_open(struct tsuga_span_map *map, unsigned order)
{
    struct tsuga_span_region *region = region_make(order);

    CHECK_INT(tsuga_span_map_add(map, region), 0);
    return region;
}

static void region_close(struct tsuga_span_region *region, struct tsuga_span_map *map)
{
    tsuga_span_map_remove(map, region);
    free(tsuga_span_region_piece(region));
}

static void check_take(struct tsuga_span_map *map, unsigned order,
                       const struct tsuga_span_region *region, uint32_t unit)
{
    struct tsuga_span span = tsuga_span_take(map, order);

    CHECK_PTR(span.region, region);
    CHECK_UINT(span.unit, unit);
}

/* Eight units; the middle block has 2^order units at `unit`. Its two neighbours and what is around
 * them are taken or free in all 8 ways; after giving it, exactly the free neighbours that can be
 * merged are. */
static void check_neighbours(unsigned pattern)
{
    struct map_fixture fixture;
    struct tsuga_span_region *region;
    struct tsuga_span_map *map = &fixture.map;

    map_open(&fixture);
    region = region_open(map, 3);
    for (unsigned i = 0; i < 8; i++)
        CHECK(tsuga_span_take(map, 0).region != NULL);
    /* Units 2 (buddy of 3), 0-1 and 4-7 may be free when 3 is given. */
    if ((pattern & 1) != 0)
        tsuga_span_give(map, region, 2, 0);
    for (uint32_t i = 0; i < 2 && (pattern & 2) != 0; i++)
        tsuga_span_give(map, region, i, 0);
    for (uint32_t i = 4; i < 8 && (pattern & 4) != 0; i++)
        tsuga_span_give(map, region, i, 0);
    tsuga_span_give(map, region, 3, 0);
    tsuga_span_map_check(map);
    CHECK(tsuga_span_is_free(region, 3, 0) == ((pattern & 1) == 0));
    CHECK(tsuga_span_is_free(region, 2, 1) == ((pattern & 3) == 1));
    CHECK(tsuga_span_is_free(region, 0, 2) == (pattern == 3));
    CHECK(tsuga_span_is_free(region, 0, 3) == (pattern == 7));
    CHECK(tsuga_span_is_free(region, 0, 1) == ((pattern & 3) == 2));
    CHECK(tsuga_span_is_free(region, 4, 2) == (pattern != 7 && (pattern & 4) != 0));
    for (uint32_t i = 0; i < 8; i++) {
        bool was_free = i == 3 || (i == 2 && (pattern & 1) != 0) || (i < 2 && (pattern & 2) != 0) ||
                        (i > 3 && (pattern & 4) != 0);

        if (!was_free)
            tsuga_span_give(map, region, i, 0);
    }
    CHECK(tsuga_span_is_free(region, 0, 3));
    region_close(region, map);
    map_close(&fixture);
}

TEST(span, h07_merges_in_all_8_neighbour_patterns)
{
    for (unsigned pattern = 0; pattern < 8; pattern++)
        check_neighbours(pattern);
}

TEST(span, h05_takes_the_frontmost_over_regions_in_the_order_added)
{
    struct map_fixture fixture;
    struct tsuga_span_region *a;
    struct tsuga_span_region *b;
    struct tsuga_span_region *c;

    map_open(&fixture);
    a = region_open(&fixture.map, 4);
    b = region_open(&fixture.map, 2);
    c = region_open(&fixture.map, 4);
    check_take(&fixture.map, 3, a, 0);
    check_take(&fixture.map, 2, a, 8);
    check_take(&fixture.map, 3, c, 0);
    check_take(&fixture.map, 2, a, 12);
    check_take(&fixture.map, 0, b, 0);
    check_take(&fixture.map, 2, c, 8);
    tsuga_span_give(&fixture.map, a, 8, 2);
    check_take(&fixture.map, 0, a, 8);
    check_take(&fixture.map, 1, a, 10);
    check_take(&fixture.map, 1, b, 2);
    tsuga_span_map_check(&fixture.map);
    tsuga_span_give(&fixture.map, a, 0, 3);
    tsuga_span_give(&fixture.map, a, 8, 0);
    tsuga_span_give(&fixture.map, a, 10, 1);
    tsuga_span_give(&fixture.map, a, 12, 2);
    tsuga_span_give(&fixture.map, b, 2, 1);
    tsuga_span_give(&fixture.map, b, 0, 0);
    tsuga_span_give(&fixture.map, c, 8, 2);
    tsuga_span_give(&fixture.map, c, 0, 3);
    tsuga_span_map_check(&fixture.map);
    region_close(b, &fixture.map);
    region_close(a, &fixture.map);
    region_close(c, &fixture.map);
    map_close(&fixture);
}

TEST(span, a_map_without_regions_has_nothing)
{
    struct map_fixture fixture;

    map_open(&fixture);
    CHECK_PTR(tsuga_span_take(&fixture.map, 0).region, NULL);
    map_close(&fixture);
}

TEST(span, h07_every_order_of_a_region_splits_and_merges)
{
    struct map_fixture fixture;
    struct tsuga_span_region *region;

    map_open(&fixture);
    for (unsigned size = 0; size <= TSUGA_SPAN_ORDER_MAX; size++) {
        region = region_open(&fixture.map, size);
        for (unsigned order = 0; order <= size; order++) {
            for (uint32_t i = 0; i < 1u << (size - order); i++)
                check_take(&fixture.map, order, region, i << order);
            CHECK_PTR(tsuga_span_take(&fixture.map, order).region, NULL);
            for (uint32_t i = 0; i < 1u << (size - order); i++)
                tsuga_span_give(&fixture.map, region, i << order, order);
            CHECK(tsuga_span_is_free(region, 0, size));
        }
        tsuga_span_map_check(&fixture.map);
        region_close(region, &fixture.map);
    }
    map_close(&fixture);
}

/* Beyond 64 regions a second level of words comes into use, beyond 4096 groups of them. */
TEST(span, h05_finds_its_way_among_thousands_of_regions)
{
    enum { COUNT = 9000 };
    struct tsuga_span_region *regions[COUNT];
    struct map_fixture fixture;

    map_open(&fixture);
    for (unsigned i = 0; i < COUNT; i++)
        regions[i] = region_open(&fixture.map, i % 3);
    for (unsigned i = 0; i < COUNT; i++)
        check_take(&fixture.map, i % 3, regions[i], 0);
    for (unsigned i = COUNT; i > 0; i -= 3) {
        tsuga_span_give(&fixture.map, regions[i - 1], 0, 2);
        check_take(&fixture.map, 1, regions[i - 1], 0);
        tsuga_span_give(&fixture.map, regions[i - 1], 0, 1);
    }
    tsuga_span_map_check(&fixture.map);
    for (unsigned i = 2; i < COUNT; i += 3)
        check_take(&fixture.map, 2, regions[i], 0);
    for (unsigned i = 0; i < COUNT; i++) {
        tsuga_span_give(&fixture.map, regions[i], 0, i % 3);
        region_close(regions[i], &fixture.map);
    }
    map_close(&fixture);
}

/* Removed regions leave gaps in the numbers, which are closed when numbers run out. The order
 * added stays the order of search. */
TEST(span, h05_keeps_the_order_when_regions_come_and_go)
{
    enum { COUNT = 200, ROUNDS = 20000 };
    struct tsuga_span_region *regions[COUNT];
    unsigned order_added[COUNT]; /* indexes of `regions`, oldest first */
    uint64_t random = tsuga_test_seed();
    struct map_fixture fixture;

    map_open(&fixture);
    for (unsigned i = 0; i < COUNT; i++) {
        regions[i] = region_open(&fixture.map, 3);
        order_added[i] = i;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned place = (unsigned)(tsuga_test_random(&random) % COUNT);
        unsigned moved = order_added[place];

        region_close(regions[moved], &fixture.map);
        for (unsigned i = place; i + 1 < COUNT; i++)
            order_added[i] = order_added[i + 1];
        order_added[COUNT - 1] = moved;
        check_take(&fixture.map, 3, regions[order_added[0]], 0);
        check_take(&fixture.map, 0, regions[order_added[1]], 0);
        tsuga_span_give(&fixture.map, regions[order_added[0]], 0, 3);
        tsuga_span_give(&fixture.map, regions[order_added[1]], 0, 0);
        regions[moved] = region_open(&fixture.map, 3);
        if (round % 1000 == 0)
            tsuga_span_map_check(&fixture.map);
    }
    CHECK(fixture.map.region_capacity <= 512);
    for (unsigned i = 0; i < COUNT; i++)
        region_close(regions[i], &fixture.map);
    map_close(&fixture);
}

TEST(span, a_region_that_finds_no_memory_is_not_added)
{
    struct map_fixture fixture;
    struct tsuga_span_region *first;
    struct tsuga_span_region *second;

    map_open(&fixture);
    first = region_open(&fixture.map, 2);
    fixture.faults.fail_at = fixture.faults.call_count + 1;
    second = region_make(2);
    CHECK_INT(tsuga_span_map_add(&fixture.map, second), -ENOMEM);
    tsuga_span_map_check(&fixture.map);
    CHECK_INT(tsuga_span_map_add(&fixture.map, second), 0);
    tsuga_span_map_check(&fixture.map);
    region_close(first, &fixture.map);
    region_close(second, &fixture.map);
    map_close(&fixture);
}
