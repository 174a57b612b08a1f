/*
 * The cache: each entry is a small state machine, so that the actor never waits for one file while
 * it is asked for another.
 *
 *     (asked for) ──> OPENING ──> LOOKING ──> READING ──> READY
 *                        ^           └─────────────────────^ │   larger files stay open
 *                        └──── it has changed ──── CHECKING <┘   after revalidate_ms
 *
 * Who asks in any other state than READY waits in the entry. When something fails all of them are
 * told so and the entry goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "examples/httpd/cache.h"
#include "examples/httpd/date.h"
#include "examples/httpd/head.h"
#include "examples/httpd/memory.h"
#include "examples/httpd/table.h"

#define TRIES_MAX 3

struct waiter {
    struct waiter *next;
    struct tsuga_id id;
};

enum state { OPENING, LOOKING, READING, READY, CHECKING };

struct entry {
    struct table_node node; /* by its path; in the order of use */
    enum state state;
    int fd; /* -1: not open */
    struct tsuga_lease lease;
    size_t filled_bytes; /* of the lease */
    size_t head_bytes;
    time_t dated; /* the date in the head */
    uint64_t checked_ms;
    unsigned try_count;  /* of reading it whole */
    struct statx status; /* as of the opening */
    struct statx fresh;  /* as of the last check */
    struct file_facts facts;
    struct waiter *waiters;
    char path[];
};

struct cache {
    struct server *server;
    struct shard *shard;
    struct table table;
    uint64_t bytes; /* of leases */
};

/* Answers. */

static void close_fd(struct tsuga_actor *self, int fd)
{
    if (fd >= 0)
        tsuga_forget(self, tsuga_close(self, fd));
}

/* A descriptor of the asker's own: it may use and close it when it likes. */
static int give_copy(struct tsuga_actor *self, int fd, struct tsuga_id to)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int error = copy < 0 ? -errno : tsuga_fd_adopt(self, copy);

    if (error == 0 && (error = tsuga_fd_give(self, copy, to)) < 0)
        close_fd(self, copy);
    return error < 0 ? error : copy;
}

/* The date in a head changes every second. Sends that are under way keep the bytes that they have:
 * while there are any, this makes a copy for those that follow. */
static void date_head(struct tsuga_actor *self, struct entry *entry)
{
    time_t now = date_now();

    if (entry->dated == now || tsuga_lease_writable(self, entry->lease, &entry->lease) < 0)
        return;
    char *head = tsuga_lease_data(self, entry->lease);
    date_write(head + head_date_offset(200), now);
    entry->dated = now;
}

static void answer(struct tsuga_actor *self, struct entry *entry, struct tsuga_id to)
{
    struct answer answer = {.fd = -1, .facts = entry->facts};

    if (S_ISDIR(entry->status.stx_mode)) {
        answer.is_directory = true;
    } else if (entry->lease.value != 0) {
        date_head(self, entry);
        answer.is_cached = true;
        answer.head_bytes = (uint32_t)entry->head_bytes;
        tsuga_send_with_lease(self, to, TAG_ANSWER, &answer, sizeof answer, entry->lease);
        return;
    }
    if (entry->fd >= 0) {
        answer.fd = give_copy(self, entry->fd, to);
        if (answer.fd < 0)
            answer.error = -answer.fd;
    }
    /* Whoever asked may have ended; then it needs no answer. */
    (void)tsuga_send(self, to, TAG_ANSWER, &answer, sizeof answer);
}

static void answer_all(struct tsuga_actor *self, struct entry *entry)
{
    while (entry->waiters != NULL) {
        struct waiter *waiter = entry->waiters;
        entry->waiters = waiter->next;
        answer(self, entry, waiter->id);
        free(waiter);
    }
}

/* Entries. */

static struct cache *cache_of(const struct tsuga_actor *self)
{
    return tsuga_state(self);
}

static struct entry *entry_of(struct table_node *node)
{
    return (struct entry *)(void *)((char *)node - offsetof(struct entry, node));
}

/* Give back what an entry holds; whoever still sends from the lease keeps it. */
static void empty(struct tsuga_actor *self, struct entry *entry)
{
    struct cache *cache = cache_of(self);

    close_fd(self, entry->fd);
    entry->fd = -1;
    if (entry->lease.value == 0)
        return;
    cache->bytes -= tsuga_lease_bytes(self, entry->lease);
    tsuga_lease_release(self, entry->lease);
    entry->lease.value = 0;
}

static void drop(struct tsuga_actor *self, struct entry *entry)
{
    empty(self, entry);
    table_remove(&cache_of(self)->table, &entry->node);
    free(entry);
}

static void fail(struct tsuga_actor *self, struct entry *entry, int error)
{
    struct answer answer = {.error = -error, .fd = -1};

    while (entry->waiters != NULL) {
        struct waiter *waiter = entry->waiters;
        entry->waiters = waiter->next;
        (void)tsuga_send(self, waiter->id, TAG_ANSWER, &answer, sizeof answer);
        free(waiter);
    }
    drop(self, entry);
}

/* Make room: the entries that were asked for least lately go first, unless they are at work. */
static void trim(struct tsuga_actor *self)
{
    struct cache *cache = cache_of(self);
    const struct settings *settings = &cache->server->settings;
    struct table_node *node = cache->table.oldest;

    while (node != NULL &&
           (cache->table.count > settings->cache_files || cache->bytes > settings->cache_bytes)) {
        struct entry *entry = entry_of(node);
        node = node->newer;
        if (entry->state == READY)
            drop(self, entry);
    }
}

/* The steps. Each starts an operation, whose completion leads to the next one. */

static void start(struct tsuga_actor *self, struct entry *entry, enum state state,
                  struct tsuga_op op)
{
    op.context = entry;
    entry->state = state;
    int error = tsuga_op_error(tsuga_submit(self, &op));
    if (error < 0)
        fail(self, entry, error);
}

/* Beneath the root and nowhere else, whatever links there are. O_NONBLOCK: the name may be that of
 * a FIFO, which nobody writes to. */
static void open_file(struct tsuga_actor *self, struct entry *entry)
{
    start(self, entry, OPENING,
          (struct tsuga_op){
              .kind = TSUGA_OP_OPEN,
              .fd = cache_of(self)->server->root,
              .data = *entry->path != '\0' ? entry->path : ".",
              .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY,
              .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
          });
}

static void look(struct tsuga_actor *self, struct entry *entry, int fd)
{
    entry->fd = fd;
    start(self, entry, LOOKING,
          (struct tsuga_op){
              .kind = TSUGA_OP_STATX,
              .fd = fd,
              .data = "",
              .flags = AT_EMPTY_PATH,
              .mode = STATX_BASIC_STATS,
              .into = &entry->status,
          });
}

/* By name, because another file may have taken its place. The name may lead elsewhere by now, even
 * out of the root; then it is another file, too, and opening it tells. */
static void check(struct tsuga_actor *self, struct entry *entry)
{
    start(self, entry, CHECKING,
          (struct tsuga_op){
              .kind = TSUGA_OP_STATX,
              .fd = cache_of(self)->server->root,
              .data = entry->path,
              .mode = STATX_BASIC_STATS,
              .into = &entry->fresh,
          });
}

static void read_on(struct tsuga_actor *self, struct entry *entry)
{
    size_t bytes = tsuga_lease_bytes(self, entry->lease);

    start(self, entry, READING,
          (struct tsuga_op){
              .kind = TSUGA_OP_READ,
              .options = TSUGA_OP_AT,
              .fd = entry->fd,
              .lease = entry->lease,
              .lease_offset = entry->filled_bytes,
              .offset = entry->filled_bytes - entry->head_bytes,
              .bytes = bytes - entry->filled_bytes,
          });
}

static void finish(struct tsuga_actor *self, struct entry *entry)
{
    entry->state = READY;
    entry->try_count = 0;
    entry->checked_ms = date_now_ms();
    if (S_ISDIR(entry->status.stx_mode)) {
        answer_all(self, entry);
        drop(self, entry); /* a directory is not kept: its index may come or go at any time */
        return;
    }
    answer_all(self, entry);
    trim(self);
}

/* Make the lease with its head; false: the file is not to be kept in memory. */
static bool begin_content(struct tsuga_actor *self, struct entry *entry)
{
    struct cache *cache = cache_of(self);
    char text[HEAD_BYTES];
    struct head head;

    if (entry->facts.size > cache->server->settings.cache_file_max || entry->facts.size == 0)
        return false;
    head_begin(&head, text, sizeof text, 200);
    head_add_content(&head, entry->facts.type, entry->facts.size);
    head_add_facts(&head, &entry->facts);
    head_end(&head, true, false);
    size_t bytes = head.bytes + (size_t)entry->facts.size;
    if (bytes > cache->server->settings.cache_bytes ||
        tsuga_lease_make(self, bytes, &entry->lease) < 0)
        return false;
    memcpy(tsuga_lease_data(self, entry->lease), head.text, head.bytes);
    entry->head_bytes = entry->filled_bytes = head.bytes;
    entry->dated = date_now();
    cache->bytes += bytes;
    return true;
}

/* Size, inode and date make a strong tag: the date counts nanoseconds. */
static void learn(const struct cache *cache, struct entry *entry)
{
    const struct statx *status = &entry->status;
    struct file_facts *facts = &entry->facts;
    unsigned long long date_ns =
        (unsigned long long)status->stx_mtime.tv_sec * 1000000000 + status->stx_mtime.tv_nsec;

    facts->size = status->stx_size;
    facts->modified = (time_t)status->stx_mtime.tv_sec;
    facts->type = mime_of(&cache->server->mime, entry->path);
    snprintf(facts->etag, sizeof facts->etag, "\"%llx-%llx-%llx\"",
             (unsigned long long)status->stx_ino, date_ns, (unsigned long long)status->stx_size);
}

static void looked(struct tsuga_actor *self, struct entry *entry)
{
    size_t path_bytes = strlen(entry->path);
    bool is_directory = S_ISDIR(entry->status.stx_mode);

    if (!is_directory && !S_ISREG(entry->status.stx_mode)) {
        fail(self, entry, -EACCES);
        return;
    }
    learn(cache_of(self), entry);
    /* O_NONBLOCK has done its work; some file systems would take it at its word for reads. */
    fcntl(entry->fd, F_SETFL, 0);
    if (is_directory && path_bytes > 0 && entry->path[path_bytes - 1] != '/')
        empty(self, entry); /* the client is sent to the name with a slash */
    if (is_directory || !begin_content(self, entry))
        finish(self, entry);
    else
        read_on(self, entry);
}

static void has_read(struct tsuga_actor *self, struct entry *entry, int result)
{
    if (result == 0 && ++entry->try_count == TRIES_MAX) {
        fail(self, entry, -EIO); /* there are files that are never as long as they say, in /sys */
        return;
    }
    if (result == 0) { /* it has become shorter since we looked */
        empty(self, entry);
        open_file(self, entry);
        return;
    }
    entry->filled_bytes += (size_t)result;
    if (entry->filled_bytes < tsuga_lease_bytes(self, entry->lease)) {
        read_on(self, entry);
        return;
    }
    close_fd(self, entry->fd);
    entry->fd = -1;
    finish(self, entry);
}

static bool is_same(const struct statx *a, const struct statx *b)
{
    return a->stx_ino == b->stx_ino && a->stx_size == b->stx_size && a->stx_mode == b->stx_mode &&
           a->stx_mtime.tv_sec == b->stx_mtime.tv_sec &&
           a->stx_mtime.tv_nsec == b->stx_mtime.tv_nsec && a->stx_dev_major == b->stx_dev_major &&
           a->stx_dev_minor == b->stx_dev_minor;
}

static void checked(struct tsuga_actor *self, struct entry *entry, int result)
{
    if (result == 0 && is_same(&entry->status, &entry->fresh)) {
        finish(self, entry);
        return;
    }
    empty(self, entry);
    open_file(self, entry); /* which also says what is wrong, if something is */
}

/* Messages. */

static void step(struct tsuga_actor *self, const struct tsuga_completion *io)
{
    struct entry *entry = io->context;

    if (io->result < 0 && entry->state != CHECKING) {
        fail(self, entry, io->result);
        return;
    }
    switch (entry->state) {
    case OPENING:
        look(self, entry, io->result);
        break;
    case LOOKING:
        looked(self, entry);
        break;
    case READING:
        has_read(self, entry, io->result);
        break;
    default:
        checked(self, entry, io->result);
        break;
    }
}

static struct entry *make_entry(struct cache *cache, const char *path)
{
    size_t path_bytes = strlen(path) + 1;
    struct entry *entry = allocate(1, sizeof *entry + path_bytes);

    memcpy(entry->path, path, path_bytes);
    entry->fd = -1;
    table_add(&cache->table, &entry->node, entry->path);
    return entry;
}

static void wait_for(struct entry *entry, struct tsuga_id id)
{
    struct waiter *waiter = allocate(1, sizeof *waiter);

    *waiter = (struct waiter){.next = entry->waiters, .id = id};
    entry->waiters = waiter;
}

static void asked(struct tsuga_actor *self, const char *path, struct tsuga_id from)
{
    struct cache *cache = cache_of(self);
    struct table_node *node = table_find(&cache->table, path);
    bool is_new = node == NULL;
    struct entry *entry = is_new ? make_entry(cache, path) : entry_of(node);

    table_use(&cache->table, &entry->node);
    if (entry->state != READY) {
        wait_for(entry, from);
        if (is_new)
            open_file(self, entry);
        return;
    }
    if (date_now_ms() - entry->checked_ms < cache->server->settings.revalidate_ms) {
        answer(self, entry, from);
        return;
    }
    wait_for(entry, from);
    check(self, entry);
}

/* At the server's end it outlives those who may still ask, and looks for them now and then. */
static void linger(struct tsuga_actor *self)
{
    struct tsuga_op wait = {.kind = TSUGA_OP_TIMEOUT, .timeout_ns = STOP_POLL_NS, .tag = TAG_TIMER};

    if (cache_of(self)->shard->connection_count == 0 ||
        tsuga_op_error(tsuga_submit(self, &wait)) < 0)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void handle(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct tsuga_completion *io = tsuga_message_completion(message);

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP || (io != NULL && io->tag == TAG_TIMER))
        linger(self);
    else if (io != NULL)
        step(self, io);
    else
        asked(self, tsuga_message_data(message), tsuga_message_from(message));
}

static void begin(struct tsuga_actor *self, void *server)
{
    struct cache *cache = cache_of(self);

    cache->server = server;
    cache->shard = &cache->server->shards[tsuga_executor_of(self)];
    table_init(&cache->table, cache->server->settings.cache_files);
}

static void end(void *state)
{
    struct cache *cache = state;

    for (struct table_node *node = cache->table.oldest; node != NULL;) {
        struct entry *entry = entry_of(node);
        node = node->newer;
        while (entry->waiters != NULL) {
            struct waiter *waiter = entry->waiters;
            entry->waiters = waiter->next;
            free(waiter);
        }
        free(entry);
    }
    table_fini(&cache->table);
}

int cache_spawn(struct server *server, struct tsuga_runtime *runtime, uint32_t executor)
{
    struct tsuga_spawn_options options = {
        .behaviour = handle,
        .start = begin,
        .argument = server,
        .state_bytes = sizeof(struct cache),
        .state_fini = end,
        .name = "cache",
        .placement = TSUGA_PLACE_EXECUTOR,
        .executor = executor,
        .receives_stop = true,
    };

    return tsuga_spawn(runtime, &options, &server->shards[executor].cache);
}

int cache_ask(struct tsuga_actor *self, const struct shard *shard, const char *path,
              struct answer *out, struct tsuga_lease *lease)
{
    struct tsuga_select answers = {.user_only = true, .by_tag = true, .tag = TAG_ANSWER};
    const struct tsuga_message *message = NULL;
    int error = tsuga_send(self, shard->cache, TAG_ASK, path, strlen(path) + 1);

    if (error == 0)
        error = tsuga_receive(self, &answers, TSUGA_FOREVER, &message);
    if (error < 0)
        return error;
    memcpy(out, tsuga_message_data(message), sizeof *out);
    *lease = (struct tsuga_lease){0};
    return out->is_cached ? tsuga_message_lease(self, message, lease) : 0;
}
