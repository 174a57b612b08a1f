/* The operations of sockets on every kind of socket: boundaries, truncation, emptiness, ends,
 * errors. What differs between the kinds is what the kernel promises, and no more. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/sockets.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED 9u

typedef void kind_fn(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                     const int ends[2]);

static int result(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_await(self, op).result;
}

/* Two connected sockets of each kind, one after the other. */
static void with_each(struct tsuga_actor *self, void *argument)
{
    kind_fn **run = argument;

    for (unsigned i = 0; i < TSUGA_SOCKET_KINDS; i++) {
        struct tsuga_address addresses[2];
        int ends[2];

        tsuga_socket_pair(&tsuga_socket_kinds[i], ends, addresses);
        (*run)(self, &tsuga_socket_kinds[i], ends);
        tsuga_fixture_close(ends, 2);
    }
}

static void run_with_each(kind_fn *run)
{
    (void)tsuga_world_run(NULL, with_each, &run);
}

/* The same by operations, from the socket to its close. */
static void make_connection(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                            int ends[2])
{
    struct tsuga_address addresses[2];
    struct tsuga_token accept = {0};
    int accepted;

    for (int i = 0; i < 2; i++) {
        /* Only to learn an address that is free. */
        int probe = tsuga_socket_bound(kind->domain, kind->type, &addresses[i]);

        CHECK_INT(close(probe), 0);
        ends[i] = result(self, tsuga_socket(self, kind->domain, kind->type, 0));
        CHECK(ends[i] >= 0);
        CHECK_INT(result(self, tsuga_bind(self, ends[i], tsuga_address_of(&addresses[i]),
                                          addresses[i].bytes)),
                  0);
    }
    if (kind->type != SOCK_DGRAM) {
        CHECK_INT(result(self, tsuga_listen(self, ends[0], 1)), 0);
        accept = tsuga_accept(self, ends[0]);
    }
    CHECK_INT(result(self, tsuga_connect(self, ends[1], tsuga_address_of(&addresses[0]),
                                         addresses[0].bytes)),
              0);
    if (kind->type == SOCK_DGRAM) {
        CHECK_INT(result(self, tsuga_connect(self, ends[0], tsuga_address_of(&addresses[1]),
                                             addresses[1].bytes)),
                  0);
        return;
    }
    accepted = result(self, accept);
    CHECK(accepted >= 0);
    CHECK_INT(result(self, tsuga_close(self, ends[0])), 0);
    ends[0] = accepted;
}

static void live_a_whole_life(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < TSUGA_SOCKET_KINDS; i++) {
        struct tsuga_completion got;
        char content[500];
        int ends[2];

        make_connection(self, &tsuga_socket_kinds[i], ends);
        tsuga_content_fill(content, sizeof(content), SEED, 0);
        for (int from = 0; from < 2; from++) {
            CHECK_INT(result(self, tsuga_send_bytes(self, ends[from], content, sizeof(content))),
                      sizeof(content));
            got = tsuga_await(self, tsuga_recv(self, ends[!from], 1000));
            CHECK_INT(got.result, sizeof(content));
            tsuga_content_check(got.data, got.bytes, SEED, 0);
        }
        CHECK_INT(result(self, tsuga_shutdown(self, ends[0], SHUT_RDWR)), 0);
        CHECK_INT(result(self, tsuga_close(self, ends[0])), 0);
        CHECK_INT(result(self, tsuga_close(self, ends[1])), 0);
    }
}

TEST(sockets, every_kind_lives_from_its_making_to_its_close)
{
    (void)tsuga_world_run(NULL, live_a_whole_life, NULL);
}

static void keep_boundaries(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                            const int ends[2])
{
    struct tsuga_completion got;

    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "abc", 3)), 3);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "defgh", 5)), 5);
    got = tsuga_await(self, tsuga_recv(self, ends[1], 100));
    if (kind->has_boundaries) {
        CHECK_INT(got.result, 3);
        CHECK(memcmp(got.data, "abc", 3) == 0);
        got = tsuga_await(self, tsuga_recv(self, ends[1], 100));
        CHECK_INT(got.result, 5);
        CHECK(memcmp(got.data, "defgh", 5) == 0);
        return;
    }
    CHECK(got.result > 0);
    CHECK(memcmp(got.data, "abcdefgh", (size_t)got.result) == 0);
    if (got.result < 8)
        CHECK_INT(result(self, tsuga_recv(self, ends[1], 100)), 8 - got.result);
}

TEST(sockets, messages_keep_their_boundaries_and_streams_have_none)
{
    run_with_each(keep_boundaries);
}

/* What does not fit is lost with the message, and stays in a stream. */
static void cut(struct tsuga_actor *self, const struct tsuga_socket_kind *kind, const int ends[2])
{
    struct tsuga_completion got;

    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "0123456789", 10)), 10);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "next", 4)), 4);
    got = tsuga_await(self, tsuga_recv(self, ends[1], 4));
    CHECK_INT(got.result, 4);
    CHECK(memcmp(got.data, "0123", 4) == 0);
    got = tsuga_await(self, tsuga_recvfrom(self, ends[1], 4));
    CHECK_INT(got.result, 4);
    CHECK(memcmp(got.data, kind->has_boundaries ? "next" : "4567", 4) == 0);
    CHECK_UINT(got.peer->flags & MSG_TRUNC, 0);
    if (!kind->has_boundaries)
        return;
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "0123456789", 10)), 10);
    got = tsuga_await(self, tsuga_recvfrom(self, ends[1], 4));
    CHECK_INT(got.result, 4);
    CHECK_UINT(got.peer->flags & MSG_TRUNC, MSG_TRUNC);
}

TEST(sockets, a_message_that_does_not_fit_is_cut)
{
    run_with_each(cut);
}

/* With MSG_TRUNC the result is the length of the message, and may be more than there is room for:
 * in each form of receiving the bytes are those that are there. */
static void measure(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                    const int ends[2])
{
    char into[16];
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .fd = ends[1], .bytes = 4, .flags = MSG_TRUNC};
    struct tsuga_completion got;

    if (!kind->has_boundaries)
        return; /* on a stream the flag throws the bytes away */
    for (unsigned form = 0; form < 6; form++) {
        op.kind = form < 3 ? TSUGA_OP_RECV : TSUGA_OP_RECVMSG;
        op.into = form % 3 == 1 ? into : NULL;
        op.lease = (struct tsuga_lease){0};
        if (form % 3 == 2)
            CHECK_INT(tsuga_lease_make(self, 16, &op.lease), 0);
        memset(into, '-', sizeof(into));
        CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "0123456789", 10)), 10);
        got = tsuga_await(self, tsuga_submit(self, &op));
        CHECK_INT(got.result, 10);
        if (form % 3 == 1) {
            CHECK(memcmp(into, "0123------------", 16) == 0);
            continue;
        }
        CHECK_UINT(got.bytes, 4);
        CHECK(memcmp(got.data, "0123", 4) == 0);
        CHECK_UINT(tsuga_lease_bytes(self, got.lease), form % 3 == 0 ? 4 : 16);
    }
}

TEST(sockets, a_length_beyond_the_buffer_counts_no_bytes_that_are_not_there)
{
    run_with_each(measure);
}

static void send_nothing(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                         const int ends[2])
{
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], NULL, 0)), 0);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], NULL, 0, NULL, 0)), 0);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "x", 1)), 1);
    if (kind->has_empty) {
        CHECK_INT(result(self, tsuga_recv(self, ends[1], 10)), 0);
        CHECK_INT(result(self, tsuga_recvfrom(self, ends[1], 10)), 0);
    }
    CHECK_INT(result(self, tsuga_recv(self, ends[1], 10)), 1);
}

TEST(sockets, an_empty_message_is_a_message)
{
    run_with_each(send_nothing);
}

static void end_one_way(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                        const int ends[2])
{
    struct tsuga_token waiting = tsuga_recv(self, ends[1], 10);

    CHECK_INT(result(self, tsuga_nop(self)), 0);
    CHECK_INT(result(self, tsuga_shutdown(self, ends[0], SHUT_WR)), 0);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "x", 1)), -EPIPE);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], "x", 1, NULL, 0)), -EPIPE);
    if (kind->type == SOCK_DGRAM) /* the peer does not hear of it */
        CHECK_INT(result(self, tsuga_shutdown(self, ends[1], SHUT_RD)), 0);
    CHECK_INT(result(self, waiting), 0);
    CHECK_INT(result(self, tsuga_shutdown(self, ends[0], 77)), -EINVAL);
}

TEST(sockets, a_shutdown_ends_what_waits_for_bytes)
{
    run_with_each(end_one_way);
}

/* A receive that ran out of time has taken nothing. */
static void be_late(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                    const int ends[2])
{
    struct tsuga_op op = {.fd = ends[1], .bytes = 10, .timeout_ns = TSUGA_NS_PER_MS};
    struct tsuga_completion got;

    (void)kind;
    for (unsigned i = 0; i < 2; i++) {
        op.kind = i == 0 ? TSUGA_OP_RECV : TSUGA_OP_RECVMSG;
        got = tsuga_await(self, tsuga_submit(self, &op));
        CHECK_INT(got.result, -ETIMEDOUT);
        CHECK(got.expired);
        CHECK(got.peer == NULL);
        CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "late", 4)), 4);
        got = tsuga_await(self, tsuga_recvfrom(self, ends[1], 10));
        CHECK_INT(got.result, 4);
        CHECK(!got.expired);
    }
}

TEST(sockets, what_comes_after_a_time_limit_is_not_lost)
{
    run_with_each(be_late);
}

static void look_first(struct tsuga_actor *self, const struct tsuga_socket_kind *kind,
                       const int ends[2])
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .fd = ends[1], .bytes = 10, .flags = MSG_DONTWAIT};

    (void)kind;
    CHECK_INT(result(self, tsuga_submit(self, &op)), -EAGAIN);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "x", 1)), 1);
    op.flags = MSG_PEEK;
    CHECK_INT(result(self, tsuga_submit(self, &op)), 1);
    op.kind = TSUGA_OP_RECVMSG;
    CHECK_INT(result(self, tsuga_submit(self, &op)), 1);
    op.flags = 0;
    CHECK_INT(result(self, tsuga_submit(self, &op)), 1);
    op.flags = MSG_DONTWAIT;
    CHECK_INT(result(self, tsuga_submit(self, &op)), -EAGAIN);
}

TEST(sockets, a_look_takes_nothing)
{
    run_with_each(look_first);
}

/* The peer is gone. */
static void lose_peer(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < TSUGA_SOCKET_KINDS; i++) {
        const struct tsuga_socket_kind *kind = &tsuga_socket_kinds[i];
        bool is_udp = kind->type == SOCK_DGRAM && kind->domain != AF_UNIX;
        struct tsuga_address addresses[2];
        int first;
        int ends[2];

        tsuga_socket_pair(kind, ends, addresses);
        CHECK_INT(close(ends[0]), 0);
        /* Over IP the first send sets out, and what it met comes back later. */
        first = result(self, tsuga_send_bytes(self, ends[1], "x", 1));
        if (is_udp || kind->domain != AF_UNIX)
            CHECK_INT(first, 1);
        else
            CHECK_INT(first, kind->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE);
        if (is_udp)
            CHECK_INT(result(self, tsuga_recv(self, ends[1], 10)), -ECONNREFUSED);
        tsuga_fixture_close(&ends[1], 1);
    }
}

TEST(sockets, a_peer_that_is_gone_is_an_error)
{
    (void)tsuga_world_run(NULL, lose_peer, NULL);
}

static void ask_too_much(struct tsuga_actor *self, void *argument)
{
    static char large[1 << 18];
    struct tsuga_address address;
    struct tsuga_address other;
    int stream = tsuga_socket_bound(AF_INET6, SOCK_STREAM, &address);
    int datagram = tsuga_socket_bound(AF_INET6, SOCK_DGRAM, &other);

    (void)argument;
    CHECK_INT(result(self, tsuga_accept(self, datagram)), -EOPNOTSUPP);
    CHECK_INT(result(self, tsuga_listen(self, datagram, 1)), -EOPNOTSUPP);
    CHECK_INT(result(self, tsuga_accept(self, stream)), -EINVAL); /* does not listen */
    CHECK_INT(result(self, tsuga_recv(self, stream, 1)), -ENOTCONN);
    CHECK_INT(result(self, tsuga_shutdown(self, stream, SHUT_WR)), -ENOTCONN);
    CHECK_INT(result(self, tsuga_send_bytes(self, datagram, "x", 1)), -EDESTADDRREQ);
    CHECK_INT(result(self, tsuga_connect(self, datagram, tsuga_address_of(&other), other.bytes)),
              0);
    CHECK_INT(result(self, tsuga_send_bytes(self, datagram, large, sizeof(large))), -EMSGSIZE);
    CHECK_INT(result(self, tsuga_listen(self, stream, 1)), 0);
    CHECK_INT(result(self, tsuga_connect(self, stream, tsuga_address_of(&address), address.bytes)),
              -EISCONN);
    tsuga_fixture_close(&datagram, 1);
    datagram = result(self, tsuga_socket(self, AF_INET6, SOCK_STREAM, 0));
    CHECK_INT(result(self, tsuga_bind(self, datagram, tsuga_address_of(&address), address.bytes)),
              -EADDRINUSE);
    CHECK_INT(result(self, tsuga_socket(self, AF_INET, SOCK_SEQPACKET, 0)), -ESOCKTNOSUPPORT);
    CHECK_INT(result(self, tsuga_socket(self, 9999, SOCK_STREAM, 0)), -EAFNOSUPPORT);
    CHECK_INT(result(self, tsuga_socket(self, AF_INET, SOCK_STREAM, IPPROTO_UDP)),
              -EPROTONOSUPPORT);
    tsuga_fixture_close(&stream, 1);
}

TEST(sockets, what_a_kind_cannot_do_is_an_error)
{
    (void)tsuga_world_run(NULL, ask_too_much, NULL);
}
