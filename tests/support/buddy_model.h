/*
 * The buddy allocator of the examples against a model: a byte for each unit of the region, which
 * says who has it. What the allocator gives must be free, aligned to its size and inside; what it
 * refuses must not exist; what comes back must join again, so that in the end all is one block.
 *
 * A difference aborts the process.
 *
 * Owner: the test. Thread: one at a time.
 */
#ifndef TSUGA_TESTS_BUDDY_MODEL_H
#define TSUGA_TESTS_BUDDY_MODEL_H

#include <string.h>

#include "examples/pool_buddy.h"
#include "runtime/base/assert.h"

#define TSUGA_BUDDY_MODEL_UNITS  4096u /* of the largest region */
#define TSUGA_BUDDY_MODEL_BLOCKS 64u   /* at once */

struct tsuga_buddy_model {
    struct buddy buddy;
    size_t unit_count;
    uint8_t owner[TSUGA_BUDDY_MODEL_UNITS]; /* 0: free; otherwise its place + 1 */
    struct buddy_block *blocks[TSUGA_BUDDY_MODEL_BLOCKS];
    uint64_t taken_count;
    uint64_t refused_count;
};

static inline void tsuga_buddy_model_open(struct tsuga_buddy_model *model, unsigned order)
{
    memset(model, 0, sizeof(*model));
    model->unit_count = (size_t)1 << order;
    TSUGA_VERIFY(model->unit_count <= TSUGA_BUDDY_MODEL_UNITS);
    TSUGA_VERIFY(buddy_init(&model->buddy, BUDDY_UNIT << order) == 0);
}

static inline bool tsuga_buddy_model_is_free(const struct tsuga_buddy_model *model, size_t first,
                                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (model->owner[first + i] != 0)
            return false;
    }
    return true;
}

/* Whether an aligned place of so many units is free. */
static inline bool tsuga_buddy_model_has(const struct tsuga_buddy_model *model, size_t count)
{
    for (size_t first = 0; first + count <= model->unit_count; first += count) {
        if (tsuga_buddy_model_is_free(model, first, count))
            return true;
    }
    return false;
}

static inline void tsuga_buddy_model_take(struct tsuga_buddy_model *model, unsigned place,
                                          size_t bytes)
{
    size_t count = (size_t)1 << buddy_order(bytes);
    struct buddy_block *block = buddy_cut(&model->buddy, bytes);
    size_t first;

    TSUGA_VERIFY((block != NULL) == tsuga_buddy_model_has(model, count));
    if (block == NULL) {
        model->refused_count++;
        return;
    }
    TSUGA_VERIFY(count * BUDDY_UNIT >= bytes);
    TSUGA_VERIFY(count == 1 || count * BUDDY_UNIT / 2 < bytes); /* no larger than it must be */
    first = buddy_offset(block) / BUDDY_UNIT;
    TSUGA_VERIFY(first % count == 0);
    TSUGA_VERIFY(first + count <= model->unit_count);
    TSUGA_VERIFY(tsuga_buddy_model_is_free(model, first, count));
    memset(&model->owner[first], (int)place + 1, count);
    model->blocks[place] = block;
    model->taken_count++;
}

static inline void tsuga_buddy_model_give(struct tsuga_buddy_model *model, unsigned place)
{
    size_t first = buddy_offset(model->blocks[place]) / BUDDY_UNIT;
    size_t count = (size_t)1 << model->blocks[place]->order;

    for (size_t i = 0; i < count; i++)
        TSUGA_VERIFY(model->owner[first + i] == place + 1);
    memset(&model->owner[first], 0, count);
    buddy_join(model->blocks[place]);
    model->blocks[place] = NULL;
}

/* Takes when the place is empty, gives when it is not. */
static inline void tsuga_buddy_model_toggle(struct tsuga_buddy_model *model, unsigned place,
                                            size_t bytes)
{
    if (model->blocks[place] == NULL)
        tsuga_buddy_model_take(model, place, bytes);
    else
        tsuga_buddy_model_give(model, place);
}

static inline void tsuga_buddy_model_close(struct tsuga_buddy_model *model)
{
    for (unsigned place = 0; place < TSUGA_BUDDY_MODEL_BLOCKS; place++) {
        if (model->blocks[place] != NULL)
            tsuga_buddy_model_give(model, place);
    }
    TSUGA_VERIFY(buddy_is_whole(&model->buddy));
    buddy_fini(&model->buddy);
}

#endif
