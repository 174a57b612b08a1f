/* Ranges of files: allocated, cut, written through, advised; and the flags of preadv2. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  61u
#define BYTES 9000u

static off_t size_of(int fd)
{
    struct stat attributes;

    CHECK_INT(fstat(fd, &attributes), 0);
    return attributes.st_size;
}

static void check_byte(int fd, off_t offset, unsigned char expected)
{
    unsigned char byte;

    CHECK_INT(pread(fd, &byte, 1, offset), 1);
    CHECK_UINT(byte, expected);
}

static int fallocate_by_ring(struct tsuga_actor *self, int fd, int mode, uint64_t offset,
                             uint64_t bytes)
{
    return tsuga_await(self, tsuga_fallocate(self, fd, mode, offset, bytes)).result;
}

static void allocate(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    unsigned char content[BYTES];
    int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

    (void)argument;
    CHECK_INT(fallocate_by_ring(self, fd, 0, BYTES, 1000), 0);
    CHECK_INT(size_of(fd), BYTES + 1000);
    CHECK_INT(fallocate_by_ring(self, fd, FALLOC_FL_KEEP_SIZE, 20000, 1000), 0);
    CHECK_INT(size_of(fd), BYTES + 1000);
    CHECK_INT(fallocate_by_ring(self, fd, hole, 4096, 4096), 0);
    tsuga_fixture_read(fd, content, BYTES);
    tsuga_content_check(content, 4096, SEED, 0);
    for (size_t i = 4096; i < 8192; i++)
        CHECK_UINT(content[i], 0);
    tsuga_content_check(content + 8192, BYTES - 8192, SEED, 8192);
    CHECK_INT(fallocate_by_ring(self, fd, 0, 0, 0), -EINVAL);
    CHECK_INT(fallocate_by_ring(self, fd, 0x4000, 0, 10), -EOPNOTSUPP);
    CHECK_INT(fallocate_by_ring(self, -1, 0, 0, 10), -EBADF);
    /* More than 32 bits of the length arrive. */
    CHECK_INT(fallocate_by_ring(self, fd, hole, 0, (UINT64_C(1) << 32) + 1), 0);
    check_byte(fd, 10, 0);
    check_byte(fd, BYTES - 1, 0);
    close(fd);
}

TEST(ranges, are_allocated_and_punched)
{
    (void)tsuga_world_run(NULL, allocate, NULL);
}

static void cut(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    struct tsuga_op nop = {.kind = TSUGA_OP_NOP};
    struct tsuga_op cut = {.kind = TSUGA_OP_TRUNCATE, .fd = fd, .offset = 17};
    const struct tsuga_op chain[] = {nop, cut};
    struct tsuga_token tokens[2];
    bool has_operation = tsuga_has_operation(self, TSUGA_RING_TRUNCATE);
    int error;

    (void)argument;

    CHECK_INT(tsuga_await(self, tsuga_ftruncate(self, fd, 100)).result, 0);
    CHECK_INT(size_of(fd), 100);
    CHECK_INT(tsuga_await(self, tsuga_ftruncate(self, fd, UINT64_C(5) << 32)).result, 0);
    CHECK_INT(size_of(fd), INT64_C(5) << 32);
    check_byte(fd, 200, 0);
    CHECK_INT(tsuga_await(self, tsuga_ftruncate(self, fd, UINT64_MAX)).result, -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_ftruncate(self, -1, 0)).result, -EBADF);
    error = tsuga_submit_chain(self, chain, 2, 0, tokens);
    CHECK_INT(error, has_operation ? 0 : -EINVAL);
    if (error == 0) {
        CHECK_INT(tsuga_await(self, tokens[1]).result, 0);
        CHECK_INT(size_of(fd), 17);
    }
    close(fd);
}

TEST(ranges, a_file_is_cut_and_grown)
{
    (void)tsuga_world_run(NULL, cut, NULL);
}

TEST(ranges, a24_a_file_is_cut_and_grown_by_a_thread_of_the_pool)
{
    struct tsuga_setup setup = {.config.features[TSUGA_FEATURE_FTRUNCATE] = TSUGA_OFF};

    (void)tsuga_world_run(&setup, cut, NULL);
}

static void write_through(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_file(BYTES, SEED);
    uint32_t all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int fd = tsuga_await(self, tsuga_open(self, path.text, O_RDWR)).result;
    int pipe[2];

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_sync_file_range(self, fd, 0, 0, all)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_sync_file_range(self, fd, 4096, 100, all)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_sync_file_range(self, fd, 0, 10, 1u << 20)).result, -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_sync_file_range(self, fd, 0, (size_t)1 << 32, all)), -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_fadvise(self, fd, 0, 0, POSIX_FADV_SEQUENTIAL)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_fadvise(self, fd, 0, 4096, POSIX_FADV_DONTNEED)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_fadvise(self, fd, 0, 4096, 99)).result, -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_fadvise(self, fd, 0, (size_t)1 << 32, 0)), -EINVAL);
    CHECK_INT(tsuga_pipe(self, pipe, 0), 0);
    CHECK_INT(tsuga_await(self, tsuga_sync_file_range(self, pipe[0], 0, 0, all)).result, -ESPIPE);
    CHECK_INT(tsuga_await(self, tsuga_fadvise(self, pipe[0], 0, 0, 0)).result, -ESPIPE);
    CHECK_INT(unlink(path.text), 0);
}

TEST(ranges, are_written_through_and_advised)
{
    (void)tsuga_world_run(NULL, write_through, NULL);
}

static int32_t flagged(struct tsuga_actor *self, struct tsuga_op op, uint32_t flags)
{
    op.flags = flags;
    return tsuga_await(self, tsuga_submit(self, &op)).result;
}

/* Appending wins over the offset, what would wait does not, and unknown flags are refused. */
static void use_flags(struct tsuga_actor *self, void *argument)
{
    struct tsuga_path path = tsuga_fixture_file(100, SEED);
    int fd = tsuga_await(self, tsuga_open(self, path.text, O_RDWR)).result;
    char byte = 'x';
    struct iovec vector = {&byte, 1};
    struct tsuga_op write = {
        .kind = TSUGA_OP_WRITE, .options = TSUGA_OP_AT, .fd = fd, .data = "ab", .bytes = 2};
    struct tsuga_op writev = {
        .kind = TSUGA_OP_WRITEV, .options = TSUGA_OP_AT, .fd = fd, .data = &vector, .bytes = 1};
    struct tsuga_op read = {.kind = TSUGA_OP_READ, .bytes = 10};
    struct tsuga_op readv = {.kind = TSUGA_OP_READV, .data = &vector, .bytes = 1};
    int pipe[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, pipe, 0), 0);
    read.fd = pipe[0];
    readv.fd = pipe[0];
    CHECK_INT(flagged(self, write, RWF_APPEND), 2);
    CHECK_INT(flagged(self, writev, RWF_APPEND), 1);
    CHECK_INT(flagged(self, write, RWF_DSYNC), 2);
    CHECK_INT(size_of(fd), 103);
    check_byte(fd, 0, 'a');
    check_byte(fd, 101, 'b');
    check_byte(fd, 102, 'x');
    CHECK_INT(flagged(self, read, RWF_NOWAIT), -EAGAIN);
    CHECK_INT(flagged(self, readv, RWF_NOWAIT), -EAGAIN);
    CHECK(flagged(self, write, 1u << 30) < 0);
    CHECK(flagged(self, writev, 1u << 30) < 0);
    CHECK(flagged(self, read, 1u << 30) < 0);
    CHECK(flagged(self, readv, 1u << 30) < 0);
    CHECK_INT(unlink(path.text), 0);
}

TEST(ranges, reads_and_writes_take_the_flags_of_preadv2)
{
    (void)tsuga_world_run(NULL, use_flags, NULL);
}
