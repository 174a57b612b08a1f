/*
 * The acceptor: an actor on each executor that takes connections from a socket of its own. The
 * kernel spreads them over the sockets, because all have the same address (SO_REUSEPORT).
 *
 * Thread: acceptor_listen() and acceptor_spawn() are for main().
 */
#ifndef TSUGA_HTTPD_ACCEPTOR_H
#define TSUGA_HTTPD_ACCEPTOR_H

#include "examples/httpd/server.h"

/* Make the socket for a shard. The first one may choose the port, which is then written to the
 * settings. 0 or -errno. */
int acceptor_listen(struct server *server, struct shard *shard);

/* Make the actor; the shard's socket becomes its own. 0 or -errno. */
int acceptor_spawn(struct server *server, struct tsuga_runtime *runtime, uint32_t executor);

#endif
