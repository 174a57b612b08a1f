/*
 * Broadcasts: one message to all members of a team. The bytes lie in a bulletin; each member gets a
 * letter of its own that refers to it, so that mailboxes, policies and order are as for any letter.
 *
 * The members are listed under the teams' lock and written to without it: a post may wake an
 * executor, and nobody who joins or ends shall wait for that.
 */
#include <errno.h>

#include "executor/executor.h"

#define FEW 64u

/* Who is in a team at one moment. */
struct roll {
    struct tsuga_id few[FEW];
    struct tsuga_id *ids; /* `few`, or an allocation */
    size_t room;
    size_t count;
};

static void dismiss(struct tsuga_shared *shared, struct roll *roll)
{
    if (roll->ids != roll->few)
        tsuga_memory_free(shared->memory, roll->ids, roll->room * sizeof(*roll->ids));
}

static int call_roll(struct tsuga_shared *shared, const char *team, struct roll *roll)
{
    roll->ids = roll->few;
    roll->room = FEW;
    for (;;) {
        roll->count = tsuga_teams_list(&shared->teams, team, roll->ids, roll->room);
        if (roll->count <= roll->room)
            return 0;
        dismiss(shared, roll);
        /* With room to spare, so that a team which grows meanwhile does not outrun this loop. */
        roll->room = roll->count + roll->count / 4;
        roll->ids = tsuga_memory_alloc(shared->memory, roll->room * sizeof(*roll->ids));
        if (roll->ids == NULL)
            return -ENOMEM;
    }
}

/* A letter that refers to the bulletin; NULL: no memory. */
static struct tsuga_letter *write_reference(struct tsuga_executor *executor, uint64_t tag,
                                            struct tsuga_bulletin *bulletin)
{
    struct tsuga_letter *letter = tsuga_executor_write(executor->shared, executor, tag, NULL, 0);

    if (letter == NULL)
        return NULL;
    tsuga_bulletin_retain(bulletin);
    letter->head.flags |= TSUGA_MESSAGE_BULLETIN;
    letter->payload_bytes = bulletin->bytes;
    letter->attachment = bulletin;
    return letter;
}

static bool send_to(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag,
                    struct tsuga_bulletin *bulletin)
{
    struct tsuga_executor *executor = tsuga_seat_home(tsuga_seat_of(self));
    struct tsuga_letter *letter = write_reference(executor, tag, bulletin);

    if (letter == NULL) {
        const struct tsuga_dead_letter lost = {.runtime = executor->shared->runtime,
                                               .from = tsuga_actor_id(self),
                                               .to = to,
                                               .tag = tag,
                                               .data = bulletin->data,
                                               .bytes = bulletin->bytes,
                                               .reason = -ENOMEM};

        tsuga_executor_lose(executor->shared, executor, &lost);
        return false;
    }
    letter->from = tsuga_actor_id(self);
    return tsuga_executor_dispatch(executor, to, letter) == 0;
}

int tsuga_broadcast(struct tsuga_actor *self, const char *team, uint64_t tag, const void *data,
                    size_t bytes)
{
    struct tsuga_shared *shared = tsuga_seat_home(tsuga_seat_of(self))->shared;
    struct tsuga_bulletin *bulletin;
    struct roll roll;
    int result = tsuga_letters_check(data, bytes);

    if (result == 0)
        result = call_roll(shared, team, &roll);
    if (result != 0 || roll.count == 0)
        return result;
    bulletin = tsuga_bulletin_make(shared->memory, data, bytes);
    if (bulletin == NULL) {
        result = -ENOMEM;
    } else {
        for (size_t i = 0; i < roll.count; i++)
            result += send_to(self, roll.ids[i], tag, bulletin);
        tsuga_bulletin_release(shared->memory, bulletin);
    }
    dismiss(shared, &roll);
    return result;
}

int tsuga_team_join(struct tsuga_actor *self, const char *team)
{
    return tsuga_teams_join(&tsuga_seat_home(tsuga_seat_of(self))->shared->teams, self, team);
}

int tsuga_team_leave(struct tsuga_actor *self, const char *team)
{
    return tsuga_teams_leave(&tsuga_seat_home(tsuga_seat_of(self))->shared->teams, self, team);
}
