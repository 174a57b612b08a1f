/* Slots of a ring: memory that stays pinned for requests of the FIXED kinds. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/limits.h"
#include "tests/support/ring_kit.h"
#include "tests/support/sockets.h"
#include "tests/support/test.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define PIECE_COUNT 4u
#define TAG         77u

struct bench {
    struct tsuga_ring_kit kit;
    struct tsuga_ring *ring;
    char *pieces; /* PIECE_COUNT of PIECE_BYTES */
    int pipe[2];
};

static void bench_open(struct bench *bench)
{
    tsuga_needs_locked(2 * PIECE_COUNT * PIECE_BYTES);
    tsuga_await_locked();
    tsuga_ring_kit_init(&bench->kit, 16, 64);
    bench->ring = tsuga_ring_kit_create(&bench->kit);
    CHECK_INT(bench->ring->ops->add_slots(bench->ring, 64), 0);
    bench->pieces = mmap(NULL, PIECE_COUNT * PIECE_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(bench->pieces != MAP_FAILED);
    CHECK_INT(pipe(bench->pipe), 0);
}

static void bench_close(struct bench *bench)
{
    bench->ring->ops->destroy(bench->ring);
    munmap(bench->pieces, PIECE_COUNT * PIECE_BYTES);
    close(bench->pipe[0]);
    close(bench->pipe[1]);
}

static char *piece(const struct bench *bench, unsigned index)
{
    return bench->pieces + index * PIECE_BYTES;
}

static int fill(struct bench *bench, uint32_t slot, void *base, uint64_t user_data)
{
    struct tsuga_ring_slot one = {base, base == NULL ? 0 : PIECE_BYTES, user_data};

    return bench->ring->ops->fill_slots(bench->ring, slot, &one, 1);
}

static struct tsuga_ring_request read_into(const struct bench *bench, void *address, uint32_t bytes,
                                           uint16_t slot)
{
    return (struct tsuga_ring_request){
        .kind = TSUGA_RING_READ_FIXED,
        .user_data = 1,
        .fd = bench->pipe[0],
        .address = address,
        .length = bytes,
        .offset = UINT64_MAX,
        .group = slot,
    };
}

static void put(const struct bench *bench, const char *text)
{
    CHECK_INT(write(bench->pipe[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void check_tag(struct bench *bench, uint64_t tag)
{
    struct tsuga_ring_result result = tsuga_ring_kit_wait(bench->ring);

    CHECK_UINT(result.user_data, tag);
    CHECK_INT(result.result, 0);
}

TEST(ring_slots, a05_are_filled_one_by_one_and_in_batches)
{
    struct tsuga_ring_slot batch[PIECE_COUNT];
    struct bench bench;

    bench_open(&bench);
    CHECK_INT(fill(&bench, 63, piece(&bench, 0), TAG), 1);
    put(&bench, "one");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 0), 8, 63)), 3);
    CHECK_INT(memcmp(piece(&bench, 0), "one", 3), 0);
    for (unsigned i = 0; i < PIECE_COUNT; i++)
        batch[i] = (struct tsuga_ring_slot){piece(&bench, i), PIECE_BYTES, TAG + 1 + i};
    CHECK_INT(bench.ring->ops->fill_slots(bench.ring, 0, batch, PIECE_COUNT), PIECE_COUNT);
    for (unsigned i = 0; i < PIECE_COUNT; i++) {
        put(&bench, "more");
        CHECK_INT(
            tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, i) + i, 4, (uint16_t)i)),
            4);
        CHECK_INT(memcmp(piece(&bench, i) + i, "more", 4), 0);
    }
    bench_close(&bench);
}

/* A read waits in the pipe while its slot is filled with other memory: the bytes arrive where the
 * read began, and the tag tells when the memory is free. */
TEST(ring_slots, a05_filling_anew_leaves_requests_in_flight_alone)
{
    struct tsuga_ring_request waits;
    struct tsuga_ring_result result;
    struct bench bench;

    bench_open(&bench);
    CHECK_INT(fill(&bench, 0, piece(&bench, 0), TAG), 1);
    waits = read_into(&bench, piece(&bench, 0), 16, 0);
    tsuga_ring_push(bench.ring, &waits);
    CHECK_INT(tsuga_ring_enter(bench.ring, 0, 0), 0);
    CHECK_INT(fill(&bench, 0, piece(&bench, 1), TAG + 1), 1);
    (void)tsuga_ring_enter(bench.ring, 0, 0);
    CHECK(!tsuga_ring_has_results(bench.ring)); /* the read has the old memory still */
    put(&bench, "to the old");
    result = tsuga_ring_kit_wait(bench.ring);
    if (result.user_data == TAG) { /* either may come first */
        result = tsuga_ring_kit_wait(bench.ring);
        CHECK_UINT(result.user_data, 1);
    } else {
        CHECK_UINT(result.user_data, 1);
        check_tag(&bench, TAG);
    }
    CHECK_INT(result.result, 10);
    CHECK_INT(memcmp(piece(&bench, 0), "to the old", 10), 0);
    put(&bench, "to the new");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1), 16, 0)), 10);
    CHECK_INT(fill(&bench, 0, NULL, 0), 1);
    check_tag(&bench, TAG + 1);
    bench_close(&bench);
}

/* What nobody checks before the kernel is checked by it. */
TEST(ring_slots, a06_a31_foreign_ranges_are_faults)
{
    struct bench bench;

    bench_open(&bench);
    put(&bench, "never read");
    CHECK_INT(fill(&bench, 5, piece(&bench, 1), TAG), 1);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 0), 8, 5)), -EFAULT);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1) - 1, 8, 5)),
              -EFAULT);
    CHECK_INT(
        tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1) + PIECE_BYTES - 7, 8, 5)),
        -EFAULT);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1), 8, 6)), -EFAULT);
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1), 8, 64)), -EFAULT);
    CHECK_INT(
        tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1) + PIECE_BYTES - 8, 8, 5)),
        8);
    bench_close(&bench);
}

/* A hole in the memory fills no slot, and the slots before it are filled. */
TEST(ring_slots, a05_a_batch_ends_where_memory_is_missing)
{
    struct tsuga_ring_slot batch[3];
    struct bench bench;

    bench_open(&bench);
    CHECK_INT(mprotect(piece(&bench, 2), PIECE_BYTES, PROT_NONE), 0);
    for (unsigned i = 0; i < 3; i++)
        batch[i] = (struct tsuga_ring_slot){piece(&bench, i), PIECE_BYTES, TAG + i};
    CHECK_INT(bench.ring->ops->fill_slots(bench.ring, 0, batch, 3), 2);
    CHECK_INT(bench.ring->ops->fill_slots(bench.ring, 2, batch + 2, 1), -EFAULT);
    put(&bench, "y");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 1), 8, 1)), 1);
    bench_close(&bench);
}

/* Why the tag must be waited for, and memory trimmed in between only. */
TEST(ring_slots, a05_memory_that_was_given_back_too_early_reads_as_zero)
{
    struct bench bench;

    bench_open(&bench);
    CHECK_INT(fill(&bench, 0, piece(&bench, 0), TAG), 1);
    CHECK_INT(madvise(piece(&bench, 0), PIECE_BYTES, MADV_DONTNEED), 0);
    put(&bench, "lost");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 0), 4, 0)), 4);
    CHECK_INT(memcmp(piece(&bench, 0), "\0\0\0\0", 4), 0);
    CHECK_INT(fill(&bench, 0, NULL, 0), 1);
    check_tag(&bench, TAG);
    CHECK_INT(madvise(piece(&bench, 0), PIECE_BYTES, MADV_DONTNEED), 0);
    CHECK_INT(fill(&bench, 0, piece(&bench, 0), TAG), 1);
    put(&bench, "seen");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, read_into(&bench, piece(&bench, 0), 4, 0)), 4);
    CHECK_INT(memcmp(piece(&bench, 0), "seen", 4), 0);
    bench_close(&bench);
}

TEST(ring_slots, vectors_lie_in_one_slot)
{
    struct iovec vectors[2];
    struct tsuga_ring_request request;
    struct bench bench;

    bench_open(&bench);
    if (!bench.ring->ops->supports(bench.ring, TSUGA_RING_READV_FIXED)) {
        bench_close(&bench);
        SKIP("the kernel has no vectors in slots");
    }
    CHECK_INT(fill(&bench, 3, piece(&bench, 2), TAG), 1);
    vectors[0] = (struct iovec){piece(&bench, 2) + 100, 3};
    vectors[1] = (struct iovec){piece(&bench, 2), 5};
    request = read_into(&bench, vectors, 2, 3);
    request.kind = TSUGA_RING_READV_FIXED;
    put(&bench, "onetwo");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, request), 6);
    CHECK_INT(memcmp(piece(&bench, 2) + 100, "one", 3), 0);
    CHECK_INT(memcmp(piece(&bench, 2), "two", 3), 0);
    vectors[1].iov_base = piece(&bench, 1);
    put(&bench, "onetwo");
    CHECK_INT(tsuga_ring_kit_run(bench.ring, request), -EFAULT);
    bench_close(&bench);
}

TEST(ring_slots, z21_sends_without_a_copy_go_out_of_slots)
{
    static const struct tsuga_socket_kind tcp = {AF_INET, SOCK_STREAM, false, false};
    struct tsuga_ring_request request = {.kind = TSUGA_RING_SEND_ZC_FIXED, .user_data = 1};
    struct tsuga_address addresses[2];
    struct tsuga_ring_result result;
    struct bench bench;
    int ends[2];
    char got[4];

    bench_open(&bench);
    if (!bench.ring->ops->supports(bench.ring, TSUGA_RING_SEND_ZC_FIXED)) {
        bench_close(&bench);
        SKIP("the kernel has no zero-copy sends");
    }
    tsuga_socket_pair(&tcp, ends, addresses);
    CHECK_INT(fill(&bench, 9, piece(&bench, 3), TAG), 1);
    memcpy(piece(&bench, 3) + 50, "sent", 4);
    request.fd = ends[0];
    request.address = piece(&bench, 3) + 50;
    request.length = 4;
    request.group = 9;
    tsuga_ring_push(bench.ring, &request);
    result = tsuga_ring_kit_wait(bench.ring);
    CHECK_INT(result.result, 4);
    CHECK((result.flags & TSUGA_RING_MORE) != 0);
    tsuga_fixture_read(ends[1], got, sizeof(got));
    CHECK_INT(memcmp(got, "sent", 4), 0);
    result = tsuga_ring_kit_wait(bench.ring);
    CHECK((result.flags & TSUGA_RING_NOTIF) != 0);
    tsuga_fixture_close(ends, 2);
    bench_close(&bench);
}
