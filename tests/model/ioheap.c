/*
 * The brute-force model of the I/O heap's placement: a segment is an array with a byte for each
 * unit, and a block goes to the first free place that a scan from the front finds. The heap must
 * agree on every address, on when it grows and by how much, and on what it gives back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ioheap/rules.h"
#include "tests/support/child.h"
#include "tests/support/heap_fixture.h"
#include "tests/support/test.h"

#define UNIT_BYTES        ((size_t)64)
#define BLOCK_COUNT_MAX   512u
#define SEGMENT_COUNT_MAX 1024u

struct model_segment {
    const char *base;
    size_t bytes;
    uint8_t *used; /* one for each unit */
    bool was_free; /* at the last decay, and not used since */
};

struct model {
    struct model_segment segments[SEGMENT_COUNT_MAX];
    unsigned segment_count;
    size_t segment_bytes;
    size_t segment_bytes_min;
    size_t segment_bytes_max;
    size_t quota_bytes;
    uint32_t class_mask;
};

struct trial {
    struct tsuga_reserve_config reserve;
    struct tsuga_ioheap_config heap;
    unsigned step_count;
    unsigned live_count_max;
    uint8_t rules_off;
};

struct block {
    char *address; /* NULL: none */
    size_t bytes;
};

struct run {
    struct heap_fixture fixture;
    struct model model;
    struct block blocks[BLOCK_COUNT_MAX];
    uint64_t random;
    uint64_t now_ns;
    unsigned grown_count;
    unsigned dropped_count;
    unsigned refused_count;
    unsigned mismatch_count;
};

/* The model. */

static size_t class_of(const struct model *model, size_t bytes)
{
    for (unsigned shift = 6; shift <= 21; shift++) {
        if ((model->class_mask >> shift & 1) != 0 && (size_t)1 << shift >= bytes)
            return (size_t)1 << shift;
    }
    return 0;
}

static bool place_is_free(const struct model_segment *segment, size_t offset, size_t bytes)
{
    const uint8_t *used = segment->used + offset / UNIT_BYTES;

    return used[0] == 0 && memcmp(used, used + 1, bytes / UNIT_BYTES - 1) == 0;
}

/* Takes the frontmost place for a block of the class; NULL when there is none. */
static const char *model_take(struct model *model, size_t class)
{
    for (unsigned i = 0; i < model->segment_count; i++) {
        struct model_segment *segment = &model->segments[i];

        for (size_t offset = 0; offset + class <= segment->bytes; offset += class) {
            if (!place_is_free(segment, offset, class))
                continue;
            memset(segment->used + offset / UNIT_BYTES, 1, class / UNIT_BYTES);
            segment->was_free = false;
            return segment->base + offset;
        }
    }
    return NULL;
}

static void model_give(struct model *model, const char *address, size_t class)
{
    for (unsigned i = 0; i < model->segment_count; i++) {
        struct model_segment *segment = &model->segments[i];

        if (address >= segment->base && address < segment->base + segment->bytes)
            memset(segment->used + (size_t)(address - segment->base) / UNIT_BYTES, 0,
                   class / UNIT_BYTES);
    }
}

/* How large the next segment is, when a block of the class fits nowhere; 0: the quota forbids. */
static size_t model_growth(const struct model *model, size_t class)
{
    size_t least = class > model->segment_bytes_min ? class : model->segment_bytes_min;
    size_t bytes = 1;

    while (bytes * 2 <= model->segment_bytes && bytes * 2 <= model->segment_bytes_max)
        bytes *= 2;
    bytes = bytes < least ? least : bytes;
    while (bytes >= least && model->segment_bytes + bytes > model->quota_bytes)
        bytes /= 2;
    return bytes >= least ? bytes : 0;
}

static void model_add(struct model *model, const char *base, size_t bytes)
{
    CHECK(model->segment_count < SEGMENT_COUNT_MAX);
    model->segments[model->segment_count++] = (struct model_segment){
        .base = base,
        .bytes = bytes,
        .used = calloc(bytes / UNIT_BYTES, 1),
    };
    model->segment_bytes += bytes;
}

/* Drops the segments that were free at the last decay and are still; marks those free now. */
static unsigned model_decay(struct model *model)
{
    unsigned kept_count = 0;
    unsigned dropped_count;

    for (unsigned i = 0; i < model->segment_count; i++) {
        struct model_segment segment = model->segments[i];
        bool is_free = place_is_free(&segment, 0, segment.bytes);

        if (is_free && segment.was_free) {
            model->segment_bytes -= segment.bytes;
            free(segment.used);
            continue;
        }
        segment.was_free = is_free;
        model->segments[kept_count++] = segment;
    }
    dropped_count = model->segment_count - kept_count;
    model->segment_count = kept_count;
    return dropped_count;
}

/* A run against it. */

/* The heap has added a segment where the model expects one. */
static void follow_growth(struct run *run, size_t class)
{
    const struct tsuga_segment *segment = run->fixture.heap.segments_last;
    size_t expected = model_growth(&run->model, class);

    if (segment == NULL || expected != (size_t)1 << segment->shift) {
        run->mismatch_count++;
        return;
    }
    model_add(&run->model, segment->base, expected);
    run->grown_count++;
}

static void step_alloc(struct run *run, struct block *block, size_t bytes)
{
    size_t class = class_of(&run->model, bytes);
    const char *expected = model_take(&run->model, class);
    void *address = NULL;
    int result = tsuga_ioheap_alloc(&run->fixture.heap, bytes, &address);

    if (expected == NULL && model_growth(&run->model, class) == 0) {
        run->mismatch_count += result != -ENOBUFS;
        run->refused_count++;
        return;
    }
    if (result != 0) {
        run->mismatch_count++;
        return;
    }
    if (expected == NULL) {
        follow_growth(run, class);
        expected = model_take(&run->model, class);
    }
    if (address == NULL || address != expected) {
        run->mismatch_count++;
        return;
    }
    run->mismatch_count += tsuga_ioheap_block_bytes(&run->fixture.heap, address) != class;
    CHECK(address != NULL);
    block->address = address;
    block->bytes = class;
    memset(address, (int)(block - run->blocks), class < 256 ? class : 256);
}

static void step_free(struct run *run, struct block *block)
{
    for (size_t i = 0; i < block->bytes && i < 256; i++)
        run->mismatch_count += block->address[i] != (char)(block - run->blocks);
    tsuga_ioheap_free(&run->fixture.heap, block->address);
    model_give(&run->model, block->address, block->bytes);
    block->address = NULL;
}

static void step_decay(struct run *run)
{
    const struct tsuga_segment *segment;

    run->now_ns += 2 * run->fixture.pool.config.decay_ns;
    tsuga_ioheap_decay(&run->fixture.heap, run->now_ns);
    run->dropped_count += model_decay(&run->model);
    segment = run->fixture.heap.segments_first;
    for (unsigned i = 0; i < run->model.segment_count; i++) {
        if (segment == NULL || segment->base != run->model.segments[i].base) {
            run->mismatch_count++;
            return;
        }
        segment = segment->next;
    }
    run->mismatch_count += segment != NULL;
}

/* Sizes of every class alike, and within a class from its smallest to its largest request. */
static size_t random_bytes(struct run *run)
{
    size_t largest = tsuga_ioheap_block_bytes_max(&run->fixture.heap);
    size_t limit = (size_t)64 << tsuga_test_random(&run->random) %
                                     (unsigned)(__builtin_ctzll((unsigned long long)largest) - 5);

    return tsuga_test_random(&run->random) % 4 == 0
               ? limit
               : limit - (size_t)(tsuga_test_random(&run->random) % (limit / 2 + 1)) % limit;
}

static void run_step(struct run *run, const struct trial *trial)
{
    uint64_t pick = tsuga_test_random(&run->random);
    struct block *block = &run->blocks[pick % trial->live_count_max];

    if (pick >> 32 == 0 || (pick >> 32) % 512 == 0)
        step_decay(run);
    else if (block->address == NULL)
        step_alloc(run, block, random_bytes(run));
    else
        step_free(run, block);
}

/* Everything is given back: each segment must be one free span again. */
static void run_drain(struct run *run, const struct trial *trial)
{
    struct tsuga_ioheap_stats stats;

    for (unsigned i = 0; i < trial->live_count_max; i++) {
        if (run->blocks[i].address != NULL)
            step_free(run, &run->blocks[i]);
    }
    tsuga_ioheap_stats_read(&run->fixture.heap, &stats);
    run->mismatch_count += stats.free_bytes != run->model.segment_bytes;
    for (const struct tsuga_segment *segment = run->fixture.heap.segments_first; segment != NULL;
         segment = segment->next) {
        for (uint32_t i = 0; i < segment->region_count; i++)
            run->mismatch_count += !tsuga_span_region_is_free(tsuga_segment_region(segment, i));
    }
}

static void run_open(struct run *run, const struct trial *trial)
{
    struct model *model = &run->model;

    heap_fixture_open(&run->fixture, &trial->reserve, &trial->heap);
    run->fixture.heap.spans.rules_off = trial->rules_off;
    model->segment_bytes_min = (size_t)1 << run->fixture.reserve.segment_shift_min;
    model->segment_bytes_max = (size_t)1 << run->fixture.reserve.arena_shift;
    model->quota_bytes = trial->heap.quota_bytes == 0 ? SIZE_MAX : trial->heap.quota_bytes;
    model->class_mask = run->fixture.heap.orders_allowed << 6;
    run->random = tsuga_test_seed();
}

static void run_close(struct run *run)
{
    for (unsigned i = 0; i < run->model.segment_count; i++)
        free(run->model.segments[i].used);
    heap_fixture_close(&run->fixture);
    free(run);
}

/* Runs the trial until the first disagreement, or to its end. */
static struct run *try(const struct trial *trial)
{
    struct run *run = aligned_alloc(_Alignof(struct run), sizeof(*run));

    CHECK(run != NULL);
    memset(run, 0, sizeof(*run));
    run_open(run, trial);
    for (unsigned step = 0; step < trial->step_count && run->mismatch_count == 0; step++) {
        run_step(run, trial);
        if (step % 256 == 0)
            tsuga_ioheap_check(&run->fixture.heap);
        if (step % 1024 != 1023)
            continue;
        run_drain(run, trial);
        for (uint64_t i = tsuga_test_random(&run->random) % 3; i > 0; i--)
            step_decay(run);
    }
    printf("grown %u, given back %u, refused %u\n", run->grown_count, run->dropped_count,
           run->refused_count);
    return run;
}

static void check_agrees(const struct trial *trial)
{
    struct run *run = try(trial);

    CHECK_UINT(run->mismatch_count, 0);
    run_drain(run, trial);
    CHECK_UINT(run->mismatch_count, 0);
    CHECK(run->grown_count > 0);
    CHECK(run->dropped_count > 0);
    CHECK(trial->heap.quota_bytes == 0 || run->refused_count > 0);
    run_close(run);
}

TEST(ioheap_model, h05_h07_a04_agrees_by_default)
{
    const struct trial trial = {.step_count = 300000, .live_count_max = 300};

    check_agrees(&trial);
}

TEST(ioheap_model, h05_h07_agrees_in_small_arenas)
{
    const struct trial trial = {
        .reserve = {.arena_bytes = 64 << 10, .segment_bytes_min = 512},
        .step_count = 1000000,
        .live_count_max = 200,
    };

    check_agrees(&trial);
}

TEST(ioheap_model, h05_h07_agrees_in_segments_of_several_regions)
{
    const struct trial trial = {
        .reserve = {.arena_bytes = 16 << 20, .segment_bytes_min = 64 << 10},
        .step_count = 30000,
        .live_count_max = 120,
    };

    check_agrees(&trial);
}

TEST(ioheap_model, h05_h06_h08_agrees_with_few_classes)
{
    const struct trial trial = {
        .heap = {.class_mask = 1 << 6 | 1 << 9 | 1 << 12 | 1 << 16},
        .step_count = 150000,
        .live_count_max = 400,
    };

    check_agrees(&trial);
}

TEST(ioheap_model, h05_h11_agrees_under_a_quota)
{
    const struct trial trial = {
        .reserve = {.arena_bytes = 1 << 20},
        .heap = {.quota_bytes = 5000 << 10},
        .step_count = 100000,
        .live_count_max = 100,
    };

    check_agrees(&trial);
}

TEST(ioheap_model, h05_h07_agrees_over_hundreds_of_segments)
{
    const struct trial trial = {
        .reserve = {.arena_bytes = 64 << 10},
        .heap = {.class_mask = 1 << 15 | 1 << 16},
        .step_count = 1000000,
        .live_count_max = BLOCK_COUNT_MAX,
    };

    check_agrees(&trial);
}

#ifdef TSUGA_DEEP_CHECKS
/* Without the rule the model must disagree, or it proves nothing. A heap that breaks its rules
 * cannot be ended in good order: the child just exits. */
static void run_without(void *context)
{
    const struct trial trial = {
        .step_count = 30000,
        .live_count_max = 300,
        .rules_off = *(const uint8_t *)context,
    };

    CHECK(try(&trial)->mismatch_count > 0);
}

static void check_disagrees(uint8_t rules_off)
{
    struct tsuga_child child;

    tsuga_child_run(&child, run_without, &rules_off);
    CHECK_INT(child.signal, 0);
    CHECK_INT(child.exit_status, 0);
}

TEST(ioheap_model, h05_without_the_rule_the_model_disagrees)
{
    check_disagrees(TSUGA_RULE_FRONTMOST);
}

TEST(ioheap_model, h07_without_the_rule_the_model_disagrees)
{
    check_disagrees(TSUGA_RULE_MERGE);
}
#endif
