/* One program of actors, on the real ring and in a world: what comes of its operations is the same,
 * whatever the seed and however slow. */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "tests/support/world.h"

#include <tsuga_sim.h>

#define OUTCOMES_MAX 128u
#define SEEDS        30u
#define MS           UINT64_C(1000000)

struct outcomes {
    int64_t values[OUTCOMES_MAX];
    uint32_t count;
    char directory[64];
};

static void note(struct outcomes *outcomes, int64_t value)
{
    CHECK(outcomes->count < OUTCOMES_MAX);
    outcomes->values[outcomes->count++] = value;
}

static int32_t note_result(struct tsuga_actor *self, struct outcomes *outcomes,
                           struct tsuga_token token)
{
    struct tsuga_completion got = tsuga_await(self, token);

    note(outcomes, got.result);
    note(outcomes, got.last);
    return got.result;
}

static const char *path_of(struct outcomes *outcomes, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", outcomes->directory, name);
    return out;
}

static int open_file(struct tsuga_actor *self, struct outcomes *outcomes, const char *name,
                     int flags)
{
    char path[128];
    int fd = tsuga_await(self, tsuga_openat(self, AT_FDCWD, path_of(outcomes, name, path), flags,
                                            (flags & O_CREAT) != 0 ? 0600 : 0))
                 .result;

    note(outcomes, fd >= 0 ? 0 : fd);
    return fd;
}

static void use_files(struct tsuga_actor *self, struct outcomes *outcomes)
{
    struct statx status;
    char path[128];
    struct tsuga_op stat = {.kind = TSUGA_OP_STATX,
                            .fd = AT_FDCWD,
                            .data = path_of(outcomes, "file", path),
                            .mode = STATX_SIZE | STATX_NLINK,
                            .into = &status};
    int fd = open_file(self, outcomes, "file", O_RDWR | O_CREAT | O_EXCL);

    (void)open_file(self, outcomes, "file", O_RDWR | O_CREAT | O_EXCL);
    (void)open_file(self, outcomes, "other", O_RDONLY);
    note_result(self, outcomes, tsuga_write(self, fd, "hello world", 11));
    note_result(self, outcomes, tsuga_read_at(self, fd, 6, 100));
    note_result(self, outcomes, tsuga_read(self, fd, 100));
    note_result(self, outcomes, tsuga_submit(self, &stat));
    note(outcomes, (int64_t)status.stx_size);
    note(outcomes, status.stx_nlink);
    note_result(self, outcomes, tsuga_close(self, fd));
    note_result(self, outcomes, tsuga_close(self, fd));
    note_result(self, outcomes, tsuga_read(self, fd, 1));
}

/* The second read falls short, which breaks the chain. */
static void use_chains(struct tsuga_actor *self, struct outcomes *outcomes)
{
    int fd = open_file(self, outcomes, "file", O_RDONLY);
    struct tsuga_op ops[] = {
        {.kind = TSUGA_OP_READ, .fd = fd, .bytes = 5},
        {.kind = TSUGA_OP_READ, .fd = fd, .bytes = 500},
        {.kind = TSUGA_OP_NOP},
        {.kind = TSUGA_OP_NOP},
    };
    struct tsuga_token tokens[4];

    note(outcomes, tsuga_submit_chain(self, ops, 4, 0, tokens));
    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_completion got = tsuga_await(self, tokens[i]);

        note(outcomes, got.result);
        note(outcomes, got.started);
    }
    note_result(self, outcomes, tsuga_close(self, fd));
}

static void use_limits(struct tsuga_actor *self, struct outcomes *outcomes)
{
    struct tsuga_op read = {.kind = TSUGA_OP_READ, .bytes = 10, .timeout_ns = 5 * MS};
    struct tsuga_token token;
    int ends[2];

    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    read.fd = ends[0];
    note_result(self, outcomes, tsuga_submit(self, &read));
    token = tsuga_read(self, ends[0], 10);
    note_result(self, outcomes, tsuga_timeout(self, 5 * MS));
    note_result(self, outcomes, tsuga_cancel(self, token));
    note_result(self, outcomes, token);
    note_result(self, outcomes, tsuga_cancel(self, token));
    token = tsuga_read(self, ends[0], 10);
    note_result(self, outcomes, tsuga_write(self, ends[1], "abc", 3));
    note_result(self, outcomes, token);
    token = tsuga_read(self, ends[0], 10);
    note_result(self, outcomes, tsuga_close(self, ends[1]));
    note_result(self, outcomes, token);
    note_result(self, outcomes, tsuga_close(self, ends[0]));
}

/* All that was written comes, and then the end; in how many pieces is anybody's guess. */
static void use_streams(struct tsuga_actor *self, struct outcomes *outcomes)
{
    struct tsuga_token stream;
    struct tsuga_completion got;
    int64_t bytes = 0;
    int ends[2];

    CHECK_INT(tsuga_pipe(self, ends, O_NONBLOCK), 0);
    stream = tsuga_read_stream(self, ends[0]);
    for (unsigned i = 0; i < 5; i++)
        note_result(self, outcomes, tsuga_write(self, ends[1], "piece", 5));
    note_result(self, outcomes, tsuga_close(self, ends[1]));
    while ((got = tsuga_await(self, stream)).result > 0)
        bytes += got.result;
    note(outcomes, bytes);
    note(outcomes, got.result);
    note(outcomes, got.last);
}

static void use_all(struct tsuga_actor *self, void *argument)
{
    struct outcomes *outcomes = argument;
    struct tsuga_op unlink = {.kind = TSUGA_OP_UNLINK, .fd = AT_FDCWD};
    char path[128];

    use_files(self, outcomes);
    use_chains(self, outcomes);
    use_limits(self, outcomes);
    use_streams(self, outcomes);
    unlink.data = path_of(outcomes, "file", path);
    note_result(self, outcomes, tsuga_submit(self, &unlink));
    note_result(self, outcomes, tsuga_submit(self, &unlink));
}

static void run_in_a_world(uint64_t seed, struct outcomes *outcomes)
{
    struct tsuga_sim_options options = {.seed = seed,
                                        .faults[TSUGA_SIM_SLOW] = 50000,
                                        .faults[TSUGA_SIM_EAGAIN] = 50000,
                                        .faults[TSUGA_SIM_EINTR] = 50000};
    struct tsuga_spawn_options body = {.body = use_all, .argument = outcomes};
    struct tsuga_runtime *runtime;
    struct tsuga_sim *sim;
    char path[128];

    CHECK_INT(tsuga_sim_make(&options, &sim), 0);
    CHECK_INT(tsuga_sim_put_file(sim, path_of(outcomes, ".keep", path), "", 0), 0);
    CHECK_INT(tsuga_sim_start(sim, NULL, &runtime), 0);
    CHECK_INT(tsuga_spawn(runtime, &body, NULL), 0);
    CHECK_INT(tsuga_join(runtime), 0);
    tsuga_destroy(runtime);
    tsuga_sim_destroy(sim);
}

TEST(fidelity, of_a_whole_program)
{
    struct outcomes real = {.count = 0};

    snprintf(real.directory, sizeof(real.directory), "/tmp/tsuga-both-%d", getpid());
    CHECK_INT(mkdir(real.directory, 0700), 0);
    (void)tsuga_world_run(NULL, use_all, &real);
    CHECK_INT(rmdir(real.directory), 0);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct outcomes simulated = {.count = 0};

        memcpy(simulated.directory, real.directory, sizeof(real.directory));
        run_in_a_world(seed, &simulated);
        CHECK_UINT(simulated.count, real.count);
        for (uint32_t i = 0; i < real.count; i++) {
            if (simulated.values[i] != real.values[i])
                tsuga_test_fail(__FILE__, __LINE__, "outcome %u: %lld, with seed %llu %lld", i,
                                (long long)real.values[i], (unsigned long long)seed,
                                (long long)simulated.values[i]);
        }
    }
}
