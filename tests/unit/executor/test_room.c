/* Which of the senders that wait for room are called when there is some. */
#include <errno.h>

#include "executor/executor.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SENDERS_MAX 40u
#define EACH        200u
#define SLICE       64u
#define WAIT_NS     (10 * TSUGA_NS_PER_S)

/* A receiver, and senders that it has spawned, on one executor. */
struct room {
    struct tsuga_setup setup;
    struct tsuga_run run;
    uint32_t sender_count;
    uint32_t first_count;       /* messages of the first sender */
    uint32_t each;              /* of each other one */
    uint32_t sent[SENDERS_MAX]; /* of each: for which there was room */
    struct tsuga_id receiver;
};

struct sender {
    struct room *room;
    uint32_t index;
};

static void send_each(struct tsuga_actor *self, void *argument)
{
    struct sender *sender = argument;
    struct room *room = sender->room;
    uint32_t count = sender->index == 0 ? room->first_count : room->each;
    uint32_t *sent = &room->sent[sender->index];

    for (*sent = 0; *sent < count; ++*sent) {
        int error = tsuga_send(self, room->receiver, sender->index, NULL, 0);

        if (error == -ESRCH) /* it has seen enough */
            return;
        CHECK_INT(error, 0);
    }
}

/* Each sender runs until it waits for room, or has no more to send. */
static void let_all_send(struct tsuga_actor *self, struct room *room)
{
    static struct sender senders[SENDERS_MAX];

    room->receiver = tsuga_self(self);
    for (uint32_t i = 0; i < room->sender_count; i++) {
        struct tsuga_spawn_options options = {.body = send_each, .argument = &senders[i]};

        senders[i] = (struct sender){.room = room, .index = i};
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    }
    CHECK_INT(tsuga_yield(self), 0);
}

static void check_next(struct tsuga_actor *self, uint64_t tag)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), tag);
}

static void play(struct room *room, tsuga_body_fn *receive, uint32_t capacity)
{
    struct tsuga_spawn_options options = {.body = receive,
                                          .argument = room,
                                          .mailbox_capacity = capacity,
                                          .mailbox_full = TSUGA_FULL_BLOCK};

    /* Turns end by their count of messages alone. */
    room->setup.config.executor.threads = 1;
    room->setup.config.executor.time_slice_us = 10000000;
    room->setup.config.executor.slice_messages = SLICE;
    tsuga_world_start(&room->setup, &room->run);
    CHECK_INT(tsuga_spawn(room->run.runtime, &options, NULL), 0);
    tsuga_world_end(&room->run);
}

static void take_in_order(struct tsuga_actor *self, void *argument)
{
    struct room *room = argument;

    let_all_send(self, room);
    for (uint32_t i = 0; i < room->sender_count; i++)
        check_next(self, i);
}

TEST(room, goes_first_to_who_has_waited_longest)
{
    struct room room = {.sender_count = 5, .first_count = 1, .each = 1};

    play(&room, take_in_order, 1);
}

static void take_all(struct tsuga_actor *self, void *argument)
{
    struct room *room = argument;
    const struct tsuga_message *message;

    let_all_send(self, room);
    for (uint32_t i = 0; i < SENDERS_MAX * EACH; i++)
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
}

TEST(room, calls_few_while_one_can_fill_it)
{
    struct room room = {.sender_count = SENDERS_MAX, .first_count = EACH, .each = EACH};

    play(&room, take_all, 4 * SLICE);
    /* If all were called each time, more than every second message would cost a turn in vain. */
    CHECK(room.run.stats.turns < SENDERS_MAX * EACH / 8);
}

static void take_one_and_yield(struct tsuga_actor *self, void *argument)
{
    struct room *room = argument;

    let_all_send(self, room);
    CHECK_UINT(room->sent[0], 3);
    CHECK_UINT(room->sent[1], 0);
    check_next(self, 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_UINT(room->sent[0], 4);
    check_next(self, 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_UINT(room->sent[1], 1);
}

TEST(room, is_given_at_the_end_of_a_short_turn)
{
    struct room room = {.sender_count = 2, .first_count = 4, .each = 4};

    play(&room, take_one_and_yield, 3);
}

static void wait_for_the_last(struct tsuga_actor *self, void *argument)
{
    struct room *room = argument;
    struct tsuga_select last = {.by_tag = true, .tag = 2};
    const struct tsuga_message *message;

    let_all_send(self, room);
    check_next(self, 0);
    check_next(self, 0);
    CHECK_INT(tsuga_receive(self, &last, WAIT_NS, &message), 0);
    check_next(self, 0);
    check_next(self, 0);
    check_next(self, 1);
}

TEST(room, is_given_to_all_before_a_wait_that_only_one_of_them_can_end)
{
    struct room room = {.sender_count = 3, .first_count = 4, .each = 1};

    play(&room, wait_for_the_last, 4);
}

/* What a sender posts that was refused before the receiver took its last message, when the receiver
 * has looked for the last time before it waits: with two executors a matter of luck. */
static void want_room(struct tsuga_actor *self, struct tsuga_id from, struct tsuga_id receiver)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    struct tsuga_letter *letter = tsuga_executor_write(executor->shared, executor, 0, NULL, 0);

    CHECK(letter != NULL);
    letter->head.lane = TSUGA_LANE_SYSTEM;
    letter->head.type = TSUGA_TYPE_ROOM_WANTED;
    letter->from = from;
    CHECK_INT(tsuga_executor_deliver(executor->shared, executor, receiver, &letter->head), 0);
}

static bool has_room(struct tsuga_actor *self, struct tsuga_id id)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));

    return tsuga_actor_table_find(&executor->shared->table, id)->has_room;
}

static void wait_for_a_stop(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = 1};
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_receive(self, &nothing, TSUGA_FOREVER, &message), -ECANCELED);
}

static void want_late(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = wait_for_a_stop, .mailbox_capacity = 3};
    struct tsuga_id receiver;
    struct tsuga_id senders[2];

    (void)argument;
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &receiver), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &senders[i]), 0);
    CHECK_INT(tsuga_send(self, receiver, 2, NULL, 0), 0);
    CHECK_INT(tsuga_yield(self), 0); /* the receiver has one message, passes it over, and waits */
    for (int i = 0; i < 2; i++)
        want_room(self, senders[i], receiver);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_yield(self), 0);
    for (int i = 0; i < 2; i++)
        CHECK(has_room(self, senders[i]));
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
}

TEST(room, is_given_to_all_who_ask_a_receiver_that_waits)
{
    struct tsuga_setup setup = {.config.executor.threads = 1};

    (void)tsuga_world_run(&setup, want_late, NULL);
}
