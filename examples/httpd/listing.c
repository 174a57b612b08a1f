/* A listing. Nothing here knows of actors. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "examples/httpd/listing.h"
#include "examples/httpd/memory.h"
#include "examples/httpd/path.h"

#define ENTRIES_MAX 10000u /* more make no page that anybody reads */
#define TEXT_BYTES  4096u

struct entry {
    char *name;
    bool is_directory;
    bool is_regular;
    uint64_t size;
    time_t modified;
};

struct entries {
    struct entry *all;
    size_t count;
};

struct listing *listing_create(void)
{
    return allocate(1, sizeof(struct listing));
}

void listing_destroy(struct listing *listing)
{
    if (listing == NULL)
        return;
    free(listing->title);
    free(listing->text);
    free(listing);
}

void listing_begin(struct listing *listing, int fd, const char *title)
{
    free(listing->title);
    listing->title = copy_text(title);
    listing->fd = fd;
    listing->error = 0;
    listing->bytes = 0;
}

static char *reserve(struct listing *listing, size_t bytes)
{
    if (listing->room - listing->bytes < bytes) {
        listing->room = 2 * (listing->room + bytes) + TEXT_BYTES;
        listing->text = reallocate(listing->text, listing->room);
    }
    return listing->text + listing->bytes;
}

static void put(struct listing *listing, const char *text)
{
    size_t bytes = strlen(text);

    memcpy(reserve(listing, bytes), text, bytes);
    listing->bytes += bytes;
}

/* A name as text of HTML. */
static void put_html(struct listing *listing, const char *name)
{
    for (; *name != '\0'; name++) {
        char c[2] = {*name, '\0'};
        put(listing, *name == '&'   ? "&amp;"
                     : *name == '<' ? "&lt;"
                     : *name == '>' ? "&gt;"
                     : *name == '"' ? "&quot;"
                                    : c);
    }
}

/* A name as part of a URL, which is plain text in HTML, too. */
static void put_url(struct listing *listing, const char *name)
{
    listing->bytes += path_encode(name, reserve(listing, PATH_ENCODED_BYTES(strlen(name))));
}

static void put_entry(struct listing *listing, const struct entry *entry)
{
    char when[sizeof "1970-01-01 00:00"] = "";
    char size[24] = "-";
    struct tm parts;

    if (gmtime_r(&entry->modified, &parts) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &parts);
    if (entry->is_regular)
        snprintf(size, sizeof size, "%" PRIu64, entry->size);
    put(listing, "<tr><td><a href=\"");
    put_url(listing, entry->name);
    put(listing, entry->is_directory ? "/\">" : "\">");
    put_html(listing, entry->name);
    put(listing, entry->is_directory ? "/</a></td><td>" : "</a></td><td>");
    put(listing, when);
    put(listing, "</td><td>");
    put(listing, size);
    put(listing, "</td></tr>\n");
}

static void put_page(struct listing *listing, const struct entries *entries, bool is_cut)
{
    put(listing, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Index of ");
    put_html(listing, listing->title);
    put(listing, "</title></head>\n<body><h1>Index of ");
    put_html(listing, listing->title);
    put(listing, "</h1>\n<table>\n");
    if (strcmp(listing->title, "/") != 0)
        put(listing, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    for (size_t i = 0; i < entries->count; i++)
        put_entry(listing, &entries->all[i]);
    put(listing, is_cut ? "</table>\n<p>There are more.</p>\n" : "</table>\n");
    put(listing, "</body></html>\n");
}

/* A link is not followed: it may lead out of the root, and then nothing is told of where to. */
static void take_entry(struct entries *entries, int fd, const char *name)
{
    struct stat status;

    if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return; /* it has vanished meanwhile */
    entries->all[entries->count++] = (struct entry){
        .name = copy_text(name),
        .is_directory = S_ISDIR(status.st_mode),
        .is_regular = S_ISREG(status.st_mode),
        .size = (uint64_t)status.st_size,
        .modified = status.st_mtim.tv_sec,
    };
}

/* Directories first, then by name. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;

    if (a->is_directory != b->is_directory)
        return a->is_directory ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Names with a dot in front are not shown. Returns whether there were too many. */
static bool read_all(DIR *directory, struct entries *entries)
{
    const struct dirent *entry;

    while ((entry = readdir(directory)) != NULL) {
        if (entries->count == ENTRIES_MAX)
            return true;
        if (entry->d_name[0] != '.')
            take_entry(entries, dirfd(directory), entry->d_name);
    }
    return false;
}

void listing_run(void *argument)
{
    struct listing *listing = argument;
    struct entries entries = {0};
    DIR *directory = fdopendir(listing->fd);

    if (directory == NULL) {
        listing->error = errno;
        close(listing->fd);
        return;
    }
    entries.all = allocate(ENTRIES_MAX, sizeof *entries.all);
    bool is_cut = read_all(directory, &entries);
    closedir(directory);
    qsort(entries.all, entries.count, sizeof *entries.all, compare);
    put_page(listing, &entries, is_cut);
    for (size_t i = 0; i < entries.count; i++)
        free(entries.all[i].name);
    free(entries.all);
}
