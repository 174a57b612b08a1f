#include "ioheap/arena.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "ioheap/ioheap.h"
#include "runtime/base/clock.h"
#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Does by hand what the hooks of a pool ask for. */
struct helper {
    struct tsuga_segment *segments[16];
    unsigned segment_count;
    unsigned prepare_count;
    unsigned adopted_count;
    unsigned withdraw_count;
};

static void ask_clear(void *context, struct tsuga_segment *segment)
{
    struct helper *helper = context;

    CHECK(helper->segment_count < 16);
    helper->segments[helper->segment_count++] = segment;
}

static void ask_prepare(void *context, struct tsuga_arena_pool *pool)
{
    struct helper *helper = context;

    (void)pool;
    helper->prepare_count++;
}

static void see_adopted(void *context, struct tsuga_arena *arena, bool is_resident)
{
    struct helper *helper = context;

    (void)arena;
    (void)is_resident;
    helper->adopted_count++;
}

static void ask_withdraw(void *context, struct tsuga_arena *arena)
{
    struct helper *helper = context;

    (void)arena;
    helper->withdraw_count++;
}

static void pool_open(struct heap_fixture *fixture, struct helper *helper)
{
    struct tsuga_arena_pool_config config = {.hooks = {.clear = ask_clear,
                                                       .prepare = ask_prepare,
                                                       .adopted = see_adopted,
                                                       .withdraw = ask_withdraw,
                                                       .context = helper}};

    *helper = (struct helper){.segment_count = 0};
    heap_fixture_open(fixture, NULL, NULL);
    tsuga_ioheap_fini(&fixture->heap);
    tsuga_arena_pool_fini(&fixture->pool);
    tsuga_arena_pool_init(&fixture->pool, &fixture->reserve, &config);
    CHECK_INT(tsuga_ioheap_init(&fixture->heap, &fixture->pool, NULL), 0);
}

static void *in_thread(void *(*run)(void *context), void *context)
{
    pthread_t thread;
    void *result;

    CHECK_INT(pthread_create(&thread, NULL, run, context), 0);
    CHECK_INT(pthread_join(thread, &result), 0);
    return result;
}

static void *prepare(void *context)
{
    tsuga_arena_pool_prepare(context);
    return NULL;
}

TEST(arena, h03_segments_lie_side_by_side_and_never_overlap)
{
    struct heap_fixture fixture;
    struct tsuga_segment *segments[64];

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 64; i++)
        CHECK_INT(tsuga_segment_take(&fixture.pool, 10 + i % 4, &fixture.heap, &segments[i]), 0);
    for (unsigned i = 0; i < 64; i++) {
        char *end = segments[i]->base + ((size_t)1 << segments[i]->shift);

        CHECK_UINT((uintptr_t)segments[i]->base % ((size_t)1 << segments[i]->shift), 0);
        for (unsigned j = 0; j < i; j++)
            CHECK(segments[j]->base >= end ||
                  segments[j]->base + ((size_t)1 << segments[j]->shift) <= segments[i]->base);
    }
    /* 10,000 idle connections share pages: these fill one arena from its front. */
    CHECK_UINT(fixture.pool.arena_count, 1);
    for (unsigned i = 0; i < 64; i++)
        tsuga_segment_give(&fixture.pool, segments[i]);
    heap_fixture_close(&fixture);
}

TEST(arena, free_arenas_are_purged_after_the_decay_time)
{
    uint64_t now_ns = TSUGA_NS_PER_S;
    struct heap_fixture fixture;
    struct tsuga_segment *segments[3];

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segments[i]), 0);
    CHECK_UINT(fixture.pool.arena_count, 3);
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns));
    tsuga_segment_give(&fixture.pool, segments[1]);
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns));
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns + TSUGA_NS_PER_S / 2));
    /* Used again in between: the time starts anew. */
    CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segments[1]), 0);
    tsuga_segment_give(&fixture.pool, segments[1]);
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns + TSUGA_NS_PER_S));
    CHECK_UINT(fixture.faults.purge_count, 0);
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns + 2 * TSUGA_NS_PER_S));
    CHECK_UINT(fixture.faults.purge_count, 1);
    CHECK_UINT(fixture.pool.arena_count, 2);
    tsuga_segment_give(&fixture.pool, segments[0]);
    tsuga_segment_give(&fixture.pool, segments[2]);
    heap_fixture_close(&fixture);
}

TEST(arena, a_registered_arena_keeps_its_pages)
{
    uint64_t now_ns = TSUGA_NS_PER_S;
    struct heap_fixture fixture;
    struct tsuga_segment *segment;
    struct tsuga_arena *arena;

    heap_fixture_open(&fixture, NULL, NULL);
    CHECK_INT(tsuga_segment_take(&fixture.pool, 12, &fixture.heap, &segment), 0);
    arena = segment->arena;
    arena->is_registered = true;
    tsuga_segment_give(&fixture.pool, segment);
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns));
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns + 10 * TSUGA_NS_PER_S));
    CHECK_UINT(fixture.pool.arena_count, 1);
    arena->is_registered = false;
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns + 11 * TSUGA_NS_PER_S));
    CHECK_UINT(fixture.pool.arena_count, 0);
    heap_fixture_close(&fixture);
}

/* Whoever has registered it is asked to let go, and it is given back afterwards. */
TEST(arena, a05_a_registered_arena_is_withdrawn_before_it_is_given_back)
{
    uint64_t now_ns = TSUGA_NS_PER_S;
    struct heap_fixture fixture;
    struct helper helper;
    struct tsuga_segment *segment;
    struct tsuga_arena *arena;

    pool_open(&fixture, &helper);
    CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segment), 0);
    CHECK_UINT(helper.adopted_count, 1);
    arena = segment->arena;
    arena->is_registered = true;
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns));
    tsuga_segment_give(&fixture.pool, segment);
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns));
    CHECK_UINT(helper.withdraw_count, 0);
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns + TSUGA_NS_PER_S));
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns + 2 * TSUGA_NS_PER_S));
    CHECK_UINT(helper.withdraw_count, 2);
    CHECK_UINT(fixture.faults.purge_count, 0);
    arena->is_registered = false;
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, now_ns + 3 * TSUGA_NS_PER_S));
    CHECK_UINT(fixture.faults.purge_count, 1);
    in_thread(prepare, &fixture.pool);
    heap_fixture_close(&fixture);
}

/* So that one look at a thousand free arenas does not hold an executor up. */
TEST(arena, h11_a_decay_is_cut_short_and_goes_on)
{
    uint64_t now_ns = TSUGA_NS_PER_S;
    struct heap_fixture fixture;
    struct tsuga_segment *segments[10];
    unsigned looks = 0;

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 10; i++)
        CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segments[i]), 0);
    for (unsigned i = 0; i < 10; i++)
        tsuga_segment_give(&fixture.pool, segments[i]);
    CHECK(fixture.pool.has_idle);
    CHECK(tsuga_arena_pool_decay(&fixture.pool, now_ns));
    CHECK(!fixture.pool.was_cut_short);
    do {
        uint32_t before = fixture.pool.arena_count;

        (void)tsuga_arena_pool_decay(&fixture.pool, now_ns + TSUGA_NS_PER_S);
        CHECK(before - fixture.pool.arena_count <= 4);
        looks++;
    } while (fixture.pool.was_cut_short);
    CHECK_UINT(looks, 3);
    CHECK_UINT(fixture.pool.arena_count, 0);
    CHECK(!fixture.pool.has_idle);
    heap_fixture_close(&fixture);
}

TEST(arena, an_arena_goes_to_another_pool_clean)
{
    struct heap_fixture fixture;
    struct tsuga_arena_pool other;
    struct tsuga_ioheap heap;
    char *block;
    char *again;

    heap_fixture_open(&fixture, NULL, NULL);
    block = heap_fixture_alloc(&fixture, 2 * MIB);
    memset(block, 0xa5, 2 * MIB);
    tsuga_ioheap_free(&fixture.heap, block);
    CHECK(tsuga_ioheap_decay(&fixture.heap, TSUGA_NS_PER_S));
    CHECK(!tsuga_ioheap_decay(&fixture.heap, 2 * TSUGA_NS_PER_S));
    CHECK(tsuga_arena_pool_decay(&fixture.pool, 2 * TSUGA_NS_PER_S));
    CHECK(!tsuga_arena_pool_decay(&fixture.pool, 3 * TSUGA_NS_PER_S));
    CHECK_PTR(tsuga_reserve_find(&fixture.reserve, block), NULL);
    tsuga_arena_pool_init(&other, &fixture.reserve, NULL);
    CHECK_INT(tsuga_ioheap_init(&heap, &other, NULL), 0);
    CHECK_INT(tsuga_ioheap_alloc(&heap, 2 * MIB, (void **)&again), 0);
    CHECK_PTR(again, block);
    for (size_t i = 0; i < 2 * MIB; i++)
        CHECK_INT(again[i], 0);
    tsuga_ioheap_free(&heap, again);
    tsuga_ioheap_fini(&heap);
    tsuga_arena_pool_fini(&other);
    heap_fixture_close(&fixture);
}

static void *clear_all(void *context)
{
    struct helper *helper = context;

    for (unsigned i = 0; i < helper->segment_count; i++)
        tsuga_segment_clear(helper->segments[i]);
    helper->segment_count = 0;
    return NULL;
}

TEST(arena, large_segments_are_cleared_by_another_thread)
{
    struct heap_fixture fixture;
    struct helper helper;
    char *large;
    char *small;

    pool_open(&fixture, &helper);
    large = heap_fixture_alloc(&fixture, MIB);
    small = heap_fixture_alloc(&fixture, KIB);
    memset(small, 1, KIB);
    memset(large, 1, MIB);
    tsuga_ioheap_free(&fixture.heap, small);
    tsuga_ioheap_free(&fixture.heap, large);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK_UINT(helper.segment_count, 1);
    CHECK_UINT(fixture.pool.segment_count, 1);
    in_thread(clear_all, &helper);
    tsuga_arena_pool_drain(&fixture.pool);
    CHECK_UINT(fixture.pool.segment_count, 0);
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    CHECK_PTR(heap_fixture_alloc(&fixture, MIB), large);
    for (size_t i = 0; i < MIB; i++)
        CHECK_INT(large[i], 0);
    tsuga_ioheap_free(&fixture.heap, large);
    tsuga_ioheap_fini(&fixture.heap);
    CHECK_INT(tsuga_ioheap_init(&fixture.heap, &fixture.pool, NULL), 0);
    /* The block was handed out, so the segment counts as dirty again. */
    CHECK_UINT(helper.segment_count, 1);
    clear_all(&helper);
    heap_fixture_close(&fixture);
}

TEST(arena, the_next_arena_is_faulted_in_by_another_thread)
{
    struct heap_fixture fixture;
    struct helper helper;
    struct tsuga_segment *segments[3];

    pool_open(&fixture, &helper);
    CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segments[0]), 0);
    CHECK_UINT(helper.prepare_count, 1);
    in_thread(prepare, &fixture.pool);
    CHECK_UINT(fixture.faults.populate_count, 1);
    CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segments[1]), 0);
    CHECK_UINT(helper.prepare_count, 2);
    CHECK_PTR(atomic_load(&fixture.pool.prepared), NULL);
    /* Asked and not answered: it is not asked again, and an arena comes from the reserve. */
    CHECK_INT(tsuga_segment_take(&fixture.pool, 21, &fixture.heap, &segments[2]), 0);
    CHECK_UINT(helper.prepare_count, 2);
    in_thread(prepare, &fixture.pool);
    for (unsigned i = 0; i < 3; i++)
        tsuga_segment_give(&fixture.pool, segments[i]);
    heap_fixture_close(&fixture);
}

/* A preparation that finds no memory is asked for again with the next arena. */
TEST(arena, h11_a_failed_preparation_is_repeated)
{
    struct tsuga_reserve_config small = {.bytes = 2 * MIB};
    struct heap_fixture fixture;
    struct helper helper;
    struct tsuga_arena_pool pool;
    struct tsuga_arena_pool_config config = {.hooks = {.prepare = ask_prepare, .context = &helper}};
    struct tsuga_segment *segments[2];

    helper = (struct helper){.segment_count = 0};
    heap_fixture_open(&fixture, &small, NULL);
    tsuga_arena_pool_init(&pool, &fixture.reserve, &config);
    CHECK_INT(tsuga_segment_take(&pool, 21, &fixture.heap, &segments[0]), 0);
    fixture.faults.fail_at = 1;
    fixture.faults.fails_on = true;
    in_thread(prepare, &pool);
    fixture.faults.fail_at = 0;
    CHECK_PTR(atomic_load(&pool.prepared), NULL);
    CHECK_INT(tsuga_segment_take(&pool, 21, &fixture.heap, &segments[1]), 0);
    CHECK_UINT(helper.prepare_count, 2);
    tsuga_segment_give(&pool, segments[0]);
    tsuga_segment_give(&pool, segments[1]);
    in_thread(prepare, &pool);
    tsuga_arena_pool_fini(&pool);
    heap_fixture_close(&fixture);
}

/* Pools of several threads take from one reserve and give back to it. */
struct taker {
    struct tsuga_reserve *reserve;
    uint64_t random;
};

static void *take_and_give(void *context)
{
    struct taker *taker = context;
    struct tsuga_arena_pool pool;
    struct tsuga_ioheap heap;
    void *blocks[16] = {NULL};

    tsuga_arena_pool_init(&pool, taker->reserve, NULL);
    CHECK_INT(tsuga_ioheap_init(&heap, &pool, NULL), 0);
    for (unsigned round = 1; round <= 300; round++) {
        void **block = &blocks[tsuga_test_random(&taker->random) % 16];

        if (*block != NULL) {
            tsuga_ioheap_free(&heap, *block);
            *block = NULL;
        } else {
            CHECK_INT(tsuga_ioheap_alloc(&heap, MIB, block), 0);
            memset(*block, (int)round, 64);
        }
        tsuga_ioheap_decay(&heap, round * TSUGA_NS_PER_S);
        tsuga_arena_pool_decay(&pool, round * TSUGA_NS_PER_S);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (blocks[i] != NULL)
            tsuga_ioheap_free(&heap, blocks[i]);
    }
    tsuga_ioheap_fini(&heap);
    tsuga_arena_pool_fini(&pool);
    return NULL;
}

TEST(arena, pools_of_many_threads_share_a_reserve)
{
    struct tsuga_reserve_config config = {.bytes = 8 * MIB};
    struct tsuga_reserve reserve;
    struct taker takers[4];
    pthread_t threads[4];
    uint64_t seed = tsuga_test_seed();

    CHECK_INT(tsuga_reserve_init(&reserve, tsuga_backing_default(), &config), 0);
    for (unsigned i = 0; i < 4; i++) {
        takers[i] = (struct taker){&reserve, seed + i};
        CHECK_INT(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    tsuga_reserve_fini(&reserve);
}
