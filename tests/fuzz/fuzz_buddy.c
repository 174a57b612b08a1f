/*
 * Bytes steer the buddy allocator of the examples: how large its region is, what is taken, what
 * comes back and in what order. tests/support/buddy_model.h says what must hold after each step.
 */
#include "tests/support/buddy_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tsuga_buddy_model model;

    if (bytes == 0)
        return 0;
    tsuga_buddy_model_open(&model, data[0] % 13);
    for (size_t i = 1; i + 2 < bytes; i += 3) {
        unsigned shift = data[i + 1] % 18;
        size_t size = ((size_t)1 << shift) + data[i + 2] % ((size_t)1 << shift);

        tsuga_buddy_model_toggle(&model, data[i] % TSUGA_BUDDY_MODEL_BLOCKS, size);
    }
    tsuga_buddy_model_close(&model);
    return 0;
}
