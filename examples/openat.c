/*
 * openat [-w] DIRECTORY NAME…: print files within a directory; with -w, write the standard input to
 * one of them.
 *
 * The second way to open a file. tsuga_open() takes a path as it is. Whoever takes names from
 * strangers opens a directory first and then the names relative to it, with openat2(2)'s
 * restrictions, because checking a path by hand and opening it afterwards are two steps, and
 * somebody may change the directory in between:
 *
 *     directory  a descriptor, here with O_PATH: good for opening what is in it, nothing else
 *     flags      as for open(2): O_CREAT, O_EXCL, O_APPEND, …; O_CLOEXEC is always added
 *     mode       the permissions of a file that is created, less the umask; 0 without O_CREAT
 *     resolve    RESOLVE_BENEATH: neither `..` nor a link may lead out of the directory;
 *                RESOLVE_NO_MAGICLINKS: nor those of /proc, which lead anywhere
 *
 * An actor owns what it opens, and what it owns is closed when it ends, in whatever way. Here each
 * file is opened by an actor of its own. One that has succeeded gives the descriptor away with
 * tsuga_fd_give() and ends; the descriptor stays open, because it belongs to the receiver by then.
 * One that fails says why and ends. Nobody closes anything by hand, and nothing stays open: at the
 * end the program looks.
 *
 * Exit status: 0 everything went well, 1 something did not (a message says what), 2 wrong usage, or
 * the runtime could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tsuga.h>

#define BUFFER_BYTES ((size_t)64 << 10)
#define FILE_MODE    0640

struct request {
    char **names; /* the directory's, then those in it, up to NULL */
    bool is_writing;
    int status; /* the exit status */
};

/* What the opener of one file is told, and what it answers. */
struct task {
    struct tsuga_id reader; /* who wants it */
    int directory;
    int flags;
    const char *name;
};

struct outcome {
    int fd; /* or -errno */
};

static void complain(struct request *request, const char *name, int error)
{
    const char *why = error == EXDEV ? "Leads out of the directory" : strerror(error);

    fprintf(stderr, "openat: %s: %s\n", name, why);
    request->status = EXIT_FAILURE;
}

/* Opening within a directory. tsuga_openat() is the short call; it has no restrictions. */
static struct tsuga_token open_beneath(struct tsuga_actor *self, const struct task *task)
{
    return tsuga_submit(self,
                        &(struct tsuga_op){.kind = TSUGA_OP_OPEN,
                                           .fd = task->directory,
                                           .data = task->name,
                                           .flags = (uint32_t)task->flags,
                                           .mode = (task->flags & O_CREAT) != 0 ? FILE_MODE : 0,
                                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS});
}

/* The opener: an actor that opens one file for another actor. */
static void open_for(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct task task;
    struct outcome outcome;

    memcpy(&task, tsuga_message_data(message), sizeof task); /* which goes with the first wait */
    outcome.fd = tsuga_await(self, open_beneath(self, &task)).result;
    if (outcome.fd >= 0) {
        int error = tsuga_fd_give(self, outcome.fd, task.reader);
        if (error < 0)
            outcome.fd = error; /* still this actor's, and closed with it */
    }
    (void)tsuga_send(self, task.reader, 0, &outcome, sizeof outcome);
    tsuga_exit(self, TSUGA_NORMAL);
}

/* Returns a descriptor of the calling actor's, or -errno. */
static int let_open(struct tsuga_actor *self, int directory, const char *name, int flags)
{
    struct tsuga_spawn_options options = {.behaviour = open_for, .name = "opener"};
    struct task task = {tsuga_self(self), directory, flags, name};
    struct tsuga_select answers = {.user_only = true};
    const struct tsuga_message *message = NULL;
    struct tsuga_id opener;
    int error = tsuga_spawn(tsuga_runtime_of(self), &options, &opener);

    if (error == 0)
        error = tsuga_send(self, opener, 0, &task, sizeof task);
    if (error == 0)
        error = tsuga_receive(self, &answers, TSUGA_FOREVER, &message);
    if (error < 0)
        return error;
    struct outcome outcome;
    memcpy(&outcome, tsuga_message_data(message), sizeof outcome);
    return outcome.fd;
}

/* Copies one descriptor to another, from buffer to buffer without a copy. Returns 0 or -errno. */
static int copy(struct tsuga_actor *self, int from, int to)
{
    for (;;) {
        struct tsuga_completion got = tsuga_await(self, tsuga_read(self, from, BUFFER_BYTES));
        if (got.result <= 0)
            return got.result;
        /* A write may be short; what waits for it must stay until all of it is written. */
        int error = tsuga_lease_retain(self, got.lease);
        for (size_t done = 0; error >= 0 && done < got.bytes; done += (size_t)error)
            error =
                tsuga_await(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE,
                                                                        .fd = to,
                                                                        .lease = got.lease,
                                                                        .lease_offset = done,
                                                                        .bytes = got.bytes - done}))
                    .result;
        tsuga_lease_release(self, got.lease);
        if (error < 0)
            return error;
    }
}

static void serve(struct tsuga_actor *self, struct request *request, int directory,
                  const char *name)
{
    int flags = request->is_writing ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    int fd = let_open(self, directory, name, flags);
    int error = fd;

    if (fd >= 0)
        error = request->is_writing ? copy(self, STDIN_FILENO, fd) : copy(self, fd, STDOUT_FILENO);
    if (error < 0)
        complain(request, name, -error);
    /* The next name needs no second descriptor; the last one could as well be left to the end. */
    if (fd >= 0)
        tsuga_forget(self, tsuga_close(self, fd));
}

static void serve_all(struct tsuga_actor *self, void *argument)
{
    struct request *request = argument;
    const char *root = request->names[0];
    int directory = tsuga_await(self, tsuga_open(self, root, O_PATH | O_DIRECTORY)).result;

    if (directory < 0) {
        complain(request, root, -directory);
        return;
    }
    /* Other actors may use a descriptor as long as its owner lets them: this one waits for each of
     * its openers. */
    for (char **name = request->names + 1; *name != NULL; name++)
        serve(self, request, directory, *name);
}

/* Returns the runtime's error. */
static int run(struct request *request)
{
    struct tsuga_config config = {.executor.threads = 1};
    struct tsuga_spawn_options options = {.body = serve_all, .argument = request};
    struct tsuga_runtime *runtime;
    struct tsuga_stats stats;
    int error = tsuga_start(&config, &runtime);
    if (error < 0)
        return error;

    error = tsuga_spawn(runtime, &options, NULL);
    if (error == 0)
        error = tsuga_join(runtime);
    tsuga_stats_read(runtime, &stats); /* all actors have ended */
    if (stats.descriptors > 0)
        fprintf(stderr, "openat: %" PRIu64 " descriptors are still open\n", stats.descriptors);
    tsuga_destroy(runtime);
    return error;
}

static int usage(void)
{
    fputs("usage: openat DIRECTORY NAME...\n       openat -w DIRECTORY NAME\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct request request = {0};
    int option;

    while ((option = getopt(argc, argv, "w")) == 'w')
        request.is_writing = true;
    if (option != -1 || argc - optind < 2 || (request.is_writing && argc - optind > 2))
        return usage();
    request.names = argv + optind;
    return run(&request) < 0 ? 2 : request.status;
}
