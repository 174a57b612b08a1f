/*
 * Datagrams, and descriptors that go with messages. Each datagram says whose it is and which; it
 * arrives whole, never twice, and on a Unix socket in order and always. Some bring a descriptor of
 * a pipe, through which its number comes again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "tests/sim/support.h"

#define SENDERS   4u
#define BYTES_MAX 900u
#define SEEN_MAX  4096u
#define LIMIT_NS  UINT64_C(2000000000)
#define PAUSE_NS  UINT64_C(100000)

struct post {
    struct sim_run *run;
    struct sim_address address;
    bool is_local;
    bool is_open;
    bool has_stream; /* receives with one */
    uint32_t senders_left;
    uint32_t last[SENDERS];          /* of a sender, in order */
    uint8_t seen[SENDERS][SEEN_MAX]; /* how often */
};

struct stamp {
    uint32_t sender;
    uint32_t number;
};

static int open_socket(struct tsuga_actor *self, const struct post *post)
{
    return tsuga_await(self, tsuga_socket(self, post->address.storage.ss_family, SOCK_DGRAM, 0))
        .result;
}

/* Receiving. */

static void read_pipe(struct tsuga_actor *self, struct post *post, int fd, struct stamp stamp)
{
    struct tsuga_op op = {
        .kind = TSUGA_OP_READ, .fd = fd, .bytes = sizeof(stamp.number), .timeout_ns = LIMIT_NS};
    struct tsuga_completion got = tsuga_await(self, tsuga_submit(self, &op));

    if (got.result == (int32_t)sizeof(stamp.number))
        REQUIRE(post->run, memcmp(got.data, &stamp.number, sizeof(stamp.number)) == 0);
    REQUIRE(post->run, got.result > 0 || !post->run->is_peaceful);
    sim_close(self, fd);
}

static void check(struct post *post, const char *data, size_t bytes, struct stamp *stamp)
{
    struct sim_run *run = post->run;

    REQUIRE(run, bytes >= sizeof(*stamp));
    memcpy(stamp, data, sizeof(*stamp));
    REQUIRE(run, stamp->sender < SENDERS && stamp->number < SEEN_MAX);
    REQUIRE(run, sim_is_filled(data + sizeof(*stamp), bytes - sizeof(*stamp), stamp->sender,
                               stamp->number));
    REQUIRE(run, ++post->seen[stamp->sender][stamp->number] == 1);
    if (!post->is_local)
        return;
    REQUIRE(run, stamp->number == post->last[stamp->sender] + 1 || !run->is_peaceful);
    REQUIRE(run, stamp->number > post->last[stamp->sender]);
    post->last[stamp->sender] = stamp->number;
}

static bool take(struct tsuga_actor *self, struct post *post, const struct tsuga_completion *got)
{
    struct stamp stamp;
    const int *fds;
    size_t count;

    if (got->result < 0)
        return got->result != -ECANCELED && !post->run->is_peaceful;
    REQUIRE(post->run, (got->peer->flags & MSG_TRUNC) == 0);
    check(post, got->data, (size_t)got->result, &stamp);
    fds = tsuga_peer_fds(got->peer, &count);
    if (count > 0)
        read_pipe(self, post, fds[0], stamp);
    return true;
}

static bool receive_one(struct tsuga_actor *self, struct post *post, int fd)
{
    struct tsuga_completion got =
        tsuga_await(self, tsuga_fd_recv(self, fd, sizeof(struct stamp) + BYTES_MAX, 1));

    return take(self, post, &got);
}

/* The same by a stream, which is cancelled now and then: what it has received comes all the same,
 * or stays in the socket. */
static bool receive_many(struct tsuga_actor *self, struct post *post, int fd)
{
    struct tsuga_token stream = tsuga_recvmsg_stream(self, fd, sizeof(struct stamp) + BYTES_MAX,
                                                     CMSG_SPACE(sizeof(int)), 0);
    uint32_t left = 1 + (uint32_t)(sim_random(&post->run->random) % 64);
    struct tsuga_completion got = tsuga_await(self, stream);

    while (got.more) {
        REQUIRE(post->run, got.result > 0);
        if (!take(self, post, &got))
            return false;
        if (left > 0 && --left == 0)
            (void)tsuga_forget(self, tsuga_cancel(self, stream));
        got = tsuga_await(self, stream);
    }
    if (!got.started)
        return got.result != -ECANCELED && !post->run->is_peaceful;
    return (left == 0 && got.result == -ECANCELED) || take(self, post, &got);
}

static void receive(struct tsuga_actor *self, void *argument)
{
    struct post *post = argument;
    int fd = open_socket(self, post);
    int error = fd;

    if (fd >= 0)
        error = tsuga_await(self, tsuga_bind(self, fd, (struct sockaddr *)&post->address.storage,
                                             post->address.bytes))
                    .result;
    post->is_open = error >= 0;
    while (post->is_open &&
           (post->has_stream ? receive_many(self, post, fd) : receive_one(self, post, fd)))
        continue;
    post->is_open = false;
}

/* Sending. */

struct sender {
    struct post *post;
    struct tsuga_actor *self;
    uint64_t random;
    struct stamp stamp;
    int fd;
    char bytes[sizeof(struct stamp) + BYTES_MAX];
};

static size_t write_datagram(struct sender *sender)
{
    size_t count = sim_random(&sender->random) % BYTES_MAX;

    memcpy(sender->bytes, &sender->stamp, sizeof(sender->stamp));
    sim_fill(sender->bytes + sizeof(sender->stamp), count, sender->stamp.sender,
             sender->stamp.number);
    return sizeof(sender->stamp) + count;
}

/* The number is in the pipe before the other end hears of it; both ends are closed here then. */
static int32_t send_with_pipe(struct sender *sender, size_t bytes)
{
    int32_t result;
    int ends[2];

    if (tsuga_pipe(sender->self, ends, 0) != 0)
        return 0;
    result = tsuga_await(sender->self, tsuga_write(sender->self, ends[1], &sender->stamp.number,
                                                   sizeof(sender->stamp.number)))
                 .result;
    if (result > 0)
        result = tsuga_await(sender->self,
                             tsuga_fd_send(sender->self, sender->fd, ends, 1, sender->bytes, bytes))
                     .result;
    sim_close(sender->self, ends[0]);
    sim_close(sender->self, ends[1]);
    return result;
}

static int32_t send_one(struct sender *sender)
{
    size_t bytes = write_datagram(sender);

    if (sender->post->is_local && sim_random(&sender->random) % 4 == 0)
        return send_with_pipe(sender, bytes);
    return sim_send(sender->self, sender->fd, sender->bytes, bytes, &sender->random);
}

static void send_all(struct tsuga_actor *self, void *argument)
{
    struct sender *sender = tsuga_state(self);
    struct post *post = argument;
    int error;

    sender->post = post;
    sender->self = self;
    sender->random = tsuga_self(self).value ^ post->run->random;
    sender->stamp = (struct stamp){.sender = --post->senders_left};
    sender->fd = open_socket(self, post);
    error = sender->fd;
    if (error >= 0)
        error = tsuga_await(self, tsuga_connect(self, sender->fd,
                                                (struct sockaddr *)&post->address.storage,
                                                post->address.bytes))
                    .result;
    while (error >= 0 && !sim_is_over(post->run) && ++sender->stamp.number < SEEN_MAX) {
        error = send_one(sender);
        if (error >= 0)
            error = tsuga_await(self, tsuga_timeout(self, sim_random(&sender->random) % PAUSE_NS))
                        .result;
    }
    REQUIRE(post->run, error >= 0 || !post->run->is_peaceful);
}

void sim_run_datagrams(struct sim_run *run)
{
    static struct post post; /* larger than a stack should hold; runs come one after another */
    struct tsuga_spawn_options receiver = {.body = receive, .argument = &post, .name = "receiver"};
    struct tsuga_spawn_options sender = {.body = send_all,
                                         .argument = &post,
                                         .state_bytes = sizeof(struct sender),
                                         .name = "sender",
                                         .placement = TSUGA_PLACE_LEAST_LOADED};
    struct tsuga_stats stats;
    struct tsuga_id id;

    memset(&post, 0, sizeof(post));
    post.run = run;
    post.senders_left = SENDERS;
    post.address = sim_choose_address(run, 9);
    post.is_local = post.address.storage.ss_family == AF_UNIX;
    post.has_stream = sim_random(&run->random) % 2 == 0;
    if (run->config.executor.ops_max < 64)
        run->config.executor.ops_max = 64;
    if (!sim_start(run))
        return;
    id = sim_spawn(run, &receiver);
    tsuga_sim_sleep(run->sim, 1000000);
    for (unsigned i = 0; i < SENDERS; i++)
        (void)sim_spawn(run, &sender);
    do {
        tsuga_sim_sleep(run->sim, 10000000);
        tsuga_stats_read(run->runtime, &stats);
    } while (stats.actors_alive > 1 || (post.is_open && !sim_is_over(run)));
    (void)tsuga_actor_stop(run->runtime, id);
    sim_finish(run);
}
