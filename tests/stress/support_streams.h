/*
 * What a stress run of streams, zero-copy sends and leases has done: streams by kind and by the
 * state in which the end of their actors found them, sends likewise, and what happened meanwhile.
 *
 * Owner: the program. Thread: any; every count is atomic.
 */
#ifndef TSUGA_TESTS_SUPPORT_STREAMS_H
#define TSUGA_TESTS_SUPPORT_STREAMS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/stress/support_tally.h"

#include <tsuga.h>

enum stress_stream {
    STRESS_RECV,
    STRESS_READ,
    STRESS_RECVMSG,
    STRESS_ACCEPT,
    STRESS_POLL,
    STRESS_TIMEOUT,
    STRESS_STREAMS,
};

/* As enum tsuga_stream_state, but what has ended counts while something waits in it. */
enum stress_stream_state {
    STRESS_ARMED, /* by the kernel; of periods: by the timer */
    STRESS_STARVED,
    STRESS_STALLED,
    STRESS_STUCK,
    STRESS_RESTING,
    STRESS_ENDED, /* with pieces that nobody has taken */
    STRESS_STREAM_STATES,
};

/* Of a send without a copy. */
enum stress_send_state {
    STRESS_SEND_QUEUED, /* no system call since */
    STRESS_SEND_TRYING, /* the socket has no room for it */
    STRESS_SEND_SENT,   /* the buffer waits for the peer */
    STRESS_SEND_FREE,   /* the last completion is in the mailbox */
    STRESS_SEND_STATES,
};

enum stress_event {
    STRESS_PIECES,      /* taken from streams of bytes */
    STRESS_CONNECTIONS, /* from streams of descriptors */
    STRESS_POLLED,
    STRESS_PERIODS,
    STRESS_PAUSES,
    STRESS_RESUMES,
    STRESS_CANCELS,
    STRESS_FORGOTTEN,
    STRESS_KEPT_LATE, /* leases looked at again before their release */
    STRESS_HANDED,    /* leases sent to other actors */
    STRESS_TAKEN_OUT, /* of these, taken out of their messages */
    STRESS_PASSED_ON,
    STRESS_COPIED,  /* before they were written to */
    STRESS_WRITTEN, /* without a copy */
    STRESS_SLICED,
    STRESS_RELEASED, /* callbacks of slices */
    STRESS_OUTLIVED, /* of these, after the end of whoever made the slice */
    STRESS_ZERO_COPY,
    STRESS_EARLY,
    STRESS_FELL_BACK, /* sends that were to go without a copy, and were plain */
    STRESS_FLOWS_WHOLE,
    STRESS_FLOWS_CUT,
    STRESS_SHORTAGES, /* of descriptors */
    STRESS_EVENTS,
};

struct stress_streams {
    struct stress_tally common; /* bytes compared, actors, rounds */
    _Atomic uint64_t stops[STRESS_STREAMS][STRESS_STREAM_STATES];
    _Atomic uint64_t sends[2][STRESS_SEND_STATES]; /* plain, early */
    _Atomic uint64_t events[STRESS_EVENTS];
};

static inline void stress_note(struct stress_streams *streams, enum stress_event event,
                               uint64_t count)
{
    stress_count(&streams->events[event], count);
}

static inline uint64_t stress_noted(const struct stress_streams *streams, enum stress_event event)
{
    return atomic_load_explicit(&streams->events[event], memory_order_relaxed);
}

/* Whether a stream of this kind can be met in this state at all. */
bool stress_streams_is_possible(enum stress_stream kind, enum stress_stream_state state);

/* The last moments of an actor: counts the streams and sends that it leaves. `enter_count` is the
 * ring's before its latest send was submitted. */
void stress_streams_take_stock(struct stress_streams *streams, struct tsuga_actor *self,
                               uint64_t enter_count);

/* Prints the tables. False when something that is possible did not happen. */
bool stress_streams_print(const struct stress_streams *streams);

#endif
