/* The calls that are no requests: each is done at once. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>

#include "executor/resolve.h"
#include "runtime/sim/kernel.h"

static struct tsuga_file *file_of(void *context, int fd)
{
    return tsuga_kernel_file(context, fd);
}

static int open_event(void *context)
{
    return tsuga_event_make(context);
}

/* Whoever is woken may run before the waker goes on. */
static void raise_event(void *context, int fd)
{
    struct tsuga_kernel *kernel = context;
    struct tsuga_file *file = file_of(context, fd);

    if (file != NULL)
        tsuga_event_raise(file);
    tsuga_schedule_yield(kernel->schedule);
}

static void lower_event(void *context, int fd)
{
    struct tsuga_file *file = file_of(context, fd);

    if (file != NULL)
        tsuga_event_lower(file);
}

static void close_now(void *context, int fd)
{
    (void)tsuga_kernel_close(context, fd);
}

static bool is_open(void *context, int fd)
{
    return file_of(context, fd) != NULL;
}

static int make_pipe(void *context, int ends[2], int flags)
{
    return tsuga_pipe_make(context, ends, (uint32_t)flags);
}

static int bind_now(void *context, int fd, const struct sockaddr *address, socklen_t bytes)
{
    struct tsuga_file *file = file_of(context, fd);

    return file != NULL ? tsuga_socket_bind(file, address, bytes) : -EBADF;
}

static int listen_now(void *context, int fd, int backlog)
{
    struct tsuga_file *file = file_of(context, fd);

    return file != NULL ? tsuga_socket_listen(file, backlog) : -EBADF;
}

static void reset(void *context, int fd)
{
    struct tsuga_file *file = file_of(context, fd);

    if (file != NULL)
        tsuga_socket_reset(file);
}

static int socket_type(void *context, int fd)
{
    const struct tsuga_file *file = file_of(context, fd);

    return file != NULL ? tsuga_socket_type(file) : -EBADF;
}

static bool tells_end(void *context, int fd)
{
    (void)context;
    (void)fd;
    return true;
}

static int32_t list(void *context, int fd, void *buffer, size_t bytes)
{
    struct tsuga_file *file = file_of(context, fd);

    return file != NULL ? (int32_t)tsuga_disk_list(file, buffer, bytes) : -EBADF;
}

static int32_t truncate_now(void *context, int fd, uint64_t bytes)
{
    struct tsuga_file *file = file_of(context, fd);

    return file != NULL ? (int32_t)tsuga_disk_truncate(file, bytes) : -EBADF;
}

/* A world without name servers: numbers, and the host itself. */
static int look_up(void *context, const char *host, const char *service,
                   const struct addrinfo *hints, struct addrinfo **out)
{
    struct addrinfo numeric = *hints;
    int code;

    (void)context;
    numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    if (host != NULL && strcmp(host, "localhost") == 0)
        host = hints->ai_family == AF_INET6 ? "::1" : "127.0.0.1";
    code = getaddrinfo(host, service, &numeric, out);
    return code == 0 ? 0 : tsuga_resolve_error(code, 0);
}

void tsuga_calls_init(struct tsuga_kernel *kernel)
{
    kernel->calls = (struct tsuga_calls){
        .open_event = open_event,
        .raise_event = raise_event,
        .lower_event = lower_event,
        .close = close_now,
        .is_open = is_open,
        .make_pipe = make_pipe,
        .bind = bind_now,
        .listen = listen_now,
        .reset = reset,
        .socket_type = socket_type,
        .tells_end = tells_end,
        .list = list,
        .truncate = truncate_now,
        .look_up = look_up,
        .context = kernel,
    };
}
