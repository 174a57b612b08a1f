/* What tsuga_sim.h promises. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#include "tests/support/child.h"
#include "tests/support/test.h"

#include <tsuga_sim.h>

#define SECOND_NS UINT64_C(1000000000)

static struct tsuga_sim *make(uint64_t seed)
{
    struct tsuga_sim_options options = {.seed = seed, .faults[TSUGA_SIM_SHORT] = 100000};
    struct tsuga_sim *sim;

    CHECK_INT(tsuga_sim_make(&options, &sim), 0);
    return sim;
}

static struct tsuga_runtime *start(struct tsuga_sim *sim, uint32_t threads)
{
    struct tsuga_config config = {.executor.threads = threads};
    struct tsuga_runtime *runtime;

    CHECK_INT(tsuga_sim_start(sim, &config, &runtime), 0);
    return runtime;
}

static void run_body(struct tsuga_sim *sim, tsuga_body_fn *body, void *argument)
{
    struct tsuga_runtime *runtime = start(sim, 1);
    struct tsuga_spawn_options options = {.body = body, .argument = argument};

    CHECK_INT(tsuga_spawn(runtime, &options, NULL), 0);
    CHECK_INT(tsuga_join(runtime), 0);
    tsuga_destroy(runtime);
}

/* Copies a file, piece by piece. */
static void copy(struct tsuga_actor *self, void *argument)
{
    int from = tsuga_await(self, tsuga_open(self, "/here/from", O_RDONLY)).result;
    int to = tsuga_await(self, tsuga_open(self, "/here/to", O_WRONLY | O_CREAT)).result;
    struct tsuga_completion got;

    (void)argument;
    CHECK(from >= 0);
    CHECK(to >= 0);
    while ((got = tsuga_await(self, tsuga_read(self, from, 100))).result > 0) {
        char piece[100];
        int32_t done = 0;
        int32_t bytes = got.result;

        memcpy(piece, got.data, (size_t)bytes);
        while (done < bytes)
            done += tsuga_await(self, tsuga_write(self, to, piece + done, (size_t)(bytes - done)))
                        .result;
    }
}

TEST(sim, puts_files_into_a_world_and_gets_them_out)
{
    char from[1000];
    char to[1000] = {0};
    struct tsuga_sim *sim = make(1);

    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (char)(i * 7);
    CHECK_INT(tsuga_sim_put_file(sim, "here/from", from, 1), -EINVAL);
    CHECK_INT(tsuga_sim_put_file(sim, "/here/from", from, sizeof(from)), 0);
    CHECK_INT(tsuga_sim_put_file(sim, "/here", from, 1), -EISDIR);
    CHECK_INT(tsuga_sim_put_file(sim, "/here/from/below", from, 1), -ENOTDIR);
    run_body(sim, copy, NULL);
    CHECK_INT(tsuga_sim_get_file(sim, "/here/to", to, sizeof(to)), sizeof(to));
    CHECK(memcmp(from, to, sizeof(to)) == 0);
    CHECK_INT(tsuga_sim_get_file(sim, "/nowhere", to, 1), -ENOENT);
    tsuga_sim_destroy(sim);
}

/* Many actors on several executors, who tell each other things. */
static void chat(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;
    const struct tsuga_id *others = argument;

    for (unsigned i = 0; i < 20; i++) {
        (void)tsuga_send(self, others[i % 4], 0, &i, sizeof(i));
        (void)!tsuga_receive(self, NULL, 1000, &message);
        (void)tsuga_await(self, tsuga_nop(self));
    }
}

static uint64_t hash_of(uint64_t seed)
{
    struct tsuga_sim *sim = make(seed);
    struct tsuga_runtime *runtime = start(sim, 3);
    struct tsuga_id ids[4] = {{0}};
    struct tsuga_sim_verdict verdict;

    for (unsigned i = 0; i < 4; i++) {
        struct tsuga_spawn_options options = {
            .body = chat, .argument = ids, .placement = TSUGA_PLACE_LEAST_LOADED};

        CHECK_INT(tsuga_spawn(runtime, &options, &ids[i]), 0);
    }
    CHECK_INT(tsuga_join(runtime), 0);
    tsuga_destroy(runtime);
    tsuga_sim_verdict_read(sim, &verdict);
    CHECK(verdict.steps > 100);
    CHECK_UINT(verdict.descriptors, 0);
    tsuga_sim_destroy(sim);
    return verdict.hash;
}

TEST(sim, one_seed_is_one_run)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        CHECK_UINT(hash_of(seed), hash_of(seed));
        CHECK(hash_of(seed) != hash_of(seed + 1));
    }
}

static void wait_an_hour(struct tsuga_actor *self, void *argument)
{
    bool *is_over = argument;

    *is_over = tsuga_await(self, tsuga_timeout(self, 3600 * SECOND_NS)).result == 0;
}

TEST(sim, time_passes_only_when_nobody_can_run)
{
    struct tsuga_sim *sim = make(2);
    struct tsuga_runtime *runtime = start(sim, 1);
    bool is_over = false;
    struct tsuga_spawn_options options = {.body = wait_an_hour, .argument = &is_over};

    CHECK_INT(tsuga_spawn(runtime, &options, NULL), 0);
    tsuga_sim_sleep(sim, 3599 * SECOND_NS);
    CHECK(!is_over);
    tsuga_sim_sleep(sim, 2 * SECOND_NS);
    CHECK(is_over);
    CHECK(tsuga_sim_run(sim, UINT64_MAX)); /* and then nothing happens any more */
    tsuga_destroy(runtime);
    tsuga_sim_destroy(sim);
}

/* Two runtimes: one serves, the other calls. */

static int open_socket(struct tsuga_actor *self, bool is_server, struct sockaddr_in *address)
{
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    const struct sockaddr *name = (struct sockaddr *)address;

    *address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0);
    if (!is_server)
        return fd;
    CHECK_INT(tsuga_await(self, tsuga_bind(self, fd, name, sizeof(*address))).result, 0);
    CHECK_INT(tsuga_await(self, tsuga_listen(self, fd, 1)).result, 0);
    return fd;
}

static void serve(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address;
    int fd = tsuga_await(self, tsuga_accept(self, open_socket(self, true, &address))).result;

    (void)argument;
    CHECK_INT(tsuga_await(self, tsuga_send_bytes(self, fd, "hello", 5)).result, 5);
}

static void call(struct tsuga_actor *self, void *argument)
{
    struct tsuga_op receive = {.kind = TSUGA_OP_RECV, .flags = MSG_WAITALL, .bytes = 5};
    struct sockaddr_in address;
    struct tsuga_completion got;
    int *has_heard = argument;

    receive.fd = open_socket(self, false, &address);
    CHECK_INT(tsuga_await(self, tsuga_connect(self, receive.fd, (struct sockaddr *)&address,
                                              sizeof(address)))
                  .result,
              0);
    got = tsuga_await(self, tsuga_submit(self, &receive));
    CHECK_INT(got.result, 5);
    *has_heard = memcmp(got.data, "hello", 5) == 0;
}

TEST(sim, runtimes_of_one_world_share_its_network)
{
    struct tsuga_sim *sim = make(5);
    struct tsuga_runtime *server = start(sim, 1);
    struct tsuga_runtime *client = start(sim, 2);
    int has_heard = 0;
    struct tsuga_spawn_options serving = {.body = serve};
    struct tsuga_spawn_options calling = {.body = call, .argument = &has_heard};

    CHECK_INT(tsuga_spawn(server, &serving, NULL), 0);
    CHECK(tsuga_sim_run(sim, UINT64_MAX)); /* it listens */
    CHECK_INT(tsuga_spawn(client, &calling, NULL), 0);
    CHECK_INT(tsuga_join(client), 0);
    CHECK_INT(tsuga_join(server), 0);
    CHECK(has_heard);
    tsuga_destroy(client);
    tsuga_destroy(server);
    tsuga_sim_destroy(sim);
}

static void open_nothing(struct tsuga_actor *self, void *argument)
{
    int32_t *results = argument;

    for (unsigned i = 0; i < 3; i++)
        results[i] = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
}

TEST(sim, a_script_says_which_chance_a_fault_takes)
{
    struct tsuga_sim *sim = make(3);
    int32_t results[3];

    CHECK_INT(tsuga_sim_force(sim, TSUGA_SIM_FAULT_COUNT, 1), -EINVAL);
    CHECK_INT(tsuga_sim_force(sim, TSUGA_SIM_EMFILE, 0), -EINVAL);
    CHECK_INT(tsuga_sim_force(sim, TSUGA_SIM_EMFILE, 3), 0); /* the first is the wake-up's */
    run_body(sim, open_nothing, results);
    CHECK(results[0] > 0);
    CHECK_INT(results[1], -EMFILE);
    CHECK(results[2] > 0);
    tsuga_sim_destroy(sim);
}

TEST(sim, every_fault_has_a_name)
{
    for (unsigned fault = 0; fault < TSUGA_SIM_FAULT_COUNT; fault++)
        CHECK(tsuga_sim_fault_name((enum tsuga_sim_fault)fault) != NULL);
    CHECK(tsuga_sim_fault_name(TSUGA_SIM_FAULT_COUNT) == NULL);
}

/* Violations: the child dies, and says why. */

static void write_into_the_kernels(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    CHECK_INT(tsuga_lease_make(self, 64, &lease), 0);
    (void)tsuga_read_lease(self, ends[0], lease, 64);
    (void)tsuga_await(self, tsuga_timeout(self, SECOND_NS));
    memset(tsuga_lease_data(self, lease), 1, 64);
    (void)tsuga_await(self, tsuga_write(self, ends[1], "x", 1));
}

static void change_what_is_written(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease;
    int fd = tsuga_await(self, tsuga_open(self, "/file", O_WRONLY | O_CREAT)).result;
    struct tsuga_token token;

    (void)argument;
    CHECK_INT(tsuga_lease_make(self, 64, &lease), 0);
    token = tsuga_write_lease(self, fd, lease, 64);
    memset(tsuga_lease_data(self, lease), 1, 64);
    (void)tsuga_await(self, token);
}

static void read_twice_into_one(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease;
    int ends[2];

    (void)argument;
    CHECK_INT(tsuga_pipe(self, ends, 0), 0);
    CHECK_INT(tsuga_lease_make(self, 64, &lease), 0);
    (void)tsuga_read_lease(self, ends[0], lease, 64);
    (void)tsuga_await(self, tsuga_read_lease(self, ends[0], lease, 64));
}

static void wait_for_nobody(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_message *message;

    (void)argument;
    (void)!tsuga_receive(self, NULL, TSUGA_FOREVER, &message);
}

static void violate(void *context)
{
    tsuga_body_fn *const *body = context;

    run_body(make(4), *body, NULL);
}

static void expect(tsuga_body_fn *body, const char *words)
{
    struct tsuga_child child;

    tsuga_child_run(&child, violate, &body);
    CHECK_INT(child.signal, SIGABRT);
    CHECK(strstr(child.said, "seed 4, step ") != NULL);
    CHECK(strstr(child.said, words) != NULL);
}

TEST(sim, h02_violations_are_found_and_named)
{
    expect(write_into_the_kernels, "somebody wrote into memory that belongs to the kernel");
    expect(change_what_is_written, "somebody wrote into memory that belongs to the kernel");
    expect(read_twice_into_one, "two requests own the same memory");
    expect(wait_for_nobody, "everybody waits, and nothing will ever happen");
}
