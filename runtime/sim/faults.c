#include "runtime/sim/faults.h"

#include <errno.h>

#include "runtime/sim/random.h"

#define MILLION 1000000u

static const char *const names[TSUGA_SIM_FAULT_COUNT] = {
    [TSUGA_SIM_EINTR] = "eintr",
    [TSUGA_SIM_EAGAIN] = "eagain",
    [TSUGA_SIM_EBUSY] = "ebusy",
    [TSUGA_SIM_PARTIAL] = "partial",
    [TSUGA_SIM_CQ_FULL] = "cq_full",
    [TSUGA_SIM_SHORT] = "short",
    [TSUGA_SIM_WORKER] = "worker",
    [TSUGA_SIM_SLOW] = "slow",
    [TSUGA_SIM_EIO] = "eio",
    [TSUGA_SIM_ENOSPC] = "enospc",
    [TSUGA_SIM_ENOMEM] = "enomem",
    [TSUGA_SIM_EMFILE] = "emfile",
    [TSUGA_SIM_NO_BUFFERS] = "no_buffers",
    [TSUGA_SIM_END] = "end",
    [TSUGA_SIM_LOST_END] = "lost_end",
    [TSUGA_SIM_RESET] = "reset",
    [TSUGA_SIM_REFUSE] = "refuse",
    [TSUGA_SIM_STALL] = "stall",
    [TSUGA_SIM_LOSS] = "loss",
    [TSUGA_SIM_CANCEL] = "cancel",
    [TSUGA_SIM_NO_ZC] = "no_zc",
    [TSUGA_SIM_REGISTER] = "register",
    [TSUGA_SIM_MEMLOCK] = "memlock",
    [TSUGA_SIM_RING] = "ring",
    [TSUGA_SIM_MEMORY] = "memory",
    [TSUGA_SIM_THREAD] = "thread",
    [TSUGA_SIM_PAUSE] = "pause",
    [TSUGA_SIM_STOP] = "stop",
    [TSUGA_SIM_KILL] = "kill",
};

const char *tsuga_sim_fault_name(enum tsuga_sim_fault fault)
{
    return (unsigned)fault < TSUGA_SIM_FAULT_COUNT ? names[fault] : NULL;
}

static bool is_scripted(const struct tsuga_faults *faults, enum tsuga_sim_fault fault, uint64_t nth)
{
    for (uint32_t i = 0; i < faults->script_count; i++) {
        if (faults->script[i].fault == fault && faults->script[i].nth == nth)
            return true;
    }
    return false;
}

bool tsuga_fault_happens(struct tsuga_faults *faults, enum tsuga_sim_fault fault)
{
    uint64_t nth;

    if (faults->are_off)
        return false;
    nth = ++faults->opportunities[fault];
    if (faults->per_million[fault] == 0 && faults->script_count == 0)
        return false;
    if (tsuga_random_mix(faults->seed + ((uint64_t)fault << 56) + nth) % MILLION >=
            faults->per_million[fault] &&
        !is_scripted(faults, fault, nth))
        return false;
    faults->happened[fault]++;
    tsuga_schedule_trace(faults->schedule, TSUGA_TRACE_FAULT, fault, (int64_t)nth, 0);
    return true;
}

int tsuga_fault_force(struct tsuga_faults *faults, enum tsuga_sim_fault fault, uint64_t nth)
{
    if ((unsigned)fault >= TSUGA_SIM_FAULT_COUNT || nth == 0)
        return -EINVAL;
    if (faults->script_count == TSUGA_FAULT_SCRIPT_MAX)
        return -ENOMEM;
    faults->script[faults->script_count].fault = fault;
    faults->script[faults->script_count].nth = nth;
    faults->script_count++;
    return 0;
}
