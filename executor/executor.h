/*
 * An executor: one thread, one ring, the run queues, and the actors whose home it is.
 *
 * The loop runs on a stack of the pool, never on the thread's own. It takes the next actor and
 * calls its behaviour on the same stack. An actor that blocks keeps the stack it stands on, loop
 * frames included, and the loop begins anew on another; the loop holds no state across a behaviour,
 * so nothing is lost. When the actor is resumed, the loop that resumes it is dropped, and when its
 * behaviour returns, it returns into the loop that had called it.
 *
 * A tick looks at everything that comes from outside: results, inbox, timers, queued requests. One
 * is made every TSUGA_TICK_TURNS turns, whenever the queues are empty, and when what the kernel has
 * deferred would wait too long. Between turns only the ring's news words are looked at.
 *
 * Invariants:
 *     an actor is in at most one run queue or inbox, and in none while it runs
 *     ops_inflight == operations pushed into the ring or the pool without their last result
 *     no request is half filled at any switch: it is pushed whole
 *
 * Owner: the runtime, through struct tsuga_shared. Thread: its own, except where stated.
 */
#ifndef TSUGA_EXECUTOR_EXECUTOR_H
#define TSUGA_EXECUTOR_EXECUTOR_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "actor/table.h"
#include "executor/arena_work.h"
#include "executor/buffers.h"
#include "executor/files.h"
#include "executor/leases.h"
#include "executor/registered.h"
#include "executor/ring.h"
#include "executor/runqueue.h"
#include "executor/seat.h"
#include "executor/shared.h"
#include "executor/stack.h"
#include "executor/tickets.h"
#include "executor/timed.h"
#include "executor/timers.h"
#include "mailbox/bulletin.h"
#include "mailbox/letters.h"
#include "runtime/base/bits.h"
#include "runtime/base/list.h"
#include "runtime/base/thread_meter.h"

#define TSUGA_TICK_TURNS    64u
#define TSUGA_EXIT_CHILD    70 /* EX_SOFTWARE of sysexits.h */
#define TSUGA_RESULTS_BATCH 64u

/* user_data is a record's address, or one of these. */
enum {
    TSUGA_RESULT_CANCEL = 1,   /* or-ed to a record's address: a cancel of that record has ended */
    TSUGA_RESULT_WAKE = 2,     /* the watch on the wake descriptor */
    TSUGA_RESULT_HANGUP = 3,   /* or-ed to a record's address: the watch on its stream, hangups.h */
    TSUGA_RESULT_OWN = 4,      /* a cancel of one of the watches */
    TSUGA_RESULT_ARENA = 5,    /* or-ed to an arena's address: the ring has let go of it */
    TSUGA_RESULT_SIGNAL = 8,   /* the watch on the signal descriptor */
    TSUGA_RESULT_CLOSE = 16,   /* a close on behalf of an actor that has lost interest; or-ed to the
                                  address of an orphan's io: of one that has ended */
    TSUGA_RESULT_SEVERED = 32, /* or-ed to a record's address: it was cut off from its chain */
};

/* Requests that found no room and may not wait: cancels, closes, the watch. In order. */
struct tsuga_backlog {
    struct tsuga_ring_request *requests;
    uint32_t first;
    uint32_t count;
    uint32_t count_max;
};

/* When free memory is given back. */
struct tsuga_trim {
    uint64_t next_ns;
    uint64_t turns;        /* of actors, as of the last one */
    uint64_t looked_turns; /* of actors, when it was last looked whether it is time */
    bool has_more;         /* that it did not give back */
};

/* Written by the owner only, read by anybody: relaxed atomics that cost a plain store. */
struct tsuga_counters {
    _Atomic uint64_t ended;
    _Atomic uint64_t messages_sent;
    _Atomic uint64_t dead_letters;
    _Atomic uint64_t turns;
    _Atomic uint64_t steals;
    _Atomic uint64_t ops_submitted;
    _Atomic uint64_t ops_completions;
    _Atomic uint64_t ops_suspended;
    _Atomic uint64_t ops_inflight;
    _Atomic uint64_t orphans;
    _Atomic uint64_t leaked_heaps;
    _Atomic uint64_t copied_bytes;
    _Atomic uint64_t enters;
    _Atomic uint64_t overflows;
    _Atomic uint64_t stacks;
    _Atomic uint64_t ops_fixed;
    _Atomic uint64_t registered_arenas;
    _Atomic uint64_t registered_refusals;
};

struct tsuga_executor {
    /* const after init */
    struct tsuga_shared *shared;
    uint32_t index;
    uint32_t ops_max;
    int wake_fd;
    struct tsuga_fork_mark mark; /* as shared->mark */
    struct tsuga_thread thread;
    struct tsuga_thread_meter meter; /* of the thread, once it has started */
    bool has_thread;
    bool has_thieves; /* other executors may take actors from here, and this one from there */

    /* any thread */
    alignas(TSUGA_CACHE_LINE_BYTES) _Atomic(struct tsuga_task *) inbox;
    _Atomic bool is_sleeping;
    _Atomic uint32_t actor_count;
    _Atomic uint64_t wakes;
    _Atomic uint64_t turns_overrun;
    _Atomic(const char *) turn_name; /* of the actor that runs */
    _Atomic bool is_in_turn;
    pthread_mutex_t heaps_lock;
    struct tsuga_heap_stats heaps; /* of the dead, under heaps_lock */

    /* owner; thieves take from the queue */
    alignas(TSUGA_CACHE_LINE_BYTES) struct tsuga_runqueue queue; /* actors that may move */
    struct tsuga_fifo urgent;                                    /* actors that waited for room */
    struct tsuga_fifo bound;                                     /* actors that may not move */
    bool is_bound_next;                                          /* queue and bound take turns */
    uint32_t turns_to_tick;
    uint32_t ops_inflight;
    uint32_t own_inflight; /* requests of the executor's own */
    struct tsuga_ring *ring;
    struct tsuga_stack_pool stacks;
    struct tsuga_stack *exit_stack; /* on which the loop goes on when an actor exits */
    struct tsuga_timers timers;
    struct tsuga_trim trim;
    struct tsuga_timed_table timed;
    uint64_t tie_count; /* named ones ever made here */
    struct tsuga_arena_pool arenas;
    struct tsuga_arena_work arena_work;
    struct tsuga_registered registered;
    struct tsuga_files files;
    struct tsuga_letters letters;
    struct tsuga_actor_cache slots;
    struct tsuga_leases leases;
    struct tsuga_receive receive;
    struct tsuga_seat *running;
    uint64_t now_ns;         /* for tsuga_executor_now_ns() */
    bool is_now_known;       /* read since the last tick or sleep */
    uint64_t slice_start_ns; /* 0: the clock was not read in this turn */
    uint32_t slice_messages;
    uint32_t slice_check; /* messages until the clock is read */
    uint32_t slice_first; /* the same, at the start of each turn */
    struct tsuga_list_node room_waiters;
    struct tsuga_list_node orphans;
    struct tsuga_lane_list gifts; /* descriptors for which there was no memory yet */
    struct tsuga_io *spare_ios;   /* recycled */
    uint32_t spare_count;
    struct tsuga_backlog backlog;
    struct tsuga_counters counters;
    /* under shared->lock */
    int start_error;
    bool has_started;
};

static inline void tsuga_count(_Atomic uint64_t *counter, uint64_t add)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, value + add, memory_order_relaxed);
}

/* The executor that the calling thread is; NULL on other threads. */
struct tsuga_executor *tsuga_executor_current(void);

/* From now on the calling thread is that executor; NULL: none. For threads that take turns on one
 * thread of the kernel. */
void tsuga_executor_become(struct tsuga_executor *executor);

/* What mailboxes call its thread. */
static inline uint32_t tsuga_executor_number(const struct tsuga_executor *executor)
{
    return executor->index + 1;
}

/* Whether an actor has called fork(2), and this is the child. */
static inline bool tsuga_executor_is_child(const struct tsuga_executor *executor)
{
    return tsuga_fork_mark_is_child(&executor->mark);
}

/* Life: called by the runtime. */

/* Errors: -ENOMEM, -errno of eventfd(2). Undo with fini. */
TSUGA_NODISCARD int tsuga_executor_init(struct tsuga_executor *executor,
                                        struct tsuga_shared *shared, uint32_t index);

/* Starts the thread and waits until its loop runs, or could not be set up.
 * Errors: those of pthread_create(3), of the ring, of the stacks. */
TSUGA_NODISCARD int tsuga_executor_start(struct tsuga_executor *executor);

/* Waits for the thread, which leaves once shared->is_finishing is set. */
void tsuga_executor_join(struct tsuga_executor *executor);
void tsuga_executor_fini(struct tsuga_executor *executor);

/* From any thread. */

/* Run a task on the executor, soon. */
void tsuga_executor_post(struct tsuga_executor *executor, struct tsuga_task *task);

/* Wake the executor if it sleeps. */
void tsuga_executor_wake(struct tsuga_executor *executor);

/* Call an actor whose mailbox the caller found asleep (or that was just made): see mailbox.h. In
 * the next two, `here` is the calling thread's executor, NULL when it is none of this runtime's. */
void tsuga_executor_call(struct tsuga_executor *here, struct tsuga_seat *seat);

/* Send a message to whoever `to` names. On failure the letter stays the caller's.
 * Errors: -ESRCH, -EAGAIN full (policy fail or block), -ECHRNG dropped by policy. */
TSUGA_NODISCARD int tsuga_executor_deliver(struct tsuga_shared *shared, struct tsuga_executor *here,
                                           struct tsuga_id to, struct tsuga_message *message);

/* From inside: the parts of executor/ call each other through these. */

/* What the clock showed when it was first asked since the last tick or sleep. */
static inline uint64_t tsuga_executor_now_ns(struct tsuga_executor *executor)
{
    if (!executor->is_now_known) {
        executor->now_ns = tsuga_clock_now_ns(&executor->shared->clock);
        executor->is_now_known = true;
    }
    return executor->now_ns;
}

/* send.c */

/* A user message with a copy of these bytes, which were checked; NULL: no memory. */
struct tsuga_letter *tsuga_executor_write(struct tsuga_shared *shared, struct tsuga_executor *here,
                                          uint64_t tag, const void *data, size_t bytes);

/* Send a letter, and wait for room where the receiver's policy says so. On failure it is discarded.
 *
 * here  the calling thread's executor, or NULL.
 * seat  the sender's, NULL when it is no actor: then the letter says who it is from.
 *
 * Errors: those of tsuga_send(); -ECHRNG dropped by policy. */
TSUGA_NODISCARD int tsuga_executor_send(struct tsuga_shared *shared, struct tsuga_executor *here,
                                        struct tsuga_seat *seat, struct tsuga_id to,
                                        struct tsuga_letter *letter);

/* Send a letter that nobody waits for: what cannot be delivered is discarded, and counted.
 * Errors: as tsuga_executor_deliver(), for whoever wants to know. */
int tsuga_executor_dispatch(struct tsuga_executor *executor, struct tsuga_id to,
                            struct tsuga_letter *letter);

/* dead_letters.c */

/* A user message has reached nobody: it is counted, and the hook hears of it. The first when there
 * is no letter. `here` as above. */
void tsuga_executor_lose(struct tsuga_shared *shared, struct tsuga_executor *here,
                         const struct tsuga_dead_letter *lost);
void tsuga_executor_lose_letter(struct tsuga_shared *shared, struct tsuga_executor *here,
                                struct tsuga_id to, const struct tsuga_letter *letter, int reason);

/* What is attached to a letter goes. Thread: any. */
static inline void tsuga_executor_detach(const struct tsuga_shared *shared,
                                         const struct tsuga_letter *letter)
{
    if ((letter->head.flags & TSUGA_MESSAGE_ATTACHED) != 0)
        tsuga_ticket_drop(letter->attachment);
    if ((letter->head.flags & TSUGA_MESSAGE_BULLETIN) != 0)
        tsuga_bulletin_release(shared->memory, letter->attachment);
}

/* Give a letter back, and what is attached to it. */
static inline void tsuga_executor_discard(struct tsuga_executor *executor,
                                          struct tsuga_message *message)
{
    struct tsuga_letter *letter = TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);

    tsuga_executor_detach(executor->shared, letter);
    tsuga_letters_give(&executor->letters, executor->shared->memory, letter);
}

/* Submit what is queued, and wait. When the kernel takes only a part, it starts the beginning of a
 * chain by itself; the rest must not start by itself, too. */
static inline int tsuga_executor_enter(struct tsuga_executor *executor, uint32_t wait_count,
                                       uint64_t timeout_ns)
{
    struct tsuga_ring *ring = executor->ring;
    int error;

    /* Roughly: watches do not count, and cancels and closes count only while they are queued. */
    ring->is_quiet = executor->ops_inflight <= ring->queue_count;
    error = tsuga_ring_enter(ring, wait_count, timeout_ns);
    if (ring->queue_count > 0)
        ring->ops->sever(ring, TSUGA_RESULT_SEVERED);
    return error;
}

/* Let a request use registered memory, if what it points to lies in some. */
static inline void tsuga_executor_find_slot(struct tsuga_executor *executor,
                                            struct tsuga_ring_request *request)
{
    if (executor->registered.is_on)
        tsuga_registered_find(executor, request);
}

/* loop.c */

/* Queue an actor that runs nowhere and is queued nowhere. */
void tsuga_executor_enqueue(struct tsuga_executor *executor, struct tsuga_seat *seat);
void tsuga_executor_enqueue_urgent(struct tsuga_executor *executor, struct tsuga_seat *seat);

/* The actor that the loop would run next, when it has nothing else to look at before; NULL: it
 * has, or there is none. It stays queued until it is taken. */
struct tsuga_seat *tsuga_executor_peek(struct tsuga_executor *executor);
void tsuga_executor_take_peeked(struct tsuga_executor *executor);

/* Look at the ring in the middle of a long turn, which costs a system call only when the kernel
 * asks for one or the actor has queued something; and offer to others who waits behind the turn and
 * may move. */
void tsuga_executor_pause(struct tsuga_executor *executor);

/* The child of an actor that has called fork(2) has come back to where it has no business: the
 * rings are the parent's, and not even mapped. It ends with a line that says so. */
TSUGA_NORETURN void tsuga_executor_end_child(void);

/* Run the executor `context` until shared->is_finishing, on a stack of the pool. */
void tsuga_executor_loop(void *context);

/* Watch the wake descriptor, and on executor 0 the signals. */
void tsuga_executor_watch(struct tsuga_executor *executor);

/* After the loop: cancel the watches and wait until no request of our own is in flight. */
void tsuga_executor_drain(struct tsuga_executor *executor);

/* submit.c */

/* Wait until there is room for `count` operations in one piece. Errors: -EAGAIN with
 * TSUGA_OP_NOWAIT; -ECANCELED; -ENOBUFS. */
TSUGA_NODISCARD int tsuga_executor_admit(struct tsuga_seat *seat, uint32_t count, uint32_t options);

/* Push a request when there is no room, or others wait already. */
void tsuga_executor_insist(struct tsuga_executor *executor,
                           const struct tsuga_ring_request *request);

/* Push a request that may not wait: one that was admitted, a cancel, a close, the watch. Never
 * fails, keeps order. */
static inline void tsuga_executor_request(struct tsuga_executor *executor,
                                          const struct tsuga_ring_request *request)
{
    if (executor->backlog.count == 0 && executor->ring->room_count > 0)
        tsuga_ring_push(executor->ring, request);
    else
        tsuga_executor_insist(executor, request);
}
void tsuga_executor_flush_backlog(struct tsuga_executor *executor);

/* Close a descriptor that nobody owns any more. Counts in the population until it is closed. */
void tsuga_executor_close(struct tsuga_executor *executor, int fd);

/* The same for one of an orphan, which is told. */
void tsuga_executor_close_orphaned(struct tsuga_executor *executor, struct tsuga_io *io, int fd);

/* The same for one that an actor owns, if it does. */
void tsuga_executor_close_owned(struct tsuga_executor *executor, struct tsuga_io *io, int fd);

/* Let actors that wait for room go on. */
void tsuga_executor_offer_room(struct tsuga_executor *executor);

#endif
