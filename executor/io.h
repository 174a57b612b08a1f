/*
 * What an actor has once it does I/O: its heap, its operation records, the descriptors it owns and
 * the leases it holds. Private to executor/.
 *
 * It outlives its actor: from the actor's end until the last result of its last operation it is an
 * orphan, owned by the executor, and only then are its descriptors closed and its memory given
 * back. Segments in which other actors have leases stay until those are gone.
 *
 * A record is one cache line in the I/O heap, and its address is the operation's user_data. It
 * carries the message that will bring the completion, so a completion needs no memory and cannot
 * be lost. What few operations need lies in a second record, the extra.
 *
 *     INFLIGHT ── last result ──> DONE ── put into the lane, taken ──> given back
 *     WAITING  ── a close that waits until no operation uses its descriptor ──> INFLIGHT
 *
 * Owner: the executor that is the actor's home. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_IO_H
#define TSUGA_EXECUTOR_IO_H

#include <linux/openat2.h>
#include <linux/time_types.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/descriptors.h"
#include "executor/leases.h"
#include "executor/ring.h"
#include "executor/seat.h"
#include "executor/ties.h"
#include "executor/timers.h"
#include "ioheap/ioheap.h"
#include "mailbox/message.h"
#include "runtime/base/list.h"

struct tsuga_buffers;
struct tsuga_calls;
struct tsuga_executor;
struct tsuga_io;

enum tsuga_record_state {
    TSUGA_RECORD_INFLIGHT = 1,
    TSUGA_RECORD_WAITING,
    TSUGA_RECORD_DONE,
    TSUGA_RECORD_TAKEN, /* its completion is the actor's current message */
    TSUGA_RECORD_GIVEN, /* given back, but a cancel still names it */
};

/* Bits of tsuga_record.flags. */
enum {
    TSUGA_RECORD_SILENT = 1 << 0,     /* nobody takes its completion */
    TSUGA_RECORD_LEASE = 1 << 1,      /* `buffer` is a lease, otherwise a block or NULL */
    TSUGA_RECORD_BRINGS = 1 << 2,     /* the lease's length becomes the result */
    TSUGA_RECORD_BRINGS_FD = 1 << 3,  /* the result is a new descriptor */
    TSUGA_RECORD_EXTRA = 1 << 4,      /* `more` is the extra, which has the context */
    TSUGA_RECORD_EXPIRED = 1 << 5,    /* its deadline has passed */
    TSUGA_RECORD_COUNTED = 1 << 6,    /* counted as a user of its descriptor */
    TSUGA_RECORD_VECTORS = 1 << 7,    /* the block holds vectors, which hold blocks */
    TSUGA_RECORD_READS = 1 << 8,      /* the result counts bytes in the buffer */
    TSUGA_RECORD_UNWANTED = 1 << 9,   /* somebody has asked for its end */
    TSUGA_RECORD_MULTI = 1 << 10,     /* a stream: `into` of the extra leads to it */
    TSUGA_RECORD_QUEUED = 1 << 11,    /* the stream's message is in the mailbox */
    TSUGA_RECORD_ZERO_COPY = 1 << 12, /* a send whose buffer the kernel reads */
    TSUGA_RECORD_COPIED = 1 << 13,    /* it copied the bytes all the same */
    TSUGA_RECORD_SENT = 1 << 14,      /* they are on their way: no cancel ends it any more */
    TSUGA_RECORD_JOB = 1 << 15,       /* a thread of the pool carries it out */
    TSUGA_RECORD_BLOCK3 = 1 << 16,    /* `argument.block` of the extra is a third block */
    TSUGA_RECORD_FD2 = 1 << 17,       /* `argument.fd2` of the extra is a second descriptor */
    TSUGA_RECORD_COUNTED2 = 1 << 18,  /* counted as a user of that */
    TSUGA_RECORD_CHAINED = 1 << 20,   /* a member of a chain, see executor/chain.h */
    TSUGA_RECORD_UNSTARTED = 1 << 21, /* a member that never began */
    TSUGA_RECORD_NAMED = 1 << 22,     /* a cancel of the user's has named it */
    TSUGA_RECORD_OF_STREAM = 1 << 23, /* a cancel of a stream */
};

struct tsuga_record {
    union {
        struct tsuga_message message;
        struct {
            uint64_t others[2];
            uint32_t flags; /* in place of to_generation: records are never posted */
        };
    };
    struct tsuga_io *io;
    union {
        void *context; /* of the user */
        struct tsuga_extra *extra;
    } more;
    union {
        void *block;
        struct tsuga_lease_entry *lease;
    } buffer;
    int32_t result;
    uint32_t slot;
    int32_t fd;
    uint8_t kind;  /* enum tsuga_op_kind */
    uint8_t state; /* enum tsuga_record_state */
};

/* The second record of an operation that needs one. */
struct tsuga_extra {
    void *context;     /* of the user */
    void *block;       /* a second block; of a message its envelope */
    void *into;        /* the user's memory, or where in its lease a read starts */
    size_t into_bytes; /* at most so many are there, 0: the result says; or the number of iovecs */
    union {
        struct open_how how;
        struct {
            void *address;
            uint32_t length;
            uint32_t flags;
        } send; /* zero copy: for a plain send in its place */
        struct {
            struct __kernel_timespec time;
            uint64_t target; /* user_data to cancel, or of the timeout to update */
        };
        struct {
            struct tsuga_sizer *sizer; /* of a single read or receive; or NULL */
            size_t asked;              /* bytes that it asked for */
        } sized;
        uint32_t sizer_slot; /* + 1 of a stream's own sizer; 0: none */
        void *job;
        void *block; /* a third one */
        int32_t fd2;
    } argument;
    uint32_t slot;
    uint32_t deadline_slot; /* + 1 of a third record; 0: none */
};

/* The third record of an operation that has a time limit. */
struct tsuga_deadline {
    struct tsuga_alarm alarm;
    struct tsuga_record *record;
};

_Static_assert(offsetof(struct tsuga_record, flags) ==
                   offsetof(struct tsuga_record, message.to_generation),
               "a record's flags take the place of a generation that it does not need");
_Static_assert(sizeof(struct tsuga_record) <= 64, "a record is one cache line");
_Static_assert(sizeof(struct tsuga_extra) <= 64, "an extra is one record");
_Static_assert(sizeof(struct tsuga_deadline) <= 64, "a deadline is one record");

struct tsuga_io {
    alignas(TSUGA_CACHE_LINE_BYTES) struct tsuga_ioheap heap; /* room for marks in the address */
    struct tsuga_slab slab;                                   /* records, in blocks of the heap */
    struct tsuga_executor *executor;
    struct tsuga_seat *seat;            /* NULL: orphan */
    uint32_t inflight;                  /* records that are not DONE */
    struct tsuga_descriptor_list owned; /* descriptors */
    struct tsuga_list_node leases;      /* struct tsuga_lease_entry */
    struct tsuga_list_node groups;      /* struct tsuga_buffers, the actor's own */
    struct tsuga_list_node stalled;     /* streams that wait until the actor gives something back */
    struct tsuga_completion completion; /* of the actor's current message */
    struct tsuga_peer peer;             /* likewise */
    struct tsuga_alarm again;           /* for cancels that missed */
    union {
        struct tsuga_record piece;         /* the current message while that is one of a stream's */
        struct {                           /* of an orphan */
            struct tsuga_list_node orphan; /* in the executor's list, oldest first */
            struct tsuga_obituary obituary; /* who waits for its reclaiming */
            uint64_t give_up_ns;            /* when it no longer counts */
            uint32_t closing_count;         /* descriptors that are being closed */
            bool is_leaked;                 /* given up after death_ms */
            bool is_still;                  /* nobody but holders of leases has anything of it */
        };
        struct tsuga_io *next_spare;
    };
};

/* Ten thousand idle connections count on it. */
_Static_assert(sizeof(struct tsuga_io) <= 768, "a size class of the allocator");

/* groups.c */

/* The group that a user's handle names. Errors: -EINVAL. */
TSUGA_NODISCARD int tsuga_io_find_group(struct tsuga_io *io, struct tsuga_group group,
                                        struct tsuga_buffers **out);

/* The actor's streams have ended: its groups go, as far as nobody has a buffer of them. */
void tsuga_io_close_groups(struct tsuga_io *io);

/* io.c */

/* Makes seat->io. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_io_make(struct tsuga_seat *seat);

/* The actor's I/O, made at its first use. Errors: -ENOMEM. */
TSUGA_NODISCARD static inline int tsuga_io_open(struct tsuga_seat *seat, struct tsuga_io **out)
{
    int error = seat->io != NULL ? 0 : tsuga_io_make(seat);

    *out = seat->io;
    return error;
}

/* The actor has ended: cancel what is in flight, drop the leases, wait for the kernel, and tell
 * those in the obituary, who are the callee's. */
void tsuga_io_orphan(struct tsuga_io *io, const struct tsuga_obituary *obituary);

/* Close the descriptors of an orphan whose last result has come, tell its monitors when that is
 * done, and reclaim it once nobody has a lease of it; anything else is left alone. */
void tsuga_io_settle(struct tsuga_io *io);

/* A descriptor of an orphan has been closed. */
void tsuga_io_end_close(struct tsuga_io *io);

/* Give up on orphans whose time is over, and when the next one's will be (TSUGA_FOREVER: never). */
void tsuga_io_expire_orphans(struct tsuga_executor *executor);
uint64_t tsuga_io_next_give_up_ns(const struct tsuga_executor *executor);

/* Free the recycled structs. */
void tsuga_io_free_spares(struct tsuga_executor *executor);

/* record.c */

/* A record, INFLIGHT, without buffer; kind, tag and context are the caller's to fill in.
 * Errors: -ENOBUFS. */
TSUGA_NODISCARD int tsuga_record_take(struct tsuga_io *io, struct tsuga_record **out);

/* Give a record its extra, if it has none. Errors: -ENOBUFS. */
TSUGA_NODISCARD int tsuga_record_extend(struct tsuga_record *record, struct tsuga_extra **out);

/* Give a record back with everything that hangs on it. A held record stays until it is not. */
void tsuga_record_give(struct tsuga_record *record);

/* Keep a record's address from being reused while a cancel names it. False: too many do. */
TSUGA_NODISCARD bool tsuga_record_hold(struct tsuga_record *record);
void tsuga_record_unhold(struct tsuga_record *record);

/* A token is generation << 32 | slot; generation 0 carries an error instead. */
static inline struct tsuga_token tsuga_record_token(const struct tsuga_record *record)
{
    uint64_t generation = tsuga_slab_generation(&record->io->slab, record->slot);

    return (struct tsuga_token){generation << 32 | record->slot};
}

/* A token that carries an error: generation 0 and the errno in place of a slot. */
static inline struct tsuga_token tsuga_token_error(int error)
{
    return (struct tsuga_token){(uint64_t)(uint32_t)-error};
}

/* The record that a user's token names. Errors: -ENOENT, -EINVAL, or what the token carries. */
TSUGA_NODISCARD int tsuga_record_find(struct tsuga_io *io, struct tsuga_token token,
                                      struct tsuga_record **out);

/* The same, when its completion will be delivered: one that is silent, or was forgotten, is as good
 * as spent to whoever wants to wait for it. */
TSUGA_NODISCARD int tsuga_record_find_heard(struct tsuga_io *io, struct tsuga_token token,
                                            struct tsuga_record **out);

/* The record in a slot of the slab; NULL when the slot is free, or holds an extra or a deadline. */
struct tsuga_record *tsuga_record_at(struct tsuga_io *io, uint32_t slot);

static inline struct tsuga_record *tsuga_record_of(const struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_record, message);
}

static inline struct tsuga_extra *tsuga_record_extra(const struct tsuga_record *record)
{
    return (record->flags & TSUGA_RECORD_EXTRA) != 0 ? record->more.extra : NULL;
}

/* Whether somebody will take its completions. */
static inline bool tsuga_record_is_wanted(const struct tsuga_record *record)
{
    return record->io->seat != NULL && (record->flags & TSUGA_RECORD_SILENT) == 0;
}

/* prepare.c */

/* Fill in a record and its request from what the user asked for: checks, copies, pins. On failure
 * the record may be half filled; tsuga_record_give() puts everything back.
 * Errors: those that a token may carry. */
TSUGA_NODISCARD int tsuga_record_prepare(struct tsuga_record *record, const struct tsuga_op *op,
                                         struct tsuga_ring_request *request);

/* start.c */

/* A record with everything that its request needs. On failure nothing is left of it.
 * Errors: those that a token may carry. */
TSUGA_NODISCARD int tsuga_record_make(struct tsuga_io *io, const struct tsuga_op *op,
                                      struct tsuga_ring_request *request,
                                      struct tsuga_record **out);

/* Put back a record that was prepared, perhaps in part, and never counted. */
void tsuga_record_abort(struct tsuga_record *record);

/* From now on the operation counts, until tsuga_record_complete(). */
void tsuga_record_count_in(struct tsuga_record *record);

/* Ask for the close that a WAITING record stands for: no operation uses its descriptor any more. */
void tsuga_record_start_close(struct tsuga_record *record);

/* Forget a WAITING record; its owner's end closes the descriptor. */
void tsuga_record_drop_waiting(struct tsuga_record *record);

/* complete.c */

/* A result from the ring or the pool for a record. */
void tsuga_record_complete(struct tsuga_record *record, int32_t result, bool has_more);

/* In a while, cancel what is unwanted, and end requests of streams that are in the way. */
void tsuga_io_cancel_again(struct tsuga_io *io);

/* A cancel of the executor's own that named this record has ended. */
void tsuga_record_end_cancel(struct tsuga_record *target, int32_t result);

/* The operation is over: its record is done, and what it claimed besides memory is not claimed any
 * more. True when somebody will take the completion. */
TSUGA_NODISCARD bool tsuga_record_end(struct tsuga_record *record, int32_t result);

/* The actor takes the completion: fill in io->completion and copy to the user's memory. Returns
 * what is the actor's current message. */
struct tsuga_message *tsuga_record_open(struct tsuga_record *record);

/* Undo what preparing has claimed beside memory: the time limit, the count on the descriptor, the
 * hold on a cancel's target. Each is undone once. */
void tsuga_record_disclaim(struct tsuga_record *record);

/* One operation less uses a descriptor of the actor: a close may have waited for that. */
void tsuga_record_leave(struct tsuga_io *io, int fd);

/* Ask the kernel to cancel the operation, until it ends. Its own completion tells how it did. */
void tsuga_record_cancel(struct tsuga_record *record);

/* Whether the operation uses a descriptor; whether it counts as a user of one that is owned. */
static inline bool tsuga_record_uses(const struct tsuga_record *record, int fd)
{
    return record->fd == fd || ((record->flags & TSUGA_RECORD_FD2) != 0 &&
                                tsuga_record_extra(record)->argument.fd2 == fd);
}

static inline bool tsuga_record_counts(const struct tsuga_record *record, int fd)
{
    return ((record->flags & TSUGA_RECORD_COUNTED) != 0 && record->fd == fd) ||
           ((record->flags & TSUGA_RECORD_COUNTED2) != 0 &&
            tsuga_record_extra(record)->argument.fd2 == fd);
}

/* job.c: operations that the pool of blocking threads runs */

/* What a thread of the pool does for an operation. */
struct tsuga_work {
    /* Its result is the operation's. NULL: run(argument) is called, and the result is 0. */
    int32_t (*call)(const struct tsuga_calls *calls, const struct tsuga_work *work);
    void (*run)(void *argument); /* of the user */
    void *argument;              /* for run, or the buffer */
    uint64_t number;             /* a length */
    int fd;
};

/* Whether an operation is for the pool because the ring cannot carry it out. */
bool tsuga_job_is_needed(const struct tsuga_ring *ring, enum tsuga_op_kind kind);

/* What such an operation asks of a thread. */
struct tsuga_work tsuga_job_work(const struct tsuga_op *op,
                                 const struct tsuga_ring_request *request);

/* Errors: -ENOMEM, -ENOBUFS; -EAGAIN no thread; -EBUSY the pool's queue is full. */
TSUGA_NODISCARD int tsuga_job_start(struct tsuga_record *record, const struct tsuga_work *work);

/* 0: it will never run and its completion says -ECANCELED; -EALREADY: it runs. */
int tsuga_job_cancel(struct tsuga_record *record);

#endif
