#include "executor/tie_index.h"

#include "executor/executor.h"

#define LOOKS_MAX    32u /* at bonds, before it is worth an index */
#define BUCKETS_MIN  64u
#define GOLDEN_RATIO UINT64_C(0x9e3779b97f4a7c15)

struct index {
    struct tsuga_bond bond;
    uint32_t count;
    uint32_t bucket_count; /* a power of two, at least `count` but for want of memory */
    struct tsuga_tie_end *buckets[];
};

static struct index *index_of(const struct tsuga_actor *actor)
{
    if (actor->bonds == NULL || actor->bonds->kind != TSUGA_BOND_INDEX)
        return NULL;
    return TSUGA_CONTAINER_OF(actor->bonds, struct index, bond);
}

static const struct tsuga_memory *memory_of(struct tsuga_actor *actor)
{
    return tsuga_seat_home(tsuga_seat_of(actor))->shared->memory;
}

static size_t bytes_for(uint32_t bucket_count)
{
    return sizeof(struct index) + bucket_count * sizeof(struct tsuga_tie_end *);
}

/* Whether anybody ever looks for this end. */
static bool has_key(struct tsuga_tie_end *end)
{
    return end->index == 0 || tsuga_tie_of(end)->kind == TSUGA_TIE_LINK;
}

static struct tsuga_tie_key key_of(struct tsuga_tie_end *end)
{
    const struct tsuga_tie *tie = tsuga_tie_of(end);

    return (struct tsuga_tie_key){
        tie->kind, tie->kind == TSUGA_TIE_LINK ? tsuga_tie_other(end)->id.value : tie->name};
}

static bool is_meant(struct tsuga_tie_end *end, struct tsuga_tie_key key,
                     const struct tsuga_tie_end *except)
{
    struct tsuga_tie_key own = key_of(end);

    return own.kind == key.kind && own.value == key.value && end != except && has_key(end);
}

static struct tsuga_tie_end **bucket_for(struct index *index, uint64_t value)
{
    /* The high half: in the low one a product has no more to tell than its factor had. */
    return &index->buckets[(value * GOLDEN_RATIO >> 32) & (index->bucket_count - 1)];
}

static void put(struct index *index, struct tsuga_tie_end *end)
{
    struct tsuga_tie_end **bucket = bucket_for(index, key_of(end).value);

    end->next = *bucket;
    *bucket = end;
    index->count++;
}

static struct index *allocate(struct tsuga_actor *actor, uint32_t bucket_count)
{
    struct index *index = tsuga_memory_alloc_zeroed(memory_of(actor), bytes_for(bucket_count));

    if (index == NULL)
        return NULL;
    index->bond.kind = TSUGA_BOND_INDEX;
    index->bucket_count = bucket_count;
    return index;
}

/* A tie that its actor has not opened yet comes when it is. */
static struct tsuga_tie_end *open_end_of(struct tsuga_bond *bond)
{
    struct tsuga_tie_end *end = tsuga_tie_end_of_bond(bond);

    return bond->kind == TSUGA_BOND_TIE && end->state != TSUGA_TIE_OPENING ? end : NULL;
}

/* As large as they need, or not at all. */
static void make(struct tsuga_actor *actor)
{
    uint32_t bucket_count = BUCKETS_MIN;
    uint32_t count = 0;
    struct index *index;

    for (struct tsuga_bond *bond = actor->bonds; bond != NULL; bond = bond->next)
        count += bond->kind == TSUGA_BOND_TIE ? 1 : 0;
    while (bucket_count < count)
        bucket_count *= 2;
    index = allocate(actor, bucket_count);
    if (index == NULL)
        return;
    for (struct tsuga_bond *bond = actor->bonds; bond != NULL; bond = bond->next) {
        struct tsuga_tie_end *end = open_end_of(bond);

        if (end != NULL && has_key(end))
            put(index, end);
    }
    tsuga_bond_tie(&actor->bonds, &index->bond);
}

static void grow(struct tsuga_actor *actor)
{
    struct index *index = index_of(actor);
    struct index *larger = allocate(actor, index->bucket_count * 2);

    if (larger == NULL)
        return;
    for (uint32_t i = 0; i < index->bucket_count; i++) {
        while (index->buckets[i] != NULL) {
            struct tsuga_tie_end *end = index->buckets[i];

            index->buckets[i] = end->next;
            put(larger, end);
        }
    }
    tsuga_tie_index_free(actor);
    tsuga_bond_tie(&actor->bonds, &larger->bond);
}

void tsuga_tie_index_add(struct tsuga_actor *actor, struct tsuga_tie_end *end)
{
    const struct index *index = index_of(actor);

    if (index == NULL || !has_key(end))
        return;
    if (index->count == index->bucket_count)
        grow(actor);
    put(index_of(actor), end);
}

void tsuga_tie_index_remove(struct tsuga_actor *actor, struct tsuga_tie_end *end)
{
    struct index *index = index_of(actor);
    struct tsuga_tie_end **place;

    if (index == NULL || !has_key(end))
        return;
    place = bucket_for(index, key_of(end).value);
    while (*place != end)
        place = &(*place)->next;
    *place = end->next;
    index->count--;
}

/* Looks at some bonds, and leaves `*bond` at the next one. */
static struct tsuga_tie_end *search(struct tsuga_bond **bond, uint32_t looks,
                                    struct tsuga_tie_key key, const struct tsuga_tie_end *except)
{
    for (; *bond != NULL && looks > 0; *bond = (*bond)->next, looks--) {
        if ((*bond)->kind == TSUGA_BOND_TIE && is_meant(tsuga_tie_end_of_bond(*bond), key, except))
            return tsuga_tie_end_of_bond(*bond);
    }
    return NULL;
}

struct tsuga_tie_end *tsuga_tie_index_find(struct tsuga_actor *actor, struct tsuga_tie_key key,
                                           const struct tsuga_tie_end *except)
{
    struct tsuga_bond *bond = actor->bonds;
    struct tsuga_tie_end *end = NULL;

    if (index_of(actor) == NULL) {
        end = search(&bond, LOOKS_MAX, key, except);
        if (end != NULL || bond == NULL)
            return end;
        make(actor);
    }
    if (index_of(actor) == NULL)
        return search(&bond, UINT32_MAX, key, except);
    end = *bucket_for(index_of(actor), key.value);
    while (end != NULL && !is_meant(end, key, except))
        end = end->next;
    return end;
}

void tsuga_tie_index_free(struct tsuga_actor *actor)
{
    struct index *index = index_of(actor);

    if (index == NULL)
        return;
    tsuga_bond_untie(&index->bond);
    tsuga_memory_free(memory_of(actor), index, bytes_for(index->bucket_count));
}
