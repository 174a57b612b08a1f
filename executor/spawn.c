/* Making actors, and stopping all of them. */
#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/ties.h"

#define CLASSES_ALL ((UINT32_C(2) << TSUGA_CLASS_MAX) - (UINT32_C(1) << TSUGA_CLASS_MIN))

static struct tsuga_executor *least_loaded(struct tsuga_shared *shared)
{
    struct tsuga_executor *best = &shared->executors[0];
    uint32_t best_count = UINT32_MAX;

    for (uint32_t i = 0; i < shared->executor_count; i++) {
        uint32_t count =
            atomic_load_explicit(&shared->executors[i].actor_count, memory_order_relaxed);

        if (count < best_count) {
            best = &shared->executors[i];
            best_count = count;
        }
    }
    return best;
}

static struct tsuga_executor *place(struct tsuga_shared *shared, struct tsuga_executor *here,
                                    const struct tsuga_spawn_options *options)
{
    if (options->placement == TSUGA_PLACE_EXECUTOR)
        return &shared->executors[options->executor];
    if (options->placement == TSUGA_PLACE_LEAST_LOADED || here == NULL)
        return least_loaded(shared);
    return here;
}

static int check(const struct tsuga_shared *shared, const struct tsuga_executor *here,
                 const struct tsuga_spawn_options *options)
{
    int error = tsuga_actor_check_options(options);

    if (error != 0)
        return error;
    if (options->placement == TSUGA_PLACE_HERE && here == NULL)
        return -EINVAL;
    if (options->placement == TSUGA_PLACE_EXECUTOR && options->executor >= shared->executor_count)
        return -EINVAL;
    return (options->ioheap_size_classes & ~CLASSES_ALL) != 0 ? -EINVAL : 0;
}

/* As the configuration says where the caller says nothing. */
static struct tsuga_actor_room room_of(const struct tsuga_shared *shared,
                                       const struct tsuga_spawn_options *options)
{
    struct tsuga_actor_room room = {options->mailbox_capacity, options->mailbox_full};

    if (room.capacity == 0)
        room.capacity = shared->config.mailbox.capacity;
    if (room.full == TSUGA_FULL_DEFAULT)
        room.full = shared->config.mailbox.full;
    return room;
}

/* `*out` is NULL when the options ask for none. */
static int make_extras(struct tsuga_seat *seat, const struct tsuga_spawn_options *options,
                       const struct tsuga_memory *memory, struct tsuga_extras **out)
{
    *out = NULL;
    if (!options->receives_stop && options->ioheap_quota == 0 && options->ioheap_size_classes == 0)
        return 0;
    *out = tsuga_memory_alloc(memory, sizeof(**out));
    if (*out == NULL)
        return -ENOMEM;
    **out = (struct tsuga_extras){
        .bond.kind = TSUGA_BOND_EXTRAS,
        .seat = seat,
        .ioheap_quota = options->ioheap_quota,
        .ioheap_classes = options->ioheap_size_classes,
    };
    return 0;
}

static int fill_seat(struct tsuga_shared *shared, struct tsuga_seat *seat,
                     struct tsuga_executor *home, const struct tsuga_spawn_options *options)
{
    struct tsuga_extras *extras;
    int error = make_extras(seat, options, shared->memory, &extras);

    if (error != 0)
        return error;
    seat->wait = NULL;
    seat->io = NULL;
    seat->actor.has_room = false;
    seat->actor.has_gifts = false;
    atomic_store_explicit(&seat->actor.home, home, memory_order_release);
    error = tsuga_actor_init(&seat->actor, options, room_of(shared, options), shared->memory);
    if (error == 0 && extras != NULL)
        tsuga_bond_tie(&seat->actor.bonds, &extras->bond);
    else if (extras != NULL)
        tsuga_memory_free(shared->memory, extras, sizeof(*extras));
    return error;
}

/* Whether the runtime's stop leaves room for this one. */
static bool may_begin(struct tsuga_shared *shared, const struct tsuga_birth *birth)
{
    uint32_t level = atomic_load_explicit(&shared->stop_level, memory_order_relaxed);

    return level == TSUGA_STOP_NONE || (birth->is_port && level == TSUGA_STOP_ASKED);
}

/* An actor that nobody knows yet. */
static int make(struct tsuga_shared *shared, struct tsuga_actor_cache *cache,
                struct tsuga_executor *home, const struct tsuga_spawn_options *options,
                struct tsuga_actor **out)
{
    int error = tsuga_actor_table_take(&shared->table, cache, out);

    if (error != 0)
        return error;
    error = fill_seat(shared, tsuga_seat_of(*out), home, options);
    if (error != 0)
        tsuga_actor_table_give(&shared->table, cache, *out);
    return error;
}

static void give_birth(struct tsuga_shared *shared, struct tsuga_actor *actor,
                       const struct tsuga_spawn_options *options, const struct tsuga_birth *birth)
{
    if (birth->is_first)
        actor->is_first = true;
    if (birth->state != NULL)
        memcpy(tsuga_state(actor), birth->state, options->state_bytes);
    if (birth->tie != NULL)
        tsuga_tie_begin(shared, birth->tie, actor);
}

int tsuga_shared_spawn(struct tsuga_shared *shared, const struct tsuga_spawn_options *options,
                       const struct tsuga_birth *birth, struct tsuga_id *out)
{
    static const struct tsuga_birth like_any_other;
    struct tsuga_executor *current = tsuga_executor_current();
    struct tsuga_executor *here = current != NULL && current->shared == shared ? current : NULL;
    struct tsuga_actor_cache *cache = here != NULL ? &here->slots : NULL;
    struct tsuga_executor *home;
    struct tsuga_actor *actor;
    enum tsuga_stop_level level;
    struct tsuga_id id;
    int error = check(shared, here, options);

    if (birth == NULL)
        birth = &like_any_other;
    if (error == 0 && !may_begin(shared, birth))
        error = -ESHUTDOWN;
    if (error != 0)
        return error;
    home = place(shared, here, options);
    error = make(shared, cache, home, options, &actor);
    if (error != 0)
        return error;
    give_birth(shared, actor, options, birth);
    id = tsuga_actor_id(actor);
    tsuga_shared_enter(shared);
    atomic_fetch_add_explicit(&home->actor_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->spawned, 1, memory_order_relaxed);
    /* See tsuga_actor_init(): a stop that did not find this actor is found here. */
    level = atomic_load_explicit(&shared->stop_level, memory_order_seq_cst);
    if (level != TSUGA_STOP_NONE)
        (void)!tsuga_actor_raise_stop(actor, tsuga_actor_generation(actor), level);
    tsuga_executor_call(here, tsuga_seat_of(actor));
    if (out != NULL)
        *out = id;
    return 0;
}

void tsuga_shared_stop_all(struct tsuga_shared *shared, enum tsuga_stop_level level)
{
    uint32_t seen = atomic_load_explicit(&shared->stop_level, memory_order_relaxed);
    uint32_t slot_count;

    do {
        if (seen >= (uint32_t)level)
            return;
    } while (!atomic_compare_exchange_weak_explicit(&shared->stop_level, &seen, level,
                                                    memory_order_seq_cst, memory_order_relaxed));
    slot_count = atomic_load_explicit(&shared->table.slot_count, memory_order_acquire);
    for (uint32_t slot = 0; slot < slot_count; slot++) {
        struct tsuga_actor *actor = tsuga_actor_table_at(&shared->table, slot);

        (void)tsuga_shared_stop(shared, tsuga_actor_id(actor), level);
    }
}

int tsuga_register(struct tsuga_actor *self, const char *name)
{
    return tsuga_names_add(&tsuga_seat_home(tsuga_seat_of(self))->shared->names, self, name);
}

int tsuga_unregister(struct tsuga_actor *self, const char *name)
{
    return tsuga_names_remove(&tsuga_seat_home(tsuga_seat_of(self))->shared->names, self, name);
}

int tsuga_on_exit(struct tsuga_actor *self, void (*hook)(void *context), void *context)
{
    if (hook == NULL)
        return -EINVAL;
    return tsuga_actor_add_hook(self, hook, context,
                                tsuga_seat_home(tsuga_seat_of(self))->shared->memory);
}

static const struct tsuga_executor *home_of(const struct tsuga_actor *self)
{
    return atomic_load_explicit(&self->home, memory_order_relaxed);
}

struct tsuga_runtime *tsuga_runtime_of(const struct tsuga_actor *self)
{
    return home_of(self)->shared->runtime;
}

uint32_t tsuga_executor_of(const struct tsuga_actor *self)
{
    return home_of(self)->index;
}
