/* A worker: an actor that is called once for each errand. It waits for the kernel in the middle of
 * the call; meanwhile its executor runs the others. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "examples/hash/hash.h"

/* On x86 the plain functions keep to SSE2; these take the widest vectors that the processor has. */
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

#define READ_BYTES_MAX (256 * KIB) /* larger reads measured no faster */
#define UNKNOWN_BYTES  (4 * KIB)   /* asked for where the size says nothing, as in /proc */

struct worker {
    XXH3_state_t *hash;
    size_t read_bytes_max;
};

uint64_t worker_buffer_bytes(const struct file *file)
{
    return file->size < READ_BYTES_MAX ? file->size + 1 : READ_BYTES_MAX;
}

static int open_file(struct tsuga_actor *self, const struct file *file)
{
    int fd = tsuga_await(self, tsuga_open(self, file->path, file->open_flags)).result;

    /* The owner's privilege can be missing where file systems map users. */
    if (fd == -EPERM && (file->open_flags & O_NOATIME) != 0)
        fd = tsuga_await(self, tsuga_open(self, file->path, file->open_flags & ~O_NOATIME)).result;
    return fd;
}

/* Some file systems take O_NONBLOCK at its word even for regular files. */
static bool can_block(int fd)
{
    struct stat status;

    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && fstat(fd, &status) == 0 &&
           S_ISREG(status.st_mode) && fcntl(fd, F_SETFL, 0) == 0;
}

/* Whether a read that failed is worth another try. */
static bool has_remedy(struct worker *worker, int fd, int error)
{
    if (error == -EAGAIN)
        return can_block(fd);
    /* The configuration may know no size class as large as this. */
    if (error != -EMSGSIZE || worker->read_bytes_max == 1)
        return false;
    worker->read_bytes_max /= 2;
    return true;
}

/* How much to ask for: one byte more than is left, so that one read can tell that it was all. */
static size_t next_read_bytes(const struct worker *worker, const struct file *file)
{
    uint64_t bytes = UNKNOWN_BYTES;

    if (file->size > file->hashed_bytes)
        bytes = file->size - file->hashed_bytes + 1;
    return bytes < worker->read_bytes_max ? (size_t)bytes : worker->read_bytes_max;
}

/* Returns 0 or -errno. */
static int hash_content(struct tsuga_actor *self, int fd, struct file *file)
{
    struct worker *worker = tsuga_state(self);

    XXH3_128bits_reset(worker->hash);
    for (;;) {
        size_t bytes = next_read_bytes(worker, file);
        struct tsuga_completion got = tsuga_await(self, tsuga_read(self, fd, bytes));
        if (got.result < 0 && has_remedy(worker, fd, got.result))
            continue;
        if (got.result < 0)
            return got.result;

        XXH3_128bits_update(worker->hash, got.data, got.bytes);
        file->hashed_bytes += got.bytes;
        bool has_all = file->size > 0 && file->hashed_bytes >= file->size;
        if (got.result == 0 || (has_all && got.bytes < bytes))
            break;
    }
    file->hash = XXH3_128bits_digest(worker->hash);
    return 0;
}

static void hash_file(struct tsuga_actor *self, struct file *file)
{
    int fd = open_file(self, file);

    if (fd < 0) {
        file->error = -fd;
        return;
    }
    file->error = -hash_content(self, fd, file);
    tsuga_forget(self, tsuga_close(self, fd));
}

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct errand *received = tsuga_message_data(message);
    struct errand errand = *received; /* the message itself goes with the first wait */
    struct tsuga_id director = tsuga_message_from(message);

    for (struct file *file = errand.files; file != NULL; file = file->next)
        hash_file(self, file);
    if (tsuga_send(self, director, 0, &errand, sizeof errand) < 0)
        die("a worker cannot reach the director");
}

static void begin(struct tsuga_actor *self, void *argument)
{
    struct worker *worker = tsuga_state(self);

    (void)argument;
    worker->read_bytes_max = READ_BYTES_MAX;
    worker->hash = XXH3_createState();
    if (worker->hash == NULL)
        die("out of memory");
}

static void end(void *state)
{
    struct worker *worker = state;

    XXH3_freeState(worker->hash);
}

struct tsuga_id worker_hire(struct tsuga_actor *self, uint32_t executor)
{
    struct tsuga_spawn_options options = {
        .behaviour = work,
        .start = begin,
        .state_bytes = sizeof(struct worker),
        .state_fini = end,
        .name = "worker",
        .placement = TSUGA_PLACE_EXECUTOR,
        .executor = executor,
    };
    struct tsuga_id id;
    int error = tsuga_spawn(tsuga_runtime_of(self), &options, &id);

    if (error < 0)
        die(strerror(-error));
    return id;
}
