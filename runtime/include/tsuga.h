/*
 * Tsuga: actors that do their I/O through io_uring.
 *
 * An actor is a state, a behaviour, a mailbox and an I/O heap. It runs on one executor at a time,
 * never on two, so its own data needs no lock. It asks the kernel for work with an operation; the
 * operation's completion arrives in its mailbox as a message. Every byte that the kernel may touch
 * lies in the actor's own I/O heap, which never moves and is not reused before the kernel's last
 * word on the operation.
 *
 *     runtime    executors (threads), each with one ring; made by tsuga_start()
 *     actor      made by tsuga_spawn(), named by a struct tsuga_id
 *     message    user data, a completion, or the request to stop; taken by a behaviour or by
 *                tsuga_receive()
 *     operation  started by tsuga_read() and its relatives, named by a struct tsuga_token
 *     lease      a counted reference to a buffer in an I/O heap
 *
 * Errors are 0 or -errno, unless a comment says otherwise. Nothing here aborts on a user's mistake.
 * In every options struct the zero value of a field is its default.
 *
 * Four lines stand in each function's comment. Owner: who frees what. Errors: what can be returned.
 * Thread: who may call it; "turn" means inside a turn of the actor `self`, on its executor.
 * Blocks: whether the calling actor may be suspended (its executor goes on with other actors).
 */
#ifndef TSUGA_H
#define TSUGA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is optimised as if it were a whole program, of which this is what others see. */
#if defined(__clang__)
#define TSUGA_API __attribute__((visibility("default")))
#else
#define TSUGA_API __attribute__((visibility("default"), externally_visible))
#endif
#define TSUGA_NODISCARD __attribute__((warn_unused_result))
#define TSUGA_NORETURN  __attribute__((noreturn))

#define TSUGA_VERSION "0.1.0"

/* A time limit that never comes. */
#define TSUGA_FOREVER UINT64_MAX

struct tsuga_runtime;
struct tsuga_actor;
struct tsuga_message;
struct tsuga_sizer;
struct tsuga_pool;
struct tsuga_port;
struct statx;

/* Names and references: values that may be copied and kept. */

/* An actor's name. Safe to keep after the actor's death: it never comes to mean another one.
 * The zero value names nobody. */
struct tsuga_id {
    uint64_t value;
};

/* An operation's name, valid for the actor that started it until its last completion is taken.
 * It may carry the error of a submission that failed: see tsuga_op_error(). */
struct tsuga_token {
    uint64_t value;
};

/* A message that is to be sent later, valid for the actor that asked for it until it is sent or
 * cancelled. The zero value refers to nothing. */
struct tsuga_timer_ref {
    uint64_t value;
};

/* A request's name, valid for the actor that made it. The zero value names none. */
struct tsuga_request {
    uint64_t value;
};

/* A monitor's name, valid for the actor that made it. The zero value names none. */
struct tsuga_monitor {
    uint64_t value;
};

/* A counted reference to a buffer in an I/O heap. The zero value refers to nothing. */
struct tsuga_lease {
    uint64_t value;
};

/* Buffers of one size that receives of an actor take from. The zero value means the executor's. */
struct tsuga_group {
    uint64_t value;
};

/**
 * Whether two ids are of the same actor.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
static inline bool tsuga_id_equal(struct tsuga_id a, struct tsuga_id b)
{
    return a.value == b.value;
}

/**
 * Whether two tokens of one actor are of the same operation.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
static inline bool tsuga_token_equal(struct tsuga_token a, struct tsuga_token b)
{
    return a.value == b.value;
}

/* Configuration. */

/* A switch in the configuration. */
enum tsuga_toggle { TSUGA_DEFAULT = 0, TSUGA_OFF, TSUGA_ON };

/* How receives choose their sizes: see struct tsuga_sizer. */
enum tsuga_sizing { TSUGA_SIZING_DEFAULT = 0, TSUGA_SIZING_ADAPTIVE, TSUGA_SIZING_FIXED };

/* Which memory of I/O heaps stays pinned for the kernel, so that it need not be pinned for each
 * operation: what is used often, all of it, or none. Likewise for descriptors that actors own: they
 * are looked up once. */
enum tsuga_registration {
    TSUGA_REGISTRATION_DEFAULT = 0,
    TSUGA_REGISTRATION_AUTO,
    TSUGA_REGISTRATION_ALWAYS,
    TSUGA_REGISTRATION_OFF,
};

/* What a full mailbox does to a sender. */
enum tsuga_full { TSUGA_FULL_DEFAULT = 0, TSUGA_FULL_FAIL, TSUGA_FULL_BLOCK, TSUGA_FULL_DROP };

/* The least severe line that is written. */
enum tsuga_log_level {
    TSUGA_LOG_DEFAULT = 0, /* warn */
    TSUGA_LOG_OFF,
    TSUGA_LOG_ERROR,
    TSUGA_LOG_WARN,
    TSUGA_LOG_INFO,
    TSUGA_LOG_DEBUG,
};

/* Receives one line without a line end; called on any thread of the runtime, one call at a time. */
typedef void tsuga_log_fn(void *context, enum tsuga_log_level level, const char *line);

/* A user message that has reached nobody. Valid during the call. */
struct tsuga_dead_letter {
    struct tsuga_runtime *runtime;
    struct tsuga_id from; /* zero: a thread */
    struct tsuga_id to;
    uint64_t tag;
    const void *data;
    size_t bytes;
    int reason; /* -ESRCH the receiver has ended, -EAGAIN its mailbox was full, -ENOMEM */
};

/* Hears of each dead letter, on the thread that finds it: an executor, in the middle of some
 * actor's turn, or one that posts; on several at once. It may call whatever any thread may call and
 * does not block, tsuga_actor_stop() for one, but must not send: that could be a dead letter in
 * turn. */
typedef void tsuga_dead_letter_fn(void *context, const struct tsuga_dead_letter *letter);

/* A size class is 2^k bytes; k runs from the lowest (64 bytes) to the highest (2 MiB). */
#define TSUGA_CLASS_MIN   6u
#define TSUGA_CLASS_MAX   21u
#define TSUGA_CLASS_COUNT 16u

/* Kernel features that are probed at start; each can be forced off, which tests its fallback. */
enum tsuga_feature {
    TSUGA_FEATURE_DEFER_TASKRUN,
    TSUGA_FEATURE_REGISTERED_RING,
    TSUGA_FEATURE_NO_IOWAIT,
    TSUGA_FEATURE_BIND_LISTEN,
    TSUGA_FEATURE_GUARD_INSTALL,
    TSUGA_FEATURE_BUFFER_RING,
    TSUGA_FEATURE_BUFFER_RING_INCREMENTAL,
    TSUGA_FEATURE_MULTISHOT,
    TSUGA_FEATURE_READ_MULTISHOT,
    TSUGA_FEATURE_SEND_ZERO_COPY,
    TSUGA_FEATURE_FTRUNCATE,
    TSUGA_FEATURE_FUTEX,
    TSUGA_FEATURE_WAITID,
    TSUGA_FEATURE_REGISTERED_BUFFERS,
    TSUGA_FEATURE_VECTORS_FIXED,
    TSUGA_FEATURE_REGISTERED_FILES,
    TSUGA_FEATURE_COUNT
};

/*
 * The configuration of one runtime. Defaults < this struct < the INI file < the environment
 * (TSUGA_<SECTION>_<KEY>); read once by tsuga_start(), constant afterwards. The INI keys are the
 * field names, the sections are the struct names.
 */
struct tsuga_config {
    const char *file; /* INI file to read; NULL reads none */

    struct {
        uint32_t threads;            /* executors, 1 ..= 256; default: one per processor allowed */
        uint32_t ring_entries;       /* submission queue, power of two <= 32768; default 256 */
        uint32_t cq_entries;         /* completion queue, power of two <= 65536; default: from
                                        ops_max */
        uint32_t ops_max;            /* operations in flight per executor; default 32768 */
        uint32_t time_slice_us;      /* longest turn; default 200 */
        uint32_t slice_messages;     /* most messages of a turn; default 256 */
        uint32_t watchdog_us;        /* turns that compute longer, or block, are counted and named;
                                        default 100000 */
        uint32_t io_workers_bounded; /* kernel workers for files, per executor; default 4 */
        uint32_t io_workers_unbounded; /* kernel workers for the rest, per executor; default 16 */
        uint32_t blocking_threads;     /* threads behind tsuga_blocking(); default 4 */
        uint32_t blocking_queue;       /* calls that wait for them; more are refused with -EBUSY;
                                          default 65536 */
        enum tsuga_toggle pin;         /* pin each executor to a processor; default off */
        enum tsuga_toggle steal;       /* actors may change their executor; default on */
    } executor;

    struct {
        uint32_t stop_ms;     /* from a stop to the abandoning of a stack; default 5000 */
        uint32_t death_ms;    /* from an actor's end to giving up on its operations; default 5000 */
        uint32_t shutdown_ms; /* a graceful stop of the runtime; default 10000 */
    } actor;

    struct {
        uint64_t reserve;        /* address space, bytes; default 64 GiB, halved until it fits */
        uint64_t arena_size;     /* power of two, 64 KiB ..= 1 GiB; default 2 MiB */
        uint64_t segment_min;    /* an actor's first segment, power of two; default 512 */
        uint64_t quota;          /* most segment bytes of one actor; default unlimited */
        uint32_t size_classes;   /* bit k allows 2^k bytes; default: all from 64 B to 2 MiB */
        uint32_t decay_ms;       /* how long free memory is kept; default 1000 */
        enum tsuga_toggle guard; /* debugging: guard pages between actors; default off */
        enum tsuga_toggle huge_pages;         /* for arenas of 2 MiB and more; default on */
        enum tsuga_registration registration; /* default auto */
        uint32_t registration_slots; /* arenas that a ring can have pinned, 1 ..= 16384; default
                                        4096 */
    } ioheap;

    struct {
        uint32_t capacity;                 /* user messages of one mailbox; default unlimited */
        enum tsuga_full full;              /* default fail */
        tsuga_dead_letter_fn *dead_letter; /* default: they are only counted */
        void *context; /* for dead_letter; the caller's, must outlive the runtime */
    } mailbox;

    struct {
        uint32_t group_sizes;   /* bit k: buffers of 2^k bytes are lent; default 4 KiB and 64 KiB */
        uint32_t group_buffers; /* of each size at first, power of two; grows to 16 times as many
                                   while streams find none; default 64 */
        uint64_t lent_max;      /* most bytes lent to one actor; default 1 MiB */
        enum tsuga_sizing
            sizer;          /* of receives that name neither bytes nor sizer; default adaptive */
        uint64_t sizer_min; /* least bytes that it asks for; default 4 KiB */
        uint64_t sizer_max; /* most; default 64 KiB */
    } receive;

    struct {
        uint64_t zero_copy_min; /* sends of at least so many bytes are not copied; default 0: only
                                   those with TSUGA_OP_ZERO_COPY */
    } send;

    struct {
        uint64_t size;      /* usable bytes of one stack, multiple of 4096; default 64 KiB */
        uint32_t pool;      /* unused stacks kept ready, per executor; default 64 */
        uint32_t count_max; /* stacks of one executor; default 16384 */
    } stack;

    enum tsuga_toggle features[TSUGA_FEATURE_COUNT]; /* default (auto) or off */

    struct {
        enum tsuga_log_level level;
        tsuga_log_fn *write; /* default: stderr, with the prefix "tsuga: " */
        void *context;       /* for write; the caller's, must outlive the runtime */
    } log;

    enum tsuga_toggle signals; /* SIGINT and SIGTERM stop the runtime gracefully; default off.
                                  tsuga_start() blocks them in the calling thread; they must be
                                  blocked in all other threads of the program too. */
};

/*
 * Runtimes.
 *
 * A child of fork(2) has none: the runtime's threads and rings stay the parent's, and nothing that
 * the child does reaches them. Functions below that return an error answer -ECHILD there;
 * operations carry that in their token; the others do nothing, or tell of nothing. The child of an
 * actor shall call execve(2) or _exit(2); one that returns from its behaviour, or exits, is ended
 * with status 70 and a line that says why. Any other child may start a runtime of its own.
 */

/* Why an actor ended: one of these, or a negative errno. */
enum tsuga_reason {
    TSUGA_NORMAL = 0,
    TSUGA_STOPPED = 1, /* by tsuga_actor_stop() or by the runtime's stop */
};

/* How a runtime stops. */
enum tsuga_stop_mode {
    TSUGA_STOP_GRACEFUL, /* every actor is told, and has shutdown_ms to end */
    TSUGA_STOP_NOW,      /* every actor ends at its executor's next safe point */
};

/**
 * Make a runtime and start its executors.
 *
 * config  NULL for all defaults; read before the call returns.
 * out     receives the runtime.
 *
 * Owner:  the caller; end it with tsuga_destroy().
 * Errors: -EINVAL a bad key or value (the log names file, line, key, value and what is allowed);
 *         -ENOENT the INI file is missing; -EPERM, -ENOSYS io_uring is refused (the log says by
 *         whom, and the remedy); -ENOMEM, -EAGAIN memory, locked memory or threads ran out.
 * Thread: any that is no executor.
 * Blocks: the thread, until the executors run.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_start(const struct tsuga_config *config,
                                          struct tsuga_runtime **out);

/**
 * Ask a runtime to stop all of its actors; tsuga_join() waits for the end.
 *
 * Owner:  nothing changes hands.
 * Errors: none; a later, stricter mode replaces an earlier one.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API void tsuga_stop(struct tsuga_runtime *runtime, enum tsuga_stop_mode mode);

/**
 * Wait until no actor is alive and every I/O heap of the dead is reclaimed or given up.
 *
 * Owner:  nothing changes hands.
 * Errors: -EDEADLK called by an executor.
 * Thread: any that is no executor.
 * Blocks: the thread.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_join(struct tsuga_runtime *runtime);

/**
 * End a runtime: stop what still runs (TSUGA_STOP_NOW), join, free everything. NULL is ignored.
 *
 * Memory that the kernel has not given back after death_ms is leaked on purpose, and the log says
 * so: freeing it would let the kernel write into its next owner. Functions of tsuga_blocking() that
 * still run are awaited without limit: a thread cannot be taken back.
 *
 * Owner:  the runtime is gone; no other thread may still use it.
 * Errors: none.
 * Thread: any that is no executor.
 * Blocks: the thread.
 */
TSUGA_API void tsuga_destroy(struct tsuga_runtime *runtime);

/* Called once per message, and meant to return. */
typedef void tsuga_behaviour_fn(struct tsuga_actor *self, const struct tsuga_message *message);

/* Runs once, when the actor starts. */
typedef void tsuga_body_fn(struct tsuga_actor *self, void *argument);

/**
 * Make a runtime, run `body` as its first actor, wait until all actors have ended, and end it.
 *
 * Owner:  `argument` stays the caller's.
 * Errors: as tsuga_start() and tsuga_spawn(); otherwise the reason with which the first actor
 *         ended.
 * Thread: any that is no executor.
 * Blocks: the thread, until the runtime has ended.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_run(const struct tsuga_config *config, tsuga_body_fn *body,
                                        void *argument);

/* Actors. */

/* Which executor a new actor begins on. Without I/O, timers or a call that blocks it may move
 * later, unless it has TSUGA_PLACE_EXECUTOR: to an idle executor, or to that of who sends it a
 * message. */
enum tsuga_placement {
    TSUGA_PLACE_DEFAULT = 0,  /* here; the least loaded one when the caller is no executor */
    TSUGA_PLACE_HERE,         /* the caller's executor */
    TSUGA_PLACE_LEAST_LOADED, /* where the fewest actors live */
    TSUGA_PLACE_EXECUTOR,     /* the one named in `executor`; the actor stays there */
};

/* What an actor is. Exactly one of `behaviour` and `body` is set. */
struct tsuga_spawn_options {
    tsuga_behaviour_fn *behaviour;   /* once per message, until the actor exits or is stopped */
    tsuga_body_fn *start;            /* before the first message; only with `behaviour` */
    tsuga_body_fn *body;             /* once; the actor ends when it returns */
    void *argument;                  /* for start or body; stays the caller's */
    size_t state_bytes;              /* zeroed memory that lives as long as the actor */
    void (*state_fini)(void *state); /* runs last when the actor ends, whatever the reason */
    const char *name;                /* for people; a string that outlives the actor, or NULL */
    uint64_t ioheap_quota;           /* 0: as configured */
    uint32_t ioheap_size_classes;    /* 0: as configured */
    uint32_t mailbox_capacity;       /* 0: as configured */
    enum tsuga_full mailbox_full;    /* 0: as configured */
    enum tsuga_placement placement;
    uint32_t executor;  /* 0 ..< threads, with TSUGA_PLACE_EXECUTOR */
    bool receives_stop; /* a stop arrives as a TSUGA_MESSAGE_STOP; the actor then has stop_ms */
};

/**
 * Make an actor and schedule its first turn.
 *
 * options  read before the call returns.
 * out      receives the actor's id; may be NULL.
 *
 * Owner:  the runtime owns the actor; the state is freed with it, after state_fini.
 * Errors: -EINVAL bad options; -ENOMEM; -ESHUTDOWN the runtime is stopping.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_spawn(struct tsuga_runtime *runtime,
                                          const struct tsuga_spawn_options *options,
                                          struct tsuga_id *out);

/**
 * Ask an actor to stop.
 *
 * An actor that is between messages ends with TSUGA_STOPPED. One that is in the middle of its
 * behaviour or body has its current or next blocking call, and all later ones, return -ECANCELED,
 * so that it can unwind. One with receives_stop goes on; after stop_ms its stack is abandoned.
 *
 * Owner:  nothing changes hands.
 * Errors: -ESRCH it has ended already.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API int tsuga_actor_stop(struct tsuga_runtime *runtime, struct tsuga_id id);

/**
 * End the calling actor now. Exit hooks run, last in first out, then state_fini. Its operations
 * are cancelled and its descriptors closed; its I/O heap is kept until the kernel's last word.
 *
 * reason  TSUGA_NORMAL, or a negative errno. -ECANCELED of an actor that is being stopped, whose
 *         calls answer that, counts as the reason of the stop.
 *
 * Owner:  whatever is registered neither as hook nor as state is the user's to lose.
 * Errors: does not return.
 * Thread: turn.
 * Blocks: does not return.
 */
TSUGA_API TSUGA_NORETURN void tsuga_exit(struct tsuga_actor *self, int reason);

/**
 * Run `hook(context)` when the actor ends, in whatever way, before hooks registered earlier.
 * A hook must not block.
 *
 * Owner:  `context` stays the caller's until the hook runs.
 * Errors: -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_on_exit(struct tsuga_actor *self, void (*hook)(void *context),
                                            void *context);

/**
 * The calling actor's own id.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API struct tsuga_id tsuga_self(const struct tsuga_actor *self);

/**
 * The calling actor's state; NULL when it was spawned without state_bytes.
 *
 * Owner:  the actor; it lives until state_fini has returned.
 * Shape:  state_bytes bytes, zeroed at the start, aligned to 16; at most 8 bytes to 8.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API void *tsuga_state(const struct tsuga_actor *self);

/**
 * The runtime that the calling actor lives in.
 *
 * Owner:  whoever started it.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API struct tsuga_runtime *tsuga_runtime_of(const struct tsuga_actor *self);

/**
 * The number of the executor that runs the calling actor, 0 ..< executor_count.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API uint32_t tsuga_executor_of(const struct tsuga_actor *self);

/**
 * Go to the back of the run queue and return in a later turn; completions are looked at between.
 *
 * Owner:  nothing changes hands; the current message stays valid.
 * Errors: -ECANCELED the actor is being stopped; -ENOBUFS no stack is left.
 * Thread: turn.
 * Blocks: yes.
 */
TSUGA_API int tsuga_yield(struct tsuga_actor *self);

/**
 * Whether the actor has used up its time slice, so that a long computation knows when to offer
 * the executor with tsuga_yield(). When it has, the completion queue is looked at.
 *
 * Owner:  nothing changes hands.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API bool tsuga_slice_used(struct tsuga_actor *self);

/* Messages. */

/* What a message is. */
enum tsuga_message_kind {
    TSUGA_MESSAGE_USER,       /* from an actor or a thread */
    TSUGA_MESSAGE_COMPLETION, /* an operation's completion */
    TSUGA_MESSAGE_STOP,       /* only for actors with receives_stop */
    TSUGA_MESSAGE_DOWN,       /* whom a monitor watches has ended */
    TSUGA_MESSAGE_EXIT,       /* a linked actor has ended; only for actors that trap exits */
    TSUGA_MESSAGE_REPLY,      /* to a request, or why there is none */
};

/*
 * Who is at the other end, and what came beside the bytes. Valid as long as the message that
 * brought the completion.
 */
struct tsuga_peer {
    const struct sockaddr *address; /* NULL: the kernel named none, as on a connected stream */
    socklen_t address_bytes;
    uint32_t flags;      /* of recvmsg(2): MSG_TRUNC, MSG_CTRUNC, MSG_EOR … */
    const void *control; /* ancillary data for CMSG_FIRSTHDR(3) and its relatives, or NULL */
    size_t control_bytes;
};

/*
 * A completion. `data`, `lease` and `peer` are valid as long as the message that brought it: until
 * the actor takes its next message, its behaviour returns, or tsuga_message_done();
 * tsuga_lease_retain() extends that for the buffer.
 */
struct tsuga_completion {
    struct tsuga_token op; /* which operation */
    int32_t result;        /* >= 0, or -errno */
    bool more;             /* the operation will bring another completion */
    bool last;             /* it will not; the token is spent */
    bool started;          /* false: nothing was done: it was not submitted, or is a member of a
                              chain that never came to it */
    bool expired;          /* its time limit, or its chain's, had passed before it ended; a result
                              >= 0 is what had been done by then, which may be all */
    bool zero_copy;        /* a send whose buffer the kernel read itself */
    bool copied;           /* it did, and copied the bytes all the same (loopback always does) */
    void *data;            /* the bytes that were read, or NULL */
    size_t bytes;          /* how many are at `data` */
    struct tsuga_lease lease; /* the buffer at `data`; for a write or send of a lease, that lease */
    uint64_t tag;             /* as given with the operation */
    void *context;            /* as given with the operation */
    const struct tsuga_peer *peer; /* RECVMSG, ACCEPT with TSUGA_OP_PEER; NULL for all others */
};

/**
 * Send bytes to an actor. The bytes are copied. Messages of one sender to one receiver arrive in
 * the order in which they were sent.
 *
 * tag    for the receiver: a kind, a request number, anything.
 * data   may be NULL when bytes is 0.
 * bytes  0 ..= 1 GiB.
 *
 * Owner:  `data` stays the caller's.
 * Errors: -ESRCH the receiver has ended; -EAGAIN its mailbox is full (policy fail); -ENOMEM;
 *         -EMSGSIZE; -ECANCELED the sender is being stopped and its wait for room ended (policy
 *         block); -ENOBUFS it would have to wait and no stack is left.
 * Thread: turn.
 * Blocks: only while the receiver's mailbox is full under policy block.
 */
TSUGA_API int tsuga_send(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag,
                         const void *data, size_t bytes);

/**
 * Send bytes to an actor from any thread; otherwise as tsuga_send().
 *
 * Owner:  `data` stays the caller's.
 * Errors: as tsuga_send(); a full mailbox under policy block answers -EAGAIN.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API int tsuga_post(struct tsuga_runtime *runtime, struct tsuga_id to, uint64_t tag,
                         const void *data, size_t bytes);

/* Timers: messages that are sent later. */

/* A message to be sent, as tsuga_send() takes it. */
struct tsuga_mail {
    struct tsuga_id to;
    uint64_t tag;
    const void *data; /* may be NULL when bytes is 0 */
    size_t bytes;     /* 0 ..= 1 GiB */
};

/**
 * Send bytes to an actor, or to oneself, after a time. The bytes are copied now, and the message's
 * memory is reserved: when its time comes it cannot fail but for the receiver's end, which makes
 * it a dead letter. A full mailbox does not refuse it. It is never early; it is late by at most
 * the executor's timer tick (65 us) and what its executor is just doing. It ends with the actor
 * that asked for it. The receiver sees it as sent by that actor.
 *
 * mail      read before the call returns.
 * delay_ns  from now; TSUGA_FOREVER: only the cancel ends it.
 * out       receives a reference for tsuga_timer_cancel(); may be NULL.
 *
 * Owner:  `mail` and its bytes stay the caller's.
 * Errors: -EINVAL, -EMSGSIZE, -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_send_after(struct tsuga_actor *self, const struct tsuga_mail *mail,
                               uint64_t delay_ns, struct tsuga_timer_ref *out);

/**
 * The same again and again, the first time after one period, until it is cancelled or the calling
 * actor ends. Periods are counted from the call and do not drift; those in which the executor was
 * held up bring one message together. A message that finds no memory, its mailbox full or its
 * receiver dead is a dead letter, and the next one is tried all the same.
 *
 * period_ns  at least 1; a period below the timer tick is one tick.
 *
 * Owner:  as tsuga_send_after().
 * Errors: as tsuga_send_after(); -EINVAL also for a period of 0.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_send_every(struct tsuga_actor *self, const struct tsuga_mail *mail,
                               uint64_t period_ns, struct tsuga_timer_ref *out);

/**
 * Cancel what tsuga_send_after() or tsuga_send_every() has armed.
 *
 * Owner:  the reference is spent.
 * Errors: 0: it had not been sent and will not be, or not again; -ENOENT the message has been
 *         sent, though it may still wait in the mailbox, or was cancelled before; -EINVAL never
 *         issued to this actor.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_timer_cancel(struct tsuga_actor *self, struct tsuga_timer_ref timer);

/*
 * Monitors and links: how actors hear of each other's end.
 *
 * They hear when the dead actor's memory and descriptors have been given back, so that what it had
 * (a port, a file's lock) can be had anew; or death_ms after its end, when the kernel holds on to
 * something, and are told which. The news waits behind the messages that the dead actor has sent
 * before. Its memory is reserved from the start, and a full mailbox does not refuse it.
 */

/* What a TSUGA_MESSAGE_DOWN or a TSUGA_MESSAGE_EXIT says. */
struct tsuga_down {
    struct tsuga_id id;           /* who has ended */
    struct tsuga_monitor monitor; /* which is spent now; zero in an EXIT */
    int reason;        /* an enum tsuga_reason, or a negative errno; -ESRCH: it had ended before, or
                          never was, and nobody knows why */
    bool is_reclaimed; /* false: death_ms have passed, and the kernel still has something of it */
};

/**
 * Watch an actor: its end, or its having ended already, brings one message of kind
 * TSUGA_MESSAGE_DOWN. The actor watched notices nothing. Two monitors of one actor bring two
 * messages.
 *
 * id   whom; not the calling actor itself.
 * tag  comes back as the message's tag.
 * out  receives the monitor's name; may be NULL.
 *
 * Owner:  the calling actor, until the message is taken, or tsuga_demonitor().
 * Errors: -EINVAL; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_monitor(struct tsuga_actor *self, struct tsuga_id id,
                                            uint64_t tag, struct tsuga_monitor *out);

/**
 * End a monitor. Its message does not come, even if it waits in the mailbox already.
 *
 * Owner:  the name is spent.
 * Errors: -ENOENT its message was taken, or it was ended before; -EINVAL it names none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_demonitor(struct tsuga_actor *self, struct tsuga_monitor monitor);

/**
 * Link two actors: when one ends with another reason than TSUGA_NORMAL the other is stopped, as by
 * tsuga_actor_stop(), and ends with the same reason. An actor that traps exits gets a
 * TSUGA_MESSAGE_EXIT instead, whatever the reason. When `id` has ended already, the reason is
 * -ESRCH. Linking twice is linking once.
 *
 * Owner:  nothing changes hands.
 * Errors: -EINVAL the calling actor itself; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_link(struct tsuga_actor *self, struct tsuga_id id);

/**
 * End a link, whoever made it. From now on the other's end does not touch the calling actor, nor
 * does a message of it that waits already; the other end hears of the unlinking a moment later.
 *
 * Owner:  nothing changes hands.
 * Errors: -ENOENT there is none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_unlink(struct tsuga_actor *self, struct tsuga_id id);

/**
 * Whether the end of a linked actor comes as a message, from now on. It does not at the start.
 *
 * Owner:  nothing changes hands.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API void tsuga_trap_exits(struct tsuga_actor *self, bool traps_exits);

/**
 * Make an actor that the calling one watches from its first moment, so that the true reason of its
 * end is heard however soon it comes.
 *
 * tag      comes back as the message's tag.
 * out      receives the actor's id; may be NULL.
 * monitor  receives the monitor's name; may be NULL.
 *
 * Owner:  as tsuga_spawn() and tsuga_monitor().
 * Errors: as tsuga_spawn().
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_spawn_monitored(struct tsuga_actor *self,
                                                    const struct tsuga_spawn_options *options,
                                                    uint64_t tag, struct tsuga_id *out,
                                                    struct tsuga_monitor *monitor);

/**
 * Make an actor that is linked to the calling one from its first moment.
 *
 * out  receives the actor's id; may be NULL.
 *
 * Owner:  as tsuga_spawn().
 * Errors: as tsuga_spawn().
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_spawn_linked(struct tsuga_actor *self,
                                                 const struct tsuga_spawn_options *options,
                                                 struct tsuga_id *out);

/*
 * Requests and replies: a message that wants an answer, and exactly one answer to it: the reply;
 * -ESRCH, when whom it was sent to has ended without one (its memory and descriptors are back
 * then, as with a monitor); or -ETIMEDOUT. What comes later is discarded and can not be taken for
 * the answer to another request. An answer waits behind the user's messages that came before it.
 */

/* Where the answer to a request goes; may be kept, and handed to another actor that answers. */
struct tsuga_reply_to {
    struct tsuga_id id; /* who asks; the zero value: nobody */
    struct tsuga_request request;
};

/* What a TSUGA_MESSAGE_REPLY says. */
struct tsuga_reply {
    struct tsuga_request request; /* which one is answered, and spent */
    int result;                   /* as given to tsuga_reply(), or -ESRCH, -ETIMEDOUT */
};

/**
 * Ask an actor and wait for its answer. Other messages stay in the mailbox meanwhile.
 *
 * mail        read before the call blocks.
 * timeout_ns  for the answer; TSUGA_FOREVER waits without limit. A wait for room in the receiver's
 *             mailbox does not count.
 * out         receives the answer as a message, for its bytes; untouched when there is none.
 *
 * Owner:  the message is the runtime's, as with tsuga_receive().
 * Errors: the result given to tsuga_reply(); -ESRCH it has ended; -ETIMEDOUT; -EDEADLK the calling
 *         actor itself; -EAGAIN its mailbox is full (policies fail and drop); -EINVAL, -EMSGSIZE,
 *         -ENOMEM; -ECANCELED the calling actor is being stopped; -ENOBUFS no stack is left.
 * Thread: turn.
 * Blocks: yes.
 */
TSUGA_API int tsuga_call(struct tsuga_actor *self, const struct tsuga_mail *mail,
                         uint64_t timeout_ns, const struct tsuga_message **out);

/**
 * Ask an actor; the answer arrives as a message of kind TSUGA_MESSAGE_REPLY with the mail's tag.
 *
 * timeout_ns  after which the answer is -ETIMEDOUT; TSUGA_FOREVER: none. A wait for room in the
 *             receiver's mailbox does not count.
 * out         receives the request's name; may be NULL.
 *
 * Owner:  the request is the calling actor's until its answer arrives.
 * Errors: as tsuga_call(), but for those of the answer; -ESRCH it has ended, and no answer comes.
 * Thread: turn.
 * Blocks: as tsuga_send().
 */
TSUGA_API TSUGA_NODISCARD int tsuga_request(struct tsuga_actor *self, const struct tsuga_mail *mail,
                                            uint64_t timeout_ns, struct tsuga_request *out);

/**
 * Give a request up: its answer does not come.
 *
 * Owner:  the name is spent.
 * Errors: -ENOENT a reply has arrived, and waits or was taken, or it was given up before;
 *         -EINVAL it names none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_request_cancel(struct tsuga_actor *self, struct tsuga_request request);

/**
 * Answer a request.
 *
 * to      from tsuga_message_reply_to().
 * result  what tsuga_call() returns; by custom >= 0, or a negative errno.
 * data    may be NULL when bytes is 0; copied.
 *
 * Owner:  `data` stays the caller's.
 * Errors: -ESRCH who has asked has ended; -EINVAL; -EMSGSIZE; -ENOMEM. 0 also when the request has
 *         its answer already, or was given up: the reply is then discarded.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_reply(struct tsuga_actor *self, struct tsuga_reply_to to, int result,
                          const void *data, size_t bytes);

/* Supervisors: actors that start others, and start them again. */

/* Who is started again when a child has ended that is to be. */
enum tsuga_strategy {
    TSUGA_ONE_FOR_ONE,  /* that child */
    TSUGA_REST_FOR_ONE, /* that child and those behind it, which are stopped at once */
    TSUGA_ONE_FOR_ALL,  /* all; those that run are stopped at once */
};

/* When a child's end is mended. */
enum tsuga_restart {
    TSUGA_PERMANENT, /* always */
    TSUGA_TRANSIENT, /* unless its reason was TSUGA_NORMAL or TSUGA_STOPPED */
    TSUGA_TEMPORARY, /* never, nor is it started again with others */
};

/* One child of a supervisor. */
struct tsuga_child_spec {
    struct tsuga_spawn_options spawn;
    enum tsuga_restart restart;
};

/* What a supervisor is. It and its children's array must outlive the supervisor. */
struct tsuga_supervisor {
    enum tsuga_strategy strategy;
    const struct tsuga_child_spec *children; /* started in this order, stopped in the reverse */
    size_t child_count;
    uint32_t restarts_max;   /* within window_ns; 0: 3. One more ends the supervisor. */
    uint64_t window_ns;      /* 0: 5 s */
    uint64_t backoff_ns;     /* before a second restart within the window (of the same child, where
                                each is restarted alone), doubled for each further one; 0: none */
    uint64_t backoff_max_ns; /* 0: no bound */
    const char *name;        /* for people; outlives the supervisor, or NULL */
};

/**
 * How to spawn a supervisor: with tsuga_spawn(), or as a child of another one.
 *
 * It starts its children, and restarts them as said. When it is stopped, or gives up because of
 * too many restarts, it stops its children, the last one first, waiting for each. It ends with
 * TSUGA_STOPPED, or with the reason of the child that was one too many (-ECHILD when that was not
 * negative), or with the error of a spawn. It is linked to its children, so that none of them
 * survives it in whatever way it ends. Its own stop has stop_ms for all of its children.
 *
 * Owner:  a value, the caller's, to be changed where it needs placement or an executor.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API struct tsuga_spawn_options tsuga_supervise(const struct tsuga_supervisor *supervisor);

/* Names: how actors find each other that did not make each other. */

#define TSUGA_NAME_BYTES_MAX 255u

/**
 * Register the calling actor under a name, until it ends or unregisters. It may have several.
 *
 * name  1 ..= TSUGA_NAME_BYTES_MAX bytes, copied.
 *
 * Owner:  `name` stays the caller's.
 * Errors: -EEXIST an actor has this name; -EINVAL; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_register(struct tsuga_actor *self, const char *name);

/**
 * Give up a name.
 *
 * Owner:  anybody may have it now.
 * Errors: -ENOENT it is no name of the calling actor.
 * Thread: turn.
 * Blocks: never.
 * Cost:   linear in the calling actor's monitors, links and names.
 */
TSUGA_API int tsuga_unregister(struct tsuga_actor *self, const char *name);

/**
 * Who has a name; the zero id when nobody has. An actor's names are gone before its monitors hear
 * of its end.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API struct tsuga_id tsuga_whereis(struct tsuga_runtime *runtime, const char *name);

/*
 * Teams: groups of actors under a name, to which one message goes at once. A team begins when its
 * first member joins, and is gone with its last; its name has nothing to do with those of actors.
 */

/**
 * Join a team, until the calling actor leaves it or ends. It may be in several.
 *
 * team  1 ..= TSUGA_NAME_BYTES_MAX bytes, copied.
 *
 * Owner:  `team` stays the caller's.
 * Errors: -EEXIST it is a member; -EINVAL; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 * Cost:   linear in the calling actor's monitors, links, names and teams.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_team_join(struct tsuga_actor *self, const char *team);

/**
 * Leave a team. What was sent to it before may still wait in the mailbox, or be just on its way.
 *
 * Owner:  nothing changes hands.
 * Errors: -ENOENT the calling actor is no member.
 * Thread: turn.
 * Blocks: never.
 * Cost:   linear in the calling actor's monitors, links, names and teams.
 */
TSUGA_API int tsuga_team_leave(struct tsuga_actor *self, const char *team);

/**
 * How many members a team has; 0 when there is none of this name. An actor's memberships are gone
 * before its monitors hear of its end.
 *
 * ids        receives the first of them, in the order in which they joined; may be NULL when
 *            count_max is 0.
 * count_max  how many ids there is room for, which may be fewer than there are members.
 *
 * Owner:  `ids` is the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 * Cost:   linear in the ids.
 */
TSUGA_API size_t tsuga_team_members(struct tsuga_runtime *runtime, const char *team,
                                    struct tsuga_id *ids, size_t count_max);

/**
 * Send bytes to all who are members of a team at one moment during the call, the calling actor
 * included if it is one. The bytes are copied once, whatever the number of members: all messages
 * show the same memory, which nobody writes to and which is freed with the last of them. What one
 * actor sends to another arrives in its order, broadcasts among the rest.
 *
 * It waits for nobody. A member whose mailbox is full, whatever its policy (block as well), that
 * has ended meanwhile, or for whose message there is no memory, does not get it: that is a dead
 * letter.
 *
 * Returns in how many mailboxes the message is; 0 when nobody is in the team.
 *
 * Owner:  `data` stays the caller's.
 * Errors: -EINVAL; -EMSGSIZE; -ENOMEM, and nobody gets it.
 * Thread: turn.
 * Blocks: never.
 * Cost:   linear in the members.
 */
TSUGA_API int tsuga_broadcast(struct tsuga_actor *self, const char *team, uint64_t tag,
                              const void *data, size_t bytes);

/* Receiving: how messages are taken, and what is in them. */

/* Which messages tsuga_receive() takes; a message must meet every condition that is set. */
struct tsuga_select {
    const struct tsuga_token *ops; /* completions of any of these */
    size_t op_count;
    bool user_only; /* what was sent: neither completions nor news of an end */
    bool by_tag;    /* only with `tag`: of messages, completions and DOWN */
    uint64_t tag;
    bool (*accepts)(const struct tsuga_message *message, void *context);
    void *context; /* for accepts */
};

/**
 * Take the first message that `select` takes; the others stay, in their order. The lanes are
 * looked at in the order stop, completions, user messages.
 *
 * select      NULL takes any message.
 * timeout_ns  0 only looks; TSUGA_FOREVER waits without limit.
 * out         receives the message.
 *
 * Owner:  the runtime; valid until the actor takes its next message or its behaviour returns,
 *         unless tsuga_message_keep() extends that. The message taken before is given back.
 * Errors: -ETIMEDOUT; -ECANCELED the actor is being stopped; -ENOBUFS no stack is left.
 * Thread: turn.
 * Blocks: yes.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_receive(struct tsuga_actor *self,
                                            const struct tsuga_select *select, uint64_t timeout_ns,
                                            const struct tsuga_message **out);

/**
 * What kind of message it is.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API enum tsuga_message_kind tsuga_message_kind(const struct tsuga_message *message);

/**
 * The tag it was sent with, or that its operation was given.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API uint64_t tsuga_message_tag(const struct tsuga_message *message);

/**
 * The bytes of a user message.
 *
 * Owner:  the message, as long as it is valid.
 * Shape:  tsuga_message_bytes() bytes, aligned to 16.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API const void *tsuga_message_data(const struct tsuga_message *message);

/**
 * How many bytes a user message has; 0 for other kinds.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API size_t tsuga_message_bytes(const struct tsuga_message *message);

/**
 * Who sent it with tsuga_send() or tsuga_broadcast(); the zero id for anything else.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API struct tsuga_id tsuga_message_from(const struct tsuga_message *message);

/**
 * The completion in a message; NULL when it is of another kind.
 *
 * Owner:  the message, as long as it is valid.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API const struct tsuga_completion *
tsuga_message_completion(const struct tsuga_message *message);

/**
 * Who has ended, and why; NULL unless the message is a TSUGA_MESSAGE_DOWN or TSUGA_MESSAGE_EXIT.
 *
 * Owner:  the message, as long as it is valid.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API const struct tsuga_down *tsuga_message_down(const struct tsuga_message *message);

/**
 * Where the answer to a user message goes; zero when it is no request.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API struct tsuga_reply_to tsuga_message_reply_to(const struct tsuga_message *message);

/**
 * Which request a TSUGA_MESSAGE_REPLY answers, and how; zero for other kinds.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API struct tsuga_reply tsuga_message_reply(const struct tsuga_message *message);

/**
 * Keep the current user message beyond the next one.
 *
 * Owner:  the actor, until tsuga_message_release() or its end.
 * Errors: -EINVAL not the current message, or not a user message (for a completion retain its
 *         lease).
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_message_keep(struct tsuga_actor *self,
                                                 const struct tsuga_message *message);

/**
 * Give back a message that was kept.
 *
 * Owner:  the message is gone.
 * Errors: -EINVAL it is not kept by this actor.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_message_release(struct tsuga_actor *self, const struct tsuga_message *message);

/**
 * Be done with the current message before the next one is taken: it is given back now, with the
 * buffer that its completion has lent or a lease that nobody took out of it. Before a long wait
 * that keeps a buffer from being filled anew.
 *
 * Owner:  the message is no longer valid, nor what hangs on it: data, peer, a lease that was not
 *         retained. One that is kept stays the actor's.
 * Errors: -ENOENT there is none: none was taken yet, or it was given back.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_message_done(struct tsuga_actor *self);

/*
 * Ports: mailboxes of the program around the runtime, for threads that are no executors.
 *
 * A port has an id, as an actor has: whoever knows it sends to it, asks it with tsuga_call(),
 * watches it, is linked to it. What arrives waits until a thread takes it: one with an event loop
 * of its own, when the port's descriptor is readable, or one that just waits. It counts as an actor
 * that is alive, so tsuga_join() waits until it is closed. When the runtime is stopped gracefully a
 * TSUGA_MESSAGE_STOP arrives, once, and messages go on arriving until the port is closed, or for
 * stop_ms at most.
 *
 * One thread at a time uses a port, but for tsuga_port_send(), tsuga_port_reply() and
 * tsuga_port_id(), which any may call. That thread may also call the functions tsuga_message_*()
 * that are given nothing but a message.
 */

/* What a port is. The zero value: unnamed, and a mailbox as configured. */
struct tsuga_port_options {
    const char *name;     /* for people; a string that outlives the port, or NULL */
    uint32_t capacity;    /* most messages that wait, as of a mailbox; up to as many again, and 256
                             at most, wait beyond it, ready to be taken. 0: as configured */
    enum tsuga_full full; /* 0: as configured */
};

/**
 * Open a port.
 *
 * options  NULL for all defaults; read before the call returns.
 * out      receives the port.
 *
 * Owner:  the caller; end it with tsuga_port_close(), before tsuga_destroy(). That ends the ports
 *         which were forgotten.
 * Errors: -EINVAL, -ENOMEM; -ESHUTDOWN the runtime is stopping.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_port_open(struct tsuga_runtime *runtime,
                                              const struct tsuga_port_options *options,
                                              struct tsuga_port **out);

/**
 * Close a port: who watches it hears of its end, with the reason TSUGA_STOPPED, and what was not
 * taken is discarded. NULL is ignored.
 *
 * Owner:  the port is gone, with the message taken last. Its descriptor is closed a moment later:
 *         take it out of the event loop before.
 * Errors: none.
 * Thread: the one that uses it.
 * Blocks: never.
 */
TSUGA_API void tsuga_port_close(struct tsuga_port *port);

/**
 * The port's id, for actors that shall send to it.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API struct tsuga_id tsuga_port_id(const struct tsuga_port *port);

/**
 * A descriptor for poll(2), epoll(7) and event loops that stand on them: readable as long as
 * messages wait, and once the port has ended. It may be readable, now and then, when none does; a
 * tsuga_port_take() that finds none puts that right.
 *
 * Owner:  the port, which makes it when it is first asked for. Nobody reads or closes it.
 * Errors: >= 0 the descriptor; -EMFILE, -ENFILE, -ENOMEM as eventfd(2).
 * Thread: the one that uses the port.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_port_fd(struct tsuga_port *port);

/**
 * Take the next message. Messages of one sender come in the order in which they were sent.
 *
 * timeout_ns  0 only looks; TSUGA_FOREVER waits without limit.
 * out         receives the message.
 *
 * Owner:  the port; valid until the next call of this function, or the port's end. The message
 *         taken before is given back, even when there is no other.
 * Errors: -ETIMEDOUT there is none; -ESHUTDOWN there will be none: the runtime has ended the port;
 *         -EDEADLK an executor would have to wait.
 * Thread: the one that uses the port.
 * Blocks: the thread, unless timeout_ns is 0.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_port_take(struct tsuga_port *port, uint64_t timeout_ns,
                                              const struct tsuga_message **out);

/**
 * The bytes of the lease that came with a message, without copying them; NULL when none did.
 *
 * bytes  receives how many; may be NULL.
 *
 * Owner:  the message, as long as it is valid. Others may have the same buffer: do not write to it.
 * Errors: none.
 * Thread: the one that uses the port.
 * Blocks: never.
 */
TSUGA_API const void *tsuga_port_lease(const struct tsuga_message *message, size_t *bytes);

/**
 * Send bytes to an actor, as tsuga_post() does, with the port as the sender: it may answer there.
 *
 * Owner:  `data` stays the caller's.
 * Errors: as tsuga_post().
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API int tsuga_port_send(struct tsuga_port *port, struct tsuga_id to, uint64_t tag,
                              const void *data, size_t bytes);

/**
 * Answer a request that an actor has made of the port, as tsuga_reply() does.
 *
 * Owner:  `data` stays the caller's.
 * Errors: as tsuga_reply().
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API int tsuga_port_reply(struct tsuga_port *port, struct tsuga_reply_to to, int result,
                               const void *data, size_t bytes);

/**
 * Watch an actor, as tsuga_monitor() does: its end arrives as a TSUGA_MESSAGE_DOWN with this tag.
 *
 * Owner:  the port.
 * Errors: -EINVAL `id` is the port itself; -ENOMEM; -ESHUTDOWN the runtime has ended the port.
 * Thread: the one that uses the port.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_port_monitor(struct tsuga_port *port, struct tsuga_id id,
                                                 uint64_t tag);

/**
 * Make an actor that the port watches from its first moment, so that the true reason of its end
 * arrives however soon it comes.
 *
 * tag  of the TSUGA_MESSAGE_DOWN.
 * out  receives the actor's id; may be NULL.
 *
 * Owner:  as tsuga_spawn().
 * Errors: as tsuga_spawn().
 * Thread: the one that uses the port.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_port_spawn(struct tsuga_port *port,
                                               const struct tsuga_spawn_options *options,
                                               uint64_t tag, struct tsuga_id *out);

/**
 * Wait for an actor's end. For many actors, or to miss no reason, open a port.
 *
 * timeout_ns  TSUGA_FOREVER waits without limit.
 * out         receives what a TSUGA_MESSAGE_DOWN would say; may be NULL. The reason is -ESRCH when
 *             the actor had ended before the call.
 *
 * Owner:  nothing changes hands.
 * Errors: -ETIMEDOUT; -ENOMEM; -EDEADLK called by an executor; -ESHUTDOWN the runtime is stopping,
 *         and may not tell any more: tsuga_join() waits for all actors' ends.
 * Thread: any that is no executor.
 * Blocks: the thread.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_actor_wait(struct tsuga_runtime *runtime, struct tsuga_id id,
                                               uint64_t timeout_ns, struct tsuga_down *out);

/*
 * Operations.
 *
 * Every call below starts one operation and returns its token at once. The result arrives as a
 * completion message, taken by the behaviour, by tsuga_receive() or by tsuga_await().
 *
 * Inputs (paths, addresses, bytes to write) are copied before the call returns, except those in a
 * lease, which is pinned instead. A call that could not submit returns a token that carries the
 * error; tsuga_await() then hands it on as the result.
 *
 * Errors that any token may carry: -ENOBUFS the I/O heap is at its quota, or the actor would have
 * to wait and no stack is left; -EMSGSIZE larger than the largest size class; -EINVAL; -EAGAIN no
 * room and TSUGA_OP_NOWAIT; -ECANCELED the actor is being stopped and would have to wait.
 */

/* Which operation. Most have a short call of the same name. */
enum tsuga_op_kind {
    TSUGA_OP_NOP,
    TSUGA_OP_OPEN,
    TSUGA_OP_CLOSE,
    TSUGA_OP_READ,
    TSUGA_OP_WRITE,
    TSUGA_OP_READV,
    TSUGA_OP_WRITEV,
    TSUGA_OP_FSYNC,
    TSUGA_OP_STATX,
    TSUGA_OP_SOCKET,
    TSUGA_OP_BIND,
    TSUGA_OP_LISTEN,
    TSUGA_OP_ACCEPT,
    TSUGA_OP_CONNECT,
    TSUGA_OP_RECV,
    TSUGA_OP_SEND,
    TSUGA_OP_RECVMSG,
    TSUGA_OP_SENDMSG,
    TSUGA_OP_SHUTDOWN,
    TSUGA_OP_POLL,
    TSUGA_OP_TIMEOUT,
    TSUGA_OP_CANCEL,
    TSUGA_OP_BLOCKING,
    TSUGA_OP_SYNC_RANGE,
    TSUGA_OP_ALLOCATE,
    TSUGA_OP_TRUNCATE,
    TSUGA_OP_ADVISE,
    TSUGA_OP_SPLICE,
    TSUGA_OP_TEE,
    TSUGA_OP_RENAME,
    TSUGA_OP_LINK,
    TSUGA_OP_UNLINK,
    TSUGA_OP_MKDIR,
    TSUGA_OP_SYMLINK,
    TSUGA_OP_GET_XATTR,
    TSUGA_OP_SET_XATTR,
    TSUGA_OP_LIST,
    TSUGA_OP_RESOLVE,
    TSUGA_OP_UPDATE,
    TSUGA_OP_RAW,
    TSUGA_OP_FUTEX_WAIT,
    TSUGA_OP_FUTEX_WAKE,
    TSUGA_OP_WAITID,
    TSUGA_OP_KIND_COUNT
};

/* Bits of struct tsuga_op.options. */
enum tsuga_op_option {
    TSUGA_OP_AT = 1 << 0,       /* use `offset`; without it the file's own position */
    TSUGA_OP_NOWAIT = 1 << 1,   /* answer -EAGAIN instead of waiting for room to submit */
    TSUGA_OP_SOME = 1 << 2,     /* send: a short count is a result; without it all bytes are sent */
    TSUGA_OP_ASYNC = 1 << 3,    /* let a kernel worker run it from the start */
    TSUGA_OP_SILENT = 1 << 4,   /* no completion message: as tsuga_forget() */
    TSUGA_OP_MULTI = 1 << 5,    /* a stream: many completions, see tsuga_recv_stream(); RAW: each
                                   completion is delivered, see tsuga_raw() */
    TSUGA_OP_SHOW_END = 1 << 6, /* a stream ends whenever the kernel ends it, and says why */
    TSUGA_OP_ZERO_COPY = 1 << 7, /* SEND: the kernel reads the buffer itself; the completion comes
                                    when it no longer needs it */
    TSUGA_OP_COPY = 1 << 8,      /* SEND: never zero copy, whatever send.zero_copy_min says */
    TSUGA_OP_EARLY = 1 << 9,     /* SEND, zero copy: two completions: one with `more` when the bytes
                                    are on their way, the last one when the buffer is free */
    TSUGA_OP_ABSOLUTE = 1 << 10, /* TIMEOUT, UPDATE: `timeout_ns` is a time of CLOCK_MONOTONIC */
    TSUGA_OP_AT2 = 1 << 11,      /* SPLICE: use `offset2`; without it the file's own position */
    TSUGA_OP_HARD = 1 << 12,     /* in a chain: the next one starts however this one ends */
    TSUGA_OP_PEER = 1 << 13,     /* accept: the completion tells the peer's address */
};

/* So many results of a RAW with TSUGA_OP_MULTI wait for the actor. */
#define TSUGA_RAW_WAITING_MAX 64u

/* Bits of struct tsuga_raw.uses. */
enum tsuga_raw_use {
    TSUGA_RAW_ADDR = 1 << 0,   /* `addr` is an offset in the lease; the kernel gets the address */
    TSUGA_RAW_ADDR2 = 1 << 1,  /* likewise `addr2` */
    TSUGA_RAW_ADDR3 = 1 << 2,  /* likewise `addr3` */
    TSUGA_RAW_FD = 1 << 3,     /* `fd` is a descriptor that the operation uses */
    TSUGA_RAW_NEW_FD = 1 << 4, /* the result is a new descriptor, which the actor then owns */
};

/*
 * A submission entry of io_uring for an operation that Tsuga has no kind for; the fields have the
 * kernel's names and meanings. Memory lies in the lease of the struct tsuga_op, and is named by
 * offsets; what it leads to in turn (a vector, a message header) lies in that lease as well. An
 * address of anything else breaks the promise of the I/O heap, and nothing can check that. The
 * entry's flags and user_data are the runtime's.
 */
struct tsuga_raw {
    uint8_t opcode; /* IORING_OP_* */
    uint8_t uses;   /* bits of enum tsuga_raw_use */
    uint16_t ioprio;
    int32_t fd;
    uint64_t addr2; /* and off */
    uint64_t addr;  /* and splice_off_in */
    uint32_t len;
    uint32_t op_flags; /* rw_flags, msg_flags, … */
    uint16_t buf_index;
    int32_t splice_fd_in; /* and file_index */
    uint64_t addr3;
    uint64_t pad2; /* the eight bytes behind addr3 */
};

/*
 * An operation in full, for tsuga_submit(). The short calls below fill it in.
 *
 * Buffers of READ, RECV, RECVMSG, LIST and GET_XATTR, the first that is set: `lease` (not copied),
 * `into` (copied when the completion is taken), otherwise the runtime makes a buffer and the
 * completion brings it. Buffers of WRITE, SEND and SET_XATTR: `lease` (not copied), otherwise
 * `data` (copied now). Those of FUTEX_WAIT, FUTEX_WAKE and RAW are leases.
 *
 * A SENDMSG's `data` is a struct msghdr. Its name, its control and what its iovecs point to are
 * copied now; with `lease` the bytes are the lease's, and msg_iovlen must be 0. A RECVMSG tells in
 * `peer` whom the bytes are from. Descriptors that come with them are the actor's from then on, as
 * if it had opened them, close-on-exec; with no actor to take them they are closed.
 *
 * With ancillary data a send may fall short of its bytes also without TSUGA_OP_SOME: the ancillary
 * data has gone with the first of them. A receive then takes no notice of MSG_WAITALL.
 */
struct tsuga_op {
    enum tsuga_op_kind kind;
    uint32_t options; /* bits of enum tsuga_op_option */
    int fd;           /* descriptor; the directory of the path in `data` (AT_FDCWD, not 0); WAITID:
                         the process, group or pidfd; SPLICE, TEE: what to read from */
    int fd2;          /* RENAME, LINK, SYMLINK: the directory of `path` (AT_FDCWD, not 0); SPLICE,
                         TEE: what to write to */
    uint32_t
        flags; /* OPEN: O_*; SEND, RECV, SENDMSG, RECVMSG: MSG_*; STATX: AT_*; POLL: poll(2) events;
                  ACCEPT: SOCK_*; SHUTDOWN: SHUT_*; FSYNC: 1 for data only;
                  SOCKET: type; LISTEN: backlog; READ, WRITE, READV, WRITEV: RWF_* of
                  preadv2(2); SYNC_RANGE: SYNC_FILE_RANGE_*; ALLOCATE: FALLOC_FL_*;
                  ADVISE: POSIX_FADV_*; SPLICE, TEE: SPLICE_F_*; RENAME: RENAME_*; LINK:
                  AT_*; UNLINK: AT_REMOVEDIR; SET_XATTR: XATTR_*; WAITID: WEXITED, … */
    uint32_t mode;    /* OPEN, MKDIR: permissions; STATX: mask; SOCKET: domain; WAITID: P_*;
                         FUTEX_*: mask of FUTEX_WAIT_BITSET, 0 for all bits */
    uint32_t resolve; /* OPEN: RESOLVE_* of openat2(2); SOCKET: protocol */
    uint64_t offset;  /* with TSUGA_OP_AT; without an option, SYNC_RANGE, ALLOCATE, ADVISE: where
                         the range begins; TRUNCATE: the new length; FUTEX_WAIT: the expected
                         value; FUTEX_WAKE: how many to wake */
    uint64_t offset2; /* SPLICE: where to write, with TSUGA_OP_AT2 */
    const void *data; /* bytes, path, sockaddr, struct msghdr, or array of struct iovec (READV,
                         WRITEV); RENAME, LINK: the old path; SYMLINK: what the link says;
                         RESOLVE: struct tsuga_question */
    const char *path; /* RENAME, LINK, SYMLINK: the new path; *_XATTR: the file, NULL for `fd` */
    const char *name; /* *_XATTR: of the attribute */
    void *into;       /* the caller's buffer; STATX: a struct statx; WAITID: a siginfo_t, or NULL.
                         Must outlive the operation; written when its completion is taken. */
    size_t bytes;     /* of data or into; READV, WRITEV: number of iovecs, 1 ..= 1024; SYNC_RANGE,
                         ALLOCATE, ADVISE, SPLICE, TEE: of the range, < 4 GiB but for ALLOCATE;
                         RAW: how many of the lease the kernel may use from each address on */
    size_t control_bytes; /* RECVMSG: room for ancillary data; 0: none, and what comes is dropped */
    struct tsuga_lease lease;
    size_t lease_offset;         /* first byte used within the lease */
    uint64_t timeout_ns;         /* 0: none. After it the operation is cancelled, and its result is
                                    what it has moved, or -ETIMEDOUT. Counts from the submission.
                                    TIMEOUT, UPDATE: the time itself. */
    struct tsuga_token target;   /* CANCEL: the operation to cancel; UPDATE: the timeout */
    void (*run)(void *argument); /* BLOCKING: called on a thread of the pool */
    void *argument;              /* BLOCKING: for run; stays the caller's */
    const struct tsuga_raw *raw; /* RAW; copied */
    uint64_t tag;                /* comes back in the completion */
    void *context;               /* comes back in the completion */
    struct tsuga_group group;    /* MULTI of RECV, RECVMSG and READ: a group of the actor's own */
    struct tsuga_sizer *sizer;   /* RECV, READ, MULTI of RECVMSG, with bytes 0: answers how many;
                                    must outlive the operation */
    struct tsuga_pool *pool;     /* READ, RECV: makes the buffer in place of the runtime; must
                                    outlive the operation */
};

/**
 * Start any operation.
 *
 * op  read before the call returns.
 *
 * Owner:  what `op` points to stays the caller's; see the fields.
 * Shape:  as the fields say; sizes in bytes, times in nanoseconds.
 * Errors: in the token: those of the operation, and those that any token may carry.
 * Thread: turn.
 * Blocks: only while there is no room to submit, and never with TSUGA_OP_NOWAIT.
 */
TSUGA_API struct tsuga_token tsuga_submit(struct tsuga_actor *self, const struct tsuga_op *op);

/**
 * Start several operations as one chain: each begins when the one before it has succeeded in full,
 * or, after one with TSUGA_OP_HARD, however that ended. When one fails or falls short otherwise,
 * those after it never begin: they complete with -ECANCELED, and `started` is false. Either all of
 * them are submitted, in one piece, or none; only a kernel that has run out of memory may take a
 * part, and then the others never begin, hard links or not.
 *
 * At a time limit whatever has not ended is cancelled. What has moved bytes completes with their
 * number, what has moved none with -ETIMEDOUT, what has not begun with -ECANCELED; `expired` is
 * true for each. What follows a hard link begins all the same, and is cancelled if it waits.
 *
 * ops         any kinds but CLOSE, CANCEL, BLOCKING and LIST, and those for which the kernel has no
 *             operation. The options of the first say whether to wait for room.
 *             Sends are never zero copy, and nothing is a stream.
 * count       1 ..= the ring's entries.
 * timeout_ns  of the whole chain, from now; 0: none. Members may have their own as well.
 * out         receives `count` tokens; each member has a completion of its own.
 *
 * Owner:  as tsuga_submit(), for each member.
 * Errors: -E2BIG longer than the queue; -EINVAL empty, or a kind that cannot be chained; otherwise
 *         those that a token may carry. `out` is then untouched.
 * Thread: turn.
 * Blocks: only while there is no room for the whole chain, and never with TSUGA_OP_NOWAIT.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_submit_chain(struct tsuga_actor *self,
                                                 const struct tsuga_op *ops, size_t count,
                                                 uint64_t timeout_ns, struct tsuga_token *out);

/**
 * The error that a token carries: 0 when the operation was submitted, otherwise -errno.
 *
 * Owner:  nothing changes hands.
 * Errors: as returned; -EINVAL no call has made this token.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API int tsuga_op_error(struct tsuga_token token);

/**
 * Wait for the next completion of one operation. An error in the token, or of the wait itself,
 * is the `result` of what is returned.
 *
 * Owner:  data and lease belong to the message behind the completion: see struct tsuga_completion.
 * Errors: in `result`: those of the operation; -ENOENT the token is spent; -EINVAL it was never
 *         issued to this actor; -ECANCELED the actor is being stopped (`last` is then false: the
 *         operation goes on until it is cancelled with its actor); -ENOBUFS no stack is left.
 * Thread: turn.
 * Blocks: yes.
 */
TSUGA_API struct tsuga_completion tsuga_await(struct tsuga_actor *self, struct tsuga_token op);

/**
 * Wait for the next completion of any of several operations.
 *
 * timeout_ns  0 only looks; TSUGA_FOREVER waits without limit.
 *
 * Owner:  as tsuga_await().
 * Errors: as tsuga_await(), and -ETIMEDOUT, with the zero token in `op`.
 * Thread: turn.
 * Blocks: yes.
 */
TSUGA_API struct tsuga_completion tsuga_await_any(struct tsuga_actor *self,
                                                  const struct tsuga_token *ops, size_t op_count,
                                                  uint64_t timeout_ns);

/**
 * Lose interest in an operation: it goes on, its completions are not delivered, its buffers are
 * given back at its last one, and a descriptor that it brings is closed.
 *
 * The descriptor that it works on has to stay open for as long: tsuga_close() sees to that.
 * close(2) may come before the kernel has been told of the operation, which then meets whatever
 * was given the number next. Where the program closes by itself, cancel the operation and await its
 * end instead.
 *
 * Owner:  the runtime.
 * Errors: -ENOENT the token is spent; -EINVAL it was never issued.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_forget(struct tsuga_actor *self, struct tsuga_token op);

/**
 * Start an operation that does nothing but complete, with result 0.
 *
 * Owner:  nothing changes hands.
 * Errors: in the token.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_nop(struct tsuga_actor *self);

/**
 * Open a file. O_CLOEXEC is added. The result is the descriptor.
 *
 * path   NUL-terminated, shorter than PATH_MAX; copied.
 * flags  O_* of open(2).
 *
 * Owner:  the actor owns the descriptor until tsuga_close(), tsuga_fd_give() or tsuga_fd_release().
 * Errors: those of openat2(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_open(struct tsuga_actor *self, const char *path, int flags);

/**
 * Open a file relative to a directory, with permissions for a file that is created.
 *
 * Owner:  as tsuga_open().
 * Errors: those of openat2(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_openat(struct tsuga_actor *self, int directory, const char *path,
                                          int flags, uint32_t mode);

/**
 * Close a descriptor that the actor owns. Operations of the actor that still use it are cancelled
 * and awaited first, so that they cannot hit a reused number.
 *
 * Owner:  the descriptor is gone, whatever the result.
 * Errors: -EBADF not owned by this actor; those of close(2).
 * Thread: turn.
 * Blocks: never for lack of room: closes have a reserve.
 */
TSUGA_API struct tsuga_token tsuga_close(struct tsuga_actor *self, int fd);

/**
 * Read at the file's position into a buffer that the runtime makes; the completion brings it.
 *
 * bytes  1 ..= the largest size class.
 *
 * Owner:  the buffer belongs to the completion message; tsuga_lease_retain() keeps it.
 * Shape:  `result` bytes at `data`, aligned to the size class.
 * Errors: those of read(2); result 0 is the end of the file.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_read(struct tsuga_actor *self, int fd, size_t bytes);

/**
 * As tsuga_read(), at an offset.
 *
 * Owner:  as tsuga_read().
 * Errors: those of pread(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_read_at(struct tsuga_actor *self, int fd, uint64_t offset,
                                           size_t bytes);

/**
 * As tsuga_read(), into the caller's memory: the bytes are copied there when the completion is
 * taken, and bytes beyond the result are left alone.
 *
 * Owner:  `into` stays the caller's and must outlive the operation.
 * Errors: those of read(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_read_into(struct tsuga_actor *self, int fd, void *into,
                                             size_t bytes);

/**
 * As tsuga_read(), into a lease, without a copy, from its first byte.
 *
 * bytes  1 ..= tsuga_lease_bytes().
 *
 * Owner:  the lease is pinned until the operation's last completion.
 * Errors: those of read(2); -ENOENT the lease is gone; -EINVAL it never was, or is too short.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_read_lease(struct tsuga_actor *self, int fd,
                                              struct tsuga_lease lease, size_t bytes);

/**
 * Receive from a socket into a buffer that the runtime makes; the completion brings it.
 *
 * Owner:  as tsuga_read().
 * Errors: those of recv(2); result 0 is the end of the stream.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_recv(struct tsuga_actor *self, int fd, size_t bytes);

/**
 * Write bytes at the file's position. They are copied now.
 *
 * Owner:  `data` stays the caller's.
 * Errors: those of write(2). The result is the number of bytes written, which may be fewer.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_write(struct tsuga_actor *self, int fd, const void *data,
                                         size_t bytes);

/**
 * As tsuga_write(), at an offset.
 *
 * Owner:  `data` stays the caller's.
 * Errors: those of pwrite(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_write_at(struct tsuga_actor *self, int fd, uint64_t offset,
                                            const void *data, size_t bytes);

/**
 * As tsuga_write(), from a lease, without a copy, from its first byte.
 *
 * Owner:  the lease is pinned until the operation's last completion.
 * Errors: those of write(2); -ENOENT the lease is gone; -EINVAL it never was, or is too short.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_write_lease(struct tsuga_actor *self, int fd,
                                               struct tsuga_lease lease, size_t bytes);

/**
 * Send bytes to a connected socket. They are copied now. On a stream all of them are sent before
 * the operation completes (MSG_WAITALL); SIGPIPE is never raised.
 *
 * Owner:  `data` stays the caller's.
 * Errors: those of send(2). The result is the number of bytes.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_send_bytes(struct tsuga_actor *self, int fd, const void *data,
                                              size_t bytes);

/**
 * As tsuga_send_bytes(), all bytes of a lease, without a copy.
 *
 * Owner:  the lease is pinned until the operation's last completion.
 * Errors: those of send(2); -ENOENT the lease is gone; -EINVAL it never was.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_send_lease(struct tsuga_actor *self, int fd,
                                              struct tsuga_lease lease);

/**
 * Read at the file's position into several buffers of the caller, written when the completion is
 * taken.
 *
 * vectors  copied now.
 * count    1 ..= 1024.
 *
 * Owner:  what `vectors` points to stays the caller's and must outlive the operation.
 * Errors: those of readv(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_readv(struct tsuga_actor *self, int fd,
                                         const struct iovec *vectors, size_t count);

/**
 * Write several buffers at the file's position. They and `vectors` are copied now.
 *
 * count  1 ..= 1024.
 *
 * Owner:  everything stays the caller's.
 * Errors: those of writev(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_writev(struct tsuga_actor *self, int fd,
                                          const struct iovec *vectors, size_t count);

/**
 * Write a file's data to its device; with data_only, without metadata that reading does not need.
 *
 * Owner:  nothing changes hands.
 * Errors: those of fsync(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fsync(struct tsuga_actor *self, int fd, bool data_only);

/**
 * Ask for a file's attributes.
 *
 * directory, path, flags, mask  as in statx(2); the path is copied.
 * out                           written when the completion is taken.
 *
 * Owner:  `out` stays the caller's and must outlive the operation.
 * Errors: those of statx(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_statx(struct tsuga_actor *self, int directory, const char *path,
                                         int flags, uint32_t mask, struct statx *out);

/*
 * Files and directories. Except for tsuga_list() and tsuga_pipe() these are the system calls of the
 * same names, carried out by a worker thread of the kernel. Paths are copied.
 */

/**
 * Set a file's length, as ftruncate(2). Where the kernel has no operation for it (before Linux
 * 6.9), a thread of the pool for blocking calls does it; it then cannot be cancelled once it runs.
 *
 * Owner:  nothing changes hands.
 * Errors: those of ftruncate(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_ftruncate(struct tsuga_actor *self, int fd, uint64_t length);

/**
 * Give a range of a file room on its device, or take it away, as fallocate(2).
 *
 * mode  FALLOC_FL_*, or 0.
 *
 * Owner:  nothing changes hands.
 * Errors: those of fallocate(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fallocate(struct tsuga_actor *self, int fd, int mode,
                                             uint64_t offset, uint64_t bytes);

/**
 * Write a range of a file's data to its device, as sync_file_range(2): no promise for metadata.
 *
 * bytes  less than 4 GiB; 0 reaches to the end of the file.
 * flags  SYNC_FILE_RANGE_*.
 *
 * Owner:  nothing changes hands.
 * Errors: those of sync_file_range(2); -EINVAL the range is too long.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_sync_file_range(struct tsuga_actor *self, int fd,
                                                   uint64_t offset, size_t bytes, uint32_t flags);

/**
 * Tell the kernel how a range of a file will be used, as posix_fadvise(2).
 *
 * bytes   less than 4 GiB; 0 reaches to the end of the file.
 * advice  POSIX_FADV_*.
 *
 * Owner:  nothing changes hands.
 * Errors: those of posix_fadvise(2), negative; -EINVAL the range is too long.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fadvise(struct tsuga_actor *self, int fd, uint64_t offset,
                                           size_t bytes, int advice);

/**
 * Rename a file, as renameat2(2).
 *
 * flags  RENAME_*, or 0.
 *
 * Owner:  `from` and `to` stay the caller's.
 * Errors: those of renameat2(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_renameat(struct tsuga_actor *self, int from_directory,
                                            const char *from, int to_directory, const char *to,
                                            uint32_t flags);

/**
 * Give a file one more name, as linkat(2).
 *
 * flags  AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, or 0.
 *
 * Owner:  `from` and `to` stay the caller's.
 * Errors: those of linkat(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_linkat(struct tsuga_actor *self, int from_directory,
                                          const char *from, int to_directory, const char *to,
                                          int flags);

/**
 * Make a symbolic link, as symlinkat(2).
 *
 * target  what the link says; need not exist.
 *
 * Owner:  `target` and `path` stay the caller's.
 * Errors: those of symlinkat(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_symlinkat(struct tsuga_actor *self, const char *target,
                                             int directory, const char *path);

/**
 * Remove a name of a file, or with AT_REMOVEDIR an empty directory, as unlinkat(2).
 *
 * Owner:  `path` stays the caller's.
 * Errors: those of unlinkat(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_unlinkat(struct tsuga_actor *self, int directory,
                                            const char *path, int flags);

/**
 * Make a directory, as mkdirat(2).
 *
 * Owner:  `path` stays the caller's.
 * Errors: those of mkdirat(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_mkdirat(struct tsuga_actor *self, int directory,
                                           const char *path, uint32_t mode);

/**
 * Move bytes from one descriptor to another, one of which is a pipe, at their own positions, as
 * splice(2). The result is the number of bytes. While it waits for a pipe it keeps a worker thread
 * of the kernel, of which there are io_workers_unbounded: wait with tsuga_poll() first where many
 * may wait. With offsets: TSUGA_OP_SPLICE.
 *
 * bytes  less than 4 GiB.
 * flags  SPLICE_F_*, or 0.
 *
 * Owner:  nothing changes hands; both descriptors are in use until the last completion.
 * Errors: those of splice(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_splice(struct tsuga_actor *self, int from, int to, size_t bytes,
                                          uint32_t flags);

/**
 * Copy bytes from one pipe to another without taking them, as tee(2); otherwise as tsuga_splice().
 *
 * Owner:  nothing changes hands; both descriptors are in use until the last completion.
 * Errors: those of tee(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_tee(struct tsuga_actor *self, int from, int to, size_t bytes,
                                       uint32_t flags);

/**
 * Read an extended attribute into a buffer that the runtime makes; the completion brings it. With
 * bytes 0 the result is the attribute's size, and there is no buffer. Of an open file:
 * tsuga_fgetxattr(). Into the caller's memory or a lease: TSUGA_OP_GET_XATTR.
 *
 * Owner:  as tsuga_read().
 * Shape:  `result` bytes at `data`.
 * Errors: those of getxattr(2): -ENODATA there is none, -ERANGE it is larger; -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_getxattr(struct tsuga_actor *self, const char *path,
                                            const char *name, size_t bytes);

/**
 * As tsuga_getxattr(), of an open file.
 *
 * Owner:  as tsuga_read().
 * Errors: those of fgetxattr(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fgetxattr(struct tsuga_actor *self, int fd, const char *name,
                                             size_t bytes);

/**
 * Set an extended attribute. Name and value are copied now.
 *
 * flags  XATTR_CREATE, XATTR_REPLACE, or 0.
 *
 * Owner:  everything stays the caller's.
 * Errors: those of setxattr(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_setxattr(struct tsuga_actor *self, const char *path,
                                            const char *name, const void *value, size_t bytes,
                                            int flags);

/**
 * As tsuga_setxattr(), of an open file.
 *
 * Owner:  everything stays the caller's.
 * Errors: those of fsetxattr(2); -ENAMETOOLONG.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fsetxattr(struct tsuga_actor *self, int fd, const char *name,
                                             const void *value, size_t bytes, int flags);

/**
 * Read entries of a directory, from the descriptor's position on, into a buffer that the runtime
 * makes; the completion brings it. The result is the number of bytes; 0 when there are no more
 * entries. tsuga_entry_next() takes them apart. io_uring has no operation for this: a thread of the
 * pool for blocking calls does it, and it cannot be cancelled once it runs.
 *
 * The position is the descriptor's: two at a time on one descriptor share the entries out.
 *
 * bytes  of the buffer; 280 hold an entry with the longest name.
 *
 * Owner:  as tsuga_read().
 * Shape:  records of getdents64(2).
 * Errors: those of getdents64(2): -ENOTDIR, -EINVAL the next entry does not fit; -ECANCELED
 *         cancelled before it started; -ENOMEM, -EAGAIN no thread could be made.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_list(struct tsuga_actor *self, int fd, size_t bytes);

/* One entry of a directory. */
struct tsuga_entry {
    uint64_t inode;
    const char *name; /* NUL-terminated, in the records that it was taken from */
    uint8_t type;     /* DT_* of readdir(3); DT_UNKNOWN where the file system does not tell */
};

/**
 * Take the next entry from what tsuga_list() has brought; "." and ".." are among them.
 *
 * data, bytes  of the completion.
 * position     0 at first; moved to the entry after this one.
 * out          receives the entry; its name lives as long as `data`.
 *
 * Owner:  nothing changes hands.
 * Errors: false: there are no more, or what follows is no record.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API bool tsuga_entry_next(const void *data, size_t bytes, size_t *position,
                                struct tsuga_entry *out);

/**
 * Make a pipe, at once and by a plain pipe2(2), which does not block. O_CLOEXEC is added.
 *
 * ends   receives the end to read from and the end to write to.
 * flags  O_DIRECT, O_NONBLOCK, or 0.
 *
 * Owner:  the actor owns both descriptors, as with tsuga_open().
 * Errors: those of pipe2(2); -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_pipe(struct tsuga_actor *self, int ends[2], int flags);

/* Sockets. */

/**
 * Make a socket. SOCK_CLOEXEC is added. The result is the descriptor.
 *
 * Owner:  the actor owns the descriptor, as with tsuga_open().
 * Errors: those of socket(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_socket(struct tsuga_actor *self, int domain, int type,
                                          int protocol);

/**
 * Give a socket its local address, which is copied.
 *
 * Owner:  `address` stays the caller's.
 * Errors: those of bind(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_bind(struct tsuga_actor *self, int fd,
                                        const struct sockaddr *address, socklen_t bytes);

/**
 * Let a socket take connections.
 *
 * Owner:  nothing changes hands.
 * Errors: those of listen(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_listen(struct tsuga_actor *self, int fd, int backlog);

/**
 * Take one connection. SOCK_CLOEXEC is added. The result is the descriptor.
 *
 * Owner:  the actor owns the descriptor, as with tsuga_open().
 * Errors: those of accept4(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_accept(struct tsuga_actor *self, int fd);

/**
 * Connect a socket to an address, which is copied.
 *
 * Owner:  `address` stays the caller's.
 * Errors: those of connect(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_connect(struct tsuga_actor *self, int fd,
                                           const struct sockaddr *address, socklen_t bytes);

/**
 * Send bytes to an address. Both are copied now.
 *
 * data     may be NULL when bytes is 0: a datagram may be empty.
 * address  NULL when the socket is connected; address_bytes is then 0.
 *
 * Owner:  everything stays the caller's.
 * Errors: those of sendto(2). The result is the number of bytes.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_sendto(struct tsuga_actor *self, int fd, const void *data,
                                          size_t bytes, const struct sockaddr *address,
                                          socklen_t address_bytes);

/**
 * Receive from a socket into a buffer that the runtime makes, and learn who sent it: the
 * completion's `peer` has the address. A datagram that is longer than the buffer is cut, and
 * `peer->flags` has MSG_TRUNC.
 *
 * Owner:  as tsuga_read().
 * Errors: those of recvmsg(2); result 0 is an empty datagram, or the end of the stream.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_recvfrom(struct tsuga_actor *self, int fd, size_t bytes);

/**
 * Send a message with all that sendmsg(2) allows. Everything it points to is copied now; its
 * msg_flags are ignored.
 *
 * message  at most 1024 iovecs.
 * flags    MSG_*; SIGPIPE is never raised.
 *
 * Owner:  everything stays the caller's. Descriptors that it carries (SCM_RIGHTS) stay the actor's:
 *         a close of one waits until the message has gone.
 * Errors: those of sendmsg(2); -EBADF it carries a descriptor that is being closed. The result is
 *         the number of bytes; see struct tsuga_op for short ones.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_sendmsg(struct tsuga_actor *self, int fd,
                                           const struct msghdr *message, int flags);

/**
 * Receive bytes and ancillary data into memory that the runtime makes; the completion's `peer` has
 * address, ancillary data and flags.
 *
 * bytes          1 ..= the largest size class.
 * control_bytes  room for ancillary data, as CMSG_SPACE(3) counts it; 0: none.
 * flags          MSG_*; MSG_CMSG_CLOEXEC is added.
 *
 * Owner:  as tsuga_read(). The actor owns the descriptors that came, as with tsuga_open();
 *         tsuga_peer_fds() lists them.
 * Errors: those of recvmsg(2); result 0 is an empty datagram, or the end of the stream.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_recvmsg(struct tsuga_actor *self, int fd, size_t bytes,
                                           size_t control_bytes, int flags);

/**
 * Send bytes and descriptors over a Unix socket. The bytes are copied now.
 *
 * fds    count of them, 1 ..= 253.
 * bytes  at least 1: a stream has nothing else to hang the descriptors on.
 *
 * Owner:  the descriptors stay the caller's, the receiver gets others for the same files. Of those
 *         that the actor owns, a close waits until they have gone.
 * Errors: those of sendmsg(2); -EBADF one is being closed. The result is the number of bytes, which
 *         may be fewer on a stream: then the descriptors have gone all the same.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fd_send(struct tsuga_actor *self, int socket, const int *fds,
                                           size_t count, const void *data, size_t bytes);

/**
 * Receive bytes, and with them at most so many descriptors. The kernel closes those beyond, and
 * `peer->flags` then has MSG_CTRUNC.
 *
 * count_max  1 ..= 253.
 *
 * Owner:  as tsuga_recvmsg().
 * Errors: those of recvmsg(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_fd_recv(struct tsuga_actor *self, int socket, size_t bytes,
                                           size_t count_max);

/**
 * The descriptors that came with a message (SCM_RIGHTS).
 *
 * peer   of the completion; may be NULL.
 * count  receives how many there are.
 *
 * Owner:  the descriptors are the actor's; the array is as valid as `peer`.
 * Shape:  *count numbers; NULL when there are none. -1 stands for one that could not be owned for
 *         lack of memory, and was closed; `peer->flags` then has MSG_CTRUNC.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API const int *tsuga_peer_fds(const struct tsuga_peer *peer, size_t *count);

/**
 * End one or both directions of a connection.
 *
 * how  SHUT_RD, SHUT_WR or SHUT_RDWR.
 *
 * Owner:  the descriptor stays open.
 * Errors: those of shutdown(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_shutdown(struct tsuga_actor *self, int fd, int how);

/**
 * Wait once for poll(2) events on a descriptor; the result is the events that are there.
 *
 * Owner:  nothing changes hands.
 * Errors: those of poll(2).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_poll(struct tsuga_actor *self, int fd, uint32_t events);

/**
 * Complete with result 0 after a time.
 *
 * Owner:  nothing changes hands.
 * Errors: -ECANCELED.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_timeout(struct tsuga_actor *self, uint64_t delay_ns);

/**
 * As tsuga_timeout(), at a time of CLOCK_MONOTONIC; at once when it has passed.
 *
 * Owner:  nothing changes hands.
 * Errors: -ECANCELED.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_timeout_at(struct tsuga_actor *self, uint64_t time_ns);

/**
 * Give a timeout that is pending a new time, counted from now (for a time of CLOCK_MONOTONIC:
 * TSUGA_OP_UPDATE with TSUGA_OP_ABSOLUTE). This operation's result is 0 when that was in time: the
 * timeout then completes once, at its new time. To remove a timeout, cancel it.
 *
 * Owner:  nothing changes hands.
 * Errors: -EALREADY too late: its time is over, or it was cancelled, and its completion is on its
 *         way; -ENOENT it has completed; -EINVAL never issued, or no timeout.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_timeout_update(struct tsuga_actor *self,
                                                  struct tsuga_token timeout, uint64_t delay_ns);

/**
 * Ask for an operation to be cancelled. This operation's result is 0 when the kernel found the
 * other one; only the other one's own completion tells how it ended, and frees its memory.
 *
 * Owner:  nothing changes hands.
 * Errors: -ENOENT it has ended already; -EINVAL never issued; -EALREADY too late to stop, or a
 *         member of a chain that has not begun: cancel the one before which it waits.
 * Thread: turn.
 * Blocks: never for lack of room: cancels have a reserve.
 */
TSUGA_API struct tsuga_token tsuga_cancel(struct tsuga_actor *self, struct tsuga_token op);

/**
 * Ask for every operation of the calling actor on a descriptor to be cancelled, forgotten and
 * silent ones included, and go on asking until they end. Other actors' operations on the same
 * descriptor go on. Each operation's own completion tells how it ended: -ECANCELED, or what it
 * did before the cancel reached it. A close that waits for the descriptor, and cancels, are left
 * alone.
 *
 * Owner:  nothing changes hands; the descriptor stays open.
 * Errors: -EBADF a negative number; otherwise how many were asked, which may be 0.
 * Thread: turn.
 * Blocks: never for lack of room: cancels have a reserve.
 * Cost:   one look at each operation of the actor.
 */
TSUGA_API int tsuga_cancel_fd(struct tsuga_actor *self, int fd);

/**
 * As tsuga_cancel_fd(), every operation of the calling actor.
 *
 * Owner:  nothing changes hands.
 * Errors: none; how many were asked, which may be 0.
 * Thread: turn.
 * Blocks: never for lack of room: cancels have a reserve.
 * Cost:   one look at each operation of the actor.
 */
TSUGA_API int tsuga_cancel_all(struct tsuga_actor *self);

/**
 * Run a function that blocks, on a thread of a bounded pool; completes with result 0 when it has
 * returned. For calls that io_uring has no operation for.
 *
 * Owner:  `argument` stays the caller's and must stay valid until `run` has returned, which may be
 *         after the actor's end.
 * Errors: -ECANCELED cancelled before it started; -EBUSY blocking_queue of them wait already;
 *         -ENOMEM, -EAGAIN no thread could be made.
 * Thread: turn. `run` is called on another thread and must not use `self`.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_blocking(struct tsuga_actor *self, void (*run)(void *argument),
                                            void *argument);

/* What a RESOLVE asks for; a field that is 0 or NULL asks for any. The strings are copied. */
struct tsuga_question {
    const char *host;    /* a name, or an address in numbers */
    const char *service; /* a name, or the number of a port */
    int family;          /* AF_INET, AF_INET6 */
    int type;            /* SOCK_STREAM, SOCK_DGRAM, … */
    int protocol;
    int flags; /* AI_* of getaddrinfo(3) */
};

/* One answer: what tsuga_socket() and tsuga_connect() or tsuga_bind() take. */
struct tsuga_resolved {
    int family;
    int type;
    int protocol;
    socklen_t bytes; /* of the address in `storage` */
    struct sockaddr_storage storage;
};

/**
 * Resolve the names of a host and a service, as getaddrinfo(3) does, on a thread of the pool of
 * tsuga_blocking(). The result is the bytes of an array of struct tsuga_resolved, best first, which
 * tsuga_addresses() reads; there are 28 at most. What is asked for in more detail is asked for with
 * a struct tsuga_question in the `data` of a TSUGA_OP_RESOLVE.
 *
 * host     NULL: the loopback address.
 * service  NULL: the port is 0. Not both are NULL.
 * type     0: one answer for each that there is.
 *
 * A name server may take a minute for its answer, and a thread waits for it: what runs cannot be
 * cancelled, and a time limit ends only what still waits for a thread. Whoever cannot wait receives
 * with a limit and forgets the token.
 *
 * Owner:  the array is the completion's, as with tsuga_read().
 * Errors: -ENOENT no such name, or it has no such address; -EAGAIN the name server does not answer
 *         now; -EREMOTEIO it fails; -EPROTONOSUPPORT no such service for this type;
 *         -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL the question; -ENAMETOOLONG; -ENOMEM; -EILSEQ a
 *         name that cannot be encoded; those of tsuga_blocking(), and what the system says.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_resolve(struct tsuga_actor *self, const char *host,
                                           const char *service, int type);

/* The answers in a completion of a RESOLVE, and how many; none when it has failed. */
static inline const struct tsuga_resolved *tsuga_addresses(const struct tsuga_completion *got,
                                                           size_t *count)
{
    *count = got->result > 0 ? got->bytes / sizeof(struct tsuga_resolved) : 0;
    return (const struct tsuga_resolved *)got->data;
}

/**
 * Submit an entry that Tsuga has no kind of operation for. It is tracked, cancelled and awaited
 * like any other, and the lease is pinned until its last completion, which is the one that is
 * delivered: of earlier ones (those with IORING_CQE_F_MORE) nobody hears, and with TSUGA_RAW_NEW_FD
 * their descriptors are closed.
 *
 * TSUGA_OP_RAW with TSUGA_OP_MULTI delivers them all, in order; those before the last one have
 * `more`, and no lease. The entry is not started anew, and cannot rest. With TSUGA_RAW_NEW_FD any
 * number of them waits for the actor; otherwise TSUGA_RAW_WAITING_MAX. If there are more, those
 * are lost, the entry is cancelled, and its last completion says -EOVERFLOW.
 *
 * raw           copied.
 * lease         what the addresses of `raw` refer to; the zero lease when it has none.
 * bytes         how many from each address on the kernel may use: the caller vouches for that.
 *
 * Owner:  the lease stays the caller's; a result that is a descriptor is the actor's with
 *         TSUGA_RAW_NEW_FD, otherwise nobody's.
 * Errors: those of the operation, -EINVAL when the kernel does not know it; -EOVERFLOW, with
 *         TSUGA_OP_MULTI; -EINVAL an address without a lease or beyond its end, or an operation
 *         that would break the runtime's books (those that close descriptors, cancel or update
 *         others, lend buffers to the ring, or write to other rings); -ENOENT the lease is gone.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_raw(struct tsuga_actor *self, const struct tsuga_raw *raw,
                                       struct tsuga_lease lease, size_t bytes);

/**
 * Wait while a word has a value, until it is woken by tsuga_futex_wake() or by a plain private
 * futex(2) on its address. The word lies in a lease, so that it can neither move nor be freed.
 *
 * word      32 bits at `offset` bytes in the lease, a multiple of 4.
 * expected  when the word has another value, the result is -EAGAIN at once.
 *
 * Owner:  the lease is pinned until the operation's last completion.
 * Errors: those of futex(2); -EINVAL no place for a word; -ENOENT the lease is gone; -EOPNOTSUPP
 *         the kernel cannot (before Linux 6.7).
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_futex_wait(struct tsuga_actor *self, struct tsuga_lease lease,
                                              size_t offset, uint32_t expected);

/**
 * Wake some of those that wait for a word, as FUTEX_WAKE of futex(2). The result is how many.
 *
 * Owner:  as tsuga_futex_wait().
 * Errors: as tsuga_futex_wait().
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_futex_wake(struct tsuga_actor *self, struct tsuga_lease lease,
                                              size_t offset, uint32_t count);

/**
 * Wait for a child process, as waitid(2).
 *
 * idtype   P_PID, P_PIDFD, P_PGID or P_ALL.
 * out      a siginfo_t, written when the completion is taken, or NULL.
 * options  WEXITED, WSTOPPED, WNOHANG, ….
 *
 * Owner:  `out` stays the caller's and must outlive the operation.
 * Errors: those of waitid(2); -EOPNOTSUPP the kernel cannot (before Linux 6.7): a thread of the
 *         pool is no substitute, because it could be held for ever.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_waitid(struct tsuga_actor *self, int idtype, int id, void *out,
                                          int options);

/*
 * Streams: operations that go on after their first completion. Each completion but the last one has
 * `more`; the last one has `last`, and brings nothing but how the stream ended: 0 at the end of
 * what it reads, -ECANCELED, or another error. Completions of one stream keep their order, and wait
 * in the stream however many there are: nothing is allocated when they arrive, nothing is lost.
 *
 * Receiving streams take their buffers from groups, rings of buffers that the kernel takes from
 * when data is there: by default from the executor's, which all of its actors share, so that idle
 * connections hold no buffer. What a completion brings is lent: it goes back with the message, or
 * with the last reference to its lease. While a group is empty its streams wait, and their data
 * stays in the socket. An actor that holds more than receive.lent_max bytes, or its quota, has its
 * own streams wait, nobody else's.
 *
 * The kernel ends multishot operations for many reasons. The runtime starts them anew when the
 * cause has gone; with TSUGA_OP_SHOW_END it ends the stream instead.
 *
 * tsuga_forget() cancels a stream.
 */

/**
 * Receive what comes from a socket, as a stream of lent buffers. On a datagram socket each
 * completion is a datagram, cut to the buffer's size, and an empty one is a completion of 0 bytes
 * with `more`.
 *
 * Owner:  each buffer belongs to its completion message; tsuga_lease_retain() keeps it.
 * Shape:  `result` bytes at `data`; buffers of the sizer's choice, see receive.sizer.
 * Errors: those of recv(2), as the last completion.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_recv_stream(struct tsuga_actor *self, int fd);

/**
 * Receive messages with their addresses and ancillary data, as a stream of lent buffers: the
 * completions' `peer` has what came beside the bytes. It lies in the same buffer, 144 bytes and the
 * room for ancillary data, before those that `data` and the lease show. A message that is longer
 * than the rest of its buffer is cut, and `peer->flags` has MSG_TRUNC; the result is what has come,
 * also with MSG_TRUNC among the flags.
 *
 * bytes          the longest message; 0: the sizer's choice, and longer ones are cut.
 * control_bytes  room for ancillary data, as CMSG_SPACE(3) counts it; 0: none.
 * flags          MSG_*; MSG_CMSG_CLOEXEC is added.
 *
 * Owner:  as tsuga_recv_stream(). Descriptors that come are the actor's from their arrival on, as
 *         with tsuga_recvmsg(); those of completions that nobody takes are closed.
 * Errors: those of recvmsg(2), as the last completion; -EMSGSIZE no buffer is that large.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_recvmsg_stream(struct tsuga_actor *self, int fd, size_t bytes,
                                                  size_t control_bytes, int flags);

/**
 * Read what comes from a pipe, a terminal, or another file that is read in order, as a stream of
 * lent buffers.
 *
 * Owner:  as tsuga_recv_stream().
 * Errors: those of read(2), as the last completion.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_read_stream(struct tsuga_actor *self, int fd);

/**
 * Take connections as they come. SOCK_CLOEXEC is added. Each result is a descriptor.
 *
 * Out of descriptors (-EMFILE, -ENFILE) the stream tries again until there are some.
 *
 * Owner:  the actor owns each descriptor, as with tsuga_open(), from its completion's arrival on.
 * Errors: those of accept4(2), as the last completion.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_accept_stream(struct tsuga_actor *self, int fd);

/**
 * Learn of poll(2) events on a descriptor whenever they come. What comes before the actor takes the
 * completion is merged into it.
 *
 * Owner:  nothing changes hands.
 * Errors: those of poll(2), as the last completion. POLLERR, POLLHUP and POLLNVAL end the stream,
 *         and are its last result.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_poll_stream(struct tsuga_actor *self, int fd, uint32_t events);

/**
 * Complete again and again. Each result is how many periods have passed since the one before it;
 * none is forgotten, and the nth comes n periods after the start, however late the actor is.
 *
 * period_ns  at least 1.
 *
 * Owner:  nothing changes hands.
 * Errors: -EINVAL; -ECANCELED as the last completion.
 * Thread: turn.
 * Blocks: only while there is no room to submit.
 */
TSUGA_API struct tsuga_token tsuga_timeout_stream(struct tsuga_actor *self, uint64_t period_ns);

/**
 * Let a stream rest: what has arrived is still delivered, and what the kernel had taken up already;
 * everything else stays where it is. No system call of its own.
 *
 * Owner:  nothing changes hands.
 * Errors: -ENOENT the token is spent; -EINVAL never issued, or no stream.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_stream_pause(struct tsuga_actor *self, struct tsuga_token stream);

/**
 * Let a stream that rests go on.
 *
 * Owner:  nothing changes hands.
 * Errors: as tsuga_stream_pause().
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_stream_resume(struct tsuga_actor *self, struct tsuga_token stream);

/* A group of the actor's own, for streams that shall not compete with others for buffers. */
struct tsuga_group_options {
    size_t buffer_bytes;   /* rounded up to a size class */
    uint32_t buffer_count; /* power of two, 2 ..= 32768: the current message keeps one */
    /* The kernel fills each buffer piece by piece until it is full, however small the pieces, so
     * that many small ones wait in few buffers. A completion brings what has come into one buffer
     * since the one before, as a slice of it; the buffer is filled anew when all of its slices are
     * gone. For bytes without boundaries (any socket but SOCK_STREAM: -EINVAL in the token), and
     * for one stream at a time, until its last completion is taken (-EBUSY). A completion with
     * -ENOMEM and `more` says that there was no memory for the slice: the next one brings the
     * bytes. Where the kernel cannot (before Linux 6.12), each piece takes a buffer. */
    bool incremental;
};

/**
 * Make a group of buffers in the actor's I/O heap.
 *
 * Owner:  the actor; it goes with tsuga_group_release(), or with the actor.
 * Errors: -EINVAL; -EMSGSIZE; -ENOBUFS the heap is at its quota; -ENOMEM; -ENOSPC the executor has
 *         1,024 groups.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_group_make(struct tsuga_actor *self,
                                               const struct tsuga_group_options *options,
                                               struct tsuga_group *out);

/**
 * Give a group back. Buffers that are still lent follow when they come back.
 *
 * Owner:  the group is gone.
 * Errors: -EBUSY a stream uses it; -EINVAL not a group of this actor.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_group_release(struct tsuga_actor *self,
                                                  struct tsuga_group group);

/*
 * A receive sizer answers how many bytes the next receive shall ask for, and hears what the last
 * one brought. It only returns a number: the memory stays the runtime's, which may round up to a
 * size class. One sizer serves one connection; it lives in the user's memory, and is called in the
 * actor's turns.
 */
struct tsuga_sizer {
    size_t (*next)(struct tsuga_sizer *sizer);
    void (*heard)(struct tsuga_sizer *sizer, size_t asked, size_t got); /* may be NULL */
    size_t bytes_wanted; /* least that the next receive shall ask for; set it when you know more */
    size_t bytes;        /* of the built-in ones: what they ask for now */
    size_t bytes_min;
    size_t bytes_max;
    uint32_t small_count; /* receives in a row that half of it would have held */
    bool is_all;          /* set before `heard` is called: of a stream, what it has brought so far
                             ends with these bytes; otherwise there is more, or nobody knows */
    void *context;        /* the user's */
};

/**
 * A sizer that always asks for the same.
 *
 * bytes  1 ..= the largest size class.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API struct tsuga_sizer tsuga_sizer_fixed(size_t bytes);

/**
 * A sizer that doubles after a receive that filled its buffer and was not all there was, and halves
 * after several in a row that less than half of it would have held. It starts with bytes_min.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API struct tsuga_sizer tsuga_sizer_adaptive(size_t bytes_min, size_t bytes_max);

/*
 * A user's allocator over leases. Reads and receives that name a pool get their buffer from it: a
 * lease, as a rule a slice of a larger one, to which the read gives back its own reference when the
 * completion's message goes. See examples/pools.c for two of them.
 */
struct tsuga_pool {
    /* A lease of at least `bytes` bytes with a reference for the caller. 0 or -errno, which the
     * operation's token then carries. */
    int (*take)(struct tsuga_pool *pool, struct tsuga_actor *self, size_t bytes,
                struct tsuga_lease *out);
    void *context; /* the user's */
};

/* Leases. */

/**
 * Make a buffer in the actor's I/O heap.
 *
 * bytes  1 ..= the largest size class; rounded up to a size class.
 * out    receives the lease.
 *
 * Owner:  the actor; it goes with tsuga_lease_release(), or with the actor.
 * Shape:  contiguous, aligned to its size class, contents undefined.
 * Errors: -EINVAL; -EMSGSIZE; -ENOBUFS the heap is at its quota.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_lease_make(struct tsuga_actor *self, size_t bytes,
                                               struct tsuga_lease *out);

/**
 * Where a lease's buffer is; NULL for a lease that is not valid.
 *
 * Owner:  the lease.
 * Shape:  tsuga_lease_bytes() bytes.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API void *tsuga_lease_data(struct tsuga_actor *self, struct tsuga_lease lease);

/**
 * How large a lease's buffer is: the bytes asked for, or, of a read into a buffer of the runtime's,
 * those that came. 0 for a lease that is not valid.
 *
 * Owner:  a value, the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API size_t tsuga_lease_bytes(struct tsuga_actor *self, struct tsuga_lease lease);

/**
 * Count one more reference to a lease.
 *
 * Owner:  the actor; each retain is paired with one release.
 * Errors: -ENOENT the lease is gone; -EINVAL it never was.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_lease_retain(struct tsuga_actor *self,
                                                 struct tsuga_lease lease);

/**
 * Count one reference less. The buffer is reused when the last reference and the last operation
 * on it are gone.
 *
 * Owner:  the caller's reference is gone.
 * Errors: -ENOENT the lease is gone, or all references are completions' own; -EINVAL it never was.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API int tsuga_lease_release(struct tsuga_actor *self, struct tsuga_lease lease);

/* A part of a lease. */
struct tsuga_slice {
    size_t offset; /* with bytes, within tsuga_lease_bytes() of the whole */
    size_t bytes;  /* at least 1 */
    /* Called with `context` once, when nothing uses the slice any more: no reference, no slice of
     * it, no message, no operation. NULL: nobody wants to know. It runs on the actor's executor,
     * perhaps after the actor's end, and must not call the library. */
    void (*released)(void *context);
    void *context;
};

/**
 * Make a lease of a part of another one. It keeps the whole alive.
 *
 * slice  read before the call returns.
 *
 * Owner:  the actor, as with tsuga_lease_make().
 * Errors: -EINVAL not within `whole`, or `whole` never was; -ENOENT it is gone; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_lease_slice(struct tsuga_actor *self, struct tsuga_lease whole,
                                                const struct tsuga_slice *slice,
                                                struct tsuga_lease *out);

/**
 * Get a lease with the same bytes that may be written to: the same one when nothing else uses it,
 * otherwise a copy in the actor's I/O heap. Operations in flight, other references, slices and
 * other actors keep the bytes that they had.
 *
 * out  receives the lease; the caller's reference to `lease` has become one to it.
 *
 * Owner:  the caller's reference; a completion keeps its own, and a copy is then one more.
 * Errors: -ENOENT the lease is gone; -EINVAL it never was; -EMSGSIZE; -ENOBUFS; -ENOMEM. The
 *         reference is then unchanged.
 * Thread: turn.
 * Blocks: never.
 * Cost:   linear in the bytes when they are copied.
 */
TSUGA_API TSUGA_NODISCARD int
tsuga_lease_writable(struct tsuga_actor *self, struct tsuga_lease lease, struct tsuga_lease *out);

/**
 * As tsuga_send(), and a lease goes along, not copied. The message has a reference of its own; the
 * receiver gets it with tsuga_message_lease(), on whichever executor it lives. Both see the same
 * bytes: whoever wants to write uses tsuga_lease_writable() first.
 *
 * Owner:  the sender keeps its own reference. The bytes stay where they are, even after its end,
 *         until the last reference is gone.
 * Errors: as tsuga_send(); -ENOENT the lease is gone; -EINVAL it never was.
 * Thread: turn.
 * Blocks: only while the receiver's mailbox is full under policy block.
 */
TSUGA_API int tsuga_send_with_lease(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag,
                                    const void *data, size_t bytes, struct tsuga_lease lease);

/**
 * Take the lease out of a message that brought one.
 *
 * Owner:  the caller's reference; unless it is taken, it goes with the message.
 * Errors: -ENOENT the message brought none, or it was taken; -EINVAL neither the actor's current
 *         message nor one that it keeps; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_message_lease(struct tsuga_actor *self,
                                                  const struct tsuga_message *message,
                                                  struct tsuga_lease *out);

/* Descriptors. What an actor owns is closed when it ends. */

/**
 * Take ownership of a descriptor that came from elsewhere. While an actor owns a descriptor, its
 * number does not come to mean another file, as by dup2(2).
 *
 * Owner:  the actor, on success.
 * Errors: -EBADF not open; -EBUSY owned by an actor already; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_fd_adopt(struct tsuga_actor *self, int fd);

/**
 * Give a descriptor to the program at large: no actor's end closes it.
 *
 * Owner:  the caller, on success.
 * Errors: -EBADF not owned by this actor; -EBUSY operations of this actor still use it.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_fd_release(struct tsuga_actor *self, int fd);

/**
 * Hand a descriptor to another actor.
 *
 * Owner:  `to`, on success; were it to end first, its end closes the descriptor.
 * Errors: -EBADF not owned by this actor; -EBUSY operations of this actor still use it; -ESRCH
 *         the receiver has ended; -ENOMEM.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_fd_give(struct tsuga_actor *self, int fd, struct tsuga_id to);

/* Statistics. */

/* One I/O heap, or a sum over heaps. */
struct tsuga_heap_stats {
    uint64_t allocs[TSUGA_CLASS_COUNT];   /* blocks handed out, by class of 2^(6+i) bytes */
    uint64_t live_max[TSUGA_CLASS_COUNT]; /* most alive at once; of several heaps the largest */
    uint64_t live_bytes;
    uint64_t live_bytes_max;    /* of several heaps the largest */
    uint64_t segment_bytes;     /* of segments held */
    uint64_t segment_bytes_max; /* most held at once; of several heaps the largest */
    uint64_t high_water_bytes;  /* furthest byte ever handed out; of several heaps the largest */
    uint64_t free_bytes;        /* free inside segments */
    uint64_t free_span_max;     /* largest free span; fragmentation is 1 - span / free */
};

/* Counters since the start. Read together, they are not of one instant; ops_inflight, enters,
 * overflows and stacks are as of each executor's last look at the world outside. */
struct tsuga_stats {
    uint32_t executor_count;
    uint64_t actors_alive;
    uint64_t actors_spawned;
    uint64_t actors_ended;
    uint64_t orphans; /* I/O heaps of the dead that wait for the kernel */
    uint64_t messages_sent;
    uint64_t dead_letters; /* user messages that reached nobody: see struct tsuga_dead_letter */
    uint64_t turns;
    uint64_t turns_overrun; /* that computed longer than watchdog_us, or were blocked so long */
    uint64_t steals;        /* actors that moved to an idle executor, or to who called them */
    uint64_t ops_submitted;
    uint64_t ops_completions; /* operations that have ended */
    uint64_t ops_suspended;   /* times an actor waited for room to submit */
    uint64_t ops_inflight;
    uint64_t enters;               /* system calls that entered a ring */
    uint64_t overflows;            /* times the completion queue was full */
    uint64_t copied_bytes;         /* into and out of I/O heaps on behalf of users */
    uint64_t wakes;                /* sleeping executors woken by others */
    uint64_t allocations;          /* calls of the general allocator by the runtime */
    uint64_t stacks;               /* stacks in use */
    uint64_t leaked_heaps;         /* given up after death_ms, and still the kernel's */
    uint64_t descriptors;          /* owned by actors */
    uint64_t ops_fixed;            /* operations that used registered memory */
    uint64_t registered_arenas;    /* that are pinned now */
    uint64_t registered_bytes;     /* likewise, or about to be */
    uint64_t registered_refusals;  /* times that a limit or the kernel was in the way, of zero-copy
                                      sends, too */
    uint64_t locked_ring_bytes;    /* what rings are charged with */
    uint64_t locked_group_bytes;   /* what the queues of lent buffers are charged with */
    uint64_t blocking_threads;     /* for calls that block */
    uint64_t blocking_queued;      /* calls that wait for one */
    uint64_t blocking_running;     /* calls that run on one */
    uint64_t blocking_done;        /* calls that have run */
    uint64_t blocking_cancelled;   /* before they started */
    uint64_t blocking_refused;     /* the queue was full, or there was no thread */
    struct tsuga_heap_stats heaps; /* of the actors that have ended */
};

/**
 * Read the counters of a runtime.
 *
 * Owner:  `out` is the caller's.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API void tsuga_stats_read(struct tsuga_runtime *runtime, struct tsuga_stats *out);

/**
 * Write the counters of a runtime as Prometheus text (exposition format 0.0.4).
 *
 * Owner:  `stream` is the caller's.
 * Errors: -EIO.
 * Thread: any.
 * Blocks: the thread, as the stream does.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_stats_write(struct tsuga_runtime *runtime, FILE *stream);

/**
 * Read the calling actor's own I/O heap; all zero before its first operation.
 *
 * Owner:  `out` is the caller's.
 * Errors: none.
 * Thread: turn.
 * Blocks: never.
 */
TSUGA_API void tsuga_heap_stats_read(struct tsuga_actor *self, struct tsuga_heap_stats *out);

#ifdef __cplusplus
}
#endif

#endif
