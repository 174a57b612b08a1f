/* The ring hook: submission and completion queues, deferred work, groups of buffers. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "executor/executor.h"
#include "runtime/base/assert.h"
#include "runtime/sim/kernel.h"

#define WORK_FLAG      1u
#define OVERFLOW_FLAG  2u
#define ENTRIES_FLOOR  4u
#define INTERRUPT_NS   20000u
#define FLAG_STAYS_ONE 16u /* in so many times the flag stays although nothing is pending */

/* A group of buffers, and what is on offer, oldest first: a circle of numbers. */
struct group {
    struct tsuga_list_node link;
    uint16_t id;
    uint32_t entries;
    uint32_t first;
    uint32_t count;
    struct tsuga_claim *claims; /* by number; no bytes: not on offer */
    uint16_t *queue;
};

/* Results that found the queue full. */
struct overflow {
    struct tsuga_ring_result *results;
    uint32_t first;
    uint32_t count;
    uint32_t count_max;
};

struct tsuga_kernel_ring {
    struct tsuga_ring ring;
    struct tsuga_kernel *kernel;
    struct tsuga_list_node link;
    struct tsuga_order **queue; /* a circle of ring.entries */
    uint32_t queue_first;
    struct tsuga_ring_result *results; /* a circle of ring.cq_entries */
    _Atomic uint32_t head;
    _Atomic uint32_t tail;
    _Atomic uint32_t flags;
    struct overflow overflow;
    struct tsuga_list_node inflight; /* struct tsuga_order, oldest first */
    struct tsuga_list_node work;     /* likewise */
    struct tsuga_list_node groups;
    struct tsuga_slots slots;
    struct tsuga_coroutine *sleeper; /* the owner, while it waits in here */
    struct tsuga_event interrupt;    /* without deferred work: when results appear by themselves */
    uint64_t supported;
    bool defers;
    bool has_files;
    bool is_closed;
    bool was_cut; /* the last submission ended in the middle of a chain */
    /* The books: what was submitted, what has ended, what was told. */
    uint64_t begun_count;
    uint64_t ended_count;
    uint64_t told_count;
    uint64_t reaped_count;
};

static struct tsuga_kernel_ring *ring_of(struct tsuga_ring *ring)
{
    return TSUGA_CONTAINER_OF(ring, struct tsuga_kernel_ring, ring);
}

struct tsuga_kernel *tsuga_kernel_of(const struct tsuga_kernel_ring *ring)
{
    return ring->kernel;
}

bool tsuga_kernel_ring_is_running(const struct tsuga_kernel_ring *ring)
{
    return ring->kernel->running == ring;
}

/* Results. */

static uint32_t result_count(const struct tsuga_kernel_ring *ring)
{
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
           atomic_load_explicit(&ring->head, memory_order_relaxed);
}

static void set_flag(struct tsuga_kernel_ring *ring, uint32_t flag)
{
    atomic_fetch_or_explicit(&ring->flags, flag, memory_order_relaxed);
}

static void clear_flag(struct tsuga_kernel_ring *ring, uint32_t flag)
{
    atomic_fetch_and_explicit(&ring->flags, ~flag, memory_order_relaxed);
}

static void publish(struct tsuga_kernel_ring *ring, const struct tsuga_ring_result *result)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    ring->results[tail & (ring->ring.cq_entries - 1)] = *result;
    /* Pairs with the acquire in tsuga_ring_has_results(). */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

static void keep(struct tsuga_kernel_ring *ring, const struct tsuga_ring_result *result)
{
    struct overflow *overflow = &ring->overflow;

    if (overflow->first + overflow->count == overflow->count_max) {
        uint32_t count_max = 2 * overflow->count + 16;
        struct tsuga_ring_result *larger =
            tsuga_kernel_alloc(ring->kernel, count_max * sizeof(*larger));

        if (overflow->count > 0)
            memcpy(larger, overflow->results + overflow->first, overflow->count * sizeof(*larger));
        tsuga_kernel_free(ring->kernel, overflow->results, overflow->count_max * sizeof(*larger));
        overflow->results = larger;
        overflow->count_max = count_max;
        overflow->first = 0;
    }
    overflow->results[overflow->first + overflow->count++] = *result;
    set_flag(ring, OVERFLOW_FLAG);
}

static bool has_room(struct tsuga_kernel_ring *ring)
{
    return ring->overflow.count == 0 && result_count(ring) < ring->ring.cq_entries &&
           !tsuga_kernel_happens(ring->kernel, TSUGA_SIM_CQ_FULL);
}

bool tsuga_kernel_ring_post(struct tsuga_kernel_ring *ring, const struct tsuga_ring_result *result,
                            bool must)
{
    bool fits;

    if (ring->is_closed)
        return true;
    fits = has_room(ring);
    if (!fits && !must)
        return false;
    ring->told_count++;
    if ((result->flags & TSUGA_RING_MORE) == 0)
        ring->ended_count++;
    if (fits)
        publish(ring, result);
    else
        keep(ring, result);
    return true;
}

void tsuga_kernel_ring_tell(struct tsuga_kernel_ring *ring, uint64_t user_data)
{
    struct tsuga_ring_result result = {.user_data = user_data};

    ring->begun_count++; /* it ends with its only result */
    (void)tsuga_kernel_ring_post(ring, &result, true);
    if (ring->sleeper != NULL)
        tsuga_schedule_wake(ring->kernel->schedule, ring->sleeper);
}

static void flush_overflow(struct tsuga_kernel_ring *ring)
{
    struct overflow *overflow = &ring->overflow;

    while (overflow->count > 0 && result_count(ring) < ring->ring.cq_entries) {
        publish(ring, &overflow->results[overflow->first++]);
        overflow->count--;
    }
    if (overflow->count > 0)
        return;
    overflow->first = 0;
    clear_flag(ring, OVERFLOW_FLAG);
}

/* Deferred work. */

static void run_work(struct tsuga_kernel_ring *ring)
{
    struct tsuga_kernel_ring *outer = ring->kernel->running;
    struct tsuga_list_node *node;

    ring->kernel->running = ring;
    if (!tsuga_random_once_in(&ring->kernel->random, FLAG_STAYS_ONE))
        clear_flag(ring, WORK_FLAG);
    while ((node = tsuga_list_pop_front(&ring->work)) != NULL)
        tsuga_order_work(TSUGA_CONTAINER_OF(node, struct tsuga_order, work));
    ring->kernel->running = outer;
}

static void interrupt(struct tsuga_event *event)
{
    run_work(TSUGA_CONTAINER_OF(event, struct tsuga_kernel_ring, interrupt));
}

void tsuga_kernel_ring_defer(struct tsuga_kernel_ring *ring, struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = ring->kernel;

    tsuga_list_push_back(&ring->work, &order->work);
    set_flag(ring, WORK_FLAG);
    if (ring->sleeper != NULL)
        tsuga_schedule_wake(kernel->schedule, ring->sleeper);
    else if ((!ring->defers || ring->is_closed) && !tsuga_event_is_due(&ring->interrupt))
        tsuga_schedule_after(kernel->schedule, &ring->interrupt,
                             tsuga_random_below(&kernel->random, INTERRUPT_NS));
}

/* Submission. */

static void push(struct tsuga_ring *ring, const struct tsuga_ring_request *request)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    uint32_t at = (self->queue_first + ring->queue_count) & (ring->entries - 1);

    TSUGA_ASSERT(request->kind < TSUGA_RING_KIND_COUNT);
    self->queue[at] = tsuga_order_make(self, request);
    ring->room_count--;
    ring->queue_count++;
}

static struct tsuga_order *pop(struct tsuga_kernel_ring *ring)
{
    struct tsuga_order *order = ring->queue[ring->queue_first];

    ring->queue_first = (ring->queue_first + 1) & (ring->ring.entries - 1);
    ring->ring.queue_count--;
    ring->ring.room_count++;
    ring->begun_count++;
    ring->kernel->request_count++;
    tsuga_list_push_back(&ring->inflight, &order->inflight);
    return order;
}

/* One order, or a chain; the end of the submission is the end of the chain. */
static uint32_t begin_chain(struct tsuga_kernel_ring *ring, uint32_t count_max)
{
    struct tsuga_order *head = pop(ring);
    struct tsuga_order *last = head;
    uint32_t count = 1;

    while ((last->ask.options & TSUGA_RING_LINK) != 0 && count < count_max) {
        last->next = pop(ring);
        last = last->next;
        last->state = TSUGA_ORDER_LINKED;
        count++;
    }
    ring->was_cut = (last->ask.options & TSUGA_RING_LINK) != 0;
    tsuga_order_begin(head);
    return count;
}

/* How many requests an enter takes, and what it says when that is not all. */
static uint32_t limit_of(struct tsuga_kernel_ring *ring, int *error)
{
    struct tsuga_kernel *kernel = ring->kernel;
    uint32_t count = ring->ring.queue_count;

    *error = -EAGAIN;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_EAGAIN))
        return 0;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_EBUSY)) {
        *error = -EBUSY;
        return 0;
    }
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_PARTIAL))
        return (uint32_t)tsuga_random_below(&kernel->random, count);
    return count;
}

static int submit(struct tsuga_kernel_ring *ring)
{
    struct tsuga_kernel_ring *outer = ring->kernel->running;
    int error = 0;
    uint32_t left = ring->ring.queue_count > 0 ? limit_of(ring, &error) : 0;

    ring->kernel->running = ring;
    while (left > 0)
        left -= begin_chain(ring, left);
    ring->kernel->running = outer;
    return ring->ring.queue_count > 0 ? error : 0;
}

/* Waiting. */

static int wait_for(struct tsuga_kernel_ring *ring, uint32_t wait_count, uint64_t timeout_ns)
{
    struct tsuga_schedule *schedule = ring->kernel->schedule;
    uint64_t until_ns =
        timeout_ns > UINT64_MAX - schedule->now_ns ? UINT64_MAX : schedule->now_ns + timeout_ns;

    while (result_count(ring) < wait_count) {
        if (tsuga_kernel_happens(ring->kernel, TSUGA_SIM_EINTR))
            return -EINTR;
        if (schedule->now_ns >= until_ns)
            return -ETIME;
        ring->sleeper = schedule->current;
        (void)tsuga_schedule_block(schedule, ring, until_ns);
        ring->sleeper = NULL;
        run_work(ring);
        flush_overflow(ring);
    }
    return 0;
}

static int enter_kernel(struct tsuga_kernel_ring *ring, uint32_t wait_count, uint64_t timeout_ns)
{
    bool has_submitted = ring->ring.queue_count > 0;
    int error = submit(ring);

    run_work(ring);
    flush_overflow(ring);
    if (error != 0)
        return error;
    if (result_count(ring) >= wait_count)
        return 0;
    if (timeout_ns == 0)
        return -ETIME;
    error = wait_for(ring, wait_count, timeout_ns);
    /* The kernel does not tell how a wait ended when it had requests to submit. */
    return error != 0 && has_submitted ? -EINTR : error;
}

static int enter(struct tsuga_ring *ring, uint32_t wait_count, uint64_t timeout_ns)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    struct tsuga_schedule *schedule = self->kernel->schedule;
    int error;

    ring->enter_count++;
    if ((atomic_load_explicit(&self->flags, memory_order_relaxed) & OVERFLOW_FLAG) != 0)
        ring->overflow_count++;
    tsuga_schedule_trace(schedule, TSUGA_TRACE_ENTER, ring->queue_count, wait_count,
                         (int64_t)timeout_ns);
    tsuga_schedule_yield(schedule);
    error = enter_kernel(self, wait_count, timeout_ns);
    tsuga_schedule_trace(schedule, TSUGA_TRACE_LEAVE, error, ring->queue_count, result_count(self));
    return error;
}

static uint32_t reap(struct tsuga_ring *ring, struct tsuga_ring_result *results, uint32_t count_max)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    uint32_t head = atomic_load_explicit(&self->head, memory_order_relaxed);
    uint32_t count = result_count(self) < count_max ? result_count(self) : count_max;

    for (uint32_t i = 0; i < count; i++)
        results[i] = self->results[(head + i) & (ring->cq_entries - 1)];
    atomic_store_explicit(&self->head, head + count, memory_order_relaxed);
    self->reaped_count += count;
    return count;
}

static bool supports(const struct tsuga_ring *ring, enum tsuga_ring_kind kind)
{
    return (ring_of((struct tsuga_ring *)(uintptr_t)ring)->supported >> kind & 1) != 0;
}

static void sever(struct tsuga_ring *ring, uint64_t mark)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    bool is_cut = self->was_cut;

    self->was_cut = false;
    for (uint32_t i = 0; is_cut && i < ring->queue_count; i++) {
        struct tsuga_order *order = self->queue[(self->queue_first + i) & (ring->entries - 1)];

        is_cut = (order->ask.options & TSUGA_RING_LINK) != 0;
        tsuga_order_void(order, mark);
    }
}

/* Requests by name. */

struct tsuga_order *tsuga_kernel_ring_find(struct tsuga_kernel_ring *ring, uint64_t user_data)
{
    TSUGA_LIST_EACH (node, &ring->inflight) {
        struct tsuga_order *order = TSUGA_CONTAINER_OF(node, struct tsuga_order, inflight);

        if (order->ask.user_data == user_data && order->state != TSUGA_ORDER_LINKED)
            return order;
    }
    return NULL;
}

bool tsuga_kernel_ring_defers(const struct tsuga_kernel_ring *ring)
{
    return ring->defers;
}

bool tsuga_kernel_ring_is_closed(const struct tsuga_kernel_ring *ring)
{
    return ring->is_closed;
}

/* Groups. */

static struct group *find_group(struct tsuga_kernel_ring *ring, uint16_t id)
{
    TSUGA_LIST_EACH (node, &ring->groups) {
        struct group *group = TSUGA_CONTAINER_OF(node, struct group, link);

        if (group->id == id)
            return group;
    }
    return NULL;
}

static int add_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    struct group *made;

    if (tsuga_kernel_happens(self->kernel, TSUGA_SIM_MEMLOCK))
        return -ENOMEM;
    if (group->is_incremental || tsuga_kernel_happens(self->kernel, TSUGA_SIM_REGISTER))
        return -EINVAL;
    if (find_group(self, group->id) != NULL)
        return -EEXIST;
    group->tail = 0;
    made = tsuga_kernel_alloc(self->kernel, sizeof(*made));
    *made = (struct group){.id = group->id, .entries = group->entries};
    made->claims = tsuga_kernel_alloc(self->kernel, group->entries * sizeof(*made->claims));
    made->queue = tsuga_kernel_alloc(self->kernel, group->entries * sizeof(*made->queue));
    memset(made->claims, 0, group->entries * sizeof(*made->claims));
    tsuga_list_push_back(&self->groups, &made->link);
    return 0;
}

static void free_group(struct tsuga_kernel_ring *ring, struct group *group)
{
    struct tsuga_kernel *kernel = ring->kernel;

    for (uint32_t number = 0; number < group->entries; number++)
        tsuga_claim_give(&kernel->claims, &group->claims[number]);
    tsuga_list_remove(&group->link);
    tsuga_kernel_free(kernel, group->claims, group->entries * sizeof(*group->claims));
    tsuga_kernel_free(kernel, group->queue, group->entries * sizeof(*group->queue));
    tsuga_kernel_free(kernel, group, sizeof(*group));
}

static void remove_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    struct group *found = find_group(self, group->id);

    if (found == NULL)
        tsuga_kernel_fail(self->kernel, "a group is removed that does not exist");
    free_group(self, found);
}

static void offer(struct tsuga_ring *ring, struct tsuga_ring_group *group, void *buffer,
                  uint32_t bytes, uint16_t number)
{
    struct tsuga_kernel_ring *self = ring_of(ring);
    struct group *found = find_group(self, group->id);
    struct tsuga_claim *claim;

    group->tail++;
    if (found == NULL || number >= found->entries || found->claims[number].bytes != 0)
        tsuga_kernel_fail(self->kernel, "a buffer is offered twice, or to nobody");
    claim = &found->claims[number];
    *claim = (struct tsuga_claim){.base = buffer, .bytes = bytes, .kind = TSUGA_CLAIM_WRITE};
    tsuga_claim_take(&self->kernel->claims, claim);
    found->queue[(found->first + found->count++) & (found->entries - 1)] = number;
}

bool tsuga_kernel_ring_take_buffer(struct tsuga_order *order)
{
    struct group *group = find_group(order->ring, order->ask.group);

    if (group == NULL || group->count == 0 ||
        tsuga_kernel_happens(order->kernel, TSUGA_SIM_NO_BUFFERS))
        return false;
    order->buffer = group->queue[group->first];
    return true;
}

uint32_t tsuga_kernel_ring_buffer_bytes(const struct tsuga_order *order)
{
    const struct group *group = find_group(order->ring, order->ask.group);

    return (uint32_t)group->claims[order->buffer].bytes;
}

void tsuga_kernel_ring_use_buffer(struct tsuga_order *order, const char *bytes, size_t count)
{
    struct group *group = find_group(order->ring, order->ask.group);
    struct tsuga_claim *claim = &group->claims[order->buffer];

    group->first = (group->first + 1) & (group->entries - 1);
    group->count--;
    tsuga_claim_give(&order->kernel->claims, claim);
    if (count > 0)
        memcpy(claim->base, bytes, count);
}

/* Slots and places. */

struct tsuga_slots *tsuga_kernel_ring_slots(struct tsuga_kernel_ring *ring)
{
    return &ring->slots;
}

static int add_slots(struct tsuga_ring *ring, uint32_t count)
{
    return tsuga_slots_add(ring_of(ring), count);
}

static int fill_slots(struct tsuga_ring *ring, uint32_t first, const struct tsuga_ring_slot *slots,
                      uint32_t count)
{
    return tsuga_slots_fill(ring_of(ring), first, slots, count);
}

static int add_files(struct tsuga_ring *ring, uint32_t count)
{
    return ring_of(ring)->has_files ? tsuga_slots_add_files(ring_of(ring), count) : -EINVAL;
}

static int set_file(struct tsuga_ring *ring, uint32_t place, int fd)
{
    return tsuga_slots_set_file(ring_of(ring), place, fd);
}

/* Life. */

#define KIND(name) (UINT64_C(1) << TSUGA_RING_##name)

#define KINDS_FIXED                                                                                \
    (KIND(READ_FIXED) | KIND(WRITE_FIXED) | KIND(READV_FIXED) | KIND(WRITEV_FIXED) |               \
     KIND(SEND_ZC_FIXED))

/* The kinds that go with a feature which the configuration can turn off. */
static const struct {
    enum tsuga_feature feature;
    uint64_t kinds;
} optional[] = {
    {TSUGA_FEATURE_BIND_LISTEN, KIND(BIND) | KIND(LISTEN)},
    {TSUGA_FEATURE_MULTISHOT,
     KIND(ACCEPT_MULTI) | KIND(RECV_MULTI) | KIND(RECVMSG_MULTI) | KIND(READ_MULTI)},
    {TSUGA_FEATURE_READ_MULTISHOT, KIND(READ_MULTI)},
    {TSUGA_FEATURE_SEND_ZERO_COPY, KIND(SEND_ZC) | KIND(SEND_ZC_FIXED)},
    {TSUGA_FEATURE_FTRUNCATE, KIND(TRUNCATE)},
    {TSUGA_FEATURE_FUTEX, KIND(FUTEX_WAIT) | KIND(FUTEX_WAKE)},
    {TSUGA_FEATURE_WAITID, KIND(WAITID)},
    {TSUGA_FEATURE_REGISTERED_BUFFERS, KINDS_FIXED},
    {TSUGA_FEATURE_VECTORS_FIXED, KIND(READV_FIXED) | KIND(WRITEV_FIXED)},
};

static uint64_t supported_kinds(const struct tsuga_ring_config *config)
{
    uint64_t kinds = (UINT64_C(1) << TSUGA_RING_KIND_COUNT) - 1;

    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
        if (config->features[optional[i].feature] == TSUGA_OFF)
            kinds &= ~optional[i].kinds;
    }
    return kinds;
}

static const struct tsuga_ring_ops ops;

static void init_ring(struct tsuga_kernel_ring *ring, struct tsuga_kernel *kernel,
                      const struct tsuga_ring_config *config)
{
    uint32_t entries = config->entries;
    uint32_t cq_entries = config->cq_entries;

    while (entries > ENTRIES_FLOOR && tsuga_kernel_happens(kernel, TSUGA_SIM_RING)) {
        entries /= 2;
        cq_entries /= 2;
    }
    *ring = (struct tsuga_kernel_ring){
        .ring = {.ops = &ops,
                 .room_count = entries,
                 .entries = entries,
                 .cq_entries = cq_entries,
                 .news_head = &ring->head,
                 .news_tail = &ring->tail,
                 .news_flags = &ring->flags,
                 .news_mask = WORK_FLAG | OVERFLOW_FLAG},
        .kernel = kernel,
        .interrupt.happen = interrupt,
        .supported = supported_kinds(config),
        .defers = config->features[TSUGA_FEATURE_DEFER_TASKRUN] != TSUGA_OFF,
        .has_files = config->features[TSUGA_FEATURE_REGISTERED_FILES] != TSUGA_OFF,
    };
}

static size_t queue_bytes(const struct tsuga_kernel_ring *ring)
{
    return ring->ring.entries * sizeof(struct tsuga_order *);
}

static size_t results_bytes(const struct tsuga_kernel_ring *ring)
{
    return ring->ring.cq_entries * sizeof(struct tsuga_ring_result);
}

int tsuga_kernel_ring_create(void *context, const struct tsuga_ring_config *config,
                             struct tsuga_ring **out)
{
    struct tsuga_kernel *kernel = context;
    struct tsuga_kernel_ring *ring = tsuga_kernel_alloc(kernel, sizeof(*ring));

    init_ring(ring, kernel, config);
    ring->queue = tsuga_kernel_alloc(kernel, queue_bytes(ring));
    ring->results = tsuga_kernel_alloc(kernel, results_bytes(ring));
    tsuga_list_init(&ring->inflight);
    tsuga_list_init(&ring->work);
    tsuga_list_init(&ring->groups);
    tsuga_list_push_back(&kernel->rings, &ring->link);
    *out = &ring->ring;
    return 0;
}

/* What is still in flight goes on, as it does in the kernel: it writes where it may. */
static void destroy(struct tsuga_ring *ring)
{
    struct tsuga_kernel_ring *self = ring_of(ring);

    if (ring->queue_count > 0)
        tsuga_kernel_fail(self->kernel, "a ring is closed with requests in its queue");
    self->is_closed = true;
    tsuga_slots_fini(self);
    if (!tsuga_list_is_empty(&self->work))
        tsuga_schedule_after(self->kernel->schedule, &self->interrupt, 0);
}

/* Without what may be missing: groups that would be asked how far they are used are refused. */
static const struct tsuga_ring_ops ops = {
    .push = push,
    .enter = enter,
    .reap = reap,
    .supports = supports,
    .add_group = add_group,
    .remove_group = remove_group,
    .offer = offer,
    .sever = sever,
    .add_slots = add_slots,
    .fill_slots = fill_slots,
    .add_files = add_files,
    .set_file = set_file,
    .destroy = destroy,
};

static void free_ring(struct tsuga_kernel_ring *ring)
{
    struct tsuga_kernel *kernel = ring->kernel;

    while (!tsuga_list_is_empty(&ring->groups))
        free_group(ring, TSUGA_CONTAINER_OF(ring->groups.next, struct group, link));
    tsuga_agenda_remove(&kernel->schedule->agenda, &ring->interrupt);
    tsuga_list_remove(&ring->link);
    tsuga_kernel_free(kernel, ring->queue, queue_bytes(ring));
    tsuga_kernel_free(kernel, ring->results, results_bytes(ring));
    tsuga_kernel_free(kernel, ring->overflow.results,
                      ring->overflow.count_max * sizeof(*ring->overflow.results));
    tsuga_kernel_free(kernel, ring, sizeof(*ring));
}

void tsuga_kernel_rings_fini(struct tsuga_kernel *kernel)
{
    while (!tsuga_list_is_empty(&kernel->rings)) {
        struct tsuga_kernel_ring *ring =
            TSUGA_CONTAINER_OF(kernel->rings.next, struct tsuga_kernel_ring, link);

        if (!ring->is_closed)
            tsuga_kernel_fail(kernel, "a ring was never closed");
        while (!tsuga_list_is_empty(&ring->inflight))
            tsuga_order_drop(TSUGA_CONTAINER_OF(ring->inflight.next, struct tsuga_order, inflight));
        free_ring(ring);
    }
}

static void check(struct tsuga_kernel_ring *ring, void (*look)(const struct tsuga_order *order))
{
    uint64_t inflight_count = 0;

    if (ring->is_closed)
        return;
    TSUGA_LIST_EACH (node, &ring->inflight) {
        look(TSUGA_CONTAINER_OF(node, struct tsuga_order, inflight));
        inflight_count++;
    }
    if (ring->begun_count != ring->ended_count + inflight_count)
        tsuga_kernel_fail(ring->kernel, "a request has no end, or more than one");
    if (ring->told_count != ring->reaped_count + result_count(ring) + ring->overflow.count)
        tsuga_kernel_fail(ring->kernel, "a result is lost, or was taken twice");
}

void tsuga_kernel_rings_check(struct tsuga_kernel *kernel,
                              void (*look)(const struct tsuga_order *order))
{
    TSUGA_LIST_EACH (node, &kernel->rings) {
        check(TSUGA_CONTAINER_OF(node, struct tsuga_kernel_ring, link), look);
    }
}

static void print(const struct tsuga_kernel_ring *ring, FILE *stream)
{
    fprintf(stream, "ring: %u queued, %u results to be reaped, %u kept%s\n", ring->ring.queue_count,
            result_count(ring), ring->overflow.count, ring->is_closed ? ", closed" : "");
    TSUGA_LIST_EACH (node, &ring->inflight) {
        const struct tsuga_order *order = TSUGA_CONTAINER_OF(node, struct tsuga_order, inflight);

        fprintf(stream, "  request %" PRIu64 ": kind %u, descriptor %d, state %d, %u results\n",
                order->number, order->ask.kind, order->ask.fd, (int)order->state, order->results);
    }
}

void tsuga_kernel_rings_print(const struct tsuga_kernel *kernel, FILE *stream)
{
    TSUGA_LIST_EACH (node, &kernel->rings) {
        print(TSUGA_CONTAINER_OF(node, struct tsuga_kernel_ring, link), stream);
    }
}
