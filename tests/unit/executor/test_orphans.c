/* Actors that end with operations in flight: nothing of theirs is reused before the kernel's last
 * word, and nothing is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ioheap/backing.h"
#include "ioheap/ioheap.h"
#include "tests/support/fixture.h"
#include "tests/support/ring_fault.h"
#include "tests/support/ring_kit.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEGMENT_BYTES 512u /* ioheap.segment_min */
#define HOLD_ENTERS   200u
#define LEASES        64u

/* One operation whose last result the kernel keeps back while its actor ends. */
struct haunting {
    struct tsuga_op op;
    enum tsuga_ring_kind kind;
    uint64_t segment; /* in which the kernel may still write */
    uint32_t neighbours;
};

/* Remembers where the operation's memory is, and keeps its result back. */
static void catch (void *context, struct tsuga_ring_fault *fault, enum tsuga_ring_fault_call call,
                   const struct tsuga_ring_request *request)
{
    struct haunting *haunting = context;

    if (call != TSUGA_RING_FAULT_PUSH || tsuga_ring_fault_kind(request) != haunting->kind)
        return;
    haunting->segment = (uintptr_t)request->user_data / SEGMENT_BYTES;
    tsuga_ring_fault_hold(fault, request->user_data, HOLD_ENTERS);
}

static uint64_t orphan_count(struct tsuga_actor *self)
{
    struct tsuga_stats stats;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    return stats.orphans;
}

/* Takes I/O memory while the kernel still has that of the dead. In one turn nothing is reaped. */
static void move_in(struct tsuga_actor *self, void *argument)
{
    struct haunting *haunting = argument;

    CHECK_UINT(orphan_count(self), 1);
    for (uint32_t i = 0; i < LEASES; i++) {
        struct tsuga_lease lease;
        void *data;

        CHECK_INT(tsuga_lease_make(self, 64, &lease), 0);
        data = tsuga_lease_data(self, lease);
        memset(data, 0xee, 64);
        CHECK((uintptr_t)data / SEGMENT_BYTES != haunting->segment);
        haunting->neighbours++;
    }
    CHECK_UINT(orphan_count(self), 1);
}

static void haunt(struct tsuga_actor *self, void *argument)
{
    struct haunting *haunting = argument;
    struct tsuga_spawn_options heir = {.body = move_in, .argument = haunting};

    CHECK_INT(tsuga_op_error(tsuga_submit(self, &haunting->op)), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* it is submitted */
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &heir, NULL), 0);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void run_haunting(struct haunting *haunting)
{
    struct tsuga_ring_fault_plan plan = {
        .create = tsuga_world_ring, .hook = catch, .hook_context = haunting};
    struct tsuga_setup setup = {.ring_create = tsuga_ring_fault_create, .ring_context = &plan};
    struct tsuga_stats stats = tsuga_world_run(&setup, haunt, haunting);

    CHECK(haunting->segment != 0);
    CHECK_UINT(haunting->neighbours, LEASES);
    CHECK_UINT(stats.actors_ended, 2);
    tsuga_ring_fault_plan_fini(&plan);
}

static void fill_pipe(int fd)
{
    static const char zeros[4096];

    CHECK(fcntl(fd, F_SETPIPE_SZ, sizeof(zeros)) > 0);
    tsuga_fixture_write(fd, zeros, sizeof(zeros));
}

static void fill_socket(int fd)
{
    static const char zeros[65536];

    while (send(fd, zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
        continue;
    CHECK_INT(errno, EAGAIN);
}

TEST(executor, h43_a_read_holds_its_memory_after_death)
{
    struct haunting haunting = {.op = {.kind = TSUGA_OP_READ, .bytes = 200},
                                .kind = TSUGA_RING_READ};
    int ends[2];

    tsuga_fixture_pipe(ends);
    haunting.op.fd = ends[0];
    run_haunting(&haunting);
    tsuga_fixture_close(ends, 2);
}

TEST(executor, h43_a_write_holds_its_memory_after_death)
{
    struct haunting haunting = {.op = {.kind = TSUGA_OP_WRITE, .data = "later", .bytes = 5},
                                .kind = TSUGA_RING_WRITE};
    int ends[2];

    tsuga_fixture_pipe(ends);
    fill_pipe(ends[1]);
    haunting.op.fd = ends[1];
    run_haunting(&haunting);
    tsuga_fixture_close(ends, 2);
}

TEST(executor, h43_a_recv_holds_its_memory_after_death)
{
    struct haunting haunting = {.op = {.kind = TSUGA_OP_RECV, .bytes = 200},
                                .kind = TSUGA_RING_RECV};
    int ends[2];

    tsuga_fixture_sockets(ends);
    haunting.op.fd = ends[0];
    run_haunting(&haunting);
    tsuga_fixture_close(ends, 2);
}

TEST(executor, h43_a_send_holds_its_memory_after_death)
{
    struct haunting haunting = {.op = {.kind = TSUGA_OP_SEND, .data = "later", .bytes = 5},
                                .kind = TSUGA_RING_SEND};
    int ends[2];

    tsuga_fixture_sockets(ends);
    fill_socket(ends[1]);
    haunting.op.fd = ends[1];
    run_haunting(&haunting);
    tsuga_fixture_close(ends, 2);
}

TEST(executor, h43_a_timeout_holds_its_memory_after_death)
{
    struct haunting haunting = {
        .op = {.kind = TSUGA_OP_TIMEOUT, .timeout_ns = 3600 * TSUGA_NS_PER_S},
        .kind = TSUGA_RING_TIMEOUT};

    run_haunting(&haunting);
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

/* The accept has succeeded, but nobody has heard of it when its actor ends. */
TEST(executor, h43_what_the_dead_accept_is_closed)
{
    struct haunting haunting = {.op.kind = TSUGA_OP_ACCEPT, .kind = TSUGA_RING_ACCEPT};
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    int peer = connect_to(&address);
    char byte;

    haunting.op.fd = listener;
    run_haunting(&haunting);
    CHECK_INT(read(peer, &byte, 1), 0);
    tsuga_fixture_close((int[]){listener, peer}, 2);
}

TEST(executor, h37_h43_what_the_dead_open_is_closed)
{
    struct haunting haunting = {
        .op = {.kind = TSUGA_OP_OPEN, .fd = AT_FDCWD, .data = "/dev/null", .flags = O_RDONLY},
        .kind = TSUGA_RING_OPEN};

    run_haunting(&haunting); /* the world counts descriptors */
}

/* Cancelling: the cancel has its own result, and the operation its own end. */
static void cancel_one(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token op = tsuga_submit(self, argument);
    struct tsuga_token cancel = tsuga_cancel(self, op);
    struct tsuga_token both[] = {op, cancel};
    bool has_op = false;
    bool has_cancel = false;

    CHECK_INT(tsuga_op_error(op), 0);
    CHECK_INT(tsuga_op_error(cancel), 0);
    for (int i = 0; i < 2; i++) {
        struct tsuga_completion got = tsuga_await_any(self, both, (size_t)(2 - i), TSUGA_FOREVER);

        CHECK(got.last);
        has_op |= tsuga_token_equal(got.op, op);
        has_cancel |= tsuga_token_equal(got.op, cancel);
        CHECK_INT(got.result, tsuga_token_equal(got.op, op) ? -ECANCELED : 0);
        both[0] = tsuga_token_equal(got.op, op) ? cancel : op;
    }
    CHECK(has_op);
    CHECK(has_cancel);
    CHECK_INT(tsuga_op_error(tsuga_cancel(self, op)), -ENOENT);
}

TEST(executor, h43_cancel_and_operation_end_each_for_itself)
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    int quiet[2];
    int full[2];

    tsuga_fixture_sockets(quiet);
    tsuga_fixture_pipe(full);
    fill_pipe(full[1]);
    struct tsuga_op ops[] = {
        {.kind = TSUGA_OP_READ, .fd = quiet[0], .bytes = 100},
        {.kind = TSUGA_OP_RECV, .fd = quiet[0], .bytes = 100},
        {.kind = TSUGA_OP_WRITE, .fd = full[1], .data = "later", .bytes = 5},
        {.kind = TSUGA_OP_ACCEPT, .fd = listener},
        {.kind = TSUGA_OP_POLL, .fd = quiet[0], .flags = POLLIN},
        {.kind = TSUGA_OP_TIMEOUT, .timeout_ns = 3600 * TSUGA_NS_PER_S},
        {.kind = TSUGA_OP_OPEN, .fd = -1}, /* the end */
    };
    for (size_t i = 0; ops[i].kind != TSUGA_OP_OPEN; i++)
        tsuga_world_run(NULL, cancel_one, &ops[i]);
    tsuga_fixture_close(quiet, 2);
    tsuga_fixture_close(full, 2);
    close(listener);
}

/* The kernel's own behaviour, the reason for the rule: closing says nothing to a pending read. */
TEST(executor, h43_close_alone_does_not_complete_a_read)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    char buffer[8];
    int ends[2];

    tsuga_fixture_pipe(ends);
    tsuga_ring_kit_init(&kit, 8, 16);
    ring = tsuga_ring_kit_create(&kit);
    tsuga_ring_push(ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_READ,
                                                       .fd = ends[0],
                                                       .address = buffer,
                                                       .length = sizeof(buffer),
                                                       .offset = UINT64_MAX,
                                                       .user_data = 64});
    CHECK_INT(tsuga_ring_enter(ring, 0, 0), 0);
    close(ends[0]);
    CHECK_INT(tsuga_ring_enter(ring, 1, 20 * TSUGA_NS_PER_MS), -ETIME);
    CHECK(!tsuga_ring_has_results(ring));
    tsuga_ring_push(ring, &(struct tsuga_ring_request){
                              .kind = TSUGA_RING_CANCEL, .offset = 64, .user_data = 128});
    for (int i = 0; i < 2; i++) {
        struct tsuga_ring_result result = tsuga_ring_kit_wait(ring);

        CHECK_INT(result.result, result.user_data == 64 ? -ECANCELED : 0);
    }
    ring->ops->destroy(ring);
    close(ends[1]);
}

/* What the library makes of it: the close cancels, waits, and closes then. */
static void close_under_read(struct tsuga_actor *self, void *argument)
{
    int *ends = argument;
    const struct tsuga_message *message;
    struct tsuga_token read;
    struct tsuga_token closing;

    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    read = tsuga_read(self, ends[0], 100);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    closing = tsuga_close(self, ends[0]);
    CHECK_INT(tsuga_op_error(tsuga_read(self, ends[0], 100)), -EBADF);
    CHECK_INT(tsuga_op_error(tsuga_close(self, ends[0])), -EBADF);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK(tsuga_token_equal(tsuga_message_completion(message)->op, read));
    CHECK_INT(tsuga_message_completion(message)->result, -ECANCELED);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK(tsuga_token_equal(tsuga_message_completion(message)->op, closing));
    CHECK_INT(tsuga_message_completion(message)->result, 0);
    CHECK_INT(fcntl(ends[0], F_GETFD), -1);
}

static void close_and_die(struct tsuga_actor *self, void *argument)
{
    int *ends = argument;

    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    CHECK_INT(tsuga_op_error(tsuga_read(self, ends[0], 100)), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_op_error(tsuga_close(self, ends[0])), 0);
}

TEST(executor, h43_close_cancels_and_waits)
{
    static tsuga_body_fn *const bodies[] = {close_under_read, close_and_die};

    for (size_t i = 0; i < 2; i++) {
        struct tsuga_run run;
        int ends[2];

        tsuga_fixture_pipe(ends);
        tsuga_world_start(&(struct tsuga_setup){.is_unbalanced = true}, &run);
        tsuga_world_spawn(&run, bodies[i], ends);
        tsuga_world_end(&run);
        CHECK_INT(fcntl(ends[0], F_GETFD), -1);
        CHECK_UINT(run.stats.ops_completions, run.stats.ops_submitted);
        CHECK_UINT(run.stats.descriptors, 0);
        close(ends[1]);
    }
}

/* The rule, turned off: a block that is freed at the cancel's result, or at the actor's end, and
 * not at the read's own last result. */
struct kernel_read {
    struct tsuga_reserve reserve;
    struct tsuga_arena_pool pool;
    struct tsuga_ioheap heap;
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    int ends[2];
};

static void open_kernel_read(struct kernel_read *kernel)
{
    struct tsuga_reserve_config reserve = {.bytes = 64 << 20};
    struct tsuga_arena_pool_config arenas = {.decay_ns = 0};
    struct tsuga_ioheap_config heap = {.segment_bytes_min = SEGMENT_BYTES};

    tsuga_fixture_pipe(kernel->ends);
    CHECK_INT(tsuga_reserve_init(&kernel->reserve, tsuga_backing_default(), &reserve), 0);
    tsuga_arena_pool_init(&kernel->pool, &kernel->reserve, &arenas);
    CHECK_INT(tsuga_ioheap_init(&kernel->heap, &kernel->pool, &heap), 0);
    tsuga_ring_kit_init(&kernel->kit, 8, 16);
    kernel->ring = tsuga_ring_kit_create(&kernel->kit);
}

static void close_kernel_read(struct kernel_read *kernel)
{
    kernel->ring->ops->destroy(kernel->ring);
    tsuga_ioheap_fini(&kernel->heap);
    tsuga_arena_pool_fini(&kernel->pool);
    tsuga_reserve_fini(&kernel->reserve);
    tsuga_fixture_close(kernel->ends, 2);
}

/* How many bytes of the next owner of memory the kernel overwrites. */
static size_t count_damage(bool holds_to_the_rule)
{
    struct kernel_read kernel;
    size_t damage = 0;
    void *first;
    void *second;

    open_kernel_read(&kernel);
    CHECK_INT(tsuga_ioheap_alloc(&kernel.heap, 64, &first), 0);
    tsuga_ring_push(kernel.ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_READ,
                                                              .fd = kernel.ends[0],
                                                              .address = first,
                                                              .length = 64,
                                                              .offset = UINT64_MAX,
                                                              .user_data = 64});
    CHECK_INT(tsuga_ring_enter(kernel.ring, 0, 0), 0);
    if (!holds_to_the_rule)
        tsuga_ioheap_free(&kernel.heap, first);
    CHECK_INT(tsuga_ioheap_alloc(&kernel.heap, 64, &second), 0);
    memset(second, 's', 64);
    tsuga_fixture_write(kernel.ends[1], "kernel", 6);
    CHECK_INT(tsuga_ring_kit_wait(kernel.ring).result, 6);
    for (size_t i = 0; i < 64; i++)
        damage += ((char *)second)[i] != 's';
    if (holds_to_the_rule)
        tsuga_ioheap_free(&kernel.heap, first);
    tsuga_ioheap_free(&kernel.heap, second);
    close_kernel_read(&kernel);
    return damage;
}

TEST(executor, h43_memory_freed_before_the_last_result_is_overwritten)
{
    CHECK_UINT(count_damage(false), 6);
    CHECK_UINT(count_damage(true), 0);
}
