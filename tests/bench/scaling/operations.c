/*
 * So many reads of 64 bytes in flight in one actor, from the page cache, each into a fresh buffer
 * of its I/O heap: nanoseconds a read. The floor is the same loop in raw liburing, into one buffer
 * for each place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/scaling/scaling.h"
#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define SAMPLE_OPS  32768u
#define DEPTH_MAX   4096u
#define READ_BYTES  64u
#define PIECE_COUNT 4096u
#define LAPS        2u /* the first warms up */

struct run {
    int fd;
    uint32_t depth;
    uint32_t next; /* which piece of the file is read next */
    uint32_t laps_left;
    uint32_t submit_count; /* still to be submitted in this lap */
    uint32_t wait_count;   /* still to be completed */
    uint64_t start_ns;
    double ours_ns;
    unsigned char (*buffers)[READ_BYTES];
};

/* A stride that is odd visits every piece before it comes back to the first. */
static uint64_t next_offset(struct run *run)
{
    run->next = tsuga_bench_next_piece(run->next, PIECE_COUNT);
    return (uint64_t)run->next * READ_BYTES;
}

/* The floor. */

static void fill_read(struct io_uring_sqe *sqe, uint32_t place, void *context)
{
    struct run *run = context;

    io_uring_prep_read(sqe, run->fd, run->buffers[place], READ_BYTES, next_offset(run));
}

static double measure_raw(struct run *run)
{
    struct io_uring ring;
    uint64_t start_ns = 0;
    uint64_t spent_ns;

    run->buffers = scaling_memory(run->depth, READ_BYTES);
    tsuga_bench_raw_open(&ring, DEPTH_MAX);
    for (uint32_t lap = 0; lap < LAPS; lap++) {
        start_ns = tsuga_bench_processor_ns();
        (void)tsuga_bench_raw_run(&ring, run->depth, SAMPLE_OPS, READ_BYTES, fill_read, run);
    }
    spent_ns = tsuga_bench_processor_ns() - start_ns;
    io_uring_queue_exit(&ring);
    free(run->buffers);
    return (double)spent_ns / SAMPLE_OPS;
}

/* Ours. */

static void submit(struct tsuga_actor *self, struct run *run)
{
    struct tsuga_token token = tsuga_read_at(self, run->fd, next_offset(run), READ_BYTES);

    run->submit_count--;
    tsuga_bench_require("tsuga_read_at", tsuga_op_error(token));
}

static void begin_lap(struct tsuga_actor *self, struct run *run)
{
    run->submit_count = SAMPLE_OPS;
    run->wait_count = SAMPLE_OPS;
    run->start_ns = tsuga_bench_processor_ns();
    for (uint32_t i = 0; i < run->depth; i++)
        submit(self, run);
}

static void start(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;

    *(struct run **)tsuga_state(self) = run;
    run->laps_left = LAPS;
    begin_lap(self, run);
}

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct run *run = *(struct run **)tsuga_state(self);

    if (tsuga_message_completion(message)->result != READ_BYTES)
        tsuga_bench_require("a read", -EIO);
    if (run->submit_count > 0)
        submit(self, run);
    if (--run->wait_count > 0)
        return;
    run->ours_ns = (double)(tsuga_bench_processor_ns() - run->start_ns) / SAMPLE_OPS;
    if (--run->laps_left == 0)
        tsuga_exit(self, TSUGA_NORMAL);
    begin_lap(self, run);
}

static void run_ours(struct run *run)
{
    static const struct tsuga_config config = {.executor.threads = 1};
    struct tsuga_spawn_options options = {
        .behaviour = behave, .start = start, .argument = run, .state_bytes = sizeof(struct run *)};
    struct tsuga_runtime *runtime;

    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
}

/* A file without a name, written once, so that all of it lies in the page cache. */
static int make_file(void)
{
    static const unsigned char piece[READ_BYTES];
    int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) /* the file system can not */
        fd = fileno(tmpfile());
    tsuga_bench_require("a file", fd < 0 ? -errno : 0);
    for (uint32_t i = 0; i < PIECE_COUNT; i++)
        tsuga_bench_require("write", write(fd, piece, sizeof(piece)) == sizeof(piece) ? 0 : -EIO);
    return fd;
}

static void measure(uint32_t count, struct scaling_sample *out)
{
    struct run run = {.fd = make_file(), .depth = count};

    out->floor_ns = measure_raw(&run);
    run_ours(&run);
    out->ours_ns = run.ours_ns;
    close(run.fd);
}

const struct scaling_case scaling_operations = {.name = "operations",
                                                .unit = "a read of 64 bytes from the page cache",
                                                .floor = "raw liburing",
                                                .count_max = DEPTH_MAX,
                                                .measure = measure};
