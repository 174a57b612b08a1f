#include "ioheap/slab.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/sanitize.h"
#include "tests/support/child.h"
#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

struct slab_fixture {
    struct heap_fixture heap;
    struct tsuga_slab slab;
};

static void slab_open(struct slab_fixture *fixture, const struct tsuga_ioheap_config *config)
{
    heap_fixture_open(&fixture->heap, NULL, config);
    tsuga_slab_init(&fixture->slab, &fixture->heap.heap);
}

static void slab_close(struct slab_fixture *fixture)
{
    tsuga_slab_fini(&fixture->slab);
    CHECK_UINT(tsuga_ioheap_live_count(&fixture->heap.heap), 0);
    heap_fixture_close(&fixture->heap);
}

/* A record; failure fails the test. */
static void *take(struct slab_fixture *fixture, uint32_t *slot)
{
    void *record = tsuga_slab_take(&fixture->slab, slot);

    CHECK(record != NULL);
    return record;
}

TEST(slab, z08_records_are_cache_lines_of_the_heap)
{
    struct slab_fixture fixture;
    uint32_t slots[500];
    char *records[500];

    slab_open(&fixture, NULL);
    for (unsigned i = 0; i < 500; i++) {
        records[i] = take(&fixture, &slots[i]);
        CHECK_UINT((uintptr_t)records[i] % 64, 0);
        CHECK_PTR(tsuga_slab_at(&fixture.slab, slots[i]), records[i]);
        CHECK(tsuga_ioheap_block_start(&fixture.heap.heap, records[i]) != NULL);
        memset(records[i], (int)i, 64);
    }
    for (unsigned i = 0; i < 500; i++) {
        for (unsigned j = 0; j < 64; j++)
            CHECK_INT(records[i][j], (char)i);
        tsuga_slab_give(&fixture.slab, slots[i]);
    }
    slab_close(&fixture);
}

TEST(slab, a_first_record_costs_little)
{
    struct slab_fixture fixture;
    struct tsuga_ioheap_stats stats;
    uint32_t slot;

    slab_open(&fixture, NULL);
    take(&fixture, &slot);
    tsuga_ioheap_stats_read(&fixture.heap.heap, &stats);
    CHECK_UINT(stats.segment_bytes, 1024);
    CHECK_UINT(stats.live_bytes, 256);
    tsuga_slab_give(&fixture.slab, slot);
    slab_close(&fixture);
}

TEST(slab, slots_and_generations_name_one_use_of_a_record)
{
    struct slab_fixture fixture;
    uint32_t slot;
    uint32_t again;
    uint32_t first;
    void *record;
    void *found = NULL;

    slab_open(&fixture, NULL);
    CHECK_INT(tsuga_slab_find(&fixture.slab, 0, 1, &found), -EINVAL);
    record = take(&fixture, &slot);
    first = tsuga_slab_generation(&fixture.slab, slot);
    CHECK(first != 0);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, first, &found), 0);
    CHECK_PTR(found, record);
    found = NULL;
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, first + 1, &found), -EINVAL);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, first + 2, &found), -EINVAL);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, 0, &found), -EINVAL);
    CHECK_INT(tsuga_slab_find(&fixture.slab, fixture.slab.count, 1, &found), -EINVAL);
    CHECK_INT(tsuga_slab_find(&fixture.slab, UINT32_MAX, 1, &found), -EINVAL);
    tsuga_slab_give(&fixture.slab, slot);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, first, &found), -ENOENT);
    CHECK_PTR(take(&fixture, &again), record);
    CHECK_UINT(again, slot);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, first, &found), -ENOENT);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, first + 2, &found), 0);
    tsuga_slab_give(&fixture.slab, slot);
    slab_close(&fixture);
}

TEST(slab, a_slot_retires_before_its_generations_repeat)
{
    struct slab_fixture fixture;
    uint32_t slot;
    uint32_t again;
    void *record;
    void *found = NULL;

    slab_open(&fixture, NULL);
    record = take(&fixture, &slot);
    tsuga_slab_give(&fixture.slab, slot);
    fixture.slab.slots[slot].generation = UINT32_MAX - 3;
    CHECK_PTR(take(&fixture, &again), record);
    CHECK_UINT(again, slot);
    tsuga_slab_give(&fixture.slab, slot);
    CHECK(take(&fixture, &again) != record);
    CHECK(again != slot);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, 1, &found), -ENOENT);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, UINT32_MAX - 2, &found), -ENOENT);
    CHECK_INT(tsuga_slab_find(&fixture.slab, slot, UINT32_MAX, &found), -EINVAL);
    tsuga_slab_give(&fixture.slab, again);
    slab_close(&fixture);
}

/* The quota ends the records, but not before its last 64 bytes are one. */
TEST(slab, h11_records_end_with_the_quota_and_come_back)
{
    struct tsuga_ioheap_config config = {.quota_bytes = 1024};
    struct slab_fixture fixture;
    uint32_t slots[16];
    uint32_t none = 0;

    slab_open(&fixture, &config);
    for (unsigned i = 0; i < 16; i++)
        take(&fixture, &slots[i]);
    CHECK_PTR(tsuga_slab_take(&fixture.slab, &none), NULL);
    tsuga_slab_give(&fixture.slab, slots[5]);
    take(&fixture, &slots[5]);
    for (unsigned i = 0; i < 16; i++)
        tsuga_slab_give(&fixture.slab, slots[i]);
    slab_close(&fixture);
}

TEST(slab, h11_every_failure_of_the_backing_is_survived)
{
    for (uint64_t n = 1; n < 12; n++) {
        struct slab_fixture fixture;
        uint32_t slot;
        unsigned taken_count = 0;

        slab_open(&fixture, NULL);
        fixture.heap.faults.fail_at = fixture.heap.faults.call_count + n;
        for (unsigned i = 0; i < 40; i++)
            taken_count += tsuga_slab_take(&fixture.slab, &slot) != NULL;
        CHECK(taken_count >= 39);
        for (slot = 0; slot < fixture.slab.count; slot++) {
            if ((tsuga_slab_generation(&fixture.slab, slot) & 1) != 0)
                tsuga_slab_give(&fixture.slab, slot);
        }
        slab_close(&fixture);
    }
}

TEST(slab, works_with_any_set_of_classes)
{
    static const uint32_t masks[] = {1 << 6, 1 << 7, 1 << 12, 1 << 21, 1 << 6 | 1 << 16};

    for (unsigned m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
        struct tsuga_ioheap_config config = {.class_mask = masks[m]};
        struct slab_fixture fixture;
        uint32_t slots[100];

        slab_open(&fixture, &config);
        for (unsigned i = 0; i < 100; i++)
            take(&fixture, &slots[i]);
        CHECK_UINT(fixture.slab.live_count, 100);
        for (unsigned i = 0; i < 100; i++)
            tsuga_slab_give(&fixture.slab, slots[i]);
        slab_close(&fixture);
    }
}

static void give_twice(void *context)
{
    struct slab_fixture fixture;
    uint32_t slot;

    (void)context;
    slab_open(&fixture, NULL);
    take(&fixture, &slot);
    tsuga_slab_give(&fixture.slab, slot);
    tsuga_slab_give(&fixture.slab, slot);
}

TEST(slab, h36_a_record_is_given_back_exactly_once)
{
    struct tsuga_child child;

    tsuga_child_run(&child, give_twice, NULL);
    CHECK_INT(child.signal, 6);
    CHECK(strstr(child.said, "assertion failed") != NULL);
}
