/* Monitors and links: who hears of whose end, when, once, and with which reason. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LONG_NS (10 * TSUGA_NS_PER_S) /* nothing here takes as long unless it has gone wrong */

static struct tsuga_id spawn_on(struct tsuga_actor *self, uint32_t executor, tsuga_body_fn *body,
                                void *argument)
{
    struct tsuga_spawn_options options = {.body = body,
                                          .argument = argument,
                                          .placement = TSUGA_PLACE_EXECUTOR,
                                          .executor = executor};
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &id), 0);
    return id;
}

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

/* The next message is news of an end, of this kind. */
static struct tsuga_down take_news(struct tsuga_actor *self, enum tsuga_message_kind kind)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
    CHECK_INT(tsuga_message_kind(message), kind);
    CHECK(tsuga_message_down(message) != NULL);
    CHECK(tsuga_message_completion(message) == NULL);
    CHECK_UINT(tsuga_message_bytes(message), 0);
    return *tsuga_message_down(message);
}

static void check_nothing_waits(struct tsuga_actor *self)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, NULL, 0, &message), -ETIMEDOUT);
}

static void hear_reasons(struct tsuga_actor *self, void *argument)
{
    int reasons[] = {TSUGA_NORMAL, -EIO};
    struct tsuga_monitor monitor;
    struct tsuga_down down;
    struct tsuga_id id;

    (void)argument;
    for (size_t i = 0; i < 2; i++) {
        id = spawn_on(self, 0, exit_with, &reasons[i]);
        CHECK_INT(tsuga_monitor(self, id, 7, &monitor), 0);
        down = take_news(self, TSUGA_MESSAGE_DOWN);
        CHECK(tsuga_id_equal(down.id, id));
        CHECK_UINT(down.monitor.value, monitor.value);
        CHECK_INT(down.reason, reasons[i]);
        CHECK(down.is_reclaimed);
    }
    id = spawn_on(self, 0, sleep_on, NULL);
    CHECK_INT(tsuga_monitor(self, id, 7, NULL), 0);
    CHECK_INT(tsuga_monitor(self, id, 8, &monitor), 0);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), id), 0);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, TSUGA_STOPPED);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, TSUGA_STOPPED);
    /* It is dead now: at once, and nobody knows why. */
    CHECK_INT(tsuga_monitor(self, id, 7, NULL), 0);
    down = take_news(self, TSUGA_MESSAGE_DOWN);
    CHECK(tsuga_id_equal(down.id, id));
    CHECK_INT(down.reason, -ESRCH);
    CHECK_INT(tsuga_monitor(self, (struct tsuga_id){UINT64_MAX}, 7, NULL), 0);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -ESRCH);
    CHECK_INT(tsuga_monitor(self, tsuga_self(self), 7, NULL), -EINVAL);
    check_nothing_waits(self);
}

TEST(ties, a_monitor_tells_who_has_ended_and_why)
{
    (void)tsuga_world_run(NULL, hear_reasons, NULL);
}

static void select_news(struct tsuga_actor *self, void *argument)
{
    int reason = -EIO;
    const struct tsuga_message *message;
    struct tsuga_select tagged = {.by_tag = true, .tag = 9};
    struct tsuga_select sent = {.user_only = true};

    (void)argument;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 1, NULL, 0), 0);
    CHECK_INT(tsuga_monitor(self, spawn_on(self, 0, exit_with, &reason), 9, NULL), 0);
    CHECK_INT(tsuga_receive(self, &tagged, LONG_NS, &message), 0);
    CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_DOWN);
    CHECK_UINT(tsuga_message_tag(message), 9);
    CHECK_INT(tsuga_message_keep(self, message), -EINVAL);
    CHECK_INT(tsuga_message_done(self), 0);
    CHECK_INT(tsuga_monitor(self, spawn_on(self, 0, exit_with, &reason), 9, NULL), 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_receive(self, &sent, LONG_NS, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), 1);
    CHECK_INT(tsuga_receive(self, &sent, 0, &message), -ETIMEDOUT);
    /* The last one is left unread. */
}

TEST(ties, news_are_selected_by_tag)
{
    (void)tsuga_world_run(NULL, select_news, NULL);
}

static void demonitor(struct tsuga_actor *self, void *argument)
{
    int reason = -EIO;
    struct tsuga_id id = spawn_on(self, 0, sleep_on, NULL);
    struct tsuga_monitor monitor;

    (void)argument;
    CHECK_INT(tsuga_demonitor(self, (struct tsuga_monitor){0}), -EINVAL);
    CHECK_INT(tsuga_monitor(self, id, 0, &monitor), 0);
    CHECK_INT(tsuga_demonitor(self, monitor), 0);
    CHECK_INT(tsuga_demonitor(self, monitor), -ENOENT);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), id), 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_yield(self), 0);
    check_nothing_waits(self);
    /* Its message waits already. */
    CHECK_INT(tsuga_monitor(self, id, 0, &monitor), 0);
    CHECK_INT(tsuga_receive(self, &(struct tsuga_select){.user_only = true}, 0,
                            &(const struct tsuga_message *){NULL}),
              -ETIMEDOUT);
    CHECK_INT(tsuga_demonitor(self, monitor), 0);
    check_nothing_waits(self);
    /* It was taken. */
    CHECK_INT(tsuga_monitor(self, spawn_on(self, 0, exit_with, &reason), 0, &monitor), 0);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -EIO);
    CHECK_INT(tsuga_demonitor(self, monitor), -ENOENT);
}

TEST(ties, an_ended_monitor_brings_nothing)
{
    (void)tsuga_world_run(NULL, demonitor, NULL);
}

static void say_and_die(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id *to = argument;

    for (uint64_t i = 0; i < 100; i++)
        CHECK_INT(tsuga_send(self, *to, i, NULL, 0), 0);
    tsuga_exit(self, -EIO);
}

static void hear_last_words(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id id = tsuga_self(self);
    const struct tsuga_message *message;

    (void)argument;
    for (uint32_t round = 0; round < 20; round++) {
        struct tsuga_spawn_options options = {.body = say_and_die,
                                              .argument = &id,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = round % 2};

        CHECK_INT(tsuga_spawn_monitored(self, &options, 0, NULL, NULL), 0);
        for (uint64_t i = 0; i < 100; i++) {
            CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
            CHECK_INT(tsuga_message_kind(message), TSUGA_MESSAGE_USER);
            CHECK_UINT(tsuga_message_tag(message), i);
        }
        CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -EIO);
    }
}

TEST(ties, news_come_behind_the_last_words)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};

    (void)tsuga_world_run(&setup, hear_last_words, NULL);
}

static void hear_in_spite(struct tsuga_actor *self, void *argument)
{
    int reason = -EIO;
    const struct tsuga_message *message;

    (void)argument;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 1, NULL, 0), 0);
    CHECK_INT(tsuga_send(self, tsuga_self(self), 1, NULL, 0), -EAGAIN);
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(tsuga_monitor(self, spawn_on(self, 0, exit_with, &reason), 0, NULL), 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -EIO);
}

TEST(ties, a_full_mailbox_refuses_no_news)
{
    const struct tsuga_setup setup = {.config.mailbox.capacity = 1};

    (void)tsuga_world_run(&setup, hear_in_spite, NULL);
}

struct owner {
    int fds[2];
    struct tsuga_gate begun;
    struct tsuga_gate end;
};

static void own_and_die(struct tsuga_actor *self, void *argument)
{
    struct owner *owner = argument;

    CHECK_INT(tsuga_fd_adopt(self, owner->fds[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, owner->fds[1]), 0);
    CHECK_INT(tsuga_op_error(tsuga_read(self, owner->fds[0], 4096)), 0);
    CHECK_INT(tsuga_yield(self), 0); /* the read is the kernel's */
    tsuga_exit(self, -EIO);
}

static void look_for_leftovers(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (uint32_t round = 0; round < 20; round++) {
        struct owner owner;
        struct tsuga_spawn_options options = {.body = own_and_die,
                                              .argument = &owner,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = round % 2};
        struct tsuga_stats stats;
        struct tsuga_down down;

        tsuga_fixture_pipe(owner.fds);
        CHECK_INT(tsuga_spawn_monitored(self, &options, 0, NULL, NULL), 0);
        down = take_news(self, TSUGA_MESSAGE_DOWN);
        CHECK(down.is_reclaimed);
        CHECK_INT(fcntl(owner.fds[0], F_GETFD), -1);
        CHECK_INT(fcntl(owner.fds[1], F_GETFD), -1);
        tsuga_stats_read(tsuga_runtime_of(self), &stats);
        CHECK_UINT(stats.orphans, 0);
        CHECK_UINT(stats.descriptors, 0);
    }
}

TEST(ties, memory_and_descriptors_are_back_before_the_news)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};

    (void)tsuga_world_run(&setup, look_for_leftovers, NULL);
}

static void hold_up(void *argument)
{
    struct owner *owner = argument;

    tsuga_gate_raise(&owner->begun);
    tsuga_gate_await(&owner->end, 1);
}

static void leave_a_job(struct tsuga_actor *self, void *argument)
{
    struct owner *owner = argument;

    CHECK_INT(tsuga_op_error(tsuga_blocking(self, hold_up, owner)), 0);
    tsuga_gate_await(&owner->begun, 1);
    tsuga_exit(self, -EIO);
}

static void give_up_waiting(struct tsuga_actor *self, void *argument)
{
    struct owner *owner = argument;
    struct tsuga_spawn_options options = {.body = leave_a_job, .argument = owner};
    struct tsuga_stats stats;
    struct tsuga_down down;

    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, NULL, NULL), 0);
    down = take_news(self, TSUGA_MESSAGE_DOWN);
    CHECK_INT(down.reason, -EIO);
    CHECK(!down.is_reclaimed);
    tsuga_gate_raise(&owner->end);
    do {
        CHECK_INT(tsuga_yield(self), 0);
        tsuga_stats_read(tsuga_runtime_of(self), &stats);
    } while (stats.leaked_heaps > 0);
    check_nothing_waits(self);
}

TEST(ties, after_death_ms_the_news_come_all_the_same)
{
    struct owner owner = {0};
    const struct tsuga_setup setup = {.config.actor.death_ms = 20};

    (void)tsuga_world_run(&setup, give_up_waiting, &owner);
}

static void be_known(struct tsuga_actor *self, void *argument)
{
    CHECK_INT(tsuga_register(self, argument), 0);
    CHECK_INT(tsuga_register(self, "alias"), 0);
    CHECK_INT(tsuga_unregister(self, "alias"), 0);
    CHECK_INT(tsuga_register(self, argument), -EEXIST);
    CHECK(tsuga_id_equal(tsuga_whereis(tsuga_runtime_of(self), argument), tsuga_self(self)));
    tsuga_exit(self, -EIO);
}

static void take_over_names(struct tsuga_actor *self, void *argument)
{
    struct tsuga_runtime *runtime = tsuga_runtime_of(self);
    char name[] = "worker";

    (void)argument;
    for (uint32_t round = 0; round < 50; round++) {
        struct tsuga_spawn_options options = {.body = be_known,
                                              .argument = name,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = round % 2};

        CHECK_INT(tsuga_spawn_monitored(self, &options, 0, NULL, NULL), 0);
        CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -EIO);
        CHECK_UINT(tsuga_whereis(runtime, name).value, 0);
    }
}

TEST(ties, names_are_free_before_the_news)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};

    (void)tsuga_world_run(&setup, take_over_names, NULL);
}

/* Links. */

struct partner {
    struct tsuga_id other;
    struct tsuga_gate linked;
};

static void link_and_sleep(struct tsuga_actor *self, void *argument)
{
    struct partner *partner = argument;

    CHECK_INT(tsuga_link(self, partner->other), 0);
    tsuga_gate_raise(&partner->linked);
    sleep_on(self, NULL);
}

static void fall_together(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id first = spawn_on(self, 0, sleep_on, NULL);
    struct partner partners[3] = {{.other = first}};

    (void)argument;
    /* A chain of links over both executors; what falls at one end falls at the other. */
    for (uint32_t i = 0; i < 3; i++) {
        struct tsuga_id id = spawn_on(self, (i + 1) % 2, link_and_sleep, &partners[i]);

        CHECK_INT(tsuga_monitor(self, id, i, NULL), 0);
        while (tsuga_gate_height(&partners[i].linked) == 0)
            CHECK_INT(tsuga_yield(self), 0);
        if (i < 2)
            partners[i + 1].other = id;
    }
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), first), 0);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, TSUGA_STOPPED);
}

TEST(ties, linked_actors_fall_together)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};

    (void)tsuga_world_run(&setup, fall_together, NULL);
}

static void link_to_the_dead(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    CHECK_INT(tsuga_link(self, (struct tsuga_id){UINT64_MAX}), 0);
    CHECK_INT(tsuga_yield(self), -ECANCELED); /* it may unwind */
}

static void fall_for_a_reason(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {.body = link_to_the_dead};

    (void)argument;
    CHECK_INT(tsuga_spawn_monitored(self, &options, 0, NULL, NULL), 0);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -ESRCH);
}

TEST(ties, a_link_to_the_dead_ends_with_no_such_actor)
{
    (void)tsuga_world_run(NULL, fall_for_a_reason, NULL);
}

/* As an actor ends that passes on what each call answers. */
static void pass_on(struct tsuga_actor *self, void *argument)
{
    CHECK_INT(tsuga_link(self, *(const struct tsuga_id *)argument), 0);
    tsuga_exit(self, tsuga_await(self, tsuga_timeout(self, TSUGA_FOREVER)).result);
}

static void fail(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    int error = tsuga_receive(self, NULL, TSUGA_FOREVER, &message);

    (void)argument;
    tsuga_exit(self, error == 0 ? -ENOSPC : error);
}

static void pass_reasons_on(struct tsuga_actor *self, void *argument)
{
    struct tsuga_id failing = spawn_on(self, 0, fail, NULL);
    struct tsuga_id first = spawn_on(self, 0, pass_on, &failing);
    struct tsuga_id second = spawn_on(self, 0, pass_on, &first);
    struct tsuga_id stopped;

    (void)argument;
    CHECK_INT(tsuga_monitor(self, first, 0, NULL), 0);
    CHECK_INT(tsuga_monitor(self, second, 0, NULL), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_send(self, failing, 0, NULL, 0), 0);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -ENOSPC);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, -ENOSPC);
    failing = spawn_on(self, 0, fail, NULL);
    stopped = spawn_on(self, 0, pass_on, &failing);
    CHECK_INT(tsuga_monitor(self, stopped, 0, NULL), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), stopped), 0);
    CHECK_INT(take_news(self, TSUGA_MESSAGE_DOWN).reason, TSUGA_STOPPED);
}

TEST(ties, who_unwinds_with_canceled_ends_with_the_reason_of_its_stop)
{
    (void)tsuga_world_run(NULL, pass_reasons_on, NULL);
}

static void trap(struct tsuga_actor *self, void *argument)
{
    int normal = TSUGA_NORMAL;
    int broken = -EIO;
    struct tsuga_spawn_options options = {.body = exit_with, .argument = &normal};
    struct tsuga_down down;
    struct tsuga_id id;

    (void)argument;
    CHECK_INT(tsuga_link(self, tsuga_self(self)), -EINVAL);
    CHECK_INT(tsuga_spawn_linked(self, &options, &id), 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_yield(self), 0); /* it has ended as it should, and nothing happens */
    CHECK_INT(tsuga_unlink(self, id), -ENOENT);
    tsuga_trap_exits(self, true);
    for (unsigned i = 0; i < 2; i++) {
        options.argument = i == 0 ? &normal : &broken;
        CHECK_INT(tsuga_spawn_linked(self, &options, &id), 0);
        CHECK_INT(tsuga_link(self, id), 0); /* still one link */
        down = take_news(self, TSUGA_MESSAGE_EXIT);
        CHECK(tsuga_id_equal(down.id, id));
        CHECK_UINT(down.monitor.value, 0);
        CHECK_INT(down.reason, i == 0 ? normal : broken);
        check_nothing_waits(self);
    }
    CHECK_INT(tsuga_spawn_linked(self, &options, &id), 0);
    CHECK_INT(tsuga_unlink(self, id), 0);
    CHECK_INT(tsuga_unlink(self, id), -ENOENT);
    CHECK_INT(tsuga_monitor(self, id, 0, NULL), 0);
    (void)take_news(self, TSUGA_MESSAGE_DOWN);
    check_nothing_waits(self);
}

TEST(ties, trapped_exits_are_messages)
{
    (void)tsuga_world_run(NULL, trap, NULL);
}

/* Everything at once: actors on two executors that watch, link, unlink and end at random. */

#define CROWD  64u
#define ROUNDS 40u

struct crowd {
    struct tsuga_id ids[CROWD];
    struct tsuga_gate ready;
    _Atomic uint64_t asked;
    _Atomic uint64_t heard;
    _Atomic uint64_t given_up;
    _Atomic uint64_t unread; /* of those that ended before */
};

struct guest {
    struct crowd *crowd;
    uint64_t random;
};

static void count_news(struct tsuga_actor *self, struct crowd *crowd, uint64_t timeout_ns,
                       uint64_t *open)
{
    const struct tsuga_message *message;

    while (*open > 0 && tsuga_receive(self, NULL, timeout_ns, &message) == 0) {
        if (tsuga_message_kind(message) != TSUGA_MESSAGE_DOWN)
            continue;
        atomic_fetch_add(&crowd->heard, 1);
        (*open)--;
    }
}

static void mingle(struct tsuga_actor *self, void *argument)
{
    struct guest *guest = argument;
    struct crowd *crowd = guest->crowd;
    struct tsuga_select start = {.user_only = true};
    const struct tsuga_message *message;
    struct tsuga_monitor monitor;
    uint64_t open = 0;

    tsuga_trap_exits(self, true);
    tsuga_gate_raise(&crowd->ready);
    CHECK_INT(tsuga_receive(self, &start, TSUGA_FOREVER, &message), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t random = tsuga_test_random(&guest->random);
        struct tsuga_id other = crowd->ids[random % CROWD];

        if (tsuga_id_equal(other, tsuga_self(self)))
            continue;
        if (random >> 8 & 1)
            CHECK_INT(tsuga_link(self, other), 0);
        else
            (void)tsuga_unlink(self, other);
        CHECK_INT(tsuga_monitor(self, other, 0, &monitor), 0);
        atomic_fetch_add(&crowd->asked, 1);
        open++;
        if ((random >> 9 & 3) == 0)
            (void)tsuga_yield(self);
        if ((random >> 11 & 1) && tsuga_demonitor(self, monitor) == 0) {
            atomic_fetch_add(&crowd->given_up, 1);
            open--;
        }
        count_news(self, crowd, 0, &open);
        if ((random >> 16) % (4 * ROUNDS) == 0) {
            atomic_fetch_add(&crowd->unread, open);
            tsuga_exit(self, -EIO);
        }
    }
    if (guest->random % 4 == 0) { /* some wait for all the others to end */
        atomic_fetch_add(&crowd->unread, open);
        return;
    }
    count_news(self, crowd, TSUGA_NS_PER_MS * 50, &open);
    atomic_fetch_add(&crowd->unread, open);
}

TEST(ties, every_monitor_is_heard_or_given_up_exactly_once)
{
    uint64_t seed = tsuga_test_seed();
    const struct tsuga_setup setup = {.config.executor.threads = 2};
    static struct crowd crowd;
    static struct guest guests[CROWD];
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < CROWD; i++) {
        struct tsuga_spawn_options options = {.body = mingle, .argument = &guests[i]};

        guests[i] = (struct guest){&crowd, seed + i};
        CHECK_INT(tsuga_spawn(run.runtime, &options, &crowd.ids[i]), 0);
    }
    tsuga_gate_await(&crowd.ready, CROWD);
    for (uint32_t i = 0; i < CROWD; i++)
        CHECK_INT(tsuga_post(run.runtime, crowd.ids[i], 0, NULL, 0), 0);
    tsuga_world_end(&run);
    CHECK_UINT(atomic_load(&crowd.heard) + atomic_load(&crowd.given_up) +
                   atomic_load(&crowd.unread),
               atomic_load(&crowd.asked));
    CHECK(atomic_load(&crowd.heard) > 0);
}
