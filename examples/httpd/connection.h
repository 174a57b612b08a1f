/*
 * A connection: an actor that is called once for each message. While it waits for a request it has
 * no stack; in the middle of an answer it may wait for the cache, the disk or the peer, and only
 * then it has one.
 *
 * Requests are answered in their order, however many the client sends ahead.
 *
 * Thread: connection_spawn() is for turns of the acceptor; a struct connection belongs to its
 * actor.
 */
#ifndef TSUGA_HTTPD_CONNECTION_H
#define TSUGA_HTTPD_CONNECTION_H

#include <netinet/in.h>
#include <stdbool.h>

#include "examples/httpd/request.h"
#include "examples/httpd/server.h"

/* The actor's state. */
struct connection {
    struct server *server;
    struct shard *shard;
    int fd;
    bool is_kept;     /* after the answer to the current request */
    bool is_sending;  /* `sending` has not completed */
    bool is_stopping; /* the server is at its end */
    bool is_closing;  /* the last answer is on its way; what else comes is thrown away */
    struct tsuga_token receiving; /* a stream */
    struct tsuga_token sending;
    uint64_t due_ms; /* when its patience ends */
    int status;      /* of the last answer, for the log */
    uint64_t body_bytes;
    char *scratch; /* see connection_scratch() */
    size_t scratch_bytes;
    struct request request;
    char peer[INET6_ADDRSTRLEN];
};

/* Make one for a socket that the calling actor owns, on the same executor. The socket is gone. */
void connection_spawn(struct tsuga_actor *self, struct server *server, int fd);

/* Memory for one answer, which goes with the connection, however that ends. */
char *connection_scratch(struct connection *connection, size_t bytes);

#endif
