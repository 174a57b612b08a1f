/*
 * So many live blocks of 64 bytes to 1 KiB in an I/O heap by itself: nanoseconds to free one at
 * random and to allocate one of a random size. Nobody touches the blocks.
 *
 * The floor meets the memory that no allocator can spare: the entry of the caller's list, then a
 * place for that block in books as large as the heap's, and another one for the new block; one pair
 * after the other.
 */
#include <stdlib.h>

#include "ioheap/ioheap.h"
#include "tests/bench/scaling/scaling.h"
#include "tests/bench/support.h"

#define BLOCKS_MAX  1000000u
#define PAIR_COUNT  500000u
#define CLASS_COUNT 5u /* 64 << 4 is 1 KiB */
#define LINE_WORDS  (TSUGA_CACHE_LINE_BYTES / sizeof(uint64_t))

struct world {
    struct tsuga_reserve reserve;
    struct tsuga_arena_pool pool;
    struct tsuga_ioheap heap;
    struct scaling_random random;
    uint32_t count;
    void **blocks;
};

/* The floor's: so many lines, each for a stretch of so many bytes. */
struct books {
    uint64_t *words;
    uint32_t line_count;
    uint64_t line_share;
    uintptr_t base; /* of the block that lies first */
};

static void allocate(struct world *world, void **out)
{
    size_t bytes = (size_t)64 << scaling_random_below(&world->random, CLASS_COUNT);

    tsuga_bench_require("tsuga_ioheap_alloc", tsuga_ioheap_alloc(&world->heap, bytes, out));
}

static void exchange(struct world *world, uint32_t pair_count)
{
    for (uint32_t i = 0; i < pair_count; i++) {
        void **block = &world->blocks[scaling_random_below(&world->random, world->count)];

        tsuga_ioheap_free(&world->heap, *block);
        allocate(world, block);
    }
}

static double measure_heap(struct world *world)
{
    uint64_t start_ns;
    uint64_t spent_ns;

    for (uint32_t i = 0; i < world->count; i++)
        allocate(world, &world->blocks[i]);
    exchange(world, world->count); /* until none lies where the first came to lie */
    start_ns = tsuga_bench_processor_ns();
    exchange(world, PAIR_COUNT);
    spent_ns = tsuga_bench_processor_ns() - start_ns;
    return (double)spent_ns / PAIR_COUNT;
}

/* The floor. */

static struct books open_books(const struct world *world)
{
    struct tsuga_ioheap_stats stats;
    struct books books = {.base = UINTPTR_MAX};

    tsuga_ioheap_stats_read(&world->heap, &stats);
    for (uint32_t i = 0; i < world->count; i++) {
        if ((uintptr_t)world->blocks[i] < books.base)
            books.base = (uintptr_t)world->blocks[i];
    }
    books.line_count = (uint32_t)(stats.table_bytes / TSUGA_CACHE_LINE_BYTES);
    books.line_share = stats.segment_bytes / books.line_count + 1;
    books.words = scaling_memory(books.line_count, TSUGA_CACHE_LINE_BYTES);
    return books;
}

/* Whose turn is next depends on what was read, as the place of the next block does. */
static void touch(struct world *world, const struct books *books)
{
    for (uint32_t i = 0; i < PAIR_COUNT; i++) {
        uint32_t number = scaling_random_below(&world->random, world->count);
        uint64_t taken = scaling_random_below(&world->random, books->line_count);
        uint64_t freed = ((uintptr_t)world->blocks[number] - books->base) / books->line_share;

        world->random.state += books->words[freed % books->line_count * LINE_WORDS]++;
        world->random.state += books->words[taken * LINE_WORDS]++;
    }
}

static double measure_memory(struct world *world)
{
    struct books books = open_books(world);
    uint64_t start_ns = tsuga_bench_processor_ns();
    uint64_t spent_ns;

    touch(world, &books);
    spent_ns = tsuga_bench_processor_ns() - start_ns;
    free(books.words);
    return (double)spent_ns / PAIR_COUNT;
}

static void measure(uint32_t count, struct scaling_sample *out)
{
    static const struct tsuga_reserve_config defaults = {0};
    static struct world world;

    world.count = count;
    world.random.state = count;
    world.blocks = scaling_memory(count, sizeof(*world.blocks));
    tsuga_bench_require("tsuga_reserve_init",
                        tsuga_reserve_init(&world.reserve, tsuga_backing_default(), &defaults));
    tsuga_arena_pool_init(&world.pool, &world.reserve, NULL);
    tsuga_bench_require("tsuga_ioheap_init", tsuga_ioheap_init(&world.heap, &world.pool, NULL));
    out->ours_ns = measure_heap(&world);
    out->floor_ns = measure_memory(&world);
    for (uint32_t i = 0; i < count; i++)
        tsuga_ioheap_free(&world.heap, world.blocks[i]);
    tsuga_ioheap_fini(&world.heap);
    tsuga_arena_pool_fini(&world.pool);
    tsuga_reserve_fini(&world.reserve);
    free(world.blocks);
}

const struct scaling_case scaling_blocks = {.name = "blocks",
                                            .unit = "a block freed and one allocated",
                                            .floor = "a list and books of that size",
                                            .count_max = BLOCKS_MAX,
                                            .measure = measure};
