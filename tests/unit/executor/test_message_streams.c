/* Streams of messages: bytes, boundaries, addresses and descriptors, over every kind of socket. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/modes.h"
#include "tests/support/ring_fault.h"
#include "tests/support/sockets.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED      91u
#define MESSAGES  200u
#define BYTES_MAX 700u
#define CONTROL   CMSG_SPACE(sizeof(int))

/* Lengths that differ; now and then none, where that is not the end. */
static size_t length_of(const struct tsuga_socket_kind *kind, unsigned number)
{
    size_t bytes = number * 37u % BYTES_MAX;

    return bytes == 0 && kind->type != SOCK_DGRAM ? 1 : bytes;
}

static void check_address(const struct tsuga_peer *peer, const struct tsuga_address *expected)
{
    CHECK(peer != NULL);
    CHECK(peer->address != NULL);
    CHECK_UINT(peer->address_bytes, expected->bytes);
    CHECK(memcmp(peer->address, &expected->storage, expected->bytes) == 0);
}

struct flow {
    const struct tsuga_socket_kind *kind;
    int ends[2];
    struct tsuga_address addresses[2];
    size_t offset; /* in the content */
};

/* Sends by plain calls, so many as the socket takes, and at least one. */
static unsigned send_some(struct flow *flow, unsigned first, size_t *offset)
{
    char content[BYTES_MAX];
    unsigned number = first;

    while (number < MESSAGES && number < first + 8) {
        size_t bytes = length_of(flow->kind, number);

        tsuga_content_fill(content, bytes, SEED, *offset);
        CHECK_INT(send(flow->ends[0], content, bytes, 0), (long)bytes);
        *offset += bytes;
        number++;
    }
    return number;
}

static void take_message(struct flow *flow, const struct tsuga_completion *got, unsigned number)
{
    CHECK(got->more);
    CHECK_INT(got->result, (long)length_of(flow->kind, number));
    CHECK_UINT(got->bytes, (size_t)got->result);
    tsuga_content_check(got->data, got->bytes, SEED, flow->offset);
    flow->offset += got->bytes;
    CHECK_UINT(got->peer->flags & (MSG_TRUNC | MSG_CTRUNC), 0);
    CHECK_UINT(got->peer->control_bytes, 0);
    if (flow->kind->type == SOCK_DGRAM)
        check_address(got->peer, &flow->addresses[0]);
}

static void take_bytes(struct flow *flow, const struct tsuga_completion *got)
{
    CHECK(got->more);
    CHECK(got->result > 0);
    CHECK_UINT(got->bytes, (size_t)got->result);
    tsuga_content_check(got->data, got->bytes, SEED, flow->offset);
    flow->offset += got->bytes;
}

static void exchange_kind(struct tsuga_actor *self, const struct tsuga_socket_kind *kind)
{
    struct flow flow = {.kind = kind};
    struct tsuga_token stream;
    struct tsuga_completion got;
    unsigned taken = 0;
    size_t sent_bytes = 0;

    tsuga_socket_pair(kind, flow.ends, flow.addresses);
    stream = tsuga_recvmsg_stream(self, flow.ends[1], BYTES_MAX, 0, 0);
    while (taken < MESSAGES) {
        unsigned sent = send_some(&flow, taken, &sent_bytes);

        for (; kind->has_boundaries && taken < sent; taken++) {
            got = tsuga_await(self, stream);
            take_message(&flow, &got, taken);
        }
        while (!kind->has_boundaries && flow.offset < sent_bytes) {
            got = tsuga_await(self, stream);
            take_bytes(&flow, &got);
        }
        taken = sent;
    }
    CHECK_INT(close(flow.ends[0]), 0);
    if (kind->type == SOCK_DGRAM)
        CHECK_INT(tsuga_forget(self, tsuga_cancel(self, stream)), 0);
    got = tsuga_await(self, stream);
    CHECK(got.last);
    CHECK_INT(got.result, kind->type == SOCK_DGRAM ? -ECANCELED : 0);
    CHECK(got.peer == NULL);
    CHECK_INT(close(flow.ends[1]), 0);
}

static void exchange_all(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < TSUGA_SOCKET_KINDS; i++)
        exchange_kind(self, &tsuga_socket_kinds[i]);
}

TEST(message_streams, n03_every_kind_of_socket_brings_each_message_once)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        (void)tsuga_world_run(&setup, exchange_all, NULL);
    }
}

/* Descriptors come with bytes; some of them are never looked at. */
static void receive_descriptors(struct tsuga_actor *self, void *argument)
{
    int file = tsuga_fixture_memory_file(100, 7);
    struct tsuga_completion got;
    struct tsuga_token stream;
    char content[100];
    const int *fds;
    size_t count;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recvmsg_stream(self, ends[0], 10, CONTROL, 0);
    for (unsigned i = 0; i < 20; i++)
        tsuga_socket_pass(ends[1], (char)i, file);
    CHECK_INT(close(file), 0);
    for (unsigned i = 0; i < 12; i++) {
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, 1);
        CHECK_INT(*(char *)got.data, (int)i);
        fds = tsuga_peer_fds(got.peer, &count);
        CHECK_UINT(count, 1);
        CHECK(fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
        CHECK_INT(pread(fds[0], content, 100, 0), 100);
        tsuga_content_check(content, 100, 7, 0);
        if (i % 2 == 0)
            CHECK_INT(tsuga_await(self, tsuga_close(self, fds[0])).result, 0);
    }
    if (*(const bool *)argument)
        CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(message_streams, h43_descriptors_that_nobody_takes_are_closed)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        for (unsigned i = 0; i < 2; i++) {
            bool is_forgotten = i == 1;

            (void)tsuga_world_run(&setup, receive_descriptors, &is_forgotten);
        }
    }
}

/* What does not fit. */
static void cut(struct tsuga_actor *self, void *argument)
{
    struct tsuga_address addresses[2];
    struct tsuga_completion got;
    struct tsuga_token stream;
    struct tsuga_lease lease;
    char content[BYTES_MAX];
    int ends[2];

    (void)argument;
    tsuga_socket_pair(&(struct tsuga_socket_kind){AF_UNIX, SOCK_DGRAM, true, true}, ends,
                      addresses);
    tsuga_content_fill(content, BYTES_MAX, SEED, 0);
    stream = tsuga_recvmsg_stream(self, ends[1], 300, 1, 0);
    CHECK_INT(send(ends[0], content, BYTES_MAX, 0), BYTES_MAX);
    tsuga_socket_pass(ends[0], 'x', ends[1]);
    got = tsuga_await(self, stream);
    CHECK_INT(got.result, 512 - 160); /* the rest of the buffer */
    CHECK_UINT(got.peer->flags & MSG_TRUNC, MSG_TRUNC);
    tsuga_content_check(got.data, got.bytes, SEED, 0);
    /* The lease shows the message, and nothing of what lies before it. */
    lease = got.lease;
    CHECK_INT(tsuga_lease_retain(self, lease), 0);
    CHECK_PTR(tsuga_lease_data(self, lease), got.data);
    CHECK_UINT(tsuga_lease_bytes(self, lease), 512 - 160);
    got = tsuga_await(self, stream);
    CHECK_INT(got.result, 1);
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, MSG_CTRUNC);
    tsuga_content_check(tsuga_lease_data(self, lease), 512 - 160, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(message_streams, n03_a_message_that_does_not_fit_is_cut_and_marked)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        setup.config.receive.group_sizes = 512;
        (void)tsuga_world_run(&setup, cut, NULL);
    }
}

/* With MSG_TRUNC the kernel may tell of more bytes than have come. */
static void cut_and_tell(struct tsuga_actor *self, void *argument)
{
    static const enum tsuga_op_kind kinds[] = {TSUGA_OP_RECV, TSUGA_OP_RECVMSG};
    char content[BYTES_MAX];

    (void)argument;
    tsuga_content_fill(content, BYTES_MAX, SEED, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_op op = {
            .kind = kinds[i], .options = TSUGA_OP_MULTI, .flags = MSG_TRUNC, .bytes = 300};
        struct tsuga_address addresses[2];
        struct tsuga_completion got;
        struct tsuga_token stream;
        int ends[2];

        tsuga_socket_pair(&(struct tsuga_socket_kind){AF_UNIX, SOCK_DGRAM, true, true}, ends,
                          addresses);
        op.fd = ends[1];
        stream = tsuga_submit(self, &op);
        CHECK_INT(send(ends[0], content, BYTES_MAX, 0), BYTES_MAX);
        got = tsuga_await(self, stream);
        CHECK(got.more);
        CHECK(got.bytes > 0 && got.bytes <= 512);
        CHECK_UINT(tsuga_lease_bytes(self, got.lease), got.bytes);
        tsuga_content_check(got.data, got.bytes, SEED, 0);
        /* The next sockets have the same numbers: nothing of this stream may begin after that. */
        CHECK_INT(tsuga_forget(self, tsuga_cancel(self, stream)), 0);
        got = tsuga_await(self, stream);
        CHECK(got.last);
        CHECK_INT(got.result, -ECANCELED);
        tsuga_fixture_close(ends, 2);
    }
}

TEST(message_streams, h36_no_more_bytes_are_shown_than_have_come)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        setup.config.receive.group_sizes = 512;
        (void)tsuga_world_run(&setup, cut_and_tell, NULL);
    }
}

/* Two buffers of the actor's own serve many messages, with what comes beside them. */
static void use_own_group(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {.buffer_bytes = 256, .buffer_count = 2};
    struct tsuga_op op = {
        .kind = TSUGA_OP_RECVMSG, .options = TSUGA_OP_MULTI, .control_bytes = CONTROL};
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_make_group(self, &options, &op.group);
    op.fd = ends[0];
    stream = tsuga_submit(self, &op);
    for (unsigned i = 0; i < 50; i++) {
        struct tsuga_completion got;

        tsuga_socket_pass(ends[1], (char)i, ends[1]);
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, 1);
        CHECK_INT(*(char *)got.data, (int)i);
    }
    op.control_bytes = 256;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EMSGSIZE);
    op.group.value = 0;
    op.bytes = (size_t)1 << TSUGA_CLASS_MAX;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EMSGSIZE);
    op.bytes = 0;
    op.flags = MSG_WAITALL;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(message_streams, n02_a_group_of_two_serves_messages)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        if (mode != TSUGA_MODE_NO_BUFFER_RING && mode != TSUGA_MODE_NEITHER)
            (void)tsuga_world_run(&setup, use_own_group, NULL);
    }
}

/* The actor ends with messages under way, waiting, and half taken. */
static void end_amidst(struct tsuga_actor *self, void *argument)
{
    unsigned step = *(const unsigned *)argument;
    struct tsuga_token stream;
    int ends[2];

    tsuga_fixture_sockets(ends);
    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    stream = tsuga_recvmsg_stream(self, ends[0], 10, CONTROL, 0);
    for (unsigned i = 0; i < step; i++) {
        tsuga_socket_pass(ends[1], 'x', ends[1]);
        if (i % 3 == 1)
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
        if (i % 4 == 3)
            CHECK_INT(tsuga_await(self, stream).result, 1);
    }
    tsuga_exit(self, -EIO);
}

TEST(message_streams, h43_an_actor_may_end_amidst_its_messages)
{
    for (unsigned i = 0; i < 60; i++) {
        struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                             .seed = tsuga_test_seed() + i,
                                             .hold_per_mille = 500,
                                             .refuse_per_mille = 200,
                                             .partial_per_mille = 200};
        const struct tsuga_setup setup = {.config = tsuga_mode_config((enum tsuga_mode)(i % 5)),
                                          .ring_create = tsuga_ring_fault_create,
                                          .ring_context = &plan};
        unsigned step = i / 5;

        (void)tsuga_world_run(&setup, end_amidst, &step);
        tsuga_ring_fault_plan_fini(&plan);
    }
}
