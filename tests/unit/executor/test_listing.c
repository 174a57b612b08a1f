/* Listing directories, on threads of the pool, and taking the records apart. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define FILES 300u
#define ROOM  1024u

struct place {
    struct tsuga_path path;
    int fd;
    bool has_seen[FILES];
    unsigned dots;
};

static void name_file(char name[260], unsigned number)
{
    /* Names of all lengths. */
    memset(name, 'x', 260);
    snprintf(name, 8, "%06u", number);
    if (number % 250 > 0)
        name[6] = 'x';
    name[6 + number % 250] = '\0';
}

static void fill_place(struct place *place)
{
    char name[260];

    memset(place, 0, sizeof(*place));
    place->path = tsuga_fixture_path();
    CHECK_INT(mkdir(place->path.text, 0700), 0);
    place->fd = open(place->path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < FILES; i++) {
        name_file(name, i);
        if (i % 3 == 0)
            CHECK_INT(mkdirat(place->fd, name, 0700), 0);
        else
            close(openat(place->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    }
}

static void clear_place(const struct place *place)
{
    char name[260];

    for (unsigned i = 0; i < FILES; i++) {
        name_file(name, i);
        CHECK_INT(unlinkat(place->fd, name, i % 3 == 0 ? AT_REMOVEDIR : 0), 0);
    }
    CHECK_INT(rmdir(place->path.text), 0);
    close(place->fd);
}

static void see(struct place *place, const struct tsuga_entry *entry)
{
    struct stat attributes;
    unsigned number;
    char digits[8];
    char name[260];

    if (entry->name[0] == '.') {
        place->dots++;
        return;
    }
    snprintf(digits, sizeof(digits), "%.6s", entry->name);
    number = (unsigned)strtoul(digits, NULL, 10);
    CHECK(number < FILES && !place->has_seen[number]);
    place->has_seen[number] = true;
    name_file(name, number);
    CHECK_STR(entry->name, name);
    CHECK_INT(fstatat(place->fd, name, &attributes, 0), 0);
    CHECK_UINT(entry->inode, attributes.st_ino);
    CHECK(entry->type == DT_UNKNOWN || entry->type == (number % 3 == 0 ? DT_DIR : DT_REG));
}

static void see_all(struct place *place, const void *data, size_t bytes)
{
    struct tsuga_entry entry;
    size_t position = 0;

    while (tsuga_entry_next(data, bytes, &position, &entry))
        see(place, &entry);
    CHECK_UINT(position, bytes);
}

static void check_complete(const struct place *place)
{
    CHECK_UINT(place->dots, 2);
    for (unsigned i = 0; i < FILES; i++)
        CHECK(place->has_seen[i]);
}

static void list_place(struct tsuga_actor *self, void *argument)
{
    struct place *place = argument;
    int fd = tsuga_await(self, tsuga_open(self, place->path.text, O_RDONLY | O_DIRECTORY)).result;
    struct tsuga_completion got;

    do {
        got = tsuga_await(self, tsuga_list(self, fd, ROOM));
        CHECK(got.result >= 0 && got.result <= (int)ROOM);
        CHECK_UINT(got.bytes, (size_t)got.result);
        CHECK_PTR(tsuga_lease_data(self, got.lease), got.data);
        see_all(place, got.data, got.bytes);
    } while (got.result > 0);
    check_complete(place);
    CHECK_INT(tsuga_await(self, tsuga_list(self, fd, ROOM)).result, 0);
}

TEST(listing, brings_every_entry_once)
{
    static struct place place;
    struct tsuga_stats stats;

    fill_place(&place);
    stats = tsuga_world_run(NULL, list_place, &place);
    CHECK_UINT(stats.copied_bytes, strlen(place.path.text) + 1);
    clear_place(&place);
}

/* Into a lease, at an offset, and into the caller's memory; in turns. */
static void list_elsewhere(struct tsuga_actor *self, void *argument)
{
    struct place *place = argument;
    int fd = tsuga_await(self, tsuga_open(self, place->path.text, O_RDONLY | O_DIRECTORY)).result;
    static char into[ROOM];
    struct tsuga_op by_lease = {.kind = TSUGA_OP_LIST, .fd = fd, .bytes = ROOM, .lease_offset = 8};
    struct tsuga_op by_copy = {.kind = TSUGA_OP_LIST, .fd = fd, .bytes = ROOM, .into = into};
    struct tsuga_completion got;

    CHECK_INT(tsuga_lease_make(self, ROOM + 8, &by_lease.lease), 0);
    do {
        got = tsuga_await(self, tsuga_submit(self, &by_lease));
        CHECK(got.result >= 0);
        CHECK_PTR(got.data, (char *)tsuga_lease_data(self, by_lease.lease) + 8);
        see_all(place, got.data, got.bytes);
        got = tsuga_await(self, tsuga_submit(self, &by_copy));
        CHECK(got.result >= 0);
        see_all(place, into, (size_t)got.result);
    } while (got.result > 0);
    check_complete(place);
}

TEST(listing, uses_each_form_of_buffer)
{
    static struct place place;

    fill_place(&place);
    (void)tsuga_world_run(NULL, list_elsewhere, &place);
    clear_place(&place);
}

static void err(struct tsuga_actor *self, void *argument)
{
    struct place *place = argument;
    struct tsuga_op op = {.kind = TSUGA_OP_LIST, .fd = place->fd, .bytes = ROOM};
    int file = tsuga_fixture_memory_file(10, 1);
    struct tsuga_token token;

    CHECK_INT(tsuga_await(self, tsuga_list(self, file, ROOM)).result, -ENOTDIR);
    CHECK_INT(tsuga_await(self, tsuga_list(self, -1, ROOM)).result, -EBADF);
    CHECK_INT(tsuga_await(self, tsuga_list(self, place->fd, 1)).result, -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_list(self, place->fd, 0)), -EINVAL);
    CHECK_INT(tsuga_op_error(tsuga_list(self, place->fd, (size_t)1 << 30)), -EMSGSIZE);
    CHECK_INT(tsuga_submit_chain(self, &op, 1, 0, &token), -EINVAL);
    close(file);
}

TEST(listing, errors_are_told)
{
    static struct place place;

    fill_place(&place);
    (void)tsuga_world_run(NULL, err, &place);
    clear_place(&place);
}

/* The pool's one thread is busy. */
struct queue {
    struct place place;
    sem_t gate;
    int file;
};

static void wait_for_gate(void *argument)
{
    while (sem_wait(argument) != 0)
        continue;
}

static void open_queue(struct queue *queue)
{
    fill_place(&queue->place);
    queue->file = tsuga_fixture_memory_file(100, 1);
    CHECK_INT(sem_init(&queue->gate, 0, 0), 0);
}

static void close_queue(struct queue *queue)
{
    close(queue->file);
    clear_place(&queue->place);
}

/* The fallback of TRUNCATE waits for the same threads. */
static const struct tsuga_setup one_thread = {
    .config.executor.blocking_threads = 1, .config.features[TSUGA_FEATURE_FTRUNCATE] = TSUGA_OFF};

static void cancel_waiting(struct tsuga_actor *self, void *argument)
{
    struct queue *queue = argument;
    struct tsuga_token busy = tsuga_blocking(self, wait_for_gate, &queue->gate);
    struct tsuga_op limited = {
        .kind = TSUGA_OP_LIST, .fd = queue->place.fd, .bytes = ROOM, .timeout_ns = TSUGA_NS_PER_MS};
    struct tsuga_token list = tsuga_list(self, queue->place.fd, ROOM);
    struct tsuga_token cut = tsuga_ftruncate(self, queue->file, 0);

    CHECK_INT(tsuga_await(self, tsuga_submit(self, &limited)).result, -ETIMEDOUT);
    CHECK_INT(tsuga_await(self, tsuga_cancel(self, list)).result, 0);
    CHECK_INT(tsuga_await(self, list).result, -ECANCELED);
    CHECK_INT(tsuga_cancel_fd(self, queue->file), 1);
    CHECK_INT(tsuga_await(self, cut).result, -ECANCELED);
    CHECK_INT(sem_post(&queue->gate), 0);
    CHECK_INT(tsuga_await(self, busy).result, 0);
    CHECK_INT(lseek(queue->file, 0, SEEK_END), 100);
}

TEST(listing, is_cancelled_before_it_starts)
{
    static struct queue queue;

    open_queue(&queue);
    (void)tsuga_world_run(&one_thread, cancel_waiting, &queue);
    close_queue(&queue);
}

/* The actor ends while its listings wait, run or are done. */
static void die_listing(struct tsuga_actor *self, void *argument)
{
    unsigned turns = *(const unsigned *)argument;
    int fd = tsuga_await(self, tsuga_open(self, "/proc/self/task", O_RDONLY | O_DIRECTORY)).result;

    CHECK(fd >= 0);
    for (unsigned i = 0; i < 8; i++)
        CHECK_INT(tsuga_op_error(tsuga_list(self, fd, ROOM)), 0);
    for (unsigned i = 0; i < turns; i++)
        CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    tsuga_exit(self, -EIO);
}

TEST(listing, h43_outlives_its_actor)
{
    for (unsigned turns = 0; turns < 30; turns++)
        (void)tsuga_world_run(NULL, die_listing, &turns);
}

/* What is no record is not read beyond its end. */
TEST(listing, entries_are_not_read_beyond_the_end)
{
    struct {
        uint64_t inode;
        int64_t offset;
        uint16_t bytes;
        uint8_t type;
        char name[5];
    } record = {7, 0, 24, DT_REG, "name"};
    struct tsuga_entry entry;
    size_t position = 0;

    CHECK(tsuga_entry_next(&record, 24, &position, &entry));
    CHECK_STR(entry.name, "name");
    CHECK_UINT(entry.inode, 7);
    CHECK_UINT(entry.type, DT_REG);
    CHECK_UINT(position, 24);
    CHECK(!tsuga_entry_next(&record, 24, &position, &entry));
    for (size_t bytes = 0; bytes < 24; bytes++) {
        position = 0;
        CHECK(!tsuga_entry_next(&record, bytes, &position, &entry));
        CHECK_UINT(position, 0);
    }
    record.name[4] = 'x';
    CHECK(!tsuga_entry_next(&record, 24, &position, &entry));
    record.name[4] = '\0';
    record.bytes = 0;
    CHECK(!tsuga_entry_next(&record, 24, &position, &entry));
    record.bytes = 25;
    CHECK(!tsuga_entry_next(&record, 24, &position, &entry));
    position = 99;
    CHECK(!tsuga_entry_next(&record, 24, &position, &entry));
}
