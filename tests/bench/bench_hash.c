/*
 * The example hash with two executors against xxhsum -H2, both as whole programs from start to end
 * over the same files in the page cache: 1 GiB in files of 1 MiB, and 256 MiB in files of 8 KiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/support.h"

#define CASE_COUNT      2u
#define DIRECTORY_COUNT 32u
#define NAME_BYTES      24u
#define FILE_COUNT_MAX  32768u
#define CONTENT_BYTES   (1u << 20)

struct tree {
    char root[PATH_MAX];
    char hash[PATH_MAX]; /* the example */
    uint32_t file_count;
    size_t file_bytes;
    char names[FILE_COUNT_MAX][NAME_BYTES];
    char *arguments[FILE_COUNT_MAX + 3];
    struct tsuga_bench_pairs pairs;
};

static void write_file(const struct tree *tree, const char *name, const char *content)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, content, tree->file_bytes) != (ssize_t)tree->file_bytes ||
        close(fd) < 0)
        tsuga_bench_fail(name, -errno);
}

/* Each file differs from the others in its first bytes. */
static void make_tree(struct tree *tree)
{
    static char content[CONTENT_BYTES];
    uint64_t word = 0;

    snprintf(tree->root, sizeof(tree->root), "/tmp/bench_hash.XXXXXX");
    if (mkdtemp(tree->root) == NULL || chdir(tree->root) < 0)
        tsuga_bench_fail(tree->root, -errno);
    for (size_t at = 0; at < CONTENT_BYTES; at += sizeof(word)) {
        word = word * UINT64_C(6364136223846793005) + 1442695040888963407;
        memcpy(content + at, &word, sizeof(word));
    }
    for (uint32_t i = 0; i < tree->file_count; i++) {
        snprintf(tree->names[i], NAME_BYTES, "%u/%u", i % DIRECTORY_COUNT, i);
        if (i < DIRECTORY_COUNT) {
            char directory[NAME_BYTES];
            snprintf(directory, sizeof(directory), "%u", i);
            tsuga_bench_require("mkdir", mkdir(directory, 0700));
        }
        memcpy(content, &i, sizeof(i));
        write_file(tree, tree->names[i], content);
    }
}

static void remove_tree(const struct tree *tree)
{
    for (uint32_t i = 0; i < tree->file_count; i++)
        (void)unlink(tree->names[i]);
    for (uint32_t i = 0; i < DIRECTORY_COUNT; i++) {
        char directory[NAME_BYTES];
        snprintf(directory, sizeof(directory), "%u", i);
        (void)rmdir(directory);
    }
    (void)!chdir("/");
    (void)rmdir(tree->root);
}

static _Noreturn void become(char **arguments)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    execvp(arguments[0], arguments);
    _exit(127);
}

/* Returns how long a program ran, in ns. */
static double measure(const struct tree *tree, char **arguments)
{
    uint64_t start_ns = tsuga_bench_now_ns();
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        become(arguments);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        tsuga_bench_fail("fork", -errno);
    if (status != 0) {
        remove_tree(tree);
        tsuga_bench_fail(arguments[0], -ECHILD);
    }
    return (double)(tsuga_bench_now_ns() - start_ns);
}

static void run_case(struct tree *tree, const char *variant, double seconds)
{
    char *ours[] = {tree->hash, "-j", "2", ".", NULL};
    size_t count = 0;

    make_tree(tree);
    tree->arguments[count++] = "xxhsum";
    tree->arguments[count++] = "-H2";
    for (uint32_t i = 0; i < tree->file_count; i++)
        tree->arguments[count++] = tree->names[i];
    tree->arguments[count] = NULL;

    (void)measure(tree, tree->arguments);
    (void)measure(tree, ours);
    tsuga_bench_start(&tree->pairs, seconds);
    while (tsuga_bench_wants_more(&tree->pairs)) {
        double floor = measure(tree, tree->arguments);
        tsuga_bench_add(&tree->pairs, floor, measure(tree, ours));
    }
    tsuga_bench_begin("hash", variant);
    tsuga_bench_summary(&tree->pairs, "xxhsum -H2");
    tsuga_bench_end();
    remove_tree(tree);
}

/* The example lies beside the benchmark: build/<config>/bench/… and build/<config>/examples/hash.
 */
static void find_hash(struct tree *tree)
{
    ssize_t bytes = readlink("/proc/self/exe", tree->hash, sizeof(tree->hash) - NAME_BYTES);

    if (bytes < 0)
        tsuga_bench_fail("/proc/self/exe", -errno);
    for (int up = 0; up < 2; up++) {
        while (bytes > 0 && tree->hash[--bytes] != '/')
            continue;
    }
    snprintf(tree->hash + bytes, NAME_BYTES, "/examples/hash");
}

int main(int argc, char **argv)
{
    static struct tree tree;
    double seconds = tsuga_bench_seconds(argc, argv, 8);

    find_hash(&tree);
    tree.file_count = 1024;
    tree.file_bytes = CONTENT_BYTES;
    run_case(&tree, "1 GiB in files of 1 MiB", seconds / CASE_COUNT);
    tree.file_count = FILE_COUNT_MAX;
    tree.file_bytes = 8192;
    run_case(&tree, "256 MiB in files of 8 KiB", seconds / CASE_COUNT);
    return 0;
}
