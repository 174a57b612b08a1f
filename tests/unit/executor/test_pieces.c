/* Incremental groups: pieces of a buffer that the kernel goes on filling. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/base/clock.h"
#include "runtime/base/sanitize.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/limits.h"
#include "tests/support/modes.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED   47u
#define BYTES  (200u << 10)
#define BUFFER 4096u
#define PIECE  100u

/* Each way in which streams work, with incremental groups and with what stands in for them. */
static void run_in_each_mode(tsuga_body_fn *body)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        (void)tsuga_world_run(&setup, body, &mode);
        setup.config.features[TSUGA_FEATURE_BUFFER_RING_INCREMENTAL] = TSUGA_OFF;
        (void)tsuga_world_run(&setup, body, &mode);
    }
}

static struct tsuga_buffers *buffers_of(struct tsuga_actor *self, struct tsuga_group group)
{
    struct tsuga_buffers *buffers;

    CHECK_INT(tsuga_io_find_group(tsuga_seat_of(self)->io, group, &buffers), 0);
    return buffers;
}

static bool is_incremental(struct tsuga_actor *self, struct tsuga_group group)
{
    return buffers_of(self, group)->ring.is_incremental;
}

/* The first descriptor is the one to receive from. */
static struct tsuga_op open_group(struct tsuga_actor *self, uint32_t count, int ends[2])
{
    struct tsuga_group_options options = {
        .buffer_bytes = BUFFER, .buffer_count = count, .incremental = true};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};

    tsuga_make_group(self, &options, &op.group);
    tsuga_fixture_sockets(ends);
    op.fd = ends[0];
    return op;
}

static void write_piece(int fd, size_t offset, size_t bytes)
{
    char piece[BUFFER];

    tsuga_content_fill(piece, bytes, SEED, offset);
    tsuga_fixture_write(fd, piece, bytes);
}

/* Lets the ring work; what has been written arrives. */
static void pass_ticks(struct tsuga_actor *self, unsigned count)
{
    while (count-- > 0)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

static struct tsuga_completion take_piece(struct tsuga_actor *self, struct tsuga_token stream,
                                          size_t *offset)
{
    struct tsuga_completion got = tsuga_await(self, stream);

    CHECK(got.result > 0);
    CHECK(got.more);
    CHECK_UINT(got.bytes, (size_t)got.result);
    CHECK_PTR(got.data, tsuga_lease_data(self, got.lease));
    CHECK_UINT(tsuga_lease_bytes(self, got.lease), got.bytes);
    tsuga_content_check(got.data, got.bytes, SEED, *offset);
    *offset += got.bytes;
    return got;
}

static void take_last(struct tsuga_actor *self, struct tsuga_token stream, int result)
{
    struct tsuga_completion got = tsuga_await(self, stream);

    CHECK_INT(got.result, result);
    CHECK(got.last);
    CHECK_PTR(got.data, NULL);
}

struct writer {
    pthread_t thread;
    int fd;
    uint64_t seed;
};

/* Pieces of random sizes, most of them small. */
static void *write_all(void *context)
{
    struct writer *writer = context;

    for (size_t offset = 0; offset < BYTES;) {
        uint64_t number = tsuga_test_random(&writer->seed);
        size_t bytes = 1 + number % (number % 16 == 0 ? BUFFER : 200);

        bytes = bytes < BYTES - offset ? bytes : BYTES - offset;
        write_piece(writer->fd, offset, bytes);
        offset += bytes;
    }
    CHECK_INT(close(writer->fd), 0);
    return NULL;
}

static void start_writer(struct writer *writer, int fd)
{
    *writer = (struct writer){.fd = fd, .seed = tsuga_test_seed()};
    CHECK_INT(pthread_create(&writer->thread, NULL, write_all, writer), 0);
}

/* All of them on offer, and nothing of them anywhere else: when no stream uses the group. */
static void check_idle(struct tsuga_actor *self, struct tsuga_group group)
{
    struct tsuga_buffers *buffers = buffers_of(self, group);

    CHECK_UINT(buffers->user_count, 0);
    CHECK_UINT(buffers->offered_count, buffers->count);
    if (buffers->filling != NULL) {
        CHECK_UINT(buffers->filling->pin_count, 1);
        CHECK_UINT(buffers->filling->child_count, 0);
    }
}

static void receive_all(struct tsuga_actor *self, void *argument)
{
    struct tsuga_token stream;
    struct writer writer;
    size_t offset = 0;
    int ends[2];
    struct tsuga_op op = open_group(self, 4, ends);

    (void)argument;
    for (unsigned i = 0; i < 3; i++, offset = 0) {
        if (i == 1) {
            tsuga_fixture_pipe(ends);
            op.kind = TSUGA_OP_READ;
        } else if (i == 2) {
            tsuga_fixture_sockets(ends);
            op.kind = TSUGA_OP_RECV;
        }
        op.fd = ends[0];
        start_writer(&writer, ends[1]);
        stream = tsuga_submit(self, &op);
        while (offset < BYTES)
            (void)take_piece(self, stream, &offset);
        take_last(self, stream, 0);
        CHECK_INT(pthread_join(writer.thread, NULL), 0);
        check_idle(self, op.group);
        tsuga_fixture_close(ends, 1);
    }
    CHECK_INT(tsuga_group_release(self, op.group), 0);
}

TEST(pieces, a23_n03_a_stream_brings_everything_in_order)
{
    run_in_each_mode(receive_all);
}

static void read_file(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(BYTES, SEED);
    int ends[2];
    struct tsuga_op op = open_group(self, 4, ends);

    (void)argument;
    op.kind = TSUGA_OP_READ;
    op.fd = fd;
    for (unsigned i = 0; i < 3; i++) {
        struct tsuga_token stream;
        size_t offset = 0;

        CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
        stream = tsuga_submit(self, &op);
        while (offset < BYTES)
            (void)take_piece(self, stream, &offset);
        take_last(self, stream, 0);
        check_idle(self, op.group);
    }
    tsuga_fixture_close(&fd, 1);
    tsuga_fixture_close(ends, 2);
}

/* The kernel commits a buffer to a file's read beforehand, and the end of the file uses it up. */
TEST(pieces, a23_a_file_is_read_whole_again_and_again)
{
    run_in_each_mode(read_file);
}

/* Reads that fail and have used up a buffer all the same: the count stays right. */
static void fail_reads(struct tsuga_actor *self, void *argument)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    size_t offset = 0;

    (void)argument;
    op.kind = TSUGA_OP_READ;
    for (unsigned i = 0; i < 7; i++) {
        op.fd = fd;
        take_last(self, tsuga_submit(self, &op), -EISDIR);
        check_idle(self, op.group);
    }
    op.fd = ends[0];
    op.options |= TSUGA_OP_SHOW_END;
    write_piece(ends[1], 0, PIECE);
    (void)take_piece(self, tsuga_submit(self, &op), &offset);
    tsuga_fixture_close(&fd, 1);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, a_read_that_fails_does_not_lose_a_buffer)
{
    run_in_each_mode(fail_reads);
}

/* A kernel that does not tell of an end of file whether the buffer is used up. */
static struct tsuga_ring_ops silent_ops;
static uint32_t (*true_reap)(struct tsuga_ring *ring, struct tsuga_ring_result *results,
                             uint32_t count_max);

static uint32_t reap_silently(struct tsuga_ring *ring, struct tsuga_ring_result *results,
                              uint32_t count_max)
{
    uint32_t count = true_reap(ring, results, count_max);

    for (uint32_t i = 0; i < count; i++) {
        if (results[i].result <= 0)
            results[i].flags &= ~(uint32_t)TSUGA_RING_BUFFER_MORE;
    }
    return count;
}

static int create_silent(void *context, const struct tsuga_ring_config *config,
                         struct tsuga_ring **out)
{
    int error = tsuga_world_ring(context, config, out);

    CHECK_INT(error, 0);
    silent_ops = *(*out)->ops;
    true_reap = silent_ops.reap;
    silent_ops.reap = reap_silently;
    (*out)->ops = &silent_ops;
    return 0;
}

static void end_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {
        .buffer_bytes = BUFFER, .buffer_count = 2, .incremental = true};
    struct tsuga_op op = {.kind = TSUGA_OP_READ, .options = TSUGA_OP_MULTI};

    (void)argument;
    tsuga_make_group(self, &options, &op.group);
    for (unsigned i = 0; i < 7; i++) {
        struct tsuga_token stream;
        size_t offset = i * PIECE; /* not the bytes that lie there already */
        int ends[2];

        tsuga_fixture_pipe(ends);
        op.fd = ends[0];
        stream = tsuga_submit(self, &op);
        write_piece(ends[1], offset, PIECE);
        (void)take_piece(self, stream, &offset);
        tsuga_fixture_close(&ends[1], 1);
        take_last(self, stream, 0);
        check_idle(self, op.group);
        tsuga_fixture_close(ends, 1);
    }
}

TEST(pieces, a24_the_kernel_is_asked_when_a_result_does_not_tell)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode),
                                    .ring_create = create_silent};

        (void)tsuga_world_run(&setup, end_often, NULL);
    }
}

/* Many small pieces before anybody looks: they wait in few buffers and come as one of each. */
static void look_late(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    unsigned count = 0;
    size_t offset = 0;

    (void)argument;
    for (size_t i = 0; i < 70; i++) {
        write_piece(ends[1], i * PIECE, PIECE);
        pass_ticks(self, 1);
    }
    pass_ticks(self, 2);
    for (; offset < 70 * PIECE; count++)
        (void)take_piece(self, stream, &offset);
    if (is_incremental(self, op.group))
        CHECK_UINT(count, 2);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, z06_z07_what_comes_before_anyone_looks_is_one_slice_of_each_buffer)
{
    run_in_each_mode(look_late);
}

/* Something that the actor keeps. */
struct kept {
    struct tsuga_lease lease;
    size_t offset;
    size_t bytes;
};

static struct kept keep_piece(struct tsuga_actor *self, struct tsuga_token stream, size_t *offset)
{
    struct kept kept = {.offset = *offset};

    kept.lease = take_piece(self, stream, offset).lease;
    kept.bytes = *offset - kept.offset;
    CHECK_INT(tsuga_lease_retain(self, kept.lease), 0);
    return kept;
}

static void check_kept(struct tsuga_actor *self, const struct kept *kept)
{
    CHECK_UINT(tsuga_lease_bytes(self, kept->lease), kept->bytes);
    tsuga_content_check(tsuga_lease_data(self, kept->lease), kept->bytes, SEED, kept->offset);
}

/* Slices are kept while more of the same buffers arrives, and given back in any order. */
static void keep_pieces(struct tsuga_actor *self, void *argument)
{
    uint64_t seed = tsuga_test_seed();
    struct kept kept[16];
    unsigned count = 0;
    size_t written = 0;
    size_t offset = 0;
    int ends[2];
    struct tsuga_op op = open_group(self, 32, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);

    (void)argument;
    for (unsigned round = 0; round < 500; round++) {
        size_t bytes = 1 + tsuga_test_random(&seed) % 1000;
        unsigned i = (unsigned)(tsuga_test_random(&seed) % 16);

        if (i < count) {
            check_kept(self, &kept[i]);
            CHECK_INT(tsuga_lease_release(self, kept[i].lease), 0);
            kept[i] = kept[--count];
        }
        write_piece(ends[1], written, bytes);
        written += bytes;
        kept[count++] = keep_piece(self, stream, &offset);
        for (i = 0; i < count; i++)
            check_kept(self, &kept[i]);
        if (count == 16)
            CHECK_INT(tsuga_lease_release(self, kept[--count].lease), 0);
    }
    while (count > 0)
        CHECK_INT(tsuga_lease_release(self, kept[--count].lease), 0);
    while (offset < written)
        (void)take_piece(self, stream, &offset);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, stream)).result, 0);
    take_last(self, stream, -ECANCELED);
    check_idle(self, op.group);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, n03_slices_are_kept_while_more_arrives)
{
    run_in_each_mode(keep_pieces);
}

/* A buffer is filled anew when the kernel and all slices are done with it, and not before. */
static void hold_all(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    struct kept kept[2];
    size_t offset = 0;

    (void)argument;
    for (unsigned i = 0; i < 2; i++) {
        write_piece(ends[1], i * BUFFER, BUFFER);
        kept[i] = keep_piece(self, stream, &offset);
        CHECK_UINT(kept[i].bytes, BUFFER);
    }
    write_piece(ends[1], offset, PIECE);
    CHECK_INT(tsuga_await_any(self, &stream, 1, 3 * TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    for (unsigned i = 0; i < 2; i++)
        check_kept(self, &kept[i]);
    CHECK_INT(tsuga_lease_release(self, kept[0].lease), 0); /* the message has the other one */
    (void)take_piece(self, stream, &offset);
    check_kept(self, &kept[1]);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, n03_a_stream_waits_until_a_whole_buffer_is_back)
{
    run_in_each_mode(hold_all);
}

static void pause_and_resume(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 4, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    struct writer writer;
    size_t offset = 0;

    (void)argument;
    start_writer(&writer, ends[1]);
    for (unsigned i = 0; offset < BYTES; i++) {
        (void)take_piece(self, stream, &offset);
        if (i % 3 != 0)
            continue;
        CHECK_INT(tsuga_stream_pause(self, stream), 0);
        pass_ticks(self, i % 4);
        CHECK_INT(tsuga_stream_resume(self, stream), 0);
    }
    take_last(self, stream, 0);
    CHECK_INT(pthread_join(writer.thread, NULL), 0);
    check_idle(self, op.group);
    tsuga_fixture_close(ends, 1);
}

TEST(pieces, n07_a_stream_rests_and_goes_on_and_loses_nothing)
{
    run_in_each_mode(pause_and_resume);
}

/* Cancelled after any number of ticks; the next stream goes on where that one ended. */
static void cancel_at_each_tick(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    size_t written = 0;
    size_t offset = 0;

    (void)argument;
    for (unsigned i = 0; i < 60; i++) {
        struct tsuga_token stream = tsuga_submit(self, &op);
        struct tsuga_token cancel;
        struct tsuga_completion got;

        pass_ticks(self, i % 2);
        write_piece(ends[1], written, 1 + i * 7);
        written += 1 + i * 7;
        pass_ticks(self, i % 5);
        cancel = tsuga_cancel(self, stream);
        if (i % 3 == 0) {
            write_piece(ends[1], written, PIECE);
            written += PIECE;
        }
        while ((got = tsuga_await(self, stream)).more) {
            tsuga_content_check(got.data, got.bytes, SEED, offset);
            offset += got.bytes;
        }
        CHECK_INT(got.result, -ECANCELED);
        CHECK_INT(tsuga_await(self, cancel).result, 0);
        check_idle(self, op.group);
    }
    op.options |= TSUGA_OP_SHOW_END; /* what is left comes in any case */
    for (struct tsuga_token stream = tsuga_submit(self, &op); offset < written;)
        (void)take_piece(self, stream, &offset);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, z05_a_stream_is_cancelled_at_any_moment_and_the_next_one_goes_on)
{
    run_in_each_mode(cancel_at_each_tick);
}

/* Forgotten with things that wait; the group serves again as soon as the kernel is done. */
static void forget_often(struct tsuga_actor *self, void *argument)
{
    struct tsuga_group_options options = {
        .buffer_bytes = BUFFER, .buffer_count = 2, .incremental = true};
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI};

    (void)argument;
    tsuga_make_group(self, &options, &op.group);
    for (unsigned i = 0; i < 40; i++) {
        struct tsuga_token stream;
        size_t offset = 0;
        int ends[2];

        tsuga_fixture_sockets(ends);
        op.fd = ends[0];
        stream = tsuga_submit(self, &op);
        write_piece(ends[1], 0, BUFFER);
        pass_ticks(self, i % 4);
        if (i % 2 == 0)
            (void)take_piece(self, stream, &offset);
        CHECK_INT(tsuga_forget(self, stream), 0);
        while (buffers_of(self, op.group)->user_count > 0)
            pass_ticks(self, 1);
        pass_ticks(self, 1); /* the current message was a piece */
        check_idle(self, op.group);
        tsuga_fixture_close(ends, 2);
    }
    CHECK_INT(tsuga_group_release(self, op.group), 0);
}

TEST(pieces, z05_a_stream_is_forgotten_in_every_state)
{
    run_in_each_mode(forget_often);
}

/* Ends. */

/* Slices outlive their stream and their group. */
static void release_early(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 4, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    struct kept kept[3]; /* of a full buffer, and two of one that is not */
    size_t offset = 0;

    (void)argument;
    for (unsigned i = 0; i < 3; i++) {
        write_piece(ends[1], offset, i == 0 ? BUFFER : PIECE);
        kept[i] = keep_piece(self, stream, &offset);
    }
    CHECK_INT(tsuga_group_release(self, op.group), -EBUSY);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, stream)).result, 0);
    CHECK_INT(tsuga_group_release(self, op.group), -EBUSY); /* the last completion is not taken */
    take_last(self, stream, -ECANCELED);
    CHECK_INT(tsuga_group_release(self, op.group), 0);
    CHECK_INT(tsuga_group_release(self, op.group), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
    for (unsigned i = 0; i < 8; i++) {
        struct tsuga_lease other;

        CHECK_INT(tsuga_lease_make(self, BUFFER, &other), 0);
        memset(tsuga_lease_data(self, other), 0, BUFFER);
    }
    for (unsigned i = 0; i < 3; i++) {
        check_kept(self, &kept[i]);
        if (i < 2) /* the other one goes with the actor */
            CHECK_INT(tsuga_lease_release(self, kept[i].lease), 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, a21_slices_outlive_their_group)
{
    run_in_each_mode(release_early);
}

/* The actor ends with pieces that nobody has read, with slices, and with its stream armed. */
static void end_with_pieces(struct tsuga_actor *self, void *argument)
{
    const enum tsuga_mode *mode = argument;
    int ends[2];
    struct tsuga_op op = open_group(self, 4, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    size_t offset = 0;

    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    for (unsigned i = 0; i < 4; i++) {
        write_piece(ends[1], offset, PIECE);
        (void)keep_piece(self, stream, &offset);
    }
    write_piece(ends[1], offset, BUFFER); /* into two buffers */
    pass_ticks(self, (unsigned)*mode % 3);
}

TEST(pieces, z05_z19_an_actor_ends_with_pieces_in_every_state)
{
    run_in_each_mode(end_with_pieces);
}

/* Stopped from outside while it waits for more. */
struct stopped {
    struct tsuga_gate gate;
    unsigned piece_count; /* that it takes before */
};

static void wait_for_more(struct tsuga_actor *self, void *argument)
{
    struct stopped *stopped = argument;
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    const struct tsuga_message *message;
    size_t offset = 0;

    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    for (unsigned i = 0; i < stopped->piece_count; i++) {
        write_piece(ends[1], offset, PIECE);
        (void)keep_piece(self, stream, &offset);
    }
    write_piece(ends[1], offset, PIECE);
    tsuga_gate_raise(&stopped->gate);
    CHECK_INT(
        tsuga_receive(self, &(struct tsuga_select){.user_only = true}, TSUGA_FOREVER, &message),
        -ECANCELED);
}

TEST(pieces, z19_an_actor_is_stopped_with_pieces_unread)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        for (unsigned i = 0; i < 3; i++) {
            struct stopped stopped = {.piece_count = i};
            struct tsuga_run run;
            struct tsuga_id id;

            tsuga_world_start(&setup, &run);
            id = tsuga_world_spawn(&run, wait_for_more, &stopped);
            tsuga_gate_await(&stopped.gate, 1);
            CHECK_INT(tsuga_actor_stop(run.runtime, id), 0);
            tsuga_world_end(&run);
        }
    }
}

/* A slice that another actor has outlives everything else of the first one. */
static void take_over(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    struct tsuga_lease lease;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    tsuga_gate_await(argument, 1);
    CHECK_UINT(tsuga_lease_bytes(self, lease), PIECE);
    tsuga_content_check(tsuga_lease_data(self, lease), PIECE, SEED, PIECE);
}

struct handing {
    struct tsuga_gate gate;
    struct tsuga_id heir;
};

static void hand_over(struct tsuga_actor *self, void *argument)
{
    struct handing *handing = argument;
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    struct tsuga_completion got;
    size_t offset = 0;

    for (unsigned i = 0; i < 2; i++) {
        write_piece(ends[1], i * PIECE, PIECE);
        got = take_piece(self, stream, &offset);
    }
    CHECK_INT(tsuga_send_with_lease(self, handing->heir, 0, NULL, 0, got.lease), 0);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

static void raise_gate(void *state)
{
    struct handing **handing = state;

    tsuga_gate_raise(&(*handing)->gate);
}

static void hand_over_and_end(struct tsuga_actor *self, void *argument)
{
    *(struct handing **)tsuga_state(self) = argument;
    hand_over(self, argument);
}

TEST(pieces, n03_a_slice_that_was_handed_over_outlives_its_actor)
{
    TSUGA_MODES_EACH(mode)
    {
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};
        struct tsuga_spawn_options options = {
            .body = hand_over_and_end, .state_bytes = sizeof(void *), .state_fini = raise_gate};
        struct handing handing = {.heir = {0}};
        struct tsuga_run run;

        setup.config.executor.threads = 2;
        options.argument = &handing;
        tsuga_world_start(&setup, &run);
        handing.heir = tsuga_world_spawn(&run, take_over, &handing.gate);
        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
        tsuga_world_end(&run);
    }
}

/* Nobody but the actor has the bytes of a piece: it is written to where it lies, and what comes
 * before and behind it stays what it is. */
static void write_in_place(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 8, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    struct tsuga_lease own;
    struct kept kept[3];
    size_t offset = 0;

    (void)argument;
    for (unsigned i = 0; i < 3; i++) {
        write_piece(ends[1], offset, PIECE);
        kept[i] = keep_piece(self, stream, &offset);
    }
    write_piece(ends[1], offset, PIECE);
    pass_ticks(self, 1); /* and the message's reference is gone */
    CHECK_INT(tsuga_lease_writable(self, kept[1].lease, &own), 0);
    CHECK_UINT(own.value, kept[1].lease.value);
    memset(tsuga_lease_data(self, own), 0xcc, PIECE);
    check_kept(self, &kept[0]);
    check_kept(self, &kept[2]);
    (void)take_piece(self, stream, &offset);
    CHECK_INT(tsuga_lease_retain(self, kept[0].lease), 0);
    CHECK_INT(tsuga_lease_writable(self, kept[0].lease, &own), 0);
    CHECK(own.value != kept[0].lease.value);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, n13_a_piece_is_written_to_in_place)
{
    run_in_each_mode(write_in_place);
}

/* Limits. */

static void use_badly(struct tsuga_actor *self, void *argument)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    int ends[2];
    int others[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream;

    (void)argument;
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, others), 0);
        op.fd = others[0];
        CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
        tsuga_fixture_close(others, 2);
    }
    op.kind = TSUGA_OP_READ;
    op.fd = -1;
    take_last(self, tsuga_submit(self, &op), -EBADF);
    op.fd = ends[0];
    stream = tsuga_submit(self, &op);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EBUSY);
    tsuga_fixture_close(&ends[1], 1);
    pass_ticks(self, 2);
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EBUSY); /* its end is not taken */
    take_last(self, stream, 0);
    take_last(self, tsuga_submit(self, &op), 0);
    tsuga_fixture_close(ends, 1);
}

TEST(pieces, misuse_is_answered)
{
    run_in_each_mode(use_badly);
}

static void *fail_to_allocate(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return NULL;
}

static void free_nothing(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)pointer;
    (void)bytes;
}

/* No memory for a slice: that is said, and the bytes come when there is some. */
static void take_without_memory(struct tsuga_actor *self, void *argument)
{
    static const struct tsuga_memory none = {.alloc = fail_to_allocate, .free = free_nothing};
    struct tsuga_leases *leases = &tsuga_seat_home(tsuga_seat_of(self))->leases;
    const struct tsuga_memory *memory = leases->memory;
    struct tsuga_lease_entry *taken[TSUGA_LEASE_CHUNK_SLOTS];
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    unsigned count = 0;
    size_t offset = 0;

    (void)argument;
    if (!is_incremental(self, op.group))
        SKIP("the kernel has no incremental groups");
    leases->memory = &none;
    while (tsuga_leases_take(leases, &taken[count]) == 0)
        count++;
    for (unsigned i = 0; i < 3; i++) {
        struct tsuga_completion got;

        write_piece(ends[1], i * PIECE, PIECE);
        got = tsuga_await(self, stream);
        CHECK_INT(got.result, -ENOMEM);
        CHECK(got.more);
        CHECK(!got.last);
        CHECK_UINT(got.bytes, 0);
        CHECK_PTR(got.data, NULL);
        CHECK_UINT(got.lease.value, 0);
    }
    pass_ticks(self, 2);
    while (count > 0)
        tsuga_leases_give(leases, taken[--count]);
    leases->memory = memory;
    (void)take_piece(self, stream, &offset);
    CHECK_UINT(offset, 3 * PIECE);
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

TEST(pieces, a_lack_of_memory_loses_nothing)
{
    tsuga_needs("BUFFER_RING_INCREMENTAL");
    (void)tsuga_world_run(NULL, take_without_memory, NULL);
}

/* AddressSanitizer finds who reads what the kernel may still write. */
static void check_poison(struct tsuga_actor *self, void *argument)
{
    int ends[2];
    struct tsuga_op op = open_group(self, 2, ends);
    struct tsuga_token stream = tsuga_submit(self, &op);
    struct kept kept[2];
    const char *data;
    size_t offset = 0;

    (void)argument;
    if (!is_incremental(self, op.group))
        SKIP("the kernel has no incremental groups");
    write_piece(ends[1], 0, PIECE);
    kept[0] = keep_piece(self, stream, &offset);
    data = tsuga_lease_data(self, kept[0].lease);
    CHECK(tsuga_sanitize_is_poisoned(data + PIECE, 1));
    CHECK(tsuga_sanitize_is_poisoned(data + BUFFER - 1, 1));
    write_piece(ends[1], PIECE, PIECE);
    pass_ticks(self, 2);
    CHECK(tsuga_sanitize_is_poisoned(data + PIECE, 1)); /* is there, and not taken */
    kept[1] = keep_piece(self, stream, &offset);
    CHECK_PTR(tsuga_lease_data(self, kept[1].lease), data + PIECE);
    CHECK(!tsuga_sanitize_is_poisoned(data, 2 * PIECE));
    CHECK(tsuga_sanitize_is_poisoned(data + 2 * PIECE, 1));
    CHECK_INT(tsuga_forget(self, stream), 0);
    tsuga_fixture_close(ends, 2);
}

/* Whether this build can tell. */
static bool has_poison(void)
{
    static char probe[64];
    bool is_poisoned;

    tsuga_sanitize_poison(probe, sizeof(probe));
    is_poisoned = tsuga_sanitize_is_poisoned(probe, sizeof(probe));
    tsuga_sanitize_unpoison(probe, sizeof(probe));
    return is_poisoned;
}

TEST(pieces, n03_what_the_kernel_may_write_is_poisoned)
{
    tsuga_needs("BUFFER_RING_INCREMENTAL");
    if (!has_poison())
        SKIP("this build has no AddressSanitizer");
    (void)tsuga_world_run(NULL, check_poison, NULL);
}
