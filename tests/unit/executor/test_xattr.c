/* Extended attributes, by path and by descriptor, in each form of buffer. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  81u
#define BYTES 200u
#define NAME  "user.tsuga"

/* A file that can have attributes; the test is skipped where /tmp has none. */
static struct tsuga_path make_file(int *fd)
{
    struct tsuga_path path = tsuga_fixture_file(10, SEED);

    *fd = open(path.text, O_RDWR | O_CLOEXEC);
    if (fsetxattr(*fd, "user.probe", "x", 1, 0) != 0) {
        unlink(path.text);
        SKIP("/tmp has no extended attributes: %s", strerror(errno));
    }
    return path;
}

static void check_value(const void *data, size_t bytes)
{
    CHECK_UINT(bytes, BYTES);
    tsuga_content_check(data, bytes, SEED, 0);
}

static void set_and_get(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_path *path = argument;
    int fd = tsuga_await(self, tsuga_open(self, path->text, O_RDWR)).result;
    unsigned char value[BYTES];
    struct tsuga_completion got;

    tsuga_content_fill(value, BYTES, SEED, 0);
    CHECK_INT(tsuga_await(self, tsuga_fgetxattr(self, fd, NAME, BYTES)).result, -ENODATA);
    CHECK_INT(tsuga_await(self, tsuga_setxattr(self, path->text, NAME, value, BYTES, 0)).result, 0);
    got = tsuga_await(self, tsuga_fgetxattr(self, fd, NAME, 1000));
    CHECK_INT(got.result, BYTES);
    check_value(got.data, got.bytes);
    CHECK_INT(tsuga_await(self, tsuga_fgetxattr(self, fd, NAME, 0)).result, BYTES);
    CHECK_INT(tsuga_await(self, tsuga_getxattr(self, path->text, NAME, 0)).result, BYTES);
    got = tsuga_await(self, tsuga_getxattr(self, path->text, NAME, BYTES));
    check_value(got.data, got.bytes);
    got = tsuga_await(self, tsuga_getxattr(self, path->text, NAME, BYTES - 1));
    CHECK_INT(got.result, -ERANGE);
    CHECK_PTR(got.data, NULL);
    CHECK_INT(tsuga_await(self, tsuga_fsetxattr(self, fd, NAME, value, 1, XATTR_CREATE)).result,
              -EEXIST);
    CHECK_INT(
        tsuga_await(self, tsuga_fsetxattr(self, fd, "user.no", value, 1, XATTR_REPLACE)).result,
        -ENODATA);
    CHECK_INT(tsuga_await(self, tsuga_fsetxattr(self, fd, NAME, NULL, 0, XATTR_REPLACE)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_fgetxattr(self, fd, NAME, 10)).result, 0);
}

TEST(xattr, is_set_and_got_by_path_and_by_descriptor)
{
    int fd;
    struct tsuga_path path = make_file(&fd);

    (void)tsuga_world_run(NULL, set_and_get, &path);
    CHECK_INT(fgetxattr(fd, NAME, NULL, 0), 0);
    CHECK_INT(unlink(path.text), 0);
    close(fd);
}

static void use_buffers(struct tsuga_actor *self, void *argument)
{
    int fd = *(const int *)argument;
    unsigned char into[BYTES + 10];
    struct tsuga_op op = {.fd = fd, .name = NAME, .bytes = BYTES, .lease_offset = 50};
    struct tsuga_completion got;

    CHECK_INT(tsuga_lease_make(self, 50 + BYTES, &op.lease), 0);
    tsuga_content_fill((char *)tsuga_lease_data(self, op.lease) + 50, BYTES, SEED, 0);
    op.kind = TSUGA_OP_SET_XATTR;
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, 0);
    memset(tsuga_lease_data(self, op.lease), 0, 50 + BYTES);
    op.kind = TSUGA_OP_GET_XATTR;
    got = tsuga_await(self, tsuga_submit(self, &op));
    CHECK_PTR(got.data, (char *)tsuga_lease_data(self, op.lease) + 50);
    check_value(got.data, got.bytes);
    op.lease_offset = 51;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    op.lease = (struct tsuga_lease){0};
    memset(into, 0xee, sizeof(into));
    op.into = into;
    op.bytes = sizeof(into);
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, BYTES);
    check_value(into, BYTES);
    CHECK_UINT(into[BYTES], 0xee);
}

TEST(xattr, h02_uses_each_form_of_buffer)
{
    int fd;
    struct tsuga_path path = make_file(&fd);

    (void)tsuga_world_run(NULL, use_buffers, &fd);
    CHECK_INT(unlink(path.text), 0);
    close(fd);
}

static void err(struct tsuga_actor *self, void *argument)
{
    char name[300];

    (void)argument;
    memset(name, 'x', sizeof(name));
    memcpy(name, "user.", 5);
    name[299] = '\0';
    CHECK_INT(tsuga_op_error(tsuga_getxattr(self, NULL, NAME, 10)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_setxattr(self, NULL, NAME, "x", 1, 0)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_getxattr(self, "/tmp", NULL, 10)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_setxattr(self, "/tmp", NAME, NULL, 1, 0)), -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_getxattr(self, "/tmp", name, 10)).result, -ERANGE);
    CHECK_INT(tsuga_await(self, tsuga_getxattr(self, "/tmp/no/such", NAME, 10)).result, -ENOENT);
    CHECK_INT(tsuga_await(self, tsuga_fgetxattr(self, -1, NAME, 10)).result, -EBADF);
    CHECK_INT(tsuga_await(self, tsuga_fsetxattr(self, -1, NAME, "x", 1, 0)).result, -EBADF);
    CHECK_INT(tsuga_op_error(tsuga_getxattr(self, "/tmp", NAME, (size_t)1 << 30)), -EMSGSIZE);
}

TEST(xattr, errors_are_told)
{
    (void)tsuga_world_run(NULL, err, NULL);
}
