/*
 * The log: one actor that writes the lines of all connections, many with one write.
 *
 * A line is a message to it. Its mailbox has a limit: when the disk cannot keep up, lines are lost
 * rather than requests delayed.
 *
 * Thread: log_open() and log_spawn() are for main(), log_request() for turns of any actor.
 */
#ifndef TSUGA_HTTPD_LOG_H
#define TSUGA_HTTPD_LOG_H

#include "examples/httpd/server.h"

/* Open what the settings name: server->log_fd. 0 or -errno. */
int log_open(struct server *server);

/* Make the actor: server->log. 0 or -errno. */
int log_spawn(struct server *server, struct tsuga_runtime *runtime);

/* What a line tells, in the Common Log Format. */
struct log_entry {
    const char *peer;
    const char *method;
    const char *target;
    int major; /* of the request's version */
    int minor;
    int status;
    uint64_t bytes; /* of the answer's body */
};

/* Never waits. */
void log_request(struct tsuga_actor *self, const struct server *server,
                 const struct log_entry *entry);

#endif
