/*
 * Notes: which blocks start where, in two tables of bytes.
 *
 * A note is 1 + k where a block of 2^k units starts, or 0. It starts at a multiple of 2^k, so only
 * every 256th unit can start one of 16 KiB and more. Those units have a byte each in the coarse
 * table: the notes of large blocks lie so close together that they stay in the cache. All others
 * have two bits each in the fine table, because of four units only the first can start a block of
 * more than 2 units, and only the third one of 2:
 *
 *     unit    0  1  2  3
 *     bits    4  1  2  1
 *     from    0  4  5  7
 *
 * Owner: the range of the reserve whose blocks they are. Thread: the owner of the segment; segments
 * are multiples of four units, so two of them never share a byte.
 */
#ifndef TSUGA_IOHEAP_NOTES_H
#define TSUGA_IOHEAP_NOTES_H

#include <stddef.h>
#include <stdint.h>

/* A table has a byte for 2^this units. */
#define TSUGA_NOTES_FINE_SHIFT   2u
#define TSUGA_NOTES_COARSE_SHIFT 8u

struct tsuga_notes {
    uint8_t *tables[2]; /* fine, coarse */
};

/* Bytes of both tables for so many units. */
static inline size_t tsuga_notes_bytes(size_t unit_count)
{
    return (unit_count >> TSUGA_NOTES_FINE_SHIFT) + (unit_count >> TSUGA_NOTES_COARSE_SHIFT);
}

/* Notes in tsuga_notes_bytes() at `tables`, which are zero and the caller's. The count is a
 * multiple of 256. */
static inline struct tsuga_notes tsuga_notes_make(uint8_t *tables, size_t unit_count)
{
    return (struct tsuga_notes){{tables, tables + (unit_count >> TSUGA_NOTES_FINE_SHIFT)}};
}

/* Where a unit's note is. */
struct tsuga_notes_place {
    uint8_t *byte;
    uint8_t shift;
    uint8_t mask;
};

/* Which table it is is as good as random, so there is no branch. */
static inline struct tsuga_notes_place tsuga_notes_place_of(const struct tsuga_notes *notes,
                                                            size_t unit)
{
    static const struct {
        uint8_t shift;
        uint8_t mask;
    } bits[] = {{0, 15}, {4, 1}, {5, 3}, {7, 1}, {0, 31}}; /* the last: in the coarse table */
    size_t is_coarse = unit % (1u << TSUGA_NOTES_COARSE_SHIFT) == 0;
    size_t place = unit % (1u << TSUGA_NOTES_FINE_SHIFT) + 4 * is_coarse;
    size_t shift =
        TSUGA_NOTES_FINE_SHIFT + is_coarse * (TSUGA_NOTES_COARSE_SHIFT - TSUGA_NOTES_FINE_SHIFT);

    return (struct tsuga_notes_place){
        .byte = &notes->tables[is_coarse][unit >> shift],
        .shift = bits[place].shift,
        .mask = bits[place].mask,
    };
}

/* 1 + order of the block that starts at the unit; 0: none does. */
static inline unsigned tsuga_notes_get(const struct tsuga_notes *notes, size_t unit)
{
    struct tsuga_notes_place place = tsuga_notes_place_of(notes, unit);

    return (unsigned)*place.byte >> place.shift & place.mask;
}

/* Notes a block where none was noted. */
static inline void tsuga_notes_add(const struct tsuga_notes *notes, size_t unit, unsigned order)
{
    struct tsuga_notes_place place = tsuga_notes_place_of(notes, unit);

    *place.byte |= (uint8_t)((order + 1) << place.shift);
}

/* Removes the unit's note, and returns it. */
static inline unsigned tsuga_notes_remove(const struct tsuga_notes *notes, size_t unit)
{
    struct tsuga_notes_place place = tsuga_notes_place_of(notes, unit);
    unsigned note = (unsigned)*place.byte >> place.shift & place.mask;

    *place.byte ^= (uint8_t)(note << place.shift);
    return note;
}

#endif
