/* Ports: what a thread beside the runtime hears of actors, says to them, and is not kept from. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "executor/ports.h"
#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#include <tsuga_sim.h>

#define LONG_NS (20 * TSUGA_NS_PER_S) /* nothing here takes as long unless it has gone wrong */

static struct tsuga_port *open_port(struct tsuga_run *run, uint32_t capacity, enum tsuga_full full)
{
    struct tsuga_port_options options = {.name = "port", .capacity = capacity, .full = full};
    struct tsuga_port *port;

    CHECK_INT(tsuga_port_open(run->runtime, &options, &port), 0);
    return port;
}

static const struct tsuga_message *take(struct tsuga_port *port, enum tsuga_message_kind kind)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_port_take(port, LONG_NS, &message), 0);
    CHECK_INT(tsuga_message_kind(message), kind);
    return message;
}

static void check_nothing_waits(struct tsuga_port *port)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_port_take(port, 0, &message), -ETIMEDOUT);
}

/* Whether the descriptor is readable within a time. */
static bool is_readable(struct tsuga_port *port, int limit_ms)
{
    struct pollfd polled = {.fd = tsuga_port_fd(port), .events = POLLIN};

    CHECK(polled.fd >= 0);
    return poll(&polled, 1, limit_ms) == 1;
}

/* Sends so many messages to a port, each with its number and a content. */
struct sender {
    struct tsuga_id to;
    uint64_t count;
    struct tsuga_gate *sent; /* raised once for each that was accepted; may be NULL */
    int refusals;            /* how often a full port may answer before that is enough */
    int error;               /* the last one */
};

static int send_one(struct tsuga_actor *self, const struct sender *sender, uint64_t number)
{
    unsigned char content[100];

    tsuga_content_fill(content, sizeof(content), number, 0);
    return tsuga_send(self, sender->to, number, content, sizeof(content));
}

static void send_all(struct tsuga_actor *self, void *argument)
{
    struct sender *sender = argument;

    for (uint64_t number = 0; number < sender->count;) {
        sender->error = send_one(self, sender, number);
        if (sender->error == 0) {
            number++;
            if (sender->sent != NULL)
                tsuga_gate_raise(sender->sent);
        } else if (sender->error != -EAGAIN || sender->refusals-- == 0) {
            return;
        }
        /* One of the tests stops the runtime as soon as it knows of the last message. */
        if (tsuga_yield(self) == -ECANCELED)
            return;
    }
}

static void check_content(const struct tsuga_message *message, uint64_t number)
{
    CHECK_UINT(tsuga_message_tag(message), number);
    CHECK_UINT(tsuga_message_bytes(message), 100);
    tsuga_content_check(tsuga_message_data(message), 100, number, 0);
}

TEST(ports, take_what_actors_send_in_order)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct sender sender = {.count = 2000};
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(&setup, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    check_nothing_waits(port);
    sender.to = tsuga_port_id(port);
    id = tsuga_world_spawn(&run, send_all, &sender);
    for (uint64_t number = 0; number < sender.count; number++) {
        const struct tsuga_message *message = take(port, TSUGA_MESSAGE_USER);

        check_content(message, number);
        CHECK(tsuga_id_equal(tsuga_message_from(message), id));
    }
    check_nothing_waits(port);
    tsuga_port_close(port);
    tsuga_port_close(NULL);
    tsuga_world_end(&run);
    CHECK_INT(sender.error, 0);
}

/* Answers whoever sends. */
static void echo(struct tsuga_actor *self, const struct tsuga_message *message)
{
    CHECK_INT(tsuga_send(self, tsuga_message_from(message), tsuga_message_tag(message) + 1,
                         tsuga_message_data(message), tsuga_message_bytes(message)),
              0);
}

TEST(ports, are_answered_by_actors)
{
    struct tsuga_spawn_options options = {.behaviour = echo};
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    for (uint64_t i = 0; i < 100; i++) {
        const struct tsuga_message *message;

        CHECK_INT(tsuga_port_send(port, id, i, &i, sizeof(i)), 0);
        message = take(port, TSUGA_MESSAGE_USER);
        CHECK_UINT(tsuga_message_tag(message), i + 1);
        CHECK_UINT(*(const uint64_t *)tsuga_message_data(message), i);
        CHECK(tsuga_id_equal(tsuga_message_from(message), id));
        CHECK_PTR(tsuga_port_lease(message, NULL), NULL);
    }
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, LONG_NS, NULL), 0);
    CHECK_INT(tsuga_port_send(port, id, 0, NULL, 0), -ESRCH);
    CHECK_INT(tsuga_port_send(port, id, 0, NULL, 1), -EINVAL);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, have_a_descriptor_that_is_readable_while_messages_wait)
{
    struct tsuga_gate sent = {0};
    struct sender sender = {.count = 3, .sent = &sent};
    struct tsuga_run run;
    struct tsuga_port *port;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    CHECK(!is_readable(port, 0));
    CHECK_INT(tsuga_port_fd(port), tsuga_port_fd(port));
    sender.to = tsuga_port_id(port);
    for (int round = 0; round < 50; round++) {
        (void)tsuga_world_spawn(&run, send_all, &sender);
        for (uint64_t number = 0; number < sender.count; number++) {
            CHECK(is_readable(port, 20000));
            check_content(take(port, TSUGA_MESSAGE_USER), number);
        }
        check_nothing_waits(port);
        /* One that a sender was just about to raise may be raised once more, for nothing. */
        if (is_readable(port, 0))
            check_nothing_waits(port);
    }
    CHECK_INT(tsuga_port_send(port, tsuga_port_id(port), 0, NULL, 0), 0);
    CHECK(is_readable(port, 20000));
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, give_a_descriptor_to_messages_that_wait_already)
{
    struct tsuga_gate sent = {0};
    struct sender sender = {.count = 2, .sent = &sent};
    struct tsuga_run run;
    struct tsuga_port *port;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    sender.to = tsuga_port_id(port);
    (void)tsuga_world_spawn(&run, send_all, &sender);
    check_content(take(port, TSUGA_MESSAGE_USER), 0);
    tsuga_gate_await(&sent, 2);
    CHECK(is_readable(port, 20000));
    check_content(take(port, TSUGA_MESSAGE_USER), 1);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

/* Threads of a test. */
struct crowd {
    struct tsuga_runtime *runtime;
    struct tsuga_id id;
    struct tsuga_gate gate;
    _Atomic uint64_t received;
};

/* Ends of actors. */

static void exit_with(struct tsuga_actor *self, void *argument)
{
    tsuga_exit(self, *(const int *)argument);
}

static void sleep_on(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    (void)!tsuga_receive(self, NULL, TSUGA_FOREVER, &message);
}

TEST(ports, hear_true_reasons_of_those_that_they_spawn)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_spawn_options bad = {0};
    struct tsuga_run run;
    struct tsuga_port *port;

    tsuga_world_start(&setup, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    CHECK_INT(tsuga_port_spawn(port, &bad, 0, NULL), -EINVAL);
    for (int i = 0; i < 500; i++) {
        int reason = -1 - i % 50;
        struct tsuga_spawn_options options = {.body = exit_with, .argument = &reason};
        const struct tsuga_message *message;
        struct tsuga_id id;

        CHECK_INT(tsuga_port_spawn(port, &options, (uint64_t)i, &id), 0);
        message = take(port, TSUGA_MESSAGE_DOWN);
        CHECK_UINT(tsuga_message_tag(message), i);
        CHECK(tsuga_id_equal(tsuga_message_down(message)->id, id));
        CHECK_INT(tsuga_message_down(message)->reason, reason);
        CHECK_UINT(tsuga_message_down(message)->monitor.value, 0);
        CHECK(tsuga_message_down(message)->is_reclaimed);
    }
    check_nothing_waits(port);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, watch_actors)
{
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    CHECK_INT(tsuga_port_monitor(port, tsuga_port_id(port), 0), -EINVAL);
    id = tsuga_world_spawn(&run, sleep_on, NULL);
    CHECK_INT(tsuga_port_monitor(port, id, 5), 0);
    CHECK_INT(tsuga_port_monitor(port, id, 5), 0);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    for (int i = 0; i < 2; i++) {
        const struct tsuga_message *message = take(port, TSUGA_MESSAGE_DOWN);

        CHECK_UINT(tsuga_message_tag(message), 5);
        CHECK_INT(tsuga_message_down(message)->reason, TSUGA_STOPPED);
    }
    CHECK_INT(tsuga_port_monitor(port, id, 6), 0);
    CHECK_INT(tsuga_message_down(take(port, TSUGA_MESSAGE_DOWN))->reason, -ESRCH);
    /* One watches on when the port goes, and one has not been told of its end. */
    id = tsuga_world_spawn(&run, sleep_on, NULL);
    CHECK_INT(tsuga_port_monitor(port, id, 7), 0);
    CHECK_INT(tsuga_port_monitor(port, (struct tsuga_id){UINT64_MAX}, 8), 0);
    tsuga_port_close(port);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    tsuga_world_end(&run);
}

/* The port goes while what it watches comes and goes. */
TEST(ports, may_close_while_watching)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_run run;
    int reason = -EIO;

    tsuga_world_start(&setup, &run);
    for (int i = 0; i < 300; i++) {
        struct tsuga_spawn_options options = {.body = exit_with, .argument = &reason};
        struct tsuga_port *port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
        struct tsuga_id id;

        CHECK_INT(tsuga_port_spawn(port, &options, 0, &id), 0);
        CHECK_INT(tsuga_port_monitor(port, id, 0), 0);
        tsuga_port_close(port);
    }
    tsuga_world_end(&run);
}

/* A runtime that stops while threads give out ends of monitors: whatever is overtaken by what, each
 * is given back once. */
static void *watch_on(void *argument)
{
    struct crowd *crowd = argument;
    int error;

    do {
        struct tsuga_port *port;

        error = tsuga_port_open(crowd->runtime, NULL, &port);
        for (int i = 0; i < 5 && error == 0; i++)
            error = tsuga_port_monitor(port, crowd->id, 0);
        tsuga_gate_raise(&crowd->gate);
        if (error == 0)
            tsuga_port_close(port);
    } while (error == 0);
    CHECK_INT(error, -ESHUTDOWN);
    return NULL;
}

TEST(ports, are_stopped_while_they_are_given_monitors)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};

    for (int round = 0; round < 20; round++) {
        struct crowd crowd = {.received = 0};
        struct tsuga_run run;
        pthread_t thread;

        tsuga_world_start(&setup, &run);
        crowd.runtime = run.runtime;
        crowd.id = tsuga_world_spawn(&run, sleep_on, NULL);
        CHECK_INT(pthread_create(&thread, NULL, watch_on, &crowd), 0);
        tsuga_gate_await(&crowd.gate, 3);
        tsuga_stop(run.runtime, TSUGA_STOP_NOW);
        CHECK_INT(pthread_join(thread, NULL), 0);
        tsuga_world_end(&run);
    }
}

static void wait_inside(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    struct tsuga_port *port;

    (void)argument;
    CHECK_INT(tsuga_actor_wait(tsuga_runtime_of(self), tsuga_self(self), 0, NULL), -EDEADLK);
    CHECK_INT(tsuga_port_open(tsuga_runtime_of(self), NULL, &port), 0);
    CHECK_INT(tsuga_port_take(port, 1, &message), -EDEADLK);
    CHECK_INT(tsuga_port_take(port, 0, &message), -ETIMEDOUT);
    tsuga_port_close(port);
}

TEST(ports, threads_wait_for_an_end_with_a_limit)
{
    struct tsuga_down down = {0};
    struct tsuga_run run;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    (void)tsuga_world_spawn(&run, wait_inside, NULL);
    id = tsuga_world_spawn(&run, sleep_on, NULL);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, 0, &down), -ETIMEDOUT);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, TSUGA_NS_PER_MS, &down), -ETIMEDOUT);
    CHECK_UINT(down.id.value, 0);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, TSUGA_FOREVER, &down), 0);
    CHECK(tsuga_id_equal(down.id, id));
    CHECK_INT(tsuga_actor_wait(run.runtime, id, LONG_NS, &down), 0);
    CHECK_INT(down.reason, -ESRCH);
    tsuga_world_end(&run);
}

struct sleeper {
    struct tsuga_gate told;
    struct tsuga_gate may_go;
};

/* Told to stop, it ends when the test says so, with a reason. */
static void end_late(struct tsuga_actor *self, void *argument)
{
    struct sleeper *sleeper = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    tsuga_gate_raise(&sleeper->told);
    tsuga_gate_await(&sleeper->may_go, 1);
    tsuga_exit(self, -ENODATA);
}

static void *let_go(void *argument)
{
    struct sleeper *sleeper = argument;

    tsuga_gate_await(&sleeper->told, 1);
    tsuga_gate_raise(&sleeper->may_go);
    return NULL;
}

TEST(ports, threads_wait_for_ends_of_a_runtime_that_stops)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct sleeper sleeper = {0};
    struct tsuga_spawn_options options = {.body = end_late,
                                          .argument = &sleeper,
                                          .receives_stop = true,
                                          .placement = TSUGA_PLACE_EXECUTOR};
    struct tsuga_down down;
    struct tsuga_run run;
    struct tsuga_id id;
    pthread_t thread;

    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &id), 0);
    tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
    CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), -ESHUTDOWN);
    CHECK_INT(pthread_create(&thread, NULL, let_go, &sleeper), 0);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, TSUGA_FOREVER, &down), 0);
    CHECK(down.reason == -ENODATA || down.reason == -ESRCH); /* it may be over already */
    CHECK_INT(pthread_join(thread, NULL), 0);
    tsuga_stop(run.runtime, TSUGA_STOP_NOW);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, TSUGA_FOREVER, &down), -ESHUTDOWN);
    tsuga_world_end(&run);
}

/* The runtime's stop. */

static void say_last_words(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_id *port = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_STOP);
    CHECK_INT(tsuga_send(self, *port, 77, NULL, 0), 0);
}

TEST(ports, hear_of_a_graceful_stop_and_of_what_is_said_after_it)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;
    struct tsuga_spawn_options options = {
        .body = say_last_words, .argument = &id, .receives_stop = true};
    bool seen[2] = {false, false};

    tsuga_world_start(&setup, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    id = tsuga_port_id(port);
    CHECK_INT(tsuga_port_spawn(port, &options, 0, NULL), 0);
    tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
    for (int i = 0; i < 3; i++) {
        const struct tsuga_message *message;

        CHECK_INT(tsuga_port_take(port, LONG_NS, &message), 0);
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP)
            seen[0] = true;
        else if (tsuga_message_kind(message) == TSUGA_MESSAGE_DOWN)
            CHECK(seen[1]); /* behind its last words */
        else
            seen[1] = tsuga_message_tag(message) == 77;
    }
    CHECK(seen[0]);
    CHECK(seen[1]);
    check_nothing_waits(port);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, keep_what_had_come_when_the_runtime_is_stopped_at_once)
{
    struct tsuga_gate sent = {0};
    struct sender sender = {.count = 2, .sent = &sent};
    const struct tsuga_message *message;
    struct tsuga_run run;
    struct tsuga_port *port;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    sender.to = tsuga_port_id(port);
    (void)tsuga_world_spawn(&run, send_all, &sender);
    check_content(take(port, TSUGA_MESSAGE_USER), 0);
    CHECK(is_readable(port, 20000)); /* the second one is out of the mailbox */
    tsuga_stop(run.runtime, TSUGA_STOP_NOW);
    CHECK_INT(tsuga_join(run.runtime), 0);
    CHECK(is_readable(port, 0));
    check_content(take(port, TSUGA_MESSAGE_USER), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(tsuga_port_take(port, TSUGA_FOREVER, &message), -ESHUTDOWN);
        CHECK(is_readable(port, 0));
    }
    CHECK_INT(tsuga_port_monitor(port, sender.to, 0), -EINVAL);
    CHECK_INT(tsuga_port_monitor(port, (struct tsuga_id){UINT64_MAX}, 0), -ESHUTDOWN);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, forgotten_ones_end_with_the_runtime)
{
    struct tsuga_gate sent = {0};
    struct sender sender = {.count = 20, .sent = &sent};
    struct tsuga_run run;
    struct tsuga_port *ports[3];

    tsuga_world_start(NULL, &run);
    for (int i = 0; i < 3; i++)
        ports[i] = open_port(&run, 2, TSUGA_FULL_BLOCK);
    CHECK(tsuga_port_fd(ports[1]) >= 0);
    sender.to = tsuga_port_id(ports[1]);
    (void)tsuga_world_spawn(&run, send_all, &sender);
    check_content(take(ports[1], TSUGA_MESSAGE_USER), 0);
    tsuga_gate_await(&sent, 3);
    tsuga_stop(run.runtime, TSUGA_STOP_NOW);
    tsuga_world_end(&run); /* counts descriptors, and lease bytes; ASan counts the rest */
}

/* Limits. */

TEST(ports, refuse_what_is_beyond_their_capacity)
{
    struct tsuga_gate sent = {0};
    struct sender sender = {.count = 100, .sent = &sent, .refusals = 3};
    struct tsuga_run run;
    struct tsuga_port *port;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 2, TSUGA_FULL_FAIL);
    sender.to = tsuga_port_id(port);
    CHECK_INT(tsuga_actor_wait(run.runtime, tsuga_world_spawn(&run, send_all, &sender),
                               TSUGA_FOREVER, NULL),
              0);
    CHECK_INT(sender.error, -EAGAIN);
    CHECK_UINT(tsuga_gate_height(&sent), 4); /* as many again as the capacity are ready */
    for (uint64_t number = 0; number < 4; number++)
        check_content(take(port, TSUGA_MESSAGE_USER), number);
    check_nothing_waits(port);
    sender.count = 4;
    (void)tsuga_world_spawn(&run, send_all, &sender);
    for (uint64_t number = 0; number < 4; number++)
        check_content(take(port, TSUGA_MESSAGE_USER), number);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, lose_nothing_to_senders_that_block)
{
    static const uint32_t capacities[] = {1, 2, 7};
    struct tsuga_setup setup = {.config.executor.threads = 2};

    for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        struct sender sender = {.count = 500};
        struct tsuga_run run;
        struct tsuga_port *port;

        tsuga_world_start(&setup, &run);
        port = open_port(&run, capacities[i], TSUGA_FULL_BLOCK);
        sender.to = tsuga_port_id(port);
        (void)tsuga_world_spawn(&run, send_all, &sender);
        for (uint64_t number = 0; number < sender.count; number++)
            check_content(take(port, TSUGA_MESSAGE_USER), number);
        tsuga_port_close(port);
        tsuga_world_end(&run);
        CHECK_INT(sender.error, 0);
    }
}

/* With hardly any stacks the relay cannot wait, and passes on all the same. */
TEST(ports, lose_nothing_without_a_stack_to_wait_on)
{
    struct tsuga_setup setup = {.config.stack.count_max = 2};
    struct sender sender = {.count = 1000};
    struct tsuga_run run;
    struct tsuga_port *port;

    tsuga_world_start(&setup, &run);
    port = open_port(&run, 4, TSUGA_FULL_FAIL);
    sender.to = tsuga_port_id(port);
    sender.refusals = INT32_MAX;
    (void)tsuga_world_spawn(&run, send_all, &sender);
    for (uint64_t number = 0; number < sender.count; number++)
        check_content(take(port, TSUGA_MESSAGE_USER), number);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

TEST(ports, may_close_while_a_sender_waits)
{
    struct tsuga_gate sent = {0};
    struct sender sender = {.count = 100, .sent = &sent};
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 2, TSUGA_FULL_BLOCK);
    sender.to = tsuga_port_id(port);
    id = tsuga_world_spawn(&run, send_all, &sender);
    tsuga_gate_await(&sent, 4);
    tsuga_port_close(port);
    CHECK_INT(tsuga_actor_wait(run.runtime, id, LONG_NS, NULL), 0);
    CHECK_INT(sender.error, -ESRCH);
    tsuga_world_end(&run);
}

/* What actors do with one another. */

static void ask(struct tsuga_actor *self, void *argument)
{
    struct tsuga_mail mail = {.to = *(const struct tsuga_id *)argument, .tag = 3};
    const struct tsuga_message *message;
    int i;

    mail.data = &i;
    mail.bytes = sizeof(i);
    for (i = 0; i < 20; i++) {
        CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), 1000 + i);
        CHECK_UINT(tsuga_message_bytes(message), sizeof(int));
        CHECK_INT(*(const int *)tsuga_message_data(message), i * i);
    }
    CHECK_INT(tsuga_call(self, &mail, LONG_NS, &message), -ESRCH); /* it closes without a word */
}

TEST(ports, answer_requests)
{
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    id = tsuga_port_id(port);
    (void)tsuga_world_spawn(&run, ask, &id);
    for (int i = 0; i < 20; i++) {
        const struct tsuga_message *message = take(port, TSUGA_MESSAGE_USER);
        int number = *(const int *)tsuga_message_data(message);
        struct tsuga_reply_to to = tsuga_message_reply_to(message);

        number *= number;
        CHECK_INT(tsuga_port_reply(port, to, 1000 + i, &number, sizeof(number)), 0);
    }
    CHECK_INT(tsuga_port_reply(port, (struct tsuga_reply_to){{0}, {0}}, 0, NULL, 0), -EINVAL);
    (void)take(port, TSUGA_MESSAGE_USER);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

static void link_and_crash(struct tsuga_actor *self, void *argument)
{
    CHECK_INT(tsuga_link(self, *(const struct tsuga_id *)argument), 0);
    tsuga_exit(self, -EDOM);
}

static void link_and_watch(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    struct tsuga_id port = *(const struct tsuga_id *)argument;

    tsuga_trap_exits(self, true);
    CHECK_INT(tsuga_link(self, port), 0);
    CHECK_INT(tsuga_monitor(self, port, 0, NULL), 0);
    CHECK_INT(tsuga_send(self, port, 0, NULL, 0), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
        CHECK(tsuga_id_equal(tsuga_message_down(message)->id, port));
        CHECK_INT(tsuga_message_down(message)->reason, TSUGA_STOPPED);
    }
}

TEST(ports, are_linked_and_watched_as_actors_are)
{
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    id = tsuga_port_id(port);
    (void)tsuga_world_spawn(&run, link_and_crash, &id);
    CHECK_INT(tsuga_message_down(take(port, TSUGA_MESSAGE_EXIT))->reason, -EDOM);
    (void)tsuga_world_spawn(&run, link_and_watch, &id);
    (void)take(port, TSUGA_MESSAGE_USER);
    tsuga_port_close(port);
    tsuga_world_end(&run);
}

static void send_lease(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_id *port = argument;
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, 4096, &lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, lease), 4096, 9, 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_send_with_lease(self, *port, 0, "x", 1, lease), 0);
}

TEST(ports, read_leases_where_they_are)
{
    const struct tsuga_message *message;
    struct tsuga_run run;
    struct tsuga_port *port;
    struct tsuga_id id;
    size_t bytes = 0;

    tsuga_world_start(NULL, &run);
    port = open_port(&run, 0, TSUGA_FULL_DEFAULT);
    id = tsuga_port_id(port);
    (void)tsuga_world_spawn(&run, send_lease, &id);
    message = take(port, TSUGA_MESSAGE_USER);
    CHECK_UINT(tsuga_message_bytes(message), 1);
    tsuga_content_check(tsuga_port_lease(message, &bytes), 4096, 9, 0);
    CHECK_UINT(bytes, 4096);
    tsuga_port_close(port); /* with one that was taken, and one that was not */
    tsuga_world_end(&run);
}

/* Many at once: each thread has a port of its own and asks its echo. */

#define THREADS 4
#define ROUNDS  300u

static void *be_one_of_many(void *argument)
{
    struct crowd *crowd = argument;
    struct tsuga_spawn_options options = {.behaviour = echo};
    const struct tsuga_message *message;
    struct tsuga_port *port;
    struct tsuga_id id;

    CHECK_INT(tsuga_port_open(crowd->runtime, NULL, &port), 0);
    CHECK_INT(tsuga_port_spawn(port, &options, 0, &id), 0);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        unsigned char content[64];

        tsuga_content_fill(content, sizeof(content), i, 0);
        CHECK_INT(tsuga_port_send(port, id, i, content, sizeof(content)), 0);
        if (i % 3 == 0) /* two under way from time to time */
            CHECK_INT(tsuga_port_send(port, tsuga_port_id(port), i + 1, content, sizeof(content)),
                      0);
        for (uint64_t n = i % 3 == 0 ? 2 : 1; n > 0; n--) {
            message = take(port, TSUGA_MESSAGE_USER);
            CHECK_UINT(tsuga_message_tag(message), i + 1);
            tsuga_content_check(tsuga_message_data(message), sizeof(content), i, 0);
            atomic_fetch_add_explicit(&crowd->received, 1, memory_order_relaxed);
        }
    }
    CHECK_INT(tsuga_actor_stop(crowd->runtime, id), 0);
    CHECK_INT(tsuga_message_down(take(port, TSUGA_MESSAGE_DOWN))->reason, TSUGA_STOPPED);
    tsuga_port_close(port);
    return NULL;
}

TEST(ports, serve_many_threads_at_once)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct crowd crowd = {.received = 0};
    pthread_t threads[THREADS];
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    crowd.runtime = run.runtime;
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, be_one_of_many, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    tsuga_world_end(&run);
    CHECK_UINT(crowd.received, THREADS * (ROUNDS + ROUNDS / 3));
}

/* In a simulated world, with a virtual clock. */

TEST(ports, stand_in_a_simulation)
{
    struct tsuga_sim_options options = {.seed = tsuga_test_seed()};
    struct tsuga_config config = {.executor.threads = 3};
    struct sender sender = {.count = 600};
    struct tsuga_spawn_options spawned = {.body = send_all, .argument = &sender};
    struct tsuga_port_options few = {.capacity = 3, .full = TSUGA_FULL_BLOCK};
    const struct tsuga_message *message;
    struct tsuga_runtime *runtime;
    struct tsuga_port *port;
    struct tsuga_sim *sim;

    CHECK_INT(tsuga_sim_make(&options, &sim), 0);
    CHECK_INT(tsuga_sim_start(sim, &config, &runtime), 0);
    CHECK_INT(tsuga_port_open(runtime, &few, &port), 0);
    CHECK(tsuga_port_fd(port) >= 0);
    sender.to = tsuga_port_id(port);
    CHECK_INT(tsuga_port_spawn(port, &spawned, 1, NULL), 0);
    for (uint64_t number = 0; number < sender.count; number++)
        check_content(take(port, TSUGA_MESSAGE_USER), number);
    CHECK_INT(tsuga_message_down(take(port, TSUGA_MESSAGE_DOWN))->reason, TSUGA_NORMAL);
    CHECK_INT(tsuga_port_take(port, TSUGA_NS_PER_S, &message), -ETIMEDOUT);
    tsuga_port_close(port);
    tsuga_destroy(runtime);
    tsuga_sim_destroy(sim);
}
