#include "tests/support/ring_kit.h"

#include <errno.h>
#include <stdlib.h>

#include "executor/ring_uring.h"
#include "runtime/base/bits.h"
#include "tests/support/test.h"

static void *allocate(void *context, size_t bytes)
{
    (void)context;
    return aligned_alloc(TSUGA_CACHE_LINE_BYTES,
                         tsuga_bits_round_up(bytes, TSUGA_CACHE_LINE_BYTES));
}

static void release(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(pointer);
}

void tsuga_ring_kit_init(struct tsuga_ring_kit *kit, uint32_t entries, uint32_t cq_entries)
{
    *kit = (struct tsuga_ring_kit){
        .memory = {.alloc = allocate, .free = release},
        .config = {.entries = entries,
                   .cq_entries = cq_entries,
                   .io_workers_bounded = 4,
                   .io_workers_unbounded = 16,
                   .features = kit->features},
    };
}

struct tsuga_ring *tsuga_ring_kit_create(struct tsuga_ring_kit *kit)
{
    struct tsuga_ring *ring = NULL;

    CHECK_INT(tsuga_ring_uring_create(&kit->memory, &kit->config, &ring), 0);
    return ring;
}

struct tsuga_ring_result tsuga_ring_kit_wait(struct tsuga_ring *ring)
{
    struct tsuga_ring_result result;
    int error;

    while (tsuga_ring_reap(ring, &result, 1) == 0) {
        error = tsuga_ring_enter(ring, 1, TSUGA_FOREVER);
        CHECK(error == 0 || error == -EINTR || error == -EAGAIN || error == -EBUSY);
    }
    return result;
}

int32_t tsuga_ring_kit_run(struct tsuga_ring *ring, struct tsuga_ring_request request)
{
    struct tsuga_ring_result result;

    tsuga_ring_push(ring, &request);
    result = tsuga_ring_kit_wait(ring);
    CHECK_UINT(result.user_data, request.user_data);
    CHECK_UINT(result.flags, 0);
    return result.result;
}
