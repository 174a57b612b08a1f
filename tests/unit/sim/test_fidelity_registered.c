/* Facts about memory and files that a ring has registered, and about streams of messages, told to
 * the real kernel and to the simulated one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/two_kernels.h"

#define PAGES     4096u
#define SLOTS     4u
#define OLD       500u /* the name of a slot's content */
#define NEW       501u
#define BUFFERS   4u
#define BYTES     256u
#define NAME_ROOM 112u /* room for a sender's address */

static void note_result(struct tsuga_teller *teller, struct tsuga_ring_result result)
{
    tsuga_note(teller, result.result);
    tsuga_note(teller, result.flags & (TSUGA_RING_MORE | TSUGA_RING_NOTIF));
}

/* Slots. */

static int fill(struct tsuga_teller *teller, uint32_t slot, void *base, size_t bytes,
                uint64_t user_data)
{
    struct tsuga_ring_slot content = {.base = base, .bytes = bytes, .user_data = user_data};

    return teller->ring->ops->fill_slots(teller->ring, slot, &content, 1);
}

static char *make_memory(void)
{
    char *memory = aligned_alloc(PAGES, PAGES);

    CHECK(memory != NULL);
    memset(memory, 'm', PAGES);
    return memory;
}

static int open_file(struct tsuga_teller *teller, const char *name)
{
    struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600};
    struct tsuga_ring_request open = {
        .kind = TSUGA_RING_OPEN, .user_data = 80, .fd = AT_FDCWD, .address2 = &how};
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", teller->directory, name);
    open.address = path;
    fd = tsuga_tell(teller, open).result;
    CHECK(fd >= 0);
    return fd;
}

static void remove_file(struct tsuga_teller *teller, const char *name)
{
    struct tsuga_ring_request unlink = {.kind = TSUGA_RING_UNLINK, .user_data = 81, .fd = AT_FDCWD};
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", teller->directory, name);
    unlink.address = path;
    CHECK_INT(tsuga_tell(teller, unlink).result, 0);
}

static struct tsuga_ring_request fixed(enum tsuga_ring_kind kind, int fd, void *address,
                                       uint32_t length)
{
    return (struct tsuga_ring_request){
        .kind = (uint8_t)kind, .user_data = 90, .fd = fd, .address = address, .length = length};
}

static void tell_ranges(struct tsuga_teller *teller)
{
    char *all = make_memory();
    char *memory = all + 64; /* so that what lies before is ours, too */
    int fd = open_file(teller, "ranges");
    struct tsuga_ring_request empty = fixed(TSUGA_RING_WRITE_FIXED, fd, memory, 16);

    tsuga_note(teller, fill(teller, 0, memory, PAGES, OLD)); /* there are no slots */
    CHECK_INT(teller->ring->ops->add_slots(teller->ring, SLOTS), 0);
    tsuga_note(teller, teller->ring->ops->add_slots(teller->ring, SLOTS));
    tsuga_note(teller, fill(teller, SLOTS, memory, PAGES, OLD));
    note_result(teller, tsuga_tell(teller, empty));
    CHECK_INT(fill(teller, 0, memory, PAGES / 2, OLD), 1);
    note_result(teller, tsuga_tell(teller, fixed(TSUGA_RING_WRITE_FIXED, fd, memory, PAGES / 2)));
    note_result(teller,
                tsuga_tell(teller, fixed(TSUGA_RING_WRITE_FIXED, fd, memory + 1, PAGES / 2)));
    note_result(teller,
                tsuga_tell(teller, fixed(TSUGA_RING_READ_FIXED, fd, memory + PAGES / 2, 1)));
    note_result(teller, tsuga_tell(teller, fixed(TSUGA_RING_READ_FIXED, fd, memory - 1, 2)));
    memory[0] = '?';
    note_result(teller, tsuga_tell(teller, fixed(TSUGA_RING_READ_FIXED, fd, memory, 16)));
    CHECK(memory[0] == 'm');
    empty.group = SLOTS;
    note_result(teller, tsuga_tell(teller, empty)); /* no such slot */
    CHECK_INT(fill(teller, 0, NULL, 0, 0), 1);
    note_result(teller, tsuga_hear(teller, OLD));
    tsuga_tell_close(teller, fd);
    remove_file(teller, "ranges");
    free(all);
}

TEST(fidelity, a06_of_ranges_within_registered_memory)
{
    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_compare(tell_ranges);
}

static void tell_write(struct tsuga_teller *teller, int fd, const char *text)
{
    note_result(teller,
                tsuga_tell(teller, (struct tsuga_ring_request){.kind = TSUGA_RING_WRITE,
                                                               .user_data = 95,
                                                               .fd = fd,
                                                               .address = (char *)(uintptr_t)text,
                                                               .length = (uint32_t)strlen(text),
                                                               .offset = UINT64_MAX}));
}

/* What is in flight keeps the memory that it began with, and the last one ends it. */
static void tell_replaced(struct tsuga_teller *teller)
{
    char *memory[2] = {make_memory(), make_memory()};
    struct tsuga_ring_request read;
    int pipes[2][2];

    CHECK_INT(teller->ring->ops->add_slots(teller->ring, SLOTS), 0);
    CHECK_INT(fill(teller, 2, memory[0], PAGES, OLD), 1);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(teller->calls->make_pipe(teller->calls->context, pipes[i], 0), 0);
        read = fixed(TSUGA_RING_READ_FIXED, pipes[i][0], memory[0] + (size_t)64 * i, 4);
        read.user_data = 90 + i;
        read.group = 2;
        read.offset = UINT64_MAX;
        tsuga_tell_only(teller, read);
    }
    tsuga_note(teller, tsuga_is_quiet(teller, 90));
    CHECK_INT(fill(teller, 2, memory[1], PAGES, NEW), 1);
    tsuga_note(teller, tsuga_is_quiet(teller, OLD));
    tell_write(teller, pipes[0][1], "four");
    note_result(teller, tsuga_hear(teller, 90));
    CHECK(memcmp(memory[0], "four", 4) == 0);
    tsuga_note(teller, tsuga_is_quiet(teller, OLD)); /* the other one has it still */
    note_result(teller,
                tsuga_tell(teller, (struct tsuga_ring_request){
                                       .kind = TSUGA_RING_CANCEL, .user_data = 96, .offset = 91}));
    note_result(teller, tsuga_hear(teller, 91));
    note_result(teller, tsuga_hear(teller, OLD));
    read.user_data = 92;
    note_result(teller, tsuga_tell(teller, read)); /* the old memory is not in the slot */
    CHECK_INT(fill(teller, 2, NULL, 0, 0), 1);
    note_result(teller, tsuga_hear(teller, NEW));
    for (unsigned i = 0; i < 2; i++) {
        tsuga_tell_close(teller, pipes[i][0]);
        tsuga_tell_close(teller, pipes[i][1]);
        free(memory[i]);
    }
}

TEST(fidelity, a05_of_slots_that_are_filled_anew)
{
    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_compare(tell_replaced);
}

static void tell_vectors(struct tsuga_teller *teller)
{
    char *memory = make_memory();
    int fd = open_file(teller, "vectors");
    struct iovec vectors[2] = {{memory, 8}, {memory + 64, 8}};
    struct tsuga_ring_request write = fixed(TSUGA_RING_WRITEV_FIXED, fd, vectors, 2);
    struct tsuga_ring_request read = fixed(TSUGA_RING_READV_FIXED, fd, vectors, 2);

    CHECK_INT(teller->ring->ops->add_slots(teller->ring, SLOTS), 0);
    CHECK_INT(fill(teller, 0, memory, 128, OLD), 1);
    note_result(teller, tsuga_tell(teller, write));
    memset(memory, '?', 128);
    note_result(teller, tsuga_tell(teller, read));
    CHECK(memcmp(memory, "mmmmmmmm????", 12) == 0);
    CHECK(memcmp(memory + 64, "mmmmmmmm????", 12) == 0);
    vectors[1].iov_base = memory + 121; /* the last byte is beyond */
    note_result(teller, tsuga_tell(teller, read));
    vectors[1] = (struct iovec){memory, 0};
    note_result(teller, tsuga_tell(teller, read));
    CHECK_INT(fill(teller, 0, NULL, 0, 0), 1);
    note_result(teller, tsuga_hear(teller, OLD));
    tsuga_tell_close(teller, fd);
    remove_file(teller, "vectors");
    free(memory);
}

TEST(fidelity, of_vectors_in_registered_memory)
{
    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_needs("VECTORS_FIXED");
    tsuga_compare(tell_vectors);
}

static void tell_fixed_send(struct tsuga_teller *teller)
{
    char *memory = make_memory();
    char into[10];
    struct tsuga_ring_request send;
    struct tsuga_ring_request receive = {.kind = TSUGA_RING_RECV,
                                         .user_data = 91,
                                         .address = into,
                                         .length = sizeof(into),
                                         .flags = MSG_WAITALL};
    int ends[2];

    tsuga_connect_ends(teller, false, ends);
    CHECK_INT(teller->ring->ops->add_slots(teller->ring, SLOTS), 0);
    CHECK_INT(fill(teller, 1, memory, PAGES, OLD), 1);
    send = fixed(TSUGA_RING_SEND_ZC_FIXED, ends[0], memory, sizeof(into));
    send.group = 1;
    receive.fd = ends[1];
    note_result(teller, tsuga_tell(teller, send));
    CHECK_INT(fill(teller, 1, NULL, 0, 0), 1);
    note_result(teller, tsuga_tell(teller, receive));
    tsuga_note(teller, tsuga_hear(teller, 90).flags);
    note_result(teller, tsuga_hear(teller, OLD)); /* the notification was the last of it */
    CHECK(memcmp(into, memory, sizeof(into)) == 0);
    tsuga_tell_close(teller, ends[0]);
    tsuga_tell_close(teller, ends[1]);
    free(memory);
}

TEST(fidelity, z21_of_zero_copy_sends_from_registered_memory)
{
    tsuga_needs("REGISTERED_BUFFERS");
    tsuga_needs("SEND_ZERO_COPY");
    tsuga_compare(tell_fixed_send);
}

/* Places. */

static void tell_places(struct tsuga_teller *teller)
{
    char into[8];
    struct tsuga_ring_request read = {.kind = TSUGA_RING_READ,
                                      .user_data = 60,
                                      .fd = 1,
                                      .address = into,
                                      .length = sizeof(into),
                                      .offset = UINT64_MAX,
                                      .options = TSUGA_RING_FILE};
    int ends[2];
    int error = teller->ring->ops->add_files(teller->ring, SLOTS);

    if (error != 0)
        SKIP("this kernel has no places, or ones that let go late");
    CHECK_INT(teller->calls->make_pipe(teller->calls->context, ends, 0), 0);
    note_result(teller, tsuga_tell(teller, read)); /* the place is empty */
    tsuga_note(teller, teller->ring->ops->set_file(teller->ring, SLOTS, ends[0]));
    tsuga_note(teller, teller->ring->ops->set_file(teller->ring, 1, 0x7ffffff0));
    tsuga_note(teller, teller->ring->ops->set_file(teller->ring, 1, ends[0]));
    tsuga_tell_close(teller, ends[0]);
    tell_write(teller, ends[1], "place");
    note_result(teller, tsuga_tell(teller, read)); /* its file is open as long as it is there */
    tsuga_note(teller, teller->ring->ops->set_file(teller->ring, 1, -1));
    tell_write(teller, ends[1], "gone");
    note_result(teller, tsuga_tell(teller, read));
    tsuga_tell_close(teller, ends[1]);
}

TEST(fidelity, of_files_in_places)
{
    tsuga_needs("REGISTERED_FILES");
    signal(SIGPIPE, SIG_IGN);
    tsuga_compare(tell_places);
}

/* Streams of messages. */

struct lending {
    struct tsuga_ring_group group;
    _Alignas(16) char buffers[BUFFERS][BYTES];
};

static void open_group(struct tsuga_teller *teller, struct lending *lending)
{
    lending->group = (struct tsuga_ring_group){.entries = BUFFERS, .id = 1};
    lending->group.memory = aligned_alloc(PAGES, PAGES);
    CHECK(lending->group.memory != NULL);
    memset(lending->group.memory, 0, PAGES);
    CHECK_INT(teller->ring->ops->add_group(teller->ring, &lending->group), 0);
    for (uint16_t i = 0; i < BUFFERS; i++)
        teller->ring->ops->offer(teller->ring, &lending->group, lending->buffers[i], BYTES, i);
}

static void close_group(struct tsuga_teller *teller, struct lending *lending)
{
    teller->ring->ops->remove_group(teller->ring, &lending->group);
    free(lending->group.memory);
}

/* A message, by what lies in the buffer that its result names. */
static void note_message(struct tsuga_teller *teller, struct lending *lending,
                         struct tsuga_ring_result got, size_t lead)
{
    const struct tsuga_ring_labels *labels;

    note_result(teller, got);
    tsuga_note(teller, got.flags & TSUGA_RING_BUFFER);
    if ((got.flags & TSUGA_RING_BUFFER) == 0)
        return;
    labels = (void *)lending->buffers[tsuga_ring_buffer(&got)];
    tsuga_note(teller, labels->name_bytes);
    tsuga_note(teller, labels->control_bytes);
    tsuga_note(teller, labels->flags);
    for (size_t at = lead; at < (size_t)got.result; at++)
        tsuga_note(teller, lending->buffers[tsuga_ring_buffer(&got)][at]);
}

static struct tsuga_ring_request receive_messages(int fd, struct msghdr *header)
{
    return (struct tsuga_ring_request){.kind = TSUGA_RING_RECVMSG_MULTI,
                                       .user_data = 1,
                                       .fd = fd,
                                       .address = header,
                                       .length = 1,
                                       .options = TSUGA_RING_SELECT,
                                       .group = 1};
}

static int open_datagrams(struct tsuga_teller *teller, const char *bound, const char *connected)
{
    struct tsuga_ring_request request = {
        .kind = TSUGA_RING_SOCKET, .user_data = 70, .fd = AF_UNIX, .length = SOCK_DGRAM};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 20);
    int fd = tsuga_tell(teller, request).result;

    CHECK(fd >= 0);
    snprintf(name.sun_path + 1, 19, "%s-%08d", bound, getpid());
    CHECK_INT(teller->calls->bind(teller->calls->context, fd, (struct sockaddr *)&name, bytes), 0);
    if (connected == NULL)
        return fd;
    snprintf(name.sun_path + 1, 19, "%s-%08d", connected, getpid());
    request.kind = TSUGA_RING_CONNECT;
    request.fd = fd;
    request.address = &name;
    request.length = bytes;
    CHECK_INT(tsuga_tell(teller, request).result, 0);
    return fd;
}

static void tell_messages(struct tsuga_teller *teller)
{
    static struct lending lending;
    struct msghdr header = {.msg_namelen = NAME_ROOM, .msg_controllen = 32};
    size_t lead = sizeof(struct tsuga_ring_labels) + NAME_ROOM + 32;
    char longest[BYTES];
    int receiver;
    int sender;

    open_group(teller, &lending);
    receiver = open_datagrams(teller, "receiver", NULL);
    sender = open_datagrams(teller, "sender", "receiver");
    tsuga_tell_only(teller, receive_messages(receiver, &header));
    tsuga_note(teller, tsuga_is_quiet(teller, 1));
    tsuga_note(teller, tsuga_tell_send(teller, sender, "one"));
    note_message(teller, &lending, tsuga_hear(teller, 1), lead);
    memset(longest, 'l', sizeof(longest));
    longest[BYTES - 1] = '\0';
    tsuga_note(teller, tsuga_tell_send(teller, sender, longest)); /* which is cut */
    note_message(teller, &lending, tsuga_hear(teller, 1), lead);
    tsuga_note(teller, tsuga_tell_send(teller, sender, "")); /* the end, to the kernel */
    note_message(teller, &lending, tsuga_hear(teller, 1), lead);
    tsuga_note(teller, tsuga_tell_send(teller, sender, "four"));
    header.msg_namelen = 8; /* most of the name is cut */
    tsuga_tell_only(teller, receive_messages(receiver, &header));
    note_message(teller, &lending, tsuga_hear(teller, 1), lead - NAME_ROOM + 8);
    tsuga_note(teller, tsuga_tell_send(teller, sender, "none"));
    note_message(teller, &lending, tsuga_hear(teller, 1), 0); /* no buffer is left */
    tsuga_tell_close(teller, sender);
    tsuga_tell_close(teller, receiver);
    close_group(teller, &lending);
}

TEST(fidelity, of_streams_of_messages)
{
    tsuga_needs("MULTISHOT");
    tsuga_compare(tell_messages);
}

/* Over a connection: bytes, without boundaries, and the end. */
static void tell_connection(struct tsuga_teller *teller)
{
    static struct lending lending;
    struct msghdr header = {.msg_namelen = NAME_ROOM};
    size_t lead = sizeof(struct tsuga_ring_labels) + NAME_ROOM;
    int ends[2];

    open_group(teller, &lending);
    tsuga_connect_ends(teller, true, ends);
    tsuga_tell_only(teller, receive_messages(ends[1], &header));
    tsuga_note(teller, tsuga_is_quiet(teller, 1));
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "bytes"));
    note_message(teller, &lending, tsuga_hear(teller, 1), lead);
    tsuga_tell_close(teller, ends[0]);
    note_message(teller, &lending, tsuga_hear(teller, 1), lead);
    tsuga_tell_close(teller, ends[1]);
    header.msg_controllen = BYTES; /* the labels alone do not fit into a buffer */
    tsuga_connect_ends(teller, true, ends);
    tsuga_note(teller, tsuga_tell_send(teller, ends[0], "bytes"));
    note_message(teller, &lending, tsuga_tell(teller, receive_messages(ends[1], &header)), 0);
    tsuga_tell_close(teller, ends[0]);
    tsuga_tell_close(teller, ends[1]);
    close_group(teller, &lending);
}

TEST(fidelity, of_the_end_of_a_stream_of_messages)
{
    tsuga_needs("MULTISHOT");
    tsuga_compare(tell_connection);
}
