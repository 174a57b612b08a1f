#include "tests/support/kill_kinds.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/limits.h"
#include "tests/support/test.h"

#define SEED    1u
#define HOUR_NS (3600 * TSUGA_NS_PER_S)

static const char *const names[] = {"a", "b"};

void tsuga_kill_scenery_build(struct tsuga_kill_scenery *scenery)
{
    scenery->directory = tsuga_fixture_path();
    CHECK_INT(mkdir(scenery->directory.text, 0700), 0);
    scenery->names = open(scenery->directory.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(scenery->names >= 0);
    scenery->file = tsuga_fixture_file(TSUGA_KILL_BYTES, SEED);
    scenery->fifo = tsuga_fixture_path();
    CHECK_INT(mkfifo(scenery->fifo.text, 0600), 0);
}

static void remove_names(const struct tsuga_kill_scenery *scenery)
{
    for (size_t i = 0; i < 2; i++) {
        (void)unlinkat(scenery->names, names[i], 0);
        (void)unlinkat(scenery->names, names[i], AT_REMOVEDIR);
    }
}

void tsuga_kill_scenery_strike(struct tsuga_kill_scenery *scenery)
{
    remove_names(scenery);
    tsuga_fixture_close(&scenery->names, 1);
    CHECK_INT(rmdir(scenery->directory.text), 0);
    CHECK_INT(unlink(scenery->file.text), 0);
    CHECK_INT(unlink(scenery->fifo.text), 0);
}

void tsuga_kill_stage_strike(struct tsuga_kill_stage *stage)
{
    tsuga_fixture_close(stage->peers, stage->peer_count);
    stage->peer_count = 0;
}

static struct tsuga_op *op_of(struct tsuga_kill_stage *stage)
{
    return &stage->ops[stage->op_count - 1];
}

static void begin(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind)
{
    tsuga_content_fill(stage->bytes, sizeof(stage->bytes), SEED, 0);
    stage->op_count = 1;
    stage->ops[0] = (struct tsuga_op){.kind = kind, .fd = -1, .fd2 = -1};
}

/* The actor's from here on: its end closes it. */
static int own(struct tsuga_kill_stage *stage, int fd)
{
    CHECK(fd >= 0);
    CHECK_INT(tsuga_fd_adopt(stage->self, fd), 0);
    return fd;
}

static void set_peer(struct tsuga_kill_stage *stage, int fd)
{
    CHECK(fd >= 0);
    CHECK(stage->peer_count < sizeof(stage->peers) / sizeof(stage->peers[0]));
    stage->peers[stage->peer_count++] = fd;
}

static void load(struct tsuga_kill_stage *stage, int fd)
{
    if (!stage->is_pending)
        tsuga_fixture_write(fd, stage->bytes, sizeof(stage->bytes));
}

/* Leaves no room for a single byte. */
static void stuff(const struct tsuga_kill_stage *stage, int fd)
{
    static const char zeros[4096];
    int flags = fcntl(fd, F_GETFL);

    if (!stage->is_pending)
        return;
    CHECK_INT(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        continue;
    while (write(fd, zeros, 1) > 0)
        continue;
    CHECK_INT(fcntl(fd, F_SETFL, flags), 0);
}

/* The end of a pipe to be read, or of a socket pair, with something in it or not. */
static int readable_pipe(struct tsuga_kill_stage *stage)
{
    int ends[2];

    tsuga_fixture_pipe(ends);
    set_peer(stage, ends[1]);
    load(stage, ends[1]);
    return own(stage, ends[0]);
}

static int writable_pipe(struct tsuga_kill_stage *stage)
{
    int ends[2];

    tsuga_fixture_pipe(ends);
    set_peer(stage, ends[0]);
    stuff(stage, ends[1]);
    return own(stage, ends[1]);
}

static int readable_socket(struct tsuga_kill_stage *stage)
{
    int ends[2];

    tsuga_fixture_sockets(ends);
    set_peer(stage, ends[1]);
    load(stage, ends[1]);
    return own(stage, ends[0]);
}

static int writable_socket(struct tsuga_kill_stage *stage)
{
    int ends[2];

    tsuga_fixture_sockets(ends);
    set_peer(stage, ends[1]);
    stuff(stage, ends[0]);
    return own(stage, ends[0]);
}

static int tcp(struct tsuga_kill_stage *stage)
{
    int listener = tsuga_fixture_listener(&stage->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_INT(connect(fd, (struct sockaddr *)&stage->address, sizeof(stage->address)), 0);
    set_peer(stage, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    tsuga_fixture_close(&listener, 1);
    return own(stage, fd);
}

static void lease(struct tsuga_kill_stage *stage)
{
    struct tsuga_op *op = op_of(stage);

    CHECK_INT(tsuga_lease_make(stage->self, TSUGA_KILL_BYTES, &op->lease), 0);
    memcpy(tsuga_lease_data(stage->self, op->lease), stage->bytes, TSUGA_KILL_BYTES);
    op->bytes = TSUGA_KILL_BYTES;
}

static void set_vectors(struct tsuga_kill_stage *stage)
{
    stage->vectors[0] = (struct iovec){stage->bytes, 100};
    stage->vectors[1] = (struct iovec){stage->bytes + 100, TSUGA_KILL_BYTES - 100};
    op_of(stage)->data = stage->vectors;
    op_of(stage)->bytes = 2;
}

/* Single operations, in the order of their kinds. */

static void set_nop(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_NOP);
}

static void set_silent(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_READ);
    op_of(stage)->options = TSUGA_OP_SILENT;
    op_of(stage)->fd = readable_pipe(stage);
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
}

static void set_open(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_OPEN);
    op_of(stage)->fd = AT_FDCWD;
    op_of(stage)->flags = O_RDONLY;
    op_of(stage)->data = stage->is_pending ? stage->scenery->fifo.text : stage->scenery->file.text;
    if (stage->is_pending) /* without it the kernel tries without waiting, and that succeeds */
        op_of(stage)->options = TSUGA_OP_ASYNC;
}

static void set_close(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_CLOSE);
    op_of(stage)->fd = readable_pipe(stage);
}

static void set_read(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_READ);
    op_of(stage)->fd = readable_pipe(stage);
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
}

static void set_read_into(struct tsuga_kill_stage *stage)
{
    set_read(stage);
    op_of(stage)->into = stage->bytes;
}

static void set_read_lease(struct tsuga_kill_stage *stage)
{
    set_read(stage);
    lease(stage);
}

static void set_read_sized(struct tsuga_kill_stage *stage)
{
    set_read(stage);
    stage->sizer = tsuga_sizer_adaptive(256, 1024);
    op_of(stage)->bytes = 0;
    op_of(stage)->sizer = &stage->sizer;
}

static void set_read_limited(struct tsuga_kill_stage *stage)
{
    set_read(stage);
    op_of(stage)->timeout_ns = HOUR_NS;
}

static void set_write(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_WRITE);
    op_of(stage)->fd = writable_pipe(stage);
    op_of(stage)->data = stage->bytes;
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
}

static void set_write_lease(struct tsuga_kill_stage *stage)
{
    set_write(stage);
    op_of(stage)->data = NULL;
    lease(stage);
}

static void set_readv(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_READV);
    op_of(stage)->fd = readable_pipe(stage);
    set_vectors(stage);
}

static void set_writev(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_WRITEV);
    op_of(stage)->fd = writable_pipe(stage);
    set_vectors(stage);
}

static int memory_file(struct tsuga_kill_stage *stage)
{
    return own(stage, tsuga_fixture_memory_file(TSUGA_KILL_BYTES, SEED));
}

static void set_fixed(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind)
{
    begin(stage, kind);
    op_of(stage)->options = TSUGA_OP_AT;
    op_of(stage)->fd = memory_file(stage);
}

static void set_read_fixed(struct tsuga_kill_stage *stage)
{
    set_fixed(stage, TSUGA_OP_READ);
    lease(stage);
}

static void set_write_fixed(struct tsuga_kill_stage *stage)
{
    set_fixed(stage, TSUGA_OP_WRITE);
    lease(stage);
}

static void set_readv_fixed(struct tsuga_kill_stage *stage)
{
    set_fixed(stage, TSUGA_OP_READV);
    set_vectors(stage);
}

static void set_writev_fixed(struct tsuga_kill_stage *stage)
{
    set_fixed(stage, TSUGA_OP_WRITEV);
    set_vectors(stage);
}

static void set_fsync(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_FSYNC);
    op_of(stage)->fd = own(stage, open(stage->scenery->file.text, O_RDONLY | O_CLOEXEC));
}

static void set_statx(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_STATX);
    op_of(stage)->fd = AT_FDCWD;
    op_of(stage)->data = stage->scenery->file.text;
    op_of(stage)->mode = STATX_SIZE;
    op_of(stage)->into = &stage->attributes;
}

static void set_socket(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_SOCKET);
    op_of(stage)->mode = AF_INET;
    op_of(stage)->flags = SOCK_STREAM;
}

static int new_socket(struct tsuga_kill_stage *stage)
{
    stage->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    op_of(stage)->data = &stage->address;
    op_of(stage)->bytes = sizeof(stage->address);
    return own(stage, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void set_bind(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_BIND);
    op_of(stage)->fd = new_socket(stage);
}

static void set_listen(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_LISTEN);
    op_of(stage)->fd = new_socket(stage);
    op_of(stage)->flags = 5;
}

static int listener(struct tsuga_kill_stage *stage, bool has_caller)
{
    int fd = tsuga_fixture_listener(&stage->address);

    if (has_caller) {
        set_peer(stage, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CHECK_INT(
            connect(stage->peers[0], (struct sockaddr *)&stage->address, sizeof(stage->address)),
            0);
    }
    return own(stage, fd);
}

static void set_accept(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_ACCEPT);
    op_of(stage)->options = TSUGA_OP_PEER;
    op_of(stage)->fd = listener(stage, !stage->is_pending);
}

static void set_connect(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_CONNECT);
    op_of(stage)->fd = new_socket(stage);
    set_peer(stage, tsuga_fixture_listener(&stage->address));
}

static void set_recv(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_RECV);
    op_of(stage)->fd = readable_socket(stage);
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
}

static void set_send(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_SEND);
    op_of(stage)->fd = writable_socket(stage);
    op_of(stage)->data = stage->bytes;
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
}

static void set_recvmsg(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_RECVMSG);
    op_of(stage)->fd = readable_socket(stage);
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
    op_of(stage)->control_bytes = 64;
}

static void set_sendmsg(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_SENDMSG);
    op_of(stage)->fd = writable_socket(stage);
    set_vectors(stage);
    stage->message = (struct msghdr){.msg_iov = stage->vectors, .msg_iovlen = 2};
    op_of(stage)->data = &stage->message;
    op_of(stage)->bytes = 0;
}

static void set_shutdown(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_SHUTDOWN);
    op_of(stage)->fd = readable_socket(stage);
    op_of(stage)->flags = SHUT_RDWR;
}

static void set_poll(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_POLL);
    op_of(stage)->fd = readable_pipe(stage);
    op_of(stage)->flags = POLLIN;
}

static void set_timeout(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_TIMEOUT);
    op_of(stage)->timeout_ns = stage->is_pending ? HOUR_NS : 1000;
}

static void set_target(struct tsuga_kill_stage *stage)
{
    op_of(stage)->target = tsuga_timeout(stage->self, HOUR_NS);
    CHECK_INT(tsuga_op_error(op_of(stage)->target), 0);
}

static void set_cancel(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_CANCEL);
    set_target(stage);
}

static void set_update(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_UPDATE);
    set_target(stage);
    op_of(stage)->timeout_ns = HOUR_NS;
}

static void set_blocking(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_BLOCKING);
    op_of(stage)->run = stage->work;
    op_of(stage)->argument = stage->argument;
}

static void set_range(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind)
{
    begin(stage, kind);
    op_of(stage)->fd = memory_file(stage);
    op_of(stage)->offset = 10;
    op_of(stage)->bytes = 100;
}

static void set_sync_range(struct tsuga_kill_stage *stage)
{
    set_range(stage, TSUGA_OP_SYNC_RANGE);
}

static void set_allocate(struct tsuga_kill_stage *stage)
{
    set_range(stage, TSUGA_OP_ALLOCATE);
}

static void set_truncate(struct tsuga_kill_stage *stage)
{
    set_range(stage, TSUGA_OP_TRUNCATE);
}

static void set_advise(struct tsuga_kill_stage *stage)
{
    set_range(stage, TSUGA_OP_ADVISE);
}

static void set_move(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind)
{
    begin(stage, kind);
    op_of(stage)->fd = readable_pipe(stage);
    op_of(stage)->bytes = TSUGA_KILL_BYTES;
    stage->is_pending = false; /* what is read from keeps it waiting, if anything */
    op_of(stage)->fd2 = writable_pipe(stage);
}

static void set_splice(struct tsuga_kill_stage *stage)
{
    set_move(stage, TSUGA_OP_SPLICE);
}

static void set_tee(struct tsuga_kill_stage *stage)
{
    set_move(stage, TSUGA_OP_TEE);
}

/* From "a", which is there, to "b", which is not. */
static void set_names(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind, bool has_first)
{
    int fd = -1;

    begin(stage, kind);
    remove_names(stage->scenery);
    if (has_first)
        fd = openat(stage->scenery->names, names[0], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (has_first)
        tsuga_fixture_close(&fd, 1);
    op_of(stage)->fd = stage->scenery->names;
    op_of(stage)->fd2 = stage->scenery->names;
    op_of(stage)->data = names[0];
    op_of(stage)->path = names[1];
    op_of(stage)->mode = 0700;
}

static void set_rename(struct tsuga_kill_stage *stage)
{
    set_names(stage, TSUGA_OP_RENAME, true);
}

static void set_link(struct tsuga_kill_stage *stage)
{
    set_names(stage, TSUGA_OP_LINK, true);
}

static void set_unlink(struct tsuga_kill_stage *stage)
{
    set_names(stage, TSUGA_OP_UNLINK, true);
}

static void set_mkdir(struct tsuga_kill_stage *stage)
{
    set_names(stage, TSUGA_OP_MKDIR, false);
}

static void set_symlink(struct tsuga_kill_stage *stage)
{
    set_names(stage, TSUGA_OP_SYMLINK, false);
}

static void set_attribute(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind)
{
    begin(stage, kind);
    op_of(stage)->name = "user.tsuga";
    op_of(stage)->path = stage->scenery->file.text;
    op_of(stage)->data = kind == TSUGA_OP_SET_XATTR ? stage->bytes : NULL;
    op_of(stage)->bytes = 10;
}

static void set_get_xattr(struct tsuga_kill_stage *stage)
{
    set_attribute(stage, TSUGA_OP_GET_XATTR);
}

static void set_set_xattr(struct tsuga_kill_stage *stage)
{
    set_attribute(stage, TSUGA_OP_SET_XATTR);
}

static void set_list(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_LIST);
    op_of(stage)->fd =
        own(stage, open(stage->scenery->directory.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    op_of(stage)->bytes = 1000;
}

static void set_resolve(struct tsuga_kill_stage *stage)
{
    static const struct tsuga_question question = {
        .host = "127.0.0.1", .service = "80", .flags = AI_NUMERICHOST | AI_NUMERICSERV};

    begin(stage, TSUGA_OP_RESOLVE);
    op_of(stage)->data = &question;
}

static void set_raw(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_RAW);
    stage->raw = (struct tsuga_raw){.opcode = IORING_OP_READ,
                                    .uses = TSUGA_RAW_ADDR | TSUGA_RAW_FD,
                                    .fd = readable_pipe(stage),
                                    .len = TSUGA_KILL_BYTES,
                                    .addr2 = UINT64_MAX};
    op_of(stage)->raw = &stage->raw;
    lease(stage);
}

static void set_futex(struct tsuga_kill_stage *stage, enum tsuga_op_kind kind)
{
    begin(stage, kind);
    lease(stage);
    op_of(stage)->bytes = 0;
    *(uint32_t *)tsuga_lease_data(stage->self, op_of(stage)->lease) = 7;
    op_of(stage)->offset = stage->is_pending ? 7 : 8;
}

static void set_futex_wait(struct tsuga_kill_stage *stage)
{
    set_futex(stage, TSUGA_OP_FUTEX_WAIT);
}

static void set_futex_wake(struct tsuga_kill_stage *stage)
{
    set_futex(stage, TSUGA_OP_FUTEX_WAKE);
}

static void set_waitid(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_WAITID);
    op_of(stage)->mode = P_PID;
    op_of(stage)->fd = getpid(); /* no child: an error at once */
    op_of(stage)->flags = WEXITED;
    op_of(stage)->into = &stage->child;
}

/* A chain that stands at its second member. */
static void set_chain(struct tsuga_kill_stage *stage)
{
    set_read(stage);
    stage->ops[1] = stage->ops[0];
    stage->ops[0] = (struct tsuga_op){.kind = TSUGA_OP_NOP};
    stage->op_count = 2;
}

/* Zero copy. */

static void set_zero_copy(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_SEND);
    op_of(stage)->options = TSUGA_OP_ZERO_COPY;
    op_of(stage)->fd = tcp(stage);
    lease(stage);
}

static void set_early(struct tsuga_kill_stage *stage)
{
    set_zero_copy(stage);
    op_of(stage)->options |= TSUGA_OP_EARLY;
}

/* Streams: something comes at once. */

static void make_stream(struct tsuga_kill_stage *stage)
{
    op_of(stage)->options |= TSUGA_OP_MULTI;
    op_of(stage)->bytes = 0;
}

static void set_group(struct tsuga_kill_stage *stage, bool is_incremental)
{
    struct tsuga_group_options options = {
        .buffer_bytes = 4096, .buffer_count = 4, .incremental = is_incremental};

    tsuga_make_group(stage->self, &options, &op_of(stage)->group);
}

static void set_recv_stream(struct tsuga_kill_stage *stage)
{
    set_recv(stage);
    make_stream(stage);
}

static void set_recv_group(struct tsuga_kill_stage *stage)
{
    set_recv_stream(stage);
    set_group(stage, false);
}

static void set_recv_pieces(struct tsuga_kill_stage *stage)
{
    set_recv_stream(stage);
    set_group(stage, true);
}

static void set_recvmsg_stream(struct tsuga_kill_stage *stage)
{
    set_recvmsg(stage);
    make_stream(stage);
}

static void set_recvmsg_group(struct tsuga_kill_stage *stage)
{
    set_recvmsg_stream(stage);
    set_group(stage, false);
}

static void set_read_stream(struct tsuga_kill_stage *stage)
{
    set_read(stage);
    make_stream(stage);
}

static void set_accept_stream(struct tsuga_kill_stage *stage)
{
    set_accept(stage);
    make_stream(stage);
}

static void set_poll_stream(struct tsuga_kill_stage *stage)
{
    set_poll(stage);
    make_stream(stage);
}

static void set_periods(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_TIMEOUT);
    make_stream(stage);
    op_of(stage)->timeout_ns = stage->is_pending ? HOUR_NS : TSUGA_NS_PER_MS;
}

static void set_raw_stream(struct tsuga_kill_stage *stage)
{
    begin(stage, TSUGA_OP_RAW);
    stage->raw = (struct tsuga_raw){.opcode = IORING_OP_POLL_ADD,
                                    .uses = TSUGA_RAW_FD,
                                    .fd = readable_pipe(stage),
                                    .len = IORING_POLL_ADD_MULTI,
                                    .op_flags = POLLIN};
    op_of(stage)->raw = &stage->raw;
    op_of(stage)->options = TSUGA_OP_MULTI;
}

#define SINGLE(name_, set_)                                                                        \
    {                                                                                              \
        .name = (name_), .set = (set_)                                                             \
    }
#define MODERN(name_, set_, needs_)                                                                \
    {                                                                                              \
        .name = (name_), .set = (set_), .needs = TSUGA_RING_##needs_                               \
    }
#define STREAM(name_, set_)                                                                        \
    {                                                                                              \
        .name = (name_), .set = (set_), .is_many = true, .is_stream = true                         \
    }
#define FIXED(name_, set_, needs_)                                                                 \
    {                                                                                              \
        .name = (name_), .set = (set_), .needs = TSUGA_RING_##needs_, .is_fixed = true             \
    }

const struct tsuga_kill_kind tsuga_kill_kinds[] = {
    SINGLE("nop", set_nop),
    SINGLE("open", set_open),
    {.name = "close", .set = set_close, .is_impatient = true},
    SINGLE("read", set_read),
    SINGLE("read into", set_read_into),
    SINGLE("read lease", set_read_lease),
    SINGLE("read sized", set_read_sized),
    SINGLE("read limited", set_read_limited),
    {.name = "read silent", .set = set_silent, .is_silent = true},
    SINGLE("write", set_write),
    SINGLE("write lease", set_write_lease),
    SINGLE("readv", set_readv),
    SINGLE("writev", set_writev),
    FIXED("read fixed", set_read_fixed, READ_FIXED),
    FIXED("write fixed", set_write_fixed, WRITE_FIXED),
    FIXED("readv fixed", set_readv_fixed, READV_FIXED),
    FIXED("writev fixed", set_writev_fixed, WRITEV_FIXED),
    SINGLE("fsync", set_fsync),
    SINGLE("statx", set_statx),
    SINGLE("socket", set_socket),
    MODERN("bind", set_bind, BIND),
    MODERN("listen", set_listen, LISTEN),
    SINGLE("accept", set_accept),
    SINGLE("connect", set_connect),
    SINGLE("recv", set_recv),
    SINGLE("send", set_send),
    SINGLE("recvmsg", set_recvmsg),
    SINGLE("sendmsg", set_sendmsg),
    SINGLE("shutdown", set_shutdown),
    SINGLE("poll", set_poll),
    SINGLE("timeout", set_timeout),
    {.name = "cancel", .set = set_cancel, .is_impatient = true},
    {.name = "blocking", .set = set_blocking, .is_job = true},
    SINGLE("sync range", set_sync_range),
    SINGLE("allocate", set_allocate),
    MODERN("truncate", set_truncate, TRUNCATE),
    SINGLE("advise", set_advise),
    SINGLE("splice", set_splice),
    SINGLE("tee", set_tee),
    SINGLE("rename", set_rename),
    SINGLE("link", set_link),
    SINGLE("unlink", set_unlink),
    SINGLE("mkdir", set_mkdir),
    SINGLE("symlink", set_symlink),
    SINGLE("get xattr", set_get_xattr),
    SINGLE("set xattr", set_set_xattr),
    {.name = "list", .set = set_list, .is_job = true},
    {.name = "resolve", .set = set_resolve, .is_job = true},
    SINGLE("update", set_update),
    SINGLE("raw", set_raw),
    MODERN("futex wait", set_futex_wait, FUTEX_WAIT),
    MODERN("futex wake", set_futex_wake, FUTEX_WAKE),
    MODERN("waitid", set_waitid, WAITID),
    {.name = "chain", .set = set_chain, .is_many = true},
    {.name = "zero copy", .set = set_zero_copy, .needs = TSUGA_RING_SEND_ZC, .is_many = true},
    {.name = "zero copy plain",
     .set = set_zero_copy,
     .needs = TSUGA_RING_SEND_ZC,
     .is_many = true,
     .is_continued = true},
    {.name = "zero copy early", .set = set_early, .needs = TSUGA_RING_SEND_ZC, .is_many = true},
    STREAM("recv stream", set_recv_stream),
    STREAM("recv group", set_recv_group),
    STREAM("recv pieces", set_recv_pieces),
    STREAM("recvmsg stream", set_recvmsg_stream),
    STREAM("recvmsg group", set_recvmsg_group),
    STREAM("read stream", set_read_stream),
    STREAM("accept stream", set_accept_stream),
    STREAM("poll stream", set_poll_stream),
    {.name = "periods", .set = set_periods, .is_many = true, .is_stream = true, .is_own = true},
    STREAM("raw stream", set_raw_stream),
};

const size_t tsuga_kill_kind_count = sizeof(tsuga_kill_kinds) / sizeof(tsuga_kill_kinds[0]);
