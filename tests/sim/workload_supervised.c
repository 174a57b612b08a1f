/*
 * A tree of supervisors whose workers crash. Each worker has a name and a port, which nobody else
 * can have: who is started in its place gets both, because its end was told when they were free.
 * Clients ask whoever has the name, and get the right answer or none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/support.h"

#define WORKERS    3u
#define CLIENTS    3u
#define FIRST_PORT 4000u
#define TICK_NS    UINT64_C(200000)
#define LIMIT_NS   UINT64_C(3000000)

enum { TICK = 1, SQUARE };

struct role {
    struct troupe *troupe;
    uint32_t index;
    int32_t alive_count;
};

struct troupe {
    struct sim_run *run;
    struct role roles[WORKERS];
    struct tsuga_child_spec workers[WORKERS];
    struct tsuga_supervisor lower;
    struct tsuga_child_spec middle;
    struct tsuga_supervisor upper;
};

static const char *name_of(uint32_t index)
{
    static const char *const names[WORKERS] = {"worker-0", "worker-1", "worker-2"};

    return names[index];
}

static bool is_one_in(struct troupe *troupe, uint64_t count)
{
    return sim_random(&troupe->run->random) % count == 0;
}

/* Workers. */

static void leave(void *context)
{
    struct role *role = context;

    role->alive_count--;
}

static int take_port(struct tsuga_actor *self, uint32_t index)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)(FIRST_PORT + index)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_DGRAM, 0)).result;
    int error;

    if (fd < 0)
        return fd;
    error = tsuga_await(self, tsuga_bind(self, fd, (void *)&address, sizeof(address))).result;
    if (error >= 0) /* something is in flight when it ends */
        error = tsuga_op_error(tsuga_recv(self, fd, 100));
    return error;
}

static void enter(struct tsuga_actor *self, void *argument)
{
    struct role *role = argument;
    struct sim_run *run = role->troupe->run;
    struct tsuga_mail tick = {.to = tsuga_self(self), .tag = TICK};
    int error = tsuga_on_exit(self, leave, role);

    if (error != 0)
        tsuga_exit(self, error);
    role->alive_count++;
    REQUIRE(run, role->alive_count == 1 || !run->is_peaceful);
    error = tsuga_register(self, name_of(role->index));
    if (error == 0)
        error = take_port(self, role->index);
    if (error == 0)
        error = tsuga_send_every(self, &tick, TICK_NS, NULL);
    REQUIRE(run, error == 0 || error == -ECANCELED || !run->is_peaceful); /* it may be stopped */
    if (error != 0)
        tsuga_exit(self, error);
    *(struct role **)tsuga_state(self) = role;
}

static void answer(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_reply_to to = tsuga_message_reply_to(message);
    uint32_t number;

    memcpy(&number, tsuga_message_data(message), sizeof(number));
    (void)tsuga_reply(self, to, (int)(number * number), NULL, 0);
}

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    const struct role *role = *(struct role **)tsuga_state(self);

    if (is_one_in(role->troupe, 100))
        tsuga_exit(self, is_one_in(role->troupe, 4) ? TSUGA_NORMAL : -EIO);
    if (tsuga_message_kind(message) == TSUGA_MESSAGE_USER && tsuga_message_tag(message) == SQUARE)
        answer(self, message);
}

/* Clients. */

static bool ask(struct tsuga_actor *self, struct troupe *troupe)
{
    uint32_t number = (uint32_t)(sim_random(&troupe->run->random) % 10000);
    struct tsuga_mail mail = {.to = tsuga_whereis(troupe->run->runtime, name_of(number % WORKERS)),
                              .tag = SQUARE,
                              .data = &number,
                              .bytes = sizeof(number)};
    const struct tsuga_message *reply;
    int result;

    if (mail.to.value == 0)
        return tsuga_await(self, tsuga_timeout(self, TICK_NS)).result != -ECANCELED;
    result = tsuga_call(self, &mail, LIMIT_NS, &reply);
    REQUIRE(troupe->run, result < 0 || result == (int)(number * number));
    REQUIRE(troupe->run, result >= 0 || !troupe->run->is_peaceful || result == -ESRCH);
    return result != -ECANCELED;
}

static void be_client(struct tsuga_actor *self, void *argument)
{
    struct troupe *troupe = argument;

    while (!sim_is_over(troupe->run) && ask(self, troupe))
        continue;
}

/* The tree: a supervisor of workers, and one that starts that anew when it has given up. */

static void cast(struct troupe *troupe, struct sim_run *run)
{
    *troupe = (struct troupe){.run = run};
    for (uint32_t i = 0; i < WORKERS; i++) {
        troupe->roles[i] = (struct role){.troupe = troupe, .index = i};
        troupe->workers[i] = (struct tsuga_child_spec){
            .spawn = {.behaviour = work,
                      .start = enter,
                      .argument = &troupe->roles[i],
                      .state_bytes = sizeof(struct role *),
                      .name = name_of(i),
                      .placement = TSUGA_PLACE_LEAST_LOADED},
            .restart = (enum tsuga_restart)(sim_random(&run->random) % 2)};
    }
    troupe->lower =
        (struct tsuga_supervisor){.strategy = (enum tsuga_strategy)(sim_random(&run->random) % 3),
                                  .children = troupe->workers,
                                  .child_count = WORKERS,
                                  .restarts_max = is_one_in(troupe, 2) ? 2 : 1000000,
                                  .window_ns = 100 * TICK_NS,
                                  .backoff_ns = is_one_in(troupe, 2) ? TICK_NS : 0,
                                  .backoff_max_ns = 8 * TICK_NS,
                                  .name = "lower"};
    troupe->middle = (struct tsuga_child_spec){.spawn = tsuga_supervise(&troupe->lower)};
    troupe->upper = (struct tsuga_supervisor){
        .children = &troupe->middle, .child_count = 1, .restarts_max = 1000000, .name = "upper"};
}

static uint64_t count_alive(const struct sim_run *run)
{
    struct tsuga_stats stats;

    tsuga_stats_read(run->runtime, &stats);
    return stats.actors_alive;
}

void sim_run_supervised(struct sim_run *run)
{
    struct troupe troupe;
    struct tsuga_spawn_options upper;
    struct tsuga_spawn_options client = {.body = be_client, .argument = &troupe, .name = "client"};
    struct tsuga_id id;

    cast(&troupe, run);
    upper = tsuga_supervise(&troupe.upper);
    if (!sim_start(run))
        return;
    id = sim_spawn(run, &upper);
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)sim_spawn(run, &client);
    while (!sim_is_over(run) && count_alive(run) > 0)
        tsuga_sim_sleep(run->sim, 10 * TICK_NS);
    (void)tsuga_actor_stop(run->runtime, id);
    sim_finish(run);
    for (uint32_t i = 0; i < WORKERS; i++)
        REQUIRE(run, troupe.roles[i].alive_count == 0);
}
