/*
 * What waits in a stream for its actor. Private to executor/.
 *
 * Lent buffers are linked through their lease entries, accepted descriptors through the descriptor
 * table, poll events and expired periods are a number, results of a raw entry lie in places that
 * were reserved with it: so nothing is allocated when something arrives.
 *
 * Invariant: while something waits, the record's message stands in the mailbox.
 *
 * Owner: the stream. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_WAITING_H
#define TSUGA_EXECUTOR_WAITING_H

#include "executor/streams.h"

static inline bool tsuga_waiting_is_any(const struct tsuga_stream *stream)
{
    return stream->waiting.any != 0 || stream->number != 0;
}

/* The record's message goes to the mailbox, unless it stands there already. */
void tsuga_waiting_announce(struct tsuga_stream *stream);

void tsuga_waiting_push_buffer(struct tsuga_stream *stream, struct tsuga_lease_entry *entry);

/* The oldest; there is one. The empty datagrams behind it are in front now. */
struct tsuga_lease_entry *tsuga_waiting_pop_buffer(struct tsuga_stream *stream);

/* An empty datagram has no buffer. */
void tsuga_waiting_push_empty(struct tsuga_stream *stream);

void tsuga_waiting_push_descriptor(struct tsuga_stream *stream, int fd);
int tsuga_waiting_pop_descriptor(struct tsuga_stream *stream);

/* Of a raw entry. With no place left the entry is cancelled. */
void tsuga_waiting_push_result(struct tsuga_stream *stream, int32_t result);
int32_t tsuga_waiting_pop_result(struct tsuga_stream *stream);

/* Nobody will take what waits. */
void tsuga_waiting_drop(struct tsuga_stream *stream);

#endif
