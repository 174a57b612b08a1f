/* What becomes of a message when the receiver's mailbox is full. */
#include <errno.h>
#include <string.h>

#include "tests/support/blocked.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define CAPACITY 3u
#define SENDERS  5u
#define EACH     200u
#define NEVER_MS 3600000u

/* A receiver that takes nothing before it is told to, and what the senders find. */
struct stall {
    struct tsuga_run run;
    struct tsuga_id receiver;
    struct tsuga_gate open; /* the receiver may take */
    uint32_t expected;      /* messages that it takes before it ends */
    uint32_t taken;
    uint64_t next[SENDERS]; /* of each sender */
    struct tsuga_gate done; /* senders that have ended */
    int results[SENDERS];
};

struct payload {
    uint64_t sender;
    uint64_t number;
    char text[40];
};

static struct payload payload_of(uint64_t sender, uint64_t number)
{
    struct payload payload = {.sender = sender, .number = number};

    memset(payload.text, 'a' + (int)((sender + number) % 26), sizeof(payload.text));
    return payload;
}

static void take_one(struct stall *stall, const struct tsuga_message *message)
{
    const struct payload *got = tsuga_message_data(message);
    struct payload expected;

    CHECK_UINT(tsuga_message_bytes(message), sizeof(*got));
    CHECK(got->sender < SENDERS);
    expected = payload_of(got->sender, stall->next[got->sender]++);
    CHECK(memcmp(got, &expected, sizeof(expected)) == 0);
    stall->taken++;
}

static void receive_when_open(struct tsuga_actor *self, void *argument)
{
    struct stall *stall = argument;
    struct tsuga_select opening = {.by_tag = true, .tag = 1};
    const struct tsuga_message *message;

    /* A wait that takes none of the senders' messages, so that the mailbox stays full. */
    while (tsuga_gate_height(&stall->open) == 0) {
        int error = tsuga_receive(self, &opening, 100000, &message);

        /* Forced to end between two waits, and so not abandoned in one. */
        if (error == -ECANCELED)
            return;
        CHECK_INT(error, -ETIMEDOUT);
    }
    while (stall->taken < stall->expected) {
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        take_one(stall, message);
    }
}

static void open_stall(struct stall *stall, enum tsuga_full full, uint32_t threads)
{
    struct tsuga_setup setup = {.config = {.executor.threads = threads,
                                           .actor.stop_ms = NEVER_MS,
                                           .mailbox = {.capacity = CAPACITY, .full = full}}};
    struct tsuga_spawn_options options = {.body = receive_when_open, .argument = stall};

    tsuga_world_start(&setup, &stall->run);
    CHECK_INT(tsuga_spawn(stall->run.runtime, &options, &stall->receiver), 0);
}

static int post(struct stall *stall, uint64_t number)
{
    struct payload payload = payload_of(0, number);

    return tsuga_post(stall->run.runtime, stall->receiver, 0, &payload, sizeof(payload));
}

TEST(executor, a_full_mailbox_fails_the_sender_by_default)
{
    struct stall stall = {.expected = CAPACITY};

    open_stall(&stall, TSUGA_FULL_DEFAULT, 1);
    for (uint64_t i = 0; i < CAPACITY; i++)
        CHECK_INT(post(&stall, i), 0);
    CHECK_INT(post(&stall, CAPACITY), -EAGAIN);
    tsuga_gate_raise(&stall.open);
    tsuga_world_end(&stall.run);
    CHECK_UINT(stall.taken, CAPACITY);
    CHECK_UINT(stall.run.stats.messages_sent, CAPACITY);
    CHECK_UINT(stall.run.stats.dead_letters, 0);
}

TEST(executor, room_comes_back_when_messages_are_taken)
{
    struct stall stall = {.expected = CAPACITY + EACH};
    uint64_t number;

    open_stall(&stall, TSUGA_FULL_FAIL, 1);
    for (number = 0; number < CAPACITY; number++)
        CHECK_INT(post(&stall, number), 0);
    tsuga_gate_raise(&stall.open);
    while (number < CAPACITY + EACH) {
        int error = post(&stall, number);

        CHECK(error == 0 || error == -EAGAIN);
        number += error == 0;
    }
    tsuga_world_end(&stall.run);
    CHECK_UINT(stall.taken, CAPACITY + EACH);
}

TEST(executor, drop_counts_what_does_not_fit)
{
    struct stall stall = {.expected = CAPACITY};

    open_stall(&stall, TSUGA_FULL_DROP, 1);
    for (uint64_t i = 0; i < CAPACITY + 4; i++)
        CHECK_INT(post(&stall, i), 0);
    tsuga_gate_raise(&stall.open);
    tsuga_world_end(&stall.run);
    CHECK_UINT(stall.taken, CAPACITY);
    CHECK_UINT(stall.run.stats.messages_sent, CAPACITY);
    CHECK_UINT(stall.run.stats.dead_letters, 4);
}

TEST(executor, block_does_not_hold_up_threads)
{
    struct stall stall = {.expected = CAPACITY};

    open_stall(&stall, TSUGA_FULL_BLOCK, 1);
    for (uint64_t i = 0; i < CAPACITY; i++)
        CHECK_INT(post(&stall, i), 0);
    CHECK_INT(post(&stall, CAPACITY), -EAGAIN);
    tsuga_gate_raise(&stall.open);
    tsuga_world_end(&stall.run);
}

/* One that sends many, and is told apart by its number. */
struct sender {
    struct stall *stall;
    uint64_t number;
};

static void send_many(struct tsuga_actor *self, void *argument)
{
    struct sender *sender = argument;
    struct stall *stall = sender->stall;
    int error = 0;

    for (uint64_t i = 0; i < EACH && error == 0; i++) {
        struct payload payload = payload_of(sender->number, i);

        error = tsuga_send(self, stall->receiver, 0, &payload, sizeof(payload));
    }
    stall->results[sender->number] = error;
    tsuga_gate_raise(&stall->done);
}

static void spawn_senders(struct stall *stall, struct sender *senders, struct tsuga_id *ids)
{
    struct tsuga_spawn_options options = {.body = send_many};

    for (uint64_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){stall, i};
        options.argument = &senders[i];
        CHECK_INT(tsuga_spawn(stall->run.runtime, &options, &ids[i]), 0);
    }
}

static void block_and_deliver(uint32_t threads)
{
    struct stall stall = {.expected = SENDERS * EACH};
    struct sender senders[SENDERS];
    struct tsuga_id ids[SENDERS];

    open_stall(&stall, TSUGA_FULL_BLOCK, threads);
    spawn_senders(&stall, senders, ids);
    tsuga_blocked_await(stall.run.runtime, SENDERS + 1);
    tsuga_gate_raise(&stall.open);
    tsuga_world_end(&stall.run);
    CHECK_UINT(stall.taken, SENDERS * EACH);
    for (uint32_t i = 0; i < SENDERS; i++) {
        CHECK_UINT(stall.next[i], EACH);
        CHECK_INT(stall.results[i], 0);
    }
}

TEST(executor, block_lets_every_message_through_in_its_senders_order)
{
    block_and_deliver(1);
}

TEST(executor, block_works_between_executors)
{
    block_and_deliver(3);
}

TEST(executor, senders_that_wait_hear_of_the_receivers_end)
{
    struct stall stall = {.expected = 0};
    struct sender senders[SENDERS];
    struct tsuga_id ids[SENDERS];

    open_stall(&stall, TSUGA_FULL_BLOCK, 2);
    spawn_senders(&stall, senders, ids);
    tsuga_blocked_await(stall.run.runtime, SENDERS + 1);
    tsuga_gate_raise(&stall.open);
    tsuga_world_end(&stall.run);
    for (uint32_t i = 0; i < SENDERS; i++)
        CHECK_INT(stall.results[i], -ESRCH);
    CHECK_UINT(stall.run.stats.dead_letters, CAPACITY + SENDERS);
}

TEST(executor, a_stop_ends_the_wait_for_room)
{
    struct stall stall = {.expected = CAPACITY};
    struct sender senders[SENDERS];
    struct tsuga_id ids[SENDERS];

    open_stall(&stall, TSUGA_FULL_BLOCK, 2);
    spawn_senders(&stall, senders, ids);
    tsuga_blocked_await(stall.run.runtime, SENDERS + 1);
    for (uint32_t i = 0; i < SENDERS; i++)
        CHECK_INT(tsuga_actor_stop(stall.run.runtime, ids[i]), 0);
    tsuga_gate_await(&stall.done, SENDERS);
    tsuga_gate_raise(&stall.open);
    tsuga_world_end(&stall.run);
    CHECK_UINT(stall.taken, CAPACITY);
    for (uint32_t i = 0; i < SENDERS; i++)
        CHECK_INT(stall.results[i], -ECANCELED);
}

/* Everybody is forced to end while the senders wait: the answers find nobody. */
TEST(executor, an_answer_to_the_dead_is_nobodys)
{
    struct stall stall = {.expected = SENDERS * EACH};
    struct sender senders[SENDERS];
    struct tsuga_id ids[SENDERS];

    open_stall(&stall, TSUGA_FULL_BLOCK, 2);
    spawn_senders(&stall, senders, ids);
    tsuga_blocked_await(stall.run.runtime, SENDERS + 1);
    tsuga_stop(stall.run.runtime, TSUGA_STOP_NOW);
    tsuga_world_end(&stall.run);
    CHECK_UINT(stall.taken, 0);
}

static void send_without_a_stack(struct tsuga_actor *self, void *argument)
{
    struct stall *stall = argument;
    int error;

    do
        error = tsuga_send(self, stall->receiver, 0, NULL, 0);
    while (error == 0);
    stall->results[0] = error;
    tsuga_gate_raise(&stall->done);
}

static void ignore_for_ever(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = 99};
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_receive(self, &nothing, TSUGA_FOREVER, &message), -ECANCELED);
}

TEST(executor, waiting_for_room_without_a_stack_is_enobufs)
{
    struct tsuga_setup setup = {
        .config = {.stack.count_max = 1, .mailbox = {.capacity = 1, .full = TSUGA_FULL_BLOCK}}};
    struct stall stall = {.expected = 0};

    tsuga_world_start(&setup, &stall.run);
    stall.receiver = tsuga_world_spawn(&stall.run, ignore_for_ever, NULL);
    tsuga_blocked_await(stall.run.runtime, 1);
    (void)tsuga_world_spawn(&stall.run, send_without_a_stack, &stall);
    tsuga_gate_await(&stall.done, 1);
    CHECK_INT(tsuga_actor_stop(stall.run.runtime, stall.receiver), 0);
    tsuga_world_end(&stall.run);
    CHECK_INT(stall.results[0], -ENOBUFS);
}
