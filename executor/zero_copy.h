/*
 * Zero-copy sends. Private to executor/.
 *
 *     submitted ── first result, MORE ──> on its way ── notification ──> free
 *               ── a result without MORE ──> free (it failed)
 *     free ── no zero copy on the socket, no locked memory ──> submitted again as a plain send
 *
 * The buffer is pinned until the last result; the user hears of the send then, or, if it wants to
 * know early, at both.
 *
 * Owner: the record. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_ZERO_COPY_H
#define TSUGA_EXECUTOR_ZERO_COPY_H

#include <stdbool.h>

#include "executor/io.h"

/* Whether a send goes without a copy: by the user's wish, or by its size. */
bool tsuga_zero_copy_is_wanted(const struct tsuga_io *io, const struct tsuga_op *op);

/* Turn the request of a prepared send into one without a copy. Errors: -ENOBUFS. */
TSUGA_NODISCARD int tsuga_zero_copy_prepare(struct tsuga_record *record, const struct tsuga_op *op,
                                            struct tsuga_ring_request *request);

/* A result for a record with TSUGA_RECORD_ZERO_COPY, or of the plain send in its place. */
void tsuga_zero_copy_complete(struct tsuga_record *record, const struct tsuga_ring_result *result);

/* Reset the connections of an actor that has ended long ago, so that notifications come. */
void tsuga_zero_copy_cut_short(struct tsuga_io *io);

#endif
