/* What memory.h promises of general memory, of this build's backing. */
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "ioheap/backing.h"
#include "runtime/base/bits.h"
#include "tests/support/test.h"

#define NEIGHBOURS 3u /* so that not each is the first of its page */
#define EACH_UNTIL 1024u
#define BYTES_MAX  (128u << 10)
#define LARGE      ((size_t)2 << 20)

static size_t alignment_of(size_t bytes)
{
    return bytes % TSUGA_CACHE_LINE_BYTES == 0 ? TSUGA_CACHE_LINE_BYTES : 16;
}

static void check_blocks(const struct tsuga_memory *memory, size_t bytes)
{
    unsigned char *blocks[NEIGHBOURS];

    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        blocks[i] = tsuga_memory_alloc(memory, bytes);
        CHECK(blocks[i] != NULL);
        CHECK_INT((uintptr_t)blocks[i] % alignment_of(bytes), 0);
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

/* Also when somebody wrote into it before. */
TEST(backing, zeroed_memory_is_zero_and_aligned)
{
    const struct tsuga_memory *memory = &tsuga_backing_default()->memory;

    for (size_t bytes = 1; bytes <= LARGE; bytes = bytes < EACH_UNTIL ? bytes + 1 : 2 * bytes) {
        for (unsigned round = 0; round < 2; round++) {
            unsigned char *block = tsuga_memory_alloc_zeroed(memory, bytes);

            CHECK(block != NULL);
            CHECK_INT((uintptr_t)block % alignment_of(bytes), 0);
            for (size_t i = 0; i < bytes; i++)
                CHECK_INT(block[i], 0);
            memset(block, 0xff, bytes);
            tsuga_memory_free(memory, block, bytes);
        }
    }
}

static long page_faults(void)
{
    struct rusage usage;

    CHECK_INT(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_minflt;
}

/* A table of actors that grows by so much is written at once, and would pay for each page. */
TEST(backing, large_zeroed_memory_is_faulted_in)
{
    const struct tsuga_memory *memory = &tsuga_backing_default()->memory;
    unsigned char *block = tsuga_memory_alloc_zeroed(memory, LARGE);
    long before;

    CHECK(block != NULL);
    before = page_faults();
    memset(block, 1, LARGE);
    CHECK(page_faults() - before < 16); /* of 512 */
    tsuga_memory_free(memory, block, LARGE);
}

TEST(backing, nothing_to_free_is_no_error)
{
    tsuga_memory_free(&tsuga_backing_default()->memory, NULL, TSUGA_CACHE_LINE_BYTES);
}
