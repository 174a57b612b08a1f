#include "executor/tickets.h"

#include <errno.h>

#include "executor/executor.h"

/* Tickets are letters without a reader, because letters are recycled. */
static struct tsuga_letter *letter_of(struct tsuga_ticket *ticket)
{
    return (void *)((char *)ticket - offsetof(struct tsuga_letter, payload));
}

static void arrive(struct tsuga_executor *home, struct tsuga_task *task)
{
    struct tsuga_ticket *ticket = TSUGA_CONTAINER_OF(task, struct tsuga_ticket, task);

    tsuga_leases_drop_child(&home->leases, ticket->entry);
    tsuga_letters_give(&home->letters, home->shared->memory, letter_of(ticket));
}

int tsuga_ticket_make(struct tsuga_executor *here, struct tsuga_lease_entry *entry,
                      struct tsuga_ticket **out)
{
    struct tsuga_letter *letter;
    struct tsuga_ticket *ticket;

    if (entry->source == TSUGA_LEASE_HANDED) {
        ticket = entry->from.ticket;
        /* Relaxed: whoever adds to the count is counted already. */
        atomic_fetch_add_explicit(&ticket->count, 1, memory_order_relaxed);
        *out = ticket;
        return 0;
    }
    letter = tsuga_letters_take(&here->letters, here->shared->memory, sizeof(*ticket));
    if (letter == NULL)
        return -ENOMEM;
    ticket = (void *)letter->payload;
    ticket->task = (struct tsuga_task){.run = arrive};
    ticket->home = here;
    ticket->entry = entry;
    ticket->block = entry->block;
    ticket->bytes = entry->bytes;
    atomic_init(&ticket->count, 1);
    entry->child_count++;
    *out = ticket;
    return 0;
}

void tsuga_ticket_drop(struct tsuga_ticket *ticket)
{
    /* Release: what we read from the lease is done. Acquire, for the last one: so is what the
     * others read. The post carries it on to the executor that will reuse the bytes. */
    if (atomic_fetch_sub_explicit(&ticket->count, 1, memory_order_acq_rel) == 1)
        tsuga_executor_post(ticket->home, &ticket->task);
}
