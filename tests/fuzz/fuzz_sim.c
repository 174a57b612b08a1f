/*
 * Bytes choose a world: a seed, a workload of tests/sim, and which faults happen how often. A
 * violation ends the process, and the world has said what it was.
 *
 *     seed (8) | workload (1) | { fault (1) | how often (1) } …
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/workload.h"

#define HEAD_BYTES 9u
#define STEPS      3000u
#define STEPS_MAX  2000000u /* a run that is not over by then hangs */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct sim_workload *choose(uint8_t number)
{
    const struct sim_workload *chosen = sim_workloads;

    for (; number > 0; number--) {
        chosen++;
        if (chosen->name == NULL)
            chosen = sim_workloads;
    }
    return chosen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tsuga_sim_options options = {.steps_max = STEPS_MAX};
    struct sim_run run = {.steps = STEPS};

    if (bytes < HEAD_BYTES)
        return 0;
    memcpy(&options.seed, data, sizeof(options.seed));
    for (size_t i = HEAD_BYTES; i + 1 < bytes; i += 2)
        options.faults[data[i] % TSUGA_SIM_FAULT_COUNT] = UINT32_C(1) << data[i + 1] % 17;
    run.random = options.seed;
    run.is_peaceful = sim_is_peaceful(options.faults);
    run.config = sim_configure(&run.random);
    if (tsuga_sim_make(&options, &run.sim) != 0)
        abort();
    choose(data[sizeof(options.seed)])->run(&run);
    tsuga_sim_destroy(run.sim);
    return 0;
}
