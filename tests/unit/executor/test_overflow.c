#include "executor/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/test.h"

/* One executor's worth of stacks, watched, and what runs on the first of them. */
struct scene {
    struct tsuga_stack_pool pool;
    struct tsuga_stack_config config;
    struct tsuga_overflow_watch *watch;
    void (*act)(struct scene *scene);
    unsigned depth_max;
};

static const char *name_of(void *context, uint32_t stack_index)
{
    (void)context;
    return stack_index == 0 ? "actor zero" : stack_index == 1 ? "actor one" : NULL;
}

static void play(void *context)
{
    struct scene *scene = context;

    scene->act(scene);
    tsuga_stack_leave(&scene->pool);
}

static void perform(void *context)
{
    struct scene *scene = context;
    struct tsuga_stack_pool *pool = &scene->pool;

    CHECK_INT(tsuga_stack_pool_init(pool, &scene->config), 0);
    CHECK_INT(tsuga_overflow_watch(pool, name_of, NULL, &scene->watch), 0);
    CHECK_INT(tsuga_stack_enter(pool, play, scene), 0);
    tsuga_overflow_unwatch(scene->watch);
    tsuga_stack_pool_fini(pool);
}

static struct tsuga_child run(struct scene scene)
{
    struct tsuga_child child;

    tsuga_child_run(&child, perform, &scene);
    return child;
}

static unsigned descend(const struct scene *scene, unsigned depth);

/* Keeps the compiler from making a loop of it. */
static unsigned (*volatile descend_further)(const struct scene *scene, unsigned depth) = descend;

static unsigned descend(const struct scene *scene, unsigned depth)
{
    volatile char frame[1024];

    frame[depth % sizeof(frame)] = (char)depth; /* no constant, so that all of it is needed */
    if (depth == scene->depth_max)
        return depth;
    return descend_further(scene, depth + 1) +
           (unsigned)(frame[depth % sizeof(frame)] - (char)depth);
}

static void overflow(struct scene *scene)
{
    CHECK_UINT(descend(scene, 0), scene->depth_max);
}

static void overflow_second(void *context)
{
    overflow(context);
}

static void overflow_other(struct scene *scene)
{
    struct tsuga_stack *other;

    CHECK_INT(tsuga_stack_acquire(&scene->pool, &other), 0);
    tsuga_stack_start(&scene->pool, other, overflow_second, scene);
}

static void overflow_nameless(struct scene *scene)
{
    struct tsuga_stack *other;

    CHECK_INT(tsuga_stack_acquire(&scene->pool, &other), 0);
    overflow_other(scene); /* the one after is the third */
}

static void nothing(struct scene *scene)
{
    (void)scene;
}

TEST(overflow, ends_the_process_with_the_name)
{
    struct tsuga_child child = run((struct scene){.act = overflow, .depth_max = 100000});

    CHECK_INT(child.signal, SIGSEGV);
    CHECK_STR(child.said, "tsuga: stack overflow in actor zero\n");
}

TEST(overflow, names_the_stack_that_overflowed)
{
    struct tsuga_child child = run((struct scene){.act = overflow_other, .depth_max = 100000});

    CHECK_INT(child.signal, SIGSEGV);
    CHECK_STR(child.said, "tsuga: stack overflow in actor one\n");
}

TEST(overflow, says_so_when_nobody_knows_a_name)
{
    struct tsuga_child child = run((struct scene){.act = overflow_nameless, .depth_max = 100000});

    CHECK_INT(child.signal, SIGSEGV);
    CHECK_STR(child.said, "tsuga: stack overflow in an unnamed actor\n");
}

TEST(overflow, a24_is_noticed_with_guards_by_mprotect)
{
    struct scene scene = {.config = {.no_guard_light = true}, .act = overflow, .depth_max = 100000};
    struct tsuga_child child = run(scene);

    CHECK_INT(child.signal, SIGSEGV);
    CHECK_STR(child.said, "tsuga: stack overflow in actor zero\n");
}

static int no_guard(void *base, size_t bytes)
{
    (void)base;
    (void)bytes;
    return 0;
}

/* The rule switched off: the same overflow, deep enough to leave its stack and no deeper than its
 * guard, does its damage in silence. */
TEST(overflow, is_silent_without_guards)
{
    struct tsuga_stack_backing unsafe = tsuga_stack_backing_mmap;
    struct scene scene = {
        .config = {.stack_bytes = TSUGA_STACK_BYTES_MIN, .backing = &unsafe},
        .act = overflow,
        .depth_max = 30, /* 30 to 60 KiB, whatever the compiler adds to a frame */
    };
    struct tsuga_child child;

    unsafe.guard_light = no_guard;
    child = run(scene);
    CHECK_INT(child.signal, 0);
    CHECK_INT(child.exit_status, 0);
    CHECK_STR(child.said, "");

    scene.config.backing = NULL;
    child = run(scene);
    CHECK_INT(child.signal, SIGSEGV);
}

/* Not a constant, or the compiler would refuse it. */
static volatile char *volatile nowhere = (volatile char *)64;

static void write_to_nowhere(struct scene *scene)
{
    (void)scene;
    *nowhere = 1;
}

static void say_fault(int signal)
{
    static const char text[] = "the program's handler\n";

    (void)signal;
    _exit(write(STDERR_FILENO, text, sizeof(text) - 1) > 0 ? 42 : 43);
}

static void say_fault_info(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_addr == nowhere)
        say_fault(signal);
}

static void perform_with_handler(void *context)
{
    struct sigaction action = {.sa_handler = say_fault};

    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    perform(context);
}

static void perform_with_info_handler(void *context)
{
    struct sigaction action = {.sa_sigaction = say_fault_info, .sa_flags = SA_SIGINFO};

    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    perform(context);
}

static void perform_with_default(void *context)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    perform(context);
}

TEST(overflow, another_fault_goes_to_the_handler_of_the_program)
{
    struct scene scene = {.act = write_to_nowhere};
    struct tsuga_child child;

    tsuga_child_run(&child, perform_with_handler, &scene);
    CHECK_INT(child.exit_status, 42);
    CHECK_STR(child.said, "the program's handler\n");
    tsuga_child_run(&child, perform_with_info_handler, &scene);
    CHECK_INT(child.exit_status, 42);
}

TEST(overflow, another_fault_kills_where_there_was_no_handler)
{
    struct scene scene = {.act = write_to_nowhere};
    struct tsuga_child child;

    tsuga_child_run(&child, perform_with_default, &scene);
    CHECK_INT(child.signal, SIGSEGV);
    CHECK_STR(child.said, "");
}

static void send_signal(struct scene *scene)
{
    (void)scene;
    kill(getpid(), SIGSEGV);
}

TEST(overflow, a_signal_that_was_sent_kills_as_without_a_watch)
{
    struct scene scene = {.act = send_signal};
    struct tsuga_child child;

    tsuga_child_run(&child, perform_with_default, &scene);
    CHECK_INT(child.signal, SIGSEGV);
    CHECK_STR(child.said, "");
}

static void *fault_elsewhere(void *context)
{
    write_to_nowhere(context);
    return NULL;
}

static void fault_in_thread(struct scene *scene)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, fault_elsewhere, scene), 0);
    pthread_join(thread, NULL);
}

TEST(overflow, a_fault_in_a_thread_without_a_watch_is_passed_on)
{
    struct scene scene = {.act = fault_in_thread};
    struct tsuga_child child;

    tsuga_child_run(&child, perform_with_handler, &scene);
    CHECK_INT(child.exit_status, 42);
}

static bool same_disposition(const struct sigaction *one, const struct sigaction *other)
{
    return one->sa_handler == other->sa_handler;
}

TEST(overflow, the_last_watch_restores_handler_and_signal_stack)
{
    struct scene scene = {.act = nothing};
    struct tsuga_overflow_watch *second;
    struct sigaction before, now;
    stack_t stack_before, stack_now;

    CHECK_INT(sigaction(SIGSEGV, NULL, &before), 0);
    CHECK_INT(sigaltstack(NULL, &stack_before), 0);
    CHECK_INT(tsuga_stack_pool_init(&scene.pool, &scene.config), 0);
    CHECK_INT(tsuga_overflow_watch(&scene.pool, name_of, NULL, &scene.watch), 0);
    CHECK_INT(tsuga_overflow_watch(&scene.pool, name_of, NULL, &second), 0);
    tsuga_overflow_unwatch(second);
    CHECK_INT(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(!same_disposition(&before, &now));
    tsuga_overflow_unwatch(scene.watch);
    tsuga_overflow_unwatch(NULL);
    CHECK_INT(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(same_disposition(&before, &now));
    CHECK_INT(sigaltstack(NULL, &stack_now), 0);
    CHECK_PTR(stack_now.ss_sp, stack_before.ss_sp);
    CHECK_UINT(stack_now.ss_size, stack_before.ss_size);
    tsuga_stack_pool_fini(&scene.pool);
}

static int no_map(size_t bytes, void **out)
{
    (void)bytes;
    (void)out;
    return -ENOMEM;
}

TEST(overflow, refuses_a_watch_without_memory)
{
    struct tsuga_stack_backing poor = tsuga_stack_backing_mmap;
    struct scene scene = {.config = {.backing = &poor}};

    CHECK_INT(tsuga_stack_pool_init(&scene.pool, &scene.config), 0);
    poor.map = no_map;
    CHECK_INT(tsuga_overflow_watch(&scene.pool, name_of, NULL, &scene.watch), -ENOMEM);
    CHECK_PTR(scene.watch, NULL);
    tsuga_stack_pool_fini(&scene.pool);
}
