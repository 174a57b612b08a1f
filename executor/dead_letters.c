/* What becomes of messages that reach nobody: they are counted, and whoever wants to know hears. */
#include "executor/executor.h"

void tsuga_executor_lose(struct tsuga_shared *shared, struct tsuga_executor *here,
                         const struct tsuga_dead_letter *lost)
{
    tsuga_dead_letter_fn *hook = shared->config.mailbox.dead_letter;

    if (here != NULL)
        tsuga_count(&here->counters.dead_letters, 1);
    else
        atomic_fetch_add_explicit(&shared->foreign_dead_letters, 1, memory_order_relaxed);
    if (hook != NULL)
        hook(shared->config.mailbox.context, lost);
}

void tsuga_executor_lose_letter(struct tsuga_shared *shared, struct tsuga_executor *here,
                                struct tsuga_id to, const struct tsuga_letter *letter, int reason)
{
    const struct tsuga_dead_letter lost = {
        .runtime = shared->runtime,
        .from = letter->from,
        .to = to,
        .tag = letter->head.tag,
        .data = tsuga_message_data(&letter->head),
        .bytes = tsuga_message_bytes(&letter->head),
        .reason = reason,
    };

    tsuga_executor_lose(shared, here, &lost);
}
