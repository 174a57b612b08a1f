/*
 * Responses: what a request is answered with.
 *
 * Thread: turns of the connection's actor.
 */
#ifndef TSUGA_HTTPD_RESPOND_H
#define TSUGA_HTTPD_RESPOND_H

#include "examples/httpd/connection.h"

/* Answer a complete request. Sets the connection's `status` and `body_bytes`, and `is_kept` to
 * false where the answer must be the last one. May wait. */
void respond(struct tsuga_actor *self, struct connection *connection);

/* Answer with a page that says what is wrong. */
void respond_error(struct tsuga_actor *self, struct connection *connection, int status);

#endif
