/*
 * What an executor will run next.
 *
 * struct tsuga_runqueue holds actors that may move: a ring with one producer and many consumers,
 * after the local run queues of the Go and Tokio schedulers. The owner appends at the tail; the
 * owner, one at a time, and thieves, half at a time, take from the head by compare-and-exchange.
 * What finds no room waits in a list of the owner, so that a push cannot fail, and moves up at the
 * owner's next push or pop that finds room. Thieves see the ring only.
 *
 * struct tsuga_fifo is a plain list for actors that may not move.
 *
 * Invariants: head <= tail <= head + TSUGA_RUNQUEUE_SLOTS; everything in the list is younger than
 * everything in the ring; a slot is overwritten only after head has passed it. A member is in at
 * most one queue at a time.
 *
 * Owner:  an executor.
 * Thread: the owner's, except where stated.
 * Blocks: never.
 */
#ifndef TSUGA_EXECUTOR_RUNQUEUE_H
#define TSUGA_EXECUTOR_RUNQUEUE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/bits.h"

#define TSUGA_RUNQUEUE_SLOTS 256u

struct tsuga_runqueue_node {
    struct tsuga_runqueue_node *next;
};

struct tsuga_fifo {
    struct tsuga_runqueue_node *first;
    struct tsuga_runqueue_node *last; /* undefined while first is NULL */
};

/* Atomic, because a thief may read a slot that it will not get while the owner writes it. */
struct tsuga_runqueue_slot {
    _Atomic(struct tsuga_runqueue_node *) node;
};

struct tsuga_runqueue {
    /* any thread; 64 bits, so that a thief that slept does not meet the same number again */
    alignas(TSUGA_CACHE_LINE_BYTES) _Atomic uint64_t head;

    /* owner; thieves read the tail */
    alignas(TSUGA_CACHE_LINE_BYTES) _Atomic uint64_t tail;
    uint64_t head_seen; /* a head of the past: room counted from it is there */
    struct tsuga_fifo overflow;
    uint32_t overflow_count;

    /* written by the owner, read by all */
    alignas(TSUGA_CACHE_LINE_BYTES) struct tsuga_runqueue_slot slots[TSUGA_RUNQUEUE_SLOTS];
};

static inline void tsuga_fifo_init(struct tsuga_fifo *fifo)
{
    fifo->first = NULL;
    fifo->last = NULL;
}

static inline bool tsuga_fifo_is_empty(const struct tsuga_fifo *fifo)
{
    return fifo->first == NULL;
}

static inline void tsuga_fifo_push(struct tsuga_fifo *fifo, struct tsuga_runqueue_node *node)
{
    node->next = NULL;
    if (fifo->first == NULL)
        fifo->first = node;
    else
        fifo->last->next = node;
    fifo->last = node;
}

/* The oldest; NULL when there is none. */
static inline struct tsuga_runqueue_node *tsuga_fifo_pop(struct tsuga_fifo *fifo)
{
    struct tsuga_runqueue_node *node = fifo->first;

    if (node != NULL)
        fifo->first = node->next;
    return node;
}

/* Thread: any, before others know the queue. */
void tsuga_runqueue_init(struct tsuga_runqueue *queue);

/* Appends the node; what the caller wrote to its member before is seen by whoever takes it. */
void tsuga_runqueue_push(struct tsuga_runqueue *queue, struct tsuga_runqueue_node *node);

/* The oldest; NULL when there is none. */
struct tsuga_runqueue_node *tsuga_runqueue_pop(struct tsuga_runqueue *queue);

/* The older half of another executor's ring, rounded up, oldest first, linked by `next`; NULL when
 * the ring is empty, or others were quicker several times in a row. Thread: any but the owner's. */
struct tsuga_runqueue_node *tsuga_runqueue_steal(struct tsuga_runqueue *victim);

/* How many a thief would find; out of date when it returns. Thread: any. */
uint32_t tsuga_runqueue_stealable_count(const struct tsuga_runqueue *queue);

/* How many wait. Thieves can make it less, nobody else can make it more. */
static inline uint64_t tsuga_runqueue_count(const struct tsuga_runqueue *queue)
{
    return atomic_load_explicit(&queue->tail, memory_order_relaxed) -
           atomic_load_explicit(&queue->head, memory_order_relaxed) + queue->overflow_count;
}

#endif
