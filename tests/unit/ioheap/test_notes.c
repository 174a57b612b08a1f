#include "ioheap/notes.h"

#include <string.h>

#include "tests/support/test.h"

enum { UNIT_COUNT = 1024 };

static struct tsuga_notes make_notes(void)
{
    static uint8_t tables[UNIT_COUNT];

    CHECK(tsuga_notes_bytes(UNIT_COUNT) <= sizeof(tables));
    memset(tables, 0, sizeof(tables));
    return tsuga_notes_make(tables, UNIT_COUNT);
}

/* A block of an order can start at every multiple of its size, and its note touches no other. */
TEST(notes, a08_keep_every_start_of_every_order_apart)
{
    struct tsuga_notes notes = make_notes();

    for (unsigned order = 0; order < 16; order++) {
        for (size_t unit = 0; unit < UNIT_COUNT; unit += (size_t)1 << order) {
            tsuga_notes_add(&notes, unit, order);
            for (size_t other = 0; other < UNIT_COUNT; other++)
                CHECK_UINT(tsuga_notes_get(&notes, other), other == unit ? order + 1 : 0);
            CHECK_UINT(tsuga_notes_remove(&notes, unit), order + 1);
            CHECK_UINT(tsuga_notes_get(&notes, unit), 0);
        }
    }
}

TEST(notes, keep_neighbours_when_one_is_removed)
{
    struct tsuga_notes notes = make_notes();

    for (size_t unit = 0; unit < UNIT_COUNT; unit++)
        tsuga_notes_add(&notes, unit, 0);
    for (size_t gone = 0; gone < UNIT_COUNT; gone++) {
        CHECK_UINT(tsuga_notes_remove(&notes, gone), 1);
        for (size_t unit = 0; unit < UNIT_COUNT; unit++)
            CHECK_UINT(tsuga_notes_get(&notes, unit), unit > gone ? 1 : 0);
    }
}
