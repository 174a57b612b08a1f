/* Leases: made, read into, written from, counted, and gone. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  31u
#define BYTES 5000u

static struct tsuga_lease make(struct tsuga_actor *self, size_t bytes)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, bytes, &lease), 0);
    CHECK_UINT(tsuga_lease_bytes(self, lease), bytes);
    CHECK(tsuga_lease_data(self, lease) != NULL);
    return lease;
}

static void check_gone(struct tsuga_actor *self, struct tsuga_lease lease, int error)
{
    CHECK_PTR(tsuga_lease_data(self, lease), NULL);
    CHECK_UINT(tsuga_lease_bytes(self, lease), 0);
    CHECK_INT(tsuga_lease_retain(self, lease), error);
    CHECK_INT(tsuga_lease_release(self, lease), error);
    CHECK_INT(tsuga_op_error(tsuga_read_lease(self, 0, lease, 1)), error);
    CHECK_INT(tsuga_op_error(tsuga_write_lease(self, 0, lease, 1)), error);
    CHECK_INT(tsuga_op_error(tsuga_send_lease(self, 0, lease)), error);
}

static void use_lease(struct tsuga_actor *self, void *argument)
{
    int from = tsuga_fixture_memory_file(BYTES, SEED);
    int to = tsuga_fixture_memory_file(0, 0);
    struct tsuga_lease lease = make(self, BYTES + 10);
    struct tsuga_completion got;
    char content[BYTES];

    (void)argument;
    CHECK_UINT((uintptr_t)tsuga_lease_data(self, lease) % 8192, 0);
    got = tsuga_await(self, tsuga_read_lease(self, from, lease, BYTES + 10));
    CHECK_INT(got.result, BYTES);
    CHECK_PTR(got.data, tsuga_lease_data(self, lease));
    CHECK_UINT(got.lease.value, lease.value);
    CHECK_UINT(tsuga_lease_bytes(self, lease), BYTES + 10);
    tsuga_content_check(got.data, BYTES, SEED, 0);
    got = tsuga_await(self, tsuga_write_lease(self, to, lease, BYTES));
    CHECK_INT(got.result, BYTES);
    CHECK_UINT(got.lease.value, lease.value);
    CHECK_PTR(got.data, NULL);
    CHECK_INT(pread(to, content, BYTES, 0), BYTES);
    tsuga_content_check(content, BYTES, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    /* The completion that is the current message still has it; after the next one it is gone. */
    CHECK_UINT(tsuga_lease_bytes(self, lease), BYTES + 10);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    check_gone(self, lease, -ENOENT);
    close(from);
    close(to);
}

TEST(leases, h47_what_was_read_into_a_lease_is_written_from_it_without_a_copy)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, use_lease, NULL);

    CHECK_UINT(stats.copied_bytes, 0);
}

/* Parts of a lease: what lies around them is left alone. */
static void use_parts(struct tsuga_actor *self, void *argument)
{
    int from = tsuga_fixture_memory_file(BYTES, SEED);
    struct tsuga_lease lease = make(self, BYTES);
    struct tsuga_op op = {
        .kind = TSUGA_OP_READ, .fd = from, .lease = lease, .lease_offset = 100, .bytes = 50};
    struct tsuga_completion got;
    const unsigned char *data = tsuga_lease_data(self, lease);
    char content[50];

    (void)argument;
    memset(tsuga_lease_data(self, lease), 0xee, BYTES);
    got = tsuga_await(self, tsuga_submit(self, &op));
    CHECK_INT(got.result, 50);
    CHECK_PTR(got.data, data + 100);
    CHECK_UINT(got.bytes, 50);
    tsuga_content_check(data + 100, 50, SEED, 0);
    CHECK_UINT(data[99], 0xee);
    CHECK_UINT(data[150], 0xee);
    op.kind = TSUGA_OP_WRITE;
    op.options = TSUGA_OP_AT;
    op.offset = 1000;
    CHECK_INT(tsuga_await(self, tsuga_submit(self, &op)).result, 50);
    CHECK_INT(pread(from, content, 50, 1000), 50);
    tsuga_content_check(content, 50, SEED, 0);
    op.lease_offset = BYTES - 49;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    op.lease_offset = SIZE_MAX;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_read_lease(self, from, lease, BYTES + 1)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_read_lease(self, from, lease, 0)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_read_lease(self, from, (struct tsuga_lease){0}, 1)), -EINVAL);
    close(from);
}

TEST(leases, a_part_of_a_lease_is_used_and_nothing_beyond)
{
    (void)tsuga_world_run(NULL, use_parts, NULL);
}

static void count(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct tsuga_lease kept;
    int from = tsuga_fixture_memory_file(BYTES, SEED);

    (void)argument;
    got = tsuga_await(self, tsuga_read(self, from, BYTES));
    kept = got.lease;
    CHECK_INT(tsuga_lease_retain(self, kept), 0);
    CHECK_INT(tsuga_lease_retain(self, kept), 0);
    for (unsigned i = 0; i < 20; i++)
        CHECK(tsuga_await(self, tsuga_read_at(self, from, i, 100)).lease.value != kept.value);
    tsuga_content_check(tsuga_lease_data(self, kept), BYTES, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, kept), 0);
    tsuga_content_check(tsuga_lease_data(self, kept), BYTES, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, kept), 0);
    check_gone(self, kept, -ENOENT);
    close(from);
}

TEST(leases, a_lease_lives_as_long_as_its_last_reference)
{
    (void)tsuga_world_run(NULL, count, NULL);
}

/* Two sends share a lease, whose owner lets go of it while they are in flight. */
static void share(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make(self, BYTES);
    struct tsuga_token sends[2];
    char content[BYTES];
    int ends[2][2];

    (void)argument;
    tsuga_content_fill(tsuga_lease_data(self, lease), BYTES, SEED, 0);
    for (unsigned i = 0; i < 2; i++) {
        tsuga_fixture_sockets(ends[i]);
        sends[i] = tsuga_send_lease(self, ends[i][0], lease);
    }
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    check_gone(self, lease, -ENOENT);
    lease = make(self, BYTES);
    memset(tsuga_lease_data(self, lease), 0, BYTES);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(tsuga_await(self, sends[i]).result, BYTES);
        tsuga_fixture_read(ends[i][1], content, BYTES);
        tsuga_content_check(content, BYTES, SEED, 0);
    }
    tsuga_fixture_close(&ends[0][0], 4);
}

TEST(leases, a32_h47_two_sends_share_a_lease_that_is_released_meanwhile)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, share, NULL);

    CHECK_UINT(stats.copied_bytes, 0);
}

static void lend(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease *lent = argument;
    const struct tsuga_message *message;

    *lent = make(self, BYTES);
    tsuga_content_fill(tsuga_lease_data(self, *lent), BYTES, SEED, 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    tsuga_content_check(tsuga_lease_data(self, *lent), BYTES, SEED, 0);
}

/* A lease of another actor, leases that were never made, and ones of another executor. */
static void forge(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease *lent = argument;
    struct tsuga_spawn_options options = {.body = lend, .argument = lent};
    struct tsuga_lease own;
    struct tsuga_id lender;

    check_gone(self, (struct tsuga_lease){UINT64_C(1) << 56 | 1}, -EINVAL); /* has no heap yet */
    own = make(self, 1);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &lender), 0);
    while (lent->value == 0)
        CHECK_INT(tsuga_yield(self), 0);
    check_gone(self, *lent, -EINVAL);
    for (unsigned bit = 0; bit < 64; bit++) {
        struct tsuga_lease forged = {own.value ^ UINT64_C(1) << bit};

        if (forged.value != own.value && forged.value != 0)
            check_gone(self, forged, -EINVAL);
    }
    CHECK_UINT(tsuga_lease_bytes(self, own), 1);
    CHECK_INT(tsuga_send(self, lender, 0, NULL, 0), 0);
}

TEST(leases, leases_of_others_and_invented_ones_are_refused)
{
    struct tsuga_lease lent = {0};

    (void)tsuga_world_run(NULL, forge, &lent);
}

static void make_bad(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = {7};

    (void)argument;
    CHECK_INT(tsuga_lease_make(self, 0, &lease), -EINVAL);
    CHECK_INT(tsuga_lease_make(self, 100000, &lease), -ENOBUFS);
    CHECK_INT(tsuga_lease_make(self, SIZE_MAX, &lease), -EMSGSIZE);
    CHECK_UINT(lease.value, 7);
    for (unsigned i = 0; i < 1000; i++) {
        lease = make(self, 8000);
        CHECK_INT(tsuga_lease_release(self, lease), 0);
    }
    /* More at once than one chunk of the table holds. */
    for (unsigned i = 0; i < 2 * TSUGA_LEASE_CHUNK_SLOTS; i++)
        (void)make(self, 64);
}

#define THOUSANDS (20 * TSUGA_LEASE_CHUNK_SLOTS)

static void hold_thousands(struct tsuga_actor *self, void *argument)
{
    static struct tsuga_lease leases[THOUSANDS];

    (void)argument;
    for (unsigned i = 0; i < THOUSANDS; i++) {
        leases[i] = make(self, sizeof(i));
        memcpy(tsuga_lease_data(self, leases[i]), &i, sizeof(i));
    }
    for (unsigned i = 0; i < THOUSANDS; i++) {
        CHECK(memcmp(tsuga_lease_data(self, leases[i]), &i, sizeof(i)) == 0);
        CHECK_INT(tsuga_lease_release(self, leases[i]), 0);
    }
}

TEST(leases, thousands_are_held_at_once)
{
    (void)tsuga_world_run(NULL, hold_thousands, NULL);
}

TEST(leases, sizes_have_limits_and_slots_are_reused)
{
    const struct tsuga_setup setup = {.config.ioheap.quota = 64u << 10};

    (void)tsuga_world_run(&setup, make_bad, NULL);
}
