/* Sockets: contents through TCP and Unix sockets, slow peers, many descriptors at once. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define STREAM_BYTES (300u << 10)
#define PIECE_BYTES  (16u << 10)

/* A listening socket's address, and who shall connect to it. */
struct meeting {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    int domain;
    bool is_listening;
};

static int make_listener(struct tsuga_actor *self, struct meeting *meeting)
{
    int fd = tsuga_await(self, tsuga_socket(self, meeting->domain, SOCK_STREAM, 0)).result;
    struct sockaddr *address = (struct sockaddr *)&meeting->address;

    CHECK(fd >= 0);
    CHECK_INT(tsuga_await(self, tsuga_bind(self, fd, address, meeting->address_bytes)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_listen(self, fd, 4)).result, 0);
    meeting->address_bytes = sizeof(meeting->address);
    CHECK_INT(getsockname(fd, address, &meeting->address_bytes), 0);
    meeting->is_listening = true;
    return fd;
}

/* What comes in goes out again, without a copy. */
static void echo(struct tsuga_actor *self, void *argument)
{
    int listener = make_listener(self, argument);
    int fd = tsuga_await(self, tsuga_accept(self, listener)).result;

    CHECK(fd >= 0);
    for (;;) {
        struct tsuga_completion got = tsuga_await(self, tsuga_recv(self, fd, PIECE_BYTES));

        CHECK(got.result >= 0);
        if (got.result == 0)
            break;
        CHECK_UINT(tsuga_lease_bytes(self, got.lease), got.bytes);
        CHECK_INT(tsuga_await(self, tsuga_send_lease(self, fd, got.lease)).result, got.result);
    }
    CHECK_INT(tsuga_await(self, tsuga_shutdown(self, fd, SHUT_WR)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_close(self, fd)).result, 0);
}

/* Sends all of a stream while it receives what comes back. */
static void call(struct tsuga_actor *self, void *argument)
{
    struct meeting *meeting = argument;
    char *content = malloc(STREAM_BYTES);
    struct tsuga_token send;
    size_t received = 0;
    int fd;

    CHECK(content != NULL);
    while (!meeting->is_listening)
        CHECK_INT(tsuga_yield(self), 0);
    fd = tsuga_await(self, tsuga_socket(self, meeting->domain, SOCK_STREAM, 0)).result;
    CHECK_INT(tsuga_await(self, tsuga_connect(self, fd, (struct sockaddr *)&meeting->address,
                                              meeting->address_bytes))
                  .result,
              0);
    tsuga_content_fill(content, STREAM_BYTES, 8, 0);
    send = tsuga_send_bytes(self, fd, content, STREAM_BYTES);
    memset(content, 0, STREAM_BYTES);
    while (received < STREAM_BYTES) {
        struct tsuga_completion got = tsuga_await(self, tsuga_recv(self, fd, PIECE_BYTES));

        CHECK(got.result > 0);
        tsuga_content_check(got.data, got.bytes, 8, received);
        received += got.bytes;
    }
    CHECK_INT(tsuga_await(self, send).result, STREAM_BYTES);
    CHECK_INT(tsuga_await(self, tsuga_shutdown(self, fd, SHUT_WR)).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_recv(self, fd, 1)).result, 0);
    free(content);
}

static void meet(struct meeting *meeting, const struct tsuga_setup *setup)
{
    struct tsuga_run run;
    struct tsuga_stats stats;

    tsuga_world_start(setup, &run);
    (void)tsuga_world_spawn(&run, echo, meeting);
    (void)tsuga_world_spawn(&run, call, meeting);
    tsuga_world_end(&run);
    stats = run.stats;
    CHECK(stats.copied_bytes >= STREAM_BYTES);
    CHECK(stats.copied_bytes < STREAM_BYTES + 1000); /* the echo copied nothing */
}

static struct meeting tcp_meeting(void)
{
    struct meeting meeting = {.domain = AF_INET, .address_bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_in *address = (struct sockaddr_in *)&meeting.address;

    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return meeting;
}

TEST(sockets, echo_through_tcp_brings_every_byte_back)
{
    struct meeting meeting = tcp_meeting();

    meet(&meeting, NULL);
}

TEST(sockets, plain_bind_and_listen_stand_in_for_missing_operations)
{
    const struct tsuga_setup setup = {.config.features[TSUGA_FEATURE_BIND_LISTEN] = TSUGA_OFF};
    struct meeting meeting = tcp_meeting();

    meet(&meeting, &setup);
}

TEST(sockets, echo_through_a_unix_socket_brings_every_byte_back)
{
    struct meeting meeting = {.domain = AF_UNIX, .address_bytes = sizeof(struct sockaddr_un)};
    struct sockaddr_un *address = (struct sockaddr_un *)&meeting.address;
    struct tsuga_path path = tsuga_fixture_path();

    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path.text, sizeof(path.text));
    meet(&meeting, NULL);
    CHECK_INT(unlink(path.text), 0);
}

#define PAIRS 160u

/* 320 sockets and 80 files: a receive on each socket, a read on each file, all at once, and the
 * sends that answer the receives. */
static void use_many(struct tsuga_actor *self, void *argument)
{
    static int pairs[PAIRS][2];
    int files[PAIRS / 2];
    const struct tsuga_message *message;

    (void)argument;
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        if (i % 2 == 0)
            tsuga_fixture_sockets(pairs[i / 2]);
        CHECK_INT(tsuga_op_error(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                                       .fd = (&pairs[0][0])[i],
                                                                       .bytes = 100,
                                                                       .tag = i})),
                  0);
    }
    for (unsigned i = 0; i < PAIRS / 2; i++) {
        files[i] = tsuga_fixture_memory_file(500, 1000 + i);
        CHECK_INT(tsuga_op_error(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_READ,
                                                                       .fd = files[i],
                                                                       .bytes = 500,
                                                                       .tag = 1000 + i})),
                  0);
    }
    CHECK_UINT(tsuga_seat_of(self)->io->inflight, 2 * PAIRS + PAIRS / 2);
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        char content[100];

        tsuga_content_fill(content, sizeof(content), i ^ 1, 0);
        CHECK_INT(
            tsuga_op_error(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                                                 .fd = (&pairs[0][0])[i],
                                                                 .data = content,
                                                                 .bytes = sizeof(content),
                                                                 .options = TSUGA_OP_SILENT})),
            0);
    }
    for (unsigned i = 0; i < 2 * PAIRS + PAIRS / 2; i++) {
        const struct tsuga_completion *got;

        CHECK_INT(tsuga_receive(self, NULL, TSUGA_FOREVER, &message), 0);
        got = tsuga_message_completion(message);
        CHECK_INT(got->result, got->tag < 1000 ? 100 : 500);
        tsuga_content_check(got->data, got->bytes, got->tag, 0);
    }
    tsuga_fixture_close(&pairs[0][0], 2 * PAIRS);
    tsuga_fixture_close(files, PAIRS / 2);
}

TEST(sockets, h13_one_actor_has_four_hundred_descriptors_in_flight)
{
    (void)tsuga_world_run(NULL, use_many, NULL);
}

/* The peer does not read until the sender has tried to get at the memory of its own send. */
static void send_to_slow_peer(struct tsuga_actor *self, void *argument)
{
    char *content = malloc(STREAM_BYTES);
    struct tsuga_record *record;
    struct tsuga_token send;
    const char *block;
    int ends[2];

    (void)argument;
    CHECK(content != NULL);
    tsuga_fixture_sockets(ends);
    tsuga_content_fill(content, STREAM_BYTES, 4, 0);
    send = tsuga_send_bytes(self, ends[0], content, STREAM_BYTES);
    memset(content, 0, STREAM_BYTES);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_record_find(tsuga_seat_of(self)->io, send, &record), 0);
    CHECK_INT(record->state, TSUGA_RECORD_INFLIGHT);
    block = record->buffer.block;
    for (unsigned i = 0; i < 50; i++) {
        struct tsuga_lease lease;
        const char *data;

        CHECK_INT(tsuga_lease_make(self, 64u << i % 12, &lease), 0);
        data = tsuga_lease_data(self, lease);
        CHECK(data + (64u << i % 12) <= block || data >= block + STREAM_BYTES);
        memset(tsuga_lease_data(self, lease), 0xee, 64u << i % 12);
    }
    tsuga_fixture_read(ends[1], content, PIECE_BYTES);
    for (size_t got = PIECE_BYTES; got < STREAM_BYTES; got += PIECE_BYTES) {
        /* Each piece that was read lets the kernel send on, when somebody enters. */
        CHECK_INT(tsuga_await(self, tsuga_poll(self, ends[1], POLLIN)).result & POLLIN, POLLIN);
        tsuga_fixture_read(ends[1], content + got,
                           STREAM_BYTES - got < PIECE_BYTES ? STREAM_BYTES - got : PIECE_BYTES);
    }
    CHECK_INT(tsuga_await(self, send).result, STREAM_BYTES);
    tsuga_content_check(content, STREAM_BYTES, 4, 0);
    free(content);
    tsuga_fixture_close(ends, 2);
}

TEST(sockets, n05_what_is_sent_stays_in_place_until_a_slow_peer_has_it)
{
    (void)tsuga_world_run(NULL, send_to_slow_peer, NULL);
}

static void call_nobody(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;

    (void)argument;
    CHECK_INT(close(listener), 0);
    CHECK_INT(
        tsuga_await(self, tsuga_connect(self, fd, (struct sockaddr *)&address, sizeof(address)))
            .result,
        -ECONNREFUSED);
    CHECK_INT(tsuga_await(self, tsuga_send_bytes(self, fd, "x", 1)).result, -EPIPE);
    fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    CHECK_INT(tsuga_await(self, tsuga_recv(self, fd, 1)).result, -ENOTCONN);
    CHECK_INT(tsuga_await(self, tsuga_listen(self, STDIN_FILENO + 500, 1)).result, -EBADF);
    CHECK_INT(tsuga_await(self, tsuga_socket(self, AF_INET, 77, 0)).result, -EINVAL);
}

TEST(sockets, errors_of_sockets_are_results)
{
    (void)tsuga_world_run(NULL, call_nobody, NULL);
}
