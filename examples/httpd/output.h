/*
 * Output: what a connection sends. One send of a connection is under way at a time, because the
 * kernel does not keep two of them in order; starting the next one waits for it.
 *
 * All of these end the calling actor when the peer is gone, or takes nothing for send_ms.
 *
 * Thread: turns of the connection's actor.
 */
#ifndef TSUGA_HTTPD_OUTPUT_H
#define TSUGA_HTTPD_OUTPUT_H

#include "examples/httpd/connection.h"
#include "examples/httpd/range.h"

/* Wait for the send that is under way, if any. */
void output_settle(struct tsuga_actor *self, struct connection *connection);

/* Its completion has come as a message of its own. */
void output_sent(struct tsuga_actor *self, struct connection *connection,
                 const struct tsuga_completion *io);

/* Send bytes, which are copied; `has_more`: something follows at once. */
void output_copy(struct tsuga_actor *self, struct connection *connection, const void *data,
                 size_t bytes, bool has_more);

/* Send a part of a lease. The lease stays the caller's. */
void output_lease(struct tsuga_actor *self, struct connection *connection, struct tsuga_lease lease,
                  size_t offset, size_t bytes);

/* Send a part of a file, block by block: while one is sent the next one is read. A file that ends
 * early ends the actor: the head has promised more, and only the end of the connection can tell. */
void output_file(struct tsuga_actor *self, struct connection *connection, int fd,
                 struct range part);

#endif
