/* What happens to names: rename, link, unlink, directories; and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/xattr.h>

#include "runtime/sim/disk.h"

#define BLOCK_BYTES 512u

static uint32_t link_count_of(const struct tsuga_inode *inode)
{
    uint32_t count = inode->link_count;

    for (uint32_t i = 0; tsuga_inode_is(inode, S_IFDIR) && i < inode->entry_count; i++)
        count += tsuga_inode_is(inode->entries[i].inode, S_IFDIR) ? 1 : 0;
    return count + (tsuga_inode_is(inode, S_IFDIR) ? 1 : 0);
}

static void fill_stat(const struct tsuga_inode *inode, struct statx *out)
{
    *out = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = link_count_of(inode),
        .stx_mode = (uint16_t)inode->mode,
        .stx_ino = inode->number,
        .stx_size = inode->size,
        .stx_blocks = (inode->size + BLOCK_BYTES - 1) / BLOCK_BYTES,
    };
}

/* AT_EMPTY_PATH: the descriptor itself. */
static int find_itself(struct tsuga_order *order, struct tsuga_inode **out)
{
    struct tsuga_file *file = tsuga_kernel_file(order->kernel, order->ask.fd);

    if (file == NULL)
        return -EBADF;
    if (file->ops != &tsuga_disk_ops)
        return -EINVAL;
    *out = TSUGA_CONTAINER_OF(file, struct tsuga_disk_file, file)->inode;
    return 0;
}

int64_t tsuga_disk_stat(struct tsuga_order *order)
{
    const char *path = order->ask.address;
    struct tsuga_place place = {0};
    int error;

    if (path[0] == '\0' && (order->ask.flags & AT_EMPTY_PATH) != 0)
        error = find_itself(order, &place.inode);
    else
        error = tsuga_disk_find(order->kernel, order->ask.fd, path,
                                (order->ask.flags & AT_SYMLINK_NOFOLLOW) == 0, &place);
    if (error != 0)
        return error;
    fill_stat(place.inode, (void *)tsuga_order_stage(order, sizeof(struct statx)));
    return 0;
}

static bool is_within(const struct tsuga_inode *inner, const struct tsuga_inode *outer)
{
    for (; inner != NULL; inner = inner->parent) {
        if (inner == outer)
            return true;
    }
    return false;
}

/* Whether a name may take the place of another. */
static int check_replacing(const struct tsuga_inode *from, const struct tsuga_inode *to)
{
    bool is_directory = tsuga_inode_is(from, S_IFDIR);

    if (to == NULL)
        return 0;
    if (is_directory != tsuga_inode_is(to, S_IFDIR))
        return is_directory ? -ENOTDIR : -EISDIR;
    return is_directory && to->entry_count > 0 ? -ENOTEMPTY : 0;
}

static void move(struct tsuga_kernel *kernel, const struct tsuga_place *from,
                 const struct tsuga_place *to)
{
    from->inode->open_count++; /* while it has no name */
    tsuga_inode_remove(kernel, from->parent, from->name);
    if (to->inode != NULL) {
        tsuga_inode_remove(kernel, to->parent, to->name);
        tsuga_inode_settle(kernel, to->inode);
    }
    tsuga_inode_add(kernel, to->parent, to->name, from->inode);
    from->inode->open_count--;
}

static int check_rename(const struct tsuga_place *from, const struct tsuga_place *to,
                        uint32_t flags)
{
    if (from->name[0] == '\0' || to->name[0] == '\0')
        return -EBUSY;
    if ((flags & ~(uint32_t)RENAME_NOREPLACE) != 0)
        return -EINVAL;
    if (to->inode != NULL && (flags & RENAME_NOREPLACE) != 0)
        return -EEXIST;
    if (tsuga_inode_is(from->inode, S_IFDIR) && is_within(to->parent, from->inode))
        return -EINVAL;
    return check_replacing(from->inode, to->inode);
}

int64_t tsuga_disk_rename(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    struct tsuga_place from;
    struct tsuga_place to;
    int error = tsuga_disk_find(kernel, order->ask.fd, order->ask.address, false, &from);

    if (error == 0)
        error =
            tsuga_disk_resolve(kernel, (int)order->ask.length, order->ask.address2, false, 0, &to);
    if (error == 0)
        error = check_rename(&from, &to, order->ask.flags);
    if (error == 0 && from.inode != to.inode)
        move(kernel, &from, &to);
    return error;
}

/* A name for something new. */
static int find_new(struct tsuga_kernel *kernel, int directory, const char *path,
                    struct tsuga_place *out)
{
    int error = tsuga_disk_resolve(kernel, directory, path, false, 0, out);

    if (error != 0)
        return error;
    if (out->inode != NULL)
        return -EEXIST;
    return tsuga_kernel_happens(kernel, TSUGA_SIM_ENOSPC) ? -ENOSPC : 0;
}

int64_t tsuga_disk_link(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    struct tsuga_place from;
    struct tsuga_place to;
    int error = tsuga_disk_find(kernel, order->ask.fd, order->ask.address,
                                (order->ask.flags & AT_SYMLINK_FOLLOW) != 0, &from);

    if (error == 0)
        error = find_new(kernel, (int)order->ask.length, order->ask.address2, &to);
    if (error == 0 && tsuga_inode_is(from.inode, S_IFDIR))
        error = -EPERM;
    if (error == 0)
        tsuga_inode_add(kernel, to.parent, to.name, from.inode);
    return error;
}

int64_t tsuga_disk_unlink(struct tsuga_order *order)
{
    bool wants_directory = (order->ask.flags & AT_REMOVEDIR) != 0;
    struct tsuga_place place;
    int error = tsuga_disk_find(order->kernel, order->ask.fd, order->ask.address, false, &place);

    if (error != 0)
        return error;
    if (place.name[0] == '\0')
        return wants_directory ? -EINVAL : -EISDIR;
    if (wants_directory != tsuga_inode_is(place.inode, S_IFDIR))
        return wants_directory ? -ENOTDIR : -EISDIR;
    if (place.inode->entry_count > 0)
        return -ENOTEMPTY;
    tsuga_inode_remove(order->kernel, place.parent, place.name);
    tsuga_inode_settle(order->kernel, place.inode);
    return 0;
}

int64_t tsuga_disk_make_directory(struct tsuga_order *order)
{
    struct tsuga_place place;
    int error = find_new(order->kernel, order->ask.fd, order->ask.address, &place);

    if (error == 0)
        tsuga_inode_add(order->kernel, place.parent, place.name,
                        tsuga_inode_make(order->kernel, S_IFDIR | (order->ask.length & 01777)));
    return error;
}

int64_t tsuga_disk_symlink(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    const char *target = order->ask.address;
    struct tsuga_inode *made;
    struct tsuga_place place;
    int error =
        target[0] == '\0' ? -ENOENT : find_new(kernel, order->ask.fd, order->ask.address2, &place);

    if (error != 0)
        return error;
    made = tsuga_inode_make(kernel, S_IFLNK | 0777);
    error = tsuga_inode_resize(kernel, made, strlen(target));
    if (error != 0) {
        tsuga_inode_settle(kernel, made);
        return error;
    }
    memcpy(made->bytes, target, strlen(target));
    tsuga_inode_add(kernel, place.parent, place.name, made);
    return 0;
}

/* Attributes. */

static struct tsuga_attribute *find_attribute(struct tsuga_inode *inode, const char *name)
{
    TSUGA_LIST_EACH (node, &inode->attributes) {
        struct tsuga_attribute *attribute = TSUGA_CONTAINER_OF(node, struct tsuga_attribute, link);

        if (strcmp(attribute->name, name) == 0)
            return attribute;
    }
    return NULL;
}

static int find_attributed(struct tsuga_order *order, struct tsuga_inode **out)
{
    struct tsuga_place place;
    int error;

    if (order->file != NULL)
        return find_itself(order, out);
    error = tsuga_disk_find(order->kernel, AT_FDCWD, order->ask.address3, true, &place);
    if (error == 0)
        *out = place.inode;
    return error;
}

int64_t tsuga_disk_get_attribute(struct tsuga_order *order)
{
    struct tsuga_attribute *attribute;
    struct tsuga_inode *inode;
    int error = find_attributed(order, &inode);

    if (error != 0)
        return error;
    attribute = find_attribute(inode, order->ask.address);
    if (attribute == NULL)
        return -ENODATA;
    if (order->ask.length == 0)
        return (int64_t)attribute->bytes;
    if (attribute->bytes > order->ask.length)
        return -ERANGE;
    if (attribute->bytes > 0)
        memcpy(tsuga_order_stage(order, attribute->bytes), attribute->value, attribute->bytes);
    return (int64_t)attribute->bytes;
}

int64_t tsuga_disk_set_attribute(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    struct tsuga_attribute *attribute;
    struct tsuga_inode *inode;
    int error = find_attributed(order, &inode);

    if (error != 0)
        return error;
    attribute = find_attribute(inode, order->ask.address);
    if (attribute != NULL && (order->ask.flags & XATTR_CREATE) != 0)
        return -EEXIST;
    if (attribute == NULL && (order->ask.flags & XATTR_REPLACE) != 0)
        return -ENODATA;
    if (attribute == NULL) {
        attribute = tsuga_kernel_alloc(kernel, sizeof(*attribute));
        *attribute = (struct tsuga_attribute){.name = tsuga_disk_copy(kernel, order->ask.address)};
        tsuga_list_push_back(&inode->attributes, &attribute->link);
    }
    tsuga_kernel_free(kernel, attribute->value, attribute->bytes);
    attribute->bytes = order->ask.length;
    attribute->value = NULL;
    if (attribute->bytes > 0)
        attribute->value = memcpy(tsuga_kernel_alloc(kernel, attribute->bytes), order->ask.address2,
                                  attribute->bytes);
    return 0;
}
