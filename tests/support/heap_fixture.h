/*
 * A reserve, a pool and a heap for one test, over a backing that can be told to fail.
 *
 * Owner: the test. Thread: the test's.
 */
#ifndef TSUGA_TESTS_HEAP_FIXTURE_H
#define TSUGA_TESTS_HEAP_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ioheap/ioheap.h"

/* The default backing, which fails the call number fail_at, counted from 1, of all kinds that can
 * fail, and every one after it when fails_on. 0: none fails. */
struct backing_faults {
    uint64_t call_count;
    uint64_t fail_at;
    bool fails_on;
    uint64_t reserve_bytes_max; /* larger requests for address space fail; 0: none does */
    int64_t memory_bytes;       /* general memory in use */
    uint64_t purge_count;
    uint64_t populate_count;
    struct tsuga_backing backing; /* to be handed over */
};

struct heap_fixture {
    struct backing_faults faults;
    struct tsuga_reserve reserve;
    struct tsuga_arena_pool pool;
    struct tsuga_ioheap heap;
};

void backing_faults_init(struct backing_faults *faults);

/* Each config may be NULL for defaults. Any failure fails the test. */
void heap_fixture_open(struct heap_fixture *fixture, const struct tsuga_reserve_config *reserve,
                       const struct tsuga_ioheap_config *heap);

/* Ends all three; the heap must be empty. Fails the test when memory was lost. */
void heap_fixture_close(struct heap_fixture *fixture);

/* A block; failure fails the test. */
void *heap_fixture_alloc(struct heap_fixture *fixture, size_t bytes);

#endif
