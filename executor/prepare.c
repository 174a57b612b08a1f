/* From what the user asked for to a request: one function per family of operations. Everything the
 * kernel will read or write is put into the actor's I/O heap here. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/prepare.h"
#include "executor/resolve.h"
#include "executor/streams.h"
#include "executor/zero_copy.h"

int tsuga_prepare_copy(struct tsuga_record *record, const void *data, size_t bytes, void **out)
{
    int error = tsuga_ioheap_alloc(&record->io->heap, bytes, out);

    if (error != 0)
        return error;
    memcpy(*out, data, bytes);
    tsuga_count(&record->io->executor->counters.copied_bytes, bytes);
    return 0;
}

int tsuga_prepare_path(struct tsuga_record *record, const char *path, void **out)
{
    size_t bytes;

    if (path == NULL)
        return -EINVAL;
    bytes = strnlen(path, PATH_MAX) + 1;
    if (bytes > PATH_MAX)
        return -ENAMETOOLONG;
    return tsuga_prepare_copy(record, path, bytes, out);
}

static int prepare_open(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error = tsuga_prepare_path(record, op->data, &record->buffer.block);

    if (error == 0)
        error = tsuga_record_extend(record, &extra);
    if (error != 0)
        return error;
    extra->argument.how =
        (struct open_how){.flags = op->flags | O_CLOEXEC, .mode = op->mode, .resolve = op->resolve};
    record->flags |= TSUGA_RECORD_BRINGS_FD;
    request->address = record->buffer.block;
    request->address2 = &extra->argument.how;
    request->length = sizeof(extra->argument.how);
    return 0;
}

int tsuga_prepare_lease(struct tsuga_record *record, const struct tsuga_op *op, size_t bytes,
                        struct tsuga_ring_request *request)
{
    struct tsuga_leases *leases = &record->io->executor->leases;
    struct tsuga_lease_entry *entry;
    int error = tsuga_leases_find(leases, record->io, op->lease, &entry);

    if (error != 0)
        return error;
    if (op->lease_offset > entry->capacity_bytes ||
        bytes > entry->capacity_bytes - op->lease_offset)
        return -EINVAL;
    entry->pin_count++;
    record->buffer.lease = entry;
    record->flags |= TSUGA_RECORD_LEASE;
    request->address = (char *)entry->block + op->lease_offset;
    request->length = (uint32_t)bytes;
    return 0;
}

/* A buffer of the runtime's, as a lease that the completion brings. */
static int make_lease(struct tsuga_record *record, size_t bytes, struct tsuga_ring_request *request)
{
    struct tsuga_lease_entry *entry;
    int error = tsuga_leases_make(&record->io->executor->leases, record->io, bytes, &entry);

    if (error != 0)
        return error;
    entry->pin_count = 1;
    record->buffer.lease = entry;
    record->flags |= TSUGA_RECORD_LEASE | TSUGA_RECORD_BRINGS;
    request->address = entry->block;
    request->length = (uint32_t)bytes;
    return 0;
}

/* A block whose bytes are copied to the user's memory when the completion is taken. */
static int make_bounce(struct tsuga_record *record, const struct tsuga_op *op,
                       struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error = tsuga_ioheap_alloc(&record->io->heap, op->bytes, &record->buffer.block);

    if (error == 0)
        error = tsuga_record_extend(record, &extra);
    if (error != 0)
        return error;
    extra->into = op->into;
    extra->into_bytes = op->bytes;
    request->address = record->buffer.block;
    request->length = (uint32_t)op->bytes;
    return 0;
}

int tsuga_prepare_input(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error;

    if (op->bytes == 0)
        return -EINVAL;
    record->flags |= TSUGA_RECORD_READS;
    if (op->lease.value == 0)
        return op->into != NULL ? make_bounce(record, op, request)
                                : make_lease(record, op->bytes, request);
    error = tsuga_prepare_lease(record, op, op->bytes, request);
    if (error != 0 || op->lease_offset == 0)
        return error;
    error = tsuga_record_extend(record, &extra);
    if (error == 0)
        extra->into = request->address;
    return error;
}

int tsuga_prepare_output(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    int error;

    if (op->lease.value != 0)
        return tsuga_prepare_lease(record, op, op->bytes, request);
    if (op->bytes == 0)
        return 0;
    if (op->data == NULL)
        return -EINVAL;
    error = tsuga_prepare_copy(record, op->data, op->bytes, &record->buffer.block);
    if (error != 0)
        return error;
    request->address = record->buffer.block;
    request->length = (uint32_t)op->bytes;
    return 0;
}

static uint64_t offset_of(const struct tsuga_op *op)
{
    return (op->options & TSUGA_OP_AT) != 0 ? op->offset : TSUGA_PREPARE_POSITION;
}

/* A lease of the pool's, pinned: the operation has it, and then its message. */
static int take_from_pool(struct tsuga_record *record, struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    struct tsuga_leases *leases = &record->io->executor->leases;
    struct tsuga_lease_entry *entry;
    int error = op->pool->take(op->pool, &record->io->seat->actor, op->bytes, &op->lease);

    if (error == 0)
        error = tsuga_leases_find(leases, record->io, op->lease, &entry);
    if (error != 0)
        return error;
    record->flags |= TSUGA_RECORD_READS;
    op->lease_offset = 0;
    error = tsuga_prepare_lease(record, op, op->bytes, request);
    tsuga_leases_release(leases, entry);
    return error;
}

/* A read whose size is a sizer's affair, or whose buffer is a pool's. */
static int prepare_sized(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    bool is_sized = op->sizer != NULL && op->bytes == 0;
    struct tsuga_op sized = *op;
    struct tsuga_extra *extra;
    int error;

    if (is_sized)
        sized.bytes = op->sizer->next(op->sizer);
    if (sized.bytes == 0)
        return -EINVAL;
    if (op->pool != NULL && op->lease.value == 0 && op->into == NULL)
        error = take_from_pool(record, &sized, request);
    else
        error = tsuga_prepare_input(record, &sized, request);
    if (error == 0 && is_sized)
        error = tsuga_record_extend(record, &extra);
    if (error != 0 || !is_sized)
        return error;
    extra->argument.sized.sizer = op->sizer;
    extra->argument.sized.asked = sized.bytes;
    return 0;
}

static int prepare_receive(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    return op->sizer == NULL && op->pool == NULL ? tsuga_prepare_input(record, op, request)
                                                 : prepare_sized(record, op, request);
}

static int prepare_read(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    int error;

    request->offset = offset_of(op);
    request->flags = op->flags;
    error = prepare_receive(record, op, request);
    if (error == 0)
        tsuga_executor_find_slot(record->io->executor, request);
    return error;
}

static int prepare_write(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    int error;

    request->offset = offset_of(op);
    request->flags = op->flags;
    error = tsuga_prepare_output(record, op, request);
    if (error == 0)
        tsuga_executor_find_slot(record->io->executor, request);
    return error;
}

static int prepare_recv(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error;

    request->flags = op->flags;
    error = prepare_receive(record, op, request);
    if (error != 0 || (op->flags & MSG_TRUNC) == 0)
        return error;
    /* The result may be more than the buffer holds. */
    error = tsuga_record_extend(record, &extra);
    if (error == 0)
        extra->into_bytes = request->length;
    return error;
}

static int prepare_send(struct tsuga_record *record, const struct tsuga_op *op,
                        struct tsuga_ring_request *request)
{
    int error;

    request->flags = op->flags | MSG_NOSIGNAL;
    if ((op->options & TSUGA_OP_SOME) == 0)
        request->flags |= MSG_WAITALL;
    error = tsuga_prepare_output(record, op, request);
    if (error == 0 && tsuga_zero_copy_is_wanted(record->io, op))
        error = tsuga_zero_copy_prepare(record, op, request);
    return error;
}

/* One block for both arrays: ours for the kernel, and behind it the user's. */
static int make_vectors(struct tsuga_record *record, const struct tsuga_op *op, struct iovec **out)
{
    const struct iovec *theirs = op->data;
    size_t array_bytes = op->bytes * sizeof(*theirs);
    struct tsuga_extra *extra;
    void *block;
    int error;

    if (theirs == NULL || op->bytes == 0 || op->bytes > TSUGA_VECTORS_MAX)
        return -EINVAL;
    error = tsuga_record_extend(record, &extra);
    if (error == 0)
        error = tsuga_ioheap_alloc(&record->io->heap, 2 * array_bytes, &block);
    if (error != 0)
        return error;
    memset(block, 0, array_bytes);
    memcpy((char *)block + array_bytes, theirs, array_bytes);
    extra->into_bytes = op->bytes;
    record->buffer.block = block;
    record->flags |= TSUGA_RECORD_VECTORS;
    *out = block;
    return 0;
}

/* The place in the heap for one of the user's vectors; a written one is copied there. */
static int make_vector(struct tsuga_record *record, const struct iovec *theirs, struct iovec *ours)
{
    int error;

    if (theirs->iov_len == 0)
        return 0;
    if (theirs->iov_base == NULL)
        return -EINVAL;
    if (record->kind == TSUGA_OP_WRITEV)
        error = tsuga_prepare_copy(record, theirs->iov_base, theirs->iov_len, &ours->iov_base);
    else
        error = tsuga_ioheap_alloc(&record->io->heap, theirs->iov_len, &ours->iov_base);
    if (error == 0)
        ours->iov_len = theirs->iov_len;
    return error;
}

static int prepare_vectors(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    const struct iovec *theirs = op->data;
    struct iovec *ours = NULL;
    int error = make_vectors(record, op, &ours);

    for (size_t i = 0; i < op->bytes && error == 0; i++)
        error = make_vector(record, &theirs[i], &ours[i]);
    if (error != 0)
        return error;
    request->address = ours;
    request->length = (uint32_t)op->bytes;
    request->offset = offset_of(op);
    request->flags = op->flags;
    if (record->io->executor->registered.is_on)
        tsuga_registered_find_vectors(record->io->executor, request);
    return 0;
}

static int prepare_fsync(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    (void)record;
    request->flags = op->flags;
    return op->flags > 1 ? -EINVAL : 0;
}

static int prepare_statx(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    struct tsuga_extra *extra;
    int error;

    if (op->into == NULL)
        return -EINVAL;
    error = tsuga_prepare_path(record, op->data, &record->buffer.block);
    if (error == 0)
        error = tsuga_record_extend(record, &extra);
    if (error == 0)
        error = tsuga_ioheap_alloc(&record->io->heap, sizeof(struct statx), &extra->block);
    if (error != 0)
        return error;
    extra->into = op->into;
    extra->into_bytes = sizeof(struct statx);
    request->address = record->buffer.block;
    request->address2 = extra->block;
    request->flags = op->flags;
    request->length = op->mode;
    return 0;
}

static int prepare_socket(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    record->flags |= TSUGA_RECORD_BRINGS_FD;
    request->fd = (int)op->mode;
    request->length = op->flags | SOCK_CLOEXEC;
    request->flags = op->resolve;
    return 0;
}

static int prepare_address(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    int error;

    if (op->data == NULL || op->bytes == 0 || op->bytes > TSUGA_ADDRESS_MAX)
        return -EINVAL;
    error = tsuga_prepare_copy(record, op->data, op->bytes, &record->buffer.block);
    if (error != 0)
        return error;
    request->address = record->buffer.block;
    request->length = (uint32_t)op->bytes;
    return 0;
}

static int prepare_listen(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    (void)record;
    request->length = op->flags;
    return 0;
}

static int prepare_accept(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    record->flags |= TSUGA_RECORD_BRINGS_FD;
    request->flags = op->flags | SOCK_CLOEXEC;
    return (op->options & TSUGA_OP_PEER) != 0 ? tsuga_prepare_peer(record, request) : 0;
}

static int prepare_flags(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    (void)record;
    request->flags = op->flags;
    return 0;
}

static int prepare_cancel(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    struct tsuga_record *target;
    struct tsuga_extra *extra;
    int error = tsuga_record_find(record->io, op->target, &target);

    if (error == 0)
        error = tsuga_record_extend(record, &extra);
    if (error != 0)
        return error;
    if (target->state != TSUGA_RECORD_INFLIGHT)
        return -ENOENT;
    if (!tsuga_record_hold(target))
        return -EALREADY;
    if ((target->flags & TSUGA_RECORD_MULTI) != 0 && !tsuga_stream_is_single(target)) {
        target->flags |= TSUGA_RECORD_UNWANTED;
        record->flags |= TSUGA_RECORD_OF_STREAM;
    }
    target->flags |= TSUGA_RECORD_NAMED;
    extra->argument.target = (uint64_t)(uintptr_t)target;
    request->offset = extra->argument.target;
    return 0;
}

static int prepare_blocking(struct tsuga_record *record, const struct tsuga_op *op,
                            struct tsuga_ring_request *request)
{
    (void)record;
    (void)request;
    return op->run == NULL ? -EINVAL : 0;
}

static int prepare_resolve(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    int error;

    if (op->lease.value != 0 || op->into != NULL)
        return -EINVAL;
    record->flags |= TSUGA_RECORD_READS;
    error = make_lease(record, TSUGA_RESOLVE_BYTES, request);
    return error != 0 ? error : tsuga_resolve_pack(op->data, request->address);
}

static const struct kind {
    tsuga_prepare_fn *prepare; /* or NULL */
    uint8_t ring_kind;
    bool uses_fd;
} kinds[TSUGA_OP_KIND_COUNT] = {
    [TSUGA_OP_NOP] = {NULL, TSUGA_RING_NOP, false},
    [TSUGA_OP_OPEN] = {prepare_open, TSUGA_RING_OPEN, true},
    [TSUGA_OP_CLOSE] = {NULL, TSUGA_RING_CLOSE, false},
    [TSUGA_OP_READ] = {prepare_read, TSUGA_RING_READ, true},
    [TSUGA_OP_WRITE] = {prepare_write, TSUGA_RING_WRITE, true},
    [TSUGA_OP_READV] = {prepare_vectors, TSUGA_RING_READV, true},
    [TSUGA_OP_WRITEV] = {prepare_vectors, TSUGA_RING_WRITEV, true},
    [TSUGA_OP_FSYNC] = {prepare_fsync, TSUGA_RING_FSYNC, true},
    [TSUGA_OP_STATX] = {prepare_statx, TSUGA_RING_STATX, true},
    [TSUGA_OP_SOCKET] = {prepare_socket, TSUGA_RING_SOCKET, false},
    [TSUGA_OP_BIND] = {prepare_address, TSUGA_RING_BIND, true},
    [TSUGA_OP_LISTEN] = {prepare_listen, TSUGA_RING_LISTEN, true},
    [TSUGA_OP_ACCEPT] = {prepare_accept, TSUGA_RING_ACCEPT, true},
    [TSUGA_OP_CONNECT] = {prepare_address, TSUGA_RING_CONNECT, true},
    [TSUGA_OP_RECV] = {prepare_recv, TSUGA_RING_RECV, true},
    [TSUGA_OP_SEND] = {prepare_send, TSUGA_RING_SEND, true},
    [TSUGA_OP_RECVMSG] = {tsuga_prepare_recvmsg, TSUGA_RING_RECVMSG, true},
    [TSUGA_OP_SENDMSG] = {tsuga_prepare_sendmsg, TSUGA_RING_SENDMSG, true},
    [TSUGA_OP_SHUTDOWN] = {prepare_flags, TSUGA_RING_SHUTDOWN, true},
    [TSUGA_OP_POLL] = {prepare_flags, TSUGA_RING_POLL, true},
    [TSUGA_OP_TIMEOUT] = {tsuga_prepare_timeout, TSUGA_RING_TIMEOUT, false},
    [TSUGA_OP_CANCEL] = {prepare_cancel, TSUGA_RING_CANCEL, false},
    [TSUGA_OP_BLOCKING] = {prepare_blocking, TSUGA_RING_NOP, false},
    [TSUGA_OP_SYNC_RANGE] = {tsuga_prepare_range, TSUGA_RING_SYNC_RANGE, true},
    [TSUGA_OP_ALLOCATE] = {tsuga_prepare_allocate, TSUGA_RING_ALLOCATE, true},
    [TSUGA_OP_TRUNCATE] = {tsuga_prepare_truncate, TSUGA_RING_TRUNCATE, true},
    [TSUGA_OP_ADVISE] = {tsuga_prepare_range, TSUGA_RING_ADVISE, true},
    [TSUGA_OP_SPLICE] = {tsuga_prepare_splice, TSUGA_RING_SPLICE, false},
    [TSUGA_OP_TEE] = {tsuga_prepare_tee, TSUGA_RING_TEE, false},
    [TSUGA_OP_RENAME] = {tsuga_prepare_two_paths, TSUGA_RING_RENAME, true},
    [TSUGA_OP_LINK] = {tsuga_prepare_two_paths, TSUGA_RING_LINK_PATH, true},
    [TSUGA_OP_UNLINK] = {tsuga_prepare_one_path, TSUGA_RING_UNLINK, true},
    [TSUGA_OP_MKDIR] = {tsuga_prepare_one_path, TSUGA_RING_MKDIR, true},
    [TSUGA_OP_SYMLINK] = {tsuga_prepare_symlink, TSUGA_RING_SYMLINK, false},
    [TSUGA_OP_GET_XATTR] = {tsuga_prepare_get_xattr, TSUGA_RING_GET_XATTR, false},
    [TSUGA_OP_SET_XATTR] = {tsuga_prepare_set_xattr, TSUGA_RING_SET_XATTR, false},
    [TSUGA_OP_LIST] = {tsuga_prepare_input, TSUGA_RING_NOP, true},
    [TSUGA_OP_RESOLVE] = {prepare_resolve, TSUGA_RING_NOP, false},
    [TSUGA_OP_UPDATE] = {tsuga_prepare_update, TSUGA_RING_UPDATE, false},
    [TSUGA_OP_RAW] = {tsuga_prepare_raw, TSUGA_RING_RAW, false},
    [TSUGA_OP_FUTEX_WAIT] = {tsuga_prepare_futex, TSUGA_RING_FUTEX_WAIT, false},
    [TSUGA_OP_FUTEX_WAKE] = {tsuga_prepare_futex, TSUGA_RING_FUTEX_WAKE, false},
    [TSUGA_OP_WAITID] = {tsuga_prepare_waitid, TSUGA_RING_WAITID, false},
};

/* Counts the operation as a user of a descriptor, when the actor owns that; `flag` says so. */
static int use_descriptor(struct tsuga_record *record, int fd, uint32_t flag)
{
    struct tsuga_descriptor *entry =
        tsuga_descriptors_owned(&record->io->executor->shared->descriptors, record->io, fd);

    if (entry == NULL)
        return 0;
    if (entry->closer != NULL)
        return -EBADF; /* its close waits for the operations before this one */
    entry->in_use++;
    record->flags |= flag;
    return 0;
}

int tsuga_prepare_descriptor(struct tsuga_record *record, int fd)
{
    record->fd = fd;
    return use_descriptor(record, fd, TSUGA_RECORD_COUNTED);
}

int tsuga_prepare_descriptor2(struct tsuga_record *record, int fd2)
{
    struct tsuga_extra *extra;
    int error = tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    extra->argument.fd2 = fd2;
    record->flags |= TSUGA_RECORD_FD2;
    return use_descriptor(record, fd2, TSUGA_RECORD_COUNTED2);
}

_Static_assert((int)TSUGA_OP_ASYNC == (int)TSUGA_RING_ASYNC, "the option goes through as it is");

static void find_place(const struct tsuga_record *record, struct tsuga_ring_request *request)
{
    struct tsuga_executor *executor = record->io->executor;

    if (executor->files.is_on)
        tsuga_files_use(executor, tsuga_descriptors_at(&executor->shared->descriptors, record->fd),
                        request);
}

/* What is left to do for an operation with a descriptor. Apart, like what follows, so that others
 * do not pay for its frame. */
__attribute__((noinline)) static int
use_file(struct tsuga_record *record, const struct tsuga_op *op, struct tsuga_ring_request *request)
{
    int error = tsuga_prepare_descriptor(record, op->fd);

    if ((record->flags & (TSUGA_RECORD_COUNTED | TSUGA_RECORD_MULTI)) == TSUGA_RECORD_COUNTED)
        find_place(record, request);
    return error;
}

__attribute__((noinline)) static int prepare_many(struct tsuga_record *record,
                                                  const struct tsuga_op *op,
                                                  struct tsuga_ring_request *request)
{
    int error = tsuga_stream_prepare(record, op);

    return error == 0 && kinds[op->kind].uses_fd ? use_file(record, op, request) : error;
}

int tsuga_record_prepare(struct tsuga_record *record, const struct tsuga_op *op,
                         struct tsuga_ring_request *request)
{
    const struct kind *kind = &kinds[op->kind];
    int error = 0;

    record->kind = (uint8_t)op->kind;
    record->message.tag = op->tag;
    record->more.context = op->context;
    if ((op->options & TSUGA_OP_SILENT) != 0)
        record->flags |= TSUGA_RECORD_SILENT;
    *request = (struct tsuga_ring_request){
        .user_data = (uint64_t)(uintptr_t)record,
        .fd = op->fd,
        .kind = kind->ring_kind,
        .options = op->options & TSUGA_RING_ASYNC,
    };
    if ((op->options & TSUGA_OP_MULTI) != 0 && op->kind != TSUGA_OP_RAW)
        return prepare_many(record, op, request);
    if (kind->prepare != NULL)
        error = kind->prepare(record, op, request);
    if (error != 0 || !kind->uses_fd)
        return error;
    return use_file(record, op, request);
}
