/* Names of files: made, moved, removed, and opened without leaving a directory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED 51u

/* A directory that an actor works in; the path is for looking at it with plain calls. */
struct place {
    struct tsuga_path path;
    int fd;
};

static struct place open_place(struct tsuga_actor *self)
{
    struct place place = {.path = tsuga_fixture_path()};

    CHECK_INT(tsuga_await(self, tsuga_mkdirat(self, AT_FDCWD, place.path.text, 0700)).result, 0);
    place.fd = tsuga_await(self, tsuga_open(self, place.path.text, O_RDONLY | O_DIRECTORY)).result;
    CHECK(place.fd >= 0);
    return place;
}

static void close_place(struct tsuga_actor *self, const struct place *place)
{
    CHECK_INT(tsuga_await(self, tsuga_close(self, place->fd)).result, 0);
    CHECK_INT(
        tsuga_await(self, tsuga_unlinkat(self, AT_FDCWD, place->path.text, AT_REMOVEDIR)).result,
        0);
}

static void put_file(const struct place *place, const char *name, uint64_t seed)
{
    int fd = openat(place->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    char content[100];

    tsuga_content_fill(content, sizeof(content), seed, 0);
    tsuga_fixture_write(fd, content, sizeof(content));
    close(fd);
}

static void check_file(const struct place *place, const char *name, uint64_t seed)
{
    int fd = openat(place->fd, name, O_RDONLY | O_CLOEXEC);
    char content[100];

    CHECK(fd >= 0);
    tsuga_fixture_read(fd, content, sizeof(content));
    tsuga_content_check(content, sizeof(content), seed, 0);
    close(fd);
}

static int remove_name(struct tsuga_actor *self, const struct place *place, const char *name)
{
    return tsuga_await(self, tsuga_unlinkat(self, place->fd, name, 0)).result;
}

static void rename_files(struct tsuga_actor *self, void *argument)
{
    struct place from = open_place(self);
    struct place to = open_place(self);

    (void)argument;
    put_file(&from, "a", SEED);
    put_file(&to, "b", SEED + 1);
    CHECK_INT(
        tsuga_await(self, tsuga_renameat(self, from.fd, "a", to.fd, "b", RENAME_NOREPLACE)).result,
        -EEXIST);
    CHECK_INT(
        tsuga_await(self, tsuga_renameat(self, from.fd, "a", to.fd, "b", RENAME_EXCHANGE)).result,
        0);
    check_file(&from, "a", SEED + 1);
    check_file(&to, "b", SEED);
    CHECK_INT(tsuga_await(self, tsuga_renameat(self, from.fd, "a", to.fd, "b", 0)).result, 0);
    check_file(&to, "b", SEED + 1);
    CHECK_INT(tsuga_await(self, tsuga_renameat(self, from.fd, "a", to.fd, "b", 0)).result, -ENOENT);
    CHECK_INT(tsuga_op_error(tsuga_renameat(self, from.fd, NULL, to.fd, "b", 0)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_renameat(self, from.fd, "a", to.fd, NULL, 0)), -EINVAL);
    CHECK_INT(remove_name(self, &to, "b"), 0);
    close_place(self, &from);
    close_place(self, &to);
}

TEST(paths, rename_moves_replaces_and_exchanges)
{
    (void)tsuga_world_run(NULL, rename_files, NULL);
}

static void link_files(struct tsuga_actor *self, void *argument)
{
    struct place place = open_place(self);
    char said[16] = {0};
    struct stat one;
    struct stat other;

    (void)argument;
    put_file(&place, "a", SEED);
    CHECK_INT(tsuga_await(self, tsuga_linkat(self, place.fd, "a", place.fd, "b", 0)).result, 0);
    CHECK_INT(fstatat(place.fd, "a", &one, 0), 0);
    CHECK_INT(fstatat(place.fd, "b", &other, 0), 0);
    CHECK_UINT(one.st_ino, other.st_ino);
    CHECK_INT(tsuga_await(self, tsuga_linkat(self, place.fd, "a", place.fd, "b", 0)).result,
              -EEXIST);
    CHECK_INT(tsuga_await(self, tsuga_symlinkat(self, "b", place.fd, "s")).result, 0);
    CHECK_INT(readlinkat(place.fd, "s", said, sizeof(said)), 1);
    CHECK_STR(said, "b");
    /* Of the link itself, and of what it says. */
    CHECK_INT(tsuga_await(self, tsuga_linkat(self, place.fd, "s", place.fd, "t", 0)).result, 0);
    CHECK_INT(fstatat(place.fd, "t", &one, AT_SYMLINK_NOFOLLOW), 0);
    CHECK(S_ISLNK(one.st_mode));
    CHECK_INT(remove_name(self, &place, "t"), 0);
    CHECK_INT(tsuga_await(self, tsuga_linkat(self, place.fd, "s", place.fd, "t", AT_SYMLINK_FOLLOW))
                  .result,
              0);
    check_file(&place, "t", SEED);
    CHECK_INT(tsuga_await(self, tsuga_symlinkat(self, "b", place.fd, "s")).result, -EEXIST);
    CHECK_INT(tsuga_op_error(tsuga_symlinkat(self, NULL, place.fd, "s")), -EINVAL);
    CHECK_INT(remove_name(self, &place, "a"), 0);
    CHECK_INT(remove_name(self, &place, "b"), 0);
    CHECK_INT(remove_name(self, &place, "s"), 0);
    CHECK_INT(remove_name(self, &place, "t"), 0);
    CHECK_INT(remove_name(self, &place, "t"), -ENOENT);
    close_place(self, &place);
}

TEST(paths, links_of_both_kinds_are_made_and_removed)
{
    (void)tsuga_world_run(NULL, link_files, NULL);
}

static void make_directories(struct tsuga_actor *self, void *argument)
{
    struct place place = open_place(self);
    struct stat attributes;
    char long_name[PATH_MAX + 1];

    (void)argument;
    umask(0);
    CHECK_INT(tsuga_await(self, tsuga_mkdirat(self, place.fd, "d", 0751)).result, 0);
    CHECK_INT(fstatat(place.fd, "d", &attributes, 0), 0);
    CHECK(S_ISDIR(attributes.st_mode));
    CHECK_UINT(attributes.st_mode & 07777, 0751);
    CHECK_INT(tsuga_await(self, tsuga_mkdirat(self, place.fd, "d", 0700)).result, -EEXIST);
    CHECK_INT(tsuga_await(self, tsuga_mkdirat(self, place.fd, "d/e", 0700)).result, 0);
    CHECK_INT(remove_name(self, &place, "d"), -EISDIR);
    CHECK_INT(tsuga_await(self, tsuga_unlinkat(self, place.fd, "d", AT_REMOVEDIR)).result,
              -ENOTEMPTY);
    CHECK_INT(tsuga_await(self, tsuga_unlinkat(self, place.fd, "d/e", AT_REMOVEDIR)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_unlinkat(self, place.fd, "d", AT_REMOVEDIR)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_unlinkat(self, place.fd, "d", AT_EMPTY_PATH)).result,
              -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_mkdirat(self, -1, "d", 0700)).result, -EBADF);
    memset(long_name, 'x', sizeof(long_name));
    long_name[PATH_MAX] = '\0';
    CHECK_INT(tsuga_op_error(tsuga_mkdirat(self, place.fd, long_name, 0700)), -ENAMETOOLONG);
    close_place(self, &place);
}

TEST(paths, directories_are_made_and_removed)
{
    (void)tsuga_world_run(NULL, make_directories, NULL);
}

static int open_within(struct tsuga_actor *self, const struct place *place, const char *path,
                       uint32_t resolve)
{
    struct tsuga_op op = {.kind = TSUGA_OP_OPEN,
                          .fd = place->fd,
                          .data = path,
                          .flags = O_RDONLY,
                          .resolve = resolve};
    int fd = tsuga_await(self, tsuga_submit(self, &op)).result;

    if (fd >= 0)
        CHECK_INT(tsuga_await(self, tsuga_close(self, fd)).result, 0);
    return fd;
}

static void resolve(struct tsuga_actor *self, void *argument)
{
    struct place place = open_place(self);

    (void)argument;
    put_file(&place, "a", SEED);
    CHECK_INT(symlinkat("a", place.fd, "inside"), 0);
    CHECK_INT(symlinkat("../../etc/passwd", place.fd, "outside"), 0);
    CHECK_INT(symlinkat("/a", place.fd, "absolute"), 0);
    CHECK_INT(symlinkat("ring", place.fd, "ring"), 0);

    CHECK(open_within(self, &place, "a", RESOLVE_BENEATH) >= 0);
    CHECK(open_within(self, &place, "inside", RESOLVE_BENEATH) >= 0);
    CHECK_INT(open_within(self, &place, "..", RESOLVE_BENEATH), -EXDEV);
    CHECK_INT(open_within(self, &place, "/etc/passwd", RESOLVE_BENEATH), -EXDEV);
    CHECK_INT(open_within(self, &place, "outside", RESOLVE_BENEATH), -EXDEV);
    CHECK_INT(open_within(self, &place, "absolute", RESOLVE_BENEATH), -EXDEV);
    CHECK(open_within(self, &place, "absolute", RESOLVE_IN_ROOT) >= 0);
    CHECK_INT(open_within(self, &place, "outside", RESOLVE_IN_ROOT), -ENOENT);
    CHECK_INT(open_within(self, &place, "inside", RESOLVE_NO_SYMLINKS), -ELOOP);
    CHECK(open_within(self, &place, "a", RESOLVE_NO_SYMLINKS) >= 0);
    CHECK_INT(open_within(self, &place, "ring", 0), -ELOOP);
    CHECK_INT(open_within(self, &place, "/proc/self/exe", RESOLVE_NO_MAGICLINKS), -ELOOP);
    CHECK_INT(open_within(self, &place, "/proc/self/status", RESOLVE_NO_XDEV), -EXDEV);
    CHECK_INT(open_within(self, &place, "a", 1u << 30), -EINVAL);

    CHECK_INT(unlinkat(place.fd, "a", 0), 0);
    CHECK_INT(unlinkat(place.fd, "inside", 0), 0);
    CHECK_INT(unlinkat(place.fd, "outside", 0), 0);
    CHECK_INT(unlinkat(place.fd, "absolute", 0), 0);
    CHECK_INT(unlinkat(place.fd, "ring", 0), 0);
    close_place(self, &place);
}

TEST(paths, h37_resolving_stays_where_it_is_told_to)
{
    (void)tsuga_world_run(NULL, resolve, NULL);
}

/* Both directories of a rename are in use until it has completed: their closes come after it. */
static void close_early(struct tsuga_actor *self, void *argument)
{
    struct place from = open_place(self);
    struct place to = open_place(self);
    struct tsuga_token closes[2];
    struct tsuga_token rename;
    int result;

    (void)argument;
    put_file(&from, "a", SEED);
    rename = tsuga_renameat(self, from.fd, "a", to.fd, "b", 0);
    CHECK_INT(tsuga_fd_release(self, from.fd), -EBUSY);
    CHECK_INT(tsuga_fd_release(self, to.fd), -EBUSY);
    closes[0] = tsuga_close(self, from.fd);
    closes[1] = tsuga_close(self, to.fd);
    CHECK_INT(tsuga_op_error(tsuga_renameat(self, AT_FDCWD, "a", to.fd, "b", 0)), -EBADF);
    result = tsuga_await_any(self, closes, 2, TSUGA_FOREVER).result;
    CHECK_INT(result, 0);
    /* In the lane since: it was over before the first close began. */
    result = tsuga_await_any(self, &rename, 1, 0).result;
    CHECK(result == 0 || result == -ECANCELED);
    from.fd = openat(AT_FDCWD, from.path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    to.fd = openat(AT_FDCWD, to.path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (result == 0)
        check_file(&to, "b", SEED);
    CHECK_INT(unlinkat(result == 0 ? to.fd : from.fd, result == 0 ? "b" : "a", 0), 0);
    close(from.fd);
    close(to.fd);
    CHECK_INT(rmdir(from.path.text), 0);
    CHECK_INT(rmdir(to.path.text), 0);
}

TEST(paths, two_directories_are_in_use_until_the_end)
{
    (void)tsuga_world_run(NULL, close_early, NULL);
}
