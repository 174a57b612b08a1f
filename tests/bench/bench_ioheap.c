/*
 * The I/O heap against a buddy allocator that promises less, and against general ones, on a random
 * trace of powers of two from 64 bytes to 2 MiB with 1,000 live blocks: each step frees a random
 * block and allocates one of a random size.
 *
 * The allocators take turns in short batches of the same trace, so that what disturbs the machine
 * disturbs them alike; a figure is the median of an allocator's batches. Nobody touches the blocks:
 * it is the allocators' own work that is measured. mimalloc is looked up at run time, and left out
 * when it is missing; jemalloc is the library's own, and missing in builds without it.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "ioheap/ioheap.h"
#include "runtime/base/clock.h"
#include "tests/bench/support_buddy.h"

__attribute__((weak)) void *tsuga_je_malloc(size_t bytes);
__attribute__((weak)) void tsuga_je_free(void *block);

#define LIVE_COUNT  1000u
#define BATCH_STEPS 1000u
#define BATCH_COUNT 2000u

enum allocator { TSUGA, BUDDY, MIMALLOC, JEMALLOC, GLIBC, ALLOCATOR_COUNT };

static const char *const names[] = {"tsuga", "buddy", "mimalloc", "jemalloc", "glibc"};

struct contender {
    void *(*alloc)(void *context, size_t bytes);
    void (*free)(void *context, void *block);
    void *context;
    void *blocks[LIVE_COUNT];
    uint64_t random;
    double batch_ns[BATCH_COUNT];
    double median_ns; /* of one operation; 0: missing */
};

struct library {
    void *(*alloc)(size_t bytes);
    void (*free)(void *block);
};

struct bench {
    struct tsuga_reserve reserve;
    struct tsuga_arena_pool pool;
    struct tsuga_ioheap heap;
    struct tsuga_bench_buddy buddy;
    struct library libraries[ALLOCATOR_COUNT];
    struct contender contenders[ALLOCATOR_COUNT];
};

static void *heap_alloc(void *context, size_t bytes)
{
    void *block;

    return tsuga_ioheap_alloc(context, bytes, &block) == 0 ? block : NULL;
}

static void heap_free(void *context, void *block)
{
    tsuga_ioheap_free(context, block);
}

static void *library_alloc(void *context, size_t bytes)
{
    const struct library *library = context;

    return library->alloc(bytes);
}

static void library_free(void *context, void *block)
{
    const struct library *library = context;

    library->free(block);
}

/* POSIX lets dlsym() return functions as object pointers, C does not: copy the bits. */
static void *(*alloc_of(void *symbol))(size_t)
{
    void *(*function)(size_t);

    _Static_assert(sizeof(function) == sizeof(symbol), "pointers are alike");
    __builtin_memcpy(&function, &symbol, sizeof(function));
    return function;
}

static void (*free_of(void *symbol))(void *)
{
    void (*function)(void *);

    __builtin_memcpy(&function, &symbol, sizeof(function));
    return function;
}

static struct library open_library(const char *file, const char *alloc, const char *release)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL)
        return (struct library){0};
    return (struct library){alloc_of(dlsym(handle, alloc)), free_of(dlsym(handle, release))};
}

/* xorshift64: every contender walks the same sequence. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_ioheap: %s\n", what);
    exit(1);
}

static void step(struct contender *contender)
{
    uint64_t random = next_random(&contender->random);
    void **block = &contender->blocks[(random >> 32) % LIVE_COUNT];

    if (*block != NULL)
        contender->free(contender->context, *block);
    *block = contender->alloc(contender->context, (size_t)64 << random % 16);
    if (*block == NULL)
        die("out of memory");
}

static double batch(struct contender *contender)
{
    uint64_t begin_ns = tsuga_clock_monotonic_ns(NULL);

    for (unsigned i = 0; i < BATCH_STEPS; i++)
        step(contender);
    return (double)(tsuga_clock_monotonic_ns(NULL) - begin_ns) / (2 * BATCH_STEPS);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void run_trace(struct bench *bench)
{
    for (unsigned i = 0; i < BATCH_COUNT; i++) {
        for (unsigned a = 0; a < ALLOCATOR_COUNT; a++) {
            struct contender *contender = &bench->contenders[a];

            if (contender->alloc != NULL)
                contender->batch_ns[i] = batch(contender);
        }
    }
    for (unsigned a = 0; a < ALLOCATOR_COUNT; a++) {
        if (bench->contenders[a].alloc != NULL)
            bench->contenders[a].median_ns = median(bench->contenders[a].batch_ns, BATCH_COUNT);
    }
}

static void report_trace(const struct bench *bench)
{
    printf("{\"bench\":\"ioheap_trace\",\"live\":%u", LIVE_COUNT);
    for (unsigned a = 0; a < ALLOCATOR_COUNT; a++) {
        if (bench->contenders[a].median_ns > 0)
            printf(",\"%s_ns\":%.1f", names[a], bench->contenders[a].median_ns);
    }
    for (unsigned a = 1; a < ALLOCATOR_COUNT; a++) {
        if (bench->contenders[a].median_ns > 0)
            printf(",\"ratio_%s\":%.3f", names[a],
                   bench->contenders[TSUGA].median_ns / bench->contenders[a].median_ns);
    }
    printf("}\n");
}

/* What the whole trace has cost in memory, bookkeeping included. */
static void report_footprint(const struct bench *bench)
{
    struct tsuga_ioheap_stats stats;
    uint64_t footprint;

    tsuga_ioheap_stats_read(&bench->heap, &stats);
    footprint = stats.high_water_bytes + stats.table_bytes;
    printf("{\"bench\":\"ioheap_footprint\",\"peak_live_bytes\":%llu,\"footprint_bytes\":%llu,"
           "\"ratio\":%.4f,\"table_ratio\":%.4f,\"fragmentation\":%.3f}\n",
           (unsigned long long)stats.live_bytes_max, (unsigned long long)footprint,
           (double)footprint / (double)stats.live_bytes_max,
           (double)stats.table_bytes / (double)stats.segment_bytes,
           stats.free_bytes == 0 ? 0.0
                                 : 1.0 - (double)stats.free_span_max / (double)stats.free_bytes);
}

/* Takes and gives of records, with up to 8 of 64 taken at a time. */
static double slab_batch(struct tsuga_slab *slab)
{
    uint32_t slots[8];
    uint64_t begin_ns = tsuga_clock_monotonic_ns(NULL);

    for (unsigned i = 0; i < BATCH_STEPS; i++) {
        for (unsigned j = 0; j < 8; j++) {
            if (tsuga_slab_take(slab, &slots[j]) == NULL)
                die("no record");
        }
        for (unsigned j = 0; j < 8; j++)
            tsuga_slab_give(slab, slots[j]);
    }
    return (double)(tsuga_clock_monotonic_ns(NULL) - begin_ns) / (2 * 8 * BATCH_STEPS);
}

static void run_slab(struct bench *bench)
{
    struct tsuga_slab slab;
    double batch_ns[200];

    tsuga_slab_init(&slab, &bench->heap);
    for (unsigned i = 0; i < 200; i++)
        batch_ns[i] = slab_batch(&slab);
    tsuga_slab_fini(&slab);
    printf("{\"bench\":\"ioheap_record\",\"ns\":%.2f,\"ratio_bound_10ns\":%.3f}\n",
           median(batch_ns, 200), median(batch_ns, 200) / 10);
}

/* A heap with one block and one slab, as an idle connection has it. */
static void run_small(struct bench *bench)
{
    struct tsuga_ioheap_stats stats;
    struct tsuga_ioheap heap;
    void *block;

    if (tsuga_ioheap_init(&heap, &bench->pool, NULL) != 0 ||
        tsuga_ioheap_alloc(&heap, 64, &block) != 0)
        die("no small heap");
    tsuga_ioheap_stats_read(&heap, &stats);
    printf("{\"bench\":\"ioheap_small\",\"segment_bytes\":%llu,\"table_bytes\":%llu}\n",
           (unsigned long long)stats.segment_bytes, (unsigned long long)stats.table_bytes);
    tsuga_ioheap_free(&heap, block);
    tsuga_ioheap_fini(&heap);
}

static void open_contenders(struct bench *bench)
{
    bench->libraries[MIMALLOC] = open_library("libmimalloc.so.2", "mi_malloc", "mi_free");
    bench->libraries[JEMALLOC] = (struct library){tsuga_je_malloc, tsuga_je_free};
    bench->libraries[GLIBC] = (struct library){malloc, free};
    bench->contenders[TSUGA] = (struct contender){heap_alloc, heap_free, .context = &bench->heap};
    tsuga_bench_buddy_open(&bench->buddy);
    bench->contenders[BUDDY] = (struct contender){tsuga_bench_buddy_alloc, tsuga_bench_buddy_free,
                                                  .context = &bench->buddy};
    for (unsigned a = MIMALLOC; a < ALLOCATOR_COUNT; a++) {
        if (bench->libraries[a].alloc != NULL && bench->libraries[a].free != NULL)
            bench->contenders[a] =
                (struct contender){library_alloc, library_free, .context = &bench->libraries[a]};
    }
    for (unsigned a = 0; a < ALLOCATOR_COUNT; a++)
        bench->contenders[a].random = UINT64_C(0x9e3779b97f4a7c15);
}

static void close_contenders(struct bench *bench)
{
    for (unsigned a = 0; a < ALLOCATOR_COUNT; a++) {
        struct contender *contender = &bench->contenders[a];

        for (unsigned i = 0; i < LIVE_COUNT && contender->alloc != NULL; i++) {
            if (contender->blocks[i] != NULL)
                contender->free(contender->context, contender->blocks[i]);
        }
    }
}

int main(void)
{
    static const struct tsuga_reserve_config defaults = {0};
    struct bench *bench = aligned_alloc(_Alignof(struct bench), sizeof(*bench));

    if (bench == NULL)
        die("out of memory");
    *bench = (struct bench){0};
    if (tsuga_reserve_init(&bench->reserve, tsuga_backing_default(), &defaults) != 0)
        die("no address space");
    tsuga_arena_pool_init(&bench->pool, &bench->reserve, NULL);
    if (tsuga_ioheap_init(&bench->heap, &bench->pool, NULL) != 0)
        die("no heap");
    open_contenders(bench);
    run_trace(bench);
    report_trace(bench);
    report_footprint(bench);
    run_slab(bench);
    run_small(bench);
    close_contenders(bench);
    tsuga_bench_buddy_close(&bench->buddy);
    tsuga_ioheap_fini(&bench->heap);
    tsuga_arena_pool_fini(&bench->pool);
    tsuga_reserve_fini(&bench->reserve);
    free(bench);
    return 0;
}
