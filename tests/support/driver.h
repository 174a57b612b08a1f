/*
 * Between the test layer (test.c) and the program that runs the tests: either driver_criterion.c
 * or driver_fork.c, whichever the Makefile links.
 *
 * Thread: the main thread of the runner, unless a function says otherwise.
 */
#ifndef TSUGA_TESTS_DRIVER_H
#define TSUGA_TESTS_DRIVER_H

#include <stddef.h>
#include <stdio.h>

#include "tests/support/test.h"

enum tsuga_test_outcome {
    TSUGA_TEST_PASSED,
    TSUGA_TEST_FAILED,
    TSUGA_TEST_SKIPPED,
    TSUGA_TEST_OUTCOMES,
};

struct tsuga_test_tally {
    FILE *results; /* NULL when no result file was asked for */
    unsigned count[TSUGA_TEST_OUTCOMES];
};

/* All registered tests, sorted by suite and name. */
struct tsuga_test *tsuga_test_list(void);

/* A test that takes longer is killed and counts as failed: TSUGA_TEST_SECONDS, or 120, because
 * sanitizers slow a test tenfold. */
unsigned tsuga_test_seconds_max(void);

/* Runs one test in this process, the leak check included. Returns when it passed. */
void tsuga_test_run(const struct tsuga_test *test);

/* Opens the result file that TSUGA_TEST_RESULTS names, if it names one. */
void tsuga_test_tally_open(struct tsuga_test_tally *tally);

/* Counts one outcome and writes its line. */
void tsuga_test_tally_add(struct tsuga_test_tally *tally, enum tsuga_test_outcome outcome,
                          const char *suite, const char *name);

/* Prints the closing line. Returns the exit status: 0 when nothing failed and something ran. */
int tsuga_test_tally_close(struct tsuga_test_tally *tally);

/* The driver's way to end the running test as skipped. Any thread of the test. */
_Noreturn void tsuga_driver_skip(const char *reason);

#endif
