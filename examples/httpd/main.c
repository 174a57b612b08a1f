/*
 * httpd [-c CONFIG] [-j EXECUTORS] [-k KEY=VALUE] [-p PORT] [-r ROOT]: static files by HTTP/1.1.
 *
 *     main.c        options, start, end
 *     settings.c    the configuration file
 *     acceptor.c    an actor on each executor that takes connections
 *     connection.c  an actor for each of them: input, time limits, the end
 *     request.c     what came in, taken apart
 *     respond.c     what goes out: files, parts, pages, errors
 *     output.c      how it goes out
 *     cache.c       an actor on each executor that opens files, and keeps small ones in leases
 *     lister.c      an actor that has directories read on a thread
 *     log.c         an actor that writes what was asked for
 *
 * and nouns without actors: condition.c, date.c, head.c, listing.c, memory.c, mime.c, path.c,
 * range.c, table.c.
 *
 * The shortest way of a request: the kernel's completion is a message to the connection; that
 * parses it and asks the cache by a message, whose answer brings a lease with the whole response,
 * head and content; the lease is sent. Nothing is copied, and 64 connections may be sending from
 * one lease.
 *
 * SIGINT and SIGTERM end the server cleanly: no connection is taken any more, and each one finishes
 * the response that it is at, with `Connection: close`.
 *
 * Exit status: 0 a clean end, 1 the address, the root or the log is not to be had, 2 wrong usage,
 * or the runtime could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/httpd/acceptor.h"
#include "examples/httpd/cache.h"
#include "examples/httpd/lister.h"
#include "examples/httpd/listing.h"
#include "examples/httpd/log.h"
#include "examples/httpd/memory.h"

static int complain(const char *what, int error)
{
    fprintf(stderr, "httpd: %s: %s\n", what, strerror(-error));
    return EXIT_FAILURE;
}

static int spawn_all(struct server *server, struct tsuga_runtime *runtime)
{
    int error = log_spawn(server, runtime);

    if (error == 0)
        error = lister_spawn(server, runtime);
    for (uint32_t i = 0; i < server->shard_count && error == 0; i++) {
        error = cache_spawn(server, runtime, i);
        if (error == 0)
            error = acceptor_spawn(server, runtime, i);
    }
    return error;
}

static int listen_all(struct server *server, struct tsuga_runtime *runtime)
{
    struct tsuga_stats stats;
    int error = 0;

    tsuga_stats_read(runtime, &stats);
    server->shard_count = stats.executor_count;
    server->shards = allocate(server->shard_count, sizeof *server->shards);
    for (uint32_t i = 0; i < server->shard_count && error == 0; i++)
        error = acceptor_listen(server, &server->shards[i]);
    return error;
}

/* Returns the exit status. */
static int serve(struct server *server, struct tsuga_runtime *runtime)
{
    int error = listen_all(server, runtime);

    if (error < 0)
        return complain(server->settings.address, error);
    error = spawn_all(server, runtime);
    if (error == 0) {
        printf("listening on %s:%" PRIu64 "\n", server->settings.address, server->settings.port);
        fflush(stdout);
        error = tsuga_join(runtime);
    }
    return error < 0 ? complain("runtime", error) : EXIT_SUCCESS;
}

/* What must be there before anything runs. */
static int open_all(struct server *server)
{
    server->root = open(server->settings.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (server->root < 0)
        return complain(server->settings.root, -errno);
    int error = log_open(server);
    return error < 0 ? complain(server->settings.log, error) : EXIT_SUCCESS;
}

static int run(struct server *server)
{
    const struct settings *settings = &server->settings;
    struct tsuga_config config = {.signals = TSUGA_ON,
                                  .executor.threads = (uint32_t)settings->threads,
                                  .file = *settings->runtime != '\0' ? settings->runtime : NULL};
    struct tsuga_runtime *runtime;
    int status = open_all(server);

    if (status != EXIT_SUCCESS)
        return status;
    if (tsuga_start(&config, &runtime) < 0)
        return 2;
    server->listing = listing_create();
    status = serve(server, runtime);
    tsuga_destroy(runtime); /* after which no thread looks at `server` any more */
    listing_destroy(server->listing);
    fprintf(stderr, "httpd: %" PRIuFAST64 " requests on %" PRIuFAST64 " connections\n",
            atomic_load(&server->request_count), atomic_load(&server->accepted_count));
    return status;
}

static bool set_pair(struct settings *settings, char *pair)
{
    char *value = strchr(pair, '=');

    if (value == NULL)
        return false;
    *value++ = '\0';
    return settings_set(settings, pair, value);
}

/* False: wrong usage. */
static bool parse(struct settings *settings, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "c:j:k:p:r:")) != -1) {
        bool is_good = (option == 'c' && settings_read(settings, optarg) == 0) ||
                       (option == 'j' && settings_set(settings, "threads", optarg)) ||
                       (option == 'k' && set_pair(settings, optarg)) ||
                       (option == 'p' && settings_set(settings, "port", optarg)) ||
                       (option == 'r' && settings_set(settings, "root", optarg));
        if (!is_good)
            return false;
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct server server = {.root = -1, .log_fd = -1};
    int status = 2;

    settings_init(&server.settings);
    if (parse(&server.settings, argc, argv)) {
        http_parser_set_max_header_size((uint32_t)server.settings.header_max);
        mime_init(&server.mime, server.settings.types, server.settings.charset);
        status = run(&server);
        mime_fini(&server.mime);
    } else {
        fputs("usage: httpd [-c CONFIG] [-j EXECUTORS] [-k KEY=VALUE]... [-p PORT] [-r ROOT]\n",
              stderr);
    }
    settings_fini(&server.settings);
    free(server.shards);
    return status;
}
