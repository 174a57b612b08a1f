/* Facts about the kernel on which the runtime stands, told to the real one and to the simulated
 * one. What a test checks is that both say the same; a CHECK says what that is, where it matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/time_types.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/two_kernels.h"

#define AT_POSITION UINT64_MAX
#define BUFFERS     2u
#define BYTES       64u

/* What a result says, but for the number of its buffer. */
static void note_result(struct tsuga_teller *teller, struct tsuga_ring_result result)
{
    tsuga_note(teller, result.result);
    tsuga_note(teller, result.flags & (TSUGA_RING_MORE | TSUGA_RING_NOTIF));
}

static struct tsuga_ring_request receive_multi(int fd, uint16_t group)
{
    return (struct tsuga_ring_request){.kind = TSUGA_RING_RECV_MULTI,
                                       .user_data = 1,
                                       .fd = fd,
                                       .options = TSUGA_RING_SELECT,
                                       .group = group};
}

static struct tsuga_ring_request cancel(uint64_t user_data)
{
    return (struct tsuga_ring_request){
        .kind = TSUGA_RING_CANCEL, .user_data = 900, .offset = user_data};
}

/* Groups. */

struct lending {
    struct tsuga_ring_group group;
    char buffers[BUFFERS][BYTES];
};

static void open_group(struct tsuga_teller *teller, struct lending *lending)
{
    lending->group = (struct tsuga_ring_group){.entries = BUFFERS, .id = 1};
    lending->group.memory = aligned_alloc(4096, 4096);
    CHECK(lending->group.memory != NULL);
    memset(lending->group.memory, 0, 4096);
    CHECK_INT(teller->ring->ops->add_group(teller->ring, &lending->group), 0);
}

static void offer_all(struct tsuga_teller *teller, struct lending *lending)
{
    for (uint16_t i = 0; i < BUFFERS; i++)
        teller->ring->ops->offer(teller->ring, &lending->group, lending->buffers[i], BYTES, i);
}

static void close_group(struct tsuga_teller *teller, struct lending *lending)
{
    teller->ring->ops->remove_group(teller->ring, &lending->group);
    free(lending->group.memory);
}

static void tell_empty_group(struct tsuga_teller *teller)
{
    static struct lending lending;
    int ends[2];

    open_group(teller, &lending);
    tsuga_connect_ends(teller, true, ends);
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "first"));
    note_result(teller, tsuga_tell(teller, receive_multi(ends[1], 1)));
    offer_all(teller, &lending);
    note_result(teller, tsuga_tell(teller, receive_multi(ends[1], 1))); /* nothing was lost */
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "second"));
    note_result(teller, tsuga_hear(teller, 1));
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "third"));
    note_result(teller, tsuga_hear(teller, 1));
    tsuga_tell_close(teller, ends[0]);
    tsuga_tell_close(teller, ends[1]);
    close_group(teller, &lending);
}

TEST(fidelity, of_groups_that_run_empty)
{
    tsuga_compare(tell_empty_group);
}

static void tell_end(struct tsuga_teller *teller)
{
    static struct lending lending;
    int ends[2];

    open_group(teller, &lending);
    offer_all(teller, &lending);
    tsuga_connect_ends(teller, true, ends);
    tsuga_tell_only(teller, receive_multi(ends[1], 1));
    tsuga_note(teller, tsuga_is_quiet(teller, 1));
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "last words"));
    note_result(teller, tsuga_hear(teller, 1));
    tsuga_tell_close(teller, ends[0]);
    note_result(teller, tsuga_hear(teller, 1)); /* the end: no error, and no more */
    tsuga_tell_close(teller, ends[1]);
    close_group(teller, &lending);
}

TEST(fidelity, of_the_end_of_a_stream)
{
    tsuga_compare(tell_end);
}

static void tell_cancel_multi(struct tsuga_teller *teller)
{
    static struct lending lending;
    int ends[2];

    open_group(teller, &lending);
    offer_all(teller, &lending);
    tsuga_connect_ends(teller, true, ends);
    tsuga_tell_only(teller, receive_multi(ends[1], 1));
    tsuga_note(teller, tsuga_is_quiet(teller, 1));
    note_result(teller, tsuga_tell(teller, cancel(1)));
    note_result(teller, tsuga_hear(teller, 1));
    note_result(teller, tsuga_tell(teller, cancel(1))); /* it has gone */
    tsuga_tell_close(teller, ends[0]);
    tsuga_tell_close(teller, ends[1]);
    close_group(teller, &lending);
}

TEST(fidelity, of_cancelled_streams)
{
    tsuga_compare(tell_cancel_multi);
}

/* Zero copy. */

static void tell_zero_copy(struct tsuga_teller *teller)
{
    char bytes[] = "not copied";
    char into[10]; /* all of it: TCP may bring parts */
    struct tsuga_ring_request send = {
        .kind = TSUGA_RING_SEND_ZC, .user_data = 2, .address = bytes, .length = 10};
    struct tsuga_ring_request receive = {.kind = TSUGA_RING_RECV,
                                         .user_data = 3,
                                         .address = into,
                                         .length = sizeof(into),
                                         .flags = MSG_WAITALL};
    int ends[2];

    tsuga_connect_ends(teller, false, ends);
    send.fd = ends[0];
    receive.fd = ends[1];
    note_result(teller, tsuga_tell(teller, send));
    note_result(teller, tsuga_tell(teller, receive));
    tsuga_note(teller, tsuga_hear(teller, 2).flags); /* the notification, when it has arrived */
    CHECK(memcmp(into, bytes, 10) == 0);
    tsuga_tell_close(teller, ends[0]);
    tsuga_tell_close(teller, ends[1]);
}

TEST(fidelity, z11_of_zero_copy_sends_that_tell_twice)
{
    tsuga_compare(tell_zero_copy);
}

/* Whether it tells once or twice that it cannot is up to the kernel. */
static void tell_no_zero_copy(struct tsuga_teller *teller)
{
    char bytes[] = "local";
    struct tsuga_ring_request send = {
        .kind = TSUGA_RING_SEND_ZC, .user_data = 2, .address = bytes, .length = 5};
    struct tsuga_ring_result got;
    int ends[2];

    tsuga_connect_ends(teller, true, ends);
    send.fd = ends[0];
    got = tsuga_tell(teller, send);
    tsuga_note(teller, got.result);
    if ((got.flags & TSUGA_RING_MORE) != 0)
        CHECK((tsuga_hear(teller, 2).flags & TSUGA_RING_MORE) == 0);
    tsuga_note(teller, tsuga_is_quiet(teller, 2));
    tsuga_tell_close(teller, ends[0]);
    tsuga_tell_close(teller, ends[1]);
}

TEST(fidelity, z17_of_sockets_without_zero_copy)
{
    tsuga_compare(tell_no_zero_copy);
}

/* Datagrams. */

static int open_datagrams(struct tsuga_teller *teller, struct sockaddr_un *name, bool is_bound)
{
    struct tsuga_ring_request make = {
        .kind = TSUGA_RING_SOCKET, .user_data = 70, .fd = AF_UNIX, .length = SOCK_DGRAM};
    struct tsuga_ring_request connect = {.kind = TSUGA_RING_CONNECT, .user_data = 71};
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 20);

    connect.fd = tsuga_tell(teller, make).result;
    CHECK(connect.fd >= 0);
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(name->sun_path + 1, 19, "datagrams-%08d", getpid());
    connect.address = name;
    connect.length = bytes;
    if (is_bound)
        CHECK_INT(
            teller->calls->bind(teller->calls->context, connect.fd, (struct sockaddr *)name, bytes),
            0);
    else
        CHECK_INT(tsuga_tell(teller, connect).result, 0);
    return connect.fd;
}

static void tell_datagrams(struct tsuga_teller *teller)
{
    static struct lending lending;
    struct sockaddr_un name;
    int ends[2];

    open_group(teller, &lending);
    offer_all(teller, &lending);
    ends[1] = open_datagrams(teller, &name, true);
    ends[0] = open_datagrams(teller, &name, false);
    tsuga_tell_only(teller, receive_multi(ends[1], 1));
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "one"));
    note_result(teller, tsuga_hear(teller, 1));
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], ""));
    note_result(teller, tsuga_hear(teller, 1)); /* an empty one ends the stream, like an end */
    tsuga_tell_close(teller, ends[1]);
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "nobody"));
    tsuga_tell_close(teller, ends[0]);
    close_group(teller, &lending);
}

TEST(fidelity, of_empty_datagrams)
{
    tsuga_compare(tell_datagrams);
}

/* Descriptors. */

static void tell_close_in_flight(struct tsuga_teller *teller)
{
    char into[16] = "";
    struct tsuga_ring_request receive = {
        .kind = TSUGA_RING_RECV, .user_data = 4, .address = into, .length = sizeof(into)};
    int ends[2];

    tsuga_connect_ends(teller, true, ends);
    receive.fd = ends[1];
    tsuga_tell_only(teller, receive);
    tsuga_note(teller, tsuga_is_quiet(teller, 4));
    tsuga_tell_close(teller, ends[1]);
    tsuga_note(teller, tsuga_is_quiet(teller, 4)); /* neither completed nor cancelled */
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "late"));
    note_result(teller, tsuga_hear(teller, 4));
    CHECK(memcmp(into, "late", 4) == 0);
    tsuga_tell_close(teller, ends[0]);
}

TEST(fidelity, of_a_close_that_ends_no_request)
{
    tsuga_compare(tell_close_in_flight);
}

static void tell_half_closed(struct tsuga_teller *teller)
{
    char into[6];
    struct tsuga_ring_request receive = {.kind = TSUGA_RING_RECV,
                                         .user_data = 5,
                                         .address = into,
                                         .length = sizeof(into),
                                         .flags = MSG_WAITALL};
    struct tsuga_ring_request shut = {
        .kind = TSUGA_RING_SHUTDOWN, .user_data = 6, .flags = SHUT_WR};
    struct tsuga_ring_request poll = {.kind = TSUGA_RING_POLL, .user_data = 7, .flags = POLLRDHUP};
    int ends[2];

    for (unsigned i = 0; i < 2; i++) {
        tsuga_connect_ends(teller, i == 0, ends);
        receive.fd = ends[1];
        receive.length = sizeof(into);
        shut.fd = ends[0];
        poll.fd = ends[1];
        tsuga_note(teller, tsuga_tell_send(teller, ends[0], "before"));
        note_result(teller, tsuga_tell(teller, shut));
        note_result(teller, tsuga_tell(teller, poll));
        note_result(teller, tsuga_tell(teller, receive));
        note_result(teller, tsuga_tell(teller, receive));
        tsuga_note(teller, tsuga_tell_send(teller, ends[0], "after"));
        tsuga_note(teller, tsuga_tell_send(teller, ends[1], "back"));
        receive.fd = ends[0];
        receive.length = 4;
        note_result(teller, tsuga_tell(teller, receive));
        tsuga_tell_close(teller, ends[0]);
        tsuga_tell_close(teller, ends[1]);
    }
}

TEST(fidelity, of_half_closed_connections)
{
    tsuga_compare(tell_half_closed);
}

static void tell_accepts(struct tsuga_teller *teller)
{
    struct sockaddr_storage address;
    struct tsuga_ring_request accept = {.kind = TSUGA_RING_ACCEPT_MULTI, .user_data = 8};
    struct tsuga_ring_request connect = {
        .kind = TSUGA_RING_CONNECT, .user_data = 9, .address = &address};
    struct tsuga_ring_request make = {
        .kind = TSUGA_RING_SOCKET, .user_data = 10, .fd = AF_INET, .length = SOCK_STREAM};
    socklen_t bytes;

    accept.fd = tsuga_listen_somewhere(teller, false, &address, &bytes);
    connect.length = bytes;
    tsuga_tell_only(teller, accept);
    for (unsigned i = 0; i < 2; i++) {
        struct tsuga_ring_result got;

        connect.fd = tsuga_tell(teller, make).result;
        tsuga_note(teller, tsuga_tell(teller, connect).result);
        got = tsuga_hear(teller, 8);
        tsuga_note(teller, got.result >= 0);
        tsuga_note(teller, got.flags);
        tsuga_tell_close(teller, got.result);
        tsuga_tell_close(teller, connect.fd);
    }
    note_result(teller, tsuga_tell(teller, cancel(8)));
    note_result(teller, tsuga_hear(teller, 8));
    tsuga_tell_close(teller, accept.fd);
    connect.fd = tsuga_tell(teller, make).result;
    tsuga_note(teller, tsuga_tell(teller, connect).result); /* nobody listens */
    tsuga_tell_close(teller, connect.fd);
}

TEST(fidelity, of_multishot_accepts)
{
    tsuga_compare(tell_accepts);
}

/* Chains. */

static void tell_chains(struct tsuga_teller *teller)
{
    char bytes[8];
    char path[96];
    struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600};
    struct tsuga_ring_request nop = {.kind = TSUGA_RING_NOP, .fd = -1};
    struct tsuga_ring_request read = {.kind = TSUGA_RING_READ,
                                      .address = bytes,
                                      .length = sizeof(bytes),
                                      .user_data = 12,
                                      .offset = 0};
    struct tsuga_ring_request open = {
        .kind = TSUGA_RING_OPEN, .user_data = 11, .fd = AT_FDCWD, .address2 = &how};

    snprintf(path, sizeof(path), "%s/short", teller->directory);
    open.address = path;
    read.fd = tsuga_tell(teller, open).result;
    CHECK(read.fd >= 0);
    for (unsigned hard = 0; hard < 2; hard++) {
        read.options = hard == 0 ? TSUGA_RING_LINK : TSUGA_RING_LINK | TSUGA_RING_HARD;
        tsuga_tell_only(teller, read);
        for (uint64_t i = 0; i < 2; i++) {
            nop.user_data = 13 + i;
            nop.options = i == 0 ? TSUGA_RING_LINK : 0;
            tsuga_tell_only(teller, nop);
        }
        for (uint64_t name = 12; name < 15; name++)
            note_result(teller, tsuga_hear(teller, name));
    }
    tsuga_tell_close(teller, read.fd);
    open.kind = TSUGA_RING_UNLINK;
    open.address2 = NULL;
    tsuga_note(teller, tsuga_tell(teller, open).result);
}

TEST(fidelity, h46_of_chains_that_a_short_read_breaks)
{
    tsuga_compare(tell_chains);
}

/* Time. */

static void tell_timeouts(struct tsuga_teller *teller)
{
    struct __kernel_timespec soon = {.tv_nsec = 1000000};
    struct __kernel_timespec late = {.tv_sec = 3600};
    struct tsuga_ring_request timeout = {
        .kind = TSUGA_RING_TIMEOUT, .user_data = 20, .address = &soon};
    struct tsuga_ring_request update = {
        .kind = TSUGA_RING_UPDATE, .user_data = 21, .offset = 20, .address = &soon};

    note_result(teller, tsuga_tell(teller, timeout));
    timeout.address = &late;
    tsuga_tell_only(teller, timeout);
    tsuga_note(teller, tsuga_is_quiet(teller, 20));
    note_result(teller, tsuga_tell(teller, update));
    note_result(teller, tsuga_hear(teller, 20));
    note_result(teller, tsuga_tell(teller, update)); /* it has gone */
    tsuga_tell_only(teller, timeout);
    note_result(teller, tsuga_tell(teller, cancel(20)));
    note_result(teller, tsuga_hear(teller, 20));
}

TEST(fidelity, of_timeouts)
{
    tsuga_compare(tell_timeouts);
}

/* Queues. */

static void tell_overflow(struct tsuga_teller *teller)
{
    uint64_t next = 100;

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 8; i++) {
            struct tsuga_ring_request nop = {.kind = TSUGA_RING_NOP, .fd = -1, .user_data = next++};

            tsuga_tell_only(teller, nop);
        }
        tsuga_note(teller, tsuga_ring_enter(teller->ring, 0, 0)); /* into a queue of 16 */
    }
    for (uint64_t name = 100; name < next; name++) {
        struct tsuga_ring_result got;

        while (tsuga_ring_reap(teller->ring, &got, 1) == 0)
            CHECK(tsuga_ring_enter(teller->ring, 1, 1000000) != -ETIME);
        tsuga_note(teller, (int64_t)got.user_data); /* all of them, in order */
    }
}

TEST(fidelity, h24_of_a_completion_queue_that_overflows)
{
    tsuga_compare(tell_overflow);
}

/* Whether results wait for an enter of the owner's, without which nothing appears. */
static void tell_deferral(struct tsuga_teller *teller)
{
    struct tsuga_ring_request poll = {.kind = TSUGA_RING_WATCH, .user_data = 30, .flags = POLLIN};
    int fd = teller->calls->open_event(teller->calls->context);

    CHECK(fd >= 0);
    poll.fd = fd;
    tsuga_tell_only(teller, poll);
    tsuga_note(teller, tsuga_is_quiet(teller, 30));
    for (unsigned i = 0; i < 2; i++) {
        teller->calls->raise_event(teller->calls->context, fd);
        tsuga_note(teller, tsuga_ring_has_results(teller->ring));
        tsuga_note(teller, tsuga_ring_wants_enter(teller->ring));
        note_result(teller, tsuga_hear(teller, 30));
    }
    note_result(teller, tsuga_tell(teller, cancel(30)));
    note_result(teller, tsuga_hear(teller, 30));
    teller->calls->close(teller->calls->context, fd);
}

TEST(fidelity, of_deferred_task_work)
{
    tsuga_compare(tell_deferral);
}

/* Pipes. */

static void tell_pipes(struct tsuga_teller *teller)
{
    char into[16];
    struct tsuga_ring_request read = {.kind = TSUGA_RING_READ,
                                      .user_data = 40,
                                      .address = into,
                                      .length = sizeof(into),
                                      .offset = AT_POSITION};
    struct tsuga_ring_request write = {.kind = TSUGA_RING_WRITE,
                                       .user_data = 41,
                                       .address = into,
                                       .length = 4,
                                       .offset = AT_POSITION};
    int ends[2];

    CHECK_INT(teller->calls->make_pipe(teller->calls->context, ends, 0), 0);
    read.fd = ends[0];
    write.fd = ends[1];
    tsuga_tell_only(teller, read);
    tsuga_note(teller, tsuga_is_quiet(teller, 40));
    write.address = "pipe";
    note_result(teller, tsuga_tell(teller, write));
    note_result(teller, tsuga_hear(teller, 40));
    tsuga_tell_close(teller, ends[1]);
    note_result(teller, tsuga_tell(teller, read)); /* the end */
    tsuga_tell_close(teller, ends[0]);
    CHECK_INT(teller->calls->make_pipe(teller->calls->context, ends, 0), 0);
    tsuga_tell_close(teller, ends[0]);
    write.fd = ends[1];
    note_result(teller, tsuga_tell(teller, write)); /* broken */
    tsuga_tell_close(teller, ends[1]);
}

TEST(fidelity, of_pipes)
{
    signal(SIGPIPE, SIG_IGN);
    tsuga_compare(tell_pipes);
}

/* Paths. */

static int64_t tell_path(struct tsuga_teller *teller, enum tsuga_ring_kind kind, const char *name,
                         const char *other, uint32_t flags)
{
    struct tsuga_ring_request request = {
        .kind = (uint8_t)kind, .user_data = 50, .fd = AT_FDCWD, .flags = flags};
    char path[128];
    char path2[128];

    snprintf(path, sizeof(path), "%s/%s", teller->directory, name);
    snprintf(path2, sizeof(path2), "%s/%s", teller->directory, other != NULL ? other : "");
    request.address = path;
    request.address2 = other != NULL ? path2 : NULL;
    if (kind == TSUGA_RING_MKDIR)
        request.length = 0700;
    else if (kind == TSUGA_RING_RENAME || kind == TSUGA_RING_LINK_PATH)
        request.length = (uint32_t)AT_FDCWD;
    if (kind == TSUGA_RING_SYMLINK)
        request.address = (char *)(uintptr_t)name;
    return tsuga_tell(teller, request).result;
}

static int64_t tell_open(struct tsuga_teller *teller, const char *name, uint64_t flags)
{
    struct open_how how = {.flags = flags, .mode = (flags & O_CREAT) != 0 ? 0600 : 0};
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_OPEN, .user_data = 51, .fd = AT_FDCWD, .address2 = &how};
    char path[128];
    int result;

    snprintf(path, sizeof(path), "%s/%s", teller->directory, name);
    request.address = path;
    result = tsuga_tell(teller, request).result;
    if (result < 0)
        return result;
    tsuga_tell_close(teller, result);
    return 0;
}

static void tell_paths(struct tsuga_teller *teller)
{
    tsuga_note(teller, tell_open(teller, "file", O_RDONLY));
    tsuga_note(teller, tell_open(teller, "file", O_RDWR | O_CREAT | O_EXCL));
    tsuga_note(teller, tell_open(teller, "file", O_RDWR | O_CREAT | O_EXCL));
    tsuga_note(teller, tell_open(teller, "file", O_RDONLY | O_DIRECTORY));
    tsuga_note(teller, tell_open(teller, "file/below", O_RDONLY));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_MKDIR, "sub", NULL, 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_MKDIR, "sub", NULL, 0));
    tsuga_note(teller, tell_open(teller, "sub", O_RDWR));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_RENAME, "file", "sub/moved", 0));
    tsuga_note(teller, tell_open(teller, "file", O_RDONLY));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_LINK_PATH, "sub/moved", "hard", 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_LINK_PATH, "sub/moved", "hard", 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_SYMLINK, "loop", "loop", 0));
    tsuga_note(teller, tell_open(teller, "loop", O_RDONLY));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_SYMLINK, "sub/moved", "soft", 0));
    tsuga_note(teller, tell_open(teller, "soft", O_RDONLY));
    tsuga_note(teller, tell_open(teller, "soft", O_RDONLY | O_NOFOLLOW));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "sub", NULL, AT_REMOVEDIR));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "sub", NULL, 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_RENAME, "sub", "sub/inner", 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "sub/moved", NULL, 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "sub", NULL, AT_REMOVEDIR));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "hard", NULL, AT_REMOVEDIR));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "hard", NULL, 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "soft", NULL, 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "loop", NULL, 0));
    tsuga_note(teller, tell_path(teller, TSUGA_RING_UNLINK, "nothing", NULL, 0));
}

TEST(fidelity, of_paths)
{
    tsuga_compare(tell_paths);
}

/* Descriptors that are none. */

static void tell_wrong_descriptors(struct tsuga_teller *teller)
{
    static const enum tsuga_ring_kind kinds[] = {
        TSUGA_RING_CLOSE, TSUGA_RING_READ,   TSUGA_RING_WRITE,    TSUGA_RING_FSYNC,
        TSUGA_RING_RECV,  TSUGA_RING_SEND,   TSUGA_RING_ACCEPT,   TSUGA_RING_POLL,
        TSUGA_RING_WATCH, TSUGA_RING_LISTEN, TSUGA_RING_SHUTDOWN, TSUGA_RING_RECV_MULTI};
    char bytes[8];
    int ends[2];

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct tsuga_ring_request request = {
            .kind = (uint8_t)kinds[i], .user_data = 60, .fd = 0x7ffffff0};

        if (kinds[i] == TSUGA_RING_READ || kinds[i] == TSUGA_RING_WRITE ||
            kinds[i] == TSUGA_RING_RECV || kinds[i] == TSUGA_RING_SEND) {
            request.address = bytes;
            request.length = sizeof(bytes);
        }
        if (kinds[i] == TSUGA_RING_RECV_MULTI)
            request.options = TSUGA_RING_SELECT;
        note_result(teller, tsuga_tell(teller, request));
        if (kinds[i] < TSUGA_RING_SOCKET || kinds[i] == TSUGA_RING_POLL ||
            kinds[i] == TSUGA_RING_WATCH)
            continue;
        CHECK_INT(teller->calls->make_pipe(teller->calls->context, ends, 0), 0);
        request.fd = ends[0]; /* a pipe is no socket */
        note_result(teller, tsuga_tell(teller, request));
        tsuga_tell_close(teller, ends[0]);
        tsuga_tell_close(teller, ends[1]);
    }
}

TEST(fidelity, of_descriptors_that_are_none)
{
    tsuga_compare(tell_wrong_descriptors);
}
