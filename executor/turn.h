/*
 * Turns. Private to executor/.
 *
 * Thread: the executor's own.
 */
#ifndef TSUGA_EXECUTOR_TURN_H
#define TSUGA_EXECUTOR_TURN_H

#include <stdbool.h>

#include "executor/seat.h"

/* Before the first turn. */
void tsuga_turn_init(struct tsuga_executor *executor);

/* Run an actor until its mailbox is empty, its slice is used up, or it blocks. Called by the loop,
 * which may go on in another frame afterwards. */
void tsuga_turn_run(struct tsuga_executor *executor, struct tsuga_seat *seat);

/* Make a wait ready for tsuga_turn_block(); the caller has set kind, seat, accepts and context. */
static inline void tsuga_turn_prepare(struct tsuga_wait *wait)
{
    tsuga_list_init(&wait->link);
}

/* Suspend the running actor until its wait is over or it is stopped. 0 when it was resumed.
 * Errors: -ENOBUFS no stack is left, -ECHILD in a child of fork(2); the actor goes on at once. */
TSUGA_NODISCARD int tsuga_turn_block(struct tsuga_seat *seat, struct tsuga_wait *wait);

/* Count one message of the turn, and let others run when the time slice is used up. */
void tsuga_turn_pause(struct tsuga_seat *seat);

/* An actor is called: queue it if it sleeps. One that has ended meanwhile leaves its slot now. */
void tsuga_turn_call(struct tsuga_executor *executor, struct tsuga_seat *seat);

/* The running actor will never again move to another executor: its mailbox may know. */
void tsuga_turn_settle(struct tsuga_seat *seat);

/* Queue an actor if it sleeps; its wait is then looked at. */
void tsuga_turn_wake(struct tsuga_seat *seat);

/* Whether blocking calls of the actor answer -ECANCELED. */
bool tsuga_turn_is_refused(const struct tsuga_seat *seat);

/* Move what has arrived into the lanes. */
void tsuga_turn_collect(struct tsuga_seat *seat);

/* Hand a message that was taken from its lane to the user; give the current one back. */
void tsuga_turn_take(struct tsuga_seat *seat, struct tsuga_message *message);
void tsuga_turn_give_back(struct tsuga_seat *seat);

#endif
