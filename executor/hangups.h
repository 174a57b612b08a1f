/*
 * Watches for the end of what streams receive from. Private to executor/.
 *
 * A receive of the kernel that goes on and on can miss the end: when more than 128 wake-ups come
 * before it is looked after, they are no longer counted, and one that comes in the middle of the
 * looking is forgotten (io_poll_check_events(), seen on Linux 6.18 with a peer that writes many
 * small pieces and closes). Nothing more would ever come, and the stream would wait for ever. So a
 * poll for the hang-up, which completes once, goes beside it. A stream that is still armed a while
 * after that is armed anew, and then meets the end.
 *
 * A watch holds its record, and counts as in flight.
 *
 * Owner: the stream. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_HANGUPS_H
#define TSUGA_EXECUTOR_HANGUPS_H

#include <stdint.h>

struct tsuga_record;
struct tsuga_stream;

/* Have the hang-up watched, unless it is, or has come already. */
void tsuga_hangup_watch(struct tsuga_stream *stream);

/* The stream ends. */
void tsuga_hangup_unwatch(struct tsuga_stream *stream);

/* The watch on a record's stream, which may have ended, is over. */
void tsuga_hangup_complete(struct tsuga_record *record);

#endif
