#include "executor/leases.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/pieces.h"
#include "executor/streams.h"
#include "executor/tickets.h"

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

int tsuga_leases_take(struct tsuga_leases *leases, struct tsuga_lease_entry **out)
{
    struct tsuga_lease_entry *entry;
    int error = tsuga_list_is_empty(&leases->free) ? grow(leases) : 0;

    if (error != 0)
        return error;
    entry = TSUGA_CONTAINER_OF(tsuga_list_pop_front(&leases->free), struct tsuga_lease_entry, link);
    entry->user_count = 0;
    entry->message_count = 0;
    entry->pin_count = 0;
    entry->child_count = 0;
    entry->lead_bytes = 0;
    entry->released = NULL;
    *out = entry;
    return 0;
}

void tsuga_leases_give(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    entry->io = NULL;
    entry->block = NULL;
    /* A slot whose generation would wrap is retired: its handles could come to mean another. A lent
     * buffer's may have come to its end before. */
    if (entry->generation == UINT32_MAX || ++entry->generation == UINT32_MAX)
        return;
    tsuga_list_push_front(&leases->free, &entry->link);
}

/* From now on the entry is one of the actor's. */
static void belong(struct tsuga_lease_entry *entry, struct tsuga_io *io, void *block, size_t bytes)
{
    entry->io = io;
    entry->block = block;
    entry->bytes = (uint32_t)bytes;
    entry->capacity_bytes = (uint32_t)bytes;
    tsuga_list_push_back(&io->leases, &entry->link);
}

int tsuga_leases_make(struct tsuga_leases *leases, struct tsuga_io *io, size_t bytes,
                      struct tsuga_lease_entry **out)
{
    void *block;
    int error = tsuga_ioheap_alloc(&io->heap, bytes, &block);

    if (error != 0)
        return error;
    error = tsuga_leases_take(leases, out);
    if (error != 0) {
        tsuga_ioheap_free(&io->heap, block);
        return error;
    }
    (*out)->source = TSUGA_LEASE_HEAP;
    belong(*out, io, block, bytes);
    return 0;
}

void tsuga_leases_admit(struct tsuga_lease_entry *entry, struct tsuga_io *io)
{
    entry->io = io;
    entry->bytes = 0;
    tsuga_list_push_back(&io->leases, &entry->link);
    if (entry->from.buffers->owner == NULL)
        io->heap.lent_bytes += entry->capacity_bytes;
}

void tsuga_leases_skip(struct tsuga_lease_entry *entry, uint32_t lead_bytes)
{
    TSUGA_ASSERT(entry->lead_bytes == 0 && lead_bytes <= entry->capacity_bytes);
    entry->block = (char *)entry->block + lead_bytes;
    entry->capacity_bytes -= lead_bytes;
    entry->lead_bytes = lead_bytes;
}

static void unskip(struct tsuga_lease_entry *entry)
{
    entry->block = (char *)entry->block - entry->lead_bytes;
    entry->capacity_bytes += entry->lead_bytes;
    entry->lead_bytes = 0;
}

void tsuga_leases_lend(struct tsuga_lease_entry *entry, struct tsuga_io *io, size_t bytes)
{
    tsuga_leases_admit(entry, io);
    entry->bytes = (uint32_t)bytes;
    tsuga_leases_attach(entry);
}

static void give_back(struct tsuga_lease_entry *entry)
{
    unskip(entry);
    if (entry->from.buffers->owner == NULL)
        entry->io->heap.lent_bytes -= entry->capacity_bytes;
    tsuga_buffers_return(entry);
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

static bool is_unused(const struct tsuga_lease_entry *entry)
{
    return entry->user_count == 0 && entry->pin_count == 0 && entry->child_count == 0;
}

/* Gives back what the entry stands for, and the entry. Returns the entry that it was a part of. */
static struct tsuga_lease_entry *take_apart(struct tsuga_leases *leases,
                                            struct tsuga_lease_entry *entry)
{
    struct tsuga_io *io = entry->io;
    struct tsuga_lease_entry *whole = NULL;
    void (*released)(void *context) = entry->released;
    void *context = entry->context;

    tsuga_list_remove(&entry->link);
    switch ((enum tsuga_lease_source)entry->source) {
    case TSUGA_LEASE_HEAP:
        unskip(entry);
        tsuga_ioheap_free(&io->heap, entry->block);
        break;
    case TSUGA_LEASE_LENT:
        give_back(entry);
        break;
    case TSUGA_LEASE_SLICE:
        whole = entry->from.whole;
        break;
    case TSUGA_LEASE_HANDED:
        tsuga_ticket_drop(entry->from.ticket);
        break;
    }
    if (entry->source != TSUGA_LEASE_LENT)
        tsuga_leases_give(leases, entry);
    if (released != NULL)
        released(context);
    if (!tsuga_list_is_empty(&io->stalled))
        tsuga_streams_relieve(io);
    return whole;
}

static void free_if_unused(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    while (is_unused(entry)) {
        entry = take_apart(leases, entry);
        if (entry == NULL)
            return;
        TSUGA_VERIFY(entry->child_count > 0);
        entry->child_count--;
    }
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

void tsuga_leases_detach(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    TSUGA_VERIFY(entry->message_count > 0);
    entry->message_count--;
    tsuga_leases_release(leases, entry);
}

void tsuga_leases_drop_child(struct tsuga_leases *leases, struct tsuga_lease_entry *entry)
{
    struct tsuga_io *io = entry->io;

    TSUGA_VERIFY(entry->child_count > 0); /* else the block had an owner too few */
    entry->child_count--;
    free_if_unused(leases, entry);
    tsuga_io_settle(io);
}

/* What an entry is a part of stands before it in the list, so that the next one always stays. */
void tsuga_leases_drop_users(struct tsuga_leases *leases, struct tsuga_io *io)
{
    struct tsuga_list_node *node = io->leases.next;

    while (node != &io->leases) {
        struct tsuga_lease_entry *entry = TSUGA_CONTAINER_OF(node, struct tsuga_lease_entry, link);

        node = node->next;
        entry->user_count = 0;
        entry->message_count = 0;
        free_if_unused(leases, entry);
    }
}

int tsuga_lease_find(struct tsuga_actor *self, struct tsuga_lease lease,
                     struct tsuga_lease_entry **out)
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

    return tsuga_lease_find(self, lease, &entry) == 0 ? entry->block : NULL;
}

size_t tsuga_lease_bytes(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;

    return tsuga_lease_find(self, lease, &entry) == 0 ? entry->bytes : 0;
}

int tsuga_lease_retain(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;
    int error = tsuga_lease_find(self, lease, &entry);

    if (error == 0)
        entry->user_count++;
    return error;
}

/* Whether the user has a reference of its own. */
static bool is_users(const struct tsuga_lease_entry *entry)
{
    return entry->user_count > entry->message_count;
}

int tsuga_lease_release(struct tsuga_actor *self, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;
    int error = tsuga_lease_find(self, lease, &entry);

    if (error != 0)
        return error;
    if (!is_users(entry))
        return -ENOENT;
    tsuga_leases_release(&tsuga_seat_of(self)->io->executor->leases, entry);
    return 0;
}

int tsuga_leases_part(struct tsuga_leases *leases, struct tsuga_lease_entry *whole,
                      const struct tsuga_slice *slice, struct tsuga_lease_entry **out)
{
    struct tsuga_lease_entry *part;
    int error = tsuga_leases_take(leases, &part);

    if (error != 0)
        return error;
    part->source = TSUGA_LEASE_SLICE;
    part->from.whole = whole;
    part->released = slice->released;
    part->context = slice->context;
    whole->child_count++;
    belong(part, whole->io, (char *)whole->block + slice->offset, slice->bytes);
    *out = part;
    return 0;
}

int tsuga_lease_slice(struct tsuga_actor *self, struct tsuga_lease whole,
                      const struct tsuga_slice *slice, struct tsuga_lease *out)
{
    struct tsuga_lease_entry *from;
    struct tsuga_lease_entry *part;
    struct tsuga_leases *leases;
    int error = tsuga_lease_find(self, whole, &from);

    if (error != 0)
        return error;
    if (slice->bytes == 0 || slice->offset > from->bytes ||
        slice->bytes > from->bytes - slice->offset)
        return -EINVAL;
    leases = &from->io->executor->leases;
    error = tsuga_leases_part(leases, from, slice, &part);
    if (error != 0)
        return error;
    part->user_count = 1;
    *out = tsuga_leases_handle(leases, part);
    return 0;
}

/* Whether its bytes are nobody else's. A slice's are also its whole's, unless nobody has that. */
static bool has_own_bytes(const struct tsuga_lease_entry *entry)
{
    if (entry->source == TSUGA_LEASE_SLICE)
        return tsuga_pieces_are_of(entry->from.whole);
    return entry->source == TSUGA_LEASE_HEAP || entry->source == TSUGA_LEASE_LENT;
}

/* Whether one reference is all that there is to the bytes. */
static bool is_private(const struct tsuga_lease_entry *entry)
{
    return entry->user_count == 1 && entry->pin_count == 0 && entry->child_count == 0 &&
           has_own_bytes(entry);
}

int tsuga_lease_writable(struct tsuga_actor *self, struct tsuga_lease lease,
                         struct tsuga_lease *out)
{
    struct tsuga_lease_entry *shared;
    struct tsuga_lease_entry *copy;
    struct tsuga_leases *leases;
    int error = tsuga_lease_find(self, lease, &shared);

    if (error != 0)
        return error;
    leases = &shared->io->executor->leases;
    if (is_private(shared)) {
        *out = lease;
        return 0;
    }
    error = tsuga_leases_make(leases, shared->io, shared->bytes, &copy);
    if (error != 0)
        return error;
    copy->user_count = 1;
    memcpy(copy->block, shared->block, shared->bytes);
    tsuga_count(&shared->io->executor->counters.copied_bytes, shared->bytes);
    *out = tsuga_leases_handle(leases, copy);
    if (is_users(shared))
        tsuga_leases_release(leases, shared);
    return 0;
}

/* Takes the ticket out of a message: the user's view of it is constant, ours is not. */
static struct tsuga_letter *find_letter(struct tsuga_actor *self,
                                        const struct tsuga_message *message)
{
    if (message != NULL && message == self->current && message->type == TSUGA_TYPE_USER)
        return TSUGA_CONTAINER_OF(self->current, struct tsuga_letter, head);
    for (struct tsuga_message *kept = self->kept; kept != NULL; kept = kept->next) {
        if (kept == message)
            return TSUGA_CONTAINER_OF(kept, struct tsuga_letter, head);
    }
    return NULL;
}

int tsuga_message_lease(struct tsuga_actor *self, const struct tsuga_message *message,
                        struct tsuga_lease *out)
{
    struct tsuga_letter *letter = find_letter(self, message);
    struct tsuga_lease_entry *entry;
    struct tsuga_ticket *ticket;
    struct tsuga_io *io;
    int error;

    if (letter == NULL)
        return -EINVAL;
    if ((letter->head.flags & TSUGA_MESSAGE_ATTACHED) == 0)
        return -ENOENT;
    error = tsuga_io_open(tsuga_seat_of(self), &io);
    if (error == 0)
        error = tsuga_leases_take(&io->executor->leases, &entry);
    if (error != 0)
        return error;
    ticket = letter->attachment;
    letter->head.flags &= (uint8_t)~TSUGA_MESSAGE_ATTACHED;
    entry->source = TSUGA_LEASE_HANDED;
    entry->from.ticket = ticket;
    entry->user_count = 1;
    belong(entry, io, ticket->block, ticket->bytes);
    *out = tsuga_leases_handle(&io->executor->leases, entry);
    return 0;
}
