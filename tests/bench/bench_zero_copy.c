/*
 * Sends of 1 KiB to 1 MiB from a lease over TCP, eight in flight, with and without zero copy, each
 * until its buffer is free again.
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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/support.h"

#define DEPTH        8u
#define BYTES_MAX    ((size_t)1 << 20)
#define SAMPLE_BYTES ((size_t)8 << 20)
#define COUNT_MAX    1024u
#define CASE_COUNT   6u

#define NOTE "loopback copies: not a measurement of zero copy"

static const size_t sizes[CASE_COUNT] = {1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20};

struct run {
    struct tsuga_bench_pairs pairs;
    struct tsuga_actor *self;
    struct tsuga_lease lease;
    size_t bytes;
    uint32_t count; /* of a sample */
    int fd;
    uint64_t zero_copy; /* completions that say so */
    uint64_t copied;
};

static void submit(struct run *run, uint32_t options)
{
    struct tsuga_token token = tsuga_submit(run->self, &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                                                          .options = options,
                                                                          .fd = run->fd,
                                                                          .lease = run->lease,
                                                                          .bytes = run->bytes});

    tsuga_bench_require("a send", tsuga_op_error(token));
}

static void take_one(struct run *run)
{
    const struct tsuga_message *message;
    const struct tsuga_completion *sent;

    tsuga_bench_require("tsuga_receive", tsuga_receive(run->self, NULL, TSUGA_FOREVER, &message));
    sent = tsuga_message_completion(message);
    if (sent->result != (int32_t)run->bytes)
        tsuga_bench_fail("a send", sent->result < 0 ? sent->result : -EIO);
    run->zero_copy += sent->zero_copy;
    run->copied += sent->copied;
}

static double measure(struct run *run, uint32_t options)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    uint32_t submitted = 0;

    for (uint32_t taken = 0; taken < run->count; taken++) {
        while (submitted < run->count && submitted - taken < DEPTH) {
            submit(run, options);
            submitted++;
        }
        take_one(run);
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / run->count;
}

static void sweep(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;

    run->self = self;
    tsuga_bench_require("a lease", tsuga_lease_make(self, run->bytes, &run->lease));
    memset(tsuga_lease_data(self, run->lease), 1, run->bytes);
    while (tsuga_bench_wants_more(&run->pairs)) {
        double plain_ns = measure(run, TSUGA_OP_COPY);

        tsuga_bench_add(&run->pairs, plain_ns, measure(run, TSUGA_OP_ZERO_COPY));
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

static void connect_ends(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t bytes = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const int on = 1;

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, any, bytes) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, any, &bytes) != 0 || connect(ends[0], any, bytes) != 0 ||
        setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (ends[1] = accept(listener, NULL, NULL)) < 0)
        tsuga_bench_fail("a connection", -errno);
    close(listener);
}

static void report(const struct run *run)
{
    uint64_t sends = run->pairs.count * run->count;
    char variant[64];

    snprintf(variant, sizeof(variant), "%zu KiB, loopback TCP", run->bytes >> 10);
    tsuga_bench_begin("zero_copy", variant);
    tsuga_bench_summary(&run->pairs, "the runtime's plain send");
    tsuga_bench_number("zero_copy_share", (double)run->zero_copy / (double)sends);
    tsuga_bench_number("copied_share", (double)run->copied / (double)sends);
    tsuga_bench_text("note", NOTE);
    tsuga_bench_end();
}

/* Returns the ratio. */
static double run_case(size_t bytes, double seconds)
{
    static const struct tsuga_config config = {.executor.threads = 1};
    static struct run run;
    pthread_t reader;
    int ends[2];

    memset(&run, 0, sizeof(run));
    connect_ends(ends);
    run.fd = ends[0];
    run.bytes = bytes;
    run.count = (uint32_t)(SAMPLE_BYTES / bytes > COUNT_MAX ? COUNT_MAX : SAMPLE_BYTES / bytes);
    tsuga_bench_require("pthread_create", -pthread_create(&reader, NULL, read_all, &ends[1]));
    tsuga_bench_start(&run.pairs, seconds);
    tsuga_bench_require("tsuga_run", tsuga_run(&config, sweep, &run));
    (void)shutdown(ends[0], SHUT_WR);
    tsuga_bench_require("pthread_join", -pthread_join(reader, NULL));
    close(ends[0]);
    close(ends[1]);
    report(&run);
    return tsuga_bench_ratio(&run.pairs);
}

/* The size from which on zero copy takes less time, of those that were measured. */
static void report_crossover(const double *ratios)
{
    uint32_t first = CASE_COUNT;

    while (first > 0 && ratios[first - 1] < 1)
        first--;
    tsuga_bench_begin("zero_copy", "crossover, loopback TCP");
    if (first < CASE_COUNT)
        tsuga_bench_number("bytes", (double)sizes[first]);
    else
        tsuga_bench_text("bytes", "none");
    tsuga_bench_text("note", NOTE);
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 6) / CASE_COUNT;

    double ratios[CASE_COUNT];

    for (uint32_t i = 0; i < CASE_COUNT; i++)
        ratios[i] = run_case(sizes[i], seconds);
    report_crossover(ratios);
    return 0;
}
