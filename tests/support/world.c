#include "tests/support/world.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "executor/ring_uring.h"
#include "tests/support/test.h"

/* An ordinary user is charged for the rings of worlds before this one until the kernel finds time
 * to give that back; a start waits 0.6 s for it. */
#define START_TRIES 10u

static const struct tsuga_setup plain;

size_t tsuga_world_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

int tsuga_world_ring(void *context, const struct tsuga_ring_config *config, struct tsuga_ring **out)
{
    const struct tsuga_backing *backing = tsuga_backing_default();

    (void)context;
    return tsuga_ring_uring_create((void *)(uintptr_t)&backing->memory, config, out);
}

void tsuga_lines_init(struct tsuga_lines *lines)
{
    memset(lines, 0, sizeof(*lines));
    pthread_mutex_init(&lines->lock, NULL);
}

static void add_line(void *context, enum tsuga_log_level level, const char *line)
{
    struct tsuga_lines *lines = context;
    size_t bytes = strlen(line);

    (void)level;
    pthread_mutex_lock(&lines->lock);
    if (lines->bytes + bytes + 2 <= sizeof(lines->text)) {
        memcpy(lines->text + lines->bytes, line, bytes);
        lines->text[lines->bytes + bytes] = '\n';
        lines->bytes += bytes + 1;
    }
    pthread_mutex_unlock(&lines->lock);
}

void tsuga_lines_clear(struct tsuga_lines *lines)
{
    pthread_mutex_lock(&lines->lock);
    memset(lines->text, 0, sizeof(lines->text));
    lines->bytes = 0;
    pthread_mutex_unlock(&lines->lock);
}

bool tsuga_lines_contain(struct tsuga_lines *lines, const char *word)
{
    bool is_there;

    pthread_mutex_lock(&lines->lock);
    is_there = strstr(lines->text, word) != NULL;
    pthread_mutex_unlock(&lines->lock);
    return is_there;
}

void tsuga_lines_await(struct tsuga_lines *lines, const char *word)
{
    while (!tsuga_lines_contain(lines, word))
        sched_yield();
}

void tsuga_world_start(const struct tsuga_setup *setup, struct tsuga_run *run)
{
    const struct tsuga_setup *given = setup != NULL ? setup : &plain;
    struct tsuga_config config = given->config;
    struct tsuga_world world = {
        .clock = {.now_ns = tsuga_clock_monotonic_ns},
        .backing = given->backing != NULL ? given->backing : tsuga_backing_default(),
        .ring_create = given->ring_create != NULL ? given->ring_create : tsuga_world_ring,
        .ring_context = given->ring_context,
    };
    int error;

    if (given->clock != NULL)
        world.clock = *given->clock;
    if (config.executor.threads == 0)
        config.executor.threads = 1;
    if (given->lines != NULL) {
        config.log.write = add_line;
        config.log.context = given->lines;
    }
    memset(run, 0, sizeof(*run));
    run->is_unbalanced = given->is_unbalanced;
    run->descriptor_count = tsuga_world_descriptors();
    error = tsuga_runtime_start(&world, &config, &run->runtime);
    for (unsigned i = 1; error == -ENOMEM && i < START_TRIES; i++)
        error = tsuga_runtime_start(&world, &config, &run->runtime);
    CHECK_INT(error, 0);
}

static void check_balance(const struct tsuga_run *run)
{
    const struct tsuga_stats *stats = &run->stats;

    CHECK_UINT(stats->ops_completions, stats->ops_submitted);
    CHECK_UINT(stats->actors_ended, stats->actors_spawned);
    CHECK_UINT(stats->actors_alive, 0);
    CHECK_UINT(stats->orphans, 0);
    CHECK_UINT(stats->leaked_heaps, 0);
    CHECK_UINT(stats->descriptors, 0);
    CHECK_UINT(stats->heaps.live_bytes, 0);
    CHECK_UINT(tsuga_world_descriptors(), run->descriptor_count);
}

void tsuga_world_end(struct tsuga_run *run)
{
    CHECK_INT(tsuga_join(run->runtime), 0);
    tsuga_stats_read(run->runtime, &run->stats);
    tsuga_destroy(run->runtime);
    run->runtime = NULL;
    if (!run->is_unbalanced)
        check_balance(run);
}

struct tsuga_id tsuga_world_spawn(struct tsuga_run *run, tsuga_body_fn *body, void *argument)
{
    struct tsuga_spawn_options options = {
        .body = body, .argument = argument, .placement = TSUGA_PLACE_EXECUTOR, .name = "body"};
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(run->runtime, &options, &id), 0);
    return id;
}

struct tsuga_stats tsuga_world_run(const struct tsuga_setup *setup, tsuga_body_fn *body,
                                   void *argument)
{
    struct tsuga_run run;

    tsuga_world_start(setup, &run);
    (void)tsuga_world_spawn(&run, body, argument);
    tsuga_world_end(&run);
    return run.stats;
}
