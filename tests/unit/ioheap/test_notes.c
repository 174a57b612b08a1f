#include "ioheap/notes.h"

#include <string.h>

#include "tests/support/test.h"

/* A block of an order can start at every multiple of its size, and its note touches no other. */
TEST(notes, a08_keep_every_start_of_every_order_apart)
{
    uint16_t notes[4] = {0};

    for (unsigned order = 0; order < 16; order++) {
        for (size_t unit = 0; unit < 32; unit += (size_t)1 << order) {
            tsuga_notes_add(notes, unit, order);
            for (size_t other = 0; other < 32; other++)
                CHECK_UINT(tsuga_notes_get(notes, other), other == unit ? order + 1 : 0);
            tsuga_notes_remove(notes, unit);
            CHECK_UINT(tsuga_notes_get(notes, unit), 0);
        }
    }
}

TEST(notes, keep_neighbours_when_one_is_removed)
{
    uint16_t notes[1] = {0};

    for (size_t unit = 0; unit < 8; unit++)
        tsuga_notes_add(notes, unit, 0);
    for (size_t gone = 0; gone < 8; gone++) {
        tsuga_notes_remove(notes, gone);
        for (size_t unit = 0; unit < 8; unit++)
            CHECK_UINT(tsuga_notes_get(notes, unit), unit > gone ? 1 : 0);
    }
}
