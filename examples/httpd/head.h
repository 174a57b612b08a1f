/*
 * Heads: status line and fields of a response.
 *
 * Owner and thread: the caller's; the text is in memory of its own.
 */
#ifndef TSUGA_HTTPD_HEAD_H
#define TSUGA_HTTPD_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "examples/httpd/file.h"

#define HEAD_BYTES 1024 /* of any head without a location */

struct head {
    char *text;
    size_t bytes;
    size_t room;
};

/* Begin in `room` bytes at `text`: status line, Server, Date. Where the date stands is the same in
 * every head of the same status: head_date_offset(). */
void head_begin(struct head *head, char *text, size_t room, int status);
size_t head_date_offset(int status);

/* Add a field. What does not fit is left out. */
__attribute__((format(printf, 2, 3))) void head_add(struct head *head, const char *format, ...);

/* Content-Type, Content-Length. */
void head_add_content(struct head *head, const char *type, uint64_t bytes);

/* Last-Modified, ETag, Accept-Ranges. */
void head_add_facts(struct head *head, const struct file_facts *facts);

/* What a client of this version must be told of the connection; then the empty line. */
void head_end(struct head *head, bool is_kept, bool is_old_client);

#endif
