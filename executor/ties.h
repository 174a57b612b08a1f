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

#include <tsuga.h>

struct tsuga_executor;
struct tsuga_seat;

enum tsuga_tie_kind { TSUGA_TIE_MONITOR, TSUGA_TIE_LINK, TSUGA_TIE_REQUEST };

enum tsuga_tie_state {
    TSUGA_TIE_OPENING, /* end 0, until it sends the opening; end 1, until it gets it */
    TSUGA_TIE_TIED,
    TSUGA_TIE_HEARD,
    TSUGA_TIE_GONE,
};

struct tsuga_tie_end {
    struct tsuga_bond bond;       /* of this end's actor, unless GONE, or end 1 and OPENING */
    struct tsuga_message message; /* to the other end */
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

/* A tie of which the actor is end 0, by its name; NULL when it is no more. Cost: linear in bonds.
 */
struct tsuga_tie *tsuga_tie_find(struct tsuga_actor *actor, enum tsuga_tie_kind kind,
                                 uint64_t name);

/* End 0 goes, and with it what has come from the other. */
void tsuga_tie_leave(struct tsuga_seat *seat, struct tsuga_tie *tie);

struct tsuga_tie *tsuga_tie_of_message(const struct tsuga_message *message);

/* A new actor that runs nowhere yet gets end 1 of a tie, at once and without an opening. */
void tsuga_tie_begin(struct tsuga_tie *tie, struct tsuga_actor *actor);

/* A message of one of the five types has come to a living actor. */
void tsuga_ties_handle(struct tsuga_seat *seat, struct tsuga_message *message);

/* A reply has come to a living actor. */
void tsuga_requests_handle(struct tsuga_seat *seat, struct tsuga_message *message);

/* The user takes the news, and gives it back. */
void tsuga_ties_take(struct tsuga_message *message);
void tsuga_ties_give_back(struct tsuga_executor *executor, struct tsuga_message *message);

/* A message of one of the five types did not find its actor. */
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
