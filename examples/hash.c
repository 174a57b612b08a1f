/*
 * hash [-c CONFIG] [-j EXECUTORS] [-n BYTES] PATH…: checksums of files, and of all files below
 * directories, as lines that `xxhsum -c` accepts (XXH128).
 *
 *     -c CONFIG     an INI file for the runtime, for instance examples/small.ini
 *     -j EXECUTORS  how many threads, each with its own ring; by default one per processor
 *     -n BYTES      take no further file once those taken have this many bytes (K, M, G)
 *
 * Three parties share the work:
 *
 *     the walk      reads directories, for which io_uring has no operation; so it runs in jobs on a
 *                   thread for blocking calls, and each job brings a batch of files
 *     the director  one actor, which hands the files out and prints
 *     the workers   one actor for each file in flight, which opens, reads, hashes and closes it
 *
 * A struct file belongs to one of them at a time: whoever has sent its address has given it away.
 *
 * Symbolic links are passed over, unless named on the command line. Lines come in any order. A
 * progress bar is shown when the standard error is a terminal.
 *
 * Exit status: 0 everything was hashed, 1 something was not (a message says what), 2 wrong usage,
 * or the runtime could not start.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <tsuga.h>
#include <xxhash.h>

#define MS  UINT64_C(1000000)
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

#define WORKERS_MAX    64          /* of one executor */
#define INFLIGHT_BYTES (2 * MIB)   /* of one executor, so that what was read is still cached */
#define READ_BYTES_MAX (256 * KIB) /* larger reads measured no faster */
#define UNKNOWN_BYTES  (4 * KIB)   /* asked for where the size says nothing, as in /proc */
#define BATCH_FILES    256         /* brought by one job of the walk */
#define AHEAD_FILES    65536       /* by which the walk may be ahead of the workers */
#define OUTPUT_BYTES   (64 * KIB)
#define DIGEST_CHARS   32
#define TICK_NS        (100 * MS) /* of the progress bar */
#define BAR_CELLS      30

/* What the walk has found: a file to be hashed, or the reason for a message. */
struct file {
    struct file *next;
    uint64_t size; /* as the walk saw it */
    uint64_t hashed_bytes;
    XXH128_hash_t hash;
    int open_flags;
    int error;           /* errno, or 0 */
    const char *special; /* what it is when it is no file to be read, or NULL */
    uint32_t executor;   /* whose worker has it */
    char path[];
};

/* A message between the director and a worker: here is a file for you. */
struct errand {
    struct file *file;
};

struct queue {
    struct file *first;
    struct file **end; /* &first, or the `next` of the last file */
    size_t count;
};

static void queue_init(struct queue *queue)
{
    *queue = (struct queue){.end = &queue->first};
}

static void queue_push(struct queue *queue, struct file *file)
{
    file->next = NULL;
    *queue->end = file;
    queue->end = &file->next;
    queue->count++;
}

/* NULL when the queue is empty. */
static struct file *queue_pop(struct queue *queue)
{
    struct file *file = queue->first;

    if (file == NULL)
        return NULL;
    queue->first = file->next;
    if (queue->first == NULL)
        queue->end = &queue->first;
    queue->count--;
    return file;
}

/* An actor has no way to go on without memory; the kernel takes back what there is. */
static _Noreturn void die(const char *why)
{
    fprintf(stderr, "hash: %s\n", why);
    _exit(2);
}

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    if (memory == NULL)
        die("out of memory");
    return memory;
}

/* The walk. */

/* Belongs to the running job; between two jobs, to the director. */
struct walk {
    FTS *tree;
    uid_t uid;
    uint64_t bytes_max;
    uint64_t bytes; /* of the files taken */
    struct queue found;
    bool is_done;
    int error; /* errno, when it ended too early */
};

/* A fixed order makes -n take the same files every time. */
static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk_open(struct walk *walk, char **paths)
{
    queue_init(&walk->found);
    walk->uid = geteuid();
    walk->tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    return walk->tree == NULL ? -errno : 0;
}

static void walk_close(struct walk *walk)
{
    struct file *file;

    while ((file = queue_pop(&walk->found)) != NULL)
        free(file);
    if (walk->tree != NULL)
        fts_close(walk->tree);
}

/* A file may have turned into a link or a FIFO by the time it is opened; neither is to catch us.
 * Reading is to leave no new access time behind, where that is permitted. */
static int open_flags(const struct walk *walk, const FTSENT *entry)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

    if (entry->fts_level > FTS_ROOTLEVEL)
        flags |= O_NOFOLLOW;
    if (walk->uid == 0 || walk->uid == entry->fts_statp->st_uid)
        flags |= O_NOATIME;
    return flags;
}

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return "not read: a FIFO";
    case S_IFSOCK:
        return "not read: a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "not read: a device";
    default:
        return "not read: a special file";
    }
}

static void note(struct walk *walk, const FTSENT *entry)
{
    size_t path_bytes = strlen(entry->fts_path) + 1;
    struct file *file = allocate(1, sizeof *file + path_bytes);

    memcpy(file->path, entry->fts_path, path_bytes);
    if (entry->fts_info == FTS_F) {
        file->size = (uint64_t)entry->fts_statp->st_size;
        file->open_flags = open_flags(walk, entry);
        walk->bytes += file->size;
    } else if (entry->fts_info == FTS_DEFAULT) {
        file->special = kind_of(entry->fts_statp->st_mode);
    } else if (entry->fts_info == FTS_DC) {
        file->special = "not followed: a directory that contains itself";
    } else {
        file->error = entry->fts_info == FTS_SLNONE ? ENOENT : entry->fts_errno;
    }
    queue_push(&walk->found, file);
}

/* One job of the walk, on a thread for blocking calls. */
static void walk_on(void *argument)
{
    struct walk *walk = argument;

    while (walk->found.count < BATCH_FILES && !walk->is_done) {
        errno = 0;
        FTSENT *entry = walk->bytes < walk->bytes_max ? fts_read(walk->tree) : NULL;
        if (entry == NULL) {
            walk->is_done = true;
            walk->error = errno;
            return;
        }
        switch (entry->fts_info) {
        case FTS_D:
        case FTS_DP:
        case FTS_SL:
            break;
        default:
            note(walk, entry);
        }
    }
}

/* A worker: called once per file. It waits in the middle, and its executor does not. */

struct worker {
    XXH3_state_t *hash;
    size_t read_bytes_max;
};

static int open_file(struct tsuga_actor *self, const struct file *file)
{
    int fd = tsuga_await(self, tsuga_open(self, file->path, file->open_flags)).result;

    /* The owner's privilege can be missing where file systems map users. */
    if (fd == -EPERM && (file->open_flags & O_NOATIME) != 0)
        fd = tsuga_await(self, tsuga_open(self, file->path, file->open_flags & ~O_NOATIME)).result;
    return fd;
}

/* Whether a read that failed is worth another try. */
static bool has_remedy(struct worker *worker, int fd, int error)
{
    struct stat status;

    /* The configuration may know no size class as large as this. */
    if (error == -EMSGSIZE && worker->read_bytes_max > 1) {
        worker->read_bytes_max /= 2;
        return true;
    }
    /* Some file systems take O_NONBLOCK at its word, even for regular files. */
    return error == -EAGAIN && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && fstat(fd, &status) == 0 &&
           S_ISREG(status.st_mode) && fcntl(fd, F_SETFL, 0) == 0;
}

/* How much to ask for: one byte more than is left, so that one read can tell that it was all. */
static size_t next_read_bytes(const struct worker *worker, const struct file *file)
{
    uint64_t bytes =
        file->size > file->hashed_bytes ? file->size - file->hashed_bytes + 1 : UNKNOWN_BYTES;

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

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct errand *errand = tsuga_message_data(message);
    struct errand result = *errand; /* the message goes with the first wait */
    struct tsuga_id director = tsuga_message_from(message);
    struct file *file = result.file;

    int fd = open_file(self, file);
    if (fd < 0) {
        file->error = -fd;
    } else {
        file->error = -hash_content(self, fd, file);
        tsuga_forget(self, tsuga_close(self, fd));
    }
    if (tsuga_send(self, director, 0, &result, sizeof result) < 0)
        die("a worker cannot reach the director");
}

static void worker_begin(struct tsuga_actor *self, void *argument)
{
    struct worker *worker = tsuga_state(self);

    (void)argument;
    worker->read_bytes_max = READ_BYTES_MAX;
    worker->hash = XXH3_createState();
    if (worker->hash == NULL)
        die("out of memory");
}

static void worker_end(void *state)
{
    struct worker *worker = state;

    XXH3_freeState(worker->hash);
}

/* The director. */

/* The workers of one executor. */
struct crew {
    struct tsuga_id idle[WORKERS_MAX];
    size_t idle_count;
    size_t hired_count;
    uint64_t inflight_bytes; /* buffers that the files in flight need */
};

struct totals {
    uint64_t files;
    uint64_t bytes;
};

struct director {
    struct walk walk;
    struct tsuga_token walking; /* the running job */
    bool is_walking;
    struct queue waiting;
    struct crew *crews;
    uint32_t crew_count;
    size_t inflight_count;
    struct totals found;
    struct totals hashed;
    uint64_t failed_count;
    char *output; /* lines that are not written yet */
    size_t output_bytes;
    size_t write_bytes_max;
    bool is_live;   /* the output is a terminal, and each line is shown at once */
    bool is_broken; /* the output cannot be written any more */
    bool shows_bar;
    struct tsuga_token tick;
    uint64_t start_ns;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

/* A number of bytes for people, in a text that lives as long as the calling statement's block. */
struct human {
    char text[24];
};

static struct human human(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    struct human human;
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(human.text, sizeof human.text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return human;
}

static uint64_t per_second(uint64_t bytes, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 ? 0 : (uint64_t)((double)bytes * 1e9 / (double)elapsed_ns);
}

static void bar_show(const struct director *director)
{
    const struct totals *hashed = &director->hashed;
    uint64_t all = director->found.bytes > 0 ? director->found.bytes : 1;
    double share = hashed->bytes < all ? (double)hashed->bytes / (double)all : 1;
    int cells = (int)(share * BAR_CELLS);

    fprintf(stderr, "\r[%.*s%*s] %s of %s, %" PRIu64 " files, %s/s\033[K", cells,
            "##############################", BAR_CELLS - cells, "", human(hashed->bytes).text,
            human(director->found.bytes).text, hashed->files,
            human(per_second(hashed->bytes, now_ns() - director->start_ns)).text);
}

static void bar_hide(const struct director *director)
{
    if (director->shows_bar)
        fputs("\r\033[K", stderr);
}

/* One line, whatever is in the name. */
static void complain(struct director *director, const char *name, const char *why)
{
    bar_hide(director);
    fputs("hash: ", stderr);
    for (; *name != '\0'; name++)
        putc(iscntrl((unsigned char)*name) ? '?' : *name, stderr);
    fprintf(stderr, ": %s\n", why);
    director->failed_count++;
}

/* Write the lines that have gathered. While a pipe is full, only the director waits. */
static void flush(struct tsuga_actor *self, struct director *director)
{
    size_t done = 0;

    while (done < director->output_bytes && !director->is_broken) {
        size_t left = director->output_bytes - done;
        size_t bytes = left < director->write_bytes_max ? left : director->write_bytes_max;
        int result =
            tsuga_await(self, tsuga_write(self, STDOUT_FILENO, director->output + done, bytes))
                .result;
        if (result > 0) {
            done += (size_t)result;
        } else if (result == -EMSGSIZE && bytes > 1) {
            director->write_bytes_max = bytes / 2;
        } else if (result == -EAGAIN) {
            (void)tsuga_await(self, tsuga_poll(self, STDOUT_FILENO, POLLOUT));
        } else {
            complain(director, "standard output", strerror(-result));
            director->is_broken = true;
        }
    }
    director->output_bytes = 0;
}

static void print_line(struct tsuga_actor *self, struct director *director, const struct file *file)
{
    static const char digits[] = "0123456789abcdef";
    size_t path_bytes = strlen(file->path);
    XXH128_canonical_t digest;

    if (director->output_bytes + DIGEST_CHARS + 2 + path_bytes + 1 > OUTPUT_BYTES)
        flush(self, director);
    char *end = director->output + director->output_bytes;
    XXH128_canonicalFromHash(&digest, file->hash);
    for (size_t i = 0; i < sizeof digest.digest; i++) {
        *end++ = digits[digest.digest[i] >> 4];
        *end++ = digits[digest.digest[i] & 15];
    }
    end = stpcpy(end, "  ");
    end = stpcpy(end, file->path);
    *end++ = '\n';
    director->output_bytes = (size_t)(end - director->output);
    if (director->is_live) {
        bar_hide(director);
        flush(self, director);
    }
}

/* The end of a file's life: a line or a message. */
static void conclude(struct tsuga_actor *self, struct director *director, struct file *file)
{
    if (file->special != NULL) {
        complain(director, file->path, file->special);
    } else if (file->error != 0) {
        complain(director, file->path, strerror(file->error));
    } else if (strchr(file->path, '\n') != NULL) {
        complain(director, file->path, "not printed: xxhsum -c takes no line break in a name");
    } else {
        director->hashed.files++;
        director->hashed.bytes += file->hashed_bytes;
        print_line(self, director, file);
    }
    free(file);
}

/* The buffer space that a file needs while it is in flight. */
static uint64_t buffer_bytes(const struct file *file)
{
    return file->size < READ_BYTES_MAX ? file->size + 1 : READ_BYTES_MAX;
}

static bool crew_has_room(const struct crew *crew, const struct file *file)
{
    if (crew->idle_count == 0 && crew->hired_count == WORKERS_MAX)
        return false;
    return crew->inflight_bytes + buffer_bytes(file) <= INFLIGHT_BYTES;
}

/* The crew with the least to do, or NULL when all have enough. */
static struct crew *choose_crew(struct director *director, const struct file *file)
{
    struct crew *chosen = NULL;

    for (uint32_t i = 0; i < director->crew_count; i++) {
        struct crew *crew = &director->crews[i];
        if (!crew_has_room(crew, file))
            continue;
        if (chosen == NULL || crew->inflight_bytes < chosen->inflight_bytes)
            chosen = crew;
    }
    return chosen;
}

static struct tsuga_id hire(struct tsuga_actor *self, uint32_t executor)
{
    struct tsuga_spawn_options options = {
        .behaviour = work,
        .start = worker_begin,
        .state_bytes = sizeof(struct worker),
        .state_fini = worker_end,
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

static void hand_out(struct tsuga_actor *self, struct director *director)
{
    struct crew *crew;

    while (director->waiting.first != NULL &&
           (crew = choose_crew(director, director->waiting.first)) != NULL) {
        struct file *file = queue_pop(&director->waiting);
        struct errand errand = {.file = file};
        file->executor = (uint32_t)(crew - director->crews);
        if (crew->idle_count == 0) {
            crew->idle[crew->idle_count++] = hire(self, file->executor);
            crew->hired_count++;
        }
        crew->inflight_bytes += buffer_bytes(file);
        director->inflight_count++;
        if (tsuga_send(self, crew->idle[--crew->idle_count], 0, &errand, sizeof errand) < 0)
            die("the director cannot reach a worker");
    }
}

/* A worker has finished. */
static void take_back(struct tsuga_actor *self, struct director *director,
                      const struct tsuga_message *message)
{
    const struct errand *errand = tsuga_message_data(message);
    struct file *file = errand->file;
    struct crew *crew = &director->crews[file->executor];
    crew->idle[crew->idle_count++] = tsuga_message_from(message);
    crew->inflight_bytes -= buffer_bytes(file);
    director->inflight_count--;
    conclude(self, director, file);
}

/* A job of the walk has ended: take what it has found. */
static void collect(struct tsuga_actor *self, struct director *director, int error)
{
    struct file *file;

    director->is_walking = false;
    if (error < 0) {
        director->walk.is_done = true;
        director->walk.error = -error;
    }
    if (director->walk.error != 0)
        complain(director, "the walk ends early", strerror(director->walk.error));
    while ((file = queue_pop(&director->walk.found)) != NULL) {
        if (file->error != 0 || file->special != NULL) {
            conclude(self, director, file);
            continue;
        }
        director->found.files++;
        director->found.bytes += file->size;
        queue_push(&director->waiting, file);
    }
    if (director->shows_bar)
        bar_show(director);
}

static void send_walk(struct tsuga_actor *self, struct director *director)
{
    if (director->is_walking || director->walk.is_done || director->waiting.count >= AHEAD_FILES)
        return;
    director->walking = tsuga_blocking(self, walk_on, &director->walk);
    director->is_walking = true;
    if (tsuga_op_error(director->walking) < 0)
        collect(self, director, tsuga_op_error(director->walking));
}

static void give_up(struct director *director)
{
    struct file *file;

    director->walk.is_done = true;
    while ((file = queue_pop(&director->waiting)) != NULL)
        free(file);
}

static bool has_more(const struct director *director)
{
    return director->is_walking || !director->walk.is_done || director->waiting.count > 0 ||
           director->inflight_count > 0;
}

static void set_tick(struct tsuga_actor *self, struct director *director)
{
    if (director->shows_bar)
        director->tick = tsuga_timeout(self, TICK_NS);
}

static void handle(struct tsuga_actor *self, struct director *director,
                   const struct tsuga_message *message)
{
    const struct tsuga_completion *io = tsuga_message_completion(message);

    if (io == NULL) {
        take_back(self, director, message);
    } else if (tsuga_token_equal(io->op, director->walking)) {
        collect(self, director, io->result);
    } else {
        bar_show(director);
        set_tick(self, director);
    }
}

static void direct(struct tsuga_actor *self, void *argument)
{
    struct director *director = argument;
    const struct tsuga_message *message;

    set_tick(self, director);
    for (;;) {
        if (director->is_broken && !director->is_walking)
            give_up(director);
        send_walk(self, director);
        hand_out(self, director);
        if (!has_more(director) || tsuga_receive(self, NULL, TSUGA_FOREVER, &message) < 0)
            break;
        handle(self, director, message);
    }
    flush(self, director);
    bar_hide(director);
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_GRACEFUL); /* the workers */
}

/* The program around them. */

static void summarize(const struct director *director, const struct tsuga_stats *stats)
{
    const struct tsuga_heap_stats *heaps = &stats->heaps;
    uint64_t elapsed_ns = now_ns() - director->start_ns;

    fprintf(stderr, "hash: %" PRIu64 " files, %s in %.3f s, %s/s", director->hashed.files,
            human(director->hashed.bytes).text, (double)elapsed_ns / 1e9,
            human(per_second(director->hashed.bytes, elapsed_ns)).text);
    if (director->failed_count > 0)
        fprintf(stderr, "; %" PRIu64 " not hashed", director->failed_count);
    fprintf(stderr, "\n%14s %12s %14s\n", "I/O heap block", "used", "most at once");
    for (size_t i = 0; i < TSUGA_CLASS_COUNT; i++) {
        if (heaps->allocs[i] > 0)
            fprintf(stderr, "%14s %12" PRIu64 " %14" PRIu64 "\n",
                    human(UINT64_C(1) << (TSUGA_CLASS_MIN + i)).text, heaps->allocs[i],
                    heaps->live_max[i]);
    }
    double waste = heaps->high_water_bytes == 0
                       ? 0
                       : 1 - (double)heaps->live_bytes_max / (double)heaps->high_water_bytes;
    fprintf(stderr, "largest heap: high water %s of %s, fragmentation %.1f %%\n",
            human(heaps->high_water_bytes).text, human(heaps->segment_bytes_max).text, waste * 100);
}

/* Returns the exit status. */
static int run(struct director *director, const struct tsuga_config *config)
{
    struct tsuga_spawn_options options = {.body = direct, .argument = director, .name = "director"};
    struct tsuga_stats stats;
    struct tsuga_runtime *runtime;

    if (tsuga_start(config, &runtime) < 0)
        return 2;
    tsuga_stats_read(runtime, &stats);
    director->crew_count = stats.executor_count;
    director->crews = allocate(stats.executor_count, sizeof *director->crews);
    int error = tsuga_spawn(runtime, &options, NULL);
    if (error == 0)
        error = tsuga_join(runtime);
    tsuga_stats_read(runtime, &stats);
    tsuga_destroy(runtime);
    if (error < 0)
        die(strerror(-error));

    summarize(director, &stats);
    return director->failed_count > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static _Noreturn void usage(void)
{
    fputs("usage: hash [-c CONFIG] [-j EXECUTORS] [-n BYTES[K|M|G]] PATH...\n", stderr);
    exit(2);
}

/* A number with an optional unit. */
static uint64_t parse_bytes(const char *text)
{
    static const char units[] = "KMG";
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);
    bool is_number = text[0] >= '0' && text[0] <= '9' && errno == 0;
    if (!is_number || (*end != '\0' && (unit == NULL || end[1] != '\0')) ||
        value > UINT64_MAX >> shift)
        usage();
    return (uint64_t)value << shift;
}

static uint32_t parse_count(const char *text)
{
    uint64_t count = parse_bytes(text);

    if (count == 0 || count > UINT32_MAX)
        usage();
    return (uint32_t)count;
}

static void parse(int argc, char **argv, struct director *director, struct tsuga_config *config)
{
    int option;

    while ((option = getopt(argc, argv, "c:j:n:")) != -1) {
        switch (option) {
        case 'c':
            config->file = optarg;
            break;
        case 'j':
            config->executor.threads = parse_count(optarg);
            break;
        case 'n':
            director->walk.bytes_max = parse_bytes(optarg);
            break;
        default:
            usage();
        }
    }
    if (optind == argc)
        usage();
}

int main(int argc, char **argv)
{
    struct director director = {
        .walk.bytes_max = UINT64_MAX,
        .write_bytes_max = OUTPUT_BYTES,
        .is_live = isatty(STDOUT_FILENO),
        .shows_bar = isatty(STDERR_FILENO),
        .start_ns = now_ns(),
    };
    struct tsuga_config config = {0};

    parse(argc, argv, &director, &config);
    queue_init(&director.waiting);
    director.output = allocate(1, OUTPUT_BYTES);
    int error = walk_open(&director.walk, argv + optind);
    if (error < 0)
        die(strerror(-error));
    int status = run(&director, &config);
    walk_close(&director.walk);
    free(director.crews);
    free(director.output);
    return status;
}
