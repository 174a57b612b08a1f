/*
 * echo_libuv: an echo server on libuv, on a port of the kernel's choice, which it prints. What can
 * be sent at once is, which spares the request; one buffer serves all reads then. As with
 * echo_epoll a send that would have to wait is an error.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#include "tests/bench/support.h"

#define BUFFER_BYTES 65536

static void offer(uv_handle_t *handle, size_t bytes, uv_buf_t *out)
{
    static char buffer[BUFFER_BYTES];

    (void)handle;
    (void)bytes;
    *out = uv_buf_init(buffer, sizeof(buffer));
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void echo(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    if (got < 0) {
        uv_close((uv_handle_t *)stream, closed);
        return;
    }
    uv_buf_t out = uv_buf_init(buffer->base, (unsigned)got);

    if (got > 0 && uv_try_write(stream, &out, 1) != got)
        tsuga_bench_fail("uv_try_write", -EIO);
}

static void welcome(uv_stream_t *listener, int status)
{
    uv_tcp_t *connection = malloc(sizeof(*connection));

    tsuga_bench_require("malloc", connection == NULL ? -ENOMEM : 0);
    tsuga_bench_require("a connection", status);
    tsuga_bench_require("uv_tcp_init", uv_tcp_init(listener->loop, connection));
    tsuga_bench_require("uv_accept", uv_accept(listener, (uv_stream_t *)connection));
    tsuga_bench_require("uv_tcp_nodelay", uv_tcp_nodelay(connection, 1));
    tsuga_bench_require("uv_read_start", uv_read_start((uv_stream_t *)connection, offer, echo));
}

int main(void)
{
    struct sockaddr_storage bound;
    struct sockaddr_in address;
    int bytes = sizeof(bound);
    uv_tcp_t listener;

    tsuga_bench_require("uv_ip4_addr", uv_ip4_addr("127.0.0.1", 0, &address));
    tsuga_bench_require("uv_tcp_init", uv_tcp_init(uv_default_loop(), &listener));
    tsuga_bench_require("uv_tcp_bind",
                        uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0));
    tsuga_bench_require("uv_listen", uv_listen((uv_stream_t *)&listener, SOMAXCONN, welcome));
    tsuga_bench_require("uv_tcp_getsockname",
                        uv_tcp_getsockname(&listener, (struct sockaddr *)&bound, &bytes));
    printf("%u\n", ntohs(((struct sockaddr_in *)&bound)->sin_port));
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
