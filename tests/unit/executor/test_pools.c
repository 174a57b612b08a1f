/* The pools of the examples: the buddy allocator against a model, and both with real operations. */
#include <errno.h>
#include <unistd.h>

#include "examples/pool_buddy.h"
#include "examples/pool_bump.h"
#include "tests/support/buddy_model.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED       29u
#define FILE_BYTES 65536u
#define BYTES_MAX  3000u
#define HELD_MAX   24u
#define STEPS      3000u

TEST(pools, a29_the_buddy_allocator_agrees_with_a_model)
{
    static struct tsuga_buddy_model model;
    uint64_t random = tsuga_test_seed();
    uint64_t taken_count = 0;
    uint64_t refused_count = 0;

    for (unsigned round = 0; round < 100; round++) {
        tsuga_buddy_model_open(&model, (unsigned)(tsuga_test_random(&random) % 13));
        for (unsigned step = 0; step < 400; step++) {
            unsigned shift = (unsigned)(tsuga_test_random(&random) % 18);
            size_t bytes = ((size_t)1 << shift) + tsuga_test_random(&random) % (1u << shift);

            tsuga_buddy_model_toggle(
                &model, (unsigned)(tsuga_test_random(&random) % TSUGA_BUDDY_MODEL_BLOCKS), bytes);
        }
        tsuga_buddy_model_close(&model);
        taken_count += model.taken_count;
        refused_count += model.refused_count;
    }
    CHECK(taken_count > 1000);
    CHECK(refused_count > 1000);
}

/* Blocks that an actor holds, each with a piece of the content from an offset of its own: a block
 * that overlaps another one, or is given away too early, has other bytes. */
struct holder {
    struct tsuga_actor *self;
    struct tsuga_pool *pool;
    uint64_t random;
    int source; /* a file with the content */
    int target; /* the same, written piece by piece */
    unsigned refused;
    struct held {
        struct tsuga_lease lease;
        size_t bytes;
        size_t offset;
    } held[HELD_MAX];
};

static struct held anything(struct holder *holder)
{
    struct held held = {.bytes = 1 + tsuga_test_random(&holder->random) % BYTES_MAX};

    if (tsuga_test_random(&holder->random) % 2 == 0)
        held.bytes = 1 + held.bytes % 64;
    held.offset = tsuga_test_random(&holder->random) % (FILE_BYTES - held.bytes);
    return held;
}

static void read_one(struct holder *holder, struct held *place)
{
    struct held held = anything(holder);
    struct tsuga_op op = {.kind = TSUGA_OP_READ,
                          .options = TSUGA_OP_AT,
                          .fd = holder->source,
                          .offset = held.offset,
                          .bytes = held.bytes,
                          .pool = holder->pool};
    struct tsuga_completion got = tsuga_await(holder->self, tsuga_submit(holder->self, &op));

    if (got.result == -ENOBUFS) {
        holder->refused++;
        return;
    }
    CHECK_INT(got.result, (int)held.bytes);
    CHECK_INT(tsuga_lease_retain(holder->self, got.lease), 0);
    held.lease = got.lease;
    *place = held;
}

static void take_one(struct holder *holder, struct held *place)
{
    struct held held = anything(holder);
    int error = holder->pool->take(holder->pool, holder->self, held.bytes, &held.lease);

    if (error == -ENOBUFS) {
        holder->refused++;
        return;
    }
    CHECK_INT(error, 0);
    tsuga_content_fill(tsuga_lease_data(holder->self, held.lease), held.bytes, SEED, held.offset);
    *place = held;
}

/* Some are written to where they came from, and are given up while that goes on. */
static void give_one(struct holder *holder, struct held *place)
{
    struct tsuga_op op = {.kind = TSUGA_OP_WRITE,
                          .options = TSUGA_OP_AT,
                          .fd = holder->target,
                          .offset = place->offset,
                          .lease = place->lease,
                          .bytes = place->bytes};

    CHECK_UINT(tsuga_lease_bytes(holder->self, place->lease), place->bytes);
    tsuga_content_check(tsuga_lease_data(holder->self, place->lease), place->bytes, SEED,
                        place->offset);
    if (tsuga_test_random(&holder->random) % 2 == 0)
        CHECK_INT(tsuga_forget(holder->self, tsuga_submit(holder->self, &op)), 0);
    CHECK_INT(tsuga_lease_release(holder->self, place->lease), 0);
    place->lease.value = 0;
}

static void work(struct holder *holder)
{
    for (unsigned step = 0; step < STEPS; step++) {
        struct held *place = &holder->held[tsuga_test_random(&holder->random) % HELD_MAX];

        if (place->lease.value != 0)
            give_one(holder, place);
        else if (tsuga_test_random(&holder->random) % 2 == 0)
            read_one(holder, place);
        else
            take_one(holder, place);
    }
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (holder->held[i].lease.value != 0)
            give_one(holder, &holder->held[i]);
    }
    CHECK(holder->refused > 0);
}

static void run_holder(struct tsuga_actor *self, struct tsuga_pool *pool)
{
    struct holder holder = {
        .self = self,
        .pool = pool,
        .random = tsuga_test_seed(),
        .source = tsuga_fixture_memory_file(FILE_BYTES, SEED),
        .target = tsuga_fixture_memory_file(FILE_BYTES, SEED),
    };
    static char content[FILE_BYTES];

    work(&holder);
    while (tsuga_cancel_all(self) > 0) /* until what was forgotten has ended */
        CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT((int)pread(holder.target, content, FILE_BYTES, 0), (int)FILE_BYTES);
    tsuga_content_check(content, FILE_BYTES, SEED, 0);
    tsuga_fixture_close((int[]){holder.source, holder.target}, 2);
}

static void run_buddy(struct tsuga_actor *self, void *argument)
{
    struct buddy *buddy = argument;

    CHECK_INT(buddy_open(buddy, self), 0);
    run_holder(self, &buddy->pool);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK(buddy_is_whole(buddy));
    CHECK_INT(tsuga_lease_release(self, buddy->whole), 0);
}

TEST(pools, a13_a29_blocks_of_a_buddy_pool_are_read_into_written_from_and_come_back)
{
    struct buddy buddy;

    CHECK_INT(buddy_init(&buddy, 16384), 0);
    (void)tsuga_world_run(NULL, run_buddy, &buddy);
    buddy_fini(&buddy);
}

static void run_bump(struct tsuga_actor *self, void *argument)
{
    struct bump *bump = argument;

    CHECK_INT(bump_open(bump, self, 16384), 0);
    run_holder(self, &bump->pool);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_UINT(bump->live_count, 0);
    CHECK_UINT(bump->used, 0);
    CHECK_INT(tsuga_lease_release(self, bump->whole), 0);
}

TEST(pools, a13_blocks_of_a_bump_pool_are_read_into_written_from_and_come_back)
{
    struct bump bump;

    (void)tsuga_world_run(NULL, run_bump, &bump);
}

/* The end of an actor, with blocks in its hands, in its mailbox, and at the kernel. */
static void leave(struct tsuga_actor *self, struct tsuga_pool *pool)
{
    int source = tsuga_fixture_memory_file(100, SEED);
    struct tsuga_op op = {.kind = TSUGA_OP_READ, .bytes = 40, .pool = pool};
    struct tsuga_lease lease;
    int ends[2];

    tsuga_fixture_pipe(ends);
    CHECK_INT(tsuga_fd_adopt(self, source), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_INT(pool->take(pool, self, 33, &lease), 0);
        op.fd = i % 2 == 0 ? source : ends[0];
        CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), 0);
    }
    CHECK_INT(tsuga_yield(self), 0);
}

static void leave_buddy(struct tsuga_actor *self, void *argument)
{
    struct buddy *buddy = argument;

    CHECK_INT(buddy_open(buddy, self), 0);
    leave(self, &buddy->pool);
    CHECK_UINT(buddy->live_count, 20);
    CHECK_INT(tsuga_lease_release(self, buddy->whole), 0);
}

TEST(pools, a29_the_end_of_an_actor_gives_its_blocks_back)
{
    struct buddy buddy;

    CHECK_INT(buddy_init(&buddy, 16384), 0);
    (void)tsuga_world_run(NULL, leave_buddy, &buddy);
    CHECK(buddy_is_whole(&buddy));
    buddy_fini(&buddy);
}

static void take_wrongly(struct tsuga_actor *self, void *argument)
{
    struct buddy *buddy = argument;
    struct tsuga_pool *pool = &buddy->pool;
    struct tsuga_op op = {.kind = TSUGA_OP_READ, .bytes = 8193, .pool = pool};
    struct tsuga_lease lease;
    struct tsuga_lease other;

    CHECK_INT(buddy_open(buddy, self), 0);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EMSGSIZE);
    CHECK_INT(pool->take(pool, self, 0, &lease), -EINVAL);
    CHECK(buddy_is_whole(buddy));
    CHECK_INT(pool->take(pool, self, 8192, &lease), 0);
    CHECK_INT(pool->take(pool, self, 1, &other), -ENOBUFS);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_lease_release(self, lease), -ENOENT);
    CHECK(buddy_is_whole(buddy));
}

TEST(pools, a29_what_a_buddy_pool_has_not_got_is_refused)
{
    struct buddy buddy;

    CHECK_INT(buddy_init(&buddy, 0), -EINVAL);
    CHECK_INT(buddy_init(&buddy, 48), -EINVAL);
    CHECK_INT(buddy_init(&buddy, (size_t)4 << 20), -EINVAL);
    CHECK_INT(buddy_init(&buddy, 8192), 0);
    (void)tsuga_world_run(NULL, take_wrongly, &buddy);
    buddy_fini(&buddy);
}
