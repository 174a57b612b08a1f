/*
 * A mailbox: many producers, one consumer, three lanes.
 *
 * Producers on any thread push messages onto the inlet, one atomic word. The consumer, the actor's
 * executor, collects the inlet into private lanes and takes messages from those; completions go
 * to their lane directly, because only the consumer's own thread routes them.
 *
 * The inlet is a stack that is taken whole and reversed. It holds one of
 *
 *     AWAKE (NULL)   nothing new; the consumer is queued or running and will look again
 *     a list         new messages; likewise
 *     ASLEEP         nothing at all; whoever changes this word must schedule the consumer
 *     CLOSED         the actor has ended; posts are refused
 *
 * so "queued at most once" and "never forgotten" are properties of one word. (The idea of a stack
 * with special states for an actor's inlet is CAF's; Treiber 1986 for the stack.)
 *
 * A consumer that will not change its thread any more settles there, and then that thread's own
 * messages, which are most, take no atomic operation: they go to the lanes directly. What the
 * inlet's word says is then only what other threads have to know. ASLEEP means that nothing came
 * from elsewhere, although the consumer may be running; whoever changes it owes the consumer's
 * thread a call, and the word is ASLEEP again only when that call has come. Whether the consumer is
 * scheduled, its own thread knows from a plain flag. A consumer that has not settled is, from the
 * change of the word ASLEEP to the call, whose who must call it: even to take it to another thread.
 *
 * A message names its receiver's generation, and collecting sets aside what was meant for a
 * predecessor in the slot: a sender that was overtaken by death and rebirth is harmless.
 *
 * Invariants: messages of one sender keep their order: a message passes by the inlet only while
 * that is empty. At most one call is under way. Owner: the actor. Thread: the consumer, except
 * where stated.
 */
#ifndef TSUGA_MAILBOX_MAILBOX_H
#define TSUGA_MAILBOX_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox/message.h"
#include "runtime/base/assert.h"

/* Numbers of no thread. */
#define TSUGA_MAILBOX_NOWHERE UINT32_C(0)
#define TSUGA_MAILBOX_LEFT    UINT32_MAX /* closed by a consumer that had settled */

/* A first-in, first-out list: its last message, which leads to the first; NULL: empty. Of a million
 * actors each has three. */
struct tsuga_lane_list {
    struct tsuga_message *last;
};

struct tsuga_mailbox {
    /* any thread */
    _Atomic(struct tsuga_message *) inlet;
    _Atomic uint32_t user_count; /* messages with TSUGA_MESSAGE_COUNTED that are on their way to
                                    it or in it; never reset, so that a late sender of an earlier
                                    life gives back exactly what it took */
    _Atomic uint32_t capacity;   /* 0: unlimited */
    _Atomic uint32_t thread;     /* on which the consumer has settled; or NOWHERE, LEFT */
    /* owner */
    bool is_due;    /* settled: it is scheduled, or runs */
    bool is_called; /* settled: the call came that belongs to the inlet's not being ASLEEP */
    struct tsuga_lane_list lanes[TSUGA_LANE_COUNT];
};

enum tsuga_posted {
    TSUGA_POSTED,        /* the consumer is awake and will see it */
    TSUGA_POSTED_WAKE,   /* the consumer was asleep: the caller must call it */
    TSUGA_POSTED_ROUSED, /* the same, on the consumer's own thread: the caller must schedule it */
    TSUGA_POSTED_FULL,   /* refused: the capacity is used up */
    TSUGA_POSTED_DEAD,   /* refused: closed */
};

/* Starts closed, as the mailbox of a slot in which nobody has lived yet. */
void tsuga_mailbox_init(struct tsuga_mailbox *mailbox);

/* Opens a closed mailbox, awake and empty: the first turn is scheduled by whoever makes the actor.
 */
void tsuga_mailbox_open(struct tsuga_mailbox *mailbox, uint32_t capacity);

/* Push one message. On FULL and DEAD it stays the caller's. Only the user lane has a capacity, and
 * none for what is ADMITTED.
 * Thread: any. */
TSUGA_NODISCARD enum tsuga_posted tsuga_mailbox_post(struct tsuga_mailbox *mailbox,
                                                     struct tsuga_message *message);

/* The consumer, which is running, stays on its thread until the mailbox is closed. The number means
 * that thread, and neither NOWHERE nor LEFT. */
void tsuga_mailbox_settle(struct tsuga_mailbox *mailbox, uint32_t thread);

/* Whether the consumer has settled on the calling thread. */
static inline bool tsuga_mailbox_is_near(const struct tsuga_mailbox *mailbox, uint32_t thread)
{
    /* Only the thread itself writes its number here, and takes it away. */
    return atomic_load_explicit(&mailbox->thread, memory_order_relaxed) == thread;
}

/* Whether the consumer has settled, on whatever thread, even if the mailbox is closed by now. While
 * it has not, it is the caller's, who must call it.
 * Thread: of who must call the consumer. */
static inline bool tsuga_mailbox_has_settled(const struct tsuga_mailbox *mailbox)
{
    /* Written before the word ASLEEP that the caller has changed. */
    return atomic_load_explicit(&mailbox->thread, memory_order_relaxed) != TSUGA_MAILBOX_NOWHERE;
}

/* tsuga_mailbox_post() for the thread on which the consumer has settled. */
TSUGA_NODISCARD enum tsuga_posted tsuga_mailbox_post_near(struct tsuga_mailbox *mailbox,
                                                          struct tsuga_message *message);

static inline void tsuga_lane_append(struct tsuga_lane_list *lane, struct tsuga_message *message)
{
    struct tsuga_message *last = lane->last;

    message->next = last == NULL ? message : last->next;
    if (last != NULL)
        last->next = message;
    lane->last = message;
}

static inline bool tsuga_lane_is_empty(const struct tsuga_lane_list *lane)
{
    return lane->last == NULL;
}

/* The oldest; NULL when there is none. */
static inline struct tsuga_message *tsuga_lane_pop(struct tsuga_lane_list *lane)
{
    struct tsuga_message *last = lane->last;
    struct tsuga_message *first;

    if (last == NULL)
        return NULL;
    first = last->next;
    if (first == last)
        lane->last = NULL;
    else
        last->next = first->next;
    return first;
}

/* All of them, oldest first; the last leads to NULL. */
static inline struct tsuga_message *tsuga_lane_take_all(struct tsuga_lane_list *lane)
{
    struct tsuga_message *last = lane->last;
    struct tsuga_message *first;

    if (last == NULL)
        return NULL;
    first = last->next;
    last->next = NULL;
    lane->last = NULL;
    return first;
}

/* Put a message into its lane without atomics; the caller sees to it that the consumer wakes. */
static inline void tsuga_mailbox_put(struct tsuga_mailbox *mailbox, struct tsuga_message *message)
{
    tsuga_lane_append(&mailbox->lanes[message->lane], message);
}

/* True when the consumer was asleep: the caller must call it. Thread: any. */
TSUGA_NODISCARD bool tsuga_mailbox_wake(struct tsuga_mailbox *mailbox);

/* The call has come. True: schedule the consumer. Thread: the consumer's, if it has settled. */
TSUGA_NODISCARD bool tsuga_mailbox_called(struct tsuga_mailbox *mailbox);

/* Something was put. True: schedule the consumer. */
TSUGA_NODISCARD bool tsuga_mailbox_rouse(struct tsuga_mailbox *mailbox);

/* Go to sleep. False when a message came in the meantime: collect again. */
TSUGA_NODISCARD bool tsuga_mailbox_sleep(struct tsuga_mailbox *mailbox);

/* What an inlet holds that is asleep: like the one of a closed inlet, 2, an address that no message
 * can have. One beside NULL, so that one comparison tells both from all others. */
static inline struct tsuga_message *tsuga_mailbox_asleep(void)
{
    return (struct tsuga_message *)(uintptr_t)1;
}

/* Whether collecting would move nothing. */
static inline bool tsuga_mailbox_is_quiet(const struct tsuga_mailbox *mailbox)
{
    const struct tsuga_message *seen = atomic_load_explicit(&mailbox->inlet, memory_order_relaxed);

    return seen == NULL || seen == tsuga_mailbox_asleep();
}

/* Move what is in the inlet of a consumer that is awake into the lanes, oldest first. Messages of
 * another generation are linked to `*strays` and stay the caller's. */
void tsuga_mailbox_collect(struct tsuga_mailbox *mailbox, uint32_t generation,
                           struct tsuga_message **strays);

/* Refuse all posts from now on. Everything that was undelivered in the inlet and in the system and
 * user lanes is linked to `*rest`; the completion lane is left alone. True: a call is under way,
 * and the mailbox may be opened again when it has come. */
TSUGA_NODISCARD bool tsuga_mailbox_close(struct tsuga_mailbox *mailbox,
                                         struct tsuga_message **rest);

/* What a selective receive accepts. */
typedef bool tsuga_mailbox_accepts_fn(const struct tsuga_message *message, const void *context);

/* Take the first message that is accepted, in the order of lanes; NULL when there is none.
 * Cost: linear in what is passed over. */
struct tsuga_message *tsuga_mailbox_take(struct tsuga_mailbox *mailbox,
                                         tsuga_mailbox_accepts_fn *accepts, const void *context);

/* The same without taking it. */
const struct tsuga_message *tsuga_mailbox_peek(const struct tsuga_mailbox *mailbox,
                                               tsuga_mailbox_accepts_fn *accepts,
                                               const void *context);

/* Take one message out of its lane, in which it is. Cost: linear in what lies before it. */
void tsuga_mailbox_remove(struct tsuga_mailbox *mailbox, struct tsuga_message *message);

/* Whether a user message would be accepted now. Thread: any. */
static inline bool tsuga_mailbox_has_room(const struct tsuga_mailbox *mailbox)
{
    uint32_t capacity = atomic_load_explicit(&mailbox->capacity, memory_order_relaxed);

    return capacity == 0 ||
           atomic_load_explicit(&mailbox->user_count, memory_order_relaxed) < capacity;
}

/* Give back the room that a message took, if it did: when it is taken, refused or set aside. */
void tsuga_mailbox_credit(struct tsuga_mailbox *mailbox, struct tsuga_message *message);

/* Take the first message of the lanes without asking; NULL when they are empty. */
static inline struct tsuga_message *tsuga_mailbox_take_first(struct tsuga_mailbox *mailbox)
{
    for (unsigned lane = 0; lane < TSUGA_LANE_COUNT; lane++) {
        struct tsuga_message *first = tsuga_lane_pop(&mailbox->lanes[lane]);

        if (first != NULL)
            return first;
    }
    return NULL;
}

/* Whether the lanes hold nothing. The inlet may. */
static inline bool tsuga_mailbox_is_drained(const struct tsuga_mailbox *mailbox)
{
    return tsuga_lane_is_empty(&mailbox->lanes[TSUGA_LANE_SYSTEM]) &&
           tsuga_lane_is_empty(&mailbox->lanes[TSUGA_LANE_COMPLETION]) &&
           tsuga_lane_is_empty(&mailbox->lanes[TSUGA_LANE_USER]);
}

#endif
