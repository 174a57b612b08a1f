/* Room for requests: the three cases of submission, and the reserve for what may not wait. */
#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/turn.h"
#include "runtime/base/assert.h"

#define BACKLOG_FIRST 64u

/* Case 2: too few entries are free, so flush. False: the kernel took too little, which is case 3.
 */
static bool make_room(struct tsuga_executor *executor, uint32_t count)
{
    struct tsuga_ring *ring = executor->ring;

    if (ring->room_count >= count)
        return true;
    (void)tsuga_executor_enter(executor, 0, 0);
    return ring->room_count >= count;
}

static bool has_room(struct tsuga_executor *executor, uint32_t count)
{
    /* Cancels and closes have a reserve: more may be in flight than ops_max. */
    return (uint64_t)executor->ops_inflight + count <= executor->ops_max &&
           executor->backlog.count == 0 && make_room(executor, count);
}

/* Case 3: wait, and come back from the urgent queue. */
static int wait_for_room(struct tsuga_seat *seat, uint32_t count)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_wait wait = {.kind = TSUGA_WAIT_ROOM, .seat = seat, .room_count = count};

    tsuga_turn_prepare(&wait);
    tsuga_list_push_back(&executor->room_waiters, &wait.link);
    tsuga_count(&executor->counters.ops_suspended, 1);
    return tsuga_turn_block(seat, &wait);
}

/* Apart, so that case 1 does not pay for its frame. */
__attribute__((noinline)) static int make_or_await_room(struct tsuga_seat *seat, uint32_t count,
                                                        uint32_t options)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    while (!has_room(executor, count)) {
        int error;

        if ((options & TSUGA_OP_NOWAIT) != 0)
            return -EAGAIN;
        if (tsuga_turn_is_refused(seat))
            return -ECANCELED;
        error = wait_for_room(seat, count);
        if (error != 0)
            return error;
    }
    return 0;
}

int tsuga_executor_admit(struct tsuga_seat *seat, uint32_t count, uint32_t options)
{
    const struct tsuga_executor *executor = tsuga_seat_home(seat);

    /* Case 1, in few instructions. */
    if ((uint64_t)executor->ops_inflight + count <= executor->ops_max &&
        executor->backlog.count == 0 && executor->ring->room_count >= count)
        return 0;
    return make_or_await_room(seat, count, options);
}

/* As many waiters as there is room for, in the order in which they came. One that wants more than
 * there is keeps the others waiting: called in vain, it would come back urgent for ever. */
void tsuga_executor_offer_room(struct tsuga_executor *executor)
{
    uint32_t offered_count = 0;

    while (!tsuga_list_is_empty(&executor->room_waiters)) {
        struct tsuga_wait *wait =
            TSUGA_CONTAINER_OF(executor->room_waiters.next, struct tsuga_wait, link);

        offered_count += wait->room_count;
        if (!has_room(executor, offered_count))
            return;
        tsuga_list_remove(&wait->link);
        wait->is_over = true;
        if (tsuga_mailbox_rouse(&wait->seat->actor.mailbox))
            tsuga_executor_enqueue_urgent(executor, wait->seat);
    }
}

static int grow_backlog(struct tsuga_executor *executor)
{
    struct tsuga_backlog *backlog = &executor->backlog;
    uint32_t count_max = backlog->count_max == 0 ? BACKLOG_FIRST : backlog->count_max * 2;
    struct tsuga_ring_request *larger =
        tsuga_memory_alloc(executor->shared->memory, count_max * sizeof(*larger));

    if (larger == NULL)
        return -ENOMEM;
    if (backlog->count > 0)
        memcpy(larger, backlog->requests + backlog->first, backlog->count * sizeof(*larger));
    tsuga_memory_free(executor->shared->memory, backlog->requests,
                      backlog->count_max * sizeof(*larger));
    backlog->requests = larger;
    backlog->count_max = count_max;
    backlog->first = 0;
    return 0;
}

void tsuga_executor_flush_backlog(struct tsuga_executor *executor)
{
    struct tsuga_backlog *backlog = &executor->backlog;

    while (backlog->count > 0 && make_room(executor, 1)) {
        tsuga_ring_push(executor->ring, &backlog->requests[backlog->first]);
        backlog->first++;
        backlog->count--;
    }
    if (backlog->count == 0)
        backlog->first = 0;
}

void tsuga_executor_close(struct tsuga_executor *executor, int fd)
{
    tsuga_executor_close_orphaned(executor, NULL, fd);
}

void tsuga_executor_close_orphaned(struct tsuga_executor *executor, struct tsuga_io *io, int fd)
{
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_CLOSE, .fd = fd, .user_data = (uintptr_t)io | TSUGA_RESULT_CLOSE};

    executor->own_inflight++;
    tsuga_shared_enter(executor->shared);
    tsuga_executor_request(executor, &request);
}

void tsuga_executor_close_owned(struct tsuga_executor *executor, struct tsuga_io *io, int fd)
{
    struct tsuga_descriptors *descriptors = &executor->shared->descriptors;

    if (tsuga_descriptors_owned(descriptors, io, fd) == NULL)
        return;
    tsuga_descriptors_disown(descriptors, io, fd);
    tsuga_executor_close(executor, fd);
}

void tsuga_executor_insist(struct tsuga_executor *executor,
                           const struct tsuga_ring_request *request)
{
    struct tsuga_backlog *backlog = &executor->backlog;

    tsuga_executor_flush_backlog(executor);
    if (backlog->count == 0 && make_room(executor, 1)) {
        tsuga_ring_push(executor->ring, request);
        return;
    }
    /* Without memory to remember it nothing is left but to insist: it may not be lost. */
    while (backlog->first + backlog->count == backlog->count_max && grow_backlog(executor) != 0) {
        tsuga_executor_flush_backlog(executor);
        if (backlog->count == 0 && make_room(executor, 1)) {
            tsuga_ring_push(executor->ring, request);
            return;
        }
    }
    backlog->requests[backlog->first + backlog->count++] = *request;
}
