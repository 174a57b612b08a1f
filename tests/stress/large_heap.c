/*
 * One actor with a large I/O heap, all of it registered memory.
 *
 *     large_heap [MIB]        3072; needs as much free memory, and no limit on locked memory
 *
 * Each block of 2 MiB is filled by a read and then written out again, and what comes out is
 * compared. All blocks are alive and filled before the first one is looked at, so one that the
 * kernel had put elsewhere, or given twice, would show. Not a word of a block is that of another
 * one at the same place. The status is 1 when a byte was wrong, or an operation was not a fixed
 * one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tsuga.h>

#define BLOCK_BYTES ((size_t)2 << 20)
#define BLOCK_WORDS (BLOCK_BYTES / sizeof(uint64_t))
#define BLOCK_MIB   2u
#define MIB_DEFAULT 3072u
#define MIB_MAX     (1u << 20)
#define PAUSE_NS    UINT64_C(1000000)

struct heap {
    size_t count;
    struct tsuga_lease *leases;
    int source;
    int sink;
    const uint64_t *sunk; /* what the sink holds */
    size_t wrong_count;
    uint64_t fixed_count;
};

static uint64_t word_at(size_t place)
{
    return ((uint64_t)place + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void require(const char *what, int error)
{
    if (error >= 0)
        return;
    fprintf(stderr, "large_heap: %s: error %d\n", what, -error);
    exit(EXIT_FAILURE);
}

/* Block i gets the words from the i-th on. */
static void make_files(struct heap *heap)
{
    size_t bytes = BLOCK_BYTES + heap->count * sizeof(uint64_t);
    uint64_t *words;

    heap->source = memfd_create("source", MFD_CLOEXEC);
    heap->sink = memfd_create("sink", MFD_CLOEXEC);
    require("ftruncate", ftruncate(heap->source, (off_t)bytes));
    require("ftruncate", ftruncate(heap->sink, (off_t)BLOCK_BYTES));
    words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, heap->source, 0);
    heap->sunk = mmap(NULL, BLOCK_BYTES, PROT_READ, MAP_SHARED, heap->sink, 0);
    if (words == MAP_FAILED || heap->sunk == MAP_FAILED)
        require("mmap", -errno);
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        words[i] = word_at(i);
    munmap(words, bytes);
}

/* Arenas are faulted in and registered beside the actors. */
static void await_registered(struct tsuga_actor *self, size_t count)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    while (stats.registered_arenas < count) {
        require("registered memory", stats.registered_refusals > 0 ? -ENOMEM : 0);
        (void)tsuga_await(self, tsuga_timeout(self, PAUSE_NS));
        tsuga_stats_read(tsuga_runtime_of(self), &stats);
    }
}

static void move(struct tsuga_actor *self, const struct heap *heap, size_t i, bool writes)
{
    struct tsuga_op op = {.kind = writes ? TSUGA_OP_WRITE : TSUGA_OP_READ,
                          .options = TSUGA_OP_AT,
                          .fd = writes ? heap->sink : heap->source,
                          .lease = heap->leases[i],
                          .bytes = BLOCK_BYTES,
                          .offset = writes ? 0 : i * sizeof(uint64_t)};
    int result = tsuga_await(self, tsuga_submit(self, &op)).result;

    require(writes ? "write" : "read", result == (int)BLOCK_BYTES ? 0 : -EIO);
}

static void fill_and_verify(struct tsuga_actor *self, void *argument)
{
    struct heap *heap = argument;
    struct tsuga_stats stats;

    for (size_t i = 0; i < heap->count; i++)
        require("tsuga_lease_make", tsuga_lease_make(self, BLOCK_BYTES, &heap->leases[i]));
    await_registered(self, heap->count);
    for (size_t i = 0; i < heap->count; i++)
        move(self, heap, i, false);
    for (size_t i = 0; i < heap->count; i++) {
        move(self, heap, i, true);
        for (size_t j = 0; j < BLOCK_WORDS; j++)
            heap->wrong_count += heap->sunk[j] != word_at(i + j);
    }
    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    heap->fixed_count = stats.ops_fixed;
}

int main(int argc, char **argv)
{
    const struct tsuga_config config = {.executor.threads = 1,
                                        .executor.watchdog_us = 1000000,
                                        .ioheap.registration = TSUGA_REGISTRATION_ALWAYS};
    unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : MIB_DEFAULT;
    struct heap heap = {.count = mib / BLOCK_MIB};

    if (heap.count == 0 || mib > MIB_MAX) {
        fprintf(stderr, "usage: large_heap [MIB]\n");
        return 2;
    }
    heap.leases = calloc(heap.count, sizeof(*heap.leases));
    require("calloc", heap.leases == NULL ? -ENOMEM : 0);
    make_files(&heap);
    require("tsuga_run", tsuga_run(&config, fill_and_verify, &heap));
    printf("large_heap: %zu blocks of 2 MiB, %" PRIu64 " fixed operations, %zu wrong words\n",
           heap.count, heap.fixed_count, heap.wrong_count);
    free(heap.leases);
    return heap.wrong_count == 0 && heap.fixed_count >= 2 * heap.count ? EXIT_SUCCESS
                                                                       : EXIT_FAILURE;
}
