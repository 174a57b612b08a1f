/*
 * Arithmetic on powers of two and words of bits. Pure functions, no state.
 *
 * Thread: any.
 */
#ifndef TSUGA_BASE_BITS_H
#define TSUGA_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSUGA_CACHE_LINE_BYTES 64u

/* The struct that holds `member` at `pointer`. */
#define TSUGA_CONTAINER_OF(pointer, type, member)                                                  \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline bool tsuga_bits_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Index of the lowest set bit; value must not be zero. */
static inline unsigned tsuga_bits_lowest(uint64_t value)
{
    return (unsigned)__builtin_ctzll(value);
}

/* floor(log2(value)); value must not be zero. */
static inline unsigned tsuga_bits_log2_floor(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

/* ceil(log2(value)); value must not be zero. */
static inline unsigned tsuga_bits_log2_ceil(uint64_t value)
{
    return value == 1 ? 0 : 64u - (unsigned)__builtin_clzll(value - 1);
}

/* value rounded up to a multiple of `alignment`, a power of two; the sum must not overflow. */
static inline uint64_t tsuga_bits_round_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t tsuga_bits_round_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

/* Smallest power of two >= value; value must be 1 ..= 2^63. */
static inline uint64_t tsuga_bits_power_of_two_ceil(uint64_t value)
{
    return UINT64_C(1) << tsuga_bits_log2_ceil(value);
}

#endif
