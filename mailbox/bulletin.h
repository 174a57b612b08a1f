/*
 * Bulletins: bytes that several letters refer to, so that what many shall read is written once.
 *
 * Invariants: `count` is the number of letters that refer to the bulletin, and one for whoever is
 * still sending them; nobody writes to `data` once the bulletin is made; whoever counts last frees.
 *
 * Owner: shared by those who count. Thread: any.
 */
#ifndef TSUGA_MAILBOX_BULLETIN_H
#define TSUGA_MAILBOX_BULLETIN_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/memory.h"

struct tsuga_bulletin {
    _Atomic uint32_t count;
    uint32_t bytes;
    alignas(16) unsigned char data[];
};

/* A bulletin with a copy of these bytes, at most TSUGA_LETTER_BYTES_MAX. NULL: no memory. */
struct tsuga_bulletin *tsuga_bulletin_make(const struct tsuga_memory *memory, const void *data,
                                           size_t bytes);

static inline void tsuga_bulletin_retain(struct tsuga_bulletin *bulletin)
{
    /* Relaxed: whoever adds to the count is counted already. */
    atomic_fetch_add_explicit(&bulletin->count, 1, memory_order_relaxed);
}

void tsuga_bulletin_release(const struct tsuga_memory *memory, struct tsuga_bulletin *bulletin);

#endif
