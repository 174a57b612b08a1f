#include "ioheap/ioheap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ioheap/rules.h"
#include "runtime/base/clock.h"
#include "runtime/base/sanitize.h"
#include "tests/support/child.h"
#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct tsuga_ioheap_stats stats_of(const struct heap_fixture *fixture)
{
    struct tsuga_ioheap_stats stats;

    tsuga_ioheap_stats_read(&fixture->heap, &stats);
    return stats;
}

/* Classes. */

static void check_class(struct heap_fixture *fixture, size_t bytes, size_t class)
{
    void *block = heap_fixture_alloc(fixture, bytes);

    CHECK_UINT(tsuga_ioheap_block_bytes(&fixture->heap, block), class);
    CHECK_UINT((uintptr_t)block % class, 0);
    tsuga_ioheap_free(&fixture->heap, block);
}

TEST(ioheap, h06_h08_h09_rounds_every_request_up_to_its_class)
{
    struct heap_fixture fixture;
    size_t class = 64;

    heap_fixture_open(&fixture, NULL, NULL);
    for (size_t bytes = 1; bytes <= 64 * KIB; bytes++) {
        class = bytes > class ? 2 * class : class;
        check_class(&fixture, bytes, class);
    }
    for (class = 128 * KIB; class <= 2 * MIB; class *= 2) {
        check_class(&fixture, class / 2 + 1, class);
        check_class(&fixture, class - 1, class);
        check_class(&fixture, class, class);
    }
    heap_fixture_close(&fixture);
}

static size_t smallest_fitting(uint32_t mask, size_t bytes)
{
    size_t class = 64;

    while ((mask & class) == 0 || class < bytes)
        class *= 2;
    return class;
}

TEST(ioheap, h06_h08_every_subset_of_classes_maps_to_its_smallest_fit)
{
    /* Sixteen classes have 65,535 subsets; one in 97 is enough to meet every pair of neighbours. */
    for (uint32_t mask = 64; mask <= TSUGA_IOHEAP_CLASSES_ALL; mask += 97 * 64) {
        struct tsuga_ioheap_config config = {.class_mask = mask};
        struct heap_fixture fixture;

        heap_fixture_open(&fixture, NULL, &config);
        for (size_t edge = 64; edge <= tsuga_ioheap_block_bytes_max(&fixture.heap); edge *= 2) {
            check_class(&fixture, edge, smallest_fitting(mask, edge));
            if (edge < tsuga_ioheap_block_bytes_max(&fixture.heap))
                check_class(&fixture, edge + 1, smallest_fitting(mask, edge + 1));
        }
        heap_fixture_close(&fixture);
    }
}

TEST(ioheap, h10_more_than_the_largest_class_is_refused)
{
    struct tsuga_ioheap_config config = {.class_mask = 1 << 6 | 1 << 12};
    struct heap_fixture fixture;
    void *block = NULL;

    heap_fixture_open(&fixture, NULL, NULL);
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, 2 * MIB + 1, &block), -EMSGSIZE);
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, SIZE_MAX, &block), -EMSGSIZE);
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, 0, &block), -EINVAL);
    CHECK_PTR(block, NULL);
    CHECK_UINT(stats_of(&fixture).segment_bytes, 0);
    check_class(&fixture, 2 * MIB, 2 * MIB);
    heap_fixture_close(&fixture);

    heap_fixture_open(&fixture, NULL, &config);
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, 4097, &block), -EMSGSIZE);
    check_class(&fixture, 65, 4096);
    heap_fixture_close(&fixture);
}

TEST(ioheap, h08_bad_configurations_are_refused)
{
    static const struct tsuga_ioheap_config bad[] = {
        {.class_mask = 1 << 5},           {.class_mask = 1 << 22},
        {.class_mask = 1 << 17},          {.segment_bytes_min = 3000},
        {.segment_bytes_min = 128 << 10}, {.segment_bytes_min = UINT64_C(1) << 40},
    };
    struct tsuga_reserve_config reserve = {.arena_bytes = 64 * KIB};
    struct heap_fixture fixture;
    struct tsuga_ioheap heap;

    heap_fixture_open(&fixture, &reserve, NULL);
    CHECK_UINT(tsuga_ioheap_block_bytes_max(&fixture.heap), 64 * KIB);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(tsuga_ioheap_init(&heap, &fixture.pool, &bad[i]), -EINVAL);
    heap_fixture_close(&fixture);
}

/* Growth. */

TEST(ioheap, an_unused_heap_has_no_memory)
{
    struct heap_fixture fixture;

    heap_fixture_open(&fixture, NULL, NULL);
    CHECK_UINT(fixture.pool.arena_count, 0);
    CHECK_INT(fixture.faults.memory_bytes, 0);
    heap_fixture_close(&fixture);
}

TEST(ioheap, a08_all_bytes_of_a_segment_are_usable)
{
    struct heap_fixture fixture;
    char *blocks[64];

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 64; i++) {
        blocks[i] = heap_fixture_alloc(&fixture, 64);
        memset(blocks[i], (int)i, 64);
    }
    /* Segments of 1, 1 and 2 KiB, full to the last byte. */
    CHECK_UINT(stats_of(&fixture).segment_count, 3);
    CHECK_UINT(stats_of(&fixture).segment_bytes, 64 * 64);
    CHECK_UINT(stats_of(&fixture).free_bytes, 0);
    tsuga_ioheap_check(&fixture.heap);
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned j = 0; j < 64; j++)
            CHECK_INT(blocks[i][j], (int)i);
        tsuga_ioheap_free(&fixture.heap, blocks[i]);
    }
    heap_fixture_close(&fixture);
}

TEST(ioheap, grows_by_what_there_is_up_to_an_arena)
{
    static const size_t expected[] = {1, 1, 2, 4, 8, 16, 32, 64, 64, 64};
    struct tsuga_reserve_config reserve = {.arena_bytes = 64 * KIB};
    struct tsuga_ioheap_config config = {.class_mask = 1 << 10};
    struct heap_fixture fixture;
    const struct tsuga_segment *segment;
    void *blocks[256];

    heap_fixture_open(&fixture, &reserve, &config);
    for (unsigned i = 0; i < 256; i++)
        blocks[i] = heap_fixture_alloc(&fixture, KIB);
    segment = fixture.heap.segments_first;
    for (unsigned i = 0; i < 10; i++) {
        CHECK_UINT((size_t)1 << segment->shift, expected[i] * KIB);
        segment = segment->next;
    }
    CHECK_PTR(segment, NULL);
    for (unsigned i = 0; i < 256; i++)
        tsuga_ioheap_free(&fixture.heap, blocks[i]);
    heap_fixture_close(&fixture);
}

TEST(ioheap, a_heap_may_have_a_larger_first_segment)
{
    struct tsuga_ioheap_config config = {.segment_bytes_min = 16 * KIB};
    struct heap_fixture fixture;

    heap_fixture_open(&fixture, NULL, &config);
    check_class(&fixture, 64, 64);
    CHECK_UINT(stats_of(&fixture).segment_bytes, 16 * KIB);
    heap_fixture_close(&fixture);
}

/* Exhaustion. */

TEST(ioheap, h11_the_quota_is_a_result_and_not_an_end)
{
    struct tsuga_ioheap_config config = {.quota_bytes = 5 * KIB};
    struct heap_fixture fixture;
    void *blocks[80];
    void *none = NULL;

    heap_fixture_open(&fixture, NULL, &config);
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, 8 * KIB, &none), -ENOBUFS);
    for (unsigned i = 0; i < 80; i++)
        blocks[i] = heap_fixture_alloc(&fixture, 64);
    /* 1 + 1 + 2 and, where doubling would exceed the quota, 1 more. */
    CHECK_UINT(stats_of(&fixture).segment_bytes, 5 * KIB);
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, 64, &none), -ENOBUFS);
    CHECK_PTR(none, NULL);
    tsuga_ioheap_check(&fixture.heap);
    tsuga_ioheap_free(&fixture.heap, blocks[17]);
    CHECK_PTR(heap_fixture_alloc(&fixture, 64), blocks[17]);
    for (unsigned i = 0; i < 80; i++)
        tsuga_ioheap_free(&fixture.heap, blocks[i]);
    heap_fixture_close(&fixture);
}

/* Each call of the backing fails in turn. The heap says so, stays whole, and works afterwards. */
TEST(ioheap, h11_every_failure_of_the_backing_is_survived)
{
    uint64_t refused_count = 0;

    for (uint64_t n = 1; n < 60; n++) {
        struct heap_fixture fixture;
        void *blocks[40] = {NULL};

        heap_fixture_open(&fixture, NULL, NULL);
        fixture.faults.fail_at = fixture.faults.call_count + n;
        for (unsigned i = 0; i < 40; i++) {
            int result = tsuga_ioheap_alloc(&fixture.heap, (size_t)64 << i % 16, &blocks[i]);

            CHECK(result == 0 || (result == -ENOBUFS && blocks[i] == NULL));
            refused_count += result != 0;
            if (i % 16 == 5)
                tsuga_ioheap_check(&fixture.heap);
        }
        CHECK(fixture.faults.call_count > fixture.faults.fail_at || n > 20);
        for (unsigned i = 0; i < 40; i++) {
            if (blocks[i] != NULL)
                tsuga_ioheap_free(&fixture.heap, blocks[i]);
        }
        heap_fixture_close(&fixture);
    }
    CHECK(refused_count > 0);
}

TEST(ioheap, h11_without_any_memory_it_refuses_and_recovers)
{
    struct heap_fixture fixture;
    void *block = NULL;

    heap_fixture_open(&fixture, NULL, NULL);
    fixture.faults.fail_at = 1;
    fixture.faults.fails_on = true;
    CHECK_INT(tsuga_ioheap_alloc(&fixture.heap, 100, &block), -ENOBUFS);
    fixture.faults.fail_at = 0;
    check_class(&fixture, 100, 128);
    heap_fixture_close(&fixture);
}

/* Two heaps. */

static bool overlap(const struct tsuga_segment *a, const struct tsuga_segment *b)
{
    return a->base < b->base + ((size_t)1 << b->shift) &&
           b->base < a->base + ((size_t)1 << a->shift);
}

TEST(ioheap, h03_heaps_share_no_byte)
{
    struct tsuga_ioheap_config small = {.class_mask = 0x1fc0};
    struct heap_fixture fixture;
    struct tsuga_ioheap other;
    void *blocks[2][200];

    heap_fixture_open(&fixture, NULL, &small);
    CHECK_INT(tsuga_ioheap_init(&other, &fixture.pool, &small), 0);
    for (unsigned i = 0; i < 200; i++) {
        blocks[0][i] = heap_fixture_alloc(&fixture, (size_t)64 << i % 7);
        CHECK_INT(tsuga_ioheap_alloc(&other, (size_t)64 << i % 5, &blocks[1][i]), 0);
    }
    for (const struct tsuga_segment *a = fixture.heap.segments_first; a != NULL; a = a->next) {
        for (const struct tsuga_segment *b = other.segments_first; b != NULL; b = b->next)
            CHECK(!overlap(a, b));
    }
    for (unsigned i = 0; i < 200; i++) {
        CHECK_PTR(tsuga_ioheap_block_start(&fixture.heap, blocks[1][i]), NULL);
        CHECK_PTR(tsuga_ioheap_block_start(&other, blocks[1][i]), blocks[1][i]);
        tsuga_ioheap_free(&fixture.heap, blocks[0][i]);
        tsuga_ioheap_free(&other, blocks[1][i]);
    }
    tsuga_ioheap_fini(&other);
    heap_fixture_close(&fixture);
}

/* Bytes that the next heap finds in memory that another one has filled. */
static size_t leftovers(uint8_t rules_off, size_t bytes)
{
    struct heap_fixture fixture;
    size_t count = 0;
    unsigned char *block;

    heap_fixture_open(&fixture, NULL, NULL);
    fixture.pool.spans.rules_off = rules_off;
    block = heap_fixture_alloc(&fixture, bytes);
    memset(block, 0xa5, bytes);
    tsuga_ioheap_free(&fixture.heap, block);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    CHECK_PTR(heap_fixture_alloc(&fixture, bytes), block);
    for (size_t i = 0; i < bytes; i++)
        count += block[i] != 0;
    tsuga_ioheap_free(&fixture.heap, block);
    heap_fixture_close(&fixture);
    return count;
}

TEST(ioheap, h03_the_next_heap_finds_nothing_of_the_last)
{
    CHECK_UINT(leftovers(0, 64), 0);
    CHECK_UINT(leftovers(0, 100 * KIB), 0);
    CHECK_UINT(leftovers(0, 2 * MIB), 0);
}

TEST(ioheap, an_end_gives_everything_back)
{
    struct heap_fixture fixture;
    void *blocks[100];

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 100; i++)
        blocks[i] = heap_fixture_alloc(&fixture, (size_t)64 << i % 16);
    CHECK(fixture.pool.segment_count > 0);
    for (unsigned i = 0; i < 100; i++)
        tsuga_ioheap_free(&fixture.heap, blocks[i]);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK_UINT(fixture.pool.segment_count, 0);
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    heap_fixture_close(&fixture);
}

/* Giving segments back. */

TEST(ioheap, free_segments_are_given_back_after_the_decay_time)
{
    uint64_t now_ns = 5 * TSUGA_NS_PER_S;
    struct heap_fixture fixture;
    void *first;
    void *second;

    heap_fixture_open(&fixture, NULL, NULL);
    first = heap_fixture_alloc(&fixture, KIB);
    second = heap_fixture_alloc(&fixture, 64 * KIB);
    CHECK(!tsuga_ioheap_decay(&fixture.heap, now_ns));
    tsuga_ioheap_free(&fixture.heap, first);
    CHECK(tsuga_ioheap_decay(&fixture.heap, now_ns));
    CHECK(tsuga_ioheap_decay(&fixture.heap, now_ns + TSUGA_NS_PER_S - 1));
    CHECK_UINT(stats_of(&fixture).segment_count, 2);
    CHECK(!tsuga_ioheap_decay(&fixture.heap, now_ns + TSUGA_NS_PER_S));
    CHECK_UINT(stats_of(&fixture).segment_bytes, 64 * KIB);
    CHECK_UINT(stats_of(&fixture).segment_bytes_max, 65 * KIB);
    CHECK_UINT(stats_of(&fixture).high_water_bytes, 65 * KIB);
    tsuga_ioheap_free(&fixture.heap, second);
    heap_fixture_close(&fixture);
}

/* A segment of 4 MiB is two regions, each as large as the largest block. */
TEST(ioheap, a_segment_is_kept_while_one_of_its_regions_has_a_block)
{
    const struct tsuga_reserve_config reserve = {.arena_bytes = 4 * MIB};
    const struct tsuga_ioheap_config config = {.segment_bytes_min = 4 * MIB};
    struct heap_fixture fixture;
    void *blocks[2];

    heap_fixture_open(&fixture, &reserve, &config);
    for (unsigned last = 0; last < 2; last++) {
        for (unsigned i = 0; i < 2; i++)
            blocks[i] = heap_fixture_alloc(&fixture, 2 * MIB);
        CHECK_UINT(stats_of(&fixture).segment_count, 1);
        tsuga_ioheap_free(&fixture.heap, blocks[1 - last]);
        tsuga_ioheap_trim(&fixture.heap);
        CHECK_UINT(stats_of(&fixture).segment_count, 1);
        tsuga_ioheap_free(&fixture.heap, blocks[last]);
        tsuga_ioheap_trim(&fixture.heap);
        CHECK_UINT(stats_of(&fixture).segment_count, 0);
    }
    heap_fixture_close(&fixture);
}

TEST(ioheap, use_between_two_looks_starts_the_decay_time_anew)
{
    uint64_t now_ns = TSUGA_NS_PER_S;
    struct heap_fixture fixture;

    heap_fixture_open(&fixture, NULL, NULL);
    check_class(&fixture, 64, 64);
    CHECK(tsuga_ioheap_decay(&fixture.heap, now_ns));
    check_class(&fixture, 64, 64);
    CHECK(tsuga_ioheap_decay(&fixture.heap, now_ns + TSUGA_NS_PER_S));
    CHECK_UINT(stats_of(&fixture).segment_count, 1);
    CHECK(!tsuga_ioheap_decay(&fixture.heap, now_ns + 2 * TSUGA_NS_PER_S));
    CHECK_UINT(stats_of(&fixture).segment_count, 0);
    check_class(&fixture, 64, 64);
    heap_fixture_close(&fixture);
}

/* Finding blocks. */

TEST(ioheap, interior_addresses_find_their_block)
{
    struct heap_fixture fixture;
    char *blocks[16];
    int local;

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 16; i++)
        blocks[i] = heap_fixture_alloc(&fixture, (size_t)64 << i);
    for (unsigned i = 0; i < 16; i++) {
        for (size_t offset = 0; offset < (size_t)64 << i; offset += 61)
            CHECK_PTR(tsuga_ioheap_block_start(&fixture.heap, blocks[i] + offset), blocks[i]);
        CHECK_PTR(tsuga_ioheap_block_start(&fixture.heap, blocks[i] + ((size_t)64 << i) - 1),
                  blocks[i]);
    }
    CHECK_PTR(tsuga_ioheap_block_start(&fixture.heap, &local), NULL);
    for (unsigned i = 0; i < 16; i++) {
        tsuga_ioheap_free(&fixture.heap, blocks[i]);
        CHECK_PTR(tsuga_ioheap_block_start(&fixture.heap, blocks[i] + 1), NULL);
    }
    heap_fixture_close(&fixture);
}

TEST(ioheap, a08_every_address_leads_to_its_arena_and_segment)
{
    struct heap_fixture fixture;
    char *block;
    const struct tsuga_arena *arena;
    const struct tsuga_segment *segment;
    int local;

    heap_fixture_open(&fixture, NULL, NULL);
    block = heap_fixture_alloc(&fixture, 4096);
    arena = tsuga_reserve_find(&fixture.reserve, block + 4095);
    CHECK(arena != NULL);
    CHECK_PTR(atomic_load(&arena->pool), &fixture.pool);
    segment = tsuga_arena_segment(arena, block + 4095);
    CHECK(segment != NULL);
    CHECK_PTR(segment->heap, &fixture.heap);
    CHECK_PTR(tsuga_arena_segment(arena, arena->base + fixture.reserve.arena_bytes - 1), NULL);
    CHECK_PTR(tsuga_reserve_find(&fixture.reserve, &local), NULL);
    CHECK_PTR(tsuga_reserve_find(&fixture.reserve, NULL), NULL);
    CHECK_PTR(tsuga_reserve_find(&fixture.reserve, arena->base + fixture.reserve.arena_bytes),
              NULL);
    tsuga_ioheap_free(&fixture.heap, block);
    heap_fixture_close(&fixture);
}

/* Looking. */

TEST(ioheap, h12_statistics_count_every_class_and_span)
{
    struct heap_fixture fixture;
    struct tsuga_ioheap_stats stats;
    void *small[3];
    void *large;

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 3; i++)
        small[i] = heap_fixture_alloc(&fixture, 64);
    large = heap_fixture_alloc(&fixture, 4 * KIB);
    tsuga_ioheap_free(&fixture.heap, small[1]);
    stats = stats_of(&fixture);
    CHECK_UINT(stats.classes[0].alloc_count, 3);
    CHECK_UINT(stats.classes[0].live_count, 2);
    CHECK_UINT(stats.classes[0].live_count_max, 3);
    CHECK_UINT(stats.classes[6].live_count, 1);
    CHECK_UINT(stats.live_count, 3);
    CHECK_UINT(stats.live_bytes, 2 * 64 + 4 * KIB);
    CHECK_UINT(stats.live_bytes_max, 3 * 64 + 4 * KIB);
    CHECK_UINT(stats.segment_count, 2);
    CHECK_UINT(stats.segment_bytes, 5 * KIB);
    CHECK_UINT(stats.high_water_bytes, 5 * KIB);
    CHECK_UINT(stats.free_bytes, KIB - 2 * 64);
    CHECK_UINT(stats.free_span_max, KIB - 3 * 64);
    CHECK_UINT(stats.free_span_counts[0], 2);
    CHECK_UINT(stats.free_span_counts[2], 1);
    CHECK_UINT(stats.free_span_counts[3], 1);
    tsuga_ioheap_free(&fixture.heap, small[0]);
    tsuga_ioheap_free(&fixture.heap, small[2]);
    tsuga_ioheap_free(&fixture.heap, large);
    stats = stats_of(&fixture);
    CHECK_UINT(stats.live_bytes, 0);
    CHECK_UINT(stats.free_span_max, 4 * KIB);
    CHECK_UINT(stats.free_span_counts[4], 1);
    CHECK_UINT(stats.free_span_counts[6], 1);
    heap_fixture_close(&fixture);
}

struct seen {
    struct tsuga_ioheap_stretch stretches[8];
    unsigned count;
};

static void see(void *context, const struct tsuga_ioheap_stretch *stretch)
{
    struct seen *seen = context;

    CHECK(seen->count < 8);
    seen->stretches[seen->count++] = *stretch;
}

TEST(ioheap, h07_walks_blocks_and_merged_free_stretches_in_order)
{
    struct tsuga_reserve_config reserve = {.arena_bytes = 8 * MIB};
    struct tsuga_ioheap_config config = {.segment_bytes_min = 8 * MIB};
    struct seen seen = {.count = 0};
    struct heap_fixture fixture;
    char *block;

    heap_fixture_open(&fixture, &reserve, &config);
    block = heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_walk(&fixture.heap, see, &seen);
    CHECK_UINT(seen.count, 2);
    CHECK_PTR(seen.stretches[0].base, block);
    CHECK(seen.stretches[0].is_live);
    CHECK_UINT(seen.stretches[0].bytes, 64);
    CHECK(!seen.stretches[1].is_live);
    CHECK_UINT(seen.stretches[1].bytes, 8 * MIB - 64);
    tsuga_ioheap_free(&fixture.heap, block);
    seen.count = 0;
    tsuga_ioheap_walk(&fixture.heap, see, &seen);
    CHECK_UINT(seen.count, 1);
    CHECK_UINT(seen.stretches[0].bytes, 8 * MIB);
    heap_fixture_close(&fixture);
}

/* Long random traces leave no more holes than frontmost placement must. */
TEST(ioheap, h12_fragmentation_of_a_long_trace_stays_low)
{
    uint64_t random = tsuga_test_seed();
    struct heap_fixture fixture;
    struct tsuga_ioheap_stats stats;
    void *blocks[1000] = {NULL};

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned step = 0; step < 200000; step++) {
        uint64_t pick = tsuga_test_random(&random);
        void **block = &blocks[(pick >> 32) % 1000];

        if (*block != NULL)
            tsuga_ioheap_free(&fixture.heap, *block);
        *block = heap_fixture_alloc(&fixture, (size_t)64 << pick % 16);
    }
    stats = stats_of(&fixture);
    CHECK(stats.high_water_bytes + stats.table_bytes < stats.live_bytes_max / 100 * 115);
    CHECK(stats.table_bytes < stats.segment_bytes / 50);
    for (unsigned i = 0; i < 1000; i++) {
        if (blocks[i] != NULL)
            tsuga_ioheap_free(&fixture.heap, blocks[i]);
    }
    heap_fixture_close(&fixture);
}

/* Another executor's heap. */

TEST(ioheap, a_moved_heap_returns_its_segments_to_where_they_came_from)
{
    struct heap_fixture fixture;
    struct tsuga_arena_pool other;
    void *before;
    void *after;

    heap_fixture_open(&fixture, NULL, NULL);
    tsuga_arena_pool_init(&other, &fixture.reserve, NULL);
    before = heap_fixture_alloc(&fixture, KIB);
    tsuga_ioheap_move(&fixture.heap, &other);
    after = heap_fixture_alloc(&fixture, KIB);
    CHECK_UINT(fixture.pool.segment_count, 1);
    CHECK_UINT(other.segment_count, 1);
    tsuga_ioheap_free(&fixture.heap, before);
    tsuga_ioheap_free(&fixture.heap, after);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK_UINT(other.segment_count, 0);
    CHECK_UINT(fixture.pool.segment_count, 1);
    tsuga_arena_pool_drain(&fixture.pool);
    CHECK_UINT(fixture.pool.segment_count, 0);
    tsuga_arena_pool_fini(&other);
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    heap_fixture_close(&fixture);
}

/* Faults that must not go unnoticed. */

static void free_twice(void *context)
{
    struct heap_fixture fixture;
    void *block;

    (void)context;
    heap_fixture_open(&fixture, NULL, NULL);
    block = heap_fixture_alloc(&fixture, 64);
    heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_free(&fixture.heap, block);
    tsuga_ioheap_free(&fixture.heap, block);
}

static void free_inside(void *context)
{
    struct heap_fixture fixture;
    char *block;

    (void)context;
    heap_fixture_open(&fixture, NULL, NULL);
    block = heap_fixture_alloc(&fixture, 256);
    tsuga_ioheap_free(&fixture.heap, block + 64);
}

static void free_from_another_heap(void *context)
{
    struct heap_fixture fixture;
    struct tsuga_ioheap other;
    void *block;

    (void)context;
    heap_fixture_open(&fixture, NULL, NULL);
    CHECK_INT(tsuga_ioheap_init(&other, &fixture.pool, NULL), 0);
    block = heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_free(&other, block);
}

static void free_foreign_memory(void *context)
{
    struct heap_fixture fixture;

    (void)context;
    heap_fixture_open(&fixture, NULL, NULL);
    heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_free(&fixture.heap, &fixture);
}

static void end_with_a_live_block(void *context)
{
    struct heap_fixture fixture;

    (void)context;
    heap_fixture_open(&fixture, NULL, NULL);
    heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_fini(&fixture.heap);
}

static void check_aborts(void (*run)(void *context))
{
    struct tsuga_child child;

    tsuga_child_run(&child, run, NULL);
    CHECK_INT(child.signal, 6);
    CHECK(strstr(child.said, "assertion failed") != NULL);
}

TEST(ioheap, h36_a_block_is_freed_exactly_once)
{
    check_aborts(free_twice);
    check_aborts(free_inside);
    check_aborts(free_from_another_heap);
    check_aborts(free_foreign_memory);
    check_aborts(end_with_a_live_block);
}

#ifdef TSUGA_DEEP_CHECKS
/* The heap is beyond repair afterwards: the child just exits. */
static void share_a_block(void *context)
{
    struct tsuga_ioheap_config config = {.segment_bytes_min = 128 * KIB};
    struct heap_fixture fixture;
    char *block;
    char *first;
    char *second;

    (void)context;
    heap_fixture_open(&fixture, NULL, &config);
    fixture.heap.spans.rules_off = TSUGA_RULE_FREED_ONCE;
    block = heap_fixture_alloc(&fixture, 64);
    heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_free(&fixture.heap, block);
    first = heap_fixture_alloc(&fixture, 64);
    tsuga_ioheap_free(&fixture.heap, block);
    second = heap_fixture_alloc(&fixture, 64);
    memcpy(first, "mine", 5);
    memcpy(second, "ours", 5);
    CHECK_STR(first, "ours");
}

TEST(ioheap, h36_without_the_rule_two_owners_share_a_block)
{
    struct tsuga_child child;

    tsuga_child_run(&child, share_a_block, NULL);
    CHECK_INT(child.signal, 0);
    CHECK_INT(child.exit_status, 0);
}

TEST(ioheap, h03_without_the_rule_the_next_heap_finds_the_last_ones_bytes)
{
    CHECK_UINT(leftovers(TSUGA_RULE_CLEAR, 64), 64);
    CHECK_UINT(leftovers(TSUGA_RULE_CLEAR, 100 * KIB), 100 * KIB);
}
#endif

static bool has_poison(void)
{
    _Alignas(64) char bytes[64] = {0};
    bool is_poisoned;

    tsuga_sanitize_poison(bytes, sizeof(bytes));
    is_poisoned = tsuga_sanitize_is_poisoned(bytes, sizeof(bytes));
    tsuga_sanitize_unpoison(bytes, sizeof(bytes));
    return is_poisoned;
}

TEST(ioheap, h36_free_memory_is_poisoned)
{
    struct heap_fixture fixture;
    char *block;
    char *next;

    if (!has_poison())
        SKIP("needs AddressSanitizer");
    heap_fixture_open(&fixture, NULL, NULL);
    block = heap_fixture_alloc(&fixture, 100);
    next = heap_fixture_alloc(&fixture, 64);
    CHECK(!tsuga_sanitize_is_poisoned(block, 128));
    CHECK(!tsuga_sanitize_is_poisoned(next, 64));
    CHECK(tsuga_sanitize_is_poisoned(next + 64, 1));
    tsuga_ioheap_free(&fixture.heap, block);
    for (unsigned i = 0; i < 128; i += 8)
        CHECK(tsuga_sanitize_is_poisoned(block + i, 1));
    CHECK(!tsuga_sanitize_is_poisoned(next, 64));
    tsuga_ioheap_free(&fixture.heap, next);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK(tsuga_sanitize_is_poisoned(next, 1));
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    heap_fixture_close(&fixture);
}

/* Guard. */

TEST(ioheap, with_the_guard_on_nobody_reaches_the_next_segment)
{
    struct tsuga_reserve_config reserve = {.guard = true, .arena_bytes = 4 * MIB};
    struct heap_fixture fixture;
    char *block;

    heap_fixture_open(&fixture, &reserve, NULL);
    block = heap_fixture_alloc(&fixture, 64);
    CHECK_UINT(stats_of(&fixture).segment_bytes, 4096);
    CHECK(tsuga_child_can_read(block));
    CHECK(!tsuga_child_can_read(block + 4096));
    check_class(&fixture, 2 * MIB, 2 * MIB);
    tsuga_ioheap_free(&fixture.heap, block);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    /* What was a guard is memory again. */
    block = heap_fixture_alloc(&fixture, 64 * KIB);
    memset(block, 1, 64 * KIB);
    tsuga_ioheap_free(&fixture.heap, block);
    heap_fixture_close(&fixture);
}

TEST(ioheap, h11_a_guard_that_cannot_be_made_is_a_refusal)
{
    struct tsuga_reserve_config reserve = {.guard = true};
    struct heap_fixture fixture;
    void *block = NULL;
    int refused_count = 0;

    for (uint64_t n = 1; n < 10; n++) {
        heap_fixture_open(&fixture, &reserve, NULL);
        fixture.faults.fail_at = fixture.faults.call_count + n;
        fixture.faults.fails_on = true;
        refused_count += tsuga_ioheap_alloc(&fixture.heap, 64, &block) == -ENOBUFS;
        fixture.faults.fail_at = 0;
        if (tsuga_ioheap_live_count(&fixture.heap) > 0)
            tsuga_ioheap_free(&fixture.heap, block);
        heap_fixture_close(&fixture);
    }
    CHECK(refused_count >= 3);
}
