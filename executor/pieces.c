#include "executor/pieces.h"

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/base/sanitize.h"

static struct tsuga_leases *leases_of(const struct tsuga_lease_entry *entry)
{
    return &entry->io->executor->leases;
}

/* The first piece of a buffer. */
static void begin(struct tsuga_buffers *buffers, struct tsuga_io *io,
                  struct tsuga_lease_entry *entry)
{
    TSUGA_VERIFY(entry->io == NULL);        /* else the kernel wrote into a buffer that is lent */
    TSUGA_VERIFY(buffers->filling == NULL); /* it fills one after the other */
    /* AddressSanitizer does not see the kernel's writes: a buffer that was given away while it was
     * on offer is found here. */
    TSUGA_VERIFY(!tsuga_sanitize_is_poisoned(entry->block, entry->capacity_bytes));
    tsuga_sanitize_poison(entry->block, entry->capacity_bytes);
    tsuga_leases_admit(entry, io);
    entry->taken_bytes = 0;
    entry->pin_count = 1;
    buffers->filling = entry;
}

struct tsuga_lease_entry *tsuga_pieces_arrive(struct tsuga_buffers *buffers, struct tsuga_io *io,
                                              const struct tsuga_ring_result *result)
{
    struct tsuga_lease_entry *entry = tsuga_buffers_at(buffers, result);

    if (entry != buffers->filling)
        begin(buffers, io, entry);
    if (result->result > 0)
        entry->bytes += (uint32_t)result->result;
    TSUGA_VERIFY(entry->bytes <= entry->capacity_bytes); /* else the kernel wrote behind its end */
    return entry;
}

/* Without bytes the flags do not tell: kernels differ in what they say of a buffer that an end of
 * file or an error was met with. */
static bool is_used_up(const struct tsuga_buffers *buffers, const struct tsuga_ring_result *result)
{
    struct tsuga_ring *ring = buffers->executor->ring;

    if ((result->flags & TSUGA_RING_BUFFER_MORE) != 0)
        return false;
    return result->result > 0 || ring->ops->used(ring, &buffers->ring) != buffers->used_count;
}

void tsuga_pieces_settle(struct tsuga_buffers *buffers, struct tsuga_lease_entry *entry,
                         const struct tsuga_ring_result *result)
{
    if (!is_used_up(buffers, result))
        return;
    buffers->filling = NULL;
    buffers->used_count++;
    tsuga_buffers_withdraw(buffers);
    tsuga_leases_unpin(leases_of(entry), entry);
}

void tsuga_pieces_hold(struct tsuga_lease_entry *entry)
{
    entry->pin_count++;
}

void tsuga_pieces_drop(struct tsuga_lease_entry *entry)
{
    entry->taken_bytes = entry->bytes;
    tsuga_leases_unpin(leases_of(entry), entry);
}

int tsuga_pieces_slice(struct tsuga_lease_entry *entry, struct tsuga_lease_entry **out)
{
    struct tsuga_slice slice = {.offset = entry->taken_bytes,
                                .bytes = entry->bytes - entry->taken_bytes};
    int error = tsuga_leases_part(leases_of(entry), entry, &slice, out);

    if (error != 0)
        return error;
    tsuga_sanitize_unpoison((*out)->block, slice.bytes);
    tsuga_leases_attach(*out);
    return 0;
}

void tsuga_pieces_end(struct tsuga_buffers *buffers)
{
    struct tsuga_lease_entry *entry = buffers->filling;

    buffers->filling = NULL;
    if (entry != NULL)
        tsuga_leases_unpin(leases_of(entry), entry);
}
