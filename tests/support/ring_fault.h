/*
 * A ring that stands in front of another one and misbehaves as the kernel may: it refuses enters,
 * submits only some of what is queued, withholds and reorders results, answers requests with errors
 * that the kernel did not give. It also sees every call, so that a test can look at invariants
 * there, and records every request.
 *
 *     push -> queue -> (enter: as many as the fault allows) -> inner ring
 *     inner ring -> (enter: all there are) -> held -> visible -> reap
 *
 * A result becomes visible at an enter, never between two. Results of different requests may change
 * places, those of one request never do. Faults come from a script (the functions below, in the
 * order of the calls they concern) and, where the script has nothing to say, from a seed.
 *
 * Give tsuga_ring_fault_create() and a plan to whatever makes rings. The rings of a plan keep their
 * records until tsuga_ring_fault_plan_fini(), so they can be looked at when the executor is gone.
 *
 * Owner: the test. Thread: the script's functions on the ring's own thread (from the hook, say);
 * counts and records there too, or once that thread has ended.
 */
#ifndef TSUGA_TESTS_RING_FAULT_H
#define TSUGA_TESTS_RING_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/ring.h"

#define TSUGA_RING_FAULT_RINGS_MAX 16u

struct tsuga_ring_fault;

enum tsuga_ring_fault_call {
    TSUGA_RING_FAULT_PUSH,
    TSUGA_RING_FAULT_ENTER,
    TSUGA_RING_FAULT_REAP,
};

/* Called before each call takes effect; request is NULL but for a push. */
typedef void tsuga_ring_fault_hook_fn(void *context, struct tsuga_ring_fault *fault,
                                      enum tsuga_ring_fault_call call,
                                      const struct tsuga_ring_request *request);

struct tsuga_ring_fault_plan {
    /* Set by the test before the first ring is made. */
    tsuga_ring_create_fn *create; /* makes the inner rings */
    void *create_context;
    tsuga_ring_fault_hook_fn *hook; /* NULL: none; called on each ring's thread */
    void *hook_context;
    uint64_t seed;
    uint32_t refuse_per_mille;  /* of enters; never more than three in a row */
    uint32_t partial_per_mille; /* of enters that have something to submit */
    uint32_t hold_per_mille;    /* of results; each for 1 to 4 enters */
    uint64_t unsupported_kinds; /* one bit for each kind that shall be unknown to the kernel */
    bool is_recording;          /* keep every request, not only their number */

    /* Set by the test at any time. */
    _Atomic int group_error; /* what adding a group answers; 0: what the kernel does */

    /* Filled by tsuga_ring_fault_create(). */
    struct tsuga_ring_fault *_Atomic rings[TSUGA_RING_FAULT_RINGS_MAX];
    _Atomic uint32_t ring_count;
};

struct tsuga_ring_fault_counts {
    uint64_t pushed[TSUGA_RING_KIND_COUNT];
    uint64_t results;     /* made visible */
    uint64_t finals;      /* of these, last ones */
    uint64_t refused;     /* enters */
    uint64_t cut_short;   /* enters that submitted only a part */
    uint64_t held;        /* results */
    uint64_t substituted; /* requests */
    uint64_t severed;     /* requests cut off from their chains */
};

/* A tsuga_ring_create_fn whose context is a struct tsuga_ring_fault_plan. */
TSUGA_NODISCARD int tsuga_ring_fault_create(void *plan, const struct tsuga_ring_config *config,
                                            struct tsuga_ring **out);

/* Frees the rings' records; the rings themselves must have been destroyed. */
void tsuga_ring_fault_plan_fini(struct tsuga_ring_fault_plan *plan);

/* The fault in front of a ring made by tsuga_ring_fault_create(). */
struct tsuga_ring_fault *tsuga_ring_fault_of(struct tsuga_ring *ring);

/* The next `count` enters answer with `error`. -EBUSY and -EAGAIN: nothing is submitted, what has
 * completed becomes visible. -EINTR: everything is submitted, and the wait ends at once. */
void tsuga_ring_fault_refuse(struct tsuga_ring_fault *fault, int error, uint32_t count);

/* The next enter that is not refused submits at most `count` requests and answers -EAGAIN when
 * some are left. */
void tsuga_ring_fault_limit(struct tsuga_ring_fault *fault, uint32_t count);

/* The next result of `user_data`, and what follows it, becomes visible `enter_count` enters later
 * than it would have; enters do not wait meanwhile, they answer -EINTR. */
void tsuga_ring_fault_hold(struct tsuga_ring_fault *fault, uint64_t user_data,
                           uint32_t enter_count);

/* The same for the last result of `user_data` only. */
void tsuga_ring_fault_hold_end(struct tsuga_ring_fault *fault, uint64_t user_data,
                               uint32_t enter_count);

/* Whether the last result of `user_data` is there to be reaped. */
bool tsuga_ring_fault_shows_end(const struct tsuga_ring_fault *fault, uint64_t user_data);

/* The kernel forgets to tell how `user_data` ends: its last result becomes visible when somebody
 * cancels it, as -ECANCELED. */
void tsuga_ring_fault_lose(struct tsuga_ring_fault *fault, uint64_t user_data);

/* Decides the outcome of the nth request of a kind from now on, 1 being the next one. A negative
 * result: the request never reaches the kernel and ends with that result. Otherwise (reads, writes,
 * receives and sends): the kernel sees a request for `result` bytes at most. What is linked to it
 * ends with -ECANCELED, unless the link is hard. */
void tsuga_ring_fault_substitute(struct tsuga_ring_fault *fault, enum tsuga_ring_kind kind,
                                 uint32_t nth, int32_t result);

const struct tsuga_ring_fault_counts *tsuga_ring_fault_counts(const struct tsuga_ring_fault *fault);

/* The kind that a request would be of without registered memory: that of a FIXED one is the plain
 * one. Counts, hooks and substitutions go by it. */
enum tsuga_ring_kind tsuga_ring_fault_kind(const struct tsuga_ring_request *request);

/* Every request pushed so far, oldest first, as the executor pushed it. */
const struct tsuga_ring_request *tsuga_ring_fault_requests(const struct tsuga_ring_fault *fault,
                                                           uint64_t *count);

#endif
