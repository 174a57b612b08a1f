/*
 * Every form in which an actor may ask the kernel for something, one row each: how to submit it, on
 * what. For tests that end actors in the middle of it, whatever it is.
 *
 * Owner: the test, which keeps a stage where it is until nothing of its operation is left. Thread:
 * the setters in a turn; the rest on the test's own thread.
 */
#ifndef TSUGA_TESTS_KILL_KINDS_H
#define TSUGA_TESTS_KILL_KINDS_H

#include <linux/stat.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "executor/ring.h"
#include "tests/support/fixture.h"

#include <tsuga.h>

#define TSUGA_KILL_BYTES 300u

/* What all of them are done on. */
struct tsuga_kill_scenery {
    struct tsuga_path directory;
    struct tsuga_path file; /* TSUGA_KILL_BYTES bytes of content 1 */
    struct tsuga_path fifo; /* nobody writes to it: an open for reading waits */
    int names;              /* the directory, open */
};

/* One operation's. Zeroed at first, but for what the test says. */
struct tsuga_kill_stage {
    /* Set by the test. */
    struct tsuga_actor *self;
    const struct tsuga_kill_scenery *scenery;
    void (*work)(void *argument); /* of a BLOCKING */
    void *argument;
    bool is_pending; /* it is to stay with the kernel, where it can */

    /* Filled in by the setter. */
    struct tsuga_op ops[2];
    uint32_t op_count; /* 2: a chain; the second one is what it is about */
    int peers[4];      /* nobody's: strike() closes them */
    uint32_t peer_count;
    struct iovec vectors[2];
    struct msghdr message;
    struct sockaddr_in address;
    struct statx attributes;
    siginfo_t child;
    struct tsuga_raw raw;
    struct tsuga_sizer sizer;
    char bytes[TSUGA_KILL_BYTES];
};

struct tsuga_kill_kind {
    const char *name;
    void (*set)(struct tsuga_kill_stage *stage);
    enum tsuga_ring_kind needs; /* what the ring must know; NOP: nothing else */
    bool is_many;               /* something of it completes before its end */
    bool is_stream;             /* and only a cancel ends it */
    bool is_continued;          /* the kernel refuses it, and another request takes its place */
    bool is_job;                /* a thread of the pool carries it out */
    bool is_own;                /* the executor's own timers do: no result of it is ever late */
    bool is_silent;             /* nobody hears of it */
    bool is_impatient;          /* it never waits for room */
    bool is_fixed;              /* on registered memory */
};

extern const struct tsuga_kill_kind tsuga_kill_kinds[];
extern const size_t tsuga_kill_kind_count;

/* Makes what they are done on; undone by strike(). */
void tsuga_kill_scenery_build(struct tsuga_kill_scenery *scenery);
void tsuga_kill_scenery_strike(struct tsuga_kill_scenery *scenery);

/* Closes what nobody owns. */
void tsuga_kill_stage_strike(struct tsuga_kill_stage *stage);

#endif
