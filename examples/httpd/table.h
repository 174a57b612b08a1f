/*
 * A table of things by their names, which also knows in which order they were used. The things
 * bring their nodes along; the table allocates its slots once.
 *
 * Owner and thread: one actor has a table and the things in it.
 */
#ifndef TSUGA_HTTPD_TABLE_H
#define TSUGA_HTTPD_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next; /* in the same slot */
    struct table_node *older;
    struct table_node *newer;
    const char *name; /* lives as long as the node */
    uint64_t hash;
};

struct table {
    struct table_node **slots;
    size_t slot_count; /* a power of two */
    size_t count;
    struct table_node *oldest;
    struct table_node *newest;
};

/* For about `expected` things; more only make it slower. */
void table_init(struct table *table, size_t expected);

/* The things stay their owner's. */
void table_fini(struct table *table);

struct table_node *table_find(const struct table *table, const char *name);

/* Add one that is not there, as the newest. */
void table_add(struct table *table, struct table_node *node, const char *name);

/* It is the newest again. */
void table_use(struct table *table, struct table_node *node);

void table_remove(struct table *table, struct table_node *node);

#endif
