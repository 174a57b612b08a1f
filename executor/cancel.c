/* Asking for the end of many operations of an actor at once. The kernel's own cancel by descriptor
 * would hit other actors' operations on it, and those on a number that is used again. */
#include <errno.h>

#include "executor/io.h"

/* Only the operation's own completion ends a close, and a cancel or an update soon ends. */
static bool may_be_asked(const struct tsuga_record *record)
{
    return record->state == TSUGA_RECORD_INFLIGHT && record->kind != TSUGA_OP_CLOSE &&
           record->kind != TSUGA_OP_CANCEL && record->kind != TSUGA_OP_UPDATE;
}

static int cancel_where(struct tsuga_io *io, bool by_descriptor, int fd)
{
    int count = 0;

    if (io == NULL)
        return 0;
    for (uint32_t slot = 0; slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record == NULL || !may_be_asked(record) ||
            (by_descriptor && !tsuga_record_uses(record, fd)))
            continue;
        tsuga_record_cancel(record);
        count++;
    }
    return count;
}

int tsuga_cancel_fd(struct tsuga_actor *self, int fd)
{
    if (fd < 0)
        return -EBADF;
    return cancel_where(tsuga_seat_of(self)->io, true, fd);
}

int tsuga_cancel_all(struct tsuga_actor *self)
{
    return cancel_where(tsuga_seat_of(self)->io, false, -1);
}
