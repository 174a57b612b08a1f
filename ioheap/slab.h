/*
 * Slabs: records of 64 bytes, one cache line each, in blocks of an I/O heap.
 *
 * A slab's blocks hold nothing but records until the slab ends, so that no other bytes can ever be
 * taken for a record. Slots and generations lie out of band. A slot's generation is odd while its
 * record is taken and even while it is not; each take and each give adds one. A slot whose
 * generations are used up is retired. So slot and generation name one use of one record for ever.
 *
 * Owner: whoever owns the heap. Thread: the owner's only.
 */
#ifndef TSUGA_IOHEAP_SLAB_H
#define TSUGA_IOHEAP_SLAB_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/sanitize.h"

#define TSUGA_SLAB_RECORD_BYTES 64u
/* Ends the list of free slots, and is never a slot. */
#define TSUGA_SLAB_NONE UINT32_MAX

struct tsuga_ioheap;

struct tsuga_slab_slot {
    void *record;
    uint32_t generation;
    uint32_t next; /* the next free slot */
};

struct tsuga_slab {
    struct tsuga_slab_slot *slots;
    uint32_t free; /* the slot given back last */
    uint32_t live_count;
    uint32_t count;
    uint32_t capacity;
    struct tsuga_ioheap *heap; /* const after init */
};

/* A slab without records: the first take allocates. Undo with tsuga_slab_fini(). */
void tsuga_slab_init(struct tsuga_slab *slab, struct tsuga_ioheap *heap);

/* Gives the blocks back to the heap. No record may be live. */
void tsuga_slab_fini(struct tsuga_slab *slab);

/* Adds records; slab->free is a slot afterwards. Errors: -ENOBUFS. */
TSUGA_NODISCARD int tsuga_slab_grow(struct tsuga_slab *slab);

/* A record, contents undefined, and its slot. NULL when the heap has no room (-ENOBUFS). The
 * caller gives it back with tsuga_slab_give(). */
static inline void *tsuga_slab_take(struct tsuga_slab *slab, uint32_t *slot)
{
    struct tsuga_slab_slot *taken;

    if (slab->free == TSUGA_SLAB_NONE && tsuga_slab_grow(slab) != 0)
        return NULL;
    *slot = slab->free;
    taken = &slab->slots[slab->free];
    TSUGA_ASSERT((taken->generation & 1) == 0);
    taken->generation++;
    slab->free = taken->next;
    slab->live_count++;
    tsuga_sanitize_unpoison(taken->record, TSUGA_SLAB_RECORD_BYTES);
    return taken->record;
}

/* Gives a live record back. */
static inline void tsuga_slab_give(struct tsuga_slab *slab, uint32_t slot)
{
    struct tsuga_slab_slot *given = &slab->slots[slot];

    TSUGA_VERIFY(slot < slab->count);
    TSUGA_VERIFY((given->generation & 1) == 1); /* else one record would have two owners */
    tsuga_sanitize_poison(given->record, TSUGA_SLAB_RECORD_BYTES);
    slab->live_count--;
    if (__builtin_expect(++given->generation == UINT32_MAX - 1, 0))
        return; /* retired: one more generation would be the last one there is */
    given->next = slab->free;
    slab->free = slot;
}

/* The record of a live slot. */
static inline void *tsuga_slab_at(const struct tsuga_slab *slab, uint32_t slot)
{
    TSUGA_ASSERT(slot < slab->count);
    TSUGA_ASSERT((slab->slots[slot].generation & 1) == 1);
    return slab->slots[slot].record;
}

/* The generation of a live slot: odd, never 0. */
static inline uint32_t tsuga_slab_generation(const struct tsuga_slab *slab, uint32_t slot)
{
    TSUGA_ASSERT(slot < slab->count);
    return slab->slots[slot].generation;
}

/* The live record that slot and generation name. Errors: -ENOENT it was given back since;
 * -EINVAL this pair was never issued. */
TSUGA_NODISCARD static inline int tsuga_slab_find(const struct tsuga_slab *slab, uint32_t slot,
                                                  uint32_t generation, void **out)
{
    if (slot >= slab->count || (generation & 1) == 0 || generation > slab->slots[slot].generation)
        return -EINVAL;
    if (generation != slab->slots[slot].generation)
        return -ENOENT;
    *out = slab->slots[slot].record;
    return 0;
}

#endif
