/*
 * The floor of the I/O heap: a binary buddy allocator without any promise about places, which takes
 * whatever block was freed last. Blocks of 64 bytes to 2 MiB in one region, from which nothing is
 * ever given back.
 *
 * Its books lie beside the region, so that it does not touch the blocks either.
 *
 * Owner: the benchmark. Thread: one at a time.
 */
#ifndef TSUGA_TESTS_SUPPORT_BUDDY_H
#define TSUGA_TESTS_SUPPORT_BUDDY_H

#include <stddef.h>
#include <stdint.h>

#define TSUGA_BENCH_BUDDY_ORDERS 16u

/* A free block's place in the list of its order, by numbers of units; 0 ends the list. */
struct tsuga_bench_buddy_node {
    uint32_t next;
    uint32_t prev;
};

struct tsuga_bench_buddy {
    char *region;
    struct tsuga_bench_buddy_node *nodes; /* one for each unit, but for number 0 */
    uint8_t *states;                      /* likewise: the order, and whether it is free */
    uint32_t heads[TSUGA_BENCH_BUDDY_ORDERS];
    uint32_t filled; /* bit k: list k has a block */
};

/* Ends the program when there is no address space. */
void tsuga_bench_buddy_open(struct tsuga_bench_buddy *buddy);
void tsuga_bench_buddy_close(struct tsuga_bench_buddy *buddy);

/* bytes  1 ..= 2 MiB. NULL: there is no room. */
void *tsuga_bench_buddy_alloc(void *buddy, size_t bytes);
void tsuga_bench_buddy_free(void *buddy, void *block);

#endif
