/*
 * An actor's seat at its executor: the actor, and what its executor needs to run it. Private to
 * executor/.
 *
 * While an actor is BLOCKED, `wait` says on which stack its frames lie and what it waits for; it
 * lives exactly as long as the call that blocks.
 *
 * Owner: the executor that is the actor's home. Thread: that executor's, except that whoever
 * found the mailbox asleep pushes `task` into the home's inbox, or takes an actor over that may
 * move.
 */
#ifndef TSUGA_EXECUTOR_SEAT_H
#define TSUGA_EXECUTOR_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/actor.h"
#include "executor/runqueue.h"
#include "executor/timers.h"
#include "runtime/base/bits.h"
#include "runtime/base/list.h"

struct tsuga_executor;
struct tsuga_io;
struct tsuga_stack;

/* Work for an executor from any thread; intrusive in what it is about. */
struct tsuga_task {
    struct tsuga_task *next;
    void (*run)(struct tsuga_executor *executor, struct tsuga_task *task);
};

/* A timer that knows what to do. */
struct tsuga_alarm {
    struct tsuga_timer timer;
    void (*ring)(struct tsuga_executor *executor, struct tsuga_alarm *alarm);
};

enum tsuga_wait_kind {
    TSUGA_WAIT_MESSAGE, /* for a message that `accepts` takes */
    TSUGA_WAIT_ROOM,    /* for room to submit an operation */
    TSUGA_WAIT_ANSWER,  /* for a receiver to have room in its mailbox */
    TSUGA_WAIT_TURN,    /* for nothing but its next turn */
};

/* Why a blocked actor is blocked. Lives in the frame of the call that blocks. */
struct tsuga_wait {
    struct tsuga_stack *stack; /* on which the frame lies */
    enum tsuga_wait_kind kind;
    bool is_over;                      /* timed out, or there is room */
    uint32_t room_count;               /* requests that there must be room for */
    tsuga_mailbox_accepts_fn *accepts; /* NULL: any message */
    const void *context;
    struct tsuga_seat *seat;
    struct tsuga_alarm alarm;
    struct tsuga_list_node link; /* among those who wait for room */
    struct tsuga_message *held;  /* a letter that goes with the frame when that is abandoned */
};

struct tsuga_seat {
    struct tsuga_actor actor;
    struct tsuga_runqueue_node node; /* in one of its home's queues */
    struct tsuga_io *io;             /* NULL before the first operation */
    /* What is touched least comes last: a busy word of the next slot may lie in the same line. */
    struct tsuga_wait *wait; /* while BLOCKED */
    struct tsuga_task task;  /* in its home's inbox: calls it */
};

/* A million idle actors count on it. */
_Static_assert(sizeof(struct tsuga_seat) <= 184, "an idle actor takes 192 bytes in all");

/* What only few actors have: a bond of those whose options ask for it. */
struct tsuga_extras {
    struct tsuga_bond bond;
    struct tsuga_seat *seat;
    uint64_t ioheap_quota;   /* 0: as configured */
    uint32_t ioheap_classes; /* likewise */
    /* of who receives its stop */
    struct tsuga_message stop_message;
    struct tsuga_alarm stop_alarm; /* until it is ended by force */
};

/* NULL when the actor has none. */
static inline struct tsuga_extras *tsuga_seat_extras(const struct tsuga_seat *seat)
{
    struct tsuga_bond *bond = tsuga_bond_latest(seat->actor.bonds, TSUGA_BOND_EXTRAS);

    return bond == NULL ? NULL : TSUGA_CONTAINER_OF(bond, struct tsuga_extras, bond);
}

static inline struct tsuga_seat *tsuga_seat_of(struct tsuga_actor *actor)
{
    return TSUGA_CONTAINER_OF(actor, struct tsuga_seat, actor);
}

/* The actor's executor. Stable for whoever may schedule it: actors move while they are in a run
 * queue, and by the hands of who must call them. */
static inline struct tsuga_executor *tsuga_seat_home(const struct tsuga_seat *seat)
{
    /* Acquire pairs with the release of the executor that took the actor over. */
    return atomic_load_explicit(&seat->actor.home, memory_order_acquire);
}

#endif
