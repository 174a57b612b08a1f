#include "actor/table.h"

#include <errno.h>
#include <stddef.h>

#define CACHE_MAX 256u
#define BATCH     64u

int tsuga_actor_table_init(struct tsuga_actor_table *table, size_t actor_bytes,
                           const struct tsuga_memory *memory)
{
    table->memory = memory;
    /* Not rounded up to whole cache lines: those who live in neighbouring slots were mostly made by
     * the same executor, and a line would cost each of them some bytes. */
    table->actor_bytes = actor_bytes;
    for (uint32_t i = 0; i < TSUGA_TABLE_CHUNKS_MAX; i++)
        atomic_init(&table->chunks[i], NULL);
    atomic_init(&table->slot_count, 0);
    table->free = NULL;
    table->fresh_end = 0;
    return -pthread_mutex_init(&table->lock, NULL);
}

static size_t chunk_bytes(const struct tsuga_actor_table *table)
{
    return TSUGA_TABLE_CHUNK_SLOTS * table->actor_bytes;
}

/* Bytes of the chunks that come together with the one of this index, the first of them. */
static size_t batch_bytes(const struct tsuga_actor_table *table, uint32_t index)
{
    bool is_single =
        index < TSUGA_TABLE_CHUNKS_SINGLE || chunk_bytes(table) > TSUGA_TABLE_BATCH_BYTES;

    return is_single ? chunk_bytes(table) : TSUGA_TABLE_BATCH_BYTES;
}

/* How many these are. */
static uint32_t batch_count(const struct tsuga_actor_table *table, uint32_t index)
{
    size_t count = batch_bytes(table, index) / chunk_bytes(table);

    return index + count > TSUGA_TABLE_CHUNKS_MAX ? TSUGA_TABLE_CHUNKS_MAX - index
                                                  : (uint32_t)count;
}

void tsuga_actor_table_fini(struct tsuga_actor_table *table)
{
    for (uint32_t i = 0; i < TSUGA_TABLE_CHUNKS_MAX; i += batch_count(table, i))
        tsuga_memory_free(table->memory,
                          atomic_load_explicit(&table->chunks[i], memory_order_relaxed),
                          batch_bytes(table, i));
    pthread_mutex_destroy(&table->lock);
}

static void init_chunk(struct tsuga_actor_table *table, uint32_t index, char *chunk)
{
    uint32_t first = index << TSUGA_TABLE_CHUNK_SHIFT;

    for (uint32_t i = 0; i < TSUGA_TABLE_CHUNK_SLOTS; i++) {
        struct tsuga_actor *actor = (void *)(chunk + i * table->actor_bytes);

        actor->slot = first + i;
        atomic_init(&actor->life, tsuga_actor_life(1, 0, TSUGA_STOP_NONE));
        tsuga_mailbox_init(&actor->mailbox);
    }
    /* Releases publish the slots; both pair with the acquires in the header. */
    atomic_store_explicit(&table->chunks[index], chunk, memory_order_release);
    atomic_store_explicit(&table->slot_count, first + TSUGA_TABLE_CHUNK_SLOTS,
                          memory_order_release);
}

static int grow(struct tsuga_actor_table *table)
{
    uint32_t index =
        atomic_load_explicit(&table->slot_count, memory_order_relaxed) >> TSUGA_TABLE_CHUNK_SHIFT;
    char *chunks;

    if (index == TSUGA_TABLE_CHUNKS_MAX)
        return -ENOMEM;
    chunks = tsuga_memory_alloc_zeroed(table->memory, batch_bytes(table, index));
    if (chunks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < batch_count(table, index); i++)
        init_chunk(table, index + i, chunks + i * chunk_bytes(table));
    return 0;
}

/* From a list that is not empty. */
static struct tsuga_actor *pop(struct tsuga_actor_table *table, struct tsuga_actor **list)
{
    struct tsuga_actor *actor = *list;

    TSUGA_VERIFY(actor != NULL);
    *list = actor->next_free == 0 ? NULL : tsuga_actor_table_at(table, actor->next_free - 1);
    return actor;
}

static void push(struct tsuga_actor **list, struct tsuga_actor *actor)
{
    actor->next_free = *list == NULL ? 0 : (*list)->slot + 1;
    *list = actor;
}

/* Needs the lock. */
static int take_locked(struct tsuga_actor_table *table, struct tsuga_actor **out)
{
    int error = 0;

    if (table->free != NULL) {
        *out = pop(table, &table->free);
        return 0;
    }
    if (table->fresh_end == atomic_load_explicit(&table->slot_count, memory_order_relaxed))
        error = grow(table);
    if (error != 0)
        return error;
    *out = tsuga_actor_table_at(table, table->fresh_end++);
    return 0;
}

static int refill(struct tsuga_actor_table *table, struct tsuga_actor_cache *cache, uint32_t count)
{
    struct tsuga_actor *actor;
    int error = 0;

    pthread_mutex_lock(&table->lock);
    for (uint32_t i = 0; i < count && error == 0; i++) {
        error = take_locked(table, &actor);
        if (error == 0) {
            push(&cache->free, actor);
            cache->free_count++;
        }
    }
    pthread_mutex_unlock(&table->lock);
    return cache->free_count > 0 ? 0 : error;
}

int tsuga_actor_table_take(struct tsuga_actor_table *table, struct tsuga_actor_cache *cache,
                           struct tsuga_actor **out)
{
    struct tsuga_actor_cache single = {NULL, 0};
    uint32_t count = cache == NULL ? 1 : BATCH;
    int error;

    if (cache == NULL)
        cache = &single;
    if (cache->free == NULL) {
        error = refill(table, cache, count);
        if (error != 0)
            return error;
    }
    *out = pop(table, &cache->free);
    cache->free_count--;
    return 0;
}

void tsuga_actor_table_give(struct tsuga_actor_table *table, struct tsuga_actor_cache *cache,
                            struct tsuga_actor *actor)
{
    if (tsuga_actor_generation(actor) == UINT32_MAX)
        return; /* retired: one life more and an old id would come to mean somebody new */
    if (cache != NULL && cache->free_count < CACHE_MAX) {
        push(&cache->free, actor);
        cache->free_count++;
        return;
    }
    pthread_mutex_lock(&table->lock);
    push(&table->free, actor);
    /* A full cache gives half away, so that a run of deaths meets the lock once in a hundred. */
    for (uint32_t i = 0; cache != NULL && i < CACHE_MAX / 2; i++) {
        push(&table->free, pop(table, &cache->free));
        cache->free_count--;
    }
    pthread_mutex_unlock(&table->lock);
}
