/*
 * pinned CPUS PROGRAM ARGUMENT…: runs a program on the processors named ("0", "0,1"), waits for its
 * end, and prints one line:
 *
 *     the number that it wrote, a time by the clock;
 *     the most memory that it had, in MiB;
 *     which share of these processors others used meanwhile, or the hypervisor kept for itself;
 *     the number times the share of one processor that the program had: what the clock would have
 *     shown of a program that never waits, had it been alone.
 *
 * Exit status: 1 when the program failed or wrote no number, 2 wrong usage.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/support.h"

struct usage {
    double busy_s; /* of the processors, by anybody */
    double clock_s;
};

static void parse_processors(const char *list, cpu_set_t *out)
{
    const char *at = list;

    CPU_ZERO(out);
    for (;;) {
        char *end;
        unsigned long processor = strtoul(at, &end, 10);

        if (end == at || processor >= CPU_SETSIZE || (*end != '\0' && *end != ','))
            tsuga_bench_fail(list, -EINVAL);
        CPU_SET(processor, out);
        if (*end == '\0')
            return;
        at = end + 1;
    }
}

/* A line of /proc/stat: cpuN user nice system idle iowait irq softirq steal …, in ticks. */
static double busy_of(const char *line, const cpu_set_t *processors)
{
    static const bool is_busy[] = {true, true, true, false, false, true, true, true};
    unsigned long long busy = 0;
    char *at;

    if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9')
        return 0;
    if (!CPU_ISSET(strtoul(line + 3, &at, 10), processors))
        return 0;
    for (size_t i = 0; i < sizeof(is_busy) / sizeof(*is_busy); i++) {
        unsigned long long ticks = strtoull(at, &at, 10);

        busy += is_busy[i] ? ticks : 0;
    }
    return (double)busy / (double)sysconf(_SC_CLK_TCK);
}

static struct usage usage_now(const cpu_set_t *processors)
{
    struct usage usage = {.clock_s = (double)tsuga_bench_now_ns() / 1e9};
    FILE *file = fopen("/proc/stat", "r");
    char line[512];

    if (file == NULL)
        tsuga_bench_fail("/proc/stat", -errno);
    while (fgets(line, sizeof(line), file) != NULL)
        usage.busy_s += busy_of(line, processors);
    fclose(file);
    return usage;
}

static _Noreturn void become(char **command, const cpu_set_t *processors, int out)
{
    tsuga_bench_require("sched_setaffinity",
                        sched_setaffinity(0, sizeof(*processors), processors) == 0 ? 0 : -errno);
    (void)dup2(out, STDOUT_FILENO);
    execvp(command[0], command);
    tsuga_bench_fail(command[0], -errno);
}

/* Reads on after the number: a writer whose reader goes away would be killed. */
static double read_number(int fd)
{
    FILE *file = fdopen(fd, "r");
    double number = 0;
    char line[128];

    if (file == NULL)
        tsuga_bench_fail("fdopen", -errno);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (number == 0)
            number = strtod(line, NULL);
    }
    fclose(file);
    if (number <= 0)
        tsuga_bench_fail("no number was written", -ENODATA);
    return number;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void run(char **command, const cpu_set_t *processors)
{
    struct usage before = usage_now(processors);
    struct usage after;
    struct rusage used;
    double number;
    double own_s;
    double clock_s;
    double others;
    int ends[2];
    int status;
    pid_t child;

    tsuga_bench_require("pipe", pipe(ends) == 0 ? 0 : -errno);
    child = fork();
    tsuga_bench_require("fork", child < 0 ? -errno : 0);
    if (child == 0)
        become(command, processors, ends[1]);
    close(ends[1]);
    number = read_number(ends[0]);
    tsuga_bench_require("wait4", wait4(child, &status, 0, &used) == child ? 0 : -errno);
    tsuga_bench_require(command[0], status == 0 ? 0 : -ECHILD);
    after = usage_now(processors);
    own_s = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    clock_s = after.clock_s - before.clock_s;
    others = (after.busy_s - before.busy_s - own_s) / (clock_s * CPU_COUNT(processors));
    printf("%.2f %.1f %.2f %.2f\n", number, (double)used.ru_maxrss / 1024, others > 0 ? others : 0,
           number * own_s / clock_s);
}

int main(int argc, char **argv)
{
    cpu_set_t processors;

    if (argc < 3) {
        fprintf(stderr, "%s CPUS PROGRAM ARGUMENT...\n", argv[0]);
        return 2;
    }
    parse_processors(argv[1], &processors);
    run(argv + 2, &processors);
    return 0;
}
