#include "executor/registered.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "executor/executor.h"
#include "executor/locked.h"

/* Pinning 2 MiB of small pages takes 25 to 45 microseconds: so much of it in one go, at least one
 * arena. */
#define BATCH_BYTES (UINT64_C(4) << 20)
#define BATCH_MAX   64u

static const uint8_t fixed_forms[TSUGA_RING_KIND_COUNT] = {
    [TSUGA_RING_READ] = TSUGA_RING_READ_FIXED,       [TSUGA_RING_WRITE] = TSUGA_RING_WRITE_FIXED,
    [TSUGA_RING_READV] = TSUGA_RING_READV_FIXED,     [TSUGA_RING_WRITEV] = TSUGA_RING_WRITEV_FIXED,
    [TSUGA_RING_SEND_ZC] = TSUGA_RING_SEND_ZC_FIXED,
};

static struct tsuga_executor *executor_of(struct tsuga_registered *registered)
{
    return TSUGA_CONTAINER_OF(registered, struct tsuga_executor, registered);
}

static const struct tsuga_reserve *reserve_of(struct tsuga_registered *registered)
{
    return &executor_of(registered)->shared->reserve;
}

static uint64_t kinds_of(const struct tsuga_ring *ring)
{
    uint64_t kinds = 0;

    for (unsigned kind = 0; kind < TSUGA_RING_KIND_COUNT; kind++) {
        if (fixed_forms[kind] != 0 &&
            ring->ops->supports(ring, (enum tsuga_ring_kind)fixed_forms[kind]))
            kinds |= UINT64_C(1) << kind;
    }
    return kinds;
}

static size_t free_bytes(const struct tsuga_registered *registered)
{
    return registered->slot_count * sizeof(*registered->free);
}

int tsuga_registered_init(struct tsuga_executor *executor)
{
    struct tsuga_registered *registered = &executor->registered;
    const struct tsuga_config *config = &executor->shared->config;

    /* Pages that nobody may touch can not be pinned. */
    if (config->ioheap.registration == TSUGA_REGISTRATION_OFF || config->ioheap.guard == TSUGA_ON)
        return 0;
    registered->slot_count = config->ioheap.registration_slots;
    registered->uses_min =
        config->ioheap.registration == TSUGA_REGISTRATION_ALWAYS ? 1 : TSUGA_REGISTERED_USES;
    registered->free = tsuga_memory_alloc(executor->shared->memory, free_bytes(registered));
    return registered->free == NULL ? -ENOMEM : 0;
}

void tsuga_registered_start(struct tsuga_executor *executor)
{
    struct tsuga_registered *registered = &executor->registered;

    if (registered->free == NULL || executor->ring->ops->add_slots == NULL)
        return;
    registered->kinds = kinds_of(executor->ring);
    registered->is_on = registered->may_grow = registered->kinds != 0;
}

/* When something is in the way. */

static void stop_growing(struct tsuga_registered *registered)
{
    struct tsuga_executor *executor = executor_of(registered);

    registered->may_grow = false;
    registered->is_on = registered->known_count > 0;
    tsuga_count(&executor->counters.registered_refusals, 1);
}

/* One line, from the first executor that meets the limit. Whoever has asked for registration is
 * warned; whom it would only have helped may want to know. */
static void report(struct tsuga_registered *registered, const char *line)
{
    struct tsuga_shared *shared = executor_of(registered)->shared;
    bool is_asked_for = shared->config.ioheap.registration == TSUGA_REGISTRATION_ALWAYS;

    if (atomic_exchange_explicit(&shared->locked.is_reported, true, memory_order_relaxed))
        return;
    shared->report(shared->report_context, is_asked_for ? TSUGA_LOG_WARN : TSUGA_LOG_INFO, line);
}

static void meet_memory_limit(struct tsuga_registered *registered, bool by_kernel)
{
    struct tsuga_executor *executor = executor_of(registered);
    const struct tsuga_locked *locked = &executor->shared->locked;
    uint64_t arenas_bytes = atomic_load_explicit(&locked->arenas_bytes, memory_order_relaxed) +
                            (by_kernel ? 0 : reserve_of(registered)->arena_bytes);
    char line[256];

    stop_growing(registered);
    snprintf(line, sizeof(line),
             "registered memory: RLIMIT_MEMLOCK is %" PRIu64 "K, %s, and arenas need %" PRIu64
             "K of it: raise it (ulimit -l, LimitMEMLOCK=) for more of them; plain operations go "
             "on in their place",
             tsuga_locked_limit(locked) >> 10,
             by_kernel ? "which is used up" : "half of which is for arenas", arenas_bytes >> 10);
    report(registered, line);
}

static void meet_slot_limit(struct tsuga_registered *registered)
{
    char line[256];

    stop_growing(registered);
    snprintf(line, sizeof(line),
             "registered memory: all %" PRIu32 " slots of a ring are in use, and %" PRIu32
             " are needed: raise ioheap.registration_slots (to %u at most) or ioheap.arena_size; "
             "plain operations go on in their place",
             registered->slot_count, registered->slot_count + 1, TSUGA_RING_SLOTS_MAX);
    report(registered, line);
}

/* Nothing that could change while we run. */
static void meet_kernel(struct tsuga_registered *registered, int error)
{
    char line[256];

    stop_growing(registered);
    registered->is_refused = true;
    snprintf(line, sizeof(line),
             "registered memory: the kernel refuses it: %s; plain operations go on in its place",
             strerror(-error));
    report(registered, line);
}

static void meet(struct tsuga_registered *registered, int error)
{
    if (error == -ENOMEM)
        meet_memory_limit(registered, true);
    else
        meet_kernel(registered, error);
}

/* A limit that was raised, or an arena that has left, makes room. Others of the same user may have
 * made some, too, which only a try can tell. */
void tsuga_registered_watch(struct tsuga_executor *executor)
{
    struct tsuga_registered *registered = &executor->registered;

    if (registered->may_grow || registered->kinds == 0 || registered->is_refused)
        return;
    if (registered->has_table && registered->free_count == 0)
        return;
    if (tsuga_locked_has_room(&executor->shared->locked, reserve_of(registered)->arena_bytes))
        registered->is_on = registered->may_grow = true;
}

/* Arenas come. */

/* The first arena brings the table. */
static int make_table(struct tsuga_registered *registered)
{
    struct tsuga_ring *ring = executor_of(registered)->ring;
    int error = ring->ops->add_slots(ring, registered->slot_count);

    if (error != 0)
        return error;
    for (uint32_t i = 0; i < registered->slot_count; i++)
        registered->free[i] = (uint16_t)(registered->slot_count - 1 - i);
    registered->free_count = registered->slot_count;
    registered->has_table = true;
    return 0;
}

/* Books what an arena needs; it is coming from now on. False: something is in the way. */
static bool book(struct tsuga_registered *registered, struct tsuga_arena *arena)
{
    struct tsuga_executor *executor = executor_of(registered);
    int error = registered->has_table ? 0 : make_table(registered);

    if (error != 0) {
        meet(registered, error);
        return false;
    }
    if (registered->free_count == 0) {
        meet_slot_limit(registered);
        return false;
    }
    if (!tsuga_locked_take(&executor->shared->locked, reserve_of(registered)->arena_bytes)) {
        meet_memory_limit(registered, false);
        return false;
    }
    arena->registered_slot = registered->free[--registered->free_count];
    arena->registered_state = TSUGA_REGISTERED_COMING;
    arena->is_registered = true;
    return true;
}

static void unbook(struct tsuga_registered *registered, struct tsuga_arena *arena)
{
    tsuga_locked_give(&executor_of(registered)->shared->locked,
                      reserve_of(registered)->arena_bytes);
    registered->free[registered->free_count++] = arena->registered_slot;
    arena->registered_state = TSUGA_REGISTERED_PLAIN;
    arena->registered_uses = 0;
    arena->is_registered = false;
}

static uint64_t mark_of(const struct tsuga_arena *arena)
{
    return (uint64_t)(uintptr_t)arena | TSUGA_RESULT_ARENA;
}

static void become_known(struct tsuga_registered *registered, struct tsuga_arena *arena)
{
    arena->registered_state = TSUGA_REGISTERED_KNOWN;
    registered->known_count++;
    registered->is_on = true; /* what came before it may have met a limit */
    tsuga_count(&executor_of(registered)->counters.registered_arenas, 1);
}

/* How many arenas from the first on have slots that follow each other. */
static uint32_t run_length(struct tsuga_arena *const *arenas, uint32_t count)
{
    uint32_t length = 1;

    while (length < count && arenas[length]->registered_slot == arenas[0]->registered_slot + length)
        length++;
    return length;
}

/* Fills the slots of neighbours in one call. How many it were; fewer than all: something is in the
 * way. */
static uint32_t fill_run(struct tsuga_registered *registered, struct tsuga_arena *const *arenas,
                         uint32_t count)
{
    struct tsuga_ring *ring = executor_of(registered)->ring;
    struct tsuga_ring_slot slots[BATCH_MAX];
    int filled;

    for (uint32_t i = 0; i < count; i++)
        slots[i] = (struct tsuga_ring_slot){arenas[i]->base, reserve_of(registered)->arena_bytes,
                                            mark_of(arenas[i])};
    filled = ring->ops->fill_slots(ring, arenas[0]->registered_slot, slots, count);
    for (int i = 0; i < filled; i++)
        become_known(registered, arenas[i]);
    if (filled < 0)
        meet(registered, filled);
    else if ((uint32_t)filled < count)
        meet(registered, -ENOMEM); /* why the next one was not, the kernel does not say */
    return filled < 0 ? 0 : (uint32_t)filled;
}

static void fill_all(struct tsuga_registered *registered, struct tsuga_arena *const *arenas,
                     uint32_t count)
{
    uint32_t done = 0;

    while (done < count) {
        uint32_t length = run_length(arenas + done, count - done);
        uint32_t filled = fill_run(registered, arenas + done, length);

        done += filled;
        if (filled < length)
            break;
    }
    for (; done < count; done++)
        unbook(registered, arenas[done]);
}

/* Registers as many of the resident arenas as one go may. */
static void register_some(struct tsuga_registered *registered)
{
    uint64_t most = BATCH_BYTES / reserve_of(registered)->arena_bytes;
    struct tsuga_arena *arenas[BATCH_MAX];
    uint32_t count = 0;
    uint32_t count_max = most < 1 ? 1 : most > BATCH_MAX ? BATCH_MAX : (uint32_t)most;

    while (registered->resident != NULL && count < count_max) {
        arenas[count++] = registered->resident;
        registered->resident = registered->resident->next;
    }
    fill_all(registered, arenas, count);
}

/* The rest has to wait for the next look at the inbox, so that actors get their turns. */
static void go_on(struct tsuga_executor *executor, struct tsuga_task *task)
{
    register_some(&executor->registered);
    if (executor->registered.resident != NULL)
        tsuga_executor_post(executor, task);
}

void tsuga_registered_take(struct tsuga_executor *executor, struct tsuga_arena *first)
{
    struct tsuga_registered *registered = &executor->registered;
    bool is_waiting = registered->resident != NULL;
    struct tsuga_arena **last = &registered->resident;

    while (*last != NULL)
        last = &(*last)->next;
    *last = first;
    registered->task.run = go_on;
    if (!is_waiting)
        go_on(executor, &registered->task);
}

void tsuga_registered_adopted(void *context, struct tsuga_arena *arena, bool is_resident)
{
    struct tsuga_executor *executor = context;
    struct tsuga_registered *registered = &executor->registered;

    if (!registered->may_grow || registered->uses_min > 1 || !book(registered, arena))
        return;
    arena->next = NULL;
    if (is_resident)
        tsuga_registered_take(executor, arena);
    else
        tsuga_arena_work_populate(&executor->arena_work, arena);
}

/* Operations. */

/* The arena of this executor that holds the whole range; NULL when none does. */
static struct tsuga_arena *arena_of(struct tsuga_executor *executor, const void *address,
                                    size_t bytes)
{
    const struct tsuga_reserve *reserve = &executor->shared->reserve;
    struct tsuga_arena *arena = tsuga_reserve_find(reserve, address);

    if (arena == NULL ||
        atomic_load_explicit(&arena->pool, memory_order_relaxed) != &executor->arenas)
        return NULL;
    return bytes <= reserve->arena_bytes - (size_t)((const char *)address - arena->base) ? arena
                                                                                         : NULL;
}

static struct tsuga_arena *arena_of_vectors(struct tsuga_executor *executor,
                                            const struct iovec *vectors, uint32_t count)
{
    struct tsuga_arena *whole = NULL;

    for (uint32_t i = 0; i < count; i++) {
        struct tsuga_arena *arena;

        /* To the kernel no bytes are not in the slot. */
        arena = vectors[i].iov_len == 0
                    ? NULL
                    : arena_of(executor, vectors[i].iov_base, vectors[i].iov_len);
        if (arena == NULL || (whole != NULL && whole != arena))
            return NULL;
        whole = arena;
    }
    return whole;
}

/* An operation could have used the arena's slot. */
static void count_use(struct tsuga_executor *executor, struct tsuga_arena *arena)
{
    struct tsuga_registered *registered = &executor->registered;

    if (registered->may_grow && ++arena->registered_uses >= registered->uses_min &&
        book(registered, arena))
        tsuga_arena_work_populate(&executor->arena_work, arena);
}

static void use_arena(struct tsuga_executor *executor, struct tsuga_ring_request *request,
                      struct tsuga_arena *arena)
{
    if (arena->registered_state == TSUGA_REGISTERED_KNOWN) {
        request->kind = fixed_forms[request->kind];
        request->group = arena->registered_slot;
        tsuga_count(&executor->counters.ops_fixed, 1);
    } else if (arena->registered_state == TSUGA_REGISTERED_PLAIN) {
        count_use(executor, arena);
    }
}

static bool has_form(const struct tsuga_executor *executor,
                     const struct tsuga_ring_request *request)
{
    return (executor->registered.kinds >> request->kind & 1) != 0;
}

void tsuga_registered_find(struct tsuga_executor *executor, struct tsuga_ring_request *request)
{
    struct tsuga_arena *arena;

    if (request->length == 0 || !has_form(executor, request))
        return;
    arena = arena_of(executor, request->address, request->length);
    if (arena != NULL)
        use_arena(executor, request, arena);
}

void tsuga_registered_find_vectors(struct tsuga_executor *executor,
                                   struct tsuga_ring_request *request)
{
    struct tsuga_arena *arena;

    if (!has_form(executor, request))
        return;
    arena = arena_of_vectors(executor, request->address, request->length);
    if (arena != NULL)
        use_arena(executor, request, arena);
}

/* Arenas go. */

void tsuga_registered_withdraw(void *context, struct tsuga_arena *arena)
{
    struct tsuga_executor *executor = context;
    struct tsuga_registered *registered = &executor->registered;
    struct tsuga_ring_slot empty = {.base = NULL};

    if (arena->registered_state != TSUGA_REGISTERED_KNOWN ||
        executor->ring->ops->fill_slots(executor->ring, arena->registered_slot, &empty, 1) != 1)
        return; /* it is not there yet, or on its way, or will be asked to go again */
    arena->registered_state = TSUGA_REGISTERED_LEAVING;
    executor->own_inflight++;
    registered->known_count--;
    tsuga_count(&executor->counters.registered_arenas, (uint64_t)-1);
}

void tsuga_registered_left(struct tsuga_executor *executor, struct tsuga_arena *arena)
{
    TSUGA_VERIFY(arena->registered_state == TSUGA_REGISTERED_LEAVING); /* one word for each slot */
    executor->own_inflight--;
    unbook(&executor->registered, arena);
}

void tsuga_registered_stop(struct tsuga_executor *executor)
{
    struct tsuga_registered *registered = &executor->registered;
    struct tsuga_arena_pool *pool = &executor->arenas;

    registered->is_on = registered->may_grow = false;
    for (uint32_t i = 0; i < pool->spans.region_count; i++) {
        struct tsuga_arena *arena =
            pool->spans.regions[i] == NULL ? NULL : pool->spans.regions[i]->owner;

        if (arena != NULL && arena->registered_state != TSUGA_REGISTERED_PLAIN)
            unbook(registered, arena);
    }
}

void tsuga_registered_fini(struct tsuga_executor *executor)
{
    struct tsuga_registered *registered = &executor->registered;

    tsuga_memory_free(executor->shared->memory, registered->free, free_bytes(registered));
}
