/*
 * The connection of an echo server as a user of the public API would write it: an actor with a
 * stream of receives. What came in goes out from the buffer that it came in; when the peer goes, it
 * ends.
 *
 * Thread: any. What fails ends the program.
 */
#ifndef TSUGA_TESTS_SUPPORT_CONNECTION_H
#define TSUGA_TESTS_SUPPORT_CONNECTION_H

#include <stdbool.h>
#include <tsuga.h>

/* Makes the actor of a connection. It adopts the descriptor, unless that is a gift, which the
 * caller sends after it. */
struct tsuga_id tsuga_bench_connection(struct tsuga_runtime *runtime, int fd, bool is_gift);

#endif
