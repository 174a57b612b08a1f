/*
 * Reads of 4 KiB from the page cache, so many in flight, against the same loop in raw liburing
 * (reading into a fixed set of buffers) and against a loop of pread(2); and from the disk, past the
 * page cache, where the file system of the current directory can do that.
 *
 * The runtime's reads bring a buffer of the actor's I/O heap each, as the normal form does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define SAMPLE_OPS   8192u
#define DIRECT_OPS   1024u
#define CASE_COUNT   3u
#define RING_ENTRIES 256u
#define READ_BYTES   4096u
#define FILE_READS   4096u /* 16 MiB */
#define DEPTH_MAX    32u

struct run {
    struct tsuga_bench_pairs pairs;
    struct tsuga_bench_pairs plain; /* against pread */
    struct io_uring ring;
    int fd;
    bool is_direct;
    uint32_t sample_ops;
    uint32_t depth;
    uint32_t submit_count;
    uint32_t wait_count;
    uint32_t next; /* which piece of the file is read next */
    double floor_ns;
    double plain_ns;
    uint64_t start_ns;
    _Alignas(READ_BYTES) unsigned char buffers[DEPTH_MAX][READ_BYTES];
};

/* A stride that is odd visits every piece before it comes back to the first. */
static uint64_t next_offset(struct run *run)
{
    run->next = tsuga_bench_next_piece(run->next, FILE_READS);
    return (uint64_t)run->next * READ_BYTES;
}

static void fill_read(struct io_uring_sqe *sqe, uint32_t place, void *context)
{
    struct run *run = context;

    io_uring_prep_read(sqe, run->fd, run->buffers[place], READ_BYTES, next_offset(run));
}

static double measure_pread(struct run *run)
{
    uint64_t start_ns = tsuga_bench_now_ns();

    for (uint32_t i = 0; i < run->sample_ops; i++) {
        ssize_t got =
            pread(run->fd, run->buffers[i % run->depth], READ_BYTES, (off_t)next_offset(run));

        tsuga_bench_require("pread", got == READ_BYTES ? 0 : -EIO);
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / run->sample_ops;
}

static void submit(struct tsuga_actor *self, struct run *run)
{
    struct tsuga_token token = tsuga_read_at(self, run->fd, next_offset(run), READ_BYTES);

    run->submit_count--;
    tsuga_bench_require("tsuga_read_at", tsuga_op_error(token));
}

static void begin_sample(struct tsuga_actor *self, struct run *run)
{
    if (!run->is_direct) /* where one read after the other would measure the disk */
        run->plain_ns = measure_pread(run);
    run->floor_ns =
        tsuga_bench_raw_run(&run->ring, run->depth, run->sample_ops, READ_BYTES, fill_read, run);
    run->submit_count = run->sample_ops;
    run->wait_count = run->sample_ops;
    run->start_ns = tsuga_bench_now_ns();
    for (uint32_t i = 0; i < run->depth; i++)
        submit(self, run);
}

static void end_sample(struct run *run)
{
    double ours_ns = (double)(tsuga_bench_now_ns() - run->start_ns) / run->sample_ops;

    tsuga_bench_add(&run->pairs, run->floor_ns, ours_ns);
    tsuga_bench_add(&run->plain, run->plain_ns, ours_ns);
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
    end_sample(run);
    if (tsuga_bench_wants_more(&run->pairs)) {
        begin_sample(self, run);
        return;
    }
    io_uring_queue_exit(&run->ring);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void start(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;

    *(struct run **)tsuga_state(self) = run;
    tsuga_bench_raw_open(&run->ring, RING_ENTRIES);
    begin_sample(self, run);
}

static void run_case(int fd, uint32_t depth, bool is_direct, double seconds)
{
    static const struct tsuga_config config = {.executor.threads = 1};
    static struct run run;
    struct tsuga_spawn_options options = {.behaviour = behave,
                                          .start = start,
                                          .argument = &run,
                                          .state_bytes = sizeof(struct run *),
                                          .name = "read"};
    struct tsuga_runtime *runtime;
    char variant[32];

    memset(&run, 0, sizeof(run));
    run.fd = fd;
    run.depth = depth;
    run.is_direct = is_direct;
    run.sample_ops = is_direct ? DIRECT_OPS : SAMPLE_OPS;
    tsuga_bench_start(&run.pairs, seconds);
    tsuga_bench_start(&run.plain, seconds);
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
    snprintf(variant, sizeof(variant), "4 KiB, depth %u%s", depth, is_direct ? ", O_DIRECT" : "");
    tsuga_bench_begin("read", variant);
    tsuga_bench_summary(&run.pairs, "raw liburing");
    tsuga_bench_end();
    if (is_direct)
        return;
    tsuga_bench_begin("read", variant);
    tsuga_bench_summary(&run.plain, "pread loop");
    tsuga_bench_end();
}

/* A file without a name, written once, so that all of it lies in the page cache, and on the disk.
 */
static int make_file(void)
{
    static unsigned char piece[READ_BYTES];
    int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) /* the file system can not */
        fd = fileno(tmpfile());
    tsuga_bench_require("a file", fd < 0 ? -errno : 0);
    for (uint32_t i = 0; i < FILE_READS; i++) {
        memset(piece, (int)i, sizeof(piece));
        tsuga_bench_require("write", write(fd, piece, sizeof(piece)) == sizeof(piece) ? 0 : -EIO);
    }
    tsuga_bench_require("fdatasync", fdatasync(fd) == 0 ? 0 : -errno);
    return fd;
}

/* The same file once more, past the page cache; -1 where that is not to be had. */
static int open_direct(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 10) / CASE_COUNT;
    int fd = make_file();
    int direct = open_direct(fd);

    run_case(fd, 1, false, seconds);
    run_case(fd, DEPTH_MAX, false, seconds);
    if (direct >= 0)
        run_case(direct, DEPTH_MAX, true, seconds);
    else
        fputs("read: skipped: no O_DIRECT in the current directory\n", stderr);
    return 0;
}
