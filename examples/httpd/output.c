/* Output. */
#include "examples/httpd/output.h"

#define COPY_BYTES ((size_t)256 << 10) /* of a longer text at a time */

void output_sent(struct tsuga_actor *self, struct connection *connection,
                 const struct tsuga_completion *io)
{
    connection->is_sending = false;
    if (io->result < 0)
        tsuga_exit(self, TSUGA_NORMAL);
}

void output_settle(struct tsuga_actor *self, struct connection *connection)
{
    if (!connection->is_sending)
        return;
    /* A client that sends without end and takes nothing is to fill its own buffers, not ours. */
    (void)tsuga_stream_pause(self, connection->receiving);
    struct tsuga_completion io =
        tsuga_await_any(self, &connection->sending, 1, connection->server->settings.send_ms * MS);
    (void)tsuga_stream_resume(self, connection->receiving);
    output_sent(self, connection, &io);
}

static void start(struct tsuga_actor *self, struct connection *connection,
                  const struct tsuga_op *op)
{
    output_settle(self, connection);
    connection->sending = tsuga_submit(self, op);
    if (tsuga_op_error(connection->sending) < 0)
        tsuga_exit(self, TSUGA_NORMAL);
    connection->is_sending = true;
}

void output_copy(struct tsuga_actor *self, struct connection *connection, const void *data,
                 size_t bytes, bool has_more)
{
    const char *from = data;

    while (bytes > 0) {
        size_t piece = bytes < COPY_BYTES ? bytes : COPY_BYTES;
        bytes -= piece;
        start(self, connection,
              &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                 .fd = connection->fd,
                                 .flags = has_more || bytes > 0 ? MSG_MORE : 0,
                                 .data = from,
                                 .bytes = piece,
                                 .tag = TAG_SEND});
        from += piece;
    }
}

void output_lease(struct tsuga_actor *self, struct connection *connection, struct tsuga_lease lease,
                  size_t offset, size_t bytes)
{
    start(self, connection,
          &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                             .fd = connection->fd,
                             .lease = lease,
                             .lease_offset = offset,
                             .bytes = bytes,
                             .tag = TAG_SEND});
}

static struct tsuga_token read_block(struct tsuga_actor *self, const struct connection *connection,
                                     int fd, const struct range *left)
{
    uint64_t block = connection->server->settings.block_bytes;

    return tsuga_read_at(self, fd, left->first,
                         (size_t)(left->bytes < block ? left->bytes : block));
}

void output_file(struct tsuga_actor *self, struct connection *connection, int fd, struct range part)
{
    struct tsuga_token reading = read_block(self, connection, fd, &part);

    while (part.bytes > 0) {
        struct tsuga_completion got = tsuga_await(self, reading);
        if (got.result <= 0 || tsuga_lease_retain(self, got.lease) < 0)
            tsuga_exit(self, TSUGA_NORMAL);
        part.first += got.bytes;
        part.bytes -= got.bytes;
        if (part.bytes > 0)
            reading = read_block(self, connection, fd, &part);
        output_lease(self, connection, got.lease, 0, got.bytes);
        tsuga_lease_release(self, got.lease); /* the send has a reference of its own */
    }
}
