/*
 * A number that only rises, on which threads of a test meet: one raises it, another waits until it
 * is high enough. Waiting spins, so an actor that waits keeps its executor busy, which is what some
 * tests are after; the driver's time limit ends a wait in vain.
 *
 * Owner: the test. Thread: any.
 */
#ifndef TSUGA_TESTS_GATE_H
#define TSUGA_TESTS_GATE_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

struct tsuga_gate {
    _Atomic uint32_t height;
};

static inline uint32_t tsuga_gate_height(struct tsuga_gate *gate)
{
    /* Pairs with the release in tsuga_gate_raise(). */
    return atomic_load_explicit(&gate->height, memory_order_acquire);
}

static inline void tsuga_gate_raise(struct tsuga_gate *gate)
{
    /* Whoever waited sees what was done before; pairs with tsuga_gate_height(). */
    atomic_fetch_add_explicit(&gate->height, 1, memory_order_release);
}

static inline void tsuga_gate_await(struct tsuga_gate *gate, uint32_t height)
{
    while (tsuga_gate_height(gate) < height)
        sched_yield();
}

#endif
