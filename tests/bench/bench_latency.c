/*
 * How long an actor waits: for a completion, for a read from the page cache, for an answer over a
 * socket, for an answer from an actor of its own executor, or of one that sleeps. One at a time, so
 * that each takes the whole way; as a histogram, because what matters is its end. Beside the
 * quantiles stands how often the general allocator was called meanwhile.
 *
 * Each is measured where nothing else happens, and under load: with executors that never come to
 * the end of their run queue (support_load.h), or, of what wakes an executor, with processors that
 * others keep busy. What waits for a turn then waits until the run queue has gone round, at least;
 * `lap_ns` says how long that took.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <tsuga.h>
#include <unistd.h>

#include "runtime/base/histogram.h"
#include "tests/bench/support.h"
#include "tests/bench/support_load.h"

#define WARM_UP        1000u
#define WARM_UP_LOADED 100u
#define SAMPLES_MIN    100u
#define READ_BYTES     4096u
#define ECHO_BYTES     64u

enum load_place {
    LOAD_NONE,
    LOAD_EXECUTORS, /* those that are measured */
    LOAD_MACHINE,   /* all processors, by executors of another runtime */
    LOAD_COUNT
};

static const struct {
    const char *name;
    double share; /* of the time: a sample takes longer under load */
} loads[LOAD_COUNT] = {
    [LOAD_NONE] = {"none", 1},
    [LOAD_EXECUTORS] = {TSUGA_BENCH_LOAD " on each executor", 3},
    [LOAD_MACHINE] = {TSUGA_BENCH_LOAD " on each processor, in another runtime", 2},
};

struct run {
    const struct latency_case *what;
    enum load_place place;
    double seconds;
    struct tsuga_bench_load load;
    struct tsuga_histogram histogram;
    uint64_t allocations;
    int fd; /* what is read, or the near end */
    int far_fd;
    struct tsuga_token stream;
    struct tsuga_id peer;
};

struct latency_case {
    const char *name;
    uint32_t threads;
    uint32_t places; /* bit k: measured with load k */
    void (*open)(struct tsuga_actor *self, struct run *run);
    void (*once)(struct tsuga_actor *self, struct run *run);
    void (*close)(struct run *run);
};

static uint64_t allocations(struct tsuga_actor *self)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    return stats.allocations;
}

static void require_result(const char *what, struct tsuga_completion got, int32_t result)
{
    tsuga_bench_require(what, got.result == result ? 0 : -EIO);
}

static void open_nothing(struct tsuga_actor *self, struct run *run)
{
    (void)self;
    (void)run;
}

static void close_nothing(struct run *run)
{
    (void)run;
}

static void await_nop(struct tsuga_actor *self, struct run *run)
{
    (void)run;
    require_result("a nop", tsuga_await(self, tsuga_nop(self)), 0);
}

/* Reads. */

static void open_file(struct tsuga_actor *self, struct run *run)
{
    static const char bytes[READ_BYTES];

    (void)self;
    /* Not a file in memory: of those the kernel's workers do the reading. */
    run->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    tsuga_bench_require("open", run->fd < 0 ? -errno : 0);
    tsuga_bench_require("write",
                        write(run->fd, bytes, READ_BYTES) == (ssize_t)READ_BYTES ? 0 : -EIO);
}

static void close_file(struct run *run)
{
    close(run->fd);
}

static void await_read(struct tsuga_actor *self, struct run *run)
{
    require_result("a read", tsuga_await(self, tsuga_read_at(self, run->fd, 0, READ_BYTES)),
                   READ_BYTES);
}

/* Echoes. */

static void echo(struct tsuga_actor *self, void *argument)
{
    const struct run *run = argument;
    struct tsuga_token stream = tsuga_recv_stream(self, run->far_fd);
    struct tsuga_completion got;

    while ((got = tsuga_await(self, stream)).more)
        (void)tsuga_await(self, tsuga_send_lease(self, run->far_fd, got.lease));
}

static void open_echo(struct tsuga_actor *self, struct run *run)
{
    struct tsuga_spawn_options options = {.body = echo, .argument = run};
    int ends[2];

    tsuga_bench_require("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    run->fd = ends[0];
    run->far_fd = ends[1];
    run->stream = tsuga_recv_stream(self, run->fd);
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, NULL));
}

static void await_echo(struct tsuga_actor *self, struct run *run)
{
    static const char bytes[ECHO_BYTES];

    require_result("a send", tsuga_await(self, tsuga_send_bytes(self, run->fd, bytes, ECHO_BYTES)),
                   ECHO_BYTES);
    require_result("an answer", tsuga_await(self, run->stream), ECHO_BYTES);
}

static void close_echo(struct run *run)
{
    close(run->fd);
    close(run->far_fd);
}

/* Messages. */

static void answer(struct tsuga_actor *self, const struct tsuga_message *message)
{
    tsuga_bench_require("tsuga_send", tsuga_send(self, tsuga_message_from(message), 0, NULL, 0));
}

static void open_peer_on(struct tsuga_actor *self, struct run *run, uint32_t executor)
{
    struct tsuga_spawn_options options = {
        .behaviour = answer, .placement = TSUGA_PLACE_EXECUTOR, .executor = executor};

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, &run->peer));
}

static void open_near_peer(struct tsuga_actor *self, struct run *run)
{
    open_peer_on(self, run, 0);
}

static void open_far_peer(struct tsuga_actor *self, struct run *run)
{
    open_peer_on(self, run, 1);
}

static void await_peer(struct tsuga_actor *self, struct run *run)
{
    const struct tsuga_message *message;

    tsuga_bench_require("tsuga_send", tsuga_send(self, run->peer, 0, NULL, 0));
    tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
}

#define IDLE_AND_LOADED (1u << LOAD_NONE | 1u << LOAD_EXECUTORS)

static const struct latency_case cases[] = {
    {"a message to an actor of the same executor, and back", 1, IDLE_AND_LOADED, open_near_peer,
     await_peer, close_nothing},
    {"a NOP, awaited", 1, IDLE_AND_LOADED, open_nothing, await_nop, close_nothing},
    {"a read of 4 KiB from the page cache, awaited", 1, IDLE_AND_LOADED, open_file, await_read,
     close_file},
    {"64 B to an echoing actor over a socket pair, and back", 1, IDLE_AND_LOADED, open_echo,
     await_echo, close_echo},
    {"a message to an executor that sleeps, and back", 2, 1u << LOAD_NONE | 1u << LOAD_MACHINE,
     open_far_peer, await_peer, close_nothing},
    {"a message to another executor that is busy, and back", 2, 1u << LOAD_EXECUTORS, open_far_peer,
     await_peer, close_nothing},
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

static void sample(struct tsuga_actor *self, struct run *run)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    uint64_t deadline_ns = start_ns + (uint64_t)(run->seconds * 1e9);
    uint64_t end_ns;

    do {
        run->what->once(self, run);
        end_ns = tsuga_bench_now_ns();
        tsuga_histogram_add(&run->histogram, end_ns - start_ns);
        start_ns = end_ns;
    } while (end_ns < deadline_ns || run->histogram.total < SAMPLES_MIN);
}

static void measure(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;
    unsigned warm_up = run->place == LOAD_NONE ? WARM_UP : WARM_UP_LOADED;

    run->what->open(self, run);
    for (unsigned i = 0; i < warm_up; i++)
        run->what->once(self, run);
    run->allocations = allocations(self);
    sample(self, run);
    run->allocations = allocations(self) - run->allocations;
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
}

static void report(const struct run *run)
{
    tsuga_bench_begin("latency", run->what->name);
    tsuga_bench_text("load", loads[run->place].name);
    tsuga_bench_number("p50_ns", (double)tsuga_histogram_quantile(&run->histogram, 0.5));
    tsuga_bench_number("p99_ns", (double)tsuga_histogram_quantile(&run->histogram, 0.99));
    tsuga_bench_number("p999_ns", (double)tsuga_histogram_quantile(&run->histogram, 0.999));
    tsuga_bench_number("samples", (double)run->histogram.total);
    tsuga_bench_number("allocations", (double)run->allocations);
    if (run->place == LOAD_EXECUTORS)
        tsuga_bench_number("lap_ns", (double)tsuga_histogram_quantile(&run->load.laps, 0.5));
    tsuga_bench_end();
}

static struct tsuga_runtime *start(uint32_t threads)
{
    /* On a busy machine the watchdog would tell of the kernel's turns, not of ours. */
    struct tsuga_config config = {.executor.threads = threads, .log.level = TSUGA_LOG_ERROR};
    struct tsuga_runtime *runtime;

    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    return runtime;
}

static void run_case(struct run *run)
{
    struct tsuga_spawn_options options = {.body = measure,
                                          .argument = run,
                                          .placement = TSUGA_PLACE_EXECUTOR,
                                          .executor = 0,
                                          .name = "latency"};
    struct tsuga_runtime *others = run->place == LOAD_MACHINE ? start(0) : NULL;
    struct tsuga_runtime *runtime = start(run->what->threads);

    if (run->place != LOAD_NONE)
        tsuga_bench_load_start(&run->load, others != NULL ? others : runtime);
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
    tsuga_destroy(others);
    run->what->close(run);
    report(run);
}

/* The time of something that is measured without load. */
static double unit_seconds(double seconds)
{
    double shares = 0;

    for (size_t i = 0; i < CASE_COUNT; i++)
        for (unsigned place = 0; place < LOAD_COUNT; place++)
            shares += (cases[i].places >> place & 1) != 0 ? loads[place].share : 0;
    return seconds / shares;
}

int main(int argc, char **argv)
{
    double unit_s = unit_seconds(tsuga_bench_seconds(argc, argv, 20));
    static struct run run;

    for (size_t i = 0; i < CASE_COUNT; i++) {
        for (unsigned place = 0; place < LOAD_COUNT; place++) {
            if ((cases[i].places >> place & 1) == 0)
                continue;
            run = (struct run){
                .what = &cases[i], .place = place, .seconds = unit_s * loads[place].share};
            run_case(&run);
        }
    }
    return 0;
}
