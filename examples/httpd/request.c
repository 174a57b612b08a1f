/* Requests: the parser's callbacks. One that returns -1 ends the parsing; `status` says why. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "examples/httpd/memory.h"
#include "examples/httpd/request.h"

#define TEXT_BYTES 512 /* holds what most requests bring */

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_HOST] = "Host",
    [FIELD_IF_MATCH] = "If-Match",
    [FIELD_IF_MODIFIED_SINCE] = "If-Modified-Since",
    [FIELD_IF_NONE_MATCH] = "If-None-Match",
    [FIELD_IF_RANGE] = "If-Range",
    [FIELD_IF_UNMODIFIED_SINCE] = "If-Unmodified-Since",
    [FIELD_RANGE] = "Range",
};

static int fail(struct request *request, int status)
{
    request->status = status;
    return -1;
}

static void append(struct request *request, const char *data, size_t bytes)
{
    if (request->text_room - request->text_bytes < bytes) {
        size_t room = request->text_room > 0 ? request->text_room : TEXT_BYTES;
        while (room - request->text_bytes < bytes)
            room *= 2; /* header_max bounds it */
        request->text = reallocate(request->text, room);
        request->text_room = room;
    }
    memcpy(request->text + request->text_bytes, data, bytes);
    request->text_bytes += bytes;
}

static int take_target(http_parser *parser, const char *data, size_t bytes)
{
    struct request *request = parser->data;

    if (request->target_bytes + bytes > request->settings->request_line_max)
        return fail(request, HTTP_STATUS_URI_TOO_LONG);
    append(request, data, bytes);
    request->target_bytes += bytes;
    return 0;
}

/* The end of the target, or of a value that is kept. */
static void end_text(struct request *request)
{
    bool is_target = request->field_count == 0 && request->text_bytes == request->target_bytes;

    if (is_target || request->field != FIELD_COUNT)
        append(request, "", 1);
    request->field = FIELD_COUNT;
}

/* A piece of a name; the first piece of the next one ends the value before. */
static int take_name(http_parser *parser, const char *data, size_t bytes)
{
    struct request *request = parser->data;

    if (request->name_bytes == 0) {
        end_text(request);
        if (++request->field_count > request->settings->header_count_max)
            return fail(request, HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    /* Debian builds the parser without its strict mode, which lets this through. A blank before the
     * colon is how requests are smuggled past proxies (RFC 9112, 5.1). */
    if (memchr(data, ' ', bytes) != NULL)
        return fail(request, HTTP_STATUS_BAD_REQUEST);
    for (size_t i = 0; i < bytes && request->name_bytes + i < sizeof request->name; i++)
        request->name[request->name_bytes + i] = data[i];
    request->name_bytes += (uint32_t)bytes;
    return 0;
}

/* The name is complete: is it one of ours? Each may come once. */
static int begin_value(struct request *request)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (strlen(field_names[i]) != request->name_bytes ||
            strncasecmp(field_names[i], request->name, request->name_bytes) != 0)
            continue;
        if (request->fields[i] != 0)
            return fail(request, HTTP_STATUS_BAD_REQUEST);
        request->field = (uint8_t)i;
        request->fields[i] = request->text_bytes;
    }
    request->name_bytes = 0;
    return 0;
}

static int take_value(http_parser *parser, const char *data, size_t bytes)
{
    struct request *request = parser->data;

    if (request->name_bytes > 0 && begin_value(request) < 0)
        return -1;
    if (request->field != FIELD_COUNT)
        append(request, data, bytes);
    return 0;
}

static int end_head(http_parser *parser)
{
    struct request *request = parser->data;

    end_text(request);
    if ((parser->flags & F_CONTENTLENGTH) != 0 &&
        parser->content_length > request->settings->body_max)
        return fail(request, HTTP_STATUS_PAYLOAD_TOO_LARGE);
    return 0;
}

/* Nobody wants a body: it is counted, and thrown away. */
static int take_body(http_parser *parser, const char *data, size_t bytes)
{
    struct request *request = parser->data;

    (void)data;
    request->body_bytes += bytes;
    if (request->body_bytes > request->settings->body_max)
        return fail(request, HTTP_STATUS_PAYLOAD_TOO_LARGE);
    return 0;
}

static int end_request(http_parser *parser)
{
    struct request *request = parser->data;

    /* An upgrade is not answered, and what follows it would be another protocol. */
    request->is_kept = http_should_keep_alive(parser) != 0 && !parser->upgrade;
    request->state = REQUEST_COMPLETE;
    http_parser_pause(parser, 1); /* what follows is the next request */
    return 0;
}

static const http_parser_settings callbacks = {
    .on_url = take_target,
    .on_header_field = take_name,
    .on_header_value = take_value,
    .on_headers_complete = end_head,
    .on_body = take_body,
    .on_message_complete = end_request,
};

void request_reset(struct request *request)
{
    request->state = REQUEST_FRESH;
    request->status = 0;
    request->field = FIELD_COUNT;
    request->body_bytes = 0;
    request->field_count = 0;
    request->name_bytes = 0;
    request->text_bytes = 0;
    request->target_bytes = 0;
    memset(request->fields, 0, sizeof request->fields);
}

void request_init(struct request *request, const struct settings *settings)
{
    *request = (struct request){.settings = settings};
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
    request_reset(request);
}

void request_fini(struct request *request)
{
    free(request->text);
}

/* What to answer to something that is no request. */
static int status_of_error(const struct request *request)
{
    switch (HTTP_PARSER_ERRNO(&request->parser)) {
    case HPE_HEADER_OVERFLOW:
        return request->field_count == 0 ? HTTP_STATUS_URI_TOO_LONG
                                         : HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
    case HPE_INVALID_METHOD:
        return isupper((unsigned char)request->first) ? HTTP_STATUS_NOT_IMPLEMENTED
                                                      : HTTP_STATUS_BAD_REQUEST;
    case HPE_INVALID_VERSION:
        return HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED;
    default:
        return HTTP_STATUS_BAD_REQUEST;
    }
}

static size_t count_line_ends(const char *data, size_t bytes)
{
    size_t count = 0;

    while (count < bytes && (data[count] == '\r' || data[count] == '\n'))
        count++;
    return count;
}

size_t request_feed(struct request *request, const char *data, size_t bytes)
{
    size_t skipped = 0;

    if (request->state == REQUEST_FRESH) {
        skipped = count_line_ends(data, bytes); /* RFC 9112, 2.2: some clients send too many */
        if (skipped == bytes)
            return skipped;
        request->first = data[skipped];
        request->state = REQUEST_PARTIAL;
    }
    size_t taken =
        http_parser_execute(&request->parser, &callbacks, data + skipped, bytes - skipped);
    if (request->state == REQUEST_COMPLETE) {
        http_parser_pause(&request->parser, 0);
    } else if (HTTP_PARSER_ERRNO(&request->parser) != HPE_OK) {
        request->state = REQUEST_FAILED;
        if (request->status == 0)
            request->status = status_of_error(request);
        end_text(request);
    }
    return skipped + taken;
}

const char *request_method(const struct request *request)
{
    bool is_known = request->target_bytes > 0;

    return is_known ? http_method_str((enum http_method)request->parser.method) : "-";
}

const char *request_target(const struct request *request)
{
    bool is_whole = request->text_bytes > request->target_bytes;

    return request->target_bytes > 0 && is_whole ? request->text : "-";
}

bool request_path(const struct request *request, const char **path, size_t *bytes)
{
    const char *target = request->text;
    struct http_parser_url url;

    if (request->target_bytes > 0 && target[0] == '/') {
        *path = target;
        *bytes = strcspn(target, "?#");
        return true;
    }
    http_parser_url_init(&url);
    if (http_parser_parse_url(target, request->target_bytes, 0, &url) != 0 ||
        (url.field_set & 1 << UF_HOST) == 0)
        return false;
    bool has_path = (url.field_set & 1 << UF_PATH) != 0;
    *path = has_path ? target + url.field_data[UF_PATH].off : "/";
    *bytes = has_path ? url.field_data[UF_PATH].len : 1;
    return true;
}
