#include "tests/support/sockets.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/test.h"

const struct tsuga_socket_kind tsuga_socket_kinds[TSUGA_SOCKET_KINDS] = {
    {AF_INET, SOCK_STREAM, false, false},  {AF_INET, SOCK_DGRAM, true, true},
    {AF_INET6, SOCK_STREAM, false, false}, {AF_INET6, SOCK_DGRAM, true, true},
    {AF_UNIX, SOCK_STREAM, false, false},  {AF_UNIX, SOCK_DGRAM, true, true},
    {AF_UNIX, SOCK_SEQPACKET, true, true},
};

/* What bind(2) is told; the kernel adds a port or a name. */
static void fill_in(struct tsuga_address *address, int domain)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;

    *address = (struct tsuga_address){.storage.ss_family = (sa_family_t)domain,
                                      .bytes = sizeof(sa_family_t)};
    if (domain == AF_INET) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->bytes = sizeof(*v4);
    } else if (domain == AF_INET6) {
        v6->sin6_addr = in6addr_loopback;
        address->bytes = sizeof(*v6);
    }
}

int tsuga_socket_bound(int domain, int type, struct tsuga_address *address)
{
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    fill_in(address, domain);
    CHECK_INT(bind(fd, tsuga_address_of(address), address->bytes), 0);
    address->bytes = sizeof(address->storage);
    CHECK_INT(getsockname(fd, tsuga_address_of(address), &address->bytes), 0);
    return fd;
}

static void connect_to(int fd, struct tsuga_address *address)
{
    CHECK_INT(connect(fd, tsuga_address_of(address), address->bytes), 0);
}

void tsuga_socket_pair(const struct tsuga_socket_kind *kind, int ends[2],
                       struct tsuga_address addresses[2])
{
    int first = tsuga_socket_bound(kind->domain, kind->type, &addresses[0]);

    ends[1] = tsuga_socket_bound(kind->domain, kind->type, &addresses[1]);
    if (kind->type == SOCK_DGRAM) {
        ends[0] = first;
        connect_to(ends[0], &addresses[1]);
        connect_to(ends[1], &addresses[0]);
        return;
    }
    CHECK_INT(listen(first, 1), 0);
    connect_to(ends[1], &addresses[0]);
    ends[0] = accept4(first, NULL, NULL, SOCK_CLOEXEC);
    CHECK(ends[0] >= 0);
    CHECK_INT(close(first), 0);
}

void tsuga_socket_pass(int socket, char byte, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    CHECK_INT(sendmsg(socket, &message, 0), 1);
}
