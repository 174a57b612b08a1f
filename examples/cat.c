/*
 * cat FILE…: print files, one buffer at a time.
 *
 * The smallest useful Tsuga program: one actor, written as plain sequential code. Each await
 * suspends the actor until the kernel has answered. The bytes that a read brings lie in the actor's
 * I/O heap; nobody allocates or frees a buffer here.
 *
 * Exit status: 0 everything was printed, 1 something was not (a message says what), 2 wrong usage,
 * or the runtime could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tsuga.h>

#define BUFFER_BYTES ((size_t)64 << 10)

struct request {
    char **paths; /* ends with NULL */
    int status;   /* the exit status */
};

static void complain(struct request *request, const char *name, int error)
{
    fprintf(stderr, "cat: %s: %s\n", name, strerror(error));
    request->status = EXIT_FAILURE;
}

static void print(struct tsuga_actor *self, struct request *request, const char *path)
{
    int fd = tsuga_await(self, tsuga_open(self, path, O_RDONLY)).result;
    if (fd < 0) {
        complain(request, path, -fd);
        return;
    }

    struct tsuga_completion got;
    while ((got = tsuga_await(self, tsuga_read(self, fd, BUFFER_BYTES))).result > 0) {
        if (fwrite(got.data, 1, got.bytes, stdout) < got.bytes) {
            complain(request, "standard output", errno);
            break;
        }
    }
    if (got.result < 0)
        complain(request, path, -got.result);
    tsuga_forget(self, tsuga_close(self, fd));
}

static void cat(struct tsuga_actor *self, void *argument)
{
    struct request *request = argument;

    for (char **path = request->paths; *path != NULL && !ferror(stdout); path++)
        print(self, request, *path);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: cat FILE...\n", stderr);
        return 2;
    }

    /* One file after the other needs one executor only. */
    struct tsuga_config config = {.executor.threads = 1};
    struct request request = {.paths = argv + 1};
    if (tsuga_run(&config, cat, &request) < 0)
        return 2;

    if (!ferror(stdout) && fflush(stdout) != 0)
        complain(&request, "standard output", errno);
    return request.status;
}
