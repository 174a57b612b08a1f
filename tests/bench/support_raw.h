/*
 * The floor of the I/O benchmarks: a ring by itself, set up in the best way that liburing offers,
 * and a loop that keeps so many requests in flight.
 *
 * Owner: the benchmark. Thread: the one that opened it.
 */
#ifndef TSUGA_TESTS_SUPPORT_RAW_H
#define TSUGA_TESTS_SUPPORT_RAW_H

#include <liburing.h>
#include <stdint.h>

/* Fills in the request that goes into place `place`, 0 ..< depth. */
typedef void tsuga_bench_fill_fn(struct io_uring_sqe *sqe, uint32_t place, void *context);

/* SINGLE_ISSUER, DEFER_TASKRUN, and a registered descriptor. Ends the program when it fails. */
void tsuga_bench_raw_open(struct io_uring *ring, uint32_t entries);

/* Nanoseconds per request of `count` requests, `depth` in flight, each with the result `expected`.
 */
double tsuga_bench_raw_run(struct io_uring *ring, uint32_t depth, uint32_t count, int32_t expected,
                           tsuga_bench_fill_fn *fill, void *context);

#endif
