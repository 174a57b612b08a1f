/*
 * Moves bytes through an echo server from many connections at once and verifies what comes back.
 *
 *     echo_flood PORT CONNECTIONS MIB [SERVER-PID]
 *
 * MIB is the sum over all connections. Waits until the server listens, or until it is gone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES     (64u << 10)
#define CONNECTIONS_MAX 4096u
#define SILENT_MS_MAX   30000
#define CONNECT_TRIES   500
#define CONNECT_WAIT_MS 10

struct connection {
    uint64_t seed;
    uint64_t total_bytes;
    uint64_t sent_bytes;
    uint64_t received_bytes;
    int fd;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "echo_flood: %s: %s\n", what, errno != 0 ? strerror(errno) : "unexpected");
    exit(EXIT_FAILURE);
}

/* Byte number `offset` of a connection's stream: no two connections share a pattern. */
static uint8_t byte_at(uint64_t seed, uint64_t offset)
{
    uint64_t word = (offset / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint8_t)((word ^ (word >> 29)) >> (offset % 8 * 8));
}

static int connect_once(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fail("socket");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The server may just have been started. */
static int connect_patiently(uint16_t port, pid_t server)
{
    const struct timespec pause = {.tv_nsec = CONNECT_WAIT_MS * 1000000L};

    for (unsigned tries = 0; tries < CONNECT_TRIES; tries++) {
        int fd = connect_once(port);

        if (fd >= 0)
            return fd;
        if (server != 0 && kill(server, 0) != 0)
            break;
        nanosleep(&pause, NULL);
    }
    fail("connect");
}

static void send_some(struct connection *connection)
{
    uint8_t chunk[CHUNK_BYTES];
    uint64_t left_bytes = connection->total_bytes - connection->sent_bytes;
    size_t bytes = left_bytes < sizeof(chunk) ? (size_t)left_bytes : sizeof(chunk);
    ssize_t sent;

    for (size_t i = 0; i < bytes; i++)
        chunk[i] = byte_at(connection->seed, connection->sent_bytes + i);
    sent = send(connection->fd, chunk, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        fail("send");
    connection->sent_bytes += sent > 0 ? (uint64_t)sent : 0;
    if (connection->sent_bytes == connection->total_bytes)
        shutdown(connection->fd, SHUT_WR);
}

/* Returns true at the end of the stream, which must come after the last byte and not before. */
static bool receive_some(struct connection *connection)
{
    uint8_t chunk[CHUNK_BYTES];
    ssize_t received = recv(connection->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (received < 0 && errno == EAGAIN)
        return false;
    if (received < 0)
        fail("recv");
    errno = 0;
    if (received == 0 && connection->received_bytes != connection->total_bytes)
        fail("the stream ended too early");
    for (ssize_t i = 0; i < received; i++) {
        uint64_t offset = connection->received_bytes + (uint64_t)i;

        if (offset >= connection->total_bytes || chunk[i] != byte_at(connection->seed, offset))
            fail("a wrong byte came back");
    }
    connection->received_bytes += (uint64_t)received;
    return received == 0;
}

static bool serve(struct connection *connection, short events)
{
    if ((events & POLLOUT) != 0)
        send_some(connection);
    return (events & (POLLIN | POLLHUP | POLLERR)) != 0 && receive_some(connection);
}

/* Moves everything, all connections at once. */
static void flood(struct connection *connections, unsigned count)
{
    struct pollfd polls[CONNECTIONS_MAX];
    unsigned open_count = count;

    for (unsigned i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN | POLLOUT};
    while (open_count > 0) {
        if (poll(polls, count, SILENT_MS_MAX) <= 0)
            fail("no answer");
        for (unsigned i = 0; i < count; i++) {
            if (serve(&connections[i], polls[i].revents)) {
                close(connections[i].fd);
                polls[i].fd = -1;
                open_count--;
            } else if (connections[i].sent_bytes == connections[i].total_bytes) {
                polls[i].events = POLLIN;
            }
        }
    }
}

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char *argv[])
{
    static struct connection connections[CONNECTIONS_MAX];
    uint16_t port = argc > 3 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0;
    unsigned count = argc > 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    uint64_t mib = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    pid_t server = argc > 4 ? (pid_t)strtol(argv[4], NULL, 10) : 0;
    double began;
    double seconds;

    if (port == 0 || count == 0 || count > CONNECTIONS_MAX || mib == 0) {
        fprintf(stderr, "usage: %s PORT CONNECTIONS MIB [SERVER-PID]\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (unsigned i = 0; i < count; i++) {
        connections[i].seed = (uint64_t)i << 40;
        connections[i].total_bytes = (mib << 20) / count;
        connections[i].fd = connect_patiently(port, server);
    }
    began = now_seconds();
    flood(connections, count);
    seconds = now_seconds() - began;
    printf("    %" PRIu64
           " MiB there and back in %.2f s, %.0f MiB/s each way, every byte verified\n",
           mib, seconds, (double)mib / seconds);
    return EXIT_SUCCESS;
}
