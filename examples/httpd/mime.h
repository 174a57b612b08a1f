/*
 * MIME types by the ending of a file's name: those of /etc/mime.types, or a table of our own.
 *
 * Owner: main(). Thread: constant once the runtime runs, and then any may read it.
 */
#ifndef TSUGA_HTTPD_MIME_H
#define TSUGA_HTTPD_MIME_H

#include <stddef.h>

struct mime_type {
    char *ending; /* lower case, without the dot */
    char *type;   /* the whole value of Content-Type */
};

struct mime {
    struct mime_type *types; /* sorted by ending */
    size_t count;
};

/* `path` may name nothing; `charset` is added to text, unless it is empty. */
void mime_init(struct mime *mime, const char *path, const char *charset);
void mime_fini(struct mime *mime);

/* The type of a file by its name. Lives as long as `mime`. */
const char *mime_of(const struct mime *mime, const char *path);

#endif
