/*
 * hash [-c CONFIG] [-j EXECUTORS] [-n BYTES] PATH…
 *
 *     -c CONFIG     an INI file for the runtime, for instance examples/small.ini
 *     -j EXECUTORS  how many threads, each with its own ring; by default one per processor
 *     -n BYTES      take no further file once those taken have this many bytes (K, M, G)
 *
 * Symbolic links are passed over, unless named on the command line. Lines come in any order. A
 * progress bar is shown when the standard error is a terminal.
 *
 * Exit status: 0 everything was hashed, 1 something was not (a message says what), 2 wrong usage,
 * or the runtime could not start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/hash/hash.h"

_Noreturn void die(const char *why)
{
    fprintf(stderr, "hash: %s\n", why);
    _exit(2);
}

void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    if (memory == NULL)
        die("out of memory");
    return memory;
}

void queue_clear(struct queue *queue)
{
    struct file *file;

    while ((file = queue_pop(queue)) != NULL)
        free(file);
}

static _Noreturn void usage(void)
{
    fputs("usage: hash [-c CONFIG] [-j EXECUTORS] [-n BYTES[K|M|G]] PATH...\n", stderr);
    exit(2);
}

/* A number 1 ..= max with an optional unit. */
static uint64_t parse_number(const char *text, uint64_t max)
{
    static const char units[] = "KMG";
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0)
        usage();
    if (*end != '\0') {
        const char *unit = strchr(units, *end);
        if (unit == NULL || end[1] != '\0' || value > max >> (10 * (unit - units + 1)))
            usage();
        value <<= 10 * (unit - units + 1);
    }
    if (value == 0 || value > max)
        usage();
    return value;
}

/* Returns the exit status. */
static int run(struct director *director, const struct tsuga_config *config)
{
    struct tsuga_spawn_options options = {.body = direct, .argument = director, .name = "director"};
    struct tsuga_stats stats;
    struct tsuga_runtime *runtime;

    if (tsuga_start(config, &runtime) < 0)
        return 2; /* it has said why */
    tsuga_stats_read(runtime, &stats);
    director_init(director, stats.executor_count);
    int error = tsuga_spawn(runtime, &options, NULL);
    if (error == 0)
        error = tsuga_join(runtime);
    if (error < 0)
        die(strerror(-error));

    tsuga_stats_read(runtime, &stats); /* all actors have ended: the sums are complete */
    report_summary(&director->report, &stats);
    tsuga_destroy(runtime);
    director_fini(director);
    return director->report.failed_count > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct tsuga_config config = {0};
    struct director director = {0};
    uint64_t bytes_max = UINT64_MAX;
    int option;

    report_init(&director.report);
    while ((option = getopt(argc, argv, "c:j:n:")) != -1) {
        if (option == 'c')
            config.file = optarg;
        else if (option == 'j')
            config.executor.threads = (uint32_t)parse_number(optarg, UINT32_MAX);
        else if (option == 'n')
            bytes_max = parse_number(optarg, UINT64_MAX);
        else
            usage();
    }
    if (optind == argc)
        usage();

    walk_init(&director.walk, argv + optind, bytes_max);
    int status = run(&director, &config);
    walk_fini(&director.walk);
    return status;
}
