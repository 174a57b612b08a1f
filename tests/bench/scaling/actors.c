/*
 * So many actors in a ring, whose order is random, and one message that each hands on to the next:
 * nanoseconds a hop. Nobody but the number of actors makes a difference: there is always one
 * message on its way, and each hop is a turn of another actor than the last.
 *
 * The floor hands on nothing. It walks records of an actor's size in the same order, touches every
 * cache line of each, and finds the next one where an actor does, in memory that the record points
 * to. It has nothing else to do, so that the processor gets at all lines of a record at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <tsuga.h>

#include "executor/seat.h"
#include "tests/bench/scaling/scaling.h"
#include "tests/bench/support.h"

#define HOP_COUNT    1000000u
#define ACTORS_MAX   1000000u
#define RECORD_WORDS (sizeof(struct tsuga_seat) / sizeof(uint64_t))
#define LINE_WORDS   (TSUGA_CACHE_LINE_BYTES / sizeof(uint64_t))

struct world;

/* An actor's state: where it stands in the ring. */
struct place {
    struct world *world;
    struct tsuga_id next;
};

struct world {
    uint32_t count;
    uint32_t started_count;
    uint32_t hops_left;
    const uint32_t *next; /* by numbers, in the order of their making */
    struct place *places;
    struct tsuga_id *ids;
    struct tsuga_id root;
    double ours_ns;
};

struct record;

/* What a record points to, as large as a place. */
struct link {
    struct record *next;
    uint64_t unused;
};

struct record {
    uint64_t words[RECORD_WORDS - 1];
    const struct link *link;
};

/* One cycle through all numbers, by Sattolo's shuffle: it never leaves a number where it was. */
static uint32_t *make_ring(uint32_t count)
{
    struct scaling_random random = {count};
    uint32_t *next = scaling_memory(count, sizeof(*next));

    for (uint32_t i = 0; i < count; i++)
        next[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t other = scaling_random_below(&random, i);
        uint32_t kept = next[i];

        next[i] = next[other];
        next[other] = kept;
    }
    return next;
}

/* The floor. */

static const struct record *walk(struct record *at)
{
    for (uint32_t hop = 0; hop < HOP_COUNT; hop++) {
        for (size_t word = 0; word < RECORD_WORDS - 1; word += LINE_WORDS)
            at->words[word]++;
        at = at->link->next;
    }
    return at;
}

static double measure_walk(uint32_t count, const uint32_t *next)
{
    struct record *records = scaling_memory(count, sizeof(*records));
    struct link *links = scaling_memory(count, sizeof(*links));
    const struct record *volatile last; /* or nobody would need the walk */
    uint64_t start_ns;
    uint64_t spent_ns;

    for (uint32_t i = 0; i < count; i++) {
        links[i].next = &records[next[i]];
        records[i].link = &links[i];
    }
    start_ns = tsuga_bench_processor_ns();
    last = walk(records);
    spent_ns = tsuga_bench_processor_ns() - start_ns;
    (void)last;
    free(links);
    free(records);
    return (double)spent_ns / HOP_COUNT;
}

/* Ours. */

static void start(struct tsuga_actor *self, void *argument)
{
    struct place *place = tsuga_state(self);

    *place = *(const struct place *)argument;
    place->world->started_count++;
}

static void hand_on(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct place *place = tsuga_state(self);
    struct tsuga_id to = place->next;

    (void)message;
    if (--place->world->hops_left == 0)
        to = place->world->root;
    tsuga_bench_require("tsuga_send", tsuga_send(self, to, 0, NULL, 0));
}

static void spawn_all(struct tsuga_actor *self, struct world *world)
{
    struct tsuga_spawn_options options = {
        .behaviour = hand_on, .start = start, .state_bytes = sizeof(struct place)};

    for (uint32_t i = 0; i < world->count; i++) {
        options.argument = &world->places[i];
        tsuga_bench_require("tsuga_spawn",
                            tsuga_spawn(tsuga_runtime_of(self), &options, &world->ids[i]));
    }
    for (uint32_t i = 0; i < world->count; i++)
        world->places[i] = (struct place){world, world->ids[world->next[i]]};
}

static void root(struct tsuga_actor *self, void *argument)
{
    struct world *world = argument;
    const struct tsuga_message *message;
    uint64_t start_ns;

    world->root = tsuga_self(self);
    spawn_all(self, world);
    while (world->started_count < world->count)
        tsuga_bench_require("tsuga_yield", tsuga_yield(self));
    start_ns = tsuga_bench_processor_ns();
    tsuga_bench_require("tsuga_send", tsuga_send(self, world->ids[0], 0, NULL, 0));
    tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
    world->ours_ns = (double)(tsuga_bench_processor_ns() - start_ns) / HOP_COUNT;
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_NOW);
}

static void measure(uint32_t count, struct scaling_sample *out)
{
    /* The root's first turn is long on purpose. */
    static const struct tsuga_config config = {.executor = {.threads = 1, .watchdog_us = 60000000}};
    uint32_t *next = make_ring(count);
    struct world world = {.count = count,
                          .hops_left = HOP_COUNT,
                          .next = next,
                          .places = scaling_memory(count, sizeof(*world.places)),
                          .ids = scaling_memory(count, sizeof(*world.ids))};

    int reason;

    out->floor_ns = measure_walk(count, next);
    reason = tsuga_run(&config, root, &world);
    tsuga_bench_require("tsuga_run", reason == TSUGA_STOPPED ? 0 : -ECANCELED);
    out->ours_ns = world.ours_ns;
    free(world.ids);
    free(world.places);
    free(next);
}

const struct scaling_case scaling_actors = {.name = "actors",
                                            .unit = "a message handed on by another actor",
                                            .floor = "the same cache lines, in the same order",
                                            .count_max = ACTORS_MAX,
                                            .measure = measure};
