/*
 * A million actors, all alive at once: what each takes in memory while it is idle and has done no
 * I/O, and the time to make it, to send it one message and to see it end. They have no state of
 * their own, which would be the user's memory.
 *
 * The floor is a million plain objects: malloc, link, call through a pointer, free. Each round
 * runs in a process of its own, so that both sides meet memory that was never touched.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tsuga.h>
#include <unistd.h>

#include "executor/seat.h"
#include "runtime/base/clock.h"
#include "tests/bench/support.h"

#define ACTOR_COUNT  1000000u
#define OBJECT_BYTES 256u
#define ROUNDS_MIN   3u
#define ROUNDS_MAX   64u

/* What the project promises. */
#define BYTES_MAX   320
#define SECONDS_MAX 1.0

/* What one round has found. */
struct round {
    double floor_ns; /* per object, as the others per actor */
    double ours_ns;
    double spawn_ns;
    double message_ns;
    double actor_bytes;
    double processor_seconds; /* of all actors */
};

/* One round as seen by its actors, all of which live on one executor. */
struct world {
    struct round round;
    struct tsuga_id root;
    uint32_t started_count;
    uint32_t ended_count;
    struct tsuga_id ids[ACTOR_COUNT];
};

struct object {
    struct object *next;
    void (*handle)(struct object *object);
    unsigned char rest[OBJECT_BYTES - 2 * sizeof(void *)];
};

static void end_object(struct object *object)
{
    free(object);
}

static double measure_objects(void)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    struct object *list = NULL;

    for (uint32_t i = 0; i < ACTOR_COUNT; i++) {
        struct object *object = calloc(1, sizeof(*object));

        if (object == NULL)
            tsuga_bench_fail("calloc", -ENOMEM);
        *object = (struct object){.next = list, .handle = end_object};
        list = object;
    }
    while (list != NULL) {
        struct object *object = list;

        list = object->next;
        object->handle(object);
    }
    return (double)(tsuga_bench_now_ns() - start_ns) / ACTOR_COUNT;
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    char line[128];
    char *second;

    if (file == NULL || fgets(line, sizeof(line), file) == NULL)
        tsuga_bench_fail("/proc/self/statm", -EIO);
    fclose(file);
    second = strchr(line, ' ');
    if (second == NULL)
        tsuga_bench_fail("/proc/self/statm", -EIO);
    return (double)strtoul(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct world *world = (struct world *)(uintptr_t)tsuga_message_tag(message);

    if (++world->ended_count == ACTOR_COUNT)
        tsuga_bench_require("tsuga_send", tsuga_send(self, world->root, 0, NULL, 0));
    tsuga_exit(self, TSUGA_NORMAL);
}

static void start(struct tsuga_actor *self, void *argument)
{
    struct world *world = argument;

    (void)self;
    world->started_count++;
}

static void spawn_all(struct tsuga_actor *self, struct world *world)
{
    struct tsuga_spawn_options options = {.behaviour = behave, .start = start, .argument = world};

    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        tsuga_bench_require("tsuga_spawn",
                            tsuga_spawn(tsuga_runtime_of(self), &options, &world->ids[i]));
}

static void root(struct tsuga_actor *self, void *argument)
{
    struct world *world = argument;
    double before_bytes = resident_bytes();
    uint64_t start_cpu_ns = tsuga_bench_processor_ns();
    uint64_t start_ns = tsuga_bench_now_ns();
    const struct tsuga_message *message;
    uint64_t idle_ns;

    world->root = tsuga_self(self);
    spawn_all(self, world);
    world->round.spawn_ns = (double)(tsuga_bench_now_ns() - start_ns) / ACTOR_COUNT;
    while (world->started_count < ACTOR_COUNT)
        tsuga_bench_require("tsuga_yield", tsuga_yield(self));
    idle_ns = tsuga_bench_now_ns();
    world->round.actor_bytes = (resident_bytes() - before_bytes) / ACTOR_COUNT;
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        tsuga_bench_require("tsuga_send",
                            tsuga_send(self, world->ids[i], (uintptr_t)world, NULL, 0));
    tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
    world->round.message_ns = (double)(tsuga_bench_now_ns() - idle_ns) / ACTOR_COUNT;
    world->round.ours_ns = (double)(tsuga_bench_now_ns() - start_ns) / ACTOR_COUNT;
    world->round.processor_seconds =
        (double)(tsuga_bench_processor_ns() - start_cpu_ns) / (double)TSUGA_NS_PER_S;
}

static struct round measure(void)
{
    static struct world world;
    /* The root's turns are long on purpose. */
    struct tsuga_config config = {.executor = {.threads = 1, .watchdog_us = 60000000}};

    /* The ids are the benchmark's own: touched now, they do not count as the actors'. */
    memset(world.ids, 1, sizeof(world.ids));
    world.round.floor_ns = measure_objects();
    tsuga_bench_require("tsuga_run", tsuga_run(&config, root, &world));
    return world.round;
}

static void run_round(struct round *out)
{
    int ends[2];
    int status;
    pid_t child;

    tsuga_bench_require("pipe", pipe(ends) == 0 ? 0 : -errno);
    child = fork();
    tsuga_bench_require("fork", child < 0 ? -errno : 0);
    if (child == 0) {
        struct round round = measure();

        _exit(write(ends[1], &round, sizeof(round)) == sizeof(round) ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], out, sizeof(*out)) != sizeof(*out))
        tsuga_bench_require("a round", -EIO);
    close(ends[0]);
    tsuga_bench_require("waitpid", waitpid(child, &status, 0) == child ? 0 : -errno);
}

static void print(const struct tsuga_bench_pairs *pairs, const struct tsuga_bench_pairs *parts,
                  const double *bytes, const double *seconds)
{
    size_t count = pairs->count;
    double actor_bytes = tsuga_bench_quantile(bytes, count, 0.5);
    double used = tsuga_bench_quantile(seconds, count, 0.5);

    tsuga_bench_begin("spawn", "a million actors, a message each");
    tsuga_bench_summary(pairs, "calloc, call, free");
    tsuga_bench_number("seconds", tsuga_bench_quantile(pairs->ours, count, 0.5) * ACTOR_COUNT /
                                      (double)TSUGA_NS_PER_S);
    tsuga_bench_number("spawn_ns", tsuga_bench_quantile(parts->floor, count, 0.5));
    tsuga_bench_number("message_ns", tsuga_bench_quantile(parts->ours, count, 0.5));
    tsuga_bench_number("processor_seconds", used);
    tsuga_bench_bound("processor_seconds", used, SECONDS_MAX, TSUGA_BENCH_AT_MOST);
    tsuga_bench_number("actor_bytes", actor_bytes);
    tsuga_bench_bound("actor_bytes", actor_bytes, BYTES_MAX, TSUGA_BENCH_AT_MOST);
    tsuga_bench_number("seat_bytes", (double)sizeof(struct tsuga_seat));
    tsuga_bench_end();
}

int main(int argc, char **argv)
{
    static struct tsuga_bench_pairs pairs;
    static struct tsuga_bench_pairs parts; /* making as floor, message and end as ours */
    static double bytes[ROUNDS_MAX];
    static double seconds[ROUNDS_MAX];

    tsuga_bench_start(&pairs, tsuga_bench_seconds(argc, argv, 10));
    while (pairs.count < ROUNDS_MIN ||
           (pairs.count < ROUNDS_MAX && tsuga_bench_now_ns() < pairs.deadline_ns)) {
        struct round round;

        run_round(&round);
        bytes[pairs.count] = round.actor_bytes;
        seconds[pairs.count] = round.processor_seconds;
        tsuga_bench_add(&parts, round.spawn_ns, round.message_ns);
        tsuga_bench_add(&pairs, round.floor_ns, round.ours_ns);
    }
    print(&pairs, &parts, bytes, seconds);
    return 0;
}
