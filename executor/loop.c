/* The loop: ticks, sleep, wake-ups, stealing. */
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "executor/chain.h"
#include "executor/executor.h"
#include "executor/hangups.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "executor/turn.h"
#include "executor/zero_copy.h"
#include "runtime/base/sanitize.h"

/* How often free memory is looked for, or more often. */
#define TRIM_PERIOD_NS TSUGA_NS_PER_S
#define TRIM_STACKS    64u
#define TRIM_TURNS     (TSUGA_TICK_TURNS / 2)
/* How soon it goes on when there is more to give back than one look does. */
#define TRIM_AGAIN_NS (10 * TSUGA_NS_PER_MS)

/* A tick is due when deferred work of the kernel has been seen for this part of a slice. */
#define DEFERRED_SHARE 2u

/* How soon requests that the kernel did not take are offered to it again. */
#define RETRY_NS TSUGA_NS_PER_MS

static struct tsuga_seat *seat_of_node(struct tsuga_runqueue_node *node)
{
    return node == NULL ? NULL : TSUGA_CONTAINER_OF(node, struct tsuga_seat, node);
}

static struct tsuga_seat *seat_of_task(struct tsuga_task *task)
{
    return TSUGA_CONTAINER_OF(task, struct tsuga_seat, task);
}

/* An actor that moves takes neither a stack nor a heap nor an armed timer along. */
static bool may_move(struct tsuga_executor *executor, const struct tsuga_seat *seat)
{
    return !seat->actor.is_pinned && seat->wait == NULL &&
           !tsuga_mailbox_has_settled(&seat->actor.mailbox) &&
           seat->actor.seen_stop == TSUGA_STOP_NONE &&
           (atomic_load_explicit(&seat->actor.timers, memory_order_relaxed) == 0 ||
            !tsuga_timed_has_any(executor, seat));
}

/* One that sleeps may come and help: asked only when there is more to do than the next turn. */
static void call_for_help(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;

    if (atomic_load_explicit(&shared->sleeper_count, memory_order_relaxed) == 0)
        return;
    for (uint32_t i = 1; i < shared->executor_count; i++) {
        struct tsuga_executor *other =
            &shared->executors[(executor->index + i) % shared->executor_count];

        if (!atomic_load_explicit(&other->is_sleeping, memory_order_relaxed))
            continue;
        tsuga_executor_wake(other);
        return;
    }
}

/* Where others may take it; false when it may not move. Apart, so that who stays does not pay for
 * its frame. */
__attribute__((noinline)) static bool offer(struct tsuga_executor *executor,
                                            struct tsuga_seat *seat)
{
    if (!may_move(executor, seat))
        return false;
    tsuga_runqueue_push(&executor->queue, &seat->node);
    if (tsuga_runqueue_count(&executor->queue) > 1)
        call_for_help(executor);
    return true;
}

void tsuga_executor_enqueue(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    if (!executor->has_thieves || !offer(executor, seat))
        tsuga_fifo_push(&executor->bound, &seat->node);
}

void tsuga_executor_enqueue_urgent(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    tsuga_fifo_push(&executor->urgent, &seat->node);
}

static void run_call(struct tsuga_executor *executor, struct tsuga_task *task)
{
    tsuga_turn_call(executor, seat_of_task(task));
}

/* Whether an actor may be taken over by the executor that must call it, and that is not its own.
 * What belongs to its own must not be looked at; who is pinned, has I/O or descriptors, has
 * settled, and who has a stack is BLOCKED. */
static bool may_be_adopted(const struct tsuga_executor *here, const struct tsuga_seat *seat)
{
    return here != NULL && !tsuga_mailbox_has_settled(&seat->actor.mailbox) &&
           seat->actor.status == TSUGA_ACTOR_READY && seat->actor.seen_stop == TSUGA_STOP_NONE &&
           /* Acquire pairs with the release in timed.c: its executor is done with the actor. */
           atomic_load_explicit(&seat->actor.timers, memory_order_acquire) == 0;
}

/* The actor is the caller's: it was asleep, or is stolen. */
static void adopt(struct tsuga_executor *executor, struct tsuga_executor *from,
                  struct tsuga_seat *seat)
{
    /* Pairs with tsuga_seat_home(). */
    atomic_store_explicit(&seat->actor.home, executor, memory_order_release);
    atomic_fetch_sub_explicit(&from->actor_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&executor->actor_count, 1, memory_order_relaxed);
    tsuga_count(&executor->counters.steals, 1);
    tsuga_executor_enqueue(executor, seat);
}

void tsuga_executor_call(struct tsuga_executor *here, struct tsuga_seat *seat)
{
    struct tsuga_executor *home = tsuga_seat_home(seat);

    if (home == here) {
        tsuga_turn_call(home, seat);
    } else if (may_be_adopted(here, seat)) {
        adopt(here, home, seat);
    } else {
        seat->task.run = run_call;
        tsuga_executor_post(home, &seat->task);
    }
}

void tsuga_executor_post(struct tsuga_executor *executor, struct tsuga_task *task)
{
    struct tsuga_task *seen = atomic_load_explicit(&executor->inbox, memory_order_relaxed);

    do {
        task->next = seen;
        /* Publishes the task; pairs with the exchange in run_inbox(). Sequentially consistent, so
         * that either the sleeper sees the task or tsuga_executor_wake() sees the sleeper. */
    } while (!atomic_compare_exchange_weak_explicit(&executor->inbox, &seen, task,
                                                    memory_order_seq_cst, memory_order_relaxed));
    tsuga_executor_wake(executor);
}

void tsuga_executor_wake(struct tsuga_executor *executor)
{
    const struct tsuga_calls *calls = executor->shared->calls;

    if (!atomic_load_explicit(&executor->is_sleeping, memory_order_seq_cst))
        return;
    /* Of several wakers one pays for the system call. */
    if (!atomic_exchange_explicit(&executor->is_sleeping, false, memory_order_seq_cst))
        return;
    atomic_fetch_add_explicit(&executor->wakes, 1, memory_order_relaxed);
    calls->raise_event(calls->context, executor->wake_fd);
}

/* Oldest first. */
static bool run_inbox(struct tsuga_executor *executor)
{
    struct tsuga_task *newest;
    struct tsuga_task *oldest = NULL;

    if (atomic_load_explicit(&executor->inbox, memory_order_relaxed) == NULL)
        return false;
    /* Acquire pairs with the release in tsuga_executor_post(). */
    newest = atomic_exchange_explicit(&executor->inbox, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct tsuga_task *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct tsuga_task *next = oldest->next;

        oldest->run(executor, oldest);
        oldest = next;
    }
    return true;
}

static void watch(struct tsuga_executor *executor, int fd, uint64_t mark)
{
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_WATCH, .fd = fd, .flags = POLLIN, .user_data = mark};

    executor->own_inflight++;
    tsuga_executor_request(executor, &request);
}

void tsuga_executor_watch(struct tsuga_executor *executor)
{
    watch(executor, executor->wake_fd, TSUGA_RESULT_WAKE);
    if (executor->index == 0 && executor->shared->signal_fd >= 0)
        watch(executor, executor->shared->signal_fd, TSUGA_RESULT_SIGNAL);
}

static void take_signal(struct tsuga_shared *shared)
{
    struct signalfd_siginfo info;

    while (read(shared->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        shared->signalled(shared->hooks_context);
}

/* A result of one of the watches. */
static void route_watch(struct tsuga_executor *executor, uint64_t mark, bool has_more)
{
    struct tsuga_shared *shared = executor->shared;

    if (mark == TSUGA_RESULT_SIGNAL)
        take_signal(shared);
    if (has_more)
        return;
    executor->own_inflight--;
    if (!atomic_load_explicit(&shared->is_finishing, memory_order_acquire))
        watch(executor, mark == TSUGA_RESULT_SIGNAL ? shared->signal_fd : executor->wake_fd, mark);
}

/* io  of the orphan whose descriptor it was, or NULL. */
static void end_close(struct tsuga_executor *executor, struct tsuga_io *io)
{
    executor->own_inflight--;
    if (io != NULL)
        tsuga_io_end_close(io);
    tsuga_shared_leave(executor->shared);
}

/* Operations with more than one result. */
static void route_many(struct tsuga_record *record, const struct tsuga_ring_result *result)
{
    if (record->kind == TSUGA_OP_SEND)
        tsuga_zero_copy_complete(record, result);
    else
        tsuga_stream_complete(record, result);
}

static void end_severed(struct tsuga_record *record)
{
    tsuga_chain_sever(record);
    tsuga_record_complete(record, -ECANCELED, false);
}

static void route(struct tsuga_executor *executor, const struct tsuga_ring_result *result)
{
    bool has_more = (result->flags & TSUGA_RING_MORE) != 0;
    uint64_t mark = result->user_data & (TSUGA_CACHE_LINE_BYTES - 1);
    struct tsuga_record *record = (void *)(uintptr_t)(result->user_data - mark);

    if (mark == 0 && (record->flags & (TSUGA_RECORD_MULTI | TSUGA_RECORD_ZERO_COPY)) != 0)
        route_many(record, result);
    else if (mark == 0)
        tsuga_record_complete(record, result->result, has_more);
    else if (mark == TSUGA_RESULT_CANCEL)
        tsuga_record_end_cancel(record, result->result);
    else if (mark == TSUGA_RESULT_SEVERED)
        end_severed(record);
    else if (mark == TSUGA_RESULT_HANGUP)
        tsuga_hangup_complete(record);
    else if (mark == TSUGA_RESULT_ARENA)
        tsuga_registered_left(executor, (void *)(uintptr_t)(result->user_data - mark));
    else if (mark == TSUGA_RESULT_OWN)
        executor->own_inflight--;
    else if (mark == TSUGA_RESULT_CLOSE)
        end_close(executor, (void *)(uintptr_t)(result->user_data - mark));
    else
        route_watch(executor, mark, has_more);
}

static void reap(struct tsuga_executor *executor)
{
    struct tsuga_ring_result results[TSUGA_RESULTS_BATCH];
    uint32_t count;

    do {
        count = tsuga_ring_reap(executor->ring, results, TSUGA_RESULTS_BATCH);
        for (uint32_t i = 0; i < count; i++)
            route(executor, &results[i]);
    } while (count == TSUGA_RESULTS_BATCH);
}

/* Enters once, however long the kernel's flag stays set. */
static void enter_once(struct tsuga_executor *executor)
{
    /* What could not be submitted stays queued, and the next tick tries again: case 3. */
    (void)tsuga_executor_enter(executor, 0, 0);
}

void tsuga_executor_pause(struct tsuga_executor *executor)
{
    struct tsuga_ring *ring = executor->ring;

    if (ring->queue_count > 0 || tsuga_ring_wants_enter(ring))
        enter_once(executor);
    if (tsuga_ring_has_results(ring))
        reap(executor);
    if (tsuga_runqueue_stealable_count(&executor->queue) > 0)
        call_for_help(executor);
}

static void ring_alarm(struct tsuga_timer *timer, void *context)
{
    struct tsuga_alarm *alarm = TSUGA_CONTAINER_OF(timer, struct tsuga_alarm, timer);

    alarm->ring(context, alarm);
}

static void publish_counters(struct tsuga_executor *executor)
{
    struct tsuga_counters *counters = &executor->counters;

    atomic_store_explicit(&counters->enters, executor->ring->enter_count, memory_order_relaxed);
    atomic_store_explicit(&counters->overflows, executor->ring->overflow_count,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->ops_inflight, executor->ops_inflight, memory_order_relaxed);
    /* Without the one that is kept for exits. */
    atomic_store_explicit(&counters->stacks, executor->stacks.used_count - 1, memory_order_relaxed);
}

static uint64_t turns_of(const struct tsuga_executor *executor)
{
    return atomic_load_explicit(&executor->counters.turns, memory_order_relaxed);
}

/* What is to be given back soon is looked for often. */
static uint64_t trim_period_ns(const struct tsuga_executor *executor)
{
    uint64_t decay_ns = executor->arenas.config.decay_ns;

    if (executor->arenas.was_cut_short || decay_ns < TRIM_AGAIN_NS)
        return TRIM_AGAIN_NS;
    return decay_ns < TRIM_PERIOD_NS ? decay_ns : TRIM_PERIOD_NS;
}

static void trim(struct tsuga_executor *executor)
{
    struct tsuga_arena_pool *pool = &executor->arenas;
    struct tsuga_trim *trim = &executor->trim;
    uint64_t now_ns = tsuga_executor_now_ns(executor);

    (void)tsuga_stack_trim(&executor->stacks, TRIM_STACKS);
    tsuga_receive_trim(executor, now_ns - trim->next_ns > trim_period_ns(executor));
    trim->has_more = tsuga_ioheap_decay_pool(pool, now_ns);
    trim->has_more |= tsuga_arena_pool_decay(pool, now_ns);
    trim->has_more |= tsuga_timed_trim(executor);
    trim->next_ns = now_ns + trim_period_ns(executor);
    trim->turns = turns_of(executor);
    tsuga_registered_watch(executor);
}

static void trim_if_due(struct tsuga_executor *executor)
{
    executor->trim.looked_turns = turns_of(executor);
    if (tsuga_executor_now_ns(executor) >= executor->trim.next_ns)
        trim(executor);
}

/* Whether sleep must end for the next trim: something is free, or may have become so in the turns
 * since the last one. */
static bool wants_trim(const struct tsuga_executor *executor)
{
    return executor->trim.has_more || executor->arenas.has_idle ||
           (executor->trim.turns != turns_of(executor) &&
            !tsuga_list_is_empty(&executor->arenas.heaps));
}

static void tick(struct tsuga_executor *executor)
{
    executor->turns_to_tick = TSUGA_TICK_TURNS;
    executor->is_now_known = false;
    (void)run_inbox(executor);
    tsuga_executor_flush_backlog(executor);
    if (tsuga_receive_is_hungry(&executor->receive))
        tsuga_receive_feed(&executor->receive);
    if (executor->ring->queue_count > 0 || tsuga_ring_wants_enter(executor->ring))
        enter_once(executor);
    reap(executor);
    if (executor->timed.linked_count > 0)
        tsuga_timed_settle(executor);
    if (tsuga_timers_has_any(&executor->timers))
        tsuga_timers_expire(&executor->timers, tsuga_executor_now_ns(executor), ring_alarm,
                            executor);
    tsuga_io_expire_orphans(executor);
    tsuga_executor_offer_room(executor);
    /* Many ticks with little to do each shall not read the clock for this. */
    if (turns_of(executor) - executor->trim.looked_turns >= TRIM_TURNS)
        trim_if_due(executor);
    publish_counters(executor);
}

/* Whether what the kernel has deferred has waited long. Apart, so that turns without it do not pay
 * for its frame. */
__attribute__((noinline)) static bool has_waited(struct tsuga_executor *executor)
{
    uint64_t slice_ns = executor->shared->config.executor.time_slice_us * TSUGA_NS_PER_US;
    uint64_t since_ns = tsuga_executor_now_ns(executor);

    return tsuga_clock_now_ns(&executor->shared->clock) - since_ns >= slice_ns / DEFERRED_SHARE;
}

/* Whether what the kernel has deferred shall not wait for the next tick. Who enters for it after
 * each turn receives more than the turns can answer: what has come waits in the run queue, and is
 * in no cache any more when its turn comes. */
static inline bool is_deferred_due(struct tsuga_executor *executor)
{
    return tsuga_ring_wants_enter(executor->ring) && has_waited(executor);
}

static struct tsuga_runqueue_node *pop_in_turns(struct tsuga_executor *executor)
{
    struct tsuga_runqueue_node *node = NULL;

    executor->is_bound_next = !executor->is_bound_next;
    if (executor->is_bound_next)
        node = tsuga_fifo_pop(&executor->bound);
    if (node == NULL)
        node = tsuga_runqueue_pop(&executor->queue);
    if (node == NULL)
        node = tsuga_fifo_pop(&executor->bound);
    return node;
}

/* Urgent actors first; the two other queues take turns. Without thieves one of them is empty. */
static struct tsuga_seat *pop(struct tsuga_executor *executor)
{
    struct tsuga_runqueue_node *node = tsuga_fifo_pop(&executor->urgent);

    if (node == NULL)
        node = executor->has_thieves ? pop_in_turns(executor) : tsuga_fifo_pop(&executor->bound);
    return seat_of_node(node);
}

struct tsuga_seat *tsuga_executor_peek(struct tsuga_executor *executor)
{
    if (tsuga_fifo_is_empty(&executor->bound) || executor->turns_to_tick == 1 ||
        !tsuga_list_is_empty(&executor->room_waiters) || !tsuga_fifo_is_empty(&executor->urgent) ||
        tsuga_runqueue_count(&executor->queue) > 0 || is_deferred_due(executor) ||
        tsuga_ring_has_results(executor->ring))
        return NULL;
    return seat_of_node(executor->bound.first);
}

void tsuga_executor_take_peeked(struct tsuga_executor *executor)
{
    (void)tsuga_fifo_pop(&executor->bound);
    if (executor->turns_to_tick > 1) /* a hook may just have made a tick due */
        executor->turns_to_tick--;
}

static bool has_work(struct tsuga_executor *executor)
{
    return !tsuga_fifo_is_empty(&executor->urgent) || !tsuga_fifo_is_empty(&executor->bound) ||
           tsuga_runqueue_count(&executor->queue) > 0;
}

/* Takes over half of what waits elsewhere. */
static bool steal(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;

    if (!executor->has_thieves)
        return false;
    for (uint32_t i = 1; i < shared->executor_count; i++) {
        struct tsuga_executor *victim =
            &shared->executors[(executor->index + i) % shared->executor_count];
        struct tsuga_runqueue_node *stolen = tsuga_runqueue_steal(&victim->queue);
        struct tsuga_runqueue_node *next;

        if (stolen == NULL)
            continue;
        for (; stolen != NULL; stolen = next) {
            next = stolen->next;
            adopt(executor, victim, seat_of_node(stolen));
        }
        return true;
    }
    return false;
}

/* Whether something waits for the kernel to take requests again. The enter that goes to sleep may
 * be the one that it accepts, and then nothing else tells that there is room. */
static bool is_held_up(const struct tsuga_executor *executor)
{
    const struct tsuga_wait *first;

    if (executor->backlog.count > 0 || tsuga_receive_is_hungry(&executor->receive))
        return true;
    if (tsuga_list_is_empty(&executor->room_waiters))
        return false;
    first = TSUGA_CONTAINER_OF(executor->room_waiters.next, struct tsuga_wait, link);
    return (uint64_t)executor->ops_inflight + first->room_count <= executor->ops_max;
}

static uint64_t sleep_limit_ns(struct tsuga_executor *executor)
{
    uint64_t now_ns = tsuga_executor_now_ns(executor);
    uint64_t next_ns = tsuga_timers_next_ns(&executor->timers);
    uint64_t orphan_ns = tsuga_io_next_give_up_ns(executor);

    if (orphan_ns < next_ns)
        next_ns = orphan_ns;
    if (wants_trim(executor) && executor->trim.next_ns < next_ns)
        next_ns = executor->trim.next_ns;
    if (is_held_up(executor) && now_ns + RETRY_NS < next_ns)
        next_ns = now_ns + RETRY_NS;
    if (next_ns == TSUGA_FOREVER)
        return TSUGA_FOREVER;
    return next_ns > now_ns ? next_ns - now_ns : 0;
}

/* Publish "asleep", look once more, then sleep in the ring. */
static void sleep_in_ring(struct tsuga_executor *executor)
{
    struct tsuga_shared *shared = executor->shared;
    uint64_t limit_ns;

    trim_if_due(executor);
    limit_ns = sleep_limit_ns(executor);
    atomic_store_explicit(&executor->is_in_turn, false, memory_order_relaxed);
    atomic_store_explicit(&executor->is_sleeping, true, memory_order_seq_cst);
    atomic_fetch_add_explicit(&shared->sleeper_count, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&executor->inbox, memory_order_seq_cst) == NULL &&
        !atomic_load_explicit(&shared->is_finishing, memory_order_seq_cst))
        (void)tsuga_executor_enter(executor, 1, limit_ns);
    atomic_fetch_sub_explicit(&shared->sleeper_count, 1, memory_order_seq_cst);
    atomic_store_explicit(&executor->is_sleeping, false, memory_order_relaxed);
    executor->is_now_known = false;
    if (atomic_load_explicit(&shared->wants_nudge, memory_order_seq_cst))
        shared->nudge(shared->hooks_context);
}

/* Everything that was posted before the word to finish is done first. */
static bool is_finished(struct tsuga_executor *executor)
{
    if (!atomic_load_explicit(&executor->shared->is_finishing, memory_order_acquire))
        return false;
    tick(executor);
    return !has_work(executor);
}

void tsuga_executor_end_child(void)
{
    static const char line[] =
        "tsuga: a child of fork(2) has come back from an actor, and ends: it shall call execve(2) "
        "or _exit(2)\n";

    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    _exit(TSUGA_EXIT_CHILD);
}

/* The next actor to run; NULL when the executor shall end. */
static struct tsuga_seat *next(struct tsuga_executor *executor)
{
    struct tsuga_seat *seat;

    if (tsuga_executor_is_child(executor))
        tsuga_executor_end_child();
    /* Whoever waits for room shall not wait for the turns of others. */
    if (--executor->turns_to_tick == 0 || !tsuga_list_is_empty(&executor->room_waiters) ||
        is_deferred_due(executor))
        tick(executor);
    else if (tsuga_ring_has_results(executor->ring))
        reap(executor);
    while ((seat = pop(executor)) == NULL) {
        tick(executor);
        if (has_work(executor) || steal(executor))
            continue;
        if (is_finished(executor))
            return NULL;
        sleep_in_ring(executor);
        reap(executor);
    }
    return seat;
}

void tsuga_executor_loop(void *context)
{
    struct tsuga_executor *executor = context;
    struct tsuga_seat *seat;

    while ((seat = next(executor)) != NULL)
        tsuga_turn_run(executor, seat);
    tsuga_stack_leave(&executor->stacks);
}

static void cancel_watch(struct tsuga_executor *executor, uint64_t mark)
{
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_CANCEL, .user_data = TSUGA_RESULT_OWN, .offset = mark};

    executor->own_inflight++;
    tsuga_executor_request(executor, &request);
}

void tsuga_executor_drain(struct tsuga_executor *executor)
{
    cancel_watch(executor, TSUGA_RESULT_WAKE);
    cancel_watch(executor, TSUGA_RESULT_SIGNAL);
    while (executor->own_inflight > 0) {
        tsuga_executor_flush_backlog(executor);
        (void)tsuga_executor_enter(executor, 1, TSUGA_NS_PER_MS);
        reap(executor);
    }
    publish_counters(executor);
}
