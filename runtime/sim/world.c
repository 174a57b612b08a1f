/* A simulated world: what tsuga_sim.h promises. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "executor/executor.h"
#include "runtime/runtime.h"
#include "runtime/sim/invariants.h"
#include "runtime/sim/kernel.h"

#include <tsuga_sim.h>

#define RUNTIMES_MAX 8u
#define CHECK_STEPS  512u
#define BOOKS_PER    32u /* looks at the rings' books for each walk through all else */
#define PAUSE_NS     (20 * TSUGA_NS_PER_MS)
#define FIND_TRIES   8u

struct tsuga_sim {
    struct tsuga_schedule schedule;
    struct tsuga_faults faults;
    struct tsuga_kernel kernel;
    struct tsuga_random random;
    uint64_t check_steps;
    uint64_t books_steps;
    const struct tsuga_backing *inner;
    struct tsuga_backing backing; /* what the runtimes get */
    uint64_t live_bytes;          /* of the runtimes */
    struct tsuga_runtime *runtimes[RUNTIMES_MAX];
    uint32_t runtime_count;
    void (*failed)(void *context, const char *what);
    void *context;
    bool has_failed;
    bool is_ending;
    /* A thread that stops actors, when a fault says so. */
    struct tsuga_thread meddler;
    struct tsuga_coroutine *meddler_place;
    bool stops;
    bool kills;
};

/* Failing. */

static void fail(void *context, const char *what)
{
    struct tsuga_sim *sim = context;

    if (sim->has_failed)
        abort();
    sim->has_failed = true;
    if (sim->failed != NULL)
        sim->failed(sim->context, what);
    fprintf(stderr, "tsuga_sim: seed %" PRIu64 ", step %" PRIu64 ": %s\n", sim->faults.seed,
            sim->schedule.steps, what);
    tsuga_sim_print(sim, stderr);
    abort();
}

void tsuga_sim_fail(struct tsuga_sim *sim, const char *what)
{
    fail(sim, what);
    abort();
}

/* Memory. */

static void *take_memory(void *context, size_t bytes)
{
    struct tsuga_sim *sim = context;
    void *memory;

    if (tsuga_fault_happens(&sim->faults, TSUGA_SIM_MEMORY))
        return NULL;
    memory = tsuga_memory_alloc(&sim->inner->memory, bytes);
    if (memory != NULL)
        sim->live_bytes += bytes;
    return memory;
}

/* A runtime's own block is the last that it gives back. */
static void forget(struct tsuga_sim *sim, const void *block)
{
    for (uint32_t i = 0; i < sim->runtime_count; i++) {
        if (sim->runtimes[i] == block)
            sim->runtimes[i] = sim->runtimes[--sim->runtime_count];
    }
}

static void give_memory(void *context, void *pointer, size_t bytes)
{
    struct tsuga_sim *sim = context;

    if (pointer == NULL)
        return;
    forget(sim, pointer);
    sim->live_bytes -= bytes;
    tsuga_memory_free(&sim->inner->memory, pointer, bytes);
}

/* Pinned memory is the kernel's as long as it is pinned. */

static int purge(void *context, void *base, size_t bytes)
{
    struct tsuga_sim *sim = context;

    if (tsuga_pins_overlap(&sim->kernel, base, bytes))
        fail(sim, "memory was given back that the kernel has pinned");
    return sim->inner->purge(sim->inner->context, base, bytes);
}

static void release(void *context, void *base, size_t bytes)
{
    struct tsuga_sim *sim = context;

    if (tsuga_pins_overlap(&sim->kernel, base, bytes))
        fail(sim, "memory was unmapped that the kernel has pinned");
    sim->inner->release(sim->inner->context, base, bytes);
}

/* Meddling. */

static struct tsuga_actor *find_actor(struct tsuga_sim *sim, struct tsuga_runtime **runtime)
{
    struct tsuga_actor_table *table;
    uint32_t slot_count;

    if (sim->runtime_count == 0)
        return NULL;
    *runtime = sim->runtimes[tsuga_random_below(&sim->random, sim->runtime_count)];
    table = &(*runtime)->shared.table;
    slot_count = atomic_load_explicit(&table->slot_count, memory_order_acquire);
    for (uint32_t i = 0; i < FIND_TRIES && slot_count > 0; i++) {
        struct tsuga_actor *actor =
            tsuga_actor_table_at(table, (uint32_t)tsuga_random_below(&sim->random, slot_count));

        if ((atomic_load_explicit(&actor->life, memory_order_relaxed) & TSUGA_LIFE_ALIVE) != 0)
            return actor;
    }
    return NULL;
}

static void stop_somebody(struct tsuga_sim *sim, enum tsuga_stop_level level)
{
    struct tsuga_runtime *runtime;
    struct tsuga_actor *actor = find_actor(sim, &runtime);
    struct tsuga_id id;

    if (actor == NULL)
        return;
    id = tsuga_actor_id(actor);
    tsuga_schedule_trace(&sim->schedule, TSUGA_TRACE_STOP, (uint32_t)id.value, level, 0);
    (void)tsuga_shared_stop(&runtime->shared, id, level);
}

static void *meddle(void *context)
{
    struct tsuga_sim *sim = context;

    sim->meddler_place = sim->schedule.current;
    while (!sim->is_ending) {
        bool stops = sim->stops;
        bool kills = sim->kills;

        sim->stops = false;
        sim->kills = false;
        if (stops)
            stop_somebody(sim, TSUGA_STOP_ASKED);
        if (kills)
            stop_somebody(sim, TSUGA_STOP_FORCED);
        if (!sim->stops && !sim->kills && !sim->is_ending)
            (void)tsuga_schedule_block(&sim->schedule, sim, UINT64_MAX);
    }
    return NULL;
}

static void pause_somebody(struct tsuga_sim *sim)
{
    struct tsuga_schedule *schedule = &sim->schedule;
    struct tsuga_coroutine *chosen =
        &schedule->coroutines[tsuga_random_below(&sim->random, schedule->count)];

    if (chosen != &schedule->coroutines[0])
        chosen->paused_ns = schedule->now_ns + tsuga_random_below(&sim->random, PAUSE_NS);
}

/* At each step. */
static void stepped(void *context)
{
    struct tsuga_sim *sim = context;

    sim->stops |= tsuga_fault_happens(&sim->faults, TSUGA_SIM_STOP);
    sim->kills |= tsuga_fault_happens(&sim->faults, TSUGA_SIM_KILL);
    if (sim->stops || sim->kills)
        tsuga_schedule_wake(&sim->schedule, sim->meddler_place);
    if (tsuga_fault_happens(&sim->faults, TSUGA_SIM_PAUSE))
        pause_somebody(sim);
    if (sim->schedule.steps % sim->books_steps != 0)
        return;
    tsuga_invariants_check_kernel(&sim->kernel);
    for (uint32_t i = 0; sim->schedule.steps % sim->check_steps == 0 && i < sim->runtime_count; i++)
        tsuga_invariants_check_runtime(&sim->kernel, sim->runtimes[i]);
}

static bool may_start(void *context)
{
    struct tsuga_sim *sim = context;

    return !tsuga_fault_happens(&sim->faults, TSUGA_SIM_THREAD);
}

/* Life. */

static void set_options(struct tsuga_sim *sim, const struct tsuga_sim_options *options)
{
    sim->faults.seed = options->seed;
    memcpy(sim->faults.per_million, options->faults, sizeof(options->faults));
    sim->check_steps = options->check_steps != 0 ? options->check_steps : CHECK_STEPS;
    sim->books_steps = sim->check_steps > BOOKS_PER ? sim->check_steps / BOOKS_PER : 1;
    sim->failed = options->failed;
    sim->context = options->context;
    if (options->steps_max != 0)
        sim->schedule.step_max = options->steps_max;
    sim->schedule.trace.timeline = options->timeline;
}

static void wire(struct tsuga_sim *sim)
{
    sim->backing = *sim->inner;
    sim->backing.context = sim;
    sim->backing.purge = purge;
    sim->backing.release = release;
    sim->backing.memory =
        (struct tsuga_memory){.alloc = take_memory, .free = give_memory, .context = sim};
    sim->faults.schedule = &sim->schedule;
    sim->random.state = tsuga_random_mix(sim->faults.seed + 3);
    sim->schedule.stepped = stepped;
    sim->schedule.failed = fail;
    sim->schedule.may_start = may_start;
    sim->schedule.context = sim;
}

int tsuga_sim_make(const struct tsuga_sim_options *options, struct tsuga_sim **out)
{
    const struct tsuga_sim_options none = {0};
    const struct tsuga_sim_options *given = options != NULL ? options : &none;
    const struct tsuga_backing *inner = tsuga_backing_default();
    struct tsuga_sim *sim;
    int error;

    if (out == NULL)
        return -EINVAL;
    sim = tsuga_memory_alloc_zeroed(&inner->memory, sizeof(*sim));
    if (sim == NULL)
        return -ENOMEM;
    sim->inner = inner;
    error = tsuga_schedule_init(&sim->schedule, tsuga_random_mix(given->seed), &inner->memory);
    if (error != 0) {
        tsuga_memory_free(&inner->memory, sim, sizeof(*sim));
        return error;
    }
    set_options(sim, given);
    wire(sim);
    tsuga_kernel_init(&sim->kernel, &sim->schedule, &sim->faults, &inner->memory);
    sim->faults.are_off = true;
    error = sim->schedule.threads.start(&sim->schedule, meddle, sim, &sim->meddler);
    sim->faults.are_off = false;
    TSUGA_VERIFY(error == 0); /* a world begins with room for threads */
    sim->meddler_place = sim->meddler.other;
    *out = sim;
    return 0;
}

int tsuga_sim_start(struct tsuga_sim *sim, const struct tsuga_config *config,
                    struct tsuga_runtime **out)
{
    struct tsuga_world world = {
        .clock = sim->schedule.clock,
        .backing = &sim->backing,
        .ring_create = tsuga_kernel_ring_create,
        .ring_context = &sim->kernel,
        .threads = &sim->schedule.threads,
        .calls = &sim->kernel.calls,
        .locks_all = true,
    };
    struct tsuga_config given = {0};
    int error;

    if (out == NULL)
        return -EINVAL;
    if (config != NULL)
        given = *config;
    given.signals = TSUGA_OFF;
    if (given.executor.threads == 0)
        given.executor.threads = 1; /* not as many as this machine has processors */
    if (sim->runtime_count == RUNTIMES_MAX)
        return -EAGAIN;
    error = tsuga_runtime_start(&world, &given, out);
    if (error == 0)
        sim->runtimes[sim->runtime_count++] = *out;
    return error;
}

void tsuga_sim_destroy(struct tsuga_sim *sim)
{
    const struct tsuga_memory *memory;

    if (sim == NULL)
        return;
    memory = &sim->inner->memory;
    sim->faults.are_off = true;
    sim->is_ending = true;
    tsuga_schedule_wake(&sim->schedule, sim->meddler_place);
    sim->schedule.threads.join(&sim->schedule, &sim->meddler);
    /* Threads that nobody joins, and what the network still carries. */
    (void)tsuga_schedule_run(&sim->schedule, UINT64_MAX);
    tsuga_invariants_check_kernel(&sim->kernel);
    if (sim->runtime_count > 0)
        fail(sim, "a world ends before its runtimes");
    if (sim->live_bytes > 0)
        fail(sim, "memory was not given back");
    tsuga_kernel_fini(&sim->kernel);
    tsuga_schedule_fini(&sim->schedule);
    tsuga_memory_free(memory, sim, sizeof(*sim));
}

/* The rest. */

bool tsuga_sim_run(struct tsuga_sim *sim, uint64_t steps)
{
    return tsuga_schedule_run(&sim->schedule, steps);
}

void tsuga_sim_sleep(struct tsuga_sim *sim, uint64_t time_ns)
{
    uint64_t now_ns = sim->schedule.now_ns;

    (void)tsuga_schedule_block(&sim->schedule, NULL,
                               time_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + time_ns);
}

int tsuga_sim_force(struct tsuga_sim *sim, enum tsuga_sim_fault fault, uint64_t nth)
{
    return tsuga_fault_force(&sim->faults, fault, nth);
}

void tsuga_sim_set_fault(struct tsuga_sim *sim, enum tsuga_sim_fault fault, uint32_t per_million)
{
    sim->faults.per_million[fault] = per_million;
}

int tsuga_sim_put_file(struct tsuga_sim *sim, const char *path, const void *data, size_t bytes)
{
    return tsuga_disk_put(&sim->kernel, path, data, bytes);
}

int64_t tsuga_sim_get_file(struct tsuga_sim *sim, const char *path, void *out, size_t bytes)
{
    return tsuga_disk_get(&sim->kernel, path, out, bytes);
}

void tsuga_sim_note(struct tsuga_sim *sim, int64_t a, int64_t b)
{
    tsuga_schedule_trace(&sim->schedule, TSUGA_TRACE_NOTE, a, b, 0);
}

void tsuga_sim_verdict_read(const struct tsuga_sim *sim, struct tsuga_sim_verdict *out)
{
    *out = (struct tsuga_sim_verdict){
        .steps = sim->schedule.steps,
        .hash = sim->schedule.trace.hash,
        .time_ns = sim->schedule.now_ns,
        .requests = sim->kernel.request_count,
        .descriptors = sim->kernel.file_count,
    };
    memcpy(out->faults, sim->faults.happened, sizeof(out->faults));
    memcpy(out->opportunities, sim->faults.opportunities, sizeof(out->opportunities));
}

void tsuga_sim_print(const struct tsuga_sim *sim, FILE *stream)
{
    tsuga_trace_print(&sim->schedule.trace, stream);
    tsuga_kernel_rings_print(&sim->kernel, stream);
}
