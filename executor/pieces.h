/*
 * Pieces: what has come into a buffer that the kernel goes on filling. Private to executor/.
 *
 * Of an incremental group one buffer at a time is on offer and lent as well. Its lease entry is the
 * actor's from the first piece on, but nobody has a handle to it: the actor gets slices, each over
 * what has come since the one before.
 *
 *     block   | taken: slices | waits in the stream | the kernel may write |
 *             0          taken_bytes              bytes          capacity_bytes
 *
 * Two pins hold the entry: one for the kernel, until it has filled the buffer or forgotten the
 * group, one as long as something waits in the stream. The slices are its children. So it is
 * offered again when the kernel and all slices are done with it, and arrivals need no memory: those
 * that come before the actor takes anything are one range. In AddressSanitizer builds what is not
 * in a slice is poisoned.
 *
 * Invariant: one stream uses the group, so that what follows a piece in its buffer follows it in
 * the stream, too.
 *
 * Owner: an executor. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_PIECES_H
#define TSUGA_EXECUTOR_PIECES_H

#include "executor/buffers.h"
#include "executor/leases.h"

/* Whether a lent buffer comes in pieces. */
static inline bool tsuga_pieces_are_of(const struct tsuga_lease_entry *entry)
{
    return entry->source == TSUGA_LEASE_LENT && entry->from.buffers->ring.is_incremental;
}

/* Add what a result brings to the buffer that it names. */
struct tsuga_lease_entry *tsuga_pieces_arrive(struct tsuga_buffers *buffers, struct tsuga_io *io,
                                              const struct tsuga_ring_result *result);

/* Afterwards: whether the result was the last one for the buffer. The entry may be gone. */
void tsuga_pieces_settle(struct tsuga_buffers *buffers, struct tsuga_lease_entry *entry,
                         const struct tsuga_ring_result *result);

/* Something of it waits in the stream; nothing does any more. */
void tsuga_pieces_hold(struct tsuga_lease_entry *entry);
void tsuga_pieces_drop(struct tsuga_lease_entry *entry);

/* All that waits, as a lease with a completion's reference. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_pieces_slice(struct tsuga_lease_entry *entry,
                                       struct tsuga_lease_entry **out);

/* The kernel has forgotten the group. */
void tsuga_pieces_end(struct tsuga_buffers *buffers);

#endif
