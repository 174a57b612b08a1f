#include "ioheap/slab.h"

#include <string.h>

#include "ioheap/ioheap.h"

/* The first slab is small, because most actors have an operation or two in flight. Each further
 * one doubles the records, up to a page. */
#define BLOCK_BYTES_FIRST ((size_t)256)
#define BLOCK_BYTES_MAX   ((size_t)4096)

static const struct tsuga_memory *memory_of(const struct tsuga_slab *slab)
{
    return &slab->heap->reserve->backing->memory;
}

static size_t slots_bytes(uint32_t capacity)
{
    return capacity * sizeof(struct tsuga_slab_slot);
}

void tsuga_slab_init(struct tsuga_slab *slab, struct tsuga_ioheap *heap)
{
    *slab = (struct tsuga_slab){.heap = heap, .free = TSUGA_SLAB_NONE};
}

void tsuga_slab_fini(struct tsuga_slab *slab)
{
    uint32_t slot = 0;

    TSUGA_VERIFY(slab->live_count == 0); /* else the kernel would write into the next owner */
    while (slot < slab->count) {
        void *block = slab->slots[slot].record;

        slot += (uint32_t)(tsuga_ioheap_block_bytes(slab->heap, block) / TSUGA_SLAB_RECORD_BYTES);
        tsuga_ioheap_free(slab->heap, block);
    }
    tsuga_memory_free(memory_of(slab), slab->slots, slots_bytes(slab->capacity));
    *slab = (struct tsuga_slab){.heap = slab->heap, .free = TSUGA_SLAB_NONE};
}

static int reserve_slots(struct tsuga_slab *slab, uint32_t count)
{
    uint32_t capacity = slab->capacity == 0 ? count : 2 * slab->capacity;
    struct tsuga_slab_slot *slots;

    if (slab->count + count <= slab->capacity)
        return 0;
    if (capacity < slab->count + count)
        capacity = slab->count + count;
    slots = tsuga_memory_alloc(memory_of(slab), slots_bytes(capacity));
    if (slots == NULL)
        return -ENOBUFS;
    if (slab->count > 0)
        memcpy(slots, slab->slots, slots_bytes(slab->count));
    tsuga_memory_free(memory_of(slab), slab->slots, slots_bytes(slab->capacity));
    slab->slots = slots;
    slab->capacity = capacity;
    return 0;
}

/* Makes a block's records free slots, the first of which is taken first. */
static void add_slots(struct tsuga_slab *slab, char *block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = slab->count + i;

        slab->slots[slot] = (struct tsuga_slab_slot){
            .record = block + (size_t)i * TSUGA_SLAB_RECORD_BYTES,
            .next = i + 1 < count ? slot + 1 : slab->free,
        };
    }
    slab->free = slab->count;
    slab->count += count;
    tsuga_sanitize_poison(block, count * TSUGA_SLAB_RECORD_BYTES);
}

/* A block for more records: as many as there are, within bounds, or fewer when room is short. */
static int alloc_block(struct tsuga_slab *slab, void **out)
{
    size_t bytes = (size_t)slab->count * TSUGA_SLAB_RECORD_BYTES;
    int error;

    bytes = bytes < BLOCK_BYTES_FIRST ? BLOCK_BYTES_FIRST : bytes;
    bytes = bytes > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : bytes;
    if (bytes > tsuga_ioheap_block_bytes_max(slab->heap))
        bytes = tsuga_ioheap_block_bytes_max(slab->heap);
    do {
        error = tsuga_ioheap_alloc(slab->heap, bytes, out);
        bytes /= 2;
    } while (error == -ENOBUFS && bytes >= TSUGA_SLAB_RECORD_BYTES);
    return error;
}

int tsuga_slab_grow(struct tsuga_slab *slab)
{
    void *block;
    uint32_t count;
    int error = alloc_block(slab, &block);

    if (error != 0)
        return error;
    count = (uint32_t)(tsuga_ioheap_block_bytes(slab->heap, block) / TSUGA_SLAB_RECORD_BYTES);
    error = reserve_slots(slab, count);
    if (error != 0) {
        tsuga_ioheap_free(slab->heap, block);
        return error;
    }
    add_slots(slab, block, count);
    return 0;
}
