/*
 * Run queues of one executor.
 *
 * struct tsuga_runqueue holds actors that may move: a ring of slots that the owner fills at the
 * tail and everybody empties at the head, by a compare-and-exchange. (A bounded queue with one
 * producer and many consumers, as in the schedulers of Go and Tokio.) What does not fit waits in
 * the owner's list and moves up as the ring empties, so a push never fails.
 *
 * struct tsuga_fifo is a plain list for actors that may not move.
 *
 * Invariants: head <= tail <= head + TSUGA_RUNQUEUE_SLOTS; the list is empty unless the ring was
 * full; everything in the list is younger than everything in the ring.
 *
 * Owner: an executor. Thread: the owner's, except tsuga_runqueue_steal().
 */
#ifndef TSUGA_EXECUTOR_RUNQUEUE_H
#define TSUGA_EXECUTOR_RUNQUEUE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/bits.h"

#define TSUGA_RUNQUEUE_SLOTS 256u

struct tsuga_runqueue_node {
    struct tsuga_runqueue_node *next;
};

struct tsuga_fifo {
    struct tsuga_runqueue_node *first;
    struct tsuga_runqueue_node *last; /* undefined while first is NULL */
};

struct tsuga_runqueue {
    /* thieves and owner */
    alignas(TSUGA_CACHE_LINE_BYTES) _Atomic uint32_t head;
    /* owner writes, thieves read */
    alignas(TSUGA_CACHE_LINE_BYTES) _Atomic uint32_t tail;
    _Atomic(struct tsuga_runqueue_node *) slots[TSUGA_RUNQUEUE_SLOTS];
    /* owner */
    struct tsuga_fifo overflow;
    uint32_t overflow_count;
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

void tsuga_runqueue_init(struct tsuga_runqueue *queue);

void tsuga_runqueue_push(struct tsuga_runqueue *queue, struct tsuga_runqueue_node *node);

/* The oldest; NULL when there is none. */
struct tsuga_runqueue_node *tsuga_runqueue_pop(struct tsuga_runqueue *queue);

/* The older half of another executor's ring, at least one, oldest first, linked by `next`; NULL
 * when there is nothing. Thread: any but the owner's. */
struct tsuga_runqueue_node *tsuga_runqueue_steal(struct tsuga_runqueue *queue);

/* How many wait. Exact for the owner as long as nobody steals. */
static inline uint32_t tsuga_runqueue_count(const struct tsuga_runqueue *queue)
{
    return atomic_load_explicit(&queue->tail, memory_order_relaxed) -
           atomic_load_explicit(&queue->head, memory_order_relaxed) + queue->overflow_count;
}

#endif
