/* Descriptors that travel over Unix sockets: whose they are at each moment, and that none is left
 * open when nobody wants it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/sockets.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static int result(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_await(self, op).result;
}

static uint32_t owned_count(struct tsuga_actor *self)
{
    return tsuga_seat_of(self)->io->owned.count;
}

static enum tsuga_record_state state_of(struct tsuga_actor *self, struct tsuga_token op)
{
    struct tsuga_record *record;

    CHECK_INT(tsuga_record_find(tsuga_seat_of(self)->io, op, &record), 0);
    return (enum tsuga_record_state)record->state;
}

static void await_state(struct tsuga_actor *self, struct tsuga_token op,
                        enum tsuga_record_state state)
{
    do /* a ring that withholds results shows them at an enter */
        CHECK_INT(result(self, tsuga_nop(self)), 0);
    while (state_of(self, op) != state);
}

/* Through each kind of Unix socket: both ends of a pipe, with some bytes. */
static void pass_pipe(struct tsuga_actor *self, int type)
{
    struct tsuga_completion got;
    char content[100];
    const int *fds;
    size_t count;
    int pipe[2];
    int ends[2];

    CHECK_INT(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    tsuga_fixture_pipe(pipe);
    tsuga_content_fill(content, sizeof(content), 1, 0);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[0], pipe, 2, content, sizeof(content))), 100);
    tsuga_fixture_close(pipe, 2);
    got = tsuga_await(self, tsuga_fd_recv(self, ends[1], 200, 2));
    CHECK_INT(got.result, 100);
    tsuga_content_check(got.data, 100, 1, 0);
    fds = tsuga_peer_fds(got.peer, &count);
    CHECK_UINT(count, 2);
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, 0);
    memcpy(pipe, fds, sizeof(pipe));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(fcntl(pipe[i], F_GETFD), FD_CLOEXEC);
        CHECK_INT(tsuga_fd_adopt(self, pipe[i]), -EBUSY); /* it is the actor's already */
    }
    CHECK_INT(result(self, tsuga_write(self, pipe[1], content, 50)), 50);
    got = tsuga_await(self, tsuga_read(self, pipe[0], 100));
    CHECK_INT(got.result, 50);
    tsuga_content_check(got.data, 50, 1, 0);
    CHECK_INT(result(self, tsuga_close(self, pipe[0])), 0);
    CHECK_INT(result(self, tsuga_write(self, pipe[1], content, 50)), -EPIPE);
    tsuga_fixture_close(ends, 2); /* the write end is left to the actor's end */
}

static void pass_pipes(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    pass_pipe(self, SOCK_STREAM);
    pass_pipe(self, SOCK_DGRAM);
    pass_pipe(self, SOCK_SEQPACKET);
    CHECK_UINT(owned_count(self), 3);
}

TEST(passing, descriptors_arrive_and_belong_to_the_receiver)
{
    (void)tsuga_world_run(NULL, pass_pipes, NULL);
}

/* More descriptors than there is room for, and none at all. */
static void pass_too_many(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    size_t count;
    int pipe[2];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_fixture_pipe(pipe);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[0], pipe, 2, "a", 1)), 1);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[0], pipe, 2, "b", 1)), 1);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "c", 1)), 1);
    got = tsuga_await(self, tsuga_fd_recv(self, ends[1], 1, 1));
    (void)tsuga_peer_fds(got.peer, &count);
    /* Where alignment leaves room for a second number, the kernel uses it. */
    CHECK(count == 1 || count == 2);
    CHECK_UINT(owned_count(self), count);
    got = tsuga_await(self, tsuga_recvmsg(self, ends[1], 1, 0, 0));
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_PTR(tsuga_peer_fds(got.peer, &count), NULL);
    CHECK_UINT(count, 0);
    got = tsuga_await(self, tsuga_fd_recv(self, ends[1], 1, 1));
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, 0);
    CHECK_PTR(tsuga_peer_fds(got.peer, &count), NULL);
    CHECK_PTR(tsuga_peer_fds(NULL, &count), NULL);
    tsuga_fixture_close(ends, 2);
    tsuga_fixture_close(pipe, 2);
}

TEST(passing, descriptors_beyond_the_room_are_closed)
{
    (void)tsuga_world_run(NULL, pass_too_many, NULL);
}

/* A receive that wants more bytes than came with the descriptors takes no second look. */
static void receive_part(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_token receive;
    size_t count;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    receive = tsuga_recvmsg(self, ends[1], 10, CMSG_SPACE(sizeof(int)), MSG_WAITALL);
    tsuga_socket_pass(ends[0], 'a', ends[0]);
    tsuga_fixture_write(ends[0], "bcdefghijk", 10);
    got = tsuga_await(self, receive);
    CHECK_INT(got.result, 1);
    CHECK(tsuga_peer_fds(got.peer, &count) != NULL);
    CHECK_UINT(count, 1);
    CHECK_UINT(owned_count(self), 1);
    tsuga_fixture_close(ends, 2);
}

TEST(passing, a_receive_that_would_wait_for_more_loses_no_descriptor)
{
    (void)tsuga_world_run(NULL, receive_part, NULL);
}

/* The number that comes is taken: somebody has closed a descriptor behind the actor's back. */
static void receive_claimed(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    const int *fds;
    size_t count;
    int pipe[2];
    int ends[2];
    int stale;
    char byte;

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_fixture_pipe(pipe);
    CHECK_INT(result(self, tsuga_nop(self)), 0);
    tsuga_socket_pass(ends[0], 'x', pipe[1]);
    CHECK_INT(close(pipe[1]), 0);
    stale = dup(STDIN_FILENO); /* the lowest number, which the kernel will give out again */
    CHECK_INT(tsuga_fd_adopt(self, stale), 0);
    CHECK_INT(close(stale), 0);
    got = tsuga_await(self, tsuga_fd_recv(self, ends[1], 10, 1));
    CHECK_INT(got.result, 1);
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, MSG_CTRUNC);
    fds = tsuga_peer_fds(got.peer, &count);
    CHECK_UINT(count, 1);
    CHECK_INT(fds[0], -1);
    CHECK_INT(result(self, tsuga_read_into(self, pipe[0], &byte, 1)),
              0); /* its write end is gone */
    CHECK_INT(tsuga_fd_release(self, stale), 0);
    tsuga_fixture_close(pipe, 1);
    tsuga_fixture_close(ends, 2);
}

TEST(passing, a_descriptor_that_cannot_be_owned_is_closed)
{
    (void)tsuga_world_run(NULL, receive_claimed, NULL);
}

/* When the receiver ends, or loses interest. */
enum moment {
    QUEUED,           /* the kernel has not seen the receive, and the message is there */
    WAITING,          /* the receive waits, and the message comes at the last moment */
    COMPLETED,        /* nobody has taken the completion */
    TAKEN,            /* the completion is the current message */
    SILENT,           /* nobody ever wanted it */
    FORGOTTEN_BEFORE, /* nobody wants it when it comes */
    FORGOTTEN_AFTER,  /* nobody wants it any more */
    MOMENTS,
};

struct end {
    enum moment moment;
    int pipe[2];
    int sockets[2];
};

static void send_end(struct end *end)
{
    tsuga_socket_pass(end->sockets[0], 'x', end->pipe[1]);
}

static void receive_and_end(struct tsuga_actor *self, void *argument)
{
    struct end *end = argument;
    struct tsuga_op op = {.kind = TSUGA_OP_RECVMSG,
                          .fd = end->sockets[1],
                          .bytes = 10,
                          .control_bytes = CMSG_SPACE(sizeof(int)),
                          .options = end->moment == SILENT ? TSUGA_OP_SILENT : 0};
    bool comes_late = end->moment == WAITING || end->moment == FORGOTTEN_BEFORE;
    struct tsuga_token receive;

    if (!comes_late)
        send_end(end);
    receive = tsuga_submit(self, &op);
    CHECK_INT(tsuga_op_error(receive), 0);
    if (comes_late)
        CHECK_INT(result(self, tsuga_nop(self)), 0);
    if (end->moment == COMPLETED || end->moment == FORGOTTEN_AFTER)
        await_state(self, receive, TSUGA_RECORD_DONE);
    if (end->moment == TAKEN)
        CHECK_INT(result(self, receive), 1);
    if (end->moment == FORGOTTEN_BEFORE || end->moment == FORGOTTEN_AFTER)
        CHECK_INT(tsuga_forget(self, receive), 0);
    if (comes_late)
        send_end(end);
    if (end->moment < SILENT)
        tsuga_exit(self, -EIO);
    while (tsuga_seat_of(self)->io->inflight > 0)
        CHECK_INT(result(self, tsuga_nop(self)), 0);
    CHECK_UINT(owned_count(self), 0);
}

static void end_at(enum moment moment, const struct tsuga_setup *setup)
{
    struct end end = {.moment = moment};
    char byte;

    tsuga_fixture_pipe(end.pipe);
    tsuga_fixture_sockets(end.sockets);
    (void)tsuga_world_run(setup, receive_and_end, &end);
    tsuga_fixture_close(end.sockets, 2); /* a message that never arrived goes with them */
    CHECK_INT(close(end.pipe[1]), 0);
    CHECK_INT(fcntl(end.pipe[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(read(end.pipe[0], &byte, 1), 0); /* nobody has the other end */
    CHECK_INT(close(end.pipe[0]), 0);
}

TEST(passing, h43_none_is_left_open_whenever_its_receiver_ends)
{
    for (unsigned i = 0; i < MOMENTS; i++)
        end_at((enum moment)i, NULL);
}

TEST(passing, none_is_left_open_when_results_are_late)
{
    for (unsigned i = 0; i < 10 * MOMENTS; i++) {
        struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                             .seed = tsuga_test_seed() + i,
                                             .hold_per_mille = 500,
                                             .refuse_per_mille = 200,
                                             .partial_per_mille = 200};
        const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                          .ring_context = &plan};

        end_at((enum moment)(i % MOMENTS), &setup);
        tsuga_ring_fault_plan_fini(&plan);
    }
}

/* Fills a socket until it takes no more. Returns how many datagrams it took. */
static unsigned stuff(int fd)
{
    static const char zeros[4096];
    unsigned count = 0;

    while (send(fd, zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
        count++;
    return count;
}

/* Those, and not what the kernel may send as soon as there is room. */
static void drain(int fd, unsigned count)
{
    static char bytes[4096];

    for (unsigned i = 0; i < count; i++)
        CHECK_INT(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(bytes));
}

/* The descriptor is on its way, and its owner closes it: the close waits. */
static void close_on_the_way(struct tsuga_actor *self, void *argument)
{
    int file = tsuga_fixture_memory_file(100, 7);
    struct tsuga_completion got;
    struct tsuga_token send;
    struct tsuga_token close;
    unsigned stuffed;
    char content[100];
    size_t count;
    int ends[2];

    (void)argument;
    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_INT(tsuga_fd_adopt(self, file), 0);
    stuffed = stuff(ends[0]);
    send = tsuga_fd_send(self, ends[0], &file, 1, "x", 1);
    CHECK_INT(result(self, tsuga_nop(self)), 0);
    CHECK_INT(tsuga_fd_release(self, file), -EBUSY);
    CHECK_INT(tsuga_fd_give(self, file, tsuga_self(self)), -EBUSY);
    close = tsuga_close(self, file);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[0], &file, 1, "x", 1)), -EBADF);
    CHECK_INT(tsuga_await_any(self, &close, 1, 1000000).result, -ETIMEDOUT);
    drain(ends[1], stuffed);
    CHECK_INT(result(self, send), 1);
    CHECK_INT(result(self, close), 0);
    got = tsuga_await(self, tsuga_fd_recv(self, ends[1], 10, 1));
    CHECK_INT(pread(*tsuga_peer_fds(got.peer, &count), content, 100, 0), 100);
    tsuga_content_check(content, 100, 7, 0);
    tsuga_fixture_close(ends, 2);
}

TEST(passing, a_close_waits_until_the_descriptor_has_gone)
{
    (void)tsuga_world_run(NULL, close_on_the_way, NULL);
}

/* The sender ends while the message waits for room, with a close waiting behind it or not. */
static void end_on_the_way(struct tsuga_actor *self, void *argument)
{
    const bool *is_closing = argument;
    int file = tsuga_fixture_memory_file(100, 7);
    struct tsuga_lease lease;
    int ends[2];

    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_INT(tsuga_fd_adopt(self, file), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    (void)stuff(ends[0]);
    CHECK_INT(tsuga_op_error(tsuga_fd_send(self, ends[0], &file, 1, "x", 1)), 0);
    CHECK_INT(tsuga_lease_make(self, 100, &lease), 0);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SENDMSG,
                                                                   .fd = ends[0],
                                                                   .lease = lease,
                                                                   .bytes = 100,
                                                                   .data = &(struct msghdr){0}})),
              0);
    CHECK_INT(result(self, tsuga_nop(self)), 0);
    if (*is_closing)
        CHECK_INT(tsuga_op_error(tsuga_close(self, file)), 0);
}

TEST(passing, h43_a_sender_may_end_while_its_message_waits)
{
    bool is_closing = false;

    (void)tsuga_world_run(NULL, end_on_the_way, &is_closing);
    is_closing = true;
    (void)tsuga_world_run(NULL, end_on_the_way, &is_closing);
}
