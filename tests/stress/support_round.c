#include "tests/stress/support_round.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/stress/support_tally.h"

uint64_t stress_now_ns(void)
{
    return tsuga_clock_monotonic_ns(NULL);
}

uint64_t stress_seed(int argc, char *argv[])
{
    const char *given = argc > 2 ? argv[2] : getenv("TSUGA_TEST_SEED");

    return given != NULL ? strtoull(given, NULL, 0) : stress_now_ns() ^ (uint64_t)getpid() << 32;
}

void stress_raise_descriptor_limit(void)
{
    struct rlimit limit;

    STRESS_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    STRESS_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

size_t stress_count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    STRESS_REQUIRE(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void check_balance(const struct tsuga_stats *stats)
{
    STRESS_REQUIRE(stats->actors_alive == 0);
    STRESS_REQUIRE(stats->actors_ended == stats->actors_spawned);
    STRESS_REQUIRE(stats->ops_completions == stats->ops_submitted);
    STRESS_REQUIRE(stats->orphans == 0);
    STRESS_REQUIRE(stats->leaked_heaps == 0);
    STRESS_REQUIRE(stats->descriptors == 0);
    STRESS_REQUIRE(stats->heaps.live_bytes == 0);
}

void stress_end_runtime(struct tsuga_runtime *runtime, uint64_t random)
{
    struct tsuga_stats stats;

    if (random % 3 < 2)
        tsuga_stop(runtime, TSUGA_STOP_GRACEFUL);
    if (random % 3 > 0)
        tsuga_stop(runtime, TSUGA_STOP_NOW);
    STRESS_REQUIRE(tsuga_join(runtime) == 0);
    tsuga_stats_read(runtime, &stats);
    tsuga_destroy(runtime);
    check_balance(&stats);
}
