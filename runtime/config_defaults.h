/*
 * What a configuration says where nobody has said anything, and what follows from the rest.
 *
 * Owner: nobody, functions of their arguments and of the processors this process may use.
 * Thread: any.
 */
#ifndef TSUGA_RUNTIME_CONFIG_DEFAULTS_H
#define TSUGA_RUNTIME_CONFIG_DEFAULTS_H

#include "runtime/config.h"

/* An arena has so many segments at most, see ioheap/reserve.h. */
#define TSUGA_CONFIG_SEGMENTS_PER_ARENA 32768u

/* Replaces each field that is 0 by its default; all others must be valid. */
void tsuga_config_fill_defaults(struct tsuga_config *config);

/* The largest segment that an arena can give. */
uint64_t tsuga_config_segment_max(const struct tsuga_config *config);

#endif
