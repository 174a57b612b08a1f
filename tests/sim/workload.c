#include "tests/sim/workload.h"

#include <stddef.h>

const struct sim_workload sim_workloads[] = {
    {"random", "a colony of actors that do what the seed says", sim_run_random},
    {"files", "actors write, read and check files of their own", sim_run_files},
    {"echo", "clients of an echo server check what comes back", sim_run_echo},
    {"proxy", "the same through a proxy that passes leases on", sim_run_proxy},
    {"http", "pages in leases that many connections send from", sim_run_http},
    {"datagrams", "datagrams come whole and once, some with descriptors", sim_run_datagrams},
    {"hash", "a tree of files is listed and read by many actors", sim_run_hash},
    {"cases", "a ring of four entries, and few operations at a time", sim_run_cases},
    {"supervised", "workers crash, and clients ask who is there", sim_run_supervised},
    {"pinned", "memory comes and goes while the kernel has it pinned", sim_run_pinned},
    {NULL, NULL, NULL},
};

uint64_t sim_random(uint64_t *state)
{
    uint64_t word = *state += UINT64_C(0x9e3779b97f4a7c15);

    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

bool sim_is_over(const struct sim_run *run)
{
    struct tsuga_sim_verdict verdict;

    tsuga_sim_verdict_read(run->sim, &verdict);
    return verdict.steps >= run->steps;
}

struct tsuga_config sim_configure(uint64_t *random)
{
    static const uint32_t entries[] = {4, 8, 32, 256};
    static const uint32_t ops_max[] = {8, 64, 1024, 1024};
    static const uint32_t slots[] = {1, 2, 3, 64};
    static const enum tsuga_registration registrations[] = {
        TSUGA_REGISTRATION_OFF, TSUGA_REGISTRATION_AUTO, TSUGA_REGISTRATION_ALWAYS,
        TSUGA_REGISTRATION_ALWAYS};
    struct tsuga_config config = {
        .executor = {.threads = 1 + (uint32_t)(sim_random(random) % 4),
                     .ring_entries = entries[sim_random(random) % 4],
                     .ops_max = ops_max[sim_random(random) % 4],
                     .slice_messages = 1 + (uint32_t)(sim_random(random) % 64),
                     .time_slice_us = 1 + (uint32_t)(sim_random(random) % 300)},
        .ioheap = {.reserve = UINT64_C(256) << 20, .decay_ms = 1},
        .receive = {.group_sizes = 1u << 10 | 1u << 12,
                    .group_buffers = 16,
                    .lent_max = 8 << 10}, /* else a hoarder starves whoever it waits for */
        .stack = {.size = 64 << 10, .count_max = 256},
        .log = {.level = TSUGA_LOG_OFF},
    };

    config.ioheap.registration = registrations[sim_random(random) % 4];
    config.ioheap.registration_slots = slots[sim_random(random) % 4];
    for (unsigned feature = 0; feature < TSUGA_FEATURE_COUNT; feature++) {
        if (sim_random(random) % 8 == 0)
            config.features[feature] = TSUGA_OFF;
    }
    return config;
}

bool sim_is_peaceful(const uint32_t faults[TSUGA_SIM_FAULT_COUNT])
{
    for (unsigned fault = TSUGA_SIM_SLOW + 1; fault < TSUGA_SIM_FAULT_COUNT; fault++) {
        if (faults[fault] != 0)
            return false;
    }
    return true;
}

bool sim_start(struct sim_run *run)
{
    int error = tsuga_sim_start(run->sim, &run->config, &run->runtime);

    if (error == 0)
        return true;
    REQUIRE(run, !run->is_peaceful);
    return false;
}

static void check_balance(struct sim_run *run)
{
    struct tsuga_stats stats;

    tsuga_stats_read(run->runtime, &stats);
    REQUIRE(run, stats.ops_completions == stats.ops_submitted);
    REQUIRE(run, stats.actors_ended == stats.actors_spawned);
    REQUIRE(run, stats.actors_alive == 0);
    REQUIRE(run, stats.orphans == 0);
    REQUIRE(run, stats.leaked_heaps == 0);
    REQUIRE(run, stats.descriptors == 0);
    REQUIRE(run, stats.heaps.live_bytes == 0);
}

void sim_finish(struct sim_run *run)
{
    struct tsuga_sim_verdict verdict;

    REQUIRE(run, tsuga_join(run->runtime) == 0);
    check_balance(run);
    tsuga_destroy(run->runtime);
    tsuga_sim_verdict_read(run->sim, &verdict);
    REQUIRE(run, verdict.descriptors == 0);
}

struct tsuga_id sim_spawn(struct sim_run *run, const struct tsuga_spawn_options *options)
{
    struct tsuga_id id = {0};
    int error = tsuga_spawn(run->runtime, options, &id);

    REQUIRE(run, error == 0 || (error == -12 && !run->is_peaceful));
    return id;
}
