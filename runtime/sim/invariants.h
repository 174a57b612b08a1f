/*
 * What must be true of the runtimes of a world at every safe point. Private to runtime/sim/.
 *
 * Owner: nobody. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_INVARIANTS_H
#define TSUGA_SIM_INVARIANTS_H

#include "runtime/runtime.h"
#include "runtime/sim/kernel.h"

/* Fails the run when the rings' books do not balance, or a request in flight belongs to nobody. */
void tsuga_invariants_check_kernel(struct tsuga_kernel *kernel);

/* Walks every I/O heap of a runtime, and compares its counts of operations with its records. */
void tsuga_invariants_check_runtime(struct tsuga_kernel *kernel, struct tsuga_runtime *runtime);

#endif
