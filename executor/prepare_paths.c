/* From what is to be done to names and their attributes to a request. */
#include <errno.h>

#include "executor/prepare.h"

static int copy_second(struct tsuga_record *record, const char *path, void **out)
{
    struct tsuga_extra *extra;
    int error = tsuga_record_extend(record, &extra);

    if (error == 0)
        error = tsuga_prepare_path(record, path, &extra->block);
    if (error == 0)
        *out = extra->block;
    return error;
}

static int copy_third(struct tsuga_record *record, const char *path, void **out)
{
    struct tsuga_extra *extra;
    int error = tsuga_record_extend(record, &extra);

    if (error == 0)
        error = tsuga_prepare_path(record, path, &extra->argument.block);
    if (error != 0)
        return error;
    record->flags |= TSUGA_RECORD_BLOCK3;
    *out = extra->argument.block;
    return 0;
}

int tsuga_prepare_two_paths(struct tsuga_record *record, const struct tsuga_op *op,
                            struct tsuga_ring_request *request)
{
    int error = tsuga_prepare_path(record, op->data, &record->buffer.block);

    if (error == 0)
        error = copy_second(record, op->path, &request->address2);
    if (error != 0)
        return error;
    request->address = record->buffer.block;
    request->length = (uint32_t)op->fd2;
    request->flags = op->flags;
    return tsuga_prepare_descriptor2(record, op->fd2);
}

int tsuga_prepare_symlink(struct tsuga_record *record, const struct tsuga_op *op,
                          struct tsuga_ring_request *request)
{
    int error = tsuga_prepare_path(record, op->data, &record->buffer.block);

    if (error == 0)
        error = copy_second(record, op->path, &request->address2);
    if (error != 0)
        return error;
    request->address = record->buffer.block;
    request->fd = op->fd2;
    return tsuga_prepare_descriptor(record, op->fd2);
}

int tsuga_prepare_one_path(struct tsuga_record *record, const struct tsuga_op *op,
                           struct tsuga_ring_request *request)
{
    int error = tsuga_prepare_path(record, op->data, &record->buffer.block);

    if (error != 0)
        return error;
    request->address = record->buffer.block;
    if (op->kind == TSUGA_OP_MKDIR)
        request->length = op->mode;
    else
        request->flags = op->flags;
    return 0;
}

/* The value is in place; what it belongs to is still missing. */
static int prepare_attribute(struct tsuga_record *record, const struct tsuga_op *op,
                             struct tsuga_ring_request *request)
{
    bool is_get = op->kind == TSUGA_OP_GET_XATTR;
    int error;

    request->address2 = request->address;
    error = copy_second(record, op->name, &request->address);
    if (error != 0)
        return error;
    if (op->path != NULL) {
        request->fd = -1;
        return copy_third(record, op->path, &request->address3);
    }
    request->kind = is_get ? TSUGA_RING_FGET_XATTR : TSUGA_RING_FSET_XATTR;
    return tsuga_prepare_descriptor(record, op->fd);
}

int tsuga_prepare_get_xattr(struct tsuga_record *record, const struct tsuga_op *op,
                            struct tsuga_ring_request *request)
{
    /* Without a buffer the kernel tells the size. */
    int error = op->bytes == 0 ? 0 : tsuga_prepare_input(record, op, request);

    return error != 0 ? error : prepare_attribute(record, op, request);
}

int tsuga_prepare_set_xattr(struct tsuga_record *record, const struct tsuga_op *op,
                            struct tsuga_ring_request *request)
{
    int error = tsuga_prepare_output(record, op, request);

    request->flags = op->flags;
    return error != 0 ? error : prepare_attribute(record, op, request);
}
