/*
 * What actors have with each other: monitors, links, requests, timed messages, names, teams. A
 * stress program has some of it made at the beginning of a life, and counts what is there at its
 * end.
 *
 * Owner: the program. Thread: a turn; the counts are atomic.
 */
#ifndef TSUGA_TESTS_SUPPORT_BONDS_H
#define TSUGA_TESTS_SUPPORT_BONDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tsuga.h>

/* The tag of all messages that come of bonds. */
#define STRESS_BOND_TAG UINT64_C(0xb0d)

enum stress_bond {
    STRESS_MONITOR,
    STRESS_WATCHED, /* the other end of a monitor, or of a request */
    STRESS_LINK,
    STRESS_REQUEST,
    STRESS_TIMER,
    STRESS_NAME,
    STRESS_MEMBER,
    STRESS_BONDS,
};

struct stress_bonds {
    _Atomic uint64_t held[STRESS_BONDS];
    _Atomic uint64_t heard[STRESS_BONDS]; /* news of it waited in the mailbox */
};

/* Begins a few things with another actor, or with nobody. */
void stress_bonds_make(struct tsuga_actor *self, struct tsuga_id other, uint64_t random);

/* The last moments of an actor. */
void stress_bonds_take_stock(struct stress_bonds *bonds, struct tsuga_actor *self);

/* Prints the table. False when something that is possible did not happen. */
bool stress_bonds_print(const struct stress_bonds *bonds);

#endif
