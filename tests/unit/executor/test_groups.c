/* The executor's own groups of buffers: refused for want of locked memory, grown, shrunk, gone. */
#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/needs.h"
#include "tests/support/ring_fault.h"
#include "tests/support/still_clock.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define PERIOD_NS (2 * TSUGA_NS_PER_S) /* after which groups are looked at */
#define AT_FIRST  4u                   /* buffers of a group */
#define HOARD     30u
#define IN_USE    2u /* the current message's, and one that is being filled */
#define ROUNDS    20u

struct scene {
    struct tsuga_still_clock still;
    struct tsuga_ring_fault_plan plan;
    struct tsuga_lines lines;
    int ends[2];
};

static const struct tsuga_buffers *find_group(struct tsuga_actor *self)
{
    const struct tsuga_receive *receive = &tsuga_seat_home(tsuga_seat_of(self))->receive;

    for (unsigned i = 0; i < TSUGA_IOHEAP_CLASS_COUNT; i++) {
        if (receive->shared[i] != NULL)
            return receive->shared[i];
    }
    return NULL;
}

static struct tsuga_completion exchange(struct tsuga_actor *self, struct scene *scene,
                                        struct tsuga_token stream)
{
    struct tsuga_completion got;

    tsuga_fixture_write(scene->ends[1], "text", 4);
    got = tsuga_await(self, stream);
    CHECK_INT(got.result, 4);
    CHECK(memcmp(got.data, "text", 4) == 0);
    return got;
}

static void run_scene(struct scene *scene, tsuga_body_fn *body)
{
    const struct tsuga_clock clock = tsuga_still_clock_init(&scene->still);
    struct tsuga_setup setup = {.config.receive = {.group_buffers = AT_FIRST},
                                .clock = &clock,
                                .lines = &scene->lines,
                                .ring_create = tsuga_ring_fault_create,
                                .ring_context = &scene->plan};

    scene->plan.create = tsuga_world_ring;
    tsuga_lines_init(&scene->lines);
    tsuga_fixture_sockets(scene->ends);
    (void)tsuga_world_run(&setup, body, scene);
    tsuga_fixture_close(scene->ends, 2);
    tsuga_ring_fault_plan_fini(&scene->plan);
}

static void go_without(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_token stream;

    scene->plan.group_error = -ENOMEM;
    stream = tsuga_recv_stream(self, scene->ends[0]);
    (void)exchange(self, scene, stream);
    (void)exchange(self, scene, stream);
    CHECK_PTR(find_group(self), NULL);
    CHECK(tsuga_lines_contain(&scene->lines, "receive streams go without groups of buffers"));
    tsuga_lines_clear(&scene->lines);
    tsuga_still_clock_pass(self, &scene->still, PERIOD_NS); /* asked again, refused again */
    (void)exchange(self, scene, stream);
    CHECK(!tsuga_lines_contain(&scene->lines, "receive streams go without"));
    scene->plan.group_error = 0;
    tsuga_still_clock_pass(self, &scene->still, PERIOD_NS);
    (void)exchange(self, scene, stream);
    (void)exchange(self, scene, stream); /* armed when there are groups again */
    CHECK(find_group(self) != NULL);
    CHECK_INT(tsuga_forget(self, stream), 0);
}

TEST(streams, a09_they_go_without_groups_while_locked_memory_is_short)
{
    static struct scene scene;

    tsuga_needs("BUFFER_RING");
    run_scene(&scene, go_without);
}

/* Takes more buffers than there are, and gives them back. */
static void hoard(struct tsuga_actor *self, struct scene *scene, struct tsuga_token stream)
{
    struct tsuga_lease kept[HOARD];

    for (unsigned i = 0; i < HOARD; i++) {
        kept[i] = exchange(self, scene, stream).lease;
        CHECK_INT(tsuga_lease_retain(self, kept[i]), 0);
    }
    for (unsigned i = 0; i < HOARD; i++)
        CHECK_INT(tsuga_lease_release(self, kept[i]), 0);
}

static void grow_and_shrink(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_token stream = tsuga_recv_stream(self, scene->ends[0]);
    uint32_t count;

    (void)exchange(self, scene, stream);
    CHECK_UINT(find_group(self)->count, AT_FIRST);
    hoard(self, scene, stream);
    count = find_group(self)->count;
    CHECK(count > HOARD);
    for (unsigned i = 0; i < ROUNDS; i++) {
        tsuga_still_clock_pass(self, &scene->still, PERIOD_NS);
        for (unsigned k = 0; k < HOARD; k++)
            (void)exchange(self, scene, stream);
        CHECK(find_group(self)->count <= count);
        count = find_group(self)->count;
    }
    CHECK(count <= AT_FIRST + IN_USE);
    hoard(self, scene, stream);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_still_clock_pass(self, &scene->still, PERIOD_NS);
    CHECK_PTR(find_group(self), NULL);
}

/* Messages that come together. */

#define CROWD 40u

struct member {
    struct crowd *crowd;
    int ends[2];
};

struct crowd {
    struct tsuga_still_clock still;
    struct member members[CROWD];
    tsuga_behaviour_fn *behaviour;
    uint32_t heard;
    struct tsuga_id ids[CROWD];
};

/* Returns how many bytes have come. */
static uint32_t hear(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct member *member = *(struct member **)tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);

    if (io == NULL)
        return 0;
    CHECK_INT(io->result, 4);
    member->crowd->heard++;
    return (uint32_t)io->bytes;
}

static void only_hear(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)hear(self, message);
}

static void listen_to_one(struct tsuga_actor *self, void *argument)
{
    struct member *member = argument;

    *(struct member **)tsuga_state(self) = member;
    CHECK_INT(tsuga_op_error(tsuga_recv_stream(self, member->ends[0])), 0);
    member->crowd->heard++;
}

static void await_all(struct tsuga_actor *self, const struct crowd *crowd)
{
    while (crowd->heard < CROWD)
        CHECK_INT(tsuga_yield(self), 0);
}

static void gather(struct tsuga_actor *self, struct crowd *crowd)
{
    struct tsuga_spawn_options options = {.behaviour = crowd->behaviour,
                                          .start = listen_to_one,
                                          .state_bytes = sizeof(struct member *)};

    crowd->heard = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        options.argument = &crowd->members[i];
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &crowd->ids[i]), 0);
    }
    await_all(self, crowd);
}

static void disperse(struct tsuga_actor *self, const struct crowd *crowd)
{
    for (unsigned i = 0; i < CROWD; i++)
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), crowd->ids[i]), 0);
}

/* A long turn, in which the kernel is entered again and again and nobody gives anything back. */
static void be_busy(struct tsuga_actor *self, struct tsuga_still_clock *still)
{
    (void)tsuga_slice_used(self);
    atomic_fetch_add(&still->now_ns, TSUGA_NS_PER_MS);
    for (unsigned i = 0; i < CROWD; i++)
        CHECK(tsuga_slice_used(self));
}

static void write_to_all(struct crowd *crowd)
{
    crowd->heard = 0;
    for (unsigned i = 0; i < CROWD; i++)
        tsuga_fixture_write(crowd->members[i].ends[1], "text", 4);
}

static uint32_t talk_at_once(struct tsuga_actor *self, struct crowd *crowd)
{
    write_to_all(crowd);
    be_busy(self, &crowd->still);
    await_all(self, crowd);
    return find_group(self)->count;
}

static void run_crowd(struct crowd *crowd, tsuga_body_fn *body, uint32_t group_buffers)
{
    const struct tsuga_clock clock = tsuga_still_clock_init(&crowd->still);
    struct tsuga_setup setup = {.config.receive = {.group_buffers = group_buffers},
                                .clock = &clock};

    for (unsigned i = 0; i < CROWD; i++) {
        crowd->members[i].crowd = crowd;
        tsuga_fixture_sockets(crowd->members[i].ends);
    }
    (void)tsuga_world_run(&setup, body, crowd);
    for (unsigned i = 0; i < CROWD; i++)
        tsuga_fixture_close(crowd->members[i].ends, 2);
}

static void talk_to_crowd(struct tsuga_actor *self, void *argument)
{
    struct crowd *crowd = argument;
    uint32_t count;

    gather(self, crowd);
    /* After an hour of silence everybody says one word, for which nothing need be kept. */
    atomic_fetch_add(&crowd->still.now_ns, 3600 * TSUGA_NS_PER_S);
    count = talk_at_once(self, crowd);
    tsuga_still_clock_pass(self, &crowd->still, PERIOD_NS);
    CHECK_UINT(find_group(self)->count, count);
    for (unsigned i = 0; i < ROUNDS; i++) {
        count = talk_at_once(self, crowd);
        tsuga_still_clock_pass(self, &crowd->still, PERIOD_NS);
    }
    CHECK(count >= CROWD);
    disperse(self, crowd);
}

TEST(streams, a21_shared_groups_grow_to_what_comes_at_once)
{
    static struct crowd crowd = {.behaviour = only_hear};

    tsuga_needs("BUFFER_RING");
    tsuga_needs_locked(512 << 10);
    run_crowd(&crowd, talk_to_crowd, AT_FIRST);
}

static void answer(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct member *member = *(struct member **)tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);
    struct tsuga_op send = {
        .kind = TSUGA_OP_SEND, .options = TSUGA_OP_SILENT, .fd = member->ends[0]};

    send.bytes = hear(self, message);
    if (send.bytes == 0)
        return;
    send.lease = io->lease;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &send)), 0);
}

/* Each member's next message is there when its answer goes out: the kernel wants a second buffer
 * before we hear that the first has done its work. Nobody reads the answers; there is room. */
static void talk_without_pause(struct tsuga_actor *self, struct crowd *crowd)
{
    for (unsigned i = 0; i < 3; i++) {
        write_to_all(crowd);
        await_all(self, crowd);
    }
    tsuga_still_clock_pass(self, &crowd->still, PERIOD_NS);
}

static void converse(struct tsuga_actor *self, void *argument)
{
    struct crowd *crowd = argument;

    gather(self, crowd);
    for (unsigned i = 0; i < ROUNDS / 2; i++)
        talk_without_pause(self, crowd);
    CHECK(find_group(self)->count >= 2 * CROWD);
    for (unsigned i = 0; i < ROUNDS; i++) {
        talk_without_pause(self, crowd);
        CHECK(find_group(self)->count >= 2 * CROWD);
    }
    disperse(self, crowd);
}

TEST(streams, a21_shared_groups_have_buffers_for_answers_under_way)
{
    static struct crowd crowd = {.behaviour = answer};

    tsuga_needs("BUFFER_RING");
    tsuga_needs("DEFER_TASKRUN"); /* otherwise the kernel goes on as soon as anything enters it */
    tsuga_needs_locked(512 << 10);
    run_crowd(&crowd, converse, 2 * AT_FIRST);
}

/* A period in which little is needed, at the end of which the group is looked at. */
static uint32_t spend_calm_period(struct tsuga_actor *self, struct scene *scene,
                                  struct tsuga_token stream)
{
    tsuga_still_clock_pass(self, &scene->still, PERIOD_NS);
    for (unsigned k = 0; k < HOARD; k++)
        (void)exchange(self, scene, stream);
    return find_group(self)->count;
}

static void hoard_now_and_then(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct tsuga_token stream = tsuga_recv_stream(self, scene->ends[0]);
    uint32_t starved = 0;
    uint32_t count;

    (void)exchange(self, scene, stream);
    for (unsigned i = 0; i < ROUNDS; i++) {
        count = find_group(self)->count;
        hoard(self, scene, stream);
        starved += find_group(self)->count > count ? 1 : 0;
        (void)spend_calm_period(self, scene, stream);
        count = spend_calm_period(self, scene, stream);
    }
    CHECK(starved <= 3);
    /* What is needed no more goes all the same. */
    for (unsigned i = 0; i < 4 * ROUNDS; i++)
        count = spend_calm_period(self, scene, stream);
    CHECK(count <= AT_FIRST + IN_USE);
    CHECK_INT(tsuga_forget(self, stream), 0);
}

TEST(streams, a21_shared_groups_stay_as_large_as_a_load_that_comes_again)
{
    static struct scene scene;

    tsuga_needs("BUFFER_RING");
    tsuga_needs_locked(512 << 10);
    run_scene(&scene, hoard_now_and_then);
}

TEST(streams, a21_shared_groups_shrink_when_nobody_needs_them)
{
    static struct scene scene;

    tsuga_needs("BUFFER_RING");
    tsuga_needs_locked(512 << 10); /* for the group, whatever comes back late */
    run_scene(&scene, grow_and_shrink);
}
