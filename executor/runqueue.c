#include "executor/runqueue.h"

#include "runtime/base/assert.h"

#define MASK      (TSUGA_RUNQUEUE_SLOTS - 1)
#define STEAL_MAX (TSUGA_RUNQUEUE_SLOTS / 2)

/* Beaten this often, a thief looks elsewhere: the victim is well awake. */
#define STEAL_TRIES 4

_Static_assert((TSUGA_RUNQUEUE_SLOTS & MASK) == 0, "slots are found by masking");

void tsuga_runqueue_init(struct tsuga_runqueue *queue)
{
    atomic_init(&queue->head, 0);
    atomic_init(&queue->tail, 0);
    queue->head_seen = 0;
    tsuga_fifo_init(&queue->overflow);
    queue->overflow_count = 0;
    for (uint32_t i = 0; i < TSUGA_RUNQUEUE_SLOTS; i++)
        atomic_init(&queue->slots[i].node, NULL);
}

/* Only the owner writes the tail, so the owner needs no order to read it. */
static uint64_t own_tail(const struct tsuga_runqueue *queue)
{
    return atomic_load_explicit(&queue->tail, memory_order_relaxed);
}

static uint64_t room(struct tsuga_runqueue *queue)
{
    uint64_t tail = own_tail(queue);

    if (tail - queue->head_seen == TSUGA_RUNQUEUE_SLOTS) {
        /* Whoever moved head has read the slots. Pairs with the release in take(). */
        queue->head_seen = atomic_load_explicit(&queue->head, memory_order_acquire);
    }
    TSUGA_ASSERT(tail - queue->head_seen <= TSUGA_RUNQUEUE_SLOTS);
    return TSUGA_RUNQUEUE_SLOTS - (tail - queue->head_seen);
}

/* Needs room. */
static void append(struct tsuga_runqueue *queue, struct tsuga_runqueue_node *node)
{
    uint64_t tail = own_tail(queue);

    atomic_store_explicit(&queue->slots[tail & MASK].node, node, memory_order_relaxed);
    /* Publishes the slot and the node. Pairs with the acquire load in tsuga_runqueue_steal(). */
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
}

static void refill(struct tsuga_runqueue *queue)
{
    for (; queue->overflow_count > 0 && room(queue) > 0; queue->overflow_count--)
        append(queue, tsuga_fifo_pop(&queue->overflow));
}

void tsuga_runqueue_push(struct tsuga_runqueue *queue, struct tsuga_runqueue_node *node)
{
    refill(queue);
    /* What still waits in the list is older. */
    if (queue->overflow_count == 0 && room(queue) > 0) {
        append(queue, node);
        return;
    }
    tsuga_fifo_push(&queue->overflow, node);
    queue->overflow_count++;
}

/* Moves head over `count` slots that were read, unless somebody else has moved it. */
static bool take(struct tsuga_runqueue *queue, uint64_t head, uint64_t count)
{
    /* Release: the slots were read before the owner may overwrite them; pairs with the acquire in
     * room(). */
    return atomic_compare_exchange_weak_explicit(&queue->head, &head, head + count,
                                                 memory_order_release, memory_order_relaxed);
}

static struct tsuga_runqueue_node *read_slot(const struct tsuga_runqueue *queue, uint64_t position)
{
    return atomic_load_explicit(&queue->slots[position & MASK].node, memory_order_relaxed);
}

struct tsuga_runqueue_node *tsuga_runqueue_pop(struct tsuga_runqueue *queue)
{
    struct tsuga_runqueue_node *node;
    uint64_t head;

    /* Before the look at the ring: thieves may have emptied it. */
    refill(queue);
    do {
        /* The owner wrote the slots itself, so no order is needed to read them. */
        head = atomic_load_explicit(&queue->head, memory_order_relaxed);
        if (head == own_tail(queue))
            return NULL;
        node = read_slot(queue, head);
    } while (!take(queue, head, 1));
    return node;
}

static struct tsuga_runqueue_node *link_nodes(struct tsuga_runqueue_node *const *nodes,
                                              uint64_t count)
{
    struct tsuga_fifo fifo;

    tsuga_fifo_init(&fifo);
    for (uint64_t i = 0; i < count; i++)
        tsuga_fifo_push(&fifo, nodes[i]);
    return fifo.first;
}

struct tsuga_runqueue_node *tsuga_runqueue_steal(struct tsuga_runqueue *victim)
{
    struct tsuga_runqueue_node *nodes[STEAL_MAX];

    for (int i = 0; i < STEAL_TRIES; i++) {
        /* Acquire: the tail read below is not older than this head. Pairs with the release in
         * take() of the thread that wrote it, which had read a tail at least as new as its head. */
        uint64_t head = atomic_load_explicit(&victim->head, memory_order_acquire);
        /* Pairs with the release store in append(). */
        uint64_t tail = atomic_load_explicit(&victim->tail, memory_order_acquire);
        uint64_t count = (tail - head + 1) / 2;

        if (count == 0)
            return NULL;
        /* A tail so far ahead means that this head is of the past, and take() will refuse. */
        if (count > STEAL_MAX)
            count = STEAL_MAX;
        for (uint64_t k = 0; k < count; k++)
            nodes[k] = read_slot(victim, head + k);
        if (take(victim, head, count))
            return link_nodes(nodes, count);
    }
    return NULL;
}

uint32_t tsuga_runqueue_stealable_count(const struct tsuga_runqueue *queue)
{
    /* Head first: the tail can only have grown since. Both may be old, so nobody may rely on it. */
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    uint64_t count = atomic_load_explicit(&queue->tail, memory_order_acquire) - head;

    return count < TSUGA_RUNQUEUE_SLOTS ? (uint32_t)count : TSUGA_RUNQUEUE_SLOTS;
}
