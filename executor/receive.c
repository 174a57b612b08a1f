/* Taking messages: tsuga_receive(), tsuga_await() and what belongs to them. */
#include <errno.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/turn.h"

struct await {
    struct tsuga_io *io;
    const struct tsuga_token *ops;
    size_t op_count;
};

static bool is_any_of(const struct tsuga_message *message, const struct tsuga_token *ops,
                      size_t op_count)
{
    struct tsuga_token token;

    if (message->type != TSUGA_TYPE_COMPLETION)
        return false;
    token = tsuga_record_token(tsuga_record_of(message));
    for (size_t i = 0; i < op_count; i++) {
        if (tsuga_token_equal(token, ops[i]))
            return true;
    }
    return false;
}

static bool is_selected(const struct tsuga_message *message, const void *context)
{
    const struct tsuga_select *select = context;

    if (select->op_count > 0 && !is_any_of(message, select->ops, select->op_count))
        return false;
    if (select->user_only && message->type != TSUGA_TYPE_USER)
        return false;
    if (select->by_tag && (message->type == TSUGA_TYPE_STOP || message->type == TSUGA_TYPE_EXIT ||
                           message->tag != select->tag))
        return false;
    return select->accepts == NULL || select->accepts(message, select->context);
}

static bool is_awaited(const struct tsuga_message *message, const void *context)
{
    const struct await *await = context;

    return is_any_of(message, await->ops, await->op_count);
}

static struct tsuga_message *take(struct tsuga_seat *seat, const struct tsuga_wait *wait)
{
    struct tsuga_mailbox *mailbox = &seat->actor.mailbox;

    if (wait->accepts == NULL)
        return tsuga_mailbox_take_first(mailbox);
    return tsuga_mailbox_take(mailbox, wait->accepts, wait->context);
}

static void ring_wait(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_wait *wait = TSUGA_CONTAINER_OF(alarm, struct tsuga_wait, alarm);

    (void)executor;
    wait->is_over = true;
    tsuga_turn_wake(wait->seat);
}

static void arm(struct tsuga_seat *seat, struct tsuga_wait *wait, uint64_t timeout_ns)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    uint64_t now_ns;

    if (timeout_ns == TSUGA_FOREVER)
        return;
    now_ns = tsuga_clock_now_ns(&executor->shared->clock);
    if (timeout_ns > TSUGA_FOREVER - 1 - now_ns)
        return;
    wait->alarm.ring = ring_wait;
    tsuga_timers_arm(&executor->timers, &wait->alarm.timer, now_ns + timeout_ns);
}

/* Suspends the actor until a message is there that `wait` takes. */
static int block(struct tsuga_seat *seat, struct tsuga_wait *wait, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return -ETIMEDOUT;
    tsuga_turn_prepare(wait);
    arm(seat, wait, timeout_ns);
    return tsuga_turn_block(seat, wait);
}

/* Takes a message, or blocks until one can be taken. A receive that finds its message at once
 * counts against the time slice, so that a body with a full mailbox does not keep its executor. */
static int take_or_wait(struct tsuga_seat *seat, struct tsuga_wait *wait, uint64_t timeout_ns,
                        struct tsuga_message **out)
{
    int error;

    tsuga_turn_pause(seat);
    if (tsuga_turn_is_refused(seat))
        return -ECANCELED;
    tsuga_turn_collect(seat);
    *out = take(seat, wait);
    if (*out != NULL)
        return 0;
    error = block(seat, wait, timeout_ns);
    if (error != 0)
        return error;
    if (tsuga_turn_is_refused(seat))
        return -ECANCELED;
    *out = take(seat, wait);
    return *out != NULL ? 0 : -ETIMEDOUT;
}

/* Waits for a message that `wait` takes, and gives the one before it back. */
static int wait_for(struct tsuga_seat *seat, struct tsuga_wait *wait, uint64_t timeout_ns,
                    struct tsuga_message **out)
{
    int error = take_or_wait(seat, wait, timeout_ns, out);

    if (error != 0)
        return error;
    tsuga_turn_give_back(seat);
    tsuga_turn_take(seat, *out);
    *out = seat->actor.current;
    return 0;
}

int tsuga_receive(struct tsuga_actor *self, const struct tsuga_select *select, uint64_t timeout_ns,
                  const struct tsuga_message **out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_wait wait = {.kind = TSUGA_WAIT_MESSAGE, .seat = seat};
    struct tsuga_message *message;
    int error;

    if (select != NULL) {
        wait.accepts = is_selected;
        wait.context = select;
    }
    error = wait_for(seat, &wait, timeout_ns, &message);
    if (error == 0)
        *out = message;
    return error;
}

static struct tsuga_completion failed(struct tsuga_token op, int error, bool is_over)
{
    return (struct tsuga_completion){
        .op = op, .result = error, .last = is_over, .started = !is_over};
}

/* Each token must name an operation of this actor that is not over: else the wait has no end. */
static int check_tokens(struct tsuga_seat *seat, const struct tsuga_token *ops, size_t op_count,
                        struct tsuga_token *culprit)
{
    struct tsuga_record *record;

    if (op_count == 0)
        return -EINVAL;
    for (size_t i = 0; i < op_count; i++) {
        int error = tsuga_record_find_heard(seat->io, ops[i], &record);

        if (error == 0)
            continue;
        *culprit = ops[i];
        return error;
    }
    return 0;
}

struct tsuga_completion tsuga_await_any(struct tsuga_actor *self, const struct tsuga_token *ops,
                                        size_t op_count, uint64_t timeout_ns)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct await await = {seat->io, ops, op_count};
    struct tsuga_wait wait = {
        .kind = TSUGA_WAIT_MESSAGE, .accepts = is_awaited, .context = &await, .seat = seat};
    struct tsuga_token culprit = {0};
    struct tsuga_message *message;
    int error = check_tokens(seat, ops, op_count, &culprit);

    if (error != 0)
        return failed(culprit, error, true);
    error = wait_for(seat, &wait, timeout_ns, &message);
    if (error != 0)
        return failed((struct tsuga_token){0}, error, false);
    return seat->io->completion;
}

struct tsuga_completion tsuga_await(struct tsuga_actor *self, struct tsuga_token op)
{
    struct tsuga_completion got = tsuga_await_any(self, &op, 1, TSUGA_FOREVER);

    got.op = op;
    return got;
}

const struct tsuga_completion *tsuga_message_completion(const struct tsuga_message *message)
{
    if (message->type != TSUGA_TYPE_COMPLETION && message->type != TSUGA_TYPE_PIECE)
        return NULL;
    return &tsuga_record_of(message)->io->completion;
}

int tsuga_message_keep(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_message *current = self->current;

    if (message == NULL || message != current || current->type != TSUGA_TYPE_USER ||
        (current->flags & TSUGA_MESSAGE_KEPT) != 0)
        return -EINVAL;
    current->flags |= TSUGA_MESSAGE_KEPT;
    current->next = self->kept;
    self->kept = current;
    return 0;
}

int tsuga_message_release(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);

    for (struct tsuga_message **place = &self->kept; *place != NULL; place = &(*place)->next) {
        struct tsuga_message *kept = *place;

        if (kept != message)
            continue;
        *place = kept->next;
        kept->flags &= (uint8_t)~TSUGA_MESSAGE_KEPT;
        if (kept != self->current)
            tsuga_executor_discard(tsuga_seat_home(seat), kept);
        return 0;
    }
    return -EINVAL;
}

int tsuga_message_done(struct tsuga_actor *self)
{
    if (self->current == NULL)
        return -ENOENT;
    tsuga_turn_give_back(tsuga_seat_of(self));
    return 0;
}
