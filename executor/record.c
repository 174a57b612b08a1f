/* Operation records: taking, naming, giving back. */
#include <errno.h>
#include <sys/uio.h>

#include "executor/envelope.h"
#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "runtime/base/assert.h"

#define ERRNO_MAX 4095u /* of the kernel */

int tsuga_op_error(struct tsuga_token token)
{
    if (token.value >> 32 != 0)
        return 0;
    /* Whoever invents a token may make it carry what is no error. */
    return token.value != 0 && token.value <= ERRNO_MAX ? -(int)token.value : -EINVAL;
}

int tsuga_record_find(struct tsuga_io *io, struct tsuga_token token, struct tsuga_record **out)
{
    uint32_t slot = (uint32_t)token.value;
    struct tsuga_record *record;
    void *found;
    int error = tsuga_op_error(token);

    if (error != 0)
        return error;
    if (io == NULL)
        return -EINVAL;
    error = tsuga_slab_find(&io->slab, slot, (uint32_t)(token.value >> 32), &found);
    if (error != 0)
        return error;
    record = found;
    if (record->io != io || record->slot != slot)
        return -EINVAL; /* an extra or a deadline: tokens never name those */
    if (record->state >= TSUGA_RECORD_TAKEN)
        return -ENOENT;
    *out = record;
    return 0;
}

int tsuga_record_find_heard(struct tsuga_io *io, struct tsuga_token token,
                            struct tsuga_record **out)
{
    struct tsuga_record *record;
    int error = tsuga_record_find(io, token, &record);

    if (error != 0)
        return error;
    if ((record->flags & TSUGA_RECORD_SILENT) != 0)
        return -ENOENT;
    *out = record;
    return 0;
}

struct tsuga_record *tsuga_record_at(struct tsuga_io *io, uint32_t slot)
{
    struct tsuga_record *record;

    if ((tsuga_slab_generation(&io->slab, slot) & 1) == 0)
        return NULL;
    record = tsuga_slab_at(&io->slab, slot);
    return record->io == io && record->slot == slot ? record : NULL;
}

int tsuga_record_take(struct tsuga_io *io, struct tsuga_record **out)
{
    uint32_t slot;
    struct tsuga_record *record = tsuga_slab_take(&io->slab, &slot);

    if (record == NULL)
        return -ENOBUFS;
    record->message.lane = TSUGA_LANE_COMPLETION;
    record->message.type = TSUGA_TYPE_COMPLETION;
    record->message.hold_count = 0;
    record->io = io;
    record->more.context = NULL;
    record->buffer.block = NULL;
    record->slot = slot;
    record->fd = -1;
    record->state = TSUGA_RECORD_INFLIGHT;
    record->flags = 0;
    *out = record;
    return 0;
}

int tsuga_record_extend(struct tsuga_record *record, struct tsuga_extra **out)
{
    struct tsuga_extra *extra = tsuga_record_extra(record);
    uint32_t slot;

    if (extra == NULL) {
        extra = tsuga_slab_take(&record->io->slab, &slot);
        if (extra == NULL)
            return -ENOBUFS;
        *extra = (struct tsuga_extra){.context = record->more.context, .slot = slot};
        record->more.extra = extra;
        record->flags |= TSUGA_RECORD_EXTRA;
    }
    *out = extra;
    return 0;
}

/* The vectors of READV and WRITEV: the kernel's and, behind them, the user's. */
static void free_vectors(struct tsuga_record *record)
{
    struct iovec *vectors = record->buffer.block;
    size_t count = tsuga_record_extra(record)->into_bytes;

    for (size_t i = 0; i < count; i++) {
        if (vectors[i].iov_base != NULL)
            tsuga_ioheap_free(&record->io->heap, vectors[i].iov_base);
    }
}

static void free_buffer(struct tsuga_record *record)
{
    if ((record->flags & TSUGA_RECORD_VECTORS) != 0)
        free_vectors(record);
    if ((record->flags & TSUGA_RECORD_LEASE) != 0)
        tsuga_leases_detach(&record->io->executor->leases, record->buffer.lease);
    else
        tsuga_ioheap_free(&record->io->heap, record->buffer.block);
    record->buffer.block = NULL;
}

static void free_extra(struct tsuga_record *record, struct tsuga_extra *extra)
{
    struct tsuga_io *io = record->io;

    tsuga_envelope_empty(record);
    if ((record->flags & TSUGA_RECORD_BLOCK3) != 0)
        tsuga_ioheap_free(&io->heap, extra->argument.block);
    if (extra->block != NULL)
        tsuga_ioheap_free(&io->heap, extra->block);
    TSUGA_ASSERT(extra->deadline_slot == 0);
    tsuga_slab_give(&io->slab, extra->slot);
}

bool tsuga_record_hold(struct tsuga_record *record)
{
    if (record->message.hold_count == UINT8_MAX)
        return false;
    record->message.hold_count++;
    return true;
}

void tsuga_record_unhold(struct tsuga_record *record)
{
    TSUGA_VERIFY(record->message.hold_count > 0);
    record->message.hold_count--;
    if (record->message.hold_count == 0 && record->state == TSUGA_RECORD_GIVEN)
        tsuga_slab_give(&record->io->slab, record->slot);
}

/* What hangs on it. Apart, so that plain operations do not pay for its frame. */
__attribute__((noinline)) static void give_rest(struct tsuga_record *record)
{
    if (record->buffer.block != NULL)
        free_buffer(record);
    if ((record->flags & TSUGA_RECORD_MULTI) != 0)
        tsuga_stream_free(record);
    if ((record->flags & TSUGA_RECORD_EXTRA) != 0)
        free_extra(record, record->more.extra);
    record->flags = 0;
}

void tsuga_record_give(struct tsuga_record *record)
{
    if (record->buffer.block != NULL || record->flags != 0)
        give_rest(record);
    record->state = TSUGA_RECORD_GIVEN;
    if (record->message.hold_count == 0)
        tsuga_slab_give(&record->io->slab, record->slot);
}
