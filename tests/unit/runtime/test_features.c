/* Every probed kernel feature forced off, one by one and all at once: the fallback does the same
 * work. And starting when memory runs out, at each call of the allocator. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/support/fixture.h"
#include "tests/support/scarce_memory.h"
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

TEST(features, starting_without_memory_fails_cleanly_at_each_call)
{
    static struct tsuga_scarce_memory failing;
    const struct tsuga_config config = {.executor.threads = 2, .log.level = TSUGA_LOG_OFF};
    struct tsuga_world world = {.clock = {.now_ns = tsuga_clock_monotonic_ns},
                                .backing = &failing.backing,
                                .ring_create = tsuga_world_ring};
    size_t descriptor_count = tsuga_world_descriptors();
    struct tsuga_runtime *runtime = NULL;
    int64_t failed_count = 0;

    tsuga_scarce_memory_init(&failing);
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
