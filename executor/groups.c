/* Groups of an actor's own. */
#include <errno.h>

#include "executor/buffers.h"
#include "executor/executor.h"
#include "executor/io.h"

/* An actor's current message keeps one buffer while it waits for the next. */
#define COUNT_MIN 2u
#define COUNT_MAX 32768u

int tsuga_io_find_group(struct tsuga_io *io, struct tsuga_group group, struct tsuga_buffers **out)
{
    TSUGA_LIST_EACH (node, &io->groups) {
        struct tsuga_buffers *buffers = TSUGA_CONTAINER_OF(node, struct tsuga_buffers, link);

        if (buffers->handle != group.value || buffers->is_closed)
            continue;
        *out = buffers;
        return 0;
    }
    return -EINVAL;
}

void tsuga_io_close_groups(struct tsuga_io *io)
{
    struct tsuga_list_node *node = io->groups.next;

    while (node != &io->groups) {
        struct tsuga_buffers *buffers = TSUGA_CONTAINER_OF(node, struct tsuga_buffers, link);

        node = node->next;
        if (!buffers->is_closed)
            tsuga_buffers_close(buffers);
    }
}

static int check(const struct tsuga_io *io, const struct tsuga_group_options *options)
{
    uint32_t count = options->buffer_count;

    if (options->buffer_bytes == 0 || count < COUNT_MIN || count > COUNT_MAX ||
        !tsuga_bits_is_power_of_two(count))
        return -EINVAL;
    return options->buffer_bytes > tsuga_ioheap_block_bytes_max(&io->heap) ? -EMSGSIZE : 0;
}

int tsuga_group_make(struct tsuga_actor *self, const struct tsuga_group_options *options,
                     struct tsuga_group *out)
{
    struct tsuga_buffers_config config = {.count = options->buffer_count,
                                          .count_max = options->buffer_count,
                                          .is_incremental = options->incremental};
    struct tsuga_buffers *buffers;
    struct tsuga_io *io;
    int error = tsuga_io_open(tsuga_seat_of(self), &io);

    if (error == 0)
        error = check(io, options);
    if (error != 0)
        return error;
    config.heap = &io->heap;
    config.owner = io;
    config.buffer_bytes = (uint32_t)tsuga_ioheap_class_bytes(&io->heap, options->buffer_bytes);
    error = tsuga_buffers_open(io->executor, &config, &buffers);
    if (error != 0)
        return error;
    tsuga_list_push_back(&io->groups, &buffers->link);
    *out = (struct tsuga_group){buffers->handle};
    return 0;
}

int tsuga_group_release(struct tsuga_actor *self, struct tsuga_group group)
{
    struct tsuga_io *io = tsuga_seat_of(self)->io;
    struct tsuga_buffers *buffers;
    int error = io == NULL ? -EINVAL : tsuga_io_find_group(io, group, &buffers);

    if (error != 0)
        return error;
    if (buffers->user_count > 0)
        return -EBUSY;
    tsuga_buffers_close(buffers);
    return 0;
}
