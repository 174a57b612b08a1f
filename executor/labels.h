/*
 * Labels: what comes beside the bytes of a message that a stream receives. They lie in front of
 * them in the same buffer, because messages wait in the stream, and each has its own. Private to
 * executor/.
 *
 *     struct tsuga_ring_labels | name | control | bytes
 *     |<------------- lead ------------------->|
 *
 * A multishot receive has the kernel write all that. For a single one the parts of the message's
 * header point there, and the lengths are written when the result has come. The user sees the bytes
 * and, in `peer`, the labels.
 *
 * Owner: the lease of the buffer. Thread: the executor's.
 */
#ifndef TSUGA_EXECUTOR_LABELS_H
#define TSUGA_EXECUTOR_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/io.h"
#include "executor/leases.h"
#include "executor/ring.h"

/* The envelope of a stream's requests, with room for so much ancillary data.
 * lead_out  receives how many bytes of each buffer are in front of the message's own.
 * Errors: -EMSGSIZE, -ENOBUFS. */
TSUGA_NODISCARD int tsuga_labels_prepare(struct tsuga_record *record, size_t control_bytes,
                                         uint32_t *lead_out);

/* The header of a multishot request: the kernel looks at the lengths only. */
struct msghdr *tsuga_labels_aim(struct tsuga_record *record, uint32_t lead_bytes);

/* That of a single one, whose message shall come to `buffer`. */
struct msghdr *tsuga_labels_aim_at(struct tsuga_record *record, uint32_t lead_bytes, void *buffer,
                                   uint32_t buffer_bytes);

/* It has come to `buffer`: so many bytes. */
void tsuga_labels_write(struct tsuga_record *record, void *buffer, uint32_t bytes);

/* Whether something has come beside bytes, of which there may be none. */
bool tsuga_labels_has_control(const void *buffer);

/* Those of a message whose bytes the lease shows. */
static inline void *tsuga_labels_of(const struct tsuga_lease_entry *entry)
{
    return (char *)entry->block - entry->lead_bytes;
}

/* Descriptors in the ancillary data of the message at `buffer` become the actor's, or are closed.
 */
void tsuga_labels_claim(struct tsuga_io *io, void *buffer, bool is_wanted);

/* Nobody will see the message: what became the actor's is closed. */
void tsuga_labels_disclaim(struct tsuga_io *io, void *buffer);

/* Fills in io->peer. */
const struct tsuga_peer *tsuga_labels_show(struct tsuga_io *io, void *buffer);

#endif
