/* Requests from their submission to their last result. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/assert.h"
#include "runtime/sim/kernel.h"

#define TOUCH_ONE_IN  8u     /* so often the kernel writes into a buffer in between */
#define WORKER_NS     20000u /* until a worker goes on that has slept */
#define STAGING_FIRST 256u

static void trace(const struct tsuga_order *order, enum tsuga_trace_kind kind, int64_t b, int64_t c)
{
    tsuga_schedule_trace(order->kernel->schedule, kind, (int64_t)order->number, b, c);
}

/* Life. */

static void happen(struct tsuga_event *event);

static struct tsuga_order *take_spare(struct tsuga_kernel *kernel)
{
    struct tsuga_order *order = kernel->spare_orders;

    if (order != NULL) {
        kernel->spare_orders = order->spare;
        return order;
    }
    order = tsuga_kernel_alloc(kernel, sizeof(*order));
    memset(order, 0, sizeof(*order));
    return order;
}

struct tsuga_order *tsuga_order_make(struct tsuga_kernel_ring *ring,
                                     const struct tsuga_ring_request *request)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_order *order = take_spare(kernel);

    *order = (struct tsuga_order){
        .ask = *request,
        .kernel = kernel,
        .ring = ring,
        .number = ++kernel->order_number,
        .state = TSUGA_ORDER_QUEUED,
        .event.happen = happen,
        .staging = order->staging,
        .staging_bytes = order->staging_bytes,
        .claims = order->claims,
    };
    tsuga_list_init(&order->inflight);
    tsuga_list_init(&order->work);
    tsuga_list_init(&order->waiting);
    tsuga_claims_take(&kernel->claims, request, &order->claims);
    return order;
}

void tsuga_order_void(struct tsuga_order *order, uint64_t mark)
{
    tsuga_claims_give(&order->kernel->claims, &order->claims);
    order->ask = (struct tsuga_ring_request){
        .kind = TSUGA_RING_NOP, .fd = -1, .user_data = order->ask.user_data | mark};
}

static void let_go(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;

    tsuga_slots_drop(order);
    if (order->file != NULL)
        tsuga_file_release(order->file);
    if (order->file2 != NULL)
        tsuga_file_release(order->file2);
    tsuga_list_remove(&order->inflight);
    order->state = TSUGA_ORDER_FREE;
    order->spare = kernel->spare_orders;
    kernel->spare_orders = order;
}

void tsuga_order_drop(struct tsuga_order *order)
{
    tsuga_agenda_remove(&order->kernel->schedule->agenda, &order->event);
    tsuga_list_remove(&order->waiting);
    tsuga_list_remove(&order->work);
    tsuga_claims_give(&order->kernel->claims, &order->claims);
    let_go(order);
}

void tsuga_order_free_all(struct tsuga_kernel *kernel)
{
    struct tsuga_order *order;

    while ((order = kernel->spare_orders) != NULL) {
        kernel->spare_orders = order->spare;
        tsuga_kernel_free(kernel, order->staging, order->staging_bytes);
        tsuga_kernel_free(kernel, order->claims.claims,
                          order->claims.count_max * sizeof(*order->claims.claims));
        tsuga_kernel_free(kernel, order, sizeof(*order));
    }
}

char *tsuga_order_stage(struct tsuga_order *order, size_t bytes)
{
    size_t larger_bytes = STAGING_FIRST;
    char *larger;

    if (bytes <= order->staging_bytes)
        return order->staging;
    while (larger_bytes < bytes)
        larger_bytes *= 2;
    larger = tsuga_kernel_alloc(order->kernel, larger_bytes);
    if (order->staging_bytes > 0)
        memcpy(larger, order->staging, order->staging_bytes);
    tsuga_kernel_free(order->kernel, order->staging, order->staging_bytes);
    order->staging = larger;
    order->staging_bytes = larger_bytes;
    return larger;
}

/* Results. */

static bool post(struct tsuga_order *order, int32_t result, uint32_t flags, bool must)
{
    struct tsuga_ring_result told = {order->ask.user_data, result, flags};

    trace(order, TSUGA_TRACE_RESULT, result, flags);
    order->results++;
    return tsuga_kernel_ring_post(order->ring, &told, must);
}

bool tsuga_order_tell(struct tsuga_order *order, int32_t result, uint32_t flags)
{
    return post(order, result, flags | TSUGA_RING_MORE, false);
}

static void become_work(struct tsuga_order *order, enum tsuga_order_state state)
{
    order->state = state;
    tsuga_kernel_ring_defer(order->ring, order);
}

/* What is linked to an order that has failed ends, in order; what comes after one that has
 * succeeded starts. */
static void go_on_with(struct tsuga_order *next, bool has_succeeded)
{
    if (next == NULL)
        return;
    if (has_succeeded) {
        become_work(next, TSUGA_ORDER_STARTED);
        return;
    }
    while (next != NULL) {
        struct tsuga_order *after = next->next;

        next->next = NULL;
        next->result = -ECANCELED;
        become_work(next, TSUGA_ORDER_ENDED);
        next = after;
    }
}

/* The first of the two results of a zero-copy send: the buffer is read on. A failed one may have
 * two, or one. */
static bool is_first_of_two(struct tsuga_order *order, int32_t result, uint32_t flags)
{
    if (order->ask.kind != TSUGA_RING_SEND_ZC || (flags & TSUGA_RING_NOTIF) != 0)
        return false;
    return result >= 0 || order->lent_count > 0 || tsuga_random_once_in(&order->kernel->random, 2);
}

/* The notification is always deferred work. */
static void notify(struct tsuga_order *order)
{
    order->result = order->is_copied ? TSUGA_RING_COPIED : 0;
    order->flags = TSUGA_RING_NOTIF;
    become_work(order, TSUGA_ORDER_ENDED);
}

/* The last result is told, and everything that the order had is given back. */
static void conclude(struct tsuga_order *order, int32_t result, uint32_t flags)
{
    struct tsuga_order *next = order->next;
    bool has_succeeded =
        (order->ask.options & TSUGA_RING_HARD) != 0 || tsuga_kind_is_whole(order, result);

    if (is_first_of_two(order, result, flags)) {
        (void)post(order, result, TSUGA_RING_MORE, true);
        order->state = TSUGA_ORDER_LENT;
        if (order->file != NULL)
            tsuga_file_release(order->file); /* the notification does not keep the socket */
        order->file = NULL;
        if (order->lent_count == 0)
            notify(order);
        return;
    }
    tsuga_claims_give(&order->kernel->claims, &order->claims);
    if ((flags & TSUGA_RING_NOTIF) == 0)
        tsuga_kind_deliver(order, result);
    (void)post(order, result, flags, true);
    let_go(order);
    go_on_with(next, has_succeeded);
}

void tsuga_order_end(struct tsuga_order *order, int32_t result, uint32_t flags)
{
    if (tsuga_kernel_ring_is_running(order->ring)) {
        conclude(order, result, flags);
        return;
    }
    order->result = result;
    order->flags = flags;
    become_work(order, TSUGA_ORDER_ENDED);
}

void tsuga_order_give_back(struct tsuga_order *order)
{
    if (--order->lent_count == 0 && order->state == TSUGA_ORDER_LENT)
        notify(order);
}

/* Attempts. */

static bool is_patient(const struct tsuga_order *order)
{
    switch (order->ask.kind) {
    case TSUGA_RING_RECV:
    case TSUGA_RING_SEND:
    case TSUGA_RING_SEND_ZC:
    case TSUGA_RING_RECVMSG:
    case TSUGA_RING_SENDMSG:
    case TSUGA_RING_RECV_MULTI:
    case TSUGA_RING_RECVMSG_MULTI:
        return (order->ask.flags & MSG_DONTWAIT) == 0;
    default:
        return true;
    }
}

static void arm(struct tsuga_order *order)
{
    struct tsuga_file *file = order->waits_for != NULL ? order->waits_for : order->file;

    order->state = TSUGA_ORDER_ARMED;
    if (tsuga_random_once_in(&order->kernel->random, TOUCH_ONE_IN))
        tsuga_claims_touch(&order->kernel->claims, &order->claims);
    if (file != NULL)
        tsuga_list_push_back(&file->waiters, &order->waiting);
}

static int32_t cut_short(const struct tsuga_order *order)
{
    return order->moved > 0 ? (int32_t)order->moved : -ECANCELED;
}

static void attempt(struct tsuga_order *order)
{
    int64_t result;

    order->state = TSUGA_ORDER_BEGUN;
    if (order->is_cancelled) {
        tsuga_order_end(order, cut_short(order), 0);
        return;
    }
    result = tsuga_kind_attempt(order);
    if (order->state != TSUGA_ORDER_BEGUN)
        return;
    if (result != TSUGA_AGAIN)
        tsuga_order_end(order, (int32_t)result, 0);
    else if (is_patient(order))
        arm(order);
    else
        tsuga_order_end(order, order->moved > 0 ? (int32_t)order->moved : -EAGAIN, 0);
}

void tsuga_order_later(struct tsuga_order *order, uint64_t delay_ns)
{
    order->state = TSUGA_ORDER_DUE;
    tsuga_schedule_after(order->kernel->schedule, &order->event, delay_ns);
}

static void wait_a_moment(struct tsuga_order *order)
{
    tsuga_order_later(order, tsuga_random_below(&order->kernel->random, WORKER_NS));
}

/* A device, a worker or a timer is done. */
static void happen(struct tsuga_event *event)
{
    struct tsuga_order *order = TSUGA_CONTAINER_OF(event, struct tsuga_order, event);

    trace(order, TSUGA_TRACE_RETRY, order->ask.kind, order->state);
    if (order->state == TSUGA_ORDER_TIMED) {
        tsuga_order_end(order, -ETIME, 0);
    } else if (tsuga_random_once_in(&order->kernel->random, TOUCH_ONE_IN)) {
        tsuga_claims_touch(&order->kernel->claims, &order->claims);
        wait_a_moment(order);
    } else {
        attempt(order);
    }
}

/* What needs no memory but the request itself, which the ring had. */
static bool needs_memory(const struct tsuga_order *order)
{
    switch (order->ask.kind) {
    case TSUGA_RING_NOP:
    case TSUGA_RING_CLOSE:
    case TSUGA_RING_POLL:
    case TSUGA_RING_WATCH:
    case TSUGA_RING_TIMEOUT:
    case TSUGA_RING_CANCEL:
    case TSUGA_RING_UPDATE:
        return false;
    default:
        return true;
    }
}

/* Finds its file and its slot. Errors: why it cannot begin. */
static int prepare(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    int error = tsuga_slots_hold(order);

    if (needs_memory(order) && tsuga_kernel_happens(kernel, TSUGA_SIM_ENOMEM))
        return -ENOMEM;
    if (!tsuga_kind_needs_file(order))
        return error;
    order->file = (order->ask.options & TSUGA_RING_FILE) != 0
                      ? tsuga_slots_file(order->ring, order->ask.fd)
                      : tsuga_kernel_file(kernel, order->ask.fd);
    if (order->file == NULL)
        return -EBADF;
    tsuga_file_retain(order->file);
    return error;
}

void tsuga_order_begin(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    int error;

    trace(order, TSUGA_TRACE_BEGIN, order->ask.kind, order->ask.fd);
    order->state = TSUGA_ORDER_BEGUN;
    order->is_begun = true;
    error = prepare(order);
    if (error != 0) {
        tsuga_order_end(order, error, 0);
        return;
    }
    if (tsuga_kind_needs_worker(order)) {
        order->has_worker = true;
        tsuga_order_later(order, tsuga_kernel_delay_ns(kernel));
        return;
    }
    attempt(order);
}

void tsuga_order_work(struct tsuga_order *order)
{
    if (order->state == TSUGA_ORDER_ENDED) {
        conclude(order, order->result, order->flags);
    } else if (!order->is_begun) {
        tsuga_order_begin(order);
    } else {
        trace(order, TSUGA_TRACE_RETRY, order->ask.kind, order->state);
        attempt(order);
    }
}

void tsuga_order_again(struct tsuga_order *order)
{
    become_work(order, TSUGA_ORDER_STARTED);
}

void tsuga_order_hear(struct tsuga_order *order)
{
    TSUGA_ASSERT(order->state == TSUGA_ORDER_ARMED);
    tsuga_list_remove(&order->waiting);
    if (order->has_worker)
        wait_a_moment(order);
    else
        become_work(order, TSUGA_ORDER_STARTED);
}

/* Cancels. */

static int32_t end_now(struct tsuga_order *order)
{
    tsuga_agenda_remove(&order->kernel->schedule->agenda, &order->event);
    tsuga_list_remove(&order->waiting);
    order->result = cut_short(order);
    order->flags = 0;
    become_work(order, TSUGA_ORDER_ENDED);
    return 0;
}

/* A worker that waits is told, and its call ends soon. */
static int32_t tell_worker(struct tsuga_order *order)
{
    order->is_cancelled = true;
    tsuga_list_remove(&order->waiting);
    wait_a_moment(order);
    return -EALREADY;
}

/* It waits for a worker, or a worker or a device is at it: then it goes on to its own end. */
static int32_t cancel_due(struct tsuga_order *order)
{
    switch (tsuga_random_below(&order->kernel->random, 4)) {
    case 0:
        return end_now(order);
    case 1:
        order->is_cancelled = true;
        return -EALREADY;
    case 2:
        return -EALREADY;
    default:
        return -ENOENT;
    }
}

/* Polls and timeouts are always found; what workers take up is not, just then. */
static bool can_be_missed(const struct tsuga_order *order)
{
    switch (order->ask.kind) {
    case TSUGA_RING_POLL:
    case TSUGA_RING_WATCH:
    case TSUGA_RING_TIMEOUT:
    case TSUGA_RING_FUTEX_WAIT:
        return false;
    default:
        return true;
    }
}

static int32_t answer_cancel(struct tsuga_order *order)
{
    if (can_be_missed(order) && tsuga_kernel_happens(order->kernel, TSUGA_SIM_CANCEL))
        return -ENOENT;
    switch (order->state) {
    case TSUGA_ORDER_ARMED:
        return order->has_worker ? tell_worker(order) : end_now(order);
    case TSUGA_ORDER_TIMED:
        return end_now(order);
    case TSUGA_ORDER_DUE:
        return cancel_due(order);
    case TSUGA_ORDER_STARTED:
        if (!order->is_begun)
            return -ENOENT;
        order->is_cancelled = true;
        return -EALREADY;
    default:
        return -ENOENT;
    }
}

int32_t tsuga_order_cancel(struct tsuga_order *order)
{
    int32_t answer;

    if (tsuga_random_once_in(&order->kernel->random, 2) && order->state != TSUGA_ORDER_ENDED)
        tsuga_claims_touch(&order->kernel->claims, &order->claims);
    answer = answer_cancel(order);
    trace(order, TSUGA_TRACE_CANCEL, answer, order->state);
    return answer;
}
