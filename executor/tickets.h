/*
 * Tickets: leases on their way to other actors. Private to executor/.
 *
 * A ticket counts as a child of the lease that it is for. It travels with a message, then belongs
 * to the receiver's lease, and goes home, to the executor of the sender's, when that is gone, or
 * when the message was thrown away unread. So no executor touches another one's leases. A lease
 * that is handed on shares its ticket: however far it travels, it is one step from home.
 *
 * Invariant: `count` is the number of messages and leases that have the ticket; at zero it is on
 * its way home.
 *
 * Owner: shared by those who count. Thread: any; but for the count the fields are constant.
 */
#ifndef TSUGA_EXECUTOR_TICKETS_H
#define TSUGA_EXECUTOR_TICKETS_H

#include <stdatomic.h>
#include <stdint.h>

#include "executor/seat.h"
#include "runtime/base/assert.h"

struct tsuga_executor;
struct tsuga_lease_entry;

struct tsuga_ticket {
    struct tsuga_task task; /* home */
    struct tsuga_executor *home;
    struct tsuga_lease_entry *entry;
    void *block;
    uint32_t bytes;
    _Atomic uint32_t count;
};

/* A ticket for a lease of the executor `here`. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_ticket_make(struct tsuga_executor *here, struct tsuga_lease_entry *entry,
                                      struct tsuga_ticket **out);

/* One message or lease less has it. It arrives at home in a later tick, so that leases which hang
 * on one another go one by one. */
void tsuga_ticket_drop(struct tsuga_ticket *ticket);

#endif
