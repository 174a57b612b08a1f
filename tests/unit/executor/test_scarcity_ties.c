/* What actors have with each other while memory runs out anywhere: monitors, links, requests, timed
 * messages, names, supervisors. Whatever cannot be had is told as a shortage; what was granted
 * happens, however little memory there is by then; and nothing is left behind. */
#include <errno.h>

#include "runtime/base/clock.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LONG_NS   (20 * TSUGA_NS_PER_S) /* nothing here takes as long unless it was lost */
#define WAIT_NS   (3 * TSUGA_NS_PER_MS) /* for what may never come, for want of memory */
#define CALLS_MAX 1000

enum { TAG_DOWN = 1, TAG_TIMED, TAG_REPEATED, TAG_ANSWER, TAG_END };

/* Whether a call succeeded; if not, for no other reason than a shortage. */
static bool went(int result)
{
    CHECK(result >= 0 || result == -ENOMEM || result == -ENOBUFS);
    return result >= 0;
}

/* Answers, or ends when there is no memory for that: the end is an answer, too. */
static void answer(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct tsuga_reply_to to = tsuga_message_reply_to(message);

    if (tsuga_message_tag(message) == TAG_END)
        tsuga_exit(self, -EIO);
    if (to.request.value != 0 && !went(tsuga_reply(self, to, 0, "yes", 3)))
        tsuga_exit(self, -EIO);
}

static const struct tsuga_spawn_options answerer = {.behaviour = answer, .name = "answerer"};

/* What was promised comes. */
static const struct tsuga_message *await_tag(struct tsuga_actor *self, uint64_t tag)
{
    struct tsuga_select select = {.by_tag = true, .tag = tag};
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, &select, LONG_NS, &message), 0);
    return message;
}

static bool is_exit(const struct tsuga_message *message, void *context)
{
    (void)context;
    return tsuga_message_kind(message) == TSUGA_MESSAGE_EXIT;
}

static void await_exit(struct tsuga_actor *self)
{
    struct tsuga_select select = {.accepts = is_exit};
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, &select, LONG_NS, &message), 0);
}

static void end(struct tsuga_actor *self, struct tsuga_id id)
{
    CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), id), 0);
}

static void use_monitors(struct tsuga_actor *self)
{
    struct tsuga_monitor monitors[2];
    struct tsuga_id id;

    if (went(tsuga_spawn_monitored(self, &answerer, TAG_DOWN, &id, NULL))) {
        end(self, id);
        CHECK(tsuga_id_equal(tsuga_message_down(await_tag(self, TAG_DOWN))->id, id));
    }
    if (!went(tsuga_spawn(tsuga_runtime_of(self), &answerer, &id)))
        return;
    if (went(tsuga_monitor(self, id, 0, &monitors[0])))
        CHECK_INT(tsuga_demonitor(self, monitors[0]), 0);
    if (went(tsuga_monitor(self, id, TAG_DOWN, &monitors[1]))) {
        end(self, id);
        CHECK_UINT(tsuga_message_down(await_tag(self, TAG_DOWN))->monitor.value, monitors[1].value);
    } else {
        end(self, id);
    }
}

static void use_links(struct tsuga_actor *self)
{
    struct tsuga_id id;

    tsuga_trap_exits(self, true);
    if (went(tsuga_spawn_linked(self, &answerer, &id))) {
        end(self, id);
        await_exit(self);
    }
    if (!went(tsuga_spawn(tsuga_runtime_of(self), &answerer, &id)))
        return;
    if (went(tsuga_link(self, id)))
        CHECK_INT(tsuga_unlink(self, id), 0);
    if (went(tsuga_link(self, id))) {
        end(self, id);
        await_exit(self);
    } else {
        end(self, id);
    }
}

static void use_requests(struct tsuga_actor *self)
{
    struct tsuga_mail mail = {.tag = TAG_ANSWER, .data = "well?", .bytes = 5};
    struct tsuga_mail last = {.tag = TAG_END};
    const struct tsuga_message *message;
    struct tsuga_request request;
    int error;

    if (!went(tsuga_spawn(tsuga_runtime_of(self), &answerer, &mail.to)))
        return;
    error = tsuga_call(self, &mail, LONG_NS, &message);
    CHECK(error == -ESRCH || !went(error) || tsuga_message_bytes(message) == 3);
    error = tsuga_request(self, &mail, LONG_NS, &request);
    if (error != -ESRCH && went(error))
        CHECK_UINT(tsuga_message_reply(await_tag(self, TAG_ANSWER)).request.value, request.value);
    error = tsuga_request(self, &mail, LONG_NS, &request);
    if (error != -ESRCH && went(error)) { /* it may have been answered by an end */
        error = tsuga_request_cancel(self, request);
        CHECK(error == 0 || error == -ENOENT);
        if (error == -ENOENT)
            (void)await_tag(self, TAG_ANSWER);
    }
    last.to = mail.to;
    error = tsuga_request(self, &last, LONG_NS, &request);
    if (error != -ESRCH && went(error))
        CHECK_INT(tsuga_message_reply(await_tag(self, TAG_END)).result, -ESRCH);
    else
        (void)tsuga_actor_stop(tsuga_runtime_of(self), mail.to);
}

static void use_timers(struct tsuga_actor *self)
{
    struct tsuga_mail mail = {.to = tsuga_self(self), .tag = TAG_TIMED, .data = "now", .bytes = 3};
    struct tsuga_select repeated = {.by_tag = true, .tag = TAG_REPEATED};
    const struct tsuga_message *message;
    struct tsuga_timer_ref timer;
    int error;

    if (went(tsuga_send_after(self, &mail, TSUGA_FOREVER, &timer)))
        CHECK_INT(tsuga_timer_cancel(self, timer), 0);
    if (went(tsuga_send_after(self, &mail, 1000, NULL)))
        CHECK_UINT(tsuga_message_bytes(await_tag(self, TAG_TIMED)), 3);
    mail.tag = TAG_REPEATED;
    if (!went(tsuga_send_every(self, &mail, TSUGA_NS_PER_MS, &timer)))
        return;
    error = tsuga_receive(self, &repeated, WAIT_NS, &message); /* there may be no copy to be had */
    CHECK(error == 0 || error == -ETIMEDOUT);
    CHECK_INT(tsuga_timer_cancel(self, timer), 0);
}

static void use_names(struct tsuga_actor *self)
{
    if (!went(tsuga_register(self, "me")))
        return;
    CHECK(tsuga_id_equal(tsuga_whereis(tsuga_runtime_of(self), "me"), tsuga_self(self)));
    CHECK_INT(tsuga_unregister(self, "me"), 0);
}

static void use_supervisor(struct tsuga_actor *self)
{
    const struct tsuga_child_spec children[2] = {{.spawn = answerer}, {.spawn = answerer}};
    const struct tsuga_supervisor supervisor = {.children = children, .child_count = 2};
    struct tsuga_spawn_options options = tsuga_supervise(&supervisor);
    struct tsuga_id id;
    int reason;

    if (!went(tsuga_spawn_monitored(self, &options, TAG_DOWN, &id, NULL)))
        return;
    (void)tsuga_yield(self);
    (void)tsuga_actor_stop(tsuga_runtime_of(self), id);
    reason = tsuga_message_down(await_tag(self, TAG_DOWN))->reason;
    CHECK(reason == TSUGA_STOPPED || !went(reason));
}

static void live(struct tsuga_actor *self, void *argument)
{
    (void)argument;
    use_monitors(self);
    use_links(self);
    use_requests(self);
    use_timers(self);
    use_names(self);
    use_supervisor(self);
}

/* Returns whether memory ran out. */
static bool live_without_memory(struct tsuga_scarce_memory *scarce, int64_t calls)
{
    const struct tsuga_setup setup = {.backing = &scarce->backing};
    struct tsuga_spawn_options options = {.body = live};
    struct tsuga_run run;
    bool has_run_out;

    scarce->calls_to_failure = 0;
    tsuga_world_start(&setup, &run);
    scarce->calls_to_failure = calls;
    (void)went(tsuga_spawn(run.runtime, &options, NULL));
    CHECK_INT(tsuga_join(run.runtime), 0);
    has_run_out = scarce->calls_to_failure <= 0;
    scarce->calls_to_failure = 0;
    tsuga_world_end(&run);
    CHECK_INT(scarce->live_count, 0);
    return has_run_out;
}

TEST(scarcity, ties_and_timers_bear_memory_that_is_short_at_one_call)
{
    static struct tsuga_scarce_memory scarce;
    int64_t calls = 1;

    tsuga_scarce_memory_init(&scarce);
    while (live_without_memory(&scarce, calls) && calls < CALLS_MAX)
        calls++;
    CHECK(calls > 20);
    CHECK(calls < CALLS_MAX);
}

TEST(scarcity, ties_and_timers_bear_memory_that_is_short_from_one_call_on)
{
    static struct tsuga_scarce_memory scarce;

    tsuga_scarce_memory_init(&scarce);
    scarce.fails_on = true;
    for (int64_t calls = 1; calls < 50; calls++)
        (void)live_without_memory(&scarce, calls);
}
