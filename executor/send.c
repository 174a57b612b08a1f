/* Messages between actors. */
#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/turn.h"

/* The calling thread's executor; NULL when it is none of this runtime's. */
static struct tsuga_executor *executor_at_hand(const struct tsuga_shared *shared)
{
    struct tsuga_executor *executor = tsuga_executor_current();

    return executor != NULL && executor->shared == shared ? executor : NULL;
}

static struct tsuga_letters *cache_of(struct tsuga_executor *here)
{
    return here != NULL ? &here->letters : NULL;
}

static inline struct tsuga_actor *find(struct tsuga_shared *shared, struct tsuga_id id)
{
    struct tsuga_actor *actor = tsuga_actor_table_find(&shared->table, id);

    if (actor == NULL || tsuga_actor_generation(actor) != (uint32_t)(id.value >> 32))
        return NULL;
    return actor;
}

static enum tsuga_posted post_to(struct tsuga_actor *actor, const struct tsuga_executor *here,
                                 struct tsuga_message *message)
{
    if (here != NULL && tsuga_mailbox_is_near(&actor->mailbox, tsuga_executor_number(here)))
        return tsuga_mailbox_post_near(&actor->mailbox, message);
    return tsuga_mailbox_post(&actor->mailbox, message);
}

/* The way of every message: inlined, and what it calls as well. */
static inline int deliver(struct tsuga_shared *shared, struct tsuga_executor *here,
                          struct tsuga_id to, struct tsuga_message *message)
{
    struct tsuga_actor *actor = find(shared, to);

    if (actor == NULL)
        return -ESRCH;
    message->to_generation = (uint32_t)(to.value >> 32);
    switch (post_to(actor, here, message)) {
    case TSUGA_POSTED:
        return 0;
    case TSUGA_POSTED_WAKE:
        tsuga_executor_call(here, tsuga_seat_of(actor));
        return 0;
    case TSUGA_POSTED_ROUSED:
        tsuga_executor_enqueue(here, tsuga_seat_of(actor));
        return 0;
    case TSUGA_POSTED_FULL:
        return -EAGAIN;
    case TSUGA_POSTED_DEAD:
        break;
    }
    return -ESRCH;
}

int tsuga_executor_deliver(struct tsuga_shared *shared, struct tsuga_executor *here,
                           struct tsuga_id to, struct tsuga_message *message)
{
    return deliver(shared, here, to, message);
}

struct tsuga_letter *tsuga_executor_write(struct tsuga_shared *shared, struct tsuga_executor *here,
                                          uint64_t tag, const void *data, size_t bytes)
{
    struct tsuga_letter *letter = tsuga_letters_take(cache_of(here), shared->memory, bytes);

    if (letter == NULL)
        return NULL;
    letter->head.tag = tag;
    letter->head.lane = TSUGA_LANE_USER;
    letter->head.type = TSUGA_TYPE_USER;
    letter->head.flags = 0;
    letter->payload_bytes = (uint32_t)bytes;
    if (bytes > 0)
        memcpy(letter->payload, data, bytes);
    return letter;
}

static enum tsuga_full policy_of(struct tsuga_shared *shared, struct tsuga_id to)
{
    struct tsuga_actor *actor = find(shared, to);

    return actor == NULL
               ? TSUGA_FULL_FAIL
               : (enum tsuga_full)atomic_load_explicit(&actor->mailbox_full, memory_order_relaxed);
}

/* Asks the receiver to say when it has room, and waits for that with the message in hand. */
static int wait_for_room(struct tsuga_seat *seat, struct tsuga_shared *shared, struct tsuga_id to,
                         struct tsuga_message *held)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_wait wait = {.kind = TSUGA_WAIT_ANSWER, .seat = seat, .held = held};
    struct tsuga_letter *letter = tsuga_letters_take(&executor->letters, shared->memory, 0);
    int error;

    if (letter == NULL)
        return -ENOMEM;
    letter->head.lane = TSUGA_LANE_SYSTEM;
    letter->head.type = TSUGA_TYPE_ROOM_WANTED;
    letter->head.flags = 0;
    letter->from = tsuga_actor_id(&seat->actor);
    error = tsuga_executor_deliver(shared, executor, to, &letter->head);
    if (error != 0) {
        tsuga_executor_discard(executor, &letter->head);
        return error;
    }
    tsuga_turn_prepare(&wait);
    seat->actor.has_room = false;
    error = tsuga_turn_block(seat, &wait);
    if (error == 0 && tsuga_turn_is_refused(seat))
        error = -ECANCELED;
    return error;
}

/* After a refusal: what the receiver's policy makes of it. 0: try again. */
static int face_full(struct tsuga_seat *seat, struct tsuga_shared *shared, struct tsuga_id to,
                     struct tsuga_message *message)
{
    enum tsuga_full policy = policy_of(shared, to);

    if (policy == TSUGA_FULL_DROP)
        return -ECHRNG;
    if (policy != TSUGA_FULL_BLOCK || seat == NULL)
        return -EAGAIN;
    if (tsuga_turn_is_refused(seat))
        return -ECANCELED;
    return wait_for_room(seat, shared, to, message);
}

static void count_sent(struct tsuga_shared *shared, struct tsuga_executor *here)
{
    if (here != NULL)
        tsuga_count(&here->counters.messages_sent, 1);
    else
        atomic_fetch_add_explicit(&shared->foreign_messages, 1, memory_order_relaxed);
}

static void discard(struct tsuga_shared *shared, struct tsuga_executor *here,
                    struct tsuga_letter *letter)
{
    if (here != NULL)
        tsuga_executor_discard(here, &letter->head);
    else
        tsuga_letters_give(NULL, shared->memory, letter);
}

int tsuga_executor_dispatch(struct tsuga_executor *executor, struct tsuga_id to,
                            struct tsuga_letter *letter)
{
    struct tsuga_shared *shared = executor->shared;
    int error = tsuga_executor_deliver(shared, executor, to, &letter->head);

    if (error == 0) {
        count_sent(shared, executor);
    } else {
        tsuga_executor_lose_letter(shared, executor, to, letter, error);
        tsuga_executor_discard(executor, &letter->head);
    }
    return error;
}

/* After a refusal, until it is delivered or discarded. Apart, because it may wait, in a large
 * frame.
 */
__attribute__((noinline)) static int insist(struct tsuga_shared *shared,
                                            struct tsuga_executor *here, struct tsuga_seat *seat,
                                            struct tsuga_id to, struct tsuga_letter *letter,
                                            int error)
{
    while (error == -EAGAIN) {
        error = face_full(seat, shared, to, &letter->head);
        if (error != 0)
            break;
        error = tsuga_executor_deliver(shared, here, to, &letter->head);
    }
    if (error == 0) {
        count_sent(shared, here);
        return 0;
    }
    if (error == -ECHRNG || error == -ESRCH)
        tsuga_executor_lose_letter(shared, here, to, letter, error == -ESRCH ? error : -EAGAIN);
    discard(shared, here, letter);
    return error;
}

int tsuga_executor_send(struct tsuga_shared *shared, struct tsuga_executor *here,
                        struct tsuga_seat *seat, struct tsuga_id to, struct tsuga_letter *letter)
{
    int error;

    if (seat != NULL)
        letter->from = tsuga_actor_id(&seat->actor);
    error = deliver(shared, here, to, &letter->head);
    if (error != 0)
        return insist(shared, here, seat, to, letter, error);
    count_sent(shared, here);
    return 0;
}

static int post(struct tsuga_shared *shared, struct tsuga_executor *here, struct tsuga_seat *seat,
                struct tsuga_id to, struct tsuga_letter *letter)
{
    int error = tsuga_executor_send(shared, here, seat, to, letter);

    /* Dropping is what the policy asked for: counted, but no error. */
    return error == -ECHRNG ? 0 : error;
}

int tsuga_send(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag, const void *data,
               size_t bytes)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_letter *letter;
    int error = tsuga_letters_check(data, bytes);

    if (error != 0)
        return error;
    letter = tsuga_executor_write(executor->shared, executor, tag, data, bytes);
    if (letter == NULL)
        return -ENOMEM;
    return post(executor->shared, executor, seat, to, letter);
}

int tsuga_send_with_lease(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag,
                          const void *data, size_t bytes, struct tsuga_lease lease)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_lease_entry *entry;
    struct tsuga_ticket *ticket;
    struct tsuga_letter *letter;
    int error = tsuga_letters_check(data, bytes);

    if (error == 0)
        error = tsuga_lease_find(self, lease, &entry);
    if (error != 0)
        return error;
    letter = tsuga_executor_write(executor->shared, executor, tag, data, bytes);
    if (letter == NULL)
        return -ENOMEM;
    error = tsuga_ticket_make(executor, entry, &ticket);
    if (error != 0) {
        tsuga_executor_discard(executor, &letter->head);
        return error;
    }
    letter->attachment = ticket;
    letter->head.flags |= TSUGA_MESSAGE_ATTACHED;
    return post(executor->shared, executor, seat, to, letter);
}

int tsuga_shared_post(struct tsuga_shared *shared, struct tsuga_id from, struct tsuga_id to,
                      uint64_t tag, const void *data, size_t bytes)
{
    struct tsuga_executor *here = executor_at_hand(shared);
    struct tsuga_letter *letter;
    int error = tsuga_letters_check(data, bytes);

    if (error != 0)
        return error;
    letter = tsuga_executor_write(shared, here, tag, data, bytes);
    if (letter == NULL)
        return -ENOMEM;
    letter->from = from;
    return post(shared, here, NULL, to, letter);
}

/* An actor ends at home: who stops all of them does not want all to come. */
static void call_to_stop(struct tsuga_executor *here, struct tsuga_seat *seat)
{
    tsuga_executor_call(tsuga_seat_home(seat) == here ? here : NULL, seat);
}

int tsuga_shared_stop(struct tsuga_shared *shared, struct tsuga_id id, enum tsuga_stop_level level)
{
    struct tsuga_actor *actor = tsuga_actor_table_find(&shared->table, id);
    int error;

    if (actor == NULL)
        return -ESRCH;
    error = tsuga_actor_raise_stop(actor, (uint32_t)(id.value >> 32), level);
    if (error == -EALREADY)
        return 0;
    if (error == 0 && tsuga_mailbox_wake(&actor->mailbox))
        call_to_stop(executor_at_hand(shared), tsuga_seat_of(actor));
    return error;
}
