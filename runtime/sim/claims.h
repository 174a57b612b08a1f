/*
 * Memory that the simulated kernel owns: from the submission of a request to its last result, or
 * while a buffer is on offer in a group. Private to runtime/sim/.
 *
 *     READ      the kernel reads: the bytes do not change, and nobody lets the kernel write there
 *     WRITE     the kernel writes whenever it likes: it fills the bytes with a pattern of its own,
 *               again and again, and whoever else writes there is found
 *     UPDATE    the kernel reads, and writes at the end: a message header, an address length
 *
 * Owner: the kernel. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_CLAIMS_H
#define TSUGA_SIM_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/ring.h"
#include "runtime/base/memory.h"
#include "runtime/sim/schedule.h"

enum tsuga_claim_kind { TSUGA_CLAIM_READ, TSUGA_CLAIM_WRITE, TSUGA_CLAIM_UPDATE };

struct tsuga_claim {
    char *base;
    size_t bytes;
    uint64_t seal; /* a hash of the bytes, or what their pattern is made from */
    enum tsuga_claim_kind kind;
};

/* Claims in the order of their addresses. */
struct tsuga_claim_order {
    struct tsuga_claim **claims;
    uint32_t count;
    uint32_t count_max;
    size_t longest; /* of all that were ever in it */
};

struct tsuga_claims {
    struct tsuga_schedule *schedule; /* whose failure a violation is */
    const struct tsuga_memory *memory;
    struct tsuga_random random;
    struct tsuga_claim_order shared;    /* READ */
    struct tsuga_claim_order exclusive; /* the rest: they do not overlap */
};

/* The claims of one request. */
struct tsuga_claim_set {
    struct tsuga_claim *claims;
    uint32_t count;
    uint32_t count_max;
};

void tsuga_claims_init(struct tsuga_claims *claims, struct tsuga_schedule *schedule,
                       const struct tsuga_memory *memory, uint64_t seed);
void tsuga_claims_fini(struct tsuga_claims *claims);

/* A single range. The claim stays where it is until it is given up. */
void tsuga_claim_take(struct tsuga_claims *claims, struct tsuga_claim *claim);

/* Looks whether the bytes are as the kernel left them, and gives them up. */
void tsuga_claim_give(struct tsuga_claims *claims, struct tsuga_claim *claim);

/* Looks, and writes something else where the kernel may write. */
void tsuga_claim_touch(struct tsuga_claims *claims, struct tsuga_claim *claim);

/* Everything that a request points to. */
void tsuga_claims_take(struct tsuga_claims *claims, const struct tsuga_ring_request *request,
                       struct tsuga_claim_set *set);
void tsuga_claims_touch(struct tsuga_claims *claims, struct tsuga_claim_set *set);
void tsuga_claims_give(struct tsuga_claims *claims, struct tsuga_claim_set *set);

#endif
