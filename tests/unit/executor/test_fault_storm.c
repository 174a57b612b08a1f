/* Actors that start, cancel, forget and close at random, and end at random, on a ring that refuses
 * enters, submits in part, withholds results and reorders them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ACTORS    500u
#define ALIVE_MAX 40u
#define STEPS     40u
#define TOKENS    8u
#define BYTES     100u

struct storm {
    struct tsuga_run run;
    uint64_t seed;
    _Atomic uint64_t compared; /* bytes */
};

/* One actor's state. Every byte in its pipe is its own. */
struct drifter {
    struct storm *storm;
    uint64_t random;
    unsigned char own;
    int ends[2];
    bool is_open;
    struct tsuga_token tokens[TOKENS];
    unsigned char into[BYTES];
};

static uint64_t draw(struct drifter *drifter, uint64_t count)
{
    return tsuga_test_random(&drifter->random) % count;
}

/* By the system call itself: ThreadSanitizer follows descriptors through the C library's functions
 * and does not see the ring close one, so that it would take the next use of its number, by another
 * thread, for a race. */
static void open_pipe(struct tsuga_actor *self, struct drifter *drifter)
{
    CHECK_INT(syscall(SYS_pipe2, drifter->ends, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_fd_adopt(self, drifter->ends[i]), 0);
    drifter->is_open = true;
}

/* Closes both ends, whatever is in flight on them, and forgets about the closes. */
static void close_pipe(struct tsuga_actor *self, struct drifter *drifter)
{
    for (int i = 0; i < 2; i++)
        CHECK_INT(tsuga_forget(self, tsuga_close(self, drifter->ends[i])), 0);
    drifter->is_open = false;
}

static struct tsuga_op make_op(struct drifter *drifter, const unsigned char *bytes)
{
    static const enum tsuga_op_kind kinds[] = {
        TSUGA_OP_NOP,  TSUGA_OP_READ,    TSUGA_OP_READ,   TSUGA_OP_READ, TSUGA_OP_WRITE,
        TSUGA_OP_POLL, TSUGA_OP_TIMEOUT, TSUGA_OP_CANCEL, TSUGA_OP_OPEN, TSUGA_OP_WRITE};
    struct tsuga_op op = {.kind = kinds[draw(drifter, sizeof(kinds) / sizeof(kinds[0]))],
                          .options = TSUGA_OP_NOWAIT};

    op.fd = drifter->ends[op.kind == TSUGA_OP_WRITE];
    op.bytes = 1 + draw(drifter, BYTES);
    op.data = op.kind == TSUGA_OP_OPEN ? (const void *)"/dev/null" : bytes;
    op.flags = op.kind == TSUGA_OP_POLL ? POLLIN : 0;
    op.target = drifter->tokens[draw(drifter, TOKENS)];
    if (op.kind == TSUGA_OP_TIMEOUT || draw(drifter, 4) == 0)
        op.timeout_ns = 1 + draw(drifter, 3000000);
    if (op.kind == TSUGA_OP_READ && draw(drifter, 2) == 0)
        op.into = drifter->into;
    return op;
}

static void start_one(struct tsuga_actor *self, struct drifter *drifter)
{
    unsigned char bytes[BYTES];
    struct tsuga_op op;
    struct tsuga_token token;

    memset(bytes, drifter->own, sizeof(bytes));
    op = make_op(drifter, bytes);
    token = tsuga_submit(self, &op);
    if (tsuga_op_error(token) == 0)
        drifter->tokens[draw(drifter, TOKENS)] = token;
}

static void look_at(struct drifter *drifter, const struct tsuga_completion *got)
{
    const unsigned char *bytes = got->data;

    for (size_t i = 0; i < got->bytes; i++)
        CHECK_UINT(bytes[i], drifter->own);
    atomic_fetch_add_explicit(&drifter->storm->compared, got->bytes, memory_order_relaxed);
}

static void take_some(struct tsuga_actor *self, struct drifter *drifter)
{
    const struct tsuga_message *message;
    int error;

    do {
        error = tsuga_receive(self, NULL, draw(drifter, 100000), &message);
        if (error == 0)
            look_at(drifter, tsuga_message_completion(message));
    } while (error == 0 && draw(drifter, 4) > 0);
}

static void step(struct tsuga_actor *self, struct drifter *drifter)
{
    switch (draw(drifter, 12)) {
    case 0:
        close_pipe(self, drifter);
        open_pipe(self, drifter);
        break;
    case 1:
        (void)tsuga_forget(self, drifter->tokens[draw(drifter, TOKENS)]);
        break;
    case 2:
    case 3:
        take_some(self, drifter);
        break;
    case 4:
        if (draw(drifter, 6) == 0)
            tsuga_exit(self, TSUGA_NORMAL);
        break;
    default:
        start_one(self, drifter);
        break;
    }
}

static void drift(struct tsuga_actor *self, void *argument)
{
    struct drifter *drifter = tsuga_state(self);

    drifter->storm = argument;
    drifter->random = drifter->storm->seed ^ tsuga_self(self).value * 977;
    drifter->own = (unsigned char)draw(drifter, 256);
    open_pipe(self, drifter);
    for (uint32_t i = 0; i < STEPS && tsuga_yield(self) == 0; i++)
        step(self, drifter);
}

static void rage(struct storm *storm)
{
    struct tsuga_spawn_options options = {
        .body = drift, .argument = storm, .state_bytes = sizeof(struct drifter)};
    uint64_t random = storm->seed;
    struct tsuga_id ids[ACTORS];
    struct tsuga_stats stats;

    for (uint32_t i = 0; i < ACTORS; i++) {
        CHECK_INT(tsuga_spawn(storm->run.runtime, &options, &ids[i]), 0);
        if (i % 2 == 0)
            (void)tsuga_actor_stop(storm->run.runtime,
                                   ids[i - tsuga_test_random(&random) % (i / 8 + 1)]);
        do {
            sched_yield();
            tsuga_stats_read(storm->run.runtime, &stats);
        } while (stats.actors_alive > ALIVE_MAX);
    }
}

static void run_storm(uint32_t ops_max, uint32_t entries)
{
    static struct storm storm;
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                         .seed = tsuga_test_seed(),
                                         .refuse_per_mille = 150,
                                         .partial_per_mille = 200,
                                         .hold_per_mille = 300};
    struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create, .ring_context = &plan};

    setup.config.executor.threads = 2;
    setup.config.executor.ops_max = ops_max;
    setup.config.executor.ring_entries = entries;
    setup.config.executor.watchdog_us = 10000000;
    setup.config.actor.death_ms = 60000;
    storm = (struct storm){.seed = plan.seed};
    tsuga_world_start(&setup, &storm.run);
    rage(&storm);
    tsuga_world_end(&storm.run);
    CHECK(storm.compared > 0);
    tsuga_ring_fault_plan_fini(&plan);
}

TEST(executor, h24_h43_chaos_on_a_faulty_ring_leaves_nothing_behind)
{
    run_storm(4096, 64);
}

TEST(executor, h24_h43_chaos_with_little_room_leaves_nothing_behind)
{
    run_storm(32, 4);
}
