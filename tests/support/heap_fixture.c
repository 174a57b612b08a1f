#include "tests/support/heap_fixture.h"

#include <errno.h>

#include "tests/support/test.h"

static bool fails(struct backing_faults *faults)
{
    faults->call_count++;
    if (faults->fail_at == 0)
        return false;
    return faults->call_count == faults->fail_at ||
           (faults->fails_on && faults->call_count > faults->fail_at);
}

static int reserve(void *context, size_t bytes, size_t alignment, void **out)
{
    struct backing_faults *faults = context;

    if (fails(faults) || (faults->reserve_bytes_max > 0 && bytes > faults->reserve_bytes_max))
        return -ENOMEM;
    return tsuga_backing_reserve(NULL, bytes, alignment, out);
}

static int purge(void *context, void *base, size_t bytes)
{
    struct backing_faults *faults = context;

    faults->purge_count++;
    return fails(faults) ? -ENOMEM : tsuga_backing_purge(NULL, base, bytes);
}

static int populate(void *context, void *base, size_t bytes)
{
    struct backing_faults *faults = context;

    faults->populate_count++;
    return fails(faults) ? -ENOMEM : tsuga_backing_populate(NULL, base, bytes);
}

static int protect(void *context, void *base, size_t bytes, bool is_accessible)
{
    /* Undoing a protection does not fail. */
    if (!is_accessible && fails(context))
        return -ENOMEM;
    return tsuga_backing_protect(NULL, base, bytes, is_accessible);
}

static void *alloc(void *context, size_t bytes)
{
    struct backing_faults *faults = context;
    void *pointer;

    if (fails(faults))
        return NULL;
    pointer = tsuga_memory_alloc(&tsuga_backing_default()->memory, bytes);
    if (pointer != NULL)
        faults->memory_bytes += (int64_t)bytes;
    return pointer;
}

static void release(void *context, void *pointer, size_t bytes)
{
    struct backing_faults *faults = context;

    if (pointer != NULL)
        faults->memory_bytes -= (int64_t)bytes;
    tsuga_memory_free(&tsuga_backing_default()->memory, pointer, bytes);
}

void backing_faults_init(struct backing_faults *faults)
{
    *faults = (struct backing_faults){
        .backing =
            {
                .reserve = reserve,
                .release = tsuga_backing_release,
                .purge = purge,
                .populate = populate,
                .protect = protect,
                .advise = tsuga_backing_advise,
                .context = faults,
                .memory = {.alloc = alloc, .free = release, .context = faults},
            },
    };
}

void heap_fixture_open(struct heap_fixture *fixture, const struct tsuga_reserve_config *reserve,
                       const struct tsuga_ioheap_config *heap)
{
    static const struct tsuga_reserve_config defaults = {0};

    backing_faults_init(&fixture->faults);
    CHECK_INT(tsuga_reserve_init(&fixture->reserve, &fixture->faults.backing,
                                 reserve == NULL ? &defaults : reserve),
              0);
    tsuga_arena_pool_init(&fixture->pool, &fixture->reserve, NULL);
    CHECK_INT(tsuga_ioheap_init(&fixture->heap, &fixture->pool, heap), 0);
}

void heap_fixture_close(struct heap_fixture *fixture)
{
    tsuga_ioheap_fini(&fixture->heap);
    tsuga_arena_pool_fini(&fixture->pool);
    tsuga_reserve_fini(&fixture->reserve);
    CHECK_INT(fixture->faults.memory_bytes, 0);
}

void *heap_fixture_alloc(struct heap_fixture *fixture, size_t bytes)
{
    void *block;

    CHECK_INT(tsuga_ioheap_alloc(&fixture->heap, bytes, &block), 0);
    return block;
}
