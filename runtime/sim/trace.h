/*
 * What has happened: a hash over all of it, by which two runs are compared, and the last events,
 * which a failure prints. Nothing in an event depends on where memory lies. Private to
 * runtime/sim/.
 *
 * Owner: the simulation. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_TRACE_H
#define TSUGA_SIM_TRACE_H

#include <stdint.h>
#include <stdio.h>

#define TSUGA_TRACE_KEPT 256u /* events; a power of two, 200 are printed */

/* What happened, and what `a`, `b` and `c` then are. */
enum tsuga_trace_kind {
    TSUGA_TRACE_RUN,    /* another thread runs: its number, executor + 1 */
    TSUGA_TRACE_JUMP,   /* nobody could run: nanoseconds that passed */
    TSUGA_TRACE_ENTER,  /* queued, to wait for, time limit in ns */
    TSUGA_TRACE_LEAVE,  /* error, still queued, results there */
    TSUGA_TRACE_BEGIN,  /* a request: number, kind, descriptor */
    TSUGA_TRACE_RETRY,  /* likewise: number, kind */
    TSUGA_TRACE_RESULT, /* number, result, flags */
    TSUGA_TRACE_CANCEL, /* number of the target, what is answered */
    TSUGA_TRACE_WAKE,   /* a descriptor has news: number of the file, poll events */
    TSUGA_TRACE_MOVE,   /* bytes between sockets: file, peer, bytes */
    TSUGA_TRACE_FAULT,  /* enum tsuga_sim_fault, how many-th opportunity */
    TSUGA_TRACE_STOP,   /* an actor is stopped: slot, level */
    TSUGA_TRACE_NOTE,   /* whatever a workload says */
    TSUGA_TRACE_COUNT
};

struct tsuga_trace_event {
    uint64_t step;
    uint64_t time_ns;
    uint32_t thread;
    uint32_t kind;
    int64_t a;
    int64_t b;
    int64_t c;
};

struct tsuga_trace {
    uint64_t hash;
    uint64_t count;
    FILE *timeline; /* NULL: none */
    struct tsuga_trace_event kept[TSUGA_TRACE_KEPT];
};

void tsuga_trace_init(struct tsuga_trace *trace);

/* Adds an event; the caller fills in all of it. */
void tsuga_trace_add(struct tsuga_trace *trace, const struct tsuga_trace_event *event);

/* Writes the last events, oldest first. */
void tsuga_trace_print(const struct tsuga_trace *trace, FILE *stream);

#endif
