/*
 * The table of actors: ids to slots. Slots come in chunks that are never freed while the table
 * lives, so a stale id is always safe to look up; the generation tells that it is stale. Beyond the
 * first TSUGA_TABLE_CHUNKS_SINGLE as many chunks as fit into TSUGA_TABLE_BATCH_BYTES come together,
 * so that their pages can be had by one call and little is lost between them.
 *
 * An id is generation << 32 | slot. Generations start at 1; a slot whose generation would wrap is
 * retired, so that an id never comes to mean another actor.
 *
 * Free slots wait in the table's own list, under its lock; executors take and give them in batches
 * through caches of their own.
 *
 * Owner: the runtime. Thread: any, except where stated.
 */
#ifndef TSUGA_ACTOR_TABLE_H
#define TSUGA_ACTOR_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "actor/actor.h"
#include "runtime/base/memory.h"

#define TSUGA_TABLE_CHUNK_SHIFT   10u
#define TSUGA_TABLE_CHUNK_SLOTS   (1u << TSUGA_TABLE_CHUNK_SHIFT)
#define TSUGA_TABLE_CHUNKS_MAX    (1u << 14) /* 16 Mi actors alive at once */
#define TSUGA_TABLE_CHUNKS_SINGLE 64u
#define TSUGA_TABLE_BATCH_BYTES   ((size_t)2 << 20)

/* The layers above put their own fields behind each actor: actor_bytes is the whole. */
struct tsuga_actor_table {
    /* const after init */
    const struct tsuga_memory *memory;
    size_t actor_bytes;
    /* any thread */
    _Atomic(char *) chunks[TSUGA_TABLE_CHUNKS_MAX];
    _Atomic uint32_t slot_count; /* slots that exist */
    /* under lock */
    pthread_mutex_t lock;
    struct tsuga_actor *free;
    uint32_t fresh_end; /* slots below were handed out at least once */
};

/* Free slots at hand without a lock. Owner: one executor. */
struct tsuga_actor_cache {
    struct tsuga_actor *free;
    uint32_t free_count;
};

/* Errors: -ENOMEM. Owner: the caller; undo with fini, when no thread looks up ids any more. */
TSUGA_NODISCARD int tsuga_actor_table_init(struct tsuga_actor_table *table, size_t actor_bytes,
                                           const struct tsuga_memory *memory);
void tsuga_actor_table_fini(struct tsuga_actor_table *table);

/* Take a free slot, whose fields beyond the actor's own are zero on its first use and as they were
 * left later. `cache` is the executor's, or NULL on other threads.
 * Errors: -ENOMEM no memory, or TSUGA_TABLE_CHUNKS_MAX chunks are in use. */
TSUGA_NODISCARD int tsuga_actor_table_take(struct tsuga_actor_table *table,
                                           struct tsuga_actor_cache *cache,
                                           struct tsuga_actor **out);

/* Give back a slot that was vacated, or taken and never filled in. */
void tsuga_actor_table_give(struct tsuga_actor_table *table, struct tsuga_actor_cache *cache,
                            struct tsuga_actor *actor);

/* The slot at an index below slot_count. */
static inline struct tsuga_actor *tsuga_actor_table_at(struct tsuga_actor_table *table,
                                                       uint32_t slot)
{
    /* Acquire pairs with the release in init_chunk(): the chunk's slots are initialised. */
    char *chunk =
        atomic_load_explicit(&table->chunks[slot >> TSUGA_TABLE_CHUNK_SHIFT], memory_order_acquire);

    return (struct tsuga_actor *)(void *)(chunk + (slot & (TSUGA_TABLE_CHUNK_SLOTS - 1)) *
                                                      table->actor_bytes);
}

/* The slot that an id names, whoever lives there now; NULL when it never existed. */
static inline struct tsuga_actor *tsuga_actor_table_find(struct tsuga_actor_table *table,
                                                         struct tsuga_id id)
{
    uint32_t slot = (uint32_t)id.value;

    if (slot >= atomic_load_explicit(&table->slot_count, memory_order_acquire))
        return NULL;
    return tsuga_actor_table_at(table, slot);
}

#endif
