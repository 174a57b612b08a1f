/*
 * A bump allocator over one lease, as a pool: a block begins where the one before it ends, and when
 * the last block has come back the lease is empty again.
 *
 *     | block | block | block |            room            |
 *                             ^ used
 *
 * Nothing is cheaper, and nothing suits what comes and goes together better: the parts of one
 * message, the reads of one round. One block that stays keeps all the room behind it and before it,
 * though: for what lives differently long, see pool_buddy.h.
 *
 * Owner: the user's memory. It must outlive every block, and blocks may outlive their actor: until
 * tsuga_join() has returned, or live_count is 0 for good.
 * Thread: the actor's, to which the lease belongs; also after its end.
 */
#ifndef TSUGA_EXAMPLES_POOL_BUMP_H
#define TSUGA_EXAMPLES_POOL_BUMP_H

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include <tsuga.h>

#define BUMP_ALIGNMENT ((size_t)16)

struct bump {
    struct tsuga_pool pool; /* what operations are given */
    struct tsuga_lease whole;
    size_t bytes; /* of the whole */
    size_t used;  /* from the whole's first byte on */
    size_t live_count;
};

/* The release of a slice: it runs once, when neither a reference nor an operation is left. */
static inline void bump_released(void *context)
{
    struct bump *bump = context;

    assert(bump->live_count > 0);
    if (--bump->live_count == 0)
        bump->used = 0;
}

static inline int bump_take(struct tsuga_pool *pool, struct tsuga_actor *self, size_t bytes,
                            struct tsuga_lease *out)
{
    struct bump *bump = pool->context;
    struct tsuga_slice slice = {bump->used, bytes, bump_released, bump};
    int error;

    if (bytes > bump->bytes)
        return -EMSGSIZE;
    if (bytes > bump->bytes - bump->used)
        return -ENOBUFS;
    error = tsuga_lease_slice(self, bump->whole, &slice, out);
    if (error != 0)
        return error;
    bump->live_count++;
    bump->used += (bytes + BUMP_ALIGNMENT - 1) & ~(BUMP_ALIGNMENT - 1);
    if (bump->used > bump->bytes)
        bump->used = bump->bytes;
    return 0;
}

/* Takes a lease of so many bytes; give `whole` back with tsuga_lease_release(). */
static inline int bump_open(struct bump *bump, struct tsuga_actor *self, size_t bytes)
{
    *bump = (struct bump){.pool = {bump_take, bump}, .bytes = bytes};
    return tsuga_lease_make(self, bytes, &bump->whole);
}

#endif
