/*
 * Sockets of every kind that programs use: loopback addresses of IPv4 and IPv6, and Unix sockets
 * with addresses that the kernel makes up. Failures fail the test.
 *
 * Owner: the caller closes what it gets. Thread: any.
 */
#ifndef TSUGA_TESTS_SOCKETS_H
#define TSUGA_TESTS_SOCKETS_H

#include <stdbool.h>
#include <sys/socket.h>

struct tsuga_address {
    struct sockaddr_storage storage;
    socklen_t bytes;
};

struct tsuga_socket_kind {
    int domain;
    int type;
    bool has_boundaries; /* between messages */
    bool has_empty;      /* a message may have no bytes, and is one all the same */
};

#define TSUGA_SOCKET_KINDS 7u
extern const struct tsuga_socket_kind tsuga_socket_kinds[TSUGA_SOCKET_KINDS];

/* A socket with an address of its own. */
int tsuga_socket_bound(int domain, int type, struct tsuga_address *address);

/* Two sockets that are connected to each other, and the addresses of both. */
void tsuga_socket_pair(const struct tsuga_socket_kind *kind, int ends[2],
                       struct tsuga_address addresses[2]);

static inline struct sockaddr *tsuga_address_of(struct tsuga_address *address)
{
    return (struct sockaddr *)&address->storage;
}

/* Sends a byte and a descriptor by plain calls. */
void tsuga_socket_pass(int socket, char byte, int fd);

#endif
