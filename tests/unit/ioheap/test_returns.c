/* Blocks given back by threads that do not own the heap. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ioheap/ioheap.h"
#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

#define THREAD_COUNT 3u
#define BLOCK_COUNT  4000u

struct parcel {
    unsigned char *_Atomic block; /* NULL: not handed over yet, or taken */
    size_t bytes;
    unsigned char fill;
};

struct stage {
    struct heap_fixture fixture;
    struct parcel parcels[BLOCK_COUNT];
    _Atomic unsigned next; /* of the parcels, to be taken */
    _Atomic unsigned first_count;
    _Atomic bool is_over;
};

static void wait_for(struct parcel *parcel)
{
    while (atomic_load_explicit(&parcel->block, memory_order_relaxed) == NULL)
        sched_yield();
}

/* Reads what the owner wrote, writes over it, and gives it back. */
static void return_parcel(struct stage *stage, struct parcel *parcel)
{
    unsigned char *block;

    wait_for(parcel);
    /* Pairs with the release store in hand_over(). */
    block = atomic_load_explicit(&parcel->block, memory_order_acquire);
    for (size_t i = 0; i < parcel->bytes; i += 7)
        CHECK_UINT(block[i], parcel->fill);
    memset(block, parcel->fill ^ 0xff, parcel->bytes);
    if (tsuga_ioheap_free_remote(&stage->fixture.heap, block))
        atomic_fetch_add_explicit(&stage->first_count, 1, memory_order_relaxed);
}

static void *return_all(void *context)
{
    struct stage *stage = context;

    for (;;) {
        unsigned number = atomic_fetch_add_explicit(&stage->next, 1, memory_order_relaxed);

        if (number >= BLOCK_COUNT)
            return NULL;
        return_parcel(stage, &stage->parcels[number]);
    }
}

static void hand_over(struct stage *stage, unsigned number, uint64_t random)
{
    struct parcel *parcel = &stage->parcels[number];
    unsigned char *block;

    parcel->bytes = (size_t)64 << random % 8;
    parcel->fill = (unsigned char)(random >> 32);
    block = heap_fixture_alloc(&stage->fixture, parcel->bytes);
    memset(block, parcel->fill, parcel->bytes);
    /* Pairs with the acquire load in return_parcel(). */
    atomic_store_explicit(&parcel->block, block, memory_order_release);
}

TEST(ioheap_returns, a04_h36_blocks_come_back_from_any_thread_once_each)
{
    struct tsuga_ioheap_config config = {.quota_bytes = 256 << 10};
    struct stage *stage = aligned_alloc(_Alignof(struct stage), sizeof(*stage));
    uint64_t random = tsuga_test_seed();
    pthread_t threads[THREAD_COUNT];
    unsigned drained = 0;

    CHECK(stage != NULL);
    memset(stage, 0, sizeof(*stage));
    heap_fixture_open(&stage->fixture, NULL, &config);
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, return_all, stage), 0);
    for (unsigned i = 0; i < BLOCK_COUNT; i++) {
        /* Under the quota: what is out must come back before more goes out. */
        while (tsuga_ioheap_live_count(&stage->fixture.heap) > 12) {
            drained += tsuga_ioheap_drain(&stage->fixture.heap);
            sched_yield();
        }
        hand_over(stage, i, tsuga_test_random(&random));
    }
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK(tsuga_ioheap_has_returns(&stage->fixture.heap) || drained == BLOCK_COUNT);
    drained += tsuga_ioheap_drain(&stage->fixture.heap);
    CHECK_UINT(drained, BLOCK_COUNT);
    CHECK_UINT(tsuga_ioheap_live_count(&stage->fixture.heap), 0);
    CHECK(atomic_load(&stage->first_count) > 0);
    tsuga_ioheap_check(&stage->fixture.heap);
    heap_fixture_close(&stage->fixture);
    free(stage);
}

TEST(ioheap_returns, only_the_first_return_tells_that_the_list_was_empty)
{
    struct heap_fixture fixture;
    void *blocks[3];

    heap_fixture_open(&fixture, NULL, NULL);
    for (unsigned i = 0; i < 3; i++)
        blocks[i] = heap_fixture_alloc(&fixture, 64);
    CHECK(!tsuga_ioheap_has_returns(&fixture.heap));
    CHECK(tsuga_ioheap_free_remote(&fixture.heap, blocks[0]));
    CHECK(!tsuga_ioheap_free_remote(&fixture.heap, blocks[1]));
    CHECK_UINT(tsuga_ioheap_live_count(&fixture.heap), 3);
    CHECK_UINT(tsuga_ioheap_drain(&fixture.heap), 2);
    CHECK_UINT(tsuga_ioheap_drain(&fixture.heap), 0);
    CHECK_UINT(tsuga_ioheap_live_count(&fixture.heap), 1);
    CHECK(tsuga_ioheap_free_remote(&fixture.heap, blocks[2]));
    CHECK_UINT(tsuga_ioheap_drain(&fixture.heap), 1);
    heap_fixture_close(&fixture);
}
