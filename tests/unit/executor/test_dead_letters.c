/* Messages that reach nobody: the hook hears of each, and of what the counter counts. */
#include <errno.h>
#include <string.h>

#include "tests/support/gate.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define TEAM     "team"
#define HEARD    16u
#define CAPACITY 2u
#define POSTS    500u
#define MS       UINT64_C(1000000)

static const char text[] = "to nobody";

/* What the hook heard, in order; on one executor, or when no two threads find any. */
struct heard {
    struct tsuga_dead_letter letters[HEARD];
    size_t count;
    struct tsuga_scarce_memory scarce;
};

static void hear(void *context, const struct tsuga_dead_letter *letter)
{
    struct heard *heard = context;

    CHECK(heard->count < HEARD);
    CHECK_UINT(letter->bytes, sizeof(text));
    CHECK(memcmp(letter->data, text, sizeof(text)) == 0);
    heard->letters[heard->count++] = *letter;
}

static struct tsuga_setup setup_of(tsuga_dead_letter_fn *hook, void *context)
{
    return (struct tsuga_setup){
        .config.mailbox = {.capacity = CAPACITY, .dead_letter = hook, .context = context}};
}

static void check_heard(const struct heard *heard, size_t at, uint64_t tag, int reason)
{
    CHECK(at < heard->count);
    CHECK_UINT(heard->letters[at].tag, tag);
    CHECK_INT(heard->letters[at].reason, reason);
}

static int deliver(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag)
{
    return tsuga_send(self, to, tag, text, sizeof(text));
}

static void take(struct tsuga_actor *self, enum tsuga_message_kind kind)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_kind(message), kind);
}

static void end_at_once(struct tsuga_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

/* An actor that has been spawned and has had no turn yet. */
static struct tsuga_id spawn_child(struct tsuga_actor *self, enum tsuga_full full)
{
    struct tsuga_spawn_options options = {.body = end_at_once, .mailbox_full = full};
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, &id, NULL), 0);
    return id;
}

static void send_to_the_dead(struct tsuga_actor *self, void *argument)
{
    struct heard *heard = argument;
    struct tsuga_id id = spawn_child(self, TSUGA_FULL_FAIL);

    CHECK_INT(deliver(self, id, 1), 0);
    CHECK_UINT(heard->count, 0);
    take(self, TSUGA_MESSAGE_DOWN);
    CHECK_UINT(heard->count, 1); /* it ended, and had not read it */
    CHECK_INT(deliver(self, id, 2), -ESRCH);
    CHECK_UINT(heard->count, 2);
    for (size_t i = 0; i < 2; i++) {
        check_heard(heard, i, i + 1, -ESRCH);
        CHECK_UINT(heard->letters[i].from.value, tsuga_self(self).value);
        CHECK_UINT(heard->letters[i].to.value, id.value);
        CHECK_PTR(heard->letters[i].runtime, tsuga_runtime_of(self));
    }
}

TEST(dead_letters, to_the_dead_are_heard_of)
{
    struct heard heard = {.count = 0};
    const struct tsuga_setup setup = setup_of(hear, &heard);

    CHECK_UINT(tsuga_world_run(&setup, send_to_the_dead, &heard).dead_letters, 2);
}

static void send_to_the_full(struct tsuga_actor *self, void *argument)
{
    struct heard *heard = argument;
    struct tsuga_id failing = spawn_child(self, TSUGA_FULL_FAIL);
    struct tsuga_id dropping = spawn_child(self, TSUGA_FULL_DROP);

    for (uint64_t tag = 0; tag < CAPACITY; tag++) {
        CHECK_INT(deliver(self, failing, tag), 0);
        CHECK_INT(deliver(self, dropping, tag), 0);
    }
    CHECK_INT(deliver(self, failing, 7), -EAGAIN); /* the sender knows, and has it still */
    CHECK_UINT(heard->count, 0);
    CHECK_INT(deliver(self, dropping, 8), 0);
    CHECK_UINT(heard->count, 1);
    check_heard(heard, 0, 8, -EAGAIN);
    CHECK_UINT(heard->letters[0].to.value, dropping.value);
    take(self, TSUGA_MESSAGE_DOWN);
    take(self, TSUGA_MESSAGE_DOWN);
}

TEST(dead_letters, of_a_full_mailbox_are_those_that_it_drops)
{
    struct heard heard = {.count = 0};
    const struct tsuga_setup setup = setup_of(hear, &heard);

    CHECK_UINT(tsuga_world_run(&setup, send_to_the_full, &heard).dead_letters, 1 + 2 * CAPACITY);
}

static void broadcast_to_the_full(struct tsuga_actor *self, void *argument)
{
    struct heard *heard = argument;

    CHECK_INT(tsuga_team_join(self, TEAM), 0);
    for (uint64_t tag = 0; tag < CAPACITY + 1; tag++)
        CHECK_INT(tsuga_broadcast(self, TEAM, tag, text, sizeof(text)), tag < CAPACITY);
    CHECK_UINT(heard->count, 1);
    check_heard(heard, 0, CAPACITY, -EAGAIN);
    CHECK_UINT(heard->letters[0].to.value, tsuga_self(self).value);
    take(self, TSUGA_MESSAGE_USER);
    take(self, TSUGA_MESSAGE_USER);
}

TEST(dead_letters, of_a_broadcast_are_those_whom_it_did_not_reach)
{
    struct heard heard = {.count = 0};
    const struct tsuga_setup setup = setup_of(hear, &heard);

    CHECK_UINT(tsuga_world_run(&setup, broadcast_to_the_full, &heard).dead_letters, 1);
}

static void send_without_memory(struct tsuga_actor *self, void *argument)
{
    struct heard *heard = argument;
    struct tsuga_mail mail = {
        .to = tsuga_self(self), .tag = 4, .data = text, .bytes = sizeof(text)};
    struct tsuga_timer_ref timer;

    CHECK_INT(tsuga_team_join(self, TEAM), 0);
    heard->scarce.calls_to_failure = 2; /* the bulletin, and then the letter */
    CHECK_INT(tsuga_broadcast(self, TEAM, 3, text, sizeof(text)), 0);
    CHECK_UINT(heard->count, 1);
    check_heard(heard, 0, 3, -ENOMEM);
    CHECK_UINT(heard->letters[0].from.value, tsuga_self(self).value);
    CHECK_INT(tsuga_send_every(self, &mail, MS, &timer), 0);
    heard->scarce.fails_on = true;
    heard->scarce.calls_to_failure = 1;
    while (heard->count < 2)
        CHECK_INT(tsuga_yield(self), 0);
    heard->scarce.calls_to_failure = 0;
    check_heard(heard, 1, 4, -ENOMEM);
    CHECK_UINT(heard->letters[1].to.value, tsuga_self(self).value);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
}

TEST(dead_letters, without_memory_are_heard_of_all_the_same)
{
    struct heard heard = {.count = 0};
    struct tsuga_setup setup = setup_of(hear, &heard);

    tsuga_scarce_memory_init(&heard.scarce);
    setup.backing = &heard.scarce.backing;
    (void)tsuga_world_run(&setup, send_without_memory, &heard);
    CHECK_INT(heard.scarce.live_count, 0);
}

TEST(dead_letters, of_threads_come_from_nobody)
{
    struct heard heard = {.count = 0};
    const struct tsuga_setup setup = setup_of(hear, &heard);
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_post(run.runtime, (struct tsuga_id){77}, 5, text, sizeof(text)), -ESRCH);
    CHECK_UINT(heard.count, 1);
    check_heard(&heard, 0, 5, -ESRCH);
    CHECK_UINT(heard.letters[0].from.value, 0);
    CHECK_UINT(heard.letters[0].to.value, 77);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.dead_letters, 1);
}

/* What the chat server does: who does not keep up is stopped. */

struct court {
    _Atomic uint64_t heard;
    struct tsuga_gate begun;
    struct tsuga_gate ended;
};

static void stop_the_slow(void *context, const struct tsuga_dead_letter *letter)
{
    struct court *court = context;

    atomic_fetch_add(&court->heard, 1);
    if (letter->reason == -EAGAIN)
        (void)tsuga_actor_stop(letter->runtime, letter->to);
}

/* Takes none of what comes. */
static void dawdle(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = 99};
    struct court *court = argument;
    const struct tsuga_message *message;

    tsuga_gate_raise(&court->begun);
    CHECK_INT(tsuga_receive(self, &nothing, TSUGA_FOREVER, &message), -ECANCELED);
    tsuga_gate_raise(&court->ended);
}

TEST(dead_letters, may_stop_whom_they_were_for)
{
    struct court court = {.heard = 0};
    struct tsuga_setup setup = setup_of(stop_the_slow, &court);
    struct tsuga_run run;
    struct tsuga_id ids[2];
    size_t posted = 0;

    setup.config.executor.threads = 2;
    setup.config.mailbox.full = TSUGA_FULL_DROP;
    tsuga_world_start(&setup, &run);
    for (size_t i = 0; i < 2; i++)
        ids[i] = tsuga_world_spawn(&run, dawdle, &court);
    tsuga_gate_await(&court.begun, 2);
    while (tsuga_gate_height(&court.ended) < 2)
        (void)tsuga_post(run.runtime, ids[posted++ % 2], 1, NULL, 0);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.dead_letters, atomic_load(&court.heard));
}

/* Hooks on many threads, as many as find one. */

static void post_in_vain(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < POSTS; i++)
        CHECK_INT(deliver(self, (struct tsuga_id){77}, i), -ESRCH);
}

TEST(dead_letters, are_heard_of_once_each_whoever_finds_them)
{
    struct court court = {.heard = 0};
    struct tsuga_setup setup = setup_of(stop_the_slow, &court);
    struct tsuga_run run;

    setup.config.executor.threads = 3;
    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < 6; i++) {
        struct tsuga_spawn_options options = {
            .body = post_in_vain, .placement = TSUGA_PLACE_EXECUTOR, .executor = i % 3};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
    CHECK_UINT(atomic_load(&court.heard), 6 * POSTS);
    CHECK_UINT(run.stats.dead_letters, 6 * POSTS);
}
