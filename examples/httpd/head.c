/* Heads. */
#include <http_parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "examples/httpd/date.h"
#include "examples/httpd/head.h"

#define FIRST_LINES "HTTP/1.1 %d %s\r\nServer: tsuga-httpd\r\nDate: "

size_t head_date_offset(int status)
{
    return (size_t)snprintf(NULL, 0, FIRST_LINES, status,
                            http_status_str((enum http_status)status));
}

void head_begin(struct head *head, char *text, size_t room, int status)
{
    head->text = text;
    head->bytes = 0;
    head->room = room;
    head_add(head, FIRST_LINES, status, http_status_str((enum http_status)status));
    date_write(head->text + head->bytes, date_now());
    head->bytes += DATE_CHARS;
    head_add(head, "\r\n");
}

void head_add(struct head *head, const char *format, ...)
{
    size_t left = head->room - head->bytes;
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(head->text + head->bytes, left, format, arguments);
    va_end(arguments);
    if (bytes > 0 && (size_t)bytes < left)
        head->bytes += (size_t)bytes;
}

void head_add_content(struct head *head, const char *type, uint64_t bytes)
{
    head_add(head, "Content-Type: %s\r\nContent-Length: %llu\r\n", type, (unsigned long long)bytes);
}

void head_add_facts(struct head *head, const struct file_facts *facts)
{
    char date[DATE_CHARS];

    date_write(date, facts->modified);
    head_add(head, "Last-Modified: %.*s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", DATE_CHARS, date,
             facts->etag);
}

void head_end(struct head *head, bool is_kept, bool is_old_client)
{
    if (!is_kept)
        head_add(head, "Connection: close\r\n");
    else if (is_old_client)
        head_add(head, "Connection: keep-alive\r\n");
    head_add(head, "\r\n");
}
