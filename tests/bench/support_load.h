/*
 * What keeps executors busy while something else on them is measured: as many actors as a busy
 * server has connections with something to do.
 *
 * On each executor 64 pairs pass a message to and fro, so that at any time 64 actors wait for their
 * turns, each with one message that takes 2 us of work; 16 more have 64 bytes each on their way
 * through a socket. All of them have their place by number, and so stand in the same queue as
 * actors with I/O do.
 *
 * Owner: the load is the caller's and outlives the runtime, with which the actors end. Thread: any.
 * What fails ends the program.
 */
#ifndef TSUGA_TESTS_SUPPORT_LOAD_H
#define TSUGA_TESTS_SUPPORT_LOAD_H

#include <stdint.h>
#include <tsuga.h>

#include "runtime/base/histogram.h"

#define TSUGA_BENCH_LOAD "64 turns of 2 us and 16 sockets"

struct tsuga_bench_load {
    /* How long the run queue of executor 0 takes to go round. Written by that executor. */
    struct tsuga_histogram laps;
    uint64_t lap_start_ns;
};

/* Loads all executors of a runtime, from now on until it stops. */
void tsuga_bench_load_start(struct tsuga_bench_load *load, struct tsuga_runtime *runtime);

#endif
