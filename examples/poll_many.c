/*
 * poll_many [-n LINES] [-s] PATH…: prints the lines of many pipes, terminals, sockets or files as
 * they come, each behind the name of where it came from. `-` is the standard input.
 *
 * One actor serves all of them, and waits for one operation of each at a time. There are two ways:
 *
 *     poll, many reads     poll ──> there is something ──> read, read, …, nothing left ──> poll
 *                                                            └── end of file: done
 *     a stream of reads    poll once ──> bytes, bytes, …, end of file: done              (-s)
 *
 * The poll of the first way is itself a stream: one operation that completes whenever something has
 * come, so that there must be reads until nothing is left. The second way asks once, and the kernel
 * reads by itself into buffers of its choice; the actor never asks for what it would not get.
 *
 * Why poll at all, when a read would wait as well? The names may be those of FIFOs that nobody
 * writes to yet: opened in the ordinary way each would keep a worker of the kernel waiting, and
 * opened with O_NONBLOCK a read finds nothing, or even the end.
 *
 * tsuga_await_any() waits for whichever operation is the first to complete. Four things follow:
 *
 *     order       a descriptor's next read begins when the one before was dealt with, and a stream
 *                 keeps its order, so bytes stay in theirs; between descriptors there is none
 *     fairness    completions are taken as they came: a descriptor that always has something goes
 *                 behind all others that have something, too
 *     the end     a descriptor that has ended starts no further operation, and is closed
 *     cancelling  when LINES lines are printed, what is still under way is cancelled. A cancel is a
 *                 wish: each operation still has its own last completion, and only that counts
 *
 * Looking for one of many tokens takes time in proportion. Who serves thousands of descriptors
 * takes every message with tsuga_receive() and finds the descriptor by the operation's context, as
 * examples/proxy.c does.
 *
 * Exit status: 0 all lines, or LINES of them, were printed, 1 something was not (a message says
 * what), 2 wrong usage, or the runtime could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tsuga.h>

#define SOURCES_MAX  1000
#define LINE_BYTES   ((size_t)4 << 10) /* longer lines are cut in pieces */
#define BUFFER_BYTES ((size_t)4 << 10)

struct source {
    const char *name;
    int fd;
    bool is_reading;          /* otherwise it polls */
    struct tsuga_token polls; /* the stream of the first way; 0: it has ended */
    size_t line_bytes;
    char line[LINE_BYTES];
};

struct request {
    char **names;     /* ends with NULL */
    bool has_streams; /* the second way */
    uint64_t lines_max;
    uint64_t line_count;
    int status; /* the exit status */
    /* What is waited for, and for whom, have the same place in both. */
    struct tsuga_token ops[SOURCES_MAX];
    struct source *sources[SOURCES_MAX];
    size_t count;
};

static void complain(struct request *request, const char *name, int error)
{
    fprintf(stderr, "poll_many: %s: %s\n", name, strerror(error));
    request->status = EXIT_FAILURE;
}

/* Lines. */

static bool has_enough(const struct request *request)
{
    return request->line_count >= request->lines_max;
}

static void print_line(struct request *request, struct source *source)
{
    if (!has_enough(request))
        printf("%s: %.*s\n", source->name, (int)source->line_bytes, source->line);
    request->line_count++;
    source->line_bytes = 0;
}

static void take_bytes(struct request *request, struct source *source, const char *data,
                       size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] == '\n' || source->line_bytes == LINE_BYTES)
            print_line(request, source);
        if (data[i] != '\n')
            source->line[source->line_bytes++] = data[i];
    }
}

/* Sources. */

/* What a source waits for when nothing is there. */
static struct tsuga_token start_poll(struct tsuga_actor *self, const struct request *request,
                                     struct source *source)
{
    source->is_reading = false;
    if (request->has_streams)
        return tsuga_poll(self, source->fd, POLLIN);
    if (source->polls.value == 0)
        source->polls = tsuga_poll_stream(self, source->fd, POLLIN);
    return source->polls;
}

/* And when something is there, or just was. */
static struct tsuga_token start_read(struct tsuga_actor *self, const struct request *request,
                                     struct source *source)
{
    source->is_reading = true;
    if (!request->has_streams)
        return tsuga_read(self, source->fd, BUFFER_BYTES);
    return tsuga_read_stream(self, source->fd);
}

static void add(struct tsuga_actor *self, struct request *request, const char *name)
{
    bool is_input = strcmp(name, "-") == 0;
    int fd = is_input ? STDIN_FILENO
                      : tsuga_await(self, tsuga_open(self, name, O_RDONLY | O_NONBLOCK)).result;
    if (fd < 0) {
        complain(request, name, -fd);
        return;
    }
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        complain(request, name, ENOMEM);
        return;
    }
    source->name = name;
    source->fd = fd;
    request->sources[request->count] = source;
    request->ops[request->count++] = start_poll(self, request, source);
}

/* The last one takes its place. */
static void drop(struct tsuga_actor *self, struct request *request, size_t place)
{
    struct source *source = request->sources[place];

    if (source->line_bytes > 0) /* a last line without an end */
        print_line(request, source);
    if (source->polls.value != 0)
        tsuga_forget(self, source->polls); /* which cancels it */
    if (source->fd != STDIN_FILENO)
        tsuga_forget(self, tsuga_close(self, source->fd));
    free(source);
    request->count--;
    request->sources[place] = request->sources[request->count];
    request->ops[place] = request->ops[request->count];
}

/* What comes after a completion of a source's poll: the first read. */
static void has_polled(struct tsuga_actor *self, struct request *request, size_t place,
                       const struct tsuga_completion *io)
{
    struct source *source = request->sources[place];

    if (io->last)
        source->polls.value = 0; /* the other side has gone; what it left is still to be read */
    request->ops[place] = start_read(self, request, source);
}

/* And of a read. */
static void has_read(struct tsuga_actor *self, struct request *request, size_t place,
                     const struct tsuga_completion *io)
{
    struct source *source = request->sources[place];

    if (io->result > 0)
        take_bytes(request, source, io->data, io->bytes);
    if (io->result == 0)
        drop(self, request, place);
    else if (io->result == -EAGAIN)
        request->ops[place] = start_poll(self, request, source);
    else if (io->last)
        request->ops[place] = start_read(self, request, source);
}

static void go_on(struct tsuga_actor *self, struct request *request, size_t place,
                  const struct tsuga_completion *io)
{
    struct source *source = request->sources[place];

    if (io->result < 0 && io->result != -EAGAIN) {
        complain(request, source->name, -io->result);
        drop(self, request, place);
    } else if (source->is_reading) {
        has_read(self, request, place, io);
    } else {
        has_polled(self, request, place, io);
    }
}

static size_t place_of(const struct request *request, struct tsuga_token op)
{
    size_t place = 0;

    while (!tsuga_token_equal(request->ops[place], op))
        place++;
    return place;
}

/* All are asked to end first, then each is waited for: they end at the same time. Of a stream more
 * may come before its end. */
static void cancel_rest(struct tsuga_actor *self, struct request *request)
{
    for (size_t i = 0; i < request->count; i++)
        tsuga_forget(self, tsuga_cancel(self, request->ops[i]));
    while (request->count > 0) {
        struct source *source = request->sources[0];
        while (tsuga_await(self, request->ops[0]).more)
            continue;
        if (!source->is_reading)
            source->polls.value = 0;
        source->line_bytes = 0;
        drop(self, request, 0);
    }
}

static void print_all(struct tsuga_actor *self, void *argument)
{
    struct request *request = argument;

    for (char **name = request->names; *name != NULL; name++)
        add(self, request, *name);
    while (request->count > 0 && !has_enough(request)) {
        struct tsuga_completion io =
            tsuga_await_any(self, request->ops, request->count, TSUGA_FOREVER);
        if (io.op.value == 0) { /* the wait itself has failed */
            complain(request, "waiting", -io.result);
            break;
        }
        go_on(self, request, place_of(request, io.op), &io);
        fflush(stdout);
    }
    cancel_rest(self, request);
}

static int usage(void)
{
    fputs("usage: poll_many [-n LINES] [-s] PATH...\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static struct request request = {.lines_max = UINT64_MAX};
    struct tsuga_config config = {.executor.threads = 1};
    char *end = "";
    int option;

    while ((option = getopt(argc, argv, "n:s")) != -1) {
        if (option == 's')
            request.has_streams = true;
        else if (option == 'n')
            request.lines_max = strtoull(optarg, &end, 10);
        if (option == '?' || *end != '\0' || (option == 'n' && (*optarg < '0' || *optarg > '9')))
            return usage();
    }
    if (optind == argc || argc - optind > SOURCES_MAX)
        return usage();
    request.names = argv + optind;
    if (tsuga_run(&config, print_all, &request) < 0)
        return 2;
    return request.status;
}
