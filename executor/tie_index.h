/*
 * Finds a tie of an actor by what it is asked for: a monitor or a request by its name, a link by
 * whom it is with. Private to executor/.
 *
 * Ties hang in the actor's list of bonds, latest first, and there they are looked for, as long as
 * that is not far. A search that comes to its limit makes an index of all ties, which then stays
 * until the actor's end. It is never needed: without memory for it, searches are only longer. It
 * is the first of the bonds itself, so that an actor without one pays nothing for it.
 *
 * Invariant: while there is an index, exactly the bonds that can be found are in it.
 *
 * Owner: the actor. Thread: its executor's.
 */
#ifndef TSUGA_EXECUTOR_TIE_INDEX_H
#define TSUGA_EXECUTOR_TIE_INDEX_H

#include "executor/ties.h"

struct tsuga_tie_key {
    enum tsuga_tie_kind kind;
    uint64_t value; /* a name, or an id's */
};

/* A tie has been put into the actor's bonds. */
void tsuga_tie_index_add(struct tsuga_actor *actor, struct tsuga_tie_end *end);

/* A tie is to be taken out of them. */
void tsuga_tie_index_remove(struct tsuga_actor *actor, struct tsuga_tie_end *end);

/* The actor's end of a tie with this key, other than `except`; NULL: there is none. */
struct tsuga_tie_end *tsuga_tie_index_find(struct tsuga_actor *actor, struct tsuga_tie_key key,
                                           const struct tsuga_tie_end *except);

/* Forget the index. */
void tsuga_tie_index_free(struct tsuga_actor *actor);

#endif
