#include "actor/teams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/scarce_memory.h"
#include "tests/support/test.h"

#define ACTORS 12u
#define TEAMS  80u

/* In memory that runs out after so many calls. */
static void open_teams(struct tsuga_teams *teams, struct tsuga_scarce_memory *scarce,
                       unsigned calls)
{
    tsuga_scarce_memory_init(scarce);
    scarce->calls_to_failure = (int64_t)calls + 1;
    scarce->fails_on = true;
    tsuga_teams_init(teams, &scarce->backing.memory);
}

static void close_teams(struct tsuga_teams *teams, struct tsuga_scarce_memory *scarce)
{
    CHECK_UINT(teams->words.word_count, 0);
    tsuga_teams_fini(teams);
    CHECK_INT(scarce->live_count, 0);
}

static void open_actor(struct tsuga_actor *actor, uint32_t slot)
{
    memset(actor, 0, sizeof(*actor));
    atomic_init(&actor->life, tsuga_actor_life(1, TSUGA_LIFE_ALIVE, TSUGA_STOP_NONE));
    actor->slot = slot;
}

TEST(teams, have_names_of_a_certain_length)
{
    char text[TSUGA_NAME_BYTES_MAX + 2];
    struct tsuga_teams teams;
    struct tsuga_actor actor;
    struct tsuga_scarce_memory scarce;

    open_teams(&teams, &scarce, 100);
    open_actor(&actor, 0);
    memset(text, 'x', sizeof(text));
    text[TSUGA_NAME_BYTES_MAX + 1] = '\0';
    CHECK_INT(tsuga_teams_join(&teams, &actor, NULL), -EINVAL);
    CHECK_INT(tsuga_teams_join(&teams, &actor, ""), -EINVAL);
    CHECK_INT(tsuga_teams_join(&teams, &actor, text), -EINVAL);
    CHECK_UINT(tsuga_teams_list(&teams, text, NULL, 0), 0);
    text[TSUGA_NAME_BYTES_MAX] = '\0';
    CHECK_INT(tsuga_teams_join(&teams, &actor, text), 0);
    CHECK_INT(tsuga_teams_join(&teams, &actor, text), -EEXIST);
    CHECK_UINT(tsuga_teams_list(&teams, text, NULL, 0), 1);
    CHECK_UINT(tsuga_teams_list(&teams, text + 1, NULL, 0), 0);
    CHECK_UINT(tsuga_teams_list(&teams, NULL, NULL, 0), 0);
    CHECK_INT(tsuga_teams_leave(&teams, &actor, text), 0);
    CHECK_INT(tsuga_teams_leave(&teams, &actor, text), -ENOENT);
    CHECK_INT(tsuga_teams_leave(&teams, &actor, NULL), -ENOENT);
    close_teams(&teams, &scarce);
}

TEST(teams, without_memory_nothing_has_happened)
{
    struct tsuga_teams teams;
    struct tsuga_actor actor;
    struct tsuga_scarce_memory scarce;

    open_actor(&actor, 0);
    for (unsigned calls = 0; calls < 3; calls++) { /* the member, the team, the table */
        open_teams(&teams, &scarce, calls);
        CHECK_INT(tsuga_teams_join(&teams, &actor, "a"), -ENOMEM);
        CHECK_UINT(tsuga_teams_list(&teams, "a", NULL, 0), 0);
        CHECK(actor.bonds == NULL);
        close_teams(&teams, &scarce);
    }
}

TEST(teams, list_no_more_than_there_is_room_for)
{
    struct tsuga_id ids[ACTORS];
    struct tsuga_actor actors[ACTORS];
    struct tsuga_teams teams;
    struct tsuga_scarce_memory scarce;

    open_teams(&teams, &scarce, 100);
    for (uint32_t i = 0; i < ACTORS; i++) {
        open_actor(&actors[i], i);
        CHECK_INT(tsuga_teams_join(&teams, &actors[i], "a"), 0);
    }
    memset(ids, 0, sizeof(ids));
    CHECK_UINT(tsuga_teams_list(&teams, "a", ids, 3), ACTORS);
    CHECK_UINT(ids[2].value, tsuga_actor_id(&actors[2]).value);
    CHECK_UINT(ids[3].value, 0);
    for (uint32_t i = 0; i < ACTORS; i++)
        tsuga_teams_leave_all(&teams, &actors[i]);
    close_teams(&teams, &scarce);
}

/* Who is in a team, in the order of joining. */
struct roll {
    struct tsuga_id ids[ACTORS];
    size_t count;
};

static size_t place_in(const struct roll *roll, struct tsuga_id id)
{
    size_t place = 0;

    while (place < roll->count && !tsuga_id_equal(roll->ids[place], id))
        place++;
    return place;
}

static void strike(struct roll *roll, struct tsuga_id id)
{
    size_t place = place_in(roll, id);

    if (place == roll->count)
        return;
    roll->count--;
    memmove(&roll->ids[place], &roll->ids[place + 1], (roll->count - place) * sizeof(id));
}

static void compare(struct tsuga_teams *teams, const char *text, const struct roll *roll)
{
    struct tsuga_id ids[ACTORS];

    CHECK_UINT(tsuga_teams_list(teams, text, ids, ACTORS), roll->count);
    CHECK(roll->count == 0 || memcmp(ids, roll->ids, roll->count * sizeof(ids[0])) == 0);
}

static void join_or_leave(struct tsuga_teams *teams, struct tsuga_actor *actor, const char *text,
                          struct roll *roll, bool joins)
{
    struct tsuga_id id = tsuga_actor_id(actor);
    bool is_member = place_in(roll, id) < roll->count;

    if (joins) {
        CHECK_INT(tsuga_teams_join(teams, actor, text), is_member ? -EEXIST : 0);
        if (!is_member)
            roll->ids[roll->count++] = id;
    } else {
        CHECK_INT(tsuga_teams_leave(teams, actor, text), is_member ? 0 : -ENOENT);
        strike(roll, id);
    }
}

/* A model that keeps each team's roll, and the real ones; now and then an actor ends. */
TEST(teams, have_the_members_that_they_should)
{
    uint64_t random = tsuga_test_seed();
    struct roll rolls[TEAMS];
    struct tsuga_actor actors[ACTORS];
    struct tsuga_teams teams;
    struct tsuga_scarce_memory scarce;

    memset(rolls, 0, sizeof(rolls));
    open_teams(&teams, &scarce, UINT32_MAX);
    for (uint32_t i = 0; i < ACTORS; i++)
        open_actor(&actors[i], i);
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t number = tsuga_test_random(&random);
        size_t at = number % TEAMS;
        struct tsuga_actor *actor = &actors[number / TEAMS % ACTORS];
        char text[16];

        snprintf(text, sizeof(text), "team %zu", at);
        join_or_leave(&teams, actor, text, &rolls[at], number >> 32 & 1);
        compare(&teams, text, &rolls[at]);
        if (number >> 40 & 0xff)
            continue;
        tsuga_teams_leave_all(&teams, actor);
        for (size_t i = 0; i < TEAMS; i++)
            strike(&rolls[i], tsuga_actor_id(actor));
    }
    for (uint32_t i = 0; i < ACTORS; i++)
        tsuga_teams_leave_all(&teams, &actors[i]);
    close_teams(&teams, &scarce);
}
