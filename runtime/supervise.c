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
};

/* A supervisor's state: its places, and behind them the times of its latest restarts. */
struct crew {
    const struct tsuga_supervisor *supervisor;
    uint64_t restart_count;
    struct place places[];
};

static uint32_t restarts_max(const struct tsuga_supervisor *supervisor)
{
    return supervisor->restarts_max != 0 ? supervisor->restarts_max : RESTARTS_DEFAULT;
}

static uint64_t *times_of(struct crew *crew)
{
    return (uint64_t *)(void *)&crew->places[crew->supervisor->child_count];
}

static bool is_stop(const struct tsuga_message *message, void *context)
{
    (void)context;
    return tsuga_message_kind(message) == TSUGA_MESSAGE_STOP;
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

/* Stops the children from `first` on, the last one first, and waits for each to have ended. */
static void stop_from(struct tsuga_actor *self, struct crew *crew, size_t first)
{
    for (size_t i = crew->supervisor->child_count; i-- > first;) {
        struct place *place = &crew->places[i];
        struct tsuga_select select = {.accepts = is_end_of, .context = &place->monitor};
        const struct tsuga_message *message;
        int error;

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

/* Notes one restart more; how many there were in the window before. */
static uint32_t count_restart(struct tsuga_actor *self, struct crew *crew)
{
    const struct tsuga_supervisor *supervisor = crew->supervisor;
    uint64_t window_ns = supervisor->window_ns != 0 ? supervisor->window_ns : WINDOW_DEFAULT;
    uint64_t now_ns = tsuga_clock_now_ns(&tsuga_seat_home(tsuga_seat_of(self))->shared->clock);
    uint32_t max = restarts_max(supervisor);
    uint32_t count = 0;

    for (uint64_t i = 0; i < max && i < crew->restart_count; i++)
        count += now_ns - times_of(crew)[i] < window_ns ? 1 : 0;
    times_of(crew)[crew->restart_count % max] = now_ns;
    crew->restart_count++;
    return count;
}

/* Longer each time; a stop does not wait for that. */
static void back_off(struct tsuga_actor *self, struct crew *crew, uint32_t earlier_count)
{
    const struct tsuga_supervisor *supervisor = crew->supervisor;
    struct tsuga_select select = {.accepts = is_stop};
    const struct tsuga_message *message;
    uint64_t delay_ns = supervisor->backoff_ns;

    if (earlier_count == 0 || delay_ns == 0)
        return;
    for (uint32_t i = 1; i < earlier_count && delay_ns < TSUGA_FOREVER / 4; i++)
        delay_ns *= 2;
    if (supervisor->backoff_max_ns != 0 && delay_ns > supervisor->backoff_max_ns)
        delay_ns = supervisor->backoff_max_ns;
    if (tsuga_receive(self, &select, delay_ns, &message) == 0)
        end_with(self, crew, TSUGA_STOPPED);
}

static void restart(struct tsuga_actor *self, struct crew *crew, size_t i)
{
    switch (crew->supervisor->strategy) {
    case TSUGA_ONE_FOR_ONE:
        start_child(self, crew, i);
        return;
    case TSUGA_REST_FOR_ONE:
        stop_from(self, crew, i + 1);
        start_from(self, crew, i);
        return;
    case TSUGA_ONE_FOR_ALL:
        stop_from(self, crew, 0);
        start_from(self, crew, 0);
        return;
    }
}

static void take_end(struct tsuga_actor *self, struct crew *crew, size_t i, int reason)
{
    uint32_t earlier_count;

    empty(self, &crew->places[i]);
    if (!is_to_restart(&crew->supervisor->children[i], reason))
        return;
    earlier_count = count_restart(self, crew);
    if (earlier_count >= restarts_max(crew->supervisor))
        end_with(self, crew, reason < 0 ? reason : -ECHILD);
    back_off(self, crew, earlier_count);
    restart(self, crew, i);
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
    int error;

    crew->supervisor = argument;
    tsuga_trap_exits(self, true);
    start_from(self, crew, 0);
    while ((error = tsuga_receive(self, NULL, TSUGA_FOREVER, &message)) == 0)
        take(self, crew, message);
    end_with(self, crew, error);
}

struct tsuga_spawn_options tsuga_supervise(const struct tsuga_supervisor *supervisor)
{
    return (struct tsuga_spawn_options){
        .body = supervise,
        .argument = (void *)(uintptr_t)supervisor,
        .state_bytes = sizeof(struct crew) + supervisor->child_count * sizeof(struct place) +
                       restarts_max(supervisor) * sizeof(uint64_t),
        .name = supervisor->name,
        .receives_stop = true,
    };
}
