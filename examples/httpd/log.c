/* The log. Lines gather in the actor until there is a buffer full of them, or a moment has passed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "examples/httpd/date.h"
#include "examples/httpd/log.h"

#define BUFFER_BYTES ((size_t)64 << 10)
#define LINE_BYTES   ((size_t)1 << 10) /* longer targets are cut */
#define LINES_MAX    65536             /* that wait */
#define FLUSH_MS     500               /* a line is not held back longer */

struct log {
    struct server *server;
    uint64_t due_ms; /* for the first line in the buffer */
    size_t bytes;
    bool is_broken;   /* a write has failed, and that was said */
    bool is_stopping; /* the last connection's last line is still to come */
    char text[BUFFER_BYTES];
};

int log_open(struct server *server)
{
    const char *log = server->settings.log;

    server->log_fd = -1;
    if (strcmp(log, "off") == 0)
        return 0;
    if (strcmp(log, "stderr") == 0)
        server->log_fd = STDERR_FILENO;
    else
        server->log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return server->log_fd < 0 ? -errno : 0;
}

static void flush(struct tsuga_actor *self, struct log *log)
{
    int result = 0;

    for (size_t done = 0; done < log->bytes; done += (size_t)result) {
        result = tsuga_await(self, tsuga_write(self, log->server->log_fd, log->text + done,
                                               log->bytes - done))
                     .result;
        if (result <= 0)
            break;
    }
    if (result <= 0 && !log->is_broken)
        fprintf(stderr, "httpd: %s: %s\n", log->server->settings.log, strerror(-result));
    log->is_broken = result <= 0;
    log->bytes = 0;
}

static void take(struct tsuga_actor *self, struct log *log, const struct tsuga_message *message)
{
    size_t bytes = tsuga_message_bytes(message);

    if (log->bytes == 0)
        log->due_ms = date_now_ms() + FLUSH_MS;
    memcpy(log->text + log->bytes, tsuga_message_data(message), bytes);
    log->bytes += bytes;
    if (log->bytes > BUFFER_BYTES - LINE_BYTES)
        flush(self, log);
}

static uint64_t patience_ns(const struct log *log)
{
    uint64_t now_ms = date_now_ms();

    if (log->is_stopping)
        return STOP_POLL_NS;
    if (log->bytes == 0)
        return TSUGA_FOREVER;
    return log->due_ms > now_ms ? (log->due_ms - now_ms) * MS : 0;
}

static void keep(struct tsuga_actor *self, void *server)
{
    struct log *log = tsuga_state(self);
    const struct tsuga_message *message;

    log->server = server;
    for (;;) {
        bool is_last = log->is_stopping && atomic_load(&log->server->connection_count) == 0;
        int error = tsuga_receive(self, NULL, patience_ns(log), &message);
        if (error == -ETIMEDOUT) {
            flush(self, log);
            if (is_last)
                return;
            continue;
        }
        if (error < 0)
            return;
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP)
            log->is_stopping = true;
        else
            take(self, log, message);
    }
}

int log_spawn(struct server *server, struct tsuga_runtime *runtime)
{
    struct tsuga_spawn_options options = {
        .body = keep,
        .argument = server,
        .state_bytes = sizeof(struct log),
        .name = "log",
        .mailbox_capacity = LINES_MAX,
        .mailbox_full = TSUGA_FULL_DROP,
        .placement = TSUGA_PLACE_LEAST_LOADED,
        .receives_stop = true,
    };

    return server->log_fd < 0 ? 0 : tsuga_spawn(runtime, &options, &server->log);
}

/* A target is printable, but may hold what ends the quotes around it. Returns the end. */
static char *put_target(char *to, const char *end, const char *target)
{
    for (; *target != '\0' && to + 4 < end; target++) {
        unsigned char c = (unsigned char)*target;
        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            to += sprintf(to, "\\x%02x", c);
        else
            *to++ = (char)c;
    }
    return to;
}

void log_request(struct tsuga_actor *self, const struct server *server,
                 const struct log_entry *entry)
{
    char line[LINE_BYTES];
    time_t now = date_now();
    struct tm parts;

    if (server->log_fd < 0)
        return;
    gmtime_r(&now, &parts);
    char *end = line + snprintf(line, sizeof line, "%s - - ", entry->peer);
    end += strftime(end, 64, "[%d/%b/%Y:%H:%M:%S +0000] ", &parts);
    end += snprintf(end, 64, "\"%s ", entry->method);
    end = put_target(end, line + sizeof line - 128, entry->target);
    end += snprintf(end, 128, " HTTP/%d.%d\" %d %" PRIu64 "\n", entry->major, entry->minor,
                    entry->status, entry->bytes);
    (void)tsuga_send(self, server->log, TAG_LINE, line, (size_t)(end - line));
}
