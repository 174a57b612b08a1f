#include "executor/ring_sqe.h"

#include <assert.h>
#include <linux/openat2.h>

/* Newer than the header of liburing 2.3. */
#define TSUGA_URING_OP_READ_MULTI   49u /* Linux 6.7 */
#define TSUGA_URING_OP_WAITID       50u /* Linux 6.7 */
#define TSUGA_URING_OP_FUTEX_WAIT   51u /* Linux 6.7 */
#define TSUGA_URING_OP_FUTEX_WAKE   52u /* Linux 6.7 */
#define TSUGA_URING_OP_FTRUNCATE    55u /* Linux 6.9 */
#define TSUGA_URING_OP_BIND         56u /* Linux 6.11 */
#define TSUGA_URING_OP_LISTEN       57u /* Linux 6.11 */
#define TSUGA_URING_OP_READV_FIXED  60u /* Linux 6.15 */
#define TSUGA_URING_OP_WRITEV_FIXED 61u /* Linux 6.15 */

#define TSUGA_FUTEX2_PRIVATE_U32 (128 | 2) /* Linux 6.7 */

#define TSUGA_URING_SEND_REPORT_USAGE (1u << 3) /* Linux 6.2 */

static_assert(TSUGA_RING_KIND_COUNT <= 64, "a set of kinds is 64 bits");
static_assert(sizeof(struct io_uring_sqe) == 64, "a submission entry is one cache line");

static void arrange_open(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr2 = (uintptr_t)request->address2;
    sqe->len = sizeof(struct open_how);
}

static void arrange_address2(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr2 = (uintptr_t)request->address2;
}

static void arrange_socket(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->off = request->length;
    sqe->len = request->flags;
    sqe->rw_flags = 0;
}

static void arrange_sockaddr(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr2 = request->length;
    sqe->len = 0;
}

static void arrange_shutdown(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->len = request->flags;
    sqe->rw_flags = 0;
}

static void arrange_watch(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    (void)request;
    sqe->len = IORING_POLL_ADD_MULTI;
}

static void arrange_timeout(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->len = 1;
    /* Else a time that has run out would break a chain. */
    sqe->timeout_flags = request->flags | IORING_TIMEOUT_ETIME_SUCCESS;
}

static void arrange_cancel(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr = request->offset;
    sqe->off = 0;
}

static void arrange_update(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr = request->offset;
    sqe->addr2 = (uintptr_t)request->address;
    sqe->timeout_flags = request->flags | IORING_TIMEOUT_UPDATE;
}

static void arrange_allocate(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr = request->number;
    sqe->len = request->flags;
    sqe->rw_flags = 0;
}

static void arrange_splice(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->splice_fd_in = (int32_t)request->number2;
}

static void arrange_xattr(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr2 = (uintptr_t)request->address2;
    sqe->addr3 = (uintptr_t)request->address3;
}

static void arrange_futex(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->fd = TSUGA_FUTEX2_PRIVATE_U32;
    sqe->addr2 = request->number2;
    sqe->addr3 = request->offset;
    sqe->len = 0;
}

static void arrange_waitid(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr2 = (uintptr_t)request->address2;
    sqe->file_index = request->flags;
    sqe->rw_flags = 0;
}

static void arrange_raw(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    const struct tsuga_raw *raw = request->address;

    sqe->opcode = raw->opcode;
    sqe->ioprio = raw->ioprio;
    sqe->fd = raw->fd;
    sqe->addr2 = raw->addr2;
    sqe->addr = raw->addr;
    sqe->len = raw->len;
    sqe->rw_flags = (__kernel_rwf_t)raw->op_flags;
    sqe->buf_index = raw->buf_index;
    sqe->splice_fd_in = raw->splice_fd_in;
    sqe->addr3 = raw->addr3;
    sqe->__pad2[0] = raw->pad2;
}

static void arrange_send_zc(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    (void)request;
    sqe->ioprio = TSUGA_URING_SEND_REPORT_USAGE;
}

static void arrange_send_zc_fixed(struct io_uring_sqe *sqe,
                                  const struct tsuga_ring_request *request)
{
    (void)request;
    sqe->ioprio = TSUGA_URING_SEND_REPORT_USAGE | IORING_RECVSEND_FIXED_BUF;
}

static void arrange_accept_multi(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    (void)request;
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
}

static void arrange_recv_multi(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    (void)request;
    sqe->ioprio = IORING_RECV_MULTISHOT;
}

const struct tsuga_ring_operation tsuga_ring_operations[TSUGA_RING_KIND_COUNT] = {
    [TSUGA_RING_NOP] = {"nop", NULL, IORING_OP_NOP},
    [TSUGA_RING_OPEN] = {"open", arrange_open, IORING_OP_OPENAT2},
    [TSUGA_RING_CLOSE] = {"close", NULL, IORING_OP_CLOSE},
    [TSUGA_RING_READ] = {"read", NULL, IORING_OP_READ},
    [TSUGA_RING_WRITE] = {"write", NULL, IORING_OP_WRITE},
    [TSUGA_RING_READV] = {"readv", NULL, IORING_OP_READV},
    [TSUGA_RING_WRITEV] = {"writev", NULL, IORING_OP_WRITEV},
    [TSUGA_RING_FSYNC] = {"fsync", NULL, IORING_OP_FSYNC},
    [TSUGA_RING_STATX] = {"statx", arrange_address2, IORING_OP_STATX},
    [TSUGA_RING_SOCKET] = {"socket", arrange_socket, IORING_OP_SOCKET},
    [TSUGA_RING_BIND] = {"bind", arrange_sockaddr, TSUGA_URING_OP_BIND},
    [TSUGA_RING_LISTEN] = {"listen", NULL, TSUGA_URING_OP_LISTEN},
    [TSUGA_RING_ACCEPT] = {"accept", arrange_address2, IORING_OP_ACCEPT},
    [TSUGA_RING_CONNECT] = {"connect", arrange_sockaddr, IORING_OP_CONNECT},
    [TSUGA_RING_RECV] = {"recv", NULL, IORING_OP_RECV},
    [TSUGA_RING_SEND] = {"send", NULL, IORING_OP_SEND},
    [TSUGA_RING_RECVMSG] = {"recvmsg", NULL, IORING_OP_RECVMSG},
    [TSUGA_RING_SENDMSG] = {"sendmsg", NULL, IORING_OP_SENDMSG},
    [TSUGA_RING_SHUTDOWN] = {"shutdown", arrange_shutdown, IORING_OP_SHUTDOWN},
    [TSUGA_RING_POLL] = {"poll", NULL, IORING_OP_POLL_ADD},
    [TSUGA_RING_WATCH] = {"watch", arrange_watch, IORING_OP_POLL_ADD},
    [TSUGA_RING_TIMEOUT] = {"timeout", arrange_timeout, IORING_OP_TIMEOUT},
    [TSUGA_RING_CANCEL] = {"cancel", arrange_cancel, IORING_OP_ASYNC_CANCEL},
    [TSUGA_RING_SEND_ZC] = {"send_zc", arrange_send_zc, IORING_OP_SEND_ZC},
    [TSUGA_RING_ACCEPT_MULTI] = {"accept_multi", arrange_accept_multi, IORING_OP_ACCEPT},
    [TSUGA_RING_RECV_MULTI] = {"recv_multi", arrange_recv_multi, IORING_OP_RECV},
    [TSUGA_RING_RECVMSG_MULTI] = {"recvmsg_multi", arrange_recv_multi, IORING_OP_RECVMSG},
    [TSUGA_RING_READ_MULTI] = {"read_multi", NULL, TSUGA_URING_OP_READ_MULTI},
    [TSUGA_RING_SYNC_RANGE] = {"sync_range", NULL, IORING_OP_SYNC_FILE_RANGE},
    [TSUGA_RING_ALLOCATE] = {"allocate", arrange_allocate, IORING_OP_FALLOCATE},
    [TSUGA_RING_TRUNCATE] = {"truncate", NULL, TSUGA_URING_OP_FTRUNCATE},
    [TSUGA_RING_ADVISE] = {"advise", NULL, IORING_OP_FADVISE},
    [TSUGA_RING_SPLICE] = {"splice", arrange_splice, IORING_OP_SPLICE},
    [TSUGA_RING_TEE] = {"tee", arrange_splice, IORING_OP_TEE},
    [TSUGA_RING_RENAME] = {"rename", arrange_address2, IORING_OP_RENAMEAT},
    [TSUGA_RING_LINK_PATH] = {"link", arrange_address2, IORING_OP_LINKAT},
    [TSUGA_RING_UNLINK] = {"unlink", NULL, IORING_OP_UNLINKAT},
    [TSUGA_RING_MKDIR] = {"mkdir", NULL, IORING_OP_MKDIRAT},
    [TSUGA_RING_SYMLINK] = {"symlink", arrange_address2, IORING_OP_SYMLINKAT},
    [TSUGA_RING_GET_XATTR] = {"get_xattr", arrange_xattr, IORING_OP_GETXATTR},
    [TSUGA_RING_SET_XATTR] = {"set_xattr", arrange_xattr, IORING_OP_SETXATTR},
    [TSUGA_RING_FGET_XATTR] = {"fget_xattr", arrange_xattr, IORING_OP_FGETXATTR},
    [TSUGA_RING_FSET_XATTR] = {"fset_xattr", arrange_xattr, IORING_OP_FSETXATTR},
    [TSUGA_RING_UPDATE] = {"update", arrange_update, IORING_OP_TIMEOUT_REMOVE},
    [TSUGA_RING_RAW] = {"raw", arrange_raw, IORING_OP_NOP},
    [TSUGA_RING_FUTEX_WAIT] = {"futex_wait", arrange_futex, TSUGA_URING_OP_FUTEX_WAIT},
    [TSUGA_RING_FUTEX_WAKE] = {"futex_wake", arrange_futex, TSUGA_URING_OP_FUTEX_WAKE},
    [TSUGA_RING_WAITID] = {"waitid", arrange_waitid, TSUGA_URING_OP_WAITID},
    [TSUGA_RING_READ_FIXED] = {"read_fixed", NULL, IORING_OP_READ_FIXED},
    [TSUGA_RING_WRITE_FIXED] = {"write_fixed", NULL, IORING_OP_WRITE_FIXED},
    [TSUGA_RING_READV_FIXED] = {"readv_fixed", NULL, TSUGA_URING_OP_READV_FIXED},
    [TSUGA_RING_WRITEV_FIXED] = {"writev_fixed", NULL, TSUGA_URING_OP_WRITEV_FIXED},
    [TSUGA_RING_SEND_ZC_FIXED] = {"send_zc_fixed", arrange_send_zc_fixed, IORING_OP_SEND_ZC},
};

#define ASYNC  TSUGA_RING_ASYNC
#define LINK   TSUGA_RING_LINK
#define SELECT TSUGA_RING_SELECT
#define HARD   TSUGA_RING_HARD

/* Those of all combinations that have FILE, or have it not. HARD says more about LINK, and nothing
 * without it. */
#define COMBINATIONS(file, flags)                                                                  \
    [(file)] = (flags), [(file) | HARD] = (flags), [(file) | ASYNC] = (flags) | IOSQE_ASYNC,       \
    [(file) | ASYNC | HARD] = (flags) | IOSQE_ASYNC, [(file) | LINK] = (flags) | IOSQE_IO_LINK,    \
    [(file) | LINK | HARD] = (flags) | IOSQE_IO_HARDLINK,                                          \
    [(file) | ASYNC | LINK] = (flags) | IOSQE_ASYNC | IOSQE_IO_LINK,                               \
    [(file) | ASYNC | LINK | HARD] = (flags) | IOSQE_ASYNC | IOSQE_IO_HARDLINK

#define ALL_COMBINATIONS(file, flags)                                                              \
    COMBINATIONS(file, flags), COMBINATIONS((file) | SELECT, (flags) | IOSQE_BUFFER_SELECT)

const uint8_t tsuga_ring_sqe_flags[32] = {
    ALL_COMBINATIONS(0, 0),
    ALL_COMBINATIONS(TSUGA_RING_FILE, IOSQE_FIXED_FILE),
};
