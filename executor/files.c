#include "executor/files.h"

#include "executor/descriptors.h"
#include "executor/executor.h"

#define KIND(name) (UINT64_C(1) << TSUGA_RING_##name)

/* What is done often to one descriptor. */
static const uint64_t kinds = KIND(READ) | KIND(WRITE) | KIND(READV) | KIND(WRITEV) |
                              KIND(READ_FIXED) | KIND(WRITE_FIXED) | KIND(READV_FIXED) |
                              KIND(WRITEV_FIXED) | KIND(RECV) | KIND(SEND) | KIND(RECVMSG) |
                              KIND(SENDMSG) | KIND(SEND_ZC) | KIND(SEND_ZC_FIXED);

void tsuga_files_start(struct tsuga_executor *executor)
{
    struct tsuga_files *files = &executor->files;
    const struct tsuga_config *config = &executor->shared->config;
    struct tsuga_ring *ring = executor->ring;

    if (config->ioheap.registration == TSUGA_REGISTRATION_OFF || ring->ops->add_files == NULL ||
        ring->ops->add_files(ring, TSUGA_FILES_MAX) != 0)
        return;
    files->uses_min =
        config->ioheap.registration == TSUGA_REGISTRATION_ALWAYS ? 1 : TSUGA_FILES_USES;
    for (uint32_t i = 0; i < TSUGA_FILES_MAX; i++)
        files->free[i] = (uint16_t)(TSUGA_FILES_MAX - 1 - i);
    files->free_count = TSUGA_FILES_MAX;
    files->is_on = true;
}

/* A descriptor that the kernel refuses does without. */
static void make_place(struct tsuga_executor *executor, struct tsuga_descriptor *entry, int fd)
{
    struct tsuga_files *files = &executor->files;
    uint16_t place;

    if (files->free_count == 0)
        return;
    place = files->free[files->free_count - 1];
    if (executor->ring->ops->set_file(executor->ring, place, fd) != 0)
        return;
    files->free_count--;
    entry->place = place + 1;
}

void tsuga_files_use(struct tsuga_executor *executor, struct tsuga_descriptor *entry,
                     struct tsuga_ring_request *request)
{
    if ((kinds >> request->kind & 1) == 0)
        return;
    if (entry->place == 0 && ++entry->uses == executor->files.uses_min)
        make_place(executor, entry, request->fd);
    if (entry->place == 0)
        return;
    request->fd = (int32_t)entry->place - 1;
    request->options |= TSUGA_RING_FILE;
}

void tsuga_files_leave(struct tsuga_executor *executor, struct tsuga_descriptor *entry)
{
    struct tsuga_files *files = &executor->files;
    int error;

    if (entry->place == 0)
        return;
    error = executor->ring->ops->set_file(executor->ring, entry->place - 1, -1);
    TSUGA_VERIFY(error == 0); /* else the file would stay open */
    files->free[files->free_count++] = (uint16_t)(entry->place - 1);
    entry->place = 0;
}
