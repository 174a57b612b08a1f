#include "executor/ports.h"

#include <errno.h>

#include "executor/executor.h"
#include "executor/ties.h"
#include "executor/turn.h"

static struct tsuga_letter *letter_of(const struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);
}

/* Give a message back on a thread that is no executor. The word of the stop lies in the port. */
static void discard(struct tsuga_shared *shared, struct tsuga_message *message)
{
    switch (message->type) {
    case TSUGA_TYPE_USER:
    case TSUGA_TYPE_REPLY:
        tsuga_executor_detach(shared, letter_of(message));
        tsuga_letters_give(NULL, shared->memory, letter_of(message));
        break;
    case TSUGA_TYPE_STOP:
        break;
    default:
        tsuga_ties_give_back(&shared->executors[0], message);
    }
}

static void drop_current(struct tsuga_port *port)
{
    if (port->current != NULL)
        discard(port->shared, port->current);
    port->current = NULL;
}

static void destroy(struct tsuga_port *port)
{
    struct tsuga_shared *shared = port->shared;
    struct tsuga_message *message;

    drop_current(port);
    while ((message = tsuga_lane_pop(&port->queue)) != NULL)
        discard(shared, message);
    if (port->room != NULL)
        tsuga_letters_give(NULL, shared->memory, port->room);
    if (port->fd >= 0)
        shared->calls->close(shared->calls->context, port->fd);
    pthread_cond_destroy(&port->arrived);
    pthread_mutex_destroy(&port->lock);
    tsuga_memory_free(shared->memory, port, sizeof(*port));
}

static void release(struct tsuga_port *port)
{
    /* Whoever frees it comes after all that the other has done; partner of itself. */
    if (atomic_fetch_sub_explicit(&port->reference_count, 1, memory_order_acq_rel) == 1)
        destroy(port);
}

/* A lock may be held by a thread that a child of fork(2) does not have. */
static bool is_child(const struct tsuga_port *port)
{
    return tsuga_fork_mark_is_child(&port->shared->mark);
}

/* Needs the lock. True when the caller must raise the descriptor, without the lock. */
static bool announce(struct tsuga_port *port)
{
    const struct tsuga_threads *threads = port->shared->threads;
    bool must_raise = port->fd >= 0 && !port->is_raised;

    threads->wake_one(threads->context, &port->arrived);
    port->is_raised |= must_raise;
    return must_raise;
}

static void raise_if(const struct tsuga_port *port, bool must_raise)
{
    const struct tsuga_calls *calls = port->shared->calls;

    if (must_raise)
        calls->raise_event(calls->context, port->fd);
}

/* The relay's side. */

static struct tsuga_port *port_of(struct tsuga_actor *self)
{
    return *(struct tsuga_port **)tsuga_state(self);
}

/* True when there is no room for another one. */
static bool push(struct tsuga_port *port, struct tsuga_message *message)
{
    bool must_raise;
    bool is_full;

    pthread_mutex_lock(&port->lock);
    tsuga_lane_append(&port->queue, message);
    port->count++;
    is_full = port->count >= port->count_max;
    must_raise = announce(port);
    pthread_mutex_unlock(&port->lock);
    raise_if(port, must_raise);
    return is_full;
}

/* The letter that comes back when there is room. False: there is already, or one is there. */
static bool leave_letter(struct tsuga_port *port, struct tsuga_letter *letter)
{
    bool is_left;

    pthread_mutex_lock(&port->lock);
    is_left = port->count >= port->count_max && port->room == NULL;
    if (is_left)
        port->room = letter;
    pthread_mutex_unlock(&port->lock);
    return is_left;
}

/* Without memory or a stack to wait with, the queue grows beyond its limit: nothing is lost. */
static void wait_for_room(struct tsuga_actor *self, struct tsuga_port *port)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_wait wait = {.kind = TSUGA_WAIT_ANSWER, .seat = seat};
    struct tsuga_letter *letter =
        tsuga_letters_take(&executor->letters, executor->shared->memory, 0);

    if (letter == NULL)
        return;
    letter->head.lane = TSUGA_LANE_SYSTEM;
    letter->head.type = TSUGA_TYPE_ROOM;
    letter->head.flags = 0;
    self->has_room = false;
    if (!leave_letter(port, letter)) {
        tsuga_executor_discard(executor, &letter->head);
        return;
    }
    tsuga_turn_prepare(&wait);
    (void)!tsuga_turn_block(seat, &wait);
}

/* The message is the port's from here on, and no longer the actor's. */
static void pass_on(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_port *port = port_of(self);
    struct tsuga_message *passed = self->current;

    TSUGA_ASSERT(passed == message);
    self->current = NULL;
    if (passed->type == TSUGA_TYPE_STOP) { /* this one is the actor's own */
        port->stop = (struct tsuga_message){.lane = TSUGA_LANE_SYSTEM, .type = TSUGA_TYPE_STOP};
        passed = &port->stop;
    }
    if (push(port, passed))
        wait_for_room(self, port);
}

/* A link tells of an end, and does not end the port. */
static void begin(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    tsuga_trap_exits(self, true);
}

static void end(void *state)
{
    struct tsuga_port *port = *(struct tsuga_port **)state;
    bool must_raise;

    pthread_mutex_lock(&port->lock);
    port->has_ended = true;
    must_raise = announce(port);
    pthread_mutex_unlock(&port->lock);
    raise_if(port, must_raise);
    release(port);
}

/* Opening and closing. */

static uint32_t ready_max(const struct tsuga_shared *shared,
                          const struct tsuga_port_options *options)
{
    uint32_t capacity =
        options->capacity != 0 ? options->capacity : shared->config.mailbox.capacity;

    return capacity != 0 && capacity < TSUGA_PORT_READY_MAX ? capacity : TSUGA_PORT_READY_MAX;
}

static void list(struct tsuga_port *port)
{
    pthread_mutex_lock(&port->shared->lock);
    tsuga_list_push_back(&port->shared->ports, &port->link);
    pthread_mutex_unlock(&port->shared->lock);
}

static void unlist(struct tsuga_port *port)
{
    pthread_mutex_lock(&port->shared->lock);
    tsuga_list_remove(&port->link);
    pthread_mutex_unlock(&port->shared->lock);
}

int tsuga_shared_open_port(struct tsuga_shared *shared, const struct tsuga_port_options *options,
                           struct tsuga_port **out)
{
    struct tsuga_spawn_options relay = {.behaviour = pass_on,
                                        .start = begin,
                                        .state_bytes = sizeof(struct tsuga_port *),
                                        .state_fini = end,
                                        .name = options->name,
                                        .mailbox_capacity = options->capacity,
                                        .mailbox_full = options->full,
                                        .placement = TSUGA_PLACE_LEAST_LOADED,
                                        .receives_stop = true};
    struct tsuga_port *port = tsuga_memory_alloc_zeroed(shared->memory, sizeof(*port));
    struct tsuga_birth birth = {.is_port = true, .state = &port};
    int error;

    if (port == NULL)
        return -ENOMEM;
    port->shared = shared;
    port->count_max = ready_max(shared, options);
    port->fd = -1;
    atomic_init(&port->reference_count, 2);
    pthread_mutex_init(&port->lock, NULL);
    error = tsuga_threads_init_condition(&port->arrived);
    TSUGA_VERIFY(error == 0);
    error = tsuga_shared_spawn(shared, &relay, &birth, &port->id);
    if (error != 0) {
        destroy(port);
        return error;
    }
    list(port);
    *out = port;
    return 0;
}

void tsuga_port_close(struct tsuga_port *port)
{
    if (port == NULL || is_child(port))
        return;
    unlist(port);
    (void)tsuga_shared_stop(port->shared, port->id, TSUGA_STOP_FORCED);
    release(port);
}

void tsuga_shared_close_ports(struct tsuga_shared *shared)
{
    while (!tsuga_list_is_empty(&shared->ports))
        tsuga_port_close(TSUGA_CONTAINER_OF(shared->ports.next, struct tsuga_port, link));
}

/* The side of the thread that uses it. */

struct tsuga_id tsuga_port_id(const struct tsuga_port *port)
{
    return port->id;
}

int tsuga_port_fd(struct tsuga_port *port)
{
    const struct tsuga_calls *calls = port->shared->calls;
    bool must_raise = false;
    int fd;

    if (is_child(port))
        return -ECHILD;
    if (port->fd >= 0) /* nobody else writes it */
        return port->fd;
    fd = calls->open_event(calls->context);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&port->lock);
    port->fd = fd;
    if (port->count > 0 || port->has_ended)
        must_raise = announce(port);
    pthread_mutex_unlock(&port->lock);
    raise_if(port, must_raise);
    return fd;
}

/* Needs the lock. The relay goes on when half of what was ready has been taken: `*room` is for it.
 */
static struct tsuga_message *pop(struct tsuga_port *port, struct tsuga_letter **room)
{
    struct tsuga_message *message = tsuga_lane_pop(&port->queue);

    if (message == NULL)
        return NULL;
    port->count--;
    if (port->room != NULL && port->count <= port->count_max / 2) {
        *room = port->room;
        port->room = NULL;
    }
    return message;
}

/* Nothing is there: the descriptor shall say so, unless something comes meanwhile. */
static struct tsuga_message *lower(struct tsuga_port *port, struct tsuga_letter **room)
{
    const struct tsuga_calls *calls = port->shared->calls;
    struct tsuga_message *message;
    bool must_raise = false;

    if (port->fd < 0)
        return NULL;
    calls->lower_event(calls->context, port->fd);
    pthread_mutex_lock(&port->lock);
    port->is_raised = false;
    message = pop(port, room);
    if (port->count > 0 || port->has_ended)
        must_raise = announce(port);
    pthread_mutex_unlock(&port->lock);
    raise_if(port, must_raise);
    return message;
}

/* until_ns  0 only looks. */
static struct tsuga_message *await(struct tsuga_port *port, uint64_t until_ns,
                                   struct tsuga_letter **room)
{
    const struct tsuga_threads *threads = port->shared->threads;
    struct tsuga_message *message;
    int error = until_ns == 0 ? -ETIMEDOUT : 0;

    pthread_mutex_lock(&port->lock);
    while ((message = pop(port, room)) == NULL && !port->has_ended && error == 0)
        error = threads->wait(threads->context, &port->arrived, &port->lock, until_ns);
    pthread_mutex_unlock(&port->lock);
    return message;
}

static void let_relay_go_on(struct tsuga_port *port, struct tsuga_letter *room)
{
    if (tsuga_executor_deliver(port->shared, NULL, port->id, &room->head) != 0)
        tsuga_letters_give(NULL, port->shared->memory, room);
}

static int take_until(struct tsuga_port *port, uint64_t until_ns, const struct tsuga_message **out)
{
    struct tsuga_letter *room = NULL;
    struct tsuga_message *message;
    bool has_ended;

    drop_current(port);
    message = await(port, until_ns, &room);
    if (message == NULL)
        message = lower(port, &room);
    if (room != NULL)
        let_relay_go_on(port, room);
    if (message != NULL) {
        port->current = message;
        *out = message;
        return 0;
    }
    pthread_mutex_lock(&port->lock);
    has_ended = port->has_ended && tsuga_lane_is_empty(&port->queue);
    pthread_mutex_unlock(&port->lock);
    return has_ended ? -ESHUTDOWN : -ETIMEDOUT;
}

/* 0 for a time limit of 0; a limit beyond all clocks is none. */
static uint64_t limit_ns(const struct tsuga_port *port, uint64_t timeout_ns)
{
    uint64_t now_ns;

    if (timeout_ns == 0 || timeout_ns == TSUGA_FOREVER)
        return timeout_ns == 0 ? 0 : TSUGA_THREADS_FOREVER;
    now_ns = tsuga_clock_now_ns(&port->shared->clock);
    return timeout_ns < TSUGA_THREADS_FOREVER - now_ns ? now_ns + timeout_ns
                                                       : TSUGA_THREADS_FOREVER;
}

int tsuga_port_take(struct tsuga_port *port, uint64_t timeout_ns, const struct tsuga_message **out)
{
    if (is_child(port))
        return -ECHILD;
    if (timeout_ns != 0 && tsuga_executor_current() != NULL)
        return -EDEADLK;
    return take_until(port, limit_ns(port, timeout_ns), out);
}

const void *tsuga_port_lease(const struct tsuga_message *message, size_t *bytes)
{
    const struct tsuga_ticket *ticket;

    if (message->type != TSUGA_TYPE_USER || (message->flags & TSUGA_MESSAGE_ATTACHED) == 0)
        return NULL;
    ticket = letter_of(message)->attachment;
    if (bytes != NULL)
        *bytes = ticket->bytes;
    return ticket->block;
}

int tsuga_port_send(struct tsuga_port *port, struct tsuga_id to, uint64_t tag, const void *data,
                    size_t bytes)
{
    if (is_child(port))
        return -ECHILD;
    return tsuga_shared_post(port->shared, port->id, to, tag, data, bytes);
}

int tsuga_port_reply(struct tsuga_port *port, struct tsuga_reply_to to, int result,
                     const void *data, size_t bytes)
{
    if (is_child(port))
        return -ECHILD;
    return tsuga_requests_answer(port->shared, NULL, port->id, to,
                                 &(struct tsuga_answer){result, data, bytes});
}

int tsuga_port_monitor(struct tsuga_port *port, struct tsuga_id id, uint64_t tag)
{
    struct tsuga_tie *tie;

    if (is_child(port))
        return -ECHILD;
    if (tsuga_id_equal(id, port->id))
        return -EINVAL;
    tie = tsuga_tie_make_foreign(port->shared, port->id, id, tag);
    return tie != NULL ? tsuga_tie_watch(port->shared, tie) : -ENOMEM;
}

int tsuga_port_spawn(struct tsuga_port *port, const struct tsuga_spawn_options *options,
                     uint64_t tag, struct tsuga_id *out)
{
    struct tsuga_birth birth = {0};
    int error;

    if (is_child(port))
        return -ECHILD;
    birth.tie = tsuga_tie_make_foreign(port->shared, port->id, (struct tsuga_id){0}, tag);
    if (birth.tie == NULL)
        return -ENOMEM;
    error = tsuga_shared_spawn(port->shared, options, &birth, out);
    if (error != 0)
        tsuga_tie_free_foreign(port->shared, birth.tie);
    return error;
}

/* Waiting for one actor: a port that lives as long as the call. */

static int await_down(struct tsuga_port *port, uint64_t until_ns, struct tsuga_down *out)
{
    const struct tsuga_message *message;
    int error;

    /* The runtime's stop is no news to whoever waits for an end. */
    do {
        error = take_until(port, until_ns, &message);
    } while (error == 0 && message->type != TSUGA_TYPE_DOWN);
    if (error == 0 && out != NULL)
        *out = *tsuga_message_down(message);
    return error;
}

int tsuga_shared_wait(struct tsuga_shared *shared, struct tsuga_id id, uint64_t timeout_ns,
                      struct tsuga_down *out)
{
    const struct tsuga_port_options options = {.name = "tsuga_actor_wait"};
    struct tsuga_port *port;
    int error;

    if (tsuga_executor_current() != NULL)
        return -EDEADLK;
    error = tsuga_shared_open_port(shared, &options, &port);
    if (error != 0)
        return error;
    error = tsuga_port_monitor(port, id, 0);
    if (error == 0)
        error = await_down(port, limit_ns(port, timeout_ns), out);
    tsuga_port_close(port);
    return error;
}
