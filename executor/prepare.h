/*
 * What the files that turn operations into requests share: prepare.c and prepare_*.c, to which this
 * is private. On failure a record may be half filled; tsuga_record_give() puts everything back.
 *
 * Owner: what is allocated hangs on the record. Thread: the executor's.
 */
#ifndef TSUGA_EXECUTOR_PREPARE_H
#define TSUGA_EXECUTOR_PREPARE_H

#include <sys/socket.h>

#include "executor/io.h"

/* "The file's own position" to the ring. */
#define TSUGA_PREPARE_POSITION UINT64_MAX

#define TSUGA_VECTORS_MAX 1024u /* iovecs of one operation, as of the system calls */
#define TSUGA_ADDRESS_MAX sizeof(struct sockaddr_storage)

/* Of ancillary data; the kernel allows less: sysctl net.core.optmem_max. */
#define TSUGA_CONTROL_MAX (1u << 20)

/* Errors: those that a token may carry. */
typedef int tsuga_prepare_fn(struct tsuga_record *record, const struct tsuga_op *op,
                             struct tsuga_ring_request *request);

/* A block of the heap with a copy of the user's bytes, or of a path. Errors: -ENOBUFS, -EMSGSIZE;
 * -EINVAL no path; -ENAMETOOLONG. */
TSUGA_NODISCARD int tsuga_prepare_copy(struct tsuga_record *record, const void *data, size_t bytes,
                                       void **out);
TSUGA_NODISCARD int tsuga_prepare_path(struct tsuga_record *record, const char *path, void **out);

/* The lease that the user named, pinned. Errors: -ENOENT, -EINVAL. */
TSUGA_NODISCARD int tsuga_prepare_lease(struct tsuga_record *record, const struct tsuga_op *op,
                                        size_t bytes, struct tsuga_ring_request *request);

/* The buffer to read into, or to write from, in each of its forms. */
TSUGA_NODISCARD int tsuga_prepare_input(struct tsuga_record *record, const struct tsuga_op *op,
                                        struct tsuga_ring_request *request);
TSUGA_NODISCARD int tsuga_prepare_output(struct tsuga_record *record, const struct tsuga_op *op,
                                         struct tsuga_ring_request *request);

/* prepare_message.c: what goes through sockets with an envelope */
tsuga_prepare_fn tsuga_prepare_recvmsg;
tsuga_prepare_fn tsuga_prepare_sendmsg;

/* Room for the address of who is accepted. Errors: -ENOBUFS. */
TSUGA_NODISCARD int tsuga_prepare_peer(struct tsuga_record *record,
                                       struct tsuga_ring_request *request);

/* Counts the operation as a user of its descriptor, when the actor owns that. Errors: -EBADF it is
 * being closed. */
TSUGA_NODISCARD int tsuga_prepare_descriptor(struct tsuga_record *record, int fd);

/* The same for a second one. Makes the record's extra. */
TSUGA_NODISCARD int tsuga_prepare_descriptor2(struct tsuga_record *record, int fd2);

/* prepare_files.c: what is done to an open file */
tsuga_prepare_fn tsuga_prepare_range;
tsuga_prepare_fn tsuga_prepare_allocate;
tsuga_prepare_fn tsuga_prepare_truncate;
tsuga_prepare_fn tsuga_prepare_splice;
tsuga_prepare_fn tsuga_prepare_tee;

/* prepare_paths.c: what is done to names */
tsuga_prepare_fn tsuga_prepare_two_paths;
tsuga_prepare_fn tsuga_prepare_symlink;
tsuga_prepare_fn tsuga_prepare_one_path;
tsuga_prepare_fn tsuga_prepare_get_xattr;
tsuga_prepare_fn tsuga_prepare_set_xattr;

/* prepare_waits.c: timeouts, futexes, children */
tsuga_prepare_fn tsuga_prepare_timeout;
tsuga_prepare_fn tsuga_prepare_update;
tsuga_prepare_fn tsuga_prepare_futex;
tsuga_prepare_fn tsuga_prepare_waitid;

/* prepare_raw.c */
tsuga_prepare_fn tsuga_prepare_raw;

#endif
