#include "tests/bench/support_sendmmsg.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/support.h"

void tsuga_bench_sendmmsg_open(struct tsuga_bench_sendmmsg *raw, int fd, size_t bytes)
{
    static const int on = 1;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) != 0)
        tsuga_bench_fail("SO_ZEROCOPY", -errno);
    memset(memory, 1, bytes);
    *raw = (struct tsuga_bench_sendmmsg){.fd = fd, .piece = {memory, bytes}};
    for (uint32_t i = 0; i < TSUGA_BENCH_SENDMMSG_DEPTH; i++)
        raw->batch[i].msg_hdr = (struct msghdr){.msg_iov = &raw->piece, .msg_iovlen = 1};
}

void tsuga_bench_sendmmsg_close(struct tsuga_bench_sendmmsg *raw)
{
    munmap(raw->piece.iov_base, raw->piece.iov_len);
}

/* A notification is of a range of sends: the kernel puts together what nobody has read yet. */
static void take(struct tsuga_bench_sendmmsg *raw, struct msghdr *header)
{
    const struct cmsghdr *first = CMSG_FIRSTHDR(header);
    struct sock_extended_err range;
    uint32_t count;

    if (first == NULL || first->cmsg_level != SOL_IP || first->cmsg_type != IP_RECVERR)
        tsuga_bench_fail("a notification", -EBADMSG);
    memcpy(&range, CMSG_DATA(first), sizeof(range));
    if (range.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
        tsuga_bench_fail("a datagram", -(int)range.ee_errno);
    count = range.ee_data - range.ee_info + 1;
    raw->inflight -= count;
    raw->notified += count;
    if ((range.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0)
        raw->copied += count;
}

static void await_notification(struct tsuga_bench_sendmmsg *raw)
{
    struct pollfd error = {.fd = raw->fd}; /* POLLERR is always asked for */
    char control[256];
    struct msghdr header = {.msg_control = control, .msg_controllen = sizeof(control)};

    while (recvmsg(raw->fd, &header, MSG_ERRQUEUE) != 0) {
        tsuga_bench_require("recvmsg", errno == EAGAIN ? 0 : -errno);
        (void)poll(&error, 1, -1);
    }
    take(raw, &header);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

double tsuga_bench_sendmmsg_run(struct tsuga_bench_sendmmsg *raw, uint32_t count, int flags)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    uint32_t left = count;

    while (left > 0 || raw->inflight > 0) {
        uint32_t batch = smaller(left, TSUGA_BENCH_SENDMMSG_DEPTH - raw->inflight);
        int sent = batch == 0 ? 0 : sendmmsg(raw->fd, raw->batch, batch, flags);

        tsuga_bench_require("sendmmsg", sent < 0 ? -errno : 0);
        left -= (uint32_t)sent;
        if ((flags & MSG_ZEROCOPY) == 0)
            continue;
        raw->inflight += (uint32_t)sent;
        await_notification(raw);
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / count;
}
