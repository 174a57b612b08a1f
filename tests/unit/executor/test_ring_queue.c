/* The queues of the io_uring ring: room, waiting, overflow, and submissions that are cut short. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "executor/ring_ranges.h"
#include "runtime/base/clock.h"
#include "runtime/base/sanitize.h"
#include "tests/support/child.h"
#include "tests/support/meddling.h"
#include "tests/support/ring_kit.h"
#include "tests/support/test.h"

static void check_room(const struct tsuga_ring *ring)
{
    CHECK_UINT(ring->room_count + ring->queue_count, ring->entries);
}

static void push_nop(struct tsuga_ring *ring, uint64_t user_data)
{
    tsuga_ring_push(ring, &(struct tsuga_ring_request){
                              .kind = TSUGA_RING_NOP, .user_data = user_data, .fd = -1});
    check_room(ring);
}

/* Takes what is there, which must be NOPs in the order of their submission. */
static uint64_t reap_in_order(struct tsuga_ring *ring, uint64_t next)
{
    struct tsuga_ring_result results[3];
    uint32_t count;

    while ((count = tsuga_ring_reap(ring, results, 3)) > 0)
        for (uint32_t i = 0; i < count; i++) {
            CHECK_UINT(results[i].user_data, next++);
            CHECK_INT(results[i].result, 0);
        }
    CHECK(!tsuga_ring_has_results(ring));
    return next;
}

TEST(ring, h20_h24_tiny_queue_carries_ten_thousand_requests_once)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    uint64_t pushed = 0;
    uint64_t reaped = 0;

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    CHECK_UINT(ring->entries, 4);
    CHECK_UINT(ring->cq_entries, 8);
    CHECK_UINT(ring->room_count, 4);
    while (reaped < 10000) {
        while (ring->room_count > 0 && pushed < 10000)
            push_nop(ring, pushed++);
        CHECK_INT(tsuga_ring_enter(ring, 1, TSUGA_FOREVER), 0);
        check_room(ring);
        CHECK_UINT(ring->queue_count, 0);
        CHECK(tsuga_ring_has_results(ring));
        reaped = reap_in_order(ring, reaped);
    }
    CHECK_UINT(ring->enter_count, 2500);
    CHECK_UINT(ring->overflow_count, 0);
    ring->ops->destroy(ring);
}

TEST(ring, nothing_is_submitted_before_enter)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    int ends[2];
    char byte;

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    CHECK_INT(pipe2(ends, O_NONBLOCK), 0);
    tsuga_ring_push(ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_WRITE,
                                                       .fd = ends[1],
                                                       .address = "x",
                                                       .length = 1,
                                                       .offset = UINT64_MAX});
    CHECK_UINT(ring->queue_count, 1);
    CHECK_INT(read(ends[0], &byte, 1), -1);
    CHECK_INT(tsuga_ring_enter(ring, 0, 0), 0);
    CHECK_INT(read(ends[0], &byte, 1), 1);
    CHECK_INT(tsuga_ring_kit_wait(ring).result, 1);
    close(ends[0]);
    close(ends[1]);
    ring->ops->destroy(ring);
}

TEST(ring, enter_waits_no_longer_than_it_may)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    uint64_t begin_ns;

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    begin_ns = tsuga_clock_monotonic_ns(NULL);
    CHECK_INT(tsuga_ring_enter(ring, 1, 5 * TSUGA_NS_PER_MS), -ETIME);
    CHECK(tsuga_clock_monotonic_ns(NULL) - begin_ns >= 5 * TSUGA_NS_PER_MS);
    CHECK_INT(tsuga_ring_enter(ring, 1, 0), -ETIME);
    CHECK_INT(tsuga_ring_enter(ring, 0, TSUGA_FOREVER), 0);

    /* The kernel does not tell why the wait ended when it has submitted or when results are there,
     * so the caller has to look. */
    push_nop(ring, 0);
    CHECK_INT(tsuga_ring_enter(ring, 2, TSUGA_NS_PER_MS), -EINTR);
    CHECK_INT(tsuga_ring_enter(ring, 2, TSUGA_NS_PER_MS), -EINTR);
    CHECK_INT(tsuga_ring_enter(ring, 1, TSUGA_FOREVER), 0);
    push_nop(ring, 1);
    CHECK_INT(tsuga_ring_enter(ring, 3, 0), -ETIME);
    CHECK_INT(tsuga_ring_enter(ring, 2, 0), 0);
    CHECK_UINT(reap_in_order(ring, 0), 2);
    ring->ops->destroy(ring);
}

static void ignore(int number)
{
    (void)number;
}

TEST(ring, signal_ends_a_wait)
{
    const struct itimerval soon = {{0, 2000}, {0, 2000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    const struct sigaction action = {.sa_handler = ignore};
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_INT(setitimer(ITIMER_REAL, &soon, NULL), 0);
    CHECK_INT(tsuga_ring_enter(ring, 1, TSUGA_FOREVER), -EINTR);
    push_nop(ring, 0);
    CHECK_INT(tsuga_ring_enter(ring, 2, TSUGA_FOREVER), -EINTR);
    CHECK_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_UINT(reap_in_order(ring, 0), 1);
    ring->ops->destroy(ring);
}

/* Nobody reaps while 1000 requests complete into a queue of 8. */
TEST(ring, h24_overflow_loses_and_reorders_nothing)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    uint64_t reaped = 0;

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    for (uint64_t i = 0; i < 1000; i++) {
        if (ring->room_count == 0)
            CHECK_INT(tsuga_ring_enter(ring, 0, 0), 0);
        push_nop(ring, i);
    }
    CHECK_INT(tsuga_ring_enter(ring, 0, 0), 0);
    CHECK(tsuga_ring_wants_enter(ring));
    CHECK(ring->overflow_count > 0);
    while (reaped < 1000) {
        reaped = reap_in_order(ring, reaped);
        CHECK_INT(tsuga_ring_enter(ring, reaped < 1000 ? 1 : 0, TSUGA_NS_PER_S), 0);
    }
    CHECK(!tsuga_ring_wants_enter(ring));
    CHECK(!tsuga_ring_has_results(ring));
    ring->ops->destroy(ring);
}

TEST(ring, h24_partial_submission_keeps_the_rest_in_order)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    uint64_t reaped = 0;

    tsuga_ring_kit_init(&kit, 8, 16);
    ring = tsuga_ring_kit_create(&kit);
    for (uint64_t i = 0; i < 8; i++)
        push_nop(ring, i);
    tsuga_meddling = (struct tsuga_meddling){.call_count = 2, .submit_count = 3};
    CHECK_INT(tsuga_ring_enter(ring, 8, TSUGA_FOREVER), -EAGAIN);
    CHECK_UINT(ring->queue_count, 5);
    check_room(ring);
    reaped = reap_in_order(ring, reaped);
    CHECK_UINT(reaped, 3);
    push_nop(ring, 8);
    CHECK_INT(tsuga_ring_enter(ring, 1, TSUGA_FOREVER), -EAGAIN);
    CHECK_UINT(ring->queue_count, 3);
    CHECK_INT(tsuga_ring_enter(ring, 6, TSUGA_FOREVER), 0);
    CHECK_UINT(ring->queue_count, 0);
    CHECK_UINT(reap_in_order(ring, reaped), 9);
    ring->ops->destroy(ring);
}

/* Otherwise a queue that the kernel does not take would keep its results from being seen, and these
 * may be what it waits for. */
TEST(ring, h21_refused_submission_still_brings_results)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    char byte = 0;
    int ends[2];

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    CHECK_INT(pipe(ends), 0);
    tsuga_ring_push(ring, &(struct tsuga_ring_request){.kind = TSUGA_RING_READ,
                                                       .user_data = 0,
                                                       .fd = ends[0],
                                                       .address = &byte,
                                                       .length = 1,
                                                       .offset = UINT64_MAX});
    CHECK_INT(tsuga_ring_enter(ring, 0, 0), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK(!tsuga_ring_has_results(ring));
    push_nop(ring, 1);
    tsuga_meddling = (struct tsuga_meddling){.call_count = 1, .error = -EBUSY};
    CHECK_INT(tsuga_ring_enter(ring, 1, TSUGA_FOREVER), -EBUSY);
    CHECK(tsuga_ring_has_results(ring));
    CHECK_INT(tsuga_ring_kit_wait(ring).result, 1);
    CHECK_INT(byte, 'x');
    CHECK_UINT(ring->queue_count, 1);
    CHECK_INT(tsuga_ring_kit_wait(ring).result, 0);
    close(ends[0]);
    close(ends[1]);
    ring->ops->destroy(ring);
}

TEST(ring, h24_refused_submission_is_repeated_once)
{
    static const int errors[] = {-EAGAIN, -EBUSY};
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;

    for (unsigned i = 0; i < 2; i++) {
        tsuga_ring_kit_init(&kit, 4, 8);
        ring = tsuga_ring_kit_create(&kit);
        push_nop(ring, 0);
        push_nop(ring, 1);
        tsuga_meddling = (struct tsuga_meddling){.call_count = 3, .error = errors[i]};
        for (unsigned k = 0; k < 3; k++) {
            CHECK_INT(tsuga_ring_enter(ring, 2, TSUGA_FOREVER), errors[i]);
            CHECK_UINT(ring->queue_count, 2);
            check_room(ring);
        }
        CHECK_INT(tsuga_ring_enter(ring, 2, TSUGA_FOREVER), 0);
        CHECK_UINT(reap_in_order(ring, 0), 2);
        ring->ops->destroy(ring);
    }
}

TEST(ring, entry_takes_no_part_of_an_older_one)
{
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    char buffer[16];
    int ends[2];

    /* Each entry of the queue holds a read with all its fields before it holds a close, which the
     * kernel refuses unless they are zero again. */
    tsuga_ring_kit_init(&kit, 1, 2);
    ring = tsuga_ring_kit_create(&kit);
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_INT(tsuga_ring_kit_run(ring, (struct tsuga_ring_request){.kind = TSUGA_RING_READ,
                                                                   .fd = ends[0],
                                                                   .address = buffer,
                                                                   .length = sizeof(buffer),
                                                                   .offset = UINT64_MAX}),
              1);
    CHECK_INT(tsuga_ring_kit_run(
                  ring, (struct tsuga_ring_request){.kind = TSUGA_RING_CLOSE, .fd = ends[0]}),
              0);
    close(ends[1]);
    ring->ops->destroy(ring);
}

/* A range of memory as the visitor saw it. */
struct seen {
    const void *bases[8];
    size_t bytes[8];
    unsigned count;
};

static void remember(void *context, const void *base, size_t bytes)
{
    struct seen *seen = context;

    seen->bases[seen->count] = base;
    seen->bytes[seen->count++] = bytes;
}

static struct seen ranges_of(struct tsuga_ring_request request)
{
    struct seen seen = {.count = 0};

    tsuga_ring_ranges(&request, remember, &seen);
    return seen;
}

TEST(ring, every_range_of_a_request_is_known)
{
    char path[] = "path";
    char how[256];
    struct iovec iovecs[] = {{path, 2}, {how, 7}};
    struct seen seen;

    seen = ranges_of(
        (struct tsuga_ring_request){.kind = TSUGA_RING_OPEN, .address = path, .address2 = how});
    CHECK_UINT(seen.count, 3);
    CHECK_PTR(seen.bases[1], path);
    CHECK_UINT(seen.bytes[1], sizeof(path));
    CHECK_PTR(seen.bases[2], how);
    CHECK_UINT(seen.bytes[2], 24);
    seen = ranges_of(
        (struct tsuga_ring_request){.kind = TSUGA_RING_STATX, .address = path, .address2 = how});
    CHECK_PTR(seen.bases[2], how);
    CHECK_UINT(seen.bytes[2], 256);
    seen = ranges_of(
        (struct tsuga_ring_request){.kind = TSUGA_RING_READV, .address = iovecs, .length = 2});
    CHECK_UINT(seen.count, 3);
    CHECK_UINT(seen.bytes[0], sizeof(iovecs));
    CHECK_PTR(seen.bases[2], how);
    CHECK_UINT(seen.bytes[2], 7);
    seen = ranges_of(
        (struct tsuga_ring_request){.kind = TSUGA_RING_SEND, .address = how, .length = 5});
    CHECK_UINT(seen.count, 1);
    CHECK_UINT(seen.bytes[0], 5);
    seen = ranges_of((struct tsuga_ring_request){.kind = TSUGA_RING_TIMEOUT, .address = how});
    CHECK_UINT(seen.bytes[0], 16);
    CHECK_UINT(ranges_of((struct tsuga_ring_request){.kind = TSUGA_RING_NOP}).count, 0);
}

#ifdef TSUGA_HAS_ASAN
static void push_poisoned(void *context)
{
    struct tsuga_ring_request *request = context;
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;

    tsuga_ring_kit_init(&kit, 4, 8);
    ring = tsuga_ring_kit_create(&kit);
    tsuga_ring_push(ring, request);
    ring->ops->destroy(ring);
}

static void check_dies(struct tsuga_ring_request request, const char *reason)
{
    struct tsuga_child child;

    tsuga_child_run(&child, push_poisoned, &request);
    CHECK_INT(child.signal, SIGABRT);
    CHECK(strstr(child.said, reason) != NULL);
}

/* AddressSanitizer alone would say nothing: it is the kernel that touches the memory. */
TEST(ring, poisoned_memory_never_reaches_the_kernel)
{
    char *buffer = calloc(1, 4096);
    struct iovec iovecs[] = {{buffer, 8}, {buffer + 64, 8}};
    struct tsuga_ring_request read = {
        .kind = TSUGA_RING_READ, .fd = 0, .address = buffer, .length = 64};
    struct tsuga_child child;

    tsuga_sanitize_poison(buffer + 64, 64);
    tsuga_child_run(&child, push_poisoned, &read);
    CHECK_INT(child.signal, 0);
    CHECK_INT(child.exit_status, 0);
    read.length = 65;
    check_dies(read, "of request read");
    check_dies(
        (struct tsuga_ring_request){
            .kind = TSUGA_RING_WRITEV, .fd = 0, .address = iovecs, .length = 2},
        "of request writev");
    check_dies(
        (struct tsuga_ring_request){
            .kind = TSUGA_RING_OPEN, .fd = 0, .address = buffer + 64, .address2 = buffer},
        "of request open");
    tsuga_sanitize_unpoison(buffer + 64, 64);
    free(buffer);
}
#endif
