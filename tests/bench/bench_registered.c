/*
 * Registered memory: reads of 4 KiB from the page cache, 32 in flight, with it and without, against
 * a loop of fixed reads in raw liburing; the same as an ordinary user with little locked memory,
 * where it must not be slower than without; and what a step of growth costs the other actors of the
 * executor, by the longest pause of a ping-pong.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <tsuga.h>
#include <unistd.h>

#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define SAMPLE_OPS   16384u
#define RING_ENTRIES 256u
#define READ_BYTES   4096u
#define FILE_READS   4096u /* 16 MiB */
#define DEPTH        32u
#define HUGE_BYTES   ((size_t)2 << 20)
#define STEPS_MAX    1024u
#define STEP_NS      UINT64_C(4000000)

static uint64_t next_offset(uint32_t *next)
{
    *next = tsuga_bench_next_piece(*next, FILE_READS);
    return (uint64_t)*next * READ_BYTES;
}

/* The floor. */

struct raw {
    struct io_uring ring;
    char *buffers; /* one huge page, where the system has them */
    int fd;
    uint32_t next;
};

static void fill_read(struct io_uring_sqe *sqe, uint32_t place, void *context)
{
    struct raw *raw = context;

    io_uring_prep_read_fixed(sqe, raw->fd, raw->buffers + place * READ_BYTES, READ_BYTES,
                             next_offset(&raw->next), 0);
}

static void raw_open(struct raw *raw, int fd)
{
    struct iovec all = {.iov_len = HUGE_BYTES};
    char *mapped =
        mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapped == MAP_FAILED || mapped == NULL)
        tsuga_bench_fail("mmap", -errno);
    raw->fd = fd;
    raw->buffers = mapped + (-(uintptr_t)mapped & (HUGE_BYTES - 1));
    (void)madvise(raw->buffers, HUGE_BYTES, MADV_HUGEPAGE);
    memset(raw->buffers, 1, HUGE_BYTES);
    all.iov_base = raw->buffers;
    tsuga_bench_raw_open(&raw->ring, RING_ENTRIES);
    tsuga_bench_require("io_uring_register_buffers",
                        io_uring_register_buffers(&raw->ring, &all, 1));
}

/* An actor that reads as often as it is told to. */

struct reader {
    struct tsuga_runtime *runtime;
    struct tsuga_id id;
    sem_t done;
    int fd;
    uint32_t next;
    uint32_t submit_count;
    uint32_t wait_count;
};

static void submit(struct tsuga_actor *self, struct reader *reader)
{
    struct tsuga_token token =
        tsuga_read_at(self, reader->fd, next_offset(&reader->next), READ_BYTES);

    reader->submit_count--;
    tsuga_bench_require("tsuga_read_at", tsuga_op_error(token));
}

static void behave_reader(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct reader *reader = *(struct reader **)tsuga_state(self);

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_USER) {
        reader->submit_count = reader->wait_count = SAMPLE_OPS;
        for (uint32_t i = 0; i < DEPTH; i++)
            submit(self, reader);
        return;
    }
    if (tsuga_message_kind(message) != TSUGA_MESSAGE_COMPLETION)
        return;
    if (tsuga_message_completion(message)->result != READ_BYTES)
        tsuga_bench_require("a read", -EIO);
    if (reader->submit_count > 0)
        submit(self, reader);
    if (--reader->wait_count == 0)
        sem_post(&reader->done);
}

static void start_reader(struct tsuga_actor *self, void *argument)
{
    struct reader *reader = argument;

    *(struct reader **)tsuga_state(self) = reader;
    tsuga_bench_require("tsuga_fd_adopt", tsuga_fd_adopt(self, reader->fd));
}

static void reader_open(struct reader *reader, int fd, enum tsuga_registration registration)
{
    /* Small rings, so that two find room in 64 KiB of locked memory. */
    struct tsuga_config config = {.executor = {.threads = 1, .ring_entries = 64, .cq_entries = 512},
                                  .ioheap.registration = registration};
    struct tsuga_spawn_options options = {.behaviour = behave_reader,
                                          .start = start_reader,
                                          .argument = reader,
                                          .state_bytes = sizeof(struct reader *),
                                          .name = "reader"};

    reader->fd = dup(fd);
    sem_init(&reader->done, 0, 0);
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &reader->runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(reader->runtime, &options, &reader->id));
}

static double reader_run(struct reader *reader)
{
    uint64_t start_ns = tsuga_bench_now_ns();

    tsuga_bench_require("tsuga_post", tsuga_post(reader->runtime, reader->id, 0, NULL, 0));
    while (sem_wait(&reader->done) != 0)
        continue;
    return (double)(tsuga_bench_now_ns() - start_ns) / SAMPLE_OPS;
}

static void summary(const char *variant, const struct tsuga_bench_pairs *pairs, const char *floor)
{
    tsuga_bench_begin("registered", variant);
    tsuga_bench_summary(pairs, floor);
    tsuga_bench_end();
}

static void compare_reads(int fd, double seconds)
{
    static struct tsuga_bench_pairs to_raw;
    static struct tsuga_bench_pairs to_plain;
    static struct raw raw;
    static struct reader fixed;
    static struct reader plain;
    struct tsuga_stats stats;

    raw_open(&raw, fd);
    reader_open(&fixed, fd, TSUGA_REGISTRATION_AUTO);
    reader_open(&plain, fd, TSUGA_REGISTRATION_OFF);
    (void)reader_run(&fixed); /* after which the arena is pinned */
    (void)reader_run(&fixed);
    tsuga_bench_start(&to_raw, seconds);
    tsuga_bench_start(&to_plain, seconds);
    for (uint32_t round = 0; tsuga_bench_wants_more(&to_raw); round++) {
        double ns[3];

        /* Whoever comes next finds the file in the caches, so they take turns at being first. */
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t which = (round + i) % 3;

            if (which == 0)
                ns[0] =
                    tsuga_bench_raw_run(&raw.ring, DEPTH, SAMPLE_OPS, READ_BYTES, fill_read, &raw);
            else
                ns[which] = reader_run(which == 1 ? &fixed : &plain);
        }
        tsuga_bench_add(&to_raw, ns[0], ns[1]);
        tsuga_bench_add(&to_plain, ns[2], ns[1]);
    }
    tsuga_stats_read(fixed.runtime, &stats);
    tsuga_bench_require("registered memory", stats.ops_fixed > SAMPLE_OPS ? 0 : -ENOMEM);
    summary("fixed reads of 4 KiB, depth 32", &to_raw, "raw liburing, fixed");
    summary("fixed reads of 4 KiB, depth 32", &to_plain, "ours, plain");
    tsuga_destroy(fixed.runtime);
    tsuga_destroy(plain.runtime);
    io_uring_queue_exit(&raw.ring);
}

/* Limits. */

/* The lowest user that no other child has: what its namesakes have locked would count. */
#define FIRST_USER 61000u

static void become_limited(rlim_t bytes, uid_t user)
{
    const struct rlimit limit = {bytes, bytes};

    tsuga_bench_require("setrlimit", setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? 0 : -errno);
    if (geteuid() != 0)
        return;
    tsuga_bench_require("setresgid", setresgid(user, user, user) == 0 ? 0 : -errno);
    tsuga_bench_require("setresuid", setresuid(user, user, user) == 0 ? 0 : -errno);
}

static void compare_limited(int fd, double seconds, const char *variant)
{
    static struct tsuga_bench_pairs to_plain;
    static struct reader fixed;
    static struct reader plain;

    reader_open(&fixed, fd, TSUGA_REGISTRATION_AUTO);
    reader_open(&plain, fd, TSUGA_REGISTRATION_OFF);
    (void)reader_run(&fixed);
    (void)reader_run(&plain);
    tsuga_bench_start(&to_plain, seconds);
    for (uint32_t round = 0; tsuga_bench_wants_more(&to_plain); round++) {
        double first = reader_run(round % 2 == 0 ? &fixed : &plain);
        double second = reader_run(round % 2 == 0 ? &plain : &fixed);

        if (round % 2 == 0)
            tsuga_bench_add(&to_plain, second, first);
        else
            tsuga_bench_add(&to_plain, first, second);
    }
    summary(variant, &to_plain, "ours, plain");
    tsuga_destroy(fixed.runtime);
    tsuga_destroy(plain.runtime);
}

#define LIMITS 3u

static const struct {
    const char *variant;
    rlim_t bytes;
} limits[LIMITS] = {
    {"fixed reads of 4 KiB, depth 32, RLIMIT_MEMLOCK 64 KiB", 64 << 10},
    {"fixed reads of 4 KiB, depth 32, RLIMIT_MEMLOCK 512 KiB", 512 << 10},
    {"fixed reads of 4 KiB, depth 32, RLIMIT_MEMLOCK 8 MiB", 8 << 20},
};

/* Each in a process of its own, because nobody else can raise a limit again. The comparison above
 * is that without a limit, when root starts it. */
static void compare_in_limits(int fd, double seconds)
{
    struct rlimit had;

    tsuga_bench_require("getrlimit", getrlimit(RLIMIT_MEMLOCK, &had) == 0 ? 0 : -errno);
    for (uint32_t i = 0; i < LIMITS; i++) {
        int status = 0;
        pid_t child;

        if (limits[i].bytes > had.rlim_max)
            continue;
        fflush(stdout);
        child = fork();
        if (child == 0) {
            become_limited(limits[i].bytes, FIRST_USER + i);
            compare_limited(fd, seconds / LIMITS, limits[i].variant);
            exit(EXIT_SUCCESS);
        }
        tsuga_bench_require("fork", child < 0 ? -errno : 0);
        (void)waitpid(child, &status, 0);
        tsuga_bench_require("a child", status);
    }
}

/* Growth beside a ping-pong. On a busy machine most of a pause is others' turn on the processor,
 * which the executor's own time leaves out. */

struct pause {
    uint64_t clock_ns;
    uint64_t own_ns;
};

static struct pause now(void)
{
    struct timespec own;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    return (struct pause){tsuga_bench_now_ns(),
                          (uint64_t)own.tv_sec * UINT64_C(1000000000) + (uint64_t)own.tv_nsec};
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

struct growth {
    struct tsuga_id players[2];
    struct pause last;    /* when the ball came */
    struct pause longest; /* since the grower has looked */
    double seconds;
    double with[2][STEPS_MAX]; /* by the clock, and by what the executor did */
    double without[2][STEPS_MAX];
    uint32_t count;
};

static void play(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct growth *growth = *(struct growth **)tsuga_state(self);
    struct tsuga_id me = tsuga_self(self);
    struct pause came;

    if (tsuga_message_kind(message) != TSUGA_MESSAGE_USER)
        return;
    came = now();
    growth->longest.clock_ns =
        larger(came.clock_ns - growth->last.clock_ns, growth->longest.clock_ns);
    growth->longest.own_ns = larger(came.own_ns - growth->last.own_ns, growth->longest.own_ns);
    growth->last = came;
    /* An end in the middle of the game is no error. */
    (void)tsuga_send(self, growth->players[tsuga_id_equal(me, growth->players[0]) ? 1 : 0], 0, NULL,
                     0);
}

static void start_player(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

/* The longest pause of a while, in which an arena came, or none. */
static void watch(struct tsuga_actor *self, struct growth *growth, struct tsuga_lease *lease,
                  double pauses[2][STEPS_MAX])
{
    growth->longest = (struct pause){0, 0};
    growth->last = now();
    if (lease != NULL)
        tsuga_bench_require("tsuga_lease_make", tsuga_lease_make(self, HUGE_BYTES, lease));
    (void)tsuga_await(self, tsuga_timeout(self, STEP_NS));
    pauses[0][growth->count] = (double)growth->longest.clock_ns;
    pauses[1][growth->count] = (double)growth->longest.own_ns;
}

static void grow(struct tsuga_actor *self, void *argument)
{
    static struct tsuga_lease leases[STEPS_MAX];
    struct growth *growth = argument;
    uint64_t end_ns = tsuga_bench_now_ns() + (uint64_t)(growth->seconds * 1e9);
    struct tsuga_spawn_options options = {.behaviour = play,
                                          .start = start_player,
                                          .argument = growth,
                                          .state_bytes = sizeof(struct growth *),
                                          .name = "player"};

    for (int i = 0; i < 2; i++)
        tsuga_bench_require("tsuga_spawn",
                            tsuga_spawn(tsuga_runtime_of(self), &options, &growth->players[i]));
    tsuga_bench_require("tsuga_send", tsuga_send(self, growth->players[0], 0, NULL, 0));
    while (growth->count < STEPS_MAX && tsuga_bench_now_ns() < end_ns) {
        watch(self, growth, NULL, growth->without);
        watch(self, growth, &leases[growth->count], growth->with);
        growth->count++;
    }
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
}

static void tell_pauses(const char *variant, const struct growth *growth, unsigned which)
{
    const double *with = growth->with[which];
    const double *without = growth->without[which];

    tsuga_bench_begin("registered", variant);
    tsuga_bench_number("steps", growth->count);
    tsuga_bench_number("p50_ns", tsuga_bench_quantile(with, growth->count, 0.5));
    tsuga_bench_number("p99_ns", tsuga_bench_quantile(with, growth->count, 0.99));
    tsuga_bench_number("p50_without_ns", tsuga_bench_quantile(without, growth->count, 0.5));
    tsuga_bench_number("p99_without_ns", tsuga_bench_quantile(without, growth->count, 0.99));
    tsuga_bench_end();
}

static void measure_growth(double seconds)
{
    static struct growth growth;
    struct tsuga_config config = {.executor.threads = 1,
                                  .ioheap.registration = TSUGA_REGISTRATION_ALWAYS,
                                  .log.level = TSUGA_LOG_ERROR};
    struct tsuga_spawn_options options = {.body = grow, .argument = &growth, .name = "grower"};
    struct tsuga_runtime *runtime;
    struct tsuga_stats stats;

    growth.seconds = seconds;
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_stats_read(runtime, &stats);
    tsuga_destroy(runtime);
    tell_pauses("longest pause of a ping-pong in a step of growth", &growth, 0);
    tell_pauses("the same by the executor's own time", &growth, 1);
}

/* A file without a name, written once, so that all of it lies in the page cache. */
static int make_file(void)
{
    static unsigned char piece[READ_BYTES];
    FILE *file = tmpfile();
    int fd = file == NULL ? -1 : dup(fileno(file));

    tsuga_bench_require("tmpfile", fd < 0 ? -errno : 0);
    for (uint32_t i = 0; i < FILE_READS; i++) {
        memset(piece, (int)i, sizeof(piece));
        tsuga_bench_require("fwrite", fwrite(piece, sizeof(piece), 1, file) == 1 ? 0 : -EIO);
    }
    tsuga_bench_require("fclose", fclose(file) == 0 ? 0 : -errno);
    return fd;
}

/* All threads on one processor: each has caches of its own, and the copies are most of the work. */
static void pin_to_one(cpu_set_t *before)
{
    cpu_set_t one;
    size_t cpu = 0;

    CPU_ZERO(&one);
    tsuga_bench_require("sched_getaffinity",
                        sched_getaffinity(0, sizeof(*before), before) == 0 ? 0 : -errno);
    while (!CPU_ISSET(cpu, before))
        cpu++;
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 15) / 3;
    int fd = make_file();
    cpu_set_t before;

    pin_to_one(&before);
    compare_reads(fd, seconds);
    compare_in_limits(fd, seconds);
    (void)sched_setaffinity(0, sizeof(before), &before);
    measure_growth(seconds);
    close(fd);
    return 0;
}
