/* What an executor is given when it starts: a processor, and a ring that may be small. */
#include <sched.h>
#include <string.h>

#include "executor/executor.h"
#include "tests/support/limits.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define EXECUTORS 3u

/* Where the actor's thread may run, by the number of its executor. */
static void tell_affinity(struct tsuga_actor *self, void *argument)
{
    cpu_set_t *sets = argument;

    CHECK_INT(sched_getaffinity(0, sizeof(*sets), &sets[tsuga_executor_of(self)]), 0);
}

static void run_everywhere(const struct tsuga_setup *setup, cpu_set_t *sets)
{
    struct tsuga_run run;

    tsuga_world_start(setup, &run);
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        struct tsuga_spawn_options options = {.body = tell_affinity,
                                              .argument = sets,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
}

/* The processor that is the nth of those that are allowed. */
static size_t nth_of(const cpu_set_t *allowed, uint32_t n)
{
    size_t cpu = 0;

    while (!CPU_ISSET(cpu, allowed) || n-- > 0)
        cpu++;
    return cpu;
}

TEST(executor, each_stays_on_a_processor_of_its_own_when_told_to)
{
    struct tsuga_setup setup = {.config.executor.threads = EXECUTORS};
    cpu_set_t sets[EXECUTORS];
    cpu_set_t allowed;

    CHECK_INT(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    run_everywhere(&setup, sets);
    for (uint32_t i = 0; i < EXECUTORS; i++)
        CHECK(CPU_EQUAL(&sets[i], &allowed));
    setup.config.executor.pin = TSUGA_ON;
    run_everywhere(&setup, sets);
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        CHECK_INT(CPU_COUNT(&sets[i]), 1);
        CHECK(CPU_ISSET(nth_of(&allowed, i % (uint32_t)CPU_COUNT(&allowed)), &sets[i]));
    }
}

/* A kernel in which no more memory may be locked. */
static int make_small_ring(void *context, const struct tsuga_ring_config *config,
                           struct tsuga_ring **out)
{
    struct tsuga_ring_config small = *config;

    small.entries = 8;
    small.cq_entries = 16;
    return tsuga_world_ring(context, &small, out);
}

/* More operations than the completion queue has entries. */
static void submit_many(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    struct tsuga_token ops[100];

    (void)argument;
    CHECK_UINT(executor->ops_max, executor->ring->cq_entries);
    for (unsigned i = 0; i < 100; i++)
        ops[i] = tsuga_nop(self);
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(tsuga_await(self, ops[i]).result, 0);
}

/* As an ordinary user: four rings, and a group of buffers beside them. */
static void make_group(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_group_options options = {.buffer_bytes = 4096, .buffer_count = 8};
    struct tsuga_group group;

    (void)argument;
    tsuga_make_group(self, &options, &group);
    CHECK_INT(tsuga_group_release(self, group), 0);
}

TEST(executor, a09_a10_rings_share_half_of_little_locked_memory)
{
    struct tsuga_setup setup = {.config.log.level = TSUGA_LOG_OFF};
    struct tsuga_stats stats;

    tsuga_needs("BUFFER_RING");
    tsuga_limit_locked(64 << 10);
    tsuga_become_ordinary();
    setup.config.executor.threads = 4;
    stats = tsuga_world_run(&setup, make_group, NULL);
    CHECK_UINT(stats.executor_count, 4);
    CHECK(stats.locked_ring_bytes <= 32 << 10);
}

TEST(executor, a09_a_ring_smaller_than_wanted_is_told_once_and_bounds_the_operations)
{
    static struct tsuga_lines lines;
    const struct tsuga_setup setup = {
        .config.executor.threads = EXECUTORS, .ring_create = make_small_ring, .lines = &lines};
    const char *line;

    tsuga_lines_init(&lines);
    (void)tsuga_world_run(&setup, submit_many, NULL);
    line = strstr(lines.text, "rings have 8 + 16 entries instead of");
    CHECK(line != NULL);
    CHECK_PTR(strstr(line + 1, "rings have"), NULL);
}
