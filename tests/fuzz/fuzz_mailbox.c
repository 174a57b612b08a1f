/*
 * Bytes steer a mailbox through lives of its actor: what is posted, put, collected, taken, and when
 * the consumer sleeps. tests/support/mailbox_model.h says what must hold after each step.
 */
#include "tests/support/mailbox_model.h"

#define STEPS_EACH 256u /* of one life */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
    const uint8_t *data;
    size_t bytes;
};

static uint32_t pick(void *context, uint32_t count)
{
    struct input *input = context;

    if (input->bytes == 0)
        return 0;
    input->bytes--;
    return *input->data++ % count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tsuga_mailbox_model model;
    struct input input = {data, bytes};

    model = (struct tsuga_mailbox_model){.pick = pick, .context = &input};
    tsuga_mailbox_init(&model.mailbox);
    while (input.bytes > 0) {
        tsuga_mailbox_model_open(&model, pick(&input, 8));
        for (unsigned i = 0; i < STEPS_EACH && input.bytes > 0; i++)
            tsuga_mailbox_model_step(&model);
        tsuga_mailbox_model_close(&model);
    }
    return 0;
}
