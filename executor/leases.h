/*
 * Leases: counted references to blocks of I/O heaps. Private to executor/.
 *
 * Entries lie out of band in chunks that are never freed while the executor lives, so that any
 * handle is safe to look up. A handle is (executor + 1) << 56 | slot << 32 | generation.
 *
 * Invariant: the block is freed when user_count and pin_count are both zero, and not before: pins
 * are the kernel's, and only an operation's last result ends one.
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

struct tsuga_io;

struct tsuga_lease_entry {
    struct tsuga_list_node link; /* among the leases of its io */
    struct tsuga_io *io;         /* whose heap holds the block; NULL: free */
    void *block;
    uint32_t bytes; /* that mean something */
    uint32_t capacity_bytes;
    uint32_t slot;
    uint32_t generation; /* of the next use while free */
    uint32_t user_count; /* references of the actor, its current message included */
    uint32_t pin_count;  /* operations in flight */
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

/* A lease over a new block of the heap, without a reference: the caller adds one, or a pin.
 * Errors: -EINVAL, -EMSGSIZE, -ENOBUFS, -ENOMEM. */
TSUGA_NODISCARD int tsuga_leases_make(struct tsuga_leases *leases, struct tsuga_io *io,
                                      size_t bytes, struct tsuga_lease_entry **out);

/* The entry that a handle of an actor names.
 * Errors: -ENOENT it is gone; -EINVAL it never was, or belongs to another actor. */
TSUGA_NODISCARD int tsuga_leases_find(struct tsuga_leases *leases, const struct tsuga_io *io,
                                      struct tsuga_lease lease, struct tsuga_lease_entry **out);

struct tsuga_lease tsuga_leases_handle(const struct tsuga_leases *leases,
                                       const struct tsuga_lease_entry *entry);

void tsuga_leases_unpin(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);
void tsuga_leases_release(struct tsuga_leases *leases, struct tsuga_lease_entry *entry);

/* The actor has ended: its references go, pins stay. */
void tsuga_leases_drop_users(struct tsuga_leases *leases, struct tsuga_io *io);

#endif
