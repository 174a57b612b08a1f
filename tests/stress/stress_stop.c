/*
 * Stops actors at random, in every state of every kind of operation, and looks at what is left.
 *
 *     stress_stop [SECONDS [SEED]]        60 seconds; TSUGA_TEST_SEED is a seed, too
 *
 * A round is the life of one runtime with a configuration drawn at random. Its actors have goals: a
 * kind of operation and a state in which their end shall find it. Some end by themselves, the
 * others wait to be stopped from outside or with the whole runtime. Many watch, ask and link
 * others, have timers and names; some are started, and started again, by supervisors. Beside them
 * pairs of actors move content through pipes and sockets until one of the two is stopped. After
 * each round nobody is alive, every operation that was started has completed, no heap is in use,
 * and the process has as many descriptors open as before.
 *
 * At the end a table tells how many operations were started, and how many stops found one, by kind
 * and by state; another one what ties they had. The status is 1 when there was none where there
 * could have been one.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/runtime.h"
#include "tests/stress/support_bonds.h"
#include "tests/stress/support_props.h"
#include "tests/stress/support_round.h"
#include "tests/stress/support_tally.h"

#include <tsuga.h>

#define POPULATION    48u
#define SLOTS         256u /* records whose submission is remembered */
#define ROUND_NS      UINT64_C(250000000)
#define OPS_MAX       4096u
#define OPS_MAX_TIGHT 48u
#define FOREVER_TAG   UINT64_C(0xf0e)
#define LETTER_TAG    UINT64_C(0x1e7)
#define CHILDREN      3u

struct round {
    struct tsuga_runtime *runtime;
    struct stress_tally *tally;
    struct stress_bonds *bonds;
    struct stress_scenery *scenery;
    struct tsuga_child_spec children[CHILDREN];
    struct tsuga_supervisor supervisor;
    uint64_t random;                  /* of the main thread */
    uint64_t seed;                    /* of the actors */
    bool is_tight;                    /* room for a few operations only */
    _Atomic uint64_t ids[POPULATION]; /* of actors that may be stopped, or have ended */
};

/* An actor's state, with what its exit hook wants to know. */
struct life {
    struct round *round;
    struct tsuga_actor *self;
    struct stress_props props;
    enum tsuga_op_kind kind;
    enum stress_state goal;
    enum stress_way way;
    bool is_submitting;      /* and perhaps waits for room */
    uint64_t entered[SLOTS]; /* the ring's enters before the record of a slot was submitted */
};

static struct tsuga_executor *executor_of(const struct life *life)
{
    return tsuga_seat_home(tsuga_seat_of(life->self));
}

/* The last moments of an actor: what of its operations is in which state? */

static enum stress_state state_of(const struct life *life, const struct tsuga_record *record)
{
    bool is_early =
        record->slot < SLOTS && life->entered[record->slot] == executor_of(life)->ring->enter_count;

    if (record->state == TSUGA_RECORD_DONE)
        return STRESS_COMPLETED;
    if (record->state == TSUGA_RECORD_TAKEN)
        return STRESS_TAKEN;
    if (record->state == TSUGA_RECORD_WAITING)
        return STRESS_QUEUED;
    if (record->kind == TSUGA_OP_BLOCKING)
        is_early = !atomic_load_explicit(&life->props.job->has_begun, memory_order_acquire);
    return is_early ? STRESS_QUEUED : STRESS_SUBMITTED;
}

static enum stress_way way_of(const struct life *life)
{
    uint32_t level =
        atomic_load_explicit(&executor_of(life)->shared->stop_level, memory_order_relaxed);

    if (life->way != STRESS_STOPPED)
        return life->way;
    if (life->self->reason < 0) /* the other one's */
        return STRESS_LINKED;
    if (level == TSUGA_STOP_NONE)
        return STRESS_STOPPED;
    return level == TSUGA_STOP_ASKED ? STRESS_GRACEFUL : STRESS_NOW;
}

static void take_stock(void *context)
{
    struct life *life = context;
    struct tsuga_io *io = tsuga_seat_of(life->self)->io;
    struct stress_tally *tally = life->round->tally;

    stress_count(&tally->ways[way_of(life)], 1);
    stress_bonds_take_stock(life->round->bonds, life->self);
    if (life->is_submitting)
        stress_count(&tally->stops[life->kind][STRESS_WAITING], 1);
    for (uint32_t slot = 0; io != NULL && slot < io->slab.count; slot++) {
        struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record != NULL && record->state <= TSUGA_RECORD_TAKEN)
            stress_count(&tally->stops[record->kind][state_of(life, record)], 1);
    }
}

/* Whoever is alive may be stopped. */
static void enroll(struct life *life)
{
    uint64_t slot = stress_random(&life->props.random) % POPULATION;

    atomic_store_explicit(&life->round->ids[slot], tsuga_self(life->self).value,
                          memory_order_relaxed);
}

/* With anybody who is alive, or was. */
static void tie(struct life *life)
{
    uint64_t slot = stress_random(&life->props.random) % POPULATION;
    struct tsuga_id other = {atomic_load_explicit(&life->round->ids[slot], memory_order_relaxed)};

    if (other.value != 0)
        stress_bonds_make(life->self, other, stress_random(&life->props.random));
}

static void begin_life(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct round *round = argument;

    life->round = round;
    life->self = self;
    life->kind = TSUGA_OP_NOP;
    life->props = (struct stress_props){.scenery = round->scenery, .tally = round->tally};
    life->props.random = tsuga_self(self).value * UINT64_C(0x9e3779b97f4a7c15) ^ round->seed;
    enroll(life);
    STRESS_REQUIRE(tsuga_on_exit(self, take_stock, life) == 0);
    tie(life);
}

/* Now and then as the head of a chain, whose tail nobody waits for. The link is soft or
 * hard, and the whole may have a time limit. */
static struct tsuga_token start(struct life *life, const struct tsuga_op *op)
{
    struct tsuga_op chain[2] = {*op, {.kind = TSUGA_OP_NOP, .options = TSUGA_OP_SILENT}};
    struct tsuga_token tokens[2];
    uint64_t limit_ns = 0;
    int error;

    if (op->kind == TSUGA_OP_CLOSE || op->kind == TSUGA_OP_CANCEL ||
        op->kind == TSUGA_OP_BLOCKING || stress_random(&life->props.random) % 4 > 0)
        return tsuga_submit(life->self, op);
    if (stress_random(&life->props.random) % 2 == 0)
        chain[0].options |= TSUGA_OP_HARD;
    if (stress_random(&life->props.random) % 4 == 0)
        limit_ns = 1 + stress_random(&life->props.random) % 2000000;
    error = tsuga_submit_chain(life->self, chain, 2, limit_ns, tokens);
    if (error == -EINVAL) /* what is no operation of the ring */
        return tsuga_submit(life->self, op);
    return error == 0 ? tokens[0] : (struct tsuga_token){(uint64_t)-error};
}

/* Submits, and remembers when. */
static struct tsuga_token submit(struct life *life, const struct tsuga_op *op)
{
    struct tsuga_token token;

    life->is_submitting = op->kind == life->kind && (op->options & TSUGA_OP_NOWAIT) == 0;
    token = start(life, op);
    if (tsuga_op_error(token) != 0) {
        /* A stop that ends the wait for room leaves is_submitting set: take_stock() counts it. */
        life->is_submitting = life->is_submitting && tsuga_op_error(token) == -ECANCELED;
        return token;
    }
    life->is_submitting = false;
    stress_count(&life->round->tally->started[op->kind], 1);
    if ((uint32_t)token.value < SLOTS)
        life->entered[(uint32_t)token.value] = executor_of(life)->ring->enter_count;
    return token;
}

/* Ways to the goals. */

/* Pushes until the queue overflows into the kernel, so that everything in it is submitted and
 * nothing is reaped. */
static void force_enter(struct life *life)
{
    struct tsuga_op nop = {.kind = TSUGA_OP_NOP, .options = TSUGA_OP_SILENT | TSUGA_OP_NOWAIT};
    uint64_t entered = executor_of(life)->ring->enter_count;

    while (executor_of(life)->ring->enter_count == entered &&
           tsuga_op_error(tsuga_submit(life->self, &nop)) == 0)
        continue;
}

/* Waits until the completion is in the mailbox, without taking it. */
static void await_delivery(struct life *life, struct tsuga_token token)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = FOREVER_TAG};
    struct tsuga_io *io = tsuga_seat_of(life->self)->io;
    const struct tsuga_message *message;
    struct tsuga_record *record;
    int error = -ETIMEDOUT;

    while (error == -ETIMEDOUT && tsuga_record_find(io, token, &record) == 0 &&
           record->state != TSUGA_RECORD_DONE)
        error = tsuga_receive(life->self, &nothing, 200000, &message);
}

static void take_completion(struct life *life, struct tsuga_token token)
{
    struct tsuga_completion got = tsuga_await(life->self, token);

    if (!got.last)
        return; /* being stopped */
    stress_count(&life->round->tally->taken[life->kind], 1);
    stress_props_check(&life->props, life->kind, &got);
}

/* Takes all the room there is, so that whoever comes next must wait. */
static void take_all_room(struct life *life)
{
    struct tsuga_op timeout = {.kind = TSUGA_OP_TIMEOUT,
                               .options = TSUGA_OP_NOWAIT,
                               .timeout_ns = UINT64_C(3600000000000)};

    while (tsuga_op_error(tsuga_submit(life->self, &timeout)) == 0)
        continue;
}

/* Ends by itself, in one way or another. */
static void end(struct life *life)
{
    switch (stress_random(&life->props.random) % 3) {
    case 0:
        life->way = STRESS_EXIT;
        tsuga_exit(life->self, -EIO);
    case 1:
        life->way = STRESS_SUICIDE;
        STRESS_REQUIRE(tsuga_actor_stop(life->round->runtime, tsuga_self(life->self)) == 0);
        return;
    default:
        life->way = STRESS_RETURN;
        return;
    }
}

static void linger(struct life *life)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = FOREVER_TAG};
    const struct tsuga_message *message;

    (void)!tsuga_receive(life->self, &nothing, TSUGA_FOREVER, &message);
}

static void pursue(struct life *life, const struct tsuga_op *op)
{
    struct tsuga_token token = submit(life, op);
    bool is_patient = stress_random(&life->props.random) % 2 == 0;

    if (tsuga_op_error(token) != 0)
        return;
    if (life->goal == STRESS_SUBMITTED)
        force_enter(life);
    else if (life->goal == STRESS_COMPLETED)
        await_delivery(life, token);
    else if (life->goal == STRESS_TAKEN)
        take_completion(life, token);
    /* What is to be found queued must not be given the time to be submitted. */
    if (life->goal != STRESS_QUEUED && is_patient)
        linger(life);
    else
        end(life);
}

/* What is to be received must complete; for the rest it does not matter. A deadline now and then
 * competes with the stop. */
static bool set_stage(struct life *life, struct tsuga_op *op)
{
    bool is_pending = life->goal != STRESS_COMPLETED && life->goal != STRESS_TAKEN &&
                      stress_random(&life->props.random) % 2 == 0;

    if (!stress_props_set(&life->props, life->self, life->kind, is_pending, op))
        return false;
    if (is_pending && life->kind != TSUGA_OP_TIMEOUT && life->kind != TSUGA_OP_UPDATE &&
        stress_random(&life->props.random) % 4 == 0)
        op->timeout_ns = 1 + stress_random(&life->props.random) % 2000000;
    return true;
}

/* A cell of the table in which little has happened, of a few drawn at random. */
static void choose_goal(struct life *life)
{
    const struct stress_tally *tally = life->round->tally;
    uint64_t best = UINT64_MAX;

    for (unsigned draw = 0; draw < 4; draw++) {
        uint64_t random = stress_random(&life->props.random);
        enum tsuga_op_kind kind = (enum tsuga_op_kind)(random % TSUGA_OP_KIND_COUNT);
        enum stress_state state = (enum stress_state)((random >> 32) % STRESS_STATES);
        uint64_t count;

        if (life->round->is_tight)
            state = STRESS_WAITING;
        count = atomic_load_explicit(&tally->stops[kind][state], memory_order_relaxed);
        if ((!life->round->is_tight && state == STRESS_WAITING) ||
            !stress_tally_is_possible(tally, kind, state) || count >= best)
            continue;
        best = count;
        life->kind = kind;
        life->goal = state;
    }
}

static void live(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct tsuga_op op;

    begin_life(self, argument);
    choose_goal(life);
    if (!set_stage(life, &op))
        return;
    if (life->goal == STRESS_WAITING)
        take_all_room(life);
    pursue(life, &op);
}

/* Pairs: one writes a content for ever, the other reads and compares it. */

struct letter {
    int fd;
    bool is_socket;
    uint64_t seed;
};

static bool receive_letter(struct life *life, struct letter *letter)
{
    struct tsuga_select users = {.user_only = true, .by_tag = true, .tag = LETTER_TAG};
    const struct tsuga_message *message;

    if (tsuga_receive(life->self, &users, TSUGA_FOREVER, &message) != 0)
        return false;
    STRESS_REQUIRE(tsuga_message_bytes(message) == sizeof(*letter));
    memcpy(letter, tsuga_message_data(message), sizeof(*letter));
    return true;
}

static struct tsuga_op writing(struct life *life, const struct letter *letter, uint64_t offset)
{
    struct stress_props *props = &life->props;
    size_t bytes = 1 + stress_random(&props->random) % STRESS_PAYLOAD;

    stress_fill(props->payload, bytes, letter->seed, offset);
    return (struct tsuga_op){.kind = letter->is_socket ? TSUGA_OP_SEND : TSUGA_OP_WRITE,
                             .fd = letter->fd,
                             .data = props->payload,
                             .bytes = bytes};
}

static void write_for_ever(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct letter letter;
    struct tsuga_completion got = {.result = 1};
    uint64_t offset = 0;

    begin_life(self, argument);
    if (!receive_letter(life, &letter))
        return;
    while (got.result > 0) {
        struct tsuga_op op = writing(life, &letter, offset);

        life->kind = op.kind;
        got = tsuga_await(self, submit(life, &op));
        if (got.result > 0)
            offset += (uint64_t)got.result;
        if (got.result > 0)
            stress_count(&life->round->tally->taken[op.kind], 1);
    }
}

static struct tsuga_op reading(struct life *life, const struct letter *letter)
{
    struct tsuga_op op = {.kind = letter->is_socket ? TSUGA_OP_RECV : TSUGA_OP_READ,
                          .fd = letter->fd,
                          .bytes = 1 + stress_random(&life->props.random) % STRESS_PAYLOAD};

    if (stress_random(&life->props.random) % 2 == 0)
        op.into = life->props.into;
    return op;
}

static void read_for_ever(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct letter letter;
    struct tsuga_completion got = {.result = 1};
    uint64_t offset = 0;

    begin_life(self, argument);
    if (!receive_letter(life, &letter))
        return;
    while (got.result > 0) {
        struct tsuga_op op = reading(life, &letter);

        life->kind = op.kind;
        got = tsuga_await(self, submit(life, &op));
        if (got.result <= 0)
            break;
        stress_compare(life->round->tally, got.data != NULL ? got.data : life->props.into,
                       (size_t)got.result, letter.seed, offset);
        stress_count(&life->round->tally->taken[op.kind], 1);
        offset += (uint64_t)got.result;
    }
}

/* Gives one end away; whoever gets it may be dead by now. */
static void give(struct life *life, tsuga_body_fn *body, struct letter letter)
{
    struct tsuga_spawn_options options = {.body = body,
                                          .argument = life->round,
                                          .state_bytes = sizeof(struct life),
                                          .placement = TSUGA_PLACE_LEAST_LOADED,
                                          .name = "pair"};
    struct tsuga_id id;
    int error;

    if (tsuga_spawn(life->round->runtime, &options, &id) != 0)
        return; /* the runtime is stopping: our own end closes the descriptor */
    if (stress_random(&life->props.random) % 8 == 0)
        (void)tsuga_actor_stop(life->round->runtime, id);
    error = tsuga_fd_give(life->self, letter.fd, id);
    STRESS_REQUIRE(error == 0 || error == -ESRCH);
    error = tsuga_send(life->self, id, LETTER_TAG, &letter, sizeof(letter));
    STRESS_REQUIRE(error == 0 || error == -ESRCH);
}

static void found_pair(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct letter letter;
    int ends[2];

    begin_life(self, argument);
    letter.is_socket = stress_random(&life->props.random) % 2 == 0;
    letter.seed = stress_random(&life->props.random);
    if ((letter.is_socket ? stress_socketpair(ends) : stress_pipe(ends)) != 0)
        return;
    for (int i = 0; i < 2; i++)
        STRESS_REQUIRE(tsuga_fd_adopt(self, ends[i]) == 0);
    letter.fd = ends[0];
    give(life, read_for_ever, letter);
    letter.fd = ends[1];
    give(life, write_for_ever, letter);
}

/* Rounds. */

static uint64_t draw(struct round *round, uint64_t count)
{
    return stress_random(&round->random) % count;
}

static struct tsuga_config draw_config(struct round *round)
{
    static const uint32_t entries[] = {4, 16, 64};
    struct tsuga_config config = {.log.level = TSUGA_LOG_WARN};

    config.executor.threads = (uint32_t)(1 + draw(round, 3));
    config.executor.ring_entries = entries[draw(round, 3)];
    config.executor.ops_max = round->is_tight ? OPS_MAX_TIGHT : OPS_MAX;
    config.executor.blocking_threads = (uint32_t)(1 + draw(round, 2));
    config.executor.steal = draw(round, 2) == 0 ? TSUGA_OFF : TSUGA_ON;
    config.executor.watchdog_us = 10000000; /* sanitizers are slow, and so is a busy machine */
    config.actor.death_ms = 60000;
    config.ioheap.registration = (enum tsuga_registration)draw(round, 4);
    for (unsigned i = 0; i < TSUGA_FEATURE_COUNT; i++)
        config.features[i] = draw(round, 4) == 0 ? TSUGA_OFF : TSUGA_DEFAULT;
    return config;
}

/* Started again a few times, in one way or another. */
static void draw_supervisor(struct round *round)
{
    round->supervisor = (struct tsuga_supervisor){.strategy = (enum tsuga_strategy)draw(round, 3),
                                                  .children = round->children,
                                                  .child_count = CHILDREN,
                                                  .backoff_ns = draw(round, 2) * 1000000,
                                                  .name = "supervisor"};
    for (unsigned i = 0; i < CHILDREN; i++)
        round->children[i] =
            (struct tsuga_child_spec){.spawn = {.body = live,
                                                .argument = round,
                                                .state_bytes = sizeof(struct life),
                                                .name = "child"},
                                      .restart = (enum tsuga_restart)draw(round, 3)};
}

static void spawn_supervisor(struct round *round)
{
    struct tsuga_spawn_options options = tsuga_supervise(&round->supervisor);

    STRESS_REQUIRE(tsuga_spawn(round->runtime, &options, NULL) == 0);
    stress_count(&round->tally->supervisors, 1);
}

static void spawn_one(struct round *round)
{
    bool is_pair = draw(round, 16) == 0;
    struct tsuga_spawn_options options = {.body = is_pair ? found_pair : live,
                                          .argument = round,
                                          .state_bytes = sizeof(struct life),
                                          .name = is_pair ? "founder" : "goal"};

    if (draw(round, 64) == 0)
        spawn_supervisor(round);
    STRESS_REQUIRE(tsuga_spawn(round->runtime, &options, NULL) == 0);
    stress_count(&round->tally->actors, 1);
}

static void stop_one(struct round *round)
{
    uint64_t slot = draw(round, POPULATION);
    struct tsuga_id id = {atomic_load_explicit(&round->ids[slot], memory_order_relaxed)};

    (void)tsuga_actor_stop(round->runtime, id);
}

/* Stops some, at random, and sees to it that there are always others. */
static void stir(struct round *round)
{
    struct tsuga_stats stats;

    tsuga_stats_read(round->runtime, &stats);
    for (uint64_t alive = stats.actors_alive; alive < POPULATION; alive++)
        spawn_one(round);
    for (uint64_t i = draw(round, 24); i > 0; i--)
        stop_one(round);
    sched_yield();
}

static void note_features(struct round *round)
{
    struct tsuga_ring *ring = round->runtime->shared.executors[0].ring;

    if (ring->ops->supports(ring, TSUGA_RING_BIND))
        atomic_store_explicit(&round->tally->has_bind_operation, true, memory_order_relaxed);
    if (ring->ops->supports(ring, TSUGA_RING_WAITID) &&
        ring->ops->supports(ring, TSUGA_RING_FUTEX_WAIT))
        atomic_store_explicit(&round->tally->has_waits, true, memory_order_relaxed);
    if (round->runtime->shared.executors[0].registered.is_on)
        atomic_store_explicit(&round->tally->has_registered, true, memory_order_relaxed);
}

static void count_fixed(struct round *round)
{
    struct tsuga_stats stats;

    tsuga_stats_read(round->runtime, &stats);
    stress_count(&round->tally->fixed, stats.ops_fixed);
}

static void run_round(struct round *round)
{
    uint64_t end_ns = stress_now_ns() + ROUND_NS;
    size_t descriptors = stress_count_descriptors();
    struct tsuga_config config;

    round->is_tight = draw(round, 4) == 0;
    round->seed = stress_random(&round->random);
    memset(round->scenery->jobs, 0, STRESS_JOBS * sizeof(*round->scenery->jobs));
    round->scenery->job_count = 0;
    config = draw_config(round);
    draw_supervisor(round);
    STRESS_REQUIRE(tsuga_start(&config, &round->runtime) == 0);
    note_features(round);
    while (stress_now_ns() < end_ns)
        stir(round);
    count_fixed(round);
    stress_end_runtime(round->runtime, stress_random(&round->random));
    STRESS_REQUIRE(stress_count_descriptors() == descriptors);
    stress_count(&round->tally->rounds, 1);
}

int main(int argc, char *argv[])
{
    static struct stress_tally tally;
    static struct stress_bonds bonds;
    static struct stress_scenery scenery;
    struct round round = {.tally = &tally, .bonds = &bonds, .scenery = &scenery};
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
    uint64_t end_ns = stress_now_ns() + seconds * TSUGA_NS_PER_S;
    bool is_complete;

    round.random = stress_seed(argc, argv);
    printf("TSUGA_TEST_SEED=%" PRIu64 "\n", round.random);
    fflush(stdout);
    stress_raise_descriptor_limit();
    alarm((unsigned)seconds * 2 + 120); /* a stop that never ends ends the program */
    stress_scenery_build(&scenery);
    do
        run_round(&round);
    while (stress_now_ns() < end_ns);
    stress_scenery_strike(&scenery);
    is_complete = stress_tally_print(&tally);
    is_complete &= stress_bonds_print(&bonds);
    return is_complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
