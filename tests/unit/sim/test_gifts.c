/* A descriptor that was given away stays what it is, whatever the receiver has no memory for. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/support/test.h"

#include <tsuga_sim.h>

#define ALLOCATIONS 40u /* more than there are */

struct scene {
    struct tsuga_id receiver;
    int given; /* the result of the gift */
};

/* Its first descriptor comes as a gift; then it opens another file, which must not get the number
 * of the gift. */
static void receive(struct tsuga_actor *self, void *argument)
{
    struct tsuga_select users = {.user_only = true};
    const struct tsuga_message *message;
    struct tsuga_completion got;
    int other;
    int fd;

    (void)argument;
    if (tsuga_receive(self, &users, TSUGA_FOREVER, &message) != 0)
        return;
    memcpy(&fd, tsuga_message_data(message), sizeof(fd));
    other = tsuga_await(self, tsuga_open(self, "/other", O_RDONLY)).result;
    CHECK(other < 0 || other != fd);
    got = tsuga_await(self, tsuga_read_at(self, fd, 0, 5));
    if (got.result >= 0)
        CHECK(memcmp(got.data, "given", 5) == 0);
    else
        CHECK(got.result == -ENOMEM || got.result == -ENOBUFS);
}

static void give(struct tsuga_actor *self, void *argument)
{
    struct scene *scene = argument;
    int fd = tsuga_await(self, tsuga_open(self, "/given", O_RDONLY)).result;

    scene->given = fd < 0 ? fd : tsuga_fd_give(self, fd, scene->receiver);
    if (scene->given == 0)
        scene->given = tsuga_send(self, scene->receiver, 0, &fd, sizeof(fd));
    if (scene->given != 0)
        (void)tsuga_actor_stop(tsuga_runtime_of(self), scene->receiver);
    /* Its memory is not the receiver's yet. */
    (void)tsuga_await(self, tsuga_timeout(self, 1000000));
}

static void play(struct tsuga_runtime *runtime)
{
    struct scene scene = {.given = 0};
    struct tsuga_spawn_options receiver = {.body = receive};
    struct tsuga_spawn_options giver = {.body = give, .argument = &scene};

    if (tsuga_spawn(runtime, &receiver, &scene.receiver) == 0 &&
        tsuga_spawn(runtime, &giver, NULL) != 0)
        CHECK_INT(tsuga_actor_stop(runtime, scene.receiver), 0);
    CHECK_INT(tsuga_join(runtime), 0);
}

TEST(sim, a_gift_is_not_lost_when_memory_runs_out)
{
    struct tsuga_config config = {.log.level = TSUGA_LOG_OFF};

    for (uint64_t nth = 1; nth <= ALLOCATIONS; nth++) {
        struct tsuga_runtime *runtime;
        struct tsuga_sim *sim;

        CHECK_INT(tsuga_sim_make(NULL, &sim), 0);
        CHECK_INT(tsuga_sim_put_file(sim, "/given", "given", 5), 0);
        CHECK_INT(tsuga_sim_put_file(sim, "/other", "other", 5), 0);
        CHECK_INT(tsuga_sim_force(sim, TSUGA_SIM_MEMORY, nth), 0);
        if (tsuga_sim_start(sim, &config, &runtime) == 0) {
            play(runtime);
            tsuga_destroy(runtime);
        }
        tsuga_sim_destroy(sim);
    }
}
