#include "executor/ring_ranges.h"

#include <linux/openat2.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct visitor {
    tsuga_ring_range_fn *visit;
    void *context;
};

static void visit_path(const struct visitor *visitor, const char *path)
{
    visitor->visit(visitor->context, path, 1);
    visitor->visit(visitor->context, path, strlen(path) + 1);
}

static void visit_iovecs(const struct visitor *visitor, const struct iovec *iovecs, uint32_t count)
{
    visitor->visit(visitor->context, iovecs, count * sizeof(*iovecs));
    for (uint32_t i = 0; i < count; i++)
        visitor->visit(visitor->context, iovecs[i].iov_base, iovecs[i].iov_len);
}

static void visit_message(const struct visitor *visitor, const struct msghdr *message)
{
    visitor->visit(visitor->context, message, sizeof(*message));
    visitor->visit(visitor->context, message->msg_name, message->msg_namelen);
    visitor->visit(visitor->context, message->msg_control, message->msg_controllen);
    visit_iovecs(visitor, message->msg_iov, (uint32_t)message->msg_iovlen);
}

/* The address of who was accepted, and where its length is put. */
static void visit_address(const struct visitor *visitor, const void *address,
                          const socklen_t *bytes)
{
    if (bytes == NULL)
        return;
    visitor->visit(visitor->context, bytes, sizeof(*bytes));
    visitor->visit(visitor->context, address, *bytes);
}

void tsuga_ring_ranges(const struct tsuga_ring_request *request, tsuga_ring_range_fn *visit,
                       void *context)
{
    const struct visitor visitor = {visit, context};

    switch ((enum tsuga_ring_kind)request->kind) {
    case TSUGA_RING_OPEN:
        visit_path(&visitor, request->address);
        visit(context, request->address2, sizeof(struct open_how));
        break;
    case TSUGA_RING_STATX:
        visit_path(&visitor, request->address);
        visit(context, request->address2, sizeof(struct statx));
        break;
    case TSUGA_RING_READV:
    case TSUGA_RING_WRITEV:
        visit_iovecs(&visitor, request->address, request->length);
        break;
    case TSUGA_RING_READ:
    case TSUGA_RING_WRITE:
    case TSUGA_RING_RECV:
    case TSUGA_RING_SEND:
    case TSUGA_RING_SEND_ZC:
    case TSUGA_RING_BIND:
    case TSUGA_RING_CONNECT:
        visit(context, request->address, request->length);
        break;
    case TSUGA_RING_RECVMSG:
    case TSUGA_RING_SENDMSG:
        visit_message(&visitor, request->address);
        break;
    case TSUGA_RING_ACCEPT:
        visit_address(&visitor, request->address, request->address2);
        break;
    case TSUGA_RING_TIMEOUT:
        visit(context, request->address, sizeof(struct __kernel_timespec));
        break;
    case TSUGA_RING_NOP:
    case TSUGA_RING_CLOSE:
    case TSUGA_RING_FSYNC:
    case TSUGA_RING_SOCKET:
    case TSUGA_RING_LISTEN:
    case TSUGA_RING_SHUTDOWN:
    case TSUGA_RING_POLL:
    case TSUGA_RING_WATCH:
    case TSUGA_RING_CANCEL:
    case TSUGA_RING_ACCEPT_MULTI:
    case TSUGA_RING_RECV_MULTI:
    case TSUGA_RING_READ_MULTI:
    case TSUGA_RING_KIND_COUNT:
        break;
    }
}
