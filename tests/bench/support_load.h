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

#define TSUGA_BENCH_LOAD          "64 turns of 2 us and 16 sockets"
#define TSUGA_BENCH_EXECUTORS_MAX 256u

struct tsuga_bench_load {
    /* By executor: messages of pairs that have been taken. For actors of that executor to read. */
    uint64_t turns[TSUGA_BENCH_EXECUTORS_MAX];
};

/* Loads all executors of a runtime, from now on until it stops. */
void tsuga_bench_load_start(struct tsuga_bench_load *load, struct tsuga_runtime *runtime);

/* How long the run queue took to go round, when so many turns of pairs took so long. */
double tsuga_bench_load_lap_ns(uint64_t turns, uint64_t ns);

#endif
