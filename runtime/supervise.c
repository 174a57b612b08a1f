/*
 * Supervisors, made of what any actor may do: spawn, monitor, link, stop, wait. A supervisor takes
 * its own stop as a message, so that it can stop its children one after the other first. The links
 * are for the case that it cannot: whatever ends a supervisor ends its children.
 */
#include <errno.h>

#include "executor/executor.h"
#include "runtime/base/clock.h"

#define RESTARTS_DEFAULT 3u
#define WINDOW_DEFAULT   (5 * TSUGA_NS_PER_S)

struct place {
    struct tsuga_id id;
    struct tsuga_monitor monitor; /* zero: nobody runs here */
    uint64_t due_ns;              /* when its restart's time has come; TSUGA_FOREVER: none waits */
};

struct past_restart {
    uint64_t time_ns;
    size_t child;
};

/* A supervisor's state: its places, and behind them its latest restarts. */
struct crew {
    const struct tsuga_supervisor *supervisor;
    uint64_t restart_count;
    size_t due_count; /* restarts that wait */
    struct place places[];
};

static uint32_t restarts_max(const struct tsuga_supervisor *supervisor)
{
    return supervisor->restarts_max != 0 ? supervisor->restarts_max : RESTARTS_DEFAULT;
}

static struct past_restart *past_of(struct crew *crew)
{
    return (struct past_restart *)(void *)&crew->places[crew->supervisor->child_count];
}

static uint64_t now(struct tsuga_actor *self)
{
    return tsuga_clock_now_ns(&tsuga_seat_home(tsuga_seat_of(self))->shared->clock);
}

static bool is_end_of(const struct tsuga_message *message, void *context)
{
    const struct tsuga_monitor *monitor = context;

    return tsuga_message_kind(message) == TSUGA_MESSAGE_DOWN &&
           tsuga_message_down(message)->monitor.value == monitor->value;
}

/* The child has ended: what its link has brought is not wanted, too. */
static void empty(struct tsuga_actor *self, struct place *place)
{
    place->monitor.value = 0;
    (void)tsuga_unlink(self, place->id);
}

static void set_due(struct crew *crew, size_t i, uint64_t due_ns)
{
    bool has_waited = crew->places[i].due_ns != TSUGA_FOREVER;

    crew->places[i].due_ns = due_ns;
    crew->due_count += (due_ns != TSUGA_FOREVER ? 1u : 0u) - (has_waited ? 1u : 0u);
}

/* Stops the children from `first` on, the last one first, and waits for each to have ended. None
 * of them waits for a restart of its own any more. */
static void stop_from(struct tsuga_actor *self, struct crew *crew, size_t first)
{
    for (size_t i = crew->supervisor->child_count; i-- > first;) {
        struct place *place = &crew->places[i];
        struct tsuga_select select = {.accepts = is_end_of, .context = &place->monitor};
        const struct tsuga_message *message;
        int error;

        set_due(crew, i, TSUGA_FOREVER);
        if (place->monitor.value == 0)
            continue;
        (void)tsuga_actor_stop(tsuga_runtime_of(self), place->id);
        error = tsuga_receive(self, &select, TSUGA_FOREVER, &message);
        empty(self, place);
        if (error != 0) /* without a stack to wait on, the links do the rest */
            tsuga_exit(self, error);
    }
}

static _Noreturn void end_with(struct tsuga_actor *self, struct crew *crew, int reason)
{
    stop_from(self, crew, 0);
    tsuga_exit(self, reason);
}

static void start_child(struct tsuga_actor *self, struct crew *crew, size_t i)
{
    struct place *place = &crew->places[i];
    const struct tsuga_spawn_options *options = &crew->supervisor->children[i].spawn;
    int error = tsuga_spawn_monitored(self, options, i, &place->id, &place->monitor);

    if (error == 0)
        error = tsuga_link(self, place->id);
    if (error != 0)
        end_with(self, crew, error);
}

/* Starts those from `first` on that do not run, but for the ones that live only once. */
static void start_from(struct tsuga_actor *self, struct crew *crew, size_t first)
{
    for (size_t i = first; i < crew->supervisor->child_count; i++) {
        bool is_spent =
            crew->restart_count > 0 && crew->supervisor->children[i].restart == TSUGA_TEMPORARY;

        if (crew->places[i].monitor.value == 0 && !is_spent)
            start_child(self, crew, i);
    }
}

static bool is_to_restart(const struct tsuga_child_spec *child, int reason)
{
    if (child->restart == TSUGA_TRANSIENT)
        return reason != TSUGA_NORMAL && reason != TSUGA_STOPPED;
    return child->restart == TSUGA_PERMANENT;
}

/* Who is stopped when child `i` is to be restarted, from that one on, and started with it. */
static size_t first_to_stop(const struct crew *crew, size_t i)
{
    switch (crew->supervisor->strategy) {
    case TSUGA_REST_FOR_ONE:
        return i + 1;
    case TSUGA_ONE_FOR_ALL:
        return 0;
    default:
        return crew->supervisor->child_count;
    }
}

/* Restarts in the window before `now_ns`; of one child, or of all (child_count). */
static uint32_t count_restarts(struct crew *crew, size_t child, uint64_t now_ns)
{
    const struct tsuga_supervisor *supervisor = crew->supervisor;
    uint64_t window_ns = supervisor->window_ns != 0 ? supervisor->window_ns : WINDOW_DEFAULT;
    uint32_t count = 0;

    for (uint64_t i = 0; i < restarts_max(supervisor) && i < crew->restart_count; i++) {
        const struct past_restart *past = &past_of(crew)[i];

        if (now_ns - past->time_ns < window_ns &&
            (child == supervisor->child_count || past->child == child))
            count++;
    }
    return count;
}

/* Longer each time: of a child that is restarted alone by its own restarts, otherwise by all. */
static uint64_t back_off(struct crew *crew, size_t i, uint64_t now_ns)
{
    const struct tsuga_supervisor *supervisor = crew->supervisor;
    bool is_alone = supervisor->strategy == TSUGA_ONE_FOR_ONE;
    uint32_t earlier_count = count_restarts(crew, is_alone ? i : supervisor->child_count, now_ns);
    uint64_t delay_ns = supervisor->backoff_ns;

    if (earlier_count == 0)
        return 0;
    for (uint32_t n = 1; n < earlier_count && delay_ns < TSUGA_FOREVER / 4; n++)
        delay_ns *= 2;
    if (supervisor->backoff_max_ns != 0 && delay_ns > supervisor->backoff_max_ns)
        delay_ns = supervisor->backoff_max_ns;
    return delay_ns < TSUGA_FOREVER / 2 ? delay_ns : TSUGA_FOREVER / 2;
}

static void note_restart(struct crew *crew, size_t i, uint64_t now_ns)
{
    past_of(crew)[crew->restart_count % restarts_max(crew->supervisor)] =
        (struct past_restart){now_ns, i};
    crew->restart_count++;
}

/* Those that cannot be without the child are stopped at once, and wait with it. So of the places
 * behind one that waits none waits by itself, but where each is restarted alone. */
static void take_end(struct tsuga_actor *self, struct crew *crew, size_t i, int reason)
{
    uint64_t now_ns = now(self);
    uint64_t due_ns;

    empty(self, &crew->places[i]);
    if (!is_to_restart(&crew->supervisor->children[i], reason))
        return;
    if (count_restarts(crew, crew->supervisor->child_count, now_ns) >=
        restarts_max(crew->supervisor))
        end_with(self, crew, reason < 0 ? reason : -ECHILD);
    due_ns = now_ns + back_off(crew, i, now_ns);
    note_restart(crew, i, now_ns);
    stop_from(self, crew, first_to_stop(crew, i));
    set_due(crew, i, due_ns);
}

static void restart(struct tsuga_actor *self, struct crew *crew, size_t i)
{
    set_due(crew, i, TSUGA_FOREVER);
    switch (crew->supervisor->strategy) {
    case TSUGA_ONE_FOR_ONE:
        start_child(self, crew, i);
        return;
    case TSUGA_REST_FOR_ONE:
        start_from(self, crew, i);
        return;
    case TSUGA_ONE_FOR_ALL:
        start_from(self, crew, 0);
        return;
    }
}

/* Restarts those whose time has come; how long it is until the next one's. */
static uint64_t restart_due(struct tsuga_actor *self, struct crew *crew)
{
    uint64_t next_ns = TSUGA_FOREVER;
    uint64_t now_ns;

    if (crew->due_count == 0)
        return TSUGA_FOREVER;
    now_ns = now(self);
    for (size_t i = 0; i < crew->supervisor->child_count; i++) {
        uint64_t due_ns = crew->places[i].due_ns;

        if (due_ns <= now_ns)
            restart(self, crew, i);
        else if (due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns != TSUGA_FOREVER ? next_ns - now_ns : TSUGA_FOREVER;
}

static bool is_child(const struct crew *crew, struct tsuga_id id)
{
    for (size_t i = 0; i < crew->supervisor->child_count; i++) {
        if (crew->places[i].monitor.value != 0 && tsuga_id_equal(crew->places[i].id, id))
            return true;
    }
    return false;
}

/* A linked actor has ended: a child, of which the monitor tells as well, or one with which the
 * supervisor falls, as any actor that is linked to it would. */
static void take_exit(struct tsuga_actor *self, struct crew *crew, const struct tsuga_down *down)
{
    int reason = down->reason;

    if (reason != TSUGA_NORMAL && !is_child(crew, down->id))
        end_with(self, crew, reason);
}

static void take(struct tsuga_actor *self, struct crew *crew, const struct tsuga_message *message)
{
    const struct tsuga_down *down = tsuga_message_down(message);
    size_t i = (size_t)tsuga_message_tag(message);

    switch (tsuga_message_kind(message)) {
    case TSUGA_MESSAGE_STOP:
        end_with(self, crew, TSUGA_STOPPED);
    case TSUGA_MESSAGE_EXIT:
        take_exit(self, crew, down);
        break;
    case TSUGA_MESSAGE_DOWN:
        /* Of a child that was stopped meanwhile nothing is left to be heard. */
        if (down->monitor.value == crew->places[i].monitor.value)
            take_end(self, crew, i, down->reason);
        break;
    default:
        break;
    }
}

static void supervise(struct tsuga_actor *self, void *argument)
{
    struct crew *crew = tsuga_state(self);
    const struct tsuga_message *message;
    int error = 0;

    crew->supervisor = argument;
    for (size_t i = 0; i < crew->supervisor->child_count; i++)
        crew->places[i].due_ns = TSUGA_FOREVER;
    tsuga_trap_exits(self, true);
    start_from(self, crew, 0);
    while (error == 0 || error == -ETIMEDOUT) {
        error = tsuga_receive(self, NULL, restart_due(self, crew), &message);
        if (error == 0)
            take(self, crew, message);
    }
    end_with(self, crew, error);
}

struct tsuga_spawn_options tsuga_supervise(const struct tsuga_supervisor *supervisor)
{
    return (struct tsuga_spawn_options){
        .body = supervise,
        .argument = (void *)(uintptr_t)supervisor,
        .state_bytes = sizeof(struct crew) + supervisor->child_count * sizeof(struct place) +
                       restarts_max(supervisor) * sizeof(struct past_restart),
        .name = supervisor->name,
        .receives_stop = true,
    };
}
