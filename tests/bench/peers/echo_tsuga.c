/*
 * echo_tsuga: an echo server of one executor on the public API, on a port of the kernel's choice,
 * which it prints.
 */
#include <stdio.h>
#include <tsuga.h>

#include "tests/bench/support.h"
#include "tests/bench/support_connection.h"
#include "tests/bench/support_tcp.h"

static void welcome(struct tsuga_actor *self, const struct tsuga_message *message)
{
    int fd = tsuga_message_completion(message)->result;

    tsuga_bench_require("accept", fd < 0 ? fd : 0);
    tsuga_bench_require(
        "tsuga_fd_give",
        tsuga_fd_give(self, fd, tsuga_bench_connection(tsuga_runtime_of(self), fd, true)));
}

static void listen_for_ever(struct tsuga_actor *self, void *listener)
{
    int fd = *(const int *)listener;

    tsuga_bench_require("tsuga_fd_adopt", tsuga_fd_adopt(self, fd));
    tsuga_bench_require("tsuga_accept_stream", tsuga_op_error(tsuga_accept_stream(self, fd)));
}

int main(void)
{
    const struct tsuga_config config = {.executor.threads = 1};
    struct tsuga_spawn_options options = {
        .behaviour = welcome, .start = listen_for_ever, .name = "listener"};
    struct tsuga_runtime *runtime;
    uint16_t port;
    int listener = tsuga_bench_listen(&port);

    options.argument = &listener;
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    printf("%u\n", port);
    fflush(stdout);
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
    return 0;
}
