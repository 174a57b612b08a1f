/*
 * Streams that receive: where their buffers come from, and what comes in them. Private to
 * executor/.
 *
 * Buffers are lent by a group, the executor's or the actor's own; without one each receive brings a
 * block of the actor's heap.
 *
 * Owner: the stream. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_INPUTS_H
#define TSUGA_EXECUTOR_INPUTS_H

#include "executor/ring.h"
#include "executor/streams.h"

/* Size, group and flags from what the user asked for; of messages the envelope as well.
 * Errors: those that a token may carry. */
TSUGA_NODISCARD int tsuga_input_prepare(struct tsuga_stream *stream, const struct tsuga_op *op);
TSUGA_NODISCARD int tsuga_input_prepare_messages(struct tsuga_stream *stream,
                                                 const struct tsuga_op *op);

/* Whether the actor shall give something back before it gets more. */
bool tsuga_input_is_over(const struct tsuga_stream *stream);

/* Whether nobody else may have the group before the actor has taken everything. */
bool tsuga_input_is_exclusive(const struct tsuga_stream *stream);

/* The group that the stream wants now; one of the actor's own stays what it is. */
void tsuga_input_choose(struct tsuga_stream *stream);
void tsuga_input_leave(struct tsuga_stream *stream);

/* Without a group: a block of the actor's heap for one receive. Errors: those of the heap. */
TSUGA_NODISCARD int tsuga_input_bring_block(struct tsuga_stream *stream,
                                            struct tsuga_ring_request *request);

/* What a receive brings. Returns what its result says of the stream: 0 is the end. */
int32_t tsuga_input_arrive(struct tsuga_stream *stream, const struct tsuga_ring_result *result);

/* Whether such a result is the end, or an error that no other buffer and no later time would mend.
 */
bool tsuga_input_is_last(struct tsuga_stream *stream, int32_t result);

/* The actor takes the oldest: fill in the completion. */
void tsuga_input_take(struct tsuga_stream *stream, struct tsuga_completion *completion);

#endif
