/* Which actors change their executor, which do not, and that nothing is lost on the way. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "executor/io.h"
#include "ioheap/backing.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ACTORS   64u
#define MESSAGES 400u

struct flock;

/* One actor's view; plain, because only its actor touches it, wherever that runs. */
struct bird {
    struct flock *flock;
    uint64_t expected;
    uint32_t executor;
    uint32_t moves;
    uint32_t nops;
};

struct flock {
    bool does_io;
    _Atomic uint32_t finished;
    _Atomic uint32_t moves;
    struct tsuga_id ids[ACTORS];
    struct tsuga_gate hatched;
};

static void look_around(struct tsuga_actor *self, struct bird *bird)
{
    uint32_t now = tsuga_executor_of(self);

    bird->moves += now != bird->executor;
    bird->executor = now;
}

static void hatch(struct tsuga_actor *self, void *argument)
{
    struct bird *bird = tsuga_state(self);
    struct flock *flock = argument;

    bird->flock = flock;
    bird->executor = tsuga_executor_of(self);
    if (flock->does_io)
        CHECK_INT(tsuga_op_error(tsuga_timeout(self, TSUGA_NS_PER_S * 3600)), 0);
    tsuga_gate_raise(&flock->hatched);
}

static void leave_if_done(struct tsuga_actor *self, struct bird *bird)
{
    struct flock *flock = bird->flock;

    if (bird->expected < MESSAGES || (flock->does_io && bird->nops < MESSAGES))
        return;
    atomic_fetch_add_explicit(&flock->moves, bird->moves, memory_order_relaxed);
    atomic_fetch_add_explicit(&flock->finished, 1, memory_order_relaxed);
    tsuga_exit(self, TSUGA_NORMAL);
}

/* Each message and each completion exactly once and in order, wherever the actor is by then. */
static void fly(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct bird *bird = tsuga_state(self);
    const struct tsuga_completion *got = tsuga_message_completion(message);

    look_around(self, bird);
    if (got != NULL) {
        CHECK_UINT(got->tag, bird->nops);
        bird->nops++;
    } else {
        struct tsuga_op nop = {.kind = TSUGA_OP_NOP, .tag = bird->expected};

        CHECK_UINT(tsuga_message_tag(message), bird->expected);
        CHECK_UINT(*(const uint64_t *)tsuga_message_data(message), bird->expected * 3);
        bird->expected++;
        if (bird->flock->does_io)
            CHECK_INT(tsuga_op_error(tsuga_submit(self, &nop)), 0);
    }
    leave_if_done(self, bird);
}

static void breed(struct tsuga_actor *self, void *argument)
{
    struct flock *flock = argument;
    struct tsuga_spawn_options options = {.behaviour = fly,
                                          .start = hatch,
                                          .argument = flock,
                                          .state_bytes = sizeof(struct bird),
                                          .placement = TSUGA_PLACE_HERE};

    for (uint32_t i = 0; i < ACTORS; i++)
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &flock->ids[i]), 0);
}

/* All of them start on executor 0, which a burst of messages for each keeps busy, while the other
 * executors have nothing to do but to steal. */
static struct tsuga_stats let_fly(struct flock *flock, enum tsuga_toggle steal)
{
    struct tsuga_setup setup = {.config.executor = {.threads = 3, .steal = steal}};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, breed, flock);
    tsuga_gate_await(&flock->hatched, ACTORS);
    for (uint64_t tag = 0; tag < MESSAGES; tag++) {
        uint64_t payload = tag * 3;

        for (uint32_t i = 0; i < ACTORS; i++)
            CHECK_INT(tsuga_post(run.runtime, flock->ids[i], tag, &payload, sizeof(payload)), 0);
    }
    tsuga_world_end(&run);
    CHECK_UINT(flock->finished, ACTORS);
    return run.stats;
}

TEST(executor, h44_an_actor_with_operations_in_flight_does_not_move)
{
    struct flock flock = {.does_io = true};

    (void)let_fly(&flock, TSUGA_ON);
    CHECK_UINT(flock.moves, 0);
}

TEST(executor, h44_nobody_moves_when_stealing_is_off)
{
    struct flock flock = {.does_io = false};
    struct tsuga_stats stats = let_fly(&flock, TSUGA_OFF);

    CHECK_UINT(flock.moves, 0);
    CHECK_UINT(stats.steals, 0);
}

/* Has neighbours that can only run elsewhere, and goes home when all have been there and back. */
struct exile {
    struct tsuga_gate hatched;
    struct tsuga_gate abroad;
    struct tsuga_id ids[ACTORS];
    uint32_t home;
};

static void emigrate(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct exile *exile = *(struct exile **)tsuga_state(self);

    CHECK_UINT(tsuga_message_tag(message), 7);
    CHECK(tsuga_executor_of(self) != exile->home);
    tsuga_gate_raise(&exile->abroad);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void keep_argument(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
    tsuga_gate_raise(&((struct exile *)argument)->hatched);
}

static void hatch_exiles(struct tsuga_run *run, struct exile *exile, uint32_t count)
{
    struct tsuga_spawn_options options = {.behaviour = emigrate,
                                          .start = keep_argument,
                                          .argument = exile,
                                          .state_bytes = sizeof(void *)};

    for (uint32_t i = 0; i < count; i++)
        CHECK_INT(tsuga_spawn(run->runtime, &options, &exile->ids[i]), 0);
    tsuga_gate_await(&exile->hatched, count);
}

static void drive_out(struct tsuga_actor *self, void *argument)
{
    struct exile *exile = argument;

    exile->home = tsuga_executor_of(self);
    for (uint32_t i = 0; i < ACTORS; i++)
        CHECK_INT(tsuga_send(self, exile->ids[i], 7, NULL, 0), 0);
    tsuga_gate_await(&exile->abroad, ACTORS);
}

TEST(executor, h44_actors_without_operations_move_with_their_messages)
{
    struct tsuga_setup setup = {.config.executor = {.threads = 2, .watchdog_us = 1000}};
    struct exile exile = {.home = 0};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    hatch_exiles(&run, &exile, ACTORS);
    tsuga_world_spawn(&run, drive_out, &exile);
    tsuga_world_end(&run);
    CHECK(run.stats.steals > 0);
}

/* Who is called from another executor. */

#define TALK_MAX 100u

enum tie_to_home { FREE, PINNED, WITH_OPERATION, WITH_TIMER };

struct pair {
    enum tie_to_home tie;
    uint32_t started_on; /* the other one's executor */
    bool has_come;       /* it runs on the caller's now */
};

static void settle_in(struct tsuga_actor *self, void *argument)
{
    struct pair *pair = argument;
    struct tsuga_mail mail = {.to = tsuga_self(self)};

    pair->started_on = tsuga_executor_of(self);
    if (pair->tie == WITH_OPERATION)
        CHECK_INT(tsuga_op_error(tsuga_timeout(self, TSUGA_NS_PER_S * 3600)), 0);
    if (pair->tie == WITH_TIMER)
        CHECK_INT(tsuga_send_after(self, &mail, TSUGA_NS_PER_S * 3600, NULL), 0);
}

static void tell_executor(struct tsuga_actor *self, const struct tsuga_message *message)
{
    uint32_t executor = tsuga_executor_of(self);

    CHECK_INT(tsuga_send(self, tsuga_message_from(message), tsuga_message_tag(message), &executor,
                         sizeof(executor)),
              0);
}

/* Where the other one says it is. */
static uint32_t ask(struct tsuga_actor *self, struct tsuga_id other, uint64_t tag)
{
    const struct tsuga_message *message;

    CHECK_INT(tsuga_send(self, other, tag, NULL, 0), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_UINT(tsuga_message_tag(message), tag);
    return *(const uint32_t *)tsuga_message_data(message);
}

/* Who has something to stay for never comes; who has not comes sooner or later: it may have been
 * awake at some calls. */
static void talk_to(struct tsuga_actor *self, struct pair *pair, struct tsuga_id other)
{
    for (uint64_t i = 0; !pair->has_come && (pair->tie == FREE || i < TALK_MAX); i++)
        pair->has_come = ask(self, other, i) == tsuga_executor_of(self);
}

/* To somebody who has started on the other executor; who was stolen before will not do. */
static void talk(struct tsuga_actor *self, void *argument)
{
    struct pair *pair = argument;
    struct tsuga_spawn_options options = {
        .behaviour = tell_executor,
        .start = settle_in,
        .argument = pair,
        .placement = pair->tie == PINNED ? TSUGA_PLACE_EXECUTOR : TSUGA_PLACE_LEAST_LOADED,
        .executor = 1 - tsuga_executor_of(self)};
    struct tsuga_id other;

    do {
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &other), 0);
        pair->has_come = false;
        talk_to(self, pair, other);
    } while (pair->started_on == tsuga_executor_of(self));
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
}

static struct tsuga_stats let_talk(struct pair *pair)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, talk, pair);
    tsuga_world_end(&run);
    return run.stats;
}

TEST(executor, h44_who_is_called_comes_to_the_caller)
{
    struct pair pair = {.tie = FREE};
    struct tsuga_stats stats = let_talk(&pair);

    CHECK(pair.has_come);
    CHECK(stats.steals > 0);
}

TEST(executor, h44_who_is_called_does_not_leave_what_cannot_move)
{
    static const enum tie_to_home ties[] = {PINNED, WITH_OPERATION, WITH_TIMER};

    for (size_t i = 0; i < sizeof(ties) / sizeof(ties[0]); i++) {
        struct pair pair = {.tie = ties[i]};

        (void)let_talk(&pair);
        CHECK(!pair.has_come);
    }
}

/* Whose descriptor waits for memory stays with it. */

/* Has no memory for anybody's I/O while it is told so. */
struct miser {
    const struct tsuga_memory *memory;
    _Atomic bool is_mean;
};

static void *alloc_unless_mean(void *context, size_t bytes)
{
    struct miser *miser = context;

    if (atomic_load(&miser->is_mean) && bytes == sizeof(struct tsuga_io))
        return NULL;
    return tsuga_memory_alloc(miser->memory, bytes);
}

static void release(void *context, void *pointer, size_t bytes)
{
    tsuga_memory_free(((struct miser *)context)->memory, pointer, bytes);
}

static uint64_t owned_count(const struct tsuga_actor *self)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    return stats.descriptors;
}

static void give_one(struct tsuga_actor *self, struct tsuga_id other)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    CHECK_INT(tsuga_fd_give(self, fd, other), 0);
}

/* The gift itself may bring its receiver here, on its way to sleep. */
static void give_to_poor(struct tsuga_actor *self, void *argument)
{
    struct miser *miser = argument;
    struct tsuga_spawn_options options = {.behaviour = tell_executor,
                                          .placement = TSUGA_PLACE_LEAST_LOADED};
    struct tsuga_id other;
    bool has_come;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* its own I/O is made */
    do {
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &other), 0);
        atomic_store(&miser->is_mean, true);
        give_one(self, other);
        has_come = ask(self, other, 0) == tsuga_executor_of(self);
        if (!has_come) /* here it may have got what another one has left */
            CHECK_UINT(owned_count(self), 0);
        for (uint64_t i = 1; !has_come && i < TALK_MAX; i++)
            CHECK(ask(self, other, i) != tsuga_executor_of(self));
        atomic_store(&miser->is_mean, false);
        (void)ask(self, other, 0);
        CHECK_UINT(owned_count(self), 1);
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), other), 0);
        while (owned_count(self) > 0)
            CHECK_INT(tsuga_yield(self), 0);
    } while (has_come);
}

TEST(executor, h44_who_waits_for_a_gift_stays_with_it)
{
    const struct tsuga_backing *backing = tsuga_backing_default();
    struct miser miser = {.memory = &backing->memory};
    struct tsuga_backing mean = *backing;
    struct tsuga_setup setup = {.config.executor.threads = 2, .backing = &mean};
    struct tsuga_run run;

    mean.memory =
        (struct tsuga_memory){.alloc = alloc_unless_mean, .free = release, .context = &miser};
    tsuga_world_start(&setup, &run);
    tsuga_world_spawn(&run, give_to_poor, &miser);
    tsuga_world_end(&run);
}

/* The other one may be stopped at any moment, also while it falls asleep on one executor and wakes
 * on another. */

#define PARTNERS    300u
#define STOP_AT_MAX 20u

struct salon {
    struct tsuga_runtime *runtime;
    uint64_t random;          /* the talker's */
    _Atomic uint64_t partner; /* who is to be stopped now; 0: nobody */
    _Atomic bool is_over;
    _Atomic uint32_t heard; /* by partners who have ended */
    uint64_t told;
    uint32_t partner_count;
};

struct listener {
    struct salon *salon;
    uint32_t heard; /* plain: only its actor touches it, wherever that runs */
};

static void sit_down(struct tsuga_actor *self, void *argument)
{
    ((struct listener *)tsuga_state(self))->salon = argument;
}

static void answer(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct listener *listener = tsuga_state(self);

    CHECK_UINT(tsuga_message_tag(message), listener->heard);
    listener->heard++;
    CHECK_INT(tsuga_send(self, tsuga_message_from(message), listener->heard, NULL, 0), 0);
}

static void report(void *state)
{
    struct listener *listener = state;

    if (listener->salon == NULL) /* stopped before its start */
        return;
    atomic_fetch_add_explicit(&listener->salon->heard, listener->heard, memory_order_relaxed);
}

/* Talks on while the partner is being stopped. The number of answers before the end. */
static uint64_t talk_until_end(struct tsuga_actor *self, struct salon *salon,
                               struct tsuga_id partner)
{
    const struct tsuga_message *message;
    uint64_t stop_at = tsuga_test_random(&salon->random) % STOP_AT_MAX;
    uint64_t number = 0;

    for (;;) {
        int error = tsuga_send(self, partner, number, NULL, 0);

        CHECK(error == 0 || error == -ESRCH);
        if (number == stop_at)
            atomic_store_explicit(&salon->partner, partner.value, memory_order_relaxed);
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_DOWN)
            return number;
        number++;
        CHECK_UINT(tsuga_message_tag(message), number);
    }
}

static uint64_t steals_of(struct tsuga_runtime *runtime)
{
    struct tsuga_stats stats;

    tsuga_stats_read(runtime, &stats);
    return stats.steals;
}

static void entertain(struct tsuga_actor *self, void *argument)
{
    struct salon *salon = argument;
    struct tsuga_spawn_options options = {.behaviour = answer,
                                          .start = sit_down,
                                          .argument = salon,
                                          .placement = TSUGA_PLACE_LEAST_LOADED,
                                          .state_bytes = sizeof(struct listener),
                                          .state_fini = report};

    /* A partner that happens to be awake at the calls does not move. */
    for (uint32_t i = 0; i < PARTNERS || steals_of(salon->runtime) == 0; i++) {
        struct tsuga_id partner;

        salon->partner_count++;
        CHECK_INT(tsuga_spawn(salon->runtime, &options, &partner), 0);
        CHECK_INT(tsuga_monitor(self, partner, 0, NULL), 0);
        salon->told += talk_until_end(self, salon, partner);
    }
    atomic_store_explicit(&salon->is_over, true, memory_order_relaxed);
}

static void *stop_partners(void *context)
{
    struct salon *salon = context;

    while (!atomic_load_explicit(&salon->is_over, memory_order_relaxed)) {
        struct tsuga_id partner = {
            atomic_exchange_explicit(&salon->partner, 0, memory_order_relaxed)};

        if (partner.value != 0)
            CHECK_INT(tsuga_actor_stop(salon->runtime, partner), 0);
        else
            sched_yield();
    }
    return NULL;
}

TEST(executor, h44_who_comes_to_a_partner_may_be_stopped_on_the_way)
{
    struct tsuga_setup setup = {.config.executor.threads = 3};
    struct salon salon = {.random = tsuga_test_seed()};
    struct tsuga_run run;
    pthread_t stopper;

    tsuga_world_start(&setup, &run);
    salon.runtime = run.runtime;
    CHECK_INT(pthread_create(&stopper, NULL, stop_partners, &salon), 0);
    tsuga_world_spawn(&run, entertain, &salon);
    CHECK_INT(pthread_join(stopper, NULL), 0);
    tsuga_world_end(&run);
    CHECK(salon.heard >= salon.told); /* the last answer may come after the end */
    CHECK(salon.heard <= salon.told + salon.partner_count);
}

/* What an executor still has to do for an actor that sleeps and may be called from elsewhere: it
 * takes timers out of the actor's list some time after they were cancelled. */

#define QUESTIONS 2000u

struct oracle {
    struct tsuga_id id;
    uint32_t answered; /* plain: only the oracle counts */
};

static void change_mind(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct oracle *oracle = *(struct oracle **)tsuga_state(self);
    struct tsuga_mail mail = {.to = tsuga_self(self)};
    struct tsuga_timer_ref timer;

    CHECK_INT(tsuga_send_after(self, &mail, TSUGA_NS_PER_S * 3600, &timer), 0);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
    oracle->answered++;
    CHECK_INT(tsuga_send(self, tsuga_message_from(message), 0, NULL, 0), 0);
    if (oracle->answered == 2 * QUESTIONS)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void keep_oracle(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

static void ask_often(struct tsuga_actor *self, void *argument)
{
    const struct oracle *oracle = argument;
    const struct tsuga_message *message;

    for (uint32_t i = 0; i < QUESTIONS; i++) {
        CHECK_INT(tsuga_send(self, oracle->id, 0, NULL, 0), 0);
        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    }
}

TEST(executor, h44_who_has_cancelled_timers_is_called_from_both_sides)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct oracle oracle = {.answered = 0};
    struct tsuga_spawn_options options = {.behaviour = change_mind,
                                          .start = keep_oracle,
                                          .argument = &oracle,
                                          .state_bytes = sizeof(void *)};
    struct tsuga_spawn_options callers = {
        .body = ask_often, .argument = &oracle, .placement = TSUGA_PLACE_EXECUTOR};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &options, &oracle.id), 0);
    for (callers.executor = 0; callers.executor < 2; callers.executor++)
        CHECK_INT(tsuga_spawn(run.runtime, &callers, NULL), 0);
    tsuga_world_end(&run);
    CHECK_UINT(oracle.answered, 2 * QUESTIONS);
}

/* Calls somebody in a long turn, and goes on until that one has run. */
static void keep_going(struct tsuga_actor *self, void *argument)
{
    struct exile *exile = argument;

    exile->home = tsuga_executor_of(self);
    CHECK_INT(tsuga_send(self, exile->ids[0], 7, NULL, 0), 0);
    while (tsuga_gate_height(&exile->abroad) == 0)
        (void)tsuga_slice_used(self);
}

TEST(executor, h44_who_is_called_by_a_long_turn_runs_elsewhere)
{
    /* No watchdog comes to help. */
    struct tsuga_setup setup = {.config.executor = {.threads = 2, .watchdog_us = 3600000000}};
    struct exile exile = {.home = 0};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    hatch_exiles(&run, &exile, 1);
    tsuga_world_spawn(&run, keep_going, &exile);
    tsuga_world_end(&run);
}
