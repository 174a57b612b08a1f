/*
 * Messages that are sent later: tsuga_send_after() and tsuga_send_every(). Private to executor/.
 *
 * An entry is a timer in the executor's wheel, a member of its actor's list of them, and the letter
 * that is to go. A single message goes as that letter, so nothing can be missing when its time
 * comes; of a repeated one each goes as a copy.
 *
 * Entries lie in chunks that are never freed while the executor lives, so that any reference is
 * safe to look up. A reference is (executor + 1) << 56 | slot << 32 | generation.
 *
 * Invariants: an entry that is armed is in its actor's list; one that is not is free or retired,
 * and in a list only while it is one of the last `linked_count` free ones. An actor with an entry
 * in its list does not move to another executor.
 *
 * Owner: an executor. Thread: that executor's.
 */
#ifndef TSUGA_EXECUTOR_TIMED_H
#define TSUGA_EXECUTOR_TIMED_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/seat.h"
#include "runtime/base/memory.h"

#include <tsuga.h>

#define TSUGA_TIMED_CHUNK_SLOTS 256u
#define TSUGA_TIMED_CHUNKS_MAX  (1u << 16)

struct tsuga_executor;

/* One cache line, and all that a cancel looks at: a million of them are armed and cancelled. What
 * is needed only when it strikes lies in the letter: the receiver in `attachment`, which a timed
 * letter has no other use for, and behind the payload of a repeated one its struct
 * tsuga_timed_period. */
struct tsuga_timed {
    struct tsuga_alarm alarm;
    struct tsuga_letter *letter; /* while free: a small one for the next use, or NULL */
    uint32_t slot;               /* const after init */
    uint32_t generation;         /* of the next use while free */
    uint32_t owner;              /* slot of the actor that armed it */
    uint32_t older;              /* in the list of that actor: slot + 1; 0: none */
    uint32_t newer;
    bool is_armed;
    bool is_small; /* the letter is */
};

struct tsuga_timed_period {
    uint64_t due_ns;
    uint64_t period_ns;
};

_Static_assert(sizeof(struct tsuga_timed) == TSUGA_CACHE_LINE_BYTES, "see above");

/* The free slots are an array, not a list through the entries: which entry comes next is known
 * without a look at the one before, so that it can be fetched in time. */
struct tsuga_timed_table {
    struct tsuga_timed **chunks;
    uint32_t *free; /* slots, as many as the chunks can have at chunk_count_max */
    uint32_t free_count;
    uint32_t linked_count; /* of the last ones: still in the wheel and their actors' lists */
    uint32_t free_low;     /* fewest since the last trim */
    uint32_t bare_count;   /* of the first ones: without letters, unless free_low was below */
    uint32_t chunk_count;
    uint32_t chunk_count_max;
};

void tsuga_timed_table_fini(struct tsuga_timed_table *table, const struct tsuga_memory *memory);

/* Send a letter later, to an actor that it need not say; its lane, type and flags are the caller's.
 * On failure it is discarded. Errors: -ENOMEM. */
TSUGA_NODISCARD int tsuga_timed_arm(struct tsuga_seat *seat, struct tsuga_letter *letter,
                                    struct tsuga_id to, uint64_t delay_ns,
                                    struct tsuga_timer_ref *out);

/* The time of one that was armed for TSUGA_FOREVER begins. */
void tsuga_timed_begin(struct tsuga_seat *seat, struct tsuga_timer_ref timer, uint64_t delay_ns);

/* Entries that were disarmed a moment ago leave the wheel and their actors' lists. */
void tsuga_timed_settle(struct tsuga_executor *executor);

/* Whether the actor, which is at home here, has armed something that is still to come. */
bool tsuga_timed_has_any(struct tsuga_executor *executor, const struct tsuga_seat *seat);

/* Give letters back that free entries have kept, if the entries were not needed since the last
 * time. True when there may be more. */
bool tsuga_timed_trim(struct tsuga_executor *executor);

/* The actor ends: nothing that it has armed is sent any more. */
void tsuga_timed_end(struct tsuga_seat *seat);

#endif
