/* Paths. Nothing here touches the file system, which has the last word: see cache.c. */
#include <ctype.h>
#include <string.h>

#include "examples/httpd/path.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 'a' ^ 'A';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent signs and NULs. Returns how many bytes came out; 0: there is a mistake. */
static size_t unescape(const char *target, size_t bytes, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < bytes; i++) {
        char c = target[i];
        if (c == '%') {
            int high = i + 2 < bytes ? digit_of(target[i + 1]) : -1;
            int low = high >= 0 ? digit_of(target[i + 2]) : -1;
            if (low < 0)
                return 0;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return 0;
        out[used++] = c;
    }
    return used;
}

/* Where the segment before `end` begins, in a path whose last character there is a slash. */
static char *step_back(const char *first, char *end)
{
    for (end--; end > first && end[-1] != '/'; end--)
        continue;
    return end;
}

bool path_decode(const char *target, size_t bytes, char *out)
{
    size_t left = unescape(target, bytes, out);
    const char *from = out;
    char *to = out;

    if (left == 0)
        return false;
    /* Segment by segment, in place: what is written never overtakes what is read. */
    for (const char *end = out + left; from < end;) {
        const char *slash = memchr(from, '/', (size_t)(end - from));
        size_t segment = (size_t)((slash != NULL ? slash : end) - from);
        bool is_up = segment == 2 && from[0] == '.' && from[1] == '.';
        bool is_here = segment == 0 || (segment == 1 && from[0] == '.');

        if (is_up && to == out)
            return false;
        if (is_up) {
            to = step_back(out, to);
        } else if (!is_here) {
            memmove(to, from, segment);
            to += segment;
            if (slash != NULL)
                *to++ = '/';
        }
        from += segment + 1;
    }
    *to = '\0';
    return true;
}

size_t path_encode(const char *path, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = out;

    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if (isalnum(c) || strchr("-._~/", c) != NULL) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    *to = '\0';
    return (size_t)(to - out);
}
