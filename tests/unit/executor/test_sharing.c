/* Leases that are sliced, written to, handed to other actors, and outlive their makers. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED   47u
#define BYTES  5000u
#define PART   1000u
#define OFFSET 300u
#define HOPS   200u

static struct tsuga_lease make(struct tsuga_actor *self, size_t bytes, uint64_t seed)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, bytes, &lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, lease), bytes, seed, 0);
    return lease;
}

static void bump(void *count)
{
    ++*(unsigned *)count;
}

/* Slices. */

static int cut(struct tsuga_actor *self, struct tsuga_lease whole, struct tsuga_slice slice,
               struct tsuga_lease *out)
{
    return tsuga_lease_slice(self, whole, &slice, out);
}

static void slice(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease whole = make(self, BYTES, SEED);
    char *data = tsuga_lease_data(self, whole);
    struct tsuga_lease part;
    struct tsuga_lease inner;
    unsigned released = 0;

    (void)argument;
    CHECK_INT(cut(self, whole, (struct tsuga_slice){OFFSET, PART, bump, &released}, &part), 0);
    CHECK_INT(cut(self, part, (struct tsuga_slice){10, 20, bump, &released}, &inner), 0);
    CHECK_PTR(tsuga_lease_data(self, part), data + OFFSET);
    CHECK_PTR(tsuga_lease_data(self, inner), data + OFFSET + 10);
    CHECK_UINT(tsuga_lease_bytes(self, inner), 20);
    CHECK_INT(tsuga_lease_release(self, whole), 0);
    CHECK_INT(tsuga_lease_release(self, part), 0);
    CHECK_PTR(tsuga_lease_data(self, whole), NULL);
    CHECK_INT(tsuga_lease_release(self, whole), -ENOENT);
    CHECK_UINT(released, 0); /* the inner one keeps them all */
    for (unsigned i = 0; i < 10; i++)
        CHECK(tsuga_lease_data(self, make(self, BYTES, SEED + 1)) != data);
    tsuga_content_check(tsuga_lease_data(self, inner), 20, SEED, OFFSET + 10);
    CHECK_INT(tsuga_lease_release(self, inner), 0);
    CHECK_UINT(released, 2);
    CHECK_PTR(tsuga_lease_data(self, make(self, BYTES, SEED)), data);
}

TEST(sharing, a26_a28_slices_keep_their_whole_and_have_releases_of_their_own)
{
    (void)tsuga_world_run(NULL, slice, NULL);
}

static void slice_badly(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease whole = make(self, BYTES, SEED);
    struct tsuga_lease part;
    struct tsuga_lease out = {7};
    unsigned released = 0;

    (void)argument;
    CHECK_INT(cut(self, whole, (struct tsuga_slice){0, BYTES, bump, &released}, &part), 0);
    CHECK_INT(tsuga_lease_release(self, part), 0);
    CHECK_UINT(released, 1);
    CHECK_INT(cut(self, part, (struct tsuga_slice){0, 1, bump, &released}, &out), -ENOENT);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){BYTES - 1, 1, NULL, NULL}, &part), 0);
    CHECK_INT(cut(self, part, (struct tsuga_slice){0, 2, NULL, NULL}, &out), -EINVAL);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){0, 0, NULL, NULL}, &out), -EINVAL);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){0, BYTES + 1, NULL, NULL}, &out), -EINVAL);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){BYTES, 1, NULL, NULL}, &out), -EINVAL);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){1, SIZE_MAX, NULL, NULL}, &out), -EINVAL);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){SIZE_MAX, 1, NULL, NULL}, &out), -EINVAL);
    CHECK_INT(cut(self, (struct tsuga_lease){0}, (struct tsuga_slice){0, 1, NULL, NULL}, &out),
              -EINVAL);
    CHECK_UINT(out.value, 7);
}

TEST(sharing, a27_a_slice_lies_within_its_whole)
{
    (void)tsuga_world_run(NULL, slice_badly, NULL);
}

/* The operation is the last that uses the slice, and the slice the last that uses the whole. */
static void send_slice(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease whole = make(self, BYTES, SEED);
    struct tsuga_lease part;
    unsigned released = 0;
    struct tsuga_token send;
    char content[PART];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    CHECK_INT(cut(self, whole, (struct tsuga_slice){OFFSET, PART, bump, &released}, &part), 0);
    send = tsuga_send_lease(self, ends[0], part);
    CHECK_INT(tsuga_lease_release(self, part), 0);
    CHECK_INT(tsuga_lease_release(self, whole), 0);
    CHECK_UINT(released, 0);
    memset(tsuga_lease_data(self, make(self, BYTES, SEED + 1)), 0, BYTES);
    CHECK_INT(tsuga_await(self, send).result, PART);
    CHECK_UINT(released, 0); /* the message has it */
    tsuga_fixture_read(ends[1], content, PART);
    tsuga_content_check(content, PART, SEED, OFFSET);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_UINT(released, 1);
    tsuga_fixture_close(ends, 2);
}

TEST(sharing, n12_a_release_is_called_once_and_after_the_last_operation)
{
    (void)tsuga_world_run(NULL, send_slice, NULL);
}

static void leave_slices(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease whole = make(self, BYTES, SEED);
    struct tsuga_lease part;
    int fds[2];

    for (unsigned i = 0; i < 10; i++)
        CHECK_INT(cut(self, whole, (struct tsuga_slice){i, PART, bump, argument}, &part), 0);
    CHECK_INT(cut(self, part, (struct tsuga_slice){1, 2, bump, argument}, &whole), 0);
    tsuga_fixture_pipe(fds);
    CHECK_INT(tsuga_fd_adopt(self, fds[0]), 0);
    CHECK_INT(tsuga_fd_adopt(self, fds[1]), 0);
    CHECK_INT(tsuga_op_error(tsuga_read_lease(self, fds[0], part, PART)), 0);
}

TEST(sharing, n12_the_end_of_an_actor_releases_its_slices)
{
    unsigned released = 0;

    (void)tsuga_world_run(NULL, leave_slices, &released);
    CHECK_UINT(released, 11);
}

/* Writing. */

static void write_to(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make(self, BYTES, SEED);
    struct tsuga_lease same;
    struct tsuga_lease copy;
    struct tsuga_token send;
    char content[BYTES];
    int ends[2];

    (void)argument;
    tsuga_fixture_sockets(ends);
    CHECK_INT(tsuga_lease_writable(self, lease, &same), 0);
    CHECK_UINT(same.value, lease.value);
    send = tsuga_send_lease(self, ends[0], lease);
    CHECK_INT(tsuga_lease_writable(self, lease, &copy), 0);
    CHECK(copy.value != lease.value);
    CHECK_UINT(tsuga_lease_bytes(self, copy), BYTES);
    tsuga_content_check(tsuga_lease_data(self, copy), BYTES, SEED, 0);
    memset(tsuga_lease_data(self, copy), 0, BYTES); /* before the kernel has looked */
    CHECK_INT(tsuga_await(self, send).result, BYTES);
    tsuga_fixture_read(ends[1], content, BYTES);
    tsuga_content_check(content, BYTES, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, copy), 0);
    /* The message was the last that had the old one; it is gone with this. */
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_lease_retain(self, lease), -ENOENT);
    CHECK_INT(tsuga_lease_writable(self, lease, &copy), -ENOENT);
    CHECK_INT(tsuga_lease_writable(self, (struct tsuga_lease){0}, &copy), -EINVAL);
    tsuga_fixture_close(ends, 2);
}

TEST(sharing, n13_a_lease_in_flight_is_copied_before_it_is_written_to)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, write_to, NULL);

    CHECK_UINT(stats.copied_bytes, BYTES);
}

static void write_to_shared(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make(self, BYTES, SEED);
    struct tsuga_lease part;
    struct tsuga_lease copy;

    (void)argument;
    CHECK_INT(tsuga_lease_retain(self, lease), 0);
    CHECK_INT(tsuga_lease_writable(self, lease, &copy), 0);
    CHECK(copy.value != lease.value);
    CHECK_INT(cut(self, lease, (struct tsuga_slice){0, 10, NULL, NULL}, &part), 0);
    CHECK_INT(tsuga_lease_retain(self, part), 0);
    CHECK_INT(tsuga_lease_writable(self, part, &copy), 0);
    memset(tsuga_lease_data(self, copy), 0, 10);
    tsuga_content_check(tsuga_lease_data(self, lease), BYTES, SEED, 0);
}

TEST(sharing, n13_references_and_slices_keep_their_bytes)
{
    (void)tsuga_world_run(NULL, write_to_shared, NULL);
}

/* Handing over. */

struct relay {
    struct tsuga_id next;
    uint32_t executor_count;
    unsigned hops;
    struct tsuga_gate done;
};

/* Reads and sends on what it is handed, from its own place in the bytes. */
static void relay_on(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct relay *relay;
    struct tsuga_lease lease;
    struct tsuga_lease again;
    unsigned hops;

    memcpy(&relay, tsuga_message_data(message), sizeof(struct relay *));
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    CHECK_INT(tsuga_message_lease(self, message, &again), -ENOENT);
    CHECK_UINT(tsuga_lease_bytes(self, lease), BYTES);
    tsuga_content_check(tsuga_lease_data(self, lease), BYTES, SEED, 0);
    hops = --relay->hops;
    if (hops == 0) {
        tsuga_gate_raise(&relay->done);
        tsuga_exit(self, TSUGA_NORMAL);
    } else {
        struct tsuga_spawn_options options = {.behaviour = relay_on,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = hops % relay->executor_count};
        struct tsuga_id next;

        CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &next), 0);
        CHECK_INT(tsuga_send_with_lease(self, next, 0, &relay, sizeof(struct relay *), lease), 0);
        /* Before, after or never, by turns: what remains goes with the actor. */
        if (hops % 3 == 0)
            CHECK_INT(tsuga_lease_release(self, lease), 0);
        tsuga_exit(self, TSUGA_NORMAL);
    }
}

/* The maker has long ended when the last one reads. */
static void start_relay(struct tsuga_actor *self, void *argument)
{
    struct relay *relay = argument;
    struct tsuga_spawn_options options = {.behaviour = relay_on};
    struct tsuga_lease lease = make(self, BYTES, SEED);

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &relay->next), 0);
    CHECK_INT(tsuga_send_with_lease(self, relay->next, 0, &relay, sizeof(struct relay *), lease),
              0);
}

static void relay_over(uint32_t executor_count)
{
    const struct tsuga_setup setup = {.config.executor.threads = executor_count};
    struct relay relay = {.executor_count = executor_count, .hops = HOPS};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    (void)tsuga_world_spawn(&run, start_relay, &relay);
    tsuga_gate_await(&relay.done, 1);
    tsuga_world_end(&run);
    CHECK_UINT(run.stats.copied_bytes, 0);
}

/* The maker of a lease ends with a job that does not: its heap is given up. When the job has ended
 * after all, the heap counts again as long as somebody has the lease. */

struct abandonment {
    struct tsuga_gate begun; /* the job, which cannot be cancelled from then on */
    struct tsuga_gate job;
    struct tsuga_id heir;
};

static void stay_in_a_job(void *context)
{
    struct abandonment *abandonment = context;

    tsuga_gate_raise(&abandonment->begun);
    tsuga_gate_await(&abandonment->job, 1);
}

static void leave_a_lease(struct tsuga_actor *self, void *argument)
{
    struct abandonment *abandonment = argument;
    struct tsuga_lease lease = make(self, PART, SEED);

    CHECK_INT(tsuga_op_error(tsuga_blocking(self, stay_in_a_job, abandonment)), 0);
    tsuga_gate_await(&abandonment->begun, 1);
    CHECK_INT(tsuga_send_with_lease(self, abandonment->heir, 0, NULL, 0, lease), 0);
}

static void await_leaked(struct tsuga_actor *self, uint64_t count)
{
    struct tsuga_stats stats;

    do {
        CHECK_INT(tsuga_await(self, tsuga_timeout(self, 1000)).result, 0);
        tsuga_stats_read(tsuga_runtime_of(self), &stats);
    } while (stats.leaked_heaps != count);
}

static void inherit_lease(struct tsuga_actor *self, void *argument)
{
    struct abandonment *abandonment = argument;
    const struct tsuga_message *message;
    struct tsuga_lease lease;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    await_leaked(self, 1);
    tsuga_gate_raise(&abandonment->job);
    await_leaked(self, 0);
    tsuga_content_check(tsuga_lease_data(self, lease), PART, SEED, 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
}

TEST(sharing, h43_a_lease_outlives_a_heap_that_was_given_up)
{
    static struct tsuga_lines lines;
    const struct tsuga_setup setup = {.config.actor.death_ms = 1, .lines = &lines};
    struct abandonment abandonment = {.heir = {0}};
    struct tsuga_run run;

    tsuga_lines_init(&lines);
    tsuga_world_start(&setup, &run);
    abandonment.heir = tsuga_world_spawn(&run, inherit_lease, &abandonment);
    (void)tsuga_world_spawn(&run, leave_a_lease, &abandonment);
    tsuga_world_end(&run);
    CHECK(tsuga_lines_contain(&lines, "it is kept until"));
}

/* Of two who share a lease the last one sends it home, and the other one's reading is over, too.
 * Everybody touches all bytes at once: ThreadSanitizer remembers four accesses to eight bytes. */

struct readers {
    struct tsuga_id second;
    struct tsuga_gate done; /* the bytes are written to again: until then no reader ends its turn,
                               which might tell the writer by the way that it has read */
    unsigned released;
};

static void read_handed(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_id here = tsuga_self(self);
    struct readers *readers;
    struct tsuga_lease lease;
    char expected[PART];

    memcpy(&readers, tsuga_message_data(message), sizeof(struct readers *));
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    if (here.value != readers->second.value)
        CHECK_INT(tsuga_send_with_lease(self, readers->second, 0, &readers,
                                        sizeof(struct readers *), lease),
                  0);
    memset(expected, SEED, PART);
    CHECK(memcmp(tsuga_lease_data(self, lease), expected, PART) == 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    tsuga_gate_await(&readers->done, 1);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void write_when_both_have_read(struct tsuga_actor *self, void *argument)
{
    struct readers *readers = argument;
    struct tsuga_spawn_options options = {
        .behaviour = read_handed, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1};
    struct tsuga_slice all = {0, PART, bump, &readers->released};
    struct tsuga_lease whole;
    struct tsuga_lease part;
    struct tsuga_id first;
    void *bytes;

    CHECK_INT(tsuga_lease_make(self, PART, &whole), 0);
    bytes = tsuga_lease_data(self, whole);
    memset(bytes, SEED, PART);
    CHECK_INT(cut(self, whole, all, &part), 0);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &first), 0);
    options.executor = 2;
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &readers->second), 0);
    CHECK_INT(tsuga_send_with_lease(self, first, 0, &readers, sizeof(struct readers *), part), 0);
    CHECK_INT(tsuga_lease_release(self, part), 0);
    while (readers->released == 0)
        CHECK_INT(tsuga_yield(self), 0);
    memset(bytes, 0, PART);
    tsuga_gate_raise(&readers->done);
}

TEST(sharing, h47_every_reader_is_done_before_the_bytes_are_used_again)
{
    const struct tsuga_setup setup = {.config.executor.threads = 3};
    struct readers readers = {.released = 0};

    (void)tsuga_world_run(&setup, write_when_both_have_read, &readers);
    CHECK_UINT(readers.released, 1);
}

TEST(sharing, h47_a_lease_is_handed_from_actor_to_actor_without_a_copy)
{
    relay_over(1);
}

TEST(sharing, h47_a_lease_is_handed_from_executor_to_executor_and_outlives_its_maker)
{
    relay_over(3);
}

/* Writes through what it was handed, on its own executor, after the maker's end. */
static void write_it(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_lease lease;
    struct tsuga_lease part;
    int fd;

    memcpy(&fd, tsuga_message_data(message), sizeof(fd));
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    CHECK_INT(cut(self, lease, (struct tsuga_slice){OFFSET, PART, NULL, NULL}, &part), 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_await(self, tsuga_write_lease(self, fd, part, PART)).result, PART);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void hand_to_writer(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {
        .behaviour = write_it, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1};
    struct tsuga_lease lease = make(self, BYTES, SEED);
    struct tsuga_id writer;

    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &writer), 0);
    CHECK_INT(tsuga_send_with_lease(self, writer, 0, argument, sizeof(int), lease), 0);
}

TEST(sharing, h47_what_was_handed_over_is_written_without_a_copy)
{
    const struct tsuga_setup setup = {.config.executor.threads = 2};
    int fd = tsuga_fixture_memory_file(0, 0);
    char content[PART];
    struct tsuga_stats stats = tsuga_world_run(&setup, hand_to_writer, &fd);

    CHECK_UINT(stats.copied_bytes, 0);
    CHECK_INT(pread(fd, content, PART, 0), PART);
    tsuga_content_check(content, PART, SEED, OFFSET);
    close(fd);
}

/* Messages that nobody reads, receivers that do not exist, mailboxes that are full. */
static void hand_in_vain(struct tsuga_actor *self, void *argument)
{
    struct tsuga_spawn_options options = {
        .behaviour = relay_on, .mailbox_capacity = 1, .placement = TSUGA_PLACE_HERE};
    struct tsuga_lease lease = make(self, BYTES, SEED);
    const struct tsuga_message *message;
    struct tsuga_lease out = {7};
    struct tsuga_id deaf;

    (void)argument;
    CHECK_INT(tsuga_send_with_lease(self, (struct tsuga_id){0}, 0, NULL, 0, lease), -ESRCH);
    CHECK_INT(tsuga_send_with_lease(self, tsuga_self(self), 0, NULL, 8, lease), -EINVAL);
    CHECK_INT(tsuga_send_with_lease(self, tsuga_self(self), 0, NULL, 0, out), -EINVAL);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &options, &deaf), 0);
    CHECK_INT(tsuga_send_with_lease(self, deaf, 0, NULL, 0, lease), 0);
    CHECK_INT(tsuga_send_with_lease(self, deaf, 0, NULL, 0, lease), -EAGAIN);
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), deaf), 0);
    CHECK_INT(tsuga_send_with_lease(self, tsuga_self(self), 0, NULL, 0, lease), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    /* Not taken out of this one, and not sent with this one. */
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, NULL, 0), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_lease(self, message, &out), -ENOENT);
    CHECK_INT(tsuga_message_lease(self, NULL, &out), -EINVAL);
    CHECK_UINT(out.value, 7);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    while (!tsuga_list_is_empty(&tsuga_seat_of(self)->io->leases))
        CHECK_INT(tsuga_yield(self), 0);
}

TEST(sharing, leases_in_messages_that_nobody_reads_come_back)
{
    (void)tsuga_world_run(NULL, hand_in_vain, NULL);
}

/* A kept message keeps its lease. */
static void keep_letter(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *kept;
    const struct tsuga_message *other;
    struct tsuga_lease lease = make(self, BYTES, SEED);

    (void)argument;
    CHECK_INT(tsuga_send_with_lease(self, tsuga_self(self), 0, NULL, 0, lease), 0);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &kept), 0);
    CHECK_INT(tsuga_message_keep(self, kept), 0);
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, NULL, 0), 0);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &other), 0);
    CHECK_INT(tsuga_message_lease(self, kept, &lease), 0);
    CHECK_INT(tsuga_message_release(self, kept), 0);
    tsuga_content_check(tsuga_lease_data(self, lease), BYTES, SEED, 0);
}

TEST(sharing, a_message_that_is_kept_keeps_its_lease)
{
    (void)tsuga_world_run(NULL, keep_letter, NULL);
}

/* The maker is dead, its heap holds one small lease of a reader's, and much that nobody has. */
struct remnant {
    struct tsuga_run run;
    struct tsuga_id reader;
    struct tsuga_gate taken;
    struct tsuga_gate looked;
};

static void hold_small(struct tsuga_actor *self, void *argument)
{
    struct remnant *remnant = argument;
    const struct tsuga_message *message;
    struct tsuga_lease lease;

    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    CHECK_INT(tsuga_message_lease(self, message, &lease), 0);
    tsuga_gate_raise(&remnant->taken);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    tsuga_content_check(tsuga_lease_data(self, lease), PART, SEED, 0);
}

static void leave_much(struct tsuga_actor *self, void *argument)
{
    struct remnant *remnant = argument;
    struct tsuga_lease small = make(self, PART, SEED);

    for (unsigned i = 0; i < 16; i++)
        (void)make(self, 1u << 20, SEED);
    CHECK_INT(tsuga_send_with_lease(self, remnant->reader, 0, NULL, 0, small), 0);
}

TEST(sharing, h43_a_lease_keeps_its_own_segment_and_no_other)
{
    struct remnant remnant = {.reader = {0}};
    struct tsuga_stats stats;

    tsuga_world_start(NULL, &remnant.run);
    remnant.reader = tsuga_world_spawn(&remnant.run, hold_small, &remnant);
    (void)tsuga_world_spawn(&remnant.run, leave_much, &remnant);
    tsuga_gate_await(&remnant.taken, 1);
    do
        tsuga_stats_read(remnant.run.runtime, &stats);
    while (stats.orphans > 0 || stats.actors_ended == 0);
    CHECK_UINT(stats.actors_alive, 1);
    CHECK_UINT(stats.heaps.segment_bytes_max, 0); /* not reclaimed as a whole yet */
    CHECK_INT(tsuga_post(remnant.run.runtime, remnant.reader, 0, NULL, 0), 0);
    tsuga_world_end(&remnant.run);
    CHECK(remnant.run.stats.heaps.segment_bytes_max >= 16u << 20);
    CHECK(remnant.run.stats.heaps.segment_bytes <= 4096); /* what it had at the very end */
}
