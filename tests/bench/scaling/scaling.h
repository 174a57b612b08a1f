/*
 * What a unit of work costs when there is more and more of what it could depend on: actors,
 * connections, operations in flight, blocks. Each is a case, with a floor beside it that has to
 * meet the same memory or the same kernel, so that a rise of theirs is told from one of our own.
 *
 * A sample is one measurement of a case with so many things alive, made and ended anew, because
 * what other sizes leave behind must not help or hinder. main.c takes samples of all sizes of all
 * cases in turns. All times are of the processor: what others do meanwhile counts little.
 *
 * Owner: main.c. Thread: one.
 */
#ifndef TSUGA_TESTS_SCALING_H
#define TSUGA_TESTS_SCALING_H

#include <stddef.h>
#include <stdint.h>

struct scaling_sample {
    double ours_ns; /* for each unit */
    double floor_ns;
};

struct scaling_case {
    const char *name;
    const char *unit; /* what is timed */
    const char *floor;
    uint32_t count_max;
    uint32_t (*count_allowed)(void); /* by the limits of the process; NULL: any */
    void (*measure)(uint32_t count, struct scaling_sample *out);
};

extern const struct scaling_case scaling_actors;
extern const struct scaling_case scaling_connections;
extern const struct scaling_case scaling_operations;
extern const struct scaling_case scaling_blocks;

/* Numbers that only seem random; the same in each run. */
struct scaling_random {
    uint64_t state; /* not 0 */
};

/* xorshift64. */
static inline uint32_t scaling_random_below(struct scaling_random *random, uint32_t end)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (uint32_t)((random->state >> 32) * end >> 32);
}

/* Memory, zeroed; the caller frees it. There being none ends the program. */
void *scaling_memory(size_t count, size_t bytes);

#endif
