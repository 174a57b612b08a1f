#include "executor/descriptors.h"

#include <errno.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/turn.h"

void tsuga_descriptors_init(struct tsuga_descriptors *table, const struct tsuga_memory *memory)
{
    table->memory = memory;
    for (uint32_t i = 0; i < TSUGA_DESCRIPTOR_CHUNKS_MAX; i++)
        atomic_init(&table->chunks[i], NULL);
    atomic_init(&table->owned_count, 0);
}

static size_t chunk_bytes(void)
{
    return TSUGA_DESCRIPTOR_CHUNK_SLOTS * sizeof(struct tsuga_descriptor);
}

void tsuga_descriptors_fini(struct tsuga_descriptors *table)
{
    for (uint32_t i = 0; i < TSUGA_DESCRIPTOR_CHUNKS_MAX; i++)
        tsuga_memory_free(table->memory,
                          atomic_load_explicit(&table->chunks[i], memory_order_relaxed),
                          chunk_bytes());
}

struct tsuga_descriptor *tsuga_descriptors_at(struct tsuga_descriptors *table, int fd)
{
    uint32_t number = (uint32_t)fd;
    struct tsuga_descriptor *chunk;

    if (fd < 0 || number >> TSUGA_DESCRIPTOR_CHUNK_SHIFT >= TSUGA_DESCRIPTOR_CHUNKS_MAX)
        return NULL;
    /* Acquire pairs with the exchange in make_chunk(). */
    chunk = atomic_load_explicit(&table->chunks[number >> TSUGA_DESCRIPTOR_CHUNK_SHIFT],
                                 memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[number & (TSUGA_DESCRIPTOR_CHUNK_SLOTS - 1)];
}

/* Two executors may make the same chunk at once; the second gives its own up. */
static int make_chunk(struct tsuga_descriptors *table, int fd)
{
    uint32_t index = (uint32_t)fd >> TSUGA_DESCRIPTOR_CHUNK_SHIFT;
    struct tsuga_descriptor *expected = NULL;
    struct tsuga_descriptor *chunk;

    if (fd < 0 || index >= TSUGA_DESCRIPTOR_CHUNKS_MAX)
        return -EBADF;
    chunk = tsuga_memory_alloc_zeroed(table->memory, chunk_bytes());
    if (chunk == NULL)
        return -ENOMEM;
    if (!atomic_compare_exchange_strong_explicit(&table->chunks[index], &expected, chunk,
                                                 memory_order_acq_rel, memory_order_acquire))
        tsuga_memory_free(table->memory, chunk, chunk_bytes());
    return 0;
}

int tsuga_descriptors_claim(struct tsuga_descriptors *table, struct tsuga_io *io, int fd)
{
    struct tsuga_descriptor *entry = tsuga_descriptors_at(table, fd);
    struct tsuga_io *nobody = NULL;

    if (entry == NULL) {
        int error = make_chunk(table, fd);

        if (error != 0)
            return error;
        entry = tsuga_descriptors_at(table, fd);
    }
    /* Acquire pairs with the release in disown(): the fields below are the former owner's. */
    if (!atomic_compare_exchange_strong_explicit(&entry->owner, &nobody, io, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return -EBUSY;
    entry->in_use = 0;
    entry->closer = NULL;
    entry->place = 0;
    entry->uses = 0;
    entry->previous = 0;
    entry->next = io->owned.first;
    if (io->owned.first != 0)
        tsuga_descriptors_at(table, io->owned.first - 1)->previous = fd + 1;
    io->owned.first = fd + 1;
    io->owned.count++;
    atomic_fetch_add_explicit(&table->owned_count, 1, memory_order_relaxed);
    return 0;
}

struct tsuga_descriptor *tsuga_descriptors_owned(struct tsuga_descriptors *table,
                                                 const struct tsuga_io *io, int fd)
{
    struct tsuga_descriptor *entry = tsuga_descriptors_at(table, fd);

    if (entry == NULL || atomic_load_explicit(&entry->owner, memory_order_relaxed) != io)
        return NULL;
    return entry;
}

void tsuga_descriptors_disown(struct tsuga_descriptors *table, struct tsuga_io *io, int fd)
{
    struct tsuga_descriptor *entry = tsuga_descriptors_at(table, fd);

    if (entry->previous == 0)
        io->owned.first = entry->next;
    else
        tsuga_descriptors_at(table, entry->previous - 1)->next = entry->next;
    if (entry->next != 0)
        tsuga_descriptors_at(table, entry->next - 1)->previous = entry->previous;
    io->owned.count--;
    tsuga_files_leave(io->executor, entry);
    atomic_fetch_sub_explicit(&table->owned_count, 1, memory_order_relaxed);
    /* Pairs with the acquire in claim(). */
    atomic_store_explicit(&entry->owner, NULL, memory_order_release);
}

int tsuga_fd_adopt(struct tsuga_actor *self, int fd)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    const struct tsuga_calls *calls = tsuga_seat_home(seat)->shared->calls;
    struct tsuga_io *io;
    int error;

    if (!calls->is_open(calls->context, fd))
        return -EBADF;
    error = tsuga_io_open(seat, &io);
    if (error != 0)
        return error;
    return tsuga_descriptors_claim(&io->executor->shared->descriptors, io, fd);
}

static int claim_both(struct tsuga_io *io, const int ends[2])
{
    struct tsuga_descriptors *table = &io->executor->shared->descriptors;
    int error = tsuga_descriptors_claim(table, io, ends[0]);

    if (error != 0)
        return error;
    error = tsuga_descriptors_claim(table, io, ends[1]);
    if (error != 0)
        tsuga_descriptors_disown(table, io, ends[0]);
    return error;
}

int tsuga_pipe(struct tsuga_actor *self, int ends[2], int flags)
{
    const struct tsuga_calls *calls = tsuga_seat_home(tsuga_seat_of(self))->shared->calls;
    struct tsuga_io *io;
    int both[2];
    int error = tsuga_io_open(tsuga_seat_of(self), &io);

    if (error == 0)
        error = calls->make_pipe(calls->context, both, flags);
    if (error != 0)
        return error;
    error = claim_both(io, both);
    if (error != 0) {
        tsuga_executor_close(io->executor, both[0]);
        tsuga_executor_close(io->executor, both[1]);
        return error;
    }
    ends[0] = both[0];
    ends[1] = both[1];
    return 0;
}

/* The caller's own descriptor, which no operation of its uses. */
static int find_idle(struct tsuga_seat *seat, int fd)
{
    struct tsuga_descriptor *entry;

    if (seat->io == NULL)
        return -EBADF;
    entry = tsuga_descriptors_owned(&seat->io->executor->shared->descriptors, seat->io, fd);
    if (entry == NULL)
        return -EBADF;
    return entry->in_use > 0 || entry->closer != NULL ? -EBUSY : 0;
}

int tsuga_fd_release(struct tsuga_actor *self, int fd)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    int error = find_idle(seat, fd);

    if (error == 0)
        tsuga_descriptors_disown(&seat->io->executor->shared->descriptors, seat->io, fd);
    return error;
}

/* A descriptor travels as a letter of the system lane: whoever moves meanwhile, it arrives in a
 * turn of its new owner, or among the letters of a dead one. */
static struct tsuga_letter *letter_of(struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);
}

static int *gift_of(struct tsuga_message *message)
{
    return (int *)(void *)letter_of(message)->payload;
}

void tsuga_descriptors_refuse(struct tsuga_executor *executor, struct tsuga_message *message)
{
    tsuga_executor_close(executor, *gift_of(message));
}

/* The new owner may have been told of the number already. Were the descriptor closed for want of
 * memory, another one could get that number, and be taken for it. */
static bool must_wait(struct tsuga_seat *seat, int fd)
{
    struct tsuga_io *io;
    int error = tsuga_io_open(seat, &io);

    if (error == 0)
        error = tsuga_descriptors_claim(&io->executor->shared->descriptors, io, fd);
    return error == -ENOMEM; /* otherwise it is the actor's, or of another that took it over */
}

void tsuga_descriptors_accept(struct tsuga_seat *seat, struct tsuga_message *message)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    if (must_wait(seat, *gift_of(message))) {
        tsuga_turn_settle(seat); /* where its gift is */
        letter_of(message)->attachment = seat;
        tsuga_lane_append(&executor->gifts, message);
        seat->actor.has_gifts = true;
    } else {
        tsuga_executor_discard(executor, message);
    }
}

/* Does so with each gift that waits for this actor. */
static void each_gift(struct tsuga_seat *seat,
                      void (*act)(struct tsuga_seat *seat, struct tsuga_message *message))
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_message *next = tsuga_lane_take_all(&executor->gifts);

    seat->actor.has_gifts = false;
    while (next != NULL) {
        struct tsuga_message *message = next;

        next = message->next;
        if (letter_of(message)->attachment == seat)
            act(seat, message);
        else
            tsuga_lane_append(&executor->gifts, message);
    }
}

void tsuga_descriptors_accept_again(struct tsuga_seat *seat)
{
    each_gift(seat, tsuga_descriptors_accept);
}

static void refuse_and_discard(struct tsuga_seat *seat, struct tsuga_message *message)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    tsuga_descriptors_refuse(executor, message);
    tsuga_executor_discard(executor, message);
}

void tsuga_descriptors_refuse_all(struct tsuga_seat *seat)
{
    each_gift(seat, refuse_and_discard);
}

int tsuga_fd_give(struct tsuga_actor *self, int fd, struct tsuga_id to)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_shared *shared = executor->shared;
    struct tsuga_letter *letter;
    int error = find_idle(seat, fd);

    if (error != 0)
        return error;
    letter = tsuga_letters_take(&executor->letters, shared->memory, sizeof(fd));
    if (letter == NULL)
        return -ENOMEM;
    letter->head.lane = TSUGA_LANE_SYSTEM;
    letter->head.type = TSUGA_TYPE_GIFT;
    letter->head.flags = 0;
    *gift_of(&letter->head) = fd;
    /* Nobody's before it is sent: the receiver may claim it at once. */
    tsuga_descriptors_disown(&shared->descriptors, seat->io, fd);
    error = tsuga_executor_deliver(shared, executor, to, &letter->head);
    if (error == 0)
        return 0;
    tsuga_executor_discard(executor, &letter->head);
    (void)!tsuga_descriptors_claim(&shared->descriptors, seat->io, fd);
    return error;
}
