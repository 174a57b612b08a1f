#include "executor/timers.h"

#include "runtime/base/bits.h"
#include "tests/support/test.h"

#define TICK_NS     (UINT64_C(1) << TSUGA_TIMER_TICK_SHIFT)
#define TIMER_COUNT 300u

/* A timer, and what the model knows of it. */
struct alarm {
    struct tsuga_timer timer;
    bool is_armed;
    uint64_t deadline_ns;
    uint64_t due_tick;
    unsigned fired_count;
};

struct bench {
    struct tsuga_timers timers;
    struct alarm alarms[TIMER_COUNT];
    uint64_t now_ns;
    uint64_t seed;
    uint64_t last_fired_tick;
    uint64_t fired_count;
    struct alarm *accomplice; /* what the fire function of a test acts on */
};

static void open_bench(struct bench *bench, uint64_t now_ns)
{
    *bench = (struct bench){.now_ns = now_ns};
    tsuga_timers_init(&bench->timers, now_ns);
}

static void arm(struct bench *bench, struct alarm *alarm, uint64_t deadline_ns)
{
    uint64_t tick = deadline_ns / TICK_NS + (deadline_ns % TICK_NS != 0);

    alarm->is_armed = true;
    alarm->deadline_ns = deadline_ns;
    alarm->due_tick = tick > bench->timers.tick ? tick : bench->timers.tick + 1;
    tsuga_timers_arm(&bench->timers, &alarm->timer, deadline_ns);
}

static void cancel(struct bench *bench, struct alarm *alarm)
{
    CHECK(tsuga_timers_cancel(&bench->timers, &alarm->timer) == alarm->is_armed);
    alarm->is_armed = false;
}

static struct alarm *fired(struct bench *bench, struct tsuga_timer *timer)
{
    struct alarm *alarm = TSUGA_CONTAINER_OF(timer, struct alarm, timer);

    CHECK(alarm->is_armed);
    CHECK(alarm->deadline_ns <= bench->now_ns); /* never early */
    CHECK_UINT(bench->timers.tick, alarm->due_tick);
    CHECK(!tsuga_timers_cancel(&bench->timers, timer));
    alarm->is_armed = false;
    alarm->fired_count++;
    bench->fired_count++;
    return alarm;
}

static void expire(struct bench *bench, uint64_t now_ns, tsuga_timer_fn *fire)
{
    bench->now_ns = now_ns;
    tsuga_timers_expire(&bench->timers, now_ns, fire, bench);
}

static void just_fire(struct tsuga_timer *timer, void *context)
{
    fired(context, timer);
}

TEST(timers, fire_after_the_deadline_and_within_a_tick)
{
    struct bench bench;

    open_bench(&bench, 12345);
    arm(&bench, &bench.alarms[0], 10 * TICK_NS + 1);
    expire(&bench, 10 * TICK_NS + 1, just_fire);
    CHECK(bench.alarms[0].is_armed); /* due, but its tick is not over */
    expire(&bench, 11 * TICK_NS, just_fire);
    CHECK_UINT(bench.alarms[0].fired_count, 1);
    arm(&bench, &bench.alarms[0], 20 * TICK_NS);
    expire(&bench, 20 * TICK_NS, just_fire);
    CHECK_UINT(bench.alarms[0].fired_count, 2);
}

TEST(timers, a_deadline_of_the_past_fires_at_the_next_tick)
{
    struct bench bench;

    open_bench(&bench, 1000 * TICK_NS);
    arm(&bench, &bench.alarms[0], 5);
    CHECK_UINT(tsuga_timers_next_ns(&bench.timers), 1001 * TICK_NS);
    expire(&bench, 1001 * TICK_NS, just_fire);
    CHECK_UINT(bench.alarms[0].fired_count, 1);
    CHECK_UINT(tsuga_timers_next_ns(&bench.timers), UINT64_MAX);
}

TEST(timers, the_end_of_time_is_never)
{
    struct bench bench;

    open_bench(&bench, 77 * TICK_NS);
    arm(&bench, &bench.alarms[0], UINT64_MAX);
    arm(&bench, &bench.alarms[1], UINT64_MAX - 1);
    arm(&bench, &bench.alarms[2], UINT64_MAX - 2 * TICK_NS);
    expire(&bench, UINT64_C(1) << 63, just_fire);
    CHECK_UINT(bench.fired_count, 0);
    cancel(&bench, &bench.alarms[2]);
    cancel(&bench, &bench.alarms[0]);
    cancel(&bench, &bench.alarms[1]);
    CHECK_UINT(tsuga_timers_next_ns(&bench.timers), UINT64_MAX);
}

TEST(timers, cancel_tells_whether_it_was_armed)
{
    struct bench bench;

    open_bench(&bench, 0);
    cancel(&bench, &bench.alarms[0]);
    arm(&bench, &bench.alarms[0], 100 * TICK_NS);
    cancel(&bench, &bench.alarms[0]);
    cancel(&bench, &bench.alarms[0]);
    expire(&bench, 200 * TICK_NS, just_fire);
    CHECK_UINT(bench.fired_count, 0);
}

static void cancel_accomplice(struct tsuga_timer *timer, void *context)
{
    struct bench *bench = context;

    fired(bench, timer);
    cancel(bench, bench->accomplice);
}

TEST(timers, one_may_cancel_another_that_is_due_with_it)
{
    struct bench bench;

    open_bench(&bench, 0);
    for (int i = 0; i < 3; i++)
        arm(&bench, &bench.alarms[i], 50 * TICK_NS);
    bench.accomplice = &bench.alarms[1];
    expire(&bench, 60 * TICK_NS, cancel_accomplice);
    CHECK_UINT(bench.alarms[0].fired_count, 1);
    CHECK_UINT(bench.alarms[1].fired_count, 0);
    CHECK_UINT(bench.alarms[2].fired_count, 1);
}

static void arm_again(struct tsuga_timer *timer, void *context)
{
    struct bench *bench = context;
    struct alarm *alarm = fired(bench, timer);

    arm(bench, alarm, alarm->deadline_ns + 10 * TICK_NS);
}

TEST(timers, one_may_arm_itself_again)
{
    struct bench bench;

    open_bench(&bench, 0);
    arm(&bench, &bench.alarms[0], 10 * TICK_NS);
    expire(&bench, 10 * TICK_NS, arm_again);
    CHECK_UINT(bench.fired_count, 1);
    expire(&bench, 105 * TICK_NS, arm_again); /* catches up */
    CHECK_UINT(bench.fired_count, 10);
    CHECK_UINT(tsuga_timers_next_ns(&bench.timers), 110 * TICK_NS);
}

/* A number whose magnitude is as random as its digits. */
static uint64_t random_ns(struct bench *bench, unsigned bits_max)
{
    uint64_t bits = tsuga_test_random(&bench->seed) % bits_max;

    return tsuga_test_random(&bench->seed) & ((UINT64_C(1) << bits) - 1);
}

static struct alarm *random_alarm(struct bench *bench)
{
    return &bench->alarms[tsuga_test_random(&bench->seed) % TIMER_COUNT];
}

static uint64_t random_deadline(struct bench *bench)
{
    uint64_t delay_ns = random_ns(bench, 60);

    if (tsuga_test_random(&bench->seed) % 10 == 0)
        return bench->now_ns > delay_ns ? bench->now_ns - delay_ns : 0;
    return bench->now_ns + delay_ns;
}

static void arm_or_cancel(struct bench *bench)
{
    struct alarm *alarm = random_alarm(bench);

    if (alarm->is_armed)
        cancel(bench, alarm);
    else
        arm(bench, alarm, random_deadline(bench));
}

static void fire_at_random(struct tsuga_timer *timer, void *context)
{
    struct bench *bench = context;

    fired(bench, timer);
    CHECK(bench->timers.tick >= bench->last_fired_tick);
    bench->last_fired_tick = bench->timers.tick;
    while (tsuga_test_random(&bench->seed) % 2 == 0)
        arm_or_cancel(bench);
}

static uint64_t earliest_tick(const struct bench *bench)
{
    uint64_t earliest = UINT64_MAX;

    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        if (bench->alarms[i].is_armed && bench->alarms[i].due_tick < earliest)
            earliest = bench->alarms[i].due_tick;
    }
    return earliest;
}

static void check_nothing_due_is_left(const struct bench *bench)
{
    uint64_t earliest = earliest_tick(bench);

    CHECK(earliest > bench->now_ns / TICK_NS);
}

static void check_next(const struct bench *bench)
{
    uint64_t earliest = earliest_tick(bench);
    uint64_t next_ns = tsuga_timers_next_ns(&bench->timers);

    if (earliest == UINT64_MAX) {
        CHECK_UINT(next_ns, UINT64_MAX);
        return;
    }
    CHECK(next_ns <= earliest * TICK_NS);
    CHECK(next_ns > bench->now_ns);
}

TEST(timers, agree_with_a_model_at_random)
{
    static struct bench bench;

    open_bench(&bench, 0);
    bench.seed = tsuga_test_seed();
    for (int i = 0; i < 20000; i++) {
        /* Time stays far below its end, where deadlines are cut. */
        uint64_t step_ns = random_ns(&bench, bench.now_ns < UINT64_C(1) << 61 ? 55 : 20);

        for (uint64_t ops = tsuga_test_random(&bench.seed) % 8; ops > 0; ops--)
            arm_or_cancel(&bench);
        check_next(&bench);
        expire(&bench, bench.now_ns + step_ns, fire_at_random);
        check_nothing_due_is_left(&bench);
        check_next(&bench);
    }
    CHECK(bench.fired_count > 1000);
}

/* Sleeping until next_ns, again and again, as an executor does. */
TEST(timers, a_sleeper_wakes_early_at_most_once_a_level)
{
    static struct bench bench;
    uint64_t seed = tsuga_test_seed();

    for (int round = 0; round < 2000; round++) {
        struct alarm *alarm = &bench.alarms[0];
        unsigned wake_count = 0;

        open_bench(&bench, random_ns(&bench, 60));
        bench.seed = tsuga_test_random(&seed);
        bench.now_ns = random_ns(&bench, 60);
        tsuga_timers_init(&bench.timers, bench.now_ns);
        arm(&bench, alarm, bench.now_ns + random_ns(&bench, 60));
        for (; alarm->is_armed; wake_count++)
            expire(&bench, tsuga_timers_next_ns(&bench.timers), just_fire);
        CHECK(wake_count <= TSUGA_TIMER_LEVELS);
        CHECK(bench.now_ns < alarm->deadline_ns + 2 * TICK_NS);
    }
}
