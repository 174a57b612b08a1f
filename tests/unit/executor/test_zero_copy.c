/* Zero-copy sends: the buffer is the kernel's until its notification, whoever asks for it. */
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "executor/executor.h"
#include "executor/io.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/limits.h"
#include "tests/support/needs.h"
#include "tests/support/ring_fault.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define SEED  59u
#define BYTES (256u << 10)
/* Beside rings, and the rings of tests before. */
#define LOCKED_BYTES (4 * BYTES)

/* Two ends of a TCP connection on the loopback. */
/* A small window may fit none of the loopback's own segments, of 64 KiB: the sender would wait for
 * its timer each time. */
static void connect_tcp(int ends[2])
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    int segment_bytes = 8192;

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(setsockopt(ends[0], IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, sizeof(segment_bytes)),
              0);
    CHECK_INT(connect(ends[0], (struct sockaddr *)&address, sizeof(address)), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(ends[1] >= 0);
    tsuga_fixture_close(&listener, 1);
}

static void connect_udp(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);

    ends[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ends[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(ends[1], (struct sockaddr *)&address, bytes), 0);
    CHECK_INT(getsockname(ends[1], (struct sockaddr *)&address, &bytes), 0);
    CHECK_INT(connect(ends[0], (struct sockaddr *)&address, bytes), 0);
}

static struct tsuga_lease make(struct tsuga_actor *self, size_t bytes)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, bytes, &lease), 0);
    tsuga_content_fill(tsuga_lease_data(self, lease), bytes, SEED, 0);
    return lease;
}

static struct tsuga_token send_with(struct tsuga_actor *self, int fd, struct tsuga_lease lease,
                                    uint32_t options)
{
    return tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                                 .options = options,
                                                 .fd = fd,
                                                 .lease = lease,
                                                 .bytes = tsuga_lease_bytes(self, lease)});
}

/* Reads a content on a thread of its own, once it may. */
struct reader {
    pthread_t thread;
    struct tsuga_gate open;
    int fd;
    size_t bytes;
    size_t wrong; /* bytes that are not the content's */
};

static void *read_content(void *context)
{
    static char got[BYTES];
    static char expected[BYTES];
    struct reader *reader = context;

    tsuga_gate_await(&reader->open, 1);
    tsuga_fixture_read(reader->fd, got, reader->bytes);
    tsuga_content_fill(expected, reader->bytes, SEED, 0);
    for (size_t i = 0; i < reader->bytes; i++)
        reader->wrong += got[i] != expected[i];
    return NULL;
}

static void start_reader(struct reader *reader, int fd, size_t bytes)
{
    *reader = (struct reader){.fd = fd, .bytes = bytes};
    CHECK_INT(pthread_create(&reader->thread, NULL, read_content, reader), 0);
}

static void end_reader(struct reader *reader)
{
    CHECK_INT(pthread_join(reader->thread, NULL), 0);
}

static void send_tcp(struct tsuga_actor *self, void *argument)
{
    static const size_t sizes[] = {1, 100, 4096, 65536, BYTES};
    struct tsuga_completion got;
    struct reader reader;
    int ends[2];

    (void)argument;
    connect_tcp(ends);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct tsuga_lease lease = make(self, sizes[i]);

        start_reader(&reader, ends[1], sizes[i]);
        tsuga_gate_raise(&reader.open);
        got = tsuga_await(self, send_with(self, ends[0], lease, TSUGA_OP_ZERO_COPY));
        CHECK_INT(got.result, (int)sizes[i]);
        CHECK(got.last);
        CHECK(got.zero_copy);
        CHECK(got.copied); /* the loopback device always copies, and says so */
        CHECK_UINT(got.lease.value, lease.value);
        end_reader(&reader);
        CHECK_UINT(reader.wrong, 0);
        CHECK_INT(tsuga_lease_release(self, lease), 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z02_z11_z14_z16_tcp_sends_bring_one_result_that_says_whether_they_were_copied)
{
    struct tsuga_stats stats;

    tsuga_needs("SEND_ZERO_COPY");
    tsuga_needs_locked(LOCKED_BYTES);
    stats = tsuga_world_run(NULL, send_tcp, NULL);
    CHECK_UINT(stats.copied_bytes, 0);
}

static void send_udp(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make(self, 1000);
    struct tsuga_completion got;
    char content[1500];
    int ends[2];

    (void)argument;
    connect_udp(ends);
    for (unsigned i = 0; i < 10; i++) {
        got = tsuga_await(self, send_with(self, ends[0], lease, TSUGA_OP_ZERO_COPY));
        CHECK_INT(got.result, 1000);
        CHECK(got.zero_copy);
        CHECK_INT(recv(ends[1], content, sizeof(content), 0), 1000);
        tsuga_content_check(content, 1000, SEED, 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z01_udp_sends_bring_one_result)
{
    tsuga_needs("SEND_ZERO_COPY");
    tsuga_needs_locked(LOCKED_BYTES);
    (void)tsuga_world_run(NULL, send_udp, NULL);
}

/* One send of forty segments: the kernel cuts it, and there are two results, not one for each. */
static void send_segments(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make(self, 40000);
    struct tsuga_token token;
    int segment_bytes = 1000;
    char content[1500];
    int ends[2];

    (void)argument;
    connect_udp(ends);
    if (setsockopt(ends[0], SOL_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes)) != 0)
        SKIP("the kernel has no UDP_SEGMENT");
    token = send_with(self, ends[0], lease, TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY);
    CHECK_INT(tsuga_await(self, token).result, 40000);
    for (size_t i = 0; i < 40; i++) {
        CHECK_INT(recv(ends[1], content, sizeof(content), 0), segment_bytes);
        tsuga_content_check(content, 1000, SEED, i * 1000);
    }
    CHECK(tsuga_await(self, token).last);
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z01_z09_a_send_of_many_segments_has_two_results)
{
    tsuga_needs("SEND_ZERO_COPY");
    tsuga_needs_locked(LOCKED_BYTES);
    (void)tsuga_world_run(NULL, send_segments, NULL);
}

static void hear_early(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease = make(self, BYTES);
    struct tsuga_completion got;
    struct tsuga_token token;
    struct reader reader;
    int ends[2];

    (void)argument;
    connect_tcp(ends);
    start_reader(&reader, ends[1], BYTES);
    token = send_with(self, ends[0], lease, TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY | TSUGA_OP_SOME);
    got = tsuga_await(self, token);
    CHECK(got.result > 0);
    CHECK(got.more);
    CHECK(!got.last);
    CHECK(got.zero_copy);
    /* The peer does not read, so the rest waits for it. */
    CHECK_INT(tsuga_await_any(self, &token, 1, 5 * TSUGA_NS_PER_MS).result, -ETIMEDOUT);
    reader.bytes = (size_t)got.result;
    tsuga_gate_raise(&reader.open);
    got = tsuga_await(self, token);
    CHECK_INT(got.result, (int)reader.bytes);
    CHECK(got.last);
    CHECK(!got.more);
    CHECK_UINT(got.lease.value, lease.value);
    end_reader(&reader);
    CHECK_UINT(reader.wrong, 0);
    CHECK_INT(tsuga_await(self, token).result, -ENOENT);
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z03_z04_z15_an_early_result_is_not_the_end)
{
    tsuga_needs("SEND_ZERO_COPY");
    tsuga_needs_locked(LOCKED_BYTES);
    (void)tsuga_world_run(NULL, hear_early, NULL);
}

/* The peer does not read yet; the buffer is written to as soon as the API allows, or, with the rule
 * broken, as soon as the bytes are said to be sent. */
static size_t count_corrupted(struct tsuga_actor *self, bool keeps_rule)
{
    uint32_t options = TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY;
    struct tsuga_lease lease = make(self, BYTES);
    struct tsuga_token token;
    struct reader reader;
    int small = 65536;
    int ends[2];

    connect_tcp(ends);
    CHECK_INT(setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    start_reader(&reader, ends[1], BYTES);
    token = send_with(self, ends[0], lease, options | TSUGA_OP_SOME);
    reader.bytes = (size_t)tsuga_await(self, token).result;
    if (!keeps_rule)
        memset(tsuga_lease_data(self, lease), 0xee, BYTES);
    tsuga_gate_raise(&reader.open);
    CHECK(tsuga_await(self, token).last);
    memset(tsuga_lease_data(self, lease), 0xee, BYTES);
    end_reader(&reader);
    tsuga_fixture_close(ends, 2);
    CHECK_INT(tsuga_lease_release(self, lease), 0);
    return reader.wrong;
}

static void keep_and_break(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 5; i++)
        CHECK_UINT(count_corrupted(self, true), 0);
    CHECK(count_corrupted(self, false) > 0); /* else this test could not fail */
}

TEST(zero_copy, z13_the_buffer_is_held_until_the_notification)
{
    tsuga_needs("SEND_ZERO_COPY");
    tsuga_needs_locked(LOCKED_BYTES);
    (void)tsuga_world_run(NULL, keep_and_break, NULL);
}

/* The block of a send whose lease is released, or that was copied in, is not reused before. */
static void reuse_at_once(struct tsuga_actor *self, void *argument)
{
    static char content[BYTES];
    struct tsuga_token tokens[2];
    struct reader reader;
    int ends[2];

    (void)argument;
    connect_tcp(ends);
    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_lease lease = make(self, BYTES / 2);
        struct tsuga_op op = {.kind = TSUGA_OP_SEND,
                              .options = TSUGA_OP_ZERO_COPY,
                              .fd = ends[0],
                              .data = content,
                              .bytes = BYTES / 2};

        start_reader(&reader, ends[1], BYTES / 2);
        tsuga_content_fill(content, BYTES / 2, SEED, 0);
        tokens[0] =
            i == 0 ? tsuga_submit(self, &op) : send_with(self, ends[0], lease, TSUGA_OP_ZERO_COPY);
        memset(content, 0, BYTES / 2);
        CHECK_INT(tsuga_lease_release(self, lease), 0);
        for (unsigned k = 0; k < 8; k++) {
            lease = make(self, BYTES / 2);
            memset(tsuga_lease_data(self, lease), 0xee, BYTES / 2);
            CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
            CHECK_INT(tsuga_lease_release(self, lease), 0);
        }
        tsuga_gate_raise(&reader.open);
        CHECK_INT(tsuga_await(self, tokens[0]).result, BYTES / 2);
        end_reader(&reader);
        CHECK_UINT(reader.wrong, 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z13_h36_n05_blocks_wait_for_the_notification)
{
    (void)tsuga_world_run(NULL, reuse_at_once, NULL);
}

/* Falling back. */

static void send_without(struct tsuga_actor *self, void *argument)
{
    static const uint32_t options[] = {0, TSUGA_OP_EARLY};
    struct tsuga_completion got;
    char content[1000];
    int ends[2];

    if (argument == NULL)
        tsuga_fixture_sockets(ends);
    else
        connect_tcp(ends);
    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_lease lease = make(self, sizeof(content));

        got =
            tsuga_await(self, send_with(self, ends[0], lease, TSUGA_OP_ZERO_COPY | options[i % 2]));
        CHECK_INT(got.result, sizeof(content));
        CHECK(got.last);
        CHECK(!got.zero_copy);
        CHECK(!got.copied);
        CHECK_UINT(got.lease.value, lease.value);
        tsuga_fixture_read(ends[1], content, sizeof(content));
        tsuga_content_check(content, sizeof(content), SEED, 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z17_a_socket_without_it_gets_a_plain_send)
{
    (void)tsuga_world_run(NULL, send_without, NULL);
}

/* What a zero-copy send is charged with does not fit beside the ring. */
static void send_without_room(struct tsuga_actor *self, void *argument)
{
    struct tsuga_completion got;
    struct reader reader;
    int ends[2];

    (void)argument;
    connect_tcp(ends);
    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_lease lease = make(self, BYTES);
        uint32_t options = TSUGA_OP_ZERO_COPY | (i % 2 == 0 ? 0 : TSUGA_OP_EARLY);

        start_reader(&reader, ends[1], BYTES);
        tsuga_gate_raise(&reader.open);
        got = tsuga_await(self, send_with(self, ends[0], lease, options));
        CHECK_INT(got.result, BYTES);
        CHECK(got.last);
        CHECK(!got.zero_copy);
        end_reader(&reader);
        CHECK_UINT(reader.wrong, 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z17_a10_without_locked_memory_sends_are_plain)
{
    static struct tsuga_lines lines;
    const struct tsuga_setup setup = {.lines = &lines};
    const char *line;
    struct tsuga_stats stats;

    tsuga_needs("SEND_ZERO_COPY");
    CHECK_INT(unsetenv("TSUGA_IOHEAP_REGISTRATION"), 0); /* its refusals are counted, too */
    tsuga_lines_init(&lines);
    tsuga_limit_locked(64 << 10);
    tsuga_become_ordinary();
    stats = tsuga_world_run(&setup, send_without_room, NULL);
    CHECK_UINT(stats.registered_refusals, 4);
    line = strstr(lines.text, "zero copy: RLIMIT_MEMLOCK is 64K");
    CHECK(line != NULL);
    CHECK(strstr(line, "a send needs 256K") != NULL);
    CHECK(strstr(line, "ulimit -l") != NULL);
    CHECK_PTR(strstr(line + 1, "zero copy:"), NULL);
}

TEST(zero_copy, z18_a24_a_kernel_without_it_gets_a_plain_send)
{
    struct tsuga_setup setup = {.config.features = {[TSUGA_FEATURE_SEND_ZERO_COPY] = TSUGA_OFF}};

    (void)tsuga_world_run(&setup, send_without, &setup);
}

static void send_by_size(struct tsuga_actor *self, void *argument)
{
    static const struct {
        size_t bytes;
        uint32_t options;
        bool is_zero_copy;
    } cases[] = {{999, 0, false},
                 {1000, 0, true},
                 {5000, 0, true},
                 {5000, TSUGA_OP_COPY, false},
                 {10, TSUGA_OP_ZERO_COPY, true}};
    char content[5000];
    int ends[2];

    (void)argument;
    connect_tcp(ends);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tsuga_token token =
            send_with(self, ends[0], make(self, cases[i].bytes), cases[i].options);
        struct tsuga_completion got;

        tsuga_fixture_read(ends[1], content, 0);
        got = tsuga_await(self, token);
        CHECK_INT(got.result, (int)cases[i].bytes);
        CHECK(got.zero_copy == cases[i].is_zero_copy);
        tsuga_fixture_read(ends[1], content, cases[i].bytes);
        tsuga_content_check(content, cases[i].bytes, SEED, 0);
    }
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z22_the_size_decides_as_configured)
{
    const struct tsuga_setup setup = {.config.send.zero_copy_min = 1000};

    tsuga_needs("SEND_ZERO_COPY");
    tsuga_needs_locked(LOCKED_BYTES);
    (void)tsuga_world_run(&setup, send_by_size, NULL);
}

/* A send that is forgotten goes on, also one that would have told twice, also while it waits for
 * room. */
static void forget_early(struct tsuga_actor *self, void *argument)
{
    static char content[BYTES];
    const int bytes = 4096;
    struct tsuga_completion got;
    struct tsuga_token token;
    int ends[2];

    (void)argument;
    connect_tcp(ends);
    CHECK_INT(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    token = send_with(self, ends[0], make(self, BYTES), TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY);
    CHECK_INT(tsuga_await(self, tsuga_nop(self)).result, 0);
    CHECK_INT(tsuga_stream_pause(self, token), -EINVAL); /* it is no stream */
    CHECK_INT(tsuga_forget(self, token), 0);
    got = tsuga_await(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                                  .fd = ends[1],
                                                                  .flags = MSG_WAITALL,
                                                                  .into = content,
                                                                  .bytes = BYTES,
                                                                  .timeout_ns = TSUGA_NS_PER_S}));
    CHECK_INT(got.result, BYTES);
    tsuga_content_check(content, BYTES, SEED, 0);
    tsuga_fixture_close(ends, 2);
}

TEST(zero_copy, z05_a_send_that_is_forgotten_goes_on)
{
    (void)tsuga_world_run(NULL, forget_early, NULL);
}

/* Failing. */

static void fail(struct tsuga_actor *self, void *argument)
{
    static const uint32_t options[] = {0, TSUGA_OP_EARLY};
    struct tsuga_completion got;
    struct tsuga_token token;
    int ends[2];

    (void)argument;
    for (unsigned i = 0; i < 2; i++) {
        connect_tcp(ends);
        CHECK_INT(shutdown(ends[0], SHUT_WR), 0);
        token = send_with(self, ends[0], make(self, 100), TSUGA_OP_ZERO_COPY | options[i]);
        do
            got = tsuga_await(self, token);
        while (!got.last);
        CHECK_INT(got.result, -EPIPE);
        CHECK_INT(tsuga_await(self, token).result, -ENOENT);
        tsuga_fixture_close(ends, 2);
    }
    got = tsuga_await(self, send_with(self, -1, make(self, 100), TSUGA_OP_ZERO_COPY));
    CHECK_INT(got.result, -EBADF);
}

TEST(zero_copy, z12_a_send_that_fails_ends_once)
{
    (void)tsuga_world_run(NULL, fail, NULL);
}

/* The actor ends at once, or when the bytes are on their way and the peer does not read. */
static void end_early(struct tsuga_actor *self, void *argument)
{
    const int *ends = argument;
    uint32_t options = TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY | TSUGA_OP_SOME;
    struct tsuga_token token;

    CHECK_INT(tsuga_fd_adopt(self, ends[0]), 0);
    token = send_with(self, ends[0], make(self, BYTES), options);
    CHECK(tsuga_await(self, token).result > 0);
    CHECK_INT(tsuga_op_error(send_with(self, ends[0], make(self, BYTES), TSUGA_OP_ZERO_COPY)), 0);
}

/* Whose end waits for the peer is cut short, and what was not sent by then is lost. */
TEST(zero_copy, z20_h43_the_end_of_an_actor_does_not_wait_for_its_peer_for_ever)
{
    const struct tsuga_setup setup = {.config = {.actor.death_ms = 30, .log.level = TSUGA_LOG_OFF}};
    struct tsuga_stats stats;
    struct tsuga_run run;
    int ends[2];

    tsuga_world_start(&setup, &run);
    connect_tcp(ends);
    (void)tsuga_world_spawn(&run, end_early, ends);
    do
        tsuga_stats_read(run.runtime, &stats);
    while (stats.actors_ended == 0 || stats.orphans > 0 || stats.leaked_heaps > 0 ||
           stats.descriptors > 0);
    tsuga_fixture_close(&ends[1], 1);
    tsuga_world_end(&run);
}

/* With the peer reading, everything arrives although the actor is gone. */
struct orphan {
    int ends[2];
    struct reader reader;
    struct tsuga_gate sent;
};

static void end_and_deliver(struct tsuga_actor *self, void *argument)
{
    struct orphan *orphan = argument;
    uint32_t options = TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY | TSUGA_OP_SOME;
    struct tsuga_token token;

    CHECK_INT(tsuga_fd_adopt(self, orphan->ends[0]), 0);
    token = send_with(self, orphan->ends[0], make(self, BYTES), options);
    orphan->reader.bytes = (size_t)tsuga_await(self, token).result;
    tsuga_gate_raise(&orphan->sent);
}

TEST(zero_copy, z05_z13_h43_what_was_on_its_way_arrives_after_the_actors_end)
{
    struct orphan orphan = {.ends = {-1, -1}};
    struct tsuga_stats stats;
    struct tsuga_run run;

    tsuga_world_start(NULL, &run);
    connect_tcp(orphan.ends);
    start_reader(&orphan.reader, orphan.ends[1], BYTES);
    (void)tsuga_world_spawn(&run, end_and_deliver, &orphan);
    tsuga_gate_await(&orphan.sent, 1);
    do
        tsuga_stats_read(run.runtime, &stats);
    while (stats.actors_ended == 0);
    tsuga_gate_raise(&orphan.reader.open);
    end_reader(&orphan.reader);
    CHECK_UINT(orphan.reader.wrong, 0);
    tsuga_fixture_close(&orphan.ends[1], 1);
    tsuga_world_end(&run);
}
