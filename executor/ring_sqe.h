/*
 * From a request of executor/ring.h to a submission entry of io_uring. Private to the ring files.
 *
 * Thread: any; nothing here has state.
 */
#ifndef TSUGA_EXECUTOR_RING_SQE_H
#define TSUGA_EXECUTOR_RING_SQE_H

#include <liburing.h>

#include "executor/ring.h"

/* Most operations take a request's fields as they are; the others have a function that puts them
 * elsewhere, and zero where the kernel wants it. */
typedef void tsuga_ring_arrange_fn(struct io_uring_sqe *sqe,
                                   const struct tsuga_ring_request *request);

struct tsuga_ring_operation {
    const char *name;
    tsuga_ring_arrange_fn *arrange; /* or NULL */
    uint8_t opcode;
};

extern const struct tsuga_ring_operation tsuga_ring_operations[TSUGA_RING_KIND_COUNT];

/* The kernel's flags for each combination of a request's options. */
extern const uint8_t tsuga_ring_sqe_flags[32];

/* Fills in the whole entry. */
static inline void tsuga_ring_sqe_fill(struct io_uring_sqe *sqe,
                                       const struct tsuga_ring_request *request)
{
    const struct tsuga_ring_operation *operation = &tsuga_ring_operations[request->kind];

    *sqe = (struct io_uring_sqe){
        .opcode = operation->opcode,
        .flags = tsuga_ring_sqe_flags[request->options],
        .fd = request->fd,
        .off = request->offset,
        .addr = (uintptr_t)request->address,
        .len = request->length,
        .msg_flags = request->flags,
        .user_data = request->user_data,
        .buf_group = request->group,
    };
    if (operation->arrange != NULL)
        operation->arrange(sqe, request);
}

#endif
