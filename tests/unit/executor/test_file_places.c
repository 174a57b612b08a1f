/* Places of files: descriptors that are used often, and what becomes of them when they go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/descriptors.h"
#include "executor/executor.h"
#include "tests/support/fixture.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static struct tsuga_setup setup_with(enum tsuga_registration registration)
{
    tsuga_needs("REGISTERED_FILES");
    CHECK_INT(unsetenv("TSUGA_IOHEAP_REGISTRATION"), 0); /* it would be the stronger one */
    return (struct tsuga_setup){.config.ioheap.registration = registration};
}

static struct tsuga_executor *executor_of(struct tsuga_actor *self)
{
    return tsuga_seat_home(tsuga_seat_of(self));
}

/* Skips where the kernel would keep files open. */
static void need_places(struct tsuga_actor *self)
{
    if (!executor_of(self)->files.is_on)
        SKIP("the kernel has no places that let go at once");
}

static bool has_place(struct tsuga_actor *self, int fd)
{
    return tsuga_descriptors_at(&executor_of(self)->shared->descriptors, fd)->place != 0;
}

/* A pipe whose end for writing is the actor's, and has a place. */
static void open_pipe(struct tsuga_actor *self, int ends[2])
{
    tsuga_fixture_pipe(ends);
    CHECK_INT(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[1], "first", 5)).result, 5);
    CHECK(has_place(self, ends[1]));
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[1], " second", 7)).result, 7);
}

/* Both writes have come, and the end of the file: nobody has the other end any more. */
static void check_end(int fd)
{
    char got[32];

    CHECK_INT(read(fd, got, sizeof(got)), 12);
    CHECK_INT(memcmp(got, "first second", 12), 0);
    CHECK_INT(read(fd, got, sizeof(got)), 0);
    close(fd);
}

static void close_one(struct tsuga_actor *self, void *argument)
{
    int ends[2];

    (void)argument;
    need_places(self);
    open_pipe(self, ends);
    CHECK_INT(tsuga_await(self, tsuga_close(self, ends[1])).result, 0);
    check_end(ends[0]);
    CHECK_UINT(executor_of(self)->files.free_count, TSUGA_FILES_MAX);
}

TEST(file_places, a_closed_file_is_closed_for_all)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    (void)tsuga_world_run(&setup, close_one, NULL);
}

static void release_one(struct tsuga_actor *self, void *argument)
{
    int ends[2];

    (void)argument;
    need_places(self);
    open_pipe(self, ends);
    CHECK_INT(tsuga_fd_release(self, ends[1]), 0);
    close(ends[1]);
    check_end(ends[0]);
}

TEST(file_places, a_released_file_is_its_owners_alone)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    (void)tsuga_world_run(&setup, release_one, NULL);
}

static void leave_one_open(struct tsuga_actor *self, void *argument)
{
    need_places(self);
    open_pipe(self, argument);
}

TEST(file_places, an_actors_end_closes_its_files)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    struct tsuga_run run;
    int ends[2] = {-1, -1};

    tsuga_world_start(&setup, &run);
    (void)tsuga_world_spawn(&run, leave_one_open, ends);
    CHECK_INT(tsuga_join(run.runtime), 0);
    check_end(ends[0]);
    tsuga_world_end(&run);
}

static void take_gift(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    int fd;

    (void)argument;
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
    memcpy(&fd, tsuga_message_data(message), sizeof(fd));
    CHECK(!has_place(self, fd));
    CHECK_INT(tsuga_await(self, tsuga_write(self, fd, " second", 7)).result, 7);
    CHECK(has_place(self, fd));
}

static void give_one(struct tsuga_actor *self, void *argument)
{
    int *ends = argument;
    struct tsuga_spawn_options there = {
        .body = take_gift, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1};
    struct tsuga_id id;

    need_places(self);
    tsuga_fixture_pipe(ends);
    CHECK_INT(tsuga_fd_adopt(self, ends[1]), 0);
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[1], "first", 5)).result, 5);
    CHECK_INT(tsuga_spawn(tsuga_runtime_of(self), &there, &id), 0);
    CHECK_INT(tsuga_fd_give(self, ends[1], id), 0);
    CHECK_INT(tsuga_send(self, id, 0, &ends[1], sizeof(ends[1])), 0);
}

TEST(file_places, a_file_that_is_given_away_gets_a_place_where_it_goes)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);
    struct tsuga_run run;
    int ends[2] = {-1, -1};

    setup.config.executor.threads = 2;
    tsuga_world_start(&setup, &run);
    (void)tsuga_world_spawn(&run, give_one, ends);
    CHECK_INT(tsuga_join(run.runtime), 0);
    check_end(ends[0]);
    tsuga_world_end(&run);
}

/* By default a descriptor must be worth it, and more of them than there are places do without. */
static void use_often(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(1000, 3);

    (void)argument;
    need_places(self);
    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    for (unsigned i = 1; i <= 2 * TSUGA_FILES_USES; i++) {
        struct tsuga_completion got = tsuga_await(self, tsuga_read_at(self, fd, i, 100));

        tsuga_content_check(got.data, got.bytes, 3, i);
        CHECK_INT(has_place(self, fd), i >= TSUGA_FILES_USES);
    }
}

TEST(file_places, auto_looks_for_what_is_used_often)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_AUTO);

    (void)tsuga_world_run(&setup, use_often, NULL);
}

static void use_more_than_there_are(struct tsuga_actor *self, void *argument)
{
    struct tsuga_files *files = &executor_of(self)->files;
    int ends[4];

    (void)argument;
    need_places(self);
    files->free_count = 1;
    open_pipe(self, ends);
    tsuga_fixture_pipe(ends + 2);
    CHECK_INT(tsuga_fd_adopt(self, ends[3]), 0);
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[3], "first", 5)).result, 5);
    CHECK(!has_place(self, ends[3]));
    CHECK_INT(tsuga_await(self, tsuga_write(self, ends[3], " second", 7)).result, 7);
    CHECK_INT(tsuga_await(self, tsuga_close(self, ends[1])).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_close(self, ends[3])).result, 0);
    check_end(ends[0]);
    check_end(ends[2]);
}

TEST(file_places, a10_no_place_is_left_and_nobody_notices)
{
    struct tsuga_setup setup = setup_with(TSUGA_REGISTRATION_ALWAYS);

    (void)tsuga_world_run(&setup, use_more_than_there_are, NULL);
}
