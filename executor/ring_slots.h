/*
 * Slots and places of an io_uring ring: the tables of registered buffers and of registered files.
 * Private to the ring files.
 *
 * Thread: the ring's own, as the kernel allows no other to register anything.
 */
#ifndef TSUGA_EXECUTOR_RING_SLOTS_H
#define TSUGA_EXECUTOR_RING_SLOTS_H

#include "executor/ring.h"

/* What add_slots and fill_slots of executor/ring.h do, by the ring's descriptor. */
TSUGA_NODISCARD int tsuga_ring_slots_add(int ring_fd, uint32_t count);
TSUGA_NODISCARD int tsuga_ring_slots_fill(int ring_fd, uint32_t first,
                                          const struct tsuga_ring_slot *slots, uint32_t count);

/* Likewise add_files and set_file. */
TSUGA_NODISCARD int tsuga_ring_files_add(int ring_fd, uint32_t count);
TSUGA_NODISCARD int tsuga_ring_files_set(int ring_fd, uint32_t place, int fd);

#endif
