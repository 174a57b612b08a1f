#include "tests/bench/support_connection.h"

#include "tests/bench/support.h"

static void begin(struct tsuga_actor *self, void *argument)
{
    int *fd = tsuga_state(self);

    *fd = (int)(intptr_t)argument;
    tsuga_bench_require("tsuga_recv_stream", tsuga_op_error(tsuga_recv_stream(self, *fd)));
}

static void adopt_and_begin(struct tsuga_actor *self, void *argument)
{
    tsuga_bench_require("tsuga_fd_adopt", tsuga_fd_adopt(self, (int)(intptr_t)argument));
    begin(self, argument);
}

static void echo(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct tsuga_completion *io = tsuga_message_completion(message);
    const int *fd = tsuga_state(self);
    struct tsuga_op send = {.kind = TSUGA_OP_SEND, .options = TSUGA_OP_SILENT, .fd = *fd};

    if (io == NULL || io->result <= 0)
        tsuga_exit(self, TSUGA_NORMAL);
    send.lease = io->lease;
    send.bytes = io->bytes;
    tsuga_bench_require("tsuga_submit", tsuga_op_error(tsuga_submit(self, &send)));
}

struct tsuga_id tsuga_bench_connection(struct tsuga_runtime *runtime, int fd, bool is_gift)
{
    struct tsuga_spawn_options options = {.behaviour = echo,
                                          .start = is_gift ? begin : adopt_and_begin,
                                          .argument = (void *)(intptr_t)fd,
                                          .state_bytes = sizeof(int),
                                          .name = "connection"};
    struct tsuga_id id;

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, &id));
    return id;
}
