/*
 * hash: checksums of files, and of all files below directories, as xxhsum -c accepts them.
 *
 * Three parties share the work:
 *
 *     the walk      walk.c: reads directories, for which io_uring has no operation; so it runs in
 *                   jobs on a thread for blocking calls, and each job brings a batch of files
 *     the director  director.c: one actor, which hands the files out, and prints by lines.c and
 *                   report.c
 *     the workers   worker.c: one actor for each file in flight, which opens, reads, hashes and
 *                   closes it
 *
 * Owner and thread: a struct file belongs to one of the three at a time. Whoever has sent its
 * address has given it away.
 */
#ifndef TSUGA_HASH_HASH_H
#define TSUGA_HASH_HASH_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tsuga.h>
#include <xxhash.h>

#define MS  UINT64_C(1000000) /* in ns */
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

/* What the walk has found: a file to be hashed, or the reason for a message. */
struct file {
    struct file *next;
    uint64_t size; /* as the walk saw it */
    uint64_t hashed_bytes;
    XXH128_hash_t hash;
    int open_flags;
    int error;           /* errno, or 0 */
    const char *special; /* why it is not to be read, or NULL */
    char path[];
};

/* Files in the order in which they came. */
struct queue {
    struct file *first;
    struct file **end; /* &first, or the `next` of the last file */
    size_t count;
};

static inline void queue_init(struct queue *queue)
{
    *queue = (struct queue){.end = &queue->first};
}

static inline void queue_push(struct queue *queue, struct file *file)
{
    file->next = NULL;
    *queue->end = file;
    queue->end = &file->next;
    queue->count++;
}

/* NULL when the queue is empty. */
static inline struct file *queue_pop(struct queue *queue)
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

void queue_clear(struct queue *queue);

/* Ends the program with status 2: an actor has no way to go on without memory. */
_Noreturn void die(const char *why);

/* Zeroed memory, for free(). */
void *allocate(size_t count, size_t bytes);

/* The walk belongs to its running job; between two jobs, to the director. */
struct walk {
    char **paths; /* still to be looked at, up to NULL */
    uid_t uid;
    uint64_t bytes_max;       /* no further file is taken at this many bytes */
    uint64_t bytes;           /* of the files taken */
    struct file *directories; /* still to be read */
    struct file *directory;   /* being read, or NULL */
    DIR *open;                /* for that one */
    int nofollow;             /* O_NOFOLLOW, or 0 for what the command line names */
    bool is_done;
    struct queue found;
};

void walk_init(struct walk *walk, char **paths, uint64_t bytes_max);
void walk_fini(struct walk *walk);

/* One job, for tsuga_blocking(): let a struct walk find one more batch. Blocks its thread. */
void walk_on(void *argument);

/* The message between the director and a worker, either way: these files are yours now. Small files
 * go by several, because a message that wakes another executor costs as much as hashing one. */
struct errand {
    struct file *files; /* linked by `next` */
    uint32_t executor;  /* whose worker has them */
    uint64_t buffer_bytes;
};

/* Make a worker that stays on an executor. It hashes the files of an errand one after the other,
 * and sends the errand back to where it came from. */
struct tsuga_id worker_hire(struct tsuga_actor *self, uint32_t executor);

/* The buffer space that a file needs while it is in flight. */
uint64_t worker_buffer_bytes(const struct file *file);

/* Lines for the standard output that gather until there is a buffer full of them. */
struct lines {
    char *text;
    size_t bytes;
    size_t write_bytes_max;
    bool is_terminal; /* which shows each line at once */
    int error;        /* errno; then what is added is lost */
};

void lines_init(struct lines *lines);
void lines_fini(struct lines *lines);

/* Both may suspend the calling actor until the output takes more. */
void lines_add(struct tsuga_actor *self, struct lines *lines, const struct file *file);
void lines_flush(struct tsuga_actor *self, struct lines *lines);

/* What people are told, on the standard error. */
struct report {
    bool has_bar; /* it is a terminal */
    uint64_t start_ns;
    uint64_t found_bytes;
    uint64_t hashed_bytes;
    uint64_t hashed_count;
    uint64_t failed_count;
};

void report_init(struct report *report);
void report_failure(struct report *report, const char *name, const char *why);
void report_show_bar(const struct report *report);
void report_hide_bar(const struct report *report);
void report_summary(const struct report *report, const struct tsuga_stats *stats);

/* The director; it belongs to its actor while that runs. */
struct director {
    struct walk walk;
    bool is_walking;
    struct tsuga_token walking; /* the running job */
    struct tsuga_token tick;    /* of the bar */
    struct queue waiting;
    struct crew *crews; /* one for each executor */
    uint32_t crew_count;
    size_t inflight_count;
    struct lines lines;
    struct report report;
};

/* The workers of one executor. */
struct crew;

void director_init(struct director *director, uint32_t executor_count);
void director_fini(struct director *director);

/* The body of a struct director. When everything is hashed it stops the runtime, and with it the
 * workers. */
void direct(struct tsuga_actor *self, void *argument);

#endif
