/*
 * Ties between two actors: monitors and links. Private to executor/.
 *
 * A tie is one allocation with an end for each actor. Each end is touched by the executor of its
 * own actor only; what the other shall know travels in a message that lies in the tie, so that it
 * can never fail for lack of memory, nor for a full mailbox.
 *
 *     monitor   end 0 watches end 1
 *     link      each watches the other
 *     request   end 0 has asked end 1, and hears if that ends before it answers: requests.c
 *
 * The opening goes from end 0 to end 1, in the message of end 1, which has no use for it before.
 * Then each end sends one last message, at most: that it leaves (UNTIE), or that its actor has
 * ended (DOWN, EXIT, UNANSWERED). With it goes that end's reference; the tie is freed with the
 * second one.
 *
 * A port's monitor is made by a thread that is no executor. It sends end 0 to the port, in the
 * message of that end (WATCH), and then the opening to end 1, unless whom that is for got it when
 * it was made. So news cannot come to the port before its end, but the port's own last message can
 * overtake the opening.
 *
 *     OPENING ──> TIED ──> HEARD (the other's last message waits for the user)
 *                   └────────┴──> GONE
 *
 * Owner: the two ends. Thread: of each end, its actor's executor.
 */
#ifndef TSUGA_EXECUTOR_TIES_H
#define TSUGA_EXECUTOR_TIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "actor/actor.h"
#include "mailbox/message.h"
#include "runtime/base/list.h"

#include <tsuga.h>

struct tsuga_executor;
struct tsuga_seat;
struct tsuga_shared;

struct tsuga_answer {
    int result;
    const void *data;
    size_t bytes;
};

enum tsuga_tie_kind { TSUGA_TIE_MONITOR, TSUGA_TIE_LINK, TSUGA_TIE_REQUEST };

enum tsuga_tie_state {
    TSUGA_TIE_OPENING, /* end 0, until it sends the opening, or as a port's gets it; end 1, until
                          it gets it */
    TSUGA_TIE_TIED,
    TSUGA_TIE_HEARD,
    TSUGA_TIE_GONE,
};

struct tsuga_tie_end {
    struct tsuga_bond bond;       /* of this end's actor, unless GONE, or end 1 and OPENING */
    struct tsuga_message message; /* to the other end */
    struct tsuga_tie_end *next;   /* in its actor's index */
    struct tsuga_id id;           /* who is at this end */
    struct tsuga_down down;       /* what the message says */
    uint8_t state;                /* enum tsuga_tie_state */
    uint8_t index;                /* in the tie */
};

struct tsuga_tie {
    struct tsuga_tie_end ends[2];
    uint64_t name;                /* const; of a monitor or a request, never used again */
    enum tsuga_tie_kind kind;     /* const */
    struct tsuga_timer_ref timer; /* end 0: a request's time limit, or zero */
    _Atomic uint32_t reference_count;
};

static inline struct tsuga_tie_end *tsuga_tie_end_of_bond(struct tsuga_bond *bond)
{
    return TSUGA_CONTAINER_OF(bond, struct tsuga_tie_end, bond);
}

static inline struct tsuga_tie *tsuga_tie_of(struct tsuga_tie_end *end)
{
    return TSUGA_CONTAINER_OF(end - end->index, struct tsuga_tie, ends);
}

static inline struct tsuga_tie_end *tsuga_tie_other(struct tsuga_tie_end *end)
{
    return &tsuga_tie_of(end)->ends[1 - end->index];
}

/* Ends of an actor that has ended, linked by their bonds' `next`, and what the others are told. */
struct tsuga_obituary {
    struct tsuga_bond *ends;
    int32_t reason;
};

/* A tie that only the actor knows yet; NULL: no memory. Open it, or free it; an actor that ends
 * before does the latter. */
struct tsuga_tie *tsuga_tie_make(struct tsuga_seat *seat, enum tsuga_tie_kind kind,
                                 struct tsuga_id to, uint64_t tag);
void tsuga_tie_free(struct tsuga_seat *seat, struct tsuga_tie *tie);

/* Ask for the tie; an actor that has ended already answers through whoever finds that out. */
void tsuga_tie_open(struct tsuga_seat *seat, struct tsuga_tie *tie);

/* A tie of which the actor is end 0, by its name; NULL when it is no more. */
struct tsuga_tie *tsuga_tie_find(struct tsuga_actor *actor, enum tsuga_tie_kind kind,
                                 uint64_t name);

/* End 0 goes, and with it what has come from the other. */
void tsuga_tie_leave(struct tsuga_seat *seat, struct tsuga_tie *tie);

struct tsuga_tie *tsuga_tie_of_message(const struct tsuga_message *message);

/* A new actor that runs nowhere yet gets end 1 of a tie, at once and without an opening; if end 0
 * is a port's, that gets it now. */
void tsuga_tie_begin(struct tsuga_shared *shared, struct tsuga_tie *tie, struct tsuga_actor *actor);

/* A monitor of a port, from any thread. NULL: no memory. Watch, or begin, or free it. */
struct tsuga_tie *tsuga_tie_make_foreign(struct tsuga_shared *shared, struct tsuga_id port,
                                         struct tsuga_id to, uint64_t tag);
void tsuga_tie_free_foreign(struct tsuga_shared *shared, struct tsuga_tie *tie);

/* Give both ends away. Errors: -ESHUTDOWN the port has ended, and the tie is gone. */
TSUGA_NODISCARD int tsuga_tie_watch(struct tsuga_shared *shared, struct tsuga_tie *tie);

/* A message of one of the six types has come to a living actor. */
void tsuga_ties_handle(struct tsuga_seat *seat, struct tsuga_message *message);

/* A reply has come to a living actor. */
void tsuga_requests_handle(struct tsuga_seat *seat, struct tsuga_message *message);

/* What tsuga_reply() does; `here` is the calling thread's executor, or NULL. */
int tsuga_requests_answer(struct tsuga_shared *shared, struct tsuga_executor *here,
                          struct tsuga_id from, struct tsuga_reply_to to,
                          const struct tsuga_answer *answer);

/* The user takes the news, and gives it back. */
void tsuga_ties_take(struct tsuga_seat *seat, struct tsuga_message *message);
void tsuga_ties_give_back(struct tsuga_executor *executor, struct tsuga_message *message);

/* A message of one of the six types did not find its actor. */
void tsuga_ties_refuse(struct tsuga_executor *executor, struct tsuga_message *message);

/* The actor ends: what it watches is left, who watches it goes into the obituary. */
void tsuga_ties_leave(struct tsuga_seat *seat, struct tsuga_obituary *obituary);

/* Openings among the messages that a dead actor has left unread go into its obituary, too. */
void tsuga_ties_admit(struct tsuga_message **rest, uint32_t generation,
                      struct tsuga_obituary *obituary);

/* Tell those in the obituary, which is empty then. */
void tsuga_ties_announce(struct tsuga_executor *executor, struct tsuga_obituary *obituary,
                         bool is_reclaimed);

#endif
