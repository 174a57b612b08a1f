/*
 * The lister: an actor that makes listings of directories.
 *
 * io_uring cannot read directories, so that is done on a thread for blocking calls: a directory on
 * a slow disk stalls the lister and those who wait for a listing, and no executor. tsuga_list()
 * would bring the names, but sizes and dates of ten thousand entries would be as many operations;
 * one job does it all.
 *
 * Thread: lister_spawn() is for main(), lister_ask() for turns of any actor.
 */
#ifndef TSUGA_HTTPD_LISTER_H
#define TSUGA_HTTPD_LISTER_H

#include "examples/httpd/server.h"

/* The message to it. The descriptor was given to the lister before. */
struct listing_wish {
    int fd;
    char title[]; /* the path from the root, with a slash at both ends */
};

/* Make the actor: server->lister. 0 or -errno. */
int lister_spawn(struct server *server, struct tsuga_runtime *runtime);

/* Ask for a listing and wait. The answer is a page of HTML, valid as long as it is the actor's
 * current message. 0 or -errno; the descriptor is gone either way. */
int lister_ask(struct tsuga_actor *self, const struct server *server, int fd, const char *path,
               const struct tsuga_message **out);

#endif
