#include "executor/ring_ranges.h"

#include <linux/openat2.h>
#include <linux/time_types.h>
#include <signal.h>
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

/* What a pointer leads to: so many bytes, or one of these. */
enum { PATH = -1, LENGTH = -2, VECTORS = -3, MESSAGE = -4 };

/* For address, address2 and address3; kinds that are not named have no pointers. */
static const int16_t targets[TSUGA_RING_KIND_COUNT][3] = {
    [TSUGA_RING_OPEN] = {PATH, sizeof(struct open_how)},
    [TSUGA_RING_READ] = {LENGTH},
    [TSUGA_RING_WRITE] = {LENGTH},
    [TSUGA_RING_READV] = {VECTORS},
    [TSUGA_RING_WRITEV] = {VECTORS},
    [TSUGA_RING_STATX] = {PATH, sizeof(struct statx)},
    [TSUGA_RING_BIND] = {LENGTH},
    [TSUGA_RING_CONNECT] = {LENGTH},
    [TSUGA_RING_RECV] = {LENGTH},
    [TSUGA_RING_SEND] = {LENGTH},
    [TSUGA_RING_SEND_ZC] = {LENGTH},
    [TSUGA_RING_RECVMSG] = {MESSAGE},
    [TSUGA_RING_RECVMSG_MULTI] = {sizeof(struct msghdr)},
    [TSUGA_RING_SENDMSG] = {MESSAGE},
    [TSUGA_RING_TIMEOUT] = {sizeof(struct __kernel_timespec)},
    [TSUGA_RING_UPDATE] = {sizeof(struct __kernel_timespec)},
    [TSUGA_RING_RENAME] = {PATH, PATH},
    [TSUGA_RING_LINK_PATH] = {PATH, PATH},
    [TSUGA_RING_SYMLINK] = {PATH, PATH},
    [TSUGA_RING_UNLINK] = {PATH},
    [TSUGA_RING_MKDIR] = {PATH},
    [TSUGA_RING_GET_XATTR] = {PATH, LENGTH, PATH},
    [TSUGA_RING_SET_XATTR] = {PATH, LENGTH, PATH},
    [TSUGA_RING_FGET_XATTR] = {PATH, LENGTH},
    [TSUGA_RING_FSET_XATTR] = {PATH, LENGTH},
    [TSUGA_RING_RAW] = {sizeof(struct tsuga_raw), LENGTH},
    [TSUGA_RING_FUTEX_WAIT] = {sizeof(uint32_t)},
    [TSUGA_RING_FUTEX_WAKE] = {sizeof(uint32_t)},
    [TSUGA_RING_WAITID] = {0, sizeof(siginfo_t)},
    [TSUGA_RING_READ_FIXED] = {LENGTH},
    [TSUGA_RING_WRITE_FIXED] = {LENGTH},
    [TSUGA_RING_READV_FIXED] = {VECTORS},
    [TSUGA_RING_WRITEV_FIXED] = {VECTORS},
    [TSUGA_RING_SEND_ZC_FIXED] = {LENGTH},
};

static void visit_target(const struct visitor *visitor, const void *first, int16_t target,
                         uint32_t length)
{
    switch (target) {
    case 0:
        break;
    case PATH:
        visit_path(visitor, first);
        break;
    case LENGTH:
        visitor->visit(visitor->context, first, length);
        break;
    case VECTORS:
        visit_iovecs(visitor, first, length);
        break;
    case MESSAGE:
        visit_message(visitor, first);
        break;
    default:
        visitor->visit(visitor->context, first, first != NULL ? (size_t)target : 0);
        break;
    }
}

void tsuga_ring_ranges(const struct tsuga_ring_request *request, tsuga_ring_range_fn *visit,
                       void *context)
{
    const struct visitor visitor = {visit, context};
    const int16_t *target = targets[request->kind];

    if (request->kind == TSUGA_RING_ACCEPT) {
        visit_address(&visitor, request->address, request->address2);
        return;
    }
    visit_target(&visitor, request->address, target[0], request->length);
    visit_target(&visitor, request->address2, target[1], request->length);
    visit_target(&visitor, request->address3, target[2], request->length);
}
