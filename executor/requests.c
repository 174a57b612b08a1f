/*
 * Requests and replies. A request is a letter with a number, and a tie to whom it goes, which
 * answers if that ends first; a time limit is a reply that the caller sends to itself. Whatever
 * comes first takes the tie away, and what comes later finds no tie of that number: numbers are
 * never used again, so no reply can meet another request.
 */
#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/ties.h"
#include "executor/turn.h"

/* A reply's letter carries this behind its payload. */
static struct tsuga_reply reply_in(const struct tsuga_letter *letter)
{
    struct tsuga_reply reply;

    memcpy(&reply, letter->payload + letter->payload_bytes, sizeof(reply));
    return reply;
}

static struct tsuga_letter *letter_of(const struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);
}

/* here  whose letters are at hand, or NULL. */
static struct tsuga_letter *write_reply(struct tsuga_shared *shared, struct tsuga_executor *here,
                                        struct tsuga_request request,
                                        const struct tsuga_answer *answer)
{
    struct tsuga_reply reply = {.request = request, .result = answer->result};
    struct tsuga_letter *letter = tsuga_letters_take(here != NULL ? &here->letters : NULL,
                                                     shared->memory, answer->bytes + sizeof(reply));

    if (letter == NULL)
        return NULL;
    letter->head.tag = 0;
    letter->head.lane = TSUGA_LANE_SYSTEM;
    letter->head.type = TSUGA_TYPE_REPLY;
    letter->head.flags = 0;
    letter->payload_bytes = (uint32_t)answer->bytes;
    if (answer->bytes > 0)
        memcpy(letter->payload, answer->data, answer->bytes);
    memcpy(letter->payload + answer->bytes, &reply, sizeof(reply));
    return letter;
}

/* The request has its answer, or needs none any more. */
static void settle(struct tsuga_seat *seat, struct tsuga_tie *tie)
{
    struct tsuga_timer_ref timer = tie->timer;

    tsuga_tie_leave(seat, tie);
    if (timer.value != 0)
        (void)tsuga_timer_cancel(&seat->actor, timer);
}

void tsuga_requests_handle(struct tsuga_seat *seat, struct tsuga_message *message)
{
    struct tsuga_reply reply = reply_in(letter_of(message));
    struct tsuga_tie *tie = tsuga_tie_find(&seat->actor, TSUGA_TIE_REQUEST, reply.request.value);

    if (tie == NULL || tie->ends[0].state != TSUGA_TIE_TIED) {
        tsuga_executor_discard(tsuga_seat_home(seat), message);
        return;
    }
    message->tag = tie->ends[1].message.tag;
    message->lane = TSUGA_LANE_USER;
    settle(seat, tie);
    tsuga_mailbox_put(&seat->actor.mailbox, message);
}

static int check(const void *data, size_t bytes)
{
    if (bytes > TSUGA_LETTER_BYTES_MAX - sizeof(struct tsuga_reply))
        return -EMSGSIZE;
    return bytes > 0 && data == NULL ? -EINVAL : 0;
}

/* The letter first: it may have to wait for room, and what follows may not. */
static int send_request(struct tsuga_seat *seat, const struct tsuga_mail *mail,
                        struct tsuga_tie *tie)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_letter *letter =
        tsuga_executor_write(executor->shared, executor, mail->tag, mail->data, mail->bytes);
    int error;

    if (letter == NULL)
        return -ENOMEM;
    letter->head.flags |= TSUGA_MESSAGE_REQUEST;
    letter->attachment = (void *)(uintptr_t)tie->name;
    error = tsuga_executor_send(executor->shared, executor, seat, mail->to, letter);
    return error == -ECHRNG ? -EAGAIN : error;
}

/* A time limit as a reply to oneself; TSUGA_FOREVER sets none. It is made before the letter goes,
 * when it may still fail, and its time begins afterwards: the letter may have to wait for room. */
static int make_limit(struct tsuga_seat *seat, struct tsuga_tie *tie, uint64_t timeout_ns)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_letter *letter;

    if (timeout_ns == TSUGA_FOREVER)
        return 0;
    letter = write_reply(executor->shared, executor, (struct tsuga_request){tie->name},
                         &(struct tsuga_answer){.result = -ETIMEDOUT});
    if (letter == NULL)
        return -ENOMEM;
    return tsuga_timed_arm(seat, letter, tsuga_actor_id(&seat->actor), TSUGA_FOREVER, &tie->timer);
}

/* A request under way; its tie is the only thing to be kept in mind. */
static int start(struct tsuga_seat *seat, const struct tsuga_mail *mail, uint64_t timeout_ns,
                 struct tsuga_tie **out)
{
    struct tsuga_tie *tie;
    int error = mail == NULL ? -EINVAL : check(mail->data, mail->bytes);

    if (error != 0)
        return error;
    if (tsuga_id_equal(mail->to, tsuga_actor_id(&seat->actor)))
        return -EDEADLK;
    tie = tsuga_tie_make(seat, TSUGA_TIE_REQUEST, mail->to, mail->tag);
    if (tie == NULL)
        return -ENOMEM;
    error = make_limit(seat, tie, timeout_ns);
    if (error == 0)
        error = send_request(seat, mail, tie);
    if (error != 0) {
        if (tie->timer.value != 0)
            (void)tsuga_timer_cancel(&seat->actor, tie->timer);
        tsuga_tie_free(seat, tie);
        return error;
    }
    if (tie->timer.value != 0)
        tsuga_timed_begin(seat, tie->timer, timeout_ns);
    tsuga_tie_open(seat, tie);
    *out = tie;
    return 0;
}

int tsuga_request(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t timeout_ns,
                  struct tsuga_request *out)
{
    struct tsuga_tie *tie;
    int error = start(tsuga_seat_of(self), mail, timeout_ns, &tie);

    if (error == 0 && out != NULL)
        out->value = tie->name;
    return error;
}

int tsuga_request_cancel(struct tsuga_actor *self, struct tsuga_request request)
{
    struct tsuga_tie *tie = tsuga_tie_find(self, TSUGA_TIE_REQUEST, request.value);

    if (request.value == 0)
        return -EINVAL;
    if (tie == NULL)
        return -ENOENT;
    settle(tsuga_seat_of(self), tie);
    return 0;
}

static bool is_answer(const struct tsuga_message *message, void *context)
{
    const struct tsuga_request *request = context;

    return tsuga_message_reply(message).request.value == request->value;
}

int tsuga_call(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t timeout_ns,
               const struct tsuga_message **out)
{
    struct tsuga_request request;
    struct tsuga_select select = {.accepts = is_answer, .context = &request};
    struct tsuga_tie *tie;
    int error = start(tsuga_seat_of(self), mail, TSUGA_FOREVER, &tie);

    if (error != 0)
        return error;
    request.value = tie->name;
    error = tsuga_receive(self, &select, timeout_ns, out);
    if (error != 0) {
        (void)tsuga_request_cancel(self, request);
        return error;
    }
    return tsuga_message_reply(*out).result;
}

struct tsuga_reply tsuga_message_reply(const struct tsuga_message *message)
{
    if (message->type == TSUGA_TYPE_REPLY)
        return reply_in(letter_of(message));
    if (message->type == TSUGA_TYPE_UNANSWERED)
        return (struct tsuga_reply){{tsuga_tie_of_message(message)->name}, -ESRCH};
    return (struct tsuga_reply){{0}, 0};
}

struct tsuga_reply_to tsuga_message_reply_to(const struct tsuga_message *message)
{
    const struct tsuga_letter *letter = letter_of(message);

    if (message->type != TSUGA_TYPE_USER || (message->flags & TSUGA_MESSAGE_REQUEST) == 0)
        return (struct tsuga_reply_to){{0}, {0}};
    return (struct tsuga_reply_to){letter->from, {(uint64_t)(uintptr_t)letter->attachment}};
}

int tsuga_requests_answer(struct tsuga_shared *shared, struct tsuga_executor *here,
                          struct tsuga_id from, struct tsuga_reply_to to,
                          const struct tsuga_answer *answer)
{
    struct tsuga_letter *letter;
    int error = to.request.value == 0 ? -EINVAL : check(answer->data, answer->bytes);

    if (error != 0)
        return error;
    letter = write_reply(shared, here, to.request, answer);
    if (letter == NULL)
        return -ENOMEM;
    letter->from = from;
    error = tsuga_executor_deliver(shared, here, to.id, &letter->head);
    if (error != 0)
        tsuga_letters_give(here != NULL ? &here->letters : NULL, shared->memory, letter);
    else if (here != NULL)
        tsuga_count(&here->counters.messages_sent, 1);
    else
        atomic_fetch_add_explicit(&shared->foreign_messages, 1, memory_order_relaxed);
    return error;
}

int tsuga_reply(struct tsuga_actor *self, struct tsuga_reply_to to, int result, const void *data,
                size_t bytes)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));

    return tsuga_requests_answer(executor->shared, executor, tsuga_actor_id(self), to,
                                 &(struct tsuga_answer){result, data, bytes});
}
