#include "tests/stress/support_props.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOUR_NS UINT64_C(3600000000000)

/* What a stage is set with. */
struct stage {
    struct stress_props *props;
    struct tsuga_actor *self;
    struct tsuga_op *op;
    bool is_pending;
};

static const char *const names[STRESS_NAMES] = {"a", "b", "c", "d"};

/* See the header. */
#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)

int stress_pipe(int ends[2])
{
    return (int)CALL(pipe2, ends, O_CLOEXEC);
}

int stress_socketpair(int ends[2])
{
    return (int)CALL(socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int make_socket(int flags)
{
    return (int)CALL(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

static int listen_here(struct sockaddr_in *address, int backlog)
{
    int fd = make_socket(0);
    socklen_t bytes = sizeof(*address);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return -1;
    STRESS_REQUIRE(CALL(bind, fd, address, sizeof(*address)) == 0);
    STRESS_REQUIRE(CALL(listen, fd, backlog) == 0);
    STRESS_REQUIRE(CALL(getsockname, fd, address, &bytes) == 0);
    return fd;
}

/* Before there are other threads: the child lives as long as the program. */
static int fork_child(void)
{
    int child = fork();

    STRESS_REQUIRE(child >= 0);
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

static void build_scraps(struct stress_scenery *scenery)
{
    int fd;

    snprintf(scenery->scrap, sizeof(scenery->scrap), "%s/scrap", scenery->directory);
    fd = open(scenery->scrap, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    STRESS_REQUIRE(fd >= 0);
    CALL(close, fd);
    snprintf(scenery->names_path, sizeof(scenery->names_path), "%s/names", scenery->directory);
    STRESS_REQUIRE(mkdir(scenery->names_path, 0700) == 0);
    scenery->names =
        (int)CALL(openat, AT_FDCWD, scenery->names_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    STRESS_REQUIRE(scenery->names >= 0);
    scenery->child = fork_child();
}

static void strike_scraps(struct stress_scenery *scenery)
{
    for (size_t i = 0; i < STRESS_NAMES; i++) {
        (void)unlinkat(scenery->names, names[i], 0);
        (void)unlinkat(scenery->names, names[i], AT_REMOVEDIR);
    }
    CALL(close, scenery->names);
    rmdir(scenery->names_path);
    unlink(scenery->scrap);
    kill(scenery->child, SIGKILL);
    STRESS_REQUIRE(waitpid(scenery->child, NULL, 0) == scenery->child);
}

void stress_scenery_build(struct stress_scenery *scenery)
{
    unsigned char payload[STRESS_PAYLOAD];
    int fd;

    snprintf(scenery->directory, sizeof(scenery->directory), "/tmp/tsuga-stress-%d", getpid());
    STRESS_REQUIRE(mkdir(scenery->directory, 0700) == 0);
    snprintf(scenery->file, sizeof(scenery->file), "%s/file", scenery->directory);
    snprintf(scenery->fifo, sizeof(scenery->fifo), "%s/fifo", scenery->directory);
    fd = open(scenery->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    stress_fill(payload, sizeof(payload), 1, 0);
    STRESS_REQUIRE(CALL(write, fd, payload, sizeof(payload)) == (long)sizeof(payload));
    CALL(close, fd);
    build_scraps(scenery);
    STRESS_REQUIRE(mkfifo(scenery->fifo, 0600) == 0);
    scenery->listener = listen_here(&scenery->clogged, 0);
    for (size_t i = 0; i < sizeof(scenery->clogs) / sizeof(scenery->clogs[0]); i++) {
        scenery->clogs[i] = make_socket(SOCK_NONBLOCK);
        (void)CALL(connect, scenery->clogs[i], &scenery->clogged, sizeof(scenery->clogged));
    }
    scenery->jobs = calloc(STRESS_JOBS, sizeof(*scenery->jobs));
    STRESS_REQUIRE(scenery->jobs != NULL);
}

void stress_scenery_strike(struct stress_scenery *scenery)
{
    for (size_t i = 0; i < sizeof(scenery->clogs) / sizeof(scenery->clogs[0]); i++)
        CALL(close, scenery->clogs[i]);
    CALL(close, scenery->listener);
    strike_scraps(scenery);
    unlink(scenery->file);
    unlink(scenery->fifo);
    rmdir(scenery->directory);
    free(scenery->jobs);
}

/* Makes a descriptor the actor's; closes it when that fails. */
static bool adopt(const struct stage *stage, int fd)
{
    if (fd < 0)
        return false;
    if (tsuga_fd_adopt(stage->self, fd) == 0)
        return true;
    CALL(close, fd);
    return false;
}

static bool adopt_both(const struct stage *stage, const int ends[2])
{
    bool has_first = adopt(stage, ends[0]);

    return adopt(stage, ends[1]) && has_first;
}

static bool make_pipe(const struct stage *stage, int ends[2])
{
    return stress_pipe(ends) == 0 && adopt_both(stage, ends);
}

static bool make_sockets(const struct stage *stage, int ends[2])
{
    return stress_socketpair(ends) == 0 && adopt_both(stage, ends);
}

/* Puts the payload where a read will find it. */
static void load(const struct stage *stage, int fd)
{
    STRESS_REQUIRE(CALL(write, fd, stage->props->payload, STRESS_PAYLOAD) == (long)STRESS_PAYLOAD);
}

/* Leaves no room for a single byte. */
static void stuff(int fd)
{
    static const char zeros[4096];
    int flags = (int)CALL(fcntl, fd, F_GETFL);

    STRESS_REQUIRE(CALL(fcntl, fd, F_SETFL, flags | O_NONBLOCK) == 0);
    while (CALL(write, fd, zeros, sizeof(zeros)) > 0)
        continue;
    STRESS_REQUIRE(CALL(fcntl, fd, F_SETFL, flags) == 0);
}

static uint64_t draw(const struct stage *stage, uint64_t count)
{
    return stress_random(&stage->props->random) % count;
}

static bool set_nothing(const struct stage *stage)
{
    (void)stage;
    return true;
}

static bool set_open(const struct stage *stage)
{
    stage->op->fd = AT_FDCWD;
    stage->op->flags = O_RDONLY;
    stage->op->data = stage->is_pending ? stage->props->scenery->fifo : stage->props->scenery->file;
    /* At first the kernel opens without waiting, and of a FIFO that would succeed. */
    if (stage->is_pending)
        stage->op->options = TSUGA_OP_ASYNC;
    return true;
}

static bool set_close(const struct stage *stage)
{
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    stage->op->fd = ends[0];
    if (stage->is_pending)
        return tsuga_op_error(tsuga_read(stage->self, ends[0], 10)) == 0;
    return true;
}

/* One of the three forms of reading. */
static bool set_reader(const struct stage *stage, int fd)
{
    struct tsuga_op *op = stage->op;
    uint64_t form = draw(stage, 3);

    op->fd = fd;
    op->bytes = STRESS_PAYLOAD;
    if (form == 1)
        op->into = stage->props->into;
    if (form == 2)
        return tsuga_lease_make(stage->self, STRESS_PAYLOAD, &op->lease) == 0;
    return true;
}

static bool set_writer(const struct stage *stage, int fd)
{
    struct tsuga_op *op = stage->op;

    op->fd = fd;
    op->bytes = STRESS_PAYLOAD;
    op->data = stage->props->payload;
    if (draw(stage, 2) == 0)
        return true;
    if (tsuga_lease_make(stage->self, STRESS_PAYLOAD, &op->lease) != 0)
        return false;
    memcpy(tsuga_lease_data(stage->self, op->lease), stage->props->payload, STRESS_PAYLOAD);
    return true;
}

static bool set_read(const struct stage *stage)
{
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    if (!stage->is_pending)
        load(stage, ends[1]);
    return set_reader(stage, ends[0]);
}

static bool set_write(const struct stage *stage)
{
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    if (stage->is_pending)
        stuff(ends[1]);
    else
        stage->props->peer = ends[0];
    return set_writer(stage, ends[1]);
}

static void set_vectors(const struct stage *stage, void *bytes)
{
    struct iovec *vectors = stage->props->vectors;

    vectors[0] = (struct iovec){bytes, 100};
    vectors[1] = (struct iovec){(char *)bytes + 100, STRESS_PAYLOAD - 100};
    stage->op->data = vectors;
    stage->op->bytes = 2;
}

static bool set_readv(const struct stage *stage)
{
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    if (!stage->is_pending)
        load(stage, ends[1]);
    set_vectors(stage, stage->props->into);
    stage->op->fd = ends[0];
    return true;
}

static bool set_writev(const struct stage *stage)
{
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    if (stage->is_pending)
        stuff(ends[1]);
    else
        stage->props->peer = ends[0];
    set_vectors(stage, stage->props->payload);
    stage->op->fd = ends[1];
    return true;
}

static bool set_fsync(const struct stage *stage)
{
    stage->op->fd = (int)CALL(openat, AT_FDCWD, stage->props->scenery->file, O_RDONLY | O_CLOEXEC);
    return adopt(stage, stage->op->fd);
}

static bool set_statx(const struct stage *stage)
{
    stage->op->fd = AT_FDCWD;
    stage->op->data = stage->props->scenery->file;
    stage->op->mode = STATX_SIZE;
    stage->op->into = &stage->props->attributes;
    return true;
}

static bool set_socket(const struct stage *stage)
{
    stage->op->mode = AF_INET;
    stage->op->flags = SOCK_STREAM;
    return true;
}

static bool set_bind(const struct stage *stage)
{
    stage->props->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    stage->op->data = &stage->props->address;
    stage->op->bytes = sizeof(stage->props->address);
    stage->op->fd = make_socket(0);
    return adopt(stage, stage->op->fd);
}

static bool set_listen(const struct stage *stage)
{
    stage->op->fd = make_socket(0);
    stage->op->flags = 5;
    return adopt(stage, stage->op->fd);
}

/* A connection that waits in the listener's queue. */
static bool call_at(const struct stage *stage, const struct sockaddr_in *address)
{
    int fd = make_socket(0);

    if (!adopt(stage, fd))
        return false;
    STRESS_REQUIRE(CALL(connect, fd, address, sizeof(*address)) == 0);
    return true;
}

static bool set_accept(const struct stage *stage)
{
    struct sockaddr_in address;

    stage->op->fd = listen_here(&address, 5);
    if (!adopt(stage, stage->op->fd))
        return false;
    if (draw(stage, 2) == 0)
        stage->op->options = TSUGA_OP_PEER;
    return stage->is_pending || call_at(stage, &address);
}

static bool set_connect(const struct stage *stage)
{
    stage->op->fd = make_socket(0);
    if (!adopt(stage, stage->op->fd))
        return false;
    stage->props->address = stage->props->scenery->clogged;
    if (!stage->is_pending && !adopt(stage, listen_here(&stage->props->address, 5)))
        return false;
    stage->op->data = &stage->props->address;
    stage->op->bytes = sizeof(stage->props->address);
    return true;
}

static bool set_recv(const struct stage *stage)
{
    int ends[2];

    if (!make_sockets(stage, ends))
        return false;
    if (!stage->is_pending)
        load(stage, ends[1]);
    return set_reader(stage, ends[0]);
}

static bool set_send(const struct stage *stage)
{
    int ends[2];

    if (!make_sockets(stage, ends))
        return false;
    if (stage->is_pending)
        stuff(ends[1]);
    else
        stage->props->peer = ends[0];
    return set_writer(stage, ends[1]);
}

/* The payload, now and then with a descriptor of the actor's own. */
static void address_message(const struct stage *stage, int fd)
{
    struct stress_props *props = stage->props;
    struct cmsghdr *control;

    props->vectors[0] = (struct iovec){props->payload, STRESS_PAYLOAD};
    props->message = (struct msghdr){.msg_iov = props->vectors, .msg_iovlen = 1};
    if (draw(stage, 2) == 0)
        return;
    control = (struct cmsghdr *)props->control;
    *control = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    props->message.msg_control = control;
    props->message.msg_controllen = sizeof(props->control);
}

static bool set_recvmsg(const struct stage *stage)
{
    int ends[2];

    if (!make_sockets(stage, ends))
        return false;
    if (draw(stage, 2) == 0)
        stage->op->control_bytes = CMSG_SPACE(sizeof(int));
    address_message(stage, ends[draw(stage, 2)]);
    if (!stage->is_pending)
        STRESS_REQUIRE(CALL(sendmsg, ends[1], &stage->props->message, 0) == (long)STRESS_PAYLOAD);
    return set_reader(stage, ends[0]);
}

static bool set_sendmsg(const struct stage *stage)
{
    int ends[2];

    if (!make_sockets(stage, ends))
        return false;
    if (stage->is_pending)
        stuff(ends[1]);
    else
        stage->props->peer = ends[0];
    if (!set_writer(stage, ends[1]))
        return false;
    address_message(stage, ends[0]);
    if (stage->op->lease.value != 0)
        stage->props->message.msg_iovlen = 0;
    stage->op->data = &stage->props->message;
    return true;
}

static bool set_shutdown(const struct stage *stage)
{
    int ends[2];

    if (!make_sockets(stage, ends))
        return false;
    stage->op->fd = ends[0];
    stage->op->flags = SHUT_RDWR;
    return true;
}

static bool set_poll(const struct stage *stage)
{
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    if (!stage->is_pending)
        load(stage, ends[1]);
    stage->op->fd = ends[0];
    stage->op->flags = POLLIN;
    return true;
}

static bool set_timeout(const struct stage *stage)
{
    stage->op->timeout_ns = stage->is_pending ? HOUR_NS : 1000;
    return true;
}

static bool set_cancel(const struct stage *stage)
{
    stage->op->target = tsuga_timeout(stage->self, HOUR_NS);
    return tsuga_op_error(stage->op->target) == 0;
}

static void work(void *argument)
{
    struct stress_job *job = argument;
    struct timespec pause = {.tv_nsec = 100000};

    atomic_store_explicit(&job->has_begun, true, memory_order_release);
    stress_fill(job->payload, sizeof(job->payload), 2, 0);
    nanosleep(&pause, NULL); /* so that others queue up behind it, and actors end meanwhile */
}

/* Each job is used once; when there are none left, this kind of operation is over. */
static bool set_blocking(const struct stage *stage)
{
    struct stress_scenery *scenery = stage->props->scenery;
    uint32_t index = atomic_fetch_add_explicit(&scenery->job_count, 1, memory_order_relaxed);

    if (index >= STRESS_JOBS)
        return false;
    stage->props->job = &scenery->jobs[index];
    stage->op->run = work;
    stage->op->argument = stage->props->job;
    return true;
}

static bool set_file(const struct stage *stage)
{
    stage->op->fd = (int)CALL(openat, AT_FDCWD, stage->props->scenery->scrap, O_RDWR | O_CLOEXEC);
    stage->op->bytes = 1 + draw(stage, STRESS_PAYLOAD);
    stage->op->offset = draw(stage, STRESS_PAYLOAD);
    return adopt(stage, stage->op->fd);
}

/* From one pipe to another. */
static bool set_move(const struct stage *stage)
{
    int from[2];
    int to[2];

    if (!make_pipe(stage, from) || !make_pipe(stage, to))
        return false;
    if (!stage->is_pending)
        load(stage, from[1]);
    stage->props->peer = to[0];
    stage->op->fd = from[0];
    stage->op->fd2 = to[1];
    stage->op->bytes = STRESS_PAYLOAD;
    return true;
}

/* A few names that many make, move and remove at once: what comes of it is everybody's guess. */
static bool set_names(const struct stage *stage)
{
    stage->op->fd = stage->props->scenery->names;
    stage->op->fd2 = stage->props->scenery->names;
    stage->op->data = names[draw(stage, STRESS_NAMES)];
    stage->op->path = names[draw(stage, STRESS_NAMES)];
    stage->op->mode = 0700;
    if (stage->op->kind == TSUGA_OP_UNLINK && draw(stage, 2) == 0)
        stage->op->flags = AT_REMOVEDIR;
    return true;
}

static bool set_attribute(const struct stage *stage)
{
    stage->op->name = "user.tsuga";
    stage->op->bytes = 10;
    stage->op->data = stage->props->payload;
    if (draw(stage, 2) == 0) {
        stage->op->path = stage->props->scenery->scrap;
        return true;
    }
    return set_file(stage);
}

static bool set_list(const struct stage *stage)
{
    stage->op->fd = (int)CALL(openat, AT_FDCWD, stage->props->scenery->directory,
                              O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    stage->op->bytes = 1000;
    return adopt(stage, stage->op->fd);
}

/* In numbers, so that nobody is asked. */
static bool set_resolve(const struct stage *stage)
{
    static const struct tsuga_question question = {.host = "192.0.2.1", .service = "1"};

    stage->op->data = &question;
    return true;
}

static bool set_update(const struct stage *stage)
{
    stage->op->target = tsuga_timeout(stage->self, HOUR_NS);
    stage->op->timeout_ns = HOUR_NS;
    return tsuga_op_error(stage->op->target) == 0;
}

/* A read that the runtime does not know to be one. */
static bool set_raw(const struct stage *stage)
{
    struct tsuga_raw *raw = &stage->props->raw;
    int ends[2];

    if (!make_pipe(stage, ends))
        return false;
    if (!stage->is_pending)
        load(stage, ends[1]);
    *raw = (struct tsuga_raw){.opcode = IORING_OP_READ,
                              .uses = TSUGA_RAW_ADDR | TSUGA_RAW_FD,
                              .fd = ends[0],
                              .len = STRESS_PAYLOAD,
                              .addr2 = UINT64_MAX};
    stage->op->raw = raw;
    stage->op->bytes = STRESS_PAYLOAD;
    return tsuga_lease_make(stage->self, STRESS_PAYLOAD, &stage->op->lease) == 0;
}

static bool set_futex(const struct stage *stage)
{
    if (tsuga_lease_make(stage->self, sizeof(uint32_t), &stage->op->lease) != 0)
        return false;
    *(uint32_t *)tsuga_lease_data(stage->self, stage->op->lease) = 7;
    stage->op->offset = stage->is_pending ? 7 : 8;
    return true;
}

static bool set_waitid(const struct stage *stage)
{
    stage->op->mode = P_PID;
    stage->op->fd = stage->is_pending ? stage->props->scenery->child : getpid();
    stage->op->flags = WEXITED;
    stage->op->into = &stage->props->child;
    return true;
}

static bool (*const setters[TSUGA_OP_KIND_COUNT])(const struct stage *stage) = {
    [TSUGA_OP_NOP] = set_nothing,
    [TSUGA_OP_OPEN] = set_open,
    [TSUGA_OP_CLOSE] = set_close,
    [TSUGA_OP_READ] = set_read,
    [TSUGA_OP_WRITE] = set_write,
    [TSUGA_OP_READV] = set_readv,
    [TSUGA_OP_WRITEV] = set_writev,
    [TSUGA_OP_FSYNC] = set_fsync,
    [TSUGA_OP_STATX] = set_statx,
    [TSUGA_OP_SOCKET] = set_socket,
    [TSUGA_OP_BIND] = set_bind,
    [TSUGA_OP_LISTEN] = set_listen,
    [TSUGA_OP_ACCEPT] = set_accept,
    [TSUGA_OP_CONNECT] = set_connect,
    [TSUGA_OP_RECV] = set_recv,
    [TSUGA_OP_SEND] = set_send,
    [TSUGA_OP_RECVMSG] = set_recvmsg,
    [TSUGA_OP_SENDMSG] = set_sendmsg,
    [TSUGA_OP_SHUTDOWN] = set_shutdown,
    [TSUGA_OP_POLL] = set_poll,
    [TSUGA_OP_TIMEOUT] = set_timeout,
    [TSUGA_OP_CANCEL] = set_cancel,
    [TSUGA_OP_BLOCKING] = set_blocking,
    [TSUGA_OP_SYNC_RANGE] = set_file,
    [TSUGA_OP_ALLOCATE] = set_file,
    [TSUGA_OP_TRUNCATE] = set_file,
    [TSUGA_OP_ADVISE] = set_file,
    [TSUGA_OP_SPLICE] = set_move,
    [TSUGA_OP_TEE] = set_move,
    [TSUGA_OP_RENAME] = set_names,
    [TSUGA_OP_LINK] = set_names,
    [TSUGA_OP_UNLINK] = set_names,
    [TSUGA_OP_MKDIR] = set_names,
    [TSUGA_OP_SYMLINK] = set_names,
    [TSUGA_OP_GET_XATTR] = set_attribute,
    [TSUGA_OP_SET_XATTR] = set_attribute,
    [TSUGA_OP_LIST] = set_list,
    [TSUGA_OP_RESOLVE] = set_resolve,
    [TSUGA_OP_UPDATE] = set_update,
    [TSUGA_OP_RAW] = set_raw,
    [TSUGA_OP_FUTEX_WAIT] = set_futex,
    [TSUGA_OP_FUTEX_WAKE] = set_futex,
    [TSUGA_OP_WAITID] = set_waitid,
};

bool stress_props_set(struct stress_props *props, struct tsuga_actor *self, enum tsuga_op_kind kind,
                      bool is_pending, struct tsuga_op *op)
{
    struct stage stage = {props, self, op, is_pending};

    props->peer = -1;
    props->seed = stress_random(&props->random);
    stress_fill(props->payload, sizeof(props->payload), props->seed, 0);
    *op = (struct tsuga_op){.kind = kind, .fd = -1};
    return setters[kind](&stage);
}

/* What was written is what arrives. */
static void check_written(struct stress_props *props, const struct tsuga_completion *got)
{
    unsigned char arrived[STRESS_PAYLOAD];

    if (props->peer < 0 || got->result < 0)
        return;
    STRESS_REQUIRE(CALL(read, props->peer, arrived, sizeof(arrived)) == got->result);
    stress_compare(props->tally, arrived, (size_t)got->result, props->seed, 0);
}

static void check_read(struct stress_props *props, const struct tsuga_completion *got)
{
    const void *data = got->data != NULL ? got->data : props->into;

    if (got->result > 0)
        stress_compare(props->tally, data, (size_t)got->result, props->seed, 0);
}

void stress_props_check(struct stress_props *props, enum tsuga_op_kind kind,
                        const struct tsuga_completion *got)
{
    switch (kind) {
    case TSUGA_OP_READ:
    case TSUGA_OP_READV:
    case TSUGA_OP_RECV:
    case TSUGA_OP_RECVMSG:
        check_read(props, got);
        break;
    case TSUGA_OP_WRITE:
    case TSUGA_OP_WRITEV:
    case TSUGA_OP_SEND:
    case TSUGA_OP_SPLICE:
    case TSUGA_OP_TEE:
    case TSUGA_OP_SENDMSG:
        check_written(props, got);
        break;
    case TSUGA_OP_STATX:
        STRESS_REQUIRE(got->result != 0 || props->attributes.stx_size == STRESS_PAYLOAD);
        break;
    case TSUGA_OP_BLOCKING:
        if (got->result == 0)
            stress_compare(props->tally, props->job->payload, sizeof(props->job->payload), 2, 0);
        break;
    default:
        break;
    }
}
