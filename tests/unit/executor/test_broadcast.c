/* Broadcasts: who gets them, what they see, and what becomes of the rest. */
#include <errno.h>
#include <string.h>

#include "tests/support/gate.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define TEAM     "team"
#define MEMBERS  100u /* more than are listed without an allocation */
#define CAPACITY 2u
#define EACH     300u

static const char text[] = "What many shall read is written once.";

static int shout(struct tsuga_actor *self)
{
    return tsuga_broadcast(self, TEAM, 7, text, sizeof(text));
}

static size_t member_count(struct tsuga_actor *self)
{
    return tsuga_team_members(tsuga_runtime_of(self), TEAM, NULL, 0);
}

static void take(struct tsuga_actor *self, const struct tsuga_message **out)
{
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, out), 0);
}

/* Members that note where they saw the bytes, and keep them until all have. */

struct audience {
    struct tsuga_id speaker;
    const void *places[MEMBERS];
    _Atomic uint32_t place_count;
    struct tsuga_gate joined;
    struct tsuga_gate noted;
};

static void note_place(struct audience *audience, const struct tsuga_message *message)
{
    audience->places[atomic_fetch_add(&audience->place_count, 1)] = tsuga_message_data(message);
    tsuga_gate_raise(&audience->noted);
}

static void listen_once(struct tsuga_actor *self, void *argument)
{
    struct audience *audience = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_team_join(self, TEAM), 0);
    tsuga_gate_raise(&audience->joined);
    take(self, &message);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_USER);
    CHECK_UINT(tsuga_message_tag(message), 7);
    CHECK_UINT(tsuga_message_from(message).value, audience->speaker.value);
    CHECK_UINT(tsuga_message_bytes(message), sizeof(text));
    CHECK(memcmp(tsuga_message_data(message), text, sizeof(text)) == 0);
    CHECK_INT(tsuga_message_keep(self, message), 0);
    note_place(audience, message);
    take(self, &message); /* the end */
}

static void address(struct tsuga_actor *self, void *argument)
{
    struct audience *audience = argument;
    const struct tsuga_message *message;

    tsuga_gate_await(&audience->joined, MEMBERS - 1);
    CHECK_INT(tsuga_team_join(self, TEAM), 0);
    CHECK_INT(shout(self), MEMBERS);
    take(self, &message);
    note_place(audience, message);
    while (tsuga_gate_height(&audience->noted) < MEMBERS)
        CHECK_INT(tsuga_yield(self), 0);
    for (uint32_t i = 0; i < MEMBERS; i++)
        CHECK_PTR(audience->places[i], tsuga_message_data(message));
    CHECK_UINT((uintptr_t)tsuga_message_data(message) % 16, 0);
    CHECK_INT(tsuga_team_leave(self, TEAM), 0);
    CHECK_INT(shout(self), MEMBERS - 1);
}

TEST(broadcast, shows_all_members_the_same_bytes)
{
    const struct tsuga_setup setup = {.config.executor.threads = 3};
    struct audience audience = {.place_count = 0};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 1; i < MEMBERS; i++) {
        struct tsuga_spawn_options options = {.body = listen_once,
                                              .argument = &audience,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = 1 + i % 2};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    audience.speaker = tsuga_world_spawn(&run, address, &audience);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.messages_sent, 2 * MEMBERS - 1);
    CHECK_UINT(run.stats.dead_letters, 0);
}

static void shout_in_vain(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    CHECK_INT(shout(self), 0);
    CHECK_INT(tsuga_broadcast(self, NULL, 0, NULL, 0), 0);
    CHECK_INT(tsuga_team_join(self, TEAM), 0);
    CHECK_INT(tsuga_broadcast(self, TEAM, 0, NULL, 1), -EINVAL);
    CHECK_INT(tsuga_broadcast(self, TEAM, 0, text, SIZE_MAX), -EMSGSIZE);
    CHECK_INT(tsuga_broadcast(self, TEAM, 0, NULL, 0), 1);
    CHECK_INT(tsuga_team_leave(self, TEAM), 0);
    CHECK_INT(shout(self), 0);
}

TEST(broadcast, to_nobody_reaches_nobody)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, shout_in_vain, NULL);

    CHECK_UINT(stats.messages_sent, 1);
    CHECK_UINT(stats.dead_letters, 1); /* the actor ended without having read it */
}

/* One executor, on which nobody reads while the speaker speaks. */

static void sit(struct tsuga_actor *self, const struct tsuga_message *message)
{
    uint64_t *taken = tsuga_state(self);

    CHECK_UINT(tsuga_message_tag(message), *taken);
    (*taken)++;
    if (*taken == CAPACITY)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void enter(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    CHECK_INT(tsuga_team_join(self, TEAM), 0);
}

static void speak_to_the_full(struct tsuga_actor *self, void *argument)
{
    const enum tsuga_full policies[] = {TSUGA_FULL_FAIL, TSUGA_FULL_BLOCK, TSUGA_FULL_DROP};
    struct tsuga_stats stats;

    (void)argument;
    for (size_t i = 0; i < 3; i++) {
        struct tsuga_spawn_options options = {.behaviour = sit,
                                              .start = enter,
                                              .state_bytes = sizeof(uint64_t),
                                              .mailbox_capacity = CAPACITY,
                                              .mailbox_full = policies[i]};

        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    }
    while (member_count(self) < 3)
        CHECK_INT(tsuga_yield(self), 0);
    for (uint64_t tag = 0; tag < CAPACITY + 2; tag++)
        CHECK_INT(tsuga_broadcast(self, TEAM, tag, text, sizeof(text)), tag < CAPACITY ? 3 : 0);
    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    CHECK_UINT(stats.dead_letters, 6);
    while (member_count(self) > 0)
        CHECK_INT(tsuga_yield(self), 0);
}

TEST(broadcast, waits_for_no_full_mailbox)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, speak_to_the_full, NULL);

    CHECK_UINT(stats.messages_sent, 3 * CAPACITY);
    CHECK_UINT(stats.dead_letters, 6);
}

/* Members that end. */

static void join_and_end(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_team_join(self, argument), 0);
    CHECK_INT(tsuga_team_join(self, TEAM), 0);
    take(self, &message);
    CHECK_INT(tsuga_yield(self), 0); /* something unread is in the mailbox when it ends */
}

static void outlive(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = join_and_end, .argument = argument};
    const struct tsuga_message *message;
    struct tsuga_id id;
    struct tsuga_id listed;

    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, &id, NULL), 0);
    while (member_count(self) == 0)
        CHECK_INT(tsuga_yield(self), 0);
    CHECK_UINT(tsuga_team_members(tsuga_runtime_of(self), TEAM, &listed, 1), 1);
    CHECK_UINT(listed.value, id.value);
    CHECK_INT(shout(self), 1);
    CHECK_INT(shout(self), 1);
    take(self, &message);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_DOWN);
    CHECK_UINT(member_count(self), 0);
    CHECK_UINT(tsuga_team_members(tsuga_runtime_of(self), argument, NULL, 0), 0);
    CHECK_INT(shout(self), 0);
}

TEST(broadcast, does_not_go_to_the_dead)
{
    char other[] = "other";
    struct tsuga_stats stats = tsuga_world_run(NULL, outlive, other);

    CHECK_UINT(stats.messages_sent, 2);
    CHECK_UINT(stats.dead_letters, 1);
}

/* Memory that runs out at each call in turn. */

struct shortage {
    struct tsuga_scarce_memory scarce;
    int64_t call;
    int result;
    uint64_t dead_letters;
};

static void join_and_read(struct tsuga_actor *self, const struct tsuga_message *message)
{
    CHECK(memcmp(tsuga_message_data(message), text, sizeof(text)) == 0);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void shout_without_memory(struct tsuga_actor *self, void *argument)
{
    struct shortage *shortage = argument;
    struct tsuga_spawn_options options = {.behaviour = join_and_read, .start = enter};
    struct tsuga_stats stats;

    for (uint32_t i = 0; i < MEMBERS; i++)
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    while (member_count(self) < MEMBERS)
        CHECK_INT(tsuga_yield(self), 0);
    shortage->scarce.calls_to_failure = shortage->call;
    shortage->result = shout(self);
    shortage->scarce.calls_to_failure = 0;
    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    shortage->dead_letters = stats.dead_letters;
    CHECK(shortage->result == -ENOMEM || shortage->result >= (int)MEMBERS - 1);
    while (member_count(self) > 0) {
        if (shortage->result < (int)member_count(self))
            (void)shout(self); /* for whom the first one has not reached */
        CHECK_INT(tsuga_yield(self), 0);
    }
}

TEST(broadcast, without_memory_reaches_nobody_or_counts_whom_it_missed)
{
    struct shortage shortage;

    for (int64_t call = 1; call <= 5; call++) {
        const struct tsuga_setup setup = {.backing = &shortage.scarce.backing};

        tsuga_scarce_memory_init(&shortage.scarce);
        shortage.call = call;
        (void)tsuga_world_run(&setup, shout_without_memory, &shortage);
        CHECK_INT(shortage.scarce.live_count, 0);
        /* The list and the bulletin first; then one letter for each. */
        CHECK_INT(shortage.result, call <= 2 ? -ENOMEM : (int)MEMBERS - 1);
        CHECK_UINT(shortage.dead_letters, call <= 2 ? 0 : 1);
    }
}

/* Members on several executors that come, go, speak, and end, all at once. */

#define CROWD 24u
#define TEAMS 3u

struct note {
    uint64_t speaker;
    uint64_t number;
    char text[100];
};

struct crowd {
    uint64_t seed;
    struct tsuga_id ids[CROWD]; /* under their numbers, once `known` */
    struct tsuga_gate known;
    _Atomic uint64_t reached;
    _Atomic uint64_t taken;
};

struct mingler {
    struct crowd *crowd;
    uint64_t number;
    uint64_t random;
    uint64_t spoken;
    uint64_t heard[CROWD]; /* the last number of each */
};

static const char *const teams[TEAMS] = {"red", "green", "blue"};

static void hear(struct tsuga_actor *self, struct mingler *mingler)
{
    const struct tsuga_message *message;

    while (tsuga_receive(self, NULL, 0, &message) == 0) {
        const struct note *note = tsuga_message_data(message);

        CHECK_UINT(tsuga_message_bytes(message), sizeof(*note));
        CHECK(note->speaker < CROWD);
        CHECK(note->number > mingler->heard[note->speaker]);
        mingler->heard[note->speaker] = note->number;
        for (size_t i = 0; i < sizeof(note->text); i++)
            CHECK_INT(note->text[i], (char)(note->number & 0x7f));
        atomic_fetch_add(&mingler->crowd->taken, 1);
    }
}

static void speak(struct tsuga_actor *self, struct mingler *mingler, uint64_t number)
{
    struct note note = {.speaker = mingler->number, .number = ++mingler->spoken};
    int reached;

    memset(note.text, (int)(note.number & 0x7f), sizeof(note.text));
    if (number % 4 == 0)
        reached =
            tsuga_send(self, mingler->crowd->ids[number / 4 % CROWD], 0, &note, sizeof(note)) == 0;
    else
        reached = tsuga_broadcast(self, teams[number / 4 % TEAMS], 0, &note, sizeof(note));
    CHECK(reached >= 0);
    memset(&note, 0, sizeof(note)); /* what was sent is not here */
    atomic_fetch_add(&mingler->crowd->reached, (uint64_t)reached);
}

static void mingle(struct tsuga_actor *self, void *argument)
{
    struct mingler *mingler = argument;
    uint64_t rounds = EACH / 2 + tsuga_test_random(&mingler->random) % EACH;

    while (tsuga_gate_height(&mingler->crowd->known) == 0)
        CHECK_INT(tsuga_yield(self), 0);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t number = tsuga_test_random(&mingler->random);
        const char *team = teams[number >> 32 & 1];

        if (number >> 40 & 1)
            (void)!tsuga_team_join(self, team);
        else if (number >> 41 & 1)
            (void)tsuga_team_leave(self, team);
        speak(self, mingler, number & UINT32_MAX);
        hear(self, mingler);
        if ((number >> 48) % 8 == 0)
            CHECK_INT(tsuga_yield(self), 0);
    }
}

TEST(broadcast, keeps_each_senders_order_while_all_come_and_go)
{
    struct crowd crowd = {.seed = tsuga_test_seed()};
    const struct tsuga_setup setup = {.config.executor.threads = 3};
    struct mingler minglers[CROWD];
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < CROWD; i++) {
        struct tsuga_spawn_options options = {.body = mingle,
                                              .argument = &minglers[i],
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i % 3};

        minglers[i] = (struct mingler){&crowd, i, crowd.seed + i, 0, {0}};
        CHECK_INT(tsuga_spawn(run.runtime, &options, &crowd.ids[i]), 0);
    }
    tsuga_gate_raise(&crowd.known);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.messages_sent, atomic_load(&crowd.reached));
    CHECK(atomic_load(&crowd.taken) > 0);
    CHECK(atomic_load(&crowd.taken) + run.stats.dead_letters >= atomic_load(&crowd.reached));
}
