/*
 * What requests name by a number: memory that a ring has pinned, and open files. Private to
 * runtime/sim/.
 *
 * A pin begins with the slot that is filled, and ends when the slot has another content and the
 * last request that began with it has ended. Then the ring is told, at once or a little later, and
 * only then may the memory be given back: the kernel wrote into the old pages, and those who got
 * new ones would not see it.
 *
 * Owner: the ring. Thread: the simulation's.
 */
#ifndef TSUGA_SIM_SLOTS_H
#define TSUGA_SIM_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/ring.h"
#include "runtime/base/list.h"
#include "runtime/sim/agenda.h"

struct tsuga_file;
struct tsuga_kernel;
struct tsuga_kernel_ring;
struct tsuga_order;

struct tsuga_pin {
    struct tsuga_list_node link; /* of the kernel */
    struct tsuga_kernel_ring *ring;
    char *base;
    size_t bytes;
    uint64_t user_data;       /* of the result that tells that it has ended */
    uint32_t use_count;       /* requests, and the slot */
    struct tsuga_event ended; /* the ring is told */
};

struct tsuga_slots {
    struct tsuga_pin **pins; /* by number; NULL: empty */
    uint32_t pin_count;
    struct tsuga_file **files; /* likewise */
    uint32_t file_count;
};

/* What the ring hook promises of add_slots, fill_slots, add_files and set_file. */
int tsuga_slots_add(struct tsuga_kernel_ring *ring, uint32_t count);
int tsuga_slots_fill(struct tsuga_kernel_ring *ring, uint32_t first,
                     const struct tsuga_ring_slot *slots, uint32_t count);
int tsuga_slots_add_files(struct tsuga_kernel_ring *ring, uint32_t count);
int tsuga_slots_set_file(struct tsuga_kernel_ring *ring, uint32_t place, int fd);

/* The file in a place; NULL: none. */
struct tsuga_file *tsuga_slots_file(struct tsuga_kernel_ring *ring, int32_t place);

/* An order of a FIXED kind keeps the memory of its slot, and is one without FIXED from then on; any
 * other stays as it is. Errors: -EFAULT not all of its memory is in the slot. */
int tsuga_slots_hold(struct tsuga_order *order);
void tsuga_slots_drop(struct tsuga_order *order);

/* The ring is closed: its slots and places are empty. */
void tsuga_slots_fini(struct tsuga_kernel_ring *ring);

/* Ends all pins, of which nobody will be told. */
void tsuga_pins_fini(struct tsuga_kernel *kernel);

/* Whether some of the memory is pinned. */
bool tsuga_pins_overlap(const struct tsuga_kernel *kernel, const void *base, size_t bytes);

#endif
