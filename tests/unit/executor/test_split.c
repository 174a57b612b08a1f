/* Chains of which the kernel takes only the beginning, as it does when it runs out of memory: it
 * takes the end of a submission for the end of the chain, so the rest must not be shown to it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/meddling.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define RING_ENTRIES 8u
#define MEMBERS      6u
#define CHAINS       300u

/* A chain that waits at its first member, and writes a letter with each other one. */
struct scene {
    int gate[2];
    int log;
    uint32_t options;                   /* of each member */
    unsigned taken;                     /* by the kernel at first */
    struct tsuga_ring_fault_plan *plan; /* NULL: the kernel itself is told */
};

static void cut(const struct scene *scene)
{
    if (scene->plan == NULL)
        tsuga_meddling = (struct tsuga_meddling){.call_count = 1, .submit_count = scene->taken};
    else
        tsuga_ring_fault_limit(scene->plan->rings[0], scene->taken);
}

static void submit_letters(struct tsuga_actor *self, const struct scene *scene,
                           struct tsuga_token *chain)
{
    static const char letters[] = "abcdef";
    struct tsuga_op ops[MEMBERS];

    for (unsigned i = 0; i < MEMBERS; i++)
        ops[i] = (struct tsuga_op){.kind = TSUGA_OP_WRITE,
                                   .fd = scene->log,
                                   .data = &letters[i],
                                   .bytes = 1,
                                   .options = scene->options};
    ops[0].kind = TSUGA_OP_READ;
    ops[0].fd = scene->gate[0];
    CHECK_INT(tsuga_submit_chain(self, ops, MEMBERS, 0, chain), 0);
}

static void submit_cut(struct tsuga_actor *self, void *argument)
{
    const struct scene *scene = argument;
    struct tsuga_token chain[MEMBERS];
    char text[MEMBERS + 1] = {0};

    submit_letters(self, scene, chain);
    cut(scene);
    /* The first one waits, or was cut off as well: nothing may have been written. */
    if (scene->taken > 0 && scene->taken < MEMBERS) {
        struct tsuga_completion got = tsuga_await(self, chain[MEMBERS - 1]);

        CHECK_INT(got.result, -ECANCELED);
        CHECK(!got.started);
    } else {
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    CHECK_INT(pread(scene->log, text, 1, 0), 0);
    tsuga_fixture_write(scene->gate[1], "x", 1);
    for (unsigned i = 0; i + 1 < MEMBERS; i++) {
        bool has_begun = scene->taken == 0 || i < scene->taken;
        struct tsuga_completion got = tsuga_await(self, chain[i]);

        CHECK_INT(got.result, has_begun ? 1 : -ECANCELED);
        CHECK_INT(got.started, has_begun);
        CHECK(!got.expired);
    }
    if (scene->taken == 0 || scene->taken == MEMBERS)
        CHECK_INT(tsuga_await(self, chain[MEMBERS - 1]).result, 1);
    CHECK_INT(pread(scene->log, text, MEMBERS, 0),
              (scene->taken == 0 ? MEMBERS : scene->taken) - 1);
    CHECK(strncmp(text, "bcdef", strlen(text)) == 0);
    CHECK_INT(ftruncate(scene->log, 0), 0);
    CHECK_INT(lseek(scene->log, 0, SEEK_SET), 0);
}

static void submit_cut_everywhere(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;

    /* Taken as a whole the first time, so that the executor's own requests have gone. */
    scene->taken = MEMBERS;
    submit_cut(self, scene);
    for (scene->taken = 0; scene->taken <= MEMBERS; scene->taken++)
        for (unsigned i = 0; i < 5; i++)
            submit_cut(self, scene);
}

static void cut_everywhere(uint32_t options, struct tsuga_ring_fault_plan *plan)
{
    struct scene scene = {.log = tsuga_fixture_memory_file(0, 0), .options = options, .plan = plan};
    struct tsuga_setup setup = {.config.executor = {.ring_entries = RING_ENTRIES}};

    if (plan != NULL) {
        setup.ring_create = tsuga_ring_fault_create;
        setup.ring_context = plan;
    }
    tsuga_fixture_pipe(scene.gate);
    (void)tsuga_world_run(&setup, submit_cut_everywhere, &scene);
    tsuga_fixture_close(scene.gate, 2);
    close(scene.log);
}

TEST(split, h46_of_a_chain_that_the_kernel_takes_in_part_the_rest_never_begins)
{
    cut_everywhere(0, NULL);
    cut_everywhere(TSUGA_OP_HARD, NULL);
}

TEST(split, h46_of_a_chain_that_a_ring_takes_in_part_the_rest_never_begins)
{
    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring};

        cut_everywhere(i == 0 ? 0 : TSUGA_OP_HARD, &plan);
        CHECK(tsuga_ring_fault_counts(plan.rings[0])->severed > 0);
        tsuga_ring_fault_plan_fini(&plan);
    }
}

/* Chains of random lengths that append numbers, on a ring that takes parts, refuses enters and is
 * late with results. */
static void append_at_random(struct tsuga_actor *self, void *argument)
{
    uint64_t random = *(const uint64_t *)argument;
    int log = tsuga_fixture_memory_file(0, 0);
    off_t bytes = 0;

    for (unsigned i = 0; i < CHAINS; i++) {
        size_t count = 1 + tsuga_test_random(&random) % RING_ENTRIES;
        struct tsuga_token chain[RING_ENTRIES];
        struct tsuga_op ops[RING_ENTRIES];
        uint32_t numbers[RING_ENTRIES];
        uint32_t number;
        size_t begun = 0;

        for (uint32_t k = 0; k < count; k++) {
            numbers[k] = i << 8 | k;
            ops[k] = (struct tsuga_op){.kind = TSUGA_OP_WRITE,
                                       .fd = log,
                                       .data = &numbers[k],
                                       .bytes = sizeof(number),
                                       .options = tsuga_test_random(&random) % 2 * TSUGA_OP_HARD};
        }
        CHECK_INT(tsuga_submit_chain(self, ops, count, 0, chain), 0);
        for (size_t k = 0; k < count; k++) {
            struct tsuga_completion got = tsuga_await(self, chain[k]);

            CHECK_INT(got.result, got.started ? (int)sizeof(number) : -ECANCELED);
            CHECK(!got.started || begun == k); /* no gap before it */
            begun += got.started;
        }
        for (uint32_t k = 0; k < begun; k++) {
            CHECK_INT(pread(log, &number, sizeof(number), bytes), sizeof(number));
            CHECK_UINT(number, i << 8 | k);
            bytes += (off_t)sizeof(number);
        }
        CHECK_INT(lseek(log, 0, SEEK_END), bytes);
    }
    close(log);
}

TEST(split, h46_what_has_begun_is_a_beginning_on_any_ring)
{
    uint64_t seed = tsuga_test_seed();
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring,
                                         .seed = seed,
                                         .refuse_per_mille = 100,
                                         .partial_per_mille = 300,
                                         .hold_per_mille = 200};
    const struct tsuga_setup setup = {.config.executor = {.ring_entries = RING_ENTRIES},
                                      .ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};

    (void)tsuga_world_run(&setup, append_at_random, &seed);
    CHECK(tsuga_ring_fault_counts(plan.rings[0])->severed > 0);
    tsuga_ring_fault_plan_fini(&plan);
}

/* The actor ends, with the rest of its chain cut off or about to be. */
static void leave_cut(struct tsuga_actor *self, void *argument)
{
    const struct scene *scene = argument;
    struct tsuga_token chain[MEMBERS];

    submit_letters(self, scene, chain);
    cut(scene);
    if (scene->taken % 2 == 0)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

TEST(split, h43_an_actor_may_end_with_its_chain_cut)
{
    struct scene scene = {.log = tsuga_fixture_memory_file(0, 0)};
    struct tsuga_setup setup = {.config.executor = {.ring_entries = RING_ENTRIES}};
    char byte;

    tsuga_fixture_pipe(scene.gate);
    for (scene.taken = 0; scene.taken <= MEMBERS; scene.taken++)
        (void)tsuga_world_run(&setup, leave_cut, &scene);
    CHECK_INT(pread(scene.log, &byte, 1, 0), 0);
    tsuga_fixture_close(scene.gate, 2);
    close(scene.log);
}
