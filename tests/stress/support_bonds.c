#include "tests/stress/support_bonds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "executor/executor.h"
#include "executor/ties.h"
#include "tests/stress/support_tally.h"

#define NAMES 64u

static const char *const bond_names[STRESS_BONDS] = {
    [STRESS_MONITOR] = "monitor", [STRESS_WATCHED] = "watched", [STRESS_LINK] = "link",
    [STRESS_REQUEST] = "request", [STRESS_TIMER] = "timer",     [STRESS_NAME] = "name",
    [STRESS_MEMBER] = "member",
};

static bool may_be_heard(enum stress_bond bond)
{
    return bond == STRESS_MONITOR || bond == STRESS_LINK || bond == STRESS_REQUEST;
}

static void take_name(struct tsuga_actor *self, uint64_t random)
{
    char name[32];
    int error;

    snprintf(name, sizeof(name), "stress %" PRIu64, random % NAMES);
    error = tsuga_register(self, name);
    STRESS_REQUIRE(error == 0 || error == -EEXIST);
}

static void join_teams(struct tsuga_actor *self, uint64_t random)
{
    char name[32];

    for (uint64_t i = 0; i <= random % 3; i++) {
        snprintf(name, sizeof(name), "stress %" PRIu64, (random + i) % NAMES);
        STRESS_REQUIRE(tsuga_team_join(self, name) == 0);
    }
    if (random % 5 == 0)
        STRESS_REQUIRE(tsuga_team_leave(self, name) == 0);
}

static void set_timer(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t random)
{
    uint64_t delay_ns = random % 4 == 0 ? TSUGA_FOREVER : 1 + random % 4000000;
    struct tsuga_timer_ref timer;
    int error;

    if (random % 3 == 0) {
        STRESS_REQUIRE(tsuga_send_every(self, mail, 1000000 + delay_ns % 1000000, NULL) == 0);
        return;
    }
    STRESS_REQUIRE(tsuga_send_after(self, mail, delay_ns, &timer) == 0);
    if (random % 5 > 0)
        return;
    error = tsuga_timer_cancel(self, timer);
    STRESS_REQUIRE(error == 0 || error == -ENOENT);
}

static void ask(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t random)
{
    uint64_t timeout_ns = random % 2 == 0 ? TSUGA_FOREVER : 1 + random % 4000000;
    struct tsuga_request request;
    int error = tsuga_request(self, mail, timeout_ns, &request);

    STRESS_REQUIRE(error == 0 || error == -ESRCH || error == -EDEADLK);
    if (error == 0 && random % 5 == 0) {
        error = tsuga_request_cancel(self, request);
        STRESS_REQUIRE(error == 0 || error == -ENOENT);
    }
}

static void watch(struct tsuga_actor *self, struct tsuga_id other, uint64_t random)
{
    struct tsuga_monitor monitor;
    int error = tsuga_monitor(self, other, STRESS_BOND_TAG, &monitor);

    STRESS_REQUIRE(error == (tsuga_id_equal(other, tsuga_self(self)) ? -EINVAL : 0));
    if (error == 0 && random % 5 == 0) {
        error = tsuga_demonitor(self, monitor);
        STRESS_REQUIRE(error == 0 || error == -ENOENT);
    }
}

/* Seldom, for both fall together. */
static void link_with(struct tsuga_actor *self, struct tsuga_id other, uint64_t random)
{
    int error;

    tsuga_trap_exits(self, random % 2 == 0);
    error = tsuga_link(self, other);
    STRESS_REQUIRE(error == (tsuga_id_equal(other, tsuga_self(self)) ? -EINVAL : 0));
    if (error == 0 && random % 5 == 0) {
        error = tsuga_unlink(self, other);
        STRESS_REQUIRE(error == 0 || error == -ENOENT);
    }
}

void stress_bonds_make(struct tsuga_actor *self, struct tsuga_id other, uint64_t random)
{
    struct tsuga_mail mail = {.to = other, .tag = STRESS_BOND_TAG, .data = "bond", .bytes = 4};

    if ((random & 3) == 0)
        watch(self, other, random >> 32);
    if ((random >> 2 & 3) == 0)
        ask(self, &mail, random >> 32);
    if ((random >> 4 & 3) == 0)
        set_timer(self, &mail, random >> 32);
    if ((random >> 6 & 7) == 0)
        take_name(self, random >> 32);
    if ((random >> 16 & 7) == 0)
        join_teams(self, random >> 32);
    if ((random >> 9 & 63) == 0)
        link_with(self, other, random >> 32);
}

static enum stress_bond bond_of(const struct tsuga_tie_end *end, const struct tsuga_tie *tie)
{
    if (tie->kind == TSUGA_TIE_LINK)
        return STRESS_LINK;
    if (end->index == 1)
        return STRESS_WATCHED;
    return tie->kind == TSUGA_TIE_MONITOR ? STRESS_MONITOR : STRESS_REQUEST;
}

/* Timers are no bonds, but a list of their own. */
static uint64_t armed_count(struct tsuga_actor *self)
{
    const struct tsuga_timed_table *table = &tsuga_seat_home(tsuga_seat_of(self))->timed;
    const struct tsuga_timed *timed;
    uint64_t count = 0;

    for (uint32_t next = self->timers; next != 0; next = timed->older) {
        uint32_t slot = next - 1;

        timed = &table->chunks[slot / TSUGA_TIMED_CHUNK_SLOTS][slot % TSUGA_TIMED_CHUNK_SLOTS];
        count += timed->is_armed;
    }
    return count;
}

void stress_bonds_take_stock(struct stress_bonds *bonds, struct tsuga_actor *self)
{
    stress_count(&bonds->held[STRESS_TIMER], armed_count(self));
    for (struct tsuga_bond *bond = self->bonds; bond != NULL; bond = bond->next) {
        if (bond->kind == TSUGA_BOND_NAME)
            stress_count(&bonds->held[STRESS_NAME], 1);
        if (bond->kind == TSUGA_BOND_MEMBER)
            stress_count(&bonds->held[STRESS_MEMBER], 1);
        if (bond->kind == TSUGA_BOND_TIE) {
            struct tsuga_tie_end *end = tsuga_tie_end_of_bond(bond);
            enum stress_bond kind = bond_of(end, tsuga_tie_of(end));
            bool is_heard = end->state == TSUGA_TIE_HEARD;

            stress_count(is_heard ? &bonds->heard[kind] : &bonds->held[kind], 1);
        }
    }
}

bool stress_bonds_print(const struct stress_bonds *bonds)
{
    bool is_complete = true;

    printf("%-9s %10s %10s   at an actor's end\n", "bond", "held", "heard");
    for (unsigned i = 0; i < STRESS_BONDS; i++) {
        uint64_t held = atomic_load_explicit(&bonds->held[i], memory_order_relaxed);
        uint64_t heard = atomic_load_explicit(&bonds->heard[i], memory_order_relaxed);
        bool is_zero = held == 0 || (may_be_heard((enum stress_bond)i) && heard == 0);

        printf("%-9s %10" PRIu64 " %10" PRIu64 "%s\n", bond_names[i], held, heard,
               is_zero ? "   <- zero" : "");
        is_complete &= !is_zero;
    }
    return is_complete;
}
