/* Many threads at once: contents and orders must hold, and ThreadSanitizer must have nothing to
 * say. Payloads are plain bytes, which only the runtime orders. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define EXECUTORS 3u
#define THREADS   3u

static struct tsuga_setup several(void)
{
    return (struct tsuga_setup){.config.executor = {.threads = EXECUTORS, .watchdog_us = 10000000}};
}

static void run_threads(void *(*run)(void *context), void *contexts, size_t context_bytes)
{
    pthread_t threads[THREADS];

    for (uint32_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run, (char *)contexts + i * context_bytes), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

/* Threads post to actors that move from executor to executor. */

#define RECEIVERS 8u
#define EACH      1500u
#define BYTES_MAX 300u

struct post_office {
    struct tsuga_run run;
    struct tsuga_id ids[RECEIVERS];
};

struct postman {
    struct post_office *office;
    uint64_t index;
};

/* In a receiver's state. */
struct ledger {
    uint64_t next[THREADS];
    uint64_t total;
    size_t offset; /* where this receiver's contents begin */
};

static size_t bytes_of(uint64_t sender, uint64_t number)
{
    return 16 + (sender * 31 + number * 7) % (BYTES_MAX - 16);
}

static void *post_all(void *context)
{
    struct postman *postman = context;
    struct post_office *office = postman->office;

    for (uint64_t number = 0; number < EACH; number++) {
        unsigned char bytes[BYTES_MAX];

        for (uint32_t i = 0; i < RECEIVERS; i++) {
            tsuga_content_fill(bytes, sizeof(bytes), postman->index * EACH + number, i);
            CHECK_INT(tsuga_post(office->run.runtime, office->ids[i], postman->index << 32 | number,
                                 bytes, bytes_of(postman->index, number)),
                      0);
        }
    }
    return NULL;
}

static void keep_ledger(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct ledger *ledger = tsuga_state(self);
    uint64_t sender = tsuga_message_tag(message) >> 32;
    uint64_t number = tsuga_message_tag(message) & UINT32_MAX;
    unsigned char expected[BYTES_MAX];

    CHECK(sender < THREADS);
    CHECK_UINT(number, ledger->next[sender]);
    ledger->next[sender]++;
    CHECK_UINT(tsuga_message_bytes(message), bytes_of(sender, number));
    tsuga_content_fill(expected, sizeof(expected), sender * EACH + number, ledger->offset);
    CHECK(memcmp(tsuga_message_data(message), expected, tsuga_message_bytes(message)) == 0);
    if (++ledger->total == THREADS * EACH)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void open_ledger(struct tsuga_actor *self, void *argument)
{
    struct ledger *ledger = tsuga_state(self);

    ledger->offset = *(size_t *)argument;
}

TEST(executor, h44_threads_post_to_actors_that_move)
{
    struct tsuga_setup setup = several();
    struct tsuga_spawn_options options = {
        .behaviour = keep_ledger, .start = open_ledger, .state_bytes = sizeof(struct ledger)};
    struct post_office office;
    size_t offsets[RECEIVERS];
    struct postman postmen[THREADS];

    tsuga_world_start(&setup, &office.run);
    for (uint32_t i = 0; i < RECEIVERS; i++) {
        offsets[i] = i;
        options.argument = &offsets[i];
        CHECK_INT(tsuga_spawn(office.run.runtime, &options, &office.ids[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        postmen[i] = (struct postman){&office, i};
    run_threads(post_all, postmen, sizeof(postmen[0]));
    tsuga_world_end(&office.run);
    CHECK_UINT(office.run.stats.messages_sent, THREADS * RECEIVERS * EACH);
}

/* Threads that spawn, stop and post to whoever was alive a moment ago. Each message names the one
 * that it is meant for. */

#define NAMES  16u
#define SPAWNS 1500u

struct square {
    struct tsuga_run run;
    _Atomic uint64_t names[NAMES];
    _Atomic uint64_t heard;
};

struct crier {
    struct square *square;
    uint64_t random;
};

static void hear(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct square *square = *(struct square **)tsuga_state(self);
    uint64_t meant;

    CHECK_UINT(tsuga_message_bytes(message), sizeof(meant));
    memcpy(&meant, tsuga_message_data(message), sizeof(meant));
    CHECK_UINT(meant, tsuga_self(self).value);
    atomic_fetch_add_explicit(&square->heard, 1, memory_order_relaxed);
    if (tsuga_message_tag(message) % 3 == 0)
        tsuga_exit(self, TSUGA_NORMAL);
}

static void enter_square(struct tsuga_actor *self, void *argument)
{
    *(void **)tsuga_state(self) = argument;
}

static struct tsuga_id pick_name(struct crier *crier)
{
    uint64_t index = tsuga_test_random(&crier->random) % NAMES;

    return (struct tsuga_id){
        atomic_load_explicit(&crier->square->names[index], memory_order_relaxed)};
}

static void call_out(struct crier *crier)
{
    struct tsuga_id to = pick_name(crier);
    int error = tsuga_post(crier->square->run.runtime, to, tsuga_test_random(&crier->random),
                           &to.value, sizeof(to.value));

    CHECK(error == 0 || error == -ESRCH);
}

static void *cry(void *context)
{
    struct crier *crier = context;
    struct square *square = crier->square;
    struct tsuga_spawn_options options = {.behaviour = hear,
                                          .start = enter_square,
                                          .argument = square,
                                          .state_bytes = sizeof(void *)};

    for (uint32_t i = 0; i < SPAWNS; i++) {
        struct tsuga_id id;
        uint64_t index = tsuga_test_random(&crier->random) % NAMES;

        CHECK_INT(tsuga_spawn(square->run.runtime, &options, &id), 0);
        id.value = atomic_exchange_explicit(&square->names[index], id.value, memory_order_relaxed);
        for (int calls = 0; calls < 4; calls++)
            call_out(crier);
        if (id.value != 0)
            (void)tsuga_actor_stop(square->run.runtime, id);
        (void)tsuga_actor_stop(square->run.runtime, pick_name(crier));
    }
    return NULL;
}

TEST(executor, an_id_never_reaches_a_successor_between_threads)
{
    struct tsuga_setup setup = several();
    static struct square square;
    struct crier criers[THREADS];
    uint64_t seed = tsuga_test_seed();

    tsuga_world_start(&setup, &square.run);
    for (uint32_t i = 0; i < THREADS; i++)
        criers[i] = (struct crier){&square, seed + i};
    run_threads(cry, criers, sizeof(criers[0]));
    tsuga_stop(square.run.runtime, TSUGA_STOP_GRACEFUL);
    tsuga_world_end(&square.run);
    CHECK_UINT(square.run.stats.actors_spawned, THREADS * SPAWNS);
    /* Whoever was reached has compared; on some machines most are stopped before that. */
    CHECK(square.heard <= square.run.stats.messages_sent);
}

/* Files that go round from actor to actor, each on another executor. */

#define FILES   4u
#define STOPS   6u
#define HOPS    150u
#define CONTENT 64u

struct caravan {
    struct tsuga_id stops[STOPS];
    struct tsuga_gate ready;
    _Atomic uint32_t arrived;
};

struct bale {
    int fd;
    uint32_t hops;
    uint64_t seed;
};

static void check_bale(struct tsuga_actor *self, const struct bale *bale)
{
    struct tsuga_completion got = tsuga_await(self, tsuga_read_at(self, bale->fd, 0, CONTENT));

    CHECK_INT(got.result, CONTENT);
    tsuga_content_check(got.data, CONTENT, bale->seed, 0);
}

static void pass_on(struct tsuga_actor *self, struct caravan *caravan, struct bale bale)
{
    struct tsuga_id to = caravan->stops[(bale.hops + bale.seed) % STOPS];

    bale.hops++;
    CHECK_INT(tsuga_fd_give(self, bale.fd, to), 0);
    CHECK_INT(tsuga_fd_give(self, bale.fd, to), -EBADF);
    CHECK_INT(tsuga_send(self, to, 0, &bale, sizeof(bale)), 0);
}

static void rest(struct tsuga_actor *self, void *argument)
{
    struct caravan *caravan = argument;
    struct tsuga_select bales = {.user_only = true};
    const struct tsuga_message *message;

    tsuga_gate_raise(&caravan->ready);
    while (tsuga_receive(self, &bales, TSUGA_FOREVER, &message) == 0) {
        struct bale bale = *(const struct bale *)tsuga_message_data(message);

        check_bale(self, &bale);
        if (bale.hops < HOPS) {
            pass_on(self, caravan, bale);
            continue;
        }
        CHECK_INT(tsuga_await(self, tsuga_close(self, bale.fd)).result, 0);
        atomic_fetch_add_explicit(&caravan->arrived, 1, memory_order_release);
    }
}

static void set_out(struct tsuga_actor *self, void *argument)
{
    struct caravan *caravan = argument;

    for (uint64_t seed = 1; seed <= FILES; seed++) {
        struct bale bale = {.fd = tsuga_fixture_memory_file(CONTENT, seed), .seed = seed};

        CHECK_INT(tsuga_fd_adopt(self, bale.fd), 0);
        pass_on(self, caravan, bale);
    }
}

TEST(executor, descriptors_go_round_between_executors)
{
    struct tsuga_setup setup = several();
    struct caravan caravan = {.arrived = 0};
    struct tsuga_run run;

    tsuga_world_start(&setup, &run);
    for (uint32_t i = 0; i < STOPS; i++) {
        struct tsuga_spawn_options options = {.body = rest,
                                              .argument = &caravan,
                                              .placement = TSUGA_PLACE_EXECUTOR,
                                              .executor = i % EXECUTORS};

        CHECK_INT(tsuga_spawn(run.runtime, &options, &caravan.stops[i]), 0);
    }
    tsuga_gate_await(&caravan.ready, STOPS);
    tsuga_world_spawn(&run, set_out, &caravan);
    while (atomic_load_explicit(&caravan.arrived, memory_order_acquire) < FILES)
        sched_yield();
    tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
    tsuga_world_end(&run);
}
