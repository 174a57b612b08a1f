/*
 * Datagrams without a copy: 4, 16 and 63 KiB from a lease as datagrams that fill an Ethernet frame,
 * eight times in flight, until the buffer is free again. The runtime sends them one by one, or all
 * with one operation, which the kernel or the device cuts into datagrams (UDP_SEGMENT, "GSO"):
 * plain, without a copy, and without a copy from registered memory. The floor is what one would
 * write without io_uring: sendmmsg(2) with UDP_SEGMENT and MSG_ZEROCOPY, and notifications that are
 * read from the error queue; beside it the same with a copy.
 *
 * The sink takes what was not cut yet as a whole, as a network device does, and drops everything on
 * its arrival: nobody reads, so that all sides are the senders' work and the way through the
 * loopback device. That device copies what was sent without a copy; each line says so (`copied`).
 * Here can be seen what one operation for many datagrams saves, and what notifications cost by ring
 * and by error queue; what zero copy itself gains can not.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_sender.h"
#include "tests/bench/support_sendmmsg.h"

#define DATAGRAM_BYTES ((size_t)1472) /* IPv4 and UDP make 1,500 of it */
#define SAMPLE_BYTES   ((size_t)4 << 20)
#define SIZE_COUNT     3u

static const uint32_t datagram_counts[SIZE_COUNT] = {3, 11, 44};

enum side { RAW_ZERO_COPY, RAW, ONE_BY_ONE, SEGMENTS, ZERO_COPY, FIXED, SIDE_COUNT };

#define FLOOR "sendmmsg, GSO, MSG_ZEROCOPY"

static const char *const names[SIDE_COUNT] = {
    [RAW] = "sendmmsg, GSO",        [ONE_BY_ONE] = "a send for each",      [SEGMENTS] = "GSO",
    [ZERO_COPY] = "zero copy, GSO", [FIXED] = "registered zero copy, GSO",
};

struct run {
    struct tsuga_bench_pairs pairs[SIDE_COUNT];
    struct tsuga_bench_sender plain; /* and without a copy, from memory that is not registered */
    struct tsuga_bench_sender fixed;
    struct tsuga_bench_sendmmsg raw;
    uint32_t datagram_count;
    size_t bytes;   /* of all of them */
    uint32_t count; /* of a sample */
    int sink;
    int whole_fd;     /* has UDP_SEGMENT */
    int datagrams_fd; /* has not */
    uint64_t sent[SIDE_COUNT];
    uint64_t arrived[SIDE_COUNT];
};

static double measure_side(struct run *run, enum side side)
{
    struct tsuga_bench_job job = {.fd = side == ONE_BY_ONE ? run->datagrams_fd : run->whole_fd,
                                  .options = side < ZERO_COPY ? TSUGA_OP_COPY : TSUGA_OP_ZERO_COPY,
                                  .piece_bytes = side == ONE_BY_ONE ? DATAGRAM_BYTES : run->bytes,
                                  .count = run->count};

    if (side == RAW_ZERO_COPY || side == RAW)
        return tsuga_bench_sendmmsg_run(&run->raw, run->count, side == RAW ? 0 : MSG_ZEROCOPY);
    return tsuga_bench_sender_run(side == FIXED ? &run->fixed : &run->plain, &job);
}

/* What the sink has dropped; datagrams that were not cut yet are one. */
static uint32_t arrived(const struct run *run)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t bytes = sizeof(memory);

    if (getsockopt(run->sink, SOL_SOCKET, SO_MEMINFO, memory, &bytes) != 0)
        tsuga_bench_fail("SO_MEMINFO", -errno);
    return memory[SK_MEMINFO_DROPS];
}

static double measure(struct run *run, enum side side)
{
    uint32_t before = arrived(run);
    double ns = measure_side(run, side);

    run->arrived[side] += arrived(run) - before;
    run->sent[side] += side == ONE_BY_ONE ? run->count * run->datagram_count : run->count;
    return ns;
}

/* In turns, and in another order each time. Before that memory is registered. */
static void compare(struct run *run, double seconds)
{
    for (uint32_t side = 0; side < SIDE_COUNT; side++) {
        (void)measure(run, side);
        tsuga_bench_start(&run->pairs[side], seconds);
    }
    for (uint32_t round = 0; tsuga_bench_wants_more(&run->pairs[RAW]); round++) {
        double ns[SIDE_COUNT];

        for (uint32_t i = 0; i < SIDE_COUNT; i++) {
            enum side side = (round + i) % SIDE_COUNT;

            ns[side] = measure(run, side);
        }
        for (uint32_t side = RAW; side < SIDE_COUNT; side++)
            tsuga_bench_add(&run->pairs[side], ns[RAW_ZERO_COPY], ns[side]);
    }
}

static void report(const struct run *run, enum side side)
{
    const struct tsuga_bench_sendmmsg *raw = &run->raw;
    char variant[96];

    snprintf(variant, sizeof(variant), "%u datagrams (%zu KiB), %s, loopback UDP",
             run->datagram_count, (run->bytes + 512) >> 10, names[side]);
    tsuga_bench_begin("zero_copy_udp", variant);
    tsuga_bench_summary(&run->pairs[side], FLOOR);
    tsuga_bench_number("floor_copied_share", (double)raw->copied / (double)raw->notified);
    tsuga_bench_number("arrived_share", (double)run->arrived[side] / (double)run->sent[side]);
    if (side >= ZERO_COPY)
        tsuga_bench_sender_report(side == FIXED ? &run->fixed : &run->plain);
    tsuga_bench_text("note", TSUGA_BENCH_LOOPBACK);
    tsuga_bench_end();
}

/* A socket that drops whatever comes, and its address. */
static int open_sink(struct sockaddr_in *address)
{
    static struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const struct sock_fprog filter = {.len = 1, .filter = nothing};
    static const int on = 1;
    socklen_t bytes = sizeof(*address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0 ||
        setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)address, bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &bytes) != 0)
        tsuga_bench_fail("a sink", -errno);
    return fd;
}

/* segment_bytes  0: what is sent is one datagram. */
static int connect_to(const struct sockaddr_in *address, int segment_bytes)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes)) != 0)
        tsuga_bench_fail("UDP_SEGMENT", -errno);
    return fd;
}

static void run_size(struct run *run, uint32_t datagram_count, double seconds)
{
    struct sockaddr_in address;

    *run = (struct run){.datagram_count = datagram_count,
                        .bytes = datagram_count * DATAGRAM_BYTES,
                        .sink = open_sink(&address)};
    run->count = (uint32_t)(SAMPLE_BYTES / run->bytes);
    run->datagrams_fd = connect_to(&address, 0);
    run->whole_fd = connect_to(&address, DATAGRAM_BYTES);
    tsuga_bench_sendmmsg_open(&run->raw, run->whole_fd, run->bytes);
    tsuga_bench_sender_open(&run->plain, TSUGA_REGISTRATION_OFF, run->bytes);
    tsuga_bench_sender_open(&run->fixed, TSUGA_REGISTRATION_ALWAYS, run->bytes);
    compare(run, seconds);
    for (uint32_t side = RAW; side < SIDE_COUNT; side++)
        report(run, side);
    tsuga_bench_sender_close(&run->plain);
    tsuga_bench_sender_close(&run->fixed);
    tsuga_bench_sendmmsg_close(&run->raw);
    close(run->whole_fd);
    close(run->datagrams_fd);
    close(run->sink);
}

/* Eight sends without a copy lock half a MiB of what the user may; root may lock everything. */
static bool may_lock(void)
{
    struct rlimit limit;

    return geteuid() == 0 ||
           (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur >= (rlim_t)1 << 20);
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 6) / SIZE_COUNT;
    static struct run run;

    if (!may_lock()) {
        fputs("zero_copy_udp: skipped: RLIMIT_MEMLOCK is less than 1 MiB\n", stderr);
        return 0;
    }
    for (uint32_t i = 0; i < SIZE_COUNT; i++)
        run_size(&run, datagram_counts[i], seconds);
    return 0;
}
