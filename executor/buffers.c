#include "executor/buffers.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/pieces.h"
#include "executor/streams.h"
#include "runtime/base/sanitize.h"

#define OFFER_BYTES     16u
#define QUEUE_BYTES_MIN 4096u /* the kernel wants whole pages */
#define GROW_FACTOR     16u   /* of a group that began with receive.group_buffers */
#define PATIENCE_MAX    64u   /* trims, of a second mostly */
#define ENTRIES_MAX     32768u

/* Numbers of groups. */

static int take_id(struct tsuga_receive *receive, uint16_t *out)
{
    for (uint32_t word = 0; word < TSUGA_GROUPS_MAX / 64; word++) {
        unsigned bit;

        if (receive->ids[word] == UINT64_MAX)
            continue;
        bit = tsuga_bits_lowest(~receive->ids[word]);
        receive->ids[word] |= UINT64_C(1) << bit;
        *out = (uint16_t)(word * 64 + bit);
        return 0;
    }
    return -ENOSPC;
}

static void give_id(struct tsuga_receive *receive, uint16_t id)
{
    receive->ids[id / 64] &= ~(UINT64_C(1) << id % 64);
}

/* Single buffers. */

/* How many were not on offer yet when the kernel last took some. */
static uint32_t unseen_count(const struct tsuga_buffers *buffers)
{
    const struct tsuga_ring *ring = buffers->executor->ring;
    bool is_known = ring->is_deferred && buffers->enter_count == ring->enter_count;

    return is_known ? buffers->unseen_count : 0;
}

static void offer(struct tsuga_buffers *buffers, struct tsuga_lease_entry *entry)
{
    struct tsuga_ring *ring = buffers->executor->ring;

    entry->io = NULL;
    ring->ops->offer(ring, &buffers->ring, entry->block, buffers->buffer_bytes, entry->number);
    buffers->offered_count++;
    buffers->unseen_count = unseen_count(buffers) + 1;
    buffers->enter_count = ring->enter_count;
}

/* Errors: -ENOBUFS, -ENOMEM. */
static int add_buffer(struct tsuga_buffers *buffers, uint16_t number)
{
    struct tsuga_leases *leases = &buffers->executor->leases;
    struct tsuga_lease_entry *entry;
    void *block;
    int error = tsuga_ioheap_alloc(buffers->heap, buffers->buffer_bytes, &block);

    if (error != 0)
        return error;
    error = tsuga_leases_take(leases, &entry);
    if (error != 0) {
        tsuga_ioheap_free(buffers->heap, block);
        return error;
    }
    entry->source = TSUGA_LEASE_LENT;
    entry->from.buffers = buffers;
    entry->number = number;
    entry->block = block;
    entry->capacity_bytes = buffers->buffer_bytes;
    buffers->entries[number] = entry;
    buffers->count++;
    offer(buffers, entry);
    return 0;
}

static void drop_buffer(struct tsuga_buffers *buffers, struct tsuga_lease_entry *entry)
{
    tsuga_ioheap_free(buffers->heap, entry->block);
    buffers->entries[entry->number] = NULL;
    buffers->count--;
    tsuga_leases_give(&buffers->executor->leases, entry);
}

/* As many as there is memory for, up to `count` in all. */
static int fill(struct tsuga_buffers *buffers, uint32_t count)
{
    for (uint32_t number = 0; number < buffers->ring.entries && buffers->count < count; number++) {
        int error = buffers->entries[number] == NULL ? add_buffer(buffers, (uint16_t)number) : 0;

        if (error != 0)
            return error;
    }
    return 0;
}

/* Groups. */

static size_t queue_bytes(uint32_t entries)
{
    size_t bytes = (size_t)entries * OFFER_BYTES;

    return bytes < QUEUE_BYTES_MIN ? QUEUE_BYTES_MIN : bytes;
}

static size_t table_bytes(uint32_t entries)
{
    return entries * sizeof(struct tsuga_lease_entry *);
}

/* The memory that the kernel and we need to know of the buffers. */
static int make_tables(struct tsuga_buffers *buffers)
{
    const struct tsuga_memory *memory = buffers->executor->shared->memory;
    uint32_t entries = buffers->ring.entries;
    int error = tsuga_ioheap_alloc(buffers->heap, queue_bytes(entries), &buffers->ring.memory);

    if (error != 0)
        return error;
    memset(buffers->ring.memory, 0, queue_bytes(entries));
    buffers->entries = tsuga_memory_alloc_zeroed(memory, table_bytes(entries));
    if (buffers->entries == NULL) {
        tsuga_ioheap_free(buffers->heap, buffers->ring.memory);
        return -ENOMEM;
    }
    return 0;
}

static void free_tables(struct tsuga_buffers *buffers)
{
    tsuga_memory_free(buffers->executor->shared->memory, buffers->entries,
                      table_bytes(buffers->ring.entries));
    tsuga_ioheap_free(buffers->heap, buffers->ring.memory);
}

/* A kernel that does not know incremental groups refuses them. */
static int add_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    int error = ring->ops->add_group(ring, group);

    if (error != -EINVAL || !group->is_incremental)
        return error;
    group->is_incremental = false;
    return ring->ops->add_group(ring, group);
}

static int enter_ring(struct tsuga_buffers *buffers)
{
    struct tsuga_executor *executor = buffers->executor;
    int error = take_id(&executor->receive, &buffers->ring.id);

    if (error != 0)
        return error;
    error = add_group(executor->ring, &buffers->ring);
    if (error != 0)
        give_id(&executor->receive, buffers->ring.id);
    else
        tsuga_locked_add(&executor->shared->locked.groups_bytes,
                         queue_bytes(buffers->ring.entries));
    return error;
}

static void leave_ring(struct tsuga_buffers *buffers)
{
    struct tsuga_executor *executor = buffers->executor;

    executor->ring->ops->remove_group(executor->ring, &buffers->ring);
    tsuga_locked_sub(&executor->shared->locked.groups_bytes, queue_bytes(buffers->ring.entries));
    give_id(&executor->receive, buffers->ring.id);
}

static void free_group(struct tsuga_buffers *buffers)
{
    TSUGA_ASSERT(buffers->count == 0);
    free_tables(buffers);
    tsuga_list_remove(&buffers->link);
    tsuga_memory_free(buffers->executor->shared->memory, buffers, sizeof(*buffers));
}

static int set_up(struct tsuga_buffers *buffers, uint32_t count)
{
    int error = make_tables(buffers);

    if (error != 0)
        return error;
    error = enter_ring(buffers);
    if (error != 0)
        goto free_tables;
    error = fill(buffers, count);
    /* The executor's own may begin with fewer. */
    if (buffers->count < (buffers->owner != NULL ? count : 1))
        goto leave_ring;
    buffers->offered_min = buffers->count;
    return 0;

leave_ring:
    leave_ring(buffers);
    for (uint32_t number = 0; number < buffers->ring.entries; number++) {
        if (buffers->entries[number] != NULL)
            drop_buffer(buffers, buffers->entries[number]);
    }
free_tables:
    free_tables(buffers);
    return error;
}

int tsuga_buffers_open(struct tsuga_executor *executor, const struct tsuga_buffers_config *config,
                       struct tsuga_buffers **out)
{
    const struct tsuga_memory *memory = executor->shared->memory;
    const enum tsuga_toggle *features = executor->shared->config.features;
    struct tsuga_buffers *buffers = tsuga_memory_alloc(memory, sizeof(*buffers));
    int error;

    if (buffers == NULL)
        return -ENOMEM;
    *buffers = (struct tsuga_buffers){
        .ring = {.entries = config->count_max,
                 .is_incremental = config->is_incremental &&
                                   features[TSUGA_FEATURE_BUFFER_RING_INCREMENTAL] != TSUGA_OFF},
        .executor = executor,
        .heap = config->heap,
        .owner = config->owner,
        .handle = ++executor->receive.handle_last,
        .buffer_bytes = config->buffer_bytes,
        .is_exclusive = config->is_incremental,
        .patience = 1,
    };
    tsuga_list_init(&buffers->link);
    tsuga_list_init(&buffers->starved);
    tsuga_list_init(&buffers->hungry);
    error = set_up(buffers, config->count);
    if (error != 0) {
        tsuga_memory_free(memory, buffers, sizeof(*buffers));
        return error;
    }
    *out = buffers;
    return 0;
}

void tsuga_buffers_close(struct tsuga_buffers *buffers)
{
    TSUGA_VERIFY(buffers->user_count == 0); /* else the kernel fills buffers that are freed here */
    leave_ring(buffers);
    buffers->is_closed = true;
    tsuga_list_remove(&buffers->hungry); /* the streams that waited have ended */
    /* Counted as one more, so that it is not freed in the middle of this. */
    buffers->count++;
    tsuga_pieces_end(buffers);
    for (uint32_t number = 0; number < buffers->ring.entries; number++) {
        struct tsuga_lease_entry *entry = buffers->entries[number];

        if (entry != NULL && entry->io == NULL)
            drop_buffer(buffers, entry);
    }
    buffers->offered_count = 0;
    buffers->count--;
    if (buffers->count == 0)
        free_group(buffers);
}

struct tsuga_lease_entry *tsuga_buffers_at(const struct tsuga_buffers *buffers,
                                           const struct tsuga_ring_result *result)
{
    uint16_t number = tsuga_ring_buffer(result);

    TSUGA_VERIFY(number < buffers->ring.entries);
    TSUGA_VERIFY(buffers->entries[number] != NULL);
    return buffers->entries[number];
}

void tsuga_buffers_withdraw(struct tsuga_buffers *buffers)
{
    uint32_t seen_count = --buffers->offered_count - unseen_count(buffers);

    if (seen_count < buffers->offered_min)
        buffers->offered_min = seen_count;
}

struct tsuga_lease_entry *tsuga_buffers_take(struct tsuga_buffers *buffers,
                                             const struct tsuga_ring_result *result)
{
    struct tsuga_lease_entry *entry = tsuga_buffers_at(buffers, result);

    TSUGA_VERIFY(entry->io == NULL); /* else the kernel wrote into a buffer that is lent */
    tsuga_buffers_withdraw(buffers);
    return entry;
}

void tsuga_buffers_return(struct tsuga_lease_entry *entry)
{
    struct tsuga_buffers *buffers = entry->from.buffers;

    if (buffers->ring.is_incremental)
        tsuga_sanitize_unpoison(entry->block, entry->capacity_bytes);
    /* A handle that would wrap could come to mean another lease. */
    if (buffers->is_closed || buffers->surplus_count > 0 || ++entry->generation == UINT32_MAX) {
        if (buffers->surplus_count > 0)
            buffers->surplus_count--;
        drop_buffer(buffers, entry);
        if (buffers->is_closed && buffers->count == 0)
            free_group(buffers);
        return;
    }
    offer(buffers, entry);
    if (tsuga_list_is_empty(&buffers->starved))
        return;
    tsuga_streams_feed(buffers, 1);
    /* Whether the stream that was fed needs the buffer will be seen: the next tick feeds others. */
    if (!tsuga_list_is_empty(&buffers->starved) && !tsuga_list_is_linked(&buffers->hungry))
        tsuga_list_push_back(&buffers->executor->receive.hungry, &buffers->hungry);
}

/* The executor's own. */

int tsuga_receive_init(struct tsuga_receive *receive, struct tsuga_executor *executor)
{
    tsuga_list_init(&receive->hungry);
    tsuga_list_init(&receive->stuck);
    return tsuga_ioheap_init(&receive->heap, &executor->arenas, NULL);
}

void tsuga_receive_close(struct tsuga_executor *executor)
{
    for (unsigned i = 0; i < TSUGA_IOHEAP_CLASS_COUNT; i++) {
        if (executor->receive.shared[i] != NULL)
            tsuga_buffers_close(executor->receive.shared[i]);
    }
}

void tsuga_receive_fini(struct tsuga_receive *receive)
{
    tsuga_ioheap_fini(&receive->heap);
}

/* One line, however often it happens. */
static void refuse(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;
    struct tsuga_receive *receive = &executor->receive;

    receive->is_refused = true;
    if (receive->was_refused)
        return;
    receive->was_refused = true;
    if (executor->index == 0)
        shared->report(shared->report_context, TSUGA_LOG_WARN,
                       "locked memory is short: receive streams go without groups of buffers; "
                       "raise RLIMIT_MEMLOCK (ulimit -l)");
}

static struct tsuga_buffers *open_shared(struct tsuga_executor *executor, unsigned class)
{
    const struct tsuga_config *config = &executor->shared->config;
    uint32_t count = config->receive.group_buffers;
    uint32_t count_max = count * GROW_FACTOR > ENTRIES_MAX ? ENTRIES_MAX : count * GROW_FACTOR;
    struct tsuga_buffers_config buffers = {
        .heap = &executor->receive.heap,
        .buffer_bytes = 1u << class,
        .count = count,
        .count_max = count_max,
    };
    struct tsuga_buffers **place = &executor->receive.shared[class - TSUGA_IOHEAP_BLOCK_SHIFT_MIN];

    if (config->features[TSUGA_FEATURE_BUFFER_RING] == TSUGA_OFF || executor->receive.is_refused)
        return NULL;
    if (tsuga_buffers_open(executor, &buffers, place) != 0)
        refuse(executor);
    return *place;
}

struct tsuga_buffers *tsuga_receive_group(struct tsuga_executor *executor, size_t bytes)
{
    uint32_t sizes = executor->shared->config.receive.group_sizes;
    unsigned least = bytes <= 1 ? 0 : tsuga_bits_log2_ceil(bytes);
    uint32_t fitting = least < 32 ? sizes & UINT32_MAX << least : 0;
    unsigned class = fitting != 0 ? tsuga_bits_lowest(fitting) : tsuga_bits_log2_floor(sizes);
    struct tsuga_buffers *buffers = executor->receive.shared[class - TSUGA_IOHEAP_BLOCK_SHIFT_MIN];

    return buffers != NULL ? buffers : open_shared(executor, class);
}

/* What can not be had now is asked for again later. */
static void grow_to(struct tsuga_buffers *buffers, uint32_t count)
{
    if (buffers->has_shrunk && buffers->patience < PATIENCE_MAX)
        buffers->patience *= 2; /* what is missing has just been freed */
    buffers->has_shrunk = false;
    buffers->surplus_count = 0;
    (void)fill(buffers, count > buffers->ring.entries ? buffers->ring.entries : count);
}

/* Twice as many, when streams wait and none is on offer. */
static void grow(struct tsuga_buffers *buffers)
{
    if (buffers->owner == NULL && buffers->offered_count == 0)
        grow_to(buffers, 2 * buffers->count + 1);
}

/* What is needed is looked at anew, while so many of the buffers that come back are freed. */
static void begin_period(struct tsuga_buffers *buffers, uint32_t surplus)
{
    buffers->surplus_count = surplus;
    buffers->calm_count = 0;
    buffers->offered_min = buffers->offered_count;
}

/* By as many as were missed, four times as many at most, although all of them came back soon: else
 * streams whose messages come together wait for each other's buffers each time. Not for what comes
 * only once. */
static void grow_by_missed(struct tsuga_buffers *buffers)
{
    uint32_t missed = buffers->missed_count;
    uint32_t most = 3 * buffers->count;

    if (buffers->was_missed)
        grow_to(buffers, buffers->count + (missed < most ? missed : most));
    buffers->was_missed = true;
    buffers->missed_count = 0;
    begin_period(buffers, 0);
}

/* Whether a later tick may have what the streams wait for. Otherwise they wait for buffers that
 * come back, and the next one calls for a tick. */
static bool has_hope(const struct tsuga_buffers *buffers)
{
    return buffers->offered_count > 0 ||
           (buffers->owner == NULL && buffers->count < buffers->ring.entries);
}

void tsuga_receive_feed(struct tsuga_receive *receive)
{
    struct tsuga_list_node *node = receive->hungry.next;

    while (node != &receive->hungry) {
        struct tsuga_buffers *buffers = TSUGA_CONTAINER_OF(node, struct tsuga_buffers, hungry);

        node = node->next;
        grow(buffers);
        tsuga_streams_feed(buffers, buffers->offered_count);
        if (tsuga_list_is_empty(&buffers->starved) || !has_hope(buffers))
            tsuga_list_remove(&buffers->hungry);
    }
}

/* Frees half of what nobody needed in all this time; all, when nobody uses the group. A load that
 * comes and goes starves the streams each time that it finds the group shrunk: then shrinking waits
 * twice as long the next time. What was missed before a late look, which ends a quiet time, counts
 * with what comes after it. */
static void resize(struct tsuga_buffers **place, uint32_t least, bool is_late)
{
    struct tsuga_buffers *buffers = *place;
    uint32_t spare = buffers->count > least ? buffers->count - least : 0;
    uint32_t surplus;

    if (spare > 0 && buffers->user_count == 0) {
        *place = NULL;
        tsuga_buffers_close(buffers);
        return;
    }
    if (buffers->missed_count > 0 && !is_late) {
        grow_by_missed(buffers);
        return;
    }
    buffers->was_missed = false;
    if (spare == 0 || buffers->offered_min <= least) {
        begin_period(buffers, 0);
        return;
    }
    if (++buffers->calm_count < buffers->patience)
        return;
    if (buffers->has_shrunk && buffers->patience > 1)
        buffers->patience /= 2;
    buffers->has_shrunk = true;
    surplus = (buffers->offered_min + 1) / 2;
    begin_period(buffers, surplus < spare ? surplus : spare);
}

void tsuga_receive_trim(struct tsuga_executor *executor, bool is_late)
{
    struct tsuga_receive *receive = &executor->receive;

    receive->is_refused = false;
    for (unsigned i = 0; i < TSUGA_IOHEAP_CLASS_COUNT; i++) {
        if (receive->shared[i] != NULL)
            resize(&receive->shared[i], executor->shared->config.receive.group_buffers, is_late);
    }
    (void)tsuga_ioheap_decay(&receive->heap, tsuga_executor_now_ns(executor));
}
