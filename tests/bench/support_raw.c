#include "tests/bench/support_raw.h"

#include <errno.h>

#include "tests/bench/support.h"

void tsuga_bench_raw_open(struct io_uring *ring, uint32_t entries)
{
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    int registered;

    tsuga_bench_require("io_uring_queue_init_params",
                        io_uring_queue_init_params(entries, ring, &params));
    registered = io_uring_register_ring_fd(ring);
    tsuga_bench_require("io_uring_register_ring_fd", registered == 1 ? 0 : registered);
}

static void queue(struct io_uring *ring, uint32_t place, tsuga_bench_fill_fn *fill, void *context)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    fill(sqe, place, context);
    io_uring_sqe_set_data64(sqe, place);
}

/* Reaps what is there and queues as many anew while `*queue_count` lasts. */
static uint32_t turn_round(struct io_uring *ring, uint32_t *queue_count, int32_t expected,
                           tsuga_bench_fill_fn *fill, void *context)
{
    struct io_uring_cqe *cqe;
    uint32_t reaped = 0;
    unsigned head;

    io_uring_for_each_cqe(ring, head, cqe)
    {
        reaped++;
        tsuga_bench_require("a raw request", cqe->res == expected ? 0 : -EIO);
        if (*queue_count == 0)
            continue;
        (*queue_count)--;
        queue(ring, (uint32_t)cqe->user_data, fill, context);
    }
    io_uring_cq_advance(ring, reaped);
    return reaped;
}

double tsuga_bench_raw_run(struct io_uring *ring, uint32_t depth, uint32_t count, int32_t expected,
                           tsuga_bench_fill_fn *fill, void *context)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    uint32_t queue_count = count - depth;
    uint32_t done = 0;

    for (uint32_t place = 0; place < depth; place++)
        queue(ring, place, fill, context);
    while (done < count) {
        int submitted = io_uring_submit_and_wait(ring, 1);

        tsuga_bench_require("io_uring_submit_and_wait", submitted < 0 ? submitted : 0);
        done += turn_round(ring, &queue_count, expected, fill, context);
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / count;
}
