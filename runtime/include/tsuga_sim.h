/*
 * Tsuga in a simulated world: the whole runtime, unchanged, on a kernel in memory, a clock that
 * stands still while nobody looks, and a scheduler that a seed decides, all on the calling thread.
 * The same seed gives the same run, bit for bit, so a test that failed once fails again.
 *
 *     struct tsuga_sim_options options = {.seed = 7};
 *     tsuga_sim_make(&options, &sim);
 *     tsuga_sim_start(sim, NULL, &runtime);
 *     tsuga_spawn(runtime, ...);
 *     tsuga_join(runtime);             virtual time: it returns as soon as the last actor has ended
 *     tsuga_destroy(runtime);
 *     tsuga_sim_destroy(sim);          checks that nothing was lost, and nothing leaked
 *
 * Several runtimes may live in one world, and talk with each other over its network. Descriptors of
 * a world are numbers that no real one has; real ones mean nothing in it.
 *
 * What the simulated kernel checks, beside the rules of the program under test: a request ends
 * exactly once; memory that it may write to is written to by nobody else, and memory that it reads
 * does not change, from the submission to the last result; no two requests own the same byte;
 * memory that is pinned is not given back before the kernel has told that it is no more; every
 * request in flight belongs to a live operation; nothing waits for ever. A violation prints the
 * seed, the step, what was violated and the last 200 events, and ends the process.
 *
 * Thread: everything here, and every call for a runtime of a world, belongs to the thread that made
 * the world.
 */
#ifndef TSUGA_SIM_H
#define TSUGA_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tsuga.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tsuga_sim;

/* What can go wrong, or another way than usual. */
enum tsuga_sim_fault {
    TSUGA_SIM_EINTR,      /* a wait in the ring ends early */
    TSUGA_SIM_EAGAIN,     /* the ring takes nothing */
    TSUGA_SIM_EBUSY,      /* likewise */
    TSUGA_SIM_PARTIAL,    /* the ring takes only some of what is queued */
    TSUGA_SIM_CQ_FULL,    /* the completion queue has no room, though it has */
    TSUGA_SIM_SHORT,      /* a read, write, receive or send moves fewer bytes than it could */
    TSUGA_SIM_WORKER,     /* a request is carried out by a kernel worker */
    TSUGA_SIM_SLOW,       /* a device takes its time */
    TSUGA_SIM_EIO,        /* a file cannot be read or written */
    TSUGA_SIM_ENOSPC,     /* the disk is full */
    TSUGA_SIM_ENOMEM,     /* the kernel has no memory for a request */
    TSUGA_SIM_EMFILE,     /* no descriptor is left */
    TSUGA_SIM_NO_BUFFERS, /* a group looks empty, though it is not */
    TSUGA_SIM_END,        /* a multishot request ends, for no reason that is told */
    TSUGA_SIM_LOST_END,   /* a multishot receive is not told of the end of its stream */
    TSUGA_SIM_RESET,      /* a connection breaks */
    TSUGA_SIM_REFUSE,     /* a connection is refused */
    TSUGA_SIM_STALL,      /* a connection moves nothing for a while */
    TSUGA_SIM_LOSS,       /* a datagram is lost */
    TSUGA_SIM_CANCEL,     /* a cancel finds nothing, and the request goes on */
    TSUGA_SIM_NO_ZC,      /* a zero-copy send is not supported on this socket */
    TSUGA_SIM_REGISTER,   /* memory, files or a group of buffers cannot be registered at all */
    TSUGA_SIM_MEMLOCK,    /* locked memory is short: to register, or to send without a copy */
    TSUGA_SIM_RING,       /* a ring cannot have the size that was asked for: likewise */
    TSUGA_SIM_MEMORY,     /* the general allocator has nothing */
    TSUGA_SIM_THREAD,     /* a thread cannot be made */
    TSUGA_SIM_PAUSE,      /* an executor gets no processor for a while */
    TSUGA_SIM_STOP,       /* somebody asks an actor to stop */
    TSUGA_SIM_KILL,       /* an actor ends at once, as after stop_ms */
    TSUGA_SIM_FAULT_COUNT
};

/* What a world is like. The zero value: seed 0, no faults. */
struct tsuga_sim_options {
    uint64_t seed;
    uint32_t faults[TSUGA_SIM_FAULT_COUNT]; /* how often, of a million opportunities */
    uint64_t steps_max;   /* a run that goes on longer has failed; default: none */
    uint64_t check_steps; /* all structures are walked after so many; default 512 */
    FILE *timeline;       /* every event, one a line; NULL: none */
    /* Called instead of printing and ending the process. Must not return. */
    void (*failed)(void *context, const char *what);
    void *context; /* for failed; must outlive the world */
};

/* How a world did. */
struct tsuga_sim_verdict {
    uint64_t steps;       /* events and decisions so far */
    uint64_t hash;        /* over every event: two runs with one hash were the same */
    uint64_t time_ns;     /* that has passed */
    uint64_t requests;    /* that the rings have taken */
    uint32_t descriptors; /* that are open */
    uint64_t opportunities[TSUGA_SIM_FAULT_COUNT]; /* of faults, so far */
    uint64_t faults[TSUGA_SIM_FAULT_COUNT];        /* that have happened */
};

/**
 * Make a world.
 *
 * options  read before the call returns; NULL: seed 0, no faults.
 *
 * Owner:  the caller; end it with tsuga_sim_destroy().
 * Errors: -EINVAL; -ENOMEM.
 * Thread: any that is no executor; the world belongs to it.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_sim_make(const struct tsuga_sim_options *options,
                                             struct tsuga_sim **out);

/**
 * End a world: its runtimes have been destroyed. Checks that all of their memory is back.
 *
 * Owner:  the world is gone. NULL is ignored.
 * Errors: none.
 * Thread: the world's.
 * Blocks: never.
 */
TSUGA_API void tsuga_sim_destroy(struct tsuga_sim *sim);

/**
 * As tsuga_start(), in a world. Signals and pinning are off there.
 *
 * Owner:  the caller; end it with tsuga_destroy(), before the world.
 * Errors: as tsuga_start().
 * Thread: the world's.
 * Blocks: the thread; the world goes on.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_sim_start(struct tsuga_sim *sim,
                                              const struct tsuga_config *config,
                                              struct tsuga_runtime **out);

/**
 * Let the world go on for so many steps, or until nothing happens any more, which is told by true:
 * everybody waits, and for nothing that has a time.
 *
 * Owner:  nothing changes hands.
 * Errors: none.
 * Thread: the world's.
 * Blocks: the thread; the world goes on.
 */
TSUGA_API bool tsuga_sim_run(struct tsuga_sim *sim, uint64_t steps);

/**
 * Let so much time of the world pass.
 *
 * Owner:  nothing changes hands.
 * Errors: none.
 * Thread: the world's.
 * Blocks: the thread; the world goes on.
 */
TSUGA_API void tsuga_sim_sleep(struct tsuga_sim *sim, uint64_t time_ns);

/**
 * Decide that a fault happens at its nth opportunity from the beginning, 1 being the first,
 * whatever the options say.
 *
 * Owner:  nothing changes hands.
 * Errors: -EINVAL; -ENOMEM.
 * Thread: the world's.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_sim_force(struct tsuga_sim *sim, enum tsuga_sim_fault fault,
                                              uint64_t nth);

/**
 * How likely a fault is from now on, of a million opportunities.
 *
 * Owner:  nothing changes hands.
 * Errors: none.
 * Thread: the world's.
 * Blocks: never.
 */
TSUGA_API void tsuga_sim_set_fault(struct tsuga_sim *sim, enum tsuga_sim_fault fault,
                                   uint32_t per_million);

/**
 * A fault's name, as the program `sim` knows it; NULL for a number that is none.
 *
 * Owner:  a constant.
 * Errors: none.
 * Thread: any.
 * Blocks: never.
 */
TSUGA_API const char *tsuga_sim_fault_name(enum tsuga_sim_fault fault);

/**
 * Put a file into the world's file system; what was there under this name is replaced. Directories
 * on the way are made.
 *
 * path  absolute.
 *
 * Owner:  `data` stays the caller's.
 * Errors: -EINVAL; -ENOTDIR; -EISDIR.
 * Thread: the world's.
 * Blocks: never.
 */
TSUGA_API TSUGA_NODISCARD int tsuga_sim_put_file(struct tsuga_sim *sim, const char *path,
                                                 const void *data, size_t bytes);

/**
 * Read a file of the world's file system, from its beginning.
 *
 * out  receives at most `bytes` bytes.
 *
 * Owner:  `out` is the caller's.
 * Errors: >= 0 how many bytes the file has; -ENOENT, -ENOTDIR, -EISDIR.
 * Thread: the world's.
 * Blocks: never.
 */
TSUGA_API int64_t tsuga_sim_get_file(struct tsuga_sim *sim, const char *path, void *out,
                                     size_t bytes);

/**
 * Write something of the program under test into the trace, and so into its hash.
 *
 * Owner:  nothing changes hands.
 * Errors: none.
 * Thread: the world's; also in a turn.
 * Blocks: never.
 */
TSUGA_API void tsuga_sim_note(struct tsuga_sim *sim, int64_t a, int64_t b);

/**
 * End the run as failed: the program under test has violated a rule of its own.
 *
 * Owner:  nothing changes hands.
 * Errors: does not return.
 * Thread: the world's; also in a turn.
 * Blocks: does not return.
 */
TSUGA_API TSUGA_NORETURN void tsuga_sim_fail(struct tsuga_sim *sim, const char *what);

/**
 * How the world has done so far.
 *
 * Owner:  `out` is the caller's.
 * Errors: none.
 * Thread: the world's.
 * Blocks: never.
 */
TSUGA_API void tsuga_sim_verdict_read(const struct tsuga_sim *sim, struct tsuga_sim_verdict *out);

/**
 * Write the last 200 events, oldest first, and what is in flight.
 *
 * Owner:  `stream` is the caller's.
 * Errors: none.
 * Thread: the world's.
 * Blocks: the thread, as the stream does.
 */
TSUGA_API void tsuga_sim_print(const struct tsuga_sim *sim, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
