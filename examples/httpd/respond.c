/* Responses. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "examples/httpd/cache.h"
#include "examples/httpd/condition.h"
#include "examples/httpd/head.h"
#include "examples/httpd/lister.h"
#include "examples/httpd/output.h"
#include "examples/httpd/path.h"
#include "examples/httpd/range.h"
#include "examples/httpd/respond.h"

#define PAGE_BYTES 256
#define HTML       "text/html; charset=utf-8"

/* What one answer is about. */
struct subject {
    struct answer answer;
    struct tsuga_lease lease;
    char path[PATH_MAX]; /* below the root; "" or with a slash at its end: a directory */
};

static bool wants_body(const struct connection *connection)
{
    return connection->request.parser.method != HTTP_HEAD;
}

static bool is_old_client(const struct connection *connection)
{
    return connection->request.parser.http_minor == 0;
}

static void note(struct connection *connection, int status, uint64_t body_bytes)
{
    connection->status = status;
    connection->body_bytes = wants_body(connection) ? body_bytes : 0;
}

/* Send a head and a body that is no file. */
static void send_page(struct tsuga_actor *self, struct connection *connection, struct head *head,
                      const char *body, size_t bytes)
{
    head_add_content(head, HTML, bytes);
    head_end(head, connection->is_kept, is_old_client(connection));
    bool has_body = wants_body(connection) && bytes > 0;
    output_copy(self, connection, head->text, head->bytes, has_body);
    if (has_body)
        output_copy(self, connection, body, bytes, false);
}

static size_t make_page(char *page, int status)
{
    const char *reason = http_status_str((enum http_status)status);

    return (size_t)snprintf(page, PAGE_BYTES,
                            "<!DOCTYPE html>\n<html><head><title>%d %s</title></head>\n"
                            "<body><h1>%d %s</h1></body></html>\n",
                            status, reason, status, reason);
}

void respond_error(struct tsuga_actor *self, struct connection *connection, int status)
{
    char text[HEAD_BYTES];
    char page[PAGE_BYTES];
    size_t page_bytes = make_page(page, status);
    struct head head;

    head_begin(&head, text, sizeof text, status);
    if (status == HTTP_STATUS_METHOD_NOT_ALLOWED)
        head_add(&head, "Allow: GET, HEAD\r\n");
    if (status == HTTP_STATUS_SERVICE_UNAVAILABLE)
        head_add(&head, "Retry-After: 1\r\n");
    note(connection, status, page_bytes);
    send_page(self, connection, &head, page, page_bytes);
}

static int status_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        return HTTP_STATUS_NOT_FOUND;
    case EACCES:
    case EPERM:
    case ELOOP: /* or a magic link */
    case EXDEV: /* a link that leads out of the root */
        return HTTP_STATUS_FORBIDDEN;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN:
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    default:
        return HTTP_STATUS_INTERNAL_SERVER_ERROR;
    }
}

/* Files. */

/* A plain GET of a file in the cache: head and content lie in one lease, made long ago. */
static bool is_plain(const struct connection *connection, const struct subject *subject)
{
    const struct request *request = &connection->request;
    bool is_conditional = request->fields[FIELD_IF_MATCH] != 0 ||
                          request->fields[FIELD_IF_MODIFIED_SINCE] != 0 ||
                          request->fields[FIELD_IF_NONE_MATCH] != 0 ||
                          request->fields[FIELD_IF_UNMODIFIED_SINCE] != 0;

    return subject->answer.is_cached && wants_body(connection) && connection->is_kept &&
           !is_old_client(connection) && !is_conditional && request->fields[FIELD_RANGE] == 0;
}

static void send_part(struct tsuga_actor *self, struct connection *connection,
                      const struct subject *subject, const struct range *part)
{
    const struct answer *answer = &subject->answer;

    if (answer->is_cached)
        output_lease(self, connection, subject->lease, answer->head_bytes + part->first,
                     (size_t)part->bytes);
    else
        output_file(self, connection, answer->fd, *part);
}

static void send_file(struct tsuga_actor *self, struct connection *connection,
                      const struct subject *subject, const struct range *part)
{
    const struct file_facts *facts = &subject->answer.facts;
    bool is_part = part->bytes < facts->size;
    bool has_body = wants_body(connection) && part->bytes > 0;
    char text[HEAD_BYTES];
    struct head head;

    note(connection, is_part ? HTTP_STATUS_PARTIAL_CONTENT : HTTP_STATUS_OK, part->bytes);
    head_begin(&head, text, sizeof text, connection->status);
    head_add_content(&head, facts->type, part->bytes);
    head_add_facts(&head, facts);
    if (is_part)
        head_add(&head, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)part->first,
                 (unsigned long long)(part->first + part->bytes - 1),
                 (unsigned long long)facts->size);
    head_end(&head, connection->is_kept, is_old_client(connection));
    output_copy(self, connection, head.text, head.bytes, has_body);
    if (has_body)
        send_part(self, connection, subject, part);
}

static void send_not_modified(struct tsuga_actor *self, struct connection *connection,
                              const struct file_facts *facts)
{
    char text[HEAD_BYTES];
    struct head head;

    note(connection, HTTP_STATUS_NOT_MODIFIED, 0);
    head_begin(&head, text, sizeof text, HTTP_STATUS_NOT_MODIFIED);
    head_add_facts(&head, facts);
    head_end(&head, connection->is_kept, is_old_client(connection));
    output_copy(self, connection, head.text, head.bytes, false);
}

static void send_outside(struct tsuga_actor *self, struct connection *connection, uint64_t size)
{
    char text[HEAD_BYTES];
    char page[PAGE_BYTES];
    size_t page_bytes = make_page(page, HTTP_STATUS_RANGE_NOT_SATISFIABLE);
    struct head head;

    note(connection, HTTP_STATUS_RANGE_NOT_SATISFIABLE, page_bytes);
    head_begin(&head, text, sizeof text, HTTP_STATUS_RANGE_NOT_SATISFIABLE);
    head_add(&head, "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
    send_page(self, connection, &head, page, page_bytes);
}

static void respond_file(struct tsuga_actor *self, struct connection *connection,
                         const struct subject *subject)
{
    const struct request *request = &connection->request;
    const struct file_facts *facts = &subject->answer.facts;
    struct range part = {0, facts->size};
    enum range_kind kind = RANGE_WHOLE;

    if (is_plain(connection, subject)) {
        note(connection, HTTP_STATUS_OK, facts->size);
        output_lease(self, connection, subject->lease, 0,
                     subject->answer.head_bytes + (size_t)facts->size);
        return;
    }
    int status = condition_status(request, facts);
    if (status == HTTP_STATUS_NOT_MODIFIED) {
        send_not_modified(self, connection, facts);
        return;
    }
    if (status != HTTP_STATUS_OK) {
        respond_error(self, connection, status);
        return;
    }
    /* A range is for GET only, and only of the version that the client knows. */
    if (wants_body(connection) && condition_allows_range(request, facts))
        kind = range_read(request_field(request, FIELD_RANGE), facts->size, &part);
    if (kind == RANGE_OUTSIDE)
        send_outside(self, connection, facts->size);
    else
        send_file(self, connection, subject, &part);
}

/* Directories. */

/* Send the client to the same name with a slash. It is written anew from what it means: a path such
 * as //host would lead the client to that host. */
static void respond_redirect(struct tsuga_actor *self, struct connection *connection,
                             const struct subject *subject)
{
    const char *query = strchr(request_target(&connection->request), '?');
    size_t query_bytes = query != NULL ? strcspn(query, "#") : 0;
    size_t path_room = PATH_ENCODED_BYTES(strlen(subject->path));
    size_t room = HEAD_BYTES + path_room + query_bytes;
    char *location = connection_scratch(connection, path_room + room);
    char *text = location + path_room;
    char page[PAGE_BYTES];
    size_t page_bytes = make_page(page, HTTP_STATUS_MOVED_PERMANENTLY);
    struct head head;

    path_encode(subject->path, location);
    note(connection, HTTP_STATUS_MOVED_PERMANENTLY, page_bytes);
    head_begin(&head, text, room, HTTP_STATUS_MOVED_PERMANENTLY);
    head_add(&head, "Location: /%s/%.*s\r\n", location, (int)query_bytes,
             query != NULL ? query : "");
    send_page(self, connection, &head, page, page_bytes);
}

static void respond_listing(struct tsuga_actor *self, struct connection *connection,
                            struct subject *subject)
{
    const struct tsuga_message *message;
    char text[HEAD_BYTES];
    struct head head;
    int fd = subject->answer.fd;

    subject->answer.fd = -1;
    int error = lister_ask(self, connection->server, fd, subject->path, &message);
    if (error < 0) {
        respond_error(self, connection, status_of(-error));
        return;
    }
    note(connection, HTTP_STATUS_OK, tsuga_message_bytes(message));
    head_begin(&head, text, sizeof text, HTTP_STATUS_OK);
    head_add(&head, "Cache-Control: no-cache\r\n");
    /* Sending may wait, and the message would go with the next one. */
    if (tsuga_message_keep(self, message) < 0)
        tsuga_exit(self, TSUGA_NORMAL);
    send_page(self, connection, &head, tsuga_message_data(message), tsuga_message_bytes(message));
    tsuga_message_release(self, message);
}

/* The index of a directory if there is one, otherwise the directory itself. */
static int ask(struct tsuga_actor *self, struct connection *connection, struct subject *subject)
{
    const char *index = connection->server->settings.index;
    size_t bytes = strlen(subject->path);
    int error;

    if (bytes > 0 && subject->path[bytes - 1] != '/')
        return cache_ask(self, connection->shard, subject->path, &subject->answer, &subject->lease);
    if (bytes + strlen(index) >= sizeof subject->path)
        return -ENAMETOOLONG;
    memcpy(subject->path + bytes, index, strlen(index) + 1);
    error = cache_ask(self, connection->shard, subject->path, &subject->answer, &subject->lease);
    subject->path[bytes] = '\0';
    if (error < 0 || (subject->answer.error != ENOENT && !subject->answer.is_directory))
        return error;
    return cache_ask(self, connection->shard, subject->path, &subject->answer, &subject->lease);
}

static void respond_subject(struct tsuga_actor *self, struct connection *connection,
                            struct subject *subject)
{
    int error;

    subject->lease.value = 0;
    subject->answer.fd = -1;
    error = ask(self, connection, subject);
    if (error == 0)
        error = -subject->answer.error;
    if (error < 0)
        respond_error(self, connection, status_of(-error));
    else if (!subject->answer.is_directory)
        respond_file(self, connection, subject);
    else if (subject->answer.fd < 0)
        respond_redirect(self, connection, subject);
    else if (connection->server->settings.has_listings)
        respond_listing(self, connection, subject);
    else
        respond_error(self, connection, HTTP_STATUS_FORBIDDEN);

    if (subject->lease.value != 0)
        tsuga_lease_release(self, subject->lease); /* a send has a reference of its own */
    if (subject->answer.fd >= 0)
        tsuga_forget(self, tsuga_close(self, subject->answer.fd));
}

/* What can be said without looking at any file; 0 when nothing is wrong. */
static int check(struct connection *connection)
{
    const struct request *request = &connection->request;
    const http_parser *parser = &request->parser;

    if (parser->http_major != 1)
        return HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED;
    if (parser->http_minor > 0 && request_field(request, FIELD_HOST) == NULL)
        return HTTP_STATUS_BAD_REQUEST;
    if (parser->method != HTTP_GET && parser->method != HTTP_HEAD)
        return HTTP_STATUS_METHOD_NOT_ALLOWED;
    return 0;
}

void respond(struct tsuga_actor *self, struct connection *connection)
{
    const struct request *request = &connection->request;
    struct subject subject;
    const char *target;
    size_t bytes;
    int status = check(connection);

    if (status == 0 && !request_path(request, &target, &bytes))
        status = HTTP_STATUS_BAD_REQUEST;
    if (status == 0 && bytes > sizeof subject.path)
        status = HTTP_STATUS_NOT_FOUND; /* no file has such a name */
    if (status == 0 && !path_decode(target, bytes, subject.path))
        status = HTTP_STATUS_BAD_REQUEST;
    if (status == 0)
        respond_subject(self, connection, &subject);
    else
        respond_error(self, connection, status);
}
