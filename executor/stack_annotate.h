/*
 * What the sanitizers and Valgrind must be told about stacks. Every function is empty in a build
 * without the tool in question.
 *
 * AddressSanitizer needs the bounds of the stack that is switched to, keeps a fake stack per real
 * one, and leaves the red zones of dropped frames poisoned. ThreadSanitizer sees fibers, each with
 * a shadow of its call stack: dropped frames never leave it, so a stack gets a new fiber from time
 * to time (the shadow overflows after some 22,000 starts otherwise).
 *
 * Private to stack.c. Thread: the pool's owner.
 */
#ifndef TSUGA_EXECUTOR_STACK_ANNOTATE_H
#define TSUGA_EXECUTOR_STACK_ANNOTATE_H

#include "executor/stack.h"
#include "runtime/base/sanitize.h"

#ifdef TSUGA_HAS_ASAN
#include <sanitizer/common_interface_defs.h>

/* Right before the switch. NULL for `keep` drops the fake stack of the stack that is left. */
static inline void tsuga_annotate_leave_asan(void **keep, const struct tsuga_stack *to)
{
    __sanitizer_start_switch_fiber(keep, to->low, to->bytes);
}

/* Right after a switch to `self`, which may have come from the thread's own stack: only now its
 * bounds are known. */
static inline void tsuga_annotate_arrive_asan(struct tsuga_stack *self, struct tsuga_stack *thread)
{
    const void *low = NULL;
    size_t bytes = 0;

    __sanitizer_finish_switch_fiber(self->fake_stack, &low, &bytes);
    self->fake_stack = NULL;
    if (thread->low == NULL) {
        thread->low = (char *)(size_t)low;
        thread->bytes = bytes;
    }
}
#else
static inline void tsuga_annotate_leave_asan(void **keep, const struct tsuga_stack *to)
{
    (void)keep;
    (void)to;
}

static inline void tsuga_annotate_arrive_asan(struct tsuga_stack *self, struct tsuga_stack *thread)
{
    (void)self;
    (void)thread;
}
#endif

#ifdef TSUGA_HAS_TSAN
static inline void tsuga_annotate_thread_tsan(struct tsuga_stack *thread)
{
    thread->fiber = __tsan_get_current_fiber();
}

/* Right before the switch. Flags 0: what came before on one fiber happens before what follows on
 * the other, as they share a thread. Inlined, or its exit would be booked on the other fiber. */
__attribute__((always_inline)) static inline void
tsuga_annotate_leave_tsan(const struct tsuga_stack *to)
{
    __tsan_switch_to_fiber(to->fiber, 0);
}

static inline void tsuga_annotate_drop_tsan(struct tsuga_stack *stack)
{
    if (stack->fiber != NULL)
        __tsan_destroy_fiber(stack->fiber);
    stack->fiber = NULL;
}

/* A shadow stack holds 65,536 frames. A new fiber takes 300 us, so one serves as many starts as
 * cannot overflow it, however deep the frames were dropped. */
#define TSUGA_ANNOTATE_FIBER_STARTS 8u

static inline void tsuga_annotate_start_tsan(struct tsuga_stack *stack)
{
    if (stack->fiber_starts % TSUGA_ANNOTATE_FIBER_STARTS == 0)
        tsuga_annotate_drop_tsan(stack);
    stack->fiber_starts++;
    if (stack->fiber == NULL)
        stack->fiber = __tsan_create_fiber(0);
}
#else
static inline void tsuga_annotate_thread_tsan(struct tsuga_stack *thread)
{
    (void)thread;
}

static inline void tsuga_annotate_leave_tsan(const struct tsuga_stack *to)
{
    (void)to;
}

static inline void tsuga_annotate_drop_tsan(struct tsuga_stack *stack)
{
    (void)stack;
}

static inline void tsuga_annotate_start_tsan(struct tsuga_stack *stack)
{
    (void)stack;
}
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#define TSUGA_HAS_VALGRIND 1
#endif
#endif

#ifdef TSUGA_HAS_VALGRIND
#include <valgrind/valgrind.h>

/* Valgrind would take a jump to an unknown stack for a huge frame. */
static inline void tsuga_annotate_register(struct tsuga_stack *stack)
{
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->low, stack->low + stack->bytes);
}

static inline void tsuga_annotate_deregister(const struct tsuga_stack *stack)
{
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
}
#else
static inline void tsuga_annotate_register(struct tsuga_stack *stack)
{
    (void)stack;
}

static inline void tsuga_annotate_deregister(const struct tsuga_stack *stack)
{
    (void)stack;
}
#endif

#endif
