#include "mailbox/mailbox.h"

static struct tsuga_message *asleep(void)
{
    return tsuga_mailbox_asleep();
}

static struct tsuga_message *closed(void)
{
    return (struct tsuga_message *)(uintptr_t)2;
}

void tsuga_mailbox_init(struct tsuga_mailbox *mailbox)
{
    for (unsigned lane = 0; lane < TSUGA_LANE_COUNT; lane++)
        mailbox->lanes[lane] = (struct tsuga_lane_list){NULL};
    atomic_init(&mailbox->user_count, 0);
    atomic_init(&mailbox->capacity, 0);
    atomic_init(&mailbox->thread, TSUGA_MAILBOX_NOWHERE);
    atomic_init(&mailbox->inlet, closed());
}

void tsuga_mailbox_open(struct tsuga_mailbox *mailbox, uint32_t capacity)
{
    TSUGA_ASSERT(tsuga_mailbox_is_drained(mailbox));
    atomic_store_explicit(&mailbox->capacity, capacity, memory_order_relaxed);
    atomic_store_explicit(&mailbox->thread, TSUGA_MAILBOX_NOWHERE, memory_order_relaxed);
    /* Publishes the actor. Pairs with the acquire in push(). */
    atomic_store_explicit(&mailbox->inlet, NULL, memory_order_release);
}

static bool is_settled(const struct tsuga_mailbox *mailbox)
{
    uint32_t thread = atomic_load_explicit(&mailbox->thread, memory_order_relaxed);

    return thread != TSUGA_MAILBOX_NOWHERE && thread != TSUGA_MAILBOX_LEFT;
}

void tsuga_mailbox_settle(struct tsuga_mailbox *mailbox, uint32_t thread)
{
    TSUGA_ASSERT(thread != TSUGA_MAILBOX_NOWHERE && thread != TSUGA_MAILBOX_LEFT);
    TSUGA_ASSERT(!tsuga_mailbox_has_settled(mailbox));
    /* It runs because it was called. */
    mailbox->is_due = true;
    mailbox->is_called = true;
    atomic_store_explicit(&mailbox->thread, thread, memory_order_relaxed);
}

void tsuga_mailbox_credit(struct tsuga_mailbox *mailbox, struct tsuga_message *message)
{
    if ((message->flags & TSUGA_MESSAGE_COUNTED) == 0)
        return;
    message->flags &= (uint8_t)~TSUGA_MESSAGE_COUNTED;
    atomic_fetch_sub_explicit(&mailbox->user_count, 1, memory_order_relaxed);
}

/* Room is taken before the push and given back when the push is refused, so the count may be too
 * high for a moment but never too low: the capacity is never exceeded. */
static bool take_room(struct tsuga_mailbox *mailbox, struct tsuga_message *message,
                      uint32_t capacity)
{
    if (message->lane != TSUGA_LANE_USER || (message->flags & TSUGA_MESSAGE_ADMITTED) != 0)
        return true;
    message->flags |= TSUGA_MESSAGE_COUNTED;
    if (atomic_fetch_add_explicit(&mailbox->user_count, 1, memory_order_relaxed) < capacity)
        return true;
    tsuga_mailbox_credit(mailbox, message);
    return false;
}

static inline bool reserve(struct tsuga_mailbox *mailbox, struct tsuga_message *message)
{
    uint32_t capacity = atomic_load_explicit(&mailbox->capacity, memory_order_relaxed);

    return capacity == 0 || take_room(mailbox, message, capacity);
}

static enum tsuga_posted push(struct tsuga_mailbox *mailbox, struct tsuga_message *message)
{
    struct tsuga_message *seen = atomic_load_explicit(&mailbox->inlet, memory_order_relaxed);

    do {
        if (seen == closed())
            return TSUGA_POSTED_DEAD;
        message->next = seen == asleep() ? NULL : seen;
        /* Release publishes the message; pairs with the exchange in take_inlet(). Acquire orders
         * what the caller does with a consumer that it found asleep after what that one did
         * before it slept. */
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->inlet, &seen, message,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return seen == asleep() ? TSUGA_POSTED_WAKE : TSUGA_POSTED;
}

enum tsuga_posted tsuga_mailbox_post(struct tsuga_mailbox *mailbox, struct tsuga_message *message)
{
    enum tsuga_posted posted;

    if (!reserve(mailbox, message))
        return TSUGA_POSTED_FULL;
    posted = push(mailbox, message);
    if (posted == TSUGA_POSTED_DEAD)
        tsuga_mailbox_credit(mailbox, message);
    return posted;
}

enum tsuga_posted tsuga_mailbox_post_near(struct tsuga_mailbox *mailbox,
                                          struct tsuga_message *message)
{
    /* What waits in the inlet may be of the same sender, who has just moved here. */
    if (message->lane != TSUGA_LANE_USER || !tsuga_mailbox_is_quiet(mailbox))
        return tsuga_mailbox_post(mailbox, message);
    if (!reserve(mailbox, message))
        return TSUGA_POSTED_FULL;
    tsuga_lane_append(&mailbox->lanes[TSUGA_LANE_USER], message);
    if (mailbox->is_due)
        return TSUGA_POSTED;
    mailbox->is_due = true;
    return TSUGA_POSTED_ROUSED;
}

bool tsuga_mailbox_rouse(struct tsuga_mailbox *mailbox)
{
    bool was_due = mailbox->is_due;

    if (!is_settled(mailbox))
        return tsuga_mailbox_wake(mailbox);
    mailbox->is_due = true;
    return !was_due;
}

bool tsuga_mailbox_called(struct tsuga_mailbox *mailbox)
{
    if (!is_settled(mailbox))
        return true;
    mailbox->is_called = true;
    return tsuga_mailbox_rouse(mailbox);
}

bool tsuga_mailbox_wake(struct tsuga_mailbox *mailbox)
{
    struct tsuga_message *expected = asleep();

    /* A look first: the actor that is awake is the common case, and a look costs no bus lock. It is
     * sequentially consistent for callers that set a flag before it, see tsuga_mailbox_sleep(). */
    if (atomic_load_explicit(&mailbox->inlet, memory_order_seq_cst) != expected)
        return false;
    /* Acquire pairs with the release in tsuga_mailbox_sleep(). */
    return atomic_compare_exchange_strong_explicit(&mailbox->inlet, &expected, NULL,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static bool fall_asleep(struct tsuga_mailbox *mailbox)
{
    struct tsuga_message *expected = NULL;

    /* Hands the actor to whoever wakes it; pairs with push() and tsuga_mailbox_wake(). Sequentially
     * consistent, so that of "sleep, then look at a flag" here and "set the flag, then wake" there
     * at least one sees the other. */
    return atomic_compare_exchange_strong_explicit(&mailbox->inlet, &expected, asleep(),
                                                   memory_order_seq_cst, memory_order_relaxed);
}

bool tsuga_mailbox_sleep(struct tsuga_mailbox *mailbox)
{
    struct tsuga_message *seen;

    if (!is_settled(mailbox))
        return fall_asleep(mailbox);
    seen = atomic_load_explicit(&mailbox->inlet, memory_order_relaxed);
    /* Without its call an empty inlet stays as it is: the call will rouse the consumer. */
    if (seen != asleep() && (seen != NULL || mailbox->is_called)) {
        if (!fall_asleep(mailbox))
            return false;
        mailbox->is_called = false;
    }
    mailbox->is_due = false;
    return true;
}

/* What the inlet held, newest first. */
static struct tsuga_message *take_inlet(struct tsuga_mailbox *mailbox,
                                        struct tsuga_message *replacement)
{
    /* Acquire pairs with the release in push(): the messages' contents are visible. */
    return atomic_exchange_explicit(&mailbox->inlet, replacement, memory_order_acq_rel);
}

static struct tsuga_message *reverse(struct tsuga_message *newest)
{
    struct tsuga_message *oldest = NULL;

    while (newest != NULL) {
        struct tsuga_message *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void tsuga_mailbox_collect(struct tsuga_mailbox *mailbox, uint32_t generation,
                           struct tsuga_message **strays)
{
    struct tsuga_message *message;

    if (tsuga_mailbox_is_quiet(mailbox))
        return;
    message = reverse(take_inlet(mailbox, NULL));
    while (message != NULL) {
        struct tsuga_message *next = message->next;

        if (message->to_generation == generation) {
            tsuga_lane_append(&mailbox->lanes[message->lane], message);
        } else {
            tsuga_mailbox_credit(mailbox, message);
            message->next = *strays;
            *strays = message;
        }
        message = next;
    }
}

static void set_aside(struct tsuga_mailbox *mailbox, struct tsuga_message *messages,
                      struct tsuga_message **list)
{
    while (messages != NULL) {
        struct tsuga_message *next = messages->next;

        tsuga_mailbox_credit(mailbox, messages);
        messages->next = *list;
        *list = messages;
        messages = next;
    }
}

bool tsuga_mailbox_close(struct tsuga_mailbox *mailbox, struct tsuga_message **rest)
{
    struct tsuga_message *inlet = take_inlet(mailbox, closed());
    bool was_settled = is_settled(mailbox);
    bool is_owed = was_settled && inlet != asleep() && !mailbox->is_called;

    if (inlet != asleep())
        set_aside(mailbox, reverse(inlet), rest);
    set_aside(mailbox, tsuga_lane_take_all(&mailbox->lanes[TSUGA_LANE_SYSTEM]), rest);
    set_aside(mailbox, tsuga_lane_take_all(&mailbox->lanes[TSUGA_LANE_USER]), rest);
    if (was_settled) /* whoever calls it now must not find that it never did */
        atomic_store_explicit(&mailbox->thread, TSUGA_MAILBOX_LEFT, memory_order_relaxed);
    return is_owed;
}

/* The message before the first that is accepted; NULL when none is. */
static struct tsuga_message *find_before(const struct tsuga_lane_list *lane,
                                         tsuga_mailbox_accepts_fn *accepts, const void *context)
{
    struct tsuga_message *previous = lane->last;

    if (previous == NULL)
        return NULL;
    while (!accepts(previous->next, context)) {
        previous = previous->next;
        if (previous == lane->last)
            return NULL;
    }
    return previous;
}

static struct tsuga_message *unlink_first(struct tsuga_lane_list *lane,
                                          tsuga_mailbox_accepts_fn *accepts, const void *context)
{
    struct tsuga_message *previous = find_before(lane, accepts, context);
    struct tsuga_message *message;

    if (previous == NULL)
        return NULL;
    message = previous->next;
    previous->next = message->next;
    if (lane->last == message)
        lane->last = previous == message ? NULL : previous;
    return message;
}

/* Apart, so that who takes just any message does not pay for its frame. */
__attribute__((noinline)) struct tsuga_message *
tsuga_mailbox_take(struct tsuga_mailbox *mailbox, tsuga_mailbox_accepts_fn *accepts,
                   const void *context)
{
    for (unsigned i = 0; i < TSUGA_LANE_COUNT; i++) {
        struct tsuga_message *found = unlink_first(&mailbox->lanes[i], accepts, context);

        if (found != NULL)
            return found;
    }
    return NULL;
}

static bool is_this_one(const struct tsuga_message *message, const void *context)
{
    return message == context;
}

void tsuga_mailbox_remove(struct tsuga_mailbox *mailbox, struct tsuga_message *message)
{
    (void)unlink_first(&mailbox->lanes[message->lane], is_this_one, message);
}

const struct tsuga_message *tsuga_mailbox_peek(const struct tsuga_mailbox *mailbox,
                                               tsuga_mailbox_accepts_fn *accepts,
                                               const void *context)
{
    for (unsigned i = 0; i < TSUGA_LANE_COUNT; i++) {
        const struct tsuga_message *previous = find_before(&mailbox->lanes[i], accepts, context);

        if (previous != NULL)
            return previous->next;
    }
    return NULL;
}
