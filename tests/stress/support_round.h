/*
 * What the rounds of all stress programs have in common: the life of a runtime from its start to
 * the moment at which nothing may be left of it.
 *
 * Owner: the program. Thread: the main one.
 */
#ifndef TSUGA_TESTS_SUPPORT_ROUND_H
#define TSUGA_TESTS_SUPPORT_ROUND_H

#include <stddef.h>
#include <stdint.h>

#include <tsuga.h>

uint64_t stress_now_ns(void);

/* The program's second argument, TSUGA_TEST_SEED, or a fresh one. */
uint64_t stress_seed(int argc, char *argv[]);

/* As many descriptors as the user may have. */
void stress_raise_descriptor_limit(void);

/* Descriptors that the process has open. */
size_t stress_count_descriptors(void);

/* Stops the runtime gracefully, at once, or first so and then so; joins and destroys it, and ends
 * the program unless the books balance: nobody is alive, every operation has completed, no heap is
 * in use, nothing is leaked. */
void stress_end_runtime(struct tsuga_runtime *runtime, uint64_t random);

#endif
