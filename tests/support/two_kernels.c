#include "tests/support/two_kernels.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "ioheap/backing.h"
#include "runtime/sim/sockets.h"
#include "tests/support/limits.h"
#include "tests/support/ring_kit.h"
#include "tests/support/test.h"

#define PATIENCE_NS UINT64_C(2000000000)
#define QUIET_NS    UINT64_C(30000000)
#define ENTRIES     8u
#define CQ_ENTRIES  16u

void tsuga_note(struct tsuga_teller *teller, int64_t value)
{
    CHECK(teller->note_count < TSUGA_NOTES_MAX);
    teller->notes[teller->note_count++] = value;
}

void tsuga_tell_only(struct tsuga_teller *teller, struct tsuga_ring_request request)
{
    CHECK(teller->ring->room_count > 0);
    tsuga_ring_push(teller->ring, &request);
}

static bool take(struct tsuga_teller *teller, uint64_t user_data, struct tsuga_ring_result *out)
{
    for (uint32_t i = 0; i < teller->result_count; i++) {
        if (teller->results[i].user_data != user_data)
            continue;
        *out = teller->results[i];
        teller->result_count--;
        memmove(&teller->results[i], &teller->results[i + 1],
                (teller->result_count - i) * sizeof(*out));
        return true;
    }
    return false;
}

/* Whether something came. */
static bool await_any(struct tsuga_teller *teller, uint64_t timeout_ns)
{
    int error = tsuga_ring_enter(teller->ring, 1, timeout_ns);

    teller->result_count += tsuga_ring_reap(teller->ring, teller->results + teller->result_count,
                                            TSUGA_RESULTS_MAX - teller->result_count);
    return error != -ETIME;
}

struct tsuga_ring_result tsuga_hear(struct tsuga_teller *teller, uint64_t user_data)
{
    struct tsuga_ring_result result;

    while (!take(teller, user_data, &result))
        CHECK(await_any(teller, PATIENCE_NS));
    return result;
}

bool tsuga_is_quiet(struct tsuga_teller *teller, uint64_t user_data)
{
    struct tsuga_ring_result result;

    while (await_any(teller, QUIET_NS))
        continue;
    return !take(teller, user_data, &result);
}

struct tsuga_ring_result tsuga_tell(struct tsuga_teller *teller, struct tsuga_ring_request request)
{
    tsuga_tell_only(teller, request);
    return tsuga_hear(teller, request.user_data);
}

/* Sockets. */

static int tell_socket(struct tsuga_teller *teller, bool is_local)
{
    int fd = tsuga_tell(teller, (struct tsuga_ring_request){.kind = TSUGA_RING_SOCKET,
                                                            .user_data = 1000,
                                                            .fd = is_local ? AF_UNIX : AF_INET,
                                                            .length = SOCK_STREAM})
                 .result;

    CHECK(fd >= 0);
    return fd;
}

static void find_address(struct tsuga_teller *teller, int fd, struct sockaddr_storage *address)
{
    socklen_t bytes = sizeof(*address);

    if (teller->simulated == NULL)
        CHECK_INT(getsockname(fd, (struct sockaddr *)address, &bytes), 0);
    else
        *address = tsuga_socket_of(tsuga_kernel_file(teller->simulated, fd))->local.storage;
}

int tsuga_listen_somewhere(struct tsuga_teller *teller, bool is_local,
                           struct sockaddr_storage *address, socklen_t *bytes)
{
    int fd = tell_socket(teller, is_local);
    struct sockaddr_in *four = (void *)address;
    struct sockaddr_un *name = (void *)address;

    memset(address, 0, sizeof(*address));
    if (is_local) {
        name->sun_family = AF_UNIX;
        *bytes =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                        (unsigned)snprintf(name->sun_path + 1, 32, "tsuga-%d-%d", getpid(), fd));
    } else {
        four->sin_family = AF_INET;
        four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *bytes = sizeof(*four);
    }
    CHECK_INT(teller->calls->bind(teller->calls->context, fd, (struct sockaddr *)address, *bytes),
              0);
    CHECK_INT(teller->calls->listen(teller->calls->context, fd, 4), 0);
    if (!is_local)
        find_address(teller, fd, address);
    return fd;
}

void tsuga_connect_ends(struct tsuga_teller *teller, bool is_local, int ends[2])
{
    struct sockaddr_storage address;
    socklen_t bytes;
    int listener = tsuga_listen_somewhere(teller, is_local, &address, &bytes);
    struct tsuga_ring_request connect = {
        .kind = TSUGA_RING_CONNECT, .user_data = 1001, .address = &address, .length = bytes};
    struct tsuga_ring_request accept = {
        .kind = TSUGA_RING_ACCEPT, .user_data = 1002, .fd = listener};

    ends[0] = tell_socket(teller, is_local);
    connect.fd = ends[0];
    CHECK_INT(tsuga_tell(teller, connect).result, 0);
    ends[1] = tsuga_tell(teller, accept).result;
    CHECK(ends[1] >= 0);
    tsuga_tell_close(teller, listener);
}

int32_t tsuga_tell_send(struct tsuga_teller *teller, int fd, const char *text)
{
    return tsuga_tell(teller, (struct tsuga_ring_request){.kind = TSUGA_RING_SEND,
                                                          .user_data = 1003,
                                                          .fd = fd,
                                                          .address = (char *)(uintptr_t)text,
                                                          .length = (uint32_t)strlen(text),
                                                          .flags = MSG_NOSIGNAL})
        .result;
}

void tsuga_tell_close(struct tsuga_teller *teller, int fd)
{
    struct tsuga_ring_request request = {.kind = TSUGA_RING_CLOSE, .user_data = 1004, .fd = fd};

    CHECK_INT(tsuga_tell(teller, request).result, 0);
}

/* The two kernels. */

static void tell_with(struct tsuga_teller *teller, tsuga_story_fn *story)
{
    struct tsuga_ring_request make = {.kind = TSUGA_RING_MKDIR,
                                      .user_data = 1005,
                                      .fd = AT_FDCWD,
                                      .address = teller->directory,
                                      .length = 0700};

    /* A name that no run before has left behind: the story itself makes the directory. */
    snprintf(teller->directory, sizeof(teller->directory), "/tmp/tsuga-story-XXXXXX");
    CHECK(mkdtemp(teller->directory) != NULL);
    CHECK_INT(rmdir(teller->directory), 0);
    CHECK_INT(tsuga_tell(teller, make).result, 0);
    story(teller);
    make.kind = TSUGA_RING_UNLINK;
    make.flags = AT_REMOVEDIR;
    make.length = 0;
    CHECK_INT(tsuga_tell(teller, make).result, 0);
    teller->ring->ops->destroy(teller->ring);
}

static void tell_real(struct tsuga_teller *teller, tsuga_story_fn *story)
{
    struct tsuga_ring_kit kit;

    tsuga_ring_kit_init(&kit, ENTRIES, CQ_ENTRIES);
    teller->ring = tsuga_ring_kit_create(&kit);
    teller->calls = tsuga_calls_linux();
    tell_with(teller, story);
}

static void fail_simulation(void *context, const char *what)
{
    (void)context;
    tsuga_test_fail(__FILE__, __LINE__, "the simulated kernel says: %s", what);
}

static void tell_simulated(struct tsuga_teller *teller, tsuga_story_fn *story, uint64_t seed)
{
    enum tsuga_toggle features[TSUGA_FEATURE_COUNT] = {TSUGA_DEFAULT};
    struct tsuga_ring_config config = {
        .entries = ENTRIES, .cq_entries = CQ_ENTRIES, .features = features};
    const struct tsuga_memory *memory = &tsuga_backing_default()->memory;
    static struct tsuga_schedule schedule;
    static struct tsuga_faults faults;
    static struct tsuga_kernel kernel;

    memset(&faults, 0, sizeof(faults));
    faults.seed = seed;
    faults.schedule = &schedule;
    CHECK_INT(tsuga_schedule_init(&schedule, seed, memory), 0);
    schedule.failed = fail_simulation;
    tsuga_kernel_init(&kernel, &schedule, &faults, memory);
    CHECK_INT(tsuga_disk_put(&kernel, "/tmp/.keep", NULL, 0), 0);
    CHECK_INT(tsuga_kernel_ring_create(&kernel, &config, &teller->ring), 0);
    teller->simulated = &kernel;
    teller->calls = &kernel.calls;
    tell_with(teller, story);
    tsuga_kernel_fini(&kernel);
    tsuga_schedule_fini(&schedule);
}

void tsuga_compare(tsuga_story_fn *story)
{
    static struct tsuga_teller real;
    static struct tsuga_teller simulated;

    tsuga_await_locked();
    tell_real(&real, story);
    for (uint64_t seed = 0; seed < 20; seed++) {
        memset(&simulated, 0, sizeof(simulated));
        tell_simulated(&simulated, story, seed);
        for (uint32_t i = 0; i < real.note_count && i < simulated.note_count; i++) {
            if (real.notes[i] != simulated.notes[i])
                tsuga_test_fail(__FILE__, __LINE__,
                                "note %u: the kernel says %lld, the simulation with seed %llu %lld",
                                i, (long long)real.notes[i], (unsigned long long)seed,
                                (long long)simulated.notes[i]);
        }
        CHECK_UINT(simulated.note_count, real.note_count);
    }
}
