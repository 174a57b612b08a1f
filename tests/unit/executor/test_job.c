/* Jobs as operations: functions that block, run by the pool, complete as everything else does. */
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define JOBS 200u

struct job {
    unsigned char in[64];
    unsigned char out[64]; /* plain: written by the pool's thread, read by the actor */
    bool is_here;          /* ran on an executor */
};

static void reverse(void *argument)
{
    struct job *job = argument;

    for (size_t i = 0; i < sizeof(job->in); i++)
        job->out[i] = job->in[sizeof(job->in) - 1 - i];
    job->is_here = tsuga_executor_current() != NULL;
}

static void run_jobs(struct tsuga_actor *self, void *argument)
{
    static struct job jobs[2][JOBS];
    struct job *own = jobs[tsuga_executor_of(self)];
    struct tsuga_token ops[JOBS];

    (void)argument;
    for (unsigned i = 0; i < JOBS; i++) {
        memset(own[i].in, (int)i, sizeof(own[i].in));
        own[i].in[0] = 1;
        ops[i] = tsuga_blocking(self, reverse, &own[i]);
    }
    for (unsigned i = 0; i < JOBS; i++) {
        CHECK_INT(tsuga_await(self, ops[i]).result, 0);
        CHECK_UINT(own[i].out[62], i);
        CHECK_UINT(own[i].out[63], 1);
        CHECK(!own[i].is_here);
    }
}

TEST(job, many_jobs_of_two_executors_each_come_back_with_what_they_made)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < 2; i++) {
        struct tsuga_spawn_options options = {
            .body = run_jobs, .placement = TSUGA_PLACE_EXECUTOR, .executor = i};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.ops_completions, 2 * JOBS);
}

struct gate {
    sem_t entered;
    sem_t may_leave;
    _Atomic unsigned ran;
};

static void stand_at_gate(void *argument)
{
    struct gate *gate = argument;

    atomic_fetch_add(&gate->ran, 1);
    CHECK_INT(sem_post(&gate->entered), 0);
    while (sem_wait(&gate->may_leave) != 0)
        continue;
}

static void open_gate(struct gate *gate)
{
    CHECK_INT(sem_init(&gate->entered, 0, 0), 0);
    CHECK_INT(sem_init(&gate->may_leave, 0, 0), 0);
}

/* One that runs cannot be cancelled, one that waits never runs, one with a time limit gives up. */
static void cancel_jobs(struct tsuga_actor *self, void *argument)
{
    struct gate *gate = argument;
    struct tsuga_op limited = {.kind = TSUGA_OP_BLOCKING,
                               .run = stand_at_gate,
                               .argument = gate,
                               .timeout_ns = TSUGA_NS_PER_MS};
    struct tsuga_token running;
    struct tsuga_token waiting;

    open_gate(gate);
    running = tsuga_blocking(self, stand_at_gate, gate);
    while (sem_trywait(&gate->entered) != 0)
        CHECK_INT(tsuga_yield(self), 0);
    waiting = tsuga_blocking(self, stand_at_gate, gate);
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &limited)).result, -ETIMEDOUT);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, waiting)).result, 0);
    CHECK_INT(tsuga_await(self, waiting).result, -ECANCELED);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, running)).result, -EALREADY);
    CHECK_INT(sem_post(&gate->may_leave), 0);
    CHECK_INT(tsuga_await(self, running).result, 0);
}

TEST(job, is_cancelled_before_it_starts_and_not_afterwards)
{
    const struct tsuga_setup setup = {.config.executor.blocking_threads = 1};
    struct gate gate = {.ran = 0};

    (void)tsuga_world_run(&setup, cancel_jobs, &gate);
    CHECK_UINT(gate.ran, 1);
}

static void leave_jobs(struct tsuga_actor *self, void *argument)
{
    struct gate *gate = argument;

    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(tsuga_op_error(tsuga_blocking(self, stand_at_gate, gate)), 0);
    while (sem_trywait(&gate->entered) != 0)
        CHECK_INT(tsuga_yield(self), 0);
}

/* The one that runs is waited for, its argument is still the caller's; the others never start. */
TEST(job, outlives_its_actor_and_is_waited_for)
{
    const struct tsuga_setup setup = {.config.executor.blocking_threads = 1};
    struct gate gate = {.ran = 0};
    struct tsuga_stats stats;
    struct tsuga_run run;

    open_gate(&gate);
    tsuga_world_start(&setup, &run);
    (void)tsuga_world_spawn(&run, leave_jobs, &gate);
    do
        tsuga_stats_read(run.runtime, &stats);
    while (stats.ops_completions < 2); /* the two that never started */
    CHECK_INT(sem_post(&gate.may_leave), 0);
    tsuga_world_end(&run);
    CHECK_UINT(gate.ran, 1);
}

/* Statistics, and a limit on those that wait. */

static void fill_queue(struct tsuga_actor *self, void *argument)
{
    struct gate *gate = argument;
    struct tsuga_token running;
    struct tsuga_token waiting[3];
    struct tsuga_stats stats;

    open_gate(gate);
    running = tsuga_blocking(self, stand_at_gate, gate);
    while (sem_trywait(&gate->entered) != 0)
        CHECK_INT(tsuga_yield(self), 0);
    for (size_t i = 0; i < 3; i++)
        waiting[i] = tsuga_blocking(self, stand_at_gate, gate);
    CHECK_INT(tsuga_op_error(waiting[0]), 0);
    CHECK_INT(tsuga_op_error(waiting[1]), 0);
    CHECK_INT(tsuga_op_error(waiting[2]), -EBUSY);
    CHECK(!tsuga_await(self, waiting[2]).started);
    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    CHECK_UINT(stats.blocking_threads, 1);
    CHECK_UINT(stats.blocking_running, 1);
    CHECK_UINT(stats.blocking_queued, 2);
    CHECK_UINT(stats.blocking_done, 0);
    CHECK_UINT(stats.blocking_refused, 1);
    /* What is cancelled makes room. */
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, waiting[0])).result, 0);
    waiting[2] = tsuga_blocking(self, stand_at_gate, gate);
    CHECK_INT(tsuga_op_error(waiting[2]), 0);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(sem_post(&gate->may_leave), 0);
    CHECK_INT(tsuga_await(self, running).result, 0);
    CHECK_INT(tsuga_await(self, waiting[1]).result, 0);
    CHECK_INT(tsuga_await(self, waiting[2]).result, 0);
}

TEST(job, is_refused_when_too_many_wait)
{
    const struct tsuga_setup setup = {.config.executor.blocking_threads = 1,
                                      .config.executor.blocking_queue = 2};
    struct gate gate = {.ran = 0};
    struct tsuga_stats stats = tsuga_world_run(&setup, fill_queue, &gate);

    CHECK_UINT(gate.ran, 3);
    CHECK_UINT(stats.blocking_running, 0);
    CHECK_UINT(stats.blocking_queued, 0);
    CHECK_UINT(stats.blocking_done, 3);
    CHECK_UINT(stats.blocking_cancelled, 1);
    CHECK_UINT(stats.blocking_refused, 1);
}
