/*
 * Ports: mailboxes of the program around the runtime. Private to executor/, but for what the
 * runtime calls.
 *
 * Behind each port stands an actor, its relay, which has the port's id and passes on whatever comes
 * to it: so a port can be sent to, watched, linked and asked as an actor can, and needs no rules of
 * its own. Messages are not copied on their way: the relay lets go of them, and the port's thread
 * gives them back.
 *
 *     senders ──> the relay's mailbox ──> queue ──> the thread that takes
 *
 * Invariants:
 *     when messages wait, or the port has ended, and there is a descriptor, then is_raised, and the
 *     descriptor is readable or about to be; but for a moment within tsuga_port_take()
 *     the relay blocks while the queue is full, and has left `room` then
 *
 * Nobody raises the descriptor with the lock held: in a simulation somebody else may run meanwhile.
 *
 * Owner: two references, one of whoever opened the port and one of the relay; the last one frees
 * it. Thread: as the fields say.
 */
#ifndef TSUGA_EXECUTOR_PORTS_H
#define TSUGA_EXECUTOR_PORTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/shared.h"
#include "mailbox/mailbox.h"
#include "runtime/base/list.h"

/* Most messages that the relay takes out of its mailbox before somebody wants them. */
#define TSUGA_PORT_READY_MAX 256u

struct tsuga_port {
    /* const once it is open */
    struct tsuga_shared *shared;
    struct tsuga_id id;
    uint32_t count_max;
    /* the thread that uses the port */
    struct tsuga_message *current;
    /* any thread */
    struct tsuga_list_node link; /* among the open ones, under shared->lock */
    _Atomic uint32_t reference_count;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct tsuga_lane_list queue;
    uint32_t count;
    int fd; /* of an event, or -1 */
    bool is_raised;
    bool has_ended;
    struct tsuga_letter *room; /* wakes the relay, which waits for room; NULL: it does not */
    struct tsuga_message stop; /* the word of the runtime's stop */
};

/* What tsuga_port_open() does. */
TSUGA_NODISCARD int tsuga_shared_open_port(struct tsuga_shared *shared,
                                           const struct tsuga_port_options *options,
                                           struct tsuga_port **out);

/* What tsuga_actor_wait() does. */
TSUGA_NODISCARD int tsuga_shared_wait(struct tsuga_shared *shared, struct tsuga_id id,
                                      uint64_t timeout_ns, struct tsuga_down *out);

/* The ports that nobody has closed, at the runtime's end: their relays have ended. */
void tsuga_shared_close_ports(struct tsuga_shared *shared);

#endif
