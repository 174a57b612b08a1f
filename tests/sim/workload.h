/*
 * Workloads of the simulation: programs of actors that know what is right, whatever goes wrong.
 *
 * A workload is given a world, a configuration to start from, and a seed. It starts a runtime, has
 * its actors do something, and waits for their end. What it checks it checks with REQUIRE, which
 * ends the run as failed.
 *
 * Owner: the run. Thread: the world's.
 */
#ifndef TSUGA_TESTS_WORKLOAD_H
#define TSUGA_TESTS_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <tsuga.h>
#include <tsuga_sim.h>

/* One run of one workload. */
struct sim_run {
    struct tsuga_sim *sim;
    struct tsuga_runtime *runtime;
    struct tsuga_config config;
    uint64_t random;  /* of the workload; see sim_random() */
    uint64_t steps;   /* after so many nothing new is begun */
    bool is_peaceful; /* no fault makes anything fail: all must succeed */
};

struct sim_workload {
    const char *name;
    const char *what;
    void (*run)(struct sim_run *run);
};

/* All of them, the last one without a name. */
extern const struct sim_workload sim_workloads[];

#define REQUIRE(run, condition)                                                                    \
    ((condition) ? (void)0 : tsuga_sim_fail((run)->sim, "not true: " #condition))

/* splitmix64. */
uint64_t sim_random(uint64_t *state);

/* Whether the workload has done enough: its steps are used up. */
bool sim_is_over(const struct sim_run *run);

/* What the runtime is configured with is up to the seed, too. */
struct tsuga_config sim_configure(uint64_t *random);

/* Whether none of the faults that may happen makes anything fail. */
bool sim_is_peaceful(const uint32_t faults[TSUGA_SIM_FAULT_COUNT]);

/* Starts the run's runtime. False: a fault did not let it start, and the run is over. */
bool sim_start(struct sim_run *run);

/* Waits for the last actor, checks the statistics, destroys the runtime. */
void sim_finish(struct sim_run *run);

struct tsuga_id sim_spawn(struct sim_run *run, const struct tsuga_spawn_options *options);

void sim_run_cases(struct sim_run *run);
void sim_run_datagrams(struct sim_run *run);
void sim_run_echo(struct sim_run *run);
void sim_run_files(struct sim_run *run);
void sim_run_hash(struct sim_run *run);
void sim_run_http(struct sim_run *run);
void sim_run_pinned(struct sim_run *run);
void sim_run_proxy(struct sim_run *run);
void sim_run_random(struct sim_run *run);
void sim_run_supervised(struct sim_run *run);

#endif
