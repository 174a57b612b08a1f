/*
 * An actor: what it is, what it is doing, and how it ends. Which thread runs it, and how it does
 * its I/O, is the executor's affair.
 *
 * Actors live in slots that are never unmapped (table.h), so that any thread may look at the fields
 * marked "any thread" at any time; the life word tells whether the actor that it means is alive.
 *
 *     FRESH ── first turn ──> READY <──> BLOCKED (in mid-behaviour, on a stack of its own)
 *       └─────────────┬─────────┴───────────┘
 *                   ENDED
 *
 * Owner: its executor. Thread: its executor's, unless a field says otherwise.
 */
#ifndef TSUGA_ACTOR_ACTOR_H
#define TSUGA_ACTOR_ACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "actor/bond.h"
#include "mailbox/mailbox.h"
#include "runtime/base/memory.h"

#include <tsuga.h>

enum tsuga_actor_status {
    TSUGA_ACTOR_ENDED,
    TSUGA_ACTOR_FRESH,
    TSUGA_ACTOR_READY,
    TSUGA_ACTOR_BLOCKED,
};

/* How urgently an actor shall end; only ever raised. */
enum tsuga_stop_level {
    TSUGA_STOP_NONE,
    TSUGA_STOP_ASKED,  /* blocking calls answer -ECANCELED; between messages it ends */
    TSUGA_STOP_FORCED, /* its stack is abandoned */
};

struct tsuga_exit_hook {
    struct tsuga_bond bond;
    void (*run)(void *context);
    void *context;
};

struct tsuga_actor {
    struct tsuga_mailbox mailbox;

    /* any thread */
    _Atomic uint64_t life;        /* see tsuga_actor_life() */
    _Atomic(void *) home;         /* the executor that runs it */
    _Atomic uint8_t mailbox_full; /* enum tsuga_full */
    bool is_pinned;               /* owner: to its executor */
    uint8_t status;               /* owner: enum tsuga_actor_status */
    uint8_t seen_stop;            /* owner: enum tsuga_stop_level that was acted on */
    uint32_t slot;                /* const after init */
    union {
        uint32_t next_free; /* in a list of free slots: slot + 1 of the next, 0: none */
        int32_t reason;     /* owner: for which it ends, or will: TSUGA_NORMAL while nothing is
                               known */
    };

    /* owner */
    bool traps_exits;
    bool has_room;  /* the receiver that was asked has answered */
    bool has_gifts; /* descriptors wait at its executor */
    bool receives_stop : 1;
    bool is_first : 1; /* tsuga_run() wants to know why it ends */
    tsuga_behaviour_fn *behaviour;
    union {
        struct {                  /* while FRESH */
            tsuga_body_fn *first; /* start or body */
            void *argument;       /* its */
        };
        struct {
            struct tsuga_message *current; /* taken last; NULL when given back */
            struct tsuga_message *kept;    /* by tsuga_message_keep() */
        };
    };
    union {
        void *state;
        uint64_t small_state; /* when state_units is TSUGA_STATE_INSIDE */
    };
    const char *name;
    uint32_t state_units;    /* of TSUGA_STATE_UNIT_BYTES */
    _Atomic uint32_t timers; /* the latest that it has armed, executor/timed.h: slot + 1; 0: none,
                                and its executor has nothing to do with it while it sleeps */
    struct tsuga_lane_list room_wanted; /* letters of senders that wait for room */
    struct tsuga_bond *bonds;           /* latest first */
};

#define TSUGA_STATE_UNIT_BYTES 16u
#define TSUGA_STATE_INSIDE     UINT32_MAX

#define TSUGA_LIFE_ALIVE UINT64_C(0x100)

/* The life word: generation << 32, whether somebody lives in the slot, and the stop level. */
static inline uint64_t tsuga_actor_life(uint32_t generation, uint64_t alive,
                                        enum tsuga_stop_level level)
{
    return (uint64_t)generation << 32 | alive | (uint64_t)level;
}

static inline uint32_t tsuga_actor_generation(const struct tsuga_actor *actor)
{
    return (uint32_t)(atomic_load_explicit(&actor->life, memory_order_relaxed) >> 32);
}

/* Sequentially consistent: pairs with tsuga_actor_raise_stop() around sleep and wake, so that an
 * actor which goes to sleep cannot overlook a stop (see tsuga_mailbox_sleep()). */
static inline enum tsuga_stop_level tsuga_actor_stop_level(const struct tsuga_actor *actor)
{
    return (enum tsuga_stop_level)(atomic_load_explicit(&actor->life, memory_order_seq_cst) &
                                   UINT8_MAX);
}

static inline struct tsuga_id tsuga_actor_id(const struct tsuga_actor *actor)
{
    return (struct tsuga_id){(uint64_t)tsuga_actor_generation(actor) << 32 | actor->slot};
}

/* Of the mailbox; where the options say nothing, as configured. */
struct tsuga_actor_room {
    uint32_t capacity; /* 0: unlimited */
    enum tsuga_full full;
};

/* Fill in a free slot from options that were checked; the actor is alive then, and can be posted
 * to.
 *
 * Errors: -ENOMEM, and the slot is as before.
 * Thread: whoever took the slot from the table. */
TSUGA_NODISCARD int tsuga_actor_init(struct tsuga_actor *actor,
                                     const struct tsuga_spawn_options *options,
                                     struct tsuga_actor_room room,
                                     const struct tsuga_memory *memory);

/* Ask the actor `generation` in this slot to stop. 0: its level was raised and it must be woken;
 * -EALREADY it was at this level; -ESRCH another lives here, or nobody. Thread: any. */
TSUGA_NODISCARD int tsuga_actor_raise_stop(struct tsuga_actor *actor, uint32_t generation,
                                           enum tsuga_stop_level level);

/* Have `run(context)` called when the actor ends. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_actor_add_hook(struct tsuga_actor *actor, void (*run)(void *context),
                                         void *context, const struct tsuga_memory *memory);

/* Run the exit hooks, of which the state's destructor is the first, and free the state. */
void tsuga_actor_fini(struct tsuga_actor *actor, const struct tsuga_memory *memory);

/* Make the slot mean nobody: from now on its generation is the next one's and posts are refused.
 * Undelivered messages are linked to `*rest`. True: a call of its mailbox is under way, and the
 * slot is free when it has come. */
TSUGA_NODISCARD bool tsuga_actor_vacate(struct tsuga_actor *actor, struct tsuga_message **rest);

/* -EINVAL unless the options make an actor. Thread: any. */
TSUGA_NODISCARD int tsuga_actor_check_options(const struct tsuga_spawn_options *options);

#endif
