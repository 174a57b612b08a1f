/* Entries that the runtime does not know: submitted as they are, and tracked like any other. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  91u
#define BYTES 3000u
#define NONE  ((struct tsuga_lease){0})

static struct tsuga_lease make_lease(struct tsuga_actor *self, size_t bytes)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, bytes, &lease), 0);
    return lease;
}

static struct tsuga_raw raw_read(int fd, uint64_t addr, uint32_t len)
{
    return (struct tsuga_raw){.opcode = IORING_OP_READ,
                              .uses = TSUGA_RAW_ADDR | TSUGA_RAW_FD,
                              .fd = fd,
                              .addr = addr,
                              .addr2 = UINT64_MAX,
                              .len = len};
}

static void transfer(struct tsuga_actor *self, void *argument)
{
    int from = tsuga_fixture_memory_file(BYTES, SEED);
    int to = tsuga_fixture_memory_file(0, 0);
    struct tsuga_lease lease = make_lease(self, BYTES + 100);
    struct tsuga_raw raw = raw_read(from, 100, BYTES);
    struct tsuga_op op = {.kind = TSUGA_OP_RAW,
                          .raw = &raw,
                          .lease = lease,
                          .bytes = BYTES,
                          .tag = 7,
                          .context = &raw};
    struct tsuga_completion got = tsuga_await(self, tsuga_submit(self, &op));
    char content[BYTES];

    (void)argument;
    CHECK_INT(got.result, BYTES);
    CHECK_UINT(got.tag, 7);
    CHECK_PTR(got.context, &raw);
    CHECK_UINT(got.lease.value, lease.value);
    CHECK(got.last && !got.more);
    tsuga_content_check((char *)tsuga_lease_data(self, lease) + 100, BYTES, SEED, 0);
    raw.opcode = IORING_OP_WRITE;
    raw.fd = to;
    CHECK_INT(tsuga_await(self, tsuga_raw(self, &raw, lease, BYTES)).result, BYTES);
    CHECK_INT(pread(to, content, BYTES, 0), BYTES);
    tsuga_content_check(content, BYTES, SEED, 0);
    close(from);
    close(to);
}

TEST(raw, a33_an_unknown_entry_is_submitted_and_tracked)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, transfer, NULL);

    CHECK(stats.copied_bytes <= 2 * sizeof(struct tsuga_raw)); /* the entries, not the bytes */
}

/* Two addresses in one lease, and a descriptor that the actor then owns. */
static void open_raw(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make_lease(self, 200);
    char *data = tsuga_lease_data(self, lease);
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
    struct tsuga_raw raw = {.opcode = IORING_OP_OPENAT2,
                            .uses = TSUGA_RAW_ADDR | TSUGA_RAW_ADDR2 | TSUGA_RAW_NEW_FD,
                            .fd = AT_FDCWD,
                            .addr = 100,
                            .addr2 = 0,
                            .len = sizeof(how)};
    int fd;

    (void)argument;
    memcpy(data, &how, sizeof(how));
    memcpy(data + 100, "/dev/zero", sizeof("/dev/zero"));
    fd = tsuga_await(self, tsuga_raw(self, &raw, lease, sizeof(how))).result;
    CHECK(fd >= 0);
    CHECK_INT(tsuga_await(self, tsuga_read(self, fd, 10)).result, 10);
    CHECK_INT(tsuga_await(self, tsuga_close(self, fd)).result, 0);
    memcpy(data + 100, "/dev/null/no", sizeof("/dev/null/no"));
    CHECK_INT(tsuga_await(self, tsuga_raw(self, &raw, lease, sizeof(how))).result, -ENOTDIR);
    /* One that comes when nobody is there to take it is closed: the world counts descriptors. */
    memcpy(data + 100, "/dev/zero", sizeof("/dev/zero"));
    CHECK_INT(tsuga_op_error(tsuga_raw(self, &raw, lease, sizeof(how))), 0);
}

TEST(raw, a33_a_descriptor_that_it_brings_is_owned)
{
    (void)tsuga_world_run(NULL, open_raw, NULL);
}

static int submit_error(struct tsuga_actor *self, struct tsuga_raw raw, struct tsuga_lease lease,
                        size_t bytes)
{
    return tsuga_op_error(tsuga_raw(self, &raw, lease, bytes));
}

static void refuse(struct tsuga_actor *self, void *argument)
{
    static const uint8_t forbidden[] = {
        IORING_OP_CLOSE,       IORING_OP_ASYNC_CANCEL,    IORING_OP_TIMEOUT_REMOVE,
        IORING_OP_POLL_REMOVE, IORING_OP_LINK_TIMEOUT,    IORING_OP_FILES_UPDATE,
        IORING_OP_MSG_RING,    IORING_OP_PROVIDE_BUFFERS, IORING_OP_REMOVE_BUFFERS,
    };
    struct tsuga_lease lease = make_lease(self, 64);
    struct tsuga_lease gone = make_lease(self, 64);
    struct tsuga_raw unknown = {.opcode = 255};

    (void)argument;
    CHECK_INT(tsuga_lease_release(self, gone), 0);
    CHECK_INT(submit_error(self, raw_read(-1, 0, 64), lease, 64), 0);
    CHECK_INT(submit_error(self, raw_read(-1, 1, 64), lease, 64), -EINVAL);
    CHECK_INT(submit_error(self, raw_read(-1, 65, 0), lease, 0), -EINVAL);
    CHECK_INT(submit_error(self, raw_read(-1, UINT64_MAX, 2), lease, 2), -EINVAL);
    CHECK_INT(submit_error(self, raw_read(-1, 0, 1), lease, SIZE_MAX), -EINVAL);
    CHECK_INT(submit_error(self, raw_read(-1, 0, 1), NONE, 0), -EINVAL);
    CHECK_INT(submit_error(self, raw_read(-1, 0, 1), gone, 1), -ENOENT);
    CHECK_INT(tsuga_op_error(tsuga_raw(self, NULL, lease, 0)), -EINVAL);
    for (size_t i = 0; i < sizeof(forbidden); i++)
        CHECK_INT(submit_error(self, (struct tsuga_raw){.opcode = forbidden[i]}, NONE, 0), -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_raw(self, &unknown, NONE, 0)).result, -EINVAL);
}

TEST(raw, a33_what_would_break_the_books_is_refused)
{
    (void)tsuga_world_run(NULL, refuse, NULL);
}

/* Cancelled by token, by descriptor and by a close; the lease stays pinned until the end. */
static void cancel(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make_lease(self, 64);
    struct tsuga_heap_stats stats;
    struct tsuga_token op;
    struct tsuga_raw raw;
    uint64_t live_bytes;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    raw = raw_read(ends[0], 0, 64);
    op = tsuga_raw(self, &raw, lease, 64);
    CHECK_INT(tsuga_await_any(self, &op, 1, 0).result, -ETIMEDOUT);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, op)).result, 0);
    CHECK_INT(tsuga_await(self, op).result, -ECANCELED);
    op = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RAW,
                                               .raw = &raw,
                                               .lease = lease,
                                               .bytes = 64,
                                               .timeout_ns = TSUGA_NS_PER_MS});
    CHECK_INT(tsuga_await(self, op).result, -ETIMEDOUT);
    op = tsuga_raw(self, &raw, lease, 64);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    tsuga_heap_stats_read(self, &stats);
    live_bytes = stats.live_bytes;
    CHECK_INT(tsuga_cancel_fd(self, ends[0]), 1);
    tsuga_heap_stats_read(self, &stats);
    CHECK_UINT(stats.live_bytes, live_bytes); /* a cancel frees nothing */
    CHECK_INT(tsuga_await(self, op).result, -ECANCELED);
    lease = make_lease(self, 64);
    op = tsuga_raw(self, &raw, lease, 64);
    CHECK_INT(tsuga_fd_release(self, ends[0]), -EBUSY);
    CHECK_INT(tsuga_await(self, tsuga_close(self, ends[0])).result, 0);
    CHECK_INT(tsuga_await(self, op).result, -ECANCELED);
}

TEST(raw, a33_is_cancelled_like_any_other)
{
    (void)tsuga_world_run(NULL, cancel, NULL);
}

static void die(struct tsuga_actor *self, void *argument)
{
    unsigned turns = *(const unsigned *)argument;
    struct tsuga_lease lease = make_lease(self, 64);
    struct tsuga_raw raw;
    int ends[2];

    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    raw = raw_read(ends[0], 0, 64);
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(tsuga_op_error(tsuga_raw(self, &raw, lease, 64)), 0);
    for (unsigned i = 0; i < turns; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_exit(self, -EIO);
}

TEST(raw, h43_outlives_its_actor)
{
    for (unsigned turns = 0; turns < 10; turns++)
        (void)tsuga_world_run(NULL, die, &turns);
}

/* The other fields arrive where the kernel looks for them. */
static void use_fields(struct tsuga_actor *self, void *argument)
{
    struct tsuga_raw splice = {
        .opcode = IORING_OP_SPLICE, .uses = TSUGA_RAW_FD, .len = 5, .addr = UINT64_MAX};
    struct tsuga_raw send = {
        .opcode = IORING_OP_SEND, .uses = TSUGA_RAW_ADDR, .len = 5, .op_flags = MSG_DONTWAIT};
    struct tsuga_lease lease = make_lease(self, 64);
    struct tsuga_completion got;
    int sockets[2];
    int one[2];
    int two[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, one, 0), 0);
    CHECK_INT(tsuga_pipe(self, two, 0), 0);
    tsuga_fixture_write(one[1], "bytes", 5);
    splice.addr2 = UINT64_MAX;
    splice.fd = two[1];
    splice.splice_fd_in = one[0];
    CHECK_INT(tsuga_await(self, tsuga_raw(self, &splice, NONE, 0)).result, 5);
    got = tsuga_await(self, tsuga_read(self, two[0], 10));
    CHECK(got.result == 5 && memcmp(got.data, "bytes", 5) == 0);
    tsuga_fixture_sockets(sockets);
    memcpy(tsuga_lease_data(self, lease), "hello", 5);
    send.fd = sockets[0];
    CHECK_INT(tsuga_await(self, tsuga_raw(self, &send, lease, 5)).result, 5);
    got = tsuga_await(self, tsuga_recv(self, sockets[1], 10));
    CHECK(got.result == 5 && memcmp(got.data, "hello", 5) == 0);
    tsuga_fixture_close(sockets, 2);
}

TEST(raw, a33_every_field_arrives)
{
    (void)tsuga_world_run(NULL, use_fields, NULL);
}

/* Of several completions the last one is delivered, and only that one ends the pin. */
static void poll_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_raw raw = {.opcode = IORING_OP_POLL_ADD,
                            .uses = TSUGA_RAW_FD,
                            .len = IORING_POLL_ADD_MULTI,
                            .op_flags = POLLIN};
    struct tsuga_token op;
    char byte;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    raw.fd = ends[0];
    op = tsuga_raw(self, &raw, NONE, 0);
    for (unsigned i = 0; i < 5; i++) {
        tsuga_fixture_write(ends[1], "x", 1);
        CHECK_INT(tsuga_await_any(self, &op, 1, TSUGA_NS_PER_MS).result, -ETIMEDOUT);
        tsuga_fixture_read(ends[0], &byte, 1);
    }
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, op)).result, 0);
    CHECK_INT(tsuga_await(self, op).result, -ECANCELED);
}

TEST(raw, a33_the_last_completion_is_the_one_that_is_delivered)
{
    (void)tsuga_world_run(NULL, poll_often, NULL);
}

/* Connections that nobody hears of are closed: their callers see the end of the stream. */
static void accept_often(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    struct tsuga_raw raw = {.opcode = IORING_OP_ACCEPT,
                            .uses = TSUGA_RAW_FD | TSUGA_RAW_NEW_FD,
                            .ioprio = IORING_ACCEPT_MULTISHOT};
    struct tsuga_token op;
    int caller;

    (void)argument;
    raw.fd = tsuga_fixture_listener(&address);
    CHECK_INT(tsuga_fd_adopt(self, raw.fd), 0);
    op = tsuga_raw(self, &raw, NONE, 0);
    for (unsigned i = 0; i < 5; i++) {
        caller = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
        CHECK_INT(tsuga_await(self, tsuga_connect(self, caller, (struct sockaddr *)&address,
                                                  sizeof(address)))
                      .result,
                  0);
        CHECK_INT(tsuga_await(self, tsuga_recv(self, caller, 1)).result, 0);
    }
    CHECK_INT(tsuga_cancel_fd(self, raw.fd), 1);
    CHECK_INT(tsuga_await(self, op).result, -ECANCELED);
}

TEST(raw, a33_descriptors_that_nobody_hears_of_are_closed)
{
    (void)tsuga_world_run(NULL, accept_often, NULL);
}

/* Every completion is delivered, on request. */

static struct tsuga_token submit_many(struct tsuga_actor *self, const struct tsuga_raw *raw,
                                      struct tsuga_lease lease, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RAW,
                                                 .options = TSUGA_OP_MULTI,
                                                 .raw = raw,
                                                 .lease = lease,
                                                 .bytes = bytes,
                                                 .tag = 5});
}

static struct tsuga_raw raw_poll(int fd)
{
    return (struct tsuga_raw){.opcode = IORING_OP_POLL_ADD,
                              .uses = TSUGA_RAW_FD,
                              .fd = fd,
                              .len = IORING_POLL_ADD_MULTI,
                              .op_flags = POLLIN};
}

/* The byte comes and goes, and the kernel tells of it. */
static void provoke(struct tsuga_actor *self, const int ends[2], unsigned count)
{
    char byte;

    while (count-- > 0) {
        tsuga_fixture_write(ends[1], "x", 1);
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        tsuga_fixture_read(ends[0], &byte, 1);
    }
}

static void hear_all(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_token op;
    struct tsuga_raw raw;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    raw = raw_poll(ends[0]);
    op = submit_many(self, &raw, NONE, 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    /* Some wait, so that their places are used in a circle. */
    for (unsigned round = 0; round < 10; round++) {
        provoke(self, ends, 20);
        for (unsigned i = 0; i < 20; i++) {
            got = tsuga_await(self, op);
            CHECK_INT(got.result & POLLIN, POLLIN);
            CHECK(got.more && !got.last && got.started);
            CHECK_UINT(got.tag, 5);
        }
        CHECK_INT(tsuga_await_any(self, &op, 1, 0).result, -ETIMEDOUT);
    }
    CHECK_INT(tsuga_stream_pause(self, op), -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, op)).result, 0);
    got = tsuga_await(self, op);
    CHECK_INT(got.result, -ECANCELED);
    CHECK(got.last);
    CHECK_INT(tsuga_await(self, op).result, -ENOENT);
}

TEST(raw, a33_z03_each_completion_is_delivered_on_request)
{
    (void)tsuga_world_run(NULL, hear_all, NULL);
}

static void overrun(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_token op;
    struct tsuga_raw raw;
    unsigned count = 0;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    raw = raw_poll(ends[0]);
    op = submit_many(self, &raw, NONE, 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    provoke(self, ends, TSUGA_RAW_WAITING_MAX + 1);
    CHECK(tsuga_await(self, op).more); /* a place is free again, but there is a gap before it */
    count++;
    provoke(self, ends, 1);
    while ((got = tsuga_await(self, op)).more)
        count++;
    CHECK_UINT(count, TSUGA_RAW_WAITING_MAX);
    CHECK_INT(got.result, -EOVERFLOW);
}

TEST(raw, z07_more_results_than_places_are_said_to_be_lost)
{
    (void)tsuga_world_run(NULL, overrun, NULL);
}

/* Connections, many before anybody looks; what nobody takes is closed with the actor. */
static void accept_all(struct tsuga_actor *self, void *argument)
{
    unsigned taken = *(const unsigned *)argument;
    struct sockaddr_in address;
    struct tsuga_raw raw = {.opcode = IORING_OP_ACCEPT,
                            .uses = TSUGA_RAW_FD | TSUGA_RAW_NEW_FD,
                            .ioprio = IORING_ACCEPT_MULTISHOT};
    struct tsuga_token op;

    raw.fd = tsuga_fixture_listener(&address);
    CHECK_INT(tsuga_fd_adopt(self, raw.fd), 0);
    op = submit_many(self, &raw, NONE, 0);
    for (unsigned i = 0; i < TSUGA_RAW_WAITING_MAX + 10; i++) {
        int caller = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;

        CHECK_INT(tsuga_await(self, tsuga_connect(self, caller, (struct sockaddr *)&address,
                                                  sizeof(address)))
                      .result,
                  0);
    }
    for (unsigned i = 0; i < taken; i++) {
        struct tsuga_completion got = tsuga_await(self, op);

        CHECK(got.more && got.result >= 0);
        CHECK_INT(tsuga_await(self, tsuga_close(self, got.result)).result, 0);
    }
    if (taken % 2 == 0)
        CHECK_INT(tsuga_forget(self, op), 0);
}

TEST(raw, a33_descriptors_wait_however_many)
{
    for (unsigned taken = 0; taken < TSUGA_RAW_WAITING_MAX + 10; taken += 23)
        (void)tsuga_world_run(NULL, accept_all, &taken);
}

/* A send without a copy: how many bytes, and then that the lease is free. */
static void send_raw(struct tsuga_actor *self, void *argument)
{
    struct tsuga_raw raw = {.opcode = 47, /* IORING_OP_SEND_ZC */
                            .uses = TSUGA_RAW_FD | TSUGA_RAW_ADDR,
                            .len = BYTES};
    struct tsuga_lease lease = make_lease(self, BYTES);
    struct sockaddr_in address;
    struct tsuga_completion got;
    struct tsuga_token op;
    char content[BYTES];
    int listener = tsuga_fixture_listener(&address);
    int peer;

    (void)argument;
    raw.fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    got.op = tsuga_connect(self, raw.fd, (struct sockaddr *)&address, sizeof(address));
    CHECK_INT(tsuga_await(self, got.op).result, 0);
    peer = tsuga_await(self, tsuga_accept(self, listener)).result;
    tsuga_content_fill(tsuga_lease_data(self, lease), BYTES, SEED, 0);
    op = submit_many(self, &raw, lease, BYTES);
    got = tsuga_await(self, op);
    CHECK_INT(got.result, BYTES);
    CHECK(got.more);
    CHECK_UINT(got.lease.value, 0);
    tsuga_fixture_read(peer, content, BYTES);
    tsuga_content_check(content, BYTES, SEED, 0);
    got = tsuga_await(self, op);
    CHECK_INT(got.result, 0);
    CHECK(got.last);
    CHECK_UINT(got.lease.value, lease.value);
    tsuga_fixture_close(&listener, 1);
}

TEST(raw, a33_z03_a_send_without_a_copy_tells_both)
{
    (void)tsuga_world_run(NULL, send_raw, NULL);
}

/* Ends in every state: cancelled, forgotten, with its actor, refused by the kernel. */
static void end_many(struct tsuga_actor *self, void *argument)
{
    struct tsuga_raw unknown = {.opcode = 255};
    struct tsuga_op op = {
        .kind = TSUGA_OP_RAW, .options = TSUGA_OP_MULTI | TSUGA_OP_SILENT, .raw = &unknown};
    struct tsuga_completion got;
    struct tsuga_raw raw;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    got = tsuga_await(self, submit_many(self, &unknown, NONE, 0));
    CHECK_INT(got.result, -EINVAL);
    CHECK(got.last);
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    raw = raw_poll(ends[0]);
    for (unsigned i = 0; i < 16; i++) {
        struct tsuga_token token = submit_many(self, &raw, NONE, 0);

        if (i % 4 > 0)
            provoke(self, ends, i % 4);
        if (i < 8) {
            CHECK_INT(tsuga_forget(self, token), 0);
            continue;
        }
        CHECK_INT(tsuga_await(self, tsuga_cancel(self, token)).result, 0);
        do
            got = tsuga_await(self, token);
        while (got.more);
        CHECK_INT(got.result, -ECANCELED);
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(tsuga_op_error(submit_many(self, &raw, NONE, 0)), 0);
    provoke(self, ends, 3);
}

TEST(raw, z05_one_with_many_completions_ends_in_every_state)
{
    (void)tsuga_world_run(NULL, end_many, NULL);
}
