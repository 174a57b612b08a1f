#include "runtime/sim/agenda.h"

#include <string.h>

#include "runtime/base/assert.h"

#define FIRST_COUNT 64u

void tsuga_agenda_init(struct tsuga_agenda *agenda, const struct tsuga_memory *memory)
{
    *agenda = (struct tsuga_agenda){.memory = memory};
}

static size_t bytes_of(uint32_t count)
{
    return count * sizeof(struct tsuga_event *);
}

void tsuga_agenda_fini(struct tsuga_agenda *agenda)
{
    tsuga_memory_free(agenda->memory, agenda->events, bytes_of(agenda->count_max));
}

static void grow(struct tsuga_agenda *agenda)
{
    uint32_t count_max = agenda->count_max == 0 ? FIRST_COUNT : 2 * agenda->count_max;
    struct tsuga_event **larger = tsuga_memory_alloc(agenda->memory, bytes_of(count_max));

    TSUGA_VERIFY(larger != NULL); /* a simulation without memory proves nothing */
    if (agenda->count > 0)
        memcpy(larger, agenda->events, bytes_of(agenda->count));
    tsuga_memory_free(agenda->memory, agenda->events, bytes_of(agenda->count_max));
    agenda->events = larger;
    agenda->count_max = count_max;
}

static bool is_before(const struct tsuga_event *a, const struct tsuga_event *b)
{
    return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->number < b->number);
}

static void set(struct tsuga_agenda *agenda, uint32_t at, struct tsuga_event *event)
{
    agenda->events[at] = event;
    event->place = at + 1;
}

static void rise(struct tsuga_agenda *agenda, uint32_t at, struct tsuga_event *event)
{
    while (at > 0 && is_before(event, agenda->events[(at - 1) / 2])) {
        set(agenda, at, agenda->events[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    set(agenda, at, event);
}

static void sink(struct tsuga_agenda *agenda, uint32_t at, struct tsuga_event *event)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < agenda->count &&
            is_before(agenda->events[child + 1], agenda->events[child]))
            child++;
        if (child >= agenda->count || !is_before(agenda->events[child], event))
            break;
        set(agenda, at, agenda->events[child]);
        at = child;
    }
    set(agenda, at, event);
}

void tsuga_agenda_remove(struct tsuga_agenda *agenda, struct tsuga_event *event)
{
    uint32_t at = event->place - 1;
    struct tsuga_event *last;

    if (event->place == 0)
        return;
    TSUGA_ASSERT(agenda->events[at] == event);
    event->place = 0;
    last = agenda->events[--agenda->count];
    if (last == event)
        return;
    if (at > 0 && is_before(last, agenda->events[(at - 1) / 2]))
        rise(agenda, at, last);
    else
        sink(agenda, at, last);
}

void tsuga_agenda_put(struct tsuga_agenda *agenda, struct tsuga_event *event, uint64_t time_ns)
{
    tsuga_agenda_remove(agenda, event);
    if (agenda->count == agenda->count_max)
        grow(agenda);
    event->time_ns = time_ns;
    event->number = agenda->number++;
    rise(agenda, agenda->count++, event);
}

struct tsuga_event *tsuga_agenda_take_due(struct tsuga_agenda *agenda, uint64_t now_ns)
{
    struct tsuga_event *first;

    if (tsuga_agenda_next_ns(agenda) > now_ns || agenda->count == 0)
        return NULL;
    first = agenda->events[0];
    tsuga_agenda_remove(agenda, first);
    return first;
}
