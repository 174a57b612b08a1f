/*
 * Connections through an echo server, directly or through a proxy. Each client sends content of its
 * own, and what comes back is a prefix of it; where nothing breaks, all of it. The server receives
 * by streams, with a group of its own, or piece by piece.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/support.h"

#define CLIENTS     6u
#define BYTES_MAX   30000u
#define PIECE_BYTES 4096u
#define OPS_LEAST   256u
#define LOOK_NS     UINT64_C(20000000)
#define PATIENCE_NS UINT64_C(3600000000000)

struct site {
    struct sim_run *run;
    struct sim_address echo;
    struct sim_address proxy;
    bool has_proxy;
    struct tsuga_id clients[CLIENTS];
    struct tsuga_id servers[2];
};

/* A connection of the server's. */

static struct tsuga_token receive(struct tsuga_actor *self, int fd, unsigned way,
                                  struct tsuga_group group)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .fd = fd};

    if (way == 0) {
        op.bytes = PIECE_BYTES;
        return tsuga_submit(self, &op);
    }
    op.options = TSUGA_OP_MULTI;
    op.group = group;
    return tsuga_submit(self, &op);
}

static void echo(struct tsuga_actor *self, void *argument)
{
    struct site *site = argument;
    uint64_t random = tsuga_self(self).value ^ site->run->random;
    struct tsuga_group_options options = {.buffer_bytes = 1024, .buffer_count = 4};
    unsigned way = (unsigned)(sim_random(&random) % 3);
    struct tsuga_group group = {0};
    int fd = sim_receive_fd(self);
    struct tsuga_completion got;
    struct tsuga_token token;

    if (fd < 0 || (way == 2 && tsuga_group_make(self, &options, &group) != 0))
        return;
    token = receive(self, fd, way, group);
    while ((got = tsuga_await(self, token)).result > 0) {
        if (sim_send_on(self, fd, got.lease, &random) < 0)
            return;
        if (way == 0)
            token = receive(self, fd, way, group);
    }
}

/* The proxy: two directions, each a receive or a stream, and at most one send. A stream has a group
 * of its own: out of a common one, what waits in one direction would keep the other from going on,
 * and with it whoever would make room. */

struct direction {
    int from;
    int to;
    unsigned way;
    struct tsuga_group group;
    struct tsuga_token stream;
    struct tsuga_token send;
    bool is_sending; /* or shutting down */
    bool is_over;
};

static bool open_direction(struct tsuga_actor *self, struct direction *direction, int from, int to,
                           unsigned way)
{
    struct tsuga_group_options options = {.buffer_bytes = 1024, .buffer_count = 4};

    *direction = (struct direction){.from = from, .to = to, .way = way};
    if (way == 2 && tsuga_group_make(self, &options, &direction->group) != 0)
        return false;
    direction->stream = receive(self, from, way, direction->group);
    return true;
}

/* The end of what comes is passed on, too. */
static bool take_piece(struct tsuga_actor *self, struct direction *direction,
                       const struct tsuga_completion *got)
{
    direction->is_over = got->result <= 0;
    direction->is_sending = true;
    if (got->result > 0)
        direction->send = tsuga_send_lease(self, direction->to, got->lease);
    else
        direction->send = tsuga_shutdown(self, direction->to, SHUT_WR);
    return got->result >= 0;
}

static bool step_direction(struct tsuga_actor *self, struct direction *direction,
                           const struct tsuga_completion *got)
{
    if (tsuga_token_equal(got->op, direction->stream))
        return take_piece(self, direction, got);
    direction->is_sending = false;
    if (direction->way == 0 && !direction->is_over)
        direction->stream = receive(self, direction->from, 0, direction->group);
    return got->result >= 0;
}

/* What the direction waits for; false when it waits for nothing any more. */
static bool waits_for(const struct direction *direction, struct tsuga_token *out)
{
    *out = direction->is_sending ? direction->send : direction->stream;
    return direction->is_sending || !direction->is_over;
}

static void pass_on(struct tsuga_actor *self, struct direction ways[2])
{
    for (;;) {
        struct tsuga_token tokens[2];
        struct tsuga_completion got;
        size_t count = 0;

        for (unsigned i = 0; i < 2; i++)
            count += waits_for(&ways[i], &tokens[count]) ? 1 : 0;
        if (count == 0)
            return;
        got = tsuga_await_any(self, tokens, count, TSUGA_FOREVER);
        for (unsigned i = 0; i < 2; i++) {
            bool is_of_it = tsuga_token_equal(got.op, ways[i].stream) ||
                            tsuga_token_equal(got.op, ways[i].send);

            if (is_of_it && !step_direction(self, &ways[i], &got))
                return;
        }
        if (got.op.value == 0)
            return; /* being stopped */
    }
}

static void proxy(struct tsuga_actor *self, void *argument)
{
    struct site *site = argument;
    struct direction ways[2];
    int near = sim_receive_fd(self);
    int far = near >= 0 ? sim_connect(self, &site->echo) : -1;

    if (far < 0)
        return;
    if (open_direction(self, &ways[0], near, far, tsuga_self(self).value % 2 * 2) &&
        open_direction(self, &ways[1], far, near, tsuga_self(self).value / 2 % 2 * 2))
        pass_on(self, ways);
}

/* Servers. */

static void serve(struct tsuga_actor *self, struct site *site, const struct sim_address *address,
                  tsuga_body_fn *connection)
{
    struct tsuga_spawn_options options = {.body = connection,
                                          .argument = site,
                                          .name = "connection",
                                          .placement = TSUGA_PLACE_LEAST_LOADED};
    uint64_t random = tsuga_self(self).value ^ site->run->random;
    int listener = sim_listen(self, address, (int)(sim_random(&random) % 8));
    struct tsuga_token token;
    struct tsuga_completion got;

    REQUIRE(site->run, listener >= 0 || !site->run->is_peaceful);
    if (listener < 0)
        return;
    token = tsuga_accept_stream(self, listener);
    while ((got = tsuga_await(self, token)).result >= 0)
        sim_pass_fd(self, got.result, &options);
    REQUIRE(site->run, got.result == -ECANCELED || !site->run->is_peaceful);
}

static void serve_echo(struct tsuga_actor *self, void *argument)
{
    struct site *site = argument;

    serve(self, site, &site->echo, echo);
}

static void serve_proxy(struct tsuga_actor *self, void *argument)
{
    struct site *site = argument;

    serve(self, site, &site->proxy, proxy);
}

/* Clients. */

struct client {
    struct site *site;
    struct tsuga_actor *self;
    uint64_t random;
    uint64_t stream;
    uint64_t total;
    uint64_t sent;
    uint64_t received;
    int fd;
    char bytes[PIECE_BYTES];
};

static struct tsuga_token send_next(struct client *client)
{
    uint64_t left = client->total - client->sent;
    uint64_t count = 1 + sim_random(&client->random) % PIECE_BYTES;

    count = count < left ? count : left;
    if (count == 0)
        return tsuga_shutdown(client->self, client->fd, SHUT_WR);
    sim_fill(client->bytes, count, client->stream, client->sent);
    client->sent += count;
    return tsuga_send_bytes(client->self, client->fd, client->bytes, count);
}

static bool take_back(struct client *client, const struct tsuga_completion *got)
{
    struct sim_run *run = client->site->run;

    if (got->result <= 0)
        return false;
    REQUIRE(run, client->received + (uint64_t)got->result <= client->sent);
    REQUIRE(run, sim_is_filled(got->data, (size_t)got->result, client->stream, client->received));
    client->received += (uint64_t)got->result;
    return true;
}

/* Sends and receives at the same time. */
static void converse(struct client *client)
{
    struct tsuga_token tokens[2] = {tsuga_recv(client->self, client->fd, PIECE_BYTES),
                                    send_next(client)};
    bool is_sending = true;

    for (;;) {
        struct tsuga_completion got =
            tsuga_await_any(client->self, tokens, is_sending ? 2 : 1, TSUGA_FOREVER);

        if (tsuga_token_equal(got.op, tokens[0])) {
            if (!take_back(client, &got))
                return;
            tokens[0] = tsuga_recv(client->self, client->fd, PIECE_BYTES);
        } else if (!is_sending || !tsuga_token_equal(got.op, tokens[1]) || got.result < 0) {
            return;
        } else if (client->sent == client->total && got.result == 0) {
            is_sending = false; /* that was the shutdown */
        } else {
            tokens[1] = send_next(client);
        }
    }
}

static void call(struct tsuga_actor *self, void *argument)
{
    struct client *client = tsuga_state(self);
    struct site *site = argument;

    client->site = site;
    client->self = self;
    client->random = tsuga_self(self).value ^ site->run->random;
    client->stream = client->random;
    (void)tsuga_await(self, tsuga_timeout(self, 1 + sim_random(&client->random) % 1000000));
    do {
        client->total = 1 + sim_random(&client->random) % BYTES_MAX;
        client->sent = 0;
        client->received = 0;
        client->stream++;
        client->fd = sim_connect(self, site->has_proxy ? &site->proxy : &site->echo);
        if (client->fd < 0)
            continue;
        converse(client);
        REQUIRE(site->run, client->received == client->total || !site->run->is_peaceful);
        (void)tsuga_await(self, tsuga_close(self, client->fd));
    } while (!sim_is_over(site->run) && tsuga_await(self, tsuga_timeout(self, 1000)).result == 0);
}

static void start_servers(struct site *site)
{
    struct tsuga_spawn_options echoes = {.body = serve_echo, .argument = site, .name = "echo"};
    struct tsuga_spawn_options proxies = {.body = serve_proxy, .argument = site, .name = "proxy"};

    site->servers[0] = sim_spawn(site->run, &echoes);
    if (site->has_proxy)
        site->servers[1] = sim_spawn(site->run, &proxies);
    tsuga_sim_sleep(site->run->sim, 1000000);
}

static bool is_alive(struct sim_run *run, struct tsuga_id id)
{
    return tsuga_post(run->runtime, id, 0, NULL, 0) != -ESRCH;
}

/* Until the last client has ended, in whatever way; the servers would go on for ever. */
static void await_clients(struct site *site)
{
    struct sim_run *run = site->run;
    uint64_t time_ns = LOOK_NS;

    for (unsigned i = 0; i < CLIENTS;) {
        if (!is_alive(run, site->clients[i])) {
            i++;
            continue;
        }
        REQUIRE(run, time_ns < PATIENCE_NS);
        tsuga_sim_sleep(run->sim, time_ns);
        time_ns += sim_is_over(run) ? time_ns : 0;
    }
    for (unsigned i = 0; i < 2; i++)
        (void)tsuga_actor_stop(run->runtime, site->servers[i]);
}

static void run_site(struct sim_run *run, bool has_proxy)
{
    struct site site = {.run = run, .has_proxy = has_proxy};
    struct tsuga_spawn_options options = {
        .body = call, .argument = &site, .state_bytes = sizeof(struct client), .name = "client"};

    site.echo = sim_choose_address(run, 7);
    site.proxy = sim_choose_address(run, 8);
    if (run->config.executor.ops_max < OPS_LEAST)
        run->config.executor.ops_max = OPS_LEAST; /* nobody may wait for others to receive */
    if (!sim_start(run))
        return;
    start_servers(&site);
    for (unsigned i = 0; i < CLIENTS; i++)
        site.clients[i] = sim_spawn(run, &options);
    await_clients(&site);
    sim_finish(run);
}

void sim_run_echo(struct sim_run *run)
{
    run_site(run, false);
}

void sim_run_proxy(struct sim_run *run)
{
    run_site(run, true);
}
