/* A table: chains in slots, and a list from the oldest to the newest. */
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/memory.h"
#include "examples/httpd/table.h"

#define SLOTS_MIN 64u

/* FNV-1a. A name that is not there costs a client an open, so that little is won by finding names
 * that share a slot. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return hash;
}

void table_init(struct table *table, size_t expected)
{
    *table = (struct table){.slot_count = SLOTS_MIN};
    while (table->slot_count < 2 * expected)
        table->slot_count *= 2;
    table->slots = allocate(table->slot_count, sizeof(struct table_node *));
}

void table_fini(struct table *table)
{
    free(table->slots);
}

static struct table_node **slot_of(const struct table *table, uint64_t hash)
{
    return &table->slots[(hash ^ hash >> 32) & (table->slot_count - 1)];
}

struct table_node *table_find(const struct table *table, const char *name)
{
    uint64_t hash = hash_of(name);
    struct table_node *node = *slot_of(table, hash);

    while (node != NULL && (node->hash != hash || strcmp(node->name, name) != 0))
        node = node->next;
    return node;
}

static void append(struct table *table, struct table_node *node)
{
    node->older = table->newest;
    node->newer = NULL;
    if (table->newest != NULL)
        table->newest->newer = node;
    else
        table->oldest = node;
    table->newest = node;
}

static void detach(struct table *table, struct table_node *node)
{
    if (node->older != NULL)
        node->older->newer = node->newer;
    else
        table->oldest = node->newer;
    if (node->newer != NULL)
        node->newer->older = node->older;
    else
        table->newest = node->older;
}

void table_add(struct table *table, struct table_node *node, const char *name)
{
    node->name = name;
    node->hash = hash_of(name);
    struct table_node **slot = slot_of(table, node->hash);
    node->next = *slot;
    *slot = node;
    append(table, node);
    table->count++;
}

void table_use(struct table *table, struct table_node *node)
{
    if (table->newest == node)
        return;
    detach(table, node);
    append(table, node);
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **link = slot_of(table, node->hash);

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    detach(table, node);
    table->count--;
}
