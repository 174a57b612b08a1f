#include "tests/support/ring_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#define SCRIPT_MAX         32u
#define RANDOM_REFUSALS    3u
#define RANDOM_HOLD_ENTERS 4u
#define IN_CHAIN           (TSUGA_RING_LINK | TSUGA_RING_HARD)

/* A request whose outcome is decided; `waiting` counts the ones of its kind that come before. */
struct substitution {
    enum tsuga_ring_kind kind;
    uint32_t waiting;
    int32_t result;
};

/* A request that went to the kernel as a NOP. */
struct answer {
    uint64_t user_data;
    int32_t result;
};

struct hold {
    uint64_t user_data;
    uint32_t enter_count;
    bool is_of_end; /* of the last result only */
};

struct held {
    struct tsuga_ring_result result;
    uint32_t enter_count; /* until it may become visible */
};

struct tsuga_ring_fault {
    struct tsuga_ring ring;
    struct tsuga_ring *inner;
    struct tsuga_ring_fault_plan *plan;
    uint64_t random;

    /* Pushed and not yet passed on: a circle of ring.entries. */
    struct tsuga_ring_request *queue;
    uint32_t queue_first;
    uint32_t queue_count;

    /* Results that are withheld, in the order of their arrival. */
    struct held *held;
    uint32_t held_count;
    uint32_t held_room;

    /* Results to be reaped: a circle whose size is a power of two. */
    struct tsuga_ring_result *visible;
    uint32_t visible_size;
    _Atomic uint32_t head;
    _Atomic uint32_t tail;

    /* The script. */
    int refuse_error;
    uint32_t refuse_count;
    uint32_t refused_in_a_row;
    uint32_t limit; /* UINT32_MAX: none */
    struct hold holds[SCRIPT_MAX];
    uint32_t hold_count;
    struct substitution substitutions[SCRIPT_MAX];
    uint32_t substitution_count;
    struct answer answers[SCRIPT_MAX];
    uint32_t answer_count;
    bool is_breaking; /* the next request is linked to one that is to fail */
    uint64_t lost;    /* user_data, or 0 */
    bool is_lost;     /* its last result has come */

    struct tsuga_ring_fault_counts counts;
    struct tsuga_ring_request *requests;
    uint64_t request_count;
    uint64_t request_room;
};

enum tsuga_ring_kind tsuga_ring_fault_kind(const struct tsuga_ring_request *request)
{
    switch ((enum tsuga_ring_kind)request->kind) {
    case TSUGA_RING_READ_FIXED:
        return TSUGA_RING_READ;
    case TSUGA_RING_WRITE_FIXED:
        return TSUGA_RING_WRITE;
    case TSUGA_RING_READV_FIXED:
        return TSUGA_RING_READV;
    case TSUGA_RING_WRITEV_FIXED:
        return TSUGA_RING_WRITEV;
    case TSUGA_RING_SEND_ZC_FIXED:
        return TSUGA_RING_SEND_ZC;
    default:
        return (enum tsuga_ring_kind)request->kind;
    }
}

static void *grow(void *array, size_t count, size_t element_bytes)
{
    void *larger = realloc(array, count * element_bytes);

    CHECK(larger != NULL);
    return larger;
}

static void call_hook(struct tsuga_ring_fault *fault, enum tsuga_ring_fault_call call,
                      const struct tsuga_ring_request *request)
{
    if (fault->plan->hook != NULL)
        fault->plan->hook(fault->plan->hook_context, fault, call, request);
}

/* True in so many of a thousand calls. */
static bool happens(struct tsuga_ring_fault *fault, uint32_t per_mille)
{
    return per_mille != 0 && tsuga_test_random(&fault->random) % 1000 < per_mille;
}

static void update_room(struct tsuga_ring_fault *fault)
{
    fault->ring.queue_count = fault->queue_count + fault->inner->queue_count;
    fault->ring.room_count = fault->ring.entries - fault->ring.queue_count;
    fault->ring.overflow_count = fault->inner->overflow_count;
}

static void record(struct tsuga_ring_fault *fault, const struct tsuga_ring_request *request)
{
    fault->counts.pushed[tsuga_ring_fault_kind(request)]++;
    if (!fault->plan->is_recording)
        return;
    if (fault->request_count == fault->request_room) {
        fault->request_room = fault->request_room * 2 + 64;
        fault->requests = grow(fault->requests, fault->request_room, sizeof(*request));
    }
    fault->requests[fault->request_count++] = *request;
}

static void apply_substitution(struct tsuga_ring_fault *fault, struct tsuga_ring_request *request,
                               int32_t result)
{
    fault->counts.substituted++;
    if (result >= 0) {
        request->length = request->length < (uint32_t)result ? request->length : (uint32_t)result;
        return;
    }
    CHECK(fault->answer_count < SCRIPT_MAX);
    fault->answers[fault->answer_count++] = (struct answer){request->user_data, result};
    *request = (struct tsuga_ring_request){.kind = TSUGA_RING_NOP,
                                           .fd = -1,
                                           .user_data = request->user_data,
                                           .options = request->options & IN_CHAIN};
}

/* What was decided for a request decides for those linked to it: they never begin. */
static void break_chain(struct tsuga_ring_fault *fault, struct tsuga_ring_request *request)
{
    fault->is_breaking = (request->options & TSUGA_RING_LINK) != 0;
    apply_substitution(fault, request, -ECANCELED);
}

static void substitute(struct tsuga_ring_fault *fault, struct tsuga_ring_request *request)
{
    enum tsuga_ring_kind kind = tsuga_ring_fault_kind(request);
    int32_t result = 0;
    uint32_t kept = 0;
    bool is_due = false;

    if (fault->is_breaking) {
        break_chain(fault, request);
        return;
    }
    for (uint32_t i = 0; i < fault->substitution_count; i++) {
        struct substitution *one = &fault->substitutions[i];

        if (one->kind == kind && one->waiting == 0) {
            result = one->result;
            is_due = true;
            continue;
        }
        one->waiting -= one->kind == kind;
        fault->substitutions[kept++] = *one;
    }
    fault->substitution_count = kept;
    if (!is_due)
        return;
    fault->is_breaking = (request->options & IN_CHAIN) == TSUGA_RING_LINK &&
                         (result < 0 || (uint32_t)result < request->length);
    apply_substitution(fault, request, result);
}

static void push(struct tsuga_ring *ring, const struct tsuga_ring_request *request)
{
    struct tsuga_ring_fault *fault = tsuga_ring_fault_of(ring);
    uint32_t last = (fault->queue_first + fault->queue_count) % ring->entries;

    call_hook(fault, TSUGA_RING_FAULT_PUSH, request);
    CHECK(ring->room_count > 0);
    record(fault, request);
    fault->queue[last] = *request;
    substitute(fault, &fault->queue[last]);
    fault->queue_count++;
    update_room(fault);
}

static uint32_t visible_count(const struct tsuga_ring_fault *fault)
{
    return atomic_load_explicit(&fault->tail, memory_order_relaxed) -
           atomic_load_explicit(&fault->head, memory_order_relaxed);
}

static void grow_visible(struct tsuga_ring_fault *fault)
{
    uint32_t head = atomic_load_explicit(&fault->head, memory_order_relaxed);
    uint32_t count = visible_count(fault);
    uint32_t size = fault->visible_size * 2;
    struct tsuga_ring_result *larger = grow(NULL, size, sizeof(*larger));

    for (uint32_t i = 0; i < count; i++)
        larger[(head + i) & (size - 1)] = fault->visible[(head + i) & (fault->visible_size - 1)];
    free(fault->visible);
    fault->visible = larger;
    fault->visible_size = size;
}

static void show(struct tsuga_ring_fault *fault, const struct tsuga_ring_result *result)
{
    uint32_t tail = atomic_load_explicit(&fault->tail, memory_order_relaxed);

    if (visible_count(fault) == fault->visible_size)
        grow_visible(fault);
    fault->visible[tail & (fault->visible_size - 1)] = *result;
    fault->counts.results++;
    fault->counts.finals += (result->flags & TSUGA_RING_MORE) == 0;
    /* Pairs with the acquire load of tsuga_ring_has_results(). */
    atomic_store_explicit(&fault->tail, tail + 1, memory_order_release);
}

/* For how many enters a result that has just arrived is withheld by itself. */
static uint32_t hold_of(struct tsuga_ring_fault *fault, const struct tsuga_ring_result *result)
{
    bool is_end = (result->flags & TSUGA_RING_MORE) == 0;

    for (uint32_t i = 0; i < fault->hold_count; i++) {
        uint32_t enter_count = fault->holds[i].enter_count;

        if (fault->holds[i].user_data != result->user_data ||
            (fault->holds[i].is_of_end && !is_end))
            continue;
        fault->holds[i] = fault->holds[--fault->hold_count];
        return enter_count;
    }
    if (!happens(fault, fault->plan->hold_per_mille))
        return 0;
    return 1 + (uint32_t)(tsuga_test_random(&fault->random) % RANDOM_HOLD_ENTERS);
}

/* For how many enters an earlier result of the same request will still be withheld. */
static uint32_t longest_held(const struct tsuga_ring_fault *fault, uint64_t user_data)
{
    uint32_t longest = 0;

    for (uint32_t i = 0; i < fault->held_count; i++)
        if (fault->held[i].result.user_data == user_data && fault->held[i].enter_count > longest)
            longest = fault->held[i].enter_count;
    return longest;
}

static void take(struct tsuga_ring_fault *fault, const struct tsuga_ring_result *result)
{
    uint32_t enter_count = hold_of(fault, result);
    uint32_t longest = longest_held(fault, result->user_data);

    if (enter_count < longest)
        enter_count = longest;
    if (enter_count == 0) {
        show(fault, result);
        return;
    }
    if (fault->held_count == fault->held_room) {
        fault->held_room = fault->held_room * 2 + 16;
        fault->held = grow(fault->held, fault->held_room, sizeof(*fault->held));
    }
    fault->held[fault->held_count++] = (struct held){*result, enter_count};
    fault->counts.held++;
}

static void answer(struct tsuga_ring_fault *fault, struct tsuga_ring_result *result)
{
    for (uint32_t i = 0; i < fault->answer_count; i++) {
        if (fault->answers[i].user_data != result->user_data)
            continue;
        result->result = fault->answers[i].result;
        fault->answers[i] = fault->answers[--fault->answer_count];
        return;
    }
}

/* Whether a result is one that the test wants to be lost. */
static bool lose(struct tsuga_ring_fault *fault, const struct tsuga_ring_result *result)
{
    if (fault->lost == 0 || result->user_data != fault->lost ||
        (result->flags & TSUGA_RING_MORE) != 0)
        return false;
    fault->is_lost = true;
    return true;
}

/* A cancel finds what was lost. */
static void find_lost(struct tsuga_ring_fault *fault, const struct tsuga_ring_request *request)
{
    struct tsuga_ring_result result = {.user_data = fault->lost, .result = -ECANCELED};

    if (!fault->is_lost || request->kind != TSUGA_RING_CANCEL || request->offset != fault->lost)
        return;
    fault->is_lost = false;
    fault->lost = 0;
    take(fault, &result);
}

/* Passes queued requests on, oldest first. */
static void forward(struct tsuga_ring_fault *fault, uint32_t count_max)
{
    for (uint32_t i = 0; i < count_max && fault->queue_count > 0; i++) {
        if (fault->inner->room_count == 0)
            return;
        tsuga_ring_push(fault->inner, &fault->queue[fault->queue_first]);
        find_lost(fault, &fault->queue[fault->queue_first]);
        fault->queue_first = (fault->queue_first + 1) % fault->ring.entries;
        fault->queue_count--;
    }
}

/* Takes over all that the inner ring has. */
static void collect(struct tsuga_ring_fault *fault)
{
    struct tsuga_ring_result result;

    while (tsuga_ring_reap(fault->inner, &result, 1) == 1) {
        answer(fault, &result);
        if (!lose(fault, &result))
            take(fault, &result);
    }
}

/* An enter has passed for what is withheld. */
static void age_held(struct tsuga_ring_fault *fault)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < fault->held_count; i++) {
        struct held *held = &fault->held[i];

        if (--held->enter_count == 0)
            show(fault, &held->result);
        else
            fault->held[kept++] = *held;
    }
    fault->held_count = kept;
}

static uint32_t reap(struct tsuga_ring *ring, struct tsuga_ring_result *results, uint32_t count_max)
{
    struct tsuga_ring_fault *fault = tsuga_ring_fault_of(ring);
    uint32_t head = atomic_load_explicit(&fault->head, memory_order_relaxed);
    uint32_t count;

    call_hook(fault, TSUGA_RING_FAULT_REAP, NULL);
    collect(fault); /* without deferred task work results come without an enter */
    count = visible_count(fault);
    if (count > count_max)
        count = count_max;
    for (uint32_t i = 0; i < count; i++)
        results[i] = fault->visible[(head + i) & (fault->visible_size - 1)];
    atomic_store_explicit(&fault->head, head + count, memory_order_relaxed);
    return count;
}

/* The error of this enter, 0 when it is not refused. */
static int refusal(struct tsuga_ring_fault *fault)
{
    static const int errors[] = {-EBUSY, -EAGAIN, -EINTR};

    if (fault->refuse_count > 0) {
        fault->refuse_count--;
        return fault->refuse_error;
    }
    if (fault->refused_in_a_row >= RANDOM_REFUSALS ||
        !happens(fault, fault->plan->refuse_per_mille)) {
        fault->refused_in_a_row = 0;
        return 0;
    }
    fault->refused_in_a_row++;
    return errors[tsuga_test_random(&fault->random) % 3];
}

/* How many requests this enter may submit. */
static uint32_t limit(struct tsuga_ring_fault *fault)
{
    uint32_t scripted = fault->limit;

    fault->limit = UINT32_MAX;
    if (scripted != UINT32_MAX || fault->queue_count == 0 ||
        !happens(fault, fault->plan->partial_per_mille))
        return scripted;
    return (uint32_t)(tsuga_test_random(&fault->random) % fault->queue_count);
}

/* Enters the inner ring without waiting. */
static int pass(struct tsuga_ring_fault *fault)
{
    int error = tsuga_ring_enter(fault->inner, 0, 0);

    collect(fault);
    update_room(fault);
    return error;
}

static int refuse(struct tsuga_ring_fault *fault, int error)
{
    fault->counts.refused++;
    if (error == -EINTR)
        forward(fault, UINT32_MAX);
    (void)pass(fault);
    return error;
}

static int enter(struct tsuga_ring *ring, uint32_t wait_count, uint64_t timeout_ns)
{
    struct tsuga_ring_fault *fault = tsuga_ring_fault_of(ring);
    int error;

    call_hook(fault, TSUGA_RING_FAULT_ENTER, NULL);
    ring->enter_count++;
    age_held(fault);
    error = refusal(fault);
    if (error != 0)
        return refuse(fault, error);
    forward(fault, limit(fault));
    if (fault->queue_count > 0) {
        fault->counts.cut_short++;
        (void)pass(fault);
        return -EAGAIN;
    }
    if (fault->held_count > 0 || visible_count(fault) >= wait_count) {
        error = pass(fault);
        if (error == 0 && visible_count(fault) < wait_count)
            error = -EINTR;
        return error;
    }
    error = tsuga_ring_enter(fault->inner, wait_count - visible_count(fault), timeout_ns);
    collect(fault);
    update_room(fault);
    /* What satisfied the wait may have been withheld. */
    return error == 0 && visible_count(fault) < wait_count ? -EINTR : error;
}

static bool supports(const struct tsuga_ring *ring, enum tsuga_ring_kind kind)
{
    const struct tsuga_ring_fault *fault = (const struct tsuga_ring_fault *)ring;

    return (fault->plan->unsupported_kinds >> kind & 1) == 0 &&
           fault->inner->ops->supports(fault->inner, kind);
}

static int add_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct tsuga_ring_fault *fault = tsuga_ring_fault_of(ring);
    int error = atomic_load_explicit(&fault->plan->group_error, memory_order_relaxed);

    return error != 0 ? error : fault->inner->ops->add_group(fault->inner, group);
}

static void remove_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    inner->ops->remove_group(inner, group);
}

static void offer(struct tsuga_ring *ring, struct tsuga_ring_group *group, void *buffer,
                  uint32_t bytes, uint16_t number)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    inner->ops->offer(inner, group, buffer, bytes, number);
}

static uint16_t used(struct tsuga_ring *ring, const struct tsuga_ring_group *group)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    return inner->ops->used(inner, group);
}

static int add_slots(struct tsuga_ring *ring, uint32_t count)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    return inner->ops->add_slots == NULL ? -EINVAL : inner->ops->add_slots(inner, count);
}

static int fill_slots(struct tsuga_ring *ring, uint32_t first, const struct tsuga_ring_slot *slots,
                      uint32_t count)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    return inner->ops->fill_slots(inner, first, slots, count);
}

static int add_files(struct tsuga_ring *ring, uint32_t count)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    return inner->ops->add_files == NULL ? -EINVAL : inner->ops->add_files(inner, count);
}

static int set_file(struct tsuga_ring *ring, uint32_t place, int fd)
{
    struct tsuga_ring *inner = tsuga_ring_fault_of(ring)->inner;

    return inner->ops->set_file(inner, place, fd);
}

/* As the kernel would see it: of a chain that is passed on in part the rest is on its own. */
static void sever(struct tsuga_ring *ring, uint64_t mark)
{
    struct tsuga_ring_fault *fault = tsuga_ring_fault_of(ring);
    uint32_t at = (fault->queue_first + ring->entries - 1) % ring->entries;
    bool is_cut = fault->queue_count < ring->entries && fault->queue[at].options & TSUGA_RING_LINK;

    for (uint32_t i = 0; is_cut && i < fault->queue_count; i++) {
        struct tsuga_ring_request *request =
            &fault->queue[(fault->queue_first + i) % ring->entries];

        is_cut = (request->options & TSUGA_RING_LINK) != 0;
        *request = (struct tsuga_ring_request){
            .kind = TSUGA_RING_NOP, .fd = -1, .user_data = request->user_data | mark};
        fault->counts.severed++;
    }
}

static void destroy(struct tsuga_ring *ring)
{
    struct tsuga_ring_fault *fault = tsuga_ring_fault_of(ring);

    fault->inner->ops->destroy(fault->inner);
    fault->inner = NULL;
    free(fault->queue);
    free(fault->held);
    free(fault->visible);
}

int tsuga_ring_fault_create(void *context, const struct tsuga_ring_config *config,
                            struct tsuga_ring **out)
{
    static const struct tsuga_ring_ops ops = {
        .push = push,
        .enter = enter,
        .reap = reap,
        .supports = supports,
        .add_group = add_group,
        .remove_group = remove_group,
        .offer = offer,
        .used = used,
        .sever = sever,
        .add_slots = add_slots,
        .fill_slots = fill_slots,
        .add_files = add_files,
        .set_file = set_file,
        .destroy = destroy,
    };
    struct tsuga_ring_fault_plan *plan = context;
    uint32_t index;
    struct tsuga_ring_fault *fault;
    struct tsuga_ring *inner;
    int error = plan->create(plan->create_context, config, &inner);

    if (error != 0)
        return error;
    /* Relaxed: only the number matters, the test reads the rings when it knows that they exist. */
    index = atomic_fetch_add_explicit(&plan->ring_count, 1, memory_order_relaxed);
    CHECK(index < TSUGA_RING_FAULT_RINGS_MAX);
    fault = calloc(1, sizeof(*fault));
    CHECK(fault != NULL);
    fault->inner = inner;
    fault->plan = plan;
    fault->random = plan->seed + index;
    fault->limit = UINT32_MAX;
    /* Cleared: the entry before the first request tells of no chain. */
    fault->queue = calloc(inner->entries, sizeof(*fault->queue));
    CHECK(fault->queue != NULL);
    fault->visible_size = inner->cq_entries;
    fault->visible = grow(NULL, fault->visible_size, sizeof(*fault->visible));
    fault->ring = *inner;
    fault->ring.ops = &ops;
    fault->ring.news_head = &fault->head;
    fault->ring.news_tail = &fault->tail;
    atomic_store_explicit(&plan->rings[index], fault, memory_order_relaxed);
    *out = &fault->ring;
    return 0;
}

void tsuga_ring_fault_plan_fini(struct tsuga_ring_fault_plan *plan)
{
    for (uint32_t i = 0; i < atomic_load_explicit(&plan->ring_count, memory_order_relaxed); i++) {
        struct tsuga_ring_fault *fault =
            atomic_load_explicit(&plan->rings[i], memory_order_relaxed);

        CHECK(fault->inner == NULL);
        free(fault->requests);
        free(fault);
    }
}

struct tsuga_ring_fault *tsuga_ring_fault_of(struct tsuga_ring *ring)
{
    return (struct tsuga_ring_fault *)ring;
}

void tsuga_ring_fault_refuse(struct tsuga_ring_fault *fault, int error, uint32_t count)
{
    fault->refuse_error = error;
    fault->refuse_count = count;
}

void tsuga_ring_fault_limit(struct tsuga_ring_fault *fault, uint32_t count)
{
    fault->limit = count;
}

void tsuga_ring_fault_hold(struct tsuga_ring_fault *fault, uint64_t user_data, uint32_t enter_count)
{
    CHECK(fault->hold_count < SCRIPT_MAX);
    fault->holds[fault->hold_count++] = (struct hold){user_data, enter_count, false};
}

void tsuga_ring_fault_hold_end(struct tsuga_ring_fault *fault, uint64_t user_data,
                               uint32_t enter_count)
{
    CHECK(fault->hold_count < SCRIPT_MAX);
    fault->holds[fault->hold_count++] = (struct hold){user_data, enter_count, true};
}

bool tsuga_ring_fault_shows_end(const struct tsuga_ring_fault *fault, uint64_t user_data)
{
    uint32_t head = atomic_load_explicit(&fault->head, memory_order_relaxed);

    for (uint32_t i = 0; i < visible_count(fault); i++) {
        const struct tsuga_ring_result *result =
            &fault->visible[(head + i) & (fault->visible_size - 1)];

        if (result->user_data == user_data && (result->flags & TSUGA_RING_MORE) == 0)
            return true;
    }
    return false;
}

void tsuga_ring_fault_lose(struct tsuga_ring_fault *fault, uint64_t user_data)
{
    fault->lost = user_data;
    fault->is_lost = false;
}

void tsuga_ring_fault_substitute(struct tsuga_ring_fault *fault, enum tsuga_ring_kind kind,
                                 uint32_t nth, int32_t result)
{
    CHECK(nth > 0);
    CHECK(fault->substitution_count < SCRIPT_MAX);
    fault->substitutions[fault->substitution_count++] =
        (struct substitution){kind, nth - 1, result};
}

const struct tsuga_ring_fault_counts *tsuga_ring_fault_counts(const struct tsuga_ring_fault *fault)
{
    return &fault->counts;
}

const struct tsuga_ring_request *tsuga_ring_fault_requests(const struct tsuga_ring_fault *fault,
                                                           uint64_t *count)
{
    *count = fault->request_count;
    return fault->requests;
}
