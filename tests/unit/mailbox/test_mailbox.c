#include "mailbox/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "runtime/base/bits.h"
#include "tests/support/test.h"

#define GENERATION 1u
#define CAPACITY   4u

static struct tsuga_message message_of(enum tsuga_lane lane, uint64_t tag)
{
    return (struct tsuga_message){.lane = (uint8_t)lane, .tag = tag, .to_generation = GENERATION};
}

static void open_mailbox(struct tsuga_mailbox *mailbox, uint32_t capacity)
{
    tsuga_mailbox_init(mailbox);
    tsuga_mailbox_open(mailbox, capacity);
}

static void collect(struct tsuga_mailbox *mailbox)
{
    struct tsuga_message *strays = NULL;

    tsuga_mailbox_collect(mailbox, GENERATION, &strays);
    CHECK_PTR(strays, NULL);
}

TEST(mailbox, refuses_posts_before_it_is_opened_and_after_it_is_closed)
{
    struct tsuga_mailbox mailbox;
    struct tsuga_message message = message_of(TSUGA_LANE_USER, 0);
    struct tsuga_message *rest = NULL;

    tsuga_mailbox_init(&mailbox);
    CHECK_INT(tsuga_mailbox_post(&mailbox, &message), TSUGA_POSTED_DEAD);
    CHECK(!tsuga_mailbox_wake(&mailbox));
    tsuga_mailbox_open(&mailbox, 1);
    CHECK_INT(tsuga_mailbox_post(&mailbox, &message), TSUGA_POSTED);
    CHECK(!tsuga_mailbox_close(&mailbox, &rest));
    CHECK_PTR(rest, &message);
    CHECK_INT(tsuga_mailbox_post(&mailbox, &message), TSUGA_POSTED_DEAD);
    CHECK(!tsuga_mailbox_wake(&mailbox));
    CHECK(!tsuga_mailbox_sleep(&mailbox));
    CHECK_UINT(mailbox.user_count, 0);
}

TEST(mailbox, looks_at_the_lanes_in_their_order)
{
    struct tsuga_mailbox mailbox;
    struct tsuga_message user = message_of(TSUGA_LANE_USER, 3);
    struct tsuga_message completion = message_of(TSUGA_LANE_COMPLETION, 2);
    struct tsuga_message system = message_of(TSUGA_LANE_SYSTEM, 1);

    open_mailbox(&mailbox, 0);
    CHECK_INT(tsuga_mailbox_post(&mailbox, &user), TSUGA_POSTED);
    tsuga_mailbox_put(&mailbox, &completion);
    CHECK_INT(tsuga_mailbox_post(&mailbox, &system), TSUGA_POSTED);
    collect(&mailbox);
    for (uint64_t tag = 1; tag <= 3; tag++)
        CHECK_UINT(tsuga_mailbox_take_first(&mailbox)->tag, tag);
    CHECK_PTR(tsuga_mailbox_take_first(&mailbox), NULL);
}

TEST(mailbox, h30_tells_to_wake_exactly_once_per_sleep)
{
    struct tsuga_mailbox mailbox;
    struct tsuga_message messages[3];

    open_mailbox(&mailbox, 0);
    for (int i = 0; i < 3; i++)
        messages[i] = message_of(TSUGA_LANE_USER, 0);
    CHECK(tsuga_mailbox_sleep(&mailbox));
    CHECK_INT(tsuga_mailbox_post(&mailbox, &messages[0]), TSUGA_POSTED_WAKE);
    CHECK_INT(tsuga_mailbox_post(&mailbox, &messages[1]), TSUGA_POSTED);
    CHECK(!tsuga_mailbox_wake(&mailbox));
    CHECK(!tsuga_mailbox_sleep(&mailbox));
    collect(&mailbox);
    CHECK(tsuga_mailbox_sleep(&mailbox));
    CHECK(tsuga_mailbox_wake(&mailbox));
    CHECK(!tsuga_mailbox_wake(&mailbox));
    CHECK_INT(tsuga_mailbox_post(&mailbox, &messages[2]), TSUGA_POSTED);
}

/* Who must call the consumer takes one that has not settled for its own. */
TEST(mailbox, h30_who_has_settled_is_its_threads_to_the_last_call)
{
    struct tsuga_mailbox mailbox;
    struct tsuga_message *rest = NULL;

    for (int life = 0; life < 2; life++) {
        if (life == 0)
            open_mailbox(&mailbox, 0);
        else
            tsuga_mailbox_open(&mailbox, 0);
        CHECK(!tsuga_mailbox_has_settled(&mailbox));
        tsuga_mailbox_settle(&mailbox, 1);
        CHECK(tsuga_mailbox_sleep(&mailbox));
        CHECK(tsuga_mailbox_wake(&mailbox));
        CHECK(tsuga_mailbox_close(&mailbox, &rest));
        CHECK(tsuga_mailbox_has_settled(&mailbox)); /* for the call that is under way */
        CHECK(!tsuga_mailbox_is_near(&mailbox, 1));
    }
}

/* Offers `count` completions to a full mailbox on a lane; how many are refused, that is, lost. */
static uint32_t count_lost(enum tsuga_lane lane, uint32_t count)
{
    struct tsuga_mailbox mailbox;
    struct tsuga_message letters[CAPACITY];
    struct tsuga_message completion;
    uint32_t lost = 0;

    open_mailbox(&mailbox, CAPACITY);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        letters[i] = message_of(TSUGA_LANE_USER, i);
        CHECK_INT(tsuga_mailbox_post(&mailbox, &letters[i]), TSUGA_POSTED);
    }
    for (uint32_t i = 0; i < count; i++) {
        completion = message_of(lane, CAPACITY);
        lost += tsuga_mailbox_post(&mailbox, &completion) == TSUGA_POSTED_FULL;
        collect(&mailbox);
        if (lost == 0)
            CHECK_PTR(tsuga_mailbox_take_first(&mailbox), &completion);
    }
    return lost;
}

/* The completion lane has its room in advance. Without it, on the user lane, they are lost. */
TEST(mailbox, h31_without_reserved_room_a_full_mailbox_loses_completions)
{
    CHECK_UINT(count_lost(TSUGA_LANE_COMPLETION, 10), 0);
    CHECK_UINT(count_lost(TSUGA_LANE_SYSTEM, 10), 0);
    CHECK_UINT(count_lost(TSUGA_LANE_USER, 10), 10);
}

/* Many producers, one consumer that sleeps when it has nothing, and plain payloads. */

#define PRODUCERS 3u
#define EACH      20000u

struct parcel {
    struct tsuga_message head;
    uint32_t producer;
    uint64_t payload[4]; /* plain: only the mailbox orders them */
};

struct market {
    struct tsuga_mailbox mailbox;
    _Atomic uint32_t wakes; /* told to wake: the consumer may run once for each */
    uint32_t capacity;
};

struct stall {
    struct market *market;
    uint32_t index;
};

static struct parcel *pack(uint32_t producer, uint64_t number)
{
    struct parcel *parcel = calloc(1, sizeof(*parcel));

    CHECK(parcel != NULL);
    parcel->head = message_of(TSUGA_LANE_USER, number);
    parcel->producer = producer;
    for (uint64_t i = 0; i < 4; i++)
        parcel->payload[i] = number * 1000 + producer * 10 + i;
    return parcel;
}

static void *produce(void *context)
{
    struct stall *stall = context;
    struct market *market = stall->market;

    for (uint64_t number = 0; number < EACH; number++) {
        struct parcel *parcel = pack(stall->index, number);
        enum tsuga_posted posted;

        while ((posted = tsuga_mailbox_post(&market->mailbox, &parcel->head)) == TSUGA_POSTED_FULL)
            sched_yield();
        CHECK(posted != TSUGA_POSTED_DEAD);
        /* Whoever is told to wake schedules the consumer: here, a count that it waits for. */
        if (posted == TSUGA_POSTED_WAKE)
            atomic_fetch_add_explicit(&market->wakes, 1, memory_order_release);
    }
    return NULL;
}

static void open_parcel(struct market *market, struct parcel *parcel, uint64_t *expected)
{
    CHECK(parcel->producer <= PRODUCERS);
    CHECK_UINT(parcel->head.tag, expected[parcel->producer]);
    expected[parcel->producer]++;
    for (uint64_t i = 0; i < 4; i++)
        CHECK_UINT(parcel->payload[i], parcel->head.tag * 1000 + parcel->producer * 10 + i);
    tsuga_mailbox_credit(&market->mailbox, &parcel->head);
    free(parcel);
}

static uint64_t empty_lanes(struct market *market, uint64_t *expected)
{
    struct tsuga_message *message;
    uint64_t count = 0;

    collect(&market->mailbox);
    while ((message = tsuga_mailbox_take_first(&market->mailbox)) != NULL) {
        open_parcel(market, TSUGA_CONTAINER_OF(message, struct parcel, head), expected);
        count++;
    }
    return count;
}

/* Runs only when woken, until it may sleep again, as an executor runs an actor. */
static void consume(struct market *market)
{
    uint64_t expected[PRODUCERS + 1] = {0};
    uint32_t runs = 0;
    uint64_t taken = 0;

    while (taken < PRODUCERS * EACH) {
        taken += empty_lanes(market, expected);
        if (!tsuga_mailbox_sleep(&market->mailbox))
            continue;
        runs++;
        while (taken < PRODUCERS * EACH &&
               atomic_load_explicit(&market->wakes, memory_order_acquire) < runs)
            sched_yield();
    }
    CHECK(atomic_load_explicit(&market->wakes, memory_order_relaxed) <= runs);
    CHECK_UINT(market->mailbox.user_count, 0);
}

/* One call at most is under way. True: it has come, and the consumer is to be scheduled. */
static bool is_called(struct market *market, uint32_t *calls)
{
    uint32_t owed = atomic_load_explicit(&market->wakes, memory_order_acquire) - *calls;

    CHECK(owed <= 1);
    *calls += owed;
    return owed > 0 && tsuga_mailbox_called(&market->mailbox);
}

/* Posts one parcel of the consumer's own thread. True: the consumer is to be scheduled. */
static bool post_near(struct market *market, uint64_t *number)
{
    struct parcel *parcel;
    enum tsuga_posted posted;

    if (*number == EACH)
        return false;
    parcel = pack(PRODUCERS, *number);
    posted = tsuga_mailbox_post_near(&market->mailbox, &parcel->head);
    if (posted == TSUGA_POSTED_FULL) {
        free(parcel);
        return false;
    }
    ++*number;
    /* What waits in the inlet was called for by whoever found that asleep. */
    CHECK(posted == TSUGA_POSTED || posted == TSUGA_POSTED_ROUSED);
    return posted == TSUGA_POSTED_ROUSED;
}

/* As consume(), but the consumer has settled, and its own thread posts, too. */
static void consume_settled(struct market *market)
{
    uint64_t expected[PRODUCERS + 1] = {0};
    uint64_t taken = 0;
    uint64_t number = 0;
    uint32_t calls = 0;
    bool is_due = true;

    tsuga_mailbox_settle(&market->mailbox, 1);
    while (taken < (PRODUCERS + 1) * EACH) {
        bool was_due = is_due;

        if (is_due) {
            taken += empty_lanes(market, expected);
            is_due = !tsuga_mailbox_sleep(&market->mailbox);
        }
        if (is_called(market, &calls)) {
            CHECK(!is_due); /* nobody is scheduled twice */
            is_due = true;
        }
        if (post_near(market, &number)) {
            CHECK(!is_due);
            is_due = true;
        }
        if (!was_due && !is_due)
            sched_yield();
    }
    CHECK_UINT(market->mailbox.user_count, 0);
}

static void trade(uint32_t capacity, void (*consumer)(struct market *market))
{
    struct market market = {.capacity = capacity};
    struct stall stalls[PRODUCERS];
    pthread_t threads[PRODUCERS];

    open_mailbox(&market.mailbox, capacity);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        stalls[i] = (struct stall){&market, i};
        CHECK_INT(pthread_create(&threads[i], NULL, produce, &stalls[i]), 0);
    }
    consumer(&market);
    for (uint32_t i = 0; i < PRODUCERS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

TEST(mailbox, h30_keeps_contents_and_each_senders_order_between_threads)
{
    trade(0, consume);
    trade(0, consume_settled);
}

TEST(mailbox, keeps_its_capacity_between_threads)
{
    trade(CAPACITY, consume);
    trade(CAPACITY, consume_settled);
}
