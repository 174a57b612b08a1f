/*
 * The I/O heap by itself, without the runtime: a heap is filled and thinned out at random, and its
 * map is printed, a character for every block of 64 bytes to 2 MiB and a dot for free space.
 *
 *     heap [-n blocks] [-s seed] [-c class,class,...]
 *
 * Classes are powers of two of bytes, from 64 to 2097152; the default is 64,256,1024,4096.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ioheap/ioheap.h"

#define BLOCK_COUNT_MAX 100000u

struct options {
    unsigned block_count;
    uint64_t seed;
    uint32_t class_mask;
};

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: heap [-n blocks] [-s seed] [-c class,class,...]\n");
    exit(2);
}

static uint32_t parse_classes(char *list)
{
    uint32_t mask = 0;

    for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
        char *end;
        unsigned long bytes = strtoul(word, &end, 10);

        if (*end != '\0' || bytes < 64 || bytes > TSUGA_IOHEAP_BLOCK_BYTES_MAX ||
            (bytes & (bytes - 1)) != 0) {
            fprintf(stderr, "heap: class %s: a power of two, 64 to 2097152\n", word);
            exit(2);
        }
        mask |= (uint32_t)bytes;
    }
    return mask;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.block_count = 200, .seed = 1, .class_mask = 64 | 256 | 1024 | 4096};
    int letter;

    while ((letter = getopt(argc, argv, "n:s:c:")) != -1) {
        if (letter == 'n')
            options.block_count = (unsigned)strtoul(optarg, NULL, 10);
        else if (letter == 's')
            options.seed = strtoull(optarg, NULL, 10);
        else if (letter == 'c')
            options.class_mask = parse_classes(optarg);
        else
            usage();
    }
    if (optind < argc || options.block_count == 0 || options.block_count > BLOCK_COUNT_MAX)
        usage();
    return options;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static size_t random_class(uint32_t mask, uint64_t *random)
{
    for (;;) {
        uint32_t class = UINT32_C(1) << (6 + next_random(random) % TSUGA_IOHEAP_CLASS_COUNT);

        if ((class & mask) != 0)
            return class;
    }
}

/* Fills the heap, then frees a half of the blocks, then fills the holes. */
static int churn(struct tsuga_ioheap *heap, const struct options *options, void **blocks)
{
    uint64_t random = options->seed;

    for (unsigned i = 0; i < 3 * options->block_count; i++) {
        void **block = &blocks[next_random(&random) % options->block_count];

        if (*block != NULL) {
            tsuga_ioheap_free(heap, *block);
            *block = NULL;
        } else {
            int error = tsuga_ioheap_alloc(heap, random_class(options->class_mask, &random), block);

            if (error != 0)
                return error;
        }
    }
    return 0;
}

struct drawing {
    uint32_t segment_index;
    unsigned column;
};

/* a stands for 64 bytes, b for 128, and so on; a free stretch is as many dots as it has bits. */
static void draw(void *context, const struct tsuga_ioheap_stretch *stretch)
{
    struct drawing *drawing = context;
    int letter = 'a';

    if (stretch->segment_index != drawing->segment_index || drawing->column == 0) {
        printf("\n  segment %2u  ", stretch->segment_index);
        drawing->segment_index = stretch->segment_index;
        drawing->column = 1;
    }
    if (drawing->column++ % 64 == 0)
        printf("\n              ");
    for (uint64_t bytes = stretch->bytes; bytes > 64; bytes /= 2)
        letter++;
    putchar(stretch->is_live ? letter : '.');
}

static void report(const struct tsuga_ioheap *heap)
{
    struct drawing drawing = {.segment_index = UINT32_MAX};
    struct tsuga_ioheap_stats stats;

    tsuga_ioheap_stats_read(heap, &stats);
    printf("      class       live  most alive     allocated\n");
    for (unsigned i = 0; i < TSUGA_IOHEAP_CLASS_COUNT; i++) {
        const struct tsuga_ioheap_class *class = &stats.classes[i];

        if (class->alloc_count > 0)
            printf("  %c %7zu %10" PRIu32 " %11" PRIu32 " %13" PRIu64 "\n", (int)('a' + i),
                   (size_t)64 << i, class->live_count, class->live_count_max, class->alloc_count);
    }
    printf("\n  %" PRIu64 " bytes live, %" PRIu64 " free in %" PRIu32 " segments, %" PRIu64
           " of bookkeeping\n",
           stats.live_bytes, stats.free_bytes, stats.segment_count, stats.table_bytes);
    printf("  largest free span %" PRIu64 ", furthest byte ever used %" PRIu64 "\n",
           stats.free_span_max, stats.high_water_bytes);
    tsuga_ioheap_walk(heap, draw, &drawing);
    printf("\n");
}

static void release(struct tsuga_ioheap *heap, const struct options *options, void **blocks)
{
    for (unsigned i = 0; i < options->block_count; i++) {
        if (blocks[i] != NULL)
            tsuga_ioheap_free(heap, blocks[i]);
    }
    tsuga_ioheap_fini(heap);
}

static int run(struct tsuga_arena_pool *pool, const struct options *options)
{
    struct tsuga_ioheap_config config = {.class_mask = options->class_mask};
    void **blocks = calloc(options->block_count, sizeof(*blocks));
    struct tsuga_ioheap heap;
    int error;

    if (blocks == NULL)
        return 1;
    error = tsuga_ioheap_init(&heap, pool, &config);
    if (error == 0) {
        error = churn(&heap, options, blocks);
        report(&heap);
        release(&heap, options, blocks);
    }
    if (error != 0)
        fprintf(stderr, "heap: %s\n", strerror(-error));
    free(blocks);
    return error == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct tsuga_reserve_config defaults = {0};
    struct options options = parse_options(argc, argv);
    struct tsuga_reserve reserve;
    struct tsuga_arena_pool pool;
    int status;
    int error = tsuga_reserve_init(&reserve, tsuga_backing_default(), &defaults);

    if (error != 0) {
        fprintf(stderr, "heap: no address space: %s\n", strerror(-error));
        return 1;
    }
    tsuga_arena_pool_init(&pool, &reserve, NULL);
    status = run(&pool, &options);
    tsuga_arena_pool_fini(&pool);
    tsuga_reserve_fini(&reserve);
    return status;
}
