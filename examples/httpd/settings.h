/*
 * Settings: what the server is told by its configuration file and its command line.
 *
 * Owner: main(). Thread: constant once the runtime runs, and then any may read it.
 */
#ifndef TSUGA_HTTPD_SETTINGS_H
#define TSUGA_HTTPD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings {
    char *address; /* IPv4 or IPv6 */
    uint64_t port; /* 0 asks for any */
    char *root;    /* the directory that is served */
    char *index;   /* the file that stands for its directory */
    bool has_listings;
    char *charset;    /* of text, or "" to say nothing */
    char *types;      /* as /etc/mime.types; without such a file a table of our own */
    char *log;        /* "off", "stderr" or a file */
    uint64_t threads; /* executors; 0: one for each processor, or as the next one says */
    char *runtime;    /* configuration file of the runtime, or "" */

    uint64_t request_line_max; /* bytes of the target; 414 */
    uint64_t header_max;       /* bytes of the request's head; 431 */
    uint64_t header_count_max; /* fields of it; 431 */
    uint64_t body_max;         /* bytes that a request may bring, though nobody wants them; 413 */

    uint64_t header_ms; /* from the first byte of a request to the end of its head; 408 */
    uint64_t idle_ms;   /* between two requests */
    uint64_t send_ms;   /* for a block that is being sent */

    uint64_t cache_files;    /* of each executor */
    uint64_t cache_bytes;    /* of their contents */
    uint64_t cache_file_max; /* larger files are kept open, but not in memory */
    uint64_t revalidate_ms;  /* how old what is known about a file may be */
    uint64_t block_bytes;    /* larger files are read in blocks of this size */
};

void settings_init(struct settings *settings);
void settings_fini(struct settings *settings);

/* Read a file. 0, or -1 after a message on the standard error. */
int settings_read(struct settings *settings, const char *path);

/* Set one key, as the file would. False: no such key, or not a value for it. */
bool settings_set(struct settings *settings, const char *key, const char *value);

#endif
