/*
 * Names of actors: text to id, for the whole runtime, under one lock that lookups share. An entry
 * is a bond of its actor, whose end takes it out.
 *
 * Owner: the runtime. Thread: any; an entry is made and taken out by its actor's executor.
 */
#ifndef TSUGA_ACTOR_NAMES_H
#define TSUGA_ACTOR_NAMES_H

#include <pthread.h>
#include <stdint.h>

#include "actor/actor.h"
#include "actor/words.h"
#include "runtime/base/memory.h"

struct tsuga_name {
    struct tsuga_bond bond;
    struct tsuga_word word;
    struct tsuga_id id;
    char text[];
};

struct tsuga_names {
    const struct tsuga_memory *memory; /* const after init */
    pthread_rwlock_t lock;
    struct tsuga_words words; /* under lock */
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
