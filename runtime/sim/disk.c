/* The file system in memory: files, their content, and opening them. */
#include "runtime/sim/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/assert.h"

#define FILE_BYTES_MAX (UINT64_C(1) << 30)
#define ROOM_FIRST     256u
#define ENTRIES_FIRST  8u

/* Inodes. */

char *tsuga_disk_copy(struct tsuga_kernel *kernel, const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(tsuga_kernel_alloc(kernel, bytes), text, bytes);
}

static void free_text(struct tsuga_kernel *kernel, char *text)
{
    tsuga_kernel_free(kernel, text, strlen(text) + 1);
}

struct tsuga_inode *tsuga_inode_make(struct tsuga_kernel *kernel, uint32_t mode)
{
    struct tsuga_inode *inode = tsuga_kernel_alloc(kernel, sizeof(*inode));

    *inode = (struct tsuga_inode){.number = ++kernel->inode_number, .mode = mode};
    tsuga_list_init(&inode->attributes);
    return inode;
}

static void free_attributes(struct tsuga_kernel *kernel, struct tsuga_inode *inode)
{
    struct tsuga_list_node *node;

    while ((node = tsuga_list_pop_front(&inode->attributes)) != NULL) {
        struct tsuga_attribute *attribute = TSUGA_CONTAINER_OF(node, struct tsuga_attribute, link);

        free_text(kernel, attribute->name);
        tsuga_kernel_free(kernel, attribute->value, attribute->bytes);
        tsuga_kernel_free(kernel, attribute, sizeof(*attribute));
    }
}

void tsuga_inode_settle(struct tsuga_kernel *kernel, struct tsuga_inode *inode)
{
    if (inode->link_count > 0 || inode->open_count > 0)
        return;
    free_attributes(kernel, inode);
    kernel->disk_bytes -= inode->room;
    tsuga_kernel_free(kernel, inode->bytes, inode->room);
    tsuga_kernel_free(kernel, inode->entries, inode->entry_room * sizeof(*inode->entries));
    tsuga_kernel_free(kernel, inode, sizeof(*inode));
}

struct tsuga_inode *tsuga_inode_find(const struct tsuga_inode *directory, const char *name)
{
    for (uint32_t i = 0; i < directory->entry_count; i++) {
        if (strcmp(directory->entries[i].name, name) == 0)
            return directory->entries[i].inode;
    }
    return NULL;
}

void tsuga_inode_add(struct tsuga_kernel *kernel, struct tsuga_inode *directory, const char *name,
                     struct tsuga_inode *inode)
{
    if (directory->entry_count == directory->entry_room) {
        uint32_t room = directory->entry_room == 0 ? ENTRIES_FIRST : 2 * directory->entry_room;
        struct tsuga_dir_entry *larger = tsuga_kernel_alloc(kernel, room * sizeof(*larger));

        if (directory->entry_count > 0)
            memcpy(larger, directory->entries, directory->entry_count * sizeof(*larger));
        tsuga_kernel_free(kernel, directory->entries, directory->entry_room * sizeof(*larger));
        directory->entries = larger;
        directory->entry_room = room;
    }
    directory->entries[directory->entry_count++] =
        (struct tsuga_dir_entry){.name = tsuga_disk_copy(kernel, name), .inode = inode};
    inode->link_count++;
    if (tsuga_inode_is(inode, S_IFDIR))
        inode->parent = directory;
}

void tsuga_inode_remove(struct tsuga_kernel *kernel, struct tsuga_inode *directory,
                        const char *name)
{
    for (uint32_t i = 0; i < directory->entry_count; i++) {
        struct tsuga_dir_entry *entry = &directory->entries[i];

        if (strcmp(entry->name, name) != 0)
            continue;
        free_text(kernel, entry->name);
        entry->inode->link_count--;
        entry->inode->parent = NULL;
        memmove(entry, entry + 1, (directory->entry_count - i - 1) * sizeof(*entry));
        directory->entry_count--;
        return;
    }
}

int tsuga_inode_resize(struct tsuga_kernel *kernel, struct tsuga_inode *inode, uint64_t size)
{
    uint64_t room = inode->room == 0 ? ROOM_FIRST : inode->room;
    char *larger;

    if (size > FILE_BYTES_MAX)
        return -EFBIG;
    while (room < size)
        room *= 2;
    if (size > inode->room) {
        if (kernel->disk_bytes + room - inode->room > kernel->disk_bytes_max)
            return -ENOSPC;
        larger = tsuga_kernel_alloc(kernel, room);
        if (inode->size > 0)
            memcpy(larger, inode->bytes, inode->size);
        tsuga_kernel_free(kernel, inode->bytes, inode->room);
        kernel->disk_bytes += room - inode->room;
        inode->bytes = larger;
        inode->room = room;
    }
    if (size > inode->size)
        memset(inode->bytes + inode->size, 0, size - inode->size);
    inode->size = size;
    return 0;
}

/* Open files. */

static struct tsuga_disk_file *disk_file_of(const struct tsuga_file *file)
{
    return (struct tsuga_disk_file *)(uintptr_t)TSUGA_CONTAINER_OF(file, struct tsuga_disk_file,
                                                                   file);
}

static struct tsuga_inode *inode_of(const struct tsuga_file *file)
{
    return file->ops == &tsuga_disk_ops ? disk_file_of(file)->inode : NULL;
}

bool tsuga_disk_is_regular(const struct tsuga_file *file)
{
    return file->ops == &tsuga_disk_ops && tsuga_inode_is(disk_file_of(file)->inode, S_IFREG);
}

static int check_content(const struct tsuga_file *file)
{
    if (!tsuga_disk_is_regular(file))
        return -EISDIR;
    return tsuga_kernel_happens(file->kernel, TSUGA_SIM_EIO) ? -EIO : 0;
}

static int64_t read_content(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct tsuga_inode *inode = disk_file_of(file)->inode;
    bool has_offset = transfer->offset != UINT64_MAX;
    uint64_t offset = has_offset ? transfer->offset : file->position;
    size_t count = transfer->count;
    int error = check_content(file);

    if (error != 0)
        return error;
    if (offset >= inode->size)
        return 0;
    if (count > inode->size - offset)
        count = inode->size - offset;
    if (count > 0)
        memcpy(transfer->bytes, inode->bytes + offset, count);
    if (!has_offset)
        file->position += count;
    return (int64_t)count;
}

static int64_t write_content(struct tsuga_file *file, struct tsuga_transfer *transfer)
{
    struct tsuga_inode *inode = disk_file_of(file)->inode;
    bool has_offset = transfer->offset != UINT64_MAX;
    uint64_t offset = has_offset ? transfer->offset : file->position;
    int error = check_content(file);

    if (error == 0 && transfer->count > 0 && tsuga_kernel_happens(file->kernel, TSUGA_SIM_ENOSPC))
        error = -ENOSPC;
    if ((file->flags & O_APPEND) != 0)
        offset = inode->size;
    if (error == 0 && offset > FILE_BYTES_MAX)
        error = -EFBIG;
    if (error == 0 && transfer->count > 0 && offset + transfer->count > inode->size)
        error = tsuga_inode_resize(file->kernel, inode, offset + transfer->count);
    if (error != 0)
        return error;
    if (transfer->count > 0)
        memcpy(inode->bytes + offset, transfer->bytes, transfer->count);
    if (!has_offset)
        file->position = offset + transfer->count;
    return (int64_t)transfer->count;
}

static uint32_t poll_disk(struct tsuga_file *file)
{
    (void)file;
    return POLLIN | POLLOUT; /* a regular file is always ready */
}

static void release_disk(struct tsuga_file *file)
{
    struct tsuga_disk_file *self = disk_file_of(file);
    struct tsuga_kernel *kernel = file->kernel;

    self->inode->open_count--;
    tsuga_inode_settle(kernel, self->inode);
    tsuga_kernel_free(kernel, self, sizeof(*self));
}

const struct tsuga_file_ops tsuga_disk_ops = {
    .read = read_content,
    .write = write_content,
    .poll = poll_disk,
    .release = release_disk,
    .is_seekable = true,
};

static int install(struct tsuga_kernel *kernel, struct tsuga_inode *inode, uint32_t flags)
{
    struct tsuga_disk_file *made = tsuga_kernel_alloc(kernel, sizeof(*made));
    int fd;

    tsuga_file_init(&made->file, kernel, &tsuga_disk_ops, flags);
    made->inode = inode;
    inode->open_count++;
    tsuga_file_retain(&made->file);
    fd = tsuga_kernel_install(kernel, &made->file);
    tsuga_file_release(&made->file);
    return fd;
}

static int create(struct tsuga_kernel *kernel, const struct tsuga_place *place, uint32_t mode)
{
    if (place->wants_directory)
        return -EISDIR;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_ENOSPC))
        return -ENOSPC;
    tsuga_inode_add(kernel, place->parent, place->name, tsuga_inode_make(kernel, S_IFREG | mode));
    return 0;
}

static int check_open(const struct tsuga_inode *inode, uint64_t flags)
{
    bool is_directory = tsuga_inode_is(inode, S_IFDIR);

    if (tsuga_inode_is(inode, S_IFLNK))
        return -ELOOP;
    if ((flags & O_DIRECTORY) != 0 && !is_directory)
        return -ENOTDIR;
    if (is_directory && (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY)
        return -EISDIR;
    return 0;
}

int64_t tsuga_disk_open(struct tsuga_order *order)
{
    struct tsuga_kernel *kernel = order->kernel;
    const struct open_how *how = order->ask.address2;
    bool is_exclusive = (how->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    struct tsuga_place place;
    int error =
        tsuga_disk_resolve(kernel, order->ask.fd, order->ask.address,
                           (how->flags & O_NOFOLLOW) == 0 && !is_exclusive, how->resolve, &place);

    if (error != 0)
        return error;
    if (place.inode != NULL && is_exclusive)
        return -EEXIST;
    if (place.inode == NULL && (how->flags & O_CREAT) == 0)
        return -ENOENT;
    if (place.inode == NULL) {
        error = create(kernel, &place, (uint32_t)how->mode & 07777);
        place.inode = error == 0 ? tsuga_inode_find(place.parent, place.name) : NULL;
    }
    if (error == 0)
        error = check_open(place.inode, how->flags);
    if (error == 0 && (how->flags & O_TRUNC) != 0)
        error = tsuga_inode_resize(kernel, place.inode, 0);
    return error != 0 ? error : install(kernel, place.inode, (uint32_t)how->flags);
}

int64_t tsuga_disk_allocate(struct tsuga_file *file, uint64_t offset, uint64_t bytes,
                            uint32_t flags)
{
    struct tsuga_inode *inode = inode_of(file);

    if (inode == NULL || !tsuga_inode_is(inode, S_IFREG))
        return -ENODEV;
    if ((file->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (bytes == 0 || offset > FILE_BYTES_MAX || bytes > FILE_BYTES_MAX)
        return bytes == 0 ? -EINVAL : -EFBIG;
    if ((flags & ~(uint32_t)FALLOC_FL_KEEP_SIZE) != 0)
        return -EOPNOTSUPP;
    if (tsuga_kernel_happens(file->kernel, TSUGA_SIM_ENOSPC))
        return -ENOSPC;
    if ((flags & FALLOC_FL_KEEP_SIZE) != 0 || offset + bytes <= inode->size)
        return 0;
    return tsuga_inode_resize(file->kernel, inode, offset + bytes);
}

int64_t tsuga_disk_truncate(struct tsuga_file *file, uint64_t bytes)
{
    if (!tsuga_disk_is_regular(file) || (file->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    return tsuga_inode_resize(file->kernel, inode_of(file), bytes);
}

/* Directories. */

static uint8_t type_of(const struct tsuga_inode *inode)
{
    return (uint8_t)((inode->mode & S_IFMT) >> 12);
}

/* The entry at a position; "." and ".." come first. */
static bool entry_at(const struct tsuga_inode *directory, uint64_t position,
                     struct tsuga_dir_entry *out)
{
    static const char dots[] = "..";

    if (position < 2) {
        *out =
            (struct tsuga_dir_entry){.name = (char *)(uintptr_t)(position == 0 ? dots + 1 : dots),
                                     .inode = (struct tsuga_inode *)(uintptr_t)directory};
        return true;
    }
    if (position - 2 >= directory->entry_count)
        return false;
    *out = directory->entries[position - 2];
    return true;
}

/* One entry as getdents64(2) gives it; 0 when it does not fit. */
static size_t write_entry(char *out, size_t room, const struct tsuga_dir_entry *entry,
                          uint64_t position)
{
    size_t name_bytes = strlen(entry->name) + 1;
    size_t bytes = (offsetof(struct dirent64, d_name) + name_bytes + 7) & ~(size_t)7;
    struct dirent64 *to = (void *)out;

    if (bytes > room)
        return 0;
    memset(out, 0, bytes);
    to->d_ino = entry->inode->number;
    to->d_off = (off64_t)position + 1;
    to->d_reclen = (unsigned short)bytes;
    to->d_type = type_of(entry->inode);
    memcpy(out + offsetof(struct dirent64, d_name), entry->name, name_bytes);
    return bytes;
}

int64_t tsuga_disk_list(struct tsuga_file *file, char *out, size_t bytes)
{
    struct tsuga_inode *directory = inode_of(file);
    struct tsuga_dir_entry entry;
    size_t used = 0;

    if (directory == NULL || !tsuga_inode_is(directory, S_IFDIR))
        return -ENOTDIR;
    while (entry_at(directory, file->position, &entry)) {
        size_t written = write_entry(out + used, bytes - used, &entry, file->position);

        if (written == 0)
            return used > 0 ? (int64_t)used : -EINVAL;
        used += written;
        file->position++;
    }
    return (int64_t)used;
}

/* From outside. */

static int make_parents(struct tsuga_kernel *kernel, const char *path)
{
    char part[PATH_MAX];
    struct tsuga_place place;

    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t bytes = (size_t)(slash - path);
        int error;

        memcpy(part, path, bytes);
        part[bytes] = '\0';
        error = tsuga_disk_resolve(kernel, AT_FDCWD, part, true, 0, &place);
        if (error != 0)
            return error;
        if (place.inode == NULL)
            tsuga_inode_add(kernel, place.parent, place.name,
                            tsuga_inode_make(kernel, S_IFDIR | 0755));
    }
    return 0;
}

int tsuga_disk_put(struct tsuga_kernel *kernel, const char *path, const void *data, size_t bytes)
{
    struct tsuga_place place;
    int error;

    if (path == NULL || path[0] != '/' || strlen(path) >= PATH_MAX)
        return -EINVAL;
    error = make_parents(kernel, path);
    if (error == 0)
        error = tsuga_disk_resolve(kernel, AT_FDCWD, path, true, 0, &place);
    if (error != 0)
        return error;
    if (place.inode == NULL) {
        place.inode = tsuga_inode_make(kernel, S_IFREG | 0644);
        tsuga_inode_add(kernel, place.parent, place.name, place.inode);
    }
    if (!tsuga_inode_is(place.inode, S_IFREG))
        return -EISDIR;
    error = tsuga_inode_resize(kernel, place.inode, bytes);
    if (error == 0 && bytes > 0)
        memcpy(place.inode->bytes, data, bytes);
    return error;
}

int64_t tsuga_disk_get(struct tsuga_kernel *kernel, const char *path, void *out, size_t bytes)
{
    struct tsuga_place place;
    int error = tsuga_disk_find(kernel, AT_FDCWD, path, true, &place);

    if (error != 0)
        return error;
    if (!tsuga_inode_is(place.inode, S_IFREG))
        return -EISDIR;
    if (bytes > place.inode->size)
        bytes = place.inode->size;
    if (bytes > 0)
        memcpy(out, place.inode->bytes, bytes);
    return (int64_t)place.inode->size;
}

/* Life. */

void tsuga_disk_init(struct tsuga_kernel *kernel)
{
    kernel->root = tsuga_inode_make(kernel, S_IFDIR | 0755);
    kernel->root->link_count = 1;
}

/* Takes names away from the leaves on, without recursion: a directory that has entries waits. */
void tsuga_disk_fini(struct tsuga_kernel *kernel)
{
    struct tsuga_inode *at = kernel->root;

    for (;;) {
        struct tsuga_inode *last =
            at->entry_count > 0 ? at->entries[at->entry_count - 1].inode : NULL;

        if (last != NULL && tsuga_inode_is(last, S_IFDIR) && last->entry_count > 0) {
            at = last;
        } else if (last != NULL) {
            tsuga_inode_remove(kernel, at, at->entries[at->entry_count - 1].name);
            tsuga_inode_settle(kernel, last);
        } else if (at != kernel->root) {
            at = at->parent;
        } else {
            break;
        }
    }
    kernel->root->link_count = 0;
    tsuga_inode_settle(kernel, kernel->root);
}
