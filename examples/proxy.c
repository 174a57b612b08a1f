/*
 * proxy -l PORT -t HOST:PORT [-i SECONDS]: passes TCP connections on, byte for byte.
 *
 * One actor for each pair of connections: the client's, and the one to the target. In each of the
 * two directions what was received is sent on from the very buffer that it arrived in; the proxy
 * copies nothing, and looks at nothing.
 *
 * A direction has one send under way at a time, because two of them could change places. What
 * arrives meanwhile waits, up to a limit; at the limit the stream of what comes is paused, the
 * kernel's buffer fills, and the sender behind it slows down. So a receiver that is slow is felt
 * at the other end, and the proxy needs no more memory for it.
 *
 *     receive ──> waiting leases ──> send          client to target
 *        send <── waiting leases <── receive       target to client
 *
 * The end of one direction is passed on as what it is; the other one goes on. When something
 * breaks, both connections are reset, so that nobody takes a half for the whole.
 *
 * SIGINT and SIGTERM end the proxy: no connection is taken any more, and each pair goes on until it
 * ends or is quiet for a moment.
 *
 * Exit status: 0 a clean end, 1 the port or the target's name is not to be had, 2 wrong usage, or
 * the runtime could not start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tsuga.h>

#define MS            UINT64_C(1000000)
#define KIB           ((size_t)1 << 10)
#define WAITING_MAX   (512 * KIB) /* bytes of a direction, before it rests */
#define WAITING_MIN   (256 * KIB) /* and before it goes on */
#define WAITING_FIRST 16          /* leases that there is room for at first; a power of two */
#define BACKLOG       1024
#define CONNECT_NS    (10000 * MS)
#define IDLE_S        300
#define IDLE_TICKS    4     /* so often silence is looked for within the limit */
#define QUIET_S       1     /* the limit at the proxy's end */
#define IDLE_S_MAX    86400 /* a day */

struct proxy {
    uint16_t port;
    uint64_t idle_s;
    struct sockaddr_storage target;
    socklen_t target_bytes;
    int error; /* errno, when connections could not be taken */
    atomic_uint_fast64_t pair_count;
    atomic_uint_fast64_t bytes;
};

struct piece {
    struct tsuga_lease lease;
    size_t bytes;
};

/* One direction. Both counters only grow; the pieces between them wait, the first of them being
 * sent. */
struct flow {
    int from;
    int to;
    struct tsuga_token receiving; /* a stream */
    struct piece *waiting;        /* a ring; grows, as a stream that rests may still bring some */
    uint64_t room;                /* a power of two, or 0 */
    uint64_t received_count;
    uint64_t sent_count;
    size_t waiting_bytes;
    bool is_resting;
    bool has_ended; /* the sender has said its last word */
    bool is_done;   /* and the receiver has been told */
};

struct pair {
    struct proxy *proxy;
    struct flow out; /* from the client */
    struct flow in;  /* to the client */
    uint64_t bytes;
    uint64_t bytes_before; /* as of the last tick */
    unsigned quiet_ticks;
    bool is_stopping;
};

enum tag { TAG_RECV, TAG_SEND, TAG_SHUTDOWN, TAG_TICK };

/* An end that is no end of a stream: the peers are told by a reset. */
static _Noreturn void break_off(struct tsuga_actor *self, const struct pair *pair)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(pair->out.from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)setsockopt(pair->out.to, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    tsuga_exit(self, TSUGA_NORMAL); /* which closes both */
}

/* Start an operation of a direction; its completion comes back with the direction and the tag. */
static struct tsuga_token start(struct tsuga_actor *self, struct flow *flow, struct tsuga_op op)
{
    op.context = flow;
    struct tsuga_token token = tsuga_submit(self, &op);
    if (tsuga_op_error(token) < 0)
        break_off(self, tsuga_state(self));
    return token;
}

static struct piece *piece_at(const struct flow *flow, uint64_t number)
{
    return &flow->waiting[number & (flow->room - 1)];
}

static bool is_empty(const struct flow *flow)
{
    return flow->sent_count == flow->received_count;
}

/* One operation for all that will come. */
static void receive(struct tsuga_actor *self, struct flow *flow)
{
    flow->receiving = start(
        self, flow,
        (struct tsuga_op){
            .kind = TSUGA_OP_RECV, .options = TSUGA_OP_MULTI, .fd = flow->from, .tag = TAG_RECV});
}

/* Backpressure: while a stream rests, what comes stays in the socket, whose buffer is limited. */
static void balance(struct tsuga_actor *self, struct flow *flow)
{
    if (!flow->is_resting && flow->waiting_bytes > WAITING_MAX)
        flow->is_resting = tsuga_stream_pause(self, flow->receiving) == 0;
    else if (flow->is_resting && flow->waiting_bytes < WAITING_MIN)
        flow->is_resting = tsuga_stream_resume(self, flow->receiving) != 0;
}

/* Send what has waited longest; after the last of it, the end. */
static void send_next(struct tsuga_actor *self, struct flow *flow)
{
    if (!is_empty(flow)) {
        const struct piece *piece = piece_at(flow, flow->sent_count);
        start(self, flow,
              (struct tsuga_op){.kind = TSUGA_OP_SEND,
                                .fd = flow->to,
                                .lease = piece->lease,
                                .bytes = piece->bytes,
                                .tag = TAG_SEND});
    } else if (flow->has_ended) {
        start(
            self, flow,
            (struct tsuga_op){
                .kind = TSUGA_OP_SHUTDOWN, .fd = flow->to, .flags = SHUT_WR, .tag = TAG_SHUTDOWN});
    }
}

/* Twice the room; the numbers of the pieces lead to other places then. */
static bool grow(struct flow *flow)
{
    struct flow larger = *flow;

    larger.room = flow->room > 0 ? 2 * flow->room : WAITING_FIRST;
    larger.waiting = calloc(larger.room, sizeof *larger.waiting);
    if (larger.waiting == NULL)
        return false;
    for (uint64_t i = flow->sent_count; i < flow->received_count; i++)
        *piece_at(&larger, i) = *piece_at(flow, i);
    free(flow->waiting);
    *flow = larger;
    return true;
}

static bool enqueue(struct tsuga_actor *self, struct flow *flow, const struct tsuga_completion *io)
{
    if (flow->received_count - flow->sent_count == flow->room && !grow(flow))
        return false;
    if (tsuga_lease_retain(self, io->lease) < 0)
        return false;
    *piece_at(flow, flow->received_count++) = (struct piece){io->lease, io->bytes};
    flow->waiting_bytes += io->bytes;
    return true;
}

static void received(struct tsuga_actor *self, struct flow *flow, const struct tsuga_completion *io)
{
    struct pair *pair = tsuga_state(self);
    bool is_sending = !is_empty(flow);

    if (io->result < 0 || (io->more && !enqueue(self, flow, io)))
        break_off(self, pair);
    flow->has_ended = io->last;
    pair->bytes += io->bytes;
    if (!is_sending)
        send_next(self, flow);
    balance(self, flow);
}

static void sent(struct tsuga_actor *self, struct flow *flow, const struct tsuga_completion *io)
{
    const struct piece *piece = piece_at(flow, flow->sent_count);

    if (io->result < 0)
        break_off(self, tsuga_state(self));
    flow->waiting_bytes -= piece->bytes;
    tsuga_lease_release(self, piece->lease);
    flow->sent_count++;
    send_next(self, flow);
    balance(self, flow);
}

static void ended(struct tsuga_actor *self, struct flow *flow)
{
    const struct pair *pair = tsuga_state(self);

    flow->is_done = true;
    if (pair->in.is_done && pair->out.is_done)
        tsuga_exit(self, TSUGA_NORMAL);
}

/* Time. */

static void start_tick(struct tsuga_actor *self, const struct pair *pair)
{
    uint64_t limit_s = pair->is_stopping ? QUIET_S : pair->proxy->idle_s;

    start(self, NULL,
          (struct tsuga_op){.kind = TSUGA_OP_TIMEOUT,
                            .timeout_ns = limit_s * 1000 * MS / IDLE_TICKS,
                            .tag = TAG_TICK});
}

static void ticked(struct tsuga_actor *self, struct pair *pair)
{
    pair->quiet_ticks = pair->bytes == pair->bytes_before ? pair->quiet_ticks + 1 : 0;
    pair->bytes_before = pair->bytes;
    if (pair->quiet_ticks < IDLE_TICKS) {
        start_tick(self, pair);
        return;
    }
    if (is_empty(&pair->in) && is_empty(&pair->out))
        tsuga_exit(self, TSUGA_NORMAL); /* nothing is lost by it */
    break_off(self, pair);
}

static void stop(struct tsuga_actor *self, struct pair *pair)
{
    pair->is_stopping = true;
    pair->quiet_ticks = 0;
    start_tick(self, pair); /* beside the slow one, which no longer matters */
}

/* Beginning. */

/* Returns a connection to the target, or -errno. */
static int reach(struct tsuga_actor *self, const struct proxy *proxy)
{
    const struct sockaddr *target = (const struct sockaddr *)&proxy->target;
    int on = 1;
    int fd = tsuga_await(self, tsuga_socket(self, target->sa_family, SOCK_STREAM, 0)).result;
    if (fd < 0)
        return fd;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct tsuga_op op = {.kind = TSUGA_OP_CONNECT,
                          .fd = fd,
                          .data = target,
                          .bytes = proxy->target_bytes,
                          .timeout_ns = CONNECT_NS};
    int error = tsuga_await(self, tsuga_submit(self, &op)).result;
    return error < 0 ? error : fd;
}

static void begin(struct tsuga_actor *self, struct pair *pair, int client)
{
    int target = reach(self, pair->proxy);

    pair->out = (struct flow){.from = client, .to = target};
    pair->in = (struct flow){.from = target, .to = client};
    if (target < 0)
        break_off(self, pair);
    receive(self, &pair->out);
    receive(self, &pair->in);
    start_tick(self, pair);
}

static void pass_on(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct pair *pair = tsuga_state(self);
    const struct tsuga_completion *io = tsuga_message_completion(message);
    int client;

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP) {
        stop(self, pair);
    } else if (io == NULL) { /* the only user message brings the client's descriptor */
        memcpy(&client, tsuga_message_data(message), sizeof client);
        begin(self, pair, client);
    } else if (io->tag == TAG_RECV) {
        received(self, io->context, io);
    } else if (io->tag == TAG_SEND) {
        sent(self, io->context, io);
    } else if (io->tag == TAG_SHUTDOWN) {
        ended(self, io->context);
    } else if (io->tag == TAG_TICK) {
        ticked(self, pair);
    }
}

static void note_proxy(struct tsuga_actor *self, void *proxy)
{
    struct pair *pair = tsuga_state(self);

    pair->proxy = proxy;
}

static void forget_pair(void *state)
{
    const struct pair *pair = state;

    free(pair->out.waiting);
    free(pair->in.waiting);
    if (pair->proxy != NULL) /* it is NULL when the end came before the beginning */
        atomic_fetch_add(&pair->proxy->bytes, pair->bytes);
}

/* The acceptor: one actor for every client that comes. */

static void welcome(struct tsuga_actor *self, struct proxy *proxy, int fd)
{
    struct tsuga_spawn_options options = {
        .behaviour = pass_on,
        .start = note_proxy,
        .argument = proxy,
        .state_bytes = sizeof(struct pair),
        .state_fini = forget_pair,
        .name = "pair",
        .placement = TSUGA_PLACE_LEAST_LOADED,
        .receives_stop = true,
    };
    struct tsuga_id id;

    if (tsuga_spawn(tsuga_runtime_of(self), &options, &id) < 0 || tsuga_fd_give(self, fd, id) < 0) {
        tsuga_forget(self, tsuga_close(self, fd));
        return;
    }
    tsuga_send(self, id, 0, &fd, sizeof fd);
    atomic_fetch_add(&proxy->pair_count, 1);
}

/* Returns a listening descriptor, or -errno. */
static int listen_on(struct tsuga_actor *self, uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int on = 1;
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    if (fd < 0)
        return fd;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        return -errno;
    int error = tsuga_await(self, tsuga_bind(self, fd, (struct sockaddr *)&address, bytes)).result;
    if (error == 0)
        error = tsuga_await(self, tsuga_listen(self, fd, BACKLOG)).result;
    if (error == 0 && getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
        error = -errno;
    *port = ntohs(address.sin_port);
    return error < 0 ? error : fd;
}

static void serve(struct tsuga_actor *self, void *argument)
{
    struct proxy *proxy = argument;
    int listener = listen_on(self, &proxy->port);
    int error = listener < 0 ? listener : 0;

    if (error == 0) {
        printf("listening on 127.0.0.1:%" PRIu16 "\n", proxy->port);
        fflush(stdout);
    }
    if (error == 0) { /* out of descriptors the stream tries again by itself */
        struct tsuga_token taking = tsuga_accept_stream(self, listener);
        struct tsuga_completion io;
        while ((io = tsuga_await(self, taking)).result >= 0)
            welcome(self, proxy, io.result);
        error = io.result;
    }
    proxy->error = error == -ECANCELED ? 0 : -error;
}

/* Returns the runtime's error. */
static int run(struct proxy *proxy)
{
    struct tsuga_config config = {.signals = TSUGA_ON};
    struct tsuga_spawn_options acceptor = {.body = serve, .argument = proxy, .name = "acceptor"};
    struct tsuga_runtime *runtime;
    int error = tsuga_start(&config, &runtime);
    if (error < 0)
        return error;

    error = tsuga_spawn(runtime, &acceptor, NULL);
    if (error == 0)
        error = tsuga_join(runtime);
    tsuga_destroy(runtime);
    return error;
}

/* Command line. */

static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    *out = number;
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= max;
}

/* HOST:PORT, with an IPv6 address in brackets. Names are looked up here, before anything runs,
 * because that blocks. */
static bool find_target(struct proxy *proxy, char *text)
{
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char *colon = strrchr(text, ':');

    if (colon == NULL)
        return false;
    *colon = '\0';
    if (*text == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        text++;
    }
    if (getaddrinfo(text, colon + 1, &wanted, &found) != 0)
        return false;
    memcpy(&proxy->target, found->ai_addr, found->ai_addrlen);
    proxy->target_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static int usage(void)
{
    fputs("usage: proxy -l PORT -t HOST:PORT [-i SECONDS]\n", stderr);
    return 2;
}

static int report(const struct proxy *proxy, int error)
{
    if (error < 0)
        return 2;
    if (proxy->error != 0) {
        fprintf(stderr, "proxy: port %" PRIu16 ": %s\n", proxy->port, strerror(proxy->error));
        return EXIT_FAILURE;
    }
    fprintf(stderr, "proxy: %" PRIuFAST64 " connections, %" PRIuFAST64 " bytes passed on\n",
            atomic_load(&proxy->pair_count), atomic_load(&proxy->bytes));
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.idle_s = IDLE_S};
    uint64_t port = UINT64_MAX;
    char *target = NULL;
    int option;

    while ((option = getopt(argc, argv, "i:l:t:")) != -1) {
        if (option == 'i' && (!read_number(optarg, IDLE_S_MAX, &proxy.idle_s) || proxy.idle_s == 0))
            return usage();
        if (option == 'l' && !read_number(optarg, UINT16_MAX, &port))
            return usage();
        if (option == 't')
            target = optarg;
        if (option == '?')
            return usage();
    }
    if (optind != argc || port > UINT16_MAX || target == NULL)
        return usage();
    proxy.port = (uint16_t)port;
    if (!find_target(&proxy, target)) {
        fprintf(stderr, "proxy: %s: no such target\n", target);
        return EXIT_FAILURE;
    }
    return report(&proxy, run(&proxy));
}
