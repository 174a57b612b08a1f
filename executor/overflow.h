/*
 * Turns the overflow of a pool's stack into one line on stderr that names who overflowed, and the
 * death of the process by SIGSEGV at the faulting instruction.
 *
 * A watch gives its thread an alternate signal stack, because the handler cannot run on a stack
 * that is full, and finds the pool through it. The signal's disposition is the process's: the
 * first watch installs the handler, the last one restores what was there. Every fault that is not
 * an overflow is passed on to the handler that the program had installed before.
 *
 * Owner:  the executor.
 * Blocks: never.
 */
#ifndef TSUGA_EXECUTOR_OVERFLOW_H
#define TSUGA_EXECUTOR_OVERFLOW_H

#include <stdint.h>

#include "executor/stack.h"

/* Names the user of a stack, or returns NULL. Called in a signal handler: it may only read. */
typedef const char *tsuga_overflow_name_fn(void *context, uint32_t stack_index);

struct tsuga_overflow_watch;

/* Begins to watch the calling thread, which will run on the stacks of `pool`.
 *
 * Owner:  the caller; undo with tsuga_overflow_unwatch() before the pool's end.
 * Errors: -ENOMEM no memory for the signal stack; -errno of sigaltstack() and sigaction().
 * Thread: the owner of the pool, standing on any stack. */
TSUGA_NODISCARD int tsuga_overflow_watch(const struct tsuga_stack_pool *pool,
                                         tsuga_overflow_name_fn *name, void *context,
                                         struct tsuga_overflow_watch **out);

/* Restores the signal stack and, after the last watch, the handler. NULL does nothing.
 *
 * Thread: the one that began the watch. */
void tsuga_overflow_unwatch(struct tsuga_overflow_watch *watch);

#endif
