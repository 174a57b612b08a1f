/* What random programs are to each other: timers, monitors, links, requests, names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/program.h"

#define MS         UINT64_C(1000000)
#define NAME_COUNT 6u

static struct tsuga_id somebody(struct program *program)
{
    return program->colony->ids[program_draw(program, PROGRAM_ACTORS)];
}

static struct program_tie *tie_in(struct program *program, enum program_tie_state state)
{
    unsigned first = (unsigned)program_draw(program, PROGRAM_TIES);

    for (unsigned i = 0; i < PROGRAM_TIES; i++) {
        struct program_tie *tie = &program->ties[(first + i) % PROGRAM_TIES];

        if (tie->state == state)
            return tie;
    }
    return NULL;
}

/* The one that a tag names, which has to be in this state. */
static struct program_tie *tie_of(struct program *program, uint64_t tag,
                                  enum program_tie_state state)
{
    struct program_tie *tie = &program->ties[tag / PROGRAM_TAG_KINDS % PROGRAM_TIES];

    REQUIRE(program->colony->run, tie->state == state);
    REQUIRE(program->colony->run, tie->number == tag / PROGRAM_TAG_KINDS / PROGRAM_TIES);
    return tie;
}

/* A tag that no other tie of the actor has had. */
static uint64_t tag_of(struct program *program, struct program_tie *tie, enum program_tag kind)
{
    tie->number = ++program->tie_count;
    return (tie->number * PROGRAM_TIES + (uint64_t)(tie - program->ties)) * PROGRAM_TAG_KINDS +
           kind;
}

static uint64_t now(const struct program *program)
{
    struct tsuga_sim_verdict verdict;

    tsuga_sim_verdict_read(program->colony->run->sim, &verdict);
    return verdict.time_ns;
}

/* Timers. */

static void start_timer(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_FREE);
    bool is_period = program_draw(program, 3) == 0;
    uint64_t delay_ns = 1 + program_draw(program, 10 * MS);
    struct tsuga_mail mail = {.to = tsuga_self(program->self)};
    int error;

    if (tie == NULL)
        return;
    mail.tag = tag_of(program, tie, is_period ? PROGRAM_TAG_PERIOD : PROGRAM_TAG_TIMER);
    tie->due_ns = now(program) + delay_ns;
    error = is_period ? tsuga_send_every(program->self, &mail, delay_ns, &tie->timer)
                      : tsuga_send_after(program->self, &mail, delay_ns, &tie->timer);
    if (error == 0)
        tie->state = is_period ? PROGRAM_TIE_PERIOD : PROGRAM_TIE_TIMER;
}

/* After 0 a single message does not come; after -ENOENT it waits. */
static void cancel_timer(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_TIMER);
    int error;

    if (tie == NULL)
        return;
    error = tsuga_timer_cancel(program->self, tie->timer);
    REQUIRE(program->colony->run, error == 0 || error == -ENOENT);
    if (error == 0)
        tie->state = PROGRAM_TIE_FREE;
}

/* Periods that have passed may wait in the mailbox, so the slot is used no more. */
static void cancel_period(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_PERIOD);

    if (tie == NULL)
        return;
    REQUIRE(program->colony->run, tsuga_timer_cancel(program->self, tie->timer) == 0);
    REQUIRE(program->colony->run, tsuga_timer_cancel(program->self, tie->timer) == -ENOENT);
    tie->state = PROGRAM_TIE_SPENT;
}

static void hear_timer(struct program *program, uint64_t tag)
{
    struct program_tie *tie = tie_of(program, tag, PROGRAM_TIE_TIMER);

    REQUIRE(program->colony->run, now(program) >= tie->due_ns);
    tie->state = PROGRAM_TIE_FREE;
}

/* Monitors and links. */

static void start_monitor(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_FREE);
    struct tsuga_id id = somebody(program);
    uint64_t tag;

    if (tie == NULL || id.value == 0 || id.value == tsuga_self(program->self).value)
        return;
    tag = tag_of(program, tie, PROGRAM_TAG_MONITOR);
    if (tsuga_monitor(program->self, id, tag, &tie->monitor) != 0)
        return;
    tie->id = id;
    tie->state = PROGRAM_TIE_MONITOR;
}

static void end_monitor(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_MONITOR);

    if (tie == NULL)
        return;
    REQUIRE(program->colony->run, tsuga_demonitor(program->self, tie->monitor) == 0);
    REQUIRE(program->colony->run, tsuga_demonitor(program->self, tie->monitor) == -ENOENT);
    tie->state = PROGRAM_TIE_FREE;
}

static void hear_down(struct program *program, const struct tsuga_message *message)
{
    const struct tsuga_down *down = tsuga_message_down(message);
    struct program_tie *tie = tie_of(program, tsuga_message_tag(message), PROGRAM_TIE_MONITOR);

    REQUIRE(program->colony->run, down->id.value == tie->id.value);
    REQUIRE(program->colony->run, down->monitor.value == tie->monitor.value);
    tie->state = PROGRAM_TIE_FREE;
}

/* Links with whoever does not trap exits end both, so there are few. */
static void change_link(struct program *program)
{
    struct tsuga_id id = somebody(program);

    if (id.value == 0 || id.value == tsuga_self(program->self).value)
        return;
    if (program_draw(program, 4) > 0) {
        (void)tsuga_unlink(program->self, id);
        return;
    }
    tsuga_trap_exits(program->self, program_draw(program, 8) > 0);
    (void)!tsuga_link(program->self, id);
}

/* Requests. */

static void start_request(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_FREE);
    struct tsuga_mail mail = {.to = somebody(program)};
    uint64_t limit_ns =
        program_draw(program, 4) == 0 ? TSUGA_FOREVER : 1 + program_draw(program, 20 * MS);

    if (tie == NULL || mail.to.value == 0)
        return;
    mail.tag = tag_of(program, tie, PROGRAM_TAG_REQUEST);
    mail.data = &mail.tag;
    mail.bytes = sizeof(mail.tag);
    if (tsuga_request(program->self, &mail, limit_ns, &tie->request) == 0)
        tie->state = PROGRAM_TIE_REQUEST;
}

static void cancel_request(struct program *program)
{
    struct program_tie *tie = tie_in(program, PROGRAM_TIE_REQUEST);
    int error;

    if (tie == NULL)
        return;
    error = tsuga_request_cancel(program->self, tie->request);
    REQUIRE(program->colony->run, error == 0 || error == -ENOENT);
    if (error == 0)
        tie->state = PROGRAM_TIE_FREE;
}

static int answer_to(uint64_t tag)
{
    return (int)(tag % 1000003);
}

/* Waits for its answer: whoever is asked may be waiting, too, hence the limit. */
static void call(struct program *program)
{
    struct tsuga_mail mail = {.to = somebody(program), .tag = PROGRAM_TAG_REQUEST};
    uint64_t asked = program_draw(program, UINT64_MAX);
    const struct tsuga_message *answer;
    int result;

    if (mail.to.value == 0)
        return;
    mail.data = &asked;
    mail.bytes = sizeof(asked);
    result = tsuga_call(program->self, &mail, 1 + program_draw(program, 5 * MS), &answer);
    REQUIRE(program->colony->run, result < 0 || result == answer_to(asked));
}

/* At once, later, or never; it does not matter to whom it goes. */
static void hear_request(struct program *program, const struct tsuga_message *message)
{
    struct tsuga_reply_to to = tsuga_message_reply_to(message);
    uint64_t asked;

    REQUIRE(program->colony->run, tsuga_message_bytes(message) == sizeof(asked));
    memcpy(&asked, tsuga_message_data(message), sizeof(asked));
    switch (program_draw(program, 4)) {
    case 0:
        return;
    case 1:
        if (program->debt.request.value != 0)
            (void)tsuga_reply(program->self, program->debt, program->debt_result, NULL, 0);
        program->debt = to;
        program->debt_result = answer_to(asked);
        return;
    default:
        (void)tsuga_reply(program->self, to, answer_to(asked), NULL, 0);
    }
}

static void hear_reply(struct program *program, const struct tsuga_message *message)
{
    struct tsuga_reply reply = tsuga_message_reply(message);
    uint64_t tag = tsuga_message_tag(message);
    struct program_tie *tie = tie_of(program, tag, PROGRAM_TIE_REQUEST);

    REQUIRE(program->colony->run, reply.request.value == tie->request.value);
    REQUIRE(program->colony->run,
            reply.result == answer_to(tag) || reply.result == -ESRCH || reply.result == -ETIMEDOUT);
    tie->state = PROGRAM_TIE_FREE;
}

/* Names. A name that one has nobody else has. */

static void change_name(struct program *program)
{
    struct sim_run *run = program->colony->run;
    unsigned number = (unsigned)program_draw(program, NAME_COUNT);
    struct tsuga_id id;
    char name[32];

    snprintf(name, sizeof(name), "name-%u", number);
    if (program->names >> number & 1) {
        REQUIRE(run, tsuga_whereis(run->runtime, name).value == tsuga_self(program->self).value);
        REQUIRE(run, tsuga_unregister(program->self, name) == 0);
        program->names &= ~(1u << number);
        return;
    }
    id = tsuga_whereis(run->runtime, name);
    REQUIRE(run, id.value != tsuga_self(program->self).value);
    REQUIRE(run, tsuga_unregister(program->self, name) == -ENOENT);
    if (tsuga_register(program->self, name) == 0)
        program->names |= 1u << number;
}

typedef void change_fn(struct program *program);

static change_fn *const changes[] = {
    start_timer,   start_timer, cancel_timer,  cancel_period,  start_monitor,
    start_monitor, end_monitor, start_request, cancel_request, start_request,
    call,          change_name, change_link,
};

void program_relate(struct program *program)
{
    changes[program_draw(program, sizeof(changes) / sizeof(changes[0]))](program);
}

bool program_hear_tie(struct program *program, const struct tsuga_message *message)
{
    uint64_t tag = tsuga_message_tag(message);

    switch (tsuga_message_kind(message)) {
    case TSUGA_MESSAGE_DOWN:
        hear_down(program, message);
        return true;
    case TSUGA_MESSAGE_REPLY:
        hear_reply(program, message);
        return true;
    case TSUGA_MESSAGE_USER:
        break;
    default:
        return true;
    }
    if (tag % PROGRAM_TAG_KINDS == PROGRAM_TAG_TIMER)
        hear_timer(program, tag);
    else if (tag % PROGRAM_TAG_KINDS == PROGRAM_TAG_REQUEST)
        hear_request(program, message);
    return tag % PROGRAM_TAG_KINDS != PROGRAM_TAG_SAYING;
}
