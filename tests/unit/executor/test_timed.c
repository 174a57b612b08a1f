/* Messages that are sent later: once, again and again, cancelled, to others, to the dead. */
#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SECOND   TSUGA_NS_PER_S
#define MS       TSUGA_NS_PER_MS
#define MANY     10000u
#define SLOW_TAG 7u

/* What waits in the actor's mailbox, taken at once. */
static size_t count_waiting(struct tsuga_actor *self)
{
    const struct tsuga_message *message;
    size_t count = 0;

    while (tsuga_receive(self, NULL, 0, &message) == 0)
        count++;
    return count;
}

static struct tsuga_mail to_self(struct tsuga_actor *self, uint64_t tag)
{
    return (struct tsuga_mail){.to = tsuga_self(self), .tag = tag};
}

static void run_still(tsuga_body_fn *body, struct tsuga_still_clock *still)
{
    const struct tsuga_clock clock = tsuga_still_clock_init(still);
    const struct tsuga_setup setup = {.clock = &clock};

    (void)tsuga_world_run(&setup, body, still);
}

static void send_once(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    char text[] = "later";
    struct tsuga_mail mail = {
        .to = tsuga_self(self), .tag = 5, .data = text, .bytes = sizeof(text)};
    const struct tsuga_message *message;

    CHECK_INT(tsuga_send_after(self, &mail, SECOND, NULL), 0);
    memset(text, 'x', sizeof(text)); /* it was copied */
    tsuga_still_clock_pass(self, still, SECOND - 1);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), -ETIMEDOUT);
    tsuga_still_clock_pass(self, still, MS);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_USER);
    CHECK_UINT(tsuga_message_tag(message), 5);
    CHECK_STR((const char *)tsuga_message_data(message), "later");
    CHECK(tsuga_id_equal(tsuga_message_from(message), tsuga_self(self)));
    tsuga_still_clock_pass(self, still, 10 * SECOND);
    CHECK_UINT(count_waiting(self), 0);
}

TEST(timed, are_sent_once_and_not_early)
{
    struct tsuga_still_clock still;

    run_still(send_once, &still);
}

static void cancel(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_mail mail = to_self(self, 0);
    struct tsuga_timer_ref timer;
    struct tsuga_timer_ref later;

    CHECK_INT(tsuga_timer_cancel(self, (struct tsuga_timer_ref){0}), -EINVAL);
    CHECK_INT(tsuga_timer_cancel(self, (struct tsuga_timer_ref){UINT64_MAX}), -EINVAL);
    CHECK_INT(tsuga_send_after(self, &mail, SECOND, &timer), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), -ENOENT);
    tsuga_still_clock_pass(self, still, 2 * SECOND);
    CHECK_UINT(count_waiting(self), 0);
    CHECK_INT(tsuga_send_after(self, &mail, SECOND, &later), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), -ENOENT); /* not the one in its place */
    tsuga_still_clock_pass(self, still, 2 * SECOND);
    CHECK_INT(tsuga_timer_cancel(self, later), -ENOENT); /* sent, and not yet taken */
    CHECK_UINT(count_waiting(self), 1);
    CHECK_INT(tsuga_send_after(self, &mail, TSUGA_FOREVER, &timer), 0);
    tsuga_still_clock_pass(self, still, 1000 * SECOND);
    CHECK_UINT(count_waiting(self), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
}

TEST(timed, a_cancel_says_exactly_whether_it_was_sent)
{
    struct tsuga_still_clock still;

    run_still(cancel, &still);
}

static void send_every(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_mail mail = to_self(self, SLOW_TAG);
    struct tsuga_timer_ref timer;

    CHECK_INT(tsuga_send_every(self, &mail, 0, &timer), -EINVAL);
    CHECK_INT(tsuga_send_every(self, &mail, SECOND, &timer), 0);
    CHECK_UINT(count_waiting(self), 0);
    /* Each is seen 300 ms late; were that added to the period, the last would not be there. */
    tsuga_still_clock_pass(self, still, 300 * MS);
    for (unsigned i = 0; i < 10; i++) {
        tsuga_still_clock_pass(self, still, SECOND);
        CHECK_UINT(count_waiting(self), 1);
    }
    tsuga_still_clock_pass(self, still, 5 * SECOND); /* one for all five */
    CHECK_UINT(count_waiting(self), 1);
    tsuga_still_clock_pass(self, still, 600 * MS);
    CHECK_UINT(count_waiting(self), 0);
    tsuga_still_clock_pass(self, still, 200 * MS);
    CHECK_UINT(count_waiting(self), 1);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
    tsuga_still_clock_pass(self, still, 5 * SECOND);
    CHECK_UINT(count_waiting(self), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), -ENOENT);
}

TEST(timed, periods_do_not_drift_nor_pile_up)
{
    struct tsuga_still_clock still;

    run_still(send_every, &still);
}

static void refuse(struct tsuga_actor *self, void *argument)
{
    struct tsuga_mail mail = to_self(self, 0);
    struct tsuga_timer_ref timer = {42};

    (void)argument;
    CHECK_INT(tsuga_send_after(self, NULL, 1, &timer), -EINVAL);
    mail.bytes = 1;
    CHECK_INT(tsuga_send_after(self, &mail, 1, &timer), -EINVAL);
    mail.data = "";
    mail.bytes = ((size_t)1 << 30) + 1;
    CHECK_INT(tsuga_send_after(self, &mail, 1, &timer), -EMSGSIZE);
    CHECK_UINT(timer.value, 42);
}

TEST(timed, what_cannot_be_sent_is_refused_now)
{
    (void)tsuga_world_run(NULL, refuse, NULL);
}

static void nap(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
}

static struct tsuga_id spawn(struct tsuga_actor *self, struct tsuga_spawn_options options)
{
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &id), 0);
    return id;
}

static uint64_t dead_letters(struct tsuga_actor *self)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    return stats.dead_letters;
}

static void outlive(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_mail mail = {.to = spawn(self, (struct tsuga_spawn_options){.body = nap})};
    struct tsuga_timer_ref timer;

    CHECK_INT(tsuga_send_after(self, &mail, SECOND, NULL), 0);
    CHECK_INT(tsuga_send_after(self, &mail, 2 * SECOND, NULL), 0);
    CHECK_INT(tsuga_send_every(self, &mail, 3 * SECOND, &timer), 0);
    tsuga_still_clock_pass(self, still, SECOND + MS);
    CHECK_INT(tsuga_send(self, mail.to, 0, NULL, 0), -ESRCH); /* it has got it, and ended */
    CHECK_UINT(dead_letters(self), 1);
    tsuga_still_clock_pass(self, still, SECOND);
    CHECK_UINT(dead_letters(self), 2);
    tsuga_still_clock_pass(self, still, SECOND);
    tsuga_still_clock_pass(self, still, 3 * SECOND);
    CHECK_UINT(dead_letters(self), 4);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
}

TEST(timed, for_a_dead_receiver_are_dead_letters)
{
    struct tsuga_still_clock still;

    run_still(outlive, &still);
}

static void leave_timers(struct tsuga_actor *self, void *argument)
{
    struct tsuga_mail mail = {.to = *(struct tsuga_id *)argument};
    struct tsuga_timer_ref timer;

    for (unsigned i = 0; i < MANY; i++)
        CHECK_INT(tsuga_send_after(self, &mail, SECOND + i * MS, &timer), 0);
    CHECK_INT(tsuga_send_every(self, &mail, SECOND, &timer), 0);
}

static void inherit(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_id id = tsuga_self(self);

    (void)spawn(self, (struct tsuga_spawn_options){.body = leave_timers, .argument = &id});
    tsuga_still_clock_pass(self, still, MS);
    tsuga_still_clock_pass(self, still, 100 * SECOND);
    CHECK_UINT(count_waiting(self), 0);
    CHECK_UINT(dead_letters(self), 0);
}

TEST(timed, end_with_the_actor_that_armed_them)
{
    struct tsuga_still_clock still;

    run_still(inherit, &still);
}

static void fill_up(struct tsuga_actor *self, void *argument)
{
    struct tsuga_still_clock *still = argument;
    struct tsuga_mail mail = to_self(self, SLOW_TAG);

    CHECK_INT(tsuga_send_after(self, &mail, SECOND, NULL), 0);
    CHECK_INT(tsuga_send_every(self, &mail, SECOND, NULL), 0);
    CHECK_INT(tsuga_send(self, mail.to, 1, NULL, 0), 0);
    CHECK_INT(tsuga_send(self, mail.to, 1, NULL, 0), -EAGAIN);
    tsuga_still_clock_pass(self, still, SECOND + MS);
    CHECK_UINT(dead_letters(self), 1); /* the repeated one has another chance */
    CHECK_INT(tsuga_send(self, mail.to, 1, NULL, 0), -EAGAIN);
    CHECK_UINT(count_waiting(self), 2);
    CHECK_INT(tsuga_send(self, mail.to, 1, NULL, 0), 0); /* it took no room away */
    CHECK_UINT(count_waiting(self), 1);
    tsuga_still_clock_pass(self, still, SECOND);
    CHECK_UINT(count_waiting(self), 1);
}

TEST(timed, a_full_mailbox_refuses_only_repeated_ones)
{
    struct tsuga_still_clock still;
    const struct tsuga_clock clock = tsuga_still_clock_init(&still);
    const struct tsuga_setup setup = {.clock = &clock, .config.mailbox.capacity = 1};

    (void)tsuga_world_run(&setup, fill_up, &still);
}

/* What lies below: entries that were cancelled. */

static struct tsuga_executor *home_of(struct tsuga_actor *self)
{
    return tsuga_seat_home(tsuga_seat_of(self));
}

static uint32_t count_kept(const struct tsuga_timed_table *table)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->chunk_count * TSUGA_TIMED_CHUNK_SLOTS; i++) {
        const struct tsuga_timed *chunk = table->chunks[i / TSUGA_TIMED_CHUNK_SLOTS];

        count += chunk[i % TSUGA_TIMED_CHUNK_SLOTS].letter != NULL ? 1 : 0;
    }
    return count;
}

static void keep(struct tsuga_actor *self, void *argument)
{
    static struct tsuga_timer_ref timers[MANY];
    const struct tsuga_timed_table *table = &home_of(self)->timed;
    struct tsuga_still_clock *still = argument;
    struct tsuga_mail mail = to_self(self, 0);

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++)
            CHECK_INT(tsuga_send_after(self, &mail, TSUGA_FOREVER, &timers[i]), 0);
        for (unsigned i = 0; i < MANY; i++)
            CHECK_INT(tsuga_timer_cancel(self, timers[i]), 0);
        CHECK_UINT(count_kept(table), MANY); /* in the second round the same ones */
    }
    CHECK_INT(tsuga_send_after(self, &mail, 60 * SECOND, NULL), 0);
    for (unsigned i = 0; i < 30; i++)
        tsuga_still_clock_pass(self, still, 2 * SECOND - MS);
    CHECK_UINT(count_kept(table), 1); /* of the one that is still armed */
    tsuga_still_clock_pass(self, still, SECOND);
    CHECK_UINT(count_waiting(self), 1);
}

TEST(timed, letters_of_cancelled_ones_are_kept_and_given_back)
{
    struct tsuga_still_clock still;

    run_still(keep, &still);
}

static void linger(struct tsuga_actor *self, void *argument)
{
    struct tsuga_mail mail = to_self(self, 0);
    struct tsuga_executor *home = home_of(self);
    struct tsuga_timer_ref timers[3];

    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(tsuga_send_after(self, &mail, SECOND, &timers[i]), 0);
    CHECK_INT(tsuga_timer_cancel(self, timers[1]), 0);
    CHECK(tsuga_timed_has_any(home, tsuga_seat_of(self)));
    CHECK_INT(tsuga_timer_cancel(self, timers[0]), 0);
    CHECK_INT(tsuga_timer_cancel(self, timers[2]), 0);
    CHECK(self->timers != 0);
    CHECK(!tsuga_timed_has_any(home, tsuga_seat_of(self)));
    CHECK_UINT(self->timers, 0);
    CHECK_UINT(tsuga_timers_next_ns(&home->timers), UINT64_MAX);
    CHECK_INT(tsuga_send_after(self, &mail, SECOND, NULL), 0);
    tsuga_still_clock_pass(self, argument, SECOND + MS);
    CHECK_UINT(count_waiting(self), 1);
    CHECK(!tsuga_timed_has_any(home, tsuga_seat_of(self)));
}

TEST(timed, cancelled_ones_do_not_hold_their_actor)
{
    struct tsuga_still_clock still;

    run_still(linger, &still);
}

static void wear_out(struct tsuga_actor *self, void *argument)
{
    struct tsuga_mail mail = to_self(self, 0);
    struct tsuga_timed_table *table = &home_of(self)->timed;
    struct tsuga_timer_ref timer;
    struct tsuga_timer_ref last;

    (void)argument;
    CHECK_INT(tsuga_send_after(self, &mail, SECOND, &timer), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
    table->chunks[0][table->free[table->free_count - 1]].generation = UINT32_MAX - 1;
    CHECK_INT(tsuga_send_after(self, &mail, SECOND, &last), 0);
    CHECK_UINT(last.value >> 32, timer.value >> 32); /* the same slot for the last time */
    CHECK_INT(tsuga_timer_cancel(self, last), 0);
    CHECK_INT(tsuga_timer_cancel(self, last), -ENOENT);
    CHECK_UINT(self->timers, 0);
    CHECK_INT(tsuga_send_after(self, &mail, SECOND, &timer), 0);
    CHECK(timer.value >> 32 != last.value >> 32);
}

TEST(timed, a_slot_whose_generations_are_used_up_is_retired)
{
    (void)tsuga_world_run(NULL, wear_out, NULL);
}

/* Many timers of many actors on two executors, armed, cancelled and abandoned at random. */

struct crowd {
    uint64_t seed;
    struct tsuga_id ids[8];
    _Atomic uint64_t sent;
    _Atomic uint64_t cancelled;
    _Atomic uint64_t taken;
};

struct member {
    struct crowd *crowd;
    uint64_t random;
};

static void take_all(struct tsuga_actor *self, struct crowd *crowd, uint64_t timeout_ns)
{
    const struct tsuga_message *message;

    while (tsuga_receive(self, NULL, timeout_ns, &message) == 0) {
        uint64_t expected = tsuga_message_tag(message) * 3;

        CHECK_UINT(tsuga_message_bytes(message), sizeof(expected));
        CHECK(memcmp(tsuga_message_data(message), &expected, sizeof(expected)) == 0);
        atomic_fetch_add(&crowd->taken, 1);
    }
}

static void mingle(struct tsuga_actor *self, void *argument)
{
    struct member *member = argument;
    struct crowd *crowd = member->crowd;
    struct tsuga_timer_ref timers[64];
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, &(struct tsuga_select){.by_tag = true}, TSUGA_FOREVER, &message),
              0); /* now the ids of all are known */
    for (unsigned round = 0; round < 200; round++) {
        unsigned at = round % 64;
        uint64_t tag = tsuga_test_random(&member->random) | 1;
        uint64_t bytes = tag * 3;
        struct tsuga_mail mail = {
            .to = crowd->ids[tag / 2 % 8], .tag = tag, .data = &bytes, .bytes = sizeof(bytes)};

        if (round >= 64 && tsuga_timer_cancel(self, timers[at]) == 0)
            atomic_fetch_add(&crowd->cancelled, 1);
        CHECK_INT(tsuga_send_after(self, &mail, tag % (2 * MS), &timers[at]), 0);
        atomic_fetch_add(&crowd->sent, 1);
        take_all(self, crowd, 0);
        if (tag / 16 % 16 == 0)
            CHECK_INT(tsuga_yield(self), 0);
    }
    take_all(self, crowd, 200 * MS);
}

TEST(timed, each_is_sent_or_cancelled_and_never_both)
{
    struct crowd crowd = {.seed = tsuga_test_seed()};
    struct member members[8];
    const struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < 8; i++) {
        struct tsuga_spawn_options options = {.body = mingle,
                                              .argument = &members[i],
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i % 2};

        members[i] = (struct member){&crowd, crowd.seed + i};
        CHECK_INT(tsuga_spawn(run.runtime, &options, &crowd.ids[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_post(run.runtime, crowd.ids[i], 0, NULL, 0), 0);
    tsuga_world_end(&run);
    CHECK_UINT(atomic_load(&crowd.taken) + atomic_load(&crowd.cancelled) + run.stats.dead_letters,
               atomic_load(&crowd.sent));
}
