/* Operations that nobody listens to: they go on, and leave nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static uint32_t inflight(struct tsuga_actor *self)
{
    return tsuga_seat_of(self)->io->inflight;
}

static void await_quiet(struct tsuga_actor *self)
{
    while (inflight(self) > 0)
        CHECK_INT(tsuga_yield(self), 0);
}

static bool has_completions(struct tsuga_actor *self)
{
    const struct tsuga_message *message;

    return tsuga_receive(self, NULL, 0, &message) != -ETIMEDOUT;
}

/* The lowest number that is free tells whether descriptors have been left open. */
static int lowest_free(void)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD, 0);

    CHECK(fd >= 0);
    close(fd);
    return fd;
}

static struct tsuga_token open_null(struct tsuga_actor *self, uint32_t options)
{
    return tsuga_submit(
        self, &(struct tsuga_op){
                  .kind = TSUGA_OP_OPEN, .fd = AT_FDCWD, .data = "/dev/null", .options = options});
}

static void forget_opens(struct tsuga_actor *self, void *argument)
{
    int before = lowest_free();
    struct tsuga_token ops[3];

    (void)argument;
    ops[0] = open_null(self, TSUGA_OP_SILENT);
    ops[1] = open_null(self, TSUGA_OP_ASYNC);
    CHECK_INT(tsuga_forget(self, ops[1]), 0); /* in flight */
    await_quiet(self);
    ops[2] = open_null(self, 0);
    while (inflight(self) > 0)
        CHECK_INT(tsuga_yield(self), 0);
    CHECK_INT(tsuga_forget(self, ops[2]), 0); /* completed, and not taken */
    CHECK(!has_completions(self));
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(tsuga_await(self, ops[i]).result, -ENOENT);
    while (lowest_free() != before)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
}

TEST(forget, a_descriptor_that_nobody_wants_is_closed)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, forget_opens, NULL);

    CHECK_UINT(stats.descriptors, 0);
}

/* A write that is forgotten is written, also from a lease that is released at once. */
static void forget_writes(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(0, 0);
    struct tsuga_op op = {.kind = TSUGA_OP_WRITE,
                          .fd = fd,
                          .bytes = 1000,
                          .options = TSUGA_OP_AT | TSUGA_OP_SILENT | TSUGA_OP_ASYNC};
    struct tsuga_heap_stats before;
    struct tsuga_heap_stats after;
    char content[2000];

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_heap_stats_read(self, &before);
    tsuga_content_fill(content, 1000, 1, 0);
    op.data = content;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), 0);
    CHECK_INT(tsuga_lease_make(self, 1000, &op.lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, op.lease), 1000, 1, 1000);
    op.offset = 1000;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), 0);
    CHECK_INT(tsuga_lease_release(self, op.lease), 0);
    memset(content, 0, sizeof(content));
    await_quiet(self);
    CHECK(!has_completions(self));
    CHECK_INT(pread(fd, content, 2000, 0), 2000);
    tsuga_content_check(content, 2000, 1, 0);
    tsuga_heap_stats_read(self, &after);
    CHECK_UINT(after.live_bytes, before.live_bytes);
    close(fd);
}

TEST(forget, what_is_forgotten_is_done_all_the_same)
{
    (void)tsuga_world_run(NULL, forget_writes, NULL);
}

/* Memory of the caller that a forgotten read was to fill is not touched. */
static void forget_read_into(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(100, 1);
    unsigned char into[100];

    (void)argument;
    memset(into, 0xee, sizeof(into));
    CHECK_INT(tsuga_forget(self, tsuga_read_into(self, fd, into, sizeof(into))), 0);
    await_quiet(self);
    for (size_t i = 0; i < sizeof(into); i++)
        CHECK_UINT(into[i], 0xee);
    close(fd);
}

TEST(forget, a_forgotten_read_leaves_the_callers_memory_alone)
{
    (void)tsuga_world_run(NULL, forget_read_into, NULL);
}
