/* Requests and replies: one answer to each, whoever ends, and whatever comes too late. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LONG_NS (10 * TSUGA_NS_PER_S)

enum { SQUARE = 1, KEEP, ANSWER_KEPT, DIE, IGNORE };

/* A server that squares, and keeps a request to answer it later, when it is too late. */
struct server {
    struct tsuga_reply_to kept;
};

static void serve(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct server *server = tsuga_state(self);
    struct tsuga_reply_to to = tsuga_message_reply_to(message);
    uint64_t number = 0;

    if (tsuga_message_bytes(message) == sizeof(number))
        memcpy(&number, tsuga_message_data(message), sizeof(number));
    number *= number;
    switch (tsuga_message_tag(message)) {
    case SQUARE:
        CHECK_INT(tsuga_reply(self, to, 7, &number, sizeof(number)), 0);
        break;
    case KEEP:
        server->kept = to;
        break;
    case ANSWER_KEPT:
        CHECK_INT(tsuga_reply(self, server->kept, -1, NULL, 0), 0);
        CHECK_INT(tsuga_reply(self, to, 0, NULL, 0), 0);
        CHECK_INT(tsuga_reply(self, to, -1, NULL, 0), 0); /* twice: the second is nobody's */
        break;
    case DIE:
        tsuga_exit(self, -EIO);
    default:
        break;
    }
}

static struct tsuga_id spawn_server(struct tsuga_actor *self, uint32_t executor)
{
    struct tsuga_spawn_options options = {.behaviour = serve,
                                          .state_bytes = sizeof(struct server),
                                          .placement = TSUGA_PLACE_EXECUTOR,
                                          .executor = executor};
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &id), 0);
    return id;
}

static void call(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id servers[2] = {spawn_server(self, 0), spawn_server(self, 1)};
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 42, NULL, 0), 0);
    for (uint64_t i = 0; i < 200; i++) {
        struct tsuga_mail mail = {servers[i % 2], SQUARE, &i, sizeof(i)};
        uint64_t square = i * i;

        CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), 7);
        CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_REPLY);
        CHECK_UINT(tsuga_message_tag(message), SQUARE);
        CHECK_UINT(tsuga_message_bytes(message), sizeof(square));
        CHECK(memcmp(tsuga_message_data(message), &square, sizeof(square)) == 0);
        CHECK(tsuga_id_equal(tsuga_message_from(message), mail.to));
    }
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), 0); /* what waited, waits still */
    CHECK_UINT(tsuga_message_tag(message), 42);
    CHECK_UINT(tsuga_message_reply_to(message).request.value, 0);
    CHECK_UINT(tsuga_message_reply(message).request.value, 0);
    for (size_t i = 0; i < 2; i++)
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), servers[i]), 0);
}

static const struct tsuga_setup two_executors = {.config.executor.threads = 2};

TEST(calls, wait_for_their_own_answer)
{
    (void)tsuga_world_run(&two_executors, call, NULL);
}

static void call_in_vain(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id server = spawn_server(self, 1);
    struct tsuga_mail mail = {.to = server, .tag = KEEP};
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_call(self, NULL, LONG_NS, &message), -EINVAL);
    mail.to = tsuga_self(self);
    CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), -EDEADLK);
    mail.to = (struct tsuga_id){UINT64_MAX};
    CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), -ESRCH);
    mail.to = server;
    CHECK_INT(tsuga_call(self, &mail, TSUGA_NS_PER_MS, &message), -ETIMEDOUT);
    /* The late reply to that is sent before the one to this. */
    mail.tag = ANSWER_KEPT;
    CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), 0);
    mail.tag = DIE;
    CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), -ESRCH);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_REPLY);
    CHECK_UINT(tsuga_message_tag(message), DIE);
    CHECK_UINT(tsuga_message_bytes(message), 0);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), -ETIMEDOUT);
    CHECK_INT(tsuga_reply(self, (struct tsuga_reply_to){0}, 0, NULL, 0), -EINVAL);
    CHECK_INT(tsuga_reply(self, (struct tsuga_reply_to){server, {1}}, 0, NULL, 0), -ESRCH);
}

TEST(calls, are_answered_when_the_callee_is_silent_or_dead)
{
    (void)tsuga_world_run(&two_executors, call_in_vain, NULL);
}

static struct tsuga_reply take_reply(struct tsuga_actor *self, uint64_t tag)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_REPLY);
    CHECK_UINT(tsuga_message_tag(message), tag);
    return tsuga_message_reply(message);
}

static void request(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_mail mail = {.to = spawn_server(self, 0), .tag = KEEP};
    const struct tsuga_message *message;
    struct tsuga_request silent;
    struct tsuga_request dropped;
    struct tsuga_request answered;
    struct tsuga_reply reply;

    CHECK_INT(tsuga_request_cancel(self, (struct tsuga_request){0}), -EINVAL);
    CHECK_INT(tsuga_request(self, &mail, TSUGA_NS_PER_S, &silent), 0);
    CHECK_INT(tsuga_request(self, &mail, TSUGA_NS_PER_S, &dropped), 0);
    CHECK_INT(tsuga_request_cancel(self, dropped), 0);
    CHECK_INT(tsuga_request_cancel(self, dropped), -ENOENT);
    mail.tag = ANSWER_KEPT; /* answers the dropped one, and this */
    CHECK_INT(tsuga_request(self, &mail, TSUGA_NS_PER_S, &answered), 0);
    reply = take_reply(self, ANSWER_KEPT);
    CHECK_UINT(reply.request.value, answered.value);
    CHECK_INT(reply.result, 0);
    CHECK_INT(tsuga_request_cancel(self, answered), -ENOENT);
    tsuga_still_clock_pass(self, still, 2 * TSUGA_NS_PER_S);
    reply = take_reply(self, KEEP);
    CHECK_UINT(reply.request.value, silent.value);
    CHECK_INT(reply.result, -ETIMEDOUT);
    mail.tag = DIE;
    CHECK_INT(tsuga_request(self, &mail, TSUGA_NS_PER_S, &answered), 0);
    reply = take_reply(self, DIE);
    CHECK_UINT(reply.request.value, answered.value);
    CHECK_INT(reply.result, -ESRCH);
    tsuga_still_clock_pass(self, still, 2 * TSUGA_NS_PER_S);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), -ETIMEDOUT);
}

TEST(calls, requests_are_answered_by_message)
{
    struct tsuga_still_clock still;
    const struct tsuga_clock clock = tsuga_still_clock_init(&still);
    const struct tsuga_setup setup = {.clock = &clock};

    (void)tsuga_world_run(&setup, request, &still);
}

/* Callers and servers on two executors, some of which end at random. */

#define PEERS 16u

struct crowd {
    struct tsuga_id ids[PEERS];
};

struct peer {
    struct crowd *crowd;
    uint64_t random;
};

/* Answers what has come meanwhile with its own number, or never. */
static void answer_all(struct tsuga_actor *self, struct peer *peer, uint64_t timeout_ns)
{
    struct tsuga_select sent = {.user_only = true};
    const struct tsuga_message *message;

    while (tsuga_receive(self, &sent, timeout_ns, &message) == 0) {
        struct tsuga_reply_to to = tsuga_message_reply_to(message);
        uint64_t number;

        if (to.request.value == 0 || tsuga_test_random(&peer->random) % 8 == 0)
            continue;
        CHECK_UINT(tsuga_message_bytes(message), sizeof(number));
        memcpy(&number, tsuga_message_data(message), sizeof(number));
        (void)tsuga_reply(self, to, 1, &number, sizeof(number));
        if (tsuga_test_random(&peer->random) % 8 == 0)
            (void)tsuga_reply(self, to, 1, NULL, 0);
    }
}

static void ask_around(struct tsuga_actor *self, void *argument)
{
    struct peer *peer = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    for (unsigned round = 0; round < 100; round++) {
        uint64_t number = tsuga_test_random(&peer->random);
        struct tsuga_mail mail = {peer->crowd->ids[number % PEERS], number, &number,
                                  sizeof(number)};
        int result = tsuga_call(self, &mail, number % TSUGA_NS_PER_MS, &message);

        if (result == 1) {
            CHECK_UINT(tsuga_message_tag(message), number);
            CHECK_UINT(tsuga_message_bytes(message), sizeof(number));
            CHECK(memcmp(tsuga_message_data(message), &number, sizeof(number)) == 0);
        } else {
            CHECK(result == -ESRCH || result == -ETIMEDOUT || result == -EDEADLK);
        }
        (void)!tsuga_request(self, &mail, number % TSUGA_NS_PER_MS, NULL);
        answer_all(self, peer, 0);
        if (number >> 32 < UINT32_MAX / 400)
            tsuga_exit(self, -EIO);
    }
    answer_all(self, peer, TSUGA_NS_PER_MS);
}

TEST(calls, no_reply_reaches_another_request)
{
    uint64_t seed = tsuga_test_seed();
    static struct crowd crowd;
    static struct peer peers[PEERS];
    struct tsuga_run run;

    tsuga_world_start(&two_executors, &run);
    for (uint32_t i = 0; i < PEERS; i++) {
        struct tsuga_spawn_options options = {.body = ask_around, .argument = &peers[i]};

        peers[i] = (struct peer){&crowd, seed + i};
        CHECK_INT(tsuga_spawn(run.runtime, &options, &crowd.ids[i]), 0);
    }
    for (uint32_t i = 0; i < PEERS; i++) /* a request may be the invitation as well */
        (void)tsuga_post(run.runtime, crowd.ids[i], 0, NULL, 0);
    tsuga_world_end(&run);
}
