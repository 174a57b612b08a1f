#include "tests/bench/support_echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define BUFFER_BYTES 4096u
#define RING_ENTRIES 256u
#define SLOT_COUNT   16384u /* of descriptors, when more will come */

/* user_data: a connection's slot for a receive, with the buffer's number + 1 for a send. */
#define ACCEPTED UINT64_MAX
#define CLOSED   (UINT64_MAX - 1)

struct raw {
    struct io_uring ring;
    struct io_uring_buf_ring *offers;
    char *buffers;
    uint32_t buffer_count;
    uint32_t open_count;
    int listener;
};

static void offer(struct raw *raw, uint32_t number)
{
    io_uring_buf_ring_add(raw->offers, raw->buffers + (size_t)number * BUFFER_BYTES, BUFFER_BYTES,
                          (unsigned short)number, io_uring_buf_ring_mask(raw->buffer_count), 0);
    io_uring_buf_ring_advance(raw->offers, 1);
}

static struct io_uring_sqe *next_entry(struct raw *raw)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&raw->ring);

    if (sqe != NULL)
        return sqe;
    io_uring_submit(&raw->ring);
    return io_uring_get_sqe(&raw->ring);
}

static void receive(struct raw *raw, uint32_t slot)
{
    struct io_uring_sqe *sqe = next_entry(raw);

    io_uring_prep_recv_multishot(sqe, (int)slot, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
    sqe->buf_group = 0;
    sqe->user_data = slot;
}

static void send_back(struct raw *raw, uint32_t slot, uint32_t number, int bytes)
{
    struct io_uring_sqe *sqe = next_entry(raw);

    io_uring_prep_send(sqe, (int)slot, raw->buffers + (size_t)number * BUFFER_BYTES, (size_t)bytes,
                       MSG_WAITALL | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = (uint64_t)(number + 1) << 32 | slot;
}

static void accept_more(struct raw *raw)
{
    struct io_uring_sqe *sqe = next_entry(raw);

    io_uring_prep_multishot_accept_direct(sqe, raw->listener, NULL, NULL, 0);
    sqe->user_data = ACCEPTED;
}

static void accepted(struct raw *raw, const struct io_uring_cqe *cqe)
{
    tsuga_bench_require("accept", cqe->res < 0 ? cqe->res : 0);
    receive(raw, (uint32_t)cqe->res);
    raw->open_count++;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        accept_more(raw);
}

static void close_slot(struct raw *raw, uint32_t slot)
{
    struct io_uring_sqe *sqe = next_entry(raw);

    io_uring_prep_close_direct(sqe, slot);
    sqe->user_data = CLOSED;
    raw->open_count--;
}

static void received(struct raw *raw, uint32_t slot, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0)
        send_back(raw, slot, cqe->flags >> IORING_CQE_BUFFER_SHIFT, cqe->res);
    if ((cqe->flags & IORING_CQE_F_MORE) != 0)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS)
        receive(raw, slot);
    else
        close_slot(raw, slot);
}

static void handle(struct raw *raw, const struct io_uring_cqe *cqe)
{
    uint32_t sent = (uint32_t)(cqe->user_data >> 32);

    if (cqe->user_data == ACCEPTED)
        accepted(raw, cqe);
    else if (cqe->user_data == CLOSED)
        tsuga_bench_require("close", cqe->res);
    else if (sent > 0)
        offer(raw, sent - 1);
    else
        received(raw, (uint32_t)cqe->user_data, cqe);
}

static void open_raw(struct raw *raw, const struct tsuga_bench_echo *what)
{
    struct io_uring_buf_reg reg = {.ring_entries = what->buffer_count};
    size_t offers_bytes = what->buffer_count * sizeof(struct io_uring_buf);
    uint32_t slot_count = what->listener < 0 ? what->fd_count : SLOT_COUNT;
    void *memory = NULL;

    raw->buffer_count = what->buffer_count;
    tsuga_bench_raw_open(&raw->ring, RING_ENTRIES);
    tsuga_bench_require("io_uring_register_files_sparse",
                        io_uring_register_files_sparse(&raw->ring, slot_count));
    tsuga_bench_require("memory", -posix_memalign(&memory, 4096, offers_bytes));
    memset(memory, 0, offers_bytes);
    raw->offers = memory;
    tsuga_bench_require("memory",
                        -posix_memalign(&memory, 4096, (size_t)what->buffer_count * BUFFER_BYTES));
    raw->buffers = memory;
    reg.ring_addr = (uintptr_t)raw->offers;
    tsuga_bench_require("io_uring_register_buf_ring",
                        io_uring_register_buf_ring(&raw->ring, &reg, 0));
    io_uring_buf_ring_init(raw->offers);
    for (uint32_t i = 0; i < what->buffer_count; i++)
        offer(raw, i);
}

static void begin(struct raw *raw, const struct tsuga_bench_echo *what)
{
    int updated = (int)what->fd_count;

    if (what->fd_count > 0)
        updated = io_uring_register_files_update(&raw->ring, 0, what->fds, what->fd_count);
    tsuga_bench_require("io_uring_register_files_update",
                        updated == (int)what->fd_count ? 0 : updated);
    raw->open_count = what->fd_count;
    raw->listener = what->listener;
    for (uint32_t i = 0; i < what->fd_count; i++)
        receive(raw, i);
    if (raw->listener >= 0)
        accept_more(raw);
}

static void turn(struct raw *raw)
{
    const struct io_uring_cqe *cqe;
    uint32_t count = 0;
    unsigned head;

    io_uring_submit_and_wait(&raw->ring, 1);
    io_uring_for_each_cqe(&raw->ring, head, cqe)
    {
        handle(raw, cqe);
        count++;
    }
    io_uring_cq_advance(&raw->ring, count);
}

void tsuga_bench_echo_serve(const struct tsuga_bench_echo *what)
{
    struct raw raw;

    open_raw(&raw, what);
    begin(&raw, what);
    while (raw.open_count > 0 || raw.listener >= 0)
        turn(&raw);
    io_uring_queue_exit(&raw.ring);
    free(raw.offers);
    free(raw.buffers);
}
