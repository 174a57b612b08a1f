/* What memory.h promises of general memory, of this build's backing. */
#include <stdint.h>
#include <string.h>

#include "ioheap/backing.h"
#include "runtime/base/bits.h"
#include "tests/support/test.h"

#define NEIGHBOURS 3u /* so that not each is the first of its page */
#define EACH_UNTIL 1024u
#define BYTES_MAX  (128u << 10)

static void check_blocks(const struct tsuga_memory *memory, size_t bytes)
{
    size_t alignment = bytes % TSUGA_CACHE_LINE_BYTES == 0 ? TSUGA_CACHE_LINE_BYTES : 16;
    unsigned char *blocks[NEIGHBOURS];

    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        blocks[i] = tsuga_memory_alloc(memory, bytes);
        CHECK(blocks[i] != NULL);
        CHECK_INT((uintptr_t)blocks[i] % alignment, 0);
        memset(blocks[i], (int)i, bytes);
    }
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        CHECK_INT(blocks[i][0], i);
        CHECK_INT(blocks[i][bytes - 1], i);
        tsuga_memory_free(memory, blocks[i], bytes);
    }
}

TEST(backing, memory_is_aligned_as_promised)
{
    const struct tsuga_memory *memory = &tsuga_backing_default()->memory;

    for (size_t bytes = 1; bytes < EACH_UNTIL; bytes++)
        check_blocks(memory, bytes);
    for (size_t bytes = EACH_UNTIL; bytes <= BYTES_MAX; bytes += TSUGA_CACHE_LINE_BYTES)
        check_blocks(memory, bytes);
}

TEST(backing, nothing_to_free_is_no_error)
{
    tsuga_memory_free(&tsuga_backing_default()->memory, NULL, TSUGA_CACHE_LINE_BYTES);
}
