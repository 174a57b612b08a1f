/*
 * For tests that are about a kernel feature, or about what only it can do: they skip when the
 * environment has switched it off, as tests/check/features_off.sh does.
 *
 *     tsuga_needs("DEFER_TASKRUN");
 *
 * Thread: the test's own; tsuga_has_operation(): a turn.
 */
#ifndef TSUGA_TESTS_NEEDS_H
#define TSUGA_TESTS_NEEDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor/executor.h"
#include "tests/support/test.h"

/* Whether the actor's ring has an operation, which the kernel and the configuration decide. */
static inline bool tsuga_has_operation(struct tsuga_actor *self, enum tsuga_ring_kind kind)
{
    const struct tsuga_ring *ring = tsuga_seat_home(tsuga_seat_of(self))->ring;

    return ring->ops->supports(ring, kind);
}

static inline void tsuga_needs(const char *feature)
{
    char name[64];
    const char *value;

    snprintf(name, sizeof(name), "TSUGA_FEATURES_%s", feature);
    value = getenv(name);
    if (value != NULL && strcmp(value, "off") == 0)
        SKIP("%s is off", name);
}

#endif
