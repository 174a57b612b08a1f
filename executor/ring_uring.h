/*
 * The ring of the kernel: io_uring, behind the hook of executor/ring.h.
 *
 *     sq:  [ submitted, the kernel's ) head .. tail ( pushed, not yet submitted )
 *     cq:  head .. tail ( results to be reaped )
 *
 * Setup tries deferred task work first, then cooperative task work, and steps down only when the
 * kernel does not know the flags. Where locked memory is short, or a bound to it given, the larger
 * queue is halved until both fit; ring.entries and ring.cq_entries tell what was granted.
 *
 * Invariants: queue_count + room_count == entries, and queue_count == local tail - kernel's head.
 *
 * ThreadSanitizer needs no note of what passes through: only the thread that pushed can reap.
 *
 * Owner: one executor. Thread: only the one that created the ring; any other's enter is answered
 * by -EEXIST (-EBADF with a registered descriptor), as the kernel has one submitter in mind.
 */
#ifndef TSUGA_EXECUTOR_RING_URING_H
#define TSUGA_EXECUTOR_RING_URING_H

#include "executor/ring.h"

/* A tsuga_ring_create_fn. `context` is the struct tsuga_memory that the ring's own record comes
 * from; it must outlive the ring.
 *
 * Errors: -EPERM refused by a seccomp filter or by kernel.io_uring_disabled; -ENOSYS the kernel has
 * no io_uring or one without the needed flags (before 5.19); -ENOMEM not even the smallest rings
 * fit into RLIMIT_MEMLOCK; -EMFILE and other errors of io_uring_setup(2).
 * Blocks: up to 0.7 s before -ENOMEM, as charges to locked memory are returned late. */
TSUGA_NODISCARD int tsuga_ring_uring_create(void *context, const struct tsuga_ring_config *config,
                                            struct tsuga_ring **out);

#endif
