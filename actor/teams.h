/*
 * Teams: groups of actors under a name, for the whole runtime. (A "group" here is one of receive
 * buffers.) A team begins with its first member and goes with its last. A membership is a bond of
 * its actor, whose end takes it out.
 *
 * Invariants: a team in the table has a member; an actor is in a team once at most.
 * Owner: the runtime. Thread: any; a membership is made and taken out by its actor's executor.
 */
#ifndef TSUGA_ACTOR_TEAMS_H
#define TSUGA_ACTOR_TEAMS_H

#include <pthread.h>
#include <stddef.h>

#include "actor/actor.h"
#include "actor/words.h"
#include "runtime/base/list.h"
#include "runtime/base/memory.h"

struct tsuga_team {
    struct tsuga_word word;
    struct tsuga_list_node members; /* in the order in which they joined */
    size_t member_count;
    char text[];
};

struct tsuga_member {
    struct tsuga_bond bond;
    struct tsuga_list_node link; /* in its team */
    struct tsuga_team *team;
    struct tsuga_id id;
};

struct tsuga_teams {
    const struct tsuga_memory *memory; /* const after init */
    pthread_rwlock_t lock;
    struct tsuga_words words; /* under lock, and so are the teams' lists */
};

void tsuga_teams_init(struct tsuga_teams *teams, const struct tsuga_memory *memory);

/* All actors have ended. */
void tsuga_teams_fini(struct tsuga_teams *teams);

/* Errors: -EINVAL empty or longer than TSUGA_NAME_BYTES_MAX; -EEXIST it is a member; -ENOMEM. */
TSUGA_NODISCARD int tsuga_teams_join(struct tsuga_teams *teams, struct tsuga_actor *actor,
                                     const char *text);

/* Errors: -ENOENT it is no member. */
TSUGA_NODISCARD int tsuga_teams_leave(struct tsuga_teams *teams, struct tsuga_actor *actor,
                                      const char *text);

/* How many members a team has, and the first `count_max` of them, as they are at one moment. */
size_t tsuga_teams_list(struct tsuga_teams *teams, const char *text, struct tsuga_id *ids,
                        size_t count_max);

/* The actor ends. */
void tsuga_teams_leave_all(struct tsuga_teams *teams, struct tsuga_actor *actor);

#endif
