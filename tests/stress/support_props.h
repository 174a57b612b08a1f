/*
 * What operations are done on: for each kind of operation a stage on which it completes at once,
 * or one on which it stays pending. The descriptors belong to the actor, so that its end closes
 * them.
 *
 * Owner: the program owns the scenery; an actor its props, in its state. Thread: a turn.
 */
#ifndef TSUGA_TESTS_SUPPORT_PROPS_H
#define TSUGA_TESTS_SUPPORT_PROPS_H

#include <linux/stat.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/stress/support_tally.h"

#include <tsuga.h>

#define STRESS_PAYLOAD 300u
#define STRESS_JOBS    4096u
#define STRESS_NAMES   4u

/* What a job of the pool works on; outlives its actor. */
struct stress_job {
    _Atomic bool has_begun;
    unsigned char payload[64];
};

/* What all actors share. */
struct stress_scenery {
    char directory[48];
    char file[64];              /* holds STRESS_PAYLOAD bytes of content 1 */
    char fifo[64];              /* nobody writes to it: an open for reading waits */
    struct sockaddr_in clogged; /* a listener whose queue is full: connecting waits */
    int listener;               /* behind it */
    char scrap[64];             /* a file that anybody may change */
    char names_path[64];        /* a directory in which anybody may make and remove anything */
    int names;                  /* open */
    int child;                  /* a process that does not end */
    int clogs[8];
    struct stress_job *jobs; /* STRESS_JOBS */
    _Atomic uint32_t job_count;
};

/* One operation's. Zeroed at first. */
struct stress_props {
    struct stress_scenery *scenery;
    struct stress_tally *tally;
    uint64_t random;
    uint64_t seed; /* of the payload */
    int peer;      /* from which a written payload can be read, or -1 */
    struct sockaddr_in address;
    struct iovec vectors[2];
    struct msghdr message;
    uint64_t control[CMSG_SPACE(sizeof(int)) / sizeof(uint64_t)]; /* one struct cmsghdr */
    unsigned char payload[STRESS_PAYLOAD];                        /* to write */
    unsigned char into[STRESS_PAYLOAD];                           /* to read into */
    struct statx attributes;
    struct stress_job *job;
    struct tsuga_raw raw;
    siginfo_t child;
};

/* Descriptors come, and are used, by the system calls themselves. ThreadSanitizer follows them
 * through the C library's functions and does not see the kernel close one, so it would take the
 * next use of its number, by another thread, for a race. */
int stress_pipe(int ends[2]);
int stress_socketpair(int ends[2]);

/* Makes the files; undone by strike(). */
void stress_scenery_build(struct stress_scenery *scenery);
void stress_scenery_strike(struct stress_scenery *scenery);

/* Fills in an operation of a kind, which is to stay pending where that is possible. False when
 * something ran out: descriptors, room, or the actor is being stopped. */
bool stress_props_set(struct stress_props *props, struct tsuga_actor *self, enum tsuga_op_kind kind,
                      bool is_pending, struct tsuga_op *op);

/* Compares what a completion brought with what it ought to bring. */
void stress_props_check(struct stress_props *props, enum tsuga_op_kind kind,
                        const struct tsuga_completion *got);

#endif
