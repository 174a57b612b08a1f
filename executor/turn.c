/* Turns: running an actor, blocking it, resuming it, ending it. */
#include "executor/turn.h"

#include <errno.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "executor/ties.h"
#include "executor/timed.h"
#include "runtime/base/assert.h"

/* The clock is first read after this many messages of a turn, and then ever more seldom. */
#define SLICE_CHECK_FIRST 4u
#define SLICE_CHECK_MAX   32u

/* So many messages of a turn for each sender that waits for room. */
#define ROOM_STEP 32u

static bool is_stop(const struct tsuga_actor *actor, enum tsuga_stop_level level)
{
    return level != TSUGA_STOP_NONE && !actor->receives_stop;
}

static bool is_stopping(const struct tsuga_actor *actor)
{
    return is_stop(actor, tsuga_actor_stop_level(actor));
}

bool tsuga_turn_is_refused(const struct tsuga_seat *seat)
{
    return is_stopping(&seat->actor);
}

void tsuga_turn_wake(struct tsuga_seat *seat)
{
    if (tsuga_mailbox_rouse(&seat->actor.mailbox))
        tsuga_executor_enqueue(tsuga_seat_home(seat), seat);
}

void tsuga_turn_settle(struct tsuga_seat *seat)
{
    uint32_t number = tsuga_executor_number(tsuga_seat_home(seat));

    if (!tsuga_mailbox_is_near(&seat->actor.mailbox, number))
        tsuga_mailbox_settle(&seat->actor.mailbox, number);
}

/* The answer to a sender that waits for room: its own letter, turned round. */
static void answer_room(struct tsuga_executor *executor, struct tsuga_message *message)
{
    struct tsuga_letter *letter = TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);

    message->type = TSUGA_TYPE_ROOM;
    if (tsuga_executor_deliver(executor->shared, executor, letter->from, message) != 0)
        tsuga_executor_discard(executor, message);
}

/* Who has waited longest. */
static void call_one(struct tsuga_seat *seat)
{
    answer_room(tsuga_seat_home(seat), tsuga_lane_pop(&seat->actor.room_wanted));
}

static void call_all(struct tsuga_seat *seat)
{
    while (!tsuga_lane_is_empty(&seat->actor.room_wanted))
        call_one(seat);
}

static bool is_room_wanted(const struct tsuga_seat *seat)
{
    return !tsuga_lane_is_empty(&seat->actor.room_wanted) &&
           tsuga_mailbox_has_room(&seat->actor.mailbox);
}

static bool has_user_message(const struct tsuga_seat *seat)
{
    return !tsuga_lane_is_empty(&seat->actor.mailbox.lanes[TSUGA_LANE_USER]);
}

/* Whoever is called may well fill the mailbox, and all others would come in vain: while the actor
 * goes on taking messages, one sender is called at a time. All of them when no message is left
 * whose taking would call the next. */
static void offer_room(struct tsuga_seat *seat)
{
    if (!is_room_wanted(seat))
        return;
    if (has_user_message(seat))
        call_one(seat);
    else
        call_all(seat);
}

/* The actor waits, perhaps for what only one of the senders can bring. */
static void offer_room_to_all(struct tsuga_seat *seat)
{
    if (is_room_wanted(seat))
        call_all(seat);
}

/* A message was taken while senders wait. */
__attribute__((noinline)) static void pace_room(struct tsuga_seat *seat)
{
    if (tsuga_seat_home(seat)->slice_messages % ROOM_STEP == 0 || !has_user_message(seat))
        offer_room(seat);
}

/* Of those that users see. */
static bool is_letter(const struct tsuga_message *message)
{
    return message->type == TSUGA_TYPE_USER || message->type == TSUGA_TYPE_REPLY;
}

static bool is_news(const struct tsuga_message *message)
{
    return message->type == TSUGA_TYPE_DOWN || message->type == TSUGA_TYPE_EXIT ||
           message->type == TSUGA_TYPE_UNANSWERED;
}

/* Messages that lie in a tie between actors. */
static bool is_of_tie(const struct tsuga_message *message)
{
    return is_news(message) || message->type == TSUGA_TYPE_TIE ||
           message->type == TSUGA_TYPE_UNTIE || message->type == TSUGA_TYPE_WATCH;
}

static void give_letter_back(struct tsuga_executor *executor, struct tsuga_message *message)
{
    tsuga_letters_give(&executor->letters, executor->shared->memory,
                       TSUGA_CONTAINER_OF(message, struct tsuga_letter, head));
}

/* Apart, so that completions do not pay for its frame. */
__attribute__((noinline)) static void give_other_back(struct tsuga_seat *seat,
                                                      struct tsuga_message *message)
{
    if (message->type == TSUGA_TYPE_PIECE)
        tsuga_stream_give_piece(tsuga_record_of(message));
    else if (is_letter(message) && (message->flags & TSUGA_MESSAGE_KEPT) == 0)
        tsuga_executor_discard(tsuga_seat_home(seat), message);
    else if (is_news(message))
        tsuga_ties_give_back(tsuga_seat_home(seat), message);
}

static inline void give_back(struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;
    struct tsuga_message *message = actor->current;

    if (message == NULL)
        return;
    actor->current = NULL;
    if (message->type == TSUGA_TYPE_COMPLETION)
        tsuga_record_give(tsuga_record_of(message));
    else if (message->type == TSUGA_TYPE_USER && message->flags == 0) /* nothing hangs on it */
        give_letter_back(tsuga_seat_home(seat), message);
    else
        give_other_back(seat, message);
}

void tsuga_turn_give_back(struct tsuga_seat *seat)
{
    give_back(seat);
}

/* Apart, so that completions do not pay for its frame. */
__attribute__((noinline)) static void take_news(struct tsuga_seat *seat,
                                                struct tsuga_message *message)
{
    tsuga_ties_take(seat, message);
}

/* Apart, so that letters do not pay for its frame. */
__attribute__((noinline)) static void take_other(struct tsuga_seat *seat,
                                                 struct tsuga_message *message)
{
    if (message->type == TSUGA_TYPE_COMPLETION)
        seat->actor.current = tsuga_record_open(tsuga_record_of(message));
    else if (is_news(message))
        take_news(seat, message);
}

/* A message leaves its lane for the user. */
void tsuga_turn_take(struct tsuga_seat *seat, struct tsuga_message *message)
{
    struct tsuga_actor *actor = &seat->actor;

    actor->current = message;
    if (message->type != TSUGA_TYPE_USER) {
        take_other(seat, message);
        return;
    }
    tsuga_mailbox_credit(&actor->mailbox, message);
    if (!tsuga_lane_is_empty(&actor->room_wanted))
        pace_room(seat);
}

static void discard_letter(struct tsuga_seat *seat, struct tsuga_message *message)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_letter *letter = TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);
    struct tsuga_id to = {(uint64_t)message->to_generation << 32 | seat->actor.slot};

    if (message->type == TSUGA_TYPE_USER)
        tsuga_executor_lose_letter(executor->shared, executor, to, letter, -ESRCH);
    if (message->type == TSUGA_TYPE_GIFT)
        tsuga_descriptors_refuse(executor, message);
    tsuga_executor_discard(executor, message);
}

/* What was in the seat's mailbox for an actor that has ended. */
static void discard_strays(struct tsuga_seat *seat, struct tsuga_message *messages)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    while (messages != NULL) {
        struct tsuga_message *next = messages->next;

        if (messages->type == TSUGA_TYPE_ROOM_WANTED) {
            answer_room(executor, messages);
        } else if (is_of_tie(messages)) {
            tsuga_ties_refuse(executor, messages);
        } else if (messages->type != TSUGA_TYPE_STOP) {
            discard_letter(seat, messages);
        }
        messages = next;
    }
}

/* Letters between executors that never reach the user. A lone ROOM has done its work by waking. */
static void handle_system(struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_message *next = tsuga_lane_take_all(&actor->mailbox.lanes[TSUGA_LANE_SYSTEM]);

    while (next != NULL) {
        struct tsuga_message *message = next;

        next = message->next;
        if (message->type == TSUGA_TYPE_STOP) {
            tsuga_mailbox_put(&actor->mailbox, message);
        } else if (message->type == TSUGA_TYPE_ROOM_WANTED) {
            tsuga_lane_append(&actor->room_wanted, message);
        } else if (message->type == TSUGA_TYPE_GIFT) {
            tsuga_descriptors_accept(seat, message);
        } else if (message->type == TSUGA_TYPE_REPLY) {
            tsuga_requests_handle(seat, message);
        } else if (is_of_tie(message)) {
            tsuga_ties_handle(seat, message);
        } else {
            seat->actor.has_room = true;
            tsuga_executor_discard(executor, message);
        }
    }
    offer_room(seat);
}

__attribute__((noinline)) static void collect(struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;
    struct tsuga_message *strays = NULL;

    tsuga_mailbox_collect(&actor->mailbox, tsuga_actor_generation(actor), &strays);
    if (strays != NULL)
        discard_strays(seat, strays);
    if (actor->has_gifts)
        tsuga_descriptors_accept_again(seat);
    if (!tsuga_lane_is_empty(&actor->mailbox.lanes[TSUGA_LANE_SYSTEM]))
        handle_system(seat);
}

void tsuga_turn_collect(struct tsuga_seat *seat)
{
    const struct tsuga_mailbox *mailbox = &seat->actor.mailbox;

    if (!tsuga_mailbox_is_quiet(mailbox) || seat->actor.has_gifts ||
        !tsuga_lane_is_empty(&mailbox->lanes[TSUGA_LANE_SYSTEM]))
        collect(seat);
}

/* The slot means nobody from here on. Who watches the actor hears of its end when its memory and
 * its descriptors have been given back. True: a call is under way to it. */
static bool bury(struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_obituary obituary = {.reason = actor->reason};
    uint32_t generation = tsuga_actor_generation(actor);
    struct tsuga_message *rest = NULL;
    bool is_owed;

    if (actor->bonds != NULL) {
        tsuga_names_leave(&executor->shared->names, actor);
        tsuga_teams_leave_all(&executor->shared->teams, actor);
        tsuga_ties_leave(seat, &obituary);
    }
    is_owed = tsuga_actor_vacate(actor, &rest);
    if (rest != NULL) {
        tsuga_ties_admit(&rest, generation, &obituary);
        discard_strays(seat, rest);
    }
    if (actor->has_gifts)
        tsuga_descriptors_refuse_all(seat);
    if (seat->io != NULL) {
        tsuga_io_orphan(seat->io, &obituary);
        seat->io = NULL;
    } else if (obituary.ends != NULL) {
        tsuga_ties_announce(executor, &obituary, true);
    }
    return is_owed;
}

/* The slot is free, and the runtime need not wait for it. */
static void leave(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_shared *shared = executor->shared;

    tsuga_actor_table_give(&shared->table, &executor->slots, &seat->actor);
    tsuga_shared_leave(shared);
}

void tsuga_turn_call(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    if (seat->actor.status == TSUGA_ACTOR_ENDED)
        leave(executor, seat);
    else if (tsuga_mailbox_called(&seat->actor.mailbox))
        tsuga_executor_enqueue(executor, seat);
}

/* From here on its place is that of messages. */
static void drop_first(struct tsuga_actor *actor)
{
    actor->current = NULL;
    actor->kept = NULL;
}

static void drop_extras(struct tsuga_executor *executor, struct tsuga_extras *extras)
{
    (void)tsuga_timers_cancel(&executor->timers, &extras->stop_alarm.timer);
    tsuga_memory_free(executor->shared->memory, extras, sizeof(*extras));
}

/* Nothing is in flight to or from the actor any more but what the kernel holds. */
static void end(struct tsuga_seat *seat, int reason)
{
    struct tsuga_actor *actor = &seat->actor;
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_shared *shared = executor->shared;
    struct tsuga_extras *extras;
    bool is_owed;

    if (tsuga_executor_is_child(executor))
        tsuga_executor_end_child();
    actor->reason = reason;
    if (actor->status == TSUGA_ACTOR_FRESH)
        drop_first(actor);
    tsuga_actor_fini(actor, shared->memory);
    /* Also what a hook has armed. */
    if (atomic_load_explicit(&actor->timers, memory_order_relaxed) != 0)
        tsuga_timed_end(seat);
    tsuga_turn_give_back(seat);
    while (actor->kept != NULL) {
        struct tsuga_message *kept = actor->kept;

        actor->kept = kept->next;
        tsuga_executor_discard(executor, kept);
    }
    call_all(seat);
    extras = tsuga_seat_extras(seat);
    is_owed = bury(seat);
    if (extras != NULL)
        drop_extras(executor, extras);
    tsuga_count(&executor->counters.ended, 1);
    atomic_fetch_sub_explicit(&executor->actor_count, 1, memory_order_relaxed);
    if (seat->actor.is_first)
        shared->first_reason = reason;
    if (!is_owed)
        leave(executor, seat);
}

/* Why an actor ends that was asked to. */
static int stop_reason(const struct tsuga_actor *actor)
{
    return actor->reason != TSUGA_NORMAL ? actor->reason : TSUGA_STOPPED;
}

/* Takes a blocked actor's wait apart: it is resumed, or its stack is dropped. */
static void end_wait(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_wait *wait = seat->wait;

    (void)tsuga_timers_cancel(&executor->timers, &wait->alarm.timer);
    tsuga_list_remove(&wait->link);
    seat->wait = NULL;
    seat->actor.status = TSUGA_ACTOR_READY;
}

static void abandon(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    if (seat->actor.status == TSUGA_ACTOR_BLOCKED) {
        struct tsuga_stack *stack = seat->wait->stack;
        struct tsuga_message *held = seat->wait->held;

        end_wait(executor, seat);
        tsuga_stack_release(&executor->stacks, stack);
        if (held != NULL)
            tsuga_executor_discard(executor, held);
    }
    end(seat, stop_reason(&seat->actor));
}

static void ring_stop(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_seat *seat = TSUGA_CONTAINER_OF(alarm, struct tsuga_extras, stop_alarm)->seat;

    (void)executor;
    if (tsuga_actor_raise_stop(&seat->actor, tsuga_actor_generation(&seat->actor),
                               TSUGA_STOP_FORCED) == 0)
        tsuga_turn_wake(seat);
}

/* The first time that the actor's executor sees the stop. Only who receives it goes on, and needs
 * to be watched: all others do not block any more, and end when their turn does. */
static void notice_stop(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_extras *extras;
    uint64_t now_ns;

    if (!seat->actor.receives_stop)
        return;
    /* A long turn may lie between the last look at the clock and this one. */
    now_ns = tsuga_clock_now_ns(&executor->shared->clock);
    extras = tsuga_seat_extras(seat);
    extras->stop_alarm.ring = ring_stop;
    tsuga_timers_arm(&executor->timers, &extras->stop_alarm.timer,
                     now_ns + executor->shared->config.actor.stop_ms * TSUGA_NS_PER_MS);
    extras->stop_message =
        (struct tsuga_message){.lane = TSUGA_LANE_SYSTEM, .type = TSUGA_TYPE_STOP};
    tsuga_mailbox_put(&seat->actor.mailbox, &extras->stop_message);
}

static bool is_wait_over(struct tsuga_seat *seat)
{
    const struct tsuga_wait *wait = seat->wait;

    if (wait->is_over || is_stopping(&seat->actor) || wait->kind == TSUGA_WAIT_TURN)
        return true;
    if (wait->kind == TSUGA_WAIT_ROOM)
        return false;
    if (wait->kind == TSUGA_WAIT_ANSWER)
        return seat->actor.has_room;
    if (wait->accepts == NULL)
        return !tsuga_mailbox_is_drained(&seat->actor.mailbox);
    return tsuga_mailbox_peek(&seat->actor.mailbox, wait->accepts, wait->context) != NULL;
}

/* A stop that was raised before the sleep may have found the mailbox awake: wakes the actor unless
 * somebody else has done so. */
__attribute__((noinline)) static void wake_for_stop(struct tsuga_executor *executor,
                                                    struct tsuga_seat *seat)
{
    struct tsuga_mailbox *mailbox = &seat->actor.mailbox;

    if (tsuga_mailbox_is_near(mailbox, tsuga_executor_number(executor)))
        tsuga_turn_wake(seat);
    else if (tsuga_mailbox_wake(mailbox))
        tsuga_executor_call(executor, seat);
}

/* Sleeps unless something came in the meantime: then the actor must look again. When it sleeps, it
 * may run on another executor at once, and end there. */
static inline bool falls_asleep(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    enum tsuga_stop_level seen = (enum tsuga_stop_level)seat->actor.seen_stop;

    if (!tsuga_mailbox_sleep(&seat->actor.mailbox))
        return false;
    if (tsuga_actor_stop_level(&seat->actor) != seen)
        wake_for_stop(executor, seat);
    return true;
}

/* The next look at the clock, but not beyond the last message of the slice. */
static uint32_t next_check(const struct tsuga_executor *executor, uint32_t messages)
{
    uint32_t messages_max = executor->shared->config.executor.slice_messages;

    return messages < messages_max ? messages : messages_max;
}

void tsuga_turn_init(struct tsuga_executor *executor)
{
    executor->slice_first = next_check(executor, SLICE_CHECK_FIRST);
}

/* Starts the time slice anew. */
static void begin_slice(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    executor->running = seat;
    executor->slice_start_ns = 0;
    /* Right after a tick its clock will do, if it has one. */
    if (executor->is_now_known && executor->turns_to_tick == TSUGA_TICK_TURNS)
        executor->slice_start_ns = executor->now_ns;
    executor->slice_messages = 0;
    executor->slice_check = executor->slice_first;
    /* The watchdog reads it from its own thread. */
    atomic_store_explicit(&executor->turn_name, seat->actor.name, memory_order_relaxed);
    atomic_store_explicit(&executor->is_in_turn, true, memory_order_relaxed);
    tsuga_count(&executor->counters.turns, 1);
}

static uint64_t slice_ns(const struct tsuga_executor *executor)
{
    return executor->shared->config.executor.time_slice_us * TSUGA_NS_PER_US;
}

/* Long turns do not delay the world outside: a slice after the first look at the clock since the
 * last tick the next one is due. */
static uint64_t read_clock(struct tsuga_executor *executor)
{
    uint64_t now_ns = tsuga_clock_now_ns(&executor->shared->clock);

    if (!executor->is_now_known) {
        executor->now_ns = now_ns;
        executor->is_now_known = true;
    }
    if (now_ns - executor->now_ns >= slice_ns(executor))
        executor->turns_to_tick = 1;
    return now_ns;
}

/* The slice starts with the first look at the clock. */
static bool is_used(struct tsuga_executor *executor, uint64_t now_ns)
{
    if (executor->slice_start_ns == 0)
        executor->slice_start_ns = now_ns;
    return now_ns - executor->slice_start_ns >= slice_ns(executor);
}

static bool is_time_used(struct tsuga_executor *executor)
{
    return is_used(executor, read_clock(executor));
}

/* The clock is read ever more seldom: a turn that has not used an eighth of its slice in n messages
 * will hardly use the rest in the next n, nor one that has used a sixteenth in the next 8 n. */
__attribute__((noinline)) static bool check_slice(struct tsuga_executor *executor)
{
    uint32_t step = executor->slice_messages;
    /* When the slice started, or before. */
    uint64_t since_ns = executor->slice_start_ns != 0 ? executor->slice_start_ns : executor->now_ns;
    uint64_t now_ns;

    if (executor->slice_messages >= executor->shared->config.executor.slice_messages)
        return true;
    now_ns = read_clock(executor);
    if (step > SLICE_CHECK_MAX || now_ns - since_ns < slice_ns(executor) / 16)
        step = SLICE_CHECK_MAX;
    executor->slice_check = next_check(executor, executor->slice_check + step);
    return is_used(executor, now_ns);
}

/* After each message. */
static bool is_slice_used(struct tsuga_executor *executor)
{
    return executor->slice_messages >= executor->slice_check && check_slice(executor);
}

bool tsuga_slice_used(struct tsuga_actor *self)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));

    if (!is_time_used(executor))
        return false;
    tsuga_executor_pause(executor);
    return true;
}

/* Between two messages: whether the loop has to look at the actor anew. A stop that was noticed
 * while the behaviour was blocked counts as much as one that is news. */
static bool must_pause(struct tsuga_executor *executor, const struct tsuga_actor *actor)
{
    enum tsuga_stop_level level = tsuga_actor_stop_level(actor);

    return level != (enum tsuga_stop_level)actor->seen_stop || is_stop(actor, level) ||
           is_slice_used(executor);
}

/* Calls the behaviour until the mailbox is empty or the slice is used up. The behaviour may block
 * and come back much later, on this very stack: nothing but seat and executor is kept across. */
static void handle_messages(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;

    for (;;) {
        struct tsuga_message *message = tsuga_mailbox_take_first(&actor->mailbox);

        if (message == NULL) {
            if (falls_asleep(executor, seat))
                return;
            tsuga_turn_collect(seat);
        } else {
            executor->slice_messages++;
            tsuga_turn_take(seat, message);
            actor->behaviour(actor, actor->current);
            give_back(seat);
        }
        if (must_pause(executor, actor))
            break;
    }
    offer_room(seat);
    tsuga_executor_enqueue(executor, seat);
}

static void begin(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;
    tsuga_body_fn *first = actor->first;
    void *argument = actor->argument;

    if (!executor->has_thieves || actor->is_pinned)
        tsuga_turn_settle(seat);
    actor->status = TSUGA_ACTOR_READY;
    drop_first(actor);
    if (first != NULL)
        first(actor, argument);
    tsuga_turn_give_back(seat);
    if (actor->behaviour == NULL)
        end(seat, is_stopping(actor) ? stop_reason(actor) : TSUGA_NORMAL);
    else if (is_stopping(actor))
        end(seat, stop_reason(actor));
    else
        handle_messages(executor, seat);
}

/* Drops the loop's own stack and goes on where the actor blocked; or lets it sleep on. */
static void resume(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_stack *stack = seat->wait->stack;

    if (!is_wait_over(seat)) {
        offer_room_to_all(seat); /* to who asked meanwhile */
        if (!falls_asleep(executor, seat))
            tsuga_executor_enqueue(executor, seat);
        return;
    }
    end_wait(executor, seat);
    tsuga_stack_switch_abandon(&executor->stacks, stack);
}

void tsuga_turn_run(struct tsuga_executor *executor, struct tsuga_seat *seat)
{
    struct tsuga_actor *actor = &seat->actor;
    enum tsuga_stop_level level;

    begin_slice(executor, seat);
    tsuga_turn_collect(seat);
    level = tsuga_actor_stop_level(actor); /* a linked actor's end may just have raised it */
    if (level != (enum tsuga_stop_level)actor->seen_stop) {
        if (actor->seen_stop == TSUGA_STOP_NONE)
            notice_stop(executor, seat);
        actor->seen_stop = (uint8_t)level;
    }
    if (level == TSUGA_STOP_FORCED)
        abandon(executor, seat);
    else if (actor->status == TSUGA_ACTOR_BLOCKED)
        resume(executor, seat);
    else if (is_stop(actor, level))
        end(seat, stop_reason(actor));
    else if (actor->status == TSUGA_ACTOR_FRESH)
        begin(executor, seat);
    else
        handle_messages(executor, seat);
}

/* The next actor, if it blocks and can go on at once: then the one that blocks now needs no loop in
 * between, nor a stack for it. NULL: the loop has to look. */
static struct tsuga_seat *next_to_resume(struct tsuga_executor *executor)
{
    struct tsuga_seat *next = tsuga_executor_peek(executor);

    if (next == NULL || next->actor.status != TSUGA_ACTOR_BLOCKED)
        return NULL;
    tsuga_turn_collect(next);
    if (tsuga_actor_stop_level(&next->actor) != (enum tsuga_stop_level)next->actor.seen_stop ||
        !is_wait_over(next))
        return NULL;
    return next;
}

/* What the loop and resume() would do. */
static void hand_over(struct tsuga_executor *executor, struct tsuga_seat *next)
{
    struct tsuga_stack *stack = next->wait->stack;

    tsuga_executor_take_peeked(executor);
    begin_slice(executor, next);
    end_wait(executor, next);
    tsuga_stack_switch(&executor->stacks, stack);
}

/* Where the executor goes on when an actor blocks: the next one, or a stack for the loop. */
static int find_successor(struct tsuga_executor *executor, struct tsuga_seat **next,
                          struct tsuga_stack **fresh)
{
    if (tsuga_executor_is_child(executor))
        return -ECHILD;
    *next = next_to_resume(executor);
    return *next != NULL || tsuga_stack_acquire(&executor->stacks, fresh) == 0 ? 0 : -ENOBUFS;
}

int tsuga_turn_block(struct tsuga_seat *seat, struct tsuga_wait *wait)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_seat *next;
    struct tsuga_stack *fresh;
    int error = find_successor(executor, &next, &fresh);

    if (error != 0) {
        (void)tsuga_timers_cancel(&executor->timers, &wait->alarm.timer);
        tsuga_list_remove(&wait->link);
        return error;
    }
    if (wait->kind == TSUGA_WAIT_TURN)
        offer_room(seat);
    else
        offer_room_to_all(seat);
    wait->stack = tsuga_stack_current(&executor->stacks);
    seat->wait = wait;
    seat->actor.status = TSUGA_ACTOR_BLOCKED;
    /* Before the switch: whatever comes from now on finds the actor asleep and queues it, and it
     * runs at the earliest in the loop on the other stack. */
    if (wait->kind == TSUGA_WAIT_TURN || !falls_asleep(executor, seat))
        tsuga_executor_enqueue(executor, seat);
    if (next != NULL)
        hand_over(executor, next);
    else
        tsuga_stack_start(&executor->stacks, fresh, tsuga_executor_loop, executor);
    /* end_wait() has put everything back, and an actor with a stack never changes its thread. */
    return 0;
}

/* The loop after an exit: the stack that the actor stood on is back in the pool, so that there is
 * one again for the next exit. */
static void go_on(void *context)
{
    struct tsuga_executor *executor = context;

    TSUGA_VERIFY(tsuga_stack_acquire(&executor->stacks, &executor->exit_stack) == 0);
    tsuga_executor_loop(executor);
}

void tsuga_exit(struct tsuga_actor *self, int reason)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    if (reason == -ECANCELED && is_stopping(self)) /* it passes on what its calls answer */
        reason = stop_reason(self);
    end(seat, reason);
    /* Kept for this: an exit must not depend on how many actors block. */
    tsuga_stack_start_abandon(&executor->stacks, executor->exit_stack, go_on, executor);
}

void tsuga_turn_pause(struct tsuga_seat *seat)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    executor->slice_messages++;
    /* Without a stack to go on with, or when it is being stopped, the actor just goes on. */
    if (is_slice_used(executor))
        (void)tsuga_yield(&seat->actor);
}

int tsuga_yield(struct tsuga_actor *self)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_wait wait = {.kind = TSUGA_WAIT_TURN, .seat = seat};
    int error;

    if (is_stopping(self))
        return -ECANCELED;
    (void)read_clock(tsuga_seat_home(seat));
    tsuga_turn_prepare(&wait);
    error = tsuga_turn_block(seat, &wait);
    if (error != 0)
        return error;
    return is_stopping(self) ? -ECANCELED : 0;
}
