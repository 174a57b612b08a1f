/*
 * The simulated file system's inodes, and how a path leads to one. Private to disk.c, disk_*.c and
 * paths.c of runtime/sim/.
 *
 * Owner: the kernel; an inode lives while a name or an open file refers to it. Thread: the
 * simulation's.
 */
#ifndef TSUGA_SIM_DISK_H
#define TSUGA_SIM_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "runtime/sim/kernel.h"

struct tsuga_dir_entry {
    char *name;
    struct tsuga_inode *inode;
};

struct tsuga_attribute {
    struct tsuga_list_node link;
    char *name;
    char *value;
    size_t bytes;
};

struct tsuga_inode {
    uint64_t number;
    uint32_t mode; /* S_IFREG, S_IFDIR or S_IFLNK, and permissions */
    uint32_t link_count;
    uint32_t open_count;
    char *bytes; /* of a file, or what a link says */
    uint64_t size;
    uint64_t room;
    struct tsuga_dir_entry *entries; /* of a directory, in the order of their making */
    uint32_t entry_count;
    uint32_t entry_room;
    struct tsuga_inode *parent; /* of a directory */
    struct tsuga_list_node attributes;
};

/* An open file or directory. */
struct tsuga_disk_file {
    struct tsuga_file file;
    struct tsuga_inode *inode;
};

/* Where a path leads. */
struct tsuga_place {
    struct tsuga_inode *parent;
    char name[NAME_MAX + 1];   /* within the parent; empty: the parent itself is meant */
    struct tsuga_inode *inode; /* NULL: there is none yet */
    bool wants_directory;      /* the path ends with a slash */
};

extern const struct tsuga_file_ops tsuga_disk_ops;

static inline bool tsuga_inode_is(const struct tsuga_inode *inode, uint32_t type)
{
    return (inode->mode & S_IFMT) == type;
}

char *tsuga_disk_copy(struct tsuga_kernel *kernel, const char *text);
struct tsuga_inode *tsuga_inode_make(struct tsuga_kernel *kernel, uint32_t mode);

/* Frees an inode that nothing refers to. */
void tsuga_inode_settle(struct tsuga_kernel *kernel, struct tsuga_inode *inode);
void tsuga_inode_add(struct tsuga_kernel *kernel, struct tsuga_inode *directory, const char *name,
                     struct tsuga_inode *inode);
void tsuga_inode_remove(struct tsuga_kernel *kernel, struct tsuga_inode *directory,
                        const char *name);
struct tsuga_inode *tsuga_inode_find(const struct tsuga_inode *directory, const char *name);

/* Room for so many bytes, zero beyond the old size. Errors: -ENOSPC, -EFBIG. */
TSUGA_NODISCARD int tsuga_inode_resize(struct tsuga_kernel *kernel, struct tsuga_inode *inode,
                                       uint64_t size);

/* follows  whether a link at the end of the path is followed. resolve: RESOLVE_* of openat2(2).
 * Errors: -ENOENT, -ENOTDIR, -ELOOP, -EXDEV, -EBADF, -ENAMETOOLONG. */
TSUGA_NODISCARD int tsuga_disk_resolve(struct tsuga_kernel *kernel, int directory, const char *path,
                                       bool follows, uint64_t resolve, struct tsuga_place *out);

/* The same, and there must be something. */
TSUGA_NODISCARD int tsuga_disk_find(struct tsuga_kernel *kernel, int directory, const char *path,
                                    bool follows, struct tsuga_place *out);

#endif
