#include "runtime/sim/queue.h"

#include <string.h>

#include "runtime/base/assert.h"

void tsuga_queue_init(struct tsuga_queue *queue)
{
    tsuga_list_init(&queue->pieces);
    queue->bytes = 0;
    queue->count = 0;
}

struct tsuga_piece *tsuga_piece_make(struct tsuga_kernel *kernel, const char *bytes, size_t count,
                                     struct tsuga_order *lender)
{
    size_t copy_bytes = lender == NULL ? count : 0;
    struct tsuga_piece *piece = tsuga_kernel_alloc(kernel, sizeof(*piece) + copy_bytes);
    char *copy = (char *)(piece + 1);

    piece->bytes = lender == NULL ? copy : bytes;
    piece->count = count;
    piece->taken = 0;
    piece->copy_bytes = copy_bytes;
    piece->lender = lender;
    piece->rights = NULL;
    piece->from_bytes = 0;
    if (copy_bytes > 0)
        memcpy(copy, bytes, copy_bytes);
    if (lender != NULL && lender->lent_count++ == 0 && lender->moved == 0)
        lender->is_copied = tsuga_random_once_in(&kernel->random, 2);
    return piece;
}

static void free_rights(struct tsuga_kernel *kernel, struct tsuga_rights *rights)
{
    if (rights == NULL)
        return;
    for (uint32_t i = 0; i < rights->count; i++)
        tsuga_file_release(rights->files[i]);
    tsuga_kernel_free(kernel, rights, sizeof(*rights));
}

void tsuga_piece_free(struct tsuga_kernel *kernel, struct tsuga_piece *piece)
{
    if (piece->lender != NULL)
        tsuga_order_give_back(piece->lender);
    free_rights(kernel, piece->rights);
    tsuga_kernel_free(kernel, piece, sizeof(*piece) + piece->copy_bytes);
}

struct tsuga_piece *tsuga_piece_settle(struct tsuga_kernel *kernel, struct tsuga_piece *piece)
{
    struct tsuga_order *lender = piece->lender;
    struct tsuga_piece *copy;

    if (lender == NULL || !lender->is_copied)
        return piece;
    copy = tsuga_piece_make(kernel, piece->bytes + piece->taken, piece->count - piece->taken, NULL);
    copy->rights = piece->rights;
    copy->from = piece->from;
    copy->from_bytes = piece->from_bytes;
    piece->rights = NULL;
    tsuga_piece_free(kernel, piece);
    return copy;
}

void tsuga_queue_put(struct tsuga_queue *queue, struct tsuga_piece *piece)
{
    tsuga_list_push_back(&queue->pieces, &piece->link);
    queue->bytes += piece->count - piece->taken;
    queue->count++;
}

struct tsuga_piece *tsuga_queue_take(struct tsuga_queue *queue)
{
    struct tsuga_piece *piece = tsuga_queue_first(queue);

    if (piece == NULL)
        return NULL;
    tsuga_list_remove(&piece->link);
    queue->bytes -= piece->count - piece->taken;
    queue->count--;
    return piece;
}

void tsuga_queue_drop(struct tsuga_kernel *kernel, struct tsuga_queue *queue)
{
    struct tsuga_piece *piece;

    while ((piece = tsuga_queue_take(queue)) != NULL)
        tsuga_piece_free(kernel, piece);
}

size_t tsuga_queue_read(struct tsuga_kernel *kernel, struct tsuga_queue *queue, char *out,
                        size_t count, bool peeks)
{
    struct tsuga_list_node *node = queue->pieces.next;
    size_t done = 0;

    while (done < count && node != &queue->pieces) {
        struct tsuga_piece *piece = TSUGA_CONTAINER_OF(node, struct tsuga_piece, link);
        size_t left = piece->count - piece->taken;
        size_t part = left < count - done ? left : count - done;

        if (piece->rights != NULL && done > 0)
            break;
        node = node->next;
        if (part > 0)
            memcpy(out + done, piece->bytes + piece->taken, part);
        done += part;
        if (peeks)
            continue;
        piece->taken += part;
        queue->bytes -= part;
        if (piece->taken == piece->count)
            tsuga_piece_free(kernel, tsuga_queue_take(queue));
    }
    return done;
}

size_t tsuga_queue_move(struct tsuga_kernel *kernel, struct tsuga_queue *from,
                        struct tsuga_queue *to, size_t count)
{
    struct tsuga_piece *piece = tsuga_queue_first(from);
    struct tsuga_piece *part;
    size_t done = 0;

    while (piece != NULL && count - done >= piece->count - piece->taken) {
        done += piece->count - piece->taken;
        tsuga_queue_put(to, tsuga_piece_settle(kernel, tsuga_queue_take(from)));
        piece = tsuga_queue_first(from);
    }
    if (piece == NULL || done == count)
        return done;
    part = tsuga_piece_make(kernel, piece->bytes + piece->taken, count - done, piece->lender);
    part->rights = piece->rights;
    piece->rights = NULL;
    piece->taken += count - done;
    from->bytes -= count - done;
    tsuga_queue_put(to, tsuga_piece_settle(kernel, part));
    return count;
}
