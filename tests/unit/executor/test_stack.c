#include "executor/stack.h"

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/test.h"

#define PEER_COUNT 8u

/* What the code on the stacks of a test shares. */
struct stage {
    struct tsuga_stack_pool pool;
    struct tsuga_stack *director;
    struct tsuga_stack *peers[PEER_COUNT];
    void (*at_depth)(struct stage *stage); /* what the deepest frame does */
    uint64_t seed;
    uint64_t counter;
    long value;
};

static void abandon(struct stage *stage)
{
    tsuga_stack_switch_abandon(&stage->pool, stage->director);
}

static void open_stage(struct stage *stage, const struct tsuga_stack_config *config)
{
    *stage = (struct stage){.at_depth = abandon};
    CHECK_INT(tsuga_stack_pool_init(&stage->pool, config), 0);
}

/* Runs play(stage) on the first stack of the pool, and play ends with tsuga_stack_leave(). */
static void perform(struct stage *stage, tsuga_stack_entry_fn *play)
{
    CHECK_INT(tsuga_stack_enter(&stage->pool, play, stage), 0);
    tsuga_stack_pool_fini(&stage->pool);
}

static struct tsuga_stack *take(struct stage *stage)
{
    struct tsuga_stack *stack = NULL;

    CHECK_INT(tsuga_stack_acquire(&stage->pool, &stack), 0);
    return stack;
}

static void start_peer(struct stage *stage, tsuga_stack_entry_fn *entry)
{
    stage->director = tsuga_stack_current(&stage->pool);
    tsuga_stack_start(&stage->pool, take(stage), entry, stage);
}

static void back_to_director(struct stage *stage)
{
    tsuga_stack_switch(&stage->pool, stage->director);
}

/* Enough values live across the switch to need every register that a callee keeps. */
static void juggle(struct stage *stage, uint64_t seed)
{
    uint64_t a = tsuga_test_random(&seed), b = tsuga_test_random(&seed);
    uint64_t c = tsuga_test_random(&seed), d = tsuga_test_random(&seed);
    uint64_t e = tsuga_test_random(&seed), f = tsuga_test_random(&seed);
    double g = (double)(a >> 12), h = (double)(b >> 12);
    uint64_t before = a ^ (b << 1) ^ (c << 2) ^ (d << 3) ^ (e << 4) ^ (f << 5);
    double product = g * h;

    tsuga_stack_switch(&stage->pool, stage->director);
    CHECK_UINT(a ^ (b << 1) ^ (c << 2) ^ (d << 3) ^ (e << 4) ^ (f << 5), before);
    CHECK(g * h == product);
}

static void juggler(void *context)
{
    struct stage *stage = context;
    uint64_t seed = stage->seed + tsuga_stack_current(&stage->pool)->index;

    for (;;) {
        juggle(stage, tsuga_test_random(&seed));
        stage->counter++;
    }
}

static void direct_jugglers(void *context)
{
    struct stage *stage = context;
    uint64_t seed = stage->seed;

    stage->director = tsuga_stack_current(&stage->pool);
    for (uint32_t i = 0; i < PEER_COUNT; i++) {
        stage->peers[i] = take(stage);
        tsuga_stack_start(&stage->pool, stage->peers[i], juggler, stage);
    }
    for (int i = 0; i < 10000; i++)
        tsuga_stack_switch(&stage->pool, stage->peers[tsuga_test_random(&seed) % PEER_COUNT]);
    CHECK_UINT(stage->counter, 10000);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, switches_keep_registers_and_locals)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){.count_max = PEER_COUNT + 1});
    stage.seed = tsuga_test_seed();
    perform(&stage, direct_jugglers);
}

static void round_up(void *context)
{
    struct stage *stage = context;

    CHECK_INT(fesetround(FE_UPWARD), 0);
    back_to_director(stage);
    CHECK_INT(fegetround(), FE_UPWARD);
    tsuga_stack_switch_abandon(&stage->pool, stage->director);
}

static void direct_rounding(void *context)
{
    struct stage *stage = context;
    struct tsuga_stack *peer = take(stage);

    stage->director = tsuga_stack_current(&stage->pool);
    CHECK_INT(fesetround(FE_DOWNWARD), 0);
    tsuga_stack_start(&stage->pool, peer, round_up, stage);
    CHECK_INT(fegetround(), FE_DOWNWARD);
    tsuga_stack_switch(&stage->pool, peer);
    CHECK_INT(fegetround(), FE_DOWNWARD);
    CHECK_INT(fesetround(FE_TONEAREST), 0);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, switches_keep_the_rounding_mode)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    perform(&stage, direct_rounding);
}

static void fill_frames(struct stage *stage, unsigned depth);

/* Keeps compilers and checkers from seeing a recursion, which is what this is for. */
static void (*volatile fill_further)(struct stage *stage, unsigned depth) = fill_frames;

/* Frames of different shapes, so that a successor meets the red zones that this one left. */
static void fill_frames(struct stage *stage, unsigned depth)
{
    char buffer[200];

    memset(buffer, (int)depth, 20 + depth * 30);
    if (depth > 0)
        fill_further(stage, depth - 1);
    else
        stage->at_depth(stage);
    CHECK(buffer[0] == (char)depth); /* keeps the frame from being reused by the call */
}

static void short_life(void *context)
{
    struct stage *stage = context;

    stage->counter++;
    fill_frames(stage, (unsigned)(stage->counter % 5));
}

static void direct_short_lives(void *context)
{
    struct stage *stage = context;

    for (int i = 0; i < 100000; i++)
        start_peer(stage, short_life);
    CHECK_UINT(stage->counter, 100000);
    CHECK_UINT(stage->pool.used_count, 1);
    CHECK_UINT(stage->pool.fresh, 2);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, abandons_and_reuses_a_stack_100000_times)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    perform(&stage, direct_short_lives);
}

static void relay(void *context)
{
    struct stage *stage = context;

    if (++stage->counter == 1000)
        tsuga_stack_switch_abandon(&stage->pool, stage->director);
    tsuga_stack_start_abandon(&stage->pool, take(stage), relay, stage);
}

static void direct_relay(void *context)
{
    struct stage *stage = context;

    start_peer(stage, relay);
    CHECK_UINT(stage->counter, 1000);
    CHECK_UINT(stage->pool.used_count, 1);
    CHECK_UINT(stage->pool.used_count_peak, 3);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, starts_a_successor_and_abandons_itself)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    perform(&stage, direct_relay);
}

static void park_for_ever(void *context)
{
    back_to_director(context);
    CHECK(false); /* a released stack is not resumed */
}

static void direct_release(void *context)
{
    struct stage *stage = context;

    for (int i = 0; i < 1000; i++) {
        struct tsuga_stack *peer = take(stage);

        stage->director = tsuga_stack_current(&stage->pool);
        tsuga_stack_start(&stage->pool, peer, park_for_ever, stage);
        tsuga_stack_release(&stage->pool, peer);
    }
    CHECK_UINT(stage->pool.fresh, 2);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, reuses_a_stack_that_was_released_while_parked)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    perform(&stage, direct_release);
}

static void leave_at_once(void *context)
{
    struct stage *stage = context;

    stage->counter++;
    tsuga_stack_leave(&stage->pool);
}

static void *enter_again(void *context)
{
    struct stage *stage = context;

    CHECK_INT(tsuga_stack_enter(&stage->pool, leave_at_once, stage), 0);
    return NULL;
}

TEST(stack, is_entered_by_one_thread_after_another)
{
    struct stage stage;
    pthread_t thread;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    enter_again(&stage);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(pthread_create(&thread, NULL, enter_again, &stage), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
    }
    CHECK_UINT(stage.counter, 4);
    perform(&stage, leave_at_once);
}

static void *perform_jugglers(void *context)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    stage.seed = (uintptr_t)context;
    perform(&stage, direct_jugglers);
    return NULL;
}

TEST(stack, two_threads_have_a_pool_each)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, perform_jugglers, (void *)1), 0);
    perform_jugglers((void *)2);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

static void look_back(void *context)
{
    struct stage *stage = context;
    void *frames[64];

    stage->value = backtrace(frames, 64);
    tsuga_stack_switch_abandon(&stage->pool, stage->director);
}

static void direct_backtrace(void *context)
{
    struct stage *stage = context;

    start_peer(stage, look_back);
    CHECK(stage->value >= 2);
    CHECK(stage->value <= 6);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, a_backtrace_ends_at_the_first_frame)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){0});
    perform(&stage, direct_backtrace);
}

TEST(stack, refuses_sizes_out_of_range)
{
    struct tsuga_stack_pool pool;
    struct tsuga_stack_config config = {.stack_bytes = TSUGA_STACK_BYTES_MIN - 1};

    CHECK_INT(tsuga_stack_pool_init(&pool, &config), -EINVAL);
    config.stack_bytes = TSUGA_STACK_BYTES_MAX + 1;
    CHECK_INT(tsuga_stack_pool_init(&pool, &config), -EINVAL);
    config = (struct tsuga_stack_config){.count_max = UINT32_MAX};
    CHECK_INT(tsuga_stack_pool_init(&pool, &config), -EINVAL);
}

TEST(stack, refuses_more_than_count_max)
{
    struct stage stage;
    struct tsuga_stack *stacks[3];
    struct tsuga_stack *none = NULL;

    open_stage(&stage, &(struct tsuga_stack_config){.count_max = 3});
    for (int i = 0; i < 3; i++)
        stacks[i] = take(&stage);
    CHECK_INT(tsuga_stack_acquire(&stage.pool, &none), -ENOBUFS);
    CHECK_PTR(none, NULL);
    CHECK_INT(tsuga_stack_enter(&stage.pool, leave_at_once, &stage), -ENOBUFS);
    tsuga_stack_release(&stage.pool, stacks[1]);
    CHECK_PTR(take(&stage), stacks[1]);
    tsuga_stack_pool_fini(&stage.pool);
}

/* A backing that refuses large mappings and counts down to a failing guard. */
static size_t map_bytes_max;
static int guards_left;

static int map_small(size_t bytes, void **out)
{
    return bytes > map_bytes_max ? -ENOMEM : tsuga_stack_backing_mmap.map(bytes, out);
}

static void unmap(void *base, size_t bytes)
{
    tsuga_stack_backing_mmap.unmap(base, bytes);
}

static int no_guard_light(void *base, size_t bytes)
{
    (void)base;
    (void)bytes;
    return -EINVAL;
}

static int guard_counted(void *base, size_t bytes)
{
    if (guards_left-- == 0)
        return -ENOMEM;
    return tsuga_stack_backing_mmap.guard(base, bytes);
}

static int no_discard(void *base, size_t bytes)
{
    (void)base;
    (void)bytes;
    return -EINVAL;
}

static const struct tsuga_stack_backing poor_backing = {
    .map = map_small,
    .unmap = unmap,
    .guard_light = no_guard_light,
    .guard = guard_counted,
    .discard = no_discard,
};

TEST(stack, takes_half_as_many_where_the_kernel_refuses)
{
    struct stage stage;
    struct tsuga_stack_stats stats;
    struct tsuga_stack_config config = {.count_max = 1000, .backing = &poor_backing};

    map_bytes_max = 300 * (TSUGA_STACK_BYTES_DEFAULT + TSUGA_STACK_GUARD_BYTES);
    open_stage(&stage, &config);
    tsuga_stack_pool_stats(&stage.pool, &stats);
    CHECK_UINT(stats.count_max, 250);
    tsuga_stack_pool_fini(&stage.pool);
    map_bytes_max = 4096;
    CHECK_INT(tsuga_stack_pool_init(&stage.pool, &config), -ENOMEM);
}

TEST(stack, survives_a_guard_that_cannot_be_made)
{
    struct stage stage;
    struct tsuga_stack *none = NULL;

    map_bytes_max = SIZE_MAX;
    guards_left = 2;
    open_stage(&stage, &(struct tsuga_stack_config){.backing = &poor_backing});
    take(&stage);
    take(&stage);
    CHECK_INT(tsuga_stack_acquire(&stage.pool, &none), -ENOMEM);
    CHECK_PTR(none, NULL);
    CHECK_UINT(stage.pool.used_count, 2);
    guards_left = 1;
    take(&stage);
    tsuga_stack_pool_fini(&stage.pool);
}

static void take_all(struct stage *stage, struct tsuga_stack **stacks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        stacks[i] = take(stage);
}

static void release_all(struct stage *stage, struct tsuga_stack **stacks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        tsuga_stack_release(&stage->pool, stacks[i]);
}

TEST(stack, trims_only_what_was_not_needed_since_the_last_trim)
{
    struct stage stage;
    struct tsuga_stack *stacks[10];

    open_stage(&stage, &(struct tsuga_stack_config){.warm_count_max = 2});
    take_all(&stage, stacks, 10);
    release_all(&stage, stacks, 10);
    CHECK_UINT(tsuga_stack_trim(&stage.pool, 100), 0); /* all were in use a moment ago */
    take_all(&stage, stacks, 4);
    release_all(&stage, stacks, 4);
    CHECK_UINT(tsuga_stack_trim(&stage.pool, 5), 5); /* six were left alone */
    CHECK_UINT(stage.pool.warm_count, 5);
    CHECK_UINT(tsuga_stack_trim(&stage.pool, 100), 3);
    CHECK_UINT(tsuga_stack_trim(&stage.pool, 100), 0); /* two may stay */
    CHECK_UINT(stage.pool.warm_count, 2);
    take_all(&stage, stacks, 10);
    CHECK_UINT(stage.pool.fresh, 10); /* cold ones come before new ones */
    tsuga_stack_pool_fini(&stage.pool);
}

TEST(stack, keeps_what_the_kernel_will_not_take_back)
{
    struct stage stage;
    struct tsuga_stack *stacks[4];

    map_bytes_max = SIZE_MAX;
    guards_left = 4;
    open_stage(&stage, &(struct tsuga_stack_config){.warm_count_max = 1, .backing = &poor_backing});
    take_all(&stage, stacks, 4);
    release_all(&stage, stacks, 4);
    CHECK_UINT(tsuga_stack_trim(&stage.pool, 100), 0);
    CHECK_UINT(tsuga_stack_trim(&stage.pool, 100), 0);
    CHECK_UINT(stage.pool.warm_count, 4);
    tsuga_stack_pool_fini(&stage.pool);
}

static unsigned resident_pages(const struct tsuga_stack *stack)
{
    unsigned char map[TSUGA_STACK_BYTES_DEFAULT / 4096];
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    unsigned count = 0;

    CHECK_INT(mincore(stack->low, stack->bytes, map), 0);
    for (size_t i = 0; i < stack->bytes / page_bytes; i++)
        count += map[i] & 1u;
    return count;
}

static void dig(struct stage *stage, unsigned depth);

/* Keeps the compiler from making a loop of it. */
static void (*volatile dig_further)(struct stage *stage, unsigned depth) = dig;

static void dig(struct stage *stage, unsigned depth)
{
    volatile char buffer[4096];

    buffer[depth] = (char)depth; /* no constant, so that all of it is needed */
    if (depth > 0)
        dig_further(stage, depth - 1);
    else
        stage->at_depth(stage);
    buffer[depth + 1] = buffer[depth];
}

static void dig_deep(void *context)
{
    dig(context, 30);
}

static void direct_digger(void *context)
{
    struct stage *stage = context;
    struct tsuga_stack *peer = take(stage);

    stage->director = tsuga_stack_current(&stage->pool);
    CHECK_UINT(resident_pages(peer), 0);
    tsuga_stack_start(&stage->pool, peer, dig_deep, stage);
    CHECK(resident_pages(peer) >= 30);
    stage->peers[0] = take(stage); /* the digger's */
    stage->peers[1] = take(stage);
    tsuga_stack_release(&stage->pool, peer);
    tsuga_stack_release(&stage->pool, stage->peers[1]);
    CHECK_UINT(tsuga_stack_trim(&stage->pool, 100), 0);
    CHECK_UINT(tsuga_stack_trim(&stage->pool, 100), 1);
    CHECK_UINT(resident_pages(peer), 0);
    tsuga_stack_leave(&stage->pool);
}

TEST(stack, gives_back_the_pages_of_a_deep_call)
{
    struct stage stage;

    open_stage(&stage, &(struct tsuga_stack_config){.warm_count_max = 1});
    perform(&stage, direct_digger);
}

static void check_guards(const struct tsuga_stack_config *config, bool light)
{
    struct stage stage;
    struct tsuga_stack_stats stats;
    struct tsuga_stack *stack;
    uint32_t index = 77;

    open_stage(&stage, config);
    take(&stage);
    stack = take(&stage);
    tsuga_stack_pool_stats(&stage.pool, &stats);
    CHECK(stats.has_guard_light == light);
    CHECK(!tsuga_child_can_read(stack->low - 1));
    CHECK(!tsuga_child_can_read(stack->low - TSUGA_STACK_GUARD_BYTES));
    CHECK(tsuga_child_can_read(stack->low));
    CHECK(tsuga_stack_guard_find(&stage.pool, stack->low - 1, &index));
    CHECK_UINT(index, 1);
    CHECK(!tsuga_stack_guard_find(&stage.pool, stack->low, &index));
    CHECK(!tsuga_stack_guard_find(&stage.pool, stage.pool.slots - 1, &index));
    CHECK(!tsuga_stack_guard_find(&stage.pool, &stage, &index));
    tsuga_stack_pool_fini(&stage.pool);
}

static bool kernel_has_guard_light(void)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page;
    bool has;

    CHECK_INT(tsuga_stack_backing_mmap.map(bytes, &page), 0);
    has = tsuga_stack_backing_mmap.guard_light(page, bytes) == 0;
    tsuga_stack_backing_mmap.unmap(page, bytes);
    return has;
}

TEST(stack, a_guard_is_not_accessible)
{
    check_guards(&(struct tsuga_stack_config){0}, kernel_has_guard_light());
}

TEST(stack, a24_guards_by_mprotect_when_told_to)
{
    check_guards(&(struct tsuga_stack_config){.no_guard_light = true}, false);
}

TEST(stack, a24_guards_by_mprotect_where_the_kernel_is_older)
{
    map_bytes_max = SIZE_MAX;
    guards_left = 2;
    check_guards(&(struct tsuga_stack_config){.backing = &poor_backing}, false);
}
