/*
 * A server whose workers crash on bad input and are started again.
 *
 *     printf '4\n9\nx\n16\n' | supervised
 *
 * The reader asks a worker, which it finds by its name, for the half of each line. A line
 * that is no number ends the worker; the reader hears of it as the answer, the supervisor starts
 * another worker in its place, and the next line is served as if nothing had happened.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tsuga.h>
#include <unistd.h>

#define LINE_BYTES_MAX 256u /* a longer one ends the program */
#define SECOND_NS      UINT64_C(1000000000)

static void start_worker(struct tsuga_actor *self, void *argument)
{
    int error = tsuga_register(self, argument);

    if (error != 0)
        tsuga_exit(self, error);
}

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_reply_to to = tsuga_message_reply_to(message);
    char *end;
    double number = strtod(tsuga_message_data(message), &end);

    if (end == tsuga_message_data(message) || *end != '\0')
        tsuga_exit(self, -EBADMSG);
    number /= 2;
    (void)tsuga_reply(self, to, 0, &number, sizeof(number));
}

/* A worker that has just ended may not have a successor yet. */
static struct tsuga_id find_worker(struct tsuga_actor *self)
{
    struct tsuga_id id;

    do
        id = tsuga_whereis(tsuga_runtime_of(self), "worker");
    while (id.value == 0 && tsuga_yield(self) == 0);
    return id;
}

static void ask(struct tsuga_actor *self, const char *line)
{
    struct tsuga_mail mail = {.to = find_worker(self), .data = line, .bytes = strlen(line) + 1};
    const struct tsuga_message *answer;
    int result = tsuga_call(self, &mail, SECOND_NS, &answer);
    double number;

    if (result < 0) {
        printf("%s: %s\n", line, strerror(-result));
        return;
    }
    memcpy(&number, tsuga_message_data(answer), sizeof(number));
    printf("%s: %g\n", line, number);
}

/* Asks for each whole line; what is left of the last one stays in front. */
static size_t ask_lines(struct tsuga_actor *self, char *text, size_t bytes)
{
    char *end;

    while ((end = memchr(text, '\n', bytes)) != NULL) {
        size_t line_bytes = (size_t)(end - text) + 1;

        *end = '\0';
        ask(self, text);
        bytes -= line_bytes;
        memmove(text, end + 1, bytes);
    }
    return bytes;
}

static void read_lines(struct tsuga_actor *self, void *argument)
{
    char text[LINE_BYTES_MAX];
    size_t bytes = 0;

    (void)argument;
    while (bytes < sizeof(text)) {
        struct tsuga_completion got =
            tsuga_await(self, tsuga_read(self, STDIN_FILENO, sizeof(text) - bytes));

        if (got.result <= 0)
            break;
        memcpy(text + bytes, got.data, (size_t)got.result);
        bytes = ask_lines(self, text, bytes + (size_t)got.result);
    }
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_GRACEFUL);
}

static void run(struct tsuga_actor *self, void *argument)
{
    static char name[] = "worker";
    static const struct tsuga_child_spec children[] = {
        {.spawn = {.behaviour = work, .start = start_worker, .argument = name, .name = name}},
        {.spawn = {.body = read_lines, .name = "reader"}, .restart = TSUGA_TEMPORARY},
    };
    static const struct tsuga_supervisor supervisor = {
        .children = children, .child_count = 2, .restarts_max = 100, .name = "supervisor"};
    struct tsuga_spawn_options options = tsuga_supervise(&supervisor);
    int error = tsuga_spawn(tsuga_runtime_of(self), &options, NULL);

    (void)argument;
    if (error != 0)
        tsuga_exit(self, error);
}

int main(void)
{
    int error = tsuga_run(NULL, run, NULL);

    if (error != 0)
        fprintf(stderr, "supervised: %s\n", strerror(-error));
    return error == 0 ? 0 : 1;
}
