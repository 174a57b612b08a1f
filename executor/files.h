/*
 * Places of files: descriptors that an actor owns and uses often are looked up once, and their
 * operations name a place in the ring's table. Private to executor/.
 *
 * A file in its place stays open, so it is taken out before its descriptor is closed, released or
 * given away: all of that begins with the descriptor losing its owner. No operation uses the
 * descriptor then.
 *
 * Invariant: an entry's place is its own from the operation that made it to the end of ownership.
 *
 * Owner: an executor. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_FILES_H
#define TSUGA_EXECUTOR_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/ring.h"

struct tsuga_descriptor;
struct tsuga_executor;

/* Putting a file into its place and taking it out takes 0.8 us, an operation with one 35 to 48 ns
 * less. */
#define TSUGA_FILES_USES 64u
#define TSUGA_FILES_MAX  1024u

struct tsuga_files {
    bool is_on;
    uint32_t uses_min; /* of a descriptor, before it gets a place */
    uint32_t free_count;
    uint16_t free[TSUGA_FILES_MAX]; /* the numbers of free places are the first free_count */
};

/* The ring was made: what it can not do is not done. */
void tsuga_files_start(struct tsuga_executor *executor);

/* A request of the owner's uses the descriptor: by its place, if it has one. Called while is_on. */
void tsuga_files_use(struct tsuga_executor *executor, struct tsuga_descriptor *entry,
                     struct tsuga_ring_request *request);

/* The descriptor loses its owner. */
void tsuga_files_leave(struct tsuga_executor *executor, struct tsuga_descriptor *entry);

#endif
