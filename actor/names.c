#include "actor/names.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/bits.h"

#define BUCKETS_FIRST 64u

void tsuga_names_init(struct tsuga_names *names, const struct tsuga_memory *memory)
{
    *names = (struct tsuga_names){.memory = memory};
    pthread_rwlock_init(&names->lock, NULL);
}

void tsuga_names_fini(struct tsuga_names *names)
{
    TSUGA_ASSERT(names->name_count == 0);
    tsuga_memory_free(names->memory, names->buckets,
                      names->bucket_count * sizeof(struct tsuga_name *));
    pthread_rwlock_destroy(&names->lock);
}

/* FNV-1a: names are short. */
static uint64_t hash_of(const char *text, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Where the pointer to a name lies, or would. */
static struct tsuga_name **place_of(const struct tsuga_names *names, uint64_t hash,
                                    const char *text, size_t bytes)
{
    struct tsuga_name **place = &names->buckets[hash & (names->bucket_count - 1)];

    while (*place != NULL && ((*place)->hash != hash || (*place)->bytes != bytes ||
                              memcmp((*place)->text, text, bytes) != 0))
        place = &(*place)->next;
    return place;
}

static int grow(struct tsuga_names *names)
{
    uint64_t count = names->bucket_count == 0 ? BUCKETS_FIRST : names->bucket_count * 2;
    struct tsuga_name **buckets =
        tsuga_memory_alloc_zeroed(names->memory, count * sizeof(struct tsuga_name *));

    if (buckets == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < names->bucket_count; i++) {
        while (names->buckets[i] != NULL) {
            struct tsuga_name *name = names->buckets[i];

            names->buckets[i] = name->next;
            name->next = buckets[name->hash & (count - 1)];
            buckets[name->hash & (count - 1)] = name;
        }
    }
    tsuga_memory_free(names->memory, names->buckets,
                      names->bucket_count * sizeof(struct tsuga_name *));
    names->buckets = buckets;
    names->bucket_count = count;
    return 0;
}

static size_t bytes_of(const struct tsuga_name *name)
{
    return sizeof(*name) + name->bytes;
}

static struct tsuga_name *make(struct tsuga_names *names, const struct tsuga_actor *actor,
                               const char *text, size_t bytes)
{
    struct tsuga_name *name = tsuga_memory_alloc(names->memory, sizeof(*name) + bytes);

    if (name == NULL)
        return NULL;
    *name = (struct tsuga_name){.bond.kind = TSUGA_BOND_NAME,
                                .id = tsuga_actor_id(actor),
                                .hash = hash_of(text, bytes),
                                .bytes = (uint32_t)bytes};
    memcpy(name->text, text, bytes);
    return name;
}

/* Under the lock. */
static int insert(struct tsuga_names *names, struct tsuga_name *name)
{
    struct tsuga_name **place;

    /* A table that cannot grow serves all the same, once there is one. */
    if (names->name_count >= names->bucket_count && grow(names) != 0 && names->bucket_count == 0)
        return -ENOMEM;
    place = place_of(names, name->hash, name->text, name->bytes);
    if (*place != NULL)
        return -EEXIST;
    *place = name;
    names->name_count++;
    return 0;
}

int tsuga_names_add(struct tsuga_names *names, struct tsuga_actor *actor, const char *text)
{
    size_t bytes = text == NULL ? 0 : strnlen(text, TSUGA_NAME_BYTES_MAX + 1);
    struct tsuga_name *name;
    int error;

    if (bytes == 0 || bytes > TSUGA_NAME_BYTES_MAX)
        return -EINVAL;
    name = make(names, actor, text, bytes);
    if (name == NULL)
        return -ENOMEM;
    pthread_rwlock_wrlock(&names->lock);
    error = insert(names, name);
    pthread_rwlock_unlock(&names->lock);
    if (error != 0)
        tsuga_memory_free(names->memory, name, bytes_of(name));
    else
        tsuga_bond_tie(&actor->bonds, &name->bond);
    return error;
}

static void take_out(struct tsuga_names *names, struct tsuga_name *name)
{
    struct tsuga_name **place;

    pthread_rwlock_wrlock(&names->lock);
    place = place_of(names, name->hash, name->text, name->bytes);
    *place = name->next;
    names->name_count--;
    pthread_rwlock_unlock(&names->lock);
    tsuga_bond_untie(&name->bond);
    tsuga_memory_free(names->memory, name, bytes_of(name));
}

static struct tsuga_name *name_of(struct tsuga_bond *bond)
{
    return TSUGA_CONTAINER_OF(bond, struct tsuga_name, bond);
}

int tsuga_names_remove(struct tsuga_names *names, struct tsuga_actor *actor, const char *text)
{
    size_t bytes;

    if (text == NULL)
        return -ENOENT;
    bytes = strnlen(text, TSUGA_NAME_BYTES_MAX + 1);
    for (struct tsuga_bond *bond = actor->bonds; bond != NULL; bond = bond->next) {
        if (bond->kind != TSUGA_BOND_NAME || name_of(bond)->bytes != bytes ||
            memcmp(name_of(bond)->text, text, bytes) != 0)
            continue;
        take_out(names, name_of(bond));
        return 0;
    }
    return -ENOENT;
}

struct tsuga_id tsuga_names_find(struct tsuga_names *names, const char *text)
{
    size_t bytes = text == NULL ? 0 : strnlen(text, TSUGA_NAME_BYTES_MAX + 1);
    struct tsuga_id id = {0};
    struct tsuga_name *name = NULL;

    pthread_rwlock_rdlock(&names->lock);
    if (names->bucket_count > 0 && bytes > 0)
        name = *place_of(names, hash_of(text, bytes), text, bytes);
    if (name != NULL)
        id = name->id;
    pthread_rwlock_unlock(&names->lock);
    return id;
}

void tsuga_names_leave(struct tsuga_names *names, struct tsuga_actor *actor)
{
    struct tsuga_bond *bond;

    while ((bond = tsuga_bond_latest(actor->bonds, TSUGA_BOND_NAME)) != NULL)
        take_out(names, name_of(bond));
}
