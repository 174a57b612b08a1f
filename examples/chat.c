/*
 * chat [-p PORT]: a chat server on the loopback address, line by line.
 *
 *     /nick NAME    /join ROOM    anything else is said in the room
 *
 * A client is an actor, a room a team, and what is said a broadcast: written once, however many
 * hear it. A client's next line is read when it has heard its last one, so nobody speaks faster
 * than it listens itself. Nobody waits for others: a client that lets its mailbox overflow is
 * stopped by the hook that hears of dead letters.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tsuga.h>
#include <unistd.h>

#define LINE_BYTES_MAX 256u  /* a longer one is cut in two */
#define SAID_BYTES_MAX 320u  /* a line with its speaker */
#define LINES_BEHIND   1000u /* of a client that is still waited for */
#define SOCKET_BYTES   32768 /* that the kernel keeps for a client who does not read */
#define BACKLOG        128

enum { SAID, DESCRIPTOR };

struct client {
    int fd;
    char name[33];
    char room[33];
    char text[LINE_BYTES_MAX]; /* what has come of the next lines */
    size_t bytes;
};

/* To everybody in the room, oneself included. */
__attribute__((format(printf, 2, 3))) static void say(struct tsuga_actor *self, const char *format,
                                                      ...)
{
    struct client *client = tsuga_state(self);
    char line[SAID_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (tsuga_broadcast(self, client->room, SAID, line, strlen(line)) < 0)
        tsuga_exit(self, -ENOMEM);
}

static void leave_room(struct tsuga_actor *self)
{
    struct client *client = tsuga_state(self);

    tsuga_team_leave(self, client->room);
    say(self, "* %s leaves %s\n", client->name, client->room);
}

static void join_room(struct tsuga_actor *self, const char *room)
{
    struct client *client = tsuga_state(self);

    snprintf(client->room, sizeof client->room, "%s", room);
    if (tsuga_team_join(self, client->room) < 0)
        tsuga_exit(self, -ENOMEM);
    say(self, "* %s joins %s\n", client->name, client->room);
}

/* Waits until the client's socket has taken all of it. */
static void show(struct tsuga_actor *self, const void *line, size_t bytes)
{
    struct client *client = tsuga_state(self);

    if (tsuga_await(self, tsuga_send_bytes(self, client->fd, line, bytes)).result >= 0)
        return;
    leave_room(self); /* the client is gone, or so slow that it was stopped */
    tsuga_exit(self, TSUGA_NORMAL);
}

/* Whatever it is, the room hears of it. */
static void obey(struct tsuga_actor *self, const char *line)
{
    struct client *client = tsuga_state(self);
    char word[sizeof client->name];

    if (sscanf(line, "/nick %32s", word) == 1) {
        say(self, "* %s is %s now\n", client->name, word);
        snprintf(client->name, sizeof client->name, "%s", word);
    } else if (sscanf(line, "/join %32s", word) == 1) {
        leave_room(self);
        join_room(self, word);
    } else {
        say(self, "%s: %s\n", client->name, line);
    }
}

/* Takes the next line out of what has come; false when it is not whole yet. */
static bool take_line(struct client *client, char *line)
{
    const char *end = memchr(client->text, '\n', client->bytes);
    size_t bytes = end != NULL ? (size_t)(end - client->text) : client->bytes;
    size_t taken = end != NULL ? bytes + 1 : bytes;

    if (end == NULL && bytes < LINE_BYTES_MAX)
        return false;
    memcpy(line, client->text, bytes);
    line[bytes] = '\0';
    client->bytes -= taken;
    memmove(client->text, client->text + taken, client->bytes);
    return true;
}

static void read_on(struct tsuga_actor *self)
{
    struct client *client = tsuga_state(self);
    char line[LINE_BYTES_MAX + 1];

    if (take_line(client, line))
        obey(self, line);
    else if (tsuga_op_error(tsuga_recv(self, client->fd, LINE_BYTES_MAX - client->bytes)) < 0)
        tsuga_exit(self, -ENOMEM);
}

static void serve_client(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct client *client = tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);

    if (io != NULL && io->result <= 0) {
        leave_room(self);
        tsuga_exit(self, TSUGA_NORMAL); /* which closes the descriptor */
    } else if (io != NULL) {
        memcpy(client->text + client->bytes, io->data, io->bytes);
        client->bytes += io->bytes;
        read_on(self);
    } else if (tsuga_message_tag(message) == DESCRIPTOR) {
        memcpy(&client->fd, tsuga_message_data(message), sizeof client->fd);
        snprintf(client->name, sizeof client->name, "guest");
        join_room(self, "lobby");
    } else {
        bool is_own = tsuga_id_equal(tsuga_message_from(message), tsuga_self(self));

        show(self, tsuga_message_data(message), tsuga_message_bytes(message));
        if (is_own)
            read_on(self);
    }
}

/* Called where a line did not fit into a mailbox: who lags so far behind is not waited for. */
static void drop_slow_client(void *context, const struct tsuga_dead_letter *letter)
{
    atomic_uint_fast64_t *missed = context;

    if (letter->reason != -EAGAIN)
        return; /* it has left meanwhile */
    atomic_fetch_add(missed, 1);
    (void)tsuga_actor_stop(letter->runtime, letter->to);
}

static void welcome(struct tsuga_actor *self, int fd)
{
    struct tsuga_spawn_options options = {.behaviour = serve_client,
                                          .state_bytes = sizeof(struct client),
                                          .placement = TSUGA_PLACE_LEAST_LOADED,
                                          .mailbox_capacity = LINES_BEHIND,
                                          .mailbox_full = TSUGA_FULL_DROP,
                                          .name = "client"};
    struct tsuga_id id;

    if (tsuga_spawn(tsuga_runtime_of(self), &options, &id) < 0 || tsuga_fd_give(self, fd, id) < 0)
        tsuga_forget(self, tsuga_close(self, fd));
    else
        tsuga_send(self, id, DESCRIPTOR, &fd, sizeof fd);
}

/* Returns a listening descriptor, or -errno. */
static int listen_on(struct tsuga_actor *self, uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int on = 1;
    int room = SOCKET_BYTES;
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    int error;

    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0) /* clients inherit it */
        return -errno;
    error = tsuga_await(self, tsuga_bind(self, fd, (struct sockaddr *)&address, bytes)).result;
    if (error == 0)
        error = tsuga_await(self, tsuga_listen(self, fd, BACKLOG)).result;
    if (error == 0 && getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
        error = -errno;
    *port = ntohs(address.sin_port);
    return error < 0 ? error : fd;
}

static void serve(struct tsuga_actor *self, void *argument)
{
    uint16_t port = *(const uint16_t *)argument;
    int listener = listen_on(self, &port);
    struct tsuga_token stream;
    struct tsuga_completion came;

    if (listener < 0)
        tsuga_exit(self, listener);
    printf("listening on 127.0.0.1:%" PRIu16 "\n", port);
    fflush(stdout);
    stream = tsuga_accept_stream(self, listener);
    while ((came = tsuga_await(self, stream)).more)
        welcome(self, came.result);
    if (came.result != -ECANCELED) /* SIGINT or SIGTERM */
        tsuga_exit(self, came.result);
}

int main(int argc, char **argv)
{
    uint16_t port = 7777;
    atomic_uint_fast64_t missed = 0;
    struct tsuga_config config = {
        .signals = TSUGA_ON,
        .mailbox = {.dead_letter = drop_slow_client, .context = &missed},
    };
    bool has_port = argc == 3 && strcmp(argv[1], "-p") == 0;
    int error;

    if (argc != 1 && !has_port) {
        fputs("usage: chat [-p PORT]\n", stderr);
        return 2;
    }
    if (has_port)
        port = (uint16_t)strtoul(argv[2], NULL, 10);
    error = tsuga_run(&config, serve, &port);
    if (error < 0) {
        fprintf(stderr, "chat: port %" PRIu16 ": %s\n", port, strerror(-error));
        return 1;
    }
    fprintf(stderr, "chat: %" PRIuFAST64 " lines missed\n", atomic_load(&missed));
    return 0;
}
