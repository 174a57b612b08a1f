/*
 * Benchmarks of the Savina suite (Imam and Sarkar, AGERE 2014) on the public API, with the suite's
 * parameters. Each is a case: a body that plays the whole benchmark once, from the making of the
 * actors to the word that it is over, and ends the program when the counts are not what the rules
 * of the benchmark say. main.c times it.
 *
 * Messages are told apart by their tags. What an actor starts with lies in an array of the case's,
 * to which its state points; actors of one case live on one executor, but for those of the
 * trapezoids, which share nothing.
 *
 * Owner: main.c. Thread: one runtime at a time.
 */
#ifndef TSUGA_TESTS_SAVINA_H
#define TSUGA_TESTS_SAVINA_H

#include <stdint.h>
#include <tsuga.h>

struct savina_case {
    const char *name;
    const char *parameters;
    const char *unit;    /* what is counted */
    uint64_t unit_count; /* of one run */
    double bound_ns;     /* for each; 0: the project has none */
    tsuga_body_fn *run;
};

extern const struct savina_case savina_ping_pong;
extern const struct savina_case savina_counting;
extern const struct savina_case savina_thread_ring;
extern const struct savina_case savina_throughput;
extern const struct savina_case savina_creation;
extern const struct savina_case savina_big;
extern const struct savina_case savina_chameneos;
extern const struct savina_case savina_smokers;
/* Also for two executors: its workers share nothing. */
extern const struct savina_case savina_trapezoids;

/* Numbers that only seem random; the same in each run. */
struct savina_random {
    uint64_t state;
};

static inline uint32_t savina_random_below(struct savina_random *random, uint32_t end)
{
    random->state = random->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((random->state >> 33) % end);
}

/* Make an actor whose state is the pointer `player`; savina_player() finds it. */
struct tsuga_id savina_spawn(struct tsuga_actor *self, tsuga_behaviour_fn *behaviour, void *player);
void *savina_player(const struct tsuga_actor *self);

/* Send a tag and nothing else. What cannot be sent ends the program. */
void savina_send(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag);

/* Wait for so many messages, and add up their tags. */
uint64_t savina_collect(struct tsuga_actor *self, uint64_t count);

/* End the program unless the numbers are the same. */
void savina_expect(const char *what, uint64_t got, uint64_t wanted);

/* What the actors of fork-join do with a message: a sine. */
void savina_compute(void);

#endif
