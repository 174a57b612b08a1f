/* One actor sends a million messages, which another one counts. */
#include "tests/bench/savina/savina.h"

#define MESSAGE_COUNT 1000000u

enum { COUNT = 1, TELL };

struct counter {
    struct tsuga_id root;
    uint64_t count;
};

struct producer {
    struct tsuga_id counter;
};

static void count(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct counter *counter = savina_player(self);

    if (tsuga_message_tag(message) == COUNT) {
        counter->count++;
        return;
    }
    savina_send(self, counter->root, counter->count);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void produce(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct producer *producer = savina_player(self);

    (void)message;
    for (uint32_t i = 0; i < MESSAGE_COUNT; i++)
        savina_send(self, producer->counter, COUNT);
    savina_send(self, producer->counter, TELL);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct counter counter = {.root = tsuga_self(self)};
    struct producer producer = {.counter = savina_spawn(self, count, &counter)};

    (void)argument;
    savina_send(self, savina_spawn(self, produce, &producer), 0);
    savina_expect("messages counted", savina_collect(self, 1), MESSAGE_COUNT);
}

const struct savina_case savina_counting = {
    "counting actor", "1000000 messages", "message", MESSAGE_COUNT, 40, run};
