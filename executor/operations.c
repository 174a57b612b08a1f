/* Starting operations: what users call. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/base/assert.h"

static struct tsuga_token error_token(int error)
{
    return (struct tsuga_token){(uint64_t)(uint32_t)-error};
}

/* From now on the operation counts, until tsuga_record_complete(). */
static void count_in(struct tsuga_record *record)
{
    record->io->inflight++;
    record->io->executor->ops_inflight++;
    tsuga_count(&record->io->executor->counters.ops_submitted, 1);
}

/* Put back a record that was prepared in part and never counted. */
static void abort_record(struct tsuga_record *record)
{
    if ((record->flags & TSUGA_RECORD_LEASE) != 0) {
        tsuga_leases_unpin(&record->io->executor->leases, record->buffer.lease);
        record->flags &= (uint16_t)~TSUGA_RECORD_LEASE;
        record->buffer.block = NULL;
    }
    tsuga_record_give(record);
}

static void ring_deadline(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_deadline *deadline = TSUGA_CONTAINER_OF(alarm, struct tsuga_deadline, alarm);

    (void)executor;
    deadline->record->flags |= TSUGA_RECORD_EXPIRED;
    tsuga_record_cancel(deadline->record);
}

static int set_deadline(struct tsuga_record *record, uint64_t timeout_ns)
{
    struct tsuga_io *io = record->io;
    struct tsuga_executor *executor = io->executor;
    uint64_t now_ns = tsuga_clock_now_ns(&executor->shared->clock);
    struct tsuga_deadline *deadline;
    struct tsuga_extra *extra;
    uint32_t slot;
    int error = tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    if (timeout_ns > TSUGA_FOREVER - 1 - now_ns)
        return 0;
    deadline = tsuga_slab_take(&io->slab, &slot);
    if (deadline == NULL)
        return -ENOBUFS;
    *deadline = (struct tsuga_deadline){.alarm.ring = ring_deadline, .record = record};
    extra->deadline_slot = slot + 1;
    tsuga_timers_arm(&executor->timers, &deadline->alarm.timer, now_ns + timeout_ns);
    return 0;
}

/* For kernels without the operation: the plain call, which does not block. */
static int call_plainly(const struct tsuga_record *record, const struct tsuga_op *op)
{
    int status = op->kind == TSUGA_OP_BIND
                     ? bind(op->fd, record->buffer.block, (socklen_t)op->bytes)
                     : listen(op->fd, (int)op->flags);

    return status == 0 ? 0 : -errno;
}

static bool is_plain_call(const struct tsuga_executor *executor,
                          const struct tsuga_ring_request *request)
{
    return (request->kind == TSUGA_RING_BIND || request->kind == TSUGA_RING_LISTEN) &&
           !executor->ring->ops->supports(executor->ring, (enum tsuga_ring_kind)request->kind);
}

static int cancel_job(const struct tsuga_record *canceller)
{
    return tsuga_job_cancel(
        (struct tsuga_record *)(uintptr_t)tsuga_record_extra(canceller)->argument.target);
}

static bool is_job_cancel(const struct tsuga_record *record)
{
    const struct tsuga_record *target;

    if (record->kind != TSUGA_OP_CANCEL)
        return false;
    target = (void *)(uintptr_t)tsuga_record_extra(record)->argument.target;
    return target->kind == TSUGA_OP_BLOCKING;
}

/* Hands a prepared record to whoever carries it out. Errors: those of the pool. */
static int launch(struct tsuga_record *record, const struct tsuga_op *op,
                  const struct tsuga_ring_request *request)
{
    struct tsuga_executor *executor = record->io->executor;

    if (record->kind == TSUGA_OP_BLOCKING) {
        int error = tsuga_job_start(record, op->run, op->argument);

        if (error != 0)
            return error;
        count_in(record);
        return 0;
    }
    count_in(record);
    if (is_plain_call(executor, request))
        tsuga_record_complete(record, call_plainly(record, op), false);
    else if (is_job_cancel(record))
        tsuga_record_complete(record, cancel_job(record), false);
    else
        tsuga_executor_request(executor, request);
    return 0;
}

static struct tsuga_token start(struct tsuga_io *io, const struct tsuga_op *op)
{
    struct tsuga_ring_request request;
    struct tsuga_record *record;
    struct tsuga_token token;
    int error = tsuga_record_take(io, &record);

    if (error != 0)
        return error_token(error);
    token = tsuga_record_token(record);
    error = tsuga_record_prepare(record, op, &request);
    if (error == 0 && op->timeout_ns != 0 && op->kind != TSUGA_OP_TIMEOUT)
        error = set_deadline(record, op->timeout_ns);
    if (error == 0)
        error = launch(record, op, &request);
    if (error == 0)
        return token;
    abort_record(record);
    return error_token(error);
}

void tsuga_record_start_close(struct tsuga_record *record)
{
    struct tsuga_executor *executor = record->io->executor;
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_CLOSE, .fd = record->fd, .user_data = (uint64_t)(uintptr_t)record};

    record->state = TSUGA_RECORD_INFLIGHT;
    tsuga_descriptors_disown(&executor->shared->descriptors, record->io, record->fd);
    tsuga_executor_request(executor, &request);
}

void tsuga_record_drop_waiting(struct tsuga_record *record)
{
    struct tsuga_executor *executor = record->io->executor;

    tsuga_descriptors_at(&executor->shared->descriptors, record->fd)->closer = NULL;
    tsuga_count(&executor->counters.ops_completions, 1); /* the owner's end completes it */
    executor->ops_inflight--;
    record->io->inflight--;
    tsuga_record_give(record);
}

static void cancel_users(struct tsuga_io *io, int fd)
{
    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record != NULL && record->fd == fd && (record->flags & TSUGA_RECORD_COUNTED) != 0)
            tsuga_record_cancel(record);
    }
}

static struct tsuga_token start_close(struct tsuga_io *io, const struct tsuga_op *op)
{
    struct tsuga_descriptor *entry =
        tsuga_descriptors_owned(&io->executor->shared->descriptors, io, op->fd);
    struct tsuga_ring_request request;
    struct tsuga_record *record;
    struct tsuga_token token;
    int error;

    if (entry == NULL || entry->closer != NULL)
        return error_token(-EBADF);
    error = tsuga_record_take(io, &record);
    if (error == 0)
        error = tsuga_record_prepare(record, op, &request);
    if (error != 0)
        return error_token(error);
    record->fd = op->fd;
    token = tsuga_record_token(record);
    count_in(record);
    if (entry->in_use == 0) {
        tsuga_record_start_close(record);
        return token;
    }
    record->state = TSUGA_RECORD_WAITING;
    entry->closer = record;
    cancel_users(io, op->fd);
    return token;
}

struct tsuga_token tsuga_submit(struct tsuga_actor *self, const struct tsuga_op *op)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_io *io;
    int error;

    if ((unsigned)op->kind >= TSUGA_OP_KIND_COUNT)
        return error_token(-EINVAL);
    error = tsuga_io_open(seat, &io);
    /* Cancels and closes do not wait: what would make room may depend on them. */
    if (error == 0 && op->kind != TSUGA_OP_CANCEL && op->kind != TSUGA_OP_CLOSE)
        error = tsuga_executor_admit(seat, op->options);
    if (error != 0)
        return error_token(error);
    return op->kind == TSUGA_OP_CLOSE ? start_close(io, op) : start(io, op);
}

/* A descriptor that an operation has brought and nobody has seen. */
static void close_unwanted(const struct tsuga_record *record)
{
    struct tsuga_executor *executor = record->io->executor;
    struct tsuga_descriptors *descriptors = &executor->shared->descriptors;

    if ((record->flags & TSUGA_RECORD_BRINGS_FD) == 0 ||
        tsuga_descriptors_owned(descriptors, record->io, record->result) == NULL)
        return;
    tsuga_descriptors_disown(descriptors, record->io, record->result);
    tsuga_executor_close(executor, record->result);
}

int tsuga_forget(struct tsuga_actor *self, struct tsuga_token op)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_record *record;
    int error = tsuga_record_find(seat->io, op, &record);

    if (error != 0)
        return error;
    if (record->state == TSUGA_RECORD_DONE) {
        tsuga_mailbox_remove(&self->mailbox, &record->message);
        close_unwanted(record);
        tsuga_record_give(record);
    } else {
        record->flags |= TSUGA_RECORD_SILENT;
    }
    return 0;
}

struct tsuga_token tsuga_nop(struct tsuga_actor *self)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_NOP});
}

struct tsuga_token tsuga_open(struct tsuga_actor *self, const char *path, int flags)
{
    return tsuga_openat(self, AT_FDCWD, path, flags, 0);
}

struct tsuga_token tsuga_openat(struct tsuga_actor *self, int directory, const char *path,
                                int flags, uint32_t mode)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_OPEN,
                                                 .fd = directory,
                                                 .data = path,
                                                 .flags = (uint32_t)flags,
                                                 .mode = mode});
}

struct tsuga_token tsuga_close(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_CLOSE, .fd = fd});
}

struct tsuga_token tsuga_read(struct tsuga_actor *self, int fd, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .fd = fd, .bytes = bytes});
}

struct tsuga_token tsuga_read_at(struct tsuga_actor *self, int fd, uint64_t offset, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_READ,
                                                 .options = TSUGA_OP_AT,
                                                 .fd = fd,
                                                 .offset = offset,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_read_into(struct tsuga_actor *self, int fd, void *into, size_t bytes)
{
    if (into == NULL)
        return error_token(-EINVAL);
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .fd = fd, .into = into, .bytes = bytes});
}

struct tsuga_token tsuga_read_lease(struct tsuga_actor *self, int fd, struct tsuga_lease lease,
                                    size_t bytes)
{
    if (lease.value == 0)
        return error_token(-EINVAL);
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .fd = fd, .lease = lease, .bytes = bytes});
}

struct tsuga_token tsuga_recv(struct tsuga_actor *self, int fd, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV, .fd = fd, .bytes = bytes});
}

struct tsuga_token tsuga_write(struct tsuga_actor *self, int fd, const void *data, size_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE, .fd = fd, .data = data, .bytes = bytes});
}

struct tsuga_token tsuga_write_at(struct tsuga_actor *self, int fd, uint64_t offset,
                                  const void *data, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE,
                                                 .options = TSUGA_OP_AT,
                                                 .fd = fd,
                                                 .offset = offset,
                                                 .data = data,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_write_lease(struct tsuga_actor *self, int fd, struct tsuga_lease lease,
                                     size_t bytes)
{
    if (lease.value == 0)
        return error_token(-EINVAL);
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE, .fd = fd, .lease = lease, .bytes = bytes});
}

struct tsuga_token tsuga_send_bytes(struct tsuga_actor *self, int fd, const void *data,
                                    size_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_SEND, .fd = fd, .data = data, .bytes = bytes});
}

struct tsuga_token tsuga_send_lease(struct tsuga_actor *self, int fd, struct tsuga_lease lease)
{
    if (lease.value == 0)
        return error_token(-EINVAL);
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                                 .fd = fd,
                                                 .lease = lease,
                                                 .bytes = tsuga_lease_bytes(self, lease)});
}

struct tsuga_token tsuga_readv(struct tsuga_actor *self, int fd, const struct iovec *vectors,
                               size_t count)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_READV, .fd = fd, .data = vectors, .bytes = count});
}

struct tsuga_token tsuga_writev(struct tsuga_actor *self, int fd, const struct iovec *vectors,
                                size_t count)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_WRITEV, .fd = fd, .data = vectors, .bytes = count});
}

struct tsuga_token tsuga_fsync(struct tsuga_actor *self, int fd, bool data_only)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_FSYNC, .fd = fd, .flags = data_only ? 1 : 0});
}

struct tsuga_token tsuga_statx(struct tsuga_actor *self, int directory, const char *path, int flags,
                               uint32_t mask, struct statx *out)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_STATX,
                                                 .fd = directory,
                                                 .data = path,
                                                 .flags = (uint32_t)flags,
                                                 .mode = mask,
                                                 .into = out});
}

struct tsuga_token tsuga_socket(struct tsuga_actor *self, int domain, int type, int protocol)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SOCKET,
                                                 .mode = (uint32_t)domain,
                                                 .flags = (uint32_t)type,
                                                 .resolve = (uint32_t)protocol});
}

struct tsuga_token tsuga_bind(struct tsuga_actor *self, int fd, const struct sockaddr *address,
                              socklen_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_BIND, .fd = fd, .data = address, .bytes = bytes});
}

struct tsuga_token tsuga_listen(struct tsuga_actor *self, int fd, int backlog)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_LISTEN, .fd = fd, .flags = (uint32_t)backlog});
}

struct tsuga_token tsuga_accept(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_ACCEPT, .fd = fd});
}

struct tsuga_token tsuga_connect(struct tsuga_actor *self, int fd, const struct sockaddr *address,
                                 socklen_t bytes)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_CONNECT, .fd = fd, .data = address, .bytes = bytes});
}

struct tsuga_token tsuga_shutdown(struct tsuga_actor *self, int fd, int how)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_SHUTDOWN, .fd = fd, .flags = (uint32_t)how});
}

struct tsuga_token tsuga_poll(struct tsuga_actor *self, int fd, uint32_t events)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_POLL, .fd = fd, .flags = events});
}

struct tsuga_token tsuga_timeout(struct tsuga_actor *self, uint64_t delay_ns)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_TIMEOUT, .timeout_ns = delay_ns});
}

struct tsuga_token tsuga_cancel(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_CANCEL, .target = op});
}

struct tsuga_token tsuga_blocking(struct tsuga_actor *self, void (*run)(void *argument),
                                  void *argument)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_BLOCKING, .run = run, .argument = argument});
}
