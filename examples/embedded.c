/*
 * A program with an event loop of its own beside a runtime.
 *
 *     find . -name '*.c' | embedded
 *
 * The loop waits in epoll_wait(2), for lines on standard input and for messages of actors, which
 * arrive at a port. For each line it starts an actor that counts the lines of the file of that
 * name; the loop never waits for a file, and the actors never touch what belongs to the loop. What
 * an actor has counted comes as a message, and why it has ended as another one, so that the loop
 * knows when a name is done with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <tsuga.h>
#include <unistd.h>

#define PIECE_BYTES (64u << 10)

struct program {
    struct tsuga_port *port;
    struct tsuga_id id; /* of the port */
    size_t under_way;   /* files that are being counted */
    bool has_input;     /* standard input has not ended */
    char line[4096];    /* the beginning of one that has not come whole */
    size_t line_bytes;
    int failures;
};

/* One file. Its actor's, until the loop hears of the actor's end. */
struct file {
    struct program *program;
    char name[];
};

static void count_lines(struct tsuga_actor *self, void *argument)
{
    const struct file *file = argument;
    struct tsuga_completion got;
    uint64_t lines = 0;
    int fd = tsuga_await(self, tsuga_open(self, file->name, O_RDONLY)).result;

    if (fd < 0)
        tsuga_exit(self, fd);
    while ((got = tsuga_await(self, tsuga_read(self, fd, PIECE_BYTES))).result > 0) {
        for (size_t i = 0; i < got.bytes; i++)
            lines += ((const char *)got.data)[i] == '\n';
    }
    if (got.result < 0)
        tsuga_exit(self, got.result);
    tsuga_exit(self, tsuga_send(self, file->program->id, (uintptr_t)file, &lines, sizeof(lines)));
}

static void start_file(struct program *program, const char *name, size_t bytes)
{
    struct file *file = malloc(sizeof(*file) + bytes + 1);
    struct tsuga_spawn_options options = {.body = count_lines, .argument = file, .name = "count"};
    int error = -ENOMEM;

    if (file != NULL) {
        file->program = program;
        memcpy(file->name, name, bytes);
        file->name[bytes] = '\0';
        error = tsuga_port_spawn(program->port, &options, (uintptr_t)file, NULL);
    }
    if (error == 0) {
        program->under_way++;
        return;
    }
    fprintf(stderr, "embedded: %.*s: %s\n", (int)bytes, name, strerror(-error));
    program->failures++;
    free(file);
}

/* An actor has ended: it needs its file no more. */
static void end_file(struct program *program, struct file *file, int reason)
{
    if (reason != TSUGA_NORMAL) {
        fprintf(stderr, "embedded: %s: %s\n", file->name, strerror(-reason));
        program->failures++;
    }
    program->under_way--;
    free(file);
}

/* Takes what there is, and does not wait. */
static void take_messages(struct program *program)
{
    const struct tsuga_message *message;

    while (tsuga_port_take(program->port, 0, &message) == 0) {
        struct file *file = (void *)(uintptr_t)tsuga_message_tag(message);

        if (tsuga_message_kind(message) == TSUGA_MESSAGE_DOWN)
            end_file(program, file, tsuga_message_down(message)->reason);
        else if (tsuga_message_kind(message) == TSUGA_MESSAGE_USER)
            printf("%llu %s\n", *(const unsigned long long *)tsuga_message_data(message),
                   file->name);
    }
}

/* Reads what there is; each whole line is a name. */
static void take_input(struct program *program)
{
    size_t room = sizeof(program->line) - program->line_bytes;
    ssize_t got = read(STDIN_FILENO, program->line + program->line_bytes, room);
    char *end;

    if (got <= 0) { /* the end, or a line that is no name */
        program->has_input = false;
        return;
    }
    program->line_bytes += (size_t)got;
    while ((end = memchr(program->line, '\n', program->line_bytes)) != NULL) {
        size_t bytes = (size_t)(end - program->line);

        start_file(program, program->line, bytes);
        program->line_bytes -= bytes + 1;
        memmove(program->line, end + 1, program->line_bytes);
    }
}

static int watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int run_loop(struct program *program, int loop)
{
    while (program->has_input || program->under_way > 0) {
        struct epoll_event event;
        int count = epoll_wait(loop, &event, 1, -1);

        if (count < 0 && errno != EINTR)
            return -errno;
        if (count <= 0)
            continue;
        if (event.data.fd != STDIN_FILENO)
            take_messages(program);
        else
            take_input(program);
        if (!program->has_input) /* an error here: it is out of the loop already */
            (void)epoll_ctl(loop, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    }
    return 0;
}

static int run(struct program *program)
{
    int loop = epoll_create1(EPOLL_CLOEXEC);
    int error = loop >= 0 ? 0 : -errno;
    int fd = tsuga_port_fd(program->port);

    program->id = tsuga_port_id(program->port);
    program->has_input = true;
    if (error == 0)
        error = fd >= 0 ? watch(loop, fd) : fd;
    if (error == 0)
        error = watch(loop, STDIN_FILENO);
    if (error == 0)
        error = run_loop(program, loop);
    if (loop >= 0)
        close(loop);
    return error;
}

int main(void)
{
    static struct program program;
    struct tsuga_runtime *runtime;
    int error = tsuga_start(NULL, &runtime);

    if (error != 0)
        return 1;
    error = tsuga_port_open(runtime, NULL, &program.port);
    if (error == 0) {
        error = run(&program);
        tsuga_port_close(program.port);
    }
    tsuga_destroy(runtime);
    if (error != 0)
        fprintf(stderr, "embedded: %s\n", strerror(-error));
    return error != 0 || program.failures != 0;
}
