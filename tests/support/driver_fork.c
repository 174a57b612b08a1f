/*
 * Runs each registered test in a forked process: for builds in which Criterion cannot start
 * (ThreadSanitizer), and for running one test many times.
 *
 *     tests-fork [--list] [--verbose] [--fail-fast] [--filter GLOB] [--repeat N]
 *
 * What a test prints is shown when it fails, or always with --verbose. With --fail-fast the first
 * test that fails is the last one.
 */
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/driver.h"

#define SKIP_STATUS 77

struct options {
    const char *filter;
    unsigned repeat_count;
    bool is_listing;
    bool is_verbose;
    bool is_hasty;
};

_Noreturn void tsuga_driver_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s\n", reason);
    _exit(SKIP_STATUS);
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* The process that runs the test. exit, not _exit: a sanitizer or gcov has a last word to say. */
static _Noreturn void child(const struct tsuga_test *test, int output)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    tsuga_test_run(test);
    exit(EXIT_SUCCESS);
}

/* Waits for the test, kills it at the time limit, and with it whatever it left behind. */
static int reap(pid_t pid, const char *name)
{
    unsigned seconds_max = tsuga_test_seconds_max();
    int pidfd = pidfd_open(pid, 0);
    struct pollfd ending = {.fd = pidfd, .events = POLLIN};
    siginfo_t info;
    int ready;

    if (pidfd < 0)
        die("pidfd_open");
    do
        ready = poll(&ending, 1, (int)seconds_max * 1000);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        printf("%s: still running after %u s\n", name, seconds_max);
    if (ready == 0)
        kill(pid, SIGKILL);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
        die("waitid");
    kill(-pid, SIGKILL);
    close(pidfd);
    if (info.si_code != CLD_EXITED)
        printf("%s: ended by signal %d (%s)\n", name, info.si_status, strsignal(info.si_status));
    return info.si_code == CLD_EXITED ? info.si_status : -1;
}

static void show(int output)
{
    char buffer[4096];
    ssize_t bytes;

    lseek(output, 0, SEEK_SET);
    while ((bytes = read(output, buffer, sizeof(buffer))) > 0)
        fwrite(buffer, 1, (size_t)bytes, stdout);
}

static enum tsuga_test_outcome run(const struct tsuga_test *test, const char *name, bool is_verbose)
{
    int output = memfd_create("test", MFD_CLOEXEC);
    enum tsuga_test_outcome outcome = TSUGA_TEST_FAILED;
    int status;
    pid_t pid;

    if (output < 0)
        die("memfd_create");
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        child(test, output);
    status = reap(pid, name);
    if (status == EXIT_SUCCESS)
        outcome = TSUGA_TEST_PASSED;
    else if (status == SKIP_STATUS)
        outcome = TSUGA_TEST_SKIPPED;
    if (is_verbose || outcome != TSUGA_TEST_PASSED)
        show(output);
    close(output);
    return outcome;
}

static void run_matching(const struct options *options, struct tsuga_test_tally *tally)
{
    static const char *const marks[] = {"  ok  ", " FAIL ", " skip "};

    for (const struct tsuga_test *test = tsuga_test_list(); test != NULL; test = test->next) {
        enum tsuga_test_outcome outcome;
        char name[256];

        snprintf(name, sizeof(name), "%s/%s", test->suite, test->name);
        if (options->filter != NULL && fnmatch(options->filter, name, 0) != 0)
            continue;
        if (options->is_listing) {
            printf("%s\n", name);
            continue;
        }
        outcome = run(test, name, options->is_verbose);
        tsuga_test_tally_add(tally, outcome, test->suite, test->name);
        if (options->is_verbose || outcome != TSUGA_TEST_PASSED)
            printf("[%s] %s\n", marks[outcome], name);
        if (options->is_hasty && outcome == TSUGA_TEST_FAILED)
            return;
    }
}

static struct options parse(int argc, char *argv[])
{
    struct options options = {.repeat_count = 1};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            options.is_listing = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.is_verbose = true;
        } else if (strcmp(argv[i], "--fail-fast") == 0) {
            options.is_hasty = true;
        } else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
            options.filter = argv[++i];
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            options.repeat_count = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr,
                    "usage: %s [--list] [--verbose] [--fail-fast] [--filter GLOB] [--repeat N]\n",
                    argv[0]);
            exit(EXIT_FAILURE);
        }
    }
    return options;
}

int main(int argc, char *argv[])
{
    struct options options = parse(argc, argv);
    struct tsuga_test_tally tally;

    if (options.is_listing) {
        run_matching(&options, NULL);
        return EXIT_SUCCESS;
    }
    tsuga_test_tally_open(&tally);
    for (unsigned i = 0; i < options.repeat_count; i++) {
        run_matching(&options, &tally);
        if (options.is_hasty && tally.count[TSUGA_TEST_FAILED] > 0)
            break;
    }
    return tsuga_test_tally_close(&tally);
}
