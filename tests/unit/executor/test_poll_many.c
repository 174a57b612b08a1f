/*
 * One actor serves many descriptors, by either way of examples/poll_many.c: streams of polls with
 * many reads after each, and streams of reads. Some descriptors end, one never does, and some say
 * nothing until they are cancelled.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/modes.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define ENDING_COUNT 12u /* the first ones */
#define SILENT_COUNT 6u  /* the ones after those; the last one never ends */
#define SOURCE_COUNT (ENDING_COUNT + SILENT_COUNT + 1)
#define ENDLESS      (SOURCE_COUNT - 1)
#define BYTES        20000u
#define READ_BYTES   512u
#define TURNS        24u /* reads of each descriptor that is filled beforehand */

enum way { BY_POLLS, BY_STREAMS };

struct source {
    int ends[2];
    uint64_t seed;
    size_t offset;
    bool is_reading;
    bool is_writer_closed;
    struct tsuga_token polls; /* 0: the stream has ended */
    pthread_t writer;
    atomic_bool *is_over; /* for the writer that never ends */
};

struct crowd {
    enum way way;
    uint64_t seed;
    struct source sources[SOURCE_COUNT];
    struct source *open[SOURCE_COUNT]; /* the same places as in `ops` */
    struct tsuga_token ops[SOURCE_COUNT];
    size_t open_count;
    atomic_bool is_over;
};

/* Writers: threads beside the runtime. */

static void *write_to_the_end(void *context)
{
    struct source *source = context;
    uint64_t random = source->seed;
    char content[700];

    for (size_t offset = 0; offset < BYTES;) {
        size_t bytes = 1 + tsuga_test_random(&random) % sizeof(content);

        bytes = BYTES - offset < bytes ? BYTES - offset : bytes;
        tsuga_content_fill(content, bytes, source->seed, offset);
        tsuga_fixture_write(source->ends[1], content, bytes);
        offset += bytes;
    }
    CHECK_INT(close(source->ends[1]), 0);
    return NULL;
}

/* Keeps its pipe full, so that there is always something to read. */
static void *write_without_end(void *context)
{
    struct source *source = context;
    struct pollfd room = {.fd = source->ends[1], .events = POLLOUT};
    size_t offset = 0;
    char content[READ_BYTES];

    while (!atomic_load(source->is_over)) {
        tsuga_content_fill(content, sizeof(content), source->seed, offset);
        ssize_t written = write(source->ends[1], content, sizeof(content));

        CHECK(written > 0 || errno == EAGAIN);
        offset += written > 0 ? (size_t)written : 0;
        (void)poll(&room, 1, 1);
    }
    return NULL;
}

static void open_source(struct source *source, uint64_t seed)
{
    *source = (struct source){.seed = seed};
    CHECK_INT(pipe2(source->ends, O_CLOEXEC), 0);
    CHECK_INT(fcntl(source->ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void start_writers(struct crowd *crowd)
{
    for (unsigned i = 0; i < ENDING_COUNT; i++) {
        struct source *source = &crowd->sources[i];

        CHECK_INT(pthread_create(&source->writer, NULL, write_to_the_end, source), 0);
        source->is_writer_closed = true;
    }
    struct source *endless = &crowd->sources[ENDLESS];
    endless->is_over = &crowd->is_over;
    CHECK_INT(fcntl(endless->ends[1], F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(pthread_create(&endless->writer, NULL, write_without_end, endless), 0);
}

static void end_writers(struct crowd *crowd)
{
    atomic_store(&crowd->is_over, true);
    for (unsigned i = 0; i < ENDING_COUNT; i++)
        CHECK_INT(pthread_join(crowd->sources[i].writer, NULL), 0);
    CHECK_INT(pthread_join(crowd->sources[ENDLESS].writer, NULL), 0);
    for (unsigned i = 0; i < SOURCE_COUNT; i++)
        tsuga_fixture_close(crowd->sources[i].ends, crowd->sources[i].is_writer_closed ? 1 : 2);
}

/* The actor: one operation of each descriptor is waited for at a time. */

static struct tsuga_token start_poll(struct tsuga_actor *self, struct source *source)
{
    source->is_reading = false;
    if (source->polls.value == 0)
        source->polls = tsuga_poll_stream(self, source->ends[0], POLLIN);
    return source->polls;
}

static struct tsuga_token start_read(struct tsuga_actor *self, struct source *source)
{
    source->is_reading = true;
    return tsuga_read(self, source->ends[0], READ_BYTES);
}

static void add(struct tsuga_actor *self, struct crowd *crowd, struct source *source)
{
    bool is_stream = crowd->way == BY_STREAMS;

    source->is_reading = is_stream;
    crowd->open[crowd->open_count] = source;
    crowd->ops[crowd->open_count++] =
        is_stream ? tsuga_read_stream(self, source->ends[0]) : start_poll(self, source);
}

static void drop(struct tsuga_actor *self, struct crowd *crowd, size_t place)
{
    struct source *source = crowd->open[place];

    if (source->polls.value != 0)
        CHECK_INT(tsuga_forget(self, source->polls), 0);
    crowd->open_count--;
    crowd->open[place] = crowd->open[crowd->open_count];
    crowd->ops[place] = crowd->ops[crowd->open_count];
}

static void has_polled(struct tsuga_actor *self, struct crowd *crowd, size_t place,
                       const struct tsuga_completion *io)
{
    struct source *source = crowd->open[place];

    CHECK(io->result > 0);
    if (io->last)
        source->polls.value = 0;
    crowd->ops[place] = start_read(self, source);
}

static void has_read(struct tsuga_actor *self, struct crowd *crowd, size_t place,
                     const struct tsuga_completion *io)
{
    struct source *source = crowd->open[place];

    if (io->result > 0) {
        tsuga_content_check(io->data, io->bytes, source->seed, source->offset);
        source->offset += io->bytes;
    }
    if (io->result == 0) {
        CHECK(io->last);
        drop(self, crowd, place);
    } else if (io->result == -EAGAIN && crowd->way == BY_POLLS) {
        crowd->ops[place] = start_poll(self, source);
    } else {
        CHECK(io->result > 0);
        if (crowd->way == BY_POLLS)
            crowd->ops[place] = start_read(self, source);
    }
}

/* Waits for any of all, and deals with it. */
static void serve_one(struct tsuga_actor *self, struct crowd *crowd)
{
    struct tsuga_completion io =
        tsuga_await_any(self, crowd->ops, crowd->open_count, TSUGA_FOREVER);
    size_t place = 0;

    while (!tsuga_token_equal(crowd->ops[place], io.op))
        CHECK(++place < crowd->open_count);
    if (crowd->open[place]->is_reading)
        has_read(self, crowd, place, &io);
    else
        has_polled(self, crowd, place, &io);
}

/* Each has one last completion, however many come before it. What says nothing was cancelled. */
static void cancel_rest(struct tsuga_actor *self, struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->open_count; i++) {
        struct tsuga_token cancel = tsuga_cancel(self, crowd->ops[i]);
        bool is_endless = crowd->open[i] == &crowd->sources[ENDLESS];

        /* Its read may have ended, and that is still to be taken. */
        CHECK(tsuga_op_error(cancel) == 0 || is_endless);
        (void)tsuga_forget(self, cancel);
    }
    while (crowd->open_count > 0) {
        struct source *source = crowd->open[0];
        struct tsuga_completion io;

        while ((io = tsuga_await(self, crowd->ops[0])).more)
            CHECK(source == &crowd->sources[ENDLESS]);
        CHECK(io.last);
        CHECK(io.result == -ECANCELED || source == &crowd->sources[ENDLESS]);
        CHECK_INT(tsuga_await(self, crowd->ops[0]).result, -ENOENT);
        if (!source->is_reading)
            source->polls.value = 0;
        drop(self, crowd, 0);
    }
}

static bool have_ended(const struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->open_count; i++)
        if (crowd->open[i] < &crowd->sources[ENDING_COUNT])
            return false;
    return true;
}

/* The one that never ends is the first to have something, and has it all the time; the others are
 * served to their ends nevertheless. */
static void serve_crowd(struct tsuga_actor *self, void *argument)
{
    struct crowd *crowd = argument;

    for (unsigned i = 0; i < SOURCE_COUNT; i++)
        open_source(&crowd->sources[i], crowd->seed + i);
    start_writers(crowd);
    for (unsigned i = SOURCE_COUNT; i-- > 0;)
        add(self, crowd, &crowd->sources[i]);
    while (!have_ended(crowd) || crowd->sources[ENDLESS].offset == 0)
        serve_one(self, crowd);
    for (unsigned i = 0; i < ENDING_COUNT; i++)
        CHECK_UINT(crowd->sources[i].offset, BYTES);
    CHECK_UINT(crowd->open_count, SILENT_COUNT + 1);
    cancel_rest(self, crowd);
    end_writers(crowd);
}

static void serve_in_each_mode(enum way way)
{
    uint64_t seed = tsuga_test_seed();

    TSUGA_MODES_EACH(mode)
    {
        static struct crowd crowd;
        struct tsuga_setup setup = {.config = tsuga_mode_config(mode)};

        crowd = (struct crowd){.way = way, .seed = seed + mode * SOURCE_COUNT};
        (void)tsuga_world_run(&setup, serve_crowd, &crowd);
    }
}

TEST(poll_many, h42_poll_streams_and_many_reads_serve_all_to_their_ends)
{
    serve_in_each_mode(BY_POLLS);
}

TEST(poll_many, h42_read_streams_serve_all_to_their_ends)
{
    serve_in_each_mode(BY_STREAMS);
}

/* Where all have something, no one is more than a turn ahead of any other. */
static void take_turns(struct tsuga_actor *self, void *argument)
{
    struct crowd *crowd = argument;

    for (unsigned i = 0; i < ENDING_COUNT; i++)
        add(self, crowd, &crowd->sources[i]);
    while (crowd->open_count == ENDING_COUNT) {
        size_t least = SIZE_MAX;
        size_t most = 0;

        serve_one(self, crowd);
        for (unsigned i = 0; i < ENDING_COUNT; i++) {
            size_t offset = crowd->sources[i].offset;

            least = offset < least ? offset : least;
            most = offset > most ? offset : most;
        }
        CHECK(most - least <= READ_BYTES);
    }
    while (crowd->open_count > 0)
        serve_one(self, crowd);
}

TEST(poll_many, h42_each_has_its_turn)
{
    static struct crowd crowd;
    char content[TURNS * READ_BYTES];

    for (unsigned i = 0; i < ENDING_COUNT; i++) {
        struct source *source = &crowd.sources[i];

        open_source(source, i);
        tsuga_content_fill(content, sizeof(content), source->seed, 0);
        tsuga_fixture_write(source->ends[1], content, sizeof(content));
        tsuga_fixture_close(&source->ends[1], 1);
    }
    (void)tsuga_world_run(NULL, take_turns, &crowd);
    for (unsigned i = 0; i < ENDING_COUNT; i++) {
        CHECK_UINT(crowd.sources[i].offset, sizeof(content));
        tsuga_fixture_close(crowd.sources[i].ends, 1);
    }
}
