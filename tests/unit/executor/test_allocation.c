/* What submissions take from the I/O heap: one span for each reference, small for small things,
 * with defined answers at every limit. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LARGEST (2u << 20)
#define QUOTA   (64u << 10)

static uint64_t alloc_count(struct tsuga_actor *self)
{
    struct tsuga_heap_stats heap;
    uint64_t count = 0;

    tsuga_heap_stats_read(self, &heap);
    for (unsigned i = 0; i < TSUGA_CLASS_COUNT; i++)
        count += heap.allocs[i];
    return count;
}

static uint64_t live_bytes(struct tsuga_actor *self)
{
    struct tsuga_heap_stats heap;

    tsuga_heap_stats_read(self, &heap);
    return heap.live_bytes;
}

/* Blocks that one operation takes, when its records need no new slab. */
static uint64_t blocks_of(struct tsuga_actor *self, const struct tsuga_op *op)
{
    uint64_t before;
    uint64_t after;

    for (unsigned i = 0; i < 4; i++)
        (void)tsuga_await(self, tsuga_submit(self, op));
    before = alloc_count(self);
    (void)tsuga_await(self, tsuga_submit(self, op));
    after = alloc_count(self);
    return after - before;
}

/* References to memory of variable size have a block each; an open_how, a timespec and the vectors
 * of the user have their places in a record, or behind the kernel's vectors. */
static void count_blocks(struct tsuga_actor *self, void *argument)
{
    char text[100] = "some bytes";
    struct iovec vectors[] = {{text, 10}, {text + 10, 20}, {text + 30, 70}};
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof(address),
                             .msg_iov = vectors,
                             .msg_iovlen = 3,
                             .msg_control = text,
                             .msg_controllen = 24};
    struct statx attributes;
    int fd = tsuga_fixture_memory_file(1000, 1);
    int pair[2];
    const struct {
        uint64_t blocks;
        struct tsuga_op op;
    } cases[] = {
        {0, {.kind = TSUGA_OP_NOP}},
        {0, {.kind = TSUGA_OP_TIMEOUT, .timeout_ns = 1000}},
        {0, {.kind = TSUGA_OP_FSYNC, .fd = fd}},
        {1, {.kind = TSUGA_OP_OPEN, .fd = AT_FDCWD, .data = "/dev/none", .flags = O_RDONLY}},
        {1, {.kind = TSUGA_OP_READ, .fd = fd, .bytes = 100}},
        {1, {.kind = TSUGA_OP_READ, .fd = fd, .bytes = 100, .into = text}},
        {1, {.kind = TSUGA_OP_WRITE, .fd = fd, .bytes = 100, .data = text}},
        {4, {.kind = TSUGA_OP_READV, .fd = fd, .bytes = 3, .data = vectors}},
        {4, {.kind = TSUGA_OP_WRITEV, .fd = fd, .bytes = 3, .data = vectors}},
        {1, {.kind = TSUGA_OP_CONNECT, .fd = fd, .bytes = sizeof(address), .data = &address}},
        {2, {.kind = TSUGA_OP_STATX, .fd = AT_FDCWD, .data = "/", .into = &attributes}},
        /* Header, iovecs, name and control of a message share one. */
        {4, {.kind = TSUGA_OP_SENDMSG, .fd = fd, .data = &message}},
        {2, {.kind = TSUGA_OP_RECVMSG, .fd = fd, .bytes = 100, .control_bytes = 100}},
        {1, {.kind = TSUGA_OP_ACCEPT, .fd = fd, .options = TSUGA_OP_PEER}},
    };

    (void)argument;
    tsuga_fixture_sockets(pair);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_UINT(blocks_of(self, &cases[i].op), cases[i].blocks);
    CHECK_UINT(blocks_of(self,
                         &(struct tsuga_op){
                             .kind = TSUGA_OP_SEND, .fd = pair[0], .data = text, .bytes = 100}),
               1);
    CHECK_UINT(
        blocks_of(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV, .fd = pair[1], .bytes = 50}), 1);
    tsuga_fixture_close(pair, 2);
    close(fd);
}

TEST(allocation, h14_each_reference_has_a_span_of_its_own)
{
    (void)tsuga_world_run(NULL, count_blocks, NULL);
}

/* In a heap of which every class is counted: which one did the operation use? */
static void open_paths(struct tsuga_actor *self, void *argument)
{
    char path[200] = "/none/";
    struct tsuga_heap_stats before;
    struct tsuga_heap_stats after;

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_open(self, "/none/", O_RDONLY)).result, -ENOENT);
    tsuga_heap_stats_read(self, &before);
    CHECK_INT(tsuga_await(self, tsuga_open(self, "/none/", O_RDONLY)).result, -ENOENT);
    memset(path + 6, 'a', 150);
    CHECK_INT(tsuga_await(self, tsuga_open(self, path, O_RDONLY)).result, -ENOENT);
    tsuga_heap_stats_read(self, &after);
    CHECK_UINT(after.allocs[0] - before.allocs[0], 1); /* 64 bytes */
    CHECK_UINT(after.allocs[2] - before.allocs[2], 1); /* 256 bytes */
    for (unsigned i = 3; i < TSUGA_CLASS_COUNT; i++)
        CHECK_UINT(after.allocs[i], before.allocs[i]);
}

TEST(allocation, h09_a_path_takes_a_small_class)
{
    (void)tsuga_world_run(NULL, open_paths, NULL);
}

static void exceed_classes(struct tsuga_actor *self, void *argument)
{
    static char large[LARGEST + 1];
    struct iovec vectors[] = {{large, 100}, {large, LARGEST + 1}};
    int fd = tsuga_fixture_memory_file(0, 0);
    struct tsuga_lease lease = {0};
    uint64_t before;

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    before = live_bytes(self);
    CHECK_INT(tsuga_op_error(tsuga_read(self, fd, LARGEST + 1)), -EMSGSIZE);
    CHECK_INT(tsuga_op_error(tsuga_read_into(self, fd, large, LARGEST + 1)), -EMSGSIZE);
    CHECK_INT(tsuga_op_error(tsuga_recv(self, fd, LARGEST + 1)), -EMSGSIZE);
    CHECK_INT(tsuga_op_error(tsuga_write(self, fd, large, LARGEST + 1)), -EMSGSIZE);
    CHECK_INT(tsuga_op_error(tsuga_send_bytes(self, fd, large, LARGEST + 1)), -EMSGSIZE);
    CHECK_INT(tsuga_op_error(tsuga_writev(self, fd, vectors, 2)), -EMSGSIZE);
    CHECK_INT(tsuga_op_error(tsuga_readv(self, fd, vectors, 2)), -EMSGSIZE);
    CHECK_INT(tsuga_lease_make(self, LARGEST + 1, &lease), -EMSGSIZE);
    CHECK_UINT(lease.value, 0);
    CHECK_INT(tsuga_await(self, tsuga_read(self, fd, SIZE_MAX)).result, -EMSGSIZE);
    CHECK_UINT(live_bytes(self), before);
    CHECK_INT(tsuga_await(self, tsuga_write(self, fd, large, LARGEST)).result, LARGEST);
    close(fd);
}

TEST(allocation, h10_more_than_the_largest_class_is_refused_and_nothing_leaks)
{
    (void)tsuga_world_run(NULL, exceed_classes, NULL);
}

/* Reads from an empty pipe until the quota says no. */
static void fill_heap(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token ops[QUOTA / 4096];
    unsigned count = 0;
    int pipe[2];
    char byte = 0;
    int error;

    (void)argument;
    tsuga_fixture_pipe(pipe);
    for (;; count++) {
        struct tsuga_token op = tsuga_read(self, pipe[0], 4096);

        error = tsuga_op_error(op);
        if (error != 0)
            break;
        CHECK(count < QUOTA / 4096);
        ops[count] = op;
    }
    CHECK_INT(error, -ENOBUFS);
    CHECK(count >= QUOTA / 4096 / 2);
    CHECK_INT(tsuga_await(self, tsuga_read(self, pipe[0], 4096)).result, -ENOBUFS);
    tsuga_fixture_write(pipe[1], &byte, 1);
    CHECK_INT(tsuga_await_any(self, ops, count, TSUGA_FOREVER).result, 1);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0); /* the read's buffer is back */
    CHECK_INT(tsuga_op_error(tsuga_read(self, pipe[0], 4096)), 0);
    tsuga_fixture_close(pipe, 2);
}

TEST(allocation, h11_a_full_heap_refuses_and_recovers)
{
    const struct tsuga_setup setup = {.config.ioheap.quota = QUOTA};

    (void)tsuga_world_run(&setup, fill_heap, NULL);
}

/* Messages, yields and receives allocate nothing: there is no heap before the first submission. */
static void allocate_late(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    uint64_t count;

    (void)argument;
    CHECK_INT(tsuga_send(self, tsuga_self(self), 1, "text", 5), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_yield(self), 0);
    CHECK_UINT(alloc_count(self), 0);
    CHECK_PTR(tsuga_seat_of(self)->io, NULL);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    count = alloc_count(self);
    CHECK(count > 0);
    CHECK_INT(tsuga_send(self, tsuga_self(self), 1, "text", 5), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_UINT(alloc_count(self), count);
}

TEST(allocation, h04_only_submissions_allocate)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, allocate_late, NULL);

    CHECK(stats.heaps.segment_bytes_max > 0);
}

/* A NOP costs a record of one cache line, against a record and a class for one with a buffer. */
static void count_bytes(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token ops[256];
    uint64_t count;

    (void)argument;
    for (unsigned i = 0; i < 256; i++)
        ops[i] = tsuga_nop(self);
    for (unsigned i = 0; i < 256; i++)
        CHECK_INT(tsuga_await(self, ops[i]).result, 0);
    CHECK(tsuga_seat_of(self)->io->slab.count >= 256);
    CHECK(tsuga_seat_of(self)->io->slab.count < 2 * 256);
    CHECK_UINT(live_bytes(self), tsuga_seat_of(self)->io->slab.count * UINT64_C(64));
    count = alloc_count(self);
    for (unsigned i = 0; i < 10000; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_UINT(alloc_count(self), count);
}

TEST(allocation, h35_z08_a_nop_costs_one_record_of_a_cache_line)
{
    CHECK(sizeof(struct tsuga_record) <= 64);
    CHECK_UINT(TSUGA_SLAB_RECORD_BYTES, 64);
    (void)tsuga_world_run(NULL, count_bytes, NULL);
}

/* General memory that counts. */
struct counting {
    struct tsuga_backing backing;
    const struct tsuga_memory *memory;
    _Atomic uint64_t count;
};

static void *count_alloc(void *context, size_t bytes)
{
    struct counting *counting = context;

    atomic_fetch_add(&counting->count, 1);
    return tsuga_memory_alloc(counting->memory, bytes);
}

static void count_free(void *context, void *pointer, size_t bytes)
{
    const struct counting *counting = context;

    tsuga_memory_free(counting->memory, pointer, bytes);
}

static void use_steadily(struct tsuga_actor *self, void *argument)
{
    struct counting *counting = argument;
    int fd = tsuga_fixture_memory_file(64 << 10, 3);
    uint64_t before = 0;

    for (unsigned round = 0; round < 100; round++) {
        struct tsuga_token ops[16];

        if (round == 2)
            before = atomic_load(&counting->count);
        for (unsigned i = 0; i < 16; i++)
            ops[i] =
                i % 2 == 0 ? tsuga_read_at(self, fd, i * UINT64_C(4096), 4096) : tsuga_nop(self);
        for (unsigned i = 0; i < 16; i++) {
            struct tsuga_completion got = tsuga_await(self, ops[i]);

            tsuga_content_check(got.data, got.bytes, 3, i * UINT64_C(4096));
        }
    }
    CHECK_UINT(atomic_load(&counting->count), before);
    close(fd);
}

TEST(allocation, z08_nothing_is_allocated_between_submission_and_delivery)
{
    struct counting counting = {.backing = *tsuga_backing_default(),
                                .memory = &tsuga_backing_default()->memory};
    const struct tsuga_setup setup = {.backing = &counting.backing};

    counting.backing.memory =
        (struct tsuga_memory){.alloc = count_alloc, .free = count_free, .context = &counting};
    (void)tsuga_world_run(&setup, use_steadily, &counting);
    CHECK(counting.count > 0);
}
