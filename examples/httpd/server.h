/*
 * The server: what all of its actors share.
 *
 * On each executor live an acceptor with a listening socket of its own, a cache, and the actors of
 * the connections that were taken there; all of them stay there, so that a request never crosses
 * from one executor to another. Beside them there are one log and one lister in all.
 *
 * Owner and thread: main(). `settings`, `mime`, `root`, `shards` are constant while the runtime
 * runs. A struct shard is touched by actors of its own executor only, one at a time, and needs no
 * lock.
 */
#ifndef TSUGA_HTTPD_SERVER_H
#define TSUGA_HTTPD_SERVER_H

#include <stdatomic.h>
#include <stdint.h>
#include <tsuga.h>

#include "examples/httpd/mime.h"
#include "examples/httpd/settings.h"

#define MS UINT64_C(1000000) /* in ns */

/* How often those that outlive the connections look whether the last one has ended. */
#define STOP_POLL_NS (10 * MS)

/* Tags of messages between actors, and of completions. */
enum tag {
    TAG_FD = 1, /* to a connection: the socket, an int */
    TAG_ASK,    /* to the cache: a path */
    TAG_ANSWER, /* from the cache: a struct answer */
    TAG_LIST,   /* to the lister: a struct listing_wish */
    TAG_LISTED, /* from the lister: HTML */
    TAG_LINE,   /* to the log: a line */
    TAG_RECV,
    TAG_SEND,
    TAG_TIMER,
};

struct listing;

/* What the actors of one executor share. */
struct shard {
    int listener; /* the acceptor's */
    struct tsuga_id cache;
    uint64_t connection_count;
};

struct server {
    struct settings settings;
    struct mime mime;
    int root;   /* descriptor of the directory that is served */
    int log_fd; /* -1: no log */
    struct tsuga_id log;
    struct tsuga_id lister;
    struct listing *listing; /* the lister's; freed when no thread can use it any more */
    struct shard *shards;    /* one for each executor */
    uint32_t shard_count;
    int error;                             /* errno, when it could not listen */
    atomic_uint_fast64_t connection_count; /* that are alive, on all executors */
    atomic_uint_fast64_t accepted_count;
    atomic_uint_fast64_t request_count;
};

#endif
