#include "executor/calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "executor/resolve.h"

static int open_event(void *context)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    (void)context;
    return fd >= 0 ? fd : -errno;
}

static void raise_event(void *context, int fd)
{
    uint64_t one = 1;
    ssize_t written;

    (void)context;
    do {
        written = write(fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
}

static void lower_event(void *context, int fd)
{
    uint64_t count;
    ssize_t got;

    (void)context;
    do {
        got = read(fd, &count, sizeof(count));
    } while (got < 0 && errno == EINTR);
}

static void close_now(void *context, int fd)
{
    (void)context;
    close(fd);
}

static bool is_open(void *context, int fd)
{
    (void)context;
    return fcntl(fd, F_GETFD) >= 0;
}

/* ThreadSanitizer follows descriptors through the C library's functions and does not see the ring
 * close one: it would take the next use of its number, by another thread, for a race. */
static int make_pipe(void *context, int ends[2], int flags)
{
    (void)context;
    return syscall(SYS_pipe2, ends, flags | O_CLOEXEC) == 0 ? 0 : -errno;
}

static int bind_now(void *context, int fd, const struct sockaddr *address, socklen_t bytes)
{
    (void)context;
    return bind(fd, address, bytes) == 0 ? 0 : -errno;
}

static int listen_now(void *context, int fd, int backlog)
{
    (void)context;
    return listen(fd, backlog) == 0 ? 0 : -errno;
}

static void reset(void *context, int fd)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    (void)context;
    (void)connect(fd, &nowhere, sizeof(nowhere));
}

static int socket_type(void *context, int fd)
{
    int type;
    socklen_t bytes = sizeof(type);

    (void)context;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 ? type : -errno;
}

/* Linux 6.18 asks a FIFO, unless it is one of pipe(2), whether there is something to read before
 * each read, and at the end there is not. */
static bool tells_end(void *context, int fd)
{
    struct statfs filesystem;
    struct stat file;

    (void)context;
    if (fstat(fd, &file) != 0 || !S_ISFIFO(file.st_mode))
        return true;
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)
        return true;
    return fstatfs(fd, &filesystem) == 0 && filesystem.f_type == PIPEFS_MAGIC;
}

static int32_t list(void *context, int fd, void *buffer, size_t bytes)
{
    ssize_t listed = getdents64(fd, buffer, bytes);

    (void)context;
    return listed >= 0 ? (int32_t)listed : -errno;
}

static int32_t truncate_now(void *context, int fd, uint64_t bytes)
{
    (void)context;
    return ftruncate(fd, (off_t)bytes) == 0 ? 0 : -errno;
}

static int look_up(void *context, const char *host, const char *service,
                   const struct addrinfo *hints, struct addrinfo **out)
{
    int code = getaddrinfo(host, service, hints, out);
    int system_error = errno;

    (void)context;
    return code == 0 ? 0 : tsuga_resolve_error(code, system_error);
}

static const struct tsuga_calls of_linux = {
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
};

const struct tsuga_calls *tsuga_calls_linux(void)
{
    return &of_linux;
}
