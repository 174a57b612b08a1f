/*
 * One and the same receive by each scheme of buffers: messages of 64 bytes and of 4 KiB, sixteen of
 * them in a socket pair at a time. Only the receiving is timed, from the moment that the sixteen
 * are there until the actor has had each of them.
 *
 * The floor is raw liburing in the faster of two ways: sixteen single receives into a fixed set of
 * buffers, or one multishot receive from a ring of provided buffers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tsuga.h>
#include <unistd.h>

#include "examples/pool_buddy.h"
#include "tests/bench/support.h"
#include "tests/bench/support_raw.h"

#define SAMPLE_BATCHES 64u
#define BATCH          16u
#define SCHEME_COUNT   6u
#define BUFFER_COUNT   64u
#define BYTES_MAX      4096u
#define RING_ENTRIES   64u
#define POOL_BYTES     ((size_t)256 << 10)

struct run;

struct scheme {
    const char *name;
    void (*open)(struct tsuga_actor *self, struct run *run); /* or NULL */
    void (*receive)(struct tsuga_actor *self, struct run *run, uint32_t place);
    bool is_stream; /* `receive` is called once, before the first message */
};

/* A ring whose receives take from buffers that it was given. */
struct provider {
    struct io_uring ring;
    struct io_uring_buf_ring *offers;
    unsigned char *buffers;
    bool is_armed;
};

struct run {
    const struct scheme *scheme;
    struct tsuga_bench_pairs by_single;
    struct tsuga_bench_pairs by_multi;
    struct io_uring ring;
    struct provider provider;
    int ends[2];
    size_t bytes;
    uint32_t batch_count; /* still to come in this sample */
    uint32_t wait_count;  /* messages still to come in this batch */
    double single_ns;
    double multi_ns;
    uint64_t start_ns;
    uint64_t sample_ns;
    struct tsuga_lease leases[BATCH];
    struct tsuga_group group;
    struct buddy buddy;
    _Alignas(BYTES_MAX) unsigned char into[BATCH][BYTES_MAX];
};

static void send_batch(const struct run *run)
{
    static const unsigned char message[BYTES_MAX];

    for (uint32_t i = 0; i < BATCH; i++) {
        ssize_t sent = send(run->ends[0], message, run->bytes, MSG_DONTWAIT);

        tsuga_bench_require("send", sent == (ssize_t)run->bytes ? 0 : -EIO);
    }
}

/* The floors. */

static void fill_receive(struct io_uring_sqe *sqe, uint32_t place, void *context)
{
    struct run *run = context;

    io_uring_prep_recv(sqe, run->ends[1], run->into[place], run->bytes, 0);
}

static double measure_single(struct run *run)
{
    double sum_ns = 0;

    for (uint32_t i = 0; i < SAMPLE_BATCHES; i++) {
        send_batch(run);
        sum_ns +=
            tsuga_bench_raw_run(&run->ring, BATCH, BATCH, (int32_t)run->bytes, fill_receive, run);
    }
    return sum_ns / SAMPLE_BATCHES;
}

static void offer(struct run *run, uint32_t number, int ahead)
{
    struct provider *provider = &run->provider;

    io_uring_buf_ring_add(provider->offers, provider->buffers + number * run->bytes,
                          (unsigned)run->bytes, (unsigned short)number,
                          io_uring_buf_ring_mask(BUFFER_COUNT), ahead);
}

static void open_provider(struct run *run)
{
    struct provider *provider = &run->provider;
    struct io_uring_buf_reg reg = {.ring_entries = BUFFER_COUNT};
    void *memory = NULL;

    tsuga_bench_raw_open(&provider->ring, RING_ENTRIES);
    tsuga_bench_require("memory", -posix_memalign(&memory, 4096, 4096));
    memset(memory, 0, 4096);
    provider->offers = memory;
    tsuga_bench_require("memory", -posix_memalign(&memory, 4096, BUFFER_COUNT * run->bytes));
    provider->buffers = memory;
    memset(memory, 0, BUFFER_COUNT * run->bytes);
    reg.ring_addr = (uintptr_t)provider->offers;
    tsuga_bench_require("io_uring_register_buf_ring",
                        io_uring_register_buf_ring(&provider->ring, &reg, 0));
    io_uring_buf_ring_init(provider->offers);
    for (uint32_t i = 0; i < BUFFER_COUNT; i++)
        offer(run, i, (int)i);
    io_uring_buf_ring_advance(provider->offers, BUFFER_COUNT);
    provider->is_armed = false;
}

static void close_provider(struct provider *provider)
{
    io_uring_queue_exit(&provider->ring);
    free(provider->offers);
    free(provider->buffers);
}

static void arm_provider(struct run *run)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&run->provider.ring);

    io_uring_prep_recv_multishot(sqe, run->ends[1], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    run->provider.is_armed = true;
}

static uint32_t reap_provider(struct run *run)
{
    struct provider *provider = &run->provider;
    struct io_uring_cqe *cqe;
    uint32_t reaped = 0;
    unsigned head;

    io_uring_for_each_cqe(&provider->ring, head, cqe)
    {
        if (cqe->res != (int32_t)run->bytes)
            tsuga_bench_fail("a multishot receive", cqe->res < 0 ? cqe->res : -EIO);
        offer(run, cqe->flags >> IORING_CQE_BUFFER_SHIFT, (int)reaped++);
        provider->is_armed = (cqe->flags & IORING_CQE_F_MORE) != 0;
    }
    io_uring_buf_ring_advance(provider->offers, (int)reaped);
    io_uring_cq_advance(&provider->ring, reaped);
    return reaped;
}

static uint64_t receive_multi(struct run *run)
{
    uint64_t start_ns;
    uint32_t count = 0;

    send_batch(run);
    start_ns = tsuga_bench_now_ns();
    while (count < BATCH) {
        int submitted;

        if (!run->provider.is_armed)
            arm_provider(run);
        submitted = io_uring_submit_and_wait(&run->provider.ring, 1);
        tsuga_bench_require("io_uring_submit_and_wait", submitted < 0 ? submitted : 0);
        count += reap_provider(run);
    }
    return tsuga_bench_now_ns() - start_ns;
}

/* It is cancelled at the end, by closing its ring: else it would take other receivers' messages. */
static double measure_multi(struct run *run)
{
    uint64_t sum_ns = 0;

    open_provider(run);
    for (uint32_t i = 0; i < SAMPLE_BATCHES; i++)
        sum_ns += receive_multi(run);
    close_provider(&run->provider);
    return (double)sum_ns / (SAMPLE_BATCHES * BATCH);
}

/* The schemes. */

static void check(struct tsuga_token token)
{
    tsuga_bench_require("a receive", tsuga_op_error(token));
}

static void receive_made(struct tsuga_actor *self, struct run *run, uint32_t place)
{
    (void)place;
    check(tsuga_recv(self, run->ends[1], run->bytes));
}

static void receive_into(struct tsuga_actor *self, struct run *run, uint32_t place)
{
    check(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                .fd = run->ends[1],
                                                .into = run->into[place],
                                                .bytes = run->bytes}));
}

static void open_leases(struct tsuga_actor *self, struct run *run)
{
    for (uint32_t i = 0; i < BATCH; i++)
        tsuga_bench_require("a lease", tsuga_lease_make(self, run->bytes, &run->leases[i]));
}

static void receive_lease(struct tsuga_actor *self, struct run *run, uint32_t place)
{
    check(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                .fd = run->ends[1],
                                                .lease = run->leases[place],
                                                .bytes = run->bytes}));
}

static void open_pool(struct tsuga_actor *self, struct run *run)
{
    tsuga_bench_require("a pool", buddy_init(&run->buddy, POOL_BYTES));
    tsuga_bench_require("a pool", buddy_open(&run->buddy, self));
}

static void receive_pool(struct tsuga_actor *self, struct run *run, uint32_t place)
{
    (void)place;
    check(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                .fd = run->ends[1],
                                                .pool = &run->buddy.pool,
                                                .bytes = run->bytes}));
}

static void receive_stream(struct tsuga_actor *self, struct run *run, uint32_t place)
{
    (void)place;
    check(tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                .options = TSUGA_OP_MULTI,
                                                .fd = run->ends[1],
                                                .group = run->group,
                                                .bytes = run->bytes}));
}

static void open_group(struct tsuga_actor *self, struct run *run)
{
    struct tsuga_group_options options = {.buffer_bytes = run->bytes, .buffer_count = BUFFER_COUNT};

    tsuga_bench_require("a group", tsuga_group_make(self, &options, &run->group));
}

static const struct scheme schemes[SCHEME_COUNT] = {
    {"made by the runtime", NULL, receive_made, false},
    {"into the caller's memory", NULL, receive_into, false},
    {"into a lease", open_leases, receive_lease, false},
    {"from a pool (buddy)", open_pool, receive_pool, false},
    {"stream, shared group", NULL, receive_stream, true},
    {"stream, private group", open_group, receive_stream, true},
};

/* The actor. */

static void begin_batch(struct tsuga_actor *self, struct run *run)
{
    send_batch(run);
    run->wait_count = BATCH;
    run->start_ns = tsuga_bench_now_ns();
    for (uint32_t place = 0; place < BATCH && !run->scheme->is_stream; place++)
        run->scheme->receive(self, run, place);
}

/* A stream of the runtime's must not be there while others receive: it begins and ends with its
 * sample. */
static void begin_sample(struct tsuga_actor *self, struct run *run)
{
    run->single_ns = measure_single(run);
    run->multi_ns = measure_multi(run);
    run->batch_count = SAMPLE_BATCHES;
    run->sample_ns = 0;
    if (run->scheme->is_stream)
        run->scheme->receive(self, run, 0);
    begin_batch(self, run);
}

static void end_sample(struct tsuga_actor *self, struct run *run)
{
    double ours_ns = (double)run->sample_ns / (SAMPLE_BATCHES * BATCH);

    tsuga_bench_add(&run->by_single, run->single_ns, ours_ns);
    tsuga_bench_add(&run->by_multi, run->multi_ns, ours_ns);
    if (!tsuga_bench_wants_more(&run->by_single))
        tsuga_exit(self, TSUGA_NORMAL);
    if (run->scheme->is_stream)
        (void)tsuga_cancel_all(self); /* its last completion begins the next sample */
    else
        begin_sample(self, run);
}

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct run *run = *(struct run **)tsuga_state(self);
    const struct tsuga_completion *got = tsuga_message_completion(message);

    if (run->scheme->is_stream && got->last && got->result == -ECANCELED) {
        begin_sample(self, run);
        return;
    }
    if (got->result != (int32_t)run->bytes)
        tsuga_bench_require("a receive", got->result < 0 ? got->result : -EIO);
    if (--run->wait_count > 0)
        return;
    run->sample_ns += tsuga_bench_now_ns() - run->start_ns;
    if (--run->batch_count > 0)
        begin_batch(self, run);
    else
        end_sample(self, run);
}

static void start(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;

    *(struct run **)tsuga_state(self) = run;
    tsuga_bench_raw_open(&run->ring, RING_ENTRIES);
    if (run->scheme->open != NULL)
        run->scheme->open(self, run);
    begin_sample(self, run);
}

static void report(struct run *run)
{
    double single_ns = tsuga_bench_quantile(run->by_single.floor, run->by_single.count, 0.5);
    double multi_ns = tsuga_bench_quantile(run->by_multi.floor, run->by_multi.count, 0.5);
    char variant[64];

    snprintf(variant, sizeof(variant), "%zu B, %s", run->bytes, run->scheme->name);
    tsuga_bench_begin("buffers", variant);
    if (single_ns < multi_ns)
        tsuga_bench_summary(&run->by_single, "raw liburing, single receives");
    else
        tsuga_bench_summary(&run->by_multi, "raw liburing, multishot");
    tsuga_bench_number("raw_single_ns", (double)(int64_t)single_ns);
    tsuga_bench_number("raw_multishot_ns", (double)(int64_t)multi_ns);
    tsuga_bench_end();
}

static void run_case(const struct scheme *scheme, size_t bytes, double seconds)
{
    static const struct tsuga_config config = {.executor.threads = 1};
    static struct run run;
    struct tsuga_spawn_options options = {.behaviour = behave,
                                          .start = start,
                                          .argument = &run,
                                          .state_bytes = sizeof(struct run *),
                                          .name = "buffers"};
    struct tsuga_runtime *runtime;

    memset(&run, 0, sizeof(run));
    run.scheme = scheme;
    run.bytes = bytes;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, run.ends) != 0)
        tsuga_bench_fail("socketpair", -errno);
    tsuga_bench_start(&run.by_single, seconds);
    tsuga_bench_start(&run.by_multi, seconds);
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(runtime, &options, NULL));
    tsuga_bench_require("tsuga_join", tsuga_join(runtime));
    tsuga_destroy(runtime);
    buddy_fini(&run.buddy);
    close(run.ends[0]);
    close(run.ends[1]);
    io_uring_queue_exit(&run.ring);
    report(&run);
}

int main(int argc, char **argv)
{
    double seconds = tsuga_bench_seconds(argc, argv, 10) / (2 * SCHEME_COUNT);

    for (uint32_t i = 0; i < SCHEME_COUNT; i++)
        run_case(&schemes[i], 64, seconds);
    for (uint32_t i = 0; i < SCHEME_COUNT; i++)
        run_case(&schemes[i], BYTES_MAX, seconds);
    return 0;
}
