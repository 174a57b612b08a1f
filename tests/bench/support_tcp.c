#include "tests/bench/support_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/bench/support.h"

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int open_socket(void)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
        tsuga_bench_fail("a socket", -errno);
    return fd;
}

int tsuga_bench_listen(uint16_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t bytes = sizeof(address);
    int fd = open_socket();

    if (bind(fd, (struct sockaddr *)&address, bytes) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        tsuga_bench_fail("a listener", -errno);
    *port = ntohs(address.sin_port);
    return fd;
}

int tsuga_bench_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = open_socket();

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        tsuga_bench_fail("a connection", -errno);
    return fd;
}
