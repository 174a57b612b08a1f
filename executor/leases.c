#include "executor/leases.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/io.h"

#define HANDLE_EXECUTOR_SHIFT 56u
#define HANDLE_SLOT_SHIFT     32u
#define HANDLE_SLOT_MASK      UINT64_C(0xffffff)

_Static_assert((uint64_t)TSUGA_LEASE_CHUNK_SLOTS *TSUGA_LEASE_CHUNKS_MAX == HANDLE_SLOT_MASK + 1,
               "a slot fits the handle");

void tsuga_leases_init(struct tsuga_leases *leases, uint32_t executor_index,
                       const struct tsuga_memory *memory)
{
    *leases = (struct tsuga_leases){.memory = memory, .executor_index = executor_index};
    tsuga_list_init(&leases->free);
}

void tsuga_leases_fini(struct tsuga_leases *leases)
{
    for (uint32_t i = 0; i < leases->chunk_count; i++)
        tsuga_memory_free(leases->memory, leases->chunks[i],
                          TSUGA_LEASE_CHUNK_SLOTS * sizeof(struct tsuga_lease_entry));
    tsuga_memory_free(leases->memory, leases->chunks,
                      leases->chunk_count_max * sizeof(struct tsuga_lease_entry *));
}

static int grow_directory(struct tsuga_leases *leases)
{
    uint32_t count_max = leases->chunk_count_max == 0 ? 16 : leases->chunk_count_max * 2;
    size_t old_bytes = leases->chunk_count_max * sizeof(struct tsuga_lease_entry *);
    struct tsuga_lease_entry **larger =
        tsuga_memory_alloc(leases->memory, count_max * sizeof(struct tsuga_lease_entry *));

    if (larger == NULL)
        return -ENOMEM;
    if (old_bytes > 0)
        memcpy(larger, leases->chunks, old_bytes);
    tsuga_memory_free(leases->memory, leases->chunks, old_bytes);
    leases->chunks = larger;
    leases->chunk_count_max = count_max;
    return 0;
}

static int grow(struct tsuga_leases *leases)
{
    struct tsuga_lease_entry *chunk;
    int error = 0;

    if (leases->chunk_count == TSUGA_LEASE_CHUNKS_MAX)
        return -ENOMEM;
    if (leases->chunk_count == leases->chunk_count_max)
        error = grow_directory(leases);
    if (error != 0)
        return error;
    chunk = tsuga_memory_alloc_zeroed(leases->memory, TSUGA_LEASE_CHUNK_SLOTS * sizeof(*chunk));
    if (chunk == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < TSUGA_LEASE_CHUNK_SLOTS; i++) {
        chunk[i].slot = leases->chunk_count * TSUGA_LEASE_CHUNK_SLOTS + i;
        chunk[i].generation = 1;
        tsuga_list_push_back(&leases->free, &chunk[i].link);
    }
    leases->chunks[leases->chunk_count++] = chunk;
    return 0;
}

int tsuga_leases_make(struct tsuga_leases *leases, struct tsuga_io *io, size_t bytes,
                      struct tsuga_lease_entry **out)
{
    struct tsuga_lease_entry *entry;
    void *block;
    int error = 0;

    if (tsuga_list_is_empty(&leases->free))
        error = grow(leases);
    if (error == 0)
        error = tsuga_ioheap_alloc(&io->heap, bytes, &block);
    if (error != 0)
        return error;
    entry = TSUGA_CONTAINER_OF(tsuga_list_pop_front(&leases->free), struct tsuga_lease_entry, link);
    entry->io = io;
    entry->block = block;
    entry->bytes = (uint32_t)bytes;
    entry->capacity_bytes = (uint32_t)bytes;
    entry->user_count = 0;
    entry->pin_count = 0;
    tsuga_list_push_back(&io->leases, &entry->link);
    *out = entry;
    return 0;
}

int tsuga_leases_find(struct tsuga_leases *leases, const struct tsuga_io *io,
                      struct tsuga_lease lease, struct tsuga_lease_entry **out)
{
    uint32_t slot = (uint32_t)(lease.value >> HANDLE_SLOT_SHIFT & HANDLE_SLOT_MASK);
    uint32_t generation = (uint32_t)lease.value;
    struct tsuga_lease_entry *entry;

    if (lease.value >> HANDLE_EXECUTOR_SHIFT != leases->executor_index + 1 ||
        slot >= leases->chunk_count * TSUGA_LEASE_CHUNK_SLOTS)
        return -EINVAL;
    entry = &leases->chunks[slot / TSUGA_LEASE_CHUNK_SLOTS][slot % TSUGA_LEASE_CHUNK_SLOTS];
    if (generation == 0 || generation > entry->generation)
        return -EINVAL;
    if (generation != entry->generation)
        return -ENOENT;
    /* A free entry, which has no io, has a generation that nobody was told yet. */
    if (entry->io != io)
        return -EINVAL;
    if (entry->user_count == 0)
        return -ENOENT;
    *out = entry;
    return 0;
}

struct tsuga_lease tsuga_leases_handle(const struct tsuga_leases *leases,
                                       const struct tsuga_lease_entry *entry)
{
    return (struct tsuga_lease){(uint64_t)(leases->executor_index + 1) << HANDLE_EXECUTOR_SHIFT |
                                (uint64_t)entry->slot << HANDLE_SLOT_SHIFT | entry->generation};
}

static void free_if_unused(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    if (entry->user_count > 0 || entry->pin_count > 0)
        return;
    tsuga_ioheap_free(&entry->io->heap, entry->block);
    entry->io = NULL;
    entry->block = NULL;
    tsuga_list_remove(&entry->link);
    /* A slot whose generation would wrap is retired: its handles could come to mean another. */
    if (++entry->generation != UINT32_MAX)
        tsuga_list_push_front(&leases->free, &entry->link);
}

void tsuga_leases_unpin(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    TSUGA_VERIFY(entry->pin_count > 0); /* else the block was free while the kernel had it */
    entry->pin_count--;
    free_if_unused(leases, entry);
}

void tsuga_leases_release(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    TSUGA_VERIFY(entry->user_count > 0);
    entry->user_count--;
    free_if_unused(leases, entry);
}

void tsuga_leases_drop_users(struct tsuga_leases *leases, struct tsuga_io *io)
{
    struct tsuga_list_node *node = io->leases.next;

    while (node != &io->leases) {
        struct tsuga_lease_entry *entry = TSUGA_CONTAINER_OF(node, struct tsuga_lease_entry, link);

        node = node->next;
        entry->user_count = 0;
        free_if_unused(leases, entry);
    }
}

static int find(struct tsuga_actor *self, struct tsuga_lease lease, struct tsuga_lease_entry **out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);

    if (seat->io == NULL)
        return -EINVAL;
    return tsuga_leases_find(&seat->io->executor->leases, seat->io, lease, out);
}

int tsuga_lease_make(struct tsuga_actor *self, size_t bytes, struct tsuga_lease *out)
{
    struct tsuga_io *io;
    struct tsuga_lease_entry *entry;
    int error = tsuga_io_open(tsuga_seat_of(self), &io);

    if (error == 0)
        error = tsuga_leases_make(&io->executor->leases, io, bytes, &entry);
    if (error != 0)
        return error;
    entry->user_count = 1;
    *out = tsuga_leases_handle(&io->executor->leases, entry);
    return 0;
}

void *tsuga_lease_data(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;

    return find(self, lease, &entry) == 0 ? entry->block : NULL;
}

size_t tsuga_lease_bytes(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;

    return find(self, lease, &entry) == 0 ? entry->bytes : 0;
}

int tsuga_lease_retain(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;
    int error = find(self, lease, &entry);

    if (error == 0)
        entry->user_count++;
    return error;
}

int tsuga_lease_release(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;
    int error = find(self, lease, &entry);

    if (error == 0)
        tsuga_leases_release(&tsuga_seat_of(self)->io->executor->leases, entry);
    return error;
}
