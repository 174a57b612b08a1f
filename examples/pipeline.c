/*
 * Print what comes in, in capital letters: three actors, each with one thing to do.
 *
 *     pipeline <file >capitals
 *
 * The reader hands each block on as a lease; the changer writes into it where it lies, and hands it
 * to the writer. Nobody copies it, unless somebody else still looks at it. Each mailbox has room
 * for a few blocks, and who finds it full waits: a slow output slows the input down, and a file of
 * any size passes through the same little memory.
 *
 * The three are linked: when one fails the others end with it, and the program says why.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tsuga.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define BLOCKS_MAX  4 /* that wait before one stage */

/* What messages say. */
enum { BLOCK, END };

/* Whom the stages hand their blocks to. */
struct pipeline {
    struct tsuga_id changer;
    struct tsuga_id writer;
};

static void must(struct tsuga_actor *self, int result)
{
    if (result < 0)
        tsuga_exit(self, result);
}

/* NULL: there are no more blocks. A stage that has ended had a reason, and the link tells it. */
static void hand_on(struct tsuga_actor *self, struct tsuga_id to, const struct tsuga_lease *block)
{
    int error = block != NULL ? tsuga_send_with_lease(self, to, BLOCK, NULL, 0, *block)
                              : tsuga_send(self, to, END, NULL, 0);

    if (error == -ESRCH)
        error = tsuga_await(self, tsuga_timeout(self, TSUGA_FOREVER)).result;
    must(self, error);
}

static void write_part(struct tsuga_actor *self, struct tsuga_lease block, size_t *offset)
{
    struct tsuga_slice rest = {.offset = *offset,
                               .bytes = tsuga_lease_bytes(self, block) - *offset};
    struct tsuga_lease part;
    int written;

    must(self, tsuga_lease_slice(self, block, &rest, &part));
    written = tsuga_await(self, tsuga_write_lease(self, STDOUT_FILENO, part, rest.bytes)).result;
    must(self, written);
    *offset += (size_t)written;
    must(self, tsuga_lease_release(self, part));
}

static void write_block(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_lease block;

    if (tsuga_message_tag(message) == END)
        tsuga_exit(self, TSUGA_NORMAL);
    must(self, tsuga_message_lease(self, message, &block));
    for (size_t offset = 0; offset < tsuga_lease_bytes(self, block);)
        write_part(self, block, &offset);
    must(self, tsuga_lease_release(self, block));
}

static void start_changer(struct tsuga_actor *self, void *argument)
{
    const struct pipeline *pipeline = argument;

    *(struct tsuga_id *)tsuga_state(self) = pipeline->writer;
    must(self, tsuga_link(self, pipeline->writer));
}

static void change_block(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct tsuga_id *writer = tsuga_state(self);
    struct tsuga_lease block;
    char *text;

    if (tsuga_message_tag(message) == END) {
        hand_on(self, *writer, NULL);
        tsuga_exit(self, TSUGA_NORMAL);
    }
    must(self, tsuga_message_lease(self, message, &block));
    must(self, tsuga_lease_writable(self, block, &block));
    text = tsuga_lease_data(self, block);
    for (size_t i = 0; i < tsuga_lease_bytes(self, block); i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    hand_on(self, *writer, &block);
    must(self, tsuga_lease_release(self, block));
}

/* From the last stage to the first: each has to know the next one. */
static void build(struct tsuga_actor *self, struct pipeline *pipeline)
{
    struct tsuga_spawn_options writer = {.behaviour = write_block,
                                         .name = "writer",
                                         .mailbox_capacity = BLOCKS_MAX,
                                         .mailbox_full = TSUGA_FULL_BLOCK};
    struct tsuga_spawn_options changer = {.behaviour = change_block,
                                          .start = start_changer,
                                          .argument = pipeline,
                                          .state_bytes = sizeof(struct tsuga_id),
                                          .name = "changer",
                                          .mailbox_capacity = BLOCKS_MAX,
                                          .mailbox_full = TSUGA_FULL_BLOCK};

    must(self, tsuga_spawn_linked(self, &writer, &pipeline->writer));
    must(self, tsuga_spawn_linked(self, &changer, &pipeline->changer));
}

/* The first stage. It ends last, because how it ends is how the program ends. */
static void read_blocks(struct tsuga_actor *self, void *argument)
{
    struct pipeline *pipeline = argument;
    const struct tsuga_message *writer_ended;
    struct tsuga_monitor monitor;
    struct tsuga_completion got;

    build(self, pipeline);
    must(self, tsuga_monitor(self, pipeline->writer, 0, &monitor));
    while ((got = tsuga_await(self, tsuga_read(self, STDIN_FILENO, BLOCK_BYTES))).result > 0)
        hand_on(self, pipeline->changer, &got.lease);
    must(self, got.result);
    hand_on(self, pipeline->changer, NULL);
    must(self, tsuga_receive(self, NULL, TSUGA_FOREVER, &writer_ended));
}

int main(void)
{
    struct pipeline pipeline;
    int error = tsuga_run(NULL, read_blocks, &pipeline);

    if (error < 0)
        fprintf(stderr, "pipeline: %s\n", strerror(-error));
    return error == 0 ? 0 : 1;
}
