#include "tests/stress/support_stages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "executor/streams.h"
#include "tests/stress/support_props.h"

#define PIECE       200u
#define MOMENT_NS   UINT64_C(100000)
#define MOMENTS_MAX 400u
#define HOARD_MAX   400u
#define SEND_BYTES  (64u << 10)
#define NOBODY_TAG  UINT64_C(0xf0e)

#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)

void stress_close(int fd)
{
    CALL(close, fd);
}

static int listen_here(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof(*address);
    int fd = (int)CALL(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return -1;
    STRESS_REQUIRE(CALL(bind, fd, address, sizeof(*address)) == 0);
    STRESS_REQUIRE(CALL(listen, fd, 16) == 0);
    STRESS_REQUIRE(CALL(getsockname, fd, address, &bytes) == 0);
    return fd;
}

int stress_tcp(int ends[2])
{
    struct sockaddr_in address;
    int listener = listen_here(&address);
    int error = -1;

    if (listener < 0)
        return -1;
    ends[0] = (int)CALL(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0] >= 0 && CALL(connect, ends[0], &address, sizeof(address)) == 0) {
        ends[1] = (int)CALL(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
        error = ends[1] < 0 ? -1 : 0;
    }
    if (error != 0 && ends[0] >= 0)
        stress_close(ends[0]);
    stress_close(listener);
    return error;
}

void stress_stage_strike(struct stress_stage *stage)
{
    while (stage->peer_count > 0)
        stress_close(stage->peers[--stage->peer_count]);
}

bool stress_stage_wait(struct stress_stage *stage)
{
    struct tsuga_select nothing = {.by_tag = true, .tag = NOBODY_TAG};
    const struct tsuga_message *message;

    return tsuga_receive(stage->self, &nothing, MOMENT_NS, &message) == -ETIMEDOUT;
}

static uint64_t draw(struct stress_stage *stage, uint64_t count)
{
    return stress_random(&stage->random) % count;
}

/* The stream or send; NULL when its last completion has been taken. */
static const struct tsuga_record *record_of(struct stress_stage *stage)
{
    struct tsuga_record *record;

    if (tsuga_record_find(tsuga_seat_of(stage->self)->io, stage->token, &record) != 0)
        return NULL;
    return record;
}

static bool is_in(struct stress_stage *stage, enum tsuga_stream_state state)
{
    const struct tsuga_record *record = record_of(stage);

    return record != NULL && tsuga_stream_of(record)->state == state;
}

static bool await_state(struct stress_stage *stage, enum tsuga_stream_state state)
{
    for (unsigned i = 0; i < MOMENTS_MAX && !is_in(stage, state); i++) {
        if (!stress_stage_wait(stage))
            return false;
    }
    return is_in(stage, state);
}

/* Streams of bytes. */

static bool own(struct stress_stage *stage, int ends[2])
{
    stage->fd = ends[0];
    stage->peers[stage->peer_count++] = ends[1];
    STRESS_REQUIRE(tsuga_fd_adopt(stage->self, ends[0]) == 0);
    return true;
}

static bool open_ends(struct stress_stage *stage, enum stress_stream kind)
{
    int ends[2];
    int error;

    if (kind == STRESS_READ)
        error = stress_pipe(ends);
    else
        error = draw(stage, 2) == 0 ? stress_tcp(ends) : stress_socketpair(ends);
    if (error != 0)
        return false;
    CALL(fcntl, ends[1], F_SETFL, O_NONBLOCK);
    return own(stage, ends);
}

/* False: there is no room for a piece now. */
static bool feed(struct stress_stage *stage)
{
    unsigned char piece[PIECE];
    ssize_t count;

    stress_fill(piece, PIECE, stage->seed, stage->written);
    count = CALL(write, stage->peers[0], piece, PIECE);
    if (count > 0)
        stage->written += (uint64_t)count;
    return count > 0;
}

/* Takes one piece, if there is one, and keeps it for ever. */
static bool hoard_one(struct stress_stage *stage)
{
    struct tsuga_completion got = tsuga_await_any(stage->self, &stage->token, 1, MOMENT_NS);

    if (got.result == -ETIMEDOUT)
        return true;
    if (got.result <= 0)
        return false;
    stress_compare(&stage->streams->common, got.data, got.bytes, stage->seed, stage->taken);
    stage->taken += got.bytes;
    STRESS_REQUIRE(stage->taken <= stage->written);
    stress_note(stage->streams, STRESS_PIECES, 1);
    return tsuga_lease_retain(stage->self, got.lease) == 0;
}

static bool hoard_until(struct stress_stage *stage, enum tsuga_stream_state state)
{
    for (unsigned i = 0; i < HOARD_MAX && !is_in(stage, state); i++) {
        if (!feed(stage) || !hoard_one(stage))
            return is_in(stage, state);
    }
    return is_in(stage, state);
}

static bool start_input(struct stress_stage *stage, enum stress_stream kind,
                        enum stress_stream_state state)
{
    static const enum tsuga_op_kind kinds[] = {[STRESS_RECV] = TSUGA_OP_RECV,
                                               [STRESS_READ] = TSUGA_OP_READ,
                                               [STRESS_RECVMSG] = TSUGA_OP_RECVMSG};
    struct tsuga_group_options options = {.buffer_bytes = kind == STRESS_RECVMSG ? 256 : 64,
                                          .buffer_count = 2};
    struct tsuga_op op = {.kind = kinds[kind], .options = TSUGA_OP_MULTI, .fd = stage->fd};

    if (state == STRESS_STARVED || (state < STRESS_STALLED && draw(stage, 2) == 0)) {
        if (tsuga_group_make(stage->self, &options, &op.group) != 0)
            return false;
    } else if (draw(stage, 2) == 0) {
        op.bytes = 512;
    }
    stage->token = tsuga_submit(stage->self, &op);
    return tsuga_op_error(stage->token) == 0;
}

/* Leaves no room in the heap for the stream's next block. */
static void fill_heap(struct stress_stage *stage)
{
    struct tsuga_lease lease;

    for (size_t bytes = 64u << 10; bytes >= 64; bytes /= 2) {
        while (tsuga_lease_make(stage->self, bytes, &lease) == 0)
            continue;
    }
}

static void end_input(struct stress_stage *stage)
{
    for (unsigned i = 0; i < 3; i++)
        (void)feed(stage);
    stress_stage_strike(stage);
}

static bool stage_input(struct stress_stage *stage, enum stress_stream kind,
                        enum stress_stream_state state)
{
    if (!open_ends(stage, kind) || !start_input(stage, kind, state))
        return false;
    switch (state) {
    case STRESS_STARVED:
        return hoard_until(stage, TSUGA_STREAM_STARVED);
    case STRESS_STALLED:
        return hoard_until(stage, TSUGA_STREAM_STALLED);
    case STRESS_STUCK:
        fill_heap(stage);
        (void)feed(stage);
        return await_state(stage, TSUGA_STREAM_STUCK);
    case STRESS_RESTING:
        (void)feed(stage);
        STRESS_REQUIRE(tsuga_stream_pause(stage->self, stage->token) == 0);
        return await_state(stage, TSUGA_STREAM_RESTING);
    case STRESS_ENDED:
        end_input(stage);
        return await_state(stage, TSUGA_STREAM_ENDED);
    default:
        return hoard_one(stage);
    }
}

/* Other streams. */

static bool open_listener(struct stress_stage *stage)
{
    stage->fd = listen_here(&stage->address);
    if (stage->fd < 0)
        return false;
    STRESS_REQUIRE(tsuga_fd_adopt(stage->self, stage->fd) == 0);
    while (stage->peer_count < STRESS_PEERS) {
        int peer = (int)CALL(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (peer < 0)
            return false;
        stage->peers[stage->peer_count++] = peer;
    }
    return true;
}

static void connect_peer(struct stress_stage *stage, unsigned number)
{
    STRESS_REQUIRE(CALL(connect, stage->peers[number], &stage->address, sizeof(stage->address)) ==
                   0);
}

/* Connections wait while the stream rests, and until there are no descriptors left. */
static bool strand_accept(struct stress_stage *stage)
{
    STRESS_REQUIRE(tsuga_stream_pause(stage->self, stage->token) == 0);
    if (!await_state(stage, TSUGA_STREAM_RESTING))
        return false;
    connect_peer(stage, 0);
    for (unsigned i = 0; !atomic_load_explicit(stage->is_short, memory_order_relaxed); i++) {
        if (i == MOMENTS_MAX || !stress_stage_wait(stage))
            return false;
    }
    STRESS_REQUIRE(tsuga_stream_resume(stage->self, stage->token) == 0);
    return await_state(stage, TSUGA_STREAM_STUCK);
}

static bool has_pieces(const struct tsuga_record *record)
{
    return (record->flags & TSUGA_RECORD_QUEUED) != 0;
}

/* Lets something arrive that nobody takes, and cancels the stream. */
static bool end_with_pieces(struct stress_stage *stage)
{
    for (unsigned i = 0; i < MOMENTS_MAX; i++) {
        const struct tsuga_record *record = record_of(stage);

        if (record == NULL || has_pieces(record))
            break;
        if (!stress_stage_wait(stage))
            return false;
    }
    stress_note(stage->streams, STRESS_CANCELS, 1);
    (void)tsuga_await(stage->self, tsuga_cancel(stage->self, stage->token));
    return await_state(stage, TSUGA_STREAM_ENDED);
}

static bool take_one(struct stress_stage *stage, enum stress_event event)
{
    struct tsuga_completion got = tsuga_await_any(stage->self, &stage->token, 1, 10 * MOMENT_NS);

    if (got.result == -ETIMEDOUT)
        return true;
    if (got.result < 0)
        return false;
    stress_note(stage->streams, event, event == STRESS_PERIODS ? (uint64_t)got.result : 1);
    return true;
}

static bool rest(struct stress_stage *stage)
{
    STRESS_REQUIRE(tsuga_stream_pause(stage->self, stage->token) == 0);
    stress_note(stage->streams, STRESS_PAUSES, 1);
    return await_state(stage, TSUGA_STREAM_RESTING);
}

static bool stage_accept(struct stress_stage *stage, enum stress_stream_state state)
{
    if (!open_listener(stage))
        return false;
    stage->token = tsuga_accept_stream(stage->self, stage->fd);
    if (tsuga_op_error(stage->token) != 0)
        return false;
    if (state == STRESS_STUCK)
        return strand_accept(stage);
    if (state == STRESS_RESTING)
        return rest(stage);
    for (unsigned i = 0; i < STRESS_PEERS; i++)
        connect_peer(stage, i);
    return state == STRESS_ENDED ? end_with_pieces(stage) : take_one(stage, STRESS_CONNECTIONS);
}

static bool stage_poll(struct stress_stage *stage, enum stress_stream_state state)
{
    if (!open_ends(stage, STRESS_RECV))
        return false;
    stage->token = tsuga_poll_stream(stage->self, stage->fd, POLLIN);
    if (tsuga_op_error(stage->token) != 0)
        return false;
    if (state == STRESS_RESTING)
        return rest(stage);
    (void)feed(stage);
    return state == STRESS_ENDED ? end_with_pieces(stage) : take_one(stage, STRESS_POLLED);
}

static bool stage_periods(struct stress_stage *stage, enum stress_stream_state state)
{
    stage->token = tsuga_timeout_stream(stage->self, MOMENT_NS);
    if (tsuga_op_error(stage->token) != 0)
        return false;
    if (state == STRESS_RESTING)
        return rest(stage);
    return state == STRESS_ENDED ? end_with_pieces(stage) : take_one(stage, STRESS_PERIODS);
}

bool stress_stage_stream(struct stress_stage *stage, enum stress_stream kind,
                         enum stress_stream_state state)
{
    switch (kind) {
    case STRESS_ACCEPT:
        return stage_accept(stage, state);
    case STRESS_POLL:
        return stage_poll(stage, state);
    case STRESS_TIMEOUT:
        return stage_periods(stage, state);
    default:
        return stage_input(stage, kind, state);
    }
}

/* Sends. */

/* Nothing more goes into the socket. */
static void fill_socket(struct stress_stage *stage)
{
    static const unsigned char zeros[4096];

    while (CALL(sendto, stage->fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) > 0)
        continue;
}

static void drain(struct stress_stage *stage)
{
    unsigned char bytes[4096];
    ssize_t count;

    while ((count = CALL(read, stage->peers[0], bytes, sizeof(bytes))) > 0) {
        stress_compare(&stage->streams->common, bytes, (size_t)count, stage->seed, stage->taken);
        stage->taken += (uint64_t)count;
    }
}

static bool is_sent(struct stress_stage *stage, enum stress_send_state state)
{
    const struct tsuga_record *record = record_of(stage);

    if (record == NULL)
        return true;
    if (state == STRESS_SEND_FREE)
        return record->state == TSUGA_RECORD_DONE;
    return (record->flags & TSUGA_RECORD_SENT) != 0;
}

static bool await_send(struct stress_stage *stage, enum stress_send_state state)
{
    for (unsigned i = 0; i < MOMENTS_MAX && !is_sent(stage, state); i++) {
        if (state == STRESS_SEND_FREE)
            drain(stage);
        if (!stress_stage_wait(stage))
            return false;
    }
    return is_sent(stage, state);
}

static bool submit_send(struct stress_stage *stage, bool is_early)
{
    struct tsuga_op op = {.kind = TSUGA_OP_SEND,
                          .options = TSUGA_OP_ZERO_COPY | TSUGA_OP_SOME,
                          .fd = stage->fd,
                          .bytes = SEND_BYTES};

    if (tsuga_lease_make(stage->self, op.bytes, &op.lease) != 0)
        return false;
    stress_fill(tsuga_lease_data(stage->self, op.lease), op.bytes, stage->seed, 0);
    op.options |= is_early ? TSUGA_OP_EARLY : 0;
    stage->token = tsuga_submit(stage->self, &op);
    stage->enter_count = tsuga_seat_home(tsuga_seat_of(stage->self))->ring->enter_count;
    /* The memory is the kernel's from here on. */
    STRESS_REQUIRE(tsuga_lease_release(stage->self, op.lease) == 0);
    return tsuga_op_error(stage->token) == 0;
}

bool stress_stage_send(struct stress_stage *stage, bool is_early, enum stress_send_state state)
{
    int ends[2];

    if (stress_tcp(ends) != 0)
        return false;
    CALL(fcntl, ends[1], F_SETFL, O_NONBLOCK);
    (void)own(stage, ends);
    if (state == STRESS_SEND_TRYING)
        fill_socket(stage);
    if (!submit_send(stage, is_early))
        return false;
    if (state == STRESS_SEND_QUEUED)
        return true;
    if (state != STRESS_SEND_TRYING)
        return await_send(stage, state);
    /* Twice: the kernel has tried by then, and found no room. */
    if (!stress_stage_wait(stage))
        return false;
    return stress_stage_wait(stage);
}
