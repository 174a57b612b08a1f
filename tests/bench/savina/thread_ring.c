/* A message goes round a ring of actors until its hops are used up; then the end does. */
#include "tests/bench/savina/savina.h"

#define ACTOR_COUNT 100u
#define HOP_COUNT   100000u

/* A tag from here on counts the actors that are still to end, a smaller one the hops left. */
#define ENDING UINT64_C(0x100000000)

struct member {
    struct tsuga_id root;
    struct tsuga_id next;
    uint64_t count; /* hops that ended here */
};

static void end(struct tsuga_actor *self, const struct member *member, uint64_t left)
{
    if (left > 0)
        savina_send(self, member->next, ENDING + left - 1);
    savina_send(self, member->root, member->count);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void pass(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct member *member = savina_player(self);
    uint64_t left = tsuga_message_tag(message);

    if (left >= ENDING)
        end(self, member, left - ENDING);
    member->count++;
    savina_send(self, member->next, left > 0 ? left - 1 : ENDING + ACTOR_COUNT - 1);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct member members[ACTOR_COUNT];
    struct tsuga_id ids[ACTOR_COUNT];

    (void)argument;
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        ids[i] = savina_spawn(self, pass, &members[i]);
    for (uint32_t i = 0; i < ACTOR_COUNT; i++)
        members[i] = (struct member){tsuga_self(self), ids[(i + 1) % ACTOR_COUNT], 0};
    savina_send(self, ids[0], HOP_COUNT - 1);
    savina_expect("hops", savina_collect(self, ACTOR_COUNT), HOP_COUNT);
}

const struct savina_case savina_thread_ring = {
    "thread ring", "100 actors, 100000 hops", "message", HOP_COUNT, 40, run};
