/* Taking apart what a listing of a directory has brought. */
#include <stddef.h>
#include <string.h>

#include <tsuga.h>

/* A record of getdents64(2); the name follows, and records begin at multiples of 8. */
struct record {
    uint64_t inode;
    int64_t offset;
    uint16_t bytes;
    uint8_t type;
};

#define NAME_OFFSET 19u

_Static_assert(offsetof(struct record, type) + 1 == NAME_OFFSET, "as struct linux_dirent64");

bool tsuga_entry_next(const void *data, size_t bytes, size_t *position, struct tsuga_entry *out)
{
    struct record record;
    const char *first;
    size_t left;

    if (*position >= bytes || bytes - *position < sizeof(record))
        return false;
    left = bytes - *position;
    first = (const char *)data + *position;
    memcpy(&record, first, sizeof(record)); /* the caller's copy may lie anywhere */
    if (record.bytes <= NAME_OFFSET || record.bytes > left ||
        memchr(first + NAME_OFFSET, '\0', record.bytes - NAME_OFFSET) == NULL)
        return false;
    *out = (struct tsuga_entry){
        .inode = record.inode, .name = first + NAME_OFFSET, .type = record.type};
    *position += record.bytes;
    return true;
}
