#include "tests/stress/support_streams.h"

#include <inttypes.h>
#include <stdio.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"

static const char *const stream_names[STRESS_STREAMS] = {
    [STRESS_RECV] = "recv",     [STRESS_READ] = "read", [STRESS_RECVMSG] = "recvmsg",
    [STRESS_ACCEPT] = "accept", [STRESS_POLL] = "poll", [STRESS_TIMEOUT] = "timeout",
};

static const char *const state_names[STRESS_STREAM_STATES] = {
    [STRESS_ARMED] = "armed", [STRESS_STARVED] = "starved", [STRESS_STALLED] = "stalled",
    [STRESS_STUCK] = "stuck", [STRESS_RESTING] = "resting", [STRESS_ENDED] = "ended",
};

static const char *const send_names[STRESS_SEND_STATES] = {
    [STRESS_SEND_QUEUED] = "queued",
    [STRESS_SEND_TRYING] = "trying",
    [STRESS_SEND_SENT] = "sent",
    [STRESS_SEND_FREE] = "free",
};

static const char *const event_names[STRESS_EVENTS] = {
    [STRESS_PIECES] = "pieces taken",
    [STRESS_CONNECTIONS] = "connections",
    [STRESS_POLLED] = "poll events",
    [STRESS_PERIODS] = "periods",
    [STRESS_PAUSES] = "pauses",
    [STRESS_RESUMES] = "resumes",
    [STRESS_CANCELS] = "cancels",
    [STRESS_FORGOTTEN] = "streams forgotten",
    [STRESS_KEPT_LATE] = "leases looked at late",
    [STRESS_HANDED] = "leases handed over",
    [STRESS_TAKEN_OUT] = "taken out",
    [STRESS_PASSED_ON] = "passed on",
    [STRESS_COPIED] = "copied to be written",
    [STRESS_WRITTEN] = "written in place",
    [STRESS_SLICED] = "slices",
    [STRESS_RELEASED] = "slices released",
    [STRESS_OUTLIVED] = "slices that outlived their makers",
    [STRESS_ZERO_COPY] = "sends without a copy",
    [STRESS_EARLY] = "early results",
    [STRESS_FELL_BACK] = "plain sends instead",
    [STRESS_FLOWS_WHOLE] = "flows that were whole",
    [STRESS_FLOWS_CUT] = "flows that were cut",
    [STRESS_SHORTAGES] = "shortages of descriptors",
};

bool stress_streams_is_possible(enum stress_stream kind, enum stress_stream_state state)
{
    if (state == STRESS_STARVED || state == STRESS_STALLED)
        return kind <= STRESS_RECVMSG;
    return state != STRESS_STUCK || kind <= STRESS_ACCEPT;
}

/* What an actor leaves. */

static enum stress_stream kind_of(const struct tsuga_record *record)
{
    switch (record->kind) {
    case TSUGA_OP_RECV:
        return STRESS_RECV;
    case TSUGA_OP_READ:
        return STRESS_READ;
    case TSUGA_OP_RECVMSG:
        return STRESS_RECVMSG;
    case TSUGA_OP_ACCEPT:
        return STRESS_ACCEPT;
    case TSUGA_OP_POLL:
        return STRESS_POLL;
    default:
        return STRESS_TIMEOUT;
    }
}

static bool has_pieces(const struct tsuga_stream *stream)
{
    switch (kind_of(stream->record)) {
    case STRESS_ACCEPT:
        return stream->waiting.fds.first != 0;
    case STRESS_POLL:
        return stream->number != 0;
    case STRESS_TIMEOUT:
        return stream->waiting.count > 0;
    default:
        return stream->waiting.last != NULL;
    }
}

static void count_stream(struct stress_streams *streams, const struct tsuga_record *record)
{
    static const enum stress_stream_state states[] = {
        [TSUGA_STREAM_ARMED] = STRESS_ARMED,     [TSUGA_STREAM_STARVED] = STRESS_STARVED,
        [TSUGA_STREAM_STALLED] = STRESS_STALLED, [TSUGA_STREAM_STUCK] = STRESS_STUCK,
        [TSUGA_STREAM_RESTING] = STRESS_RESTING, [TSUGA_STREAM_ENDED] = STRESS_ENDED,
    };
    const struct tsuga_stream *stream = tsuga_stream_of(record);
    enum stress_stream kind = kind_of(record);
    enum stress_stream_state state = states[stream->state];

    if (state == STRESS_ENDED && !has_pieces(stream))
        return;
    /* The kernel never has anything of it. */
    if (kind == STRESS_TIMEOUT && state == STRESS_RESTING && !stream->is_paused)
        state = STRESS_ARMED;
    stress_count(&streams->stops[kind][state], 1);
}

static void count_send(struct stress_streams *streams, const struct tsuga_record *record,
                       bool is_queued)
{
    bool is_early = (record->flags & TSUGA_RECORD_MULTI) != 0;
    enum stress_send_state state = is_queued ? STRESS_SEND_QUEUED : STRESS_SEND_TRYING;

    if (record->state == TSUGA_RECORD_DONE)
        state = STRESS_SEND_FREE;
    else if ((record->flags & TSUGA_RECORD_SENT) != 0)
        state = STRESS_SEND_SENT;
    stress_count(&streams->sends[is_early][state], 1);
}

void stress_streams_take_stock(struct stress_streams *streams, struct tsuga_actor *self,
                               uint64_t enter_count)
{
    struct tsuga_io *io = tsuga_seat_of(self)->io;

    for (uint32_t slot = 0; io != NULL && slot < io->slab.count; slot++) {
        const struct tsuga_record *record = tsuga_record_at(io, slot);

        if (record == NULL || record->state > TSUGA_RECORD_DONE)
            continue;
        if (record->kind == TSUGA_OP_SEND && (record->flags & TSUGA_RECORD_ZERO_COPY) != 0)
            count_send(streams, record, enter_count == io->executor->ring->enter_count);
        else if (record->kind != TSUGA_OP_SEND && (record->flags & TSUGA_RECORD_MULTI) != 0)
            count_stream(streams, record);
    }
}

/* Printing. */

static uint64_t value(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static bool print_cells(const char *name, const _Atomic uint64_t *cells, unsigned count)
{
    bool is_complete = true;

    printf("%-9s", name);
    for (unsigned i = 0; i < count; i++) {
        printf(" %10" PRIu64, value(&cells[i]));
        is_complete &= value(&cells[i]) > 0;
    }
    return is_complete;
}

static bool print_stream(const struct stress_streams *streams, enum stress_stream kind)
{
    bool is_complete = true;

    printf("%-9s", stream_names[kind]);
    for (unsigned state = 0; state < STRESS_STREAM_STATES; state++) {
        uint64_t count = value(&streams->stops[kind][state]);

        if (!stress_streams_is_possible(kind, (enum stress_stream_state)state)) {
            printf(" %10s", "-");
            continue;
        }
        printf(" %10" PRIu64, count);
        is_complete &= count > 0;
    }
    printf("%s\n", is_complete ? "" : "   <- zero");
    return is_complete;
}

static void print_head(const char *title, const char *const *names, unsigned count)
{
    printf("%-9s", title);
    for (unsigned i = 0; i < count; i++)
        printf(" %10s", names[i]);
    printf("\n");
}

static bool print_events(const struct stress_streams *streams)
{
    bool is_complete = true;

    for (unsigned event = 0; event < STRESS_EVENTS; event++) {
        uint64_t count = value(&streams->events[event]);

        printf("%12" PRIu64 " %s%s\n", count, event_names[event], count > 0 ? "" : "   <- zero");
        is_complete &= count > 0;
    }
    return is_complete;
}

bool stress_streams_print(const struct stress_streams *streams)
{
    static const char *const kinds[] = {"late", "early"};
    bool is_complete = value(&streams->common.bytes) > 0;

    printf("stopped when the stream was\n");
    print_head("stream", state_names, STRESS_STREAM_STATES);
    for (unsigned kind = 0; kind < STRESS_STREAMS; kind++)
        is_complete &= print_stream(streams, (enum stress_stream)kind);
    printf("stopped when the zero-copy send was\n");
    print_head("send", send_names, STRESS_SEND_STATES);
    for (unsigned kind = 0; kind < 2; kind++) {
        bool is_full = print_cells(kinds[kind], streams->sends[kind], STRESS_SEND_STATES);

        printf("%s\n", is_full ? "" : "   <- zero");
        is_complete &= is_full;
    }
    is_complete &= print_events(streams);
    printf("%" PRIu64 " rounds, %" PRIu64 " actors, %" PRIu64 " bytes compared\n",
           value(&streams->common.rounds), value(&streams->common.actors),
           value(&streams->common.bytes));
    return is_complete;
}
