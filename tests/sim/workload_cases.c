/*
 * The three cases of submission: there is room; there is none and an enter makes some; the kernel
 * or the limit on operations in flight refuses, and the actor waits. The ring has four entries and
 * few operations may be in flight. Each operation ends exactly once, and so does each chain.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/support.h"

#define ACTORS  5u
#define BATCH   24u
#define ENTRIES 4u
#define MS      UINT64_C(1000000)

/* What is known of an operation of the batch. */
struct op_end {
    uint8_t count;  /* how often it has ended */
    bool is_linked; /* it begins when the one before it has ended */
};

struct submitter {
    struct sim_run *run;
    struct tsuga_actor *self;
    uint64_t random;
    uint64_t submitted; /* operations whose completion will be delivered */
    uint64_t completed;
    struct op_end ends[BATCH]; /* of the batch */
};

static void count_end(struct submitter *submitter, const struct tsuga_completion *got)
{
    struct sim_run *run = submitter->run;
    struct op_end *end = got->context;

    REQUIRE(run, end >= submitter->ends && end < submitter->ends + BATCH);
    REQUIRE(run, got->last);
    REQUIRE(run, ++end->count == 1);
    /* One that was cut off from its chain ends without having begun, whenever. */
    if (end->is_linked && got->result == 0)
        REQUIRE(run, end[-1].count == 1);
    REQUIRE(run, got->result == 0 || got->result == -ECANCELED || !run->is_peaceful);
    submitter->completed++;
}

/* Takes completions until all that was submitted has ended. False: being stopped. */
static bool collect(struct submitter *submitter)
{
    while (submitter->completed < submitter->submitted) {
        const struct tsuga_message *message;

        if (tsuga_receive(submitter->self, NULL, TSUGA_FOREVER, &message) != 0)
            return false;
        count_end(submitter, tsuga_message_completion(message));
    }
    return true;
}

static uint32_t choose_options(struct submitter *submitter)
{
    static const uint32_t options[] = {0, 0, TSUGA_OP_NOWAIT, TSUGA_OP_ASYNC};

    return options[sim_random(&submitter->random) % 4];
}

static void submit_one(struct submitter *submitter, struct op_end *end)
{
    struct tsuga_op op = {.kind = TSUGA_OP_NOP, .context = end};

    op.options = choose_options(submitter);
    if (tsuga_op_error(tsuga_submit(submitter->self, &op)) == 0)
        submitter->submitted++;
}

/* As many as the queue has entries, or more than that: then it is refused whole. */
static void submit_chain(struct submitter *submitter, struct op_end *ends, size_t count)
{
    struct tsuga_op ops[ENTRIES + 1] = {{.kind = TSUGA_OP_NOP}};
    struct tsuga_token tokens[ENTRIES + 1];
    int error;

    for (size_t i = 0; i < count; i++) {
        ends[i].is_linked = i > 0;
        ops[i] = (struct tsuga_op){.kind = TSUGA_OP_NOP, .context = &ends[i]};
        if (sim_random(&submitter->random) % 4 == 0)
            ops[i] = (struct tsuga_op){.kind = TSUGA_OP_TIMEOUT,
                                       .timeout_ns = 1 + sim_random(&submitter->random) % MS,
                                       .context = &ends[i]};
    }
    error = tsuga_submit_chain(submitter->self, ops, count, 0, tokens);
    REQUIRE(submitter->run, error != 0 || count <= ENTRIES);
    if (error == 0)
        submitter->submitted += count;
}

static void submit_batch(struct submitter *submitter)
{
    memset(submitter->ends, 0, sizeof(submitter->ends));
    for (size_t at = 0; at < BATCH;) {
        size_t count = 1 + sim_random(&submitter->random) % (ENTRIES + 1);

        if (sim_random(&submitter->random) % 4 > 0 || at + count > BATCH)
            count = 1;
        if (count > 1)
            submit_chain(submitter, submitter->ends + at, count);
        else
            submit_one(submitter, submitter->ends + at);
        at += count;
    }
}

static void submit(struct tsuga_actor *self, void *argument)
{
    struct submitter *submitter = tsuga_state(self);

    submitter->run = argument;
    submitter->self = self;
    submitter->random = tsuga_self(self).value ^ submitter->run->random;
    do {
        submit_batch(submitter);
    } while (collect(submitter) && !sim_is_over(submitter->run));
}

void sim_run_cases(struct sim_run *run)
{
    struct tsuga_spawn_options options = {.body = submit,
                                          .argument = run,
                                          .state_bytes = sizeof(struct submitter),
                                          .name = "submitter"};

    run->config.executor.ring_entries = ENTRIES;
    run->config.executor.ops_max = 8 + (uint32_t)(sim_random(&run->random) % 16);
    if (!sim_start(run))
        return;
    for (unsigned i = 0; i < ACTORS; i++)
        (void)sim_spawn(run, &options);
    sim_finish(run);
}
