/* Chains: one unit, in order, whole or not at all. */
#include "tests/support/test.h"

#include <errno.h>
#include <unistd.h>

#include "tests/support/ring_fault.h"
#include "tests/support/world.h"

#define RING_ENTRIES 4u

struct scene {
    int slow[2]; /* the chain's first read waits for it */
    int fast[2];
};

static void open_pipes(struct scene *scene)
{
    CHECK_INT(pipe(scene->slow), 0);
    CHECK_INT(pipe(scene->fast), 0);
}

static void close_pipes(struct scene *scene)
{
    for (int i = 0; i < 2; i++) {
        close(scene->slow[i]);
        close(scene->fast[i]);
    }
}

/* A read that waits, and a write that must wait for it. */
static void fill_in(const struct scene *scene, struct tsuga_op ops[2])
{
    ops[0] = (struct tsuga_op){.kind = TSUGA_OP_READ, .fd = scene->slow[0], .bytes = 1};
    ops[1] = (struct tsuga_op){
        .kind = TSUGA_OP_WRITE, .fd = scene->fast[1], .data = "second", .bytes = 6};
}

/* The queue holds three of its four entries, so that the chain does not fit behind them. */
static void chain_behind_others(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_token nops[RING_ENTRIES - 1];
    struct tsuga_token chain[2];
    struct tsuga_op ops[2];
    struct tsuga_completion got;

    fill_in(scene, ops);
    for (unsigned i = 0; i < RING_ENTRIES - 1; i++)
        nops[i] = tsuga_nop(self);
    CHECK_INT(tsuga_submit_chain(self, ops, 2, 0, chain), 0);
    for (unsigned i = 0; i < RING_ENTRIES - 1; i++)
        CHECK_INT(tsuga_await(self, nops[i]).result, 0);
    /* A write to a pipe with room completes at once, if nothing holds it back. */
    CHECK_INT(tsuga_await_any(self, chain, 2, 20000000).result, -ETIMEDOUT);
    CHECK_INT(write(scene->slow[1], "x", 1), 1);
    got = tsuga_await_any(self, chain, 2, TSUGA_FOREVER);
    CHECK(tsuga_token_equal(got.op, chain[0]));
    CHECK_INT(got.result, 1);
    CHECK_INT(tsuga_await(self, chain[1]).result, 6);
}

TEST(executor, h46_a_chain_is_never_split_by_a_full_queue)
{
    struct tsuga_setup setup = {.config.executor = {.ring_entries = RING_ENTRIES}};
    struct scene scene;

    open_pipes(&scene);
    tsuga_world_run(&setup, chain_behind_others, &scene);
    close_pipes(&scene);
}

static void break_chain(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_token chain[2];
    struct tsuga_op ops[2];

    fill_in(scene, ops);
    ops[0].fd = -1;
    CHECK_INT(tsuga_submit_chain(self, ops, 2, 0, chain), 0);
    CHECK_INT(tsuga_await(self, chain[0]).result, -EBADF);
    CHECK_INT(tsuga_await(self, chain[1]).result, -ECANCELED);
}

TEST(executor, h46_what_follows_a_failed_member_is_cancelled)
{
    struct scene scene;

    open_pipes(&scene);
    tsuga_world_run(NULL, break_chain, &scene);
    close_pipes(&scene);
}

static void refuse_chains(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token chain[RING_ENTRIES + 1] = {{7}, {7}, {7}, {7}, {7}};
    struct tsuga_op ops[RING_ENTRIES + 1] = {{.kind = TSUGA_OP_NOP}};
    struct tsuga_heap_stats before;
    struct tsuga_heap_stats after;

    (void)argument;
    CHECK_INT(tsuga_submit_chain(self, ops, RING_ENTRIES + 1, 0, chain), -E2BIG);
    CHECK_INT(tsuga_submit_chain(self, ops, 0, 0, chain), -EINVAL);
    CHECK_INT(tsuga_submit_chain(self, NULL, 1, 0, chain), -EINVAL);
    ops[1].kind = TSUGA_OP_CLOSE;
    CHECK_INT(tsuga_submit_chain(self, ops, 2, 0, chain), -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    /* The last member cannot be prepared: the first ones are put back, time limits and all. */
    ops[0] = (struct tsuga_op){
        .kind = TSUGA_OP_READ, .fd = STDIN_FILENO, .bytes = 100, .timeout_ns = 1000000000};
    ops[1] = (struct tsuga_op){.kind = TSUGA_OP_WRITE, .fd = 1, .data = "x", .bytes = 16u << 20};
    CHECK_INT(tsuga_submit_chain(self, ops, 2, 0, chain), -EMSGSIZE);
    /* The first time may have added a slab of records, which the actor keeps. */
    tsuga_heap_stats_read(self, &before);
    CHECK_INT(tsuga_submit_chain(self, ops, 2, 0, chain), -EMSGSIZE);
    tsuga_heap_stats_read(self, &after);
    CHECK_UINT(after.live_bytes, before.live_bytes);
    CHECK_UINT(chain[0].value, 7);
}

TEST(executor, h46_a_chain_that_cannot_be_whole_is_refused)
{
    struct tsuga_setup setup = {.config.executor = {.ring_entries = RING_ENTRIES}};

    tsuga_world_run(&setup, refuse_chains, NULL);
}

/* Counts the pushes of linked requests, and sees whether an enter comes between two of a chain. */
struct watcher {
    unsigned linked;
    bool is_in_chain;
    bool was_split;
};

static void watch(void *context, struct tsuga_ring_fault *fault, enum tsuga_ring_fault_call call,
                  const struct tsuga_ring_request *request)
{
    struct watcher *watcher = context;

    (void)fault;
    if (call == TSUGA_RING_FAULT_ENTER && watcher->is_in_chain)
        watcher->was_split = true;
    if (call != TSUGA_RING_FAULT_PUSH)
        return;
    watcher->is_in_chain = (request->options & TSUGA_RING_LINK) != 0;
    watcher->linked += watcher->is_in_chain;
}

static void submit_many_chains(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op ops[3] = {{.kind = TSUGA_OP_NOP}};
    struct tsuga_token chain[3];

    (void)argument;
    for (unsigned i = 0; i < 1000; i++) {
        struct tsuga_token alone = tsuga_nop(self);

        CHECK_INT(tsuga_submit_chain(self, ops, 1 + i % 3, 0, chain), 0);
        for (unsigned k = 0; k < 1 + i % 3; k++)
            CHECK_INT(tsuga_await(self, chain[k]).result, 0);
        CHECK_INT(tsuga_await(self, alone).result, 0);
    }
}

TEST(executor, h46_no_enter_comes_between_the_members)
{
    struct watcher watcher = {0};
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                         .hook = watch,
                                         .hook_context = &watcher,
                                         .seed = tsuga_test_seed(),
                                         .refuse_per_mille = 200};
    struct tsuga_setup setup = {.config.executor = {.ring_entries = RING_ENTRIES},
                                .ring_create = tsuga_ring_fault_create,
                                .ring_context = &plan};

    tsuga_world_run(&setup, submit_many_chains, NULL);
    CHECK(!watcher.was_split);
    CHECK_UINT(watcher.linked, 333 + 2 * 333);
    tsuga_ring_fault_plan_fini(&plan);
}
