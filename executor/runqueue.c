#include "executor/runqueue.h"

static _Atomic(struct tsuga_runqueue_node *) *slot_at(struct tsuga_runqueue *queue, uint32_t index)
{
    return &queue->slots[index % TSUGA_RUNQUEUE_SLOTS];
}

void tsuga_runqueue_init(struct tsuga_runqueue *queue)
{
    atomic_init(&queue->head, 0);
    atomic_init(&queue->tail, 0);
    for (uint32_t i = 0; i < TSUGA_RUNQUEUE_SLOTS; i++)
        atomic_init(&queue->slots[i], NULL);
    tsuga_fifo_init(&queue->overflow);
    queue->overflow_count = 0;
}

static bool append(struct tsuga_runqueue *queue, struct tsuga_runqueue_node *node)
{
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    /* Acquire pairs with the release of the exchanges below: whoever advanced the head has read
     * the slot that is about to be written. */
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_acquire);

    if (tail - head == TSUGA_RUNQUEUE_SLOTS)
        return false;
    atomic_store_explicit(slot_at(queue, tail), node, memory_order_relaxed);
    /* Publishes the slot and the actor behind it. Pairs with the acquire in steal(). */
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
    return true;
}

/* Moves as much of the list up as fits, so that thieves see it. */
static void refill(struct tsuga_runqueue *queue)
{
    while (queue->overflow_count > 0) {
        struct tsuga_runqueue_node *node = queue->overflow.first;
        /* Read now: once it is in the ring, the node may be stolen and linked elsewhere. */
        struct tsuga_runqueue_node *rest = node->next;

        if (!append(queue, node))
            return;
        queue->overflow.first = rest;
        queue->overflow_count--;
    }
}

void tsuga_runqueue_push(struct tsuga_runqueue *queue, struct tsuga_runqueue_node *node)
{
    if (queue->overflow_count == 0 && append(queue, node))
        return;
    tsuga_fifo_push(&queue->overflow, node);
    queue->overflow_count++;
}

struct tsuga_runqueue_node *tsuga_runqueue_pop(struct tsuga_runqueue *queue)
{
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    struct tsuga_runqueue_node *node;

    do {
        if (head == tail)
            return NULL;
        node = atomic_load_explicit(slot_at(queue, head), memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&queue->head, &head, head + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (queue->overflow_count > 0)
        refill(queue);
    return node;
}

/* Links the nodes of slots head ..< head + count. Only atomics are read before they are ours. */
static struct tsuga_runqueue_node *link_nodes(struct tsuga_runqueue_node *const *nodes,
                                              uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        nodes[i]->next = i + 1 < count ? nodes[i + 1] : NULL;
    return nodes[0];
}

struct tsuga_runqueue_node *tsuga_runqueue_steal(struct tsuga_runqueue *queue)
{
    struct tsuga_runqueue_node *nodes[TSUGA_RUNQUEUE_SLOTS / 2];
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    uint32_t count;

    for (;;) {
        /* Acquire pairs with the release in append(). */
        uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);

        count = tail - head;
        count -= count / 2;
        if (count == 0)
            return NULL;
        /* Head and tail were read one after the other: a count beyond half a ring is stale. */
        if (count > TSUGA_RUNQUEUE_SLOTS / 2) {
            head = atomic_load_explicit(&queue->head, memory_order_acquire);
            continue;
        }
        for (uint32_t i = 0; i < count; i++)
            nodes[i] = atomic_load_explicit(slot_at(queue, head + i), memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&queue->head, &head, head + count,
                                                    memory_order_acq_rel, memory_order_acquire))
            return link_nodes(nodes, count);
    }
}
