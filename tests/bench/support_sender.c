#include "tests/bench/support_sender.h"

#include <errno.h>
#include <string.h>

#include "tests/bench/support.h"

static void submit(struct tsuga_actor *self, struct tsuga_bench_sender *sender)
{
    uint32_t piece = sender->submit_count % sender->piece_count;
    struct tsuga_token token =
        tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_SEND,
                                              .options = sender->job.options,
                                              .fd = sender->job.fd,
                                              .lease = sender->lease,
                                              .lease_offset = piece * sender->job.piece_bytes,
                                              .bytes = sender->job.piece_bytes});

    tsuga_bench_require("a send", tsuga_op_error(token));
    sender->submit_count--;
}

static void begin(struct tsuga_actor *self, struct tsuga_bench_sender *sender)
{
    uint32_t depth = TSUGA_BENCH_SENDER_DEPTH * sender->piece_count;

    sender->submit_count = sender->wait_count = sender->job.count * sender->piece_count;
    for (uint32_t i = 0; i < depth && sender->submit_count > 0; i++)
        submit(self, sender);
}

static void take_one(struct tsuga_bench_sender *sender, const struct tsuga_completion *sent)
{
    if (sent->result != (int32_t)sender->job.piece_bytes)
        tsuga_bench_fail("a send", sent->result < 0 ? sent->result : -EIO);
    sender->asked += (sender->job.options & TSUGA_OP_ZERO_COPY) != 0;
    sender->zero_copy += sent->zero_copy;
    sender->copied += sent->copied;
}

static void behave(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_bench_sender *sender = *(struct tsuga_bench_sender **)tsuga_state(self);

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_USER) {
        begin(self, sender);
        return;
    }
    take_one(sender, tsuga_message_completion(message));
    if (sender->submit_count > 0)
        submit(self, sender);
    if (--sender->wait_count == 0)
        sem_post(&sender->done);
}

static void start(struct tsuga_actor *self, void *argument)
{
    struct tsuga_bench_sender *sender = argument;

    *(struct tsuga_bench_sender **)tsuga_state(self) = sender;
    tsuga_bench_require("a lease", tsuga_lease_make(self, sender->bytes, &sender->lease));
    memset(tsuga_lease_data(self, sender->lease), 1, sender->bytes);
}

void tsuga_bench_sender_open(struct tsuga_bench_sender *sender,
                             enum tsuga_registration registration, size_t bytes)
{
    /* A small ring leaves an ordinary user's locked memory to what is registered and sent. */
    const struct tsuga_config config = {.executor = {.threads = 1, .cq_entries = 512},
                                        .ioheap.registration = registration};
    const struct tsuga_spawn_options options = {.behaviour = behave,
                                                .start = start,
                                                .argument = sender,
                                                .state_bytes = sizeof(struct tsuga_bench_sender *),
                                                .name = "sender"};

    *sender = (struct tsuga_bench_sender){.bytes = bytes};
    sem_init(&sender->done, 0, 0);
    tsuga_bench_require("tsuga_start", tsuga_start(&config, &sender->runtime));
    tsuga_bench_require("tsuga_spawn", tsuga_spawn(sender->runtime, &options, &sender->id));
}

void tsuga_bench_sender_close(struct tsuga_bench_sender *sender)
{
    tsuga_destroy(sender->runtime);
    sem_destroy(&sender->done);
}

double tsuga_bench_sender_run(struct tsuga_bench_sender *sender, const struct tsuga_bench_job *job)
{
    uint64_t start_ns = tsuga_bench_now_ns();

    sender->job = *job;
    sender->piece_count = (uint32_t)(sender->bytes / job->piece_bytes);
    tsuga_bench_require("tsuga_post", tsuga_post(sender->runtime, sender->id, 0, NULL, 0));
    while (sem_wait(&sender->done) != 0)
        continue;
    return (double)(tsuga_bench_now_ns() - start_ns) / job->count;
}

void tsuga_bench_sender_report(const struct tsuga_bench_sender *sender)
{
    double asked = (double)sender->asked;
    struct tsuga_stats stats;

    tsuga_stats_read(sender->runtime, &stats);
    tsuga_bench_number("zero_copy_share", (double)sender->zero_copy / asked);
    tsuga_bench_number("copied_share", (double)sender->copied / asked);
    tsuga_bench_number("fixed_share", (double)stats.ops_fixed / asked);
}
