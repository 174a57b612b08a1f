/*
 * Chains: operations that the kernel starts one after the other, in one piece. Private to
 * executor/.
 *
 * A soft link starts the next member when this one has succeeded in full, a hard one however this
 * one ends. The kernel keeps the order; the chain here knows how far it has come, for two things
 * that the kernel does not tell or do: whether a member that was cancelled had begun, and cancels
 * that must follow a chain from member to member, because the kernel does not find one that has not
 * begun.
 *
 * Invariant: members before `first` have ended. Results come in order, because the kernel posts one
 * before it starts the next member; where they do not, the members had not begun.
 *
 * Owner: the members together; the last one's result frees it. Thread: the executor's.
 */
#ifndef TSUGA_EXECUTOR_CHAIN_H
#define TSUGA_EXECUTOR_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/io.h"

struct tsuga_chain_member {
    struct tsuga_record *record; /* NULL: it has ended */
    struct tsuga_ring_request request;
};

struct tsuga_chain {
    struct tsuga_alarm alarm; /* its time limit */
    struct tsuga_io *io;
    uint32_t count;
    uint32_t left_count;  /* members that have not ended */
    uint32_t first;       /* of these */
    uint32_t begin_count; /* members from here on never begin */
    struct tsuga_chain_member members[];
};

/* The chain of a member in flight: its message is in no lane, which leaves the link free. */
static inline struct tsuga_chain *tsuga_chain_of(const struct tsuga_record *record)
{
    return (record->flags & TSUGA_RECORD_CHAINED) != 0 ? (void *)record->message.next : NULL;
}

/* Whether a cancel can find the operation: false while others of its chain come first. */
static inline bool tsuga_chain_has_reached(const struct tsuga_record *record)
{
    const struct tsuga_chain *chain = tsuga_chain_of(record);

    return chain == NULL || chain->members[chain->first].record == record;
}

/* A member's result is there: tell whether it had begun, and what becomes of the next one. Before
 * anything that the request points to is given back. */
void tsuga_chain_end_member(struct tsuga_record *record, int32_t result);

/* The kernel was never shown the member: it took the beginning of the chain and no more. */
void tsuga_chain_sever(const struct tsuga_record *record);

#endif
