/*
 * An actor that sends from a lease as often as it is told to, eight sends in flight, each until its
 * buffer is free again; and the label of everything that is sent without a copy over loopback.
 *
 * Owner: the sender is the caller's, the descriptor of a job, too. Thread: one that is no executor.
 * What fails ends the program.
 */
#ifndef TSUGA_TESTS_SUPPORT_SENDER_H
#define TSUGA_TESTS_SUPPORT_SENDER_H

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <tsuga.h>

#define TSUGA_BENCH_SENDER_DEPTH 8u
#define TSUGA_BENCH_LOOPBACK     "loopback copies: not a measurement of zero copy"

/* The lease is sent `count` times, in pieces of so many bytes; DEPTH of the whole are in flight. */
struct tsuga_bench_job {
    int fd;
    uint32_t options; /* TSUGA_OP_COPY or TSUGA_OP_ZERO_COPY */
    size_t piece_bytes;
    uint32_t count;
};

struct tsuga_bench_sender {
    struct tsuga_runtime *runtime;
    struct tsuga_id id;
    sem_t done;
    size_t bytes; /* of the lease */

    /* The actor's, while it has a job. */
    struct tsuga_lease lease;
    struct tsuga_bench_job job;
    uint32_t piece_count; /* of the lease */
    uint32_t submit_count;
    uint32_t wait_count;

    /* Of all zero-copy jobs, in pieces. */
    uint64_t asked;
    uint64_t zero_copy; /* completions that say that it was one */
    uint64_t copied;    /* likewise, and that the kernel copied all the same */
};

/* A runtime of one executor whose memory is registered always or never. */
void tsuga_bench_sender_open(struct tsuga_bench_sender *sender,
                             enum tsuga_registration registration, size_t bytes);
void tsuga_bench_sender_close(struct tsuga_bench_sender *sender);

/* Nanoseconds for each time that the lease was sent. */
double tsuga_bench_sender_run(struct tsuga_bench_sender *sender, const struct tsuga_bench_job *job);

/* Which parts of what was to be sent without a copy were so, were copied all the same, and came
 * from registered memory; and the label. */
void tsuga_bench_sender_report(const struct tsuga_bench_sender *sender);

#endif
