/* A runtime that has nothing to do: it uses no processor, and does not look as if it waited for a
 * disk. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <tsuga.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/sanitize.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"

#ifdef TSUGA_HAS_TSAN
static const bool has_idle_threads = false; /* ThreadSanitizer's own thread wakes up all the time */
#else
static const bool has_idle_threads = true;
#endif

#define IDLE_NS       (2 * TSUGA_NS_PER_S)
#define SETTLE_NS     (250 * TSUGA_NS_PER_MS)
#define SETTLE_TRIES  40
#define WINDOW_NS     (400 * TSUGA_NS_PER_MS)
#define WINDOW_TRIES  6
#define LOOK_TRIES    3
#define TICK_NS       (10 * TSUGA_NS_PER_MS) /* the unit of /proc/stat */
#define ACTOR_COUNT   100u
#define OPS_PER_ACTOR 10u

static void pass_time(uint64_t ns)
{
    struct timespec left = {(time_t)(ns / TSUGA_NS_PER_S), (long)(ns % TSUGA_NS_PER_S)};

    while (nanosleep(&left, &left) != 0)
        continue;
}

/* The number behind `key` in a file of lines "key number …"; 0 when it is not there. */
static uint64_t number_after(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    uint64_t number = 0;
    char line[512];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            number = strtoull(line + strlen(key), NULL, 10);
    if (file != NULL)
        fclose(file);
    return number;
}

/* How often threads of this process other than the calling one got a processor. */
static uint64_t runs_of_others(void)
{
    DIR *tasks = opendir("/proc/self/task");
    uint64_t runs = 0;
    struct dirent *task;
    char path[320];

    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        if (task->d_name[0] == '.' || strtol(task->d_name, NULL, 10) == gettid())
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        runs += number_after(path, "voluntary_ctxt_switches:");
        runs += number_after(path, "nonvoluntary_ctxt_switches:");
    }
    closedir(tasks);
    return runs;
}

static uint64_t processor_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void work_then_wait(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    for (uint32_t i = 0; i < OPS_PER_ACTOR; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    (void)!tsuga_receive(self, NULL, TSUGA_FOREVER, &message);
}

/* Two executors, and actors on both that have worked and now wait for ever. */
static struct tsuga_runtime *start_idle(enum tsuga_toggle no_iowait)
{
    struct tsuga_config config = {.executor = {.threads = 2, .watchdog_us = 10000},
                                  .features[TSUGA_FEATURE_NO_IOWAIT] = no_iowait};
    struct tsuga_spawn_options options = {.body = work_then_wait,
                                          .placement = TSUGA_PLACE_LEAST_LOADED};
    struct tsuga_runtime *runtime;
    struct tsuga_stats stats;
    uint64_t before;

    if (!has_idle_threads)
        SKIP("ThreadSanitizer has a thread that never rests");
    CHECK_INT(tsuga_start(&config, &runtime), 0);
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        CHECK_INT(tsuga_spawn(runtime, &options, NULL), 0);
    for (int i = 0; i < SETTLE_TRIES; i++) {
        before = runs_of_others();
        pass_time(SETTLE_NS);
        tsuga_stats_read(runtime, &stats);
        if (stats.ops_completions == ACTOR_COUNT * OPS_PER_ACTOR && runs_of_others() == before)
            return runtime;
    }
    tsuga_test_fail(__FILE__, __LINE__, "the runtime did not come to rest");
}

TEST(runtime, idle_uses_no_processor)
{
    struct tsuga_runtime *runtime = start_idle(TSUGA_DEFAULT);
    uint64_t runs = runs_of_others();
    uint64_t used_us = processor_us();

    pass_time(IDLE_NS);
    CHECK_UINT(runs_of_others(), runs);
    /* What remains is this test's own: it woke up once and read a few files. */
    CHECK(processor_us() - used_us < 10000);
    tsuga_destroy(runtime);
}

static uint64_t iowait_ticks(void)
{
    FILE *file = fopen("/proc/stat", "r");
    uint64_t ticks[5] = {0};
    char line[512];
    char *next = line;

    CHECK(file != NULL);
    CHECK(fgets(line, sizeof(line), file) != NULL);
    fclose(file);
    strtok_r(line, " ", &next);
    for (int i = 0; i < 5; i++) /* user, nice, system, idle, iowait */
        ticks[i] = strtoull(next, &next, 10);
    return ticks[4];
}

/* Whether, in some window of a few, waiting for I/O took a share as asked: others on the machine
 * may keep its processors busy, or wait for disks, for a while. */
static bool shows_iowait(uint64_t min_ns, uint64_t max_ns)
{
    for (int i = 0; i < WINDOW_TRIES; i++) {
        uint64_t before = iowait_ticks();
        uint64_t more_ns;

        pass_time(WINDOW_NS);
        more_ns = (iowait_ticks() - before) * TICK_NS;
        if (more_ns >= min_ns && more_ns <= max_ns)
            return true;
    }
    return false;
}

enum verdict { QUIET, COUNTED, NOISY };

/* The kernel counts for the whole machine: what shows with the runtime and without it alike is the
 * machine's own. */
static enum verdict look_at_idle(void)
{
    struct tsuga_runtime *runtime = start_idle(TSUGA_DEFAULT);
    bool is_quiet = shows_iowait(0, TICK_NS);

    tsuga_destroy(runtime);
    if (is_quiet)
        return QUIET;
    return shows_iowait(0, TICK_NS) ? COUNTED : NOISY;
}

TEST(runtime, idle_is_no_iowait)
{
    struct tsuga_runtime *runtime;
    enum verdict verdict = COUNTED;
    bool is_counted;

    tsuga_needs("NO_IOWAIT");
    runtime = start_idle(TSUGA_OFF);
    is_counted = shows_iowait(WINDOW_NS / 2, UINT64_MAX);
    tsuga_destroy(runtime);
    if (!is_counted)
        SKIP("this kernel or machine does not count a waiting ring as waiting for I/O");
    for (int i = 0; i < LOOK_TRIES && verdict == COUNTED; i++)
        verdict = look_at_idle();
    if (verdict == NOISY)
        SKIP("others on this machine wait for disks");
    CHECK_INT(verdict, QUIET);
}
