#include "executor/ring_sqe.h"

#include <assert.h>
#include <linux/openat2.h>

/* Newer than the header of liburing 2.3. */
#define TSUGA_URING_OP_READ_MULTI 49u /* Linux 6.7 */
#define TSUGA_URING_OP_BIND       56u /* Linux 6.11 */
#define TSUGA_URING_OP_LISTEN     57u /* Linux 6.11 */

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
    (void)request;
    sqe->len = 1;
    /* Else a time that has run out would break a chain. */
    sqe->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
}

static void arrange_cancel(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    sqe->addr = request->offset;
    sqe->off = 0;
}

static void arrange_send_zc(struct io_uring_sqe *sqe, const struct tsuga_ring_request *request)
{
    (void)request;
    sqe->ioprio = TSUGA_URING_SEND_REPORT_USAGE;
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
    [TSUGA_RING_READ_MULTI] = {"read_multi", NULL, TSUGA_URING_OP_READ_MULTI},
};

#define ASYNC  TSUGA_RING_ASYNC
#define LINK   TSUGA_RING_LINK
#define SELECT TSUGA_RING_SELECT
#define HARD   TSUGA_RING_HARD

/* HARD says more about LINK, and nothing without it. */
const uint8_t tsuga_ring_sqe_flags[16] = {
    [ASYNC] = IOSQE_ASYNC,
    [LINK] = IOSQE_IO_LINK,
    [ASYNC | LINK] = IOSQE_ASYNC | IOSQE_IO_LINK,
    [SELECT] = IOSQE_BUFFER_SELECT,
    [ASYNC | SELECT] = IOSQE_ASYNC | IOSQE_BUFFER_SELECT,
    [LINK | SELECT] = IOSQE_IO_LINK | IOSQE_BUFFER_SELECT,
    [ASYNC | LINK | SELECT] = IOSQE_ASYNC | IOSQE_IO_LINK | IOSQE_BUFFER_SELECT,
    [ASYNC | HARD] = IOSQE_ASYNC,
    [LINK | HARD] = IOSQE_IO_HARDLINK,
    [ASYNC | LINK | HARD] = IOSQE_ASYNC | IOSQE_IO_HARDLINK,
    [SELECT | HARD] = IOSQE_BUFFER_SELECT,
    [ASYNC | SELECT | HARD] = IOSQE_ASYNC | IOSQE_BUFFER_SELECT,
    [LINK | SELECT | HARD] = IOSQE_IO_HARDLINK | IOSQE_BUFFER_SELECT,
    [ASYNC | LINK | SELECT | HARD] = IOSQE_ASYNC | IOSQE_IO_HARDLINK | IOSQE_BUFFER_SELECT,
};
