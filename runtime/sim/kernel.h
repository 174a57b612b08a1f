/*
 * The simulated kernel: what its parts share. Private to runtime/sim/.
 *
 *     kernel.c    itself; descriptors; faults of its calls
 *     orders.c    requests from their submission to their last result
 *     kinds.c     what each kind of request does
 *     rings.c     the ring hook
 *     slots.c     memory and files that requests name by a number
 *     disk.c      files, directories, links, attributes
 *     paths.c     from a path to an inode
 *     pipes.c     pipes, eventfds, splice
 *     sockets.c   connections, datagrams, listeners
 *     calls.c     the calls that are no requests
 *
 * Owner: the simulation. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_KERNEL_H
#define TSUGA_SIM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/calls.h"
#include "executor/ring.h"
#include "runtime/base/list.h"
#include "runtime/sim/claims.h"
#include "runtime/sim/faults.h"
#include "runtime/sim/schedule.h"
#include "runtime/sim/slots.h"

/* What an attempt answers that has to wait for news of its file. */
#define TSUGA_AGAIN INT64_MIN

/* Descriptors of a world begin where no process of this machine has real ones. */
#define TSUGA_KERNEL_FD_BASE  (1 << 20)
#define TSUGA_KERNEL_FD_COUNT 4096u

struct tsuga_file;
struct tsuga_inode;
struct tsuga_kernel_ring;
struct tsuga_order;

/* Bytes that go into or out of a file, in the kernel's memory or, to be read, in the user's. */
struct tsuga_transfer {
    char *bytes;
    size_t count;
    uint64_t offset;           /* UINT64_MAX: the file's own position */
    uint32_t flags;            /* MSG_*, on sockets */
    struct tsuga_order *order; /* on whose behalf; NULL: on nobody's */
};

struct tsuga_file_ops {
    /* How many bytes have moved, -errno, or TSUGA_AGAIN. NULL: -EINVAL. */
    int64_t (*read)(struct tsuga_file *file, struct tsuga_transfer *transfer);
    int64_t (*write)(struct tsuga_file *file, struct tsuga_transfer *transfer);
    uint32_t (*poll)(struct tsuga_file *file); /* events that are there now */
    void (*release)(struct tsuga_file *file);  /* nobody refers to it any more: free it */
    bool is_seekable;
    bool is_socket;
};

/* An open file: what a descriptor, and each request that uses it, refers to. */
struct tsuga_file {
    const struct tsuga_file_ops *ops;
    struct tsuga_kernel *kernel;
    uint64_t number;
    uint32_t reference_count;
    uint32_t flags; /* O_* */
    uint64_t position;
    struct tsuga_list_node waiters; /* struct tsuga_order */
};

enum tsuga_order_state {
    TSUGA_ORDER_FREE,
    TSUGA_ORDER_QUEUED,  /* pushed, not submitted */
    TSUGA_ORDER_LINKED,  /* the one before it has not ended */
    TSUGA_ORDER_BEGUN,   /* being looked at right now */
    TSUGA_ORDER_DUE,     /* a device or a worker is at it: an event */
    TSUGA_ORDER_ARMED,   /* waits for news of a file */
    TSUGA_ORDER_TIMED,   /* a timeout: an event */
    TSUGA_ORDER_STARTED, /* deferred work of its ring: it begins, or tries again */
    TSUGA_ORDER_ENDED,   /* deferred work of its ring: its last result is known */
    TSUGA_ORDER_LENT,    /* its first result was told; the buffer is still read */
};

/* A request that the kernel has. */
struct tsuga_order {
    struct tsuga_ring_request ask;
    struct tsuga_kernel *kernel;
    struct tsuga_kernel_ring *ring;
    uint64_t number;
    enum tsuga_order_state state;
    bool is_begun;       /* it was once attempted */
    bool is_cancelled;   /* its next attempt ends it */
    bool has_worker;     /* a kernel worker carries it out */
    uint32_t interest;   /* while it is armed: poll events */
    uint32_t phase;      /* of its kind */
    uint32_t results;    /* told so far */
    uint32_t lent_count; /* pieces of its buffer that are still read */
    uint16_t buffer;     /* of a group: the next one */
    bool is_copied;      /* a zero-copy send: its pieces are, when they arrive */
    int32_t result;      /* the last one, while ENDED */
    uint32_t flags;
    uint64_t moved; /* bytes */
    struct tsuga_event event;
    struct tsuga_list_node inflight; /* of its ring */
    struct tsuga_list_node work;     /* of its ring */
    struct tsuga_list_node waiting;  /* of a file, or of a futex */
    struct tsuga_order *next;        /* linked to it */
    struct tsuga_order *spare;       /* the next of those that are free */
    struct tsuga_file *file;
    struct tsuga_file *file2;
    struct tsuga_file *waits_for; /* one of the two; NULL: the first */
    struct tsuga_pin *pin;        /* whose memory it uses; NULL: none */
    char *staging;                /* bytes on their way */
    size_t staging_bytes;
    struct tsuga_claim_set claims;
};

struct tsuga_kernel {
    struct tsuga_schedule *schedule;
    struct tsuga_faults *faults;
    const struct tsuga_memory *memory;
    struct tsuga_random random;
    struct tsuga_claims claims;
    struct tsuga_calls calls; /* the hook to hand out */
    uint64_t order_number;
    uint64_t file_number;
    uint64_t inode_number;
    uint64_t request_count; /* that were submitted */
    struct tsuga_order *spare_orders;
    struct tsuga_file *files[TSUGA_KERNEL_FD_COUNT];
    uint32_t file_count;
    uint32_t files_max;
    struct tsuga_list_node rings;      /* struct tsuga_kernel_ring */
    struct tsuga_list_node bound;      /* struct tsuga_socket with an address */
    struct tsuga_list_node futexes;    /* struct tsuga_order that wait for a word */
    struct tsuga_list_node flights;    /* datagrams on their way */
    struct tsuga_list_node pins;       /* struct tsuga_pin */
    struct tsuga_kernel_ring *running; /* whose owner is inside the kernel */
    struct tsuga_inode *root;
    uint64_t disk_bytes; /* in files */
    uint64_t disk_bytes_max;
    uint16_t port_last; /* given to a socket that did not choose one */
};

/* kernel.c */

void tsuga_kernel_init(struct tsuga_kernel *kernel, struct tsuga_schedule *schedule,
                       struct tsuga_faults *faults, const struct tsuga_memory *memory);

/* Every ring has been destroyed. */
void tsuga_kernel_fini(struct tsuga_kernel *kernel);

/* Memory of the kernel's, which is never short. */
void *tsuga_kernel_alloc(struct tsuga_kernel *kernel, size_t bytes);
void tsuga_kernel_free(struct tsuga_kernel *kernel, void *pointer, size_t bytes);

_Noreturn void tsuga_kernel_fail(const struct tsuga_kernel *kernel, const char *what);

static inline bool tsuga_kernel_happens(struct tsuga_kernel *kernel, enum tsuga_sim_fault fault)
{
    return tsuga_fault_happens(kernel->faults, fault);
}

/* Bytes that a transfer may move: fewer than it could, now and then. */
size_t tsuga_kernel_shorten(struct tsuga_kernel *kernel, size_t count);

/* How long something takes that is done at once, on this machine, or elsewhere. */
uint64_t tsuga_kernel_delay_ns(struct tsuga_kernel *kernel);

/* Open files. A new one has no reference yet. */
void tsuga_file_init(struct tsuga_file *file, struct tsuga_kernel *kernel,
                     const struct tsuga_file_ops *ops, uint32_t flags);
void tsuga_file_retain(struct tsuga_file *file);
void tsuga_file_release(struct tsuga_file *file);

/* Tells those who wait for any of these events. */
void tsuga_file_wake(struct tsuga_file *file, uint32_t events);

/* The lowest free descriptor for a file. Errors: -EMFILE. */
int tsuga_kernel_install(struct tsuga_kernel *kernel, struct tsuga_file *file);

/* The file behind a descriptor; NULL: none. */
struct tsuga_file *tsuga_kernel_file(const struct tsuga_kernel *kernel, int fd);
int tsuga_kernel_close(struct tsuga_kernel *kernel, int fd);

/* orders.c */

struct tsuga_order *tsuga_order_make(struct tsuga_kernel_ring *ring,
                                     const struct tsuga_ring_request *request);

/* Turns an order that was not submitted into one that does nothing. */
void tsuga_order_void(struct tsuga_order *order, uint64_t mark);

/* Submits an order, and what is linked to it. */
void tsuga_order_begin(struct tsuga_order *order);

/* Deferred work of its ring. */
void tsuga_order_work(struct tsuga_order *order);

/* Something has happened that it may have waited for. */
void tsuga_order_hear(struct tsuga_order *order);

/* Try again so many nanoseconds from now. */
void tsuga_order_later(struct tsuga_order *order, uint64_t delay_ns);

/* Go on when others had their turn. */
void tsuga_order_again(struct tsuga_order *order);

/* A result that is not the last one. False: the queue is full. */
bool tsuga_order_tell(struct tsuga_order *order, int32_t result, uint32_t flags);

/* The last result. */
void tsuga_order_end(struct tsuga_order *order, int32_t result, uint32_t flags);

/* A piece of a zero-copy send is no longer read. */
void tsuga_order_give_back(struct tsuga_order *order);

/* What a cancel of it answers. */
int32_t tsuga_order_cancel(struct tsuga_order *order);

/* The world ends, and with it what nobody waits for any more. */
void tsuga_order_drop(struct tsuga_order *order);

/* Memory on the way between a file and the user's buffers: at least so many bytes. */
char *tsuga_order_stage(struct tsuga_order *order, size_t bytes);

void tsuga_order_free_all(struct tsuga_kernel *kernel);

/* kinds.c */

/* Carries the order on: its result, or TSUGA_AGAIN when it waits for news of order->file, for
 * anything in order->interest; an order that has gone another way is not BEGUN any more. */
int64_t tsuga_kind_attempt(struct tsuga_order *order);

/* Whether it is about the file behind ask.fd, or has none. */
bool tsuga_kind_needs_file(const struct tsuga_order *order);

/* Whether it is not done at once, but by a worker. */
bool tsuga_kind_needs_worker(const struct tsuga_order *order);

/* Whether the result means that what is linked to the order may start. */
bool tsuga_kind_is_whole(const struct tsuga_order *order, int32_t result);

/* Puts what was read where the user wants it, with the last result. */
void tsuga_kind_deliver(struct tsuga_order *order, int32_t result);

/* rings.c */

/* `context` is the kernel. */
int tsuga_kernel_ring_create(void *context, const struct tsuga_ring_config *config,
                             struct tsuga_ring **out);

struct tsuga_kernel *tsuga_kernel_of(const struct tsuga_kernel_ring *ring);

/* A result for the queue. False: there is no room, and the caller can do without. */
bool tsuga_kernel_ring_post(struct tsuga_kernel_ring *ring, const struct tsuga_ring_result *result,
                            bool must);

/* A result that belongs to no request. */
void tsuga_kernel_ring_tell(struct tsuga_kernel_ring *ring, uint64_t user_data);

struct tsuga_slots *tsuga_kernel_ring_slots(struct tsuga_kernel_ring *ring);

/* Deferred work: done when the owner enters. */
void tsuga_kernel_ring_defer(struct tsuga_kernel_ring *ring, struct tsuga_order *order);

/* The request that has this name; NULL: none. */
struct tsuga_order *tsuga_kernel_ring_find(struct tsuga_kernel_ring *ring, uint64_t user_data);

/* Chooses the next buffer of the order's group, which stays on offer. False: there is none. */
bool tsuga_kernel_ring_take_buffer(struct tsuga_order *order);
uint32_t tsuga_kernel_ring_buffer_bytes(const struct tsuga_order *order);

/* Fills the order's buffer; it is the user's from then on. */
void tsuga_kernel_ring_use_buffer(struct tsuga_order *order, const char *bytes, size_t count);

bool tsuga_kernel_ring_is_running(const struct tsuga_kernel_ring *ring);
bool tsuga_kernel_ring_defers(const struct tsuga_kernel_ring *ring);
bool tsuga_kernel_ring_is_closed(const struct tsuga_kernel_ring *ring);
void tsuga_kernel_rings_fini(struct tsuga_kernel *kernel);

/* Fails the run when the books of some ring do not balance; shows `look` each request in flight. */
void tsuga_kernel_rings_check(struct tsuga_kernel *kernel,
                              void (*look)(const struct tsuga_order *order));

/* Writes what is in flight, and where. */
void tsuga_kernel_rings_print(const struct tsuga_kernel *kernel, FILE *stream);

/* disk.c */

void tsuga_disk_init(struct tsuga_kernel *kernel);
void tsuga_disk_fini(struct tsuga_kernel *kernel);
int64_t tsuga_disk_open(struct tsuga_order *order);
int64_t tsuga_disk_stat(struct tsuga_order *order);
int64_t tsuga_disk_rename(struct tsuga_order *order);
int64_t tsuga_disk_link(struct tsuga_order *order);
int64_t tsuga_disk_unlink(struct tsuga_order *order);
int64_t tsuga_disk_make_directory(struct tsuga_order *order);
int64_t tsuga_disk_symlink(struct tsuga_order *order);
int64_t tsuga_disk_get_attribute(struct tsuga_order *order);
int64_t tsuga_disk_set_attribute(struct tsuga_order *order);
int64_t tsuga_disk_allocate(struct tsuga_file *file, uint64_t offset, uint64_t bytes,
                            uint32_t flags);
int64_t tsuga_disk_truncate(struct tsuga_file *file, uint64_t bytes);
int64_t tsuga_disk_list(struct tsuga_file *file, char *out, size_t bytes);
int tsuga_disk_put(struct tsuga_kernel *kernel, const char *path, const void *data, size_t bytes);
int64_t tsuga_disk_get(struct tsuga_kernel *kernel, const char *path, void *out, size_t bytes);
bool tsuga_disk_is_regular(const struct tsuga_file *file);

/* pipes.c */

int tsuga_pipe_make(struct tsuga_kernel *kernel, int ends[2], uint32_t flags);
int tsuga_event_make(struct tsuga_kernel *kernel);
void tsuga_event_raise(struct tsuga_file *file);
void tsuga_event_lower(struct tsuga_file *file);
int64_t tsuga_pipe_splice(struct tsuga_order *order);
int64_t tsuga_pipe_tee(struct tsuga_order *order);

/* sockets.c */

int64_t tsuga_socket_make(struct tsuga_kernel *kernel, int domain, int type, int protocol);
int tsuga_socket_bind(struct tsuga_file *file, const struct sockaddr *from, socklen_t bytes);
int tsuga_socket_listen(struct tsuga_file *file, int backlog);
int64_t tsuga_socket_connect(struct tsuga_order *order);
int64_t tsuga_socket_accept(struct tsuga_order *order, struct sockaddr *address, socklen_t *bytes);
int64_t tsuga_socket_shutdown(struct tsuga_file *file, int how);
int64_t tsuga_socket_send_message(struct tsuga_order *order);
int64_t tsuga_socket_receive_message(struct tsuga_order *order);
void tsuga_socket_deliver_message(struct tsuga_order *order, size_t bytes);

/* A message as RECVMSG_MULTI brings it, for a buffer of so many bytes. */
struct tsuga_labelled {
    char *bytes;  /* labels, name, control, and its own: as many as the result says */
    bool is_last; /* it has none: to the kernel that is the end, also of datagrams */
};
int64_t tsuga_socket_receive_labelled(struct tsuga_order *order, uint32_t buffer_bytes,
                                      struct tsuga_labelled *out);
void tsuga_socket_reset(struct tsuga_file *file);
bool tsuga_socket_is_datagram(const struct tsuga_file *file);

/* SOCK_*; -ENOTSOCK. */
int tsuga_socket_type(const struct tsuga_file *file);
bool tsuga_socket_has_zero_copy(const struct tsuga_file *file);

/* calls.c */

void tsuga_calls_init(struct tsuga_kernel *kernel);

#endif
