/*
 * The cache: an actor on each executor that opens files, and keeps those that are asked for most.
 *
 * A small file is read once, into a lease that holds a whole response: head and content. An answer
 * brings that lease along; any number of connections send from it at the same time, and nobody
 * copies it. Larger files stay open, and an answer brings a descriptor of its own.
 *
 * What is known about a file is taken to be true for revalidate_ms, then its attributes are asked
 * for again. That costs 12 us, because the kernel hands it to a worker, so it is not done for each
 * request.
 *
 * Thread: cache_spawn() is for main(), cache_ask() for turns of actors of the same executor.
 */
#ifndef TSUGA_HTTPD_CACHE_H
#define TSUGA_HTTPD_CACHE_H

#include <stdbool.h>

#include "examples/httpd/file.h"
#include "examples/httpd/server.h"

/* The answer to a path, a message with TAG_ANSWER. */
struct answer {
    int error;           /* errno; the rest is then nothing */
    bool is_directory;   /* `fd` is open when the path ended with a slash */
    bool is_cached;      /* the message brings a lease: the response to a plain GET */
    int fd;              /* given to whoever asked; -1 without */
    uint32_t head_bytes; /* where in the lease the content begins */
    struct file_facts facts;
};

/* Make the actor on an executor: its shard's `cache`. 0 or -errno. */
int cache_spawn(struct server *server, struct tsuga_runtime *runtime, uint32_t executor);

/*
 * Ask for a path below the root, as path_decode() makes it, and wait for the answer. `message`
 * stays the actor's current one. With `lease` comes a reference when the answer is cached.
 *
 * 0 or -errno, of the asking; the answer has an error of its own.
 */
int cache_ask(struct tsuga_actor *self, const struct shard *shard, const char *path,
              struct answer *out, struct tsuga_lease *lease);

#endif
