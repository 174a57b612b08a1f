#include "actor/actor.h"

#include <errno.h>

#include "runtime/base/assert.h"
#include "runtime/base/bits.h"

int tsuga_actor_check_options(const struct tsuga_spawn_options *options)
{
    if (options == NULL)
        return -EINVAL;
    if ((options->behaviour == NULL) == (options->body == NULL))
        return -EINVAL;
    if (options->start != NULL && options->behaviour == NULL)
        return -EINVAL;
    if (options->mailbox_full > TSUGA_FULL_DROP || options->placement > TSUGA_PLACE_EXECUTOR)
        return -EINVAL;
    return 0;
}

static void set_options(struct tsuga_actor *actor, const struct tsuga_spawn_options *options)
{
    actor->behaviour = options->behaviour;
    actor->first = options->body != NULL ? options->body : options->start;
    actor->argument = options->argument;
    actor->state_bytes = options->state_bytes;
    actor->state_fini = options->state_fini;
    actor->name = options->name;
    actor->ioheap_quota = options->ioheap_quota;
    actor->ioheap_classes = options->ioheap_size_classes;
    atomic_store_explicit(&actor->mailbox_full, (uint8_t)options->mailbox_full,
                          memory_order_relaxed);
    actor->is_pinned = options->placement == TSUGA_PLACE_EXECUTOR;
    actor->receives_stop = options->receives_stop;
}

int tsuga_actor_init(struct tsuga_actor *actor, const struct tsuga_spawn_options *options,
                     const struct tsuga_memory *memory)
{
    void *state = NULL;

    if (options->state_bytes > 0) {
        state = tsuga_memory_alloc_zeroed(memory, options->state_bytes);
        if (state == NULL)
            return -ENOMEM;
    }
    set_options(actor, options);
    actor->state = state;
    actor->status = TSUGA_ACTOR_FRESH;
    actor->seen_stop = TSUGA_STOP_NONE;
    actor->reason = TSUGA_NORMAL;
    actor->traps_exits = false;
    actor->current = NULL;
    actor->kept = NULL;
    actor->room_wanted = NULL;
    actor->timers = 0;
    actor->bonds = NULL;
    tsuga_mailbox_open(&actor->mailbox, options->mailbox_capacity);
    /* Sequentially consistent: a runtime's stop either finds the actor alive, or has been announced
     * before whoever spawns looks for it. */
    atomic_store_explicit(
        &actor->life,
        tsuga_actor_life(tsuga_actor_generation(actor), TSUGA_LIFE_ALIVE, TSUGA_STOP_NONE),
        memory_order_seq_cst);
    return 0;
}

int tsuga_actor_raise_stop(struct tsuga_actor *actor, uint32_t generation,
                           enum tsuga_stop_level level)
{
    uint64_t seen = atomic_load_explicit(&actor->life, memory_order_seq_cst);

    do {
        if (seen >> 32 != generation || (seen & TSUGA_LIFE_ALIVE) == 0)
            return -ESRCH;
        if ((seen & UINT8_MAX) >= (uint64_t)level)
            return -EALREADY;
        /* Pairs with tsuga_actor_stop_level(). */
    } while (!atomic_compare_exchange_weak_explicit(
        &actor->life, &seen, tsuga_actor_life(generation, TSUGA_LIFE_ALIVE, level),
        memory_order_seq_cst, memory_order_seq_cst));
    return 0;
}

void tsuga_actor_fini(struct tsuga_actor *actor, const struct tsuga_memory *memory)
{
    struct tsuga_bond *bond;

    while ((bond = tsuga_bond_latest(actor->bonds, TSUGA_BOND_HOOK)) != NULL) {
        struct tsuga_exit_hook *hook = TSUGA_CONTAINER_OF(bond, struct tsuga_exit_hook, bond);

        tsuga_bond_untie(bond);
        hook->run(hook->context);
        tsuga_memory_free(memory, hook, sizeof(*hook));
    }
    if (actor->state_fini != NULL)
        actor->state_fini(actor->state);
    if (actor->state != NULL)
        tsuga_memory_free(memory, actor->state, actor->state_bytes);
    actor->state = NULL;
}

void tsuga_actor_vacate(struct tsuga_actor *actor, struct tsuga_message **rest)
{
    uint32_t next = tsuga_actor_generation(actor) + 1;

    TSUGA_ASSERT(actor->status != TSUGA_ACTOR_ENDED);
    actor->status = TSUGA_ACTOR_ENDED;
    /* The life word first: whoever reads the old generation and posts all the same is caught by
     * the closed inlet, or, in a later life, by the generation in the message. */
    atomic_store_explicit(&actor->life, tsuga_actor_life(next, 0, TSUGA_STOP_NONE),
                          memory_order_seq_cst);
    tsuga_mailbox_close(&actor->mailbox, rest);
}

int tsuga_actor_add_hook(struct tsuga_actor *actor, void (*run)(void *context), void *context,
                         const struct tsuga_memory *memory)
{
    struct tsuga_exit_hook *hook = tsuga_memory_alloc(memory, sizeof(*hook));

    if (hook == NULL)
        return -ENOMEM;
    *hook = (struct tsuga_exit_hook){{.kind = TSUGA_BOND_HOOK}, run, context};
    tsuga_bond_tie(&actor->bonds, &hook->bond);
    return 0;
}

struct tsuga_id tsuga_self(const struct tsuga_actor *self)
{
    return tsuga_actor_id(self);
}

void *tsuga_state(const struct tsuga_actor *self)
{
    return self->state;
}
