#include "ioheap/reserve.h"

#include <errno.h>
#include <string.h>

#include "ioheap/arena.h"
#include "runtime/base/sanitize.h"
#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

#define MIB (UINT64_C(1) << 20)

TEST(reserve, h08_bad_sizes_are_refused)
{
    static const struct tsuga_reserve_config bad[] = {
        {.arena_bytes = 3 << 20},
        {.arena_bytes = 32 << 10},
        {.arena_bytes = UINT64_C(2) << 30},
        {.segment_bytes_min = 1000},
        {.segment_bytes_min = 256},
        {.segment_bytes_min = 4 << 20},
        {.arena_bytes = UINT64_C(1) << 30, .segment_bytes_min = 1024},
        {.bytes = UINT64_MAX},
    };
    struct backing_faults faults;
    struct tsuga_reserve reserve;

    backing_faults_init(&faults);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(tsuga_reserve_init(&reserve, &faults.backing, &bad[i]), -EINVAL);
    CHECK_UINT(faults.call_count, 0);
}

TEST(reserve, arenas_are_aligned_to_their_size_and_zero)
{
    static const uint64_t sizes[] = {64 << 10, 2 << 20, 32 << 20, 1 << 30};

    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_reserve_config config = {
            .arena_bytes = sizes[i], .segment_bytes_min = 32 << 10, .bytes = UINT64_C(4) << 30};
        struct backing_faults faults;
        struct tsuga_reserve reserve;
        struct tsuga_arena *arenas[2];

        backing_faults_init(&faults);
        CHECK_INT(tsuga_reserve_init(&reserve, &faults.backing, &config), 0);
        for (unsigned j = 0; j < 2; j++) {
            CHECK_INT(tsuga_reserve_take(&reserve, &arenas[j]), 0);
            CHECK_UINT((uintptr_t)arenas[j]->base % sizes[i], 0);
            CHECK(tsuga_reserve_find(&reserve, arenas[j]->base) == NULL); /* no pool's yet */
            tsuga_sanitize_unpoison(arenas[j]->base, sizes[i]);
            CHECK_INT(arenas[j]->base[sizes[i] - 1], 0);
            arenas[j]->base[sizes[i] - 1] = 1;
        }
        CHECK(arenas[0]->base != arenas[1]->base);
        tsuga_reserve_give(&reserve, arenas[1]);
        CHECK_INT(tsuga_reserve_take(&reserve, &arenas[0]), 0);
        CHECK_PTR(arenas[0], arenas[1]);
        CHECK_INT(arenas[0]->base[sizes[i] - 1], 0);
        tsuga_reserve_fini(&reserve);
    }
}

TEST(reserve, is_halved_until_it_fits)
{
    struct tsuga_reserve_config config = {.bytes = 4096 * MIB};
    struct backing_faults faults;
    struct tsuga_reserve reserve;

    backing_faults_init(&faults);
    faults.reserve_bytes_max = 100 * MIB;
    CHECK_INT(tsuga_reserve_init(&reserve, &faults.backing, &config), 0);
    CHECK_UINT(reserve.ranges[0].bytes, 64 * MIB);
    tsuga_reserve_fini(&reserve);
    faults.reserve_bytes_max = MIB;
    CHECK_INT(tsuga_reserve_init(&reserve, &faults.backing, &config), -ENOMEM);
}

TEST(reserve, adds_ranges_on_demand_until_there_are_too_many)
{
    struct tsuga_reserve_config config = {.bytes = 4 * MIB};
    struct backing_faults faults;
    struct tsuga_reserve reserve;
    struct tsuga_arena *arenas[2 * TSUGA_RESERVE_RANGE_COUNT_MAX];
    struct tsuga_arena *none = NULL;

    backing_faults_init(&faults);
    CHECK_INT(tsuga_reserve_init(&reserve, &faults.backing, &config), 0);
    for (unsigned i = 0; i < 2 * TSUGA_RESERVE_RANGE_COUNT_MAX; i++) {
        CHECK_INT(tsuga_reserve_take(&reserve, &arenas[i]), 0);
        CHECK_UINT(atomic_load(&reserve.range_count), i / 2 + 1);
        for (unsigned j = 0; j < i; j++)
            CHECK(arenas[i]->base != arenas[j]->base);
    }
    CHECK_INT(tsuga_reserve_take(&reserve, &none), -ENOMEM);
    CHECK_PTR(none, NULL);
    tsuga_reserve_give(&reserve, arenas[7]);
    CHECK_INT(tsuga_reserve_take(&reserve, &none), 0);
    CHECK_PTR(none, arenas[7]);
    tsuga_reserve_fini(&reserve);
}

/* A heap larger than the first range: requests beyond the arenas of one range are served too. */
TEST(reserve, h11_a_heap_grows_over_many_ranges)
{
    struct tsuga_reserve_config config = {.bytes = 2 * MIB};
    struct heap_fixture fixture;
    char *blocks[40];

    heap_fixture_open(&fixture, &config, NULL);
    for (unsigned i = 0; i < 40; i++) {
        blocks[i] = heap_fixture_alloc(&fixture, 2 * MIB);
        blocks[i][0] = (char)i;
        CHECK_PTR(tsuga_ioheap_block_start(&fixture.heap, blocks[i] + MIB), blocks[i]);
    }
    CHECK(atomic_load(&fixture.reserve.range_count) >= 40);
    tsuga_ioheap_check(&fixture.heap);
    for (unsigned i = 0; i < 40; i++) {
        CHECK_INT(blocks[i][0], (int)i);
        tsuga_ioheap_free(&fixture.heap, blocks[i]);
    }
    heap_fixture_close(&fixture);
}

TEST(reserve, a_failed_range_leaves_nothing_behind)
{
    struct tsuga_reserve_config config = {.bytes = 2 * MIB};
    struct backing_faults faults;
    struct tsuga_reserve reserve;

    for (uint64_t n = 1; n < 3; n++) {
        backing_faults_init(&faults);
        faults.fail_at = n;
        CHECK_INT(tsuga_reserve_init(&reserve, &faults.backing, &config), -ENOMEM);
    }
}
