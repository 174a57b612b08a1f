/*
 * Bytes steer a heap and a slab: which sizes are taken, what is given back and in what order, when
 * the memory ends and when time passes. Every step leaves all invariants whole, and at the end
 * nothing is lost.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ioheap/ioheap.h"
#include "runtime/base/clock.h"

#define BLOCK_COUNT  64u
#define RECORD_COUNT 32u

struct input {
    const uint8_t *data;
    size_t bytes;
};

struct state {
    struct tsuga_reserve reserve;
    struct tsuga_arena_pool pool;
    struct tsuga_ioheap heap;
    struct tsuga_slab slab;
    unsigned char *blocks[BLOCK_COUNT];
    uint32_t slots[RECORD_COUNT];
    bool is_taken[RECORD_COUNT];
    uint64_t now_ns;
};

static uint8_t next(struct input *input)
{
    if (input->bytes == 0)
        return 0;
    input->bytes--;
    return *input->data++;
}

static void toggle_block(struct state *state, struct input *input)
{
    unsigned place = next(input) % BLOCK_COUNT;
    unsigned shift = next(input) % 22;
    size_t bytes =
        ((size_t)1 << shift) - (shift > 0 ? next(input) % ((size_t)1 << (shift - 1)) : 0);
    void *block;

    if (state->blocks[place] != NULL) {
        TSUGA_VERIFY(state->blocks[place][0] == place);
        if (shift % 2 == 0)
            tsuga_ioheap_free(&state->heap, state->blocks[place]);
        else
            tsuga_ioheap_free_remote(&state->heap, state->blocks[place]);
        state->blocks[place] = NULL;
    } else if (tsuga_ioheap_alloc(&state->heap, bytes, &block) == 0) {
        state->blocks[place] = block;
        state->blocks[place][0] = (unsigned char)place;
        state->blocks[place][bytes - 1] = (unsigned char)place;
    }
}

static void toggle_record(struct state *state, struct input *input)
{
    unsigned place = next(input) % RECORD_COUNT;
    void *record;

    if (state->is_taken[place]) {
        tsuga_slab_give(&state->slab, state->slots[place]);
        state->is_taken[place] = false;
        return;
    }
    record = tsuga_slab_take(&state->slab, &state->slots[place]);
    if (record == NULL)
        return;
    memset(record, (int)place, TSUGA_SLAB_RECORD_BYTES);
    state->is_taken[place] = true;
}

static void step(struct state *state, struct input *input)
{
    uint8_t what = next(input) % 16;

    if (what < 10) {
        toggle_block(state, input);
    } else if (what < 13) {
        toggle_record(state, input);
    } else if (what == 13) {
        tsuga_ioheap_drain(&state->heap);
    } else {
        state->now_ns += (what - 13) * TSUGA_NS_PER_S;
        tsuga_ioheap_decay(&state->heap, state->now_ns);
        tsuga_arena_pool_decay(&state->pool, state->now_ns);
    }
}

static bool open_state(struct state *state, struct input *input)
{
    struct tsuga_reserve_config reserve = {
        .bytes = UINT64_C(64) << 20,
        .arena_bytes = UINT64_C(1) << (16 + next(input) % 8),
        .segment_bytes_min = UINT64_C(512) << next(input) % 6,
    };
    struct tsuga_ioheap_config config = {
        .quota_bytes = (uint64_t)next(input) << (10 + next(input) % 12),
        .class_mask = (uint32_t)(next(input) << 6 | next(input) << 14),
    };

    if (tsuga_reserve_init(&state->reserve, tsuga_backing_default(), &reserve) != 0)
        return false;
    tsuga_arena_pool_init(&state->pool, &state->reserve, NULL);
    if (tsuga_ioheap_init(&state->heap, &state->pool, &config) == 0) {
        tsuga_slab_init(&state->slab, &state->heap);
        return true;
    }
    tsuga_arena_pool_fini(&state->pool);
    tsuga_reserve_fini(&state->reserve);
    return false;
}

static void close_state(struct state *state)
{
    for (unsigned i = 0; i < BLOCK_COUNT; i++) {
        if (state->blocks[i] != NULL)
            tsuga_ioheap_free(&state->heap, state->blocks[i]);
    }
    for (unsigned i = 0; i < RECORD_COUNT; i++) {
        if (state->is_taken[i])
            tsuga_slab_give(&state->slab, state->slots[i]);
    }
    tsuga_ioheap_drain(&state->heap);
    tsuga_slab_fini(&state->slab);
    tsuga_ioheap_fini(&state->heap);
    tsuga_arena_pool_fini(&state->pool);
    tsuga_reserve_fini(&state->reserve);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = {data, bytes};
    struct state state = {.now_ns = TSUGA_NS_PER_S};

    if (!open_state(&state, &input))
        return 0;
    for (unsigned i = 0; input.bytes > 0; i++) {
        step(&state, &input);
        if (i % 16 == 0)
            tsuga_ioheap_check(&state.heap);
    }
    close_state(&state);
    return 0;
}
