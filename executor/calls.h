/*
 * The few system calls on descriptors that are no operations of a ring, as a hook: what an executor
 * asks of the kernel at once, on its own thread or on one of the pool's. Whoever stands for the
 * ring stands for them, too.
 *
 * Thread: any; every function must be callable from every thread.
 */
#ifndef TSUGA_EXECUTOR_CALLS_H
#define TSUGA_EXECUTOR_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct addrinfo;

/* Results are >= 0 or -errno. */
struct tsuga_calls {
    int (*open_event)(void *context); /* an eventfd */
    void (*raise_event)(void *context, int fd);
    void (*lower_event)(void *context, int fd); /* as if it had never been raised */
    void (*close)(void *context, int fd);
    bool (*is_open)(void *context, int fd);
    int (*make_pipe)(void *context, int ends[2], int flags); /* O_CLOEXEC is added */
    int (*bind)(void *context, int fd, const struct sockaddr *address, socklen_t bytes);
    int (*listen)(void *context, int fd, int backlog);
    void (*reset)(void *context, int fd);      /* a connection, with whatever it still sends */
    int (*socket_type)(void *context, int fd); /* SOCK_*; negative for what is no socket */
    /* Whether a multishot read hears of the end of what it reads. */
    bool (*tells_end)(void *context, int fd);
    int32_t (*list)(void *context, int fd, void *buffer, size_t bytes); /* getdents64(2) */
    int32_t (*truncate)(void *context, int fd, uint64_t bytes);
    /* getaddrinfo(3), with errors as tsuga_resolve() has them; freeaddrinfo(3) takes the list. */
    int (*look_up)(void *context, const char *host, const char *service,
                   const struct addrinfo *hints, struct addrinfo **out);
    void *context;
};

/* The kernel's. Owner: nobody, it is constant. */
const struct tsuga_calls *tsuga_calls_linux(void);

#endif
