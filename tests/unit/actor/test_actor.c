#include "actor/actor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

/* Memory that is counted and runs out after so many calls. */
struct store {
    struct tsuga_memory memory;
    int64_t live_bytes;
    unsigned left;
};

static void *fetch(void *context, size_t bytes)
{
    struct store *store = context;

    if (store->left == 0)
        return NULL;
    store->left--;
    store->live_bytes += (int64_t)bytes;
    return malloc(bytes);
}

static void put_back(void *context, void *pointer, size_t bytes)
{
    struct store *store = context;

    store->live_bytes -= pointer != NULL ? (int64_t)bytes : 0;
    free(pointer);
}

static void open_store(struct store *store, unsigned calls)
{
    *store = (struct store){.memory = {.alloc = fetch, .free = put_back, .context = store},
                            .left = calls};
}

static const struct tsuga_actor_room unlimited;

static void do_nothing(struct tsuga_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

/* A slot as the table makes it. */
static void open_slot(struct tsuga_actor *actor)
{
    memset(actor, 0, sizeof(*actor));
    atomic_init(&actor->life, tsuga_actor_life(1, 0, TSUGA_STOP_NONE));
    tsuga_mailbox_init(&actor->mailbox);
}

static void append(void *context)
{
    char **end = context;

    *(*end)++ = 'h';
}

static void fini(void *state)
{
    char **end = *(char ***)state;

    *(*end)++ = 's';
}

TEST(actor, ends_with_its_hooks_and_then_its_state)
{
    const struct tsuga_spawn_options options = {
        .body = do_nothing, .state_bytes = 100, .state_fini = fini};
    struct tsuga_actor actor;
    struct store store;
    char text[8] = "";
    char *end = text;

    open_slot(&actor);
    open_store(&store, 100);
    CHECK_INT(tsuga_actor_init(&actor, &options, unlimited, &store.memory), 0);
    for (size_t i = 0; i < 100; i++)
        CHECK_INT(((char *)tsuga_state(&actor))[i], 0);
    *(char ***)tsuga_state(&actor) = &end;
    CHECK_INT(tsuga_actor_add_hook(&actor, append, &end, &store.memory), 0);
    CHECK_INT(tsuga_actor_add_hook(&actor, append, &end, &store.memory), 0);
    tsuga_actor_fini(&actor, &store.memory);
    CHECK_STR(text, "hhs");
    CHECK_INT(store.live_bytes, 0);
}

static void is_counted(void *state)
{
    **(int **)state += 1;
}

/* Which may lie in the actor itself. */
TEST(actor, a_state_of_a_pointer_is_its_own_too)
{
    const struct tsuga_spawn_options options = {
        .body = do_nothing, .state_bytes = sizeof(int *), .state_fini = is_counted};
    struct tsuga_actor actors[2];
    struct store store;
    int counts[2] = {0};

    open_store(&store, 100);
    for (unsigned i = 0; i < 2; i++) {
        open_slot(&actors[i]);
        CHECK_INT(tsuga_actor_init(&actors[i], &options, unlimited, &store.memory), 0);
        CHECK_PTR(*(int **)tsuga_state(&actors[i]), NULL);
        *(int **)tsuga_state(&actors[i]) = &counts[i];
    }
    tsuga_actor_fini(&actors[1], &store.memory);
    CHECK_INT(counts[0], 0);
    CHECK_INT(counts[1], 1);
    CHECK_PTR(tsuga_state(&actors[1]), NULL);
    tsuga_actor_fini(&actors[0], &store.memory);
    CHECK_INT(counts[0], 1);
    CHECK_INT(store.live_bytes, 0);
}

TEST(actor, without_memory_the_slot_stays_as_it_was)
{
    const struct tsuga_spawn_options options = {.body = do_nothing, .state_bytes = 100};
    struct tsuga_message message = {.lane = TSUGA_LANE_USER, .to_generation = 1};
    struct tsuga_actor actor;
    struct store store;

    open_slot(&actor);
    open_store(&store, 0);
    CHECK_INT(tsuga_actor_init(&actor, &options, unlimited, &store.memory), -ENOMEM);
    CHECK_INT(actor.status, TSUGA_ACTOR_ENDED);
    CHECK_INT(tsuga_mailbox_post(&actor.mailbox, &message), TSUGA_POSTED_DEAD);
    CHECK_INT(tsuga_actor_raise_stop(&actor, 1, TSUGA_STOP_ASKED), -ESRCH);
    open_store(&store, 1);
    CHECK_INT(tsuga_actor_init(&actor, &options, unlimited, &store.memory), 0);
    CHECK_INT(tsuga_actor_add_hook(&actor, append, NULL, &store.memory), -ENOMEM);
    tsuga_actor_fini(&actor, &store.memory);
    CHECK_INT(store.live_bytes, 0);
}

TEST(actor, a_stop_is_only_ever_raised)
{
    const struct tsuga_spawn_options options = {.body = do_nothing};
    struct tsuga_message *rest = NULL;
    struct tsuga_actor actor;
    struct store store;

    open_slot(&actor);
    open_store(&store, 100);
    CHECK_INT(tsuga_actor_init(&actor, &options, unlimited, &store.memory), 0);
    CHECK_INT(tsuga_actor_raise_stop(&actor, 2, TSUGA_STOP_ASKED), -ESRCH);
    CHECK_INT(tsuga_actor_raise_stop(&actor, 1, TSUGA_STOP_ASKED), 0);
    CHECK_INT(tsuga_actor_raise_stop(&actor, 1, TSUGA_STOP_ASKED), -EALREADY);
    CHECK_INT(tsuga_actor_raise_stop(&actor, 1, TSUGA_STOP_FORCED), 0);
    CHECK_INT(tsuga_actor_raise_stop(&actor, 1, TSUGA_STOP_ASKED), -EALREADY);
    CHECK_INT(tsuga_actor_stop_level(&actor), TSUGA_STOP_FORCED);
    tsuga_actor_fini(&actor, &store.memory);
    CHECK(!tsuga_actor_vacate(&actor, &rest));
    CHECK_INT(tsuga_actor_raise_stop(&actor, 1, TSUGA_STOP_FORCED), -ESRCH);
    CHECK_UINT(tsuga_actor_generation(&actor), 2);
    CHECK_INT(tsuga_actor_stop_level(&actor), TSUGA_STOP_NONE);
}

/* A message to a life that is over is set aside, even when it slips into the next one's inlet. */
TEST(actor, a_message_for_a_predecessor_is_set_aside)
{
    const struct tsuga_spawn_options options = {.body = do_nothing};
    const struct tsuga_actor_room room = {.capacity = 4};
    struct tsuga_message late = {.lane = TSUGA_LANE_USER, .to_generation = 1};
    struct tsuga_message timely = {.lane = TSUGA_LANE_USER, .to_generation = 2};
    struct tsuga_message *rest = NULL;
    struct tsuga_actor actor;
    struct store store;

    open_slot(&actor);
    open_store(&store, 100);
    CHECK_INT(tsuga_actor_init(&actor, &options, room, &store.memory), 0);
    tsuga_actor_fini(&actor, &store.memory);
    CHECK(!tsuga_actor_vacate(&actor, &rest));
    CHECK_INT(tsuga_actor_init(&actor, &options, room, &store.memory), 0);
    CHECK_INT(tsuga_mailbox_post(&actor.mailbox, &late), TSUGA_POSTED);
    CHECK_INT(tsuga_mailbox_post(&actor.mailbox, &timely), TSUGA_POSTED);
    tsuga_mailbox_collect(&actor.mailbox, tsuga_actor_generation(&actor), &rest);
    CHECK_PTR(rest, &late);
    CHECK_PTR(late.next, NULL);
    CHECK_PTR(tsuga_mailbox_take_first(&actor.mailbox), &timely);
    CHECK_PTR(tsuga_mailbox_take_first(&actor.mailbox), NULL);
    CHECK_UINT(actor.mailbox.user_count, 1);
    tsuga_actor_fini(&actor, &store.memory);
}
