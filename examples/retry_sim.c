/*
 * retry_sim: a test that needs no luck.
 *
 *     retry_sim              tries every way in which replies and requests can be lost
 *     retry_sim --careless   the same with a server that has forgotten a rule: shows what is found
 *
 * A client asks a server to count, over UDP, and asks again when no answer comes. A request that is
 * lost must be sent again; one whose *answer* was lost must not be counted twice. Whether the code
 * gets that right depends on which datagram is lost and on who runs when: a test on a real network
 * sees the bad cases once in a blue moon.
 *
 * Here the whole runtime runs in a simulated world. The first run, in which nothing is lost, tells
 * how many datagrams there are. Then each of them is lost in turn, and every pair of them, under
 * several seeds, which decide the order of everything else. The rule is checked at the end of each
 * run. When it is broken the world says so, with the seed: the run can be had again, bit for bit.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tsuga.h>
#include <tsuga_sim.h>

#define REQUESTS 4u
#define SEEDS    5u
#define PORT     7000
#define PATIENCE UINT64_C(50000000) /* ns before the client asks again */
#define RETRIES  10u
#define NEVER    UINT64_C(0)

struct request {
    uint32_t number; /* 1 is the first */
};

struct answer {
    uint32_t number;
    uint32_t total;
};

struct scene {
    struct tsuga_sim *sim;
    bool is_careless;
    uint32_t total; /* the server's count */
};

static struct sockaddr_in address_of_server(void)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* The code under test. */

static void serve(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct sockaddr_in address = address_of_server();
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_DGRAM, 0)).result;
    uint32_t last = 0;

    if (tsuga_await(self, tsuga_bind(self, fd, (struct sockaddr *)&address, sizeof(address)))
            .result != 0)
        tsuga_sim_fail(scene->sim, "the server has no address");
    for (;;) {
        struct tsuga_completion got = tsuga_await(self, tsuga_recvfrom(self, fd, 64));
        struct request request;
        struct answer answer;

        if (got.result == -ECANCELED)
            return;
        if (got.result != sizeof(request))
            continue;
        memcpy(&request, got.data, sizeof(request));
        /* The rule: what was asked again is answered again, and not counted again. */
        if (request.number > last || scene->is_careless)
            scene->total++;
        last = request.number;
        answer = (struct answer){request.number, scene->total};
        (void)tsuga_await(self, tsuga_sendto(self, fd, &answer, sizeof(answer), got.peer->address,
                                             got.peer->address_bytes));
    }
}

/* Whether the answer came in time. */
static bool hears(struct tsuga_actor *self, int fd, uint32_t number)
{
    for (;;) {
        struct tsuga_completion got =
            tsuga_await(self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RECVMSG,
                                                                    .fd = fd,
                                                                    .bytes = 64,
                                                                    .timeout_ns = PATIENCE}));
        struct answer answer;

        if (got.result != sizeof(answer))
            return false;
        memcpy(&answer, got.data, sizeof(answer));
        if (answer.number == number)
            return true; /* others are late answers to what was asked twice */
    }
}

static void ask(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    struct sockaddr_in server = address_of_server();
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_DGRAM, 0)).result;

    for (uint32_t number = 1; number <= REQUESTS; number++) {
        struct request request = {number};
        unsigned tries = 0;

        do {
            if (tries++ == RETRIES)
                tsuga_sim_fail(scene->sim, "the client has given up");
            (void)tsuga_await(self, tsuga_sendto(self, fd, &request, sizeof(request),
                                                 (struct sockaddr *)&server, sizeof(server)));
        } while (!hears(self, fd, number));
    }
    if (scene->total != REQUESTS)
        tsuga_sim_fail(scene->sim, "a request was counted twice, or not at all");
    tsuga_stop(tsuga_runtime_of(self), TSUGA_STOP_GRACEFUL);
}

/* The test. */

static void require(const char *what, int error)
{
    if (error == 0)
        return;
    fprintf(stderr, "retry_sim: %s: %s\n", what, strerror(-error));
    exit(2);
}

/* One run, in which the nth and the mth datagram are lost. Returns how many there were. */
static uint64_t play(bool is_careless, uint64_t seed, uint64_t nth, uint64_t mth)
{
    struct tsuga_sim_options options = {.seed = seed};
    struct scene scene = {.is_careless = is_careless};
    struct tsuga_spawn_options server = {.body = serve, .argument = &scene, .name = "server"};
    struct tsuga_spawn_options client = {.body = ask, .argument = &scene, .name = "client"};
    struct tsuga_sim_verdict verdict;
    struct tsuga_runtime *runtime;

    require("a world", tsuga_sim_make(&options, &scene.sim));
    if (nth != NEVER)
        require("a loss", tsuga_sim_force(scene.sim, TSUGA_SIM_LOSS, nth));
    if (mth != NEVER)
        require("a loss", tsuga_sim_force(scene.sim, TSUGA_SIM_LOSS, mth));
    require("a runtime", tsuga_sim_start(scene.sim, NULL, &runtime));
    require("the server", tsuga_spawn(runtime, &server, NULL));
    require("the client", tsuga_spawn(runtime, &client, NULL));
    require("the end", tsuga_join(runtime));
    tsuga_destroy(runtime);
    tsuga_sim_verdict_read(scene.sim, &verdict);
    tsuga_sim_destroy(scene.sim);
    return verdict.opportunities[TSUGA_SIM_LOSS];
}

int main(int argc, char **argv)
{
    bool is_careless = argc == 2 && strcmp(argv[1], "--careless") == 0;
    uint64_t runs = 0;
    uint64_t count = 0;

    if (argc > 1 && !is_careless) {
        fprintf(stderr, "usage: retry_sim [--careless]\n");
        return 2;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        count = play(is_careless, seed, NEVER, NEVER);
        for (uint64_t nth = 1; nth <= count; nth++) {
            (void)play(is_careless, seed, nth, NEVER);
            /* A loss makes more datagrams: the second one may be among those. */
            for (uint64_t mth = nth + 1; mth <= count + 2; mth++, runs++)
                (void)play(is_careless, seed, nth, mth);
        }
        runs += count + 1;
    }
    printf("%" PRIu64 " runs, each of %" PRIu64 " datagrams lost, and every pair: counted once\n",
           runs, count);
    return 0;
}
