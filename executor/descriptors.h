/*
 * Who owns which descriptor. One table per runtime, indexed by number, in chunks that are never
 * freed while it lives; an entry knows its owner, and the owner's entries form a list, so that an
 * actor's end can close them all. Private to executor/.
 *
 * `in_use` counts the owner's own operations on the descriptor: closing waits until it is zero,
 * because the kernel neither completes nor cancels operations on a descriptor that is closed, and
 * a reused number would then be hit by them.
 *
 * Owner: the runtime. Thread: an entry belongs to its owner's executor; `owner` may be read and an
 * entry without owner claimed by any.
 */
#ifndef TSUGA_EXECUTOR_DESCRIPTORS_H
#define TSUGA_EXECUTOR_DESCRIPTORS_H

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/memory.h"

#define TSUGA_DESCRIPTOR_CHUNK_SHIFT 10u
#define TSUGA_DESCRIPTOR_CHUNK_SLOTS (1u << TSUGA_DESCRIPTOR_CHUNK_SHIFT)
#define TSUGA_DESCRIPTOR_CHUNKS_MAX  2048u /* 2 Mi descriptors */

struct tsuga_executor;
struct tsuga_io;
struct tsuga_message;
struct tsuga_record;
struct tsuga_seat;

struct tsuga_descriptor {
    /* any thread; NULL: nobody's. A claim is a compare-and-exchange from NULL. */
    _Atomic(struct tsuga_io *) owner;
    /* owner */
    uint32_t in_use;
    int32_t next; /* descriptor + 1, 0: none */
    int32_t previous;
    int32_t waiting; /* the next of those that an accept stream holds for the owner; likewise */
    struct tsuga_record *closer; /* a close that waits until in_use is zero */
    uint32_t place;              /* + 1 of its file, see files.h; 0: none */
    uint32_t uses;               /* operations of its owner, until it has a place */
};

/* An owner's descriptors: first + 1, 0: none. */
struct tsuga_descriptor_list {
    int32_t first;
    uint32_t count;
};

struct tsuga_descriptors {
    const struct tsuga_memory *memory; /* const after init */
    _Atomic(struct tsuga_descriptor *) chunks[TSUGA_DESCRIPTOR_CHUNKS_MAX];
    _Atomic uint64_t owned_count;
};

void tsuga_descriptors_init(struct tsuga_descriptors *table, const struct tsuga_memory *memory);
void tsuga_descriptors_fini(struct tsuga_descriptors *table);

/* The entry of a number; NULL when it was never owned. Thread: any. */
struct tsuga_descriptor *tsuga_descriptors_at(struct tsuga_descriptors *table, int fd);

/* Make `io` the owner of a descriptor that nobody owns.
 * Errors: -EBUSY somebody does; -ENOMEM; -EBADF the number is beyond the table. */
TSUGA_NODISCARD int tsuga_descriptors_claim(struct tsuga_descriptors *table, struct tsuga_io *io,
                                            int fd);

/* The entry, when `io` owns it; NULL otherwise. */
struct tsuga_descriptor *tsuga_descriptors_owned(struct tsuga_descriptors *table,
                                                 const struct tsuga_io *io, int fd);

/* A descriptor that was given to an actor arrives in its mailbox: it becomes the actor's, now or
 * when there is memory for that, or, when the actor has ended, is closed, by the ring because a
 * close may take its time. accept consumes the letter, refuse does not. */
void tsuga_descriptors_accept(struct tsuga_seat *seat, struct tsuga_message *message);
void tsuga_descriptors_accept_again(struct tsuga_seat *seat);
void tsuga_descriptors_refuse_all(struct tsuga_seat *seat);
void tsuga_descriptors_refuse(struct tsuga_executor *executor, struct tsuga_message *message);

/* Take a descriptor from its owner; nobody owns it then. */
void tsuga_descriptors_disown(struct tsuga_descriptors *table, struct tsuga_io *io, int fd);

#endif
