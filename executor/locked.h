/*
 * Locked memory: what a runtime is charged with, and how much of it arenas may take.
 *
 * The kernel charges rings, groups of lent buffers and registered memory to the user (not the
 * process) as locked memory, unless the thread has CAP_IPC_LOCK. Rings come first, and share half
 * of the limit among them; groups must find room later, so arenas take no more than half, either.
 * Zero-copy sends are charged while they last. Other programs of the same user are charged to the
 * same account: what the kernel says counts in the end.
 *
 * Owner: the runtime, in struct tsuga_shared. Thread: any.
 */
#ifndef TSUGA_EXECUTOR_LOCKED_H
#define TSUGA_EXECUTOR_LOCKED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"

struct tsuga_locked {
    bool is_unlimited;             /* const after init; set before, it stays */
    _Atomic bool is_reported;      /* the one line about limits was written */
    _Atomic bool is_send_reported; /* likewise about zero-copy sends */
    _Atomic uint64_t rings_bytes;
    _Atomic uint64_t groups_bytes;
    _Atomic uint64_t arenas_bytes;
};

/* Raises the soft limit to the hard one: what can be had is had. */
void tsuga_locked_init(struct tsuga_locked *locked);

/* RLIMIT_MEMLOCK as it is now; UINT64_MAX: none. */
uint64_t tsuga_locked_limit(const struct tsuga_locked *locked);

/* Whether so many bytes more of arenas fit into their share. */
bool tsuga_locked_has_room(const struct tsuga_locked *locked, uint64_t bytes);

/* Books an arena. False: arenas would have more than their share. */
TSUGA_NODISCARD bool tsuga_locked_take(struct tsuga_locked *locked, uint64_t bytes);
void tsuga_locked_give(struct tsuga_locked *locked, uint64_t bytes);

/* How much one of so many rings may take, so that the others, and groups, find room. */
uint64_t tsuga_locked_ring_share(const struct tsuga_locked *locked, uint32_t ring_count);

/* What a ring of so many entries is charged with. */
uint64_t tsuga_locked_ring_bytes(uint32_t entries, uint32_t cq_entries);

static inline void tsuga_locked_add(_Atomic uint64_t *sum, uint64_t bytes)
{
    atomic_fetch_add_explicit(sum, bytes, memory_order_relaxed);
}

static inline void tsuga_locked_sub(_Atomic uint64_t *sum, uint64_t bytes)
{
    atomic_fetch_sub_explicit(sum, bytes, memory_order_relaxed);
}

#endif
