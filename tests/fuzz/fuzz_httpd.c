/*
 * Feeds the bytes to the example httpd as what a client sends, in pieces whose sizes the first byte
 * decides. Whatever they are, each request is complete or has a status that says what is wrong; a
 * path never leads upwards, and means the same when it is encoded again; a range lies in its file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/condition.h"
#include "examples/httpd/path.h"
#include "examples/httpd/range.h"
#include "examples/httpd/request.h"
#include "runtime/base/assert.h"

#define FILE_BYTES 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where its memory ends, so that AddressSanitizer sees each byte too many. */
static char *copy(const void *data, size_t bytes)
{
    char *memory = malloc(bytes + (bytes == 0));

    TSUGA_VERIFY(memory != NULL);
    memcpy(memory, data, bytes);
    return memory;
}

static void check_segments(const char *path)
{
    while (*path != '\0') {
        size_t bytes = strcspn(path, "/");
        bool is_up = bytes == 2 && path[0] == '.' && path[1] == '.';
        bool is_here = bytes == 1 && path[0] == '.';

        TSUGA_VERIFY(bytes > 0); /* and so none begins with a slash */
        TSUGA_VERIFY(!is_up);
        TSUGA_VERIFY(!is_here);
        path += bytes + (path[bytes] == '/');
    }
}

static void check_path(const char *target, size_t bytes)
{
    char *path = malloc(bytes);

    TSUGA_VERIFY(path != NULL);
    if (path_decode(target, bytes, path)) {
        size_t room = 1 + PATH_ENCODED_BYTES(strlen(path));
        char *encoded = malloc(room);
        char *again = malloc(room);

        TSUGA_VERIFY(encoded != NULL && again != NULL);
        check_segments(path);
        encoded[0] = '/';
        size_t encoded_bytes = 1 + path_encode(path, encoded + 1);
        TSUGA_VERIFY(path_decode(encoded, encoded_bytes, again));
        TSUGA_VERIFY(strcmp(path, again) == 0);
        free(encoded);
        free(again);
    }
    free(path);
}

static void check_request(const struct request *request)
{
    const struct file_facts facts = {
        .size = FILE_BYTES, .modified = 784111777, .etag = "\"1-2-3\""};
    struct range range;
    const char *target;
    size_t bytes;

    TSUGA_VERIFY(strlen(request_target(request)) > 0);
    TSUGA_VERIFY(strlen(request_method(request)) > 0);
    if (request_path(request, &target, &bytes))
        check_path(target, bytes);
    int status = condition_status(request, &facts);
    TSUGA_VERIFY(status == 200 || status == 304 || status == 412);
    (void)condition_allows_range(request, &facts);
    if (range_read(request_field(request, FIELD_RANGE), FILE_BYTES, &range) != RANGE_PART)
        return;
    TSUGA_VERIFY(range.bytes > 0);
    TSUGA_VERIFY(range.first < FILE_BYTES);
    TSUGA_VERIFY(range.bytes <= FILE_BYTES - range.first);
}

/* Returns false when the connection would be closed. */
static bool take_piece(struct request *request, const char *data, size_t bytes)
{
    while (bytes > 0) {
        size_t taken = request_feed(request, data, bytes);

        TSUGA_VERIFY(taken <= bytes);
        if (request->state == REQUEST_FAILED) {
            TSUGA_VERIFY(request->status >= 400);
            TSUGA_VERIFY(strlen(request_target(request)) > 0);
            return false;
        }
        TSUGA_VERIFY(taken > 0); /* or it would go on for ever */
        if (request->state == REQUEST_COMPLETE) {
            check_request(request);
            request_reset(request);
        }
        data += taken;
        bytes -= taken;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings;
    struct request request;
    bool is_open = true;

    if (size == 0)
        return 0;
    settings_init(&settings);
    request_init(&request, &settings);
    size_t piece = 1 + data[0];
    for (size_t at = 1; at < size && is_open; at += piece) {
        size_t bytes = size - at < piece ? size - at : piece;
        char *memory = copy(data + at, bytes);

        is_open = take_piece(&request, memory, bytes);
        free(memory);
    }
    request_fini(&request);
    settings_fini(&settings);
    return 0;
}
