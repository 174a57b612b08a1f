#include "actor/actor.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/base/bits.h"
#include "runtime/base/sanitize.h"

/* A state of so many bytes, often a pointer, lies in the actor; but not where a sanitizer looks out
 * for who writes beyond its end. */
#ifdef TSUGA_HAS_ASAN
#define SMALL_STATE_BYTES 0u
#else
#define SMALL_STATE_BYTES sizeof(uint64_t)
#endif

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
    actor->name = options->name;
    actor->is_pinned = options->placement == TSUGA_PLACE_EXECUTOR;
    actor->receives_stop = options->receives_stop;
    actor->is_first = false;
}

static void free_state(struct tsuga_actor *actor, const struct tsuga_memory *memory)
{
    if (actor->state_units != TSUGA_STATE_INSIDE && actor->state != NULL)
        tsuga_memory_free(memory, actor->state,
                          (size_t)actor->state_units * TSUGA_STATE_UNIT_BYTES);
    actor->state_units = 0;
    actor->state = NULL;
}

static int alloc_state(struct tsuga_actor *actor, size_t bytes, const struct tsuga_memory *memory)
{
    size_t units;

    memset(&actor->small_state, 0, sizeof(actor->small_state));
    actor->state_units = bytes == 0 ? 0 : TSUGA_STATE_INSIDE;
    if (bytes <= SMALL_STATE_BYTES)
        return 0;
    actor->state = NULL;
    units = (bytes - 1) / TSUGA_STATE_UNIT_BYTES + 1;
    if (units < TSUGA_STATE_INSIDE)
        actor->state = tsuga_memory_alloc_zeroed(memory, units * TSUGA_STATE_UNIT_BYTES);
    if (actor->state == NULL)
        return -ENOMEM;
    actor->state_units = (uint32_t)units;
    return 0;
}

/* The state, and its destructor, which runs last because it is tied first. */
static int make_state(struct tsuga_actor *actor, const struct tsuga_spawn_options *options,
                      const struct tsuga_memory *memory)
{
    int error = alloc_state(actor, options->state_bytes, memory);

    actor->bonds = NULL;
    if (error != 0)
        return error;
    if (options->state_fini == NULL ||
        tsuga_actor_add_hook(actor, options->state_fini, tsuga_state(actor), memory) == 0)
        return 0;
    free_state(actor, memory);
    return -ENOMEM;
}

int tsuga_actor_init(struct tsuga_actor *actor, const struct tsuga_spawn_options *options,
                     struct tsuga_actor_room room, const struct tsuga_memory *memory)
{
    int error = make_state(actor, options, memory);

    if (error != 0)
        return error;
    set_options(actor, options);
    actor->status = TSUGA_ACTOR_FRESH;
    actor->seen_stop = TSUGA_STOP_NONE;
    actor->reason = TSUGA_NORMAL;
    actor->traps_exits = false;
    actor->room_wanted = (struct tsuga_lane_list){NULL};
    atomic_init(&actor->timers, 0);
    atomic_store_explicit(&actor->mailbox_full, (uint8_t)room.full, memory_order_relaxed);
    tsuga_mailbox_open(&actor->mailbox, room.capacity);
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
    free_state(actor, memory);
}

bool tsuga_actor_vacate(struct tsuga_actor *actor, struct tsuga_message **rest)
{
    uint32_t next = tsuga_actor_generation(actor) + 1;

    TSUGA_ASSERT(actor->status != TSUGA_ACTOR_ENDED);
    actor->status = TSUGA_ACTOR_ENDED;
    /* The life word first: whoever reads the old generation and posts all the same is caught by
     * the closed inlet, or, in a later life, by the generation in the message. */
    atomic_store_explicit(&actor->life, tsuga_actor_life(next, 0, TSUGA_STOP_NONE),
                          memory_order_seq_cst);
    return tsuga_mailbox_close(&actor->mailbox, rest);
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
    if (self->state_units == TSUGA_STATE_INSIDE)
        return (void *)(uintptr_t)&self->small_state; /* not const: the actor's own */
    return self->state;
}
