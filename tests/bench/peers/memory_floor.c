/*
 * memory_floor: how fast two threads together read memory that no cache holds, in MiB a second.
 * What looks at every byte of a file can not be faster.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/support.h"

#define THREADS    2u
#define PART_MIB   512u
#define PART_WORDS (PART_MIB * ((size_t)1 << 20) / sizeof(uint64_t))
#define LAPS       4u

struct part {
    pthread_t thread;
    uint64_t *words;
    uint64_t sum; /* for the compiler to see that somebody wants it */
};

static void *read_part(void *context)
{
    struct part *part = context;
    uint64_t sums[4] = {0};

    for (uint32_t lap = 0; lap < LAPS; lap++) {
        for (size_t i = 0; i < PART_WORDS; i += 4) {
            sums[0] += part->words[i];
            sums[1] += part->words[i + 1];
            sums[2] ^= part->words[i + 2];
            sums[3] ^= part->words[i + 3];
        }
    }
    part->sum = sums[0] + sums[1] + sums[2] + sums[3];
    return NULL;
}

int main(void)
{
    struct part parts[THREADS];
    uint64_t start_ns;
    double seconds;

    for (uint32_t i = 0; i < THREADS; i++) {
        parts[i].words = malloc(PART_WORDS * sizeof(uint64_t));
        tsuga_bench_require("malloc", parts[i].words == NULL ? -ENOMEM : 0);
        memset(parts[i].words, 1, PART_WORDS * sizeof(uint64_t));
    }
    start_ns = tsuga_bench_now_ns();
    for (uint32_t i = 0; i < THREADS; i++)
        tsuga_bench_require("pthread_create",
                            -pthread_create(&parts[i].thread, NULL, read_part, &parts[i]));
    for (uint32_t i = 0; i < THREADS; i++)
        tsuga_bench_require("pthread_join", -pthread_join(parts[i].thread, NULL));
    seconds = (double)(tsuga_bench_now_ns() - start_ns) / 1e9;
    tsuga_bench_require("the sums", parts[0].sum == parts[1].sum ? 0 : -EIO);
    printf("%.0f\n", THREADS * LAPS * PART_MIB / seconds);
    return 0;
}
