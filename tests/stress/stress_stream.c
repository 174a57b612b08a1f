/*
 * Streams, zero-copy sends and leases that are handed from actor to actor, stopped at random.
 *
 *     stress_stream [SECONDS [SEED]]      60 seconds; TSUGA_TEST_SEED is a seed, too
 *
 * A round is the life of one runtime with a configuration drawn at random: few buffers, little that
 * may be lent, tight rings, features switched off. In it live
 *
 *     stages   actors that bring a stream or a send into one state, and end or wait for their end
 *     flows    pairs: one sends a content, without copies and with, the other receives it with a
 *              stream, which it pauses, cancels and starts anew
 *     keepers  actors that are handed what was received, look at it late, cut it, change copies of
 *              it, and hand it on
 *
 * Every byte that arrives is compared. Whoever is in the way is stopped at random. What a flow has
 * sent was received when neither of the two was stopped. After each round the books balance, see
 * support_round.h, and every slice was released.
 *
 * At the end tables tell how many stops found a stream or a send in which state, and what else
 * happened how often. The status is 1 when something never did.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "runtime/runtime.h"
#include "tests/stress/support_props.h"
#include "tests/stress/support_round.h"
#include "tests/stress/support_stages.h"

#define POPULATION  40u
#define KEEPERS     6u
#define FLOWS       4096u
#define LIVES       16384u
#define HELD        6u
#define WINDOW      3u
#define ROUND_NS    UINT64_C(250000000)
#define MOMENT_NS   UINT64_C(500000)
#define PIECE_BYTES (24u << 10)
#define FLOW_BYTES  (256u << 10)
#define QUOTA_BYTES (1u << 20)
#define HOPS_MAX    4u

/* What two actors know of one content. */
struct flow {
    _Atomic uint64_t sent;
    _Atomic bool has_begun;   /* its sender knows of it */
    _Atomic bool is_complete; /* all that was to be sent is */
    _Atomic bool is_cut;      /* its sender has ended before */
};

/* What is left to tell of an actor. */
struct trace {
    struct stress_streams *streams;
    _Atomic bool has_ended;
};

struct round {
    struct tsuga_runtime *runtime;
    struct stress_streams *streams;
    uint64_t random;
    uint64_t seed;
    _Atomic bool is_short; /* of descriptors */
    _Atomic uint64_t ids[POPULATION];
    _Atomic uint64_t keepers[KEEPERS];
    struct flow *flows;   /* FLOWS */
    struct trace *traces; /* LIVES */
    _Atomic uint32_t flow_count;
    _Atomic uint32_t life_count;
};

/* Where the bytes of a lease belong. */
struct parcel {
    uint64_t seed;
    uint64_t offset;
    uint64_t bytes;
    uint64_t hops;
};

struct held {
    struct tsuga_lease lease;
    struct parcel parcel;
};

struct sending {
    struct tsuga_token token;
    struct tsuga_lease lease;
};

struct life {
    struct round *round;
    struct tsuga_actor *self;
    struct trace *trace;
    struct flow *sends; /* NULL: none, or it has ended as it should */
    struct held held[HELD];
    uint32_t held_count;
    struct sending window[WINDOW];
    uint32_t window_count;
    struct stress_stage stage;
};

struct letter {
    uint32_t flow;
    int fd;
    bool is_pipe;
    uint64_t seed;
};

static uint64_t draw(struct life *life, uint64_t count)
{
    return stress_random(&life->stage.random) % count;
}

static void note(struct life *life, enum stress_event event)
{
    stress_note(life->round->streams, event, 1);
}

/* Lives. */

static void take_stock(void *context)
{
    struct life *life = context;

    stress_streams_take_stock(life->round->streams, life->self, life->stage.enter_count);
    stress_stage_strike(&life->stage);
    /* Before its descriptors are closed, which is what the other side waits for. */
    if (life->sends != NULL)
        atomic_store_explicit(&life->sends->is_cut, true, memory_order_release);
    atomic_store_explicit(&life->trace->has_ended, true, memory_order_relaxed);
}

/* Whoever is alive may be stopped. False: there have been enough of them in this round. */
static bool begin_life(struct tsuga_actor *self, struct round *round)
{
    struct life *life = tsuga_state(self);
    uint32_t number = atomic_fetch_add_explicit(&round->life_count, 1, memory_order_relaxed);

    if (number >= LIVES)
        return false;
    life->round = round;
    life->self = self;
    life->trace = &round->traces[number];
    life->trace->streams = round->streams;
    life->stage.self = self;
    life->stage.streams = round->streams;
    life->stage.is_short = &round->is_short;
    life->stage.random = tsuga_self(self).value * UINT64_C(0x9e3779b97f4a7c15) ^ round->seed;
    life->stage.seed = stress_random(&life->stage.random);
    life->stage.enter_count = UINT64_MAX;
    STRESS_REQUIRE(tsuga_on_exit(self, take_stock, life) == 0);
    if (draw(life, 2) == 0)
        atomic_store_explicit(&round->ids[draw(life, POPULATION)], tsuga_self(self).value,
                              memory_order_relaxed);
    return true;
}

static void end(struct life *life)
{
    if (draw(life, 3) == 0)
        tsuga_exit(life->self, -EIO);
    if (draw(life, 2) == 0)
        STRESS_REQUIRE(tsuga_actor_stop(life->round->runtime, tsuga_self(life->self)) == 0);
}

/* Stages. */

/* The cell of those drawn in which little has happened. */
static bool set_stage(struct life *life)
{
    const struct stress_streams *streams = life->round->streams;
    enum stress_stream kind = STRESS_RECV;
    enum stress_stream_state state = STRESS_ARMED;
    uint64_t best = UINT64_MAX;

    if (draw(life, 3) == 0)
        return stress_stage_send(&life->stage, draw(life, 2) == 0,
                                 (enum stress_send_state)draw(life, STRESS_SEND_STATES));
    for (unsigned i = 0; i < 3; i++) {
        uint64_t random = draw(life, STRESS_STREAMS * STRESS_STREAM_STATES);
        enum stress_stream one = (enum stress_stream)(random % STRESS_STREAMS);
        enum stress_stream_state other = (enum stress_stream_state)(random / STRESS_STREAMS);
        uint64_t count = atomic_load_explicit(&streams->stops[one][other], memory_order_relaxed);

        if (!stress_streams_is_possible(one, other) || count >= best)
            continue;
        best = count;
        kind = one;
        state = other;
    }
    return stress_stage_stream(&life->stage, kind, state);
}

static void stage(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);

    if (!begin_life(self, argument) || !set_stage(life))
        return;
    if (draw(life, 2) == 0)
        end(life);
    for (unsigned i = 0; i < 200 && stress_stage_wait(&life->stage); i++)
        continue;
}

/* Leases. */

static void look_at(struct life *life, const struct held *held)
{
    STRESS_REQUIRE(tsuga_lease_bytes(life->self, held->lease) == held->parcel.bytes);
    stress_compare(&life->round->streams->common, tsuga_lease_data(life->self, held->lease),
                   held->parcel.bytes, held->parcel.seed, held->parcel.offset);
    note(life, STRESS_KEPT_LATE);
}

static void release_oldest(struct life *life)
{
    look_at(life, &life->held[0]);
    STRESS_REQUIRE(tsuga_lease_release(life->self, life->held[0].lease) == 0);
    life->held_count--;
    memmove(life->held, life->held + 1, life->held_count * sizeof(*life->held));
}

/* The caller's reference becomes one that is held. */
static void hold(struct life *life, struct held held)
{
    if (life->held_count == HELD)
        release_oldest(life);
    life->held[life->held_count++] = held;
}

static void hand_to_keeper(struct life *life, struct held held)
{
    struct round *round = life->round;
    struct tsuga_id keeper = {
        atomic_load_explicit(&round->keepers[draw(life, KEEPERS)], memory_order_relaxed)};

    held.parcel.hops++;
    if (tsuga_send_with_lease(life->self, keeper, 0, &held.parcel, sizeof(held.parcel),
                              held.lease) == 0)
        note(life, held.parcel.hops > 1 ? STRESS_PASSED_ON : STRESS_HANDED);
}

static void slice_released(void *context)
{
    struct trace *trace = context;

    stress_note(trace->streams, STRESS_RELEASED, 1);
    if (atomic_load_explicit(&trace->has_ended, memory_order_relaxed))
        stress_note(trace->streams, STRESS_OUTLIVED, 1);
}

/* A part, as a reference of its own. */
static bool cut(struct life *life, const struct held *whole, struct held *out)
{
    struct tsuga_slice slice = {.offset = draw(life, whole->parcel.bytes),
                                .released = slice_released,
                                .context = life->trace};

    slice.bytes = 1 + draw(life, whole->parcel.bytes - slice.offset);
    *out = *whole;
    if (tsuga_lease_slice(life->self, whole->lease, &slice, &out->lease) != 0)
        return false;
    out->parcel.offset += slice.offset;
    out->parcel.bytes = slice.bytes;
    note(life, STRESS_SLICED);
    return true;
}

/* Changes its own copy, or the bytes themselves when nobody else sees them. */
static void scribble(struct life *life, const struct held *held)
{
    struct tsuga_lease copy;

    if (tsuga_lease_retain(life->self, held->lease) != 0)
        return;
    if (tsuga_lease_writable(life->self, held->lease, &copy) == 0) {
        memset(tsuga_lease_data(life->self, copy), 0xee, held->parcel.bytes);
        STRESS_REQUIRE(copy.value != held->lease.value);
        note(life, STRESS_COPIED);
        STRESS_REQUIRE(tsuga_lease_release(life->self, copy) == 0);
        look_at(life, held);
    } else {
        STRESS_REQUIRE(tsuga_lease_release(life->self, held->lease) == 0);
    }
}

/* Nobody has the bytes but the message: they may be written to where they are, or are copied. */
static void overwrite(struct life *life, const struct held *held)
{
    struct tsuga_lease own;

    if (tsuga_lease_writable(life->self, held->lease, &own) != 0)
        return;
    memset(tsuga_lease_data(life->self, own), 0xdd, held->parcel.bytes);
    note(life, own.value == held->lease.value ? STRESS_WRITTEN : STRESS_COPIED);
}

/* What to do with a lease whose reference is the current message's. */
static void treat(struct life *life, const struct held *held)
{
    struct held part;

    switch (draw(life, 8)) {
    case 0:
        if (tsuga_lease_retain(life->self, held->lease) == 0)
            hold(life, *held);
        break;
    case 1:
        hand_to_keeper(life, *held);
        break;
    case 2:
    case 3:
        if (!cut(life, held, &part))
            break;
        hand_to_keeper(life, part);
        hold(life, part);
        break;
    case 4:
        scribble(life, held);
        break;
    case 5:
        overwrite(life, held);
        break;
    default:
        break;
    }
}

/* Keepers. */

static void keep_letter(struct life *life, const struct tsuga_message *message)
{
    struct held held;

    memcpy(&held.parcel, tsuga_message_data(message), sizeof(held.parcel));
    if (draw(life, 8) == 0 || tsuga_message_lease(life->self, message, &held.lease) != 0)
        return; /* it goes with the message */
    note(life, STRESS_TAKEN_OUT);
    hold(life, held);
    if (held.parcel.hops < HOPS_MAX && draw(life, 2) == 0)
        hand_to_keeper(life, held);
    if (draw(life, 4) == 0)
        scribble(life, &held);
}

static void keep(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    const struct tsuga_message *message;
    int error;

    if (!begin_life(self, argument))
        return;
    for (;;) {
        error = tsuga_receive(self, NULL, draw(life, 4) * MOMENT_NS, &message);
        if (error == 0)
            keep_letter(life, message);
        else if (error == -ETIMEDOUT && life->held_count > 0)
            release_oldest(life);
        else if (error != -ETIMEDOUT)
            return;
    }
}

/* Flows: the receiving side. */

static bool receive_letter(struct life *life, struct letter *letter)
{
    struct tsuga_select users = {.user_only = true};
    const struct tsuga_message *message;

    if (tsuga_receive(life->self, &users, TSUGA_FOREVER, &message) != 0)
        return false;
    STRESS_REQUIRE(tsuga_message_bytes(message) == sizeof(*letter));
    memcpy(letter, tsuga_message_data(message), sizeof(*letter));
    return true;
}

static struct tsuga_token open_stream(struct life *life, const struct letter *letter)
{
    struct tsuga_group_options options = {.buffer_bytes = (size_t)64 << draw(life, 7),
                                          .buffer_count = 2u << draw(life, 3),
                                          .incremental = draw(life, 2) == 0};
    struct tsuga_op op = {.kind = letter->is_pipe ? TSUGA_OP_READ : TSUGA_OP_RECV,
                          .options = TSUGA_OP_MULTI,
                          .fd = letter->fd};

    if (!letter->is_pipe && draw(life, 3) == 0) {
        op.kind = TSUGA_OP_RECVMSG;
        op.control_bytes = draw(life, 2) * 24;
        options.buffer_bytes *= 4; /* more than what lies before the bytes */
    }
    if (draw(life, 3) == 0)
        (void)!tsuga_group_make(life->self, &options, &op.group);
    else if (draw(life, 2) == 0)
        op.bytes = (size_t)128 << draw(life, 8);
    return tsuga_submit(life->self, &op);
}

static void meddle(struct life *life, struct tsuga_token stream)
{
    switch (draw(life, 24)) {
    case 0:
        if (tsuga_stream_pause(life->self, stream) != 0)
            return;
        note(life, STRESS_PAUSES);
        if (draw(life, 2) == 0)
            (void)stress_stage_wait(&life->stage);
        STRESS_REQUIRE(tsuga_stream_resume(life->self, stream) == 0);
        note(life, STRESS_RESUMES);
        return;
    case 1:
        if (tsuga_op_error(tsuga_submit(life->self, &(struct tsuga_op){.kind = TSUGA_OP_CANCEL,
                                                                       .options = TSUGA_OP_SILENT,
                                                                       .target = stream})) == 0)
            note(life, STRESS_CANCELS);
        return;
    case 2: /* reads late */
        (void)stress_stage_wait(&life->stage);
        return;
    case 3:
        if (life->held_count > 0)
            release_oldest(life);
        return;
    default:
        return;
    }
}

/* The end of the content: everything that was sent has come. */
static void check_flow(struct life *life, const struct letter *letter, uint64_t offset, int result)
{
    const struct flow *flow = &life->round->flows[letter->flow];

    if (result == 0 && atomic_load_explicit(&flow->is_complete, memory_order_acquire)) {
        STRESS_REQUIRE(atomic_load_explicit(&flow->sent, memory_order_relaxed) == offset);
        note(life, STRESS_FLOWS_WHOLE);
        return;
    }
    STRESS_REQUIRE(atomic_load_explicit(&flow->is_cut, memory_order_acquire) ||
                   (offset == 0 && !atomic_load_explicit(&flow->has_begun, memory_order_relaxed)));
    note(life, STRESS_FLOWS_CUT);
}

/* Whether the stream shall be started again. */
static bool was_cancelled(const struct tsuga_completion *got)
{
    return got->last && (got->result == -ECANCELED || got->result == -ENOENT);
}

static void receive_flow(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct tsuga_completion got = {.last = true, .result = -ECANCELED};
    struct tsuga_token stream = {0};
    struct letter letter;
    uint64_t offset = 0;

    if (!begin_life(self, argument) || !receive_letter(life, &letter))
        return;
    for (;;) {
        struct held held;

        if (was_cancelled(&got))
            stream = open_stream(life, &letter);
        if (tsuga_op_error(stream) != 0)
            return;
        got = tsuga_await(self, stream);
        if (!got.more && !got.last)
            return; /* being stopped */
        if (got.last && !was_cancelled(&got)) {
            check_flow(life, &letter, offset, got.result);
            return;
        }
        if (got.last)
            continue;
        held = (struct held){got.lease, {letter.seed, offset, got.bytes, 0}};
        stress_compare(&life->round->streams->common, got.data, got.bytes, letter.seed, offset);
        offset += got.bytes;
        note(life, STRESS_PIECES);
        treat(life, &held);
        meddle(life, stream);
        if (draw(life, 2000) == 0) {
            (void)tsuga_forget(self, stream);
            note(life, STRESS_FORGOTTEN);
            return;
        }
    }
}

/* Flows: the sending side. */

/* The kernel has given the buffer back: what happens to it now nobody sees. */
static void spoil(struct life *life, struct tsuga_lease lease)
{
    void *data = tsuga_lease_data(life->self, lease);

    memset(data, 0xcc, tsuga_lease_bytes(life->self, lease));
    STRESS_REQUIRE(tsuga_lease_release(life->self, lease) == 0);
}

/* False: being stopped. */
static bool await_oldest(struct life *life)
{
    struct tsuga_completion got = tsuga_await(life->self, life->window[0].token);

    if (!got.last)
        return false;
    spoil(life, life->window[0].lease);
    life->window_count--;
    memmove(life->window, life->window + 1, life->window_count * sizeof(*life->window));
    return true;
}

static void note_send(struct life *life, const struct tsuga_op *op,
                      const struct tsuga_completion *got)
{
    if (got->zero_copy)
        note(life, STRESS_ZERO_COPY);
    else if ((op->options & TSUGA_OP_ZERO_COPY) != 0 && got->result > 0)
        note(life, STRESS_FELL_BACK);
    if (got->more)
        note(life, STRESS_EARLY);
}

/* How many bytes are on their way; 0 or less: nothing more is. */
static int32_t send_some(struct life *life, const struct letter *letter, uint64_t offset)
{
    static const uint32_t options[] = {0, TSUGA_OP_COPY, TSUGA_OP_ZERO_COPY,
                                       TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY,
                                       TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY | TSUGA_OP_SOME};
    struct tsuga_op op = {.kind = letter->is_pipe ? TSUGA_OP_WRITE : TSUGA_OP_SEND,
                          .fd = letter->fd,
                          .bytes = 1 + draw(life, PIECE_BYTES)};
    struct tsuga_completion got;
    struct tsuga_token token;

    if (!letter->is_pipe)
        op.options = options[draw(life, sizeof(options) / sizeof(options[0]))];
    if (tsuga_lease_make(life->self, op.bytes, &op.lease) != 0)
        return 0;
    stress_fill(tsuga_lease_data(life->self, op.lease), op.bytes, letter->seed, offset);
    token = tsuga_submit(life->self, &op);
    life->stage.enter_count = tsuga_seat_home(tsuga_seat_of(life->self))->ring->enter_count;
    if (tsuga_op_error(token) != 0)
        return 0;
    got = tsuga_await(life->self, token);
    if (!got.more && !got.last)
        return 0;
    note_send(life, &op, &got);
    if (got.last)
        spoil(life, op.lease);
    else
        life->window[life->window_count++] = (struct sending){token, op.lease};
    return got.result;
}

static void send_flow(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct letter letter;
    uint64_t offset = 0;
    uint64_t total;

    if (!begin_life(self, argument))
        return;
    if (!receive_letter(life, &letter))
        return;
    life->sends = &life->round->flows[letter.flow];
    atomic_store_explicit(&life->sends->has_begun, true, memory_order_relaxed);
    total = draw(life, FLOW_BYTES);
    while (offset < total) {
        int32_t sent = send_some(life, &letter, offset);

        if (sent <= 0)
            return;
        offset += (uint64_t)sent;
        if (life->window_count == WINDOW && !await_oldest(life))
            return;
    }
    while (life->window_count > 0) {
        if (!await_oldest(life))
            return;
    }
    atomic_store_explicit(&life->sends->sent, offset, memory_order_relaxed);
    /* Pairs with check_flow(), after the end of the content that the close brings about. */
    atomic_store_explicit(&life->sends->is_complete, true, memory_order_release);
    life->sends = NULL;
    (void)tsuga_await(self, tsuga_close(self, letter.fd));
}

/* Gives one end away; whoever gets it may be dead by now. */
static void give(struct life *life, tsuga_body_fn *body, struct letter letter)
{
    struct tsuga_spawn_options options = {.body = body,
                                          .argument = life->round,
                                          .state_bytes = sizeof(struct life),
                                          .placement = TSUGA_PLACE_LEAST_LOADED,
                                          .name = "flow"};
    struct tsuga_id id;
    int error;

    if (tsuga_spawn(life->round->runtime, &options, &id) != 0)
        return; /* the runtime is stopping: our own end closes the descriptor */
    error = tsuga_fd_give(life->self, letter.fd, id);
    STRESS_REQUIRE(error == 0 || error == -ESRCH);
    if (error == 0)
        error = tsuga_send(life->self, id, 0, &letter, sizeof(letter));
    STRESS_REQUIRE(error == 0 || error == -ESRCH);
}

static void found_flow(struct tsuga_actor *self, void *argument)
{
    struct life *life = tsuga_state(self);
    struct letter letter;
    uint64_t way;
    int ends[2];

    if (!begin_life(self, argument))
        return;
    way = draw(life, 3);
    letter.is_pipe = way == 0;
    letter.seed = stress_random(&life->stage.random);
    letter.flow = atomic_fetch_add_explicit(&life->round->flow_count, 1, memory_order_relaxed);
    if (letter.flow >= FLOWS)
        return;
    if ((way == 0 ? stress_pipe(ends) : way == 1 ? stress_socketpair(ends) : stress_tcp(ends)) != 0)
        return;
    for (int i = 0; i < 2; i++)
        STRESS_REQUIRE(tsuga_fd_adopt(self, ends[i]) == 0);
    letter.fd = ends[0];
    give(life, receive_flow, letter);
    letter.fd = ends[1];
    give(life, send_flow, letter);
}

/* Rounds. */

static uint64_t choose(struct round *round, uint64_t count)
{
    return stress_random(&round->random) % count;
}

static struct tsuga_config draw_config(struct round *round)
{
    static const uint32_t entries[] = {4, 16, 64};
    static const uint32_t sizes[] = {1u << 9 | 1u << 12, 1u << 12 | 1u << 16, 1u << 11};
    static const enum tsuga_feature features[] = {
        TSUGA_FEATURE_BUFFER_RING,    TSUGA_FEATURE_BUFFER_RING_INCREMENTAL,
        TSUGA_FEATURE_MULTISHOT,      TSUGA_FEATURE_READ_MULTISHOT,
        TSUGA_FEATURE_SEND_ZERO_COPY, TSUGA_FEATURE_DEFER_TASKRUN};
    struct tsuga_config config = {.log.level = TSUGA_LOG_ERROR};

    config.executor.threads = (uint32_t)(1 + choose(round, 3));
    config.executor.ring_entries = entries[choose(round, 3)];
    config.executor.ops_max = choose(round, 3) == 0 ? 64 : 2048;
    config.executor.cq_entries = config.executor.ops_max; /* streams overflow it */
    config.executor.steal = choose(round, 2) == 0 ? TSUGA_OFF : TSUGA_ON;
    config.executor.watchdog_us = 10000000; /* sanitizers are slow, and so is a busy machine */
    config.actor.death_ms = 60000;
    config.ioheap.quota = QUOTA_BYTES;
    config.receive.group_sizes = sizes[choose(round, 3)];
    config.receive.group_buffers = 1u << choose(round, 4);
    config.receive.lent_max = 4096u << choose(round, 5);
    config.receive.sizer = choose(round, 2) == 0 ? TSUGA_SIZING_FIXED : TSUGA_SIZING_ADAPTIVE;
    config.receive.sizer_min = 256;
    config.receive.sizer_max = 16u << 10;
    config.send.zero_copy_min = choose(round, 2) * 1000;
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        config.features[features[i]] = choose(round, 4) == 0 ? TSUGA_OFF : TSUGA_DEFAULT;
    return config;
}

static struct tsuga_id spawn(struct round *round, tsuga_body_fn *body, const char *name)
{
    struct tsuga_spawn_options options = {
        .body = body, .argument = round, .state_bytes = sizeof(struct life), .name = name};
    struct tsuga_id id;

    STRESS_REQUIRE(tsuga_spawn(round->runtime, &options, &id) == 0);
    stress_count(&round->streams->common.actors, 1);
    return id;
}

static void replace_keepers(struct round *round)
{
    for (unsigned i = 0; i < KEEPERS; i++) {
        struct tsuga_id id = {atomic_load_explicit(&round->keepers[i], memory_order_relaxed)};

        if (id.value != 0 && choose(round, 20) > 0)
            continue;
        if (id.value != 0)
            (void)tsuga_actor_stop(round->runtime, id);
        id = spawn(round, keep, "keeper");
        atomic_store_explicit(&round->keepers[i], id.value, memory_order_relaxed);
    }
}

/* Now and then nobody gets another descriptor. */
static void limit_descriptors(struct round *round)
{
    bool is_short = choose(round, 4) == 0;
    struct rlimit limit;

    if (is_short == atomic_load_explicit(&round->is_short, memory_order_relaxed))
        return;
    STRESS_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = is_short ? 3 : limit.rlim_max;
    STRESS_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    atomic_store_explicit(&round->is_short, is_short, memory_order_relaxed);
    stress_note(round->streams, STRESS_SHORTAGES, is_short);
}

/* Stops some, at random, and sees to it that there are always others. */
static void stir(struct round *round)
{
    struct tsuga_stats stats;

    tsuga_stats_read(round->runtime, &stats);
    for (uint64_t alive = stats.actors_alive; alive < POPULATION; alive++) {
        if (choose(round, 3) == 0)
            (void)spawn(round, found_flow, "founder");
        else
            (void)spawn(round, stage, "stage");
    }
    for (uint64_t i = choose(round, 6); i > 0; i--) {
        uint64_t id =
            atomic_load_explicit(&round->ids[choose(round, POPULATION)], memory_order_relaxed);

        (void)tsuga_actor_stop(round->runtime, (struct tsuga_id){id});
    }
    replace_keepers(round);
    limit_descriptors(round);
    usleep((useconds_t)choose(round, 4000));
}

static void begin_round(struct round *round)
{
    struct tsuga_config config = draw_config(round);

    round->seed = stress_random(&round->random);
    memset(round->flows, 0, FLOWS * sizeof(*round->flows));
    memset(round->traces, 0, LIVES * sizeof(*round->traces));
    for (unsigned i = 0; i < KEEPERS; i++)
        atomic_init(&round->keepers[i], 0);
    atomic_init(&round->flow_count, 0);
    atomic_init(&round->life_count, 0);
    STRESS_REQUIRE(tsuga_start(&config, &round->runtime) == 0);
}

static void run_round(struct round *round)
{
    uint64_t end_ns = stress_now_ns() + ROUND_NS;
    size_t descriptors = stress_count_descriptors();

    begin_round(round);
    while (stress_now_ns() < end_ns)
        stir(round);
    if (choose(round, 2) == 0)
        stress_raise_descriptor_limit();
    stress_end_runtime(round->runtime, stress_random(&round->random));
    stress_raise_descriptor_limit();
    atomic_store_explicit(&round->is_short, false, memory_order_relaxed);
    STRESS_REQUIRE(stress_count_descriptors() == descriptors);
    STRESS_REQUIRE(stress_noted(round->streams, STRESS_SLICED) ==
                   stress_noted(round->streams, STRESS_RELEASED));
    stress_count(&round->streams->common.rounds, 1);
}

int main(int argc, char *argv[])
{
    static struct stress_streams streams;
    static struct flow flows[FLOWS];
    static struct trace traces[LIVES];
    static struct round round = {.streams = &streams, .flows = flows, .traces = traces};
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
    uint64_t end_ns = stress_now_ns() + seconds * TSUGA_NS_PER_S;

    round.random = stress_seed(argc, argv);
    printf("TSUGA_TEST_SEED=%" PRIu64 "\n", round.random);
    fflush(stdout);
    stress_raise_descriptor_limit();
    alarm((unsigned)seconds * 2 + 120); /* a stop that never ends ends the program */
    do
        run_round(&round);
    while (stress_now_ns() < end_ns);
    return stress_streams_print(&streams) ? EXIT_SUCCESS : EXIT_FAILURE;
}
