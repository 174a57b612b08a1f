/*
 * What several workloads need: content that tells where it belongs, and sockets.
 *
 * Owner: nobody. Thread: the world's; most of it in a turn.
 */
#ifndef TSUGA_TESTS_SUPPORT_H
#define TSUGA_TESTS_SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tests/sim/workload.h"

/* The bytes from an offset of a stream on: no other stream or offset has many in common with it. */
void sim_fill(char *out, size_t bytes, uint64_t stream, uint64_t offset);
bool sim_is_filled(const char *bytes, size_t count, uint64_t stream, uint64_t offset);

struct sim_address {
    struct sockaddr_storage storage;
    socklen_t bytes;
};

/* TCP over IPv4 or IPv6, or a Unix socket: the seed decides. */
struct sim_address sim_choose_address(struct sim_run *run, uint16_t port);

/* A socket that listens, or one that is connected; or -errno. */
int sim_listen(struct tsuga_actor *self, const struct sim_address *address, int backlog);
int sim_connect(struct tsuga_actor *self, const struct sim_address *address);

/* Closes without waiting, but as often as it takes: who has no memory has a peer that waits. */
void sim_close(struct tsuga_actor *self, int fd);

/* Sends bytes in one of the ways there are; the result of the send. */
int32_t sim_send(struct tsuga_actor *self, int fd, const char *bytes, size_t count,
                 uint64_t *random);

/* Sends the lease of a completion likewise. */
int32_t sim_send_on(struct tsuga_actor *self, int fd, struct tsuga_lease lease, uint64_t *random);

/* A descriptor comes as a message; -1 when the actor is stopped before. */
int sim_receive_fd(struct tsuga_actor *self);

/* Gives a descriptor to a new actor, or closes it. */
void sim_pass_fd(struct tsuga_actor *self, int fd, const struct tsuga_spawn_options *options);

#endif
