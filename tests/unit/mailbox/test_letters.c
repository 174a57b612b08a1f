#include "mailbox/letters.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

/* Memory that counts, and fails when it is told to. */
struct store {
    struct tsuga_memory memory;
    uint64_t live_bytes;
    uint64_t calls;
    bool is_empty;
};

static void *fetch(void *context, size_t bytes)
{
    struct store *store = context;

    if (store->is_empty)
        return NULL;
    store->calls++;
    store->live_bytes += bytes;
    return aligned_alloc(64, bytes);
}

static void put_back(void *context, void *pointer, size_t bytes)
{
    struct store *store = context;

    if (pointer != NULL)
        store->live_bytes -= bytes;
    free(pointer);
}

static void open_store(struct store *store)
{
    *store = (struct store){.memory = {.alloc = fetch, .free = put_back, .context = store}};
}

static struct tsuga_letter *take(struct store *store, struct tsuga_letters *cache, size_t bytes)
{
    struct tsuga_letter *letter = tsuga_letters_take(cache, &store->memory, bytes);

    CHECK(letter != NULL);
    CHECK(letter->alloc_bytes >= sizeof(*letter) + bytes);
    memset(letter->payload, 0xab, bytes);
    return letter;
}

TEST(mailbox, small_letters_are_recycled_without_the_allocator)
{
    static const size_t sizes[] = {0, 1, 16, 17, 80, 81, 208};
    struct tsuga_letters cache = {.free_count = {0}};
    struct store store;
    uint64_t calls;

    open_store(&store);
    for (size_t i = 0; i < 7; i++)
        tsuga_letters_give(&cache, &store.memory, take(&store, &cache, sizes[i]));
    calls = store.calls;
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < 7; i++)
            tsuga_letters_give(&cache, &store.memory, take(&store, &cache, sizes[i]));
    }
    CHECK_UINT(store.calls, calls);
    tsuga_letters_fini(&cache, &store.memory);
    CHECK_UINT(store.live_bytes, 0);
}

TEST(mailbox, large_letters_go_back_at_once)
{
    struct tsuga_letters cache = {.free_count = {0}};
    struct store store;

    open_store(&store);
    tsuga_letters_give(&cache, &store.memory, take(&store, &cache, 209));
    tsuga_letters_give(&cache, &store.memory, take(&store, &cache, 100000));
    CHECK_UINT(store.live_bytes, 0);
    CHECK_UINT(store.calls, 2);
    tsuga_letters_fini(&cache, &store.memory);
}

TEST(mailbox, the_cache_of_letters_is_bounded)
{
    enum { COUNT = TSUGA_LETTER_CACHE_MAX + 10 };
    static struct tsuga_letter *letters[COUNT];
    struct tsuga_letters cache = {.free_count = {0}};
    struct store store;

    open_store(&store);
    for (size_t i = 0; i < COUNT; i++)
        letters[i] = take(&store, &cache, 10);
    for (size_t i = 0; i < COUNT; i++)
        tsuga_letters_give(&cache, &store.memory, letters[i]);
    CHECK_UINT(store.live_bytes, TSUGA_LETTER_CACHE_MAX * 64);
    tsuga_letters_fini(&cache, &store.memory);
    CHECK_UINT(store.live_bytes, 0);
}

TEST(mailbox, letters_need_no_cache)
{
    struct tsuga_letters cache = {.free_count = {0}};
    struct store store;

    open_store(&store);
    tsuga_letters_give(NULL, &store.memory, take(&store, NULL, 10));
    tsuga_letters_give(&cache, &store.memory, take(&store, NULL, 10));
    tsuga_letters_give(NULL, &store.memory, take(&store, &cache, 10));
    CHECK_UINT(store.calls, 2);
    CHECK_UINT(store.live_bytes, 0);
}

TEST(mailbox, a_letter_that_cannot_be_had_is_null)
{
    struct tsuga_letters cache = {.free_count = {0}};
    struct store store;

    open_store(&store);
    store.is_empty = true;
    CHECK_PTR(tsuga_letters_take(&cache, &store.memory, 10), NULL);
    CHECK_PTR(tsuga_letters_take(NULL, &store.memory, 100000), NULL);
}
