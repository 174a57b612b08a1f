#include "executor/ring_slots.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>

/* One call of the kernel takes so many; what it needs lies on the stack. */
#define BATCH 64u

/* Both kinds of tables are made alike. */
static int add_table(int ring_fd, unsigned opcode, uint32_t count)
{
    struct io_uring_rsrc_register table = {.nr = count, .flags = IORING_RSRC_REGISTER_SPARSE};
    int status = io_uring_register((unsigned)ring_fd, opcode, &table, sizeof(table));

    return status < 0 ? status : 0;
}

int tsuga_ring_slots_add(int ring_fd, uint32_t count)
{
    TSUGA_ASSERT(count <= TSUGA_RING_SLOTS_MAX);
    return add_table(ring_fd, IORING_REGISTER_BUFFERS2, count);
}

static int fill_batch(int ring_fd, uint32_t first, const struct tsuga_ring_slot *slots,
                      uint32_t count)
{
    struct iovec ranges[BATCH];
    uint64_t tags[BATCH];
    struct io_uring_rsrc_update2 update = {
        .offset = first,
        .data = (uintptr_t)ranges,
        .tags = (uintptr_t)tags,
        .nr = count,
    };

    for (uint32_t i = 0; i < count; i++) {
        TSUGA_ASSERT((slots[i].base == NULL) == (slots[i].user_data == 0));
        ranges[i] = (struct iovec){slots[i].base, slots[i].bytes};
        tags[i] = slots[i].user_data;
    }
    return io_uring_register((unsigned)ring_fd, IORING_REGISTER_BUFFERS_UPDATE, &update,
                             sizeof(update));
}

int tsuga_ring_slots_fill(int ring_fd, uint32_t first, const struct tsuga_ring_slot *slots,
                          uint32_t count)
{
    uint32_t filled = 0;

    while (filled < count) {
        uint32_t batch = count - filled < BATCH ? count - filled : BATCH;
        int status = fill_batch(ring_fd, first + filled, slots + filled, batch);

        if (status <= 0)
            return filled > 0 ? (int)filled : status;
        filled += (uint32_t)status;
        if ((uint32_t)status < batch)
            break;
    }
    return (int)filled;
}

int tsuga_ring_files_add(int ring_fd, uint32_t count)
{
    return add_table(ring_fd, IORING_REGISTER_FILES2, count);
}

int tsuga_ring_files_set(int ring_fd, uint32_t place, int fd)
{
    struct io_uring_files_update update = {.offset = place, .fds = (uintptr_t)&fd};
    int status = io_uring_register((unsigned)ring_fd, IORING_REGISTER_FILES_UPDATE, &update, 1);

    return status < 0 ? status : 0;
}
