/*
 * What will happen when: a heap of events, the earliest on top, those of one time in the order in
 * which they were put in. Events lie inside what they are about. Private to runtime/sim/.
 *
 * Owner: the schedule. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_AGENDA_H
#define TSUGA_SIM_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/memory.h"

struct tsuga_event {
    uint64_t time_ns;
    uint64_t number;
    void (*happen)(struct tsuga_event *event);
    uint32_t place; /* in the heap, + 1; 0: not there */
};

struct tsuga_agenda {
    const struct tsuga_memory *memory;
    struct tsuga_event **events;
    uint32_t count;
    uint32_t count_max;
    uint64_t number;
};

void tsuga_agenda_init(struct tsuga_agenda *agenda, const struct tsuga_memory *memory);
void tsuga_agenda_fini(struct tsuga_agenda *agenda);

/* Puts the event in, at a new time if it was there already. */
void tsuga_agenda_put(struct tsuga_agenda *agenda, struct tsuga_event *event, uint64_t time_ns);

/* Takes it out, if it is there. */
void tsuga_agenda_remove(struct tsuga_agenda *agenda, struct tsuga_event *event);

/* Takes the first event out if its time has come; NULL when it has not. */
struct tsuga_event *tsuga_agenda_take_due(struct tsuga_agenda *agenda, uint64_t now_ns);

/* When the first one will happen; UINT64_MAX when none will. */
static inline uint64_t tsuga_agenda_next_ns(const struct tsuga_agenda *agenda)
{
    return agenda->count > 0 ? agenda->events[0]->time_ns : UINT64_MAX;
}

static inline bool tsuga_event_is_due(const struct tsuga_event *event)
{
    return event->place != 0;
}

#endif
