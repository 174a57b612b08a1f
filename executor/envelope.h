/*
 * The envelope of a message: what the kernel is shown beside the bytes, in one block of the actor's
 * I/O heap, which hangs on the operation's extra. Private to executor/.
 *
 *     struct tsuga_envelope | iovecs | name | control | numbers of the descriptors carried
 *
 * A send carries descriptors of its actor: they count as in use until its last result, because the
 * kernel may look at the numbers as late as that. What a receive brings belongs to the actor from
 * the moment of the result, or is closed.
 *
 * Owner: the record. Thread: the executor's.
 */
#ifndef TSUGA_EXECUTOR_ENVELOPE_H
#define TSUGA_EXECUTOR_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "executor/io.h"

struct tsuga_envelope {
    struct msghdr header;   /* the kernel writes the lengths of name and control, and the flags */
    uint32_t block_count;   /* iovecs whose bytes lie in blocks of their own, or nowhere yet */
    uint32_t carried_count; /* descriptors of the actor that a send has under way */
    int32_t *carried;
};

/* Whether the operation has one, or may get one: of an accept only that which tells the peer. */
static inline bool tsuga_envelope_is_used(const struct tsuga_record *record)
{
    return record->kind == TSUGA_OP_RECVMSG || record->kind == TSUGA_OP_SENDMSG ||
           record->kind == TSUGA_OP_ACCEPT;
}

/* The record's envelope; NULL when it has none, or has none yet. */
static inline struct tsuga_envelope *tsuga_envelope_of(const struct tsuga_record *record)
{
    const struct tsuga_extra *extra = tsuga_record_extra(record);

    return extra != NULL && tsuga_envelope_is_used(record) ? extra->block : NULL;
}

/* Makes an envelope with room for as much as the lengths in `shape` say; its iovecs are empty, name
 * and control are whatever the memory holds. Errors: -ENOBUFS, -EMSGSIZE. */
TSUGA_NODISCARD int tsuga_envelope_make(struct tsuga_record *record, const struct msghdr *shape,
                                        struct tsuga_envelope **out);

/* Counts the descriptors in the control as in use. Errors: -EBADF one is being closed. */
TSUGA_NODISCARD int tsuga_envelope_take_up(struct tsuga_record *record);

/* Counts them no longer; done once. */
void tsuga_envelope_put_down(struct tsuga_record *record);

/* Descriptors that have come with a message become the actor's, or are closed. */
void tsuga_envelope_claim(struct tsuga_io *io, struct msghdr *header, bool is_wanted);

/* Nobody will see the message: descriptors that have become the actor's are closed. */
void tsuga_envelope_disclaim(struct tsuga_io *io, const struct msghdr *header);

/* Fills in io->peer. */
const struct tsuga_peer *tsuga_envelope_show(struct tsuga_io *io, const struct msghdr *header);

/* The result is there: descriptors in the control become the actor's, or are closed. */
void tsuga_envelope_arrive(struct tsuga_record *record, bool is_wanted);

/* Nobody will see the completion: descriptors that have become the actor's are closed. */
void tsuga_envelope_refuse(struct tsuga_record *record);

/* Fills in io->peer; NULL when the operation has none, or has failed. */
const struct tsuga_peer *tsuga_envelope_open(const struct tsuga_record *record);

/* Frees the blocks that its iovecs hold; the envelope's own is freed with the extra. */
void tsuga_envelope_empty(struct tsuga_record *record);

#endif
