/* A connection: input, time limits, and its end. What is answered: respond.c. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/connection.h"
#include "examples/httpd/date.h"
#include "examples/httpd/log.h"
#include "examples/httpd/memory.h"
#include "examples/httpd/output.h"
#include "examples/httpd/respond.h"

/* After the last answer the client may still be sending. Closing at once would make its kernel
 * throw away what it has not yet read of the answer. */
#define LINGER_MS 1000

/* Time. A timer rings now and then and looks whether the connection is overdue; what happens in
 * between only moves `due_ms`. So requests do not pay for timers. */

static uint64_t tick_ms(const struct settings *settings)
{
    return settings->header_ms < settings->idle_ms ? settings->header_ms : settings->idle_ms;
}

static void start_timer(struct tsuga_actor *self, const struct connection *connection)
{
    uint64_t now_ms = date_now_ms();
    uint64_t left_ms = connection->due_ms > now_ms ? connection->due_ms - now_ms : 1;
    uint64_t tick = tick_ms(&connection->server->settings);
    struct tsuga_op timer = {.kind = TSUGA_OP_TIMEOUT,
                             .timeout_ns = (left_ms < tick ? left_ms : tick) * MS,
                             .tag = TAG_TIMER};

    if (tsuga_op_error(tsuga_submit(self, &timer)) < 0)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void set_due(struct connection *connection, uint64_t limit_ms)
{
    connection->due_ms = date_now_ms() + limit_ms;
}

/* Input. */

/* One operation for all that will come: while nothing does, the connection holds no buffer. */
static void receive(struct tsuga_actor *self, struct connection *connection)
{
    connection->receiving = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                                  .options = TSUGA_OP_MULTI,
                                                                  .fd = connection->fd,
                                                                  .tag = TAG_RECV});
    if (tsuga_op_error(connection->receiving) < 0)
        tsuga_exit(self, TSUGA_NORMAL);
}

/* Say nothing more, and wait for the client to see it. */
static void close_softly(struct tsuga_actor *self, struct connection *connection)
{
    output_settle(self, connection);
    connection->is_closing = true;
    set_due(connection, LINGER_MS);
    start_timer(self, connection);
    tsuga_forget(self, tsuga_shutdown(self, connection->fd, SHUT_WR));
}

static void log_answer(struct tsuga_actor *self, const struct connection *connection)
{
    const struct request *request = &connection->request;

    log_request(self, connection->server,
                &(struct log_entry){
                    .peer = connection->peer,
                    .method = request_method(request),
                    .target = request_target(request),
                    .major = request->parser.http_major,
                    .minor = request->parser.http_minor,
                    .status = connection->status,
                    .bytes = connection->body_bytes,
                });
}

/* The request is complete, or will never be. */
static void answer(struct tsuga_actor *self, struct connection *connection)
{
    struct request *request = &connection->request;
    bool is_complete = request->state == REQUEST_COMPLETE;

    connection->is_kept = is_complete && request->is_kept && !connection->is_stopping;
    if (is_complete)
        respond(self, connection);
    else
        respond_error(self, connection, request->status);
    atomic_fetch_add_explicit(&connection->server->request_count, 1, memory_order_relaxed);
    log_answer(self, connection);
    request_reset(request);
    set_due(connection, connection->server->settings.idle_ms);
    if (!connection->is_kept)
        close_softly(self, connection);
}

static void take_in(struct tsuga_actor *self, struct connection *connection, const char *data,
                    size_t bytes)
{
    struct request *request = &connection->request;

    while (bytes > 0 && !connection->is_closing) {
        if (request->state == REQUEST_FRESH)
            set_due(connection, connection->server->settings.header_ms);
        size_t taken = request_feed(request, data, bytes);
        data += taken;
        bytes -= taken;
        if (request->state == REQUEST_COMPLETE || request->state == REQUEST_FAILED)
            answer(self, connection);
    }
}

static void received(struct tsuga_actor *self, struct connection *connection,
                     const struct tsuga_completion *io)
{
    struct tsuga_lease lease = io->lease;

    if (io->last) { /* the client has said its last word; it may still listen */
        output_settle(self, connection);
        tsuga_exit(self, TSUGA_NORMAL);
    }
    /* While an answer waits for something, other messages are taken, and this one would go. */
    if (tsuga_lease_retain(self, lease) < 0)
        tsuga_exit(self, TSUGA_NORMAL);
    take_in(self, connection, io->data, io->bytes);
    tsuga_lease_release(self, lease);
}

/* Beginning and end. */

static void rang(struct tsuga_actor *self, struct connection *connection)
{
    if (date_now_ms() < connection->due_ms) {
        if (!connection->is_closing)
            start_timer(self, connection);
        return;
    }
    /* Half a request is worth an answer; silence between two, or after the last one, is not. */
    if (connection->is_closing || connection->request.state == REQUEST_FRESH)
        tsuga_exit(self, TSUGA_NORMAL);
    connection->request.state = REQUEST_FAILED;
    connection->request.status = HTTP_STATUS_REQUEST_TIMEOUT;
    answer(self, connection);
}

/* A request that has begun to arrive is still answered. */
static void stop(struct tsuga_actor *self, struct connection *connection)
{
    connection->is_stopping = true;
    if (connection->is_closing || connection->request.state == REQUEST_PARTIAL)
        return;
    output_settle(self, connection);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void note_peer(struct connection *connection)
{
    struct sockaddr_storage peer = {0};
    socklen_t bytes = sizeof peer;
    const void *address = &((struct sockaddr_in *)&peer)->sin_addr;

    (void)getpeername(connection->fd, (struct sockaddr *)&peer, &bytes);
    if (peer.ss_family == AF_INET6)
        address = &((struct sockaddr_in6 *)&peer)->sin6_addr;
    if (peer.ss_family == AF_UNSPEC ||
        inet_ntop(peer.ss_family, address, connection->peer, sizeof connection->peer) == NULL)
        strcpy(connection->peer, "-");
}

static void welcome(struct tsuga_actor *self, struct connection *connection, int fd)
{
    connection->fd = fd;
    if (connection->server->log_fd >= 0)
        note_peer(connection);
    set_due(connection, connection->server->settings.header_ms);
    start_timer(self, connection);
    receive(self, connection);
}

static void handle(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct connection *connection = tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);
    int fd;

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP) {
        stop(self, connection);
    } else if (io == NULL) {
        memcpy(&fd, tsuga_message_data(message), sizeof fd);
        welcome(self, connection, fd);
    } else if (io->tag == TAG_RECV) {
        received(self, connection, io);
    } else if (io->tag == TAG_SEND) {
        output_sent(self, connection, io);
    } else if (io->tag == TAG_TIMER) {
        rang(self, connection);
    }
}

static void begin(struct tsuga_actor *self, void *server)
{
    struct connection *connection = tsuga_state(self);

    connection->server = server;
    connection->shard = &connection->server->shards[tsuga_executor_of(self)];
    connection->shard->connection_count++;
    atomic_fetch_add(&connection->server->connection_count, 1);
    atomic_fetch_add(&connection->server->accepted_count, 1);
    request_init(&connection->request, &connection->server->settings);
}

static void end(void *state)
{
    struct connection *connection = state;

    if (connection->server == NULL) /* the end came before the beginning */
        return;
    free(connection->scratch);
    request_fini(&connection->request);
    connection->shard->connection_count--;
    atomic_fetch_sub(&connection->server->connection_count, 1);
}

char *connection_scratch(struct connection *connection, size_t bytes)
{
    if (connection->scratch_bytes < bytes) {
        connection->scratch = reallocate(connection->scratch, bytes);
        connection->scratch_bytes = bytes;
    }
    return connection->scratch;
}

void connection_spawn(struct tsuga_actor *self, struct server *server, int fd)
{
    struct tsuga_spawn_options options = {
        .behaviour = handle,
        .start = begin,
        .argument = server,
        .state_bytes = sizeof(struct connection),
        .state_fini = end,
        .name = "connection",
        .placement = TSUGA_PLACE_EXECUTOR,
        .executor = tsuga_executor_of(self),
        .receives_stop = true,
    };
    struct tsuga_id id;

    if (tsuga_spawn(tsuga_runtime_of(self), &options, &id) < 0 || tsuga_fd_give(self, fd, id) < 0)
        tsuga_forget(self, tsuga_close(self, fd));
    else
        (void)tsuga_send(self, id, TAG_FD, &fd, sizeof fd);
}
