/* Pipes, eventfds, splice and tee. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/sim/queue.h"

#define PIPE_BYTES   65536u
#define SPLICE_BYTES 4096u

struct end {
    struct tsuga_file file;
    struct pipe *pipe;
};

struct pipe {
    struct tsuga_queue queue;
    struct end *reader; /* NULL: closed */
    struct end *writer;
};

struct event {
    struct tsuga_file file;
    uint64_t count;
};

static struct end *end_of(struct tsuga_file *file)
{
    return TSUGA_CONTAINER_OF(file, struct end, file);
}

static void wake(struct end *end, uint32_t events)
{
    if (end != NULL)
        tsuga_file_wake(&end->file, events);
}

static int64_t read_pipe(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct pipe *pipe = end_of(file)->pipe;
    size_t done;

    if (transfer->count == 0)
        return 0;
    if (pipe->queue.bytes == 0)
        return pipe->writer == NULL ? 0 : TSUGA_AGAIN;
    done = tsuga_queue_read(file->kernel, &pipe->queue, transfer->bytes, transfer->count, false);
    wake(pipe->writer, POLLOUT);
    return (int64_t)done;
}

static size_t room_in(const struct pipe *pipe)
{
    return pipe->queue.bytes < PIPE_BYTES ? PIPE_BYTES - pipe->queue.bytes : 0;
}

static int64_t write_pipe(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct pipe *pipe = end_of(file)->pipe;
    size_t count = transfer->count < room_in(pipe) ? transfer->count : room_in(pipe);

    if (pipe->reader == NULL)
        return -EPIPE;
    if (transfer->count == 0)
        return 0;
    if (count == 0)
        return TSUGA_AGAIN;
    tsuga_queue_put(&pipe->queue, tsuga_piece_make(file->kernel, transfer->bytes, count, NULL));
    wake(pipe->reader, POLLIN);
    return (int64_t)count;
}

static uint32_t poll_pipe(struct tsuga_file *file)
{
    struct pipe *pipe = end_of(file)->pipe;

    if (pipe->reader == end_of(file))
        return (pipe->queue.bytes > 0 ? POLLIN : 0) | (pipe->writer == NULL ? POLLHUP : 0);
    return (room_in(pipe) > 0 ? POLLOUT : 0) | (pipe->reader == NULL ? POLLERR : 0);
}

static void release_pipe(struct tsuga_file *file)
{
    struct end *end = end_of(file);
    struct pipe *pipe = end->pipe;

    if (pipe->reader == end) {
        pipe->reader = NULL;
        tsuga_queue_drop(file->kernel, &pipe->queue);
        wake(pipe->writer, POLLERR);
    } else {
        pipe->writer = NULL;
        wake(pipe->reader, POLLHUP);
    }
    if (pipe->reader == NULL && pipe->writer == NULL)
        tsuga_kernel_free(file->kernel, pipe, sizeof(*pipe));
    tsuga_kernel_free(file->kernel, end, sizeof(*end));
}

static const struct tsuga_file_ops pipe_ops = {
    .read = read_pipe, .write = write_pipe, .poll = poll_pipe, .release = release_pipe};

static struct end *make_end(struct tsuga_kernel *kernel, struct pipe *pipe, uint32_t flags)
{
    struct end *end = tsuga_kernel_alloc(kernel, sizeof(*end));

    tsuga_file_init(&end->file, kernel, &pipe_ops, flags);
    end->pipe = pipe;
    tsuga_file_retain(&end->file);
    return end;
}

int tsuga_pipe_make(struct tsuga_kernel *kernel, int ends[2], uint32_t flags)
{
    struct pipe *pipe = tsuga_kernel_alloc(kernel, sizeof(*pipe));
    uint32_t kept = flags & O_NONBLOCK;
    struct end *reader;
    struct end *writer;
    int error = 0;

    *pipe = (struct pipe){0};
    tsuga_queue_init(&pipe->queue);
    reader = make_end(kernel, pipe, kept | O_RDONLY);
    writer = make_end(kernel, pipe, kept | O_WRONLY);
    pipe->reader = reader;
    pipe->writer = writer;
    ends[0] = tsuga_kernel_install(kernel, &reader->file);
    ends[1] = ends[0] >= 0 ? tsuga_kernel_install(kernel, &writer->file) : -1;
    if (ends[0] >= 0 && ends[1] < 0)
        (void)tsuga_kernel_close(kernel, ends[0]);
    if (ends[0] < 0 || ends[1] < 0)
        error = -EMFILE;
    tsuga_file_release(&writer->file);
    tsuga_file_release(&reader->file);
    return error;
}

/* Eventfds. */

static int64_t read_event(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct event *event = TSUGA_CONTAINER_OF(file, struct event, file);

    if (transfer->count < sizeof(event->count))
        return -EINVAL;
    if (event->count == 0)
        return TSUGA_AGAIN;
    memcpy(transfer->bytes, &event->count, sizeof(event->count));
    event->count = 0;
    return sizeof(event->count);
}

static uint32_t poll_event(struct tsuga_file *file)
{
    return TSUGA_CONTAINER_OF(file, struct event, file)->count > 0 ? POLLIN | POLLOUT : POLLOUT;
}

static void release_event(struct tsuga_file *file)
{
    tsuga_kernel_free(file->kernel, TSUGA_CONTAINER_OF(file, struct event, file),
                      sizeof(struct event));
}

static const struct tsuga_file_ops event_ops = {
    .read = read_event, .poll = poll_event, .release = release_event};

int tsuga_event_make(struct tsuga_kernel *kernel)
{
    struct event *event = tsuga_kernel_alloc(kernel, sizeof(*event));
    int fd;

    tsuga_file_init(&event->file, kernel, &event_ops, O_RDWR);
    event->count = 0;
    tsuga_file_retain(&event->file);
    fd = tsuga_kernel_install(kernel, &event->file);
    tsuga_file_release(&event->file);
    return fd;
}

void tsuga_event_lower(struct tsuga_file *file)
{
    TSUGA_CONTAINER_OF(file, struct event, file)->count = 0;
}

void tsuga_event_raise(struct tsuga_file *file)
{
    TSUGA_CONTAINER_OF(file, struct event, file)->count++;
    tsuga_file_wake(file, POLLIN);
}

/* Between files. */

static bool is_pipe(const struct tsuga_file *file)
{
    return file->ops == &pipe_ops;
}

/* The second descriptor's file, which the order keeps. */
static struct tsuga_file *source_of(struct tsuga_order *order)
{
    if (order->file2 == NULL) {
        order->file2 = tsuga_kernel_file(order->kernel, (int)order->ask.number2);
        if (order->file2 != NULL)
            tsuga_file_retain(order->file2);
    }
    return order->file2;
}

/* Waits for news of one of the two. */
static int64_t wait_for(struct tsuga_order *order, struct tsuga_file *file, uint32_t interest)
{
    order->waits_for = file;
    order->interest = interest | POLLHUP | POLLERR;
    return TSUGA_AGAIN;
}

static size_t room_of(struct tsuga_file *file)
{
    if (is_pipe(file))
        return room_in(end_of(file)->pipe);
    return (file->ops->poll(file) & POLLOUT) != 0 ? SPLICE_BYTES : 0;
}

static int64_t write_all(struct tsuga_file *to, const char *bytes, size_t count, uint64_t offset)
{
    struct tsuga_transfer transfer = {
        .bytes = (char *)(uintptr_t)bytes, .count = count, .offset = offset};

    if (to->ops->write == NULL)
        return -EINVAL;
    return to->ops->write(to, &transfer);
}

/* What was read and does not fit is put back: only pipes take a part, and they have room. */
static int64_t pour(struct tsuga_order *order, struct tsuga_file *from, size_t count)
{
    struct tsuga_transfer transfer = {.bytes = tsuga_order_stage(order, SPLICE_BYTES),
                                      .count = count,
                                      .offset = order->ask.number};
    int64_t done = from->ops->read != NULL ? from->ops->read(from, &transfer) : -EINVAL;

    if (done == TSUGA_AGAIN)
        return wait_for(order, from, POLLIN | POLLRDHUP);
    if (done <= 0)
        return done;
    return write_all(order->file, transfer.bytes, (size_t)done, order->ask.offset);
}

int64_t tsuga_pipe_splice(struct tsuga_order *order)
{
    struct tsuga_file *from = source_of(order);
    size_t count = order->ask.length < SPLICE_BYTES ? order->ask.length : SPLICE_BYTES;
    size_t room;

    if (from == NULL)
        return -EBADF;
    if (!is_pipe(from) && !is_pipe(order->file))
        return -EINVAL;
    if ((order->file->flags & O_ACCMODE) == O_RDONLY || (from->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if ((is_pipe(from) && order->ask.number != UINT64_MAX) ||
        (is_pipe(order->file) && order->ask.offset != UINT64_MAX))
        return -ESPIPE;
    if (is_pipe(order->file) && end_of(order->file)->pipe->reader == NULL)
        return -EPIPE;
    room = room_of(order->file);
    if (room == 0)
        return wait_for(order, order->file, POLLOUT);
    return pour(order, from, count < room ? count : room);
}

int64_t tsuga_pipe_tee(struct tsuga_order *order)
{
    struct tsuga_file *from = source_of(order);
    size_t count = order->ask.length < SPLICE_BYTES ? order->ask.length : SPLICE_BYTES;
    struct pipe *source;
    char *bytes;

    if (from == NULL)
        return -EBADF;
    if (!is_pipe(from) || !is_pipe(order->file) || end_of(from)->pipe->reader != end_of(from) ||
        end_of(order->file)->pipe->writer != end_of(order->file))
        return -EINVAL;
    source = end_of(from)->pipe;
    if (end_of(order->file)->pipe->reader == NULL)
        return -EPIPE;
    if (source->queue.bytes == 0)
        return source->writer == NULL ? 0 : wait_for(order, from, POLLIN);
    if (room_of(order->file) < count)
        count = room_of(order->file);
    if (count == 0)
        return wait_for(order, order->file, POLLOUT);
    bytes = tsuga_order_stage(order, count);
    count = tsuga_queue_read(order->kernel, &source->queue, bytes, count, true);
    return write_all(order->file, bytes, count, UINT64_MAX);
}
