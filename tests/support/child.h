/*
 * Runs what ought to kill a process in a child process, and tells how that ended.
 *
 * Thread: a test that has one thread.
 */
#ifndef TSUGA_TESTS_CHILD_H
#define TSUGA_TESTS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

struct tsuga_child {
    int signal;      /* that ended it, or 0 */
    int exit_status; /* when signal is 0 */
    char said[4096]; /* the beginning of its stderr, a string */
};

/* Calls run(context) in a child, which then exits with status 0. */
void tsuga_child_run(struct tsuga_child *child, void (*run)(void *context), void *context);

/* True when a process may read the byte at `address`. */
bool tsuga_child_can_read(const volatile void *address);

#endif
