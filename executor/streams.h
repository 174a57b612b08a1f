/*
 * Streams: operations with many completions under one record and one token. Private to executor/.
 *
 * What arrives waits in the stream, not in the mailbox: lent buffers in a list that runs through
 * their lease entries, accepted descriptors in one that runs through the descriptor table, poll
 * events and expired periods as one number, other results of a raw entry in places that it was made
 * with. The record's message stands in the mailbox as long as something waits; each time that the
 * actor takes it, it brings one completion, and goes back to the end of its lane if there is more.
 * So nothing is allocated when results arrive, however many.
 *
 * The kernel ends multishot requests for many reasons; the one sign is a result without MORE. The
 * stream is then armed again, at once or when the cause has gone:
 *
 *     ARMED ── ended by the kernel ──> STARVED  no buffer is on offer in the group
 *                                      STALLED  the actor has borrowed too much
 *                                      STUCK    no descriptor is left, or the heap is full
 *                                      RESTING  the user paused it
 *     any of them ── the cause has gone ──> ARMED
 *     any ── end of file, error, cancel, time limit ──> ENDED
 *
 * Kernels without multishot, and rings without groups of buffers, take one request after the other.
 *
 * A stream is a record of its actor's slab; the kernel does not know of it.
 *
 * Owner: the record. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_STREAMS_H
#define TSUGA_EXECUTOR_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/buffers.h"
#include "executor/io.h"

enum tsuga_stream_state {
    TSUGA_STREAM_ARMED,
    TSUGA_STREAM_STARVED,
    TSUGA_STREAM_STALLED,
    TSUGA_STREAM_STUCK,
    TSUGA_STREAM_RESTING,
    TSUGA_STREAM_ENDED,
};

struct tsuga_stream {
    struct tsuga_record *record;
    struct tsuga_list_node link; /* among the starved, the stalled or the stuck */
    union {
        struct tsuga_lease_entry
            *last; /* lent buffers that wait: the last one leads to the first */
        struct {
            int32_t first; /* + 1 of descriptors that wait; 0: none */
            int32_t last;
        } fds;
        uint64_t count; /* periods */
        uint64_t any;   /* 0: none of these */
    } waiting;
    union {
        struct tsuga_buffers *buffers; /* NULL: each receive gets a block of the actor's heap */
        uint64_t period_ns;
    } from;
    union {
        struct tsuga_sizer *sizer; /* or NULL */
        uint64_t due_ns;           /* the end of the next period */
        uint32_t hung;             /* poll events with which a stream of polls ends */
        uint32_t first;            /* RAW: place of the oldest result, of TSUGA_RAW_WAITING_MAX in
                                      the extra's third block that are used in a circle */
    } by;
    uint32_t flags;        /* of the request */
    uint32_t lead_bytes;   /* of each buffer: RECVMSG, see labels.h */
    uint32_t number;       /* poll events that wait; empty datagrams before the first buffer;
                              RAW: results that wait */
    uint8_t state;         /* enum tsuga_stream_state */
    uint8_t class;         /* of the next group: 2^class bytes */
    bool is_paused : 1;    /* by the user */
    bool is_disarming : 1; /* a cancel is under way */
    bool is_moving : 1;    /* to another group */
    bool is_single : 1;    /* the kernel has no multishot for it */
    bool shows_end : 1;    /* TSUGA_OP_SHOW_END */
    bool is_hung : 1;      /* POLL: the descriptor has nothing more to say */
    bool is_watched : 1;   /* for the hang-up, see hangups.h */
    bool has_hung_up : 1;  /* that has come */
    bool is_in_doubt : 1;  /* and the request does not seem to know */
    bool is_overrun : 1;   /* RAW: results had no place */
};

_Static_assert(sizeof(struct tsuga_stream) <= 64, "a stream is one record");

/* The stream of a record with TSUGA_RECORD_MULTI. */
static inline struct tsuga_stream *tsuga_stream_of(const struct tsuga_record *record)
{
    return tsuga_record_extra(record)->into;
}

/* Whether a record with TSUGA_RECORD_MULTI stands for one request, which is prepared like that of
 * any other operation: a send with an early result, a raw entry. All others make their requests
 * themselves. */
static inline bool tsuga_stream_is_single(const struct tsuga_record *record)
{
    return record->kind == TSUGA_OP_SEND || record->kind == TSUGA_OP_RAW;
}

static inline struct tsuga_executor *tsuga_stream_executor(const struct tsuga_stream *stream)
{
    return stream->record->io->executor;
}

/* What comes beside the bytes has labels, see labels.h. */
static inline bool tsuga_stream_takes_messages(const struct tsuga_stream *stream)
{
    return stream->record->kind == TSUGA_OP_RECVMSG;
}

static inline bool tsuga_stream_takes_buffers(const struct tsuga_stream *stream)
{
    return stream->record->kind == TSUGA_OP_RECV || stream->record->kind == TSUGA_OP_READ ||
           stream->record->kind == TSUGA_OP_RECVMSG;
}

static inline bool tsuga_stream_brings_descriptors(const struct tsuga_stream *stream)
{
    return stream->record->kind == TSUGA_OP_ACCEPT ||
           (stream->record->kind == TSUGA_OP_RAW &&
            (stream->record->flags & TSUGA_RECORD_BRINGS_FD) != 0);
}

/* Give a record a stream that is armed. Errors: -ENOBUFS. */
TSUGA_NODISCARD int tsuga_stream_attach(struct tsuga_record *record);

/* The same for a raw entry, with places for its results. Errors: -EINVAL; -ENOBUFS. */
TSUGA_NODISCARD int tsuga_stream_attach_raw(struct tsuga_record *record);

/* Bring the record's result as a completion before the last one. */
void tsuga_stream_tell(struct tsuga_record *record);

/* The last result has come. */
void tsuga_stream_finish(struct tsuga_record *record, int32_t result);

/* Fill in a record for a stream, but no request. Errors: those that a token may carry. */
TSUGA_NODISCARD int tsuga_stream_prepare(struct tsuga_record *record, const struct tsuga_op *op);

/* Arm a stream that counts as in flight from now on. */
void tsuga_stream_begin(struct tsuga_record *record);

/* A result of its request. */
void tsuga_stream_complete(struct tsuga_record *record, const struct tsuga_ring_result *result);

/* The actor takes one completion: fill in io->completion. Returns what is its current message. */
struct tsuga_message *tsuga_stream_open(struct tsuga_record *record);

/* End a stream of which the kernel has nothing. False: the kernel must be asked. */
bool tsuga_stream_end_idle(struct tsuga_record *record);

/* A cancel of the executor's own, which named the record, has ended. True: it missed, and is wanted
 * still. */
bool tsuga_stream_end_disarm(struct tsuga_record *record);

/* Ask again for what a cancel has missed. */
void tsuga_stream_disarm_again(struct tsuga_record *record);

/* The actor is done with one completion: its buffer goes back. */
void tsuga_stream_give_piece(struct tsuga_record *piece);

/* What it receives from has hung up, which its request must tell, too. */
void tsuga_stream_hang_up(struct tsuga_record *record);

/* Ask the kernel to end the request. It is armed again, unless something is in the way. */
void tsuga_stream_disarm(struct tsuga_stream *stream);

/* Nobody will take what waits. */
void tsuga_stream_drop(struct tsuga_record *record);

/* What hangs on a record that is given back. */
void tsuga_stream_free(struct tsuga_record *record);

/* Let up to `count` streams go on that wait for a buffer of the group. */
void tsuga_streams_feed(struct tsuga_buffers *buffers, uint32_t count);

/* The actor has given something back: its stalled streams go on, if it has not borrowed too much.
 */
void tsuga_streams_relieve(struct tsuga_io *io);

#endif
