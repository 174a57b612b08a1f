/*
 * Stacks for code that blocks, and the switches between them.
 *
 * A pool belongs to one executor thread and lies in one no-reserve mapping:
 *
 *     [ struct tsuga_stack, one per slot ] [ guard | stack 0 ] [ guard | stack 1 ] ...
 *
 * Stacks grow downward into their guard. A slot costs no memory until its first use, and its guard
 * is installed then. Released stacks are taken again last in, first out, so that the ones at the
 * far end stay unused; tsuga_stack_trim() gives the pages of those back.
 *
 * A stack is in one of these states:
 *
 *     FREE     in the pool: never used, warm (has pages) or cold (pages given back)
 *     TAKEN    acquired, nothing runs on it yet
 *     RUNNING  the thread stands on it; exactly one, possibly the thread's own
 *     PARKED   holds frames and can be resumed
 *
 * Invariants: taken + parked + running stacks of the pool == used_count <= count_max, and the free
 * ones that hold pages == warm_count.
 *
 * ThreadSanitizer knows each stack in use as a fiber, and gcc's allows 8,128 of them and threads
 * together in one process.
 *
 * Owner:  the executor; the stacks belong to the pool for ever and are lent.
 * Thread: the one that called tsuga_stack_enter(), except where stated.
 * Blocks: never.
 */
#ifndef TSUGA_EXECUTOR_STACK_H
#define TSUGA_EXECUTOR_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/base/list.h"

#define TSUGA_STACK_BYTES_DEFAULT      (256u << 10)
#define TSUGA_STACK_BYTES_MIN          (16u << 10)
#define TSUGA_STACK_BYTES_MAX          (64u << 20)
#define TSUGA_STACK_COUNT_MAX_DEFAULT  16384u
#define TSUGA_STACK_WARM_COUNT_DEFAULT 64u

/* A frame with an 8 KiB buffer steps over a guard of one page into the neighbour's stack. Address
 * space is cheap, and a guard occupies no memory. */
#define TSUGA_STACK_GUARD_BYTES (64u << 10)

/* The index of the thread's own stack, which is no slot of the pool. */
#define TSUGA_STACK_INDEX_THREAD UINT32_MAX

enum tsuga_stack_state {
    TSUGA_STACK_FREE,
    TSUGA_STACK_TAKEN,
    TSUGA_STACK_RUNNING,
    TSUGA_STACK_PARKED,
};

struct tsuga_stack {
    void *sp; /* meaningful while parked */
    struct tsuga_list_node link;
    char *low; /* lowest usable byte */
    size_t bytes;
    uint32_t index;
    enum tsuga_stack_state state;
    void *fake_stack; /* AddressSanitizer's, while parked */
    void *fiber;      /* ThreadSanitizer's */
    unsigned fiber_starts;
    unsigned valgrind_id;
};

/* Where the memory comes from; tests bring one that fails. Each returns 0 or -errno. */
struct tsuga_stack_backing {
    /* Reserves readable and writable memory that costs nothing until touched. */
    int (*map)(size_t bytes, void **out);
    void (*unmap)(void *base, size_t bytes);
    /* Makes a range inaccessible without splitting the mapping; -EINVAL where the kernel cannot. */
    int (*guard_light)(void *base, size_t bytes);
    /* Makes a range inaccessible at the price of a mapping of its own. */
    int (*guard)(void *base, size_t bytes);
    /* Gives the pages back; the range reads as zeros afterwards. */
    int (*discard)(void *base, size_t bytes);
};

/* mmap, MADV_GUARD_INSTALL (Linux 6.13), mprotect, MADV_DONTNEED. */
extern const struct tsuga_stack_backing tsuga_stack_backing_mmap;

/* Zero means the default. */
struct tsuga_stack_config {
    size_t stack_bytes;                        /* usable bytes, rounded up to whole pages */
    uint32_t count_max;                        /* stacks in use at once */
    uint32_t warm_count_max;                   /* free stacks that may keep their pages for ever */
    bool no_guard_light;                       /* forces guards by mprotect */
    const struct tsuga_stack_backing *backing; /* NULL: tsuga_stack_backing_mmap */
};

struct tsuga_stack_stats {
    uint32_t used_count;
    uint32_t used_count_peak;
    uint32_t warm_count;
    uint32_t count_max; /* may be less than asked for, see tsuga_stack_pool_init() */
    uint64_t given_back_count;
    bool has_guard_light;
};

typedef void tsuga_stack_entry_fn(void *context);

struct tsuga_stack_pool {
    /* const after init */
    const struct tsuga_stack_backing *backing;
    char *mapping;
    size_t mapping_bytes;
    char *slots; /* the first guard */
    size_t slot_bytes;
    size_t stack_bytes;
    struct tsuga_stack *stacks;
    uint32_t count_max;
    uint32_t warm_count_max;

    /* owner */
    struct tsuga_stack *current;
    tsuga_stack_entry_fn *entry; /* of the start under way */
    void *context;
    struct tsuga_list_node warm; /* latest released first */
    struct tsuga_list_node cold;
    uint32_t fresh; /* slots from here on were never used */
    uint32_t used_count;
    uint32_t used_count_peak;
    uint32_t warm_count;
    uint32_t warm_count_low; /* lowest warm_count since the last trim */
    uint64_t given_back_count;
    bool has_guard_light;
    struct tsuga_stack thread; /* the thread's own stack */
};

/* Reserves the mapping. When the kernel refuses its size (`ulimit -v`, strict overcommit), half as
 * many stacks are tried, and so on; tsuga_stack_pool_stats() tells the outcome.
 *
 * Owner:  the caller; undo with tsuga_stack_pool_fini().
 * Errors: -EINVAL a size out of range; -ENOMEM not even one stack fits.
 * Thread: any. */
TSUGA_NODISCARD int tsuga_stack_pool_init(struct tsuga_stack_pool *pool,
                                          const struct tsuga_stack_config *config);

/* Unmaps everything, parked stacks included. Thread: any, once the owner has left. */
void tsuga_stack_pool_fini(struct tsuga_stack_pool *pool);

/* Starts entry(context) on the first stack of the pool. Returns once tsuga_stack_leave() was
 * called.
 *
 * Errors: those of tsuga_stack_acquire().
 * Thread: the caller becomes the owner, standing on its own stack. */
TSUGA_NODISCARD int tsuga_stack_enter(struct tsuga_stack_pool *pool, tsuga_stack_entry_fn *entry,
                                      void *context);

/* Abandons the running stack and returns from tsuga_stack_enter(). */
_Noreturn void tsuga_stack_leave(struct tsuga_stack_pool *pool);

/* Takes a stack to start something on.
 *
 * Owner:  the caller, until it starts something or calls tsuga_stack_release().
 * Errors: -ENOBUFS count_max are in use; -ENOMEM the kernel refuses another guard. */
TSUGA_NODISCARD int tsuga_stack_acquire(struct tsuga_stack_pool *pool, struct tsuga_stack **out);

/* Gives back a stack that is taken or parked. The frames on a parked one are dropped without
 * unwinding, and what they own with them. */
void tsuga_stack_release(struct tsuga_stack_pool *pool, struct tsuga_stack *stack);

/* Parks the running stack and resumes `to`, a parked one. Returns when this one is resumed. */
void tsuga_stack_switch(struct tsuga_stack_pool *pool, struct tsuga_stack *to);

/* Parks the running stack and calls entry(context) on `to`, a taken one. Returns when this one is
 * resumed. entry must not return. */
void tsuga_stack_start(struct tsuga_stack_pool *pool, struct tsuga_stack *to,
                       tsuga_stack_entry_fn *entry, void *context);

/* The same two, but the running stack goes back to the pool and is never resumed. */
_Noreturn void tsuga_stack_switch_abandon(struct tsuga_stack_pool *pool, struct tsuga_stack *to);
_Noreturn void tsuga_stack_start_abandon(struct tsuga_stack_pool *pool, struct tsuga_stack *to,
                                         tsuga_stack_entry_fn *entry, void *context);

/* The stack that the owner stands on: the thread's own before and after tsuga_stack_enter(). */
static inline struct tsuga_stack *tsuga_stack_current(const struct tsuga_stack_pool *pool)
{
    return pool->current;
}

/* Gives back the pages of stacks that have been free ever since the previous call, beyond
 * warm_count_max, and of at most count_max ones, so that a turn of the loop stays short. Meant to
 * be called every second or so. Returns how many stacks gave pages back. */
uint32_t tsuga_stack_trim(struct tsuga_stack_pool *pool, uint32_t count_max);

void tsuga_stack_pool_stats(const struct tsuga_stack_pool *pool, struct tsuga_stack_stats *out);

/* True when `address` lies in the guard of some slot; *index is then that slot's. Safe in a signal
 * handler of any thread while the pool exists. */
bool tsuga_stack_guard_find(const struct tsuga_stack_pool *pool, const void *address,
                            uint32_t *index);

#endif
