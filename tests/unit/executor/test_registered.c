/* Registered memory: operations that use it by themselves, its growth, its limits, its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/needs.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define KIB         ((size_t)1 << 10)
#define ARENA_BYTES (64 * KIB)
#define FILE_BYTES  (256 * KIB)
#define SEED        5u

static struct tsuga_executor *executor_of(struct tsuga_actor *self)
{
    return tsuga_seat_home(tsuga_seat_of(self));
}

/* What four arenas, and as much again for rings, need. */
#define LOCKED_BYTES (8 * ARENA_BYTES)

static struct tsuga_setup setup_with(enum tsuga_registration registration)
{
    tsuga_needs_locked(LOCKED_BYTES);
    tsuga_await_locked();
    CHECK_INT(unsetenv("TSUGA_IOHEAP_REGISTRATION"), 0); /* it would be the stronger one */
    CHECK_INT(unsetenv("TSUGA_IOHEAP_REGISTRATION_SLOTS"), 0);
    return (struct tsuga_setup){
        .config.ioheap = {.registration = registration, .arena_size = ARENA_BYTES, .decay_ms = 1}};
}

static uint64_t fixed_count(struct tsuga_actor *self)
{
    return atomic_load(&executor_of(self)->counters.ops_fixed);
}

static struct tsuga_token use_lease_at(struct tsuga_actor *self, enum tsuga_op_kind kind, int fd,
                                       struct tsuga_lease lease, size_t bytes, uint64_t offset)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = kind,
                                                 .options = TSUGA_OP_AT,
                                                 .fd = fd,
                                                 .lease = lease,
                                                 .bytes = bytes,
                                                 .offset = offset});
}

static struct tsuga_token use_vectors_at(struct tsuga_actor *self, enum tsuga_op_kind kind, int fd,
                                         const struct iovec vectors[2], uint64_t offset)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = kind,
                                                 .options = TSUGA_OP_AT,
                                                 .fd = fd,
                                                 .data = vectors,
                                                 .bytes = 2,
                                                 .offset = offset});
}

/* Turns pass until the ring knows so many arenas. */
static void await_known(struct tsuga_actor *self, uint32_t count)
{
    while (executor_of(self)->registered.known_count < count)
        CHECK_INT(tsuga_yield(self), 0);
}

static void read_and_check(struct tsuga_actor *self, int fd, size_t bytes, size_t offset)
{
    struct tsuga_completion got = tsuga_await(self, tsuga_read_at(self, fd, offset, bytes));

    CHECK_INT(got.result, (int)bytes);
    tsuga_content_check(got.data, got.bytes, SEED, offset);
}

static void read_plainly(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(FILE_BYTES, SEED);

    (void)argument;
    read_and_check(self, fd, 100, 1);
    await_known(self, 1);
    CHECK_UINT(fixed_count(self), 0);
    read_and_check(self, fd, 100, 200);
    CHECK_UINT(fixed_count(self), 1);
    close(fd);
}

TEST(registered, a15_a17_a_read_needs_no_special_call)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    tsuga_needs("REGISTERED_BUFFERS");
    (void)tsuga_world_run(&setup, read_plainly, NULL);
}

/* Every form that there is, with contents of its own each time. */
struct forms {
    int file;
    uint64_t random;
};

static void write_and_read_back(struct tsuga_actor *self, struct forms *forms, size_t bytes)
{
    size_t offset = tsuga_test_random(&forms->random) % FILE_BYTES;
    uint64_t seed = tsuga_test_random(&forms->random);
    struct tsuga_lease lease;
    struct tsuga_completion got;

    CHECK_INT(tsuga_lease_make(self, bytes, &lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, lease), bytes, seed, 0);
    got = tsuga_await(self, use_lease_at(self, TSUGA_OP_WRITE, forms->file, lease, bytes, offset));
    CHECK_INT(got.result, (int)bytes);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    got = tsuga_await(self, tsuga_read_at(self, forms->file, offset, bytes));
    CHECK_INT(got.result, (int)bytes);
    tsuga_content_check(got.data, got.bytes, seed, 0);
}

static void write_and_read_vectors(struct tsuga_actor *self, struct forms *forms, size_t bytes)
{
    static char out[ARENA_BYTES];
    static char in[ARENA_BYTES];
    uint64_t seed = tsuga_test_random(&forms->random);
    size_t first = bytes / 3;
    struct iovec from[2] = {{out, first}, {out + first, bytes - first}};
    struct iovec into[2] = {{in, bytes - first}, {in + (bytes - first), first}};

    tsuga_content_fill(out, bytes, seed, 0);
    CHECK_INT(tsuga_await(self, use_vectors_at(self, TSUGA_OP_WRITEV, forms->file, from, 7)).result,
              (int)bytes);
    CHECK_INT(tsuga_await(self, use_vectors_at(self, TSUGA_OP_READV, forms->file, into, 7)).result,
              (int)bytes);
    tsuga_content_check(in, bytes, seed, 0);
}

static void use_all_forms(struct tsuga_actor *self, void *argument)
{
    struct forms *forms = argument;

    /* The thread that faults arenas in may take its time. */
    for (unsigned round = 0;
         round < 600 || (executor_of(self)->registered.is_on && fixed_count(self) <= 100);
         round++) {
        size_t bytes = 1 + tsuga_test_random(&forms->random) % (ARENA_BYTES / 4);

        if (round % 2 == 0)
            write_and_read_back(self, forms, bytes);
        else
            write_and_read_vectors(self, forms, bytes);
    }
}

static struct tsuga_stats run_forms(const struct tsuga_setup *setup)
{
    struct forms forms = {.file = tsuga_fixture_memory_file(FILE_BYTES, SEED),
                          .random = tsuga_test_seed()};
    struct tsuga_stats stats = tsuga_world_run(setup, use_all_forms, &forms);

    close(forms.file);
    return stats;
}

/* The same code whatever the policy; only the counter tells. */
TEST(registered, a01_a18_a30_random_sizes_in_every_form_with_each_policy)
{
    static const enum tsuga_registration policies[] = {
        TSUGA_REGISTRATION_OFF, TSUGA_REGISTRATION_AUTO, TSUGA_REGISTRATION_ALWAYS};

    tsuga_needs("REGISTERED_BUFFERS");
    for (unsigned i = 0; i < 3; i++) {
        struct tsuga_setup setup = setup_with(policies[i]);
        struct tsuga_stats stats = run_forms(&setup);

        if (policies[i] == TSUGA_REGISTRATION_OFF) {
            CHECK_UINT(stats.ops_fixed, 0);
        } else {
            CHECK(stats.ops_fixed > 100);
            CHECK(stats.ops_fixed < stats.ops_submitted);
        }
        CHECK_UINT(stats.registered_refusals, 0);
    }
}

/* Whatever goes out in a FIXED form lies wholly in the arena whose slot it names. */
static void check_slot(const struct tsuga_executor *executor, const void *address, size_t bytes,
                       uint16_t slot)
{
    const struct tsuga_reserve *reserve = &executor->shared->reserve;
    const struct tsuga_arena *arena = tsuga_reserve_find(reserve, address);

    CHECK(arena != NULL);
    CHECK_PTR(atomic_load(&arena->pool), &executor->arenas);
    CHECK_UINT(arena->registered_state, TSUGA_REGISTERED_KNOWN);
    CHECK_UINT(arena->registered_slot, slot);
    CHECK((const char *)address + bytes <= arena->base + reserve->arena_bytes);
}

static void check_request(void *context, struct tsuga_ring_fault *fault,
                          enum tsuga_ring_fault_call call, const struct tsuga_ring_request *request)
{
    const struct tsuga_executor *executor = tsuga_executor_current();
    const struct iovec *vectors;

    (void)fault;
    if (call != TSUGA_RING_FAULT_PUSH || request->kind == tsuga_ring_fault_kind(request))
        return;
    ++*(uint64_t *)context;
    if (request->kind != TSUGA_RING_READV_FIXED && request->kind != TSUGA_RING_WRITEV_FIXED) {
        check_slot(executor, request->address, request->length, request->group);
        return;
    }
    vectors = request->address;
    for (uint32_t i = 0; i < request->length; i++)
        check_slot(executor, vectors[i].iov_base, vectors[i].iov_len, request->group);
}

TEST(registered, a06_a16_a31_no_fixed_form_crosses_an_edge_or_names_another_slot)
{
    uint64_t seen_count = 0;
    struct tsuga_ring_fault_plan plan = {
        .create = tsuga_world_ring, .hook = check_request, .hook_context = &seen_count};
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    struct tsuga_stats stats;

    tsuga_needs("REGISTERED_BUFFERS");
    setup.ring_create = tsuga_ring_fault_create;
    setup.ring_context = &plan;
    stats = run_forms(&setup);
    CHECK(seen_count > 100);
    CHECK_UINT(seen_count, stats.ops_fixed);
    tsuga_ring_fault_plan_fini(&plan);
}

/* A lease comes from another executor, whose arena this one's ring does not know. */
static void write_foreign(struct tsuga_actor *self, void *argument)
{
    int fd = *(int *)argument;
    const struct tsuga_message *message;
    struct tsuga_lease lease;
    uint64_t before;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    before = fixed_count(self);
    CHECK_INT(tsuga_await(self, tsuga_write_lease(self, fd, lease, 1000)).result, 1000);
    CHECK_UINT(fixed_count(self), before);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    read_and_check(self, fd, 1000, 0); /* into a buffer of its own */
    await_known(self, 1);
    before = fixed_count(self);
    read_and_check(self, fd, 1000, 0);
    CHECK_UINT(fixed_count(self), before + 1);
}

static void hand_over(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options there = {.body = write_foreign,
                                        .argument = argument,
                                        .placement = TSUGA_PLACE_EXECUTOR,
                                        .executor = 1};
    struct tsuga_lease lease;
    struct tsuga_id id;

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &there, &id), 0);
    CHECK_INT(tsuga_lease_make(self, 1000, &lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, lease), 1000, SEED, 0);
    await_known(self, 1);
    CHECK_INT(tsuga_send_with_lease(self, id, 0, NULL, 0, lease), 0);
}

TEST(registered, a31_a_lease_of_another_executor_is_used_plainly)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    int fd = tsuga_fixture_memory_file(0, SEED);

    tsuga_needs("REGISTERED_BUFFERS");
    setup.config.executor.threads = 2;
    (void)tsuga_world_run(&setup, hand_over, &fd);
    close(fd);
}

TEST(registered, a24_the_same_work_where_the_kernel_has_no_such_thing)
{
    static const enum tsuga_feature features[] = {TSUGA_FEATURE_REGISTERED_BUFFERS,
                                                  TSUGA_FEATURE_VECTORS_FIXED};

    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
        struct tsuga_stats stats;

        setup.config.features[features[i]] = TSUGA_OFF;
        stats = run_forms(&setup);
        if (features[i] == TSUGA_FEATURE_REGISTERED_BUFFERS)
            CHECK_UINT(stats.ops_fixed, 0);
    }
}

/* Who does little I/O has nothing pinned. */
static void read_often(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(FILE_BYTES, SEED);

    (void)argument;
    for (unsigned i = 1; i < TSUGA_REGISTERED_USES; i++)
        read_and_check(self, fd, 64, i);
    CHECK_UINT(atomic_load(&executor_of(self)->shared->locked.arenas_bytes), 0);
    read_and_check(self, fd, 64, 0);
    await_known(self, 1);
    CHECK_UINT(fixed_count(self), 0);
    read_and_check(self, fd, 64, 0);
    CHECK_UINT(fixed_count(self), 1);
    close(fd);
}

TEST(registered, a05_auto_pins_what_is_used_often)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_AUTO);

    tsuga_needs("REGISTERED_BUFFERS");
    (void)tsuga_world_run(&setup, read_often, NULL);
}

/* Memory grows while a read of every arena waits in a pipe, and shrinks again. */
#define GROWTH 40u

struct waiting {
    int ends[GROWTH][2];
    struct tsuga_lease leases[GROWTH];
    struct tsuga_token reads[GROWTH];
};

static void grow_under_load(struct tsuga_actor *self, void *argument)
{
    struct waiting *waiting = argument;

    for (unsigned i = 0; i < GROWTH; i++) {
        tsuga_fixture_pipe(waiting->ends[i]);
        CHECK_INT(tsuga_lease_make(self, ARENA_BYTES, &waiting->leases[i]), 0);
        await_known(self, executor_of(self)->arenas.arena_count);
        waiting->reads[i] =
            tsuga_read_lease(self, waiting->ends[i][0], waiting->leases[i], ARENA_BYTES);
    }
    CHECK(fixed_count(self) >= GROWTH);
    for (unsigned i = 0; i < GROWTH; i++)
        tsuga_fixture_write(waiting->ends[i][1], &i, sizeof(i));
    for (unsigned i = 0; i < GROWTH; i++) {
        struct tsuga_completion got = tsuga_await(self, waiting->reads[i]);

        CHECK_INT(got.result, (int)sizeof(i));
        CHECK_INT(memcmp(got.data, &i, sizeof(i)), 0);
        CHECK_INT(tsuga_lease_release(self, waiting->leases[i]), 0);
        tsuga_fixture_close(waiting->ends[i], 2);
    }
}

TEST(registered, a05_grows_and_shrinks_with_operations_in_flight)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    static struct waiting waiting;
    struct tsuga_stats stats;

    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_needs_locked(4 * GROWTH * ARENA_BYTES);
    stats = tsuga_world_run(&setup, grow_under_load, &waiting);
    CHECK_UINT(stats.registered_refusals, 0);
}

/* As if everything had been free long enough. */
static void decay(struct tsuga_executor *executor)
{
    uint64_t now_ns = executor->now_ns;

    for (unsigned i = 1; i <= 2; i++) {
        now_ns += 2 * executor->arenas.config.decay_ns;
        (void)tsuga_ioheap_decay_pool(&executor->arenas, now_ns);
        (void)tsuga_arena_pool_decay(&executor->arenas, now_ns);
    }
}

struct trimming {
    unsigned round_count;
    unsigned lost_count; /* reads whose bytes nobody saw */
    bool is_reckless;
};

/* Whether an arena was pinned, read into rightly, let go and given back. */
static void trim_once(struct tsuga_actor *self, struct trimming *trimming, const int ends[2])
{
    struct tsuga_executor *executor = executor_of(self);
    const struct tsuga_reserve *reserve = &executor->shared->reserve;
    const struct tsuga_arena *arena;
    uint32_t value = trimming->round_count | 1;
    struct tsuga_lease lease;
    const void *data;

    CHECK_INT(tsuga_lease_make(self, ARENA_BYTES, &lease), 0);
    data = tsuga_lease_data(self, lease);
    arena = tsuga_reserve_find(reserve, data);
    while (arena->registered_state != TSUGA_REGISTERED_KNOWN)
        CHECK_INT(tsuga_yield(self), 0);
    if (trimming->is_reckless)
        CHECK_INT(reserve->backing->purge(reserve->backing->context, arena->base, ARENA_BYTES), 0);
    tsuga_fixture_write(ends[1], &value, sizeof(value));
    CHECK_INT(tsuga_await(self, tsuga_read_lease(self, ends[0], lease, ARENA_BYTES)).result,
              sizeof(value));
    trimming->lost_count += memcmp(data, &value, sizeof(value)) != 0;
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* the read's message has it, too */
    while (tsuga_reserve_find(reserve, data) != NULL) {      /* while it is the executor's */
        decay(executor);
        CHECK_INT(tsuga_yield(self), 0);
    }
}

static void trim_often(struct tsuga_actor *self, void *argument)
{
    struct trimming *trimming = argument;
    int ends[2];

    tsuga_fixture_pipe(ends);
    for (unsigned left = trimming->round_count; left > 0; left--)
        trim_once(self, trimming, ends);
    tsuga_fixture_close(ends, 2);
}

static unsigned count_lost(unsigned round_count, bool is_reckless)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    struct trimming trimming = {.round_count = round_count, .is_reckless = is_reckless};
    struct tsuga_stats stats = tsuga_world_run(&setup, trim_often, &trimming);

    CHECK(stats.ops_fixed >= round_count);
    return trimming.lost_count;
}

TEST(registered, a05_what_is_trimmed_was_let_go_before)
{
    tsuga_needs("REGISTERED_BUFFERS");
    CHECK_UINT(count_lost(10000, false), 0);
    CHECK_UINT(count_lost(10, true), 10); /* else this test could not fail */
}

/* Buffers of known sizes: parts of one lease, taken by position, or blocks of it by capacity. Each
 * comes back once, when the kernel is done with it and nobody else has it. */
#define PART_BYTES ((size_t)4 << 10)
#define PART_COUNT 4u

static void count_released(void *context)
{
    ++*(unsigned *)context;
}

static void use_parts(struct tsuga_actor *self, void *argument)
{
    unsigned released_counts[PART_COUNT] = {0};
    struct tsuga_lease parts[PART_COUNT];
    struct tsuga_token reads[PART_COUNT];
    struct tsuga_lease whole;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_lease_make(self, PART_COUNT * PART_BYTES, &whole), 0);
    await_known(self, 1);
    tsuga_fixture_pipe(ends);
    for (unsigned i = 0; i < PART_COUNT; i++) {
        struct tsuga_slice place = {.offset = i * PART_BYTES,
                                    .bytes = PART_BYTES,
                                    .released = count_released,
                                    .context = &released_counts[i]};

        CHECK_INT(tsuga_lease_slice(self, whole, &place, &parts[i]), 0);
        reads[i] = tsuga_read_lease(self, ends[0], parts[i], 4);
        CHECK_INT(tsuga_lease_release(self, parts[i]), 0);
        CHECK_UINT(released_counts[i], 0); /* the kernel has it */
    }
    CHECK_UINT(fixed_count(self), PART_COUNT);
    CHECK_INT(tsuga_lease_release(self, whole), 0);
    CHECK_INT(write(ends[1], "fourpartsof four", PART_COUNT * 4), PART_COUNT * 4);
    for (unsigned i = 0; i < PART_COUNT; i++)
        CHECK_INT(tsuga_await(self, reads[i]).result, 4);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* the last message is given back */
    for (unsigned i = 0; i < PART_COUNT; i++)
        CHECK_UINT(released_counts[i], 1);
    tsuga_fixture_close(ends, 2);
}

TEST(registered, a02_a03_a30_parts_by_position_come_back_once)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    tsuga_needs("REGISTERED_BUFFERS");
    (void)tsuga_world_run(&setup, use_parts, NULL);
}

static void use_blocks(struct tsuga_actor *self, void *argument)
{
    static const size_t sizes[] = {1, 64, 65, 4096, 4097};
    static const size_t classes[] = {64, 64, 128, 4096, 8192};
    int fd = tsuga_fixture_memory_file(FILE_BYTES, SEED);
    struct tsuga_lease lease;

    (void)argument;
    read_and_check(self, fd, 1, 0);
    await_known(self, 1);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = fixed_count(self);

        CHECK_INT(tsuga_lease_make(self, sizes[i], &lease), 0);
        CHECK_UINT(
            tsuga_ioheap_block_bytes(&tsuga_seat_of(self)->io->heap, tsuga_lease_data(self, lease)),
            classes[i]);
        CHECK_INT(tsuga_await(self, tsuga_read_lease(self, fd, lease, sizes[i])).result,
                  (int)sizes[i]);
        CHECK_UINT(fixed_count(self), before + 1);
        CHECK_INT(tsuga_lease_release(self, lease), 0);
    }
    close(fd);
}

TEST(registered, a02_blocks_by_capacity)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    tsuga_needs("REGISTERED_BUFFERS");
    (void)tsuga_world_run(&setup, use_blocks, NULL);
}

/* Not every file of the kernel's is read by the same means. */
static void check_kind(struct tsuga_actor *self, int from, int to)
{
    uint64_t value = 1;
    uint64_t before = fixed_count(self);
    struct tsuga_completion got;

    CHECK(from >= 0);
    CHECK(to >= 0);
    got = tsuga_await(self, tsuga_write(self, to, &value, sizeof(value)));
    CHECK_INT(got.result, sizeof(value));
    got = tsuga_await(self, tsuga_read(self, from, sizeof(value)));
    CHECK_INT(got.result, sizeof(value));
    CHECK_UINT(fixed_count(self), before + 2);
}

static void use_kinds(struct tsuga_actor *self, void *argument)
{
    static const char *const names[] = {
        "/proc/self/status",      "/proc/meminfo", "/proc/self/maps", "/proc/sys/kernel/ostype",
        "/sys/kernel/mm/ksm/run", "/dev/zero",     "/dev/urandom"};
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    int event = eventfd(0, EFD_CLOEXEC);
    int pipes[2];
    int sockets[2];

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_write(self, nowhere, "abc", 3)).result, 3);
    await_known(self, 1);
    check_kind(self, event, event);
    tsuga_fixture_pipe(pipes);
    check_kind(self, pipes[0], pipes[1]);
    tsuga_fixture_sockets(sockets);
    check_kind(self, sockets[0], sockets[1]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = open(names[i], O_RDONLY | O_CLOEXEC);
        uint64_t before = fixed_count(self);

        if (fd < 0)
            continue; /* not in every kernel, or container */
        CHECK(tsuga_await(self, tsuga_read(self, fd, 64)).result > 0);
        CHECK_INT(tsuga_await(self, tsuga_write(self, nowhere, "abc", 3)).result, 3);
        CHECK_UINT(fixed_count(self), before + 2);
        close(fd);
    }
    close(event);
    close(nowhere);
    tsuga_fixture_close(pipes, 2);
    tsuga_fixture_close(sockets, 2);
}

TEST(registered, a18_files_of_every_kind)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    tsuga_needs("REGISTERED_BUFFERS");
    (void)tsuga_world_run(&setup, use_kinds, NULL);
}

/* Limits. */

static void hold_many(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(FILE_BYTES, SEED);
    struct tsuga_lease leases[8];

    (void)argument;
    for (unsigned i = 0; i < 8; i++) {
        CHECK_INT(tsuga_lease_make(self, ARENA_BYTES, &leases[i]), 0);
        for (unsigned j = 0; j < 10; j++) {
            struct tsuga_completion got = tsuga_await(
                self, use_lease_at(self, TSUGA_OP_READ, fd, leases[i], ARENA_BYTES, ARENA_BYTES));

            CHECK_INT(got.result, ARENA_BYTES);
            tsuga_content_check(got.data, got.bytes, SEED, ARENA_BYTES);
        }
    }
    CHECK(executor_of(self)->registered.known_count <= 2);
    if (executor_of(self)->registered.known_count > 0) {
        uint64_t before = fixed_count(self);

        for (unsigned i = 0; i < 8; i++)
            (void)tsuga_await(self, use_lease_at(self, TSUGA_OP_READ, fd, leases[i], 1, 0));
        CHECK(fixed_count(self) > before);
    }
    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_lease_release(self, leases[i]), 0);
    close(fd);
}

TEST(registered, a10_no_slot_is_left_and_nobody_notices)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    static struct tsuga_lines lines;
    struct tsuga_stats stats;

    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_lines_init(&lines);
    setup.lines = &lines;
    setup.config.ioheap.registration_slots = 2;
    stats = tsuga_world_run(&setup, hold_many, NULL);
    CHECK(stats.registered_refusals > 0);
    CHECK(tsuga_lines_contain(&lines, "all 2 slots"));
    CHECK(tsuga_lines_contain(&lines, "3 are needed"));
    CHECK(tsuga_lines_contain(&lines, "ioheap.registration_slots"));
}

/* An ordinary user: rings take their part, and arenas no more than half of what is allowed. */
TEST(registered, a09_a10_locked_memory_runs_out_and_nobody_notices)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    static struct tsuga_lines lines;
    struct tsuga_stats stats;

    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_lines_init(&lines);
    setup.lines = &lines;
    setup.config.executor.ring_entries = 64;
    setup.config.executor.cq_entries = 1024;
    tsuga_limit_locked(4 * ARENA_BYTES);
    tsuga_become_ordinary();
    stats = tsuga_world_run(&setup, hold_many, NULL);
    CHECK(stats.registered_refusals > 0);
    CHECK(stats.locked_ring_bytes > 16 * KIB);
    CHECK(tsuga_lines_contain(&lines, "RLIMIT_MEMLOCK is 256K"));
    CHECK(tsuga_lines_contain(&lines, "arenas need 192K"));
    CHECK(tsuga_lines_contain(&lines, "ulimit -l"));
}

/* What the kernel says counts in the end. */
static int refuse_slots(struct tsuga_ring *ring, uint32_t first,
                        const struct tsuga_ring_slot *slots, uint32_t count)
{
    (void)ring;
    (void)first;
    (void)slots;
    (void)count;
    return -ENOMEM;
}

static int refuse_table(struct tsuga_ring *ring, uint32_t count)
{
    (void)ring;
    (void)count;
    return -EINVAL;
}

struct refusing {
    struct tsuga_ring_ops ops;
    bool refuses_table;
};

static int create_refusing(void *context, const struct tsuga_ring_config *config,
                           struct tsuga_ring **out)
{
    struct refusing *refusing = context;
    int error = tsuga_world_ring(NULL, config, out);

    if (error != 0)
        return error;
    refusing->ops = *(*out)->ops;
    if (refusing->refuses_table)
        refusing->ops.add_slots = refuse_table;
    else
        refusing->ops.fill_slots = refuse_slots;
    (*out)->ops = &refusing->ops;
    return 0;
}

TEST(registered, a10_the_kernel_refuses_and_nobody_notices)
{
    static const char *const words[] = {"which is used up", "the kernel refuses it"};

    tsuga_needs("REGISTERED_BUFFERS");
    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
        static struct tsuga_lines lines;
        static struct refusing refusing;
        struct tsuga_stats stats;

        tsuga_lines_init(&lines);
        refusing.refuses_table = i == 1;
        setup.lines = &lines;
        setup.ring_create = create_refusing;
        setup.ring_context = &refusing;
        stats = tsuga_world_run(&setup, hold_many, NULL);
        CHECK_UINT(stats.ops_fixed, 0);
        CHECK(stats.registered_refusals > 0);
        CHECK(tsuga_lines_contain(&lines, words[i]));
    }
}

/* A limit that was in the way is raised. */
static void go_on_when_raised(struct tsuga_actor *self, void *argument)
{
    struct tsuga_registered *registered = &executor_of(self)->registered;
    struct rlimit limit = {4 * ARENA_BYTES, 4096 * KIB};

    (void)argument;
    CHECK_INT(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    hold_many(self, NULL);
    CHECK(!registered->may_grow);
    tsuga_registered_watch(executor_of(self));
    CHECK(!registered->may_grow);
    limit.rlim_cur = limit.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    tsuga_registered_watch(executor_of(self));
    CHECK(registered->may_grow);
}

TEST(registered, a09_a_limit_is_watched)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    tsuga_needs("REGISTERED_BUFFERS");
    setup.config.executor.ring_entries = 64;
    setup.config.executor.cq_entries = 1024;
    setup.config.log.level = TSUGA_LOG_OFF;
    tsuga_limit_locked(4096 * KIB);
    tsuga_become_ordinary();
    (void)tsuga_world_run(&setup, go_on_when_raised, NULL);
}

/* A burst of an actor that lives on. */
/* Whether a line of smaps begins a mapping, and whether the address lies in that. */
static bool begins_mapping(const char *line, uintptr_t address, bool *is_within)
{
    char *end;
    uintptr_t first = strtoull(line, &end, 16);
    uintptr_t behind;

    if (*end != '-')
        return false;
    behind = strtoull(end + 1, &end, 16);
    *is_within = address >= first && address < behind;
    return true;
}

/* Of the address space that I/O heaps lie in; the process has other memory, and a sanitizer's. */
static size_t resident_bytes(struct tsuga_actor *self)
{
    uintptr_t heaps = (uintptr_t)executor_of(self)->shared->reserve.ranges[0].base;
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[256];
    size_t kib = 0;
    bool is_within = false;

    CHECK(file != NULL);
    while (kib == 0 && fgets(line, sizeof(line), file) != NULL)
        if (!begins_mapping(line, heaps, &is_within) && is_within && strncmp(line, "Rss:", 4) == 0)
            kib = strtoull(line + 4, NULL, 10);
    fclose(file);
    return kib * KIB;
}

#define BURST_BYTES ((size_t)64 << 20)
#define BURST_COUNT (BURST_BYTES / (1024 * KIB))

static void burst(struct tsuga_actor *self, void *argument)
{
    static struct tsuga_lease leases[BURST_COUNT];
    const struct tsuga_message *message;
    size_t before = resident_bytes(self);
    size_t during;

    (void)argument;
    for (unsigned i = 0; i < BURST_COUNT; i++) {
        CHECK_INT(tsuga_lease_make(self, 1024 * KIB, &leases[i]), 0);
        memset(tsuga_lease_data(self, leases[i]), 1, 1024 * KIB);
    }
    during = resident_bytes(self);
    CHECK(during > before + BURST_BYTES / 2);
    for (unsigned i = 0; i < BURST_COUNT; i++)
        CHECK_INT(tsuga_lease_release(self, leases[i]), 0);
    /* Nothing happens any more: the executor sleeps, and gives back what was free for 1 ms. */
    while (resident_bytes(self) > before + BURST_BYTES / 8)
        CHECK_INT(tsuga_receive(self, NULL, 100 * TSUGA_NS_PER_MS, &message), -ETIMEDOUT);
}

TEST(registered, a05_memory_of_a_burst_goes_back_to_the_kernel)
{
    static const enum tsuga_registration policies[] = {TSUGA_REGISTRATION_OFF,
                                                       TSUGA_REGISTRATION_ALWAYS};

    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_setup setup = setup_with(policies[i]);

        setup.config.ioheap.arena_size = 0;
        (void)tsuga_world_run(&setup, burst, NULL);
    }
}

/* An echo: what comes is lent by a group, and goes out from there, where it stays pinned. */
static void echo_pinned(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    struct tsuga_completion got;
    char content[KIB];
    uint64_t before;
    size_t offset = 0;
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    stream = tsuga_recv_stream(self, ends[0]); /* the group's memory is known before long */
    await_known(self, 1);
    before = fixed_count(self);
    for (unsigned i = 0; i < 20; i++) {
        tsuga_content_fill(content, KIB, SEED, offset);
        tsuga_fixture_write(ends[1], content, KIB);
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, (int)KIB);
        CHECK_INT(tsuga_await(self, tsuga_write_lease(self, ends[0], got.lease, KIB)).result,
                  (int)KIB);
        tsuga_fixture_read(ends[1], content, KIB);
        tsuga_content_check(content, KIB, SEED, offset);
        offset += KIB;
    }
    CHECK_UINT(fixed_count(self) - before, 20);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(registered, a22_lent_buffers_go_out_as_pinned_ones)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    setup.config.ioheap.arena_size = 0; /* one of 2 MiB holds all of it */
    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_needs_locked(8 << 20);
    tsuga_needs("BUFFER_RING");
    (void)tsuga_world_run(&setup, echo_pinned, NULL);
}
