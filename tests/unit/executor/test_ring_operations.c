/* Each kind of request against the kernel, by what it does and not only by what it answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/time_types.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/ring_kit.h"
#include "tests/support/test.h"

#define AT_POSITION UINT64_MAX

/* A directory of its own, left again by leave_directory(). */
static void enter_directory(char path[32])
{
    snprintf(path, 32, "/tmp/tsuga-ring-%d", getpid());
    CHECK_INT(mkdir(path, 0700), 0);
    CHECK_INT(chdir(path), 0);
}

static void leave_directory(const char *path)
{
    CHECK_INT(chdir("/"), 0);
    CHECK_INT(rmdir(path), 0);
}

static struct tsuga_ring *make_ring(struct tsuga_ring_kit *kit)
{
    tsuga_ring_kit_init(kit, 8, 16);
    return tsuga_ring_kit_create(kit);
}

static int open_file(struct tsuga_ring *ring, char *name, uint64_t flags)
{
    struct open_how how = {.flags = flags, .mode = (flags & O_CREAT) != 0 ? 0640 : 0};

    return tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_OPEN,
                                                                .user_data = 1,
                                                                .fd = AT_FDCWD,
                                                                .address = name,
                                                                .address2 = &how});
}

static void close_file(struct tsuga_ring *ring, int fd)
{
    struct tsuga_ring_request request = {.kind = TSUGA_RING_CLOSE, .fd = fd};

    CHECK_INT(tsuga_ring_kit_run(ring, request), 0);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
}

/* A read, write, receive, send or one of their relatives. */
static int transfer(struct tsuga_ring *ring, enum tsuga_ring_kind kind, int fd, void *address,
                    uint32_t length)
{
    struct tsuga_ring_request request = {
        .kind = (uint8_t)kind, .fd = fd, .address = address, .length = length};

    if (kind <= TSUGA_RING_WRITEV)
        request.offset = AT_POSITION;
    return tsuga_ring_kit_run(ring, request);
}

TEST(ring, nop_answers_zero)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);

    CHECK_INT(tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_NOP,
                                                                   .user_data = UINT64_MAX,
                                                                   .fd = -1}),
              0);
    ring->ops->destroy(ring);
}

TEST(ring, opens_writes_reads_and_closes_files)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    struct tsuga_ring_request request = {.kind = TSUGA_RING_READ, .length = 5, .offset = 6};
    char directory[32];
    char buffer[32] = {0};
    struct stat status;
    int fd;

    enter_directory(directory);
    CHECK_INT(open_file(ring, "file", O_RDWR | O_CLOEXEC), -ENOENT);
    fd = open_file(ring, "file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fstat(fd, &status), 0);
    CHECK_UINT(status.st_mode & 0777 & ~0640u, 0);

    CHECK_INT(transfer(ring, TSUGA_RING_WRITE, fd, "hello ", 6), 6);
    CHECK_INT(transfer(ring, TSUGA_RING_WRITE, fd, "world", 5), 5);
    request.fd = fd;
    request.address = buffer;
    CHECK_INT(tsuga_ring_kit_run(ring, request), 5);
    CHECK_STR(buffer, "world");
    CHECK_INT(transfer(ring, TSUGA_RING_READ, fd, buffer, sizeof(buffer)), 0);

    CHECK_INT(
        tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_FSYNC, .fd = fd}),
        0);
    CHECK_INT(
        tsuga_ring_kit_run(
            ring, (struct tsuga_ring_request){.kind = TSUGA_RING_FSYNC, .fd = fd, .flags = 1}),
        0);
    close_file(ring, fd);
    CHECK_INT(transfer(ring, TSUGA_RING_READ, fd, buffer, 1), -EBADF);
    CHECK_INT(unlink("file"), 0);
    leave_directory(directory);
    ring->ops->destroy(ring);
}

TEST(ring, gathers_and_scatters)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    char head[4] = {0};
    char tail[8] = {0};
    struct iovec out[] = {{"abc", 3}, {"defgh", 5}};
    struct iovec in[] = {{head, 2}, {tail, 7}};
    int ends[2];

    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(transfer(ring, TSUGA_RING_WRITEV, ends[1], out, 2), 8);
    CHECK_INT(transfer(ring, TSUGA_RING_READV, ends[0], in, 2), 8);
    CHECK_STR(head, "ab");
    CHECK_STR(tail, "cdefgh");
    close_file(ring, ends[0]);
    close_file(ring, ends[1]);
    ring->ops->destroy(ring);
}

TEST(ring, tells_about_files)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    struct tsuga_ring_request request = {.kind = TSUGA_RING_STATX,
                                         .fd = AT_FDCWD,
                                         .address = "link",
                                         .length = STATX_SIZE | STATX_TYPE};
    char directory[32];
    struct statx status;

    enter_directory(directory);
    CHECK_INT(symlink("target", "link"), 0);
    CHECK_INT(close(creat("target", 0600)), 0);
    CHECK_INT(truncate("target", 12345), 0);
    request.address2 = &status;
    CHECK_INT(tsuga_ring_kit_run(ring, request), 0);
    CHECK_UINT(status.stx_size, 12345);
    CHECK(S_ISREG(status.stx_mode));
    request.flags = AT_SYMLINK_NOFOLLOW;
    CHECK_INT(tsuga_ring_kit_run(ring, request), 0);
    CHECK(S_ISLNK(status.stx_mode));
    CHECK_INT(unlink("link"), 0);
    CHECK_INT(unlink("target"), 0);
    leave_directory(directory);
    ring->ops->destroy(ring);
}

/* Binds and listens by the ring where the kernel can, and tells the address. */
static void listen_on(struct tsuga_ring *ring, int fd, struct sockaddr_in *address)
{
    socklen_t bytes = sizeof(*address);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (ring->ops->supports(ring, TSUGA_RING_BIND)) {
        CHECK_INT(tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_BIND,
                                                                       .fd = fd,
                                                                       .address = address,
                                                                       .length = bytes}),
                  0);
        CHECK_INT(tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_LISTEN,
                                                                       .fd = fd,
                                                                       .length = 5}),
                  0);
    } else {
        CHECK_INT(bind(fd, (struct sockaddr *)address, bytes), 0);
        CHECK_INT(listen(fd, 5), 0);
    }
    CHECK_INT(getsockname(fd, (struct sockaddr *)address, &bytes), 0);
}

static int make_socket(struct tsuga_ring *ring)
{
    struct tsuga_ring_request request = {.kind = TSUGA_RING_SOCKET,
                                         .fd = AF_INET,
                                         .length = SOCK_STREAM | SOCK_CLOEXEC,
                                         .flags = IPPROTO_TCP};
    int fd = tsuga_ring_kit_run(ring, request);

    CHECK(fd >= 0);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    return fd;
}

/* Accept and connect are in flight together. Returns the accepted end. */
static int accept_and_connect(struct tsuga_ring *ring, int listener, int client,
                              struct sockaddr_in *address)
{
    struct tsuga_ring_result result;
    int accepted = -1;

    tsuga_ring_push(ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_ACCEPT,
                                                       .user_data = 1,
                                                       .fd = listener,
                                                       .flags = SOCK_CLOEXEC});
    tsuga_ring_push(ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_CONNECT,
                                                       .user_data = 2,
                                                       .fd = client,
                                                       .address = address,
                                                       .length = sizeof(*address)});
    for (unsigned i = 0; i < 2; i++) {
        result = tsuga_ring_kit_wait(ring);
        CHECK(result.result >= 0);
        if (result.user_data == 1)
            accepted = result.result;
    }
    CHECK_INT(fcntl(accepted, F_GETFD), FD_CLOEXEC);
    return accepted;
}

TEST(ring, carries_messages_and_their_ancillary_data)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    char text[16] = "in two parts";
    struct iovec vectors[] = {{text, 4}, {text + 4, 8}};
    struct msghdr message = {.msg_iov = vectors,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct sockaddr_storage name;
    int ends[2];
    int came;

    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
    CHECK_INT(transfer(ring, TSUGA_RING_SENDMSG, ends[0], &message, 1), 12);
    memset(text, 0, sizeof(text));
    message.msg_name = &name;
    message.msg_namelen = sizeof(name);
    CHECK_INT(transfer(ring, TSUGA_RING_RECVMSG, ends[1], &message, 1), 12);
    CHECK_STR(text, "in two parts");
    CHECK_UINT(message.msg_namelen, 0); /* the sender has no name */
    memcpy(&came, CMSG_DATA(&control.header), sizeof(came));
    CHECK(came != ends[0] && fcntl(came, F_GETFD) == 0);
    close_file(ring, came);
    close_file(ring, ends[0]);
    close_file(ring, ends[1]);
    ring->ops->destroy(ring);
}

TEST(ring, connects_and_carries_bytes_over_tcp)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    int listener = make_socket(ring);
    int client = make_socket(ring);
    struct sockaddr_in address;
    char buffer[16] = {0};
    int accepted;

    listen_on(ring, listener, &address);
    accepted = accept_and_connect(ring, listener, client, &address);
    CHECK_INT(transfer(ring, TSUGA_RING_SEND, client, "ping", 4), 4);
    CHECK_INT(transfer(ring, TSUGA_RING_RECV, accepted, buffer, sizeof(buffer)), 4);
    CHECK_STR(buffer, "ping");
    CHECK_INT(tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_SHUTDOWN,
                                                                   .fd = client,
                                                                   .flags = SHUT_WR}),
              0);
    CHECK_INT(transfer(ring, TSUGA_RING_RECV, accepted, buffer, sizeof(buffer)), 0);
    CHECK_INT(transfer(ring, TSUGA_RING_SEND, client, "late", 4), -EPIPE);
    CHECK_INT(transfer(ring, TSUGA_RING_SEND, accepted, "pong", 4), 4);
    close_file(ring, accepted);
    close_file(ring, client);
    close_file(ring, listener);
    ring->ops->destroy(ring);
}

TEST(ring, recv_honours_flags)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    struct tsuga_ring_request request = {.kind = TSUGA_RING_RECV, .length = 8, .flags = MSG_PEEK};
    char buffer[8] = {0};
    int ends[2];

    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_INT(write(ends[0], "twice", 5), 5);
    request.fd = ends[1];
    request.address = buffer;
    CHECK_INT(tsuga_ring_kit_run(ring, request), 5);
    request.flags = 0;
    CHECK_INT(tsuga_ring_kit_run(ring, request), 5);
    CHECK_STR(buffer, "twice");
    request.flags = MSG_DONTWAIT;
    CHECK_INT(tsuga_ring_kit_run(ring, request), -EAGAIN);
    close(ends[0]);
    close(ends[1]);
    ring->ops->destroy(ring);
}

TEST(ring, poll_answers_once_and_watch_until_cancelled)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    struct tsuga_ring_request poll = {.kind = TSUGA_RING_POLL, .flags = POLLIN};
    struct tsuga_ring_request watch = {.kind = TSUGA_RING_WATCH, .user_data = 7, .flags = POLLIN};
    struct tsuga_ring_result result;
    char byte;
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    poll.fd = ends[0];
    CHECK_INT(tsuga_ring_kit_run(ring, poll), POLLIN);

    watch.fd = ends[0];
    tsuga_ring_push(ring, &watch);
    for (unsigned i = 0; i < 3; i++) {
        result = tsuga_ring_kit_wait(ring);
        CHECK_UINT(result.user_data, 7);
        CHECK_UINT(result.flags, TSUGA_RING_MORE);
        CHECK_INT(result.result & POLLIN, POLLIN);
        CHECK_INT(read(ends[0], &byte, 1), 1);
        CHECK_INT(write(ends[1], "x", 1), 1);
    }
    tsuga_ring_push(ring, &(struct tsuga_ring_request){
                              .kind = TSUGA_RING_CANCEL, .user_data = 8, .fd = -1, .offset = 7});
    for (unsigned seen = 0; seen != 3;) {
        result = tsuga_ring_kit_wait(ring);
        if ((result.flags & TSUGA_RING_MORE) != 0)
            continue;
        CHECK_INT(result.result, result.user_data == 7 ? -ECANCELED : 0);
        seen |= result.user_data == 7 ? 1 : 2;
    }
    close(ends[0]);
    close(ends[1]);
    ring->ops->destroy(ring);
}

TEST(ring, timeout_runs_out_or_is_cancelled)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    struct __kernel_timespec soon = {.tv_nsec = 2000000};
    struct __kernel_timespec late = {.tv_sec = 3600};
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_TIMEOUT, .user_data = 1, .fd = -1, .address = &soon};
    struct tsuga_ring_result result;

    CHECK_INT(tsuga_ring_kit_run(ring, request), -ETIME);
    request.address = &late;
    tsuga_ring_push(ring, &request);
    tsuga_ring_push(ring, &(struct tsuga_ring_request){
                              .kind = TSUGA_RING_CANCEL, .user_data = 2, .fd = -1, .offset = 1});
    for (unsigned i = 0; i < 2; i++) {
        result = tsuga_ring_kit_wait(ring);
        CHECK_INT(result.result, result.user_data == 1 ? -ECANCELED : 0);
    }
    request = (struct tsuga_ring_request){.kind = TSUGA_RING_CANCEL, .fd = -1, .offset = 1};
    CHECK_INT(tsuga_ring_kit_run(ring, request), -ENOENT);
    ring->ops->destroy(ring);
}

static void cancel_first(struct tsuga_ring *ring)
{
    tsuga_ring_push(ring, &(struct tsuga_ring_request){
                              .kind = TSUGA_RING_CANCEL, .user_data = 2, .fd = -1, .offset = 1});
}

/* A cancel finds nothing while a worker takes the open up, and one that finds the worker may
 * interrupt it before it waits. So it is repeated, as the executor does. */
static void cancel_until_ended(struct tsuga_ring *ring)
{
    bool has_ended = false;
    unsigned cancels = 1;

    cancel_first(ring);
    while (!has_ended || cancels > 0) {
        struct tsuga_ring_result result = tsuga_ring_kit_wait(ring);

        if (result.user_data == 1) {
            CHECK_INT(result.result, -ECANCELED);
            has_ended = true;
            continue;
        }
        cancels--;
        CHECK(result.result == 0 || result.result == -EALREADY || result.result == -ENOENT);
        if (result.result == 0 || has_ended)
            continue;
        cancel_first(ring);
        cancels++;
    }
}

/* The worker that opens the FIFO answers -512, which is nobody's errno. */
TEST(ring, cancelled_worker_answers_canceled)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring = make_ring(&kit);
    struct open_how how = {.flags = O_RDONLY};
    char directory[32];

    enter_directory(directory);
    CHECK_INT(mkfifo("fifo", 0600), 0);
    for (unsigned round = 0; round < 20; round++) {
        tsuga_ring_push(ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_OPEN,
                                                           .options = TSUGA_RING_ASYNC,
                                                           .user_data = 1,
                                                           .fd = AT_FDCWD,
                                                           .address = "fifo",
                                                           .address2 = &how});
        /* Long enough in most rounds for the worker to be blocked. */
        CHECK(tsuga_ring_enter(ring, 1, 1000000) != 0);
        cancel_until_ended(ring);
    }
    CHECK_INT(unlink("fifo"), 0);
    leave_directory(directory);
    ring->ops->destroy(ring);
}
