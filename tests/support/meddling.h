/*
 * A kernel that takes fewer requests than it is shown: stands between the ring and the system call.
 *
 * Owner: the test. Thread: that of the ring, which is the only one in the process while it is used.
 */
#ifndef TSUGA_TESTS_MEDDLING_H
#define TSUGA_TESTS_MEDDLING_H

#include <stdint.h>

/* How the kernel shall treat the coming calls of io_uring_enter2(). */
struct tsuga_meddling {
    uint32_t call_count;   /* calls that are concerned: those that submit more than this */
    uint32_t submit_count; /* most that they submit */
    int error;             /* instead of submitting any */
};

extern struct tsuga_meddling tsuga_meddling;

#endif
