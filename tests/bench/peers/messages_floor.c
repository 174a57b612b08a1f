/*
 * messages_floor GAME 1|2: the games of README.md without a runtime, as the least that they can
 * cost. Prints nanoseconds for each unit.
 *
 * An office is a thread with a queue of letters: it takes the oldest one, calls whom it is for, and
 * puts what that one sends at the end. A letter to a site of the other office goes through a ring
 * with one writer and one reader; an office without letters spins.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor/switch.h"
#include "tests/bench/support.h"

#define PLAY_NS     UINT64_C(500000000)
#define PING_PONG   200000u
#define RING_SITES  503u
#define RING_HOPS   (1000u * RING_SITES)
#define PRODUCERS   100u
#define PRODUCTS    5000u
#define BIG_SITES   100u
#define BIG_PINGS   2000u
#define CHAIN       100000u
#define MILLION     1000000u
#define SITES_MAX   512u
#define LETTERS_MAX 1024u /* of a queue or ring, power of two */
#define OFFICES_MAX 2u
#define CASE_COUNT  7u
#define STACK_BYTES 16384u
#define SPINS_MAX   10000u /* before an office gives its processor to somebody else */

struct site;

struct letter {
    struct site *to;
    struct site *from;
    uint64_t value;
};

typedef void handle_fn(struct site *site, const struct letter *letter);

struct site {
    handle_fn *handle;
    struct office *office;
    struct site *next;
    uint64_t random;
    uint64_t left;
};

/* Letters from the other office. The counts only grow; their difference is what waits. */
struct ring {
    _Alignas(128) atomic_size_t written;
    _Alignas(128) atomic_size_t read;
    struct letter letters[LETTERS_MAX];
};

struct office {
    struct world *world;
    size_t first; /* of the queue; likewise */
    size_t end;
    struct letter queue[LETTERS_MAX];
    struct ring inlet;
};

struct world {
    struct office offices[OFFICES_MAX];
    struct site sites[SITES_MAX];
    uint32_t office_count;
    _Alignas(128) atomic_uint busy_count; /* of sites; 0: the game is over */
};

/* Offices. */

static void keep(struct office *office, struct letter letter)
{
    tsuga_bench_require("a queue", office->end - office->first < LETTERS_MAX ? 0 : -ENOBUFS);
    office->queue[office->end++ % LETTERS_MAX] = letter;
}

/* The reader gets the letter whole: pairs with the acquire load in fetch(). */
static void hand_over(struct ring *ring, struct letter letter)
{
    size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);

    /* Pairs with the release store in fetch(): the place has been read. */
    while (written - atomic_load_explicit(&ring->read, memory_order_acquire) == LETTERS_MAX)
        sched_yield();
    ring->letters[written % LETTERS_MAX] = letter;
    atomic_store_explicit(&ring->written, written + 1, memory_order_release);
}

static void send(struct site *from, struct site *to, uint64_t value)
{
    struct letter letter = {to, from, value};

    if (to->office == from->office)
        keep(to->office, letter);
    else
        hand_over(&to->office->inlet, letter);
}

/* False when there is none. Pairs with hand_over(). */
static bool fetch(struct ring *ring, struct letter *out)
{
    size_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);

    if (read == atomic_load_explicit(&ring->written, memory_order_acquire))
        return false;
    *out = ring->letters[read % LETTERS_MAX];
    atomic_store_explicit(&ring->read, read + 1, memory_order_release);
    return true;
}

static void deliver(const struct letter *letter)
{
    letter->to->handle(letter->to, letter);
}

/* Everything that waits in the queue, and what comes of it. */
static void drain(struct office *office)
{
    while (office->first != office->end) {
        struct letter letter = office->queue[office->first++ % LETTERS_MAX];

        deliver(&letter);
    }
}

static bool is_over(const struct world *world)
{
    /* The offices are joined before anybody looks at what they did. */
    return atomic_load_explicit(&world->busy_count, memory_order_relaxed) == 0;
}

static void end_one(struct world *world)
{
    atomic_fetch_sub_explicit(&world->busy_count, 1, memory_order_relaxed);
}

static void work_alone(struct office *office)
{
    while (!is_over(office->world))
        drain(office);
}

static void *work(void *context)
{
    struct office *office = context;
    uint32_t spins = 0;

    while (!is_over(office->world)) {
        struct letter letter;

        drain(office);
        if (fetch(&office->inlet, &letter)) {
            deliver(&letter);
            spins = 0;
        } else if (++spins == SPINS_MAX) {
            sched_yield();
            spins = 0;
        }
    }
    return NULL;
}

static void work_all(struct world *world)
{
    pthread_t thread;

    if (world->office_count == 1) {
        work_alone(&world->offices[0]);
        return;
    }
    tsuga_bench_require("pthread_create", -pthread_create(&thread, NULL, work, &world->offices[1]));
    (void)work(&world->offices[0]);
    tsuga_bench_require("pthread_join", -pthread_join(thread, NULL));
}

/* The sites are dealt to the offices in turn. */
static void open_world(struct world *world, uint32_t site_count, handle_fn *handle)
{
    for (uint32_t i = 0; i < world->office_count; i++) {
        struct office *office = &world->offices[i];

        office->world = world;
        office->first = office->end = 0;
        atomic_init(&office->inlet.written, 0);
        atomic_init(&office->inlet.read, 0);
    }
    for (uint32_t i = 0; i < site_count; i++)
        world->sites[i] = (struct site){.handle = handle,
                                        .office = &world->offices[i % world->office_count],
                                        .next = &world->sites[(i + 1) % site_count],
                                        .random = i + 1};
    atomic_init(&world->busy_count, 1);
}

/* The games. */

static void pass(struct site *site, const struct letter *letter)
{
    if (letter->value > 0)
        send(site, site->next, letter->value - 1);
    else
        end_one(site->office->world);
}

static void play_ring_of(struct world *world, uint32_t site_count, uint64_t hops)
{
    open_world(world, site_count, pass);
    keep(&world->offices[0], (struct letter){.to = world->sites, .value = hops - 1});
    work_all(world);
}

static void play_ping_pong(struct world *world)
{
    play_ring_of(world, 2, PING_PONG);
}

static void play_ring(struct world *world)
{
    play_ring_of(world, RING_SITES, RING_HOPS);
}

/* Nothing but what a body needs to be resumed and to wait again: a stack of its own. */

struct switching {
    void *here;
    void *there;
};

static void switch_back(void *context)
{
    struct switching *switching = context;

    for (;;)
        tsuga_switch(&switching->there, switching->here);
}

static void play_bodies(struct world *world)
{
    static _Alignas(64) unsigned char stack[STACK_BYTES];
    struct switching switching;

    (void)world;
    tsuga_switch_start(&switching.here, stack + sizeof(stack), switch_back, &switching);
    for (uint32_t i = 0; i < PING_PONG; i++)
        tsuga_switch(&switching.here, switching.there);
}

/* The first site consumes, the others produce in turn; a letter to itself tells one to go on. */
static void consume_or_produce(struct site *site, const struct letter *letter)
{
    struct world *world = site->office->world;

    (void)letter;
    if (site == world->sites) {
        if (--site->left == 0)
            end_one(world);
        return;
    }
    for (uint32_t i = 0; i < LETTERS_MAX / PRODUCERS / 2; i++) {
        if (site->left == 0)
            return;
        site->left--;
        send(site, world->sites, site->left);
    }
    keep(site->office, (struct letter){.to = site});
}

static void play_fan_in(struct world *world)
{
    open_world(world, PRODUCERS + 1, consume_or_produce);
    world->sites[0].left = PRODUCERS * PRODUCTS;
    for (uint32_t i = 1; i <= PRODUCERS; i++) {
        world->sites[i].left = PRODUCTS;
        keep(world->sites[i].office, (struct letter){.to = &world->sites[i]});
    }
    work_all(world);
}

enum { PING, PONG };

static void chat(struct site *site, const struct letter *letter)
{
    if (letter->value == PING) {
        send(site, letter->from, PONG);
        return;
    }
    if (site->left == 0) {
        end_one(site->office->world);
        return;
    }
    site->left--;
    site->random = site->random * 48271 % 2147483647;
    send(site, &site->office->world->sites[site->random % BIG_SITES], PING);
}

static void play_big(struct world *world)
{
    open_world(world, BIG_SITES, chat);
    atomic_init(&world->busy_count, BIG_SITES);
    for (uint32_t i = 0; i < BIG_SITES; i++) {
        world->sites[i].left = BIG_PINGS;
        keep(world->sites[i].office, (struct letter){.to = &world->sites[i], .value = PONG});
    }
    work_all(world);
}

static struct site *make_site(handle_fn *handle, struct office *office)
{
    struct site *site = calloc(1, sizeof(*site));

    tsuga_bench_require("calloc", site == NULL ? -ENOMEM : 0);
    site->handle = handle;
    site->office = office;
    return site;
}

static void live_shortly(struct site *site, const struct letter *letter)
{
    if (letter->value > 0)
        send(site, make_site(live_shortly, site->office), letter->value - 1);
    else
        end_one(site->office->world);
    free(site);
}

static void play_spawn(struct world *world)
{
    open_world(world, 0, NULL);
    keep(world->offices,
         (struct letter){.to = make_site(live_shortly, world->offices), .value = CHAIN - 1});
    work_all(world);
}

static void end_oneself(struct site *site, const struct letter *letter)
{
    (void)letter;
    end_one(site->office->world);
    free(site);
}

/* Each has its letter in memory of its own, since all of them wait at once. */
static void play_million(struct world *world)
{
    static struct letter *letters[MILLION];

    open_world(world, 0, NULL);
    atomic_init(&world->busy_count, MILLION);
    for (uint32_t i = 0; i < MILLION; i++) {
        letters[i] = malloc(sizeof(*letters[i]));
        tsuga_bench_require("malloc", letters[i] == NULL ? -ENOMEM : 0);
        *letters[i] = (struct letter){.to = make_site(end_oneself, world->offices)};
    }
    for (uint32_t i = 0; i < MILLION; i++) {
        deliver(letters[i]);
        free(letters[i]);
    }
}

struct game {
    const char *name;
    uint64_t unit_count;
    void (*play)(struct world *world);
    bool is_single;
};

static const struct game games[CASE_COUNT] = {
    {"ping-pong", PING_PONG, play_ping_pong, false},
    {"bodies", PING_PONG, play_bodies, false},
    {"ring", RING_HOPS, play_ring, false},
    {"fan-in", UINT64_C(1) * PRODUCERS *PRODUCTS, play_fan_in, false},
    {"big", UINT64_C(2) * BIG_SITES *BIG_PINGS, play_big, false},
    {"spawn", CHAIN, play_spawn, false},
    {"million", MILLION, play_million, true},
};

static double play(const struct game *game, struct world *world)
{
    uint64_t unit_count = 0;
    uint64_t start_ns;
    uint64_t now_ns;

    if (!game->is_single)
        game->play(world);
    start_ns = tsuga_bench_now_ns();
    do {
        game->play(world);
        unit_count += game->unit_count;
        now_ns = tsuga_bench_now_ns();
    } while (!game->is_single && now_ns - start_ns < PLAY_NS);
    return (double)(now_ns - start_ns) / (double)unit_count;
}

int main(int argc, char **argv)
{
    static struct world world;
    size_t i = 0;

    while (i < CASE_COUNT && (argc != 3 || strcmp(games[i].name, argv[1]) != 0))
        i++;
    world.office_count = i < CASE_COUNT ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    if (world.office_count < 1 || world.office_count > OFFICES_MAX) {
        fprintf(stderr, "usage: messages_floor GAME 1|2\n");
        return 2;
    }
    printf("%.2f\n", play(&games[i], &world));
    return 0;
}
