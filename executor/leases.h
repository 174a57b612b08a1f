/*
 * Leases: counted references to memory that the kernel may use. Private to executor/.
 *
 * Entries lie out of band in chunks that are never freed while the executor lives, so that any
 * handle is safe to look up. A handle is (executor + 1) << 56 | slot << 32 | generation.
 *
 * An entry belongs to one actor. What it stands for is a block of the actor's heap, a buffer that a
 * group has lent to it, a part of another of its leases, or what another actor has handed over:
 *
 *     actor A                                      actor B, on any executor
 *     entry (HEAP) <── entry (SLICE)
 *                  <── ticket <─────────────────── entry (HANDED)
 *
 * Every arrow is counted in the child_count of what it points to.
 *
 * Invariant: what an entry stands for is given back when user_count, pin_count and child_count are
 * all zero, and not before: pins are the kernel's, and only an operation's last result ends one.
 *
 * Owner: an executor. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_LEASES_H
#define TSUGA_EXECUTOR_LEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/list.h"
#include "runtime/base/memory.h"

#include <tsuga.h>

#define TSUGA_LEASE_CHUNK_SLOTS 256u
#define TSUGA_LEASE_CHUNKS_MAX  (1u << 16)

struct tsuga_buffers;
struct tsuga_executor;
struct tsuga_io;
struct tsuga_ticket;

enum tsuga_lease_source {
    TSUGA_LEASE_HEAP,
    TSUGA_LEASE_LENT,
    TSUGA_LEASE_SLICE,
    TSUGA_LEASE_HANDED,
};

struct tsuga_lease_entry {
    struct tsuga_list_node link; /* among the leases of its io */
    struct tsuga_io *io;         /* whose lease it is; NULL: free */
    void *block;
    uint32_t bytes; /* that mean something */
    uint32_t capacity_bytes;
    uint32_t slot;
    uint32_t generation;    /* of the next use while free */
    uint32_t user_count;    /* references of the actor, those of its messages included */
    uint32_t message_count; /* of these, of completions: the user can not release them */
    uint32_t pin_count;     /* operations in flight */
    uint32_t child_count;   /* slices and tickets */
    uint32_t followers;     /* LENT, waiting in a stream: empty datagrams behind it */
    uint32_t lead_bytes;    /* HEAP, LENT: before `block`, of the same memory: labels.h */
    uint32_t taken_bytes;   /* LENT in pieces: of `bytes`, those that the actor has got */
    uint16_t number;        /* LENT: in its group */
    uint8_t source;         /* enum tsuga_lease_source */
    union {
        struct tsuga_buffers *buffers;   /* LENT */
        struct tsuga_lease_entry *whole; /* SLICE */
        struct tsuga_ticket *ticket;     /* HANDED */
    } from;
    struct tsuga_lease_entry *next;  /* that waits in the same stream, see streams.h */
    void (*released)(void *context); /* of the user; or NULL */
    void *context;
};

struct tsuga_leases {
    const struct tsuga_memory *memory;
    struct tsuga_lease_entry **chunks;
    uint32_t chunk_count;
    uint32_t chunk_count_max;
    struct tsuga_list_node free;
    uint32_t executor_index;
};

void tsuga_leases_init(struct tsuga_leases *leases, uint32_t executor_index,
                       const struct tsuga_memory *memory);
void tsuga_leases_fini(struct tsuga_leases *leases);

/* An entry that stands for nothing yet, and belongs to nobody. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_leases_take(struct tsuga_leases *leases, struct tsuga_lease_entry **out);

/* Give an entry back that belongs to nobody. Handles to it are spent. */
void tsuga_leases_give(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);

/* A lease over a new block of the heap, without a reference: the caller adds one, or a pin.
 * Errors: -EINVAL, -EMSGSIZE, -ENOBUFS, -ENOMEM. */
TSUGA_NODISCARD int tsuga_leases_make(struct tsuga_leases *leases, struct tsuga_io *io,
                                      size_t bytes, struct tsuga_lease_entry **out);

/* A buffer of a group becomes the actor's, with the reference of a completion. */
void tsuga_leases_lend(struct tsuga_lease_entry *entry, struct tsuga_io *io, size_t bytes);

/* The user sees nothing of the first bytes, until what the entry stands for is given back. */
void tsuga_leases_skip(struct tsuga_lease_entry *entry, uint32_t lead_bytes);
/* A buffer of a group becomes the actor's, without a reference and without bytes. */
void tsuga_leases_admit(struct tsuga_lease_entry *entry, struct tsuga_io *io);

/* A lease of a part of another one, without a reference: the caller adds one. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_leases_part(struct tsuga_leases *leases, struct tsuga_lease_entry *whole,
                                      const struct tsuga_slice *slice,
                                      struct tsuga_lease_entry **out);

/* The entry that a handle of an actor names.
 * Errors: -ENOENT it is gone; -EINVAL it never was, or belongs to another actor. */
TSUGA_NODISCARD int tsuga_leases_find(struct tsuga_leases *leases, const struct tsuga_io *io,
                                      struct tsuga_lease lease, struct tsuga_lease_entry **out);

struct tsuga_lease tsuga_leases_handle(const struct tsuga_leases *leases,
                                       const struct tsuga_lease_entry *entry);

/* The same, by the actor. */
TSUGA_NODISCARD int tsuga_lease_find(struct tsuga_actor *self, struct tsuga_lease lease,
                                     struct tsuga_lease_entry **out);

void tsuga_leases_unpin(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);
void tsuga_leases_release(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);

/* A completion that will be delivered gets a reference; it is given back. */
static inline void tsuga_leases_attach(struct tsuga_lease_entry *entry)
{
    entry->user_count++;
    entry->message_count++;
}
void tsuga_leases_detach(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);

/* A ticket to the entry is gone. */
void tsuga_leases_drop_child(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);

/* The actor has ended: its references go, pins and children stay. */
void tsuga_leases_drop_users(struct tsuga_leases *leases, struct tsuga_io *io);

#endif
