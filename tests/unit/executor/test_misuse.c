/* Mistakes of users: each has its errno, and the actor goes on. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static int result(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_await(self, op).result;
}

static void use_bad_paths(struct tsuga_actor *self, void *argument)
{
    static char path[PATH_MAX + 10];
    struct statx attributes;

    (void)argument;
    memset(path, 'a', sizeof(path) - 1);
    for (size_t i = 0; i < sizeof(path) - 1; i += 200)
        path[i] = '/';
    CHECK_INT(result(self, tsuga_open(self, path, O_RDONLY)), -ENAMETOOLONG);
    CHECK_INT(result(self, tsuga_statx(self, AT_FDCWD, path, 0, STATX_SIZE, &attributes)),
              -ENAMETOOLONG);
    path[PATH_MAX] = '\0';
    CHECK_INT(tsuga_op_error(tsuga_open(self, path, O_RDONLY)), -ENAMETOOLONG);
    path[PATH_MAX - 1] = '\0'; /* the longest that may be asked for */
    CHECK_INT(tsuga_op_error(tsuga_open(self, path, O_RDONLY)), 0);
    CHECK_INT(result(self, tsuga_open(self, path, O_RDONLY)), -ENOENT);
    CHECK_INT(result(self, tsuga_open(self, "", O_RDONLY)), -ENOENT);
    CHECK_INT(result(self, tsuga_open(self, NULL, O_RDONLY)), -EINVAL);
    CHECK_INT(result(self, tsuga_statx(self, AT_FDCWD, NULL, 0, STATX_SIZE, &attributes)), -EINVAL);
    CHECK_INT(result(self, tsuga_statx(self, AT_FDCWD, "/", 0, STATX_SIZE, NULL)), -EINVAL);
    /* A path ends at its first NUL, and what is behind it is not looked at. */
    CHECK(result(self, tsuga_open(self, "/dev/null\0/none", O_RDONLY)) >= 0);
    CHECK_INT(result(self, tsuga_open(self, "/dev/none\0/null", O_RDONLY)), -ENOENT);
    CHECK_INT(result(self, tsuga_openat(self, 9999, "a", O_RDONLY, 0)), -EBADF);
}

TEST(misuse, paths_that_are_too_long_empty_or_missing)
{
    (void)tsuga_world_run(NULL, use_bad_paths, NULL);
}

static void use_closed(struct tsuga_actor *self, void *argument)
{
    static char text[10];
    struct iovec vector = {text, sizeof(text)};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = result(self, tsuga_open(self, "/dev/null", O_RDWR));

    (void)argument;
    CHECK_INT(result(self, tsuga_close(self, fd)), 0);
    CHECK_INT(result(self, tsuga_read(self, fd, 10)), -EBADF);
    CHECK_INT(result(self, tsuga_read_at(self, fd, 5, 10)), -EBADF);
    CHECK_INT(result(self, tsuga_read_into(self, fd, text, 10)), -EBADF);
    CHECK_INT(result(self, tsuga_recv(self, fd, 10)), -EBADF);
    CHECK_INT(result(self, tsuga_write(self, fd, text, 10)), -EBADF);
    CHECK_INT(result(self, tsuga_send_bytes(self, fd, text, 10)), -EBADF);
    CHECK_INT(result(self, tsuga_sendto(self, fd, text, 10, NULL, 0)), -EBADF);
    CHECK_INT(result(self, tsuga_recvmsg(self, fd, 10, 10, 0)), -EBADF);
    CHECK_INT(result(self, tsuga_readv(self, fd, &vector, 1)), -EBADF);
    CHECK_INT(result(self, tsuga_writev(self, fd, &vector, 1)), -EBADF);
    CHECK_INT(result(self, tsuga_fsync(self, fd, false)), -EBADF);
    CHECK_INT(result(self, tsuga_bind(self, fd, (struct sockaddr *)&address, sizeof(address))),
              -EBADF);
    CHECK_INT(result(self, tsuga_connect(self, fd, (struct sockaddr *)&address, sizeof(address))),
              -EBADF);
    CHECK_INT(result(self, tsuga_listen(self, fd, 1)), -EBADF);
    CHECK_INT(result(self, tsuga_accept(self, fd)), -EBADF);
    CHECK_INT(result(self, tsuga_shutdown(self, fd, SHUT_WR)), -EBADF);
    CHECK_INT(result(self, tsuga_poll(self, fd, 1)), -EBADF);
    CHECK_INT(result(self, tsuga_close(self, fd)), -EBADF);
}

TEST(misuse, a_closed_descriptor)
{
    (void)tsuga_world_run(NULL, use_closed, NULL);
}

static void use_bad_arguments(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    char byte = 0;

    (void)argument;
    CHECK_INT(tsuga_fd_release(self, 0), -EBADF); /* before any I/O */
    CHECK_INT(tsuga_fd_give(self, 0, tsuga_self(self)), -EBADF);
    CHECK_INT(tsuga_op_error(tsuga_write_lease(self, 0, (struct tsuga_lease){0}, 1)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_read_lease(self, 0, (struct tsuga_lease){0}, 1)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_send_lease(self, 0, (struct tsuga_lease){0})), -EINVAL);
    CHECK_INT(tsuga_fd_adopt(self, -1), -EBADF);
    CHECK_INT(result(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_KIND_COUNT})),
              -EINVAL);
    CHECK_INT(
        result(self, tsuga_submit(self, &(struct tsuga_op){.kind = (enum tsuga_op_kind) - 1})),
        -EINVAL);
    CHECK_INT(result(self, tsuga_read(self, 0, 0)), -EINVAL);
    CHECK_INT(result(self, tsuga_read_into(self, 0, NULL, 1)), -EINVAL);
    CHECK_INT(result(self, tsuga_read_into(self, 0, &byte, 0)), -EINVAL);
    CHECK_INT(result(self, tsuga_write(self, 0, NULL, 1)), -EINVAL);
    CHECK_INT(result(self, tsuga_send_bytes(self, 0, NULL, 1)), -EINVAL);
    CHECK_INT(result(self, tsuga_bind(self, 0, NULL, 16)), -EINVAL);
    CHECK_INT(result(self, tsuga_connect(self, 0, (struct sockaddr *)&address, 0)), -EINVAL);
    CHECK_INT(
        result(self, tsuga_connect(self, 0, (struct sockaddr *)&address, sizeof(address) + 1)),
        -EINVAL);
    CHECK_INT(result(self, tsuga_blocking(self, NULL, NULL)), -EINVAL);
    CHECK_INT(
        result(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_FSYNC, .flags = 2})),
        -EINVAL);
    CHECK_INT(tsuga_on_exit(self, NULL, NULL), -EINVAL);
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, NULL, 1), -EINVAL);
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, &byte, (size_t)(1 << 30) + 1), -EMSGSIZE);
    CHECK_INT(tsuga_send(self, (struct tsuga_id){0}, 0, NULL, 0), -ESRCH);
    CHECK_INT(tsuga_send(self, (struct tsuga_id){UINT64_MAX}, 0, NULL, 0), -ESRCH);
    CHECK_INT(tsuga_join(tsuga_runtime_of(self)), -EDEADLK);
    CHECK_INT(result(self, tsuga_nop(self)), 0);
}

TEST(misuse, arguments_that_cannot_be)
{
    (void)tsuga_world_run(NULL, use_bad_arguments, NULL);
}

static void check_token(struct tsuga_actor *self, struct tsuga_token op, int error)
{
    CHECK_INT(tsuga_await(self, op).result, error);
    CHECK(tsuga_await(self, op).last);
    CHECK_INT(tsuga_await_any(self, &op, 1, 0).result, error);
    CHECK_INT(result(self, tsuga_cancel(self, op)), error);
    CHECK_INT(tsuga_forget(self, op), error);
}

static void issue_token(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token *issued = argument;
    const struct tsuga_message *message;

    for (unsigned i = 0; i < 1000; i++)
        CHECK_INT(result(self, tsuga_nop(self)), 0);
    *issued = tsuga_timeout(self, TSUGA_FOREVER);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
}

static void use_bad_tokens(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token foreign = {0};
    struct tsuga_spawn_options options = {.body = issue_token, .argument = &foreign};
    struct tsuga_token op;
    struct tsuga_id issuer;

    (void)argument;
    CHECK_INT(result(self, (struct tsuga_token){UINT64_C(1) << 32}), -EINVAL); /* no heap yet */
    check_token(self, (struct tsuga_token){0}, -EINVAL);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &issuer), 0);
    while (foreign.value == 0)
        CHECK_INT(tsuga_yield(self), 0);
    check_token(self, foreign, -EINVAL);
    op = tsuga_nop(self);
    CHECK_INT(result(self, op), 0);
    check_token(self, op, -ENOENT);
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(result(self, tsuga_nop(self)), 0);
    check_token(self, op, -ENOENT);
    check_token(self, (struct tsuga_token){UINT64_MAX}, -EINVAL);
    check_token(self, (struct tsuga_token){op.value + (UINT64_C(999) << 32)}, -EINVAL);
    check_token(self, (struct tsuga_token){op.value ^ UINT64_C(0x100000)}, -EINVAL);
    check_token(self, (struct tsuga_token){7}, -7);         /* the error it carries */
    check_token(self, (struct tsuga_token){4096}, -EINVAL); /* that is no error */
    check_token(self, (struct tsuga_token){UINT64_C(1) << 31}, -EINVAL);
    check_token(self, (struct tsuga_token){UINT32_MAX}, -EINVAL);
    CHECK_INT(tsuga_send(self, issuer, 0, NULL, 0), 0);
}

/* The one guess that hits: the record that the cancel itself is about to take. */
static void cancel_itself(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token op = tsuga_nop(self);
    struct tsuga_token next = {op.value + (UINT64_C(2) << 32)};
    struct tsuga_token cancel;

    (void)argument;
    CHECK_INT(result(self, op), 0);
    CHECK_INT(result(self, tsuga_nop(self)), 0); /* gives the record of the first back */
    cancel = tsuga_cancel(self, next);
    CHECK(tsuga_op_error(cancel) != 0 || tsuga_token_equal(cancel, next));
    CHECK(result(self, cancel) < 0);
    CHECK_INT(result(self, tsuga_nop(self)), 0);
}

TEST(misuse, a_cancel_of_itself_finds_nothing)
{
    (void)tsuga_world_run(NULL, cancel_itself, NULL);
}

TEST(misuse, tokens_that_are_stale_foreign_or_invented)
{
    (void)tsuga_world_run(NULL, use_bad_tokens, NULL);
}

/* Nobody waits for ever for what will not be delivered. */
static void await_forgotten(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token op = tsuga_timeout(self, TSUGA_FOREVER);
    struct tsuga_token silent = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_TIMEOUT,
                                                                      .timeout_ns = 1000,
                                                                      .options = TSUGA_OP_SILENT});

    (void)argument;
    CHECK_INT(tsuga_forget(self, op), 0);
    CHECK_INT(result(self, op), -ENOENT);
    CHECK_INT(tsuga_forget(self, op), -ENOENT);
    CHECK_INT(result(self, silent), -ENOENT);
}

TEST(misuse, a_forgotten_operation_cannot_be_awaited)
{
    (void)tsuga_world_run(NULL, await_forgotten, NULL);
}

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)self;
    (void)message;
}

static void live(struct tsuga_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

TEST(misuse, actors_that_cannot_be)
{
    const struct tsuga_spawn_options bad[] = {
        {.body = NULL},
        {.body = live, .behaviour = behave},
        {.body = live, .start = live},
        {.body = live, .placement = TSUGA_PLACE_HERE}, /* not from here */
        {.body = live, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1},
        {.body = live, .placement = (enum tsuga_placement)77},
        {.body = live, .mailbox_full = (enum tsuga_full)77},
        {.body = live, .ioheap_size_classes = 32},
        {.body = live, .ioheap_size_classes = UINT32_C(1) << 31},
    };
    struct tsuga_id id = {5};
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(tsuga_spawn(run.runtime, &bad[i], &id), -EINVAL);
    CHECK_UINT(id.value, 5);
    CHECK_INT(tsuga_post(run.runtime, id, 0, NULL, 0), -ESRCH);
    CHECK_INT(tsuga_actor_stop(run.runtime, id), -ESRCH);
    CHECK_INT(tsuga_start(NULL, NULL), -EINVAL);
    tsuga_destroy(NULL);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.actors_spawned, 0);
}

/* The reference that a completion brings is its message's, whose end gives it back. */
static void release_too_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_token stream;
    struct tsuga_lease lease;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_fixture_write(ends[1], "x", 1);
    got = tsuga_await(self, tsuga_recv(self, ends[0], 10));
    CHECK_INT(tsuga_lease_release(self, got.lease), -ENOENT);
    CHECK_INT(memcmp(tsuga_lease_data(self, got.lease), "x", 1), 0);
    CHECK_INT(tsuga_lease_retain(self, got.lease), 0);
    CHECK_INT(tsuga_lease_release(self, got.lease), 0);
    CHECK_INT(tsuga_lease_release(self, got.lease), -ENOENT);
    stream = tsuga_recv_stream(self, ends[0]);
    tsuga_fixture_write(ends[1], "y", 1);
    got = tsuga_await(self, stream);
    CHECK_INT(tsuga_lease_release(self, got.lease), -ENOENT);
    CHECK_INT(memcmp(tsuga_lease_data(self, got.lease), "y", 1), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_lease_release(self, got.lease), -ENOENT);
    /* A copy is the caller's, the message keeps its own. */
    CHECK_INT(tsuga_lease_make(self, 10, &lease), 0);
    got = tsuga_await(self, tsuga_send_lease(self, ends[0], lease));
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_op_error(tsuga_send_lease(self, ends[0], got.lease)), 0);
    CHECK_INT(tsuga_lease_writable(self, got.lease, &lease), 0);
    CHECK(lease.value != got.lease.value);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(misuse, a_reference_that_is_a_messages_is_not_released)
{
    (void)tsuga_world_run(NULL, release_too_often, NULL);
}
