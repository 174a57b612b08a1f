/*
 * A bond: something that an actor has begun and that its end must end. Intrusive in what it is
 * about; whoever makes one says what the end does with it.
 *
 * Invariant: `place` is where the pointer to this bond lies, so that it is taken out in one step.
 *
 * Owner: the actor. Thread: its executor's.
 */
#ifndef TSUGA_ACTOR_BOND_H
#define TSUGA_ACTOR_BOND_H

#include <stddef.h>
#include <stdint.h>

enum tsuga_bond_kind {
    TSUGA_BOND_NONE,   /* it is in no list */
    TSUGA_BOND_HOOK,   /* struct tsuga_exit_hook */
    TSUGA_BOND_TIE,    /* an end of a monitor or a link: executor/ties.h */
    TSUGA_BOND_NAME,   /* struct tsuga_name */
    TSUGA_BOND_MEMBER, /* struct tsuga_member */
    TSUGA_BOND_EXTRAS, /* executor/seat.h */
    TSUGA_BOND_INDEX,  /* of those that are ties, always the first bond: executor/tie_index.h */
};

struct tsuga_bond {
    struct tsuga_bond *next; /* an older one */
    struct tsuga_bond **place;
    uint32_t kind; /* enum tsuga_bond_kind */
};

static inline void tsuga_bond_tie(struct tsuga_bond **bonds, struct tsuga_bond *bond)
{
    if (*bonds != NULL && (*bonds)->kind == TSUGA_BOND_INDEX)
        bonds = &(*bonds)->next;
    bond->next = *bonds;
    bond->place = bonds;
    if (bond->next != NULL)
        bond->next->place = &bond->next;
    *bonds = bond;
}

static inline void tsuga_bond_untie(struct tsuga_bond *bond)
{
    *bond->place = bond->next;
    if (bond->next != NULL)
        bond->next->place = bond->place;
}

/* The latest bond of a kind; NULL when there is none. Cost: linear in those of other kinds. */
static inline struct tsuga_bond *tsuga_bond_latest(struct tsuga_bond *bonds,
                                                   enum tsuga_bond_kind kind)
{
    while (bonds != NULL && bonds->kind != (unsigned)kind)
        bonds = bonds->next;
    return bonds;
}

#endif
