/* The mailbox against its model, at random; tests/support/mailbox_model.h says what is compared. */
#include "tests/support/mailbox_model.h"
#include "tests/support/test.h"

#define STEPS 20000u

static uint32_t pick_at_random(void *random, uint32_t count)
{
    return (uint32_t)(tsuga_test_random(random) % count);
}

static void live_once(struct tsuga_mailbox_model *model, uint32_t capacity)
{
    tsuga_mailbox_model_open(model, capacity);
    for (uint32_t i = 0; i < STEPS; i++)
        tsuga_mailbox_model_step(model);
    tsuga_mailbox_model_close(model);
}

TEST(mailbox, h31_agrees_with_a_list_lane_by_lane)
{
    static struct tsuga_mailbox_model model;
    uint64_t random = tsuga_test_seed();

    model = (struct tsuga_mailbox_model){.pick = pick_at_random, .context = &random};
    tsuga_mailbox_init(&model.mailbox);
    live_once(&model, 0);
    live_once(&model, 1);
    live_once(&model, 20);
    live_once(&model, 0);
}
