/*
 * Requests: what a client has asked for, gathered from whatever pieces arrive.
 *
 * The bytes are taken apart by http_parser (Debian: libhttp-parser-dev), which was that of Node.js:
 * it has seen every kind of traffic, takes input in pieces of any size, allocates nothing, and
 * refuses what smuggles requests past proxies. Debian 12 has no library with its successor llhttp
 * nor with picohttpparser; libhtp is made to look at traffic, not to answer it, and the others are
 * parts of whole servers.
 *
 * Owner and thread: a struct request belongs to the actor of its connection.
 */
#ifndef TSUGA_HTTPD_REQUEST_H
#define TSUGA_HTTPD_REQUEST_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "examples/httpd/settings.h"

/* The fields that somebody looks at. */
enum field {
    FIELD_HOST,
    FIELD_IF_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_RANGE,
    FIELD_IF_UNMODIFIED_SINCE,
    FIELD_RANGE,
    FIELD_COUNT,
};

enum request_state {
    REQUEST_FRESH,    /* not one byte of it has come */
    REQUEST_PARTIAL,  /* some have */
    REQUEST_COMPLETE, /* it can be answered */
    REQUEST_FAILED,   /* `status` says how; the connection cannot go on */
};

struct request {
    http_parser parser;
    const struct settings *settings;
    enum request_state state;
    int status;    /* of a failure */
    bool is_kept;  /* the client wants the connection to go on */
    char first;    /* the first byte, which tells a strange method from no method */
    uint8_t field; /* enum field that is being read, or FIELD_COUNT */
    uint64_t body_bytes;
    uint32_t field_count;
    uint32_t name_bytes; /* of the field name that is being read */
    char name[20];       /* as much of it as tells the fields above from others */
    char *text;          /* the target and the values, each with a NUL */
    size_t text_bytes;
    size_t text_room;
    size_t target_bytes;        /* the target is at the beginning of the text */
    size_t fields[FIELD_COUNT]; /* where in the text; 0: absent */
};

void request_init(struct request *request, const struct settings *settings);
void request_fini(struct request *request);

/* Get ready for the next one on the same connection. */
void request_reset(struct request *request);

/* Take bytes in, at most to the end of the request. Returns how many were taken. */
size_t request_feed(struct request *request, const char *data, size_t bytes);

/* A field's value, or NULL. Valid until the next reset. */
static inline const char *request_field(const struct request *request, enum field field)
{
    return request->fields[field] != 0 ? request->text + request->fields[field] : NULL;
}

/* Method and target for the log; never NULL. */
const char *request_method(const struct request *request);
const char *request_target(const struct request *request);

/* The path of the target, still encoded. False: the target is none of the forms for GET. */
bool request_path(const struct request *request, const char **path, size_t *bytes);

#endif
