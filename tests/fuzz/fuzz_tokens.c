/*
 * Bytes steer an actor of a live runtime, which throws names at the public calls: tokens of its
 * operations, pending and spent, handles of its leases, those of another actor on another executor,
 * and inventions. Whoever uses a name that it was not given is told so, and no more; in the end the
 * runtime's books balance.
 */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "executor/leases.h"
#include "runtime/base/assert.h"

#include <tsuga.h>

#define STEPS_MAX  200u /* fewer than operations may be in flight */
#define TOKENS     16u
#define LEASES     8u
#define ISSUED_MAX 512u
#define TICK_NS    UINT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Names that the actor was given. */
struct issued {
    uint64_t values[ISSUED_MAX];
    uint32_t count;
};

struct play {
    struct tsuga_actor *self;
    const uint8_t *data;
    size_t bytes;
    int ends[2]; /* of a pipe */
    struct tsuga_token tokens[TOKENS];
    struct tsuga_lease leases[LEASES];
    struct issued issued_tokens;
    struct issued issued_leases;
};

/* Made for the first input, and kept: the runtime, and an actor whose names are thrown, too. */
static struct {
    struct tsuga_runtime *runtime;
    struct tsuga_id stranger;
    struct tsuga_token token;
    struct tsuga_lease lease;
    sem_t is_ready;
} world;

static uint8_t next(struct play *play)
{
    if (play->bytes == 0)
        return 0;
    play->bytes--;
    return *play->data++;
}

static uint64_t next_wide(struct play *play)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < sizeof(value); i++)
        value = value << 8 | next(play);
    return value;
}

static void issue(struct issued *issued, uint64_t value)
{
    TSUGA_VERIFY(issued->count < ISSUED_MAX);
    issued->values[issued->count++] = value;
}

static bool is_issued(const struct issued *issued, uint64_t value)
{
    for (uint32_t i = 0; i < issued->count; i++) {
        if (issued->values[i] == value)
            return true;
    }
    return false;
}

/* A name: the actor's own `mine` more often than not, `foreign`, or something close to either. */
static uint64_t bend(struct play *play, uint64_t mine, uint64_t foreign)
{
    uint8_t how = next(play) % 16;

    if (how < 10)
        return mine;
    switch (how) {
    case 10:
        return foreign;
    case 11:
        return mine ^ UINT64_C(1) << next(play) % 64;
    case 12:
        return mine + ((uint64_t)next(play) << 32);
    case 13:
        return mine + next(play);
    case 14:
        return next(play);
    default:
        return next_wide(play);
    }
}

static struct tsuga_token some_token(struct play *play)
{
    return (struct tsuga_token){
        bend(play, play->tokens[next(play) % TOKENS].value, world.token.value)};
}

static struct tsuga_lease some_lease(struct play *play)
{
    return (struct tsuga_lease){
        bend(play, play->leases[next(play) % LEASES].value, world.lease.value)};
}

static void keep_token(struct play *play, struct tsuga_token token)
{
    if (tsuga_op_error(token) != 0)
        return;
    issue(&play->issued_tokens, token.value);
    play->tokens[token.value % TOKENS] = token;
}

static void keep_lease(struct play *play, struct tsuga_lease lease)
{
    TSUGA_VERIFY(lease.value != 0);
    issue(&play->issued_leases, lease.value);
    play->leases[next(play) % LEASES] = lease;
}

/* What is said of a token: an invented one may carry an error, as those of refused calls do. */
static void check_token(const struct play *play, struct tsuga_token token, int answer)
{
    int carried = tsuga_op_error(token);

    TSUGA_VERIFY(carried <= 0);
    if (carried != 0)
        TSUGA_VERIFY(answer == carried);
    else if (!is_issued(&play->issued_tokens, token.value))
        TSUGA_VERIFY(answer == -EINVAL || answer == -ENOENT);
}

/* What lies in a completion that still waits is the actor's: a name that happens to be right gets
 * it a little early. */
static bool is_in_completion(const struct play *play, struct tsuga_lease lease)
{
    struct tsuga_lease_entry *entry;

    return tsuga_lease_find(play->self, lease, &entry) == 0 && entry->message_count > 0;
}

static void check_lease(const struct play *play, struct tsuga_lease lease, int answer)
{
    if (!is_issued(&play->issued_leases, lease.value) && !is_in_completion(play, lease))
        TSUGA_VERIFY(answer == -EINVAL || answer == -ENOENT);
}

/* A call that started an operation on what a token or a lease names. An invented token may be the
 * operation's own, which is in flight by the time that its target is looked for. */
static void start_with_token(struct play *play, struct tsuga_token name, struct tsuga_token op)
{
    keep_token(play, op);
    check_token(play, name, tsuga_op_error(op));
}

static void start_with_lease(struct play *play, struct tsuga_lease name, struct tsuga_token op)
{
    check_lease(play, name, tsuga_op_error(op));
    keep_token(play, op);
}

static void start(struct play *play)
{
    struct tsuga_actor *self = play->self;

    switch (next(play) % 8) {
    case 0:
        keep_token(play, tsuga_nop(self));
        return;
    case 1:
        keep_token(play, tsuga_read(self, play->ends[0], 1u + next(play)));
        return;
    case 2:
        keep_token(play, tsuga_write(self, play->ends[1], "word", 4));
        return;
    case 3:
        keep_token(play, tsuga_timeout(self, next(play) * TICK_NS / 16));
        return;
    case 4:
        keep_token(play, tsuga_timeout_stream(self, TICK_NS));
        return;
    case 5:
        keep_token(play, tsuga_poll_stream(self, play->ends[0], POLLIN));
        return;
    case 6:
        keep_token(play, tsuga_read_stream(self, play->ends[0]));
        return;
    default:
        keep_token(play, tsuga_poll(self, play->ends[0], POLLIN));
        return;
    }
}

static void use_completion(struct play *play, const struct tsuga_completion *completion)
{
    if (completion->lease.value == 0 || tsuga_lease_retain(play->self, completion->lease) != 0)
        return;
    keep_lease(play, completion->lease);
}

static void await_some(struct play *play)
{
    struct tsuga_token names[3];
    size_t count = 1 + next(play) % 3;
    struct tsuga_completion got;

    for (size_t i = 0; i < count; i++)
        names[i] = some_token(play);
    got = tsuga_await_any(play->self, names, count, 0);
    if (count == 1)
        check_token(play, names[0], got.result);
    use_completion(play, &got);
}

static void use_token(struct play *play)
{
    struct tsuga_token name = some_token(play);
    struct tsuga_actor *self = play->self;

    switch (next(play) % 5) {
    case 0:
        start_with_token(play, name, tsuga_cancel(self, name));
        return;
    case 1:
        check_token(play, name, tsuga_forget(self, name));
        return;
    case 2:
        start_with_token(play, name, tsuga_timeout_update(self, name, next(play) * TICK_NS));
        return;
    case 3:
        check_token(play, name, tsuga_stream_pause(self, name));
        return;
    default:
        check_token(play, name, tsuga_stream_resume(self, name));
        return;
    }
}

static void start_on_lease(struct play *play)
{
    struct tsuga_lease name = some_lease(play);
    struct tsuga_actor *self = play->self;
    size_t bytes = 1u + next(play);

    switch (next(play) % 5) {
    case 0:
        start_with_lease(play, name, tsuga_write_lease(self, play->ends[1], name, bytes));
        return;
    case 1:
        start_with_lease(play, name, tsuga_read_lease(self, play->ends[0], name, bytes));
        return;
    case 2:
        start_with_lease(play, name, tsuga_send_lease(self, play->ends[1], name));
        return;
    case 3:
        start_with_lease(play, name, tsuga_futex_wake(self, name, next(play), 1));
        return;
    default:
        check_lease(play, name, tsuga_send_with_lease(self, tsuga_self(self), 1, NULL, 0, name));
        return;
    }
}

static void derive_lease(struct play *play)
{
    struct tsuga_lease name = some_lease(play);
    struct tsuga_slice slice = {.offset = next(play), .bytes = next(play)};
    struct tsuga_lease derived;
    int error;

    if (next(play) % 2 == 0)
        error = tsuga_lease_slice(play->self, name, &slice, &derived);
    else
        error = tsuga_lease_writable(play->self, name, &derived);
    check_lease(play, name, error);
    if (error == 0)
        keep_lease(play, derived);
}

static void touch_lease(struct play *play)
{
    struct tsuga_lease name = some_lease(play);
    struct tsuga_actor *self = play->self;
    const char *data;

    switch (next(play) % 3) {
    case 0:
        check_lease(play, name, tsuga_lease_retain(self, name));
        return;
    case 1:
        check_lease(play, name, tsuga_lease_release(self, name));
        return;
    default:
        data = tsuga_lease_data(self, name);
        check_lease(play, name, data == NULL ? -ENOENT : 0);
        /* AddressSanitizer looks at the bytes. */
        if (data != NULL && tsuga_lease_bytes(self, name) > 0)
            (void)*(const volatile char *)(data + tsuga_lease_bytes(self, name) - 1);
        return;
    }
}

static void make_lease(struct play *play)
{
    struct tsuga_lease lease;

    if (tsuga_lease_make(play->self, 1u + 16u * next(play), &lease) == 0)
        keep_lease(play, lease);
}

static void receive(struct play *play)
{
    const struct tsuga_message *message;
    struct tsuga_lease lease;

    if (tsuga_receive(play->self, NULL, 0, &message) != 0)
        return;
    if (tsuga_message_completion(message) != NULL)
        use_completion(play, tsuga_message_completion(message));
    else if (tsuga_message_lease(play->self, message, &lease) == 0)
        keep_lease(play, lease);
}

static void step(struct play *play)
{
    static void (*const acts[])(struct play *) = {
        start,        start,       use_token,  use_token, await_some, start_on_lease,
        derive_lease, touch_lease, make_lease, receive,   receive,
    };
    unsigned act = next(play) % (sizeof(acts) / sizeof(acts[0]) + 2);

    if (act < sizeof(acts) / sizeof(acts[0]))
        acts[act](play);
    else if (act == sizeof(acts) / sizeof(acts[0]))
        TSUGA_VERIFY(tsuga_yield(play->self) == 0);
    else
        TSUGA_VERIFY(tsuga_group_release(play->self, (struct tsuga_group){next_wide(play)}) ==
                     -EINVAL);
}

static void run_play(struct tsuga_actor *self, void *argument)
{
    struct play *play = argument;

    play->self = self;
    TSUGA_VERIFY(tsuga_pipe(self, play->ends, 0) == 0);
    for (unsigned i = 0; i < STEPS_MAX && play->bytes > 0; i++)
        step(play);
}

/* Lives as long as the runtime. */
static void be_stranger(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    world.token = tsuga_timeout(self, TSUGA_FOREVER);
    TSUGA_VERIFY(tsuga_lease_make(self, 100, &world.lease) == 0);
    sem_post(&world.is_ready);
    TSUGA_VERIFY(tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == -ECANCELED);
}

static void end_world(void)
{
    struct tsuga_stats stats;

    TSUGA_VERIFY(tsuga_actor_stop(world.runtime, world.stranger) == 0);
    TSUGA_VERIFY(tsuga_join(world.runtime) == 0);
    tsuga_stats_read(world.runtime, &stats);
    TSUGA_VERIFY(stats.ops_completions == stats.ops_submitted);
    TSUGA_VERIFY(stats.orphans == 0);
    TSUGA_VERIFY(stats.leaked_heaps == 0);
    TSUGA_VERIFY(stats.descriptors == 0);
    TSUGA_VERIFY(stats.heaps.live_bytes == 0);
    tsuga_destroy(world.runtime);
}

static void begin_world(void)
{
    const struct tsuga_config config = {.executor.threads = 2, .log.level = TSUGA_LOG_OFF};
    const struct tsuga_spawn_options options = {
        .body = be_stranger, .placement = TSUGA_PLACE_EXECUTOR, .executor = 1};

    TSUGA_VERIFY(sem_init(&world.is_ready, 0, 0) == 0);
    TSUGA_VERIFY(tsuga_start(&config, &world.runtime) == 0);
    TSUGA_VERIFY(tsuga_spawn(world.runtime, &options, &world.stranger) == 0);
    sem_wait(&world.is_ready);
    atexit(end_world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct play play;
    const struct tsuga_spawn_options options = {
        .body = run_play, .argument = &play, .placement = TSUGA_PLACE_EXECUTOR};
    struct tsuga_id id;

    if (world.runtime == NULL)
        begin_world();
    memset(&play, 0, sizeof(play));
    play.data = data;
    play.bytes = bytes;
    TSUGA_VERIFY(tsuga_spawn(world.runtime, &options, &id) == 0);
    /* LeakSanitizer may look between two inputs, and not into what an actor that still ends uses:
     * its stack and its seat are mapped. */
    TSUGA_VERIFY(tsuga_actor_wait(world.runtime, id, TSUGA_FOREVER, NULL) == 0);
    return 0;
}
