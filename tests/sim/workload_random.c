/* A colony of actors that do what the seed says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/program.h"

#define FOUNDERS 6u
#define MS       UINT64_C(1000000)

void program_init(struct program *program, struct tsuga_actor *self, struct colony *colony)
{
    program->colony = colony;
    program->self = self;
    program->random = tsuga_self(self).value * 31 ^ colony->run->random;
    program->pipe[0] = -1;
    program->pipe[1] = -1;
    for (unsigned i = 0; i < PROGRAM_FILES; i++)
        program->files[i] = -1;
}

static void enroll(struct colony *colony, struct tsuga_id id, uint64_t random)
{
    colony->ids[random % PROGRAM_ACTORS] = id;
}

/* Takes a message if there is one, whatever it is. False: the actor is being stopped. */
static bool pay_heed(struct program *program, uint64_t timeout_ns)
{
    const struct tsuga_message *message;
    int error = tsuga_receive(program->self, NULL, timeout_ns, &message);

    if (error != 0)
        return error != -ECANCELED;
    if (tsuga_message_completion(message) != NULL)
        program_take(program, tsuga_message_completion(message));
    else
        program_hear(program, message);
    return true;
}

static void stop_another(struct program *program)
{
    struct tsuga_id id = program->colony->ids[program_draw(program, PROGRAM_ACTORS)];

    if (program_draw(program, 4) == 0)
        (void)tsuga_actor_stop(program->colony->run->runtime, id);
}

static void close_something(struct program *program)
{
    unsigned file = (unsigned)program_draw(program, PROGRAM_FILES);

    if (program->files[file] >= 0)
        sim_close(program->self, program->files[file]);
    program->files[file] = -1;
}

static bool move(struct program *program)
{
    switch (program_draw(program, 18)) {
    case 0:
        program_spawn(program);
        return true;
    case 1:
    case 2:
        program_say(program);
        return true;
    case 3:
    case 4:
        program_handle_lease(program);
        return true;
    case 5:
        program_meddle(program);
        return true;
    case 6:
        return program_await(program);
    case 7:
        return pay_heed(program, program_draw(program, 3 * MS));
    case 8:
        return pay_heed(program, 0);
    case 9:
        return tsuga_yield(program->self) != -ECANCELED;
    case 10:
        if (program_draw(program, 4) == 0)
            close_something(program);
        else
            stop_another(program);
        return true;
    case 11:
        (void)tsuga_slice_used(program->self);
        return program_draw(program, 24) > 0;
    case 12:
    case 13:
        program_relate(program);
        return true;
    default:
        program_start(program);
        return true;
    }
}

static void live(struct tsuga_actor *self, void *argument)
{
    struct program *program = tsuga_state(self);

    program_init(program, self, argument);
    while (!sim_is_over(program->colony->run) && move(program))
        continue;
    if (program_draw(program, 4) == 0)
        tsuga_exit(self, -EIO);
}

/* The same, message by message: each message leads to a few moves, which may block. */
static void begin(struct tsuga_actor *self, void *argument)
{
    struct program *program = tsuga_state(self);

    program_init(program, self, argument);
    (void)tsuga_forget(self, tsuga_nop(self));
    program_start(program);
}

static void react(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct program *program = tsuga_state(self);

    if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP)
        tsuga_exit(self, TSUGA_NORMAL);
    if (tsuga_message_completion(message) != NULL)
        program_take(program, tsuga_message_completion(message));
    else
        program_hear(program, message);
    if (sim_is_over(program->colony->run))
        tsuga_exit(self, TSUGA_NORMAL);
    for (unsigned i = 0; i < 2; i++) {
        if (!move(program))
            tsuga_exit(self, TSUGA_NORMAL);
    }
}

static struct tsuga_spawn_options choose(struct colony *colony, uint64_t *random)
{
    struct tsuga_spawn_options options = {
        .argument = colony,
        .state_bytes = sizeof(struct program),
        .name = "program",
        .receives_stop = sim_random(random) % 4 == 0,
        .placement = sim_random(random) % 3 == 0 ? TSUGA_PLACE_LEAST_LOADED : TSUGA_PLACE_DEFAULT};

    if (sim_random(random) % 3 == 0)
        options.mailbox_capacity = 1 + (uint32_t)(sim_random(random) % 8);
    options.mailbox_full = (enum tsuga_full)(sim_random(random) % 4);
    if (sim_random(random) % 3 > 0) {
        options.body = live;
    } else {
        options.behaviour = react;
        options.start = begin;
    }
    return options;
}

void program_spawn(struct program *program)
{
    struct colony *colony = program->colony;
    struct tsuga_spawn_options options = choose(colony, &program->random);
    struct tsuga_stats stats;
    struct tsuga_id id;

    tsuga_stats_read(colony->run->runtime, &stats);
    if (stats.actors_alive < PROGRAM_ACTORS &&
        tsuga_spawn(colony->run->runtime, &options, &id) == 0)
        enroll(colony, id, program_draw(program, UINT64_MAX));
}

static void build(struct sim_run *run)
{
    char content[PROGRAM_FILE_BYTES];
    char path[64];

    for (unsigned i = 0; i < PROGRAM_FILES; i++) {
        sim_fill(content, sizeof(content), i, 0);
        snprintf(path, sizeof(path), "/colony/file-%u", i);
        REQUIRE(run, tsuga_sim_put_file(run->sim, path, content, sizeof(content)) == 0);
    }
}

/* Who has heard nothing for long may wait for nobody: the end is told to all. */
static void end_colony(struct sim_run *run)
{
    while (!sim_is_over(run)) {
        struct tsuga_stats stats;

        tsuga_stats_read(run->runtime, &stats);
        if (stats.actors_alive == 0)
            return;
        tsuga_sim_sleep(run->sim, MS);
    }
    tsuga_stop(run->runtime,
               sim_random(&run->random) % 2 == 0 ? TSUGA_STOP_GRACEFUL : TSUGA_STOP_NOW);
}

void sim_run_random(struct sim_run *run)
{
    struct colony colony = {.run = run};

    run->config.actor.stop_ms = 20;
    build(run);
    if (!sim_start(run))
        return;
    for (unsigned i = 0; i < FOUNDERS; i++) {
        struct tsuga_spawn_options options = choose(&colony, &run->random);

        enroll(&colony, sim_spawn(run, &options), sim_random(&run->random));
    }
    end_colony(run);
    sim_finish(run);
}
