/*
 * Times the cases of the Savina suite: medians over many runs in one runtime, for each message or
 * actor, and whether the project's bounds are met; and how much faster two executors are than one.
 *
 * Bounds of one executor are held against the time of the processor, which is that of the clock
 * when nobody else wants it.
 */
#include "tests/bench/savina/savina.h"
#include "tests/bench/support.h"

#define RUNS_MIN    9u
#define SPEEDUP_MIN 1.8

struct job {
    const struct savina_case *game;
    struct tsuga_bench_pairs runs; /* nanoseconds for each unit: of the processor as floor, and of
                                      the clock as ours */
    uint32_t runs_max;             /* 0: as many as there is time for */
};

static const struct savina_case *const games[] = {
    &savina_ping_pong, &savina_counting, &savina_thread_ring, &savina_throughput,
    &savina_creation,  &savina_big,      &savina_chameneos,   &savina_smokers,
};
#define GAME_COUNT (sizeof(games) / sizeof(games[0]))

static bool wants_more(const struct job *job)
{
    if (job->runs_max > 0)
        return job->runs.count < job->runs_max;
    return job->runs.count < RUNS_MIN || (job->runs.count < TSUGA_BENCH_PAIRS_MAX &&
                                          tsuga_bench_now_ns() < job->runs.deadline_ns);
}

static void play(struct tsuga_actor *self, void *argument)
{
    struct job *job = argument;

    while (wants_more(job)) {
        uint64_t start_ns = tsuga_bench_now_ns();
        uint64_t start_cpu_ns = tsuga_bench_processor_ns();
        double unit_count = (double)job->game->unit_count;

        job->game->run(self, NULL);
        tsuga_bench_add(&job->runs,
                        (double)(tsuga_bench_processor_ns() - start_cpu_ns) / unit_count,
                        (double)(tsuga_bench_now_ns() - start_ns) / unit_count);
        tsuga_bench_require("tsuga_yield", tsuga_yield(self));
    }
}

/* A benchmark's turns may be long on purpose. */
static void run(struct job *job, uint32_t executor_count)
{
    struct tsuga_config config = {.executor = {.threads = executor_count, .watchdog_us = 60000000}};

    tsuga_bench_require("tsuga_run", tsuga_run(&config, play, job));
}

static void time_game(const struct savina_case *game, double seconds)
{
    static struct job job;
    double used_ns;

    job = (struct job){.game = game};
    tsuga_bench_start(&job.runs, seconds);
    run(&job, 1);
    used_ns = tsuga_bench_quantile(job.runs.floor, job.runs.count, 0.5);
    tsuga_bench_begin("savina", game->name);
    tsuga_bench_text("parameters", game->parameters);
    tsuga_bench_text("of", game->unit);
    tsuga_bench_number("ns", tsuga_bench_quantile(job.runs.ours, job.runs.count, 0.5));
    tsuga_bench_number("ns_p10", tsuga_bench_quantile(job.runs.ours, job.runs.count, 0.1));
    tsuga_bench_number("ns_p90", tsuga_bench_quantile(job.runs.ours, job.runs.count, 0.9));
    tsuga_bench_number("processor_ns", used_ns);
    tsuga_bench_number("runs", (double)job.runs.count);
    if (game->bound_ns > 0)
        tsuga_bench_bound("processor_ns", used_ns, game->bound_ns, TSUGA_BENCH_AT_MOST);
    tsuga_bench_end();
}

static double time_once(uint32_t executor_count)
{
    static struct job job;

    job = (struct job){.game = &savina_trapezoids, .runs_max = 1};
    run(&job, executor_count);
    return job.runs.ours[0];
}

/* One executor and two in turns, each in a runtime of its own. */
static void compare_executors(double seconds)
{
    static struct tsuga_bench_pairs pairs;
    double speedup;

    tsuga_bench_start(&pairs, seconds);
    while (tsuga_bench_wants_more(&pairs)) {
        double two_ns = time_once(2);

        tsuga_bench_add(&pairs, two_ns, time_once(1));
    }
    speedup = tsuga_bench_ratio(&pairs);
    tsuga_bench_begin("savina", savina_trapezoids.name);
    tsuga_bench_text("parameters", savina_trapezoids.parameters);
    tsuga_bench_text("of", savina_trapezoids.unit);
    tsuga_bench_summary(&pairs, "two executors");
    tsuga_bench_bound("ratio", speedup, SPEEDUP_MIN, TSUGA_BENCH_AT_LEAST);
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    size_t part_count = GAME_COUNT + 1;
    double seconds = tsuga_bench_seconds(argc, argv, 9) / (double)part_count;

    for (size_t i = 0; i < GAME_COUNT; i++)
        time_game(games[i], seconds);
    compare_executors(seconds);
    return 0;
}
