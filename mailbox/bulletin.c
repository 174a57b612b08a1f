#include "mailbox/bulletin.h"

struct tsuga_bulletin *tsuga_bulletin_make(const struct tsuga_memory *memory, const void *data,
                                           size_t bytes)
{
    struct tsuga_bulletin *bulletin = tsuga_memory_alloc(memory, sizeof(*bulletin) + bytes);

    if (bulletin == NULL)
        return NULL;
    atomic_init(&bulletin->count, 1);
    bulletin->bytes = (uint32_t)bytes;
    if (bytes > 0)
        memcpy(bulletin->data, data, bytes);
    return bulletin;
}

void tsuga_bulletin_release(const struct tsuga_memory *memory, struct tsuga_bulletin *bulletin)
{
    /* Release: what we read is read. Acquire, for the last one: so is what the others read. */
    if (atomic_fetch_sub_explicit(&bulletin->count, 1, memory_order_acq_rel) == 1)
        tsuga_memory_free(memory, bulletin, sizeof(*bulletin) + bulletin->bytes);
}
