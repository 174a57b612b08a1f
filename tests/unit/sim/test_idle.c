/* Who waits for something that only an actor can give back waits without looking again and again.
 */
#include <errno.h>
#include <string.h>

#include "tests/support/test.h"

#include <tsuga_sim.h>

#define BUFFERS   2u
#define SECOND_NS UINT64_C(1000000000)

/* Fills a pipe, and keeps every buffer that its stream brings. */
static void hoard(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_group_options *options = argument;
    struct tsuga_op op = {.kind = TSUGA_OP_READ, .options = TSUGA_OP_MULTI};
    struct tsuga_token stream;
    char bytes[4096] = {0};
    int ends[2];

    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[1], bytes, sizeof(bytes))).result, 4096);
    if (options != NULL)
        CHECK_INT(tsuga_group_make(self, options, &op.group), 0);
    op.fd = ends[0];
    stream = tsuga_submit(self, &op);
    for (unsigned i = 0; i < BUFFERS; i++) {
        struct tsuga_completion got = tsuga_await(self, stream);

        CHECK(got.result > 0);
        CHECK_INT(tsuga_lease_retain(self, got.lease), 0);
    }
    (void)tsuga_await(self, tsuga_timeout(self, SECOND_NS));
}

static uint64_t count_enters(const struct tsuga_group_options *options)
{
    struct tsuga_config config = {.receive = {.group_sizes = 1u << 10,
                                              .group_buffers = BUFFERS,
                                              .sizer_min = 1024,
                                              .sizer_max = 1024}};
    struct tsuga_spawn_options hoarder = {.body = hoard, .argument = (void *)(uintptr_t)options};
    struct tsuga_runtime *runtime;
    struct tsuga_stats stats;
    struct tsuga_sim *sim;

    CHECK_INT(tsuga_sim_make(NULL, &sim), 0);
    CHECK_INT(tsuga_sim_start(sim, &config, &runtime), 0);
    CHECK_INT(tsuga_spawn(runtime, &hoarder, NULL), 0);
    CHECK_INT(tsuga_join(runtime), 0);
    tsuga_stats_read(runtime, &stats);
    tsuga_destroy(runtime);
    tsuga_sim_destroy(sim);
    return stats.enters;
}

TEST(sim, a_stream_whose_actor_has_all_buffers_costs_nothing)
{
    struct tsuga_group_options own = {.buffer_bytes = 1024, .buffer_count = BUFFERS};

    CHECK(count_enters(&own) < 50);
}
