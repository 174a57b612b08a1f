#include "tests/support/child.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

static _Noreturn void be_child(int said, void (*run)(void *context), void *context)
{
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    dup2(said, STDERR_FILENO);
    run(context);
    _exit(0);
}

/* Reads all, so that the child is not stopped by a full pipe, and keeps what fits. */
static void listen_to(int said, char *text, size_t bytes)
{
    char scrap[512];
    size_t used = 0;
    ssize_t got;

    while ((got = read(said, scrap, sizeof(scrap))) > 0) {
        for (ssize_t i = 0; i < got && used + 1 < bytes; i++)
            text[used++] = scrap[i];
    }
    text[used] = '\0';
}

void tsuga_child_run(struct tsuga_child *child, void (*run)(void *context), void *context)
{
    int said[2];
    int status;
    pid_t pid;

    CHECK_INT(pipe(said), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        be_child(said[1], run, context);
    close(said[1]);
    listen_to(said[0], child->said, sizeof(child->said));
    close(said[0]);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    child->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    child->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void read_byte(void *context)
{
    const volatile char *byte = context;

    (void)*byte;
}

bool tsuga_child_can_read(const volatile void *address)
{
    struct tsuga_child child;

    tsuga_child_run(&child, read_byte, (void *)(size_t)address);
    return child.signal == 0 && child.exit_status == 0;
}
