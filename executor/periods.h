/*
 * Streams of periods, which turn on the executor's wheel: the kernel has nothing of them. Private
 * to executor/.
 *
 * Owner: the stream. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_PERIODS_H
#define TSUGA_EXECUTOR_PERIODS_H

#include "executor/streams.h"

/* Errors: -EINVAL, -ENOBUFS. */
TSUGA_NODISCARD int tsuga_period_prepare(struct tsuga_stream *stream, const struct tsuga_op *op);

/* The first one begins now. */
void tsuga_period_start(struct tsuga_stream *stream);

void tsuga_period_stop(struct tsuga_stream *stream);

#endif
