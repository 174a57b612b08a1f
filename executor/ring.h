/*
 * The ring as a hook. An executor asks the kernel for work through this header and learns of its
 * completions through it; nothing else in the project knows about SQEs or CQEs, so that another
 * implementation (a simulated kernel, a fault-injecting wrapper) can stand behind it.
 *
 * Invariants: tsuga_ring_push() needs room_count > 0 and lowers it by one; only enter raises it.
 * A request that was pushed is submitted by the next successful enter, in order, exactly once.
 *
 * Owner: one executor. Thread: only the executor's own, creation included.
 */
#ifndef TSUGA_EXECUTOR_RING_H
#define TSUGA_EXECUTOR_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"

#include <tsuga.h>

enum tsuga_ring_kind {
    TSUGA_RING_NOP,
    TSUGA_RING_OPEN,     /* fd directory, address path, address2 struct open_how */
    TSUGA_RING_CLOSE,    /* fd */
    TSUGA_RING_READ,     /* fd, address, length, offset (UINT64_MAX: the file's position), flags
                            RWF_* */
    TSUGA_RING_WRITE,    /* likewise */
    TSUGA_RING_READV,    /* fd, address iovecs, length count, offset, flags RWF_* */
    TSUGA_RING_WRITEV,   /* likewise */
    TSUGA_RING_FSYNC,    /* fd, flags 1: data only */
    TSUGA_RING_STATX,    /* fd directory, address path, address2 struct statx, flags, length mask */
    TSUGA_RING_SOCKET,   /* fd domain, length type, flags protocol */
    TSUGA_RING_BIND,     /* fd, address sockaddr, length its bytes */
    TSUGA_RING_LISTEN,   /* fd, length backlog */
    TSUGA_RING_ACCEPT,   /* fd, flags SOCK_*; address sockaddr or NULL, address2 its socklen_t */
    TSUGA_RING_CONNECT,  /* fd, address sockaddr, length its bytes */
    TSUGA_RING_RECV,     /* fd, address, length, flags MSG_* */
    TSUGA_RING_SEND,     /* likewise */
    TSUGA_RING_RECVMSG,  /* fd, address struct msghdr, length 1, flags MSG_* */
    TSUGA_RING_SENDMSG,  /* likewise */
    TSUGA_RING_SHUTDOWN, /* fd, flags SHUT_* */
    TSUGA_RING_POLL,     /* fd, flags poll events; once */
    TSUGA_RING_WATCH,    /* fd, flags poll events; multishot, until cancelled */
    TSUGA_RING_TIMEOUT,  /* address struct __kernel_timespec, flags 1: absolute */
    TSUGA_RING_CANCEL,   /* offset user_data of the one request to cancel */
    /* Sends whose buffer is not copied: two results, the second one with NOTIF. */
    TSUGA_RING_SEND_ZC, /* as SEND */
    /* Multishot: results with MORE until the last one. Those that receive take their buffers from
     * `group`. */
    TSUGA_RING_ACCEPT_MULTI,  /* as ACCEPT */
    TSUGA_RING_RECV_MULTI,    /* fd, flags MSG_* */
    TSUGA_RING_READ_MULTI,    /* fd */
    TSUGA_RING_RECVMSG_MULTI, /* as RECVMSG; of the header only the lengths of name and control
                                 count. Results as struct tsuga_ring_labels says. */
    /* Files and directories. */
    TSUGA_RING_SYNC_RANGE, /* fd, offset, length, flags SYNC_FILE_RANGE_* */
    TSUGA_RING_ALLOCATE,   /* fd, offset, number bytes, flags FALLOC_FL_* */
    TSUGA_RING_TRUNCATE,   /* fd, offset the file's new length */
    TSUGA_RING_ADVISE,     /* fd, offset, length, flags POSIX_FADV_* */
    TSUGA_RING_SPLICE,     /* fd to write to, offset; number2 the one to read from, number its
                              offset; length, flags SPLICE_F_* */
    TSUGA_RING_TEE,        /* likewise, without offsets */
    TSUGA_RING_RENAME,     /* fd directory, address path; length directory, address2 new path;
                              flags RENAME_* */
    TSUGA_RING_LINK_PATH,  /* likewise, flags AT_* */
    TSUGA_RING_UNLINK,     /* fd directory, address path, flags AT_REMOVEDIR */
    TSUGA_RING_MKDIR,      /* fd directory, address path, length mode */
    TSUGA_RING_SYMLINK,    /* fd directory, address target, address2 path */
    TSUGA_RING_GET_XATTR,  /* address name, address2 value, length its bytes, address3 path */
    TSUGA_RING_SET_XATTR,  /* likewise, flags XATTR_* */
    TSUGA_RING_FGET_XATTR, /* fd; otherwise as GET_XATTR, without path */
    TSUGA_RING_FSET_XATTR, /* likewise, flags XATTR_* */
    /* The rest. */
    TSUGA_RING_UPDATE,     /* offset user_data of the timeout, address struct __kernel_timespec,
                              flags 1: absolute */
    TSUGA_RING_RAW,        /* address struct tsuga_raw, address2 the memory it speaks of, length */
    TSUGA_RING_FUTEX_WAIT, /* address word, number2 expected value, offset mask */
    TSUGA_RING_FUTEX_WAKE, /* address word, number2 how many, offset mask */
    TSUGA_RING_WAITID,     /* fd id, length P_*, address2 siginfo_t, flags W* */
    /* In memory that the kernel has pinned: as the kinds without FIXED, all of it in slot `group`.
     */
    TSUGA_RING_READ_FIXED,
    TSUGA_RING_WRITE_FIXED,
    TSUGA_RING_READV_FIXED,
    TSUGA_RING_WRITEV_FIXED,
    TSUGA_RING_SEND_ZC_FIXED,
    TSUGA_RING_KIND_COUNT
};

/* Bits of tsuga_ring_request.options. */
enum {
    TSUGA_RING_LINK = 1 << 0,   /* the next request starts when this one has succeeded */
    TSUGA_RING_SELECT = 1 << 1, /* the kernel takes a buffer from `group` */
    TSUGA_RING_HARD = 1 << 2,   /* with LINK: the next one starts however this one ends */
    TSUGA_RING_ASYNC = 1 << 3,  /* start in the worker pool */
    TSUGA_RING_FILE = 1 << 4,   /* `fd` is the number of a place, see set_file */
};

/* One request. Everything it points to must stay in place until its last result. */
struct tsuga_ring_request {
    uint64_t user_data; /* comes back with each result */
    union {
        uint64_t offset;
        void *address3;
    };
    union {
        void *address;
        uint64_t number;
    };
    union {
        void *address2;
        uint64_t number2;
    };
    uint32_t length;
    uint32_t flags;
    int32_t fd;
    uint8_t kind; /* enum tsuga_ring_kind */
    uint8_t options;
    uint16_t group; /* of buffers, with TSUGA_RING_SELECT; or the slot of a FIXED kind */
};

/* Bits of tsuga_ring_result.flags. */
enum {
    TSUGA_RING_MORE = 1 << 0,   /* another result of this request will follow */
    TSUGA_RING_NOTIF = 1 << 1,  /* the zero-copy notification */
    TSUGA_RING_BUFFER = 1 << 2, /* the kernel took a buffer of the group: tsuga_ring_buffer() */
    TSUGA_RING_BUFFER_MORE = 1 << 3, /* and goes on filling it: other results will name it, too */
    TSUGA_RING_BUFFER_SHIFT = 16,
};

/* One result, copied out of the ring. */
struct tsuga_ring_result {
    uint64_t user_data;
    int32_t result; /* >= 0 or -errno; -512 is mapped to -ECANCELED */
    uint32_t flags;
};

/* What the kernel puts at the beginning of a buffer with RECVMSG_MULTI. The room for the name, that
 * for the control and the bytes follow; the result counts all of it. */
struct tsuga_ring_labels {
    uint32_t name_bytes; /* of the name as it is, which may be more than there is room for */
    uint32_t control_bytes;
    uint32_t bytes;
    uint32_t flags; /* MSG_* */
};

/* The number of the buffer that the kernel took. */
static inline uint16_t tsuga_ring_buffer(const struct tsuga_ring_result *result)
{
    return (uint16_t)(result->flags >> TSUGA_RING_BUFFER_SHIFT);
}

/* Zero-copy sends: the notification's result has this bit when the kernel copied after all. */
#define TSUGA_RING_COPIED INT32_MIN

/*
 * Buffers that are offered to the kernel, which takes one when data for it is there. The memory
 * holds the kernel's queue of offers, 16 bytes each.
 *
 * Owner: whoever added the group. Thread: the ring's.
 */
struct tsuga_ring_group {
    void *memory;     /* entries * 16 bytes, aligned to a page; stays until the group is removed */
    uint32_t entries; /* power of two, <= 32768: offers that the kernel can hold */
    uint16_t id;      /* chosen by whoever adds the group */
    uint16_t tail;    /* offers made since the group was added, modulo 2^16 */
    /* The kernel fills a buffer piece by piece, each piece behind the one before, until it is full
     * (Linux 6.12); otherwise each result takes a buffer of its own. */
    bool is_incremental;
};

/*
 * Memory that the kernel keeps pinned under a number, so that the FIXED kinds need not pin it.
 *
 * Who fills a slot anew does not disturb the requests in flight, which keep the memory that they
 * began with. That memory may be given back to the kernel only when it has told, by a result with
 * `user_data`, that no request has it any more: pages given back before are lost to the
 * registration, and reads into it succeed and are seen by nobody.
 *
 * Owner: whoever fills the slot. Thread: the ring's.
 */
struct tsuga_ring_slot {
    void *base;         /* NULL: the slot becomes empty */
    size_t bytes;       /* at most 1 GiB */
    uint64_t user_data; /* not 0, and 0 with an empty one */
};

#define TSUGA_RING_SLOTS_MAX 16384u

struct tsuga_ring;

struct tsuga_ring_ops {
    /* Queue one request. */
    void (*push)(struct tsuga_ring *ring, const struct tsuga_ring_request *request);
    /* Submit all that is queued, run what the kernel has deferred, and wait until wait_count
     * results are there or timeout_ns (TSUGA_FOREVER: no limit) has passed. 0; -EAGAIN or -EBUSY:
     * some requests are still queued; -ETIME: the wait timed out; -EINTR: the wait ended early by
     * a signal, or for a reason that the kernel did not tell because it had requests to submit or
     * fewer results than wanted. Room is up to date in each case. */
    int (*enter)(struct tsuga_ring *ring, uint32_t wait_count, uint64_t timeout_ns);
    /* Copy up to `count_max` results out, oldest first, without a system call. */
    uint32_t (*reap)(struct tsuga_ring *ring, struct tsuga_ring_result *results,
                     uint32_t count_max);
    /* Whether the kernel has the operation. */
    bool (*supports)(const struct tsuga_ring *ring, enum tsuga_ring_kind kind);
    /* Tell the kernel of a group that is empty, or to forget it: when no request uses it. Errors:
     * those of io_uring_register(2), -ENOMEM locked memory is short; -EINVAL the kernel has no
     * such groups. */
    int (*add_group)(struct tsuga_ring *ring, struct tsuga_ring_group *group);
    void (*remove_group)(struct tsuga_ring *ring, struct tsuga_ring_group *group);
    /* Offer a buffer under a number. At most `entries` are on offer at a time. */
    void (*offer)(struct tsuga_ring *ring, struct tsuga_ring_group *group, void *buffer,
                  uint32_t bytes, uint16_t number);
    /* How many offers of an incremental group the kernel has used up, modulo 2^16. Asks it. */
    uint16_t (*used)(struct tsuga_ring *ring, const struct tsuga_ring_group *group);
    /* After an enter that left requests queued: those of them whose chain had its beginning
     * submitted become NOPs, each with `mark` or-ed to its user_data, and unlinked. The kernel
     * takes the end of a submission for the end of the chain, and would start them at once. */
    void (*sever)(struct tsuga_ring *ring, uint64_t mark);
    /* Only when no request is in flight: closing the ring does not stop the kernel from writing
     * into buffers (1249 of 1280 O_DIRECT reads did). */
    void (*destroy)(struct tsuga_ring *ring);

    /* The rest is NULL in a ring without slots and places. */

    /* Make so many empty slots, once. Errors: those of io_uring_register(2), -EINVAL the kernel has
     * no such tables. */
    int (*add_slots)(struct tsuga_ring *ring, uint32_t count);
    /* Fill neighbouring slots. How many it were, from the first on, or why not one: -ENOMEM locked
     * memory is short; -EFAULT not all of the memory is there. */
    int (*fill_slots)(struct tsuga_ring *ring, uint32_t first, const struct tsuga_ring_slot *slots,
                      uint32_t count);
    /* Make so many empty places for files, once. Errors: those of io_uring_register(2), -EINVAL no
     * places, or ones that let go late: before Linux 6.13 a file stayed open until all requests
     * with places had ended that began before it was taken out. */
    int (*add_files)(struct tsuga_ring *ring, uint32_t count);
    /* Put a descriptor's file into a place, -1: take out what is there. The file stays open while
     * it is in its place, whoever closes the descriptor. Errors: -EBADF, -ENOMEM. */
    int (*set_file)(struct tsuga_ring *ring, uint32_t place, int fd);
};

/* What every implementation begins with. */
struct tsuga_ring {
    const struct tsuga_ring_ops *ops;
    uint32_t room_count;  /* requests that can be pushed before an enter */
    uint32_t queue_count; /* requests pushed and not yet submitted */
    /* Said before an enter by whoever enters: the kernel has hardly any other requests than those
     * that are queued, so that most likely nothing is deferred. */
    bool is_quiet;
    bool is_deferred;    /* the kernel goes on with requests in an enter, and nowhere else */
    uint32_t entries;    /* submission queue, as granted */
    uint32_t cq_entries; /* completion queue, as granted */
    /* The three words that tell whether anything has happened. The kernel (or who plays it) writes
     * tail and flags, we write head. */
    const _Atomic uint32_t *news_head;
    const _Atomic uint32_t *news_tail;
    const _Atomic uint32_t *news_flags;
    uint32_t news_mask; /* flags that call for an enter: task work, overflow */
    uint64_t enter_count;
    uint64_t overflow_count;
};

struct tsuga_ring_config {
    uint32_t entries;    /* power of two; halved on ENOMEM */
    uint32_t cq_entries; /* power of two; halved on ENOMEM */
    uint32_t io_workers_bounded;
    uint32_t io_workers_unbounded;
    const enum tsuga_toggle *features; /* TSUGA_FEATURE_COUNT; TSUGA_OFF forces a fallback */
    uint64_t locked_bytes_max;         /* halved until it takes no more than that; 0: no bound */
};

/* Makes a ring on the calling thread; -errno when it can not be made. The environment that stands
 * for the kernel brings its own. */
typedef int tsuga_ring_create_fn(void *context, const struct tsuga_ring_config *config,
                                 struct tsuga_ring **out);

/* True when results can be reaped. 1.8 ns, no system call. */
static inline bool tsuga_ring_has_results(const struct tsuga_ring *ring)
{
    /* Acquire pairs with the kernel's release of the tail: the results before it are readable. */
    return atomic_load_explicit(ring->news_tail, memory_order_acquire) !=
           atomic_load_explicit(ring->news_head, memory_order_relaxed);
}

/* True when the kernel asks for an enter before more results can appear. May stay set although
 * nothing is pending: enter once, never loop on it. */
static inline bool tsuga_ring_wants_enter(const struct tsuga_ring *ring)
{
    return (atomic_load_explicit(ring->news_flags, memory_order_relaxed) & ring->news_mask) != 0;
}

static inline void tsuga_ring_push(struct tsuga_ring *ring,
                                   const struct tsuga_ring_request *request)
{
    TSUGA_VERIFY(ring->room_count > 0); /* an overwritten SQE would lose an operation */
    ring->ops->push(ring, request);
}

static inline int tsuga_ring_enter(struct tsuga_ring *ring, uint32_t wait_count,
                                   uint64_t timeout_ns)
{
    return ring->ops->enter(ring, wait_count, timeout_ns);
}

static inline uint32_t tsuga_ring_reap(struct tsuga_ring *ring, struct tsuga_ring_result *results,
                                       uint32_t count_max)
{
    return ring->ops->reap(ring, results, count_max);
}

#endif
