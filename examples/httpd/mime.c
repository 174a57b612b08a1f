/* MIME types: a sorted table, made once. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/memory.h"
#include "examples/httpd/mime.h"

#define ENDING_BYTES 32

/* What the web is made of, in the form of /etc/mime.types. */
static const char *const own_lines[] = {
    "application/gzip gz",
    "application/json json map",
    "application/octet-stream bin",
    "application/pdf pdf",
    "application/wasm wasm",
    "application/x-tar tar",
    "application/xml xml xsl",
    "application/zip zip",
    "audio/mpeg mp3",
    "audio/ogg oga ogg opus",
    "font/ttf ttf",
    "font/woff woff",
    "font/woff2 woff2",
    "image/gif gif",
    "image/jpeg jpeg jpg",
    "image/png png",
    "image/svg+xml svg svgz",
    "image/vnd.microsoft.icon ico",
    "image/webp webp",
    "text/css css",
    "text/csv csv",
    "text/html html htm shtml",
    "text/javascript js mjs",
    "text/plain txt text log conf c h md",
    "video/mp4 mp4",
    "video/webm webm",
};

static void add(struct mime *mime, const char *ending, const char *type, const char *charset)
{
    bool is_text = strncmp(type, "text/", strlen("text/")) == 0 && *charset != '\0';
    const char *middle = is_text ? "; charset=" : "";
    char *value = allocate(1, strlen(type) + strlen(middle) + (is_text ? strlen(charset) : 0) + 1);

    stpcpy(stpcpy(stpcpy(value, type), middle), is_text ? charset : "");
    if ((mime->count & (mime->count - 1)) == 0) /* full: twice as many */
        mime->types = reallocate(mime->types, (2 * mime->count + 1) * sizeof *mime->types);
    mime->types[mime->count] = (struct mime_type){copy_text(ending), value};
    for (char *c = mime->types[mime->count++].ending; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
}

/* A type and the endings that have it, between blanks; a line may be a comment. */
static void add_line(struct mime *mime, char *line, const char *charset)
{
    char *rest;

    line[strcspn(line, "#\n")] = '\0';
    const char *type = strtok_r(line, " \t", &rest);
    if (type == NULL)
        return;
    for (const char *ending; (ending = strtok_r(NULL, " \t", &rest)) != NULL;)
        add(mime, ending, type, charset);
}

static void add_own(struct mime *mime, const char *charset)
{
    for (size_t i = 0; i < sizeof own_lines / sizeof *own_lines; i++) {
        char *line = copy_text(own_lines[i]);
        add_line(mime, line, charset);
        free(line);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct mime_type *)a)->ending, ((const struct mime_type *)b)->ending);
}

void mime_init(struct mime *mime, const char *path, const char *charset)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;

    *mime = (struct mime){0};
    while (file != NULL && getline(&line, &room, file) >= 0)
        add_line(mime, line, charset);
    free(line);
    if (file != NULL)
        fclose(file);
    if (mime->count == 0)
        add_own(mime, charset);
    qsort(mime->types, mime->count, sizeof *mime->types, compare);
}

void mime_fini(struct mime *mime)
{
    for (size_t i = 0; i < mime->count; i++) {
        free(mime->types[i].ending);
        free(mime->types[i].type);
    }
    free(mime->types);
}

const char *mime_of(const struct mime *mime, const char *path)
{
    static const char *const unknown = "application/octet-stream";
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');
    char ending[ENDING_BYTES];
    size_t bytes = 0;

    if (dot == NULL || strlen(dot + 1) >= sizeof ending)
        return unknown;
    for (dot++; *dot != '\0'; dot++)
        ending[bytes++] = (char)tolower((unsigned char)*dot);
    ending[bytes] = '\0';
    struct mime_type key = {.ending = ending};
    const struct mime_type *found =
        bsearch(&key, mime->types, mime->count, sizeof *mime->types, compare);
    return found != NULL ? found->type : unknown;
}
