/* Whatever an actor has asked of the kernel, and however far that has come: it may end there. Each
 * form of asking (tests/support/kill_kinds.h) is met at each point of its life, by a stop, by the
 * actor's own exit and by the end of somebody it is linked to. An heir then fills memory from the
 * place where the dead actor's came from, and finds it unchanged when the kernel has let go. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/locked.h"
#include "executor/turn.h"
#include "tests/support/gate.h"
#include "tests/support/kill_kinds.h"
#include "tests/support/ring_fault.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define OPS_MAX     48u
#define HOLD_ENTERS 24u
#define NEVER_MS    3600000u
#define HEIR_LEASES 24u
#define HEIR_SEED   77u
#define SETTLE_NS   (30 * TSUGA_NS_PER_S)
#define ARENAS      4u /* that are registered: each executor's first, and one ahead */

/* How far the operation is. */
enum point {
    RESERVED,  /* the actor waits for room; a close that waits for other operations */
    QUEUED,    /* no system call since */
    SUBMITTED, /* the kernel has it, or a thread of the pool */
    FIRST,     /* the first of several results has been seen */
    LAST,      /* the last one has come, and nobody has looked */
    UNREAD,    /* the completion is in the mailbox */
    DELIVERED, /* it is the actor's current message */
    POINTS,
};

/* How the actor comes to its end. */
enum way { STOPPED, EXITS, LINKED, WAYS };

static const char *const point_names[POINTS] = {"reserved", "queued", "submitted", "first",
                                                "last",     "unread", "delivered"};
static const char way_letters[WAYS] = {'s', 'e', 'l'};

struct life {
    const struct tsuga_kill_kind *kind;
    enum point point;
    enum way way;
    struct tsuga_id partner;
    struct tsuga_kill_stage stage;
    struct tsuga_record *head; /* of a chain */
    struct tsuga_record *record;
    struct tsuga_token token;
    uint64_t entered;       /* the ring's enters before the submission */
    uint64_t request_count; /* pushed before it */
    bool is_submitting;
    bool is_seen;
    enum point seen; /* where it was at the end */

    struct tsuga_gate here;    /* the actor is at its point */
    struct tsuga_gate go;      /* it may end */
    struct tsuga_gate filled;  /* the heir's memory */
    struct tsuga_gate busy;    /* the pool's only thread */
    struct tsuga_gate begun;   /* the actor's job */
    struct tsuga_gate release; /* of the pool's thread */
};

struct table {
    struct tsuga_kill_scenery scenery;
    struct tsuga_scarce_memory memory;
    struct tsuga_ring_fault_plan plan;
    struct tsuga_calls calls; /* the kernel's, but for the directory listing */
    struct tsuga_run run;
    struct life life;
    uint64_t ended_count;
    size_t descriptor_count;
    uint64_t kinds; /* that were submitted, a bit for each */
    bool has_skipped;
};

static struct tsuga_executor *executor_of(const struct life *life)
{
    return tsuga_seat_home(tsuga_seat_of(life->stage.self));
}

static struct tsuga_ring *ring_of(const struct life *life)
{
    return executor_of(life)->ring;
}

static struct tsuga_ring_fault *fault_of(const struct life *life)
{
    return tsuga_ring_fault_of(ring_of(life));
}

static uint64_t name_of(const struct life *life)
{
    return (uint64_t)(uintptr_t)life->record;
}

/* Jobs of the pool. */

static void occupy(void *argument)
{
    struct life *life = argument;

    tsuga_gate_raise(&life->busy);
    tsuga_gate_await(&life->release, 1);
}

static void work(void *argument)
{
    struct life *life = argument;

    tsuga_gate_raise(&life->begun);
    if (life->point == SUBMITTED)
        tsuga_gate_await(&life->release, 1);
}

static int32_t list(void *context, int fd, void *buffer, size_t bytes)
{
    const struct tsuga_calls *calls = tsuga_calls_linux();

    work(context);
    return calls->list(calls->context, fd, buffer, bytes);
}

static int look_up(void *context, const char *host, const char *service,
                   const struct addrinfo *hints, struct addrinfo **out)
{
    const struct tsuga_calls *calls = tsuga_calls_linux();

    work(context);
    return calls->look_up(calls->context, host, service, hints, out);
}

/* Where is it? */

static bool is_queued_job(const struct life *life)
{
    return life->kind->is_job && tsuga_gate_height((struct tsuga_gate *)&life->begun) == 0;
}

static bool shows_end(const struct life *life)
{
    if (!life->kind->is_job)
        return tsuga_ring_fault_shows_end(fault_of(life), name_of(life));
    /* Nothing but a job posts to the executor of an actor that runs. */
    return atomic_load_explicit(&executor_of(life)->inbox, memory_order_acquire) != NULL;
}

static bool shows_first(const struct life *life)
{
    uint64_t count;
    const struct tsuga_ring_request *requests = tsuga_ring_fault_requests(fault_of(life), &count);
    uint64_t pushed = 0;

    if (life->head != NULL)
        return life->head->state == TSUGA_RECORD_DONE;
    if (!life->kind->is_continued)
        return (life->record->flags & (TSUGA_RECORD_QUEUED | TSUGA_RECORD_SENT)) != 0;
    for (uint64_t i = life->request_count; i < count; i++)
        pushed += requests[i].user_data == name_of(life);
    return pushed > 1;
}

static bool has_piece(const struct life *life)
{
    const struct tsuga_message *current = life->stage.self->current;

    return current != NULL && current->type == TSUGA_TYPE_PIECE;
}

static enum point point_of(const struct life *life)
{
    if (life->is_submitting || life->record->state == TSUGA_RECORD_WAITING)
        return RESERVED;
    if (life->record->state == TSUGA_RECORD_TAKEN || has_piece(life))
        return DELIVERED;
    if (life->record->state == TSUGA_RECORD_DONE)
        return UNREAD;
    if (is_queued_job(life))
        return QUEUED;
    if (shows_end(life))
        return LAST;
    if (shows_first(life))
        return FIRST;
    if (!life->kind->is_job && life->entered == ring_of(life)->enter_count)
        return QUEUED;
    return SUBMITTED;
}

/* An exit hook. A body that returns has looked itself: its current message is gone by now. */
static void take_stock(void *context)
{
    struct life *life = context;

    if (!life->is_seen)
        life->seen = point_of(life);
    life->is_seen = true;
}

/* Ways to the points. */

/* Results become visible, and nobody looks. */
static void await_end(struct life *life)
{
    while (!shows_end(life)) {
        (void)tsuga_ring_enter(ring_of(life), 0, 0);
        sched_yield();
    }
}

static void await_first(struct life *life)
{
    while (!shows_first(life))
        CHECK_INT(tsuga_yield(life->stage.self), 0);
}

static void await_delivery(struct life *life)
{
    while (life->record->state != TSUGA_RECORD_DONE)
        CHECK_INT(tsuga_yield(life->stage.self), 0);
}

static void cancel_stream(struct life *life)
{
    if (life->kind->is_stream)
        CHECK_INT(tsuga_op_error(tsuga_cancel(life->stage.self, life->token)), 0);
}

static void go_to_point(struct life *life)
{
    switch (life->point) {
    case SUBMITTED:
        if (life->kind->is_job)
            tsuga_gate_await(&life->begun, 1);
        else
            CHECK_INT(tsuga_ring_enter(ring_of(life), 0, 0), 0);
        return;
    case FIRST:
        await_first(life);
        return;
    case LAST:
        if (life->kind->is_continued)
            await_first(life);
        cancel_stream(life);
        await_end(life);
        return;
    case UNREAD:
        cancel_stream(life);
        await_delivery(life);
        return;
    case DELIVERED:
        (void)tsuga_await(life->stage.self, life->token);
        return;
    default:
        return;
    }
}

/* Before the submission: what will keep it where it is to be found. */
static void prepare(struct life *life)
{
    struct tsuga_actor *self = life->stage.self;
    struct tsuga_op wait = {
        .kind = TSUGA_OP_TIMEOUT, .options = TSUGA_OP_NOWAIT, .timeout_ns = TSUGA_FOREVER};

    if (life->point == RESERVED && life->stage.ops[0].kind == TSUGA_OP_CLOSE)
        CHECK_INT(tsuga_op_error(tsuga_read(self, life->stage.ops[0].fd, 10)), 0);
    while (life->point == RESERVED && !life->kind->is_impatient &&
           tsuga_op_error(tsuga_submit(self, &wait)) == 0)
        continue;
    if (life->point == QUEUED && life->kind->is_job) {
        CHECK_INT(tsuga_op_error(tsuga_blocking(self, occupy, life)), 0);
        tsuga_gate_await(&life->busy, 1);
    }
    if (life->point >= FIRST && life->kind->is_continued)
        tsuga_ring_fault_substitute(fault_of(life), TSUGA_RING_SEND_ZC, 1, -EOPNOTSUPP);
}

/* After it: late results. */
static void delay(struct life *life)
{
    if (life->kind->is_job)
        return;
    if (life->point == SUBMITTED)
        tsuga_ring_fault_hold(fault_of(life), name_of(life), HOLD_ENTERS);
    if (life->point == FIRST && life->kind->needs == TSUGA_RING_SEND_ZC &&
        !life->kind->is_continued)
        tsuga_ring_fault_hold_end(fault_of(life), name_of(life), HOLD_ENTERS);
}

static struct tsuga_record *record_of(const struct life *life, struct tsuga_token token)
{
    return tsuga_record_at(tsuga_seat_of(life->stage.self)->io, (uint32_t)token.value);
}

static void submit(struct life *life)
{
    struct tsuga_kill_stage *stage = &life->stage;
    struct tsuga_token tokens[2] = {{0}, {0}};
    int error;

    life->is_submitting = true;
    life->entered = ring_of(life)->enter_count;
    (void)tsuga_ring_fault_requests(fault_of(life), &life->request_count);
    if (stage->op_count == 1) {
        tokens[0] = tsuga_submit(stage->self, stage->ops);
        error = tsuga_op_error(tokens[0]);
    } else {
        error = tsuga_submit_chain(stage->self, stage->ops, 2, 0, tokens);
    }
    CHECK_INT(error, life->point == RESERVED && !life->kind->is_impatient ? -ECANCELED : 0);
    if (error != 0)
        return;
    life->is_submitting = false;
    life->token = tokens[stage->op_count - 1];
    life->record = record_of(life, life->token);
    if (stage->op_count == 2)
        life->head = record_of(life, tokens[0]);
    delay(life);
}

/* The actor's memory is known to the ring. */
static void await_registration(struct life *life)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(life->stage.self, 1, &lease), 0);
    CHECK_INT(tsuga_await(life->stage.self, tsuga_nop(life->stage.self)).result, 0);
    CHECK_INT(tsuga_message_done(life->stage.self), 0);
    while (executor_of(life)->registered.known_count == 0)
        CHECK_INT(tsuga_yield(life->stage.self), 0);
}

static uint64_t fixed_count(const struct life *life)
{
    return atomic_load_explicit(&executor_of(life)->counters.ops_fixed, memory_order_relaxed);
}

static void live(struct tsuga_actor *self, void *argument)
{
    struct life *life = argument;
    uint64_t fixed;

    life->stage.self = self;
    CHECK_INT(tsuga_on_exit(self, take_stock, life), 0);
    if (life->way == LINKED)
        CHECK_INT(tsuga_link(self, life->partner), 0);
    if (life->kind->is_fixed)
        await_registration(life);
    life->kind->set(&life->stage);
    prepare(life);
    fixed = fixed_count(life);
    submit(life);
    if (life->is_submitting)
        return;
    CHECK_UINT(fixed_count(life) - fixed, life->kind->is_fixed);
    go_to_point(life);
    tsuga_gate_raise(&life->here);
    if (life->way == EXITS)
        tsuga_exit(self, -EIO);
    tsuga_gate_await(&life->go, 1);
    tsuga_turn_collect(tsuga_seat_of(self)); /* the news of a linked actor's end */
    CHECK_INT(tsuga_yield(self), -ECANCELED);
    take_stock(life);
}

static void fall(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)message;
    tsuga_exit(self, -EPIPE);
}

/* The heir. */

static size_t lease_bytes(size_t i)
{
    return (size_t)64 << i % 8;
}

static void inherit(struct tsuga_actor *self, void *argument)
{
    struct life *life = argument;
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    struct tsuga_lease leases[2][HEIR_LEASES];

    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < HEIR_LEASES; i++) {
            CHECK_INT(tsuga_lease_make(self, lease_bytes(i), &leases[round][i]), 0);
            tsuga_content_fill(tsuga_lease_data(self, leases[round][i]), lease_bytes(i), HEIR_SEED,
                               i);
        }
        if (round == 0)
            tsuga_gate_raise(&life->filled);
        /* Each of them enters the ring, which is what late results wait for. */
        do
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        while (!tsuga_list_is_empty(&executor->orphans));
    }
    for (size_t i = 0; i < 2 * HEIR_LEASES; i++) {
        struct tsuga_lease lease = leases[i / HEIR_LEASES][i % HEIR_LEASES];

        tsuga_content_check(tsuga_lease_data(self, lease), lease_bytes(i % HEIR_LEASES), HEIR_SEED,
                            i % HEIR_LEASES);
    }
}

/* The test's own thread. */

static _Noreturn void fail(const struct life *life, const char *what)
{
    tsuga_test_fail(__FILE__, __LINE__, "%s, %s, %c: %s", life->kind->name,
                    point_names[life->point], way_letters[life->way], what);
}

static uint64_t suspended_count(const struct table *table)
{
    struct tsuga_stats stats;

    tsuga_stats_read(table->run.runtime, &stats);
    return stats.ops_suspended;
}

/* The actor is at its point: in its turn, or it waits for room. */
static void await_arrival(struct table *table, uint64_t suspended_before)
{
    if (table->life.point != RESERVED || table->life.kind->is_impatient) {
        tsuga_gate_await(&table->life.here, 1);
        return;
    }
    while (suspended_count(table) == suspended_before)
        sched_yield();
}

static void await_ended(struct table *table, uint64_t count)
{
    struct tsuga_stats stats;

    table->ended_count += count;
    do {
        sched_yield();
        tsuga_stats_read(table->run.runtime, &stats);
    } while (stats.actors_ended < table->ended_count);
}

static struct tsuga_id spawn_partner(struct table *table)
{
    struct tsuga_spawn_options options = {
        .behaviour = fall, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1, .name = "partner"};
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(table->run.runtime, &options, &id), 0);
    return id;
}

static void strike(struct table *table, struct tsuga_id id)
{
    struct life *life = &table->life;

    if (life->way == STOPPED)
        CHECK_INT(tsuga_actor_stop(table->run.runtime, id), 0);
    if (life->way == LINKED) {
        CHECK_INT(tsuga_post(table->run.runtime, life->partner, 0, NULL, 0), 0);
        await_ended(table, 1);
    }
    tsuga_gate_raise(&life->go);
    await_ended(table, 1);
}

static bool is_settled(const struct table *table)
{
    struct tsuga_stats stats;

    tsuga_stats_read(table->run.runtime, &stats);
    return stats.actors_alive == 0 && stats.orphans == 0 && stats.descriptors == 0 &&
           stats.ops_completions == stats.ops_submitted && stats.leaked_heaps == 0 &&
           tsuga_world_descriptors() == table->descriptor_count;
}

static void settle(struct table *table)
{
    uint64_t end_ns = tsuga_clock_monotonic_ns(NULL) + SETTLE_NS;

    tsuga_world_spawn(&table->run, inherit, &table->life);
    tsuga_gate_await(&table->life.filled, 1);
    tsuga_gate_raise(&table->life.release);
    await_ended(table, 1);
    tsuga_kill_stage_strike(&table->life.stage);
    while (!is_settled(table)) {
        if (tsuga_clock_monotonic_ns(NULL) > end_ns)
            fail(&table->life, "something is left");
        sched_yield();
    }
}

static void kill_one(struct table *table, const struct tsuga_kill_kind *kind, enum point point,
                     enum way way)
{
    struct life *life = &table->life;
    uint64_t suspended_before = suspended_count(table);
    struct tsuga_id id;

    memset(life, 0, sizeof(*life));
    life->kind = kind;
    life->point = point;
    life->way = way;
    life->stage = (struct tsuga_kill_stage){.scenery = &table->scenery,
                                            .work = work,
                                            .argument = life,
                                            .is_pending = point <= SUBMITTED || point == FIRST};
    if (point == FIRST && (kind->is_stream || kind->is_continued))
        life->stage.is_pending = false;
    if (way == LINKED)
        life->partner = spawn_partner(table);
    id = tsuga_world_spawn(&table->run, live, life);
    await_arrival(table, suspended_before);
    strike(table, id);
    settle(table);
    if (life->seen != point)
        fail(life, point_names[life->seen]);
    table->kinds |= UINT64_C(1) << life->stage.ops[life->stage.op_count - 1].kind;
}

static bool is_possible(const struct tsuga_kill_kind *kind, enum point point, enum way way)
{
    if (point == RESERVED && kind->is_impatient)
        return strcmp(kind->name, "close") == 0;
    if (point == RESERVED)
        return way != EXITS; /* it waits, and does nothing by itself */
    if (point == FIRST)
        return kind->is_many;
    if (point == LAST && kind->is_own)
        return false;
    return !kind->is_silent || point < UNREAD;
}

static bool is_supported(const struct table *table, const struct tsuga_kill_kind *kind)
{
    const struct tsuga_shared *shared = &table->run.runtime->shared;
    const struct tsuga_executor *executor = &shared->executors[0];

    if (kind->is_fixed &&
        (!executor->registered.is_on ||
         !tsuga_locked_has_room(&shared->locked, ARENAS * shared->reserve.arena_bytes)))
        return false;
    return kind->needs == TSUGA_RING_NOP ||
           executor->ring->ops->supports(executor->ring, kind->needs);
}

static void fill_cell(struct table *table, const struct tsuga_kill_kind *kind, enum point point)
{
    char cell[WAYS + 1] = {0};

    for (unsigned way = 0; way < WAYS; way++) {
        cell[way] = '-';
        if (!is_possible(kind, point, (enum way)way))
            continue;
        kill_one(table, kind, point, (enum way)way);
        cell[way] = way_letters[way];
    }
    printf(" %9s", cell);
    fflush(stdout);
}

static void fill_row(struct table *table, const struct tsuga_kill_kind *kind)
{
    struct tsuga_setup setup = {
        .config.executor = {.threads = 2, .ops_max = OPS_MAX, .blocking_threads = 1},
        .config.actor = {.stop_ms = NEVER_MS, .death_ms = NEVER_MS},
        .ring_create = tsuga_ring_fault_create,
        .ring_context = &table->plan,
        .backing = &table->memory.backing,
    };

    table->plan = (struct tsuga_ring_fault_plan){.create = tsuga_world_ring, .is_recording = true};
    setup.config.executor.steal = TSUGA_OFF;
    setup.config.ioheap.registration =
        kind->is_fixed ? TSUGA_REGISTRATION_ALWAYS : TSUGA_REGISTRATION_OFF;
    tsuga_world_start(&setup, &table->run);
    table->run.runtime->shared.calls = &table->calls;
    table->descriptor_count = tsuga_world_descriptors();
    table->ended_count = 0;
    printf("%-16s", kind->name);
    if (is_supported(table, kind)) {
        for (unsigned point = 0; point < POINTS; point++)
            fill_cell(table, kind, (enum point)point);
        printf("\n");
    } else {
        table->has_skipped = true;
        printf(" not here\n");
    }
    tsuga_world_end(&table->run);
    tsuga_ring_fault_plan_fini(&table->plan);
    CHECK_INT(table->memory.live_count, 0);
}

TEST(kill_table, h43_an_actor_may_end_wherever_its_operation_is)
{
    static struct table table;

    CHECK_INT(unsetenv("TSUGA_IOHEAP_REGISTRATION"), 0); /* it would be the stronger one */
    tsuga_scarce_memory_init(&table.memory);
    tsuga_kill_scenery_build(&table.scenery);
    table.calls = *tsuga_calls_linux();
    table.calls.list = list;
    table.calls.look_up = look_up;
    table.calls.context = &table.life;
    printf("%-16s", "");
    for (unsigned point = 0; point < POINTS; point++)
        printf(" %9s", point_names[point]);
    printf("   by (s)top, own (e)xit, (l)inked actor's end\n");
    for (size_t i = 0; i < tsuga_kill_kind_count; i++)
        fill_row(&table, &tsuga_kill_kinds[i]);
    tsuga_kill_scenery_strike(&table.scenery);
    for (unsigned kind = 0; kind < TSUGA_OP_KIND_COUNT && !table.has_skipped; kind++)
        CHECK((table.kinds >> kind & 1) != 0);
}
