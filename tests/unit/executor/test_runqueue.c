#include "executor/runqueue.h"

#include <pthread.h>
#include <sched.h>

#include "tests/support/test.h"

#define ITEM_COUNT  2000u
#define RING        TSUGA_RUNQUEUE_SLOTS
#define THIEF_COUNT 3u

/* Plain fields: a queue that orders too little shows as a race or a wrong value. */
struct item {
    struct tsuga_runqueue_node node;
    uint64_t payload;
    unsigned taken_count;
};

static struct item *item_of(struct tsuga_runqueue_node *node)
{
    return node ? TSUGA_CONTAINER_OF(node, struct item, node) : NULL;
}

static struct item *pop(struct tsuga_runqueue *queue)
{
    return item_of(tsuga_runqueue_pop(queue));
}

static uint32_t steal(struct tsuga_runqueue *queue, struct item *loot[RING / 2])
{
    struct tsuga_runqueue_node *node = tsuga_runqueue_steal(queue);
    uint32_t count = 0;

    for (; node != NULL; node = node->next)
        loot[count++] = item_of(node);
    return count;
}

static void push_range(struct tsuga_runqueue *queue, struct item *items, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        items[i].payload = i;
        tsuga_runqueue_push(queue, &items[i].node);
    }
}

TEST(runqueue, fifo_keeps_the_order)
{
    struct tsuga_fifo fifo;
    struct item items[3] = {{.payload = 0}, {.payload = 1}, {.payload = 2}};

    tsuga_fifo_init(&fifo);
    for (int round = 0; round < 3; round++) {
        CHECK(tsuga_fifo_is_empty(&fifo));
        CHECK_PTR(tsuga_fifo_pop(&fifo), NULL);
        for (int i = 0; i < 3; i++)
            tsuga_fifo_push(&fifo, &items[i].node);
        for (int i = 0; i < 3; i++)
            CHECK_PTR(tsuga_fifo_pop(&fifo), &items[i].node);
    }
}

TEST(runqueue, owner_gets_the_oldest_first_beyond_the_ring_too)
{
    static struct item items[ITEM_COUNT];
    struct tsuga_runqueue queue;

    tsuga_runqueue_init(&queue);
    CHECK_PTR(pop(&queue), NULL);
    push_range(&queue, items, 0, ITEM_COUNT);
    for (uint64_t i = 0; i < ITEM_COUNT; i++) {
        CHECK_UINT(tsuga_runqueue_count(&queue), ITEM_COUNT - i);
        CHECK_PTR(pop(&queue), &items[i]);
    }
    CHECK_UINT(tsuga_runqueue_count(&queue), 0);
    CHECK_PTR(pop(&queue), NULL);
}

TEST(runqueue, a_thief_takes_the_older_half_rounded_up)
{
    static struct item items[5];
    struct tsuga_runqueue queue;
    struct item *loot[RING / 2];

    tsuga_runqueue_init(&queue);
    CHECK_UINT(steal(&queue, loot), 0);
    push_range(&queue, items, 0, 5);
    CHECK_UINT(tsuga_runqueue_stealable_count(&queue), 5);
    CHECK_UINT(steal(&queue, loot), 3);
    for (int i = 0; i < 3; i++)
        CHECK_PTR(loot[i], &items[i]);
    CHECK_UINT(steal(&queue, loot), 1);
    CHECK_PTR(loot[0], &items[3]);
    CHECK_PTR(pop(&queue), &items[4]);
    CHECK_UINT(steal(&queue, loot), 0);
    CHECK_UINT(tsuga_runqueue_stealable_count(&queue), 0);
}

TEST(runqueue, what_overflowed_becomes_stealable)
{
    static struct item items[RING * 2];
    struct tsuga_runqueue queue;
    struct item *loot[RING / 2];

    tsuga_runqueue_init(&queue);
    push_range(&queue, items, 0, RING * 2);
    CHECK_UINT(tsuga_runqueue_stealable_count(&queue), RING);
    CHECK_UINT(steal(&queue, loot), RING / 2);
    CHECK_UINT(tsuga_runqueue_stealable_count(&queue), RING / 2);
    CHECK_PTR(pop(&queue), &items[RING / 2]);
    CHECK_UINT(tsuga_runqueue_stealable_count(&queue), RING - 1);
}

TEST(runqueue, what_overflowed_is_found_when_thieves_took_the_rest)
{
    static struct item items[RING + 2];
    struct tsuga_runqueue queue;
    struct item *loot[RING / 2];

    tsuga_runqueue_init(&queue);
    push_range(&queue, items, 0, RING + 2);
    while (steal(&queue, loot) > 0)
        continue;
    CHECK_UINT(tsuga_runqueue_count(&queue), 2);
    CHECK_PTR(pop(&queue), &items[RING]);
    CHECK_PTR(pop(&queue), &items[RING + 1]);
    CHECK_PTR(pop(&queue), NULL);
}

/* The model: positions of a sequence; the queue holds the items first ..< next, in order. */
struct model {
    struct tsuga_runqueue queue;
    struct item *items;
    uint64_t first;
    uint64_t next;
};

static void steal_as_the_model(struct model *model)
{
    struct item *loot[RING / 2];
    uint32_t visible = tsuga_runqueue_stealable_count(&model->queue);
    uint32_t count = steal(&model->queue, loot);

    CHECK_UINT(count, (visible + 1) / 2);
    for (uint32_t i = 0; i < count; i++)
        CHECK_UINT(loot[i]->payload, model->first++);
}

static void pop_as_the_model(struct model *model)
{
    struct item *item = pop(&model->queue);

    CHECK((item == NULL) == (model->first == model->next));
    if (item != NULL)
        CHECK_UINT(item->payload, model->first++);
}

static void push_as_the_model(struct model *model)
{
    struct item *item = &model->items[model->next % ITEM_COUNT];

    if (model->next - model->first == ITEM_COUNT)
        return;
    item->payload = model->next++;
    tsuga_runqueue_push(&model->queue, &item->node);
}

TEST(runqueue, agrees_with_a_model_at_random)
{
    static struct item items[ITEM_COUNT];
    struct model model = {.items = items};
    uint64_t seed = tsuga_test_seed();

    tsuga_runqueue_init(&model.queue);
    for (int phase = 0; phase < 400; phase++) {
        uint64_t push_share = tsuga_test_random(&seed) % 100;

        for (int i = 0; i < 500; i++) {
            uint64_t dice = tsuga_test_random(&seed);

            if (dice % 100 < push_share)
                push_as_the_model(&model);
            else if (dice % 64 == 0)
                steal_as_the_model(&model);
            else
                pop_as_the_model(&model);
            CHECK_UINT(tsuga_runqueue_count(&model.queue), model.next - model.first);
        }
    }
    CHECK(model.next > ITEM_COUNT); /* the ring went round, and slots were used again */
}

/* One item at a time, which only the thief takes: nothing but the queue tells it what is in it. */

#define HANDOVERS 200u

struct handover {
    struct tsuga_runqueue queue;
    struct item items[HANDOVERS];
    _Atomic uint32_t stolen_count; /* relaxed: it must not order what the queue shall order */
};

static void *steal_one_by_one(void *context)
{
    struct handover *handover = context;
    struct item *loot[RING / 2];

    for (uint32_t i = 0; i < HANDOVERS; i++) {
        while (steal(&handover->queue, loot) == 0)
            sched_yield();
        CHECK_PTR(loot[0], &handover->items[i]);
        CHECK_UINT(loot[0]->payload, i + 1);
        atomic_store_explicit(&handover->stolen_count, i + 1, memory_order_relaxed);
    }
    return NULL;
}

TEST(runqueue, what_is_stolen_is_whole)
{
    static struct handover handover;
    pthread_t thief;

    tsuga_runqueue_init(&handover.queue);
    CHECK_INT(pthread_create(&thief, NULL, steal_one_by_one, &handover), 0);
    for (uint32_t i = 0; i < HANDOVERS; i++) {
        handover.items[i].payload = i + 1;
        tsuga_runqueue_push(&handover.queue, &handover.items[i].node);
        while (atomic_load_explicit(&handover.stolen_count, memory_order_relaxed) == i)
            sched_yield();
    }
    CHECK_INT(pthread_join(thief, NULL), 0);
}

/* One owner and several thieves take every item once. */
struct heist {
    struct tsuga_runqueue queue;
    struct item *items;
    uint64_t item_count;
    _Atomic uint64_t left_count;
    _Atomic uint64_t stolen_count;
};

static void take(struct heist *heist, struct item *item)
{
    CHECK_UINT(item->payload, (uint64_t)(item - heist->items) * 3);
    item->taken_count++;
    atomic_fetch_sub_explicit(&heist->left_count, 1, memory_order_relaxed);
}

static void *steal_all(void *context)
{
    struct heist *heist = context;
    struct item *loot[RING / 2];

    while (atomic_load_explicit(&heist->left_count, memory_order_relaxed) > 0) {
        uint32_t count = steal(&heist->queue, loot);

        for (uint32_t i = 0; i < count; i++)
            take(heist, loot[i]);
        atomic_fetch_add_explicit(&heist->stolen_count, count, memory_order_relaxed);
        if (count == 0)
            sched_yield();
    }
    return NULL;
}

static void own(struct heist *heist, uint64_t seed)
{
    uint64_t next = 0;

    while (atomic_load_explicit(&heist->left_count, memory_order_relaxed) > 0) {
        uint64_t burst = tsuga_test_random(&seed) % 600;
        struct item *item;

        for (; burst > 0 && next < heist->item_count; burst--, next++) {
            heist->items[next].payload = next * 3;
            tsuga_runqueue_push(&heist->queue, &heist->items[next].node);
        }
        for (burst = tsuga_test_random(&seed) % 300; burst > 0; burst--) {
            if ((item = pop(&heist->queue)) != NULL)
                take(heist, item);
        }
        sched_yield();
    }
}

static void run_heist(struct heist *heist, uint64_t seed)
{
    pthread_t thieves[THIEF_COUNT];

    atomic_init(&heist->left_count, heist->item_count);
    tsuga_runqueue_init(&heist->queue);
    for (uint32_t i = 0; i < THIEF_COUNT; i++)
        CHECK_INT(pthread_create(&thieves[i], NULL, steal_all, heist), 0);
    own(heist, seed);
    for (uint32_t i = 0; i < THIEF_COUNT; i++)
        CHECK_INT(pthread_join(thieves[i], NULL), 0);
    CHECK_UINT(tsuga_runqueue_count(&heist->queue), 0);
}

TEST(runqueue, each_item_is_taken_once_with_thieves)
{
    static struct item items[ITEM_COUNT * 20];
    struct heist heist = {.items = items, .item_count = ITEM_COUNT * 20};
    uint64_t seed = tsuga_test_seed();
    unsigned round = 0;

    /* Again until the thieves had their share, which is up to the scheduler. */
    do {
        run_heist(&heist, tsuga_test_random(&seed));
        round++;
        for (uint64_t i = 0; i < heist.item_count; i++)
            CHECK_UINT(items[i].taken_count, round);
    } while (atomic_load(&heist.stolen_count) < ITEM_COUNT * 5);
}
