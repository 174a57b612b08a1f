/* The walk: which files there are. One directory is open at a time; those found in it wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/hash/hash.h"

#define BATCH_FILES 512 /* brought by one job */

void walk_init(struct walk *walk, char **paths, uint64_t bytes_max)
{
    *walk = (struct walk){.paths = paths, .uid = geteuid(), .bytes_max = bytes_max};
    queue_init(&walk->found);
}

static void leave(struct walk *walk)
{
    if (walk->open != NULL)
        closedir(walk->open);
    free(walk->directory);
    walk->open = NULL;
    walk->directory = NULL;
}

void walk_fini(struct walk *walk)
{
    leave(walk);
    queue_clear(&walk->found);
    while (walk->directories != NULL) {
        struct file *directory = walk->directories;
        walk->directories = directory->next;
        free(directory);
    }
}

/* A path below a directory; `directory` may be empty. */
static struct file *make_file(const char *directory, const char *name)
{
    size_t directory_bytes = strlen(directory);
    bool has_slash = directory_bytes == 0 || directory[directory_bytes - 1] == '/';
    struct file *file = allocate(1, sizeof *file + directory_bytes + 1 + strlen(name) + 1);

    stpcpy(stpcpy(stpcpy(file->path, directory), has_slash ? "" : "/"), name);
    return file;
}

static void note_error(struct walk *walk, struct file *file, int error)
{
    file->error = error;
    queue_push(&walk->found, file);
}

static void note_directory(struct walk *walk, struct file *file)
{
    file->next = walk->directories;
    walk->directories = file;
}

/* A file may have turned into a link or a FIFO by the time it is opened: the one is not to be
 * followed, and the other not to be waited for. Reading is to leave no new access time behind,
 * where that is permitted. */
static void note_regular(struct walk *walk, struct file *file, const struct stat *status)
{
    file->size = (uint64_t)status->st_size;
    file->open_flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | walk->nofollow;
    if (walk->uid == 0 || walk->uid == status->st_uid)
        file->open_flags |= O_NOATIME;
    walk->bytes += file->size;
    queue_push(&walk->found, file);
}

static const char *special_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return "not read: a FIFO";
    case S_IFSOCK:
        return "not read: a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "not read: a device";
    default:
        return "not read: a special file";
    }
}

/* Decide what becomes of something with a name in the directory `fd`. */
static void classify(struct walk *walk, struct file *file, int fd, const char *name)
{
    struct stat status;

    if (fstatat(fd, name, &status, walk->nofollow != 0 ? AT_SYMLINK_NOFOLLOW : 0) < 0) {
        note_error(walk, file, errno);
    } else if (S_ISREG(status.st_mode)) {
        note_regular(walk, file, &status);
    } else if (S_ISDIR(status.st_mode)) {
        note_directory(walk, file);
    } else if (S_ISLNK(status.st_mode)) {
        free(file);
    } else {
        file->special = special_kind(status.st_mode);
        queue_push(&walk->found, file);
    }
}

static void enter(struct walk *walk, struct file *directory)
{
    int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | walk->nofollow);

    if (fd < 0) {
        note_error(walk, directory, errno);
        return;
    }
    walk->directory = directory;
    walk->open = fdopendir(fd);
    if (walk->open == NULL)
        die("out of memory");
}

static void read_entry(struct walk *walk)
{
    errno = 0;
    const struct dirent *entry = readdir(walk->open);

    if (entry == NULL && errno != 0)
        note_error(walk, make_file("", walk->directory->path), errno);
    if (entry == NULL) {
        leave(walk);
        return;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        entry->d_type == DT_LNK)
        return;
    struct file *file = make_file(walk->directory->path, entry->d_name);
    if (entry->d_type == DT_DIR)
        note_directory(walk, file);
    else
        classify(walk, file, dirfd(walk->open), entry->d_name);
}

/* Go one step further. Only what the command line names may be a link. */
static void step(struct walk *walk)
{
    if (walk->open != NULL) {
        read_entry(walk);
    } else if (walk->directories != NULL) {
        struct file *directory = walk->directories;
        walk->directories = directory->next;
        enter(walk, directory);
        walk->nofollow = O_NOFOLLOW;
    } else if (*walk->paths != NULL && walk->bytes < walk->bytes_max) {
        const char *path = *walk->paths++;
        walk->nofollow = 0;
        classify(walk, make_file("", path), AT_FDCWD, path);
    } else {
        walk->is_done = true;
    }
}

void walk_on(void *argument)
{
    struct walk *walk = argument;

    while (walk->found.count < BATCH_FILES && !walk->is_done) {
        step(walk);
        if (walk->bytes >= walk->bytes_max)
            walk->is_done = true;
    }
}
