/*
 * A listing: a directory's entries as a page of HTML. It is made on a thread for blocking calls.
 *
 * Owner: main(), by way of the server; between begin and the job's end the thread's, otherwise the
 * lister's.
 */
#ifndef TSUGA_HTTPD_LISTING_H
#define TSUGA_HTTPD_LISTING_H

#include <stddef.h>

struct listing {
    int fd;      /* of the directory; closed by the job */
    char *title; /* the path from the root */
    int error;   /* errno of the job */
    char *text;  /* the page */
    size_t bytes;
    size_t room;
};

struct listing *listing_create(void);
void listing_destroy(struct listing *listing);

/* Take a job's input. */
void listing_begin(struct listing *listing, int fd, const char *title);

/* The job, for tsuga_blocking(): read the directory, sort it, write the page. */
void listing_run(void *argument);

#endif
