/* Creatures of three colours meet two at a time in a mall, and change colour when they do. */
#include "tests/bench/savina/savina.h"
#include "tests/bench/support.h"

#define CREATURE_COUNT 100u
#define MEETING_COUNT  200000u

enum { MEET = 1, CHANGE, END };
enum colour { BLUE, RED, YELLOW, COLOUR_COUNT };

/* Who wants to meet, or has met; what MEET and CHANGE carry. */
struct guest {
    struct tsuga_id id;
    uint32_t colour;
};

struct mall {
    struct tsuga_id root;
    struct tsuga_id waiting; /* zero: nobody */
    uint32_t meetings_left;
    uint32_t creatures_left;
    uint64_t met; /* told by creatures at their end */
};

struct creature {
    struct tsuga_id mall;
    uint32_t colour;
    uint64_t met;
};

static void send_guest(struct tsuga_actor *self, struct tsuga_id to, uint64_t tag,
                       const struct guest *guest)
{
    tsuga_bench_require("tsuga_send", tsuga_send(self, to, tag, guest, sizeof(*guest)));
}

/* Of two of a kind each stays as it is, of two others both become the third. */
static uint32_t blend(uint32_t mine, uint32_t other)
{
    return mine == other ? mine : COLOUR_COUNT - mine - other;
}

/* The first guest waits, the second one is shown to it. */
static void receive_guest(struct tsuga_actor *self, struct mall *mall, const struct guest *guest)
{
    if (mall->meetings_left == 0) {
        savina_send(self, guest->id, END);
    } else if (mall->waiting.value == 0) {
        mall->waiting = guest->id;
    } else {
        mall->meetings_left--;
        send_guest(self, mall->waiting, MEET, guest);
        mall->waiting = (struct tsuga_id){0};
    }
}

static void run_mall(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct mall *mall = savina_player(self);

    if (tsuga_message_bytes(message) > 0) {
        receive_guest(self, mall, tsuga_message_data(message));
        return;
    }
    mall->met += tsuga_message_tag(message);
    if (--mall->creatures_left > 0)
        return;
    savina_send(self, mall->root, mall->met);
    tsuga_exit(self, TSUGA_NORMAL);
}

static void go_to_mall(struct tsuga_actor *self, const struct creature *creature)
{
    struct guest me = {tsuga_self(self), creature->colour};

    send_guest(self, creature->mall, MEET, &me);
}

static void meet(struct tsuga_actor *self, struct creature *creature, const struct guest *guest)
{
    struct guest me = {tsuga_self(self), blend(creature->colour, guest->colour)};

    creature->met++;
    creature->colour = me.colour;
    send_guest(self, guest->id, CHANGE, &me);
    go_to_mall(self, creature);
}

static void live(struct tsuga_actor *self, const struct tsuga_message *message)
{
    struct creature *creature = savina_player(self);
    const struct guest *guest = tsuga_message_data(message);

    switch (tsuga_message_tag(message)) {
    case MEET:
        meet(self, creature, guest);
        break;
    case CHANGE:
        creature->met++;
        creature->colour = guest->colour;
        go_to_mall(self, creature);
        break;
    default:
        savina_send(self, creature->mall, creature->met);
        tsuga_exit(self, TSUGA_NORMAL);
    }
}

static void begin(struct tsuga_actor *self, void *creature)
{
    *(void **)tsuga_state(self) = creature;
    go_to_mall(self, creature);
}

static void run(struct tsuga_actor *self, void *argument)
{
    struct mall mall = {
        .root = tsuga_self(self), .meetings_left = MEETING_COUNT, .creatures_left = CREATURE_COUNT};
    struct tsuga_id id = savina_spawn(self, run_mall, &mall);
    struct creature creatures[CREATURE_COUNT];

    (void)argument;
    for (uint32_t i = 0; i < CREATURE_COUNT; i++) {
        struct tsuga_spawn_options options = {.behaviour = live,
                                              .start = begin,
                                              .argument = &creatures[i],
                                              .state_bytes = sizeof(void *)};

        creatures[i] = (struct creature){.mall = id, .colour = i % COLOUR_COUNT};
        tsuga_bench_require("tsuga_spawn", tsuga_spawn(tsuga_runtime_of(self), &options, NULL));
    }
    savina_expect("creatures that met", savina_collect(self, 1), UINT64_C(2) * MEETING_COUNT);
}

/* Two come to the mall, one is shown the other, and tells it. */
const struct savina_case savina_chameneos = {
    "chameneos", "100 creatures, 200000 meetings", "message", UINT64_C(4) * MEETING_COUNT, 0, run};
