/*
 * Notes: which blocks start where, in two bits for each unit of 64 bytes.
 *
 * A block of 2^k units starts at a multiple of 2^k, so of eight units only the first can start any
 * block; the fifth starts a block of at most 4 units, the third and the seventh of at most 2, and
 * the others of 1. A note is 1 + k, or 0 where no block starts, and eight notes fit into 16 bits:
 *
 *     unit    0  1  2  3  4  5  6  7
 *     bits    5  1  2  1  2  1  2  1
 *     from    0 11  7 12  5 13  9 14
 *
 * Owner: the range of the reserve whose blocks they are. Thread: the owner of the segment; segments
 * are multiples of eight units, so two of them never share a word.
 */
#ifndef TSUGA_IOHEAP_NOTES_H
#define TSUGA_IOHEAP_NOTES_H

#include <stddef.h>
#include <stdint.h>

#define TSUGA_NOTES_UNITS 8u

struct tsuga_notes_place {
    uint8_t shift;
    uint8_t mask;
};

/* The table above. */
static inline struct tsuga_notes_place tsuga_notes_place_of(size_t unit)
{
    static const struct tsuga_notes_place places[TSUGA_NOTES_UNITS] = {
        {0, 31}, {11, 1}, {7, 3}, {12, 1}, {5, 3}, {13, 1}, {9, 3}, {14, 1},
    };

    return places[unit % TSUGA_NOTES_UNITS];
}

/* 1 + order of the block that starts at the unit; 0: none does. */
static inline unsigned tsuga_notes_get(const uint16_t *notes, size_t unit)
{
    struct tsuga_notes_place place = tsuga_notes_place_of(unit);

    return (unsigned)notes[unit / TSUGA_NOTES_UNITS] >> place.shift & place.mask;
}

/* Notes a block where none was noted. */
static inline void tsuga_notes_add(uint16_t *notes, size_t unit, unsigned order)
{
    notes[unit / TSUGA_NOTES_UNITS] |= (uint16_t)((order + 1) << tsuga_notes_place_of(unit).shift);
}

/* Removes the unit's note, and returns it. */
static inline unsigned tsuga_notes_remove(uint16_t *notes, size_t unit)
{
    struct tsuga_notes_place place = tsuga_notes_place_of(unit);
    unsigned word = notes[unit / TSUGA_NOTES_UNITS];

    notes[unit / TSUGA_NOTES_UNITS] = (uint16_t)(word & ~((unsigned)place.mask << place.shift));
    return word >> place.shift & place.mask;
}

#endif
