/* Memory that the kernel has: it is nobody else's before the last completion, whatever happens to
 * the operation, the lease or the actor. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/child.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define BYTES   4096u
#define VICTIMS 32u

static struct tsuga_lease_entry *buffer_of(struct tsuga_actor *self, struct tsuga_token op)
{
    struct tsuga_record *record;

    CHECK_INT(tsuga_record_find(tsuga_seat_of(self)->io, op, &record), 0);
    CHECK((record->flags & TSUGA_RECORD_LEASE) != 0);
    return record->buffer.lease;
}

static bool overlaps(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    return (uintptr_t)a < (uintptr_t)b + b_bytes && (uintptr_t)b < (uintptr_t)a + a_bytes;
}

/* Leases with contents, none of which may lie where the kernel will write. */
static void make_victims(struct tsuga_actor *self, struct tsuga_lease *victims, const void *block)
{
    for (unsigned i = 0; i < VICTIMS; i++) {
        CHECK_INT(tsuga_lease_make(self, BYTES, &victims[i]), 0);
        CHECK(!overlaps(tsuga_lease_data(self, victims[i]), BYTES, block, BYTES));
        tsuga_content_fill(tsuga_lease_data(self, victims[i]), BYTES, i, 0);
    }
}

/* A read whose result nobody wants any more still has its buffer. */
static void forget_read(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease victims[VICTIMS];
    struct tsuga_lease last;
    char content[BYTES];
    struct tsuga_token op;
    void *block;
    int pipe[2];

    (void)argument;
    tsuga_fixture_pipe(pipe);
    op = tsuga_read(self, pipe[0], BYTES);
    block = buffer_of(self, op)->block;
    CHECK_INT(tsuga_forget(self, op), 0);
    make_victims(self, victims, block);
    tsuga_content_fill(content, BYTES, 99, 0);
    tsuga_fixture_write(pipe[1], content, BYTES);
    while (tsuga_seat_of(self)->io->inflight > 0)
        CHECK_INT(tsuga_yield(self), 0);
    for (unsigned i = 0; i < VICTIMS; i++)
        tsuga_content_check(tsuga_lease_data(self, victims[i]), BYTES, i, 0);
    /* Now it is free, and the frontmost place there is. */
    CHECK_INT(tsuga_lease_make(self, BYTES, &last), 0);
    CHECK_PTR(tsuga_lease_data(self, last), block);
    tsuga_fixture_close(pipe, 2);
}

TEST(pins, h36_a_buffer_is_free_after_the_last_completion_and_not_before)
{
    (void)tsuga_world_run(NULL, forget_read, NULL);
}

/* The rule switched off: the pin is dropped while the kernel still has the buffer. */
static void free_too_early(struct tsuga_actor *self, void *argument)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    const bool *is_reused = argument;
    struct tsuga_lease victim;
    char content[BYTES];
    struct tsuga_token op;
    int pipe[2];

    tsuga_fixture_pipe(pipe);
    op = tsuga_read(self, pipe[0], BYTES);
    tsuga_leases_unpin(&executor->leases, buffer_of(self, op));
    if (*is_reused) {
        CHECK_INT(tsuga_lease_make(self, BYTES, &victim), 0);
        tsuga_content_fill(tsuga_lease_data(self, victim), BYTES, 1, 0);
    }
    tsuga_content_fill(content, BYTES, 2, 0);
    (void)tsuga_ring_enter(executor->ring, 0, 0); /* the kernel waits for the pipe now */
    tsuga_fixture_write(pipe[1], content, BYTES);
    (void)tsuga_ring_enter(executor->ring, 1, TSUGA_FOREVER); /* it has read, nobody has reaped */
    if (*is_reused && memcmp(tsuga_lease_data(self, victim), content, BYTES) == 0)
        fprintf(stderr, "damaged\n");
    CHECK_INT(tsuga_yield(self), 0);
}

static void run_free_too_early(void *is_reused)
{
    const struct tsuga_setup setup = {.is_unbalanced = true};

    (void)tsuga_world_run(&setup, free_too_early, is_reused);
}

TEST(pins, h36_without_the_rule_the_kernel_writes_into_the_next_owner)
{
    struct tsuga_child child;
    bool is_reused = true;

    tsuga_child_run(&child, run_free_too_early, &is_reused);
    CHECK(strstr(child.said, "damaged") != NULL);
    CHECK_INT(child.signal, SIGABRT);
    is_reused = false;
    tsuga_child_run(&child, run_free_too_early, &is_reused);
    CHECK(strstr(child.said, "damaged") == NULL);
    CHECK_INT(child.signal, SIGABRT);
}

/* What an actor that has ended leaves to the kernel. */
struct estate {
    const char *base;
    uint64_t bytes;
    struct tsuga_executor *executor;
    bool is_inherited; /* somebody got memory of it */
};

static void add_stretch(void *context, const struct tsuga_ioheap_stretch *stretch)
{
    struct estate *estate = context;
    const char *base = stretch->base;

    if (estate->base == NULL)
        estate->base = base;
    CHECK(base >= estate->base);
    estate->bytes = (uint64_t)(base - estate->base) + stretch->bytes;
}

static void die_reading(struct tsuga_actor *self, void *argument)
{
    struct estate *estate = argument;
    int pipe[2];

    estate->executor = tsuga_seat_home(tsuga_seat_of(self));
    tsuga_fixture_pipe(pipe);
    CHECK_INT(tsuga_fd_adopt(self, pipe[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, pipe[1]), 0);
    CHECK_INT(tsuga_op_error(tsuga_read(self, pipe[0], 200)), 0);
    tsuga_ioheap_walk(&tsuga_seat_of(self)->io->heap, add_stretch, estate);
    CHECK(estate->bytes > 0);
}

static bool has_orphan(const struct estate *estate)
{
    return estate->executor != NULL && !tsuga_list_is_empty(&estate->executor->orphans);
}

/* Takes segments of every size; none lies in the estate while that is in probate. */
static void settle_nearby(struct tsuga_actor *self, void *argument)
{
    struct estate *estate = argument;
    struct tsuga_lease lease;

    for (unsigned i = 0; i < 64; i++) {
        const char *data;

        CHECK_INT(tsuga_lease_make(self, 100, &lease), 0);
        data = tsuga_lease_data(self, lease);
        if (overlaps(data, 128, estate->base, estate->bytes))
            estate->is_inherited = true;
        CHECK(!(has_orphan(estate) && estate->is_inherited));
    }
}

static void hold_reads(void *context, struct tsuga_ring_fault *fault,
                       enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    (void)context;
    if (call == TSUGA_RING_FAULT_PUSH && tsuga_ring_fault_kind(request) == TSUGA_RING_READ)
        tsuga_ring_fault_hold(fault, request->user_data, 200);
}

static void settle_again_and_again(struct tsuga_actor *self, void *argument)
{
    struct estate *estate = argument;
    struct tsuga_spawn_options options = {.body = die_reading, .argument = estate};
    unsigned during = 0;

    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* has a region of its own now */
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
    options.body = settle_nearby;
    while (estate->bytes == 0)
        CHECK_INT(tsuga_yield(self), 0);
    while (has_orphan(estate) || !estate->is_inherited) {
        during += has_orphan(estate);
        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, NULL), 0);
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    CHECK(during > 0);
}

TEST(pins, h03_the_region_of_the_dead_is_theirs_until_the_last_completion)
{
    struct estate estate = {0};
    struct tsuga_ring_fault_plan plan = {.create = tsuga_world_ring, .hook = hold_reads};
    const struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create,
                                      .ring_context = &plan};

    (void)tsuga_world_run(&setup, settle_again_and_again, &estate);
    CHECK(estate.is_inherited);
    tsuga_ring_fault_plan_fini(&plan);
}

#define NEIGHBOURS 6u

/* Regions of actors that are alive at the same time. */
struct map {
    struct {
        const char *base;
        uint64_t bytes;
        unsigned owner;
    } stretches[4096];
    unsigned count;
    unsigned owner;
    unsigned done;
};

static void put_on_map(void *context, const struct tsuga_ioheap_stretch *stretch)
{
    struct map *map = context;

    CHECK(map->count < sizeof(map->stretches) / sizeof(map->stretches[0]));
    for (unsigned i = 0; i < map->count; i++)
        CHECK(map->stretches[i].owner == map->owner ||
              !overlaps(map->stretches[i].base, map->stretches[i].bytes, stretch->base,
                        stretch->bytes));
    map->stretches[map->count].base = stretch->base;
    map->stretches[map->count].bytes = stretch->bytes;
    map->stretches[map->count++].owner = map->owner;
}

static void live_in_own_region(struct tsuga_actor *self, void *argument)
{
    struct map *map = argument;
    struct tsuga_lease lease;

    for (unsigned i = 0; i < 100; i++) {
        CHECK_INT(tsuga_lease_make(self, 64u << i % 8, &lease), 0);
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    }
    map->owner++;
    tsuga_ioheap_walk(&tsuga_seat_of(self)->io->heap, put_on_map, map);
    map->done++;
    while (map->done < NEIGHBOURS)
        CHECK_INT(tsuga_yield(self), 0);
}

TEST(pins, h03_no_byte_is_in_two_regions)
{
    static struct map map;
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        (void)tsuga_world_spawn(&run, live_in_own_region, &map);
    tsuga_world_end(&run);
    CHECK(map.count > NEIGHBOURS);
}
