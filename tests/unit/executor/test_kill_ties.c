/* Whatever an actor has begun with another one, and however far that has come: either of the two
 * may end there. Nothing is left of it, and who lives on hears what it was promised. The table
 * tells who ended, where, and how. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "actor/actor.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define LONG_NS (20 * TSUGA_NS_PER_S)

/* What the first actor begins with the second one. */
enum kind {
    LETTER,
    LEASE,    /* a letter with one */
    GIFT,     /* a descriptor */
    TIMED,    /* to itself */
    REPEATED, /* likewise */
    REQUEST,
    LIMITED, /* a request with a time limit */
    MONITOR,
    LINK,
    NAME, /* its own */
    MEMBER,
    KINDS,
};

enum point {
    SENT,     /* the first one ends at once */
    HELD,     /* when the second one has what there is for it */
    HEARD,    /* when what comes of it waits in its mailbox */
    TAKEN,    /* when that is its current message */
    UNSEEN,   /* the second one ends before it has looked */
    UNREAD,   /* when it has something else as its current message */
    RECEIVED, /* when it has that */
    POINTS,
};

enum way { STOPPED, EXITS, LINKED, WAYS };

static const char *const kind_names[KINDS] = {"letter",   "lease",   "gift",    "timed",
                                              "repeated", "request", "limited", "monitor",
                                              "link",     "name",    "member"};
static const char *const point_names[POINTS] = {"sent",   "held",   "heard",   "taken",
                                                "unseen", "unread", "received"};
static const char way_letters[WAYS] = {'s', 'e', 'l'};

enum { TAG_IT = 1, TAG_GO };

struct cell {
    enum kind kind;
    enum point point;
    enum way way;
    struct tsuga_id second;
    struct tsuga_id third;   /* to which the one that is to end is linked */
    bool was_there;          /* when it ended */
    struct tsuga_gate ended; /* the first one has, and the second one where it is its turn */
};

static bool is_firsts(enum point point)
{
    return point <= TAKEN;
}

static bool is_any(const struct tsuga_message *message, const void *context)
{
    (void)message;
    (void)context;
    return true;
}

/* Whether the one that ends is where it is to be. */
static bool is_there(struct tsuga_actor *self, const struct cell *cell)
{
    bool has_unread = tsuga_mailbox_peek(&self->mailbox, is_any, NULL) != NULL;

    switch (cell->point) {
    case HEARD:
        return has_unread && self->current == NULL;
    case TAKEN:
    case RECEIVED:
        return self->current != NULL && self->current->tag != TAG_GO;
    case UNREAD: /* of a gift and a tie there is nothing to be read */
        return self->current != NULL && self->current->tag == TAG_GO &&
               has_unread == (cell->kind == LETTER || cell->kind == LEASE ||
                              cell->kind == REQUEST || cell->kind == LIMITED);
    default:
        return !has_unread && self->current == NULL;
    }
}

static void fall(struct tsuga_actor *self, const struct tsuga_message *message)
{
    (void)message;
    tsuga_exit(self, -EPIPE);
}

static void end_here(struct tsuga_actor *self, struct cell *cell)
{
    cell->was_there = is_there(self, cell);
    switch (cell->way) {
    case STOPPED:
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), tsuga_self(self)), 0);
        return;
    case EXITS:
        tsuga_exit(self, -EIO);
    default:
        CHECK_INT(tsuga_send(self, cell->third, 0, NULL, 0), 0);
        while (tsuga_yield(self) == 0)
            continue;
        return;
    }
}

/* The second one. */

static void receive_tag(struct tsuga_actor *self, uint64_t tag)
{
    struct tsuga_select select = {.by_tag = true, .tag = tag};
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, &select, LONG_NS, &message), 0);
}

static void reply_to(struct tsuga_actor *self)
{
    struct tsuga_select select = {.by_tag = true, .tag = TAG_IT};
    const struct tsuga_message *message;

    CHECK_INT(tsuga_receive(self, &select, LONG_NS, &message), 0);
    CHECK_INT(tsuga_reply(self, tsuga_message_reply_to(message), 0, "yes", 3), 0);
}

static void say_end(void *context)
{
    struct cell *cell = context;

    tsuga_gate_raise(&cell->ended);
}

static void be_second(struct tsuga_actor *self, void *argument)
{
    struct cell *cell = argument;
    const struct tsuga_message *message;

    if (!is_firsts(cell->point) && cell->way == LINKED)
        CHECK_INT(tsuga_link(self, cell->third), 0);
    if (cell->point == UNREAD || cell->point == RECEIVED) {
        CHECK_INT(tsuga_on_exit(self, say_end, cell), 0);
        receive_tag(self, cell->point == UNREAD ? TAG_GO : TAG_IT);
        end_here(self, cell);
        return;
    }
    if ((cell->kind == MONITOR || cell->kind == LINK) &&
        (cell->point == HEARD || cell->point == TAKEN)) {
        receive_tag(self, TAG_GO);
        tsuga_exit(self, -EIO);
    }
    if ((cell->kind == REQUEST || cell->kind == LIMITED) &&
        (cell->point == HEARD || cell->point == TAKEN))
        reply_to(self);
    (void)!tsuga_receive(self, &(struct tsuga_select){.by_tag = true, .tag = UINT64_MAX},
                         TSUGA_FOREVER, &message);
}

/* The first one. */

static void give_descriptor(struct tsuga_actor *self, struct tsuga_id to)
{
    int fd = tsuga_fixture_memory_file(1, 1);

    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    CHECK_INT(tsuga_fd_give(self, fd, to), 0);
}

static void send_lease(struct tsuga_actor *self, struct tsuga_id to)
{
    struct tsuga_lease lease;

    CHECK_INT(tsuga_lease_make(self, 1000, &lease), 0);
    CHECK_INT(tsuga_send_with_lease(self, to, TAG_IT, "it", 2, lease), 0);
}

static void begin(struct tsuga_actor *self, const struct cell *cell)
{
    struct tsuga_mail mail = {.to = cell->second, .tag = TAG_IT, .data = "it", .bytes = 2};
    struct tsuga_mail own = {.to = tsuga_self(self), .tag = TAG_IT, .data = "it", .bytes = 2};
    bool is_armed = cell->point == SENT || cell->point == HELD;

    switch (cell->kind) {
    case LETTER:
        CHECK_INT(tsuga_send(self, cell->second, TAG_IT, "it", 2), 0);
        return;
    case LEASE:
        send_lease(self, cell->second);
        return;
    case GIFT:
        give_descriptor(self, cell->second);
        return;
    case TIMED:
        CHECK_INT(tsuga_send_after(self, &own, is_armed ? TSUGA_FOREVER : 1000, NULL), 0);
        return;
    case REPEATED:
        CHECK_INT(tsuga_send_every(self, &own, is_armed ? LONG_NS : 1000, NULL), 0);
        return;
    case REQUEST:
        CHECK_INT(tsuga_request(self, &mail, TSUGA_FOREVER, NULL), 0);
        return;
    case LIMITED:
        CHECK_INT(tsuga_request(self, &mail, 2 * LONG_NS, NULL), 0);
        return;
    case MONITOR:
        CHECK_INT(tsuga_monitor(self, cell->second, TAG_IT, NULL), 0);
        return;
    case LINK:
        CHECK_INT(tsuga_link(self, cell->second), 0);
        return;
    case NAME:
        CHECK_INT(tsuga_register(self, "it"), 0);
        return;
    default:
        CHECK_INT(tsuga_team_join(self, "them"), 0);
        return;
    }
}

/* Whether the first one hears of the second one's end. */
static bool is_promised(enum kind kind)
{
    return kind == REQUEST || kind == LIMITED || kind == MONITOR || kind == LINK;
}

/* The second one is to end. */
static void outlive(struct tsuga_actor *self, const struct cell *cell)
{
    const struct tsuga_message *message;

    if (cell->point == UNSEEN)
        CHECK_INT(tsuga_actor_stop(tsuga_runtime_of(self), cell->second), 0);
    if (cell->point == UNREAD)
        CHECK_INT(tsuga_send(self, cell->second, TAG_GO, NULL, 0), 0);
    if (!is_promised(cell->kind))
        return;
    CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
    if (cell->kind == REQUEST || cell->kind == LIMITED)
        CHECK_INT(tsuga_message_reply(message).result, -ESRCH);
    else
        CHECK(tsuga_id_equal(tsuga_message_down(message)->id, cell->second));
}

static void pass_turns(struct tsuga_actor *self)
{
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(tsuga_yield(self), 0);
}

static void be_first(struct tsuga_actor *self, void *argument)
{
    struct cell *cell = argument;
    const struct tsuga_message *message;

    CHECK_INT(tsuga_on_exit(self, say_end, cell), 0);
    if (is_firsts(cell->point) && cell->way == LINKED)
        CHECK_INT(tsuga_link(self, cell->third), 0);
    pass_turns(self);
    /* What it is linked to by the test itself shall end it. */
    tsuga_trap_exits(self, cell->kind == LINK && (cell->way != LINKED || !is_firsts(cell->point)));
    begin(self, cell);
    if (!is_firsts(cell->point)) {
        outlive(self, cell);
        return;
    }
    if (cell->point != SENT)
        pass_turns(self);
    if (cell->point == HEARD || cell->point == TAKEN)
        CHECK(tsuga_send(self, cell->second, TAG_GO, NULL, 0) == 0);
    while (cell->point == HEARD && tsuga_mailbox_peek(&self->mailbox, is_any, NULL) == NULL)
        CHECK(tsuga_receive(self, &(struct tsuga_select){.by_tag = true, .tag = UINT64_MAX}, 1000,
                            &message) == -ETIMEDOUT);
    if (cell->point == TAKEN)
        CHECK_INT(tsuga_receive(self, NULL, LONG_NS, &message), 0);
    end_here(self, cell);
}

/* The table. */

static bool is_possible(enum kind kind, enum point point, enum way way)
{
    if (point == SENT && way == LINKED)
        return false; /* by then the second one has it */
    if (kind == NAME || kind == MEMBER)
        return point == SENT || point == HELD;
    if (kind == TIMED || kind == REPEATED)
        return is_firsts(point);
    if (point == HEARD || point == TAKEN) /* an end that is trapped leaves no other to fall with */
        return is_promised(kind) && (kind != LINK || way != LINKED);
    if (point == UNSEEN)
        return way == STOPPED; /* it does nothing by itself */
    if (point == RECEIVED)
        return kind == LETTER || kind == LEASE || kind == REQUEST || kind == LIMITED;
    return true;
}

static void fill_cell(struct cell *cell)
{
    static struct tsuga_scarce_memory memory;
    const struct tsuga_setup setup = {.backing = &memory.backing};
    struct tsuga_spawn_options third = {.behaviour = fall, .placement = TSUGA_PLACE_EXECUTOR};
    struct tsuga_run run;

    tsuga_scarce_memory_init(&memory);
    tsuga_world_start(&setup, &run);
    CHECK_INT(tsuga_spawn(run.runtime, &third, &cell->third), 0);
    cell->was_there = cell->point == UNSEEN;
    cell->second = tsuga_world_spawn(&run, be_second, cell);
    (void)tsuga_world_spawn(&run, be_first, cell);
    tsuga_gate_await(&cell->ended, cell->point == UNREAD || cell->point == RECEIVED ? 2 : 1);
    tsuga_stop(run.runtime, TSUGA_STOP_GRACEFUL);
    tsuga_world_end(&run);
    CHECK_INT(memory.live_count, 0);
    if (!cell->was_there)
        tsuga_test_fail(__FILE__, __LINE__, "%s, %s, %c: not reached", kind_names[cell->kind],
                        point_names[cell->point], way_letters[cell->way]);
}

static void fill_row(enum kind kind)
{
    printf("%-9s", kind_names[kind]);
    for (unsigned point = 0; point < POINTS; point++) {
        char text[WAYS + 1] = {0};

        for (unsigned way = 0; way < WAYS; way++) {
            struct cell cell = {.kind = kind, .point = (enum point)point, .way = (enum way)way};
            bool is_there = is_possible(kind, cell.point, cell.way);

            text[way] = '-';
            if (!is_there)
                continue;
            fill_cell(&cell);
            text[way] = way_letters[way];
        }
        printf(" %8s", text);
        fflush(stdout);
    }
    printf("\n");
}

TEST(kill_table, either_of_two_may_end_wherever_their_affair_is)
{
    printf("%-9s", "");
    for (unsigned point = 0; point < POINTS; point++)
        printf(" %8s", point_names[point]);
    printf("   by (s)top, own (e)xit, (l)inked actor's end\n");
    for (unsigned kind = 0; kind < KINDS; kind++)
        fill_row((enum kind)kind);
}
