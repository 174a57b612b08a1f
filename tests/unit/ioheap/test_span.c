#include "ioheap/span.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

struct region_fixture {
    struct tsuga_span_region region;
    void *tables;
};

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

static void region_open(struct region_fixture *fixture, struct tsuga_span_map *map, unsigned order)
{
    fixture->tables = calloc(1, tsuga_span_table_bytes(order));
    CHECK(fixture->tables != NULL);
    tsuga_span_region_init(&fixture->region, order, fixture->tables);
    CHECK_INT(tsuga_span_map_add(map, &fixture->region), 0);
}

static void region_close(struct region_fixture *fixture, struct tsuga_span_map *map)
{
    tsuga_span_map_remove(map, &fixture->region);
    free(fixture->tables);
}

static void check_take(struct tsuga_span_map *map, unsigned order,
                       const struct tsuga_span_region *region, uint32_t unit)
{
    uint32_t got;

    CHECK_PTR(tsuga_span_take(map, order, &got), region);
    CHECK_UINT(got, unit);
}

/* Eight units; the middle block has 2^order units at `unit`. Its two neighbours and what is around
 * them are taken or free in all 8 ways; after giving it, exactly the free neighbours that can be
 * merged are. */
static void check_neighbours(unsigned pattern)
{
    struct map_fixture fixture;
    struct region_fixture region;
    struct tsuga_span_map *map = &fixture.map;
    uint32_t unit;

    map_open(&fixture);
    region_open(&region, map, 3);
    for (unsigned i = 0; i < 8; i++)
        CHECK(tsuga_span_take(map, 0, &unit) != NULL);
    /* Units 2 (buddy of 3), 0-1 and 4-7 may be free when 3 is given. */
    if ((pattern & 1) != 0)
        tsuga_span_give(map, &region.region, 2, 0);
    for (uint32_t i = 0; i < 2 && (pattern & 2) != 0; i++)
        tsuga_span_give(map, &region.region, i, 0);
    for (uint32_t i = 4; i < 8 && (pattern & 4) != 0; i++)
        tsuga_span_give(map, &region.region, i, 0);
    tsuga_span_give(map, &region.region, 3, 0);
    tsuga_span_map_check(map);
    CHECK(tsuga_span_is_free(&region.region, 3, 0) == ((pattern & 1) == 0));
    CHECK(tsuga_span_is_free(&region.region, 2, 1) == ((pattern & 3) == 1));
    CHECK(tsuga_span_is_free(&region.region, 0, 2) == (pattern == 3));
    CHECK(tsuga_span_is_free(&region.region, 0, 3) == (pattern == 7));
    CHECK(tsuga_span_is_free(&region.region, 0, 1) == ((pattern & 3) == 2));
    CHECK(tsuga_span_is_free(&region.region, 4, 2) == (pattern != 7 && (pattern & 4) != 0));
    for (uint32_t i = 0; i < 8; i++) {
        bool was_free = i == 3 || (i == 2 && (pattern & 1) != 0) || (i < 2 && (pattern & 2) != 0) ||
                        (i > 3 && (pattern & 4) != 0);

        if (!was_free)
            tsuga_span_give(map, &region.region, i, 0);
    }
    CHECK(tsuga_span_is_free(&region.region, 0, 3));
    region_close(&region, map);
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
    struct region_fixture a;
    struct region_fixture b;
    struct region_fixture c;

    map_open(&fixture);
    region_open(&a, &fixture.map, 4);
    region_open(&b, &fixture.map, 2);
    region_open(&c, &fixture.map, 4);
    check_take(&fixture.map, 3, &a.region, 0);
    check_take(&fixture.map, 2, &a.region, 8);
    check_take(&fixture.map, 3, &c.region, 0);
    check_take(&fixture.map, 2, &a.region, 12);
    check_take(&fixture.map, 0, &b.region, 0);
    check_take(&fixture.map, 2, &c.region, 8);
    tsuga_span_give(&fixture.map, &a.region, 8, 2);
    check_take(&fixture.map, 0, &a.region, 8);
    check_take(&fixture.map, 1, &a.region, 10);
    check_take(&fixture.map, 1, &b.region, 2);
    tsuga_span_map_check(&fixture.map);
    tsuga_span_give(&fixture.map, &a.region, 0, 3);
    tsuga_span_give(&fixture.map, &a.region, 8, 0);
    tsuga_span_give(&fixture.map, &a.region, 10, 1);
    tsuga_span_give(&fixture.map, &a.region, 12, 2);
    tsuga_span_give(&fixture.map, &b.region, 2, 1);
    tsuga_span_give(&fixture.map, &b.region, 0, 0);
    tsuga_span_give(&fixture.map, &c.region, 8, 2);
    tsuga_span_give(&fixture.map, &c.region, 0, 3);
    tsuga_span_map_check(&fixture.map);
    region_close(&b, &fixture.map);
    region_close(&a, &fixture.map);
    region_close(&c, &fixture.map);
    map_close(&fixture);
}

TEST(span, a_map_without_regions_has_nothing)
{
    struct map_fixture fixture;
    uint32_t unit = 7;

    map_open(&fixture);
    CHECK_PTR(tsuga_span_take(&fixture.map, 0, &unit), NULL);
    CHECK_UINT(unit, 7);
    map_close(&fixture);
}

TEST(span, h07_every_order_of_a_region_splits_and_merges)
{
    struct map_fixture fixture;
    struct region_fixture region;
    uint32_t unit;

    map_open(&fixture);
    for (unsigned size = 0; size <= TSUGA_SPAN_ORDER_MAX; size++) {
        region_open(&region, &fixture.map, size);
        for (unsigned order = 0; order <= size; order++) {
            for (uint32_t i = 0; i < 1u << (size - order); i++)
                check_take(&fixture.map, order, &region.region, i << order);
            CHECK_PTR(tsuga_span_take(&fixture.map, order, &unit), NULL);
            for (uint32_t i = 0; i < 1u << (size - order); i++)
                tsuga_span_give(&fixture.map, &region.region, i << order, order);
            CHECK(tsuga_span_is_free(&region.region, 0, size));
        }
        tsuga_span_map_check(&fixture.map);
        region_close(&region, &fixture.map);
    }
    map_close(&fixture);
}

/* Beyond 64 regions a second level of words comes into use, beyond 4096 groups of them. */
TEST(span, h05_finds_its_way_among_thousands_of_regions)
{
    enum { COUNT = 9000 };
    struct region_fixture *regions =
        aligned_alloc(_Alignof(struct region_fixture), COUNT * sizeof(*regions));
    struct map_fixture fixture;

    CHECK(regions != NULL);
    map_open(&fixture);
    for (unsigned i = 0; i < COUNT; i++)
        region_open(&regions[i], &fixture.map, i % 3);
    for (unsigned i = 0; i < COUNT; i++)
        check_take(&fixture.map, i % 3, &regions[i].region, 0);
    for (unsigned i = COUNT; i > 0; i -= 3) {
        tsuga_span_give(&fixture.map, &regions[i - 1].region, 0, 2);
        check_take(&fixture.map, 1, &regions[i - 1].region, 0);
        tsuga_span_give(&fixture.map, &regions[i - 1].region, 0, 1);
    }
    tsuga_span_map_check(&fixture.map);
    for (unsigned i = 2; i < COUNT; i += 3)
        check_take(&fixture.map, 2, &regions[i].region, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        tsuga_span_give(&fixture.map, &regions[i].region, 0, i % 3);
        region_close(&regions[i], &fixture.map);
    }
    free(regions);
    map_close(&fixture);
}

/* Removed regions leave gaps in the numbers, which are closed when numbers run out. The order
 * added stays the order of search. */
TEST(span, h05_keeps_the_order_when_regions_come_and_go)
{
    enum { COUNT = 200, ROUNDS = 20000 };
    struct region_fixture regions[COUNT];
    unsigned order_added[COUNT]; /* indexes of `regions`, oldest first */
    uint64_t random = tsuga_test_seed();
    struct map_fixture fixture;

    map_open(&fixture);
    for (unsigned i = 0; i < COUNT; i++) {
        region_open(&regions[i], &fixture.map, 3);
        order_added[i] = i;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned place = (unsigned)(tsuga_test_random(&random) % COUNT);
        unsigned moved = order_added[place];

        region_close(&regions[moved], &fixture.map);
        for (unsigned i = place; i + 1 < COUNT; i++)
            order_added[i] = order_added[i + 1];
        order_added[COUNT - 1] = moved;
        check_take(&fixture.map, 3, &regions[order_added[0]].region, 0);
        check_take(&fixture.map, 0, &regions[order_added[1]].region, 0);
        tsuga_span_give(&fixture.map, &regions[order_added[0]].region, 0, 3);
        tsuga_span_give(&fixture.map, &regions[order_added[1]].region, 0, 0);
        region_open(&regions[moved], &fixture.map, 3);
        if (round % 1000 == 0)
            tsuga_span_map_check(&fixture.map);
    }
    CHECK(fixture.map.region_capacity <= 512);
    for (unsigned i = 0; i < COUNT; i++)
        region_close(&regions[i], &fixture.map);
    map_close(&fixture);
}

TEST(span, a_region_that_finds_no_memory_is_not_added)
{
    struct map_fixture fixture;
    struct region_fixture first;
    struct region_fixture second;

    map_open(&fixture);
    region_open(&first, &fixture.map, 2);
    fixture.faults.fail_at = fixture.faults.call_count + 1;
    second.tables = calloc(1, tsuga_span_table_bytes(2));
    tsuga_span_region_init(&second.region, 2, second.tables);
    CHECK_INT(tsuga_span_map_add(&fixture.map, &second.region), -ENOMEM);
    tsuga_span_map_check(&fixture.map);
    CHECK_INT(tsuga_span_map_add(&fixture.map, &second.region), 0);
    tsuga_span_map_check(&fixture.map);
    region_close(&first, &fixture.map);
    region_close(&second, &fixture.map);
    map_close(&fixture);
}
