/* Lines of hashes: how they look, and how they get to the standard output. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/hash/hash.h"

#define OUTPUT_BYTES (64 * KIB)
#define DIGEST_CHARS 32

void lines_init(struct lines *lines)
{
    *lines = (struct lines){
        .text = allocate(1, OUTPUT_BYTES),
        .write_bytes_max = OUTPUT_BYTES,
        .is_terminal = isatty(STDOUT_FILENO),
    };
}

void lines_fini(struct lines *lines)
{
    free(lines->text);
}

/* Returns how many bytes were written, 0 to try again, or -errno. */
static int write_some(struct tsuga_actor *self, struct lines *lines, const char *text, size_t bytes)
{
    if (bytes > lines->write_bytes_max)
        bytes = lines->write_bytes_max;
    int result = tsuga_await(self, tsuga_write(self, STDOUT_FILENO, text, bytes)).result;

    if (result == -EMSGSIZE && bytes > 1) { /* no size class is as large as this */
        lines->write_bytes_max = bytes / 2;
        return 0;
    }
    if (result == -EAGAIN) { /* somebody has made the output non-blocking */
        result = tsuga_await(self, tsuga_poll(self, STDOUT_FILENO, POLLOUT)).result;
        return result < 0 ? result : 0;
    }
    return result;
}

/* While a pipe is full only the calling actor waits. */
void lines_flush(struct tsuga_actor *self, struct lines *lines)
{
    size_t done = 0;

    while (done < lines->bytes && lines->error == 0) {
        int result = write_some(self, lines, lines->text + done, lines->bytes - done);
        if (result < 0)
            lines->error = -result;
        else
            done += (size_t)result;
    }
    lines->bytes = 0;
}

static char *put_digest(char *to, XXH128_hash_t hash)
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        *to++ = digits[canonical.digest[i] >> 4];
        *to++ = digits[canonical.digest[i] & 15];
    }
    return to;
}

/* A path that could be opened is shorter than PATH_MAX, so that any line fits in. */
void lines_add(struct tsuga_actor *self, struct lines *lines, const struct file *file)
{
    size_t line_bytes = DIGEST_CHARS + strlen("  ") + strlen(file->path) + strlen("\n");

    if (lines->bytes + line_bytes > OUTPUT_BYTES)
        lines_flush(self, lines);
    char *end = put_digest(lines->text + lines->bytes, file->hash);
    end = stpcpy(end, "  ");
    end = stpcpy(end, file->path);
    *end = '\n';
    lines->bytes += line_bytes;
    if (lines->is_terminal)
        lines_flush(self, lines);
}
