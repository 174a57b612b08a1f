#include "executor/ties.h"

#include <errno.h>

#include "executor/executor.h"
#include "executor/tie_index.h"

/* A name is the executor's count << 8 | the executor. */
#define EXECUTOR_BITS 8u

static struct tsuga_tie_end *end_of_message(struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_tie_end, message);
}

struct tsuga_tie *tsuga_tie_of_message(const struct tsuga_message *message)
{
    return tsuga_tie_of(TSUGA_CONTAINER_OF(message, struct tsuga_tie_end, message));
}

static struct tsuga_tie *make(struct tsuga_shared *shared, enum tsuga_tie_kind kind,
                              struct tsuga_id from, struct tsuga_id to, uint64_t tag)
{
    struct tsuga_tie *tie = tsuga_memory_alloc_zeroed(shared->memory, sizeof(*tie));

    if (tie == NULL)
        return NULL;
    for (uint8_t i = 0; i < 2; i++) {
        tie->ends[i].index = i;
        tie->ends[i].bond.kind = TSUGA_BOND_TIE;
        tie->ends[i].message.lane = TSUGA_LANE_SYSTEM;
        tie->ends[i].message.tag = tag;
    }
    tie->ends[0].id = from;
    tie->ends[1].id = to;
    tie->kind = kind;
    atomic_init(&tie->reference_count, 2);
    return tie;
}

struct tsuga_tie *tsuga_tie_make(struct tsuga_seat *seat, enum tsuga_tie_kind kind,
                                 struct tsuga_id to, uint64_t tag)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_tie *tie = make(executor->shared, kind, tsuga_actor_id(&seat->actor), to, tag);

    if (tie == NULL)
        return NULL;
    if (kind != TSUGA_TIE_LINK)
        tie->name = ++executor->tie_count << EXECUTOR_BITS | executor->index;
    tsuga_bond_tie(&seat->actor.bonds, &tie->ends[0].bond);
    return tie;
}

/* Nobody can end it by a name, so it has none. */
struct tsuga_tie *tsuga_tie_make_foreign(struct tsuga_shared *shared, struct tsuga_id port,
                                         struct tsuga_id to, uint64_t tag)
{
    return make(shared, TSUGA_TIE_MONITOR, port, to, tag);
}

static void drop_shared(struct tsuga_shared *shared, struct tsuga_tie *tie)
{
    /* Whoever frees it comes after all that the other end has done; partner of itself. */
    if (atomic_fetch_sub_explicit(&tie->reference_count, 1, memory_order_acq_rel) == 1)
        tsuga_memory_free(shared->memory, tie, sizeof(*tie));
}

static void drop(struct tsuga_executor *executor, struct tsuga_tie *tie)
{
    drop_shared(executor->shared, tie);
}

static void hold(struct tsuga_actor *actor, struct tsuga_tie_end *end)
{
    end->state = TSUGA_TIE_TIED;
    tsuga_bond_tie(&actor->bonds, &end->bond);
    tsuga_tie_index_add(actor, end);
}

static void let_go(struct tsuga_actor *actor, struct tsuga_tie_end *end)
{
    tsuga_tie_index_remove(actor, end);
    tsuga_bond_untie(&end->bond);
    end->state = TSUGA_TIE_GONE;
}

/* The end's last message, and its reference. */
static void post_last(struct tsuga_shared *shared, struct tsuga_executor *here,
                      struct tsuga_tie_end *end, enum tsuga_message_type type)
{
    struct tsuga_id to = tsuga_tie_other(end)->id;

    end->message.type = (uint8_t)type;
    if (tsuga_executor_deliver(shared, here, to, &end->message) != 0)
        drop_shared(shared, tsuga_tie_of(end));
}

static void send_last(struct tsuga_executor *executor, struct tsuga_tie_end *end,
                      enum tsuga_message_type type)
{
    post_last(executor->shared, executor, end, type);
}

static void send_news(struct tsuga_executor *executor, struct tsuga_tie_end *end, int reason,
                      bool is_reclaimed)
{
    struct tsuga_tie *tie = tsuga_tie_of(end);

    end->down = (struct tsuga_down){
        .id = end->id, .monitor = {tie->name}, .reason = reason, .is_reclaimed = is_reclaimed};
    if (tie->kind == TSUGA_TIE_MONITOR)
        send_last(executor, end, TSUGA_TYPE_DOWN);
    else
        send_last(executor, end,
                  tie->kind == TSUGA_TIE_LINK ? TSUGA_TYPE_EXIT : TSUGA_TYPE_UNANSWERED);
}

void tsuga_tie_free(struct tsuga_seat *seat, struct tsuga_tie *tie)
{
    tsuga_bond_untie(&tie->ends[0].bond);
    tsuga_tie_free_foreign(tsuga_seat_home(seat)->shared, tie);
}

void tsuga_tie_open(struct tsuga_seat *seat, struct tsuga_tie *tie)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_tie_end *end = &tie->ends[1];

    tie->ends[0].state = TSUGA_TIE_TIED;
    tsuga_tie_index_add(&seat->actor, &tie->ends[0]);
    end->message.type = TSUGA_TYPE_TIE;
    if (tsuga_executor_deliver(executor->shared, executor, end->id, &end->message) != 0)
        tsuga_ties_refuse(executor, &end->message);
}

/* End 0 goes to the port. If that has ended, the other end still has its own reference. */
static int hand_over(struct tsuga_shared *shared, struct tsuga_tie *tie)
{
    struct tsuga_tie_end *end = &tie->ends[0];

    end->message.type = TSUGA_TYPE_WATCH;
    if (tsuga_executor_deliver(shared, NULL, end->id, &end->message) == 0)
        return 0;
    drop_shared(shared, tie);
    return -ESHUTDOWN;
}

void tsuga_tie_begin(struct tsuga_shared *shared, struct tsuga_tie *tie, struct tsuga_actor *actor)
{
    tie->ends[1].id = tsuga_actor_id(actor);
    hold(actor, &tie->ends[1]);
    if (tie->ends[0].state == TSUGA_TIE_OPENING)
        (void)!hand_over(shared, tie); /* the new actor lives, whether its port does or not */
}

int tsuga_tie_watch(struct tsuga_shared *shared, struct tsuga_tie *tie)
{
    struct tsuga_tie_end *end = &tie->ends[1];
    int error = hand_over(shared, tie);

    if (error != 0) {
        drop_shared(shared, tie);
        return error;
    }
    end->message.type = TSUGA_TYPE_TIE;
    if (tsuga_executor_deliver(shared, NULL, end->id, &end->message) == 0)
        return 0;
    end->down = (struct tsuga_down){.id = end->id, .reason = -ESRCH, .is_reclaimed = true};
    post_last(shared, NULL, end, TSUGA_TYPE_DOWN);
    return 0;
}

void tsuga_tie_free_foreign(struct tsuga_shared *shared, struct tsuga_tie *tie)
{
    tsuga_memory_free(shared->memory, tie, sizeof(*tie));
}

/* The actor's end goes, and with it what has come from the other. */
static void leave(struct tsuga_seat *seat, struct tsuga_tie_end *end)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_tie *tie = tsuga_tie_of(end);
    bool has_heard = end->state == TSUGA_TIE_HEARD;

    let_go(&seat->actor, end);
    if (!has_heard) {
        send_last(executor, end, TSUGA_TYPE_UNTIE);
        return;
    }
    tsuga_mailbox_remove(&seat->actor.mailbox, &tsuga_tie_other(end)->message);
    drop(executor, tie);
    drop(executor, tie);
}

void tsuga_tie_leave(struct tsuga_seat *seat, struct tsuga_tie *tie)
{
    leave(seat, &tie->ends[0]);
}

struct tsuga_tie *tsuga_tie_find(struct tsuga_actor *actor, enum tsuga_tie_kind kind, uint64_t name)
{
    struct tsuga_tie_end *end =
        tsuga_tie_index_find(actor, (struct tsuga_tie_key){kind, name}, NULL);

    return end != NULL ? tsuga_tie_of(end) : NULL;
}

/* A link with this actor, other than one; NULL when there is none. */
static struct tsuga_tie_end *find_link(struct tsuga_seat *seat, struct tsuga_id id,
                                       const struct tsuga_tie_end *except)
{
    return tsuga_tie_index_find(&seat->actor, (struct tsuga_tie_key){TSUGA_TIE_LINK, id.value},
                                except);
}

static void take_opening(struct tsuga_seat *seat, struct tsuga_tie_end *end)
{
    struct tsuga_id other = tsuga_tie_other(end)->id;

    if (end->state == TSUGA_TIE_GONE) { /* a port's end has overtaken its opening */
        drop(tsuga_seat_home(seat), tsuga_tie_of(end));
        return;
    }
    hold(&seat->actor, end);
    /* Two that link each other at the same time have two links; the same one of them, seen from
     * either side, is given up. */
    if (tsuga_tie_of(end)->kind == TSUGA_TIE_LINK && other.value < end->id.value &&
        find_link(seat, other, end) != NULL)
        leave(seat, end);
}

/* As if the actor had been stopped, but for the reason. */
static void fall_too(struct tsuga_seat *seat, int reason)
{
    struct tsuga_actor *actor = &seat->actor;

    if (reason == TSUGA_NORMAL)
        return;
    if (actor->reason == TSUGA_NORMAL)
        actor->reason = reason;
    (void)!tsuga_actor_raise_stop(actor, tsuga_actor_generation(actor), TSUGA_STOP_ASKED);
}

/* The last message of the other end, which is in use until it is dropped. */
static void take_last(struct tsuga_seat *seat, struct tsuga_tie_end *from)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_tie_end *end = tsuga_tie_other(from);
    struct tsuga_tie *tie = tsuga_tie_of(from);
    enum tsuga_message_type type = (enum tsuga_message_type)from->message.type;

    if (end->state == TSUGA_TIE_GONE || end->state == TSUGA_TIE_OPENING) {
        end->state = TSUGA_TIE_GONE;
        drop(executor, tie);
        return;
    }
    if (type == TSUGA_TYPE_UNANSWERED && tie->timer.value != 0)
        (void)tsuga_timer_cancel(&seat->actor, tie->timer);
    if (type == TSUGA_TYPE_DOWN || type == TSUGA_TYPE_UNANSWERED ||
        (type == TSUGA_TYPE_EXIT && seat->actor.traps_exits)) {
        end->state = TSUGA_TIE_HEARD;
        /* Behind the last words of whoever has ended. */
        from->message.lane = TSUGA_LANE_USER;
        tsuga_mailbox_put(&seat->actor.mailbox, &from->message);
        return;
    }
    let_go(&seat->actor, end);
    if (type == TSUGA_TYPE_EXIT)
        fall_too(seat, from->down.reason);
    drop(executor, tie);
    drop(executor, tie);
}

void tsuga_ties_handle(struct tsuga_seat *seat, struct tsuga_message *message)
{
    if (message->type == TSUGA_TYPE_TIE)
        take_opening(seat, end_of_message(message));
    else if (message->type == TSUGA_TYPE_WATCH)
        hold(&seat->actor, end_of_message(message));
    else
        take_last(seat, end_of_message(message));
}

void tsuga_ties_take(struct tsuga_seat *seat, struct tsuga_message *message)
{
    let_go(&seat->actor, tsuga_tie_other(end_of_message(message)));
}

void tsuga_ties_give_back(struct tsuga_executor *executor, struct tsuga_message *message)
{
    struct tsuga_tie *tie = tsuga_tie_of(end_of_message(message));

    drop(executor, tie);
    drop(executor, tie);
}

void tsuga_ties_refuse(struct tsuga_executor *executor, struct tsuga_message *message)
{
    struct tsuga_tie_end *end = end_of_message(message);

    if (message->type == TSUGA_TYPE_TIE)
        send_news(executor, end, -ESRCH, true);
    else if (message->type == TSUGA_TYPE_WATCH)
        send_last(executor, end, TSUGA_TYPE_UNTIE); /* the port had ended before it came */
    else
        drop(executor, tsuga_tie_of(end));
}

void tsuga_ties_leave(struct tsuga_seat *seat, struct tsuga_obituary *obituary)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_bond *bond;

    tsuga_tie_index_free(&seat->actor);
    while ((bond = tsuga_bond_latest(seat->actor.bonds, TSUGA_BOND_TIE)) != NULL) {
        struct tsuga_tie_end *end = tsuga_tie_end_of_bond(bond);

        tsuga_bond_untie(bond);
        if (end->index == 0 && end->state == TSUGA_TIE_OPENING) { /* nobody knows it yet */
            tsuga_tie_free_foreign(executor->shared, tsuga_tie_of(end));
        } else if (end->state == TSUGA_TIE_HEARD) { /* it is discarded with the mailbox */
            drop(executor, tsuga_tie_of(end));
        } else if (tsuga_tie_of(end)->kind != TSUGA_TIE_LINK && end->index == 0) {
            send_last(executor, end, TSUGA_TYPE_UNTIE);
        } else {
            bond->next = obituary->ends;
            obituary->ends = bond;
        }
    }
}

void tsuga_ties_admit(struct tsuga_message **rest, uint32_t generation,
                      struct tsuga_obituary *obituary)
{
    struct tsuga_message **place = rest;

    while (*place != NULL) {
        struct tsuga_message *message = *place;
        struct tsuga_bond *bond;

        if (message->type != TSUGA_TYPE_TIE || message->to_generation != generation) {
            place = &message->next;
            continue;
        }
        *place = message->next;
        bond = &end_of_message(message)->bond;
        bond->next = obituary->ends;
        obituary->ends = bond;
    }
}

void tsuga_ties_announce(struct tsuga_executor *executor, struct tsuga_obituary *obituary,
                         bool is_reclaimed)
{
    while (obituary->ends != NULL) {
        struct tsuga_bond *bond = obituary->ends;

        obituary->ends = bond->next;
        send_news(executor, tsuga_tie_end_of_bond(bond), obituary->reason, is_reclaimed);
    }
}

/* What users see. */

int tsuga_monitor(struct tsuga_actor *self, struct tsuga_id id, uint64_t tag,
                  struct tsuga_monitor *out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_tie *tie;

    if (tsuga_id_equal(id, tsuga_actor_id(self)))
        return -EINVAL;
    tie = tsuga_tie_make(seat, TSUGA_TIE_MONITOR, id, tag);
    if (tie == NULL)
        return -ENOMEM;
    if (out != NULL)
        out->value = tie->name;
    tsuga_tie_open(seat, tie);
    return 0;
}

int tsuga_demonitor(struct tsuga_actor *self, struct tsuga_monitor monitor)
{
    struct tsuga_tie *tie = tsuga_tie_find(self, TSUGA_TIE_MONITOR, monitor.value);

    if (monitor.value == 0)
        return -EINVAL;
    if (tie == NULL)
        return -ENOENT;
    tsuga_tie_leave(tsuga_seat_of(self), tie);
    return 0;
}

int tsuga_link(struct tsuga_actor *self, struct tsuga_id id)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_tie *tie;

    if (tsuga_id_equal(id, tsuga_actor_id(self)))
        return -EINVAL;
    if (find_link(seat, id, NULL) != NULL)
        return 0;
    tie = tsuga_tie_make(seat, TSUGA_TIE_LINK, id, 0);
    if (tie == NULL)
        return -ENOMEM;
    tsuga_tie_open(seat, tie);
    return 0;
}

int tsuga_unlink(struct tsuga_actor *self, struct tsuga_id id)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_tie_end *end;
    int error = -ENOENT;

    while ((end = find_link(seat, id, NULL)) != NULL) {
        leave(seat, end);
        error = 0;
    }
    return error;
}

void tsuga_trap_exits(struct tsuga_actor *self, bool traps_exits)
{
    self->traps_exits = traps_exits;
}

static int spawn_tied(struct tsuga_actor *self, const struct tsuga_spawn_options *options,
                      struct tsuga_tie *tie)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    int error;

    if (tie == NULL)
        return -ENOMEM;
    /* Before the spawn: the new actor may end before that returns, and its news then come here. */
    tie->ends[0].state = TSUGA_TIE_TIED;
    error = tsuga_shared_spawn(executor->shared, options, &(struct tsuga_birth){.tie = tie}, NULL);
    if (error == 0)
        tsuga_tie_index_add(self, &tie->ends[0]); /* only now is it known who is at the other end */
    else
        tsuga_tie_free(tsuga_seat_of(self), tie);
    return error;
}

int tsuga_spawn_monitored(struct tsuga_actor *self, const struct tsuga_spawn_options *options,
                          uint64_t tag, struct tsuga_id *out, struct tsuga_monitor *monitor)
{
    struct tsuga_tie *tie =
        tsuga_tie_make(tsuga_seat_of(self), TSUGA_TIE_MONITOR, (struct tsuga_id){0}, tag);
    int error = spawn_tied(self, options, tie);

    if (error != 0)
        return error;
    /* Nothing has been taken from the mailbox since, so the tie is still there. */
    if (out != NULL)
        *out = tie->ends[1].id;
    if (monitor != NULL)
        monitor->value = tie->name;
    return 0;
}

int tsuga_spawn_linked(struct tsuga_actor *self, const struct tsuga_spawn_options *options,
                       struct tsuga_id *out)
{
    struct tsuga_tie *tie =
        tsuga_tie_make(tsuga_seat_of(self), TSUGA_TIE_LINK, (struct tsuga_id){0}, 0);
    int error = spawn_tied(self, options, tie);

    if (error == 0 && out != NULL)
        *out = tie->ends[1].id;
    return error;
}

const struct tsuga_down *tsuga_message_down(const struct tsuga_message *message)
{
    if (message->type != TSUGA_TYPE_DOWN && message->type != TSUGA_TYPE_EXIT)
        return NULL;
    return &TSUGA_CONTAINER_OF(message, struct tsuga_tie_end, message)->down;
}
