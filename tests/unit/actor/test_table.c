#include "actor/table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ioheap/backing.h"
#include "tests/support/test.h"

#define ACTOR_BYTES (sizeof(struct tsuga_actor) + 40)

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)self;
    (void)message;
}

static const struct tsuga_spawn_options idle = {.behaviour = behave};
static const struct tsuga_actor_room unlimited;

static void open_table(struct tsuga_actor_table *table)
{
    CHECK_INT(tsuga_actor_table_init(table, ACTOR_BYTES, &tsuga_backing_default()->memory), 0);
}

static struct tsuga_actor *bear(struct tsuga_actor_table *table, struct tsuga_actor_cache *cache)
{
    struct tsuga_actor *actor;

    CHECK_INT(tsuga_actor_table_take(table, cache, &actor), 0);
    CHECK_INT(tsuga_actor_init(actor, &idle, unlimited, table->memory), 0);
    return actor;
}

static void bury(struct tsuga_actor_table *table, struct tsuga_actor_cache *cache,
                 struct tsuga_actor *actor)
{
    struct tsuga_message *rest = NULL;

    tsuga_actor_fini(actor, table->memory);
    CHECK(!tsuga_actor_vacate(actor, &rest));
    CHECK_PTR(rest, NULL);
    tsuga_actor_table_give(table, cache, actor);
}

TEST(actor, an_id_never_reaches_a_successor)
{
    static struct tsuga_actor_table table;
    struct tsuga_actor_cache cache = {NULL, 0};
    struct tsuga_id old;
    struct tsuga_actor *actor;

    open_table(&table);
    actor = bear(&table, &cache);
    old = tsuga_actor_id(actor);
    for (int i = 0; i < 1000; i++) {
        struct tsuga_actor *slot = tsuga_actor_table_find(&table, old);

        bury(&table, &cache, actor);
        CHECK_INT(tsuga_actor_raise_stop(slot, (uint32_t)(old.value >> 32), TSUGA_STOP_ASKED),
                  -ESRCH);
        actor = bear(&table, &cache);
        CHECK_PTR(actor, slot);
        CHECK(!tsuga_id_equal(tsuga_actor_id(actor), old));
        CHECK_INT(tsuga_actor_raise_stop(slot, (uint32_t)(old.value >> 32), TSUGA_STOP_ASKED),
                  -ESRCH);
        CHECK_INT(tsuga_actor_stop_level(actor), TSUGA_STOP_NONE);
    }
    bury(&table, &cache, actor);
    tsuga_actor_table_fini(&table);
}

/* A slot whose generations are used up is never handed out again. */
TEST(actor, an_id_never_wraps_round)
{
    static struct tsuga_actor_table table;
    struct tsuga_actor *actor;
    struct tsuga_actor *next;

    open_table(&table);
    actor = bear(&table, NULL);
    atomic_store(&actor->life, tsuga_actor_life(UINT32_MAX - 1, TSUGA_LIFE_ALIVE, TSUGA_STOP_NONE));
    CHECK_UINT(tsuga_actor_id(actor).value >> 32, UINT32_MAX - 1);
    bury(&table, NULL, actor);
    for (int i = 0; i < 3; i++) {
        next = bear(&table, NULL);
        CHECK(next != actor);
        bury(&table, NULL, next);
    }
    tsuga_actor_table_fini(&table);
}

TEST(actor, nobody_has_an_id_that_was_never_given)
{
    static struct tsuga_actor_table table;
    struct tsuga_actor *actor;

    open_table(&table);
    CHECK_PTR(tsuga_actor_table_find(&table, (struct tsuga_id){0}), NULL);
    CHECK_PTR(tsuga_actor_table_find(&table, (struct tsuga_id){UINT64_MAX}), NULL);
    actor = bear(&table, NULL);
    CHECK(tsuga_actor_id(actor).value != 0);
    CHECK_PTR(tsuga_actor_table_find(&table, tsuga_actor_id(actor)), actor);
    CHECK_INT(tsuga_actor_raise_stop(actor, 0, TSUGA_STOP_ASKED), -ESRCH);
    bury(&table, NULL, actor);
    tsuga_actor_table_fini(&table);
}

/* Slots stay where they are, however many there are, and are used again. */
TEST(actor, slots_are_stable_and_recycled)
{
    enum { COUNT = 3 * TSUGA_TABLE_CHUNK_SLOTS };
    static struct tsuga_actor_table table;
    static struct tsuga_actor *actors[COUNT];
    struct tsuga_actor_cache cache = {NULL, 0};
    uint32_t slots;

    open_table(&table);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT; i++)
            actors[i] = bear(&table, i % 2 == 0 ? &cache : NULL);
        for (uint32_t i = 0; i < COUNT; i++)
            CHECK_PTR(tsuga_actor_table_find(&table, tsuga_actor_id(actors[i])), actors[i]);
        for (uint32_t i = 0; i < COUNT; i++)
            bury(&table, i % 3 == 0 ? &cache : NULL, actors[i]);
    }
    slots = atomic_load(&table.slot_count);
    CHECK(slots <= COUNT + TSUGA_TABLE_CHUNK_SLOTS);
    tsuga_actor_table_fini(&table);
}

/* Beyond the first chunks many come at a time. */
TEST(actor, slots_of_a_crowd_are_all_different)
{
    enum {
        COUNT = (TSUGA_TABLE_CHUNKS_SINGLE + 30) * TSUGA_TABLE_CHUNK_SLOTS,
        TOGETHER = TSUGA_TABLE_BATCH_BYTES / ACTOR_BYTES,
    };
    static struct tsuga_actor_table table;
    struct tsuga_actor_cache cache = {NULL, 0};
    static struct tsuga_actor *actors[COUNT];

    open_table(&table);
    for (uint32_t i = 0; i < COUNT; i++) {
        actors[i] = bear(&table, &cache);
        memset(actors[i] + 1, (int)i, ACTOR_BYTES - sizeof(struct tsuga_actor));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        const unsigned char *rest = (void *)(actors[i] + 1);

        CHECK_PTR(tsuga_actor_table_find(&table, tsuga_actor_id(actors[i])), actors[i]);
        CHECK_UINT(rest[0], (unsigned char)i);
        CHECK_UINT(rest[ACTOR_BYTES - sizeof(struct tsuga_actor) - 1], (unsigned char)i);
    }
    CHECK(atomic_load(&table.slot_count) <= COUNT + TOGETHER);
    for (uint32_t i = 0; i < COUNT; i++)
        bury(&table, &cache, actors[i]);
    tsuga_actor_table_fini(&table);
}

/* Threads that are born, die and look each other's ids up. */

#define THREADS 3u
#define LIVES   20000u

struct town {
    struct tsuga_actor_table table;
    _Atomic uint64_t ids[THREADS]; /* of somebody who was alive a moment ago */
};

struct citizen {
    struct town *town;
    uint32_t index;
};

/* Whoever is hit by a stop that was meant for another has been mistaken for them. */
static void meddle(struct town *town, uint32_t whom)
{
    struct tsuga_id id = {atomic_load_explicit(&town->ids[whom], memory_order_relaxed)};
    struct tsuga_actor *actor = tsuga_actor_table_find(&town->table, id);

    if (actor != NULL)
        (void)!tsuga_actor_raise_stop(actor, (uint32_t)(id.value >> 32), TSUGA_STOP_ASKED);
}

static void *live_and_die(void *context)
{
    struct citizen *citizen = context;
    struct town *town = citizen->town;
    struct tsuga_actor_cache cache = {NULL, 0};

    for (uint32_t i = 0; i < LIVES; i++) {
        struct tsuga_actor *known = bear(&town->table, &cache);
        struct tsuga_actor *hidden = bear(&town->table, &cache);

        atomic_store_explicit(&town->ids[citizen->index], tsuga_actor_id(known).value,
                              memory_order_relaxed);
        meddle(town, (citizen->index + 1) % THREADS);
        /* Nobody knows this one, so nobody can have meant it. */
        CHECK_INT(tsuga_actor_stop_level(hidden), TSUGA_STOP_NONE);
        bury(&town->table, &cache, known);
        bury(&town->table, &cache, hidden);
    }
    while (cache.free != NULL) {
        struct tsuga_actor *actor;

        CHECK_INT(tsuga_actor_table_take(&town->table, &cache, &actor), 0);
        tsuga_actor_table_give(&town->table, NULL, actor);
        if (cache.free_count == 0)
            break;
    }
    return NULL;
}

TEST(actor, ids_are_safe_between_threads)
{
    static struct town town;
    struct citizen citizens[THREADS];
    pthread_t threads[THREADS];

    open_table(&town.table);
    for (uint32_t i = 0; i < THREADS; i++) {
        citizens[i] = (struct citizen){&town, i};
        CHECK_INT(pthread_create(&threads[i], NULL, live_and_die, &citizens[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    tsuga_actor_table_fini(&town.table);
}

static void do_nothing(struct tsuga_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

TEST(actor, options_make_an_actor_or_are_refused)
{
    const struct tsuga_spawn_options bad[] = {
        {.name = "neither"},
        {.behaviour = behave, .body = do_nothing},
        {.body = do_nothing, .start = do_nothing},
        {.body = do_nothing, .placement = (enum tsuga_placement)9},
        {.body = do_nothing, .mailbox_full = (enum tsuga_full)9},
    };
    const struct tsuga_spawn_options good[] = {
        {.behaviour = behave},
        {.behaviour = behave, .start = do_nothing},
        {.body = do_nothing, .mailbox_full = TSUGA_FULL_DROP},
    };

    CHECK_INT(tsuga_actor_check_options(NULL), -EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(tsuga_actor_check_options(&bad[i]), -EINVAL);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK_INT(tsuga_actor_check_options(&good[i]), 0);
}
