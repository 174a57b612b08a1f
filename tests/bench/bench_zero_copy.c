/*
 * Sends of 1 KiB to 1 MiB from a lease over TCP, eight in flight, each until its buffer is free
 * again: plain, without a copy, and without a copy from registered memory, which the kernel need
 * not pin for each of them.
 *
 * This is the loopback device, which copies all the same, when the bytes are received; each line
 * says so (`copied`). It shows what the bookkeeping and the notification cost, and nothing of what
 * zero copy gains on a real network device.
 *
 * The peer reads on a thread of its own, and acknowledges at once (TCP_QUICKACK): a notification
 * waits for that, and TCP may keep an acknowledgement back for 40 ms.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_sender.h"
#include "tests/bench/support_tcp.h"

#define BYTES_MAX    ((size_t)1 << 20)
#define SAMPLE_BYTES ((size_t)8 << 20)
#define COUNT_MAX    1024u
#define SIZE_COUNT   6u

static const size_t sizes[SIZE_COUNT] = {1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20};

/* What is compared. Plain sends are the floor of the others. */
enum side { PLAIN, ZERO_COPY, FIXED, SIDE_COUNT };

static const char *const names[SIDE_COUNT] = {
    [ZERO_COPY] = "loopback TCP",
    [FIXED] = "registered, loopback TCP",
};

struct run {
    struct tsuga_bench_pairs pairs[SIDE_COUNT];
    struct tsuga_bench_sender plain; /* and without a copy, from memory that is not registered */
    struct tsuga_bench_sender fixed;
    size_t bytes;
    int fd;
};

static double measure(struct run *run, enum side side)
{
    size_t count = SAMPLE_BYTES / run->bytes;
    struct tsuga_bench_job job = {.fd = run->fd,
                                  .options = side == PLAIN ? TSUGA_OP_COPY : TSUGA_OP_ZERO_COPY,
                                  .piece_bytes = run->bytes,
                                  .count = (uint32_t)(count > COUNT_MAX ? COUNT_MAX : count)};

    return tsuga_bench_sender_run(side == FIXED ? &run->fixed : &run->plain, &job);
}

/* In turns, and in another order each time. Before that memory is registered and TCP finds its
 * pace. */
static void compare(struct run *run, double seconds)
{
    for (uint32_t side = PLAIN; side < SIDE_COUNT; side++)
        (void)measure(run, side);
    for (uint32_t side = ZERO_COPY; side < SIDE_COUNT; side++)
        tsuga_bench_start(&run->pairs[side], seconds);
    for (uint32_t round = 0; tsuga_bench_wants_more(&run->pairs[ZERO_COPY]); round++) {
        double ns[SIDE_COUNT];

        for (uint32_t i = 0; i < SIDE_COUNT; i++) {
            enum side side = (round + i) % SIDE_COUNT;

            ns[side] = measure(run, side);
        }
        for (uint32_t side = ZERO_COPY; side < SIDE_COUNT; side++)
            tsuga_bench_add(&run->pairs[side], ns[PLAIN], ns[side]);
    }
}

static void *read_all(void *context)
{
    static char into[BYTES_MAX];
    static const int on = 1;
    int fd = *(int *)context;

    while (recv(fd, into, sizeof(into), 0) > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    return NULL;
}

static void report(const struct run *run, enum side side)
{
    char variant[64];

    snprintf(variant, sizeof(variant), "%zu KiB, %s", run->bytes >> 10, names[side]);
    tsuga_bench_begin("zero_copy", variant);
    tsuga_bench_summary(&run->pairs[side], "the runtime's plain send");
    tsuga_bench_sender_report(side == FIXED ? &run->fixed : &run->plain);
    tsuga_bench_text("note", TSUGA_BENCH_LOOPBACK);
    tsuga_bench_end();
}

static void connect_ends(int ends[2])
{
    uint16_t port;
    int listener = tsuga_bench_listen(&port);

    ends[0] = tsuga_bench_connect(port);
    ends[1] = accept(listener, NULL, NULL);
    tsuga_bench_require("accept", ends[1] < 0 ? -errno : 0);
    close(listener);
}

static void run_size(struct run *run, size_t bytes, double seconds)
{
    pthread_t reader;
    int ends[2];

    connect_ends(ends);
    run->fd = ends[0];
    run->bytes = bytes;
    tsuga_bench_require("pthread_create", -pthread_create(&reader, NULL, read_all, &ends[1]));
    tsuga_bench_sender_open(&run->plain, TSUGA_REGISTRATION_OFF, bytes);
    tsuga_bench_sender_open(&run->fixed, TSUGA_REGISTRATION_ALWAYS, bytes);
    compare(run, seconds);
    for (uint32_t side = ZERO_COPY; side < SIDE_COUNT; side++)
        report(run, side);
    tsuga_bench_sender_close(&run->plain);
    tsuga_bench_sender_close(&run->fixed);
    (void)shutdown(ends[0], SHUT_WR);
    tsuga_bench_require("pthread_join", -pthread_join(reader, NULL));
    close(ends[0]);
    close(ends[1]);
}

/* The size from which on a side takes less time than plain sends, of those that were measured. */
static void report_crossover(const double *ratios, enum side side)
{
    uint32_t first = SIZE_COUNT;
    char variant[64];

    while (first > 0 && ratios[first - 1] < 1)
        first--;
    snprintf(variant, sizeof(variant), "crossover, %s", names[side]);
    tsuga_bench_begin("zero_copy", variant);
    if (first < SIZE_COUNT)
        tsuga_bench_number("bytes", (double)sizes[first]);
    else
        tsuga_bench_text("bytes", "none");
    tsuga_bench_text("note", TSUGA_BENCH_LOOPBACK);
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 9) / SIZE_COUNT;
    double ratios[SIDE_COUNT][SIZE_COUNT];
    static struct run run;

    for (uint32_t i = 0; i < SIZE_COUNT; i++) {
        run_size(&run, sizes[i], seconds);
        for (uint32_t side = ZERO_COPY; side < SIDE_COUNT; side++)
            ratios[side][i] = tsuga_bench_ratio(&run.pairs[side]);
    }
    for (uint32_t side = ZERO_COPY; side < SIDE_COUNT; side++)
        report_crossover(ratios[side], side);
    return 0;
}
