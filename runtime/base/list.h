/*
 * An intrusive doubly linked list with a sentinel. The list owns nothing: the nodes live inside
 * the members, and a member is in at most one list per node.
 *
 * Invariant: following `next` from the sentinel reaches it again, and node->next->prev == node.
 *
 * Thread: whichever thread owns the list.
 */
#ifndef TSUGA_BASE_LIST_H
#define TSUGA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/bits.h"

struct tsuga_list_node {
    struct tsuga_list_node *next;
    struct tsuga_list_node *prev;
};

/* Walks a list that the body does not change. */
#define TSUGA_LIST_EACH(node, list)                                                                \
    for (struct tsuga_list_node *node = (list)->next; node != (list); node = node->next)

static inline void tsuga_list_init(struct tsuga_list_node *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool tsuga_list_is_empty(const struct tsuga_list_node *list)
{
    return list->next == list;
}

/* True when the node is in some list. Needs a node that was initialised or removed. */
static inline bool tsuga_list_is_linked(const struct tsuga_list_node *node)
{
    return node->next != node;
}

static inline void tsuga_list_push_back(struct tsuga_list_node *list, struct tsuga_list_node *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

static inline void tsuga_list_push_front(struct tsuga_list_node *list, struct tsuga_list_node *node)
{
    tsuga_list_push_back(list->next, node);
}

/* Takes the node out and leaves it linked to itself, so that removing it again does no harm. */
static inline void tsuga_list_remove(struct tsuga_list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    tsuga_list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct tsuga_list_node *tsuga_list_pop_front(struct tsuga_list_node *list)
{
    struct tsuga_list_node *node = list->next;

    if (node == list)
        return NULL;
    tsuga_list_remove(node);
    return node;
}

#endif
