/* The short forms of starting an operation: each fills in a struct tsuga_op. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "executor/io.h"

#define FDS_MAX 253u /* SCM_MAX_FD of the kernel */

struct tsuga_token tsuga_nop(struct tsuga_actor *self)
{
    static const struct tsuga_op nop = {.kind = TSUGA_OP_NOP};

    return tsuga_submit(self, &nop);
}

struct tsuga_token tsuga_open(struct tsuga_actor *self, const char *path, int flags)
{
    return tsuga_openat(self, AT_FDCWD, path, flags, 0);
}

struct tsuga_token tsuga_openat(struct tsuga_actor *self, int directory, const char *path,
                                int flags, uint32_t mode)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_OPEN,
                                                 .fd = directory,
                                                 .data = path,
                                                 .flags = (uint32_t)flags,
                                                 .mode = mode});
}

struct tsuga_token tsuga_close(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_CLOSE, .fd = fd});
}

struct tsuga_token tsuga_read(struct tsuga_actor *self, int fd, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .fd = fd, .bytes = bytes});
}

struct tsuga_token tsuga_read_at(struct tsuga_actor *self, int fd, uint64_t offset, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_READ,
                                                 .options = TSUGA_OP_AT,
                                                 .fd = fd,
                                                 .offset = offset,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_read_into(struct tsuga_actor *self, int fd, void *into, size_t bytes)
{
    if (into == NULL)
        return tsuga_token_error(-EINVAL);
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .fd = fd, .into = into, .bytes = bytes});
}

struct tsuga_token tsuga_read_lease(struct tsuga_actor *self, int fd, struct tsuga_lease lease,
                                    size_t bytes)
{
    if (lease.value == 0)
        return tsuga_token_error(-EINVAL);
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .fd = fd, .lease = lease, .bytes = bytes});
}

struct tsuga_token tsuga_recv(struct tsuga_actor *self, int fd, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV, .fd = fd, .bytes = bytes});
}

struct tsuga_token tsuga_write(struct tsuga_actor *self, int fd, const void *data, size_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE, .fd = fd, .data = data, .bytes = bytes});
}

struct tsuga_token tsuga_write_at(struct tsuga_actor *self, int fd, uint64_t offset,
                                  const void *data, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE,
                                                 .options = TSUGA_OP_AT,
                                                 .fd = fd,
                                                 .offset = offset,
                                                 .data = data,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_write_lease(struct tsuga_actor *self, int fd, struct tsuga_lease lease,
                                     size_t bytes)
{
    if (lease.value == 0)
        return tsuga_token_error(-EINVAL);
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE, .fd = fd, .lease = lease, .bytes = bytes});
}

struct tsuga_token tsuga_send_bytes(struct tsuga_actor *self, int fd, const void *data,
                                    size_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_SEND, .fd = fd, .data = data, .bytes = bytes});
}

struct tsuga_token tsuga_send_lease(struct tsuga_actor *self, int fd, struct tsuga_lease lease)
{
    if (lease.value == 0)
        return tsuga_token_error(-EINVAL);
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                                 .fd = fd,
                                                 .lease = lease,
                                                 .bytes = tsuga_lease_bytes(self, lease)});
}

struct tsuga_token tsuga_readv(struct tsuga_actor *self, int fd, const struct iovec *vectors,
                               size_t count)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_READV, .fd = fd, .data = vectors, .bytes = count});
}

struct tsuga_token tsuga_writev(struct tsuga_actor *self, int fd, const struct iovec *vectors,
                                size_t count)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_WRITEV, .fd = fd, .data = vectors, .bytes = count});
}

struct tsuga_token tsuga_fsync(struct tsuga_actor *self, int fd, bool data_only)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_FSYNC, .fd = fd, .flags = data_only ? 1 : 0});
}

struct tsuga_token tsuga_statx(struct tsuga_actor *self, int directory, const char *path, int flags,
                               uint32_t mask, struct statx *out)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_STATX,
                                                 .fd = directory,
                                                 .data = path,
                                                 .flags = (uint32_t)flags,
                                                 .mode = mask,
                                                 .into = out});
}

struct tsuga_token tsuga_ftruncate(struct tsuga_actor *self, int fd, uint64_t length)
{
    return tsuga_submit(self,
                        &(struct tsuga_op){.kind = TSUGA_OP_TRUNCATE, .fd = fd, .offset = length});
}

struct tsuga_token tsuga_fallocate(struct tsuga_actor *self, int fd, int mode, uint64_t offset,
                                   uint64_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_ALLOCATE,
                                                 .fd = fd,
                                                 .flags = (uint32_t)mode,
                                                 .offset = offset,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_sync_file_range(struct tsuga_actor *self, int fd, uint64_t offset,
                                         size_t bytes, uint32_t flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SYNC_RANGE,
                                                 .fd = fd,
                                                 .flags = flags,
                                                 .offset = offset,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_fadvise(struct tsuga_actor *self, int fd, uint64_t offset, size_t bytes,
                                 int advice)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_ADVISE,
                                                 .fd = fd,
                                                 .flags = (uint32_t)advice,
                                                 .offset = offset,
                                                 .bytes = bytes});
}

struct tsuga_token tsuga_renameat(struct tsuga_actor *self, int from_directory, const char *from,
                                  int to_directory, const char *to, uint32_t flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RENAME,
                                                 .fd = from_directory,
                                                 .data = from,
                                                 .fd2 = to_directory,
                                                 .path = to,
                                                 .flags = flags});
}

struct tsuga_token tsuga_linkat(struct tsuga_actor *self, int from_directory, const char *from,
                                int to_directory, const char *to, int flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_LINK,
                                                 .fd = from_directory,
                                                 .data = from,
                                                 .fd2 = to_directory,
                                                 .path = to,
                                                 .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_symlinkat(struct tsuga_actor *self, const char *target, int directory,
                                   const char *path)
{
    return tsuga_submit(
        self, &(struct tsuga_op){
                  .kind = TSUGA_OP_SYMLINK, .data = target, .fd2 = directory, .path = path});
}

struct tsuga_token tsuga_unlinkat(struct tsuga_actor *self, int directory, const char *path,
                                  int flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_UNLINK,
                                                 .fd = directory,
                                                 .data = path,
                                                 .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_mkdirat(struct tsuga_actor *self, int directory, const char *path,
                                 uint32_t mode)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_MKDIR, .fd = directory, .data = path, .mode = mode});
}

struct tsuga_token tsuga_splice(struct tsuga_actor *self, int from, int to, size_t bytes,
                                uint32_t flags)
{
    return tsuga_submit(
        self, &(struct tsuga_op){
                  .kind = TSUGA_OP_SPLICE, .fd = from, .fd2 = to, .bytes = bytes, .flags = flags});
}

struct tsuga_token tsuga_tee(struct tsuga_actor *self, int from, int to, size_t bytes,
                             uint32_t flags)
{
    return tsuga_submit(
        self, &(struct tsuga_op){
                  .kind = TSUGA_OP_TEE, .fd = from, .fd2 = to, .bytes = bytes, .flags = flags});
}

struct tsuga_token tsuga_getxattr(struct tsuga_actor *self, const char *path, const char *name,
                                  size_t bytes)
{
    if (path == NULL)
        return tsuga_token_error(-EINVAL);
    return tsuga_submit(
        self,
        &(struct tsuga_op){
            .kind = TSUGA_OP_GET_XATTR, .fd = -1, .path = path, .name = name, .bytes = bytes});
}

struct tsuga_token tsuga_fgetxattr(struct tsuga_actor *self, int fd, const char *name, size_t bytes)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_GET_XATTR, .fd = fd, .name = name, .bytes = bytes});
}

struct tsuga_token tsuga_setxattr(struct tsuga_actor *self, const char *path, const char *name,
                                  const void *value, size_t bytes, int flags)
{
    if (path == NULL)
        return tsuga_token_error(-EINVAL);
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SET_XATTR,
                                                 .fd = -1,
                                                 .path = path,
                                                 .name = name,
                                                 .data = value,
                                                 .bytes = bytes,
                                                 .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_fsetxattr(struct tsuga_actor *self, int fd, const char *name,
                                   const void *value, size_t bytes, int flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SET_XATTR,
                                                 .fd = fd,
                                                 .name = name,
                                                 .data = value,
                                                 .bytes = bytes,
                                                 .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_list(struct tsuga_actor *self, int fd, size_t bytes)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_LIST, .fd = fd, .bytes = bytes});
}

struct tsuga_token tsuga_resolve(struct tsuga_actor *self, const char *host, const char *service,
                                 int type)
{
    struct tsuga_question question = {.host = host, .service = service, .type = type};

    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RESOLVE, .data = &question});
}

struct tsuga_token tsuga_socket(struct tsuga_actor *self, int domain, int type, int protocol)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SOCKET,
                                                 .mode = (uint32_t)domain,
                                                 .flags = (uint32_t)type,
                                                 .resolve = (uint32_t)protocol});
}

struct tsuga_token tsuga_bind(struct tsuga_actor *self, int fd, const struct sockaddr *address,
                              socklen_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_BIND, .fd = fd, .data = address, .bytes = bytes});
}

struct tsuga_token tsuga_listen(struct tsuga_actor *self, int fd, int backlog)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_LISTEN, .fd = fd, .flags = (uint32_t)backlog});
}

struct tsuga_token tsuga_accept(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_ACCEPT, .fd = fd});
}

struct tsuga_token tsuga_connect(struct tsuga_actor *self, int fd, const struct sockaddr *address,
                                 socklen_t bytes)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_CONNECT, .fd = fd, .data = address, .bytes = bytes});
}

struct tsuga_token tsuga_sendto(struct tsuga_actor *self, int fd, const void *data, size_t bytes,
                                const struct sockaddr *address, socklen_t address_bytes)
{
    struct iovec vector = {(void *)(uintptr_t)data, bytes};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)address,
                             .msg_namelen = address_bytes,
                             .msg_iov = &vector,
                             .msg_iovlen = bytes > 0 ? 1 : 0};

    return tsuga_sendmsg(self, fd, &message, 0);
}

struct tsuga_token tsuga_recvfrom(struct tsuga_actor *self, int fd, size_t bytes)
{
    return tsuga_recvmsg(self, fd, bytes, 0, 0);
}

struct tsuga_token tsuga_sendmsg(struct tsuga_actor *self, int fd, const struct msghdr *message,
                                 int flags)
{
    return tsuga_submit(
        self, &(struct tsuga_op){
                  .kind = TSUGA_OP_SENDMSG, .fd = fd, .data = message, .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_recvmsg(struct tsuga_actor *self, int fd, size_t bytes,
                                 size_t control_bytes, int flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECVMSG,
                                                 .fd = fd,
                                                 .bytes = bytes,
                                                 .control_bytes = control_bytes,
                                                 .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_fd_send(struct tsuga_actor *self, int socket, const int *fds, size_t count,
                                 const void *data, size_t bytes)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec vector = {(void *)(uintptr_t)data, bytes};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};

    if (fds == NULL || count == 0 || count > FDS_MAX || bytes == 0)
        return tsuga_token_error(-EINVAL);
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    return tsuga_sendmsg(self, socket, &message, 0);
}

struct tsuga_token tsuga_fd_recv(struct tsuga_actor *self, int socket, size_t bytes,
                                 size_t count_max)
{
    if (count_max == 0 || count_max > FDS_MAX)
        return tsuga_token_error(-EINVAL);
    return tsuga_recvmsg(self, socket, bytes, CMSG_SPACE(count_max * sizeof(int)), 0);
}

struct tsuga_token tsuga_shutdown(struct tsuga_actor *self, int fd, int how)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_SHUTDOWN, .fd = fd, .flags = (uint32_t)how});
}

struct tsuga_token tsuga_poll(struct tsuga_actor *self, int fd, uint32_t events)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_POLL, .fd = fd, .flags = events});
}

struct tsuga_token tsuga_timeout(struct tsuga_actor *self, uint64_t delay_ns)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_TIMEOUT, .timeout_ns = delay_ns});
}

struct tsuga_token tsuga_timeout_at(struct tsuga_actor *self, uint64_t time_ns)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_TIMEOUT,
                                                 .options = TSUGA_OP_ABSOLUTE,
                                                 .timeout_ns = time_ns});
}

struct tsuga_token tsuga_timeout_update(struct tsuga_actor *self, struct tsuga_token timeout,
                                        uint64_t delay_ns)
{
    return tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_UPDATE, .target = timeout, .timeout_ns = delay_ns});
}

struct tsuga_token tsuga_cancel(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_CANCEL, .target = op});
}

struct tsuga_token tsuga_blocking(struct tsuga_actor *self, void (*run)(void *argument),
                                  void *argument)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_BLOCKING, .run = run, .argument = argument});
}

struct tsuga_token tsuga_recv_stream(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI, .fd = fd});
}

struct tsuga_token tsuga_recvmsg_stream(struct tsuga_actor *self, int fd, size_t bytes,
                                        size_t control_bytes, int flags)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECVMSG,
                                                 .options = TSUGA_OP_MULTI,
                                                 .fd = fd,
                                                 .bytes = bytes,
                                                 .control_bytes = control_bytes,
                                                 .flags = (uint32_t)flags});
}

struct tsuga_token tsuga_read_stream(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_READ, .options = TSUGA_OP_MULTI, .fd = fd});
}

struct tsuga_token tsuga_accept_stream(struct tsuga_actor *self, int fd)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_ACCEPT, .options = TSUGA_OP_MULTI, .fd = fd});
}

struct tsuga_token tsuga_poll_stream(struct tsuga_actor *self, int fd, uint32_t events)
{
    return tsuga_submit(
        self, &(struct tsuga_op){
                  .kind = TSUGA_OP_POLL, .options = TSUGA_OP_MULTI, .fd = fd, .flags = events});
}

struct tsuga_token tsuga_timeout_stream(struct tsuga_actor *self, uint64_t period_ns)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_TIMEOUT,
                                                 .options = TSUGA_OP_MULTI,
                                                 .timeout_ns = period_ns});
}

struct tsuga_token tsuga_raw(struct tsuga_actor *self, const struct tsuga_raw *raw,
                             struct tsuga_lease lease, size_t bytes)
{
    return tsuga_submit(
        self, &(struct tsuga_op){.kind = TSUGA_OP_RAW, .raw = raw, .lease = lease, .bytes = bytes});
}

struct tsuga_token tsuga_futex_wait(struct tsuga_actor *self, struct tsuga_lease lease,
                                    size_t offset, uint32_t expected)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_FUTEX_WAIT,
                                                 .lease = lease,
                                                 .lease_offset = offset,
                                                 .offset = expected});
}

struct tsuga_token tsuga_futex_wake(struct tsuga_actor *self, struct tsuga_lease lease,
                                    size_t offset, uint32_t count)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_FUTEX_WAKE,
                                                 .lease = lease,
                                                 .lease_offset = offset,
                                                 .offset = count});
}

struct tsuga_token tsuga_waitid(struct tsuga_actor *self, int idtype, int id, void *out,
                                int options)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_WAITID,
                                                 .mode = (uint32_t)idtype,
                                                 .fd = id,
                                                 .into = out,
                                                 .flags = (uint32_t)options});
}
