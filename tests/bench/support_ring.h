/*
 * A ring without a kernel, for counting instructions: NOPs and sends complete in the next enter, a
 * stream of receives has a message when it begins and one after each send on its descriptor, the
 * executor's watches complete by epoll(7), and nothing else is supported. No byte is moved.
 * Programs that use io_uring cannot be run by valgrind's tools.
 *
 * Owner: the executor. Thread: its own.
 */
#ifndef TSUGA_TESTS_SUPPORT_RING_H
#define TSUGA_TESTS_SUPPORT_RING_H

#include "executor/ring.h"

/* As tsuga_ring_create_fn; the context is ignored. */
int tsuga_bench_ring_create(void *context, const struct tsuga_ring_config *config,
                            struct tsuga_ring **out);

#endif
