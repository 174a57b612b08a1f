#include "actor/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"

#define ACTORS 8u
#define NAMES  512u

/* In memory that runs out after so many calls. */
static void open_names(struct tsuga_names *names, struct tsuga_scarce_memory *scarce,
                       unsigned calls)
{
    tsuga_scarce_memory_init(scarce);
    scarce->calls_to_failure = (int64_t)calls + 1;
    scarce->fails_on = true;
    tsuga_names_init(names, &scarce->backing.memory);
}

static void open_actor(struct tsuga_actor *actor, uint32_t slot)
{
    memset(actor, 0, sizeof(*actor));
    atomic_init(&actor->life, tsuga_actor_life(1, TSUGA_LIFE_ALIVE, TSUGA_STOP_NONE));
    actor->slot = slot;
}

TEST(names, are_of_a_certain_length)
{
    char text[TSUGA_NAME_BYTES_MAX + 2];
    struct tsuga_names names;
    struct tsuga_actor actor;
    struct tsuga_scarce_memory scarce;

    open_names(&names, &scarce, 100);
    open_actor(&actor, 0);
    memset(text, 'x', sizeof(text));
    text[TSUGA_NAME_BYTES_MAX + 1] = '\0';
    CHECK_INT(tsuga_names_add(&names, &actor, NULL), -EINVAL);
    CHECK_INT(tsuga_names_add(&names, &actor, ""), -EINVAL);
    CHECK_INT(tsuga_names_add(&names, &actor, text), -EINVAL);
    CHECK_UINT(tsuga_names_find(&names, text).value, 0);
    text[TSUGA_NAME_BYTES_MAX] = '\0';
    CHECK_INT(tsuga_names_add(&names, &actor, text), 0);
    CHECK_INT(tsuga_names_add(&names, &actor, text), -EEXIST);
    CHECK_UINT(tsuga_names_find(&names, text).value, tsuga_actor_id(&actor).value);
    CHECK_UINT(tsuga_names_find(&names, text + 1).value, 0);
    CHECK_UINT(tsuga_names_find(&names, NULL).value, 0);
    CHECK_INT(tsuga_names_remove(&names, &actor, text), 0);
    CHECK_INT(tsuga_names_remove(&names, &actor, text), -ENOENT);
    CHECK_INT(tsuga_names_remove(&names, &actor, NULL), -ENOENT);
    tsuga_names_fini(&names);
    CHECK_INT(scarce.live_count, 0);
}

TEST(names, without_memory_nothing_has_happened)
{
    struct tsuga_names names;
    struct tsuga_actor actor;
    struct tsuga_scarce_memory scarce;

    open_actor(&actor, 0);
    for (unsigned calls = 0; calls < 2; calls++) {
        open_names(&names, &scarce, calls);
        CHECK_INT(tsuga_names_add(&names, &actor, "a"), -ENOMEM);
        CHECK_UINT(tsuga_names_find(&names, "a").value, 0);
        CHECK(actor.bonds == NULL);
        tsuga_names_fini(&names);
        CHECK_INT(scarce.live_count, 0);
    }
}

/* A table of what each name should mean, tried at random against the real one. */
TEST(names, mean_what_they_should)
{
    uint64_t random = tsuga_test_seed();
    const struct tsuga_actor *owners[NAMES] = {NULL};
    struct tsuga_actor actors[ACTORS];
    struct tsuga_names names;
    struct tsuga_scarce_memory scarce;

    open_names(&names, &scarce, UINT32_MAX);
    for (uint32_t i = 0; i < ACTORS; i++)
        open_actor(&actors[i], i);
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t number = tsuga_test_random(&random);
        size_t at = number % NAMES;
        struct tsuga_actor *actor = &actors[number / NAMES % ACTORS];
        bool is_mine = owners[at] == actor;
        char text[16];

        snprintf(text, sizeof(text), "name %zu", at);
        CHECK_UINT(tsuga_names_find(&names, text).value,
                   owners[at] == NULL ? 0 : tsuga_actor_id(owners[at]).value);
        if (number >> 32 & 1) {
            CHECK_INT(tsuga_names_add(&names, actor, text), owners[at] == NULL ? 0 : -EEXIST);
            owners[at] = owners[at] == NULL ? actor : owners[at];
        } else {
            CHECK_INT(tsuga_names_remove(&names, actor, text), is_mine ? 0 : -ENOENT);
            owners[at] = is_mine ? NULL : owners[at];
        }
        if (number >> 40 & 0xff)
            continue;
        tsuga_names_leave(&names, actor);
        for (size_t i = 0; i < NAMES; i++)
            owners[i] = owners[i] == actor ? NULL : owners[i];
    }
    for (uint32_t i = 0; i < ACTORS; i++)
        tsuga_names_leave(&names, &actors[i]);
    CHECK_UINT(names.words.word_count, 0);
    tsuga_names_fini(&names);
    CHECK_INT(scarce.live_count, 0);
}
