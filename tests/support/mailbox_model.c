#include "tests/support/mailbox_model.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/bits.h"

#define LIVE_MAX   TSUGA_MAILBOX_MODEL_LIVE_MAX
#define GENERATION 7u
#define THREAD     3u

/* A message with something to recognise it by. */
struct tsuga_mailbox_item {
    struct tsuga_message head;
    uint64_t serial;
};

static struct tsuga_mailbox_item *item_of(const struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_mailbox_item, head);
}

static uint32_t pick(struct tsuga_mailbox_model *model, uint32_t count)
{
    return model->pick(model->context, count);
}

static struct tsuga_mailbox_item *make(struct tsuga_mailbox_model *model, uint8_t lane)
{
    struct tsuga_mailbox_item *item = calloc(1, sizeof(*item));

    TSUGA_VERIFY(item != NULL);
    item->head.lane = lane;
    item->head.tag = pick(model, 4);
    item->head.to_generation = pick(model, 10) == 0 ? GENERATION - 1 : GENERATION;
    item->serial = model->next_serial++;
    return item;
}

static void append(struct tsuga_mailbox_model_lane *sequence, uint64_t serial)
{
    TSUGA_VERIFY(sequence->count < LIVE_MAX);
    sequence->serials[sequence->count++] = serial;
}

static void drop_at(struct tsuga_mailbox_model_lane *sequence, uint32_t index)
{
    sequence->count--;
    memmove(&sequence->serials[index], &sequence->serials[index + 1],
            (sequence->count - index) * sizeof(sequence->serials[0]));
}

/* What its own thread posts goes into the lane, if nothing may be older. */
static bool passes_by(const struct tsuga_mailbox_model *model,
                      const struct tsuga_mailbox_item *item)
{
    return item->head.lane == TSUGA_LANE_USER && model->inlet_count == 0;
}

static void expect_in_lane(struct tsuga_mailbox_model *model, struct tsuga_mailbox_item *item,
                           enum tsuga_posted posted)
{
    TSUGA_VERIFY(posted == (model->is_due ? TSUGA_POSTED : TSUGA_POSTED_ROUSED));
    model->is_due = true;
    append(&model->lanes[TSUGA_LANE_USER], item->serial);
}

static void expect_in_inlet(struct tsuga_mailbox_model *model, struct tsuga_mailbox_item *item,
                            enum tsuga_posted posted)
{
    TSUGA_VERIFY(posted == (model->is_asleep ? TSUGA_POSTED_WAKE : TSUGA_POSTED));
    model->owes_call |= model->is_settled && model->is_asleep;
    model->is_asleep = false;
    model->inlet[model->inlet_count++] = item;
}

static void post(struct tsuga_mailbox_model *model)
{
    bool is_near = model->is_settled && pick(model, 2) == 0;
    struct tsuga_mailbox_item *item = make(model, (uint8_t)pick(model, TSUGA_LANE_COUNT));
    bool is_user = item->head.lane == TSUGA_LANE_USER;
    bool has_room = !is_user || model->capacity == 0 || model->user_count < model->capacity;
    enum tsuga_posted posted;

    if (is_near) /* between actors of one thread nobody is late */
        item->head.to_generation = GENERATION;
    posted = is_near ? tsuga_mailbox_post_near(&model->mailbox, &item->head)
                     : tsuga_mailbox_post(&model->mailbox, &item->head);
    if (!has_room) {
        TSUGA_VERIFY(posted == TSUGA_POSTED_FULL);
        free(item);
        return;
    }
    if (is_near && passes_by(model, item))
        expect_in_lane(model, item, posted);
    else
        expect_in_inlet(model, item, posted);
    model->live++;
    model->user_count += is_user && model->capacity != 0;
}

static void rouse(struct tsuga_mailbox_model *model)
{
    bool was_asleep = model->is_settled ? !model->is_due : model->is_asleep;

    TSUGA_VERIFY(tsuga_mailbox_rouse(&model->mailbox) == was_asleep);
    model->is_due = model->is_settled;
    model->is_asleep &= model->is_settled;
}

static void put(struct tsuga_mailbox_model *model)
{
    struct tsuga_mailbox_item *item = make(model, TSUGA_LANE_COMPLETION);

    tsuga_mailbox_put(&model->mailbox, &item->head);
    append(&model->lanes[TSUGA_LANE_COMPLETION], item->serial);
    model->live++;
    rouse(model);
}

/* Whoever stops the actor wakes it, from any thread. */
static void wake(struct tsuga_mailbox_model *model)
{
    TSUGA_VERIFY(tsuga_mailbox_wake(&model->mailbox) == model->is_asleep);
    model->owes_call |= model->is_settled && model->is_asleep;
    model->is_asleep = false;
}

static void call(struct tsuga_mailbox_model *model)
{
    if (!model->owes_call)
        return;
    TSUGA_VERIFY(tsuga_mailbox_called(&model->mailbox) == !model->is_due);
    model->is_due = true;
    model->owes_call = false;
}

/* A consumer does when it runs. */
static void settle(struct tsuga_mailbox_model *model)
{
    if (model->is_settled || model->is_asleep)
        return;
    TSUGA_VERIFY(!tsuga_mailbox_is_near(&model->mailbox, THREAD));
    tsuga_mailbox_settle(&model->mailbox, THREAD);
    TSUGA_VERIFY(tsuga_mailbox_is_near(&model->mailbox, THREAD));
    TSUGA_VERIFY(!tsuga_mailbox_is_near(&model->mailbox, THREAD + 1));
    model->is_settled = true;
    model->is_due = true;
}

static void collect(struct tsuga_mailbox_model *model)
{
    struct tsuga_message *strays = NULL;
    uint32_t stray_count = 0;

    tsuga_mailbox_collect(&model->mailbox, GENERATION, &strays);
    for (uint32_t i = 0; i < model->inlet_count; i++) {
        struct tsuga_mailbox_item *item = model->inlet[i];

        if (item->head.to_generation == GENERATION) {
            append(&model->lanes[item->head.lane], item->serial);
            continue;
        }
        stray_count++;
        model->live--;
        model->user_count -= item->head.lane == TSUGA_LANE_USER && model->capacity != 0;
    }
    model->inlet_count = 0;
    while (strays != NULL) {
        struct tsuga_mailbox_item *item = item_of(strays);

        strays = strays->next;
        TSUGA_VERIFY(item->head.to_generation == GENERATION - 1);
        free(item);
        stray_count--;
    }
    TSUGA_VERIFY(stray_count == 0);
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
static bool expect(struct tsuga_mailbox_model *model, const struct taste *taste, unsigned *lane,
                   uint32_t *index)
{
    for (*lane = 0; *lane < TSUGA_LANE_COUNT; ++*lane) {
        for (*index = 0; *index < model->lanes[*lane].count; ++*index) {
            if (model->lanes[*lane].serials[*index] % taste->serial_divisor == 0)
                return true;
        }
    }
    return false;
}

static void take(struct tsuga_mailbox_model *model)
{
    struct taste taste = {.serial_divisor = 1 + pick(model, 3)};
    struct tsuga_mailbox *mailbox = &model->mailbox;
    const struct tsuga_message *seen = tsuga_mailbox_peek(mailbox, is_to_taste, &taste);
    struct tsuga_message *taken = taste.serial_divisor == 1
                                      ? tsuga_mailbox_take_first(mailbox)
                                      : tsuga_mailbox_take(mailbox, is_to_taste, &taste);
    uint32_t index;
    unsigned lane;

    TSUGA_VERIFY(taken == seen);
    if (!expect(model, &taste, &lane, &index)) {
        TSUGA_VERIFY(taken == NULL);
        return;
    }
    TSUGA_VERIFY(taken != NULL);
    TSUGA_VERIFY(item_of(taken)->serial == model->lanes[lane].serials[index]);
    TSUGA_VERIFY(taken->lane == lane);
    drop_at(&model->lanes[lane], index);
    tsuga_mailbox_credit(mailbox, taken);
    tsuga_mailbox_credit(mailbox, taken); /* the second time there is nothing to give back */
    model->user_count -= lane == TSUGA_LANE_USER && model->capacity != 0;
    model->live--;
    free(item_of(taken));
}

static bool is_serial(const struct tsuga_message *message, const void *context)
{
    return item_of(message)->serial == *(const uint64_t *)context;
}

/* Takes one completion out of the middle, as tsuga_forget() does. */
static void remove_one(struct tsuga_mailbox_model *model)
{
    struct tsuga_mailbox_model_lane *lane = &model->lanes[TSUGA_LANE_COMPLETION];
    uint32_t index;
    struct tsuga_message *message;

    if (lane->count == 0)
        return;
    index = pick(model, lane->count);
    message =
        (void *)(uintptr_t)tsuga_mailbox_peek(&model->mailbox, is_serial, &lane->serials[index]);
    TSUGA_VERIFY(message != NULL);
    tsuga_mailbox_remove(&model->mailbox, message);
    drop_at(lane, index);
    model->live--;
    free(item_of(message));
}

static void sleep_if_empty(struct tsuga_mailbox_model *model)
{
    if (model->is_settled ? !model->is_due : model->is_asleep)
        return; /* it does already */
    TSUGA_VERIFY(tsuga_mailbox_sleep(&model->mailbox) == (model->inlet_count == 0));
    if (model->inlet_count > 0)
        return;
    model->is_due = false;
    model->is_asleep = !model->owes_call;
}

static void check(struct tsuga_mailbox_model *model)
{
    bool is_empty = true;

    for (unsigned i = 0; i < TSUGA_LANE_COUNT; i++)
        is_empty &= model->lanes[i].count == 0;
    TSUGA_VERIFY(tsuga_mailbox_is_drained(&model->mailbox) == is_empty);
    TSUGA_VERIFY(model->mailbox.user_count == model->user_count);
    TSUGA_VERIFY(tsuga_mailbox_has_room(&model->mailbox) ==
                 (model->capacity == 0 || model->user_count < model->capacity));
}

void tsuga_mailbox_model_open(struct tsuga_mailbox_model *model, uint32_t capacity)
{
    model->capacity = capacity;
    model->is_asleep = false;
    model->is_settled = false;
    model->is_due = false;
    tsuga_mailbox_open(&model->mailbox, capacity);
}

void tsuga_mailbox_model_step(struct tsuga_mailbox_model *model)
{
    switch (pick(model, 11)) {
    case 0:
    case 1:
        if (model->live < LIVE_MAX)
            post(model);
        break;
    case 2:
        if (model->live < LIVE_MAX)
            put(model);
        break;
    case 3:
        collect(model);
        break;
    case 4:
    case 5:
        take(model);
        break;
    case 6:
        remove_one(model);
        break;
    case 7:
        wake(model);
        break;
    case 8:
        call(model);
        break;
    case 9:
        if (pick(model, 8) == 0)
            settle(model);
        break;
    default:
        sleep_if_empty(model);
        break;
    }
    check(model);
}

void tsuga_mailbox_model_close(struct tsuga_mailbox_model *model)
{
    struct tsuga_message *rest = NULL;
    struct tsuga_mailbox_item *late = make(model, TSUGA_LANE_USER);
    uint32_t completions = model->lanes[TSUGA_LANE_COMPLETION].count;

    TSUGA_VERIFY(tsuga_mailbox_close(&model->mailbox, &rest) == model->owes_call);
    model->owes_call = false;
    TSUGA_VERIFY(tsuga_mailbox_post(&model->mailbox, &late->head) == TSUGA_POSTED_DEAD);
    free(late);
    TSUGA_VERIFY(model->mailbox.user_count == 0);
    while (!tsuga_lane_is_empty(&model->mailbox.lanes[TSUGA_LANE_COMPLETION])) {
        free(item_of(tsuga_mailbox_take_first(&model->mailbox)));
        completions--;
        model->live--;
    }
    TSUGA_VERIFY(completions == 0);
    for (; rest != NULL; model->live--) {
        struct tsuga_mailbox_item *item = item_of(rest);

        rest = rest->next;
        free(item);
    }
    TSUGA_VERIFY(model->live == 0);
    model->user_count = 0;
    model->inlet_count = 0;
    memset(model->lanes, 0, sizeof(model->lanes));
}
