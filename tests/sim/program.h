/*
 * Random programs of actors: what one actor has, and the moves that it can make. Private to
 * program*.c and workload_random.c.
 *
 * Every operation has a slot, whose address is its context; the slot knows what may come of it, and
 * is checked with each completion. Files hold a pattern, so that each read can be checked, and each
 * write writes what is there already. Leases and messages carry patterns, too.
 *
 * Owner: the actor's state. Thread: the actor's.
 */
#ifndef TSUGA_TESTS_PROGRAM_H
#define TSUGA_TESTS_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/support.h"

#define PROGRAM_FILES      4u
#define PROGRAM_FILE_BYTES 8192u
#define PROGRAM_ACTORS     24u
#define PROGRAM_OPS        16u
#define PROGRAM_LEASES     6u
#define PROGRAM_SENDERS    32u
#define PROGRAM_TIES       8u
#define PROGRAM_CHAIN_MAX  4u
#define PROGRAM_PART_BYTES 1024u

/* What all of them share. */
struct colony {
    struct sim_run *run;
    struct tsuga_id ids[PROGRAM_ACTORS]; /* of actors that live, or have lived */
    uint64_t lease_streams;              /* that were ever used */
    uint32_t hopes; /* jobs of the blocking pool that have begun and not ended */
};

enum program_expectation {
    PROGRAM_NOTHING,    /* a result of 0, or an error */
    PROGRAM_DESCRIPTOR, /* a descriptor, or an error */
    PROGRAM_CONTENT,    /* bytes of a file at an offset */
    PROGRAM_COUNT,      /* a number >= 0, or an error */
    PROGRAM_PIPED,      /* bytes of the actor's pipe */
    PROGRAM_PERIODS,    /* a stream of periods */
};

struct program;

struct program_op {
    struct program *owner; /* NULL: the slot is free */
    struct tsuga_token token;
    enum program_expectation expects;
    uint64_t stream; /* of PROGRAM_CONTENT */
    uint64_t offset;
    uint64_t bytes_max;
    struct tsuga_lease lease; /* that it reads into or writes from */
    bool is_stream;
    bool is_file;   /* a DESCRIPTOR of one */
    bool is_copied; /* what is read comes to `into` */
    char into[PROGRAM_PART_BYTES];
};

struct program_lease {
    struct tsuga_lease lease;
    uint64_t stream;    /* what it holds; 0: nobody knows */
    uint32_t use_count; /* operations on it */
    bool is_shared;     /* others may have it, too */
};

/* What an actor has heard of others: the last number of each. */
struct program_sender {
    uint64_t id;
    uint64_t number;
};

/* What an actor has with others, and with itself. A tag says what kind it is, and which tie. */
enum program_tag {
    PROGRAM_TAG_SAYING, /* an ordinary message */
    PROGRAM_TAG_TIMER,
    PROGRAM_TAG_PERIOD,
    PROGRAM_TAG_MONITOR,
    PROGRAM_TAG_REQUEST,
    PROGRAM_TAG_KINDS
};

enum program_tie_state {
    PROGRAM_TIE_FREE,
    PROGRAM_TIE_TIMER,   /* whose message has not been taken */
    PROGRAM_TIE_PERIOD,  /* of which any number may come */
    PROGRAM_TIE_MONITOR, /* likewise not taken */
    PROGRAM_TIE_REQUEST, /* likewise */
    PROGRAM_TIE_SPENT
};

struct program_tie {
    enum program_tie_state state;
    uint64_t number; /* which of the actor's ties it is */
    uint64_t due_ns;
    struct tsuga_id id;
    struct tsuga_timer_ref timer;
    struct tsuga_monitor monitor;
    struct tsuga_request request;
};

struct program {
    struct colony *colony;
    struct tsuga_actor *self;
    uint64_t random;
    struct program_op ops[PROGRAM_OPS];
    struct program_lease leases[PROGRAM_LEASES];
    struct program_sender senders[PROGRAM_SENDERS];
    struct program_tie ties[PROGRAM_TIES];
    uint64_t tie_count;         /* that there ever were */
    struct tsuga_reply_to debt; /* whom it will answer when the next request comes */
    int debt_result;
    uint32_t names;                /* that it has: a bit for each */
    uint64_t sent[PROGRAM_ACTORS]; /* numbers told to whoever is in the colony's slot */
    uint64_t sent_to[PROGRAM_ACTORS];
    int files[PROGRAM_FILES]; /* descriptors; -1: not open */
    int pipe[2];
    uint64_t piped_in;                                   /* bytes written to the pipe */
    uint64_t piped_out;                                  /* and read */
    bool is_piping[2];                                   /* a read, a write is in flight */
    char scratch[PROGRAM_CHAIN_MAX][PROGRAM_PART_BYTES]; /* one for each member of a chain */
    char *paper;                                         /* the one that is written on now */
};

static inline uint64_t program_draw(struct program *program, uint64_t count)
{
    return sim_random(&program->random) % count;
}

/* Fills in a program that owns nothing yet. */
void program_init(struct program *program, struct tsuga_actor *self, struct colony *colony);

/* program_ops.c: starts an operation of some kind, or a chain, or does something to one. */
void program_start(struct program *program);
void program_meddle(struct program *program);

/* Checks a completion, and frees its slot when it was the last one. */
void program_take(struct program *program, const struct tsuga_completion *got);

/* Waits for some operation that is in flight; false: the actor is being stopped. */
bool program_await(struct program *program);

/* program_leases.c */
void program_handle_lease(struct program *program);
struct program_lease *program_idle_lease(struct program *program);

/* program_messages.c */
void program_say(struct program *program);
void program_hear(struct program *program, const struct tsuga_message *message);

/* program_ties.c: begins or ends something with another actor. */
void program_relate(struct program *program);

/* Takes whatever message is not an ordinary one. */
bool program_hear_tie(struct program *program, const struct tsuga_message *message);

/* workload_random.c */
void program_spawn(struct program *program);

#endif
