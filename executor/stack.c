#include "executor/stack.h"

#include <errno.h>
#include <unistd.h>

#include "executor/stack_annotate.h"
#include "executor/switch.h"
#include "runtime/base/bits.h"
#include "runtime/base/sanitize.h"

/* Stacks that all began at the same offset of a page would compete for the same few cache sets;
 * spread over 16 offsets, switching among 256 stacks costs 8.8 ns instead of 9.9. The step keeps
 * the alignment of 16 that the calling conventions ask for. */
#define COLOUR_COUNT 16u
#define COLOUR_BYTES (3 * TSUGA_CACHE_LINE_BYTES)

static void check(const struct tsuga_stack_pool *pool)
{
    TSUGA_ASSERT(pool->current->state == TSUGA_STACK_RUNNING);
    TSUGA_ASSERT(pool->used_count <= pool->count_max);
    TSUGA_ASSERT(pool->used_count + pool->warm_count <= pool->fresh);
    TSUGA_ASSERT(pool->warm_count_low <= pool->warm_count);
    (void)pool;
}

/* Maps as many slots as the kernel grants, at most *count. */
static int reserve(struct tsuga_stack_pool *pool, uint32_t count, size_t page_bytes)
{
    for (; count > 0; count /= 2) {
        size_t table_bytes = tsuga_bits_round_up(count * sizeof(struct tsuga_stack), page_bytes);
        size_t bytes = table_bytes + count * pool->slot_bytes;
        void *mapping = NULL;

        if (pool->backing->map(bytes, &mapping) != 0)
            continue;
        pool->mapping = mapping;
        pool->mapping_bytes = bytes;
        pool->stacks = mapping;
        pool->slots = pool->mapping + table_bytes;
        pool->count_max = count;
        return 0;
    }
    return -ENOMEM;
}

int tsuga_stack_pool_init(struct tsuga_stack_pool *pool, const struct tsuga_stack_config *config)
{
    size_t stack_bytes = config->stack_bytes ? config->stack_bytes : TSUGA_STACK_BYTES_DEFAULT;
    uint32_t count = config->count_max ? config->count_max : TSUGA_STACK_COUNT_MAX_DEFAULT;
    uint32_t warm =
        config->warm_count_max ? config->warm_count_max : TSUGA_STACK_WARM_COUNT_DEFAULT;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

    if (stack_bytes < TSUGA_STACK_BYTES_MIN || stack_bytes > TSUGA_STACK_BYTES_MAX)
        return -EINVAL;
    if (count == TSUGA_STACK_INDEX_THREAD)
        return -EINVAL;
    TSUGA_VERIFY(TSUGA_STACK_GUARD_BYTES % page_bytes == 0);
    *pool = (struct tsuga_stack_pool){
        .backing = config->backing ? config->backing : &tsuga_stack_backing_mmap,
        .stack_bytes = tsuga_bits_round_up(stack_bytes, page_bytes),
        .warm_count_max = warm,
        .has_guard_light = !config->no_guard_light,
        .thread = {.index = TSUGA_STACK_INDEX_THREAD, .state = TSUGA_STACK_RUNNING},
    };
    pool->slot_bytes = TSUGA_STACK_GUARD_BYTES + pool->stack_bytes;
    pool->current = &pool->thread;
    tsuga_list_init(&pool->warm);
    tsuga_list_init(&pool->cold);
    return reserve(pool, count, page_bytes);
}

void tsuga_stack_pool_fini(struct tsuga_stack_pool *pool)
{
    TSUGA_VERIFY(pool->current == &pool->thread);
    for (uint32_t i = 0; i < pool->fresh; i++) {
        tsuga_annotate_drop_tsan(&pool->stacks[i]);
        tsuga_annotate_deregister(&pool->stacks[i]);
    }
    tsuga_sanitize_unpoison(pool->slots, pool->fresh * pool->slot_bytes);
    pool->backing->unmap(pool->mapping, pool->mapping_bytes);
}

static int guard(struct tsuga_stack_pool *pool, void *base)
{
    if (pool->has_guard_light) {
        int error = pool->backing->guard_light(base, TSUGA_STACK_GUARD_BYTES);

        if (error != -EINVAL)
            return error;
        pool->has_guard_light = false;
    }
    return pool->backing->guard(base, TSUGA_STACK_GUARD_BYTES);
}

/* Makes the next slot that was never used into a stack. */
__attribute__((noinline)) static int open_slot(struct tsuga_stack_pool *pool,
                                               struct tsuga_stack **out)
{
    uint32_t index = pool->fresh;
    char *slot = pool->slots + index * pool->slot_bytes;
    struct tsuga_stack *stack = &pool->stacks[index];

    if (guard(pool, slot) != 0)
        return -ENOMEM;
    *stack = (struct tsuga_stack){
        .low = slot + TSUGA_STACK_GUARD_BYTES,
        .bytes = pool->stack_bytes,
        .index = index,
        .state = TSUGA_STACK_FREE,
    };
    tsuga_annotate_register(stack);
    pool->fresh++;
    *out = stack;
    return 0;
}

static struct tsuga_stack *pop_free(struct tsuga_stack_pool *pool)
{
    struct tsuga_list_node *node = tsuga_list_pop_front(&pool->warm);

    if (node != NULL) {
        pool->warm_count--;
        if (pool->warm_count_low > pool->warm_count)
            pool->warm_count_low = pool->warm_count;
    } else {
        node = tsuga_list_pop_front(&pool->cold);
    }
    return node ? TSUGA_CONTAINER_OF(node, struct tsuga_stack, link) : NULL;
}

int tsuga_stack_acquire(struct tsuga_stack_pool *pool, struct tsuga_stack **out)
{
    struct tsuga_stack *stack;

    check(pool);
    if (pool->used_count == pool->count_max)
        return -ENOBUFS;
    stack = pop_free(pool);
    if (stack == NULL) {
        int error = open_slot(pool, &stack);

        if (error != 0)
            return error;
    }
    TSUGA_ASSERT(stack->state == TSUGA_STACK_FREE);
    stack->state = TSUGA_STACK_TAKEN;
    pool->used_count++;
    if (pool->used_count_peak < pool->used_count)
        pool->used_count_peak = pool->used_count;
    *out = stack;
    return 0;
}

static void put_free(struct tsuga_stack_pool *pool, struct tsuga_stack *stack)
{
    stack->state = TSUGA_STACK_FREE;
    tsuga_list_push_front(&pool->warm, &stack->link);
    pool->warm_count++;
    pool->used_count--;
}

void tsuga_stack_release(struct tsuga_stack_pool *pool, struct tsuga_stack *stack)
{
    TSUGA_VERIFY(stack->state == TSUGA_STACK_TAKEN || stack->state == TSUGA_STACK_PARKED);
    TSUGA_VERIFY(stack != &pool->thread);
    put_free(pool, stack);
    check(pool);
}

/* How many warm stacks nobody has needed since the last trim, and the pool need not keep. */
static uint32_t spare_count(const struct tsuga_stack_pool *pool)
{
    if (pool->warm_count <= pool->warm_count_max)
        return 0;
    if (pool->warm_count - pool->warm_count_max < pool->warm_count_low)
        return pool->warm_count - pool->warm_count_max;
    return pool->warm_count_low;
}

static int chill(struct tsuga_stack_pool *pool, struct tsuga_stack *stack)
{
    int error = pool->backing->discard(stack->low, stack->bytes);

    if (error != 0)
        return error;
    tsuga_annotate_drop_tsan(stack);
    tsuga_list_remove(&stack->link);
    tsuga_list_push_front(&pool->cold, &stack->link);
    pool->warm_count--;
    return 0;
}

uint32_t tsuga_stack_trim(struct tsuga_stack_pool *pool, uint32_t count_max)
{
    uint32_t spare = spare_count(pool);
    uint32_t done = 0;

    check(pool);
    /* The kernel refuses to take pages of locked memory; then they stay warm. */
    while (done < spare && done < count_max) {
        if (chill(pool, TSUGA_CONTAINER_OF(pool->warm.prev, struct tsuga_stack, link)) != 0)
            break;
        done++;
    }
    pool->warm_count_low = pool->warm_count;
    pool->given_back_count += done;
    return done;
}

void tsuga_stack_pool_stats(const struct tsuga_stack_pool *pool, struct tsuga_stack_stats *out)
{
    *out = (struct tsuga_stack_stats){
        .used_count = pool->used_count,
        .used_count_peak = pool->used_count_peak,
        .warm_count = pool->warm_count,
        .count_max = pool->count_max,
        .given_back_count = pool->given_back_count,
        .has_guard_light = pool->has_guard_light,
    };
}

bool tsuga_stack_guard_find(const struct tsuga_stack_pool *pool, const void *address,
                            uint32_t *index)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)pool->slots;

    if (offset / pool->slot_bytes >= pool->count_max)
        return false;
    if (offset % pool->slot_bytes >= TSUGA_STACK_GUARD_BYTES)
        return false;
    *index = (uint32_t)(offset / pool->slot_bytes);
    return true;
}

/* The first frame on a stack that starts. */
static void begin(void *context)
{
    struct tsuga_stack_pool *pool = context;
    bool has_returned = true;

    tsuga_annotate_arrive_asan(pool->current, &pool->thread);
    pool->entry(pool->context);
    TSUGA_VERIFY(!has_returned); /* below this frame there is nothing to return to */
}

static void *top(const struct tsuga_stack *stack)
{
    return stack->low + stack->bytes - stack->index % COLOUR_COUNT * COLOUR_BYTES;
}

/* Records the hop and tells the sanitizers. The switch must follow at once, in the same function:
 * for ThreadSanitizer, what returns from here on returns on the other stack. */
__attribute__((always_inline)) static inline void leave(struct tsuga_stack_pool *pool,
                                                        struct tsuga_stack *to, void **keep_fake)
{
    to->state = TSUGA_STACK_RUNNING;
    pool->current = to;
    tsuga_annotate_leave_asan(keep_fake, to);
    tsuga_annotate_leave_tsan(to);
}

static void prepare(struct tsuga_stack_pool *pool, struct tsuga_stack *to,
                    tsuga_stack_entry_fn *entry, void *context)
{
    TSUGA_ASSERT(to->state == TSUGA_STACK_TAKEN);
    pool->entry = entry;
    pool->context = context;
    tsuga_sanitize_unpoison(to->low, to->bytes);
    tsuga_annotate_start_tsan(to);
}

/* Puts the running stack into the pool while the thread still stands on it: nobody can take it
 * before the switch, which follows at once. */
static struct tsuga_stack *abandon(struct tsuga_stack_pool *pool)
{
    struct tsuga_stack *from = pool->current;

    check(pool);
    TSUGA_VERIFY(from != &pool->thread); /* it is needed to end the thread */
    put_free(pool, from);
    return from;
}

void tsuga_stack_switch(struct tsuga_stack_pool *pool, struct tsuga_stack *to)
{
    struct tsuga_stack *from = pool->current;

    check(pool);
    TSUGA_ASSERT(to->state == TSUGA_STACK_PARKED);
    from->state = TSUGA_STACK_PARKED;
    leave(pool, to, &from->fake_stack);
    tsuga_switch(&from->sp, to->sp);
    tsuga_annotate_arrive_asan(from, &pool->thread);
}

void tsuga_stack_start(struct tsuga_stack_pool *pool, struct tsuga_stack *to,
                       tsuga_stack_entry_fn *entry, void *context)
{
    struct tsuga_stack *from = pool->current;

    check(pool);
    prepare(pool, to, entry, context);
    from->state = TSUGA_STACK_PARKED;
    leave(pool, to, &from->fake_stack);
    tsuga_switch_start(&from->sp, top(to), begin, pool);
    tsuga_annotate_arrive_asan(from, &pool->thread);
}

void tsuga_stack_switch_abandon(struct tsuga_stack_pool *pool, struct tsuga_stack *to)
{
    abandon(pool);
    TSUGA_ASSERT(to->state == TSUGA_STACK_PARKED);
    leave(pool, to, NULL);
    tsuga_switch_resume(to->sp);
}

void tsuga_stack_start_abandon(struct tsuga_stack_pool *pool, struct tsuga_stack *to,
                               tsuga_stack_entry_fn *entry, void *context)
{
    struct tsuga_stack *from = abandon(pool);

    prepare(pool, to, entry, context);
    leave(pool, to, NULL);
    tsuga_switch_start(&from->sp, top(to), begin, pool);
    __builtin_unreachable();
}

int tsuga_stack_enter(struct tsuga_stack_pool *pool, tsuga_stack_entry_fn *entry, void *context)
{
    struct tsuga_stack *first;
    int error;

    TSUGA_VERIFY(pool->current == &pool->thread);
    error = tsuga_stack_acquire(pool, &first);
    if (error != 0)
        return error;
    pool->thread.low = NULL; /* a pool may be entered by one thread after another */
    tsuga_annotate_thread_tsan(&pool->thread);
    tsuga_stack_start(pool, first, entry, context);
    return 0;
}

void tsuga_stack_leave(struct tsuga_stack_pool *pool)
{
    tsuga_stack_switch_abandon(pool, &pool->thread);
}
