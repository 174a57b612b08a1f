#include "runtime/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECTION_BYTES 64u

/* inih keeps a line in 200 bytes and would go on behind them as if there were a new line. */
#define LINE_BYTES_MAX 197u

static const char none_of_these[] = "neither [section] nor key = value nor a comment";

struct source {
    FILE *file;
    uint32_t line;
    int error;
    struct tsuga_config_fault *fault;
    tsuga_config_line_fn *each;
    void *context;
};

static char *fail(struct source *source, int error, const char *text)
{
    *source->fault = (struct tsuga_config_fault){source->line, text};
    source->error = error;
    return NULL;
}

/* A section without keys would never reach inih's handler. */
static void open_section(struct source *source, const char *text)
{
    char section[SECTION_BYTES];
    size_t bytes = strcspn(text, "]");

    if (text[bytes] == '\0') {
        fail(source, -EINVAL, none_of_these);
        return;
    }
    snprintf(section, sizeof(section), "%.*s", (int)bytes, text);
    source->error = source->each(source->context,
                                 &(struct tsuga_config_line){source->line, section, NULL, NULL});
}

/* What inih would pass over or report only at the end of the file. */
static void check_line(struct source *source, const char *text)
{
    if (text[0] == '[')
        open_section(source, text + 1);
    else if (text[0] != '\0' && strpbrk(text, "=:") == NULL)
        fail(source, -EINVAL, none_of_these);
}

/* Copies the rest of a line that begins with `first`. */
static char *copy_line(struct source *source, int first, char *out, size_t out_bytes)
{
    bool is_comment = first == ';' || first == '#';
    size_t used = 0;

    for (int c = first; c != EOF && c != '\n'; c = getc_unlocked(source->file)) {
        if (is_comment)
            continue;
        if (c == '\0')
            return fail(source, -EINVAL, "the line holds a NUL byte");
        if (used >= LINE_BYTES_MAX || used + 1 >= out_bytes)
            return fail(source, -EINVAL, "the line is longer than 197 bytes");
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return out;
}

/* An ini_reader. Leading blanks are dropped: inih would take an indented line for more of the
 * value before it. */
static char *next_line(char *out, int out_bytes, void *context)
{
    struct source *source = context;
    int c;

    if (source->error != 0)
        return NULL;
    source->line++;
    do
        c = getc_unlocked(source->file);
    while (c != '\n' && isspace(c));
    if (c == EOF && ferror(source->file) != 0)
        return fail(source, -errno, strerrordesc_np(errno));
    if (c == EOF || copy_line(source, c, out, (size_t)out_bytes) == NULL)
        return NULL;
    check_line(source, out);
    return source->error == 0 ? out : NULL;
}

/* Some editors begin a file with a byte order mark. */
static void skip_byte_order_mark(struct source *source)
{
    static const char mark[] = "\xef\xbb\xbf";
    int c = getc_unlocked(source->file);

    if (c != (unsigned char)mark[0]) {
        ungetc(c, source->file);
        return;
    }
    for (size_t i = 1; i < strlen(mark); i++)
        if (getc_unlocked(source->file) != (unsigned char)mark[i])
            fail(source, -EINVAL, "not a text file");
}

/* An ini_handler, which says 1 to go on. */
static int take_pair(void *context, const char *section, const char *key, const char *value)
{
    struct source *source = context;
    const struct tsuga_config_line line = {source->line, section, key, value};

    if (source->error == 0)
        source->error = source->each(source->context, &line);
    return source->error == 0;
}

int tsuga_config_file_read(const char *path, tsuga_config_line_fn *each, void *context,
                           struct tsuga_config_fault *fault)
{
    struct source source = {
        .file = fopen(path, "re"), .fault = fault, .each = each, .context = context};
    int line;

    *fault = (struct tsuga_config_fault){0, NULL};
    if (source.file == NULL) {
        fail(&source, -errno, strerrordesc_np(errno));
        return source.error;
    }
    skip_byte_order_mark(&source);
    line = ini_parse_stream(next_line, &source, take_pair, &source);
    if (source.error == 0 && line != 0) {
        source.line = (uint32_t)line;
        fail(&source, -EINVAL, none_of_these);
    }
    fclose(source.file);
    return source.error;
}
