/* From an operation to a request: what the kernel is shown, where it lies, and what it costs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "executor/io.h"
#include "executor/ring_ranges.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  11u
#define BYTES 3000u

/* What the hook has seen. */
struct sight {
    const struct tsuga_record *record; /* whose request it is; NULL: nobody's */
    uint64_t range_count;
    struct tsuga_ring_request last;
    const void *source; /* of the user; no request may point into its source_bytes */
    size_t source_bytes;
    uint64_t kinds; /* bit k: a request of kind k had ranges that were looked at */
};

static void check_range(void *context, const void *base, size_t bytes)
{
    struct sight *sight = context;
    const struct tsuga_ioheap *heap = &sight->record->io->heap;
    const struct tsuga_reserve *reserve = &tsuga_executor_current()->shared->reserve;
    const char *first = base;
    const char *block;

    if (bytes == 0)
        return;
    CHECK(tsuga_reserve_find(reserve, first) != NULL);
    CHECK(tsuga_reserve_find(reserve, first + bytes - 1) != NULL);
    block = tsuga_ioheap_block_start(heap, first);
    CHECK(block != NULL);
    CHECK(first + bytes <= block + tsuga_ioheap_block_bytes(heap, block));
    CHECK(sight->source == NULL || first + bytes <= (const char *)sight->source ||
          first >= (const char *)sight->source + sight->source_bytes);
    sight->range_count++;
}

/* Everything that a request points to lies in one live block of its actor's heap, each. */
static void check_request(void *context, struct tsuga_ring_fault *fault,
                          enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    struct sight *sight = context;
    uint64_t before = sight->range_count;

    (void)fault;
    if (call != TSUGA_RING_FAULT_PUSH)
        return;
    sight->record = request->user_data % 64 == 0
                        ? (const struct tsuga_record *)(uintptr_t)request->user_data
                        : NULL;
    tsuga_ring_ranges(request, check_range, sight);
    if (sight->range_count > before)
        sight->kinds |= UINT64_C(1) << tsuga_ring_fault_kind(request);
    sight->last = *request;
}

/* Runs a body with every request looked at. */
static struct tsuga_stats run_watched(tsuga_body_fn *body, struct sight *sight)
{
    struct tsuga_ring_fault_plan plan = {
        .create = tsuga_world_ring, .hook = check_request, .hook_context = sight};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};
    struct tsuga_stats stats = tsuga_world_run(&setup, body, sight);

    tsuga_ring_fault_plan_fini(&plan);
    return stats;
}

static int await_result(struct tsuga_actor *self, struct tsuga_token op)
{
    return tsuga_await(self, op).result;
}

static void use_files(struct tsuga_actor *self)
{
    struct tsuga_path path = tsuga_fixture_file(BYTES, SEED);
    char first[100];
    char second[BYTES - 100];
    struct iovec vectors[] = {{first, sizeof(first)}, {second, sizeof(second)}};
    struct statx attributes;
    int fd = await_result(self, tsuga_open(self, path.text, O_RDWR));

    CHECK(fd >= 0);
    CHECK_INT(await_result(self, tsuga_read(self, fd, BYTES)), BYTES);
    CHECK_INT(await_result(self, tsuga_write_at(self, fd, 0, "x", 1)), 1);
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    CHECK_INT(await_result(self, tsuga_readv(self, fd, vectors, 2)), BYTES);
    CHECK_INT(await_result(self, tsuga_writev(self, fd, vectors, 2)), BYTES);
    CHECK_INT(await_result(self, tsuga_fsync(self, fd, true)), 0);
    CHECK_INT(
        await_result(self, tsuga_statx(self, AT_FDCWD, path.text, 0, STATX_SIZE, &attributes)), 0);
    CHECK_UINT(attributes.stx_size, 2 * BYTES);
    CHECK_INT(await_result(self, tsuga_close(self, fd)), 0);
    CHECK_INT(unlink(path.text), 0);
}

static void use_sockets(struct tsuga_actor *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof(address);
    int listener = await_result(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0));
    int caller = await_result(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0));
    struct tsuga_token accept;
    int called;

    CHECK_INT(await_result(
                  self, tsuga_bind(self, listener, (struct sockaddr *)&address, sizeof(address))),
              0);
    CHECK_INT(await_result(self, tsuga_listen(self, listener, 4)), 0);
    CHECK_INT(getsockname(listener, (struct sockaddr *)&address, &address_bytes), 0);
    accept = tsuga_submit(
        self,
        &(struct tsuga_op){.kind = TSUGA_OP_ACCEPT, .fd = listener, .options = TSUGA_OP_PEER});
    CHECK_INT(await_result(
                  self, tsuga_connect(self, caller, (struct sockaddr *)&address, sizeof(address))),
              0);
    called = await_result(self, accept);
    CHECK_INT(await_result(self, tsuga_send_bytes(self, caller, "ping", 4)), 4);
    CHECK_INT(await_result(self, tsuga_poll(self, called, POLLIN)) & POLLIN, POLLIN);
    CHECK_INT(await_result(self, tsuga_recv(self, called, 64)), 4);
    CHECK_INT(await_result(self, tsuga_sendto(self, called, "pong", 4, NULL, 0)), 4);
    CHECK_INT(await_result(self, tsuga_recvmsg(self, caller, 64, 100, 0)), 4);
    CHECK_INT(await_result(self, tsuga_shutdown(self, caller, SHUT_RDWR)), 0);
    CHECK_INT(await_result(self, tsuga_timeout(self, 1000)), 0);
}

/* The results do not matter: /tmp may have no attributes. */
static void use_attributes(struct tsuga_actor *self, const char *path)
{
    int fd = await_result(self, tsuga_open(self, path, O_RDONLY));

    (void)await_result(self, tsuga_setxattr(self, path, "user.a", "value", 5, 0));
    (void)await_result(self, tsuga_fsetxattr(self, fd, "user.a", "value", 5, 0));
    (void)await_result(self, tsuga_getxattr(self, path, "user.a", 100));
    (void)await_result(self, tsuga_fgetxattr(self, fd, "user.a", 100));
    CHECK_INT(await_result(self, tsuga_close(self, fd)), 0);
}

static void use_names(struct tsuga_actor *self)
{
    struct tsuga_path path = tsuga_fixture_path();
    int directory;

    CHECK_INT(await_result(self, tsuga_mkdirat(self, AT_FDCWD, path.text, 0700)), 0);
    use_attributes(self, path.text);
    directory = await_result(self, tsuga_open(self, path.text, O_RDONLY | O_DIRECTORY));
    CHECK_INT(await_result(self, tsuga_symlinkat(self, "to", directory, "a")), 0);
    CHECK_INT(await_result(self, tsuga_linkat(self, directory, "a", directory, "b", 0)), 0);
    CHECK_INT(await_result(self, tsuga_renameat(self, directory, "a", directory, "c", 0)), 0);
    CHECK_INT(await_result(self, tsuga_unlinkat(self, directory, "b", 0)), 0);
    CHECK_INT(await_result(self, tsuga_unlinkat(self, directory, "c", 0)), 0);
    CHECK_INT(await_result(self, tsuga_close(self, directory)), 0);
    CHECK_INT(await_result(self, tsuga_unlinkat(self, AT_FDCWD, path.text, AT_REMOVEDIR)), 0);
}

static void use_waits(struct tsuga_actor *self)
{
    struct tsuga_token timeout = tsuga_timeout(self, TSUGA_FOREVER);
    struct tsuga_raw raw = {.uses = TSUGA_RAW_ADDR}; /* a NOP, which does not care */
    struct tsuga_lease lease;
    siginfo_t info;

    CHECK_INT(await_result(self, tsuga_timeout_update(self, timeout, 1000)), 0);
    CHECK_INT(await_result(self, timeout), 0);
    CHECK_INT(tsuga_lease_make(self, 64, &lease), 0);
    memset(tsuga_lease_data(self, lease), 0, 64);
    (void)await_result(self, tsuga_raw(self, &raw, lease, 64));
    (void)await_result(self, tsuga_futex_wait(self, lease, 60, 1));
    (void)await_result(self, tsuga_futex_wake(self, lease, 60, 1));
    (void)await_result(self, tsuga_waitid(self, P_ALL, 0, &info, WEXITED | WNOHANG));
}

static void use_everything(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    use_files(self);
    use_sockets(self);
    use_names(self);
    use_waits(self);
}

TEST(prepare, h02_everything_the_kernel_is_shown_lies_in_the_heap_of_the_actor)
{
    struct sight sight = {0};
    uint64_t expected = 0;
    const enum tsuga_ring_kind with_pointers[] = {
        TSUGA_RING_OPEN,       TSUGA_RING_READ,      TSUGA_RING_WRITE,      TSUGA_RING_READV,
        TSUGA_RING_WRITEV,     TSUGA_RING_RECV,      TSUGA_RING_STATX,      TSUGA_RING_CONNECT,
        TSUGA_RING_SEND,       TSUGA_RING_TIMEOUT,   TSUGA_RING_MKDIR,      TSUGA_RING_SYMLINK,
        TSUGA_RING_LINK_PATH,  TSUGA_RING_RENAME,    TSUGA_RING_UNLINK,     TSUGA_RING_SET_XATTR,
        TSUGA_RING_FSET_XATTR, TSUGA_RING_GET_XATTR, TSUGA_RING_FGET_XATTR, TSUGA_RING_UPDATE,
        TSUGA_RING_RAW,        TSUGA_RING_ACCEPT,    TSUGA_RING_RECVMSG,    TSUGA_RING_SENDMSG,
    };

    (void)run_watched(use_everything, &sight);
    for (size_t i = 0; i < sizeof(with_pointers) / sizeof(with_pointers[0]); i++)
        expected |= UINT64_C(1) << with_pointers[i];
    CHECK_UINT(sight.kinds & expected, expected);
}

/* Writes from memory that is overwritten as soon as the call has returned; a kernel worker runs
 * the operation, so that it happens late. */
static void scribble(struct tsuga_actor *self, void *argument)
{
    struct sight *sight = argument;
    struct tsuga_path path = tsuga_fixture_path();
    char name[sizeof(path.text)];
    char content[BYTES];
    struct tsuga_op op = {.kind = TSUGA_OP_OPEN,
                          .fd = AT_FDCWD,
                          .data = name,
                          .flags = O_RDWR | O_CREAT,
                          .mode = 0600,
                          .options = TSUGA_OP_ASYNC};
    struct tsuga_token token;
    int fd;

    memcpy(name, path.text, sizeof(name));
    token = tsuga_submit(self, &op);
    memset(name, '?', sizeof(name));
    fd = await_result(self, token);
    CHECK(fd >= 0);
    CHECK_INT(unlink(path.text), 0);
    tsuga_content_fill(content, BYTES, SEED, 0);
    sight->source = content;
    sight->source_bytes = sizeof(content);
    token = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_WRITE,
                                                  .fd = fd,
                                                  .data = content,
                                                  .bytes = BYTES,
                                                  .options = TSUGA_OP_ASYNC});
    CHECK(memcmp(sight->last.address, content, BYTES) == 0);
    memset(content, 0, sizeof(content));
    CHECK_INT(await_result(self, token), BYTES);
    CHECK_INT(pread(fd, content, BYTES, 0), BYTES);
    tsuga_content_check(content, BYTES, SEED, 0);
}

TEST(prepare, h15_h16_the_kernel_sees_a_copy_and_the_source_may_change)
{
    struct sight sight = {0};
    struct tsuga_stats stats = run_watched(scribble, &sight);

    CHECK(stats.copied_bytes >= BYTES);
}

/* The address of a connection is overwritten while the connection is made. */
static void scribble_address(struct tsuga_actor *self, void *argument)
{
    struct sight *sight = argument;
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    int caller = await_result(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0));
    struct tsuga_token op;

    sight->source = &address;
    sight->source_bytes = sizeof(address);
    op = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_CONNECT,
                                               .fd = caller,
                                               .data = &address,
                                               .bytes = sizeof(address),
                                               .options = TSUGA_OP_ASYNC});
    memset(&address, 0xff, sizeof(address));
    CHECK_INT(await_result(self, op), 0);
    close(listener);
}

/* Each kind of name, and the value of an attribute. */
static void scribble_names(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_file(10, SEED);
    struct tsuga_path first = path;
    struct tsuga_path second = tsuga_fixture_path();
    char name[] = "user.a";
    char value[] = "value";
    struct tsuga_op op = {.kind = TSUGA_OP_SET_XATTR,
                          .options = TSUGA_OP_ASYNC,
                          .path = first.text,
                          .name = name,
                          .data = value,
                          .bytes = 5};
    struct tsuga_token token = tsuga_submit(self, &op);
    int error;

    (void)argument;
    memset(&first, '?', sizeof(first));
    memset(name, '?', sizeof(name));
    memset(value, '?', sizeof(value));
    error = await_result(self, token);
    CHECK(error == 0 || error == -EOPNOTSUPP);
    if (error == 0)
        CHECK_INT(getxattr(path.text, "user.a", value, 5), 5);
    CHECK(error != 0 || memcmp(value, "value", 5) == 0);
    first = path;
    op = (struct tsuga_op){.kind = TSUGA_OP_RENAME,
                           .options = TSUGA_OP_ASYNC,
                           .fd = AT_FDCWD,
                           .fd2 = AT_FDCWD,
                           .data = first.text,
                           .path = second.text};
    path = second;
    token = tsuga_submit(self, &op);
    memset(&first, '?', sizeof(first));
    memset(&second, '?', sizeof(second));
    CHECK_INT(await_result(self, token), 0);
    CHECK_INT(unlink(path.text), 0);
}

TEST(prepare, h15_names_and_attributes_are_copied)
{
    struct sight sight = {0};

    (void)run_watched(scribble_names, &sight);
}

TEST(prepare, h15_an_address_is_copied)
{
    struct sight sight = {0};

    (void)run_watched(scribble_address, &sight);
}

/* The arrays and what they point to are reused while a kernel worker still has the operation. */
static void scribble_vectors(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(0, 0);
    char content[BYTES];
    char back[BYTES] = {0};
    struct iovec vectors[] = {{content, 1}, {content + 1, 1999}, {NULL, 0}, {content + 2000, 1000}};
    struct tsuga_op op = {.kind = TSUGA_OP_WRITEV,
                          .fd = fd,
                          .data = vectors,
                          .bytes = 4,
                          .options = TSUGA_OP_ASYNC | TSUGA_OP_AT};
    struct tsuga_token token;

    (void)argument;
    tsuga_content_fill(content, BYTES, SEED, 0);
    token = tsuga_submit(self, &op);
    memset(content, 0, sizeof(content));
    memset(vectors, 0xff, sizeof(vectors));
    CHECK_INT(await_result(self, token), BYTES);
    vectors[0] = (struct iovec){back + 1000, 2000};
    vectors[1] = (struct iovec){back, 1000};
    op.kind = TSUGA_OP_READV;
    op.bytes = 2;
    token = tsuga_submit(self, &op);
    memset(vectors, 0xff, sizeof(vectors));
    CHECK_INT(await_result(self, token), BYTES);
    tsuga_content_check(back + 1000, 2000, SEED, 0);
    tsuga_content_check(back, 1000, SEED, 2000);
    close(fd);
}

TEST(prepare, n10_vectors_live_as_long_as_their_operation)
{
    struct sight sight = {0};

    (void)run_watched(scribble_vectors, &sight);
}
