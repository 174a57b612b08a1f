/*
 * The mailbox against a model that is too simple to be wrong: one array for each lane, in the order
 * in which the consumer would see it. Whoever steers the model picks each step, message and lane,
 * and when, if at all, the consumer settles.
 *
 * A difference aborts the process.
 *
 * Owner: the test. Thread: one at a time.
 */
#ifndef TSUGA_TESTS_MAILBOX_MODEL_H
#define TSUGA_TESTS_MAILBOX_MODEL_H

#include "mailbox/mailbox.h"

#define TSUGA_MAILBOX_MODEL_LIVE_MAX 200u

struct tsuga_mailbox_item;

/* A number below `count`. */
typedef uint32_t tsuga_mailbox_model_pick_fn(void *context, uint32_t count);

/* Per lane the serials that have been collected, oldest first, and those that wait in the inlet. */
struct tsuga_mailbox_model_lane {
    uint64_t serials[TSUGA_MAILBOX_MODEL_LIVE_MAX];
    uint32_t count;
};

struct tsuga_mailbox_model {
    struct tsuga_mailbox mailbox;
    struct tsuga_mailbox_model_lane lanes[TSUGA_LANE_COUNT];
    /* Posted and not yet collected, oldest first. */
    struct tsuga_mailbox_item *inlet[TSUGA_MAILBOX_MODEL_LIVE_MAX];
    uint32_t inlet_count;
    uint32_t live;
    uint32_t user_count; /* messages that take room */
    uint64_t next_serial;
    uint32_t capacity;
    bool is_asleep; /* the inlet */
    bool is_settled;
    bool is_due;    /* settled: the consumer is scheduled */
    bool owes_call; /* settled: somebody found the inlet asleep, and has not called */
    tsuga_mailbox_model_pick_fn *pick;
    void *context; /* for pick */
};

/* Opens the mailbox for a life of its actor; the first time after tsuga_mailbox_init(). */
void tsuga_mailbox_model_open(struct tsuga_mailbox_model *model, uint32_t capacity);

/* Does something to the mailbox and looks at all of it. */
void tsuga_mailbox_model_step(struct tsuga_mailbox_model *model);

/* Ends that life, with whatever is in it. */
void tsuga_mailbox_model_close(struct tsuga_mailbox_model *model);

#endif
