/* Messages of sockets: addresses, ancillary data, boundaries, over every kind of socket. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/sockets.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  21u
#define BYTES 1000u

static int result(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_await(self, op).result;
}

static void check_address(const struct tsuga_peer *peer, const struct tsuga_address *expected)
{
    CHECK(peer != NULL);
    CHECK_UINT(peer->address_bytes, expected->bytes);
    CHECK(peer->address != NULL);
    CHECK(memcmp(peer->address, &expected->storage, expected->bytes) == 0);
}

/* Sockets that are not connected, so that each message needs an address. */
static void exchange(struct tsuga_actor *self, int domain)
{
    struct tsuga_address addresses[2];
    int ends[] = {tsuga_socket_bound(domain, SOCK_DGRAM, &addresses[0]),
                  tsuga_socket_bound(domain, SOCK_DGRAM, &addresses[1])};
    struct tsuga_token receive = tsuga_recvfrom(self, ends[1], BYTES);
    struct tsuga_completion got;
    char content[BYTES];
    char back[BYTES] = {0};

    tsuga_content_fill(content, BYTES, SEED, 0);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], content, BYTES,
                                        tsuga_address_of(&addresses[1]), addresses[1].bytes)),
              BYTES);
    got = tsuga_await(self, receive);
    CHECK_INT(got.result, BYTES);
    CHECK_UINT(got.bytes, BYTES);
    tsuga_content_check(got.data, BYTES, SEED, 0);
    check_address(got.peer, &addresses[0]);
    CHECK_UINT(got.peer->flags, 0);
    CHECK_UINT(got.peer->control_bytes, 0);
    /* The answer goes to where the question came from, from the buffer that it came in. */
    CHECK_INT(
        result(self, tsuga_submit(self,
                                  &(struct tsuga_op){
                                      .kind = TSUGA_OP_SENDMSG,
                                      .fd = ends[1],
                                      .lease = got.lease,
                                      .lease_offset = 100,
                                      .bytes = 500,
                                      .data =
                                          &(struct msghdr){
                                              .msg_name = (void *)(uintptr_t)got.peer->address,
                                              .msg_namelen = got.peer->address_bytes,
                                          }})),
        500);
    got = tsuga_await(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECVMSG,
                                                                  .fd = ends[0],
                                                                  .into = back,
                                                                  .bytes = sizeof(back)}));
    CHECK_INT(got.result, 500);
    CHECK(got.data == NULL);
    tsuga_content_check(back, 500, SEED, 100);
    CHECK_UINT((unsigned char)back[500], 0);
    check_address(got.peer, &addresses[1]);
    tsuga_fixture_close(ends, 2);
}

static void exchange_datagrams(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    exchange(self, AF_INET);
    exchange(self, AF_INET6);
    exchange(self, AF_UNIX);
}

TEST(messages, datagrams_go_to_an_address_and_tell_theirs)
{
    (void)tsuga_world_run(NULL, exchange_datagrams, NULL);
}

/* Several iovecs and a lease with an offset, through each kind of connected socket. */
static void gather(struct tsuga_actor *self, const struct tsuga_socket_kind *kind)
{
    struct tsuga_address addresses[2];
    char content[BYTES];
    struct iovec vectors[] = {{content, 300}, {NULL, 0}, {content + 300, 700}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 3};
    struct tsuga_op receive = {.kind = TSUGA_OP_RECVMSG, .bytes = BYTES, .lease_offset = 64};
    struct tsuga_completion got;
    struct tsuga_token send;
    int ends[2];

    tsuga_socket_pair(kind, ends, addresses);
    tsuga_content_fill(content, BYTES, SEED, 0);
    CHECK_INT(tsuga_lease_make(self, BYTES + 100, &receive.lease), 0);
    send = tsuga_sendmsg(self, ends[0], &message, 0);
    memset(content, 0, sizeof(content));
    memset(vectors, 0xff, sizeof(vectors));
    CHECK_INT(result(self, send), BYTES);
    receive.fd = ends[1];
    got = tsuga_await(self, tsuga_submit(self, &receive));
    CHECK_INT(got.result, BYTES);
    CHECK_UINT(got.bytes, BYTES);
    CHECK_PTR(got.data, (char *)tsuga_lease_data(self, receive.lease) + 64);
    tsuga_content_check(got.data, BYTES, SEED, 0);
    CHECK(got.peer != NULL);
    if (kind->type == SOCK_DGRAM)
        check_address(got.peer, &addresses[0]);
    CHECK_INT(tsuga_lease_release(self, receive.lease), 0);
    tsuga_fixture_close(ends, 2);
}

static void gather_over_all(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < TSUGA_SOCKET_KINDS; i++)
        gather(self, &tsuga_socket_kinds[i]);
}

TEST(messages, h15_n10_iovecs_go_through_every_kind_of_socket)
{
    (void)tsuga_world_run(NULL, gather_over_all, NULL);
}

/* Everything is overwritten before a kernel worker takes the message up. */
static void scribble(struct tsuga_actor *self, void *argument)
{
    struct tsuga_address addresses[2];
    int ends[] = {tsuga_socket_bound(AF_UNIX, SOCK_DGRAM, &addresses[0]),
                  tsuga_socket_bound(AF_UNIX, SOCK_DGRAM, &addresses[1])};
    struct tsuga_address to = addresses[1];
    char content[BYTES];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec vector = {content, BYTES};
    struct msghdr message = {.msg_name = &to.storage,
                             .msg_namelen = to.bytes,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct tsuga_completion got;
    struct tsuga_token send;
    const int *fds;
    size_t count;

    (void)argument;
    memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
    tsuga_content_fill(content, BYTES, SEED, 0);
    send = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SENDMSG,
                                                 .fd = ends[0],
                                                 .data = &message,
                                                 .options = TSUGA_OP_ASYNC});
    memset(&to, 0xff, sizeof(to));
    memset(content, 0xff, sizeof(content));
    memset(&control, 0xff, sizeof(control));
    memset(&vector, 0xff, sizeof(vector));
    memset(&message, 0xff, sizeof(message));
    CHECK_INT(result(self, send), BYTES);
    got = tsuga_await(self, tsuga_fd_recv(self, ends[1], BYTES, 1));
    CHECK_INT(got.result, BYTES);
    tsuga_content_check(got.data, BYTES, SEED, 0);
    check_address(got.peer, &addresses[0]);
    fds = tsuga_peer_fds(got.peer, &count);
    CHECK_UINT(count, 1);
    CHECK(fds[0] >= 0);
    tsuga_fixture_close(ends, 2);
}

TEST(messages, h15_everything_a_message_points_to_is_copied)
{
    (void)tsuga_world_run(NULL, scribble, NULL);
}

/* Ancillary data that is not descriptors: the address at which a datagram came in. */
static void learn_destination(struct tsuga_actor *self, void *argument)
{
    struct tsuga_address addresses[2];
    int ends[] = {tsuga_socket_bound(AF_INET, SOCK_DGRAM, &addresses[0]),
                  tsuga_socket_bound(AF_INET, SOCK_DGRAM, &addresses[1])};
    size_t room = CMSG_SPACE(sizeof(struct in_pktinfo));
    struct in_pktinfo info;
    struct tsuga_completion got;
    struct cmsghdr *control;
    int on = 1;

    (void)argument;
    CHECK_INT(setsockopt(ends[1], IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(result(self, tsuga_sendto(self, ends[0], "x", 1, tsuga_address_of(&addresses[1]),
                                            addresses[1].bytes)),
                  1);
    got = tsuga_await(self, tsuga_recvmsg(self, ends[1], 10, room, 0));
    CHECK_INT(got.result, 1);
    CHECK_UINT(got.peer->flags, 0);
    control = CMSG_FIRSTHDR(&((struct msghdr){.msg_control = (void *)(uintptr_t)got.peer->control,
                                              .msg_controllen = got.peer->control_bytes}));
    CHECK(control != NULL);
    CHECK_INT(control->cmsg_level, IPPROTO_IP);
    CHECK_INT(control->cmsg_type, IP_PKTINFO);
    memcpy(&info, CMSG_DATA(control), sizeof(info));
    CHECK_UINT(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
    /* Too little room, and none. */
    got = tsuga_await(self, tsuga_recvmsg(self, ends[1], 10, room - 8, 0));
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, MSG_CTRUNC);
    got = tsuga_await(self, tsuga_recvmsg(self, ends[1], 10, 0, 0));
    CHECK_UINT(got.peer->flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_UINT(got.peer->control_bytes, 0);
    CHECK(got.peer->control == NULL);
    tsuga_fixture_close(ends, 2);
}

TEST(messages, ancillary_data_arrives_or_is_said_to_be_cut)
{
    (void)tsuga_world_run(NULL, learn_destination, NULL);
}

static void accept_with_peer(struct tsuga_actor *self, int domain)
{
    struct tsuga_address here;
    struct tsuga_address there;
    int listener = tsuga_socket_bound(domain, SOCK_STREAM, &here);
    int caller = tsuga_socket_bound(domain, SOCK_STREAM, &there);
    struct tsuga_op accept = {.kind = TSUGA_OP_ACCEPT,
                              .fd = listener,
                              .options = TSUGA_OP_PEER,
                              .timeout_ns = UINT64_MAX};
    struct tsuga_token accepting;
    struct tsuga_completion got;

    CHECK_INT(result(self, tsuga_listen(self, listener, 4)), 0);
    accepting = tsuga_submit(self, &accept);
    CHECK_INT(result(self, tsuga_connect(self, caller, tsuga_address_of(&here), here.bytes)), 0);
    got = tsuga_await(self, accepting);
    CHECK(got.result >= 0);
    check_address(got.peer, &there);
    CHECK_INT(result(self, tsuga_close(self, got.result)), 0);
    accept.options = 0; /* with a second record, but without an envelope */
    accepting = tsuga_submit(self, &accept);
    CHECK_INT(result(self, tsuga_cancel(self, accepting)), 0);
    CHECK(tsuga_await(self, accepting).peer == NULL);
    tsuga_fixture_close(&listener, 1);
    tsuga_fixture_close(&caller, 1);
}

static void accept_peers(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    accept_with_peer(self, AF_INET);
    accept_with_peer(self, AF_INET6);
    accept_with_peer(self, AF_UNIX);
}

TEST(messages, an_accept_tells_the_address_of_its_peer)
{
    (void)tsuga_world_run(NULL, accept_peers, NULL);
}

/* A plain completion has no peer, also after one that had. */
static void have_no_peer(struct tsuga_actor *self, void *argument)
{
    struct tsuga_address addresses[2];
    struct tsuga_completion got;
    int ends[2];

    (void)argument;
    tsuga_socket_pair(&tsuga_socket_kinds[1], ends, addresses);
    CHECK_INT(result(self, tsuga_send_bytes(self, ends[0], "abc", 3)), 3);
    CHECK(tsuga_await(self, tsuga_recvfrom(self, ends[1], 10)).peer != NULL);
    CHECK(tsuga_await(self, tsuga_nop(self)).peer == NULL);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], "abc", 3, NULL, 0)), 3);
    got = tsuga_await(self, tsuga_recv(self, ends[1], 10));
    CHECK_INT(got.result, 3);
    CHECK(got.peer == NULL);
    got = tsuga_await(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECVMSG,
                                                                  .fd = ends[1],
                                                                  .bytes = 10,
                                                                  .flags = MSG_DONTWAIT}));
    CHECK_INT(got.result, -EAGAIN);
    CHECK(got.peer == NULL);
    tsuga_fixture_close(ends, 2);
}

TEST(messages, only_messages_have_a_peer)
{
    (void)tsuga_world_run(NULL, have_no_peer, NULL);
}

static void make_mistakes(struct tsuga_actor *self, void *argument)
{
    static char large[1 << 17];
    struct tsuga_address addresses[2];
    struct tsuga_address nobody;
    struct iovec vectors[2] = {{large, sizeof(large)}, {NULL, 1}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 1};
    int ends[] = {tsuga_socket_bound(AF_INET, SOCK_DGRAM, &addresses[0]),
                  tsuga_socket_bound(AF_UNIX, SOCK_DGRAM, &addresses[1])};
    int file = tsuga_fixture_memory_file(10, 1);
    struct tsuga_lease lease;

    (void)argument;
    CHECK_INT(close(tsuga_socket_bound(AF_UNIX, SOCK_DGRAM, &nobody)), 0);
    CHECK_INT(
        result(self, tsuga_sendto(self, ends[1], "x", 1, tsuga_address_of(&nobody), nobody.bytes)),
        -ECONNREFUSED);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], "x", 1, NULL, 0)), -EDESTADDRREQ);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], large, sizeof(large),
                                        tsuga_address_of(&addresses[0]), addresses[0].bytes)),
              -EMSGSIZE);
    CHECK_INT(result(self, tsuga_sendto(self, file, "x", 1, NULL, 0)), -ENOTSOCK);
    CHECK_INT(result(self, tsuga_recvfrom(self, file, 1)), -ENOTSOCK);
    CHECK_INT(result(self, tsuga_recvfrom(self, 9999, 1)), -EBADF);
    CHECK_INT(result(self, tsuga_recvfrom(self, ends[0], 0)), -EINVAL);
    CHECK_INT(result(self, tsuga_recvmsg(self, ends[0], 1, SIZE_MAX, 0)), -EMSGSIZE);
    CHECK_INT(result(self, tsuga_sendmsg(self, ends[0], NULL, 0)), -EINVAL);
    CHECK_INT(result(self, tsuga_sendto(self, ends[0], NULL, 1, NULL, 0)), -EINVAL);
    message.msg_iovlen = 1025;
    CHECK_INT(result(self, tsuga_sendmsg(self, ends[0], &message, 0)), -EINVAL);
    message.msg_iovlen = 2; /* the second one has bytes and no address */
    CHECK_INT(result(self, tsuga_sendmsg(self, ends[0], &message, 0)), -EINVAL);
    message = (struct msghdr){.msg_name = large, .msg_namelen = 129};
    CHECK_INT(result(self, tsuga_sendmsg(self, ends[0], &message, 0)), -EINVAL);
    message = (struct msghdr){.msg_iovlen = 1};
    CHECK_INT(result(self, tsuga_sendmsg(self, ends[0], &message, 0)), -EINVAL);
    message = (struct msghdr){.msg_control = large, .msg_controllen = SIZE_MAX};
    CHECK_INT(result(self, tsuga_sendmsg(self, ends[0], &message, 0)), -EMSGSIZE);
    CHECK_INT(tsuga_lease_make(self, 100, &lease), 0);
    message = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1};
    CHECK_INT(result(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SENDMSG,
                                                                 .fd = ends[0],
                                                                 .data = &message,
                                                                 .lease = lease})),
              -EINVAL);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[1], NULL, 1, "x", 1)), -EINVAL);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[1], ends, 0, "x", 1)), -EINVAL);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[1], ends, 254, "x", 1)), -EINVAL);
    CHECK_INT(result(self, tsuga_fd_send(self, ends[1], ends, 1, "x", 0)), -EINVAL);
    CHECK_INT(result(self, tsuga_fd_recv(self, ends[1], 1, 0)), -EINVAL);
    CHECK_INT(result(self, tsuga_fd_recv(self, ends[1], 1, 254)), -EINVAL);
    tsuga_fixture_close(ends, 2);
    tsuga_fixture_close(&file, 1);
}

TEST(messages, mistakes_have_their_errors)
{
    (void)tsuga_world_run(NULL, make_mistakes, NULL);
}

/* Ancillary data that makes no sense: it is copied and walked through, and the kernel refuses it.
 */
static void send_nonsense(struct tsuga_actor *self, void *argument)
{
    struct tsuga_address addresses[2];
    uint64_t random = tsuga_test_seed();
    size_t control[16];
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control};
    int ends[2];

    (void)argument;
    tsuga_socket_pair(&tsuga_socket_kinds[5], ends, addresses);
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned k = 0; k < 16; k++)
            control[k] = k % 3 == 1 ? (size_t)SCM_RIGHTS << 32 | SOL_SOCKET
                                    : tsuga_test_random(&random) >> (i % 4 == 0 ? 0 : 57);
        if (i % 8 == 1)
            control[0] = SIZE_MAX - i % 16;
        message.msg_controllen = 1 + tsuga_test_random(&random) % sizeof(control);
        CHECK_INT(
            tsuga_op_error(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SENDMSG,
                                                                 .fd = ends[0],
                                                                 .data = &message,
                                                                 .flags = MSG_DONTWAIT,
                                                                 .options = TSUGA_OP_SILENT})),
            0);
    }
    while (tsuga_seat_of(self)->io->inflight > 0)
        CHECK_INT(tsuga_yield(self), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(messages, ancillary_data_is_not_believed)
{
    (void)tsuga_world_run(NULL, send_nonsense, NULL);
}
