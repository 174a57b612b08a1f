/* Every probed kernel feature forced off, one by one and all at once: the fallback does the same
 * work. And starting when memory runs out, at each call of the allocator. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static void work(struct tsuga_actor *self, void *argument)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int file = tsuga_fixture_memory_file(1000, 5);
    int listener = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    struct tsuga_completion got = tsuga_await(self, tsuga_read(self, file, 1000));
    const struct tsuga_message *message;

    (void)argument;
    tsuga_content_check(got.data, got.bytes, 5, 0);
    CHECK_INT(got.result, 1000);
    CHECK_INT(
        tsuga_await(self, tsuga_bind(self, listener, (struct sockaddr *)&address, sizeof(address)))
            .result,
        0);
    CHECK_INT(tsuga_await(self, tsuga_listen(self, listener, 1)).result, 0);
    CHECK_INT(
        tsuga_await(self, tsuga_bind(self, listener, (struct sockaddr *)&address, sizeof(address)))
            .result,
        -EINVAL);
    CHECK_INT(tsuga_await(self, tsuga_listen(self, file, 1)).result, -ENOTSOCK);
    CHECK_INT(tsuga_receive(self, NULL, TSUGA_NS_PER_MS, &message), -ETIMEDOUT);
    CHECK_INT(tsuga_await(self, tsuga_timeout(self, TSUGA_NS_PER_MS)).result, 0);
    CHECK_INT(tsuga_yield(self), 0);
    close(file);
}

static void work_without(uint32_t off_mask)
{
    struct tsuga_setup setup = {.config.executor.threads = 2};
    struct tsuga_run run;

    for (unsigned i = 0; i < TSUGA_FEATURE_COUNT; i++)
        setup.config.features[i] = (off_mask >> i & 1) != 0 ? TSUGA_OFF : TSUGA_DEFAULT;
    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < 8; i++) {
        struct tsuga_spawn_options options = {
            .body = work, .placement = TSUGA_PLACE_EXECUTOR, .executor = i % 2};

        CHECK_INT(tsuga_spawn(run.runtime, &options, NULL), 0);
    }
    tsuga_world_end(&run);
}

TEST(features, a24_each_fallback_does_the_same_work)
{
    for (unsigned i = 0; i < TSUGA_FEATURE_COUNT; i++)
        work_without(UINT32_C(1) << i);
    work_without((UINT32_C(1) << TSUGA_FEATURE_COUNT) - 1);
}

/* General memory that fails at one call, and counts what is not given back. */
struct failing {
    struct tsuga_backing backing;
    const struct tsuga_memory *memory;
    _Atomic int64_t calls_to_failure;
    _Atomic int64_t live_count;
};

static void *fail_sometimes(void *context, size_t bytes)
{
    struct failing *failing = context;
    void *pointer;

    if (atomic_fetch_sub(&failing->calls_to_failure, 1) == 1)
        return NULL;
    pointer = tsuga_memory_alloc(failing->memory, bytes);
    if (pointer != NULL)
        atomic_fetch_add(&failing->live_count, 1);
    return pointer;
}

static void count_free(void *context, void *pointer, size_t bytes)
{
    struct failing *failing = context;

    if (pointer != NULL)
        atomic_fetch_sub(&failing->live_count, 1);
    tsuga_memory_free(failing->memory, pointer, bytes);
}

static void init_failing(struct failing *failing)
{
    *failing = (struct failing){.backing = *tsuga_backing_default(),
                                .memory = &tsuga_backing_default()->memory};
    failing->backing.memory =
        (struct tsuga_memory){.alloc = fail_sometimes, .free = count_free, .context = failing};
}

TEST(features, starting_without_memory_fails_cleanly_at_each_call)
{
    static struct failing failing;
    const struct tsuga_config config = {.executor.threads = 2, .log.level = TSUGA_LOG_OFF};
    struct tsuga_world world = {.clock = {.now_ns = tsuga_clock_monotonic_ns},
                                .backing = &failing.backing,
                                .ring_create = tsuga_world_ring};
    size_t descriptor_count = tsuga_world_descriptors();
    struct tsuga_runtime *runtime = NULL;
    int64_t failed_count = 0;

    init_failing(&failing);
    while (runtime == NULL) {
        int error;

        CHECK(failed_count < 1000);
        failing.calls_to_failure = ++failed_count;
        error = tsuga_runtime_start(&world, &config, &runtime);
        CHECK_INT(error, runtime == NULL ? -ENOMEM : 0);
        if (runtime == NULL)
            CHECK_INT(failing.live_count, 0);
    }
    CHECK(failed_count > 3);
    tsuga_destroy(runtime);
    CHECK_INT(failing.live_count, 0);
    CHECK_UINT(tsuga_world_descriptors(), descriptor_count);
}

static bool is_shortage(int result)
{
    return result == -ENOMEM || result == -ENOBUFS;
}

/* Whatever fails for lack of memory says so, and nothing else happens. */
static void struggle(struct tsuga_actor *self, void *argument)
{
    struct tsuga_lease lease;
    struct tsuga_token ops[40];
    int file = tsuga_fixture_memory_file(1000, 5);
    int error;

    (void)argument;
    for (unsigned i = 0; i < 40; i++)
        ops[i] = tsuga_read_at(self, file, i, 100);
    for (unsigned i = 0; i < 40; i++) {
        struct tsuga_completion got = tsuga_await(self, ops[i]);

        CHECK(got.result == 100 || is_shortage(got.result));
        tsuga_content_check(got.data, got.bytes, 5, i);
    }
    error = tsuga_lease_make(self, 100, &lease);
    CHECK(error == 0 || is_shortage(error));
    error = tsuga_fd_adopt(self, file);
    CHECK(error == 0 || is_shortage(error));
    if (error != 0)
        close(file);
    error = tsuga_send(self, tsuga_self(self), 0, "text", 5);
    CHECK(error == 0 || is_shortage(error));
}

TEST(features, an_actor_without_memory_is_told_at_each_call)
{
    static struct failing failing;
    const struct tsuga_setup setup = {.backing = &failing.backing};
    struct tsuga_spawn_options options = {.body = struggle, .state_bytes = 100};
    int64_t calls = 0;

    init_failing(&failing);
    do {
        struct tsuga_run run;
        int error;

        failing.calls_to_failure = 0;
        tsuga_world_start(&setup, &run);
        failing.calls_to_failure = ++calls;
        error = tsuga_spawn(run.runtime, &options, NULL);
        CHECK(error == 0 || error == -ENOMEM);
        tsuga_world_end(&run);
        CHECK_INT(failing.live_count, 0);
    } while (failing.calls_to_failure <= 0 && calls < 1000);
    CHECK(calls > 3);
    CHECK(calls < 1000);
}
