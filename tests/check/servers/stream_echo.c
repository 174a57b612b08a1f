/*
 * Echoes messages through streams on one executor, and makes a system call that it has no use for,
 * getppid(2), right before the first of them and right after the last, so that whoever traces it
 * sees what happens in between. Streams are paused and resumed all the time. The client is a child
 * that sends a message on one connection after the other and checks what comes back.
 *
 *     stream_echo         exit status 0: all messages came back as they were
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tsuga.h>

#define CONNECTIONS   4u
#define MESSAGES      10000u
#define WARM_MESSAGES 400u /* until everything has been made that is made once */
#define MESSAGE_BYTES 64u
#define PAUSE_EVERY   3u

struct server {
    int listener;
    unsigned count; /* of messages, by one executor */
};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* The server. */

static void count_message(struct server *server)
{
    server->count++;
    if (server->count == WARM_MESSAGES || server->count == WARM_MESSAGES + MESSAGES)
        (void)syscall(SYS_getppid);
}

/* Everything that is taken goes back; now and then nothing is taken until it has gone. */
static void echo(struct tsuga_actor *self, void *argument)
{
    struct server *server = argument;
    const struct tsuga_message *message;
    struct tsuga_token stream;
    int fd;

    if (tsuga_receive(self, NULL, TSUGA_FOREVER, &message) != 0)
        return;
    memcpy(&fd, tsuga_message_data(message), sizeof(fd));
    stream = tsuga_recv_stream(self, fd);
    for (unsigned i = 0;; i++) {
        struct tsuga_completion got = tsuga_await(self, stream);
        struct tsuga_token sending;

        if (got.last || got.result <= 0)
            return;
        count_message(server);
        sending = tsuga_send_lease(self, fd, got.lease);
        if (i % PAUSE_EVERY == 0 && tsuga_stream_pause(self, stream) != 0)
            return;
        if (tsuga_await(self, sending).result != (int)MESSAGE_BYTES)
            return;
        if (tsuga_stream_resume(self, stream) != 0)
            return;
    }
}

static void serve(struct tsuga_actor *self, void *argument)
{
    struct server *server = argument;
    struct tsuga_spawn_options options = {.body = echo, .argument = server, .name = "connection"};
    struct tsuga_token stream;

    if (tsuga_fd_adopt(self, server->listener) != 0)
        fail("listener");
    stream = tsuga_accept_stream(self, server->listener);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        int fd = tsuga_await(self, stream).result;
        struct tsuga_id id;

        if (fd < 0 || tsuga_spawn(tsuga_runtime_of(self), &options, &id) != 0 ||
            tsuga_fd_give(self, fd, id) != 0 || tsuga_send(self, id, 0, &fd, sizeof(fd)) != 0)
            fail("connection");
    }
}

/* The client. */

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        fail("connect");
    return fd;
}

static void exchange(int fd, unsigned number)
{
    unsigned char sent[MESSAGE_BYTES];
    unsigned char back[MESSAGE_BYTES];

    for (unsigned i = 0; i < MESSAGE_BYTES; i++)
        sent[i] = (unsigned char)((number * 31 + i) * 2654435761u >> 24);
    if (send(fd, sent, sizeof(sent), 0) != sizeof(sent) ||
        recv(fd, back, sizeof(back), MSG_WAITALL) != sizeof(back))
        fail("exchange");
    if (memcmp(sent, back, sizeof(sent)) == 0)
        return;
    fprintf(stderr, "message %u came back as another one\n", number);
    exit(EXIT_FAILURE);
}

static void run_client(const struct sockaddr_in *address)
{
    int fds[CONNECTIONS];

    for (unsigned i = 0; i < CONNECTIONS; i++)
        fds[i] = connect_to(address);
    for (unsigned i = 0; i < WARM_MESSAGES + MESSAGES + CONNECTIONS; i++)
        exchange(fds[i % CONNECTIONS], i);
    exit(EXIT_SUCCESS);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct tsuga_config config = {.executor.threads = 1};
    socklen_t bytes = sizeof(address);
    struct server server = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int status;
    pid_t child;

    if (bind(server.listener, (const struct sockaddr *)&address, bytes) != 0 ||
        listen(server.listener, CONNECTIONS) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &bytes) != 0)
        fail("listen");
    child = fork();
    if (child == 0)
        run_client(&address);
    if (child < 0 || tsuga_run(&config, serve, &server) != 0)
        fail("server");
    if (waitpid(child, &status, 0) != child)
        fail("client");
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
