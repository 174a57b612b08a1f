/*
 * Sends as one writes them without io_uring: a batch with one sendmmsg(2), and of those without a
 * copy (MSG_ZEROCOPY) the notifications from the socket's error queue.
 *
 * Owner: the descriptor stays the caller's. Thread: one at a time. What fails ends the program.
 */
#ifndef TSUGA_TESTS_SUPPORT_SENDMMSG_H
#define TSUGA_TESTS_SUPPORT_SENDMMSG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TSUGA_BENCH_SENDMMSG_DEPTH 8u

struct tsuga_bench_sendmmsg {
    int fd; /* connected */
    struct iovec piece;
    struct mmsghdr batch[TSUGA_BENCH_SENDMMSG_DEPTH];
    uint32_t inflight; /* sends without a copy that have not been notified */
    uint64_t notified; /* of all runs */
    uint64_t copied;   /* likewise, that were copied all the same */
};

/* `bytes` bytes, to be sent through a socket whose notifications nobody else reads. */
void tsuga_bench_sendmmsg_open(struct tsuga_bench_sendmmsg *raw, int fd, size_t bytes);
void tsuga_bench_sendmmsg_close(struct tsuga_bench_sendmmsg *raw);

/* Nanoseconds per send of `count` sends, until the buffer is free; flags: 0 or MSG_ZEROCOPY. */
double tsuga_bench_sendmmsg_run(struct tsuga_bench_sendmmsg *raw, uint32_t count, int flags);

#endif
