/* The mailbox against a model that is too simple to be wrong: one array, in the order in which the
 * consumer would see it. */
#include <stdlib.h>
#include <string.h>

#include "mailbox/mailbox.h"
#include "runtime/base/bits.h"
#include "tests/support/test.h"

#define STEPS      20000u
#define LIVE_MAX   200u
#define GENERATION 7u

/* A message with something to recognise it by. */
struct item {
    struct tsuga_message head;
    uint64_t serial;
};

/* Per lane the serials that have been collected, oldest first, and those that wait in the inlet. */
struct sequence {
    uint64_t serials[LIVE_MAX];
    uint32_t count;
};

struct world {
    struct tsuga_mailbox mailbox;
    struct sequence lanes[TSUGA_LANE_COUNT];
    struct item *inlet[LIVE_MAX]; /* posted and not yet collected, oldest first */
    uint32_t inlet_count;
    uint32_t live;
    uint32_t user_count; /* messages that take room */
    uint64_t next_serial;
    uint64_t random;
    uint32_t capacity;
    bool is_asleep;
};

static struct item *item_of(const struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct item, head);
}

static uint32_t pick(struct world *world, uint32_t count)
{
    return (uint32_t)(tsuga_test_random(&world->random) % count);
}

static struct item *make(struct world *world, uint8_t lane)
{
    struct item *item = calloc(1, sizeof(*item));

    CHECK(item != NULL);
    item->head.lane = lane;
    item->head.tag = pick(world, 4);
    item->head.to_generation = pick(world, 10) == 0 ? GENERATION - 1 : GENERATION;
    item->serial = world->next_serial++;
    return item;
}

static void append(struct sequence *sequence, uint64_t serial)
{
    CHECK(sequence->count < LIVE_MAX);
    sequence->serials[sequence->count++] = serial;
}

static void drop_at(struct sequence *sequence, uint32_t index)
{
    sequence->count--;
    memmove(&sequence->serials[index], &sequence->serials[index + 1],
            (sequence->count - index) * sizeof(sequence->serials[0]));
}

static void post(struct world *world)
{
    struct item *item = make(world, (uint8_t)pick(world, TSUGA_LANE_COUNT));
    bool is_user = item->head.lane == TSUGA_LANE_USER;
    bool has_room = !is_user || world->capacity == 0 || world->user_count < world->capacity;
    enum tsuga_posted posted = tsuga_mailbox_post(&world->mailbox, &item->head);

    if (!has_room) {
        CHECK_INT(posted, TSUGA_POSTED_FULL);
        free(item);
        return;
    }
    CHECK_INT(posted, world->is_asleep ? TSUGA_POSTED_WAKE : TSUGA_POSTED);
    world->is_asleep = false;
    world->inlet[world->inlet_count++] = item;
    world->live++;
    world->user_count += is_user && world->capacity != 0;
}

static void put(struct world *world)
{
    struct item *item = make(world, TSUGA_LANE_COMPLETION);

    tsuga_mailbox_put(&world->mailbox, &item->head);
    append(&world->lanes[TSUGA_LANE_COMPLETION], item->serial);
    world->live++;
    if (tsuga_mailbox_wake(&world->mailbox))
        CHECK(world->is_asleep);
    world->is_asleep = false;
}

static void collect(struct world *world)
{
    struct tsuga_message *strays = NULL;
    uint32_t stray_count = 0;

    tsuga_mailbox_collect(&world->mailbox, GENERATION, &strays);
    for (uint32_t i = 0; i < world->inlet_count; i++) {
        struct item *item = world->inlet[i];

        if (item->head.to_generation == GENERATION) {
            append(&world->lanes[item->head.lane], item->serial);
            continue;
        }
        stray_count++;
        world->live--;
        world->user_count -= item->head.lane == TSUGA_LANE_USER && world->capacity != 0;
    }
    world->inlet_count = 0;
    world->is_asleep = false;
    while (strays != NULL) {
        struct item *item = item_of(strays);

        strays = strays->next;
        CHECK_UINT(item->head.to_generation, GENERATION - 1);
        free(item);
        stray_count--;
    }
    CHECK_UINT(stray_count, 0);
}

struct taste {
    uint64_t serial_divisor;
};

static bool is_to_taste(const struct tsuga_message *message, const void *context)
{
    const struct taste *taste = context;

    return item_of(message)->serial % taste->serial_divisor == 0;
}

/* What a selective take must find: the first one, lane by lane. */
static bool expect(struct world *world, const struct taste *taste, unsigned *lane, uint32_t *index)
{
    for (*lane = 0; *lane < TSUGA_LANE_COUNT; ++*lane) {
        for (*index = 0; *index < world->lanes[*lane].count; ++*index) {
            if (world->lanes[*lane].serials[*index] % taste->serial_divisor == 0)
                return true;
        }
    }
    return false;
}

static void take(struct world *world)
{
    struct taste taste = {.serial_divisor = 1 + pick(world, 3)};
    struct tsuga_mailbox *mailbox = &world->mailbox;
    const struct tsuga_message *seen = tsuga_mailbox_peek(mailbox, is_to_taste, &taste);
    struct tsuga_message *taken = taste.serial_divisor == 1
                                      ? tsuga_mailbox_take_first(mailbox)
                                      : tsuga_mailbox_take(mailbox, is_to_taste, &taste);
    uint32_t index;
    unsigned lane;

    CHECK_PTR(taken, seen);
    if (!expect(world, &taste, &lane, &index)) {
        CHECK_PTR(taken, NULL);
        return;
    }
    CHECK(taken != NULL);
    CHECK_UINT(item_of(taken)->serial, world->lanes[lane].serials[index]);
    CHECK_UINT(taken->lane, lane);
    drop_at(&world->lanes[lane], index);
    tsuga_mailbox_credit(mailbox, taken);
    tsuga_mailbox_credit(mailbox, taken); /* the second time there is nothing to give back */
    world->user_count -= lane == TSUGA_LANE_USER && world->capacity != 0;
    world->live--;
    free(item_of(taken));
}

static bool is_serial(const struct tsuga_message *message, const void *context)
{
    return item_of(message)->serial == *(const uint64_t *)context;
}

/* Takes one completion out of the middle, as tsuga_forget() does. */
static void remove_one(struct world *world)
{
    struct sequence *lane = &world->lanes[TSUGA_LANE_COMPLETION];
    uint32_t index;
    struct tsuga_message *message;

    if (lane->count == 0)
        return;
    index = pick(world, lane->count);
    message =
        (void *)(uintptr_t)tsuga_mailbox_peek(&world->mailbox, is_serial, &lane->serials[index]);
    CHECK(message != NULL);
    tsuga_mailbox_remove(&world->mailbox, message);
    drop_at(lane, index);
    world->live--;
    free(item_of(message));
}

static void sleep_if_empty(struct world *world)
{
    bool may_sleep = world->inlet_count == 0 && !world->is_asleep;

    CHECK_INT(tsuga_mailbox_sleep(&world->mailbox), may_sleep);
    world->is_asleep |= may_sleep;
}

static void check(struct world *world)
{
    bool is_empty = true;

    for (unsigned i = 0; i < TSUGA_LANE_COUNT; i++)
        is_empty &= world->lanes[i].count == 0;
    CHECK_INT(tsuga_mailbox_is_drained(&world->mailbox), is_empty);
    CHECK_UINT(world->mailbox.user_count, world->user_count);
    CHECK_INT(tsuga_mailbox_has_room(&world->mailbox),
              world->capacity == 0 || world->user_count < world->capacity);
}

static void step(struct world *world)
{
    switch (pick(world, 8)) {
    case 0:
    case 1:
        if (world->live < LIVE_MAX)
            post(world);
        break;
    case 2:
        if (world->live < LIVE_MAX)
            put(world);
        break;
    case 3:
        collect(world);
        break;
    case 4:
    case 5:
        take(world);
        break;
    case 6:
        remove_one(world);
        break;
    default:
        sleep_if_empty(world);
        break;
    }
    check(world);
}

static void close_and_count(struct world *world)
{
    struct tsuga_message *rest = NULL;
    struct item *late = make(world, TSUGA_LANE_USER);
    uint32_t completions = world->lanes[TSUGA_LANE_COMPLETION].count;

    tsuga_mailbox_close(&world->mailbox, &rest);
    CHECK_INT(tsuga_mailbox_post(&world->mailbox, &late->head), TSUGA_POSTED_DEAD);
    free(late);
    CHECK_UINT(world->mailbox.user_count, 0);
    while (world->mailbox.lanes[TSUGA_LANE_COMPLETION].first != NULL) {
        free(item_of(tsuga_mailbox_take_first(&world->mailbox)));
        completions--;
        world->live--;
    }
    CHECK_UINT(completions, 0);
    for (; rest != NULL; world->live--) {
        struct item *item = item_of(rest);

        rest = rest->next;
        free(item);
    }
    CHECK_UINT(world->live, 0);
}

static void live_once(struct world *world, uint32_t capacity)
{
    world->capacity = capacity;
    world->is_asleep = false;
    world->user_count = 0;
    tsuga_mailbox_open(&world->mailbox, capacity);
    for (uint32_t i = 0; i < STEPS; i++)
        step(world);
    close_and_count(world);
    memset(world->lanes, 0, sizeof(world->lanes));
    world->inlet_count = 0;
}

TEST(mailbox, h31_agrees_with_a_list_lane_by_lane)
{
    static struct world world;

    world = (struct world){.random = tsuga_test_seed()};
    tsuga_mailbox_init(&world.mailbox);
    live_once(&world, 0);
    live_once(&world, 1);
    live_once(&world, 20);
    live_once(&world, 0);
}
