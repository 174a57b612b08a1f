/*
 * Bytes on their way, in pieces: what is in a pipe, or between two sockets. A piece of a zero-copy
 * send is no copy: it refers to the sender's memory until it has arrived. Private to runtime/sim/.
 *
 * Owner: a pipe or a socket. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_QUEUE_H
#define TSUGA_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "runtime/sim/kernel.h"

#define TSUGA_RIGHTS_MAX 16u

/* What goes along with bytes: descriptors, on their way from one owner to the next. */
struct tsuga_rights {
    struct tsuga_file *files[TSUGA_RIGHTS_MAX];
    uint32_t count;
};

struct tsuga_piece {
    struct tsuga_list_node link;
    const char *bytes;
    size_t count;
    size_t taken;               /* of them */
    size_t copy_bytes;          /* that follow this struct */
    struct tsuga_order *lender; /* whose memory it is; NULL: the copy */
    struct tsuga_rights *rights;
    struct sockaddr_storage from; /* of a datagram */
    socklen_t from_bytes;
};

struct tsuga_queue {
    struct tsuga_list_node pieces;
    size_t bytes;
    uint32_t count;
};

void tsuga_queue_init(struct tsuga_queue *queue);

/* A copy of the bytes, or a reference to the lender's. */
struct tsuga_piece *tsuga_piece_make(struct tsuga_kernel *kernel, const char *bytes, size_t count,
                                     struct tsuga_order *lender);
void tsuga_piece_free(struct tsuga_kernel *kernel, struct tsuga_piece *piece);

/* The piece has arrived: what is lent may become a copy, and the lender gets its own back. */
struct tsuga_piece *tsuga_piece_settle(struct tsuga_kernel *kernel, struct tsuga_piece *piece);

void tsuga_queue_put(struct tsuga_queue *queue, struct tsuga_piece *piece);
void tsuga_queue_drop(struct tsuga_kernel *kernel, struct tsuga_queue *queue);

/* Copies up to `count` bytes out, and takes them out unless it only peeks. A piece that brings
 * rights begins a new read. */
size_t tsuga_queue_read(struct tsuga_kernel *kernel, struct tsuga_queue *queue, char *out,
                        size_t count, bool peeks);

/* Moves up to `count` bytes from the front of one to the end of another. */
size_t tsuga_queue_move(struct tsuga_kernel *kernel, struct tsuga_queue *from,
                        struct tsuga_queue *to, size_t count);

static inline struct tsuga_piece *tsuga_queue_first(const struct tsuga_queue *queue)
{
    if (queue->pieces.next == &queue->pieces)
        return NULL;
    return TSUGA_CONTAINER_OF(queue->pieces.next, struct tsuga_piece, link);
}

/* The first one, out of the queue. */
struct tsuga_piece *tsuga_queue_take(struct tsuga_queue *queue);

#endif
