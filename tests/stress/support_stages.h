/*
 * Brings a stream, or a zero-copy send, into a state in which its actor's end shall find it. The
 * actor is both ends of whatever the stream is on. What it receives on the way is compared.
 *
 * Owner: the actor, in its state. Thread: a turn.
 */
#ifndef TSUGA_TESTS_SUPPORT_STAGES_H
#define TSUGA_TESTS_SUPPORT_STAGES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/stress/support_streams.h"

#include <tsuga.h>

#define STRESS_PEERS 4u

struct stress_stage {
    struct tsuga_actor *self;
    struct stress_streams *streams;
    const _Atomic bool *is_short; /* the process has no descriptors left for now */
    uint64_t random;
    uint64_t seed;           /* of the content */
    int fd;                  /* the actor's */
    int peers[STRESS_PEERS]; /* nobody's: strike() closes them */
    unsigned peer_count;
    struct sockaddr_in address;
    struct tsuga_token token;
    uint64_t written; /* bytes of the content */
    uint64_t taken;
    uint64_t enter_count; /* the ring's when the send was submitted */
};

/* By the system calls themselves, see stress_pipe(). -1: no descriptors. */
int stress_tcp(int ends[2]);
void stress_close(int fd);

/* Tries; false when something ran out, or the actor is being stopped. */
bool stress_stage_stream(struct stress_stage *stage, enum stress_stream kind,
                         enum stress_stream_state state);
bool stress_stage_send(struct stress_stage *stage, bool is_early, enum stress_send_state state);

/* Closes what nobody owns. */
void stress_stage_strike(struct stress_stage *stage);

/* Waits a moment without taking anything. False: the actor is being stopped. */
bool stress_stage_wait(struct stress_stage *stage);

#endif
