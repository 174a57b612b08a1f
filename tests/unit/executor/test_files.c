/* Files: open, the three forms of reading, attributes, writing through. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  21u
#define BYTES 5000u

static int open_file(struct tsuga_actor *self, const char *path, int flags)
{
    return tsuga_await(self, tsuga_open(self, path, flags)).result;
}

static void open_new(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_path();
    struct stat attributes;
    int fd;

    (void)argument;
    umask(0);
    fd = tsuga_await(self, tsuga_openat(self, AT_FDCWD, path.text,
                                        O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0640))
             .result;
    CHECK(fd >= 0);
    CHECK_INT(fstat(fd, &attributes), 0);
    CHECK_UINT(attributes.st_mode & 07777, 0640);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
    CHECK_INT(open_file(self, path.text, O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    CHECK_INT(unlink(path.text), 0);
    CHECK_INT(open_file(self, path.text, O_RDONLY), -ENOENT);
    CHECK_INT(open_file(self, "/", O_RDWR), -EISDIR);
    CHECK_INT(open_file(self, "/dev/null/nothing", O_RDONLY), -ENOTDIR);
}

TEST(files, h37_open_passes_flags_and_mode_and_brings_errors)
{
    (void)tsuga_world_run(NULL, open_new, NULL);
}

static void open_relative(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_file(10, SEED);
    struct tsuga_op escape = {
        .kind = TSUGA_OP_OPEN, .data = "../etc/passwd", .resolve = RESOLVE_BENEATH};
    struct stat by_number;
    struct stat by_name;
    int directory = open_file(self, "/tmp", O_RDONLY | O_DIRECTORY);
    int fd;

    (void)argument;
    fd = tsuga_await(self, tsuga_openat(self, directory, strrchr(path.text, '/') + 1, O_RDONLY, 0))
             .result;
    CHECK(fd >= 0);
    CHECK_INT(fstat(fd, &by_number), 0);
    CHECK_INT(stat(path.text, &by_name), 0);
    CHECK_UINT(by_number.st_ino, by_name.st_ino);
    escape.fd = directory;
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &escape)).result, -EXDEV);
    CHECK_INT(unlink(path.text), 0);
}

TEST(files, h37_open_is_relative_to_a_directory)
{
    (void)tsuga_world_run(NULL, open_relative, NULL);
}

struct left {
    int closed; /* by the actor's end */
    int kept;   /* given to the program at large */
};

static void leave_descriptors(struct tsuga_actor *self, void *argument)
{
    struct left *left = argument;

    left->closed = open_file(self, "/dev/null", O_RDONLY);
    left->kept = open_file(self, "/dev/null", O_RDONLY);
    CHECK_INT(tsuga_fd_release(self, left->kept), 0);
    /* This one brings its descriptor when nobody is there to take it. */
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_OPEN,
                                                                   .fd = AT_FDCWD,
                                                                   .data = "/dev/null",
                                                                   .options = TSUGA_OP_ASYNC})),
              0);
}

TEST(files, h37_what_an_actor_opened_is_closed_at_its_end)
{
    struct left left = {-1, -1};
    const struct tsuga_setup setup = {.is_unbalanced = true};
    size_t before = tsuga_world_descriptors();
    struct tsuga_stats stats = tsuga_world_run(&setup, leave_descriptors, &left);

    CHECK_UINT(stats.descriptors, 0);
    CHECK_INT(fcntl(left.closed, F_GETFD), -1);
    CHECK_INT(fcntl(left.kept, F_GETFD), FD_CLOEXEC);
    CHECK_INT(close(left.kept), 0);
    CHECK_UINT(tsuga_world_descriptors(), before);
}

static void read_into(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    unsigned char into[BYTES + 100];
    struct tsuga_token op;

    (void)argument;
    memset(into, 0xee, sizeof(into));
    op = tsuga_read_into(self, fd, into, 3000);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    for (size_t i = 0; i < sizeof(into); i++)
        CHECK_UINT(into[i], 0xee); /* not before the completion is taken */
    CHECK_INT(tsuga_await(self, op).result, 3000);
    tsuga_content_check(into, 3000, SEED, 0);
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, fd, into, sizeof(into))).result,
              BYTES - 3000);
    tsuga_content_check(into, BYTES - 3000, SEED, 3000);
    tsuga_content_check(into + BYTES - 3000, 1000, SEED, BYTES - 3000);
    for (size_t i = 3000; i < sizeof(into); i++)
        CHECK_UINT(into[i], 0xee);
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, fd, into, 10)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, -1, into, 10)).result, -EBADF);
    tsuga_content_check(into, BYTES - 3000, SEED, 3000);
    close(fd);
}

TEST(files, h38_reading_into_memory_of_the_caller_leaves_the_tail_alone)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, read_into, NULL);

    CHECK_UINT(stats.copied_bytes, BYTES);
}

static void read_for_me(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    struct tsuga_completion got;

    (void)argument;
    got = tsuga_await(self, tsuga_read(self, fd, 3000));
    CHECK_INT(got.result, 3000);
    CHECK_UINT(got.bytes, 3000);
    CHECK_UINT((uintptr_t)got.data % 4096, 0);
    tsuga_content_check(got.data, got.bytes, SEED, 0);
    got = tsuga_await(self, tsuga_read(self, fd, 3000));
    CHECK_UINT(got.bytes, BYTES - 3000);
    CHECK_UINT(tsuga_lease_bytes(self, got.lease), BYTES - 3000);
    CHECK_PTR(tsuga_lease_data(self, got.lease), got.data);
    tsuga_content_check(got.data, got.bytes, SEED, 3000);
    got = tsuga_await(self, tsuga_read(self, fd, 3000));
    CHECK_INT(got.result, 0);
    CHECK_UINT(got.bytes, 0);
    got = tsuga_await(self, tsuga_read_at(self, fd, 4990, 64));
    CHECK_UINT(got.bytes, 10);
    tsuga_content_check(got.data, got.bytes, SEED, 4990);
    got = tsuga_await(self, tsuga_read(self, 9999, 64));
    CHECK_INT(got.result, -EBADF);
    CHECK_PTR(got.data, NULL);
    CHECK_UINT(got.bytes, 0);
    close(fd);
}

TEST(files, h39_a_read_brings_a_buffer_of_the_exact_length_or_an_error)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, read_for_me, NULL);

    CHECK_UINT(stats.copied_bytes, 0);
}

static void scatter(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    unsigned char into[6000];
    struct iovec vectors[] = {{into, 7}, {into + 1000, 2000}, {NULL, 0}, {into + 4000, 2000}};

    (void)argument;
    memset(into, 0xee, sizeof(into));
    CHECK_INT(lseek(fd, 1500, SEEK_SET), 1500);
    CHECK_INT(tsuga_await(self, tsuga_readv(self, fd, vectors, 4)).result, 3500);
    tsuga_content_check(into, 7, SEED, 1500);
    tsuga_content_check(into + 1000, 2000, SEED, 1507);
    tsuga_content_check(into + 4000, 1493, SEED, 3507);
    for (size_t i = 5493; i < sizeof(into); i++)
        CHECK_UINT(into[i], 0xee);
    CHECK_UINT(into[7], 0xee);
    CHECK_INT(tsuga_await(self, tsuga_readv(self, fd, vectors, 4)).result, 0);
    CHECK_INT(tsuga_op_error(tsuga_readv(self, fd, vectors, 0)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_readv(self, fd, vectors, 1025)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_writev(self, fd, NULL, 1)), -EINVAL);
    vectors[2].iov_len = 1;
    CHECK_INT(tsuga_op_error(tsuga_writev(self, fd, vectors, 4)), -EINVAL);
    close(fd);
}

TEST(files, vectors_are_filled_in_order_and_no_further)
{
    (void)tsuga_world_run(NULL, scatter, NULL);
}

static void write_and_ask(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_file(10, SEED);
    struct statx attributes = {0};
    char content[BYTES];
    int fd = open_file(self, path.text, O_RDWR);

    (void)argument;
    tsuga_content_fill(content, sizeof(content), SEED + 1, 0);
    CHECK_INT(tsuga_await(self, tsuga_write(self, fd, content, 100)).result, 100);
    CHECK_INT(tsuga_await(self, tsuga_write(self, fd, content + 100, 100)).result, 100);
    CHECK_INT(tsuga_await(self, tsuga_write_at(self, fd, 4000, content + 4000, 1000)).result, 1000);
    CHECK_INT(tsuga_await(self, tsuga_write(self, fd, NULL, 0)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_fsync(self, fd, false)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_fsync(self, fd, true)).result, 0);
    CHECK_INT(pread(fd, content, sizeof(content), 0), sizeof(content));
    tsuga_content_check(content, 200, SEED + 1, 0);
    tsuga_content_check(content + 4000, 1000, SEED + 1, 4000);
    CHECK_INT(tsuga_await(self, tsuga_statx(self, AT_FDCWD, path.text, 0, STATX_SIZE | STATX_INO,
                                            &attributes))
                  .result,
              0);
    CHECK_UINT(attributes.stx_size, BYTES);
    CHECK_INT(
        tsuga_await(self, tsuga_statx(self, fd, "", AT_EMPTY_PATH, STATX_TYPE, &attributes)).result,
        0);
    CHECK(S_ISREG(attributes.stx_mode));
    CHECK_INT(unlink(path.text), 0);
    memset(&attributes, 0xee, sizeof(attributes));
    CHECK_INT(tsuga_await(self, tsuga_statx(self, AT_FDCWD, path.text, 0, STATX_SIZE, &attributes))
                  .result,
              -ENOENT);
    CHECK_UINT(attributes.stx_size, UINT64_C(0xeeeeeeeeeeeeeeee));
}

TEST(files, writes_are_placed_and_attributes_told)
{
    (void)tsuga_world_run(NULL, write_and_ask, NULL);
}
