/*
 * Requests and answers: a connection asks for one of a few pages, again and again. The pages lie in
 * leases of a store, which sends them along with messages, so that many connections on several
 * executors send from the same bytes.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/support.h"

#define PAGES      3u
#define PAGE_BYTES 1500u
#define CLIENTS    5u
#define REQUESTS   8u
#define LOOK_NS    UINT64_C(20000000)
#define LIMIT_NS   UINT64_C(30000000000)

struct service {
    struct sim_run *run;
    struct sim_address address;
    struct tsuga_id store;
    struct tsuga_id server;
    struct tsuga_id clients[CLIENTS];
};

struct request {
    uint32_t page;
};

/* The store. */

static bool fill_pages(struct tsuga_actor *self, struct tsuga_lease pages[PAGES])
{
    for (uint32_t page = 0; page < PAGES; page++) {
        if (tsuga_lease_make(self, PAGE_BYTES, &pages[page]) != 0)
            return false;
        sim_fill(tsuga_lease_data(self, pages[page]), PAGE_BYTES, page, 0);
    }
    return true;
}

static void keep_pages(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select users = {.user_only = true};
    const struct tsuga_message *message;
    struct tsuga_lease pages[PAGES];

    (void)argument;
    if (!fill_pages(self, pages))
        return;
    while (tsuga_receive(self, &users, TSUGA_FOREVER, &message) == 0) {
        struct tsuga_id from = tsuga_message_from(message);
        struct request request;

        if (tsuga_message_bytes(message) != sizeof(request))
            continue;
        memcpy(&request, tsuga_message_data(message), sizeof(request));
        (void)tsuga_send_with_lease(self, from, 0, NULL, 0, pages[request.page]);
    }
}

/* A connection. */

static bool read_request(struct tsuga_actor *self, int fd, struct request *out)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV,
                          .fd = fd,
                          .flags = MSG_WAITALL,
                          .bytes = sizeof(*out),
                          .timeout_ns = LIMIT_NS};
    struct tsuga_completion got = tsuga_await(self, tsuga_submit(self, &op));

    if (got.result != (int32_t)sizeof(*out))
        return false;
    memcpy(out, got.data, sizeof(*out));
    return true;
}

static bool answer(struct tsuga_actor *self, const struct service *service, int fd,
                   struct request request, uint64_t *random)
{
    struct tsuga_select users = {.user_only = true};
    const struct tsuga_message *message;
    struct tsuga_lease page;
    int32_t sent;

    if (tsuga_send(self, service->store, 0, &request, sizeof(request)) != 0 ||
        tsuga_receive(self, &users, LIMIT_NS, &message) != 0 ||
        tsuga_message_lease(self, message, &page) != 0)
        return false;
    REQUIRE(service->run, sim_is_filled(tsuga_lease_data(self, page), PAGE_BYTES, request.page, 0));
    sent = sim_send(self, fd, (const char *)&request, sizeof(request), random);
    if (sent >= 0)
        sent = sim_send_on(self, fd, page, random);
    REQUIRE(service->run, tsuga_lease_release(self, page) == 0);
    return sent >= 0;
}

static void connection(struct tsuga_actor *self, void *argument)
{
    const struct service *service = argument;
    uint64_t random = tsuga_self(self).value ^ service->run->random;
    int fd = sim_receive_fd(self);
    struct request request;

    while (fd >= 0 && read_request(self, fd, &request)) {
        REQUIRE(service->run, request.page < PAGES);
        if (!answer(self, service, fd, request, &random))
            return;
    }
}

static void serve(struct tsuga_actor *self, void *argument)
{
    struct service *service = argument;
    struct tsuga_spawn_options options = {.body = connection,
                                          .argument = service,
                                          .name = "connection",
                                          .placement = TSUGA_PLACE_LEAST_LOADED};
    int listener = sim_listen(self, &service->address, 4);
    struct tsuga_completion got;

    while (listener >= 0) {
        got = tsuga_await(self, tsuga_accept(self, listener));
        if (got.result >= 0)
            sim_pass_fd(self, got.result, &options);
        else if (got.result == -ECANCELED || service->run->is_peaceful)
            return;
    }
}

/* Clients. */

/* Whole answers, in order. */
static bool ask(struct tsuga_actor *self, struct sim_run *run, int fd, uint32_t page)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV,
                          .fd = fd,
                          .flags = MSG_WAITALL,
                          .bytes = sizeof(page) + PAGE_BYTES,
                          .timeout_ns = LIMIT_NS};
    struct tsuga_completion got =
        tsuga_await(self, tsuga_send_bytes(self, fd, &page, sizeof(page)));
    uint32_t named;

    if (got.result < 0)
        return false;
    got = tsuga_await(self, tsuga_submit(self, &op));
    REQUIRE(run, got.result == (int32_t)op.bytes || !run->is_peaceful);
    if (got.result != (int32_t)op.bytes)
        return false;
    memcpy(&named, got.data, sizeof(named));
    REQUIRE(run, named == page);
    REQUIRE(run, sim_is_filled((const char *)got.data + sizeof(named), PAGE_BYTES, page, 0));
    return true;
}

static void call(struct tsuga_actor *self, void *argument)
{
    struct service *service = argument;
    uint64_t random = tsuga_self(self).value ^ service->run->random;

    do {
        uint64_t requests = 1 + sim_random(&random) % REQUESTS;
        int fd = sim_connect(self, &service->address);

        for (; fd >= 0 && requests > 0; requests--) {
            if (!ask(self, service->run, fd, (uint32_t)(sim_random(&random) % PAGES)))
                break;
        }
        if (fd >= 0)
            sim_close(self, fd);
    } while (!sim_is_over(service->run) &&
             tsuga_await(self, tsuga_timeout(self, 1000)).result == 0);
}

static void await_clients(struct service *service)
{
    struct tsuga_runtime *runtime = service->run->runtime;

    for (unsigned i = 0; i < CLIENTS; i++) {
        while (tsuga_post(runtime, service->clients[i], 0, NULL, 0) != -ESRCH)
            tsuga_sim_sleep(service->run->sim, LOOK_NS);
    }
    (void)tsuga_actor_stop(runtime, service->server);
    (void)tsuga_actor_stop(runtime, service->store);
}

void sim_run_http(struct sim_run *run)
{
    struct service service = {.run = run};
    struct tsuga_spawn_options store = {.body = keep_pages, .name = "store"};
    struct tsuga_spawn_options server = {.body = serve, .argument = &service, .name = "server"};
    struct tsuga_spawn_options client = {.body = call, .argument = &service, .name = "client"};

    service.address = sim_choose_address(run, 80);
    if (run->config.executor.ops_max < 64)
        run->config.executor.ops_max = 64;
    if (!sim_start(run))
        return;
    service.store = sim_spawn(run, &store);
    service.server = sim_spawn(run, &server);
    tsuga_sim_sleep(run->sim, 1000000);
    for (unsigned i = 0; i < CLIENTS; i++)
        service.clients[i] = sim_spawn(run, &client);
    await_clients(&service);
    sim_finish(run);
}
