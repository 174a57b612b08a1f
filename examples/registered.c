/*
 * registered [-m MIB] SOURCE TARGET: copies a file through many large buffers that stay pinned for
 * the kernel, verifies the copy, and says how many of the operations used that.
 *
 *     registered -m 1100 disk.img copy.img
 *
 * The code is that of any copy: nothing in it names registered memory. What makes the difference is
 * one line of the configuration, ioheap.registration = always; the buffers are then pinned once,
 * and not for each of the thousands of operations. Where a limit is in the way (`ulimit -l`), a
 * part of them is, or none, and the copy is the same.
 *
 *     each buffer:   read ──> write ──> read ──> … ──> end of file
 *                         └── all zero: nothing is written, and the copy has a hole there
 *
 * The heap has as many buffers of 2 MiB as -m allows, and all of them are in use at the same time:
 * one actor has hundreds of operations in flight. It tells them apart by their context, takes what
 * completes first, and never waits for a certain one.
 *
 * Exit status: 0 the copy is the same as the source, 1 it is not, or something failed (a message
 * says what), 2 wrong usage, or the runtime could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tsuga.h>

#define PIECE_BYTES ((size_t)2 << 20)
#define MIB_DEFAULT 64u
#define MIB_MAX     (1u << 20)
#define PATIENCE_NS UINT64_C(10000000000)
#define LOOK_NS     UINT64_C(1000000)
#define PIECE_MIB   2u

/* A buffer, and what is being done with it. */
struct piece {
    struct tsuga_lease lease;
    uint64_t offset;
    size_t bytes;
    bool is_written; /* otherwise it is read */
};

struct copy {
    const char *source_name;
    const char *target_name;
    int source;
    int target;
    uint64_t bytes;
    uint64_t next; /* what is read next */
    struct piece *pieces;
    size_t piece_count;
    size_t busy_count; /* pieces in flight */
    uint64_t read_count;
    uint64_t write_count;
    bool is_verifying;
    uint64_t differing; /* pieces */
    int status;         /* the exit status */
};

static void complain(struct copy *copy, const char *name, int error)
{
    fprintf(stderr, "registered: %s: %s\n", name, strerror(error));
    copy->status = EXIT_FAILURE;
}

/* One operation of a piece: all of it that there is, at its place in a file. */
static void start(struct tsuga_actor *self, struct copy *copy, struct piece *piece,
                  enum tsuga_op_kind kind, int fd)
{
    struct tsuga_op op = {.kind = kind,
                          .options = TSUGA_OP_AT,
                          .fd = fd,
                          .lease = piece->lease,
                          .bytes = piece->bytes,
                          .offset = piece->offset,
                          .context = piece};
    int error = tsuga_op_error(tsuga_submit(self, &op));

    if (error != 0)
        complain(copy, copy->source_name, -error);
    else
        copy->busy_count++;
}

static void read_next(struct tsuga_actor *self, struct copy *copy, struct piece *piece)
{
    uint64_t left = copy->bytes - copy->next;

    if (left == 0 || copy->status != EXIT_SUCCESS)
        return;
    piece->offset = copy->next;
    piece->bytes = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    piece->is_written = false;
    copy->next += piece->bytes;
    copy->read_count++;
    start(self, copy, piece, TSUGA_OP_READ, copy->is_verifying ? copy->target : copy->source);
}

static bool is_zero(const char *data, size_t bytes)
{
    return bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0);
}

/* Compares what was read of the copy with the source, read by a plain call. */
static void verify(struct copy *copy, const struct piece *piece, const char *data)
{
    static char expected[PIECE_BYTES];
    ssize_t got = pread(copy->source, expected, piece->bytes, (off_t)piece->offset);

    if (got != (ssize_t)piece->bytes || memcmp(data, expected, piece->bytes) != 0)
        copy->differing++;
}

static void end_read(struct tsuga_actor *self, struct copy *copy, struct piece *piece)
{
    const char *data = tsuga_lease_data(self, piece->lease);

    if (copy->is_verifying) {
        verify(copy, piece, data);
        read_next(self, copy, piece);
    } else if (is_zero(data, piece->bytes)) {
        read_next(self, copy, piece);
    } else {
        piece->is_written = true;
        copy->write_count++;
        start(self, copy, piece, TSUGA_OP_WRITE, copy->target);
    }
}

static void take(struct tsuga_actor *self, struct copy *copy,
                 const struct tsuga_completion *completion)
{
    struct piece *piece = completion->context;

    copy->busy_count--;
    if (completion->result < 0)
        complain(copy, piece->is_written ? copy->target_name : copy->source_name,
                 -completion->result);
    else if ((size_t)completion->result != piece->bytes)
        complain(copy, piece->is_written ? copy->target_name : copy->source_name, EIO);
    else if (piece->is_written)
        read_next(self, copy, piece);
    else
        end_read(self, copy, piece);
}

/* Every byte of a file through all pieces. */
static void run(struct tsuga_actor *self, struct copy *copy)
{
    const struct tsuga_message *message;

    copy->next = 0;
    for (size_t i = 0; i < copy->piece_count; i++)
        read_next(self, copy, &copy->pieces[i]);
    while (copy->busy_count > 0) {
        if (tsuga_receive(self, NULL, TSUGA_FOREVER, &message) != 0)
            tsuga_exit(self, -ECANCELED);
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_COMPLETION)
            take(self, copy, tsuga_message_completion(message));
        if (tsuga_slice_used(self)) /* looking for zeros takes its time */
            (void)tsuga_yield(self);
    }
}

/* A buffer for each piece. */
static void make_pieces(struct tsuga_actor *self, struct copy *copy)
{
    copy->pieces = calloc(copy->piece_count, sizeof(*copy->pieces));
    if (copy->pieces == NULL) {
        complain(copy, "buffers", ENOMEM);
        return;
    }
    for (size_t i = 0; i < copy->piece_count; i++) {
        int error = tsuga_lease_make(self, PIECE_BYTES, &copy->pieces[i].lease);

        if (error != 0) {
            complain(copy, "buffers", -error);
            return;
        }
    }
}

/* Only so that the counters can be exact: pinning goes on beside the work, and until a buffer is
 * pinned, its operations are plain ones. */
static void await_pinning(struct tsuga_actor *self, const struct copy *copy)
{
    struct tsuga_stats stats;
    uint64_t waited_ns = 0;

    do {
        (void)tsuga_await(self, tsuga_timeout(self, LOOK_NS));
        waited_ns += LOOK_NS;
        tsuga_stats_read(tsuga_runtime_of(self), &stats);
    } while (stats.registered_arenas < copy->piece_count && stats.registered_refusals == 0 &&
             waited_ns < PATIENCE_NS);
}

static void report(struct tsuga_actor *self, const struct copy *copy)
{
    struct tsuga_stats stats;
    uint64_t count = copy->read_count + copy->write_count;

    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    printf("registered: %" PRIu64 " bytes, %zu buffers of %zu MiB, %" PRIu64 " reads, %" PRIu64
           " writes\n",
           copy->bytes, copy->piece_count, PIECE_BYTES >> 20, copy->read_count, copy->write_count);
    printf("registered: %" PRIu64 " of %" PRIu64 " operations fixed, %" PRIu64 " arenas (%" PRIu64
           " MiB) pinned, %" PRIu64 " refusals\n",
           stats.ops_fixed, count, stats.registered_arenas, stats.registered_bytes >> 20,
           stats.registered_refusals);
    printf("registered: the copy %s\n", copy->status == EXIT_SUCCESS ? "is verified" : "is wrong");
}

static void copy_and_verify(struct tsuga_actor *self, void *argument)
{
    struct copy *copy = argument;

    make_pieces(self, copy);
    if (copy->status == EXIT_SUCCESS) {
        await_pinning(self, copy);
        run(self, copy);
    }
    if (copy->status == EXIT_SUCCESS) {
        copy->is_verifying = true;
        run(self, copy);
        if (copy->differing > 0)
            complain(copy, copy->target_name, EIO);
        report(self, copy);
    }
    free(copy->pieces); /* the leases are given back with the actor */
}

/* Plain calls suffice here. */
static void open_files(struct copy *copy)
{
    struct stat attributes;

    copy->source = open(copy->source_name, O_RDONLY | O_CLOEXEC);
    if (copy->source < 0 || fstat(copy->source, &attributes) != 0) {
        complain(copy, copy->source_name, errno);
        return;
    }
    copy->bytes = (uint64_t)attributes.st_size;
    copy->target = open(copy->target_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (copy->target < 0 || ftruncate(copy->target, attributes.st_size) != 0)
        complain(copy, copy->target_name, errno);
}

static void close_files(const struct copy *copy)
{
    if (copy->source >= 0)
        close(copy->source);
    if (copy->target >= 0)
        close(copy->target);
}

static bool parse(int argc, char **argv, struct copy *copy)
{
    unsigned long mib = MIB_DEFAULT;
    char *end = "";
    int option;

    while ((option = getopt(argc, argv, "m:")) != -1) {
        if (option != 'm')
            return false;
        errno = 0;
        mib = strtoul(optarg, &end, 10);
        if (errno != 0 || *end != '\0' || mib < PIECE_MIB || mib > MIB_MAX)
            return false;
    }
    if (argc - optind != 2)
        return false;
    copy->source_name = argv[optind];
    copy->target_name = argv[optind + 1];
    copy->piece_count = mib / PIECE_MIB;
    return true;
}

int main(int argc, char **argv)
{
    /* A read of 2 MiB from the page cache is carried out when it is submitted, and takes a
     * millisecond: with a short queue nobody waits for hundreds of them. */
    struct tsuga_config config = {.executor = {.threads = 1, .ring_entries = 16},
                                  .ioheap.registration = TSUGA_REGISTRATION_ALWAYS};
    struct copy copy = {.source = -1, .target = -1};
    int error;

    if (!parse(argc, argv, &copy)) {
        fprintf(stderr, "usage: registered [-m MIB] SOURCE TARGET\n");
        return 2;
    }
    open_files(&copy);
    if (copy.status == EXIT_SUCCESS) {
        error = tsuga_run(&config, copy_and_verify, &copy);
        if (error < 0) {
            fprintf(stderr, "registered: error %d\n", -error);
            copy.status = 2;
        }
    }
    close_files(&copy);
    return copy.status;
}
