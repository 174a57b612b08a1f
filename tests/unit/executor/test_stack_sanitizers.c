/*
 * The sanitizers still see planted faults on a stack that was abandoned and started anew. Empty in
 * a build without them.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "executor/stack.h"
#include "runtime/base/sanitize.h"
#include "tests/support/child.h"
#include "tests/support/test.h"

#if defined(TSUGA_HAS_ASAN) || defined(TSUGA_HAS_TSAN)

struct stage {
    struct tsuga_stack_pool pool;
    struct tsuga_stack *director;
    void (*act)(struct stage *stage);
    volatile unsigned index; /* the compiler must not see where it leads */
    unsigned life_count;
    int shared;
};

static void live(void *context)
{
    struct stage *stage = context;

    if (++stage->life_count == 3)
        stage->act(stage);
    tsuga_stack_switch_abandon(&stage->pool, stage->director);
}

static void direct(void *context)
{
    struct stage *stage = context;
    struct tsuga_stack *peer;

    stage->director = tsuga_stack_current(&stage->pool);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(tsuga_stack_acquire(&stage->pool, &peer), 0);
        tsuga_stack_start(&stage->pool, peer, live, stage);
    }
    tsuga_stack_leave(&stage->pool);
}

static void perform(void *context)
{
    struct stage *stage = context;

    CHECK_INT(tsuga_stack_pool_init(&stage->pool, &(struct tsuga_stack_config){0}), 0);
    CHECK_INT(tsuga_stack_enter(&stage->pool, direct, stage), 0);
    tsuga_stack_pool_fini(&stage->pool);
}

static void check_child_says(struct stage *stage, const char *report)
{
    struct tsuga_child child;

    tsuga_child_run(&child, perform, stage);
    CHECK(strstr(child.said, report) != NULL);
}

static void do_nothing(struct stage *stage)
{
    stage->shared++;
}

TEST(stack_sanitizers, are_silent_without_a_fault)
{
    struct stage stage = {.act = do_nothing};
    struct tsuga_child child;

    tsuga_child_run(&child, perform, &stage);
    CHECK_STR(child.said, "");
    CHECK_INT(child.exit_status, 0);
}
#endif

#ifdef TSUGA_HAS_ASAN
static void write_past_the_end(struct stage *stage)
{
    char buffer[40];

    memset(buffer, 0, sizeof(buffer));
    ((volatile char *)buffer)[stage->index] = 1;
}

TEST(stack_sanitizers, see_a_write_past_an_array)
{
    struct stage stage = {.act = write_past_the_end, .index = 41};

    check_child_says(&stage, "stack-buffer-overflow");
}

static void use_after_scope(struct stage *stage)
{
    volatile char *escaped = NULL;

    for (int i = 0; i < 2; i++) {
        volatile char scoped[64];

        scoped[stage->index] = 1;
        if (escaped == NULL)
            escaped = scoped;
    }
    escaped[stage->index] = 2;
}

TEST(stack_sanitizers, see_a_use_after_scope)
{
    struct stage stage = {.act = use_after_scope};

    check_child_says(&stage, "stack-use-after-scope");
}

static void use_after_free(struct stage *stage)
{
    volatile char *volatile dangling = malloc(64);

    CHECK(dangling != NULL);
    free((void *)(size_t)dangling);
    dangling[stage->index] = 1;
}

TEST(stack_sanitizers, see_a_use_after_free)
{
    struct stage stage = {.act = use_after_free};

    check_child_says(&stage, "heap-use-after-free");
}
#endif

#ifdef TSUGA_HAS_TSAN
static void *write_shared(void *context)
{
    struct stage *stage = context;

    stage->shared++;
    return NULL;
}

static void race(struct stage *stage)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, write_shared, stage), 0);
    stage->shared++;
    CHECK_INT(pthread_join(thread, NULL), 0);
}

TEST(stack_sanitizers, see_a_race)
{
    struct stage stage = {.act = race};

    check_child_says(&stage, "ThreadSanitizer: data race");
}
#endif
