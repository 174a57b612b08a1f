#include "actor/teams.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/bits.h"

void tsuga_teams_init(struct tsuga_teams *teams, const struct tsuga_memory *memory)
{
    teams->memory = memory;
    tsuga_words_init(&teams->words, memory);
    pthread_rwlock_init(&teams->lock, NULL);
}

void tsuga_teams_fini(struct tsuga_teams *teams)
{
    tsuga_words_fini(&teams->words);
    pthread_rwlock_destroy(&teams->lock);
}

static void discard(struct tsuga_teams *teams, struct tsuga_team *team)
{
    tsuga_memory_free(teams->memory, team, sizeof(*team) + team->word.bytes);
}

/* Under the lock, and so are the next two. */
static int begin(struct tsuga_teams *teams, struct tsuga_word word, struct tsuga_team **out)
{
    struct tsuga_team *team = tsuga_memory_alloc(teams->memory, sizeof(*team) + word.bytes);
    int error;

    if (team == NULL)
        return -ENOMEM;
    *team = (struct tsuga_team){.word = word};
    memcpy(team->text, word.text, word.bytes);
    team->word.text = team->text;
    tsuga_list_init(&team->members);
    error = tsuga_words_add(&teams->words, &team->word);
    if (error != 0) {
        discard(teams, team);
        return error;
    }
    *out = team;
    return 0;
}

static struct tsuga_team *find(const struct tsuga_teams *teams, const struct tsuga_word *word)
{
    struct tsuga_word *found = tsuga_words_find(&teams->words, word);

    return found == NULL ? NULL : TSUGA_CONTAINER_OF(found, struct tsuga_team, word);
}

static int add(struct tsuga_teams *teams, struct tsuga_word word, struct tsuga_member *member)
{
    struct tsuga_team *team = find(teams, &word);
    int error = team == NULL ? begin(teams, word, &team) : 0;

    if (error != 0)
        return error;
    member->team = team;
    tsuga_list_push_back(&team->members, &member->link);
    team->member_count++;
    return 0;
}

/* The actor's membership in a team. No lock is needed: a team's word is constant, and the team
 * lives as long as the membership, which only the actor's own executor ends. */
static struct tsuga_member *member_in(const struct tsuga_actor *actor,
                                      const struct tsuga_word *word)
{
    for (struct tsuga_bond *bond = actor->bonds; bond != NULL; bond = bond->next) {
        struct tsuga_member *member = TSUGA_CONTAINER_OF(bond, struct tsuga_member, bond);

        if (bond->kind == TSUGA_BOND_MEMBER && tsuga_word_equal(&member->team->word, word))
            return member;
    }
    return NULL;
}

int tsuga_teams_join(struct tsuga_teams *teams, struct tsuga_actor *actor, const char *text)
{
    struct tsuga_word word = tsuga_word_of(text);
    struct tsuga_member *member;
    int error;

    if (word.bytes == 0)
        return -EINVAL;
    if (member_in(actor, &word) != NULL)
        return -EEXIST;
    member = tsuga_memory_alloc(teams->memory, sizeof(*member));
    if (member == NULL)
        return -ENOMEM;
    *member = (struct tsuga_member){.bond.kind = TSUGA_BOND_MEMBER, .id = tsuga_actor_id(actor)};
    pthread_rwlock_wrlock(&teams->lock);
    error = add(teams, word, member);
    pthread_rwlock_unlock(&teams->lock);
    if (error != 0)
        tsuga_memory_free(teams->memory, member, sizeof(*member));
    else
        tsuga_bond_tie(&actor->bonds, &member->bond);
    return error;
}

static void take_out(struct tsuga_teams *teams, struct tsuga_member *member)
{
    struct tsuga_team *team = member->team;
    bool was_last;

    pthread_rwlock_wrlock(&teams->lock);
    tsuga_list_remove(&member->link);
    was_last = --team->member_count == 0;
    if (was_last)
        tsuga_words_remove(&teams->words, &team->word);
    pthread_rwlock_unlock(&teams->lock);
    tsuga_bond_untie(&member->bond);
    tsuga_memory_free(teams->memory, member, sizeof(*member));
    if (was_last)
        discard(teams, team);
}

int tsuga_teams_leave(struct tsuga_teams *teams, struct tsuga_actor *actor, const char *text)
{
    struct tsuga_word word = tsuga_word_of(text);
    struct tsuga_member *member = member_in(actor, &word);

    if (member == NULL)
        return -ENOENT;
    take_out(teams, member);
    return 0;
}

/* Under the lock. */
static size_t list(const struct tsuga_team *team, struct tsuga_id *ids, size_t count_max)
{
    size_t count = 0;

    TSUGA_LIST_EACH (node, &team->members) {
        if (count == count_max)
            break;
        ids[count++] = TSUGA_CONTAINER_OF(node, struct tsuga_member, link)->id;
    }
    return team->member_count;
}

size_t tsuga_teams_list(struct tsuga_teams *teams, const char *text, struct tsuga_id *ids,
                        size_t count_max)
{
    struct tsuga_word word = tsuga_word_of(text);
    struct tsuga_team *team;
    size_t count;

    pthread_rwlock_rdlock(&teams->lock);
    team = find(teams, &word);
    count = team == NULL ? 0 : list(team, ids, count_max);
    pthread_rwlock_unlock(&teams->lock);
    return count;
}

void tsuga_teams_leave_all(struct tsuga_teams *teams, struct tsuga_actor *actor)
{
    struct tsuga_bond *next;

    for (struct tsuga_bond *bond = actor->bonds; bond != NULL; bond = next) {
        next = bond->next;
        if (bond->kind == TSUGA_BOND_MEMBER)
            take_out(teams, TSUGA_CONTAINER_OF(bond, struct tsuga_member, bond));
    }
}
