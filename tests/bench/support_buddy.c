#include "tests/bench/support_buddy.h"

#include <errno.h>
#include <sys/mman.h>

#include "tests/bench/support.h"

#define UNIT_SHIFT   6u
#define ORDER_MAX    (TSUGA_BENCH_BUDDY_ORDERS - 1)
#define CHUNK_UNITS  (1u << ORDER_MAX) /* 2 MiB */
#define CHUNK_COUNT  512u
#define UNIT_COUNT   ((size_t)CHUNK_COUNT * CHUNK_UNITS)
#define FREE         0x80u
#define NOBODY       0u /* the first chunk is not used, and so its first unit is no block */
#define REGION_BYTES (UNIT_COUNT << UNIT_SHIFT)

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    tsuga_bench_require("mmap", memory == MAP_FAILED ? -errno : 0);
    return memory;
}

static void push(struct tsuga_bench_buddy *buddy, uint32_t unit, unsigned order)
{
    uint32_t next = buddy->heads[order];

    buddy->nodes[unit] = (struct tsuga_bench_buddy_node){next, NOBODY};
    if (next != NOBODY)
        buddy->nodes[next].prev = unit;
    buddy->heads[order] = unit;
    buddy->filled |= 1u << order;
    buddy->states[unit] = (uint8_t)(FREE | order);
}

static void take_out(struct tsuga_bench_buddy *buddy, uint32_t unit, unsigned order)
{
    struct tsuga_bench_buddy_node node = buddy->nodes[unit];

    if (node.next != NOBODY)
        buddy->nodes[node.next].prev = node.prev;
    if (node.prev != NOBODY) {
        buddy->nodes[node.prev].next = node.next;
        return;
    }
    buddy->heads[order] = node.next;
    if (node.next == NOBODY)
        buddy->filled &= ~(1u << order);
}

void tsuga_bench_buddy_open(struct tsuga_bench_buddy *buddy)
{
    *buddy = (struct tsuga_bench_buddy){.region = map(REGION_BYTES),
                                        .nodes = map(UNIT_COUNT * sizeof(*buddy->nodes)),
                                        .states = map(UNIT_COUNT)};
    for (uint32_t chunk = CHUNK_COUNT - 1; chunk > 0; chunk--)
        push(buddy, chunk * CHUNK_UNITS, ORDER_MAX);
}

void tsuga_bench_buddy_close(struct tsuga_bench_buddy *buddy)
{
    munmap(buddy->region, REGION_BYTES);
    munmap(buddy->nodes, UNIT_COUNT * sizeof(*buddy->nodes));
    munmap(buddy->states, UNIT_COUNT);
}

/* The least order that holds so many bytes. */
static unsigned order_of(size_t bytes)
{
    size_t last_unit = (bytes - 1) >> UNIT_SHIFT;

    return last_unit == 0 ? 0 : 64u - (unsigned)__builtin_clzl(last_unit);
}

void *tsuga_bench_buddy_alloc(void *context, size_t bytes)
{
    struct tsuga_bench_buddy *buddy = context;
    unsigned wanted = order_of(bytes);
    uint32_t large_enough = buddy->filled >> wanted << wanted;
    unsigned order;
    uint32_t unit;

    if (large_enough == 0)
        return NULL;
    order = (unsigned)__builtin_ctz(large_enough);
    unit = buddy->heads[order];
    take_out(buddy, unit, order);
    while (order > wanted) {
        order--;
        push(buddy, unit + (1u << order), order);
    }
    buddy->states[unit] = (uint8_t)wanted;
    return buddy->region + ((size_t)unit << UNIT_SHIFT);
}

void tsuga_bench_buddy_free(void *context, void *block)
{
    struct tsuga_bench_buddy *buddy = context;
    uint32_t unit = (uint32_t)((size_t)((char *)block - buddy->region) >> UNIT_SHIFT);
    unsigned order = buddy->states[unit];

    while (order < ORDER_MAX) {
        uint32_t other = unit ^ 1u << order;

        if (buddy->states[other] != (FREE | order))
            break;
        take_out(buddy, other, order);
        buddy->states[unit > other ? unit : other] = 0; /* no longer where a block begins */
        unit &= ~(1u << order);
        order++;
    }
    push(buddy, unit, order);
}
