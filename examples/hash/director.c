/* The director: keeps the walk and the workers busy, and prints what the workers bring back. */
#include <stdlib.h>
#include <string.h>

#include "examples/hash/hash.h"

#define WORKERS_MAX    32        /* of one executor; more touch more memory, and measured slower */
#define INFLIGHT_BYTES (2 * MIB) /* of one executor: what was read is hashed while it is cached */
#define ERRAND_BYTES   (256 * KIB)
#define AHEAD_FILES    65536 /* by which the walk may be ahead of the workers */
#define TICK_NS        (100 * MS)

struct crew {
    struct tsuga_id idle[WORKERS_MAX];
    size_t idle_count;
    size_t hired_count;
    uint64_t inflight_bytes;
};

void director_init(struct director *director, uint32_t executor_count)
{
    queue_init(&director->waiting);
    lines_init(&director->lines);
    director->crew_count = executor_count;
    director->crews = allocate(executor_count, sizeof *director->crews);
}

void director_fini(struct director *director)
{
    queue_clear(&director->waiting);
    lines_fini(&director->lines);
    free(director->crews);
}

/* The end of a file's life: a line or a message. */
static void conclude(struct tsuga_actor *self, struct director *director, struct file *file)
{
    struct report *report = &director->report;

    if (file->special != NULL) {
        report_failure(report, file->path, file->special);
    } else if (file->error != 0) {
        report_failure(report, file->path, strerror(file->error));
    } else if (strchr(file->path, '\n') != NULL) {
        report_failure(report, file->path, "not printed: xxhsum -c takes no line break in a name");
    } else {
        report->hashed_count++;
        report->hashed_bytes += file->hashed_bytes;
        if (director->lines.is_terminal)
            report_hide_bar(report);
        lines_add(self, &director->lines, file);
    }
    free(file);
}

static bool has_room(const struct crew *crew)
{
    bool has_worker = crew->idle_count > 0 || crew->hired_count < WORKERS_MAX;

    return has_worker && crew->inflight_bytes < INFLIGHT_BYTES;
}

/* The crew with the least to do, or NULL when all have enough. */
static struct crew *choose_crew(struct director *director)
{
    struct crew *chosen = NULL;

    for (uint32_t i = 0; i < director->crew_count; i++) {
        struct crew *crew = &director->crews[i];
        if (has_room(crew) && (chosen == NULL || crew->inflight_bytes < chosen->inflight_bytes))
            chosen = crew;
    }
    return chosen;
}

/* One large file, or several small ones; few of them when not many are waiting, so that all workers
 * have something to do until the end. At least one file must wait. */
static struct errand make_errand(struct director *director)
{
    struct errand errand = {0};
    struct queue files;
    uint64_t bytes = 0;
    size_t count_max = 1 + director->waiting.count / (2 * WORKERS_MAX * director->crew_count);

    queue_init(&files);
    for (struct file *file = director->waiting.first; file != NULL;
         file = director->waiting.first) {
        uint64_t file_bytes = worker_buffer_bytes(file);
        bytes += file_bytes;
        if (files.count > 0 && (bytes > ERRAND_BYTES || files.count == count_max))
            break;
        queue_push(&files, queue_pop(&director->waiting));
        if (file_bytes > errand.buffer_bytes)
            errand.buffer_bytes = file_bytes;
    }
    errand.files = files.first;
    return errand;
}

static void hand_out(struct tsuga_actor *self, struct director *director, struct crew *crew)
{
    struct errand errand = make_errand(director);

    errand.executor = (uint32_t)(crew - director->crews);
    if (crew->idle_count == 0) {
        crew->idle[crew->idle_count++] = worker_hire(self, errand.executor);
        crew->hired_count++;
    }
    crew->inflight_bytes += errand.buffer_bytes;
    director->inflight_count++;
    if (tsuga_send(self, crew->idle[--crew->idle_count], 0, &errand, sizeof errand) < 0)
        die("the director cannot reach a worker");
}

static void take_back(struct tsuga_actor *self, struct director *director,
                      const struct tsuga_message *message)
{
    const struct errand *errand = tsuga_message_data(message);
    struct crew *crew = &director->crews[errand->executor];
    struct file *next;

    crew->idle[crew->idle_count++] = tsuga_message_from(message);
    crew->inflight_bytes -= errand->buffer_bytes;
    director->inflight_count--;
    for (struct file *file = errand->files; file != NULL; file = next) {
        next = file->next;
        conclude(self, director, file);
    }
}

/* A job of the walk has ended: take what it has found. */
static void collect(struct tsuga_actor *self, struct director *director, int error)
{
    struct walk *walk = &director->walk;
    struct file *file;

    director->is_walking = false;
    if (error < 0) {
        report_failure(&director->report, "the walk ends early", strerror(-error));
        walk->is_done = true;
    }
    while ((file = queue_pop(&walk->found)) != NULL) {
        if (file->error != 0 || file->special != NULL) {
            conclude(self, director, file);
            continue;
        }
        director->report.found_bytes += file->size;
        queue_push(&director->waiting, file);
    }
    report_show_bar(&director->report);
}

static void send_walk(struct tsuga_actor *self, struct director *director)
{
    director->is_walking = true;
    director->walking = tsuga_blocking(self, walk_on, &director->walk);
    if (tsuga_op_error(director->walking) < 0)
        collect(self, director, tsuga_op_error(director->walking));
}

/* Nobody takes the lines any more: hash nothing more. */
static void give_up(struct director *director)
{
    director->walk.is_done = true;
    queue_clear(&director->waiting);
}

static void send_out(struct tsuga_actor *self, struct director *director)
{
    struct crew *crew;

    if (director->lines.error != 0 && !director->is_walking)
        give_up(director);
    if (!director->is_walking && !director->walk.is_done && director->waiting.count < AHEAD_FILES)
        send_walk(self, director);
    while (director->waiting.count > 0 && (crew = choose_crew(director)) != NULL)
        hand_out(self, director, crew);
}

static void handle(struct tsuga_actor *self, struct director *director,
                   const struct tsuga_message *message)
{
    const struct tsuga_completion *io = tsuga_message_completion(message);

    if (io == NULL) {
        take_back(self, director, message);
    } else if (tsuga_token_equal(io->op, director->walking)) {
        collect(self, director, io->result);
    } else if (tsuga_token_equal(io->op, director->tick)) {
        report_show_bar(&director->report);
        director->tick = tsuga_timeout(self, TICK_NS);
    }
}

void direct(struct tsuga_actor *self, void *argument)
{
    struct director *director = argument;
    const struct tsuga_message *message;

    if (director->report.has_bar)
        director->tick = tsuga_timeout(self, TICK_NS);
    send_out(self, director);
    while ((director->is_walking || director->inflight_count > 0) &&
           tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == 0) {
        handle(self, director, message);
        send_out(self, director);
    }
    lines_flush(self, &director->lines);
    report_hide_bar(&director->report);
    if (director->lines.error != 0)
        report_failure(&director->report, "standard output", strerror(director->lines.error));
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_GRACEFUL);
}
