/*
 * Trees of supervisors over ten thousand workers that crash at random.
 *
 *     stress_supervise [SECONDS [SEED]]   60 seconds; TSUGA_TEST_SEED is a seed, too
 *
 * A round is the life of one runtime and of one tree in it:
 *
 *     captain ── division ── team ── worker          the captain is the program's own, divisions
 *            └── …       └── …   └── …               and teams are supervisors
 *
 * Divisions restart each team alone; teams have one of the three strategies. A strict division and
 * its teams count restarts for ever, so that each of them gives up in the end; in a lenient one a
 * restart is forgotten at once, so that nobody ever does. Workers crash, return, are shot, and fall
 * with others that they are linked to, while they have timers, descriptors, names, requests and
 * operations in flight.
 *
 * What must hold: of a place never two workers live; who is stopped by its supervisor finds all
 * behind it ended; a name is free for the successor; a lenient division never gives up; no strict
 * one has started more workers than its limits allow, nor given up before they were exceeded. At
 * the end of a round everybody who was started has ended, and the books balance, see
 * support_round.h. The status is 1 when something that the table lists never happened.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/actor.h"
#include "runtime/base/clock.h"
#include "tests/stress/support_props.h"
#include "tests/stress/support_round.h"
#include "tests/stress/support_tally.h"

#include <tsuga.h>

#define WORKERS       10000u
#define DIVISIONS_MAX 8u
#define TEAMS_MAX     5u
#define ROUND_NS      (4 * TSUGA_NS_PER_S)
#define PATIENCE_NS   (90 * TSUGA_NS_PER_S)
#define HOUR_NS       (3600 * TSUGA_NS_PER_S)
#define STRATEGIES    3u

enum event {
    STARTED,
    CRASHED,
    RETURNED,
    SHOT,
    OVERDUE, /* crashes of a worker's own making */
    LINKED,
    NAMED,
    ASKED,
    ANSWERED,
    UNANSWERED,
    ORDERLY, /* stops that found all behind ended */
    DIVISIONS_SHOT,
    DIVISIONS_ENDED, /* that gave up */
    EVENTS,
};

static const char *const event_names[EVENTS] = {
    "started", "crashed",  "returned",   "shot",    "overdue",        "linked",          "named",
    "asked",   "answered", "unanswered", "orderly", "divisions shot", "divisions ended",
};

/* A worker's place, which its incarnations fill one after the other. */
struct place {
    struct team *team;
    uint32_t index; /* in the team */
    _Atomic uint64_t id;
    _Atomic bool is_alive;
    _Atomic bool is_shot;
    _Atomic uint64_t started;
    _Atomic uint64_t ended;
};

struct team {
    struct tsuga_supervisor supervisor;
    struct round *round;
    struct place *places;
};

struct division {
    struct tsuga_supervisor supervisor;
    struct tsuga_child_spec specs[TEAMS_MAX];
    struct team teams[TEAMS_MAX];
    bool is_strict;

    /* The captain's. */
    struct tsuga_id id;
    struct tsuga_monitor monitor;
    bool is_shot;
    uint64_t incarnations;
    uint64_t given_up;
};

struct round {
    struct tsuga_runtime *runtime;
    uint64_t random; /* of the main thread */
    uint32_t division_count;
    uint32_t team_count;   /* of each division */
    uint32_t worker_count; /* of each team */
    struct division divisions[DIVISIONS_MAX];
    struct place places[WORKERS];
    struct tsuga_child_spec specs[WORKERS];
    struct tsuga_id captain;
    _Atomic uint64_t events[EVENTS];
    _Atomic uint64_t ends[STRATEGIES];
    uint64_t rounds;
};

/* Messages to workers and to the captain; a crash's tag is its reason. */
enum { TAG_RETURN = 1000, TAG_OVERDUE, TAG_QUESTION, TAG_SHOOT };

struct worker {
    struct round *round;
    struct place *place;
    uint64_t random;
};

static void note(struct round *round, enum event event)
{
    stress_count(&round->events[event], 1);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t draw(struct round *round, uint64_t count)
{
    return stress_random(&round->random) % count;
}

/* Workers. */

static void end_worker(void *context)
{
    struct worker *worker = context;
    struct place *place = worker->place;

    stress_count(&place->ended, 1);
    stress_count(&worker->round->ends[place->team->supervisor.strategy], 1);
    /* Pairs with the exchange in begin_worker() and the load in check_order(). */
    STRESS_REQUIRE(atomic_exchange_explicit(&place->is_alive, false, memory_order_acq_rel));
}

static bool happens(struct worker *worker, uint64_t seldom)
{
    return stress_random(&worker->random) % seldom == 0;
}

static struct tsuga_id colleague(struct worker *worker)
{
    const struct place *place = &worker->round->places[stress_random(&worker->random) % WORKERS];

    return (struct tsuga_id){load(&place->id)};
}

static void take_name(struct tsuga_actor *self, const struct worker *worker)
{
    char name[32];

    snprintf(name, sizeof(name), "worker %td", worker->place - worker->round->places);
    STRESS_REQUIRE(tsuga_register(self, name) == 0);
    note(worker->round, NAMED);
}

static void take_descriptors(struct tsuga_actor *self)
{
    int ends[2];

    if (stress_pipe(ends) != 0)
        return;
    for (unsigned i = 0; i < 2; i++)
        STRESS_REQUIRE(tsuga_fd_adopt(self, ends[i]) == 0);
    STRESS_REQUIRE(tsuga_op_error(tsuga_read(self, ends[0], 100)) == 0);
}

static void link_someone(struct tsuga_actor *self, struct worker *worker)
{
    struct tsuga_id other = colleague(worker);

    if (other.value == 0 || tsuga_id_equal(other, tsuga_self(self)))
        return;
    STRESS_REQUIRE(tsuga_link(self, other) == 0);
    note(worker->round, LINKED);
}

static void ask_someone(struct tsuga_actor *self, struct worker *worker)
{
    struct tsuga_mail mail = {.to = colleague(worker), .tag = TAG_QUESTION};
    int error;

    if (mail.to.value == 0)
        return;
    error = tsuga_request(self, &mail, TSUGA_NS_PER_S, NULL);
    STRESS_REQUIRE(error == 0 || error == -ESRCH || error == -EDEADLK);
    if (error == 0)
        note(worker->round, ASKED);
}

static void burden(struct tsuga_actor *self, struct worker *worker)
{
    struct tsuga_mail mail = {.to = tsuga_self(self), .tag = TAG_OVERDUE};
    struct tsuga_lease lease;

    if (happens(worker, 64))
        STRESS_REQUIRE(tsuga_send_after(self, &mail,
                                        stress_random(&worker->random) % (4 * TSUGA_NS_PER_S),
                                        NULL) == 0);
    if (happens(worker, 8))
        STRESS_REQUIRE(tsuga_lease_make(self, 100, &lease) == 0);
    if (happens(worker, 16))
        STRESS_REQUIRE(tsuga_op_error(tsuga_timeout(self, HOUR_NS)) == 0);
    if (happens(worker, 16))
        take_descriptors(self);
    if (happens(worker, 4))
        take_name(self, worker);
    if (happens(worker, 500))
        link_someone(self, worker);
    if (happens(worker, 8))
        ask_someone(self, worker);
}

static void begin_worker(struct tsuga_actor *self, void *argument)
{
    struct worker *worker = tsuga_state(self);
    struct place *place = argument;

    *worker = (struct worker){.round = place->team->round, .place = place};
    worker->random = tsuga_self(self).value * UINT64_C(0x9e3779b97f4a7c15);
    /* Whoever had the place before has ended; pairs with the exchange in end_worker(). */
    STRESS_REQUIRE(!atomic_exchange_explicit(&place->is_alive, true, memory_order_acq_rel));
    STRESS_REQUIRE(tsuga_on_exit(self, end_worker, worker) == 0);
    atomic_store_explicit(&place->is_shot, false, memory_order_relaxed);
    atomic_store_explicit(&place->id, tsuga_self(self).value, memory_order_relaxed);
    stress_count(&place->started, 1);
    note(worker->round, STARTED);
    burden(self, worker);
}

/* Stopped by the supervisor, and by nobody else: those behind have been stopped before. */
static void check_order(struct tsuga_actor *self, const struct worker *worker)
{
    const struct place *place = worker->place;

    if (atomic_load_explicit(&place->is_shot, memory_order_relaxed) ||
        self->reason != TSUGA_NORMAL) /* it falls with another one */
        return;
    for (uint32_t i = place->index + 1; i < place->team->supervisor.child_count; i++)
        STRESS_REQUIRE(
            !atomic_load_explicit(&place->team->places[i].is_alive, memory_order_acquire));
    note(worker->round, ORDERLY);
}

static _Noreturn void take_order(struct tsuga_actor *self, struct worker *worker, uint64_t tag)
{
    if (tag == TAG_RETURN) {
        note(worker->round, RETURNED);
        tsuga_exit(self, TSUGA_NORMAL);
    }
    note(worker->round, tag == TAG_OVERDUE ? OVERDUE : CRASHED);
    tsuga_exit(self, tag == TAG_OVERDUE ? -ETIME : -(int)tag);
}

static void work(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct worker *worker = tsuga_state(self);
    uint64_t tag = tsuga_message_tag(message);

    switch (tsuga_message_kind(message)) {
    case TSUGA_MESSAGE_STOP:
        check_order(self, worker);
        tsuga_exit(self, TSUGA_STOPPED);
    case TSUGA_MESSAGE_REPLY:
        note(worker->round, tsuga_message_reply(message).result == 0 ? ANSWERED : UNANSWERED);
        return;
    case TSUGA_MESSAGE_USER:
        if (tag == TAG_QUESTION)
            (void)tsuga_reply(self, tsuga_message_reply_to(message), 0, NULL, 0);
        else
            take_order(self, worker, tag);
        return;
    default:
        return;
    }
}

/* The captain. */

static void start_division(struct tsuga_actor *self, struct division *division)
{
    struct tsuga_spawn_options options = tsuga_supervise(&division->supervisor);

    options.placement = TSUGA_PLACE_LEAST_LOADED;
    STRESS_REQUIRE(tsuga_spawn_monitored(self, &options, 0, &division->id, &division->monitor) ==
                   0);
    division->incarnations++;
    division->is_shot = false;
}

static struct division *division_of(struct round *round, struct tsuga_monitor monitor)
{
    struct division *division = round->divisions;

    while (division->monitor.value != monitor.value)
        division++;
    STRESS_REQUIRE(division < round->divisions + round->division_count);
    return division;
}

/* The most workers that a division may have started, with none of its limits exceeded. */
static uint64_t started_max(const struct round *round, const struct division *division)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < round->team_count; i++) {
        const struct tsuga_supervisor *team = &division->teams[i].supervisor;
        uint64_t workers = team->strategy == TSUGA_ONE_FOR_ONE
                               ? team->child_count + team->restarts_max
                               : team->child_count * (1 + (uint64_t)team->restarts_max);

        most += workers;
        /* Any restart of a team may be this one's. */
        most += workers * division->supervisor.restarts_max;
    }
    return most * division->incarnations;
}

/* The least that must have ended before it gave up so often. */
static uint64_t ended_min(const struct round *round, const struct division *division)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < round->team_count; i++) {
        uint64_t crashes = 1 + (uint64_t)division->teams[i].supervisor.restarts_max;

        least = crashes < least ? crashes : least;
    }
    return division->given_up * (1 + (uint64_t)division->supervisor.restarts_max) * least;
}

static void check_limits(const struct round *round, const struct division *division)
{
    uint64_t started = 0;
    uint64_t ended = 0;

    for (uint32_t i = 0; i < round->team_count; i++) {
        for (uint32_t k = 0; k < round->worker_count; k++) {
            started += load(&division->teams[i].places[k].started);
            ended += load(&division->teams[i].places[k].ended);
        }
    }
    STRESS_REQUIRE(ended >= ended_min(round, division));
    STRESS_REQUIRE(!division->is_strict || started <= started_max(round, division));
    STRESS_REQUIRE(division->is_strict || division->given_up == 0);
}

static void take_end(struct tsuga_actor *self, struct round *round, const struct tsuga_down *down)
{
    struct division *division = division_of(round, down->monitor);

    if (!division->is_shot) {
        STRESS_REQUIRE(division->is_strict && down->reason < 0);
        division->given_up++;
        note(round, DIVISIONS_ENDED);
    }
    check_limits(round, division);
    start_division(self, division);
}

static void shoot_division(struct round *round, uint64_t number)
{
    struct division *division = &round->divisions[number];

    division->is_shot = true;
    (void)tsuga_actor_stop(round->runtime, division->id);
    note(round, DIVISIONS_SHOT);
}

static bool is_down(const struct tsuga_message *message, void *context)
{
    const struct tsuga_monitor *monitor = context;

    return tsuga_message_kind(message) == TSUGA_MESSAGE_DOWN &&
           tsuga_message_down(message)->monitor.value == monitor->value;
}

static void end_divisions(struct tsuga_actor *self, struct round *round)
{
    const struct tsuga_message *message;

    for (uint32_t i = 0; i < round->division_count; i++) {
        struct division *division = &round->divisions[i];
        struct tsuga_select select = {.accepts = is_down, .context = &division->monitor};

        (void)tsuga_actor_stop(round->runtime, division->id);
        STRESS_REQUIRE(tsuga_receive(self, &select, TSUGA_FOREVER, &message) == 0);
        check_limits(round, division);
    }
}

static void command(struct tsuga_actor *self, void *argument)
{
    struct round *round = argument;
    const struct tsuga_message *message;

    for (uint32_t i = 0; i < round->division_count; i++)
        start_division(self, &round->divisions[i]);
    for (;;) {
        STRESS_REQUIRE(tsuga_receive(self, NULL, TSUGA_FOREVER, &message) == 0);
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_STOP)
            break;
        if (tsuga_message_kind(message) == TSUGA_MESSAGE_DOWN)
            take_end(self, round, tsuga_message_down(message));
        else
            shoot_division(round, *(const uint64_t *)tsuga_message_data(message));
    }
    end_divisions(self, round);
}

/* Rounds. */

static void draw_limits(struct round *round, struct tsuga_supervisor *supervisor, bool is_strict,
                        uint64_t restarts)
{
    supervisor->restarts_max = (uint32_t)(1 + draw(round, restarts));
    supervisor->window_ns = is_strict ? HOUR_NS : 1;
    if (draw(round, 2) == 0)
        return;
    supervisor->backoff_ns = 1 + draw(round, 1000000);
    supervisor->backoff_max_ns = 1 + draw(round, 20000000);
}

static void draw_team(struct round *round, struct division *division, struct team *team,
                      uint32_t first)
{
    *team = (struct team){.round = round, .places = &round->places[first]};
    team->supervisor = (struct tsuga_supervisor){.strategy = (enum tsuga_strategy)draw(round, 3),
                                                 .children = &round->specs[first],
                                                 .child_count = round->worker_count,
                                                 .name = "team"};
    draw_limits(round, &team->supervisor, division->is_strict, 4);
    for (uint32_t i = 0; i < round->worker_count; i++) {
        team->places[i] = (struct place){.team = team, .index = i};
        round->specs[first + i] = (struct tsuga_child_spec){
            .spawn = {.behaviour = work,
                      .start = begin_worker,
                      .argument = &team->places[i],
                      .state_bytes = sizeof(struct worker),
                      .receives_stop = true,
                      .placement =
                          draw(round, 2) == 0 ? TSUGA_PLACE_LEAST_LOADED : TSUGA_PLACE_HERE,
                      .name = "worker"},
            .restart = draw(round, 50) == 0 ? TSUGA_TRANSIENT : TSUGA_PERMANENT};
    }
}

/* The first division is the first to give up, however slow everything is. */
static void weaken(struct division *division)
{
    division->supervisor.restarts_max = 1;
    division->teams[0].supervisor.strategy = TSUGA_ONE_FOR_ONE;
    division->teams[0].supervisor.restarts_max = 1;
}

static void draw_tree(struct round *round)
{
    bool is_wide = draw(round, 2) == 0;

    /* Few and large ones: to ThreadSanitizer each supervisor is a thread, and costs as such. */
    round->division_count = is_wide ? DIVISIONS_MAX : DIVISIONS_MAX / 2;
    round->team_count = TEAMS_MAX;
    round->worker_count = WORKERS / round->division_count / round->team_count;
    for (uint32_t i = 0; i < round->division_count; i++) {
        struct division *division = &round->divisions[i];

        *division = (struct division){.is_strict = i % 2 == 0};
        division->supervisor = (struct tsuga_supervisor){
            .children = division->specs, .child_count = round->team_count, .name = "division"};
        draw_limits(round, &division->supervisor, division->is_strict, 2);
        for (uint32_t k = 0; k < round->team_count; k++) {
            draw_team(round, division, &division->teams[k],
                      (i * round->team_count + k) * round->worker_count);
            division->specs[k].spawn = tsuga_supervise(&division->teams[k].supervisor);
        }
    }
    weaken(&round->divisions[0]);
}

static struct tsuga_config draw_config(struct round *round)
{
    struct tsuga_config config = {.log.level = TSUGA_LOG_WARN};

    config.executor.threads = (uint32_t)(1 + draw(round, 3));
    config.executor.steal = draw(round, 2) == 0 ? TSUGA_OFF : TSUGA_ON;
    config.executor.watchdog_us = 10000000; /* sanitizers are slow, and so is a busy machine */
    config.actor.death_ms = 60000;
    /* Who is stopped by force checks nothing, and a captain who is leaves its divisions alive: on a
     * slow machine it takes minutes to stop all workers one after the other. */
    config.actor.stop_ms = 3600000;
    config.actor.shutdown_ms = 3600000;
    return config;
}

static void hit(struct round *round)
{
    static const uint64_t reasons[] = {EIO, EPIPE, ENOMEM, EPROTO};
    uint64_t range = draw(round, 4) == 0 ? round->worker_count : WORKERS; /* its first team */
    struct place *place = &round->places[draw(round, range)];
    struct tsuga_id id = {load(&place->id)};
    uint64_t number = draw(round, DIVISIONS_MAX / 2); /* there are so many in each round */
    uint64_t way = draw(round, 40);

    if (draw(round, 300) == 0)
        (void)tsuga_post(round->runtime, round->captain, TAG_SHOOT, &number, sizeof(number));
    if (id.value == 0)
        return;
    if (way == 0) {
        atomic_store_explicit(&place->is_shot, true, memory_order_relaxed);
        if (tsuga_actor_stop(round->runtime, id) == 0)
            note(round, SHOT);
    } else {
        (void)tsuga_post(round->runtime, id, way < 4 ? TAG_RETURN : reasons[way % 4], NULL, 0);
    }
}

static void check_places(const struct round *round)
{
    for (uint32_t i = 0; i < WORKERS; i++) {
        STRESS_REQUIRE(!atomic_load_explicit(&round->places[i].is_alive, memory_order_acquire));
        STRESS_REQUIRE(load(&round->places[i].started) == load(&round->places[i].ended));
    }
}

/* The first round goes on until a division has given up, however slow everything is. */
static bool is_over(const struct round *round, uint64_t since_ns)
{
    uint64_t passed_ns = stress_now_ns() - since_ns;

    return passed_ns >= (load(&round->events[DIVISIONS_ENDED]) > 0 ? ROUND_NS : PATIENCE_NS);
}

static void run_round(struct round *round)
{
    struct tsuga_spawn_options options = {
        .body = command, .argument = round, .receives_stop = true, .name = "captain"};
    uint64_t since_ns = stress_now_ns();
    size_t descriptors = stress_count_descriptors();
    struct tsuga_config config = draw_config(round);

    draw_tree(round);
    STRESS_REQUIRE(tsuga_start(&config, &round->runtime) == 0);
    STRESS_REQUIRE(tsuga_spawn(round->runtime, &options, &round->captain) == 0);
    while (!is_over(round, since_ns)) {
        for (uint64_t i = draw(round, 4); i > 0; i--)
            hit(round);
        usleep((useconds_t)draw(round, 2000));
    }
    STRESS_REQUIRE(tsuga_actor_stop(round->runtime, round->captain) == 0);
    STRESS_REQUIRE(tsuga_join(round->runtime) == 0);
    check_places(round);
    stress_end_runtime(round->runtime, 0);
    STRESS_REQUIRE(stress_count_descriptors() == descriptors);
    round->rounds++;
}

static bool print(const struct round *round)
{
    static const char *const strategies[STRATEGIES] = {"one for one", "rest for one",
                                                       "one for all"};
    bool is_complete = true;

    for (unsigned i = 0; i < EVENTS; i++) {
        printf("%-16s %12" PRIu64 "\n", event_names[i], load(&round->events[i]));
        is_complete &= load(&round->events[i]) > 0;
    }
    for (unsigned i = 0; i < STRATEGIES; i++) {
        printf("ended, %-12s %9" PRIu64 "\n", strategies[i], load(&round->ends[i]));
        is_complete &= load(&round->ends[i]) > 0;
    }
    printf("%" PRIu64 " rounds of %u workers\n", round->rounds, WORKERS);
    return is_complete;
}

int main(int argc, char *argv[])
{
    static struct round round;
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
    uint64_t end_ns = stress_now_ns() + seconds * TSUGA_NS_PER_S;

    round.random = stress_seed(argc, argv);
    printf("TSUGA_TEST_SEED=%" PRIu64 "\n", round.random);
    fflush(stdout);
    stress_raise_descriptor_limit();
    alarm((unsigned)seconds * 4 + 600); /* a stop that never ends ends the program */
    do
        run_round(&round);
    while (stress_now_ns() < end_ns);
    return print(&round) ? EXIT_SUCCESS : EXIT_FAILURE;
}
