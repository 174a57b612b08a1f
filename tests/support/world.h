/*
 * A runtime for a test: started with what the test wants to look at, ended with the checks that
 * every test owes. Errors of starting and ending fail the test, so that callers read like a story.
 *
 *     static void body(struct tsuga_actor *self, void *argument) { … CHECK(…) … }
 *
 *     TEST(executor, h33_matches_completions)
 *     {
 *         tsuga_world_run(NULL, body, NULL);
 *     }
 *
 * At the end a world checks that the books balance: every operation that was submitted has
 * completed, nobody is alive, no orphan and no leaked heap is left, no I/O heap byte is in use, no
 * actor owns a descriptor, and the process has as many descriptors open as before.
 *
 * Thread: the test's own, which is no executor.
 */
#ifndef TSUGA_TESTS_WORLD_H
#define TSUGA_TESTS_WORLD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "executor/ring.h"
#include "runtime/runtime.h"

#include <tsuga.h>

/* What the runtime logs, line by line, for tests that read it. */
struct tsuga_lines {
    pthread_mutex_t lock;
    char text[8192]; /* what does not fit is dropped */
    size_t bytes;
};

struct tsuga_setup {
    struct tsuga_config config;          /* threads 0: one executor */
    tsuga_ring_create_fn *ring_create;   /* NULL: io_uring */
    void *ring_context;                  /* for ring_create */
    const struct tsuga_backing *backing; /* NULL: the default one */
    const struct tsuga_clock *clock;     /* NULL: the monotonic one */
    struct tsuga_lines *lines;           /* NULL: the log goes to stderr */
    bool is_unbalanced; /* the test breaks a rule on purpose: do not check the end */
};

struct tsuga_run {
    struct tsuga_runtime *runtime;
    struct tsuga_stats stats; /* as they were at the end */
    bool is_unbalanced;
    size_t descriptor_count; /* open before the start */
};

/* Starts a runtime. `setup` may be NULL; it and what it points to outlive the run. */
void tsuga_world_start(const struct tsuga_setup *setup, struct tsuga_run *run);

/* Waits until nobody is alive, reads the statistics, destroys the runtime, checks the balance. */
void tsuga_world_end(struct tsuga_run *run);

/* Starts a body as an actor that stays where it is put; returns its id. */
struct tsuga_id tsuga_world_spawn(struct tsuga_run *run, tsuga_body_fn *body, void *argument);

/* One body, from start to end; returns the statistics of the end. */
struct tsuga_stats tsuga_world_run(const struct tsuga_setup *setup, tsuga_body_fn *body,
                                   void *argument);

/* Descriptors that the process has open. */
size_t tsuga_world_descriptors(void);

void tsuga_lines_init(struct tsuga_lines *lines);

/* Forgets what was logged so far. Thread: any. */
void tsuga_lines_clear(struct tsuga_lines *lines);

/* Whether some line contains `word`. Thread: any. */
bool tsuga_lines_contain(struct tsuga_lines *lines, const char *word);

/* Waits until one does; the driver's time limit ends a wait in vain. */
void tsuga_lines_await(struct tsuga_lines *lines, const char *word);

/* The ring that a world uses when it is given none: for wrappers. Context is ignored. */
int tsuga_world_ring(void *context, const struct tsuga_ring_config *config,
                     struct tsuga_ring **out);

#endif
