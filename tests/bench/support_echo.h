/*
 * The floor of echo servers: one loop in raw liburing, with registered descriptors, multishot
 * receives, and a ring of provided buffers. What came in goes out from the buffer that it came in.
 *
 * Owner: descriptors stay the caller's. Thread: one for each server. What fails ends the program.
 */
#ifndef TSUGA_TESTS_SUPPORT_ECHO_H
#define TSUGA_TESTS_SUPPORT_ECHO_H

#include <stdint.h>

struct tsuga_bench_echo {
    const int *fds; /* connections to begin with */
    uint32_t fd_count;
    uint32_t buffer_count; /* power of two */
    int listener;          /* brings more of them, for ever; -1: there are no others */
};

/* Serves until all connections have been closed by their peers. */
void tsuga_bench_echo_serve(const struct tsuga_bench_echo *what);

#endif
