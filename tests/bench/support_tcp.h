/*
 * TCP over the loopback device, for the benchmarks of servers.
 *
 * Owner: descriptors are the caller's. Thread: any. What fails ends the program.
 */
#ifndef TSUGA_TESTS_SUPPORT_TCP_H
#define TSUGA_TESTS_SUPPORT_TCP_H

#include <stdint.h>

/* A listener on a port of the kernel's choice. What is accepted sends without delay. */
int tsuga_bench_listen(uint16_t *port);

/* A connection that sends without delay. */
int tsuga_bench_connect(uint16_t port);

#endif
