/*
 * Moves bytes through an echo server from many connections at once and verifies what comes back.
 *
 *     echo_flood [-c CONNECTIONS] [-m MIB] [-i IDLE] [-s SERVER-PID] PORT
 *
 * MIB is the sum over all connections. IDLE connections more are opened and say nothing. With -s
 * the server is interrupted (SIGINT) when half of the bytes have come back: the others must come
 * back all the same, and the idle connections must be closed in order.
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
#define SECONDS_MAX     240u

struct connection {
    uint64_t seed;
    uint64_t total_bytes; /* 0 for one that says nothing */
    uint64_t sent_bytes;
    uint64_t received_bytes;
};

struct flood {
    uint16_t port;
    unsigned busy_count;
    unsigned idle_count;
    uint64_t mib;
    pid_t server; /* to be interrupted, or 0 */
    uint64_t received_bytes;
    struct connection connections[CONNECTIONS_MAX];
    struct pollfd polls[CONNECTIONS_MAX];
};

static _Noreturn void fail(const char *what, int error)
{
    fprintf(stderr, "echo_flood: %s%s%s\n", what, error != 0 ? ": " : "",
            error != 0 ? strerror(error) : "");
    exit(EXIT_FAILURE);
}

/* Byte number `offset` of a connection's stream: no two connections share a pattern. */
static uint8_t byte_at(uint64_t seed, uint64_t offset)
{
    uint64_t word = (offset / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint8_t)((word ^ (word >> 29)) >> (offset % 8 * 8));
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fail("socket", errno);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        fail("connect", errno);
    return fd;
}

static void send_some(struct connection *connection, int fd)
{
    uint8_t chunk[CHUNK_BYTES];
    uint64_t left_bytes = connection->total_bytes - connection->sent_bytes;
    size_t bytes = left_bytes < sizeof(chunk) ? (size_t)left_bytes : sizeof(chunk);

    for (size_t i = 0; i < bytes; i++)
        chunk[i] = byte_at(connection->seed, connection->sent_bytes + i);
    ssize_t sent = send(fd, chunk, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        fail("send", errno);
    connection->sent_bytes += sent > 0 ? (uint64_t)sent : 0;
    if (connection->sent_bytes == connection->total_bytes)
        shutdown(fd, SHUT_WR);
}

/* Returns how many bytes came, or -1 at the end of the stream, which must come after the last byte
 * and not before. */
static ssize_t receive_some(struct connection *connection, int fd)
{
    uint8_t chunk[CHUNK_BYTES];
    ssize_t received = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (received < 0 && errno == EAGAIN)
        return 0;
    if (received < 0)
        fail("recv", errno);
    if (received == 0 && connection->received_bytes != connection->total_bytes)
        fail("the stream ended too early", 0);
    for (ssize_t i = 0; i < received; i++) {
        uint64_t offset = connection->received_bytes + (uint64_t)i;

        if (offset >= connection->total_bytes || chunk[i] != byte_at(connection->seed, offset))
            fail("a wrong byte came back", 0);
    }
    connection->received_bytes += (uint64_t)received;
    return received == 0 ? -1 : received;
}

static void interrupt_at_half(struct flood *flood)
{
    if (flood->server == 0 || flood->received_bytes < flood->mib << 19)
        return;
    if (kill(flood->server, SIGINT) < 0)
        fail("kill", errno);
    flood->server = 0;
}

/* Does what a connection is ready for. Returns false when it has ended. */
static bool serve(struct flood *flood, unsigned i)
{
    struct connection *connection = &flood->connections[i];
    struct pollfd *poll = &flood->polls[i];

    if ((poll->revents & POLLOUT) != 0)
        send_some(connection, poll->fd);
    if (connection->sent_bytes == connection->total_bytes)
        poll->events = POLLIN;
    if ((poll->revents & (POLLIN | POLLHUP | POLLERR)) == 0)
        return true;
    ssize_t received = receive_some(connection, poll->fd);
    if (received < 0)
        return false;
    flood->received_bytes += (uint64_t)received;
    interrupt_at_half(flood);
    return true;
}

static void open_all(struct flood *flood)
{
    unsigned count = flood->busy_count + flood->idle_count;

    for (unsigned i = 0; i < count; i++) {
        uint64_t bytes = i < flood->busy_count ? (flood->mib << 20) / flood->busy_count : 0;
        flood->connections[i] =
            (struct connection){.seed = (uint64_t)i << 40, .total_bytes = bytes};
        flood->polls[i] = (struct pollfd){.fd = connect_to(flood->port),
                                          .events = bytes > 0 ? POLLIN | POLLOUT : POLLIN};
    }
}

/* Moves everything, all connections at once, until `count` of them have ended. */
static void move(struct flood *flood, unsigned count)
{
    while (count > 0) {
        if (poll(flood->polls, flood->busy_count + flood->idle_count, SILENT_MS_MAX) <= 0)
            fail("no answer", 0);
        for (unsigned i = 0; i < flood->busy_count + flood->idle_count; i++) {
            if (flood->polls[i].revents == 0 || serve(flood, i))
                continue;
            close(flood->polls[i].fd);
            flood->polls[i].fd = -1;
            count--;
        }
    }
}

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool parse(struct flood *flood, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "c:m:i:s:")) != -1) {
        if (option == 'c')
            flood->busy_count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'm')
            flood->mib = strtoull(optarg, NULL, 10);
        else if (option == 'i')
            flood->idle_count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            flood->server = (pid_t)strtol(optarg, NULL, 10);
        else
            return false;
    }
    if (optind + 1 != argc)
        return false;
    flood->port = (uint16_t)strtoul(argv[optind], NULL, 10);
    return flood->port != 0 && flood->mib != 0 && flood->busy_count > 0 &&
           flood->busy_count < CONNECTIONS_MAX &&
           flood->idle_count < CONNECTIONS_MAX - flood->busy_count;
}

int main(int argc, char *argv[])
{
    static struct flood flood = {.busy_count = 64, .mib = 64};

    if (!parse(&flood, argc, argv)) {
        fputs("usage: echo_flood [-c CONNECTIONS] [-m MIB] [-i IDLE] [-s SERVER-PID] PORT\n",
              stderr);
        return EXIT_FAILURE;
    }
    bool has_end = flood.server != 0; /* which the idle connections hear of */
    alarm(SECONDS_MAX);
    open_all(&flood);
    double began = now_seconds();
    move(&flood, flood.busy_count + (has_end ? flood.idle_count : 0));
    double seconds = now_seconds() - began;
    printf("%" PRIu64 " MiB there and back in %.2f s, %.0f MiB/s each way, every byte verified\n",
           flood.mib, seconds, (double)flood.mib / seconds);
    return EXIT_SUCCESS;
}
