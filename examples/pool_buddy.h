/*
 * A buddy allocator over one lease, as a pool: blocks of 32 bytes, 64, 128, … up to the whole, and
 * each is aligned to its size.
 *
 * A block that is too large is cut in two, again and again; the halves are buddies, and their
 * offsets differ in one bit. When both are free they are joined:
 *
 *     |               256               |     take 32:
 *     |      128       |       128      |
 *     |  64   |   64   |
 *     |32 |32 |
 *      ^ the block; a buddy of each size is free
 *
 * So free room is always in the largest blocks that it can make: a take of a size fails only if no
 * aligned place of that size is free.
 *
 * The upper half of this file is arithmetic and knows nothing of leases; the lower half makes a
 * slice of what was cut, whose release joins it again.
 *
 * Owner: the user's memory, and books of 32 bytes for each 32 bytes of the lease, from calloc().
 * They must outlive every block, and blocks may outlive their actor: call buddy_fini() when
 * tsuga_join() has returned, or when live_count is 0 for good.
 * Thread: the actor's, to which the lease belongs; also after its end.
 */
#ifndef TSUGA_EXAMPLES_POOL_BUDDY_H
#define TSUGA_EXAMPLES_POOL_BUDDY_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <tsuga.h>

#define BUDDY_UNIT        ((size_t)32)
#define BUDDY_ORDER_COUNT 17u /* 32 bytes << 16: the largest lease, 2 MiB */

/* What is known of a block, at the place of its first unit. */
struct buddy_block {
    struct buddy *buddy;
    struct buddy_block *next; /* in the list of free ones of its order */
    struct buddy_block *prev;
    uint8_t order; /* BUDDY_UNIT << order bytes */
    bool is_free;
    bool is_live;
};

struct buddy {
    struct tsuga_pool pool; /* what operations are given */
    struct tsuga_lease whole;
    struct buddy_block *blocks; /* one for each unit */
    struct buddy_block *free[BUDDY_ORDER_COUNT];
    unsigned order_max; /* of the whole */
    size_t live_count;
};

/* The least order that holds so many bytes. */
static inline unsigned buddy_order(size_t bytes)
{
    unsigned order = 0;

    while (order < BUDDY_ORDER_COUNT && BUDDY_UNIT << order < bytes)
        order++;
    return order;
}

static inline size_t buddy_offset(const struct buddy_block *block)
{
    return (size_t)(block - block->buddy->blocks) * BUDDY_UNIT;
}

static inline void buddy_push(struct buddy_block *block, unsigned order)
{
    struct buddy_block **head = &block->buddy->free[order];

    block->order = (uint8_t)order;
    block->is_free = true;
    block->prev = NULL;
    block->next = *head;
    if (*head != NULL)
        (*head)->prev = block;
    *head = block;
}

static inline void buddy_remove(struct buddy_block *block)
{
    if (block->prev != NULL)
        block->prev->next = block->next;
    else
        block->buddy->free[block->order] = block->next;
    if (block->next != NULL)
        block->next->prev = block->prev;
    block->is_free = false;
}

/* Cuts a block of at least so many bytes. NULL: there is none. */
static inline struct buddy_block *buddy_cut(struct buddy *buddy, size_t bytes)
{
    unsigned wanted = buddy_order(bytes);
    unsigned order = wanted;
    struct buddy_block *block;

    while (order <= buddy->order_max && buddy->free[order] == NULL)
        order++;
    if (order > buddy->order_max)
        return NULL;
    block = buddy->free[order];
    buddy_remove(block);
    while (order > wanted) {
        order--;
        buddy_push(block + ((size_t)1 << order), order);
    }
    block->order = (uint8_t)wanted;
    block->is_live = true;
    buddy->live_count++;
    return block;
}

/* Takes a block back, and joins it with its buddy while that is free. */
static inline void buddy_join(struct buddy_block *block)
{
    struct buddy *buddy = block->buddy;
    size_t unit = (size_t)(block - buddy->blocks);
    unsigned order = block->order;

    assert(block->is_live); /* else it comes back a second time */
    block->is_live = false;
    buddy->live_count--;
    while (order < buddy->order_max) {
        struct buddy_block *other = &buddy->blocks[unit ^ (size_t)1 << order];

        if (!other->is_free || other->order != order)
            break;
        buddy_remove(other);
        unit &= ~((size_t)1 << order);
        order++;
    }
    buddy_push(&buddy->blocks[unit], order);
}

/* Whether everything has come back and is one block again. */
static inline bool buddy_is_whole(const struct buddy *buddy)
{
    return buddy->live_count == 0 && buddy->free[buddy->order_max] == buddy->blocks;
}

static inline void buddy_released(void *context)
{
    buddy_join(context);
}

static inline int buddy_take(struct tsuga_pool *pool, struct tsuga_actor *self, size_t bytes,
                             struct tsuga_lease *out)
{
    struct buddy *buddy = pool->context;
    struct tsuga_slice slice = {.bytes = bytes, .released = buddy_released};
    struct buddy_block *block;
    int error;

    if (bytes > BUDDY_UNIT << buddy->order_max)
        return -EMSGSIZE;
    block = buddy_cut(buddy, bytes);
    if (block == NULL)
        return -ENOBUFS;
    slice.offset = buddy_offset(block);
    slice.context = block;
    error = tsuga_lease_slice(self, buddy->whole, &slice, out);
    if (error != 0)
        buddy_join(block);
    return error;
}

/* Makes the books for a lease of so many bytes, a power of two from 32 to 2 MiB. */
static inline int buddy_init(struct buddy *buddy, size_t bytes)
{
    size_t count = bytes / BUDDY_UNIT;

    *buddy = (struct buddy){.pool = {buddy_take, buddy}, .order_max = buddy_order(bytes)};
    if (count == 0 || (bytes & (bytes - 1)) != 0 || buddy->order_max >= BUDDY_ORDER_COUNT)
        return -EINVAL;
    buddy->blocks = calloc(count, sizeof(*buddy->blocks));
    if (buddy->blocks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        buddy->blocks[i].buddy = buddy;
    buddy_push(buddy->blocks, buddy->order_max);
    return 0;
}

static inline void buddy_fini(struct buddy *buddy)
{
    free(buddy->blocks);
}

/* Takes the lease; give `whole` back with tsuga_lease_release(). */
static inline int buddy_open(struct buddy *buddy, struct tsuga_actor *self)
{
    return tsuga_lease_make(self, BUDDY_UNIT << buddy->order_max, &buddy->whole);
}

#endif
