/*
 * Numbers that a seed decides: splitmix64. Private to runtime/sim/ and its tests.
 *
 * Owner: whoever holds the state. Thread: the owner's.
 */
#ifndef TSUGA_SIM_RANDOM_H
#define TSUGA_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct tsuga_random {
    uint64_t state;
};

/* A word that shares nothing visible with its neighbours. */
static inline uint64_t tsuga_random_mix(uint64_t word)
{
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

static inline uint64_t tsuga_random_next(struct tsuga_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return tsuga_random_mix(random->state);
}

/* 0 ..< count, which is not 0. */
static inline uint64_t tsuga_random_below(struct tsuga_random *random, uint64_t count)
{
    return tsuga_random_next(random) % count;
}

/* True once in `count` times. */
static inline bool tsuga_random_once_in(struct tsuga_random *random, uint64_t count)
{
    return tsuga_random_below(random, count) == 0;
}

#endif
