/*
 * Whether a fault happens. Each kind has a probability and a script, and is decided by the seed and
 * by how many-th opportunity it is, so that taking one kind away leaves the others as they were.
 * Private to runtime/sim/.
 *
 * Owner: the simulation. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_FAULTS_H
#define TSUGA_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/memory.h"
#include "runtime/sim/schedule.h"

#include <tsuga_sim.h>

#define TSUGA_FAULT_SCRIPT_MAX 64u

struct tsuga_faults {
    struct tsuga_schedule *schedule; /* whose trace hears of each */
    uint64_t seed;
    uint32_t per_million[TSUGA_SIM_FAULT_COUNT];
    uint64_t opportunities[TSUGA_SIM_FAULT_COUNT];
    uint64_t happened[TSUGA_SIM_FAULT_COUNT];
    struct {
        enum tsuga_sim_fault fault;
        uint64_t nth;
    } script[TSUGA_FAULT_SCRIPT_MAX];
    uint32_t script_count;
    bool are_off; /* while the world is made, and once it is being taken down */
};

/* Whether the fault happens now. */
bool tsuga_fault_happens(struct tsuga_faults *faults, enum tsuga_sim_fault fault);

/* Errors: -EINVAL no such fault; -ENOMEM the script is full. */
TSUGA_NODISCARD int tsuga_fault_force(struct tsuga_faults *faults, enum tsuga_sim_fault fault,
                                      uint64_t nth);

#endif
