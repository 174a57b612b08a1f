/*
 * A tree of files: one actor lists the directories, others read a file each and tell its sum. Where
 * nothing fails, every file is found once, and its sum is right.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/support.h"

#define DIRECTORIES 3u
#define FILES       5u /* in each directory */
#define BYTES_MAX   6000u
#define LIST_BYTES  400u

struct tree {
    struct sim_run *run;
    uint64_t sums[DIRECTORIES][FILES];
    uint32_t found[DIRECTORIES][FILES];
};

struct answer {
    uint32_t directory;
    uint32_t file;
    uint64_t sum;
    int32_t error;
};

static uint64_t add_bytes(uint64_t sum, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static void build(struct tree *tree)
{
    struct sim_run *run = tree->run;
    char bytes[BYTES_MAX];
    char path[64];

    for (uint32_t i = 0; i < DIRECTORIES * FILES; i++) {
        size_t count = sim_random(&run->random) % BYTES_MAX;

        sim_fill(bytes, count, i, 0);
        tree->sums[i / FILES][i % FILES] = add_bytes(0, bytes, count);
        snprintf(path, sizeof(path), "/tree/%u/%u", i / FILES, i % FILES);
        REQUIRE(run, tsuga_sim_put_file(run->sim, path, bytes, count) == 0);
    }
}

/* Reading a file. */

static int32_t sum_file(struct tsuga_actor *self, int fd, uint64_t *random, uint64_t *sum)
{
    struct tsuga_completion got;

    do {
        got = tsuga_await(self, tsuga_read(self, fd, 1 + sim_random(random) % 2048));
        if (got.result > 0)
            *sum = add_bytes(*sum, got.data, (size_t)got.result);
    } while (got.result > 0);
    return got.result;
}

/* The question comes as a message, which an answer without a sum is. */
static void hash(struct tsuga_actor *self, void *argument)
{
    struct sim_run *run = argument;
    uint64_t random = tsuga_self(self).value ^ run->random;
    struct tsuga_select users = {.user_only = true};
    const struct tsuga_message *message;
    struct tsuga_id asker;
    struct answer answer;
    char path[64];
    int fd;

    if (tsuga_receive(self, &users, TSUGA_FOREVER, &message) != 0)
        return;
    memcpy(&answer, tsuga_message_data(message), sizeof(answer));
    asker = tsuga_message_from(message);
    snprintf(path, sizeof(path), "/tree/%u/%u", answer.directory, answer.file);
    fd = tsuga_await(self, tsuga_open(self, path, O_RDONLY)).result;
    answer.error = fd < 0 ? fd : sum_file(self, fd, &random, &answer.sum);
    (void)tsuga_send(self, asker, 0, &answer, sizeof(answer));
}

static bool ask(struct tsuga_actor *self, struct tree *tree, struct answer question)
{
    struct tsuga_spawn_options options = {
        .body = hash, .argument = tree->run, .name = "hash", .placement = TSUGA_PLACE_LEAST_LOADED};
    struct tsuga_id id;

    if (tsuga_spawn(tsuga_runtime_of(self), &options, &id) != 0)
        return false;
    if (tsuga_send(self, id, 0, &question, sizeof(question)) == 0)
        return true;
    (void)tsuga_actor_stop(tsuga_runtime_of(self), id);
    return false;
}

/* Walking. */

/* How many files were asked about in one part of a listing. */
static uint32_t ask_all(struct tsuga_actor *self, struct tree *tree, uint32_t directory,
                        const struct tsuga_completion *got)
{
    char names[LIST_BYTES];
    struct tsuga_entry entry;
    uint32_t count = 0;
    size_t position = 0;

    memcpy(names, got->data, (size_t)got->result);
    while (tsuga_entry_next(names, (size_t)got->result, &position, &entry)) {
        struct answer question = {.directory = directory, .file = (uint32_t)entry.name[0] - '0'};

        if (entry.type == DT_REG)
            count += ask(self, tree, question) ? 1 : 0;
    }
    return count;
}

static uint32_t walk(struct tsuga_actor *self, struct tree *tree, uint32_t directory)
{
    struct tsuga_completion got;
    uint32_t count = 0;
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/tree/%u", directory);
    fd = tsuga_await(self, tsuga_open(self, path, O_RDONLY | O_DIRECTORY)).result;
    if (fd < 0)
        return 0;
    while ((got = tsuga_await(self, tsuga_list(self, fd, LIST_BYTES))).result > 0)
        count += ask_all(self, tree, directory, &got);
    sim_close(self, fd);
    return count;
}

static void check(struct tree *tree, const struct tsuga_message *message)
{
    struct sim_run *run = tree->run;
    struct answer answer;

    memcpy(&answer, tsuga_message_data(message), sizeof(answer));
    REQUIRE(run, answer.directory < DIRECTORIES && answer.file < FILES);
    REQUIRE(run, ++tree->found[answer.directory][answer.file] == 1);
    REQUIRE(run, answer.error == 0 || !run->is_peaceful);
    if (answer.error == 0)
        REQUIRE(run, answer.sum == tree->sums[answer.directory][answer.file]);
}

/* Some of those asked may have been stopped: they are not waited for very long. False: somebody is
 * missing, or nobody could be asked, as by an actor that is itself being stopped. */
static bool hash_once(struct tsuga_actor *self, struct tree *tree)
{
    struct tsuga_select users = {.user_only = true};
    const struct tsuga_message *message;
    uint32_t asked = 0;
    bool has_asked;
    int error = 0;

    memset(tree->found, 0, sizeof(tree->found));
    for (uint32_t directory = 0; directory < DIRECTORIES; directory++)
        asked += walk(self, tree, directory);
    REQUIRE(tree->run, asked == DIRECTORIES * FILES || !tree->run->is_peaceful);
    has_asked = asked > 0;
    for (; asked > 0 && error == 0; asked--) {
        error = tsuga_receive(self, &users, UINT64_C(10000000000), &message);
        if (error == 0)
            check(tree, message);
    }
    REQUIRE(tree->run, error == 0 || !tree->run->is_peaceful);
    return error == 0 && has_asked;
}

static void walk_all(struct tsuga_actor *self, void *argument)
{
    struct tree *tree = argument;

    while (hash_once(self, tree) && !sim_is_over(tree->run))
        continue;
}

void sim_run_hash(struct sim_run *run)
{
    struct tree tree = {.run = run};
    struct tsuga_spawn_options options = {.body = walk_all, .argument = &tree, .name = "walk"};

    build(&tree);
    if (!sim_start(run))
        return;
    (void)sim_spawn(run, &options);
    sim_finish(run);
}
