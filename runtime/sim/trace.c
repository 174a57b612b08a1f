#include "runtime/sim/trace.h"

#include <inttypes.h>
#include <string.h>

#define PRINTED 200u

static const char *const names[TSUGA_TRACE_COUNT] = {
    [TSUGA_TRACE_RUN] = "run",       [TSUGA_TRACE_JUMP] = "jump",     [TSUGA_TRACE_ENTER] = "enter",
    [TSUGA_TRACE_LEAVE] = "leave",   [TSUGA_TRACE_BEGIN] = "begin",   [TSUGA_TRACE_RETRY] = "retry",
    [TSUGA_TRACE_RESULT] = "result", [TSUGA_TRACE_CANCEL] = "cancel", [TSUGA_TRACE_WAKE] = "wake",
    [TSUGA_TRACE_MOVE] = "move",     [TSUGA_TRACE_FAULT] = "fault",   [TSUGA_TRACE_STOP] = "stop",
    [TSUGA_TRACE_NOTE] = "note",
};

void tsuga_trace_init(struct tsuga_trace *trace)
{
    memset(trace, 0, sizeof(*trace));
}

static void print(const struct tsuga_trace_event *event, FILE *stream)
{
    fprintf(stream, "%10" PRIu64 " %14" PRIu64 " ns  thread %2" PRIu32 "  %-6s", event->step,
            event->time_ns, event->thread, names[event->kind]);
    fprintf(stream, " %" PRId64 " %" PRId64 " %" PRId64 "\n", event->a, event->b, event->c);
}

void tsuga_trace_add(struct tsuga_trace *trace, const struct tsuga_trace_event *event)
{
    const uint64_t words[] = {event->time_ns, (uint64_t)event->thread << 32 | event->kind,
                              (uint64_t)event->a, (uint64_t)event->b, (uint64_t)event->c};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        trace->hash = (trace->hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        trace->hash ^= trace->hash >> 29;
    }
    trace->kept[trace->count++ % TSUGA_TRACE_KEPT] = *event;
    if (trace->timeline != NULL)
        print(event, trace->timeline);
}

void tsuga_trace_print(const struct tsuga_trace *trace, FILE *stream)
{
    uint64_t at = trace->count > PRINTED ? trace->count - PRINTED : 0;

    for (; at < trace->count; at++)
        print(&trace->kept[at % TSUGA_TRACE_KEPT], stream);
}
