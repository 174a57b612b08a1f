/*
 * Paths: from a request's target to a name below the root.
 *
 * Thread: any; the memory is the caller's.
 */
#ifndef TSUGA_HTTPD_PATH_H
#define TSUGA_HTTPD_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decode the path of a target: percent signs first, then `.`, `..` and empty segments, so that no
 * spelling of `../` gets through. What comes out has neither a slash in front nor such segments;
 * the root itself is "". A slash at the end stays.
 *
 * target  `bytes` bytes that begin with a slash, without query.
 * out     room for `bytes` bytes; the slash in front makes room for the NUL.
 *
 * False: a percent sign without two hexadecimal digits, a NUL, or a way out of the root.
 */
bool path_decode(const char *target, size_t bytes, char *out);

/* Encode a path or a name for a URL; slashes stay. Returns how many bytes were written, beside the
 * NUL. `out` has PATH_ENCODED_BYTES(strlen(path)) bytes. */
size_t path_encode(const char *path, char *out);

#define PATH_ENCODED_BYTES(bytes) (3 * (bytes) + 1)

#endif
