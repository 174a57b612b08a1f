/*
 * Buffers that receives take from: a group of one size, offered to the kernel, which takes one when
 * data for it is there and not before. What it took is lent to the actor as a lease, whose entry is
 * the buffer's own, so that an arrival needs no memory; the buffer is offered again when the lease
 * is gone. Private to executor/.
 *
 *     on offer ── a result names its number ──> lent ── its lease is gone ──> on offer
 *
 * A buffer of an incremental group is both for a while, see pieces.h.
 *
 * The executor's own groups (struct tsuga_receive) are made when a stream first wants their size,
 * grow while streams wait for buffers, and shrink when many were on offer all the time. A group of
 * an actor's own has a fixed number of buffers in the actor's I/O heap.
 *
 * Invariants: offered_count <= count <= ring.entries; no stream is armed while offered_count is 0;
 * the kernel's own count of offers may be lower, as results that name some are on their way.
 *
 * Owner: an executor. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_BUFFERS_H
#define TSUGA_EXECUTOR_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/ring.h"
#include "executor/seat.h"
#include "executor/timers.h"
#include "ioheap/ioheap.h"
#include "runtime/base/assert.h"
#include "runtime/base/list.h"

#define TSUGA_GROUPS_MAX 1024u /* of one executor */

struct tsuga_executor;
struct tsuga_io;
struct tsuga_lease_entry;

struct tsuga_buffers {
    struct tsuga_list_node link; /* among the groups of its io, when it is an actor's */
    struct tsuga_ring_group ring;
    struct tsuga_executor *executor;
    struct tsuga_ioheap *heap; /* that holds buffers and offers */
    struct tsuga_io *owner;    /* NULL: the executor's */
    uint64_t handle;           /* names it to the actor */
    /* By number; NULL: there is no such buffer. */
    struct tsuga_lease_entry **entries;
    struct tsuga_lease_entry *filling; /* has pieces, and is on offer; see pieces.h */
    uint32_t buffer_bytes;
    uint32_t count;                 /* buffers */
    uint32_t offered_count;         /* of these, on offer */
    uint32_t offered_min;           /* fewest that the kernel saw since the last trim not calm */
    uint32_t unseen_count;          /* of those on offer, offered since the kernel was entered */
    uint64_t enter_count;           /* of the ring, when that was counted */
    uint32_t surplus_count;         /* so many of those that come back are freed */
    uint8_t calm_count;             /* trims in a row that found buffers which nobody needed */
    uint8_t patience;               /* so many of them before such buffers are freed */
    bool has_shrunk;                /* since streams starved */
    bool was_missed;                /* before the last trim, too, a buffer was */
    uint32_t user_count;            /* streams */
    uint32_t missed_count;          /* times since the last trim that one of them found none */
    uint16_t used_count;            /* of incremental ones, that the kernel has filled; mod 2^16 */
    bool is_exclusive;              /* one stream at a time */
    bool is_closed;                 /* the kernel has forgotten it: what comes back is freed */
    struct tsuga_list_node starved; /* streams that wait for a buffer */
    struct tsuga_list_node hungry;  /* among the groups in which streams wait */
};

/* An executor's receiving side. */
struct tsuga_receive {
    struct tsuga_ioheap heap;                               /* of its own groups */
    struct tsuga_buffers *shared[TSUGA_IOHEAP_CLASS_COUNT]; /* of 64 << i bytes */
    uint64_t ids[TSUGA_GROUPS_MAX / 64];                    /* a bit for each group id in use */
    uint64_t handle_last;
    bool is_refused;               /* locked memory was short: not asked again before the trim */
    bool was_refused;              /* that was said */
    struct tsuga_list_node hungry; /* groups in which streams wait: looked at in each tick */
    struct tsuga_list_node stuck;  /* accept streams that wait for descriptors */
    struct tsuga_alarm retry;      /* of those */
};

/* What a group is to be. */
struct tsuga_buffers_config {
    struct tsuga_ioheap *heap;
    struct tsuga_io *owner;
    uint32_t buffer_bytes; /* a size class of the heap */
    uint32_t count;        /* buffers at first */
    uint32_t count_max;    /* power of two, <= 32768 */
    bool is_incremental;   /* filled piece by piece, if the kernel can; one stream at a time */
};

/* Errors: that of tsuga_ioheap_init(). */
TSUGA_NODISCARD int tsuga_receive_init(struct tsuga_receive *receive,
                                       struct tsuga_executor *executor);

/* Gives the executor's own groups back, while its ring is still there and nothing is in flight. */
void tsuga_receive_close(struct tsuga_executor *executor);
void tsuga_receive_fini(struct tsuga_receive *receive);

/* The executor's group of the least size that holds `bytes`, or of the largest. NULL: there is
 * none to be had. */
struct tsuga_buffers *tsuga_receive_group(struct tsuga_executor *executor, size_t bytes);

/* Whether streams wait for buffers. */
static inline bool tsuga_receive_is_hungry(const struct tsuga_receive *receive)
{
    return !tsuga_list_is_empty(&receive->hungry);
}

/* In each tick while streams wait: feed them, and let the executor's own groups grow. */
void tsuga_receive_feed(struct tsuga_receive *receive);

/* Now and then: let groups shrink that were larger than needed since the last time, and grow that
 * were too small. `is_late`: that was twice as long ago as it should be, or longer. */
void tsuga_receive_trim(struct tsuga_executor *executor, bool is_late);

/* A group. Errors: -ENOMEM; -ENOBUFS, -EMSGSIZE of the heap; -ENOSPC; those of the ring. */
TSUGA_NODISCARD int tsuga_buffers_open(struct tsuga_executor *executor,
                                       const struct tsuga_buffers_config *config,
                                       struct tsuga_buffers **out);

/* No stream uses it. What is lent is freed when it comes back, and the group with the last one. */
void tsuga_buffers_close(struct tsuga_buffers *buffers);

/* The buffer that a result names, of a group that is not incremental. It is no longer on offer. */
struct tsuga_lease_entry *tsuga_buffers_take(struct tsuga_buffers *buffers,
                                             const struct tsuga_ring_result *result);

/* The buffer that a result names, wherever it is; and it is on offer no more. */
struct tsuga_lease_entry *tsuga_buffers_at(const struct tsuga_buffers *buffers,
                                           const struct tsuga_ring_result *result);
void tsuga_buffers_withdraw(struct tsuga_buffers *buffers);

/* A lent buffer's lease is gone. */
void tsuga_buffers_return(struct tsuga_lease_entry *entry);

#endif
