/* What the cases share. */
#include "tests/bench/savina/savina.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/support.h"

static void start(struct tsuga_actor *self, void *player)
{
    *(void **)tsuga_state(self) = player;
}

struct tsuga_id savina_spawn(struct tsuga_actor *self, tsuga_behaviour_fn *behaviour, void *player)
{
    struct tsuga_spawn_options options = {
        .behaviour = behaviour, .start = start, .argument = player, .state_bytes = sizeof(player)};
    struct tsuga_id id;

    tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, &id));
    return id;
}

void *savina_player(const struct tsuga_actor *self)
{
    return *(void **)tsuga_state(self);
}

void savina_send(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag)
{
    tsuga_bench_require("tsuga_send", tsuga_send(self, to, tag, NULL, 0));
}

uint64_t savina_collect(struct tsuga_actor *self, uint64_t count)
{
    const struct tsuga_message *message;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < count; i++) {
        tsuga_bench_require("tsuga_receive", tsuga_receive(self, NULL, TSUGA_FOREVER, &message));
        sum += tsuga_message_tag(message);
    }
    return sum;
}

void savina_expect(const char *what, uint64_t got, uint64_t wanted)
{
    if (got == wanted)
        return;
    fprintf(stderr, "%s: %" PRIu64 ", should be %" PRIu64 "\n", what, got, wanted);
    exit(1);
}

void savina_compute(void)
{
    volatile double theta = 37.2; /* read and computed each time */
    double sine = sin(theta);

    if (sine * sine <= 0)
        savina_expect("a sine", 0, 1);
}
