/* Names to addresses on the pool, without a network: numbers, this host, and what does not exist.
 */
#include "executor/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#include <tsuga_sim.h>

static const struct tsuga_resolved *resolve(struct tsuga_actor *self, const char *host,
                                            const char *service, size_t *count)
{
    struct tsuga_completion got =
        tsuga_await(self, tsuga_resolve(self, host, service, SOCK_STREAM));

    CHECK(got.result > 0);
    CHECK_UINT(got.bytes, got.result);
    CHECK_UINT(got.bytes % sizeof(struct tsuga_resolved), 0);
    return tsuga_addresses(&got, count);
}

static void check_ipv4(const struct tsuga_resolved *address, const char *host, uint16_t port)
{
    const struct sockaddr_in *inner = (const void *)&address->storage;

    CHECK_INT(address->family, AF_INET);
    CHECK_INT(address->type, SOCK_STREAM);
    CHECK_INT(address->protocol, IPPROTO_TCP);
    CHECK_UINT(address->bytes, sizeof(*inner));
    CHECK_INT(inner->sin_family, AF_INET);
    CHECK_UINT(ntohs(inner->sin_port), port);
    CHECK_UINT(inner->sin_addr.s_addr, inet_addr(host));
}

static void check_ipv6(const struct tsuga_resolved *address, uint16_t port)
{
    const struct sockaddr_in6 *inner = (const void *)&address->storage;

    CHECK_INT(address->family, AF_INET6);
    CHECK_UINT(address->bytes, sizeof(*inner));
    CHECK_UINT(ntohs(inner->sin6_port), port);
    CHECK(memcmp(&inner->sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback)) == 0);
}

static void resolve_numbers(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_resolved *found;
    size_t count;

    (void)argument;
    found = resolve(self, "192.0.2.7", "8080", &count);
    CHECK_UINT(count, 1);
    check_ipv4(found, "192.0.2.7", 8080);
    found = resolve(self, "::1", "65535", &count);
    CHECK_UINT(count, 1);
    check_ipv6(found, 65535);
    found = resolve(self, "192.0.2.7", NULL, &count);
    CHECK_UINT(count, 1);
    check_ipv4(found, "192.0.2.7", 0);
    found = resolve(self, NULL, "99", &count);
    CHECK(count == 1 || count == 2); /* of either family */
}

TEST(resolve, turns_numbers_into_addresses)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, resolve_numbers, NULL);

    CHECK_UINT(stats.blocking_done, 4);
    CHECK_UINT(stats.blocking_queued, 0);
    CHECK_UINT(stats.blocking_running, 0);
    CHECK(stats.blocking_threads >= 1);
    CHECK_UINT(stats.blocking_refused, 0);
}

TEST(resolve, stands_in_a_simulation)
{
    struct tsuga_sim_options options = {.seed = tsuga_test_seed()};
    struct tsuga_spawn_options spawned = {.body = resolve_numbers};
    struct tsuga_runtime *runtime;
    struct tsuga_sim *sim;

    CHECK_INT(tsuga_sim_make(&options, &sim), 0);
    CHECK_INT(tsuga_sim_start(sim, NULL, &runtime), 0);
    CHECK_INT(tsuga_spawn(runtime, &spawned, NULL), 0);
    CHECK_INT(tsuga_join(runtime), 0);
    tsuga_destroy(runtime);
    tsuga_sim_destroy(sim);
}

/* Connects to a listener of this host's by its name, to the first address that takes it. */
static void connect_by_name(struct tsuga_actor *self, void *argument)
{
    const struct tsuga_question question = {
        .host = "localhost", .service = argument, .family = AF_INET, .type = SOCK_STREAM};
    struct tsuga_completion got = tsuga_await(
        self, tsuga_submit(self, &(struct tsuga_op){.kind = TSUGA_OP_RESOLVE, .data = &question}));
    const struct tsuga_resolved *found;
    struct tsuga_resolved first;
    size_t count;
    int fd;

    CHECK(got.result > 0);
    found = tsuga_addresses(&got, &count);
    CHECK(count >= 1);
    first = found[0];
    fd = tsuga_await(self, tsuga_socket(self, first.family, first.type, first.protocol)).result;
    CHECK(fd >= 0);
    CHECK_INT(
        tsuga_await(self, tsuga_connect(self, fd, (void *)&first.storage, first.bytes)).result, 0);
}

TEST(resolve, finds_this_host_by_its_name)
{
    struct sockaddr_in address;
    int listener = tsuga_fixture_listener(&address);
    char service[16];

    (void)snprintf(service, sizeof(service), "%u", ntohs(address.sin_port));
    (void)tsuga_world_run(NULL, connect_by_name, service);
    tsuga_fixture_close(&listener, 1);
}

static int fail(struct tsuga_actor *self, const struct tsuga_question *question)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RESOLVE, .data = question};
    struct tsuga_completion got = tsuga_await(self, tsuga_submit(self, &op));
    size_t count = 1;

    CHECK(got.result < 0);
    (void)tsuga_addresses(&got, &count);
    CHECK_UINT(count, 0);
    CHECK_UINT(got.bytes, 0);
    return got.result;
}

static void ask_badly(struct tsuga_actor *self, void *argument)
{
    struct tsuga_question question = {.host = "no host", .flags = AI_NUMERICHOST};
    struct tsuga_op op = {.kind = TSUGA_OP_RESOLVE, .data = &question};
    char long_name[2000];

    (void)argument;
    CHECK_INT(fail(self, &question), -ENOENT);
    question = (struct tsuga_question){.host = "::1", .family = AF_INET, .flags = AI_NUMERICHOST};
    CHECK_INT(fail(self, &question), -ENOENT);
    question = (struct tsuga_question){.host = "127.0.0.1", .flags = 1 << 30};
    CHECK_INT(fail(self, &question), -EINVAL);
    question = (struct tsuga_question){.host = "127.0.0.1", .family = 99};
    CHECK_INT(fail(self, &question), -EAFNOSUPPORT);
    question = (struct tsuga_question){.host = "127.0.0.1", .type = 99};
    CHECK_INT(fail(self, &question), -ESOCKTNOSUPPORT);
    question = (struct tsuga_question){
        .host = "127.0.0.1", .service = "no-such-service", .type = SOCK_STREAM};
    CHECK_INT(fail(self, &question), -EPROTONOSUPPORT);
    /* What does not come as far as a thread. */
    CHECK_INT(fail(self, &(struct tsuga_question){0}), -EINVAL);
    CHECK_INT(fail(self, &(struct tsuga_question){.host = ""}), -EINVAL);
    CHECK_INT(fail(self, NULL), -EINVAL);
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    CHECK_INT(fail(self, &(struct tsuga_question){.host = long_name}), -ENAMETOOLONG);
    CHECK_INT(fail(self, &(struct tsuga_question){.host = "a", .service = long_name}),
              -ENAMETOOLONG);
    op.into = long_name;
    CHECK_INT(tsuga_op_error(tsuga_submit(self, &op)), -EINVAL);
}

TEST(resolve, says_what_is_wrong)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, ask_badly, NULL);

    CHECK_UINT(stats.blocking_done, 6);
}

TEST(resolve, has_an_error_for_each_code)
{
    CHECK_INT(tsuga_resolve_error(EAI_SYSTEM, EMFILE), -EMFILE);
    CHECK_INT(tsuga_resolve_error(EAI_SYSTEM, 0), -EREMOTEIO);
    CHECK_INT(tsuga_resolve_error(EAI_AGAIN, EMFILE), -EAGAIN);
    CHECK_INT(tsuga_resolve_error(EAI_FAIL, 0), -EREMOTEIO);
    CHECK_INT(tsuga_resolve_error(EAI_NODATA, 0), -ENOENT);
    CHECK_INT(tsuga_resolve_error(EAI_MEMORY, 0), -ENOMEM);
    CHECK_INT(tsuga_resolve_error(-1000, EMFILE), -EREMOTEIO);
}

/* Where answers come from in the next tests: a list as long as the test wants. */

static int make_list(void *context, const char *host, const char *service,
                     const struct addrinfo *hints, struct addrinfo **out)
{
    const unsigned *count = context;
    struct addrinfo numeric = *hints;
    struct addrinfo **end = out;

    (void)host;
    numeric.ai_flags = AI_NUMERICHOST;
    for (unsigned i = 0; i < *count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "192.0.2.%u", i);
        CHECK_INT(getaddrinfo(name, service, &numeric, end), 0);
        end = &(*end)->ai_next;
    }
    return 0;
}

TEST(resolve, keeps_the_first_of_many_answers)
{
    static const unsigned counts[] = {1, 27, 28, 29, 100};
    struct tsuga_question question = {
        .host = "many", .service = "7", .family = AF_INET, .type = SOCK_STREAM};
    _Alignas(16) unsigned char block[TSUGA_RESOLVE_BYTES + 1];

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        unsigned count = counts[i];
        struct tsuga_calls calls = {.look_up = make_list, .context = &count};
        const struct tsuga_resolved *found = (const void *)block;
        unsigned kept = count < 28 ? count : 28;

        block[TSUGA_RESOLVE_BYTES] = 0xa5;
        CHECK_INT(tsuga_resolve_pack(&question, block), 0);
        CHECK_INT(tsuga_resolve_answer(&calls, block), kept * sizeof(*found));
        CHECK_UINT(block[TSUGA_RESOLVE_BYTES], 0xa5);
        for (unsigned n = 0; n < kept; n++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "192.0.2.%u", n);
            check_ipv4(&found[n], name, 7);
        }
    }
}

static int find_nothing(void *context, const char *host, const char *service,
                        const struct addrinfo *hints, struct addrinfo **out)
{
    (void)context;
    (void)hints;
    CHECK_STR(host, "h");
    CHECK_PTR(service, NULL);
    *out = NULL;
    return 0;
}

TEST(resolve, takes_no_answer_for_none)
{
    struct tsuga_calls calls = {.look_up = find_nothing};
    _Alignas(16) unsigned char block[TSUGA_RESOLVE_BYTES];

    CHECK_INT(tsuga_resolve_pack(&(struct tsuga_question){.host = "h"}, block), 0);
    CHECK_INT(tsuga_resolve_answer(&calls, block), -ENOENT);
}

/* An actor that ends without having waited leaves a question that a thread still works on. */
static void ask_and_go(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    for (int i = 0; i < 50; i++)
        CHECK_INT(tsuga_op_error(tsuga_resolve(self, "127.0.0.1", "1", SOCK_STREAM)), 0);
}

TEST(resolve, outlives_whoever_has_asked)
{
    for (int i = 0; i < 20; i++)
        (void)tsuga_world_run(NULL, ask_and_go, NULL);
}
