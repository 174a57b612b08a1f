/* Pipes, and moving bytes between descriptors without seeing them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  71u
#define BYTES 5000u
#define TRIES 30u

static void make_pipe(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    int ends[2] = {-7, -7};

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, O_NONBLOCK), 0);
    CHECK_INT(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[1], "bytes", 5)).result, 5);
    got = tsuga_await(self, tsuga_read(self, ends[0], 10));
    CHECK_INT(got.result, 5);
    CHECK(memcmp(got.data, "bytes", 5) == 0);
    CHECK_INT(tsuga_await(self, tsuga_close(self, ends[1])).result, 0); /* the actor owns it */
    CHECK_INT(tsuga_await(self, tsuga_read(self, ends[0], 10)).result, 0);
    ends[0] = -7;
    CHECK_INT(tsuga_pipe(self, ends, O_TRUNC), -EINVAL);
    CHECK_INT(ends[0], -7);
}

TEST(splice, a_pipe_belongs_to_its_actor)
{
    (void)tsuga_world_run(NULL, make_pipe, NULL);
}

static void run_out(struct tsuga_actor *self, void *argument)
{
    struct rlimit limit;
    struct rlimit none;
    int ends[2];

    (void)argument;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){3, limit.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(tsuga_pipe(self, ends, 0), -EMFILE);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST(splice, a_pipe_needs_descriptors)
{
    (void)tsuga_world_run(NULL, run_out, NULL);
}

static void move(struct tsuga_actor *self, void *argument)
{
    int file = tsuga_fixture_memory_file(BYTES, SEED);
    int copy = tsuga_fixture_memory_file(0, 0);
    unsigned char content[BYTES];
    struct tsuga_op in = {
        .kind = TSUGA_OP_SPLICE, .options = TSUGA_OP_AT, .fd = file, .offset = 1000, .bytes = 2000};
    struct tsuga_op out = {.kind = TSUGA_OP_SPLICE,
                           .options = TSUGA_OP_AT2,
                           .fd2 = copy,
                           .offset2 = 500,
                           .bytes = 2000};
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    in.fd2 = ends[1];
    out.fd = ends[0];
    CHECK_INT(tsuga_await(self, tsuga_splice(self, file, ends[1], 300, 0)).result, 300);
    CHECK_INT(lseek(file, 0, SEEK_CUR), 300);
    CHECK_INT(tsuga_await(self, tsuga_splice(self, ends[0], copy, 1000, 0)).result, 300);
    CHECK_INT(lseek(copy, 0, SEEK_CUR), 300);
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &in)).result, 2000);
    CHECK_INT(lseek(file, 0, SEEK_CUR), 300);
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &out)).result, 2000);
    CHECK_INT(pread(copy, content, BYTES, 0), 2500);
    tsuga_content_check(content, 300, SEED, 0);
    tsuga_content_check(content + 500, 2000, SEED, 1000);
    in.bytes = (size_t)1 << 32;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &in)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_splice(self, file, ends[1], 1, 1u << 31)), -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_splice(self, file, copy, 1, 0)).result, -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_splice(self, -1, ends[1], 1, 0)).result, -EBADF);
    CHECK_INT(tsuga_await(self, tsuga_splice(self, file, -1, 1, 0)).result, -EBADF);
    close(file);
    close(copy);
}

TEST(splice, moves_bytes_at_positions_and_offsets)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, move, NULL);

    CHECK_UINT(stats.copied_bytes, 0);
}

static void use_tee(struct tsuga_actor *self, void *argument)
{
    unsigned char content[BYTES];
    struct tsuga_completion got;
    int one[2];
    int two[2];

    (void)argument;
    tsuga_content_fill(content, BYTES, SEED, 0);
    CHECK_INT(tsuga_pipe(self, one, 0), 0);
    CHECK_INT(tsuga_pipe(self, two, 0), 0);
    CHECK_INT(tsuga_await(self, tsuga_write(self, one[1], content, BYTES)).result, BYTES);
    CHECK_INT(tsuga_await(self, tsuga_tee(self, one[0], two[1], BYTES, 0)).result, BYTES);
    got = tsuga_await(self, tsuga_read(self, one[0], BYTES));
    CHECK_INT(got.result, BYTES);
    tsuga_content_check(got.data, BYTES, SEED, 0);
    got = tsuga_await(self, tsuga_read(self, two[0], BYTES));
    CHECK_INT(got.result, BYTES);
    tsuga_content_check(got.data, BYTES, SEED, 0);
    CHECK_INT(tsuga_await(self, tsuga_tee(self, one[0], two[1], BYTES, SPLICE_F_NONBLOCK)).result,
              -EAGAIN);
    CHECK_INT(tsuga_await(self, tsuga_tee(self, one[0], one[1], 1, 0)).result, -EINVAL);
}

TEST(splice, tee_copies_and_takes_nothing)
{
    (void)tsuga_world_run(NULL, use_tee, NULL);
}

/* A cancel, a time limit or a close ends one that waits for a pipe. */
static void end_waiting(struct tsuga_actor *self, enum tsuga_op_kind kind)
{
    struct tsuga_op op = {.kind = kind, .bytes = 10};
    struct tsuga_token waiting;
    int one[2];
    int two[2];

    CHECK_INT(tsuga_pipe(self, one, 0), 0);
    CHECK_INT(tsuga_pipe(self, two, 0), 0);
    op.fd = one[0];
    op.fd2 = two[1];
    CHECK_INT(tsuga_cancel_fd(self, two[1]), 0);
    waiting = tsuga_submit(self, &op);
    CHECK_INT(tsuga_cancel_fd(self, two[1]), 1); /* both descriptors count */
    CHECK_INT(tsuga_await(self, waiting).result, -ECANCELED);
    op.timeout_ns = 1000000;
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, -ETIMEDOUT);
    op.timeout_ns = 0;
    waiting = tsuga_submit(self, &op);
    CHECK_INT(tsuga_fd_release(self, one[0]), -EBUSY);
    CHECK_INT(tsuga_fd_release(self, two[1]), -EBUSY);
    CHECK_INT(tsuga_await(self, tsuga_close(self, one[0])).result, 0);
    CHECK_INT(tsuga_await(self, waiting).result, -ECANCELED);
    CHECK_INT(tsuga_await(self, tsuga_close(self, two[1])).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_close(self, one[1])).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_close(self, two[0])).result, 0);
}

static void end_all_waiting(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < TRIES; i++) {
        end_waiting(self, TSUGA_OP_SPLICE);
        end_waiting(self, TSUGA_OP_TEE);
    }
}

TEST(splice, one_that_waits_is_cancelled_limited_and_awaited_by_a_close)
{
    (void)tsuga_world_run(NULL, end_all_waiting, NULL);
}

/* The actor ends with a splice in every state; its pipes are closed after that. */
static void die_waiting(struct tsuga_actor *self, void *argument)
{
    unsigned turns = *(const unsigned *)argument;
    int one[2];
    int two[2];

    CHECK_INT(tsuga_pipe(self, one, 0), 0);
    CHECK_INT(tsuga_pipe(self, two, 0), 0);
    CHECK_INT(tsuga_op_error(tsuga_splice(self, one[0], two[1], 10, 0)), 0);
    CHECK_INT(tsuga_op_error(tsuga_tee(self, one[0], two[1], 10, 0)), 0);
    for (unsigned i = 0; i < turns; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_exit(self, -EIO);
}

TEST(splice, h43_outlives_its_actor)
{
    for (unsigned turns = 0; turns < TRIES; turns++)
        (void)tsuga_world_run(NULL, die_waiting, &turns);
}
