/* Receive sizers, and pools: who decides how large a buffer is, and where it lies. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/modes.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED 97u
#define KIB  1024u

/* What receives brought on a connection that was quiet, then busy, then quiet again. */
TEST(sizers, n14_n16_the_adaptive_one_follows_a_trace_up_and_down)
{
    static const size_t quiet[] = {60, 200, 4, 1000, 17, 800, 60, 5};
    struct tsuga_sizer sizer = tsuga_sizer_adaptive(1 * KIB, 64 * KIB);

    CHECK_UINT(sizer.next(&sizer), 1 * KIB);
    for (size_t bytes = 1 * KIB; bytes < 64 * KIB; bytes *= 2) {
        CHECK_UINT(sizer.next(&sizer), bytes);
        sizer.heard(&sizer, bytes, bytes);
    }
    for (unsigned i = 0; i < 5; i++) {
        CHECK_UINT(sizer.next(&sizer), 64 * KIB);
        sizer.heard(&sizer, 64 * KIB, 64 * KIB);
    }
    /* The end of a large message is no reason to shrink, many small ones are. */
    sizer.heard(&sizer, 64 * KIB, 10);
    sizer.heard(&sizer, 64 * KIB, 40 * KIB);
    CHECK_UINT(sizer.next(&sizer), 64 * KIB);
    for (unsigned i = 0; i < 100; i++)
        sizer.heard(&sizer, sizer.next(&sizer), quiet[i % 8] < 900 ? quiet[i % 8] : 0);
    CHECK_UINT(sizer.next(&sizer), 1 * KIB);
}

TEST(sizers, n15_a_wanted_size_is_the_least_that_is_asked_for)
{
    struct tsuga_sizer sizer = tsuga_sizer_adaptive(1 * KIB, 8 * KIB);

    sizer.bytes_wanted = 5000;
    CHECK_UINT(sizer.next(&sizer), 5000);
    sizer.bytes_wanted = 10;
    CHECK_UINT(sizer.next(&sizer), 1 * KIB);
    sizer = tsuga_sizer_fixed(777);
    CHECK_UINT(sizer.next(&sizer), 777);
    sizer.bytes_wanted = 778;
    CHECK_UINT(sizer.next(&sizer), 778);
}

/* A user's sizer: what it was told, and what it answers. */
struct trace {
    struct tsuga_sizer sizer;
    size_t answer;
    size_t asked;
    size_t got;
    unsigned count;
};

static size_t answer(struct tsuga_sizer *sizer)
{
    struct trace *trace = sizer->context;

    return trace->answer;
}

static void note(struct tsuga_sizer *sizer, size_t asked, size_t got)
{
    struct trace *trace = sizer->context;

    trace->asked = asked;
    trace->got = got;
    trace->count++;
}

static void receive_by_trace(struct tsuga_actor *self, void *argument)
{
    static const size_t sizes[] = {1, 64, 100, 5000, 70000, 3};
    struct trace trace = {.sizer = {.next = answer, .heard = note, .context = &trace}};
    static char content[70000];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    tsuga_content_fill(content, sizeof(content), SEED, 0);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct tsuga_completion got;

        trace.answer = sizes[i];
        tsuga_fixture_write(ends[1], content, sizes[i] < 3 ? 1 : sizes[i] - 2);
        got = tsuga_await(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                                      .fd = ends[0],
                                                                      .sizer = &trace.sizer}));
        CHECK_INT(got.result, (int)(sizes[i] < 3 ? 1 : sizes[i] - 2));
        tsuga_content_check(got.data, got.bytes, SEED, 0);
        CHECK_UINT(trace.asked, sizes[i]);
        CHECK_UINT(trace.got, got.bytes);
        CHECK_UINT(trace.count, i + 1);
        /* The runtime may round up, and the memory is its own. */
        CHECK((uintptr_t)got.data % 64 == 0);
    }
    trace.answer = 0;
    CHECK_INT(
        tsuga_op_error(tsuga_submit(
            self, &(struct tsuga_op){.kind = TSUGA_OP_RECV, .fd = ends[0], .sizer = &trace.sizer})),
        -EINVAL);
    trace.answer = SIZE_MAX;
    CHECK_INT(
        tsuga_op_error(tsuga_submit(
            self, &(struct tsuga_op){.kind = TSUGA_OP_RECV, .fd = ends[0], .sizer = &trace.sizer})),
        -EMSGSIZE);
    tsuga_fixture_close(ends, 2);
}

TEST(sizers, n11_n17_n18_a_users_sizer_decides_the_number_and_nothing_else)
{
    (void)tsuga_world_run(NULL, receive_by_trace, NULL);
}

static struct tsuga_token stream_with(struct tsuga_actor *self, int fd, struct tsuga_sizer *sizer)
{
    struct tsuga_op op = {
        .kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI, .fd = fd, .sizer = sizer};

    return tsuga_submit(self, &op);
}

/* A stream moves to the larger group while it is busy, and back. */
static void stream_by_size(struct tsuga_actor *self, void *argument)
{
    struct tsuga_sizer sizer = tsuga_sizer_adaptive(4 * KIB, 64 * KIB);
    static char content[64 * KIB];
    struct tsuga_token stream;
    size_t largest = 0;
    size_t last = 0;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = stream_with(self, ends[0], &sizer);
    for (unsigned i = 0; i < 60; i++) {
        size_t bytes = i < 20 ? sizeof(content) : 50;
        size_t offset = 0;

        tsuga_content_fill(content, bytes, SEED, 0);
        tsuga_fixture_write(ends[1], content, bytes);
        while (offset < bytes) {
            struct tsuga_completion got = tsuga_await(self, stream);

            CHECK(got.result > 0);
            tsuga_content_check(got.data, got.bytes, SEED, offset);
            offset += got.bytes;
            largest = got.bytes > largest ? got.bytes : largest;
        }
        last = sizer.next(&sizer);
    }
    CHECK(largest > 16 * KIB);
    CHECK_UINT(last, 4 * KIB);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(sizers, n14_a_stream_adapts_its_buffers)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        (void)tsuga_world_run(&setup, stream_by_size, NULL);
    }
}

/* Messages that just fill a buffer are no reason for larger ones, as long as no two of them come
 * together. */
static void stream_what_fits(struct tsuga_actor *self, void *argument)
{
    struct tsuga_sizer sizer = tsuga_sizer_adaptive(4 * KIB, 64 * KIB);
    static char content[8 * KIB];
    struct tsuga_token stream;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = stream_with(self, ends[0], &sizer);
    tsuga_content_fill(content, sizeof(content), SEED, 0);
    for (unsigned i = 0; i < 60; i++) {
        tsuga_fixture_write(ends[1], content, 4 * KIB);
        CHECK_INT(tsuga_await(self, stream).result, 4 * KIB);
        CHECK(sizer.is_all);
        CHECK_UINT(sizer.next(&sizer), 4 * KIB);
    }
    tsuga_fixture_write(ends[1], content, 8 * KIB);
    CHECK_INT(tsuga_await(self, stream).result, 4 * KIB);
    CHECK(!sizer.is_all);
    CHECK_UINT(sizer.next(&sizer), 8 * KIB);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(sizers, n14_a_stream_of_messages_that_fit_keeps_its_buffers)
{
    tsuga_needs("BUFFER_RING");
    tsuga_needs("MULTISHOT");
    tsuga_needs_locked(512 << 10); /* for the group, whatever comes back late */
    (void)tsuga_world_run(NULL, stream_what_fits, NULL);
}

/* Groups of one's own. */

#define GROUPS 5u

static void use_groups(struct tsuga_actor *self, void *argument)
{
    static const struct tsuga_group_options options[GROUPS] = {
        {.buffer_bytes = 64, .buffer_count = 8},
        {.buffer_bytes = 1000, .buffer_count = 4},
        {.buffer_bytes = 4096, .buffer_count = 2},
        {.buffer_bytes = 5000, .buffer_count = 2, .incremental = true},
        {.buffer_bytes = 65536, .buffer_count = 2},
    };
    struct tsuga_group groups[GROUPS];
    struct tsuga_token streams[GROUPS];
    static char content[65536];
    struct tsuga_heap_stats heap;
    int ends[GROUPS][2];

    (void)argument;
    tsuga_content_fill(content, sizeof(content), SEED, 0);
    for (unsigned i = 0; i < GROUPS; i++) {
        tsuga_fixture_sockets(ends[i]);
        tsuga_make_group(self, &options[i], &groups[i]);
        streams[i] = tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                           .options = TSUGA_OP_MULTI,
                                                           .fd = ends[i][0],
                                                           .group = groups[i]});
        CHECK_INT(tsuga_group_release(self, groups[i]), -EBUSY);
    }
    tsuga_heap_stats_read(self, &heap);
    CHECK(heap.live_bytes >= 2 * 65536 + 2 * 8192 + 2 * 4096 + 4 * 1024 + 8 * 64);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < GROUPS; i++) {
            size_t bytes = options[i].buffer_bytes * 3;
            size_t offset = 0;

            bytes = bytes < sizeof(content) ? bytes : sizeof(content);
            tsuga_fixture_write(ends[i][1], content, bytes);
            while (offset < bytes) {
                struct tsuga_completion got = tsuga_await(self, streams[i]);

                CHECK(got.result > 0);
                CHECK(got.bytes < 2 * options[i].buffer_bytes);
                tsuga_content_check(got.data, got.bytes, SEED, offset);
                offset += got.bytes;
            }
        }
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        CHECK_INT(tsuga_await(self, tsuga_cancel(self, streams[i])).result, 0);
        CHECK_INT(tsuga_await(self, streams[i]).result, -ECANCELED);
        CHECK_INT(tsuga_group_release(self, groups[i]), 0);
        CHECK_INT(tsuga_group_release(self, groups[i]), -EINVAL);
        tsuga_fixture_close(ends[i], 2);
    }
    tsuga_heap_stats_read(self, &heap);
    CHECK(heap.live_bytes <= 2 * 65536 + 8 * KIB);
}

TEST(sizers, a18_a19_a20_n11_an_actor_has_groups_of_several_sizes)
{
    (void)tsuga_world_run(NULL, use_groups, NULL);
}

/* A buffer outlives the release of its group, and even its actor. */
static void release_early(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {.buffer_bytes = 100, .buffer_count = 4};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};
    struct tsuga_completion got;
    struct tsuga_lease kept;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    op.fd = ends[0];
    tsuga_make_group(self, &options, &op.group);
    got.op = tsuga_submit(self, &op);
    tsuga_fixture_write(ends[1], "hello", 5);
    got = tsuga_await(self, got.op);
    CHECK_INT(got.result, 5);
    kept = got.lease;
    CHECK_INT(tsuga_lease_retain(self, kept), 0);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, got.op)).result, 0);
    CHECK_INT(tsuga_await(self, got.op).result, -ECANCELED);
    CHECK_INT(tsuga_group_release(self, op.group), 0);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    for (unsigned i = 0; i < 8; i++) {
        struct tsuga_lease other;

        CHECK_INT(tsuga_lease_make(self, 100, &other), 0);
        memset(tsuga_lease_data(self, other), 0, 100);
    }
    CHECK(memcmp(tsuga_lease_data(self, kept), "hello", 5) == 0);
    tsuga_fixture_close(ends, 2);
}

TEST(sizers, a21_a_group_goes_when_its_last_buffer_came_back)
{
    (void)tsuga_world_run(NULL, release_early, NULL);
}

/* More, one after the other, than there may be at once. */
static void make_groups_in_turn(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_group_options options = {.buffer_bytes = 64, .buffer_count = 2};
    struct tsuga_group group;

    (void)argument;
    for (unsigned i = 0; i <= TSUGA_GROUPS_MAX; i++) {
        tsuga_make_group(self, &options, &group);
        CHECK_INT(tsuga_group_release(self, group), 0);
    }
}

TEST(sizers, a_group_that_goes_leaves_its_number_to_the_next)
{
    (void)tsuga_world_run(NULL, make_groups_in_turn, NULL);
}

static void make_bad_groups(struct tsuga_actor *self, void *argument)
{
    static const struct {
        size_t buffer_bytes;
        uint32_t buffer_count;
        int error;
    } cases[] = {{0, 2, -EINVAL},        {64, 1, -EINVAL},     {64, 0, -EINVAL},
                 {64, 3, -EINVAL},       {64, 65536, -EINVAL}, {4u << 20, 2, -EMSGSIZE},
                 {1u << 20, 4, -ENOBUFS}};
    struct tsuga_group group = {7};

    (void)argument;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct tsuga_group_options options = {.buffer_bytes = cases[i / 2].buffer_bytes,
                                              .buffer_count = cases[i / 2].buffer_count,
                                              .incremental = i % 2 == 1};

        CHECK_INT(tsuga_group_make(self, &options, &group), cases[i / 2].error);
    }
    CHECK_UINT(group.value, 7);
    CHECK_INT(tsuga_group_release(self, group), -EINVAL);
}

TEST(sizers, groups_have_limits)
{
    const struct tsuga_setup setup = {.config.ioheap.quota = 2u << 20};

    (void)tsuga_world_run(&setup, make_bad_groups, NULL);
}

/* Pools. */

/* A pool of equal slices of one lease, in the test's own memory. */
struct slots {
    struct tsuga_pool pool;
    struct tsuga_lease whole;
    size_t bytes;
    bool is_taken[4];
    unsigned released;
    struct slot {
        struct slots *slots;
        unsigned index;
    } contexts[4];
};

static void free_slot(void *context)
{
    struct slot *slot = context;

    CHECK(slot->slots->is_taken[slot->index]);
    slot->slots->is_taken[slot->index] = false;
    slot->slots->released++;
}

static int take_slot(struct tsuga_pool *pool, struct tsuga_actor *self, size_t bytes,
                     struct tsuga_lease *out)
{
    struct slots *slots = pool->context;

    if (bytes > slots->bytes)
        return -EMSGSIZE;
    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_slice slice = {i * slots->bytes, slots->bytes, free_slot, &slots->contexts[i]};
        int error;

        if (slots->is_taken[i])
            continue;
        error = tsuga_lease_slice(self, slots->whole, &slice, out);
        slots->is_taken[i] = error == 0;
        slots->contexts[i] = (struct slot){slots, i};
        return error;
    }
    return -ENOBUFS;
}

static void read_into_pool(struct tsuga_actor *self, void *argument)
{
    struct slots slots = {.pool = {take_slot, &slots}, .bytes = 500};
    int fd = tsuga_fixture_memory_file(4000, SEED);
    struct tsuga_op op = {
        .kind = TSUGA_OP_READ, .options = TSUGA_OP_AT, .fd = fd, .bytes = 400, .pool = &slots.pool};
    struct tsuga_token reads[5];

    (void)argument;
    CHECK_INT(tsuga_lease_make(self, 2000, &slots.whole), 0);
    for (unsigned i = 0; i < 5; i++) {
        op.offset = i * 400;
        reads[i] = tsuga_submit(self, &op);
    }
    CHECK_INT(tsuga_op_error(reads[4]), -ENOBUFS); /* the pool's own answer */
    op.bytes = 501;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EMSGSIZE);
    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_completion got = tsuga_await(self, reads[i]);

        CHECK_INT(got.result, 400);
        CHECK_PTR(got.data, (char *)tsuga_lease_data(self, slots.whole) + i * 500);
        CHECK_UINT(tsuga_lease_bytes(self, got.lease), 500);
        tsuga_content_check(got.data, 400, SEED, i * 400);
        CHECK_UINT(slots.released, i);
    }
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_UINT(slots.released, 4);
    tsuga_fixture_close(&fd, 1);
}

TEST(sizers, a12_n12_a_pool_of_the_users_own_drops_in)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, read_into_pool, NULL);

    CHECK_UINT(stats.copied_bytes, 0);
}
