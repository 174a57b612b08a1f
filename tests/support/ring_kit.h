/*
 * Makes rings for tests, and runs single requests on them.
 *
 * Owner: the test. Thread: the ring's own.
 */
#ifndef TSUGA_TESTS_RING_KIT_H
#define TSUGA_TESTS_RING_KIT_H

#include "executor/ring.h"
#include "runtime/base/memory.h"

struct tsuga_ring_kit {
    struct tsuga_memory memory; /* the C library's */
    enum tsuga_toggle features[TSUGA_FEATURE_COUNT];
    struct tsuga_ring_config config;
};

/* A configuration with all features allowed. The kit must stay where it is. */
void tsuga_ring_kit_init(struct tsuga_ring_kit *kit, uint32_t entries, uint32_t cq_entries);

/* An io_uring ring; the test fails when there is none to be had. */
struct tsuga_ring *tsuga_ring_kit_create(struct tsuga_ring_kit *kit);

/* Enters until a result is there, and takes it. */
struct tsuga_ring_result tsuga_ring_kit_wait(struct tsuga_ring *ring);

/* Pushes one request and waits for its result, which must be its only one. */
int32_t tsuga_ring_kit_run(struct tsuga_ring *ring, struct tsuga_ring_request request);

#endif
