/* echo_raw: the floor of the echo servers, on a port of the kernel's choice, which it prints. */
#include <stdio.h>

#include "tests/bench/support_echo.h"
#include "tests/bench/support_tcp.h"

#define BUFFER_COUNT 1024u /* as many as ours lends of a size at most */

int main(void)
{
    struct tsuga_bench_echo echo = {.buffer_count = BUFFER_COUNT};
    uint16_t port;

    echo.listener = tsuga_bench_listen(&port);
    printf("%u\n", port);
    fflush(stdout);
    tsuga_bench_echo_serve(&echo);
    return 0;
}
