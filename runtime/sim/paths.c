/* From a path to an inode. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/sim/disk.h"

#define LINKS_MAX 40u

struct walk {
    struct tsuga_kernel *kernel;
    struct tsuga_inode *at;
    struct tsuga_inode *base; /* which RESOLVE_BENEATH and RESOLVE_IN_ROOT do not leave */
    uint64_t resolve;
    uint32_t link_count;
    char rest[2 * PATH_MAX]; /* of the path */
};

static int find_start(struct walk *walk, int directory)
{
    struct tsuga_file *file;
    struct tsuga_disk_file *opened;

    walk->at = walk->kernel->root;
    if (directory != AT_FDCWD && walk->rest[0] != '/') {
        file = tsuga_kernel_file(walk->kernel, directory);
        if (file == NULL)
            return -EBADF;
        if (file->ops != &tsuga_disk_ops)
            return -ENOTDIR;
        opened = TSUGA_CONTAINER_OF(file, struct tsuga_disk_file, file);
        walk->at = opened->inode;
    }
    walk->base = walk->at;
    return tsuga_inode_is(walk->at, S_IFDIR) ? 0 : -ENOTDIR;
}

/* An absolute path, at the beginning or in a link. */
static int go_to_root(struct walk *walk)
{
    if (walk->rest[0] != '/')
        return 0;
    if ((walk->resolve & RESOLVE_BENEATH) != 0)
        return -EXDEV;
    walk->at = (walk->resolve & RESOLVE_IN_ROOT) != 0 ? walk->base : walk->kernel->root;
    return 0;
}

/* Takes the next name off the path. Errors: -ENAMETOOLONG. */
static int take_name(struct walk *walk, char name[NAME_MAX + 1])
{
    const char *from = walk->rest + strspn(walk->rest, "/");
    size_t bytes = strcspn(from, "/");

    if (bytes > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, from, bytes);
    name[bytes] = '\0';
    memmove(walk->rest, from + bytes, strlen(from + bytes) + 1);
    return 0;
}

static int go_up(struct walk *walk)
{
    if (walk->at == walk->base && (walk->resolve & RESOLVE_BENEATH) != 0)
        return -EXDEV;
    if (walk->at == walk->base && (walk->resolve & RESOLVE_IN_ROOT) != 0)
        return 0;
    if (walk->at->parent != NULL)
        walk->at = walk->at->parent;
    return 0;
}

/* What a link says comes in front of the rest. */
static int follow(struct walk *walk, const struct tsuga_inode *link)
{
    size_t bytes = strlen(walk->rest);

    if (++walk->link_count > LINKS_MAX || (walk->resolve & RESOLVE_NO_SYMLINKS) != 0)
        return -ELOOP;
    if (link->size + bytes + 1 > sizeof(walk->rest))
        return -ENAMETOOLONG;
    memmove(walk->rest + link->size, walk->rest, bytes + 1);
    memcpy(walk->rest, link->bytes, link->size);
    return go_to_root(walk);
}

static bool is_dot(const char *name)
{
    return name[0] == '\0' || strcmp(name, ".") == 0;
}

/* One step. `has_arrived`: *out is filled in. */
static int take_step(struct walk *walk, bool follows, struct tsuga_place *out, bool *has_arrived)
{
    bool is_last;
    int error = take_name(walk, out->name);

    if (error != 0)
        return error;
    is_last = walk->rest[strspn(walk->rest, "/")] == '\0';
    out->wants_directory = is_last && walk->rest[0] == '/';
    out->parent = walk->at;
    *has_arrived = is_last;
    if (is_dot(out->name) || strcmp(out->name, "..") == 0) {
        error = is_dot(out->name) ? 0 : go_up(walk);
        out->name[0] = '\0';
        out->inode = walk->at;
        out->parent = walk->at;
        return error;
    }
    out->inode = tsuga_inode_find(walk->at, out->name);
    if (out->inode == NULL)
        return is_last ? 0 : -ENOENT;
    if (tsuga_inode_is(out->inode, S_IFLNK) && (!is_last || follows || out->wants_directory)) {
        *has_arrived = false;
        return follow(walk, out->inode);
    }
    if (is_last)
        return 0;
    walk->at = out->inode;
    return tsuga_inode_is(out->inode, S_IFDIR) ? 0 : -ENOTDIR;
}

int tsuga_disk_resolve(struct tsuga_kernel *kernel, int directory, const char *path, bool follows,
                       uint64_t resolve, struct tsuga_place *out)
{
    struct walk walk = {.kernel = kernel, .resolve = resolve};
    bool has_arrived = false;
    int error;

    *out = (struct tsuga_place){.parent = kernel->root};
    if (path[0] == '\0')
        return -ENOENT;
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(walk.rest, path, strlen(path) + 1);
    error = find_start(&walk, directory);
    if (error == 0)
        error = go_to_root(&walk);
    while (error == 0 && !has_arrived)
        error = take_step(&walk, follows, out, &has_arrived);
    if (error == 0 && out->wants_directory && out->inode != NULL &&
        !tsuga_inode_is(out->inode, S_IFDIR))
        return -ENOTDIR;
    if (error != 0)
        return error;
    TSUGA_ASSERT(out->parent != NULL);
    /* Nothing is made in a directory that was removed. */
    return out->inode == NULL && out->parent->link_count == 0 ? -ENOENT : 0;
}

int tsuga_disk_find(struct tsuga_kernel *kernel, int directory, const char *path, bool follows,
                    struct tsuga_place *out)
{
    int error = tsuga_disk_resolve(kernel, directory, path, follows, 0, out);

    if (error != 0)
        return error;
    return out->inode != NULL ? 0 : -ENOENT;
}
