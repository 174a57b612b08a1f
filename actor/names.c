#include "actor/names.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/bits.h"

void tsuga_names_init(struct tsuga_names *names, const struct tsuga_memory *memory)
{
    names->memory = memory;
    tsuga_words_init(&names->words, memory);
    pthread_rwlock_init(&names->lock, NULL);
}

void tsuga_names_fini(struct tsuga_names *names)
{
    tsuga_words_fini(&names->words);
    pthread_rwlock_destroy(&names->lock);
}

static struct tsuga_name *make(struct tsuga_names *names, const struct tsuga_actor *actor,
                               struct tsuga_word word)
{
    struct tsuga_name *name = tsuga_memory_alloc(names->memory, sizeof(*name) + word.bytes);

    if (name == NULL)
        return NULL;
    *name = (struct tsuga_name){
        .bond.kind = TSUGA_BOND_NAME, .word = word, .id = tsuga_actor_id(actor)};
    memcpy(name->text, word.text, word.bytes);
    name->word.text = name->text;
    return name;
}

static void discard(struct tsuga_names *names, struct tsuga_name *name)
{
    tsuga_memory_free(names->memory, name, sizeof(*name) + name->word.bytes);
}

int tsuga_names_add(struct tsuga_names *names, struct tsuga_actor *actor, const char *text)
{
    struct tsuga_word word = tsuga_word_of(text);
    struct tsuga_name *name;
    int error;

    if (word.bytes == 0)
        return -EINVAL;
    name = make(names, actor, word);
    if (name == NULL)
        return -ENOMEM;
    pthread_rwlock_wrlock(&names->lock);
    error = tsuga_words_add(&names->words, &name->word);
    pthread_rwlock_unlock(&names->lock);
    if (error != 0)
        discard(names, name);
    else
        tsuga_bond_tie(&actor->bonds, &name->bond);
    return error;
}

static void take_out(struct tsuga_names *names, struct tsuga_name *name)
{
    pthread_rwlock_wrlock(&names->lock);
    tsuga_words_remove(&names->words, &name->word);
    pthread_rwlock_unlock(&names->lock);
    tsuga_bond_untie(&name->bond);
    discard(names, name);
}

static struct tsuga_name *name_of(struct tsuga_bond *bond)
{
    return TSUGA_CONTAINER_OF(bond, struct tsuga_name, bond);
}

int tsuga_names_remove(struct tsuga_names *names, struct tsuga_actor *actor, const char *text)
{
    struct tsuga_word word = tsuga_word_of(text);

    for (struct tsuga_bond *bond = actor->bonds; bond != NULL; bond = bond->next) {
        if (bond->kind != TSUGA_BOND_NAME || !tsuga_word_equal(&name_of(bond)->word, &word))
            continue;
        take_out(names, name_of(bond));
        return 0;
    }
    return -ENOENT;
}

struct tsuga_id tsuga_names_find(struct tsuga_names *names, const char *text)
{
    struct tsuga_word word = tsuga_word_of(text);
    struct tsuga_word *found;
    struct tsuga_id id = {0};

    pthread_rwlock_rdlock(&names->lock);
    found = tsuga_words_find(&names->words, &word);
    if (found != NULL)
        id = TSUGA_CONTAINER_OF(found, struct tsuga_name, word)->id;
    pthread_rwlock_unlock(&names->lock);
    return id;
}

void tsuga_names_leave(struct tsuga_names *names, struct tsuga_actor *actor)
{
    struct tsuga_bond *bond;

    while ((bond = tsuga_bond_latest(actor->bonds, TSUGA_BOND_NAME)) != NULL)
        take_out(names, name_of(bond));
}
