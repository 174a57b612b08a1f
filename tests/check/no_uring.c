/*
 * Runs a program for which the kernel refuses to make rings, as container profiles do.
 *
 *     no_uring PROGRAM [ARGUMENT…]
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CANNOT_RUN 126

static int fail(const char *what)
{
    fprintf(stderr, "no_uring: %s: %s\n", what, strerror(errno));
    return CANNOT_RUN;
}

int main(int argc, char **argv)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(steps) / sizeof(*steps), .filter = steps};

    if (argc < 2) {
        fputs("usage: no_uring PROGRAM [ARGUMENT...]\n", stderr);
        return CANNOT_RUN;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        return fail("seccomp");
    execvp(argv[1], argv + 1);
    return fail(argv[1]);
}
