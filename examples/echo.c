/*
 * echo [-p PORT]: a TCP server on the loopback address that sends everything back.
 *
 * One actor per connection. A connection is a function that is called once per message: what came
 * in goes out from the very buffer it arrived in, and the next receive starts when it is gone.
 *
 * SIGINT and SIGTERM end the server cleanly: no connection is taken any more, and each one that is
 * open goes on until its peer closes it or says nothing for a moment.
 *
 * Exit status: 0 a clean end, 1 the port is not to be had, 2 wrong usage, or the runtime could not
 * start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tsuga.h>

#define MS               UINT64_C(1000000)
#define BUFFER_BYTES     ((size_t)16 << 10)
#define ACCEPTS_INFLIGHT 4
#define BACKLOG          1024
#define QUIET_NS         (1000 * MS) /* of a connection, before it is closed at the server's end */
#define PAUSE_NS         (100 * MS)  /* after an accept that failed */

struct server {
    uint16_t port; /* 0 asks for any */
    int error;     /* errno, when connections could not be taken */
    atomic_uint_fast64_t connection_count;
    atomic_uint_fast64_t bytes;
};

struct connection {
    struct server *server;
    int fd;
    bool is_closing;              /* the server is at its end */
    struct tsuga_token receiving; /* the latest receive; the other operations are sends */
    uint64_t bytes;
};

/* A connection: receive, send, receive, … */

static void receive(struct tsuga_actor *self, struct connection *connection)
{
    uint64_t limit_ns = connection->is_closing ? QUIET_NS : 0;

    connection->receiving = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                                  .fd = connection->fd,
                                                                  .bytes = BUFFER_BYTES,
                                                                  .timeout_ns = limit_ns});
    if (tsuga_op_error(connection->receiving) < 0)
        tsuga_exit(self, tsuga_op_error(connection->receiving));
}

static void received(struct tsuga_actor *self, struct connection *connection,
                     const struct tsuga_completion *io)
{
    if (io->result == -ECANCELED && connection->is_closing) {
        receive(self, connection); /* now with a limit */
        return;
    }
    if (io->result <= 0)
        tsuga_exit(self, TSUGA_NORMAL); /* which closes the descriptor */

    struct tsuga_token sending = tsuga_send_lease(self, connection->fd, io->lease);
    if (tsuga_op_error(sending) < 0)
        tsuga_exit(self, tsuga_op_error(sending));
}

static void sent(struct tsuga_actor *self, struct connection *connection,
                 const struct tsuga_completion *io)
{
    if (io->result < 0)
        tsuga_exit(self, TSUGA_NORMAL);
    connection->bytes += (uint64_t)io->result;
    receive(self, connection); /* the buffer that was sent is back by itself */
}

static void echo(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct connection *connection = tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP) {
        connection->is_closing = true;
        tsuga_forget(self, tsuga_cancel(self, connection->receiving));
    } else if (io == NULL) { /* the only user message brings the descriptor */
        memcpy(&connection->fd, tsuga_message_data(message), sizeof connection->fd);
        receive(self, connection);
    } else if (tsuga_token_equal(io->op, connection->receiving)) {
        received(self, connection, io);
    } else {
        sent(self, connection, io);
    }
}

static void begin(struct tsuga_actor *self, void *server)
{
    struct connection *connection = tsuga_state(self);

    connection->server = server;
}

static void count(void *state)
{
    const struct connection *connection = state;

    if (connection->server != NULL) /* it is NULL when the end came before the beginning */
        atomic_fetch_add(&connection->server->bytes, connection->bytes);
}

/* The acceptor: one actor for every descriptor that comes. */

static void welcome(struct tsuga_actor *self, struct server *server, int fd)
{
    struct tsuga_spawn_options options = {
        .behaviour = echo,
        .start = begin,
        .argument = server,
        .state_bytes = sizeof(struct connection),
        .state_fini = count,
        .name = "connection",
        .placement = TSUGA_PLACE_LEAST_LOADED,
        .receives_stop = true,
    };
    struct tsuga_id id;

    if (tsuga_spawn(tsuga_runtime_of(self), &options, &id) < 0 || tsuga_fd_give(self, fd, id) < 0) {
        tsuga_forget(self, tsuga_close(self, fd));
        return;
    }
    tsuga_send(self, id, 0, &fd, sizeof fd);
    atomic_fetch_add(&server->connection_count, 1);
}

/* Returns a listening descriptor, or -errno. */
static int listen_on(struct tsuga_actor *self, uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int on = 1;
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    if (fd < 0)
        return fd;

    /* What is accepted inherits TCP_NODELAY: an answer does not wait for company. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        return -errno;
    int error = tsuga_await(self, tsuga_bind(self, fd, (struct sockaddr *)&address, bytes)).result;
    if (error == 0)
        error = tsuga_await(self, tsuga_listen(self, fd, BACKLOG)).result;
    if (error == 0 && getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
        error = -errno;
    *port = ntohs(address.sin_port);
    return error < 0 ? error : fd;
}

static void serve(struct tsuga_actor *self, void *argument)
{
    struct server *server = argument;
    const struct tsuga_message *message;
    int listener = listen_on(self, &server->port);
    int error = listener < 0 ? listener : 0;

    if (error == 0) {
        printf("listening on 127.0.0.1:%" PRIu16 "\n", server->port);
        fflush(stdout);
    }
    for (int i = 0; i < ACCEPTS_INFLIGHT && error == 0; i++)
        error = tsuga_op_error(tsuga_accept(self, listener));

    while (error == 0 && tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == 0) {
        int fd = tsuga_message_completion(message)->result;
        if (fd >= 0)
            welcome(self, server, fd);
        else /* most likely there are too many descriptors; some connection may end meanwhile */
            (void)tsuga_await(self, tsuga_timeout(self, PAUSE_NS));
        error = tsuga_op_error(tsuga_accept(self, listener));
    }
    server->error = error == -ECANCELED ? 0 : -error;
}

/* Returns the runtime's error. */
static int run(struct server *server)
{
    struct tsuga_config config = {.signals = TSUGA_ON};
    struct tsuga_spawn_options acceptor = {.body = serve, .argument = server, .name = "acceptor"};
    struct tsuga_runtime *runtime;
    int error = tsuga_start(&config, &runtime);
    if (error < 0)
        return error;

    error = tsuga_spawn(runtime, &acceptor, NULL);
    if (error == 0)
        error = tsuga_join(runtime);
    tsuga_destroy(runtime);
    return error;
}

static int usage(void)
{
    fputs("usage: echo [-p PORT]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct server server = {.port = 7777};
    char *end = "";
    int option;

    while ((option = getopt(argc, argv, "p:")) == 'p') {
        unsigned long port = strtoul(optarg, &end, 10);
        if (*optarg == '\0' || *end != '\0' || port > UINT16_MAX)
            return usage();
        server.port = (uint16_t)port;
    }
    if (option != -1 || optind != argc)
        return usage();

    if (run(&server) < 0)
        return 2;
    if (server.error != 0) {
        fprintf(stderr, "echo: port %" PRIu16 ": %s\n", server.port, strerror(server.error));
        return EXIT_FAILURE;
    }
    fprintf(stderr, "echo: %" PRIuFAST64 " connections, %" PRIuFAST64 " bytes sent back\n",
            atomic_load(&server.connection_count), atomic_load(&server.bytes));
    return EXIT_SUCCESS;
}
