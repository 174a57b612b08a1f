#include "executor/shared.h"

bool tsuga_shared_enter(struct tsuga_shared *shared)
{
    return atomic_fetch_add_explicit(&shared->population, 1, memory_order_relaxed) > 0;
}

void tsuga_shared_leave(struct tsuga_shared *shared)
{
    /* Acquire-release: whoever sees zero sees everything that those who left have done. */
    if (atomic_fetch_sub_explicit(&shared->population, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&shared->lock);
    tsuga_threads_wake_all(shared->threads, &shared->changed);
    pthread_mutex_unlock(&shared->lock);
}
