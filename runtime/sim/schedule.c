#include "runtime/sim/schedule.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/stack_annotate.h"
#include "executor/switch.h"
#include "runtime/base/sanitize.h"

#define STACK_BYTES (256u << 10)

/* Time begins where no sum of a few seconds could be mistaken for none. */
#define START_NS (1000 * TSUGA_NS_PER_S)

/* What passes from one safe point to the next: most often little. */
#define STRETCH_NS      500u
#define LONG_STRETCH_NS 50000u
#define LONG_ONE_IN     256u

void tsuga_schedule_trace(struct tsuga_schedule *schedule, enum tsuga_trace_kind kind, int64_t a,
                          int64_t b, int64_t c)
{
    struct tsuga_trace_event event = {.step = schedule->steps,
                                      .time_ns = schedule->now_ns,
                                      .thread = schedule->current->number,
                                      .kind = kind,
                                      .a = a,
                                      .b = b,
                                      .c = c};

    tsuga_trace_add(&schedule->trace, &event);
}

/* Switching. */

/* The first thing on the new stack. */
static void arrive(struct tsuga_schedule *schedule, struct tsuga_coroutine *self)
{
    tsuga_annotate_arrive_asan(&self->place, &schedule->left->place);
    tsuga_executor_become(self->executor);
    if (schedule->abandoned != NULL)
        tsuga_stack_release(&schedule->stacks, schedule->abandoned);
    schedule->abandoned = NULL;
    if (schedule->left->state == TSUGA_COROUTINE_ENDED && schedule->left->is_detached)
        schedule->left->state = TSUGA_COROUTINE_FREE;
}

static void end(struct tsuga_schedule *schedule, struct tsuga_coroutine *self);

static void begin(void *context)
{
    struct tsuga_schedule *schedule = context;
    struct tsuga_coroutine *self = schedule->current;

    arrive(schedule, self);
    (void)self->run(self->argument);
    end(schedule, self);
    TSUGA_VERIFY(self->state == TSUGA_COROUTINE_READY); /* nobody goes on with one that has ended */
}

static bool is_new(const struct tsuga_coroutine *coroutine)
{
    return coroutine->place.sp == NULL && coroutine->stack != NULL;
}

static void *top_of(const struct tsuga_coroutine *coroutine)
{
    return coroutine->place.low + coroutine->place.bytes;
}

/* What the sanitizers tell of the stack that is left must be learnt after the switch: an executor
 * parks on whichever stack of its pool it stands on. */
static void leave(struct tsuga_schedule *schedule, struct tsuga_coroutine *to)
{
    struct tsuga_coroutine *from = schedule->current;

    from->executor = tsuga_executor_current();
    from->place.low = NULL;
    tsuga_annotate_thread_tsan(&from->place);
    if (is_new(to)) {
        tsuga_sanitize_unpoison(to->place.low, to->place.bytes);
        tsuga_annotate_start_tsan(&to->place);
    }
    schedule->left = from;
    schedule->current = to;
    tsuga_schedule_trace(schedule, TSUGA_TRACE_RUN, to->number,
                         to->executor != NULL ? to->executor->index + 1 : 0, 0);
}

static void switch_to(struct tsuga_schedule *schedule, struct tsuga_coroutine *to)
{
    struct tsuga_coroutine *from = schedule->current;
    bool is_first = is_new(to);
    bool is_last = from->state == TSUGA_COROUTINE_ENDED;

    if (to == from)
        return;
    leave(schedule, to);
    tsuga_annotate_leave_asan(is_last ? NULL : &from->place.fake_stack, &to->place);
    tsuga_annotate_leave_tsan(&to->place);
    if (is_first)
        tsuga_switch_start(&from->place.sp, top_of(to), begin, schedule);
    else
        tsuga_switch(&from->place.sp, to->place.sp);
    arrive(schedule, from);
}

/* Choosing. */

static void step(struct tsuga_schedule *schedule)
{
    schedule->steps++;
    if (schedule->steps == schedule->step_max)
        schedule->failed(schedule->context, "it does not end within its steps");
    if (schedule->stepped != NULL)
        schedule->stepped(schedule->context);
}

static void run_events(struct tsuga_schedule *schedule)
{
    struct tsuga_event *event;

    while ((event = tsuga_agenda_take_due(&schedule->agenda, schedule->now_ns)) != NULL) {
        step(schedule);
        event->happen(event);
    }
}

static bool is_ready(const struct tsuga_schedule *schedule, const struct tsuga_coroutine *coroutine)
{
    if (coroutine->state == TSUGA_COROUTINE_IDLE)
        return schedule->steps >= schedule->step_stop;
    if (coroutine->paused_ns > schedule->now_ns)
        return false;
    return coroutine->state == TSUGA_COROUTINE_READY ||
           (coroutine->state == TSUGA_COROUTINE_WAITING && coroutine->until_ns <= schedule->now_ns);
}

static struct tsuga_coroutine *choose(struct tsuga_schedule *schedule)
{
    struct tsuga_coroutine *ready[TSUGA_COROUTINES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < schedule->count; i++) {
        if (is_ready(schedule, &schedule->coroutines[i]))
            ready[count++] = &schedule->coroutines[i];
    }
    if (count <= 1)
        return count == 1 ? ready[0] : NULL;
    return ready[tsuga_random_below(&schedule->random, count)];
}

static uint64_t ready_ns(const struct tsuga_coroutine *coroutine)
{
    uint64_t time_ns = UINT64_MAX;

    if (coroutine->state == TSUGA_COROUTINE_READY)
        time_ns = 0;
    else if (coroutine->state == TSUGA_COROUTINE_WAITING)
        time_ns = coroutine->until_ns;
    return time_ns < coroutine->paused_ns ? coroutine->paused_ns : time_ns;
}

/* When the next thing happens; UINT64_MAX when nothing ever will. */
static uint64_t next_ns(const struct tsuga_schedule *schedule)
{
    uint64_t next = tsuga_agenda_next_ns(&schedule->agenda);

    for (uint32_t i = 0; i < schedule->count; i++) {
        uint64_t time_ns = ready_ns(&schedule->coroutines[i]);

        next = time_ns < next ? time_ns : next;
    }
    return next;
}

/* Time jumps. When nothing can happen any more, coroutine 0 goes on if it waits for just that. */
static struct tsuga_coroutine *jump(struct tsuga_schedule *schedule)
{
    uint64_t next = next_ns(schedule);

    if (next != UINT64_MAX) {
        tsuga_schedule_trace(schedule, TSUGA_TRACE_JUMP, (int64_t)(next - schedule->now_ns), 0, 0);
        schedule->now_ns = next;
        return NULL;
    }
    if (schedule->coroutines[0].state != TSUGA_COROUTINE_IDLE)
        schedule->failed(schedule->context, "everybody waits, and nothing will ever happen");
    return &schedule->coroutines[0];
}

static void go_on(struct tsuga_schedule *schedule)
{
    struct tsuga_coroutine *next;

    step(schedule);
    run_events(schedule);
    while ((next = choose(schedule)) == NULL) {
        next = jump(schedule);
        if (next != NULL)
            break;
        run_events(schedule);
    }
    switch_to(schedule, next);
}

static void pass_time(struct tsuga_schedule *schedule)
{
    uint64_t random = tsuga_random_next(&schedule->random);
    uint64_t longest = random % LONG_ONE_IN == 0 ? LONG_STRETCH_NS : STRETCH_NS;

    schedule->now_ns += 1 + (random >> 16) % longest;
}

void tsuga_schedule_yield(struct tsuga_schedule *schedule)
{
    pass_time(schedule);
    go_on(schedule);
}

bool tsuga_schedule_block(struct tsuga_schedule *schedule, const void *on, uint64_t until_ns)
{
    struct tsuga_coroutine *self = schedule->current;

    pass_time(schedule);
    self->state = TSUGA_COROUTINE_WAITING;
    self->until_ns = until_ns;
    self->waits_for = on;
    self->was_woken = false;
    go_on(schedule);
    self->state = TSUGA_COROUTINE_READY;
    self->waits_for = NULL;
    return self->was_woken;
}

void tsuga_schedule_wake(struct tsuga_schedule *schedule, struct tsuga_coroutine *coroutine)
{
    (void)schedule;
    if (coroutine->state != TSUGA_COROUTINE_WAITING)
        return;
    coroutine->state = TSUGA_COROUTINE_READY;
    coroutine->was_woken = true;
}

bool tsuga_schedule_run(struct tsuga_schedule *schedule, uint64_t steps)
{
    struct tsuga_coroutine *self = schedule->current;

    TSUGA_VERIFY(self == &schedule->coroutines[0]);
    schedule->step_stop =
        steps > UINT64_MAX - schedule->steps ? UINT64_MAX : schedule->steps + steps;
    self->state = TSUGA_COROUTINE_IDLE;
    go_on(schedule);
    self->state = TSUGA_COROUTINE_READY;
    return schedule->steps < schedule->step_stop;
}

void tsuga_schedule_after(struct tsuga_schedule *schedule, struct tsuga_event *event,
                          uint64_t delay_ns)
{
    uint64_t time_ns =
        delay_ns > UINT64_MAX - schedule->now_ns ? UINT64_MAX : schedule->now_ns + delay_ns;

    tsuga_agenda_put(&schedule->agenda, event, time_ns);
}

/* The hooks. */

static struct tsuga_coroutine *find_free(struct tsuga_schedule *schedule)
{
    for (uint32_t i = 1; i < schedule->count; i++) {
        if (schedule->coroutines[i].state == TSUGA_COROUTINE_FREE)
            return &schedule->coroutines[i];
    }
    return schedule->count < TSUGA_COROUTINES_MAX ? &schedule->coroutines[schedule->count++] : NULL;
}

static int start(void *context, tsuga_thread_fn *run, void *argument, struct tsuga_thread *out)
{
    struct tsuga_schedule *schedule = context;
    struct tsuga_coroutine *made = find_free(schedule);
    struct tsuga_stack *stack;

    if (made == NULL || (schedule->may_start != NULL && !schedule->may_start(schedule->context)) ||
        tsuga_stack_acquire(&schedule->stacks, &stack) != 0)
        return -EAGAIN;
    *made = (struct tsuga_coroutine){
        .state = TSUGA_COROUTINE_READY,
        .is_detached = out == NULL,
        .number = (uint32_t)(made - schedule->coroutines),
        .place = {.low = stack->low, .bytes = stack->bytes},
        .stack = stack,
        .run = run,
        .argument = argument,
    };
    if (out != NULL)
        out->other = made;
    return 0;
}

static void end(struct tsuga_schedule *schedule, struct tsuga_coroutine *self)
{
    for (uint32_t i = 0; i < schedule->count; i++) {
        if (schedule->coroutines[i].waits_for == self)
            tsuga_schedule_wake(schedule, &schedule->coroutines[i]);
    }
    self->state = TSUGA_COROUTINE_ENDED;
    schedule->abandoned = self->stack;
    go_on(schedule);
}

static void join(void *context, struct tsuga_thread *thread)
{
    struct tsuga_schedule *schedule = context;
    struct tsuga_coroutine *other = thread->other;

    while (other->state != TSUGA_COROUTINE_ENDED)
        (void)tsuga_schedule_block(schedule, other, UINT64_MAX);
    other->state = TSUGA_COROUTINE_FREE;
}

static int wait_for(void *context, pthread_cond_t *condition, pthread_mutex_t *lock,
                    uint64_t until_ns)
{
    bool was_woken;

    pthread_mutex_unlock(lock);
    was_woken = tsuga_schedule_block(context, condition, until_ns);
    pthread_mutex_lock(lock);
    return was_woken ? 0 : -ETIMEDOUT;
}

static void wake_all(void *context, pthread_cond_t *condition)
{
    struct tsuga_schedule *schedule = context;

    for (uint32_t i = 0; i < schedule->count; i++) {
        if (schedule->coroutines[i].waits_for == condition)
            tsuga_schedule_wake(schedule, &schedule->coroutines[i]);
    }
}

/* Whichever the seed prefers. */
static void wake_one(void *context, pthread_cond_t *condition)
{
    struct tsuga_schedule *schedule = context;
    struct tsuga_coroutine *waiting[TSUGA_COROUTINES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < schedule->count; i++) {
        if (schedule->coroutines[i].waits_for == condition &&
            schedule->coroutines[i].state == TSUGA_COROUTINE_WAITING)
            waiting[count++] = &schedule->coroutines[i];
    }
    if (count > 0)
        tsuga_schedule_wake(schedule, waiting[tsuga_random_below(&schedule->random, count)]);
}

static uint64_t read_clock(void *context)
{
    struct tsuga_schedule *schedule = context;

    tsuga_schedule_yield(schedule);
    return schedule->now_ns;
}

int tsuga_schedule_init(struct tsuga_schedule *schedule, uint64_t seed,
                        const struct tsuga_memory *memory)
{
    struct tsuga_stack_config stacks = {.stack_bytes = STACK_BYTES,
                                        .count_max = TSUGA_COROUTINES_MAX};

    memset(schedule, 0, sizeof(*schedule));
    schedule->now_ns = START_NS;
    schedule->step_max = UINT64_MAX;
    schedule->random.state = seed;
    schedule->count = 1;
    schedule->coroutines[0].state = TSUGA_COROUTINE_READY;
    schedule->current = &schedule->coroutines[0];
    schedule->clock = (struct tsuga_clock){.now_ns = read_clock, .context = schedule};
    schedule->threads = (struct tsuga_threads){.start = start,
                                               .join = join,
                                               .wait = wait_for,
                                               .wake_one = wake_one,
                                               .wake_all = wake_all,
                                               .context = schedule,
                                               .are_coroutines = true};
    tsuga_agenda_init(&schedule->agenda, memory);
    tsuga_trace_init(&schedule->trace);
    return tsuga_stack_pool_init(&schedule->stacks, &stacks);
}

void tsuga_schedule_fini(struct tsuga_schedule *schedule)
{
    tsuga_stack_pool_fini(&schedule->stacks);
    tsuga_agenda_fini(&schedule->agenda);
}
