/* The walk: which files there are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/hash/hash.h"

#define BATCH_FILES 256 /* brought by one job */

/* A fixed order: a limit is to take the same files every time. */
static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

int walk_open(struct walk *walk, char **paths, uint64_t bytes_max)
{
    *walk = (struct walk){.uid = geteuid(), .bytes_max = bytes_max};
    queue_init(&walk->found);
    walk->tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    return walk->tree == NULL ? -errno : 0;
}

void walk_close(struct walk *walk)
{
    queue_clear(&walk->found);
    fts_close(walk->tree);
}

/* A file may have turned into a link or a FIFO by the time it is opened: the one is not to be
 * followed, and the other not to be waited for. Reading is to leave no new access time behind,
 * where that is permitted. */
static int open_flags(const struct walk *walk, const FTSENT *entry)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

    if (entry->fts_level > FTS_ROOTLEVEL)
        flags |= O_NOFOLLOW;
    if (walk->uid == 0 || walk->uid == entry->fts_statp->st_uid)
        flags |= O_NOATIME;
    return flags;
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

static void note(struct walk *walk, const FTSENT *entry)
{
    size_t path_bytes = strlen(entry->fts_path) + 1;
    struct file *file = allocate(1, sizeof *file + path_bytes);

    memcpy(file->path, entry->fts_path, path_bytes);
    if (entry->fts_info == FTS_F) {
        file->size = (uint64_t)entry->fts_statp->st_size;
        file->open_flags = open_flags(walk, entry);
        walk->bytes += file->size;
    } else if (entry->fts_info == FTS_DEFAULT) {
        file->special = special_kind(entry->fts_statp->st_mode);
    } else if (entry->fts_info == FTS_DC) {
        file->special = "not followed: a directory that contains itself";
    } else {
        file->error = entry->fts_info == FTS_SLNONE ? ENOENT : entry->fts_errno;
    }
    queue_push(&walk->found, file);
}

/* NULL at the end, and at the limit. */
static const FTSENT *next_entry(struct walk *walk)
{
    if (walk->bytes >= walk->bytes_max)
        return NULL;
    errno = 0;
    const FTSENT *entry = fts_read(walk->tree);
    if (entry == NULL)
        walk->error = errno;
    return entry;
}

void walk_on(void *argument)
{
    struct walk *walk = argument;

    while (walk->found.count < BATCH_FILES && !walk->is_done) {
        const FTSENT *entry = next_entry(walk);
        if (entry == NULL) {
            walk->is_done = true;
            return;
        }
        switch (entry->fts_info) {
        case FTS_D:
        case FTS_DP:
        case FTS_SL:
            break;
        default:
            note(walk, entry);
        }
    }
}
