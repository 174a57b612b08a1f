/*
 * Names of actors: text to id, for the whole runtime. A hash table with chains, under one lock that
 * lookups share; it grows and never shrinks. An entry is a bond of its actor, whose end takes it
 * out.
 *
 * Owner: the runtime. Thread: any; an entry is made and taken out by its actor's executor.
 */
#ifndef TSUGA_ACTOR_NAMES_H
#define TSUGA_ACTOR_NAMES_H

#include <pthread.h>
#include <stdint.h>

#include "actor/actor.h"
#include "runtime/base/memory.h"

struct tsuga_name {
    struct tsuga_bond bond;
    struct tsuga_name *next; /* in its bucket */
    struct tsuga_id id;
    uint64_t hash;
    uint32_t bytes; /* of text, without a final zero */
    char text[];
};

struct tsuga_names {
    /* const after init */
    const struct tsuga_memory *memory;
    pthread_rwlock_t lock;
    /* under lock */
    struct tsuga_name **buckets;
    uint64_t bucket_count; /* a power of two, or 0 */
    uint64_t name_count;
};

void tsuga_names_init(struct tsuga_names *names, const struct tsuga_memory *memory);

/* All actors have ended. */
void tsuga_names_fini(struct tsuga_names *names);

/* Errors: -EINVAL empty or longer than TSUGA_NAME_BYTES_MAX; -EEXIST taken; -ENOMEM. */
TSUGA_NODISCARD int tsuga_names_add(struct tsuga_names *names, struct tsuga_actor *actor,
                                    const char *text);

/* Errors: -ENOENT it is no name of this actor. */
TSUGA_NODISCARD int tsuga_names_remove(struct tsuga_names *names, struct tsuga_actor *actor,
                                       const char *text);

/* The zero id when nobody has the name. */
struct tsuga_id tsuga_names_find(struct tsuga_names *names, const char *text);

/* The actor ends. */
void tsuga_names_leave(struct tsuga_names *names, struct tsuga_actor *actor);

#endif
